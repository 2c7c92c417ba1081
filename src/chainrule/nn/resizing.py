"""Images in another size, as layers."""

from . import functional as F
from .calls import Calls


class Upsample(Calls):
    """Images, volumes or series in another size.

    Parameters
    ----------
    size : int or one per axis, the sizes of the result
    scale_factor : number or one per axis by which sizes are multiplied, instead of `size`
    mode : 'nearest', 'linear', 'bilinear', 'bicubic' or 'trilinear'
    align_corners : whether the centres of the corner elements stay where they are
    recompute_scale_factor : take the scale from the sizes of input and result, in place of `scale_factor`

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.Upsample(scale_factor=2)(np.array([[[1.0, 3.0]]]))
    array([[[1., 1., 3., 3.]]])
    """

    function = staticmethod(F.interpolate)
    options = ("size", "scale_factor", "mode", "align_corners", "recompute_scale_factor")

    def __init__(self, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None):
        self.size = tuple(map(int, size)) if isinstance(size, (tuple, list)) else size
        several = isinstance(scale_factor, (tuple, list))
        self.scale_factor = tuple(map(float, scale_factor)) if several else scale_factor and float(scale_factor)
        self.mode, self.align_corners, self.recompute_scale_factor = mode, align_corners, recompute_scale_factor

    def extra_repr(self):
        what = f"size={self.size!r}" if self.scale_factor is None else f"scale_factor={self.scale_factor!r}"
        return f"{what}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """`Upsample` of images with mode 'nearest'."""

    def __init__(self, size=None, scale_factor=None):
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """`Upsample` of images with mode 'bilinear' and `align_corners`."""

    def __init__(self, size=None, scale_factor=None):
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)


class PixelShuffle(Calls):
    """Groups of r * r channels become squares of r by r pixels (Shi et al., "Real-time single image super-resolution", 2016).

    >>> from chainrule import nn
    >>> nn.PixelShuffle(2)(np.zeros((1, 8, 3, 3))).shape
    (1, 2, 6, 6)
    """

    function = staticmethod(F.pixel_shuffle)
    options = ("upscale_factor",)

    def __init__(self, upscale_factor):
        self.upscale_factor = upscale_factor


class PixelUnshuffle(Calls):
    """The inverse of `PixelShuffle`."""

    function = staticmethod(F.pixel_unshuffle)
    options = ("downscale_factor",)

    def __init__(self, downscale_factor):
        self.downscale_factor = downscale_factor


class ChannelShuffle(Calls):
    """Channels of `groups` groups taken in turn."""

    function = staticmethod(F.channel_shuffle)
    options = ("groups",)

    def __init__(self, groups):
        self.groups = groups
