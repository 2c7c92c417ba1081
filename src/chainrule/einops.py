"""einops on Tensors: `from chainrule.einops import rearrange, reduce, repeat`. Needs einops (extra `einops`).

Importing this module teaches einops what a Tensor is, so that code that calls `einops.rearrange` itself works from then on,
under every transform and compiled.
"""

import numpy as np

from . import nn, numpy_views, ops
from .creation import arange, from_numpy
from .errors import missing_extra
from .tensor import Tensor

try:
    from einops import asnumpy, einsum, pack, parse_shape, rearrange, reduce, repeat, unpack
    from einops._backends import AbstractBackend
    from einops.layers import RearrangeMixin, ReduceMixin
except ImportError as error:
    raise missing_extra("einops", "einops", "chainrule.einops") from error

__all__ = ["Rearrange", "Reduce", "asnumpy", "einsum", "pack", "parse_shape", "rearrange", "reduce", "repeat", "unpack"]


class ChainruleBackend(AbstractBackend):
    """What einops asks of a library of arrays; it finds this class by itself."""

    framework_name = "chainrule"

    def is_appropriate_type(self, tensor):
        return isinstance(tensor, Tensor)

    def from_numpy(self, x):
        return from_numpy(x)

    def to_numpy(self, x):
        return np.asarray(x.detach())

    def arange(self, start, stop):
        return arange(start, stop)

    def transpose(self, x, axes):
        return numpy_views.transpose(x, axes)

    def stack_on_zeroth_dimension(self, tensors):
        return ops.stack(tensors)

    def add_axis(self, x, new_position):
        return numpy_views.expand_dims(x, axis=new_position)

    def tile(self, x, repeats):
        return ops.tile(x, repeats)

    def concat(self, tensors, axis):
        return ops.concatenate(tensors, axis=axis)

    def is_float_type(self, x):
        return x.dtype.kind in "fc"

    def einsum(self, pattern, *x):
        return ops.einsum(pattern, *x)


class Rearrange(RearrangeMixin, nn.Module):
    """`rearrange` as a layer.

    >>> from chainrule.einops import Rearrange
    >>> Rearrange("n c h w -> n (c h w)")(np.ones((2, 3, 4, 4))).shape
    (2, 48)
    """

    def forward(self, input):
        return self._apply_recipe(input)


class Reduce(ReduceMixin, nn.Module):
    """`reduce` as a layer.

    >>> from chainrule.einops import Reduce
    >>> Reduce("n c h w -> n c", "max")(np.ones((2, 3, 4, 4))).shape
    (2, 3)
    """

    def forward(self, input):
        return self._apply_recipe(input)
