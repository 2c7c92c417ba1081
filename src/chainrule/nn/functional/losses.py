"""Losses: how far predictions are from targets, reduced to one number unless asked otherwise."""

import math

import numpy as np

from ...core.value import dtype_of, ndim_of, shape_of
from ...errors import ArgumentError, ShapeError, explain
from ...ops import (
    absolute,
    exp,
    log,
    log1p,
    log_softmax,
    logsumexp,
    mean,
    reshape,
    sigmoid,
    softplus,
    square,
    sum,
    where,
    xlogy,
)
from ...ops.indexing import getitem
from ...ops.shaping import as_value, cast
from ...tensor import Tensor
from ..entry import check_range, countable, innermost, like_input
from .layers import linear
from .reducing import REDUCTIONS, check_reduction, class_labels, class_weight, older, pair, reduced, rows_of, weighed

# --- distances between numbers ----------------------------------------------------------------------------------------


@older
def mse_loss(input, target, reduction="mean", weight=None):
    """Squared difference.

    Parameters
    ----------
    input, target : arrays of one shape
    reduction : 'mean' over all elements, 'sum', or 'none'
    weight : None, or array of their shape by which losses are multiplied; their mean is then divided by its mean

    Raises
    ------
    ShapeError
        The shapes differ. (They are not broadcast: (n, 1) against (n,) would silently compare everything with everything.)

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.mse_loss([1.0, 2.0], [1.0, 4.0])
    np.float64(2.0)
    """
    input, target = pair(input, target, reduction, "mse_loss")
    return weighed(square(input - target), weight, reduction, "mse_loss")


@older
def l1_loss(input, target, reduction="mean", weight=None):
    """Absolute difference. Arguments as for `mse_loss`.

    >>> import chainrule.nn.functional as F
    >>> F.l1_loss([1.0, 2.0], [1.0, 4.0])
    np.float64(1.0)
    """
    input, target = pair(input, target, reduction, "l1_loss")
    return weighed(absolute(input - target), weight, reduction, "l1_loss")


def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    """Half the squared difference where that is below `delta`, a straight line of slope `delta` beyond; times `weight`.

    >>> import chainrule.nn.functional as F
    >>> F.huber_loss([1.0, 2.0], [1.0, 5.0], reduction="none")
    array([0. , 2.5])
    """
    input, target = pair(input, target, reduction, "huber_loss")
    if delta <= 0:
        raise ArgumentError(
            explain("huber_loss: delta must be positive", f"delta: {delta}", help="l1_loss is the limit of small delta")
        )
    d = input - target
    size = absolute(d)
    loss = where(size < delta, 0.5 * square(d), delta * (size - 0.5 * delta))
    return weighed(loss, weight, reduction, "huber_loss", mean_of="elements")


@older
def smooth_l1_loss(input, target, reduction="mean", beta=1.0):
    """`huber_loss / beta`: slope 1 beyond `beta`; `l1_loss` for beta 0.

    >>> import chainrule.nn.functional as F
    >>> F.smooth_l1_loss([1.0, 2.0], [1.0, 5.0], reduction="none")
    array([0. , 2.5])
    """
    input, target = pair(input, target, reduction, "smooth_l1_loss")
    if beta < 0:
        raise ArgumentError(explain("smooth_l1_loss: beta must not be negative", f"beta: {beta}", help="0 gives l1_loss"))
    d = input - target
    size = absolute(d)
    loss = size if beta == 0 else where(size < beta, (0.5 / beta) * square(d), size - 0.5 * beta)
    return reduced(loss, reduction)


# --- classes ----------------------------------------------------------------------------------------------------------


@older
def nll_loss(input, target, weight=None, ignore_index=-100, reduction="mean"):
    """Minus the log-probability of the right class. Arguments as for `cross_entropy`, with log-probabilities as `input`.

    >>> import chainrule.nn.functional as F
    >>> F.nll_loss(np.log([[0.5, 0.5]]), [0])
    np.float64(0.6931471805599453)
    """
    check_reduction(reduction, "nll_loss")
    rows, out_shape = rows_of(input, "nll_loss")
    labels, keep = _labels(target, input, rows, out_shape, ignore_index, "nll_loss")
    weight = class_weight(weight, shape_of(rows)[1], dtype_of(rows), "nll_loss")
    loss = -getitem(rows, (np.arange(shape_of(rows)[0]), labels))
    return _gathered(loss, labels, keep, weight, reduction, out_shape)


def _labels(target, input, rows, out_shape, ignore_index, what):
    """Labels as one axis, with 0 where ignored, and where they are not ignored (None for everywhere)."""
    target = class_labels(as_value(target), input, out_shape, what)
    certain = check_range(target, shape_of(rows)[1], what, "target", ignore_index)
    labels = reshape(target, (-1,))
    if certain:
        return labels, None
    keep = labels != ignore_index
    return countable(where(keep, labels, 0), shape_of(rows)[1]), keep


def _scales(labels, keep, weight, dtype):
    """What each loss counts: the weight of its class, 0 where ignored; None for 1 everywhere."""
    if keep is None:
        return None if weight is None else getitem(weight, labels)
    keep = cast(keep, dtype)
    return keep if weight is None else keep * getitem(weight, labels)


def _gathered(loss, labels, keep, weight, reduction, out_shape):
    scales = _scales(labels, keep, weight, dtype_of(loss))
    if scales is not None:
        loss = loss * scales if keep is None else where(keep, loss * scales, 0)
    if reduction == "none":
        return reshape(loss, out_shape)
    if reduction == "sum":
        return sum(loss)
    return mean(loss) if scales is None else sum(loss) / sum(scales)


@older
def cross_entropy(input, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    """Minus the log-probability of the right class, from unnormalised scores.

    Parameters
    ----------
    input : array of scores, shape (classes,), (n, classes) or (n, classes, d1, ...)
    target : integers, shape (), (n,) or (n, d1, ...); or probabilities of all classes, in the shape of `input`
    weight : None, or array of shape (classes,) that scales the loss of each class
    ignore_index : targets with this label count nothing; not for probabilities
    reduction : 'mean' (weighted by `weight`, over targets that are not ignored), 'sum' or 'none'
    label_smoothing : this part of each target is spread over all classes, between 0 and 1

    Returns
    -------
    scalar; with reduction 'none' an array of shape (), (n,) or (n, d1, ...)

    Raises
    ------
    ShapeError
        Shapes of `input`, `target` and `weight` do not fit together.
    IndexRangeError
        A label is negative or not below the number of classes, and not `ignore_index`.

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> np.isclose(F.cross_entropy(np.zeros((3, 4)), np.array([0, 1, 3])), np.log(4))
    np.True_
    """
    check_reduction(reduction, "cross_entropy")
    if not 0 <= label_smoothing <= 1:
        raise ArgumentError(
            explain("cross_entropy: label_smoothing must lie between 0 and 1", f"found: {label_smoothing}", help="try 0.1")
        )
    target = as_value(target)
    rows, out_shape = rows_of(input, "cross_entropy")
    n, classes = shape_of(rows)
    weight = class_weight(weight, classes, dtype_of(rows), "cross_entropy")
    if target.dtype.kind == "f" and shape_of(target) == shape_of(input):
        target, _ = rows_of(like_input(target, rows), "cross_entropy")
        if label_smoothing:
            target = target * (1 - label_smoothing) + label_smoothing / classes
        expected = target * log_softmax(rows, 1)
        loss = -sum(expected if weight is None else expected * weight, 1)
        return reduced(reshape(loss, out_shape) if reduction == "none" else loss, reduction)
    labels, keep = _labels(target, input, rows, out_shape, ignore_index, "cross_entropy")
    if not label_smoothing:
        # The log-probabilities of the other classes are never needed, so they are never computed.
        loss = logsumexp(rows, 1) - getitem(rows, (np.arange(n), labels))
        return _gathered(loss, labels, keep, weight, reduction, out_shape)
    logp = log_softmax(rows, 1)
    right = -getitem(logp, (np.arange(n), labels))
    spread = -sum(logp if weight is None else logp * weight, 1) * (label_smoothing / classes)
    # The smoothed part is weighted by all classes' weights already, so only the right class's part is scaled by its own.
    scales = _scales(labels, keep, weight, dtype_of(rows))
    right = (1 - label_smoothing) * (right if weight is None else right * getitem(weight, labels))
    loss = right + spread if keep is None else where(keep, right + spread, 0)
    if reduction == "none":
        return reshape(loss, out_shape)
    if reduction == "sum":
        return sum(loss)
    return mean(loss) if scales is None else sum(loss) / sum(scales)


def linear_cross_entropy(
    input,
    linear_weight,
    target,
    *,
    linear_bias=None,
    weight=None,
    reduction="mean",
    ignore_index=None,
    label_smoothing=0.0,
    options=None,
):
    """`cross_entropy(linear(input, linear_weight, linear_bias), target)`.

    Parameters
    ----------
    input : array of shape (in_features,) or (n, in_features)
    linear_weight : array of shape (classes, in_features) or (classes, d1, ..., in_features)
    target, weight, reduction, ignore_index, label_smoothing : as for `cross_entropy`
    linear_bias : None, or array of shape (classes,) or (classes, d1, ...)
    options : accepted for PyTorch's sake

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> np.isclose(F.linear_cross_entropy(np.ones((3, 2)), np.zeros((4, 2)), np.array([0, 1, 3])), np.log(4))
    np.True_
    """
    shape = shape_of(linear_weight)
    flat = reshape(linear_weight, (-1, shape[-1])) if len(shape) > 2 else linear_weight
    bias = linear_bias if linear_bias is None or len(shape) <= 2 else reshape(linear_bias, (-1,))
    scores = linear(as_value(input), flat, bias)
    if len(shape) > 2:
        scores = reshape(scores, (*shape_of(scores)[:-1], *shape[:-1]))
    ignored = -100 if ignore_index is None else ignore_index
    return cross_entropy(scores, target, weight, ignored, reduction, label_smoothing)


def focal_loss(input, target, weight=None, gamma=2.0, ignore_index=-100, reduction="mean"):
    """`cross_entropy` of each example times `(1 - probability of the right class) ** gamma` (Lin et al., 2017).

    What is already recognised counts little. Arguments as for `cross_entropy`; `gamma` 0 gives it.

    >>> import chainrule.nn.functional as F
    >>> np.isclose(F.focal_loss(np.zeros((3, 4)), np.array([0, 1, 3])), 0.75**2 * np.log(4))
    np.True_
    """
    check_reduction(reduction, "focal_loss")
    rows, out_shape = rows_of(input, "focal_loss")
    labels, keep = _labels(as_value(target), input, rows, out_shape, ignore_index, "focal_loss")
    weight = class_weight(weight, shape_of(rows)[1], dtype_of(rows), "focal_loss")
    logp = getitem(log_softmax(rows, 1), (np.arange(shape_of(rows)[0]), labels))
    return _gathered(-((1 - exp(logp)) ** gamma) * logp, labels, keep, weight, reduction, out_shape)


# --- probabilities ----------------------------------------------------------------------------------------------------


@older
def binary_cross_entropy(input, target, weight=None, reduction="mean"):
    """Minus the log-probability of `target`, 0 or 1, where `input` is the probability of 1.

    Logarithms are not let below -100, as in PyTorch; there the derivative is 0.
    `binary_cross_entropy_with_logits` is more accurate.

    Parameters
    ----------
    input, target : arrays of one shape, with numbers between 0 and 1
    weight : None, or array that broadcasts with them and scales each loss
    reduction : 'mean', 'sum' or 'none'

    Raises
    ------
    ArgumentError
        An element of `input` is no probability.

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.binary_cross_entropy([0.5], [1.0])
    np.float64(0.6931471805599453)
    """
    input, target = pair(input, target, reduction, "binary_cross_entropy")
    found = innermost(input)
    if found.size and (found.min() < 0 or found.max() > 1):
        raise ArgumentError(
            explain(
                "binary_cross_entropy: probabilities lie between 0 and 1",
                f"found: from {found.min():.6g} to {found.max():.6g}",
                help="use binary_cross_entropy_with_logits, or apply sigmoid first",
            )
        )
    yes, no = input > math.exp(-100), 1 - input > math.exp(-100)
    log_yes = where(yes, log(where(yes, input, 1)), -100)
    log_no = where(no, log1p(-where(no, input, 0)), -100)
    loss = -(target * log_yes + (1 - target) * log_no)
    return reduced(loss if weight is None else loss * like_input(weight, input), reduction)


@older
def binary_cross_entropy_with_logits(input, target, weight=None, reduction="mean", pos_weight=None):
    """`binary_cross_entropy(sigmoid(input), target)`, without over- and underflow.

    Parameters
    ----------
    input, target : arrays of one shape; targets between 0 and 1
    weight : None, or array that broadcasts with them and scales each loss
    reduction : 'mean', 'sum' or 'none'
    pos_weight : None, or array that broadcasts with them and scales the loss of targets 1

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.binary_cross_entropy_with_logits([0.0], [1.0])
    np.float64(0.6931471805599453)
    """
    input, target = pair(input, target, reduction, "binary_cross_entropy_with_logits")
    wrong = softplus(-input)
    if pos_weight is not None:
        wrong = (1 + (like_input(pos_weight, input) - 1) * target) * wrong
    loss = (1 - target) * input + wrong
    return reduced(loss if weight is None else loss * like_input(weight, input), reduction)


@older
def kl_div(input, target, reduction="mean", log_target=False):
    """`target * (log(target) - input)`: divergence of probabilities from log-probabilities.

    Parameters
    ----------
    input : array of log-probabilities
    target : array of probabilities in the same shape, or of their logarithms with `log_target`
    reduction : 'mean' over all elements, 'batchmean' (the sum divided by the length of axis 0, which is the
        divergence by its definition), 'sum' or 'none'

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.kl_div(np.log([[0.5, 0.5]]), [[1.0, 0.0]], reduction="batchmean")
    np.float64(0.6931471805599453)
    """
    check_reduction(reduction, "kl_div", (*REDUCTIONS, "batchmean"))
    input, target = pair(input, target, "none", "kl_div")
    loss = exp(target) * (target - input) if log_target else xlogy(target, target) - target * input
    if reduction == "batchmean":
        return sum(loss) / (shape_of(loss)[0] if ndim_of(loss) else 1)
    return reduced(loss, reduction)


def sigmoid_focal_loss(inputs, targets, alpha=0.25, gamma=2.0, reduction="none"):
    """`binary_cross_entropy_with_logits` of each element times `(1 - probability of the target) ** gamma` (Lin et al., 2017).

    Parameters
    ----------
    inputs, targets : arrays of one shape; targets 0 or 1
    alpha : weight of the targets 1, and `1 - alpha` that of the targets 0; negative for none
    gamma : 0 weighs all alike
    reduction : 'none', 'mean' or 'sum'

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> np.isclose(F.sigmoid_focal_loss([0.0], [1.0])[0], 0.25 * 0.5**2 * np.log(2))
    np.True_
    """
    inputs, targets = pair(inputs, targets, reduction, "sigmoid_focal_loss")
    loss = (1 - targets) * inputs + softplus(-inputs)
    p = sigmoid(inputs)
    loss = loss * (p + targets - 2 * p * targets) ** gamma
    if alpha >= 0:
        loss = loss * (alpha * targets + (1 - alpha) * (1 - targets))
    return reduced(loss, reduction)


# --- likelihoods of other distributions -------------------------------------------------------------------------------


@older
def poisson_nll_loss(input, target, log_input=True, full=False, eps=1e-8, reduction="mean"):
    """Minus the log-likelihood of counts with the Poisson distribution.

    Parameters
    ----------
    input : array of expected counts, or with `log_input` of their logarithms
    target : counts, in the same shape
    full : add Stirling's approximation of `log(target!)` where the target exceeds 1
    eps : added to expected counts before their logarithm is taken

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.poisson_nll_loss([0.0], [2.0])
    np.float64(1.0)
    """
    input, target = pair(input, target, reduction, "poisson_nll_loss")
    loss = exp(input) - target * input if log_input else input - target * log(input + eps)
    if full:
        large = target > 1
        t = where(large, target, 1)
        loss = loss + where(large, t * log(t) - t + 0.5 * log(2 * math.pi * t), 0)
    return reduced(loss, reduction)


def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    """Minus the log-likelihood of numbers with normal distributions.

    Parameters
    ----------
    input : array of expectations
    target : array of the same shape
    var : variances: a number, or an array of the shape of `input`, with the last axis left out or any of length 1
    full : add the constant `log(2 pi) / 2`
    eps : smaller variances count as this; the derivative goes to them all the same, as in PyTorch

    Raises
    ------
    ShapeError
        `var` does not fit.
    ArgumentError
        A variance is negative.

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.gaussian_nll_loss([1.0], [3.0], [1.0])
    np.float64(2.0)
    """
    input, target = pair(input, target, reduction, "gaussian_nll_loss")
    var = cast(as_value(var), dtype_of(input))
    shape = shape_of(input)
    if shape_of(var) != shape and shape_of(var) == shape[:-1] and shape:
        var = reshape(var, (*shape_of(var), 1))
    fits = ndim_of(var) <= len(shape) and all(a in (1, b) for a, b in zip(shape_of(var)[::-1], shape[::-1], strict=False))
    if not fits or ndim_of(var) not in (0, len(shape)):
        raise ShapeError(
            explain(
                "gaussian_nll_loss: `var` does not fit the input",
                f"input: {shape}    var: {shape_of(var)}",
                help="one variance for each number, or for each row",
            )
        )
    lowest = innermost(var)
    if lowest.size and lowest.min() < 0:
        raise ArgumentError(
            explain("gaussian_nll_loss: variances must not be negative", f"smallest: {lowest.min()}", help="predict log(var)")
        )
    fixed = var.detach() if isinstance(var, Tensor) else var
    var = where(var < eps, eps + (var - fixed), var)
    loss = 0.5 * (log(var) + square(input - target) / var)
    return reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)
