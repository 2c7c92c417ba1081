"""LU decomposition with partial pivoting. The pivots are constants for derivatives."""

import warnings

import numpy as np
from numpy.linalg import LinAlgError

from ...core.aval import Aval
from ...core.derivative import Pair, zero
from ...core.lowering import Call
from ...core.primitive import primitive
from ...core.value import dtype_of, ndim_of, shape_of
from ...errors import explain
from ..elementwise import where
from ..indexing import take_along_axis
from ..joining import concatenate
from ..shaping import as_value, cast, expand_dims
from .matrices import adjoint, check_square, linalg_dtype, lower_part, matrices, product, real_dtype, transposed, upper_part
from .stacks import check_finite as _check_finite, over_stack
from .triangular import TRANS, _triangular_solve, right_side, scipy_lapack, without_column

# --- rows -------------------------------------------------------------------------------------------------------------


def _left(lu, x, trans="N"):
    """op(L)^-1 x for the unit lower factor that `lu` holds."""
    return _triangular_solve(lu, x, lower=True, trans=trans, unit_diagonal=True)


def _right(x, lu, trans="N"):
    """x op(U)^-1 for the upper factor that `lu` holds."""
    if trans == "C":
        return adjoint(_triangular_solve(lu, adjoint(x), lower=False, trans="N", unit_diagonal=False))
    return transposed(_triangular_solve(lu, transposed(x), lower=False, trans="T", unit_diagonal=False))


def _factors(lu):
    """L and U with k columns and k rows, and their square parts in one matrix that can be inverted: if all rows are used,
    nothing that is needed depends on the last pivot."""
    m, n = shape_of(lu)[-2:]
    k = min(m, n)
    lower = lower_part(lu[..., :, :k], -1) + np.eye(m, k, dtype=dtype_of(lu))
    upper = upper_part(lu[..., :k, :])
    square = lu[..., :k, :k]
    if k and m <= n:
        last = np.zeros((k, k), bool)
        last[-1, -1] = True
        square = where(last, np.ones((), dtype_of(lu)), square)
    return lower, upper, square, k


def _rows(x, perm):
    """The rows of x in this order."""
    return x if 0 in shape_of(x) else take_along_axis(x, expand_dims(perm, -1), -2)


def _lu_jvp(t, out):
    lu, _, perm = out
    lower, upper, square, k = _factors(lu)
    e = _rows(t, perm)
    solved = _left(square, e[..., :k, :])
    low = lower_part(_right(solved[..., :, :k], square), -1)
    moved = upper_part(solved - product(low, upper))
    first = product(lower[..., :k, :], low)
    tall = shape_of(lu)[-2] > k
    if not tall:
        return [_pack(first, moved), None, None]
    second = _right(e[..., k:, :] - product(lower[..., k:, :], moved), square)
    return [concatenate([_pack(first, moved), second], -2), None, None]


def _pack(lower, upper):
    """Strictly lower and upper part in one matrix, which may be wide."""
    k, n = shape_of(upper)[-2:]
    return upper + (lower if n == k else concatenate([lower, upper[..., :, k:] * 0], -1))


def _lu_vjp(g, out):
    lu, _, perm = out
    lower, upper, square, k = _factors(lu)
    g = g[0]
    g_upper = upper_part(g[..., :k, :])
    parts = []
    if shape_of(lu)[-2] > k:
        parts = [_right(g[..., k:, :], square, "C")]
        g_upper = g_upper - upper_part(product(adjoint(lower[..., k:, :]), parts[0]))
    g_low = product(adjoint(lower[..., :k, :]), lower_part(g[..., :k, :k], -1)) - product(g_upper, adjoint(upper))
    square_part = _right(lower_part(g_low, -1), square, "C")
    first = _left(square, g_upper + _widened(square_part, shape_of(upper)), "C")
    return _rows(concatenate([first, *parts], -2) if parts else first, _inverse(perm))


def _widened(x, shape):
    k, n = shape[-2:]
    return x if n == k else concatenate([x, np.zeros((*shape_of(x)[:-1], n - k), dtype_of(x))], -1)


def _lu_aval(a):
    *lead, m, n = a.shape
    return Aval(a.shape, a.dtype), Aval((*lead, min(m, n)), np.dtype(np.int32)), Aval((*lead, m), np.dtype(np.intp))


@primitive(
    derivative=[Pair(_lu_jvp, _lu_vjp)],
    aval=_lu_aval,
    batch=lambda args, batched, params: _lu_factor(*args),
    lower=Call(),
    name="lu_factor",
    several=True,
)
def _lu_factor(a):
    """LAPACK's LU decomposition: both factors in one matrix, the row exchanged with each, and the order of rows that
    these exchanges lead to."""
    m, n = a.shape[-2:]
    getrf = scipy_lapack("getrf", a.dtype.char)

    def one(x):
        lu, piv, _ = getrf(x)
        return lu, piv, _order(piv, m)

    return over_stack(one, a, out=[((m, n), a.dtype), ((min(m, n),), np.int32), ((m,), np.intp)])


def _order(piv, m):
    order = np.arange(m)
    for i, p in enumerate(piv.tolist()):
        order[i], order[p] = order[p], order[i]
    return order


@primitive(
    derivative=[zero],
    aval=lambda piv: Aval(piv.shape, np.dtype(np.intp)),
    batch=lambda args, batched, params: _permutation(*args),
    lower=Call(),
    name="permutation",
)
def _permutation(piv):
    """The order of rows that exchanges lead to, as many as there are rows."""
    return over_stack(lambda p: _order(p, p.size), piv, out=((piv.shape[-1],), np.intp), core=1)


@primitive(
    derivative=[zero],
    aval=lambda perm: Aval(perm.shape, np.dtype(np.intp)),
    batch=lambda args, batched, params: _inverse(*args),
    lower=Call(),
    name="inverse_permutation",
)
def _inverse(perm):
    """The order that undoes the order `perm`."""
    return np.argsort(perm, axis=-1)


# --- functions --------------------------------------------------------------------------------------------------------


def _decomposed(name, a, check_finite):
    (a,) = matrices(name, a)
    if check_finite and isinstance(a, np.ndarray):
        _check_finite(a)
    return _lu_factor(a)


def lu_factor(a, overwrite_a=False, check_finite=True):
    """LU decomposition with partial pivoting, in the form that `lu_solve` takes.

    Parameters
    ----------
    a : array of shape (..., m, n)
    overwrite_a : accepted for SciPy's sake
    check_finite : raise for infinities and NaN (in plain arrays)

    Returns
    -------
    lu : array of shape (..., m, n): U in its upper part, L below the diagonal, where L has ones on it
    piv : int32 array of shape (..., min(m, n)): row i was exchanged with row piv[i]

    Raises
    ------
    ValueError
        `a` is not finite.

    Warns
    -----
    RuntimeWarning
        A pivot is exactly zero; `lu_solve` will then fail.

    Examples
    --------
    >>> import chainrule as cr
    >>> lu, piv = cr.linalg.lu_factor([[1.0, 2.0], [2.0, 8.0]])
    >>> lu
    array([[ 2. ,  8. ],
           [ 0.5, -2. ]])
    >>> piv
    array([1, 1], dtype=int32)
    """
    lu, piv, _ = _decomposed("lu_factor", a, check_finite)
    if isinstance(lu, np.ndarray):
        diagonal = np.diagonal(lu, axis1=-2, axis2=-1)
        if (diagonal == 0).any():
            warnings.warn(f"Diagonal number {1 + int(np.argwhere(diagonal == 0)[0, -1])} is exactly zero.", RuntimeWarning, 2)
    return lu, piv


def lu(a, permute_l=False, overwrite_a=False, check_finite=True, p_indices=False):
    """`a = p @ l @ u`: a permutation, a lower triangular matrix with ones on its diagonal, an upper triangular one.

    Parameters
    ----------
    a : array of shape (..., m, n)
    permute_l : give `p @ l` and `u` alone
    overwrite_a : accepted for SciPy's sake
    check_finite : raise for infinities and NaN (in plain arrays)
    p_indices : give the permutation as indices, so that `a = l[p] @ u`

    Returns
    -------
    p : array of shape (..., m, m), or (..., m) with `p_indices`; absent with `permute_l`
    l : array of shape (..., m, k), k = min(m, n)
    u : array of shape (..., k, n)

    Raises
    ------
    ValueError
        `a` is not finite.

    Notes
    -----
    The derivative is that of the decomposition with its pivots held fixed. It does not exist where a pivot is zero, unless
    that is the last one and m <= n.

    Examples
    --------
    >>> import chainrule as cr
    >>> p, l, u = cr.linalg.lu([[1.0, 2.0], [2.0, 8.0]])
    >>> l
    array([[1. , 0. ],
           [0.5, 1. ]])
    >>> u
    array([[ 2.,  8.],
           [ 0., -2.]])
    """
    packed, _, perm = _decomposed("lu", a, check_finite)
    lower, upper, _, _ = _factors(packed)
    back = _inverse(perm)
    if permute_l:
        return _rows(lower, back), upper
    if p_indices:
        return cast(back, np.dtype(np.int32)), lower, upper
    m = shape_of(perm)[-1]
    p = cast(expand_dims(back, -1) == np.arange(m), real_dtype(dtype_of(packed)))
    return p, lower, upper


def lu_solve(lu_and_piv, b, trans=0, overwrite_b=False, check_finite=True):
    """Solve `op(a) @ x = b`, given `lu_factor(a)`.

    Parameters
    ----------
    lu_and_piv : pair (lu, piv) as `lu_factor` gives it; derivatives flow into lu
    b : array of shape (n,) or (..., n, k)
    trans : 0 for `a` itself, 1 for its transpose, 2 for its conjugate transpose
    overwrite_b, check_finite : accepted for SciPy's sake

    Returns
    -------
    array of the shape of `b`, with the leading axes of both

    Raises
    ------
    LinAlgError
        `a` is singular.
    ShapeError
        `lu`, `piv` and `b` do not fit together.

    Examples
    --------
    >>> import chainrule as cr
    >>> factor = cr.linalg.lu_factor([[1.0, 2.0], [2.0, 8.0]])
    >>> cr.linalg.lu_solve(factor, [3.0, 10.0])
    array([1., 1.])
    """
    packed, piv = lu_and_piv
    (packed,) = matrices("lu_solve", packed)
    check_square("lu_solve", packed)
    if trans not in TRANS:
        raise ValueError(f"lu_solve: trans must be 0, 1 or 2, not {trans!r}")
    piv, b = as_value(piv), as_value(b)
    if shape_of(piv)[-1:] != shape_of(packed)[-1:]:
        raise LinAlgError(
            explain(
                "lu_solve: as many pivots as rows are needed",
                f"lu: {shape_of(packed)}    piv: {shape_of(piv)}",
                help="pass what lu_factor gave for a square matrix",
            )
        )
    dtype = linalg_dtype(dtype_of(packed), dtype_of(b))
    packed = cast(packed, dtype)
    columns, vector = right_side("lu_solve", packed, cast(b, dtype))
    op, perm = TRANS[trans], _permutation(piv)
    if op == "N":
        y = _left(packed, _aligned_rows(columns, perm))
        return without_column(_triangular_solve(packed, y, lower=False, trans="N", unit_diagonal=False), vector)
    y = _triangular_solve(packed, columns, lower=False, trans=op, unit_diagonal=False)
    return without_column(_aligned_rows(_left(packed, y, op), _inverse(perm)), vector)


def _aligned_rows(x, perm):
    """Rows in another order; leading axes broadcast."""
    lead = np.broadcast_shapes(shape_of(x)[:-2], shape_of(perm)[:-1])
    if shape_of(x)[:-2] != lead:
        x = x + np.zeros((*lead, 1, 1), dtype_of(x))
    if ndim_of(perm) < ndim_of(x) - 1 or shape_of(perm)[:-1] != lead:
        perm = perm + np.zeros((*lead, 1), np.intp)
    return _rows(x, perm)
