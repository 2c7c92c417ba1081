"""Weights computed at each use: pruning, the older weight and spectral norms; layers fused with normalisations."""

import copy
import pickle

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError, ShapeError
from chainrule.nn.utils import prune

torch = pytest.importorskip("torch")
torch_prune = pytest.importorskip("torch.nn.utils.prune")
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # PyTorch's about its older functions

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 3))
W = {
    "0.weight": RNG.normal(size=(4, 3)),
    "0.bias": RNG.normal(size=4),
    "2.weight": RNG.normal(size=(2, 4)),
    "2.bias": np.ones(2),
}


def made(library):
    layers = library.nn.Linear(3, 4), library.nn.Tanh(), library.nn.Linear(4, 2)
    model = library.nn.Sequential(*layers).to(library.float64)
    model.load_state_dict({name: library.tensor(w) for name, w in W.items()})
    return model


def trained(library, change, compiled=False, steps=4):
    """Values of all states, outputs, and the changed weight, after some steps."""
    model = change(made(library))
    optimizer = library.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
    x = library.tensor(X)

    def step(x):
        optimizer.zero_grad()
        (model(x) ** 2).mean().backward()
        optimizer.step()

    step = cr.compile(step) if compiled else step
    for _ in range(steps):
        step(x)
    out = model(x)
    return {"out": out, "weight": model[0].weight, **model.state_dict()}


def l1(model):
    utils = prune if isinstance(model, nn.Module) else torch_prune
    utils.l1_unstructured(model[0], "weight", 0.4)
    utils.ln_structured(model[0], "weight", 1, n=2, dim=1)
    utils.l1_unstructured(model[0], "weight", 2)
    utils.l1_unstructured(model[2], "bias", 1)
    return model


def jointly(model):
    utils = prune if isinstance(model, nn.Module) else torch_prune
    pairs = [(model[0], "weight"), (model[2], "weight"), (model[0], "bias")]
    utils.global_unstructured(pairs, utils.L1Unstructured, amount=0.3)
    utils.identity(model[2], "bias")
    return model


def of_weight(model, dim=0):
    (nn if isinstance(model, nn.Module) else torch.nn).utils.weight_norm(model[0], dim=dim)
    return model


def spectral(model):
    utils = (nn if isinstance(model, nn.Module) else torch.nn).utils
    utils.spectral_norm(model[0], n_power_iterations=2)
    model[0].weight_u.data[:] = (cr if isinstance(model, nn.Module) else torch).tensor([0.5, 0.5, -0.5, 0.5])
    return model


CHANGES = {
    "l1": l1,
    "jointly": jointly,
    "weight_norm": of_weight,
    "weight_norm of all": lambda m: of_weight(m, None),
    "weight_norm, dim 1": lambda m: of_weight(m, 1),
    "spectral_norm": spectral,
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled step"])
def test_training_is_pytorchs(name, compiled):
    found, expected = trained(cr, CHANGES[name], compiled), trained(torch, CHANGES[name])
    assert list(found) == list(expected)
    for key, value in expected.items():
        np.testing.assert_allclose(found[key].detach().numpy(), value.detach().numpy(), rtol=1e-9, atol=1e-12, err_msg=key)


@pytest.mark.parametrize("name", ["l1", "weight_norm", "spectral_norm"])
def test_they_are_functions_of_what_is_trained(name):
    model = CHANGES[name](made(cr)).eval()

    def loss(model):
        return (model(X) ** 2).mean()

    loss(model).backward()
    gradients = cr.grad(loss)(model)
    for (path, p), (other, g) in zip(model.named_parameters(), gradients.named_parameters(), strict=True):
        assert path == other
        np.testing.assert_allclose(g.detach(), p.grad, rtol=1e-9, atol=1e-12)
    assert cr.gradcheck(loss, (model,), order=2)


def test_removing_leaves_the_value():
    for name, remove in (
        ("l1", lambda m: prune.remove(m, "weight")),
        ("weight_norm", nn.utils.remove_weight_norm),
        ("spectral_norm", nn.utils.remove_spectral_norm),
    ):
        model = CHANGES[name](made(cr))
        model(X)
        value = model[0].weight.detach()
        assert remove(model[0]) is model[0] and list(model[0].state_dict()) == ["bias", "weight"]
        assert isinstance(model[0].weight, nn.Parameter) and not model[0]._forward_pre_hooks
        np.testing.assert_allclose(model[0].weight.detach(), value)
        with pytest.raises(ArgumentError, match="weight"):
            remove(model[0])
    assert not prune.is_pruned(made(cr)) and prune.is_pruned(l1(made(cr)))


def test_pruning_by_chance():
    layer = prune.random_unstructured(nn.Linear(6, 5), "weight", 12)
    assert (layer.weight_mask == 0).sum() == 12 == (layer.weight == 0).sum()
    prune.random_unstructured(layer, "weight", 0.5)
    assert (layer.weight_mask == 0).sum() == 21 and len(next(iter(layer._forward_pre_hooks.values()))) == 2
    layer = prune.random_structured(nn.Linear(6, 5), "weight", 2, dim=0)
    assert sorted((layer.weight_mask == 0).sum(axis=1).tolist()) == [0, 0, 0, 6, 6]
    prune.random_structured(layer, "weight", 1, dim=0)  # among the rows that are left
    assert sorted((layer.weight_mask == 0).sum(axis=1).tolist()) == [0, 0, 6, 6, 6]


def test_a_rule_of_ones_own():
    class Odd(prune.BasePruningMethod):
        PRUNING_TYPE = "unstructured"

        def compute_mask(self, t, default_mask):
            mask = default_mask.copy()
            mask.reshape(-1)[1::2] = 0
            return mask

    layer = nn.Linear(4, 1)
    Odd.apply(layer, "weight")
    assert layer.weight_mask.tolist() == [[1, 0, 1, 0]]
    Odd.apply(layer, "weight")
    assert layer.weight_mask.tolist() == [[1, 0, 0, 0]]
    prune.custom_from_mask(layer, "weight", np.array([[0, 1, 1, 1]]))
    assert layer.weight_mask.sum() == 0
    scores = prune.l1_unstructured(nn.Linear(3, 1), "weight", 1, importance_scores=np.array([[3.0, 1.0, 2.0]]))
    assert scores.weight_mask.tolist() == [[1, 0, 1]]


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda m: prune.l1_unstructured(m, "weight", 1.5), ArgumentError, "between 0 and 1"),
        (lambda m: prune.l1_unstructured(m, "weight", -1), ArgumentError, "between 0 and 1"),
        (lambda m: prune.l1_unstructured(m, "weight", "1"), ArgumentError, "amount is a number"),
        (lambda m: prune.l1_unstructured(m, "weight", 100), ArgumentError, "more than there is"),
        (lambda m: prune.ln_structured(m, "bias", 1, 2, 0), ArgumentError, "at least two"),
        (lambda m: prune.l1_unstructured(m, "weight", 1, importance_scores=np.ones(2)), ShapeError, "importance_scores"),
        (lambda m: prune.remove(m, "weight"), ArgumentError, "not pruned"),
        (lambda m: prune.global_unstructured([(m, "weight")], prune.LnStructured, amount=1, n=1), ArgumentError, "single"),
        (lambda m: nn.utils.weight_norm(m, "nothing"), ArgumentError, "has no parameter 'nothing'"),
        (lambda m: nn.utils.weight_norm(nn.utils.weight_norm(m)), ArgumentError, "has no parameter|already"),
        (lambda m: nn.utils.spectral_norm(m, n_power_iterations=0), ArgumentError, "positive"),
        (lambda m: nn.utils.remove_spectral_norm(m), ArgumentError, "has none"),
    ],
)
def test_what_makes_no_sense(call, error, words):
    layer = nn.Linear(3, 2)
    with pytest.raises(error, match=rf"{words}(.|\n)*help:"):
        call(layer)


def test_a_recurrent_layer_with_weight_norm():
    layer, other = nn.LSTM(2, 3, dtype=float), torch.nn.LSTM(2, 3, dtype=torch.float64)
    other.load_state_dict({k: torch.tensor(v.numpy()) for k, v in layer.state_dict().items()})
    x = RNG.normal(size=(4, 1, 2))
    results = []
    for library, lstm in ((cr, layer), (torch, other)):
        library.nn.utils.weight_norm(lstm, "weight_hh_l0")
        out = lstm(library.tensor(x))[0]
        out.sum().backward()
        results.append((out.detach().numpy(), lstm.weight_hh_l0_g.grad.numpy(), lstm.weight_hh_l0_v.grad.numpy()))
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("affine", [True, False])
def test_fused_layers(affine):
    cases = [
        (nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3, affine=affine), (4, 2, 5, 5), {}),
        (nn.Conv1d(2, 3, 2, bias=False), nn.BatchNorm1d(3, affine=affine), (4, 2, 5), {}),
        (nn.ConvTranspose1d(2, 3, 2), nn.BatchNorm1d(3, affine=affine), (4, 2, 5), {"transpose": True}),
        (nn.Linear(3, 2), nn.BatchNorm1d(2, affine=affine), (4, 3), {}),
    ]
    for layer, norm, shape, options in cases:
        model = nn.Sequential(layer, norm).double()
        x = RNG.normal(size=shape)
        model(x)
        model.eval()
        before = copy.deepcopy(layer)
        fused = (nn.utils.fuse_linear_bn_eval if len(shape) == 2 else nn.utils.fuse_conv_bn_eval)(layer, norm, **options)
        np.testing.assert_allclose(fused(x).detach(), model(x).detach(), rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(layer.weight.detach(), before.weight.detach())


@pytest.mark.parametrize("name", ["l1", "weight_norm", "spectral_norm"])
def test_copies_and_programs(name):
    model = CHANGES[name](made(cr))
    model(X)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert isinstance(twin[0], nn.Linear) and list(twin.state_dict()) == list(model.state_dict())
        np.testing.assert_allclose(twin.eval()(X).detach(), model.eval()(X).detach())
        model.train()
    program = cr.compile(lambda x: model(x))
    for _ in range(4):
        program(X)
    assert len(program.variants) == 1
    with pytest.raises(ArgumentError, match="cannot be assigned to"):
        model[0].weight = nn.Parameter(np.ones((4, 3)))
