"""Order: sorting and searching. The order itself is a constant for derivatives; values are gathered by it.

Every sort is stable. Of equal elements each result therefore belongs to one argument, and its derivative goes there: a valid
choice where a function has a kink, but not the only one (the maximum shares it among them).
"""

import operator

import numpy as np

from ..core.aval import Aval
from ..core.derivative import zero
from ..core.lowering import Call
from ..core.primitive import primitive
from ..core.value import Value, dtype_of, ndim_of, shape_of
from ..errors import explain
from ..names import torch_names
from .indexing import Chosen, take, take_along_axis, torch_pair
from .shaping import as_value, broadcast_to, flip, normalize_axis, reshape


@primitive(
    derivative=[zero],
    aval=lambda x, axis: Aval(x.shape, np.dtype(np.intp)),
    batch=lambda args, batched, params: _argsort(*args, axis=params["axis"] + 1),
    lower=Call(),
    name="argsort",
)
def _argsort(x, *, axis):
    """Indices that would sort along an axis; equal elements keep their order."""
    if x.ndim == 1 and x.dtype == np.uint64 and x.size > 1:  # random words, most often, of which the first bits tell the order
        order = np.argsort((x >> 16).astype(np.uint16), kind="stable")
        for bits in (32, 48):  # 16 at a time, the last ones first: NumPy counts so few instead of comparing them
            order = order[np.argsort((x >> bits).astype(np.uint16)[order], kind="stable")]
        first = x[order] >> 16
        if (first[1:] > first[:-1]).all():
            return order
    return np.argsort(x, axis=axis, kind="stable")


def _searchsorted_batch(args, batched, params):
    edges, x = args
    lead = params["lead"]
    if not batched[0] and not lead:  # one list of edges serves every entry
        return _searchsorted(edges, x, **params)
    n = shape_of(edges if batched[0] else x)[0]
    edges, x = (y if b else broadcast_to(y, (n, *shape_of(y))) for y, b in zip(args, batched, strict=True))
    return _searchsorted(edges, x, **{**params, "lead": lead + 1})


@primitive(
    derivative=[zero, zero],
    aval=lambda edges, x, side, lead: Aval(x.shape, np.dtype(np.intp)),
    batch=_searchsorted_batch,
    lower=Call(),
    name="searchsorted",
)
def _searchsorted(edges, x, *, side, lead):
    """Where x would have to be inserted into sorted edges; the first `lead` axes of both count independent searches."""
    if not lead:
        return np.searchsorted(edges, x, side=side)
    out = np.empty(x.shape, np.intp)
    for at in np.ndindex(*x.shape[:lead]):
        out[at] = np.searchsorted(edges[at], x[at], side=side)
    return out


def _line(x, axis):
    """`x` and an axis of it counted from the front; flattened for None."""
    x = as_value(x)
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    return x, normalize_axis(axis, ndim_of(x))


@torch_names
def argsort(x, axis=-1, descending=False, stable=True):
    """Indices that sort `x` along `axis` (None flattens first); equal elements keep their order, whatever `stable` says.

    >>> import chainrule as cr
    >>> cr.argsort([3.0, 1.0, 2.0])
    array([1, 2, 0])
    """
    x, axis = _line(x, axis)
    if descending:  # reverse twice, so that equal elements keep their order here too
        n = shape_of(x)[axis]
        return n - 1 - flip(_argsort(flip(x, axis), axis=axis), axis)
    return _argsort(x, axis=axis)


@torch_pair(lambda x, axis, descending=False, stable=True: argsort(x, axis, descending), keeps_axis=True)
def sort(x, axis=-1, descending=False, stable=True):
    """`x` in ascending order along `axis` (None flattens first), NaN last; complex numbers by their real parts first.

    Called with PyTorch's `dim`, it gives PyTorch's pair (values, indices).

    Parameters
    ----------
    x : array
    axis : int or None
    descending : in descending order, NaN first
    stable : accepted for others' sake; equal elements keep their order in any case

    Notes
    -----
    Equal elements are told apart by where they stood, and so are their derivatives.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.sort([3.0, 1.0, 2.0])
    array([1., 2., 3.])
    """
    x, axis = _line(x, axis)
    if not isinstance(x, Value):  # nothing has to know where elements came from
        ordered = np.sort(flip(x, axis) if descending else x, axis=axis, kind="stable")
        return flip(ordered, axis) if descending else ordered
    return take_along_axis(x, argsort(x, axis, descending), axis)


def msort(x):
    """`x` in ascending order along its first axis (PyTorch's `msort`).

    >>> import chainrule as cr
    >>> cr.msort([[3.0, 1.0], [2.0, 4.0]])
    array([[2., 1.],
           [3., 4.]])
    """
    return sort(x, 0)


@torch_names
def topk(x, k, axis=-1, largest=True, sorted=True):
    """The `k` largest (or smallest) elements along `axis` in order, and their indices.

    >>> import chainrule as cr
    >>> cr.topk([3.0, 1.0, 2.0], 2)
    Chosen(values=array([3., 2.]), indices=array([0, 2]))
    """
    x, axis = _line(x, axis)
    if not 0 <= k <= shape_of(x)[axis]:
        raise ValueError(
            explain(
                f"topk: k={k} is outside of 0..{shape_of(x)[axis]}",
                f"x: {dtype_of(x)} {shape_of(x)}, axis {axis}",
                help="there are not as many elements along that axis",
            )
        )
    order = argsort(x, axis, descending=largest)[(slice(None),) * axis + (slice(0, k),)]
    return Chosen(take_along_axis(x, order, axis), order)


@torch_names
def kthvalue(x, k, axis=-1, keepdims=False):
    """The `k`-th smallest element along `axis`, counted from 1, and its index (PyTorch's `kthvalue`).

    >>> import chainrule as cr
    >>> value, index = cr.kthvalue([3.0, 1.0, 2.0], 2)
    >>> value, index
    (np.float64(2.0), np.int64(2))
    """
    x, axis = _line(x, axis)
    if not 1 <= k <= shape_of(x)[axis]:
        raise ValueError(
            explain(
                f"kthvalue: k={k} is outside of 1..{shape_of(x)[axis]}",
                f"x: {dtype_of(x)} {shape_of(x)}, axis {axis}",
                help="k counts from 1, along the axis",
            )
        )
    key = (slice(None),) * axis
    order = argsort(x, axis)[(*key, slice(k - 1, k))]
    found = take_along_axis(x, order, axis)
    return Chosen(found, order) if keepdims else Chosen(found[(*key, 0)], order[(*key, 0)])


def searchsorted(a, v, side="left", sorter=None):
    """Positions at which to insert `v` into sorted `a` so that it stays sorted; constants for derivatives.

    Parameters
    ----------
    a : array (..., n), its last axis in ascending order, or such that `a[sorter]` is
    v : array of any shape if `a` has one axis, else (..., m): each row of `a` is searched for the elements of a row of `v`
    side : 'left' of elements equal to `v`, or 'right'
    sorter : None, or indices that sort `a`

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.searchsorted([1.0, 2.0, 3.0], 2.5)
    np.int64(2)
    """
    a, v = as_value(a), as_value(v)
    lead = ndim_of(a) - 1
    if lead and (lead < 0 or shape_of(v)[:lead] != shape_of(a)[:lead]):
        raise ValueError(
            explain(
                "searchsorted: `a` must have one axis, or all of its axes but the last in common with `v`",
                f"a: {shape_of(a)}    v: {shape_of(v)}",
                help="broadcast `v`, or use vmap to search in several arrays",
            )
        )
    if side not in ("left", "right"):
        raise ValueError(explain(f"searchsorted: unknown side {side!r}", help="use 'left' or 'right'"))
    if sorter is not None:
        if shape_of(sorter)[-1:] != shape_of(a)[-1:]:
            raise ValueError(
                explain("sorter.size must equal a.size", f"a: {shape_of(a)}    sorter: {shape_of(sorter)}", help="use argsort")
            )
        a = take_along_axis(a, sorter, -1) if lead else take(a, sorter)
    return _searchsorted(a, v, side=side, lead=lead)


def _check_places(kth, n):
    if n == 0:
        return
    for k in np.atleast_1d(np.asarray(kth)).tolist():
        if not -n <= operator.index(k) < n:
            raise ValueError(explain(f"kth(={k}) out of bounds ({n})", help="it counts elements along the axis, from 0"))


def partition(x, kth, axis=-1):
    """`x` ordered along `axis` so that element `kth` stands where sorting would put it; here, all others do too.

    >>> import chainrule as cr
    >>> cr.partition([3.0, 1.0, 2.0], 1)
    array([1., 2., 3.])
    """
    x, axis = _line(x, axis)
    _check_places(kth, shape_of(x)[axis])
    return sort(x, axis)


def argpartition(x, kth, axis=-1):
    """Indices that order `x` as `partition` does.

    >>> import chainrule as cr
    >>> cr.argpartition([3.0, 1.0, 2.0], 1)
    array([1, 2, 0])
    """
    x, axis = _line(x, axis)
    _check_places(kth, shape_of(x)[axis])
    return argsort(x, axis)
