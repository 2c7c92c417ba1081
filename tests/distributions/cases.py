"""Parameters of objects of each class of distributions, and values in their supports."""

import numpy as np

R = np.random.default_rng(0)
MATRIX = R.normal(size=(3, 3))
COV = MATRIX @ MATRIX.T + np.eye(3)
STACK = np.stack([COV, 2 * COV + np.eye(3)])
A, B = np.array([0.7, 2.5]), np.array([[1.5], [0.4], [3.0]])
PROBS = np.array([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]])
LOGITS = np.array([[0.3, -1.0, 2.0], [0.0, 0.5, -0.5]])
UNIT = np.array([0.1, 0.5, 0.8])[:, None]
REAL = np.array([-1.3, 0.2, 2.1])[:, None]
POSITIVE = np.array([0.3, 1.0, 2.7])[:, None]
COUNTS = np.array([0.0, 1.0, 4.0])[:, None]
SHARES = np.array([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]])
CORR = np.linalg.cholesky(np.array([[1.0, 0.3, -0.2], [0.3, 1.0, 0.1], [-0.2, 0.1, 1.0]]))

# Parameters of several objects of each class, and values in their support that fit all of them.
CASES = {
    "Bernoulli": ([{"probs": np.array([0.2, 0.5, 1.0])}, {"logits": REAL}], np.array([0.0, 1.0, 1.0])),
    "Beta": ([{"concentration1": A, "concentration0": B}], UNIT),
    "Binomial": ([{"total_count": 5, "probs": A / 3}, {"total_count": np.array([4, 7]), "logits": REAL}], COUNTS),
    "Categorical": ([{"probs": PROBS}, {"logits": LOGITS}, {"probs": np.array([0.0, 1.0, 3.0])}], np.array([1, 2])),
    "Cauchy": ([{"loc": A, "scale": B}], REAL),
    "Chi2": ([{"df": A}], POSITIVE),
    "ContinuousBernoulli": ([{"probs": np.array([0.1, 0.4, 0.9])}, {"logits": np.array([-2.0, 0.5, 3.0])}], UNIT),
    "Dirichlet": ([{"concentration": PROBS * 5}, {"concentration": np.array([0.5, 0.3, 0.7])}], SHARES),
    "Exponential": ([{"rate": A}], POSITIVE),
    "FisherSnedecor": ([{"df1": A + 3, "df2": B + 4.2}, {"df1": A, "df2": B}], POSITIVE),
    "Gamma": ([{"concentration": A, "rate": B}], POSITIVE),
    "GeneralizedPareto": (
        [
            {"loc": 0.1 * A, "scale": B, "concentration": 0.2 + 0 * A},
            {"loc": 0 * A, "scale": A + 2, "concentration": -0.3 + 0 * A},
        ],
        POSITIVE + 0.2,
    ),
    "Geometric": ([{"probs": np.array([0.2, 0.9])}, {"logits": REAL}], COUNTS),
    "Gumbel": ([{"loc": A, "scale": B}], REAL),
    "HalfCauchy": ([{"scale": A}], POSITIVE),
    "HalfNormal": ([{"scale": A}], POSITIVE),
    "InverseGamma": ([{"concentration": A + 2, "rate": B}], POSITIVE),
    "Kumaraswamy": ([{"concentration1": A + 1, "concentration0": B + 1}], UNIT),
    "LKJCholesky": ([{"dim": 3, "concentration": A}, {"dim": 3}], CORR),
    "Laplace": ([{"loc": A, "scale": B}], REAL),
    "LogNormal": ([{"loc": A, "scale": B}], POSITIVE),
    "LogisticNormal": ([{"loc": LOGITS[:, :2], "scale": np.array([0.5, 1.5])}], SHARES),
    "LowRankMultivariateNormal": (
        [{"loc": LOGITS, "cov_factor": MATRIX[:, :2], "cov_diag": np.array([0.5, 1.0, 2.0])}],
        LOGITS[::-1].copy(),
    ),
    "Multinomial": ([{"total_count": 4, "probs": PROBS}, {"total_count": 4, "logits": LOGITS}], np.array([[1.0, 3.0, 0.0]])),
    "MultivariateNormal": (
        [
            {"loc": LOGITS, "covariance_matrix": COV},
            {"loc": LOGITS[0], "precision_matrix": STACK},
            {"loc": np.zeros(3), "scale_tril": np.linalg.cholesky(STACK)},
        ],
        LOGITS[::-1].copy(),
    ),
    "NegativeBinomial": ([{"total_count": A, "probs": B / 4}, {"total_count": 3, "logits": REAL}], COUNTS),
    "Normal": ([{"loc": A, "scale": B}, {"loc": 0.0, "scale": 2.0}], REAL),
    "OneHotCategorical": ([{"probs": PROBS}, {"logits": LOGITS}], np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])),
    "OneHotCategoricalStraightThrough": ([{"probs": PROBS}], np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])),
    "Pareto": ([{"scale": 0.2 * A, "alpha": B + 2}, {"scale": 0.1, "alpha": A}], POSITIVE + 0.5),
    "Poisson": ([{"rate": A}], COUNTS),
    "RelaxedBernoulli": (
        [{"temperature": np.array(0.7), "probs": np.array([0.3, 0.6])}, {"temperature": np.array(1.5), "logits": REAL}],
        UNIT,
    ),
    "RelaxedOneHotCategorical": (
        [{"temperature": np.array(0.7), "probs": PROBS}, {"temperature": np.array(2.0), "logits": LOGITS}],
        SHARES,
    ),
    "StudentT": ([{"df": A, "loc": 0.3, "scale": B}, {"df": np.array([1.5, 5.0])}], REAL),
    "Uniform": ([{"low": -2.0, "high": A + 2}], REAL),
    "VonMises": ([{"loc": A, "concentration": B}], REAL),
    "Weibull": ([{"scale": A, "concentration": B + 1.2}], POSITIVE),
    "Wishart": (
        [{"df": A + 3, "covariance_matrix": COV}, {"df": np.array([4.0, 5.0]), "scale_tril": np.linalg.cholesky(STACK)}],
        STACK,
    ),
}
