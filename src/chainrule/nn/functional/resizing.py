"""Images in another size: interpolation, and channels that become pixels."""

from ...core.value import dtype_of, ndim_of, shape_of
from ...errors import ArgumentError, ShapeError, explain
from ...ops import moveaxis, reshape
from ...ops.resizing import Resizing, resample, size_after
from ...ops.shaping import as_value
from ..windows import as_float
from .pooling import pool_mean_to

# Which interpolation goes with how many spatial axes, and what it does along each.
MODES = {
    "nearest": ((1, 2, 3), "nearest"),
    "nearest-exact": ((1, 2, 3), "nearest-exact"),
    "linear": ((1,), "linear"),
    "bilinear": ((2,), "linear"),
    "trilinear": ((3,), "linear"),
    "bicubic": ((2,), "cubic"),
    "area": ((1, 2, 3), "area"),
}


def _per_axis(value, ndim, name):
    values = (value,) * ndim if ndim_of(value) == 0 else tuple(value)
    if len(values) != ndim:
        raise ArgumentError(
            explain(f"interpolate: `{name}` must be one number, or {ndim}", f"found: {value!r}", help="one per spatial axis")
        )
    return values


def _sizes(sizes, size, scale_factor, recompute):
    """(sizes of the result, scale for each axis or None)."""
    ndim = len(sizes)
    scales: tuple[float | None, ...] = (None,) * ndim
    if (size is None) == (scale_factor is None):
        raise ArgumentError(
            explain(
                "interpolate: give either `size` or `scale_factor`",
                f"size: {size}    scale_factor: {scale_factor}",
                help="`size` holds the lengths of the spatial axes of the result",
            )
        )
    if size is not None:
        if recompute:
            raise ArgumentError(
                explain("interpolate: `recompute_scale_factor` needs a `scale_factor`", f"size: {size}", help="leave it away")
            )
        targets = tuple(int(n) for n in _per_axis(size, ndim, "size"))
    else:
        factors = tuple(float(s) for s in _per_axis(scale_factor, ndim, "scale_factor"))
        targets = tuple(size_after(n, s) for n, s in zip(sizes, factors, strict=True))
        scales = scales if recompute else factors
    if min(targets) < 1 or 0 in sizes:
        raise ShapeError(
            explain(
                "interpolate: input and result must not be empty",
                f"input: {sizes}    result: {targets}",
                help="choose a larger size or scale_factor",
            )
        )
    return targets, scales


def interpolate(
    input, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None, antialias=False
):
    """Images, volumes or series in another size.

    Parameters
    ----------
    input : array of shape (batch, channels, *sizes), with one to three spatial axes
    size : int or one per axis, the sizes of the result
    scale_factor : number or one per axis by which sizes are multiplied, instead of `size`
    mode : 'nearest', 'nearest-exact', 'area'; 'linear' for one spatial axis, 'bilinear' and 'bicubic' for two, 'trilinear' for
        three
    align_corners : for linear and cubic modes, whether the centres of the corner elements stay where they are; else their outer
        corners do
    recompute_scale_factor : take the scale from the sizes of input and result, in place of `scale_factor`
    antialias : for 'bilinear' and 'bicubic', let each place of a smaller result count all elements around it

    Returns
    -------
    array of shape (batch, channels, *new sizes)

    Raises
    ------
    ShapeError
        The input has no spatial axes, or input or result would be empty.
    ArgumentError
        An option does not fit.

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.interpolate(np.array([[[1.0, 3.0]]]), scale_factor=2, mode="linear")
    array([[[1. , 1.5, 2.5, 3. ]]])
    """
    x = as_value(input)
    ndim = ndim_of(x) - 2
    if ndim not in (1, 2, 3):
        raise ShapeError(
            explain(
                "interpolate: the input needs 3 to 5 axes",
                f"expected: (batch, channels, *sizes)    found: {dtype_of(x)} {shape_of(x)}",
                help="add the axes of batch and channels: x[None, None]",
            )
        )
    _check_mode(mode, ndim, align_corners, antialias)
    sizes = shape_of(x)[2:]
    targets, scales = _sizes(sizes, size, scale_factor, recompute_scale_factor)
    if mode == "area":
        return pool_mean_to(x, targets, ndim, "interpolate")
    kind = MODES[mode][1]
    x = x if kind.startswith("nearest") else as_float(x)
    for axis, (n, m, scale) in enumerate(zip(sizes, targets, scales, strict=True), 2):
        if n != m or (scale not in (None, 1.0) and not align_corners):
            x = resample(x, axis=axis, way=Resizing(n, m, kind, scale, bool(align_corners), bool(antialias)))
    return x


def _check_mode(mode, ndim, align_corners, antialias):
    if mode not in MODES or ndim not in MODES[mode][0]:
        fitting = [m for m, (axes, _) in MODES.items() if ndim in axes]
        raise ArgumentError(
            explain(
                f"interpolate: mode {mode!r} does not fit {ndim} spatial axes",
                help=f"use one of {', '.join(map(repr, fitting))}",
            )
        )
    if align_corners is not None and MODES[mode][1] not in ("linear", "cubic"):
        raise ArgumentError(
            explain(
                f"interpolate: mode {mode!r} knows no `align_corners`",
                f"align_corners: {align_corners}",
                help="it goes with linear, bilinear, bicubic and trilinear",
            )
        )
    if antialias and mode not in ("bilinear", "bicubic"):
        raise ArgumentError(
            explain(f"interpolate: mode {mode!r} knows no `antialias`", help="it goes with bilinear and bicubic")
        )


def upsample(input, size=None, scale_factor=None, mode="nearest", align_corners=None):
    """PyTorch's older name for `interpolate`."""
    return interpolate(input, size, scale_factor, mode, align_corners)


# --- channels and pixels ----------------------------------------------------------------------------------------------


def _images(input, what):
    x = as_value(input)
    if ndim_of(x) < 3:
        raise ShapeError(
            explain(
                f"{what}: the input needs 3 axes or more",
                f"expected: (*, channels, height, width)    found: {shape_of(x)}",
                help="add the axis of channels: x[None]",
            )
        )
    return x, shape_of(x)[:-3], *shape_of(x)[-3:]


def _check_factor(what, name, factor, **lengths):
    if factor < 1 or any(n % factor for n in lengths.values()):
        found = "    ".join(f"{k}: {n}" for k, n in lengths.items())
        raise ShapeError(
            explain(f"{what}: lengths must be multiples of `{name}`", f"{name}: {factor}    {found}", help="crop the input")
        )


def pixel_shuffle(input, upscale_factor):
    """Groups of r * r channels become squares of r by r pixels: (*, c r r, h, w) to (*, c, h r, w r).

    >>> import chainrule.nn.functional as F
    >>> F.pixel_shuffle(np.arange(4.0).reshape(4, 1, 1), 2)
    array([[[0., 1.],
            [2., 3.]]])
    """
    x, lead, c, h, w = _images(input, "pixel_shuffle")
    r, n = int(upscale_factor), len(lead)
    if r < 1 or c % (r * r):
        raise ShapeError(
            explain(
                "pixel_shuffle: the number of channels must be a multiple of upscale_factor ** 2",
                f"channels: {c}    upscale_factor: {r}",
                help="choose channels c * r * r",
            )
        )
    x = reshape(x, (*lead, c // (r * r), r, r, h, w))
    x = moveaxis(x, (n + 3, n + 1, n + 4, n + 2), (n + 1, n + 2, n + 3, n + 4))
    return reshape(x, (*lead, c // (r * r), h * r, w * r))


def pixel_unshuffle(input, downscale_factor):
    """The inverse of `pixel_shuffle`: (*, c, h r, w r) to (*, c r r, h, w).

    >>> import chainrule.nn.functional as F
    >>> F.pixel_unshuffle(np.arange(4.0).reshape(1, 2, 2), 2).ravel()
    array([0., 1., 2., 3.])
    """
    x, lead, c, h, w = _images(input, "pixel_unshuffle")
    r, n = int(downscale_factor), len(lead)
    _check_factor("pixel_unshuffle", "downscale_factor", r, height=h, width=w)
    x = reshape(x, (*lead, c, h // r, r, w // r, r))
    x = moveaxis(x, (n + 2, n + 4, n + 1, n + 3), (n + 1, n + 2, n + 3, n + 4))
    return reshape(x, (*lead, c * r * r, h // r, w // r))


def channel_shuffle(input, groups):
    """Channels of `groups` groups taken in turn: (batch, g k, *) as (batch, k g, *).

    >>> import chainrule.nn.functional as F
    >>> F.channel_shuffle(np.arange(4.0).reshape(1, 4, 1, 1), 2).ravel()
    array([0., 2., 1., 3.])
    """
    x = as_value(input)
    if ndim_of(x) < 3:
        raise ShapeError(
            explain("channel_shuffle: the input needs 3 axes or more", f"found: {shape_of(x)}", help="check its axes")
        )
    n, c, *rest = shape_of(x)
    _check_factor("channel_shuffle", "groups", int(groups), channels=c)
    x = moveaxis(reshape(x, (n, groups, c // groups, *rest)), 1, 2)
    return reshape(x, (n, c, *rest))
