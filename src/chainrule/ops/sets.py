"""Distinct elements and sets. Which elements those are is a constant for derivatives; their values are gathered."""

from typing import Any, NamedTuple

import numpy as np

from ..core.aval import Aval
from ..core.derivative import zero
from ..core.lowering import Call
from ..core.primitive import primitive
from ..core.value import dtype_of, ndim_of, shape_of, size_of
from ..errors import ShapeError, explain
from .elementwise import clip
from .indexing import nonzero, take
from .joining import concatenate
from .shaping import as_value, normalize_axis, reshape
from .sorting import searchsorted, sort


def _unique_batch(args, batched, params):
    raise ShapeError(
        explain(
            "vmap: how many elements are distinct differs from batch entry to batch entry",
            f"x: {shape_of(args[0])[1:]}",
            help="use sort(x), whose shape does not depend on the values",
        )
    )


def _unique_aval(x, axis, equal_nan):
    n = np.prod(x.shape, dtype=int) if axis is None else x.shape[axis]
    return tuple(Aval(s, np.dtype(np.intp)) for s in ((-1,), (int(n),), (-1,)))


@primitive(
    derivative=[zero],
    aval=_unique_aval,
    batch=_unique_batch,
    lower=Call(),
    name="unique",
    several=True,
)
def _unique(x, *, axis, equal_nan):
    """First places of the distinct elements in order, which of them each element is, and how often they occur."""
    _, first, inverse, counts = np.unique(x, True, True, True, axis=axis, equal_nan=equal_nan)
    return first, inverse.reshape(-1), counts


def _distinct(x, axis=None, equal_nan=True):
    """(values, first places, inverse, counts), with the inverse in the shape that NumPy gives it."""
    x = as_value(x)
    if axis is not None:
        axis = normalize_axis(axis, ndim_of(x))
    first, inverse, counts = _unique(x, axis=axis, equal_nan=bool(equal_nan))
    return take(x, first, axis), first, inverse if axis is not None else reshape(inverse, shape_of(x)), counts


def unique(x, return_index=False, return_inverse=False, return_counts=False, axis=None, *, equal_nan=True):
    """The distinct elements of `x` in order, or its distinct slices along `axis`.

    Derivatives flow to the first of equal elements.

    Parameters
    ----------
    return_index : also give the places of their first occurrences
    return_inverse : also give, for each element, which of them it is
    return_counts : also give how often each occurs
    equal_nan : whether all NaN count as one

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.unique([3.0, 1.0, 3.0])
    array([1., 3.])
    """
    values, first, inverse, counts = _distinct(x, axis, equal_nan)
    more = [v for v, wanted in ((first, return_index), (inverse, return_inverse), (counts, return_counts)) if wanted]
    return (values, *more) if more else values


class UniqueAll(NamedTuple):
    """What `unique_all` gives."""

    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class UniqueCounts(NamedTuple):
    """What `unique_counts` gives."""

    values: Any
    counts: Any


class UniqueInverse(NamedTuple):
    """What `unique_inverse` gives."""

    values: Any
    inverse_indices: Any


def unique_all(x):
    """Distinct elements of `x`, their first places, which of them each element is, and counts; every NaN is distinct.

    >>> import chainrule as cr
    >>> cr.unique_all([3, 1, 3]).counts
    array([1, 2])
    """
    return UniqueAll(*_distinct(x, None, False))


def unique_counts(x):
    """Distinct elements of `x`, and how often each occurs; every NaN is distinct.

    >>> import chainrule as cr
    >>> cr.unique_counts([3, 1, 3])
    UniqueCounts(values=array([1, 3]), counts=array([1, 2]))
    """
    values, _, _, counts = _distinct(x, None, False)
    return UniqueCounts(values, counts)


def unique_inverse(x):
    """Distinct elements of `x`, and which of them each element is; every NaN is distinct.

    >>> import chainrule as cr
    >>> cr.unique_inverse([3, 1, 3])
    UniqueInverse(values=array([1, 3]), inverse_indices=array([1, 0, 1]))
    """
    values, _, inverse, _ = _distinct(x, None, False)
    return UniqueInverse(values, inverse)


def unique_values(x):
    """Distinct elements of `x` in order; every NaN is distinct.

    >>> import chainrule as cr
    >>> cr.unique_values([3, 1, 3])
    array([1, 3])
    """
    return _distinct(x, None, False)[0]


def isin(element, test_elements, assume_unique=False, invert=False, *, kind=None):
    """For each `element`, whether it is among `test_elements` (with `invert`, whether it is not).

    >>> import chainrule as cr
    >>> cr.isin([1, 2, 3], [3, 1])
    array([ True, False,  True])
    """
    x, among = as_value(element), as_value(test_elements)
    if size_of(among) == 0:
        return (x != x) & False if not invert else (x == x) | True
    among = sort(reshape(among, (-1,)))
    place = clip(searchsorted(among, x), 0, size_of(among) - 1)
    found = take(among, place) == x
    return ~found if invert else found


def _flat(x):
    return reshape(as_value(x), (-1,))


def _joined(x, y):
    dtype = np.result_type(dtype_of(x), dtype_of(y))
    return concatenate([x.astype(dtype), y.astype(dtype)])


def _chosen(x, mask):
    return take(x, nonzero(mask)[0])


def union1d(x, y):
    """The distinct elements of both arrays in order.

    >>> import chainrule as cr
    >>> cr.union1d([1, 3], [2, 3])
    array([1, 2, 3])
    """
    return unique(_joined(_flat(x), _flat(y)))


def intersect1d(x, y, assume_unique=False, return_indices=False):
    """The distinct elements that both arrays have, in order; on request, also where they stand in each.

    >>> import chainrule as cr
    >>> cr.intersect1d([1, 3, 2], [2, 3])
    array([2, 3])
    """
    x, first, _, _ = _distinct(_flat(x))
    y, first_y, _, _ = _distinct(_flat(y))
    both = isin(x, y)
    values = _chosen(x, both)
    values = values.astype(np.result_type(dtype_of(x), dtype_of(y)))
    return (values, _chosen(first, both), _chosen(first_y, isin(y, x))) if return_indices else values


def setdiff1d(x, y, assume_unique=False):
    """The distinct elements of `x` that `y` lacks, in order.

    >>> import chainrule as cr
    >>> cr.setdiff1d([1, 3, 2], [2])
    array([1, 3])
    """
    x = _flat(x) if assume_unique else unique(x)
    return _chosen(x, isin(x, y, invert=True))


def setxor1d(x, y, assume_unique=False):
    """The distinct elements that only one of the arrays has, in order.

    >>> import chainrule as cr
    >>> cr.setxor1d([1, 3, 2], [2, 4])
    array([1, 3, 4])
    """
    x, y = unique(_flat(x)), unique(_flat(y))
    return sort(_joined(_chosen(x, isin(x, y, invert=True)), _chosen(y, isin(y, x, invert=True))))
