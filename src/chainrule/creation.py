"""Making Tensors: from data, or filled with numbers. Everything here gives a Tensor; float64 is the default dtype."""

import numpy as np

from .core.value import Value, dtype_of, shape_of
from .errors import NonDifferentiableError, ShapeError, explain
from .ops.joining import stack
from .ops.shaping import as_shape, astype
from .tensor import Tensor
from .transforms.reverse import ROOT

__all__ = [
    "Variable", "arange", "array", "as_tensor", "asarray", "empty", "empty_like", "eye", "from_numpy", "full", "full_like",
    "identity", "linspace", "logspace", "ones", "ones_like", "tensor", "tri", "zeros", "zeros_like",
]  # fmt: skip


def _wrap(array, requires_grad=False):
    t = ROOT.constant(array)
    return t.requires_grad_() if requires_grad else t


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
    if isinstance(data, Tensor):
        t = data.clone() if dtype is None else astype(data, dtype)
        if requires_grad:  # a new leaf; outer transforms still see where its values come from
            t = t.detach() if t.owner is ROOT else t
            t.requires_grad_()
        return t
    if isinstance(data, (list, tuple)) and _holds_tensors(data):
        t = _stack(data)
        return t if dtype is None else astype(t, dtype)
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


def asarray(data, dtype=None, copy=None, device=None):
    """`data` as a Tensor; a NumPy array is not copied unless the dtype changes.

    >>> import chainrule as cr
    >>> cr.asarray([1, 2])
    tensor([1, 2])
    """
    if isinstance(data, Tensor):
        t = data if dtype is None else astype(data, dtype)
        return t.clone() if copy else t
    if isinstance(data, (list, tuple)) and _holds_tensors(data):
        return tensor(data, dtype)
    return _wrap(np.array(data, dtype=dtype) if copy else np.asarray(data, dtype=dtype))


as_tensor = asarray
array = tensor


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


def _shape(shape):
    return as_shape(shape[0] if len(shape) == 1 else shape)


def zeros(*shape, dtype=None, requires_grad=False, device=None):
    """Zeros of this shape, given as a tuple or as several ints.

    >>> import chainrule as cr
    >>> cr.zeros(2, 2)
    tensor([[0., 0.],
            [0., 0.]])
    """
    return _wrap(np.zeros(_shape(shape), dtype or float), requires_grad)


def ones(*shape, dtype=None, requires_grad=False, device=None):
    """Ones of this shape, given as a tuple or as several ints.

    >>> import chainrule as cr
    >>> cr.ones(2)
    tensor([1., 1.])
    """
    return _wrap(np.ones(_shape(shape), dtype or float), requires_grad)


def empty(*shape, dtype=None, requires_grad=False, device=None):
    """An array whose values are yet to be assigned; they are zeros, so that runs can be repeated."""
    return zeros(*shape, dtype=dtype, requires_grad=requires_grad)


def full(shape, fill_value, dtype=None, requires_grad=False, device=None):
    """One number in every place.

    >>> import chainrule as cr
    >>> cr.full((2,), 7.0)
    tensor([7., 7.])
    """
    if isinstance(fill_value, Tensor):
        return fill_value.expand(as_shape(shape)) if dtype is None else astype(fill_value, dtype).expand(as_shape(shape))
    return _wrap(np.full(as_shape(shape), fill_value, dtype), requires_grad)


def zeros_like(x, dtype=None, shape=None, requires_grad=False, device=None):
    """Zeros of the shape and dtype of `x`; a Tensor, so that traced values can be assigned into it.

    >>> import chainrule as cr
    >>> cr.zeros_like(np.ones(2))
    tensor([0., 0.])
    """
    return zeros(shape_of(x) if shape is None else shape, dtype=dtype or dtype_of(x), requires_grad=requires_grad)


def ones_like(x, dtype=None, shape=None, requires_grad=False, device=None):
    """Ones of the shape and dtype of `x`."""
    return ones(shape_of(x) if shape is None else shape, dtype=dtype or dtype_of(x), requires_grad=requires_grad)


def empty_like(x, dtype=None, shape=None, requires_grad=False):
    """As `zeros_like`."""
    return zeros_like(x, dtype, shape, requires_grad)


def full_like(x, fill_value, dtype=None, shape=None, device=None):
    """One number in every place of an array with the shape and dtype of `x`."""
    return full(shape_of(x) if shape is None else shape, fill_value, dtype or dtype_of(x))


def arange(start, stop=None, step=1, dtype=None, requires_grad=False, device=None):
    """Numbers from `start` (default 0) up to but without `stop`, `step` apart.

    >>> import chainrule as cr
    >>> cr.arange(3)
    tensor([0, 1, 2])
    """
    start, stop = (0, start) if stop is None else (start, stop)
    return _wrap(np.arange(start, stop, step, dtype=dtype), requires_grad)


def linspace(start, stop, num=50, endpoint=True, dtype=None, requires_grad=False, device=None):
    """`num` numbers from `start` to `stop` at equal distances. Derivatives flow to both ends.

    >>> import chainrule as cr
    >>> cr.linspace(0.0, 1.0, 3)
    tensor([0. , 0.5, 1. ])
    """
    if isinstance(start, Value) or isinstance(stop, Value):
        weights = np.linspace(0.0, 1.0, num, endpoint=endpoint)
        return start * (1 - weights) + stop * weights
    return _wrap(np.linspace(start, stop, num, endpoint=endpoint, dtype=dtype), requires_grad)


def logspace(start, stop, num=50, endpoint=True, base=10.0, dtype=None):
    """`num` numbers from `base**start` to `base**stop` at equal ratios."""
    return _wrap(np.logspace(start, stop, num, endpoint, base, dtype))


def eye(n, m=None, k=0, dtype=None, requires_grad=False, device=None):
    """Ones on the `k`-th diagonal of an (n, m) matrix, zeros elsewhere.

    >>> import chainrule as cr
    >>> cr.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    return _wrap(np.eye(n, m, k, dtype or float), requires_grad)


def identity(n, dtype=None):
    """The identity matrix."""
    return eye(n, dtype=dtype)


def tri(n, m=None, k=0, dtype=None):
    """Ones on and below the `k`-th diagonal."""
    return _wrap(np.tri(n, m, k, dtype or float))
