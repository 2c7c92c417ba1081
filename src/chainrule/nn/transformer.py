"""Transformers: layers of attention and small networks, with shortcuts around each (Vaswani et al., 2017)."""

import copy

import numpy as np

from ..errors import ArgumentError, explain
from . import functional as F, init
from .attention import KeyValueCache, MultiheadAttention
from .containers import ModuleList
from .dropout import Dropout
from .linear import Linear
from .module import Module
from .normalization import LayerNorm

ACTIVATIONS = {"relu": F.relu, "gelu": F.gelu}


class _Layer(Module):
    """Blocks of attention and then a network, each with a shortcut around it, a normalisation and a dropout.

    What encoder and decoder layers differ in is the names of their attentions, `attentions`.
    """

    attentions: tuple[str, ...]

    def __init__(
        self,
        d_model,
        nhead,
        dim_feedforward=2048,
        dropout=0.1,
        activation="relu",
        layer_norm_eps=1e-5,
        batch_first=False,
        norm_first=False,
        bias=True,
        device=None,
        dtype=None,
    ):
        chosen = ACTIVATIONS.get(activation) if isinstance(activation, str) else activation
        if not callable(chosen):
            raise ArgumentError(
                explain(f"{type(self).__name__}: unknown activation {activation!r}", help="use 'relu', 'gelu' or a function")
            )
        shared = {"bias": bias, "device": device, "dtype": dtype}
        for name in self.attentions:
            setattr(self, name, MultiheadAttention(d_model, nhead, dropout=dropout, batch_first=batch_first, **shared))
        self.linear1 = Linear(d_model, dim_feedforward, **shared)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **shared)
        self.norm_first, self.activation = norm_first, chosen
        blocks = range(1, len(self.attentions) + 2)
        for i in blocks:
            setattr(self, f"norm{i}", LayerNorm(d_model, layer_norm_eps, **shared))
        for i in blocks:
            setattr(self, f"dropout{i}", Dropout(dropout))

    def _network(self, x):
        return self.linear2(self.dropout(self.activation(self.linear1(x))))

    def _around(self, x, *blocks):
        """`x + block(x)` for each block, normalised before it or after the sum."""
        for i, block in enumerate(blocks, 1):
            norm, dropout = getattr(self, f"norm{i}"), getattr(self, f"dropout{i}")
            x = x + dropout(block(norm(x))) if self.norm_first else norm(x + dropout(block(x)))
        return x


class TransformerEncoderLayer(_Layer):
    """Attention of a sequence to itself, then a network for each position.

    Parameters
    ----------
    d_model : number of features
    nhead : number of heads
    dim_feedforward : hidden features of the network
    dropout : probability, while training
    activation : 'relu', 'gelu' or a function
    layer_norm_eps : eps of the normalisations
    batch_first : arrays are (batch, positions, features) instead of (positions, batch, features)
    norm_first : normalise before attention and network instead of after the shortcut
    bias : False leaves all biases away
    dtype : of the parameters, default float32

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)(np.ones((3, 5, 8))).shape
    (3, 5, 8)
    """

    attentions = ("self_attn",)
    self_attn: MultiheadAttention

    def forward(self, src, src_mask=None, src_key_padding_mask=None, is_causal=False, cache=None):
        """The sequence, transformed. Masks are those of `MultiheadAttention`: True hides. With a `KeyValueCache`, `src`
        continues the sequence that it has seen."""

        def attend(x):
            masks = {"attn_mask": src_mask, "key_padding_mask": src_key_padding_mask, "is_causal": is_causal}
            return self.self_attn(x, x, x, need_weights=False, cache=cache, **masks)[0]

        return self._around(src, attend, self._network)


class TransformerDecoderLayer(_Layer):
    """Attention of a sequence to itself, then to another one (`memory`), then a network for each position.

    Parameters as for `TransformerEncoderLayer`.

    Examples
    --------
    >>> from chainrule import nn
    >>> layer = nn.TransformerDecoderLayer(8, 2, 16, batch_first=True)
    >>> layer(np.ones((3, 5, 8)), np.ones((3, 7, 8)), tgt_is_causal=True).shape
    (3, 5, 8)
    """

    attentions = ("self_attn", "multihead_attn")
    self_attn: MultiheadAttention
    multihead_attn: MultiheadAttention

    def forward(
        self,
        tgt,
        memory,
        tgt_mask=None,
        memory_mask=None,
        tgt_key_padding_mask=None,
        memory_key_padding_mask=None,
        tgt_is_causal=False,
        memory_is_causal=False,
        cache=None,
    ):
        """The sequence `tgt`, transformed. Masks are those of `MultiheadAttention`: True hides. With a `KeyValueCache`, `tgt`
        continues the sequence that it has seen."""

        def attend(x):
            masks = {"attn_mask": tgt_mask, "key_padding_mask": tgt_key_padding_mask, "is_causal": tgt_is_causal}
            return self.self_attn(x, x, x, need_weights=False, cache=cache, **masks)[0]

        def look(x):
            masks = {"attn_mask": memory_mask, "key_padding_mask": memory_key_padding_mask, "is_causal": memory_is_causal}
            return self.multihead_attn(x, memory, memory, need_weights=False, **masks)[0]

        return self._around(tgt, attend, look, self._network)


class _Stack(Module):
    """Copies of a layer, one after the other; then `norm`, if given. As in PyTorch, all copies start alike."""

    def _build(self, layer, num_layers, norm):
        self.layers = ModuleList([copy.deepcopy(layer) for _ in range(num_layers)])
        self.num_layers, self.norm = num_layers, norm

    def new_cache(self):
        """An empty `KeyValueCache` for each layer, for `forward(..., cache=...)`."""
        return [KeyValueCache() for _ in self.layers]

    def _run(self, x, call, cache):
        for layer, part in zip(self.layers, [None] * self.num_layers if cache is None else cache, strict=True):
            x = call(layer, x, part)
        return x if self.norm is None else self.norm(x)


class TransformerEncoder(_Stack):
    """`num_layers` copies of an encoder layer, one after the other; then `norm`, if given.

    As in PyTorch, all copies start with the same parameters.

    >>> from chainrule import nn
    >>> encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 2)
    >>> encoder(np.ones((5, 3, 8))).shape
    (5, 3, 8)
    """

    def __init__(self, encoder_layer, num_layers, norm=None, enable_nested_tensor=True, mask_check=True):
        self._build(encoder_layer, num_layers, norm)

    def forward(self, src, mask=None, src_key_padding_mask=None, is_causal=None, cache=None):
        """The sequence, transformed. Masks are those of `MultiheadAttention`: True hides."""

        def call(layer, x, part):
            more = {} if part is None else {"cache": part}
            return layer(x, src_mask=mask, src_key_padding_mask=src_key_padding_mask, is_causal=bool(is_causal), **more)

        return self._run(src, call, cache)


class TransformerDecoder(_Stack):
    """`num_layers` copies of a decoder layer, one after the other; then `norm`, if given.

    As in PyTorch, all copies start with the same parameters.

    >>> from chainrule import nn
    >>> decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16), 2)
    >>> decoder(np.ones((5, 3, 8)), np.ones((7, 3, 8))).shape
    (5, 3, 8)
    """

    def __init__(self, decoder_layer, num_layers, norm=None):
        self._build(decoder_layer, num_layers, norm)

    def forward(
        self,
        tgt,
        memory,
        tgt_mask=None,
        memory_mask=None,
        tgt_key_padding_mask=None,
        memory_key_padding_mask=None,
        tgt_is_causal=None,
        memory_is_causal=False,
        cache=None,
    ):
        """The sequence `tgt`, transformed. Masks are those of `MultiheadAttention`: True hides."""
        masks = (tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask)

        def call(layer, x, part):
            more = {} if part is None else {"cache": part}
            return layer(x, memory, *masks, bool(tgt_is_causal), memory_is_causal, **more)

        return self._run(tgt, call, cache)


class Transformer(Module):
    """An encoder for one sequence, and a decoder for another that looks at it.

    Parameters
    ----------
    d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias, dtype :
        as for `TransformerEncoderLayer`
    num_encoder_layers, num_decoder_layers : int
    custom_encoder, custom_decoder : modules to be used in their place

    Examples
    --------
    >>> from chainrule import nn
    >>> model = nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
    >>> model(np.ones((3, 7, 8)), np.ones((3, 5, 8))).shape
    (3, 5, 8)
    """

    def __init__(
        self,
        d_model=512,
        nhead=8,
        num_encoder_layers=6,
        num_decoder_layers=6,
        dim_feedforward=2048,
        dropout=0.1,
        activation="relu",
        custom_encoder=None,
        custom_decoder=None,
        layer_norm_eps=1e-5,
        batch_first=False,
        norm_first=False,
        bias=True,
        device=None,
        dtype=None,
    ):
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first
        options = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias)

        def norm():
            return LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)

        self.encoder = custom_encoder or TransformerEncoder(
            TransformerEncoderLayer(*options, device, dtype), num_encoder_layers, norm()
        )
        self.decoder = custom_decoder or TransformerDecoder(
            TransformerDecoderLayer(*options, device, dtype), num_decoder_layers, norm()
        )
        for p in self.parameters():
            if len(p.shape) > 1:
                init.xavier_uniform_(p)

    def forward(
        self,
        src,
        tgt,
        src_mask=None,
        tgt_mask=None,
        memory_mask=None,
        src_key_padding_mask=None,
        tgt_key_padding_mask=None,
        memory_key_padding_mask=None,
        src_is_causal=None,
        tgt_is_causal=None,
        memory_is_causal=False,
    ):
        """The sequence `tgt`, transformed with a view of `src`. Masks are those of `MultiheadAttention`: True hides."""
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        masks = (tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask)
        return self.decoder(tgt, memory, *masks, tgt_is_causal, memory_is_causal)

    @staticmethod
    def generate_square_subsequent_mask(sz, device=None, dtype=np.float32):
        """A mask to be added to scores that hides all later positions, of shape (sz, sz).

        >>> from chainrule import nn
        >>> nn.Transformer.generate_square_subsequent_mask(2)
        array([[  0., -inf],
               [  0.,   0.]], dtype=float32)
        """
        return np.triu(np.full((sz, sz), -np.inf, dtype), 1)
