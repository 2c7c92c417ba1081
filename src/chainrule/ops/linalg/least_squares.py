"""Least squares: pseudo-inverses and solutions of systems with more or fewer equations than unknowns."""

from typing import Any, NamedTuple

import numpy as np
from numpy.linalg import LinAlgError

from ...core.aval import Aval
from ...core.derivative import Pair, zero
from ...core.lowering import Call
from ...core.primitive import primitive
from ...core.value import dtype_of, ndim_of, shape_of
from ...errors import explain
from ..elementwise import absolute, square
from ..shaping import _sum, as_value, cast, expand, pad_front, sum_to
from .matrices import (
    adjoint,
    batch_of_matrices,
    check_square,
    known,
    linalg_dtype,
    matrices,
    product,
    real_dtype,
    reflected,
    split_gradient,
)
from .spectral import svdvals
from .triangular import without_column


def _pinv_jvp(t, a, out, hermitian):
    a, t = (reflected(a), reflected(t)) if hermitian else (a, t)
    back = adjoint(t)
    moved = product(out, t, out)
    left = product(product(out, adjoint(out)), back - product(product(back, a), out))
    right = product(back - product(out, product(a, back)), product(adjoint(out), out))
    return left + right - moved


def _pinv_vjp(g, a, out, in_shape, hermitian):
    a = reflected(a) if hermitian else a
    p, ph, gh = out, adjoint(out), adjoint(g)
    left = product(gh - product(a, p, gh), product(p, ph))
    right = product(product(ph, p), gh - product(gh, p, a))
    whole = left + right - product(ph, g, ph)
    return sum_to(split_gradient(whole) if hermitian else whole, in_shape)


def _pinv_batch(args, batched, params):
    a, rcond = args
    lead = max(ndim_of(a) - batched[0] - 2, ndim_of(rcond) - batched[1])
    a = pad_front(a, lead + 3) if batched[0] else a
    return _pinv(a, pad_front(rcond, lead + 1) if batched[1] else rcond, **params)


@primitive(
    derivative=[Pair(_pinv_jvp, _pinv_vjp), zero],
    aval=lambda a, rcond, hermitian: Aval((*np.broadcast_shapes(a.shape[:-2], rcond.shape), a.shape[-1], a.shape[-2]), a.dtype),
    batch=_pinv_batch,
    lower=Call(),
    name="pinv",
)
def _pinv(a, rcond, *, hermitian):
    """The pseudo-inverse; singular values that are at most rcond times the largest count as 0.

    Derivative: G. H. Golub and V. Pereyra, The differentiation of pseudo-inverses and nonlinear least squares problems whose
    variables separate (1973), section 4, for matrices whose rank does not change.
    """
    lead = np.broadcast_shapes(a.shape[:-2], np.shape(rcond))
    if 0 in a.shape:
        return np.zeros((*lead, a.shape[-1], a.shape[-2]), a.dtype)
    a = np.broadcast_to(a, (*lead, *a.shape[-2:]))
    out = np.linalg.pinv(a, rcond=np.asarray(rcond, real_dtype(a.dtype)), hermitian=hermitian)
    return out.astype(a.dtype, copy=False)


_DEFAULT = object()


def pinv(a, rcond=None, hermitian=False, *, rtol=_DEFAULT):
    """Moore-Penrose pseudo-inverse.

    Parameters
    ----------
    a : array of shape (..., m, n)
    rcond : number, or array of the shape (...); singular values that are at most this times the largest count as 0.
        Default 1e-15.
    hermitian : whether `a` is Hermitian; then only its lower triangle is read
    rtol : the Array API's name for `rcond`; None means max(m, n) times the machine precision

    Returns
    -------
    array of shape (..., n, m)

    Notes
    -----
    The derivative is that of matrices of the same rank: the pseudo-inverse is not continuous where the rank changes. Singular
    values that count as 0 count as 0 for it too.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.pinv([[2.0, 0.0], [0.0, 0.0]])
    array([[0.5, 0. ],
           [0. , 0. ]])
    """
    (a,) = matrices("pinv", a)
    if hermitian:
        check_square("pinv", a)
    if rtol is not _DEFAULT and rcond is not None:
        raise ValueError("`rtol` and `rcond` can't be both set.")
    if rcond is None:
        rcond = 1e-15 if rtol is _DEFAULT else rtol
    if rcond is None:
        rcond = max(shape_of(a)[-2:], default=0) * np.finfo(dtype_of(a)).eps
    return _pinv(a, as_value(rcond), hermitian=bool(hermitian))


def _lstsq_terms(a, b, x, rcond):
    p = _pinv(a, np.asarray(rcond), hermitian=False)
    return p, b - product(a, x)


def _lstsq_matrix_jvp(t, a, b, out, rcond):
    x = out[0]
    p, residual = _lstsq_terms(a, b, x, rcond)
    back = adjoint(t)
    along = product(back, product(adjoint(p), x))
    inside = product(adjoint(p), product(back, residual)) - product(t, x)
    return [product(p, inside) + along - product(p, product(a, along)), 0 * out[1]]


def _lstsq_matrix_vjp(g, a, b, out, rcond, in_shape):
    x, g = out[0], g[0]
    p, residual = _lstsq_terms(a, b, x, rcond)
    pg = product(adjoint(p), g)
    free = g - product(p, product(a, g))
    parts = product(residual, adjoint(product(p, pg))) + product(product(adjoint(p), x), adjoint(free))
    return sum_to(parts - product(pg, adjoint(x)), in_shape)


def _lstsq_side_jvp(t, a, out, rcond):
    return [product(_pinv(a, np.asarray(rcond), hermitian=False), t), 0 * out[1]]


def _lstsq_side_vjp(g, a, rcond, in_shape):
    return sum_to(product(adjoint(_pinv(a, np.asarray(rcond), hermitian=False)), g[0]), in_shape)


def _lstsq_avals(a, b, rcond):
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return Aval((*lead, a.shape[-1], b.shape[-1]), np.result_type(a.dtype, b.dtype)), Aval(lead, np.dtype(np.intp))


@primitive(
    derivative=[Pair(_lstsq_matrix_jvp, _lstsq_matrix_vjp), Pair(_lstsq_side_jvp, _lstsq_side_vjp)],
    aval=_lstsq_avals,
    batch=batch_of_matrices(lambda: _lstsq),
    lower=Call(),
    name="lstsq",
    several=True,
)
def _lstsq(a, b, *, rcond):
    """The shortest of the x that make a x - b shortest, and the rank of a."""
    solution, ranks = _lstsq_avals(a, b, rcond)
    x, rank = np.zeros(solution.shape, solution.dtype), np.zeros(ranks.shape, ranks.dtype)
    a, b = (np.broadcast_to(z, (*ranks.shape, *z.shape[-2:])) for z in (a, b))
    for i in np.ndindex(ranks.shape):
        x[i], _, rank[i], _ = np.linalg.lstsq(a[i], b[i], rcond=rcond)
    return x, rank[()]


def _arguments(a, b, rcond):
    """Checked arguments of `lstsq`: arrays of one dtype, and the number that `rcond` stands for."""
    a, b = as_value(a), as_value(b)
    if ndim_of(a) < 2 or ndim_of(b) < 1:
        raise LinAlgError(f"{min(ndim_of(a), ndim_of(b))}-dimensional array given. Array must be two-dimensional")
    if shape_of(a)[-2] != shape_of(b)[max(ndim_of(b) - 2, 0)]:
        raise LinAlgError(
            explain(
                "Incompatible dimensions",
                f"lstsq: a: {shape_of(a)}    b: {shape_of(b)}",
                help="`a` and `b` must have the same number of rows; of stacks, columns b are b[..., None]",
            )
        )
    dtype = linalg_dtype(dtype_of(a), dtype_of(b))
    if rcond is None:
        rcond = np.finfo(dtype).eps * max(shape_of(a)[-2:])
    elif rcond == -1:
        rcond = np.finfo(dtype).eps
    return cast(a, dtype), cast(b, dtype), float(rcond)


class LeastSquares(NamedTuple):
    """What `lstsq` gives, by PyTorch's names."""

    solution: Any
    residuals: Any
    rank: Any
    singular_values: Any


def lstsq(a, b, rcond=None):
    """The `x` that makes `a @ x - b` shortest; of several, the shortest.

    Parameters
    ----------
    a : array of shape (..., m, n)
    b : array of shape (m,) or (..., m, k); leading axes broadcast
    rcond : singular values of `a` that are at most this times the largest count as 0; default max(m, n) times the machine
        precision, which itself is meant by -1

    Returns
    -------
    A named tuple of

    x : array of shape (..., n) or (..., n, k); as an attribute, `solution`
    residuals : array of shape (..., 1) or (..., k), the squared lengths of `a @ x - b`; empty if the rank of a matrix is less
        than n, or m <= n
    rank : int, of `a`, or an array of them
    s : array of shape (..., min(m, n)), the singular values of `a`; as an attribute, `singular_values`

    Raises
    ------
    LinAlgError
        `a` and `b` do not fit together.

    Notes
    -----
    Stacks are more than NumPy takes. The derivative is that of matrices of the same rank; also where it is less than n. In vmap
    the rank may differ between entries: if m > n the residuals then are never empty.

    Examples
    --------
    >>> import chainrule as cr
    >>> x, residuals, rank, s = cr.linalg.lstsq(np.array([[1.0], [1.0]]), np.array([1.0, 2.0]))
    >>> np.round(x, 6), np.round(residuals, 6), rank
    (array([1.5]), array([0.5]), np.int32(1))
    """
    a, b, rcond = _arguments(a, b, rcond)
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and a.ndim == 2 and b.ndim <= 2:
        return LeastSquares(*np.linalg.lstsq(a, b, rcond))
    m, n = shape_of(a)[-2:]
    vector = ndim_of(b) == 1
    columns = expand(b, (1,)) if vector else b
    x, rank = _lstsq(a, columns, rcond=rcond)
    if m > n and known((rank == n).all()) is not False:
        residuals = _sum(square(absolute(columns - product(a, x))), axes=(ndim_of(x) - 2,))
    else:
        residuals = np.zeros((*shape_of(x)[:-2], 0), real_dtype(dtype_of(x)))
    return LeastSquares(without_column(x, vector), residuals, rank, svdvals(a))
