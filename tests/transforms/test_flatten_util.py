"""Trees as vectors and back: values, dtypes, derivatives, batches, mistakes."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.flatten_util import ravel_pytree

TREE = {"w": np.array([[1.0, 2.0], [3.0, 4.0]]), "rest": [np.array(5.0), (np.zeros((0, 2)), 6.0)]}
close = np.testing.assert_allclose


def loss(tree):
    return (tree["w"] ** 2).sum() * tree["rest"][0] + tree["rest"][1][1] ** 3


def test_there_and_back():
    vector, unravel = ravel_pytree(TREE)
    close(vector, np.arange(1.0, 7.0))
    back = unravel(vector)
    close(back["w"], TREE["w"])
    assert np.shape(back["rest"][0]) == () and back["rest"][1][0].shape == (0, 2) and back["rest"][1][1] == 6.0


def test_derivatives_flow_through_both():
    vector, unravel = ravel_pytree(TREE)
    whole = cr.grad(lambda v: loss(unravel(v)))(vector)
    close(whole, ravel_pytree(cr.grad(loss)(TREE))[0])
    close(cr.grad(lambda tree: (ravel_pytree(tree)[0] ** 2).sum())(TREE)["w"], 2 * TREE["w"])
    assert cr.gradcheck(lambda v: loss(unravel(v)), (vector,), order=2)
    batch = np.stack([vector, 2 * vector])
    close(cr.vmap(lambda v: loss(unravel(v)))(batch), [loss(unravel(v)) for v in batch])
    close(cr.compile(lambda v: loss(unravel(v)))(vector), loss(TREE))


def test_dtypes_come_back():
    vector, unravel = ravel_pytree([np.float32([1, 2]), np.array([3]), np.array([1j])])
    assert vector.dtype == np.complex128
    assert [x.dtype for x in map(np.asarray, unravel(vector.real))] == [np.float32, np.int64, np.complex128]
    single, unravel = ravel_pytree(np.float32([1, 2]))
    assert single.dtype == np.float32 and unravel(np.ones(2)).dtype == np.float64


def test_modules_are_trees():
    net = cr.nn.Linear(2, 3)
    vector, unravel = ravel_pytree(net)
    assert vector.shape == (9,) and unravel(vector).weight.shape == (3, 2)


def test_nothing_and_too_much():
    vector, unravel = ravel_pytree(())
    assert vector.shape == (0,) and unravel(vector) == ()
    with pytest.raises(cr.errors.ShapeError, match="must have 6 elements"):
        ravel_pytree(TREE)[1](np.ones(5))
