"""Products, diagonals and transposes with the arguments of numpy.linalg, where these differ from those of NumPy itself."""

from ...core.value import ndim_of, shape_of
from ...errors import ShapeError, explain
from ...names import torch_names
from .. import arranging, contraction
from ..shaping import as_value, normalize_axis


@torch_names
def cross(x1, x2, /, *, axis=-1):
    """Cross product of vectors of length 3 along `axis`.

    >>> import chainrule as cr
    >>> cr.linalg.cross([1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    array([0., 0., 1.])
    """
    x1, x2 = as_value(x1), as_value(x2)
    lengths = [shape_of(x)[normalize_axis(axis, ndim_of(x))] for x in (x1, x2)]
    if lengths != [3, 3]:
        raise ShapeError(
            explain(
                "Both input arrays must be (arrays of) 3-dimensional vectors, "
                f"but they are {lengths[0]} and {lengths[1]} dimensional instead.",
                f"cross along axis {axis}: x1: {shape_of(x1)}    x2: {shape_of(x2)}",
                help="append a zero to vectors of length 2",
            )
        )
    return contraction.cross(x1, x2, axis=axis)


def outer(x1, x2, /):
    """Products of each element of the vector `x1` with each of the vector `x2`.

    >>> import chainrule as cr
    >>> cr.linalg.outer([1.0, 2.0], [3.0, 4.0])
    array([[3., 4.],
           [6., 8.]])
    """
    x1, x2 = as_value(x1), as_value(x2)
    if ndim_of(x1) != 1 or ndim_of(x2) != 1:
        raise ShapeError(
            explain(
                f"Input arrays must be one-dimensional, but they are x1.ndim={ndim_of(x1)} and x2.ndim={ndim_of(x2)}.",
                f"outer: x1: {shape_of(x1)}    x2: {shape_of(x2)}",
                help="np.outer flattens its arguments",
            )
        )
    return contraction.outer(x1, x2)


@torch_names
def tensordot(x1, x2, /, *, axes=2):
    """Sum of products over `axes`: a number (the last of `x1` with the first of `x2`), or a pair of lists.

    >>> import chainrule as cr
    >>> cr.linalg.tensordot([1.0, 2.0], [3.0, 4.0], axes=1)
    np.float64(11.0)
    """
    return contraction.tensordot(x1, x2, axes)


def matmul(x1, x2, /):
    """Matrix product over the last axis of `x1` and the second-to-last of `x2`; other axes broadcast.

    >>> import chainrule as cr
    >>> cr.linalg.matmul([[1.0, 2.0]], [3.0, 4.0])
    array([11.])
    """
    return contraction.matmul(x1, x2)


@torch_names
def vecdot(x1, x2, /, *, axis=-1):
    """Inner products along `axis`, the first conjugated; other axes broadcast.

    >>> import chainrule as cr
    >>> cr.linalg.vecdot([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0])
    array([3., 7.])
    """
    return contraction.vecdot(x1, x2, axis=axis)


def diagonal(x, /, *, offset=0):
    """Diagonals of the matrices in the last two axes.

    >>> import chainrule as cr
    >>> cr.linalg.diagonal([[1.0, 2.0], [3.0, 4.0]])
    array([1., 4.])
    """
    return arranging.diagonal(x, offset, -2, -1)


def trace(x, /, *, offset=0, dtype=None):
    """Sums of the diagonals of the matrices in the last two axes, added up in `dtype` if one is given.

    >>> import chainrule as cr
    >>> cr.linalg.trace([[1.0, 2.0], [3.0, 4.0]])
    np.float64(5.0)
    """
    return arranging.diagonal(x, offset, -2, -1).sum(-1, dtype=dtype)
