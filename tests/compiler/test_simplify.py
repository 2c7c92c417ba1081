"""What the simplifier makes of a graph: less work, the same numbers."""

from collections import Counter

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.simplify import apart, box_of, simplify

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


# --- reading what was written ------------------------------------------------------------------------------------------------

FULL = slice(None)
KEYS = {
    "rows": lambda k: k,
    "rows and whole axes": lambda k: (k, FULL, FULL),
    "rows and dots": lambda k: (k, ...),
    "columns": lambda k: (FULL, k),
    "last": lambda k: (..., k),
    "blocks": lambda k: (slice(1, 3), k, slice(None, None, -1)),
    "windows": lambda k: slice(k, k + 1),
    "every second": lambda k: (slice(None, None, 2), FULL, k),
}


def sweep(at):
    """A recurrence that fills an array part by part, and reads parts that were written before."""

    def f(x):
        y = np.zeros_like(x)
        y[at(0)] = x[at(0)]
        for k in range(1, 6):
            y[at(k)] = 0.5 * y[at(k - 1)] + x[at(k)] * (y[at(k - 2)] if k > 1 else 1.0)
            y[at(k)] += 0.1
        return y

    return f


@pytest.mark.parametrize("at", KEYS.values(), ids=KEYS)
def test_parts_are_looked_up_where_they_were_written(at):
    f, x = sweep(at), np.random.default_rng(0).normal(size=(6, 6, 6))
    program = cr.compile(f)
    for k in (1, 2):
        np.testing.assert_allclose(program(k * x), f(k * x), rtol=1e-12, atol=1e-14)
    assert len(program.explain(x).kernels) <= 3
    gradient = cr.grad(lambda x: (f(x) ** 2).sum())
    compiled = cr.compile(gradient)
    for k in (1, 2):
        np.testing.assert_allclose(compiled(k * x), gradient(k * x), rtol=1e-10, atol=1e-12)


def random_key(rng, shape):
    def part(n):
        a = int(rng.integers(0, n))
        b = int(rng.integers(a + 1, n + 1))
        return [a, a - n, FULL, slice(a, b), slice(a % 2, None, 2), slice(None, None, -1)][rng.integers(0, 6)]

    key = tuple(part(n) for n in shape)
    return [key, key[0], (key[0], ...), (..., key[-1])][rng.integers(0, 4)]


def test_boxes():
    rng, shape = np.random.default_rng(0), (5, 4, 6)
    numbers = np.arange(120).reshape(shape)
    for _ in range(3000):
        a, b = random_key(rng, shape), random_key(rng, shape)
        first, second = box_of(a, shape), box_of(b, shape)
        if first == second:
            assert np.array_equal(numbers[a], numbers[b])
        if apart(first, second):
            assert not np.isin(numbers[a], numbers[b]).any()
    assert box_of((0, None), (3,)) is None and box_of(slice(2, 2), (3,)) is None


def assignments(seed):
    """A program of random assignments to parts of an array, many of which meet again."""
    rng = np.random.default_rng(seed)
    shape = [(4, 5), (3, 4, 3), (6,)][rng.integers(0, 3)]
    steps: list = []
    for _ in range(10):
        a, b = (steps[rng.integers(len(steps))][1] if steps and rng.random() < 0.6 else random_key(rng, shape) for _ in "ab")
        steps.append((int(rng.integers(0, 4)), a, b, float(rng.normal())))

    def f(x):
        y = np.zeros_like(x)
        for kind, a, b, c in steps:
            value = y[b] + x[b] * c
            if kind == 0:
                y[a] = c
            elif kind == 1:
                y[a] += c * x[a]
            elif kind == 2:
                y[a] = np.sin(value) if np.shape(value) == np.shape(y[a]) else value.sum()
            else:
                y[a] = x[a] * y[a]
        return y

    return f, rng.normal(size=shape)


@pytest.mark.parametrize("seed", range(8))
def test_random_assignments(seed):
    f, x = assignments(seed)
    program, gradient = cr.compile(f), cr.grad(lambda x: (f(x) ** 2).sum())
    compiled = cr.compile(gradient)
    for k in (1, 2):
        np.testing.assert_allclose(program(k * x), f(k * x), rtol=1e-10, atol=1e-11)
        np.testing.assert_allclose(compiled(k * x), gradient(k * x), rtol=1e-9, atol=1e-9)
