"""Square roots of covariance matrices."""

import warnings

import numpy as np

from ..core.value import dtype_of, ndim_of
from ..ops.contraction import matmul
from ..ops.elementwise import sqrt, where
from ..ops.linalg.factorizations import cholesky
from ..ops.linalg.spectral import eigh
from ..ops.shaping import expand, matrix_transpose
from .stream import is_known


def check_covariance(cov, check_valid, tol):
    """Warn or raise where a matrix is not positive semidefinite, as NumPy does."""
    if check_valid not in ("warn", "raise", "ignore"):
        raise ValueError("check_valid must equal 'warn', 'raise', or 'ignore'")
    if check_valid == "ignore" or not is_known(cov) or dtype_of(cov).kind == "c":
        return
    cov = np.asarray(cov, float)
    values, vectors = np.linalg.eigh((cov + np.swapaxes(cov, -1, -2)) / 2)
    again = (vectors * np.maximum(values, 0)[..., None, :]) @ np.swapaxes(vectors, -1, -2)
    if not np.allclose(again, cov, rtol=tol, atol=tol):
        if check_valid == "raise":
            raise ValueError("covariance is not symmetric positive-semidefinite.")
        warnings.warn("covariance is not symmetric positive-semidefinite.", RuntimeWarning, stacklevel=4)


def triangular(cov):
    """The lower triangular factor."""
    return cholesky(cov)


def symmetric(cov):
    """The symmetric positive semidefinite square root; eigenvalues that rounding made negative count as 0."""
    values, vectors = eigh(cov)
    some = values > 0
    roots = where(some, sqrt(where(some, values, 1)), 0)
    return matmul(vectors * expand(roots, (ndim_of(roots) - 1,)), matrix_transpose(vectors))
