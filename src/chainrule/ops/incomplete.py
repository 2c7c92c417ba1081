"""The incomplete gamma and beta functions, with derivatives in all arguments and their inverses.

In their parameters they are differentiated under the integral sign. With s = log t (gamma) or the logit of t (beta) the
integrand is log-concave with one scale, and from the end of the integral to where it has died out Gauss and Legendre's rule
is exact to rounding, for parameters of any size. Integrating over the tail on that side of the point where the derivative
of the integrand changes its sign loses nothing to cancellation. Near 0, where there may be two scales, a series does it.
"""

import math

import numpy as np

from .elementwise import log, log1p, where
from .families import masked_multiply
from .gamma import digamma_rise
from .special import digamma, numeric, polygamma, scipy_special, special

_psi, _gammaln, _gammasgn = (scipy_special(f) for f in ("psi", "gammaln", "gammasgn"))
_xlogy, _rgamma = scipy_special("xlogy"), scipy_special("rgamma")
_scipy_polygamma = scipy_special("polygamma")
LEGENDRE = tuple((0.5 * (1 + x), 0.5 * w) for x, w in zip(*np.polynomial.legendre.leggauss(48), strict=True))
DEAD = 45.0  # exp(-DEAD) is nothing
FEW = 1.5  # up to this argument the series converge at once
BIG = 15.0  # from here on Stirling's series is exact to rounding

# --- densities that do not lose digits when parameters are large ----------------------------------------------------


def _stirling_error(a):
    """log(gamma(a)) less Stirling's formula."""
    b = 1 / (a * a)
    return (1 / 12 - b * (1 / 360 - b * (1 / 1260 - b * (1 / 1680 - b * (1 / 1188 - b * (691 / 360360 - b / 156)))))) / a


def _log1p_less(u):
    """log(1 + u) - u."""
    v = u / (2 + u)
    near, power = -u * v, 2 * v
    for j in range(1, 12):
        power = power * v * v
        near = near + power / (2 * j + 1)
    return np.where(np.abs(u) < 0.3, near, np.log1p(u) - u)


def _gamma_density(a, x):
    """x**(a-1) exp(-x) / gamma(a), about its peak (Loader, Fast and accurate computation of binomial probabilities, 2000)."""
    scale = _rgamma(a)
    plain = np.where(scale == 0, 0, np.exp(_xlogy(a - 1, x) - x) * scale)
    big = np.maximum(a, BIG)
    peak = np.sqrt(big / (2 * math.pi)) / x * np.exp(big * _log1p_less((x - big) / big) - _stirling_error(big))
    return np.where(np.isposinf(x), 0, np.where((a < BIG) | (x == 0), plain, peak))


def _log_beta(a, b):
    a, b = np.minimum(a, b), np.maximum(a, b)
    far = np.maximum(b, BIG)
    rise = (far - 0.5) * np.log1p(a / far) + a * (np.log(a + far) - 1) + _stirling_error(a + far) - _stirling_error(far)
    return _gammaln(a) + np.where(b < BIG, _gammaln(b) - _gammaln(a + b), -rise)


def _logs(x, y):
    """log(x) and log(y) where y = 1 - x, both accurate near 1."""
    return np.where(y < 0.5, np.log1p(-y), np.log(x)), np.where(x < 0.5, np.log1p(-x), np.log(y))


def _beta_density(a, b, x, y):
    """x**(a-1) y**(b-1) / beta(a, b) for y = 1 - x, about its peak."""
    logx, logy = _logs(x, y)
    powers = np.where(a == 1, 0, (a - 1) * logx) + np.where(b == 1, 0, (b - 1) * logy)
    sign = np.where((a == 0) | (b == 0), 0, _gammasgn(a) * _gammasgn(b) * _gammasgn(a + b))
    plain = sign * np.where(sign == 0, 1, np.exp(powers - _log_beta(a, b)))
    big, large = np.maximum(a, BIG), np.maximum(b, BIG)
    off = large * x - big * y
    fall = big * _log1p_less(off / big) + large * _log1p_less(-off / large)
    error = _stirling_error(big) + _stirling_error(large) - _stirling_error(big + large)
    peak = np.sqrt(big * large / (2 * math.pi * (big + large))) / (x * y) * np.exp(fall - error)
    return np.where((a < BIG) | (b < BIG) | (x == 0) | (y == 0), plain, peak)


def _gamma_density_partial(a, x, out):
    edge = x == 0
    at_edge = gamma_density(where(edge, a - 1, 1), 0.0 * x) - out
    return where(edge, at_edge, masked_multiply(out, (a - 1 - x) / where(edge, 1, x)))


@numeric(
    lambda a, x, out: masked_multiply(out, log(x) - digamma(a)),
    _gamma_density_partial,
    singular=True,
)
def gamma_density(a, x):
    """x**(a-1) exp(-x) / gamma(a), the slope of gammainc in x."""
    return _gamma_density(a, x)


def _beta_density_partial(a, b, x, out):
    low, high = x == 0, x == 1
    y = 1 - x
    inside = ((a - 1) * y - (b - 1) * x) / where(low | high, 1, x * y)
    # At an end only the power that vanishes there counts: (a + b - 1) times the density of a lower parameter, less this one.
    at_low = (a + b - 1) * beta_density(where(low, a - 1, 1), where(low, b, 1), where(low, x, 0.5)) - (b - 1) * out
    at_high = (a - 1) * out - (a + b - 1) * beta_density(where(high, a, 1), where(high, b - 1, 1), where(high, x, 0.5))
    return where(low, at_low, where(high, at_high, masked_multiply(out, inside)))


@numeric(
    lambda a, b, x, out: masked_multiply(out, log(x) + digamma_rise(a, b, n=0)),
    lambda a, b, x, out: masked_multiply(out, log1p(-x) + digamma_rise(b, a, n=0)),
    _beta_density_partial,
    singular=True,
)
def beta_density(a, b, x):
    """x**(a-1) (1-x)**(b-1) / beta(a, b), the slope of betainc in x."""
    return _beta_density(a, b, x, 1 - x)


# --- gammainc -------------------------------------------------------------------------------------------------------


def _exponential(series):
    """Coefficients of exp of a power series without constant term."""
    out = [1.0 + 0 * series[0]]
    for k in range(1, len(series)):
        out.append(sum(j * series[j] * out[k - j] for j in range(1, k + 1)) / k)
    return out


def _reciprocal_gamma(a, n):
    """(a', r): rgamma(a + eps) is rgamma(a') exp(-psi(a') eps) (r[0] + r[1] eps + ...), where a' is not near 0."""
    small = a < 1
    top = np.where(small, a + 1, a)
    zero = np.zeros_like(a)
    series = [zero, zero] + [-_scipy_polygamma(k - 1, top) / math.factorial(k) for k in range(2, n + 1)]
    e = _exponential(series[: n + 1])
    shifted = [a * e[k] + (e[k - 1] if k else 0) for k in range(n + 1)]
    return top, [np.where(small, s, r) for s, r in zip(shifted, e, strict=True)]


def _taylor(y, r, n):
    """n! times the coefficient n of exp(y eps) (r[0] + r[1] eps + ...)."""
    return sum(math.factorial(n) / math.factorial(k) * y**k * r[n - k] for k in range(n + 1))


def _reach(fall, slope, start):
    """Where the concave `fall` has come down to -DEAD: Newton's method from beyond, which stays beyond."""
    u = start
    for _ in range(100):
        before, u = u, np.clip(u + (fall(u) + DEAD) / -slope(u), 0, start)
        if not np.any(u < 0.95 * before):
            break
    return u


def _exp_less(u):
    """exp(u) - 1 - u."""
    series, term = np.zeros_like(u), np.ones_like(u)
    for k in range(1, 12):
        term = term * u / k
        series = series + (term if k > 1 else 0)
    return np.where(np.abs(u) < 0.2, series, np.expm1(u) - u)


def _gamma_tail(a, x, side, integrand):
    """Integral over u > 0 of integrand(u) times the weight at s = log x + side u, relative to that at log x."""
    d = side * (a - x)

    def fall(u):
        return d * u - x * _exp_less(side * u)

    def slope(u):
        return d - side * x * np.expm1(side * u)

    wide = 2 * DEAD / (np.sqrt(d * d + 2 * DEAD * x) - d)
    narrow = np.sqrt(3 * DEAD / x)
    start = np.where(side > 0, wide, np.where(narrow < 1, narrow, (DEAD + x) / a))
    reach = _reach(fall, slope, start)
    return sum(w * reach * np.exp(fall(t * reach)) * integrand(t * reach) for t, w in LEGENDRE)


def _above_psi(x, a):
    """log(x) - psi(a)."""
    far, b = np.maximum(a, BIG), np.maximum(a, BIG) ** -2
    rest = 0.5 / far + b * (1 / 12 - b * (1 / 120 - b * (1 / 252 - b * (1 / 240 - b / 132))))
    return np.where(a < BIG, np.log(x) - _psi(a), np.log1p((x - far) / far) + rest)


def _gammainc_by_tail(a, x, n):
    top, r = _reciprocal_gamma(a, n)
    above = _above_psi(x, top)
    side = np.where((a >= 1) & (above < 0), -1.0, 1.0)
    tail = _gamma_tail(a, x, side, lambda u: _taylor(above + side * u, r, n))
    return -side * tail * x ** np.where(a < 1, 0, 1) * _gamma_density(top, x)


def _gammainc_in_a(a, x, n):
    out = np.where((a >= 0) & (x >= 0), 0.0, math.nan)
    near, far = (out == 0) & (x > 0) & (x <= FEW), (out == 0) & (x > FEW) & (x < math.inf)
    if near.any():
        b, y = a[near], x[near]
        out[near] = _rgamma(b + 1) * y**b * _gammainc_series(b, y, n)
    if far.any():
        out[far] = _gammainc_by_tail(a[far], x[far], n)
    return out


def _gamma_density_in_a(a, x, n):
    """The n-th derivative in its parameter of the density of the gamma distribution, for a > -1."""
    top, r = _reciprocal_gamma(a, n)
    return _gamma_density(top, x) / np.where(a < 1, x, 1) * _taylor(_above_psi(x, top), r, n)


def _gammainc_series(a, x, n):
    """n! times the coefficient of eps**n in x**eps gamma(a+1) / gamma(a+1+eps) (1 + sum of a (-x)**k / (k! (a + k)))."""
    zero = np.zeros_like(a)
    series = [zero, np.log(x) - _psi(a + 1)]
    series += [-_scipy_polygamma(k - 1, a + 1) / math.factorial(k) for k in range(2, n + 1)]
    e = _exponential(series[: n + 1])
    total, power = [1.0 + zero] + [zero] * n, 1.0 + zero
    for k in range(1, 30):
        power = power * -x / k
        for j in range(n + 1):  # a / (a + k) = 1 - k / (a + k)
            total[j] = total[j] + power * ((a / (a + k)) if j == 0 else -k * (-1.0) ** j / (a + k) ** (j + 1))
    return math.factorial(n) * sum(e[j] * total[n - j] for j in range(n + 1))


def _leibniz(density, slopes):
    """The derivatives of a density in its parameter, where slopes[j] is the j-th derivative of that of its logarithm."""
    out = [density]
    for n in range(len(slopes)):
        out.append(sum(math.comb(n, j) * (out[n - j] * slopes[j]) for j in range(n + 1)))
    return out[-1]


def _gammainc_in_a_partial_in_x(a, x, n):
    inner = where(x > 0, x, 1)
    slopes = [log(inner) - digamma(a)] + [-polygamma(j, a) for j in range(1, n)]
    return where(x > 0, _leibniz(gamma_density(a, inner), slopes), 0.0)


@numeric(lambda a, x, n: gammainc_in_a(a, x, n=n + 1), _gammainc_in_a_partial_in_x)
def gammainc_in_a(a, x, *, n):
    """The n-th derivative of gammainc in its parameter, for n > 0."""
    return _gammainc_in_a(a, x, n)


@special(lambda a, x: gammainc_in_a(a, x, n=1), lambda a, x: gamma_density(a, x), singular=True)
def gammainc(a, x):
    """Regularised lower incomplete gamma function: the integral of `t**(a-1) exp(-t) / gamma(a)` from 0 to `x`.

    Differentiable in both arguments, for `a` > 0 and `x` >= 0 of any size.

    >>> import chainrule as cr
    >>> cr.special.gammainc(2.0, 3.0)
    np.float64(0.8008517265285442)
    >>> cr.grad(cr.special.gammainc)(2.0, 3.0)
    np.float64(-0.1974254195792036)
    """


@special(lambda a, x: -gammainc_in_a(a, x, n=1), lambda a, x: -gamma_density(a, x), singular=True)
def gammaincc(a, x):
    """`1 - gammainc(a, x)`, accurate for large `x`.

    >>> import chainrule as cr
    >>> cr.special.gammaincc(2.0, 300.0)
    np.float64(1.5496082669460377e-128)
    """


def _gammaincinv_in_a(a, out):
    inside = (out > 0) & (out < math.inf)
    x = where(inside, out, 1)
    return where(inside, -gammainc_in_a(a, x, n=1) / gamma_density(a, x), 0)


@special(_gammaincinv_in_a, lambda a, out: 1 / gamma_density(a, out), singular=True)
def gammaincinv(a, y):
    """The `x` for which `gammainc(a, x)` is `y`.

    >>> import chainrule as cr
    >>> cr.special.gammaincinv(2.0, 0.5)
    np.float64(1.6783469900166612)
    """


@special(_gammaincinv_in_a, lambda a, out: -1 / gamma_density(a, out), singular=True)
def gammainccinv(a, y):
    """The `x` for which `gammaincc(a, x)` is `y`.

    >>> import chainrule as cr
    >>> cr.special.gammainccinv(2.0, 1e-100)
    np.float64(235.72541016192415)
    """


# --- betainc: power series in eps and delta, for a + eps and b + delta ----------------------------------------------

Series = dict  # (i, j) -> coefficient of eps**i delta**j; what is missing is 0


def _indices(m, n):
    return [(i, j) for i in range(m + 1) for j in range(n + 1)]


def _times(p: Series, q: Series, m, n) -> Series:
    out: Series = {}
    for (i, j), c in p.items():
        for (k, h), d in q.items():
            if i + k <= m and j + h <= n:
                out[i + k, j + h] = out.get((i + k, j + h), 0.0) + c * d
    return out


def _exp_of(series: Series, m, n) -> Series:
    """exp of a series without constant term, by Euler's recurrence in eps, or in delta where there is no eps."""
    out: Series = {(0, 0): 1.0}
    for i, j in _indices(m, n)[1:]:
        axis = 0 if i else 1
        terms = ((key, c) for key, c in series.items() if key[0] <= i and key[1] <= j)
        out[i, j] = sum(key[axis] * c * out[i - key[0], j - key[1]] for key, c in terms) / (i, j)[axis]
    return out


def _reciprocal_beta(p, q, m, n) -> Series:
    """1 / beta(p + eps, q + delta), relative to its value and first derivatives at eps = delta = 0."""
    series: Series = {}
    for i, j in _indices(m, n):
        if i + j > 1:
            c = _scipy_polygamma(i + j - 1, p + q)
            c = c - _scipy_polygamma(i - 1, p) if j == 0 else c
            c = c - _scipy_polygamma(j - 1, q) if i == 0 else c
            series[i, j] = c / (math.factorial(i) * math.factorial(j))
    return _exp_of(series, m, n)


def _reciprocal_sum(s, m, n) -> Series:
    """1 / (s + eps + delta)."""
    return {(i, j): (-1.0) ** (i + j) * math.comb(i + j, i) / s ** (i + j + 1) for i, j in _indices(m, n)}


def _raised(a, b, m, n, always=False):
    """(p, q, r): 1 / beta(a, b) is r / beta(p, q), as series, where p and q are `a` and `b` or, where those are small, 1 more.

    With `always`, p is a + 1, and the factor a + eps that this brings is left to the caller.
    """
    small, little = (a < 1) | always, b < 1
    p, q = a + small, b + little
    r = _reciprocal_beta(p, q, m, n)
    factors = [
        (small, _reciprocal_sum(np.where(small, p + q - 1, 1), m, n)),
        (little, _reciprocal_sum(np.where(little, p + q - 1 - small, 1), m, n)),
        (little, {(0, 0): b, (0, 1): 1.0}),
    ]
    if not always:
        factors.append((small, {(0, 0): a, (1, 0): 1.0}))
    for flag, factor in factors:
        product = _times(r, factor, m, n)
        r = {key: np.where(flag, product.get(key, 0.0), r.get(key, 0.0)) for key in _indices(m, n)}
    return p, q, r


def _rise(x, y):
    return digamma_rise.row.evaluate(x, y, n=0)


def _beta_tail(a, b, x, y, integrand):
    """Integral over u > 0 of integrand(log(t / x), log((1 - t) / y)) times the weight relative to that at x.

    The logit of t is that of x less u. All is written with the smaller of x and y, so that nothing is lost near 1.
    """
    high = y < x

    def depth(u):
        return np.log1p(np.where(high, y * np.expm1(u), x * np.expm1(-u)))

    def fall(u):
        return np.where(high, b, -a) * u - (a + b) * depth(u)

    def slope(u):
        t = x * np.exp(-u)
        return -a + (a + b) * t / (t + y)

    narrow = np.sqrt(2 * math.e * DEAD / ((a + b) * x * y))
    start = np.where(narrow < 1, narrow, (DEAD - (a + b) * _logs(x, y)[1]) / a)
    reach = _reach(fall, slope, start)
    total = 0.0
    for t, w in LEGENDRE:
        u = t * reach
        d = depth(u)
        total = total + w * reach * np.exp(fall(u)) * integrand(np.where(high, 0, -u) - d, np.where(high, u, 0) - d)
    return total


def _by_tail(a, b, x, y, m, n):
    """The derivative of betainc by the integral from 0 to x."""
    p, q, r = _raised(a, b, m, n)
    logx, logy = _logs(x, y)
    above1, above2 = logx + _rise(p, q), logy + _rise(q, p)  # less the derivatives of log(beta(p, q))

    def integrand(lt, ly):
        """m! n! times the coefficient (m, n) of exp(eps log t + delta log(1 - t)) / beta(a + eps, b + delta)."""
        total = 0.0
        for i, j in _indices(m, n):
            scale = math.perm(m, m - i) * math.perm(n, n - j)
            total = total + scale * (lt + above1) ** i * (ly + above2) ** j * r.get((m - i, n - j), 0.0)
        return total

    # The weight at x is x**a y**b / beta(p, q), by a density that knows how to be large.
    weight = _beta_density(p, q, x, y) * x ** (1 + a - p) * y ** (1 + b - q)
    return weight * _beta_tail(a, b, x, y, integrand)


def _by_series(a, b, x, m, n):
    """The derivative by the power series x**a / (a beta(a, b)) (1 + sum of (1-b)_k x**k a / (k! (a + k))), for small b x."""
    p, q, r = _raised(a, b, m, n, always=True)
    rising: Series = {(0, 0): 1.0}
    total: Series = {(0, 0): 1.0}
    for k in range(1, 70):
        rising = _times(rising, {(0, 0): (k - b) * x / k, (0, 1): -x / k}, m, n)
        quotient = {(i, 0): -k * (-1.0) ** i / (a + k) ** (i + 1) if i else a / (a + k) for i in range(m + 1)}
        for key, c in _times(rising, quotient, m, n).items():
            total[key] = total.get(key, 0.0) + c
    outside = _exp_of({(1, 0): np.log(x) + _rise(p, q), (0, 1): _rise(q, p)}, m, n)
    whole = _times(_times(total, outside, m, n), r, m, n)[m, n]
    return math.factorial(m) * math.factorial(n) * whole * np.exp(a * np.log(x) - _log_beta(p, q))


def _betainc_slope(a, b, x, m, n):
    y = 1 - x
    ok, edge = (a > 0) & (b > 0) & (x > 0) & (y > 0), (a > 0) & (b > 0) & ((x == 0) | (y == 0))
    a, b, x, y = (np.where(ok, v, w) for v, w in ((a, 2.0), (b, 3.0), (x, 0.4), (y, 0.6)))
    left = (x <= 0.5) & (b * x <= FEW)
    right = ~left & (y <= 0.5) & (a * y <= FEW)
    middle = ~left & ~right
    out = np.full(a.shape, math.nan)
    if left.any():
        out[left] = _by_series(a[left], b[left], x[left], m, n)
    if right.any():
        out[right] = -_by_series(b[right], a[right], y[right], n, m)
    if middle.any():
        # Where the slope of log(density) in a (else in b) changes its sign: the tail must not reach across.
        logx, logy = _logs(x, y)
        lower = logx < -_rise(a, b) if m else logy > -_rise(b, a)
        for flag, sign in ((middle & lower, 1), (middle & ~lower, -1)):
            c, d, u, v = (z[flag] for z in (a, b, x, y))
            out[flag] = _by_tail(c, d, u, v, m, n) if sign > 0 else -_by_tail(d, c, v, u, n, m)
    return np.where(ok, out, np.where(edge, 0, math.nan))


def _density_slope(a, b, x, m, n):
    """The derivative of the density m times in a and n times in b, by Leibniz' rule from those of its logarithm."""
    logs = {}
    for i, j in _indices(m, n):
        in_a = log(x) + digamma_rise(a, b, n=0) if i == j == 0 else digamma_rise(a, b, n=i) if j == 0 else None
        logs[i, j] = polygamma(i + j, a + b) if in_a is None else in_a
    out = {(0, 0): beta_density(a, b, x)}
    for j in range(n):
        in_b = [log1p(-x) + digamma_rise(b, a, n=0) if k == 0 else digamma_rise(b, a, n=k) for k in range(j + 1)]
        out[0, j + 1] = sum(math.comb(j, k) * (out[0, j - k] * in_b[k]) for k in range(j + 1))
    for i in range(m):
        for j in range(n + 1):
            out[i + 1, j] = sum(math.comb(i, k) * math.comb(j, h) * (out[i - k, j - h] * logs[k, h]) for k, h in _indices(i, j))
    return out[m, n]


def _betainc_slope_in_x(a, b, x, m, n):
    inside = (x > 0) & (x < 1)
    return where(inside, _density_slope(a, b, where(inside, x, 0.5), m, n), 0.0)


@numeric(
    lambda a, b, x, m, n: betainc_slope(a, b, x, m=m + 1, n=n),
    lambda a, b, x, m, n: betainc_slope(a, b, x, m=m, n=n + 1),
    _betainc_slope_in_x,
)
def betainc_slope(a, b, x, *, m, n):
    """The derivative of betainc m times in a and n times in b, for m + n > 0."""
    return _betainc_slope(a, b, x, m, n)


@special(
    lambda a, b, x: betainc_slope(a, b, x, m=1, n=0),
    lambda a, b, x: betainc_slope(a, b, x, m=0, n=1),
    lambda a, b, x: beta_density(a, b, x),
    singular=True,
)
def betainc(a, b, x):
    """Regularised incomplete beta function: the integral of `t**(a-1) (1-t)**(b-1) / beta(a, b)` from 0 to `x`.

    Differentiable in all three arguments, for positive `a` and `b` of any size and 0 <= `x` <= 1.

    >>> import chainrule as cr
    >>> cr.special.betainc(2.0, 3.0, 0.4)
    np.float64(0.5247999999999999)
    >>> cr.grad(cr.special.betainc, argnums=(0, 1))(2.0, 3.0, 0.4)
    (np.float64(-0.24086937608755654), np.float64(0.15634433641359868))
    """


@special(
    lambda a, b, x: -betainc_slope(a, b, x, m=1, n=0),
    lambda a, b, x: -betainc_slope(a, b, x, m=0, n=1),
    lambda a, b, x: -beta_density(a, b, x),
    singular=True,
)
def betaincc(a, b, x):
    """`1 - betainc(a, b, x)`, accurate where that is close to 1.

    >>> import chainrule as cr
    >>> cr.special.betaincc(200.0, 3.0, 0.99999)
    np.float64(1.3513816494064841e-09)
    """


def _betaincinv_partial(a, b, out, m, n):
    inside = (out > 0) & (out < 1)
    x = where(inside, out, 0.5)
    return where(inside, -betainc_slope(a, b, x, m=m, n=n) / beta_density(a, b, x), 0)


@special(
    lambda a, b, out: _betaincinv_partial(a, b, out, 1, 0),
    lambda a, b, out: _betaincinv_partial(a, b, out, 0, 1),
    lambda a, b, out: 1 / beta_density(a, b, out),
    singular=True,
)
def betaincinv(a, b, y):
    """The `x` for which `betainc(a, b, x)` is `y`.

    >>> import chainrule as cr
    >>> cr.special.betaincinv(2.0, 3.0, 0.5)
    np.float64(0.3857275681323895)
    """


@special(
    lambda a, b, out: _betaincinv_partial(a, b, out, 1, 0),
    lambda a, b, out: _betaincinv_partial(a, b, out, 0, 1),
    lambda a, b, out: -1 / beta_density(a, b, out),
    singular=True,
)
def betainccinv(a, b, y):
    """The `x` for which `betaincc(a, b, x)` is `y`.

    >>> import chainrule as cr
    >>> cr.special.betainccinv(2.0, 3.0, 1e-10)
    np.float64(0.9997075768467906)
    """
