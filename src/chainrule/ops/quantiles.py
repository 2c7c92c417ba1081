"""Quantile functions that samples are made of: at fixed random bits a sample is a smooth function of its parameters.

The derivative of a quantile x in a parameter p is -(dF/dp) / (dF/dx), where F is the distribution function: implicit
reparameterisation (Figurnov, Mohamed and Mnih, "Implicit reparameterization gradients", NeurIPS 2018). For the gamma
distribution dF/dp is a family of integrals that is closed under differentiation, so all orders are exact.
"""

import functools
import math

import numpy as np

from ..core.value import dtype_of
from .elementwise import absolute, exp, multiply, sign, sqrt, where
from .families import elementwise
from .reduction import sum as sum_
from .shaping import cast, expand_dims
from .special import digamma, gammaln, scipy_special
from .trigonometric import arccos, arcsin, sin

DEPTH = 40.0  # integrands are followed down to exp(-DEPTH) of where they begin
TERMS = 30  # of the series of exp(-z) for z < 1
CHUNK = 4096  # elements that are integrated together
STEPS, CLOSE = 100, 1e-9  # how many of Newton's steps at most; after one this small, the error is its square
LOG_ROOT_2PI = 0.5 * math.log(2 * math.pi)

_gammaincinv, _ndtri, _erfcx = scipy_special("gammaincinv"), scipy_special("ndtri"), scipy_special("erfcx")
_plain_digamma, _plain_gammaln = scipy_special("digamma"), scipy_special("gammaln")


@functools.cache
def _nodes(count=64):
    """Places and weights of Gauss and Legendre on (0, 1)."""
    x, w = np.polynomial.legendre.leggauss(count)
    return (x + 1) / 2, w / 2


def _elements(f):
    """Evaluate `f`, a function of float64 vectors, on arrays that broadcast; float32 arguments give float32."""

    @functools.wraps(f)
    def evaluate(*xs, **params):
        dtype = np.result_type(np.float16, *(x if isinstance(x, (float, int)) else dtype_of(x) for x in xs))
        xs = np.broadcast_arrays(*(np.asarray(x, np.float64) for x in xs))
        flat = [x.ravel() for x in xs]
        out = np.empty(flat[0].shape)
        with np.errstate(all="ignore"):
            for a in range(0, out.size, CHUNK):
                out[a : a + CHUNK] = f(*(x[a : a + CHUNK] for x in flat), **params)
        return out.reshape(xs[0].shape).astype(dtype)[()]

    return evaluate


# --- gamma ------------------------------------------------------------------------------------------------------------


@_elements
def _log_gamma_quantiles(a, u):
    x = _gammaincinv(a, u)
    first = (np.log(u) + _plain_gammaln(a + 1)) / a
    tiny = first < -500  # where x underflows, its power series is its first term
    return np.where(tiny, first, np.log(np.where(tiny, 1, x)))


def _reach(a, z, up):
    """How far from 0 the exponent a w - z (e^w - 1) falls to -DEPTH, to either side. It is concave: Newton's steps converge."""
    w = np.where(up, np.log1p(DEPTH / z), -(DEPTH + z) / a)
    for _ in range(14):
        e = np.expm1(w)
        w = w - (a * w - z * e + DEPTH) / (a - z * (e + 1))
    return w


@_elements
def _moments(a, y, k):
    z = np.exp(y)
    small = z < 1
    out = np.empty(a.shape)
    if small.any():
        out[small] = _moment_series(a[small], z[small], k)
    if not small.all():
        a, y, z = a[~small], y[~small], z[~small]
        x, weights = _nodes()
        reach = _reach(a, z, y >= _plain_digamma(a))
        w = reach[:, None] * x
        out[~small] = reach * ((w**k * np.exp(a[:, None] * w - z[:, None] * np.expm1(w))) @ weights)
    return out


def _moment_series(a, z, k):
    """Minus the integral over w < 0, with exp(-z e^w) as a power series of e^w."""
    total, term = np.zeros(a.shape), np.ones(a.shape)
    for m in range(TERMS):
        total += term / (a + m) ** (k + 1)
        term = term * (-z / (m + 1))
    return -((-1) ** k) * math.factorial(k) * np.exp(z) * total


def _moment_slope(a, y, out, k):
    grown = (exp(y) - a) * out
    return grown - (1 if k == 0 else k * log_gamma_moment(a, y, k=k - 1))


@elementwise(
    _moments,
    lambda a, y, k: log_gamma_moment(a, y, k=k + 1),
    _moment_slope,
)
def log_gamma_moment(a, y, *, k):
    """Integral of w^k exp(a w - e^y (e^w - 1)) over w > 0, or minus that over w < 0: over the side that y is on.

    Times the density of the logarithm of a gamma variable at y, these are the integrals of its density over one tail and their
    derivatives in the shape `a`. The side is w > 0 where y is above the mean and above 0.
    """


def _gamma_slope(a, out):
    return log_gamma_moment(a, out, k=1) + (out - digamma(a)) * log_gamma_moment(a, out, k=0)


@elementwise(_log_gamma_quantiles, _gamma_slope, lambda a, out: exp(gammaln(a) + exp(out) - a * out))
def log_gamma_quantile(a, u):
    """Logarithm of the number below which a gamma variable of shape `a` lies with probability `u`, 0 < u < 1.

    It stays finite where the number itself is too small for floating point, as for shapes much below 1.
    """


# --- von Mises --------------------------------------------------------------------------------------------------------


def _haversine_reach(depth):
    """The angle t of 2 sin(t / 2)^2 = depth, for depth < 2."""
    return 2 * arcsin(sqrt(depth / 2))


def _bulk(kappa):
    """The angle within which nearly all of the distribution lies: pi, where it is not narrow."""
    wide = kappa <= DEPTH / 2
    return where(wide, math.pi, _haversine_reach(DEPTH / where(wide, DEPTH, kappa)))


def _fall(kappa, t):
    """kappa (1 - cos t), without cancellation."""
    s = sin(0.5 * t)
    return 2 * kappa * s * s


def _half_mass(kappa):
    """Integral of exp(kappa (cos t - 1)) from 0 to pi, and the mean of 1 - cos t."""
    x, weights = _nodes()
    kappa = expand_dims(kappa, -1)
    t = _bulk(kappa) * x
    density = exp(-_fall(kappa, t)) * (_bulk(kappa) * weights)
    mass = sum_(density, -1)
    return mass, sum_(_fall(1.0, t) * density, -1) / mass


@_elements
def _von_mises_quantiles(kappa, u):
    y = np.abs(2 * u - 1)
    x, weights = _nodes()
    mass, _ = _half_mass(kappa)
    start = np.where(kappa > 0, _ndtri((1 + y) / 2) / np.sqrt(kappa), math.pi)
    t, most = np.minimum(math.pi * y, start), math.pi * y
    left = np.arange(t.size)
    # The distribution function of |angle| is concave, so Newton's steps from below never pass the root.
    for _ in range(STEPS):
        k, now = kappa[left], t[left]
        below = now * (np.exp(-_fall(k[:, None], now[:, None] * x)) @ weights)
        new = np.clip(now + (y[left] * mass[left] - below) * np.exp(_fall(k, now)), 0, most[left])
        t[left] = new
        left = left[np.abs(new - now) > CLOSE * new]
        if not left.size:
            break
    return np.copysign(t, 2 * u - 1)


def _von_mises_slope(kappa, out):
    """Integral from |out| to pi, or minus that from 0, of (cos t - mean of cos) exp(kappa (cos t - cos out)): over the smaller
    part of the distribution, since both are equal."""
    x, weights = _nodes()
    angle = absolute(out)
    _, mean = _half_mass(kappa)
    outer = _fall(1.0, angle) > mean
    narrow = _fall(kappa, angle) + DEPTH < 2 * kappa
    drop = (_fall(kappa, angle) + DEPTH) / where(narrow, kappa, 1)
    end = where(outer, where(narrow, arccos(1 - where(narrow, drop, 1)), math.pi), 0.0)
    span, angle = expand_dims(end - angle, -1), expand_dims(angle, -1)
    kappa, mean = expand_dims(kappa, -1), expand_dims(mean, -1)
    t = angle + span * x
    # cos t - cos angle, as a product
    rise = 2 * sin(0.5 * (angle - t)) * sin(0.5 * (angle + t))
    slope = sign(out) * sum_(span * weights * exp(kappa * rise) * (mean - _fall(1.0, t)), -1)
    return cast(slope, dtype_of(out))  # the places of the nodes are in float64


@elementwise(
    _von_mises_quantiles,
    _von_mises_slope,
    lambda kappa, out: cast(2 * _half_mass(kappa)[0], dtype_of(out)) * exp(_fall(kappa, out)),
)
def von_mises_quantile(kappa, u):
    """The angle between -pi and pi below which a von Mises variable about 0 lies with probability `u`, 0 < u < 1."""


# --- Wald -------------------------------------------------------------------------------------------------------------


@elementwise(_elements(lambda x: math.sqrt(math.pi / 2) * _erfcx(x / math.sqrt(2))), lambda x, out: x * out - 1)
def mills_ratio(x):
    """Probability that a standard normal variable is larger than `x`, divided by its density at `x`."""


def _wald_tails(shape, w):
    """(F, 1 - F) / density of a standard normal variable at a, and this a."""
    root = np.sqrt(shape / w)
    a, c = root * (w - 1), root * (w + 1)
    last = mills_ratio(c)
    return mills_ratio(-a) + last, mills_ratio(a) - last, a


@_elements
def _wald_quantiles(shape, u):
    """Newton's steps for the logarithm of the probability in the logarithm of the quantile, kept inside of a bracket."""
    upper = u > 0.5
    target, side = np.log(np.where(upper, 1 - u, u)) + LOG_ROOT_2PI, np.where(upper, -1, 1)
    x = np.clip(_wald_guess(shape, u), -700, 700)
    low, high = np.full(u.shape, -745.0), np.full(u.shape, 709.0)
    left = np.arange(u.size)
    for _ in range(STEPS):
        now, s = x[left], shape[left]
        w = np.exp(now)
        lower_tail, upper_tail, a = _wald_tails(s, w)
        tail = np.where(upper[left], upper_tail, lower_tail)
        error = side[left] * (target[left] - np.log(tail) + 0.5 * a * a)
        low[left], high[left] = np.where(error > 0, now, low[left]), np.where(error > 0, high[left], now)
        step = error * tail * np.sqrt(w / s)  # density: sqrt(shape / w^3) times that of a standard normal variable
        far, new = ~(np.abs(step) <= CLOSE * np.maximum(1, np.abs(now))), now + step
        outside = far & ~((new > low[left]) & (new < high[left]))
        x[left] = np.where(outside, (low[left] + high[left]) / 2, new)
        left = left[far]
        if not left.size:
            break
    return np.exp(x)


def _wald_guess(shape, u):
    """The logarithm of the quantile of what the distribution becomes for a large shape, and for a small one."""
    small = np.log(shape) - 2 * np.log(np.abs(_ndtri(u / 2)) + 0.1)
    return np.where(shape > 1, _ndtri(u) / np.sqrt(shape) - 0.5 / shape, small)


def _wald_slope(shape, out):
    ratio = sqrt(out / shape)
    return ratio * (ratio - 2 * out * mills_ratio((out + 1) / ratio))


def _wald_width(shape, out):
    d = out - 1
    return sqrt(2 * math.pi * out / shape) * multiply(out, exp(0.5 * shape * d * d / out))


@elementwise(_wald_quantiles, _wald_slope, _wald_width)
def wald_quantile(shape, u):
    """The number below which a Wald (inverse Gaussian) variable of mean 1 lies with probability `u`, 0 < u < 1."""
