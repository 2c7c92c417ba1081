"""grad, vjp, jvp and what is built on them, over trees, nested and mixed, with closed-form answers."""

import dataclasses
import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import chainrule as cr
from chainrule.errors import (
    ArgumentError,
    LeakedTensorError,
    LostDerivativeError,
    NonDifferentiableError,
    NonScalarOutputError,
    ShapeError,
    TreeError,
)

close = np.testing.assert_allclose
rng = np.random.default_rng(0)
X = rng.uniform(0.5, 1.5, 3)


def f(x):
    return cr.sum(cr.sin(x) * x**2)


def df(x):
    return np.cos(x) * x**2 + 2 * x * np.sin(x)


def d2f(x):
    return -np.sin(x) * x**2 + 4 * x * np.cos(x) + 2 * np.sin(x)


# --- plain use ----------------------------------------------------------------------------------------------------------


def test_plain_arrays_in_plain_arrays_out():
    for out in (cr.grad(f)(X), cr.jacfwd(cr.sin)(X), cr.hessian(f)(X), cr.vmap(cr.sin)(X), cr.vjp(cr.sin, X)[0], cr.sin(X)):
        assert type(out) is np.ndarray
    assert isinstance(cr.grad(cr.sin)(1.0), float)
    assert isinstance(cr.grad(f)(cr.tensor(X)), cr.Tensor)


def test_gradient_of_several_arguments():
    g = cr.grad(lambda x, y, z: x * y**2 + z, argnums=(0, 1))(2.0, 3.0, 1.0)
    assert g == (9.0, 12.0)
    assert cr.grad(lambda x, y: x * y, argnums=-1)(2.0, 3.0) == 2.0
    assert cr.grad(lambda x, k=1.0: k * x)(2.0, k=5.0) == 5.0


def test_value_and_grad_with_aux():
    (value, aux), g = cr.value_and_grad(lambda x: (f(x), {"twice": 2 * x, "note": "text"}), has_aux=True)(X)
    close(value, f(X))
    close(aux["twice"], 2 * X)
    assert aux["note"] == "text" and type(aux["twice"]) is np.ndarray
    close(g, df(X))
    g, aux = cr.grad(lambda x: (f(x), x), has_aux=True)(X)
    close(aux, X)


@dataclasses.dataclass
class Pair:
    a: object
    b: object


class Point(NamedTuple):
    x: object
    y: object


@pytest.mark.parametrize(
    "tree",
    [
        {"a": X, "b": 2.0},
        [X, 2.0],
        (X, 2.0),
        Pair(X, 2.0),
        Point(X, 2.0),
        {"deep": [Pair((X,), None), Point(2.0, ())]},
    ],
    ids=lambda t: type(t).__name__,
)
def test_gradients_have_the_structure_of_the_argument(tree):
    def total(t):
        leaves = cr.tree_leaves(t)
        return cr.sum(leaves[0] ** 2) * leaves[1]

    g = cr.grad(total)(tree)
    assert type(g) is type(tree)
    a, b = cr.tree_leaves(g)
    close(a, 2 * X * 2.0)
    close(b, np.sum(X**2))


def test_vjp_and_jvp_have_jaxs_signatures():
    value, pull = cr.vjp(lambda x, y: (x * y, x + y), 2.0, 3.0)
    assert value == (6.0, 5.0)
    assert pull((1.0, 0.0)) == (3.0, 2.0)
    assert pull((0.0, 2.0)) == (2.0, 2.0)
    value, tangent = cr.jvp(lambda d: {"s": d["x"] * d["y"]}, ({"x": 2.0, "y": 3.0},), ({"x": 1.0, "y": None},))
    assert value == {"s": 6.0} and tangent == {"s": 3.0}
    value, pull, aux = cr.vjp(lambda x: (x * x, "aux"), 3.0, has_aux=True)
    assert (value, pull(1.0), aux) == (9.0, (6.0,), "aux")
    assert cr.jvp(lambda x: (x * x, 7), (3.0,), (1.0,), has_aux=True) == (9.0, 6.0, 7)


def test_jacobians_of_trees():
    def g(p, s):
        return {"u": p["x"] * s, "v": cr.sum(p["x"]) * s**2}

    for jac in (cr.jacfwd, cr.jacrev, cr.jacobian):
        j = jac(g, argnums=(0, 1))({"x": X}, 2.0)
        close(j["u"][0]["x"], 2.0 * np.eye(3))
        close(j["u"][1], X)
        close(j["v"][0]["x"], np.full(3, 4.0))
        close(j["v"][1], 4 * X.sum())


@given(st.lists(st.integers(0, 3), max_size=2), st.lists(st.integers(0, 3), max_size=2))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_jacobian_shapes_and_modes_agree(in_shape, out_shape):
    n, m = math.prod(in_shape), math.prod(out_shape)
    a = np.random.default_rng(n * 7 + m).normal(size=(m, n))
    x = np.random.default_rng(1).normal(size=in_shape)

    def g(v):
        return cr.sin(a @ v.reshape(n)).reshape(tuple(out_shape))

    expected = (np.cos(a @ x.reshape(n))[:, None] * a).reshape((*out_shape, *in_shape))
    for jac in (cr.jacfwd, cr.jacrev, cr.jacobian):
        close(jac(g)(x), expected, rtol=1e-12, atol=1e-12)


def test_hessian_and_hvp():
    close(cr.hessian(f)(X), np.diag(d2f(X)), rtol=1e-12)
    v = rng.normal(size=3)
    gradient, product = cr.hvp(f, (X,), (v,))
    close(gradient, df(X), rtol=1e-12)
    close(product, d2f(X) * v, rtol=1e-12)
    (gx, gy), (hx, hy) = cr.hvp(lambda x, y: x * y**2, (2.0, 3.0), (1.0, 1.0))
    assert (gx, gy, hx, hy) == (9.0, 12.0, 6.0, 10.0)
    h = cr.hessian(lambda p: p["a"] ** 2 * p["b"])({"a": 2.0, "b": 3.0})
    assert (h["a"]["a"], h["a"]["b"], h["b"]["a"], h["b"]["b"]) == (6.0, 4.0, 4.0, 0.0)


def test_linearize_runs_the_function_once():
    calls = []

    def g(x):
        calls.append(1)
        return cr.sin(x)

    value, tangent_of = cr.linearize(g, X)
    close(value, np.sin(X))
    for _ in range(3):
        t = rng.normal(size=3)
        close(tangent_of(t), np.cos(X) * t)
    assert len(calls) == 1


def test_stop_gradient_holds_in_all_modes_and_orders():
    def g(x):
        return x * cr.stop_gradient(x)

    assert cr.grad(g)(3.0) == 3.0
    assert cr.jvp(g, (3.0,), (1.0,))[1] == 3.0
    assert cr.grad(cr.grad(g))(3.0) == 0.0
    close(cr.vmap(cr.grad(g))(X), X)


# --- nesting --------------------------------------------------------------------------------------------------------------

FORWARD = lambda g: lambda x: cr.jvp(g, (x,), (1.0,))[1]  # noqa: E731
REVERSE = cr.grad
BACKWARD = "backward"


def by_backward(g):
    def derivative(x):
        leaf = cr.tensor(0.0, requires_grad=True) + x if isinstance(x, cr.Tensor) else cr.tensor(x, requires_grad=True)
        (d,) = cr.autograd.grad(g(leaf), leaf, create_graph=True)
        return d

    return derivative


@pytest.mark.parametrize("modes", [(a, b, c) for a in range(2) for b in range(2) for c in range(2)])
def test_third_derivatives_in_every_order_of_modes(modes):
    g = lambda x: cr.sin(x) * cr.exp(2 * x)  # noqa: E731
    d = g
    for m in modes:
        d = (FORWARD, REVERSE)[m](d)
    x = 0.3
    expected = np.imag((1j + 2) ** 3 * np.exp((1j + 2) * x))
    close(d(x), expected, rtol=1e-12)
    close(cr.vmap(d)(np.array([x, x])), [expected] * 2, rtol=1e-12)


def test_perturbation_confusion():
    # d/dx (x d/dy (x + y)) = 1 and d/dx (x d/dy (x y)) = 2 x: the inner derivative must not see the outer perturbation
    for outer in (FORWARD, REVERSE):
        for inner in (FORWARD, REVERSE):
            assert outer(lambda x, inner=inner: x * inner(lambda y: x + y)(2.0))(1.0) == 1.0
            assert outer(lambda x, inner=inner: x * inner(lambda y: x * y)(2.0))(3.0) == 6.0


def test_backward_outside_a_transform():
    w = cr.tensor(2.0, requires_grad=True)
    y = cr.grad(lambda x: w * x**3)(3.0)  # 3 w x^2
    y.backward()
    assert w.grad.item() == 27.0
    w.grad = None
    cr.jvp(lambda x: w * x**3, (3.0,), (1.0,))[1].backward()
    assert w.grad.item() == 27.0
    w.grad = None
    cr.vmap(lambda x: w * x**2)(np.array([1.0, 2.0])).sum().backward()
    assert w.grad.item() == 5.0


def test_backward_inside_a_transform():
    def g(x):
        w = cr.tensor(3.0, requires_grad=True)
        (w * w * x).backward()
        return w.grad  # 2 w x

    assert cr.grad(g)(2.0) == 6.0
    assert cr.jvp(g, (2.0,), (1.0,))[1] == 6.0
    close(np.asarray(cr.vmap(g)(np.array([1.0, 2.0]))), [6.0, 12.0])


def test_backward_inside_a_transform_of_what_began_outside_raises():
    w = cr.tensor(3.0, requires_grad=True)

    def g(x):
        (w * x).backward()
        return x

    with pytest.raises((ArgumentError, LostDerivativeError), match="help"):
        cr.grad(g)(2.0)


def test_the_three_doors_agree():
    x = cr.tensor(X, requires_grad=True)
    f(x).backward()
    with cr.GradientTape() as tape:
        v = cr.Variable(X)
        y = f(v)
    close(x.grad.numpy(), cr.grad(f)(X), rtol=1e-15)
    close(tape.gradient(y, v).numpy(), cr.grad(f)(X), rtol=1e-15)


def test_maml_gradient_through_gradient_steps():
    def loss(w, a):
        return cr.sum((w - a) ** 2)

    def adapted(w, a):
        return loss(w - 0.1 * cr.grad(loss)(w, a), a)  # (1 - 0.2)^2 |w - a|^2

    close(cr.grad(adapted)(X, np.zeros(3)), 2 * 0.64 * X, rtol=1e-12)


# --- vmap -----------------------------------------------------------------------------------------------------------------


def test_vmap_axes():
    a, b = rng.normal(size=(4, 3)), rng.normal(size=(3, 4))
    close(cr.vmap(lambda x, y: x @ y, in_axes=(0, 1))(a, b), np.einsum("ij,ji->i", a, b))
    close(cr.vmap(lambda x: 2 * x, in_axes=1, out_axes=1)(a), 2 * a)
    close(cr.vmap(lambda x: x.sum(), in_axes=-1)(a), a.sum(0))
    out = cr.vmap(lambda d: {"s": d["x"].sum(), "c": 1.0}, in_axes=({"x": 0, "y": None},))({"x": a, "y": b})
    close(out["s"], a.sum(1))
    close(out["c"], np.ones(4))
    close(cr.vmap(cr.vmap(lambda x, y: x * y, in_axes=(None, 0)), in_axes=(0, None))(a[:, 0], b[0]), np.outer(a[:, 0], b[0]))


def test_per_example_gradients():
    w, xs = rng.normal(size=3), rng.normal(size=(5, 3))
    per_example = cr.vmap(cr.grad(lambda w, x: cr.tanh(w @ x)), in_axes=(None, 0))(w, xs)
    close(per_example, (1 - np.tanh(xs @ w) ** 2)[:, None] * xs, rtol=1e-12)
    close(cr.grad(lambda w: cr.vmap(lambda x: cr.tanh(w @ x))(xs).sum())(w), per_example.sum(0), rtol=1e-12)


def test_vmap_errors():
    with pytest.raises(ShapeError, match="differ in length"):
        cr.vmap(lambda x, y: x + y)(np.ones(3), np.ones(4))
    with pytest.raises(ShapeError, match="no axis"):
        cr.vmap(lambda x: x, in_axes=2)(np.ones(3))
    with pytest.raises(ArgumentError, match="where"):
        cr.vmap(lambda x: x if x > 0 else -x)(np.ones(3))
    with pytest.raises(ShapeError, match="where"):
        cr.vmap(lambda x: x[x > 0])(np.ones((2, 3)))


# --- bad input --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: cr.grad(cr.sin)(3), NonDifferentiableError, ["int64", "3.0"]),
        (lambda: cr.grad(cr.sin)(True), NonDifferentiableError, ["bool"]),
        (lambda: cr.grad(lambda d: d["n"] * 1.0)({"x": 1.0, "n": 2}), NonDifferentiableError, ["['n']", "int64"]),
        (lambda: cr.grad(lambda s: 1.0)("text"), NonDifferentiableError, ["str"]),
        (lambda: cr.grad(lambda x: x * 2)(X), NonScalarOutputError, ["(3,)", "jacrev"]),
        (lambda: cr.grad(lambda x: (x, x))(1.0), NonScalarOutputError, ["one scalar"]),
        (lambda: cr.grad(lambda x: "no")(1.0), NonDifferentiableError, ["str"]),
        (lambda: cr.grad(lambda x: None)(1.0), NonScalarOutputError, ["no array"]),
        (lambda: cr.grad(lambda x: x > 0)(1.0), NonDifferentiableError, ["bool"]),
        (lambda: cr.grad(lambda x: x * 1j)(1.0), NonDifferentiableError, ["complex"]),
        (lambda: cr.grad(cr.sin, argnums=1)(1.0), ArgumentError, ["argnums=1"]),
        (lambda: cr.grad(cr.sin, argnums="x")(1.0), ArgumentError, ["'x'"]),
        (lambda: cr.jvp(cr.sin, 1.0, 1.0), ArgumentError, ["tuples"]),
        (lambda: cr.jvp(cr.sin, (X,), (np.ones(2),)), ShapeError, ["(3,)", "(2,)"]),
        (lambda: cr.jvp(lambda d: d, ({"a": 1.0},), ({"b": 1.0},)), TreeError, ["'a'", "'b'"]),
        (lambda: cr.vjp(cr.sin, X)[1](np.ones(2)), ShapeError, ["(3,)", "(2,)"]),
        (lambda: cr.vjp(lambda x: (x, x), X)[1](X), TreeError, ["cotangents"]),
        (lambda: cr.matmul(np.ones((2, 3)), np.ones((4, 3))), ShapeError, ["x @ y.T"]),
        (lambda: cr.grad(lambda x: math.sin(x))(1.0), LostDerivativeError, ["float()"]),
        (lambda: cr.grad(lambda x: np.asarray(x).sum())(X), LostDerivativeError, ["np.asarray"]),
        (lambda: cr.grad(lambda x: x.item())(1.0), LostDerivativeError, [".item()"]),
        (lambda: cr.jvp(lambda x: float(x), (1.0,), (1.0,)), LostDerivativeError, ["float()"]),
        (lambda: cr.vmap(lambda x: float(x))(X), LostDerivativeError, ["vmap"]),
    ],
)
def test_bad_input_is_explained(call, error, words):
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    assert "help: " in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    "transform", [lambda g: cr.grad(g)(1.0), lambda g: cr.jvp(g, (1.0,), (1.0,)), lambda g: cr.vmap(g)(np.ones(2))]
)
def test_a_tensor_used_after_its_transform_ended(transform):
    kept = []

    def g(x):
        kept.append(x * 2.0)
        return x * 1.0

    transform(g)
    for use in (lambda t: t + 1.0, lambda t: float(t), lambda t: np.asarray(t), lambda t: t.backward(), lambda t: bool(t)):
        with pytest.raises(LeakedTensorError, match="had ended"):
            use(kept[0])
    with pytest.raises(LeakedTensorError):
        cr.grad(lambda x: kept[0])(1.0)
    assert "ended" in repr(kept[0])


def test_complex_gradients_follow_d_re_plus_i_d_im():
    z = np.array([1.0 + 2.0j, -0.5 + 0.3j])
    g = cr.grad(lambda z: cr.sum(cr.absolute(z) ** 2))(z)
    close(g, 2 * z, rtol=1e-12)
    g = cr.grad(lambda z: cr.sum(cr.real(z * z)))(z)
    close(g, 2 * np.conj(z), rtol=1e-12)
    x = np.array([0.3, 0.4])
    close(cr.grad(lambda x: cr.absolute(cr.sum(x * z)) ** 2)(x), 2 * np.real(np.conj(np.sum(x * z)) * z), rtol=1e-12)


def test_vmap_with_a_size_and_results_without_an_axis():
    x = np.arange(6.0).reshape(2, 3)
    close(cr.vmap(lambda: 2.0, axis_size=3)(), np.full(3, 2.0))
    close(cr.vmap(lambda v: 2 * v, in_axes=None, axis_size=2)(x[0]), [2 * x[0]] * 2)
    first, same = cr.vmap(lambda row, v: (row * v, v + 1), (0, None), (1, None))(x, x[0])
    close(first, (x * x[0]).T)
    close(same, x[0] + 1)
    slope = cr.grad(lambda v: cr.vmap(lambda row: v * 2, out_axes=None)(x).sum())(x[0])
    close(slope, np.full(3, 2.0))
    for call, words in [
        (lambda: cr.vmap(lambda v: v, axis_size=3)(x), "axis_size: 3"),
        (lambda: cr.vmap(lambda v: v, out_axes=None)(x), "differs from entry to entry"),
        (lambda: cr.vmap(lambda v: v, out_axes=2)(x), "no axis 2"),
    ]:
        with pytest.raises((ShapeError, ArgumentError), match=words):
            call()


def test_linearize_with_aux():
    value, push, aux = cr.linearize(lambda x: (x * x, {"twice": 2 * x}), 3.0, has_aux=True)
    assert (value, push(1.0), aux["twice"]) == (9, 6, 6)


@pytest.mark.parametrize("transform", [cr.grad, cr.jacfwd, cr.jacrev, cr.hessian])
@pytest.mark.parametrize("argnums", [(0, 0), (1, -1)])
def test_an_argument_named_twice(transform, argnums):
    with pytest.raises(ArgumentError, match="names an argument twice"):
        transform(lambda x, y: x * y, argnums)(2.0, 3.0)


@pytest.mark.parametrize("wrap", [lambda f: f, cr.compile])
@pytest.mark.parametrize("f", [lambda x: 2 * x, lambda x: x * x, lambda x: cr.cond(x.sum() > 0, cr.sin, cr.cos, x)])
def test_derivatives_at_tensors_are_tensors(f, wrap):
    """Whether or not their numbers depend on the point."""
    total = lambda x: f(x).sum()  # noqa: E731
    ways = {
        "grad": cr.grad(total),
        "vjp": lambda x: cr.vjp(f, x)[1](np.ones(2))[0],
        "jvp": lambda x: cr.jvp(f, (x,), (np.ones(2),))[1],
        "jacrev": cr.jacrev(f),
        "jacfwd": cr.jacfwd(f),
        "hessian": cr.hessian(total),
        "hvp": lambda x: cr.hvp(total, (x,), (np.ones(2),))[1],
    }
    for name, way in ways.items():
        for kind, point in ((np.ndarray, np.ones(2)), (cr.Tensor, cr.tensor(np.ones(2)))):
            assert isinstance(wrap(way)(point), kind), (name, kind)
