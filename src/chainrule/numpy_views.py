"""NumPy's functions whose results are views of their argument: given a Tensor, they give Tensors that are views of it.

The functions in `ops` of the same names only compute: rules and engines use these.
"""

import contextlib
import functools

import numpy as np

from .core.value import Value, ndim_of, shape_of
from .ops import arranging, contraction, digits, editing, elementwise, joining, shaping
from .ops.linalg import products
from .views import read_only, scattered

__all__ = [
    "array_split", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_arrays", "broadcast_to", "diag", "diagonal", "dsplit",
    "einsum", "expand_dims", "flip", "fliplr", "flipud", "hsplit", "imag", "matrix_transpose", "meshgrid", "moveaxis",
    "permute_dims", "ravel", "real", "real_if_close", "reshape", "rollaxis", "rot90", "split", "squeeze", "swapaxes",
    "transpose", "unstack", "vsplit",
]  # fmt: skip


def viewing(function, writing=scattered, theirs=None):
    """`function` as one whose results are views of its first argument; `writing(read)` gives how to write them.

    `theirs` is NumPy's function, where ours gives copies of plain arrays: it gives views of these, too.
    """

    @functools.wraps(function)
    def viewed(x, *args, **kwargs):
        if theirs is not None and isinstance(x, np.ndarray):
            with contextlib.suppress(TypeError, ValueError):  # of which ours says more
                part = theirs(x, *args, **kwargs)
                part.flags.writeable = x.flags.writeable and writing is scattered
                return part
        out = function(x, *args, **kwargs)
        if not hasattr(x, "_view"):
            return out

        def read(whole):
            of_array = theirs if theirs is not None and isinstance(whole, np.ndarray) else function
            return of_array(whole, *args, **kwargs)

        if not isinstance(out, (list, tuple)):
            out = x[...] if out is x and writing is not_at_all else out
            return x._view(out, read, writing(read))
        for i, part in enumerate(out):
            x._view(part, functools.partial(_one, read, i), writing(functools.partial(_one, read, i)))
        return out

    return viewed


def _one(read, i, whole):
    return read(whole)[i]


def reshaped(read):
    """How to write views in which no element changes its place."""
    return lambda whole, part: shaping.reshape(part, shape_of(whole))


def permuted(read):
    """How to write views with the axes in another order."""

    def write(whole, part):
        n = ndim_of(whole)
        moved = read(np.broadcast_to(np.empty(()), range(1, n + 1))).shape  # axis i has the length i + 1
        return shaping.transpose(part, shaping.inverse_permutation([m - 1 for m in moved]))

    return write


def flipped(read):
    """How to write views that are themselves again when they are taken twice."""
    return lambda whole, part: read(part)


def not_at_all(read):
    """How NumPy lets one write diagonals and what was broadcast."""
    return read_only


transpose, permute_dims, matrix_transpose, swapaxes, moveaxis, rollaxis = (
    viewing(f, permuted)
    for f in (
        shaping.transpose, shaping.permute_dims, shaping.matrix_transpose, shaping.swapaxes, shaping.moveaxis, shaping.rollaxis
    )
)  # fmt: skip
expand_dims, squeeze = viewing(shaping.expand_dims, reshaped), viewing(shaping.squeeze, reshaped)
flip, fliplr, flipud = viewing(shaping.flip, flipped), viewing(shaping.fliplr, flipped), viewing(shaping.flipud, flipped)
rot90 = viewing(shaping.rot90)
split, array_split, hsplit, vsplit, dsplit, unstack = (
    viewing(f) for f in (joining.split, joining.array_split, joining.hsplit, joining.vsplit, joining.dsplit, joining.unstack)
)
chunk = viewing(joining.chunk)  # PyTorch's
diagonal = viewing(arranging.diagonal, not_at_all, np.diagonal)
writable_diagonal = viewing(arranging.diagonal, theirs=np.diagonal)  # PyTorch's
matrix_diagonal = viewing(products.diagonal, not_at_all, np.linalg.diagonal)
broadcast_to = viewing(shaping.broadcast_to, not_at_all, np.broadcast_to)
sliding_window_view = viewing(editing.sliding_window_view, not_at_all, np.lib.stride_tricks.sliding_window_view)
_diag = viewing(arranging.diag, not_at_all, np.diag)
_einsum = viewing(lambda x, text: contraction.einsum(text, x), theirs=lambda x, text: np.einsum(text, x))


@functools.wraps(shaping.reshape)
def reshape(x, *args, shape=None, order="C", copy=None):
    if copy or not hasattr(x, "_view"):
        return shaping.reshape(x, *args, shape=shape, order=order, copy=copy)
    out = x.reshape(*(args if shape is None else (*args, shape)), order=order)
    if copy is False and out is not x and not hasattr(out, "part"):
        raise ValueError("Unable to avoid creating a copy while reshaping.")
    return out


@functools.wraps(shaping.ravel)
def ravel(x, order="C"):
    return x.ravel(order) if hasattr(x, "_view") else shaping.ravel(x, order)


@functools.wraps(arranging.diag)
def diag(x, k=0):
    return _diag(x, k) if ndim_of(x) == 2 else arranging.diag(x, k)


@functools.wraps(arranging.broadcast_arrays)
def broadcast_arrays(*arrays):
    shape = np.broadcast_shapes(*map(shape_of, arrays))
    return [broadcast_to(x, shape) for x in arrays]


@functools.wraps(arranging.meshgrid)
def meshgrid(*xs, copy=True, sparse=False, indexing="xy"):
    grids = arranging.meshgrid(*xs, sparse=sparse, indexing=indexing)
    if copy:
        return tuple(shaping.duplicate(g) if g is x else g for g, x in zip(grids, xs, strict=True))

    def grid(i, x):
        return arranging.meshgrid(*xs[:i], x, *xs[i + 1 :], copy=False, sparse=sparse, indexing=indexing)[i]

    return tuple(viewing(functools.partial(grid, i), not_at_all)(x) for i, x in enumerate(xs))


def _has_parts(x):
    """Whether a part of `x` is a view of it: numbers have none."""
    return hasattr(x, "_view") or (isinstance(x, np.ndarray) and x.ndim > 0)


@functools.wraps(elementwise.real)
def real(x):
    return x.real if _has_parts(x) else elementwise.real(x)


@functools.wraps(elementwise.imag)
def imag(x):
    return x.imag if _has_parts(x) else elementwise.imag(x)


@functools.wraps(digits.real_if_close)
def real_if_close(x, tol=100):
    out = digits.real_if_close(x, tol)
    return x.real if _has_parts(x) and out is not x else out


@functools.wraps(contraction.einsum)
def einsum(subscripts, *operands, optimize=True, dtype=None, casting="safe"):
    one = isinstance(subscripts, str) and len(operands) == 1 and isinstance(operands[0], (np.ndarray, Value))
    if one and dtype is None and _sums_nothing(subscripts):
        return _einsum(operands[0], subscripts)
    return contraction.einsum(subscripts, *operands, optimize=optimize, dtype=dtype, casting=casting)


def _sums_nothing(subscripts):
    """Whether an `einsum` of one operand only picks elements, such as the diagonal, or moves axes."""
    given, arrow, result = subscripts.replace(" ", "").partition("->")
    return set(given) == set(result) if arrow else len(set(given) - {"."}) == len(given.replace(".", ""))


def _several(one):
    """The functions of NumPy that take any number of arrays and give a view of each."""
    viewed = viewing(one, reshaped)

    @functools.wraps(one)
    def each(x, *more):
        return tuple(map(viewed, (x, *more))) if more else viewed(x)

    return each


atleast_1d, atleast_2d, atleast_3d = map(_several, (shaping.atleast_1d, shaping.atleast_2d, shaping.atleast_3d))
