"""Distributions of matrices: covariances, and Cholesky factors of correlations."""

import math

import numpy as np

from ..errors import ArgumentError, explain
from ..ops import broadcast_to, concatenate, log, sqrt, where
from ..ops.gamma import multigammaln, psi
from ..ops.linalg.triangular import triangular_solve
from ..ops.special import gammaln
from ..random import default_generator as rng
from . import constraints
from .distribution import Distribution, _holds
from .multivariate import Spread, half_log_det
from .utils import numbers, tensors


class Wishart(Spread):
    """Sums of `df` products v v^T of normal vectors v, of which the covariance matrix is given as for `MultivariateNormal`."""

    arg_constraints = {
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
        "df": constraints.greater_than(0),
    }
    support = constraints.positive_definite
    has_rsample = True

    def __init__(self, df, covariance_matrix=None, precision_matrix=None, scale_tril=None, validate_args=None):
        given = {"covariance_matrix": covariance_matrix, "precision_matrix": precision_matrix, "scale_tril": scale_tril}
        given = {name: None if value is None else tensors(value)[0] for name, value in given.items()}
        name, matrix = self._take_spread(**given)
        df, matrix = tensors(df, matrix)
        batch, n = np.broadcast_shapes(df.shape, matrix.shape[:-2]), matrix.shape[-1]
        self.df = broadcast_to(df, batch)
        setattr(self, name, broadcast_to(matrix, (*batch, n, n)))
        super().__init__(batch, (n, n), validate_args)
        if not _holds(constraints.greater_than(n - 1), self.df):
            raise ArgumentError(
                explain(
                    f"Wishart: `df` must be greater than {n - 1} for {n} by {n} matrices",
                    f"df: {numbers(self.df)}",
                    help="with fewer degrees of freedom, the sums are singular",
                )
            )
        self._factorize(name)

    @property
    def _n(self):
        return self.event_shape[-1]

    def _halves(self):
        """Half the degrees of freedom of each entry of the diagonal of Bartlett's factor."""
        return (self.df[..., None] - np.arange(self._n, dtype=self.df.dtype)) / 2

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        below = rng.standard_normal(shape, dtype=self.df.dtype).tril(-1)
        diagonal = sqrt(2 * rng.gamma(self._halves(), size=shape[:-1]))
        factor = self._factor @ (below + diagonal[..., None] * np.eye(self._n, dtype=self.df.dtype))
        return factor @ factor.mT

    def _log_normalizer(self):
        return self.df * (half_log_det(self._factor) + 0.5 * self._n * math.log(2)) + multigammaln(self.df / 2, self._n)

    def log_prob(self, value):
        value, n = self._at(value), self._n
        shape = np.broadcast_shapes(value.shape, self._factor.shape)
        lower = broadcast_to(self._factor, shape)
        half = triangular_solve(lower, broadcast_to(value, shape), lower=True)
        trace = triangular_solve(lower, half.mT, lower=True).diagonal(0, -2, -1).sum(-1)
        log_det = np.linalg.slogdet(value)[1]
        return 0.5 * (self.df - n - 1) * log_det - 0.5 * trace - self._log_normalizer()

    def entropy(self):
        n, df = self._n, self.df
        log_det = psi(self._halves()).sum(-1) + n * math.log(2) + 2 * half_log_det(self._factor)
        return self._log_normalizer() - 0.5 * (df - n - 1) * log_det + 0.5 * n * df

    @property
    def mean(self):
        return self.df[..., None, None] * self.covariance_matrix

    @property
    def mode(self):
        factor = (self.df - self._n - 1)[..., None, None]
        return where(factor > 0, factor, math.nan) * self.covariance_matrix

    @property
    def variance(self):
        cov = self.covariance_matrix
        diagonal = cov.diagonal(0, -2, -1)
        return self.df[..., None, None] * (cov**2 + diagonal[..., :, None] * diagonal[..., None, :])


class LKJCholesky(Distribution):
    """Cholesky factors of correlation matrices of density proportional to det**(concentration - 1).

    Lewandowski, Kurowicka and Joe (2009), by their onion method: row by row, a squared length from a beta distribution and a
    direction. Unlike PyTorch's, samples have a derivative.

    Parameters
    ----------
    dim : int, rows of the matrix
    concentration : 1 makes all correlation matrices equally likely; larger numbers prefer those near the identity
    """

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky
    has_rsample = True

    def __init__(self, dim, concentration=1.0, validate_args=None):
        if dim < 2:
            raise ValueError(f"LKJCholesky: `dim` must be an int of at least 2, found {dim}")
        self.dim = dim
        (self.concentration,) = tensors(concentration)
        super().__init__(self.concentration.shape, (dim, dim), validate_args)

    def rsample(self, sample_shape=()):
        n, dtype = self.dim, self.concentration.dtype
        shape = self._extended_shape(sample_shape)
        rows = np.arange(1, n, dtype=dtype)
        squared = rng.beta(rows / 2, self.concentration[..., None] + (n - 1 - rows) / 2, (*shape[:-2], n - 1))[..., None]
        direction = rng.standard_normal((*shape[:-2], n - 1, n), dtype=dtype) * np.tri(n - 1, n, dtype=dtype)
        direction = direction / sqrt((direction * direction).sum(-1, keepdims=True))
        diagonal = sqrt(1 - squared) * np.eye(n, dtype=dtype)[1:]
        first = broadcast_to(np.eye(n, dtype=dtype)[:1], (*shape[:-2], 1, n))
        return concatenate([first, sqrt(squared) * direction + diagonal], -2)

    def log_prob(self, value):
        n, c = self.dim, self.concentration
        diagonal = log(self._at(value).diagonal(0, -2, -1)[..., 1:])
        order = 2 * (c - 1)[..., None] + n - np.arange(2, n + 1, dtype=c.dtype)
        alpha = c + 0.5 * (n - 1)
        halves = multigammaln(alpha - 0.5, n - 1) - (n - 1) * gammaln(alpha)
        return (order * diagonal).sum(-1) - 0.5 * (n - 1) * math.log(math.pi) - halves
