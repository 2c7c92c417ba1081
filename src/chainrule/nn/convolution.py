"""Convolutions as layers."""

import math
from typing import ClassVar

import numpy as np

from ..core.value import shape_of
from ..errors import ArgumentError, ShapeError, explain
from ..ops import pad
from ..tensor import Tensor
from . import functional as F, init
from .calls import Calls
from .entry import enter, parameter_dtype
from .functional.convolution import convolve, convolve_back, same_padding
from .module import Module
from .parameter import Parameter
from .windows import enter_spatial, leave_spatial, per_axis

PADDING_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


class _Convolution(Module):
    """What convolutions and their transposes share: parameters, their first values, and how they are shown."""

    spatial: ClassVar[int]
    weight: Tensor
    bias: Tensor | None

    def _build(self, channels, options, padding_mode, bias, outer, dtype):
        name, (inputs, outputs), n = type(self).__name__, channels, self.spatial
        kernel_size, stride, padding, output_padding, dilation, groups = options
        if groups < 1 or inputs % groups or outputs % groups:
            raise ArgumentError(
                explain(
                    f"{name}: in_channels and out_channels must be multiples of groups",
                    f"in_channels: {inputs}    out_channels: {outputs}    groups: {groups}",
                    help="groups=1 connects all channels; groups=in_channels convolves each for itself",
                )
            )
        if padding_mode not in PADDING_MODES:
            raise ArgumentError(
                explain(f"{name}: unknown padding_mode {padding_mode!r}", help=f"use one of {', '.join(PADDING_MODES)}")
            )
        if isinstance(padding, str) and padding not in ("same", "valid"):
            raise ArgumentError(explain(f"{name}: unknown padding {padding!r}", help="use 'same', 'valid' or numbers"))
        self.in_channels, self.out_channels, self.groups, self.padding_mode = inputs, outputs, groups, padding_mode
        self.kernel_size = per_axis(kernel_size, n, name, "kernel_size")
        self.stride, self.dilation = per_axis(stride, n, name, "stride"), per_axis(dilation, n, name, "dilation")
        self.padding = padding if isinstance(padding, str) else per_axis(padding, n, name, "padding", 0)
        self.output_padding = per_axis(output_padding, n, name, "output_padding", 0)
        if padding == "same" and any(s != 1 for s in self.stride):
            raise ArgumentError(
                explain(f"{name}: padding='same' needs stride 1", f"stride: {self.stride}", help="give the padding as numbers")
            )
        self.weight = Parameter(np.zeros((outer[0], outer[1] // groups, *self.kernel_size), dtype))
        self.register_parameter("bias", Parameter(np.zeros(outputs, dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self):
        """Draw the parameters anew, as PyTorch does."""
        fan_in = math.prod(self.weight.shape[1:])
        if fan_in:
            init.kaiming_uniform_(self.weight, a=math.sqrt(5))
            if self.bias is not None:
                init.uniform_(self.bias, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))

    def extra_repr(self):
        n = self.spatial
        shown = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        usual = {"padding": (0,) * n, "dilation": (1,) * n, "output_padding": (0,) * n, "groups": 1}
        shown += [f"{name}={getattr(self, name)}" for name, value in usual.items() if getattr(self, name) != value]
        shown += ["bias=False"] if self.bias is None else []
        shown += [f"padding_mode={self.padding_mode}"] if self.padding_mode != "zeros" else []
        return ", ".join(shown)


class _Conv(_Convolution):
    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        dilation=1,
        groups=1,
        bias=True,
        padding_mode="zeros",
        device=None,
        dtype=None,
    ):
        options = (kernel_size, stride, padding, 0, dilation, groups)
        channels = (in_channels, out_channels)
        self._build(channels, options, padding_mode, bias, channels[::-1], parameter_dtype(dtype, device))

    def forward(self, input):
        weight, padding, name = self.weight, self.padding, type(self).__name__
        input = enter(input, weight.dtype)
        if self.padding_mode != "zeros" and padding != "valid":
            pairs = same_padding(self.kernel_size, self.dilation) if padding == "same" else tuple((p, p) for p in padding)
            input, batched = enter_spatial(input, self.spatial, name)
            self._check_mirror(shape_of(input)[2:], pairs)
            input = leave_spatial(pad(input, ((0, 0), (0, 0), *pairs), PADDING_MODES[self.padding_mode]), batched)
            padding = 0
        return convolve(input, weight, self.bias, self.stride, padding, self.dilation, self.groups, self.spatial, name)

    def _check_mirror(self, sizes, pairs):
        limit = {"reflect": 1, "circular": 0}.get(self.padding_mode)
        if limit is not None and any(max(pair) > n - limit for n, pair in zip(sizes, pairs, strict=True)):
            raise ShapeError(
                explain(
                    f"{type(self).__name__}: padding_mode {self.padding_mode!r} cannot pad by more than there is",
                    f"padding: {pairs}    input: {sizes}",
                    help="use less padding, or padding_mode='replicate'",
                )
            )


class Conv1d(_Conv):
    """Convolution over one spatial axis; parameters as for `Conv2d`.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.Conv1d(2, 4, 3, padding=1)(np.ones((5, 2, 10))).shape
    (5, 4, 10)
    """

    spatial = 1


class Conv2d(_Conv):
    """Convolution over two spatial axes, plus a number for each output channel.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size : int or one per axis
    stride : int or one per axis; by how much the kernel moves
    padding : int or one per axis, on both sides; or 'valid' for none, or 'same' to keep the sizes
    dilation : int or one per axis, distance of kernel elements
    groups : parts of the channels that are convolved independently
    bias : False leaves it away
    padding_mode : what to pad with: 'zeros', 'reflect', 'replicate' or 'circular'
    dtype : of the parameters, default float32; floating point inputs are cast to it

    Attributes
    ----------
    weight : Parameter of shape (out_channels, in_channels / groups, *kernel_size)
    bias : Parameter of shape (out_channels,), or None; both are drawn uniformly from +-1 / sqrt(elements of one kernel)

    Raises
    ------
    ShapeError
        An input is not (batch, in_channels, height, width) or (in_channels, height, width), or smaller than the kernel.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.Conv2d(3, 8, 3, padding=1)(np.ones((5, 3, 10, 12))).shape
    (5, 8, 10, 12)
    """

    spatial = 2


class Conv3d(_Conv):
    """Convolution over three spatial axes; parameters as for `Conv2d`."""

    spatial = 3


class _ConvTranspose(_Convolution):
    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        output_padding=0,
        groups=1,
        bias=True,
        dilation=1,
        padding_mode="zeros",
        device=None,
        dtype=None,
    ):
        if padding_mode != "zeros" or isinstance(padding, str):
            raise ArgumentError(
                explain(
                    f"{type(self).__name__}: padding is a number, with padding_mode 'zeros'",
                    f"padding: {padding!r}    padding_mode: {padding_mode!r}",
                    help="here padding cuts the result; there is nothing to fill",
                )
            )
        options = (kernel_size, stride, padding, output_padding, dilation, groups)
        channels = (in_channels, out_channels)
        self._build(channels, options, padding_mode, bias, channels, parameter_dtype(dtype, device))

    def forward(self, input, output_size=None):
        weight, name = self.weight, type(self).__name__
        input = enter(input, weight.dtype)
        extra = self.output_padding if output_size is None else self._extra(shape_of(input), output_size)
        options = (self.stride, self.padding, extra, self.groups, self.dilation)
        return convolve_back(input, weight, self.bias, *options, self.spatial, name)

    def _extra(self, shape, output_size):
        """The output_padding that leads to this size."""
        wanted = tuple(output_size)[-self.spatial :]
        smallest = tuple(
            (n - 1) * s - 2 * p + d * (r - 1) + 1
            for n, s, p, d, r in zip(
                shape[-self.spatial :], self.stride, self.padding, self.dilation, self.kernel_size, strict=True
            )
        )
        extra = tuple(w - m for w, m in zip(wanted, smallest, strict=True))
        if any(not 0 <= e < max(s, d) for e, s, d in zip(extra, self.stride, self.dilation, strict=True)):
            raise ShapeError(
                explain(
                    f"{type(self).__name__}: the result cannot have this output_size",
                    f"output_size: {wanted}    at least: {smallest}    stride: {self.stride}",
                    help="a size from the least one on, by less than the stride",
                )
            )
        return extra


class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution over one spatial axis; parameters as for `ConvTranspose2d`."""

    spatial = 1


class ConvTranspose2d(_ConvTranspose):
    """Transposed convolution over two spatial axes: makes images larger where `Conv2d` with stride makes them smaller.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, padding, dilation, groups : of the convolution that this is the transpose of
    output_padding : int or one per axis; makes the result larger at its end
    bias : False leaves it away
    dtype : of the parameters, default float32; floating point inputs are cast to it

    Attributes
    ----------
    weight : Parameter of shape (in_channels, out_channels / groups, *kernel_size)
    bias : Parameter of shape (out_channels,), or None

    Raises
    ------
    ShapeError
        An input is not (batch, in_channels, height, width) or (in_channels, height, width).

    Examples
    --------
    >>> from chainrule import nn
    >>> up = nn.ConvTranspose2d(3, 8, 3, stride=2, padding=1)
    >>> up(np.ones((5, 3, 10, 12))).shape
    (5, 8, 19, 23)
    >>> up(np.ones((5, 3, 10, 12)), output_size=(20, 24)).shape
    (5, 8, 20, 24)
    """

    spatial = 2


class ConvTranspose3d(_ConvTranspose):
    """Transposed convolution over three spatial axes; parameters as for `ConvTranspose2d`."""

    spatial = 3


class Unfold(Calls):
    """The windows of an image as columns, (batch, channels * kernel elements, places); see `F.unfold`."""

    function = staticmethod(F.unfold)
    options = ("kernel_size", "dilation", "padding", "stride")

    def __init__(self, kernel_size, dilation=1, padding=0, stride=1):
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride


class Fold(Calls):
    """The transpose of `Unfold`: columns added up where their windows lie in an image of size `output_size`."""

    function = staticmethod(F.fold)
    options = ("output_size", "kernel_size", "dilation", "padding", "stride")

    def __init__(self, output_size, kernel_size, dilation=1, padding=0, stride=1):
        self.output_size, self.kernel_size = output_size, kernel_size
        self.dilation, self.padding, self.stride = dilation, padding, stride
