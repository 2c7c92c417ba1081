"""What may stand beside a Tensor in `x * y` and in NumPy's ufuncs, and who answers: the Tensor, or the other one."""

import functools
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from .core.value import Value
from .errors import UnsupportedError, explain
from .ops.shaping import as_value

NUMBERS = (bool, int, float, complex)
USUAL = {np.ndarray, *NUMBERS, *np.sctypeDict.values()}  # types that need no second look; Tensor adds itself
DATA = ("__array__", "__array_interface__", "__array_struct__")
READERS: dict[type, Any] = {}  # what turns objects of a type into arrays; None where they answer themselves


def operand(x):
    """`x` as something to compute with; NotImplemented if it should be asked, as Python's operators and NumPy ask it."""
    kind = type(x)
    if kind not in READERS:
        READERS[kind] = _reader(kind)
    read = READERS[kind]
    return NotImplemented if read is None else read(x)


def _reader(kind):
    if issubclass(kind, np.ma.MaskedArray):
        return _refuse_mask
    if issubclass(kind, (Value, *NUMBERS)):
        return _itself
    if issubclass(kind, (list, tuple)):
        return as_value
    if issubclass(kind, (Sequence, memoryview)) and not issubclass(kind, (str, bytes, bytearray)):
        return np.asarray
    if issubclass(kind, numbers.Real):
        return float
    if issubclass(kind, (np.ndarray, np.generic)) and not issubclass(kind, np.matrix):
        return np.asarray
    # Data frames have plain data; who else has a say in ufuncs (units, named axes, other libraries' arrays) may hold Tensors.
    frame = kind.__module__.partition(".")[0] == "pandas"
    asks = getattr(kind, "__array_ufunc__", False) is not False and not frame
    return np.asarray if not asks and any(hasattr(kind, name) for name in DATA) else None


def _itself(x):
    return x


def _refuse_mask(x):
    raise UnsupportedError(
        explain("a masked array beside a Tensor: its mask would be lost", help="fill it with x.filled(0), or use cr.where")
    )


def usual(inputs):
    """The arguments of a ufunc as something to compute with; None if one of them should be asked."""
    out = [x if type(x) in USUAL or isinstance(x, Value) else operand(x) for x in inputs]
    return None if any(x is NotImplemented for x in out) else out


def operator(function):
    """The operator of Tensors that a function of two arguments, which is a row, stands for."""
    row = function.row

    @functools.wraps(function)
    def apply(x, y):
        owner = x.owner
        if isinstance(y, Value):
            if y.owner is not owner and y.owner.level > owner.level:
                owner = y.owner
        elif type(y) not in USUAL:
            y = operand(y)
            if y is NotImplemented:
                return y
            if isinstance(y, Value):
                return function(x, y)
        return owner.process2(row, x, y)

    return apply


def guarded(function):
    """As `operator`, of any function of two arguments."""

    @functools.wraps(function)
    def apply(x, y):
        if type(y) not in USUAL and not isinstance(y, Value):
            y = operand(y)
            if y is NotImplemented:
                return y
        return function(x, y)

    return apply


def reflected(function):
    """The operator with the Tensor on the right."""

    @functools.wraps(function)
    def apply(x, y):
        if type(y) not in USUAL and not isinstance(y, Value):
            y = operand(y)
            if y is NotImplemented:
                return y
        return function(y, x)

    return apply
