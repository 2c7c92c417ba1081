"""Linear equations, inverses and determinants."""

import itertools
import operator
import string

import numpy as np
from numpy.linalg import LinAlgError

from ...core.aval import Aval
from ...core.derivative import Linear, Pair
from ...core.lowering import Call
from ...core.primitive import primitive
from ...core.value import dtype_of, ndim_of, shape_of, size_of
from ...errors import ShapeError, explain
from ...names import torch_names
from ..elementwise import imag, real, where
from ..families import masked_multiply
from ..shaping import _sum, as_value, broadcast_to, cast, expand, pad_front, reshape, sum_to
from .matrices import (
    adjoint,
    batch_of_matrices,
    check_square,
    conj,
    count,
    linalg_dtype,
    lower_part,
    masked,
    matrices,
    product,
    real_dtype,
    reflected,
    square_matrix,
    transposed,
    upper_part,
)
from .triangular import right_side, without_column

SlogdetResult = type(np.linalg.slogdet(np.eye(1)))
MATRIX = (-2, -1)


# --- solve and inv ----------------------------------------------------------------------------------------------------


def _solution_aval(a, b):
    return Aval((*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), *b.shape[-2:]), np.result_type(a.dtype, b.dtype))


@primitive(
    derivative=[
        Pair(
            lambda t, a, out: -_solve(a, product(t, out)),
            lambda g, a, out, in_shape: sum_to(-product(_solve(adjoint(a), g), adjoint(out)), in_shape),
        ),
        Linear(lambda g, a, in_shape: sum_to(_solve(adjoint(a), g), in_shape)),
    ],
    aval=_solution_aval,
    batch=batch_of_matrices(lambda: _solve),
    lower=Call(),
    name="solve",
)
def _solve(a, b):
    """x with a x = b, for matrices b."""
    if count(a.shape) == 1 and b.ndim > 2 and b.size:  # one matrix: all right-hand sides stand side by side
        n, k = b.shape[-2:]
        x = np.linalg.solve(a.reshape(n, n), np.moveaxis(b, -2, 0).reshape(n, -1))
        lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        return np.moveaxis(x.reshape(n, *b.shape[:-2], k), 0, -2).reshape(*lead, n, k)
    return np.linalg.solve(a, b)


def _inv_of(a, infinite):
    if not infinite:
        return np.linalg.inv(a)
    try:
        return np.linalg.inv(a)
    except LinAlgError:
        flat = a.reshape(-1, *a.shape[-2:])
        out = np.full_like(flat, np.inf)
        for i, m in enumerate(flat):
            if np.linalg.slogdet(m)[0] != 0:
                out[i] = np.linalg.inv(m)
        return out.reshape(a.shape)


@primitive(
    derivative=[
        Pair(
            lambda t, out: -product(out, t, out),
            lambda g, out: -product(adjoint(out), g, adjoint(out)),
        )
    ],
    aval=lambda a, infinite: a,
    batch=batch_of_matrices(lambda: _inv),
    lower=Call(),
    name="inv",
)
def _inv(a, *, infinite):
    """The inverse. That of a singular matrix is infinite everywhere, or an error."""
    return _inv_of(a, infinite)


def solve(a, b, lower=False, overwrite_a=False, overwrite_b=False, check_finite=True, assume_a=None, transposed=False):
    """Solve `a @ x = b`.

    Parameters
    ----------
    a : array of shape (..., n, n)
    b : array of shape (n,) or (..., n, k); leading axes of both broadcast. Only with one axis is it a vector (as in NumPy 2).
    assume_a : SciPy's: 'gen', or 'sym', 'her', 'pos' for symmetric, Hermitian and positive definite matrices, and 'lower
        triangular', 'upper triangular', 'diagonal', 'tridiagonal': of these only that part of `a` is read
    lower : with 'sym', 'her' and 'pos', whether it is the lower triangle that is read
    transposed : solve `a.T @ x = b`
    overwrite_a, overwrite_b, check_finite : accepted for SciPy's sake

    Returns
    -------
    array of the shape of `b`, with the leading axes of both

    Raises
    ------
    LinAlgError
        `a` is singular or not square.
    ShapeError
        `a` and `b` do not fit together.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.solve([[2.0, 0.0], [0.0, 4.0]], [2.0, 2.0])
    array([1. , 0.5])
    >>> cr.grad(lambda d: cr.linalg.solve(cr.diag(d), np.ones(2)).sum())(np.array([1.0, 2.0]))
    array([-1.  , -0.25])
    """
    a, b = square_matrix("solve", a), as_value(b)
    if assume_a not in (None, "gen", "general"):
        a = _assumed(a, assume_a, lower)
    a = _turned(a) if transposed else a
    dtype = linalg_dtype(dtype_of(a), dtype_of(b))
    columns, vector = right_side("solve", a, cast(b, dtype))
    return without_column(_solve(cast(a, dtype), columns), vector)


_turned = transposed  # of which `solve` has an argument of that name


def _assumed(a, kind, lower):
    """The matrix that is meant by the part of `a` that SciPy reads for this kind."""
    n = shape_of(a)[-1]
    if kind in ("her", "hermitian", "pos", "positive definite"):
        return reflected(a, upper=not lower)
    if kind in ("sym", "symmetric"):
        part = lower_part(a) if lower else upper_part(a)
        return part + transposed(masked(part, ~np.eye(n, dtype=bool)))
    parts = {
        "lower triangular": np.tri(n, dtype=bool),
        "upper triangular": np.tri(n, dtype=bool).T,
        "diagonal": np.eye(n, dtype=bool),
        "tridiagonal": np.tri(n, k=1, dtype=bool) & np.tri(n, k=1, dtype=bool).T,
    }
    if kind not in parts:
        raise ValueError(f"{kind} is not a recognized matrix structure")
    return masked(a, parts[kind])


def inv(a, overwrite_a=False, check_finite=True):
    """Inverse of square matrices, an array of shape (..., n, n). The other arguments are accepted for SciPy's sake.

    Raises
    ------
    LinAlgError
        A matrix is singular or not square.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.inv([[2.0, 0.0], [0.0, 4.0]])
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    return _inv(square_matrix("inv", a), infinite=False)


# --- determinants -----------------------------------------------------------------------------------------------------


def _cofactors_batch(args, batched, params):
    ndim = 1 + max(ndim_of(x) - b for x, b in zip(args, batched, strict=True))
    return _cofactors(*(pad_front(x, ndim) if b else x for x, b in zip(args, batched, strict=True)))


def _directions_jvp(t, a, directions, i):
    return _cofactors(a, *(t if j == i - 1 else x for j, x in enumerate(directions)))


def _directions_vjp(g, a, directions, i, in_shape):
    return sum_to(conj(_directions_jvp(conj(g), a, directions, i)), in_shape)


@primitive(
    derivative=[
        Pair(
            lambda t, a, directions: _cofactors(a, *directions, t),
            lambda g, a, directions, in_shape: sum_to(conj(_cofactors(a, *directions, conj(g))), in_shape),
        ),
        Pair(_directions_jvp, _directions_vjp),
    ],
    aval=lambda *xs: Aval(np.broadcast_shapes(*(x.shape for x in xs)), np.result_type(*(x.dtype for x in xs))),
    batch=_cofactors_batch,
    lower=Call(),
    name="cofactors",
)
def _cofactors(a, *directions):
    """Gradient in a of the derivative of det(a) along the directions; without any, the matrix of cofactors.

    det(U (S + X) V^H) is a polynomial in X, whose coefficients are products of singular values in S. So this is exact at
    singular matrices too, and is a row of its own: derivatives of all orders are the same row with more directions.
    """
    xs = np.broadcast_arrays(a, *directions)
    dtype = np.result_type(*xs)
    a, directions = xs[0].astype(dtype, copy=False), xs[1:]
    if 0 in a.shape:
        return np.zeros(a.shape, dtype)
    if not directions and (found := _cofactors_by_inverse(a)) is not None:
        return found
    bad = ~np.isfinite(a).all(MATRIX, keepdims=True)
    u, s, vh = np.linalg.svd(np.where(bad, 0, a))
    turned = [np.conj(np.swapaxes(u, -1, -2)) @ x @ np.conj(np.swapaxes(vh, -1, -2)) for x in directions]
    inner = _diagonal_cofactors(s, turned).astype(dtype, copy=False)
    phase = (np.linalg.det(u) * np.linalg.det(vh))[..., None, None]
    return np.where(bad, np.nan, phase * (np.conj(u) @ inner @ np.conj(vh))).astype(dtype, copy=False)


def _cofactors_by_inverse(a):
    """det(a) times the transposed inverse, which is several times sooner; None unless all matrices are well-conditioned."""
    with np.errstate(all="ignore"):
        try:
            inverse = np.linalg.inv(a)
        except np.linalg.LinAlgError:
            return None
        condition = np.abs(a).sum(-2).max(-1) * np.abs(inverse).sum(-2).max(-1)
        out = np.linalg.det(a)[..., None, None] * np.swapaxes(inverse, -1, -2)
    exact = (condition < np.finfo(a.dtype).eps ** -0.25).all() and np.isfinite(out).all()
    return out if exact and np.abs(out).max(initial=0) > np.finfo(a.dtype).tiny ** 0.5 else None


def _diagonal_cofactors(s, xs):
    """The same for a diagonal matrix. With p - 1 directions it is a sum over all p-tuples of different rows and all their
    permutations: of the product of the other diagonal elements, times one element of each direction."""
    n, p = s.shape[-1], len(xs) + 1
    others = _products_of_others(s, p)
    out = np.zeros((*s.shape[:-1], n, n), np.result_type(s, *xs))
    diagonal = np.einsum("...ii->...i", out)
    names = string.ascii_letters[:p]
    for order in itertools.permutations(range(p)):
        sign = round(np.linalg.det(np.eye(p)[list(order)]))
        terms = ",".join(["..." + names, *(f"...{names[i]}{names[order[i]]}" for i in range(p - 1))])
        if order[-1] == p - 1:
            diagonal += sign * np.einsum(f"{terms}->...{names[-1]}", others, *xs)
        else:
            out += sign * np.einsum(f"{terms}->...{names[-1]}{names[order[-1]]}", others, *xs)
    return out


def _products_of_others(s, p):
    """For all p-tuples of different positions the product of s elsewhere, as an array with p more axes."""
    n = s.shape[-1]
    zeros = s == 0
    size = np.where(zeros, 1, s)
    exponent = np.rint(np.log2(size).mean(-1, keepdims=True)).astype(int)
    size = np.ldexp(size, -exponent)  # of geometric mean 1, so that their product does not overflow before the result does
    out = np.prod(size, axis=-1).reshape(*s.shape[:-1], *(1,) * p)
    missing = zeros.sum(-1).reshape(*s.shape[:-1], *(1,) * p)
    different = np.ones((n,) * p, bool)
    along = [(*(1,) * i, n, *(1,) * (p - 1 - i)) for i in range(p)]
    for shape in along:
        out = out / size.reshape(*s.shape[:-1], *shape)
        missing = missing - zeros.reshape(*s.shape[:-1], *shape)
    for one, other in itertools.combinations(along, 2):
        different &= np.arange(n).reshape(one) != np.arange(n).reshape(other)
    with np.errstate(over="ignore", under="ignore"):
        return np.ldexp(out * (different & (missing == 0)), (n - p) * exponent.reshape(*s.shape[:-1], *(1,) * p))


@primitive(
    derivative=[
        Pair(
            lambda t, a: _sum(_cofactors(a) * t, axes=(ndim_of(a) - 2, ndim_of(a) - 1)),
            lambda g, a: expand(g, (ndim_of(a) - 2, ndim_of(a) - 1)) * conj(_cofactors(a)),
        )
    ],
    aval=lambda a: Aval(a.shape[:-2], a.dtype),
    batch=batch_of_matrices(lambda: _det),
    lower=Call(),
    name="det",
)
def _det(a):
    """The determinant."""
    return np.linalg.det(a)


def _slogdet_jvp(t, a, out):
    n = ndim_of(a)
    rate = _sum(masked_multiply(transposed(t), transposed(transposed(_inv(a, infinite=True)))), axes=(n - 2, n - 1))
    if dtype_of(a).kind == "c":
        return [out[0] * (1j * imag(rate)), real(rate)]
    return [0 * out[0], rate]


def _slogdet_vjp(g, a, out):
    of_sign, weight = g
    n = ndim_of(a)
    if dtype_of(a).kind == "c" and of_sign is not None:
        turned = imag(conj(of_sign) * out[0]) * -1j  # in this order: Python's complex * np.float64 is Python's complex
        weight = turned if weight is None else weight + turned
    if weight is None:
        return 0 * a
    return masked_multiply(broadcast_to(expand(weight, (n - 2, n - 1)), shape_of(a)), adjoint(_inv(a, infinite=True)))


@primitive(
    derivative=[Pair(_slogdet_jvp, _slogdet_vjp)],
    aval=lambda a: (Aval(a.shape[:-2], a.dtype), Aval(a.shape[:-2], real_dtype(a.dtype))),
    batch=batch_of_matrices(lambda: _slogdet),
    lower=Call(),
    name="slogdet",
    several=True,
)
def _slogdet(a):
    """The sign of the determinant and the logarithm of its size."""
    return tuple(np.linalg.slogdet(a))


def det(a, overwrite_a=False, check_finite=True):
    """Determinant of square matrices, an array of shape (..., n, n). The other arguments are accepted for SciPy's sake.

    All derivatives are those of the polynomial that the determinant is, at singular matrices too.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.det([[1.0, 2.0], [0.0, 1.0]])
    np.float64(1.0)
    >>> cr.grad(cr.linalg.det)(np.array([[0.0, 0.0], [0.0, 4.0]]))
    array([[4., 0.],
           [0., 0.]])
    """
    return _det(square_matrix("det", a))


def slogdet(a):
    """Sign of the determinant and logarithm of its absolute value, which neither over- nor underflows.

    Parameters
    ----------
    a : array of shape (..., n, n)

    Returns
    -------
    SlogdetResult, a named tuple of `sign` (of a complex matrix, a number of absolute value 1) and `logabsdet`

    Notes
    -----
    For a singular matrix these are 0 and -inf, and the derivative of the latter is infinite.

    Examples
    --------
    >>> import chainrule as cr
    >>> sign, logabsdet = cr.linalg.slogdet([[2.0, 0.0], [0.0, -0.5]])
    >>> sign, logabsdet
    (np.float64(-1.0), np.float64(0.0))
    """
    return SlogdetResult(*_slogdet(square_matrix("slogdet", a)))


# --- products, powers and tensors -------------------------------------------------------------------------------------


def matrix_power(a, n):
    """Square matrices multiplied with themselves; for negative `n` their inverses, for 0 the identity.

    Parameters
    ----------
    a : array of shape (..., m, m)
    n : int

    Raises
    ------
    LinAlgError
        `a` is not square, or singular and `n` negative.
    TypeError
        `n` is not an integer.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.matrix_power([[1, 1], [0, 1]], 5)
    array([[1, 5],
           [0, 1]])
    >>> cr.linalg.matrix_power([[2.0]], -2)
    array([[0.25]])
    """
    a = as_value(a)
    if ndim_of(a) < 2:
        matrices("matrix_power", a)
    check_square("matrix_power", a)
    try:
        n = operator.index(n)
    except TypeError as e:
        raise TypeError("exponent must be an integer") from e
    if n == 0:
        return where(np.eye(shape_of(a)[-1], dtype=bool), np.ones((), dtype_of(a)), masked(a, False))
    if n < 0:
        a, n = inv(a), -n
    out = None
    while n:
        if n % 2:
            out = a if out is None else product(out, a)
        n //= 2
        a = product(a, a) if n else a
    return out


def multi_dot(arrays):
    """Product of two or more matrices, in the order that takes fewest multiplications.

    Parameters
    ----------
    arrays : list of matrices; the first and the last may be vectors

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.multi_dot([np.ones(3), np.ones((3, 4)), np.ones((4, 2))])
    array([12., 12.])
    """
    arrays = [as_value(x) for x in arrays]
    if len(arrays) < 2:
        raise ValueError("Expecting at least two arrays.")
    row, column = ndim_of(arrays[0]) == 1, ndim_of(arrays[-1]) == 1
    if row:
        arrays[0] = expand(arrays[0], (0,))
    if column:
        arrays[-1] = expand(arrays[-1], (1,))
    for x in arrays:
        if ndim_of(x) != 2:
            raise LinAlgError(f"{ndim_of(x)}-dimensional array given. Array must be two-dimensional")
    shapes = [shape_of(x) for x in arrays]
    if any(p[1] != q[0] for p, q in itertools.pairwise(shapes)):
        raise ShapeError(
            explain(
                "multi_dot: the columns of a matrix must be as many as the rows of the next",
                f"shapes: {', '.join(map(str, shapes))}",
                help="transpose the one that is turned round",
            )
        )
    result = _chain(arrays, _best_splits([s[0] for s in shapes] + [shapes[-1][1]]), 0, len(arrays) - 1)
    kept = tuple(n for n, gone in zip(shape_of(result), (row, column), strict=True) if not gone)
    result = reshape(result, kept) if row or column else result
    return result[()] if kept == () else result


def _best_splits(sizes):
    """Where to split the product of matrices i to j, by the dynamic programme of Cormen et al., Introduction to Algorithms,
    section 14.2."""
    n = len(sizes) - 1
    cost, split = {(i, i): 0 for i in range(n)}, {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i, j], split[i, j] = min(
                (cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)
            )
    return split


def _chain(arrays, split, i, j):
    if i == j:
        return arrays[i]
    k = split[i, j]
    return product(_chain(arrays, split, i, k), _chain(arrays, split, k + 1, j))


@torch_names
def tensorsolve(a, b, axes=None):
    """Solve `tensordot(a, x, x.ndim) = b` for `x`.

    Parameters
    ----------
    a : array of shape (*b.shape, *q), square in the sense that both parts have the same number of elements
    b : array
    axes : axes of `a` to move to its end first

    Returns
    -------
    array of shape q

    Examples
    --------
    >>> import chainrule as cr
    >>> a = np.eye(6).reshape(6, 2, 3)
    >>> cr.linalg.tensorsolve(a, np.arange(6.0))
    array([[0., 1., 2.],
           [3., 4., 5.]])
    """
    a, b = as_value(a), as_value(b)
    if axes is not None:
        others = [k for k in range(ndim_of(a)) if k not in axes]
        a = a.transpose((*others, *axes))
    q = shape_of(a)[ndim_of(b) :]
    n = 1
    for k in q:
        n *= k
    if size_of(a) != n * n:
        raise LinAlgError(
            explain(
                "Input arrays must satisfy the requirement prod(a.shape[b.ndim:]) == prod(a.shape[:b.ndim])",
                f"tensorsolve: a: {shape_of(a)}    b: {shape_of(b)}",
                help="`axes` moves axes of `a` to its end",
            )
        )
    return reshape(solve(reshape(a, (n, n)), reshape(b, (-1,))), q)


def tensorinv(a, ind=2):
    """Inverse of `a` for `tensordot` over its first `ind` axes.

    Parameters
    ----------
    a : array whose first `ind` axes hold as many elements as the others
    ind : int, at least 1

    Returns
    -------
    array of shape (*a.shape[ind:], *a.shape[:ind])

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.tensorinv(np.eye(6).reshape(6, 2, 3), ind=1).shape
    (2, 3, 6)
    """
    a = as_value(a)
    if ind <= 0:
        raise ValueError("Invalid ind argument.")
    shape = shape_of(a)
    n = int(np.prod(shape[ind:]))
    return reshape(inv(reshape(a, (n, -1))), (*shape[ind:], *shape[:ind]))
