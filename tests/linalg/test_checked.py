"""Decompositions that say where they failed."""

import numpy as np
import pytest

import chainrule as cr

torch = pytest.importorskip("torch")
GOOD, BAD = np.array([[4.0, 1.0], [1.0, 3.0]]), np.array([[1.0, 2.0], [2.0, 1.0]])


def test_cholesky_ex():
    for a in GOOD, BAD, -GOOD, np.stack([GOOD, BAD, -GOOD]), np.zeros((0, 2, 2)):
        found, expected = cr.linalg.cholesky_ex(cr.tensor(a)), torch.linalg.cholesky_ex(torch.tensor(a))
        assert found.info.tolist() == expected.info.tolist() and found.info.dtype == np.int32
        good = np.asarray(expected.info) == 0
        np.testing.assert_allclose(np.asarray(found.L)[good], expected.L.numpy()[good])
        assert np.isnan(np.asarray(found[0])[~good]).all()
    x = cr.tensor(GOOD, requires_grad=True)
    cr.linalg.cholesky_ex(x, upper=True)[0].sum().backward()
    np.testing.assert_allclose(x.grad, cr.grad(lambda x: cr.linalg.cholesky(x, upper=True).sum())(GOOD))
    out = cr.zeros(2, 2), cr.zeros((), dtype=np.int32)
    assert cr.linalg.cholesky_ex(cr.tensor(GOOD), out=out).L is out[0] and out[0][0, 0] == 2
    with pytest.raises(np.linalg.LinAlgError):
        cr.linalg.cholesky_ex(BAD, check_errors=True)
    np.testing.assert_allclose(cr.compile(lambda a: cr.linalg.cholesky_ex(a).L)(GOOD), np.linalg.cholesky(GOOD))


def test_inv_ex():
    found = cr.linalg.inv_ex(np.stack([GOOD, np.ones((2, 2))]))
    assert found.info.tolist() == [0, 1] and np.isnan(found.inverse[1]).all()
    np.testing.assert_allclose(found.inverse[0], np.linalg.inv(GOOD))
