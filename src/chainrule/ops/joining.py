"""Several arrays into one, and one into several."""

from itertools import pairwise

import numpy as np

from ..core.value import Value, ndim_of, shape_of
from ..errors import ShapeError, explain
from ..names import torch_names
from ..numpy_errors import refused
from .shaping import (
    _concatenate,
    as_value,
    atleast_1d,
    atleast_2d,
    atleast_3d,
    cast_by_rule,
    expand_dims,
    normalize_axis,
    offsets,
    reshape,
)


@torch_names
def concatenate(arrays, axis=0, dtype=None, casting="same_kind"):
    """Join arrays along an existing axis; None flattens them first.

    Parameters
    ----------
    arrays : sequence of arrays whose shapes agree except along `axis`
    axis : int or None
    dtype : of the result; default that which holds all of them
    casting : what conversions to `dtype` are allowed

    Raises
    ------
    ShapeError
        The shapes do not agree.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.concatenate([[1, 2], [3]])
    array([1, 2, 3])
    """
    arrays = [arrays] if isinstance(arrays, Value) and ndim_of(arrays) == 0 else list(arrays)
    xs = [as_value(x) for x in arrays]
    if dtype is not None:
        xs = cast_by_rule("concatenate", xs, np.dtype(dtype), casting)
    if not xs:
        raise ValueError("concatenate: need at least one array")
    if axis is None:
        xs, axis = [reshape(x, (-1,)) for x in xs], 0
    shapes = [shape_of(x) for x in xs]
    axis = normalize_axis(axis, len(shapes[0]))
    rest = {(*s[:axis], *s[axis + 1 :]) for s in shapes}
    if len(rest) != 1 or len({len(s) for s in shapes}) != 1:
        raise refused(
            ShapeError(
                explain(
                    f"concatenate: shapes differ outside axis {axis}",
                    f"shapes: {', '.join(map(str, shapes))}",
                    help="all other lengths must be equal; use stack to join along a new axis",
                )
            ),
            np.concatenate,
            xs,
            axis,
        )
    return _concatenate(*xs, axis=axis, sizes=tuple(s[axis] for s in shapes))


@torch_names
def stack(arrays, axis=0, dtype=None, casting="same_kind"):
    """Join arrays of one shape along a new axis.

    >>> import chainrule as cr
    >>> cr.stack([[1, 2], [3, 4]], axis=1)
    array([[1, 3],
           [2, 4]])
    """
    xs = [as_value(x) for x in arrays]
    if not xs:
        raise ValueError("stack: need at least one array")
    if len({shape_of(x) for x in xs}) != 1:
        raise refused(
            ShapeError(
                explain(
                    "stack: arrays must have one shape",
                    f"shapes: {', '.join(str(shape_of(x)) for x in xs)}",
                    help="use concatenate to join along an existing axis",
                )
            ),
            np.stack,
            xs,
        )
    return concatenate([expand_dims(x, axis) for x in xs], normalize_axis(axis, ndim_of(xs[0]) + 1), dtype, casting)


def hstack(tup, *, dtype=None, casting="same_kind"):
    """Join along the second axis, or the first of one-dimensional tup.

    >>> import chainrule as cr
    >>> cr.hstack([[1, 2], [3]])
    array([1, 2, 3])
    """
    xs = [atleast_1d(as_value(x)) for x in tup]
    if not xs:
        raise ValueError("hstack: need at least one array")
    return concatenate(xs, 0 if ndim_of(xs[0]) == 1 else 1, dtype, casting)


def vstack(tup, *, dtype=None, casting="same_kind"):
    """Join along the first axis; one-dimensional tup become rows.

    >>> import chainrule as cr
    >>> cr.vstack([[1, 2], [3, 4]])
    array([[1, 2],
           [3, 4]])
    """
    return concatenate([atleast_2d(x) for x in tup], 0, dtype, casting)


def dstack(tup):
    """Join along the third axis.

    >>> import chainrule as cr
    >>> cr.dstack([[1, 2], [3, 4]]).shape
    (1, 2, 2)
    """
    return concatenate([atleast_3d(x) for x in tup], 2)


def column_stack(tup):
    """Join along the second axis; one-dimensional tup become columns.

    >>> import chainrule as cr
    >>> cr.column_stack([[1, 2], [3, 4]])
    array([[1, 3],
           [2, 4]])
    """
    xs = [as_value(x) for x in tup]
    return concatenate([x if ndim_of(x) > 1 else reshape(x, (-1, 1)) for x in xs], 1)


def append(x, values, axis=None):
    """`values` after `x` along `axis`; without it, both flattened.

    >>> import chainrule as cr
    >>> cr.append([1, 2], [3])
    array([1, 2, 3])
    """
    return concatenate([x, values], axis)


def array_split(x, parts, axis=0):
    """Cut `x` along `axis` into `parts` pieces of nearly equal length, or at the given indices.

    >>> import chainrule as cr
    >>> cr.array_split([1, 2, 3], 2)
    [array([1, 2]), array([3])]
    """
    x = as_value(x)
    axis = normalize_axis(axis, ndim_of(x))
    n = shape_of(x)[axis]
    if hasattr(parts, "__iter__"):
        edges = [0, *parts, n]
    else:
        if parts <= 0:
            raise ValueError(explain("array_split: into how many parts?", f"found: {parts}", help="give at least 1"))
        each, extra = divmod(n, parts)
        edges = offsets([each + 1] * extra + [each] * (parts - extra))
    return [x[(slice(None),) * axis + (slice(a, b),)] for a, b in pairwise(edges)]


@torch_names
def chunk(x, chunks, axis=0):
    """At most `chunks` parts of `x` along `axis`, all but the last of one length.

    >>> import chainrule as cr
    >>> [part.tolist() for part in cr.chunk(np.arange(5), 2)]
    [[0, 1, 2], [3, 4]]
    """
    n = shape_of(x)[axis]
    step = max(-(-n // chunks), 1)
    return split(x, list(range(step, n, step)), axis)


def split(x, parts, axis=0):
    """Cut `x` along `axis` into `parts` pieces of equal length, or at the given indices.

    >>> import chainrule as cr
    >>> cr.split([1, 2, 3, 4], 2)
    [array([1, 2]), array([3, 4])]
    """
    n = shape_of(x)[normalize_axis(axis, ndim_of(x))]
    if not hasattr(parts, "__iter__") and n % parts:
        raise ShapeError(
            explain(
                f"split: cannot cut {n} elements into {parts} equal parts",
                f"x: {shape_of(x)}, axis {axis}",
                help="use array_split for parts of nearly equal length",
            )
        )
    return array_split(x, parts, axis)


def hsplit(x, parts):
    """Cut along the second axis, or the only one.

    >>> import chainrule as cr
    >>> cr.hsplit([1, 2, 3, 4], 2)
    [array([1, 2]), array([3, 4])]
    """
    return split(x, parts, 1 if ndim_of(x) > 1 else 0)


def vsplit(x, parts):
    """Cut along the first axis.

    >>> import chainrule as cr
    >>> cr.vsplit([[1, 2], [3, 4]], 2)
    [array([[1, 2]]), array([[3, 4]])]
    """
    return split(x, parts, 0)


def dsplit(x, parts):
    """Cut along the third axis.

    >>> import chainrule as cr
    >>> [p.shape for p in cr.dsplit(np.ones((1, 2, 4)), 2)]
    [(1, 2, 2), (1, 2, 2)]
    """
    return split(x, parts, 2)


def unstack(x, axis=0):
    """The slices of `x` along `axis`, as a tuple.

    >>> import chainrule as cr
    >>> cr.unstack([[1, 2], [3, 4]])
    (array([1, 2]), array([3, 4]))
    """
    x = as_value(x)
    axis = normalize_axis(axis, ndim_of(x))
    return tuple(x[(slice(None),) * axis + (i,)] for i in range(shape_of(x)[axis]))
