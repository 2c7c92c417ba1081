"""Distributions of one of several things, as an index or a one-hot vector, and of how often each happens."""

import math

import numpy as np

from ..creation import asarray
from ..errors import UnsupportedError, explain
from ..ops import argmax, broadcast_to, exp, take_along_axis, where
from ..ops.elementary import entr
from ..ops.shaping import as_value, cast
from ..ops.special import gammaln
from ..random import default_generator as rng
from . import constraints
from .counts import Binomial
from .either import ProbsOrLogits, one_of
from .utils import full, lazy_property, log_of_probs, logits_to_probs, normalized, one_hot, probs_to_logits


class Choice(ProbsOrLogits):
    """What distributions of probabilities along the last axis share. Both `probs` and `logits` need not be normalised."""

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}

    def __init__(self, probs=None, logits=None, validate_args=None):
        one_of(type(self).__name__, probs, logits)
        given = as_value(logits if probs is None else probs)
        if not given.shape:
            raise ValueError(f"{type(self).__name__}: `{'logits' if probs is None else 'probs'}` needs an axis")
        for name, value in normalized(probs, logits).items():
            setattr(self, name, value)
        super().__init__(given.shape[:-1], self._event(given.shape[-1]), validate_args)

    @staticmethod
    def _event(n):
        return (n,)

    @property
    def _num_events(self):
        return self._param.shape[-1]

    @lazy_property
    def probs(self):
        """The probabilities, normalised."""
        return logits_to_probs(self.logits)

    @lazy_property
    def logits(self):
        """The logarithms of the probabilities."""
        return probs_to_logits(self.probs)

    @property
    def _entropy(self):
        return entr(self.probs).sum(-1)

    def _indices(self, sample_shape):
        logits = log_of_probs(self.probs.detach()) if "probs" in vars(self) else self.logits.detach()
        return rng.categorical(logits, (*self._extended_shape(sample_shape)[: -len(self.event_shape) or None],))


class Categorical(Choice):
    """An index from 0 to n - 1, with these probabilities along the last axis.

    >>> import chainrule as cr
    >>> d = cr.distributions.Categorical(probs=[1.0, 3.0])
    >>> d.log_prob(1).exp()
    tensor(0.75)
    """

    has_enumerate_support = True

    @staticmethod
    def _event(n):
        return ()

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self):
        return constraints.integer_interval(0, self._num_events - 1)

    def sample(self, sample_shape=()):
        return self._indices(sample_shape)

    def log_prob(self, value):
        value, logits = asarray(value), self.logits
        if self._validate_args:
            self._validate_sample(value)
        shape = np.broadcast_shapes(value.shape, self.batch_shape)
        places = broadcast_to(cast(value, np.dtype(np.int64)), shape)[..., None]
        return take_along_axis(broadcast_to(logits, (*shape, self._num_events)), places, -1)[..., 0]

    def entropy(self):
        return self._entropy

    def enumerate_support(self, expand=True):
        values = asarray(np.arange(self._num_events).reshape((-1, *(1,) * len(self.batch_shape))))
        return broadcast_to(values, (self._num_events, *self.batch_shape)) if expand else values

    @property
    def mode(self):
        return argmax(self.probs, -1)

    @property
    def mean(self):
        return full(self.batch_shape, math.nan, self._param)

    variance = mean


class OneHotCategorical(Choice):
    """A vector of n entries with a single 1, at a place with these probabilities."""

    support = constraints.one_hot
    has_enumerate_support = True

    @property
    def _categorical(self):
        return Categorical(**{n: v for n, v in vars(self).items() if n in ("probs", "logits")}, validate_args=False)

    def sample(self, sample_shape=()):
        return one_hot(self._indices(sample_shape), self._num_events, self._param.dtype)

    def log_prob(self, value):
        return self._categorical.log_prob(argmax(self._at(value), -1))

    def entropy(self):
        return self._entropy

    def enumerate_support(self, expand=True):
        n = self._num_events
        values = asarray(np.eye(n, dtype=self._param.dtype).reshape((n, *(1,) * len(self.batch_shape), n)))
        return broadcast_to(values, (n, *self.batch_shape, n)) if expand else values

    @property
    def mean(self):
        return self.probs

    @property
    def mode(self):
        return one_hot(argmax(self.probs, -1), self._num_events, self._param.dtype)

    @property
    def variance(self):
        return self.probs * (1 - self.probs)


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """As `OneHotCategorical`; samples have the derivative that the probabilities have (Bengio, Leonard and Courville, 2013)."""

    has_rsample = True

    def rsample(self, sample_shape=()):
        probs = self.probs
        return self.sample(sample_shape) + (probs - probs.detach())


class Multinomial(Choice):
    """How often each of n things happens in `total_count` trials, an int."""

    total_count: int

    def __init__(self, total_count=1, probs=None, logits=None, validate_args=None):
        if not isinstance(total_count, (int, np.integer)):
            raise UnsupportedError(
                explain(
                    f"Multinomial: `total_count` must be an int, found {total_count!r}",
                    help="make one for each number of trials",
                )
            )
        self.total_count = int(total_count)
        super().__init__(probs, logits, validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self):
        return constraints.multinomial(self.total_count)

    def sample(self, sample_shape=()):
        probs = cast(self.probs.detach(), np.dtype(float))  # their sum is 1 in float64 too
        drawn = rng.multinomial(self.total_count, probs / probs.sum(-1, keepdims=True), self._extended_shape(sample_shape)[:-1])
        return cast(drawn, self._param.dtype)

    def log_prob(self, value):
        counts, logits = self._at(value), self.logits
        happens = where(counts == 0, 0, logits)  # 0 * -inf is 0
        return gammaln(counts.sum(-1) + 1) - gammaln(counts + 1).sum(-1) + (counts * happens).sum(-1)

    def entropy(self):
        n = self.total_count
        single = Binomial(n, probs=self.probs, validate_args=False)
        counts = single.enumerate_support(expand=False)[1:]
        orders = (exp(single.log_prob(counts)) * gammaln(counts + 1)).sum((0, -1))
        return n * self._entropy - math.lgamma(n + 1) + orders

    @property
    def mean(self):
        return self.total_count * self.probs

    @property
    def variance(self):
        return self.total_count * self.probs * (1 - self.probs)
