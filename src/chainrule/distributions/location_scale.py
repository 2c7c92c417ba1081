"""Distributions with a location and a scale, and those of absolute values of them."""

import math

import numpy as np

from ..errors import ArgumentError, explain
from ..ops import absolute, arctan, exp, expm1, log, log1p, tan, where
from ..ops.bessel import i0e, i1e
from ..ops.distributions import stdtr, stdtrit
from ..ops.elementary import exprel, log1p_quotient
from ..ops.error_functions import ndtr, ndtri
from ..ops.gamma import betaln, psi
from ..ops.trigonometric import sin
from ..random import default_generator as rng
from . import constraints
from .distribution import Distribution, _holds
from .utils import broadcast_all, full, numbers

LOG_TAU = math.log(2 * math.pi)


class LocationScale(Distribution):
    """What distributions of `loc + scale * z` share. A subclass says what is known of z."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True

    def __init__(self, loc, scale, validate_args=None):
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def _standard(self, value):
        return (self._at(value) - self.loc) / self.scale

    @property
    def mean(self):
        return self.loc

    mode = mean


class Normal(LocationScale):
    """The normal distribution with mean `loc` and standard deviation `scale`.

    >>> import chainrule as cr
    >>> d = cr.distributions.Normal(0.0, [1.0, 2.0])
    >>> d.log_prob(0.0)
    tensor([-0.91893853, -1.61208571])
    >>> d.sample((3,)).shape
    (3, 2)
    """

    def rsample(self, sample_shape=()):
        return rng.normal(self.loc, self.scale, self._extended_shape(sample_shape))

    def log_prob(self, value):
        return -0.5 * self._standard(value) ** 2 - log(self.scale) - 0.5 * LOG_TAU

    def cdf(self, value):
        return ndtr(self._standard(value))

    def icdf(self, value):
        return self.loc + self.scale * ndtri(value)

    def entropy(self):
        return 0.5 + 0.5 * LOG_TAU + log(self.scale)

    @property
    def stddev(self):
        return self.scale

    @property
    def variance(self):
        return self.scale**2


class Laplace(LocationScale):
    """Density exp(-|x - loc| / scale) / (2 scale)."""

    def rsample(self, sample_shape=()):
        return rng.laplace(self.loc, self.scale, self._extended_shape(sample_shape))

    def log_prob(self, value):
        return -absolute(self._standard(value)) - log(2 * self.scale)

    def cdf(self, value):
        z = self._standard(value)
        low = z < 0  # two branches rather than |z|, for the slope at 0
        return where(low, 0.5 * exp(where(low, z, 0)), 1 - 0.5 * exp(-where(low, 0, z)))

    def icdf(self, value):
        low = value < 0.5
        return self.loc + self.scale * where(low, log(2 * where(low, value, 0.5)), -log(2 * where(low, 0.5, 1 - value)))

    def entropy(self):
        return 1 + log(2 * self.scale)

    @property
    def variance(self):
        return 2 * self.scale**2

    @property
    def stddev(self):
        return math.sqrt(2) * self.scale


class Cauchy(LocationScale):
    """Density 1 / (pi scale (1 + z**2)) of z = (x - loc) / scale; it has no mean."""

    def rsample(self, sample_shape=()):
        noise = rng.standard_cauchy(self._extended_shape(sample_shape), dtype=self.loc.dtype)
        return self.loc + self.scale * noise

    def log_prob(self, value):
        return -math.log(math.pi) - log(self.scale) - log1p(self._standard(value) ** 2)

    def cdf(self, value):
        return arctan(self._standard(value)) / math.pi + 0.5

    def icdf(self, value):
        return self.loc + self.scale * tan(math.pi * (value - 0.5))

    def entropy(self):
        return math.log(4 * math.pi) + log(self.scale)

    @property
    def mode(self):
        return self.loc

    @property
    def mean(self):
        return full(self.batch_shape, math.nan, self.loc)

    @property
    def variance(self):
        return full(self.batch_shape, math.inf, self.loc)


class Gumbel(LocationScale):
    """The limit of the largest of many: distribution function exp(-exp(-(x - loc) / scale))."""

    def rsample(self, sample_shape=()):
        return rng.gumbel(self.loc, self.scale, self._extended_shape(sample_shape))

    def log_prob(self, value):
        z = self._standard(value)
        return -z - exp(-z) - log(self.scale)

    def cdf(self, value):
        return exp(-exp(-self._standard(value)))

    def icdf(self, value):
        return self.loc - self.scale * log(-log(value))

    def entropy(self):
        return log(self.scale) + (1 + np.euler_gamma)

    @property
    def mode(self):
        return self.loc

    @property
    def mean(self):
        return self.loc + self.scale * np.euler_gamma

    @property
    def stddev(self):
        return math.pi / math.sqrt(6) * self.scale

    @property
    def variance(self):
        return self.stddev**2


class StudentT(LocationScale):
    """Student's t with `df` degrees of freedom, moved and scaled."""

    arg_constraints = {"df": constraints.positive, "loc": constraints.real, "scale": constraints.positive}

    def __init__(self, df, loc=0.0, scale=1.0, validate_args=None):
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        Distribution.__init__(self, self.df.shape, validate_args=validate_args)

    def rsample(self, sample_shape=()):
        return self.loc + self.scale * rng.standard_t(self.df, self._extended_shape(sample_shape))

    def log_prob(self, value):
        z, df = self._standard(value), self.df
        return -0.5 * (df + 1) * log1p(z * z / df) - log(self.scale) - 0.5 * log(df) - self._log_beta()

    def _log_beta(self):
        return betaln(0.5 * self.df, full((), 0.5, self.df))

    def cdf(self, value):
        return stdtr(self.df, self._standard(value))

    def icdf(self, value):
        return self.loc + self.scale * stdtrit(self.df, value)

    def entropy(self):
        df, half = self.df, 0.5 * (self.df + 1)
        return log(self.scale) + half * (psi(half) - psi(0.5 * df)) + 0.5 * log(df) + self._log_beta()

    @property
    def mode(self):
        return self.loc

    @property
    def mean(self):
        return where(self.df > 1, self.loc, math.nan)

    @property
    def variance(self):
        finite = self.df > 2
        df = where(finite, self.df, 3)
        return where(finite, self.scale**2 * df / (df - 2), where(self.df > 1, math.inf, math.nan))


class Uniform(Distribution):
    """Equal density from `low` to `high`."""

    arg_constraints = {"low": constraints.real, "high": constraints.real}
    has_rsample = True

    def __init__(self, low, high, validate_args=None):
        self.low, self.high = broadcast_all(low, high)
        super().__init__(self.low.shape, validate_args=validate_args)
        if self._validate_args and not _holds(constraints.less_than(self.high), self.low):
            raise ArgumentError(
                explain(
                    "Uniform: `low` must be less than `high`",
                    f"low: {numbers(self.low)}    high: {numbers(self.high)}",
                    help="exchange them",
                )
            )

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self):
        return constraints.interval(self.low, self.high)

    def rsample(self, sample_shape=()):
        return rng.uniform(self.low, self.high, self._extended_shape(sample_shape))

    def log_prob(self, value):
        value = self._at(value)
        return where((self.low <= value) & (value < self.high), -log(self.high - self.low), -math.inf)

    def cdf(self, value):
        return ((self._at(value) - self.low) / (self.high - self.low)).clip(0, 1)

    def icdf(self, value):
        return self.low + value * (self.high - self.low)

    def entropy(self):
        return log(self.high - self.low)

    @property
    def mean(self):
        return (self.low + self.high) / 2

    @property
    def mode(self):
        return math.nan * self.high

    @property
    def stddev(self):
        return (self.high - self.low) / math.sqrt(12)

    @property
    def variance(self):
        return (self.high - self.low) ** 2 / 12


# --- of one side ------------------------------------------------------------------------------------------------------


class Half(Distribution):
    """The absolute value of a distribution around 0, which `_whole` gives."""

    arg_constraints = {"scale": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    _whole: type

    def __init__(self, scale, validate_args=None):
        (self.scale,) = broadcast_all(scale)
        super().__init__(self.scale.shape, validate_args=validate_args)

    @property
    def _both(self):
        return self._whole(0.0, self.scale, validate_args=False)

    def rsample(self, sample_shape=()):
        return absolute(self._both.rsample(sample_shape))

    def log_prob(self, value):
        value = self._at(value)
        return where(value >= 0, self._both.log_prob(value) + math.log(2), -math.inf)

    def cdf(self, value):
        return 2 * self._both.cdf(self._at(value)) - 1

    def icdf(self, value):
        return self._both.icdf((value + 1) / 2)

    def entropy(self):
        return self._both.entropy() - math.log(2)

    @property
    def mode(self):
        return self.scale * 0


class HalfNormal(Half):
    """The absolute value of a normal number of mean 0 and standard deviation `scale`."""

    _whole = Normal

    @property
    def mean(self):
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def variance(self):
        return self.scale**2 * (1 - 2 / math.pi)


class HalfCauchy(Half):
    """The absolute value of a Cauchy number around 0."""

    _whole = Cauchy

    @property
    def mean(self):
        return full(self.batch_shape, math.inf, self.scale)

    @property
    def variance(self):
        return self._both.variance


class GeneralizedPareto(Distribution):
    """What exceeds a high threshold `loc`, at the limit: larger than loc + scale z with probability (1 + c z)**(-1 / c) for the
    `concentration` c, which is exp(-z) at 0."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive, "concentration": constraints.real}
    has_rsample = True

    def __init__(self, loc, scale, concentration, validate_args=None):
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self):
        bounded = self.concentration < 0
        return constraints.interval(
            self.loc, where(bounded, self.loc - self.scale / where(bounded, self.concentration, -1), math.inf)
        )

    def rsample(self, sample_shape=()):
        waited = rng.standard_exponential(self._extended_shape(sample_shape), dtype=self.loc.dtype)
        return self.loc + self.scale * waited * exprel(self.concentration * waited)

    def _survived(self, value):
        """-log of the probability of more than `value`: log(1 + c z) / c."""
        z = (value - self.loc) / self.scale
        return z * log1p_quotient(self.concentration * z, n=0)

    def log_prob(self, value):
        value = self._at(value)
        inside = self.support.check(value)
        waited = self._survived(where(inside, value, self.loc))
        return where(inside, -(1 + self.concentration) * waited - log(self.scale), -math.inf)

    def log_survival_function(self, value):
        """The logarithm of the probability of more than `value`."""
        return -self._survived(self._at(value))

    def log_cdf(self, value):
        """The logarithm of `cdf`."""
        return log(self.cdf(value))

    def cdf(self, value):
        return -expm1(-self._survived(self._at(value)))

    def icdf(self, value):
        waited = -log1p(-value)
        return self.loc + self.scale * waited * exprel(self.concentration * waited)

    def entropy(self):
        return log(self.scale) + self.concentration + 1

    @property
    def mean(self):
        finite = self.concentration < 1
        return where(finite, self.loc + self.scale / where(finite, 1 - self.concentration, 1), math.inf)

    @property
    def mode(self):
        return self.loc

    @property
    def variance(self):
        finite = self.concentration < 0.5
        c = where(finite, self.concentration, 0)
        return where(finite, self.scale**2 / ((1 - c) ** 2 * (1 - 2 * c)), math.inf)


# --- on a circle ------------------------------------------------------------------------------------------------------


class VonMises(Distribution):
    """Angles of density proportional to exp(concentration cos(x - loc)). Unlike PyTorch's, samples have a derivative."""

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real
    has_rsample = True

    def __init__(self, loc, concentration, validate_args=None):
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def rsample(self, sample_shape=()):
        return rng.vonmises(self.loc, self.concentration, self._extended_shape(sample_shape))

    def log_prob(self, value):
        half = sin((self._at(value) - self.loc) / 2)
        return -2 * self.concentration * half * half - log(2 * math.pi * i0e(self.concentration))

    @property
    def mean(self):
        return self.loc

    mode = mean

    @property
    def variance(self):
        return 1 - i1e(self.concentration) / i0e(self.concentration)
