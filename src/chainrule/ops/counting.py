"""Counts of elements: by value, by bin. Counts are constants for derivatives; weights and edges are not."""

import builtins
import math

import numpy as np

from ..core.value import Value, dtype_of, ndim_of, shape_of, size_of
from ..errors import ShapeError, UnsupportedError, explain
from .arranging import diff
from .comparison import isfinite
from .elementwise import clip, where
from .indexing import index_add
from .linalg.matrices import known
from .ranges import linspace
from .reduction import max as largest, min as smallest, sum as sum_
from .shaping import as_value, broadcast_to, cast, reshape
from .sorting import searchsorted


def bincount(x, weights=None, minlength=0):
    """How often each whole number from 0 on occurs in `x`, or the sum of the `weights` of those places.

    Derivatives flow to the weights. The length of the result depends on the largest element, so inside vmap it is not
    known; there use `index_add`.

    >>> import chainrule as cr
    >>> cr.bincount([0, 2, 2], weights=[1.0, 0.5, 0.25])
    array([1.  , 0.  , 0.75])
    """
    x = as_value(x)
    if ndim_of(x) != 1:
        raise ValueError(f"object of too small depth for desired array, found {ndim_of(x)} axes instead of 1")
    if dtype_of(x).kind not in "iub" and size_of(x):
        raise TypeError(f"Cannot cast array data from {dtype_of(x)!r} to {np.dtype(np.intp)!r} according to the rule 'safe'")
    if minlength < 0:
        raise ValueError("'minlength' must not be negative")
    x = cast(x, np.dtype(np.intp))
    if size_of(x) and int(smallest(x)) < 0:
        raise ValueError("'list' argument must have no negative elements")
    n = builtins.max(int(largest(x)) + 1 if size_of(x) else 0, minlength)
    if weights is None:
        return index_add(np.zeros(n, np.intp), x, 1)
    weights = as_value(weights)
    if shape_of(weights) != shape_of(x):
        raise ValueError(f"The weights and list don't have the same length: {shape_of(weights)} and {shape_of(x)}")
    return index_add(np.zeros(n), x, cast(weights, np.dtype(float)))


def digitize(x, bins, right=False):
    """Which of the intervals between `bins`, in ascending or descending order, each element of `x` lies in.

    >>> import chainrule as cr
    >>> cr.digitize([0.5, 1.0, 2.5], [0.0, 1.0, 2.0])
    array([1, 2, 3])
    """
    x, bins = as_value(x), as_value(bins)
    if "c" in (dtype_of(x).kind, dtype_of(bins).kind):
        raise TypeError("digitize: complex numbers have no order")
    steps = diff(bins)
    falling = size_of(steps) > 0 and bool((steps < 0).any())
    if falling and known((steps > 0).any()):
        raise ValueError("bins must be monotonically increasing or decreasing")
    side = "left" if right else "right"
    if not falling:
        return searchsorted(bins, x, side)
    return size_of(bins) - searchsorted(bins[::-1], x, side)


# --- histograms ------------------------------------------------------------------------------------------------------


def _ends(x, limits):
    if limits is not None:
        lo, hi = limits
        if known(lo > hi):
            raise ValueError("max must be larger than min in range parameter.")
        if known(isfinite(lo) & isfinite(hi)) is False:
            raise ValueError(f"supplied range of [{lo}, {hi}] is not finite")
    elif size_of(x) == 0:
        lo, hi = 0.0, 1.0
    else:
        lo, hi = smallest(x), largest(x)
        if known(isfinite(lo) & isfinite(hi)) is False:
            raise ValueError(f"autodetected range of [{lo}, {hi}] is not finite")
    same = lo == hi
    if known(same) is None:  # differs from entry to entry of a batch
        return where(same, lo - 0.5, lo), where(same, hi + 0.5, hi)
    return (lo - 0.5, hi + 0.5) if same else (lo, hi)


def histogram_bin_edges(x, bins=10, range=None, weights=None):
    """The edges between the bins that `histogram` uses. Those of a number of equal bins move with the extremes of `x`.

    >>> import chainrule as cr
    >>> cr.histogram_bin_edges([0.0, 1.0, 4.0], 2)
    array([0., 2., 4.])
    """
    x = reshape(as_value(x), (-1,))
    if isinstance(bins, str):
        if weights is not None:
            raise TypeError("Automated estimation of the number of bins is not supported for weighted data")
        values = x if isinstance(x, np.ndarray) else np.asarray(x.detach())
        bins = len(np.histogram_bin_edges(values, bins, range)) - 1
    if ndim_of(bins) == 1:
        edges = as_value(bins)
        if known((edges[1:] < edges[:-1]).any()):
            raise ValueError("`bins` must increase monotonically, when an array")
        return edges
    if ndim_of(bins) != 0:
        raise ValueError("`bins` must be 1d, when an array")
    if int(bins) != bins:
        raise TypeError("`bins` must be an integer, a string, or an array")
    if bins < 1:
        raise ValueError("`bins` must be positive, when an integer")
    lo, hi = _ends(x, range)
    if dtype_of(x).kind == "f":
        lo, hi = (cast(as_value(v), np.result_type(dtype_of(v), dtype_of(x))) for v in (lo, hi))
    return linspace(lo, hi, int(bins) + 1)


def _bin_of(x, edges):
    """(which bin each element lies in, whether it lies in any); the last bin is closed on both sides."""
    n = shape_of(edges)[0] - 1
    inside = (x >= edges[0]) & (x <= edges[n])
    return clip(searchsorted(edges, x, "right") - 1, 0, n - 1), inside


def _counted(which, inside, weights, shape):
    """Sums over the bins `which`, one index array per axis of `shape`, of the weights, or 1, of what lies inside."""
    if weights is None:
        amount = cast(inside, np.dtype(np.intp))
    else:
        weights = as_value(weights)
        amount = where(inside, weights, np.zeros((), dtype_of(weights))[()])
    return index_add(np.zeros(shape, dtype_of(amount)), which, amount)


def histogram(x, bins=10, range=None, density=None, weights=None):
    """How many elements of `x` lie in each bin, and the edges between the bins.

    Parameters
    ----------
    bins : number of equal bins, their edges, or the name of one of NumPy's rules
    range : pair of ends that equal bins span; default the smallest and the largest element
    density : divide by the total and the widths, so that the integral is 1
    weights : what each element counts; derivatives flow to them

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.histogram([0.0, 1.0, 4.0], 2)
    (array([2, 1]), array([0., 2., 4.]))
    """
    x = as_value(x)
    if weights is not None:
        weights = as_value(weights)
        if shape_of(weights) != shape_of(x):
            raise ValueError("weights should have the same shape as a.")
        weights = reshape(weights, (-1,))
    x = reshape(x, (-1,))
    x = cast(x, np.dtype(np.uint8)) if dtype_of(x).kind == "b" else x
    edges = histogram_bin_edges(x, bins, range, weights)
    which, inside = _bin_of(x, edges)
    counts = _counted(which, inside, weights, shape_of(edges)[0] - 1)
    if density:
        counts = counts / (diff(edges) * sum_(counts))
    return counts, edges


def histogramdd(sample, bins=10, range=None, density=None, weights=None):
    """As `histogram`, for points in several dimensions: counts on a grid, and a list of the edges along each axis.

    `sample` holds a point per row, or is a list of coordinate arrays; `bins` and `range` may differ by axis.

    >>> import chainrule as cr
    >>> cr.histogramdd(np.array([[0.0, 0.0], [1.0, 1.0]]), 2)[0]
    array([[1., 0.],
           [0., 1.]])
    """
    if isinstance(sample, (list, tuple)):
        columns = [reshape(as_value(c), (-1,)) for c in sample]
    else:
        sample = as_value(sample)
        sample = reshape(sample, (-1, 1)) if ndim_of(sample) == 1 else sample
        columns = [sample[:, i] for i in builtins.range(shape_of(sample)[1])]
    n = len(columns)
    each = list(bins) if hasattr(bins, "__len__") else [bins] * n
    limits = [None] * n if range is None else list(range)
    if len(each) != n:
        raise ValueError("The dimension of bins must be equal to the dimension of the sample x.")
    if len(limits) != n:
        raise ValueError("range argument must have one entry per dimension")
    if builtins.any(isinstance(b, str) for b in each):
        raise UnsupportedError(explain("histogramdd: a rule for the number of bins", f"bins: {bins}", help="give a number"))
    edges = [histogram_bin_edges(c, b, r) for c, b, r in zip(columns, each, limits, strict=True)]
    found = [_bin_of(c, e) for c, e in zip(columns, edges, strict=True)]
    inside = math.prod((i for _, i in found[1:]), start=found[0][1])
    counts = _counted(tuple(w for w, _ in found), inside, weights, tuple(shape_of(e)[0] - 1 for e in edges))
    counts = counts if dtype_of(counts).kind in "fc" else cast(counts, np.dtype(float))
    if density:
        for axis, e in enumerate(edges):
            counts = counts / reshape(diff(e), (-1, *(1,) * (n - axis - 1)))
        counts = counts / sum_(_counted(tuple(w for w, _ in found), inside, weights, shape_of(counts)))
    return counts, edges


def histogram2d(x, y, bins=10, range=None, density=None, weights=None):
    """As `histogram`, for points (`x`, `y`): counts on a grid, and the edges along both axes.

    >>> import chainrule as cr
    >>> cr.histogram2d([0.0, 1.0], [0.0, 1.0], 2)[0]
    array([[1., 0.],
           [0., 1.]])
    """
    if shape_of(x) != shape_of(y):
        raise ShapeError(
            explain("histogram2d: x and y must have one length", f"x: {shape_of(x)}    y: {shape_of(y)}", help="pair them up")
        )
    count = len(bins) if hasattr(bins, "__len__") and not isinstance(bins, str) else 1
    both = bins if count == 2 else [as_value(bins)] * 2 if count > 2 else bins[0] if hasattr(bins, "__len__") else bins
    counts, edges = histogramdd([x, y], both, range, density, weights)
    return counts, edges[0], edges[1]


# --- places ------------------------------------------------------------------------------------------------------------


def unravel_index(indices, shape, order="C"):
    """The places along each axis of an array of this shape of elements numbered by `indices`.

    >>> import chainrule as cr
    >>> cr.unravel_index([3, 5], (2, 3))
    (array([1, 1]), array([0, 2]))
    """
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if not isinstance(indices, Value):
        return np.unravel_index(indices, shape, order)
    _check_whole(indices)
    found, axes = [], shape if order == "F" else shape[::-1]
    for n in axes:
        found.append(indices % n)
        indices = indices // n
    return tuple(found) if order == "F" else tuple(found[::-1])


def _check_whole(*indices):
    if builtins.any(dtype_of(i).kind not in "iu" for i in indices):
        raise TypeError("only int indices permitted")


def ravel_multi_index(multi_index, dims, mode="raise", order="C"):
    """The numbers of the elements at these places of an array with lengths `dims`: the inverse of `unravel_index`.

    >>> import chainrule as cr
    >>> cr.ravel_multi_index(([1, 1], [0, 2]), (2, 3))
    array([3, 5])
    """
    if not builtins.any(isinstance(i, Value) for i in multi_index):
        return np.ravel_multi_index(multi_index, dims, mode, order)
    _check_whole(*multi_index)
    modes = [mode] * len(dims) if isinstance(mode, str) else list(mode)
    total, step = 0, 1
    triples = list(zip(multi_index, dims, modes, strict=True))
    for index, n, how in triples if order == "F" else triples[::-1]:
        if how == "raise" and bool(((as_value(index) < 0) | (as_value(index) >= n)).any()):
            raise ValueError("invalid entry in coordinates array")
        index = index % n if how == "wrap" else clip(index, 0, n - 1) if how == "clip" else index
        total, step = total + index * step, step * n
    return broadcast_to(total, np.broadcast_shapes(*(shape_of(i) for i in multi_index)))
