"""Normalisation: shifting and scaling to mean 0 and variance 1, over batches, layers, groups, instances or neighbours.

Means and variances are plain reductions and everything else is elementwise, so that a compiler can fuse each of these.
"""

import math

import numpy as np

from ...core.value import dtype_of, ndim_of, shape_of
from ...errors import ArgumentError, ShapeError, explain
from ...ops import mean, reshape, sqrt, square
from ...ops.pooling import window_sum
from ...ops.shaping import as_value
from ...tensor import Tensor
from ..entry import check_axes, check_last, settled
from ..windows import as_float


def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    """Shift and scale `input` to mean 0 and variance 1 over its last axes, then apply `weight` and `bias`.

    Parameters
    ----------
    input : array of shape (..., *normalized_shape)
    normalized_shape : int or tuple, lengths of the axes to normalise over
    weight, bias : None, or arrays of shape normalized_shape
    eps : added to the variance

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.layer_norm(np.array([-1.0, 1.0]), 2, eps=0.0)
    array([-1.,  1.])
    """
    sizes = (normalized_shape,) if isinstance(normalized_shape, (int, np.integer)) else tuple(normalized_shape)
    check_last(input, sizes, "layer_norm", "normalized_shape")
    x = as_value(input)
    axes = tuple(range(-len(sizes), 0))
    d = x - mean(x, axes, keepdims=True)
    out = d / sqrt(mean(d * d, axes, keepdims=True) + eps)
    out = out if weight is None else out * weight
    return out if bias is None else out + bias


def rms_norm(input, normalized_shape, weight=None, eps=None):
    """Scale `input` to mean square 1 over its last axes, then apply `weight` (Zhang and Sennrich, 2019).

    Parameters
    ----------
    input : array of shape (..., *normalized_shape)
    normalized_shape : int or tuple, lengths of the axes to normalise over
    weight : None, or array of shape normalized_shape
    eps : added to the mean square; by default the precision of the dtype

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.rms_norm(np.array([3.0, 3.0]), 2)
    array([1., 1.])
    """
    sizes = (normalized_shape,) if isinstance(normalized_shape, (int, np.integer)) else tuple(normalized_shape)
    check_last(input, sizes, "rms_norm", "normalized_shape")
    x = as_float(input)
    eps = float(np.finfo(x.dtype).eps) if eps is None else eps
    out = x / sqrt(mean(square(x), tuple(range(-len(sizes), 0)), keepdims=True) + eps)
    return out if weight is None else out * weight


# --- per channel, axis 1 ----------------------------------------------------------------------------------------------


def _channels(x, weight, bias, what, **others):
    """Raise unless all of these, that are not None, have one number for each channel of `x`."""
    for name, array in {"weight": weight, "bias": bias, **others}.items():
        if array is not None and shape_of(array) != shape_of(x)[1:2]:
            raise ShapeError(
                explain(
                    f"{what}: `{name}` needs one number for each channel",
                    f"input: {dtype_of(x)} {shape_of(x)}    {name}: {shape_of(array)}",
                    help="channels are axis 1: use moveaxis(x, -1, 1) if they stand last",
                )
            )


def _per_channel(x, ndim):
    """One number for each channel, so that it broadcasts along axis 1 of `ndim`."""
    return reshape(x, (1, shape_of(x)[0]) + (1,) * (ndim - 2))


def _affine(out, weight, bias):
    n = ndim_of(out)
    out = out if weight is None else out * _per_channel(weight, n)
    return out if bias is None else out + _per_channel(bias, n)


def _update(running, statistic, momentum, what):
    """Move a running statistic towards a new one, in place."""
    if running is None:
        return
    new = settled(statistic, shape_of(running), what)
    if isinstance(running, Tensor):
        running.data = (1 - momentum) * running.detach() + momentum * new
    else:
        running[...] = (1 - momentum) * running + momentum * np.asarray(new)


def batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    """Shift and scale each channel to mean 0 and variance 1 over the batch (Ioffe and Szegedy, 2015).

    Parameters
    ----------
    input : array of shape (batch, channels, ...)
    running_mean, running_var : None, or arrays of shape (channels,): moved towards the mean and variance of the batch, in
        place, while `training`; used instead of these otherwise
    weight, bias : None, or arrays of shape (channels,), applied in the end
    training : use the statistics of the batch
    momentum : by which part of the way running statistics move
    eps : added to the variance

    Raises
    ------
    ShapeError
        The input has no axis of channels, or an argument not one number for each.
    ArgumentError
        The batch has a single number per channel, which has no variance; or there are no statistics to use.
    UnsupportedError
        Running statistics would have to change under `vmap`.

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.batch_norm(np.array([[3.0], [5.0]]), None, None, training=True, eps=0.0)
    array([[-1.],
           [ 1.]])
    """
    x = as_float(input)
    check_axes(x, 2, "batch_norm")
    n, what = ndim_of(x), "batch_norm"
    _channels(x, weight, bias, what, running_mean=running_mean, running_var=running_var)
    if not training:
        if running_mean is None or running_var is None:
            raise ArgumentError(
                explain(f"{what}: there are no running statistics", help="training=True uses those of the batch")
            )
        d, var = x - _per_channel(running_mean, n), _per_channel(running_var, n)
        return _affine(d / sqrt(var + eps), weight, bias)
    axes = (0, *range(2, n))
    count = math.prod(shape_of(x)[a] for a in axes)
    if count == 1:
        raise ArgumentError(
            explain(f"{what}: a single number per channel has no variance", f"input: {shape_of(x)}", help="use larger batches")
        )
    if not count:
        return _affine(x, weight, bias)
    middle = mean(x, axes, keepdims=True)
    d = x - middle
    var = mean(square(d), axes, keepdims=True)
    channels = shape_of(x)[1:2]
    if running_mean is not None:
        _update(running_mean, reshape(middle, channels), momentum, what)
    if running_var is not None:
        _update(running_var, reshape(var, channels) * (count / (count - 1)), momentum, what)
    return _affine(d / sqrt(var + eps), weight, bias)


def instance_norm(
    input,
    running_mean=None,
    running_var=None,
    weight=None,
    bias=None,
    use_input_stats=True,
    momentum=0.1,
    eps=1e-5,
):
    """Shift and scale each channel of each entry to mean 0 and variance 1 over its spatial axes (Ulyanov et al., 2016).

    Parameters
    ----------
    input : array of shape (batch, channels, ...) with at least one spatial axis
    use_input_stats : False uses the running statistics as `batch_norm` does
    running_mean, running_var, weight, bias, momentum, eps : as for `batch_norm`

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.instance_norm(np.array([[[3.0, 5.0]]]), eps=0.0)
    array([[[-1.,  1.]]])
    """
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    x, what = as_float(input), "instance_norm"
    check_axes(x, 3, what)
    n = ndim_of(x)
    _channels(x, weight, bias, what, running_mean=running_mean, running_var=running_var)
    axes = tuple(range(2, n))
    count = math.prod(shape_of(x)[2:])
    if count == 1:
        raise ArgumentError(
            explain(f"{what}: a single number has no variance", f"input: {shape_of(x)}", help="use larger inputs")
        )
    middle = mean(x, axes, keepdims=True)
    d = x - middle
    var = mean(square(d), axes, keepdims=True)
    if shape_of(x)[0]:
        both = (0, *axes)
        if running_mean is not None:
            _update(running_mean, mean(middle, both), momentum, what)
        if running_var is not None:
            _update(running_var, mean(var, both) * (count / (count - 1)), momentum, what)
    return _affine(d / sqrt(var + eps), weight, bias)


def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5):
    """Shift and scale each group of channels of each entry to mean 0 and variance 1 (Wu and He, 2018).

    Parameters
    ----------
    input : array of shape (batch, channels, ...)
    num_groups : into how many groups the channels are split
    weight, bias : None, or arrays of shape (channels,), applied in the end
    eps : added to the variance

    Raises
    ------
    ShapeError
        The channels do not split into equal groups.

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.group_norm(np.array([[3.0, 5.0, 2.0, 2.0]]), 2)[0, 2:]
    array([0., 0.])
    """
    x = as_float(input)
    check_axes(x, 2, "group_norm")
    shape = shape_of(x)
    if num_groups < 1 or shape[1] % num_groups:
        raise ShapeError(
            explain(
                "group_norm: the channels do not split into equal groups",
                f"input: {shape}    num_groups: {num_groups}",
                help="num_groups must divide the length of axis 1",
            )
        )
    _channels(x, weight, bias, "group_norm")
    grouped = reshape(x, (shape[0], num_groups, math.prod(shape[1:]) // num_groups))
    d = grouped - mean(grouped, -1, keepdims=True)
    out = d / sqrt(mean(square(d), -1, keepdims=True) + eps)
    return _affine(reshape(out, shape), weight, bias)


def local_response_norm(input, size, alpha=1e-4, beta=0.75, k=1.0):
    """Divide by `(k + alpha * mean square of the `size` nearest channels) ** beta` (Krizhevsky et al., 2012).

    Parameters
    ----------
    input : array of shape (batch, channels, ...)
    size : number of channels; missing ones at the ends count as zeros
    alpha, beta, k : as in the formula

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.local_response_norm(np.ones((1, 2, 1)), 2, alpha=2.0, beta=1.0)[0, :, 0]
    array([0.5       , 0.33333333])
    """
    x = as_float(input)
    check_axes(x, 3, "local_response_norm")
    rest = ndim_of(x) - 2
    total = window_sum(
        square(x),
        window=(size,) + (1,) * rest,
        stride=(1,) * (rest + 1),
        padding=((size // 2, (size - 1) // 2),) + ((0, 0),) * rest,
        dilation=(1,) * (rest + 1),
    )
    return x / (k + (alpha / size) * total) ** beta
