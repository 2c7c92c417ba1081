"""Hooks around what operations keep for their derivatives."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.autograd import graph
from chainrule.errors import ArgumentError, UnsupportedError

X = np.random.default_rng(0).normal(size=(4, 1, 6, 6))
LABELS = np.array([0, 1, 2, 0])


def network():
    cr.manual_seed(0)
    parts = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 5), nn.LayerNorm(5)
    return nn.Sequential(*parts, nn.Tanh(), nn.Linear(5, 3))


def gradients(context):
    model = network()
    with context:
        loss = nn.CrossEntropyLoss()(model(X), LABELS)
    loss.backward()
    return [p.grad.numpy() for p in model.parameters()]


def test_packed_arrays_give_the_same_gradients():
    packed: list = []

    def pack(x):
        packed.append(x.numpy().copy())
        return len(packed) - 1

    for a, b in zip(
        gradients(graph.save_on_cpu()), gradients(graph.saved_tensors_hooks(pack, packed.__getitem__)), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    assert len(packed) > 10


def test_derivatives_are_those_of_what_is_unpacked():
    x = cr.tensor([3.0, 4.0], requires_grad=True)
    with graph.saved_tensors_hooks(lambda t: t, lambda t: t * 0 + 1):
        with graph.saved_tensors_hooks(lambda t: t, lambda t: 10 * t):
            y = x**2
        z = x**2
    (y + z + x**2).sum().backward()
    np.testing.assert_allclose(x.grad, 20 * np.array([3.0, 4.0]) + 2 + 2 * np.array([3.0, 4.0]))


def test_second_derivatives():
    def second(context):
        x = cr.tensor([1.0, 2.0], requires_grad=True)
        with context:
            y = (x**3).sum() + cr.linalg.svd(cr.outer(x, x) + cr.eye(2))[1].sum()
        (g,) = cr.autograd.grad(y, x, create_graph=True)
        return cr.autograd.grad(g.sum(), x)[0]

    np.testing.assert_allclose(second(graph.saved_tensors_hooks(bytes_of, of_bytes)), second(graph.save_on_cpu()))


def bytes_of(x):
    return x.numpy().tobytes(), x.shape, x.dtype


def of_bytes(packed):
    return cr.tensor(np.frombuffer(packed[0], packed[2]).reshape(packed[1]))


def test_programs_call_no_hooks_and_contexts_end():
    def pack(x):
        raise RuntimeError("packed")

    x = cr.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="packed"), graph.saved_tensors_hooks(pack, pack):
        cr.exp(x)
    cr.exp(x).sum().backward()
    with graph.saved_tensors_hooks(pack, pack):
        step = cr.compile(lambda v: cr.grad(lambda u: cr.exp(u).sum())(v))
        np.testing.assert_allclose(step(np.ones(2)), np.exp(np.ones(2)))
        cr.exp(x.detach())


def test_what_hooks_must_not_do():
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    with graph.saved_tensors_hooks(lambda t: t, lambda t: None):
        y = cr.exp(x).sum()
    with pytest.raises(ArgumentError, match=r"unpack_hook must give a Tensor(.|\n)*NoneType(.|\n)*help:"):
        y.backward()
    with graph.disable_saved_tensors_hooks("not in here"), pytest.raises(UnsupportedError, match="not in here"):
        graph.save_on_cpu().__enter__()
    assert isinstance(y.grad_fn, graph.Node)
    assert y.grad_fn.next_functions[0][0].name() == "exp"
