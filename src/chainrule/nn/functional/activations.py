"""Activations: one array in, one array of the same shape out."""

import functools
import math

import numpy as np

from ... import ops
from ...core.value import Value, dtype_of, ndim_of, shape_of
from ...errors import ArgumentError, ShapeError, explain
from ...ops import activation
from ...ops.shaping import as_value, cast
from ...random import default_generator
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


def celu(input, alpha=1.0, inplace=False):
    """`input` where it is positive, `alpha * (exp(input / alpha) - 1)` elsewhere (Barron, 2017).

    >>> import chainrule.nn.functional as F
    >>> F.celu(np.array([0.0, 2.0]), alpha=0.5)
    array([0., 2.])
    """
    if alpha == 0:
        raise ArgumentError(explain("celu: alpha must not be 0", help="relu is the limit of small alpha"))
    x = as_value(input)
    return _finish(input, ops.where(x > 0, x, alpha * ops.expm1(ops.where(x > 0, 0, x) / alpha)), inplace)


SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805  # the fixed point at mean 0 and variance 1


def selu(input, inplace=False):
    """`elu` scaled so that layers keep mean 0 and variance 1 (Klambauer et al., 2017).

    >>> import chainrule.nn.functional as F
    >>> F.selu(np.array([0.0, 1.0]))
    array([0.        , 1.05070099])
    """
    return _finish(input, SELU_SCALE * elu(as_value(input), SELU_ALPHA), inplace)


def relu6(input, inplace=False):
    """`min(max(input, 0), 6)`, with derivative 0 at both ends.

    >>> import chainrule.nn.functional as F
    >>> F.relu6(np.array([-1.0, 2.0, 7.0]))
    array([0., 2., 6.])
    """
    return hardtanh(input, 0.0, 6.0, inplace)


def hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False):
    """`input` between `min_val` and `max_val`, these beyond. At both ends the derivative is 0.

    >>> import chainrule.nn.functional as F
    >>> F.hardtanh(np.array([-3.0, 0.5, 3.0]))
    array([-1. ,  0.5,  1. ])
    """
    if min_val > max_val:
        raise ArgumentError(
            explain("hardtanh: min_val must not exceed max_val", f"min_val: {min_val}    max_val: {max_val}", help="swap them")
        )
    x = as_value(input)
    return _finish(input, ops.where(x <= min_val, min_val, ops.where(x >= max_val, max_val, x)), inplace)


def hardsigmoid(input, inplace=False):
    """A piecewise linear `sigmoid`: `input / 6 + 1/2`, between 0 and 1.

    >>> import chainrule.nn.functional as F
    >>> F.hardsigmoid(np.array([-4.0, 0.0, 4.0]))
    array([0. , 0.5, 1. ])
    """
    x = as_value(input)
    return _finish(input, ops.where(x <= -3, 0.0, ops.where(x >= 3, 1.0, x / 6 + 0.5)), inplace)


def hardswish(input, inplace=False):
    """`input * hardsigmoid(input)` (Howard et al., 2019).

    >>> import chainrule.nn.functional as F
    >>> F.hardswish(np.array([-4.0, 0.0, 4.0]))
    array([0., 0., 4.])
    """
    x = as_value(input)
    return _finish(input, ops.where(x <= -3, 0.0, ops.where(x >= 3, x, x * (x + 3) / 6)), inplace)


def hardshrink(input, lambd=0.5):
    """`input` where its size exceeds `lambd`, 0 elsewhere.

    >>> import chainrule.nn.functional as F
    >>> F.hardshrink(np.array([-1.0, 0.4, 1.0]))
    array([-1.,  0.,  1.])
    """
    x = as_value(input)
    return ops.where((x > lambd) | (x < -lambd) | (x != x), x, 0.0)


def softshrink(input, lambd=0.5):
    """`input` moved towards 0 by `lambd`, and 0 where it would get beyond.

    >>> import chainrule.nn.functional as F
    >>> F.softshrink(np.array([-1.0, 0.4, 1.0]))
    array([-0.5,  0. ,  0.5])
    """
    if lambd < 0:
        raise ArgumentError(explain("softshrink: lambd must not be negative", f"lambd: {lambd}", help="0 shrinks nothing"))
    x = as_value(input)
    return ops.where(x > lambd, x - lambd, ops.where(x < -lambd, x + lambd, 0 * x))


def tanhshrink(input):
    """`input - tanh(input)`."""
    return activation.tanhshrink(as_value(input))


def softsign(input):
    """`input / (1 + abs(input))`.

    >>> import chainrule.nn.functional as F
    >>> F.softsign(np.array([-1.0, 3.0]))
    array([-0.5 ,  0.75])
    """
    return activation.softsign(as_value(input))


def threshold(input, threshold, value, inplace=False):
    """`input` where it exceeds `threshold`, `value` elsewhere.

    >>> import chainrule.nn.functional as F
    >>> F.threshold(np.array([0.0, 2.0]), 1.0, -5.0)
    array([-5.,  2.])
    """
    x = as_value(input)
    return _finish(input, ops.where(x <= threshold, value, x), inplace)


def mish(input, inplace=False):
    """`input * tanh(softplus(input))` (Misra, 2019).

    >>> import chainrule.nn.functional as F
    >>> F.mish(np.array([0.0, 30.0]))
    array([ 0., 30.])
    """
    x = as_value(input)
    return _finish(input, x * ops.tanh(ops.softplus(x)), inplace)


def prelu(input, weight):
    """`input` where it is positive, `weight * input` elsewhere (He et al., 2015).

    Parameters
    ----------
    input : array; its axis 1 is the channels
    weight : array of shape (), (1,), or (channels,)

    Raises
    ------
    ShapeError
        There is neither one number nor one for each channel.

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.prelu(np.array([[-1.0, -1.0, 2.0]]), np.array([0.5, 0.25, 0.0]))
    array([[-0.5 , -0.25,  2.  ]])
    """
    x, weight = as_value(input), as_value(weight)
    shape, count = shape_of(x), shape_of(weight)
    channels = shape[1] if len(shape) > 1 else 1
    if len(count) > 1 or (count not in ((), (1,)) and count != (channels,)):
        raise ShapeError(
            explain(
                "prelu: `weight` needs one number, or one for each channel",
                f"input: {dtype_of(x)} {shape}    weight: {count}",
                help=f"channels are axis 1: give the weight shape ({channels},)",
            )
        )
    if count not in ((), (1,)):
        weight = ops.reshape(weight, (1, *count) + (1,) * (len(shape) - 2))
    elif count and not shape:
        weight = ops.reshape(weight, ())
    return ops.where(x > 0, x, weight * x)


def rrelu(input, lower=1 / 8, upper=1 / 3, training=False, inplace=False):
    """`leaky_relu` with slopes drawn uniformly from `lower` to `upper`, or their mean unless `training` (Xu et al., 2015).

    >>> import chainrule.nn.functional as F
    >>> F.rrelu(np.array([-1.0, 2.0]), 0.2, 0.4)
    array([-0.3,  2. ])
    """
    if not lower <= upper:
        raise ArgumentError(explain("rrelu: lower must not exceed upper", f"{lower} and {upper}", help="swap them"))
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    x = as_value(input)
    slopes = _drawn(default_generator.uniform(float(lower), float(upper), shape_of(x), dtype=dtype_of(x)), x)
    return _finish(input, ops.where(x > 0, x, slopes * x), inplace)


def _drawn(random, x):
    """Random numbers as a plain array where `x` is one."""
    plain = random.owner.level == 0 and not (isinstance(x, Value) and x.owner.level >= 0)
    return random.value if plain else random


def glu(input, dim=-1):
    """The first half along axis `dim`, times the sigmoid of the second (Dauphin et al., 2016).

    Raises
    ------
    ShapeError
        The axis has an odd length.

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.glu(np.array([3.0, 4.0, 0.0, 0.0]))
    array([1.5, 2. ])
    """
    x = as_value(input)
    if not shape_of(x) or shape_of(x)[dim] % 2:
        raise ShapeError(
            explain(
                "glu: the axis must have an even length, for two halves",
                f"input: {dtype_of(x)} {shape_of(x)}    dim: {dim}",
                help="make the layer before it twice as wide",
            )
        )
    half = shape_of(x)[dim] // 2
    lead = (slice(None),) * (dim % ndim_of(x))
    return x[(*lead, slice(None, half))] * ops.sigmoid(x[(*lead, slice(half, None))])


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
    return x * ops.sigmoid(math.sqrt(8 / math.pi) * (x + 0.044715 * (x * x * x)))


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


def _along(f, x, dim, what):
    """`f(x, dim)`, where a single number counts as an axis of length 1."""
    if dim is None:
        if ndim_of(x) > 2:
            raise ArgumentError(
                explain(
                    f"{what}: along which axis?",
                    f"input: {shape_of(x)}",
                    help="give it: dim=-1 is the last axis, dim=1 the channels",
                )
            )
        dim = -1
    return f(x, dim) if ndim_of(x) else ops.reshape(f(ops.reshape(x, (1,)), dim), ())


def _as(x, dtype):
    x = as_value(x)
    return x if dtype is None else cast(x, dtype)


def softmax(input, dim=None, dtype=None):
    """`exp(input) / sum(exp(input))` along axis `dim`; the last by default, where there are at most two.

    >>> import chainrule.nn.functional as F
    >>> F.softmax(np.array([0.0, 0.0]), dim=0)
    array([0.5, 0.5])
    """
    return _along(ops.softmax, _as(input, dtype), dim, "softmax")


def log_softmax(input, dim=None, dtype=None):
    """Logarithm of `softmax` along axis `dim`; the last by default, where there are at most two."""
    return _along(ops.log_softmax, _as(input, dtype), dim, "log_softmax")


def softmin(input, dim=None, dtype=None):
    """`softmax(-input)`: large where `input` is small.

    >>> import chainrule.nn.functional as F
    >>> F.softmin(np.array([0.0, 0.0]), dim=0)
    array([0.5, 0.5])
    """
    return _along(ops.softmax, -_as(input, dtype), dim, "softmin")


def gumbel_softmax(logits, tau=1.0, hard=False, eps=1e-10, dim=-1):
    """A random sample of one of the classes, softened so that derivatives flow (Jang et al., 2017; Maddison et al., 2017).

    Parameters
    ----------
    logits : array of unnormalised log-probabilities
    tau : temperature; the smaller, the closer to one class
    hard : one class exactly, with the derivative of the soft sample
    dim : axis of the classes

    Examples
    --------
    >>> import chainrule as cr, chainrule.nn.functional as F
    >>> _ = cr.manual_seed(0)
    >>> F.gumbel_softmax(np.zeros((4, 3)), hard=True).sum(-1)
    array([1., 1., 1., 1.])
    """
    x = as_value(logits)
    uniform = _drawn(default_generator.uniform(0.0, 1.0, shape_of(x), dtype=dtype_of(x)), x)
    tiny = float(np.finfo(dtype_of(x)).tiny)
    gumbel = -ops.log(-ops.log(ops.maximum(uniform, tiny)))
    soft = ops.softmax((x + gumbel) / tau, dim)
    if not hard:
        return soft
    classes = shape_of(x)[dim]
    picked = ops.expand_dims(ops.argmax(soft, dim), dim)
    places = np.arange(classes).reshape((-1,) + (1,) * (ndim_of(x) - 1 - dim % ndim_of(x)))
    one = cast(picked == places, dtype_of(x))
    return one + (soft - (soft.detach() if isinstance(soft, Tensor) else soft))


def _in_place(f):
    """The function as PyTorch has it under the same name with `_`: the Tensor itself is bound to the result."""

    @functools.wraps(f)
    def changed(input, *args, **kwargs):
        return f(input, *args, **kwargs, inplace=True)

    changed.__name__ = changed.__qualname__ = f"{f.__name__}_"
    changed.__doc__ = f"`{f.__name__}` in place: the Tensor itself is bound to the result."
    return changed


relu_, leaky_relu_, elu_, celu_ = map(_in_place, (relu, leaky_relu, elu, celu))
selu_, hardtanh_, rrelu_, threshold_ = map(_in_place, (selu, hardtanh, rrelu, threshold))
