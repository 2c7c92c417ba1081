"""Custom rules in both modes, checkpoints, gradient tapes and gradcheck."""

import functools
import gc
import weakref

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError, LostDerivativeError, ShapeError, TreeError

close = np.testing.assert_allclose
X = np.random.default_rng(0).uniform(0.5, 1.5, 3)


def by_vjp():
    @cr.custom_vjp
    def g(x, y):
        return cr.sin(x) * y

    g.defvjp(lambda x, y: (cr.sin(x) * y, (x, y)), lambda r, g: (g * cr.cos(r[0]) * r[1], g * cr.sin(r[0])))
    return g


def by_jvp():
    @cr.custom_jvp
    def g(x, y):
        return cr.sin(x) * y

    @g.defjvp
    def rule(primals, tangents):
        (x, y), (tx, ty) = primals, tangents
        return cr.sin(x) * y, tx * cr.cos(x) * y + ty * cr.sin(x)

    return g


def by_both():
    g = by_vjp()
    g.defjvp(by_jvp().jvp_rule)
    return g


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


def test_gradcheck_compares_the_two_rules():
    g = by_both()
    g.defvjp(lambda x, y: (cr.sin(x) * y, (x, y)), lambda r, g: (g * 1.01 * cr.cos(r[0]) * r[1], g * cr.sin(r[0])))
    with pytest.raises(cr.GradcheckError, match="transpose"):
        cr.gradcheck(g, (X, X))
    g = by_both()
    g.defjvp(lambda p, t: (cr.sin(p[0]) * p[1], t[0] * cr.cos(p[0]) * p[1]))
    with pytest.raises(cr.GradcheckError, match="forward mode"):
        cr.gradcheck(g, (X, X))
    assert not cr.gradcheck(g, (X, X), raise_exception=False)


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


# --- checkpoint -----------------------------------------------------------------------------------------------------------


def block(x):
    return cr.sin(x) * cr.exp(0.1 * x) + x


def chain(x, times=4, wrap=lambda f: f):
    for _ in range(times):
        x = wrap(block)(x)
    return cr.sum(x)


def test_checkpoint_changes_no_derivative():
    def saved(x):
        return chain(x, wrap=cr.checkpoint)

    for transform in (
        cr.grad,
        lambda g: cr.hessian(g),
        lambda g: cr.grad(lambda x: cr.sum(cr.grad(g)(x) ** 2)),
        lambda g: lambda x: cr.jvp(g, (x,), (np.ones(3),))[1],
        lambda g: lambda x: cr.vmap(cr.grad(g))(np.stack([x, x + 0.1])),
        lambda g: cr.jacfwd(cr.jacfwd(g)),
    ):
        close(transform(saved)(X), transform(chain)(X), rtol=1e-12)


def test_checkpoint_of_captured_parameters_and_nesting():
    w = cr.tensor(X, requires_grad=True)
    inner = cr.checkpoint(lambda x: cr.sin(x * w))
    outer = cr.checkpoint(lambda x: inner(inner(x)) * w)
    outer(np.ones(3)).sum().backward()
    got = w.grad.numpy().copy()
    w.grad = None
    (cr.sin(cr.sin(w) * w) * w).sum().backward()
    close(got, w.grad.numpy(), rtol=1e-13)


def test_checkpoint_keeps_only_arguments_and_runs_again():
    runs = []

    def g(x):
        runs.append(1)
        return cr.exp(cr.exp(cr.exp(x)))

    x = cr.tensor(0.1, requires_grad=True)
    y = cr.checkpoint(g)(x)
    assert len(runs) == 1 and y.grad_fn.name == "checkpoint"
    y.backward()
    assert len(runs) == 2


def test_checkpoint_draws_the_same_random_numbers_again():
    def noisy(x):
        return x * cr.rand(3)

    cr.manual_seed(0)
    expected = cr.grad(lambda x: cr.sum(noisy(x)))(X)
    after = cr.rand(2).numpy()
    cr.manual_seed(0)
    got = cr.grad(lambda x: cr.sum(cr.checkpoint(noisy)(x)))(X)
    close(got, np.asarray(expected))
    close(cr.rand(2).numpy(), after)


def test_checkpoint_without_anything_to_differentiate():
    assert type(cr.checkpoint(block)(X)) is np.ndarray
    y = cr.checkpoint(block)(cr.tensor(X))
    assert not y.requires_grad


# --- tapes ----------------------------------------------------------------------------------------------------------------


def test_gradient_tape():
    x = cr.Variable(2.0)
    with cr.GradientTape() as tape:
        y = x**2
    assert tape.gradient(y, x).item() == 4.0
    with pytest.raises(ArgumentError, match="persistent"):
        tape.gradient(y, x)
    x, y = cr.Variable(2.0), cr.Variable(3.0)
    with cr.GradientTape(persistent=True) as tape:
        p, s = x * y, x**2 + y**2
    assert [g.item() for g in tape.gradient(p, [x, y])] == [3.0, 2.0]
    assert {k: g.item() for k, g in tape.gradient(s, {"x": x, "y": y}).items()} == {"x": 4.0, "y": 6.0}
    assert tape.gradient(p, cr.Variable(1.0)) is None


def test_gradient_tapes_nest():
    x = cr.Variable(2.0)
    with cr.GradientTape() as outer:
        with cr.GradientTape() as inner:
            y = x**3
        first = inner.gradient(y, x)
    assert (first.item(), outer.gradient(first, x).item()) == (12.0, 12.0)
    c = cr.tensor(3.0)
    with cr.GradientTape() as tape:
        tape.watch(c)
        y = c * c
    assert tape.gradient(y, c).item() == 6.0
    v = cr.Variable(X)
    with cr.GradientTape() as tape:
        y = v * v
    close(tape.jacobian(y, v).numpy(), np.diag(2 * X))


def test_autograd_function():
    class Cube(cr.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 3 * x**2 * g

    assert cr.grad(Cube.apply)(2.0) == 12.0
    assert cr.grad(cr.grad(Cube.apply))(2.0) == 12.0
    x = cr.tensor(2.0, requires_grad=True)
    Cube.apply(x).backward()
    assert x.grad.item() == 12.0


class Ramp(cr.autograd.Function):
    """As PyTorch's tutorial writes it: with methods of Tensors, and assignment."""

    @staticmethod
    def forward(ctx, x, slope):
        ctx.save_for_backward(x)
        ctx.slope = slope
        return slope * x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        grad = grad_output.clone()
        grad[x < 0] = 0
        return ctx.slope * grad, None


class SumAndDifference(cr.autograd.Function):
    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x.add(y), x.sub(y)

    @staticmethod
    def backward(ctx, a, b):
        x, y = ctx.saved_tensors
        assert all(isinstance(t, cr.Tensor) for t in (x, y, a, b))
        return a + b if ctx.needs_input_grad[0] else None, a - b if ctx.needs_input_grad[1] else None


def test_rules_of_functions_see_tensors():
    x = np.array([-1.0, 0.5, 2.0])

    def f(x):
        a, b = SumAndDifference.apply(x, 2 * x)
        return (Ramp.apply(a, 3.0) * b).sum()

    gradient, second = -18 * np.maximum(x, 0), np.diag(-18.0 * (x > 0))
    for g in cr.grad(f), cr.compile(cr.grad(f)), cr.grad(cr.compile(f)), lambda x: cr.vmap(cr.grad(f))(np.stack([x, x]))[1]:
        close(g(x), gradient)
    close(cr.jacrev(cr.grad(f))(x), second)
    t = cr.tensor(x, requires_grad=True)
    y = f(t)
    y.backward()
    close(t.grad.numpy(), gradient)

    @cr.compile
    def step():
        t.grad = None
        f(t).backward()
        return t.grad.detach()

    for _ in range(2):
        close(step().numpy(), gradient)
    with cr.no_grad():
        assert isinstance(Ramp.apply(t, 3.0), cr.Tensor) and not Ramp.apply(t, 3.0).requires_grad


# --- gradcheck ------------------------------------------------------------------------------------------------------------


def test_gradcheck_uses_complex_step_where_it_can():
    from chainrule.gradcheck import slope

    s = slope(lambda v: [np.exp(v[0]) * np.sin(v[0])], [np.array(0.7)], [np.array(1.0)])
    assert s.method == "complex"
    close(s.value[0], np.exp(0.7) * (np.sin(0.7) + np.cos(0.7)), rtol=1e-14)
    s = slope(lambda v: [np.abs(v[0]) ** 1.5], [np.array(0.7)], [np.array(1.0)])
    assert s.method == "richardson"
    close(s.value[0], 1.5 * 0.7**0.5, rtol=1e-9)


def test_gradcheck_accepts_trees_complex_and_float32():
    assert cr.gradcheck(lambda d: {"y": d["a"] * cr.sin(d["b"])}, ({"a": X, "b": X},), order=2)
    assert cr.gradcheck(lambda z: cr.real(z * z * cr.conj(z)), (X + 1j * X[::-1],))
    assert cr.gradcheck(lambda x: cr.tanh(x).sum(), (X.astype(np.float32),))
    with pytest.raises(cr.errors.NonDifferentiableError, match="int64"):
        cr.gradcheck(cr.sin, (np.arange(3),))


@pytest.mark.parametrize("nested", [False, True])
def test_derivatives_by_what_a_checkpoint_captured(nested):
    """`autograd.grad` asks for some Tensors only; the call is no dead end that leads to its arguments alone."""
    rng = np.random.default_rng(3)
    w, v, unused = (cr.tensor(rng.normal(size=(3, 3)), requires_grad=True) for _ in range(3))

    def layer(x):
        return cr.tanh(x @ w) @ v

    def run(wrap):
        inner = wrap(layer) if nested else layer
        f = wrap(lambda x: inner(cr.sin(inner(x))))
        x = cr.tensor(np.eye(3), requires_grad=True)
        y = f(x)
        first = cr.autograd.grad(y.sum(), [v, x], create_graph=True)
        second = cr.autograd.grad((first[0] ** 2).sum(), [w], retain_graph=True)
        return [*first, *second, *cr.autograd.grad(y.sum(), [w], retain_graph=True)]

    for found, expected in zip(run(cr.checkpoint), run(lambda f: f), strict=True):
        close(found.detach().numpy(), expected.detach().numpy())
    y = cr.checkpoint(layer)(cr.tensor(np.eye(3)))
    assert cr.autograd.grad(y.sum(), [unused], allow_unused=True) == (None,)


def test_gradcheck_sees_a_rule_that_is_wrong_in_the_cotangent():
    @cr.custom_vjp
    def same(x):
        return x

    same.defvjp(lambda x: (x, None), lambda _, g: (g * 1.001,))

    @cr.custom_vjp
    def twice(x):
        return 2.0 * x

    twice.defvjp(lambda x: (2.0 * x, None), lambda _, g: (2.0 * same(g),))
    point = (np.array([1.0, 2.0]),)
    assert cr.gradcheck(twice, point, modes=("reverse",))
    with pytest.raises(cr.GradcheckError, match="derivative of the gradient"):
        cr.gradcheck(twice, point, order=2, modes=("reverse",))


def adjoint_of_a_module():
    """As adjoint methods do it: a module as an argument, derivatives in `backward` with respect to the parameters saved."""

    class Adjoint(cr.autograd.Function):
        @staticmethod
        def forward(ctx, module, x, *parameters):
            ctx.module, ctx.parameters = module, parameters
            ctx.save_for_backward(x, *parameters)
            with cr.no_grad():
                return module(x)

        @staticmethod
        def backward(ctx, g):
            x, *parameters = ctx.saved_tensors
            with cr.enable_grad():
                x = x.detach().requires_grad_()
                out = ctx.module(x)
                grads = cr.autograd.grad(out, [x, *parameters], g)
            return None, *grads

    return Adjoint


def test_function_of_a_module_and_its_saved_parameters():
    module, x = cr.nn.Linear(2, 3).double(), cr.tensor([1.0, -2.0], requires_grad=True)
    Adjoint = adjoint_of_a_module()
    seen = []

    class Watched(Adjoint):
        @staticmethod
        def backward(ctx, g):
            seen.extend(
                [ctx.module is module, *(a is b for a, b in zip(ctx.saved_tensors[1:], module.parameters(), strict=True))]
            )
            return Adjoint.backward(ctx, g)

    (Watched.apply(module, x, *module.parameters()) ** 2).sum().backward()
    found = [x.grad, *(p.grad for p in module.parameters())]
    assert seen == [True] * 3
    module.zero_grad()
    x.grad = None
    (module(x) ** 2).sum().backward()
    for a, b in zip(found, [x.grad, *(p.grad for p in module.parameters())], strict=True):
        np.testing.assert_allclose(a, b)


def test_function_saves_what_was_there():
    """A parameter that is changed between forward and backward: the value that was saved counts."""

    class Square(cr.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return 2 * ctx.saved_tensors[0] * g

    p = cr.nn.Parameter(np.array([3.0]))
    y = Square.apply(p)
    with cr.no_grad():
        p.mul_(10)
    y.backward()
    assert p.grad.tolist() == [6]
    x = cr.tensor(3.0, requires_grad=True)
    (g,) = cr.autograd.grad(Square.apply(x), [x], create_graph=True)
    assert cr.autograd.grad(g, [x])[0] == 2 and cr.grad(cr.grad(lambda x: Square.apply(x)))(cr.tensor(3.0)) == 2


def test_function_with_a_wrong_number_of_gradients():
    class Wrong(cr.autograd.Function):
        @staticmethod
        def forward(ctx, x, n):
            return x * n

        @staticmethod
        def backward(ctx, g):
            return g

    with pytest.raises(cr.errors.ArgumentError, match="one gradient per argument of forward"):
        Wrong.apply(cr.tensor(1.0, requires_grad=True), 3).backward()


def test_what_forward_of_a_function_does_is_not_recorded():
    w = cr.nn.Parameter(np.array([2.0]))

    class Scale(cr.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            assert not cr.is_grad_enabled()
            with cr.enable_grad():
                y = x.detach().requires_grad_()
                (ctx.slope,) = cr.autograd.grad((w * y * y).sum(), [y])
            return w * x  # a parameter that is no argument

        @staticmethod
        def backward(ctx, g):
            return g * ctx.slope

    x = cr.tensor([3.0], requires_grad=True)
    y = Scale.apply(x)
    y.backward()
    assert x.grad.tolist() == [12] and w.grad is None
    assert cr.grad(cr.grad(lambda x: (x * adjoint_cube().apply(x)).sum()))(cr.tensor(2.0)) == 48


def adjoint_cube():
    class Cube(cr.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            return 3 * ctx.saved_tensors[0] ** 2 * g

    return Cube


SQUARE = np.arange(9.0).reshape(3, 3)


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


def test_function_may_give_none_for_arguments_left_out():
    class Scaled(cr.autograd.Function):
        @staticmethod
        def forward(ctx, x, factor=3.0):
            return x * factor

        @staticmethod
        def backward(ctx, g):
            return g * 3.0, None

    x = cr.tensor(2.0, requires_grad=True)
    Scaled.apply(x).backward()
    assert x.grad == 3


def test_gradients_of_functions_are_summed_over_stretched_axes():
    class Product(cr.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(x, y)
            return x * y

        @staticmethod
        def backward(ctx, g):
            x, y = ctx.saved_tensors
            return g * y, g * x

    x, y = cr.ones(3, 2).requires_grad_(), cr.tensor([[2.0]], requires_grad=True)
    Product.apply(x, y).sum().backward()
    assert y.grad.tolist() == [[6]] and x.grad.shape == (3, 2)

    class Wrong(Product):
        @staticmethod
        def backward(ctx, g):
            return g, g[:, :1]

    with pytest.raises(cr.errors.ShapeError, match="shapes of the arguments"):
        Wrong.apply(x, cr.ones(1, 2).requires_grad_()).sum().backward()


def test_tapes_that_watch_what_they_are_given():
    v, w = cr.Variable(2.0), cr.Variable(3.0)
    with cr.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(w)
        y = v * w
    assert tape.gradient(y, [v, w]) == [None, 2]


def test_tapes_stop_recording():
    x = cr.Variable(2.0)
    with cr.GradientTape(persistent=True) as tape:
        y = x * 3
        with tape.stop_recording():
            z = y * y
        u = y * y
    assert tape.gradient(z, x) is None
    assert tape.gradient(u, x) == 36


def test_targets_of_tapes_that_are_constants():
    x = cr.Variable(2.0)
    with cr.GradientTape(persistent=True) as tape:
        y = [x * x, cr.tensor(1.0)]
    assert tape.gradient(y, x, output_gradients=[2.0, 1.0]) == 8
    assert tape.gradient(y, x, output_gradients=[None, 5.0]) == 4
    with pytest.raises(ArgumentError, match="unconnected_gradients"):
        tape.gradient(y, x, unconnected_gradients="zeros")


def test_jacobians_of_tapes():
    x, b, c = cr.Variable(X), cr.Variable(np.array([2.0, 1.0])), cr.Variable(1.0)
    with cr.GradientTape() as outer:
        with cr.GradientTape(persistent=True) as tape:
            y = cr.outer(b, x**3)
        first = tape.jacobian(y, {"x": x, "b": b, "c": c}, unconnected_gradients="zero")
        close(first["x"].detach(), b.detach()[:, None, None] * np.diag(3 * X**2))
        close(first["b"].detach(), np.eye(2)[:, None, :] * X[:, None] ** 3)
        close(first["c"], np.zeros((2, 3)))
        assert tape.jacobian(y, c) is None
        total = first["x"].sum()
    close(outer.gradient(total, x), 3.0 * 6 * X)  # what a tape gives can be differentiated by one around it
    rows = cr.Variable(np.stack([X, 2 * X]))
    with cr.GradientTape(persistent=True) as tape:
        y = rows[:, :2] * rows.sum(1, keepdims=True)
    batch, full = tape.batch_jacobian(y, rows), tape.jacobian(y, rows)
    close(batch, np.stack([full[i, :, i] for i in range(2)]))
    with pytest.raises(ShapeError, match="first axis"):
        tape.batch_jacobian(y[:1], rows)
    empty = cr.Variable(np.zeros((0, 2)))
    with cr.GradientTape() as tape:
        y = empty.sum(1)
    assert tape.jacobian(y, empty).shape == (0, 0, 2)


def test_many_cotangents_give_tensors():
    x = cr.tensor(X, requires_grad=True)
    (g,) = cr.autograd.grad(x * x, x, np.eye(3), is_grads_batched=True)
    assert isinstance(g, cr.Tensor)
    close(g, np.diag(2 * X))


def test_functions_keep_no_more_than_they_save():
    class Double(cr.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    leaf = cr.tensor(X, requires_grad=True)
    middle = leaf * 1.0
    kept, out = weakref.ref(middle), Double.apply(middle)
    del middle
    gc.collect()
    assert kept() is None
    out.sum().backward()
    close(leaf.grad, 2 * np.ones_like(X))
