"""Sums, products and extrema of groups of slices: element i of the first axis belongs to the segment that `ids[i]` names.

Ids stand in any order. Slices with a negative id belong to no segment. A segment without slices has the sum 0, the mean 0, the
product 1 and as extremum the least or largest number of the dtype (infinite, if there is one).
"""

import builtins
import math

import numpy as np

from ..core.aval import Aval
from ..core.derivative import Pair, zero
from ..core.lowering import Call
from ..core.primitive import primitive
from ..core.value import Value, dtype_of, ndim_of, shape_of
from ..errors import ArgumentError, ShapeError, UnsupportedError, explain
from ..names import torch_names
from .comparison import isnan
from .elementwise import conjugate, maximum, where
from .indexing import corner, index_add, index_set, take
from .joining import concatenate
from .shaping import as_value, broadcast_to, cast, flip, moveaxis, normalize_axis, reshape
from .sorting import argsort

# --- rows -------------------------------------------------------------------------------------------------------------


def _batch(row):
    """Entries of a batch side by side if they share ids, else one after the other with ids of their own."""

    def batch(args, batched, params):
        x, ids = args
        num = params["num"]
        if not batched[1]:
            return moveaxis(row()(moveaxis(x, 0, 1), ids, **params), 1, 0)
        size = shape_of(ids)[0]
        x = x if batched[0] else broadcast_to(x, (size, *shape_of(x)))
        n, *rest = shape_of(x)[1:]
        apart = where(ids < 0, -1, ids + num * np.arange(size)[:, None])
        out = row()(reshape(x, (size * n, *rest)), reshape(apart, (size * n,)), **{**params, "num": size * num})
        return reshape(out, (size, num, *rest))

    return batch


def _aval(x, ids, num, **_):
    return Aval((num, *x.shape[1:]), x.dtype)


def _worst(dtype, largest):
    if dtype.kind == "b":
        return not largest
    if dtype.kind in "iu":
        return np.iinfo(dtype).min if largest else np.iinfo(dtype).max
    return -math.inf if largest else math.inf


def _of_own_segment(y, ids):
    """For each slice what `y` holds for its segment, 0 for slices of none."""
    found = take(y, maximum(ids, 0), 0)
    return where(reshape(ids < 0, (-1, *(1,) * (ndim_of(found) - 1))), np.zeros((), dtype_of(found)), found)


def _shares(x, ids, out):
    """1 for the extremum of a segment; ties share it equally."""
    best = _of_own_segment(out, ids)
    inside = reshape(ids >= 0, (-1, *(1,) * (ndim_of(x) - 1)))
    hit = cast(((x == best) | (isnan(x) & isnan(best))) & inside, dtype_of(x))
    return hit / maximum(_of_own_segment(_total(hit, ids, shape_of(out)[0]), ids), 1)


@primitive(
    derivative=[
        Pair(
            jvp=lambda t, x, ids, out, num: _total(t * _shares(x, ids, out), ids, num),
            vjp=lambda g, x, ids, out: _of_own_segment(g, ids) * _shares(x, ids, out),
        ),
        zero,
    ],
    aval=_aval,
    batch=_batch(lambda: _segment_extremum),
    lower=Call(),
    name="segment_extremum",
)
def _segment_extremum(x, ids, *, num, largest):
    """Largest or smallest of the slices of each segment."""
    out = np.full((num, *x.shape[1:]), _worst(x.dtype, largest), x.dtype)
    inside = ids >= 0
    with np.errstate(invalid="ignore"):  # NaN is the largest and the smallest
        (np.maximum if largest else np.minimum).at(out, ids[inside], x[inside])
    return out


def _running_products(x, same):
    """Products of the elements before each one in its run of equal ids, in log2(n) whole-array steps."""
    n = shape_of(x)[0]
    ones = np.ones((), dtype_of(x))

    def moved(y, step, fill):
        head = broadcast_to(np.asarray(fill, dtype_of(y)), (step, *shape_of(y)[1:]))
        return concatenate([head, y[: n - step]], 0)

    y, step = where(same(1), moved(x, 1, 1), ones), 1
    while step < n:
        y = y * where(same(step), moved(y, step, 1), ones)
        step *= 2
    return y


def _products_of_others(x, ids):
    """For each slice the product of the other ones of its segment: exact with zeros, and differentiable to any order."""
    n = shape_of(x)[0]
    if n == 0:
        return x
    order = argsort(ids, 0)
    x, ids = take(x, order, 0), take(ids, order, 0)

    def same(ids):
        """Of which elements the one `step` places before belongs to the same segment."""

        def as_before(step):
            step = builtins.min(step, n)
            before = concatenate([np.full(step, -2, dtype_of(ids)), ids[: n - step]], 0)
            return reshape(before == ids, (-1, *(1,) * (ndim_of(x) - 1)))

        return as_before

    others = _running_products(x, same(ids)) * flip(_running_products(flip(x, 0), same(flip(ids, 0))), 0)
    return take(others, argsort(order, 0), 0)


@primitive(
    derivative=[
        Pair(
            jvp=lambda t, x, ids, num: _total(t * _products_of_others(x, ids), ids, num),
            vjp=lambda g, x, ids: _of_own_segment(g, ids) * conjugate(_products_of_others(x, ids)),
        ),
        zero,
    ],
    aval=_aval,
    batch=_batch(lambda: _segment_prod),
    lower=Call(),
    name="segment_prod",
)
def _segment_prod(x, ids, *, num):
    """Product of the slices of each segment."""
    out = np.ones((num, *x.shape[1:]), x.dtype)
    inside = ids >= 0
    np.multiply.at(out, ids[inside], x[inside])
    return out


def _total(x, ids, num):
    """Sum of the slices of each segment; those of none go to a last one that is cut off."""
    zeros = np.zeros((num + 1, *shape_of(x)[1:]), dtype_of(x))
    return index_add(zeros, where(ids < 0, num, ids), x)[:num]


# --- segments ---------------------------------------------------------------------------------------------------------


def _enter(what, x, ids, num):
    x, ids = as_value(x), as_value(ids)
    if dtype_of(ids).kind not in "iu":
        raise TypeError(explain(f"{what}: ids must be integers", f"ids: {dtype_of(ids)}", help="use .astype(int)"))
    lead = ndim_of(ids)
    if lead == 0 or shape_of(x)[:lead] != shape_of(ids):
        raise ShapeError(
            explain(
                f"{what}: one id for each slice of `x`",
                f"x: {shape_of(x)}    ids: {shape_of(ids)}",
                help="the shape of `ids` must be that with which the shape of `x` begins",
            )
        )
    x, ids = reshape(x, (math.prod(shape_of(ids)), *shape_of(x)[lead:])), cast(reshape(ids, (-1,)), np.dtype(np.int64))
    return x, ids, _number(what, ids, num)


def _number(what, ids, num):
    """How many segments there are: `num`, or as many as the largest id asks for."""
    if isinstance(ids, Value):
        if num is None:
            raise UnsupportedError(
                explain(
                    f"{what}: how many segments there are depends on ids that are being traced",
                    help="give num_segments, so that the shape of the result is known",
                )
            )
        return int(num)
    most = int(ids.max(initial=-1))
    if num is not None and most >= num:
        raise IndexError(explain(f"{what}: id {most} is out of range", f"num_segments: {num}", help="ids count from 0"))
    return most + 1 if num is None else int(num)


def segment_sum(x, ids, num_segments=None):
    """Sum of the slices of each segment.

    Parameters
    ----------
    x : array of shape (*ids.shape, ...)
    ids : integers, the segment of each slice, in any order; negative for none
    num_segments : int; by default as many as the largest id asks for

    Returns
    -------
    array of shape (num_segments, ...)

    Raises
    ------
    IndexError
        An id is not below `num_segments`.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.segment_sum([1.0, 2.0, 3.0], [0, 2, 0])
    array([4., 0., 2.])
    """
    x, ids, num = _enter("segment_sum", x, ids, num_segments)
    return _total(x, ids, num)


def segment_mean(x, ids, num_segments=None):
    """Mean of the slices of each segment, 0 where there are none; arguments as for `segment_sum`.

    >>> import chainrule as cr
    >>> cr.segment_mean([1.0, 2.0, 3.0], [0, 2, 0])
    array([2., 0., 2.])
    """
    x, ids, num = _enter("segment_mean", x, ids, num_segments)
    x = x if dtype_of(x).kind in "fc" else cast(x, np.dtype(float))
    count = _total(np.ones(shape_of(x)[0], np.zeros((), dtype_of(x)).real.dtype), ids, num)
    return _total(x, ids, num) / reshape(maximum(count, 1), (-1, *(1,) * (ndim_of(x) - 1)))


def segment_max(x, ids, num_segments=None):
    """Largest of the slices of each segment; ties share the derivative equally. Arguments as for `segment_sum`.

    >>> import chainrule as cr
    >>> cr.segment_max([1.0, 2.0, 3.0], [0, 1, 0])
    array([3., 2.])
    """
    x, ids, num = _enter("segment_max", x, ids, num_segments)
    return _segment_extremum(x, ids, num=num, largest=True)


def segment_min(x, ids, num_segments=None):
    """Smallest of the slices of each segment; ties share the derivative equally. Arguments as for `segment_sum`.

    >>> import chainrule as cr
    >>> cr.segment_min([1.0, 2.0, 3.0], [0, 1, 0])
    array([1., 2.])
    """
    x, ids, num = _enter("segment_min", x, ids, num_segments)
    return _segment_extremum(x, ids, num=num, largest=False)


def segment_prod(x, ids, num_segments=None):
    """Product of the slices of each segment; derivatives are exact where elements are 0. Arguments as for `segment_sum`.

    >>> import chainrule as cr
    >>> cr.segment_prod([1.0, 2.0, 3.0], [0, 1, 0])
    array([3., 2.])
    """
    x, ids, num = _enter("segment_prod", x, ids, num_segments)
    return _segment_prod(x, ids, num=num)


# --- PyTorch's names --------------------------------------------------------------------------------------------------

_REDUCTIONS = {"sum": segment_sum, "prod": segment_prod, "mean": segment_mean, "amax": segment_max, "amin": segment_min}


@torch_names
def scatter_reduce(x, axis, indices, values, reduce, *, include_self=True):
    """A copy of `x` where, along `axis`, `values` are combined at `indices` (PyTorch's `scatter_reduce`).

    Parameters
    ----------
    x : array
    axis : int
    indices : integers of the shape of `values`, which along the other axes is at most that of `x`
    values : array
    reduce : 'sum', 'prod', 'mean', 'amax' or 'amin'; ties share the derivative of the last two equally
    include_self : whether the elements of `x` are combined too; else they stay only where nothing comes

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.scatter_reduce(np.ones(3), 0, np.array([0, 0, 2]), np.array([2.0, 3.0, 4.0]), "prod")
    array([6., 1., 4.])
    """
    if reduce not in _REDUCTIONS:
        raise ArgumentError(
            explain(f"scatter_reduce: unknown reduction {reduce!r}", help=f"use one of {', '.join(map(repr, _REDUCTIONS))}")
        )
    x, indices, values = as_value(x), as_value(indices), as_value(values)
    axis = normalize_axis(axis, ndim_of(x))
    values = corner(values, shape_of(indices))
    size = math.prod(shape_of(x))
    ids = reshape(_places(shape_of(x), axis, indices), (-1,))
    own, new = reshape(x, (-1,)), reshape(values, (-1,))
    if not include_self:
        hit = _total(np.ones(shape_of(ids), np.int64), ids, size) > 0
        combined = _REDUCTIONS[reduce](new, ids, size) if shape_of(new)[0] else own
        return reshape(where(hit, combined, own), shape_of(x))
    all_ids = concatenate([np.arange(size), ids], 0)
    return reshape(_REDUCTIONS[reduce](concatenate([own, new], 0), all_ids, size), shape_of(x))


def _places(shape, axis, indices):
    """Position in the flattened array of each element that `indices` names along `axis`."""
    at, step = np.zeros((), np.intp), 1
    for d in reversed(range(len(shape))):
        along = indices if d == axis else np.arange(shape_of(indices)[d]).reshape(-1, *(1,) * (len(shape) - d - 1))
        at = at + along * step
        step *= shape[d]
    return broadcast_to(at, shape_of(indices))


def _along_axis(shape, axis, indices):
    """Indices of one axis, for each element of slices along it."""
    lengths = (*shape[:axis], shape_of(indices)[0], *shape[axis + 1 :])
    return broadcast_to(reshape(indices, (-1, *(1,) * (len(shape) - axis - 1))), lengths)


@torch_names
def index_reduce(x, axis, indices, values, reduce, *, include_self=True):
    """As `scatter_reduce`, for whole slices: slice `indices[i]` of `x` along `axis` with slice i of `values`.

    >>> import chainrule as cr
    >>> cr.index_reduce(np.ones((2, 2)), 0, [1, 1], np.full((2, 2), 3.0), "prod")
    array([[1., 1.],
           [9., 9.]])
    """
    x, indices = as_value(x), as_value(indices)
    axis = normalize_axis(axis, ndim_of(x))
    return scatter_reduce(x, axis, _along_axis(shape_of(x), axis, indices), values, reduce, include_self=include_self)


@torch_names
def index_copy(x, axis, indices, values):
    """A copy of `x` with the slices `indices` along `axis` replaced by those of `values` (PyTorch's `index_copy`).

    >>> import chainrule as cr
    >>> cr.index_copy(np.zeros(3), 0, [2, 0], [1.0, 2.0])
    array([2., 0., 1.])
    """
    x = as_value(x)
    axis = normalize_axis(axis, ndim_of(x))
    return index_set(x, (*(slice(None),) * axis, as_value(indices)), values)


@torch_names
def index_fill(x, axis, indices, value):
    """A copy of `x` with the slices `indices` along `axis` filled with `value` (PyTorch's `index_fill`).

    >>> import chainrule as cr
    >>> cr.index_fill(np.zeros(3), 0, [2, 0], 5.0)
    array([5., 0., 5.])
    """
    return index_copy(x, axis, indices, value)
