"""Reading and writing parts of arrays: every form of key that NumPy knows.

A key is normalised once into static parts and arrays: `key` holds ints, slices, None, Ellipsis and `ARRAY` where an index
array stands; the arrays themselves are arguments of the row, so that they may be traced. Masks become index arrays.
"""

import functools
import math
import operator
from typing import Any, NamedTuple

import numpy as np

from ..core.aval import Aval
from ..core.derivative import Deferred, Pair, zero
from ..core.lowering import Assemble, Call, View
from ..core.primitive import primitive
from ..core.value import Value, dtype_of, ndim_of, shape_of
from ..errors import ShapeError, explain
from ..names import torch_names
from .elementwise import clip, where
from .shaping import as_value, broadcast_to, cast, expand, moveaxis, normalize_axis, pad_front, reshape, squeeze, sum_to


class _Array:
    def __repr__(self):
        return "ARRAY"


ARRAY = _Array()


def rebuild(key, indices):
    """The key as NumPy takes it."""
    if not indices:
        return key
    arrays = iter(indices)
    return tuple(next(arrays) if k is ARRAY else k for k in key)


def parse(key, x):
    """(array to index, static key, index arrays) of a key as users write it, for reading from or writing to `x`.

    The array is `x`, with an axis of length 1 more for each single boolean of the key: such a boolean chooses all of it or
    nothing, and uses up none of the axes of `x`.
    """
    if type(key) is int:
        return x, key, ()
    if type(key) is slice:
        return x, _plain_slice(key), ()
    parts = key if isinstance(key, tuple) else (key,)
    static, arrays, masks = [], [], []
    for place, part in enumerate(parts):
        if part is None or part is Ellipsis or (isinstance(part, (slice, int)) and not isinstance(part, bool)):
            static.append(_plain_slice(part) if isinstance(part, slice) else part)
            continue
        if isinstance(part, np.integer):
            static.append(int(part))
            continue
        part = as_value(part)
        if dtype_of(part).kind == "b":
            masks.append((len(static), part))
            for index in _nonzero(part if ndim_of(part) else reshape(part, (1,))):
                static.append(ARRAY)
                arrays.append(index)
        elif dtype_of(part).kind in "iu":
            static.append(ARRAY)
            arrays.append(part)
        elif isinstance(parts[place], (list, tuple)) and part.size == 0:
            static.append(ARRAY)
            arrays.append(np.asarray(part, np.intp))
        else:
            raise IndexError(
                explain(
                    f"cannot index with an array of dtype {dtype_of(part)}",
                    f"array: shape {shape_of(x)}",
                    help="index arrays must hold integers or booleans; use .astype(int)",
                )
            )
    if masks:
        x = _fitted_to_masks(x, static, masks)
    return x, tuple(static), tuple(arrays)


def _fitted_to_masks(x, static, masks):
    """`x` with an axis for each single boolean; masks of several elements must have the lengths of the axes they stand on."""
    ndim = ndim_of(x) + sum(ndim_of(m) == 0 for _, m in masks)
    dots = static.index(Ellipsis) if Ellipsis in static else len(static)
    used = [k is not None and k is not Ellipsis for k in static]
    if sum(used) > ndim:
        raise IndexError(
            explain(
                f"too many indices: {sum(used) - ndim + ndim_of(x)} for an array of {ndim_of(x)} axes",
                f"array: shape {shape_of(x)}",
                help="a mask counts as one index for each of its axes",
            )
        )
    first = [sum(used[:at]) if at <= dots else ndim - sum(used[at:]) for at, _ in masks]
    x = expand(x, [axis for axis, (_, m) in zip(first, masks, strict=True) if ndim_of(m) == 0])
    for axis, (_, mask) in zip(first, masks, strict=True):
        n, over = ndim_of(mask), shape_of(x)[axis : axis + ndim_of(mask)]
        if any(a not in (0, b) for a, b in zip(shape_of(mask), over, strict=True)):  # NumPy checks no empty mask
            raise IndexError(
                explain(
                    f"a mask of shape {shape_of(mask)} does not fit axes of shape {over}",
                    f"array: shape {shape_of(x)}    mask on: {f'axis {axis}' if n == 1 else f'axes {axis} to {axis + n - 1}'}",
                    help="a boolean index has one element for each element that it chooses from",
                )
            )
    return x


def _plain_slice(s):
    if all(v is None or type(v) is int for v in (s.start, s.stop, s.step)):
        return s
    return slice(*(None if v is None else operator.index(v) for v in (s.start, s.stop, s.step)))


def _nonzero_batch(args, batched, params):
    raise ShapeError(
        explain(
            "vmap: a boolean mask selects a different number of elements in each batch entry",
            f"mask: {shape_of(args[0])[1:]}",
            help="use where(mask, x, 0), whose shape does not depend on the mask",
        )
    )


@primitive(
    derivative=[zero],
    aval=lambda x: tuple(Aval((-1,), np.dtype(np.intp)) for _ in x.shape),
    batch=_nonzero_batch,
    lower=Call(),
    name="nonzero",
    several=True,
)
def _nonzero(x):
    """Indices of the elements that are not zero, one array per axis; how many they are depends on the data."""
    return np.nonzero(x)


def nonzero(x):
    """Indices of the elements that are not zero, a tuple of integer arrays; constants for derivatives.

    >>> import chainrule as cr
    >>> cr.nonzero([0, 3, 4])
    (array([1, 2]),)
    """
    return tuple(_nonzero(as_value(x)))


def result_shape(shape, key, index_shapes):
    """Shape of x[key]."""
    dummy = np.broadcast_to(np.zeros(()), shape)
    if not index_shapes:
        return np.shape(dummy[key])
    # Arrays of index 0 fit any axis that is not empty; NumPy checks no index where the result is empty anyway.
    indices = [np.broadcast_to(np.zeros((), np.intp), s) for s in index_shapes]
    return dummy[rebuild(key, indices)].shape


class Scatter(Deferred):
    """The cotangent of x[key]: zeros but for `g` added at the key."""

    def __init__(self, g, indices, key, shape):
        self.g, self.indices, self.key, self.shape = g, indices, key, shape

    def added_to(self, total, owned):
        plain = isinstance(self.g, (np.ndarray, np.generic)) and not any(isinstance(i, Value) for i in self.indices)
        if not plain or isinstance(total, Value):
            base = np.zeros(self.shape, dtype_of(self.g)) if total is None else total
            return _index_add(base, self.g, *self.indices, key=self.key), False
        if total is None:
            total = np.zeros(self.shape, self.g.dtype)
        elif not owned or total.dtype != np.result_type(total.dtype, self.g.dtype):
            total = np.array(total, np.result_type(total.dtype, self.g.dtype))
        if self.indices:
            np.add.at(total, rebuild(self.key, self.indices), self.g)
        else:
            total[self.key] += self.g
        return total, True


# --- rows -----------------------------------------------------------------------------------------------------------


def _where_arrays_go(key, ndim):
    """How many axes of x[key] stand before those of its index arrays; None where NumPy puts theirs first.

    An int beside index arrays counts as an index array of no axes.
    """
    consumed = sum(k is not None and k is not Ellipsis for k in key)
    before, seen, gap = 0, False, False
    for k in key:
        if k is ARRAY or isinstance(k, int):
            if gap:
                return None
            seen = True
            continue
        if seen:
            gap = True
        else:
            before += ndim - consumed if k is Ellipsis else 1
    return before


def _align_batch(indices, batched):
    """Index arrays with their batch axes first and aligned, and how many axes they have together without it."""
    k = len(np.broadcast_shapes(*(shape_of(i)[b:] for i, b in zip(indices, batched, strict=True))))
    return [pad_front(i, k + 1) if b else i for i, b in zip(indices, batched, strict=True)], k


def _parts(key):
    return key if isinstance(key, tuple) else (key,)


@primitive(
    derivative=[
        Pair(jvp=lambda t, key: _index(t, key=key), vjp=lambda g, key, in_shape: Scatter(g, (), key, in_shape)),
    ],
    aval=lambda x, key: Aval(result_shape(x.shape, key, []), x.dtype),
    batch=lambda args, batched, params: _index(*args, key=(slice(None), *_parts(params["key"]))),
    lower=View(),
    name="index",
)
def _index(x, *, key):
    """x[key] for a key of ints, slices, None and Ellipsis"""
    return x[key]


def _gather_batch(args, batched, params):
    x, *indices = args
    parts, flags = _parts(params["key"]), batched[1:]
    ndim = ndim_of(x) - batched[0]
    if not any(flags):
        out = _gather(x, *indices, key=(slice(None), *parts))
        if _where_arrays_go(parts, ndim) is None:
            k = len(np.broadcast_shapes(*(shape_of(i) for i in indices)))
            return moveaxis(out, k, 0)
        return out
    gathered, k = _align_batch(indices, flags)
    if batched[0]:
        n = shape_of(x)[0]
        iota = np.arange(n).reshape(n, *(1,) * k)
        out = _gather(x, iota, *gathered, key=(ARRAY, *parts))
    else:
        # An index 0 into a new first axis, so that index axes come first here as they do with a batch of x.
        out = _gather(expand(x, (0,)), np.zeros((1,) * (k + 1), np.intp), *gathered, key=(ARRAY, *parts))
    before = _where_arrays_go(parts, ndim)
    return out if not before else moveaxis(out, list(range(1, 1 + k)), list(range(1 + before, 1 + before + k)))


@primitive(
    derivative=[
        Pair(
            jvp=lambda t, indices, key: _gather(t, *indices, key=key),
            vjp=lambda g, indices, key, in_shape: Scatter(g, indices, key, in_shape),
        ),
        zero,
    ],
    aval=lambda x, *indices, key: Aval(result_shape(x.shape, key, [i.shape for i in indices]), x.dtype),
    batch=_gather_batch,
    lower=View(),
    name="gather",
)
def _gather(x, *indices, key):
    """x[key] for a key with index arrays"""
    return x[rebuild(key, indices)]


def _read(x, indices, key):
    return _gather(x, *indices, key=key) if indices else _index(x, key=key)


def _update_batch(row):
    def batch(args, batched, params):
        x, v, *indices = args
        key = params["key"]
        parts = key if isinstance(key, tuple) else (key,)
        n = next(shape_of(a)[0] for a, b in zip(args, batched, strict=True) if b)
        x_shape = shape_of(x)[batched[0] :]
        if not batched[0]:
            x = broadcast_to(expand(x, (0,)), (n, *x_shape))
        shape = result_shape(x_shape, key, [shape_of(i)[b:] for i, b in zip(indices, batched[2:], strict=True)])
        v_shape = shape_of(v)[batched[1] :]
        if len(v_shape) > len(shape):  # NumPy drops leading axes of length 1 in assignments
            v = reshape(v, (*shape_of(v)[: batched[1]], *v_shape[len(v_shape) - len(shape) :]))
        v = pad_front(v, len(shape) + 1) if batched[1] else v
        if not indices:
            return row()(x, v, key=(slice(None), *parts))
        gathered, k = _align_batch(indices, batched[2:])
        v = broadcast_to(v, (n, *shape))
        before = _where_arrays_go(parts, len(x_shape))
        if before:
            v = moveaxis(v, list(range(1 + before, 1 + before + k)), list(range(1, 1 + k)))
        iota = np.arange(n).reshape(n, *(1,) * k)
        return row()(x, v, iota, *gathered, key=(ARRAY, *parts))

    return batch


def _zeros_like(x):
    return np.zeros(shape_of(x), dtype_of(x))


def _add_at(out, key, indices, v):
    if np.ndim(v):
        extra = np.ndim(v) - len(result_shape(out.shape, key, [np.shape(i) for i in indices]))
        if extra > 0:  # assignment takes values with more axes of length 1 in front, addition does not
            v = np.reshape(v, np.shape(v)[extra:])
    if indices:
        np.add.at(out, rebuild(key, indices), v)
    else:
        out[key] += v
    return out


@primitive(
    derivative=[
        Pair(jvp=lambda t: t, vjp=lambda g: g),
        Pair(
            jvp=lambda t, out, indices, key: _index_add(_zeros_like(out), t, *indices, key=key),
            vjp=lambda g, indices, key, in_shape: sum_to_assigned(_read(g, indices, key), in_shape),
        ),
        zero,
    ],
    aval=lambda x, v, *indices, key: x,
    batch=_update_batch(lambda: _index_add),
    lower=Assemble(),
    name="index_add",
)
def _index_add(x, v, *indices, key):
    """x with v added at key; repeated indices add up."""
    return _add_at(np.array(x), key, indices, v)[()]


def _last_writes(shape, indices, key):
    """Where in x[key] the assignment is the last one to its element: 1, and 0 where a later one overwrites it."""
    if not indices:
        return None
    size = math.prod(result_shape(shape, key, [shape_of(i) for i in indices]))
    ids = np.arange(1, size + 1).reshape(result_shape(shape, key, [shape_of(i) for i in indices]))
    written = _index_set(np.zeros(shape, np.int64), ids, *indices, key=key)
    return _read(written, indices, key) == ids


def _index_set_vjp(g, indices, key, in_shape):
    part = _read(g, indices, key)
    last = _last_writes(shape_of(g), indices, key)
    return sum_to_assigned(part if last is None else part * last, in_shape)


def sum_to_assigned(g, shape):
    """As sum_to, for assignments: NumPy also accepts values with extra leading axes of length 1."""
    if len(shape) > ndim_of(g):
        return reshape(sum_to(g, shape[len(shape) - ndim_of(g) :]), shape)
    return sum_to(g, shape)


@primitive(
    derivative=[
        Pair(
            jvp=lambda t, indices, key: _index_set(t, 0, *indices, key=key),
            vjp=lambda g, indices, key: _index_set(g, 0, *indices, key=key),
        ),
        Pair(
            jvp=lambda t, out, indices, key: _index_set(_zeros_like(out), t, *indices, key=key),
            vjp=lambda g, indices, key, in_shape: _index_set_vjp(g, indices, key, in_shape),
        ),
        zero,
    ],
    aval=lambda x, v, *indices, key: x,
    batch=_update_batch(lambda: _index_set),
    lower=Assemble(),
    name="index_set",
)
def _index_set(x, v, *indices, key):
    """x with the elements at key replaced by v; of repeated indices the last one counts."""
    out = np.array(x)
    out[rebuild(key, indices) if indices else key] = v
    return out[()]


# --- what Tensor and users call -------------------------------------------------------------------------------------


def getitem(x, key):
    """`x[key]` for any array or Tensor and any key that NumPy knows."""
    if type(key) is int:
        return _index(as_value(x), key=key)
    if type(key) is slice:
        return _index(as_value(x), key=_plain_slice(key))
    x, static, indices = parse(key, as_value(x))
    return _read(x, indices, static)


def _as_mask(key):
    """`key` if it is a boolean or one array of booleans, else None."""
    if isinstance(key, (bool, np.bool_)):
        return np.asarray(key)
    return key if isinstance(key, (np.ndarray, Value)) and key.dtype.kind == "b" else None


def _set_where(x, mask, v):
    """x[mask] = v for one number, or one boolean: no element has to be counted, so it works under vmap too."""
    n = ndim_of(mask)
    v = cast(as_value(v), dtype_of(x))
    if n == 0 and ndim_of(v) > ndim_of(x):
        v = reshape(v, shape_of(v)[ndim_of(v) - ndim_of(x) :])
    return where(reshape(mask, (*shape_of(mask), *(1,) * (ndim_of(x) - n))), v, x)


def _values_for(x, v, what, key, indices):
    v = as_value(v)
    shape = result_shape(shape_of(x), key, [shape_of(i) for i in indices])
    have = shape_of(v)
    extra = len(have) - len(shape)
    fits = all(n in (1, m) for n, m in zip(have[::-1], shape[::-1], strict=False))
    fits = fits and all(n == 1 for n in have[: max(extra, 0)])
    if not fits:
        raise ShapeError(
            explain(
                f"{what}: values of shape {have} do not fit a selection of shape {shape}",
                f"array: {dtype_of(x)} {shape_of(x)}",
                help="the values must broadcast to the shape of what is selected",
            )
        )
    if extra > 0:  # a single element too may be written as a vector of one, which NumPy has come to refuse
        v = reshape(v, have[extra:])
    loses = dtype_of(v).kind == "c" and dtype_of(x).kind != "c"
    if loses or (not isinstance(v, np.generic) and dtype_of(v) != dtype_of(x)):
        v = cast(v, dtype_of(x))
    return v


def index_set(x, key, v):
    """A copy of `x` with the elements at `key` replaced by `v`: what `x[key] = v` makes of a Tensor.

    >>> import chainrule as cr
    >>> cr.index_set(np.zeros(3), slice(1, None), 5.0)
    array([0., 5., 5.])
    """
    x = as_value(x)
    mask = _as_mask(key)
    one = mask is not None and (ndim_of(v) == 0 or (ndim_of(mask) == 0 and 0 not in shape_of(v)))
    if one and shape_of(mask) == shape_of(x)[: ndim_of(mask)]:
        return _set_where(x, mask, v)
    whole, static, indices = parse(key, x)
    out = _index_set(whole, _values_for(whole, v, "assignment", static, indices), *indices, key=static)
    return out if whole is x else reshape(out, shape_of(x))


def index_add(x, key, v):
    """A copy of `x` with `v` added at `key`; repeated indices add up (NumPy's `add.at`).

    >>> import chainrule as cr
    >>> cr.index_add(np.zeros(3), [0, 0, 2], 1.0)
    array([2., 0., 1.])
    """
    x = as_value(x)
    whole, static, indices = parse(key, x)
    out = _index_add(whole, _values_for(whole, v, "index_add", static, indices), *indices, key=static)
    return out if whole is x else reshape(out, shape_of(x))


@torch_names
def take(x, indices, axis=None, mode="raise"):
    """Elements of `x` at `indices` along `axis`; without it, of the flattened array.

    `mode` says what indices outside of `x` do: 'raise', 'wrap' around, or 'clip' to the nearest.

    >>> import chainrule as cr
    >>> cr.take([10.0, 20.0, 30.0], [2, 0])
    array([30., 10.])
    """
    x = as_value(x)
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    axis = normalize_axis(axis, ndim_of(x))
    indices = as_value(indices)
    if mode != "raise":
        indices = _within(indices, shape_of(x)[axis], mode)
    return getitem(x, (slice(None),) * axis + (indices,))


def _within(indices, n, mode):
    if mode not in ("wrap", "clip"):
        raise ValueError(f"mode must be one of 'clip', 'raise', or 'wrap' (got {mode!r})")
    return indices % n if mode == "wrap" else clip(indices, 0, n - 1)


def _grids(shape, axis, indices):
    """Index arrays that pair `indices` along `axis` with every position along the other axes."""
    n = len(shape)
    along = [np.arange(m).reshape(*(1,) * d, m, *(1,) * (n - d - 1)) for d, m in enumerate(shape)]
    along[axis] = indices
    return tuple(along)


@torch_names
def take_along_axis(x, indices, axis=-1):
    """For each slice of `x` along `axis`, its elements at the matching slice of `indices` (PyTorch's `gather`).

    >>> import chainrule as cr
    >>> cr.take_along_axis(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1], [0]]), 1)
    array([[2.],
           [3.]])
    """
    x, indices = as_value(x), as_value(indices)
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    axis = normalize_axis(axis, ndim_of(x))
    _check_along("take_along_axis", x, indices)
    return getitem(x, _grids(shape_of(x), axis, indices))


def _check_along(what, x, indices):
    if ndim_of(indices) != ndim_of(x):
        raise ShapeError(
            explain(
                f"{what}: `indices` must have as many axes as `x`",
                f"x: {shape_of(x)}    indices: {shape_of(indices)}",
                help="add an axis of length 1: indices[..., None]",
            )
        )


@torch_names
def put_along_axis(x, indices, values, axis=-1):
    """A copy of `x` where, along `axis`, the elements at `indices` are replaced by `values`.

    >>> import chainrule as cr
    >>> cr.put_along_axis(np.zeros((2, 2)), np.array([[1], [0]]), 5.0, 1)
    array([[0., 5.],
           [5., 0.]])
    """
    x, indices = as_value(x), as_value(indices)
    _check_along("put_along_axis", x, indices)
    return index_set(x, _grids(shape_of(x), normalize_axis(axis, ndim_of(x)), indices), values)


def corner(values, shape):
    """The part of `values` that stands over an array of this shape: what PyTorch scatters may be larger than the indices."""
    larger = ndim_of(values) == len(shape) and any(n > m for n, m in zip(shape_of(values), shape, strict=True))
    return as_value(values)[tuple(map(slice, shape))] if larger else values


@torch_names
def scatter_add(x, axis, indices, values):
    """A copy of `x` where, along `axis`, `values` are added at `indices` (PyTorch's `scatter_add`).

    >>> import chainrule as cr
    >>> cr.scatter_add(np.zeros(3), 0, np.array([0, 0]), np.array([1.0, 2.0]))
    array([3., 0., 0.])
    """
    x, indices = as_value(x), as_value(indices)
    axis = normalize_axis(axis, ndim_of(x))
    return index_add(x, tuple(_grids(shape_of(indices), axis, indices)), corner(values, shape_of(indices)))


@torch_names
def gather(x, axis, indices):
    """As `take_along_axis`, in PyTorch's order of arguments; `indices` may be shorter than `x` along other axes.

    >>> import chainrule as cr
    >>> cr.gather(np.array([[1, 2], [3, 4]]), 1, np.array([[1], [0]]))
    array([[2],
           [3]])
    """
    x, indices = as_value(x), as_value(indices)
    return getitem(x, _grids(shape_of(indices), normalize_axis(axis, ndim_of(x)), indices))


@torch_names
def index_select(x, axis, indices):
    """The entries at these positions along `axis`: `take`, with PyTorch's order of arguments.

    >>> import chainrule as cr
    >>> cr.index_select(np.array([[1, 2], [3, 4]]), 1, [1])
    array([[2],
           [4]])
    """
    return take(x, indices, axis)


def masked_fill(x, mask, value):
    """A copy with `value` where `mask` holds, in the dtype of `x`.

    >>> import chainrule as cr
    >>> cr.masked_fill(np.array([1.0, 2.0]), [True, False], -1)
    array([-1.,  2.])
    """
    return cast(where(mask, value, x), dtype_of(x))


@torch_names
def scatter(x, axis, indices, values):
    """A copy of `x` where, along `axis`, the elements at `indices` are replaced by `values` (PyTorch's `scatter`).

    >>> import chainrule as cr
    >>> cr.scatter(np.zeros(3), 0, np.array([0, 2]), np.array([1.0, 2.0]))
    array([1., 0., 2.])
    """
    x, indices = as_value(x), as_value(indices)
    places = _grids(shape_of(indices), normalize_axis(axis, ndim_of(x)), indices)
    return index_set(x, places, corner(values, shape_of(indices)))


def compress(condition, x, axis=None):
    """The slices of `x` along `axis` where `condition` holds.

    >>> import chainrule as cr
    >>> cr.compress([True, False, True], [1, 2, 3])
    array([1, 3])
    """
    return take(x, nonzero(condition)[0], axis)


class Chosen(NamedTuple):
    """Elements chosen along an axis, and where they stood."""

    values: Any
    indices: Any


def torch_pair(position, keeps_axis=False):
    """Let a function that chooses along `axis` be called as in PyTorch: with `dim` or `keepdim`, it gives (values, indices).

    `position(x, axis, **options)` gives the indices with the axis kept. The derivative goes to the elements chosen, as in
    PyTorch; without `dim` the function is NumPy's, where ties share it.
    """

    def decorate(f):
        numpy_like = torch_names(f)

        @functools.wraps(numpy_like)
        def wrapper(*args, **kwargs):
            if "keepdim" in kwargs and len(args) == 2:  # x.max(1, keepdim=True)
                *rest, kwargs["dim"] = args
                args = tuple(rest)
            if "dim" not in kwargs:
                return numpy_like(*args, **kwargs)
            (x,) = args or (kwargs.pop("input"),)
            dim, keepdim = kwargs.pop("dim"), kwargs.pop("keepdim", False)
            indices = position(x, dim, **kwargs)
            values = take_along_axis(x, indices, dim)
            if keeps_axis or keepdim:
                return Chosen(values, indices)
            return Chosen(squeeze(values, dim), squeeze(indices, dim))

        return wrapper

    return decorate
