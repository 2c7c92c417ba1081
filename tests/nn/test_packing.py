"""Sequences of different lengths: packed, filled up, and run through recurrent layers, beside PyTorch."""

import numpy as np
import pytest
import torch_tools as tt
from torch_tools import normal

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError, ShapeError
from chainrule.nn.utils import rnn

LENGTHS = [3, 5, 1, 4]


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(
    "name, options",
    [
        ("RNN", {"nonlinearity": "relu"}),
        ("GRU", {"num_layers": 2}),
        ("LSTM", {"num_layers": 2, "bidirectional": True}),
        ("LSTM", {"proj_size": 2, "bidirectional": True}),
    ],
)
def test_packed_layers_against_torch(name, options, batch_first):
    torch = pytest.importorskip("torch")
    ours, theirs = tt.twins(torch, name, 3, 4, batch_first=batch_first, **options)
    layers = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    sizes = [options.get("proj_size", 4), 4] if name == "LSTM" else [4]
    states = [normal(layers, 4, n, seed=n) for n in sizes]

    def run(layer, tools, lengths):
        def forward(x, *state):
            packed = tools.pack_padded_sequence(x, lengths, batch_first, enforce_sorted=False)
            out, last = layer(packed, state if len(state) == 2 else state[0])
            return tools.pad_packed_sequence(out, batch_first, total_length=6)[0], last

        return forward

    x = normal(*((4, 5, 3) if batch_first else (5, 4, 3)))
    params = list(ours.parameters()), list(theirs.parameters())
    forwards = run(ours, rnn, LENGTHS), run(theirs, torch.nn.utils.rnn, torch.tensor(LENGTHS))
    tt.compare(torch, *forwards, x, *states, params=params)


def test_a_packed_batch_is_its_sequences_one_by_one():
    layer, x = nn.LSTM(3, 4, bidirectional=True, dtype=float), normal(5, 4, 3)
    out, (h, c) = layer(rnn.pack_padded_sequence(x, LENGTHS, enforce_sorted=False))
    for i, (n, own) in enumerate(zip(LENGTHS, rnn.unpack_sequence(out), strict=True)):
        expected, (h_one, c_one) = layer(x[:n, i])
        for a, b in ((own, expected), (h[:, i], h_one), (c[:, i], c_one)):
            np.testing.assert_allclose(a.detach(), b.detach(), rtol=1e-12, atol=1e-14)


def test_transforms_and_compiled_programs():
    layer, x = nn.GRU(3, 4, dtype=float), normal(5, 4, 3)

    def loss(layer, x):
        out, h = layer(rnn.pack_padded_sequence(x, (5, 3, 2, 1)))
        return (out.data**2).sum() + h.sum()

    expected = cr.grad(loss)(layer, x)
    found = cr.compile(cr.grad(loss))(layer, x)
    for a, b in zip(found.parameters(), expected.parameters(), strict=True):
        np.testing.assert_allclose(a.detach(), b.detach(), rtol=1e-10, atol=1e-12)
    with cr.no_grad():
        xs = normal(2, 5, 4, 3)
        np.testing.assert_allclose(cr.vmap(lambda x: loss(layer, x))(xs), [loss(layer, x).item() for x in xs], rtol=1e-12)
    packed = rnn.pack_padded_sequence(x, (5, 3, 2, 1))
    doubled = cr.tree_map(lambda data: 2 * data, packed)
    assert isinstance(doubled, rnn.PackedSequence) and doubled.batch_sizes.tolist() == packed.batch_sizes.tolist()
    np.testing.assert_array_equal(doubled.data, 2 * packed.data)


@pytest.mark.parametrize("enforce_sorted", [False, True])
def test_tools_against_torch(enforce_sorted):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.utils.rnn
    lengths = sorted(LENGTHS, reverse=True) if enforce_sorted else LENGTHS
    parts = [normal(n, 2, seed=n) for n in lengths]
    tensors = [torch.tensor(p) for p in parts]
    packed, expected = rnn.pack_sequence(parts, enforce_sorted), theirs.pack_sequence(tensors, enforce_sorted)
    for a, b in zip(packed, expected, strict=True):
        assert (a is None) == (b is None)
        assert a is None or np.array_equal(a, b.numpy())
    for a, b in zip(rnn.unpack_sequence(packed), parts, strict=True):
        np.testing.assert_array_equal(a, b)
    for side in ("left", "right"):
        for first in (False, True):
            a, b = rnn.pad_sequence(parts, first, 7.0, side), theirs.pad_sequence(tensors, first, 7.0, side)
            np.testing.assert_array_equal(a, b.numpy())
    a, b = rnn.pad_packed_sequence(packed, True, -1.0, 7), theirs.pad_packed_sequence(expected, True, -1.0, 7)
    np.testing.assert_array_equal(a[0], b[0].numpy())
    np.testing.assert_array_equal(a[1], b[1].numpy())


def test_mistakes_are_explained():
    x = np.ones((5, 4, 3))
    with pytest.raises(ArgumentError, match=r"lengths must fall(.|\n)*enforce_sorted=False"):
        rnn.pack_padded_sequence(x, LENGTHS)
    with pytest.raises(ShapeError, match=r"input: float64 \(5, 4, 3\)    lengths: \[6, 5, 4, 3\]"):
        rnn.pack_padded_sequence(x, [6, 5, 4, 3])
    with pytest.raises(ShapeError, match="one length for each sequence"):
        rnn.pack_padded_sequence(x, [5, 4])
    with pytest.raises(ArgumentError, match="positive integers"):
        rnn.pack_padded_sequence(x, [3, 2, 1, 0])
    packed = rnn.pack_padded_sequence(x, [5, 4, 3, 2])
    with pytest.raises(ArgumentError, match="total_length: 4    longest: 5"):
        rnn.pad_packed_sequence(packed, total_length=4)
    with pytest.raises(ShapeError, match="one shape but for their lengths"):
        rnn.pad_sequence([np.ones((2, 3)), np.ones((2, 4))])
    with pytest.raises(ShapeError, match="help: give the layer input_size=3"):
        nn.GRU(2, 4)(packed)
    with pytest.raises(ShapeError, match=r"initial state h does not fit(.|\n)*expected: \(1, 4, 5\)"):
        nn.GRU(3, 5)(packed, np.zeros((1, 3, 5)))
    with pytest.raises(ShapeError, match="batch_sizes must fall"):
        rnn.PackedSequence(np.ones(3), [1, 2])
