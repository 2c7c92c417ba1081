"""Products with sparse matrices: derivatives in what is multiplied and in the elements that are stored."""

import numpy as np
import pytest
import scipy.sparse

import chainrule as cr

rng = np.random.default_rng(9)
DENSE = np.where(rng.random((4, 3)) < 0.6, rng.normal(size=(4, 3)), 0.0)
product = cr.linalg.sparse_product
X = {1: rng.normal(size=3), 2: rng.normal(size=(3, 2))}
formats = pytest.mark.parametrize("kind", ["bsr", "coo", "csc", "csr", "dia", "dok", "lil"])


def close(found, expected):
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@formats
@pytest.mark.parametrize("ndim", [1, 2])
@pytest.mark.parametrize("dtype", [float, complex])
def test_like_a_dense_matrix(kind, ndim, dtype):
    dense = DENSE.astype(dtype) * (1 + 1j if dtype is complex else 1)
    x, t = X[ndim].astype(dtype), X[ndim] ** 2 + 0 * dense[0, 0]
    sparse = scipy.sparse.coo_array(dense).asformat(kind)

    def ours(x):
        return cr.sum(cr.absolute(product(sparse, x)) ** 2)

    def plain(x):
        return cr.sum(cr.absolute(cr.matmul(dense, x)) ** 2)

    close(product(sparse, x), dense @ x)
    close(product(scipy.sparse.csr_matrix(dense), x), dense @ x)
    gradient = cr.grad(plain)(x)
    close(cr.grad(ours)(x), gradient)
    if kind == "csr":
        close(cr.compile(cr.grad(ours))(x), gradient)
    close(cr.vmap(cr.grad(ours))(np.stack([t, x]))[1], gradient)
    close(np.asarray(cr.jvp(ours, (x,), (t,))[1]), np.asarray(cr.jvp(plain, (x,), (t,))[1]))
    close(cr.hvp(ours, (x,), (t,))[1], cr.hvp(plain, (x,), (t,))[1])


@pytest.mark.parametrize("kind", ["coo", "csc", "csr"])
@pytest.mark.parametrize("ndim", [1, 2])
def test_in_the_stored_elements(kind, ndim):
    sparse = scipy.sparse.coo_array(DENSE).asformat(kind)
    where = sparse.tocoo()

    def ours(data, x):
        return (product(sparse, x, data) ** 3).sum()

    def plain(dense, x):
        return ((dense @ x) ** 3).sum()

    data = 2 * sparse.data
    close(cr.grad(ours)(data, X[ndim]), cr.grad(plain)(2 * DENSE, X[ndim])[where.row, where.col])
    close(cr.grad(ours, 1)(data, X[ndim]), cr.grad(plain, 1)(2 * DENSE, X[ndim]))


def test_precision_and_no_elements():
    sparse = scipy.sparse.csr_array(DENSE.astype(np.float32))
    value, moved = cr.jvp(lambda x: product(sparse, x), (np.ones(3, np.float32),), (np.ones(3, np.float32),))
    assert value.dtype == moved.dtype == np.float32
    empty = scipy.sparse.csr_array((4, 3))
    close(cr.grad(lambda x: product(empty, x).sum())(X[1]), np.zeros(3))
    close(cr.jacobian(lambda x: product(scipy.sparse.csr_array((0, 3)), x))(X[1]), np.zeros((0, 3)))


def test_errors():
    sparse = scipy.sparse.csr_array(DENSE)
    with pytest.raises(cr.errors.ShapeError, match="incompatible"):
        product(sparse, np.ones(4))
    with pytest.raises(cr.errors.ArgumentError, match="must be a sparse matrix"):
        product(DENSE, np.ones(3))
    with pytest.raises(cr.errors.ArgumentError, match="stored elements"):
        product(sparse, np.ones(3), np.ones(2))
    with pytest.raises(cr.errors.ArgumentError, match="stored elements"):
        product(sparse.tolil(), np.ones(3), np.ones(2))
