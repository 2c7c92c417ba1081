"""Banded matrices, in LAPACK's storage: row `above + i - j` of column j holds element i, j.

A lower form holds the diagonals from the main one down, an upper form those down to the main one.
"""

import numpy as np
from numpy.linalg import LinAlgError

from ...core.aval import Aval
from ...core.derivative import Linear, Pair
from ...core.lowering import Call
from ...core.primitive import primitive
from ...core.value import dtype_of, ndim_of, shape_of
from ...errors import ShapeError, explain
from ..elementwise import real
from ..joining import concatenate
from ..shaping import _sum, as_value, cast, expand, sum_to
from .factorizations import _cholesky_jvp, _cholesky_vjp
from .matrices import batch_of_matrices, conj, linalg_dtype, masked, matrices
from .stacks import check_finite, over_stack, scipy_linalg
from .triangular import scipy_lapack, without_column

# --- storage --------------------------------------------------------------------------------------------------------------


def _picked(x, rows, columns):
    """x[..., rows, columns], and 0 where there is no such element."""
    m, n = shape_of(x)[-2:]
    rows, columns = np.broadcast_arrays(rows, columns)
    inside = (rows >= 0) & (rows < m) & (columns >= 0) & (columns < n)
    if not inside.size or not m or not n:
        return np.zeros((*shape_of(x)[:-2], *inside.shape), dtype_of(x))
    return masked(x[..., np.where(inside, rows, 0), np.where(inside, columns, 0)], inside)


def _grid(x, rows=None):
    """Numbers of rows, as a column, and of columns, for as many rows as x has."""
    m, n = shape_of(x)[-2:]
    return np.arange(m if rows is None else rows)[:, None], np.arange(n)


def _by_rows(ab, below):
    """The same elements sorted by rows: row d of column i holds element i, i + d - below."""
    d, i = _grid(ab)
    return _picked(ab, len(d) - 1 - d, i + d - below)


def _adjoint_bands(ab, below):
    return conj(_by_rows(ab, below))


def _windows(x, first, count):
    """Rows i - first to i - first + count - 1 of x for each row i, as a new axis; 0 outside of x."""
    n = shape_of(x)[-2]
    rows = np.arange(count)[:, None] + np.arange(n) - first
    inside = (rows >= 0) & (rows < n)
    return masked(x[..., np.where(inside, rows, 0), :], inside[..., None])


def _times(ab, x, below):
    """A banded matrix times x."""
    weights = expand(_by_rows(ab, below), (ndim_of(ab),))
    products = weights * _windows(x, below, shape_of(ab)[-2])
    return _sum(products, axes=(ndim_of(products) - 3,))


def _outer_bands(s, x, above, count):
    """The banded part of s x^H."""
    windows = _windows(s, above, count)
    products = windows * conj(expand(x, (ndim_of(x) - 2,)))
    return _sum(products, axes=(ndim_of(products) - 1,))


def _lower_form(ab):
    """The lower form of the Hermitian matrix whose upper form is given."""
    d, j = _grid(ab)
    return conj(_picked(ab, len(d) - 1 - d, j + d))


def _upper_form(ab):
    """The upper form of the Hermitian matrix, or of the adjoint of the factor, whose lower form is given."""
    d, j = _grid(ab)
    back = len(d) - 1 - d
    return conj(_picked(ab, back, j - back))


def _both_sides(ab):
    """All bands of the Hermitian matrix whose lower form is given."""
    middle, below = ab[..., :1, :], ab[..., 1:, :]
    middle = cast(real(middle), dtype_of(ab)) if dtype_of(ab).kind == "c" else middle
    return concatenate([_upper_form(ab)[..., :-1, :], middle, below], -2)


def _dense(ab):
    """The lower triangular matrix whose lower form is given."""
    j = np.arange(shape_of(ab)[-1])
    return _picked(ab, j[:, None] - j, np.broadcast_to(j, (len(j), len(j))))


def _lower_bands(x, count):
    d, j = _grid(x, count)
    return _picked(x, j + d, np.broadcast_to(j, (count, len(j))))


# --- rows -----------------------------------------------------------------------------------------------------------------


def _solve_adjoint(ab, g, below, above, kind):
    return _banded_solve(_adjoint_bands(ab, below), g, below=above, above=below, kind=kind)


def _bands_jvp(t, ab, out, below, above, kind):
    return -_banded_solve(ab, _times(t, out, below), below=below, above=above, kind=kind)


def _bands_vjp(g, ab, out, in_shape, below, above, kind):
    s = _solve_adjoint(ab, g, below, above, kind)
    return sum_to(-_outer_bands(s, out, above, in_shape[-2]), in_shape)


def _side_transpose(g, ab, in_shape, below, above, kind):
    return sum_to(_solve_adjoint(ab, g, below, above, kind), in_shape)


def _solution_aval(ab, b, **params):
    lead = np.broadcast_shapes(ab.shape[:-2], b.shape[:-2])
    return Aval((*lead, *b.shape[-2:]), np.result_type(ab.dtype, b.dtype))


def _triangular(ab, b):
    x, info = scipy_lapack("tbtrs", ab.dtype.char)(ab, b, uplo="L")
    if info:
        raise LinAlgError("singular matrix")
    return x


@primitive(
    derivative=[Pair(_bands_jvp, _bands_vjp), Linear(_side_transpose)],
    aval=_solution_aval,
    batch=batch_of_matrices(lambda: _banded_solve),
    lower=Call(),
    name="banded_solve",
)
def _banded_solve(ab, b, *, below, above, kind):
    """Solve with a banded matrix of a kind: general, positive (definite) or triangular, which lets LAPACK work faster."""
    check_finite(ab, b)
    dtype = np.result_type(ab, b)

    def one(ab, b):
        if kind == "positive":
            return scipy_linalg("solveh_banded")(ab[above:], b, lower=True)
        if kind == "triangular" and above:  # from the last row up
            return _triangular(ab[::-1, ::-1], b[::-1])[::-1]
        return _triangular(ab, b) if kind == "triangular" else scipy_linalg("solve_banded")((below, above), ab, b)

    return over_stack(one, ab.astype(dtype, copy=False), b.astype(dtype, copy=False), out=(b.shape[-2:], dtype))


def _factor_jvp(t, out):
    return _lower_bands(_cholesky_jvp(_dense(t), _dense(out), upper=False), shape_of(out)[-2])


def _factor_vjp(g, out):
    return _lower_bands(_cholesky_vjp(_dense(g), _dense(out), upper=False), shape_of(out)[-2])


@primitive(
    derivative=[Pair(_factor_jvp, _factor_vjp)],
    aval=lambda ab: ab,
    batch=batch_of_matrices(lambda: _cholesky_banded),
    lower=Call(),
    name="cholesky_banded",
)
def _cholesky_banded(ab):
    """The lower form of the Cholesky factor of the Hermitian matrix whose lower form is given.

    Its derivatives form the whole matrix.
    """
    check_finite(ab)
    d, j = _grid(ab)
    inside = j + d < ab.shape[-1]  # LAPACK leaves the rest as it was

    def one(ab):
        return np.where(inside, scipy_linalg("cholesky_banded")(ab, lower=True), 0)

    return over_stack(one, ab, out=(ab.shape[-2:], ab.dtype))


# --- functions ------------------------------------------------------------------------------------------------------------


def right_sides(name, n, lead, b):
    """b as matrices of right-hand sides with n rows, and whether it was a vector."""
    b = as_value(b)
    vector = ndim_of(b) == 1
    columns = expand(b, (1,)) if vector else b
    fits = ndim_of(columns) > 1 and shape_of(columns)[-2] == n
    try:
        np.broadcast_shapes(lead, shape_of(columns)[:-2])
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(
            explain(
                f"{name}: `b` does not fit the matrix",
                f"matrix: {n} rows, leading axes {lead}    b: {dtype_of(b)} {shape_of(b)}",
                help="`b` is a vector if it has one axis, else a matrix in its last two; leading axes broadcast",
            )
        )
    return columns, vector


def _prepared(name, ab, b):
    (ab,) = matrices(name, ab)
    columns, vector = right_sides(name, shape_of(ab)[-1], shape_of(ab)[:-2], b)
    dtype = linalg_dtype(dtype_of(ab), dtype_of(columns))
    return cast(ab, dtype), cast(columns, dtype), vector


def solve_banded(l_and_u, ab, b, overwrite_ab=False, overwrite_b=False, check_finite=True):
    """Solve `a @ x = b` for a banded matrix `a`.

    Parameters
    ----------
    l_and_u : numbers of diagonals below and above the main one
    ab : array of shape (..., l + u + 1, n) with `ab[u + i - j, j] = a[i, j]`
    b : array of shape (n,) or (..., n, k); leading axes of both broadcast
    overwrite_ab, overwrite_b, check_finite : accepted for SciPy's sake

    Returns
    -------
    array of the shape of `b`, with the leading axes of both

    Raises
    ------
    LinAlgError
        `a` is singular.
    ShapeError
        `ab` and `b` do not fit together.
    ValueError
        `ab` has not l + u + 1 rows, or an argument is not finite.

    Examples
    --------
    >>> import chainrule as cr
    >>> ab = np.array([[0.0, 1.0, 1.0], [2.0, 2.0, 2.0]])
    >>> cr.linalg.solve_banded((0, 1), ab, [4.0, 6.0, 4.0])
    array([1., 2., 2.])
    """
    below, above = (int(k) for k in l_and_u)
    ab, columns, vector = _prepared("solve_banded", ab, b)
    if shape_of(ab)[-2] != below + above + 1:
        raise ShapeError(
            explain(
                f"solve_banded: {below} diagonals below and {above} above the main one make {below + above + 1} rows of `ab`",
                f"ab: {dtype_of(ab)} {shape_of(ab)}",
                help="row u + i - j of column j holds element i, j",
            )
        )
    return without_column(_banded_solve(ab, columns, below=below, above=above, kind="general"), vector)


def solveh_banded(ab, b, overwrite_ab=False, overwrite_b=False, lower=False, check_finite=True):
    """Solve `a @ x = b` for a Hermitian positive definite banded matrix `a`.

    Parameters
    ----------
    ab : array of shape (..., u + 1, n): `a` in upper form, `ab[u + i - j, j] = a[i, j]` for i <= j; or with `lower` in
        lower form, `ab[i - j, j] = a[i, j]` for i >= j
    b : array of shape (n,) or (..., n, k); leading axes of both broadcast
    overwrite_ab, overwrite_b, check_finite : accepted for SciPy's sake
    lower : which form `ab` has

    Returns
    -------
    array of the shape of `b`, with the leading axes of both

    Raises
    ------
    LinAlgError
        `a` is not positive definite.
    ShapeError
        `ab` and `b` do not fit together.

    Examples
    --------
    >>> import chainrule as cr
    >>> ab = np.array([[2.0, 2.0, 2.0], [-1.0, -1.0, 0.0]])
    >>> cr.linalg.solveh_banded(ab, [1.0, 0.0, 1.0], lower=True).round(12)
    array([1., 1., 1.])
    """
    ab, columns, vector = _prepared("solveh_banded", ab, b)
    bands, width = _both_sides(ab if lower else _lower_form(ab)), shape_of(ab)[-2] - 1
    return without_column(_banded_solve(bands, columns, below=width, above=width, kind="positive"), vector)


def cholesky_banded(ab, overwrite_ab=False, lower=False, check_finite=True):
    """Cholesky factor of a Hermitian positive definite banded matrix.

    Parameters
    ----------
    ab : array of shape (..., u + 1, n): the matrix in upper form, or with `lower` in lower form (see `solveh_banded`)
    overwrite_ab, check_finite : accepted for SciPy's sake
    lower : which form `ab` has, and which factor is wanted

    Returns
    -------
    array of the shape of `ab`: the upper factor in upper form, or the lower one in lower form; 0 where these hold nothing

    Raises
    ------
    LinAlgError
        The matrix is not positive definite.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.cholesky_banded(np.array([[4.0, 5.0], [2.0, 0.0]]), lower=True)
    array([[2., 2.],
           [1., 0.]])
    """
    (ab,) = matrices("cholesky_banded", ab)
    return _cholesky_banded(ab) if lower else _upper_form(_cholesky_banded(_lower_form(ab)))


def cho_solve_banded(cb_and_lower, b, overwrite_b=False, check_finite=True):
    """Solve `a @ x = b`, given `cholesky_banded(a)`.

    Parameters
    ----------
    cb_and_lower : pair of the factor, an array of shape (..., u + 1, n), and whether it is the lower one
    b : array of shape (n,) or (..., n, k); leading axes of both broadcast
    overwrite_b, check_finite : accepted for SciPy's sake

    Returns
    -------
    array of the shape of `b`, with the leading axes of both

    Examples
    --------
    >>> import chainrule as cr
    >>> factor = cr.linalg.cholesky_banded(np.array([[4.0, 5.0], [2.0, 0.0]]), lower=True)
    >>> cr.linalg.cho_solve_banded((factor, True), [6.0, 7.0])
    array([1., 1.])
    """
    cb, lower = cb_and_lower
    cb, columns, vector = _prepared("cho_solve_banded", cb, b)
    cb = cb if lower else _lower_form(cb)
    width = shape_of(cb)[-2] - 1
    y = _banded_solve(cb, columns, below=width, above=0, kind="triangular")
    return without_column(_banded_solve(_adjoint_bands(cb, width), y, below=0, above=width, kind="triangular"), vector)
