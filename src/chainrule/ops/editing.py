"""Arrays with elements put in, taken out, chosen or laid out anew: compositions without rows of their own."""

import builtins
import itertools

import numpy as np

from ..core.value import Value, dtype_of, ndim_of, shape_of, size_of
from ..errors import ShapeError, explain
from .arranging import diag, diff
from .elementwise import where
from .indexing import getitem, nonzero, take
from .joining import concatenate, stack
from .shaping import (
    as_shape,
    as_value,
    broadcast_to,
    cast,
    duplicate,
    moveaxis,
    normalize_axes,
    normalize_axis,
    reshape,
    transpose,
)
from .sorting import argsort, sort


def _along(x, axis):
    x = as_value(x)
    return (reshape(x, (-1,)), 0) if axis is None else (x, normalize_axis(axis, ndim_of(x)))


def _plain_places(obj):
    """Positions as NumPy takes them: which elements a result has is no matter of derivatives."""
    return np.asarray(obj) if isinstance(obj, Value) else obj


def insert(x, obj, values, axis=None):
    """`x` with `values` inserted before the positions `obj` along `axis`; without it, into the flattened array.

    >>> import chainrule as cr
    >>> cr.insert([1.0, 2.0, 3.0], 1, 9.0)
    array([1., 9., 2., 3.])
    """
    x, axis = _along(x, axis)
    shape, obj = shape_of(x), _plain_places(obj)
    values = cast(as_value(values), dtype_of(x))
    values = reshape(values, (*(1,) * (ndim_of(x) - ndim_of(values)), *shape_of(values)))
    places = np.asarray(obj) if not isinstance(obj, slice) else np.arange(shape[axis])[obj]
    if places.ndim == 0:  # one place for all slices of `values`, which stand along their first axis
        values = moveaxis(values, 0, axis)
    count = shape_of(values)[axis] if places.size == 1 and places.dtype.kind != "b" else None
    if count is None:
        count = int(places.sum()) if places.dtype.kind == "b" else places.size
    order = np.insert(np.arange(shape[axis]), obj, shape[axis] + np.arange(count))
    values = broadcast_to(values, (*shape[:axis], count, *shape[axis + 1 :]))
    return take(concatenate([x, values], axis), order, axis)


def delete(x, obj, axis=None):
    """`x` without the elements at `obj` along `axis`; without it, of the flattened array.

    >>> import chainrule as cr
    >>> cr.delete([1.0, 2.0, 3.0], 1)
    array([1., 3.])
    """
    x, axis = _along(x, axis)
    return take(x, np.delete(np.arange(shape_of(x)[axis]), _plain_places(obj)), axis)


def resize(x, new_shape):
    """The elements of `x` in another shape, repeated from the start as often as needed.

    >>> import chainrule as cr
    >>> cr.resize([1, 2, 3], (2, 2))
    array([[1, 2],
           [3, 1]])
    """
    shape = as_shape(new_shape)
    if builtins.any(n < 0 for n in shape):
        raise ValueError("all elements of `new_shape` must be non-negative")
    x = reshape(as_value(x), (-1,))
    total = int(np.prod(shape, dtype=int))
    if size_of(x) == 0:
        return np.zeros(shape, dtype_of(x))
    return reshape(duplicate(x) if total == size_of(x) else take(x, np.arange(total) % size_of(x), 0), shape)


def trim_zeros(x, trim="fb", axis=None):
    """`x` without the zeros at the front (`f` in `trim`) and the back (`b`) of its axes, or of those named.

    >>> import chainrule as cr
    >>> cr.trim_zeros([0.0, 1.0, 0.0, 2.0, 0.0])
    array([1., 0., 2.])
    """
    x = as_value(x)
    trim = trim.lower()
    if trim not in ("fb", "bf", "f", "b"):
        raise ValueError(f"unexpected character(s) in `trim`: {trim!r}")
    if ndim_of(x) == 0:
        return x
    axes = normalize_axes(axis, ndim_of(x))
    places = nonzero(x)
    key = [slice(None)] * ndim_of(x)
    for a in axes:
        n = shape_of(x)[a]
        if size_of(places[a]) == 0:  # nothing is left, wherever one starts
            key[a] = slice(n, None) if "f" in trim else slice(0, 0)
            continue
        key[a] = slice(int(places[a].min()) if "f" in trim else 0, int(places[a].max()) + 1 if "b" in trim else n)
    return x[tuple(key)]


def ediff1d(x, to_end=None, to_begin=None):
    """Differences between neighbours in the flattened array, with `to_begin` before them and `to_end` after them.

    >>> import chainrule as cr
    >>> cr.ediff1d([1.0, 4.0, 9.0], to_end=0.0)
    array([3., 5., 0.])
    """
    d = diff(reshape(as_value(x), (-1,)))
    for name, end in (("to_begin", to_begin), ("to_end", to_end)):
        if end is not None and not np.can_cast(dtype_of(as_value(end)), dtype_of(d), "same_kind"):
            raise TypeError(
                explain(
                    f"ediff1d: dtype of `{name}` must be compatible with that of `x` under the `same_kind` rule",
                    f"x: {dtype_of(d)}    {name}: {dtype_of(as_value(end))}",
                    help="make `x` floating point",
                )
            )
    ends = [reshape(cast(as_value(v), dtype_of(d)), (-1,)) if v is not None else None for v in (to_begin, to_end)]
    return concatenate([v for v in (ends[0], d, ends[1]) if v is not None])


def block(arrays):
    """An array from nested lists of blocks: the innermost lists are joined along the last axis, and so on outwards.

    >>> import chainrule as cr
    >>> cr.block([[np.eye(1), np.zeros((1, 1))], [np.ones((1, 2))]])
    array([[1., 0.],
           [1., 1.]])
    """
    depth = _depth(arrays, ())
    most = builtins.max((ndim_of(x) for x in _leaves(arrays)), default=0)
    return duplicate(as_value(arrays)) if depth == 0 else _joined(arrays, depth, builtins.max(depth, most), 0)


def _leaves(arrays):
    if isinstance(arrays, list):
        for x in arrays:
            yield from _leaves(x)
    else:
        yield arrays


def _depth(arrays, path):
    if isinstance(arrays, tuple):
        raise TypeError(f"arrays{_at(path)} is a tuple. Only lists can be used to arrange blocks")
    if not isinstance(arrays, list):
        return 0
    if not arrays:
        raise ValueError(f"List at arrays{_at(path)} cannot be empty")
    depths = {_depth(x, (*path, i)) for i, x in enumerate(arrays)}
    if len(depths) != 1:
        raise ValueError(f"List depths are mismatched: the lists in arrays{_at(path)} have depths {sorted(depths)}")
    return 1 + depths.pop()


def _at(path):
    return "".join(f"[{i}]" for i in path)


def _joined(arrays, depth, ndim, level):
    if level == depth:
        x = as_value(arrays)
        return reshape(x, (*(1,) * (ndim - ndim_of(x)), *shape_of(x)))
    return concatenate([_joined(x, depth, ndim, level + 1) for x in arrays], ndim - depth + level)


def diagflat(v, k=0):
    """A matrix with the flattened `v` on its `k`-th diagonal.

    >>> import chainrule as cr
    >>> cr.diagflat([[1.0, 2.0]])
    array([[1., 0.],
           [0., 2.]])
    """
    return diag(reshape(as_value(v), (-1,)), k)


def extract(condition, x):
    """The elements of the flattened `x` where the flattened `condition` holds.

    >>> import chainrule as cr
    >>> cr.extract([True, False, True], [1, 2, 3])
    array([1, 3])
    """
    return take(reshape(as_value(x), (-1,)), nonzero(reshape(as_value(condition), (-1,)))[0])


def choose(a, choices, mode="raise"):
    """For each whole number in `a`, the element of the choice of that number at the same place; all broadcast.

    `mode` says what numbers outside of the choices do: 'raise', 'wrap' around, or 'clip' to the nearest.

    >>> import chainrule as cr
    >>> cr.choose([1, 0], [[10.0, 20.0], [30.0, 40.0]])
    array([30., 20.])
    """
    a, choices = as_value(a), [as_value(c) for c in choices]
    n = len(choices)
    if mode == "raise":
        if bool(((a < 0) | (a >= n)).any()):
            raise ValueError("invalid entry in choice array")
    elif mode == "wrap":
        a = a % n
    elif mode != "clip":
        raise ValueError(f"mode must be one of 'clip', 'raise', or 'wrap' (got {mode!r})")
    shape = np.broadcast_shapes(shape_of(a), *map(shape_of, choices))
    kind = np.result_type(*map(dtype_of, choices))
    out = broadcast_to(cast(choices[-1], kind), shape)
    for k in range(n - 2, -1, -1):  # what is below the first counts as the first, above the last as the last
        out = where(a <= k, cast(choices[k], kind), out)
    return duplicate(out) if n == 1 else out


def argwhere(x):
    """The places of the elements that are not zero, one row each.

    >>> import chainrule as cr
    >>> cr.argwhere([[0, 1], [2, 0]])
    array([[0, 1],
           [1, 0]])
    """
    x = as_value(x)
    if ndim_of(x) == 0:
        return argwhere(reshape(x, (1,)))[:, :0]
    return transpose(stack(nonzero(x)))


def flatnonzero(x):
    """The places in the flattened array of the elements that are not zero.

    >>> import chainrule as cr
    >>> cr.flatnonzero([[0, 1], [2, 0]])
    array([1, 2])
    """
    return nonzero(reshape(as_value(x), (-1,)))[0]


def ix_(*args):
    """Index arrays that choose, together, the rectangle of the given places along each axis.

    >>> import chainrule as cr
    >>> [i.shape for i in cr.ix_([0, 2], [1, 2, 3])]
    [(2, 1), (1, 3)]
    """
    found = []
    for k, places in enumerate(args):
        places = as_value(places)
        if ndim_of(places) != 1:
            raise ValueError("Cross index must be 1 dimensional")
        if dtype_of(places).kind == "b":
            places = nonzero(places)[0]
        elif size_of(places) == 0:
            places = cast(places, np.dtype(np.intp))
        found.append(reshape(places, (*(1,) * k, -1, *(1,) * (len(args) - k - 1))))
    return tuple(found)


def sort_complex(x):
    """`x` in ascending order by real part, then by imaginary part, as complex numbers.

    >>> import chainrule as cr
    >>> cr.sort_complex([3.0, 1.0])
    array([1.+0.j, 3.+0.j])
    """
    x = sort(as_value(x), -1)
    if dtype_of(x).kind != "c":  # as NumPy, which keeps to single precision for the smallest integers only
        x = cast(x, np.dtype(np.complex64 if dtype_of(x).kind in "iu" and dtype_of(x).itemsize < 4 else complex))
    return x


def lexsort(keys, axis=-1):
    """Indices that sort by the last of `keys`, where that is equal by the one before, and so on.

    >>> import chainrule as cr
    >>> cr.lexsort([[3, 1, 2], [0, 1, 0]])
    array([2, 0, 1])
    """
    keys = [as_value(k) for k in keys]
    if not keys:
        raise TypeError("need sequence of keys with len > 0 in lexsort")
    if len({shape_of(k) for k in keys}) != 1:
        found = ", ".join(str(shape_of(k)) for k in keys)
        raise ShapeError(explain("lexsort: all keys must have one shape", f"shapes: {found}", help="broadcast them first"))
    if ndim_of(keys[0]) == 0:
        return np.zeros((), np.intp)[()]
    axis = normalize_axis(axis, ndim_of(keys[0]))
    order = argsort(moveaxis(keys[0], axis, -1), -1)
    for key in keys[1:]:
        key = moveaxis(key, axis, -1)
        order = _picked(order, argsort(_picked(key, order), -1))
    return moveaxis(order, -1, axis)


def _picked(x, order):
    """Elements of `x` along its last axis in this order."""
    if ndim_of(x) == 1:
        return getitem(x, order)
    grid = np.ix_(*(np.arange(n) for n in shape_of(x)[:-1]))
    return getitem(x, (*(g[..., None] for g in grid), order))


def sliding_window_view(x, window_shape, axis=None):
    """All windows of this shape in `x`, along `axis` (default all), as additional axes at the end.

    >>> import chainrule as cr
    >>> np.lib.stride_tricks.sliding_window_view(cr.tensor([1.0, 2.0, 3.0]), 2)
    tensor([[1., 2.],
            [2., 3.]])
    """
    x = as_value(x)
    sizes = tuple(window_shape) if hasattr(window_shape, "__iter__") else (window_shape,)
    axes = tuple(range(ndim_of(x))) if axis is None else tuple(axis) if hasattr(axis, "__iter__") else (axis,)
    axes = tuple(normalize_axis(a, ndim_of(x)) for a in axes)
    if len(sizes) != len(axes):
        raise ValueError(f"Must provide one window length for each axis: window_shape {sizes}, axis {axes}")
    if builtins.any(w < 0 for w in sizes):
        raise ValueError("`window_shape` cannot contain negative values")
    for a, w in zip(axes, sizes, strict=True):
        n = shape_of(x)[a] - w + 1
        if n < 1:
            raise ValueError("window shape cannot be larger than input array shape")
        x = moveaxis(take(x, np.arange(n)[:, None] + np.arange(w), a), a + 1, -1)
    return x


class Joiner:
    """What `r_` and `c_` are: arrays and slices in square brackets, joined along an axis.

    As NumPy's, whose own makes arrays of its entries before they can say that they are Tensors.
    """

    def __init__(self, axis=0, ndmin=1, trans1d=-1):
        self.axis, self.ndmin, self.trans1d = axis, ndmin, trans1d

    def __getitem__(self, key):
        parts = key if isinstance(key, tuple) else (key,)
        axis, ndmin, trans1d = self.axis, self.ndmin, self.trans1d
        if parts and isinstance(parts[0], str):
            axis, ndmin, trans1d = self._directive(parts[0])
            parts = parts[1:]
        if not builtins.any(isinstance(p, Value) for p in parts):
            return np.lib._index_tricks_impl.AxisConcatenator(axis, False, ndmin, trans1d)[tuple(parts)]
        return concatenate([self._entry(p, ndmin, trans1d) for p in parts], axis)

    def _directive(self, text):
        if text in ("r", "c"):
            raise NotImplementedError("np.matrix results ('r', 'c') are not supported; leave the letter out")
        numbers = [int(n) for n in text.split(",")]
        return tuple(itertools.chain(numbers, (self.axis, self.ndmin, self.trans1d)[len(numbers) :]))

    @staticmethod
    def _entry(part, ndmin, trans1d):
        x = as_value(np.r_[part] if isinstance(part, slice) else part)
        have = ndim_of(x)
        if have >= ndmin:
            return x
        x = reshape(x, (*(1,) * (ndmin - have), *shape_of(x)))
        if have == 0 or trans1d == -1:
            return x
        # The axes of `x` stand where the directive says, those of length 1 around them.
        first = trans1d if trans1d >= 0 else trans1d + ndmin - have + 1
        own = list(range(ndmin - have, ndmin))
        rest = list(range(ndmin - have))
        return transpose(x, (*rest[:first], *own, *rest[first:]))


r_ = Joiner()
c_ = Joiner(-1, 2, 0)
