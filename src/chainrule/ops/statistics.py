"""Weighted means, covariances, and what the NumPy functions whose names begin with `nan` do: NaN counts as missing."""

import math
import warnings

import numpy as np

from ..core.dispatch import plain
from ..core.value import Value, dtype_of, ndim_of, shape_of
from ..errors import ShapeError, explain
from ..names import torch_names
from .comparison import isnan
from .contraction import matmul
from .elementwise import clip, imag as imaginary, maximum, real, sqrt, square, where as choose
from .joining import concatenate
from .reduction import (
    all as all_,
    cumprod,
    cumsum,
    lost_degrees,
    max as largest,
    mean,
    min as smallest,
    position,
    positions,
    prod,
    sum,
)
from .shaping import as_value, cast, expand_dims, normalize_axis, reshape, transpose

# --- means ----------------------------------------------------------------------------------------------------------


@torch_names
def average(x, axis=None, weights=None, returned=False, *, keepdims=False):
    """Mean over `axis`, weighted by `weights` of the shape of `x` or, along `axis`, of its lengths there.

    With `returned=True` it gives the pair (mean, sum of the weights).

    Raises
    ------
    ZeroDivisionError
        The weights add up to zero; not of Tensors that derivatives flow through, which give infinities or NaN.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.average([1.0, 4.0], weights=[3.0, 1.0])
    np.float64(1.75)
    """
    x = as_value(x)
    if weights is None:
        out = mean(x, axis, keepdims=keepdims)
        count = math.prod(shape_of(x)) / max(math.prod(shape_of(out)), 1)
        return (out, 0 * out + count) if returned else out
    weights = plain(_weights_along(x, as_value(weights), axis))
    if not isinstance(weights, Value) and not np.all(np.sum(np.broadcast_to(weights, shape_of(x)), axis)):
        raise ZeroDivisionError("Weights sum to zero, can't be normalized")
    total = sum(weights + 0 * x, axis, keepdims=keepdims)
    out = sum(x * weights, axis, keepdims=keepdims) / total
    return (out, total) if returned else out


def _weights_along(x, weights, axis):
    if shape_of(weights) == shape_of(x):
        return weights
    axes = None if axis is None else [normalize_axis(a, ndim_of(x)) for a in (axis if hasattr(axis, "__iter__") else [axis])]
    if axes is None or shape_of(weights) != tuple(shape_of(x)[a] for a in axes):
        raise (TypeError if axes is None else ShapeError)(
            explain(
                "average: `weights` must have the shape of `x`, or its lengths along `axis`",
                f"x: {shape_of(x)}    weights: {shape_of(weights)}    axis: {axis}",
                help="name the axis along which the weights stand",
            )
        )
    order = sorted(range(len(axes)), key=lambda i: axes[i])
    lengths = [shape_of(x)[a] if a in axes else 1 for a in range(ndim_of(x))]
    return reshape(transpose(weights, order), lengths)


# --- NaN as a missing value -----------------------------------------------------------------------------------------


def _present(x, mask):
    """Which elements count, as a mask."""
    here = ~isnan(x)
    return here if mask is True else here & mask


@torch_names
def nansum(x, axis=None, dtype=None, keepdims=False, initial=None, where=True):
    """Sum over `axis`, NaN counting as 0.

    >>> import chainrule as cr
    >>> cr.nansum([1.0, np.nan, 3.0])
    np.float64(4.0)
    """
    return sum(x, axis, dtype, keepdims, initial, _present(as_value(x), where))


@torch_names
def nanprod(x, axis=None, dtype=None, keepdims=False, initial=None, where=True):
    """Product over `axis`, NaN counting as 1.

    >>> import chainrule as cr
    >>> cr.nanprod([2.0, np.nan, 3.0])
    np.float64(6.0)
    """
    return prod(x, axis, dtype, keepdims, initial, _present(as_value(x), where))


def _zero_for_nan(x, value):
    x = as_value(x)
    return choose(isnan(x), np.asarray(value, dtype_of(x))[()], x)


@torch_names
def nancumsum(x, axis=None, dtype=None):
    """Running sums along `axis`, NaN counting as 0.

    >>> import chainrule as cr
    >>> cr.nancumsum([1.0, np.nan, 3.0])
    array([1., 1., 4.])
    """
    return cumsum(_zero_for_nan(x, 0), axis, dtype)


@torch_names
def nancumprod(x, axis=None, dtype=None):
    """Running products along `axis`, NaN counting as 1.

    >>> import chainrule as cr
    >>> cr.nancumprod([2.0, np.nan, 3.0])
    array([2., 2., 6.])
    """
    return cumprod(_zero_for_nan(x, 1), axis, dtype)


def _floating(x):
    x = as_value(x)
    return x if dtype_of(x).kind in "fc" else cast(x, np.dtype(float))


def _check_inexact(x, dtype):
    if dtype is not None and dtype_of(x).kind in "fc" and np.dtype(dtype).kind not in "fc":
        raise TypeError(
            explain(
                "If a is inexact, then dtype must be inexact", f"found: {dtype_of(x)} and {np.dtype(dtype)}", help="use a float"
            )
        )


@torch_names
def nanmean(x, axis=None, dtype=None, keepdims=False, *, where=True):
    """Mean over `axis` of the elements that are not NaN.

    >>> import chainrule as cr
    >>> cr.nanmean([1.0, np.nan, 3.0])
    np.float64(2.0)
    """
    _check_inexact(as_value(x), dtype)
    return mean(x, axis, dtype, keepdims, where=_present(as_value(x), where))


@torch_names
def nanvar(x, axis=None, dtype=None, ddof=0, keepdims=False, *, where=True, mean=None, correction=None):
    """Variance over `axis` of the elements that are not NaN; NaN where there are no more than `ddof` of them.

    >>> import chainrule as cr
    >>> cr.nanvar([1.0, np.nan, 3.0])
    np.float64(1.0)
    """
    _check_inexact(as_value(x), dtype)
    x = _floating(x) if dtype is None else cast(as_value(x), np.dtype(dtype))
    here = _present(x, where)
    middle = nanmean(x, axis, keepdims=True, where=where) if mean is None else mean
    d = _kept(here, x - middle)
    squares = real(d) * real(d) + imaginary(d) * imaginary(d) if dtype_of(d).kind == "c" else square(d)
    left = sum(here, axis, keepdims=keepdims) - lost_degrees(ddof, correction)
    total = sum(squares, axis, keepdims=keepdims)
    return total / _positive_or_nan(left, dtype_of(total))


def _kept(mask, x):
    return choose(mask, x, np.zeros((), dtype_of(x))[()])


def _positive_or_nan(count, dtype):
    return choose(count > 0, cast(maximum(count, 1), dtype), np.asarray(np.nan, dtype)[()])


@torch_names
def nanstd(x, axis=None, dtype=None, ddof=0, keepdims=False, *, where=True, mean=None, correction=None):
    """Standard deviation over `axis` of the elements that are not NaN. Its derivative where they are all equal is 0.

    >>> import chainrule as cr
    >>> cr.nanstd([1.0, np.nan, 3.0])
    np.float64(1.0)
    """
    v = nanvar(x, axis, dtype, ddof, keepdims, where=where, mean=mean, correction=correction)
    flat = v == 0  # the root has no slope there
    return choose(flat, 0 * v, sqrt(choose(flat, 1, v)))


def _nan_extremum(pick, x, axis, keepdims, initial, mask, worst):
    x = as_value(x)
    if dtype_of(x).kind not in "fc":
        return pick(x, axis, keepdims, initial, mask)
    missing = isnan(x)
    filled = choose(missing, np.asarray(worst, dtype_of(x))[()], x)
    out = pick(filled, axis, keepdims, initial, mask)
    if initial is not None:
        return out
    return choose(all_(missing, axis, keepdims=keepdims), np.asarray(np.nan, dtype_of(x))[()], out)


@torch_names
def nanmax(x, axis=None, keepdims=False, initial=None, where=True):
    """Largest element over `axis` that is not NaN; NaN if there is none. Ties share the derivative equally.

    >>> import chainrule as cr
    >>> cr.nanmax([1.0, np.nan, 3.0])
    np.float64(3.0)
    """
    return _nan_extremum(largest, x, axis, keepdims, initial, where, -math.inf)


@torch_names
def nanmin(x, axis=None, keepdims=False, initial=None, where=True):
    """Smallest element over `axis` that is not NaN; NaN if there is none. Ties share the derivative equally.

    >>> import chainrule as cr
    >>> cr.nanmin([1.0, np.nan, 3.0])
    np.float64(1.0)
    """
    return _nan_extremum(smallest, x, axis, keepdims, initial, where, math.inf)


@position
def _nanargmax(x, *, axis):
    """Index of the first largest element along an axis that is not NaN."""
    return np.nanargmax(x, axis=axis)


@position
def _nanargmin(x, *, axis):
    """Index of the first smallest element along an axis that is not NaN."""
    return np.nanargmin(x, axis=axis)


@torch_names
def nanargmax(x, axis=None, keepdims=False):
    """Index of the (first) largest element along `axis` that is not NaN; without it, in the flattened array.

    >>> import chainrule as cr
    >>> cr.nanargmax([1.0, np.nan, 3.0])
    np.int64(2)
    """
    return positions(_nanargmax, x, axis, keepdims)


@torch_names
def nanargmin(x, axis=None, keepdims=False):
    """Index of the (first) smallest element along `axis` that is not NaN; without it, in the flattened array.

    >>> import chainrule as cr
    >>> cr.nanargmin([2.0, np.nan, 3.0])
    np.int64(0)
    """
    return positions(_nanargmin, x, axis, keepdims)


# --- covariance -----------------------------------------------------------------------------------------------------


def cov(x, y=None, rowvar=True, bias=False, ddof=None, fweights=None, aweights=None, *, dtype=None):
    """Covariance matrix of variables that stand in the rows of `x` (columns if not `rowvar`), and of those of `y`.

    Parameters
    ----------
    x : array with one or two axes
    y : more variables with as many observations
    bias : divide by n instead of n - 1
    ddof : divide by n - `ddof`
    fweights : how often each observation counts, whole numbers
    aweights : how much each observation weighs; derivatives flow to them

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.cov([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]])
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    rows = _variables(x, rowvar, dtype)
    if y is not None:
        more = _variables(y, rowvar, dtype)
        kind = np.result_type(dtype_of(rows), dtype_of(more))
        rows = concatenate([cast(rows, kind), cast(more, kind)], 0)
    if shape_of(rows)[0] == 0:
        return np.zeros((0, 0), dtype_of(rows))
    if ddof is not None and ddof != int(ddof):
        raise ValueError("ddof must be integer")
    w, total, lost = _observation_weights(shape_of(rows)[1], fweights, aweights, (0 if bias else 1) if ddof is None else ddof)
    d = rows - expand_dims(average(rows, 1, w), 1)
    factor = total - lost
    if isinstance(factor, (int, float)) and factor <= 0:
        warnings.warn("Degrees of freedom <= 0 for slice", RuntimeWarning, stacklevel=2)
        factor = 0.0
    right = transpose(d if w is None else d * cast(w, np.result_type(dtype_of(d), dtype_of(w))))
    out = matmul(d, right.conj() if dtype_of(right).kind == "c" else right) / factor
    return reshape(out, ()) if shape_of(out) == (1, 1) else out


def _variables(x, rowvar, dtype):
    x = _floating(x) if dtype is None else cast(as_value(x), np.dtype(dtype))
    if ndim_of(x) > 2:
        raise ValueError(explain("cov: `x` has more than two axes", f"x: {shape_of(x)}", help="flatten the observations first"))
    if ndim_of(x) < 2:
        return reshape(x, (1, -1))
    return x if rowvar else transpose(x)


def _observation_weights(n, fweights, aweights, ddof):
    """(weights or None, what they add up to, what to take off that for `ddof`)."""
    if fweights is None and aweights is None:
        return None, n, ddof
    w = 1.0
    for name, more in (("fweights", fweights), ("aweights", aweights)):
        if more is None:
            continue
        more = as_value(more)
        if shape_of(more) != (n,):
            raise RuntimeError(
                explain(
                    f"cov: `{name}` must hold {n} weights, one per observation", f"{name}: {shape_of(more)}", help="flatten it"
                )
            )
        looked_at = None if isinstance(plain(more), Value) else plain(more)
        if name == "fweights" and (
            dtype_of(more).kind not in "iu" if looked_at is None else np.any(looked_at != np.rint(looked_at))
        ):
            raise TypeError("fweights must be integer")
        if looked_at is not None and (looked_at < 0).any():
            raise ValueError(explain(f"cov: `{name}` cannot be negative", help="leave observations out instead"))
        w = w * more
    total = sum(w)
    if ddof == 0:
        return w, total, 0
    return w, total, ddof if aweights is None else ddof * sum(w * as_value(aweights)) / total


def corrcoef(x, y=None, rowvar=True, *, dtype=None):
    """Correlation coefficients of variables that stand in the rows of `x` (columns if not `rowvar`), and of those of `y`.

    >>> import chainrule as cr
    >>> cr.corrcoef([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]])
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    c = cov(x, y, rowvar, dtype=dtype)
    if ndim_of(c) == 0:
        return c / c
    i = np.arange(shape_of(c)[0])
    spread = sqrt(real(c[i, i]))
    c = c / reshape(spread, (-1, 1)) / spread
    if dtype_of(c).kind == "c":
        return clip(real(c), -1, 1) + 1j * clip(imaginary(c), -1, 1)
    return clip(c, -1, 1)
