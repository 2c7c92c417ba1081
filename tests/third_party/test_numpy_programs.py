"""Programs that only know NumPy, SciPy, opt_einsum or SymPy, run on Tensors as they stand."""

import os
import subprocess
import sys

import numpy as np
import pytest

import chainrule as cr

close = np.testing.assert_allclose
V = np.random.default_rng(0).uniform(0.5, 1.5, 6)
A = np.random.default_rng(1).normal(size=(3, 3))


def recurrence(x):
    out = np.zeros_like(x)
    for i in range(len(x)):
        out[i] = x[i] ** 2 * (out[i - 1] if i else 1.0)
    return out.sum()


def heat(x):
    u = x.copy()
    for _ in range(5):
        u[1:-1] += 0.1 * (u[2:] - 2 * u[1:-1] + u[:-2])
    return (u**2).sum()


def newton(x):
    y = np.ones_like(x)
    while np.max(np.abs(y * y - x)) > 1e-12:
        y -= (y * y - x) / (2 * y)
    return y.sum()


def out_and_at(x):
    buffer = np.empty_like(x)
    np.multiply(x, x, out=buffer)
    np.add.at(buffer, [0, 0, 1], x[:3])
    np.log(x, out=buffer, where=x > 1)
    return (buffer**2).sum()


def shortest_path(x):
    """Dynamic programming over a grid of costs, by assignment."""
    cost = x.reshape(2, 3)
    best = np.zeros_like(cost)
    for i in range(2):
        for j in range(3):
            before = [best[i - 1, j]] * (i > 0) + [best[i, j - 1]] * (j > 0)
            best[i, j] = cost[i, j] + (np.min(np.stack(before)) if before else 0.0)
    return best[-1, -1]


PROGRAMS = [
    recurrence,
    heat,
    newton,
    out_and_at,
    shortest_path,
    lambda x: np.stack([x[0] ** 2, x[1] * x[2], np.sin(x[3])]).sum(),
    lambda x: np.dot(A, x[:3]).dot(x[3:]) + np.outer(x, x).trace() + np.linalg.norm(x),
    lambda x: np.einsum("i,j,ij->", x[:3], x[3:], A) + np.tensordot(x.reshape(2, 3), A, axes=([1], [0])).sum(),
    lambda x: (np.sort(x) * np.arange(6)).sum() + x[np.argmax(x)] * x.std() + np.median(x) + np.percentile(x, 30),
    lambda x: np.interp(x, np.arange(4.0) * 0.5, np.array([0.0, 1, 4, 2])).sum() + np.trapezoid(x**2, dx=0.1),
    lambda x: (np.pad(x, 2, mode="reflect") ** 2).sum() + np.kron(x[:2], x[2:]).sum() + np.cross(x[:3], x[3:])[0],
    lambda x: np.where(x > 1, x**2, np.sqrt(x)).sum() + np.clip(x, 0.7, 1.2).sum() + np.logaddexp.reduce(x),
    lambda x: sum(i * r**2 for i, r in enumerate(x)) / len(x),
    lambda x: np.add.outer(x, x**2).sum(0)[1] + np.multiply.reduce(x) + np.maximum.reduce(x),
    lambda x: np.select([x > 1.2, x > 0.8], [x**2, x], 0 * x).sum() + np.piecewise(x, [x < 1], [lambda t: t**2, 3.0]).sum(),
]


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_numpy_programs_differentiate_as_they_stand(f):
    close(np.asarray(f(cr.tensor(V))), f(V.copy()), rtol=1e-14)
    assert cr.gradcheck(f, (V,), order=2)
    g = cr.graph(cr.grad(f))(V)
    close(np.asarray(g(V)), cr.grad(f)(V), rtol=1e-12)


@pytest.mark.parametrize("f", [p for p in PROGRAMS if p not in (newton,)], ids=lambda f: f.__name__)
def test_numpy_programs_under_vmap(f):
    batch = np.stack([V, V[::-1]])
    close(cr.vmap(cr.grad(f))(batch), np.stack([cr.grad(f)(row) for row in batch]), rtol=1e-12)


def test_scipy_optimize_takes_our_derivatives():
    optimize = pytest.importorskip("scipy.optimize")

    def rosenbrock(x):
        return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    x0 = np.zeros(5)
    result = optimize.minimize(rosenbrock, x0, jac=cr.grad(rosenbrock), hess=cr.hessian(rosenbrock), method="trust-exact")
    close(result.x, np.ones(5), rtol=1e-6)
    both = optimize.minimize(cr.value_and_grad(rosenbrock), x0, jac=True, method="L-BFGS-B")
    close(both.x, np.ones(5), rtol=1e-3)
    hvp = optimize.minimize(
        rosenbrock, x0, jac=cr.grad(rosenbrock), hessp=lambda x, p: cr.hvp(rosenbrock, (x,), (p,))[1], method="Newton-CG"
    )
    close(hvp.x, np.ones(5), rtol=1e-2)
    root = optimize.root(
        lambda x: np.stack([x[0] + x[1] ** 3, x[0] - 1.0]),
        np.ones(2),
        jac=cr.jacfwd(lambda x: np.stack([x[0] + x[1] ** 3, x[0] - 1.0])),
    )
    close(root.x, [1.0, -1.0], rtol=1e-6)


def test_opt_einsum_contracts_tensors():
    contract = pytest.importorskip("opt_einsum").contract
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(3, 4)), rng.normal(size=(4, 5)), rng.normal(size=(5, 3))
    x = cr.tensor(a, requires_grad=True)
    contract("ij,jk,ki->", x, b, c).backward()
    close(x.grad.numpy(), (b @ c).T, rtol=1e-12)
    close(cr.grad(lambda a: contract("ij,jk,ki->", a, b, c))(a), (b @ c).T, rtol=1e-12)


def test_sympy_lambdify_makes_differentiable_functions():
    sympy = pytest.importorskip("sympy")
    x, y = sympy.symbols("x y")
    e = sympy.sin(x) * sympy.exp(y) * sympy.sqrt(x + y) + sympy.Max(x, y) + sympy.Piecewise((x * y, x > 1), (y, True))
    f = sympy.lambdify((x, y), e, "numpy")
    point = {x: 0.3, y: 0.7}
    expected = [float(sympy.diff(e, v).subs(point)) for v in (x, y)]
    close(cr.grad(f, (0, 1))(0.3, 0.7), expected, rtol=1e-12)
    second = float(sympy.diff(e, x, y).subs(point))
    close(cr.hessian(f, argnums=(0, 1))(0.3, 0.7)[0][1], second, rtol=1e-10)


SCIPY_WITH_THE_ARRAY_API = """
import numpy as np, chainrule as cr
from scipy import integrate, optimize, special, stats
v = np.array([1.0, 2.0, 5.0, 0.3])
for f in (
    special.logsumexp, lambda x: special.softmax(x)[0], lambda x: special.log_softmax(x)[1], optimize.rosen,
    stats.skew, stats.kurtosis, lambda x: stats.zscore(x)[0], stats.gmean, stats.sem, stats.variation, stats.iqr,
    integrate.trapezoid, lambda x: integrate.cumulative_trapezoid(x).sum(),
):
    assert cr.gradcheck(f, (v,)), f
print("all right")
"""


def test_scipy_functions_that_know_the_array_api_take_tensors():
    pytest.importorskip("scipy")
    env = {**os.environ, "SCIPY_ARRAY_API": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-c", SCIPY_WITH_THE_ARRAY_API], capture_output=True, text=True, env=env)
    assert run.stdout.strip() == "all right", run.stderr[-2000:]
