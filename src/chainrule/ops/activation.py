"""Activation functions that networks are made of."""

import math

import numpy as np

from ..core.value import dtype_of
from .elementwise import multiply
from .families import elementwise
from .shaping import as_value, cast
from .special import erf


def _sigmoid(x):
    if dtype_of(x).kind == "c":
        e = np.exp(np.where(x.real < 0, x, -x))
        return (np.where(x.real < 0, e, 1) / (1 + e))[()]
    e = np.exp(-np.abs(x))
    return (np.where(np.greater_equal(x, 0), 1, e) / (1 + e)).astype(e.dtype, copy=False)[()]


@elementwise(_sigmoid, lambda out: out * (1 - out))
def sigmoid(x):
    """Logistic function `1 / (1 + exp(-x))`, without overflow.

    >>> import chainrule as cr
    >>> cr.sigmoid(np.array([0.0]))
    array([0.5])
    """


@elementwise(lambda x: np.logaddexp(x, 0), lambda x: sigmoid(x))
def softplus(x):
    """`log(1 + exp(x))`, without overflow; a smooth `relu`.

    >>> import chainrule as cr
    >>> cr.softplus(np.array([1000.0]))
    array([1000.])
    """


@elementwise(lambda x: np.maximum(x, 0), lambda out: cast(out > 0, dtype_of(out)))
def relu(x):
    """`max(x, 0)`, with derivative 0 at 0 as in PyTorch.

    >>> import chainrule as cr
    >>> cr.relu(np.array([-1.0, 2.0]))
    array([0., 2.])
    """


def silu(x):
    """`x * sigmoid(x)`.

    >>> import chainrule as cr
    >>> cr.silu(np.array([0.0]))
    array([0.])
    """
    return multiply(x, sigmoid(x))


def gelu(x):
    """`x` times the standard normal distribution function of `x`.

    >>> import chainrule as cr
    >>> cr.gelu(np.array([0.0]))
    array([0.])
    """
    x = as_value(x)
    return x * (0.5 * (1 + erf(x * (1 / math.sqrt(2)))))
