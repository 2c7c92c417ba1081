"""The way back from maximum pooling, and pooling over windows of random size, as layers."""

from ..tensor import Tensor
from .calls import SpatialCalls
from .functional.unpooling import pool_fractional, unpool
from .windows import per_axis


class _MaxUnpool(SpatialCalls):
    function = staticmethod(unpool)
    options = ("kernel_size", "stride", "padding")

    def __init__(self, kernel_size, stride=None, padding=0):
        self.kernel_size = per_axis(kernel_size, self.spatial, type(self).__name__, "kernel_size")
        stride = kernel_size if stride is None else stride
        self.stride = per_axis(stride, self.spatial, type(self).__name__, "stride")
        self.padding = per_axis(padding, self.spatial, type(self).__name__, "padding", 0)

    def forward(self, input, indices, output_size=None):
        return super().forward(input, indices, output_size=output_size)


class MaxUnpool1d(_MaxUnpool):
    """Maxima put back to where `MaxPool1d` found them; parameters as for `MaxUnpool2d`."""

    spatial = 1


class MaxUnpool2d(_MaxUnpool):
    """Maxima put back to where `MaxPool2d` found them, zeros elsewhere.

    Parameters
    ----------
    kernel_size, stride, padding : those of the `MaxPool2d`

    Examples
    --------
    >>> from chainrule import nn
    >>> x = np.array([[[1.0, 2.0], [4.0, 3.0]]])
    >>> nn.MaxUnpool2d(2)(*nn.MaxPool2d(2, return_indices=True)(x))
    array([[[0., 0.],
            [4., 0.]]])
    """

    spatial = 2


class MaxUnpool3d(_MaxUnpool):
    """Maxima put back to where `MaxPool3d` found them; parameters as for `MaxUnpool2d`."""

    spatial = 3


class _FractionalMaxPool(SpatialCalls):
    function = staticmethod(pool_fractional)
    options = ("kernel_size", "output_size", "output_ratio", "return_indices", "_random_samples")
    shown = ()
    _random_samples: Tensor | None

    def __init__(self, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None):
        self.kernel_size, self.return_indices = kernel_size, return_indices
        self.output_size, self.output_ratio = output_size, output_ratio
        self.register_buffer("_random_samples", _random_samples)


class FractionalMaxPool2d(_FractionalMaxPool):
    """Maximum over windows of two spatial axes at random distances (Graham, "Fractional max-pooling", 2014).

    Parameters
    ----------
    kernel_size : int or one per axis, size of the windows
    output_size : int or one per axis, sizes of the result
    output_ratio : number or one per axis, these sizes as parts of those of the input, instead of `output_size`
    return_indices : also give the position of each maximum in the flattened spatial axes

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.FractionalMaxPool2d(2, output_ratio=0.5)(np.zeros((1, 1, 7, 9))).shape
    (1, 1, 3, 4)
    """

    spatial = 2


class FractionalMaxPool3d(_FractionalMaxPool):
    """Maximum over windows of three spatial axes at random distances; parameters as for `FractionalMaxPool2d`."""

    spatial = 3
