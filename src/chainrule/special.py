"""Special functions in scipy.special's names; also what scipy.special does with a Tensor.

Loading this module does not load SciPy: the first function called does.
"""

import functools as _functools

import numpy as _np

from .core.value import dtype_of as _dtype_of
from .ops import elementwise as _elementwise, rint as _rint, sinc as sinc
from .ops.activation import softplus as softplus
from .ops.bessel import (
    airy as airy,
    airye as airye,
    h1vp as h1vp,
    h2vp as h2vp,
    hankel1 as hankel1,
    hankel1e as hankel1e,
    hankel2 as hankel2,
    hankel2e as hankel2e,
    i0 as i0,
    i0e as i0e,
    i1 as i1,
    i1e as i1e,
    iv as iv,
    ive as ive,
    ivp as ivp,
    j0 as j0,
    j1 as j1,
    jn as jn,
    jv as jv,
    jve as jve,
    jvp as jvp,
    k0 as k0,
    k0e as k0e,
    k1 as k1,
    k1e as k1e,
    kn as kn,
    kv as kv,
    kve as kve,
    kvp as kvp,
    modstruve as modstruve,
    spherical_in as spherical_in,
    spherical_jn as spherical_jn,
    spherical_kn as spherical_kn,
    spherical_yn as spherical_yn,
    struve as struve,
    y0 as y0,
    y1 as y1,
    yn as yn,
    yv as yv,
    yve as yve,
    yvp as yvp,
)
from .ops.bessel_integrals import (
    besselpoly as besselpoly,
    it2i0k0 as it2i0k0,
    it2j0y0 as it2j0y0,
    it2struve0 as it2struve0,
    iti0k0 as iti0k0,
    itj0y0 as itj0y0,
    itmodstruve0 as itmodstruve0,
    itstruve0 as itstruve0,
    modfresnelm as modfresnelm,
    modfresnelp as modfresnelp,
)
from .ops.distributions import (
    bdtr as bdtr,
    bdtrc as bdtrc,
    bdtri as bdtri,
    bdtrik as bdtrik,
    bdtrin as bdtrin,
    btdtria as btdtria,
    btdtrib as btdtrib,
    chdtr as chdtr,
    chdtrc as chdtrc,
    chdtri as chdtri,
    chdtriv as chdtriv,
    fdtr as fdtr,
    fdtrc as fdtrc,
    fdtri as fdtri,
    fdtridfd as fdtridfd,
    gdtr as gdtr,
    gdtrc as gdtrc,
    gdtria as gdtria,
    gdtrib as gdtrib,
    gdtrix as gdtrix,
    nbdtr as nbdtr,
    nbdtrc as nbdtrc,
    nbdtri as nbdtri,
    nbdtrik as nbdtrik,
    nbdtrin as nbdtrin,
    nrdtrimn as nrdtrimn,
    nrdtrisd as nrdtrisd,
    pdtr as pdtr,
    pdtrc as pdtrc,
    pdtri as pdtri,
    pdtrik as pdtrik,
    stdtr as stdtr,
    stdtridf as stdtridf,
    stdtrit as stdtrit,
)
from .ops.elementary import (
    boxcox as boxcox,
    boxcox1p as boxcox1p,
    cosdg as cosdg,
    cosm1 as cosm1,
    cotdg as cotdg,
    entr as entr,
    exp10 as exp10,
    expit as expit,
    exprel as exprel,
    huber as huber,
    inv_boxcox as inv_boxcox,
    inv_boxcox1p as inv_boxcox1p,
    kl_div as kl_div,
    log_expit as log_expit,
    powm1 as powm1,
    pseudo_huber as pseudo_huber,
    radian as radian,
    rel_entr as rel_entr,
    sindg as sindg,
    tandg as tandg,
    tklmbda as tklmbda,
    xlog1py as xlog1py,
)
from .ops.elliptic import (
    agm as agm,
    ellipe as ellipe,
    ellipeinc as ellipeinc,
    ellipj as ellipj,
    ellipk as ellipk,
    ellipkinc as ellipkinc,
    ellipkm1 as ellipkm1,
    elliprc as elliprc,
    elliprd as elliprd,
    elliprf as elliprf,
    elliprg as elliprg,
    elliprj as elliprj,
)
from .ops.error_functions import (
    dawsn as dawsn,
    erfcinv as erfcinv,
    erfcx as erfcx,
    erfi as erfi,
    fresnel as fresnel,
    log_ndtr as log_ndtr,
    ndtr as ndtr,
    ndtri as ndtri,
    ndtri_exp as ndtri_exp,
    owens_t as owens_t,
    voigt_profile as voigt_profile,
    wofz as wofz,
)
from .ops.gamma import (
    beta as beta,
    betaln as betaln,
    binom as binom,
    comb as comb,
    factorial as factorial,
    gamma as gamma,
    gammasgn as gammasgn,
    loggamma as loggamma,
    multigammaln as multigammaln,
    poch as poch,
    psi as psi,
    rgamma as rgamma,
    zeta as zeta,
    zetac as zetac,
)
from .ops.hypergeometric import (
    hyp0f1 as hyp0f1,
    hyp1f1 as hyp1f1,
    hyp2f1 as hyp2f1,
    hyperu as hyperu,
    log_wright_bessel as log_wright_bessel,
    wright_bessel as wright_bessel,
)
from .ops.incomplete import (
    betainc as betainc,
    betaincc as betaincc,
    betainccinv as betainccinv,
    betaincinv as betaincinv,
    gammainc as gammainc,
    gammaincc as gammaincc,
    gammainccinv as gammainccinv,
    gammaincinv as gammaincinv,
)
from .ops.integrals import (
    exp1 as exp1,
    expi as expi,
    expn as expn,
    lambertw as lambertw,
    shichi as shichi,
    sici as sici,
    spence as spence,
    wrightomega as wrightomega,
)
from .ops.kelvin import (
    bei as bei,
    beip as beip,
    ber as ber,
    berp as berp,
    kei as kei,
    keip as keip,
    kelvin as kelvin,
    ker as ker,
    kerp as kerp,
)
from .ops.kolmogorov import (
    kolmogi as kolmogi,
    kolmogorov as kolmogorov,
)
from .ops.log_sums import (
    log_softmax as log_softmax,
    logsumexp as logsumexp,
    softmax as softmax,
)
from .ops.noncentral import (
    chndtr as chndtr,
    chndtridf as chndtridf,
    chndtrinc as chndtrinc,
    chndtrix as chndtrix,
)
from .ops.orthogonal import (
    diric as diric,
    eval_chebyc as eval_chebyc,
    eval_chebys as eval_chebys,
    eval_chebyt as eval_chebyt,
    eval_chebyu as eval_chebyu,
    eval_gegenbauer as eval_gegenbauer,
    eval_genlaguerre as eval_genlaguerre,
    eval_hermite as eval_hermite,
    eval_hermitenorm as eval_hermitenorm,
    eval_jacobi as eval_jacobi,
    eval_laguerre as eval_laguerre,
    eval_legendre as eval_legendre,
    eval_sh_chebyt as eval_sh_chebyt,
    eval_sh_chebyu as eval_sh_chebyu,
    eval_sh_jacobi as eval_sh_jacobi,
    eval_sh_legendre as eval_sh_legendre,
    lpmv as lpmv,
    sph_harm_y as sph_harm_y,
)
from .ops.shaping import as_value as _as_value, cast as _cast
from .ops.special import (
    digamma as digamma,
    erf as erf,
    erfc as erfc,
    erfinv as erfinv,
    gammaln as gammaln,
    logit as logit,
    polygamma as polygamma,
    xlogy as xlogy,
)
from .ops.wave_equations import (
    mathieu_a as mathieu_a,
    mathieu_b as mathieu_b,
    mathieu_cem as mathieu_cem,
    mathieu_modcem1 as mathieu_modcem1,
    mathieu_modcem2 as mathieu_modcem2,
    mathieu_modsem1 as mathieu_modsem1,
    mathieu_modsem2 as mathieu_modsem2,
    mathieu_sem as mathieu_sem,
    pbdv as pbdv,
    pbvv as pbvv,
    pbwa as pbwa,
)


def _in_scipys_dtypes(function, whole):
    """NumPy's function of small whole numbers has half precision, which SciPy's lack. `whole`: what they become at least."""

    @_functools.wraps(function)
    def computed(x):
        x = _as_value(x)
        dtype = _dtype_of(x)
        return function(_cast(x, _np.result_type(dtype, whole if dtype.kind in "iub" else _np.float32)))

    return computed


cbrt = _in_scipys_dtypes(_elementwise.cbrt, _np.float64)
exp2 = _in_scipys_dtypes(_elementwise.exp2, _np.float64)
expm1 = _in_scipys_dtypes(_elementwise.expm1, _np.float64)
log1p = _in_scipys_dtypes(_elementwise.log1p, _np.float64)
round = _in_scipys_dtypes(_rint, _np.float32)

__all__ = [name for name, thing in list(globals().items()) if callable(thing) and not name.startswith("_")]

# Ufuncs inside of scipy.special that its functions of other names call.
UFUNCS = {
    "_lambertw": lambertw,
    "_riemann_zeta": zeta,
    "_spherical_in": spherical_in,
    "_spherical_jn": spherical_jn,
    "_spherical_kn": spherical_kn,
    "_spherical_yn": spherical_yn,
    "_zeta": zeta,
}
