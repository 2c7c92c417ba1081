"""PyTorch's functions that count and group equal values, and one that looks at memory."""

from typing import Any, NamedTuple

import numpy as np

from ..core.value import Value, dtype_of, ndim_of, shape_of
from ..errors import ArgumentError, explain
from ..ops import indexing, shaping
from ..ops.counting import histogram
from ..ops.shaping import as_value, normalize_axis

__all__ = ["as_strided", "histc", "mode", "unique_consecutive"]


class Mode(NamedTuple):
    """What `mode` gives."""

    values: Any
    indices: Any


def _plain(x):
    """The values of `x`, which decide the shape of the result or where it comes from."""
    x = as_value(x)
    return np.asarray(x.detach() if hasattr(x, "detach") else x)


def histc(input, bins=100, min=0, max=0):
    """How many elements lie in each of `bins` equal intervals from `min` to `max`; of 0 and 0, those of the values themselves.

    >>> import chainrule as cr
    >>> cr.histc(np.array([1.0, 2.0, 1.0]), bins=4, min=0, max=3)
    array([0., 2., 1., 0.])
    """
    x = as_value(input)
    if min == 0 == max and _plain(x).size:
        min, max = _plain(x).min(), _plain(x).max()
    if min == max:
        min, max = min - 1, max + 1
    if not min < max or bins < 1:
        raise ArgumentError(
            explain("histc: max must be above min, and bins positive", f"found: {min}, {max}, {bins}", help="give both")
        )
    return shaping.cast(histogram(shaping.reshape(x, (-1,)), bins, (min, max))[0], dtype_of(x))


def mode(input, dim=-1, keepdim=False):
    """The most frequent value along an axis, of several the smallest, and where it last occurs; derivatives flow to that place.

    >>> import chainrule as cr
    >>> cr.mode(np.array([3.0, 1.0, 3.0, 2.0]))
    Mode(values=array(3.), indices=array(2))
    """
    x = as_value(input)
    if not ndim_of(x):
        return mode(shaping.reshape(x, (1,)))
    axis = normalize_axis(dim, ndim_of(x))
    values = np.moveaxis(_plain(x), axis, -1)
    equal = values[..., :, None] == values[..., None, :]
    often = equal.sum(-1)
    best = np.where(
        often == often.max(-1, keepdims=True), values, np.inf if values.dtype.kind == "f" else np.iinfo(values.dtype).max
    )
    chosen = values == best.min(-1, keepdims=True)
    n = values.shape[-1]
    places = np.expand_dims(n - 1 - np.argmax(chosen[..., ::-1], -1), axis)
    found = indexing.take_along_axis(x, places, axis)
    if not keepdim:
        found, places = shaping.squeeze(found, axis), np.squeeze(places, axis)
    return Mode(found, input.owner.constant(places) if isinstance(input, Value) else places)


def unique_consecutive(input, return_inverse=False, return_counts=False, dim=None):
    """The elements without those that equal the one before them, flattened, or slices along `dim`.

    Returns
    -------
    array; with return_inverse also which of them each element belongs to, with return_counts also how many each stands for

    >>> import chainrule as cr
    >>> cr.unique_consecutive(np.array([1, 1, 2, 1]), return_counts=True)
    (array([1, 2, 1]), array([2, 1, 1]))
    """
    x = as_value(input)
    flat = shaping.reshape(x, (-1,)) if dim is None else x
    axis = 0 if dim is None else normalize_axis(dim, ndim_of(x))
    values = np.moveaxis(_plain(flat), axis, 0)
    differs = (values[1:] != values[:-1]).any(axis=tuple(range(1, values.ndim)))
    starts = np.flatnonzero(np.r_[True, differs]) if len(values) else np.zeros(0, int)
    out: list[Any] = [indexing.take(flat, starts, axis)]
    inverse = np.cumsum(np.r_[False, differs]) if len(values) else np.zeros(0, int)
    if return_inverse:
        out.append(inverse.reshape(shape_of(x)) if dim is None else inverse)
    if return_counts:
        out.append(np.diff(np.r_[starts, len(values)]))
    if isinstance(input, Value):
        out[1:] = map(input.owner.constant, out[1:])
    return out[0] if len(out) == 1 else tuple(out)


def as_strided(input, size, stride, storage_offset=0):
    """The elements that stand in memory at `storage_offset` and steps of `stride` from there, as if `input` stood compactly.

    A copy, through which derivatives flow; PyTorch gives a view.

    >>> import chainrule as cr
    >>> cr.as_strided(np.arange(6.0), (2, 2), (2, 1), 1)
    array([[1., 2.],
           [3., 4.]])
    """
    x = as_value(input)
    places = np.asarray(storage_offset or 0)
    for n, step in zip(size, stride, strict=True):
        places = places[..., None] + np.arange(n) * step
    total = int(np.prod(shape_of(x)))
    if places.size and not 0 <= places.min() <= places.max() < total:
        found = f"elements: {total}    size: {tuple(size)}    stride: {tuple(stride)}    storage_offset: {storage_offset}"
        raise ArgumentError(explain("as_strided: reaches beyond the array", found, help="strides count elements"))
    return indexing.take(shaping.reshape(x, (-1,)), places)
