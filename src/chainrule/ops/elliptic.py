"""Elliptic integrals and functions, in the parameter m (the square of the modulus).

Every derivative of an elliptic integral in m is again the integral of a product of powers over (0, infinity), as Carlson
writes them. After t = exp(s) its integrand is positive and analytic in a strip of width 2 pi, where the trapezoidal rule
converges at once (Trefethen and Weideman, The exponentially convergent trapezoidal rule, 2014): no cancellation anywhere.
"""

import math

import numpy as np

from .elementwise import absolute
from .special import numeric, scipy_special, special, together
from .trigonometric import cos, sin

# --- integrals of products of powers --------------------------------------------------------------------------------

DEAD = 38.0  # exp(-DEAD) is nothing


def _carlson(powers, *xs):
    """Integral of the product of (t + x)**-power over t from 0 to infinity, for x outside of the negative axis."""
    sizes = [np.where(x == 0, np.nan, np.abs(x)) for x in xs]
    used = [s for s, p in zip(sizes, powers, strict=True) if p]
    least, most = np.fmin.reduce(used), np.fmax.reduce(used)
    at_zero = sum(p * (x == 0) for x, p in zip(xs, powers, strict=True))
    turned = np.maximum.reduce([np.abs(np.angle(x)) for x in xs])
    low = np.log(least) - DEAD / np.where(at_zero < 1, 1 - at_zero, 1)
    high = np.log(most) + DEAD / (sum(powers) - 1)
    count = int(np.nanmax((high - low) / (0.45 * (1 - turned / math.pi)), initial=1)) + 1
    total, step = 0.0, (high - low) / count
    for k in range(count + 1):
        s = low + k * step
        t = np.exp(s)
        total = total + np.exp(s - sum(p * np.log(t + x) for x, p in zip(xs, powers, strict=True) if p))
    return np.where(at_zero < 1, step * total, math.inf)


def _raised(powers, i):
    return (*powers[:i], powers[i] + 1, *powers[i + 1 :])


def _carlson_partial(i, powers, xs):
    return -powers[i] * carlson(*xs, powers=_raised(powers, i)) if powers[i] else 0.0 * xs[i]


@numeric(
    lambda x, y, z, w, powers: _carlson_partial(0, powers, (x, y, z, w)),
    lambda x, y, z, w, powers: _carlson_partial(1, powers, (x, y, z, w)),
    lambda x, y, z, w, powers: _carlson_partial(2, powers, (x, y, z, w)),
    lambda x, y, z, w, powers: _carlson_partial(3, powers, (x, y, z, w)),
    singular=True,
)
def carlson(x, y, z, w, *, powers):
    """Integral of (t + x)**-p (t + y)**-q (t + z)**-r (t + w)**-s over positive t, for `powers` (p, q, r, s)."""
    return _carlson(powers, x, y, z, w)


@special(
    lambda x, y: -0.25 * carlson(x, y, 1.0, 1.0, powers=(1.5, 1, 0, 0)),
    lambda x, y: -0.5 * carlson(x, y, 1.0, 1.0, powers=(0.5, 2, 0, 0)),
    singular=True,
)
def elliprc(x, y):
    """Carlson's degenerate integral R_C(`x`, `y`); differentiable for `y` > 0.

    >>> import chainrule as cr
    >>> cr.special.elliprc(1.0, 2.0)
    np.float64(0.7853981633974482)
    """


@special(
    lambda x, y, z: -0.25 * carlson(x, y, z, 1.0, powers=(1.5, 0.5, 0.5, 0)),
    lambda x, y, z: -0.25 * carlson(x, y, z, 1.0, powers=(0.5, 1.5, 0.5, 0)),
    lambda x, y, z: -0.25 * carlson(x, y, z, 1.0, powers=(0.5, 0.5, 1.5, 0)),
    singular=True,
)
def elliprf(x, y, z):
    """Carlson's symmetric integral of the first kind, R_F.

    >>> import chainrule as cr
    >>> cr.special.elliprf(0.0, 1.0, 2.0)
    np.float64(1.3110287771460598)
    """


@special(
    lambda x, y, z: -0.75 * carlson(x, y, z, 1.0, powers=(1.5, 0.5, 1.5, 0)),
    lambda x, y, z: -0.75 * carlson(x, y, z, 1.0, powers=(0.5, 1.5, 1.5, 0)),
    lambda x, y, z: -2.25 * carlson(x, y, z, 1.0, powers=(0.5, 0.5, 2.5, 0)),
    singular=True,
)
def elliprd(x, y, z):
    """Carlson's symmetric integral of the second kind, R_D.

    >>> import chainrule as cr
    >>> cr.special.elliprd(0.0, 1.0, 2.0)
    np.float64(1.067937989667396)
    """


def _elliprg_partial(x, y, z):
    return 0.125 * carlson(x, y, z, 0.0, powers=(1.5, 0.5, 0.5, -1))  # the last factor is t


@special(
    lambda x, y, z: _elliprg_partial(x, y, z),
    lambda x, y, z: _elliprg_partial(y, x, z),
    lambda x, y, z: _elliprg_partial(z, x, y),
    singular=True,
)
def elliprg(x, y, z):
    """Carlson's completely symmetric integral of the second kind, R_G.

    >>> import chainrule as cr
    >>> cr.special.elliprg(0.0, 1.0, 2.0)
    np.float64(0.9550494472569279)
    """


@special(
    lambda x, y, z, p: -0.75 * carlson(x, y, z, p, powers=(1.5, 0.5, 0.5, 1)),
    lambda x, y, z, p: -0.75 * carlson(x, y, z, p, powers=(0.5, 1.5, 0.5, 1)),
    lambda x, y, z, p: -0.75 * carlson(x, y, z, p, powers=(0.5, 0.5, 1.5, 1)),
    lambda x, y, z, p: -1.5 * carlson(x, y, z, p, powers=(0.5, 0.5, 0.5, 2)),
    singular=True,
)
def elliprj(x, y, z, p):
    """Carlson's symmetric integral of the third kind, R_J; differentiable for `p` > 0.

    >>> import chainrule as cr
    >>> cr.special.elliprj(0.0, 1.0, 2.0, 3.0)
    np.float64(0.7768862377858233)
    """


# --- complete integrals ---------------------------------------------------------------------------------------------


@special(lambda m: 0.25 * carlson(0.0, 1 - m, 1.0, 1.0, powers=(0.5, 1.5, 0.5, 0)), singular=True)
def ellipk(m):
    """Complete elliptic integral of the first kind.

    >>> import chainrule as cr
    >>> cr.special.ellipk([0.0, 0.5])
    array([1.57079633, 1.85407468])
    """


@special(lambda p: -0.25 * carlson(0.0, p, 1.0, 1.0, powers=(0.5, 1.5, 0.5, 0)), singular=True)
def ellipkm1(p):
    """`ellipk(1 - p)`, accurate for small `p`.

    >>> import chainrule as cr
    >>> cr.special.ellipkm1([1.0, 1e-100])
    array([  1.57079633, 116.51554901])
    """


@special(lambda m: -0.25 * carlson(0.0, 1 - m, 1.0, 1.0, powers=(0.5, 0.5, 1.5, 0)), singular=True)
def ellipe(m):
    """Complete elliptic integral of the second kind.

    >>> import chainrule as cr
    >>> cr.special.ellipe([0.0, 0.5])
    array([1.57079633, 1.35064388])
    """


def _agm_partial(a, b, out):
    """By pi / agm(a, b), the integral of (t (t + a**2) (t + b**2))**(-1/2)."""
    return out * out * absolute(a) * carlson(0.0, a * a, b * b, 1.0, powers=(0.5, 1.5, 0.5, 0)) * (1 / math.pi)


@special(lambda a, b, out: _agm_partial(a, b, out), lambda a, b, out: _agm_partial(b, a, out))
def agm(a, b):
    """Arithmetic-geometric mean of `a` and `b`.

    >>> import chainrule as cr
    >>> cr.special.agm(1.0, 2.0)
    np.float64(1.4567910310469068)
    """


# --- incomplete integrals -------------------------------------------------------------------------------------------


def _moment_in_phi(phi, m, n, q):
    s2 = sin(phi) * sin(phi)
    c2 = cos(phi) * cos(phi)
    return s2**n * (c2 + (1 - m) * s2) ** -q


@numeric(
    _moment_in_phi,
    lambda phi, m, n, q: q * elliptic_moment(phi, m, n=n + 1, q=q + 1),
)
def elliptic_moment(phi, m, *, n, q):
    """Integral of sin(t)**(2 n) (1 - m sin(t)**2)**-q from 0 to phi, for n > 0."""
    turns = np.rint(phi / math.pi)
    s, c = np.sin(phi - turns * math.pi), np.cos(phi - turns * math.pi)
    powers = (0.5, q, n - q + 1)
    inner = 0.5 * s * s ** (2 * n) * _carlson(powers, c * c, c * c + (1 - m) * s * s, np.ones_like(s))
    if not turns.any():
        return inner
    return inner + turns * _carlson(powers, np.zeros_like(s), 1 - m, np.ones_like(s))


@special(
    lambda phi, m: 1 / _delta(phi, m),
    lambda phi, m: 0.5 * elliptic_moment(phi, m, n=1, q=1.5),
    singular=True,
)
def ellipkinc(phi, m):
    """Incomplete elliptic integral of the first kind, with amplitude `phi`.

    >>> import chainrule as cr
    >>> cr.special.ellipkinc(1.0, 0.5)
    np.float64(1.0832167728451687)
    """


def _delta(phi, m):
    s, c = sin(phi), cos(phi)
    return (c * c + (1 - m) * s * s) ** 0.5


@special(
    lambda phi, m: _delta(phi, m),
    lambda phi, m: -0.5 * elliptic_moment(phi, m, n=1, q=0.5),
    singular=True,
)
def ellipeinc(phi, m):
    """Incomplete elliptic integral of the second kind, with amplitude `phi`.

    >>> import chainrule as cr
    >>> cr.special.ellipeinc(1.0, 0.5)
    np.float64(0.92732988362444)
    """


# --- functions of Jacobi --------------------------------------------------------------------------------------------

_scipy_ellipj = scipy_special("ellipj")


def _ellipj_in_u(u, m, part):
    sn, cn, dn = (_ellipj(u, m, part=k) for k in range(3))
    return (cn * dn, -sn * dn, -m * sn * cn, dn)[part]


def _ellipj_in_m(u, m, part):
    """By way of the amplitude, which solves ellipkinc(phi, m) = u."""
    sn, cn, dn, phi = (_ellipj(u, m, part=k) for k in range(4))
    turn = -0.5 * dn * elliptic_moment(phi, m, n=1, q=1.5)
    if part == 2:
        return -(sn * sn + 2 * m * sn * cn * turn) / (2 * dn)
    return (cn * turn, -sn * turn, None, turn)[part]


@special(_ellipj_in_u, _ellipj_in_m, by=lambda u, m, part: _scipy_ellipj(u, m)[part])
def _ellipj(u, m, *, part):
    """sn, cn, dn or the amplitude."""


def ellipj(u, m):
    """Jacobi's elliptic functions and the amplitude, `(sn, cn, dn, ph)`, for 0 <= `m` <= 1.

    >>> import chainrule as cr
    >>> sn, cn, dn, ph = cr.special.ellipj(1.0, 0.5)
    >>> sn
    np.float64(0.8030018248956439)
    """
    u, m = together(u, m)
    return tuple(_ellipj(u, m, part=part) for part in range(4))
