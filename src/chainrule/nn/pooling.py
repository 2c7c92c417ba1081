"""Pooling as layers."""

from .calls import SpatialCalls
from .functional.pooling import pool_max, pool_max_to, pool_mean, pool_mean_to, pool_norm


class _MaxPool(SpatialCalls):
    function = staticmethod(pool_max)
    options = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
    shown = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")

    def __init__(self, kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False):
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation, self.return_indices, self.ceil_mode = padding, dilation, return_indices, ceil_mode


class MaxPool1d(_MaxPool):
    """Maximum over windows of one spatial axis; parameters as for `MaxPool2d`.

    >>> from chainrule import nn
    >>> nn.MaxPool1d(2)(np.array([[1.0, 3.0, 2.0, 0.0]]))
    array([[3., 2.]])
    """

    spatial = 1


class MaxPool2d(_MaxPool):
    """Maximum over windows of two spatial axes. The derivative goes to the first maximum of each window.

    Parameters
    ----------
    kernel_size : int or one per axis, size of the windows
    stride : int or one per axis, distance of windows; by default their size
    padding : int or one per axis, places on both sides that never are the maximum
    dilation : int or one per axis, distance of the elements of a window
    return_indices : also give the position of each maximum in the flattened spatial axes
    ceil_mode : also take windows that reach beyond the end

    Raises
    ------
    ShapeError
        An input is not (batch, channels, height, width) or (channels, height, width), or smaller than the window.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.MaxPool2d(2)(np.arange(16.0).reshape(1, 4, 4))
    array([[[ 5.,  7.],
            [13., 15.]]])
    """

    spatial = 2


class MaxPool3d(_MaxPool):
    """Maximum over windows of three spatial axes; parameters as for `MaxPool2d`."""

    spatial = 3


class _AvgPool(SpatialCalls):
    function = staticmethod(pool_mean)
    options = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")
    shown = ("kernel_size", "stride", "padding")

    def __init__(self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size if stride is None else stride, padding
        self.ceil_mode, self.count_include_pad, self.divisor_override = ceil_mode, count_include_pad, divisor_override


class AvgPool1d(_AvgPool):
    """Mean over windows of one spatial axis; parameters as for `AvgPool2d`, with tuples of one.

    >>> from chainrule import nn
    >>> nn.AvgPool1d(2)(np.array([[1.0, 3.0, 2.0, 0.0]]))
    array([[2., 1.]])
    """

    spatial = 1

    def __init__(self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
        def single(value):
            return value if isinstance(value, tuple) else (value,)

        stride = kernel_size if stride is None else stride
        super().__init__(single(kernel_size), single(stride), single(padding), ceil_mode, count_include_pad)


class AvgPool2d(_AvgPool):
    """Mean over windows of two spatial axes.

    Parameters
    ----------
    kernel_size, stride, padding, ceil_mode : as for `MaxPool2d`; padding counts as zeros
    count_include_pad : whether the mean counts the padding; False takes the mean of what is inside
    divisor_override : divide the sum of each window by this instead

    Raises
    ------
    ShapeError
        An input is not (batch, channels, height, width) or (channels, height, width), or smaller than the window.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.AvgPool2d(2)(np.arange(16.0).reshape(1, 4, 4))
    array([[[ 2.5,  4.5],
            [10.5, 12.5]]])
    """

    spatial = 2


class AvgPool3d(_AvgPool):
    """Mean over windows of three spatial axes; parameters as for `AvgPool2d`."""

    spatial = 3


class _LPPool(SpatialCalls):
    function = staticmethod(pool_norm)
    options = ("norm_type", "kernel_size", "stride", "ceil_mode")

    def __init__(self, norm_type, kernel_size, stride=None, ceil_mode=False):
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode


class LPPool1d(_LPPool):
    """`(sum of x ** norm_type) ** (1 / norm_type)` over windows of one spatial axis."""

    spatial = 1


class LPPool2d(_LPPool):
    """`(sum of x ** norm_type) ** (1 / norm_type)` over windows of two spatial axes.

    >>> from chainrule import nn
    >>> nn.LPPool2d(2, (1, 2))(np.array([[[3.0, 4.0]]]))
    array([[[5.]]])
    """

    spatial = 2


class LPPool3d(_LPPool):
    """`(sum of x ** norm_type) ** (1 / norm_type)` over windows of three spatial axes."""

    spatial = 3


class _AdaptiveAvgPool(SpatialCalls):
    function = staticmethod(pool_mean_to)
    options = ("output_size",)

    def __init__(self, output_size):
        self.output_size = output_size


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Mean over as many windows of one spatial axis as the result is to have."""

    spatial = 1


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Mean over windows of two spatial axes, chosen so that the result has size `output_size`.

    Parameters
    ----------
    output_size : int, or one per axis; None keeps the size of the input

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.AdaptiveAvgPool2d(1)(np.arange(6.0).reshape(1, 2, 3))
    array([[[2.5]]])
    """

    spatial = 2


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """Mean over windows of three spatial axes; see `AdaptiveAvgPool2d`."""

    spatial = 3


class _AdaptiveMaxPool(SpatialCalls):
    function = staticmethod(pool_max_to)
    options = ("output_size", "return_indices")
    shown = ("output_size",)

    def __init__(self, output_size, return_indices=False):
        self.output_size, self.return_indices = output_size, return_indices


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """Maximum over as many windows of one spatial axis as the result is to have."""

    spatial = 1


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """Maximum over windows of two spatial axes, chosen so that the result has size `output_size`.

    >>> from chainrule import nn
    >>> nn.AdaptiveMaxPool2d(1)(np.arange(6.0).reshape(1, 2, 3))
    array([[[5.]]])
    """

    spatial = 2


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """Maximum over windows of three spatial axes; see `AdaptiveMaxPool2d`."""

    spatial = 3
