"""Long programs on few numbers: written out without loops, with the same results, and in time that grows with their length."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.simplify import simplify

rng = np.random.default_rng(0)


def kinds(f, *args):
    return [k.kind for k in cr.compile(f).explain(*args).kernels]


def agrees(f, *args, rtol=1e-12):
    got = cr.compile(f)(*args)
    want = f(*args)
    np.testing.assert_allclose(np.asarray(got), np.asarray(want), rtol=rtol, atol=rtol)
    assert np.asarray(got).dtype == np.asarray(want).dtype


def chain(x):
    y = x[0]
    for v in x:
        y = y + cr.sin(y * v)
    return y


def rates(y, p):
    return cr.stack([p[0] * y[0] - p[1] * y[0] * y[1], -p[2] * y[1] + p[3] * y[0] * y[1]])


def orbit(p, steps=6, h=0.1):
    """Runge-Kutta's steps for predators and their prey."""
    y = cr.array([1.0, 0.5])
    for _ in range(steps):
        a = rates(y, p)
        b = rates(y + h / 2 * a, p)
        c = rates(y + h / 2 * b, p)
        d = rates(y + h * c, p)
        y = y + h / 6 * (a + 2 * b + 2 * c + d)
    return (y**2).sum()


P = np.array([1.0, 0.5, 0.7, 0.3])


@pytest.mark.parametrize("transform", [lambda f: f, cr.grad, cr.hessian], ids=["value", "grad", "hessian"])
def test_an_integrator_written_out(transform):
    agrees(transform(orbit), P)
    assert "straight" in kinds(transform(orbit), P)
    assert len(kinds(transform(orbit), P)) < 30


def test_a_long_chain_of_numbers():
    """Expressions are followed recursively; hundreds of them on top of each other are cut."""
    agrees(cr.grad(chain), np.linspace(0.1, 1, 400))


def test_a_long_chain_of_arrays():
    def f(x):
        y = x
        for k in range(300):
            y = y + cr.sin(y * (k % 7))
        return y.sum()

    agrees(cr.grad(f), rng.normal(size=40))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
@pytest.mark.parametrize(
    "step",
    [
        lambda x: x.reshape(2, 3).sum(0)[cr.newaxis].repeat(2, 0).reshape(6) - x,
        lambda x: cr.concatenate([x[3:], x[:3][::-1]]) + 1,
        lambda x: cr.pad(x[1:4], (1, 2)) + x.max() - x.min(),
        lambda x: cr.index_add(x, slice(1, 4), x[2]) - cr.index_set(x, slice(None, None, 2), x[:3]),
        lambda x: (x.reshape(2, 3) @ x.reshape(3, 2)).reshape(4)[[0, 1, 2, 3, 0, 0]] % 7,
        lambda x: cr.where(x > x.reshape(3, 2).T.reshape(6), x, -x) + cr.prod(x[:2]) % 5,
        lambda x: cr.einsum("ij,kj->ik", x.reshape(2, 3), x.reshape(2, 3)).reshape(4).sum() % 11 + x,
        lambda x: cr.index_set(x.reshape(2, 3), (0, slice(None)), x[5]).reshape(6) + (x > 2).any() + (x > -100).all(),
    ],
)
def test_each_operation_on_few_numbers(step, dtype):
    def f(x):
        for _ in range(12):
            x = step(x)
            x = x - x // 9 * 9 if x.dtype.kind == "i" else cr.sin(x)
        return x

    x = np.array([1, 5, 2, 7, 3, 4], dtype)
    agrees(f, x, rtol=1e-4 if dtype == "float32" else 1e-9)


def test_numbers_that_wait_for_larger_arrays():
    """Steps on numbers before and after a product over a large array are kernels of their own, in the right order."""

    def f(x, big):
        y = x
        for _ in range(10):
            y = cr.sin(y) + y[::-1] * 0.5
        z = (big * y[0]).sum() + y
        for _ in range(10):
            z = cr.cos(z) + z[::-1] * 0.25
        return z.sum() + (big * z[1]).sum()

    x, big = rng.normal(size=6), rng.normal(size=(30, 40))
    agrees(f, x, big)
    agrees(lambda x, big: cr.grad(f)(x, big), x, big)
    agrees(cr.grad(f, argnums=1), x, big)


def test_a_decision_does_not_wait_for_a_callback():
    """What fails on the path that is not taken does not run."""

    def f(x, y):
        for _ in range(30):
            x = cr.sin(x) + x / 2
        if x[0] > 0:
            for _ in range(30):
                x = cr.cos(x)
            return x + cr.sort(cr.linalg.cholesky(y)[0])[:2]
        return x

    g = cr.compile(f)
    good, bad = np.eye(3) * 2.0, -np.eye(3)
    up, down = np.array([1.0, 2.0]), np.array([-1.0, -2.0])
    for _ in range(2):
        for x, y in ((up, good), (down, good), (down, bad), (up, good)):
            np.testing.assert_allclose(np.asarray(g(x, y)), np.asarray(f(x, y)))


def test_parameters_of_few_numbers_are_updated():
    w = cr.nn.Parameter(np.array([0.5, -0.25]))
    same = cr.nn.Parameter(np.array([0.5, -0.25]))

    def steps(w, opt, x):
        opt.zero_grad()
        y = x
        for _ in range(20):
            y = cr.tanh(y * w + 0.1)
        loss = (y**2).sum()
        loss.backward()
        opt.step()
        return loss.detach()

    one, two = cr.optim.SGD([w], lr=0.1, momentum=0.9), cr.optim.SGD([same], lr=0.1, momentum=0.9)
    compiled = cr.compile(lambda x: steps(w, one, x))
    for k in range(4):
        x = np.array([1.0 + k, 2.0])
        np.testing.assert_allclose(np.asarray(compiled(x)), np.asarray(steps(same, two, x)), rtol=1e-12)
    np.testing.assert_allclose(np.asarray(w.detach()), np.asarray(same.detach()), rtol=1e-12)


# --- elements that are written and read -------------------------------------------------------------------------------------


def recurrence(x):
    c = np.zeros_like(x)
    c[0] = x[0]
    for i in range(1, len(x)):
        c[i] = np.sin(c[i - 1]) * x[i] + 0.5 * c[i - 1]
    return c.sum()


def warped(x):
    """Dynamic time warping to a straight line."""
    n = len(x)
    cost = np.zeros_like(x, shape=(n + 1, n + 1))
    cost[0, 1:] = cost[1:, 0] = 1e3
    for i in range(1, n + 1):
        for j in range(1, n + 1):
            before = np.minimum(np.minimum(cost[i - 1, j], cost[i, j - 1]), cost[i - 1, j - 1])
            cost[i, j] = (x[i - 1] - j / n) ** 2 + before
    return cost[n, n]


def rows(x):
    c = np.zeros_like(x)
    c[0] = x[0]
    for i in range(1, len(x)):
        c[i] = np.tanh(c[i - 1] * x[i]) + 0.5 * c[i - 1]
    return (c**2).sum()


@pytest.mark.parametrize(
    "f, x", [(recurrence, np.linspace(0.1, 1, 30)), (warped, np.linspace(0, 1, 8) ** 2), (rows, rng.normal(size=(8, 20)))]
)
@pytest.mark.parametrize("transform", [lambda f: f, cr.grad], ids=["value", "grad"])
def test_arrays_filled_element_by_element(f, x, transform):
    agrees(transform(f), x)


def test_writes_in_a_row_are_one_kernel():
    def f(x):
        c = cr.zeros((40,))
        for i in range(20):
            c = cr.index_set(c, i, x[i] * 2)
            c = cr.index_add(c, i + 1, x[i])
        return c

    x = rng.normal(size=40)
    agrees(f, x)
    assert kinds(f, x) == ["pieces"]


def test_later_writes_win():
    def f(x):
        c = cr.index_set(cr.index_set(x, slice(2, 9), 1.0), 4, x[0])
        c = cr.index_add(cr.index_add(c, 4, x[1]), slice(3, 6), 2.0)
        return cr.index_set(c, 3, x[2] * x[3])

    agrees(f, rng.normal(size=40))


@pytest.mark.parametrize(
    "f",
    [
        lambda x: cr.index_set(cr.index_set(x, 1, x[5]), 2, 7.0)[1],
        lambda x: cr.index_set(x, 1, 7.0)[-6] + cr.index_set(x, -6, 7.0)[1],
        lambda x: cr.index_add(cr.index_add(x, 3, x[0]), 3, x[1])[3],
        lambda x: cr.index_set(cr.index_add(x, 3, x[0]), 3, 5.0),
        lambda x: cr.stack([x[0], x[1], x[2]])[1],
        lambda x: cr.concatenate([x[:2], cr.zeros((0,)), x[4:]])[2],
        lambda x: cr.index_set(x.reshape(7, 1), (2, 0), 3.0)[2],
        lambda x: cr.index_set(x.reshape(7, 1), 2, 3.0)[2, 0],
        lambda x: cr.index_set(x.astype("float32"), 2, 0.1)[2],
        lambda x: cr.stack([x, x + 1])[1, 3] + cr.stack([x, x + 1], axis=1)[3, 1],
    ],
)
def test_what_is_read_where_it_was_written(f):
    agrees(f, rng.normal(size=7))


def test_nothing_is_left_of_writes_that_are_only_read():
    x = rng.normal(size=7)
    short = simplify(cr.graph(lambda x: cr.index_set(cr.index_set(x, 1, x[5]), 2, 7.0)[1])(x))
    assert [s.row.name for s in short.steps] == ["index"]


def test_a_product_with_a_constant_matrix():
    """A recurrent cell's first state is a matrix of zeros."""
    cell = cr.nn.RNNCell(8, 16)
    x = cr.tensor(rng.normal(size=(5, 32, 8)).astype("float32"))

    def f(x):
        h = cr.zeros((32, 16), dtype="float32")
        for t in range(len(x)):
            h = cell(x[t], h)
        return (h**2).sum()

    with cr.no_grad():
        agrees(f, x, rtol=1e-4)
        agrees(cr.grad(f), x, rtol=1e-4)
    ones = cr.ones((64, 64))
    agrees(lambda y: ones @ y + y @ ones, rng.normal(size=(64, 64)))
