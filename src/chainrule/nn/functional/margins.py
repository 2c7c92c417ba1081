"""Losses that ask for a margin: between scores, between distances, or between classes."""

import numpy as np

from ...core.value import dtype_of, ndim_of, shape_of
from ...errors import ArgumentError, ShapeError, explain
from ...ops import (
    any as any_of,
    cumsum,
    expand_dims,
    logical_and,
    logical_not,
    minimum,
    reshape,
    softplus,
    sqrt,
    square,
    sum,
    where,
)
from ...ops.indexing import getitem, take_along_axis
from ...ops.shaping import as_value, cast
from ..entry import check_integers, check_range, check_same_shape, countable, like_input
from ..windows import as_float
from .distances import pairwise_distance
from .reducing import check_reduction, class_labels, class_weight, older, pair, reduced


def _positive(x):
    """`max(x, 0)`, with derivative 1 at 0: what is exactly at its margin is still pushed."""
    return where(x < 0, 0, x)


# --- targets of 1 and -1 ----------------------------------------------------------------------------------------------


@older
def soft_margin_loss(input, target, reduction="mean"):
    """`log(1 + exp(-target * input))` for targets 1 and -1.

    Parameters
    ----------
    input, target : arrays of one shape
    reduction : 'mean', 'sum' or 'none'

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.soft_margin_loss([0.0], [1.0])
    np.float64(0.6931471805599453)
    """
    input, target = pair(input, target, reduction, "soft_margin_loss")
    return reduced(softplus(-target * input), reduction)


@older
def hinge_embedding_loss(input, target, margin=1.0, reduction="mean"):
    """`input`, a distance, where the target is 1; `max(0, margin - input)` where it is -1.

    >>> import chainrule.nn.functional as F
    >>> F.hinge_embedding_loss([0.25, 0.25], [1, -1], reduction="none")
    array([0.25, 0.75])
    """
    input, target = pair(input, target, reduction, "hinge_embedding_loss")
    loss = where(target != 1, _positive(margin - input), 0) + where(target != -1, input, 0)
    return reduced(loss, reduction)


@older
def margin_ranking_loss(input1, input2, target, margin=0.0, reduction="mean"):
    """`max(0, -target * (input1 - input2) + margin)`: target 1 asks the first to be larger, -1 the second.

    >>> import chainrule.nn.functional as F
    >>> F.margin_ranking_loss([1.0, 1.0], [3.0, 3.0], [1.0, -1.0], reduction="none")
    array([2., 0.])
    """
    check_reduction(reduction, "margin_ranking_loss")
    input1, input2 = as_value(input1), as_value(input2)
    target = like_input(target, input1)
    if not ndim_of(input1) == ndim_of(input2) == ndim_of(target):
        raise ShapeError(
            explain(
                "margin_ranking_loss: all three need the same number of axes",
                f"input1: {shape_of(input1)}    input2: {shape_of(input2)}    target: {shape_of(target)}",
                help="reshape them to one shape",
            )
        )
    return reduced(_positive(-target * (input1 - input2) + margin), reduction)


@older
def cosine_embedding_loss(input1, input2, target, margin=0.0, reduction="mean"):
    """`1 - cosine` where the target is 1; `max(0, cosine - margin)` where it is -1.

    Parameters
    ----------
    input1, input2 : arrays of shape (n, features), with targets (n,); or (features,), with target ()
    target : 1 where vectors should point in one direction, -1 where not
    margin : cosines below it cost nothing for targets -1

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> np.round(F.cosine_embedding_loss([[3.0, 4.0]], [[4.0, 3.0]], [1]), 6)
    np.float64(0.04)
    """
    check_reduction(reduction, "cosine_embedding_loss")
    input1, input2, target = as_float(input1), as_float(input2), as_value(target)
    if ndim_of(target) > 1 or not ndim_of(input1) == ndim_of(input2) == ndim_of(target) + 1:
        raise ShapeError(
            explain(
                "cosine_embedding_loss: the shapes do not fit together",
                f"input1: {shape_of(input1)}    input2: {shape_of(input2)}    target: {shape_of(target)}",
                help="(n, features) with targets (n,), or (features,) with a single target",
            )
        )
    lengths = [sum(square(x), -1) + 1e-12 for x in (input1, input2)]
    cosine = sum(input1 * input2, -1) / sqrt(lengths[0] * lengths[1])
    return reduced(where(target == 1, 1 - cosine, 0) + where(target == -1, _positive(cosine - margin), 0), reduction)


# --- three vectors ----------------------------------------------------------------------------------------------------


@older
def triplet_margin_loss(anchor, positive, negative, margin=1.0, p=2.0, eps=1e-6, swap=False, reduction="mean"):
    """`max(0, margin + distance(anchor, positive) - distance(anchor, negative))`.

    Parameters
    ----------
    anchor, positive, negative : arrays of shape (n, features) or (features,)
    margin : by how much the negative should be farther away
    p : order of the norm that is the distance
    eps : added to differences
    swap : take the distance from positive to negative where that is smaller (Balntas et al., 2016)
    reduction : 'mean', 'sum' or 'none'

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> round(float(F.triplet_margin_loss([[0.0]], [[2.0]], [[1.5]])), 5)
    1.5
    """

    def distance(x, y):
        return pairwise_distance(x, y, p, eps)

    return _triplet(anchor, positive, negative, distance, margin, swap, reduction, "triplet_margin_loss")


def triplet_margin_with_distance_loss(
    anchor, positive, negative, *, distance_function=None, margin=1.0, swap=False, reduction="mean"
):
    """As `triplet_margin_loss`, with any function of two arrays as distance; `pairwise_distance` by default.

    >>> import chainrule.nn.functional as F
    >>> F.triplet_margin_with_distance_loss([[0.0]], [[2.0]], [[1.5]], distance_function=lambda x, y: abs(x - y)[:, 0])
    np.float64(1.5)
    """
    distance = pairwise_distance if distance_function is None else distance_function
    return _triplet(anchor, positive, negative, distance, margin, swap, reduction, "triplet_margin_with_distance_loss")


def _triplet(anchor, positive, negative, distance, margin, swap, reduction, what):
    check_reduction(reduction, what)
    if not margin > 0:
        raise ArgumentError(explain(f"{what}: margin must be positive", f"margin: {margin}", help="1 is usual"))
    anchor, positive, negative = as_float(anchor), as_float(positive), as_float(negative)
    if not ndim_of(anchor) == ndim_of(positive) == ndim_of(negative):
        raise ShapeError(
            explain(
                f"{what}: all three need the same number of axes",
                f"anchor: {shape_of(anchor)}    positive: {shape_of(positive)}    negative: {shape_of(negative)}",
                help="(n, features) each",
            )
        )
    far = distance(anchor, negative)
    far = minimum(far, distance(positive, negative)) if swap else far
    return reduced(_positive(margin + distance(anchor, positive) - far), reduction)


# --- several classes --------------------------------------------------------------------------------------------------


def _scores(input, what):
    """Scores as (n, classes), and whether there was an axis of examples."""
    x = as_float(input)
    if ndim_of(x) not in (1, 2):
        raise ShapeError(
            explain(
                f"{what}: the input needs 2 axes, or 1 for a single example",
                f"expected: (n, classes) or (classes,)    found: {dtype_of(x)} {shape_of(x)}",
                help="flatten it, or move the classes to axis 1",
            )
        )
    return reshape(x, (-1, shape_of(x)[-1])) if ndim_of(x) == 1 else x, ndim_of(x) == 2


@older
def multi_margin_loss(input, target, p=1, margin=1.0, weight=None, reduction="mean"):
    """Mean over the other classes of `max(0, margin - score of the right class + score) ** p`.

    Parameters
    ----------
    input : array of scores, shape (n, classes) or (classes,)
    target : integers, shape (n,) or ()
    p : 1 or 2
    weight : None, or array of shape (classes,) that scales the loss of each right class

    Raises
    ------
    IndexRangeError
        A label is negative or not below the number of classes.

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.multi_margin_loss([[0.0, 0.5]], [0])
    np.float64(0.75)
    """
    what = "multi_margin_loss"
    check_reduction(reduction, what)
    if p not in (1, 2):
        raise ArgumentError(explain(f"{what}: p must be 1 or 2", f"found: {p}", help="1 is the usual hinge"))
    x, several = _scores(input, what)
    n, classes = shape_of(x)
    target = class_labels(as_value(target), as_value(input), (n,) if several else (), what)
    check_range(target, classes, what, "target")
    labels, weight = countable(reshape(target, (-1,)), classes), class_weight(weight, classes, dtype_of(x), what)
    cost = _positive(margin - expand_dims(getitem(x, (np.arange(n), labels)), 1) + x)
    cost = cost if p == 1 else square(cost)
    cost = cost if weight is None else cost * expand_dims(getitem(weight, labels), 1)
    loss = sum(where(expand_dims(labels, 1) == np.arange(classes), 0, cost), 1) / classes
    return reduced(loss if several else reshape(loss, ()), reduction)


@older
def multilabel_margin_loss(input, target, reduction="mean"):
    """`max(0, 1 - score of a right class + score of a wrong one)`, summed over all such pairs and divided by the classes.

    Parameters
    ----------
    input : array of scores, shape (n, classes) or (classes,)
    target : integers of the same shape: the right classes, then -1

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.multilabel_margin_loss([[0.0, 0.5]], [[0, -1]])
    np.float64(0.75)
    """
    what = "multilabel_margin_loss"
    check_reduction(reduction, what)
    x, several = _scores(input, what)
    check_same_shape(as_value(input), target, what)
    n, classes = shape_of(x)
    target = check_integers(reshape(as_value(target), (n, classes)), what, "target")
    right = cumsum(cast(target < 0, np.int64), 1) == 0  # what follows the first -1 does not count
    labels = where(right, target, 0)
    check_range(labels, classes, what, "target")
    named = any_of(logical_and(expand_dims(right, 2), expand_dims(labels, 2) == np.arange(classes)), 1)
    cost = _positive(1 - expand_dims(take_along_axis(x, labels, 1), 2) + expand_dims(x, 1))
    counts = logical_and(expand_dims(right, 2), logical_not(expand_dims(named, 1)))
    loss = sum(where(counts, cost, 0), (1, 2)) / classes
    return reduced(loss if several else reshape(loss, ()), reduction)


@older
def multilabel_soft_margin_loss(input, target, weight=None, reduction="mean"):
    """Mean over the classes of the binary cross-entropy of `sigmoid(input)`.

    Parameters
    ----------
    input, target : arrays of one shape (..., classes); targets 0 or 1
    weight : None, or array of shape (classes,)

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> np.isclose(F.multilabel_soft_margin_loss([[0.0, 0.0]], [[1, 0]]), np.log(2))
    np.True_
    """
    input, target = pair(input, target, reduction, "multilabel_soft_margin_loss")
    loss = target * softplus(-input) + (1 - target) * softplus(input)
    loss = loss if weight is None else loss * like_input(weight, input)
    return reduced(sum(loss, -1) / shape_of(loss)[-1], reduction)
