"""Hooks of modules, on what they compute and on its gradients: what they see and replace is PyTorch's."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn


def eager_only(way):
    if way == "compiled":
        pytest.skip("hooks that write into lists are no program")


class Two(nn.Module):
    """Two inputs, of which one may be anything, and two outputs."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2, dtype=float)

    def forward(self, x, y, scale=1.0):
        return self.layer(x * scale) * y, cr.tanh(y)


def arrays(gradients):
    return [None if g is None else np.asarray(g.detach() if hasattr(g, "detach") else g) for g in gradients]


def test_they_see_what_pytorch_shows(way):
    eager_only(way)
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, y, w = rng.normal(size=(4, 3)), rng.normal(size=(4, 2)), rng.normal(size=(4, 2))

    class TorchTwo(torch.nn.Module):
        def __init__(self, module):
            super().__init__()
            self.layer = torch.nn.Linear(3, 2, dtype=torch.float64)
            self.layer.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in module.layer.state_dict().items()})

        def forward(self, x, y, scale=1.0):
            return self.layer(x * scale) * y, torch.tanh(y)

    ours = Two()
    found = {}
    for name, module, library in (("ours", ours, cr), ("torch", TorchTwo(ours), torch)):
        seen = []
        module.register_full_backward_pre_hook(lambda m, out, seen=seen: seen.append(arrays(out)) or (out[0] * 3, out[1]))
        module.register_full_backward_hook(lambda m, inp, out, seen=seen: seen.append((arrays(inp), arrays(out))))
        module.register_full_backward_hook(lambda m, inp, out: (inp[0] * 2, inp[1]))
        a, b = (library.from_numpy(v.copy()).requires_grad_() for v in (x, y))
        p, q = module(a, b, scale=2.0)
        ((p * library.from_numpy(w)).sum() + (q**3).sum()).backward()
        found[name] = [a.grad, b.grad, module.layer.weight.grad, *seen[0], *seen[1][0], *seen[1][1]]
        assert len(seen) == 2
    for mine, theirs in zip(found["ours"], found["torch"], strict=True):
        np.testing.assert_allclose(np.asarray(mine), np.asarray(theirs), rtol=1e-12)


def test_inputs_without_gradient_are_none(way):
    eager_only(way)
    module, seen = Two(), []
    module.register_full_backward_hook(lambda m, inp, out: seen.append((m, [g is None for g in inp], [g is None for g in out])))
    module(np.ones((1, 3)), 2.0)[0].sum().backward()  # the outputs depend on parameters only
    assert seen == [(module, [True, True], [False, True])]


def test_each_call_and_removal(way):
    eager_only(way)
    layer, seen = nn.Tanh(), []
    handle = layer.register_full_backward_hook(lambda m, inp, out: seen.append(inp[0].item()))
    x = cr.tensor(0.5, requires_grad=True)
    layer(layer(x)).backward()
    outer = 1 - np.tanh(np.tanh(0.5)) ** 2
    np.testing.assert_allclose(seen, [outer, outer * (1 - np.tanh(0.5) ** 2)], rtol=1e-12)
    handle.remove()
    layer(x).backward()
    assert len(seen) == 2


def scaled(layer):
    layer.register_full_backward_hook(lambda m, inp, out: (2 * inp[0],))
    return layer


def test_under_transforms(way):
    eager_only(way)
    layer = scaled(nn.Tanh())
    x = np.linspace(-1, 1, 5)
    slope = 2 * (1 - np.tanh(x) ** 2)
    np.testing.assert_allclose(cr.grad(lambda x: layer(x).sum())(x), slope, rtol=1e-12)
    np.testing.assert_allclose(cr.vmap(cr.grad(layer))(x), slope, rtol=1e-12)
    np.testing.assert_allclose(cr.compile(cr.grad(lambda x: layer(x).sum()))(x), slope, rtol=1e-12)
    np.testing.assert_allclose(np.diag(cr.hessian(lambda x: layer(x).sum())(x)), -2 * np.tanh(x) * slope, rtol=1e-12)


def test_compiled_programs_see_hooks_come_and_go():
    layer, x = nn.Tanh(), cr.tensor(0.5, requires_grad=True)

    @cr.compile
    def slope():
        x.grad = None
        layer(x).backward()
        return x.grad.detach()

    plain = slope().item()
    assert slope().item() == plain
    handle = layer.register_full_backward_hook(lambda m, inp, out: (2 * inp[0],))
    assert slope().item() == pytest.approx(2 * plain) and slope().item() == pytest.approx(2 * plain)
    handle.remove()
    assert slope().item() == plain


def test_copies_have_hooks_of_their_own(way):
    eager_only(way)
    import copy

    layer = scaled(nn.Tanh())
    other = copy.copy(layer)
    other.register_full_backward_hook(lambda m, inp, out: (5 * inp[0],))
    a, b = (cr.grad(m)(0.5) for m in (layer, other))
    assert b == pytest.approx(5 * a)


def test_forward_hooks_see_and_replace_the_output(way):
    eager_only(way)
    m, seen = nn.Linear(2, 1, dtype=float), []
    first = m.register_forward_hook(lambda module, args, out: seen.append((module, args, out)))
    second = m.register_forward_hook(lambda module, args, out: out * 0 + 7)
    x = np.ones(2)
    assert m(x).item() == 7
    assert seen[0][0] is m and seen[0][1][0] is x
    second.remove()
    first.remove()
    assert m(x).item() != 7 and len(seen) == 1


def test_hooks_with_keywords_and_in_front(way):
    eager_only(way)

    class Scale(nn.Module):
        def forward(self, x, scale=1):
            return x * scale

    layer, order = Scale(), []
    with layer.register_forward_pre_hook(lambda m, args, kwargs: (args, {"scale": 5}), with_kwargs=True):
        assert layer(2.0) == 10
        layer.register_forward_hook(lambda m, args, kwargs, out: order.append(kwargs), with_kwargs=True)
        layer(2.0, scale=3)
    assert layer(2.0) == 2 and order == [{"scale": 5}, {}]
    layer.register_forward_hook(lambda *args: order.append("first"), prepend=True)
    layer(2.0)
    assert order[2:] == ["first", {}]
