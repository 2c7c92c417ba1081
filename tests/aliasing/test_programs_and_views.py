"""Assignment where programs are recorded, run again or transformed: compile, checkpoint, loops that are written down."""

import numpy as np
import pytest

import chainrule as cr

X = np.array([0.5, -1.0, 2.0])


def close(found, wanted, rtol=1e-12):
    np.testing.assert_allclose(np.asarray(found), wanted, rtol=rtol, atol=1e-14)


# --- compile ---------------------------------------------------------------------------------------------------------------


def test_a_program_cannot_change_an_array_that_is_its_argument():
    def f(x):
        x[0] = 5.0
        return x.sum()

    a = X.copy()
    with pytest.raises(cr.errors.CompileError, match=r"assigns to its argument `x`[\s\S]*help: .*copy"):
        cr.compile(f)(a)
    assert a.tolist() == X.tolist()
    compiled = cr.compile(lambda x: f(x.copy()))
    assert [compiled(a).item() for _ in range(2)] == [6.0, 6.0]


def test_a_program_changes_tensors_and_what_are_views_of_them():
    t = cr.tensor(X)
    part, turned = t[1:], t[::-1]

    @cr.compile
    def step():
        t[1:] *= 2
        return (part * part).sum()

    for k in (1, 2, 3):
        close(step(), 5.0 * 4**k)
        close(t.numpy(), [0.5, -(2.0**k), 2.0 ** (k + 1)])
        close(part.numpy(), t.numpy()[1:])
        close(turned.numpy(), t.numpy()[::-1])


def test_a_program_writes_through_views_that_it_did_not_make():
    t = cr.tensor(np.arange(6.0).reshape(2, 3))
    row = t[1]

    @cr.compile
    def step(x):
        row[:] = x
        return t.sum()

    close(step(np.ones(3)), 6.0)
    close(step(np.full(3, 2.0)), 9.0)
    close(t.numpy(), [[0, 1, 2], [2, 2, 2]])


def test_selections_of_nothing_in_a_program():
    def f(x):
        return x[x > 100].reshape(-1, 1).sum() + x.sum()

    compiled = cr.compile(cr.value_and_grad(f))
    for _ in range(2):
        value, g = compiled(X)
        close(value, X.sum())
        close(g, np.ones(3))
    close(compiled(X * 1000)[1], [2, 1, 2])


# --- checkpoint ------------------------------------------------------------------------------------------------------------


def test_a_checkpoint_assigns_to_its_argument_and_to_others():
    def f(x, checkpoint):
        y, buffer = x * 1.0, np.zeros_like(x)
        view = y[1:]

        def inner(z):
            buffer[0] += z[1] * z[1]
            z[0] = z[2] * buffer[0]
            view[1] *= z[0]
            return z.sum()

        for _ in range(2):
            buffer[2] += checkpoint(inner)(y)
        y[1] = buffer[2]  # changes what the second run must see as it was
        return np.sum(buffer**2) + np.sum(y**3) + view[0]

    def plain(x):
        return f(x, lambda g: g)

    def kept(x):
        return f(x, cr.checkpoint)

    close(kept(X).item() if isinstance(kept(X), cr.Tensor) else kept(X), plain(X.copy()))
    close(cr.grad(kept)(X), cr.grad(plain)(X))
    close(cr.hessian(kept)(X), cr.hessian(plain)(X))
    close(cr.compile(cr.grad(kept))(X), cr.grad(plain)(X))
    slope = np.imag(plain(X + 1e-30j * np.array([1.0, 2.0, -1.0]))) / 1e-30
    close(cr.grad(kept)(X) @ [1.0, 2.0, -1.0], slope)
    t = cr.tensor(X, requires_grad=True)
    kept(t).backward()
    close(t.grad.numpy(), cr.grad(plain)(X))


def test_a_checkpoint_changes_statistics_once_and_without_history():
    count, mean = cr.tensor(0), cr.zeros(3)

    @cr.checkpoint
    def layer(x):
        with cr.no_grad():
            mean.mul_(0.5).add_(x, alpha=0.5)
            count.add_(1)
        return x * x

    x = cr.tensor(X, requires_grad=True)
    layer(x).sum().backward()
    close(x.grad.numpy(), 2 * X)
    close(mean.numpy(), X / 2)
    assert count.item() == 1 and not mean.requires_grad


def test_a_leaf_is_changed_in_a_checkpoint():
    def f(x, checkpoint):
        def inner():
            x.mul_(3)
            return (x**2).sum()

        return checkpoint(inner)() + x.sum()

    for checkpoint in (cr.checkpoint, lambda g: g):
        x = cr.tensor(X, requires_grad=True)
        f(x, checkpoint).backward()
        close(x.grad.numpy(), 18 * X + 3)


# --- transforms -------------------------------------------------------------------------------------------------------------


def test_functions_get_copies_of_their_arguments():
    def f(x):
        x *= 2
        x[0] = 1.0
        return (x**2).sum()

    a = X.copy()
    close(cr.grad(f)(a), [0, -8, 16])
    close(cr.jvp(f, (a,), (np.ones(3),))[1], 8)
    close(cr.vmap(f)(np.stack([a, a])), [21, 21])
    close(cr.hessian(f)(a), np.diag([0, 8, 8]))
    assert a.tolist() == X.tolist()


def test_a_buffer_from_outside_keeps_no_derivative_of_a_transform_that_has_ended():
    buffer = cr.zeros(3)
    view = buffer[1:]

    def f(x):
        buffer[:] = x * x
        return view.sum()

    close(cr.grad(f)(X), [0, -2, 4])
    with pytest.raises(cr.errors.LeakedTensorError, match="help"):
        view + 1
    with pytest.raises(cr.errors.LeakedTensorError, match="help"):
        buffer.sum()


def test_assignment_in_a_loop_that_is_written_down():
    def body(i, u):
        u[1:-1] += 0.1 * (u[2:] - 2 * u[1:-1] + u[:-2])
        first = u[:1]
        u[0] = u[1]
        return u + first * i

    def rolled(x):
        return np.sum(cr.fori_loop(0, 4, body, x) ** 2)

    def plain(x):
        u = x.copy()
        for i in range(4):
            u = body(i, u)
        return np.sum(u**2)

    x = np.linspace(0, 1, 6) ** 2
    close(rolled(x.copy()), plain(x))
    close(cr.grad(rolled)(x), cr.grad(plain)(x))
    close(cr.compile(cr.grad(rolled))(x), cr.grad(plain)(x))
    v = np.cos(np.arange(6.0))
    close(cr.grad(rolled)(x) @ v, np.imag(plain(x + 1e-30j * v)) / 1e-30)
