"""PyTorch's names for what NumPy calls otherwise, so that `import chainrule as torch` goes a long way."""

import builtins
import math

import numpy as _np

from . import ops as _ops
from .core.dispatch import state as _state
from .core.value import shape_of as _shape_of
from .tensor import Tensor as _Tensor
from .transforms.scope import enable_grad as _enable_grad, no_grad as _no_grad

__all__ = [
    "bmm", "cat", "clamp", "cuda", "device", "div", "double", "eq", "float", "floor_divide", "ge", "gt", "half",
    "inference_mode", "int", "is_tensor", "le", "long", "lt", "mm", "mul", "mv", "ne", "neg", "numel", "permute",
    "set_grad_enabled", "short", "sub", "unbind", "unsqueeze",
]  # fmt: skip

half, float, double = _np.float16, _np.float32, _np.float64
short, int, long = _np.int16, _np.int32, _np.int64

cat = _ops.concatenate
clamp = _ops.clip
mm = bmm = mv = _ops.matmul
mul, div, sub, neg = _ops.multiply, _ops.divide, _ops.subtract, _ops.negative
eq, ne, lt, le, gt, ge = _ops.equal, _ops.not_equal, _ops.less, _ops.less_equal, _ops.greater, _ops.greater_equal
floor_divide = _ops.floor_divide
permute = _ops.permute_dims
unbind = _ops.unstack
inference_mode = _no_grad


def unsqueeze(x, dim):
    """Insert an axis of length 1 at `dim`.

    >>> import chainrule as cr
    >>> cr.unsqueeze(cr.zeros(3), 0).shape
    (1, 3)
    """
    return _ops.expand_dims(x, dim)


def is_tensor(x) -> builtins.bool:
    """Whether `x` is a Tensor."""
    return isinstance(x, _Tensor)


def numel(x) -> builtins.int:
    """Number of elements."""
    return math.prod(_shape_of(x))


def device(name="cpu"):
    """The CPU, which is the only device; any other name raises.

    >>> import chainrule as cr
    >>> cr.device("cpu")
    'cpu'
    """
    _state.root.constant(_np.zeros(())).to(device=name)
    return name


class cuda:
    """What scripts ask of PyTorch's module of this name: there is no GPU here."""

    @staticmethod
    def is_available() -> builtins.bool:
        return False

    @staticmethod
    def device_count() -> builtins.int:
        return 0


def set_grad_enabled(mode):
    """Context manager: `enable_grad()` or `no_grad()`, by a boolean."""
    return _enable_grad() if mode else _no_grad()
