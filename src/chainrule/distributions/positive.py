"""Distributions of positive numbers: waiting times, sums of them, their powers and ratios."""

import math

import numpy as np

from ..ops import clip, exp, expm1, log, log1p, maximum, where
from ..ops.distributions import fdtr, fdtri
from ..ops.gamma import betaln, psi
from ..ops.incomplete import gammainc, gammaincinv
from ..ops.special import gammaln, xlogy
from ..random import default_generator as rng
from . import constraints
from .distribution import Distribution
from .transformed import TransformedDistribution
from .transforms import PowerTransform
from .utils import broadcast_all


class Exponential(Distribution):
    """Waiting times of mean 1 / rate.

    >>> import chainrule as cr
    >>> cr.distributions.Exponential(2.0).mean
    tensor(0.5)
    """

    arg_constraints = {"rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, rate, validate_args=None):
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    def rsample(self, sample_shape=()):
        return rng.exponential(1 / self.rate, self._extended_shape(sample_shape))

    def log_prob(self, value):
        return log(self.rate) - self.rate * self._at(value)

    def cdf(self, value):
        return -expm1(-self.rate * self._at(value))

    def icdf(self, value):
        return -log1p(-value) / self.rate

    def entropy(self):
        return 1 - log(self.rate)

    @property
    def mean(self):
        return 1 / self.rate

    @property
    def mode(self):
        return self.rate * 0

    stddev = mean

    @property
    def variance(self):
        return self.rate**-2


class Gamma(Distribution):
    """Density proportional to x**(concentration - 1) exp(-rate x).

    >>> import chainrule as cr
    >>> k = cr.tensor(2.0, requires_grad=True)
    >>> cr.distributions.Gamma(k, 1.0).rsample((1000,)).mean().backward()
    >>> bool(abs(k.grad - 1) < 0.2)
    True
    """

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, concentration, rate, validate_args=None):
        self.concentration, self.rate = broadcast_all(concentration, rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    def rsample(self, sample_shape=()):
        drawn = rng.gamma(self.concentration, 1 / self.rate, self._extended_shape(sample_shape))
        return maximum(
            drawn, float(np.finfo(drawn.dtype).tiny)
        )  # of small concentrations, samples may be too small for the dtype

    def log_prob(self, value):
        x, a, b = self._at(value), self.concentration, self.rate
        return xlogy(a, b) + xlogy(a - 1, x) - b * x - gammaln(a)

    def cdf(self, value):
        return gammainc(self.concentration, self.rate * self._at(value))

    def icdf(self, value):
        return gammaincinv(self.concentration, value) / self.rate

    def entropy(self):
        a = self.concentration
        return a - log(self.rate) + gammaln(a) + (1 - a) * psi(a)

    @property
    def mean(self):
        return self.concentration / self.rate

    @property
    def mode(self):
        return clip(self.concentration - 1, 0, None) / self.rate

    @property
    def variance(self):
        return self.concentration / self.rate**2


class Chi2(Gamma):
    """Sums of the squares of `df` standard normal numbers."""

    arg_constraints = {"df": constraints.positive}

    def __init__(self, df, validate_args=None):
        (df,) = broadcast_all(df)
        super().__init__(0.5 * df, 0.5, validate_args=validate_args)

    @property
    def df(self):
        return 2 * self.concentration


class InverseGamma(TransformedDistribution):
    """1 / x of numbers x of the gamma distribution."""

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.positive
    has_rsample = True

    def __init__(self, concentration, rate, validate_args=None):
        super().__init__(Gamma(concentration, rate, validate_args), PowerTransform(-1.0), validate_args)

    @property
    def concentration(self):
        return self.base_dist.concentration

    @property
    def rate(self):
        return self.base_dist.rate

    def entropy(self):
        a = self.concentration
        return a + log(self.rate) + gammaln(a) - (1 + a) * psi(a)

    @property
    def mean(self):
        return _where_above(1, self.concentration, lambda a: self.rate / (a - 1), math.inf)

    @property
    def mode(self):
        return self.rate / (self.concentration + 1)

    @property
    def variance(self):
        return _where_above(2, self.concentration, lambda a: self.rate**2 / ((a - 1) ** 2 * (a - 2)), math.inf)


def _where_above(bound, a, f, otherwise):
    """`f(a)` where `a` is above a bound; derivatives are right on both sides."""
    above = a > bound
    return where(above, f(where(above, a, bound + 1)), otherwise)


class Weibull(Distribution):
    """Larger than x with probability exp(-(x / scale)**concentration)."""

    arg_constraints = {"scale": constraints.positive, "concentration": constraints.positive}
    support = constraints.positive
    has_rsample = True

    def __init__(self, scale, concentration, validate_args=None):
        self.scale, self.concentration = broadcast_all(scale, concentration)
        super().__init__(self.scale.shape, validate_args=validate_args)

    def rsample(self, sample_shape=()):
        return self.scale * rng.weibull(self.concentration, self._extended_shape(sample_shape))

    def log_prob(self, value):
        k, z = self.concentration, log(self._at(value) / self.scale)
        return log(k / self.scale) + (k - 1) * z - exp(k * z)

    def cdf(self, value):
        return -expm1(-((self._at(value) / self.scale) ** self.concentration))

    def icdf(self, value):
        return self.scale * (-log1p(-value)) ** (1 / self.concentration)

    def entropy(self):
        k = self.concentration
        return np.euler_gamma * (1 - 1 / k) + log(self.scale / k) + 1

    def _moment(self, n):
        return exp(gammaln(1 + n / self.concentration))

    @property
    def mean(self):
        return self.scale * self._moment(1)

    @property
    def mode(self):
        return self.scale * _where_above(1, self.concentration, lambda k: ((k - 1) / k) ** (1 / k), 0)

    @property
    def variance(self):
        return self.scale**2 * (self._moment(2) - self._moment(1) ** 2)


class Pareto(Distribution):
    """Larger than x with probability (scale / x)**alpha, for x from `scale` on."""

    arg_constraints = {"scale": constraints.positive, "alpha": constraints.positive}
    has_rsample = True

    def __init__(self, scale, alpha, validate_args=None):
        self.scale, self.alpha = broadcast_all(scale, alpha)
        super().__init__(self.scale.shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self):
        return constraints.greater_than_eq(self.scale)

    def rsample(self, sample_shape=()):
        return self.scale * (1 + rng.pareto(self.alpha, self._extended_shape(sample_shape)))

    def log_prob(self, value):
        x = self._at(value)
        return log(self.alpha / x) - self.alpha * log(x / self.scale)

    def cdf(self, value):
        return -expm1(-self.alpha * log(self._at(value) / self.scale))

    def icdf(self, value):
        return self.scale * exp(-log1p(-value) / self.alpha)

    def entropy(self):
        return log(self.scale / self.alpha) + 1 + 1 / self.alpha

    @property
    def mean(self):
        return _where_above(1, self.alpha, lambda a: a * self.scale / (a - 1), math.inf)

    @property
    def mode(self):
        return self.scale

    @property
    def variance(self):
        return _where_above(2, self.alpha, lambda a: self.scale**2 * a / ((a - 1) ** 2 * (a - 2)), math.inf)


class FisherSnedecor(Distribution):
    """Ratios of two means of squares, of `df1` and of `df2` standard normal numbers."""

    arg_constraints = {"df1": constraints.positive, "df2": constraints.positive}
    support = constraints.positive
    has_rsample = True

    def __init__(self, df1, df2, validate_args=None):
        self.df1, self.df2 = broadcast_all(df1, df2)
        super().__init__(self.df1.shape, validate_args=validate_args)

    def rsample(self, sample_shape=()):
        return rng.f(self.df1, self.df2, self._extended_shape(sample_shape))

    def log_prob(self, value):
        x, a, b, ratio = self._at(value), self.df1 / 2, self.df2 / 2, self.df1 / self.df2
        return xlogy(a, ratio) + xlogy(a - 1, x) - (a + b) * log1p(ratio * x) - betaln(a, b)

    def cdf(self, value):
        return fdtr(self.df1, self.df2, self._at(value))

    def icdf(self, value):
        return fdtri(self.df1, self.df2, value)

    @property
    def mean(self):
        return _where_above(2, self.df2, lambda d: d / (d - 2), math.nan)

    @property
    def mode(self):
        return _where_above(2, self.df1, lambda d: (d - 2) / d * self.df2 / (self.df2 + 2), math.nan)

    @property
    def variance(self):
        return _where_above(
            4, self.df2, lambda d: 2 * d**2 * (self.df1 + d - 2) / (self.df1 * (d - 2) ** 2 * (d - 4)), math.nan
        )
