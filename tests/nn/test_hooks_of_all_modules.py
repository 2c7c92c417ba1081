"""Hooks of all modules at once, of what is registered, and those that are called in any case."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn


@pytest.fixture(autouse=True)
def way():
    """Hooks that note what they see have effects outside of programs: only the eager way."""


def test_hooks_of_all_modules_are_pytorchs():
    torch = pytest.importorskip("torch")

    def is_tanh(module):
        return type(module).__name__ == "Tanh"

    def run(library, place):
        seen, x = [], library.ones(1, 2, requires_grad=True)
        layers = library.nn.Sequential(library.nn.Identity(), library.nn.Tanh())
        handles = [
            place.register_module_forward_hook(lambda m, i, o: seen.append(("after", type(m).__name__))),
            place.register_module_forward_hook(
                lambda m, i, kw, o: o * 2 if type(m).__name__ == "Tanh" else None, with_kwargs=True
            ),
            place.register_module_forward_pre_hook(lambda m, i: (i[0] + 1,) if type(m).__name__ == "Tanh" else None),
            place.register_module_full_backward_hook(lambda m, i, o: seen.append(("back", type(m).__name__, len(i)))),
            place.register_module_full_backward_pre_hook(lambda m, o: tuple(3 * g for g in o)),
        ]
        y = layers(x)
        y.sum().backward()
        for handle in handles:
            handle.remove()
        n = len(seen)
        z = layers(x)
        z.sum().backward()
        assert len(seen) == n
        return seen, *(t.detach().tolist() for t in (y, z, x.grad))

    found, expected = run(cr, nn.modules.module), run(torch, torch.nn.modules.module)
    assert found[0] == expected[0]
    for a, b in zip(found[1:], expected[1:], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_programs_see_hooks_of_all_modules_come_and_go():
    layer, f = nn.Identity(), None
    f = cr.compile(lambda x: layer(x) + 1)
    x = np.ones(2)
    assert f(x).tolist() == f(x).tolist() == [2, 2]
    with nn.modules.module.register_module_forward_hook(lambda m, i, o: 10 * o):
        assert f(x).tolist() == [11, 11]
    assert f(x).tolist() == [2, 2]


def test_hooks_when_things_are_registered():
    place, seen = nn.modules.module, []
    handles = [
        place.register_module_parameter_registration_hook(lambda m, name, p: seen.append(name)),
        place.register_module_buffer_registration_hook(lambda m, name, b: seen.append(name)),
        place.register_module_module_registration_hook(lambda m, name, child: nn.Tanh() if name == "0" else None),
    ]
    nn.BatchNorm1d(2)
    model = nn.Sequential(nn.ReLU())
    for handle in handles:
        handle.remove()
    assert seen == ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"] and isinstance(model[0], nn.Tanh)
    assert isinstance(nn.Sequential(nn.ReLU())[0], nn.ReLU)


def test_hooks_that_are_called_when_forward_raises():
    class Failing(nn.Module):
        def forward(self, x):
            raise ValueError("no")

    seen, module = [], Failing()
    module.register_forward_hook(lambda m, i, o: seen.append(o), always_call=True)
    module.register_forward_hook(lambda m, i, o: seen.append("not called"))
    with pytest.raises(ValueError, match="no"):
        module(1.0)
    assert seen == [None]
    module.forward = lambda x: x
    assert module(2.0) == 2.0 and seen == [None, 2.0, "not called"]

    def fail(m, i, o):
        raise TypeError("wrong")

    module = Failing()
    module.register_forward_hook(fail, always_call=True)
    with pytest.warns(UserWarning, match="a hook of Failing has raised"), pytest.raises(ValueError, match="no"):
        module(1.0)
