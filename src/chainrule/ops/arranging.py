"""Rearrangements composed of joining, indexing and broadcasting: no rows of their own."""

import builtins

import numpy as np

from ..core.value import dtype_of, ndim_of, shape_of
from ..errors import UnsupportedError, explain
from ..names import torch_names
from .elementwise import clip, minimum, where
from .indexing import index_set, take
from .joining import concatenate
from .shaping import (
    as_shape,
    as_value,
    broadcast_to,
    expand_dims,
    moveaxis,
    normalize_axis,
    pad_zeros,
    reshape,
    swapaxes,
)
from .sorting import searchsorted


def broadcast_arrays(*arrays):
    """All `arrays` repeated to the shape that they have together.

    >>> import chainrule as cr
    >>> [x.shape for x in cr.broadcast_arrays(np.ones((2, 1)), np.ones(3))]
    [(2, 3), (2, 3)]
    """
    shape = np.broadcast_shapes(*(shape_of(x) for x in arrays))
    return [broadcast_to(x, shape) for x in arrays]


def meshgrid(*xs, indexing="xy"):
    """Coordinate arrays of the grid spanned by vectors `xs`.

    >>> import chainrule as cr
    >>> cr.meshgrid([1, 2], [3, 4])
    [array([[1, 2],
           [1, 2]]), array([[3, 3],
           [4, 4]])]
    """
    vectors = [reshape(x, (-1,)) for x in xs]
    n = len(vectors)
    shape = tuple(shape_of(x)[0] for x in vectors)
    grids = [broadcast_to(reshape(x, (1,) * i + (-1,) + (1,) * (n - i - 1)), shape) for i, x in enumerate(vectors)]
    return [swapaxes(g, 0, 1) for g in grids] if indexing == "xy" and n > 1 else grids


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
    return reshape(repeated, tuple(r * m for r, m in zip(reps, shape, strict=True)))


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


def roll(x, shift, axis=None):
    """Elements moved `shift` places along `axis`, those pushed out coming in at the other end.

    >>> import chainrule as cr
    >>> cr.roll([1, 2, 3], 1)
    array([3, 1, 2])
    """
    x = as_value(x)
    if axis is None:
        return reshape(roll(reshape(x, (-1,)), shift, 0), shape_of(x))
    axes = [axis] if not hasattr(axis, "__iter__") else list(axis)
    shifts = [shift] * len(axes) if not hasattr(shift, "__iter__") else list(shift)
    for a, s in zip(axes, shifts, strict=True):
        a = normalize_axis(a, ndim_of(x))
        n = shape_of(x)[a]
        if n and s % n:
            key = (slice(None),) * a
            x = concatenate([x[(*key, slice(n - s % n, n))], x[(*key, slice(0, n - s % n))]], a)
    return x


def _source_positions(n, before, after, mode):
    """Which of the n elements of an axis stand where after padding."""
    return np.pad(np.arange(n), (before, after), mode=mode)


def pad(x, pad_width, mode="constant", constant_values=0):
    """Elements added before and after along each axis.

    Parameters
    ----------
    x : array
    pad_width : int, pair (before, after) for all axes, or a pair per axis
    mode : 'constant', 'edge', 'reflect', 'symmetric' or 'wrap'
    constant_values : number to pad with in mode 'constant'

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.pad([1, 2, 3], (1, 2), mode='reflect')
    array([2, 1, 2, 3, 2, 1])
    """
    x = as_value(x)
    widths = np.broadcast_to(np.asarray(pad_width, int), (ndim_of(x), 2)).tolist()
    if builtins.any(w < 0 for pair in widths for w in pair):
        raise ValueError(f"pad: widths cannot be negative, found {pad_width}")
    if mode == "constant":
        padded = pad_zeros(x, widths)
        if np.ndim(constant_values) == 0 and isinstance(constant_values, (int, float)) and constant_values == 0:
            return padded
        if ndim_of(constant_values) != 0:
            raise UnsupportedError(
                explain("pad: one constant for all sides only", f"constant_values: {constant_values}", help="pad side by side")
            )
        inside = pad_zeros(np.ones(shape_of(x), bool), widths)
        return where(inside, padded, constant_values)
    if mode not in ("edge", "reflect", "symmetric", "wrap"):
        raise UnsupportedError(
            explain(f"pad: mode {mode!r} is not supported", help="use 'constant', 'edge', 'reflect', 'symmetric' or 'wrap'")
        )
    for axis, (before, after) in enumerate(widths):
        if before or after:
            x = take(x, _source_positions(shape_of(x)[axis], before, after, mode), axis)
    return x


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


def trace(x, offset=0, axis1=0, axis2=1):
    """Sum of the diagonal of two axes.

    >>> import chainrule as cr
    >>> cr.trace([[1.0, 2.0], [3.0, 4.0]])
    np.float64(5.0)
    """
    return diagonal(x, offset, axis1, axis2).sum(-1)


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


def diff(x, n=1, axis=-1):
    """Differences between neighbours along `axis`, `n` times over.

    >>> import chainrule as cr
    >>> cr.diff([1.0, 4.0, 9.0])
    array([3., 5.])
    """
    x = as_value(x)
    axis = normalize_axis(axis, ndim_of(x))
    key = (slice(None),) * axis
    if dtype_of(x).kind == "b" and n:  # NumPy has no difference of booleans, but asks whether they differ
        return diff(x[(*key, slice(1, None))] != x[(*key, slice(None, -1))], n - 1, axis)
    for _ in range(n):
        x = x[(*key, slice(1, None))] - x[(*key, slice(None, -1))]
    return x


def interp(x, xp, fp, left=None, right=None):
    """Piecewise linear interpolation of the points (`xp`, `fp`), `xp` ascending, at `x`; constant outside them.

    >>> import chainrule as cr
    >>> cr.interp(1.5, [1.0, 2.0], [10.0, 20.0])
    np.float64(15.0)
    """
    x, xp, fp = as_value(x), as_value(xp), as_value(fp)
    n = shape_of(xp)[0]
    i = clip(searchsorted(xp, x, "right") - 1, 0, builtins.max(n - 2, 0))
    j = minimum(i + 1, n - 1)
    x0, x1, y0, y1 = take(xp, i), take(xp, j), take(fp, i), take(fp, j)
    width = x1 - x0
    inside = y0 + (y1 - y0) * ((x - x0) / where(width == 0, 1, width))
    out = where(x < xp[0], fp[0] if left is None else left, inside)
    return where(x > xp[-1], fp[-1] if right is None else right, out)


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
    out = default
    for condition, choice in zip(reversed(list(conditions)), reversed(list(choices)), strict=True):
        out = where(condition, choice, out)
    return out


def piecewise(x, conditions, functions):
    """For each element of `x`, the function (or number) of the condition that holds; one more stands for "otherwise".

    >>> import chainrule as cr
    >>> x = np.array([-1.0, 2.0])
    >>> cr.piecewise(x, [x < 0, x >= 0], [lambda v: -v, lambda v: v * v])
    array([1., 4.])
    """
    conditions = list(conditions) if isinstance(conditions, (list, tuple)) else [conditions]
    values = [f(x) if callable(f) else f for f in functions]
    default = values.pop() if len(values) == len(conditions) + 1 else 0
    if len(values) != len(conditions):
        raise ValueError(f"piecewise: {len(conditions)} conditions but {len(functions)} functions")
    return select(conditions[::-1], values[::-1], default) * 1.0  # of several conditions that hold the last one counts


def gradient(x, *spacing, axis=None):
    """Slopes of samples `x` along each axis: central differences inside, one-sided ones at the ends.

    Parameters
    ----------
    x : array
    spacing : distance between samples, one number for all axes or one per axis; default 1
    axis : None for all axes, an int or a tuple of ints

    Returns
    -------
    array of the shape of `x`; a list of them for several axes

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.gradient(np.array([1.0, 4.0, 9.0]))
    array([3., 4., 5.])
    """
    x = as_value(x)
    axes = tuple(range(ndim_of(x))) if axis is None else tuple(axis) if hasattr(axis, "__iter__") else (axis,)
    steps = spacing * len(axes) if len(spacing) == 1 else spacing or (1.0,) * len(axes)
    if len(steps) != len(axes) or builtins.any(ndim_of(h) for h in steps):
        raise UnsupportedError(
            explain(
                "gradient: `spacing` must be one number, or one per axis",
                f"found {len(spacing)} for {len(axes)} axes",
                help="for uneven positions divide diff(y) by diff(x)",
            )
        )
    slopes = []
    for a, h in zip(axes, steps, strict=True):
        y = moveaxis(x, a, 0)
        if shape_of(y)[0] < 2:
            raise ValueError(f"gradient: axis {a} has {shape_of(y)[0]} elements, at least 2 are needed")
        ends = [(y[1:2] - y[:1]) / h, (y[-1:] - y[-2:-1]) / h]
        slopes.append(moveaxis(concatenate([ends[0], (y[2:] - y[:-2]) / (2 * h), ends[1]], 0), 0, a))
    return slopes[0] if len(slopes) == 1 else slopes
