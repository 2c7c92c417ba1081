"""Arguments of PyTorch's functions and classes: the same names in the same order with the same defaults."""

import importlib
import inspect

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.nn import functional as F

torch = pytest.importorskip("torch")

MODULES = [
    "nn", "nn.functional", "nn.init", "nn.utils", "nn.utils.rnn", "nn.utils.parametrize", "nn.utils.parametrizations",
    "nn.utils.prune", "optim", "optim.lr_scheduler", "optim.swa_utils", "utils.data",
]  # fmt: skip
# Arguments that are left out: of use inside of PyTorch only, or accepted without standing in the signature.
WITHOUT = {
    "*": {"size_average", "reduce", "_stacklevel"},  # the first two by `older`
    "nn.Embedding": {"_freeze"},
    "nn.Hardtanh": {"min_value", "max_value"},  # names that PyTorch has given up
    "nn.RNNCellBase": {"num_chunks"},
    "nn.functional.normalize": {"out"},
    "nn.utils.parametrize.ParametrizationList": {"unsafe"},
}
OTHER_DEFAULTS = {
    ("utils.data.DistributedSampler", "num_replicas"),  # there are no process groups to ask
    ("utils.data.DistributedSampler", "rank"),
    ("utils.data.random_split", "generator"),  # the common one
}


def parameters(f):
    try:
        found = inspect.signature(f.__init__ if isinstance(f, type) else f).parameters
    except (TypeError, ValueError):  # written in C++
        return None
    return {name: p for name, p in found.items() if name != "self"}


def pairs():
    for path in MODULES:
        theirs, ours = importlib.import_module(f"torch.{path}"), importlib.import_module(f"chainrule.{path}")
        for name in sorted(set(dir(theirs)) & set(dir(ours))):
            one, other = getattr(theirs, name), getattr(ours, name)
            public = callable(one) and not name.startswith("_") and getattr(one, "__module__", "").startswith("torch")
            if public and None not in (parameters(one), parameters(other)):
                yield pytest.param(one, other, f"{path}.{name}", id=f"{path}.{name}")


@pytest.mark.parametrize("theirs, ours, name", [*pairs()])
def test_the_same_arguments(theirs, ours, name):
    theirs, ours = parameters(theirs), parameters(ours)
    if any(p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) for p in [*theirs.values(), *ours.values()]):
        pytest.skip("takes any arguments")
    left_out = WITHOUT["*"] | WITHOUT.get(name, set())
    wanted = {key: p for key, p in theirs.items() if key not in left_out}
    assert [key for key in ours if key in wanted] == list(wanted)
    for key, p in wanted.items():
        if p.default is not p.empty and not callable(p.default) and (name, key) not in OTHER_DEFAULTS:
            assert ours[key].default == p.default, key
    assert all(p.default is not p.empty for key, p in ours.items() if key not in theirs)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss"])
def test_losses_with_weights(name, reduction):
    rng = np.random.default_rng(0)
    x, y, w = (rng.uniform(0.1, 2, size=(4, 3)) for _ in range(3))
    wanted = getattr(torch.nn.functional, name)(*map(torch.tensor, (x, y)), reduction=reduction, weight=torch.tensor(w))
    np.testing.assert_allclose(getattr(F, name)(x, y, reduction=reduction, weight=w), wanted)
    with pytest.raises(ValueError, match=r"`weight` needs one number for each element(.|\n)*help:"):
        getattr(F, name)(x, y, reduction=reduction, weight=w[0])


def test_norms_that_are_not_finite():
    w = nn.Parameter(np.array([1.0, 2.0]))
    w.grad = cr.tensor([np.inf, 0.0])
    for call in (
        lambda: nn.utils.clip_grad_norm_(w, 1.0, error_if_nonfinite=True, foreach=True),
        lambda: nn.utils.get_total_norm([w.grad], error_if_nonfinite=True),
    ):
        with pytest.raises(ValueError, match=r"norm of the gradients is inf(.|\n)*help:"):
            call()
