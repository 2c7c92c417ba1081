"""NumPy's emath: functions that turn complex where elements leave the real domain; also what np.emath does with a Tensor.

The dtype of a result depends on values, so that results of a batch under vmap have none: there these functions raise. A
compiled program notes the decision as a guard.
"""

import builtins

import numpy as np

from .core.value import dtype_of
from .ops import comparison, elementwise, reduction, shaping, trigonometric

__all__ = ["arccos", "arcsin", "arctanh", "log", "log10", "log2", "logn", "power", "sqrt"]

# Real numbers that single precision holds become complex64.
_SINGLE = frozenset(map(np.dtype, ("f4", "i1", "i2", "u1", "u2")))


def _complex(x):
    return shaping.cast(x, np.dtype(np.complex64 if dtype_of(x) in _SINGLE else np.complex128))


def _widened(x, outside):
    x = shaping.as_value(x)
    return _complex(x) if dtype_of(x).kind != "c" and builtins.bool(reduction.any(outside(x))) else x


def _below_zero(x):
    return comparison.less(x, 0)


def _beyond_one(x):
    return comparison.greater(elementwise.absolute(x), 1)


def sqrt(x):
    """Square root, complex if a real element is negative.

    >>> import chainrule as cr
    >>> cr.emath.sqrt(cr.tensor([-1.0, 4.0]))
    tensor([0.+1.j, 2.+0.j])
    """
    return elementwise.sqrt(_widened(x, _below_zero))


def log(x):
    """Natural logarithm, complex if a real element is negative."""
    return elementwise.log(_widened(x, _below_zero))


def log2(x):
    """Logarithm to base 2, complex if a real element is negative."""
    return elementwise.log2(_widened(x, _below_zero))


def log10(x):
    """Logarithm to base 10, complex if a real element is negative."""
    return elementwise.log10(_widened(x, _below_zero))


def logn(n, x):
    """Logarithm of `x` to base `n`, complex if an element of either is negative."""
    return elementwise.divide(log(x), log(n))


def power(x, p):
    """`x` to the power `p`: complex if an element of a real `x` is negative, real if whole powers are.

    >>> import chainrule as cr
    >>> cr.emath.power(cr.tensor([2, 4]), -1)
    tensor([0.5 , 0.25])
    """
    p = shaping.as_value(p)
    if dtype_of(p).kind in "iu" and builtins.bool(reduction.any(_below_zero(p))):
        p = shaping.cast(p, np.dtype(float))
    return elementwise.power(_widened(x, _below_zero), p)


def arccos(x):
    """Inverse cosine, complex if a real element is beyond 1 or -1."""
    return trigonometric.arccos(_widened(x, _beyond_one))


def arcsin(x):
    """Inverse sine, complex if a real element is beyond 1 or -1."""
    return trigonometric.arcsin(_widened(x, _beyond_one))


def arctanh(x):
    """Inverse hyperbolic tangent, complex if a real element is beyond 1 or -1."""
    return trigonometric.arctanh(_widened(x, _beyond_one))
