"""Connectionist temporal classification: labels without positions, summed over all ways to place them."""

import numpy as np

from ...core.dispatch import state
from ...core.value import dtype_of, ndim_of, shape_of
from ...errors import ArgumentError, ShapeError, explain
from ...ops import (
    concatenate,
    cumsum as running_sum,
    expand_dims,
    logsumexp,
    maximum,
    mean,
    minimum,
    reshape,
    stack,
    sum,
    where,
)
from ...ops.indexing import getitem, take_along_axis
from ...ops.shaping import as_value, broadcast_to
from ...transforms.control import scan
from ..entry import check_integers, check_range, counted, innermost
from ..windows import as_float
from .reducing import check_reduction

# Logarithm of what cannot happen. A finite number keeps every derivative finite; no probability comes near it.
NEVER = -1e30


def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, reduction="mean", zero_infinity=False):
    """Minus the log-probability that a sequence shows these labels, at any positions (Graves et al., 2006).

    Computed with logarithms throughout, as a loop over time that is differentiated as it stands: derivatives of any order
    are exact. (The gradient is that of this function. PyTorch's holds only behind `log_softmax`, where both agree.)

    Parameters
    ----------
    log_probs : array of shape (time, batch, classes) or (time, classes), logarithms of probabilities
    targets : integers of shape (batch, labels), filled up with anything, or all labels as one axis
    input_lengths, target_lengths : integers of shape (batch,), or () without a batch: how much of each entry counts
    blank : the class that stands for no label
    reduction : 'mean' (of the losses divided by their numbers of labels), 'sum' or 'none'
    zero_infinity : count labels that do not fit into their sequence as 0 instead of infinity

    Raises
    ------
    ShapeError
        Shapes or lengths do not fit together.
    IndexRangeError
        A label is no class.

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.ctc_loss(np.log(np.full((2, 1, 2), 0.5)), np.array([[1]]), [2], [1])  # 1 1, 1 0 and 0 1 show label 1
    np.float64(0.2876820724517809)
    """
    what = "ctc_loss"
    check_reduction(reduction, what)
    x, batched = as_float(log_probs), ndim_of(log_probs) == 3
    if ndim_of(x) not in (2, 3):
        raise ShapeError(
            explain(
                f"{what}: log_probs needs 3 axes, or 2 without a batch",
                f"expected: (time, batch, classes)    found: {dtype_of(x)} {shape_of(x)}",
                help="log_probs.transpose(1, 0, 2) turns (batch, time, classes)",
            )
        )
    x = x if batched else expand_dims(x, 1)
    time, batch, classes = shape_of(x)
    if not 0 <= blank < classes:
        raise ArgumentError(explain(f"{what}: blank must be a class", f"blank: {blank} of {classes}", help="0 is usual"))
    steps = _lengths(input_lengths, batch, time, "input_lengths")
    counts = _lengths(target_lengths, batch, None, "target_lengths")
    labels = _checked(_labels(targets, counts, batch), counts, classes)
    loss = -_log_likelihood(x, labels, steps, counts, blank)
    impossible = loss > -NEVER / 2
    loss = where(impossible, 0.0 if zero_infinity else np.inf, loss)
    if reduction == "none":
        return loss if batched else reshape(loss, ())
    if reduction == "sum":
        return sum(loss)
    return mean(loss / maximum(counts, 1).astype(dtype_of(loss)))


def _lengths(lengths, batch, limit, name):
    lengths = check_integers(reshape(as_value(lengths), (-1,)), "ctc_loss", name)
    found = innermost(lengths)
    if shape_of(lengths) != (batch,) or (found.size and (found.min() < 0 or (limit is not None and found.max() > limit))):
        most = "" if limit is None else f", each at most {limit}"
        raise ShapeError(
            explain(
                f"ctc_loss: `{name}` does not fit log_probs",
                f"expected: ({batch},){most}    found: {shape_of(lengths)} {found.tolist()[:8]}",
                help="one length for each entry of the batch",
            )
        )
    return lengths


def _labels(targets, counts, batch):
    """The labels as (batch, most)."""
    targets = check_integers(targets, "ctc_loss", "targets")
    found = innermost(counts)
    longest = int(found.max(initial=0))
    if ndim_of(targets) == 2 and shape_of(targets)[0] == batch and shape_of(targets)[1] >= longest:
        return targets
    total = int(found.sum())
    if ndim_of(targets) != 1 or (shape_of(targets)[0] < total):
        raise ShapeError(
            explain(
                "ctc_loss: `targets` does not fit target_lengths",
                f"expected: ({batch}, at least {longest}) or ({total},)    found: {shape_of(targets)}",
                help="one row of labels for each entry of the batch, or all of them as one axis",
            )
        )
    # A recorded program may meet other lengths, up to all labels in one entry.
    most = longest if state.recorder is None and not state.abstract else shape_of(targets)[0]
    if not shape_of(targets)[0]:
        return np.zeros((batch, 0), np.int64)
    places = expand_dims(running_sum(counts) - counts, 1) + np.arange(most)
    return getitem(targets, minimum(places, shape_of(targets)[0] - 1))


def _checked(labels, counts, classes):
    """The labels that count, which must be classes, with 0 for the others."""
    labels = where(np.arange(shape_of(labels)[1]) < expand_dims(counts, 1), labels, 0)
    check_range(labels, classes, "ctc_loss", "targets")
    return counted(labels, classes)


def _log_likelihood(x, labels, steps, counts, blank):
    """Logarithm of the probability of the labels, of which blanks stand around each: the forward variables of the paper."""
    time, batch, _ = shape_of(x)
    most = shape_of(labels)[1]
    blanks = np.full((batch, most), blank)
    spread = reshape(stack([blanks, labels], 2), (batch, 2 * most))
    spread = concatenate([spread, np.full((batch, 1), blank)], 1)
    places = shape_of(spread)[1]
    of_places = take_along_axis(x, broadcast_to(expand_dims(spread, 0), (time, batch, places)), 2)
    of_places = where(of_places < NEVER, NEVER, of_places)
    # A blank may be left out between two labels that differ.
    unlike = concatenate([np.zeros((batch, min(2, places)), bool), spread[:, 2:] != spread[:, :-2]], 1)
    differs = where(np.arange(places) % 2 == 1, unlike, False)
    never = np.full((batch, 1), NEVER, dtype_of(x))
    start = where(np.arange(places) < 2, of_places[0], NEVER)

    def step(alpha, at):
        t, logp = at
        one = concatenate([never, alpha[:, :-1]], 1)
        two = concatenate([never, never, alpha[:, :-2]], 1) if places > 1 else one
        new = logsumexp(stack([alpha, one, where(differs, two, NEVER)]), 0) + logp
        return where(expand_dims(t < steps, 1), new, alpha), None

    if time > 1:
        start, _ = scan(step, start, (np.arange(1, time), of_places[1:]))
    last = 2 * expand_dims(counts, 1)
    ends = where((np.arange(places) == last) | (np.arange(places) == last - 1), start, NEVER)
    return logsumexp(ends, 1)
