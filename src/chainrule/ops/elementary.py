"""Elementary functions with their edges mended: entropies, losses, transformations of Box and Cox, forms of exp and log."""

import math

import numpy as np

from ..core.value import dtype_of
from .activation import slope_of_sigmoid
from .comparison import isinf
from .elementwise import absolute, clip, hypot, log, log1p, multiply, power, share_of_hypot, where
from .families import elementwise, masked_multiply
from .shaping import as_value, cast
from .special import numeric, scipy_special, special, together, with_slopes
from .trigonometric import sin

_hyp1f1, _hyp2f1 = scipy_special("hyp1f1"), scipy_special("hyp2f1")

# --- logistic -------------------------------------------------------------------------------------------------------


@elementwise(scipy_special("expit"), lambda x, out: slope_of_sigmoid(x, out), scalar=lambda s, x: s.sigmoid(x))
def expit(x):
    """Logistic function `1 / (1 + exp(-x))`; as `sigmoid`, with derivatives that are accurate also for large `x`.

    >>> import chainrule as cr
    >>> cr.special.expit([0.0, 100.0])
    array([0.5, 1. ])
    """


@special(lambda x: expit(-x))
def log_expit(x):
    """Logarithm of `expit`, accurate where that underflows.

    >>> import chainrule as cr
    >>> cr.special.log_expit([0.0, -1000.0])
    array([-6.93147181e-01, -1.00000000e+03])
    """


# --- quotients of exp and log that are smooth at 0 ------------------------------------------------------------------


def _exprel_slope(x, n):
    """The integral of t**n exp(x t) over 0 < t < 1."""
    grow = _hyp1f1(n + 1, n + 2, x) / (n + 1)
    return np.where(x == -math.inf, 0, np.where(x == math.inf, math.inf, grow))


@special(lambda x, n: _exprel(x, n=n + 1), by=with_slopes("exprel", _exprel_slope))
def _exprel(x, *, n):
    """The n-th derivative of (exp(x) - 1) / x."""


def exprel(x):
    """`(exp(x) - 1) / x`, and 1 at 0.

    >>> import chainrule as cr
    >>> cr.special.exprel([0.0, 1.0])
    array([1.        , 1.71828183])
    """
    return _exprel(as_value(x), n=0)


@numeric(lambda x, n: log1p_quotient(x, n=n + 1), singular=True)
def log1p_quotient(x, *, n):
    """The n-th derivative of log(1 + x) / x, which is 1 at 0."""
    scale = (-1) ** n * math.factorial(n) / (n + 1)
    near = scale * (1 + x) ** -float(n) * _hyp2f1(1.0, 1.0, n + 2.0, -x)
    # From there by Leibniz's rule, which cancels for small x, while SciPy's function fails for large ones.
    ratio = x / (1 + x)
    sums = sum(ratio**k / k for k in range(1, n + 1))
    far = (-1) ** n * math.factorial(n) * (np.log1p(x) - sums) / x ** (n + 1.0)
    return np.where(x > 1e4, far, near)


# --- x log(y) and entropies -----------------------------------------------------------------------------------------


def xlog1py(x, y):
    """`x * log1p(y)`, and 0 where `x` is 0.

    >>> import chainrule as cr
    >>> cr.special.xlog1py(0.0, -1.0)
    np.float64(0.0)
    """
    x, y = together(x, y)
    y = cast(y, np.result_type(dtype_of(x), dtype_of(y)))  # first, so that the logarithm has the precision of the result
    # Elsewhere the derivative in x is log1p(y) also at 0.
    none = (x == 0) & ((y == -1) | isinf(y) if dtype_of(y).kind == "c" else (y <= -1) | (y == math.inf))
    return where(none, 0.0 * x, multiply(x, log1p(where(none, 1, y))))


@special(lambda x: -log(x) - 1, singular=True)
def entr(x):
    """`-x log(x)`, 0 at 0 and minus infinity for negative `x`: a term of the entropy of a distribution.

    >>> import chainrule as cr
    >>> cr.special.entr([0.0, 0.5])
    array([0.        , 0.34657359])
    """


@special(lambda y: -1 / y, lambda x, y: (x / y) / y, by=lambda x, y: (y - x) / y, singular=True)
def _kl_div_in_y(x, y):
    """(y - x) / y"""


def _log_quotient(x, y):
    """log(x / y), accurate where the two are nearly equal; 0 where both are 0, the limit along x = y."""
    near = (absolute(x - y) < 0.5 * y) | ((x == 0) & (y == 0))
    return where(near, log1p((x - y) / where(near & (y != 0), y, 1)), log(where(near, 1, x) / where(near, 1, y)))


def _share(x, y):
    return where(x == 0, 0, x / where(x == 0, 1, y))


@special(lambda x, y: _log_quotient(x, y) + 1, lambda x, y: -_share(x, y), singular=True)
def rel_entr(x, y):
    """`x log(x / y)`, 0 where `x` is 0: a term of the relative entropy. Infinite outside of `x` >= 0, `y` > 0.

    The derivative in `x` at the origin is 1, its limit along `x = y`.

    >>> import chainrule as cr
    >>> cr.special.rel_entr([0.0, 0.5], 0.25)
    array([0.        , 0.34657359])
    """


@special(_log_quotient, lambda x, y: where(x == 0, 1, _kl_div_in_y(x, where(x == 0, 1, y))), singular=True)
def kl_div(x, y):
    """`x log(x / y) - x + y`, a term of the relative entropy that is never negative.

    >>> import chainrule as cr
    >>> cr.special.kl_div([0.0, 0.5], 0.25)
    array([0.25      , 0.09657359])
    """


# --- losses ---------------------------------------------------------------------------------------------------------


def _huber_in_delta(delta, r):
    return where(absolute(r) <= delta, 0, absolute(r) - delta)


@special(_huber_in_delta, lambda delta, r: clip(r, -delta, delta))
def huber(delta, r):
    """`r**2 / 2` up to `abs(r) = delta`, then a straight line.

    >>> import chainrule as cr
    >>> cr.special.huber(1.0, [0.5, 3.0])
    array([0.125, 2.5  ])
    """


def _radius(delta, r):
    h = hypot(delta, r)
    return where(h == 0, 1, h)


def _pseudo_huber_in_delta(delta, r):
    h = _radius(delta, r)
    t = r * (r / (h + delta))
    return t * (t / h)


@special(_pseudo_huber_in_delta, lambda delta, r: delta * share_of_hypot(r, delta, hypot(delta, r)))
def pseudo_huber(delta, r):
    """`delta**2 (sqrt(1 + (r / delta)**2) - 1)`, a smooth relative of `huber`.

    >>> import chainrule as cr
    >>> cr.special.pseudo_huber(1.0, [0.5, 3.0])
    array([0.11803399, 2.16227766])
    """


# --- transformations of Box and Cox ---------------------------------------------------------------------------------


def _boxcox_in_power(lx, lmbda):
    """The derivative of lx exprel(lx lmbda), which is (exp(lx lmbda) - 1) / lmbda."""
    low = lx == -math.inf
    inner = where(low, 0, lx)
    return where(low, 1 / where(low, lmbda * lmbda, 1), inner * inner * _exprel(inner * lmbda, n=1))


@special(lambda x, lmbda: power(x, lmbda - 1), lambda x, lmbda: _boxcox_in_power(log(x), lmbda), singular=True)
def boxcox(x, lmbda):
    """`(x**lmbda - 1) / lmbda`, and `log(x)` where `lmbda` is 0.

    >>> import chainrule as cr
    >>> cr.special.boxcox([1.0, 4.0], 0.5)
    array([0., 2.])
    """


@special(lambda x, lmbda: power(1 + x, lmbda - 1), lambda x, lmbda: _boxcox_in_power(log1p(x), lmbda), singular=True)
def boxcox1p(x, lmbda):
    """`((1 + x)**lmbda - 1) / lmbda`, and `log1p(x)` where `lmbda` is 0.

    >>> import chainrule as cr
    >>> cr.special.boxcox1p([0.0, 3.0], 0.5)
    array([0., 2.])
    """


def _inverse_in_power(y, lmbda):
    """Derivative of the logarithm y log1p(lmbda y) / (lmbda y) of the inverse, in lmbda."""
    return y * y * log1p_quotient(lmbda * y, n=1)


@special(
    lambda y, lmbda, out: out / (1 + lmbda * y),
    lambda y, lmbda, out: masked_multiply(out, _inverse_in_power(y, lmbda)),
    singular=True,
)
def inv_boxcox(y, lmbda):
    """The `x` for which `boxcox(x, lmbda)` is `y`.

    >>> import chainrule as cr
    >>> cr.special.inv_boxcox([0.0, 2.0], 0.5)
    array([1., 4.])
    """


@special(
    lambda y, lmbda, out: (1 + out) / (1 + lmbda * y),
    lambda y, lmbda, out: masked_multiply(1 + out, _inverse_in_power(y, lmbda)),
    singular=True,
)
def inv_boxcox1p(y, lmbda):
    """The `x` for which `boxcox1p(x, lmbda)` is `y`.

    >>> import chainrule as cr
    >>> cr.special.inv_boxcox1p([0.0, 2.0], 0.5)
    array([0., 3.])
    """


def _tukey_in_power(p_hat, lmbda):
    """By q(p) = (p**lmbda - (1 - p)**lmbda) / lmbda."""
    return _boxcox_in_power(log(p_hat), lmbda) - _boxcox_in_power(log1p(-p_hat), lmbda)


def _tukey_density(p, lmbda):
    return 1 / (power(p, lmbda - 1) + power(1 - p, lmbda - 1))


def _tukey_partial(x, lmbda, out):
    inside = (out > 0) & (out < 1)
    p = where(inside, out, 0.5)
    return where(inside, _tukey_density(p, lmbda), 0)


def _tukey_partial_in_power(x, lmbda, out):
    inside = (out > 0) & (out < 1)
    p = where(inside, out, 0.5)
    return where(inside, -_tukey_in_power(p, lmbda) * _tukey_density(p, lmbda), 0)


@special(_tukey_partial, _tukey_partial_in_power)
def tklmbda(x, lmbda):
    """Distribution function of Tukey's lambda distribution.

    >>> import chainrule as cr
    >>> cr.special.tklmbda([0.0, 0.5], 0.5)
    array([0.5       , 0.67399264])
    """


# --- forms of elementary functions ----------------------------------------------------------------------------------


@special(lambda out: out * math.log(10))
def exp10(x):
    """10 to the power `x`.

    >>> import chainrule as cr
    >>> cr.special.exp10([0.0, 3.0])
    array([   1., 1000.])
    """


@special(lambda x: -sin(x))
def cosm1(x):
    """`cos(x) - 1`, accurate near 0.

    >>> import chainrule as cr
    >>> cr.special.cosm1(1e-10)
    np.float64(-5.0000000000000005e-21)
    """


def _logarithm(x, y):
    return masked_multiply(power(x, y), log(where(x == 0, 1, x)))


@special(lambda x, y: where(y == 0, 0, y * power(x, where(y == 0, 1, y - 1))), _logarithm, singular=True)
def powm1(x, y):
    """`x**y - 1`, accurate where that is near 0.

    >>> import chainrule as cr
    >>> cr.special.powm1(2.0, 1e-20)
    np.float64(6.931471805599452e-21)
    """


@special(lambda x: (math.pi / 180) * cosdg(x))
def sindg(x):
    """Sine of `x` in degrees.

    >>> import chainrule as cr
    >>> cr.special.sindg([30.0, 180.0])
    array([ 0.5, -0. ])
    """


@special(lambda x: (-math.pi / 180) * sindg(x))
def cosdg(x):
    """Cosine of `x` in degrees.

    >>> import chainrule as cr
    >>> cr.special.cosdg([60.0, 90.0])
    array([ 0.5, -0. ])
    """


@special(lambda x: (math.pi / 180) / cosdg(x) ** 2, singular=True)
def tandg(x):
    """Tangent of `x` in degrees.

    >>> import chainrule as cr
    >>> cr.special.tandg([45.0, 180.0])
    array([1., 0.])
    """


@special(lambda x: (-math.pi / 180) / sindg(x) ** 2, singular=True)
def cotdg(x):
    """Cotangent of `x` in degrees.

    >>> import chainrule as cr
    >>> cr.special.cotdg([45.0, 90.0])
    array([1., 0.])
    """


def radian(d, m, s):
    """Radians of `d` degrees, `m` minutes and `s` seconds.

    >>> import chainrule as cr
    >>> cr.special.radian(90.0, 0.0, 0.0)
    np.float64(1.5707963267948966)
    """
    d, m, s = together(d, m, s)
    return (60.0 * (60.0 * d + m) + s) * (math.pi / 648000)
