"""Parameters that are computed from others: weight and spectral norm beside PyTorch's, and parametrizations of one's own."""

import copy
import pickle

import numpy as np
import pytest
import torch_tools as tt

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError, ShapeError
from chainrule.nn.utils import parametrizations, parametrize


class Symmetric(nn.Module):
    def forward(self, x):
        return (x + x.T) / 2


class Exponential(nn.Module):
    def forward(self, x):
        return cr.exp(x)

    def right_inverse(self, value):
        return cr.log(value)


LAYERS = [("Linear", (3, 4), (5, 3)), ("Conv2d", (2, 4, 3), (2, 2, 5, 5)), ("ConvTranspose1d", (2, 4, 3), (2, 2, 5))]
KINDS = [
    ("weight_norm", {}),
    ("weight_norm", {"dim": None}),
    ("spectral_norm", {}),
    ("spectral_norm", {"n_power_iterations": 3}),
]


@pytest.mark.parametrize("kind, options", KINDS)
@pytest.mark.parametrize("name, args, shape", LAYERS)
def test_norms_against_torch(name, args, shape, kind, options):
    torch = pytest.importorskip("torch")
    ours = getattr(parametrizations, kind)(getattr(nn, name)(*args).double(), **options)
    theirs = getattr(torch.nn.utils.parametrizations, kind)(getattr(torch.nn, name)(*args).double(), **options)
    assert list(ours.state_dict()) == list(theirs.state_dict()) and type(ours).__name__ == type(theirs).__name__
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    # Their second derivative of weight_norm is not that of its first; ours is tested below.
    tt.compare_layers(torch, ours, theirs, np.random.default_rng(0).normal(size=shape), second=kind != "weight_norm")
    for key, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[key], value.numpy(), rtol=1e-9, atol=1e-12, err_msg=key)


def test_second_derivative_of_weight_norm():
    layer = parametrizations.weight_norm(nn.Linear(3, 4, dtype=float))
    x, t = np.random.default_rng(0).normal(size=(2, 5, 3))
    g = layer.parametrizations.weight.original0.detach().numpy()
    v = layer.parametrizations.weight.original1.detach().numpy()

    def direct(v):
        return cr.tanh(x @ (v * (g / cr.norm(v, axis=1, keepdims=True))).T).sum()

    def through(v):
        layer.parametrizations.weight.original1.data = v
        layer.zero_grad()
        (cr.tanh(layer(x) - layer.bias)).sum().backward(create_graph=True)
        p = layer.parametrizations.weight.original1
        return cr.autograd.grad((p.grad * t[:4]).sum(), p)[0]

    expected = cr.jvp(cr.grad(direct), (v,), (t[:4],))[1]
    np.testing.assert_allclose(through(v).detach(), expected, rtol=1e-9, atol=1e-12)


def test_spectral_norm_becomes_one():
    layer = nn.Linear(6, 4, dtype=float)
    layer.weight.data = np.diag([3.0, 2.0, 1.0, 0.5]) @ np.linalg.qr(np.random.default_rng(0).normal(size=(6, 4)))[0].T
    parametrizations.spectral_norm(layer, n_power_iterations=2)
    norms = [np.linalg.norm(layer.weight.detach().numpy(), 2) for _ in range(20)]  # each use is a step towards it
    assert np.isclose(norms[-1], 1, rtol=1e-6)
    layer.eval()
    before = layer.state_dict()
    layer(np.ones((2, 6)))
    assert all((before[k] == v).all() for k, v in layer.state_dict().items())


def test_transforms_copies_and_compiled():
    layer = parametrizations.weight_norm(nn.Linear(3, 4, dtype=float))
    x = np.random.default_rng(0).normal(size=(5, 3))

    def loss(layer, x):
        return (layer(x) ** 2).sum()

    grads = cr.grad(loss)(layer, x)
    loss(layer, x).backward()
    for (_, g), (key, p) in zip(grads.named_parameters(), layer.named_parameters(), strict=True):
        np.testing.assert_allclose(g.detach(), p.grad, rtol=1e-10, err_msg=key)
    compiled = cr.compile(cr.grad(loss))(layer, x)
    for a, b in zip(compiled.parameters(), grads.parameters(), strict=True):
        np.testing.assert_allclose(a.detach(), b.detach(), rtol=1e-10)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert type(other) is type(layer)
        np.testing.assert_array_equal(other(x).detach(), layer(x).detach())
        other.bias.data = np.ones(4)
        assert not (layer.bias == 1).all()
    with cr.no_grad():
        np.testing.assert_allclose(cr.vmap(layer)(x), layer(x), rtol=1e-12)


def test_a_parametrization_of_ones_own():
    layer = parametrize.register_parametrization(nn.Linear(3, 3, dtype=float), "weight", Symmetric())
    assert parametrize.is_parametrized(layer, "weight") and not parametrize.is_parametrized(layer, "bias")
    assert (layer.weight == layer.weight.T).all()
    with pytest.raises(ArgumentError, match="Symmetric cannot be assigned to"):
        layer.weight = np.eye(3)
    value = layer.weight.detach().numpy()
    assert parametrize.remove_parametrizations(layer, "weight") is layer and type(layer) is nn.Linear
    np.testing.assert_array_equal(layer.weight.detach(), value)
    assert isinstance(layer.weight, nn.Parameter) and list(layer.state_dict()) == ["bias", "weight"]


def test_several_in_a_row_and_assignment():
    layer = nn.Linear(2, 2, dtype=float)
    nn.init.constant_(layer.weight, 3.0)
    parametrize.register_parametrization(layer, "weight", Exponential())
    np.testing.assert_allclose(layer.weight.detach(), np.full((2, 2), 3.0))
    parametrize.register_parametrization(layer, "weight", Symmetric())
    layer.weight.sum().backward()
    np.testing.assert_allclose(layer.parametrizations.weight.original.grad, np.full((2, 2), 3.0))
    parametrize.remove_parametrizations(layer, "weight")
    parametrize.register_parametrization(layer, "weight", Exponential())
    layer.weight = np.full((2, 2), 5.0)
    np.testing.assert_allclose(layer.parametrizations.weight.original.detach(), np.log(5.0))


def test_mistakes_are_explained():
    with pytest.raises(ArgumentError, match="no parameter or buffer 'wight'\n  help: it has weight, bias"):
        parametrize.register_parametrization(nn.Linear(2, 3), "wight", Symmetric())
    with pytest.raises(ShapeError, match=r"must keep the shape\n  expected: \(4, 2\)    found: \(2,\)"):
        parametrize.register_parametrization(nn.Linear(2, 4), "weight", _Summed())
    with pytest.raises(ArgumentError, match="is not parametrized"):
        parametrize.remove_parametrizations(nn.Linear(2, 3), "weight")
    layer = parametrizations.weight_norm(nn.Linear(2, 3))
    with pytest.raises(ArgumentError, match="several originals"):
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)


class _Summed(nn.Module):
    def forward(self, x):
        return x.sum(0)


# --- orthogonal ----------------------------------------------------------------------------------------------------------

SHAPES = [(4, 4), (5, 3), (3, 5), (2, 4, 4), (2, 5, 3)]


class Holder(nn.Module):
    def __init__(self, weight):
        self.weight = nn.Parameter(weight)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", ["matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("trivial", [True, False])
def test_orthogonal_against_torch(shape, kind, trivial):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    ours = Holder(rng.normal(size=shape))
    nn.utils.parametrizations.orthogonal(ours, orthogonal_map=kind, use_trivialization=trivial)

    class TorchHolder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.tensor(rng.normal(size=shape)))

    theirs = TorchHolder()
    torch.nn.utils.parametrizations.orthogonal(theirs, orthogonal_map=kind, use_trivialization=trivial)
    original = ours.parametrizations.weight.original
    change = 0.3 * rng.normal(size=shape)
    if kind == "householder":  # its diagonal holds signs
        change = change * (1 - np.eye(*shape[-2:]))
    original.data = original.detach() + change
    state = theirs.state_dict()
    for name, value in ours.state_dict().items():
        state[name].copy_(torch.from_numpy(np.array(value)))
    weights = rng.normal(size=shape)
    w, tw = ours.weight, theirs.weight
    (w * weights).sum().backward()
    (tw * torch.tensor(weights)).sum().backward()
    np.testing.assert_allclose(np.asarray(w.detach()), tw.detach().numpy(), rtol=1e-9, atol=1e-10)
    theirs_grad = theirs.parametrizations.weight.original.grad.numpy()
    np.testing.assert_allclose(np.asarray(original.grad), theirs_grad, rtol=1e-8, atol=1e-10)
    q = np.asarray(w.detach())
    q = q if shape[-2] >= shape[-1] else q.swapaxes(-2, -1)
    np.testing.assert_allclose(
        q.swapaxes(-2, -1) @ q, np.broadcast_to(np.eye(q.shape[-1]), (*shape[:-2], *[q.shape[-1]] * 2)), atol=1e-12
    )


@pytest.mark.parametrize("shape", SHAPES[:3], ids=str)
@pytest.mark.parametrize("kind", ["matrix_exp", "cayley", "householder"])
def test_an_orthogonal_weight_stays_and_can_be_assigned(shape, kind):
    rng = np.random.default_rng(4)
    start, later = (np.linalg.qr(rng.normal(size=(max(shape),) * 2))[0][: shape[0], : shape[1]] for _ in range(2))
    ours = Holder(start)
    nn.utils.parametrizations.orthogonal(ours, orthogonal_map=kind)
    np.testing.assert_allclose(np.asarray(ours.weight.detach()), start, atol=1e-12)
    ours.weight = later
    np.testing.assert_allclose(np.asarray(ours.weight.detach()), later, atol=1e-12)


def test_orthogonal_complex_compiled_and_trained():
    rng = np.random.default_rng(5)
    unitary = Holder(rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3)))
    nn.utils.parametrizations.orthogonal(unitary)
    w = np.asarray(unitary.weight.detach())
    np.testing.assert_allclose(w.conj().T @ w, np.eye(3), atol=1e-12)
    goal = np.eye(4) + 0.3 * rng.normal(size=(4, 4))
    goal = np.linalg.qr(goal)[0] * np.sign(np.diag(np.linalg.qr(goal)[1]))
    found = []
    for wrap in (lambda f: f, cr.compile):
        layer = Holder(np.eye(4))
        nn.utils.parametrizations.orthogonal(layer)
        optimizer = cr.optim.Adam(layer.parameters(), lr=0.1)

        def step(layer=layer, optimizer=optimizer):
            optimizer.zero_grad()
            loss = ((layer.weight - goal) ** 2).sum()
            loss.backward()
            optimizer.step()
            return loss.detach()

        step = wrap(step)
        found.append([step().item() for _ in range(60)])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)
    assert found[0][-1] < 1e-2 * found[0][0]


def test_orthogonal_mistakes():
    for weight, kind in ((np.ones(3), None), (np.eye(3), "exp"), (np.eye(3, dtype=complex), "householder")):
        with pytest.raises(ArgumentError, match="maps: matrix_exp, cayley, householder"):
            nn.utils.parametrizations.orthogonal(Holder(weight), orthogonal_map=kind)
    layer = Holder(np.eye(3))
    nn.utils.parametrizations.orthogonal(layer, use_trivialization=False)
    with pytest.raises(ArgumentError, match="use_trivialization"):
        layer.weight = np.eye(3)
