"""Methods of a Tensor that bear the name of a function: one line each over the ops, in NumPy's and PyTorch's names."""

from typing import Any

import numpy as np

from . import numpy_views
from .array_methods import ArrayMethods
from .core.value import Value
from .errors import ShapeError, UnsupportedError, explain
from .functional_updates import At
from .names import torch_names
from .ops import (
    activation,
    arranging,
    comparison,
    contraction,
    cumulative,
    elementwise,
    indexing,
    joining,
    percentiles,
    reduction,
    segments,
    shaping,
    sorting,
    special,
    trigonometric,
)
from .ops.linalg import norms
from .views import is_compact, layout


class Methods(ArrayMethods):
    """What `Tensor` adds to this: how it is differentiated, viewed, assigned to and turned into other things."""

    __slots__ = ()
    ndim: Any
    _view: Any

    exp, log, sqrt, square = elementwise.exp, elementwise.log, elementwise.sqrt, elementwise.square
    sin, cos, tan, tanh = trigonometric.sin, trigonometric.cos, trigonometric.tan, trigonometric.tanh
    abs, sign, reciprocal = elementwise.absolute, elementwise.sign, elementwise.reciprocal
    log1p, expm1, log2, log10 = elementwise.log1p, elementwise.expm1, elementwise.log2, elementwise.log10
    sigmoid, relu, erf = activation.sigmoid, activation.relu, special.erf
    clamp = elementwise.clip
    maximum, minimum = elementwise.maximum, elementwise.minimum
    floor, ceil = comparison.floor, comparison.ceil
    isnan, isfinite, isinf = comparison.isnan, comparison.isfinite, comparison.isinf
    add, mul, neg = elementwise.add, elementwise.multiply, elementwise.negative

    ptp, norm, logsumexp = reduction.ptp, norms.norm, reduction.logsumexp
    softmax, log_softmax, count_nonzero = reduction.softmax, reduction.log_softmax, reduction.count_nonzero

    moveaxis, flip = numpy_views.moveaxis, shaping.flip  # of PyTorch, which copies
    expand_dims = unsqueeze = torch_names(numpy_views.expand_dims)
    tril, triu = arranging.tril, arranging.triu
    roll, tile, diff = arranging.roll, arranging.tile, arranging.diff
    unbind = numpy_views.unstack
    matmul, outer = contraction.matmul, contraction.outer
    mm = bmm = contraction.matmul
    gather, scatter_add, scatter = indexing.gather, indexing.scatter_add, indexing.scatter
    index_select, masked_fill, chunk = indexing.index_select, indexing.masked_fill, numpy_views.chunk
    topk, kthvalue, median = sorting.topk, sorting.kthvalue, percentiles.median
    quantile, nanquantile, nanmedian = percentiles.quantile, percentiles.nanquantile, percentiles.nanmedian
    msort = sorting.msort

    scatter_reduce, index_reduce = segments.scatter_reduce, segments.index_reduce
    index_copy, index_fill = segments.index_copy, segments.index_fill
    cummax, cummin, logcumsumexp = cumulative.cummax, cumulative.cummin, cumulative.logcumsumexp

    def reshape(self, *args, shape=None, order="C", copy=None):
        """The same elements in another shape, one length of which may be -1; a view where NumPy's would be one.

        `copy=True` never gives a view, `copy=False` raises a ValueError where there is none.
        """
        shape = args if shape is None else (shape,)
        if order == "A":
            order = "F" if layout(self).flags.fnc else "C"

        def read(x):
            return shaping.reshape(x, *shape, order=order)

        out = read(self)
        if copy:
            return out.clone() if out is self else out
        if copy is False and not np.may_share_memory(read(lies := layout(self)), lies):
            raise ValueError("Unable to avoid creating a copy while reshaping.")
        if out is self or not ((order == "C" and is_compact(self)) or np.may_share_memory(read(lies := layout(self)), lies)):
            return out
        return self._view(out, read, lambda x, part: shaping.reshape(part, x.shape, order=order))

    def view(self, *shape, size=None, dtype=None):
        """PyTorch's name for `reshape`; without a shape, NumPy's name for a view of everything.

        With a dtype, the numbers as others that lie in the same memory: complex numbers as pairs of real numbers, which
        stand next to each other along the last axis, and pairs of real numbers as complex ones.
        """
        shape = shape if size is None else size
        if len(shape) == 1 and isinstance(shape[0], (type, np.dtype, str)):
            (dtype,) = shape
        if dtype is not None:
            return self._view_as(np.dtype(dtype))
        return self.reshape(*shape) if shape else self.reshape(self.shape)

    def _view_as(self, dtype):
        have, shape = self.dtype, self.shape
        if have == dtype:
            return self.reshape(shape)
        if have.kind + dtype.kind == "cf" and have.itemsize == 2 * dtype.itemsize and shape:
            read, write = _as_pairs, _of_pairs
        elif have.kind + dtype.kind == "fc" and dtype.itemsize == 2 * have.itemsize and shape and shape[-1] % 2 == 0:
            read, write = _of_pairs, _as_pairs
        else:
            raise UnsupportedError(
                explain(
                    f"view of {have} {shape} as {dtype}: a derivative cannot follow the bits of numbers",
                    "what can be viewed: complex numbers as pairs of their parts in the last axis, and such pairs as complex",
                    help="use x.astype(dtype)",
                )
            )
        return self._view(read(self), read, lambda x, part: write(part))

    def ravel(self, order="C"):
        """The same elements in one axis; a view where NumPy's would be one. `order` 'K' takes them as they lie in memory."""
        if order == "C" and is_compact(self):
            return self.reshape(-1)
        lies = layout(self)
        if order == "K":
            by_stride = sorted(range(self.ndim), key=lambda i: -lies.strides[i])
            return self.transpose(by_stride).ravel()
        if order == "A":
            order = "F" if lies.flags.fnc else "C"
        if np.may_share_memory(lies.ravel(order), lies):
            return self.reshape(-1, order=order)
        out = shaping.reshape(self, (-1,), order=order)
        return out.clone() if out is self else out

    def transpose(self, *axes):
        """NumPy's: axes in a new order, reversed by default. Two axes of more are exchanged, as in PyTorch.

        Of a matrix, (-2, -1) and (0, -1) are exchanged too, though to NumPy that is the order that they have; (0, 1) leaves it
        as it is.
        """
        n = self.ndim
        if len(axes) == 2 and (n > 2 or min(axes) < 0):
            return self.swapaxes(*axes)
        if len(axes) > 1:
            axes = (axes,)
        return self._view(
            shaping.transpose(self, *axes),
            lambda x: shaping.transpose(x, *axes),
            lambda x, part: _turned_back(part, axes, n),
        )

    def permute(self, *axes, dims=None):
        """PyTorch's name for `transpose` with all axes given."""
        axes = axes if dims is None else dims
        return self.transpose(*axes) if len(axes) != 2 else self.transpose(axes)

    def flatten(self, start_dim=0, end_dim=-1, *, order="C"):
        """A copy with the axes `start_dim` to `end_dim` merged into one, as in PyTorch; NumPy's order may be given too."""
        if isinstance(start_dim, str):
            start_dim, order = 0, start_dim
        if order != "C":
            return shaping.reshape(self, (-1,), order="C" if order in ("A", "K") else order)
        out = shaping.flatten(self, start_dim, end_dim)
        return out.clone() if out is self else out

    def swapaxes(self, axis1, axis2):
        """Two axes exchanged."""

        def exchange(x, part=None):
            return shaping.swapaxes(x if part is None else part, axis1, axis2)

        return self._view(exchange(self), exchange, exchange)

    def t(self):
        """Matrix transpose of a Tensor with at most two axes."""
        return self.transpose()

    def expand(self, *sizes):
        """Repeat along axes of length 1 and new axes in front; -1 leaves a length as it is."""
        sizes = shaping.as_shape(sizes[0] if len(sizes) == 1 else sizes)
        if len(sizes) < self.ndim:
            raise ShapeError(
                explain(
                    f"expand: {len(sizes)} lengths for {self.ndim} axes", f"x: {self.shape}", help="-1 leaves a length as it is"
                )
            )
        own = (1,) * (len(sizes) - self.ndim) + self.shape
        return numpy_views.broadcast_to(self, tuple(m if n == -1 else n for n, m in zip(sizes, own, strict=True)))

    def expand_as(self, other):
        return self.expand(other.shape)

    def reshape_as(self, other):
        return self.reshape(other.shape)

    view_as = reshape_as

    def contiguous(self, memory_format=None):
        """This Tensor, or a copy if it is a view whose elements do not lie in C order."""
        return self if self.is_contiguous() else self.clone()

    def is_contiguous(self, memory_format=None):
        """Whether the elements lie in C order in memory, as all do but those of views."""
        return not hasattr(self, "part") or layout(self).flags.c_contiguous

    def clone(self, *, memory_format=None):
        """A copy through which derivatives flow."""
        zero = -np.zeros((), self.dtype)[()] if self.dtype.kind in "fc" else np.zeros((), self.dtype)[()]  # -0.0 + -0.0 is -0.0
        return elementwise.add(self, zero) if self.dtype.kind != "b" else comparison.bitwise_or(self, zero)

    def copy(self, order="C"):
        """NumPy's name for `clone`."""
        return self.clone()

    def to(self, *args, dtype=None, device=None, **kwargs):
        """Another dtype; devices are accepted if they are the CPU."""
        for a in args:
            if a is None or isinstance(a, bool) or str(a).startswith("cpu"):  # truth values: non_blocking and copy
                continue
            if isinstance(a, Value):
                dtype = a.dtype
            elif isinstance(a, str) and a.split(":")[0] in ("cuda", "mps", "xpu", "xla"):
                device = a
            else:
                dtype = a
        if device is not None and not str(device).startswith("cpu"):
            raise UnsupportedError(explain(f"device {device!r}", help="chainrule computes on the CPU; leave the device out"))
        return self if dtype is None else shaping.cast(self, dtype)

    def cpu(self):
        return self

    def type_as(self, other):
        return shaping.cast(self, other.dtype)

    def float(self):
        return shaping.cast(self, np.float32)

    def double(self):
        return shaping.cast(self, np.float64)

    def long(self):
        return shaping.cast(self, np.int64)

    def int(self):
        return shaping.cast(self, np.int32)

    def bool(self):
        return shaping.cast(self, np.bool_)

    def eq(self, other):
        return comparison.equal(self, other)

    @property
    def T(self):
        n = len(self.shape)
        if n < 2:
            return self
        out = shaping._transpose(self, perm=tuple(range(n - 1, -1, -1)))
        return self._view(out, shaping.transpose, lambda x, part: shaping.transpose(part))

    @property
    def mT(self):
        return numpy_views.matrix_transpose(self)

    @property
    def H(self):
        return self.mT.conj() if self.dtype.kind == "c" else self.mT

    @property
    def at(self):
        """JAX's functional updates: `x.at[key].set(v)`, `x.at[key].add(v)` and others."""
        return At(self)


def _as_pairs(x):
    """Complex numbers as their real and imaginary parts, one after the other along the last axis."""
    return shaping.reshape(joining.stack([elementwise.real(x), elementwise.imag(x)], axis=-1), (*x.shape[:-1], 2 * x.shape[-1]))


def _of_pairs(x):
    return elementwise.from_parts(x[..., ::2], x[..., 1::2])


def _turned_back(part, axes, n):
    """`part` with its axes as they were before `transpose(*axes)`."""
    axes = axes[0] if len(axes) == 1 and (axes[0] is None or hasattr(axes[0], "__iter__")) else axes
    if not axes or axes[0] is None:
        return shaping.transpose(part)
    return shaping.transpose(part, shaping.inverse_permutation([shaping.normalize_axis(a, n) for a in axes]))
