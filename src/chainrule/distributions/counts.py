"""Distributions of whole numbers. Their samples jump, so no derivative flows through them."""

import math

import numpy as np

from ..creation import asarray
from ..errors import UnsupportedError, explain
from ..ops import clip, exp, floor, log, maximum, where
from ..ops.activation import sigmoid, softplus
from ..ops.distributions import bdtr, pdtr
from ..ops.elementary import log_expit, xlog1py
from ..ops.incomplete import betainc
from ..ops.shaping import broadcast_to, cast
from ..ops.special import gammaln, xlogy
from ..random import default_generator as rng
from . import constraints
from .distribution import Distribution
from .either import Either
from .utils import broadcast_all, numbers


def counted(first, last, like, batch_shape, expand):
    """Whole numbers along a new first axis, in front of those of a batch."""
    n = last - first + 1
    values = asarray(np.arange(first, last + 1, dtype=like.dtype).reshape((n, *(1,) * len(batch_shape))))
    return broadcast_to(values, (n, *batch_shape)) if expand else values


def cross_entropy(logits, probs):
    """-(p log q + (1 - p) log(1 - q)) of probabilities p and logits of q."""
    return softplus(logits) - probs * logits


class Bernoulli(Either):
    """1 with probability `probs`, else 0.

    >>> import chainrule as cr
    >>> cr.distributions.Bernoulli(probs=0.25).log_prob(1.0).exp()
    tensor(0.25)
    """

    support = constraints.boolean
    has_enumerate_support = True

    def __init__(self, probs=None, logits=None, validate_args=None):
        self._take(probs, logits)
        super().__init__(self._param.shape, validate_args=validate_args)

    def sample(self, sample_shape=()):
        return rng.bernoulli(self.probs.detach(), self._extended_shape(sample_shape), dtype=self._param.dtype)

    def log_prob(self, value):
        return -cross_entropy(self.logits, self._at(value))

    def entropy(self):
        return cross_entropy(self.logits, self.probs)

    def enumerate_support(self, expand=True):
        return counted(0, 1, self._param, self.batch_shape, expand)

    @property
    def mean(self):
        return self.probs

    @property
    def mode(self):
        probs = self.probs
        return where(probs == 0.5, math.nan, cast(probs >= 0.5, probs.dtype))

    @property
    def variance(self):
        return self.probs * (1 - self.probs)


class Binomial(Either):
    """How many of `total_count` trials succeed."""

    arg_constraints = {
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    has_enumerate_support = True

    def __init__(self, total_count=1, probs=None, logits=None, validate_args=None):
        (self.total_count,) = self._take(probs, logits, total_count)
        super().__init__(self._param.shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self):
        return constraints.integer_interval(0, self.total_count)

    def sample(self, sample_shape=()):
        n = cast(self.total_count.detach(), np.dtype(np.int64))
        drawn = rng.binomial(n, self.probs.detach(), self._extended_shape(sample_shape))
        return cast(drawn, self._param.dtype)

    def log_prob(self, value):
        k, n, logits = self._at(value), self.total_count, self.logits
        ways = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
        return ways + k * logits - n * softplus(logits)

    def cdf(self, value):
        return bdtr(self._at(value), cast(self.total_count, np.dtype(np.int64)), self.probs)

    def _trials(self):
        """The number of trials, if it is one."""
        n = numbers(self.total_count)
        if n is None or np.ptp(n) > 0:
            raise UnsupportedError(
                explain("Binomial: its values are listed for one `total_count`", f"total_count: {n}", help="take one apart")
            )
        return int(n.max())

    def entropy(self):
        log_prob = Binomial(self.total_count, logits=self.logits, validate_args=False).log_prob(self.enumerate_support(False))
        return -(exp(log_prob) * log_prob).sum(0)

    def enumerate_support(self, expand=True):
        return counted(0, self._trials(), self._param, self.batch_shape, expand)

    @property
    def mean(self):
        return self.total_count * self.probs

    @property
    def mode(self):
        return clip(floor((self.total_count + 1) * self.probs), None, self.total_count)

    @property
    def variance(self):
        return self.total_count * self.probs * (1 - self.probs)


class NegativeBinomial(Either):
    """How many trials succeed, each with probability `probs`, before `total_count` of them, not always a whole number, fail."""

    arg_constraints = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer

    def __init__(self, total_count, probs=None, logits=None, validate_args=None):
        (self.total_count,) = self._take(probs, logits, total_count)
        super().__init__(self._param.shape, validate_args=validate_args)

    def sample(self, sample_shape=()):
        r = maximum(self.total_count.detach(), 1e-300 if self._param.dtype == np.float64 else 1e-30)
        rate = rng.gamma(r, exp(self.logits.detach()), self._extended_shape(sample_shape))
        return cast(rng.poisson(rate), self._param.dtype)

    def log_prob(self, value):
        k, r = self._at(value), self.total_count
        none = (r == 0) & (k == 0)
        r = where(none, 1, r)
        ways = gammaln(r + k) - gammaln(k + 1) - gammaln(r)
        return where(none, 0, r * log_expit(-self.logits) + k * log_expit(self.logits) + ways)

    def cdf(self, value):
        never = self.total_count == 0  # nothing succeeds before the first of no failures
        below = betainc(where(never, 1, self.total_count), floor(self._at(value)) + 1, sigmoid(-self.logits))
        return where(never, 1, below)

    @property
    def mean(self):
        return self.total_count * exp(self.logits)

    @property
    def mode(self):
        return floor(clip((self.total_count - 1) * exp(self.logits), 0, None))

    @property
    def variance(self):
        return self.mean / sigmoid(-self.logits)


class Geometric(Either):
    """How many trials fail, each succeeding with probability `probs`, before one succeeds."""

    support = constraints.nonnegative_integer

    def __init__(self, probs=None, logits=None, validate_args=None):
        self._take(probs, logits)
        super().__init__(self._param.shape, validate_args=validate_args)
        if self._validate_args:
            self._check_one("probs", constraints.positive, self.probs)

    def sample(self, sample_shape=()):
        drawn = rng.geometric(self.probs.detach(), self._extended_shape(sample_shape))
        return cast(drawn, self._param.dtype) - 1

    def log_prob(self, value):
        return xlog1py(self._at(value), -self.probs) + log(self.probs)

    def entropy(self):
        return cross_entropy(self.logits, self.probs) / self.probs

    @property
    def mean(self):
        return 1 / self.probs - 1

    @property
    def mode(self):
        return self.probs * 0

    @property
    def variance(self):
        return (1 / self.probs - 1) / self.probs


class Poisson(Distribution):
    """How often something happens that happens `rate` times on average."""

    arg_constraints = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer

    def __init__(self, rate, validate_args=None):
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    def sample(self, sample_shape=()):
        return cast(rng.poisson(self.rate.detach(), self._extended_shape(sample_shape)), self.rate.dtype)

    def log_prob(self, value):
        k = self._at(value)
        return xlogy(k, self.rate) - self.rate - gammaln(k + 1)

    def cdf(self, value):
        return pdtr(self._at(value), self.rate)

    @property
    def mean(self):
        return self.rate

    variance = mean

    @property
    def mode(self):
        return floor(self.rate)
