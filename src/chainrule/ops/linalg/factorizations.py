"""Factors of a matrix that its rows and columns determine: Cholesky's and QR."""

import numpy as np

from ...core.aval import Aval
from ...core.derivative import Pair
from ...core.lowering import Call
from ...core.primitive import primitive
from ...core.value import dtype_of, shape_of
from ...errors import UnsupportedError, explain
from ..elementwise import imag
from ..joining import concatenate
from ..shaping import cast
from .matrices import (
    adjoint,
    batch_of_matrices,
    lower_part,
    masked,
    matrices,
    product,
    real_dtype,
    reflected,
    split_gradient,
    square_matrix,
)
from .triangular import _triangular_solve

QRResult = type(np.linalg.qr(np.eye(1)))

# --- Cholesky -----------------------------------------------------------------------------------------------------------


def _half(x):
    """The lower triangle with half of the diagonal: what x = phi + phi^H gives for lower triangular phi."""
    half = np.tri(shape_of(x)[-1], dtype=real_dtype(dtype_of(x)))
    half[np.diag_indices(len(half))] = 0.5
    return x * half


def _from_left(factor, x, trans):
    return _triangular_solve(factor, x, lower=True, trans=trans, unit_diagonal=False)


def _cholesky_jvp(t, out, upper):
    inner = _from_left(out, adjoint(_from_left(out, adjoint(reflected(t, upper)), "N")), "N")
    return product(out, _half(inner))


def _cholesky_vjp(g, out, upper):
    inner = _half(product(adjoint(out), g))
    left = _from_left(out, inner, "C")
    return split_gradient(adjoint(_from_left(out, adjoint(left), "C")), upper)


@primitive(
    derivative=[Pair(_cholesky_jvp, _cholesky_vjp)],
    aval=lambda a, upper: a,
    batch=batch_of_matrices(lambda: _cholesky),
    lower=Call(),
    name="cholesky",
)
def _cholesky(a, *, upper):
    """The lower triangular factor of the Hermitian matrix of which a holds one triangle.

    Derivative: I. Murray, Differentiation of the Cholesky decomposition, arXiv:1602.07527, section 3.
    """
    if upper:
        a = np.conj(np.swapaxes(a, -1, -2))
    return np.linalg.cholesky(a)


def cholesky(a, /, *, upper=False):
    """Lower triangular `l` with `a = l @ l^H`, for Hermitian positive definite matrices.

    Parameters
    ----------
    a : array of shape (..., n, n); only the lower triangle is read, or with `upper` the upper one
    upper : give the upper triangular factor `l^H` instead

    Returns
    -------
    array of the shape of `a`

    Raises
    ------
    LinAlgError
        A matrix is not positive definite, or not square.

    Notes
    -----
    The derivative is that of what is computed: in the triangle that is read. An element below the diagonal stands for its
    mirror image too, so its part of the gradient is twice what PyTorch and JAX give, which spread it evenly over both;
    derivatives with respect to whatever a symmetric `a` was made from are the same. `cholesky((a + a.T) / 2)` has PyTorch's
    gradient.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.cholesky([[4.0, 2.0], [2.0, 2.0]])
    array([[2., 0.],
           [1., 1.]])
    """
    out = _cholesky(square_matrix("cholesky", a), upper=bool(upper))
    return adjoint(out) if upper else out


def cho_factor(a, lower=False, overwrite_a=False, check_finite=True):
    """Factor of a Hermitian positive definite matrix for `cho_solve`, and whether it is the lower one.

    Only that triangle of `a` is read. SciPy leaves the other one as it is; here it is 0. The other arguments are accepted for
    SciPy's sake.

    >>> import chainrule as cr
    >>> cr.linalg.cho_factor([[4.0, 2.0], [2.0, 2.0]], lower=True)
    (array([[2., 0.],
           [1., 1.]]), True)
    """
    return cholesky(a, upper=not lower), bool(lower)


# --- QR -----------------------------------------------------------------------------------------------------------------


def _over_r(x, r):
    """x r^-1"""
    return adjoint(_triangular_solve(r, adjoint(x), lower=False, trans="C", unit_diagonal=False))


def _over_adjoint_of_r(x, r):
    """x r^-H"""
    return adjoint(_triangular_solve(r, adjoint(x), lower=False, trans="N", unit_diagonal=False))


def _imaginary_diagonal(x):
    """i times the imaginary part of the diagonal: none for real x."""
    if dtype_of(x).kind != "c":
        return 0 * x
    return masked(cast(imag(x), dtype_of(x)) * 1j, np.eye(shape_of(x)[-1], dtype=bool))


def _skew_of_lower(x):
    """The skew-Hermitian matrix with the strictly lower triangle of x, and the imaginary part of its diagonal."""
    low = lower_part(x, -1)
    return low - adjoint(low) + _imaginary_diagonal(x)


def _qr_jvp(t, out):
    full, r = out
    n = shape_of(r)[-1]
    q, rest = full[..., :n], full[..., n:]
    r = r[..., :n, :]
    scaled = _over_r(t, r)
    inside = product(adjoint(q), scaled)
    turn = _skew_of_lower(inside)
    dq = product(q, turn) + scaled - product(q, inside)
    dr = product(inside - turn, r)
    if shape_of(full)[-1] == n:
        return [dq, dr]
    # The basis of what is left turns as little as it can: only as q leans into it.
    drest = -product(q, adjoint(product(adjoint(rest), scaled)))
    return [concatenate([dq, drest], -1), concatenate([dr, 0 * out[1][..., n:, :]], -2)]


def _qr_vjp(g, out):
    full, r = out
    gfull, gr = g
    n = shape_of(r)[-1]
    q, rest = full[..., :n], full[..., n:]
    r = r[..., :n, :]
    inside, outside = 0, 0
    if gr is not None:
        inside = product(gr[..., :n, :], adjoint(r))
    turn = -inside
    if gfull is not None:
        gq, grest = gfull[..., :n], gfull[..., n:]
        along = product(adjoint(q), gq)
        turn = along + turn
        outside = gq - product(q, along)
        if shape_of(full)[-1] > n:
            outside = outside - product(rest, adjoint(product(adjoint(q), grest)))
    # The adjoint of _skew_of_lower.
    inside = inside + lower_part(turn - adjoint(turn), -1) + _imaginary_diagonal(turn)
    return _over_adjoint_of_r(product(q, inside) + outside, r)


def _qr_avals(a, complete):
    m, n = a.shape[-2:]
    k = m if complete else n
    return Aval((*a.shape[:-1], k), a.dtype), Aval((*a.shape[:-2], k, n), a.dtype)


@primitive(
    derivative=[Pair(_qr_jvp, _qr_vjp)],
    aval=_qr_avals,
    batch=batch_of_matrices(lambda: _qr),
    lower=Call(),
    name="qr",
    several=True,
)
def _qr(a, *, complete):
    """Factors q, r of a tall or square matrix: q with orthonormal columns, as many as a has or as it has rows."""
    return tuple(np.linalg.qr(a, mode="complete" if complete else "reduced"))


def qr(a, mode="reduced"):
    """Factors of `a = q @ r`: `q` has orthonormal columns, `r` is upper triangular.

    Parameters
    ----------
    a : array of shape (..., m, n)
    mode : 'reduced' (k = min(m, n) columns of `q`), 'complete' (m columns), 'r' (only `r`), or 'raw' (what LAPACK leaves,
        not for Tensors)

    Returns
    -------
    QRResult, a named tuple of `Q` of shape (..., m, k) and `R` of shape (..., k, n); only `R` in mode 'r'

    Raises
    ------
    LinAlgError
        A derivative is asked for where the first min(m, n) columns of `a` are linearly dependent: there is none.

    Notes
    -----
    In mode 'complete' the last m - n columns of `q` are any basis of what `a` leaves free. Functions that do not depend on the
    choice, such as those of the projection on these columns, have right derivatives of all orders.

    Examples
    --------
    >>> import chainrule as cr
    >>> q, r = cr.linalg.qr([[3.0, 1.0], [4.0, 2.0]])
    >>> np.allclose(q @ r, [[3, 1], [4, 2]])
    True
    >>> cr.linalg.qr([[3.0], [4.0]], mode="r")
    array([[-5.]])
    """
    (a,) = matrices("qr", a)
    if mode == "raw":
        if not isinstance(a, np.ndarray):
            raise UnsupportedError(
                explain(
                    "qr: mode 'raw' of a Tensor", help="use mode 'reduced' or 'complete', which give the factors themselves"
                )
            )
        return np.linalg.qr(a, mode)
    if mode not in ("reduced", "complete", "r"):
        raise ValueError(f"Unrecognized mode '{mode}'")
    m, n = shape_of(a)[-2:]
    if m >= n:
        q, r = _qr(a, complete=mode == "complete")
    else:
        q, r = _qr(a[..., :m], complete=False)
        r = concatenate([r, product(adjoint(q), a[..., m:])], -1)
    return r if mode == "r" else QRResult(q, r)
