"""PyTorch's functions that cut, join, pick and rearrange, where NumPy has none of the same meaning."""

import itertools

import numpy as np

from ..core.value import dtype_of, ndim_of, shape_of
from ..creation import asarray
from ..errors import ArgumentError, explain
from ..names import torch_names
from ..numpy_views import array_split, broadcast_arrays, chunk, expand_dims, moveaxis, reshape, split as _split
from ..ops import arranging, indexing, joining, padding, shaping, sorting
from ..ops.shaping import as_value, normalize_axis

__all__ = [
    "block_diag", "broadcast_tensors", "bucketize", "cartesian_prod", "chunk", "clone", "combinations", "diag_embed",
    "diagonal_scatter", "index_put", "index_select", "masked_fill", "masked_scatter", "masked_select", "movedim", "narrow",
    "repeat_interleave", "scalar_tensor", "select_scatter", "slice_scatter", "split_with_sizes", "t", "take_along_dim",
    "tensor_split", "unflatten", "unsqueeze",
]  # fmt: skip

# What gives views of a Tensor gives them under these names too.
movedim, unsqueeze, tensor_split = moveaxis, torch_names(expand_dims), torch_names(array_split)
index_select, masked_fill = indexing.index_select, indexing.masked_fill


def _slice(x, dim, *bounds):
    """The index of a part of `x` along one axis."""
    return (slice(None),) * normalize_axis(dim, ndim_of(x)) + (slice(*bounds),)


def clone(x):
    """A copy, through which derivatives flow.

    >>> import chainrule as cr
    >>> cr.clone(np.array([1.0]))
    array([1.])
    """
    x = as_value(x)
    return x.clone() if hasattr(x, "clone") else x.copy()


def t(x):
    """A matrix transposed; vectors and numbers stay as they are.

    >>> import chainrule as cr
    >>> cr.t(np.array([[1.0, 2.0]]))
    array([[1.],
           [2.]])
    """
    x = as_value(x)
    if ndim_of(x) > 2:
        raise ArgumentError(explain("t: at most two axes", f"found: shape {shape_of(x)}", help="x.mT, or transpose"))
    return x.T


def unflatten(x, dim, sizes):
    """The axis `dim` split into axes of these lengths, one of which may be -1.

    >>> import chainrule as cr
    >>> cr.unflatten(np.zeros((2, 6)), 1, (3, -1)).shape
    (2, 3, 2)
    """
    dim, shape = normalize_axis(dim, ndim_of(x)), shape_of(x)
    sizes, n = tuple(sizes), shape[dim]
    known = int(np.prod([s for s in sizes if s != -1]))
    if -1 in sizes and known:
        sizes = tuple(n // known if s == -1 else s for s in sizes)
    if sizes.count(-1) or int(np.prod(sizes)) != n:
        raise ArgumentError(
            explain(f"unflatten: an axis of length {n} does not split into {sizes}", help="their product must be its length")
        )
    return reshape(x, shape[:dim] + sizes + shape[dim + 1 :])


def broadcast_tensors(*tensors):
    """All arguments, broadcast to one shape.

    >>> import chainrule as cr
    >>> [x.shape for x in cr.broadcast_tensors(np.zeros(3), np.zeros((2, 1)))]
    [(2, 3), (2, 3)]
    """
    return tuple(broadcast_arrays(*tensors))


# --- parts ------------------------------------------------------------------------------------------------------------


def narrow(x, dim, start, length):
    """`length` entries along `dim` from `start` on.

    >>> import chainrule as cr
    >>> cr.narrow(np.arange(5), 0, 1, 3)
    array([1, 2, 3])
    """
    n = shape_of(x)[dim]
    begin = start + n if start < 0 else start
    if not 0 <= begin <= begin + length <= n:
        raise IndexError(explain(f"narrow: {length} entries from {start} on", f"the axis {dim} has {n}", help="ask for fewer"))
    return as_value(x)[_slice(x, dim, begin, begin + length)]


def split_with_sizes(x, split_sizes, dim=0):
    """Parts of these lengths along `dim`.

    >>> import chainrule as cr
    >>> [part.tolist() for part in cr.split_with_sizes(np.arange(4), [1, 3])]
    [[0], [1, 2, 3]]
    """
    if sum(split_sizes) != shape_of(x)[dim]:
        asked = f"split_with_sizes: {list(split_sizes)} do not add up to {shape_of(x)[dim]}, the length of axis {dim}"
        raise ArgumentError(explain(asked, help="chunk, tensor_split and split find the lengths themselves"))
    return _split(x, list(itertools.accumulate(split_sizes))[:-1], dim)


def take_along_dim(x, indices, dim=None):
    """The elements at these positions along `dim`; of the flattened array without it.

    >>> import chainrule as cr
    >>> cr.take_along_dim(np.array([[1, 2], [3, 4]]), np.array([[1], [0]]), 1)
    array([[2],
           [3]])
    """
    if dim is None:
        return indexing.take_along_axis(shaping.reshape(x, (-1,)), shaping.reshape(indices, (-1,)), 0)
    return indexing.take_along_axis(x, indices, dim)


def masked_select(x, mask):
    """The elements where `mask` holds, in one axis.

    >>> import chainrule as cr
    >>> cr.masked_select(np.array([1.0, 2.0]), np.array([False, True]))
    array([2.])
    """
    x, mask = arranging.broadcast_arrays(x, mask)
    return x[mask]


def combinations(x, r=2, with_replacement=False):
    """All choices of `r` elements of a vector, one a row.

    >>> import chainrule as cr
    >>> cr.combinations(np.array([1.0, 2.0, 3.0]))
    array([[1., 2.],
           [1., 3.],
           [2., 3.]])
    """
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = np.array(list(choose(range(shape_of(x)[0]), r)), np.int64).reshape(-1, r)
    return indexing.take(x, rows, 0)


# --- written parts ----------------------------------------------------------------------------------------------------


def masked_scatter(x, mask, source):
    """A copy with the elements of `source`, in their order, where `mask` holds.

    >>> import chainrule as cr
    >>> cr.masked_scatter(np.zeros(3), [True, False, True], np.array([1.0, 2.0]))
    array([1., 0., 2.])
    """
    x, mask = arranging.broadcast_arrays(x, np.asarray(mask))
    return indexing.index_set(x, mask, shaping.reshape(source, (-1,))[: int(mask.sum())])


def index_put(x, indices, values, accumulate=False):
    """A copy with `values` written at (or, with `accumulate`, added to) these positions.

    >>> import chainrule as cr
    >>> cr.index_put(np.zeros(3), [np.array([0, 0])], np.ones(2), accumulate=True)
    array([2., 0., 0.])
    """
    return (indexing.index_add if accumulate else indexing.index_set)(x, tuple(indices), values)


def select_scatter(x, src, dim, index):
    """A copy with `src` as entry `index` along `dim`.

    >>> import chainrule as cr
    >>> cr.select_scatter(np.zeros((2, 2)), np.ones(2), 0, 1)
    array([[0., 0.],
           [1., 1.]])
    """
    return indexing.index_set(x, (slice(None),) * normalize_axis(dim, ndim_of(x)) + (index,), src)


def slice_scatter(x, src, dim=0, start=None, end=None, step=1):
    """A copy with `src` written at a slice along `dim`.

    >>> import chainrule as cr
    >>> cr.slice_scatter(np.zeros(4), np.ones(2), start=1, end=3)
    array([0., 1., 1., 0.])
    """
    return indexing.index_set(x, _slice(x, dim, start, end, step), src)


def diagonal_scatter(x, src, offset=0, dim1=0, dim2=1):
    """A copy with `src` written on a diagonal.

    >>> import chainrule as cr
    >>> cr.diagonal_scatter(np.zeros((2, 2)), np.ones(2))
    array([[1., 0.],
           [0., 1.]])
    """
    n = ndim_of(x)
    dim1, dim2 = normalize_axis(dim1, n), normalize_axis(dim2, n)
    length = shape_of(src)[-1]
    place: list = [slice(None)] * n
    place[dim1] = np.arange(length) + max(-offset, 0)
    place[dim2] = np.arange(length) + max(offset, 0)
    moved = shaping.moveaxis(x, (dim1, dim2), (-2, -1))
    return shaping.moveaxis(indexing.index_set(moved, (..., place[dim1], place[dim2]), src), (-2, -1), (dim1, dim2))


# --- made of others ---------------------------------------------------------------------------------------------------


def repeat_interleave(x, repeats, dim=None, *, output_size=None):
    """Each entry repeated, along `dim`; of the flattened array without it. `output_size`, the resulting length, is not needed.

    >>> import chainrule as cr
    >>> cr.repeat_interleave(np.array([1, 2]), 2)
    array([1, 1, 2, 2])
    """
    return arranging.repeat(x, repeats, dim)


def diag_embed(x, offset=0, dim1=-2, dim2=-1):
    """Matrices with the last axis of `x` as a diagonal.

    >>> import chainrule as cr
    >>> cr.diag_embed(np.array([1.0, 2.0]))
    array([[1., 0.],
           [0., 2.]])
    """
    x = as_value(x)
    shape = shape_of(x)
    n = shape[-1] + abs(offset)
    rows = np.arange(shape[-1]) + max(-offset, 0)
    out = indexing.index_set(np.zeros((*shape[:-1], n, n), dtype_of(x)), (..., rows, rows + offset), x)
    return shaping.moveaxis(out, (-2, -1), (dim1, dim2))


def block_diag(*tensors):
    """One matrix with these (matrices, vectors as rows, numbers) along its diagonal.

    >>> import chainrule as cr
    >>> cr.block_diag(np.eye(1), np.array([2.0, 3.0]))
    array([[1., 0., 0.],
           [0., 2., 3.]])
    """
    blocks = [shaping.reshape(b, (1,) * (2 - ndim_of(b)) + shape_of(b)) for b in map(as_value, tensors)]
    width = sum(shape_of(b)[1] for b in blocks)
    rows, before = [], 0
    for b in blocks:
        n = shape_of(b)[1]
        rows.append(padding.pad(b, ((0, 0), (before, width - before - n))))
        before += n
    return joining.concatenate(rows, 0)


def cartesian_prod(*vectors):
    """All choices of one element of each vector, one a row; a single vector stays as it is.

    >>> import chainrule as cr
    >>> cr.cartesian_prod(np.array([1, 2]), np.array([3, 4]))
    array([[1, 3],
           [1, 4],
           [2, 3],
           [2, 4]])
    """
    if len(vectors) == 1:
        return as_value(vectors[0])
    grids = arranging.meshgrid(*vectors, indexing="ij")
    return joining.stack([shaping.reshape(g, (-1,)) for g in grids], 1)


def bucketize(x, boundaries, *, right=False):
    """Numbers of the buckets between sorted `boundaries` that the elements of `x` fall into.

    With `right`, a boundary belongs to the bucket above it.

    >>> import chainrule as cr
    >>> cr.bucketize(np.array([0.5, 2.5]), np.array([1.0, 2.0]))
    array([0, 2])
    """
    return sorting.searchsorted(boundaries, x, side="right" if right else "left")


def scalar_tensor(value, dtype=np.float32, device=None):
    """A Tensor without axes.

    >>> import chainrule as cr
    >>> cr.scalar_tensor(2.0)
    tensor(2., dtype=float32)
    """
    return asarray(value, dtype, device=device)
