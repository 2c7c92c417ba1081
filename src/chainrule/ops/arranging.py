"""Rearrangements composed of joining, indexing and broadcasting: no rows of their own."""

import builtins

import numpy as np

from ..core.dispatch import plain
from ..core.value import Value, dtype_of, ndim_of, shape_of
from ..errors import ShapeError, explain
from ..names import torch_names
from .comparison import isfinite, isinf
from .elementwise import clip, minimum, remainder, where
from .indexing import index_set, take
from .joining import concatenate
from .shaping import (
    as_shape,
    as_value,
    broadcast_to,
    cast,
    duplicate,
    expand_dims,
    normalize_axis,
    reshape,
    swapaxes,
)
from .sorting import argsort, searchsorted


def broadcast_arrays(*arrays):
    """All `arrays` repeated to the shape that they have together.

    >>> import chainrule as cr
    >>> [x.shape for x in cr.broadcast_arrays(np.ones((2, 1)), np.ones(3))]
    [(2, 3), (2, 3)]
    """
    shape = np.broadcast_shapes(*(shape_of(x) for x in arrays))
    return [broadcast_to(x, shape) for x in arrays]


def meshgrid(*xs, copy=True, sparse=False, indexing="xy"):
    """Coordinate arrays of the grid spanned by vectors `xs`; if `sparse`, with length 1 along the axes of the others.

    >>> import chainrule as cr
    >>> cr.meshgrid([1, 2], [3, 4])
    (array([[1, 2],
           [1, 2]]), array([[3, 3],
           [4, 4]]))
    """
    if indexing not in ("xy", "ij"):
        raise ValueError("Valid values for `indexing` are 'xy' and 'ij'.")
    vectors = [reshape(as_value(x), (-1,)) for x in xs]
    n = len(vectors)
    shape = tuple(shape_of(x)[0] for x in vectors)
    grids = [reshape(x, (1,) * i + (-1,) + (1,) * (n - i - 1)) for i, x in enumerate(vectors)]
    grids = grids if sparse else [broadcast_to(g, shape) for g in grids]
    grids = [swapaxes(g, 0, 1) for g in grids] if indexing == "xy" and n > 1 else grids
    return tuple(np.array(g) if copy and isinstance(g, np.ndarray) else g for g in grids)


def tile(x, reps):
    """`x` repeated as a whole, `reps` times along each axis.

    >>> import chainrule as cr
    >>> cr.tile([1, 2], 2)
    array([1, 2, 1, 2])
    """
    reps = as_shape(reps)
    x = as_value(x)
    n = builtins.max(len(reps), ndim_of(x))
    reps = (1,) * (n - len(reps)) + reps
    shape = (1,) * (n - ndim_of(x)) + shape_of(x)
    paired = reshape(x, tuple(v for m in shape for v in (1, m)))
    repeated = broadcast_to(paired, tuple(v for r, m in zip(reps, shape, strict=True) for v in (r, m)))
    out = reshape(repeated, tuple(r * m for r, m in zip(reps, shape, strict=True)))
    return duplicate(out) if out is x else out


@torch_names
def repeat(x, repeats, axis=None):
    """Each element of `x` repeated along `axis`; without it, of the flattened array.

    >>> import chainrule as cr
    >>> cr.repeat([1, 2], 2)
    array([1, 1, 2, 2])
    """
    x = as_value(x)
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    axis = normalize_axis(axis, ndim_of(x))
    shape = shape_of(x)
    if ndim_of(repeats) == 0:
        times = int(repeats)
        spread = broadcast_to(expand_dims(x, axis + 1), (*shape[: axis + 1], times, *shape[axis + 1 :]))
        return reshape(spread, (*shape[:axis], shape[axis] * times, *shape[axis + 1 :]))
    return take(x, np.repeat(np.arange(shape[axis]), np.asarray(repeats)), axis)


@torch_names
def roll(x, shift, axis=None):
    """Elements moved `shift` places along `axis`, those pushed out coming in at the other end.

    Several shifts and axes go in pairs; one shift is for all axes, and several shifts along one axis add up.

    >>> import chainrule as cr
    >>> cr.roll([1, 2, 3], 1)
    array([3, 1, 2])
    """
    x = as_value(x)
    shift = np.asarray(shift).tolist() if isinstance(shift, (Value, np.ndarray)) else shift
    if axis is None:
        return reshape(roll(reshape(x, (-1,)), shift, 0), shape_of(x))
    axes = [axis] if not hasattr(axis, "__iter__") else list(axis)
    shifts = [shift] if not hasattr(shift, "__iter__") else list(shift)
    if len(axes) != len(shifts) and 1 not in (len(axes), len(shifts)):
        raise ShapeError(
            explain("roll: `shift` and `axis` go in pairs", f"shift: {shift}    axis: {axis}", help="give as many of both")
        )
    many = max(len(axes), len(shifts)) if axes and shifts else 0
    moved = x
    for a, s in zip(axes * many if len(axes) == 1 else axes, shifts * many if len(shifts) == 1 else shifts, strict=False):
        a = normalize_axis(a, ndim_of(x))
        n = shape_of(x)[a]
        if n and s % n:
            key = (slice(None),) * a
            moved = concatenate([moved[(*key, slice(n - s % n, n))], moved[(*key, slice(0, n - s % n))]], a)
    return duplicate(x) if moved is x else moved


def diag(x, k=0):
    """The `k`-th diagonal of a matrix, or a matrix with vector `x` there.

    >>> import chainrule as cr
    >>> cr.diag([1.0, 2.0])
    array([[1., 0.],
           [0., 2.]])
    """
    x = as_value(x)
    if ndim_of(x) == 2:
        return diagonal(x, k)
    if ndim_of(x) != 1:
        raise ShapeError(explain("diag: `x` must be a vector or a matrix", f"x: {shape_of(x)}", help="use diagonal for stacks"))
    n = shape_of(x)[0] + abs(k)
    i = np.arange(shape_of(x)[0])
    return index_set(np.zeros((n, n), dtype_of(x)), (i + builtins.max(-k, 0), i + builtins.max(k, 0)), x)


def diagonal(x, offset=0, axis1=0, axis2=1):
    """Diagonal elements of two axes, as a last axis.

    >>> import chainrule as cr
    >>> cr.diagonal([[1.0, 2.0], [3.0, 4.0]])
    array([1., 4.])
    """
    x = as_value(x)
    a, b = normalize_axis(axis1, ndim_of(x)), normalize_axis(axis2, ndim_of(x))
    rest = tuple(i for i in range(ndim_of(x)) if i not in (a, b))
    x = x.transpose((*rest, a, b))
    rows, columns = shape_of(x)[-2:]
    i, j = builtins.max(-offset, 0), builtins.max(offset, 0)
    d = np.arange(builtins.max(builtins.min(rows - i, columns - j), 0))
    return x[..., d + i, d + j]


def trace(x, offset=0, axis1=0, axis2=1, dtype=None):
    """Sum of the diagonal of two axes.

    >>> import chainrule as cr
    >>> cr.trace([[1.0, 2.0], [3.0, 4.0]])
    np.float64(5.0)
    """
    return diagonal(x, offset, axis1, axis2).sum(-1, dtype=dtype)


def _lower_triangle(x, k):
    rows, columns = shape_of(x)[-2:]
    return np.tri(rows, columns, k, dtype=bool)


def tril(x, k=0):
    """`x` with zeros above the `k`-th diagonal of its last two axes.

    >>> import chainrule as cr
    >>> cr.tril([[1, 2], [3, 4]])
    array([[1, 0],
           [3, 4]])
    """
    x = as_value(x)
    return where(_lower_triangle(x, k), x, np.zeros((), dtype_of(x))[()])


def triu(x, k=0):
    """`x` with zeros below the `k`-th diagonal of its last two axes.

    >>> import chainrule as cr
    >>> cr.triu([[1, 2], [3, 4]])
    array([[1, 2],
           [0, 4]])
    """
    x = as_value(x)
    return where(_lower_triangle(x, k - 1), np.zeros((), dtype_of(x))[()], x)


@torch_names
def diff(x, n=1, axis=-1, prepend=None, append=None):
    """Differences between neighbours along `axis`, `n` times over, after `prepend` and `append` are put before and behind.

    >>> import chainrule as cr
    >>> cr.diff([1.0, 4.0, 9.0])
    array([3., 5.])
    """
    x = as_value(x)
    axis = normalize_axis(axis, ndim_of(x))
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n}")
    if n == 0:
        return x
    if prepend is not None or append is not None:
        x = _extended(x, prepend, append, axis)
    key = (slice(None),) * axis
    if dtype_of(x).kind == "b":  # NumPy has no difference of booleans, but asks whether they differ
        return diff(x[(*key, slice(1, None))] != x[(*key, slice(None, -1))], n - 1, axis)
    for _ in range(n):
        x = x[(*key, slice(1, None))] - x[(*key, slice(None, -1))]
    return x


def _extended(x, before, after, axis):
    shape = shape_of(x)
    one = (*shape[:axis], 1, *shape[axis + 1 :])
    ends = [v if v is None or ndim_of(v) else broadcast_to(v, one) for v in (before, after)]
    return concatenate([v for v in (ends[0], x, ends[1]) if v is not None], axis)


def interp(x, xp, fp, left=None, right=None, period=None):
    """Piecewise linear interpolation of the points (`xp`, `fp`), `xp` ascending, at `x`; constant outside them.

    With a `period`, positions count modulo that, in any order, and `left` and `right` do not matter.

    >>> import chainrule as cr
    >>> cr.interp(1.5, [1.0, 2.0], [10.0, 20.0])
    np.float64(15.0)
    """
    x, xp, fp = as_value(x), as_value(xp), as_value(fp)
    n = shape_of(xp)[0]
    if n == 0:
        raise ValueError("array of sample points is empty")
    if shape_of(xp) != shape_of(fp):
        raise ValueError(f"fp and xp are not of the same length: {shape_of(fp)} and {shape_of(xp)}")
    if period is not None:
        return interp(*_on_circle(x, xp, fp, period))
    i = clip(searchsorted(xp, x, "right") - 1, 0, builtins.max(n - 2, 0))
    j = minimum(i + 1, n - 1)
    x0, x1, y0, y1 = take(xp, i), take(xp, j), take(fp, i), take(fp, j)
    width = x1 - x0
    if _is_finite(xp) and _is_finite(fp):
        inside = y0 + (y1 - y0) * ((x - x0) / where(width == 0, 1, width))
    else:
        inside = _between_infinities(x, x0, x1, y0, y1)
    out = where(x < xp[0], fp[0] if left is None else left, inside)
    return where(x > xp[-1], fp[-1] if right is None else right, out)


def _is_finite(x):
    x = plain(x)  # what derivatives flow to is not looked at: that would make a guard of compiled programs
    return isinstance(x, Value) or np.isfinite(x).all()


def _between_infinities(x, x0, x1, y0, y1):
    """Interpolation from the point that is finite, if one is; constant where both have one value."""
    left = isfinite(x0) & isfinite(y0)
    near, value = where(left, x0, x1), where(left, y0, y1)
    level = isinf(y0) & (y0 == y1)
    slope = where(level, 0, where(level, 0, y1) - where(level, 0, y0)) / (x1 - x0)
    way = x - near
    still = (~isfinite(slope) & (way == 0)) | (isinf(way) & (y0 == y1))
    return value + where(still, 0, slope) * where(still, 0, way)


def _on_circle(x, xp, fp, period):
    """The positions modulo `period`, the points in order, with one more at each end."""
    if period == 0:
        raise ValueError("period must be a non-zero value")
    period = abs(period)
    x, xp = remainder(x, period), remainder(xp, period)
    order = argsort(xp)
    xp, fp = take(xp, order), take(fp, order)
    return x, concatenate([xp[-1:] - period, xp, xp[:1] + period]), concatenate([fp[-1:], fp, fp[:1]])


@torch_names
def trapezoid(y, x=None, dx=1.0, axis=-1):
    """Integral of samples `y` along `axis` by the trapezoidal rule; at positions `x`, or `dx` apart.

    >>> import chainrule as cr
    >>> cr.trapezoid([1.0, 2.0, 3.0])
    np.float64(4.0)
    """
    y = as_value(y)
    axis = normalize_axis(axis, ndim_of(y))
    key = (slice(None),) * axis
    step = dx
    if x is not None:
        x = as_value(x)
        step = diff(reshape(x, (-1, *(1,) * (ndim_of(y) - axis - 1))), axis=0) if ndim_of(x) == 1 else diff(x, axis=axis)
    return ((y[(*key, slice(1, None))] + y[(*key, slice(None, -1))]) * step).sum(axis) * 0.5


def select(conditions, choices, default=0):
    """For each element, the value from the first of `choices` whose condition holds, else `default`.

    >>> import chainrule as cr
    >>> cr.select([np.array([True, False])], [np.array([1.0, 2.0])], 9.0)
    array([1., 9.])
    """
    if len(conditions) != len(choices):
        raise ValueError(f"select: {len(conditions)} conditions but {len(choices)} choices")
    conditions = [as_value(c) for c in conditions]
    for i, condition in enumerate(conditions):
        if dtype_of(condition).kind != "b":
            raise TypeError(
                explain(
                    f"select: condition {i} must be boolean",
                    f"found: {dtype_of(condition)} {shape_of(condition)}",
                    help="compare it, for example with != 0",
                )
            )
    out = default
    for condition, choice in zip(reversed(conditions), reversed(list(choices)), strict=True):
        out = where(condition, choice, out)
    return out


def piecewise(x, conditions, functions, *args, **kwargs):
    """For each element of `x`, the function (or number) of the condition that holds; one more stands for "otherwise".

    Functions are called with further arguments as given here.

    >>> import chainrule as cr
    >>> x = np.array([-1.0, 2.0])
    >>> cr.piecewise(x, [x < 0, x >= 0], [lambda v: -v, lambda v: v * v])
    array([1., 4.])
    """
    x = as_value(x)
    several = isinstance(conditions, (list, tuple)) and len(conditions) > 0
    if not several or (not isinstance(conditions[0], (list, np.ndarray, Value)) and ndim_of(x) > 0):
        conditions = [conditions]
    conditions = [as_value(c) for c in conditions]
    values = [f(x, *args, **kwargs) if callable(f) else f for f in functions]
    default = values.pop() if len(values) == len(conditions) + 1 else 0
    if len(values) != len(conditions):
        raise ValueError(f"piecewise: {len(conditions)} conditions but {len(functions)} functions")
    out = select(conditions[::-1], values[::-1], default)  # of several conditions that hold the last one counts
    return cast(out, dtype_of(x)) if dtype_of(out) != dtype_of(x) else out
