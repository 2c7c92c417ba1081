"""Softmax over very many classes, of which few are frequent."""

from typing import NamedTuple

import numpy as np

from ..core.dispatch import state
from ..core.value import shape_of
from ..errors import ArgumentError, ShapeError, explain
from ..ops import argmax, concatenate, log_softmax, mean, where
from ..ops.indexing import getitem
from ..ops.shaping import as_value, expand
from ..tensor import Tensor
from .containers import ModuleList, Sequential
from .entry import check_last, check_range, counted, innermost
from .linear import Linear
from .module import Module


class ASMoutput(NamedTuple):
    """What `AdaptiveLogSoftmaxWithLoss` gives: log probabilities of the targets, and their negative mean."""

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """Cross entropy over very many classes, sorted by how frequent they are (Grave et al., "Efficient softmax approximation
    for GPUs", 2017).

    The first `cutoffs[0]` classes are told apart at once, with one more class for each further cluster of rare ones; within a
    cluster, classes are told apart from a projection of the input that is `div_value` times smaller for each next cluster.

    Parameters
    ----------
    in_features, n_classes : int
    cutoffs : increasing integers between 1 and n_classes - 1, where the clusters begin
    div_value : float
    head_bias : whether the first layer has a bias
    dtype : of the parameters, default float32

    Attributes
    ----------
    head : Linear(in_features, cutoffs[0] + number of clusters)
    tail : ModuleList with a pair of Linear layers for each cluster

    Raises
    ------
    ArgumentError
        The cutoffs make no sense.
    ShapeError, IndexRangeError
        Of a call: input and target do not fit, or a target is no class.

    Notes
    -----
    Clusters work on the rows whose target is among them. In compiled programs, and under `vmap`, they work on all rows, since
    which these are is known only later; the result is the same.

    Examples
    --------
    >>> import chainrule as cr
    >>> layer = cr.nn.AdaptiveLogSoftmaxWithLoss(16, 1000, cutoffs=[10, 100])
    >>> output, loss = layer(np.ones((3, 16)), np.array([0, 50, 999]))
    >>> output.shape, loss.shape, layer.log_prob(np.ones((3, 16))).shape
    ((3,), (), (3, 1000))
    """

    def __init__(self, in_features, n_classes, cutoffs, div_value=4.0, head_bias=False, device=None, dtype=None):
        cutoffs = list(cutoffs)
        whole = all(int(c) == c for c in cutoffs)
        if not cutoffs or not whole or cutoffs != sorted(set(cutoffs)) or not 0 < cutoffs[0] <= cutoffs[-1] < n_classes:
            raise ArgumentError(
                explain(
                    "AdaptiveLogSoftmaxWithLoss: cutoffs must be increasing integers between 1 and n_classes - 1",
                    f"cutoffs: {cutoffs}    n_classes: {n_classes}",
                    help="for example [1000, 10_000] for 100,000 classes",
                )
            )
        self.in_features, self.n_classes, self.div_value, self.head_bias = in_features, n_classes, div_value, head_bias
        self.cutoffs = [*map(int, cutoffs), n_classes]
        self.shortlist_size, self.n_clusters = self.cutoffs[0], len(cutoffs)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, bias=head_bias, device=device, dtype=dtype)
        self.tail = ModuleList(
            Sequential(
                Linear(in_features, int(in_features // div_value ** (i + 1)), bias=False, device=device, dtype=dtype),
                Linear(int(in_features // div_value ** (i + 1)), b - a, bias=False, device=device, dtype=dtype),
            )
            for i, (a, b) in enumerate(zip(self.cutoffs, self.cutoffs[1:], strict=False))
        )

    def reset_parameters(self):
        """Draw the parameters anew, as PyTorch does."""
        for layer in (self.head, *(part for pair in self.tail for part in pair)):
            layer.reset_parameters()

    def forward(self, input, target):
        """Log probabilities of the targets, and their negative mean.

        Parameters
        ----------
        input : (n, in_features) or (in_features,)
        target : integers (n,) or ()

        Returns
        -------
        ASMoutput, (output, loss) : of shapes (n,) or (), and ()
        """
        input, target = as_value(input), as_value(target)
        check_last(input, (self.in_features,), type(self).__name__, "in_features")
        if shape_of(input)[:-1] != shape_of(target) or len(shape_of(target)) > 1:
            raise ShapeError(
                explain(
                    "AdaptiveLogSoftmaxWithLoss: expects input (n, in_features) and target (n,)",
                    f"input: {shape_of(input)}    target: {shape_of(target)}",
                    help="flatten leading axes first",
                )
            )
        check_range(target, self.n_classes, "AdaptiveLogSoftmaxWithLoss", "target")
        target = counted(target, self.n_classes)
        if not shape_of(target):
            output, loss = self(expand(input, (0,)), expand(target, (0,)))
            return ASMoutput(output[0], loss)
        head = log_softmax(self.head(input), axis=-1)
        rows = np.arange(shape_of(target)[0])
        known = innermost(target)
        # Else another call, or another entry of a batch, has other targets.
        fixed = state.recorder is None and not state.abstract and known.shape == shape_of(target)
        output = getitem(head, (rows, where(target < self.shortlist_size, target, 0)))
        for i, (a, b) in enumerate(zip(self.cutoffs, self.cutoffs[1:], strict=False)):
            inside = (known >= a) & (known < b) if fixed else (target >= a) & (target < b)
            if not fixed:
                within = getitem(log_softmax(self.tail[i](input), axis=-1), (rows, where(inside, target - a, 0)))
            elif inside.any():
                few = log_softmax(self.tail[i](getitem(input, np.flatnonzero(inside))), axis=-1)
                few = getitem(few, (np.arange(inside.sum()), known[inside] - a))
                within = getitem(few, np.maximum(np.cumsum(inside) - 1, 0))  # each where its row is
            else:
                continue
            output = where(inside, within + getitem(head, (rows, self.shortlist_size + i)), output)
        return ASMoutput(output, -mean(output))

    def log_prob(self, input):
        """Log probabilities of all classes, (n, n_classes), for input (n, in_features)."""
        check_last(as_value(input), (self.in_features,), type(self).__name__, "in_features")
        head = log_softmax(self.head(input), axis=-1)
        parts = [head[:, : self.shortlist_size]]
        for i, pair in enumerate(self.tail):
            within = log_softmax(pair(input), axis=-1)
            parts.append(within + head[:, self.shortlist_size + i, None])
        return concatenate(parts, axis=1)

    def predict(self, input):
        """The most probable class of each row, integers (n,)."""
        return argmax(self.log_prob(input), axis=1)
