"""Layers and the batch normalisation behind them as one layer, for evaluation."""

import copy

from ...core.value import shape_of
from ...ops import reshape, sqrt
from ..parameter import Parameter


def fuse_conv_bn_weights(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, transpose=False):
    """Weight and bias of a convolution that does what one with a batch normalisation behind it does.

    Parameters
    ----------
    conv_w, conv_b : weight and bias (or None) of the convolution
    bn_rm, bn_rv, bn_eps, bn_w, bn_b : running mean and variance, eps, weight and bias (or None) of the normalisation
    transpose : whether outputs are the second axis of `conv_w`

    Returns
    -------
    two Parameters
    """
    scale = 1 / sqrt(bn_rv + bn_eps) if bn_w is None else bn_w / sqrt(bn_rv + bn_eps)
    shift = -bn_rm if conv_b is None else conv_b - bn_rm
    bias = shift * scale if bn_b is None else shift * scale + bn_b
    places = [1] * len(shape_of(conv_w))
    places[1 if transpose else 0] = -1
    weight = conv_w * reshape(scale, places)
    trained = getattr(conv_w, "requires_grad", True)
    return Parameter(weight.detach(), trained), Parameter(bias.detach(), trained)


def fuse_linear_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b):
    """As `fuse_conv_bn_weights`, of a dense layer."""
    return fuse_conv_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)


def fuse_conv_bn_eval(conv, bn, transpose=False):
    """A convolution that does what `conv` and `bn` do one after the other when evaluating.

    >>> from chainrule import nn
    >>> model = nn.Sequential(nn.Conv1d(2, 3, 1), nn.BatchNorm1d(3)).eval()
    >>> x = np.ones((1, 2, 4), np.float32)
    >>> bool(np.allclose(nn.utils.fuse_conv_bn_eval(*model)(x).detach(), model(x).detach()))
    True
    """
    fused = copy.deepcopy(conv)
    settings = bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
    fused.weight, fused.bias = fuse_conv_bn_weights(fused.weight, fused.bias, *settings, transpose)
    return fused


def fuse_linear_bn_eval(linear, bn):
    """A dense layer that does what `linear` and `bn` do one after the other when evaluating."""
    return fuse_conv_bn_eval(linear, bn)
