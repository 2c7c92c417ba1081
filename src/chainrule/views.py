"""Views: which Tensors are a part of another one, so that assignments to one of them reach the other, as in NumPy."""

import math
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .core.value import Value
from .errors import explain
from .ops import indexing, shaping


class Part(NamedTuple):
    """What a view is: the Tensor that it is a part of, how to read it from that, and how to write it there.

    `write(whole, part)` gives the new whole; None for a view of the values alone, which leaves the history of the whole.
    """

    whole: Any
    read: Callable
    write: Callable | None


class Views:
    """The views of one Tensor, for as long as somebody else holds them. `made`: of how many Tensors there ever were some."""

    __slots__ = ("references", "limit")
    made = 0

    def __init__(self):
        Views.made += 1
        self.references: list = []
        self.limit = 32

    def add(self, view):
        if len(self.references) == self.limit:  # forget those that are gone; twice the rest may come before we look again
            self.references = [r for r in self.references if r() is not None]
            self.limit = 32 + 2 * len(self.references)
        self.references.append(weakref.ref(view))

    def __iter__(self):
        living = (r() for r in self.references)
        return (v for v in living if v is not None)


def scattered(read):
    """How to write any view that takes every element from one place: by reading where they are."""

    def write(whole, part):
        shape = whole.shape
        places = read(np.arange(math.prod(shape)).reshape(shape)).reshape(-1)
        flat = indexing.index_set(shaping.reshape(whole, (-1,)), places, shaping.reshape(part, (-1,)))
        return shaping.reshape(flat, shape)

    return write


def read_only(whole, part):
    """How NumPy lets one write diagonals and broadcast arrays: not at all."""
    raise ValueError(
        explain(
            "assignment destination is read-only",
            "diagonals and broadcast arrays are, as in NumPy",
            help="diagonal(dim1=-2, dim2=-1), as PyTorch has it, can be written; copy what was broadcast",
        )
    )


def reshaped_part(part, before, after):
    """What a view of shape `before` is once it has the shape `after`."""
    write = part.write

    def written(whole, new):
        return write(whole, shaping.reshape(new, before))

    return part._replace(read=lambda whole: part.read(whole).reshape(after), write=write and written)


def reshaped_whole(part, before, after):
    """What a view is once the Tensor of shape `before` that it is a part of has the shape `after`."""
    write = part.write

    def written(whole, new):
        return shaping.reshape(write(shaping.reshape(whole, before), new), after)

    return part._replace(read=lambda whole: part.read(whole.reshape(before)), write=write and written)


def layout(x):
    """A NumPy array that lies in memory as `x` would if it were one: it says which reshapes are views."""
    whole = owner_of(x)
    return _part_of(_dense(whole.value, whole.shape), x)


def overlap(x, y):
    """Whether two Tensors, of which none is a number, share elements, one being a view of the other or both of a third."""
    whole = owner_of(x)
    if whole is not owner_of(y):
        return False
    numbers = np.arange(math.prod(whole.shape)).reshape(whole.shape)
    return bool(np.isin(_part_of(numbers, x), _part_of(numbers, y)).any())


def owner_of(x):
    """The Tensor that `x` is a view of, or `x` itself."""
    while hasattr(x, "part"):
        x = x.part.whole
    return x


def _part_of(array, x):
    """What the view `x` is of this array, which stands for its owner."""
    parts = []
    while hasattr(x, "part"):
        parts.append(x.part)
        x = x.part.whole
    for part in reversed(parts):
        array = part.read(array)
    return array


def _dense(array, shape):
    """The layout of an array that is no view: that of its values, or C order where these lie scattered."""
    while isinstance(array, Value):
        array = array.value
    if isinstance(array, np.ndarray) and 0 not in array.shape:
        array = array[(0,) * (array.ndim - len(shape))]  # of a batch, one entry
        order = sorted(range(array.ndim), key=lambda i: -array.strides[i])
        if array.transpose(order).flags.c_contiguous:
            return array
    return np.empty(shape)


def is_compact(x):
    """Whether `x` is no view and lies in C order, as nearly all Tensors do: all reshapes of it are views."""
    array = x.value
    while isinstance(array, Value):
        array = array.value
    return not hasattr(x, "part") and getattr(array, "flags", None) is not None and array.flags.c_contiguous
