"""Samples have the distributions that SciPy says, and their derivatives are those of the distributions."""

from itertools import pairwise

import numpy as np
import pytest
import scipy.stats as st

import chainrule as cr
from chainrule.ops.random import below

N = 20_000


def rng(seed=0):
    return cr.random.default_rng(seed)


CONTINUOUS = {
    "random": (lambda g, n: g.random(n), st.uniform()),
    "uniform": (lambda g, n: g.uniform(-1.0, 3.0, n), st.uniform(-1, 4)),
    "triangular": (lambda g, n: g.triangular(-1.0, 0.5, 2.0, n), st.triang(0.5, -1, 3)),
    "standard_normal": (lambda g, n: g.standard_normal(n), st.norm()),
    "normal": (lambda g, n: g.normal(2.0, 3.0, n), st.norm(2, 3)),
    "lognormal": (lambda g, n: g.lognormal(0.3, 0.7, n), st.lognorm(0.7, scale=np.exp(0.3))),
    "laplace": (lambda g, n: g.laplace(1.0, 2.0, n), st.laplace(1, 2)),
    "logistic": (lambda g, n: g.logistic(1.0, 2.0, n), st.logistic(1, 2)),
    "gumbel": (lambda g, n: g.gumbel(1.0, 2.0, n), st.gumbel_r(1, 2)),
    "standard_cauchy": (lambda g, n: g.standard_cauchy(n), st.cauchy()),
    "standard_exponential": (lambda g, n: g.standard_exponential(n), st.expon()),
    "exponential": (lambda g, n: g.exponential(2.0, n), st.expon(scale=2)),
    "rayleigh": (lambda g, n: g.rayleigh(2.0, n), st.rayleigh(scale=2)),
    "pareto": (lambda g, n: g.pareto(2.5, n), st.lomax(2.5)),
    "weibull": (lambda g, n: g.weibull(1.7, n), st.weibull_min(1.7)),
    "power": (lambda g, n: g.power(1.7, n), st.powerlaw(1.7)),
    "standard_gamma": (lambda g, n: g.standard_gamma(1.7, n), st.gamma(1.7)),
    "gamma": (lambda g, n: g.gamma(0.4, 2.0, n), st.gamma(0.4, scale=2)),
    "gamma of a large shape": (lambda g, n: g.gamma(1e5, 2.0, n), st.gamma(1e5, scale=2)),
    "chisquare": (lambda g, n: g.chisquare(3.0, n), st.chi2(3)),
    "noncentral_chisquare": (lambda g, n: g.noncentral_chisquare(3.0, 2.0, n), st.ncx2(3, 2)),
    "noncentral_chisquare, few": (lambda g, n: g.noncentral_chisquare(0.5, 2.0, n), st.ncx2(0.5, 2)),
    "noncentral_chisquare, one": (lambda g, n: g.noncentral_chisquare(1.0, 2.0, n), st.ncx2(1, 2)),
    "f": (lambda g, n: g.f(3.0, 7.0, n), st.f(3, 7)),
    "noncentral_f": (lambda g, n: g.noncentral_f(3.0, 7.0, 2.0, n), st.ncf(3, 7, 2)),
    "standard_t": (lambda g, n: g.standard_t(3.0, n), st.t(3)),
    "beta": (lambda g, n: g.beta(0.6, 2.0, n), st.beta(0.6, 2)),
    "dirichlet": (lambda g, n: g.dirichlet([0.6, 1.5, 0.5], n)[:, 0], st.beta(0.6, 2)),
    "vonmises": (lambda g, n: g.vonmises(0.0, 2.0, n), st.vonmises(2)),
    "wald": (lambda g, n: g.wald(2.0, 3.0, n), st.invgauss(2 / 3, scale=3)),
}
DISCRETE = {
    "integers": (lambda g, n: g.integers(3, 8, n), st.randint(3, 8)),
    "bernoulli": (lambda g, n: g.bernoulli(0.3, n), st.bernoulli(0.3)),
    "categorical": (
        lambda g, n: g.categorical(np.log([0.2, 0.5, 0.3]), n),
        st.rv_discrete(values=([0, 1, 2], [0.2, 0.5, 0.3])),
    ),
    "poisson": (lambda g, n: g.poisson(4.0, n), st.poisson(4)),
    "binomial": (lambda g, n: g.binomial(9, 0.3, n), st.binom(9, 0.3)),
    "negative_binomial": (lambda g, n: g.negative_binomial(3, 0.4, n), st.nbinom(3, 0.4)),
    "geometric": (lambda g, n: g.geometric(0.3, n), st.geom(0.3)),
    "hypergeometric": (lambda g, n: g.hypergeometric(7, 9, 6, n), st.hypergeom(16, 7, 6)),
    "logseries": (lambda g, n: g.logseries(0.6, n), st.logser(0.6)),
    "zipf": (lambda g, n: g.zipf(3.0, n), st.zipf(3)),
    "multinomial": (lambda g, n: g.multinomial(9, [0.3, 0.7], n)[:, 0], st.binom(9, 0.3)),
    "multivariate_hypergeometric": (
        lambda g, n: g.multivariate_hypergeometric([7, 9], 6, n)[:, 0],
        st.hypergeom(16, 7, 6),
    ),
    "choice": (lambda g, n: g.choice([3, 4, 5], n), st.randint(3, 6)),
    "choice with probabilities": (
        lambda g, n: g.choice(3, n, p=[0.2, 0.5, 0.3]),
        st.rv_discrete(values=([0, 1, 2], [0.2, 0.5, 0.3])),
    ),
}


@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous(name):
    draw, law = CONTINUOUS[name]
    sample = np.asarray(draw(rng(3), N))
    assert sample.shape == (N,) and sample.dtype == np.float64
    assert st.kstest(sample, law.cdf).pvalue > 1e-3
    # Half of a sample says nothing about the other half.
    assert abs(st.spearmanr(sample[::2], sample[1::2])[0]) < 4 / np.sqrt(N / 2)


@pytest.mark.parametrize("name", DISCRETE)
def test_discrete(name):
    draw, law = DISCRETE[name]
    sample = np.asarray(draw(rng(3), N)).astype(int)
    values = np.arange(sample.min(), sample.max() + 1)
    expected = N * law.pmf(values)
    enough = expected > 5
    found = np.array([(sample == v).sum() for v in values[enough]] + [(~np.isin(sample, values[enough])).sum()])
    expected = np.append(expected[enough], N - expected[enough].sum())
    if expected[-1] < 5:  # too few to count
        found, expected = found[:-1], expected[:-1] * found[:-1].sum() / expected[:-1].sum()
    assert st.chisquare(found, expected * found.sum() / expected.sum()).pvalue > 1e-3


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int32, np.int64, np.uint64, bool])
def test_integers_reach_both_ends(dtype):
    least, most = (0, 1) if dtype is bool else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    x = rng(1).integers(least, most, 4000, dtype=dtype, endpoint=True)
    assert x.dtype == dtype
    half = (np.asarray(x, object) * 2 > least + most).mean()
    assert abs(half - 0.5) < 0.04
    assert np.asarray(rng(1).integers(most, most, 3, dtype=dtype, endpoint=True)).tolist() == [most] * 3


def test_integers_are_products_of_128_bits():
    words = np.array([0, 1, 2**32 - 1, 2**32, 2**63, 2**64 - 1, 0x123456789ABCDEF0], np.uint64)
    counts = np.array([1, 2, 3, 2**32 - 1, 2**32 + 1, 2**63 + 1, 2**64 - 1, 0], np.uint64)  # 0 stands for 2**64
    first, second, count = (x.ravel() for x in np.meshgrid(words, words, counts))
    expected = [
        ((a << 64 | b) * (n or 2**64)) >> 128 for a, b, n in zip(first.tolist(), second.tolist(), count.tolist(), strict=True)
    ]
    assert below(first, second, count).tolist() == expected


def test_integers_of_a_range_that_is_no_power_of_two():
    """A range of two thirds of all words: taking the remainder would favour the lower half two to one."""
    x = np.asarray(rng(2).integers(0, 2**64 // 3 * 2, 20_000, dtype=np.uint64))
    assert abs((x < np.uint64(2**64 // 3)).mean() - 0.5) < 0.02


def test_multivariate_normal():
    mean, cov = np.array([1.0, -1.0, 0.5]), np.array([[2.0, 0.6, 0.0], [0.6, 1.0, -0.3], [0.0, -0.3, 0.5]])
    for method in ("svd", "eigh", "cholesky"):
        x = np.asarray(rng(4).multivariate_normal(mean, cov, 40_000, method=method))
        np.testing.assert_allclose(x.mean(0), mean, atol=0.03)
        np.testing.assert_allclose(np.cov(x.T), cov, atol=0.04)
        assert st.kstest((x @ [1, 2, 3] - mean @ [1, 2, 3]) / np.sqrt([1, 2, 3] @ cov @ [1, 2, 3]), "norm").pvalue > 1e-3


# --- derivatives ------------------------------------------------------------------------------------------------------

PARAMETERS = {
    "uniform": (1.0, 3.0),
    "triangular": (-1.0, 0.5, 2.0),
    "normal": (0.3, 1.2),
    "lognormal": (0.3, 0.7),
    "laplace": (0.3, 1.2),
    "logistic": (0.3, 1.2),
    "gumbel": (0.3, 1.2),
    "exponential": (1.3,),
    "rayleigh": (1.3,),
    "pareto": (4.5,),
    "weibull": (1.7,),
    "power": (1.7,),
    "standard_gamma": (0.8,),
    "gamma": (0.6, 2.0),
    "chisquare": (3.0,),
    "noncentral_chisquare": (3.0, 2.0),
    "f": (3.0, 9.0),
    "noncentral_f": (3.0, 9.0, 1.5),
    "standard_t": (7.0,),
    "beta": (0.6, 2.0),
    "vonmises": (0.2, 2.0),
    "wald": (2.0, 3.0),
}


def richardson(f, x, h=0.02):
    steps = [(f(x + h / 2**k) - f(x - h / 2**k)) / (2 * h / 2**k) for k in range(4)]
    for j in range(1, 4):
        steps = [(4**j * b - a) / (4**j - 1) for a, b in pairwise(steps)]
    return steps[0]


@pytest.mark.parametrize("name", PARAMETERS)
def test_derivative_of_a_sample_at_fixed_bits(name):
    """In each parameter, and once more: each sample is a smooth function of its parameters."""
    values = PARAMETERS[name]

    for i in range(len(values)):

        def sample(p, i=i):
            return getattr(rng(5), name)(*values[:i], p, *values[i + 1 :], size=200)

        def slope(p):
            return cr.jvp(sample, (p,), (np.ones(()),))[1]

        p = np.array(values[i])
        # Samples at which a piece of the distribution function ends are left out: there are a few of 200 at most.
        for f, df in ((sample, slope), (slope, lambda p: cr.jvp(slope, (p,), (np.ones(()),))[1])):
            found, expected = np.asarray(df(p)), richardson(lambda x, f=f: np.asarray(f(np.array(x))), float(p))
            wrong = np.abs(found - expected) > 1e-6 * (1 + np.abs(expected))
            assert wrong.sum() <= (6 if name in ("triangular", "vonmises") else 0), (found[wrong], expected[wrong])


MOMENTS = {  # (f, E[f(X)] as a function of the parameters)
    "uniform": (np.square, lambda a, b: (a * a + a * b + b * b) / 3),
    "normal": (np.square, lambda m, s: m * m + s * s),
    "laplace": (np.square, lambda m, s: m * m + 2 * s * s),
    "exponential": (np.square, lambda s: 2 * s * s),
    "gamma": (np.square, lambda k, s: k * (k + 1) * s * s),
    "beta": (np.square, lambda a, b: a * (a + 1) / ((a + b) * (a + b + 1))),
    "standard_t": (np.square, lambda df: df / (df - 2)),
    "f": (lambda x: x, lambda a, b: b / (b - 2)),
    "chisquare": (np.square, lambda df: df * (df + 2)),
    "noncentral_chisquare": (lambda x: x, lambda df, nonc: df + nonc),
    "vonmises": (np.cos, lambda mu, k: st.vonmises(k).expect(np.cos) * np.cos(mu)),
    "wald": (np.square, lambda m, s: m * m + m**3 / s),
    "weibull": (np.square, lambda a: st.weibull_min(a).moment(2)),
}


@pytest.mark.parametrize("name", MOMENTS)
def test_derivative_of_an_expectation(name):
    f, moment = MOMENTS[name]
    values = PARAMETERS[name]

    def estimate(*ps):
        return f(getattr(rng(6), name)(*ps, size=40_000)).mean()

    slopes = cr.grad(estimate, argnums=tuple(range(len(values))))(*map(np.array, values))
    for i, slope in enumerate(slopes):
        expected = richardson(lambda p, i=i: moment(*values[:i], p, *values[i + 1 :]), values[i])
        assert abs(slope - expected) < 0.06 * (1 + abs(expected)), (i, slope, expected)


def test_dirichlet_of_small_concentrations():
    """Weights far below the least floating point number: the sample is still on the simplex, and so is its derivative."""
    alpha = np.array([1e-3, 2e-3, 1e-3])
    x, slope = cr.jvp(lambda a: rng(1).dirichlet(a, 500), (alpha,), (np.array([1.0, 0.0, 0.0]),))
    assert np.isfinite(x).all() and np.isfinite(slope).all()
    np.testing.assert_allclose(x.sum(-1), 1)
    np.testing.assert_allclose(slope.sum(-1), 0, atol=1e-9 * np.abs(slope).max())


def test_derivatives_of_a_multivariate_normal():
    mean, cov = np.array([1.0, -1.0]), np.array([[2.0, 0.6], [0.6, 1.0]])
    w = np.array([0.3, -0.7])

    def estimate(mean, cov, method):  # E[(w.x)^2] = (w.mean)^2 + w.cov.w
        return np.square(rng(2).multivariate_normal(mean, cov, 60_000, method=method) @ w).mean()

    for method in ("svd", "cholesky"):
        for c in (cov, np.eye(2)):
            dm, dc = cr.grad(lambda m, c, method=method: estimate(m, c, method), argnums=(0, 1))(mean, c)
            np.testing.assert_allclose(dm, 2 * (w @ mean) * w, atol=0.03)
            np.testing.assert_allclose((dc + dc.T) / 2, np.outer(w, w), atol=0.02)


def test_counts_have_no_derivative():
    lam = cr.tensor(3.0, requires_grad=True)
    for x in (
        rng().poisson(lam),
        rng().binomial(5, lam / 10),
        rng().categorical(cr.stack([lam, lam])),
        rng().bernoulli(lam / 9),
    ):
        assert not x.requires_grad


@pytest.mark.parametrize("name", ["poisson", "geometric", "bernoulli", "categorical", "choice"])
def test_a_gradient_that_only_counts_could_carry_warns(name):
    def total(x):
        return (rng().choice(3, 4, p=x) if name == "choice" else getattr(rng(), name)(x)).sum() * 1.0

    with pytest.warns(cr.errors.ZeroGradientWarning, match=r"(?s)zero everywhere.*random|argmax|less|searchsorted"):
        assert not np.any(cr.grad(total)(np.full(3, 1 / 3)))


def test_relaxations():
    logits = np.log([0.2, 0.5, 0.3])
    soft = rng(1).gumbel_softmax(np.broadcast_to(logits, (5000, 3)), 0.1)
    np.testing.assert_allclose(soft.sum(-1), 1)
    np.testing.assert_allclose((soft > 0.5).mean(0), [0.2, 0.5, 0.3], atol=0.03)
    w = np.array([1.0, -2.0, 0.5])
    value, slope = cr.value_and_grad(lambda x: rng(1).gumbel_softmax(x, 0.7, hard=True) @ w)(logits)
    expected = cr.grad(lambda x: rng(1).gumbel_softmax(x, 0.7) @ w)(logits)
    assert float(value) in w and np.any(slope)
    np.testing.assert_allclose(slope, expected)
    hard = rng(1).relaxed_bernoulli(np.full(4000, 0.4), 0.5, hard=True)
    assert set(np.asarray(hard).tolist()) == {0.0, 1.0}
    assert abs(np.asarray(hard).mean() - 1 / (1 + np.exp(-0.4))) < 0.03


@pytest.mark.parametrize("name", PARAMETERS)
def test_dtype_follows_the_parameters(name):
    values = PARAMETERS[name]
    single = [np.array(v, np.float32) for v in values]
    found = getattr(rng(5), name)(*single, size=50)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, getattr(rng(5), name)(*map(float, single), size=50), rtol=3e-5, atol=3e-6)
    assert getattr(rng(5), name)(*values, size=3, dtype=np.float32).dtype == np.float32
    slopes = cr.grad(lambda *p: getattr(rng(5), name)(*p, size=50).sum(), argnums=tuple(range(len(values))))(*single)
    assert all(s.dtype == np.float32 and np.isfinite(s) for s in slopes)
