"""Activations: one array in, one array of the same shape out."""

import math

from ... import ops
from ...core.value import ndim_of, shape_of
from ...errors import ArgumentError, explain
from ...ops.shaping import as_value, cast
from ...tensor import Tensor


def _finish(input, out, inplace):
    """`out`, to which a Tensor `input` is bound too if asked for."""
    return input._rebind(out) if inplace and isinstance(input, Tensor) else out


def relu(input, inplace=False):
    """`max(input, 0)`, with derivative 0 at 0. With `inplace`, a Tensor is itself bound to the result.

    >>> import chainrule.nn.functional as F
    >>> F.relu(np.array([-1.0, 2.0]))
    array([0., 2.])
    """
    return _finish(input, ops.relu(as_value(input)), inplace)


def leaky_relu(input, negative_slope=0.01, inplace=False):
    """`input` where it is positive, `negative_slope * input` elsewhere.

    >>> import chainrule.nn.functional as F
    >>> F.leaky_relu(np.array([-1.0, 2.0]))
    array([-0.01,  2.  ])
    """
    x = as_value(input)
    return _finish(input, ops.where(x > 0, x, negative_slope * x), inplace)


def elu(input, alpha=1.0, inplace=False):
    """`input` where it is positive, `alpha * (exp(input) - 1)` elsewhere.

    >>> import chainrule.nn.functional as F
    >>> F.elu(np.array([0.0, 2.0]))
    array([0., 2.])
    """
    x = as_value(input)
    positive = x > 0
    below = ops.expm1(ops.where(positive, 0, x))  # exp of large numbers would overflow
    return _finish(input, ops.where(positive, x, below if alpha == 1 else alpha * below), inplace)


def sigmoid(input):
    """`1 / (1 + exp(-input))`, without overflow."""
    return ops.sigmoid(as_value(input))


def logsigmoid(input):
    """Logarithm of `sigmoid`, accurate also where that underflows.

    >>> import chainrule.nn.functional as F
    >>> F.logsigmoid(np.array([-1000.0]))
    array([-1000.])
    """
    return -ops.softplus(-as_value(input))


def tanh(input):
    """Hyperbolic tangent."""
    return ops.tanh(as_value(input))


def silu(input, inplace=False):
    """`input * sigmoid(input)`, also known as swish."""
    return _finish(input, ops.silu(as_value(input)), inplace)


def gelu(input, approximate="none"):
    """`input` times the standard normal distribution function of it.

    Parameters
    ----------
    input : array
    approximate : 'none', or 'tanh' for the approximation that some models were trained with

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.gelu(np.array([0.0, 10.0]))
    array([ 0., 10.])
    """
    x = as_value(input)
    if approximate == "none":
        return ops.gelu(x)
    if approximate != "tanh":
        raise ArgumentError(
            explain("gelu: unknown approximation", f"approximate: {approximate!r}", help="use 'none' or 'tanh'")
        )
    return 0.5 * x * (1 + ops.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))))


def softplus(input, beta=1.0, threshold=20.0):
    """`log(1 + exp(beta * input)) / beta`, a smooth `relu`.

    Where `beta * input` exceeds `threshold`, the result is `input`. From 20 on, the default, both are the same to 2e-9,
    and the formula, which cannot overflow here, is used throughout.

    >>> import chainrule.nn.functional as F
    >>> F.softplus(np.array([0.0, 1000.0]))
    array([6.93147181e-01, 1.00000000e+03])
    """
    x = as_value(input)
    y = x if beta == 1 else beta * x
    out = ops.softplus(y) if beta == 1 else ops.softplus(y) / beta
    return out if threshold >= 20 else ops.where(y > threshold, x, out)


def _axis(x, dim, what):
    if dim is None:
        if ndim_of(x) > 2:
            raise ArgumentError(
                explain(
                    f"{what}: along which axis?",
                    f"input: {shape_of(x)}",
                    help="give it: dim=-1 is the last axis, dim=1 the channels",
                )
            )
        return -1
    return dim


def _as(x, dtype):
    x = as_value(x)
    return x if dtype is None else cast(x, dtype)


def softmax(input, dim=None, dtype=None):
    """`exp(input) / sum(exp(input))` along axis `dim`; the last by default, where there are at most two.

    >>> import chainrule.nn.functional as F
    >>> F.softmax(np.array([0.0, 0.0]), dim=0)
    array([0.5, 0.5])
    """
    return ops.softmax(_as(input, dtype), _axis(input, dim, "softmax"))


def log_softmax(input, dim=None, dtype=None):
    """Logarithm of `softmax` along axis `dim`; the last by default, where there are at most two."""
    return ops.log_softmax(_as(input, dtype), _axis(input, dim, "log_softmax"))
