"""What SciPy does to matrices before it works with them: factors of indefinite ones, and balancing.

Both choose an order of rows and columns by the sizes of elements. The derivative is that of matrices for which the same choice
is made; where two are equally good, it jumps.
"""

import numpy as np

from ...core.aval import Aval
from ...core.derivative import Pair, zero
from ...core.lowering import Call
from ...core.primitive import primitive
from ...core.value import dtype_of, shape_of
from ..indexing import take_along_axis
from ..shaping import expand
from .matrices import adjoint, masked, product, reflected, split_gradient, square_matrix, transposed
from .stacks import over_stack, scipy_linalg
from .systems import _inv, solve

# --- l d l^H ----------------------------------------------------------------------------------------------------------------


def _reflected(a, hermitian, lower):
    """The matrix of which `a` holds one triangle."""
    if hermitian or dtype_of(a).kind != "c":
        return reflected(a, upper=not lower)
    part = masked(a, _beside(a, lower))
    return part + transposed(part) + masked(a, np.eye(shape_of(a)[-1], dtype=bool))


def _split(g, hermitian, lower):
    """The transpose of `_reflected`."""
    if hermitian or dtype_of(g).kind != "c":
        return split_gradient(g, upper=not lower)
    return masked(g + transposed(g), _beside(g, lower)) + masked(g, np.eye(shape_of(g)[-1], dtype=bool))


def _beside(x, lower):
    """Where a triangle is that does not hold the diagonal."""
    below = np.tri(shape_of(x)[-1], k=-1, dtype=bool)
    return below if lower else below.T


def _other_side(x, hermitian):
    return adjoint(x) if hermitian else transposed(x)


def _beside_blocks(d, lower):
    """Where l is neither 0 nor 1: beside the diagonal, outside of the blocks of two, which d shows."""
    return _beside(d, lower) & (d == 0)


def _within_blocks(d):
    return (d != 0) | np.eye(shape_of(d)[-1], dtype=bool)


def _ldl_jvp(t, out, hermitian, lower):
    """With x = l^-1 t l^-H, which is w d + dd + d w^H: dl = l w, and w vanishes inside of the blocks."""
    lu, d, _ = out
    t = _reflected(t, hermitian, lower)
    x = _other_side(solve(lu, _other_side(solve(lu, t), hermitian)), hermitian)
    w = product(masked(x, _beside_blocks(d, lower)), _inv(d, infinite=True))
    return [product(lu, w), masked(x, _within_blocks(d)), None]


def _ldl_vjp(g, out, hermitian, lower):
    lu, d, _ = out
    g_x = d * 0 if g[1] is None else masked(g[1], _within_blocks(d))
    if g[0] is not None:
        g_w = product(adjoint(lu), g[0], adjoint(_inv(d, infinite=True)))
        g_x = g_x + masked(g_w, _beside_blocks(d, lower))
    outer = solve(adjoint(lu), g_x)
    whole = solve(adjoint(lu), adjoint(outer)) if hermitian else solve(adjoint(lu), transposed(outer))
    return _split(_other_side(whole, hermitian), hermitian, lower)


@primitive(
    derivative=[Pair(_ldl_jvp, _ldl_vjp)],
    aval=lambda a, hermitian, lower: (a, a, Aval(a.shape[:-1], np.dtype(np.int64))),
    batch=lambda args, batched, params: _ldl(*args, **params),
    lower=Call(),
    name="ldl",
    several=True,
)
def _ldl(a, *, hermitian, lower):
    """The factors of a Hermitian or symmetric matrix, of which one triangle is read, and the order that makes l triangular."""
    n = a.shape[-1]

    def one(a):
        return scipy_linalg("ldl")(a, lower, hermitian)

    return over_stack(one, a, out=[((n, n), a.dtype), ((n, n), a.dtype), ((n,), np.int64)])


def ldl(A, lower=True, hermitian=True, overwrite_a=False, check_finite=True):
    """Factors `A = lu @ d @ lu.conj().T` of a Hermitian matrix that need not be positive definite (Bunch and Kaufman).

    Parameters
    ----------
    A : array of shape (..., n, n); only one triangle of it is read
    lower : whether that is the lower one; it decides which triangle `lu` has, too
    hermitian : for complex `A`, whether it is Hermitian rather than symmetric, `A = lu @ d @ lu.T`
    overwrite_a, check_finite : accepted for SciPy's sake

    Returns
    -------
    lu : array of the shape of `A`; `lu[perm]` is triangular with ones on its diagonal
    d : array of the shape of `A`, with blocks of one or two on its diagonal
    perm : array of n whole numbers

    Raises
    ------
    LinAlgError
        `A` is not square.
    ValueError
        `A` is not finite.

    Notes
    -----
    The derivative is that of matrices with the same `perm` and the same blocks; of `lu`, infinite or NaN where `d` is singular.
    Of `lu @ d @ lu.conj().T` it is right in any case.

    Examples
    --------
    >>> import chainrule as cr
    >>> lu, d, perm = cr.linalg.ldl(np.array([[4.0, 2.0], [2.0, 3.0]]))
    >>> lu
    array([[1. , 0. ],
           [0.5, 1. ]])
    >>> cr.grad(lambda a: cr.linalg.ldl(a)[1][1, 1])(np.array([[4.0, 2.0], [2.0, 3.0]]))
    array([[ 0.25,  0.  ],
           [-1.  ,  1.  ]])
    """
    a = square_matrix("ldl", A)
    return _ldl(a, hermitian=bool(hermitian), lower=bool(lower))


# --- balancing --------------------------------------------------------------------------------------------------------------


@primitive(
    derivative=[zero],
    aval=lambda a, permute, scale: (
        Aval(a.shape[:-1], np.zeros((), a.dtype).real.dtype),
        Aval(a.shape[:-1], np.dtype(np.int64)),
    ),
    batch=lambda args, batched, params: _balance(*args, **params),
    lower=Call(),
    name="matrix_balance",
    several=True,
)
def _balance(a, *, permute, scale):
    """Powers of two, and the order of rows and columns, that make the sizes of a's rows and columns equal."""
    n, real = a.shape[-1], np.zeros((), a.dtype).real.dtype

    def one(a):
        _, (factors, order) = scipy_linalg("matrix_balance")(a, permute=permute, scale=scale, separate=True)
        return factors, order

    return over_stack(one, a, out=[((n,), real), ((n,), np.int64)])


def matrix_balance(A, permute=True, scale=True, separate=False, overwrite_a=False):
    """A matrix similar to `A` whose rows and columns have sizes of the same order: `B = inv(T) @ A @ T`.

    Parameters
    ----------
    A : array of shape (..., n, n)
    permute : whether rows and columns may change places, so that isolated eigenvalues come to the ends
    scale : whether they may be multiplied by powers of two
    separate : give T as its factors and the order of its rows
    overwrite_a : accepted for SciPy's sake

    Returns
    -------
    B : array of the shape of `A`
    T : array of that shape; or with `separate` a pair of arrays of shape (..., n), the factors and the order

    Raises
    ------
    LinAlgError
        `A` is not square.

    Notes
    -----
    T is constant between the places where it jumps, so it has no derivative, and that of `B` is `inv(T) @ dA @ T`.

    Examples
    --------
    >>> import chainrule as cr
    >>> a = np.array([[1.0, 1e6], [1e-6, 1.0]])
    >>> b, t = cr.linalg.matrix_balance(a)
    >>> bool(np.abs(b).max() < 2), np.allclose(t @ b, a @ t)
    (True, True)
    """
    a = square_matrix("matrix_balance", A)
    n = shape_of(a)[-1]
    factors, order = _balance(a, permute=bool(permute), scale=bool(scale))
    b = take_along_axis(take_along_axis(a, expand(order, (len(shape_of(order)),)), -2), order[..., None, :], -1)
    b = b * factors[..., None, :] / factors[..., :, None]
    if separate:
        return b, (factors, order)
    return b, factors[..., None, :] * (np.arange(n)[:, None] == order[..., None, :])
