"""Continuous distributions. A sample is a smooth function of its parameters and of random bits that do not depend on them, so
derivatives of any order flow to the parameters.

Location and scale directly; the others are quantiles of fixed uniform numbers (`ops/quantiles.py`).
"""

import math

import numpy as np

from ..core.value import ndim_of, shape_of
from ..errors import ArgumentError, ShapeError, explain
from ..ops.activation import sigmoid
from ..ops.comparison import floor
from ..ops.contraction import matmul
from ..ops.elementwise import exp, expm1, log, sqrt, where
from ..ops.quantiles import log_gamma_quantile, von_mises_quantile, wald_quantile
from ..ops.reduction import softmax
from ..ops.shaping import as_shape, as_value, broadcast_to, cast, expand
from ..ops.trigonometric import tan
from . import factors
from .discrete import Discrete
from .stream import (
    floating,
    in_order,
    is_number,
    non_negative,
    positive,
    result_dtype,
    size_and_out,
    size_for,
    store,
)


def _wide(x):
    """A parameter in float64, in which everything that is not linear is computed."""
    return x if isinstance(x, (int, float)) else cast(as_value(x), np.dtype(np.float64))


def _placed(noise, loc, scale, dtype):
    """loc + scale * noise."""
    out = cast(noise, dtype)
    out = out if is_number(scale, 1) else scale * out
    return cast(out if is_number(loc, 0) else loc + out, dtype)


class Continuous(Discrete):
    """Methods of a Generator that draw from continuous distributions."""

    # --- uniform ------------------------------------------------------------------------------------------------------

    def random(self, size=None, dtype=np.float64, out=None):
        """Numbers from the half-open interval [0, 1).

        >>> import chainrule as cr
        >>> cr.random.default_rng(0).random(3).shape
        (3,)
        """
        dtype = floating(dtype, "random")
        return store(out, self._half_open(as_shape(_given(size, out, "random")), dtype), "random")

    def uniform(self, low=0.0, high=1.0, size=None, *, dtype=None):
        """Numbers from the half-open interval [low, high).

        Parameters
        ----------
        low, high : ends of the interval, arrays that broadcast
        size : int or tuple of ints; None takes the shape of the parameters
        dtype : default that of the parameters, float64 if these are Python numbers

        Examples
        --------
        >>> import chainrule as cr
        >>> x = cr.random.default_rng(0).uniform(2.0, 3.0, 100)
        >>> bool((x >= 2).all() & (x < 3).all())
        True
        """
        dtype = result_dtype(dtype, low, high, what="uniform")
        in_order("uniform", low=low, high=high)
        shape = size_for(size, low, high, what="uniform")
        if isinstance(low, (int, float)) and isinstance(high, (int, float)):
            return self._half_open(shape, dtype, low=float(low), width=float(high) - float(low))
        u = self._half_open(shape, dtype)
        return _placed(u, low, 1 if is_number(low, 0) and is_number(high, 1) else high - as_value(low), dtype)

    def triangular(self, left, mode, right, size=None, *, dtype=None):
        """Numbers whose density rises from `left` to `mode` and falls to `right`, both in straight lines."""
        in_order("triangular", left=left, mode=mode, right=right)
        dtype = result_dtype(dtype, left, mode, right, what="triangular")
        u = self._inside(size_for(size, left, mode, right, what="triangular"))
        left, mode, right = _wide(left), _wide(mode), _wide(right)
        rising = u * (right - left) < mode - left
        below = left + sqrt(where(rising, u * (right - left) * (mode - left), 0))
        above = right - sqrt(where(rising, 0, (1 - u) * (right - left) * (right - mode)))
        return cast(where(rising, below, above), dtype)

    # --- location and scale -------------------------------------------------------------------------------------------

    def standard_normal(self, size=None, dtype=np.float64, out=None):
        """Normal numbers of mean 0 and standard deviation 1, by the method of Box and Muller.

        >>> import chainrule as cr
        >>> cr.random.default_rng(0).standard_normal((2, 3)).shape
        (2, 3)
        """
        dtype = floating(dtype, "standard_normal")
        shape = as_shape(_given(size, out, "standard_normal"))
        return store(out, cast(self._normals(shape), dtype), "standard_normal")

    def normal(self, loc=0.0, scale=1.0, size=None, *, dtype=None):
        """Normal numbers of mean `loc` and standard deviation `scale`.

        >>> import chainrule as cr
        >>> rng = cr.random.default_rng(0)
        >>> cr.grad(lambda mean: rng.normal(mean, 1.0, 5).sum())(2.0) == 5
        np.True_
        """
        non_negative("normal", scale=scale)
        dtype = result_dtype(dtype, loc, scale, what="normal")
        return _placed(self._normals(size_for(size, loc, scale, what="normal")), loc, scale, dtype)

    def lognormal(self, mean=0.0, sigma=1.0, size=None, *, dtype=None):
        """Numbers whose logarithm is normal with this mean and standard deviation."""
        non_negative("lognormal", sigma=sigma)
        dtype = result_dtype(dtype, mean, sigma, what="lognormal")
        z = self._normals(size_for(size, mean, sigma, what="lognormal"))
        return cast(exp(_wide(mean) + _wide(sigma) * z), dtype)

    def laplace(self, loc=0.0, scale=1.0, size=None, *, dtype=None):
        """Numbers of density proportional to exp(-|x - loc| / scale)."""
        non_negative("laplace", scale=scale)
        dtype = result_dtype(dtype, loc, scale, what="laplace")
        u = self._inside(size_for(size, loc, scale, what="laplace"))
        return _placed(where(u < 0.5, log(2 * u), -log(2 * (1 - u))), loc, scale, dtype)

    def logistic(self, loc=0.0, scale=1.0, size=None, *, dtype=None):
        """Numbers whose distribution function is the sigmoid of (x - loc) / scale."""
        non_negative("logistic", scale=scale)
        dtype = result_dtype(dtype, loc, scale, what="logistic")
        u = self._inside(size_for(size, loc, scale, what="logistic"))
        return _placed(log(u) - log(1 - u), loc, scale, dtype)

    def gumbel(self, loc=0.0, scale=1.0, size=None, *, dtype=None):
        """Numbers whose distribution function is exp(-exp(-(x - loc) / scale)): the largest of many, at the limit."""
        non_negative("gumbel", scale=scale)
        dtype = result_dtype(dtype, loc, scale, what="gumbel")
        return _placed(-log(self._exponential(size_for(size, loc, scale, what="gumbel"))), loc, scale, dtype)

    def standard_cauchy(self, size=None, *, dtype=None):
        """Numbers of density proportional to 1 / (1 + x**2)."""
        u = self._inside(as_shape(() if size is None else size))
        return cast(tan(math.pi * (u - 0.5)), result_dtype(dtype, what="standard_cauchy"))

    # --- waiting times and what is made of them -----------------------------------------------------------------------

    def _exponential(self, shape):
        return -log(self._inside(shape))

    def standard_exponential(self, size=None, dtype=np.float64, method="inv", out=None):
        """Waiting times of mean 1. `method` is accepted for NumPy's sake; the distribution function is inverted in any case."""
        if method not in ("zig", "inv"):
            raise ValueError(f"standard_exponential: unknown method {method!r}; it is 'zig' or 'inv'")
        dtype = floating(dtype, "standard_exponential")
        shape = as_shape(_given(size, out, "standard_exponential"))
        return store(out, cast(self._exponential(shape), dtype), "standard_exponential")

    def exponential(self, scale=1.0, size=None, *, dtype=None):
        """Waiting times of mean `scale`."""
        non_negative("exponential", scale=scale)
        dtype = result_dtype(dtype, scale, what="exponential")
        return _placed(self._exponential(size_for(size, scale, what="exponential")), 0, scale, dtype)

    def rayleigh(self, scale=1.0, size=None, *, dtype=None):
        """Lengths of vectors of two normal numbers of standard deviation `scale`."""
        non_negative("rayleigh", scale=scale)
        dtype = result_dtype(dtype, scale, what="rayleigh")
        return _placed(sqrt(2 * self._exponential(size_for(size, scale, what="rayleigh"))), 0, scale, dtype)

    def pareto(self, a, size=None, *, dtype=None):
        """Numbers from 0 that are larger than x with probability (1 + x)**-a (Lomax; add 1 for the classical Pareto)."""
        positive("pareto", a=a)
        dtype = result_dtype(dtype, a, what="pareto")
        return cast(expm1(self._exponential(size_for(size, a, what="pareto")) / _wide(a)), dtype)

    def weibull(self, a, size=None, *, dtype=None):
        """Numbers that are larger than x with probability exp(-x**a)."""
        positive("weibull", a=a)
        dtype = result_dtype(dtype, a, what="weibull")
        return cast(exp(log(self._exponential(size_for(size, a, what="weibull"))) / _wide(a)), dtype)

    def power(self, a, size=None, *, dtype=None):
        """Numbers from (0, 1) that are smaller than x with probability x**a."""
        positive("power", a=a)
        dtype = result_dtype(dtype, a, what="power")
        return cast(exp(-self._exponential(size_for(size, a, what="power")) / _wide(a)), dtype)

    # --- gamma and its kin --------------------------------------------------------------------------------------------

    def _log_gamma(self, a, shape):
        return log_gamma_quantile(_wide(a), self._inside(shape))

    def standard_gamma(self, shape, size=None, dtype=None, out=None):
        """Numbers of density proportional to x**(shape - 1) exp(-x)."""
        return store(out, self.gamma(shape, size=_given(size, out, "standard_gamma", None), dtype=dtype), "standard_gamma")

    def gamma(self, shape, scale=1.0, size=None, *, dtype=None):
        """Numbers of density proportional to x**(shape - 1) exp(-x / scale).

        The sample is the quantile of a uniform number, so its derivative in `shape` is that of the implicit
        reparameterisation (Figurnov, Mohamed and Mnih, 2018).

        >>> import chainrule as cr
        >>> rng = cr.random.default_rng(0)
        >>> slope = cr.grad(lambda k: rng.gamma(k, 2.0, 10_000).mean())(3.0)  # the mean is 2 k
        >>> bool(abs(slope - 2) < 0.05)
        True
        """
        positive("gamma", shape=shape)
        non_negative("gamma", scale=scale)
        dtype = result_dtype(dtype, shape, scale, what="gamma")
        return _placed(exp(self._log_gamma(shape, size_for(size, shape, scale, what="gamma"))), 0, scale, dtype)

    def chisquare(self, df, size=None, *, dtype=None):
        """Sums of the squares of `df` standard normal numbers."""
        positive("chisquare", df=df)
        dtype = result_dtype(dtype, df, what="chisquare")
        return cast(self._chisquare(_wide(df), size_for(size, df, what="chisquare")), dtype)

    def _chisquare(self, df, shape):
        return 2 * exp(self._log_gamma(df / 2, shape))

    def noncentral_chisquare(self, df, nonc, size=None, *, dtype=None):
        """Sums of the squares of `df` normal numbers of standard deviation 1, whose means squared add up to `nonc`.

        For `df` below 1, no derivative flows through the number of Poisson that is drawn on the way.
        """
        positive("noncentral_chisquare", df=df)
        non_negative("noncentral_chisquare", nonc=nonc)
        dtype = result_dtype(dtype, df, nonc, what="noncentral_chisquare")
        shape = size_for(size, df, nonc, what="noncentral_chisquare")
        return cast(self._noncentral_chisquare(df, nonc, shape), dtype)

    def _noncentral_chisquare(self, df, nonc, shape):
        df, nonc = _wide(df), _wide(nonc)
        central, more = nonc == 0, df > 1
        root = where(central, 0, sqrt(where(central, 1, nonc)))
        first = self._normals(shape) + root
        rest = where(more, self._chisquare(where(more, df - 1, 1), shape), 0)
        counts = self.poisson(broadcast_to(as_value(nonc / 2), shape))
        return where(df >= 1, first * first + rest, self._chisquare(df + 2.0 * counts, shape))

    def f(self, dfnum, dfden, size=None, *, dtype=None):
        """Ratios of two means of squares, of `dfnum` and of `dfden` standard normal numbers."""
        positive("f", dfnum=dfnum, dfden=dfden)
        dtype = result_dtype(dtype, dfnum, dfden, what="f")
        shape = size_for(size, dfnum, dfden, what="f")
        dfnum, dfden = _wide(dfnum), _wide(dfden)
        return cast(exp(self._log_gamma(dfnum / 2, shape) - self._log_gamma(dfden / 2, shape)) * (dfden / dfnum), dtype)

    def noncentral_f(self, dfnum, dfden, nonc, size=None, *, dtype=None):
        """As `f`, the squares above being those of `noncentral_chisquare`."""
        positive("noncentral_f", dfnum=dfnum, dfden=dfden)
        non_negative("noncentral_f", nonc=nonc)
        dtype = result_dtype(dtype, dfnum, dfden, nonc, what="noncentral_f")
        shape = size_for(size, dfnum, dfden, nonc, what="noncentral_f")
        above = self._noncentral_chisquare(dfnum, nonc, shape) / _wide(dfnum)
        return cast(above / (self._chisquare(_wide(dfden), shape) / _wide(dfden)), dtype)

    def standard_t(self, df, size=None, *, dtype=None):
        """Student's t with `df` degrees of freedom."""
        positive("standard_t", df=df)
        dtype = result_dtype(dtype, df, what="standard_t")
        shape = size_for(size, df, what="standard_t")
        half = _wide(df) / 2
        return cast(self._normals(shape) * exp(0.5 * (log(half) - self._log_gamma(half, shape))), dtype)

    def beta(self, a, b, size=None, *, dtype=None):
        """Numbers of density proportional to x**(a - 1) (1 - x)**(b - 1).

        >>> import chainrule as cr
        >>> cr.random.default_rng(0).beta(2.0, [1.0, 3.0]).shape
        (2,)
        """
        positive("beta", a=a, b=b)
        dtype = result_dtype(dtype, a, b, what="beta")
        shape = size_for(size, a, b, what="beta")
        return cast(sigmoid(self._log_gamma(a, shape) - self._log_gamma(b, shape)), dtype)

    def dirichlet(self, alpha, size=None, *, dtype=None):
        """Vectors of positive numbers that add up to 1, of density proportional to the product of x**(alpha - 1).

        Parameters
        ----------
        alpha : array of shape (..., k)
        size : shape of the array of vectors; None takes (...)

        Returns
        -------
        array of shape (*size, k)
        """
        positive("dirichlet", alpha=alpha)
        alpha = as_value(alpha)
        if ndim_of(alpha) == 0:
            raise ShapeError(explain("dirichlet: `alpha` needs an axis", "found a single number", help="give a vector"))
        dtype = result_dtype(dtype, alpha, what="dirichlet")
        size = shape_of(alpha)[:-1] if size is None else as_shape(size)
        shape = size_for((*size, shape_of(alpha)[-1]), alpha, what="dirichlet")
        return cast(softmax(self._log_gamma(alpha, shape), -1), dtype)

    # --- others -------------------------------------------------------------------------------------------------------

    def vonmises(self, mu, kappa, size=None, *, dtype=None):
        """Angles from -pi to pi, of density proportional to exp(kappa cos(x - mu))."""
        non_negative("vonmises", kappa=kappa)
        dtype = result_dtype(dtype, mu, kappa, what="vonmises")
        shape = size_for(size, mu, kappa, what="vonmises")
        angle = _wide(mu) + von_mises_quantile(_wide(kappa), self._inside(shape))
        return cast(angle - 2 * math.pi * floor((angle + math.pi) / (2 * math.pi)), dtype)

    def wald(self, mean, scale, size=None, *, dtype=None):
        """Times at which a Brownian motion with drift first reaches a level: the inverse Gaussian distribution."""
        positive("wald", mean=mean, scale=scale)
        dtype = result_dtype(dtype, mean, scale, what="wald")
        shape = size_for(size, mean, scale, what="wald")
        mean = _wide(mean)
        return cast(mean * wald_quantile(_wide(scale) / mean, self._inside(shape)), dtype)

    def multivariate_normal(self, mean, cov, size=None, check_valid="warn", tol=1e-8, *, method="svd", dtype=None):
        """Vectors of normal numbers with these means and covariances.

        Parameters
        ----------
        mean : array of shape (..., n)
        cov : positive semidefinite matrices, array of shape (..., n, n)
        size : shape of the array of vectors; None takes that to which (...) of both broadcast
        check_valid : 'warn', 'raise' or 'ignore' a matrix that is not positive semidefinite to the tolerance `tol`; looked at
            only where its numbers are plain ones
        method : 'cholesky' multiplies with the triangular factor, which needs a positive definite matrix; 'svd' and 'eigh' with
            the symmetric square root, which has right derivatives also where eigenvalues repeat

        Returns
        -------
        array of shape (*size, n)
        """
        mean, cov = as_value(mean), as_value(cov)
        if ndim_of(mean) < 1 or ndim_of(cov) < 2 or shape_of(cov)[-2:] != (shape_of(mean)[-1],) * 2:
            raise ShapeError(
                explain(
                    "multivariate_normal: `cov` must be a matrix for each vector of means",
                    f"mean: {shape_of(mean)}    cov: {shape_of(cov)}",
                    help="for n numbers, `mean` has shape (..., n) and `cov` (..., n, n)",
                )
            )
        if method not in ("svd", "eigh", "cholesky"):
            raise ArgumentError(
                explain(f"multivariate_normal: unknown method {method!r}", help="use 'svd', 'eigh' or 'cholesky'")
            )
        factors.check_covariance(cov, check_valid, tol)
        dtype = result_dtype(dtype, mean, cov, what="multivariate_normal")
        n = shape_of(mean)[-1]
        size = np.broadcast_shapes(shape_of(mean)[:-1], shape_of(cov)[:-2]) if size is None else as_shape(size)
        z = self._normals(size_for((*size, n), mean, what="multivariate_normal"))
        root = factors.triangular(_wide(cov)) if method == "cholesky" else factors.symmetric(_wide(cov))
        return cast(_wide(mean) + matmul(root, expand(z, (ndim_of(z),)))[..., 0], dtype)

    # --- relaxations of discrete ones ---------------------------------------------------------------------------------

    def gumbel_softmax(self, logits, tau=1.0, hard=False, axis=-1):
        """Vectors near to one-hot ones of `categorical`, through which derivatives flow to `logits` and `tau`.

        The softmax of logits plus Gumbel noise, at temperature `tau` (Jang, Gu and Poole; Maddison, Mnih and Teh; ICLR 2017).
        With `hard`, the one-hot vector itself, with the derivative of the soft one.

        >>> import chainrule as cr
        >>> x = cr.random.default_rng(0).gumbel_softmax(np.zeros(4), hard=True)
        >>> float(x.sum())
        1.0
        """
        positive("gumbel_softmax", tau=tau)
        logits = as_value(logits)
        noise = self.gumbel(size=shape_of(logits), dtype=result_dtype(None, logits, what="gumbel_softmax"))
        soft = softmax((logits + noise) / tau, axis)
        if not hard:
            return soft
        best = soft == soft.max(axis, keepdims=True)
        return cast(best, soft.dtype) + (soft - soft.detach())

    def relaxed_bernoulli(self, logits, tau=1.0, hard=False):
        """Numbers near to those of `bernoulli` with log-odds `logits`, through which derivatives flow; see `gumbel_softmax`."""
        positive("relaxed_bernoulli", tau=tau)
        logits = as_value(logits)
        noise = self.logistic(size=shape_of(logits), dtype=result_dtype(None, logits, what="relaxed_bernoulli"))
        soft = sigmoid((logits + noise) / tau)
        return cast(soft > 0.5, soft.dtype) + (soft - soft.detach()) if hard else soft


def _given(size, out, what, default=()):
    size = size_and_out(size, out, what)
    return default if size is None else size
