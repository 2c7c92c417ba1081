"""Rows of a table looked up by integers, one for each or summed in bags."""

import numpy as np

from ...core.value import dtype_of, ndim_of, shape_of
from ...errors import ArgumentError, ShapeError, explain
from ...ops import bincount, expand_dims, index_set, logical_and, maximum, norm, reshape, searchsorted, where
from ...ops.indexing import getitem
from ...ops.segments import segment_max, segment_sum
from ...ops.shaping import as_value, cast
from ...tensor import Tensor
from ...transforms.reverse import ROOT
from ..entry import check_integers, check_range, countable
from .sparse import sparse_rows


def embedding(input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False):
    """Rows of `weight` at the indices `input`.

    Parameters
    ----------
    input : integers of any shape
    weight : array of shape (num_embeddings, embedding_dim)
    padding_idx : no derivative flows to this row
    max_norm : rows that are looked up and whose norm exceeds it are first shortened to it, in `weight` itself
    norm_type : order of that norm
    scale_grad_by_freq : divide the derivative of each row by how often it is looked up
    sparse : keep the gradient of `weight` as rows and their values; see `SparseRows`

    Returns
    -------
    array of shape (*input.shape, embedding_dim)

    Raises
    ------
    IndexRangeError
        An index is negative or too large.

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.embedding(np.array([1, 1]), np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[3., 4.],
           [3., 4.]])
    """
    ids = check_integers(input, "embedding", "input")
    weight = _table(weight, "embedding")
    rows = shape_of(weight)[0]
    check_range(ids, rows, "embedding", "input")
    ids = countable(ids, rows)
    if max_norm is not None:
        weight = _shortened(weight, ids, max_norm, norm_type)
    out = sparse_rows(weight, ids) if sparse else getitem(weight, ids)
    if scale_grad_by_freq and isinstance(out, Tensor):
        counts = getitem(bincount(reshape(ids, (-1,)), minlength=rows), ids)
        fixed = out.detach()
        out = fixed + (out - fixed) / expand_dims(cast(counts, dtype_of(out)), -1)
    if padding_idx is not None and isinstance(out, Tensor):
        out = where(expand_dims(ids == padding_idx % rows, -1), out.detach(), out)
    return out


def _table(weight, what):
    weight = as_value(weight)
    if ndim_of(weight) != 2:
        raise ShapeError(
            explain(
                f"{what}: `weight` must be a table of rows",
                f"found: {dtype_of(weight)} {shape_of(weight)}",
                help="one per integer",
            )
        )
    return weight


def _shortened(weight, ids, max_norm, norm_type):
    """The table with rows at `ids` that are too long shortened; the Tensor or array that was given is changed to it."""
    fixed = weight.detach() if isinstance(weight, Tensor) else weight
    lengths = norm(fixed, float(norm_type), 1, True)
    used = index_set(np.zeros(shape_of(weight)[0], bool), reshape(ids, (-1,)), True)
    factor = where(logical_and(expand_dims(used, 1), lengths > max_norm), max_norm / (lengths + 1e-7), 1.0)
    new = fixed * cast(factor, dtype_of(weight))
    if isinstance(weight, Tensor) and weight.owner is ROOT and weight.is_leaf:
        weight.data = new
        return weight
    if isinstance(weight, np.ndarray) and isinstance(new, np.ndarray) and weight.flags.writeable:
        weight[...] = new
        return weight
    return weight + (new - fixed)


def embedding_bag(
    input,
    weight,
    offsets=None,
    max_norm=None,
    norm_type=2.0,
    scale_grad_by_freq=False,
    mode="mean",
    sparse=False,
    per_sample_weights=None,
    include_last_offset=False,
    padding_idx=None,
):
    """Sum, mean or maximum of the rows of `weight` that each bag of indices names.

    Parameters
    ----------
    input : integers of shape (bags, n); or of shape (n,), cut into bags by `offsets`
    weight : array of shape (num_embeddings, embedding_dim)
    offsets : where each bag begins; the first at 0
    mode : 'sum', 'mean' or 'max'; a bag without indices gives zeros
    per_sample_weights : None, or array of the shape of `input` by which rows are multiplied, with mode 'sum'
    include_last_offset : `offsets` has one number more, where the last bag ends
    padding_idx : this index counts as none
    max_norm, norm_type, scale_grad_by_freq, sparse : as for `embedding`

    Returns
    -------
    array of shape (bags, embedding_dim)

    Raises
    ------
    IndexRangeError
        An index is negative or too large.
    ShapeError, ArgumentError
        `input`, `offsets` and `per_sample_weights` do not fit together.

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.embedding_bag(np.array([0, 1, 1]), np.array([[1.0], [3.0]]), np.array([0, 2]))
    array([[2.],
           [3.]])
    """
    what = "embedding_bag"
    ids, weight = check_integers(input, what, "input"), _table(weight, what)
    _check_bags(ids, offsets, mode, per_sample_weights, what)
    if ndim_of(ids) == 2:
        bags, n = shape_of(ids)
        of_bag = np.repeat(np.arange(bags), n)
    else:
        offsets = check_integers(offsets, what, "offsets")
        bags = shape_of(offsets)[0] - bool(include_last_offset)
        of_bag = searchsorted(offsets[:bags], np.arange(shape_of(ids)[0]), side="right") - 1
    flat = reshape(ids, (-1,))
    rows = embedding(flat, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    if per_sample_weights is not None:
        rows = rows * expand_dims(cast(reshape(as_value(per_sample_weights), (-1,)), dtype_of(rows)), 1)
    counted = np.ones(shape_of(flat), bool) if padding_idx is None else flat != padding_idx % shape_of(weight)[0]
    kept = expand_dims(counted, 1)
    counts = expand_dims(segment_sum(cast(counted, dtype_of(rows)), of_bag, bags), 1)
    if mode == "max":
        return where(counts > 0, segment_max(where(kept, rows, -np.inf), of_bag, bags), 0)
    total = segment_sum(where(kept, rows, 0), of_bag, bags)
    return total if mode == "sum" else total / maximum(counts, 1)


def _check_bags(ids, offsets, mode, per_sample_weights, what):
    if mode not in ("sum", "mean", "max"):
        raise ArgumentError(explain(f"{what}: unknown mode {mode!r}", help="use 'sum', 'mean' or 'max'"))
    if ndim_of(ids) not in (1, 2) or (ndim_of(ids) == 1) != (offsets is not None):
        raise ShapeError(
            explain(
                f"{what}: indices are (bags, n), or one axis that `offsets` cuts into bags",
                f"input: {shape_of(ids)}    offsets: {None if offsets is None else shape_of(offsets)}",
                help="give offsets for one axis, and none for two",
            )
        )
    if per_sample_weights is not None and (mode != "sum" or shape_of(per_sample_weights) != shape_of(ids)):
        raise ArgumentError(
            explain(
                f"{what}: per_sample_weights need mode 'sum' and the shape of the input",
                f"mode: {mode!r}    input: {shape_of(ids)}    per_sample_weights: {shape_of(per_sample_weights)}",
                help="one number for each index",
            )
        )
