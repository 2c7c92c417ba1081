"""Sizes of vectors and matrices: norms, condition numbers, ranks."""

import math

import numpy as np
from numpy.linalg import LinAlgError

from ...core.value import dtype_of, ndim_of, shape_of
from ...errors import explain
from ...names import torch_names
from ..comparison import isinf, isnan
from ..elementwise import absolute, power, where
from ..reduction import _norm, any as any_, count_nonzero, max as max_, min as min_, sum as sum_
from ..shaping import _sum, as_value, cast, expand, moveaxis, normalize_axis, reshape
from .matrices import matrices, square_matrix
from .spectral import svdvals
from .splitting import tolerance
from .systems import _inv


def _as_float(x):
    x = as_value(x)
    return x if dtype_of(x).kind in "fc" else cast(x, np.dtype(float))


def _axes(axis, ndim):
    if axis is None:
        return tuple(range(ndim))
    if not isinstance(axis, (tuple, list)):
        try:
            axis = (int(axis),)
        except Exception as e:
            raise TypeError("'axis' must be None, an integer or a tuple of integers") from e
    return tuple(normalize_axis(a, ndim) for a in axis)


def _euclidean(x, axes):
    return _norm(absolute(x) if dtype_of(x).kind == "c" else x, axes=tuple(sorted(axes)))


def _of_vectors(x, ord, axis):
    """The norm of order `ord` over one axis."""
    if isinstance(ord, str):
        raise ValueError(f"Invalid norm order '{ord}' for vectors")
    if ord is None or ord == 2:
        return _euclidean(x, (axis,))
    size = absolute(x)
    if ord == 0:
        return cast(count_nonzero(size, axis), dtype_of(size))
    if ord == 1 or (ord == math.inf and shape_of(x)[axis] == 0):
        return _sum(size, axes=(axis,))
    if abs(ord) == math.inf:
        return (max_ if ord > 0 else min_)(size, axis)
    none = size == 0
    if ord < 0:  # where an element is 0, so is the norm: at a kink of it, and with derivative 0
        total = _sum(power(where(none, 1, size), ord), axes=(axis,))
        return where(any_(none, axis), 0, power(total, 1 / ord))
    powers = power(size, ord) if ord > 1 else where(none, 0, power(where(none, 1, size), ord))  # a cusp at 0
    total = _sum(powers, axes=(axis,))
    none = total == 0  # the root has no slope there; like the Euclidean norm, let it be 0
    return where(none, 0.0 * total, power(where(none, 1, total), 1 / ord))


def _shared(s, extreme):
    """The largest or smallest singular value. Those that equal it but for rounding share its derivative equally: which of them
    comes first says nothing about the matrix."""
    best = extreme(s, -1, keepdims=True)
    hit = cast(absolute(s - best) <= tolerance(s) * best, dtype_of(s))
    return sum_(s * hit, -1) / sum_(hit, -1)


def _nuclear(s):
    """Sum of singular values. Those that are 0 but for rounding have derivative 0, as |x| has at 0."""
    largest = max_(s, -1, keepdims=True)
    return sum_(where(s <= tolerance(s) * largest, 0, s), -1)


def _of_matrices(x, ord):
    """The norm of order `ord` over the last two axes."""
    n = ndim_of(x)
    if ord in (None, "fro", "f"):
        return _euclidean(x, (n - 2, n - 1))
    if ord in (2, -2, "nuc"):
        s = svdvals(x)
        if shape_of(s)[-1] == 0 and ord != -2:
            return _sum(s, axes=(n - 2,))
        return _nuclear(s) if ord == "nuc" else _shared(s, max_ if ord > 0 else min_)
    if isinstance(ord, str) or ord not in (1, -1, math.inf, -math.inf):
        raise ValueError("Invalid norm order for matrices.")
    lines = _sum(absolute(x), axes=(n - 2 if abs(ord) == 1 else n - 1,))
    if shape_of(lines)[-1] == 0 and ord > 0:
        return _sum(lines, axes=(n - 2,))
    return (max_ if ord > 0 else min_)(lines, -1)


@torch_names
def norm(x, ord=None, axis=None, keepdims=False):
    """Norm of vectors along one `axis`, or of matrices along two.

    Parameters
    ----------
    x : array
    ord : of vectors: None or 2 (Euclidean), 0 (count of non-zeros), inf and -inf (largest and smallest absolute value), or p
        for the p-th root of the sum of p-th powers. Of matrices: None or 'fro' (Euclidean), 'nuc' (sum of singular values),
        2 and -2 (largest and smallest singular value), 1 and -1 (largest and smallest column sum), inf and -inf (of row sums)
    axis : None, int or pair of ints. Without it, all axes: of a vector, of a matrix, or with `ord` None of any array
    keepdims : keep the axes as length 1

    Raises
    ------
    ValueError
        There is no such norm.

    Notes
    -----
    Where a norm has a kink, its derivative is a subgradient: 0 at the zero vector, shared equally between elements or
    singular values that are equally large; 0 for a singular value of 0.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.norm([3.0, 4.0])
    np.float64(5.0)
    >>> cr.norm(np.array([[3.0, 0.0], [0.0, 4.0]]), "nuc")
    np.float64(7.0)
    """
    x = _as_float(x)
    axes = _axes(axis, ndim_of(x))
    if axis is None and (ord is None or (ord in ("f", "fro") and len(axes) == 2) or (ord == 2 and len(axes) == 1)):
        out = _euclidean(x, axes)
    elif len(axes) == 1:
        out = _of_vectors(x, ord, axes[0])
    elif len(axes) == 2:
        if axes[0] == axes[1]:
            raise ValueError("Duplicate axes given.")
        out = _of_matrices(x if axes == (ndim_of(x) - 2, ndim_of(x) - 1) else moveaxis(x, axes, (-2, -1)), ord)
    else:
        raise ValueError(
            explain(
                "Improper number of dimensions to norm.",
                f"x: {dtype_of(x)} {shape_of(x)}    axis: {axis}    ord: {ord!r}",
                help="give one axis for a norm of vectors, two for one of matrices, or no `ord`",
            )
        )
    return expand(out, tuple(sorted(axes))) if keepdims else out


@torch_names
def vector_norm(x, /, *, axis=None, keepdims=False, ord=2):
    """Norm of vectors: of all elements, along one axis, or along several as if they were one.

    >>> import chainrule as cr
    >>> cr.linalg.vector_norm([[3.0, 0.0], [0.0, 4.0]])
    np.float64(5.0)
    """
    x = _as_float(x)
    axes = _axes(axis, ndim_of(x))
    rest = [n for a, n in enumerate(shape_of(x)) if a not in axes]
    flat = reshape(moveaxis(x, axes, tuple(range(len(axes)))), (math.prod(shape_of(x)[a] for a in axes), *rest))
    out = _of_vectors(flat, ord, 0)
    return expand(out, tuple(sorted(axes))) if keepdims else out


@torch_names
def matrix_norm(x, /, *, keepdims=False, ord="fro"):
    """Norm of the matrices in the last two axes.

    >>> import chainrule as cr
    >>> cr.linalg.matrix_norm([[3.0, 0.0], [0.0, 4.0]])
    np.float64(5.0)
    """
    return norm(x, ord, (-2, -1), keepdims)


def cond(x, p=None):
    """Condition number of matrices: the norm times the norm of the inverse.

    Parameters
    ----------
    x : array of shape (..., m, n); square unless `p` is None, 2 or -2
    p : order of the norm, one of those that `norm` has for matrices; None means 2

    Returns
    -------
    array of shape (...); inf for singular matrices

    Raises
    ------
    LinAlgError
        There are no elements, or `x` is not square.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.cond([[2.0, 0.0], [0.0, 4.0]])
    np.float64(2.0)
    """
    (x,) = matrices("cond", x)
    if 0 in shape_of(x)[-2:]:
        raise LinAlgError("cond is not defined on empty arrays")
    with np.errstate(all="ignore"):
        if p is None or p in (2, -2):
            s = svdvals(x)
            large, small = _shared(s, max_), _shared(s, min_)
            out = small / large if p == -2 else large / small
        else:
            square_matrix("cond", x)
            inverse = _inv(x, infinite=True)
            singular = any_(isinf(inverse), (-2, -1))
            inverse = where(expand(singular, (ndim_of(x) - 2, ndim_of(x) - 1)), 0, inverse)
            out = where(singular, math.inf, _of_matrices(x, p) * _of_matrices(inverse, p))
        return where(isnan(out) & ~any_(isnan(x), (-2, -1)), math.inf, out)


def matrix_rank(A, tol=None, hermitian=False, *, rtol=None):
    """Rank of matrices: how many singular values are larger than `tol`. It has no derivative.

    Parameters
    ----------
    A : array of shape (..., m, n), or a vector: its rank is 1 unless it is 0
    tol : number, or array of shape (...)
    hermitian : whether `A` is Hermitian; then only its lower triangle is read
    rtol : `tol` in units of the largest singular value, in place of it; default max(m, n) times the machine precision

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.matrix_rank(np.ones((3, 3)))
    np.int64(1)
    """
    if rtol is not None and tol is not None:
        raise ValueError("`tol` and `rtol` can't be both set.")
    x = as_value(A)
    if ndim_of(x) < 2:
        return np.linalg.matrix_rank(x) if isinstance(x, np.ndarray) else cast(any_(x != 0), np.dtype(int))
    s = svdvals(x, hermitian=hermitian)
    if tol is not None:
        limit = expand(as_value(tol), (ndim_of(as_value(tol)),))
    else:
        rtol = max(shape_of(x)[-2:]) * np.finfo(dtype_of(s)).eps if rtol is None else rtol
        relative = expand(as_value(rtol), (ndim_of(as_value(rtol)),))
        limit = relative * (max_(s, -1, keepdims=True) if shape_of(s)[-1] else 0)
    return count_nonzero(s > limit, -1)
