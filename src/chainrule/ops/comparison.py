"""Rounding, comparisons, logic and bits: rows that are piecewise constant, so that their derivatives are zero."""

import math

import numpy as np

from ..core.value import dtype_of
from .elementwise import absolute, subtract, where
from .families import elementwise
from .shaping import as_value

# --- rounding -------------------------------------------------------------------------------------------------------



@elementwise(np.floor)
def floor(x):
    """Largest integer not above `x`; its derivative is zero."""


@elementwise(np.ceil)
def ceil(x):
    """Smallest integer not below `x`; its derivative is zero."""


@elementwise(np.rint)
def rint(x):
    """Nearest integer, halves to even; its derivative is zero."""


@elementwise(lambda x, *, decimals: np.round(x, decimals))
def _round(x, *, decimals):
    """x rounded to a number of decimals, halves to even."""


def round(x, decimals=0):
    """`x` rounded to `decimals` decimals, halves to even; its derivative is zero.

    >>> import chainrule as cr
    >>> cr.round([1.25, 2.5], 1)
    array([1.2, 2.5])
    """
    return _round(as_value(x), decimals=int(decimals))


# --- comparisons and tests --------------------------------------------------------------------------------------------


@elementwise(np.equal)
def equal(x, y):
    """Whether `x == y`."""


@elementwise(np.not_equal)
def not_equal(x, y):
    """Whether `x != y`."""


@elementwise(np.less)
def less(x, y):
    """Whether `x < y`."""


@elementwise(np.less_equal)
def less_equal(x, y):
    """Whether `x <= y`."""


@elementwise(np.greater)
def greater(x, y):
    """Whether `x > y`."""


@elementwise(np.greater_equal)
def greater_equal(x, y):
    """Whether `x >= y`."""


@elementwise(np.isnan)
def isnan(x):
    """Whether `x` is NaN."""


@elementwise(np.isinf)
def isinf(x):
    """Whether `x` is infinite."""


@elementwise(np.isfinite)
def isfinite(x):
    """Whether `x` is neither infinite nor NaN."""


@elementwise(np.logical_and)
def logical_and(x, y):
    """Whether both are true."""


@elementwise(np.logical_or)
def logical_or(x, y):
    """Whether one or both are true."""


@elementwise(np.logical_xor)
def logical_xor(x, y):
    """Whether exactly one is true."""


@elementwise(np.logical_not)
def logical_not(x):
    """Whether it is false."""


@elementwise(np.bitwise_and)
def bitwise_and(x, y):
    """Bits set in both integers, or the conjunction of booleans."""


@elementwise(np.bitwise_or)
def bitwise_or(x, y):
    """Bits set in either integer, or the disjunction of booleans."""


@elementwise(np.bitwise_xor)
def bitwise_xor(x, y):
    """Bits set in exactly one of two integers."""


@elementwise(np.invert)
def invert(x):
    """Every bit turned over, or the negation of booleans."""


@elementwise(np.left_shift)
def left_shift(x, y):
    """Bits of integer `x` moved left by `y` places."""


@elementwise(np.right_shift)
def right_shift(x, y):
    """Bits of integer `x` moved right by `y` places."""


def isclose(x, y, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether `|x - y| <= atol + rtol |y|`, element by element."""
    close = (absolute(subtract(x, y)) <= atol + rtol * absolute(y)) & isfinite(y) | (equal(x, y))
    return close | (isnan(x) & isnan(y)) if equal_nan else close


def nan_to_num(x, nan=0.0, posinf=None, neginf=None):
    """NaN replaced by `nan`, infinities by the largest finite numbers or those given.

    >>> import chainrule as cr
    >>> cr.nan_to_num([1.0, np.nan])
    array([1., 0.])
    """
    x = as_value(x)
    limits = np.finfo(dtype_of(x)) if dtype_of(x).kind == "f" else None
    if limits is None:
        return x
    x = where(isnan(x), nan, x)
    x = where(equal(x, math.inf), float(limits.max) if posinf is None else posinf, x)
    return where(equal(x, -math.inf), float(limits.min) if neginf is None else neginf, x)
