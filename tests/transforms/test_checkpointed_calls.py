"""Checkpoints: what is computed again gives the same derivatives."""

import numpy as np
import pytest

import chainrule as cr

close = np.testing.assert_allclose

X = np.random.default_rng(0).uniform(0.5, 1.5, 3)


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
