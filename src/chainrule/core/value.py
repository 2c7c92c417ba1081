"""A value: a payload, the trace that owns it, and what that trace wants to remember about it."""

from typing import Any

import numpy as np


class Value:
    """`value` is an array or a Value of a lower level, `owner` the trace, `note` what the trace keeps with it."""

    __slots__ = ("value", "owner", "note", "__weakref__")
    value: Any
    owner: Any
    note: Any

    def __init__(self, value, owner, note=None):
        self.value = value
        self.owner = owner
        self.note = note

    @property
    def shape(self):
        return self.owner.shape_of(self)

    @property
    def dtype(self):
        return self.value.dtype


def shape_of(x) -> tuple:
    """Shape of anything array-like."""
    if isinstance(x, Value):
        return x.owner.shape_of(x)
    return x.shape if isinstance(x, (np.ndarray, np.generic)) else np.shape(x)


def ndim_of(x) -> int:
    return len(shape_of(x))


def dtype_of(x):
    """NumPy dtype of anything array-like."""
    return x.dtype if isinstance(x, (np.ndarray, Value, np.generic)) else np.asarray(x).dtype


def size_of(x) -> int:
    size = 1
    for n in shape_of(x):
        size *= n
    return size
