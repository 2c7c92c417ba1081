"""Distributions on the unit interval, and of probabilities that add up to 1."""

import math

import numpy as np

from ..ops import argmax, exp, expm1, log, log1p, where
from ..ops.elementary import _exprel as exprel_slope, exprel, log1p_quotient, xlog1py
from ..ops.gamma import betaln, psi
from ..ops.incomplete import betainc, betaincinv
from ..ops.special import gammaln, xlogy
from ..random import default_generator as rng
from . import constraints
from .distribution import Distribution
from .either import Either
from .utils import broadcast_all, one_hot, tensors


class Beta(Distribution):
    """Density proportional to x**(concentration1 - 1) (1 - x)**(concentration0 - 1).

    >>> import chainrule as cr
    >>> cr.distributions.Beta(2.0, 2.0).mean
    tensor(0.5)
    """

    arg_constraints = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, concentration1, concentration0, validate_args=None):
        self.concentration1, self.concentration0 = broadcast_all(concentration1, concentration0)
        super().__init__(self.concentration1.shape, validate_args=validate_args)

    @property
    def _both(self):
        return self.concentration1, self.concentration0

    def rsample(self, sample_shape=()):
        drawn = rng.beta(self.concentration1, self.concentration0, self._extended_shape(sample_shape))
        fine = np.finfo(drawn.dtype)
        return drawn.clip(float(fine.tiny), 1 - float(fine.epsneg))  # of small concentrations, some would be at an end

    def log_prob(self, value):
        x, (a, b) = self._at(value), self._both
        return xlogy(a - 1, x) + xlog1py(b - 1, -x) - betaln(a, b)

    def cdf(self, value):
        return betainc(*self._both, self._at(value))

    def icdf(self, value):
        return betaincinv(*self._both, value)

    def entropy(self):
        a, b = self._both
        return betaln(a, b) - (a - 1) * psi(a) - (b - 1) * psi(b) + (a + b - 2) * psi(a + b)

    @property
    def mean(self):
        a, b = self._both
        return a / (a + b)

    @property
    def mode(self):
        a, b = self._both
        inner = (a > 1) | (b > 1)
        up, down = (where(inner, c - 1, 1).clip(0, None) for c in (a, b))
        return where(inner, up / (up + down), where(a >= b, 1.0, 0.0).astype(a.dtype))

    @property
    def variance(self):
        a, b = self._both
        return a * b / ((a + b) ** 2 * (a + b + 1))


class Kumaraswamy(Distribution):
    """Less than x with probability 1 - (1 - x**concentration1)**concentration0."""

    arg_constraints = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, concentration1, concentration0, validate_args=None):
        self.concentration1, self.concentration0 = broadcast_all(concentration1, concentration0)
        super().__init__(self.concentration1.shape, validate_args=validate_args)

    def _quantile(self, log_above):
        """Where the logarithm of the probability of more is `log_above`."""
        return exp(log(-expm1(log_above / self.concentration0)) / self.concentration1)

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        return self._quantile(-rng.standard_exponential(shape, dtype=self.concentration1.dtype))

    def log_prob(self, value):
        x, a, b = self._at(value), self.concentration1, self.concentration0
        return log(a * b) + xlogy(a - 1, x) + xlog1py(b - 1, -(x**a))

    def cdf(self, value):
        return -expm1(self.concentration0 * log1p(-(self._at(value) ** self.concentration1)))

    def icdf(self, value):
        return self._quantile(log1p(-value))

    def entropy(self):
        a, b = self.concentration1, self.concentration0
        return (1 - 1 / b) + (1 - 1 / a) * (psi(b + 1) + np.euler_gamma) - log(a * b)

    def _moment(self, n):
        a, b = self.concentration1, self.concentration0
        return b * exp(betaln(1 + n / a, b))

    @property
    def mean(self):
        return self._moment(1)

    @property
    def mode(self):
        a, b = self.concentration1, self.concentration0
        inner = (a >= 1) & (b >= 1) & (a * b > 1)
        a, b = where(inner, a, 2), where(inner, b, 2)
        return where(inner, ((a - 1) / (a * b - 1)) ** (1 / a), math.nan)

    @property
    def variance(self):
        return self._moment(2) - self._moment(1) ** 2


class ContinuousBernoulli(Either):
    """Density proportional to probs**x (1 - probs)**(1 - x) between 0 and 1: exp(logits x) over its integral.

    `lims` is accepted for PyTorch's sake: nothing is approximated around probs = 1 / 2.
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, probs=None, logits=None, lims=(0.499, 0.501), validate_args=None):
        self._take(probs, logits)
        self._lims = lims
        super().__init__(self._param.shape, validate_args=validate_args)

    def _log_integral(self):
        """The logarithm of the integral of exp(logits x)."""
        logits = self.logits
        up = logits > 0
        return where(up, logits, 0) + log(exprel(where(up, -logits, logits)))

    def _falling(self):
        """Whether the density falls, and logits of a density that does, of x or 1 - x."""
        logits = self.logits
        return logits <= 0, where(logits <= 0, logits, -logits)

    def rsample(self, sample_shape=()):
        return self.icdf(rng.uniform(size=self._extended_shape(sample_shape), dtype=self._param.dtype))

    def log_prob(self, value):
        return self.logits * self._at(value) - self._log_integral()

    def cdf(self, value):
        falls, logits = self._falling()
        x = self._at(value)
        x = where(falls, x, 1 - x)
        below = x * exprel(logits * x) / exprel(logits)
        return where(falls, below, 1 - below).clip(0, 1)

    def icdf(self, value):
        falls, logits = self._falling()
        share = where(falls, value, 1 - value)
        x = share * exprel(logits) * log1p_quotient(share * expm1(logits), n=0)
        return where(falls, x, 1 - x)

    def entropy(self):
        return self._log_integral() - self.logits * self.mean

    @property
    def mean(self):
        falls, logits = self._falling()
        mean = exprel_slope(logits, n=1) / exprel(logits)
        return where(falls, mean, 1 - mean)

    @property
    def variance(self):
        _, logits = self._falling()
        mean = exprel_slope(logits, n=1) / exprel(logits)
        return exprel_slope(logits, n=2) / exprel(logits) - mean**2


class Dirichlet(Distribution):
    """Probabilities that add up to 1, of density proportional to the product of x**(concentration - 1).

    >>> import chainrule as cr
    >>> d = cr.distributions.Dirichlet([1.0, 1.0, 2.0])
    >>> d.mean
    tensor([0.25, 0.25, 0.5 ])
    """

    arg_constraints = {"concentration": constraints.independent(constraints.positive, 1)}
    support = constraints.simplex
    has_rsample = True

    def __init__(self, concentration, validate_args=None):
        (self.concentration,) = tensors(concentration)
        shape = self.concentration.shape
        if not shape:
            raise ValueError("Dirichlet: `concentration` needs an axis")
        super().__init__(shape[:-1], shape[-1:], validate_args)

    def rsample(self, sample_shape=()):
        return rng.dirichlet(self.concentration, self._extended_shape(sample_shape)[:-1])

    def _log_normalizer(self):
        c = self.concentration
        return gammaln(c).sum(-1) - gammaln(c.sum(-1))

    def log_prob(self, value):
        return xlogy(self.concentration - 1, self._at(value)).sum(-1) - self._log_normalizer()

    def entropy(self):
        c = self.concentration
        total = c.sum(-1)
        return self._log_normalizer() - (self.event_shape[0] - total) * psi(total) - ((c - 1) * psi(c)).sum(-1)

    @property
    def mean(self):
        return self.concentration / self.concentration.sum(-1, keepdims=True)

    @property
    def mode(self):
        c = self.concentration
        above = (c - 1).clip(0, None)
        inner = (c > 1).any(-1, keepdims=True)
        corner = one_hot(argmax(c, -1), c.shape[-1], c.dtype)
        return where(inner, above / where(inner, above.sum(-1, keepdims=True), 1), corner)

    @property
    def variance(self):
        total = self.concentration.sum(-1, keepdims=True)
        return self.concentration * (total - self.concentration) / (total**2 * (total + 1))
