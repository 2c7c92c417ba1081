"""Sequences continued position by position with caches of keys and values give what the whole sequence gives."""

import contextlib

import numpy as np
import pytest
from torch_tools import normal

import chainrule as cr
from chainrule import nn
from chainrule.errors import ShapeError


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("options", [{}, {"add_bias_kv": True}, {"add_zero_attn": True, "bias": False}])
def test_attention_with_a_cache(options, batch_first):
    layer, cache = nn.MultiheadAttention(8, 2, batch_first=batch_first, dtype=float, **options), nn.KeyValueCache()
    x = normal(*((3, 7, 8) if batch_first else (7, 3, 8)))
    whole, _ = layer(x, x, x, is_causal=True, attn_mask=None)
    parts = []
    for start, end in ((0, 3), (3, 4), (4, 7)):  # several positions at once as well
        part = x[:, start:end] if batch_first else x[start:end]
        parts.append(layer(part, part, part, is_causal=True, cache=cache)[0])
        assert len(cache) == end
    found = cr.concatenate(parts, 1 if batch_first else 0)
    np.testing.assert_allclose(found.detach(), whole.detach(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("norm_first", [False, True])
def test_encoder_and_decoder_with_caches(norm_first):
    options = {"dim_feedforward": 12, "batch_first": True, "norm_first": norm_first, "dtype": float}
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, **options), 2).eval()
    decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, **options), 2).eval()
    x, memory = normal(2, 5, 8), normal(2, 4, 8, seed=1)
    hidden = np.triu(np.ones((5, 5), bool), 1)
    first, second = encoder.new_cache(), decoder.new_cache()
    with cr.no_grad():
        for t in range(5):
            new = x[:, t : t + 1]
            a, b = encoder(new, cache=first), decoder(new, memory, cache=second)
            np.testing.assert_allclose(a[:, 0], encoder(x, mask=hidden)[:, t], rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(b[:, 0], decoder(x, memory, tgt_mask=hidden)[:, t], rtol=1e-9, atol=1e-12)


def test_padding_and_order_of_cached_sequences():
    layer, cache = nn.MultiheadAttention(4, 2, batch_first=True, dtype=float), nn.KeyValueCache()
    x = normal(2, 4, 4)
    padded = np.array([[True, False, False, False], [False, False, False, False]])
    with cr.no_grad():
        layer(x[:, :3], x[:, :3], x[:, :3], cache=cache)
        last, _ = layer(x[:, 3:], x[:, 3:], x[:, 3:], key_padding_mask=padded, cache=cache)
        whole, _ = layer(x, x, x, key_padding_mask=padded)
    np.testing.assert_allclose(last[:, 0], whole[:, 3], rtol=1e-10, atol=1e-12)
    keys = np.asarray(cache.keys)
    cache.reorder(np.array([1, 1]))
    np.testing.assert_array_equal(cache.keys, keys[[1, 1]])
    with pytest.raises(ShapeError, match="KeyValueCache: the new keys do not fit"):
        layer(x[:1], x[:1], x[:1], cache=cache)
    cache.clear()
    assert len(cache) == 0


def test_gradients_flow_through_a_cache():
    layer, x = nn.MultiheadAttention(4, 2, batch_first=True, dtype=float), normal(1, 3, 4)

    def by_parts(layer, x):
        cache = nn.KeyValueCache()
        parts = [layer(x[:, t : t + 1], x[:, t : t + 1], x[:, t : t + 1], cache=cache)[0] for t in range(3)]
        return (cr.concatenate(parts, 1) ** 2).sum()

    def at_once(layer, x):
        return (layer(x, x, x, is_causal=True)[0] ** 2).sum()

    with cr.no_grad():
        a, b = cr.grad(by_parts, argnums=(0, 1))(layer, x), cr.grad(at_once, argnums=(0, 1))(layer, x)
    for p, q in zip(cr.tree_leaves(a), cr.tree_leaves(b), strict=True):
        np.testing.assert_allclose(np.asarray(p), np.asarray(q), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("outside", [contextlib.nullcontext, cr.no_grad])
def test_compiled_functions_read_and_change_caches(outside):
    """The cache is an argument, so that derivatives flow through what it was given by an earlier call."""
    layer, x = nn.MultiheadAttention(4, 2, batch_first=True, dtype=float), normal(1, 3, 4)

    def step(layer, part, cache):
        return layer(part, part, part, cache=cache)[0]

    def by_parts(step, layer, x):
        cache = nn.KeyValueCache()
        out = sum((step(layer, x[:, t : t + 1], cache) ** 2).sum() for t in range(3))
        assert len(cache) == 3
        return out

    compiled = cr.compile(step)
    with outside():
        for _ in range(2):
            near = by_parts(compiled, layer, x), by_parts(step, layer, x)
            np.testing.assert_allclose(*(v.detach() for v in near), rtol=1e-12)
            pairs = zip(
                *(cr.tree_leaves(cr.grad(by_parts, argnums=(1, 2))(f, layer, x)) for f in (compiled, step)), strict=True
            )
            for found, wanted in pairs:
                np.testing.assert_allclose(*(np.asarray(cr.tensor(v).detach()) for v in (found, wanted)), rtol=1e-9, atol=1e-12)
