"""NumPy's names for everything that works on arrays and Tensors.

Importing this module tells Tensors what to do when NumPy's own functions meet them.
"""

import numpy as _np
from numpy import e as e, euler_gamma as euler_gamma, inf as inf, nan as nan, newaxis as newaxis, pi as pi

from . import emath as emath, fft as fft, linalg as linalg, numpy_views as _views, ops as _ops, special as special
from .core.value import dtype_of as _dtype_of, shape_of as _shape_of
from .creation import *
from .dtypes import *
from .in_place import *
from .in_place import put_along_axis as _put_along_axis
from .numpy_calls import NUMPY_FUNCTIONS as _NUMPY_FUNCTIONS
from .ops import *
from .ops.applying import vectorize as vectorize
from .ops.editing import c_ as c_, r_ as r_
from .questions import *
from .tensor import Tensor as ndarray
from .ufunc_calls import SCIPY_UFUNCS as _SCIPY_UFUNCS

# --- functions whose results are views; those of the same names in `ops` only compute ---------------------------------

globals().update({name: getattr(_views, name) for name in _views.__all__})

# --- second names ---------------------------------------------------------------------------------------------------

abs = _ops.absolute
true_divide = _ops.divide
pow = _ops.power
mod = _ops.remainder
conj = _ops.conjugate


amax, amin, row_stack = _ops.reduction.amax, _ops.reduction.amin, _ops.vstack
acos, asin, atan, atan2 = _ops.arccos, _ops.arcsin, _ops.arctan, _ops.arctan2
acosh, asinh, atanh = _ops.arccosh, _ops.arcsinh, _ops.arctanh
deg2rad, rad2deg = _ops.radians, _ops.degrees
bitwise_not = bitwise_invert = _ops.invert
bitwise_left_shift, bitwise_right_shift = _ops.left_shift, _ops.right_shift
concat = _ops.concatenate
around = _ops.round


def fabs(x):
    """Absolute value of real `x` as a floating point number."""
    if _dtype_of(x).kind == "c":
        raise TypeError("fabs: complex numbers are not supported; use absolute")
    return _ops.absolute(x if _dtype_of(x).kind == "f" else _ops.astype(x, _np.fabs(_np.zeros(1, _dtype_of(x))).dtype))


def positive(x):
    """A copy of the numbers `x`."""
    if _dtype_of(x).kind == "b":
        raise TypeError("positive: truth values have no sign; use copy")
    return x.clone() if isinstance(x, ndarray) else _np.positive(x)


def float_power(x, y):
    """`x` to the power `y`, in float64 or complex128 whatever the dtypes."""
    dtype = complex128 if "c" in (_dtype_of(x).kind, _dtype_of(y).kind) else float64
    return _ops.power(_ops.astype(x, dtype), _ops.astype(y, dtype))


def where(condition, x=None, y=None):
    """`x` where the condition holds, else `y`; without both, the indices of the elements where it holds.

    >>> import chainrule as cr
    >>> cr.where([True, False], [1.0, 2.0], 0.0)
    array([1., 0.])
    >>> cr.where([False, True])
    (array([1]),)
    """
    if x is None and y is None:
        return _ops.nonzero(condition)
    if x is None or y is None:
        raise ValueError("where: either both or neither of x and y should be given")
    return _ops.where(condition, x, y)


# --- what needs no work here ----------------------------------------------------------------------------------------

isdtype, issubdtype, promote_types, typename, mintypecode = (
    _np.isdtype, _np.issubdtype, _np.promote_types, _np.typename, _np.mintypecode
)  # fmt: skip
isscalar, iterable, errstate, ndindex = _np.isscalar, _np.iterable, _np.errstate, _np.ndindex
# Index arrays are plain arrays.
diag_indices, indices, mask_indices, tril_indices, triu_indices, fromfunction = (
    _np.diag_indices, _np.indices, _np.mask_indices, _np.tril_indices, _np.triu_indices, _np.fromfunction
)  # fmt: skip
s_, index_exp, mgrid, ogrid = _np.s_, _np.index_exp, _np.mgrid, _np.ogrid


def ndenumerate(x):
    """Pairs of an index and the element there."""
    return ((place, x[place]) for place in _np.ndindex(*_shape_of(x)))


bool = bool_
__array_api_version__ = "2024.12"
__array_namespace_info__ = _np.__array_namespace_info__  # the same dtypes, devices and capabilities


# --- how NumPy's own functions find ours ----------------------------------------------------------------------------


def _register():
    own = {name: thing for name, thing in globals().items() if callable(thing) and not name.startswith("_")}
    for theirs, ours in ((_np, own), (_np.linalg, _public(linalg)), (_np.fft, _public(fft)), (_np.emath, _public(emath))):
        for name, function in ours.items():
            found = getattr(theirs, name, None)
            if not callable(found) or found is function or isinstance(found, type):
                continue
            if found.__name__ == name or found not in _NUMPY_FUNCTIONS:  # of several names, NumPy's first
                _NUMPY_FUNCTIONS[found] = function
    _NUMPY_FUNCTIONS[_np.put_along_axis] = _put_along_axis
    _NUMPY_FUNCTIONS[_np.lib.stride_tricks.sliding_window_view] = _views.sliding_window_view
    _SCIPY_UFUNCS.update(_public(special) | special.UFUNCS | {"clip": _ops.clip})  # the ufunc behind the method of arrays


def _public(module):
    return {name: getattr(module, name) for name in module.__all__}


_register()
