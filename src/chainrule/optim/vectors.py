"""Many arrays as one vector of real numbers, which is what methods of numerical analysis work on."""

import copy
import functools
from itertools import repeat
from typing import Any

import numpy as np

from ..errors import ArgumentError, explain
from ..ops.elementwise import imag, real
from ..ops.joining import concatenate, stack
from ..ops.shaping import as_value, cast, reshape
from ..tensor import Tensor
from ..transforms.reverse import ROOT
from ..trees import flatten, unflatten


@functools.cache
def real_dtype(dtype):
    """The dtype of the real part of numbers of this dtype."""
    return np.empty(0, dtype).real.dtype


def pairs(z):
    """Complex numbers as pairs of real ones along a new last axis."""
    return stack([real(z), imag(z)], -1)


def from_pairs(x, dtype):
    """What `pairs` was made of."""
    return cast(x[..., 0] + 1j * x[..., 1], dtype)


def packed(arrays, dtype):
    """All elements of arrays (plain ones or Tensors) as one vector of a real dtype; a complex element becomes two."""
    if set(map(type, arrays)) <= {np.ndarray}:
        parts = [a.ravel() for a in arrays]
        try:
            return np.concatenate(parts, dtype=dtype, casting="same_kind") if parts else np.zeros(0, dtype)
        except TypeError:  # some are complex; to ask each would take as long as to join them
            return np.concatenate([p.view(real_dtype(p.dtype)) for p in parts], dtype=dtype, casting="same_kind")
    parts = [reshape(pairs(a) if a.dtype.kind == "c" else a, (-1,)) for a in map(as_value, arrays)]
    return concatenate([cast(p, dtype) for p in parts]) if parts else np.zeros(0, dtype)


class Layout:
    """Where each of several arrays stands in their vector.

    Attributes
    ----------
    size : elements of the vector
    """

    def __init__(self, arrays):
        self.size, self.places = 0, []
        for a in arrays:
            start, self.size = self.size, self.size + a.size * (2 if a.dtype.kind == "c" else 1)
            self.places.append((start, self.size, a.shape, a.dtype))
        self.dtypes = {place[-1] for place in self.places}
        self.shapes, self.kinds = [tuple(place[2]) for place in self.places], [place[3] for place in self.places]
        self.starts = [start * dtype.itemsize for start, _, _, dtype in self.places]

    def unpacked(self, vector):
        """The arrays in their own dtypes, which may share the vector's memory; of a Tensor, Tensors."""
        if self.dtypes == {vector.dtype}:
            if type(vector) is np.ndarray and vector.flags.c_contiguous:  # in half the time of slices
                made: Any = np.ndarray
                return list(map(made, self.shapes, self.kinds, repeat(vector), self.starts))
            return [vector[start:end].reshape(shape) for start, end, shape, dtype in self.places]
        return [_unpacked(vector[start:end], shape, dtype) for start, end, shape, dtype in self.places]


def _unpacked(part, shape, dtype):
    if type(part) is np.ndarray:
        return part.astype(real_dtype(dtype), copy=False).view(dtype).reshape(shape)
    if dtype.kind == "c":
        return from_pairs(reshape(part, (*shape, 2)), dtype)
    return cast(reshape(part, shape), dtype)


class Packed:
    """A tree of numbers, and how it becomes a vector of float64 and back. Integers count as float64.

    Attributes
    ----------
    start : the vector
    structure : that of the tree
    """

    def __init__(self, tree, name):
        self.leaves, self.structure = flatten(tree)
        arrays = [_floating(x, name) for x in self.leaves]
        self.layout = Layout(arrays)
        if self.layout.size == 0:
            raise ArgumentError(
                explain(f"{name}: there is nothing to vary", "found: no numbers in x0", help="give a first guess")
            )
        self.start = packed(arrays, np.float64)

    def tree(self, vector):
        """The tree with these values, for a function to compute with."""
        return unflatten(self.structure, self.layout.unpacked(vector))

    def result(self, vector):
        """The same for users: what was a Tensor is a new Tensor of its class, and no memory is shared."""
        arrays = self.layout.unpacked(vector)
        return unflatten(self.structure, [_like(old, np.array(new)) for old, new in zip(self.leaves, arrays, strict=True)])


def _floating(x, name):
    """A leaf as a plain array that can be varied."""
    free = isinstance(x, Tensor) and x.owner is ROOT and x.is_leaf
    array = np.asarray(x.detach() if free else x)
    if array.dtype.kind not in "buifc":
        raise ArgumentError(
            explain(f"{name}: x0 must consist of numbers", f"found: {type(x).__name__}", help="close over everything else")
        )
    return array.astype(np.float64) if array.dtype.kind in "bui" else array


def _like(old, new):
    if not isinstance(old, Tensor):
        return new
    twin = copy.deepcopy(old)
    twin.data, twin.grad = new, None
    return twin
