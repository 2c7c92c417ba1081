"""NumPy's functions that change their first argument: a Tensor is bound to the new values, a plain array is written into."""

from typing import Any

import numpy as np

from .core.value import Value, dtype_of, ndim_of, shape_of, size_of
from .errors import LostDerivativeError, explain
from .ops import editing, elementwise, indexing, reduction, shaping

__all__ = ["copyto", "fill_diagonal", "place", "put", "putmask"]


def _written(name, x: Any, theirs, new, *others):
    """Bind the Tensor `x` to `new()`, or let NumPy write `others` into the plain array `x`."""
    if hasattr(x, "_rebind"):
        x[...] = new()
        return
    try:
        others = tuple(np.asarray(v) if isinstance(v, Value) else v for v in others)
    except LostDerivativeError:
        raise LostDerivativeError(
            explain(
                f"np.{name} into a plain array, which cannot hold a Tensor's derivative",
                help="make it a Tensor, for example with np.zeros_like(x)",
            )
        ) from None
    theirs(*others)


def copyto(dst, src, casting="same_kind", where=True):
    """Copy the values of `src`, which may broadcast, into `dst` where the mask `where` holds.

    >>> import chainrule as cr
    >>> x = cr.zeros(3)
    >>> cr.numpy.copyto(x, [1.0, 2.0, 3.0], where=[True, False, True])
    >>> x
    tensor([1., 0., 3.])
    """

    def new():
        value = shaping.as_value(src)
        have, want = dtype_of(value), dtype_of(dst)
        if not np.can_cast(have, want, casting):
            raise TypeError(f"Cannot cast array data from {have} to {want} according to the rule {casting!r}")
        value = shaping.broadcast_to(shaping.cast(value, dtype_of(dst)), shape_of(dst))
        return value if where is True else elementwise.where(where, value, dst)

    _written("copyto", dst, lambda src, where: np.copyto(dst, src, casting, where), new, src, where)


def put(x, indices, values, mode="raise"):
    """Replace the elements of the flattened `x` at `indices` by `values`, repeated as often as needed.

    `mode` says what indices outside of `x` do: 'raise', 'wrap' around, or 'clip' to the nearest.

    >>> import chainrule as cr
    >>> x = cr.zeros(3)
    >>> cr.numpy.put(x, [0, 2], [1.0, 2.0])
    >>> x
    tensor([1., 0., 2.])
    """

    def new():
        n = size_of(x)
        where = shaping.reshape(shaping.as_value(indices), (-1,))
        v = shaping.reshape(shaping.as_value(values), (-1,))
        if not shape_of(where)[0] or not shape_of(v)[0]:
            return x
        where = where % n if mode == "wrap" else elementwise.clip(where, 0, n - 1) if mode == "clip" else where
        v = shaping.cast(editing.resize(v, shape_of(where)), dtype_of(x))
        return shaping.reshape(indexing.index_set(shaping.reshape(x, (-1,)), where, v), shape_of(x))

    _written("put", x, lambda indices, values: np.put(x, indices, values, mode), new, indices, values)


def putmask(x, mask, values):
    """Replace the elements of `x` where the mask holds by those of `values` at the same place, repeated as often as needed.

    >>> import chainrule as cr
    >>> x = cr.tensor([1.0, 2.0, 3.0])
    >>> cr.numpy.putmask(x, x > 1.5, [7.0])
    >>> x
    tensor([1., 7., 7.])
    """

    def new():
        v = shaping.cast(shaping.as_value(values), dtype_of(x))
        if size_of(v) == 0:
            return x
        here = shaping.reshape(shaping.as_value(mask), shape_of(x))
        return elementwise.where(here, v if ndim_of(v) == 0 else editing.resize(v, shape_of(x)), x)

    _written("putmask", x, lambda mask, values: np.putmask(x, mask, values), new, mask, values)


def place(x, mask, vals):
    """Replace the elements of `x` where the mask holds by `vals` one after the other, from the start again as often as needed.

    >>> import chainrule as cr
    >>> x = cr.tensor([1.0, 2.0, 3.0])
    >>> cr.numpy.place(x, x > 1.5, [7.0, 8.0])
    >>> x
    tensor([1., 7., 8.])
    """

    def new():
        v = shaping.cast(shaping.reshape(shaping.as_value(vals), (-1,)), dtype_of(x))
        here = shaping.reshape(shaping.as_value(mask).astype(bool), (-1,))
        if size_of(v) == 0:
            if bool(here.any()):
                raise ValueError("Cannot insert from an empty array!")
            return x
        rank = reduction.cumsum(here) - 1  # works under vmap too: no element has to be counted
        chosen = indexing.take(v, elementwise.where(here, rank, 0) % size_of(v))
        return elementwise.where(shaping.reshape(here, shape_of(x)), shaping.reshape(chosen, shape_of(x)), x)

    _written("place", x, lambda mask, vals: np.place(x, mask, vals), new, mask, vals)


def fill_diagonal(x, val, wrap=False):
    """Replace the elements of `x` whose indices are all equal by `val`, repeated as often as needed.

    `wrap` goes on along the diagonal below the square part of a tall matrix.

    >>> import chainrule as cr
    >>> x = cr.zeros(2, 2)
    >>> cr.numpy.fill_diagonal(x, 5.0)
    >>> x
    tensor([[5., 0.],
            [0., 5.]])
    """

    def new():
        shape = shape_of(x)
        if len(shape) < 2:
            raise ValueError("array must be at least 2-d")
        if len(shape) > 2 and len(set(shape)) != 1:
            raise ValueError("All dimensions of input must be of equal length")
        step = shape[1] + 1 if len(shape) == 2 else 1 + int(np.cumprod(shape[:-1]).sum())
        end = shape[1] * shape[1] if len(shape) == 2 and not wrap else None
        where = np.arange(size_of(x))[:end:step]
        v = shaping.cast(shaping.reshape(shaping.as_value(val), (-1,)), dtype_of(x))
        flat = indexing.index_set(shaping.reshape(x, (-1,)), where, editing.resize(v, where.shape))
        return shaping.reshape(flat, shape)

    _written("fill_diagonal", x, lambda val: np.fill_diagonal(x, val, wrap), new, val)


def put_along_axis(x, indices, values, axis=-1):
    """Replace along `axis` the elements of `x` at `indices` by `values`; without an axis, those of the flattened `x`.

    `chainrule.put_along_axis` leaves `x` as it is and gives a copy.

    >>> import chainrule as cr
    >>> x = cr.zeros(2, 2)
    >>> cr.numpy.put_along_axis(x, np.array([[1], [0]]), 5.0, 1)
    >>> x
    tensor([[0., 5.],
            [5., 0.]])
    """

    def new():
        if axis is None:
            flat = shaping.reshape(x, (-1,))
            return shaping.reshape(indexing.put_along_axis(flat, indices, values, 0), shape_of(x))
        return indexing.put_along_axis(x, indices, values, axis)

    _written("put_along_axis", x, lambda indices, values: np.put_along_axis(x, indices, values, axis), new, indices, values)
