"""Convolutions, their transposes, and windows as columns."""

import math

import numpy as np

from ...core.value import dtype_of, ndim_of, shape_of
from ...errors import ArgumentError, ShapeError, explain
from ...ops import reshape, stack
from ...ops.convolution import conv, conv_input_grad, output_sizes
from ...ops.shaping import as_value, pad_zeros
from ..windows import check_places, enter_spatial, leave_spatial, per_axis


def _check_weight(weight, ndim, groups, what):
    """`weight`, with an axis for outputs, one for channels and one for each of the kernel's."""
    weight = as_value(weight)
    shape = shape_of(weight)
    if len(shape) != ndim + 2:
        raise ShapeError(
            explain(
                f"{what}: the weight needs {ndim + 2} axes", f"found: {dtype_of(weight)} {shape}", help="two, and the kernel's"
            )
        )
    if not isinstance(groups, (int, np.integer)) or groups < 1 or shape[0] % groups:
        raise ArgumentError(
            explain(
                f"{what}: the first axis of the weight must split into `groups` equal parts",
                f"weight: {shape}    groups: {groups}",
                help="choose numbers of channels that are multiples of groups",
            )
        )
    return weight


def _check_channels(x, channels, weight, groups, what):
    if shape_of(x)[1] != channels:
        raise ShapeError(
            explain(
                f"{what}: the input does not have the channels that the weight was made for",
                f"expected: {channels} channels    found: {shape_of(x)[1]}",
                f"input: {dtype_of(x)} {shape_of(x)}    weight: {dtype_of(weight)} {shape_of(weight)}    groups: {groups}",
                help="channels come before the spatial axes: use moveaxis(x, -1, 1) on images with channels last"
                if shape_of(x)[-1] == channels
                else f"make the layer for {shape_of(x)[1]} channels, or check the input",
            )
        )


def add_bias(out, bias, what):
    """`out` plus one number for each channel, axis 1."""
    if bias is None:
        return out
    channels = shape_of(out)[1]
    if shape_of(bias) != (channels,):
        raise ShapeError(
            explain(
                f"{what}: `bias` needs one number for each output channel",
                f"expected: ({channels},)    found: {shape_of(bias)}",
                help="pass bias=None for none",
            )
        )
    return out + reshape(bias, (channels,) + (1,) * (ndim_of(out) - 2))


def same_padding(kernel, dilation):
    """(before, after) for each axis, so that places equal sizes at stride 1; an odd number goes after."""
    totals = [d * (r - 1) for r, d in zip(kernel, dilation, strict=True)]
    return tuple((t // 2, t - t // 2) for t in totals)


def _padding(padding, kernel, stride, dilation, what):
    if padding == "valid":
        return ((0, 0),) * len(kernel)
    if padding == "same":
        if any(s != 1 for s in stride):
            raise ArgumentError(
                explain(f"{what}: padding='same' needs stride 1", f"stride: {stride}", help="give the padding as numbers")
            )
        return same_padding(kernel, dilation)
    if isinstance(padding, str):
        raise ArgumentError(explain(f"{what}: unknown padding {padding!r}", help="use 'same', 'valid' or numbers"))
    return tuple((p, p) for p in per_axis(padding, len(kernel), what, "padding", 0))


def convolve(input, weight, bias, stride, padding, dilation, groups, ndim, what):
    """Convolution over `ndim` spatial axes; the arguments are those of `conv2d`."""
    x, batched = enter_spatial(input, ndim, what)
    weight = _check_weight(weight, ndim, groups, what)
    _check_channels(x, shape_of(weight)[1] * groups, weight, groups, what)
    sizes, kernel = shape_of(x)[2:], shape_of(weight)[2:]
    stride, dilation = per_axis(stride, ndim, what, "stride"), per_axis(dilation, ndim, what, "dilation")
    padding = _padding(padding, kernel, stride, dilation, what)
    places = output_sizes(sizes, kernel, stride, padding, dilation)
    check_places(places, sizes, (d * (r - 1) + 1 for r, d in zip(kernel, dilation, strict=True)), what)
    out = conv(x, weight, stride=stride, padding=padding, dilation=dilation, groups=int(groups))
    return leave_spatial(add_bias(out, bias, what), batched)


def conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Convolution over one spatial axis; see `conv2d`.

    >>> import chainrule.nn.functional as F
    >>> F.conv1d(np.array([[1.0, 2.0, 4.0]]), np.array([[[-1.0, 1.0]]]))
    array([[1., 2.]])
    """
    return convolve(input, weight, bias, stride, padding, dilation, groups, 1, "conv1d")


def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Convolution over two spatial axes. (As everywhere in deep learning, the kernel is not turned around.)

    Parameters
    ----------
    input : array of shape (batch, channels, height, width), or without batch
    weight : array of shape (outputs, channels / groups, kernel height, kernel width)
    bias : None, or array of shape (outputs,)
    stride : int or one per axis; by how much the kernel moves
    padding : int or one per axis, zeros on both sides; or 'valid' for none, or 'same' to keep the sizes
    dilation : int or one per axis, distance of kernel elements
    groups : parts of the channels that are convolved independently

    Returns
    -------
    array of shape (batch, outputs, places, places), or without batch

    Raises
    ------
    ShapeError
        The input has other axes or channels than the weight needs, or is smaller than the kernel.
    ArgumentError
        An option does not fit.

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.conv2d(np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3)), padding=1)
    array([[[[4., 6., 4.],
             [6., 9., 6.],
             [4., 6., 4.]]]])
    """
    return convolve(input, weight, bias, stride, padding, dilation, groups, 2, "conv2d")


def conv3d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Convolution over three spatial axes; see `conv2d`."""
    return convolve(input, weight, bias, stride, padding, dilation, groups, 3, "conv3d")


def convolve_back(input, weight, bias, stride, padding, output_padding, groups, dilation, ndim, what):
    """Transposed convolution over `ndim` spatial axes; the arguments are those of `conv_transpose2d`."""
    x, batched = enter_spatial(input, ndim, what)
    weight = _check_weight(weight, ndim, groups, what)
    _check_channels(x, shape_of(weight)[0], weight, groups, what)
    stride, dilation = per_axis(stride, ndim, what, "stride"), per_axis(dilation, ndim, what, "dilation")
    padding = per_axis(padding, ndim, what, "padding", 0)
    extra = per_axis(output_padding, ndim, what, "output_padding", 0)
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)):
        raise ArgumentError(
            explain(
                f"{what}: output_padding must be smaller than stride or dilation",
                f"output_padding: {extra}    stride: {stride}    dilation: {dilation}",
                help="pad the result instead",
            )
        )
    places, kernel = shape_of(x)[2:], shape_of(weight)[2:]
    sizes = tuple(
        (n - 1) * s - 2 * p + d * (r - 1) + e + 1
        for n, s, p, d, r, e in zip(places, stride, padding, dilation, kernel, extra, strict=True)
    )
    if min(sizes) < 1:
        raise ShapeError(
            explain(
                f"{what}: nothing would be left of the result",
                f"input: {places}    result: {sizes}",
                help="use less padding, or a larger input",
            )
        )
    pairs = tuple((p, p) for p in padding)
    full = output_sizes(sizes, kernel, stride, pairs, dilation)  # more than places where output_padding reaches the stride
    if full != places:
        x = pad_zeros(x, [(0, 0), (0, 0), *((0, m - n) for m, n in zip(full, places, strict=True))])
    out = conv_input_grad(x, weight, sizes=sizes, stride=stride, padding=pairs, dilation=dilation, groups=int(groups))
    return leave_spatial(add_bias(out, bias, what), batched)


def conv_transpose1d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """Transposed convolution over one spatial axis; see `conv_transpose2d`.

    >>> import chainrule.nn.functional as F
    >>> F.conv_transpose1d(np.array([[1.0, 2.0]]), np.array([[[1.0, 10.0]]]), stride=2)
    array([[ 1., 10.,  2., 20.]])
    """
    return convolve_back(input, weight, bias, stride, padding, output_padding, groups, dilation, 1, "conv_transpose1d")


def conv_transpose2d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """Transposed convolution over two spatial axes: what `conv2d` does to gradients of its input, here as a layer.

    Parameters
    ----------
    input : array of shape (batch, channels, height, width), or without batch
    weight : array of shape (channels, outputs / groups, kernel height, kernel width)
    bias : None, or array of shape (outputs,)
    stride, padding, dilation, groups : of the convolution that this is the transpose of
    output_padding : int or one per axis; makes the result larger at its end, to choose among the sizes that
        a convolution with stride maps to one

    Returns
    -------
    array of shape (batch, outputs, *sizes), or without batch, where
    sizes = (places - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1

    Raises
    ------
    ShapeError
        The input has other axes or channels than the weight needs, or the result would be empty.
    ArgumentError
        An option does not fit.

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.conv_transpose2d(np.ones((3, 4, 4)), np.ones((3, 2, 2, 2)), stride=2).shape
    (2, 8, 8)
    """
    return convolve_back(input, weight, bias, stride, padding, output_padding, groups, dilation, 2, "conv_transpose2d")


def conv_transpose3d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """Transposed convolution over three spatial axes; see `conv_transpose2d`."""
    return convolve_back(input, weight, bias, stride, padding, output_padding, groups, dilation, 3, "conv_transpose3d")


# --- windows as columns -----------------------------------------------------------------------------------------------


def _geometry(kernel_size, dilation, padding, stride, what):
    return (
        per_axis(kernel_size, 2, what, "kernel_size"),
        per_axis(stride, 2, what, "stride"),
        tuple((p, p) for p in per_axis(padding, 2, what, "padding", 0)),
        per_axis(dilation, 2, what, "dilation"),
    )


def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
    """The windows of an image as columns: (batch, channels * kernel elements, places), or without batch.

    >>> import chainrule.nn.functional as F
    >>> F.unfold(np.arange(6.0).reshape(1, 2, 3), 2)
    array([[0., 1.],
           [1., 2.],
           [3., 4.],
           [4., 5.]])
    """
    x, batched = enter_spatial(input, 2, "unfold")
    kernel, stride, padding, dilation = _geometry(kernel_size, dilation, padding, stride, "unfold")
    sizes = shape_of(x)[2:]
    places = output_sizes(sizes, kernel, stride, padding, dilation)
    check_places(places, sizes, (d * (r - 1) + 1 for r, d in zip(kernel, dilation, strict=True)), "unfold")
    padded = pad_zeros(x, ((0, 0), (0, 0), *padding))
    parts = []
    for at in np.ndindex(*kernel):
        starts = [k * d for k, d in zip(at, dilation, strict=True)]
        cut = (slice(a, a + (m - 1) * s + 1, s) for a, m, s in zip(starts, places, stride, strict=True))
        parts.append(padded[(slice(None), slice(None), *cut)])
    shape = (shape_of(x)[0], shape_of(x)[1] * len(parts), math.prod(places))
    return leave_spatial(reshape(stack(parts, 2), shape), batched)


def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """The transpose of `unfold`: columns added up where their windows lie in an image of size `output_size`.

    Raises
    ------
    ShapeError
        The input is not (batch, channels * kernel elements, places), or has not as many places as windows fit.

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.fold(np.ones((4, 2)), (2, 3), 2)
    array([[[1., 2., 1.],
            [1., 2., 1.]]])
    """
    y, batched = enter_spatial(input, 1, "fold")
    sizes = per_axis(output_size, 2, "fold", "output_size")
    kernel, stride, padding, dilation = _geometry(kernel_size, dilation, padding, stride, "fold")
    places, elements = output_sizes(sizes, kernel, stride, padding, dilation), math.prod(kernel)
    n, rows, columns = shape_of(y)
    if rows % elements or columns != math.prod(places):
        raise ShapeError(
            explain(
                "fold: the columns do not fit the windows",
                f"expected: (batch, channels * {elements}, {math.prod(places)})    found: {dtype_of(y)} {shape_of(y)}",
                help="unfold with the same options makes such columns",
            )
        )
    channels = rows // elements
    one_hot = np.tile(np.eye(elements, dtype=dtype_of(y)), (channels, 1)).reshape(rows, 1, *kernel)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": channels}
    return leave_spatial(conv_input_grad(reshape(y, (n, rows, *places)), one_hot, sizes=sizes, **options), batched)
