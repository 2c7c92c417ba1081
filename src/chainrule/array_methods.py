"""Methods of a Tensor that NumPy's arrays have, with NumPy's arguments; PyTorch's names stand in methods.py."""

import functools
from typing import Any

import numpy as np

from . import in_place, numpy_views
from .core.value import Value
from .devices import on_cpu
from .numpy_calls import HARMLESS, Translation, store
from .numpy_errors import reword
from .ops import arranging, comparison, contraction, editing, elementwise, indexing, reduction, shaping, sorting
from .views import read_only

_DLPACK_CPU = (1, 0)
_ONLY_NUMPYS = HARMLESS | {"out"}


def as_in_numpy(name, ours):
    """`ours` as a method that also takes what NumPy's function of this name takes, such as `out`, and in its order."""
    words: list = []

    @functools.wraps(ours)
    def method(self, *args, **kwargs):
        if not words:
            words.append(Translation(getattr(np, name), ours))
        translation = words[0]
        if len(args) == 2 and isinstance(args[1], bool) and "keepdims" in translation.defaults:  # PyTorch's `keepdim`
            return ours(self, args[0], keepdim=args[1])
        try:
            if len(args) < translation.straight and (not kwargs or _ONLY_NUMPYS.isdisjoint(kwargs)):
                return ours(self, *args, **kwargs)
            return translation((self, *args), kwargs)
        except Exception as error:
            reword(error, getattr(np, name), (self, *args), kwargs)
            raise

    return method


class ArrayMethods(Value):
    """What `Methods` adds to this: PyTorch's names."""

    __slots__ = ()
    _view: Any
    ndim: Any
    size: Any
    itemsize: Any
    detach: Any
    __setitem__: Any

    sum, mean, prod = (
        as_in_numpy("sum", reduction.sum),
        as_in_numpy("mean", reduction.mean),
        as_in_numpy("prod", reduction.prod),
    )
    max, min = as_in_numpy("max", reduction.max), as_in_numpy("min", reduction.min)
    var, std = as_in_numpy("var", reduction.var), as_in_numpy("std", reduction.std)
    any, all = as_in_numpy("any", reduction.any), as_in_numpy("all", reduction.all)
    argmax, argmin = as_in_numpy("argmax", reduction.argmax), as_in_numpy("argmin", reduction.argmin)
    cumsum, cumprod = as_in_numpy("cumsum", reduction.cumsum), as_in_numpy("cumprod", reduction.cumprod)
    round, clip = as_in_numpy("round", comparison.round), as_in_numpy("clip", elementwise.clip)
    trace, diagonal = as_in_numpy("trace", arranging.trace), numpy_views.diagonal
    nonzero = indexing.nonzero
    take, dot = as_in_numpy("take", indexing.take), as_in_numpy("dot", contraction.dot)
    argsort, argpartition = as_in_numpy("argsort", sorting.argsort), as_in_numpy("argpartition", sorting.argpartition)
    searchsorted = as_in_numpy("searchsorted", sorting.searchsorted)
    squeeze = numpy_views.squeeze

    def conjugate(self):
        """Complex conjugate; of what is real this Tensor itself, as in NumPy."""
        return elementwise.conjugate(self) if self.dtype.kind == "c" else self

    conj = conjugate

    def choose(self, choices, out=None, mode="raise"):
        """For each whole number here, the element of the choice of that number; as the function."""
        result = editing.choose(self, choices, mode)
        return result if out is None else store("choose", result, out)

    def compress(self, condition, axis=None, out=None):
        """The slices along `axis` where `condition` holds; as the function."""
        result = indexing.compress(condition, self, axis)
        return result if out is None else store("compress", result, out)

    def astype(self, dtype, order="K", casting="unsafe", subok=True, copy=True):
        """The same numbers in another dtype; a copy unless `copy=False` and the dtype is the same."""
        if casting != "unsafe" and not np.can_cast(self.dtype, dtype, casting):
            raise TypeError(
                f"Cannot cast array data from {self.dtype!r} to {np.dtype(dtype)!r} according to the rule {casting!r}"
            )
        return shaping.astype(self, dtype, copy=copy)

    def put(self, indices, values, mode="raise"):
        """Replace the elements of the flattened array at `indices`; as the function."""
        in_place.put(self, indices, values, mode)

    def partition(self, kth, axis=-1, kind="introselect", order=None):
        """Order in place so that element `kth` stands where sorting would put it; as the function, which gives a copy."""
        self[...] = sorting.partition(self, kth, axis)

    def tobytes(self, order="C"):
        """The bytes of the values."""
        return np.asarray(self.detach()).tobytes(order)

    def to_device(self, device, /, *, stream=None):
        """The Tensor itself, if the device is the CPU, as the Array API asks; others raise."""
        on_cpu(device)
        return self

    @property
    def strides(self):
        """Bytes from one element to the next along each axis, as of an array in C order."""
        steps, step = [], self.itemsize
        for n in self.shape[::-1]:
            steps.append(step)
            step *= n
        return tuple(steps[::-1])

    @property
    def flags(self):
        """What NumPy says of an array in C order of this shape, since a Tensor has no memory layout of its own."""
        return np.empty(self.shape, self.dtype).flags

    @property
    def real(self):
        if self.dtype.kind != "c":
            return self
        return self._view(
            elementwise.real(self), elementwise.real, lambda whole, part: elementwise.from_parts(part, elementwise.imag(whole))
        )

    @real.setter
    def real(self, value):
        self[...] = elementwise.from_parts(value, elementwise.imag(self)) if self.dtype.kind == "c" else value

    @property
    def imag(self):
        if self.dtype.kind != "c":
            return self._view(elementwise.imag(self), elementwise.imag, read_only)
        return self._view(
            elementwise.imag(self), elementwise.imag, lambda whole, part: elementwise.from_parts(elementwise.real(whole), part)
        )

    @imag.setter
    def imag(self, value):
        if self.dtype.kind != "c":
            raise TypeError("array does not have imaginary part to set")
        self[...] = elementwise.from_parts(elementwise.real(self), value)

    @property
    def flat(self):
        """The elements in one axis, to be iterated over, read and assigned to as NumPy's `flat`."""
        return Flat(self)

    @flat.setter
    def flat(self, value):
        Flat(self)[:] = value

    def __contains__(self, value):
        return bool((self == value).any())

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        array = np.asarray(self.owner.to_array(self, "DLPack"))
        array = array if array.flags.writeable else array.copy()
        return array.__dlpack__(stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)

    def __dlpack_device__(self):
        return _DLPACK_CPU


class Flat:
    """What `x.flat` gives: an iterator over the elements of `x` in order, with indices and assignment."""

    def __init__(self, x):
        self.base, self._next = x, 0

    def __len__(self):
        return int(self.base.size)

    def __iter__(self):
        return self

    def __next__(self):
        if self._next >= len(self):
            raise StopIteration
        self._next += 1
        return self[self._next - 1]

    def _elements(self):
        return shaping.reshape(self.base, (-1,))

    def __getitem__(self, key):
        return indexing.getitem(self._elements(), key)

    def __setitem__(self, key, value):
        n = shaping.as_value(np.arange(len(self))[key]).size
        value = shaping.reshape(shaping.as_value(value), (-1,))
        flat = indexing.index_set(
            self._elements(), key, editing.resize(value, n) if np.ndim(np.arange(len(self))[key]) else value[0]
        )
        self.base[...] = shaping.reshape(flat, self.base.shape)

    def copy(self):
        """All elements in one axis."""
        return self._elements().clone()

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self._elements(), dtype)
