"""Padding as layers."""

from typing import ClassVar

from ..errors import ArgumentError, explain
from .calls import SpatialCalls
from .functional.padding import pad_spatial


class _Pad(SpatialCalls):
    """Pads the last axes.

    Parameters
    ----------
    padding : int for all sides, or (before, after) of the last axis, then of the one in front of it, and so on
    """

    function = staticmethod(pad_spatial)
    options = ("padding", "mode", "value")
    mode: ClassVar[str] = "constant"
    value = 0.0

    def __init__(self, padding):
        n = 2 * self.spatial
        self.padding = (padding,) * n if isinstance(padding, int) else tuple(padding)
        if len(self.padding) != n:
            raise ArgumentError(
                explain(
                    f"{type(self).__name__}: padding needs a number, or {n} of them",
                    f"found: {padding!r}",
                    help="(before, after) for each axis, the last axis first",
                )
            )

    def forward(self, input):
        return pad_spatial(input, self.padding, self.mode, self.value, self.spatial, type(self).__name__)

    def extra_repr(self):
        return str(self.padding)


class _ConstantPad(_Pad):
    def __init__(self, padding, value):
        super().__init__(padding)
        self.value = value

    def extra_repr(self):
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """Padding of the last axis with one number; `padding` is an int or (before, after).

    >>> from chainrule import nn
    >>> nn.ConstantPad1d((2, 1), 7.0)(np.array([[1.0, 2.0]]))
    array([[7., 7., 1., 2., 7.]])
    """

    spatial = 1


class ConstantPad2d(_ConstantPad):
    """Padding of the last two axes with one number; see `ConstantPad1d`, with 4 widths."""

    spatial = 2


class ConstantPad3d(_ConstantPad):
    """Padding of the last three axes with one number; see `ConstantPad1d`, with 6 widths."""

    spatial = 3


class ZeroPad1d(_Pad):
    """Padding of the last axis with zeros; `padding` is an int or (before, after).

    >>> from chainrule import nn
    >>> nn.ZeroPad1d(1)(np.array([[1.0, 2.0]]))
    array([[0., 1., 2., 0.]])
    """

    spatial = 1


class ZeroPad2d(_Pad):
    """Padding of the last two axes with zeros; see `ZeroPad1d`, with 4 widths."""

    spatial = 2


class ZeroPad3d(_Pad):
    """Padding of the last three axes with zeros; see `ZeroPad1d`, with 6 widths."""

    spatial = 3


class ReflectionPad1d(_Pad):
    """Padding of the last axis with what is inside, mirrored at the edge; `padding` is an int or (before, after).

    >>> from chainrule import nn
    >>> nn.ReflectionPad1d(1)(np.array([[1.0, 2.0]]))
    array([[2., 1., 2., 1.]])
    """

    spatial = 1
    mode = "reflect"


class ReflectionPad2d(_Pad):
    """Padding of the last two axes with what is inside, mirrored at the edge; see `ReflectionPad1d`, with 4 widths."""

    spatial = 2
    mode = "reflect"


class ReflectionPad3d(_Pad):
    """Padding of the last three axes with what is inside, mirrored at the edge; see `ReflectionPad1d`, with 6 widths."""

    spatial = 3
    mode = "reflect"


class ReplicationPad1d(_Pad):
    """Padding of the last axis with the element at the edge; `padding` is an int or (before, after).

    >>> from chainrule import nn
    >>> nn.ReplicationPad1d(1)(np.array([[1.0, 2.0]]))
    array([[1., 1., 2., 2.]])
    """

    spatial = 1
    mode = "replicate"


class ReplicationPad2d(_Pad):
    """Padding of the last two axes with the element at the edge; see `ReplicationPad1d`, with 4 widths."""

    spatial = 2
    mode = "replicate"


class ReplicationPad3d(_Pad):
    """Padding of the last three axes with the element at the edge; see `ReplicationPad1d`, with 6 widths."""

    spatial = 3
    mode = "replicate"


class CircularPad1d(_Pad):
    """Padding of the last axis with what stands at the other end; `padding` is an int or (before, after).

    >>> from chainrule import nn
    >>> nn.CircularPad1d((1, 0))(np.array([[1.0, 2.0]]))
    array([[2., 1., 2.]])
    """

    spatial = 1
    mode = "circular"


class CircularPad2d(_Pad):
    """Padding of the last two axes with what stands at the other end; see `CircularPad1d`, with 4 widths."""

    spatial = 2
    mode = "circular"


class CircularPad3d(_Pad):
    """Padding of the last three axes with what stands at the other end; see `CircularPad1d`, with 6 widths."""

    spatial = 3
    mode = "circular"
