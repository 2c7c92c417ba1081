"""Arithmetic on images (..., height, width): scaling, turning, colours."""

import numpy as np

LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601


def as_range(x, like):
    """Floating point numbers in the dtype of `like`: rounded and kept within its range if that holds whole numbers."""
    if like.dtype.kind in "iu":
        limits = np.iinfo(like.dtype)
        x = np.clip(np.rint(x), limits.min, limits.max)
    return x.astype(like.dtype, copy=False)


def resized(image, size, interpolation="bilinear", antialias=True):
    """Another size, one axis after the other; pixels are areas, of which the centres lie at halves."""
    if tuple(size) == image.shape[-2:]:
        return image
    if interpolation == "nearest":
        rows, columns = (np.arange(new) * old // new for new, old in zip(size, image.shape[-2:], strict=True))
        return image[..., rows[:, None], columns]
    x = image if image.dtype.kind == "f" else image.astype(np.float32)
    for axis in (-1, -2):
        x = x @ _weights(x.shape[-1], size[axis], antialias).astype(x.dtype)
        x = np.swapaxes(x, -1, -2)
    return as_range(np.ascontiguousarray(x), image)


def _weights(old, new, antialias):
    """What each old pixel gives to each new one, (old, new): a triangle about the centre of the new pixel."""
    scale = old / new
    width = max(scale, 1.0) if antialias else 1.0
    centres = (np.arange(new) + 0.5) * scale
    if not antialias:
        centres = np.clip(centres, 0.5, old - 0.5)  # beyond the last centre, the last pixel counts
    weights = np.maximum(0, 1 - abs(np.arange(old)[:, None] + 0.5 - centres) / width)
    return weights / weights.sum(0)


def rotated(image, degrees, interpolation="nearest", fill=0):
    """Turned about the centre, counter-clockwise."""
    h, w = image.shape[-2:]
    angle = np.deg2rad(degrees)
    y, x = np.arange(h)[:, None] - (h - 1) / 2, np.arange(w) - (w - 1) / 2
    # Each new pixel looks where it came from; rounding keeps right angles exact.
    from_x = np.round(np.cos(angle) * x - np.sin(angle) * y + (w - 1) / 2, 9)
    from_y = np.round(np.sin(angle) * x + np.cos(angle) * y + (h - 1) / 2, 9)
    if interpolation == "nearest":
        return _picked(image, np.floor(from_y + 0.5), np.floor(from_x + 0.5), fill)
    x0, y0 = np.floor(from_x), np.floor(from_y)
    source = image if image.dtype.kind == "f" else image.astype(np.float32)
    total = 0
    for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = (1 - abs(from_y - y0 - dy)) * (1 - abs(from_x - x0 - dx))
        total = total + weight.astype(source.dtype) * _picked(source, y0 + dy, x0 + dx, fill)
    return as_range(total, image)


def _picked(image, rows, columns, fill):
    """The pixels at these places, and `fill` outside."""
    h, w = image.shape[-2:]
    inside = (rows >= 0) & (rows < h) & (columns >= 0) & (columns < w)
    pixels = image[..., np.clip(rows, 0, h - 1).astype(np.intp), np.clip(columns, 0, w - 1).astype(np.intp)]
    return np.where(inside, pixels, image.dtype.type(fill))


def to_gray(image):
    """Luminance of (..., 3, height, width), as (..., 1, height, width)."""
    weights = np.array(LUMINANCE, image.dtype if image.dtype.kind == "f" else np.float32).reshape(3, 1, 1)
    return (image * weights).sum(-3, keepdims=True)


def hue_shifted(image, shift):
    """Colours (..., 3, height, width) from 0 to 1, with their angle on the circle of colours moved by `shift` of it."""
    r, g, b = (image[..., i, :, :] for i in range(3))
    most, least = image.max(-3), image.min(-3)
    spread = most - least
    safe = np.where(spread == 0, 1, spread)
    hue = np.where(most == r, (g - b) / safe % 6, np.where(most == g, (b - r) / safe + 2, (r - g) / safe + 4))
    hue = (hue + 6 * shift) % 6
    # Each channel goes up and down along the circle like a trapezium (Smith, Color gamut transform pairs, 1978).
    channels = [most - spread * np.clip(np.minimum(k, 4 - k), 0, 1) for k in ((n + hue) % 6 for n in (5, 3, 1))]
    return np.stack(channels, -3).astype(image.dtype)
