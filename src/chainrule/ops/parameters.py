"""Derivatives in an order or a parameter that SciPy gives no formula for, such as that of a Bessel function.

The functions are analytic in their parameters, with a scale of about 1. So the polynomial through a few Chebyshev points on
both sides of a parameter has their derivatives too, to about rounding error times 1000 (Trefethen, Approximation Theory and
Approximation Practice, chapters 8 and 21). An exponential trend, such as that of (z/2)**v for small z, is divided out first.
"""

import functools
import math

import numpy as np

from .special import numeric, scipy_special

_gamma, _rgamma, _scipy_polygamma = scipy_special("gamma"), scipy_special("rgamma"), scipy_special("polygamma")
POINTS = 18
REACH = 0.5

# --- numbers --------------------------------------------------------------------------------------------------------


@functools.cache
def _nodes():
    return np.cos(math.pi * (np.arange(POINTS) + 0.5) / POINTS)


@functools.cache
def _weights(order):
    """What to multiply values at the nodes with for the derivative at the midpoint."""
    angles = math.pi * (np.arange(POINTS) + 0.5) / POINTS
    weights = np.zeros(POINTS)
    for j in range(order, POINTS):
        slope = np.polynomial.chebyshev.chebder(np.eye(POINTS)[j], order)
        weights += np.polynomial.chebyshev.chebval(0.0, slope) * (2 - (j == 0)) / POINTS * np.cos(j * angles)
    return weights


def derivative(f, x, order, trend=True):
    """The derivative of `f` of this order at each element of `x`; f takes and gives arrays.

    `trend`: whether f may grow exponentially. Polynomials do not, and have zeros that would be taken for it.
    """
    if order == 0:
        return f(x)
    values = [f(x + REACH * t) for t in _nodes()]
    trend = np.log(np.abs(values[0] / values[-1])) / (_nodes()[0] - _nodes()[-1]) if trend else 0 * values[0]
    trend = np.where(np.isfinite(trend), trend, 0)
    flat = [v * np.exp(-trend * t) for v, t in zip(values, _nodes(), strict=True)]
    total = 0.0
    for k in range(order + 1):
        slope = sum(w * v for w, v in zip(_weights(k), flat, strict=True))
        total = total + math.comb(order, k) * trend ** (order - k) * slope
    return total / REACH**order


def _mixed(f, args, orders, trend=True):
    """The derivative in several parameters, one after the other."""
    for i, order in enumerate(orders):
        if order:
            rest = (*orders[:i], 0, *orders[i + 1 :])

            def along(x, i=i, rest=rest):
                return _mixed(f, (*args[:i], x, *args[i + 1 :]), rest, trend)

            return derivative(along, args[i], order, trend)
    return f(*args)


# --- derivatives of any order in the last argument, by formulas -----------------------------------------------------


def _by_neighbours(step, sign):
    """The k-th derivative in z of a Bessel function: step**k times the sum of (k over j) sign**j f(v - k + 2 j, z)."""

    def in_z(f, v, z, k):
        return step**k * sum(sign**j * math.comb(k, j) * f(v - k + 2 * j, z) for j in range(k + 1))

    return in_z


def _scaled(step, sign, rate, ratio, lead):
    """As `_by_neighbours`, for a function that holds a factor exp(rate z) to take its growth away.

    Far out, where all terms would cancel, by Hankel's expansion (DLMF 10.17, 10.40) differentiated term by term.
    """
    plain = _by_neighbours(step, sign)

    def near(f, v, z, n):
        c = rate(z)
        return sum(math.comb(n, k) * c ** (n - k) * plain(f, v, z, k) for k in range(n + 1))

    def far(v, z, n):
        term, total = z**-0.5, 0.0
        for k in range(1, 42):
            total = total + math.prod(k - 0.5 + j for j in range(n)) * term
            term = term * ratio * (4 * v * v - (2 * k - 1) ** 2) / (8 * k * z)
        return lead(v) * total * (-1.0 / z) ** n

    def in_z(f, v, z, n):
        distant = np.abs(z) >= np.maximum(30, 2 * v * v)
        size = np.where(z.real < 0, -z, z) if step == 0.5 and sign == 1 else z  # I, which is even or odd
        flip = np.where((z.real < 0) & ((np.rint(v) + n) % 2 != 0), -1, 1) if size is not z else 1
        return np.where(distant, flip * far(v, np.where(distant, size, 1), n), near(f, v, z, n))

    return in_z


def _phase(v):
    return math.sqrt(2 / math.pi) * np.exp(-0.5j * math.pi * (v + 0.5))


def _poch(a, k):
    return math.prod((a + j for j in range(k)), start=1.0 + 0 * a)


_cylinder = _by_neighbours(0.5, -1)
IN_Z = {
    "jv": _cylinder,
    "yv": _cylinder,
    "hankel1": _cylinder,
    "hankel2": _cylinder,
    "iv": _by_neighbours(0.5, 1),
    "kv": _by_neighbours(-0.5, 1),
    "ive": _scaled(0.5, 1, lambda z: -np.sign(z), -1, lambda v: 1 / math.sqrt(2 * math.pi)),
    "kve": _scaled(-0.5, 1, lambda z: 1.0, 1, lambda v: math.sqrt(math.pi / 2)),
    "hankel1e": _scaled(0.5, -1, lambda z: -1j, 1j, _phase),
    "hankel2e": _scaled(0.5, -1, lambda z: 1j, -1j, lambda v: np.conj(_phase(v))),
    "hyp0f1": lambda f, v, z, k: f(v + k, z) / _poch(v, k),
    "hyp1f1": lambda f, a, b, z, k: f(a + k, b + k, z) * _poch(a, k) / _poch(b, k),
    "hyp2f1": lambda f, a, b, c, z, k: f(a + k, b + k, c + k, z) * _poch(a, k) * _poch(b, k) / _poch(c, k),
}
POLES = {"hyp0f1": 0, "hyp1f1": 1, "hyp2f1": 2}  # the parameter that has poles at 0, -1, -2 ...
FLAT_AT_0 = ("jv", "iv", "ive")  # zero there for every positive order
_scipy = functools.cache(scipy_special)


def _slope(name, orders, *args):
    *parameters, z = args
    f, last = _scipy(name), orders[-1]

    def function(*at):
        return IN_Z[name](f, *at, z, last) if last else f(*at, z)

    if name in POLES:
        out = _with_poles(function, tuple(parameters), orders[:-1], POLES[name])
        return out if last else np.where(z == 0, 0.0 if any(orders) else 1.0, out)  # 1 at 0, whatever the parameters
    out = _mixed(function, tuple(parameters), orders[:-1])
    if name in FLAT_AT_0 and orders[0] and not last:
        out = np.where((z == 0) & (parameters[0] > 0), 0, out)
    return out


def _with_poles(f, parameters, orders, i):
    """As `_mixed`; where parameter `i` is close to the poles, f / gamma is interpolated, which has none."""
    close = parameters[i] < 3

    def smooth(*at):
        return f(*at) * np.where(close, _rgamma(at[i]), 1)

    total = 0.0
    for k, slope in enumerate(_gamma_slopes(np.where(close, parameters[i], 1), orders[i])):
        rest = _mixed(smooth, parameters, (*orders[:i], orders[i] - k, *orders[i + 1 :]))
        total = total + math.comb(orders[i], k) * np.where(close, slope, k == 0) * rest
    return total


def _gamma_slopes(x, n):
    """The gamma function and its first n derivatives."""
    logs = [_scipy_polygamma(k, x) for k in range(n)]
    out = [_gamma(x)]
    for k in range(n):
        out.append(sum(math.comb(k, j) * out[k - j] * logs[j] for j in range(k + 1)))
    return out


def _more(orders, i):
    return (*orders[:i], orders[i] + 1, *orders[i + 1 :])


# --- rows -----------------------------------------------------------------------------------------------------------


@numeric(
    lambda v, z, name, orders: slope_of_two(v, z, name=name, orders=_more(orders, 0)),
    lambda v, z, name, orders: slope_of_two(v, z, name=name, orders=_more(orders, 1)),
    whole=1,
)
def slope_of_two(v, z, *, name, orders):
    """A function of an order and an argument, differentiated `orders` times in each."""
    return _slope(name, orders, v, z)


@numeric(
    lambda a, b, z, name, orders: slope_of_three(a, b, z, name=name, orders=_more(orders, 0)),
    lambda a, b, z, name, orders: slope_of_three(a, b, z, name=name, orders=_more(orders, 1)),
    lambda a, b, z, name, orders: slope_of_three(a, b, z, name=name, orders=_more(orders, 2)),
)
def slope_of_three(a, b, z, *, name, orders):
    """A function of two parameters and an argument, differentiated `orders` times in each."""
    return _slope(name, orders, a, b, z)


@numeric(
    lambda a, b, c, z, name, orders: slope_of_four(a, b, c, z, name=name, orders=_more(orders, 0)),
    lambda a, b, c, z, name, orders: slope_of_four(a, b, c, z, name=name, orders=_more(orders, 1)),
    lambda a, b, c, z, name, orders: slope_of_four(a, b, c, z, name=name, orders=_more(orders, 2)),
    lambda a, b, c, z, name, orders: slope_of_four(a, b, c, z, name=name, orders=_more(orders, 3)),
)
def slope_of_four(a, b, c, z, *, name, orders):
    """A function of three parameters and an argument, differentiated `orders` times in each."""
    return _slope(name, orders, a, b, c, z)
