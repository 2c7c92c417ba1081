"""Exponential, trigonometric and logarithmic integrals, and inverses of x exp(x) and its kin."""

import numpy as np

from .bessel import spherical_in, spherical_jn
from .elementary import log1p_quotient
from .elementwise import exp, log, real, where
from .shaping import as_value
from .special import keep_single, scipy_special, special
from .trigonometric import cos, cosh

_gammaincc, _gamma = scipy_special("gammaincc"), scipy_special("gamma")
_scipy_expn, _scipy_sici, _scipy_shichi, _scipy_lambertw = (
    scipy_special(name) for name in ("expn", "sici", "shichi", "lambertw")
)

# --- exponential integrals ------------------------------------------------------------------------------------------


def _expn(n, x):
    """SciPy's, continued to negative n, where it is elementary: derivatives lead there."""
    negative = np.asarray(n) < 0
    if not negative.any():
        return _scipy_expn(n, x)
    with np.errstate(all="ignore"):
        down = np.where(negative, 1.0 - n, 1.0)
        return np.where(negative, _gammaincc(down, x) * _gamma(down) * np.power(x, -down), _scipy_expn(np.abs(n), x))[()]


@special(None, lambda n, x: -expn(n - 1, x), by=_expn, whole=1, singular=True)
def expn(n, x):
    """Exponential integral E_n: the integral of `exp(-x t) / t**n` from 1 to infinity, for whole `n` and `x` >= 0.

    >>> import chainrule as cr
    >>> cr.special.expn(2, [0.0, 1.0])
    array([1.        , 0.14849551])
    """


@special(lambda x: -exp(-x) / x, singular=True)
def exp1(x):
    """Exponential integral E_1, the integral of `exp(-t) / t` from `x` to infinity; `x` may be complex.

    >>> import chainrule as cr
    >>> cr.special.exp1(1.0)
    np.float64(0.2193839343955205)
    """


@special(lambda x: exp(x) / x, singular=True)
def expi(x):
    """Exponential integral Ei, the integral of `exp(t) / t` from minus infinity to `x`; `x` may be complex.

    >>> import chainrule as cr
    >>> cr.special.expi(1.0)
    np.float64(1.895117816355937)
    """


# --- sine and cosine integrals --------------------------------------------------------------------------------------


@special(lambda x: spherical_jn(0, x), by=lambda x: _scipy_sici(x)[0])
def _sine_integral(x):
    """Integral of sin(t) / t from 0 to x."""


@special(lambda x: cos(x) / x, by=lambda x: _scipy_sici(x)[1], singular=True)
def _cosine_integral(x):
    """log(x) and Euler's constant plus the integral of (cos(t) - 1) / t from 0 to x."""


def sici(x):
    """Sine and cosine integrals `(Si(x), Ci(x))`; `x` may be complex.

    >>> import chainrule as cr
    >>> si, ci = cr.special.sici(1.0)
    >>> si, ci
    (np.float64(0.9460830703671831), np.float64(0.33740392290096816))
    """
    x = as_value(x)
    return _sine_integral(x), _cosine_integral(x)


@special(lambda x: spherical_in(0, x), by=lambda x: _scipy_shichi(x)[0])
def _hyperbolic_sine_integral(x):
    """Integral of sinh(t) / t from 0 to x."""


@special(lambda x: cosh(x) / x, by=lambda x: _scipy_shichi(x)[1], singular=True)
def _hyperbolic_cosine_integral(x):
    """log(x) and Euler's constant plus the integral of (cosh(t) - 1) / t from 0 to x."""


def shichi(x):
    """Hyperbolic sine and cosine integrals `(Shi(x), Chi(x))`; `x` may be complex.

    >>> import chainrule as cr
    >>> shi, chi = cr.special.shichi(1.0)
    >>> shi, chi
    (np.float64(1.0572508753757286), np.float64(0.8378669409802082))
    """
    x = as_value(x)
    return _hyperbolic_sine_integral(x), _hyperbolic_cosine_integral(x)


def _spence_slope(z):
    """log(z) / (1 - z); near 0, `z - 1` would lose what is left of z."""
    near = real(z) < 0.5
    low, high = where(near, z, 0.25), where(near, 1, z)
    return where(near, log(low) / (1 - low), -log1p_quotient(high - 1, n=0))


@special(_spence_slope, singular=True)
def spence(z):
    """Spence's function, the integral of `log(t) / (1 - t)` from 1 to `z`: the dilogarithm of `1 - z`.

    >>> import chainrule as cr
    >>> cr.special.spence([0.0, 1.0, 2.0])
    array([ 1.64493407,  0.        , -0.82246703])
    """


# --- inverses -------------------------------------------------------------------------------------------------------


def _branch(z, k):
    return keep_single(lambda z: _scipy_lambertw(z, k), 0)(z)


@special(lambda z, out: exp(-out) / (1 + out), None, by=_branch, singular=True)
def _lambertw(z, k):
    """Branch k of the inverse of w exp(w)."""


def lambertw(z, k=0, tol=1e-8):
    """Lambert's function, the solution w of `w exp(w) = z` on branch `k`; always complex.

    `tol` has no effect: SciPy's own tolerance reaches machine precision.

    >>> import chainrule as cr
    >>> cr.special.lambertw(1.0)
    np.complex128(0.5671432904097838+0j)
    """
    return _lambertw(as_value(z), as_value(k))


@special(lambda out: out / (1 + out))
def wrightomega(z):
    """Wright's function omega, the solution w of `w + log(w) = z`; `z` may be complex.

    >>> import chainrule as cr
    >>> cr.special.wrightomega(1.0)
    np.float64(1.0)
    """
