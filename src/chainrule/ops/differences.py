"""Slopes of samples by differences."""

import numpy as np

from ..core.value import Value, dtype_of, ndim_of, shape_of
from ..names import torch_names
from .arranging import diff
from .joining import concatenate
from .shaping import as_value, cast, moveaxis, normalize_axis, reshape


@torch_names
def gradient(x, *spacing, axis=None, edge_order=1):
    """Slopes of samples `x` along each axis: central differences inside, one-sided ones at the ends.

    Parameters
    ----------
    x : array
    spacing : distances between samples: one number for all axes, or for each axis a number or the positions of its samples;
        default 1. Derivatives flow to them.
    axis : None for all axes, an int or a tuple of ints
    edge_order : 1 or 2, the order of accuracy at the ends

    Returns
    -------
    array of the shape of `x`; a tuple of them for several axes

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.gradient(np.array([1.0, 4.0, 9.0]))
    array([3., 4., 5.])
    """
    x = as_value(x)
    x = x if dtype_of(x).kind in "fc" else cast(x, np.dtype(float))
    axes = tuple(range(ndim_of(x))) if axis is None else tuple(axis) if hasattr(axis, "__iter__") else (axis,)
    axes = tuple(normalize_axis(a, ndim_of(x)) for a in axes)
    steps = spacing or (1.0,)
    steps = steps * len(axes) if len(steps) == 1 and ndim_of(steps[0]) == 0 else steps
    if len(steps) != len(axes):
        raise TypeError(f"gradient: found {len(spacing)} spacings for {len(axes)} axes; give one number, or one for each axis")
    if edge_order not in (1, 2):
        raise ValueError(f"'edge_order' must be 1 or 2, found {edge_order}")
    slopes = []
    for a, h in zip(axes, steps, strict=True):
        y = moveaxis(x, a, 0)
        n = shape_of(y)[0]
        if n < edge_order + 1:
            raise ValueError(f"gradient: axis {a} has {n} elements, at least {edge_order + 1} are needed")
        slopes.append(moveaxis(_slopes(y, _distances(h, n, ndim_of(y)), edge_order), 0, a))
    return slopes[0] if len(slopes) == 1 else tuple(slopes)


def _distances(h, n, ndim):
    """One distance for all, or the n - 1 between neighbours, in a shape that broadcasts to that of the differences."""
    if ndim_of(h) == 0:
        return h
    h = as_value(h)
    if shape_of(h) != (n,):
        raise ValueError(f"gradient: positions must have the length of their axis, found {shape_of(h)} for {n} samples")
    d = diff(cast(h, np.dtype(float)) if dtype_of(h).kind in "iu" else h)
    if not isinstance(d, Value) and (d == d[0]).all():
        return d[0]
    return reshape(d, (-1, *(1,) * (ndim - 1)))


def _slopes(y, h, edge_order):
    d = y[1:] - y[:-1]
    if ndim_of(h) == 0:
        inner = (y[2:] - y[:-2]) / (2.0 * h)
        ends = [d[:1] / h, d[-1:] / h]
        if edge_order == 2:
            ends = [(-1.5 * y[:1] + 2.0 * y[1:2] - 0.5 * y[2:3]) / h, (0.5 * y[-3:-2] - 2.0 * y[-2:-1] + 1.5 * y[-1:]) / h]
        return concatenate([ends[0], inner, ends[1]])
    quotients = d / h
    before, after = h[:-1], h[1:]
    inner = (quotients[:-1] * after + quotients[1:] * before) / (before + after)
    ends = [quotients[:1], quotients[-1:]]
    if edge_order == 2:  # the slope of the parabola through the last three samples, at the last one
        curved = (quotients[1:] - quotients[:-1]) / (before + after)
        ends = [quotients[:1] - curved[:1] * h[:1], quotients[-1:] + curved[-1:] * h[-1:]]
    return concatenate([ends[0], inner, ends[1]])
