"""Running extrema and running logarithms of sums. (Running sums and products stand in reduction.py.)"""

import math

import numpy as np

from ..core.aval import Aval
from ..core.derivative import zero
from ..core.lowering import Call
from ..core.primitive import primitive
from ..core.value import dtype_of, ndim_of, shape_of
from ..names import torch_names
from .indexing import Chosen, take_along_axis
from .log_sums import logaddexp
from .reduction import shift
from .shaping import as_value, cast, normalize_axis, reshape


@primitive(
    derivative=[zero],
    aval=lambda x, axis, largest: Aval(x.shape, np.dtype(np.intp)),
    batch=lambda args, batched, params: _running_position(*args, axis=params["axis"] + 1, largest=params["largest"]),
    lower=Call(),
    name="running_position",
)
def _running_position(x, *, axis, largest):
    """Where along an axis the largest or smallest element up to each place stands, the last of equal ones."""
    best = (np.maximum if largest else np.minimum).accumulate(x, axis)
    hit = x == best
    if x.dtype.kind in "fc":
        hit |= np.isnan(x)
    places = np.arange(x.shape[axis]).reshape(-1, *(1,) * (x.ndim - axis - 1))
    return np.maximum.accumulate(np.where(hit, places, 0), axis)


def _running(x, axis, largest):
    x = as_value(x)
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    axis = normalize_axis(axis, ndim_of(x))
    places = _running_position(x, axis=axis, largest=largest)
    return Chosen(take_along_axis(x, places, axis), places)


@torch_names
def cummax(x, axis=None):
    """The largest element up to each place along `axis`, and where it stands: a pair (values, indices).

    NaN counts as the largest. Of equal elements it is the last, which gets the derivative, as in PyTorch.

    >>> import chainrule as cr
    >>> cr.cummax([1.0, 3.0, 2.0]).values
    array([1., 3., 3.])
    """
    return _running(x, axis, largest=True)


@torch_names
def cummin(x, axis=None):
    """The smallest element up to each place along `axis`, and where it stands; as `cummax`.

    >>> import chainrule as cr
    >>> cr.cummin([2.0, 3.0, 1.0]).values
    array([2., 2., 1.])
    """
    return _running(x, axis, largest=False)


@torch_names
def logcumsumexp(x, axis=None):
    """Logarithm of the running sums of exp(x) along `axis`, without overflow.

    In log2(n) whole-array steps (Hillis and Steele, CACM 1986), each of which is differentiable where others overflow.

    >>> import chainrule as cr
    >>> cr.logcumsumexp(np.array([1000.0, 1000.0])).round(3)
    array([1000.   , 1000.693])
    """
    x = as_value(x)
    x = x if dtype_of(x).kind == "f" else cast(x, np.dtype(float))
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    axis = normalize_axis(axis, ndim_of(x))
    step, n = 1, shape_of(x)[axis]
    while step < n:
        x = logaddexp(x, shift(x, step, axis, -math.inf))
        step *= 2
    return x
