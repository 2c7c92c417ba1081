"""The way back from maximum pooling, and pooling over windows of random size."""

import math

import numpy as np

from ...core.value import Value, dtype_of, ndim_of, shape_of
from ...errors import ArgumentError, ShapeError, explain
from ...ops import argmax, put_along_axis, reshape, take_along_axis
from ...ops.shaping import as_value, broadcast_to, cast, expand
from ...random import default_generator
from ..errors import IndexRangeError
from ..windows import enter_spatial, leave_spatial, per_axis

# --- max_unpool -------------------------------------------------------------------------------------------------------


def unpool(input, indices, kernel_size, stride, padding, output_size, ndim, what):
    """The transpose of maximum pooling over `ndim` spatial axes; the arguments are those of `max_unpool2d`."""
    x, indices = as_value(input), as_value(indices)
    window = per_axis(kernel_size, ndim, what, "kernel_size")
    stride = window if stride is None or (ndim_of(stride) and not len(stride)) else per_axis(stride, ndim, what, "stride")
    padding = per_axis(padding, ndim, what, "padding", 0)
    x, batched = enter_spatial(x, ndim, what)
    if shape_of(indices)[-ndim - 1 :] != shape_of(x)[1:] or dtype_of(indices).kind not in "iu":
        raise ShapeError(
            explain(
                f"{what}: an index for each element of the input",
                f"input: {shape_of(x)}    indices: {dtype_of(indices)} {shape_of(indices)}",
                help="max_pool with return_indices=True gives them",
            )
        )
    sizes = _unpooled(shape_of(x)[2:], window, stride, padding, output_size, ndim, what)
    size = math.prod(sizes)
    flat = reshape(indices, (*shape_of(x)[:2], -1))
    if not isinstance(flat, Value) and flat.size and not (flat.min() >= 0 and flat.max() < size):
        raise IndexRangeError(
            explain(f"{what}: an index is outside of the result", f"result: {sizes}", help="give the output_size too")
        )
    empty = np.zeros((*shape_of(x)[:2], size), dtype_of(x))
    out = put_along_axis(empty, flat, reshape(x, shape_of(flat)), -1)
    return leave_spatial(reshape(out, (*shape_of(x)[:2], *sizes)), batched)


def _unpooled(places, window, stride, padding, output_size, ndim, what):
    usual = tuple((n - 1) * s - 2 * p + r for n, r, s, p in zip(places, window, stride, padding, strict=True))
    if output_size is None:
        return usual
    sizes = tuple(int(n) for n in output_size)[-ndim:]
    if len(sizes) != ndim or any(not u - s < n < u + s for n, u, s in zip(sizes, usual, stride, strict=True)):
        raise ShapeError(
            explain(
                f"{what}: `output_size` does not fit the input",
                f"output_size: {tuple(output_size)}    expected: {usual}, each less than a stride more or less",
                help="give the shape of what was pooled",
            )
        )
    return sizes


def max_unpool1d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Maxima put back to where they were along one spatial axis; see `max_unpool2d`."""
    return unpool(input, indices, kernel_size, stride, padding, output_size, 1, "max_unpool1d")


def max_unpool2d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Maxima put back to where they were, zeros elsewhere.

    Parameters
    ----------
    input : array of shape (batch, channels, height, width), or without batch
    indices : integers of that shape, from `max_pool2d` with return_indices=True. Where several name one place, one of their
        elements stands there
    kernel_size, stride, padding : those of `max_pool2d`
    output_size : shape of what was pooled, where the others leave that open

    Raises
    ------
    ShapeError
        Input, indices and sizes do not fit each other.
    IndexRangeError
        An index is outside of the result.

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> values, indices = F.max_pool2d(np.array([[[1.0, 2.0], [4.0, 3.0]]]), 2, return_indices=True)
    >>> F.max_unpool2d(values, indices, 2)
    array([[[0., 0.],
            [4., 0.]]])
    """
    return unpool(input, indices, kernel_size, stride, padding, output_size, 2, "max_unpool2d")


def max_unpool3d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Maxima put back to where they were along three spatial axes; see `max_unpool2d`."""
    return unpool(input, indices, kernel_size, stride, padding, output_size, 3, "max_unpool3d")


# --- windows of random size -------------------------------------------------------------------------------------------


def _starts(u, n, m, window):
    """Where `m` windows over `n` elements begin: random steps of which each is one of two neighbouring lengths."""
    if m == 1:
        return np.full((*shape_of(u), 1), n - window)
    step = (n - window) / (m - 1)
    places = cast((expand(u, (ndim_of(u),)) + np.arange(m)) * step, np.dtype(np.int64))
    starts = places - cast(expand(u, (ndim_of(u),)) * step, np.dtype(np.int64))
    last = np.arange(m) == m - 1  # the last window reaches to the end
    return starts * ~last + (n - window) * last


def pool_fractional(input, kernel_size, output_size, output_ratio, return_indices, _random_samples, ndim, what):
    """Maximum over windows at random distances; the arguments are those of `fractional_max_pool2d`."""
    x, batched = enter_spatial(input, ndim, what)
    window = per_axis(kernel_size, ndim, what, "kernel_size")
    sizes = shape_of(x)[2:]
    if (output_size is None) == (output_ratio is None):
        raise ArgumentError(
            explain(f"{what}: give either `output_size` or `output_ratio`", help="a ratio is of sizes of result and input")
        )
    if output_size is None:
        ratios = (output_ratio,) * ndim if ndim_of(output_ratio) == 0 else tuple(output_ratio)
        targets = tuple(int(n * r) for n, r in zip(sizes, ratios, strict=True))
    else:
        targets = per_axis(output_size, ndim, what, "output_size")
    if any(m < 1 or m + r - 1 > n for n, m, r in zip(sizes, targets, window, strict=True)):
        raise ShapeError(
            explain(
                f"{what}: so many windows do not fit into the input",
                f"input: {sizes}    result: {targets}    kernel_size: {window}",
                help="use a smaller window or a smaller result",
            )
        )
    lead = shape_of(x)[:2]
    u = default_generator.random((*lead, ndim)) if _random_samples is None else as_value(_random_samples)[: lead[0]]
    index = [
        expand(_starts(u[..., 1 - d if ndim == 2 else d], n, m, r), (3,)) + np.arange(r)  # PyTorch's order
        for d, (n, m, r) in enumerate(zip(sizes, targets, window, strict=True))
    ]  # (batch, channels, places, window), an array per axis
    whole = (*lead, *targets, *window)
    flat = 0
    for d, (i, n) in enumerate(zip(index, sizes, strict=True)):
        own = [1] * (2 * ndim)
        own[d], own[ndim + d] = targets[d], window[d]
        flat = flat * n + reshape(i, (*lead, *own))
    flat = reshape(broadcast_to(flat, whole), (*lead, *targets, math.prod(window)))
    places = reshape(flat, (*lead, -1))
    values = reshape(take_along_axis(reshape(x, (*lead, -1)), places, -1), shape_of(flat))
    best = argmax(values, -1, keepdims=True)
    out = leave_spatial(take_along_axis(values, best, -1)[..., 0], batched)
    return (out, leave_spatial(take_along_axis(flat, best, -1)[..., 0], batched)) if return_indices else out


def fractional_max_pool2d(input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None):
    """Maximum over windows of two spatial axes at random distances (Graham, "Fractional max-pooling", 2014).

    Parameters
    ----------
    input : array of shape (batch, channels, height, width), or without batch
    kernel_size : int or one per axis, size of the windows
    output_size : int or one per axis, sizes of the result
    output_ratio : number or one per axis, these sizes as parts of those of the input, instead of `output_size`
    return_indices : also give the position of each maximum in the flattened spatial axes

    Notes
    -----
    The distances are drawn from the default generator (`cr.manual_seed`), for each image and channel.

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.fractional_max_pool2d(np.zeros((1, 1, 7, 9)), 2, output_ratio=0.5).shape
    (1, 1, 3, 4)
    """
    options = (kernel_size, output_size, output_ratio, return_indices, _random_samples)
    return pool_fractional(input, *options, 2, "fractional_max_pool2d")


def fractional_max_pool3d(input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None):
    """Maximum over windows of three spatial axes at random distances; see `fractional_max_pool2d`."""
    options = (kernel_size, output_size, output_ratio, return_indices, _random_samples)
    return pool_fractional(input, *options, 3, "fractional_max_pool3d")
