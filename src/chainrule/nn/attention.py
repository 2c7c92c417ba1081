"""Multi-head attention as a layer."""

import math

import numpy as np

from ..core.value import dtype_of, shape_of
from ..errors import ArgumentError, ShapeError, UnsupportedError, explain
from ..ops import logical_and, logical_not, matmul, mean, reshape, transpose, where
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
    kdim, vdim : number of features of key and value; by default embed_dim
    batch_first : arrays are (batch, positions, features) instead of (positions, batch, features)
    dtype : of the parameters, default float32; floating point inputs are cast to it

    Attributes
    ----------
    in_proj_weight : Parameter of shape (3 * embed_dim, embed_dim), for query, key and value; None with kdim or vdim
    q_proj_weight, k_proj_weight, v_proj_weight : Parameters in its place, with kdim or vdim
    in_proj_bias : Parameter of shape (3 * embed_dim,), zeros at first, or None
    out_proj : Linear(embed_dim, embed_dim)

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
        if add_bias_kv or add_zero_attn:
            raise UnsupportedError(
                explain("MultiheadAttention: add_bias_kv and add_zero_attn", help="append rows to key and value yourself")
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
    ):
        """`(output, weights)`; the weights are None unless `need_weights`, and the mean over heads by default.

        Parameters
        ----------
        query : array of shape (positions, batch, embed_dim), (batch, positions, embed_dim), or (positions, embed_dim)
        key, value : likewise, with kdim and vdim features
        key_padding_mask : None; or (batch, keys), boolean and True where a key is to be hidden, or numbers to be added
        attn_mask : None; or (queries, keys) or (batch * num_heads, queries, keys), likewise
        is_causal : without attn_mask, a query sees the keys up to its own position; beside one, no more than a promise
        """
        same = query is key and key is value
        query, key, value, batched = self._enter(query, key, value, same)
        projected = self._project(query, key, value, same)
        first = self.batch_first or not batched  # where the axis of the batch stands
        q, k, v = (self._heads(x, first) for x in projected)
        batch, heads, length, source = *shape_of(q)[:3], shape_of(k)[2]
        mask = self._mask(attn_mask, key_padding_mask, (batch, heads, length, source), batched)
        weights = attention_weights(q, k, mask, is_causal and mask is None)
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
