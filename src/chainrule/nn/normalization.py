"""Normalisation: layers that shift and scale their input to mean 0 and variance 1."""

from typing import ClassVar

import numpy as np

from ..core.value import dtype_of, ndim_of, shape_of
from ..errors import ArgumentError, ShapeError, explain
from ..ops import reshape, square
from ..ops.pooling import window_sum
from ..ops.shaping import as_value, expand
from ..tensor import Tensor
from . import functional as F
from .calls import Calls
from .entry import check_last, enter, parameter_dtype
from .module import Module
from .parameter import Parameter
from .windows import as_float


class _LastAxes(Module):
    """What normalisations over the last axes share: their lengths, and a weight for each element."""

    weight: Tensor | None

    def _build(self, normalized_shape, eps, elementwise_affine, dtype):
        single = isinstance(normalized_shape, (int, np.integer))
        self.normalized_shape = (int(normalized_shape),) if single else tuple(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.register_parameter("weight", Parameter(np.ones(self.normalized_shape, dtype)) if elementwise_affine else None)

    def _enter(self, x):
        if self.weight is not None:
            x = enter(x, self.weight.dtype)
        check_last(x, self.normalized_shape, f"{type(self).__name__}({self.extra_repr()})", "normalized_shape")
        return x

    def extra_repr(self):
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class LayerNorm(_LastAxes):
    """Shift and scale the input to mean 0 and variance 1 over its last axes; then scale by `weight` and shift by `bias`.

    Parameters
    ----------
    normalized_shape : int or tuple, lengths of the axes to normalise over
    eps : added to the variance
    elementwise_affine : False leaves weight and bias away
    bias : False leaves the bias away
    dtype : of the parameters, default float32; floating point inputs are cast to it

    Attributes
    ----------
    weight : Parameter of shape normalized_shape, ones at first; or None
    bias : Parameter of shape normalized_shape, zeros at first; or None

    Raises
    ------
    ShapeError
        The last axes of an input, of shape (..., *normalized_shape), differ.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.LayerNorm(2, eps=0.0)(np.array([3.0, 5.0])).detach()
    tensor([-1.,  1.], dtype=float32)
    """

    bias: Tensor | None

    def __init__(self, normalized_shape, eps=1e-5, elementwise_affine=True, bias=True, device=None, dtype=None):
        dtype = parameter_dtype(dtype, device)
        self._build(normalized_shape, eps, elementwise_affine, dtype)
        zeros = np.zeros(self.normalized_shape, dtype)
        self.register_parameter("bias", Parameter(zeros) if elementwise_affine and bias else None)

    def forward(self, input):
        return F.layer_norm(self._enter(input), self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self):
        return f"{super().extra_repr()}, bias={self.bias is not None}"


class RMSNorm(_LastAxes):
    """Scale the input to mean square 1 over its last axes, then by `weight` (Zhang and Sennrich, 2019).

    Parameters
    ----------
    normalized_shape : int or tuple, lengths of the axes to normalise over
    eps : added to the mean square; by default the precision of the dtype
    elementwise_affine : False leaves weight away
    dtype : of the parameter, default float32; floating point inputs are cast to it

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.RMSNorm(2)(np.array([3.0, 3.0])).detach()
    tensor([1., 1.], dtype=float32)
    """

    def __init__(self, normalized_shape, eps=None, elementwise_affine=True, device=None, dtype=None):
        self._build(normalized_shape, eps, elementwise_affine, parameter_dtype(dtype, device))

    def forward(self, input):
        return F.rms_norm(self._enter(input), self.normalized_shape, self.weight, self.eps)


# --- channels in axis 1 -----------------------------------------------------------------------------------------------


class _Statistics(Module):
    """Parameters for each channel, and running statistics, as batch and instance normalisation keep them."""

    axes: ClassVar[tuple[int, ...]]  # how many axes an input may have
    weight: Tensor | None
    bias: Tensor | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def _build(self, num_features, eps, momentum, affine, track_running_stats, bias, dtype):
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        n, kept = num_features, track_running_stats
        self.register_parameter("weight", Parameter(np.ones(n, dtype)) if affine else None)
        self.register_parameter("bias", Parameter(np.zeros(n, dtype)) if affine and bias else None)
        self.register_buffer("running_mean", np.zeros(n, dtype) if kept else None)
        self.register_buffer("running_var", np.ones(n, dtype) if kept else None)
        self.register_buffer("num_batches_tracked", np.zeros((), np.int64) if kept else None)

    def reset_running_stats(self):
        """Forget all batches seen so far."""
        for name, value in (("running_mean", 0), ("running_var", 1), ("num_batches_tracked", 0)):
            buffer = getattr(self, name)
            if buffer is not None:
                buffer.data = np.full(buffer.shape, value, buffer.dtype)

    def reset_parameters(self):
        """Forget all batches, and set weight to ones and bias to zeros."""
        self.reset_running_stats()
        for parameter, value in ((self.weight, 1), (self.bias, 0)):
            if parameter is not None:
                parameter.data = np.full(parameter.shape, value, parameter.dtype)

    def _enter(self, x):
        dtype = next((p.dtype for p in (self.weight, self.running_mean) if p is not None), None)
        x = as_value(x) if dtype is None else enter(x, dtype)
        shape = shape_of(x)
        if len(shape) not in self.axes or (self.affine and shape[self._channel_axis(shape)] != self.num_features):
            forms = [f"{n} axes" for n in self.axes]
            raise ShapeError(
                explain(
                    f"{type(self).__name__}({self.num_features}): the input does not have the shape that it was made for",
                    f"expected: {' or '.join(forms)}, {self.num_features} channels    found: {dtype_of(x)} {shape}",
                    help=f"make the layer for {shape[1]} channels"
                    if len(shape) in self.axes and len(shape) > 1
                    else "channels are axis 1: (batch, channels, ...)",
                )
            )
        return x

    def _channel_axis(self, shape):
        return 1

    def _momentum(self):
        """By which part of the way the next batch moves the running statistics; to their plain mean if it is None."""
        if self.momentum is not None or self.num_batches_tracked is None:
            return self.momentum or 0.0
        return 1.0 / (self.num_batches_tracked.detach() + 1)

    def _count(self):
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.data = self.num_batches_tracked.detach() + 1

    def extra_repr(self):
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_Statistics):
    def __init__(
        self,
        num_features,
        eps=1e-5,
        momentum=0.1,
        affine=True,
        track_running_stats=True,
        device=None,
        dtype=None,
        *,
        bias=True,
    ):
        self._build(num_features, eps, momentum, affine, track_running_stats, bias, parameter_dtype(dtype, device))

    def _load_from_state_dict(self, state_dict, prefix, *rest):
        if self.num_batches_tracked is not None:  # files of the first versions of PyTorch do not have it
            state_dict.setdefault(f"{prefix}num_batches_tracked", np.zeros((), np.int64))
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def forward(self, input):
        input = self._enter(input)
        batch, statistics = self.training or self.running_mean is None, (self.running_mean, self.running_var)
        out = F.batch_norm(input, *statistics, self.weight, self.bias, batch, self._momentum(), self.eps)
        self._count()
        return out


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of inputs (batch, channels) or (batch, channels, length); parameters as for `BatchNorm2d`.

    >>> from chainrule import nn
    >>> nn.BatchNorm1d(1, eps=0.0)(np.array([[3.0], [5.0]])).detach()
    tensor([[-1.],
            [ 1.]], dtype=float32)
    """

    axes = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Shift and scale each channel to mean 0 and variance 1 over the batch (Ioffe and Szegedy, 2015).

    While training, the statistics are those of the batch, and running ones move towards them; `eval()` uses these.

    Parameters
    ----------
    num_features : number of channels
    eps : added to the variance
    momentum : by which part of the way running statistics move; None makes them the mean over all batches
    affine : False leaves weight and bias away
    track_running_stats : False keeps none, and uses the statistics of the batch always
    dtype : of parameters and buffers, default float32; floating point inputs are cast to it
    bias : False leaves the bias away

    Attributes
    ----------
    weight, bias : Parameters of shape (num_features,), ones and zeros at first; or None
    running_mean, running_var : buffers of shape (num_features,), zeros and ones at first; or None
    num_batches_tracked : buffer, an integer; or None

    Raises
    ------
    ShapeError
        An input is not (batch, num_features, height, width).
    ArgumentError
        A training batch has a single number per channel.
    UnsupportedError
        The running statistics would have to change under `vmap`.

    Examples
    --------
    >>> from chainrule import nn
    >>> layer = nn.BatchNorm2d(3)
    >>> layer(np.ones((5, 3, 2, 2))).shape
    (5, 3, 2, 2)
    >>> layer.running_mean
    tensor([0.1, 0.1, 0.1], dtype=float32)
    """

    axes = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of inputs (batch, channels, depth, height, width); parameters as for `BatchNorm2d`."""

    axes = (5,)


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation over the batches of all processes, of which there is one: what `BatchNorm2d` does, on any inputs.

    >>> from chainrule import nn
    >>> nn.SyncBatchNorm(3)(np.ones((5, 3, 2, 2))).shape
    (5, 3, 2, 2)
    """

    axes = (2, 3, 4, 5)

    def __init__(
        self,
        num_features,
        eps=1e-5,
        momentum=0.1,
        affine=True,
        track_running_stats=True,
        process_group=None,
        device=None,
        dtype=None,
        *,
        bias=True,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = process_group

    @classmethod
    def convert_sync_batchnorm(cls, module, process_group=None):
        """The module with a layer of this class in place of each BatchNorm in it; parameters and buffers stay the same objects.

        >>> from chainrule import nn
        >>> nn.SyncBatchNorm.convert_sync_batchnorm(nn.Sequential(nn.BatchNorm1d(2)))[0]
        SyncBatchNorm(2, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
        """
        if isinstance(module, _BatchNorm) and not isinstance(module, cls):
            dtype = next((t.dtype for t in (module.weight, module.running_mean) if t is not None), None)
            new = cls(
                module.num_features, module.eps, module.momentum, module.affine, module.track_running_stats, process_group
            )
            new = new if dtype is None else new.to(dtype)
            for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
                setattr(new, name, getattr(module, name))
            return new.train(module.training)
        for name, child in module.named_children():
            setattr(module, name, cls.convert_sync_batchnorm(child, process_group))
        return module


class _InstanceNorm(_Statistics):
    def __init__(
        self,
        num_features,
        eps=1e-5,
        momentum=0.1,
        affine=False,
        track_running_stats=False,
        device=None,
        dtype=None,
        *,
        bias=True,
    ):
        self._build(num_features, eps, momentum, affine, track_running_stats, bias, parameter_dtype(dtype, device))

    def _channel_axis(self, shape):
        return 0 if len(shape) == self.axes[0] else 1

    def forward(self, input):
        input = self._enter(input)
        alone = ndim_of(input) == self.axes[0]
        own, statistics = self.training or self.running_mean is None, (self.running_mean, self.running_var)
        entries = expand(input, (0,)) if alone else input
        # As in PyTorch, these batches are not counted, and momentum None keeps the statistics as they are.
        out = F.instance_norm(entries, *statistics, self.weight, self.bias, own, self.momentum or 0.0, self.eps)
        return reshape(out, shape_of(input)) if alone else out


class InstanceNorm1d(_InstanceNorm):
    """Instance normalisation of inputs (batch, channels, length); parameters as for `InstanceNorm2d`."""

    axes = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Shift and scale each channel of each entry to mean 0 and variance 1 over its spatial axes (Ulyanov et al., 2016).

    Parameters
    ----------
    num_features : number of channels
    eps : added to the variance
    momentum : by which part of the way running statistics move
    affine : True adds weight and bias
    track_running_stats : True keeps running statistics, which `eval()` uses
    dtype : of parameters and buffers, default float32
    bias : False leaves the bias away

    Raises
    ------
    ShapeError
        An input is not (batch, num_features, height, width) or (num_features, height, width).

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.InstanceNorm2d(3)(np.ones((5, 3, 2, 2))).shape
    (5, 3, 2, 2)
    """

    axes = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Instance normalisation of inputs (batch, channels, depth, height, width); parameters as for `InstanceNorm2d`."""

    axes = (4, 5)


class GroupNorm(Module):
    """Shift and scale each group of channels of each entry to mean 0 and variance 1 (Wu and He, 2018).

    Parameters
    ----------
    num_groups : into how many groups the channels are split
    num_channels : length of axis 1 of inputs (batch, num_channels, ...)
    eps : added to the variance
    affine : False leaves weight and bias away
    dtype : of the parameters, default float32; floating point inputs are cast to it
    bias : False leaves the bias away

    Attributes
    ----------
    weight, bias : Parameters of shape (num_channels,), ones and zeros at first; or None

    Raises
    ------
    ArgumentError
        The channels do not split into equal groups.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.GroupNorm(2, 6)(np.ones((5, 6, 4))).shape
    (5, 6, 4)
    """

    weight: Tensor | None
    bias: Tensor | None

    def __init__(self, num_groups, num_channels, eps=1e-5, affine=True, device=None, dtype=None, *, bias=True):
        if num_groups < 1 or num_channels % num_groups:
            raise ArgumentError(
                explain(
                    "GroupNorm: the channels do not split into equal groups",
                    f"num_channels: {num_channels}    num_groups: {num_groups}",
                    help="num_groups must divide num_channels",
                )
            )
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        dtype = parameter_dtype(dtype, device)
        self.register_parameter("weight", Parameter(np.ones(num_channels, dtype)) if affine else None)
        self.register_parameter("bias", Parameter(np.zeros(num_channels, dtype)) if affine and bias else None)

    def forward(self, input):
        input = as_value(input) if self.weight is None else enter(input, self.weight.dtype)
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self):
        affine = f"affine={self.affine}, bias={self.bias is not None}"
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, {affine}"


class LocalResponseNorm(Calls):
    """Divide by `(k + alpha * mean square of the `size` nearest channels) ** beta` (Krizhevsky et al., 2012).

    >>> from chainrule import nn
    >>> nn.LocalResponseNorm(2)(np.ones((5, 3, 4))).shape
    (5, 3, 4)
    """

    function = staticmethod(F.local_response_norm)
    options = ("size", "alpha", "beta", "k")

    def __init__(self, size, alpha=1e-4, beta=0.75, k=1.0):
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def extra_repr(self):
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class CrossMapLRN2d(Module):
    """The older form of `LocalResponseNorm`: `size` counts to odd numbers below, and the first channel belongs to all windows.

    That is what PyTorch computes, for the sake of networks that were trained so.

    >>> from chainrule import nn
    >>> nn.CrossMapLRN2d(2)(np.ones((5, 3, 4, 4))).shape
    (5, 3, 4, 4)
    """

    def __init__(self, size, alpha=1e-4, beta=0.75, k=1):
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input):
        x, reach = as_float(input), (self.size - 1) // 2
        if ndim_of(x) != 4:
            asked = "CrossMapLRN2d: the input is (batch, channels, height, width)"
            raise ShapeError(explain(asked, f"found: {dtype_of(x)} {shape_of(x)}", help="LocalResponseNorm takes other shapes"))
        squares, padding, ones = square(x), ((reach, reach), (0, 0), (0, 0)), (1, 1, 1)
        total = window_sum(squares, window=(2 * reach + 1, 1, 1), stride=ones, padding=padding, dilation=ones)
        beyond = np.arange(shape_of(x)[1]) > reach  # channels whose window is without the first
        total = total + squares[:, :1] * beyond[:, None, None].astype(dtype_of(x))
        return x / (self.k + (self.alpha / self.size) * total) ** self.beta

    def extra_repr(self):
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
