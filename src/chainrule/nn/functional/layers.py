"""Layers whose parameters are arguments."""

import numpy as np

from ...core.value import Value, ndim_of, shape_of
from ...errors import ArgumentError, explain
from ...ops import expand_dims, matmul, transpose, where
from ...ops.indexing import getitem
from ...ops.shaping import as_value, cast
from ...random import default_generator
from ...tensor import Tensor
from ..entry import check_integers, check_last, check_range, innermost


def linear(input, weight, bias=None):
    """`input @ weight.T + bias`.

    Parameters
    ----------
    input : array of shape (..., in_features)
    weight : array of shape (out_features, in_features), or (in_features,)
    bias : None, or array of shape (out_features,)

    Returns
    -------
    array of shape (..., out_features)

    Raises
    ------
    ShapeError
        The last axis of `input` is not in_features.

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.linear(np.array([1.0, 2.0]), np.array([[1.0, 1.0], [0.0, 1.0]]))
    array([3., 2.])
    """
    check_last(input, shape_of(weight)[-1:], "linear", "a weight with last axis ")
    out = matmul(input, transpose(weight) if ndim_of(weight) > 1 else weight)
    return out if bias is None else out + bias


def dropout(input, p=0.5, training=True, inplace=False):
    """Set each element to zero with probability `p` and scale the others by `1 / (1 - p)`; nothing unless `training`.

    The mask is drawn from the default generator (`cr.manual_seed`). Under `vmap`, all entries share one mask.

    Raises
    ------
    ArgumentError
        `p` is no probability.

    Examples
    --------
    >>> import chainrule as cr, chainrule.nn.functional as F
    >>> _ = cr.manual_seed(0)
    >>> set(F.dropout(np.ones(100), 0.75)) == {0.0, 4.0}
    True
    """
    if not 0 <= p <= 1:
        raise ArgumentError(explain("dropout: p must be a probability", f"p: {p}", help="0 drops nothing, 1 drops everything"))
    x = as_value(input)
    if not training or p == 0:
        return x
    if p == 1:
        out = x * 0
    else:
        # Comparing the random bits themselves saves turning them into floating point numbers.
        keep = default_generator.bits(shape_of(x)) < np.uint64(int((1 - p) * 2.0**64))
        if keep.owner.level == 0 and not (isinstance(x, Value) and x.owner.level >= 0):
            keep = keep.value  # plain arrays in, plain arrays out, also in a program that is being written down
        out = where(keep, x, 0) * (1 / (1 - p))
    return input._rebind(out) if inplace and hasattr(input, "_rebind") else out


def embedding(input, weight, padding_idx=None):
    """Rows of `weight` at the indices `input`.

    Parameters
    ----------
    input : integers of any shape
    weight : array of shape (num_embeddings, embedding_dim)
    padding_idx : no derivative flows to this row

    Returns
    -------
    array of shape (*input.shape, embedding_dim)

    Raises
    ------
    IndexRangeError
        An index is negative or too large.

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.embedding(np.array([1, 1]), np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[3., 4.],
           [3., 4.]])
    """
    ids = check_integers(input, "embedding", "input")
    weight = as_value(weight)
    rows = shape_of(weight)[0]
    check_range(ids, rows, "embedding", "input")
    out = getitem(weight, ids)
    if padding_idx is not None and isinstance(out, Tensor):
        out = where(expand_dims(ids == padding_idx % rows, -1), out.detach(), out)
    return out


def one_hot(tensor, num_classes=-1):
    """A last axis with 1 at the position that `tensor` names, 0 elsewhere, as int64.

    Parameters
    ----------
    tensor : integers of any shape
    num_classes : length of the new axis; -1 takes the largest integer plus one

    Raises
    ------
    IndexRangeError
        An integer is negative or too large.

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.one_hot(np.array([0, 2]))
    array([[1, 0, 0],
           [0, 0, 1]])
    """
    ids = check_integers(tensor, "one_hot", "tensor")
    if num_classes < 0:
        values = innermost(ids)
        if not values.size:
            raise ArgumentError(explain("one_hot: how many classes?", "tensor has no elements", help="give num_classes"))
        num_classes = int(values.max()) + 1
    check_range(ids, num_classes, "one_hot", "tensor")
    return cast(expand_dims(ids, -1) == np.arange(num_classes), np.int64)
