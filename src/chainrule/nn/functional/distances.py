"""How far vectors are from each other, and vectors made of length one."""

import numpy as np

from ...core.value import dtype_of, ndim_of, shape_of
from ...errors import ShapeError, explain
from ...ops import maximum, norm, sum
from ...ops.shaping import as_value, broadcast_to
from ..windows import as_float


def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """Cosine of the angle between vectors along axis `dim`; lengths count as at least `eps`.

    Parameters
    ----------
    x1, x2 : arrays that broadcast with each other
    dim : axis of the vectors
    eps : smallest length to divide by

    Returns
    -------
    array without axis `dim`

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.cosine_similarity(np.array([3.0, 4.0]), np.array([4.0, 3.0]), dim=0)
    np.float64(0.96)
    """
    x1, x2 = as_float(x1), as_float(x2)
    _check_broadcast(x1, x2, "cosine_similarity")
    back = dim if dim < 0 else dim - max(ndim_of(x1), ndim_of(x2))
    # A vector of one number stands for as many equal ones as the other has, and so does its length.
    (n,) = np.broadcast_shapes(*(shape_of(x)[back : back + 1 or None] for x in (x1, x2)))
    x1, x2 = (broadcast_to(x, np.broadcast_shapes(shape_of(x), (n, *[1] * (-back - 1)))) for x in (x1, x2))
    lengths = [maximum(norm(x, axis=back, keepdims=True), eps) for x in (x1, x2)]
    return sum((x1 / lengths[0]) * (x2 / lengths[1]), back)


def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    """Norm of `x1 - x2 + eps` over the last axis.

    Parameters
    ----------
    x1, x2 : arrays of shape (..., features) that broadcast with each other
    p : order of the norm
    eps : added to all differences, which keeps the derivative of the norm away from 0
    keepdim : keep the last axis, with length 1

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.pairwise_distance(np.array([3.0, 4.0]), np.zeros(2), eps=0.0)
    np.float64(5.0)
    """
    x1, x2 = as_float(x1), as_float(x2)
    _check_broadcast(x1, x2, "pairwise_distance")
    return norm(x1 - x2 + eps, p, -1, keepdim)


def pdist(input, p=2.0):
    """Distances of all pairs of rows, as one axis: row 0 to 1, 0 to 2, ..., 1 to 2, ...

    >>> import chainrule.nn.functional as F
    >>> F.pdist(np.array([[0.0], [1.0], [3.0]]))
    array([1., 3., 2.])
    """
    x = as_float(input)
    if ndim_of(x) != 2:
        raise ShapeError(
            explain("pdist: the input needs two axes", f"found: {dtype_of(x)} {shape_of(x)}", help="(points, features)")
        )
    i, j = np.triu_indices(shape_of(x)[0], 1)
    return norm(x[i] - x[j], p, -1)


def normalize(input, p=2.0, dim=1, eps=1e-12):
    """`input` divided by its norm along axis `dim`; norms count as at least `eps`.

    >>> import chainrule.nn.functional as F
    >>> F.normalize(np.array([3.0, 4.0]), dim=0)
    array([0.6, 0.8])
    """
    x = as_float(input)
    return x / maximum(norm(x, p, dim, True), eps)


def _check_broadcast(x1, x2, what):
    x1, x2 = as_value(x1), as_value(x2)
    try:
        np.broadcast_shapes(shape_of(x1), shape_of(x2))
    except ValueError:
        raise ShapeError(
            explain(
                f"{what}: the arrays do not fit together",
                f"x1: {shape_of(x1)}    x2: {shape_of(x2)}",
                help="give both one shape",
            )
        ) from None
