"""Loops as native programs: memory of carries that are not written where they are read."""

import numpy as np
import pytest

import chainrule as cr

N = 3000  # elements; more than a page each


def exchange(i, state):
    a, b, c = state
    return b, a + 0.5, c * b


def scanned(a, b, c):
    def body(state, x):
        a, b, c = exchange(0, state)
        return (a, b, c), a * x

    return cr.scan(body, (a, b, c), np.arange(1.0, 6.0))


def until(a, b, c):
    return cr.while_loop(lambda s: s[3] < 5, lambda s: (*exchange(0, s[:3]), s[3] + 1), (a, b, c, 0))


def counted(a, b, c):
    return cr.fori_loop(0, 5, exchange, (a, b, c))


def last_state_is_the_output(a, b, c):
    def body(h, x):
        h = cr.tanh(h * x + b)
        return h, h

    return cr.scan(body, a, c[:4])


@pytest.mark.parametrize("f", [scanned, until, counted, last_state_is_the_output])
@pytest.mark.parametrize("n", [3, N])
def test_carries_that_change_places(f, n):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=n) for _ in range(3)]
    compiled = cr.compile(f)
    for _ in range(3):
        found, expected = cr.tree_leaves(compiled(*arrays)), cr.tree_leaves(f(*arrays))
        for x, y in zip(found, expected, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("f", [scanned, until, counted, last_state_is_the_output])
def test_their_derivatives(f):
    rng = np.random.default_rng(1)
    arrays = [rng.normal(size=N) for _ in range(3)]

    def loss(*arrays):
        return sum((x * x).sum() for x in cr.tree_leaves(f(*arrays)) if np.ndim(x))

    expected = cr.grad(loss, argnums=(0, 1, 2))(*arrays)
    compiled = cr.compile(cr.grad(loss, argnums=(0, 1, 2)))
    for _ in range(3):
        for x, y in zip(compiled(*arrays), expected, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_one_after_the_other_with_matrices_from_outside(dtype):
    """Matrices of a loop are laid out before it; what they are multiplied with does not exist then."""
    rng = np.random.default_rng(2)
    x, first, second, third = (rng.normal(size=n).astype(dtype) / 5 for n in [(32, 5), (24, 5), (24, 24), (5, 24)])

    def f(x, *weights):
        def body(x, _):
            for w in weights:
                x = cr.tanh(x @ w.T)
            return x, x.mean()

        return cr.scan(body, x, length=10)

    compiled = cr.compile(f)
    for _ in range(2):
        for found, expected in zip(compiled(x, first, second, third), f(x, first, second, third), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-4 if dtype == "float32" else 1e-9, atol=1e-7)
