"""Angles: trigonometric and hyperbolic functions, in radians."""

import math

import numpy as np

from ..core.value import dtype_of
from .elementwise import absolute, hypot, imag, real, sqrt, where
from .families import elementwise
from .shaping import as_value


@elementwise(np.sin, lambda x: cos(x))
def sin(x):
    """Sine of `x` in radians.

    >>> import chainrule as cr
    >>> cr.sin([0.0, np.pi / 2])
    array([0., 1.])
    """


@elementwise(np.cos, lambda x: -sin(x))
def cos(x):
    """Cosine of `x` in radians.

    >>> import chainrule as cr
    >>> cr.cos([0.0, np.pi])
    array([ 1., -1.])
    """


@elementwise(np.tan, lambda out: 1 + out * out)
def tan(x):
    """Tangent of `x` in radians.

    >>> import chainrule as cr
    >>> cr.tan([0.0])
    array([0.])
    """


def _cathetus(x):
    # On a branch cut the sign of a zero tells the side, and `1 - x` would lose it.
    return np.sqrt(-((x - 1) * (x - -1)) if dtype_of(x).kind == "c" else (1 - x) * (1 + x))


def _cathetus_code(s, x):
    return s.sqrt(s.multiply(s.subtract(1, x), s.add(1, x)))


# Differentiated as a composition, it would lose x beside 1.
@elementwise(_cathetus, lambda x, out: -(x / out), scalar=_cathetus_code, singular=True)
def cathetus(x):
    """sqrt(1 - x**2)"""


@elementwise(np.arcsin, lambda x: 1 / cathetus(x), singular=True)
def arcsin(x):
    """Angle in radians whose sine is `x`.

    >>> import chainrule as cr
    >>> cr.arcsin([0.0])
    array([0.])
    """


@elementwise(np.arccos, lambda x: -1 / cathetus(x), singular=True)
def arccos(x):
    """Angle in radians whose cosine is `x`.

    >>> import chainrule as cr
    >>> cr.arccos([1.0])
    array([0.])
    """


@elementwise(np.arctan, lambda x: 1 / (1 + x * x), singular=True)
def arctan(x):
    """Angle in radians whose tangent is `x`.

    >>> import chainrule as cr
    >>> cr.arctan([0.0])
    array([0.])
    """


def _over_square(x, r):
    """x / r**2, and 0 at the origin, where an angle has no derivative."""
    r = where(r == 0, math.inf, r)
    return x / r / r  # r * r could under- or overflow


@elementwise(np.arctan2, lambda y, x: _over_square(x, hypot(x, y)), lambda y, x: _over_square(-y, hypot(x, y)), singular=True)
def arctan2(y, x):
    """Angle in radians of the point (`x`, `y`), in its quadrant. The derivative at the origin is 0.

    >>> import chainrule as cr
    >>> cr.arctan2(1.0, 0.0)
    np.float64(1.5707963267948966)
    """


@elementwise(np.sinh, lambda x: cosh(x))
def sinh(x):
    """Hyperbolic sine of `x`.

    >>> import chainrule as cr
    >>> cr.sinh([0.0])
    array([0.])
    """


@elementwise(np.cosh, lambda x: sinh(x))
def cosh(x):
    """Hyperbolic cosine of `x`.

    >>> import chainrule as cr
    >>> cr.cosh([0.0])
    array([1.])
    """


@elementwise(np.tanh, lambda x, out: slope_of_tanh(x, out))
def tanh(x):
    """Hyperbolic tangent of `x`.

    >>> import chainrule as cr
    >>> cr.tanh([0.0])
    array([0.])
    """


SATURATED = 2.0**-10  # below, what is left of 1 by subtraction is too rough


def bell(x):
    """The slope of the logistic function, also where that is 1 to rounding."""
    e = np.exp(np.where(x.real < 0, x, -x) if dtype_of(x).kind == "c" else -np.abs(x))
    return e / np.square(1 + e)


def mended(rough, left, x, exact):
    """`rough`, and `exact(x)` where what is `left` of 1 shows that it is too rough."""
    flat = (np.abs(left) if dtype_of(left).kind == "c" else left) < SATURATED
    if not np.any(flat):
        return rough
    if not np.ndim(rough):
        return rough.dtype.type(exact(x))
    rough[flat] = exact(np.broadcast_to(x, rough.shape)[flat])
    return rough


def _slope_of_tanh(x, y):
    rough = 1 - y * y
    return mended(rough, rough, x, lambda x: 4 * bell(2 * x))


# Of x alone, but in most places y = tanh(x) spares another exponential. Rules must not ask for y, where nothing flows.
@elementwise(_slope_of_tanh, lambda x, out: -2 * tanh(x) * out, None)
def slope_of_tanh(x, y):
    """1 / cosh(x)**2 for y = tanh(x)."""


def _slope_of_arcsinh(x):
    return 1 / (sqrt(x * x - -1) if dtype_of(x).kind == "c" else hypot(x, 1))  # x * x + 1 loses the sign of a zero


@elementwise(np.arcsinh, _slope_of_arcsinh, singular=True)
def arcsinh(x):
    """Number whose hyperbolic sine is `x`.

    >>> import chainrule as cr
    >>> cr.arcsinh([0.0])
    array([0.])
    """


@elementwise(np.arccosh, lambda x: 1 / (sqrt(x - 1) * sqrt(x - -1)), singular=True)
def arccosh(x):
    """Number whose hyperbolic cosine is `x`.

    >>> import chainrule as cr
    >>> cr.arccosh([1.0])
    array([0.])
    """


@elementwise(np.arctanh, lambda x: 1 / (1 - x * x), singular=True)
def arctanh(x):
    """Number whose hyperbolic tangent is `x`.

    >>> import chainrule as cr
    >>> cr.arctanh([0.0])
    array([0.])
    """


def sinc(x):
    """`sin(pi x) / (pi x)`, and 1 at 0.

    >>> import chainrule as cr
    >>> cr.sinc([0.0, 0.5])
    array([1.        , 0.63661977])
    """
    z = math.pi * as_value(x)
    near = absolute(z) < 0.1
    away = where(near, 1, z)
    s = z * z
    # Near 0 the power series, so that derivatives of every order are right there (error below 1e-16 in |z| < 0.1).
    series = 1 - s / 6 * (1 - s / 20 * (1 - s / 42 * (1 - s / 72 * (1 - s / 110))))
    return where(near, series, sin(away) / away)


def degrees(x):
    """Radians to degrees.

    >>> import chainrule as cr
    >>> cr.degrees(np.pi)
    np.float64(180.0)
    """
    return as_value(x) * (180 / math.pi)


def radians(x):
    """Degrees to radians.

    >>> import chainrule as cr
    >>> cr.radians(180.0)
    np.float64(3.141592653589793)
    """
    return as_value(x) * (math.pi / 180)


def angle(z, deg=False):
    """Angle of complex `z` in radians (or degrees), counterclockwise from the positive real axis.

    >>> import chainrule as cr
    >>> cr.angle(1j, deg=True)
    np.float64(90.0)
    """
    a = arctan2(imag(z), real(z))
    return a * (180 / math.pi) if deg else a
