"""One number in, one number out, over whole arrays.

All functions here take arrays or Tensors of any shapes that broadcast together, real or (where it makes sense)
complex, and give a result of the broadcast shape in NumPy's result dtype.
"""

import math
import operator

import numpy as np

from ..core.derivative import Bound, Pair
from ..core.value import dtype_of, shape_of
from .families import conjugate as conjugate, elementwise, fit, masked_multiply as masked_multiply
from .shaping import as_value, broadcast_to, cast, duplicate, sum_to

# --- arithmetic -----------------------------------------------------------------------------------------------------


@elementwise(np.add, lambda: 1, lambda: 1, fast=operator.add)
def add(x, y):
    """Sum of `x` and `y`.

    >>> import chainrule as cr
    >>> cr.add([1.0, 2.0], 3.0)
    array([4., 5.])
    """


@elementwise(np.subtract, lambda: 1, lambda: -1, fast=operator.sub)
def subtract(x, y):
    """Difference `x - y`.

    >>> import chainrule as cr
    >>> cr.subtract([1.0, 2.0], 3.0)
    array([-2., -1.])
    """


@elementwise(np.multiply, lambda y: y, lambda x: x, fast=operator.mul, series="product")
def multiply(x, y):
    """Product of `x` and `y`.

    >>> import chainrule as cr
    >>> cr.multiply([1.0, 2.0], 3.0)
    array([3., 6.])
    """


def _slope_of_quotient(y):
    if type(y) in (bool, int, float, complex) and not y:  # where Python raises and NumPy does not
        return math.copysign(math.inf, y) if type(y) is not complex else complex(math.nan, math.nan)
    return 1.0 / y


@elementwise(np.divide, _slope_of_quotient, lambda y, out: -(out / y), singular=True, fast=operator.truediv, series="quotient")
def divide(x, y):
    """Quotient `x / y`.

    >>> import chainrule as cr
    >>> cr.divide([1.0, 2.0], 4.0)
    array([0.25, 0.5 ])
    """


@elementwise(np.negative, lambda: -1, fast=operator.neg)
def negative(x):
    """`-x`.

    >>> import chainrule as cr
    >>> cr.negative([1.0, -2.0])
    array([-1.,  2.])
    """


@elementwise(np.square, lambda x: 2 * x, fast=lambda x: x * x)
def square(x):
    """`x * x`.

    >>> import chainrule as cr
    >>> cr.square([1.0, -3.0])
    array([1., 9.])
    """


@elementwise(np.reciprocal, lambda out: -(out * out), singular=True)
def reciprocal(x):
    """`1 / x`.

    >>> import chainrule as cr
    >>> cr.reciprocal([2.0, 4.0])
    array([0.5 , 0.25])
    """


def _power_partial_in_base(x, y):
    if isinstance(y, (int, float)):
        return y * x ** (y - 1) if y != 0 else 0 * x
    return where(y == 0, 0, y * power(x, where(y == 0, 1, y - 1)))


def _power_partial_in_exponent(x, out):
    if isinstance(x, (int, float)):  # a number, whose logarithm must not decide the dtype
        return out * (math.log(x) if x > 0 else 0.0 if x == 0 else math.nan)
    return out * log(where(x == 0, 1, x))


def _power(x, y):
    return x**y if isinstance(x, np.ndarray) else np.power(x, y)


@elementwise(_power, _power_partial_in_base, _power_partial_in_exponent, singular=True)
def power(x, y):
    """`x` to the power `y`.

    Where `y` is 0 the derivative in `x` is 0, also at `x = 0`; where `x` is 0 the derivative in `y` is 0 (its limit
    for positive `y`). The derivative in `y` is NaN for negative real `x`.

    >>> import chainrule as cr
    >>> cr.power([1.0, 2.0, 3.0], 2)
    array([1., 4., 9.])
    """


@elementwise(np.remainder, lambda: 1, lambda x, y: -floor_divide(x, y))
def remainder(x, y):
    """Remainder of `x / y` with the sign of `y`, as Python's `%`.

    >>> import chainrule as cr
    >>> cr.remainder([-1.0, 5.0], 3.0)
    array([2., 2.])
    """


@elementwise(np.fmod, lambda: 1, lambda x, y: -trunc(x / y))
def fmod(x, y):
    """Remainder of `x / y` with the sign of `x`, as C's `fmod`.

    >>> import chainrule as cr
    >>> cr.fmod([-1.0, 5.0], 3.0)
    array([-1.,  2.])
    """


@elementwise(np.trunc)
def trunc(x):
    """Nearest integer towards zero; its derivative is zero.

    >>> import chainrule as cr
    >>> cr.trunc([1.7, -1.7])
    array([ 1., -1.])
    """


@elementwise(np.floor_divide)
def floor_divide(x, y):
    """`floor(x / y)`; piecewise constant, so its derivative is zero.

    >>> import chainrule as cr
    >>> cr.floor_divide([7.0, -7.0], 2.0)
    array([ 3., -4.])
    """


def _share(wins, ties, out):
    """1 where an argument alone is the extremum, 1/2 where both are."""
    dtype = dtype_of(out)
    return cast(wins, dtype) + 0.5 * cast(ties, dtype)


@elementwise(np.maximum, lambda x, y, out: _share(x > y, x == y, out), lambda x, y, out: _share(y > x, x == y, out))
def maximum(x, y):
    """The larger of `x` and `y`, NaN if either is. Ties share the derivative equally.

    >>> import chainrule as cr
    >>> cr.maximum([1.0, 5.0], 3.0)
    array([3., 5.])
    """


@elementwise(np.minimum, lambda x, y, out: _share(x < y, x == y, out), lambda x, y, out: _share(y < x, x == y, out))
def minimum(x, y):
    """The smaller of `x` and `y`, NaN if either is. Ties share the derivative equally.

    >>> import chainrule as cr
    >>> cr.minimum([1.0, 5.0], 3.0)
    array([1., 3.])
    """


def _is_nan(x):
    return x != x


@elementwise(
    np.fmax,
    lambda x, y, out: _share((x > y) | (_is_nan(y) & (x == x)), x == y, out),
    lambda x, y, out: _share((y > x) | (_is_nan(x) & (y == y)), x == y, out),
)
def fmax(x, y):
    """The larger of `x` and `y`, ignoring NaN. Ties share the derivative equally.

    >>> import chainrule as cr
    >>> cr.fmax([1.0, np.nan], 0.5)
    array([1. , 0.5])
    """


@elementwise(
    np.fmin,
    lambda x, y, out: _share((x < y) | (_is_nan(y) & (x == x)), x == y, out),
    lambda x, y, out: _share((y < x) | (_is_nan(x) & (y == y)), x == y, out),
)
def fmin(x, y):
    """The smaller of `x` and `y`, ignoring NaN. Ties share the derivative equally.

    >>> import chainrule as cr
    >>> cr.fmin([1.0, np.nan], 0.5)
    array([0.5, 0.5])
    """


def _select(condition, x, y):
    return np.where(condition, x, y)[()]


@elementwise(
    _select,
    None,
    Pair(
        jvp=lambda t, condition, out: fit(where(condition, t, 0), out),
        vjp=lambda g, condition, in_shape: sum_to(where(condition, g, 0), in_shape),
    ),
    Pair(
        jvp=lambda t, condition, out: fit(where(condition, 0, t), out),
        vjp=lambda g, condition, in_shape: sum_to(where(condition, 0, g), in_shape),
    ),
    scalar=lambda s, condition, x, y: s.where(condition, x, y),
)
def _where(condition, x, y):
    """x where condition holds, else y."""


def where(condition, x, y):
    """`x` where `condition` holds, else `y`; a branch not taken contributes zero to derivatives, never NaN.

    >>> import chainrule as cr
    >>> cr.where([True, False], 1.0, 2.0)
    array([1., 2.])
    """
    return _where(condition, x, y)


def _clip_inside(x, lo, hi, out):
    return cast((x >= lo) & (x <= hi), dtype_of(out))


@elementwise(
    lambda x, lo, hi: np.minimum(np.maximum(x, lo), hi),
    _clip_inside,
    lambda x, lo, hi, out: cast((x < lo) & (lo <= hi), dtype_of(out)),
    lambda x, lo, hi, out: cast((x > hi) | (lo > hi), dtype_of(out)),
    scalar=lambda s, x, lo, hi: s.minimum(s.maximum(x, lo), hi),
)
def _clip(x, lo, hi):
    """x limited to the interval from lo to hi."""


def clip(x, min=None, max=None, *, a_min=None, a_max=None):
    """`x` limited to the interval from `min` to `max`; at its ends, as inside, the derivative in `x` is 1.

    >>> import chainrule as cr
    >>> cr.clip([-1.0, 0.5, 2.0], 0, 1)
    array([0. , 0.5, 1. ])
    """
    lo = min if a_min is None else a_min
    hi = max if a_max is None else a_max
    kind = dtype_of(x).kind
    if kind in "iu":
        lo, hi = _reachable(dtype_of(x), lo, hi)
    if lo is None and hi is None:
        return duplicate(as_value(x))
    if kind in "iubc" and (lo is None or hi is None):
        return _clip_below(x, lo) if hi is None else _clip_above(x, hi)
    return _clip(x, -math.inf if lo is None else lo, math.inf if hi is None else hi)


def _reachable(dtype, lo, hi):
    """Python's ints as limits, without those that no number of an integer dtype passes: NumPy takes no larger ones."""
    info = np.iinfo(dtype)
    return None if type(lo) is int and lo < info.min else lo, None if type(hi) is int and hi > info.max else hi


def _clip_below(x, lo):
    return maximum(x, lo)


def _clip_above(x, hi):
    return minimum(x, hi)


# --- parts and signs ------------------------------------------------------------------------------------------------


def _unit(x):
    """x / |x|, and 0 at 0."""
    if dtype_of(x).kind != "c":
        return sign(x)
    return _safe_ratio(x, absolute(x))


def _absolute_jvp(t, x):
    return t * sign(x) if dtype_of(x).kind != "c" else real(conjugate(_unit(x)) * t)


@elementwise(np.absolute, Pair(_absolute_jvp, lambda g, x: g * _unit(x)))
def absolute(x):
    """Absolute value of `x`, or modulus if complex. The derivative at 0 is 0.

    >>> import chainrule as cr
    >>> cr.absolute([-1.5, 2.0])
    array([1.5, 2. ])
    """


@elementwise(np.sign)
def _sign(x):
    """-1, 0 or 1 by the sign of x."""


def sign(x):
    """-1, 0 or 1 by the sign of `x`; for complex `x`, `x / |x|`.

    >>> import chainrule as cr
    >>> cr.sign([-1.5, 0.0, 2.0])
    array([-1.,  0.,  1.])
    """
    return _unit(x) if dtype_of(x).kind == "c" else _sign(x)


@elementwise(np.signbit)
def signbit(x):
    """Whether the sign bit of `x` is set (negative numbers and -0.0).

    >>> import chainrule as cr
    >>> cr.signbit([-1.0, 0.0, -0.0])
    array([ True, False,  True])
    """


@elementwise(np.copysign, lambda x, y, out: cast(where(signbit(x) == signbit(y), 1, -1), dtype_of(out)), None)
def copysign(x, y):
    """The size of `x` with the sign of `y`.

    >>> import chainrule as cr
    >>> cr.copysign([1.0, 2.0], -1.0)
    array([-1., -2.])
    """


@elementwise(np.heaviside, None, lambda x, out: cast(x == 0, dtype_of(out)))
def heaviside(x, h):
    """0 where `x` < 0, `h` where it is 0, else 1.

    >>> import chainrule as cr
    >>> cr.heaviside([-1.0, 0.0, 2.0], 0.5)
    array([0. , 0.5, 1. ])
    """


def _real(x):
    return np.array(np.real(x))[()] if np.iscomplexobj(x) else np.asarray(x)[()]


class _RealPart:
    def bind(self, row, i):
        return Bound(lambda t, env, params, aval: real(t), lambda g, env, params, aval: g, frozenset())


class _ImaginaryPart:
    def bind(self, row, i):
        def pull(g, env, params, aval):
            # Without an aval the argument has the dtype of the result, so it is real.
            return g * 1j if aval is not None and aval.dtype.kind == "c" else 0 * g

        return Bound(lambda t, env, params, aval: imag(t), pull, frozenset())


@elementwise(_real, _RealPart())
def real(x):
    """Real part of `x`.

    >>> import chainrule as cr
    >>> cr.real(np.array([1 + 2j]))
    array([1.])
    """


@elementwise(lambda x: np.array(np.imag(x))[()], _ImaginaryPart())
def imag(x):
    """Imaginary part of `x`.

    >>> import chainrule as cr
    >>> cr.imag(np.array([1 + 2j]))
    array([2.])
    """


def _joined(x, y):
    out = np.empty(np.broadcast_shapes(np.shape(x), np.shape(y)), np.result_type(x, y, np.complex64))
    out.real, out.imag = x, y
    return out[()]


@elementwise(
    _joined,
    Pair(lambda t, out: _from_parts(t, np.zeros(shape_of(out), dtype_of(t))), lambda g: real(g)),
    Pair(lambda t, out: _from_parts(np.zeros(shape_of(out), dtype_of(t)), t), lambda g: imag(g)),
)
def _from_parts(x, y):
    """x + 1j * y of real x and y of one shape; here, an infinite part leaves the other one alone."""


def from_parts(x, y):
    """Complex numbers of real and imaginary parts, which may broadcast."""
    shape = np.broadcast_shapes(shape_of(x), shape_of(y))
    return _from_parts(broadcast_to(as_value(x), shape), broadcast_to(as_value(y), shape))


# --- exponentials and logarithms ------------------------------------------------------------------------------------


@elementwise(np.exp, lambda out: out)
def exp(x):
    """e to the power `x`.

    >>> import chainrule as cr
    >>> cr.exp([0.0, 1.0])
    array([1.        , 2.71828183])
    """


@elementwise(np.exp2, lambda out: out * math.log(2))
def exp2(x):
    """2 to the power `x`.

    >>> import chainrule as cr
    >>> cr.exp2([0.0, 3.0])
    array([1., 8.])
    """


@elementwise(np.expm1, lambda x: exp(x))
def expm1(x):
    """`exp(x) - 1`, accurate near 0.

    >>> import chainrule as cr
    >>> cr.expm1(1e-20)
    np.float64(1e-20)
    """


@elementwise(np.log, lambda x: 1 / x, singular=True)
def log(x):
    """Natural logarithm of `x`.

    >>> import chainrule as cr
    >>> cr.log([1.0, np.e])
    array([0., 1.])
    """


@elementwise(np.log2, lambda x: (1 / math.log(2)) / x, singular=True)
def log2(x):
    """Logarithm of `x` to base 2.

    >>> import chainrule as cr
    >>> cr.log2([1.0, 8.0])
    array([0., 3.])
    """


@elementwise(np.log10, lambda x: (1 / math.log(10)) / x, singular=True)
def log10(x):
    """Logarithm of `x` to base 10.

    >>> import chainrule as cr
    >>> cr.log10([1.0, 100.0])
    array([0., 2.])
    """


@elementwise(np.log1p, lambda x: 1 / (1 + x), singular=True)
def log1p(x):
    """`log(1 + x)`, accurate near 0.

    >>> import chainrule as cr
    >>> cr.log1p(1e-20)
    np.float64(1e-20)
    """


@elementwise(np.sqrt, lambda out: 0.5 / out, singular=True)
def sqrt(x):
    """Square root of `x`.

    >>> import chainrule as cr
    >>> cr.sqrt([4.0, 9.0])
    array([2., 3.])
    """


@elementwise(np.cbrt, lambda out: (1 / 3) / (out * out), singular=True)
def cbrt(x):
    """Real cube root of `x`.

    >>> import chainrule as cr
    >>> cr.cbrt([8.0, -27.0])
    array([ 2., -3.])
    """


def _safe_quotient(x, y, r):
    return x / np.where(r == 0, math.inf, r)


def _safe_ratio(x, r):
    """x / r, and 0 where r is 0, in derivatives of any order."""
    return x / where(r == 0, math.inf, r)


def _share_in_x(x, y):
    r = hypot(x, y)
    return _safe_ratio(square(share_of_hypot(y, x, r)), r)


def _share_in_y(x, y, out):
    r = hypot(x, y)
    return -_safe_ratio(out * share_of_hypot(y, x, r), r)


# Of x and y alone, for r = hypot(x, y). Differentiated as a quotient, it would cancel where x is much larger than y.
@elementwise(
    _safe_quotient,
    _share_in_x,
    _share_in_y,
    None,
    scalar=lambda s, x, y, r: s.divide(x, s.where(s.equal(r, 0.0), math.inf, r)),
)
def share_of_hypot(x, y, r):
    """x / r, and 0 where r is 0."""


@elementwise(np.hypot, lambda x, y, out: share_of_hypot(x, y, out), lambda x, y, out: share_of_hypot(y, x, out))
def hypot(x, y):
    """`sqrt(x**2 + y**2)` without overflow. Both derivatives are 0 at the origin.

    >>> import chainrule as cr
    >>> cr.hypot(3.0, 4.0)
    np.float64(5.0)
    """
