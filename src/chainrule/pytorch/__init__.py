"""PyTorch's names for what NumPy calls otherwise, so that `import chainrule as torch` goes a long way."""

import builtins
import math

import numpy as _np

from .. import linalg as _linalg, numpy_views as _views, ops as _ops, special as _special
from ..core.dispatch import state as _state
from ..core.value import shape_of as _shape_of
from ..tensor import Tensor as _Tensor
from ..transforms.scope import enable_grad as _enable_grad, no_grad as _no_grad
from . import arithmetic as arithmetic, arrays as arrays
from .arithmetic import *
from .arrays import *

__all__ = [
    *arithmetic.__all__, *arrays.__all__, "bmm", "cat", "cholesky", "cholesky_inverse", "cholesky_solve", "clamp", "cuda",
    "device", "double", "eq", "float", "floor_divide", "ge", "gt", "half", "igamma", "igammac", "inference_mode", "int",
    "is_tensor", "kthvalue", "le", "lgamma", "long", "lt", "matrix_exp", "mm", "msort", "mul", "mv", "mvlgamma", "ne",
    "neg", "numel", "permute", "pinverse", "qr", "set_grad_enabled", "short", "trapz", "unbind",
]  # fmt: skip

half, float, double = _np.float16, _np.float32, _np.float64
short, int, long = _np.int16, _np.int32, _np.int64

cat = _ops.concatenate
clamp = _ops.clip
mm = bmm = mv = _ops.matmul
mul, neg = _ops.multiply, _ops.negative
eq, ne, lt, le, gt, ge = _ops.equal, _ops.not_equal, _ops.less, _ops.less_equal, _ops.greater, _ops.greater_equal
floor_divide = _ops.floor_divide
permute, unbind = _views.permute_dims, _views.unstack
kthvalue, msort = _ops.sorting.kthvalue, _ops.sorting.msort
inference_mode = _no_grad
trapz = _ops.trapezoid
igamma, igammac, lgamma, mvlgamma = _special.gammainc, _special.gammaincc, _special.gammaln, _special.multigammaln
cholesky, qr, pinverse, matrix_exp = _linalg.cholesky, _linalg.qr, _linalg.pinv, _linalg.expm


def cholesky_solve(b, factor, upper=False):
    """The solution x of `a @ x = b` by the Cholesky factor of a: the lower one, or the upper one with `upper`.

    >>> import chainrule as cr
    >>> cr.cholesky_solve(np.array([[4.0]]), np.array([[2.0]]))
    array([[1.]])
    """
    return _linalg.cho_solve((factor, not upper), b)


def cholesky_inverse(factor, upper=False):
    """The inverse of the matrix with this Cholesky factor: the lower one, or the upper one with `upper`.

    >>> import chainrule as cr
    >>> cr.cholesky_inverse(np.array([[2.0]]))
    array([[0.25]])
    """
    return cholesky_solve(_np.eye(_shape_of(factor)[-1]), factor, upper)


def is_tensor(x) -> builtins.bool:
    """Whether `x` is a Tensor.

    >>> import chainrule as cr
    >>> cr.is_tensor(cr.zeros(2))
    True
    """
    return isinstance(x, _Tensor)


def numel(x) -> builtins.int:
    """Number of elements.

    >>> import chainrule as cr
    >>> cr.numel(np.zeros((2, 3)))
    6
    """
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
