"""Where in a sequence a vector stands, told to attention, which does not see it by itself."""

import math

import numpy as np

from ..core.value import dtype_of, ndim_of, shape_of
from ..errors import ArgumentError, ShapeError, explain
from ..ops import concatenate
from ..ops.shaping import expand
from ..tensor import Tensor
from . import functional as F, init
from .entry import check_last, enter, parameter_dtype
from .module import Module
from .parameter import Parameter
from .windows import as_float


def _rows(table, length, offset, what):
    """Rows of a table for positions from `offset` on."""
    if offset < 0 or offset + length > shape_of(table)[0]:
        raise ShapeError(
            explain(
                f"{what}: there are no positions beyond max_len",
                f"positions: {offset} to {offset + length - 1}    max_len: {shape_of(table)[0]}",
                help="use a larger max_len or shorter sequences",
            )
        )
    return table[offset : offset + length]


def _waves(length, size, base):
    """Angles (length, size / 2): position times frequencies that fall from 1 to nearly 1 / base."""
    return np.arange(length)[:, None] * np.exp(np.arange(0, size, 2) * (-math.log(base) / size))


class _Added(Module):
    """Adds one row of a table to each position, then drops out."""

    d_model: int
    dropout: float
    max_len: int
    batch_first: bool

    def _add(self, input, table, offset):
        x = enter(input, table.dtype)
        check_last(x, (self.d_model,), f"{type(self).__name__}({self.extra_repr()})", "d_model")
        if ndim_of(x) < 2:
            raise ShapeError(
                explain(f"{type(self).__name__}: the input needs an axis of positions", f"found: {shape_of(x)}", help="x[None]")
            )
        axis = -2 if self.batch_first or ndim_of(x) == 2 else -3
        rows = _rows(table, shape_of(x)[axis], offset, type(self).__name__)
        return F.dropout(x + (rows if axis == -2 else expand(rows, (1,))), self.dropout, self.training)

    def extra_repr(self):
        return f"{self.d_model}, dropout={self.dropout}, max_len={self.max_len}, batch_first={self.batch_first}"


class PositionalEncoding(_Added):
    """Add sines and cosines of the position, of wavelengths from 2 pi to 20000 pi (Vaswani et al., 2017, section 3.5).

    PyTorch has no such layer; this is the one of its tutorials, with the sines in even features and the cosines in odd ones.

    Parameters
    ----------
    d_model : number of features
    dropout : probability, while training
    max_len : most positions
    batch_first : inputs are (batch, positions, d_model) instead of (positions, batch, d_model)
    dtype : of the table, default float32; floating point inputs are cast to it

    Raises
    ------
    ShapeError
        The input has other features or more positions.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.PositionalEncoding(4, dropout=0.0, batch_first=True, dtype=float)(np.zeros((1, 2, 4)))[0].detach().numpy().round(3)
    array([[0.   , 1.   , 0.   , 1.   ],
           [0.841, 0.54 , 0.01 , 1.   ]])
    """

    pe: Tensor

    def __init__(self, d_model, dropout=0.1, max_len=5000, batch_first=False, device=None, dtype=None):
        self.d_model, self.dropout, self.max_len, self.batch_first = d_model, dropout, max_len, batch_first
        angles, dtype = _waves(max_len, d_model, 10000.0), parameter_dtype(dtype, device)
        pe = np.zeros((max_len, d_model), dtype)
        pe[:, 0::2], pe[:, 1::2] = np.sin(angles), np.cos(angles[:, : d_model // 2])
        self.register_buffer("pe", pe, persistent=False)

    def forward(self, input, offset=0):
        """`input` with the encoding added; `offset` is the position of its first step, where a cache holds earlier ones."""
        return self._add(input, self.pe.detach(), offset)


class LearnedPositionalEncoding(_Added):
    """Add a trained vector for each position; arguments as for `PositionalEncoding`.

    Attributes
    ----------
    weight : Parameter of shape (max_len, d_model), normal numbers of deviation 0.02 at first

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.LearnedPositionalEncoding(4, max_len=10)(np.zeros((7, 2, 4))).shape
    (7, 2, 4)
    """

    weight: Tensor

    def __init__(self, d_model, dropout=0.1, max_len=512, batch_first=False, device=None, dtype=None):
        self.d_model, self.dropout, self.max_len, self.batch_first = d_model, dropout, max_len, batch_first
        self.weight = Parameter(np.zeros((max_len, d_model), parameter_dtype(dtype, device)))
        self.reset_parameters()

    def reset_parameters(self):
        """Draw the vectors anew."""
        init.normal_(self.weight, 0.0, 0.02)

    def forward(self, input, offset=0):
        """`input` with the vectors added; `offset` is the position of its first step, where a cache holds earlier ones."""
        return self._add(input, self.weight, offset)


class RotaryEmbedding(Module):
    """Turn pairs of features by angles that grow with the position, so that products of queries and keys depend on their
    distance only (Su et al., "RoFormer", 2021).

    Feature i makes a pair with feature i + head_dim / 2. Apply it to queries and keys of heads before attention.

    Parameters
    ----------
    head_dim : number of features of a head, even
    base : of the frequencies, `base ** (-2 i / head_dim)`

    Examples
    --------
    >>> from chainrule import nn
    >>> turn, q, k = nn.RotaryEmbedding(4), np.ones((6, 4)), np.ones((6, 4))
    >>> scores = turn(q) @ turn(k).T
    >>> np.allclose(scores[1, 0], scores[5, 4])
    True
    """

    def __init__(self, head_dim, base=10000.0):
        if head_dim < 2 or head_dim % 2:
            raise ArgumentError(
                explain("RotaryEmbedding: head_dim must be even", f"head_dim: {head_dim}", help="pairs are turned")
            )
        self.head_dim, self.base = head_dim, base

    def forward(self, input, offset=0):
        """`input` (..., positions, head_dim), turned; `offset` is the position of its first step."""
        x = as_float(input)
        check_last(x, (self.head_dim,), f"RotaryEmbedding({self.extra_repr()})", "head_dim")
        angles = _waves(offset + shape_of(x)[-2], self.head_dim, self.base)[offset:]
        cos, sin = np.cos(angles).astype(dtype_of(x)), np.sin(angles).astype(dtype_of(x))
        a, b = x[..., : self.head_dim // 2], x[..., self.head_dim // 2 :]
        return concatenate([a * cos - b * sin, b * cos + a * sin], -1)

    def extra_repr(self):
        return f"{self.head_dim}, base={self.base}"
