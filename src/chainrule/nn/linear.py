"""Linear, and the layers that pass their input on or only reshape it."""

import math

import numpy as np

from ..core.value import dtype_of, ndim_of, shape_of
from ..errors import ShapeError, explain
from ..ops import flatten, matmul, reshape, transpose
from ..ops.shaping import as_value
from ..tensor import Tensor
from . import functional as F, init
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

    def forward(self, input):
        weight, bias = self.weight, self.bias
        input = enter(input, weight.dtype)
        if shape_of(input)[-1:] != weight.shape[1:]:
            check_last(input, weight.shape[1:], f"Linear({self.extra_repr()})", "in_features")
        out = matmul(input, transpose(weight))
        return out if bias is None else out + bias

    def extra_repr(self):
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Bilinear(Module):
    """`x1 @ weight[k] @ x2 + bias[k]` for each output k.

    Parameters
    ----------
    in1_features, in2_features, out_features : int
    bias : False leaves it away
    dtype : of the parameters, default float32; floating point inputs are cast to it

    Attributes
    ----------
    weight : Parameter of shape (out_features, in1_features, in2_features)
    bias : Parameter of shape (out_features,), or None; both are drawn uniformly from +-1 / sqrt(in1_features)

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.Bilinear(3, 4, 2)(np.ones((5, 3)), np.ones((5, 4))).shape
    (5, 2)
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, in1_features, in2_features, out_features, bias=True, device=None, dtype=None):
        dtype = parameter_dtype(dtype, device)
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        self.weight = Parameter(np.zeros((out_features, in1_features, in2_features), dtype))
        self.register_parameter("bias", Parameter(np.zeros(out_features, dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self):
        """Draw the parameters anew, as PyTorch does."""
        bound = 1 / math.sqrt(self.in1_features) if self.in1_features else 0.0
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    def forward(self, input1, input2):
        weight, what = self.weight, f"Bilinear({self.extra_repr()})"
        input1, input2 = enter(input1, weight.dtype), enter(input2, weight.dtype)
        check_last(input1, (self.in1_features,), what, "in1_features")
        check_last(input2, (self.in2_features,), what, "in2_features")
        return F.bilinear(input1, input2, weight, self.bias)

    def extra_repr(self):
        sizes = f"in1_features={self.in1_features}, in2_features={self.in2_features}, out_features={self.out_features}"
        return f"{sizes}, bias={self.bias is not None}"


class Identity(Module):
    """Its input, unchanged. Arguments are accepted and ignored, so that it can stand in for any layer.

    >>> from chainrule import nn
    >>> nn.Identity()(3.0)
    3.0
    """

    def __init__(self, *args, **kwargs):
        pass

    def forward(self, input):
        return input


class Flatten(Module):
    """Join the axes from `start_dim` to `end_dim`, both included, into one.

    >>> from chainrule import nn
    >>> nn.Flatten()(np.ones((5, 3, 2))).shape
    (5, 6)
    """

    def __init__(self, start_dim=1, end_dim=-1):
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input):
        check_axes(input, self.start_dim + 1 if self.start_dim >= 0 else -self.start_dim, f"Flatten({self.extra_repr()})")
        return input if ndim_of(input) == self.start_dim + 1 else flatten(input, self.start_dim, self.end_dim)

    def extra_repr(self):
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Split axis `dim` into several.

    Parameters
    ----------
    dim : axis to split
    unflattened_size : lengths of the new axes, of which one may be -1

    Raises
    ------
    ShapeError
        The lengths do not multiply to that of the axis.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.Unflatten(1, (2, 3))(np.ones((5, 6))).shape
    (5, 2, 3)
    """

    def __init__(self, dim, unflattened_size):
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, input):
        input = as_value(input)
        check_axes(input, self.dim + 1 if self.dim >= 0 else -self.dim, f"Unflatten({self.extra_repr()})")
        shape, dim = shape_of(input), self.dim % ndim_of(input)
        sizes = self.unflattened_size
        known = math.prod(n for n in sizes if n != -1)
        if sizes.count(-1) > 1 or (shape[dim] % max(known, 1) if -1 in sizes else shape[dim] != known):
            raise ShapeError(
                explain(
                    f"Unflatten({self.extra_repr()}): the lengths do not multiply to that of the axis",
                    f"axis: {dim}    found: {dtype_of(input)} {shape}",
                    help="one length may be -1, for what is left",
                )
            )
        return reshape(input, (*shape[:dim], *sizes, *shape[dim + 1 :]))

    def extra_repr(self):
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
