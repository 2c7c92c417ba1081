"""Systems of linear equations solved by iteration: cg, gmres and bicgstab with SciPy's arguments.

SciPy iterates. Derivatives are those of the solution, found by solving another equation of the same kind, so they do not
depend on the path that the iteration took, and cost as much as the solution itself.
"""

import functools
import importlib

import numpy as np

from .core.aval import Aval
from .core.value import Value, dtype_of, ndim_of, shape_of
from .errors import LostDerivativeError, ShapeError, explain
from .ops.contraction import matmul
from .ops.linalg.matrices import linalg_dtype
from .ops.linalg.sparse import Sparse, _sparse_product
from .ops.shaping import as_value, cast, reshape
from .transforms.abstract import trace
from .transforms.implicit import linear_solve


@functools.lru_cache(maxsize=256)
def _dense_graph(shape, dtype, out_dtype):
    """The graph of x, A -> A x."""
    n = shape[-1]
    return trace(lambda x, a: cast(matmul(a, x), out_dtype), [Aval((n,), out_dtype), Aval(shape, dtype)], "matrix").graph


def _is_sparse(A):
    return hasattr(A, "tocsr")


def _apply_of(A):
    """The function x -> A x of an operator. Operators of SciPy ask for arrays before they call the function they were
    made of, so that is called directly."""
    if callable(A) and not hasattr(A, "matvec"):
        return A
    return getattr(A, "_matvec", A.matvec)


def _is_array(A):
    return not (_is_sparse(A) or hasattr(A, "matvec") or (callable(A) and not isinstance(A, Value)))


def _dtype_of_operator(A, b):
    dtype = getattr(A, "dtype", None)
    return linalg_dtype(dtype_of(b)) if dtype is None else linalg_dtype(np.dtype(dtype), dtype_of(b))


def _written(name, A, n, dtype):
    """(graph, operands) of an operator on vectors."""
    A = A.A if hasattr(A, "matvec") and hasattr(A, "A") else A  # aslinearoperator(matrix)
    if _is_array(A):
        A = as_value(A)
        return _dense_graph(shape_of(A), dtype_of(A), dtype), [A]
    if _is_sparse(A):
        matrix = Sparse(A)
        return trace(lambda x: cast(_sparse_product(x, matrix=matrix), dtype), [Aval((n,), dtype)], "sparse matrix")
    apply = _apply_of(A)

    def product(x):
        out = as_value(apply(x))
        if shape_of(out) not in ((n,), (n, 1)):
            raise ShapeError(
                explain(
                    f"{name}: the operator must give a vector of the length of its argument",
                    f"argument: {(n,)}    result: {shape_of(out)}",
                    help="it stands for a square matrix",
                )
            )
        return cast(reshape(out, (n,)), dtype)

    return trace(product, [Aval((n,), dtype)], getattr(apply, "__name__", "operator"))


def _checked(name, A, b, M):
    """b as a vector, its length, and the dtype of the solution."""
    b = as_value(b)
    n = shape_of(b)[0] if ndim_of(b) else -1
    sizes = [shape_of(as_value(X)) if _is_array(X) else getattr(X, "shape", (n, n)) for X in (A, M) if X is not None]
    if shape_of(b) not in ((n,), (n, 1)) or any(tuple(s) != (n, n) for s in sizes):
        found = "    ".join(f"{k}: {s}" for k, s in zip(("A", "M"), sizes, strict=False))
        raise ShapeError(
            explain(
                f"{name}: shapes of A and b are incompatible",
                f"{found}    b: {shape_of(b)}",
                help="A (and M) must be square, and b a vector with one element a row; use cr.vmap for several right sides",
            )
        )
    dtype = _dtype_of_operator(A, b)
    return cast(reshape(b, (n,)), dtype), n, dtype


def _guess(name, x0, n, dtype):
    if x0 is None:
        return np.zeros(n, dtype)
    x0 = as_value(x0)
    if shape_of(x0) not in ((n,), (n, 1)):
        raise ShapeError(explain(f"{name}: shapes of A and x0 are incompatible", f"x0: {shape_of(x0)}", help=f"{n} elements"))
    return reshape(cast(x0, dtype), (n,))


def _solve(name, A, b, x0, M, **options):
    b, n, dtype = _checked(name, A, b, M)
    guess = _guess(name, x0, n, dtype)
    options = {k: v for k, v in options.items() if v is not None}
    try:
        operator = _written(name, A, n, dtype)
        inverse = None if M is None else _written(name, M, n, dtype)
    except LostDerivativeError:
        if isinstance(b, Value):
            raise
        return _as_scipy_does(name, A, b, guess, M, dtype, options)
    x, info = linear_solve(operator, b, guess, inverse, name, options)
    return x, int(info) if isinstance(info, (np.ndarray, np.generic)) else info


def _as_scipy_does(name, A, b, guess, M, dtype, options):
    """For functions that cannot be written down, such as those that decide by values. They must not use traced Tensors,
    and cannot unnoticed: these do not become arrays."""
    sparse = importlib.import_module("scipy.sparse.linalg")

    def linear(X):
        return sparse.LinearOperator((len(b),) * 2, X, dtype=dtype) if callable(X) and not hasattr(X, "matvec") else X

    more = {} if M is None else {"M": linear(M)}
    return getattr(sparse, name)(linear(A), b, guess, **more, **options)


def cg(A, b, x0=None, *, rtol=1e-5, atol=0.0, maxiter=None, M=None, callback=None):
    """Solve `A @ x = b` by conjugate gradients, for Hermitian positive definite `A`.

    Parameters
    ----------
    A : the matrix: an array of shape (n, n), a sparse matrix of SciPy, a `LinearOperator`, or a linear function of vectors.
        Derivatives flow into an array, and into whatever a function or an operator uses, but not into a sparse matrix.
    b : array of shape (n,) or (n, 1)
    x0 : first guess, by default zeros; it has no derivative
    rtol, atol : the iteration ends when the norm of the residual is less than `max(rtol * norm(b), atol)`. Derivatives come
        from equations that are solved with the same `rtol`, and are no more accurate than that.
    maxiter : the most iterations; by default 10 n
    M : an approximate inverse of `A`, in any of the forms of `A`; it has no derivative
    callback : function that is called with x after each iteration

    Returns
    -------
    x : array of shape (n,)
    info : int, 0 if the iteration has ended as it should, else the number of iterations (or negative, for a breakdown)

    Raises
    ------
    ShapeError
        The sizes do not fit together.
    LostDerivativeError
        A function that is to be differentiated decides by values of its argument, and so cannot be written down.

    Examples
    --------
    >>> import chainrule as cr
    >>> A, b = np.array([[4.0, 1.0], [1.0, 3.0]]), np.array([6.0, 7.0])
    >>> x, info = cr.linalg.cg(A, b)
    >>> x.round(12), info
    (array([1., 2.]), 0)
    >>> f = lambda scale: cr.linalg.cg(lambda v: scale * (A @ v), b)[0].sum()
    >>> cr.grad(f)(1.0).round(12)
    np.float64(-3.0)
    """
    return _solve("cg", A, b, x0, M, rtol=rtol, atol=atol, maxiter=maxiter, callback=callback)


def bicgstab(A, b, x0=None, *, rtol=1e-5, atol=0.0, maxiter=None, M=None, callback=None):
    """Solve `A @ x = b` by stabilised biconjugate gradients, for any square `A`.

    Arguments, results and errors are those of `cg`.

    Examples
    --------
    >>> import chainrule as cr
    >>> x, info = cr.linalg.bicgstab(np.array([[4.0, 1.0], [0.0, 3.0]]), [6.0, 6.0])
    >>> x.round(12), info
    (array([1., 2.]), 0)
    """
    return _solve("bicgstab", A, b, x0, M, rtol=rtol, atol=atol, maxiter=maxiter, callback=callback)


def gmres(A, b, x0=None, *, rtol=1e-5, atol=0.0, restart=None, maxiter=None, M=None, callback=None, callback_type=None):
    """Solve `A @ x = b` by generalised minimal residuals, for any square `A`.

    Arguments, results and errors are those of `cg`, and

    restart : iterations between restarts; more take more memory; by default min(20, n)
    maxiter : the most restarts
    callback_type : what `callback` is called with: 'x', 'pr_norm' (the relative residual) or 'legacy' (that too)

    Examples
    --------
    >>> import chainrule as cr
    >>> x, info = cr.linalg.gmres(np.array([[4.0, 1.0], [0.0, 3.0]]), [6.0, 6.0])
    >>> x.round(12), info
    (array([1., 2.]), 0)
    """
    options = {"restart": restart, "maxiter": maxiter, "callback": callback, "callback_type": callback_type}
    return _solve("gmres", A, b, x0, M, rtol=rtol, atol=atol, **options)
