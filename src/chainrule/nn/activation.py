"""Activations as modules: the functions of the same names in `functional`, which say what they compute."""

import numpy as np

from ..core.value import dtype_of, ndim_of, shape_of
from ..errors import ShapeError, explain
from ..ops.shaping import as_value
from ..tensor import Tensor
from . import functional as F
from .calls import Calls
from .entry import enter, parameter_dtype
from .module import Module
from .parameter import Parameter

# --- without options --------------------------------------------------------------------------------------------------


class Sigmoid(Calls):
    """`1 / (1 + exp(-x))`.

    >>> from chainrule import nn
    >>> nn.Sigmoid()(np.array([0.0]))
    array([0.5])
    """

    function = staticmethod(F.sigmoid)


class LogSigmoid(Calls):
    """Logarithm of the sigmoid."""

    function = staticmethod(F.logsigmoid)


class Tanh(Calls):
    """Hyperbolic tangent."""

    function = staticmethod(F.tanh)


class Tanhshrink(Calls):
    """`x - tanh(x)`."""

    function = staticmethod(F.tanhshrink)


class Softsign(Calls):
    """`x / (1 + abs(x))`."""

    function = staticmethod(F.softsign)


# --- that can bind their input to the result --------------------------------------------------------------------------


class _InPlace(Calls):
    """With `inplace`, a Tensor given as input is itself bound to the result."""

    options = ("inplace",)

    def __init__(self, inplace=False):
        self.inplace = inplace


class ReLU(_InPlace):
    """`max(x, 0)`. With `inplace`, a Tensor given as input is itself bound to the result.

    >>> from chainrule import nn
    >>> nn.ReLU()(np.array([-1.0, 2.0]))
    array([0., 2.])
    """

    function = staticmethod(F.relu)


class SiLU(_InPlace):
    """`x * sigmoid(x)`."""

    function = staticmethod(F.silu)


class Mish(_InPlace):
    """`x * tanh(softplus(x))`."""

    function = staticmethod(F.mish)


class SELU(_InPlace):
    """`ELU`, scaled so that layers keep mean 0 and variance 1."""

    function = staticmethod(F.selu)


class Hardswish(_InPlace):
    """`x * hardsigmoid(x)`."""

    function = staticmethod(F.hardswish)
    shown = ()


class Hardsigmoid(_InPlace):
    """A piecewise linear sigmoid."""

    function = staticmethod(F.hardsigmoid)
    shown = ()


class ReLU6(_InPlace):
    """`min(max(x, 0), 6)`."""

    function = staticmethod(F.relu6)


class Hardtanh(Calls):
    """`x` between `min_val` and `max_val`, these beyond."""

    function = staticmethod(F.hardtanh)
    options = ("min_val", "max_val", "inplace")

    def __init__(self, min_val=-1.0, max_val=1.0, inplace=False):
        self.min_val, self.max_val, self.inplace = min_val, max_val, inplace


class LeakyReLU(Calls):
    """`x` where it is positive, `negative_slope * x` elsewhere."""

    function = staticmethod(F.leaky_relu)
    options = ("negative_slope", "inplace")

    def __init__(self, negative_slope=0.01, inplace=False):
        self.negative_slope, self.inplace = negative_slope, inplace


class ELU(Calls):
    """`x` where it is positive, `alpha * (exp(x) - 1)` elsewhere."""

    function = staticmethod(F.elu)
    options = ("alpha", "inplace")

    def __init__(self, alpha=1.0, inplace=False):
        self.alpha, self.inplace = alpha, inplace


class CELU(ELU):
    """`x` where it is positive, `alpha * (exp(x / alpha) - 1)` elsewhere."""

    function = staticmethod(F.celu)


class Threshold(Calls):
    """`x` where it exceeds `threshold`, `value` elsewhere."""

    function = staticmethod(F.threshold)
    options = ("threshold", "value", "inplace")

    def __init__(self, threshold, value, inplace=False):
        self.threshold, self.value, self.inplace = threshold, value, inplace


class RReLU(Calls):
    """`LeakyReLU` with slopes drawn from `lower` to `upper` while training, and their mean otherwise."""

    function = staticmethod(F.rrelu)
    options = ("lower", "upper", "training", "inplace")
    shown = ("lower", "upper", "inplace")

    def __init__(self, lower=1 / 8, upper=1 / 3, inplace=False):
        self.lower, self.upper, self.inplace = lower, upper, inplace


# --- with other options -----------------------------------------------------------------------------------------------


class GELU(Calls):
    """`x` times the standard normal distribution function of `x`; `approximate` is 'none' or 'tanh'."""

    function = staticmethod(F.gelu)
    options = ("approximate",)

    def __init__(self, approximate="none"):
        self.approximate = approximate


class Softplus(Calls):
    """`log(1 + exp(beta * x)) / beta`; `x` itself where `beta * x` exceeds `threshold`."""

    function = staticmethod(F.softplus)
    options = ("beta", "threshold")

    def __init__(self, beta=1.0, threshold=20.0):
        self.beta, self.threshold = beta, threshold


class _Shrink(Calls):
    options = ("lambd",)

    def __init__(self, lambd=0.5):
        self.lambd = lambd

    def extra_repr(self):
        return str(self.lambd)


class Hardshrink(_Shrink):
    """`x` where its size exceeds `lambd`, 0 elsewhere."""

    function = staticmethod(F.hardshrink)


class Softshrink(_Shrink):
    """`x` moved towards 0 by `lambd`, and 0 where it would get beyond."""

    function = staticmethod(F.softshrink)


class PReLU(Module):
    """`x` where it is positive, `weight * x` elsewhere, with a slope that is trained.

    Parameters
    ----------
    num_parameters : 1, or one for each channel, axis 1
    init : first value of the slopes
    dtype : of the parameter, default float32; floating point inputs are cast to it

    Attributes
    ----------
    weight : Parameter of shape (num_parameters,)

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.PReLU(init=0.5)(np.array([-1.0, 2.0])).detach()
    tensor([-0.5,  2. ], dtype=float32)
    """

    weight: Tensor

    def __init__(self, num_parameters=1, init=0.25, device=None, dtype=None):
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(np.zeros(num_parameters, parameter_dtype(dtype, device)))
        self.reset_parameters()

    def reset_parameters(self):
        """Set all slopes to their first value."""
        self.weight.data = np.full(self.weight.shape, self.init, self.weight.dtype)

    def forward(self, input):
        return F.prelu(enter(input, self.weight.dtype), self.weight)

    def extra_repr(self):
        return f"num_parameters={self.num_parameters}"


# --- along an axis ----------------------------------------------------------------------------------------------------


class _Along(Calls):
    options = ("dim",)

    def __init__(self, dim=None):
        self.dim = dim


class Softmax(_Along):
    """`exp(x) / sum(exp(x))` along axis `dim`; the last by default, where there are at most two.

    >>> from chainrule import nn
    >>> nn.Softmax(dim=0)(np.array([0.0, 0.0]))
    array([0.5, 0.5])
    """

    function = staticmethod(F.softmax)


class LogSoftmax(_Along):
    """Logarithm of the softmax along axis `dim`; the last by default, where there are at most two."""

    function = staticmethod(F.log_softmax)


class Softmin(_Along):
    """Softmax of `-x` along axis `dim`; the last by default, where there are at most two."""

    function = staticmethod(F.softmin)


class GLU(_Along):
    """The first half along axis `dim`, times the sigmoid of the second."""

    function = staticmethod(F.glu)

    def __init__(self, dim=-1):
        self.dim = dim


class Softmax2d(Module):
    """Softmax over the channels at each place of images (batch, channels, height, width), or without batch."""

    def forward(self, input):
        input = as_value(input)
        if ndim_of(input) not in (3, 4):
            raise ShapeError(
                explain(
                    "Softmax2d: the input needs 4 axes, or 3 without a batch",
                    f"expected: (batch, channels, height, width) or (channels, height, width)"
                    f"    found: {dtype_of(input)} {shape_of(input)}",
                    help="nn.Softmax(dim=1) takes any number of axes",
                )
            )
        return F.softmax(input, -3)
