"""Orthogonal polynomials of SciPy's eval_* names, Legendre functions and spherical harmonics."""

import math

from .comparison import equal
from .elementwise import absolute, exp, maximum, power, where
from .gamma import gamma, rgamma
from .parameter_sums import polynomial_of_three, polynomial_of_two
from .shaping import as_value
from .special import Unknown, special
from .trigonometric import cos

_DEGREE = Unknown("no formula is known here for the derivative in a real degree; whole ones are constants")


def _down(f, n, *args, factor=1):
    """factor * f(n - 1, *args), and 0 where n is 0."""
    none = equal(n, 0)
    return where(none, 0, factor) * f(where(none, 0, n - 1), *args)


@special(_DEGREE, lambda n, x: _down(eval_gegenbauer, n, 1.5, x), whole=1)
def eval_legendre(n, x):
    """Legendre polynomial of degree `n` at `x`.

    >>> import chainrule as cr
    >>> cr.special.eval_legendre(2, [0.0, 1.0])
    array([-0.5,  1. ])
    """


@special(_DEGREE, lambda n, x: _down(eval_chebyu, n, x, factor=n), whole=1)
def eval_chebyt(n, x):
    """Chebyshev polynomial of the first kind of degree `n` at `x`.

    >>> import chainrule as cr
    >>> cr.special.eval_chebyt(2, [0.0, 1.0])
    array([-1.,  1.])
    """


@special(_DEGREE, lambda n, x: _down(eval_gegenbauer, n, 2.0, x, factor=2), whole=1)
def eval_chebyu(n, x):
    """Chebyshev polynomial of the second kind of degree `n` at `x`.

    >>> import chainrule as cr
    >>> cr.special.eval_chebyu(2, [0.0, 1.0])
    array([-1.,  3.])
    """


@special(_DEGREE, lambda n, x: _down(eval_chebys, n, x, factor=n), whole=1)
def eval_chebyc(n, x):
    """Chebyshev polynomial of the first kind on [-2, 2]: `2 eval_chebyt(n, x / 2)`.

    >>> import chainrule as cr
    >>> cr.special.eval_chebyc(2, [0.0, 2.0])
    array([-2.,  2.])
    """


@special(_DEGREE, lambda n, x: _down(eval_gegenbauer, n, 2.0, 0.5 * x), whole=1)
def eval_chebys(n, x):
    """Chebyshev polynomial of the second kind on [-2, 2]: `eval_chebyu(n, x / 2)`.

    >>> import chainrule as cr
    >>> cr.special.eval_chebys(2, [0.0, 2.0])
    array([-1.,  3.])
    """


@special(_DEGREE, lambda n, x: _down(eval_gegenbauer, n, 1.5, 2 * x - 1, factor=2), whole=1)
def eval_sh_legendre(n, x):
    """Legendre polynomial on [0, 1]: `eval_legendre(n, 2 x - 1)`.

    >>> import chainrule as cr
    >>> cr.special.eval_sh_legendre(2, [0.0, 1.0])
    array([1., 1.])
    """


@special(_DEGREE, lambda n, x: _down(eval_sh_chebyu, n, x, factor=2 * n), whole=1)
def eval_sh_chebyt(n, x):
    """Chebyshev polynomial of the first kind on [0, 1]: `eval_chebyt(n, 2 x - 1)`.

    >>> import chainrule as cr
    >>> cr.special.eval_sh_chebyt(2, [0.0, 1.0])
    array([1., 1.])
    """


@special(_DEGREE, lambda n, x: _down(eval_gegenbauer, n, 2.0, 2 * x - 1, factor=4), whole=1)
def eval_sh_chebyu(n, x):
    """Chebyshev polynomial of the second kind on [0, 1]: `eval_chebyu(n, 2 x - 1)`.

    >>> import chainrule as cr
    >>> cr.special.eval_sh_chebyu(2, [0.0, 1.0])
    array([3., 3.])
    """


@special(
    _DEGREE,
    lambda n, alpha, x: polynomial_of_two(n, alpha, x, name="eval_gegenbauer", orders=(1, 0)),
    lambda n, alpha, x: _down(eval_gegenbauer, n, alpha + 1, x, factor=2 * alpha),
    whole=1,
)
def eval_gegenbauer(n, alpha, x):
    """Gegenbauer polynomial of degree `n` and parameter `alpha` at `x`.

    >>> import chainrule as cr
    >>> cr.special.eval_gegenbauer(2, 1.5, [0.0, 1.0])
    array([-1.5,  6. ])
    """


@special(
    _DEGREE,
    lambda n, alpha, beta, x: polynomial_of_three(n, alpha, beta, x, name="eval_jacobi", orders=(1, 0, 0)),
    lambda n, alpha, beta, x: polynomial_of_three(n, alpha, beta, x, name="eval_jacobi", orders=(0, 1, 0)),
    lambda n, alpha, beta, x: _down(eval_jacobi, n, alpha + 1, beta + 1, x, factor=0.5 * (n + alpha + beta + 1)),
    whole=1,
)
def eval_jacobi(n, alpha, beta, x):
    """Jacobi polynomial of degree `n` and parameters `alpha`, `beta` at `x`.

    >>> import chainrule as cr
    >>> cr.special.eval_jacobi(2, 0.5, 1.5, [0.0, 1.0])
    array([-0.625,  1.875])
    """


@special(
    _DEGREE,
    lambda n, p, q, x: polynomial_of_three(n, p, q, x, name="eval_sh_jacobi", orders=(1, 0, 0)),
    lambda n, p, q, x: polynomial_of_three(n, p, q, x, name="eval_sh_jacobi", orders=(0, 1, 0)),
    lambda n, p, q, x: _down(eval_sh_jacobi, n, p + 2, q + 1, x, factor=n),
    whole=1,
)
def eval_sh_jacobi(n, p, q, x):
    """Shifted Jacobi polynomial of degree `n` and parameters `p`, `q` at `x`, whose leading coefficient is 1.

    >>> import chainrule as cr
    >>> cr.special.eval_sh_jacobi(2, 2.0, 1.5, [0.0, 1.0])
    array([0.1875, 0.1875])
    """


@special(_DEGREE, lambda n, x: _down(eval_genlaguerre, n, 1.0, x, factor=-1), whole=1)
def eval_laguerre(n, x):
    """Laguerre polynomial of degree `n` at `x`.

    >>> import chainrule as cr
    >>> cr.special.eval_laguerre(2, [0.0, 1.0])
    array([ 1. , -0.5])
    """


@special(
    _DEGREE,
    lambda n, alpha, x: polynomial_of_two(n, alpha, x, name="eval_genlaguerre", orders=(1, 0)),
    lambda n, alpha, x: _down(eval_genlaguerre, n, alpha + 1, x, factor=-1),
    whole=1,
)
def eval_genlaguerre(n, alpha, x):
    """Generalised Laguerre polynomial of degree `n` and parameter `alpha` at `x`.

    >>> import chainrule as cr
    >>> cr.special.eval_genlaguerre(2, 0.5, [0.0, 1.0])
    array([ 1.875, -0.125])
    """


@special(None, lambda n, x: _down(eval_hermite, n, x, factor=2 * n), whole=1)
def eval_hermite(n, x):
    """Hermite polynomial (of physicists) of whole degree `n` at `x`.

    >>> import chainrule as cr
    >>> cr.special.eval_hermite(2, [0.0, 1.0])
    array([-2.,  2.])
    """


@special(None, lambda n, x: _down(eval_hermitenorm, n, x, factor=n), whole=1)
def eval_hermitenorm(n, x):
    """Hermite polynomial (of probabilists) of whole degree `n` at `x`.

    >>> import chainrule as cr
    >>> cr.special.eval_hermitenorm(2, [0.0, 1.0])
    array([-1.,  0.])
    """


def diric(x, n):
    """Dirichlet's periodic sinc function `sin(n x / 2) / (n sin(x / 2))`, for whole `n` > 0.

    >>> import chainrule as cr
    >>> cr.special.diric([0.0, 1.0], 3)
    array([1.        , 0.69353487])
    """
    return eval_chebyu(n - 1, cos(0.5 * as_value(x))) / n


# --- Legendre functions ---------------------------------------------------------------------------------------------


def _lpmv_partial(m, v, x):
    """By the derivatives of Legendre's polynomial, which Gegenbauer's are, times a power of 1 - x**2 (DLMF 14.6.1)."""
    mu = absolute(m)
    scale = (-2.0) ** mu * gamma(mu + 0.5) * (1 / math.sqrt(math.pi))
    mirror = (-1.0) ** mu * gamma(v - mu + 1.0) * rgamma(v + mu + 1.0)
    scale = where(mu > v, 0, where(m < 0, mirror, 1) * scale)
    degree, r = where(mu > v, 0, v - mu), 1 - x * x
    rise = power(r, 0.5 * mu) * _down(eval_gegenbauer, degree, mu + 1.5, x, factor=2 * mu + 1.0)
    fall = where(mu == 0, 0, mu * x * power(r, where(mu == 0, 1, 0.5 * mu - 1))) * eval_gegenbauer(degree, mu + 0.5, x)
    return scale * (rise - fall)


@special(None, _DEGREE, _lpmv_partial, whole=2, singular=True)
def lpmv(m, v, x):
    """Associated Legendre function of whole order `m` and degree `v` at `x`, for -1 <= `x` <= 1.

    >>> import chainrule as cr
    >>> cr.special.lpmv(1, 2, [0.0, 0.5])
    array([ 0.        , -1.29903811])
    """


def _harmonic_in_theta(n, m, theta, phi):
    """By the neighbouring orders, without dividing by sin(theta)."""
    up, down = (maximum(k, 0) ** 0.5 for k in ((n - m) * (n + m + 1), (n + m) * (n - m + 1)))
    higher, lower = sph_harm_y(n, m + 1, theta, phi), sph_harm_y(n, m - 1, theta, phi)
    return 0.5 * (up * exp(-1j * phi) * higher - down * exp(1j * phi) * lower)


@special(None, None, _harmonic_in_theta, lambda m, out: 1j * m * out, whole=2)
def sph_harm_y(n, m, theta, phi):
    """Spherical harmonic of degree `n` and order `m` at polar angle `theta` and azimuth `phi`.

    >>> import chainrule as cr
    >>> cr.special.sph_harm_y(1, 0, 0.0, 0.0)
    array(0.48860251+0.j)
    """
