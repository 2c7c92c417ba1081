"""JAX's `jax.lax` in its names and signatures: loops, branches, solvers, slices that begin where a program says, windows.

What has the same name and meaning elsewhere in `chainrule` is the function from there; the others are composed of such.
"""

import builtins
import itertools
import math
import typing

import numpy as np

from . import ops
from .associative import associative_scan as associative_scan, map_over as map
from .core.value import Value, dtype_of, ndim_of, shape_of
from .errors import ArgumentError, ShapeError, explain
from .ops import (
    add as add,
    concatenate as _concatenate,
    digamma as digamma,
    divide as div,
    erf as erf,
    erfc as erfc,
    erfinv as erf_inv,
    fmod as rem,
    gammaln as lgamma,
    maximum as max,
    minimum as min,
    multiply as mul,
    subtract as sub,
)
from .ops.convolution import conv as _conv
from .ops.pooling import max_pool as _max_pool, window_sum as _window_sum
from .ops.shaping import as_value, broadcast_to, cast, normalize_axis, reshape
from .special import betainc as betainc, expit as logistic, gammainc as igamma, gammaincc as igammac
from .transforms.control import (
    cond as cond,
    fori_loop as fori_loop,
    scan as scan,
    switch as switch,
    while_loop as while_loop,
)
from .transforms.derivatives import stop_gradient as stop_gradient
from .transforms.equations import custom_linear_solve as custom_linear_solve, custom_root as custom_root

__all__ = [
    "add", "associative_scan", "betainc", "broadcast", "broadcast_in_dim", "clamp", "concatenate", "cond", "conv",
    "conv_general_dilated", "conv_transpose", "convert_element_type", "cumlogsumexp", "cummax", "cummin", "cumprod", "cumsum",
    "custom_linear_solve", "custom_root", "digamma", "div", "dot_general", "dynamic_index_in_dim", "dynamic_slice",
    "dynamic_slice_in_dim", "dynamic_update_index_in_dim", "dynamic_update_slice", "dynamic_update_slice_in_dim", "erf",
    "erf_inv", "erfc", "fori_loop", "igamma", "igammac", "index_in_dim",
    "integer_pow", "lgamma", "logistic", "map", "max", "min", "mul",
    "pad", "reduce_window", "rem", "rev", "scan", "select", "select_n", "slice", "slice_in_dim", "sort_key_val",
    "stop_gradient", "sub", "switch", "top_k", "while_loop",
]  # fmt: skip
_cut = builtins.slice  # `slice` is a function here, as are `max`, `min` and `map`


def _at(axis, part):
    return (*(_cut(None),) * axis, part)


# --- slices -------------------------------------------------------------------------------------------------------------------


def _starts(asked, operand, starts, sizes):
    """Where slices begin: counted from the end where negative, and moved so that they fit in."""
    starts = list(starts)
    if len(starts) != ndim_of(operand) or len(sizes) != ndim_of(operand):
        raise ShapeError(
            explain(
                f"{asked}: one start and one size for each axis",
                f"operand: {shape_of(operand)}    starts: {len(starts)}    sizes: {tuple(sizes)}",
                help="slices are taken along all axes",
            )
        )
    found = []
    for i, n, size in zip(starts, shape_of(operand), sizes, strict=True):
        if size > n:
            raise ShapeError(
                explain(f"{asked}: a slice is longer than its axis", f"axis: {n}    slice: {size}", help="take a shorter one")
            )
        if isinstance(i, Value) or np.ndim(i):
            found.append(ops.clip(ops.where(i < 0, i + n, i), 0, n - size))
        else:
            i = int(i)
            found.append(sorted((0, i + n if i < 0 else i, n - size))[1])
    return found


def dynamic_slice(operand, start_indices, slice_sizes):
    """The part of `operand` of the shape `slice_sizes` that begins at `start_indices`, which a program may compute.

    Where it would reach beyond the end, it begins earlier.

    >>> import chainrule as cr
    >>> cr.lax.dynamic_slice(np.arange(12.0).reshape(3, 4), (1, 2), (2, 2))
    array([[ 6.,  7.],
           [10., 11.]])
    """
    operand = as_value(operand)
    for axis, (i, size) in enumerate(
        zip(_starts("dynamic_slice", operand, start_indices, slice_sizes), slice_sizes, strict=True)
    ):
        fixed = isinstance(i, int)
        operand = operand[_at(axis, _cut(i, i + size))] if fixed else ops.take(operand, i + np.arange(size), axis)
    return operand


def dynamic_update_slice(operand, update, start_indices):
    """`operand` with `update` in the place of the part of its shape that begins at `start_indices`.

    Where it would reach beyond the end, it begins earlier.

    >>> import chainrule as cr
    >>> cr.lax.dynamic_update_slice(np.zeros(4), np.ones(2), (1,))
    array([0., 1., 1., 0.])
    """
    operand, update = as_value(operand), as_value(update)
    sizes = shape_of(update)
    starts = _starts("dynamic_update_slice", operand, start_indices, sizes)
    if all(isinstance(i, int) for i in starts):
        key = tuple(_cut(i, i + n) for i, n in zip(starts, sizes, strict=True))
    else:
        ndim = len(sizes)
        key = tuple(
            reshape(as_value(i) + np.arange(n), (n, *(1,) * (ndim - axis - 1)))
            for axis, (i, n) in enumerate(zip(starts, sizes, strict=True))
        )
    return ops.index_set(operand, key, cast(update, dtype_of(operand)))


def _one_axis(operand, index, size, axis):
    """Starts and sizes of slices that are cut along one axis."""
    axis = normalize_axis(axis, ndim_of(operand))
    starts: list = [0] * ndim_of(operand)
    sizes = list(shape_of(operand))
    starts[axis], sizes[axis] = index, size
    return starts, sizes


def dynamic_slice_in_dim(operand, start_index, slice_size, axis=0):
    """As `dynamic_slice`, along one axis.

    >>> import chainrule as cr
    >>> cr.lax.dynamic_slice_in_dim(np.arange(5.0), 1, 3)
    array([1., 2., 3.])
    """
    operand = as_value(operand)
    return dynamic_slice(operand, *_one_axis(operand, start_index, slice_size, axis))


def dynamic_index_in_dim(operand, index, axis=0, keepdims=True):
    """The part of `operand` at one index of an axis, which stays with length 1 unless `keepdims` is false.

    >>> import chainrule as cr
    >>> cr.lax.dynamic_index_in_dim(np.arange(5.0), 3)
    array([3.])
    """
    out = dynamic_slice_in_dim(operand, index, 1, axis)
    return out if keepdims else ops.squeeze(out, axis)


def dynamic_update_slice_in_dim(operand, update, start_index, axis):
    """As `dynamic_update_slice`, along one axis.

    >>> import chainrule as cr
    >>> cr.lax.dynamic_update_slice_in_dim(np.zeros(4), np.ones(2), 1, axis=0)
    array([0., 1., 1., 0.])
    """
    operand = as_value(operand)
    return dynamic_update_slice(operand, update, _one_axis(operand, start_index, 0, axis)[0])


def dynamic_update_index_in_dim(operand, update, index, axis):
    """`operand` with `update` at one index of an axis, which `update` may lack.

    >>> import chainrule as cr
    >>> cr.lax.dynamic_update_index_in_dim(np.zeros(3), 5.0, 1, axis=0)
    array([0., 5., 0.])
    """
    operand, update = as_value(operand), as_value(update)
    if ndim_of(update) < ndim_of(operand):
        update = ops.expand_dims(update, normalize_axis(axis, ndim_of(operand)))
    return dynamic_update_slice_in_dim(operand, update, index, axis)


def slice(operand, start_indices, limit_indices, strides=None):
    """`operand[start:limit:stride, ...]`, with whole numbers for each axis.

    >>> import chainrule as cr
    >>> cr.lax.slice(np.arange(6.0), (1,), (6,), (2,))
    array([1., 3., 5.])
    """
    operand = as_value(operand)
    strides = strides or (1,) * ndim_of(operand)
    return operand[tuple(itertools.starmap(_cut, zip(start_indices, limit_indices, strides, strict=True)))]


def slice_in_dim(operand, start_index, limit_index, stride=1, axis=0):
    """As `slice`, along one axis.

    >>> import chainrule as cr
    >>> cr.lax.slice_in_dim(np.arange(6.0), 1, 3)
    array([1., 2.])
    """
    operand = as_value(operand)
    return operand[_at(normalize_axis(axis, ndim_of(operand)), _cut(start_index, limit_index, stride))]


def index_in_dim(operand, index, axis=0, keepdims=True):
    """As `dynamic_index_in_dim`, for an index that is a number.

    >>> import chainrule as cr
    >>> cr.lax.index_in_dim(np.arange(5.0), -1, keepdims=False)
    np.float64(4.0)
    """
    operand = as_value(operand)
    axis = normalize_axis(axis, ndim_of(operand))
    out = operand[_at(axis, index)]
    return ops.expand_dims(out, axis) if keepdims else out


# --- shapes and values --------------------------------------------------------------------------------------------------------


def concatenate(operands, dimension):
    """Arrays one after the other along an axis.

    >>> import chainrule as cr
    >>> cr.lax.concatenate([np.zeros(1), np.ones(2)], 0)
    array([0., 1., 1.])
    """
    return _concatenate(operands, dimension)


def broadcast(operand, sizes):
    """`operand` repeated along new leading axes of these sizes.

    >>> import chainrule as cr
    >>> cr.lax.broadcast(np.arange(2.0), (2,))
    array([[0., 1.],
           [0., 1.]])
    """
    return broadcast_to(as_value(operand), (*sizes, *shape_of(operand)))


def broadcast_in_dim(operand, shape, broadcast_dimensions):
    """`operand` repeated to `shape`, whose axes `broadcast_dimensions` are its own.

    >>> import chainrule as cr
    >>> cr.lax.broadcast_in_dim(np.arange(2.0), (2, 2), (0,))
    array([[0., 0.],
           [1., 1.]])
    """
    own = dict(zip(broadcast_dimensions, shape_of(operand), strict=True))
    return broadcast_to(reshape(as_value(operand), tuple(own.get(axis, 1) for axis in range(len(shape)))), shape)


def rev(operand, dimensions):
    """`operand` with the order along these axes reversed.

    >>> import chainrule as cr
    >>> cr.lax.rev(np.arange(3.0), (0,))
    array([2., 1., 0.])
    """
    return ops.flip(operand, tuple(dimensions))


def pad(operand, padding_value, padding_config):
    """`operand` with a value before, after and between its elements.

    padding_config : (before, after, between) for each axis; negative ones before and after cut off

    >>> import chainrule as cr
    >>> cr.lax.pad(np.array([1.0, 2.0, 3.0]), 0.0, [(1, -1, 1)])
    array([0., 1., 0., 2., 0.])
    """
    operand = as_value(operand)
    inner = [n + between * (n - 1) if n else 0 for n, (_, _, between) in zip(shape_of(operand), padding_config, strict=True)]
    padded = [n + (lo if lo > 0 else 0) + (hi if hi > 0 else 0) for n, (lo, hi, _) in zip(inner, padding_config, strict=True)]
    if padded != list(shape_of(operand)):
        filled = broadcast_to(cast(as_value(padding_value), dtype_of(operand)), tuple(padded))
        key = tuple(
            _cut(lo if lo > 0 else 0, (lo if lo > 0 else 0) + n, between + 1)
            for n, (lo, _, between) in zip(inner, padding_config, strict=True)
        )
        operand = ops.index_set(filled, key, operand)
    cuts = tuple(
        _cut(-lo if lo < 0 else 0, n + hi if hi < 0 else n) for n, (lo, hi, _) in zip(padded, padding_config, strict=True)
    )
    return operand[cuts] if any(lo < 0 or hi < 0 for lo, hi, _ in padding_config) else operand


def convert_element_type(operand, new_dtype):
    """`operand` in another dtype.

    >>> import chainrule as cr
    >>> cr.lax.convert_element_type(np.array([1, 2]), np.float32)
    array([1., 2.], dtype=float32)
    """
    return cast(as_value(operand), np.dtype(new_dtype))


def clamp(min, x, max):
    """`x`, but not below `min` and not above `max`.

    >>> import chainrule as cr
    >>> cr.lax.clamp(0.0, np.array([-1.0, 0.5, 2.0]), 1.0)
    array([0. , 0.5, 1. ])
    """
    return ops.clip(x, min, max)


def select(pred, on_true, on_false):
    """`on_true` where `pred` holds, else `on_false`.

    >>> import chainrule as cr
    >>> cr.lax.select(np.array([True, False]), np.ones(2), np.zeros(2))
    array([1., 0.])
    """
    return ops.where(pred, on_true, on_false)


def select_n(which, *cases):
    """Element by element, the case of the number in `which`; of two, the second where it holds.

    >>> import chainrule as cr
    >>> cr.lax.select_n(np.array([0, 2, 1]), np.zeros(3), np.ones(3), 2 * np.ones(3))
    array([0., 2., 1.])
    """
    which, out = as_value(which), cases[-1]
    for k in reversed(range(len(cases) - 1)):
        out = ops.where(which <= k, cases[k], out)
    return out


def integer_pow(x, y):
    """`x` to a whole power.

    >>> import chainrule as cr
    >>> cr.lax.integer_pow(np.array([2.0, -3.0]), 3)
    array([  8., -27.])
    """
    return ops.power(x, int(y))


def dot_general(lhs, rhs, dimension_numbers):
    """Products summed over pairs of axes, for each entry of pairs of others.

    dimension_numbers : ((contracting axes of lhs, of rhs), (batch axes of lhs, of rhs)); the result has the batch axes, then
        what is left of `lhs`, then of `rhs`

    >>> import chainrule as cr
    >>> cr.lax.dot_general(np.eye(2), np.array([1.0, 2.0]), (((1,), (0,)), ((), ())))
    array([1., 2.])
    """
    (lc, rc), (lb, rb) = dimension_numbers
    left, right = list(range(ndim_of(lhs))), list(range(ndim_of(lhs), ndim_of(lhs) + ndim_of(rhs)))
    for a, b in zip((*lc, *lb), (*rc, *rb), strict=True):
        right[b] = left[a]
    batch = [left[a] for a in lb]
    shared = {left[a] for a in (*lc, *lb)}
    out = [*batch, *(i for i in left if i not in shared), *(i for i in right if i not in shared)]
    return ops.einsum(lhs, left, rhs, right, out)


# --- running and sorted -------------------------------------------------------------------------------------------------------


def _running(total, operand, axis, reverse):
    operand = as_value(operand)
    axis = normalize_axis(axis, ndim_of(operand))
    if not reverse:
        return total(operand, axis)
    return ops.flip(total(ops.flip(operand, axis), axis), axis)


def cumsum(operand, axis=0, reverse=False):
    """Running sums along an axis, with `reverse` from its end.

    >>> import chainrule as cr
    >>> cr.lax.cumsum(np.array([1.0, 2.0, 3.0]), reverse=True)
    array([6., 5., 3.])
    """
    return _running(ops.cumsum, operand, axis, reverse)


def cumprod(operand, axis=0, reverse=False):
    """Running products along an axis, with `reverse` from its end.

    >>> import chainrule as cr
    >>> cr.lax.cumprod(np.array([1.0, 2.0, 3.0]))
    array([1., 2., 6.])
    """
    return _running(ops.cumprod, operand, axis, reverse)


def cummax(operand, axis=0, reverse=False):
    """Running maxima along an axis, with `reverse` from its end.

    >>> import chainrule as cr
    >>> cr.lax.cummax(np.array([1.0, 3.0, 2.0]))
    array([1., 3., 3.])
    """
    return _running(lambda x, axis: ops.cummax(x, axis).values, operand, axis, reverse)


def cummin(operand, axis=0, reverse=False):
    """Running minima along an axis, with `reverse` from its end.

    >>> import chainrule as cr
    >>> cr.lax.cummin(np.array([1.0, 3.0, 2.0]), reverse=True)
    array([1., 2., 2.])
    """
    return _running(lambda x, axis: ops.cummin(x, axis).values, operand, axis, reverse)


def cumlogsumexp(operand, axis=0, reverse=False):
    """Logarithms of running sums of exponentials along an axis, with `reverse` from its end, without overflow.

    >>> import chainrule as cr
    >>> cr.lax.cumlogsumexp(np.array([1000.0, 1000.0])).round(3)
    array([1000.   , 1000.693])
    """
    return _running(ops.logcumsumexp, operand, axis, reverse)


def top_k(operand, k, *, axis=-1):
    """The `k` largest elements along an axis in falling order, and where they stand.

    >>> import chainrule as cr
    >>> values, indices = cr.lax.top_k(np.array([3.0, 1.0, 2.0]), 2)
    >>> values, indices
    (array([3., 2.]), array([0, 2]))
    """
    values, indices = ops.topk(operand, k, axis)
    return values, indices


def sort_key_val(keys, values, dimension=-1, is_stable=True):
    """`keys` in rising order along an axis, and `values` in the same order.

    >>> import chainrule as cr
    >>> cr.lax.sort_key_val(np.array([3.0, 1.0]), np.array([10.0, 20.0]))
    (array([1., 3.]), array([20., 10.]))
    """
    order = ops.argsort(keys, dimension)
    return ops.take_along_axis(as_value(keys), order, dimension), ops.take_along_axis(as_value(values), order, dimension)


# --- windows ------------------------------------------------------------------------------------------------------------------


def _sides(asked, padding, sizes, window, strides):
    """What is to be put before and after each axis; words mean sizes before elements are spread."""
    if not isinstance(padding, str):
        return [tuple(sides) for sides in padding]
    if padding.upper() == "VALID":
        return [(0, 0)] * len(sizes)
    if padding.upper() not in ("SAME", "SAME_LOWER"):
        raise ArgumentError(
            explain(f"{asked}: padding {padding!r} is not known", help="'SAME', 'SAME_LOWER', 'VALID' or pairs (before, after)")
        )
    sides = []
    for n, k, step in zip(sizes, window, strides, strict=True):
        total = (math.ceil(n / step) - 1) * step + k - n
        total = total if total > 0 else 0
        half = total // 2
        sides.append((half, total - half) if padding.upper() == "SAME" else (total - half, half))
    return sides


_SUMS = (add, np.add)
_MAXIMA = (max, np.maximum)


def reduce_window(
    operand, init_value, computation, window_dimensions, window_strides=None, padding="VALID", base_dilation=None,
    window_dilation=None,
):  # fmt: skip
    """The elements of each window of `operand`, and `init_value`, joined by a function.

    Parameters
    ----------
    operand : array
    init_value : what every window begins with
    computation : associative function of two arrays, such as `lax.add` or `lax.max`
    window_dimensions, window_strides : ints, one for each axis; windows touch each element in turn by default
    padding : 'SAME', 'SAME_LOWER', 'VALID', or pairs (before, after): places that windows may reach into and find nothing
    base_dilation, window_dilation : ints, one for each axis: distances of the elements of `operand` and of a window

    Returns
    -------
    array

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.lax.reduce_window(np.array([1.0, 4.0, 2.0, 3.0]), -np.inf, cr.lax.max, (2,), (2,))
    array([4., 3.])
    """
    operand = as_value(operand)
    ones = (1,) * ndim_of(operand)
    window, strides = tuple(window_dimensions), tuple(window_strides or ones)
    spread, dilation = tuple(base_dilation or ones), tuple(window_dilation or ones)
    reach = [(k - 1) * d + 1 for k, d in zip(window, dilation, strict=True)]
    sides = _sides("reduce_window", padding, shape_of(operand), reach, strides)
    config = [(*side, s - 1) for side, s in zip(sides, spread, strict=True)]
    there = pad(np.ones(shape_of(operand), bool), False, config)
    operand = pad(operand, init_value, config)
    places = [(n - r) // step + 1 if n >= r else 0 for n, r, step in zip(shape_of(operand), reach, strides, strict=True)]
    number = not isinstance(init_value, Value) and np.ndim(init_value) == 0
    geometry: dict[str, typing.Any] = {
        "window": window,
        "stride": strides,
        "padding": ((0, 0),) * len(window),
        "dilation": dilation,
    }
    if number and all(places) and dtype_of(operand).kind == "f":
        if computation in _SUMS and init_value == 0:
            return _window_sum(operand, **geometry)
        if computation in _MAXIMA and init_value == -math.inf:
            return _max_pool(operand, **geometry)
    out = broadcast_to(cast(as_value(init_value), dtype_of(operand)), tuple(places))
    for offset in itertools.product(*(range(0, r, d) for r, d in zip(reach, dilation, strict=True))):
        ends = [o + (p - 1) * step + 1 if p else o for o, p, step in zip(offset, places, strides, strict=True)]
        key = tuple(itertools.starmap(_cut, zip(offset, ends, strides, strict=True)))
        joined = computation(out, operand[key])
        out = joined if there[key].all() else ops.where(there[key], joined, out)
    return out


def _orders(asked, dimension_numbers, ndim):
    """Of both arguments and the result of a convolution: the axes (batch, channels, *sizes), or (outputs, inputs, *sizes)."""
    if dimension_numbers is None:
        return [tuple(range(ndim))] * 3
    found: list = []
    for spec, names in zip(dimension_numbers, ("NC", "OI", "NC"), strict=True):
        if isinstance(spec, str):
            if len(spec) != ndim or any(n not in spec for n in names):
                raise ArgumentError(
                    explain(
                        f"{asked}: {spec!r} does not name {ndim} axes",
                        help=f"letters {names[0]} and {names[1]}, and one for each spatial axis, as in 'NHWC'",
                    )
                )
            found.append(spec)
        else:
            found.append(tuple(spec))
    if all(isinstance(spec, str) for spec in found):
        kernel = [c for c in found[1] if c not in "OI"]  # the order of the spatial axes is that of the kernel
        return [tuple(spec.index(c) for c in (*names, *kernel)) for spec, names in zip(found, ("NC", "OI", "NC"), strict=True)]
    return found


def conv_general_dilated(
    lhs, rhs, window_strides, padding, lhs_dilation=None, rhs_dilation=None, dimension_numbers=None, feature_group_count=1,
    batch_group_count=1, precision=None, preferred_element_type=None,
):  # fmt: skip
    """Cross-correlation of `lhs` with `rhs` over any number of spatial axes.

    Parameters
    ----------
    lhs : array of shape (batch, channels, *sizes)
    rhs : array of shape (outputs, channels / groups, *kernel)
    window_strides : ints, one for each spatial axis
    padding : 'SAME', 'SAME_LOWER', 'VALID', or pairs (before, after), which may be negative
    lhs_dilation, rhs_dilation : ints, one for each spatial axis: distances of the elements
    dimension_numbers : the axes of `lhs`, `rhs` and the result in other orders, such as ('NHWC', 'HWIO', 'NHWC')
    feature_group_count : number of groups of channels that do not mix
    batch_group_count : only 1
    precision, preferred_element_type : accepted for JAX's sake

    Returns
    -------
    array of shape (batch, outputs, *places)

    Examples
    --------
    >>> import chainrule as cr
    >>> x, w = np.arange(5.0).reshape(1, 1, 5), np.array([[[-1.0, 1.0]]])
    >>> cr.lax.conv_general_dilated(x, w, (1,), "SAME")
    array([[[ 1.,  1.,  1.,  1., -4.]]])
    """
    lhs, rhs = as_value(lhs), as_value(rhs)
    ndim = ndim_of(lhs)
    if batch_group_count != 1:
        raise ArgumentError(
            explain(
                "conv_general_dilated: groups of the batch are not supported",
                f"batch_group_count: {batch_group_count}",
                help="reshape the batch into groups and use cr.vmap",
            )
        )
    if ndim < 2 or ndim_of(rhs) != ndim:
        found = f"lhs: {shape_of(lhs)}    rhs: {shape_of(rhs)}"
        raise ShapeError(explain("conv_general_dilated: both have two axes and the spatial ones", found, help="add axes"))
    left, right, result = _orders("conv_general_dilated", dimension_numbers, ndim)
    x, w = ops.transpose(lhs, left), ops.transpose(rhs, right)
    if shape_of(x)[1] != shape_of(w)[1] * feature_group_count or shape_of(w)[0] % feature_group_count:
        raise ShapeError(
            explain(
                "conv_general_dilated: the channels do not fit",
                f"lhs: {shape_of(x)[1]}    rhs: {shape_of(w)[1]} of each group, {shape_of(w)[0]} outputs"
                f"    groups: {feature_group_count}",
                help="channels of lhs = groups * channels of rhs, and outputs a multiple of groups",
            )
        )
    if isinstance(padding, str) and lhs_dilation is not None and any(s != 1 for s in lhs_dilation):
        raise ArgumentError(
            explain(
                "conv_general_dilated: what a word for the padding means is not clear where lhs_dilation spreads the elements",
                f"padding: {padding!r}    lhs_dilation: {tuple(lhs_dilation)}",
                help="pass pairs (before, after), or use conv_transpose",
            )
        )
    dtype = np.result_type(dtype_of(x), dtype_of(w))
    ones = (1,) * (ndim - 2)
    strides, dilation = tuple(window_strides), tuple(rhs_dilation or ones)
    spread = tuple(lhs_dilation or ones)
    reach = [(k - 1) * d + 1 for k, d in zip(shape_of(w)[2:], dilation, strict=True)]
    sides = _sides("conv_general_dilated", padding, shape_of(x)[2:], reach, strides)
    inside = tuple((lo, hi) if s == 1 and lo >= 0 and hi >= 0 else (0, 0) for (lo, hi), s in zip(sides, spread, strict=True))
    outside = [(lo - p, hi - q, s - 1) for (lo, hi), (p, q), s in zip(sides, inside, spread, strict=True)]
    x = pad(cast(x, dtype), 0, [(0, 0, 0), (0, 0, 0), *outside])
    out = _conv(x, cast(w, dtype), stride=strides, padding=inside, dilation=dilation, groups=feature_group_count)
    return ops.transpose(out, tuple(int(i) for i in np.argsort(result)))


def conv(lhs, rhs, window_strides, padding, precision=None, preferred_element_type=None):
    """As `conv_general_dilated`, without its options.

    >>> import chainrule as cr
    >>> cr.lax.conv(np.arange(5.0).reshape(1, 1, 5), np.array([[[-1.0, 1.0]]]), (2,), "VALID")
    array([[[1., 1.]]])
    """
    return conv_general_dilated(lhs, rhs, window_strides, padding)


def conv_transpose(
    lhs, rhs, strides, padding, rhs_dilation=None, dimension_numbers=None, transpose_kernel=False, precision=None,
    preferred_element_type=None,
):  # fmt: skip
    """A convolution that enlarges: the elements of `lhs` stand `strides` apart.

    Parameters
    ----------
    lhs, rhs : arrays; by default of shapes (batch, *sizes, channels) and (*kernel, channels, outputs), channels last
    strides : ints, one for each spatial axis
    padding : 'SAME' for sizes times strides, 'VALID', or pairs (before, after) of the convolution
    rhs_dilation, dimension_numbers : as for `conv_general_dilated`
    transpose_kernel : turn the kernel around and exchange its channels, as the derivative of a convolution does
    precision, preferred_element_type : accepted for JAX's sake

    Returns
    -------
    array

    Examples
    --------
    >>> import chainrule as cr
    >>> x, w = np.ones((1, 2, 1)), np.array([1.0, 10.0]).reshape(2, 1, 1)
    >>> cr.lax.conv_transpose(x, w, (2,), "VALID").ravel()
    array([10.,  1., 10.,  1.])
    """
    ndim = ndim_of(lhs)
    if dimension_numbers is None:
        letters = "XYZUVW"[: ndim - 2] if ndim != 4 else "HW"
        dimension_numbers = (f"N{letters}C", f"{letters}IO", f"N{letters}C")
    _, right, _ = _orders("conv_transpose", dimension_numbers, ndim)
    rhs = as_value(rhs)
    kernel = [shape_of(rhs)[axis] for axis in right[2:]]
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, rhs_dilation or (1,) * (ndim - 2), strict=True)]
    if isinstance(padding, str):
        sides = []
        for k, s in zip(reach, strides, strict=True):
            total = k + s - 2 if padding.upper() == "SAME" else k + s - 2 + (k - s if k > s else 0)
            before = (k - 1 if s > k - 1 else math.ceil(total / 2)) if padding.upper() == "SAME" else k - 1
            sides.append((before, total - before))
        padding = sides
    if transpose_kernel:
        rhs = ops.flip(rhs, tuple(right[2:]))
        order = list(range(ndim))
        order[right[0]], order[right[1]] = right[1], right[0]
        rhs = ops.transpose(rhs, tuple(order))
    return conv_general_dilated(lhs, rhs, (1,) * (ndim - 2), padding, strides, rhs_dilation, dimension_numbers)
