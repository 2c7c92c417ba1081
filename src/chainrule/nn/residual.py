"""Residual blocks: what some layers compute, added to their input (He et al., "Deep residual learning", 2016)."""

from ..core.value import shape_of
from ..errors import ArgumentError, ShapeError, explain
from .activation import ReLU
from .containers import Sequential
from .convolution import Conv2d
from .linear import Identity
from .module import Module
from .normalization import BatchNorm2d


def _added(x, y, what):
    if shape_of(x) != shape_of(y):
        raise ShapeError(
            explain(
                f"{what}: what the block computes must have the shape of its shortcut",
                f"shortcut: {shape_of(x)}    block: {shape_of(y)}",
                help="give a shortcut that changes the shape in the same way, such as a 1 x 1 convolution with the stride",
            )
        )
    return x + y


class Residual(Module):
    """`shortcut(x) + block(x)`.

    Parameters
    ----------
    *modules : Modules that run one after the other
    shortcut : Module; by default the input as it is

    Raises
    ------
    ShapeError
        Block and shortcut give different shapes.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.Residual(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4))(np.ones((5, 4))).shape
    (5, 4)
    """

    def __init__(self, *modules, shortcut=None):
        self.block = Sequential(*modules)
        self.shortcut = Identity() if shortcut is None else shortcut

    def forward(self, input):
        return _added(self.shortcut(input), self.block(input), "Residual")


class _Block(Module):
    """What the blocks of residual networks share, with names of layers as torchvision's have them."""

    relu: Module

    def _build(self, sizes, downsample, norm_layer):
        """Layers conv1, bn1, conv2, ... for (inputs, outputs, options of the convolution)."""
        for i, (inputs, outputs, options) in enumerate(sizes, 1):
            setattr(self, f"conv{i}", Conv2d(inputs, outputs, bias=False, **options))
            setattr(self, f"bn{i}", norm_layer(outputs))
        self.relu, self.depth = ReLU(inplace=False), len(sizes)
        self.downsample = downsample

    def forward(self, input):
        x = input
        for i in range(1, self.depth + 1):
            x = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(x))
            x = self.relu(x) if i < self.depth else x
        shortcut = input if self.downsample is None else self.downsample(input)
        return self.relu(_added(shortcut, x, type(self).__name__))


class BasicBlock(_Block):
    """Two 3 x 3 convolutions around which the input goes, as in ResNet-18 and -34.

    Parameters
    ----------
    inplanes, planes : channels of input and output
    stride : of the first convolution
    downsample : Module for the shortcut, needed where stride or channels change; True makes the usual one, a 1 x 1 convolution
        and a normalisation
    norm_layer : makes a normalisation for a number of channels

    Notes
    -----
    Names of parameters are torchvision's, so that weights of its models load.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.BasicBlock(4, 8, stride=2, downsample=True)(np.ones((2, 4, 6, 6))).shape
    (2, 8, 3, 3)
    """

    expansion = 1

    def __init__(self, inplanes, planes, stride=1, downsample=None, norm_layer=BatchNorm2d):
        around = {"kernel_size": 3, "padding": 1}
        sizes = [(inplanes, planes, {**around, "stride": stride}), (planes, planes, around)]
        self._build(sizes, _shortcut(downsample, inplanes, planes, stride, norm_layer), norm_layer)


class Bottleneck(_Block):
    """Convolutions 1 x 1, 3 x 3 and 1 x 1 around which the input goes, as in ResNet-50 and deeper ones.

    The stride is that of the 3 x 3 convolution, as in torchvision. The result has `4 * planes` channels.

    Parameters
    ----------
    inplanes : channels of the input
    planes : channels between
    stride, downsample, norm_layer : as for `BasicBlock`
    groups, base_width : channels between are `planes * base_width / 64` in each of so many groups (ResNeXt)

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.Bottleneck(8, 2)(np.ones((2, 8, 6, 6))).shape
    (2, 8, 6, 6)
    """

    expansion = 4

    def __init__(self, inplanes, planes, stride=1, downsample=None, groups=1, base_width=64, norm_layer=BatchNorm2d):
        width = int(planes * (base_width / 64.0)) * groups
        middle = {"kernel_size": 3, "padding": 1, "stride": stride, "groups": groups}
        alone = {"kernel_size": 1}
        sizes = [(inplanes, width, alone), (width, width, middle), (width, 4 * planes, alone)]
        self._build(sizes, _shortcut(downsample, inplanes, 4 * planes, stride, norm_layer), norm_layer)


def _shortcut(downsample, inplanes, outplanes, stride, norm_layer):
    if downsample is True:
        return Sequential(Conv2d(inplanes, outplanes, 1, stride=stride, bias=False), norm_layer(outplanes))
    if downsample is not None and not isinstance(downsample, Module):
        raise ArgumentError(
            explain("downsample must be a Module, True or None", f"found: {downsample!r}", help="True is usual")
        )
    return downsample
