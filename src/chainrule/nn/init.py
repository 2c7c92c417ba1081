"""Ways to fill a parameter with its first values, in place. Random ones come from the default generator."""

import math
import numbers

import numpy as np

from .. import random
from ..errors import ArgumentError, ShapeError, explain
from ..ops import clip, erfinv


def _generator(generator):
    return random.default_generator if generator is None else generator


def calculate_gain(nonlinearity, param=None):
    """By how much the weights in front of this activation are larger than after a linear layer.

    Parameters
    ----------
    nonlinearity : 'linear', 'conv1d' ... 'conv3d', 'sigmoid', 'tanh', 'relu', 'leaky_relu' or 'selu'
    param : slope below 0 of 'leaky_relu', default 0.01

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.init.calculate_gain("tanh")
    1.6666666666666667
    """
    gains = {"sigmoid": 1.0, "linear": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75}
    if nonlinearity in gains:
        return gains[nonlinearity]
    if nonlinearity.startswith("conv"):
        return 1.0
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, numbers.Real):
            raise ArgumentError(explain("calculate_gain: a slope is a number", f"found: {param!r}", help="0.01"))
        return math.sqrt(2 / (1 + float(slope) ** 2))
    raise ArgumentError(
        explain(f"calculate_gain: unknown activation {nonlinearity!r}", help=f"use one of {', '.join(gains)}, leaky_relu")
    )


def fans(tensor):
    """(fan_in, fan_out): to how many inputs each output is connected, and the other way round."""
    shape = tensor.shape
    if len(shape) < 2:
        raise ShapeError(
            explain(
                "the number of connections needs a weight with at least two axes",
                f"found: {shape}",
                help="weights are (out, in, ...); fill biases with zeros_ or uniform_",
            )
        )
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


_calculate_fan_in_and_fan_out = fans  # PyTorch's name, which models import


def _calculate_correct_fan(tensor, mode):
    """One of the two, by PyTorch's name."""
    if mode not in ("fan_in", "fan_out"):
        raise ArgumentError(explain(f"kaiming: unknown mode {mode!r}", help="use 'fan_in' or 'fan_out'"))
    return fans(tensor)[mode == "fan_out"]


def uniform_(tensor, a=0.0, b=1.0, generator=None):
    """Numbers from the uniform distribution over [a, b).

    >>> from chainrule import nn
    >>> weight = nn.init.uniform_(nn.Parameter(np.zeros(100)), 2.0, 3.0)
    >>> bool((weight >= 2).all() & (weight < 3).all())
    True
    """
    tensor.data = _generator(generator).uniform(float(a), float(b), tensor.shape, dtype=tensor.dtype)
    return tensor


def normal_(tensor, mean=0.0, std=1.0, generator=None):
    """Numbers from the normal distribution."""
    tensor.data = _generator(generator).normal(float(mean), float(std), tensor.shape, dtype=tensor.dtype)
    return tensor


def trunc_normal_(tensor, mean=0.0, std=1.0, a=-2.0, b=2.0, generator=None):
    """Numbers from the normal distribution without its tails below `a` and above `b`.

    >>> from chainrule import nn
    >>> weight = nn.init.trunc_normal_(nn.Parameter(np.zeros(100)))
    >>> bool((abs(weight) <= 2).all())
    True
    """
    low, high = (math.erf((end - mean) / (std * math.sqrt(2))) for end in (a, b))
    u = _generator(generator).uniform(low, high, tensor.shape)
    tensor.data = clip(erfinv(u) * (std * math.sqrt(2)) + mean, a, b)
    return tensor


def constant_(tensor, val):
    """One number everywhere.

    >>> from chainrule import nn
    >>> nn.init.constant_(nn.Parameter(np.zeros(2)), 3.0)
    Parameter containing:
    tensor([3., 3.], requires_grad=True)
    """
    tensor.data = np.full(tensor.shape, val, tensor.dtype)
    return tensor


def zeros_(tensor):
    """Zeros."""
    return constant_(tensor, 0)


def ones_(tensor):
    """Ones."""
    return constant_(tensor, 1)


def eye_(tensor):
    """Ones on the diagonal of a matrix, zeros elsewhere."""
    if tensor.ndim != 2:
        raise ShapeError(explain("eye_ needs a matrix", f"found: shape {tensor.shape}", help="use dirac_ for convolutions"))
    tensor.data = np.eye(*tensor.shape, dtype=tensor.dtype)
    return tensor


def xavier_uniform_(tensor, gain=1.0, generator=None):
    """Uniform numbers of variance `gain**2 * 2 / (fan_in + fan_out)` (Glorot and Bengio, 2010)."""
    bound = gain * math.sqrt(6 / sum(fans(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor, gain=1.0, generator=None):
    """Normal numbers of variance `gain**2 * 2 / (fan_in + fan_out)` (Glorot and Bengio, 2010)."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(fans(tensor))), generator)


def _kaiming_std(tensor, a, mode, nonlinearity):
    fan = _calculate_correct_fan(tensor, mode.lower())
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fan, 1))  # a weight without elements has no connections


def kaiming_uniform_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """Uniform numbers that keep the variance through layers with this activation (He et al., 2015).

    Parameters
    ----------
    tensor : weight of shape (out, in, ...)
    a : slope below 0 of 'leaky_relu'
    mode : 'fan_in' keeps the variance of values, 'fan_out' that of gradients
    nonlinearity : the activation that follows, as for `calculate_gain`
    """
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """Normal numbers that keep the variance through layers; arguments as for `kaiming_uniform_`."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def orthogonal_(tensor, gain=1.0, generator=None):
    """A random matrix with orthonormal rows or columns, times `gain`; all axes but the first count as one.

    >>> from chainrule import nn
    >>> w = nn.init.orthogonal_(nn.Parameter(np.zeros((2, 3)))).detach()
    >>> np.allclose(w @ w.T, np.eye(2))
    True
    """
    fan_in, _ = fans(tensor)
    rows, columns = tensor.shape[0], fan_in
    flat = _generator(generator).standard_normal((max(rows, columns), min(rows, columns))).numpy()
    q, r = np.linalg.qr(flat)
    q = q * np.where(np.diagonal(r) < 0, -1, 1)  # makes all orthogonal matrices equally likely
    tensor.data = gain * (q.T if rows < columns else q).reshape(tensor.shape)
    return tensor


def dirac_(tensor, groups=1):
    """Kernels of a convolution that pass each channel on: one in the middle of kernel i of channel i, zeros elsewhere.

    Parameters
    ----------
    tensor : weight of shape (out, in, *kernel)
    groups : parts of the output channels of which each passes on all input channels

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.init.dirac_(nn.Parameter(np.zeros((2, 2, 3)))).detach()[0]
    tensor([[0., 1., 0.],
            [0., 0., 0.]])
    """
    shape = tensor.shape
    if len(shape) not in (3, 4, 5) or shape[0] % groups:
        raise ShapeError(
            explain(
                "dirac_: the weight of a convolution, whose outputs are a multiple of groups",
                f"found: {shape}    groups: {groups}",
                help="weights are (out, in, *kernel)",
            )
        )
    values, part = np.zeros(shape, tensor.dtype), shape[0] // groups
    middle = tuple(n // 2 for n in shape[2:])
    for i in range(min(part, shape[1])):
        values[(slice(i, None, part), i, *middle)] = 1
    tensor.data = values
    return tensor


def sparse_(tensor, sparsity, std=0.01, generator=None):
    """Normal numbers in a matrix, of which this part of each column is zero instead (Martens, 2010).

    >>> from chainrule import nn
    >>> (nn.init.sparse_(nn.Parameter(np.zeros((10, 3))), 0.8) == 0).sum(0)
    tensor([8, 8, 8])
    """
    if len(tensor.shape) != 2:
        raise ShapeError(
            explain("sparse_: the weight must be a matrix", f"found: {tensor.shape}", help="fill others by normal_")
        )
    rows = tensor.shape[0]
    order = np.argsort(_generator(generator).uniform(0.0, 1.0, tensor.shape).numpy(), 0)
    normal_(tensor, 0.0, std, generator)
    zeros = np.argsort(order, 0) < math.ceil(sparsity * rows)
    tensor.data = np.where(zeros, 0, tensor.detach()).astype(tensor.dtype)
    return tensor


# PyTorch's older names.
uniform, normal, constant, eye, dirac = uniform_, normal_, constant_, eye_, dirac_
xavier_uniform, xavier_normal, kaiming_uniform, kaiming_normal = (
    xavier_uniform_,
    xavier_normal_,
    kaiming_uniform_,
    kaiming_normal_,
)
orthogonal, sparse = orthogonal_, sparse_
