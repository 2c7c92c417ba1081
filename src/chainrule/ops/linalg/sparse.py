"""Products with SciPy's sparse matrices."""

import numpy as np

from ...core.aval import Aval
from ...core.derivative import Linear
from ...core.lowering import Call
from ...core.primitive import primitive
from ...core.value import Value, dtype_of, ndim_of, shape_of
from ...errors import ArgumentError, ShapeError, explain
from ..indexing import index_add, take
from ..joining import stack
from ..shaping import as_value, reshape


class Sparse:
    """A sparse matrix as a static parameter."""

    def __init__(self, matrix):
        self.matrix = matrix
        self._adjoint = None

    @property
    def adjoint(self):
        """The conjugate transpose, the same object whenever it is asked for."""
        if self._adjoint is None:
            self._adjoint = Sparse(self.matrix.conj().T)
            self._adjoint._adjoint = self
        return self._adjoint

    def __call__(self, x):
        """The product with a vector or a matrix."""
        return self.matrix @ x

    def __repr__(self):
        return f"<sparse matrix {self.matrix.shape}>"


def _batch(args, batched, params):
    (x,) = args
    if len(shape_of(x)) == 2:
        return _sparse_product(x.T, **params).T
    n = shape_of(x)[0]
    if n == 0:
        return np.zeros((0, params["matrix"].matrix.shape[0], shape_of(x)[2]), x.dtype)
    return stack([_sparse_product(x[i], **params) for i in range(n)])


def _aval(x, matrix):
    return Aval((matrix.matrix.shape[0], *x.shape[1:]), np.result_type(matrix.matrix.dtype, x.dtype))


@primitive(
    derivative=[Linear(lambda g, matrix: _sparse_product(g, matrix=matrix.adjoint))],
    aval=_aval,
    batch=_batch,
    lower=Call(),
    name="sparse_product",
)
def _sparse_product(x, *, matrix):
    """A sparse matrix times a vector, or times each column of a matrix."""
    return np.asarray(matrix(x))


STORED = ("coo", "csc", "csr")  # formats that hold one number for each element


def sparse_product(A, x, data=None):
    """The product `A @ x` of a sparse matrix of SciPy, for which SciPy itself would make `x` a plain array.

    Parameters
    ----------
    A : sparse matrix or sparse array of shape (m, n)
    x : array or Tensor of shape (n,) or (n, k)
    data : array or Tensor of the shape of `A.data`, in its place: the elements that are stored, if they have a derivative. `A`
        must be in one of the formats csr, csc and coo.

    Returns
    -------
    array of shape (m,) or (m, k)

    Raises
    ------
    ShapeError
        The sizes do not fit together.
    ArgumentError
        `A` is not sparse, or its format does not go with `data`.

    Examples
    --------
    >>> import chainrule as cr, scipy.sparse
    >>> A = scipy.sparse.csr_array(np.array([[2.0, 0.0], [1.0, 3.0]]))
    >>> cr.linalg.sparse_product(A, np.array([1.0, 2.0]))
    array([2., 7.])
    >>> cr.grad(lambda x: cr.linalg.sparse_product(A, x).sum())(np.ones(2))
    array([3., 3.])
    >>> cr.grad(lambda d: cr.linalg.sparse_product(A, np.array([1.0, 2.0]), d).sum())(A.data)
    array([1., 1., 2.])
    """
    if not hasattr(A, "tocoo"):
        raise ArgumentError(
            explain("sparse_product: A must be a sparse matrix of SciPy", f"found: {type(A).__name__}", help="A @ x for arrays")
        )
    x = as_value(x)
    if len(A.shape) != 2 or ndim_of(x) not in (1, 2) or shape_of(x)[0] != A.shape[1]:
        raise ShapeError(
            explain(
                "sparse_product: shapes of A and x are incompatible",
                f"A: {A.shape}    x: {shape_of(x)}",
                help="as many elements, or rows, as A has columns; use cr.vmap for stacks",
            )
        )
    if data is None:
        if not isinstance(x, Value):
            return np.asarray(A @ x)
    elif A.format not in STORED or shape_of(as_value(data)) != A.data.shape:
        raise ArgumentError(
            explain(
                "sparse_product: data must stand for the stored elements of A",
                f"A: {A.format}, {A.nnz} elements    data: {shape_of(as_value(data))}",
                help="an array like A.data, of a matrix in the format csr, csc or coo",
            )
        )
    places = A.tocoo()  # in the order of A.data
    values = as_value(places.data if data is None else data)
    picked = take(x, places.col, 0)
    if ndim_of(x) == 2:
        values = reshape(values, (-1, 1))
    terms = values * picked
    return index_add(np.zeros((A.shape[0], *shape_of(x)[1:]), dtype_of(terms)), places.row, terms)
