"""Derivatives in parameters of functions whose values from SciPy are not accurate enough to interpolate: Tricomi's, Struve's,
Wright's, Weber's and Mathieu's.

Their sums and integrals are computed here in double precision, and then differentiated term by term, or interpolated in the
parameter as in `parameters`.
"""

import functools
import math

import numpy as np

from .parameters import _mixed, _more, derivative
from .special import numeric, scipy_special

_gammaln, _rgamma, _polygamma = scipy_special("gammaln"), scipy_special("rgamma"), scipy_special("polygamma")
_hyp1f1, _yv, _loggamma = scipy_special("hyp1f1"), scipy_special("yv"), scipy_special("loggamma")
COARSE, FINE = 240, 400

# --- Tricomi's function -------------------------------------------------------------------------------------------------


def tricomi(a, b, x):
    """U(a, b, x) for x > 0: the integral of exp(-x t) t**(a-1) (1+t)**(b-a-1) / gamma(a) in log t (DLMF 13.4.4), from
    where its recurrence, downwards in a, is stable (13.3.7)."""
    a, b, x = (np.asarray(v, float) for v in np.broadcast_arrays(a, b, x))
    steps = np.maximum(0, np.ceil(1 - a)).astype(int)
    top = a + steps
    here, above = _tricomi_integral(top, b, x), _tricomi_integral(top + 1, b, x)
    for k in range(int(steps.max(initial=0))):
        c = top - k
        below = (2 * c + x - b) * here - c * (c - b + 1) * above
        go = k < steps
        here, above = np.where(go, below, here), np.where(go, here, above)
    return np.where(x > 0, here, np.nan)


def _tricomi_integral(a, b, x):
    """For a of at least 1, by the trapezoidal rule, which is exact up to rounding for such integrands."""

    def exponent(s):
        t = np.exp(s)
        return -x * t + a * s + (b - a - 1) * np.log1p(t)

    safe = np.where(x > 0, x, 1)
    first, last = np.full(a.shape, -45.0), np.log(800 / safe) + 5
    s = np.linspace(first, last, COARSE)
    values = exponent(s)
    most = values.max(0)
    inside = values > most - 45
    n = np.arange(COARSE).reshape(-1, *(1,) * a.ndim)
    low = np.where(inside, n, COARSE).min(0)
    high = np.where(inside, n, -1).max(0)
    step = (last - first) / (COARSE - 1)
    s = np.linspace(first + step * (low - 1), first + step * (high + 1), FINE)
    values = exponent(s)
    most = values.max(0)
    return np.exp(most - _gammaln(a)) * np.exp(values - most).sum(0) * (s[1] - s[0])


@numeric(
    lambda a, b, x, orders: tricomi_slope(a, b, x, orders=_more(orders, 0)),
    lambda a, b, x, orders: tricomi_slope(a, b, x, orders=_more(orders, 1)),
    lambda a, b, x, orders: tricomi_slope(a, b, x, orders=_more(orders, 2)),
)
def tricomi_slope(a, b, x, *, orders):
    """Tricomi's function, differentiated `orders` times in each argument."""
    k = orders[2]

    def raised(a, b):
        return (-1) ** k * math.prod((a + j for j in range(k)), start=1.0) * tricomi(a + k, b + k, x)

    return _mixed(raised, (a, b), orders[:2])


# --- Weber's function ---------------------------------------------------------------------------------------------------


def weber(v, x):
    """D_v(x), from Tricomi's function on the right and Kummer's elsewhere (DLMF 12.7.14, 12.7.12-13, 12.4.1)."""
    z = 0.5 * x * x
    right = x > 1
    size = np.exp(0.5 * math.log(2) * v - 0.25 * x * x)
    far = tricomi(-0.5 * v, np.full_like(x, 0.5), np.where(right, z, 1))
    even = math.sqrt(math.pi) * _rgamma(0.5 * (1 - v)) * _hyp1f1(-0.5 * v, 0.5, z)
    odd = math.sqrt(2 * math.pi) * x * _rgamma(-0.5 * v) * _hyp1f1(0.5 * (1 - v), 1.5, z)
    return size * np.where(right, far, even - odd)


@numeric(
    lambda v, x, order: weber_slope(v, x, order=order + 1),
    lambda v, x, order: 0.5 * x * weber_slope(v, x, order=order) - weber_slope(v + 1, x, order=order),
    whole=1,
)
def weber_slope(v, x, *, order):
    """D_v(x), differentiated so often in the order."""
    return derivative(lambda v: weber(v, x), v, order)


def _parity_solutions(a, s, x):
    """The even and the odd solution of u'' = (a + s x**2) u, and their slopes, by their power series (DLMF 12.4, 12.14)."""
    x = np.where(np.abs(x) <= 50, x, np.nan)
    y, reach = x * x, np.nan_to_num(np.abs(x)).max(initial=0)
    count = 2 * int(30 + 1.25 * reach * reach + 3 * reach * math.sqrt(np.abs(a).max(initial=0)))
    c = [np.ones(x.shape), np.ones(x.shape)]
    for n in range(count):
        c.append((a * c[n] + (s * c[n - 2] if n > 1 else 0)) / ((n + 1) * (n + 2)))
    even = odd = even_slope = odd_slope = np.zeros(x.shape)
    for n in range(count, -1, -2):
        even, odd = even * y + c[n], odd * y + c[n + 1]
        even_slope, odd_slope = (even_slope * y + n * c[n] if n else even_slope), odd_slope * y + (n + 1) * c[n + 1]
    return (even, x * odd), (x * even_slope, odd_slope)


def _other_weber(p, x, kind, part):
    """V_p(x), or W(p, x), or its slope, from their values at 0 (DLMF 12.2.8, 12.14.2)."""
    if kind == "V":
        a = -p - 0.5
        value = math.pi * 2 ** (0.5 * a + 0.25) * _rgamma(0.75 - 0.5 * a) ** 2 * _rgamma(0.25 + 0.5 * a)
        slope = math.pi * 2 ** (0.5 * a + 0.75) * _rgamma(0.25 - 0.5 * a) ** 2 * _rgamma(0.75 + 0.5 * a)
        even, odd = _parity_solutions(a, 0.25, x)[part]
    else:
        ratio = np.exp(0.5 * (_loggamma(0.25 + 0.5j * p) - _loggamma(0.75 + 0.5j * p)).real)
        value, slope = 2**-0.75 * ratio, -(2**-0.25) / ratio
        even, odd = _parity_solutions(p, -0.25, x)[part]
    return value * even + slope * odd


def _other_weber_in_x(p, x, kind, order, part):
    if part == 0:
        return other_weber_slope(p, x, kind=kind, order=order, part=1)
    sign, shift = (-1.0, 0.5) if kind == "V" else (1.0, 0.0)
    out = (sign * (p + shift - 0.25 * x * x)) * other_weber_slope(p, x, kind=kind, order=order, part=0)
    return out + sign * order * other_weber_slope(p, x, kind=kind, order=order - 1, part=0) if order else out


@numeric(
    lambda p, x, kind, order, part: other_weber_slope(p, x, kind=kind, order=order + 1, part=part), _other_weber_in_x, whole=1
)
def other_weber_slope(p, x, *, kind, order, part):
    """V_p(x) or W(p, x), or its slope, differentiated so often in the parameter."""
    scale = 1.0 if kind == "V" else 0.4  # W has poles at p = i/2 and -i/2
    return derivative(lambda t: _other_weber(p + scale * t, x, kind, part), 0 * p, order) / scale**order


# --- Struve's functions -------------------------------------------------------------------------------------------------

_NEAR = 8.0  # up to here the terms of the alternating series do not cancel much


def _struve_series(v, x, sign):
    half = 0.5 * x
    count = int(40 + 2 * np.abs(x).max(initial=0))
    k = np.arange(count).reshape(-1, *(1,) * x.ndim)
    with np.errstate(all="ignore"):
        powers = np.exp((2 * k + v + 1) * np.log(half))
    terms = powers * _rgamma(k + 1.5) * _rgamma(k + v + 1.5)
    return (sign**k * np.where(np.isfinite(terms), terms, 0)).sum(0)


@functools.cache
def _far_nodes():
    """Nodes of t = exp(s - exp(-s)) for integrals of what decays like exp(-t), and their weights with it."""
    s = np.linspace(-4.2, 4.2, 240)
    t = np.exp(s - np.exp(-s))
    return t, t * (1 + np.exp(-s)) * np.exp(-t) * (s[1] - s[0])


def struve_value(v, x, kind):
    """H_v(x) or L_v(x) for x > 0: from the series (DLMF 11.2.1, 11.2.2), and H_v farther out from 11.5.2."""
    if kind == "modstruve":
        return _struve_series(v, np.where(x > 0, x, np.nan), 1)
    near = x < _NEAR
    inner = _struve_series(v, np.where(near & (x > 0), x, 1), -1)
    far = np.where(near, _NEAR, x)
    t, weights = (n.reshape(-1, *(1,) * x.ndim) for n in _far_nodes())
    tail = (weights * (1 + (t / far) ** 2) ** (v - 0.5)).sum(0) / far
    outer = _yv(v, far) + 2 / math.sqrt(math.pi) * _rgamma(v + 0.5) * (0.5 * far) ** v * tail
    return np.where(x > 0, np.where(near, inner, outer), np.nan)


@numeric(
    lambda v, x, order: struve_source(v, x, order=order + 1),
    lambda v, x, order: (v * struve_source(v, x, order=order) + order * struve_source(v, x, order=max(order - 1, 0))) / x,
    whole=1,
)
def struve_source(v, x, *, order):
    """What makes Struve's recurrence inhomogeneous (DLMF 11.4.25), differentiated so often in the order."""
    return derivative(lambda v: np.exp(v * np.log(0.5 * x)) * _rgamma(v + 1.5) / math.sqrt(math.pi), v, order)


def _struve_in_x(v, x, name, order):
    sign = -1.0 if name == "struve" else 1.0
    around = struve_slope(v - 1, x, name=name, order=order) + sign * struve_slope(v + 1, x, name=name, order=order)
    return 0.5 * (around + struve_source(v, x, order=order))


@numeric(lambda v, x, name, order: struve_slope(v, x, name=name, order=order + 1), _struve_in_x, whole=1)
def struve_slope(v, x, *, name, order):
    """A function of Struve, differentiated so often in the order; for x > 0."""
    return derivative(lambda v: struve_value(v, x, name), v, order)


# --- Wright's function --------------------------------------------------------------------------------------------------


def _rgamma_slope(z, n):
    """The n-th derivative of 1 / gamma, for z >= 0."""
    inner = np.where(z > 0, z, 1.0)
    logs = [_polygamma(k, inner) for k in range(n)]
    out = [_rgamma(inner)]
    for k in range(n):
        out.append(-sum(math.comb(k, j) * out[k - j] * logs[j] for j in range(k + 1)))
    return np.where(z > 0, out[n], derivative(_rgamma, np.zeros(1), n)[0] if n else 0.0)


@numeric(
    lambda a, b, x, orders: wright_slope(a, b, x, orders=_more(orders, 0)),
    lambda a, b, x, orders: wright_slope(a, b, x, orders=_more(orders, 1)),
    lambda a, b, x, orders: wright_slope(a, b, x, orders=_more(orders, 2)),
    whole=1,
)
def wright_slope(a, b, x, *, orders):
    """Wright's function, differentiated `orders` times in each argument, term by term."""
    i, j, n = orders
    peak = np.where(x > 0, (x / np.maximum(a, 1e-3) ** np.minimum(a, 50)) ** (1 / (1 + a)), 0).max(initial=0)
    count = int(min(60 + peak + 12 * math.sqrt(peak), 20000))
    total = np.zeros(x.shape)
    log_x = np.log(np.where(x > 0, x, 1))
    for k in range(count):
        power = np.where(x > 0, np.exp(k * log_x - math.lgamma(k + 1)), k == 0)
        total = total + (k + n) ** i * power * _rgamma_slope(a * (k + n) + b, i + j)
    return total


# --- characteristic values of Mathieu's equation ------------------------------------------------------------------------


@functools.lru_cache(4096)
def _mathieu_matrix(m, q, odd):
    """(which frequencies, dT/dq on and beside the diagonal, eigenvector) of the symmetric tridiagonal matrix T whose eigenvalue
    is the characteristic one and whose eigenvector holds the Fourier coefficients (DLMF 28.4); None if there is none."""
    size = int(m) // 2 + 20 + int(2 * math.sqrt(abs(q)))
    even_order = m % 2 == 0
    start = 2 if odd and even_order else 0 if even_order else 1
    index = (int(m) - start) // 2
    if index < 0:
        return None
    frequencies, beside = start + 2.0 * np.arange(size), np.ones(size - 1)
    first = 0.0 if even_order else -1.0 if odd else 1.0
    if start == 0:
        beside[0] = math.sqrt(2)
    diagonal = frequencies**2
    diagonal[0] += first * q
    t = np.diag(diagonal) + np.diag(q * beside, 1) + np.diag(q * beside, -1)
    return frequencies, first, beside, np.linalg.eigh(t)[1][:, index]


def _mathieu_first(m, q, odd):
    """The derivative of one value in q: v^T (dT/dq) v."""
    found = _mathieu_matrix(m, q, odd)
    if found is None:
        return math.nan
    _, first, beside, v = found
    return first * v[0] ** 2 + 2 * np.sum(beside * v[:-1] * v[1:])


def _mathieu_angular(m, q, degrees, odd, part):
    found = _mathieu_matrix(m, q, odd)
    if found is None:
        return math.nan
    k, _, _, v = found
    c = v * np.where(k == 0, math.sqrt(0.5), 1)
    c = c * np.sign(np.sum(k * c if odd else c))  # se_m'(0) and ce_m(0) are positive
    angles = k * math.radians(degrees)
    if part == 0:
        return np.sum(c * (np.sin(angles) if odd else np.cos(angles)))
    return np.sum(k * c * (np.cos(angles) if odd else -np.sin(angles)))


def mathieu_angular(m, q, x, odd, order, part):
    """A Mathieu function of x degrees, or its slope per radian, differentiated so often in q."""
    one = np.vectorize(lambda m, q, x: _mathieu_angular(m, q, x, odd, part), otypes=[float])
    return derivative(lambda q: one(m, q, x), q, order, trend=False)


@numeric(None, lambda m, q, odd, order: mathieu_slope(m, q, odd=odd, order=order + 1), whole=1)
def mathieu_slope(m, q, *, odd, order):
    """Characteristic values of Mathieu's equation, differentiated so often, once at least, in q."""
    first = np.vectorize(lambda m, q: _mathieu_first(m, q, odd), otypes=[float])
    return derivative(lambda q: first(m, q), q, order - 1)


# --- polynomials --------------------------------------------------------------------------------------------------------


def _falling(f, n, x, k):
    """The k-th derivative in x of an orthogonal polynomial of degree n, and 0 for those of lower degree."""
    lower = n >= k
    degree = np.where(lower, n - k, 0)
    if (degree == np.rint(degree)).all():
        degree = degree.astype(np.int64)  # SciPy's recurrences, which are more accurate than its hypergeometric functions
    return lambda down, *more: np.where(lower, f(degree, *more, x) * down, 0.0)


def _gegenbauer(n, c, x):
    """By its recurrence (DLMF 18.9.1), also near c = 0, where SciPy's values are inaccurate."""
    if n.dtype.kind != "i":
        return scipy_special("eval_gegenbauer")(n, c, x)
    before = np.zeros(np.broadcast_shapes(n.shape, np.shape(c), np.shape(x)))
    here, out = before + 1.0, before + (n == 0)
    for k in range(int(n.max(initial=0))):
        before, here = here, (2 * (k + c) * x * here - (k + 2 * c - 1) * before) / (k + 1)
        out = np.where(n == k + 1, here, out)
    return out


def _polynomial(name, n, parameters, x, k):
    of = _falling(_gegenbauer if name == "eval_gegenbauer" else scipy_special(name), n, x, k)
    if name == "eval_gegenbauer":
        (c,) = parameters
        return of(2.0**k * math.prod((c + j for j in range(k)), start=1.0), c + k)
    if name == "eval_genlaguerre":
        return of((-1.0) ** k, parameters[0] + k)
    if name == "eval_jacobi":
        a, b = parameters
        return of(math.prod((0.5 * (n + a + b + 1 + j) for j in range(k)), start=1.0), a + k, b + k)
    p, q = parameters
    return of(math.prod((n - j for j in range(k)), start=1.0), p + 2 * k, q + k)


@numeric(
    None,
    lambda n, c, x, name, orders: polynomial_of_two(n, c, x, name=name, orders=_more(orders, 0)),
    lambda n, c, x, name, orders: polynomial_of_two(n, c, x, name=name, orders=_more(orders, 1)),
    whole=1,
)
def polynomial_of_two(n, c, x, *, name, orders):
    """A polynomial with one parameter, differentiated `orders` times in that and in x."""
    return _mixed(lambda c: _polynomial(name, n, (c,), x, orders[1]), (c,), orders[:1], trend=False)


@numeric(
    None,
    lambda n, a, b, x, name, orders: polynomial_of_three(n, a, b, x, name=name, orders=_more(orders, 0)),
    lambda n, a, b, x, name, orders: polynomial_of_three(n, a, b, x, name=name, orders=_more(orders, 1)),
    lambda n, a, b, x, name, orders: polynomial_of_three(n, a, b, x, name=name, orders=_more(orders, 2)),
    whole=1,
)
def polynomial_of_three(n, a, b, x, *, name, orders):
    """A polynomial with two parameters, differentiated `orders` times in these and in x."""
    return _mixed(lambda a, b: _polynomial(name, n, (a, b), x, orders[2]), (a, b), orders[:2], trend=False)
