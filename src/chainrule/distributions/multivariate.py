"""Normal vectors, with a whole covariance matrix or one of low rank."""

import numpy as np

from ..errors import ArgumentError, explain
from ..ops import broadcast_to, flip, log, sqrt
from ..ops.linalg.factorizations import cholesky
from ..ops.linalg.triangular import triangular_solve
from ..random import default_generator as rng
from . import constraints
from .distribution import Distribution
from .location_scale import LOG_TAU
from .utils import lazy_property, tensors


def half_log_det(factor):
    """Half the logarithm of the determinant of L L^T."""
    return log(factor.diagonal(0, -2, -1)).sum(-1)


def factor_of_inverse(matrix):
    """The lower Cholesky factor of the inverse of a positive definite matrix."""
    upper = flip(cholesky(flip(matrix, (-2, -1))), (-2, -1))  # matrix = upper @ upper.T
    eye = np.broadcast_to(np.eye(matrix.shape[-1], dtype=matrix.dtype), matrix.shape)
    return triangular_solve(upper, eye, trans=1)


def squared_length(factor, x):
    """|L^-1 x|^2 of vectors x."""
    shape = np.broadcast_shapes(factor.shape[:-1], x.shape)
    solved = triangular_solve(broadcast_to(factor, (*shape, shape[-1])), broadcast_to(x, shape)[..., None], lower=True)
    return (solved * solved).sum((-2, -1))


class Spread(Distribution):
    """What distributions share that are given one of covariance matrix, its inverse, and its lower Cholesky factor."""

    def _take_spread(self, **given):
        """The name and value of the only matrix that is given."""
        found = {name: value for name, value in given.items() if value is not None}
        if len(found) != 1:
            raise ArgumentError(
                explain(
                    f"{type(self).__name__}: exactly one of {', '.join(given)} must be given",
                    f"found: {', '.join(found) or 'none'}",
                    help="scale_tril, the Cholesky factor, costs least",
                )
            )
        ((name, value),) = found.items()
        if len(value.shape) < 2:
            raise ValueError(f"{type(self).__name__}: `{name}` must be a matrix, or a stack of them, found shape {value.shape}")
        return name, value

    def _factorize(self, name):
        matrix = getattr(self, name)
        of = {"scale_tril": lambda x: x, "covariance_matrix": cholesky, "precision_matrix": factor_of_inverse}
        self._factor = of[name](matrix)

    @lazy_property
    def scale_tril(self):
        return self._factor

    @lazy_property
    def covariance_matrix(self):
        return self._factor @ self._factor.mT

    @lazy_property
    def precision_matrix(self):
        eye = np.broadcast_to(np.eye(self._factor.shape[-1], dtype=self._factor.dtype), self._factor.shape)
        inverse = triangular_solve(self._factor, eye, lower=True)
        return inverse.mT @ inverse


class MultivariateNormal(Spread):
    """Normal vectors with mean `loc` and a covariance matrix, given itself, by its inverse or by its Cholesky factor.

    >>> import chainrule as cr
    >>> d = cr.distributions.MultivariateNormal(cr.zeros(2), covariance_matrix=cr.eye(2))
    >>> d.entropy().round(6)
    tensor(2.837877)
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, loc, covariance_matrix=None, precision_matrix=None, scale_tril=None, validate_args=None):
        given = {"covariance_matrix": covariance_matrix, "precision_matrix": precision_matrix, "scale_tril": scale_tril}
        given = {name: None if value is None else tensors(value)[0] for name, value in given.items()}
        name, matrix = self._take_spread(**given)
        loc, matrix = tensors(loc, matrix)
        if not loc.shape:
            raise ValueError("MultivariateNormal: `loc` needs an axis")
        batch = np.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        self.loc = broadcast_to(loc, (*batch, *np.broadcast_shapes(loc.shape[-1:], matrix.shape[-1:])))
        setattr(self, name, broadcast_to(matrix, (*batch, *matrix.shape[-2:])))
        super().__init__(batch, self.loc.shape[-1:], validate_args)
        self._factorize(name)

    def rsample(self, sample_shape=()):
        noise = rng.standard_normal(self._extended_shape(sample_shape), dtype=self.loc.dtype)
        return self.loc + (self._factor @ noise[..., None])[..., 0]

    def log_prob(self, value):
        return -0.5 * (self.event_shape[0] * LOG_TAU + squared_length(self._factor, self._at(value) - self.loc)) - half_log_det(
            self._factor
        )

    def entropy(self):
        return 0.5 * self.event_shape[0] * (1 + LOG_TAU) + half_log_det(self._factor)

    @property
    def mean(self):
        return self.loc

    mode = mean

    @property
    def variance(self):
        return (self._factor**2).sum(-1)


class LowRankMultivariateNormal(Distribution):
    """Normal vectors with covariance `cov_factor @ cov_factor.T + diag(cov_diag)`; n by n matrices are not built for densities.

    Parameters
    ----------
    loc : array (..., n)
    cov_factor : array (..., n, k), k being small
    cov_diag : array (..., n), positive
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, loc, cov_factor, cov_diag, validate_args=None):
        loc, factor, diag = tensors(loc, cov_factor, cov_diag)
        if not loc.shape or len(factor.shape) < 2 or factor.shape[-2:-1] != loc.shape[-1:] or diag.shape[-1:] != loc.shape[-1:]:
            raise ValueError(
                explain(
                    "LowRankMultivariateNormal: `loc` (..., n), `cov_factor` (..., n, k) and `cov_diag` (..., n) do not fit",
                    f"loc: {loc.shape}    cov_factor: {factor.shape}    cov_diag: {diag.shape}",
                    help="all three need the same n",
                )
            )
        n, k = factor.shape[-2:]
        batch = np.broadcast_shapes(loc.shape[:-1], factor.shape[:-2], diag.shape[:-1])
        self.loc, self.cov_diag = broadcast_to(loc, (*batch, n)), broadcast_to(diag, (*batch, n))
        self.cov_factor = broadcast_to(factor, (*batch, n, k))
        super().__init__(batch, (n,), validate_args)

    def _capacitance(self):
        """The Cholesky factor of I + W^T D^-1 W."""
        w = self.cov_factor
        return cholesky(w.mT @ (w / self.cov_diag[..., None]) + np.eye(w.shape[-1], dtype=w.dtype))

    def _half_log_det(self):
        return half_log_det(self._capacitance()) + 0.5 * log(self.cov_diag).sum(-1)

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        few = rng.standard_normal((*shape[:-1], self.cov_factor.shape[-1]), dtype=self.loc.dtype)
        own = rng.standard_normal(shape, dtype=self.loc.dtype)
        return self.loc + (self.cov_factor @ few[..., None])[..., 0] + sqrt(self.cov_diag) * own

    def _squared_length(self, x):
        """x^T covariance^-1 x, by Woodbury's identity."""
        scaled = x / self.cov_diag
        inner = (self.cov_factor.mT @ scaled[..., None])[..., 0]
        return (x * scaled).sum(-1) - squared_length(self._capacitance(), inner)

    def log_prob(self, value):
        lengths = self._squared_length(self._at(value) - self.loc)
        return -0.5 * (self.event_shape[0] * LOG_TAU + lengths) - self._half_log_det()

    def entropy(self):
        return 0.5 * self.event_shape[0] * (1 + LOG_TAU) + self._half_log_det()

    @property
    def mean(self):
        return self.loc

    mode = mean

    @property
    def variance(self):
        return (self.cov_factor**2).sum(-1) + self.cov_diag

    @lazy_property
    def covariance_matrix(self):
        return self.cov_factor @ self.cov_factor.mT + self.cov_diag[..., None] * np.eye(*self.event_shape, dtype=self.loc.dtype)

    @lazy_property
    def scale_tril(self):
        return cholesky(self.covariance_matrix)

    @lazy_property
    def precision_matrix(self):
        factor = factor_of_inverse(self.covariance_matrix)
        return factor @ factor.mT
