"""The gamma function and what is made of it: beta, binomials, factorials, the zeta function of Hurwitz."""

import math

import numpy as np

from ..core.value import Value
from ..errors import ArgumentError, explain
from .comparison import rint
from .elementwise import real, where
from .families import masked_multiply
from .shaping import as_value
from .special import BERNOULLI, digamma, gammaln, numeric, polygamma, scipy_special, special, together, with_slopes
from .trigonometric import cos, sin

# --- one argument ---------------------------------------------------------------------------------------------------


@special(lambda x, out: out * digamma(x))
def gamma(x):
    """Gamma function, the factorial of `x - 1`; real or complex.

    >>> import chainrule as cr
    >>> cr.special.gamma([4.0, 0.5])
    array([6.        , 1.77245385])
    """


@special(digamma)
def loggamma(x):
    """Logarithm of the gamma function, continuous in the complex plane cut along the negative axis.

    >>> import chainrule as cr
    >>> cr.special.loggamma([4.0, 0.5])
    array([1.79175947, 0.57236494])
    """


@special(None)
def gammasgn(x):
    """Sign of the gamma function; its derivative is zero.

    >>> import chainrule as cr
    >>> cr.special.gammasgn([1.5, -0.5])
    array([ 1., -1.])
    """


def _rgamma_partial(x, out):
    """Left of 1/2 by reflection (DLMF 5.5.3), which has no poles that would have to cancel."""
    left = real(x) < 0.5
    y = where(left, 1 - x, 1)
    whole = rint(real(x))
    t = math.pi * (x - whole)
    sign = 1 - 2 * (whole % 2)
    reflected = sign * gamma(y) * (cos(t) - digamma(y) * sin(t) * (1 / math.pi))
    return where(left, reflected, -digamma(where(left, 1, x)) * out)


@special(_rgamma_partial)
def rgamma(x):
    """`1 / gamma(x)`, which is 0 at 0, -1, -2 ... and smooth there; real or complex.

    >>> import chainrule as cr
    >>> cr.special.rgamma([3.0, -1.0])
    array([0.5, 0. ])
    """


def psi(x):
    """As `digamma`."""
    return digamma(x)


def multigammaln(a, d):
    """Logarithm of the gamma function of `d` dimensions, for whole `d` and `a` > (d - 1) / 2.

    >>> import chainrule as cr
    >>> cr.special.multigammaln(3.0, 2)
    np.float64(1.5501949939575645)
    """
    if not isinstance(d, (int, np.integer)):
        raise ArgumentError(explain("multigammaln: the dimension is a whole number", f"d: {d!r}", help="pass an int"))
    a = as_value(a)
    if not isinstance(a, Value) and np.any(np.asarray(a) <= 0.5 * (d - 1)):
        raise ArgumentError(explain(f"multigammaln: {d} dimensions need a > {0.5 * (d - 1)}", f"a: {a}", help="check `a`"))
    total = gammaln(a) + int(d) * (int(d) - 1) * 0.25 * math.log(math.pi)
    for j in range(1, int(d)):
        total = total + gammaln(a - 0.5 * j)
    return total


# --- quotients ------------------------------------------------------------------------------------------------------


def _stirling_difference(x, y, n):
    """What is left of the difference after steps to the right, by Stirling's series of psi, term by term."""
    growth = np.log1p(y / x)

    def drop(p):  # x**-p - (x + y)**-p
        return -(x**-p) * np.expm1(-p * growth)

    sign, total = (-1.0) ** n, 0.0
    for k, b in enumerate(BERNOULLI, start=1):
        total = total + b / (2 * k) * math.prod(range(2 * k, 2 * k + n)) * drop(2.0 * k + n)
    total = total + 0.5 * math.factorial(n) * drop(n + 1.0)
    return sign * total + (growth if n == 0 else sign * math.factorial(n - 1) * drop(float(n)))


@numeric(lambda x, y, n: digamma_rise(x, y, n=n + 1), lambda x, y, n: polygamma(n + 1, x + y))
def digamma_rise(x, y, *, n):
    """psi(x + y) - psi(x), differentiated n times in x; accurate also for y much smaller than x."""
    steps = 16 + n
    total, factorial = np.zeros_like(x), math.factorial(n)
    for k in range(steps):
        if n == 0:
            total += y / ((x + k) * (x + y + k))
        else:
            p, base = n + 1, x + k
            total -= (-1.0) ** n * factorial * base ** -float(p) * np.expm1(-p * np.log1p(y / base))
    total += _stirling_difference(x + steps, y, n)
    direct = _polygamma_of(n, x + y) - _polygamma_of(n, x)
    return np.where((x > 0) & (x + y > 0), total, direct)


_scipy_polygamma = scipy_special("polygamma")


def _polygamma_of(n, x):
    return _scipy_polygamma(n, x)


@special(
    lambda a, b, out: -masked_multiply(out, digamma_rise(a, b, n=0)),
    lambda a, b, out: -masked_multiply(out, digamma_rise(b, a, n=0)),
)
def beta(a, b):
    """Beta function `gamma(a) gamma(b) / gamma(a + b)`.

    >>> import chainrule as cr
    >>> cr.special.beta(2.0, 3.0)
    np.float64(0.08333333333333333)
    """


@special(lambda a, b: -digamma_rise(a, b, n=0), lambda a, b: -digamma_rise(b, a, n=0))
def betaln(a, b):
    """Logarithm of the absolute value of the beta function.

    >>> import chainrule as cr
    >>> cr.special.betaln(2.0, 300.0)
    np.float64(-11.410892739405199)
    """


def _slope_of_rgamma(x):
    return _rgamma_partial(x, rgamma(x))


def _poch_partial(z, m, out):
    """Where z is a pole of gamma, and z + m is not, the quotient is smooth."""
    inside = z > 0
    top = z + m
    pole = gamma(top) * (digamma(top) * rgamma(z) + _slope_of_rgamma(z))
    return where(inside, out * digamma_rise(where(inside, z, 1), m, n=0), pole)


@special(_poch_partial, lambda z, m, out: masked_multiply(out, digamma(z + m)))
def poch(z, m):
    """Rising factorial `gamma(z + m) / gamma(z)`.

    >>> import chainrule as cr
    >>> cr.special.poch(2.0, 3)
    np.float64(24.0)
    """


def _binomial_ok(n, k):
    return (n > -1) & (k > -1) & (n - k > -1)


def _binom_partial_in_n(n, k, out):
    ok = _binomial_ok(n, k)
    below = n - k + 1
    smooth = out * digamma_rise(where(ok, below, 1), where(ok, k, 1), n=0)
    rest = gamma(n + 1) * rgamma(k + 1) * (digamma(n + 1) * rgamma(below) + _slope_of_rgamma(below))
    return where(ok, smooth, rest)


def _binom_partial_in_k(n, k, out):
    ok = _binomial_ok(n, k)
    below = n - k + 1
    smooth = out * digamma_rise(where(ok, k + 1, 1), where(ok, n - 2 * k, 0), n=0)
    rest = gamma(n + 1) * (_slope_of_rgamma(k + 1) * rgamma(below) - rgamma(k + 1) * _slope_of_rgamma(below))
    return where(ok, smooth, rest)


@special(_binom_partial_in_n, _binom_partial_in_k)
def binom(n, k):
    """Binomial coefficient of real `n` and `k`.

    >>> import chainrule as cr
    >>> cr.special.binom(5.0, [2.0, 2.5])
    array([10.        , 10.86497745])
    """


def comb(N, k, *, exact=False, repetition=False):
    """Number of ways to choose `k` of `N`, 0 where there are none; as `binom`, and differentiable as it is.

    With `exact=True`, for whole numbers, Python's unlimited integers (no derivative).

    >>> import chainrule as cr
    >>> cr.special.comb(5, 2)
    np.float64(10.0)
    """
    if exact:
        return _scipy_comb(N, k, exact=True, repetition=repetition)
    N, k = as_value(N), as_value(k)
    if repetition:
        return where((N == 0) & (k == 0), 1.0, comb(N + k - 1, k))
    none = (k > N) | (N < 0) | (k < 0)
    return where(none, 0.0, binom(where(none, 1.0, N), where(none, 0.0, k)))


def factorial(n, exact=False, extend="zero"):
    """`gamma(n + 1)`, 0 for negative `n` (with `extend="complex"`, the gamma function everywhere).

    With `exact=True`, for whole numbers, Python's unlimited integers (no derivative).

    >>> import chainrule as cr
    >>> cr.special.factorial([0.0, 3.0, 4.5])
    array([ 1.        ,  6.        , 52.34277778])
    """
    if exact:
        return _scipy_factorial(n, exact=True)
    if extend not in ("zero", "complex"):
        asked = "factorial: `extend` is 'zero' or 'complex'"
        raise ArgumentError(explain(asked, f"extend: {extend!r}", help="use one of them"))
    n = as_value(n)
    if extend == "complex":
        return gamma(n + 1.0)
    none = n < 0
    return where(none, 0.0, gamma(where(none, 0, n) + 1.0))


# --- zeta -----------------------------------------------------------------------------------------------------------


def _products(many, n):
    """The coefficients up to eps**n of the product of power series in eps, each a list of arrays."""
    total = [1.0] + [0.0] * n
    for series in many:
        total = [sum(total[i] * series[k - i] for i in range(k + 1)) for k in range(n + 1)]
    return total


def _powers(base, rate, n):
    """Coefficients of base exp(rate eps)."""
    return [base * rate**k / math.factorial(k) for k in range(n + 1)]


def _hurwitz(x, q, n):
    """Coefficients of zeta(x + eps, q) up to eps**n, by Euler and Maclaurin's formula (DLMF 25.11.5)."""
    steps = np.clip(np.ceil(20 + np.minimum(np.abs(x), 100) - q), 0, None)
    total = [np.zeros(np.broadcast_shapes(x.shape, q.shape), np.result_type(x, q)) for _ in range(n + 1)]

    def include(series, flag=True):
        for k, c in enumerate(series):
            total[k] += np.where(flag, c, 0)

    for j in range(int(np.max(steps, initial=0))):
        w = np.where(j < steps, q + j, 1)
        include(_powers(w**-x, -np.log(w), n), j < steps)
    w = q + steps
    tail = _powers(w**-x, -np.log(w), n)
    include(0.5 * c for c in tail)
    include(_products([tail, [(-1) ** k * w / (x - 1) ** (k + 1) for k in range(n + 1)]], n))
    rising = [x, 1.0, *[0.0] * n][: n + 1]
    for k, b in enumerate(BERNOULLI, start=1):
        include(c * (b / math.factorial(2 * k)) * w ** (1.0 - 2 * k) for c in _products([tail, rising], n))
        rising = _products([rising, [x + 2 * k - 1, 1.0, *[0.0] * n], [x + 2 * k, 1.0, *[0.0] * n]], n)
    return total


def _hurwitz_slope(x, q, n):
    return np.where((q > 0) & (np.real(x) > 1), math.factorial(n) * _hurwitz(x, np.where(q > 0, q, 1), n)[n], math.nan)


def _riemann_slope(x, n):
    """Left of -1/2 by Riemann's functional equation (DLMF 25.4.1), coefficient by coefficient; its poles at 0 would cancel."""
    left, one = np.real(x) < -0.5, np.ones(x.shape)
    y = np.where(left, 1 - x, 1.0 + (x == 1) + x)
    mirrored = [(-1) ** k * c for k, c in enumerate(_hurwitz(y, one, n))]
    logarithm = [0.0, math.log(2 * math.pi) - polygamma(0, y)]
    logarithm += [(-1) ** k * polygamma(k - 1, y) / math.factorial(k) for k in range(2, n + 1)]
    growth = [(2 * math.pi) ** (-y) * 2 * gamma(y)]
    for k in range(1, n + 1):
        growth.append(sum(j * logarithm[j] * growth[k - j] for j in range(1, k + 1)) / k)
    angle = (math.pi / 2) * x
    wave = [(math.pi / 2) ** k / math.factorial(k) * np.sin(angle + k * math.pi / 2) for k in range(n + 1)]
    away = _products([growth, wave, mirrored], n)[n]
    return math.factorial(n) * np.where(left, away, _hurwitz(x, one, n)[n])


def _hurwitz_partial_in_q(x, q, n):
    """The n-th derivative in x of -x zeta(x + 1, q)."""
    return -(x * _hurwitz_zeta(x + 1, q, n=n)) - (n * _hurwitz_zeta(x + 1, q, n=n - 1) if n else 0.0)


@special(lambda x, n: _riemann_zeta(x, n=n + 1), by=with_slopes("zeta", _riemann_slope))
def _riemann_zeta(x, *, n):
    """The n-th derivative of Riemann's zeta function."""


@special(
    lambda x, q, n: _hurwitz_zeta(x, q, n=n + 1),
    _hurwitz_partial_in_q,
    by=with_slopes("zeta", _hurwitz_slope),
)
def _hurwitz_zeta(x, q, *, n):
    """The n-th derivative in x of the sum of (k + q)**-x over k = 0, 1, 2 ..."""


def zeta(x, q=None):
    """Riemann's zeta function of `x`, or with `q` that of Hurwitz: the sum of `(k + q)**-x` over k = 0, 1, 2 ...

    Differentiable in both arguments; without `q`, also for complex `x`. With `q`, for `x` > 1.

    >>> import chainrule as cr
    >>> cr.special.zeta(2.0), cr.special.zeta(2.0, 3.0)
    (np.float64(1.6449340668482264), np.float64(0.39493406684822646))
    """
    return _riemann_zeta(as_value(x), n=0) if q is None else _hurwitz_zeta(*together(x, q), n=0)


@special(lambda x: _riemann_zeta(x, n=1))
def zetac(x):
    """`zeta(x) - 1`, accurate for large `x`.

    >>> import chainrule as cr
    >>> cr.special.zetac([2.0, 100.0])
    array([6.44934067e-01, 7.88860905e-31])
    """


_scipy_comb, _scipy_factorial = scipy_special("comb"), scipy_special("factorial")
