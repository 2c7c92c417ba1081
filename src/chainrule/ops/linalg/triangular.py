"""Systems of equations whose matrix is triangular, or the square of a triangular one."""

import functools
import importlib

import numpy as np
from numpy.linalg import LinAlgError

from ...core.aval import Aval
from ...core.derivative import Linear, Pair
from ...core.lowering import Call
from ...core.primitive import primitive
from ...core.value import dtype_of, ndim_of, shape_of
from ...errors import ShapeError, explain
from ..shaping import as_value, cast, expand, reshape, sum_to
from .matrices import (
    adjoint,
    batch_of_matrices,
    check_square,
    conj,
    count,
    linalg_dtype,
    lower_part,
    matrices,
    product,
    transposed,
    upper_part,
)


@functools.cache
def scipy_lapack(name, char, library="lapack"):
    """A function of LAPACK for a dtype. SciPy is loaded when the first one is asked for."""
    return getattr(importlib.import_module(f"scipy.linalg.{library}"), {"f": "s", "d": "d", "F": "c", "D": "z"}[char] + name)


# --- the row ----------------------------------------------------------------------------------------------------------


def _broadcast_shape(a, b):
    return (*np.broadcast_shapes(a[:-2], b[:-2]), a[-1], b[-1])


def _triangle(x, lower, unit_diagonal):
    return lower_part(x, -unit_diagonal) if lower else upper_part(x, int(unit_diagonal))


def _op(a, trans):
    return a if trans == "N" else transposed(a) if trans == "T" else adjoint(a)


def _solve_adjoint(a, g, lower, trans, unit_diagonal):
    """Solve with the adjoint of the matrix that `trans` makes of `a`."""
    if trans == "T":
        return _triangular_solve(conj(a), g, lower=lower, trans="N", unit_diagonal=unit_diagonal)
    return _triangular_solve(a, g, lower=lower, trans="C" if trans == "N" else "N", unit_diagonal=unit_diagonal)


def _matrix_jvp(t, a, out, lower, trans, unit_diagonal):
    moved = product(_op(_triangle(t, lower, unit_diagonal), trans), out)
    return -_triangular_solve(a, moved, lower=lower, trans=trans, unit_diagonal=unit_diagonal)


def _matrix_vjp(g, a, out, in_shape, lower, trans, unit_diagonal):
    s = _solve_adjoint(a, g, lower, trans, unit_diagonal)
    if trans == "N":
        full = product(s, adjoint(out))
    elif trans == "T":
        full = product(conj(out), transposed(s))
    else:
        full = product(out, adjoint(s))
    return sum_to(-_triangle(full, lower, unit_diagonal), in_shape)


def _right_side_transpose(g, a, in_shape, lower, trans, unit_diagonal):
    return sum_to(_solve_adjoint(a, g, lower, trans, unit_diagonal), in_shape)


@primitive(
    derivative=[Pair(_matrix_jvp, _matrix_vjp), Linear(_right_side_transpose)],
    aval=lambda a, b, **params: Aval(_broadcast_shape(a.shape, b.shape), np.result_type(a.dtype, b.dtype)),
    batch=batch_of_matrices(lambda: _triangular_solve),
    lower=Call(),
    name="triangular_solve",
)
def _triangular_solve(a, b, *, lower, trans, unit_diagonal):
    """x with op(a) x = b, where only one triangle of a is read; trans is 'N', 'T' or 'C' and says which op."""
    dtype = np.result_type(a, b)
    a, b = a.astype(dtype, copy=False), b.astype(dtype, copy=False)
    n = a.shape[-1]
    shape = _broadcast_shape(a.shape, b.shape)
    if not unit_diagonal and (np.diagonal(a, axis1=-2, axis2=-1) == 0).any() and 0 not in shape:
        raise LinAlgError("Singular matrix")
    if 0 in shape:
        return np.zeros(shape, dtype)
    if count(a.shape) == 1:  # one matrix: all right-hand sides stand side by side
        columns = np.moveaxis(b, -2, 0).reshape(n, -1)
        x = _substitute(a.reshape(n, n), columns, lower, trans, unit_diagonal)
        return np.moveaxis(x.reshape(n, *b.shape[:-2], b.shape[-1]), 0, -2).reshape(shape)
    a = np.broadcast_to(a, (*shape[:-2], n, n)).reshape(-1, n, n)
    b = np.broadcast_to(b, shape).reshape(-1, n, shape[-1])
    if len(a) > 4 * n:  # many small matrices: row by row, all of them at once
        return _substitute_together(a, b, lower, trans, unit_diagonal).reshape(shape)
    return np.stack([_substitute(m, c, lower, trans, unit_diagonal) for m, c in zip(a, b, strict=True)]).reshape(shape)


def _substitute(a, b, lower, trans, unit_diagonal):
    trtrs = scipy_lapack("trtrs", a.dtype.char)
    if a.flags.f_contiguous:
        return trtrs(a, b, lower=lower, trans="NTC".index(trans), unitdiag=unit_diagonal)[0]
    # LAPACK reads columns first: to it, this is the transposed matrix.
    if trans == "C" and a.dtype.kind == "c":
        return trtrs(a.T.conj(), b, lower=not lower, trans=0, unitdiag=unit_diagonal)[0]
    return trtrs(a.T, b, lower=not lower, trans=int(trans == "N"), unitdiag=unit_diagonal)[0]


def _substitute_together(a, b, lower, trans, unit_diagonal):
    if trans != "N":
        a, lower = np.swapaxes(a, -1, -2), not lower
        a = a.conj() if trans == "C" else a
    x, n = np.array(b), a.shape[-1]
    for k in range(n) if lower else range(n - 1, -1, -1):
        if not unit_diagonal:
            x[:, k] /= a[:, k, k, None]
        rest = slice(k + 1, None) if lower else slice(0, k)
        x[:, rest] -= a[:, rest, k, None] * x[:, k, None]
    return x


# --- functions --------------------------------------------------------------------------------------------------------


def right_side(name, a, b):
    """b as matrices of right-hand sides, and whether it was a vector: NumPy 2's rule, only one axis means a vector."""
    vector = ndim_of(b) == 1
    columns = expand(b, (1,)) if vector else b
    if ndim_of(b) == 0:
        raise LinAlgError(f"0-dimensional array given. {name}: `b` must be at least one-dimensional")
    fits = shape_of(columns)[-2] == shape_of(a)[-2]
    try:
        np.broadcast_shapes(shape_of(a)[:-2], shape_of(columns)[:-2])
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(
            explain(
                f"{name}: the rows of `a` and `b` differ in number, or their leading axes do not broadcast",
                f"a: {dtype_of(a)} {shape_of(a)}    b: {dtype_of(b)} {shape_of(b)}",
                help="with one axis `b` is a vector, else a stack of matrices; a stack of vectors is b[..., None]",
            )
        )
    return columns, vector


def without_column(x, vector):
    """The solution for a right-hand side that was a vector."""
    return reshape(x, shape_of(x)[:-1]) if vector else x


TRANS = {0: "N", 1: "T", 2: "C", "N": "N", "T": "T", "C": "C"}


def triangular_solve(a, b, *, lower=False, trans=0, unit_diagonal=False):
    """Solve `op(a) @ x = b`, where `a` is triangular. The other triangle of `a` is not read and has derivative zero.

    Parameters
    ----------
    a : array of shape (..., n, n)
    b : array of shape (n,) or (..., n, k); leading axes of both broadcast
    lower : whether `a` is lower triangular
    trans : 0 or 'N' for `a` itself, 1 or 'T' for its transpose, 2 or 'C' for its conjugate transpose
    unit_diagonal : take the diagonal of `a` to be 1, without reading it

    Returns
    -------
    array of the shape of `b`, with the leading axes of both

    Raises
    ------
    LinAlgError
        There is a zero on the diagonal of `a`, or `a` is not square.
    ShapeError
        `a` and `b` do not fit together.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.triangular_solve([[2.0, 1.0], [0.0, 4.0]], [5.0, 4.0])
    array([2., 1.])
    """
    (a,) = matrices("triangular_solve", a)
    check_square("triangular_solve", a)
    if trans not in TRANS:
        raise ValueError(f"triangular_solve: trans must be one of 0, 1, 2, 'N', 'T', 'C', not {trans!r}")
    b = as_value(b)
    dtype = linalg_dtype(dtype_of(a), dtype_of(b))
    columns, vector = right_side("triangular_solve", a, cast(b, dtype))
    x = _triangular_solve(cast(a, dtype), columns, lower=bool(lower), trans=TRANS[trans], unit_diagonal=bool(unit_diagonal))
    return without_column(x, vector)


def solve_triangular(a, b, trans=0, lower=False, unit_diagonal=False, overwrite_b=False, check_finite=True):
    """`triangular_solve` with the arguments of scipy.linalg.

    >>> import chainrule as cr
    >>> cr.linalg.solve_triangular([[2.0, 0.0], [1.0, 4.0]], [2.0, 5.0], lower=True)
    array([1., 1.])
    """
    return triangular_solve(a, b, lower=lower, trans=trans, unit_diagonal=unit_diagonal)


def cho_solve(c_and_lower, b, overwrite_b=False, check_finite=True):
    """Solve `a @ x = b`, given the Cholesky factor of `a`.

    Parameters
    ----------
    c_and_lower : pair of the factor, an array of shape (..., n, n), and whether it is the lower one
    b : array of shape (n,) or (..., n, k)
    overwrite_b, check_finite : accepted for SciPy's sake

    Returns
    -------
    array of the shape of `b`, with the leading axes of both

    Examples
    --------
    >>> import chainrule as cr
    >>> factor = cr.linalg.cholesky([[4.0, 0.0], [0.0, 9.0]])
    >>> cr.linalg.cho_solve((factor, True), [8.0, 9.0])
    array([2., 1.])
    """
    c, lower = c_and_lower
    first, second = ("N", "C") if lower else ("C", "N")
    y = triangular_solve(c, b, lower=lower, trans=first)
    return triangular_solve(c, y, lower=lower, trans=second)
