"""Medians and quantiles: numbers at places in the sorted order, or between two of them.

Which elements stand there is a constant for derivatives, so of equal elements it is the one that a stable sort puts there; the
derivative in the place itself, `q`, is the slope between neighbours.
"""

import builtins
import math

import numpy as np

from ..core.value import Value, dtype_of, ndim_of, shape_of
from ..errors import explain
from ..names import torch_names
from .comparison import ceil, floor, isnan, rint
from .elementwise import clip, maximum, minimum, where
from .indexing import take_along_axis, torch_pair
from .reduction import cumsum, sum as sum_
from .shaping import as_value, broadcast_to, cast, expand, moveaxis, normalize_axes, normalize_axis, reshape
from .sorting import argsort, sort

# Where quantile q of n sorted elements lies, counted from 0: n q + a + q (1 - a - b) - 1 (Hyndman and Fan, "Sample quantiles
# in statistical packages", 1996, types 4 to 9).
BETWEEN = {
    "interpolated_inverted_cdf": (0, 1),
    "hazen": (0.5, 0.5),
    "weibull": (0, 0),
    "median_unbiased": (1 / 3.0, 1 / 3.0),
    "normal_unbiased": (3 / 8.0, 3 / 8.0),
}
AT_ELEMENTS = ("inverted_cdf", "closest_observation", "lower", "higher", "nearest")
METHODS = ("linear", "midpoint", "averaged_inverted_cdf", *BETWEEN, *AT_ELEMENTS)


# --- where to look ----------------------------------------------------------------------------------------------------


def _element(q, n, method):
    """The place of the quantile, for methods that give elements."""
    if method in ("inverted_cdf", "closest_observation"):
        place = n * q - (1 if method == "inverted_cdf" else 1.5)
        below = floor(place)
        at = (place == below) if method == "inverted_cdf" else (place == below) & (below % 2 == 1)
        return where(at, below, below + 1)
    return {"lower": floor, "higher": ceil, "nearest": rint}[method]((n - 1) * q)


def _between(q, n, method):
    """(place of the element below, how far on towards the next the quantile lies)."""
    if method == "linear":
        place = (n - 1) * q
    elif method == "midpoint":
        place = 0.5 * (floor((n - 1) * q) + ceil((n - 1) * q))
    elif method == "averaged_inverted_cdf":
        place = n * q - 1
    else:
        a, b = BETWEEN[method]
        place = n * q + (a + q * (1 - a - b)) - 1
    place = clip(place, 0, _last(n))
    below = floor(place)
    if method == "averaged_inverted_cdf":  # halfway if it falls on an element, else at the next one
        halfway = (place == below) & (n * q >= 1) & (n * q <= n)
        return below, cast(where(halfway, 0.5, where(place == below, 0.0, 1.0)), dtype_of(place))
    return below, place - below


def _last(n):
    return builtins.max(n - 1, 0) if isinstance(n, int) else maximum(n - 1, 0)


def _indices(place, n):
    return cast(clip(place, 0, _last(n)), np.dtype(np.intp))


def _at(flat, index):
    """Elements of the last axis: the same ones of each slice, or its own ones."""
    if ndim_of(index) == 1 and not isinstance(index, Value):
        return flat[..., index]
    return take_along_axis(flat, broadcast_to(index, (*shape_of(flat)[:-1], shape_of(index)[-1])), -1)


def _mixed(lo, hi, weight):
    """From lo to hi; at lo its neighbour counts nothing, not even if it is infinite."""
    step = where(weight == 0, 0, hi - lo)
    return where(weight < 0.5, lo + step * weight, hi - step * (1 - weight)) if _is_float(lo) else lo + step * weight


def _is_float(x):
    return dtype_of(x).kind == "f"


def _numbers(flat, q, n, method):
    """Quantiles `q`, a vector, of elements sorted along the last axis, `n` of which count."""
    if method in AT_ELEMENTS:
        return _at(flat, _indices(_element(q, n, method), n))
    below, weight = _between(q, n, method)
    return _mixed(_at(flat, _indices(below, n)), _at(flat, _indices(below + 1, n)), weight)


def _weighted(flat, weights, q):
    """The first elements up to which the weights make up at least these parts of all weights."""
    total = cumsum(weights, -1)
    share = total / total[..., -1:]
    share = where(share == 0, -1.0, share)  # elements of weight 0 in front are never chosen
    count = sum_(expand(share, (ndim_of(share) - 1,)) < reshape(q, (-1, 1)), -1)
    return _at(flat, minimum(count, shape_of(flat)[-1] - 1))


# --- axes -------------------------------------------------------------------------------------------------------------


class _Slices:
    """An array with the axes that are worked on made one, at the end."""

    def __init__(self, x, axis):
        self.axes, self.ndim = normalize_axes(axis, ndim_of(x)), ndim_of(x)
        self.rest = tuple(a for a in range(self.ndim) if a not in self.axes)
        self.flat = self.flattened(x)
        self.n = shape_of(self.flat)[-1]

    def flattened(self, x):
        x = moveaxis(x, self.rest, tuple(range(len(self.rest))))
        kept = shape_of(x)[: len(self.rest)]
        return reshape(x, (*kept, math.prod(shape_of(x)[len(self.rest) :])))

    def results(self, out, shape, keepdims):
        """Results along the last axis in their places: `shape` in front."""
        lengths = shape_of(out)[:-1]
        if not shape and not lengths and not keepdims:
            return out[0]  # one number, as NumPy gives it
        if keepdims:
            kept = iter(lengths)
            lengths = tuple(1 if a in self.axes else next(kept) for a in range(self.ndim))
        return reshape(moveaxis(out, -1, 0), (*shape, *lengths))


def _order_statistic(what, x, q, axis, keepdims, method, weights, missing, percent=False):
    """Quantiles of `x`. With `missing`, NaN do not count; else they spread."""
    x = as_value(x)
    weak = type(q) in (int, float)
    q = as_value(q) if not weak or dtype_of(x).kind != "f" else np.asarray(q, dtype_of(x))
    _check(what, x, q, method, weights, percent)
    q = q / (dtype_of(x).type(100) if weak and dtype_of(x).kind == "f" else 100) if percent else q
    if method == "linear" and dtype_of(q).kind in "iu":  # an end, so an element in its own dtype
        method = "lower"
    if method not in AT_ELEMENTS:
        x = x if dtype_of(x).kind == "f" else cast(x, np.dtype(float))
    slices = _Slices(x, axis)
    if slices.n == 0:
        raise ValueError(explain(f"{what}: no elements", f"x: {shape_of(x)}, axis {axis}", help="check for empty arrays"))
    shape, q, n = shape_of(q), reshape(q, (-1,)), slices.n
    kind = np.result_type(dtype_of(x), dtype_of(q))
    if dtype_of(q) == np.float16:  # which cannot count beyond 2048
        q = cast(q, np.dtype(np.float32))
    order = argsort(slices.flat, -1)
    flat = take_along_axis(slices.flat, order, -1)
    empty = isnan(flat[..., :1] if missing else flat[..., -1:])
    if missing:
        n = expand(sum_(~isnan(flat), -1), (ndim_of(flat) - 1,))
        n = cast(n, dtype_of(q)) if dtype_of(q).kind == "f" else n
    if weights is None:
        out = _numbers(flat, q, n, method)
    else:
        weights = take_along_axis(slices.flattened(_weights_for(what, x, weights, axis)), order, -1)
        out = _weighted(flat, where(isnan(flat), 0, weights) if missing else weights, q)
    if _is_float(x):
        out = where(empty, math.nan, out if kind != np.float16 else cast(out, kind))
    return slices.results(out, shape, keepdims)


def _check(what, x, q, method, weights, percent):
    if dtype_of(x).kind == "c":
        raise TypeError(
            explain(
                f"{what}: complex numbers have no order", f"x: {dtype_of(x)}", help="take absolute values or real parts first"
            )
        )
    if method not in METHODS:
        raise ValueError(explain(f"{what}: unknown method {method!r}", help=f"use one of {', '.join(map(repr, METHODS))}"))
    if weights is not None and method != "inverted_cdf":
        raise ValueError(
            explain(f"{what}: only method 'inverted_cdf' supports weights", f"method: {method!r}", help="name that method")
        )
    most = 100 if percent else 1
    if not isinstance(q, Value) and not builtins.all((q >= 0).ravel() & (q <= most).ravel()):
        raise ValueError(
            explain(f"{what}: `q` must be in the range [0, {most}]", f"q: {q}", help="percentiles are 100 times as large")
        )


def _weights_for(what, x, weights, axis):
    """Weights in the shape of `x`: of that shape, or of its length along the one axis."""
    weights = as_value(weights)
    if not isinstance(weights, Value):
        if builtins.any((weights < 0).ravel()):
            raise ValueError(
                explain(f"{what}: weights must be non-negative", f"weights: {weights}", help="leave elements out instead")
            )
        if not builtins.all(np.isfinite(weights).ravel()) or not builtins.any(weights.ravel()):
            raise ValueError(
                explain(
                    f"{what}: weights included NaN, inf or were all zero",
                    f"weights: {weights}",
                    help="give some element a weight",
                )
            )
    if shape_of(weights) == shape_of(x):
        return weights
    if ndim_of(weights) != 1 or not isinstance(axis, (int, np.integer)) or shape_of(weights)[0] != shape_of(x)[axis]:
        raise ValueError(
            explain(
                f"{what}: `weights` must have the shape of `x`, or its length along one axis",
                f"x: {shape_of(x)}    weights: {shape_of(weights)}    axis: {axis}",
                help="name the axis along which the weights stand",
            )
        )
    return broadcast_to(reshape(weights, (-1, *(1,) * (ndim_of(x) - 1 - axis % ndim_of(x)))), shape_of(x))


# --- NumPy's names ----------------------------------------------------------------------------------------------------


@torch_names
def quantile(x, q, axis=None, keepdims=False, *, method="linear", weights=None):
    """Quantile `q` of `x` over `axis`: so large a part of the elements is smaller. NaN where there is a NaN.

    Parameters
    ----------
    x : array of real numbers
    q : from 0 to 1, a number or an array of them; derivatives flow to it too
    axis : None, int or tuple of ints
    keepdims : keep the axes as length 1
    method : what to do between elements: 'linear' and 'midpoint', 'lower', 'higher' and 'nearest', or one of the estimators of
        Hyndman and Fan (1996): 'inverted_cdf', 'averaged_inverted_cdf', 'closest_observation', 'interpolated_inverted_cdf',
        'hazen', 'weibull', 'median_unbiased', 'normal_unbiased'
    weights : how often each element counts, for method 'inverted_cdf'; of the shape of `x`, or of its length along `axis`

    Returns
    -------
    array of shape (*q.shape, *rest); the methods that give elements keep the dtype of `x`

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.quantile([1.0, 2.0, 3.0], 0.25)
    np.float64(1.5)
    """
    return _order_statistic("quantile", x, q, axis, keepdims, method, weights, missing=False)


@torch_names
def percentile(x, q, axis=None, keepdims=False, *, method="linear", weights=None):
    """As `quantile`, with `q` from 0 to 100.

    >>> import chainrule as cr
    >>> cr.percentile([1.0, 2.0, 3.0], 25)
    np.float64(1.5)
    """
    return _order_statistic("percentile", x, q, axis, keepdims, method, weights, missing=False, percent=True)


@torch_names
def nanquantile(x, q, axis=None, keepdims=False, *, method="linear", weights=None):
    """Quantile `q` over `axis` of the elements that are not NaN; NaN if there is none. Arguments as for `quantile`.

    >>> import chainrule as cr
    >>> cr.nanquantile([1.0, np.nan, 3.0], 0.25)
    np.float64(1.5)
    """
    return _order_statistic("nanquantile", x, q, axis, keepdims, method, weights, missing=True)


@torch_names
def nanpercentile(x, q, axis=None, keepdims=False, *, method="linear", weights=None):
    """As `nanquantile`, with `q` from 0 to 100.

    >>> import chainrule as cr
    >>> cr.nanpercentile([1.0, np.nan, 3.0], 25)
    np.float64(1.5)
    """
    return _order_statistic("nanpercentile", x, q, axis, keepdims, method, weights, missing=True, percent=True)


def _middle(what, x, axis, keepdims, missing):
    x = as_value(x)
    x = x if dtype_of(x).kind in "fc" else cast(x, np.dtype(float))
    slices = _Slices(x, axis)
    n = slices.n
    if n == 0:
        raise ValueError(explain(f"{what}: no elements", f"x: {shape_of(x)}, axis {axis}", help="check for empty arrays"))
    flat = sort(slices.flat, -1)
    if missing:
        n = expand(sum_(~isnan(flat), -1), (ndim_of(flat) - 1,))
        lo, hi = (_at(flat, _indices(place, n)) for place in ((n - 1) // 2, n // 2))
    else:
        lo, hi = flat[..., (n - 1) // 2 : (n + 1) // 2], flat[..., n // 2 : n // 2 + 1]
    out = lo if not missing and n % 2 else (lo + hi) * 0.5
    empty = isnan(flat[..., :1] if missing else flat[..., -1:])
    return slices.results(where(empty, math.nan, out), (), keepdims)


def _lower_middle(x, axis, missing):
    """Where PyTorch's median stands along an axis, which is kept: of two elements in the middle, it is the lower one."""
    x = as_value(x)
    axis = normalize_axis(axis, ndim_of(x))
    order, n = argsort(x, axis), shape_of(x)[axis]
    if dtype_of(x).kind not in "fc":
        numbers = np.full((1,) * ndim_of(x), n)
    else:
        numbers = sum_(~isnan(x), axis, keepdims=True)
    middle = maximum((numbers - 1) // 2, 0)  # NaN is sorted behind all numbers
    place = middle if missing else where(numbers < n, minimum(numbers, n - 1), (n - 1) // 2)
    return take_along_axis(order, broadcast_to(place, shape_of(sum_(order, axis, keepdims=True))), axis)


@torch_pair(lambda x, axis: _lower_middle(x, axis, missing=False))
def median(x, axis=None, keepdims=False):
    """Median of `x` over `axis`; of an even number of elements, the mean of the two in the middle. NaN where there is a NaN.

    Called with PyTorch's `dim`, it gives PyTorch's pair (values, indices), the lower one of two elements in the middle.

    >>> import chainrule as cr
    >>> cr.median([3.0, 1.0, 2.0])
    np.float64(2.0)
    """
    return _middle("median", x, axis, keepdims, missing=False)


@torch_pair(lambda x, axis: _lower_middle(x, axis, missing=True))
def nanmedian(x, axis=None, keepdims=False):
    """Median over `axis` of the elements that are not NaN; NaN if there is none. With PyTorch's `dim`, as `median`.

    >>> import chainrule as cr
    >>> cr.nanmedian([1.0, np.nan, 3.0])
    np.float64(2.0)
    """
    return _middle("nanmedian", x, axis, keepdims, missing=True)
