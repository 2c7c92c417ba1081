"""Moving numbers without changing them. Every row is linear; `sum` is here because it is broadcast's transpose."""

import builtins
import math
from itertools import accumulate
from operator import index as as_int

import numpy as np

from ..core.aval import Aval
from ..core.derivative import Linear, Pair
from ..core.lowering import Assemble, Reduce, View
from ..core.primitive import primitive
from ..core.value import Value, dtype_of, ndim_of, shape_of, size_of
from ..devices import on_cpu
from ..errors import NonDifferentiableError, ShapeError, explain
from ..names import torch_names
from ..numpy_errors import refused


def linear(*, transpose, aval, batch, lower, name=None, numpy=None):
    """Row builder for a linear op of one array; `batch(x, **params)` runs it with a leading batch axis."""
    return primitive(
        derivative=[Linear(transpose)],
        aval=aval,
        batch=lambda args, batched, params: batch(*args, **params),
        lower=lower,
        name=name,
        numpy=numpy,
    )


# --- rows -----------------------------------------------------------------------------------------------------------


@linear(
    transpose=lambda g, in_shape: _reshape(g, shape=in_shape),
    aval=lambda x, shape: Aval(shape, x.dtype),
    batch=lambda x, *, shape: _reshape(x, shape=(shape_of(x)[0], *shape)),
    lower=View(),
    name="reshape",
)
def _reshape(x, *, shape):
    """The same elements in C order, in another shape."""
    return x.reshape(shape)


@linear(
    transpose=lambda g, perm: _transpose(g, perm=inverse_permutation(perm)),
    aval=lambda x, perm: Aval(tuple(x.shape[p] for p in perm), x.dtype),
    batch=lambda x, *, perm: _transpose(x, perm=(0, *(p + 1 for p in perm))),
    lower=View(),
    name="transpose",
)
def _transpose(x, *, perm):
    """Axis i of the result is axis perm[i] of x."""
    return x.transpose(perm)


@linear(
    transpose=lambda g, in_shape: sum_to(g, in_shape),
    aval=lambda x, shape: Aval(shape, x.dtype),
    batch=lambda x, *, shape: _broadcast(pad_front(x, len(shape) + 1), shape=(shape_of(x)[0], *shape)),
    lower=View(),
    name="broadcast_to",
)
def _broadcast(x, *, shape):
    """Repeat x along new axes and along axes of length 1."""
    if math.prod(shape) > 1024:
        return np.broadcast_to(x, shape)
    out = np.empty(shape, x.dtype)  # for small arrays a copy is several times cheaper than NumPy's view
    out[...] = x
    return out


@linear(
    transpose=lambda g, axes, in_shape: broadcast_to(expand(g, axes), in_shape),
    aval=lambda x, axes: Aval(without(x.shape, axes), np.add.reduce(np.ones(1, x.dtype)).dtype),
    batch=lambda x, *, axes: _sum(x, axes=tuple(a + 1 for a in axes)),
    lower=Reduce("add"),
    name="sum",
)
def _sum(x, *, axes):
    """Add up x over axes."""
    return np.add.reduce(x, axis=axes)


@linear(
    transpose=lambda g, axes: _flip(g, axes=axes),
    aval=lambda x, axes: x,
    batch=lambda x, *, axes: _flip(x, axes=tuple(a + 1 for a in axes)),
    lower=View(),
    name="flip",
)
def _flip(x, *, axes):
    """Reverse the order of elements along axes."""
    return np.flip(x, axes)


@linear(
    transpose=lambda g, widths, in_shape: _crop(g, widths, in_shape),
    aval=lambda x, widths: Aval(tuple(n + a + b for n, (a, b) in zip(x.shape, widths, strict=True)), x.dtype),
    batch=lambda x, *, widths: _pad(x, widths=((0, 0), *widths)),
    lower=Assemble(),
    name="pad",
)
def _pad(x, *, widths):
    """Zeros added before and after along each axis."""
    return np.pad(x, widths) if widths else np.array(x)


def _crop(g, widths, in_shape):
    return g[tuple(slice(a, a + n) for (a, _), n in zip(widths, in_shape, strict=True))]


# A real argument of a complex op gets the real part of its cotangent, so this row is its own transpose up to dtype;
# the tape casts every cotangent to the dtype of its argument.
@linear(
    transpose=lambda g: g,
    aval=lambda x, dtype: Aval(x.shape, dtype),
    batch=lambda x, *, dtype: _cast(x, dtype=dtype),
    lower=View(),
    name="astype",
)
def _cast(x, *, dtype):
    """The same numbers in another dtype; complex to real takes the real part."""
    if dtype_of(x).kind == "c" and dtype.kind != "c":
        x = np.real(x)
    return np.asarray(x).astype(dtype)[()] if isinstance(x, np.generic) else x.astype(dtype)


def offsets(sizes):
    """Where pieces of these sizes start, and where the last one ends."""
    return [0, *accumulate(sizes)]


def _place(t, i, axis, sizes):
    """Put `t` where operand `i` stands in the result, zeros elsewhere."""
    starts = offsets(sizes)
    widths = [(0, 0)] * ndim_of(t)
    widths[axis] = (starts[i], starts[-1] - starts[i + 1])
    return _pad(t, widths=tuple(widths))


def _cut(g, i, axis, sizes):
    starts = offsets(sizes)
    return g[(slice(None),) * axis + (slice(starts[i], starts[i + 1]),)]


def _batch(args, batched, params):
    n = next(shape_of(x)[0] for x, b in zip(args, batched, strict=True) if b)
    args = [x if b else broadcast_to(expand(x, (0,)), (n, *shape_of(x))) for x, b in zip(args, batched, strict=True)]
    return _concatenate(*args, axis=params["axis"] + 1, sizes=params["sizes"])


def _joint_jvp(tangents, args, out, axis, sizes):
    filled = [np.zeros(shape_of(x), dtype_of(out)) if t is None else t for t, x in zip(tangents, args, strict=True)]
    return _concatenate(*filled, axis=axis, sizes=sizes)


@primitive(
    derivative=[Pair(_place, _cut)],
    joint_jvp=_joint_jvp,
    aval=lambda *xs, axis, sizes: Aval(
        (*xs[0].shape[:axis], sum(sizes), *xs[0].shape[axis + 1 :]), np.result_type(*(x.dtype for x in xs))
    ),
    batch=_batch,
    lower=Assemble(),
    name="concatenate",
)
def _concatenate(*xs, axis, sizes):
    """Arrays one after the other along an axis; sizes are their lengths there."""
    return np.concatenate(xs, axis)


# --- what families and engines need ---------------------------------------------------------------------------------


def cast(x, dtype):
    """`x` in this dtype, itself where it has it already."""
    return x if dtype_of(x) == dtype else _cast(as_value(x), dtype=np.dtype(dtype))


def cast_by_rule(what, xs, dtype, casting):
    """`xs` in a dtype, where NumPy's rule `casting` allows that for all of them; `what` asks for it."""
    for x in xs:
        if not np.can_cast(dtype_of(x), dtype, casting):
            raise TypeError(
                explain(
                    f"{what}: cannot cast {dtype_of(x)} to {dtype} by the rule {casting!r}", help="casting='unsafe' allows it"
                )
            )
    return [cast(x, dtype) for x in xs]


def as_value(x):
    """An array-like with a shape and a dtype: numbers and nested lists become arrays, lists of Tensors are stacked."""
    if isinstance(x, (np.ndarray, Value, np.generic)) or (hasattr(x, "dtype") and not hasattr(x, "__array__")):
        return x
    if isinstance(x, (list, tuple)) and holds_tensors(x):
        xs = [as_value(v) for v in x]
        if len({shape_of(v) for v in xs}) != 1:
            raise ShapeError(
                explain(
                    "a list of Tensors can stand for an array only if all have one shape",
                    f"shapes: {', '.join(str(shape_of(v)) for v in xs)}",
                    help="stack Tensors of one shape, or use concatenate",
                )
            )
        return _concatenate(*(expand(v, (0,)) for v in xs), axis=0, sizes=(1,) * len(xs))
    return np.asarray(x)


def holds_tensors(x):
    return any(isinstance(v, Value) or (isinstance(v, (list, tuple)) and holds_tensors(v)) for v in x)


def without(shape, axes):
    return tuple(n for i, n in enumerate(shape) if i not in axes)


def inverse_permutation(perm):
    inverse = [0] * len(perm)
    for i, p in enumerate(perm):
        inverse[p] = i
    return tuple(inverse)


def broadcast_to(x, shape):
    """Repeat `x` to `shape` by NumPy's broadcasting rule.

    >>> import chainrule as cr
    >>> cr.broadcast_to([1, 2], (2, 2))
    array([[1, 2],
           [1, 2]])
    """
    shape = as_shape(shape)
    have = shape_of(x)
    if have == shape:
        return as_value(x)
    if len(have) > len(shape) or any(n not in (1, m) for n, m in zip(have[::-1], shape[::-1], strict=False)):
        raise refused(
            ShapeError(
                explain(
                    f"broadcast_to: cannot repeat `x` to shape {shape}",
                    f"x: {dtype_of(x)} {have}",
                    help="aligned from the last axis, every length of x must be 1 or equal to the one asked for",
                )
            ),
            np.broadcast_to,
            x,
            shape,
        )
    return _broadcast(as_value(x), shape=shape)


def expand(x, axes):
    """Put back the axes that a reduction removed, as length 1."""
    have = shape_of(x)
    if not axes:
        return x
    kept = iter(have)
    return _reshape(x, shape=tuple(1 if i in axes else next(kept) for i in range(len(have) + len(axes))))


def sum_to(x, shape):
    """Undo broadcasting: add up whatever was repeated."""
    have = shape_of(x)
    if have == shape:
        return x
    new = len(have) - len(shape)
    repeated = (*range(new), *(i + new for i, n in enumerate(shape) if n == 1 != have[i + new]))
    return reshape(_sum(x, axes=repeated), shape)


def pad_front(x, ndim):
    """Batch axis first, then axes of length 1, then the rest, so that batched and unbatched arguments align."""
    b, *rest = shape_of(x)
    return x if len(rest) + 1 >= ndim else _reshape(x, shape=(b, *(1,) * (ndim - 1 - len(rest)), *rest))


def as_shape(shape) -> tuple:
    if type(shape) is int:
        return (shape,)
    return (as_int(shape),) if not hasattr(shape, "__iter__") else tuple(as_int(n) for n in shape)


def normalize_axis(axis, ndim, what=None) -> int:
    """`axis` counted from the front; NumPy's AxisError, which begins with `what`, where there is no such axis."""
    axis = as_int(axis)
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim, what)
    return axis % ndim


def normalize_axes(axis, ndim) -> tuple:
    """A sorted tuple of axes; None means all of them."""
    if axis is None:
        return tuple(range(ndim))
    if not hasattr(axis, "__iter__"):
        return (normalize_axis(axis, ndim),)
    axes = tuple(sorted(normalize_axis(a, ndim) for a in axis))
    if len(set(axes)) != len(axes):
        raise ValueError(f"duplicate value in axis {tuple(axis)}")
    return axes


def folded_axes(axis, ndim) -> tuple:
    """The axes that a fold removes; an array without axes may be folded along 0 or -1, too, as in NumPy and PyTorch."""
    return () if ndim == 0 and not isinstance(axis, tuple | list) and axis in (0, -1) else normalize_axes(axis, ndim)


# --- NumPy's names --------------------------------------------------------------------------------------------------


def _asked(args, shape):
    """The shape of a call with one shape, several ints, or the keyword `shape`."""
    if args and shape is not None:
        raise TypeError("reshape: the shape is given twice")
    return as_shape(shape if not args else args[0] if len(args) == 1 else args)


def reshape(x, *args, shape=None, order="C", copy=None):
    """The elements of `x` in another shape; one length may be -1 and is then inferred.

    Parameters
    ----------
    x : array of any shape and dtype
    args, shape : the shape, an int or tuple of ints, or several ints
    order : 'C' or 'F'
    copy : True for a copy even where the shape is the same

    Raises
    ------
    ShapeError
        The number of elements differs.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.reshape([1, 2, 3, 4], (2, -1))
    array([[1, 2],
           [3, 4]])
    """
    new = _asked(args, shape)
    have, size = shape_of(x), size_of(x)
    if new.count(-1) == 1:
        known = math.prod(n for n in new if n != -1)
        new = tuple((size // known if known else 0) if n == -1 else n for n in new)
    if math.prod(new) != size or any(n < 0 for n in new):
        raise refused(
            ShapeError(
                explain(
                    f"reshape: {size} elements do not fit shape {_asked(args, shape)}",
                    f"x: {dtype_of(x)} {have}",
                    help="the product of the new lengths must be the number of elements; one length may be -1",
                )
            ),
            np.reshape,
            x,
            new,
        )
    if order == "F":
        return transpose(reshape(transpose(x), new[::-1]))
    if order not in ("C", "A"):
        raise refused(ValueError(f"order must be 'C' or 'F', not {order!r}"), np.reshape, x, new, order)
    if have == new:
        return duplicate(as_value(x)) if copy else as_value(x)
    return _reshape(as_value(x), shape=new)


def ravel(x, order="C"):
    """All elements of `x` in one axis.

    >>> import chainrule as cr
    >>> cr.ravel([[1, 2], [3, 4]])
    array([1, 2, 3, 4])
    """
    return reshape(x, (-1,), order=order) if order != "K" else reshape(x, (-1,))


def flatten(x, start_dim=0, end_dim=-1):
    """Merge the axes `start_dim` to `end_dim` into one (PyTorch's `flatten`).

    >>> import chainrule as cr
    >>> cr.flatten(cr.zeros((2, 3, 4)), 1).shape
    (2, 12)
    """
    shape = shape_of(x)
    if not shape:
        return reshape(x, (1,))
    a, b = normalize_axis(start_dim, len(shape)), normalize_axis(end_dim, len(shape))
    return reshape(x, (*shape[:a], math.prod(shape[a : b + 1]), *shape[b + 1 :]))


def transpose(x, *dims, axes=None):
    """Reorder axes; without `axes`, reverse them. Two numbers are axes to exchange, as in PyTorch; NumPy's are a tuple.

    >>> import chainrule as cr
    >>> cr.transpose(cr.zeros((2, 3, 4)), (2, 0, 1)).shape
    (4, 2, 3)
    >>> cr.zeros((2, 3, 4)).transpose(0, 2).shape
    (4, 3, 2)
    """
    n = ndim_of(x)
    if len(dims) == 2:
        return swapaxes(x, *dims)
    if dims:
        axes = dims[0] if len(dims) == 1 and (dims[0] is None or hasattr(dims[0], "__iter__")) else dims
    if axes is None or len(axes) == 0:
        perm = tuple(range(n - 1, -1, -1))
    else:
        perm = tuple(normalize_axis(a, n) for a in axes) if len(axes) == n else ()
    if sorted(perm) != list(range(n)):
        asked = f"axes {tuple(axes)} are not a permutation of the {n} axes of an array of shape {shape_of(x)}"
        raise refused(ValueError(asked), np.transpose, x, axes)
    return as_value(x) if perm == tuple(range(n)) else _transpose(as_value(x), perm=perm)


def permute_dims(x, axes):
    """Reorder axes (the Array API's name for `transpose`).

    >>> import chainrule as cr
    >>> cr.permute_dims(np.ones((2, 3, 4)), (2, 0, 1)).shape
    (4, 2, 3)
    """
    return transpose(x, axes)


def matrix_transpose(x):
    """Exchange the last two axes.

    >>> import chainrule as cr
    >>> cr.matrix_transpose([[1, 2], [3, 4]])
    array([[1, 3],
           [2, 4]])
    """
    if ndim_of(x) < 2:
        raise ShapeError(
            explain("matrix_transpose: `x` needs two axes or more", f"x: {shape_of(x)}", help="use reshape to add an axis")
        )
    return swapaxes(x, -1, -2)


def swapaxes(x, axis1, axis2):
    """Exchange two axes.

    >>> import chainrule as cr
    >>> cr.swapaxes(np.ones((2, 3, 4)), 0, 2).shape
    (4, 3, 2)
    """
    n = ndim_of(x)
    perm = list(range(n))
    a, b = normalize_axis(axis1, n), normalize_axis(axis2, n)
    perm[a], perm[b] = perm[b], perm[a]
    return transpose(x, perm)


def moveaxis(x, source, destination):
    """Move axes to new places; the others keep their order.

    >>> import chainrule as cr
    >>> cr.moveaxis(cr.zeros((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    n = ndim_of(x)
    source, destination = (
        [normalize_axis(a, n, what) for a in (axes if hasattr(axes, "__iter__") else [axes])]
        for what, axes in (("source", source), ("destination", destination))
    )
    if len(source) != len(destination):
        raise ValueError("moveaxis: source and destination must have the same number of axes")
    for name, axes in (("source", source), ("destination", destination)):
        if len(set(axes)) < len(axes):
            raise ValueError(f"repeated axis in `{name}` argument")
    order = [a for a in range(n) if a not in source]
    for to, a in sorted(zip(destination, source, strict=True)):
        order.insert(to, a)
    return transpose(x, order)


def rollaxis(x, axis, start=0):
    """Roll one axis backwards until it lies before `start`.

    >>> import chainrule as cr
    >>> cr.rollaxis(np.ones((2, 3, 4)), 2).shape
    (4, 2, 3)
    """
    n = ndim_of(x)
    axis = normalize_axis(axis, n)
    if not -n <= start <= n:
        raise np.exceptions.AxisError(f"'start' arg requires {-n} <= start < {n + 1}, but {start} was passed in")
    start = start + n if start < 0 else start
    return moveaxis(x, axis, start - 1 if axis < start else start)


def expand_dims(x, axis=0):
    """Insert axes of length 1 so that they stand at `axis` of the result.

    >>> import chainrule as cr
    >>> cr.expand_dims([1, 2], 0).shape
    (1, 2)
    """
    axes = axis if hasattr(axis, "__iter__") else (axis,)
    return expand(as_value(x), normalize_axes(tuple(axes), ndim_of(x) + len(tuple(axes))))


def squeeze(x, axis=None):
    """Remove axes of length 1: all of them, or those named.

    >>> import chainrule as cr
    >>> cr.squeeze(cr.zeros((1, 3, 1))).shape
    (3,)
    """
    shape = shape_of(x)
    if axis is None or (not shape and not hasattr(axis, "__iter__") and axis in (0, -1)):
        axes = tuple(i for i, n in enumerate(shape) if n == 1)
    else:
        axes = normalize_axes(axis, len(shape))
        if any(shape[a] != 1 for a in axes):
            raise refused(
                ShapeError(
                    explain(
                        f"squeeze: cannot remove axis {axis}",
                        f"x: {shape}",
                        help="only axes of length 1 can be removed; `dim=`, as in PyTorch, leaves others",
                    )
                ),
                np.squeeze,
                x,
                axis,
            )
    return reshape(x, without(shape, axes))


def atleast_1d(x, *more):
    """`x` with at least one axis; of several arrays, a tuple of them.

    >>> import chainrule as cr
    >>> cr.atleast_1d(3.0)
    array([3.])
    """
    if more:
        return tuple(map(atleast_1d, (x, *more)))
    return as_value(x) if ndim_of(x) else reshape(x, (1,))


def atleast_2d(x, *more):
    """`x` with at least two axes, new ones first; of several arrays, a tuple of them.

    >>> import chainrule as cr
    >>> cr.atleast_2d([1, 2])
    array([[1, 2]])
    """
    if more:
        return tuple(map(atleast_2d, (x, *more)))
    return as_value(x) if ndim_of(x) > 1 else reshape(x, (1, -1) if ndim_of(x) else (1, 1))


def atleast_3d(x, *more):
    """`x` with at least three axes, as NumPy places them; of several arrays, a tuple of them.

    >>> import chainrule as cr
    >>> cr.atleast_3d([1, 2]).shape
    (1, 2, 1)
    """
    if more:
        return tuple(map(atleast_3d, (x, *more)))
    shape = shape_of(x)
    new = {0: (1, 1, 1), 1: (1, *shape, 1), 2: (*shape, 1)}.get(len(shape), shape)
    return reshape(x, new)


@torch_names
def flip(x, axis=None):
    """Reverse the order of elements along all axes, or those named.

    >>> import chainrule as cr
    >>> cr.flip([1, 2, 3])
    array([3, 2, 1])
    """
    return _flip(as_value(x), axes=normalize_axes(axis, ndim_of(x)))


def flipud(x):
    """Reverse the first axis.

    >>> import chainrule as cr
    >>> cr.flipud([[1, 2], [3, 4]])
    array([[3, 4],
           [1, 2]])
    """
    return flip(x, 0)


def fliplr(x):
    """Reverse the second axis.

    >>> import chainrule as cr
    >>> cr.fliplr([[1, 2], [3, 4]])
    array([[2, 1],
           [4, 3]])
    """
    return flip(x, 1)


def rot90(x, k=1, axes=(0, 1)):
    """Turn by 90 degrees, `k` times, from the first of `axes` towards the second.

    >>> import chainrule as cr
    >>> cr.rot90([[1, 2], [3, 4]])
    array([[2, 4],
           [1, 3]])
    """
    a, b = axes
    normalize_axes(axes, ndim_of(x))  # for its errors
    k %= 4
    if k == 0:
        return as_value(x)
    if k == 2:
        return flip(x, (a, b))
    return swapaxes(flip(x, b), a, b) if k == 1 else flip(swapaxes(x, a, b), b)


def astype(x, dtype, copy=True, device=None):
    """The same numbers in another dtype. To an integer dtype no derivative flows; complex to real takes the real part.

    The result is a copy, unless `copy=False` and `x` has the dtype.

    >>> import chainrule as cr
    >>> cr.astype([1.7, 2.2], int)
    array([1, 2])
    """
    on_cpu(device)
    x, dtype = as_value(x), np.dtype(dtype)
    if dtype_of(x) != dtype:
        if isinstance(x, Value):
            of_numbers("astype", dtype)
        return _cast(x, dtype=dtype)
    return duplicate(x) if copy else x


def of_numbers(asked, dtype):
    """Refuse dtypes of objects, text, dates and records, which no Tensor has."""
    if dtype.kind not in "biufc":
        raise NonDifferentiableError(
            explain(
                f"{asked}: a Tensor cannot have dtype {dtype}", help="use booleans, integers, floating point or complex numbers"
            )
        )


def duplicate(x):
    """A copy of `x`: what is assigned to it later leaves `x` as it is."""
    return np.array(x) if isinstance(x, (np.ndarray, np.generic)) else x.clone()


def pad_zeros(x, widths):
    """Zeros added before and after along each axis; `widths` is a pair of non-negative ints per axis."""
    widths = tuple((as_int(a), as_int(b)) for a, b in widths)
    return as_value(x) if not builtins.any(a or b for a, b in widths) else _pad(as_value(x), widths=widths)
