"""Gradients of tables of which few rows were looked up: kept as rows, and made whole arrays where they are computed with."""

import numpy as np

from ...core.derivative import strict
from ...core.dispatch import state
from ...core.value import Value
from ...ops.indexing import getitem, index_add
from ...tensor import Tensor
from ...transforms.backward import Call, Leaf, Output
from ...transforms.reverse import ROOT


class SparseRows(Tensor):
    """A gradient that is zero but for some rows: `values[i]` is added to row `rows[i]`.

    It is a Tensor like any other. Computing with it, or assigning to its `data`, makes it a whole array first; until
    then it takes no more memory than what was looked up. Further gradients of the same kind are added without that.

    Attributes
    ----------
    rows : integers of shape (n,), in which a row may stand several times
    values : array of shape (n, columns)
    is_sparse : whether it still has rows; False once it was assigned to

    Examples
    --------
    >>> from chainrule import nn
    >>> table = nn.Embedding(1000, 2, sparse=True, dtype=float)
    >>> table(np.array([3, 7, 3])).sum().backward()
    >>> grad = table.weight.grad
    >>> grad.rows, grad.coalesce().rows
    (array([3, 7, 3]), array([3, 7]))
    >>> grad.coalesce().values
    array([[2., 2.],
           [1., 1.]])
    >>> grad.sum()
    tensor(6.)
    """

    __slots__ = ("rows", "values", "_shape", "_dense")

    def __init__(self, rows, values, shape):
        self.rows, self.values, self._shape, self._dense = rows, values, shape, None
        self.owner, self.note, self.origin = ROOT, None, None

    @property
    def value(self):
        if self._dense is None:
            self._dense = np.zeros(self._shape, self.values.dtype)
            np.add.at(self._dense, self.rows, self.values)
        return self._dense

    @value.setter
    def value(self, new):
        self.rows = self.values = None
        self._dense = new

    @property
    def is_sparse(self):
        return self.rows is not None

    @property  # type: ignore[misc]
    def shape(self):
        return self._shape

    @property
    def dtype(self):
        return (self.values if self.is_sparse else self.value).dtype

    def detach(self):
        if not self.is_sparse or state.recorder is not None:  # programs know arrays only
            return super().detach()
        return SparseRows(self.rows, self.values, self._shape)

    def coalesce(self):
        """The same with every row once, in order."""
        rows, places = np.unique(self.rows, return_inverse=True)
        values = np.zeros((len(rows), *self.values.shape[1:]), self.values.dtype)
        np.add.at(values, places, self.values)
        return SparseRows(rows, values, self._shape)

    def to_dense(self):
        """The whole array, as a plain Tensor."""
        return ROOT.constant(np.array(self.value))

    def joined(self, rows, values):
        """This and further rows."""
        return SparseRows(np.concatenate([self.rows, rows]), np.concatenate([self.values, values]), self._shape)


class _Lookup(Call):
    """A recorded look-up in a table whose gradient is to be sparse."""

    __slots__ = ("added",)

    def __init__(self, leaf, rows, shape):
        self.added = False
        super().__init__("embedding", (leaf,), (rows, shape))

    def pull(self, gs, owner, needed=None):
        (leaf,), (g,) = self.parents, gs
        if self.pullback is None:
            yield from super().pull(gs, owner, needed)  # says that it was freed
        rows, shape = self.pullback
        if strict and self.added:
            return  # a first walk, which met infinities elsewhere, has brought these rows to the leaf
        self.added = False
        plain = owner is None and needed is None and isinstance(g, np.ndarray) and not hasattr(leaf, "hooks")
        if not plain or not np.isfinite(g).all():
            yield leaf, index_add(np.zeros(shape, g.dtype), rows, g)
            return
        self.added = True
        flat, values = rows.reshape(-1), g.reshape(-1, *shape[1:])
        if leaf.grad is None:
            leaf.grad = SparseRows(flat, values, shape)
        elif isinstance(leaf.grad, SparseRows) and leaf.grad.is_sparse:
            leaf.grad = leaf.grad.joined(flat, values)
        else:
            total = np.array(leaf.grad.value)
            np.add.at(total, flat, values)
            leaf.grad.value = total


def sparse_rows(weight, ids):
    """`weight[ids]`, of which `backward` leaves a sparse gradient with a leaf; anything else has ordinary gradients."""
    ids = ids.value if isinstance(ids, Tensor) and ids.owner is ROOT else ids
    plain = isinstance(weight, Tensor) and weight.owner is ROOT and not isinstance(ids, Value)
    if not plain or state.recorder is not None or state.abstract or isinstance(weight.value, Value):
        return getitem(weight, ids)
    if not isinstance(weight.note, Leaf) or not ROOT.recording():
        return getitem(weight, ids)
    node = _Lookup(weight.note, ids, weight.shape)
    return Tensor(weight.value[ids], ROOT, Output(node, 0, 1))
