"""Linear, and the layers that pass their input on or only reshape it."""

import math

import numpy as np

from ..core.value import ndim_of, shape_of
from ..ops import flatten, matmul, transpose
from ..tensor import Tensor
from . import init
from .entry import check_axes, check_last, enter, parameter_dtype
from .module import Module
from .parameter import Parameter


class Linear(Module):
    """`x @ weight.T + bias`.

    Parameters
    ----------
    in_features, out_features : int
    bias : False leaves it away
    dtype : of the parameters, default float32; floating point inputs are cast to it

    Attributes
    ----------
    weight : Parameter of shape (out_features, in_features)
    bias : Parameter of shape (out_features,), or None; both are drawn uniformly from +-1 / sqrt(in_features)

    Raises
    ------
    ShapeError
        The last axis of an input, of shape (..., in_features), is not in_features.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.Linear(3, 2)(np.ones((5, 3))).shape
    (5, 2)
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, in_features, out_features, bias=True, device=None, dtype=None):
        dtype = parameter_dtype(dtype, device)
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(np.zeros((out_features, in_features), dtype))
        self.register_parameter("bias", Parameter(np.zeros(out_features, dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self):
        """Draw the parameters anew, as PyTorch does."""
        if self.in_features:
            init.kaiming_uniform_(self.weight, a=math.sqrt(5))
            if self.bias is not None:
                bound = 1 / math.sqrt(self.in_features)
                init.uniform_(self.bias, -bound, bound)

    def forward(self, x):
        weight, bias = self.weight, self.bias
        x = enter(x, weight.dtype)
        if shape_of(x)[-1:] != weight.shape[1:]:
            check_last(x, weight.shape[1:], f"Linear({self.extra_repr()})", "in_features")
        out = matmul(x, transpose(weight))
        return out if bias is None else out + bias

    def extra_repr(self):
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Identity(Module):
    """Its input, unchanged. Arguments are accepted and ignored, so that it can stand in for any layer.

    >>> from chainrule import nn
    >>> nn.Identity()(3.0)
    3.0
    """

    def __init__(self, *args, **kwargs):
        pass

    def forward(self, x):
        return x


class Flatten(Module):
    """Join the axes from `start_dim` to `end_dim`, both included, into one.

    >>> from chainrule import nn
    >>> nn.Flatten()(np.ones((5, 3, 2))).shape
    (5, 6)
    """

    def __init__(self, start_dim=1, end_dim=-1):
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x):
        check_axes(x, self.start_dim + 1 if self.start_dim >= 0 else -self.start_dim, f"Flatten({self.extra_repr()})")
        return x if ndim_of(x) == self.start_dim + 1 else flatten(x, self.start_dim, self.end_dim)

    def extra_repr(self):
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"
