"""Activation functions that networks are made of."""

import math

import numpy as np

from ..core.value import dtype_of
from .elementwise import absolute, multiply, square
from .families import elementwise
from .shaping import as_value, cast
from .special import erf
from .trigonometric import bell, mended, tanh


def _sigmoid(x):
    if dtype_of(x).kind == "c":
        e = np.exp(np.where(x.real < 0, x, -x))
        return (np.where(x.real < 0, e, 1) / (1 + e))[()]
    e = np.exp(-np.abs(x))
    return (np.where(np.greater_equal(x, 0), 1, e) / (1 + e)).astype(e.dtype, copy=False)[()]


@elementwise(_sigmoid, lambda x, out: slope_of_sigmoid(x, out))
def sigmoid(x):
    """Logistic function `1 / (1 + exp(-x))`, without overflow.

    >>> import chainrule as cr
    >>> cr.sigmoid(np.array([0.0]))
    array([0.5])
    """


def _slope_of_sigmoid(x, y):
    left = 1 - y
    return mended(y * left, left, x, bell)


@elementwise(_slope_of_sigmoid, lambda x, out: -tanh(0.5 * x) * out, None)
def slope_of_sigmoid(x, y):
    """y (1 - y) for y = sigmoid(x), also where that is 1 to rounding."""


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


@elementwise(lambda x: x - np.tanh(x), lambda x: square(tanh(x)), scalar=lambda s, x: s.subtract(x, s.tanh(x)))
def tanhshrink(x):
    """`x - tanh(x)`."""


@elementwise(
    lambda x: x / (1 + np.abs(x)),
    lambda x: square(1 / (1 + absolute(x))),
    scalar=lambda s, x: s.divide(x, s.add(1, s.absolute(x))),
)
def _softsign(x):
    """`x / (1 + abs(x))`, for real `x`."""


def softsign(x):
    """`x / (1 + abs(x))`.

    >>> import chainrule as cr
    >>> cr.nn.functional.softsign(np.array([-1.0, 3.0]))
    array([-0.5 ,  0.75])
    """
    x = as_value(x)
    return x / (1 + absolute(x)) if dtype_of(x).kind == "c" else _softsign(x)


def gelu(x):
    """`x` times the standard normal distribution function of `x`.

    >>> import chainrule as cr
    >>> cr.gelu(np.array([0.0]))
    array([0.])
    """
    x = as_value(x)
    return x * (0.5 * (1 + erf(x * (1 / math.sqrt(2)))))
