"""Derivative rules that are not the true derivative: eager, compiled, written down and written out agree, to any order."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.autograd import Function
from chainrule.errors import LostDerivativeError

close = np.testing.assert_allclose
X, V, W = np.array([0.4, 0.9, -0.3]), np.array([0.3, -0.7, 0.2]), np.array([1.1, 0.7, -0.4])


@cr.custom_vjp
def backward(x):
    return cr.sin(x)


backward.defvjp(lambda x: (cr.sin(x), x), lambda x, g: (g * cr.roll(x, 1) ** 2,))  # second derivatives are not symmetric


@cr.custom_jvp
def forward(x):
    return cr.sin(x)


forward.defjvp(lambda xs, ts: (cr.sin(xs[0]), ts[0] * cr.roll(xs[0], 1) ** 2))


class Method(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return cr.sin(x)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * cr.roll(x, 1) ** 2


def python_while(more, body, x):
    while more(x):
        x = body(x)
    return x


def step(h, y):
    return h(h(y)) * 1.3 + 0.1 * y * y


BODIES = {
    "cond": (
        lambda h, x: cr.cond(x.sum() > -9, lambda x: step(h, x), lambda x: x, x),
        lambda h, x: step(h, x),
    ),
    "switch": (
        lambda h, x: cr.switch((x.sum() > -9).astype(int), [lambda x: x, lambda x: step(h, x)], x),
        lambda h, x: step(h, x),
    ),
    "fori_loop": (
        lambda h, x: cr.fori_loop(0, 2, lambda i, y: step(h, y) + i, x),
        lambda h, x: step(h, step(h, x)) + 1,
    ),
    "scan": (
        lambda h, x: cr.scan(lambda y, u: (step(h, y) * u, y), x, np.array([1.0, 0.5]))[0],
        lambda h, x: step(h, step(h, x)) * 0.5,
    ),
    "while_loop": (
        lambda h, x: cr.while_loop(lambda c: c[0] < 2, lambda c: (c[0] + 1, step(h, c[1])), (0, x))[1],
        lambda h, x: step(h, step(h, x)),
    ),
    "while_loop by value": (
        lambda h, x: cr.while_loop(lambda y: (y * y).sum() < 4, lambda y: y * 1.5 + h(y) ** 2, x),
        lambda h, x: python_while(lambda y: (y * y).sum() < 4, lambda y: y * 1.5 + h(y) ** 2, x),
    ),
    "loop in a loop": (
        lambda h, x: cr.scan(
            lambda y, u: (cr.while_loop(lambda c: c[0] < 2, lambda c: (c[0] + 1, h(c[1]) * u), (0, y))[1], None),
            x,
            np.array([1.0, 1.5]),
        )[0],
        lambda h, x: h(h(h(h(x)) * 1.0) * 1.5) * 1.5,
    ),
}


def on_the_tape(f, order):
    def derivative(x):
        x = cr.tensor(x, requires_grad=True)
        (g,) = cr.autograd.grad(f(x), x, create_graph=order == 2)
        return g if order == 1 else cr.autograd.grad((g * V).sum(), x)[0]

    return derivative


def back_and_back(f):
    return lambda x: cr.grad(lambda x: (cr.grad(f)(x) * V).sum())(x)


DERIVATIVES = {
    "grad": cr.grad,
    "jvp": lambda f: lambda x: cr.jvp(f, (x,), (V,))[1],
    "reverse over reverse": back_and_back,
    "forward over reverse": lambda f: lambda x: cr.jvp(cr.grad(f), (x,), (V,))[1],
    "reverse over forward": lambda f: lambda x: cr.grad(lambda x: cr.jvp(f, (x,), (V,))[1])(x),
    "third": lambda f: lambda x: cr.jvp(back_and_back(f), (x,), (W,))[1],
    "tape": lambda f: on_the_tape(f, 1),
    "tape, twice": lambda f: on_the_tape(f, 2),
}


@pytest.mark.parametrize("rule", [backward, forward, Method.apply], ids=["custom_vjp", "custom_jvp", "Function"])
@pytest.mark.parametrize("body", BODIES)
def test_loops_and_branches_are_what_python_makes_of_them(body, rule):
    written, plain = BODIES[body]

    def squared(f):
        return lambda x: (f(rule, x) ** 2).sum()

    for derivative in DERIVATIVES.values():
        expected = derivative(squared(plain))(X)
        close(derivative(squared(written))(X), expected)
        for f in (cr.compile(derivative(squared(written))), derivative(cr.compile(squared(written)))):
            close(f(X), expected)
            close(f(X * 0.9), derivative(squared(plain))(X * 0.9))


@pytest.mark.parametrize("body", BODIES)
def test_loops_and_branches_under_vmap(body):
    written, plain = BODIES[body]
    stack = np.stack([X, X * 1.4, X * 0.5])
    for name in ("grad", "reverse over reverse", "forward over reverse", "third"):
        derivative = DERIVATIVES[name]
        expected = np.stack([derivative(lambda x: (plain(backward, x) ** 2).sum())(x) for x in stack])
        f = cr.vmap(derivative(lambda x: (written(backward, x) ** 2).sum()))
        close(f(stack), expected)
        close(cr.compile(f)(stack), expected)


# --- results of a compiled function that are differentiated later ------------------------------------------------------------


def hooked(x):
    h = x * 2
    h.register_hook(lambda g: 10 * g)
    return (h * h).sum()


LIVE = {
    "custom_vjp": lambda x: backward(x).sum(),
    "custom_jvp": lambda x: forward(x).sum(),
    "Function": lambda x: Method.apply(x).sum(),
    "loop": lambda x: BODIES["scan"][0](backward, x).sum(),
    "decision": lambda x: backward(x).sum() if x[0] > 1 else cr.cos(x).sum(),
    "hook": hooked,
    "what a mask chooses": lambda x: (x[x > 0.5] ** 2).sum() + (x * x).sum(),
    "checkpoint of a rule": lambda x: cr.checkpoint(lambda u: backward(u) * u)(np.tanh(x)).sum(),
    "checkpoint of a result": lambda x: cr.checkpoint(lambda u: np.sin(u) * u)(BODIES["scan"][0](forward, x)).sum(),
}


@pytest.mark.parametrize("name", LIVE)
def test_results_of_compiled_functions_keep_rules_and_hooks(name):
    f = LIVE[name]
    compiled = cr.compile(f)
    for k in range(4):
        found = []
        for g in (f, compiled):
            x = cr.tensor(X + k, requires_grad=True)
            y = g(x)
            y.backward()
            found.append((y.item(), x.grad.numpy()))
        close(*(y for y, _ in found))
        close(*(g for _, g in found))


def test_training_steps_with_rules_are_programs():
    w = cr.tensor(X.copy(), requires_grad=True)

    @cr.compile
    def train(x):
        w.grad = None
        loss = (backward(w) * x).sum()
        loss.backward()
        with cr.no_grad():
            w[:] = w - 0.1 * w.grad
        return loss

    expected = X.copy()
    for _ in range(3):
        train(V)
        expected = expected - 0.1 * V * np.roll(expected, 1) ** 2
    close(w.detach().numpy(), expected)
    assert len(train.variants) == 1


# --- rules that read what stands outside --------------------------------------------------------------------------------------


def reading(w, kind):
    """sin, whose derivative is said to be w**2."""
    if kind == "forward":
        f = cr.custom_jvp(lambda x: cr.sin(x))
        f.defjvp(lambda xs, ts: (cr.sin(xs[0]), ts[0] * w**2))
        return f
    f = cr.custom_vjp(lambda x: cr.sin(x))
    f.defvjp(lambda x: (cr.sin(x), None), lambda _, g: (g * w**2,))
    return f


@pytest.mark.parametrize("kind", ["forward", "backward"])
@pytest.mark.parametrize("body", BODIES)
def test_rules_may_read_tensors_from_outside(body, kind):
    written, plain = BODIES[body]

    def gradient(f, w):
        return cr.grad(lambda x: (f(reading(w, kind), x) ** 2).sum())(X)

    for constant in (W, cr.tensor(W)):
        expected = gradient(plain, W)
        close(gradient(written, constant), expected)
        close(cr.compile(lambda x, w=constant: cr.grad(lambda x: (written(reading(w, kind), x) ** 2).sum())(x))(X), expected)
        close(cr.grad(cr.compile(lambda x, w=constant: (written(reading(w, kind), x) ** 2).sum()))(X), expected)

    def through(f):
        return cr.grad(lambda w: (gradient(f, w) * V).sum())

    expected = through(plain)(W)
    close(through(written)(W), expected)
    close(cr.compile(through(written))(W), expected)
    close(cr.vmap(through(written))(np.stack([W, W]))[1], expected)
    close(cr.jvp(lambda w: gradient(written, w), (W,), (V,))[1], cr.jvp(lambda w: gradient(plain, w), (W,), (V,))[1])


def test_functions_with_rules_must_not_take_what_is_differentiated_from_outside():
    def outer(w):
        f = cr.custom_vjp(lambda x: w * x)
        f.defvjp(lambda x: (w * x, None), lambda _, g: (g,))
        return cr.scan(lambda c, _: (f(c), None), w, np.arange(2.0))[0]

    for f in (outer, cr.compile(outer)):
        with pytest.raises(LostDerivativeError, match="not among its arguments"):
            cr.grad(f)(2.0)
    with pytest.raises(LostDerivativeError, match="not among its arguments"):
        cr.compile(cr.grad(outer))(2.0)


def test_rules_may_use_the_function_itself():
    f = cr.custom_jvp(lambda x: cr.sin(x))
    f.defjvp(lambda xs, ts: (f(xs[0]), ts[0] * f(xs[0])))
    g = cr.custom_vjp(lambda x: cr.sin(x))
    g.defvjp(lambda x: (g(x), x), lambda x, c: (c * g(x),))
    for rule in (f, g):

        def loop(x, rule=rule):
            return cr.scan(lambda c, _: (rule(c), None), x, np.arange(2.0))[0].sum()

        for derivative in (cr.grad, back_and_back):
            expected = derivative(lambda x, rule=rule: rule(rule(x)).sum())(X)
            close(derivative(cr.compile(loop))(X), expected)
            close(cr.compile(derivative(loop))(X), expected)
