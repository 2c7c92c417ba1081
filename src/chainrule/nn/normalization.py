"""Normalisation: layers that shift and scale their input to mean 0 and variance 1."""

import numpy as np

from ..tensor import Tensor
from . import functional as F
from .entry import check_last, enter, parameter_dtype
from .module import Module
from .parameter import Parameter


class LayerNorm(Module):
    """Shift and scale the input to mean 0 and variance 1 over its last axes; then scale by `weight` and shift by `bias`.

    Parameters
    ----------
    normalized_shape : int or tuple, lengths of the axes to normalise over
    eps : added to the variance
    elementwise_affine : False leaves weight and bias away
    bias : False leaves the bias away
    dtype : of the parameters, default float32; floating point inputs are cast to it

    Attributes
    ----------
    weight : Parameter of shape normalized_shape, ones at first; or None
    bias : Parameter of shape normalized_shape, zeros at first; or None

    Raises
    ------
    ShapeError
        The last axes of an input, of shape (..., *normalized_shape), differ.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.LayerNorm(2, eps=0.0)(np.array([3.0, 5.0])).detach()
    tensor([-1.,  1.], dtype=float32)
    """

    weight: Tensor | None
    bias: Tensor | None

    def __init__(self, normalized_shape, eps=1e-5, elementwise_affine=True, bias=True, device=None, dtype=None):
        single = isinstance(normalized_shape, (int, np.integer))
        shape = self.normalized_shape = (int(normalized_shape),) if single else tuple(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        dtype = parameter_dtype(dtype, device)
        self.register_parameter("weight", Parameter(np.ones(shape, dtype)) if elementwise_affine else None)
        self.register_parameter("bias", Parameter(np.zeros(shape, dtype)) if elementwise_affine and bias else None)

    def forward(self, x):
        if self.weight is not None:
            x = enter(x, self.weight.dtype)
        check_last(x, self.normalized_shape, f"LayerNorm({self.extra_repr()})", "normalized_shape")
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self):
        affine = f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        return f"{self.normalized_shape}, eps={self.eps}, {affine}"
