"""Attention and transformers: by hand, masks and errors; against PyTorch, where it is installed."""

import numpy as np
import pytest
import torch_tools as tt
from torch_tools import dtypes, normal, torch, with_torch

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError, ShapeError
from chainrule.nn import functional as F

Q, K, V = normal(2, 3, 4, 5), normal(2, 3, 6, 5, seed=1), normal(2, 3, 6, 2, seed=2)
VISIBLE = np.random.default_rng(3).random((4, 6)) < 0.6
VISIBLE[:, 0] = True
BIAS = normal(3, 4, 6, seed=4)


def test_attention_by_hand():
    scores = np.exp(Q @ K.swapaxes(-1, -2) / np.sqrt(5))
    expected = scores @ V / scores.sum(-1, keepdims=True)
    np.testing.assert_allclose(F.scaled_dot_product_attention(Q, K, V), expected, rtol=1e-12)
    hidden = np.where(VISIBLE, scores, 0)
    expected = hidden @ V / hidden.sum(-1, keepdims=True)
    np.testing.assert_allclose(F.scaled_dot_product_attention(Q, K, V, VISIBLE), expected, rtol=1e-12)
    added = np.where(VISIBLE, 0.0, -np.inf)
    np.testing.assert_allclose(F.scaled_dot_product_attention(Q, K, V, added), expected, rtol=1e-12)


@pytest.mark.parametrize("form", [lambda m: m, lambda m: np.where(m, 0.0, -np.inf)], ids=["boolean", "additive"])
def test_a_query_that_sees_nothing_gets_zeros_and_no_derivative(form):
    mask = VISIBLE.copy()
    mask[1] = False

    def f(q, k, v):
        return F.scaled_dot_product_attention(q, k, v, form(mask))

    out, pull = cr.vjp(f, Q, K, V)
    assert (out[..., 1, :] == 0).all() and np.isfinite(out).all()
    grads = pull(normal(*out.shape, seed=5))
    assert all(np.isfinite(g).all() for g in grads) and (grads[0][..., 1, :] == 0).all()
    others = np.delete(np.arange(4), 1)
    np.testing.assert_allclose(
        out[..., others, :], F.scaled_dot_product_attention(Q[..., others, :], K, V, mask[others]), rtol=1e-12
    )
    assert np.isfinite(cr.jvp(f, (Q, K, V), (Q, K, V))[1]).all()
    second = cr.grad(lambda q: (cr.grad(lambda q: (f(q, K, V) ** 2).sum())(q) ** 2).sum())(Q)
    assert np.isfinite(second).all() and np.any(second)


def test_vmap_over_masks_too():
    masks = np.stack([VISIBLE, ~VISIBLE | True, np.tril(np.ones((4, 6), bool)), np.zeros((4, 6), bool)])
    found = cr.vmap(lambda m: F.scaled_dot_product_attention(Q, K, V, m))(masks)
    expected = np.stack([F.scaled_dot_product_attention(Q, K, V, m) for m in masks])
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    biases = np.where(masks, 0.3, -np.inf)
    found = cr.vmap(lambda m: F.scaled_dot_product_attention(Q, K, V, m))(biases)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_gradcheck_with_a_bias():
    assert cr.gradcheck(lambda q, k, v, b: F.scaled_dot_product_attention(q, k, v, b), (Q[0], K[0], V[0], BIAS))


def test_dropout_keeps_the_mean():
    cr.manual_seed(0)
    ones = np.ones((1, 400, 4))
    out = F.scaled_dot_product_attention(ones, ones, ones, dropout_p=0.5)
    assert 0.99 < out.mean() < 1.01 and out.std() > 0.01


def test_mistakes_are_explained():
    with pytest.raises(
        ShapeError, match=r"shapes do not fit(.|\n)*query: \(2, 3, 4, 5\)(.|\n)*help: query and key need as many features"
    ):
        F.scaled_dot_product_attention(Q, V, V)
    with pytest.raises(ShapeError, match="as many positions"):
        F.scaled_dot_product_attention(Q, K, V[..., 1:, :])
    with pytest.raises(ShapeError, match="the mask does not broadcast"):
        F.scaled_dot_product_attention(Q, K, V, VISIBLE.T)
    with pytest.raises(ArgumentError, match="exclude each other"):
        F.scaled_dot_product_attention(Q, K, V, VISIBLE, is_causal=True)
    with pytest.raises(ArgumentError, match="boolean or floating point"):
        F.scaled_dot_product_attention(Q, K, V, VISIBLE.astype(int))
    with pytest.raises(ArgumentError, match="multiple of num_heads"):
        nn.MultiheadAttention(5, 2)
    layer = nn.MultiheadAttention(4, 2)
    x = np.ones((3, 2, 4))
    with pytest.raises(ShapeError, match="help: give the layer embed_dim=5"):
        layer(np.ones((3, 2, 5)), x, x)
    with pytest.raises(ShapeError, match="do not fit together"):
        layer(x, x, np.ones((4, 2, 4)))
    with pytest.raises(ShapeError, match=r"`attn_mask` does not fit(.|\n)*\(3, 3\) or \(4, 3, 3\)    found: bool \(2, 3\)"):
        layer(x, x, x, attn_mask=np.ones((2, 3), bool))
    with pytest.raises(ArgumentError, match="unknown activation"):
        nn.TransformerEncoderLayer(4, 2, activation="sin")


def test_modules_as_trees_and_vmap():
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, norm_first=True, dtype=float)
    xs = normal(4, 5, 8)
    with cr.no_grad():
        found = cr.vmap(layer)(xs).numpy()
        np.testing.assert_allclose(found, np.stack([layer(x).numpy() for x in xs]), rtol=1e-9, atol=1e-12)

    def loss(layer, x):
        return (layer(x, is_causal=True) ** 2).sum()

    grads = cr.grad(loss)(layer, xs)
    loss(layer, xs).backward()
    for (_, g), (key, p) in zip(grads.named_parameters(), layer.named_parameters(), strict=True):
        np.testing.assert_allclose(g.detach(), p.grad, rtol=1e-9, atol=1e-12, err_msg=key)


def test_copies_of_a_layer_are_apart():
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8), 2)
    a, b = (layer.linear1.weight for layer in encoder.layers)
    assert a is not b and (a == b).all() and len(list(encoder.parameters())) == 24


# --- against PyTorch --------------------------------------------------------------------------------------------------

MASKS = [{}, {"is_causal": True}, {"scale": 0.7}, {"attn_mask": VISIBLE}, {"attn_mask": BIAS}, {"attn_mask": BIAS[0]}]


def in_torch(options):
    return {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}


@with_torch
@dtypes
@pytest.mark.parametrize("options", MASKS, ids=lambda o: "-".join(o) or "plain")
def test_attention_against_torch(options, dtype):
    options = {k: v.astype(dtype) if getattr(v, "dtype", None) == np.float64 else v for k, v in options.items()}
    theirs = in_torch(options)
    tt.compare(
        torch,
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, **options),
        lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(q, k, v, **theirs),
        *(x.astype(dtype) for x in (Q, K, V)),
    )


@with_torch
def test_grouped_heads_against_torch():
    q, k, v = normal(2, 6, 4, 5), normal(2, 3, 6, 5, seed=1), normal(2, 3, 6, 2, seed=2)
    expected = torch.nn.functional.scaled_dot_product_attention(*map(torch.tensor, (q, k, v)), enable_gqa=True)
    np.testing.assert_allclose(F.scaled_dot_product_attention(q, k, v, enable_gqa=True), expected.numpy(), rtol=1e-9)


PADDED = np.array([[False] * 5, [False, False, False, True, True]])
HEADS = [
    ({}, {}),
    ({"batch_first": True}, {}),
    ({"bias": False}, {"need_weights": False}),
    ({}, {"average_attn_weights": False}),
    ({"kdim": 3, "vdim": 5}, {"key_padding_mask": PADDED}),
    ({"batch_first": True}, {"key_padding_mask": PADDED, "attn_mask": np.triu(np.ones((4, 5), bool), 2)}),
    ({}, {"attn_mask": normal(4, 4, 5, seed=7)}),
    ({}, {"attn_mask": normal(4, 5, seed=7), "key_padding_mask": np.where(PADDED, -np.inf, 0.1)}),
]


@with_torch
@dtypes
@pytest.mark.parametrize("options, call", HEADS)
def test_multihead_attention_against_torch(options, call, dtype):
    ours, theirs = tt.twins(torch, "MultiheadAttention", 6, 2, dtype=dtype, **options)
    call = {k: v.astype(dtype) if getattr(v, "dtype", None) == np.float64 else v for k, v in call.items()}
    other = in_torch(call)
    shapes = [(4, 2, 6), (5, 2, options.get("kdim", 6)), (5, 2, options.get("vdim", 6))]
    shapes = [(b, a, c) for a, b, c in shapes] if options.get("batch_first") else shapes
    xs = [normal(*s, seed=i, dtype=dtype) for i, s in enumerate(shapes)]
    params = list(ours.parameters()), list(theirs.parameters())
    tt.compare(torch, lambda *x: ours(*x, **call), lambda *x: theirs(*x, **other), *xs, params=params)
    if not call and not options.get("kdim"):
        tt.compare(torch, lambda x: ours(x, x, x), lambda x: theirs(x, x, x), xs[0], params=params)
        tt.compare(torch, lambda x: ours(x, x, x), lambda x: theirs(x, x, x), xs[0][0], params=params)


ENCODERS = [
    {},
    {"batch_first": True, "activation": "gelu"},
    {"norm_first": True, "bias": False},
]


@with_torch
@dtypes
@pytest.mark.parametrize("options", ENCODERS, ids=lambda o: "-".join(o) or "plain")
def test_transformer_layers_against_torch(options, dtype):
    second = dtype == np.float64
    x, memory = normal(3, 3, 8, dtype=dtype), normal(3, 3, 8, seed=1, dtype=dtype)
    causal = np.triu(np.ones((3, 3), bool), 1)
    padded = np.array([[False] * 3, [False, False, True], [False, True, True]])
    ours, theirs = tt.twins(torch, "TransformerEncoderLayer", 8, 2, 16, dropout=0.0, dtype=dtype, **options)
    params = list(ours.parameters()), list(theirs.parameters())
    tt.compare_layers(torch, ours, theirs, x, second=second)
    masks, other = (
        {"src_mask": causal, "src_key_padding_mask": padded},
        in_torch({"src_mask": causal, "src_key_padding_mask": padded}),
    )
    tt.compare(torch, lambda x: ours(x, **masks), lambda x: theirs(x, **other), x, params=params, second=False)
    ours, theirs = tt.twins(torch, "TransformerDecoderLayer", 8, 2, 16, dropout=0.0, dtype=dtype, **options)
    params = list(ours.parameters()), list(theirs.parameters())
    masks = {"tgt_mask": causal, "memory_key_padding_mask": padded, "tgt_key_padding_mask": padded}
    other = in_torch(masks)
    tt.compare(
        torch, lambda x, m: ours(x, m, **masks), lambda x, m: theirs(x, m, **other), x, memory, params=params, second=second
    )
    other = in_torch({"tgt_mask": causal})
    tt.compare(torch, lambda x, m: ours(x, m, tgt_is_causal=True), lambda x, m: theirs(x, m, **other), x, memory, second=False)


@with_torch
@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
def test_whole_transformers_against_torch():
    ours, theirs = tt.twins(torch, "Transformer", 8, 2, 2, 2, 16, dropout=0.1, batch_first=True)
    ours.eval(), theirs.eval()
    src, tgt = normal(2, 5, 8), normal(2, 4, 8, seed=1)
    mask = nn.Transformer.generate_square_subsequent_mask(4)
    np.testing.assert_array_equal(mask, torch.nn.Transformer.generate_square_subsequent_mask(4).numpy())
    masks = {"tgt_mask": mask.astype(float)}
    other = in_torch(masks)
    tt.compare(
        torch,
        lambda a, b: ours(a, b, **masks),
        lambda a, b: theirs(a, b, **other),
        src,
        tgt,
        params=(list(ours.parameters()), list(theirs.parameters())),
        second=False,
    )


@with_torch
def test_first_values_have_torchs_spread():
    ours, theirs = nn.MultiheadAttention(40, 4), torch.nn.MultiheadAttention(40, 4)
    for (name, p), (_, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert np.isclose(p.detach().numpy().std(), q.detach().numpy().std(), rtol=0.1), name
    ours = nn.Transformer(40, 4, 1, 1, 80)
    for p in ours.parameters():
        if p.ndim > 1:
            bound = np.sqrt(6 / sum(p.shape))
            assert 0.9 * bound < np.abs(p.detach().numpy()).max() <= bound
