"""Relatives of the error function: scaled, imaginary, inverse and complex ones, and the normal distribution."""

import math

import numpy as np

from .elementwise import exp, imag, real, where
from .shaping import as_value
from .special import erf, scipy_special, special, with_slopes
from .trigonometric import cos, sin

ROOT_PI = math.sqrt(math.pi)
_scipy_wofz, _scipy_erfcx, _scipy_dawsn = (scipy_special(name) for name in ("wofz", "erfcx", "dawsn"))

# --- the Faddeeva function and its kin: w' = -2 z w + 2 i / sqrt(pi) ------------------------------------------------

FAR = 7.0  # from here on the asymptotic series is exact to rounding, while the recurrence would cancel


def _faddeeva_far(z, n):
    """The n-th derivative of w for large z in the upper half-plane, term by term (DLMF 7.12.1)."""
    total, power = np.zeros_like(z), (1j / ROOT_PI) * z ** -(n + 1.0)
    for k in range(40):
        total += math.prod(range(2 * k + 1, 2 * k + 1 + n)) * power
        power = power * (k + 0.5) / (z * z)
    return np.where(np.isinf(z.real) | np.isinf(z.imag), 0, (-1) ** n * total)


def _gaussian(z, n):
    """The n-th derivative of exp(-z**2), by the recurrence of Hermite polynomials."""
    before, h = np.zeros_like(z), np.exp(-z * z)
    for k in range(n):
        before, h = h, -2 * z * h - 2 * k * before
    return h


def _climb(f, first, z, n, sign):
    """The n-th derivative from f and its first one by f'' = sign (2 z f' + 2 f), differentiated again and again."""
    for k in range(1, n):
        f, first = first, sign * 2 * (z * first + k * f)
    return first if n else f


def _wofz_slope(z, n):
    z = z.astype(complex)
    w = _scipy_wofz(z)
    near = _climb(w, -2 * z * w + 2j / ROOT_PI, z, n, -1)
    lower = z.imag < 0
    far = _faddeeva_far(np.where(lower, -z, z), n)
    far = np.where(lower, 2 * _gaussian(z, n) - (-1) ** n * far, far)
    far = np.where(z.imag == 0, _gaussian(z.real, n) + 1j * far.imag, far)
    return np.where(np.abs(z) < FAR, near, far)


def _erfcx_slope(x, n):
    if x.dtype.kind == "c":
        return 1j**n * _wofz_slope(1j * x, n)
    f = _scipy_erfcx(x)
    near = _climb(f, 2 * x * f - 2 / ROOT_PI, x, n, 1)
    return np.where(x < FAR, near, (1j**n * _faddeeva_far(1j * np.maximum(x, FAR), n)).real)


def _dawsn_slope(x, n):
    f = _scipy_dawsn(x)
    near = _climb(f, 1 - 2 * x * f, x, n, -1)
    if x.dtype.kind == "c":
        upper = np.where(x.imag < 0, -x, x)
        far = (0.5j * ROOT_PI) * (_gaussian(upper, n) - _wofz_slope(upper, n))
        far = np.where(x.imag < 0, (-1) ** (n + 1) * far, far)
    else:
        size = np.maximum(np.abs(x), FAR).astype(complex)
        far = np.where(x < 0, (-1) ** (n + 1), 1) * (0.5 * ROOT_PI) * _faddeeva_far(size, n).imag
    return np.where(np.abs(x) < FAR, near, far)


@special(lambda z, n: _wofz(z, n=n + 1), by=with_slopes("wofz", _wofz_slope))
def _wofz(z, *, n):
    """The n-th derivative of the Faddeeva function."""


@special(lambda x, n: _erfcx(x, n=n + 1), by=with_slopes("erfcx", _erfcx_slope))
def _erfcx(x, *, n):
    """The n-th derivative of exp(x**2) erfc(x)."""


@special(lambda x, n: _dawsn(x, n=n + 1), by=with_slopes("dawsn", _dawsn_slope))
def _dawsn(x, *, n):
    """The n-th derivative of Dawson's integral."""


def wofz(z):
    """Faddeeva function `exp(-z**2) erfc(-i z)`, complex also for real `z`.

    >>> import chainrule as cr
    >>> cr.special.wofz(0.0)
    np.complex128(1+0j)
    """
    return _wofz(as_value(z), n=0)


def erfcx(x):
    """`exp(x**2) erfc(x)`, which neither over- nor underflows for large `x`; real or complex.

    >>> import chainrule as cr
    >>> cr.special.erfcx([0.0, 100.0])
    array([1.        , 0.00564161])
    """
    return _erfcx(as_value(x), n=0)


def dawsn(x):
    """Dawson's integral `exp(-x**2)` times the integral of `exp(t**2)` from 0 to `x`; real or complex.

    >>> import chainrule as cr
    >>> cr.special.dawsn([0.0, 1.0])
    array([0.        , 0.53807951])
    """
    return _dawsn(as_value(x), n=0)


@special(lambda x: (2 / ROOT_PI) * exp(x * x))
def erfi(x):
    """Imaginary error function `-i erf(i x)`; real or complex.

    >>> import chainrule as cr
    >>> cr.special.erfi(1.0)
    np.float64(1.6504257587975428)
    """


@special(lambda out: (-ROOT_PI / 2) * exp(out * out), singular=True)
def erfcinv(x):
    """Number whose `erfc` is `x`, for 0 <= `x` <= 2.

    >>> import chainrule as cr
    >>> cr.special.erfcinv([1.0, 1e-100])
    array([-0.       , 15.0655747])
    """


def _voigt_partial(x, sigma, gamma, which):
    """The profile is Re w(z) / (sigma sqrt(2 pi)) at z = (x + i gamma) / (sigma sqrt(2)); without sigma, Lorentz's curve."""
    lorentz = sigma == 0
    s = math.sqrt(2) * where(lorentz, 1, sigma)
    zx, zy = x / s, gamma / s
    z = zx + 1j * zy
    w, slope = _wofz(z, n=0), _wofz(z, n=1)
    r = x * x + gamma * gamma
    r = where(lorentz, r, 1)
    if which == "x":
        gauss, none = real(slope), -2 * x * gamma / (math.pi * r * r)
    elif which == "gamma":
        gauss, none = -imag(slope), (x * x - gamma * gamma) / (math.pi * r * r)
    else:
        gauss, none = -(real(w) + zx * real(slope) - zy * imag(slope)), 0.0 * r
        return where(lorentz, none, gauss / (ROOT_PI * s * s) * math.sqrt(2))
    return where(lorentz, none, gauss / (ROOT_PI * s * s))


@special(
    lambda x, sigma, gamma: _voigt_partial(x, sigma, gamma, "x"),
    lambda x, sigma, gamma: _voigt_partial(x, sigma, gamma, "sigma"),
    lambda x, sigma, gamma: _voigt_partial(x, sigma, gamma, "gamma"),
)
def voigt_profile(x, sigma, gamma):
    """Density at `x` of a normal variable with deviation `sigma` plus a Cauchy variable with half-width `gamma`.

    >>> import chainrule as cr
    >>> cr.special.voigt_profile(2.0, 1.0, 1.0)
    np.float64(0.09071519942627541)
    """


_scipy_fresnel = scipy_special("fresnel")


@special(lambda z: sin((math.pi / 2) * z * z), by=lambda z: _scipy_fresnel(z)[0])
def _fresnel_s(z):
    """Integral of sin(pi t**2 / 2) from 0 to z."""


@special(lambda z: cos((math.pi / 2) * z * z), by=lambda z: _scipy_fresnel(z)[1])
def _fresnel_c(z):
    """Integral of cos(pi t**2 / 2) from 0 to z."""


def fresnel(z):
    """Integrals of `sin(pi t**2 / 2)` and of `cos(pi t**2 / 2)` from 0 to `z`, real or complex.

    >>> import chainrule as cr
    >>> s, c = cr.special.fresnel(1.0)
    >>> s, c
    (np.float64(0.4382591473903547), np.float64(0.779893400376823))
    """
    z = as_value(z)
    return _fresnel_s(z), _fresnel_c(z)


# --- the normal distribution ----------------------------------------------------------------------------------------

ROOT_HALF = math.sqrt(0.5)


@special(lambda x: exp(-0.5 * x * x) * (1 / math.sqrt(2 * math.pi)))
def ndtr(x):
    """Distribution function of the standard normal distribution: the probability of a number up to `x`.

    >>> import chainrule as cr
    >>> cr.special.ndtr([0.0, 1.96])
    array([0.5      , 0.9750021])
    """


def _hazard_slope(x, out):
    """For large x by its own value, since the square of erfcx overflows; elsewhere that would cancel."""
    far = real(x) > 5
    z = -ROOT_HALF * where(far, 0, x)
    size = _erfcx(z, n=0)
    return where(far, -out * (x + out), _erfcx(z, n=1) / size / size / math.sqrt(math.pi))


@special(_hazard_slope, by=lambda x: math.sqrt(2 / math.pi) / _scipy_erfcx(-ROOT_HALF * x))
def _hazard(x):
    """Density of the standard normal distribution over its distribution function."""


@special(lambda x: _hazard(x))
def log_ndtr(x):
    """Logarithm of `ndtr`, accurate where that underflows.

    >>> import chainrule as cr
    >>> cr.special.log_ndtr([0.0, -100.0])
    array([-6.93147181e-01, -5.00552421e+03])
    """


@special(lambda out: math.sqrt(2 * math.pi) * exp(0.5 * out * out), singular=True)
def ndtri(p):
    """Quantile of the standard normal distribution: the number whose `ndtr` is `p`.

    >>> import chainrule as cr
    >>> cr.special.ndtri([0.5, 0.975])
    array([0.        , 1.95996398])
    """


@special(lambda out: math.sqrt(math.pi / 2) * _erfcx(-ROOT_HALF * out, n=0), singular=True)
def ndtri_exp(y):
    """The number whose `log_ndtr` is `y`.

    >>> import chainrule as cr
    >>> cr.special.ndtri_exp([-1.0, -1e4])
    array([  -0.33747496, -141.37983987])
    """


@special(
    lambda h, a: -0.5 / math.sqrt(2 * math.pi) * exp(-0.5 * h * h) * erf(ROOT_HALF * a * h),
    lambda h, a: exp(-0.5 * h * h * (1 + a * a)) / (2 * math.pi * (1 + a * a)),
)
def owens_t(h, a):
    """Owen's T function: the probability that X > `h` and 0 < Y < `a` X for independent standard normal X and Y.

    >>> import chainrule as cr
    >>> cr.special.owens_t(1.0, 0.5)
    np.float64(0.043064691120785356)
    """
