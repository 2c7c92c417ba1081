"""Order: sorting, ranking, quantiles. The order itself is a constant for derivatives; values are gathered by it."""

import builtins

import numpy as np

from ..core.aval import Aval
from ..core.derivative import zero
from ..core.lowering import Call
from ..core.primitive import primitive
from ..core.value import dtype_of, ndim_of, shape_of
from ..names import torch_names
from .elementwise import where
from .indexing import take_along_axis, torch_pair
from .joining import stack
from .reduction import any as any_
from .shaping import as_value, cast, flip, moveaxis, normalize_axes, normalize_axis, reshape


@primitive(
    derivative=[zero],
    aval=lambda x, axis: Aval(x.shape, np.dtype(np.intp)),
    batch=lambda args, batched, params: _argsort(*args, axis=params["axis"] + 1),
    lower=Call(),
    name="argsort",
)
def _argsort(x, *, axis):
    """Indices that would sort along an axis; equal elements keep their order."""
    return np.argsort(x, axis=axis, kind="stable")


def _searchsorted_batch(args, batched, params):
    edges, x = args
    n = shape_of(edges if batched[0] else x)[0]
    if not batched[0]:  # one list of edges serves every entry
        return _searchsorted(edges, x, **params)
    if n == 0:
        return np.zeros((0, *shape_of(x)[batched[1] :]), np.intp)
    return stack([_searchsorted(edges[i], x[i] if batched[1] else x, **params) for i in range(n)])


@primitive(
    derivative=[zero, zero],
    aval=lambda edges, x, side: Aval(x.shape, np.dtype(np.intp)),
    batch=_searchsorted_batch,
    lower=Call(),
    name="searchsorted",
)
def _searchsorted(edges, x, *, side):
    """Where x would have to be inserted into sorted edges."""
    return np.searchsorted(edges, x, side=side)


@torch_names
def argsort(x, axis=-1, descending=False, stable=True):
    """Indices that sort `x` along `axis` (None flattens first); equal elements keep their order, whatever `stable` says.

    >>> import chainrule as cr
    >>> cr.argsort([3.0, 1.0, 2.0])
    array([1, 2, 0])
    """
    x = as_value(x)
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    axis = normalize_axis(axis, ndim_of(x))
    if descending:  # reverse twice, so that equal elements keep their order here too
        n = shape_of(x)[axis]
        return n - 1 - flip(_argsort(flip(x, axis), axis=axis), axis)
    return _argsort(x, axis=axis)


@torch_pair(lambda x, axis, descending=False, stable=True: argsort(x, axis, descending), keeps_axis=True)
def sort(x, axis=-1, descending=False, stable=True):
    """`x` in ascending order along `axis` (None flattens first), NaN last.

    Called with PyTorch's `dim`, it gives PyTorch's pair (values, indices).

    >>> import chainrule as cr
    >>> cr.sort([3.0, 1.0, 2.0])
    array([1., 2., 3.])
    """
    x = as_value(x)
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    if ndim_of(x) == 0:
        normalize_axis(axis, 0)
    return take_along_axis(x, argsort(x, axis, descending), axis)


@torch_names
def topk(x, k, axis=-1, largest=True):
    """The `k` largest (or smallest) elements along `axis` in order, and their indices.

    >>> import chainrule as cr
    >>> cr.topk([3.0, 1.0, 2.0], 2)
    (array([3., 2.]), array([0, 2]))
    """
    x = as_value(x)
    axis = normalize_axis(axis, ndim_of(x))
    if not 0 <= k <= shape_of(x)[axis]:
        raise ValueError(f"topk: k={k} is outside 0..{shape_of(x)[axis]}, the length of axis {axis}")
    order = argsort(x, axis, descending=largest)[(slice(None),) * axis + (slice(0, k),)]
    return take_along_axis(x, order, axis), order


def searchsorted(a, v, side="left"):
    """Positions at which to insert `v` into sorted `a` so that it stays sorted; constants for derivatives.

    >>> import chainrule as cr
    >>> cr.searchsorted([1.0, 2.0, 3.0], 2.5)
    np.int64(2)
    """
    return _searchsorted(as_value(a), as_value(v), side=side)


@torch_names
def quantile(x, q, axis=None, keepdims=False):
    """Quantile `q` (0 to 1, a number or an array of them) of `x` over `axis`, interpolated linearly.

    >>> import chainrule as cr
    >>> cr.quantile([1.0, 2.0, 3.0], 0.25)
    np.float64(1.5)
    """
    x, q = as_value(x), np.asarray(q, float)
    if builtins.any((q < 0).ravel() | (q > 1).ravel()):
        raise ValueError(f"quantile: q must be in [0, 1], found {q}")
    axes = normalize_axes(axis, ndim_of(x))
    rest = tuple(a for a in range(ndim_of(x)) if a not in axes)
    x = moveaxis(x, rest, tuple(range(len(rest))))
    flat = sort(reshape(x, (*shape_of(x)[: len(rest)], -1)), -1)
    flat = flat if dtype_of(flat).kind in "fc" else cast(flat, np.dtype(float))
    n = shape_of(flat)[-1]
    if n == 0:
        raise ValueError("quantile: no elements")
    place = q.ravel() * (n - 1)
    below = np.floor(place).astype(int)
    above = below + (place > below)  # at an element its neighbour counts nothing, not even if it is infinite
    weight = (place - below).astype(np.zeros((), dtype_of(flat)).real.dtype)
    lo, hi = flat[..., below], flat[..., above]
    out = lo + (hi - lo) * weight
    bad = any_(flat != flat, -1, keepdims=True)
    out = moveaxis(where(bad, np.nan, out), -1, 0)
    shape = shape_of(out)[1:]
    if q.ndim == 0 and not keepdims:
        return out[0]
    if keepdims:
        kept = iter(shape)
        shape = tuple(1 if a in axes else next(kept) for a in range(ndim_of(x)))
    return reshape(out, (*q.shape, *shape))


@torch_names
def median(x, axis=None, keepdims=False):
    """Median of `x` over `axis`; of an even number of elements, the mean of the two in the middle.

    >>> import chainrule as cr
    >>> cr.median([3.0, 1.0, 2.0])
    np.float64(2.0)
    """
    return quantile(x, 0.5, axis, keepdims)


def percentile(x, q, axis=None, keepdims=False):
    """As `quantile`, with `q` from 0 to 100.

    >>> import chainrule as cr
    >>> cr.percentile([1.0, 2.0, 3.0], 25)
    np.float64(1.5)
    """
    return quantile(x, np.asarray(q, float) / 100, axis, keepdims)


def partition(x, kth, axis=-1):
    """`x` ordered along `axis` so that element `kth` stands where sorting would put it; here, all others do too.

    >>> import chainrule as cr
    >>> cr.partition([3.0, 1.0, 2.0], 1)
    array([1., 2., 3.])
    """
    return sort(x, axis)


def argpartition(x, kth, axis=-1):
    """Indices that order `x` as `partition` does.

    >>> import chainrule as cr
    >>> cr.argpartition([3.0, 1.0, 2.0], 1)
    array([1, 2, 0])
    """
    return argsort(x, axis)
