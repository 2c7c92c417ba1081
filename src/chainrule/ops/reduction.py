"""Many numbers in, fewer out, and running totals. (The row of `sum` stands in shaping.py.)

`axis` is None (all axes), an int or a tuple of ints; PyTorch's `dim` and `keepdim` are accepted for `axis` and `keepdims`.
Only the elements where the mask `where` holds are counted; `initial` is one element more.
"""

import builtins
import math
from collections.abc import Callable

import numpy as np

from ..core.aval import Aval
from ..core.derivative import Linear, Pair, zero
from ..core.lowering import Call, Reduce
from ..core.primitive import primitive
from ..core.value import Value, dtype_of, ndim_of, shape_of, size_of
from ..errors import explain
from ..names import torch_names
from .comparison import isnan
from .elementwise import absolute, add, exp, maximum, minimum, multiply, sqrt, square, where
from .families import reduction
from .indexing import torch_pair
from .joining import concatenate
from .shaping import _flip, _sum, as_value, broadcast_to, cast, expand, folded_axes, normalize_axis, reshape, without


def extremum_partial(x, out, axes):
    """1 at the only extremum, shared equally among ties."""
    hit = cast((x == out) | (isnan(out) & isnan(x)), dtype_of(out))
    return hit / expand(_sum(hit, axes=axes), axes)


@reduction(lambda x, out, axes: extremum_partial(x, out, axes), lower=Reduce("maximum"))
def _max(x, *, axes):
    """Largest element over axes."""
    return np.maximum.reduce(x, axis=axes)


@reduction(lambda x, out, axes: extremum_partial(x, out, axes), lower=Reduce("minimum"))
def _min(x, *, axes):
    """Smallest element over axes."""
    return np.minimum.reduce(x, axis=axes)


def products_of_others(x, axes):
    """For each element, the product of all the others over axes: exact with zeros, and differentiable to any order.

    Up a binary tree of products, then down it: the others of a child are its sibling times the others of its parent.
    """
    shape, n = shape_of(x), math.prod(shape_of(x)[a] for a in axes)
    if n <= 1:
        return 1 + 0 * x
    from_axes = (*axes, *(a for a in range(len(shape)) if a not in axes))
    moved = x.transpose(from_axes)
    flat = reshape(moved, (n, *shape_of(moved)[len(axes) :]))
    levels = [flat]
    while shape_of(levels[-1])[0] > 2:
        level = levels[-1]
        half = shape_of(level)[0] // 2
        pairs = level[:half] * level[half : 2 * half]
        levels.append(pairs if shape_of(level)[0] % 2 == 0 else concatenate([pairs, level[2 * half :]]))
    others = levels[-1][::-1]
    for level in levels[-2::-1]:
        half = shape_of(level)[0] // 2
        parents = others[:half]
        left, right = parents * level[half : 2 * half], parents * level[:half]
        rest = [others[half:]] if shape_of(level)[0] % 2 else []
        others = concatenate([left, right, *rest])
    back = [0] * len(shape)
    for to, a in enumerate(from_axes):
        back[a] = to
    return reshape(others, shape_of(moved)).transpose(back)


@reduction(lambda x, axes: products_of_others(x, axes), lower=Reduce("multiply"))
def _prod(x, *, axes):
    """Product over axes."""
    return np.multiply.reduce(x, axis=axes)


def _softmax_partial(x, out):
    with np.errstate(invalid="ignore"):
        d = x - out
    # Where the largest element is all there is, also if it is infinite; none of the elements counts if all are -inf.
    return exp(where(x == out, where(x > -math.inf, 0, x), d))


def _softmax_cost(x, axes):
    return 10e3 + 3 * size_of(x)


@reduction(_softmax_partial, lower=Call(), cost=_softmax_cost)
def _logsumexp(x, *, axes):
    """log(sum(exp(x))) over axes."""
    x = x if dtype_of(x).kind in "fc" else np.asarray(x, float)
    top = np.max(x.real, axis=axes, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0).astype(x.real.dtype)
    with np.errstate(divide="ignore"):
        return (np.log(np.sum(np.exp(x - top), axis=axes)) + np.squeeze(top, axis=axes))[()]


def _log_softmax_jvp(t, out, axes):
    return t - expand(_sum(exp(out) * t, axes=axes), axes)


def _log_softmax_vjp(g, out, axes):
    return g - _conj(exp(out)) * expand(_sum(g, axes=axes), axes)


# A row of its own for speed: one pass in each direction where the composition takes six.
@primitive(
    derivative=[Pair(_log_softmax_jvp, _log_softmax_vjp)],
    aval=lambda x, axes: x,
    batch=lambda args, batched, params: _log_softmax(*args, axes=tuple(a + 1 for a in params["axes"])),
    lower=Call(),
    name="log_softmax",
    cost=_softmax_cost,
)
def _log_softmax(x, *, axes):
    """x - log(sum(exp(x))) over axes, for floating point x."""
    top = np.maximum.reduce(x, axis=axes, keepdims=True, initial=-np.inf)
    if not np.isfinite(top).all():
        top = np.where(np.isfinite(top), top, 0).astype(x.dtype)
    shifted = x - top
    with np.errstate(divide="ignore"):
        return shifted - np.log(np.add.reduce(np.exp(shifted), axis=axes, keepdims=True))


@reduction(lambda x, out: x / where(out == 0, math.inf, out), lower=Call())
def _norm(x, *, axes):
    """Square root of the sum of squares over axes."""
    x = x if dtype_of(x).kind == "f" else np.asarray(x, float)
    top = np.max(np.abs(x), axis=axes, keepdims=True, initial=0)
    # Scale only where squares would over- or underflow: otherwise the plain sum is exact enough and faster.
    info = np.finfo(x.dtype)
    if info.bits > 16 and np.all((top < math.sqrt(info.max) / 1e8) & ((top > math.sqrt(info.tiny) * 1e8) | (top == 0))):
        return np.sqrt(np.add.reduce(x * x, axis=axes))
    scale = np.where((top > 0) & np.isfinite(top), top, 1).astype(x.dtype)
    return (np.sqrt(np.add.reduce(np.square(x / scale), axis=axes)) * np.squeeze(scale, axis=axes))[()]


@reduction(None, lower=Reduce("logical_and"))
def _all(x, *, axes):
    """Whether all elements over axes are true."""
    return np.logical_and.reduce(x, axis=axes)


@reduction(None, lower=Reduce("logical_or"))
def _any(x, *, axes):
    """Whether any element over axes is true."""
    return np.logical_or.reduce(x, axis=axes)


def position(fn):
    """Row builder for `fn(x, *, axis)` that finds a place along one axis."""
    row: Callable = primitive(
        derivative=[zero],
        aval=lambda x, axis: Aval(without(x.shape, (axis,)), np.dtype(np.intp)),
        batch=lambda args, batched, params: row(*args, axis=params["axis"] + 1),
        lower=Call(),
        name=fn.__name__.lstrip("_"),
    )(fn)
    return row


@position
def _argmax(x, *, axis):
    """Index of the first largest element along an axis."""
    return np.argmax(x, axis=axis)


@position
def _argmin(x, *, axis):
    """Index of the first smallest element along an axis."""
    return np.argmin(x, axis=axis)


def running(*, derivative):
    """Row builder for `fn(x, *, axis)` that keeps the shape: running totals along one axis."""

    def define(fn):
        call: Callable = primitive(
            derivative=[derivative],
            aval=lambda x, axis: Aval(x.shape, np.asarray(fn(np.ones(1, x.dtype), axis=0)).dtype),
            batch=lambda args, batched, params: call(*args, axis=params["axis"] + 1),
            lower=Call(),
            name=fn.__name__.lstrip("_"),
        )(fn)
        return call

    return define


def reverse_cumsum(g, axis):
    return _flip(_cumsum(_flip(g, axes=(axis,)), axis=axis), axes=(axis,))


@running(derivative=Linear(lambda g, axis: reverse_cumsum(g, axis)))
def _cumsum(x, *, axis):
    """Running sums along an axis."""
    return np.cumsum(x, axis=axis)


def shift(x, n, axis, fill):
    """Move elements `n` places up along an axis, filling in at the start."""
    shape = shape_of(x)
    n = builtins.min(n, shape[axis])
    head = np.full((*shape[:axis], n, *shape[axis + 1 :]), fill, dtype_of(x))
    return concatenate([head, x[(slice(None),) * axis + (slice(0, shape[axis] - n),)]], axis)


def linear_recurrence(a, b, axis):
    """s[k] = b[k] + a[k] s[k-1] along an axis, in log2(n) whole-array steps (Hillis and Steele, CACM 1986)."""
    step, n = 1, shape_of(b)[axis]
    while step < n:
        b = b + a * shift(b, step, axis, 0)
        a = a * shift(a, step, axis, 0)
        step *= 2
    return b


def _cumprod_jvp(t, x, out, axis):
    return linear_recurrence(x, t * shift(out, 1, axis, 1), axis)


def _cumprod_vjp(g, x, out, axis):
    def back(y):
        return _flip(y, axes=(axis,))

    following = back(shift(back(x), 1, axis, 0))
    s = back(linear_recurrence(back(_conj(following)), back(g), axis))
    return s * _conj(shift(out, 1, axis, 1))


def _conj(x):
    return x.conj() if dtype_of(x).kind == "c" else x


@running(derivative=Pair(_cumprod_jvp, _cumprod_vjp))
def _cumprod(x, *, axis):
    """Running products along an axis."""
    return np.cumprod(x, axis=axis)


# --- NumPy's names --------------------------------------------------------------------------------------------------


def _flat(axis, ndim):
    """Whether all elements are meant: NumPy also takes numbers to have a first and a last axis."""
    return axis is None or (ndim == 0 and not hasattr(axis, "__iter__") and axis in (0, -1))


def _axes(axis, ndim):
    return tuple(range(ndim)) if axis is None else folded_axes(axis, ndim)


def _reduce(row, x, axis, keepdims, dtype=None):
    if not isinstance(x, (Value, np.ndarray)):
        x = as_value(x)
    if dtype is not None:
        x = cast(x, np.dtype(dtype))
    axes = _axes(axis, len(x.shape))
    out = _in_dtype(row(x, axes=axes), dtype)
    return expand(out, axes) if keepdims else out


def _in_dtype(out, dtype):
    """What was added up, in the dtype that was asked for: rows use at least 64 bits for integers, as NumPy does unasked."""
    return out if dtype is None else cast(out, np.dtype(dtype))


def _only(x, mask, neutral):
    """`x` where the mask holds, `neutral` elsewhere."""
    return where(mask, as_value(x), neutral)


@torch_names
def sum(x, axis=None, dtype=None, keepdims=False, initial=None, where=True):
    """Sum over `axis`.

    Parameters
    ----------
    x : array of any shape; booleans and small integers are added up as int64
    axis : None, int or tuple of ints
    dtype : dtype to convert to first
    keepdims : keep the summed axes as length 1
    initial : number to start from
    where : mask of the elements to add up, of a shape that broadcasts to that of `x`

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.sum([[1.0, 2.0], [3.0, 4.0]], axis=0)
    array([4., 6.])
    """
    if where is not True:
        x = _only(x, where, False)
    out = _reduce(_sum, x, axis, keepdims, dtype)
    return out if initial is None else add(out, cast(initial, dtype_of(out)))


def _count(x, axis):
    if axis is None:
        return math.prod(shape_of(x))
    return math.prod(shape_of(x)[a] for a in _axes(axis, ndim_of(x)))


def _per_count(total, x, axis, keepdims, where, ddof=0, root=False):
    """`total` divided by the number of elements over `axis` less `ddof`, or by its root; NaN where that is not positive."""
    if where is True:
        left = _count(x, axis) - ddof
        return total * (1 / (math.sqrt(left) if root else left) if left > 0 else math.nan)
    count = sum(broadcast_to(where, shape_of(x)), axis, keepdims=keepdims)
    left = cast(maximum(count - ddof, 0), np.zeros((), dtype_of(total)).real.dtype)
    return total / (sqrt(left) if root else left)


def _as_float(x):
    x = as_value(x)
    if dtype_of(x).kind not in "biufc":
        raise TypeError(
            explain(
                "only numbers have a mean", f"x: {dtype_of(x)} {shape_of(x)}", help="convert it, for example x.astype(float)"
            )
        )
    return x if dtype_of(x).kind in "fc" else cast(x, np.dtype(float))


@torch_names
def mean(x, axis=None, dtype=None, keepdims=False, *, where=True):
    """Arithmetic mean over `axis`; of no elements, NaN.

    >>> import chainrule as cr
    >>> cr.mean([1.0, 2.0, 6.0])
    np.float64(3.0)
    """
    x = _as_float(x) if dtype is None else cast(as_value(x), np.dtype(dtype))
    if dtype is None and dtype_of(x) == np.float16:  # whose sums soon are infinite
        return cast(mean(x, axis, np.float32, keepdims, where=where), dtype_of(x))
    return _per_count(sum(x, axis, keepdims=keepdims, where=where), x, axis, keepdims, where)


def _centred(x, axis, dtype, where, about):
    """Distances from the mean, or from `about` in its place, and 0 where the mask does not hold."""
    x = _as_float(x) if dtype is None else cast(as_value(x), np.dtype(dtype))
    d = x - (mean(x, axis, keepdims=True, where=where) if about is None else about)
    d = d if where is True else _only(d, where, 0)
    return absolute(d) if dtype_of(d).kind == "c" else d


def lost_degrees(ddof, correction):
    """How much less than the number of elements a variance is divided by: NumPy's and the Array API's option for it."""
    if correction is None:
        return ddof
    if ddof:
        raise ValueError(
            explain(
                "ddof and correction can't be provided simultaneously",
                f"ddof: {ddof}    correction: {correction}",
                help="they mean the same: leave one away",
            )
        )
    return correction


@torch_names
def var(x, axis=None, dtype=None, ddof=0, keepdims=False, *, where=True, mean=None, correction=None):
    """Variance over `axis`: mean squared distance from the mean, divided by n - `ddof` (NumPy's default 0, PyTorch's 1).

    `correction` is the Array API's name for `ddof`; `mean` is the mean with its axes kept, where it is known already.

    >>> import chainrule as cr
    >>> cr.var([1.0, 3.0])
    np.float64(1.0)
    """
    ddof = lost_degrees(ddof, correction)
    d = _centred(x, axis, dtype, where, mean)
    return _per_count(sum(square(d), axis, keepdims=keepdims), d, axis, keepdims, where, ddof)


@torch_names
def std(x, axis=None, dtype=None, ddof=0, keepdims=False, *, where=True, mean=None, correction=None):
    """Standard deviation over `axis`, the square root of `var`. Its derivative where all elements are equal is 0.

    >>> import chainrule as cr
    >>> cr.std([1.0, 3.0])
    np.float64(1.0)
    """
    ddof = lost_degrees(ddof, correction)
    d = _centred(x, axis, dtype, where, mean)
    length = _reduce(_norm, d, axis, keepdims)
    return _per_count(length, d, axis, keepdims, where, ddof, root=True)


def _nonempty(name, x, axis):
    if _count(x, axis) == 0:
        raise ValueError(
            explain(f"{name}: no elements to choose from", f"x: {shape_of(x)}, axis {axis}", help="check for empty arrays")
        )


def _limits(dtype):
    """The least and the largest element of this dtype."""
    if dtype.kind in "fc":
        return -math.inf, math.inf
    return (False, True) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)


def _extremum(row, combine, x, axis, keepdims, initial, where):
    name = row.row.name
    if isinstance(axis, (Value, np.ndarray)) and (ndim_of(axis) or dtype_of(axis).kind not in "iu"):
        return combine(x, axis)  # PyTorch's max(x, y)
    if initial is None and where is True:
        _nonempty(name, x, axis)
        return _reduce(row, x, axis, keepdims)
    x = as_value(x)
    if initial is None:
        raise ValueError(
            explain(f"{name}: a mask may leave no elements", f"x: {shape_of(x)}", help="give `initial` beside `where`")
        )
    if where is not True:  # what is left out counts as the least that any element can be
        x = _only(x, where, _limits(dtype_of(x))[name == "min"])
    if _count(x, axis) == 0:
        x = broadcast_to(cast(initial, dtype_of(x)), tuple(n or 1 for n in shape_of(x)))
    return combine(_reduce(row, x, axis, keepdims), cast(initial, dtype_of(x)))


@torch_pair(lambda x, axis: argmax(x, axis, keepdims=True))
def max(x, axis=None, keepdims=False, initial=None, where=True):
    """Largest element over `axis`, NaN if there is one. Ties share the derivative equally.

    Called with PyTorch's `dim`, it gives PyTorch's pair (values, indices).

    >>> import chainrule as cr
    >>> cr.max([[1.0, 5.0], [3.0, 4.0]], axis=1)
    array([5., 4.])
    """
    return _extremum(_max, maximum, x, axis, keepdims, initial, where)


@torch_names
def amax(x, axis=None, keepdims=False, initial=None, where=True):
    """Largest element over one or several axes; `max`, but without indices for PyTorch's `dim`.

    >>> import chainrule as cr
    >>> cr.amax([[1.0, 5.0], [3.0, 4.0]], dim=1)
    array([5., 4.])
    """
    return _extremum(_max, maximum, x, axis, keepdims, initial, where)


@torch_names
def amin(x, axis=None, keepdims=False, initial=None, where=True):
    """Smallest element over one or several axes; `min`, but without indices for PyTorch's `dim`.

    >>> import chainrule as cr
    >>> cr.amin([[1.0, 5.0], [3.0, 4.0]], dim=1)
    array([1., 3.])
    """
    return _extremum(_min, minimum, x, axis, keepdims, initial, where)


@torch_pair(lambda x, axis: argmin(x, axis, keepdims=True))
def min(x, axis=None, keepdims=False, initial=None, where=True):
    """Smallest element over `axis`, NaN if there is one. Ties share the derivative equally.

    Called with PyTorch's `dim`, it gives PyTorch's pair (values, indices).

    >>> import chainrule as cr
    >>> cr.min([[1.0, 5.0], [3.0, 4.0]], axis=1)
    array([1., 3.])
    """
    return _extremum(_min, minimum, x, axis, keepdims, initial, where)


@torch_names
def ptp(x, axis=None, keepdims=False):
    """Largest minus smallest element over `axis`.

    >>> import chainrule as cr
    >>> cr.ptp([3.0, 1.0, 4.0])
    np.float64(3.0)
    """
    return max(x, axis, keepdims) - min(x, axis, keepdims)


@torch_names
def prod(x, axis=None, dtype=None, keepdims=False, initial=None, where=True):
    """Product over `axis`. Derivatives are exact where elements are 0.

    >>> import chainrule as cr
    >>> cr.prod([2.0, 3.0, 4.0])
    np.float64(24.0)
    """
    if where is not True:
        x = _only(x, where, True)
    out = _reduce(_prod, x, axis, keepdims, dtype)
    return out if initial is None else multiply(out, cast(initial, dtype_of(out)))


@torch_names
def all(x, axis=None, keepdims=False, *, where=True):
    """Whether all elements over `axis` are true.

    >>> import chainrule as cr
    >>> cr.all([[True, False], [True, True]], axis=1)
    array([False,  True])
    """
    return _reduce(_all, x if where is True else _only(x, where, True), axis, keepdims)


@torch_names
def any(x, axis=None, keepdims=False, *, where=True):
    """Whether any element over `axis` is true.

    >>> import chainrule as cr
    >>> cr.any([[True, False], [False, False]], axis=1)
    array([ True, False])
    """
    return _reduce(_any, x if where is True else _only(x, where, False), axis, keepdims)


@torch_names
def count_nonzero(x, axis=None, keepdims=False):
    """How many elements over `axis` are not 0.

    >>> import chainrule as cr
    >>> cr.count_nonzero([0, 3, 4])
    np.int64(2)
    """
    return sum(as_value(x) != 0, axis, keepdims=keepdims)


@torch_names
def logsumexp(x, axis=None, keepdims=False):
    """`log(sum(exp(x)))` over `axis`, without overflow.

    >>> import chainrule as cr
    >>> cr.logsumexp([1000.0, 1000.0])
    np.float64(1000.6931471805599)
    """
    return _reduce(_logsumexp, x, axis, keepdims)


@torch_names
def softmax(x, axis=-1):
    """`exp(x) / sum(exp(x))` along `axis`: positive numbers that add up to 1.

    >>> import chainrule as cr
    >>> cr.softmax([0.0, 0.0])
    array([0.5, 0.5])
    """
    return exp(log_softmax(x, axis))


@torch_names
def log_softmax(x, axis=-1):
    """Logarithm of `softmax` along `axis`, accurate also where that underflows.

    >>> import chainrule as cr
    >>> cr.log_softmax([0.0, 1000.0])
    array([-1000.,     0.])
    """
    x = _as_float(x)
    return _log_softmax(x, axes=folded_axes(axis, ndim_of(x)))


def _along(row, x, axis, dtype=None):
    x = as_value(x) if dtype is None else cast(as_value(x), np.dtype(dtype))
    if _flat(axis, ndim_of(x)):
        x, axis = reshape(x, (-1,)), 0
    return _in_dtype(row(x, axis=normalize_axis(axis, ndim_of(x))), dtype)


@torch_names
def cumsum(x, axis=None, dtype=None):
    """Running sums along `axis`; without it, of the flattened array.

    >>> import chainrule as cr
    >>> cr.cumsum([1.0, 2.0, 3.0])
    array([1., 3., 6.])
    """
    return _along(_cumsum, x, axis, dtype)


@torch_names
def cumprod(x, axis=None, dtype=None):
    """Running products along `axis`; without it, of the flattened array. Derivatives are exact where elements are 0.

    >>> import chainrule as cr
    >>> cr.cumprod([1.0, 2.0, 3.0])
    array([1., 2., 6.])
    """
    return _along(_cumprod, x, axis, dtype)


def _running_with_start(running, name, x, axis, dtype, include_initial, start):
    x = as_value(x)
    if axis is None:
        if ndim_of(x) != 1:
            raise ValueError(
                explain(
                    f"{name}: `axis` is needed for an array of {ndim_of(x)} axes", f"x: {shape_of(x)}", help="name one axis"
                )
            )
        axis = 0
    axis = normalize_axis(axis, ndim_of(x))
    out = running(x, axis, dtype)
    if not include_initial:
        return out
    shape = shape_of(out)
    return concatenate([np.full((*shape[:axis], 1, *shape[axis + 1 :]), start, dtype_of(out)), out], axis)


@torch_names
def cumulative_sum(x, /, *, axis=None, dtype=None, include_initial=False):
    """Running sums along `axis`, which only vectors may leave away; with `include_initial`, a 0 before them.

    >>> import chainrule as cr
    >>> cr.cumulative_sum([1.0, 2.0], include_initial=True)
    array([0., 1., 3.])
    """
    return _running_with_start(cumsum, "cumulative_sum", x, axis, dtype, include_initial, 0)


@torch_names
def cumulative_prod(x, /, *, axis=None, dtype=None, include_initial=False):
    """Running products along `axis`, which only vectors may leave away; with `include_initial`, a 1 before them.

    >>> import chainrule as cr
    >>> cr.cumulative_prod([2.0, 3.0], include_initial=True)
    array([1., 2., 6.])
    """
    return _running_with_start(cumprod, "cumulative_prod", x, axis, dtype, include_initial, 1)


def positions(row, x, axis, keepdims):
    """What a row of `position` finds along `axis`, or in the flattened array."""
    x = as_value(x)
    _nonempty(row.row.name, x, axis)
    if _flat(axis, ndim_of(x)):
        out = row(reshape(x, (-1,)), axis=0)
        return reshape(out, (1,) * ndim_of(x)) if keepdims else out
    axis = normalize_axis(axis, ndim_of(x))
    out = row(x, axis=axis)
    return expand(out, (axis,)) if keepdims else out


@torch_names
def argmax(x, axis=None, keepdims=False):
    """Index of the (first) largest element along `axis`; without it, in the flattened array.

    >>> import chainrule as cr
    >>> cr.argmax([1.0, 5.0, 2.0])
    np.int64(1)
    """
    return positions(_argmax, x, axis, keepdims)


@torch_names
def argmin(x, axis=None, keepdims=False):
    """Index of the (first) smallest element along `axis`; without it, in the flattened array.

    >>> import chainrule as cr
    >>> cr.argmin([3.0, 1.0, 2.0])
    np.int64(1)
    """
    return positions(_argmin, x, axis, keepdims)
