"""Rounding, comparisons, logic and bits: rows that are piecewise constant, so that their derivatives are zero."""

import math

import numpy as np

from ..core.value import dtype_of, ndim_of
from .elementwise import absolute, from_parts, imag, real, subtract, where
from .families import elementwise
from .shaping import as_int, as_value

# --- rounding -------------------------------------------------------------------------------------------------------


@elementwise(np.floor)
def floor(x):
    """Largest integer not above `x`; its derivative is zero.

    >>> import chainrule as cr
    >>> cr.floor([1.7, -1.2])
    array([ 1., -2.])
    """


@elementwise(np.ceil)
def ceil(x):
    """Smallest integer not below `x`; its derivative is zero.

    >>> import chainrule as cr
    >>> cr.ceil([1.2, -1.7])
    array([ 2., -1.])
    """


@elementwise(np.rint)
def rint(x):
    """Nearest integer, halves to even; its derivative is zero.

    >>> import chainrule as cr
    >>> cr.rint([0.5, 1.5, 2.4])
    array([0., 2., 2.])
    """


@elementwise(lambda x, *, decimals: np.round(x, decimals))
def _round(x, *, decimals):
    """x rounded to a number of decimals, halves to even."""


def round(x, decimals=0):
    """`x` rounded to `decimals` decimals, halves to even; its derivative is zero.

    >>> import chainrule as cr
    >>> cr.round([1.25, 2.5], 1)
    array([1.2, 2.5])
    """
    return _round(as_value(x), decimals=as_int(decimals))


# --- comparisons and tests --------------------------------------------------------------------------------------------


@elementwise(np.equal)
def equal(x, y):
    """Whether `x == y`.

    >>> import chainrule as cr
    >>> cr.equal([1, 2], 2)
    array([False,  True])
    """


@elementwise(np.not_equal)
def not_equal(x, y):
    """Whether `x != y`.

    >>> import chainrule as cr
    >>> cr.not_equal([1, 2], 2)
    array([ True, False])
    """


@elementwise(np.less)
def less(x, y):
    """Whether `x < y`.

    >>> import chainrule as cr
    >>> cr.less([1, 2], 2)
    array([ True, False])
    """


@elementwise(np.less_equal)
def less_equal(x, y):
    """Whether `x <= y`.

    >>> import chainrule as cr
    >>> cr.less_equal([1, 2], 1)
    array([ True, False])
    """


@elementwise(np.greater)
def greater(x, y):
    """Whether `x > y`.

    >>> import chainrule as cr
    >>> cr.greater([1, 2], 1)
    array([False,  True])
    """


@elementwise(np.greater_equal)
def greater_equal(x, y):
    """Whether `x >= y`.

    >>> import chainrule as cr
    >>> cr.greater_equal([1, 2], 2)
    array([False,  True])
    """


@elementwise(np.isnan)
def isnan(x):
    """Whether `x` is NaN.

    >>> import chainrule as cr
    >>> cr.isnan([1.0, np.inf, np.nan])
    array([False, False,  True])
    """


@elementwise(np.isinf)
def isinf(x):
    """Whether `x` is infinite.

    >>> import chainrule as cr
    >>> cr.isinf([1.0, np.inf, np.nan])
    array([False,  True, False])
    """


@elementwise(np.isfinite)
def isfinite(x):
    """Whether `x` is neither infinite nor NaN.

    >>> import chainrule as cr
    >>> cr.isfinite([1.0, np.inf, np.nan])
    array([ True, False, False])
    """


@elementwise(np.logical_and)
def logical_and(x, y):
    """Whether both are true.

    >>> import chainrule as cr
    >>> cr.logical_and([True, False], True)
    array([ True, False])
    """


@elementwise(np.logical_or)
def logical_or(x, y):
    """Whether one or both are true.

    >>> import chainrule as cr
    >>> cr.logical_or([True, False], False)
    array([ True, False])
    """


@elementwise(np.logical_xor)
def logical_xor(x, y):
    """Whether exactly one is true.

    >>> import chainrule as cr
    >>> cr.logical_xor([True, False], True)
    array([False,  True])
    """


@elementwise(np.logical_not)
def logical_not(x):
    """Whether it is false.

    >>> import chainrule as cr
    >>> cr.logical_not([True, False])
    array([False,  True])
    """


@elementwise(np.bitwise_and)
def bitwise_and(x, y):
    """Bits set in both integers, or the conjunction of booleans.

    >>> import chainrule as cr
    >>> cr.bitwise_and([5, 6], 3)
    array([1, 2])
    """


@elementwise(np.bitwise_or)
def bitwise_or(x, y):
    """Bits set in either integer, or the disjunction of booleans.

    >>> import chainrule as cr
    >>> cr.bitwise_or([5, 6], 3)
    array([7, 7])
    """


@elementwise(np.bitwise_xor)
def bitwise_xor(x, y):
    """Bits set in exactly one of two integers.

    >>> import chainrule as cr
    >>> cr.bitwise_xor([5, 6], 3)
    array([6, 5])
    """


@elementwise(np.invert)
def invert(x):
    """Every bit turned over, or the negation of booleans.

    >>> import chainrule as cr
    >>> cr.invert([True, False])
    array([False,  True])
    """


@elementwise(np.left_shift)
def left_shift(x, y):
    """Bits of integer `x` moved left by `y` places.

    >>> import chainrule as cr
    >>> cr.left_shift([1, 2], 3)
    array([ 8, 16])
    """


@elementwise(np.right_shift)
def right_shift(x, y):
    """Bits of integer `x` moved right by `y` places.

    >>> import chainrule as cr
    >>> cr.right_shift([8, 16], 3)
    array([1, 2])
    """


def isclose(x, y, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether `|x - y| <= atol + rtol |y|`, element by element.

    >>> import chainrule as cr
    >>> cr.isclose([1.0, 2.0], [1.0 + 1e-9, 2.1])
    array([ True, False])
    """
    size = abs(y) if isinstance(y, (int, float, complex)) else absolute(y)  # Python's numbers take the dtype of `x`
    close = (absolute(subtract(x, y)) <= atol + rtol * size) & isfinite(y) | (equal(x, y))
    return close | (isnan(x) & isnan(y)) if equal_nan else close


def nan_to_num(x, nan=0.0, posinf=None, neginf=None, *, copy=True):
    """NaN replaced by `nan`, infinities by the largest finite numbers or those given; in real and imaginary parts alike.

    With `copy=False` `x` itself is changed and given back, if it is an array.

    >>> import chainrule as cr
    >>> cr.nan_to_num([1.0, np.nan])
    array([1., 0.])
    """
    x = as_value(x)
    if not copy and ndim_of(x):
        x[...] = nan_to_num(x, nan, posinf, neginf)
        return x
    if dtype_of(x).kind == "c":
        return from_parts(*(nan_to_num(part(x), nan, posinf, neginf) for part in (real, imag)))
    limits = np.finfo(dtype_of(x)) if dtype_of(x).kind == "f" else None
    if limits is None:
        return x
    out = where(equal(x, math.inf), float(limits.max) if posinf is None else posinf, x)
    out = where(equal(x, -math.inf), float(limits.min) if neginf is None else neginf, out)
    return where(isnan(x), nan, out)
