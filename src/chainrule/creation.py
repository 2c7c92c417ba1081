"""Making Tensors: from data, or filled with numbers. Everything here gives a Tensor; float64 is the default dtype."""

import numpy as np

from .core.dispatch import state
from .core.value import Value, dtype_of, shape_of
from .devices import on_cpu
from .errors import NonDifferentiableError, ShapeError, explain
from .ops import ranges
from .ops.comparison import isfinite
from .ops.joining import stack
from .ops.shaping import as_shape, as_value, astype, broadcast_to, expand_dims, of_numbers
from .tensor import Tensor
from .transforms.reverse import ROOT
from .views import layout

__all__ = [
    "Variable", "arange", "array", "as_tensor", "asanyarray", "asarray", "asarray_chkfinite", "ascontiguousarray",
    "asfortranarray", "empty", "empty_like", "eye", "from_dlpack", "from_numpy", "full", "full_like", "geomspace", "identity",
    "linspace", "logspace", "ones", "ones_like", "require", "tensor", "tri", "zeros", "zeros_like",
]  # fmt: skip


def _wrap(array, requires_grad=False):
    of_numbers("making an array", array.dtype)
    t = ROOT.constant(array)
    t.place = True
    return t.requires_grad_() if requires_grad else t


def _made(t):
    """`t` as a Tensor that the user made, also where it stands for a plain array in a program that is being recorded."""
    return _wrap(t) if t.owner is state.recorder else t


def tensor(data, dtype=None, requires_grad=False, device=None):
    """A new Tensor that holds a copy of `data`.

    Parameters
    ----------
    data : number, array, or nested lists of them; Tensors in lists are stacked, and derivatives flow to them
    dtype : default that of the data: float64 for Python floats, int64 for ints
    requires_grad : make it a leaf, whose `.grad` is filled in by `backward`

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.tensor([1.0, 2.0])
    tensor([1., 2.])
    """
    on_cpu(device)
    if isinstance(data, Tensor):
        t = data.clone() if dtype is None else astype(data, dtype)
        if t.owner is state.recorder:
            return _wrap(t, requires_grad)
        if requires_grad:  # a new leaf; outer transforms still see where its values come from
            t = t.detach() if t.owner is ROOT else t
            t.requires_grad_()
        return t
    if isinstance(data, (list, tuple)) and _holds_tensors(data):
        return _made(_stack(data) if dtype is None else astype(_stack(data), dtype))
    try:
        array = np.array(data, dtype=dtype)
    except ValueError as error:
        raise ShapeError(
            explain("tensor: the data is not rectangular", str(error), help="nested lists of one depth must have one length")
        ) from None
    if array.dtype.kind not in "biufc":
        raise NonDifferentiableError(
            explain(
                "tensor: the data is not made of numbers",
                f"found: {type(data).__name__} with elements of dtype {array.dtype}",
                help="convert it to numbers first",
            )
        )
    return _wrap(array, requires_grad)


def _holds_tensors(data):
    return any(isinstance(d, Value) or (isinstance(d, (list, tuple)) and _holds_tensors(d)) for d in data)


def _stack(data):
    return stack([_stack(d) if isinstance(d, (list, tuple)) else d for d in data])


def asarray(data, dtype=None, order=None, *, device=None, copy=None, like=None):
    """`data` as a Tensor. A NumPy array is copied only if its dtype changes, or with `copy=True`; a Tensor is given back.

    Raises
    ------
    ValueError
        `copy=False`, but a copy is needed: the dtype changes, or `data` is no array.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.asarray([1, 2])
    tensor([1, 2])
    """
    on_cpu(device)
    if isinstance(data, Tensor):
        if copy is False and dtype is not None and np.dtype(dtype) != data.dtype:
            raise ValueError(f"asarray: unable to avoid a copy: the dtype changes from {data.dtype} to {np.dtype(dtype)}")
        t = data if dtype is None else astype(data, dtype, copy=False)
        return _made(t.clone() if copy and t is data else t)
    if isinstance(data, (list, tuple)) and _holds_tensors(data):
        if copy is False:
            raise ValueError("asarray: unable to avoid a copy: a list of Tensors is stacked")
        return tensor(data, dtype)
    array = np.array(data, dtype=dtype, copy=copy)
    if array.dtype.kind not in "biufc":
        return tensor(data, dtype)  # which says what is wrong
    return _wrap(array)


as_tensor = asanyarray = asarray


def ascontiguousarray(data, dtype=None, *, like=None):
    """As `asarray`, with at least one axis: a copy of a view whose elements do not lie in C order."""
    t = asarray(data, dtype).contiguous()
    return t if t.ndim else t.reshape(1)


def asfortranarray(data, dtype=None, *, like=None):
    """As `asarray`, with at least one axis: a copy if the elements do not lie in Fortran's order."""
    t = asarray(data, dtype)
    t = t if layout(t).flags.f_contiguous else t.clone()
    return t if t.ndim else t.reshape(1)


def require(data, dtype=None, requirements=None):
    """As `asarray`: Tensors meet all requirements on their memory."""
    return asarray(data, dtype)


def asarray_chkfinite(data, dtype=None, order=None):
    """As `asarray`, but NaN and infinity raise ValueError."""
    t = asarray(data, dtype)
    if t.dtype.kind in "fc" and not bool(isfinite(t).all()):
        raise ValueError("array must not contain infs or NaNs")
    return t


def array(data, dtype=None, *, copy=True, order="K", subok=False, ndmin=0, requires_grad=False, device=None, like=None):
    """A new Tensor that holds a copy of `data`, with at least `ndmin` axes; as `tensor`, with NumPy's options.

    >>> import chainrule as cr
    >>> cr.array([1.0, 2.0], ndmin=2)
    tensor([[1., 2.]])
    """
    t = tensor(data, dtype, requires_grad, device) if copy else asarray(data, dtype, device=device, copy=copy)
    return expand_dims(t, tuple(range(ndmin - t.ndim))) if t.ndim < ndmin else t


def from_dlpack(x, device=None, copy=None):
    """A Tensor with the values of an array of any library that speaks DLPack, without a copy where that is possible.

    No derivative flows through it, so a Tensor that carries one raises.

    >>> import chainrule as cr
    >>> cr.from_dlpack(np.arange(3.0))
    tensor([0., 1., 2.])
    """
    on_cpu(device)
    return _wrap(np.from_dlpack(x, copy=copy))


def from_numpy(x):
    """A Tensor that shares memory with NumPy array `x`; do not change `x` afterwards."""
    return _wrap(x)


def Variable(initial_value, dtype=None, trainable=True, name=None):
    """TensorFlow's name for a Tensor that requires grad; Python ints become floats.

    >>> import chainrule as cr
    >>> cr.Variable(2.0)
    tensor(2., requires_grad=True)
    """
    data = np.array(initial_value, dtype)
    return _wrap(data if data.dtype.kind in "fc" else data.astype(float), trainable)


def _layout(size, shape, dtype):
    """(shape, dtype) of a call in PyTorch's manner, zeros(2, 3), or in NumPy's, zeros((2, 3), int, "C")."""
    if shape is not None:
        return as_shape(shape), dtype
    if len(size) in (2, 3) and not isinstance(size[1], (int, np.integer, Value)):
        return as_shape(size[0]), size[1]
    return as_shape(size[0] if len(size) == 1 else size), dtype


def zeros(*size, shape=None, dtype=None, order="C", requires_grad=False, device=None, like=None):
    """Zeros of this shape, given as a tuple or as several ints; NumPy's dtype may follow a tuple.

    >>> import chainrule as cr
    >>> cr.zeros(2, 2)
    tensor([[0., 0.],
            [0., 0.]])
    """
    on_cpu(device)
    shape, dtype = _layout(size, shape, dtype)
    return _wrap(np.zeros(shape, dtype or float), requires_grad)


def ones(*size, shape=None, dtype=None, order="C", requires_grad=False, device=None, like=None):
    """Ones of this shape, given as a tuple or as several ints; NumPy's dtype may follow a tuple.

    >>> import chainrule as cr
    >>> cr.ones(2)
    tensor([1., 1.])
    """
    on_cpu(device)
    shape, dtype = _layout(size, shape, dtype)
    return _wrap(np.ones(shape, dtype or float), requires_grad)


def empty(*size, shape=None, dtype=None, order="C", requires_grad=False, device=None, like=None):
    """An array whose values are yet to be assigned; they are zeros, so that runs can be repeated."""
    return zeros(*size, shape=shape, dtype=dtype, requires_grad=requires_grad, device=device)


def full(shape, fill_value, dtype=None, order="C", *, requires_grad=False, device=None, like=None):
    """One number in every place, or an array repeated to this shape. Derivatives flow to it.

    >>> import chainrule as cr
    >>> cr.full((2,), 7.0)
    tensor([7., 7.])
    """
    on_cpu(device)
    if isinstance(fill_value, Tensor):
        return _made(broadcast_to(fill_value if dtype is None else astype(fill_value, dtype), as_shape(shape)))
    return _wrap(np.full(as_shape(shape), fill_value, dtype), requires_grad)


def zeros_like(x, dtype=None, order="K", subok=True, shape=None, *, requires_grad=False, device=None):
    """Zeros of the shape and dtype of `x`; a Tensor, so that traced values can be assigned into it.

    >>> import chainrule as cr
    >>> cr.zeros_like(np.ones(2))
    tensor([0., 0.])
    """
    shape = shape_of(x) if shape is None else shape
    return zeros(shape=shape, dtype=dtype or dtype_of(x), requires_grad=requires_grad, device=device)


def ones_like(x, dtype=None, order="K", subok=True, shape=None, *, requires_grad=False, device=None):
    """Ones of the shape and dtype of `x`."""
    shape = shape_of(x) if shape is None else shape
    return ones(shape=shape, dtype=dtype or dtype_of(x), requires_grad=requires_grad, device=device)


def empty_like(x, dtype=None, order="K", subok=True, shape=None, *, requires_grad=False, device=None):
    """As `zeros_like`."""
    return zeros_like(x, dtype, order, subok, shape, requires_grad=requires_grad, device=device)


def full_like(x, fill_value, dtype=None, order="K", subok=True, shape=None, *, requires_grad=False, device=None):
    """One number in every place, or an array repeated, in the shape and dtype of `x`. Derivatives flow to it."""
    shape = shape_of(x) if shape is None else shape
    return full(shape, fill_value, dtype or dtype_of(x), requires_grad=requires_grad, device=device)


def _plain(x):
    return float(x.detach()) if isinstance(x, Tensor) else x


def arange(start, stop=None, step=1, dtype=None, *, requires_grad=False, device=None, like=None):
    """Numbers from `start` (default 0) up to but without `stop`, `step` apart. Derivatives flow to `start` and `step`.

    >>> import chainrule as cr
    >>> cr.arange(3)
    tensor([0, 1, 2])
    """
    on_cpu(device)
    start, stop = (0, start) if stop is None else (start, stop)
    if isinstance(start, Value) or isinstance(step, Value):
        count = len(np.arange(_plain(start), _plain(stop), _plain(step)))
        out = start + step * np.arange(count)
        return _made(out if dtype is None else astype(out, dtype))
    return _wrap(np.arange(start, _plain(stop), step, dtype=dtype), requires_grad)


def _tensors(out):
    """Plain arrays as Tensors; other things as they are."""
    if isinstance(out, tuple):
        return tuple(map(_tensors, out))
    return _made(out) if isinstance(out, Value) else _wrap(as_value(out))


def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0, *, requires_grad=False, device=None):
    """`num` numbers from `start` to `stop` at equal distances. Derivatives flow to both ends.

    Parameters
    ----------
    start, stop : numbers, or arrays that broadcast
    num : how many
    endpoint : whether `stop` is the last of them, or would be the next
    retstep : also give the distance
    axis : where the numbers stand beside the axes of the ends

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linspace(0.0, 1.0, 3)
    tensor([0. , 0.5, 1. ])
    """
    on_cpu(device)
    out = _tensors(ranges.linspace(start, stop, num, endpoint, retstep, dtype, axis))
    return out.requires_grad_() if requires_grad else out


def logspace(start, stop, num=50, endpoint=True, base=10.0, dtype=None, axis=0):
    """`num` numbers from `base**start` to `base**stop` at equal ratios. Derivatives flow to the ends and the base."""
    return _tensors(ranges.logspace(start, stop, num, endpoint, base, dtype, axis))


def geomspace(start, stop, num=50, endpoint=True, dtype=None, axis=0):
    """`num` numbers from `start` to `stop` at equal ratios. Derivatives flow to both ends.

    >>> import chainrule as cr
    >>> cr.geomspace(1.0, 100.0, 3)
    tensor([  1.,  10., 100.])
    """
    return _tensors(ranges.geomspace(start, stop, num, endpoint, dtype, axis))


def eye(n=None, m=None, k=0, dtype=None, order="C", *, N=None, M=None, requires_grad=False, device=None, like=None):
    """Ones on the `k`-th diagonal of an (n, m) matrix, zeros elsewhere; NumPy's names `N` and `M` will do as well.

    >>> import chainrule as cr
    >>> cr.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    on_cpu(device)
    return _wrap(np.eye(n if N is None else N, m if M is None else M, k, dtype or float), requires_grad)


def identity(n, dtype=None, *, like=None):
    """The identity matrix."""
    return eye(n, dtype=dtype)


def tri(N, M=None, k=0, dtype=None, *, like=None):
    """Ones on and below the `k`-th diagonal of an (N, M) matrix."""
    return _wrap(np.tri(N, M, k, dtype or float))
