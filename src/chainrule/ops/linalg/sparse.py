"""Products with SciPy's sparse matrices, which are constants for derivatives."""

import numpy as np

from ...core.aval import Aval
from ...core.derivative import Linear
from ...core.lowering import Call
from ...core.primitive import primitive
from ...core.value import shape_of
from ..joining import stack


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
