"""Images read at places of a grid, between pixels where need be. Derivatives flow to the image and to the grid."""

import itertools

import numpy as np

from ...core.value import dtype_of, ndim_of, shape_of
from ...errors import ArgumentError, ShapeError, explain
from ...ops import absolute, clip, floor, matmul, moveaxis, rint, stack, where
from ...ops.indexing import getitem
from ...ops.reduction import all as all_
from ...ops.shaping import as_shape, as_value, cast, expand

A = -0.75  # of the cubic convolution kernel (Keys, 1981), as in `interpolate`


def _unnormalised(x, n, align_corners):
    """Positions between -1 and 1 as positions among `n` pixels."""
    return (x + 1) * (0.5 * (n - 1)) if align_corners else ((x + 1) * n - 1) * 0.5


def _reflected(x, n, align_corners):
    """Positions outside thrown back at the borders, as often as it takes."""
    low, span = (0.0, n - 1) if align_corners else (-0.5, n)
    if span == 0:
        return x * 0
    x = absolute(x - low)
    flips = floor(x / span)
    extra = x - flips * span
    return where(flips % 2 == 0, extra + low, span - extra + low)


def _bounded(x, n, padding_mode, align_corners):
    if padding_mode == "reflection":
        x = _reflected(x, n, align_corners)
    return x if padding_mode == "zeros" else clip(x, 0, n - 1)


def _read(x, places):
    """x (batch, channels, *sizes) at integer `places`, an array (batch, *out) per axis; 0 outside: (batch, channels, *out)."""
    sizes, ndim = shape_of(x)[2:], len(places)
    places = [cast(p, np.dtype(np.int64)) for p in places]
    inside = [(p >= 0) & (p < n) for p, n in zip(places, sizes, strict=True)]
    batch = np.arange(shape_of(x)[0]).reshape(-1, *(1,) * ndim)
    found = getitem(moveaxis(x, 1, -1), (batch, *(clip(p, 0, n - 1) for p, n in zip(places, sizes, strict=True))))
    found = where(expand(all_(stack(inside), 0), (ndim + 1,)), found, np.zeros((), dtype_of(x)))
    return moveaxis(found, -1, 1)


def _cubic_weights(t):
    """Weights of the pixels at -1, 0, 1 and 2, for a place t of the way from 0 to 1."""

    def near(s):
        return ((A + 2) * s - (A + 3)) * s * s + 1

    def far(s):
        return ((A * s - 5 * A) * s + 8 * A) * s - 4 * A

    return far(t + 1), near(t), near(1 - t), far(2 - t)


def _linear_weights(t):
    return 1 - t, t


def _check(x, grid, mode, padding_mode):
    ndim = ndim_of(x) - 2
    if ndim not in (2, 3) or ndim_of(grid) != ndim + 2 or shape_of(grid)[-1] != ndim or shape_of(grid)[0] != shape_of(x)[0]:
        raise ShapeError(
            explain(
                "grid_sample: the grid must hold a position for each place of the result",
                "expected: input (n, c, h, w) and grid (n, *, *, 2), or input (n, c, d, h, w) and grid (n, *, *, *, 3)",
                f"found: input {shape_of(x)}    grid {shape_of(grid)}",
                help="affine_grid makes such grids",
            )
        )
    if 0 in shape_of(x)[2:]:
        raise ShapeError(explain("grid_sample: the input is empty", f"input: {shape_of(x)}", help="there is nothing to read"))
    modes = ("bilinear", "nearest", "bicubic") if ndim == 2 else ("bilinear", "nearest")
    if mode not in modes or padding_mode not in ("zeros", "border", "reflection"):
        raise ArgumentError(
            explain(
                f"grid_sample: mode {mode!r} with padding {padding_mode!r} on {ndim} spatial axes",
                help=f"modes are {', '.join(modes)}; paddings zeros, border and reflection",
            )
        )


def grid_sample(input, grid, mode="bilinear", padding_mode="zeros", align_corners=None):
    """Read images or volumes at the positions that a grid holds.

    Parameters
    ----------
    input : array of shape (batch, channels, height, width), or (batch, channels, depth, height, width)
    grid : array of shape (batch, *out, 2) or (batch, *out, 3), with positions (x, y) or (x, y, z) between -1 and 1
    mode : 'bilinear', 'nearest', or 'bicubic' for images; of pixels around a position
    padding_mode : what is read outside: 'zeros', the 'border', or the 'reflection' of what is inside
    align_corners : whether -1 and 1 are the centres of the corner pixels; else their outer corners

    Returns
    -------
    array of shape (batch, channels, *out)

    Raises
    ------
    ShapeError
        The grid does not fit the input.

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.grid_sample(np.array([[[[1.0, 3.0]]]]), np.array([[[[0.0, 0.0]]]]), align_corners=True)
    array([[[[2.]]]])
    """
    x, grid = as_value(input), as_value(grid)
    _check(x, grid, mode, padding_mode)
    sizes = shape_of(x)[2:]
    positions = [
        _unnormalised(grid[..., -1 - d], n, align_corners) for d, n in enumerate(sizes)
    ]  # the last number of the grid belongs to the first spatial axis
    if mode == "nearest":
        places = [rint(_bounded(p, n, padding_mode, align_corners)) for p, n in zip(positions, sizes, strict=True)]
        return _read(x, places)
    if mode == "bilinear":
        positions = [_bounded(p, n, padding_mode, align_corners) for p, n in zip(positions, sizes, strict=True)]
    first = [floor(p) for p in positions]
    weigh = _linear_weights if mode == "bilinear" else _cubic_weights
    weights = [weigh(p - f) for p, f in zip(positions, first, strict=True)]
    before = 0 if mode == "bilinear" else 1
    total = 0
    for at in itertools.product(range(len(weights[0])), repeat=len(sizes)):
        places = [f + (k - before) for f, k in zip(first, at, strict=True)]
        if mode == "bicubic":  # it bounds each of the pixels that it reads, not their centre
            places = [_bounded(p, n, padding_mode, align_corners) for p, n in zip(places, sizes, strict=True)]
        weight = weights[0][at[0]]
        for w, k in zip(weights[1:], at[1:], strict=True):
            weight = weight * w[k]
        total = total + _read(x, places) * expand(weight, (1,))
    return total


def affine_grid(theta, size, align_corners=None):
    """The grid that `grid_sample` needs to move an image by affine maps.

    Parameters
    ----------
    theta : array of shape (batch, 2, 3) or (batch, 3, 4): from positions in the result to positions in the input
    size : shape of the result, (batch, channels, height, width) or (batch, channels, depth, height, width)
    align_corners : whether -1 and 1 are the centres of the corner pixels; else their outer corners

    Returns
    -------
    array of shape (batch, height, width, 2) or (batch, depth, height, width, 3)

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.affine_grid(np.array([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]), (1, 1, 1, 2))
    array([[[[-0.5,  0. ],
             [ 0.5,  0. ]]]])
    """
    theta, size = as_value(theta), as_shape(size)
    ndim = len(size) - 2
    if ndim not in (2, 3) or shape_of(theta) != (size[0], ndim, ndim + 1) or min(size) < 1:
        raise ShapeError(
            explain(
                "affine_grid: one matrix for each image",
                "expected: theta (n, 2, 3) with size (n, c, h, w), or (n, 3, 4) with (n, c, d, h, w)",
                f"found: theta {shape_of(theta)}    size {size}",
                help="`size` is the shape of the result",
            )
        )
    ends = [(1.0 if align_corners else (n - 1) / n) if n > 1 else 0.0 for n in size[2:]]
    lines = [np.linspace(-e, e, n) for e, n in zip(ends, size[2:], strict=True)]
    places = [*np.meshgrid(*lines, indexing="ij")][::-1]  # x first
    base = np.stack([*places, np.ones(size[2:])], -1).astype(dtype_of(theta))
    flat = base.reshape(-1, ndim + 1)
    out = matmul(flat, moveaxis(theta, 1, 2))
    return out.reshape((size[0], *size[2:], ndim))
