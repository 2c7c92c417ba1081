"""Layers whose parameters are arguments, that multiply."""

import numpy as np

from ...core.value import ndim_of, shape_of
from ...errors import ArgumentError, ShapeError, explain
from ...ops import einsum, expand_dims, matmul, transpose
from ...ops.shaping import as_value, cast
from ..entry import check_integers, check_last, check_range, counted, innermost


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


def bilinear(input1, input2, weight, bias=None):
    """`input1 @ weight[k] @ input2 + bias[k]` for each output k.

    Parameters
    ----------
    input1, input2 : arrays of shapes (..., in1) and (..., in2) with the same leading axes
    weight : array of shape (out, in1, in2)
    bias : None, or array of shape (out,)

    Returns
    -------
    array of shape (..., out)

    Raises
    ------
    ShapeError
        Leading axes differ, or the last axes are not in1 and in2.

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.bilinear(np.array([1.0, 2.0]), np.array([3.0]), np.ones((1, 2, 1)))
    array([9.])
    """
    x1, x2, (_, n1, n2) = as_value(input1), as_value(input2), shape_of(weight)
    check_last(x1, (n1,), "bilinear", "in1_features")
    check_last(x2, (n2,), "bilinear", "in2_features")
    if shape_of(x1)[:-1] != shape_of(x2)[:-1]:
        raise ShapeError(
            explain(
                "bilinear: the inputs need the same leading axes",
                f"input1: {shape_of(x1)}    input2: {shape_of(x2)}",
                help="give each example one vector of both kinds",
            )
        )
    out = einsum("...i,oij,...j->...o", x1, weight, x2)
    return out if bias is None else out + bias


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
    return cast(expand_dims(counted(ids, num_classes), -1) == np.arange(num_classes), np.int64)
