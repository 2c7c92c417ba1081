"""PyTorch's way of writing: `autograd.Function` and `autograd.grad`."""

import gc
import weakref

import numpy as np
import pytest

import chainrule as cr

close = np.testing.assert_allclose

X = np.random.default_rng(0).uniform(0.5, 1.5, 3)


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


def test_many_cotangents_give_tensors():
    x = cr.tensor(X, requires_grad=True)
    (g,) = cr.autograd.grad(x * x, x, np.eye(3), is_grads_batched=True)
    assert isinstance(g, cr.Tensor)
    close(g, np.diag(2 * X))
