"""What programs written for PyTorch expect of its automatic differentiation, beside numbers."""

import asyncio
import copy
import gc
import weakref

import numpy as np
import pytest

import chainrule as cr
from chainrule.autograd.function import once_differentiable
from chainrule.core.dispatch import attention
from chainrule.gradcheck import GradcheckError


def leaf(*values):
    return cr.tensor([*map(float, values)], requires_grad=True)


class Power(cr.autograd.Function):
    """Keeps its result, as PyTorch's own exponential does."""

    runs = 0

    @staticmethod
    def forward(ctx, x, n):
        Power.runs += 1
        y = x**n
        ctx.n = n
        ctx.save_for_backward(x, y, None)
        return y

    @staticmethod
    def backward(ctx, g):
        x, y, nothing = ctx.saved_tensors
        assert nothing is None and isinstance(y, cr.Tensor)
        return ctx.n * g * y / x, None


def test_second_derivative_by_a_saved_result():
    x, Power.runs = leaf(2, 3), 0
    (g,) = cr.autograd.grad(Power.apply(x, 3).sum(), x, create_graph=True)
    np.testing.assert_allclose(g.detach(), [12, 27])
    (h,) = cr.autograd.grad(g.sum(), x, create_graph=True)
    np.testing.assert_allclose(h.detach(), [12, 18])
    np.testing.assert_allclose(cr.autograd.grad(h.sum(), x)[0], [6, 6])
    assert Power.runs == 1  # a forward that draws numbers must not draw others
    np.testing.assert_allclose(cr.hessian(lambda x: Power.apply(x, 3).sum())(np.array([2.0])), [[12.0]])


def test_backward_of_a_function_is_recorded_on_demand_only():
    seen = []

    class Double(cr.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            seen.append(cr.is_grad_enabled())
            return 2 * x

        @staticmethod
        def backward(ctx, g):
            seen.append(cr.is_grad_enabled())
            return 2 * g

    class Once(Double):
        backward = staticmethod(once_differentiable(Double.backward))

    x = leaf(1)
    Double.apply(x).backward()
    cr.autograd.grad(Double.apply(x), x, create_graph=True)
    assert seen == [False, False, False, True] and cr.is_grad_enabled()
    (g,) = cr.autograd.grad((Once.apply(x) ** 2).sum(), x, create_graph=True)
    assert g.item() == 8 and seen[-1] is False
    with pytest.raises(cr.errors.NonDifferentiableError, match="once_differentiable"):
        g.backward()


def test_marks_of_results():
    received = []

    class Both(cr.autograd.Function):
        @staticmethod
        def forward(ctx, x, materialize):
            ctx.set_materialize_grads(materialize)
            marked = x + 1
            ctx.mark_non_differentiable(marked)
            return marked, x * 2, "a name", None

        @staticmethod
        def backward(ctx, *gs):
            received.append(gs[:3])
            return gs[1], None, None  # one None too many, as PyTorch allows

    x = leaf(1, 2)
    for materialize in True, False:
        marked, y, name, nothing = Both.apply(x, materialize)
        assert not marked.requires_grad and y.requires_grad and name == "a name" and nothing is None
        (y + marked).sum().backward()
    assert x.grad.tolist() == [2, 2]
    assert received[0][0].tolist() == [0, 0] and received[1][0] is None
    assert cr.grad(lambda x: sum(Both.apply(x, True)[:2]).sum())(np.ones(2)).tolist() == [1, 1]


def test_function_that_changes_its_argument():
    class Scale(cr.autograd.Function):
        @staticmethod
        def forward(ctx, x, s):
            ctx.s = s
            ctx.mark_dirty(x)
            return x.mul_(s)

        @staticmethod
        def backward(ctx, g):
            return ctx.s * g, None

    x = leaf(1, 2)
    y = x.clone()
    assert Scale.apply(y, 3.0) is y and y.tolist() == [3, 6]
    (y * y).sum().backward()
    assert x.grad.tolist() == [18, 36]


def test_gradients_of_functions_fit_their_arguments():
    class Add(cr.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x + y

        @staticmethod
        def backward(ctx, g):
            return g.double(), g

    x, y = cr.ones(3, dtype=cr.float32).requires_grad_(), cr.ones(2, 3, requires_grad=True)
    Add.apply(x, y).sum().backward()
    assert x.grad.tolist() == [2, 2, 2] and x.grad.dtype == np.float32
    with pytest.raises(cr.errors.ArgumentError, match=r"write Add\.apply"):
        Add()(x, y)

    class Wrong(Add):
        @staticmethod
        def backward(ctx, g):
            return g[0, :2], g

    with pytest.raises(cr.errors.ShapeError, match=r"argument: .3,. *gradient: .2,."):
        Wrong.apply(x, y).sum().backward()


def test_function_with_a_context_of_its_own_and_a_forward_rule():
    class Cube(cr.autograd.Function):
        @staticmethod
        def forward(x):
            return x**3

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)

        @staticmethod
        def backward(ctx, g):
            return 3 * ctx.saved_tensors[0] ** 2 * g

        @staticmethod
        def jvp(ctx, t):
            return 300 * ctx.saved_tensors[0] ** 2 * t  # which no other rule gives

    x = leaf(2)
    Cube.apply(x).backward()
    assert x.grad.item() == 12 and cr.grad(Cube.apply)(2.0) == 12
    assert cr.jvp(Cube.apply, (cr.tensor(2.0),), (cr.tensor(1.0),))[1] == 1200


def test_switches():
    x = leaf(1)

    def records():
        return (x * 2).requires_grad

    with cr.set_grad_enabled(False):
        assert not records()
        cr.set_grad_enabled(True)
        assert records()
    cr.set_grad_enabled(False)
    assert not records() and cr.enable_grad()(records)()
    cr.set_grad_enabled(True)
    with cr.no_grad():
        cr.set_grad_enabled(False)
        assert cr.inference_mode(False)(records)()
    with cr.inference_mode():
        assert not records() and cr.is_inference_mode_enabled()
    assert cr.set_grad_enabled(False)(cr.is_grad_enabled)() is False
    assert not cr.no_grad(records)() and not cr.inference_mode(records)() and not cr.is_inference_mode_enabled()
    assert records() and not attention


def test_switches_around_generators():
    @cr.no_grad()
    def steps():
        while True:
            try:
                got = yield cr.is_grad_enabled()
            except ValueError:
                got = "caught"
            if got == "stop":
                return 7

    run = steps()
    assert [next(run), run.send(1), run.throw(ValueError()), cr.is_grad_enabled()] == [False, False, False, True]
    with pytest.raises(StopIteration) as end:
        run.send("stop")
    assert end.value.value == 7
    cr.enable_grad()(steps)().close()
    assert not attention


def test_switches_around_coroutines():
    @cr.no_grad()
    async def inside():
        before = cr.is_grad_enabled()
        await asyncio.sleep(0)
        return before, cr.is_grad_enabled()

    async def outside():
        await asyncio.sleep(0)
        return cr.is_grad_enabled()

    async def main():
        return await asyncio.gather(inside(), outside(), inside())

    assert asyncio.run(main()) == [(False, False), True, (False, False)]
    assert not attention


def test_kept_gradients_are_freed_without_the_garbage_collector():
    def step():
        y = leaf(1, 2) * 2
        y.retain_grad()
        (y * y).sum().backward()
        assert y.grad.tolist() == [4, 8]
        return weakref.ref(y.grad)

    gc.collect()
    gc.disable()
    try:
        assert step()() is None
    finally:
        gc.enable()


def test_kept_gradients_follow_changes_in_place():
    y = leaf(1) * 2
    y.retain_grad()
    y.retain_grad()
    y.mul_(5).register_hook(lambda g: 3 * g)
    y.backward()
    assert y.grad.tolist() == [3] and y.retains_grad


def test_hooks_on_accumulated_gradients():
    x = leaf(1, 2)

    def step(x):
        with cr.no_grad():
            x -= 0.5 * x.grad
        x.grad = None

    with x.register_post_accumulate_grad_hook(step):
        (3 * x).sum().backward()
    assert x.tolist() == [-0.5, 0.5] and x.grad is None
    (3 * x).sum().backward()
    assert x.grad.tolist() == [3, 3]
    with pytest.raises(cr.errors.ArgumentError, match="only leaves"):
        (3 * x).register_post_accumulate_grad_hook(step)


def test_grad_can_be_put_and_taken_away():
    x = cr.ones(2)
    x.grad = cr.ones(2)
    x.requires_grad_()
    (2 * x).sum().backward()
    assert x.grad.tolist() == [3, 3] and copy.deepcopy(x).grad.tolist() == [3, 3]
    twin = copy.deepcopy(x)
    twin.grad.zero_()
    assert x.grad.tolist() == [3, 3]
    del x.grad
    assert x.grad is None
    with pytest.raises(cr.errors.ArgumentError, match="its own grad"):
        x.grad = x
    with pytest.raises(cr.errors.LostDerivativeError):
        x.numpy()
    assert x.numpy(force=True).tolist() == [1, 1]


def test_inputs_of_backward():
    x, y = leaf(1, 2), leaf(3, 4)
    z = x * y
    (z * z).sum().backward(inputs=[x, z])
    assert x.grad.tolist() == [18, 64] and z.grad.tolist() == [6, 16] and y.grad is None
    for wrong, message in ([], "empty"), ([cr.ones(2)], "require grad"):
        with pytest.raises(cr.errors.ArgumentError, match=message):
            (x * y).sum().backward(inputs=wrong)


def test_options_of_grad():
    x, y = leaf(1, 2), leaf(3, 4)
    out = x**2
    assert cr.autograd.grad(out.sum(), [x, y], retain_graph=True, materialize_grads=True)[1].tolist() == [0, 0]
    with pytest.raises(cr.errors.ArgumentError, match="allow_unused=False"):
        cr.autograd.grad(out.sum(), [x, y], allow_unused=False, materialize_grads=True)
    with pytest.raises(cr.errors.ArgumentError, match="empty"):
        cr.autograd.grad(out.sum(), [])
    basis = cr.eye(2)
    (rows,) = cr.autograd.grad(out, x, basis, is_grads_batched=True)
    assert rows.tolist() == [[2, 0], [0, 4]] and isinstance(rows, cr.Tensor)
    rows = cr.vmap(lambda v: cr.autograd.grad(out, x, v, retain_graph=True)[0])(basis)
    assert rows.tolist() == [[2, 0], [0, 4]]


def test_checks_of_gradients():
    x, y = leaf(1, 2), cr.tensor([3.0, 4.0])
    assert cr.autograd.gradcheck(lambda x, y, n: y * x**n, [x, y, 3], eps=1e-6, nondet_tol=0.0, check_forward_ad=True)
    assert cr.autograd.gradgradcheck(lambda x: x**3, x) and cr.autograd.gradcheck(np.sin, x, fast_mode=True)
    wrong = cr.custom_vjp(lambda x: x**2)
    wrong.defvjp(lambda x: (x**2, x), lambda x, g: (3 * g * x,))
    assert not cr.autograd.gradcheck(wrong, (x,), raise_exception=False)
    with pytest.raises(cr.errors.ArgumentError, match="no input requires grad"):
        cr.autograd.gradcheck(lambda n: n, (3,))


def test_checks_run_the_function_on_what_they_are_given():
    model = cr.nn.Sequential(cr.nn.Linear(3, 2), cr.nn.Tanh()).double()
    data = cr.randn(4, 3)
    weights = [w.tolist() for w in model.parameters()]
    assert cr.autograd.gradgradcheck(lambda *ignored: model(data), tuple(model.parameters()))
    assert [w.tolist() for w in model.parameters()] == weights

    class Net(cr.nn.Module):
        def __init__(self, w):
            super().__init__()
            self.w = w

    def by_name(w):  # only a Parameter is registered
        return sum((p**2).sum() for p in Net(w).parameters()) + 0 * w.sum()

    assert cr.autograd.gradcheck(by_name, (model[0].weight,))

    def inner(x):
        return cr.autograd.grad((x**4).sum(), x, create_graph=True)[0]

    def steps(x):  # which looks at its values
        while float(x.sum()) < 10:
            x = x * 2
        return x**2

    x = leaf(1, 2)
    for check in (cr.autograd.gradcheck, cr.autograd.gradgradcheck):
        assert check(inner, (x,), check_forward_ad=True) and check(steps, (x,))
    assert cr.autograd.gradcheck(lambda x: x**0.5 * (x.detach() >= 0), leaf(1e-6), eps=1e-9)  # no step leaves the domain
    assert not cr.autograd.gradgradcheck(lambda x: x * x.detach(), x, raise_exception=False)

    class Slanted(cr.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**2

        @staticmethod
        def backward(ctx, g):
            return 2.001 * g * ctx.saved_tensors[0]

    assert cr.autograd.gradcheck(Slanted.apply, (x,), rtol=1e-2)
    with pytest.raises(GradcheckError):
        cr.autograd.gradcheck(Slanted.apply, (x,), rtol=1e-5, atol=1e-7)


class FixedPoint(cr.autograd.Function):
    """y = cos(p y), whose rule asks for derivatives by its own result."""

    calls = 0

    @staticmethod
    def forward(ctx, p):
        y = cr.ones_like(p)
        for _ in range(300):
            y = cr.cos(p * y)
        ctx.save_for_backward(y, p)
        return y

    @staticmethod
    def backward(ctx, g):
        FixedPoint.calls += 1
        y, p = ctx.saved_tensors
        with cr.enable_grad():
            q = p.clone().requires_grad_()
            f = y - cr.cos(q * y)
        again = cr.is_grad_enabled()
        (slope,) = cr.autograd.grad(f, y, cr.ones_like(f), create_graph=again, retain_graph=True)
        return cr.autograd.grad(f, q, -g / slope, create_graph=again)[0]


def test_rules_that_ask_for_derivatives_by_their_results():
    p = leaf(0.3, 0.7)
    FixedPoint.calls = 0
    (g,) = cr.autograd.grad(FixedPoint.apply(p).sum(), p, create_graph=True)
    assert FixedPoint.calls == 1  # nothing behind `y` was asked for
    y = FixedPoint.apply(p).detach()
    np.testing.assert_allclose(g.detach(), -y * np.sin(p.detach() * y) / (1 + p.detach() * np.sin(p.detach() * y)))
    assert cr.autograd.gradgradcheck(FixedPoint.apply, (p,))


def test_results_kept_as_attributes_are_connected():
    class Exp(cr.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.y, ctx.n = cr.exp(x), 1
            return ctx.y

        @staticmethod
        def backward(ctx, g):
            with pytest.raises(AttributeError, match="nothing"):
                getattr(ctx, "nothing")  # noqa: B009
            return g * ctx.n * ctx.y

    x = leaf(0.5, 1)
    assert cr.autograd.gradgradcheck(Exp.apply, (x,))
    (g,) = cr.autograd.grad(Exp.apply(x).sum(), x, create_graph=True)
    assert np.allclose(cr.autograd.grad(g.sum(), x)[0], np.exp(x.detach()))
    second = cr.compile(lambda x: cr.autograd.grad(cr.autograd.grad(Exp.apply(x).sum(), x, create_graph=True)[0].sum(), x)[0])
    assert np.allclose(second(x), np.exp(x.detach())) and np.allclose(second(x), np.exp(x.detach()))
    y = Exp.apply(x)
    gone = weakref.ref(y.grad_fn)
    gc.disable()
    try:
        del y
        assert gone() is None  # kept by no cycle
    finally:
        gc.enable()


def test_dual_numbers():
    from chainrule.autograd import forward_ad as fwd

    x, v = leaf(2, 3), np.array([1.0, 10.0])
    with fwd.dual_level():
        primal, tangent = fwd.unpack_dual(fwd.make_dual(x, v) ** 3)
        assert primal.tolist() == [8, 27] and tangent.tolist() == [12, 270] and fwd.unpack_dual(x).tangent is None
        (g,) = cr.autograd.grad(tangent.sum(), x)
        assert g.tolist() == [12, 180]
        made = cr.ones(2)
        layer = cr.nn.Linear(2, 1, bias=False).double()
        weight, layer.weight = layer.weight, None
        del layer.weight
        layer.weight = fwd.make_dual(weight, cr.ones(1, 2))
        assert fwd.unpack_dual(layer(x)).tangent.item() == 5
        with pytest.raises(cr.errors.ArgumentError, match="inside of another"), fwd.dual_level():
            pass
        with pytest.raises(cr.errors.ArgumentError, match="shape of the Tensor"):
            fwd.make_dual(x, 1.0)
        kept = fwd.make_dual(x, v)
    assert made.sum() == 2
    with pytest.raises(cr.errors.LeakedTensorError):
        _ = kept + 1
    with pytest.raises(cr.errors.ArgumentError, match="outside of a dual level"):
        fwd.make_dual(x, v)


def test_anomalies_are_found():
    x = leaf(1, 2)

    def loss():
        return ((x * 2) * cr.tensor([1.0, np.nan])).sum()

    loss().backward()
    with cr.autograd.detect_anomaly():
        (x**2).sum().backward()
        with pytest.raises(cr.errors.AnomalyError, match="derivative of multiply has NaN\n  cotangent of its result: finite"):
            loss().backward()
        assert cr.is_anomaly_enabled()
    assert not cr.is_anomaly_enabled()
    cr.autograd.set_detect_anomaly(True)
    with pytest.raises(cr.errors.AnomalyError), cr.autograd.set_detect_anomaly(True):
        cr.autograd.grad(loss(), x)
    cr.autograd.set_detect_anomaly(False)
    loss().backward()


def test_functional_derivatives_ask_for_what_they_need():
    functional, x = cr.autograd.functional, cr.tensor([1.0, 2.0])
    for wrong in (
        lambda: functional.vjp(lambda x: x**2, x),
        lambda: functional.jvp(lambda x: x**2, x),
        lambda: functional.hvp(lambda x: (x**2).sum(), x),
        lambda: functional.hessian(lambda x: x**2, x),
        lambda: functional.hvp(lambda x: x**2, x, x),
    ):
        with pytest.raises(cr.errors.ArgumentError, match=r"needs `v`|one number"):
            wrong()
    assert functional.vjp(lambda x: (x**2).sum(), x)[1].tolist() == [2, 4]


def test_strict_functional_derivatives():
    functional, x = cr.autograd.functional, cr.tensor([1.0, 2.0])
    assert functional.jacobian(lambda x: x.detach(), x).tolist() == [[0, 0], [0, 0]]
    assert functional.hessian(lambda x: (x**2).sum(), x, strict=True).tolist() == [[2, 0], [0, 2]]
    for wrong in (
        lambda: functional.jacobian(lambda x: x.detach(), x, strict=True),
        lambda: functional.jacobian(lambda x, y: x, (x, x), strict=True),
        lambda: functional.vjp(lambda x: cr.ones(2), x, x, strict=True),
        lambda: functional.jvp(lambda x: cr.ones(2), x, x, strict=True),
        lambda: functional.hessian(lambda x: x.sum(), x, strict=True),
        lambda: functional.vhp(lambda x: x.sum(), x, x, strict=True),
    ):
        with pytest.raises(cr.errors.ArgumentError, match="does not depend on input"):
            wrong()


def test_transforms_with_options_of_pytorch():
    x = np.arange(6.0).reshape(3, 2)
    whole, cols = cr.func.vmap(lambda x: (x, 2 * x), out_dims=(0, 1), chunk_size=2)(x)
    assert (whole == x).all() and (cols == 2 * x.T).all()
    one, each = cr.vmap(lambda x: (np.ones(2), x.sum()), out_axes=(None, 0))(x)
    assert one.shape == (2,) and each.tolist() == [1, 5, 9]
    with pytest.raises(cr.errors.ArgumentError, match="differs from entry to entry"):
        cr.vmap(lambda x: x, out_axes=None)(x)
    assert cr.func.jacrev(np.sin, chunk_size=2)(x[0]).shape == cr.func.jacfwd(np.sin, randomness="same")(x[0]).shape == (2, 2)
    cr.manual_seed(0)
    z = cr.randn(1000, dtype=cr.complex64)
    assert z.dtype == np.complex64 and abs((z.abs() ** 2).mean().item() - 1) < 0.1 and abs(z.real.std().item() - 0.7) < 0.1
