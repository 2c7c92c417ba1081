"""Sums of a few weighted elements along one axis: what every way of resizing does, axis by axis.

Output place i is the sum over j of weights[i, j] times the element at taps[i, j]: only elements around it are read, so that an
infinity spreads no further than the weights reach.
"""

import functools
import math
from typing import NamedTuple

import numpy as np

from ..core.aval import Aval
from ..core.lowering import Call
from .shaping import linear


class Resizing(NamedTuple):
    """From `n` elements to `m`, or with `back` its transpose.

    mode is 'nearest', 'nearest-exact', 'linear' or 'cubic'; `scale` is None, or m / n before rounding; `corners` keeps the
    centres of the outer elements where they are; `antialias` lets each place of a smaller result count all elements around it.
    """

    n: int
    m: int
    mode: str
    scale: float | None = None
    corners: bool = False
    antialias: bool = False
    back: bool = False

    def transposed(self):
        return self._replace(back=not self.back)


@linear(
    transpose=lambda g, axis, way: resample(g, axis=axis, way=way.transposed()),
    aval=lambda x, axis, way: Aval((*x.shape[:axis], way.n if way.back else way.m, *x.shape[axis + 1 :]), x.dtype),
    batch=lambda x, *, axis, way: resample(x, axis=axis + 1, way=way),
    lower=Call(),
)
def resample(x, *, axis, way):
    """Resize along an axis."""
    taps, weights = taps_of(way)
    out = np.zeros((*x.shape[:axis], taps.shape[0], *x.shape[axis + 1 :]), x.dtype)
    trailing = (1,) * (x.ndim - axis - 1)
    for tap, weight in zip(taps.T, weights.T, strict=True):
        out += x.take(tap, axis) * weight.astype(x.dtype).reshape(-1, *trailing)
    return out


# --- taps -------------------------------------------------------------------------------------------------------------


def _linear(x):
    return np.maximum(0, 1 - np.abs(x))


def _cubic(x, a):
    """The cubic convolution kernel of Keys (IEEE Trans. Acoust. Speech Signal Process. 29, 1981)."""
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def _source(n, m, scale, corners):
    """Where the centres of `m` output places lie among `n` elements."""
    places = np.arange(m)
    if corners:
        return places * ((n - 1) / (m - 1) if m > 1 else 0.0)
    return (places + 0.5) * (1 / scale if scale else n / m) - 0.5


def _nearest(n, m, scale, exact):
    # In float32 whatever the input's dtype, as in PyTorch: elsewhere places on a border would be rounded otherwise.
    step = np.float32(1 / scale) if scale else np.float32(n) / np.float32(m)
    at = np.floor((np.arange(m, dtype=np.float32) + np.float32(0.5 if exact else 0)) * step).astype(np.int64)
    return np.minimum(at, n - 1)[:, None], np.ones((m, 1))


def _smoothed(n, m, scale, corners, kernel, radius):
    """Kernels widened to the distance of output places, so that no element is skipped."""
    step = ((n - 1) / (m - 1) if m > 1 else 0.0) if corners else (1 / scale if scale else n / m)
    wide = max(step, 1.0)
    centre = step * (np.arange(m) + 0.5)
    first = np.maximum((centre - radius * wide + 0.5).astype(np.int64), 0)
    last = np.minimum((centre + radius * wide + 0.5).astype(np.int64), n)
    taps = first[:, None] + np.arange(max(int((last - first).max()), 1))
    weights = np.where(taps < last[:, None], kernel((taps - centre[:, None] + 0.5) / wide), 0)
    return np.minimum(taps, n - 1), weights / weights.sum(1, keepdims=True)


def _forward(way):
    """Taps and weights from the elements to the places, whatever `way.back` says."""
    n, m, mode, scale, corners, antialias, _ = way
    if mode in ("nearest", "nearest-exact"):
        return _nearest(n, m, scale, mode == "nearest-exact")
    if antialias:
        if mode == "linear":
            return _smoothed(n, m, scale, corners, _linear, 1)
        return _smoothed(n, m, scale, corners, lambda x: _cubic(x, -0.5), 2)
    at = _source(n, m, scale, corners)
    if mode == "linear":
        at = np.clip(at, 0, n - 1)
        first = np.floor(at).astype(np.int64)
        taps = np.stack([first, np.minimum(first + 1, n - 1)], 1)
        return taps, np.stack([1 - (at - first), at - first], 1)
    first = np.floor(at).astype(np.int64)
    taps = first[:, None] + np.arange(-1, 3)
    return np.clip(taps, 0, n - 1), _cubic(at[:, None] - taps, -0.75)


def _transposed(taps, weights, n):
    """Taps and weights of the transpose, an output of length `n`; missing ones have weight 0."""
    m, k = taps.shape
    used = weights.ravel() != 0
    into, out, weight = taps.ravel()[used], np.repeat(np.arange(m), k)[used], weights.ravel()[used]
    order = np.argsort(into, kind="stable")
    counts = np.bincount(into, minlength=n)
    rank = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    width = max(int(counts.max(initial=0)), 1)
    back, back_weights = np.zeros((n, width), np.int64), np.zeros((n, width))
    back[into[order], rank], back_weights[into[order], rank] = out[order], weight[order]
    return back, back_weights


@functools.lru_cache(maxsize=256)
def taps_of(way):
    """Taps and weights, arrays of shape (places, as many as a place needs)."""
    taps, weights = _forward(way)
    if way.back:
        taps, weights = _transposed(taps, weights, way.n)
    for a in (taps, weights):
        a.flags.writeable = False
    return taps, weights


def size_after(n, scale):
    """The length of an axis of `n` elements after scaling."""
    return math.floor(n * scale)
