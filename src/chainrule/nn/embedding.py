"""Embedding: a table of vectors, looked up by integers."""

import numpy as np

from ..core.value import shape_of
from ..errors import ArgumentError, ShapeError, explain
from ..tensor import Tensor
from . import functional as F, init
from .entry import parameter_dtype
from .module import Module
from .parameter import Parameter


class _Table(Module):
    """What both share: the table, its first values, and options of look-ups."""

    weight: Tensor

    def _build(self, sizes, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, weight, dtype):
        rows, _ = self.num_embeddings, self.embedding_dim = sizes
        if padding_idx is not None and not -rows <= padding_idx < rows:
            raise ArgumentError(
                explain(
                    f"{type(self).__name__}: padding_idx is no row of the table",
                    f"{padding_idx} of {rows} rows",
                    help="count from 0",
                )
            )
        self.padding_idx = None if padding_idx is None else padding_idx % rows
        self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse = max_norm, norm_type, scale_grad_by_freq, sparse
        if weight is None:
            self.weight = Parameter(np.zeros(sizes, dtype))
            self.reset_parameters()
        elif shape_of(weight) != tuple(sizes):
            raise ShapeError(
                explain(
                    f"{type(self).__name__}: the given table has other sizes",
                    f"expected: {tuple(sizes)}    found: {shape_of(weight)}",
                    help="leave it out to draw one",
                )
            )
        else:
            self.weight = Parameter(weight)

    def reset_parameters(self):
        """Draw the table anew."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            self.weight.data = np.where(np.arange(self.num_embeddings)[:, None] == self.padding_idx, 0, self.weight.detach())

    @classmethod
    def from_pretrained(cls, embeddings, freeze=True, **options):
        """A table with these rows, an array of shape (num_embeddings, embedding_dim); options as for the layer."""
        shape = shape_of(embeddings)
        if len(shape) != 2:
            raise ShapeError(
                explain(f"{cls.__name__}.from_pretrained needs a matrix", f"found: {shape}", help="one row per integer")
            )
        new = cls(*shape, _weight=embeddings, **options)
        new.weight.requires_grad_(not freeze)
        return new

    def _lookup(self):
        return {name: getattr(self, name) for name in ("padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse")}

    def extra_repr(self):
        usual = {"padding_idx": None, "max_norm": None, "norm_type": 2.0, "scale_grad_by_freq": False, "sparse": False}
        shown = [f", {k}={getattr(self, k)}" for k, v in usual.items() if getattr(self, k) != v]
        return f"{self.num_embeddings}, {self.embedding_dim}" + "".join(shown)


class Embedding(_Table):
    """Vectors for integers: row `i` of `weight` for each integer `i` of the input.

    Parameters
    ----------
    num_embeddings : number of rows; inputs must be below it
    embedding_dim : length of the vectors
    padding_idx : this row starts as zeros and is not trained
    max_norm, norm_type : rows whose norm exceeds `max_norm` are shortened to it when they are looked up
    scale_grad_by_freq : divide gradients of rows by how often these are looked up
    sparse : `weight.grad` is kept as rows and their values, see `SparseRows`
    dtype : of the table, default float32

    Attributes
    ----------
    weight : Parameter of shape (num_embeddings, embedding_dim), drawn from the standard normal distribution

    Raises
    ------
    IndexRangeError
        An input is negative or too large.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.Embedding(10, 3)(np.array([[1, 2], [0, 9]])).shape
    (2, 2, 3)
    """

    def __init__(
        self,
        num_embeddings,
        embedding_dim,
        padding_idx=None,
        max_norm=None,
        norm_type=2.0,
        scale_grad_by_freq=False,
        sparse=False,
        _weight=None,
        device=None,
        dtype=None,
    ):
        options = (padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, _weight)
        self._build((num_embeddings, embedding_dim), *options, parameter_dtype(dtype, device))

    def forward(self, input):
        return F.embedding(input, self.weight, **self._lookup())


class EmbeddingBag(_Table):
    """Sum, mean or maximum of the vectors of several integers; see `functional.embedding_bag`.

    Parameters
    ----------
    num_embeddings, embedding_dim, max_norm, norm_type, scale_grad_by_freq, sparse, dtype : as for `Embedding`
    mode : 'sum', 'mean' or 'max'
    include_last_offset : offsets have one number more, where the last bag ends
    padding_idx : this integer counts as none

    Examples
    --------
    >>> from chainrule import nn
    >>> bag = nn.EmbeddingBag(10, 3, mode="sum")
    >>> bag(np.array([1, 2, 4, 5, 4]), np.array([0, 2])).shape
    (2, 3)
    """

    def __init__(
        self,
        num_embeddings,
        embedding_dim,
        max_norm=None,
        norm_type=2.0,
        scale_grad_by_freq=False,
        mode="mean",
        sparse=False,
        _weight=None,
        include_last_offset=False,
        padding_idx=None,
        device=None,
        dtype=None,
    ):
        self.mode, self.include_last_offset = mode, include_last_offset
        options = (padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, _weight)
        self._build((num_embeddings, embedding_dim), *options, parameter_dtype(dtype, device))

    def forward(self, input, offsets=None, per_sample_weights=None):
        bags = {"mode": self.mode, "include_last_offset": self.include_last_offset}
        return F.embedding_bag(input, self.weight, offsets, per_sample_weights=per_sample_weights, **bags, **self._lookup())

    def extra_repr(self):
        return super().extra_repr() + f", mode={self.mode!r}"
