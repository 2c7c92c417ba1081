"""Toeplitz and circulant systems, solved and multiplied without forming the matrix."""

import numpy as np
from numpy.linalg import LinAlgError

from ...core.aval import Aval
from ...core.derivative import Linear, Pair
from ...core.lowering import Call
from ...core.primitive import primitive
from ...core.value import dtype_of, ndim_of, shape_of
from ...errors import ShapeError, explain
from ..elementwise import absolute, real, where
from ..fourier import fft, ifft, irfft, rfft
from ..indexing import index_add
from ..joining import concatenate
from ..reduction import max as max_
from ..shaping import as_value, atleast_1d, broadcast_to, cast, expand, moveaxis, sum_to, swapaxes
from .banded import right_sides
from .matrices import adjoint, conj, known, linalg_dtype, lower_part, product
from .stacks import batch_of, over_stack, scipy_linalg
from .structured import toeplitz
from .triangular import without_column

# --- the row --------------------------------------------------------------------------------------------------------------


def _row(c, r):
    """The first row, which begins with the first element of the first column."""
    lead = np.broadcast_shapes(shape_of(c)[:-1], shape_of(r)[:-1])
    return concatenate([broadcast_to(x, (*lead, shape_of(x)[-1])) for x in (c[..., :1], r[..., 1:])], -1)


def _solve_adjoint(c, r, g):
    return _solve_toeplitz(conj(_row(c, r)), conj(c), g)


def _diagonal_sums(x):
    """Sums along the diagonals that begin in the first column, from the main one down."""
    n = shape_of(x)[-1]
    place = np.arange(n)[:, None] - np.arange(n)
    return index_add(np.zeros((*shape_of(x)[:-2], n), dtype_of(x)), (..., np.maximum(place, 0)), lower_part(x))


def _column_jvp(t, c, r, out):
    return -_solve_toeplitz(c, r, product(toeplitz(t, np.zeros(shape_of(t)[-1], dtype_of(t))), out))


def _row_jvp(t, c, r, out):
    return -_solve_toeplitz(c, r, product(toeplitz(np.zeros(shape_of(t)[-1], dtype_of(t)), t), out))


def _column_vjp(g, c, r, out, in_shape):
    return sum_to(-_diagonal_sums(product(_solve_adjoint(c, r, g), adjoint(out))), in_shape)


def _row_vjp(g, c, r, out, in_shape):
    sums = _diagonal_sums(swapaxes(product(_solve_adjoint(c, r, g), adjoint(out)), -1, -2))
    return sum_to(-where(np.arange(in_shape[-1]) > 0, sums, 0), in_shape)


def _solution_aval(c, r, b):
    lead = np.broadcast_shapes(c.shape[:-1], r.shape[:-1], b.shape[:-2])
    return Aval((*lead, *b.shape[-2:]), np.result_type(c.dtype, r.dtype, b.dtype))


@primitive(
    derivative=[
        Pair(_column_jvp, _column_vjp),
        Pair(_row_jvp, _row_vjp),
        Linear(lambda g, c, r, in_shape: sum_to(_solve_adjoint(c, r, g), in_shape)),
    ],
    aval=_solution_aval,
    batch=batch_of(lambda: _solve_toeplitz, (1, 1, 2)),
    lower=Call(),
    name="solve_toeplitz",
)
def _solve_toeplitz(c, r, b):
    """x with toeplitz(c, r) x = b, for matrices b, by Levinson's recursion."""

    def one(c, r, b):
        return scipy_linalg("solve_toeplitz")((c, r), b)

    return over_stack(one, c, r, b, out=(b.shape[-2:], np.result_type(c, r, b)), core=(1, 1, 2))


# --- functions ------------------------------------------------------------------------------------------------------------


def _column_and_row(name, c_or_cr):
    c, r = c_or_cr if isinstance(c_or_cr, tuple) else (c_or_cr, None)
    c = atleast_1d(as_value(c))
    return c, conj(c) if r is None else atleast_1d(as_value(r))


def solve_toeplitz(c_or_cr, b, check_finite=True):
    """Solve `toeplitz(c, r) @ x = b` without forming the matrix.

    Parameters
    ----------
    c_or_cr : array of shape (..., n), the first column; or a tuple of it and the first row (see `toeplitz`)
    b : array of shape (n,) or (..., n, k); leading axes broadcast
    check_finite : accepted for SciPy's sake

    Returns
    -------
    array of the shape of `b`, with the leading axes of all

    Raises
    ------
    LinAlgError
        A leading square part of the matrix is singular.
    ShapeError
        The lengths do not fit together.

    Notes
    -----
    Levinson's recursion takes of the order of n**2 operations, for derivatives too, but is less stable than `solve`.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.solve_toeplitz(([2.0, 1.0], [2.0, 0.0]), [2.0, 3.0])
    array([1., 1.])
    """
    c, r = _column_and_row("solve_toeplitz", c_or_cr)
    n = shape_of(c)[-1]
    if shape_of(r)[-1] != n:
        raise ShapeError(
            explain(
                "solve_toeplitz: Incompatible dimensions.",
                f"first column: {shape_of(c)}    first row: {shape_of(r)}",
                help="the matrix must be square",
            )
        )
    lead = np.broadcast_shapes(shape_of(c)[:-1], shape_of(r)[:-1])
    columns, vector = right_sides("solve_toeplitz", n, lead, b)
    dtype = linalg_dtype(dtype_of(c), dtype_of(r), dtype_of(columns))
    return without_column(_solve_toeplitz(cast(c, dtype), cast(r, dtype), cast(columns, dtype)), vector)


def matmul_toeplitz(c_or_cr, x, check_finite=False, workers=None):
    """`toeplitz(c, r) @ x`, by fast Fourier transforms.

    Parameters
    ----------
    c_or_cr : array of shape (..., m), the first column; or a tuple of it and the first row, of shape (..., n)
    x : array of shape (n,) or (..., n, k); leading axes broadcast
    check_finite, workers : accepted for SciPy's sake

    Returns
    -------
    array of shape (m,) or (..., m, k)

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.matmul_toeplitz(([2.0, 1.0], [2.0, 0.0]), [1.0, 1.0]).round(12)
    array([2., 3.])
    """
    c, r = _column_and_row("matmul_toeplitz", c_or_cr)
    m, n = shape_of(c)[-1], shape_of(r)[-1]
    lead = np.broadcast_shapes(shape_of(c)[:-1], shape_of(r)[:-1])
    columns, vector = right_sides("matmul_toeplitz", n, lead, x)
    dtype = linalg_dtype(dtype_of(c), dtype_of(r), dtype_of(columns))
    if 0 in (m, n):
        empty = np.zeros((*lead, m, shape_of(columns)[-1]), dtype)
        return without_column(empty, vector)
    back = r[..., :0:-1]
    circle = concatenate([cast(broadcast_to(v, (*lead, shape_of(v)[-1])), dtype) for v in (c, back)], -1)
    rows, size = swapaxes(cast(columns, dtype), -1, -2), m + n - 1
    first = expand(circle, (ndim_of(circle) - 1,))
    if dtype.kind == "c":
        out = ifft(fft(first) * fft(rows, size))
    else:
        out = irfft(rfft(first) * rfft(rows, size), size)
    return without_column(swapaxes(out[..., :m], -1, -2), vector)


def solve_circulant(c, b, singular="raise", tol=None, caxis=-1, baxis=0, outaxis=0):
    """Solve `circulant(c) @ x = b` by Fourier transforms.

    Parameters
    ----------
    c : array whose axis `caxis` has the length n
    b : array whose axis `baxis` has the length n; the other axes of both broadcast
    singular : 'raise', or 'lstsq' for the shortest of the solutions in the sense of least squares
    tol : eigenvalues of at most this absolute value count as 0; by default n times the machine precision times the largest
    caxis, baxis, outaxis : where the vectors stand in `c`, `b` and the result

    Returns
    -------
    array

    Raises
    ------
    LinAlgError
        The matrix is singular, and `singular` is 'raise'.
    ShapeError
        The lengths do not fit together.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.solve_circulant([2.0, 1.0, 0.0], [3.0, 3.0, 3.0]).round(12)
    array([1., 1., 1.])
    """
    c, b = (atleast_1d(as_value(x)) for x in (c, b))
    dtype = linalg_dtype(dtype_of(c), dtype_of(b))
    c, b = moveaxis(cast(c, dtype), caxis, -1), moveaxis(cast(b, dtype), baxis, -1)
    n = shape_of(c)[-1]
    if shape_of(b)[-1] != n:
        raise ShapeError(
            explain(
                "solve_circulant: Shapes of c and b are incompatible",
                f"length along caxis: {n}    along baxis: {shape_of(b)[-1]}",
                help="caxis and baxis say along which axes the vectors stand",
            )
        )
    lead = np.broadcast_shapes(shape_of(c)[:-1], shape_of(b)[:-1])
    if n == 0 or 0 in lead:
        return moveaxis(np.zeros((*lead, n), dtype), -1, outaxis)
    eigenvalues = fft(c)
    sizes = absolute(eigenvalues)
    if tol is None:
        tol = max_(sizes, -1, keepdims=True) * (n * np.finfo(dtype).eps)
    none = sizes <= tol
    some = known(none.any()) is not False
    if some and singular == "raise" and known(none.any()):
        raise LinAlgError("near singular circulant matrix.")
    quotient = fft(b) / (where(none, 1, eigenvalues) if some else eigenvalues)
    x = ifft(where(none, 0, quotient) if some else quotient)
    return moveaxis(x if dtype.kind == "c" else real(x), -1, outaxis)
