"""PyTorch's questions about dtypes, and its settings of the whole process."""

import builtins
from typing import Any

import numpy as np

from ..core.dispatch import state
from ..core.value import dtype_of, shape_of
from ..errors import ArgumentError, explain
from ..ops.shaping import as_value
from ..shapes import Size as Size

__all__ = [
    "Size", "get_default_dtype", "is_complex", "is_floating_point", "is_nonzero", "set_default_dtype", "set_printoptions",
]  # fmt: skip


def is_floating_point(x) -> builtins.bool:
    """Whether the values are real floating-point numbers.

    >>> import chainrule as cr
    >>> cr.is_floating_point(cr.zeros(2))
    True
    """
    return dtype_of(x).kind == "f"


def is_complex(x) -> builtins.bool:
    """Whether the values are complex numbers.

    >>> import chainrule as cr
    >>> cr.is_complex(cr.zeros(2))
    False
    """
    return dtype_of(x).kind == "c"


def is_nonzero(x) -> builtins.bool:
    """Whether the only element is not 0.

    >>> import chainrule as cr
    >>> cr.is_nonzero(cr.tensor([3.0]))
    True
    """
    x = as_value(x)
    if int(np.prod(shape_of(x))) != 1:
        raise ArgumentError(
            explain("is_nonzero: the array must have one element", f"found: shape {shape_of(x)}", help="x.any(), x.all()")
        )
    return builtins.bool(x.reshape(()) != 0)


def get_default_dtype():
    """The dtype of the parameters of new layers, float32 unless `set_default_dtype` was called. Arrays are float64, as NumPy's.

    >>> import chainrule as cr
    >>> cr.get_default_dtype()
    dtype('float32')
    """
    return state.layer_dtype


def set_default_dtype(d):
    """Choose the dtype of the parameters of new layers, a real floating-point one.

    >>> import chainrule as cr
    >>> cr.set_default_dtype(cr.float64)
    >>> cr.nn.Linear(2, 3).weight.dtype
    dtype('float64')
    >>> cr.set_default_dtype(cr.float32)
    """
    d = np.dtype(d)
    if d.kind != "f":
        raise ArgumentError(explain("set_default_dtype: only floating-point dtypes", f"found: {d}", help="float32 or float64"))
    type(state).layer_dtype = d


def set_printoptions(precision=None, threshold=None, edgeitems=None, linewidth=None, profile=None, sci_mode=None):
    """How numbers are printed: NumPy's options, which Tensors follow."""
    given: dict[str, Any] = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    if profile is not None:
        given = {"default": {"precision": 4}, "short": {"precision": 2, "threshold": 1000, "edgeitems": 2}, "full": {}}[profile]
        given |= {"threshold": 2**62} if profile == "full" else {}
    given["suppress"] = None if sci_mode is None else not sci_mode
    chosen: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
    np.set_printoptions(**chosen)
