"""Smooth stand-ins for Bernoulli and one-hot variables, at a temperature (Jang, Gu and Poole; Maddison, Mnih and Teh; 2017)."""

import math

from ..ops import log
from ..ops.activation import softplus
from ..ops.log_sums import log_softmax, logsumexp
from ..random import default_generator as rng
from . import constraints
from .categories import Choice
from .either import Either
from .transformed import TransformedDistribution
from .transforms import ExpTransform, SigmoidTransform
from .utils import tensors


class LogitRelaxedBernoulli(Either):
    """The logits of a `RelaxedBernoulli`."""

    support = constraints.real
    has_rsample = True
    _shared = ("temperature",)

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        self._take(probs, logits)
        (self.temperature,) = tensors(temperature)
        super().__init__(self._param.shape, validate_args=validate_args)

    def rsample(self, sample_shape=()):
        noise = rng.logistic(size=self._extended_shape(sample_shape), dtype=self._param.dtype)
        return (self.logits + noise) / self.temperature

    def log_prob(self, value):
        gap = self.logits - self._at(value) * self.temperature
        return log(self.temperature) + gap - 2 * softplus(gap)


class ExpRelaxedCategorical(Choice):
    """The logarithms of a `RelaxedOneHotCategorical`."""

    support = constraints.real_vector
    has_rsample = True
    _shared = ("temperature",)

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        (self.temperature,) = tensors(temperature)
        super().__init__(probs, logits, validate_args)

    def rsample(self, sample_shape=()):
        noise = rng.gumbel(size=self._extended_shape(sample_shape), dtype=self._param.dtype)
        return log_softmax((self.logits + noise) / self.temperature, -1)

    def log_prob(self, value):
        n, score = self._num_events, self.logits - self._at(value) * self.temperature
        score = (score - logsumexp(score, -1, keepdims=True)).sum(-1)
        return score + math.lgamma(n) + (n - 1) * log(self.temperature)


class _OfBase(TransformedDistribution):
    """What both share: the parameters are those of the base."""

    has_rsample = True
    temperature = property(lambda self: self.base_dist.temperature)
    probs = property(lambda self: self.base_dist.probs)
    logits = property(lambda self: self.base_dist.logits)


class RelaxedBernoulli(_OfBase):
    """Numbers between 0 and 1, nearer to these the lower the `temperature`.

    >>> import chainrule as cr
    >>> d = cr.distributions.RelaxedBernoulli(0.1, probs=[0.2, 0.8])
    >>> d.rsample().shape
    (2,)
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        super().__init__(LogitRelaxedBernoulli(temperature, probs, logits, validate_args), SigmoidTransform(), validate_args)


class RelaxedOneHotCategorical(_OfBase):
    """Probabilities that add up to 1, nearer to a one-hot vector the lower the `temperature`."""

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support = constraints.simplex

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        super().__init__(ExpRelaxedCategorical(temperature, probs, logits, validate_args), ExpTransform(), validate_args)
