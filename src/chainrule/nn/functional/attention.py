"""Attention: weighted means of values, with weights from how well queries and keys agree."""

import math

import numpy as np

from ...core.dispatch import state
from ...core.value import Value, dtype_of, ndim_of, shape_of
from ...errors import ArgumentError, ShapeError, explain
from ...ops import any as any_of, logical_and, matmul, repeat, softmax, swapaxes, where
from ...ops.shaping import as_value
from ..windows import as_float
from .dropout import dropout


def _check(query, key, value):
    q, k, v = shape_of(query), shape_of(key), shape_of(value)
    hint = None
    if min(len(q), len(k), len(v)) < 2:
        hint = "each needs an axis of positions and one of features"
    elif q[-1] != k[-1]:
        hint = "query and key need as many features"
    elif k[-2] != v[-2]:
        hint = "key and value need as many positions"
    if hint:
        raise ShapeError(
            explain(
                "scaled_dot_product_attention: the shapes do not fit together",
                f"query: {q}    key: {k}    value: {v}",
                help=hint,
            )
        )


def attention_weights(query, key, attn_mask=None, is_causal=False, scale=None):
    """How much of each value every query takes: `softmax(query @ key.T * scale)`, as `scaled_dot_product_attention`."""
    length, source = shape_of(query)[-2], shape_of(key)[-2]
    scores = matmul(query * (1 / math.sqrt(max(shape_of(query)[-1], 1)) if scale is None else scale), swapaxes(key, -1, -2))
    if is_causal:
        if attn_mask is not None:
            raise ArgumentError(
                explain("scaled_dot_product_attention: attn_mask and is_causal exclude each other", help="combine the masks")
            )
        # Every query sees the first key at least, so there is nothing to look after.
        return softmax(where(np.tril(np.ones((length, source), bool)), scores, -math.inf), -1)
    if attn_mask is None:
        return softmax(scores, -1)
    mask = as_value(attn_mask)
    try:
        if np.broadcast_shapes(shape_of(mask), shape_of(scores)) != shape_of(scores):
            raise ValueError
    except ValueError:
        raise ShapeError(
            explain(
                "scaled_dot_product_attention: the mask does not broadcast to one number for each query and key",
                f"attn_mask: {shape_of(mask)}    scores: {shape_of(scores)}",
                help="its last axes are (queries, keys); axes of length 1 stand for all",
            )
        ) from None
    if mask.dtype.kind == "b":
        allowed = mask
    elif mask.dtype.kind == "f":
        allowed = mask != -math.inf
        # Where a score is masked out, minus infinity is never added to it: no derivative of it can be NaN.
        scores = scores + where(allowed, mask, 0)
    else:
        raise ArgumentError(
            explain(
                "scaled_dot_product_attention: the mask must be boolean or floating point",
                f"attn_mask: {mask.dtype} {shape_of(mask)}",
                help="True lets a query see a key; floating point masks are added to the scores",
            )
        )
    return _masked_softmax(scores, allowed)


def _masked_softmax(scores, allowed):
    """Softmax over the allowed places of the last axis; zeros where none is."""
    if not isinstance(allowed, Value) and state.recorder is None and allowed.any(-1).all():
        return softmax(where(allowed, scores, -math.inf), -1)
    some = any_of(allowed, -1, keepdims=True)
    # A row without any allowed place gets scores of 0 everywhere and is then replaced, so that it has no derivative.
    weights = softmax(where(allowed, scores, where(some, -math.inf, 0.0).astype(dtype_of(scores))), -1)
    return where(logical_and(allowed, some), weights, 0)


def scaled_dot_product_attention(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False
):
    """`softmax(query @ key.T / sqrt(features)) @ value` (Vaswani et al., 2017).

    Parameters
    ----------
    query : array of shape (..., queries, features)
    key : array of shape (..., keys, features)
    value : array of shape (..., keys, values)
    attn_mask : None; or boolean, True where a query may see a key; or numbers to be added to the scores, -inf to hide.
        Broadcast to (..., queries, keys). A query that sees no key gets zeros.
    dropout_p : probability of a weight to be dropped, always, whether or not a model is training
    is_causal : a query may see the keys up to its own position
    scale : in place of 1 / sqrt(features)
    enable_gqa : the third axis from the end of key and value is repeated to that of query (grouped heads)

    Returns
    -------
    array of shape (..., queries, values)

    Raises
    ------
    ShapeError
        Shapes do not fit together.
    ArgumentError
        The mask has the wrong dtype, or stands beside `is_causal`.

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> q, k, v = np.zeros((1, 2)), np.zeros((3, 2)), np.array([[1.0], [2.0], [6.0]])
    >>> F.scaled_dot_product_attention(q, k, v)
    array([[3.]])
    >>> F.scaled_dot_product_attention(q, k, v, attn_mask=np.array([True, True, False]))
    array([[1.5]])
    """
    query, key, value = as_float(query), as_float(key), as_float(value)
    _check(query, key, value)
    if enable_gqa:
        key, value = _repeated(key, query), _repeated(value, query)
    weights = attention_weights(query, key, attn_mask, is_causal, scale)
    return matmul(dropout(weights, dropout_p), value)


def _repeated(x, query):
    if min(ndim_of(x), ndim_of(query)) < 3 or shape_of(query)[-3] % max(shape_of(x)[-3], 1):
        raise ShapeError(
            explain(
                "scaled_dot_product_attention: the heads of query must be a multiple of those of key and value",
                f"query: {shape_of(query)}    key or value: {shape_of(x)}",
                help="heads are the third axis from the end",
            )
        )
    return repeat(x, shape_of(query)[-3] // shape_of(x)[-3], -3)
