"""Distributions made of others: several as one, and mixtures."""

from ..errors import UnsupportedError, explain
from ..ops import expand_dims, take_along_axis
from ..ops.log_sums import log_softmax, logsumexp
from ..ops.shaping import as_shape, broadcast_to
from . import constraints
from .distribution import Distribution
from .utils import sum_rightmost


class Independent(Distribution):
    """A distribution whose last axes of the batch become axes of the event.

    >>> import chainrule as cr
    >>> d = cr.distributions.Independent(cr.distributions.Normal([0.0, 1.0, 2.0], 1.0), 1)
    >>> d.batch_shape, d.event_shape, d.log_prob([0.0, 0.0, 0.0]).shape
    ((), (3,), ())
    """

    arg_constraints: dict = {}

    def __init__(self, base_distribution, reinterpreted_batch_ndims, validate_args=None):
        batch, n = base_distribution.batch_shape, reinterpreted_batch_ndims
        if n > len(batch):
            raise ValueError(f"Independent: {n} axes asked for, but the batch has shape {tuple(batch)}")
        self.base_dist, self.reinterpreted_batch_ndims = base_distribution, n
        at = len(batch) - n
        super().__init__(batch[:at], (*batch[at:], *base_distribution.event_shape), validate_args)

    def __repr__(self):
        return f"Independent({self.base_dist!r}, {self.reinterpreted_batch_ndims})"

    def expand(self, batch_shape, _instance=None):
        new, n = super().expand(batch_shape, _instance), self.reinterpreted_batch_ndims
        new.base_dist = self.base_dist.expand((*as_shape(batch_shape), *self.event_shape[:n]))
        return new

    has_rsample = property(lambda self: self.base_dist.has_rsample)
    has_enumerate_support = property(lambda self: not self.reinterpreted_batch_ndims and self.base_dist.has_enumerate_support)
    mean = property(lambda self: self.base_dist.mean)
    mode = property(lambda self: self.base_dist.mode)
    variance = property(lambda self: self.base_dist.variance)

    @constraints.dependent_property
    def support(self):
        inner, n = self.base_dist.support, self.reinterpreted_batch_ndims
        return constraints.independent(inner, n) if n else inner

    def sample(self, sample_shape=()):
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape=()):
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value):
        return sum_rightmost(self.base_dist.log_prob(value), self.reinterpreted_batch_ndims)

    def entropy(self):
        return sum_rightmost(self.base_dist.entropy(), self.reinterpreted_batch_ndims)

    def enumerate_support(self, expand=True):
        if self.reinterpreted_batch_ndims:
            raise UnsupportedError(
                explain("enumerate_support: a product of lists is not enumerated", help="ask `base_dist` for that of one entry")
            )
        return self.base_dist.enumerate_support(expand)


class MixtureSameFamily(Distribution):
    """One of the components along the last axis of a batch, chosen by a `Categorical`.

    Parameters
    ----------
    mixture_distribution : Categorical with n categories
    component_distribution : Distribution whose batch shape ends with n

    Examples
    --------
    >>> import chainrule as cr
    >>> which = cr.distributions.Categorical(probs=[0.5, 0.5])
    >>> d = cr.distributions.MixtureSameFamily(which, cr.distributions.Normal([-1.0, 1.0], 0.1))
    >>> d.mean
    tensor(0.)
    """

    arg_constraints: dict = {}
    has_rsample = False

    def __init__(self, mixture_distribution, component_distribution, validate_args=None):
        mix, comp = mixture_distribution, component_distribution
        if not hasattr(mix, "_num_events") or mix.event_shape:
            raise ValueError(f"MixtureSameFamily: the mixture must be a Categorical, found {mix!r}")
        if not isinstance(comp, Distribution) or not comp.batch_shape or comp.batch_shape[-1] != mix._num_events:
            raise ValueError(
                f"MixtureSameFamily: {mix._num_events} categories, so the components' batch shape must end with that: {comp!r}"
            )
        self._mixture_distribution = mix.expand(comp.batch_shape[:-1])
        self._component_distribution = comp
        super().__init__(comp.batch_shape[:-1], comp.event_shape, validate_args)

    mixture_distribution = property(lambda self: self._mixture_distribution)
    component_distribution = property(lambda self: self._component_distribution)

    def __repr__(self):
        return f"MixtureSameFamily({self.mixture_distribution!r}, {self.component_distribution!r})"

    def expand(self, batch_shape, _instance=None):
        new, shape = super().expand(batch_shape, _instance), as_shape(batch_shape)
        new._mixture_distribution = self.mixture_distribution.expand(shape)
        new._component_distribution = self.component_distribution.expand((*shape, self.mixture_distribution._num_events))
        return new

    @constraints.dependent_property
    def support(self):
        return constraints.MixtureSameFamilyConstraint(self.component_distribution.support)

    def _weighted(self, x):
        """The mean of `x` over the components, whose axis stands before those of an event."""
        n = len(self.event_shape)
        probs = self.mixture_distribution.probs
        return (probs.reshape((*probs.shape, *(1,) * n)) * x).sum(-1 - n)

    def _each(self, value):
        """`value` with an axis for the components."""
        value = self._at(value)
        return expand_dims(value, value.ndim - len(self.event_shape))

    @property
    def mean(self):
        return self._weighted(self.component_distribution.mean)

    @property
    def variance(self):
        comp = self.component_distribution
        gap = comp.mean - expand_dims(self.mean, len(self.batch_shape))
        return self._weighted(comp.variance + gap * gap)

    def cdf(self, value):
        probs = self.mixture_distribution.probs
        return (self.component_distribution.cdf(self._each(value)) * probs).sum(-1)

    def log_prob(self, value):
        return logsumexp(
            self.component_distribution.log_prob(self._each(value)) + log_softmax(self.mixture_distribution.logits, -1), -1
        )

    def sample(self, sample_shape=()):
        n, at = len(self.event_shape), len(as_shape(sample_shape)) + len(self.batch_shape)
        which = self.mixture_distribution.sample(sample_shape)
        drawn = self.component_distribution.sample(sample_shape)
        which = which.reshape((*which.shape, *(1,) * (n + 1)))
        return take_along_axis(drawn, broadcast_to(which, (*drawn.shape[:at], 1, *self.event_shape)), at).squeeze(at)
