"""Running totals of associative functions, and maps one after the other: values, derivatives, every length and axis."""

import numpy as np
import pytest

import chainrule as cr

rng = np.random.default_rng(5)


def running(x):
    out = [x[0]]
    for m in x[1:]:
        out.append(out[-1] @ m)
    return cr.stack(out)


@pytest.mark.parametrize("n", range(1, 12))
def test_products_of_matrices_in_order(n):
    x = rng.normal(size=(n, 2, 2))
    np.testing.assert_allclose(cr.associative_scan(cr.matmul, x), running(x), rtol=1e-11, atol=1e-11)
    backwards = cr.associative_scan(lambda x, y: y @ x, x, reverse=True)
    np.testing.assert_allclose(backwards[0], running(x)[-1], rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(backwards[-1], x[-1])


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_derivatives_of_totals(n):
    x, t = rng.normal(size=(2, n, 2, 2))

    def ours(x):
        return (cr.associative_scan(cr.matmul, x) ** 2).sum()

    def plain(x):
        return (running(x) ** 2).sum()

    gradient = cr.grad(plain)(x)
    np.testing.assert_allclose(cr.grad(ours)(x), gradient, rtol=1e-10)
    np.testing.assert_allclose(cr.jvp(ours, (x,), (t,))[1], (gradient * t).sum(), rtol=1e-10)
    np.testing.assert_allclose(cr.hvp(ours, (x,), (t,))[1], cr.hvp(plain, (x,), (t,))[1], rtol=1e-9)
    np.testing.assert_allclose(cr.compile(cr.grad(ours))(x), gradient, rtol=1e-10)
    np.testing.assert_allclose(cr.vmap(cr.grad(ours))(np.stack([t, x]))[1], gradient, rtol=1e-10)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("reverse", [False, True])
def test_trees_and_axes(axis, reverse):
    x = {"a": rng.normal(size=(4, 5)), "b": (rng.normal(size=(4, 5)),)}
    out = cr.associative_scan(lambda x, y: cr.tree_map(cr.add, x, y), x, reverse, axis)
    for found, given in ((out["a"], x["a"]), (out["b"][0], x["b"][0])):
        expected = np.flip(np.cumsum(np.flip(given, axis), axis), axis) if reverse else np.cumsum(given, axis)
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_no_elements():
    assert cr.associative_scan(cr.add, np.zeros((0, 3))).shape == (0, 3)
    assert cr.associative_scan(cr.add, ()) == ()
    assert cr.lax.map(lambda x: x * 2, np.zeros((0, 3))).shape == (0, 3)
    assert cr.lax.map(lambda x: x.sum(), np.zeros((0, 3)), batch_size=2).shape == (0,)


def test_errors_of_totals():
    with pytest.raises(cr.errors.ShapeError, match="lengths differ"):
        cr.associative_scan(lambda x, y: x, (np.zeros(3), np.zeros(4)))
    with pytest.raises(cr.errors.ShapeError, match=r"changes the shape of elems\[0\]"):
        cr.associative_scan(lambda x, y: (x[0][:1],), (np.zeros((4, 2)),))
    with pytest.raises(cr.errors.TreeError, match="structure"):
        cr.associative_scan(lambda x, y: (x, y), np.zeros(4))


@pytest.mark.parametrize("size", [None, 1, 2, 3, 20])
def test_map_is_a_loop(size):
    x = rng.normal(size=(7, 3))

    def mapped(x):
        return cr.lax.map(lambda row: {"squares": row**2, "length": (row @ row) ** 0.5}, x, batch_size=size)

    out = mapped(x)
    np.testing.assert_allclose(out["squares"], x**2)
    np.testing.assert_allclose(out["length"], np.linalg.norm(x, axis=1))
    expected = x / np.linalg.norm(x, axis=1, keepdims=True)
    for gradient in (cr.grad, lambda f: cr.compile(cr.grad(f)), cr.jacfwd):
        np.testing.assert_allclose(gradient(lambda x: mapped(x)["length"].sum())(x), expected)
    stacked = np.stack([x, 2 * x])
    np.testing.assert_allclose(cr.vmap(mapped)(stacked)["squares"], stacked**2)
