"""What the simplifier makes of a graph: less work, the same numbers."""

from collections import Counter

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.simplify import simplify

rng = np.random.default_rng(0)


def flops(graph):
    """Multiplications in the matrix products of a graph."""
    return sum(np.prod(s.outputs[0].aval.shape) * s.inputs[0].aval.shape[-1] for s in graph.steps if s.row.name == "matmul")


def simplified(f, *args):
    """(graph, its simplification), which give the same."""
    graph = cr.graph(f)(*args)
    short = simplify(graph)
    for a, b in zip(graph.apply(*args), short.apply(*args), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    return graph, short


A, B = rng.normal(size=(3, 5, 4)), rng.normal(size=(3, 4, 6))


@pytest.mark.parametrize(
    "f, most",
    [
        (lambda a, b: (a @ b).sum(1), 3 * 4 * 6),
        (lambda a, b: (a @ b).sum(2), 3 * 5 * 4),
        (lambda a, b: (a @ b).sum(), 3 * 4),
        (lambda a, b: (a @ b).sum((0, 1)), 3 * 4 * 6),
        (lambda a, b: (-(a @ b)).sum(1), 3 * 4 * 6),
        (lambda a, b: ((a @ b) * 3.0).sum(1), 3 * 4 * 6),
        (lambda a, b: (2.0 * (a @ b)).sum(2), 3 * 5 * 4),
        (lambda a, b: (a @ b).sum(0), 3 * 5 * 4 * 6),  # over the batch: nothing to gain
        (lambda a, b: (lambda c: (c, c.sum(1)))(a @ b), 3 * 5 * 4 * 6),  # the product is needed
        (lambda a, b: (lambda c: (c.sum(1), c.sum(2)))(a @ b), 3 * 5 * 4 * 6),
        (lambda a, b: ((a @ b) * b[:, :1]).sum(1), 3 * 5 * 4 * 6),
        (lambda a, b: ((a[:, :1] @ b) + 1.0).sum(1), 3 * 4 * 6),
    ],
)
def test_sums_of_products(f, most):
    _, short = simplified(f, A, B)
    assert flops(short) == most


def test_sums_in_a_backward_pass():
    """The gradient of what is broadcast into a product is a sum over its rows."""

    def f(mean, w):
        return (((A[0] - mean) @ w) ** 2).sum()

    g = cr.grad(f, argnums=(0, 1))
    mean, w = rng.normal(size=4), rng.normal(size=(4, 6))
    graph, short = simplified(g, mean, w)
    assert flops(graph) == 3 * 5 * 4 * 6 and flops(short) == 2 * 5 * 4 * 6 + 4 * 6
    for a, b in zip(cr.compile(g)(mean, w), g(mean, w), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_a_sum_inside_a_product_is_formed_once():
    def f(a, b):
        return (a * 2.0).sum(0) @ b

    a, b = rng.normal(size=(1000, 10)), rng.normal(size=(10, 10))
    compiled = cr.compile(f)
    np.testing.assert_allclose(compiled(a, b), f(a, b), rtol=1e-12)
    rows = [Counter(k.rows) for k in compiled.explain(a, b).kernels]
    assert not any(r["sum"] and r["matmul"] for r in rows)


def test_empty_sums():
    a, b = np.ones((0, 4)), np.ones((4, 3))
    _, short = simplified(lambda a, b: (a @ b).sum(0), a, b)
    assert short.apply(a, b)[0].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    "f",
    [
        lambda x, y: x @ y,
        lambda x, y: cr.einsum("bik,bkj->bij", x[None], y[None] * 2),
        cr.grad(lambda x, y: ((x @ y) ** 2).sum()),
    ],
)
@pytest.mark.parametrize("dtypes", [("f4", "f8"), ("f8", "f4"), ("i8", "f4"), ("f4", "?"), ("f4", "c16")])
@pytest.mark.parametrize("size", [3, 40])
def test_products_of_different_dtypes(f, dtypes, size):
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(size, size)).astype(d) for d in dtypes)
    try:
        want = np.asarray(f(x, y))
    except cr.errors.ChainruleError:
        pytest.skip("the derivative is not defined")
    got = np.asarray(cr.compile(f)(x, y))
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4 * np.abs(want).max())


def test_transposed_products():
    """The transposed product is the product of the transposed, where nobody needs the other."""
    _, short = simplified(lambda a, b: cr.swapaxes(a @ b, -1, -2) + 1, A, B)
    assert [s.row.name for s in short.steps] == ["transpose", "transpose", "matmul", "add"]
    _, short = simplified(lambda a, b: cr.swapaxes(cr.swapaxes(b, -1, -2) @ cr.swapaxes(a, -1, -2), -1, -2), A, B)
    assert [s.row.name for s in short.steps] == ["matmul"]
    _, short = simplified(lambda a, b: (lambda c: (c, cr.swapaxes(c, -1, -2)))(a @ b), A, B)
    assert [s.row.name for s in short.steps] == ["matmul", "transpose"]
    _, short = simplified(lambda a, b: cr.transpose(a @ b, (0, 1, 2)[::-1]), A, B)
    assert [s.row.name for s in short.steps] == ["matmul", "transpose"]
