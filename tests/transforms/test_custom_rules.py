"""Functions whose derivatives are rules of the user's: `custom_vjp` and `custom_jvp`."""

import functools

import numpy as np
import pytest
from custom_rules import by_both, by_jvp, by_vjp

import chainrule as cr
from chainrule.errors import ArgumentError, LostDerivativeError, ShapeError, TreeError

close = np.testing.assert_allclose

X = np.random.default_rng(0).uniform(0.5, 1.5, 3)

SQUARE = np.arange(9.0).reshape(3, 3)


@pytest.mark.parametrize("make", [by_vjp, by_jvp, by_both])
def test_custom_rules_work_in_every_transform(make):
    g = make()
    x, y = 0.5, 2.0
    assert g(x, y) == np.sin(x) * y
    close(cr.grad(g, (0, 1))(x, y), (np.cos(x) * y, np.sin(x)))
    close(cr.jvp(g, (x, y), (1.0, 10.0))[1], np.cos(x) * y + 10 * np.sin(x))
    close(cr.grad(cr.grad(g))(x, y), -np.sin(x) * y)
    close(cr.hessian(g)(x, y), -np.sin(x) * y)
    close(cr.jacfwd(cr.jacfwd(g))(x, y), -np.sin(x) * y)
    close(cr.jacrev(cr.jacfwd(g))(x, y), -np.sin(x) * y)
    close(cr.vmap(cr.grad(g), (0, None))(X, y), np.cos(X) * y)
    close(cr.grad(lambda v: cr.vmap(g, (0, None))(v, y).sum())(X), np.cos(X) * y)
    close(cr.jvp(lambda v: cr.vmap(g, (0, None))(v, y), (X,), (np.ones(3),))[1], np.cos(X) * y)
    t = cr.tensor(x, requires_grad=True)
    g(t, y).backward(create_graph=True)
    first, t.grad = t.grad, None
    first.backward()
    close(t.grad.item(), -np.sin(x) * y)
    assert cr.gradcheck(g, (X, X + 1.0), order=2)


def test_custom_rules_replace_the_derivative():
    @cr.custom_vjp
    def clipped(x):
        return x

    clipped.defvjp(lambda x: (x, None), lambda _, g: (cr.clip(g, -1.0, 1.0),))
    close(cr.grad(lambda x: cr.sum(clipped(x) * np.array([5.0, 0.5, -7.0])))(X), [1.0, 0.5, -1.0])

    @cr.custom_jvp
    def straight(x):
        return cr.round(x)

    straight.defjvp(lambda p, t: (cr.round(p[0]), t[0]))
    close(cr.grad(lambda x: cr.sum(straight(x)))(X), np.ones(3))
    close(cr.vmap(cr.grad(straight))(X), np.ones(3))


def test_custom_rules_over_trees_and_static_arguments():
    @cr.custom_vjp
    def g(d):
        return {"s": d["a"] * d["b"]}

    g.defvjp(lambda d: (g.f(d), d), lambda d, g: ({"a": g["s"] * d["b"], "b": None},))
    grads = cr.grad(lambda d: cr.sum(g(d)["s"]))({"a": X, "b": X + 1})
    close(grads["a"], X + 1)
    close(grads["b"], np.zeros(3))

    h = cr.custom_vjp(lambda k, x: x**k, nondiff_argnums=(0,))
    h.defvjp(lambda k, x: (x**k, x), lambda k, x, g: (g * k * x ** (k - 1),))
    close(cr.grad(lambda x: h(3, x))(2.0), 12.0)


@pytest.mark.parametrize(
    "bwd, error, words",
    [
        (lambda r, g: g, ArgumentError, "tuple"),
        (lambda r, g: (g, g), ArgumentError, "one cotangent per argument"),
        (lambda r, g: (cr.sum(g),), ShapeError, "shapes of the arguments"),
        (lambda r, g: ({"a": g},), TreeError, "cotangent"),
    ],
)
def test_wrong_rules_are_explained(bwd, error, words):
    g = cr.custom_vjp(lambda x: x * 2.0)
    g.defvjp(lambda x: (x * 2.0, None), bwd)
    with pytest.raises(error, match=words):
        cr.grad(lambda x: cr.sum(g(x)))(X)


def test_rules_must_not_close_over_traced_values():
    def outer(x):
        g = cr.custom_vjp(lambda y: x * y)
        g.defvjp(lambda y: (x * y, None), lambda _, g: (g,))
        return g(x)

    with pytest.raises(LostDerivativeError, match="argument"):
        cr.grad(outer)(2.0)
    with pytest.raises(ArgumentError, match="defjvp"):
        cr.grad(cr.custom_vjp(lambda x: x))(1.0)


@pytest.mark.parametrize(
    "call",
    [
        lambda g: cr.vmap(lambda x: cr.cond(x[0] > 1, g, g, x)),
        lambda g: cr.vmap(lambda x: cr.scan(lambda c, _: (g(c), None), x, None, length=1)[0]),
        lambda g: cr.vmap(cr.compile(g)),
        lambda g: cr.compile(lambda x: cr.scan(lambda c, row: (c, g(row)), 0.0, x)[1]),
    ],
)
@pytest.mark.parametrize("decorate", [cr.custom_jvp, cr.custom_vjp])
def test_arrays_from_outside_of_the_shape_of_an_argument(decorate, call):
    g = decorate(lambda x: cr.vmap(lambda row: row @ x)(SQUARE) - x)
    if decorate is cr.custom_jvp:
        g.defjvp(lambda p, t: (g(*p), SQUARE @ t[0] - t[0]))
    else:
        g.defvjp(lambda x: (g(x), None), lambda _, ct: (ct @ SQUARE - ct,))
    x = np.random.default_rng(1).normal(size=(3, 3))
    close(call(g)(x), x @ SQUARE.T - x)
    close(cr.grad(lambda x: (call(g)(x) ** 2).sum())(x), 2 * (x @ SQUARE.T - x) @ (SQUARE - np.eye(3)))


def doubled_slope(call_itself=True):
    """sin, whose rule says that its slope is twice as steep."""
    g = cr.custom_jvp(lambda x: cr.sin(x))
    g.defjvp(lambda p, t: (g(*p) if call_itself else cr.sin(*p), 2 * cr.cos(p[0]) * t[0]))
    return g


@pytest.mark.parametrize("inner", [lambda f, x: cr.grad(f)(x), lambda f, x: cr.jvp(f, (x,), (1.0,))[1]], ids=["rev", "fwd"])
@pytest.mark.parametrize("outer", [lambda f, x: cr.grad(f)(x), lambda f, x: cr.jvp(f, (x,), (1.0,))[1]], ids=["rev", "fwd"])
@pytest.mark.parametrize("itself", [True, False])
def test_value_of_a_forward_rule_in_transforms_further_out(inner, outer, itself):
    g, x = doubled_slope(itself), 0.7
    slope = (2 if itself else 1) * np.cos(x)  # the value is what the rule computes, and so is its derivative

    # d/dx of d/dy (g(y + x) y) at y = 0, where only the derivative of the value is left
    def f(x):
        return inner(lambda y: g(y + x) * y, 0.0)

    close(outer(f, x), slope)
    close(cr.compile(lambda x: outer(f, x))(x), slope)
    close(cr.vmap(lambda x: outer(f, x))(np.array([x])), [slope])


def test_forward_rules_with_integer_arguments_and_defaults():
    @cr.custom_jvp
    def power(x, n=3):
        return x**n

    power.defjvp(lambda p, t: (power(*p), p[1] * p[0] ** (p[1] - 1) * t[0]))
    for n in (2, np.array(2)):
        assert cr.grad(power)(3.0, n) == 6
        assert cr.grad(cr.grad(power))(3.0, n) == 2
        close(cr.vmap(cr.grad(power), (0, None))(X, n), 2 * X)
    assert cr.grad(power)(3.0) == cr.jvp(power, (3.0,), (1.0,))[1] == 27

    def loop(x):
        return cr.scan(lambda c, n: (power(c, n), None), x, np.array([1, 2]))[0]

    assert cr.grad(loop)(3.0) == cr.compile(cr.grad(loop))(3.0) == 6


def test_forward_rule_of_each_argument():
    product = cr.custom_jvp(lambda x, y: x * y)
    product.defjvps(lambda t, out, x, y: 10 * t * y, None)
    assert cr.grad(product, (0, 1))(2.0, 3.0) == (30, 0)
    assert cr.jvp(product, (2.0, 3.0), (1.0, 5.0)) == (6, 30)


def test_static_arguments_by_name():
    apply = functools.partial(cr.custom_jvp, nondiff_argnames="f")(lambda x, f: f(x))
    apply.defjvp(lambda f, p, t: (apply(*p, f), 3 * t[0]))
    assert cr.grad(apply)(2.0, cr.sin) == cr.grad(lambda x: apply(x, f=cr.sin))(2.0) == 3


@pytest.mark.parametrize(
    "rule, error, words",
    [
        (lambda p, t: t[0], ArgumentError, "must return a pair"),
        (lambda p, t: (p[0], t[0], 1.0), ArgumentError, "found: tuple of length 3"),
        (lambda p, t: (p[0] ** 2, t[0] * np.ones(1)), ShapeError, "must have the shape of the value"),
        (lambda p, t: (p[0] ** 2, [t[0]]), TreeError, "the tangent of f"),
    ],
)
def test_wrong_forward_rules_are_explained(rule, error, words):
    @cr.custom_jvp
    def f(x):
        return x**2

    f.defjvp(rule)
    for call in (lambda: cr.jvp(f, (2.0,), (1.0,)), lambda: cr.grad(f)(2.0), lambda: cr.grad(cr.grad(f))(2.0)):
        with pytest.raises(error, match=words):
            call()


def test_no_tangent_is_zero():
    f = cr.custom_jvp(lambda x: x**2)
    f.defjvp(lambda p, t: (p[0] ** 2, None))
    assert cr.grad(f)(2.0) == cr.jvp(f, (2.0,), (1.0,))[1] == 0


@pytest.mark.parametrize("wrap", [cr.grad, lambda f: lambda x: cr.jvp(f, (x,), (1.0,))], ids=["rev", "fwd"])
@pytest.mark.parametrize("bwd", [lambda _, g: g, lambda _, g: (g, g)])
def test_wrong_reverse_rules_are_explained_in_both_modes(wrap, bwd):
    f = cr.custom_vjp(lambda x: x**2)
    f.defvjp(lambda x: (x**2, None), bwd)
    with pytest.raises(ArgumentError, match="one cotangent per argument"):
        wrap(f)(2.0)


def test_rules_that_make_tensors():
    table = np.linspace(1, 2, 12)
    g = cr.custom_vjp(lambda x: x * 2)
    g.defvjp(lambda x: (x * 2, None), lambda _, ct: (ct * cr.tensor(table) * cr.full((12,), 3.0),))

    def loop(x):
        return cr.scan(lambda c, _: (g(c), None), x, None, length=1)[0].sum()

    for f in (cr.grad(loop), cr.compile(cr.grad(loop)), cr.grad(cr.compile(loop))):
        close(f(np.ones(12)), 3 * table)
