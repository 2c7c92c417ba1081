"""Special functions. SciPy is loaded when the first of them is called."""

import functools
import importlib
import math

import numpy as np

from ..core.value import dtype_of
from .elementwise import exp, log, log1p, multiply, where
from .families import elementwise
from .shaping import as_value


def scipy_special(name):
    """A function of scipy.special that is looked up when it is first called: importing SciPy takes a while."""

    def evaluate(*xs):
        return _load()(*xs)

    @functools.cache
    def _load():
        return getattr(importlib.import_module("scipy.special"), name)

    return evaluate


@elementwise(scipy_special("erf"), lambda x: (2 / math.sqrt(math.pi)) * exp(-x * x))
def erf(x):
    """Error function of `x`: twice the integral of exp(-t**2) / sqrt(pi) from 0 to `x`.

    >>> import chainrule as cr
    >>> cr.erf(np.array([0.0]))
    array([0.])
    """


@elementwise(scipy_special("erfc"), lambda x: (-2 / math.sqrt(math.pi)) * exp(-x * x))
def erfc(x):
    """`1 - erf(x)`, accurate for large `x`.

    >>> import chainrule as cr
    >>> cr.erfc(np.array([0.0]))
    array([1.])
    """


@elementwise(scipy_special("erfinv"), lambda out: (math.sqrt(math.pi) / 2) * exp(out * out), singular=True)
def erfinv(x):
    """Number whose `erf` is `x`, for -1 <= `x` <= 1.

    >>> import chainrule as cr
    >>> cr.erfinv(np.array([0.0]))
    array([0.])
    """


@elementwise(scipy_special("gammaln"), lambda x: digamma(x))
def gammaln(x):
    """Logarithm of the absolute value of the gamma function.

    >>> import chainrule as cr
    >>> cr.gammaln(np.array([1.0]))
    array([0.])
    """


@elementwise(scipy_special("digamma"), lambda x: polygamma(1, x))
def digamma(x):
    """Derivative of `gammaln`.

    >>> import chainrule as cr
    >>> cr.digamma(np.array([1.0]))
    array([-0.57721566])
    """


_scipy_polygamma = scipy_special("polygamma")


def _polygamma(n, x):
    out = _scipy_polygamma(n, x)  # SciPy gives float64 also for float32
    return out.astype(np.float32)[()] if dtype_of(x) in (np.float32, np.float16) else out


@elementwise(_polygamma, None, lambda n, x: polygamma(n + 1, x))
def polygamma(n, x):
    """The `n`-th derivative of `digamma`, for whole `n`.

    >>> import chainrule as cr
    >>> cr.polygamma(1, np.array([1.0]))
    array([1.64493407])
    """


def logit(x):
    """`log(x / (1 - x))`, the inverse of `sigmoid`.

    >>> import chainrule as cr
    >>> cr.logit(np.array([0.5]))
    array([0.])
    """
    x = as_value(x)
    return log(x) - log1p(-x)


def xlogy(x, y):
    """`x * log(y)`, and 0 where `x` is 0.

    >>> import chainrule as cr
    >>> cr.xlogy(0.0, 0.0)
    np.float64(0.0)
    """
    x, y = as_value(x), as_value(y)
    none = (x == 0) & (y <= 0)  # elsewhere the derivative in x is log(y) also at 0
    return where(none, 0.0 * x, multiply(x, log(where(none, 1, y))))
