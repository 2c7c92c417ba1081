"""NumPy's names for everything that works on arrays and Tensors; also the Array API namespace of a Tensor.

Importing this module tells Tensors what to do when NumPy's own functions meet them.
"""

import builtins as _builtins

import numpy as _np
from numpy import e as e, euler_gamma as euler_gamma, inf as inf, nan as nan, newaxis as newaxis, pi as pi

from . import fft as fft, linalg as linalg, ops as _ops, special as _special
from .core.value import Value as _Value, dtype_of as _dtype_of, ndim_of as _ndim_of, shape_of as _shape_of
from .creation import *
from .dtypes import *
from .errors import LostDerivativeError as _LostDerivativeError, explain as _explain
from .numpy_calls import (
    NUMPY_FUNCTIONS as _NUMPY_FUNCTIONS,
    SCIPY_UFUNCS as _SCIPY_UFUNCS,
    unsupported as _unsupported,
)
from .ops import *
from .tensor import Tensor as ndarray

# --- second names ---------------------------------------------------------------------------------------------------

abs = _ops.absolute
true_divide = _ops.divide
pow = _ops.power
mod = _ops.remainder
conj = _ops.conjugate
fabs = _ops.absolute


def amax(x, axis=None, keepdims=False):
    """As `max`."""
    return _ops.max(x, axis, keepdims)


def amin(x, axis=None, keepdims=False):
    """As `min`."""
    return _ops.min(x, axis, keepdims)


acos, asin, atan, atan2 = _ops.arccos, _ops.arcsin, _ops.arctan, _ops.arctan2
acosh, asinh, atanh = _ops.arccosh, _ops.arcsinh, _ops.arctanh
deg2rad, rad2deg = _ops.radians, _ops.degrees
bitwise_not = bitwise_invert = _ops.invert
concat = _ops.concatenate
around = _ops.round
cumulative_sum, cumulative_prod = _ops.cumsum, _ops.cumprod


def positive(x):
    """`x` itself."""
    return x if isinstance(x, _Value) else _np.positive(x)


def float_power(x, y):
    """`x` to the power `y`, in float64 or complex128 whatever the dtypes."""
    dtype = complex128 if "c" in (_dtype_of(x).kind, _dtype_of(y).kind) else float64
    return _ops.power(_ops.astype(x, dtype), _ops.astype(y, dtype))


# --- questions about arrays: answers carry no derivative ------------------------------------------------------------


def shape(x):
    """Lengths of all axes."""
    return _shape_of(x)


def ndim(x):
    """Number of axes."""
    return _ndim_of(x)


def size(x, axis=None):
    """Number of elements, or the length of one axis."""
    lengths = _shape_of(x)
    return int(_np.prod(lengths, dtype=int)) if axis is None else lengths[axis]


def result_type(*xs):
    """The dtype that an operation on `xs` gives."""
    return _np.result_type(*(_dtype_of(x) if isinstance(x, _Value) else x for x in xs))


def allclose(x, y, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether `x` and `y` agree to the tolerances everywhere."""
    return _builtins.bool(_ops.all(_ops.isclose(x, y, rtol, atol, equal_nan)))


def array_equal(x, y):
    """Whether `x` and `y` have one shape and equal elements."""
    return _shape_of(x) == _shape_of(y) and _builtins.bool(_ops.all(_ops.equal(x, y)))


def iscomplexobj(x):
    """Whether the dtype of `x` is complex."""
    return _dtype_of(x).kind == "c"


def isrealobj(x):
    """Whether the dtype of `x` is not complex."""
    return _dtype_of(x).kind != "c"


def copy(x, order="K"):
    """A copy; derivatives flow through."""
    return x.clone() if isinstance(x, ndarray) else _np.array(x)


def broadcast_shapes(*shapes):
    """The shape that arrays of these shapes broadcast to."""
    return _np.broadcast_shapes(*shapes)


finfo, iinfo, can_cast, isdtype = _np.finfo, _np.iinfo, _np.can_cast, _np.isdtype
bool = bool_
__array_api_version__ = "2024.12"
__array_namespace_info__ = _np.__array_namespace_info__  # the same dtypes, devices and capabilities


# --- how NumPy's own functions find ours ----------------------------------------------------------------------------


def _nonzero_or_where(condition, *branches):
    return _ops.where(condition, *branches) if branches else _ops.nonzero(condition)


def _take_out(function):
    """Drop NumPy's `out=None` and pass everything else on; a Tensor given as `out` is bound to the result."""

    def call(*args, **kwargs):
        out, where = kwargs.pop("out", None), kwargs.pop("where", True)
        if where is not True:
            if function is not _ops.sum:
                raise _unsupported(f"np.{function.__name__} with `where`")
            args = (_ops.where(where, args[0], 0), *args[1:])
        result = function(*args, **kwargs)
        return result if out is None else out._rebind(result)

    return call


def _outer(function):
    def outer(x, y):
        return function(_ops.reshape(x, (*_shape_of(x), *(1,) * _ndim_of(y))), y)

    return outer


def _fold(function, axis=0):
    def fold(x, axis=axis, dtype=None, keepdims=False):
        x = x if dtype is None else _ops.astype(x, dtype)
        return function(x, axis, keepdims=keepdims)

    return fold


def _at(combine):
    def at(x, key, *v):
        if not isinstance(x, ndarray):
            raise _LostDerivativeError(
                _explain(
                    "np.ufunc.at into a plain array, which cannot hold a Tensor's derivative",
                    help="make it a Tensor, for example with np.zeros_like(x)",
                )
            )
        x._rebind(combine(x, key, *v))

    return at


def _accumulate(function):
    def accumulate(x, axis=0, dtype=None):
        return function(x, axis, dtype)

    return accumulate


def _register():
    table = {
        getattr(_np, name): function
        for name, function in globals().items()
        if callable(function) and not name.startswith("_") and callable(getattr(_np, name, None))
        and getattr(_np, name) is not function and not isinstance(getattr(_np, name), type)
    }  # fmt: skip
    _NUMPY_FUNCTIONS.update({f: (g if isinstance(f, _np.ufunc) else _take_out(g)) for f, g in table.items()})
    _NUMPY_FUNCTIONS[_np.where] = _nonzero_or_where
    for theirs, ours in ((_np.linalg, linalg), (_np.fft, fft)):
        for name in ours.__all__:
            if hasattr(theirs, name):
                _NUMPY_FUNCTIONS.setdefault(getattr(theirs, name), _take_out(getattr(ours, name)))
    _SCIPY_UFUNCS.update({name: getattr(_special, name) for name in _special.__all__})
    for f, g in table.items():
        if isinstance(f, _np.ufunc) and f.nin == 2:
            _NUMPY_FUNCTIONS[f, "outer"] = _outer(g)
    for f, fold in (
        (_np.add, _ops.sum),
        (_np.multiply, _ops.prod),
        (_np.maximum, _ops.max),
        (_np.minimum, _ops.min),
        (_np.logical_and, _ops.all),
        (_np.logical_or, _ops.any),
    ):
        _NUMPY_FUNCTIONS[f, "reduce"] = _fold(fold)
    _NUMPY_FUNCTIONS[_np.logaddexp, "reduce"] = _fold(_ops.logsumexp)
    _NUMPY_FUNCTIONS[_np.add, "at"] = _at(_ops.index_add)
    _NUMPY_FUNCTIONS[_np.subtract, "at"] = _at(lambda x, key, v: _ops.index_add(x, key, _ops.negative(v)))
    _NUMPY_FUNCTIONS[_np.add, "accumulate"] = _accumulate(_ops.cumsum)
    _NUMPY_FUNCTIONS[_np.multiply, "accumulate"] = _accumulate(_ops.cumprod)


_register()
