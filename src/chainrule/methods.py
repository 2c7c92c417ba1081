"""Methods of a Tensor that bear the name of a function: one line each over the ops, in NumPy's and PyTorch's names."""

from typing import Any

import numpy as np

from .core.value import Value
from .errors import UnsupportedError, explain
from .names import torch_names
from .ops import (
    activation,
    arranging,
    comparison,
    contraction,
    elementwise,
    indexing,
    joining,
    reduction,
    shaping,
    sorting,
    special,
    trigonometric,
)


class Methods(Value):
    """What `Tensor` adds to this: how it is differentiated, viewed, assigned to and turned into other things."""

    __slots__ = ()
    ndim: Any
    _view: Any

    exp, log, sqrt, square = elementwise.exp, elementwise.log, elementwise.sqrt, elementwise.square
    sin, cos, tan, tanh = trigonometric.sin, trigonometric.cos, trigonometric.tan, trigonometric.tanh
    abs, sign, reciprocal = elementwise.absolute, elementwise.sign, elementwise.reciprocal
    log1p, expm1, log2, log10 = elementwise.log1p, elementwise.expm1, elementwise.log2, elementwise.log10
    sigmoid, relu, erf = activation.sigmoid, activation.relu, special.erf
    clip = clamp = elementwise.clip
    conj = conjugate = elementwise.conjugate
    maximum, minimum = elementwise.maximum, elementwise.minimum
    floor, ceil, round = comparison.floor, comparison.ceil, comparison.round
    isnan, isfinite, isinf = comparison.isnan, comparison.isfinite, comparison.isinf
    add, sub, mul, div, neg = (
        elementwise.add, elementwise.subtract, elementwise.multiply, elementwise.divide, elementwise.negative
    )  # fmt: skip

    sum, mean, var, std, prod = reduction.sum, reduction.mean, reduction.var, reduction.std, reduction.prod
    max, min, ptp = reduction.max, reduction.min, reduction.ptp
    any, all, argmax, argmin = reduction.any, reduction.all, reduction.argmax, reduction.argmin
    cumsum, cumprod, norm, logsumexp = reduction.cumsum, reduction.cumprod, reduction.norm, reduction.logsumexp
    softmax, log_softmax, count_nonzero = reduction.softmax, reduction.log_softmax, reduction.count_nonzero

    flatten, squeeze, moveaxis = shaping.flatten, shaping.squeeze, shaping.moveaxis
    astype, flip = shaping.astype, shaping.flip
    expand_dims = unsqueeze = torch_names(shaping.expand_dims)
    diagonal, trace, tril, triu = arranging.diagonal, arranging.trace, arranging.tril, arranging.triu
    repeat, roll, tile, diff = arranging.repeat, arranging.roll, arranging.tile, arranging.diff
    split, unbind = joining.split, joining.unstack
    dot, matmul, outer = contraction.dot, contraction.matmul, contraction.outer
    mm = bmm = contraction.matmul
    take, gather, scatter_add, scatter = indexing.take, indexing.gather, indexing.scatter_add, indexing.scatter
    nonzero = indexing.nonzero
    argsort, topk, median = sorting.argsort, sorting.topk, sorting.median
    searchsorted = sorting.searchsorted

    def reshape(self, *shape, order="C"):
        """The same elements in another shape, one length of which may be -1."""

        def read(x):
            return shaping.reshape(x, *shape, order=order)

        return self._view(read(self), read, lambda x, part: shaping.reshape(part, x.shape, order=order))

    view = reshape

    def ravel(self, order="C"):
        """The same elements in one axis."""
        return self.reshape(-1, order="C" if order == "K" else order)

    def transpose(self, *axes):
        """NumPy's: axes in a new order, reversed by default. Two axes of more are exchanged, as in PyTorch."""
        n = self.ndim
        if len(axes) == 2 < n:
            return self.swapaxes(*axes)
        return self._view(
            shaping.transpose(self, *axes),
            lambda x: shaping.transpose(x, *axes),
            lambda x, part: _turned_back(part, axes, n),
        )

    def permute(self, *axes):
        """PyTorch's name for `transpose` with all axes given."""
        return self.transpose(*axes) if len(axes) != 2 else self.transpose(axes)

    def swapaxes(self, axis1, axis2):
        """Two axes exchanged."""

        def exchange(x, part=None):
            return shaping.swapaxes(x if part is None else part, axis1, axis2)

        return self._view(exchange(self), exchange, exchange)

    def t(self):
        """Matrix transpose of a Tensor with at most two axes."""
        return shaping.transpose(self)

    def expand(self, *sizes):
        """Repeat along axes of length 1 and new axes in front; -1 leaves a length as it is."""
        sizes = shaping.as_shape(sizes[0] if len(sizes) == 1 else sizes)
        own = (1,) * (len(sizes) - self.ndim) + self.shape
        return shaping.broadcast_to(self, tuple(m if n == -1 else n for n, m in zip(sizes, own, strict=True)))

    def expand_as(self, other):
        return shaping.broadcast_to(self, other.shape)

    def reshape_as(self, other):
        return self.reshape(other.shape)

    view_as = reshape_as

    def contiguous(self):
        return self

    def clone(self):
        """A copy through which derivatives flow."""
        zero = np.zeros((), self.dtype)[()]
        return elementwise.add(self, zero) if self.dtype.kind != "b" else comparison.bitwise_or(self, zero)

    def copy(self, order="C"):
        """NumPy's name for `clone`."""
        return self.clone()

    def to(self, *args, dtype=None, device=None, **kwargs):
        """Another dtype; devices are accepted if they are the CPU."""
        for a in args:
            if a is None or str(a).startswith("cpu"):
                continue
            if isinstance(a, Value):
                dtype = a.dtype
            elif isinstance(a, str) and a.split(":")[0] in ("cuda", "mps", "xpu", "xla"):
                device = a
            else:
                dtype = a
        if device is not None and not str(device).startswith("cpu"):
            raise UnsupportedError(explain(f"device {device!r}", help="chainrule computes on the CPU; leave the device out"))
        return self if dtype is None else shaping.astype(self, dtype)

    def cpu(self):
        return self

    def type_as(self, other):
        return shaping.astype(self, other.dtype)

    def float(self):
        return shaping.astype(self, np.float32)

    def double(self):
        return shaping.astype(self, np.float64)

    def long(self):
        return shaping.astype(self, np.int64)

    def int(self):
        return shaping.astype(self, np.int32)

    def bool(self):
        return shaping.astype(self, np.bool_)

    def new_zeros(self, *shape):
        return self.owner.constant(np.zeros(shaping.as_shape(shape[0] if len(shape) == 1 else shape), self.dtype))

    def new_ones(self, *shape):
        return self.owner.constant(np.ones(shaping.as_shape(shape[0] if len(shape) == 1 else shape), self.dtype))

    def masked_fill(self, mask, value):
        """A copy with `value` where `mask` holds."""
        return elementwise.where(mask, value, self)

    def eq(self, other):
        return comparison.equal(self, other)

    def index_select(self, dim, index):
        return indexing.take(self, index, dim)

    def chunk(self, chunks, dim=0):
        """At most `chunks` pieces along `dim`, all but the last of one length."""
        n = self.shape[dim]
        step = -(-n // chunks)
        return joining.split(self, list(range(step, n, step)), dim)

    @property
    def T(self):
        n = len(self.shape)
        if n < 2:
            return self
        out = shaping._transpose(self, perm=tuple(range(n - 1, -1, -1)))
        return self._view(out, lambda x: x.T, lambda x, part: part.T)

    @property
    def mT(self):
        return shaping.matrix_transpose(self)

    @property
    def H(self):
        return self.mT.conj()

    @property
    def real(self):
        return elementwise.real(self) if self.dtype.kind == "c" else self

    @property
    def imag(self):
        return elementwise.imag(self)

    @property
    def flat(self):
        return iter(shaping.ravel(self))

    @property
    def at(self):
        """JAX's functional updates: `x.at[key].set(v)` and `x.at[key].add(v)`."""
        return indexing.At(self)


def _turned_back(part, axes, n):
    """`part` with its axes as they were before `transpose(*axes)`."""
    axes = axes[0] if len(axes) == 1 and (axes[0] is None or hasattr(axes[0], "__iter__")) else axes
    if not axes:
        return part.T
    return shaping.transpose(part, shaping.inverse_permutation([shaping.normalize_axis(a, n) for a in axes]))
