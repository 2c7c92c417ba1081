"""All of torch.distributions.__all__, against PyTorch: shapes, densities, moments, entropies, quantiles, supports, divergences.

Every entry is a row of a table below; a test fails while one is missing.
"""

import itertools
import warnings

import numpy as np
import pytest
from cases import CASES, CORR, COUNTS, LOGITS, MATRIX, POSITIVE, REAL, SHARES, STACK, UNIT, A

import chainrule as cr

torch = pytest.importorskip("torch")
D, T = cr.distributions, torch.distributions

TRANSFORMS = {  # and values of their domain
    "AbsTransform": ((), REAL),
    "AffineTransform": ((0.5, np.array([2.0, -3.0])), REAL * [1.0, 2.0]),
    "CatTransform": (None, np.abs(LOGITS)),
    "ComposeTransform": (None, REAL),
    "CorrCholeskyTransform": ((), LOGITS),
    "CumulativeDistributionTransform": (None, REAL),
    "ExpTransform": ((), REAL),
    "IndependentTransform": (None, LOGITS),
    "LowerCholeskyTransform": ((), STACK),
    "PositiveDefiniteTransform": ((), STACK),
    "PowerTransform": ((np.array([2.0, -0.5]),), POSITIVE * [1.0, 2.0]),
    "ReshapeTransform": (((3,), (3, 1)), LOGITS),
    "SigmoidTransform": ((), REAL),
    "SoftmaxTransform": ((), LOGITS),
    "SoftplusTransform": ((), REAL),
    "StackTransform": (None, np.abs(LOGITS[:, :2])),
    "StickBreakingTransform": ((), LOGITS),
    "TanhTransform": ((), REAL),
}
ELSEWHERE = """
    Distribution ExponentialFamily Independent MixtureSameFamily TransformedDistribution biject_to kl_divergence register_kl
    transform_to Transform identity_transform
"""
NOT_HERE = {  # what PyTorch's classes have and ours do not, or the other way round
    "has_rsample": "VonMises LKJCholesky",  # samples have derivatives here
    "cdf": "StudentT Beta FisherSnedecor Binomial NegativeBinomial Poisson",  # which PyTorch lacks
    "icdf": "StudentT Gamma Beta FisherSnedecor Chi2 InverseGamma",
    "mode": "Kumaraswamy Weibull Dirichlet",  # below
}


def test_every_entry_is_matched():
    assert set(T.__all__) == {*CASES, *TRANSFORMS, *ELSEWHERE.split()}
    assert set(D.__all__) == set(T.__all__)
    assert set(D.constraints.__all__) == set(T.constraints.__all__)
    assert set(D.transforms.__all__) == set(T.transforms.__all__)


def pairs():
    for name, (parameters, _) in CASES.items():
        for i in range(len(parameters)):
            yield pytest.param(name, i, id=f"{name}-{i}")


every = pytest.mark.parametrize("name, i", list(pairs()))


def to_torch(x):
    return torch.tensor(x) if isinstance(x, np.ndarray) else x


def both(name, i):
    parameters, value = CASES[name][0][i], CASES[name][1]
    theirs = getattr(T, name)(**{k: to_torch(v) for k, v in parameters.items()})
    return getattr(D, name)(**parameters), theirs, value


@pytest.fixture(autouse=True)
def float64():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def plain(x):
    return np.asarray(x.detach() if hasattr(x, "detach") else x)


def same(ours, theirs, rtol=1e-6, atol=1e-7):
    ours, theirs = plain(ours), plain(theirs)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol, equal_nan=True)


def answer(f):
    """What PyTorch says, or None where it says nothing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return f()
    except (NotImplementedError, AttributeError, TypeError):
        return None


@every
def test_shapes_and_parameters(name, i):
    ours, theirs, _ = both(name, i)
    assert tuple(ours.batch_shape) == tuple(theirs.batch_shape) and tuple(ours.event_shape) == tuple(theirs.event_shape)
    assert ours.has_enumerate_support == theirs.has_enumerate_support
    assert ours.has_rsample == theirs.has_rsample or name in NOT_HERE["has_rsample"]
    assert set(ours.arg_constraints) == set(theirs.arg_constraints)
    for parameter, constraint in theirs.arg_constraints.items():
        same(
            getattr(ours, parameter),
            getattr(theirs, parameter),
            rtol=2e-5 if "float32" in str(getattr(theirs, parameter).dtype) else 1e-6,
        )
        mine = ours.arg_constraints[parameter]
        if not T.constraints.is_dependent(constraint):
            assert mine.event_dim == constraint.event_dim and mine.is_discrete == constraint.is_discrete, parameter
    assert ours.support.event_dim == theirs.support.event_dim and ours.support.is_discrete == theirs.support.is_discrete
    for shape in (), (4,), (2, 3):
        drawn = ours.sample(shape)
        assert drawn.shape == tuple(theirs._extended_shape(shape))
        assert bool(np.all(plain(ours.support.check(drawn)))) and not drawn.requires_grad


@every
@pytest.mark.parametrize("method", ["log_prob", "cdf"])
def test_functions_of_a_value(name, i, method):
    ours, theirs, value = both(name, i)
    expected = answer(lambda: getattr(theirs, method)(torch.tensor(value)))
    if expected is None:
        if name not in NOT_HERE.get(method, ""):
            with pytest.raises(NotImplementedError):
                getattr(ours, method)(value)
        return
    same(getattr(ours, method)(value), expected)


@every
def test_quantiles(name, i):
    ours, theirs, _ = both(name, i)
    p = np.array([0.1, 0.5, 0.9])[:, None]
    expected = answer(lambda: theirs.icdf(torch.tensor(p)))
    if expected is not None:
        same(ours.icdf(p), expected)
    try:
        found = ours.icdf(cr.tensor(p))
    except NotImplementedError:
        assert expected is None
        return
    same(ours.cdf(found), np.broadcast_to(p, found.shape), rtol=1e-9)


@every
@pytest.mark.parametrize("fact", ["mean", "mode", "variance", "stddev", "entropy", "perplexity"])
def test_facts(name, i, fact):
    ours, theirs, _ = both(name, i)

    def ask(d):
        x = getattr(d, fact)
        return x() if callable(x) else x

    expected = answer(lambda: ask(theirs))
    if expected is None:
        with pytest.raises(NotImplementedError):
            ask(ours)
    elif not (fact == "mode" and name in NOT_HERE["mode"]):
        same(ask(ours), expected, rtol=1e-5)


@every
def test_expand_and_enumerate(name, i):
    ours, theirs, value = both(name, i)
    shape = (2, *theirs.batch_shape)
    wide, wider = ours.expand(shape), theirs.expand(shape)
    assert type(wide) is type(ours) and tuple(wide.batch_shape) == shape and wide.event_shape == ours.event_shape
    value = plain(ours.sample())
    same(wide.log_prob(value), wider.log_prob(torch.tensor(value)))
    assert wide.sample((3,)).shape == (3, *shape, *ours.event_shape)
    for expand in True, False:
        listed = answer(lambda expand=expand: theirs.enumerate_support(expand))
        if listed is not None:
            same(ours.enumerate_support(expand), listed)


@every
def test_samples_have_the_mean_and_variance(name, i):
    ours, theirs, _ = both(name, i)
    cr.manual_seed(i)
    mean, variance = answer(lambda: theirs.mean), answer(lambda: theirs.variance)
    if mean is None or not bool(torch.isfinite(variance).all()):
        return
    n = 4000
    drawn = plain(ours.sample((n,)))
    error = np.sqrt(plain(variance) / n)
    if name == "VonMises":  # moments on the circle
        drawn = (drawn - plain(mean) + np.pi) % (2 * np.pi) - np.pi + plain(mean)
        assert np.all(np.abs(drawn.mean(0) - plain(mean)) < 0.2)
        same(1 - np.cos(drawn - plain(mean)).mean(0), variance, rtol=0.1)
        return
    assert np.all(np.abs(drawn.mean(0) - plain(mean)) < 5 * error + 1e-6)
    fourth = ((drawn - drawn.mean(0)) ** 4).mean(0)
    if name not in ("InverseGamma", "Pareto", "FisherSnedecor", "LogNormal", "StudentT", "GeneralizedPareto"):  # heavy tails
        spread = np.sqrt(np.maximum(fourth - plain(variance) ** 2, 0) / n)
        assert np.all(np.abs(drawn.var(0) - plain(variance)) < 6 * spread + 1e-6)


# --- transforms -------------------------------------------------------------------------------------------------------


def transform(library, name):
    normal = library.Normal(0.5, 2.0)
    return {
        "CatTransform": lambda: library.CatTransform([library.ExpTransform(), library.identity_transform], -1, [2, 1]),
        "ComposeTransform": lambda: library.ComposeTransform([library.AffineTransform(1.0, 2.0), library.ExpTransform()]),
        "CumulativeDistributionTransform": lambda: library.CumulativeDistributionTransform(normal),
        "IndependentTransform": lambda: library.IndependentTransform(library.TanhTransform(), 1),
        "StackTransform": lambda: library.StackTransform([library.ExpTransform(), library.PowerTransform(2.0)], -1),
    }[name]()


@pytest.mark.parametrize("cache_size", [0, 1])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms(name, cache_size):
    arguments, x = TRANSFORMS[name]
    if arguments is None:
        ours, theirs = transform(D, name), transform(T, name)
    else:
        ours, theirs = getattr(D, name)(*arguments), getattr(T, name)(*map(to_torch, arguments))
    ours, theirs = ours.with_cache(cache_size), theirs.with_cache(cache_size)
    assert ours.bijective == theirs.bijective
    for side in "domain", "codomain":
        assert getattr(ours, side).event_dim == getattr(theirs, side).event_dim
    x = cr.tensor(x)
    y, expected = ours(x), theirs(torch.tensor(plain(x)))
    same(y, expected)
    same(ours.inv(y), theirs.inv(expected))
    assert ours.inv.inv is ours or name == "ComposeTransform"
    if theirs.bijective:
        same(ours.log_abs_det_jacobian(x, y), theirs.log_abs_det_jacobian(torch.tensor(plain(x)), expected))
        same(ours.inv.log_abs_det_jacobian(y, x), -theirs.log_abs_det_jacobian(torch.tensor(plain(x)), expected))
        same(ours.inv(y), x)
    if name not in ("CatTransform", "StackTransform"):
        assert tuple(ours.forward_shape(x.shape)) == tuple(theirs.forward_shape(torch.Size(x.shape)))
        assert tuple(ours.inverse_shape(y.shape)) == tuple(theirs.inverse_shape(torch.Size(y.shape)))
    sign = answer(lambda: theirs.sign)
    if sign is not None:
        same(ours.sign, sign)
    assert ours == ours.with_cache(1 - cache_size) or arguments is None


REGIONS = {
    "real": REAL, "positive": POSITIVE, "nonnegative": POSITIVE, "unit_interval": UNIT, "simplex": SHARES,
    "real_vector": LOGITS, "lower_cholesky": np.linalg.cholesky(STACK), "positive_definite": STACK, "corr_cholesky": CORR,
    "positive_semidefinite": STACK, "boolean": COUNTS, "nonnegative_integer": REAL, "positive_integer": COUNTS,
    "lower_triangular": MATRIX, "symmetric": MATRIX, "square": MATRIX, "one_hot": np.eye(3),
}  # fmt: skip


@pytest.mark.parametrize("name", REGIONS)
def test_regions(name):
    ours, theirs = getattr(D.constraints, name), getattr(T.constraints, name)
    for value in (REGIONS[name], -REGIONS[name], REGIONS[name] * np.nan):
        same(ours.check(cr.tensor(value)), theirs.check(torch.tensor(value)))
    for ours_to, theirs_to in (D.biject_to, T.biject_to), (D.transform_to, T.transform_to):
        expected = answer(lambda theirs_to=theirs_to: theirs_to(theirs))
        if expected is None:
            with pytest.raises(NotImplementedError):
                ours_to(ours)
        else:
            inner = REGIONS[name]
            x = ours_to(ours).inv(cr.tensor(inner))
            same(x, expected.inv(torch.tensor(inner)))
            same(ours_to(ours)(x), inner)


@pytest.mark.parametrize(
    "make",
    [
        lambda c: c.greater_than(np.float64(1.5)), lambda c: c.greater_than_eq(1.5), lambda c: c.less_than(3.0),
        lambda c: c.interval(-1.0, 4.0), lambda c: c.half_open_interval(-1.0, 4.0), lambda c: c.independent(c.positive, 1),
        lambda c: c.cat([c.positive, c.real], -1, [1, 2]), lambda c: c.stack([c.positive, c.real, c.unit_interval], -1),
    ],
)  # fmt: skip
def test_regions_with_parameters(make):
    ours, theirs = make(D.constraints), make(T.constraints)
    x = LOGITS
    same(ours.check(cr.tensor(x)), theirs.check(torch.tensor(x)))
    assert ours.event_dim == theirs.event_dim
    y = theirs and T.biject_to(theirs)(torch.tensor(x))
    same(D.biject_to(ours)(cr.tensor(x)), y)
    same(D.biject_to(ours).inv(cr.tensor(plain(y))), x)


# --- divergences ------------------------------------------------------------------------------------------------------

CONTINUOUS = ["Beta", "ContinuousBernoulli", "Exponential", "Gamma", "Gumbel", "Laplace", "Normal", "Pareto", "Uniform"]
MORE = [
    ("Bernoulli", "Poisson"), ("Poisson", "Bernoulli"), ("Poisson", "Binomial"),
    ("MultivariateNormal", "LowRankMultivariateNormal"), ("LowRankMultivariateNormal", "MultivariateNormal"),
]  # fmt: skip
OTHER = {
    "Uniform": {"low": 0.1, "high": np.array([0.6, 1.5])}, "Pareto": {"scale": 0.05, "alpha": 3.0},
    "Bernoulli": {"probs": np.array([0.3, 0.6])}, "Binomial": {"total_count": 5, "probs": np.array([0.3, 0.6])},
    "Beta": {"concentration1": A, "concentration0": 1.7}, "ContinuousBernoulli": {"probs": np.array([0.2, 0.7])},
    "Poisson": {"rate": A}, "Gamma": {"concentration": A, "rate": A[::-1].copy()}, "Geometric": {"probs": np.array([0.2, 0.9])},
}  # fmt: skip


def known_pairs():
    named = [(n, n) for n in CASES] + list(itertools.permutations(CONTINUOUS, 2)) + MORE
    return [pytest.param(p, q, id=f"{p}-{q}") for p, q in named]


@pytest.mark.parametrize("p, q", known_pairs())
@pytest.mark.parametrize("turned", [False, True])
def test_divergences(p, q, turned):
    def made(name, other):
        given = OTHER.get(name) or CASES[name][0][0]
        if other and name != "Binomial":
            changed = {
                k: v * 1.3 if isinstance(v, np.ndarray) and k in ("loc", "scale", "concentration", "rate") else v
                for k, v in given.items()
            }
            given = {
                k: v[::-1].copy() if k in ("probs", "cov_diag") and isinstance(v, np.ndarray) else v for k, v in changed.items()
            }
        return getattr(D, name)(**given), getattr(T, name)(**{k: to_torch(v) for k, v in given.items()})

    (ours_p, theirs_p), (ours_q, theirs_q) = made(p, turned), made(q, not turned)
    expected = answer(lambda: T.kl_divergence(theirs_p, theirs_q))
    if expected is None or p == q == "Kumaraswamy":  # which PyTorch knows of equal parameters only
        with pytest.raises(NotImplementedError):
            D.kl_divergence(ours_p, ours_q)
        return
    ours = D.kl_divergence(ours_p, ours_q)
    if bool(torch.isinf(expected).all()):
        expected = expected.expand(np.broadcast_shapes(ours_p.batch_shape, ours_q.batch_shape))
    same(ours, expected, rtol=1e-5, atol=1e-6)


def test_pairs_of_classes_are_those_of_pytorch():
    from chainrule.distributions import kl

    theirs = {(a.__name__, b.__name__) for a, b in T.kl._KL_REGISTRY}
    assert theirs - {(a.__name__, b.__name__) for a, b in kl._TABLE} == set()
