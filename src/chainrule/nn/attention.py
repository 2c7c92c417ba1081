"""Multi-head attention as a layer."""

import math

import numpy as np

from ..core.changes import changes
from ..core.value import dtype_of, shape_of
from ..errors import ArgumentError, ShapeError, explain
from ..ops import broadcast_to, concatenate, logical_and, logical_not, matmul, mean, reshape, transpose, where
from ..ops.shaping import as_value, cast, expand
from ..tensor import Tensor
from . import functional as F, init
from .entry import check_last, enter, parameter_dtype
from .functional.attention import attention_weights
from .linear import Linear
from .module import Module
from .parameter import Parameter


class MultiheadAttention(Module):
    """Attention in several heads side by side (Vaswani et al., 2017).

    Parameters
    ----------
    embed_dim : number of features of query and output
    num_heads : the features are split into this many heads
    dropout : probability of a weight to be dropped, while training
    bias : False leaves all biases away
    add_bias_kv : add one more key and value, the same for all entries, which are trained
    add_zero_attn : add one more key and value of zeros
    kdim, vdim : number of features of key and value; by default embed_dim
    batch_first : arrays are (batch, positions, features) instead of (positions, batch, features)
    dtype : of the parameters, default float32; floating point inputs are cast to it

    Attributes
    ----------
    in_proj_weight : Parameter of shape (3 * embed_dim, embed_dim), for query, key and value; None with kdim or vdim
    q_proj_weight, k_proj_weight, v_proj_weight : Parameters in its place, with kdim or vdim
    in_proj_bias : Parameter of shape (3 * embed_dim,), zeros at first, or None
    out_proj : Linear(embed_dim, embed_dim)
    bias_k, bias_v : Parameters of shape (1, 1, embed_dim), or None

    Raises
    ------
    ArgumentError
        embed_dim is no multiple of num_heads.
    ShapeError
        Shapes of query, key, value or masks do not fit together.

    Examples
    --------
    >>> from chainrule import nn
    >>> x = np.ones((2, 5, 8))
    >>> out, weights = nn.MultiheadAttention(8, num_heads=2, batch_first=True)(x, x, x)
    >>> out.shape, weights.shape
    ((2, 5, 8), (2, 5, 5))
    """

    in_proj_weight: Tensor | None
    q_proj_weight: Tensor | None
    k_proj_weight: Tensor | None
    v_proj_weight: Tensor | None
    in_proj_bias: Tensor | None
    bias_k: Tensor | None
    bias_v: Tensor | None

    def __init__(
        self,
        embed_dim,
        num_heads,
        dropout=0.0,
        bias=True,
        add_bias_kv=False,
        add_zero_attn=False,
        kdim=None,
        vdim=None,
        batch_first=False,
        device=None,
        dtype=None,
    ):
        if embed_dim < 1 or num_heads < 1 or embed_dim % num_heads:
            raise ArgumentError(
                explain(
                    "MultiheadAttention: embed_dim must be a positive multiple of num_heads",
                    f"embed_dim: {embed_dim}    num_heads: {num_heads}",
                    help="each head gets embed_dim / num_heads features",
                )
            )
        dtype = parameter_dtype(dtype, device)
        self.embed_dim, self.num_heads, self.dropout, self.batch_first = embed_dim, num_heads, dropout, batch_first
        self.kdim, self.vdim = embed_dim if kdim is None else kdim, embed_dim if vdim is None else vdim
        self.head_dim, n = embed_dim // num_heads, embed_dim
        apart = self.kdim != n or self.vdim != n
        names = {"q_proj_weight": (n, n), "k_proj_weight": (n, self.kdim), "v_proj_weight": (n, self.vdim)}
        for name, shape in names.items():
            self.register_parameter(name, Parameter(np.zeros(shape, dtype)) if apart else None)
        self.register_parameter("in_proj_weight", None if apart else Parameter(np.zeros((3 * n, n), dtype)))
        self.register_parameter("in_proj_bias", Parameter(np.zeros(3 * n, dtype)) if bias else None)
        self.out_proj = Linear(n, n, bias=bias, dtype=dtype)
        for name in ("bias_k", "bias_v"):
            self.register_parameter(name, Parameter(np.zeros((1, 1, n), dtype)) if add_bias_kv else None)
        self.add_zero_attn = add_zero_attn
        self.reset_parameters()

    def reset_parameters(self):
        """Draw the parameters anew, as PyTorch does."""
        self.out_proj.reset_parameters()
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        for bias in (self.bias_k, self.bias_v):
            if bias is not None:
                init.xavier_normal_(bias)

    def forward(
        self,
        query,
        key,
        value,
        key_padding_mask=None,
        need_weights=True,
        attn_mask=None,
        average_attn_weights=True,
        is_causal=False,
        cache=None,
    ):
        """`(output, weights)`; the weights are None unless `need_weights`, and the mean over heads by default.

        Parameters
        ----------
        query : array of shape (positions, batch, embed_dim), (batch, positions, embed_dim), or (positions, embed_dim)
        key, value : likewise, with kdim and vdim features
        key_padding_mask : None; or (batch, keys), boolean and True where a key is to be hidden, or numbers to be added
        attn_mask : None; or (queries, keys) or (batch * num_heads, queries, keys), likewise
        is_causal : without attn_mask, a query sees the keys up to its own position; beside one, no more than a promise
        cache : None, or a `KeyValueCache`: keys and values of earlier calls stand in front, and are joined by these. Masks
            then speak of all keys
        """
        same = query is key and key is value
        query, key, value, batched = self._enter(query, key, value, same)
        projected = self._project(query, key, value, same)
        first = self.batch_first or not batched  # where the axis of the batch stands
        q, k, v = (self._heads(x, first) for x in projected)
        past = 0
        if cache is not None:
            past = len(cache)
            k, v = cache.extended(k, v)
        batch, heads, length, source = *shape_of(q)[:3], shape_of(k)[2]
        mask = self._mask(attn_mask, key_padding_mask, (batch, heads, length, source), batched)
        k, v = self._with_further(k, v)
        mask, is_causal = _for_further(mask, is_causal, length, source, shape_of(k)[2], past)
        weights = attention_weights(q, k, mask, is_causal)
        mixed = matmul(F.dropout(weights, self.dropout, self.training), v)
        joined = transpose(mixed, (0, 2, 1, 3) if first else (2, 0, 1, 3))
        out = self.out_proj(reshape(joined, (*shape_of(joined)[:2], self.embed_dim)))
        out = out if batched else reshape(out, shape_of(out)[1:])
        if not need_weights:
            return out, None
        weights = mean(weights, 1) if average_attn_weights else weights
        return out, weights if batched else reshape(weights, shape_of(weights)[1:])

    def _enter(self, query, key, value, same):
        """All three as floating point arrays with a batch axis, and whether they had one."""
        what = f"MultiheadAttention(embed_dim={self.embed_dim}, num_heads={self.num_heads})"
        dtype = self.out_proj.weight.dtype
        names = {"embed_dim": self.embed_dim, "kdim": self.kdim, "vdim": self.vdim}
        xs = [enter(query, dtype)] * 3 if same else [enter(x, dtype) for x in (query, key, value)]
        for x, (name, size) in zip(xs, names.items(), strict=True):
            check_last(x, (size,), what, name)
        shapes = [shape_of(x) for x in xs]
        batched = len(shapes[0]) == 3
        batch_axis = 0 if self.batch_first else 1
        fit = {len(s) for s in shapes} in ({2}, {3}) and (
            shapes[1][:-1] == shapes[2][:-1] and (not batched or shapes[0][batch_axis] == shapes[1][batch_axis])
        )
        if not fit:
            raise ShapeError(
                explain(
                    f"{what}: the shapes do not fit together",
                    "query: {}    key: {}    value: {}".format(*shapes),
                    help="(positions, batch, features) each, with batch_first (batch, positions, features); "
                    "key and value as many positions",
                )
            )
        return (*(x if batched else expand(x, (0,)) for x in xs), batched)

    def _project(self, query, key, value, same):
        """query, key and value, each times its weights."""
        bias, n = self.in_proj_bias, self.embed_dim
        if self.in_proj_weight is not None and same:
            out = matmul(query, transpose(self.in_proj_weight))
            out = out if bias is None else out + bias
            return [out[..., i * n : (i + 1) * n] for i in range(3)]
        if self.in_proj_weight is not None:
            weights = [self.in_proj_weight[i * n : (i + 1) * n] for i in range(3)]
        else:
            weights = [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
        outs = [matmul(x, transpose(w)) for x, w in zip((query, key, value), weights, strict=True)]
        return outs if bias is None else [out + bias[i * n : (i + 1) * n] for i, out in enumerate(outs)]

    def _with_further(self, k, v):
        """Keys and values of all heads, and after them those that the layer adds."""
        batch = shape_of(k)[0]
        added = []
        if self.bias_k is not None:
            shape, whole = (1, self.num_heads, 1, self.head_dim), (batch, self.num_heads, 1, self.head_dim)
            added.append([broadcast_to(reshape(b, shape), whole) for b in (self.bias_k, self.bias_v)])
        if self.add_zero_attn:
            zeros = np.zeros((batch, self.num_heads, 1, self.head_dim), dtype_of(k))
            added.append([zeros, zeros])
        if not added:
            return k, v
        return concatenate([k, *(a for a, _ in added)], 2), concatenate([v, *(a for _, a in added)], 2)

    def _heads(self, x, batch_first):
        """(batch, heads, positions, features of a head)."""
        split = reshape(x, (*shape_of(x)[:2], self.num_heads, self.head_dim))
        return transpose(split, (0, 2, 1, 3) if batch_first else (1, 2, 0, 3))

    def _mask(self, attn_mask, key_padding_mask, shape, batched):
        """Both masks as one for `attention_weights`, where True means visible; None for none."""
        batch, heads, length, source = shape
        masks = []
        if attn_mask is not None:
            attn_mask = as_value(attn_mask)
            allowed = {(length, source): (1, 1, length, source), (batch * heads, length, source): shape}
            masks.append(_fitted(attn_mask, allowed, "attn_mask"))
        if key_padding_mask is not None:
            key_padding_mask = as_value(key_padding_mask)
            allowed = {(batch, source) if batched else (source,): (batch, 1, 1, source)}
            masks.append(_fitted(key_padding_mask, allowed, "key_padding_mask"))
        if not masks:
            return None
        if all(m.dtype.kind == "b" for m in masks):
            visible = [logical_not(m) for m in masks]
            return visible[0] if len(visible) == 1 else logical_and(*visible)
        dtype = self.out_proj.weight.dtype
        added = [where(m, -math.inf, np.zeros((), dtype)) if m.dtype.kind == "b" else cast(m, dtype) for m in masks]
        return added[0] if len(added) == 1 else added[0] + added[1]


def _for_further(mask, is_causal, length, source, total, past):
    """The mask, and whether it is the causal one, when `total - source` keys were added that everybody sees."""
    if mask is None and is_causal and (past or total != source):
        mask, is_causal = np.tril(np.ones((length, source), bool), past)[None, None], False
    is_causal = is_causal and mask is None
    if mask is None or total == source:
        return mask, is_causal
    seen = np.ones((), bool) if dtype_of(mask).kind == "b" else np.zeros((), dtype_of(mask))
    more = broadcast_to(seen, (*shape_of(mask)[:-1], total - source))
    return concatenate([mask, more], -1), False


class KeyValueCache:
    """Keys and values that an attention has seen, so that a sequence can be continued position by position.

    Give one to each `MultiheadAttention` that looks back at its own sequence: `layer(x, x, x, cache=cache)`, where `x` holds
    the new positions only. The results are those of the whole sequence at once with `is_causal=True`; work grows with its
    length and not with its square.

    Attributes
    ----------
    keys, values : arrays of shape (batch, heads, positions, features of a head); None at first

    Examples
    --------
    >>> from chainrule import nn
    >>> layer, cache = nn.MultiheadAttention(8, 2, batch_first=True), nn.KeyValueCache()
    >>> x = np.random.default_rng(0).normal(size=(1, 3, 8))
    >>> whole, _ = layer(x, x, x, is_causal=True)
    >>> for t in range(3):
    ...     last, _ = layer(x[:, t : t + 1], x[:, t : t + 1], x[:, t : t + 1], cache=cache)
    >>> np.allclose(last.detach(), whole[:, 2:].detach(), atol=1e-6), len(cache)
    (True, 3)
    """

    keys: Tensor | None
    values: Tensor | None

    def __init__(self):
        self.keys = self.values = None

    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        changes.note()

    def _watched(self):
        """What a compiled program depends on, and changes: (holder, key, how it is written)."""
        for name in ("keys", "values"):
            yield vars(self), name, f".{name}"

    def __len__(self):
        """How many positions it holds."""
        return 0 if self.keys is None else shape_of(self.keys)[2]

    def extended(self, keys, values):
        """All keys and values, these at the end; they are kept."""
        if self.keys is not None:
            here, there = shape_of(self.keys), shape_of(keys)
            if here[:2] != there[:2] or here[3] != there[3]:
                raise ShapeError(
                    explain(
                        "KeyValueCache: the new keys do not fit those that it holds",
                        f"held: {here}    new: {there}",
                        help="use one cache for each layer and each batch of sequences; clear() empties it",
                    )
                )
            keys, values = concatenate([self.keys, keys], 2), concatenate([self.values, values], 2)
        self.keys, self.values = keys, values
        return keys, values

    def clear(self):
        """Forget everything."""
        self.keys = self.values = None

    def reorder(self, order):
        """Take these entries of the batch, in this order: what beam search needs."""
        if self.keys is not None and self.values is not None:
            self.keys, self.values = self.keys[order], self.values[order]


def _fitted(mask, allowed, name):
    if shape_of(mask) not in allowed or dtype_of(mask).kind not in "bf":
        raise ShapeError(
            explain(
                f"MultiheadAttention: `{name}` does not fit",
                f"expected: boolean or floating point, {' or '.join(map(str, allowed))}"
                f"    found: {dtype_of(mask)} {shape_of(mask)}",
                help="True hides a key, as in PyTorch (the opposite of scaled_dot_product_attention)",
            )
        )
    return reshape(mask, allowed[shape_of(mask)])
