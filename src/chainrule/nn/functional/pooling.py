"""Pooling: windows of an array folded to their maximum, mean or norm."""

import math

import numpy as np

from ...core.value import dtype_of, ndim_of, shape_of
from ...errors import ArgumentError, ShapeError, explain
from ...ops import absolute, broadcast_to, concatenate, matmul, moveaxis, power, reshape
from ...ops.convolution import output_sizes
from ...ops.pooling import max_pool, max_pool_select, window_sum
from ...ops.shaping import as_value
from ..windows import as_float, check_places, enter_spatial, per_axis


def _geometry(x, kernel_size, stride, padding, dilation, ceil_mode, ndim, what):
    """The static parameters of the rows: with `ceil_mode`, padding at the end makes room for windows that stand over."""
    sizes = shape_of(x)[-ndim:]
    window = per_axis(kernel_size, ndim, what, "kernel_size")
    stride = window if stride is None or (ndim_of(stride) == 1 and not len(stride)) else per_axis(stride, ndim, what, "stride")
    padding = per_axis(padding, ndim, what, "padding", 0)
    dilation = per_axis(dilation, ndim, what, "dilation")
    if any(2 * p > r for p, r in zip(padding, window, strict=True)):
        raise ArgumentError(
            explain(
                f"{what}: padding must be at most half of the window",
                f"padding: {padding}    kernel_size: {window}",
                help="larger padding would give windows without any element",
            )
        )
    pairs = []
    for n, r, s, p, d in zip(sizes, window, stride, padding, dilation, strict=True):
        after = p
        if ceil_mode:
            places = -(-(n + 2 * p - d * (r - 1) - 1) // s) + 1
            places -= (places - 1) * s >= n + p  # the last window must begin inside
            after = max(p, (places - 1) * s + d * (r - 1) + 1 - n - p)
        pairs.append((p, after))
    params = {"window": window, "stride": stride, "padding": tuple(pairs), "dilation": dilation}
    places = output_sizes(sizes, *params.values())
    check_places(places, sizes, (d * (r - 1) + 1 for r, d in zip(window, dilation, strict=True)), what)
    return params, padding, places


def _spatial(input, ndim, what):
    x = as_value(input)
    enter_spatial(x, ndim, what)
    return x


def pool_max(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices, ndim, what):
    """Maximum over windows of `ndim` spatial axes; the arguments are those of `max_pool2d`."""
    x = _spatial(input, ndim, what)
    params, _, _ = _geometry(x, kernel_size, stride, padding, dilation, ceil_mode, ndim, what)
    out = max_pool(x, **params)
    if not return_indices:
        return out
    sizes = shape_of(x)[-ndim:]
    positions = broadcast_to(np.arange(math.prod(sizes)).reshape(sizes), shape_of(x))
    return out, max_pool_select(positions, x, **params)


def max_pool1d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """Maximum over windows of one spatial axis; see `max_pool2d`.

    >>> import chainrule.nn.functional as F
    >>> F.max_pool1d(np.array([[1.0, 3.0, 2.0, 0.0]]), 2)
    array([[3., 2.]])
    """
    return pool_max(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices, 1, "max_pool1d")


def max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """Maximum over windows of two spatial axes. The derivative goes to the first maximum of each window.

    Parameters
    ----------
    input : array of shape (batch, channels, height, width), or without batch
    kernel_size : int or one per axis, size of the windows
    stride : int or one per axis, distance of windows; by default their size
    padding : int or one per axis, places on both sides that never are the maximum
    dilation : int or one per axis, distance of the elements of a window
    ceil_mode : also take windows that reach beyond the end
    return_indices : also give the position of each maximum in the flattened spatial axes

    Returns
    -------
    array of shape (batch, channels, places, places), or without batch; with `return_indices` also one of int64

    Raises
    ------
    ShapeError
        The input has other axes, or is smaller than the window.
    ArgumentError
        An option does not fit.

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.max_pool2d(np.arange(16.0).reshape(1, 4, 4), 2)
    array([[[ 5.,  7.],
            [13., 15.]]])
    """
    return pool_max(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices, 2, "max_pool2d")


def max_pool3d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """Maximum over windows of three spatial axes; see `max_pool2d`."""
    return pool_max(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices, 3, "max_pool3d")


def _counts(sizes, places, params, padding, include_pad):
    """How many elements each window counts: an array that broadcasts over the result. What `ceil_mode` adds never counts."""
    total = np.ones(())
    for n, m, r, s, p in zip(sizes, places, params["window"], params["stride"], padding, strict=True):
        start = np.arange(m) * s - p
        end = np.minimum(start + r, n + p)
        count = end - start if include_pad else np.minimum(end, n) - np.maximum(start, 0)
        total = total[..., None] * count
    return total


def pool_mean(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, ndim, what):
    """Mean over windows of `ndim` spatial axes; the arguments are those of `avg_pool2d`."""
    x = as_float(_spatial(input, ndim, what))
    params, padding, places = _geometry(x, kernel_size, stride, padding, 1, ceil_mode, ndim, what)
    total = window_sum(x, **params)
    if divisor_override is not None:
        if divisor_override == 0:
            raise ArgumentError(explain(f"{what}: divisor_override must not be 0", help="leave it out for the mean"))
        return total * (1 / divisor_override)
    counts = _counts(shape_of(x)[-ndim:], places, params, padding, count_include_pad)
    if (counts == counts.flat[0]).all():
        return total * (1 / float(counts.flat[0]))
    return total * (1 / counts).astype(x.dtype)


def avg_pool1d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """Mean over windows of one spatial axis; see `avg_pool2d`.

    >>> import chainrule.nn.functional as F
    >>> F.avg_pool1d(np.array([[1.0, 3.0, 2.0, 0.0]]), 2)
    array([[2., 1.]])
    """
    return pool_mean(input, kernel_size, stride, padding, ceil_mode, count_include_pad, None, 1, "avg_pool1d")


def avg_pool2d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
    """Mean over windows of two spatial axes.

    Parameters
    ----------
    input, kernel_size, stride, padding, ceil_mode : as for `max_pool2d`; padding counts as zeros
    count_include_pad : whether the mean counts the padding; False takes the mean of what is inside
    divisor_override : divide the sum of each window by this instead

    Returns
    -------
    array of shape (batch, channels, places, places), or without batch

    Raises
    ------
    ShapeError
        The input has other axes, or is smaller than the window.
    ArgumentError
        An option does not fit.

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.avg_pool2d(np.arange(16.0).reshape(1, 4, 4), 2)
    array([[[ 2.5,  4.5],
            [10.5, 12.5]]])
    """
    return pool_mean(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, 2, "avg_pool2d")


def avg_pool3d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
    """Mean over windows of three spatial axes; see `avg_pool2d`."""
    return pool_mean(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, 3, "avg_pool3d")


def pool_norm(input, norm_type, kernel_size, stride, ceil_mode, ndim, what):
    """`norm_type`-norm over windows of `ndim` spatial axes."""
    x, norm_type = as_float(_spatial(input, ndim, what)), float(norm_type)
    if math.isinf(norm_type):
        sign = math.copysign(1.0, norm_type)
        return sign * pool_max(sign * absolute(x), kernel_size, stride, 0, 1, ceil_mode, False, ndim, what)
    params, padding, places = _geometry(x, kernel_size, stride, 0, 1, ceil_mode, ndim, what)
    # PyTorch's definition: windows that stand over the end count as if their mean filled them.
    scale = math.prod(params["window"]) / _counts(shape_of(x)[-ndim:], places, params, padding, True)
    total = window_sum(power(x, norm_type), **params)
    total = total if (scale == 1).all() else total * scale.astype(x.dtype)
    return power(total, 1 / norm_type)


def lp_pool1d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """`(sum of x ** norm_type) ** (1 / norm_type)` over windows of one spatial axis."""
    return pool_norm(input, norm_type, kernel_size, stride, ceil_mode, 1, "lp_pool1d")


def lp_pool2d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """`(sum of x ** norm_type) ** (1 / norm_type)` over windows of two spatial axes.

    >>> import chainrule.nn.functional as F
    >>> F.lp_pool2d(np.array([[[3.0, 4.0]]]), 2, (1, 2))
    array([[[5.]]])
    """
    return pool_norm(input, norm_type, kernel_size, stride, ceil_mode, 2, "lp_pool2d")


def lp_pool3d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """`(sum of x ** norm_type) ** (1 / norm_type)` over windows of three spatial axes."""
    return pool_norm(input, norm_type, kernel_size, stride, ceil_mode, 3, "lp_pool3d")


# --- results of a given size ------------------------------------------------------------------------------------------


def _targets(x, output_size, ndim, what):
    """Sizes of the result; None keeps that of the input."""
    sizes = shape_of(x)[-ndim:]
    if output_size is None or isinstance(output_size, (int, np.integer)):
        output_size = (output_size,) * ndim
    if len(output_size) != ndim or any(o is not None and o < 1 for o in output_size) or 0 in sizes:
        raise ShapeError(
            explain(
                f"{what}: `output_size` must be a positive integer or None, or {ndim} of them, and the input not empty",
                f"output_size: {output_size}    input: {shape_of(x)}",
                help="None keeps the size of the input along that axis",
            )
        )
    return tuple(n if o is None else int(o) for n, o in zip(sizes, output_size, strict=True))


def _parts(n, out):
    """Where the `out` windows over `n` elements begin and end: as equal as can be, overlapping where they must."""
    return [(i * n // out, -(-(i + 1) * n // out)) for i in range(out)]


def pool_mean_to(input, output_size, ndim, what):
    """Mean over windows such that the result has size `output_size`."""
    x = as_float(_spatial(input, ndim, what))
    targets, sizes = _targets(x, output_size, ndim, what), shape_of(x)[-ndim:]
    if all(n % o == 0 for n, o in zip(sizes, targets, strict=True)):
        window = tuple(n // o for n, o in zip(sizes, targets, strict=True))
        return pool_mean(x, window, window, 0, False, True, None, ndim, what)
    for axis, (n, o) in enumerate(zip(sizes, targets, strict=True), -ndim):
        if n != o:
            means = np.zeros((n, o), dtype_of(x))
            for i, (a, b) in enumerate(_parts(n, o)):
                means[a:b, i] = 1 / (b - a)
            x = moveaxis(matmul(moveaxis(x, axis, -1), means), -1, axis)
    return x


def pool_max_to(input, output_size, return_indices, ndim, what):
    """Maximum over windows such that the result has size `output_size`."""
    x = _spatial(input, ndim, what)
    targets, sizes = _targets(x, output_size, ndim, what), shape_of(x)[-ndim:]
    if all(n % o == 0 for n, o in zip(sizes, targets, strict=True)):
        window = tuple(n // o for n, o in zip(sizes, targets, strict=True))
        return pool_max(x, window, window, 0, 1, False, return_indices, ndim, what)
    positions = broadcast_to(np.arange(math.prod(sizes)).reshape(sizes), shape_of(x))
    parts = [_parts(n, o) for n, o in zip(sizes, targets, strict=True)]
    found, indices = [], []
    for at in np.ndindex(*targets):
        ends = [p[i] for p, i in zip(parts, at, strict=True)]
        key, window = (..., *(slice(a, b) for a, b in ends)), tuple(b - a for a, b in ends)
        params = {"window": window, "stride": window, "padding": ((0, 0),) * ndim, "dilation": (1,) * ndim}
        found.append(max_pool(x[key], **params))
        if return_indices:
            indices.append(max_pool_select(positions[key], x[key], **params))
    shape = (*shape_of(x)[:-ndim], *targets)

    def joined(pieces):
        return reshape(concatenate([reshape(p, (*shape[:-ndim], 1)) for p in pieces], -1), shape)

    return (joined(found), joined(indices)) if return_indices else joined(found)


def adaptive_avg_pool1d(input, output_size):
    """Mean over as many windows of one spatial axis as the result is to have; see `adaptive_avg_pool2d`."""
    return pool_mean_to(input, output_size, 1, "adaptive_avg_pool1d")


def adaptive_avg_pool2d(input, output_size):
    """Mean over windows of two spatial axes, chosen so that the result has size `output_size`.

    Parameters
    ----------
    input : array of shape (batch, channels, height, width), or without batch
    output_size : int, or one per axis; None keeps the size of the input. Place i of m stands for the elements from
        floor(i * n / m) to ceil((i + 1) * n / m) of n

    Raises
    ------
    ShapeError
        The input has other axes or is empty, or `output_size` is not positive.

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.adaptive_avg_pool2d(np.arange(6.0).reshape(1, 2, 3), (1, 2))
    array([[[2., 3.]]])
    """
    return pool_mean_to(input, output_size, 2, "adaptive_avg_pool2d")


def adaptive_avg_pool3d(input, output_size):
    """Mean over as many windows of three spatial axes as the result is to have; see `adaptive_avg_pool2d`."""
    return pool_mean_to(input, output_size, 3, "adaptive_avg_pool3d")


def adaptive_max_pool1d(input, output_size, return_indices=False):
    """Maximum over as many windows of one spatial axis as the result is to have; see `adaptive_avg_pool2d`."""
    return pool_max_to(input, output_size, return_indices, 1, "adaptive_max_pool1d")


def adaptive_max_pool2d(input, output_size, return_indices=False):
    """Maximum over windows of two spatial axes, chosen as for `adaptive_avg_pool2d`.

    >>> import chainrule.nn.functional as F
    >>> F.adaptive_max_pool2d(np.arange(6.0).reshape(1, 2, 3), (1, 2))
    array([[[4., 5.]]])
    """
    return pool_max_to(input, output_size, return_indices, 2, "adaptive_max_pool2d")


def adaptive_max_pool3d(input, output_size, return_indices=False):
    """Maximum over as many windows of three spatial axes as the result is to have; see `adaptive_avg_pool2d`."""
    return pool_max_to(input, output_size, return_indices, 3, "adaptive_max_pool3d")
