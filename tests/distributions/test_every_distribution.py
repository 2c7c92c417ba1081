"""Distributions without PyTorch: derivatives in both modes, samples, compile, vmap, what must hold of densities, errors."""

import math
import pickle

import numpy as np
import pytest
from cases import CASES, LOGITS, PROBS, A
from hypothesis import given, settings, strategies as st
from scipy import integrate

import chainrule as cr
from chainrule import distributions as D

DISCRETE = [
    "Bernoulli", "Binomial", "Categorical", "Geometric", "Multinomial", "NegativeBinomial",
    "OneHotCategorical", "Poisson",
]  # fmt: skip
ROWS = [pytest.param(n, i, id=f"{n}-{i}") for n, c in CASES.items() for i in range(len(c[0])) if (n, i) != ("LKJCholesky", 1)]
EVERY = pytest.mark.parametrize("name, i", ROWS)  # less the one without parameters
WHOLE = {"total_count", "dim"}  # parameters without derivatives


def parts(name, i):
    """The continuous parameters, and a function that makes the distribution of them."""
    given = {k: np.asarray(v, float) for k, v in CASES[name][0][i].items() if k not in WHOLE}
    rest = {k: v for k, v in CASES[name][0][i].items() if k in WHOLE}
    if name == "Bernoulli" and "probs" in given:
        given["probs"] = np.array([0.2, 0.5, 0.9])  # at 1, the slope is one-sided
    if name == "Categorical" and i == 2:
        given["probs"] = np.array([0.1, 1.0, 3.0])
    return given, lambda p: getattr(D, name)(**p, **rest, validate_args=False)


def of_parameters(f):
    """`f` of a dict of parameters such that matrices stay symmetric or triangular when an element is moved."""

    def g(p):
        fixed = dict(p)
        for k in fixed:
            if k in ("covariance_matrix", "precision_matrix"):
                fixed[k] = (fixed[k] + cr.matrix_transpose(fixed[k])) / 2
            elif k == "scale_tril":
                fixed[k] = cr.tril(fixed[k])
        return f(fixed)

    return g


@EVERY
def test_derivatives_of_densities(name, i):
    given, make = parts(name, i)
    value = CASES[name][1]
    assert cr.gradcheck(of_parameters(lambda p: make(p).log_prob(value)), (given,), order=2, rtol=2e-5)
    moves = name not in [*DISCRETE, "OneHotCategoricalStraightThrough", "LKJCholesky", "Wishart"]
    if moves and name not in ("Dirichlet", "RelaxedOneHotCategorical", "LogisticNormal"):
        assert cr.gradcheck(lambda x: make(given).log_prob(x), (value,), order=2, rtol=2e-5)


@EVERY
def test_derivatives_of_entropies(name, i):
    given, make = parts(name, i)
    try:
        make(given).entropy()
    except NotImplementedError:
        return
    assert cr.gradcheck(of_parameters(lambda p: make(p).entropy()), (given,), order=2, rtol=2e-5)


@EVERY
def test_derivatives_of_samples(name, i):
    """At fixed random bits, a sample is a smooth function of the parameters."""
    given, make = parts(name, i)

    def draw(p):
        cr.manual_seed(11)
        return make(p).rsample((2,))

    if not make(given).has_rsample:
        with pytest.raises(NotImplementedError, match="no rsample"):
            draw(given)
        return
    if name == "OneHotCategoricalStraightThrough":
        weights = np.arange(3.0)
        found = cr.grad(lambda p: (draw(p) * weights).sum())(given)["probs"]
        same(found, cr.grad(lambda p: 2 * (p / p.sum(-1, keepdims=True) * weights).sum())(given["probs"]))
        return
    assert cr.gradcheck(of_parameters(draw), (given,), order=2, rtol=1e-4)
    leaves = {k: cr.tensor(v, requires_grad=True) for k, v in given.items()}
    d = make(leaves)
    assert d.rsample().requires_grad and not d.sample().requires_grad
    d.rsample((3,)).sum().backward()
    assert all(v.grad is not None for v in leaves.values())


def same(a, b, rtol=1e-9):
    np.testing.assert_allclose(np.asarray(a.detach() if hasattr(a, "detach") else a), np.asarray(b), rtol=rtol, atol=1e-12)


@EVERY
def test_compiled(name, i):
    given, make = parts(name, i)
    value = CASES[name][1]

    def work(p):
        d = make(p)
        return d.sample((2,)), d.log_prob(value)

    def slopes(p):
        return cr.grad(lambda p: make(p).log_prob(value).sum())(p)

    cr.manual_seed(5)
    first, again = work(given), work(given)
    compiled = cr.compile(work)
    cr.manual_seed(5)
    for expected in first, again:
        found = compiled(given)
        for a, b in zip(found, expected, strict=True):
            same(a, b.detach(), rtol=1e-6)
    found, expected = cr.compile(slopes)(given), slopes(given)
    for k in given:
        same(found[k], expected[k], rtol=1e-6)


@EVERY
def test_vmap(name, i):
    given, make = parts(name, i)
    value = CASES[name][1]
    stacked = {
        k: np.stack([v, 1.01 * v]) if k not in ("probs", "covariance_matrix") else np.stack([v, v]) for k, v in given.items()
    }
    drawn, density = cr.vmap(lambda p: (make(p).sample((2,)), make(p).log_prob(value)))(stacked)
    for j in range(2):
        d = make({k: v[j] for k, v in stacked.items()})
        same(density[j], d.log_prob(value).detach())
        assert drawn[j].shape == d.sample((2,)).shape and bool(np.all(np.asarray(d.support.check(drawn[j]).detach())))
    if name not in (*DISCRETE, "OneHotCategoricalStraightThrough") and np.asarray(given[next(iter(given))]).ndim < 3:
        assert not np.array_equal(np.asarray(drawn[0]), np.asarray(drawn[1]))


@pytest.mark.parametrize("name", CASES)
def test_dtype_seed_and_checks(name):
    parameters, value = CASES[name]
    single = {k: np.float32(v) if isinstance(v, np.ndarray) and v.dtype == float else v for k, v in parameters[0].items()}
    d = getattr(D, name)(**single)
    if not all(isinstance(v, (int, float)) for v in single.values()):
        assert d.log_prob(np.float32(value) if np.asarray(value).dtype == float else value).dtype == np.float32
        assert d.sample().dtype == (np.int64 if name == "Categorical" else np.float32)
    cr.manual_seed(2)
    first = d.sample((3,))
    cr.manual_seed(2)
    assert np.array_equal(first, d.sample((3,))) and not np.array_equal(first, d.sample((3,)))
    cr.manual_seed(2)
    assert np.array_equal(first, pickle.loads(pickle.dumps(d)).sample((3,)))


# --- what must hold ---------------------------------------------------------------------------------------------------

size = st.floats(0.2, 5.0)
place = st.floats(-3.0, 3.0)
share = st.floats(0.05, 0.95)
DENSITIES = {
    "Beta": (size, size), "Cauchy": (place, size), "Chi2": (size,), "ContinuousBernoulli": (share,), "Exponential": (size,),
    "FisherSnedecor": (size, size), "Gamma": (size, size), "GeneralizedPareto": (place, size, st.floats(-0.9, 0.9)),
    "Gumbel": (place, size), "HalfCauchy": (size,), "HalfNormal": (size,), "InverseGamma": (size, size),
    "Kumaraswamy": (size, size), "Laplace": (place, size), "LogNormal": (place, size), "Normal": (place, size),
    "Pareto": (size, size), "StudentT": (size, place, size), "Uniform": (place, st.floats(4.0, 5.0)), "Weibull": (size, size),
}  # fmt: skip

POLES = ["Beta", "Chi2", "FisherSnedecor", "Gamma", "Kumaraswamy", "Weibull"]


@pytest.mark.parametrize("name", DENSITIES)
def test_cdf_density_and_quantile_agree(name):
    @settings(max_examples=15, deadline=None, derandomize=True)
    @given(st.tuples(*DENSITIES[name]), st.tuples(share, share))
    def check(parameters, ps):
        d = getattr(D, name)(*parameters)
        low, high = (float(d.icdf(cr.tensor(p))) for p in sorted(ps))
        same(d.cdf([low, high]), np.sort(ps), rtol=1e-6)
        if name in POLES:  # over the logarithm of x, in which the density has none
            start, end = np.log(low), np.log(high)
            mass, error = integrate.quad(lambda t: float((d.log_prob(np.exp(t)) + t).exp()), start, end, limit=200)
        else:
            mass, error = integrate.quad(lambda x: float(d.log_prob(x).exp()), low, high, limit=200)
        assert abs(mass - abs(ps[1] - ps[0])) < 1e-6 + 10 * error
        same(cr.grad(lambda x: d.cdf(x))(np.float64(low)), d.log_prob(low).exp(), rtol=1e-6)

    check()


COUNTED = {"Binomial": (st.integers(1, 9), share), "Geometric": (share,), "NegativeBinomial": (size, share), "Poisson": (size,)}


@pytest.mark.parametrize("name", COUNTED)
def test_probabilities_add_up(name):
    @settings(max_examples=15, deadline=None, derandomize=True)
    @given(st.tuples(*COUNTED[name]))
    def check(parameters):
        d = getattr(D, name)(*parameters)
        k = np.arange(10.0) if name == "Binomial" else np.arange(2000.0)
        k = k[: parameters[0] + 1] if name == "Binomial" else k
        p = np.exp(np.asarray(d.log_prob(k)))
        same(p.sum(), 1.0, rtol=1e-8)
        same((p * k).sum(), d.mean, rtol=1e-6)
        same((p * (k - float(d.mean)) ** 2).sum(), d.variance, rtol=1e-6)
        if name != "Geometric":
            same(d.cdf(k[:5]), np.cumsum(p)[:5], rtol=1e-7)

    check()


@pytest.mark.parametrize("name", DENSITIES)
def test_divergences_are_positive(name):
    @settings(max_examples=15, deadline=None, derandomize=True)
    @given(st.tuples(*DENSITIES[name]), st.tuples(*DENSITIES[name]))
    def check(p, q):
        p, q = getattr(D, name)(*p), getattr(D, name)(*q)
        try:
            assert abs(float(D.kl_divergence(p, p))) < 1e-9 and float(D.kl_divergence(p, q)) >= -1e-9
        except NotImplementedError:
            assert name in ("Chi2", "FisherSnedecor", "GeneralizedPareto", "Kumaraswamy", "StudentT", "Weibull")

    check()


@pytest.mark.parametrize("p, q", [("Uniform", "Beta"), ("Normal", "Gumbel"), ("Gamma", "Gumbel"), ("Wishart", "Wishart")])
def test_divergences_are_means_over_samples(p, q):
    p = D.Uniform(0.2, 0.7) if p == "Uniform" else D.Wishart(5.0, np.eye(2)) if p == "Wishart" else getattr(D, p)(1.5, 0.7)
    q = D.Wishart(4.0, 1.5 * np.eye(2)) if q == "Wishart" else getattr(D, q)(1.2, 1.8)
    cr.manual_seed(0)
    x = p.sample((40000,))
    gap = np.asarray(p.log_prob(x) - q.log_prob(x))
    assert abs(gap.mean() - float(D.kl_divergence(p, q))) < 5 * gap.std() / 200


def test_modes_are_where_the_density_is_largest():
    cases = [
        D.Weibull(2.0, A + 1),
        D.Kumaraswamy(A + 1.2, 2.5),
        D.Beta(A + 0.4, 2.0),
        D.VonMises(0.5, A),
        D.FisherSnedecor(5.0, A),
    ]
    for d in cases:
        for step in -1e-3, 1e-3:
            assert bool((d.log_prob(d.mode) >= d.log_prob(d.mode + step)).all()), d
    assert D.Weibull(2.0, 0.7).mode == 0 and np.isnan(D.Kumaraswamy(0.5, 2.0).mode)
    same(D.Dirichlet([0.5, 0.3, 0.7]).mode, [0, 0, 1])  # the corner where the pole is strongest
    same(D.Dirichlet([3.0, 1.0, 2.0]).mode, [2 / 3, 0, 1 / 3])


def test_mixture_and_independent():
    which, comps = D.Categorical(probs=PROBS[0]), D.Normal(np.array([-2.0, 0.0, 3.0]), np.array([0.5, 1.0, 2.0]))
    d = D.MixtureSameFamily(which, comps)
    x = np.linspace(-12, 15, 20001)
    p = np.exp(np.asarray(d.log_prob(x)))
    same(integrate.trapezoid(p, x), 1.0, rtol=1e-6)
    same(integrate.trapezoid(p * x, x), d.mean, rtol=1e-5)
    same(integrate.trapezoid(p * (x - float(d.mean)) ** 2, x), d.variance, rtol=1e-5)
    same(d.cdf(x[-1]), 1.0, rtol=1e-6)
    cr.manual_seed(0)
    assert abs(float(d.sample((20000,)).mean()) - float(d.mean)) < 0.1
    vectors = D.MixtureSameFamily(which, D.Independent(D.Normal(np.zeros((4, 3, 2)), 1.0), 1))
    assert vectors.batch_shape == (4,) and vectors.event_shape == (2,) and vectors.sample((5,)).shape == (5, 4, 2)
    assert vectors.log_prob(np.zeros((5, 4, 2))).shape == (5, 4) and vectors.mean.shape == (4, 2) == vectors.variance.shape
    assert vectors.expand((6, 4)).sample().shape == (6, 4, 2)
    both = D.Independent(D.Normal(np.zeros((4, 3)), np.ones(3)), 1)
    same(both.log_prob(np.ones((4, 3))), D.Normal(0.0, 1.0).log_prob(np.ones((4, 3))).sum(-1))
    same(D.kl_divergence(both, D.Independent(D.Normal(np.ones(3), 1.0), 1)), np.full(4, 1.5))
    with pytest.raises(ValueError, match="batch has shape"):
        D.Independent(D.Normal(0.0, 1.0), 1)


def test_transformed():
    base = D.Normal(np.zeros(3), 1.0)
    d = D.TransformedDistribution(base, [D.AffineTransform(1.0, -2.0), D.SigmoidTransform()])
    x = np.array([0.2, 0.5, 0.9])
    z = (np.log(x / (1 - x)) - 1) / -2
    same(d.log_prob(x), base.log_prob(z) - np.log(2 * x * (1 - x)))
    same(d.cdf(x), 1 - base.cdf(z))
    same(d.icdf(d.cdf(x)), x)
    wide = D.TransformedDistribution(D.Normal(0.0, 1.0), D.AffineTransform(np.zeros(2), 1.0))
    assert wide.batch_shape == (2,) and wide.sample((4,)).shape == (4, 2)
    simplex = D.TransformedDistribution(base, D.StickBreakingTransform())
    assert simplex.event_shape == (4,) and simplex.log_prob(simplex.sample((5,))).shape == (5,)
    assert simplex.expand((6,)).sample().shape == (6, 4)
    flow = cr.nn.Linear(3, 3)
    shifted = D.TransformedDistribution(base, [D.AffineTransform(flow.bias.double(), 1.0)])
    shifted.log_prob(np.ones(3)).sum().backward()
    assert flow.bias.grad is not None


def test_a_class_of_ones_own():
    class Rate(D.ExponentialFamily):
        arg_constraints = {"rate": D.constraints.positive}  # noqa: RUF012
        support = D.constraints.nonnegative

        def __init__(self, rate, validate_args=None):
            self.rate = rate
            super().__init__(rate.shape, validate_args=validate_args)

        _natural_params = property(lambda self: (-self.rate,))
        _mean_carrier_measure = 0

        def _log_normalizer(self, x):
            return -cr.log(-x)

    rate = cr.tensor([0.5, 2.0])
    same(Rate(rate).entropy(), D.Exponential(rate).entropy())
    same(D.kl_divergence(Rate(rate), Rate(3 * rate)), D.kl_divergence(D.Exponential(rate), D.Exponential(3 * rate)))
    with pytest.raises(ValueError, match="`rate` must be greater than 0"):
        Rate(-rate)


@pytest.mark.parametrize(
    "wrong, message",
    [
        (lambda: D.Normal(0.0, -1.0), r"Normal: `scale` must be greater than 0\n  scale: -1.0\n  help: "),
        (lambda: D.Normal(np.nan, 1.0), "Normal: `loc` must be a number"),
        (lambda: D.Normal([0.0, 1.0], cr.tensor([1.0, 0.0])), "`scale` must be greater than 0"),
        (lambda: D.Uniform(1.0, 1.0), "Uniform: `low` must be less than `high`"),
        (lambda: D.Bernoulli(probs=1.5), "Bernoulli: `probs` must be between 0 and 1"),
        (lambda: D.Bernoulli(), "exactly one of `probs` and `logits`"),
        (lambda: D.Categorical(probs=[0.5, 0.5], logits=[0.0, 0.0]), "exactly one of `probs` and `logits`"),
        (lambda: D.Categorical(probs=[-0.5, 1.5]), "`probs` must be probabilities"),
        (lambda: D.Categorical(logits=1.0), "`logits` needs an axis"),
        (lambda: D.Binomial(2.5, probs=0.5), "`total_count` must be a whole number"),
        (lambda: D.Geometric(probs=0.0), "`probs` must be greater than 0"),
        (lambda: D.MultivariateNormal(np.zeros(2), -np.eye(2)), "`covariance_matrix` must be a positive definite matrix"),
        (lambda: D.MultivariateNormal(np.zeros(2), scale_tril=np.ones((2, 2))), "`scale_tril` must be a lower triangular"),
        (lambda: D.MultivariateNormal(np.zeros(2)), "exactly one of covariance_matrix, precision_matrix, scale_tril"),
        (lambda: D.Wishart(0.5, np.eye(2)), "`df` must be greater than 1"),
        (lambda: D.LKJCholesky(1), "`dim` must be an int of at least 2"),
        (lambda: D.Exponential(1.0).log_prob(-1.0), r"Exponential: a value must be at least 0\n  value: -1.0"),
        (lambda: D.Bernoulli(0.5).log_prob(0.5), "a value must be 0 or 1"),
        (lambda: D.Categorical(probs=PROBS).log_prob(3), "a value must be a whole number from 0 to 2"),
        (lambda: D.Normal(np.zeros(3), 1.0).log_prob(np.zeros(2)), r"value: \(2,\)    batch_shape: \(3,\)"),
        (lambda: D.Dirichlet(np.ones(3)).log_prob(np.ones(2) / 2), r"event_shape: \(3,\)"),
        (lambda: D.Dirichlet(np.ones(3)).log_prob(np.ones(3)), "probabilities that add up to 1"),
        (lambda: D.Normal.set_default_validate_args(2), "True or False"),
        (lambda: D.ReshapeTransform((2,), (3,)), "different numbers of elements"),
        (lambda: D.MixtureSameFamily(D.Categorical(probs=PROBS[0]), D.Normal(0.0, 1.0)), "3 categories"),
    ],
)
def test_errors(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()


def test_what_is_not_there():
    with pytest.raises(NotImplementedError, match="no closed form of Poisson and Normal"):
        D.kl_divergence(D.Poisson(1.0), D.Normal(0.0, 1.0))
    with pytest.raises(NotImplementedError, match="one `total_count`"):
        D.Binomial([2, 3], probs=0.5).enumerate_support()
    with pytest.raises(NotImplementedError, match="no closed form of its entropy"):
        D.Poisson(1.0).entropy()


def test_checks_can_be_left_out():
    assert D.Normal(0.0, -1.0, validate_args=False).scale == -1
    assert D.Uniform(0.0, 1.0, validate_args=False).log_prob(2.0) == -math.inf
    D.Distribution.set_default_validate_args(False)
    try:
        D.Normal(0.0, -1.0)
    finally:
        D.Distribution.set_default_validate_args(True)
    with pytest.raises(ValueError, match="scale"):
        D.Normal(0.0, -1.0)


def test_checks_look_below_transforms():
    """Inside of grad, vmap and the first run of a compiled program, numbers are there to be looked at."""
    for transform in cr.grad, cr.compile, cr.vmap:
        x = np.array([1.0, -1.0]) if transform is cr.vmap else np.array(-1.0)
        with pytest.raises(ValueError, match="`scale` must be greater than 0"):
            transform(lambda s: D.Normal(0.0, s).log_prob(0.0))(x)
    low, high = np.array([0.0, 5.0]), np.array([1.0, 6.0])  # bounds of one entry are not compared with values of another
    found = cr.vmap(lambda a, b: D.Uniform(a, b).log_prob(a * np.ones(3)))(low, high)
    same(found, np.zeros((2, 3)))


def test_in_loops_and_checkpoints():
    def walk(x):
        return cr.scan(lambda x, _: (x + D.Normal(0.0, 1.0).sample(), D.Normal(x, 1.0).log_prob(0.0)), x, np.arange(3))[1]

    cr.manual_seed(0)
    first = walk(cr.tensor(0.0))
    cr.manual_seed(0)
    same(cr.compile(walk)(cr.tensor(0.0)), first.detach())
    cr.manual_seed(1)
    plain = cr.grad(lambda m: D.Gamma(m, 1.0).rsample((4,)).sum())(np.float64(2.0))
    cr.manual_seed(1)
    same(cr.grad(lambda m: cr.checkpoint(lambda m: D.Gamma(m, 1.0).rsample((4,)).sum())(m))(np.float64(2.0)), plain)


def test_learning_a_distribution():
    """Maximum likelihood of a gamma distribution, by gradients through transforms of its constraints."""
    cr.manual_seed(0)
    data = D.Gamma(3.0, 2.0).sample((2000,))
    to = D.transform_to(D.Gamma.arg_constraints["rate"])
    free = cr.tensor(np.zeros(2), requires_grad=True)
    optimizer = cr.optim.Adam([free], lr=0.05)

    @cr.compile
    def step():
        optimizer.zero_grad()
        loss = -D.Gamma(*to(free)).log_prob(data).mean()
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(300):
        step()
    same(to(free), [3.0, 2.0], rtol=0.1)


def test_a_policy():
    """Score functions: log_prob of a sampled action."""
    cr.manual_seed(0)
    net = cr.nn.Linear(4, 3)
    d = D.Categorical(logits=net(np.ones((5, 4))))
    (-d.log_prob(d.sample()) - 0.01 * d.entropy()).mean().backward()
    assert net.weight.grad.shape == (3, 4) and d.log_prob(0).shape == (5,)
    same(D.Categorical(logits=LOGITS).probs.sum(-1), np.ones(2))
