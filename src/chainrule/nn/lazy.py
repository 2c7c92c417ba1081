"""Layers that take the number of their input channels from the first input, or from the state dict that is loaded."""

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from ..core.value import shape_of
from ..errors import ArgumentError, ShapeError, explain
from ..transforms.record import unrecorded
from .convolution import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from .linear import Linear
from .module import Module
from .normalization import BatchNorm1d, BatchNorm2d, BatchNorm3d, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d


class _Lazy(Module):
    """A layer made for 0 inputs, which becomes one of its second base class as soon as their number is known.

    Its parameters are the same objects before and after, so that an optimiser may hold them already.
    """

    counted: ClassVar[str]  # the attribute that holds the number of inputs
    reset_parameters: Callable

    def __init__(self, *args, **kwargs):
        super().__init__(0, *args, **kwargs)  # type: ignore[call-arg]

    def __call__(self, *args, **kwargs):
        shape = shape_of(args[0]) if args else ()
        if not shape:
            raise ShapeError(
                explain(
                    f"{type(self).__name__}: the first input has no channels", f"found: {shape}", help="call it with an array"
                )
            )
        self._settle(shape[self._axis(shape)])
        return self(*args, **kwargs)

    def _axis(self, shape):
        """Where an input of this shape has its channels."""
        return -1

    def _expect(self, state_dict, prefix):
        for name, value in self._own_arrays():
            loaded = shape_of(state_dict.get(prefix + name))
            if len(loaded) == len(value.shape) and 0 in value.shape and 0 not in loaded:
                self._settle(self._inputs(loaded[value.shape.index(0)]))
                return

    def _own_arrays(self):
        return [*self.named_parameters(recurse=False), *self.named_buffers(recurse=False)]

    def _inputs(self, seen):
        """The number of inputs that belongs to a weight with this number in place of 0."""
        return seen

    def _settle(self, count):
        setattr(self, self.counted, count)
        length = self._length(count)
        with unrecorded(*(value for _, value in self._own_arrays())):  # programs are compiled for parameters that have a shape
            for _, value in self._own_arrays():
                if 0 in value.shape:
                    value.data = np.zeros([n or length for n in value.shape], value.dtype)
            object.__setattr__(self, "__class__", type(self).__bases__[1])
            self.reset_parameters()

    def _length(self, count):
        """What stands in a weight in place of 0."""
        return count


class LazyLinear(_Lazy, Linear):
    """`Linear` without `in_features`, which is the length of the last axis of the first input.

    Arguments are the other ones of `Linear`. From the first input on, or from `load_state_dict` on, the layer is a `Linear`.

    >>> from chainrule import nn
    >>> layer = nn.LazyLinear(2)
    >>> layer(np.ones((5, 3))).shape, layer
    ((5, 2), Linear(in_features=3, out_features=2, bias=True))
    """

    counted = "in_features"


class _LazyConvolution(_Lazy):
    counted = "in_channels"
    spatial: ClassVar[int]
    groups: int

    def _axis(self, shape):
        return max(-self.spatial - 1, -len(shape))


class _LazyConv(_LazyConvolution):
    def _length(self, count):
        if count % self.groups:
            raise ArgumentError(
                explain(
                    f"{type(self).__name__}: the channels of the first input must be a multiple of groups",
                    f"channels: {count}    groups: {self.groups}",
                    help="choose other groups",
                )
            )
        return count // self.groups

    def _inputs(self, seen):
        return seen * self.groups


class LazyConv1d(_LazyConv, Conv1d):
    """`Conv1d` without `in_channels`; see `LazyLinear`."""


class LazyConv2d(_LazyConv, Conv2d):
    """`Conv2d` without `in_channels`; see `LazyLinear`.

    >>> from chainrule import nn
    >>> layer = nn.LazyConv2d(8, 3)
    >>> layer(np.ones((5, 4, 6, 6))).shape, layer.in_channels
    ((5, 8, 4, 4), 4)
    """


class LazyConv3d(_LazyConv, Conv3d):
    """`Conv3d` without `in_channels`; see `LazyLinear`."""


class LazyConvTranspose1d(_LazyConvolution, ConvTranspose1d):
    """`ConvTranspose1d` without `in_channels`; see `LazyLinear`."""


class LazyConvTranspose2d(_LazyConvolution, ConvTranspose2d):
    """`ConvTranspose2d` without `in_channels`; see `LazyLinear`."""


class LazyConvTranspose3d(_LazyConvolution, ConvTranspose3d):
    """`ConvTranspose3d` without `in_channels`; see `LazyLinear`."""


class _LazyNorm(_Lazy):
    counted = "num_features"
    _channel_axis: Callable

    def _axis(self, shape):
        return min(self._channel_axis(shape), len(shape) - 1)


class LazyBatchNorm1d(_LazyNorm, BatchNorm1d):
    """`BatchNorm1d` without `num_features`; see `LazyLinear`."""


class LazyBatchNorm2d(_LazyNorm, BatchNorm2d):
    """`BatchNorm2d` without `num_features`; see `LazyLinear`.

    >>> from chainrule import nn
    >>> layer = nn.LazyBatchNorm2d()
    >>> layer(np.ones((5, 4, 2, 2))).shape, layer.num_features
    ((5, 4, 2, 2), 4)
    """


class LazyBatchNorm3d(_LazyNorm, BatchNorm3d):
    """`BatchNorm3d` without `num_features`; see `LazyLinear`."""


class LazyInstanceNorm1d(_LazyNorm, InstanceNorm1d):
    """`InstanceNorm1d` without `num_features`; see `LazyLinear`."""


class LazyInstanceNorm2d(_LazyNorm, InstanceNorm2d):
    """`InstanceNorm2d` without `num_features`; see `LazyLinear`."""


class LazyInstanceNorm3d(_LazyNorm, InstanceNorm3d):
    """`InstanceNorm3d` without `num_features`; see `LazyLinear`."""
