"""Kullback-Leibler divergences in closed form, looked up by the classes of two distributions."""

import math
import warnings

import numpy as np

from ..creation import asarray
from ..errors import UnsupportedError, explain
from ..ops import absolute, broadcast_to, exp, log, log1p, where
from ..ops.elementary import exprel
from ..ops.gamma import betaln, multigammaln, psi
from ..ops.linalg.triangular import triangular_solve
from ..ops.special import gammaln
from .categories import Categorical, OneHotCategorical
from .composite import Independent
from .counts import Bernoulli, Binomial, Geometric, Poisson
from .distribution import Distribution, ExponentialFamily
from .location_scale import Cauchy, Gumbel, HalfCauchy, HalfNormal, Laplace, Normal, Uniform
from .matrices import Wishart
from .multivariate import LowRankMultivariateNormal, MultivariateNormal, half_log_det, squared_length
from .positive import Exponential, Gamma, Pareto
from .transformed import TransformedDistribution
from .unit import Beta, ContinuousBernoulli, Dirichlet
from .utils import sum_rightmost

_TABLE: dict = {}


def register_kl(type_p, type_q):
    """Decorates a function of p and q that gives the divergence of distributions of these classes, and of classes derived from
    them unless there is a function for a closer pair.

    >>> import chainrule as cr
    >>> class Mine(cr.distributions.Normal): ...
    >>> @cr.distributions.register_kl(Mine, Mine)
    ... def _mine(p, q):
    ...     return p.loc * 0
    >>> cr.distributions.kl_divergence(Mine(0.0, 1.0), Mine(1.0, 1.0))
    tensor(0.)
    """
    for kind in (type_p, type_q):
        if not (isinstance(kind, type) and issubclass(kind, Distribution)):
            raise TypeError(f"register_kl: expected classes of distributions, found {kind!r}")

    def register(function):
        _TABLE[type_p, type_q] = function
        return function

    return register


def kl_divergence(p, q):
    """The mean under `p` of log p - log q, of the shape to which the batches broadcast.

    Raises
    ------
    NotImplementedError
        No closed form is known for the classes of `p` and `q`.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.distributions.kl_divergence(cr.distributions.Normal(0.0, 1.0), cr.distributions.Normal(1.0, 1.0))
    tensor(0.5)
    """
    function = _lookup(type(p), type(q))
    if function is None:
        raise UnsupportedError(
            explain(
                f"kl_divergence: no closed form of {type(p).__name__} and {type(q).__name__}",
                help="estimate the mean of p.log_prob(x) - q.log_prob(x) over x = p.sample(), or see register_kl",
            )
        )
    return function(p, q)


def _lookup(p, q):
    """The function for the closest pair of classes; of two that are each closer on one side, the one closer in p."""
    found = [(p.mro().index(a), q.mro().index(b), a, b) for a, b in _TABLE if issubclass(p, a) and issubclass(q, b)]
    if not found:
        return None
    best = min(found, key=lambda f: f[:2])
    if best[:2] != (other := min(found, key=lambda f: (f[1], f[0])))[:2]:
        warnings.warn(
            f"kl_divergence of {p.__name__} and {q.__name__}: ({best[2].__name__}, {best[3].__name__}) is taken, "
            f"({other[2].__name__}, {other[3].__name__}) fits too; register_kl makes it clear",
            RuntimeWarning,
            stacklevel=3,
        )
    return _TABLE[best[2:]]


# --- two of one kind --------------------------------------------------------------------------------------------------


def _same(kind):
    return register_kl(kind, kind)


def _log_share(p, log_q):
    """p (log p - log q), which is 0 for p = 0."""
    none = p == 0
    return where(none, 0, p * (log(where(none, 1, p)) - where(none, 0, log_q)))


@_same(Bernoulli)
def _bernoulli(p, q):
    return _log_share(p.probs, log(q.probs)) + _log_share(1 - p.probs, log1p(-q.probs))


@_same(Binomial)
def _binomial(p, q):
    out = p.total_count * _bernoulli(p, q)
    return where(p.total_count > q.total_count, math.inf, where(p.total_count == q.total_count, out, math.nan))


@_same(Geometric)
def _geometric(p, q):
    return -p.entropy() - log1p(-q.probs) / p.probs - q.logits


@_same(Poisson)
def _poisson(p, q):
    return _log_share(p.rate, log(q.rate)) - (p.rate - q.rate)


@_same(Categorical)
def _categorical(p, q):
    none = p.probs == 0
    return where(none, 0, p.probs * (p.logits - where((q.probs == 0) & ~none, -math.inf, q.logits))).sum(-1)


@_same(OneHotCategorical)
def _one_hot(p, q):
    return _categorical(p, q)


@_same(Normal)
def _normal(p, q):
    ratio, gap = (p.scale / q.scale) ** 2, (p.loc - q.loc) / q.scale
    return 0.5 * (ratio + gap**2 - 1 - log(ratio))


@_same(HalfNormal)
def _half_normal(p, q):
    ratio = (p.scale / q.scale) ** 2
    return 0.5 * (ratio - 1 - log(ratio))


@_same(HalfCauchy)
def _half_cauchy(p, q):
    return log((p.scale + q.scale) ** 2) - log(4 * p.scale * q.scale)


@_same(Laplace)
def _laplace(p, q):
    ratio, gap = p.scale / q.scale, absolute(p.loc - q.loc)
    return -log(ratio) + gap / q.scale + ratio * exp(-gap / p.scale) - 1


@_same(Cauchy)
def _cauchy(p, q):
    return log((p.scale + q.scale) ** 2 + (p.loc - q.loc) ** 2) - log(4 * p.scale * q.scale)


@_same(Gumbel)
def _gumbel(p, q):
    ratio, gap = p.scale / q.scale, (q.loc - p.loc) / q.scale
    return -log(ratio) + np.euler_gamma * (ratio - 1) + exp(gap + gammaln(1 + ratio)) - 1 - gap


@_same(Uniform)
def _uniform(p, q):
    within = (q.low <= p.low) & (p.high <= q.high)
    return where(within, log((q.high - q.low) / (p.high - p.low)), math.inf)


@_same(Exponential)
def _exponential(p, q):
    ratio = q.rate / p.rate
    return ratio - 1 - log(ratio)


@_same(Gamma)
def _gamma(p, q):
    a, b = p.concentration, q.concentration
    return b * log(p.rate / q.rate) + gammaln(b) - gammaln(a) + (a - b) * psi(a) + (q.rate - p.rate) * (a / p.rate)


@_same(Pareto)
def _pareto(p, q):
    ratio = q.alpha / p.alpha
    out = q.alpha * log(p.scale / q.scale) - log(ratio) + ratio - 1
    return where(p.scale < q.scale, math.inf, out)


@_same(Beta)
def _beta(p, q):
    a, b = p.concentration1 - q.concentration1, p.concentration0 - q.concentration0
    t = betaln(q.concentration1, q.concentration0) - betaln(p.concentration1, p.concentration0)
    return t + a * psi(p.concentration1) + b * psi(p.concentration0) - (a + b) * psi(p.concentration1 + p.concentration0)


@_same(Dirichlet)
def _dirichlet(p, q):
    a, total = p.concentration, p.concentration.sum(-1)
    means = psi(a) - psi(total)[..., None]
    return q._log_normalizer() - p._log_normalizer() + ((a - q.concentration) * means).sum(-1)


@register_kl(MultivariateNormal, MultivariateNormal)
@register_kl(LowRankMultivariateNormal, MultivariateNormal)
@register_kl(MultivariateNormal, LowRankMultivariateNormal)
@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
def _normal_vectors(p, q):
    if p.event_shape != q.event_shape:
        raise ValueError(f"kl_divergence: vectors of {p.event_shape[0]} and of {q.event_shape[0]} numbers")
    own, other = p.scale_tril, q.scale_tril
    shape = np.broadcast_shapes(own.shape, other.shape)
    solved = triangular_solve(broadcast_to(other, shape), broadcast_to(own, shape), lower=True)
    trace, gap = (solved * solved).sum((-2, -1)), squared_length(other, p.loc - q.loc)
    return half_log_det(other) - half_log_det(own) + 0.5 * (trace + gap - p.event_shape[0])


@_same(Wishart)
def _wishart(p, q):
    n, own, other = p.event_shape[0], p.scale_tril, q.scale_tril
    shape = np.broadcast_shapes(own.shape, other.shape)
    solved = triangular_solve(broadcast_to(other, shape), broadcast_to(own, shape), lower=True)
    ratio = q.df * (half_log_det(other) - half_log_det(own)) + 0.5 * p.df * ((solved * solved).sum((-2, -1)) - n)
    return ratio + multigammaln(q.df / 2, n) - multigammaln(p.df / 2, n) + 0.5 * (p.df - q.df) * psi(p._halves()).sum(-1)


@_same(Independent)
def _independent(p, q):
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError("kl_divergence: two Independent must have the same reinterpreted_batch_ndims")
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@_same(TransformedDistribution)
def _transformed(p, q):
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError("kl_divergence: two transformed distributions must have the same transforms")
    return kl_divergence(p.base_dist, q.base_dist)


@_same(ExponentialFamily)
def _exponential_family(p, q):
    if type(p) is not type(q):
        raise NotImplementedError("kl_divergence of two exponential families needs functions of its own")
    value, means = p._mean_statistics()
    out = q._log_normalizer(*q._natural_params) - value
    for mine, other, mean in zip(p._natural_params, q._natural_params, means, strict=True):
        out = out - sum_rightmost((other - mean * 0 - mine) * mean, len(q.event_shape))
    return out


# --- two kinds: the mean of -log q under p, less p's entropy ----------------------------------------------------------


def _mean_of_log(p):
    if isinstance(p, Uniform):
        return (_x_log_x(p.high) - _x_log_x(p.low)) / (p.high - p.low) - 1
    return {
        Exponential: lambda: -np.euler_gamma - log(p.rate),
        Gamma: lambda: psi(p.concentration) - log(p.rate),
        Beta: lambda: psi(p.concentration1) - psi(p.concentration1 + p.concentration0),
        Pareto: lambda: log(p.scale) + 1 / p.alpha,
    }[_kind(p)]()


def _x_log_x(x):
    none = x == 0
    return where(none, 0, x * log(where(none, 1, x)))


def _kind(p):
    return next(
        k for k in type(p).mro() if k in (Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Normal, Pareto, Uniform)
    )


def _by(kinds, q_kind, cross):
    """Register the divergence by `cross(p, q)`, the mean of -log q under p."""
    for kind in kinds:
        register_kl(kind, q_kind)(lambda p, q: cross(p, q) - p.entropy())


def _infinite(kinds, *q_kinds):
    """Register what is infinite, since p has values that q never has."""
    for kind in kinds:
        for q_kind in q_kinds:
            register_kl(kind, q_kind)(_infinity)


def _infinity(p, q):
    return asarray(np.full(np.broadcast_shapes(p.batch_shape, q.batch_shape), math.inf, p._dtype))


def _where_above_zero(p, out):
    """`out`, but infinite where p has values below 0."""
    return where(p.low < 0, math.inf, out) if isinstance(p, Uniform) else out


def _where_within(p, q, out):
    return where((p.low >= q[0]) & (p.high <= q[1]), out, math.inf) if isinstance(p, Uniform) else out


def _to_normal(p, q):
    mean, variance = p.mean, p.variance
    return 0.5 * math.log(2 * math.pi) + log(q.scale) + 0.5 * (variance + (mean - q.loc) ** 2) / q.scale**2


def _to_exponential(p, q):
    return _where_above_zero(p, q.rate * p.mean - log(q.rate))


def _to_gamma(p, q):
    a, b = q.concentration, q.rate
    low = where(p.low < 0, 0, p.low) if isinstance(p, Uniform) else None
    mean_of_log = _mean_of_log(p if low is None else Uniform(low, where(p.high > low, p.high, low + 1), validate_args=False))
    return _where_above_zero(p, gammaln(a) - a * log(b) - (a - 1) * mean_of_log + b * p.mean)


def _to_continuous_bernoulli(p, q):
    return _where_within(p, (0, 1), q._log_integral() - q.logits * p.mean)


def _to_uniform(p, q):
    return where((q.low <= 0) & (q.high >= 1), log(q.high - q.low), math.inf)


def _to_gumbel(p, q):
    """The mean of exp(-x / scale) is the moment generating function of p."""
    t = -1 / q.scale
    generated = {
        Normal: lambda: exp(t * p.loc + 0.5 * (t * p.scale) ** 2),
        Exponential: lambda: p.rate / (p.rate - t),
        Gamma: lambda: (1 - t / p.rate) ** -p.concentration,
        Uniform: lambda: exp(t * p.low) * exprel(t * (p.high - p.low)),
    }[_kind(p)]()
    return log(q.scale) + (p.mean - q.loc) / q.scale + generated * exp(q.loc / q.scale)


_by((Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Laplace, Pareto, Uniform), Normal, _to_normal)
_by((Beta, ContinuousBernoulli, Gamma, Pareto, Uniform), Exponential, _to_exponential)
_by((Beta, Exponential, Pareto, Uniform), Gamma, _to_gamma)
_by((Beta, Uniform), ContinuousBernoulli, _to_continuous_bernoulli)
_by((Beta, ContinuousBernoulli), Uniform, _to_uniform)
_by((Normal, Exponential, Gamma, Uniform), Gumbel, _to_gumbel)
_infinite((Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Laplace, Normal), Pareto)
_infinite((Exponential, Gamma, Gumbel, Laplace, Normal, Pareto), Beta, ContinuousBernoulli, Uniform)
_infinite((Gumbel, Laplace, Normal), Exponential, Gamma)
_infinite((Poisson,), Bernoulli, Binomial)


@register_kl(Bernoulli, Poisson)
def _bernoulli_poisson(p, q):
    return q.rate - p.probs * log(q.rate) - p.entropy()


@register_kl(Normal, Laplace)
def _normal_laplace(p, q):
    gap, root = p.loc - q.loc, p.scale * math.sqrt(2)
    distance = p.scale * math.sqrt(2 / math.pi) * exp(-((gap / root) ** 2)) + gap * (gap / root).erf()
    return log(2 * q.scale) + distance / q.scale - p.entropy()


@register_kl(Uniform, Beta)
def _uniform_beta(p, q):
    within = (p.low >= 0) & (p.high <= 1)
    low, high = where(within, p.low, 0.25), where(within, p.high, 0.75)
    of_log = (_x_log_x(high) - _x_log_x(low)) / (high - low) - 1
    of_rest = (_x_log_x(1 - low) - _x_log_x(1 - high)) / (high - low) - 1
    cross = betaln(q.concentration1, q.concentration0) - (q.concentration1 - 1) * of_log - (q.concentration0 - 1) * of_rest
    return where(within, cross - log(high - low), math.inf)


@register_kl(Uniform, Pareto)
def _uniform_pareto(p, q):
    within = p.low >= q.scale
    low, high = where(within, p.low, 1), where(within, p.high, 2)
    of_log = (_x_log_x(high) - _x_log_x(low)) / (high - low) - 1
    cross = (q.alpha + 1) * of_log - log(q.alpha) - q.alpha * log(q.scale)
    return where(within, cross - log(high - low), math.inf)


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _continuous_bernoulli(p, q):
    return (p.logits - q.logits) * p.mean + q._log_integral() - p._log_integral()
