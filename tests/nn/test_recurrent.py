"""Recurrent layers: by hand, transforms and errors; against PyTorch, where it is installed."""

import numpy as np
import pytest
import torch_tools as tt
from torch_tools import dtypes, normal, torch, with_torch

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError, ShapeError


def parts(module):
    return {name: p.detach().numpy() for name, p in module.named_parameters()}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_rnn_by_hand():
    layer, x, h = nn.RNN(3, 4, dtype=float), normal(5, 2, 3), np.zeros((2, 4))
    p = parts(layer)
    out, last = layer(x)
    for t in range(5):
        h = np.tanh(x[t] @ p["weight_ih_l0"].T + p["bias_ih_l0"] + h @ p["weight_hh_l0"].T + p["bias_hh_l0"])
        np.testing.assert_allclose(out[t].detach(), h, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(last[0].detach(), h, rtol=1e-12, atol=1e-12)


def test_lstm_by_hand():
    layer, x = nn.LSTM(3, 4, dtype=float), normal(5, 2, 3)
    h = c = np.zeros((2, 4))
    p = parts(layer)
    for x_t in x:
        z = x_t @ p["weight_ih_l0"].T + p["bias_ih_l0"] + h @ p["weight_hh_l0"].T + p["bias_hh_l0"]
        i, f, g, o = np.split(z, 4, 1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    out, (h_n, c_n) = layer(x)
    for found, expected in ((out[-1], h), (h_n[0], h), (c_n[0], c)):
        np.testing.assert_allclose(found.detach(), expected, rtol=1e-12, atol=1e-12)


def test_cells_are_the_steps_of_layers():
    x = normal(5, 2, 3)
    for name in ("RNN", "LSTM", "GRU"):
        layer, cell = getattr(nn, name)(3, 4, dtype=float), getattr(nn, name + "Cell")(3, 4, dtype=float)
        cell.load_state_dict({k.removesuffix("_l0"): v for k, v in layer.state_dict().items()})
        state = None
        for x_t in x:
            state = cell(x_t, state)
        h = state[0] if name == "LSTM" else state
        np.testing.assert_allclose(h.detach(), layer(x)[0][-1].detach(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_vmap_and_modules_as_trees(name):
    layer, xs = getattr(nn, name)(3, 4, dtype=float), normal(6, 5, 3)
    with cr.no_grad():
        found = cr.vmap(lambda x: layer(x)[0])(xs).numpy()
        np.testing.assert_allclose(found, np.stack([layer(x)[0].numpy() for x in xs]), rtol=1e-12, atol=1e-12)

    def loss(layer, x):
        return (layer(x)[0] ** 2).sum()

    grads = cr.grad(loss)(layer, xs[0])
    loss(layer, xs[0]).backward()
    for (_, g), (key, p) in zip(grads.named_parameters(), layer.named_parameters(), strict=True):
        np.testing.assert_allclose(g.detach(), p.grad, rtol=1e-10, atol=1e-12, err_msg=key)


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_recorded_is_eager(name):
    layer, xs = getattr(nn, name)(3, 4, num_layers=2, bidirectional=True, dtype=float), normal(5, 2, 3)

    def gradient(x):
        layer.zero_grad()
        (layer(x)[0] ** 2).sum().backward()
        return layer.weight_hh_l0.grad

    graph = cr.graph(gradient)(xs)
    assert any(s.row.name == "scan" for s in graph.steps)
    np.testing.assert_allclose(np.asarray(graph(2 * xs)), gradient(2 * xs).detach(), rtol=1e-9)


def test_first_values_and_mistakes():
    layer = nn.LSTM(3, 16, num_layers=2)
    for p in layer.parameters():
        assert np.abs(p.detach().numpy()).max() <= 0.25 and p.dtype == np.float32
    with pytest.raises(ShapeError, match=r"LSTM\(3, 16, num_layers=2\)(.|\n)*help: give the layer input_size=4"):
        layer(np.ones((5, 2, 4)))
    with pytest.raises(ShapeError, match="needs 3 axes, or 2 without a batch"):
        layer(np.ones(3))
    with pytest.raises(ShapeError, match="at least one step"):
        layer(np.ones((0, 2, 3)))
    with pytest.raises(
        ShapeError, match=r"initial state c does not fit(.|\n)*expected: \(2, 5, 16\)    found: float32 \(2, 4, 16\)"
    ):
        layer(np.ones((7, 5, 3)), (np.zeros((2, 5, 16)), np.zeros((2, 4, 16))))
    with pytest.raises(ArgumentError, match=r"the initial state is a pair \(h, c\)"):
        layer(np.ones((7, 5, 3)), np.zeros((1, 5, 16)))
    with pytest.raises(ArgumentError, match="unknown nonlinearity"):
        nn.RNN(2, 3, nonlinearity="sin")
    with pytest.raises(ArgumentError, match="dropout must be a probability"):
        nn.GRU(2, 3, dropout=2)
    with pytest.raises(ArgumentError, match="proj_size"):
        nn.LSTM(2, 3, proj_size=3)
    with pytest.raises(ShapeError, match="GRUCell"):
        nn.GRUCell(2, 3)(np.ones((4, 5)))


# --- against PyTorch --------------------------------------------------------------------------------------------------

OPTIONS = [
    {},
    {"num_layers": 2, "bidirectional": True},
    {"bias": False, "batch_first": True},
    {"num_layers": 2, "dropout": 0.5},
]


@with_torch
@dtypes
@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(o) or "plain")
@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_layers_against_torch(name, options, dtype):
    ours, theirs = tt.twins(torch, name, 3, 4, dtype=dtype, **options)
    ours.eval(), theirs.eval()
    assert repr(ours) == repr(theirs)
    for shape in ((5, 2, 3), (4, 3), (5, 0, 3) if not options.get("batch_first") else (0, 5, 3)):
        tt.compare_layers(torch, ours, theirs, normal(*shape, dtype=dtype), second=dtype == np.float64)
        layers = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
        batch = () if len(shape) == 2 else (shape[0 if options.get("batch_first") else 1],)
        states = [normal(layers, *batch, 4, seed=k, dtype=dtype) for k in range(2 if name == "LSTM" else 1)]

        def run(layer):
            return lambda x, *s: layer(x, s if len(s) == 2 else s[0])

        params = list(ours.parameters()), list(theirs.parameters())
        tt.compare(torch, run(ours), run(theirs), normal(*shape, dtype=dtype), *states, params=params, second=False)


@with_torch
def test_other_kinds_against_torch():
    for name, options in (
        ("RNN", {"nonlinearity": "relu"}),
        ("LSTM", {"proj_size": 2, "num_layers": 2, "bidirectional": True}),
    ):
        ours, theirs = tt.twins(torch, name, 3, 4, **options)
        tt.compare_layers(torch, ours, theirs, normal(5, 2, 3))
        assert repr(ours) == repr(theirs)


@with_torch
@dtypes
@pytest.mark.parametrize(
    "name, options", [("RNNCell", {}), ("RNNCell", {"nonlinearity": "relu"}), ("LSTMCell", {}), ("GRUCell", {"bias": False})]
)
def test_cells_against_torch(name, options, dtype):
    ours, theirs = tt.twins(torch, name, 3, 4, dtype=dtype, **options)
    assert repr(ours) == repr(theirs)
    for batch in ((), (5,)):
        x, h, c = normal(*batch, 3, dtype=dtype), normal(*batch, 4, seed=1, dtype=dtype), normal(*batch, 4, seed=2, dtype=dtype)
        params = list(ours.parameters()), list(theirs.parameters())
        if name == "LSTMCell":
            tt.compare(torch, lambda x, h, c: ours(x, (h, c)), lambda x, h, c: theirs(x, (h, c)), x, h, c, params=params)
        else:
            tt.compare_layers(torch, ours, theirs, x, h)
        tt.compare_layers(torch, ours, theirs, x)
