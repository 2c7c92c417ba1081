"""chainrule.stats beside scipy.stats: values of all methods, and derivatives in the place and in all parameters."""

import numpy as np
import pytest
import scipy.stats

import chainrule as cr
from chainrule import stats
from chainrule.errors import ArgumentError

CONTINUOUS = {
    "norm": (), "halfnorm": (), "lognorm": (0.7,), "expon": (), "gamma": (2.3,), "chi2": (3.1,), "invgamma": (2.2,),
    "beta": (1.7, 2.6), "f": (3.2, 5.4), "t": (3.3,), "cauchy": (), "halfcauchy": (), "laplace": (), "logistic": (),
    "uniform": (), "pareto": (2.4,), "powerlaw": (1.6,), "rayleigh": (), "weibull_min": (1.8,), "gumbel_r": (),
    "gumbel_l": (),
}  # fmt: skip
DISCRETE = {"bernoulli": (0.3,), "binom": (7, 0.4), "geom": (0.35,), "nbinom": (3.5, 0.4), "poisson": (2.7,)}
METHODS = ["pdf", "logpdf", "cdf", "logcdf", "sf", "logsf"]
LOC, SCALE = 0.4, 1.3
Q = np.array([0.001, 0.2, 0.5, 0.83, 0.999])


def close(found, expected, rtol=1e-12, atol=1e-14):
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)


def places(theirs, *parameters):
    inside = theirs.ppf(Q, *parameters)
    return np.concatenate([inside, [-7.0, -1e3, 1e3, np.nan, np.inf, -np.inf]])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", CONTINUOUS)
@pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")
def test_values(name, method):
    ours, theirs, shapes = getattr(stats, name), getattr(scipy.stats, name), CONTINUOUS[name]
    x = places(theirs, *shapes, LOC, SCALE)
    expected = getattr(theirs, method)(x, *shapes, LOC, SCALE)
    exact = np.isnan(x) | ~np.isnan(expected)  # SciPy has NaN for some densities at infinity
    if "log" in method:  # and logarithms of what has underflowed
        exact &= ~(expected < -700)
    for found in (
        getattr(ours, method)(x, *shapes, LOC, SCALE),
        getattr(ours(*shapes, loc=LOC, scale=SCALE), method)(x),
        getattr(ours, method)(cr.tensor(x), *shapes, loc=LOC, scale=SCALE).numpy(),
        cr.compile(lambda x: getattr(ours, method)(x, *shapes, LOC, SCALE))(x),
    ):
        close(found[exact], expected[exact], 2e-12, 1e-300 if "log" not in method else 1e-15)
        assert np.isnan(found[~exact]).sum() == 0


@pytest.mark.parametrize("method", ["ppf", "isf"])
@pytest.mark.parametrize("name", CONTINUOUS)
@pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")
def test_quantiles(name, method):
    shapes = CONTINUOUS[name]
    q = np.concatenate([Q, [0.0, 1.0, -0.1, 1.1, np.nan]])
    expected = getattr(getattr(scipy.stats, name), method)(q, *shapes, LOC, SCALE)
    np.testing.assert_allclose(getattr(getattr(stats, name), method)(q, *shapes, LOC, SCALE), expected, rtol=1e-9)


@pytest.mark.parametrize("method", [*METHODS, "ppf"])
@pytest.mark.parametrize("name", CONTINUOUS)
def test_derivatives_in_place_and_parameters(name, method):
    """Beside differences of SciPy's own values."""
    ours, theirs, shapes = getattr(stats, name), getattr(scipy.stats, name), CONTINUOUS[name]
    q = np.array([0.2, 0.47, 0.83])
    x = q if method == "ppf" else theirs.ppf(q, *shapes, LOC, SCALE)
    arguments = [x, *(np.array(s) for s in (*shapes, LOC, SCALE))]

    def f(*a):
        return (np.array([0.7, -1.2, 0.9]) * getattr(ours, method)(*a)).sum()

    found = cr.grad(f, tuple(range(len(arguments))))(*arguments)
    for k, a in enumerate(arguments):
        h = 1e-5
        for i in np.ndindex(a.shape):

            def at(step, k=k, i=i):
                moved = [b.astype(float).copy() for b in arguments]
                moved[k][i] += step
                return (np.array([0.7, -1.2, 0.9]) * getattr(theirs, method)(*moved)).sum()

            slope = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)
            np.testing.assert_allclose(found[k][i], slope, rtol=1e-6, atol=1e-8)
    outside = cr.grad(lambda x: ours.cdf(x, *shapes, LOC, SCALE))(-7e3)
    assert np.isfinite(outside)


@pytest.mark.parametrize("name", DISCRETE)
@pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")
def test_discrete(name):
    ours, theirs, shapes = getattr(stats, name), getattr(scipy.stats, name), DISCRETE[name]
    k = np.array([0, 1, 2, 3, 7, 8, 2.5, -1, 40, np.nan])
    for method in ("pmf", "logpmf", "cdf", "logcdf", "sf", "logsf"):
        for loc in (0, 1):
            expected = getattr(theirs, method)(k, *shapes, loc)
            found = getattr(ours, method)(k, *shapes, loc)
            np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-15)
            np.testing.assert_allclose(getattr(ours(*shapes, loc=loc), method)(k), expected, rtol=1e-11, atol=1e-15)
    k = np.array([1.0, 2.0, 3.0])
    p, h = shapes[-1], 1e-5
    for method in ("logpmf", "cdf"):

        def at(p, method=method):
            return getattr(theirs, method)(k[0], *shapes[:-1], p)

        slope = (8 * (at(p + h) - at(p - h)) - (at(p + 2 * h) - at(p - 2 * h))) / (12 * h)
        close(cr.grad(lambda p, method=method: getattr(ours, method)(k[0], *shapes[:-1], p))(p), slope, 1e-7)


def test_parameters_that_make_no_distribution():
    assert np.isnan(stats.norm.cdf(1.0, 0.0, -1.0)) and np.isnan(stats.gamma.logpdf([1.0, 2.0], -1.0)).all()
    assert np.isnan(stats.binom.pmf(1, 2.5, 0.5)) and np.isnan(stats.poisson.pmf(1, -0.5))
    for call in (
        lambda: stats.gamma.pdf(1.0),
        lambda: stats.norm.pdf(1.0, 0.0, 1.0, 2.0),
        lambda: stats.norm.pdf(1.0, mean=2.0),
        lambda: stats.norm.pdf(1.0, 0.0, loc=2.0),
        lambda: stats.t(),
    ):
        with pytest.raises(ArgumentError, match="has the parameters"):
            call()


def test_second_derivatives_vmap_and_float32():
    close(
        cr.hessian(lambda m: stats.norm.logpdf(2.0, m[0], m[1]))(np.array([0.5, 2.0])), [[-0.25, -0.375], [-0.375, -0.171875]]
    )
    x = np.linspace(0.1, 3, 5)
    close(cr.vmap(lambda a: stats.gamma.cdf(1.5, a))(x), scipy.stats.gamma.cdf(1.5, x))
    assert stats.norm.logpdf(np.float32(2.0), np.float32(0.5), np.float32(2)).dtype == np.float32


def test_vectors():
    rng = np.random.default_rng(0)
    m, a, x = rng.normal(size=3), rng.normal(size=(3, 3)), rng.normal(size=(4, 3))
    cov = a @ a.T + np.eye(3)
    theirs = scipy.stats.multivariate_normal
    close(stats.multivariate_normal.logpdf(x, m, cov), theirs.logpdf(x, m, cov))
    close(stats.multivariate_normal(m, cov).pdf(x), theirs.pdf(x, m, cov))
    for args in [(x[0],), (x, m), (x[0], None, 2.0), (x, m, [1.0, 2.0, 3.0]), (0.7,), ([0.3, 0.8], 0.2, 1.4)]:
        close(stats.multivariate_normal.logpdf(*args), theirs.logpdf(*args))
    d = x[0] - m
    close(cr.grad(lambda m: stats.multivariate_normal.logpdf(x[0], m, cov))(m), np.linalg.solve(cov, d))
    with pytest.raises(ArgumentError, match="singular"):
        stats.multivariate_normal.pdf(x, m, cov, allow_singular=True)
    alpha, p = np.array([1.2, 2.3, 0.8]), np.array([0.2, 0.5, 0.3])
    theirs = scipy.stats.dirichlet
    close(stats.dirichlet.logpdf(p, alpha), theirs.logpdf(p, alpha))
    close(stats.dirichlet(alpha).pdf(np.stack([p, p[::-1]], 1)), theirs.pdf(np.stack([p, p[::-1]], 1), alpha))
    close(stats.dirichlet.logpdf(p[:2], alpha), theirs.logpdf(p[:2], alpha))
    with pytest.raises(ArgumentError, match="one proportion for each"):
        stats.dirichlet.pdf(p, alpha[:1])
