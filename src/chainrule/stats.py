"""Probability distributions under the names of scipy.stats: densities, distribution functions and quantiles.

SciPy's own turn Tensors into plain numbers. These are differentiable in the place and in all parameters, to any order, as far
as the special functions are that they consist of. Distributions to sample from, in PyTorch's manner, are in `distributions`.

>>> import chainrule as cr
>>> cr.grad(lambda m: cr.stats.norm.logpdf(2.0, m, 1.0))(0.5)
np.float64(1.5)
>>> cr.stats.gamma(2.0, scale=3.0).cdf(3.0).round(6)
np.float64(0.264241)
"""

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from . import special
from .core.value import dtype_of, ndim_of, shape_of
from .errors import ArgumentError, explain
from .linalg import cholesky, solve_triangular
from .ops.comparison import floor
from .ops.elementwise import absolute, exp, expm1, log, log1p, square, where
from .ops.reduction import sum as sum_
from .ops.shaping import as_value, cast
from .ops.trigonometric import arctan, tan

__all__ = [
    "bernoulli", "beta", "binom", "cauchy", "chi2", "dirichlet", "expon", "f", "gamma", "geom", "gumbel_l", "gumbel_r",
    "halfcauchy", "halfnorm", "invgamma", "laplace", "logistic", "lognorm", "multivariate_normal", "nbinom", "norm", "pareto",
    "poisson", "powerlaw", "rayleigh", "t", "uniform", "weibull_min",
]  # fmt: skip

_INF = math.inf


def _number(x):
    x = as_value(x)
    return x if dtype_of(x).kind == "f" else cast(x, np.dtype(np.float64))


class _Frozen:
    """A distribution with its parameters."""

    def __init__(self, law, args, kwargs):
        law.parameters(args, kwargs)  # raises where these are not its
        self.dist, self.args, self.kwds = law, args, kwargs

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        method = getattr(self.dist, name)
        return lambda *x: method(*x, *self.args, **self.kwds)


class _Law:
    """What distributions of numbers have in common.

    Parameters
    ----------
    name : SciPy's
    shapes : names of its parameters besides `loc` and `scale`, with spaces between them
    support : of those parameters -> (lowest, highest value) in standard form
    inside : of those parameters -> a value within
    parts : functions (value, *parameters) in standard form
    """

    tail: tuple = ()  # names of the parameters that every distribution of the kind has, and their defaults

    def __init__(self, name, shapes, support, inside, valid=None, **parts):
        self.name, self.shapes, self.support, self.inside = name, tuple(shapes.split()), support, inside
        self.valid = valid or (lambda *s: [x > 0 for x in s])
        self.parts: dict[str, Callable[..., Any]] = parts

    def __repr__(self):
        return f"chainrule.stats.{self.name}"

    def __call__(self, *args, **kwargs):
        return _Frozen(self, args, kwargs)

    def parameters(self, args, kwargs):
        """The parameters in standard form (1 where they make no distribution), whether they do, and `loc` and `scale`."""
        names = (*self.shapes, *(n for n, _ in self.tail))
        given = dict(self.tail) | dict(zip(names, args, strict=False)) | kwargs
        twice = set(names[: len(args)]) & set(kwargs)
        if len(args) > len(names) or set(given) != set(names) or twice:
            raise ArgumentError(
                explain(
                    f"{self.name} has the parameters {', '.join(names)}",
                    f"found: {len(args)} in their order{''.join(f', {k}=' for k in kwargs)}",
                    help=f"for example {self.name}.cdf(x{''.join(f', {n}=1.5' for n in self.shapes)})",
                )
            )
        found = [_number(given[n]) for n in names]
        shapes, rest = found[: len(self.shapes)], found[len(self.shapes) :]
        conditions = [*self.valid(*shapes), *(x > 0 for x in rest[1:])]
        sound: Any = functools.reduce(operator.and_, conditions, np.True_)
        if conditions:
            shapes, rest[1:] = [where(sound, x, 1) for x in shapes], [where(sound, x, 1) for x in rest[1:]]
        return shapes, sound, *rest

    def _within(self, good, z, shapes, evaluate, otherwise, fill=None):
        """`evaluate` where `good`, without looking elsewhere, where it is `otherwise`."""
        safe = where(good, z, self.inside(*shapes) if fill is None else fill)
        return where(good, evaluate(safe, *shapes), otherwise)

    @staticmethod
    def _checked(out, z, sound):
        """NaN for NaN, and where parameters make no distribution."""
        out = where((z == z) & sound, out, math.nan)
        return out[()] if isinstance(out, np.ndarray) else out


class _Continuous(_Law):
    """A continuous distribution. Its methods take places or probabilities, its parameters in SciPy's order, `loc` and `scale`.

    All are arrays of any shapes that broadcast together; results have the shape that they broadcast to. Called with parameters
    alone, it gives a distribution whose methods need none. Outside of its support the density is 0; parameters that make no
    distribution give NaN. Another number of parameters, or other names, raise an ArgumentError.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.stats.expon.sf([0.0, 2.0], scale=2.0)
    array([1.        , 0.36787944])
    >>> cr.grad(lambda a: cr.stats.gamma.logpdf(1.5, a))(2.0).round(6)
    np.float64(-0.017319)
    """

    tail = (("loc", 0.0), ("scale", 1.0))

    def _standard(self, x, args, kwargs):
        shapes, sound, loc, scale = self.parameters(args, kwargs)
        return (_number(x) - loc) / scale, shapes, sound, scale

    def logpdf(self, x, *args, **kwargs):
        """Logarithm of the density at `x`; minus infinity outside of the support."""
        z, shapes, sound, scale = self._standard(x, args, kwargs)
        low, high = self.support(*shapes)
        good = (z >= low) & (z <= high) & (absolute(z) < _INF)
        return self._checked(self._within(good, z, shapes, self.parts["logpdf"], -_INF) - log(scale), z, sound)

    def pdf(self, x, *args, **kwargs):
        """The density at `x`."""
        return exp(self.logpdf(x, *args, **kwargs))

    def _distribution(self, part, below, above, x, args, kwargs):
        z, shapes, sound, _ = self._standard(x, args, kwargs)
        low, high = self.support(*shapes)
        out = where(z >= high, above, below)
        return self._checked(self._within((z > low) & (z < high), z, shapes, part, out), z, sound)

    def _log_of(self, name):
        return self.parts.get(f"log{name}") or (lambda z, *s: log(self.parts[name](z, *s)))

    def cdf(self, x, *args, **kwargs):
        """The probability of values up to `x`."""
        return self._distribution(self.parts["cdf"], 0.0, 1.0, x, args, kwargs)

    def sf(self, x, *args, **kwargs):
        """The probability of values above `x`, accurate where `cdf` is nearly 1."""
        return self._distribution(self.parts["sf"], 1.0, 0.0, x, args, kwargs)

    def logcdf(self, x, *args, **kwargs):
        """Logarithm of `cdf`."""
        return self._distribution(self._log_of("cdf"), -_INF, 0.0, x, args, kwargs)

    def logsf(self, x, *args, **kwargs):
        """Logarithm of `sf`."""
        return self._distribution(self._log_of("sf"), 0.0, -_INF, x, args, kwargs)

    def _quantile(self, name, q, args, kwargs):
        shapes, sound, loc, scale = self.parameters(args, kwargs)
        ends, q = self.support(*shapes), _number(q)
        first, last = ends if name == "ppf" else ends[::-1]
        out = where(q == 0, first, where(q == 1, last, math.nan))
        out = self._within((q > 0) & (q < 1), q, shapes, self.parts[name], out, fill=0.5)
        return self._checked(out * scale + loc, q, sound)

    def ppf(self, q, *args, **kwargs):
        """The value up to which the probability is `q`."""
        return self._quantile("ppf", q, args, kwargs)

    def isf(self, q, *args, **kwargs):
        """The value above which the probability is `q`."""
        return self._quantile("isf", q, args, kwargs)

    def median(self, *args, **kwargs):
        """The value with as much probability below as above."""
        return self.ppf(0.5, *args, **kwargs)


class _Discrete(_Law):
    """A distribution of whole numbers. As continuous ones, but without `scale`, and with probabilities `pmf` for a density.

    Derivatives are those in the parameters; in the numbers themselves there are none that mean anything.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.stats.poisson.pmf([0, 1], 0.5).round(6)
    array([0.606531, 0.303265])
    """

    tail = (("loc", 0.0),)

    def logpmf(self, k, *args, **kwargs):
        """Logarithm of the probability of `k`; minus infinity where there is none."""
        shapes, sound, loc = self.parameters(args, kwargs)
        z = _number(k) - loc
        low, high = self.support(*shapes)
        good = (z >= low) & (z <= high) & (z == floor(z)) & (z < _INF)
        return self._checked(self._within(good, z, shapes, self.parts["logpmf"], -_INF), z, sound)

    def pmf(self, k, *args, **kwargs):
        """The probability of `k`."""
        return exp(self.logpmf(k, *args, **kwargs))

    def _distribution(self, name, below, above, k, args, kwargs):
        shapes, sound, loc = self.parameters(args, kwargs)
        z = _number(k) - loc
        low, high = self.support(*shapes)
        out = where(z >= high, above, below)
        return self._checked(self._within((z >= low) & (z < high), floor(z), shapes, self.parts[name], out), z, sound)

    def cdf(self, k, *args, **kwargs):
        """The probability of values up to `k`."""
        return self._distribution("cdf", 0.0, 1.0, k, args, kwargs)

    def sf(self, k, *args, **kwargs):
        """The probability of values above `k`."""
        return self._distribution("sf", 1.0, 0.0, k, args, kwargs)

    def logcdf(self, k, *args, **kwargs):
        """Logarithm of `cdf`."""
        return log(self.cdf(k, *args, **kwargs))

    def logsf(self, k, *args, **kwargs):
        """Logarithm of `sf`."""
        return log(self.sf(k, *args, **kwargs))


def _everywhere(*shapes):
    return -_INF, _INF


def _positive(*shapes):
    return 0.0, _INF


def _one(*shapes):
    return 1.0


def _whole(*shapes):
    return 0, _INF


def _low(z):
    """exp(z) for z up to 0; 1 above."""
    return exp(where(z > 0, 0, z))


def _exp(z):
    """exp(z) that becomes infinite without a warning, and with derivative 0 there."""
    return where(z > 700, _INF, exp(where(z > 700, 0, z)))


# --- continuous ---------------------------------------------------------------------------------------------------------------

norm = _Continuous(
    "norm", "", _everywhere, _one, logpdf=lambda z: -square(z) / 2 - math.log(2 * math.pi) / 2, cdf=special.ndtr,
    logcdf=special.log_ndtr, sf=lambda z: special.ndtr(-z), logsf=lambda z: special.log_ndtr(-z), ppf=special.ndtri,
    isf=lambda q: -special.ndtri(q),
)  # fmt: skip
halfnorm = _Continuous(
    "halfnorm", "", _positive, _one, logpdf=lambda z: math.log(2 / math.pi) / 2 - square(z) / 2,
    cdf=lambda z: special.erf(z / math.sqrt(2)), sf=lambda z: 2 * special.ndtr(-z),
    logsf=lambda z: special.log_ndtr(-z) + math.log(2), ppf=lambda q: special.ndtri((1 + q) / 2),
    isf=lambda q: -special.ndtri(q / 2),
)  # fmt: skip
lognorm = _Continuous(
    "lognorm", "s", _positive, _one, logpdf=lambda z, s: norm.parts["logpdf"](log(z) / s) - log(s * z),
    cdf=lambda z, s: special.ndtr(log(z) / s), logcdf=lambda z, s: special.log_ndtr(log(z) / s),
    sf=lambda z, s: special.ndtr(-log(z) / s), logsf=lambda z, s: special.log_ndtr(-log(z) / s),
    ppf=lambda q, s: exp(s * special.ndtri(q)), isf=lambda q, s: exp(-s * special.ndtri(q)),
)  # fmt: skip
expon = _Continuous(
    "expon", "", _positive, _one, logpdf=lambda z: -z, cdf=lambda z: -expm1(-z), sf=lambda z: exp(-z), logsf=lambda z: -z,
    ppf=lambda q: -log1p(-q), isf=lambda q: -log(q),
)  # fmt: skip
gamma = _Continuous(
    "gamma", "a", _positive, _one, logpdf=lambda z, a: special.xlogy(a - 1, z) - z - special.gammaln(a),
    cdf=lambda z, a: special.gammainc(a, z), sf=lambda z, a: special.gammaincc(a, z),
    ppf=lambda q, a: special.gammaincinv(a, q), isf=lambda q, a: special.gammainccinv(a, q),
)  # fmt: skip
chi2 = _Continuous(
    "chi2", "df", _positive, _one, logpdf=lambda z, n: gamma.parts["logpdf"](z / 2, n / 2) - math.log(2),
    cdf=lambda z, n: special.gammainc(n / 2, z / 2), sf=lambda z, n: special.gammaincc(n / 2, z / 2),
    ppf=lambda q, n: 2 * special.gammaincinv(n / 2, q), isf=lambda q, n: 2 * special.gammainccinv(n / 2, q),
)  # fmt: skip
invgamma = _Continuous(
    "invgamma", "a", _positive, _one, logpdf=lambda z, a: -(a + 1) * log(z) - special.gammaln(a) - 1 / z,
    cdf=lambda z, a: special.gammaincc(a, 1 / z), sf=lambda z, a: special.gammainc(a, 1 / z),
    ppf=lambda q, a: 1 / special.gammainccinv(a, q), isf=lambda q, a: 1 / special.gammaincinv(a, q),
)  # fmt: skip
beta = _Continuous(
    "beta", "a b", lambda *s: (0.0, 1.0), lambda *s: 0.5,
    logpdf=lambda z, a, b: special.xlog1py(b - 1, -z) + special.xlogy(a - 1, z) - special.betaln(a, b),
    cdf=lambda z, a, b: special.betainc(a, b, z), sf=lambda z, a, b: special.betaincc(a, b, z),
    ppf=lambda q, a, b: special.betaincinv(a, b, q), isf=lambda q, a, b: special.betainccinv(a, b, q),
)  # fmt: skip
f = _Continuous(
    "f", "dfn dfd", _positive, _one,
    logpdf=lambda z, m, n: (
        special.xlogy(m / 2, m) + special.xlogy(n / 2, n) + special.xlogy(m / 2 - 1, z) - (m + n) / 2 * log(n + m * z)
        - special.betaln(m / 2, n / 2)
    ),
    cdf=lambda z, m, n: special.betainc(m / 2, n / 2, m * z / (m * z + n)),
    sf=lambda z, m, n: special.betainc(n / 2, m / 2, n / (m * z + n)),
    ppf=lambda q, m, n: n / m / (1 / special.betaincinv(m / 2, n / 2, q) - 1),
    isf=lambda q, m, n: n / m * (1 / special.betaincinv(n / 2, m / 2, q) - 1),
)  # fmt: skip
t = _Continuous(
    "t", "df", _everywhere, _one,
    logpdf=lambda z, n: (
        special.gammaln((n + 1) / 2) - special.gammaln(n / 2) - log(n * math.pi) / 2 - (n + 1) / 2 * log1p(square(z) / n)
    ),
    cdf=lambda z, n: special.stdtr(n, z), sf=lambda z, n: special.stdtr(n, -z),
    ppf=lambda q, n: special.stdtrit(n, q), isf=lambda q, n: -special.stdtrit(n, q),
)  # fmt: skip
cauchy = _Continuous(
    "cauchy", "", _everywhere, _one, logpdf=lambda z: -math.log(math.pi) - log1p(square(z)),
    cdf=lambda z: 0.5 + arctan(z) / math.pi, sf=lambda z: 0.5 - arctan(z) / math.pi,
    ppf=lambda q: tan(math.pi * (q - 0.5)), isf=lambda q: tan(math.pi * (0.5 - q)),
)  # fmt: skip
halfcauchy = _Continuous(
    "halfcauchy", "", _positive, _one, logpdf=lambda z: math.log(2 / math.pi) - log1p(square(z)),
    cdf=lambda z: 2 / math.pi * arctan(z), sf=lambda z: 1 - 2 / math.pi * arctan(z), ppf=lambda q: tan(math.pi / 2 * q),
    isf=lambda q: 1 / tan(math.pi / 2 * q),
)  # fmt: skip
laplace = _Continuous(
    "laplace", "", _everywhere, _one, logpdf=lambda z: -absolute(z) - math.log(2),
    cdf=lambda z: where(z > 0, 1 - _low(-z) / 2, _low(z) / 2), sf=lambda z: where(z > 0, _low(-z) / 2, 1 - _low(z) / 2),
    logcdf=lambda z: where(z > 0, log1p(-_low(-z) / 2), z - math.log(2)),
    logsf=lambda z: where(z > 0, -z - math.log(2), log1p(-_low(z) / 2)),
    ppf=lambda q: where(q > 0.5, -log(2 * (1 - q)), log(2 * q)), isf=lambda q: where(q > 0.5, log(2 * (1 - q)), -log(2 * q)),
)  # fmt: skip
logistic = _Continuous(
    "logistic", "", _everywhere, _one, logpdf=lambda z: special.log_expit(z) + special.log_expit(-z), cdf=special.expit,
    logcdf=special.log_expit, sf=lambda z: special.expit(-z), logsf=lambda z: special.log_expit(-z), ppf=special.logit,
    isf=lambda q: -special.logit(q),
)  # fmt: skip
uniform = _Continuous(
    "uniform", "", lambda: (0.0, 1.0), lambda: 0.5, logpdf=lambda z: 0 * z, cdf=lambda z: z, sf=lambda z: 1 - z,
    ppf=lambda q: q, isf=lambda q: 1 - q,
)  # fmt: skip
pareto = _Continuous(
    "pareto", "b", lambda b: (1.0, _INF), lambda b: 2.0, logpdf=lambda z, b: log(b) - (b + 1) * log(z),
    cdf=lambda z, b: -expm1(-b * log(z)), sf=lambda z, b: exp(-b * log(z)), logsf=lambda z, b: -b * log(z),
    ppf=lambda q, b: exp(-log1p(-q) / b), isf=lambda q, b: exp(-log(q) / b),
)  # fmt: skip
powerlaw = _Continuous(
    "powerlaw", "a", lambda a: (0.0, 1.0), lambda a: 0.5, logpdf=lambda z, a: log(a) + special.xlogy(a - 1, z),
    cdf=lambda z, a: z**a, logcdf=lambda z, a: a * log(z), sf=lambda z, a: -expm1(a * log(z)),
    ppf=lambda q, a: exp(log(q) / a), isf=lambda q, a: exp(log1p(-q) / a),
)  # fmt: skip
rayleigh = _Continuous(
    "rayleigh", "", _positive, _one, logpdf=lambda z: log(z) - square(z) / 2, cdf=lambda z: -expm1(-square(z) / 2),
    sf=lambda z: exp(-square(z) / 2), logsf=lambda z: -square(z) / 2, ppf=lambda q: (-2 * log1p(-q)) ** 0.5,
    isf=lambda q: (-2 * log(q)) ** 0.5,
)  # fmt: skip
weibull_min = _Continuous(
    "weibull_min", "c", _positive, _one, logpdf=lambda z, c: log(c) + special.xlogy(c - 1, z) - z**c,
    cdf=lambda z, c: -expm1(-(z**c)), sf=lambda z, c: exp(-(z**c)), logsf=lambda z, c: -(z**c),
    ppf=lambda q, c: (-log1p(-q)) ** (1 / c), isf=lambda q, c: (-log(q)) ** (1 / c),
)  # fmt: skip
gumbel_r = _Continuous(
    "gumbel_r", "", _everywhere, _one, logpdf=lambda z: -z - _exp(-z), cdf=lambda z: exp(-_exp(-z)), logcdf=lambda z: -_exp(-z),
    sf=lambda z: -expm1(-_exp(-z)), ppf=lambda q: -log(-log(q)), isf=lambda q: -log(-log1p(-q)),
)  # fmt: skip
gumbel_l = _Continuous(
    "gumbel_l", "", _everywhere, _one, logpdf=lambda z: z - _exp(z), cdf=lambda z: -expm1(-_exp(z)), sf=lambda z: exp(-_exp(z)),
    logsf=lambda z: -_exp(z), ppf=lambda q: log(-log1p(-q)), isf=lambda q: log(-log(q)),
)  # fmt: skip

# --- discrete -----------------------------------------------------------------------------------------------------------------


def _probability(*shapes):
    p = shapes[-1]
    return [s > 0 for s in shapes[:-1]] + [(p > 0) & (p <= 1)]


def _chosen(n, k):
    return special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)


bernoulli = _Discrete(
    "bernoulli", "p", lambda p: (0, 1), lambda p: 0.0, lambda p: [(p >= 0) & (p <= 1)],
    logpmf=lambda k, p: special.xlogy(k, p) + special.xlog1py(1 - k, -p), cdf=lambda k, p: 1 - p, sf=lambda k, p: p,
)  # fmt: skip
binom = _Discrete(
    "binom", "n p", lambda n, p: (0, n), lambda n, p: 0.0, lambda n, p: [(n >= 0) & (n == floor(n)), (p >= 0) & (p <= 1)],
    logpmf=lambda k, n, p: _chosen(n, k) + special.xlogy(k, p) + special.xlog1py(n - k, -p),
    cdf=lambda k, n, p: special.betaincc(k + 1, n - k, p), sf=lambda k, n, p: special.betainc(k + 1, n - k, p),
)  # fmt: skip
geom = _Discrete(
    "geom", "p", lambda p: (1, _INF), _one, _probability, logpmf=lambda k, p: special.xlog1py(k - 1, -p) + log(p),
    cdf=lambda k, p: -expm1(special.xlog1py(k, -p)), sf=lambda k, p: exp(special.xlog1py(k, -p)),
)  # fmt: skip
nbinom = _Discrete(
    "nbinom", "n p", _whole, lambda *s: 0.0, _probability,
    logpmf=lambda k, n, p: (
        special.gammaln(n + k) - special.gammaln(k + 1) - special.gammaln(n) + n * log(p) + special.xlog1py(k, -p)
    ),
    cdf=lambda k, n, p: special.betainc(n, k + 1, p), sf=lambda k, n, p: special.betaincc(n, k + 1, p),
)  # fmt: skip
poisson = _Discrete(
    "poisson", "mu", _whole, lambda *s: 0.0, lambda mu: [mu >= 0],
    logpmf=lambda k, mu: special.xlogy(k, mu) - special.gammaln(k + 1) - mu, cdf=lambda k, mu: special.gammaincc(k + 1, mu),
    sf=lambda k, mu: special.gammainc(k + 1, mu),
)  # fmt: skip

# --- vectors ------------------------------------------------------------------------------------------------------------------


class _Vectors:
    """A distribution of vectors, by the logarithm of its density."""

    def __init__(self, name, logpdf):
        self.name, self.logpdf = name, logpdf

    def __repr__(self):
        return f"chainrule.stats.{self.name}"

    def __call__(self, *args, **kwargs):
        return _FrozenVectors(self, args, kwargs)

    def pdf(self, x, *args, **kwargs):
        """The density at `x`."""
        return exp(self.logpdf(x, *args, **kwargs))


class _FrozenVectors:
    def __init__(self, law, args, kwargs):
        self.dist, self.args, self.kwds = law, args, kwargs

    def logpdf(self, x):
        return self.dist.logpdf(x, *self.args, **self.kwds)

    def pdf(self, x):
        return self.dist.pdf(x, *self.args, **self.kwds)


def _normal_vectors(x, mean=None, cov=1, allow_singular=False):
    """Logarithm of the density of normal vectors, which stand along the last axis of `x`.

    `mean` is a vector or a number, `cov` a matrix, the diagonal of one, or one variance.
    """
    if allow_singular:
        raise ArgumentError(
            explain(
                "multivariate_normal of a singular covariance has no density to differentiate",
                help="leave allow_singular out, and add a small multiple of the identity to `cov`",
            )
        )
    x, cov = _number(x), _number(cov)
    n = shape_of(cov)[-1] if ndim_of(cov) else shape_of(mean)[-1] if mean is not None and ndim_of(as_value(mean)) else 1
    cov = cov * np.eye(n) if ndim_of(cov) < 2 else cov
    if n == 1 and (ndim_of(x) == 0 or shape_of(x)[-1] != 1):
        x = x[..., None]
    d = x - (0 if mean is None else _number(mean))
    factor = cholesky(cov)
    z = solve_triangular(factor, d[..., None], lower=True)[..., 0]
    scale = sum_(log(factor[np.arange(n), np.arange(n)]))
    return -sum_(square(z), -1) / 2 - scale - n * math.log(2 * math.pi) / 2


def _proportions(x, alpha):
    """Logarithm of the density of proportions `x`, which add up to 1 along the first axis; the last one may be left out."""
    x, alpha = _number(x), _number(alpha)
    k, n = shape_of(x)[0], shape_of(alpha)[0]
    if k not in (n, n - 1):
        raise ArgumentError(
            explain(
                "dirichlet: there is one proportion for each element of `alpha`, or one less",
                f"x: {shape_of(x)}    alpha: {shape_of(alpha)}",
                help="proportions stand along the first axis of x",
            )
        )
    along = alpha if ndim_of(x) == 1 else alpha[:, None]
    out = sum_(special.xlogy(along[:k] - 1, x), 0)
    if k < n:
        out = out + special.xlogy(along[k] - 1, 1 - sum_(x, 0))
    return out + special.gammaln(sum_(alpha)) - sum_(special.gammaln(alpha))


multivariate_normal = _Vectors("multivariate_normal", _normal_vectors)
dirichlet = _Vectors("dirichlet", _proportions)
