"""Roots and solutions of linear systems that any program finds: derivatives from the equation, in every mode and order."""

import numpy as np
import pytest

import chainrule as cr

rng = np.random.default_rng(6)
A, B = 0.3 * rng.normal(size=(3, 3)) + 3 * np.eye(3), rng.normal(size=3)
MODES = [cr.jacfwd, cr.jacrev]


def close(found, expected, tol=1e-9):
    np.testing.assert_allclose(found, expected, rtol=tol, atol=tol)


# --- f(x) = 0 -------------------------------------------------------------------------------------------------------------


def newton(f, x):
    for _ in range(40):
        x = x - f(x) / cr.grad(f)(x)
    return x


def newton_by_a_loop(f, x):
    return cr.while_loop(lambda x: abs(f(x)) > 1e-12, lambda x: x - f(x) / cr.grad(f)(x), x)


def cube_root(a, solve=newton):
    return cr.custom_root(lambda x: x**3 - a, 1.0, solve, lambda g, y: y / g(1.0))


@pytest.mark.parametrize("solve", [newton, newton_by_a_loop])
def test_all_orders_of_a_root(solve):
    def f(a):
        return cube_root(a, solve)

    slopes = [8.0 ** (1 / 3), 8.0 ** (-2 / 3) / 3, -2 / 9 * 8.0 ** (-5 / 3), 10 / 27 * 8.0 ** (-8 / 3)]
    for order, expected in enumerate(slopes):
        for mode in MODES:
            g = f
            for _ in range(order):
                g = mode(g)
            close(g(8.0), expected)
    for outer in MODES:
        for inner in MODES:
            close(outer(inner(f))(8.0), slopes[2])
    close(cr.compile(cr.grad(cr.grad(f)))(8.0), slopes[2])
    at = np.array([1.0, 8.0, 27.0])
    close(cr.vmap(cr.grad(f))(at), at ** (-2 / 3) / 3)
    close(cr.compile(cr.vmap(cr.grad(f)))(at), at ** (-2 / 3) / 3)
    total = cr.grad(lambda a: cr.scan(lambda c, x: (c + f(a * x), None), 0.0, at)[0])
    close(total(1.0), 2.0)
    close(cr.compile(total)(1.0), 2.0)


def test_a_root_on_the_tape():
    a = cr.tensor(8.0, requires_grad=True)
    (slope,) = cr.autograd.grad(cube_root(a), a, create_graph=True)
    slope.backward()
    close(a.grad.item(), -2 / 9 * 8.0 ** (-5 / 3))


def system_root(a, b):
    def f(x):
        return {"u": a @ x["u"] + 0.1 * x["u"] ** 3 - b, "v": x["v"] * (2 + b @ b) - x["u"].sum()}

    def linear(g, y):
        vector, tree = cr.flatten_util.ravel_pytree(y)
        matrix = cr.jacobian(lambda v: cr.flatten_util.ravel_pytree(g(tree(v)))[0])(vector)
        return tree(cr.linalg.solve(matrix, vector))

    def solve(f, x):
        for _ in range(8):
            step = linear(lambda v, x=x: cr.jvp(f, (x,), (v,))[1], f(x))
            x = cr.tree_map(cr.subtract, x, step)
        return x

    return cr.custom_root(f, {"u": np.zeros(3), "v": 0.0}, solve, linear)


def test_a_system_of_equations():
    def total(a, b):
        x = system_root(a, b)
        return (x["u"] ** 2).sum() + x["v"] ** 2

    expected = [cr.numeric.gradient(total, i, method="central")(A, B) for i in (0, 1)]
    for found in (cr.grad(total, (0, 1))(A, B), cr.compile(cr.grad(total, (0, 1)))(A, B)):
        for f, e in zip(found, expected, strict=True):
            close(f, e, 1e-7)
    h, (u, v) = 1e-4, np.eye(3)[:2]
    second = (cr.grad(total, 1)(A, B + h * u) - cr.grad(total, 1)(A, B - h * u)) @ v / (2 * h)
    for outer in MODES:
        for inner in MODES:
            close(outer(inner(total, 1), 1)(A, B)[0, 1], second, 1e-6)


def test_what_a_solver_tells_besides_has_no_derivative():
    def f(a):
        return cr.custom_root(
            lambda x: x * x - a, 1.0, lambda f, x: (newton(f, x), {"steps": 40}), lambda g, y: y / g(1.0), has_aux=True
        )

    x, aux = f(4.0)
    assert aux["steps"] == 40
    close(x, 2.0)
    close(cr.grad(lambda a: f(a)[0] + f(a)[1]["steps"] * 1.0)(4.0), 0.25)


def test_what_is_no_root():
    with pytest.raises(cr.errors.ShapeError, match="as many equations as unknowns"):
        cr.custom_root(lambda x: x[:2], np.ones(3), newton, None)
    with pytest.raises(cr.errors.TreeError, match="must return the structure"):
        cr.custom_root(lambda x: (x, x), np.ones(3), newton, None)
    with pytest.raises(cr.errors.TreeError, match="a solution like the unknowns"):
        cr.custom_root(lambda x: x, np.ones(3), lambda f, x: x[:1], None)
    with pytest.raises(cr.errors.LostDerivativeError, match="written down"):
        cr.custom_root(lambda x: x if x > 0 else -x, 1.0, newton, None)


# --- A x = b --------------------------------------------------------------------------------------------------------------


def dense(matvec, b):
    return cr.linalg.solve(cr.vmap(matvec, 0, 1)(np.eye(b.shape[0], dtype=b.dtype)), b)


def linear(a, b):
    return cr.custom_linear_solve(lambda x: a @ x, b, dense, dense)


def length(solve):
    return lambda a, b: cr.sum(cr.absolute(solve(a, b)) ** 2)


@pytest.mark.parametrize("factor", [1.0, 1.0 + 0.5j])
def test_derivatives_of_linear_systems(factor):
    a, b = A * factor, B * factor**2
    f, plain = length(linear), length(cr.linalg.solve)
    for found, expected in zip(cr.grad(f, (0, 1))(a, b), cr.grad(plain, (0, 1))(a, b), strict=True):
        close(found, expected)
    close(cr.jvp(linear, (a, b), (b[:, None] * a, a @ b))[1], cr.jvp(cr.linalg.solve, (a, b), (b[:, None] * a, a @ b))[1])
    close(cr.compile(cr.grad(f))(a, b), cr.grad(plain)(a, b))
    close(cr.vmap(cr.grad(f), (0, None))(np.stack([a.T, a]), b)[1], cr.grad(plain)(a, b))
    if factor == 1:
        for outer in MODES:
            for inner in MODES:
                close(outer(inner(f, 1), 0)(a, b), cr.jacfwd(cr.jacfwd(plain, 1), 0)(a, b))


def test_the_adjoint_solver_is_asked_for_the_adjoint():
    asked = []

    def solve_adjoint(vecmat, g):
        asked.append(dense(vecmat, g) - np.linalg.solve(A.T, g))
        return np.linalg.solve(A.T, g)

    f = lambda b: cr.custom_linear_solve(lambda x: A @ x, b, lambda _, b: np.linalg.solve(A, b), solve_adjoint)  # noqa: E731
    close(cr.grad(lambda b: f(b)[0])(B), np.linalg.inv(A)[0])
    assert asked
    for difference in asked:
        close(difference, np.zeros(3))


def test_a_symmetric_system_needs_one_solver():
    s = A @ A.T

    def f(scale, b):
        return cr.custom_linear_solve(
            lambda x: scale * (s @ x), b, lambda m, b: cr.linalg.cg(m, b, rtol=1e-13)[0], symmetric=True
        )

    close(cr.jacrev(f, (0, 1))(2.0, B)[1], np.linalg.inv(2 * s))
    close(cr.jacrev(f)(2.0, B), -np.linalg.solve(s, B) / 4)


def test_reverse_mode_without_an_adjoint_solver():
    f = lambda b: cr.custom_linear_solve(lambda x: A @ x, b, dense).sum()  # noqa: E731
    close(cr.jacfwd(f)(B), np.linalg.inv(A).sum(0))
    with pytest.raises(cr.errors.ArgumentError, match="solver for the adjoint"):
        cr.grad(f)(B)


def test_trees_and_what_a_solver_tells_besides():
    def solve(matvec, b):
        return {"x": (b["x"] - b["y"]) / 2, "y": b["y"] / 3}, 7

    def f(b):
        x, count = cr.custom_linear_solve(
            lambda x: {"x": 2 * x["x"] + 3 * x["y"], "y": 3 * x["y"]}, b, solve, lambda m, b: (None, 0), has_aux=True
        )
        assert int(count) == 7
        return x

    x, moved = cr.jvp(f, ({"x": 4.0, "y": 6.0},), ({"x": 1.0, "y": 3.0},))
    assert (x["x"], x["y"], moved["x"], moved["y"]) == (-1, 2, -1, 1)
