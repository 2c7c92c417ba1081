"""Distributions that are given either probabilities or their logits, and know both."""

from ..errors import ArgumentError, explain
from . import constraints
from .distribution import Distribution
from .utils import broadcast_all, lazy_property, logits_to_probs, probs_to_logits


def one_of(what, probs, logits):
    """Raise unless exactly one of both is given."""
    if (probs is None) == (logits is None):
        raise ArgumentError(
            explain(
                f"{what}: exactly one of `probs` and `logits` must be given",
                f"found: {'neither' if probs is None else 'both'}",
                help="logits are log(p / (1 - p)) for a probability p; for several that add up to 1, log(p) up to a constant",
            )
        )


class ProbsOrLogits(Distribution):
    """What those share that hold one of both as they were given it."""

    @property
    def _param(self):
        return vars(self)["probs" if "probs" in vars(self) else "logits"]

    @property
    def param_shape(self):
        return self._param.shape


class Either(ProbsOrLogits):
    """What those of one probability share."""

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}

    def _take(self, probs, logits, *others):
        """Set `probs` or `logits`, whichever is given, broadcast with others, which are returned."""
        one_of(type(self).__name__, probs, logits)
        *others, given = broadcast_all(*others, logits if probs is None else probs)
        setattr(self, "logits" if probs is None else "probs", given)
        return others

    @lazy_property
    def probs(self):
        """The probability of 1, or of success."""
        return logits_to_probs(self.logits, is_binary=True)

    @lazy_property
    def logits(self):
        """log(probs / (1 - probs))."""
        return probs_to_logits(self.probs, is_binary=True)
