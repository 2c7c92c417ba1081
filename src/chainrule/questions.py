"""Questions about arrays, in NumPy's names. Their answers carry no derivative."""

import builtins

import numpy as np

from .core.value import Value, dtype_of, ndim_of, shape_of
from .ops import comparison, reduction
from .shapes import Size
from .tensor import Tensor
from .views import overlap

__all__ = [
    "allclose", "array2string", "array_equal", "array_equiv", "array_repr", "array_str", "broadcast_shapes", "can_cast",
    "common_type", "copy", "diag_indices_from", "einsum_path", "finfo", "iinfo", "iscomplexobj", "isrealobj",
    "may_share_memory", "min_scalar_type", "ndim", "result_type", "shape", "shares_memory", "size",
    "tril_indices_from", "triu_indices_from",
]  # fmt: skip

# --- shapes ---------------------------------------------------------------------------------------------------------


def shape(x):
    """Lengths of all axes."""
    return shape_of(x)


def ndim(x):
    """Number of axes."""
    return ndim_of(x)


def size(x, axis=None):
    """Number of elements, or the length of one axis, or the product of those of several."""
    lengths = shape_of(x)
    axes = range(len(lengths)) if axis is None else axis if hasattr(axis, "__iter__") else (axis,)
    return int(np.prod([lengths[a] for a in axes], dtype=int))


def broadcast_shapes(*shapes):
    """The shape that arrays of these shapes broadcast to."""
    return Size(np.broadcast_shapes(*shapes))


def _like(x):
    """An array of the shape and dtype of `x` that takes no memory."""
    return np.broadcast_to(np.zeros((), dtype_of(x)), shape_of(x)) if isinstance(x, Value) else np.asarray(x)


def diag_indices_from(x):
    """Indices of the elements of `x` whose indices are all equal."""
    return np.diag_indices_from(_like(x))


def tril_indices_from(x, k=0):
    """Indices of the elements of the matrix `x` on and below its `k`-th diagonal."""
    return np.tril_indices_from(_like(x), k)


def triu_indices_from(x, k=0):
    """Indices of the elements of the matrix `x` on and above its `k`-th diagonal."""
    return np.triu_indices_from(_like(x), k)


def einsum_path(subscripts, *operands, optimize="greedy"):
    """In which order `einsum` would best contract its operands, and a text about what that costs."""
    return np.einsum_path(subscripts, *map(_like, operands), optimize=optimize)


# --- dtypes -----------------------------------------------------------------------------------------------------------


def _kind(x):
    return dtype_of(x) if isinstance(x, Value) else x


def result_type(*arrays_and_dtypes):
    """The dtype that an operation on these arrays, numbers and dtypes gives."""
    return np.result_type(*map(_kind, arrays_and_dtypes))


def can_cast(from_, to, casting="safe"):
    """Whether a dtype, or that of an array, can become another one by this rule."""
    return np.can_cast(_kind(from_), to, casting)


def common_type(*arrays):
    """The inexact dtype that holds all these arrays."""
    return np.common_type(*map(_like, arrays))


def min_scalar_type(x):
    """The dtype of `x`; of a single number, the smallest one that holds it."""
    return np.min_scalar_type(x if not isinstance(x, Tensor) else x.item() if ndim_of(x) == 0 else _like(x))


def finfo(dtype):
    """Limits of a floating point dtype, or of that of an array."""
    return np.finfo(_kind(dtype))


def iinfo(dtype):
    """Limits of an integer dtype, or of that of an array."""
    return np.iinfo(_kind(dtype))


def iscomplexobj(x):
    """Whether the dtype of `x` is complex."""
    return dtype_of(x).kind == "c"


def isrealobj(x):
    """Whether the dtype of `x` is not complex."""
    return dtype_of(x).kind != "c"


# --- values -----------------------------------------------------------------------------------------------------------


def allclose(x, y, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether `x` and `y` agree to the tolerances everywhere."""
    return builtins.bool(reduction.all(comparison.isclose(x, y, rtol, atol, equal_nan)))


def array_equal(x, y, equal_nan=False):
    """Whether `x` and `y` have one shape and equal elements."""
    return shape_of(x) == shape_of(y) and _equal(x, y, equal_nan)


def array_equiv(x, y):
    """Whether `x` and `y` broadcast together and have equal elements then."""
    try:
        np.broadcast_shapes(shape_of(x), shape_of(y))
    except ValueError:
        return False
    return _equal(x, y)


def _equal(x, y, equal_nan=False):
    same = comparison.equal(x, y)
    if equal_nan:
        same = same | (comparison.isnan(x) & comparison.isnan(y))
    return builtins.bool(reduction.all(same))


def _values(x):
    return np.asarray(x.detach() if isinstance(x, Tensor) else x)


def array_repr(x, *options, **more):
    """The values as NumPy writes them, with `array(...)` around."""
    return np.array_repr(_values(x), *options, **more)


def array_str(x, *options, **more):
    """The values as NumPy writes them."""
    return np.array_str(_values(x), *options, **more)


def array2string(x, *options, **more):
    """The values as NumPy writes them, with its options."""
    return np.array2string(_values(x), *options, **more)


# --- memory -----------------------------------------------------------------------------------------------------------


def copy(x, order="K", subok=False):
    """A copy; derivatives flow through."""
    return x.clone() if isinstance(x, Tensor) else np.array(x)


def may_share_memory(x, y, /, max_work=None):
    """Whether assigning to a part of one array may change the other; Tensors are looked at as in `shares_memory`."""
    if isinstance(x, Value) or isinstance(y, Value):
        return shares_memory(x, y)
    return np.may_share_memory(x, y, max_work)


def shares_memory(x, y, /, max_work=None):
    """Whether assigning to a part of one array may change the other: both are views of one, and overlap."""
    if isinstance(x, Value) or isinstance(y, Value):
        return isinstance(x, Value) and isinstance(y, Value) and overlap(x, y)
    return np.shares_memory(x, y, max_work)
