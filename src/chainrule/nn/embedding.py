"""Embedding: a table of vectors, looked up by integers."""

import numpy as np

from ..core.value import shape_of
from ..errors import ArgumentError, ShapeError, explain
from ..tensor import Tensor
from . import functional as F, init
from .entry import parameter_dtype
from .module import Module
from .parameter import Parameter


class Embedding(Module):
    """Vectors for integers: row `i` of `weight` for each integer `i` of the input.

    Parameters
    ----------
    num_embeddings : number of rows; inputs must be below it
    embedding_dim : length of the vectors
    padding_idx : this row starts as zeros and is not trained
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

    weight: Tensor

    def __init__(self, num_embeddings, embedding_dim, padding_idx=None, device=None, dtype=None):
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ArgumentError(
                explain(
                    "Embedding: padding_idx is no row of the table",
                    f"{padding_idx} of {num_embeddings} rows",
                    help="count from 0",
                )
            )
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.weight = Parameter(np.zeros((num_embeddings, embedding_dim), parameter_dtype(dtype, device)))
        self.reset_parameters()

    def reset_parameters(self):
        """Draw the table anew."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            self.weight.data = np.where(np.arange(self.num_embeddings)[:, None] == self.padding_idx, 0, self.weight.detach())

    @classmethod
    def from_pretrained(cls, embeddings, freeze=True, padding_idx=None):
        """A table with these rows, an array of shape (num_embeddings, embedding_dim)."""
        shape = shape_of(embeddings)
        if len(shape) != 2:
            raise ShapeError(explain("Embedding.from_pretrained needs a matrix", f"found: {shape}", help="one row per integer"))
        new = cls(*shape, padding_idx=padding_idx)
        new.weight = Parameter(embeddings, requires_grad=not freeze)
        return new

    def forward(self, ids):
        return F.embedding(ids, self.weight, self.padding_idx)

    def extra_repr(self):
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
