"""Distributions of what a transform makes of another's values."""

import math
from typing import Any

from ..ops import exp, expm1
from ..ops.shaping import as_value
from . import constraints
from .composite import Independent
from .distribution import Distribution
from .location_scale import Normal
from .transforms import ComposeTransform, ExpTransform, StickBreakingTransform, Transform
from .utils import sum_rightmost


class TransformedDistribution(Distribution):
    """The distribution of y = t_n(... t_1(x)) for x of a base distribution and transforms t.

    Parameters
    ----------
    base_distribution : Distribution
    transforms : a Transform, or a list of them, the first one first

    Examples
    --------
    >>> import chainrule as cr
    >>> d = cr.distributions.TransformedDistribution(cr.distributions.Normal(0.0, 1.0), [cr.distributions.ExpTransform()])
    >>> d.log_prob(1.0) == cr.distributions.LogNormal(0.0, 1.0).log_prob(1.0)
    tensor(True)
    """

    arg_constraints: dict = {}

    def __init__(self, base_distribution, transforms, validate_args=None):
        self.transforms = [transforms] if isinstance(transforms, Transform) else list(transforms)
        if not all(isinstance(t, Transform) for t in self.transforms):
            raise ValueError(f"TransformedDistribution: `transforms` must be transforms, found {transforms!r}")
        whole = ComposeTransform(self.transforms)
        shape = (*base_distribution.batch_shape, *base_distribution.event_shape)
        n = whole.domain.event_dim
        if len(shape) < n:
            raise ValueError(f"TransformedDistribution: the transform needs {n} axes, but the base has shape {tuple(shape)}")
        out = whole.forward_shape(shape)
        wide = whole.inverse_shape(out)  # parameters of the transforms may broadcast the base
        base_distribution = base_distribution.expand(wide[: len(wide) - len(base_distribution.event_shape)])
        more = n - len(base_distribution.event_shape)
        self.base_dist: Any = Independent(base_distribution, more) if more > 0 else base_distribution
        events = max(len(self.base_dist.event_shape) + whole.codomain.event_dim - n, whole.codomain.event_dim)
        super().__init__(out[: len(out) - events], out[len(out) - events :], validate_args)

    def expand(self, batch_shape, _instance=None):
        whole = ComposeTransform(self.transforms)
        shape = whole.inverse_shape((*batch_shape, *self.event_shape))
        new = super().expand(batch_shape, _instance)
        new.base_dist = self.base_dist.expand(shape[: len(shape) - len(self.base_dist.event_shape)])
        return new

    has_rsample = property(lambda self: self.base_dist.has_rsample)

    @constraints.dependent_property(is_discrete=False)
    def support(self):
        if not self.transforms:
            return self.base_dist.support
        last, n = self.transforms[-1].codomain, len(self.event_shape)
        return constraints.independent(last, n - last.event_dim) if n > last.event_dim else last

    def sample(self, sample_shape=()):
        x = self.base_dist.sample(sample_shape)
        for transform in self.transforms:
            x = transform(x)
        return x.detach()

    def rsample(self, sample_shape=()):
        x = self.base_dist.rsample(sample_shape)
        for transform in self.transforms:
            x = transform(x)
        return x

    def log_prob(self, value):
        y, n, out = self._at(value), len(self.event_shape), 0.0
        for transform in reversed(self.transforms):
            x = transform.inv(y)
            n += transform.domain.event_dim - transform.codomain.event_dim
            out = out - sum_rightmost(transform.log_abs_det_jacobian(x, y), n - transform.domain.event_dim)
            y = x
        return out + sum_rightmost(self.base_dist.log_prob(y), n - len(self.base_dist.event_shape))

    def _turned(self, probability):
        """1 - p where the transforms fall."""
        sign = math.prod((t.sign for t in self.transforms), start=1)
        return probability if isinstance(sign, int) and sign == 1 else sign * (probability - 0.5) + 0.5

    def cdf(self, value):
        value = self._at(value)
        for transform in reversed(self.transforms):
            value = transform.inv(value)
        return self._turned(self.base_dist.cdf(value))

    def icdf(self, value):
        value = self.base_dist.icdf(self._turned(as_value(value)))
        for transform in self.transforms:
            value = transform(value)
        return value


class LogNormal(TransformedDistribution):
    """exp(x) of normal numbers x with mean `loc` and standard deviation `scale`."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.positive
    has_rsample = True

    def __init__(self, loc, scale, validate_args=None):
        super().__init__(Normal(loc, scale, validate_args), ExpTransform(), validate_args)

    @property
    def loc(self):
        return self.base_dist.loc

    @property
    def scale(self):
        return self.base_dist.scale

    def entropy(self):
        return self.base_dist.entropy() + self.loc

    @property
    def mean(self):
        return exp(self.loc + self.scale**2 / 2)

    @property
    def mode(self):
        return exp(self.loc - self.scale**2)

    @property
    def variance(self):
        return expm1(self.scale**2) * exp(2 * self.loc + self.scale**2)


class LogisticNormal(TransformedDistribution):
    """Probabilities that add up to 1, by `StickBreakingTransform` of normal numbers: one more than those."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.simplex
    has_rsample = True

    def __init__(self, loc, scale, validate_args=None):
        base = Normal(loc, scale, validate_args)
        if not base.batch_shape:
            base = base.expand((1,))
        super().__init__(base, StickBreakingTransform(), validate_args)

    @property
    def loc(self):
        return self.base_dist.base_dist.loc

    @property
    def scale(self):
        return self.base_dist.base_dist.scale
