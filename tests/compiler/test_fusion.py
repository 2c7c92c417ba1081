"""What it takes to find out which steps run together, and what comes of it."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler import products, program
from chainrule.compiler.recording import Recording
from chainrule.compiler.waits import Waits


def counted(monkeypatch, owner, name):
    """A list that grows whenever this function is called."""
    calls, whole = [], getattr(owner, name)

    def count(*args, **kwargs):
        calls.append(1)
        return whole(*args, **kwargs)

    monkeypatch.setattr(owner, name, count)
    return calls


def windows(x, w):
    """A convolution as a loop over the places of its result."""
    n = x.shape[0] - w.shape[0] + 1
    out = cr.zeros((n, n, w.shape[-1]))
    for i in range(n):
        for j in range(n):
            out[i, j] = (x[i : i + 2, j : j + 2, None] * w).sum((0, 1))
    return out


@pytest.mark.parametrize("n", [8, 16])
def test_each_expression_is_made_a_few_times(n, monkeypatch):
    """However many there are that become part of one kernel."""
    calls = counted(monkeypatch, Recording, "step")
    x, w = np.random.default_rng(n).normal(size=(n, n)), np.random.default_rng(1).normal(size=(2, 2, 32))
    f = cr.compile(windows)
    np.testing.assert_allclose(np.asarray(f(x, w)), np.asarray(windows(x, w)), atol=1e-12)
    assert len(calls) < 5 * (n - 1) ** 2


def test_kernels_that_are_the_same_are_written_once(monkeypatch):
    written, kernels = counted(monkeypatch, products, "emit"), counted(monkeypatch, program.Assembler, "call_kernel")

    def steps(u, p):
        for _ in range(12):
            p = p.copy()
            p[1:-1] = (u[2:] + u[:-2]) * 0.5
            p[0] = p[1]
            u = cr.sort(p)  # a callback, past which nothing becomes one kernel
        return u

    u, p = np.random.default_rng(0).normal(size=(2, 200))
    f = cr.compile(steps)
    np.testing.assert_allclose(np.asarray(f(u, p)), np.asarray(steps(u, p)), rtol=1e-14)
    assert len(kernels) >= 12 and len(written) <= 4


def sums(alpha, beta, a, b, x):
    return alpha * a @ x + beta * b @ x


def test_gradients_of_products_with_vectors_keep_no_matrix():
    """Neither an outer product nor a scaled matrix stands in memory, except for what is asked for."""
    r = np.random.default_rng(3)
    a, b, x = r.normal(size=(200, 150)), r.normal(size=(200, 150)), r.normal(size=150)
    g = cr.grad(lambda *args: (sums(*args) ** 2).sum(), (0, 1, 2, 3, 4))
    f = cr.compile(g)
    for got, want in zip(f(1.5, 1.2, a, b, x), g(1.5, 1.2, a, b, x), strict=True):
        np.testing.assert_allclose(np.asarray(got), np.asarray(want), rtol=1e-12)
    report = f.explain(1.5, 1.2, a, b, x)
    assert sorted(w.shape for k in report.kernels for w in k.writes if w.shape == a.shape) == [a.shape] * 2


def test_vectors_that_are_multiplied_stand_in_memory():
    """Each of their elements is needed for each row of the matrix."""
    r = np.random.default_rng(7)
    w, x = r.normal(size=(150, 200)), r.normal(size=(1, 150))
    f = cr.compile(lambda w, x: (x * 2 + 1) @ (w * 3))
    np.testing.assert_allclose(np.asarray(f(w, x)), (x * 2 + 1) @ (w * 3), rtol=1e-12)
    assert [w.shape for k in f.explain(w, x).kernels for w in k.writes] == [(1, 150), (1, 200)]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool"])
def test_products_of_depth_one(dtype):
    r = np.random.default_rng(4)
    x, y = (r.integers(0, 2, s).astype(dtype) for s in ((3, 70, 1), (1, 90)))
    np.testing.assert_array_equal(np.asarray(cr.compile(lambda x, y: cr.matmul(x, y))(x, y)), x @ y)
    f = cr.compile(lambda x, y: (cr.matmul(x, y) * 2).sum((0, 1)))
    np.testing.assert_array_equal(np.asarray(f(x, y)), ((x @ y) * 2).sum((0, 1)))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "bool"])
def test_products_of_integers(dtype):
    """As large as matrix products that have a kernel of their own, which knows floating-point numbers only."""
    r = np.random.default_rng(6)
    x, y = (r.integers(0, 100, s) for s in ((30, 30), (30, 40)))
    x, y = (x < 9, y < 9) if dtype == "bool" else (x.astype(dtype), y.astype(dtype))
    for f in (np.matmul, lambda x, y: np.einsum("ij,jk->ki", x, y)):
        got = np.asarray(cr.compile(f)(x, y))
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, f(x, y))


def test_folds_across_rows_stay_out_of_longer_loops():
    """A vector times a matrix beside what is as large as the matrix: one number at a time, it would take much longer."""
    r = np.random.default_rng(5)
    a, x, y = r.normal(size=(160, 160)), r.normal(size=160), r.normal(size=160)

    def f(a, x, y):
        return (2 * a).T @ y, x[:, None] * y

    kernels = cr.compile(f).explain(a, x, y).kernels
    assert not any({w.shape for w in k.writes} >= {(160, 160)} and "matmul" in k.rows for k in kernels)
    for got, want in zip(cr.compile(f)(a, x, y), f(a, x, y), strict=True):
        np.testing.assert_allclose(np.asarray(got), want, rtol=1e-12)


def test_kernels_wait_for_one_another():
    """Where one becomes part of another, what waits for it waits for both."""
    waits = Waits([set(), {0}, {0}, {1, 2}, {3}], [False, False, True, False, False])
    for k in range(3):
        waits.add(k)
    assert waits.awaited == 0b101 and not waits.between(0, 2)
    waits.join(1, 2)
    assert waits.awaited == 0b11
    waits.add(3)
    assert waits.before[3] == 0b11 and waits.between(0, 3) and not waits.between(1, 3)
    waits.join(1, 3)
    waits.add(4)
    assert waits.before[4] == 0b11 and waits.before[1] == 0b1
