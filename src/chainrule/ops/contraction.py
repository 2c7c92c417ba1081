"""Products summed over shared axes."""

import functools
import math
import string

import numpy as np

from ..core.aval import Aval
from ..core.derivative import Linear
from ..core.lowering import Contract
from ..core.primitive import primitive
from ..core.value import Value, dtype_of, ndim_of, shape_of
from ..errors import ShapeError, explain
from ..names import torch_names
from ..numpy_errors import refused
from .elementwise import multiply
from .joining import concatenate
from .shaping import (
    _reshape,
    _sum,
    _transpose,
    as_value,
    broadcast_to,
    cast,
    cast_by_rule,
    expand,
    moveaxis,
    normalize_axis,
    pad_front,
    reshape,
    sum_to,
    transpose,
    without,
)


def _adjoint(x):
    """Conjugate transpose of the last two axes."""
    n = ndim_of(x)
    swapped = _transpose(x, perm=(*range(n - 2), n - 1, n - 2))
    return swapped.conj() if dtype_of(x).kind == "c" else swapped


def _matmul_batch(args, batched, params):
    ndim = 1 + max(ndim_of(x) - b for x, b in zip(args, batched, strict=True))
    return _matmul(*(pad_front(x, ndim) if b else x for x, b in zip(args, batched, strict=True)))


def _matmul_summed(x, y):
    if shape_of(x)[:-2] != shape_of(y)[:-2]:
        return _sum(_matmul_batch((x, y), (True, True), {}), axes=(0,))
    both = tuple(range(3, ndim_of(x)))  # labels of the axes that broadcast in _matmul
    return _contract(x, y, labels=((-1, *both, 0, 1), (-1, *both, 1, 2), (*both, 0, 2)))


@primitive(
    derivative=[
        Linear(lambda g, y, in_shape: sum_to(_matmul(g, _adjoint(y)), in_shape)),
        Linear(lambda g, x, in_shape: sum_to(_matmul(_adjoint(x), g), in_shape)),
    ],
    aval=lambda x, y: Aval(
        (*np.broadcast_shapes(x.shape[:-2], y.shape[:-2]), x.shape[-2], y.shape[-1]), np.result_type(x.dtype, y.dtype)
    ),
    batch=_matmul_batch,
    summed=_matmul_summed,
    lower=Contract(),
    name="matmul",
)
def _matmul(x, y):
    """Matrix product over the last two axes, which both have."""
    return np.matmul(x, y)


def matmul(x, y):
    """Matrix product over the last axis of `x` and the second-to-last of `y`; other axes broadcast.

    Parameters
    ----------
    x : array of shape (..., n, k) or (k,)
    y : array of shape (..., k, m) or (k,)

    Returns
    -------
    array of shape (..., n, m), without the axes of one-dimensional arguments

    Raises
    ------
    ShapeError
        The two lengths k differ, or an argument is a scalar.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.matmul([[1.0, 2.0]], [3.0, 4.0])
    array([11.])
    """
    x, y = as_value(x), as_value(y)
    xs, ys = x.shape, y.shape
    if len(xs) == 2 == len(ys) and xs[1] == ys[0]:
        return _matmul(x, y)
    if not xs or not ys or xs[-1] != ys[-2 if len(ys) > 1 else 0]:
        raise refused(_mismatch(x, y), np.matmul, x, y)
    if len(xs) > 1 and len(ys) > 1:
        if len(ys) == 2 and len(xs) > 2:  # one product of tall matrices, so that its transpose sums over the batch too
            return _reshape(_matmul(_reshape(x, shape=(math.prod(xs[:-1]), xs[-1])), y), shape=(*xs[:-1], ys[-1]))
        try:
            np.broadcast_shapes(xs[:-2], ys[:-2])
        except ValueError:
            raise refused(_mismatch(x, y), np.matmul, x, y) from None
        return _matmul(x, y)
    if len(xs) == 1 and len(ys) == 1:
        return _contract(x, y, labels=((0,), (0,), ()))
    if len(xs) == 1:
        out = _matmul(_reshape(x, shape=(1, xs[0])), y)
        return reshape(out, (*shape_of(out)[:-2], ys[-1]))
    out = _matmul(x, _reshape(y, shape=(ys[0], 1)))
    return reshape(out, shape_of(out)[:-1])


def _mismatch(x, y):
    xs, ys = shape_of(x), shape_of(y)
    found = f"x: {dtype_of(x)} {xs}    y: {dtype_of(y)} {ys}"
    if not xs or not ys:
        return ShapeError(explain("matmul: both arguments need at least one axis", found, help="multiply scalars with *"))
    if xs[-1] == ys[-2 if len(ys) > 1 else 0]:
        return ShapeError(
            explain("matmul: leading axes do not broadcast", found, help="they must be equal or 1, aligned from the right")
        )
    if len(ys) > 1 and xs[-1] == ys[-1]:
        hint = "did you mean x @ y.T?"
    elif len(xs) > 1 and xs[-2] == ys[-2 if len(ys) > 1 else 0]:
        hint = "did you mean x.T @ y?"
    else:
        hint = "these two lengths must be equal"
    second = "second-to-last axis" if len(ys) > 1 else "only axis"
    return ShapeError(
        explain(f"matmul: last axis of `x` is {xs[-1]} but {second} of `y` is {ys[-2 if len(ys) > 1 else 0]}", found, help=hint)
    )


# --- any labelled contraction of two arrays ---------------------------------------------------------------------------


def _contract_transpose(g, other, own, others, out):
    conj = other.conj() if dtype_of(other).kind == "c" else other
    return _contract(g, conj, labels=(out, others, own))


def _contract_batch(args, batched, params):
    a, b, out = params["labels"]
    new = 1 + max((*a, *b), default=0)
    a, b = ((new, *own) if flag else own for own, flag in zip((a, b), batched, strict=True))
    return _contract(*args, labels=(a, b, (new, *out)))


def _contract_summed(x, y, labels):
    a, b, out = labels
    new = 1 + max((*a, *b), default=0)
    return _contract(x, y, labels=((new, *a), (new, *b), out))


def _contract_aval(x, y, labels):
    sizes = dict(zip((*labels[0], *labels[1]), (*x.shape, *y.shape), strict=True))
    return Aval(tuple(sizes[k] for k in labels[2]), np.result_type(x.dtype, y.dtype))


@primitive(
    derivative=[
        Linear(lambda g, y, labels: _contract_transpose(g, y, labels[0], labels[1], labels[2])),
        Linear(lambda g, x, labels: _contract_transpose(g, x, labels[1], labels[0], labels[2])),
    ],
    aval=_contract_aval,
    batch=_contract_batch,
    summed=_contract_summed,
    lower=Contract(),
    name="contract",
)
def _contract(x, y, *, labels):
    """Sum of products over the labels that the result lacks. Every label of an operand stands once in it, and again in
    the other operand or in the result."""
    a, b, out = labels
    both = [k for k in a if k in b and k in out]
    summed = [k for k in a if k in b and k not in out]
    rows, columns = [k for k in a if k not in b], [k for k in b if k not in a]
    sizes = dict(zip((*a, *b), (*x.shape, *y.shape), strict=True))

    def size(ks):
        return math.prod(sizes[k] for k in ks)

    x = x.transpose([a.index(k) for k in (*both, *rows, *summed)]).reshape(*(sizes[k] for k in both), size(rows), size(summed))
    y = y.transpose([b.index(k) for k in (*both, *summed, *columns)]).reshape(
        *(sizes[k] for k in both), size(summed), size(columns)
    )
    order = [*both, *rows, *columns]
    result = np.matmul(x, y).reshape([sizes[k] for k in order])
    return result.transpose([order.index(k) for k in out])[()]


LETTERS = string.ascii_uppercase + string.ascii_lowercase  # the order of the axes of a result that is not named


def _parse_einsum(subscripts, shapes):
    """(labels of each operand, labels of the result) as tuples of ints; an ellipsis stands for labels from 100 on."""
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise ShapeError(
            explain(
                f"einsum: {subscripts!r} names {len(terms)} operands",
                f"{len(shapes)} were given, of shapes {', '.join(map(str, shapes))}",
                help="separate the subscripts of operands by commas",
            )
        )
    number = {c: i for i, c in enumerate(LETTERS)}
    for c in text.replace("...", "").replace(",", "").replace("->", ""):
        if c not in number:
            raise ValueError(f"einsum: invalid subscript {c!r} in {subscripts!r}; labels are single letters")
    dots = [len(s) - len(t.replace("...", "")) if "..." in t else 0 for t, s in zip(terms, shapes, strict=True)]
    most = max(dots, default=0)
    ellipsis = tuple(range(100, 100 + most))

    def labels(term, count):
        before, dot, after = term.partition("...")
        middle = ellipsis[most - count :] if dot else ()
        return (*(number[c] for c in before), *middle, *(number[c] for c in after))

    operands = []
    for term, shape, count in zip(terms, shapes, dots, strict=True):
        own = labels(term, count)
        if len(own) != len(shape) or count < 0:
            raise ShapeError(
                explain(
                    f"einsum: subscripts {term!r} do not fit an operand with {len(shape)} axes",
                    f"operand: {shape}, subscripts: {subscripts!r}",
                    help="one letter per axis; '...' stands for any further axes",
                )
            )
        operands.append(own)
    if arrow:
        out = labels(right, most)
    else:
        every = [k for own in operands for k in own]
        out = (*ellipsis, *sorted(k for k in set(every) if every.count(k) == 1 and k < 100))
    if len(set(out)) != len(out) or not set(out) <= {k for own in operands for k in own}:
        raise ValueError(f"einsum: the result of {subscripts!r} repeats a label or has one that no operand has")
    return operands, out


@functools.lru_cache(1024)
def _plan(subscripts, shapes):
    """What `_parse_einsum` gives, the length of each label, and whether it all is one product of two operands as they are."""
    labels, out = _parse_einsum(subscripts, shapes)
    sizes: dict[int, int] = {}
    for shape, own in zip(shapes, labels, strict=True):
        for k, n in zip(own, shape, strict=True):
            if sizes.setdefault(k, n) != n:
                if 1 not in (n, sizes[k]):
                    raise ShapeError(
                        explain(
                            f"einsum: one label of {subscripts!r} stands for lengths {sizes[k]} and {n}",
                            f"operands: {', '.join(map(str, shapes))}",
                            help="axes with the same label must have the same length",
                        )
                    )
                sizes[k] = max(n, sizes[k])
    direct = False
    if len(labels) == 2:
        a, b = map(set, labels)
        whole = all(shape == tuple(sizes[k] for k in own) for shape, own in zip(shapes, labels, strict=True))
        plain = len(a) == len(labels[0]) and len(b) == len(labels[1]) and a <= b.union(out) and b <= a.union(out)
        direct = whole and plain and not a & b <= set(out)
    return tuple(labels), out, sizes, direct


def _as_text(*interleaved):
    """NumPy's other form, einsum(x, [0, 1], y, [1, 2], [0, 2]), in letters: (subscripts, operands)."""

    def text(labels):
        if not all(k is Ellipsis or 0 <= k < len(LETTERS) for k in labels):
            raise ValueError(f"einsum: labels are whole numbers from 0 to {len(LETTERS) - 1}, found {list(labels)}")
        return "".join("..." if k is Ellipsis else LETTERS[k] for k in labels)

    pairs = len(interleaved) // 2
    left = ",".join(text(interleaved[2 * i + 1]) for i in range(pairs))
    right = "->" + text(interleaved[-1]) if len(interleaved) % 2 else ""
    return left + right, interleaved[: 2 * pairs : 2]


def _simplify_operand(x, labels, needed, sizes):
    """Take diagonals of repeated labels, drop broadcast axes of length 1, and sum over labels nobody else needs."""
    for k in sorted(set(labels)):
        while labels.count(k) > 1:
            i, j = labels.index(k), labels.index(k, labels.index(k) + 1)
            x = _diagonal_of(x, i, j)
            labels = (*labels[:j], *labels[j + 1 :])
    ones = tuple(i for i, k in enumerate(labels) if shape_of(x)[i] == 1 != sizes[k])
    if ones:
        x = reshape(x, without(shape_of(x), ones))
        labels = without(labels, ones)
    alone = tuple(i for i, k in enumerate(labels) if k not in needed)
    if alone:
        x, labels = _sum(x, axes=alone), without(labels, alone)
    return x, labels


def _diagonal_of(x, i, j):
    """The diagonal of axes i < j, standing at i."""
    n = shape_of(x)[i]
    d = np.arange(n)
    key = [slice(None)] * ndim_of(x)
    key[i] = key[j] = d
    out = x[tuple(key)]
    if j != i + 1:  # NumPy puts separated index axes first
        out = transpose(out, (*range(1, i + 1), 0, *range(i + 1, ndim_of(out))))
    return out


def _lists_operands(subscripts, given):
    """Whether this list holds the operands of `einsum`, rather than being one of them, as for NumPy."""
    letters = subscripts.partition("->")[0].replace(" ", "")
    return "," in letters or (
        len(given) == 1 and isinstance(given[0], (Value, np.ndarray)) and ndim_of(given[0]) == len(letters)
    )


def einsum(subscripts, *operands, optimize=True, dtype=None, casting="safe"):
    """Sum of products by Einstein's convention, for any number of operands.

    Parameters
    ----------
    subscripts : str, such as 'ij,jk->ik'; '...' stands for axes that broadcast. Or, as in NumPy, operands and lists of
        whole numbers in turn.
    operands : arrays
    optimize : accepted for NumPy's sake; the order of contraction is always optimised
    dtype : to compute in; default that which holds all of the operands
    casting : what conversions to `dtype` are allowed

    Raises
    ------
    ShapeError
        Subscripts do not fit the operands.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.einsum('ij,ij->i', [[1.0, 2.0], [3.0, 4.0]], np.ones((2, 2)))
    array([3., 7.])
    """
    if not isinstance(subscripts, str):
        subscripts, operands = _as_text(subscripts, *operands)
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)) and _lists_operands(subscripts, operands[0]):
        operands = tuple(operands[0])  # as PyTorch may be given them
    xs = [as_value(x) for x in operands]
    kind = np.result_type(*map(dtype_of, xs)) if dtype is None and xs else np.dtype(dtype)
    if dtype is not None:
        xs = cast_by_rule("einsum", xs, kind, casting)
    labels, out, sizes, direct = _plan(subscripts, tuple(map(shape_of, xs)))
    if direct:
        product = _contract(*xs, labels=(*labels, out))
        return product if dtype_of(product) == kind else cast(product, kind)
    terms = []
    for i, (x, own) in enumerate(zip(xs, labels, strict=True)):
        needed = set(out).union(*(other for j, other in enumerate(labels) if j != i))
        terms.append(_simplify_operand(x, own, needed, sizes))
    for i, j in _contraction_order(terms, out, sizes):
        (y, b), (x, a) = terms.pop(j), terms.pop(i)
        needed = set(out).union(*(own for _, own in terms))
        x, a = _simplify_operand(x, a, needed | set(b), sizes)
        y, b = _simplify_operand(y, b, needed | set(a), sizes)
        result = tuple(k for k in dict.fromkeys((*a, *b)) if k in needed)
        if not terms and set(result) == set(out):
            result = out
        terms.append((_product(x, y, a, b, result), result))
    ((x, own),) = terms
    x, own = _simplify_operand(x, own, set(out), sizes)
    missing = tuple(k for k in out if k not in own)  # broadcast labels whose operands all had length 1
    perm = tuple(own.index(k) for k in out if k in own)
    x = transpose(x, perm) if perm else x
    x = x if dtype_of(x) == kind else cast(x, kind)  # sums of short integers are made in long ones
    return broadcast_to(expand(x, tuple(out.index(k) for k in missing)), tuple(sizes[k] for k in out)) if missing else x


def _product(x, y, a, b, out):
    if not set(a) - set(out) and not set(b) - set(out):  # nothing to sum: a broadcast product keeps full precision and speed

        def aligned(z, own):
            z = transpose(z, tuple(own.index(k) for k in out if k in own)) if own else z
            return expand(z, tuple(i for i, k in enumerate(out) if k not in own))

        return multiply(aligned(x, a), aligned(y, b))
    return _contract(x, y, labels=(a, b, out))


def _contraction_order(terms, out, sizes):
    """Pairs of positions to contract one after the other, i < j; the result goes to the end of the list."""
    if len(terms) <= 2:
        return [(0, 1)] if len(terms) == 2 else []
    letters = dict(zip(sizes, string.ascii_letters, strict=False))
    text = ",".join("".join(letters[k] for k in own) for _, own in terms) + "->" + "".join(letters[k] for k in out)
    dummies = [np.broadcast_to(np.zeros(()), tuple(sizes[k] for k in own)) for _, own in terms]
    order = []
    n = len(terms)
    for step in np.einsum_path(text, *dummies, optimize="greedy")[0][1:]:
        positions = sorted(step)
        while len(positions) > 2:  # NumPy may join several at once; do it pair by pair
            order.append((positions[-2], positions[-1]))
            positions = [*positions[:-2], n - 2]
            n -= 1
        if len(positions) == 2:
            order.append((positions[0], positions[1]))
            n -= 1
    return order


@torch_names
def tensordot(x, y, axes=2):
    """Sum of products over `axes`: a number (the last of `x` with the first of `y`), or a pair of lists.

    >>> import chainrule as cr
    >>> cr.tensordot([1.0, 2.0], [3.0, 4.0], 1)
    np.float64(11.0)
    """
    x, y = as_value(x), as_value(y)
    n, m = ndim_of(x), ndim_of(y)
    if hasattr(axes, "__iter__"):
        over_x, over_y = ([p] if not hasattr(p, "__iter__") else list(p) for p in axes)
    else:
        over_x, over_y = list(range(n - axes, n)), list(range(axes))
    over_x, over_y = [normalize_axis(a, n) for a in over_x], [normalize_axis(a, m) for a in over_y]
    pairs = list(zip(over_x, over_y, strict=True))
    if len(set(over_x)) < len(over_x) or len(set(over_y)) < len(over_y):
        raise ShapeError(explain(f"tensordot: an axis is named twice in {axes}", help="sum over each axis once"))
    if any(shape_of(x)[i] != shape_of(y)[j] for i, j in pairs):
        raise ShapeError(
            explain(
                f"tensordot: lengths along axes {axes} differ",
                f"x: {dtype_of(x)} {shape_of(x)}    y: {dtype_of(y)} {shape_of(y)}",
                help="paired axes must have the same length",
            )
        )
    a = tuple(range(n))
    b = tuple({j: i for i, j in pairs}.get(j, n + j) for j in range(m))
    out = (*(k for k in a if k not in over_x), *(n + j for j in range(m) if j not in over_y))
    return _contract(x, y, labels=(a, b, out)) if pairs else _product(x, y, a, b, out)


def dot(x, y):
    """NumPy's `dot`: inner product of vectors, matrix product, product with a scalar, and for more axes a sum over the
    last axis of `x` and the second-to-last of `y`.

    >>> import chainrule as cr
    >>> cr.dot([1.0, 2.0], [3.0, 4.0])
    np.float64(11.0)
    """
    x, y = as_value(x), as_value(y)
    n, m = ndim_of(x), ndim_of(y)
    if n == 0 or m == 0:
        return multiply(x, y)
    if m == 1 or n <= 2 >= m:
        return matmul(x, y)
    return tensordot(x, y, ([n - 1], [m - 2]))


def inner(x, y):
    """Sum of products over the last axes of both.

    >>> import chainrule as cr
    >>> cr.inner([1.0, 2.0], [3.0, 4.0])
    np.float64(11.0)
    """
    x, y = as_value(x), as_value(y)
    if ndim_of(x) == 0 or ndim_of(y) == 0:
        return multiply(x, y)
    return tensordot(x, y, ([ndim_of(x) - 1], [ndim_of(y) - 1]))


def outer(x, y):
    """Products of each element of `x` with each of `y`, both flattened.

    >>> import chainrule as cr
    >>> cr.outer([1.0, 2.0], [3.0, 4.0])
    array([[3., 4.],
           [6., 8.]])
    """
    return multiply(reshape(x, (-1, 1)), reshape(y, (1, -1)))


def vdot(x, y):
    """Inner product of the flattened arrays, the first conjugated.

    >>> import chainrule as cr
    >>> cr.vdot([1j, 2.0], [1j, 3.0])
    np.complex128(7+0j)
    """
    x = reshape(x, (-1,))
    return dot(x.conj() if dtype_of(x).kind == "c" else x, reshape(y, (-1,)))


@torch_names
def vecdot(x, y, axis=-1):
    """Inner products along `axis`, the first conjugated; other axes broadcast.

    >>> import chainrule as cr
    >>> cr.vecdot([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0])
    array([3., 7.])
    """
    x, y = as_value(x), as_value(y)
    _needs_axes("vecdot", x, y, 1, 1)
    x, y = moveaxis(x, axis, -1), moveaxis(y, axis, -1)
    if shape_of(x)[-1] != shape_of(y)[-1]:
        raise ShapeError(
            explain(
                f"vecdot: lengths {shape_of(x)[-1]} and {shape_of(y)[-1]} along axis {axis}",
                f"x: {shape_of(x)}    y: {shape_of(y)}, with that axis last",
                help="the other axes broadcast; for this one, use broadcast_to",
            )
        )
    out = multiply(x.conj() if dtype_of(x).kind == "c" else x, y)
    return out.sum(-1, dtype=dtype_of(out))


def matvec(x, y):
    """Products of the matrices in `x` with the vectors in `y`; other axes broadcast.

    >>> import chainrule as cr
    >>> cr.matvec([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0])
    array([3., 7.])
    """
    x, y = as_value(x), as_value(y)
    _needs_axes("matvec", x, y, 2, 1)
    out = matmul(x, reshape(y, (*shape_of(y), 1)))
    return reshape(out, shape_of(out)[:-1])


def vecmat(x, y):
    """Products of the vectors in `x`, conjugated, with the matrices in `y`; other axes broadcast.

    >>> import chainrule as cr
    >>> cr.vecmat([1.0, 1.0], [[1.0, 2.0], [3.0, 4.0]])
    array([4., 6.])
    """
    x, y = as_value(x), as_value(y)
    _needs_axes("vecmat", x, y, 1, 2)
    x = x.conj() if dtype_of(x).kind == "c" else x
    out = matmul(reshape(x, (*shape_of(x)[:-1], 1, shape_of(x)[-1])), y)
    return reshape(out, (*shape_of(out)[:-2], shape_of(out)[-1]))


def _needs_axes(name, x, y, n, m):
    if ndim_of(x) < n or ndim_of(y) < m:
        raise ShapeError(
            explain(
                f"{name}: `x` needs {n} axes or more and `y` {m}",
                f"x: {shape_of(x)}    y: {shape_of(y)}",
                help="use reshape to add axes",
            )
        )


def kron(x, y):
    """Kronecker product: every element of `x` times the whole of `y`.

    >>> import chainrule as cr
    >>> cr.kron([1, 2], [1, 10])
    array([ 1, 10,  2, 20])
    """
    x, y = as_value(x), as_value(y)
    n = max(ndim_of(x), ndim_of(y))
    xs, ys = ((1,) * (n - ndim_of(z)) + shape_of(z) for z in (x, y))
    left = reshape(x, tuple(v for m in xs for v in (m, 1)))
    right = reshape(y, tuple(v for m in ys for v in (1, m)))
    return reshape(multiply(left, right), tuple(a * b for a, b in zip(xs, ys, strict=True)))


@torch_names
def cross(x, y, axisa=-1, axisb=-1, axisc=-1, axis=None):
    """Cross product of vectors of length 3 along the axes `axisa` and `axisb`, standing at `axisc`; `axis` sets all three.

    >>> import chainrule as cr
    >>> cr.cross([1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    array([0., 0., 1.])
    """
    axisa, axisb, axisc = (axisa, axisb, axisc) if axis is None else (axis,) * 3
    x, y = moveaxis(as_value(x), axisa, -1), moveaxis(as_value(y), axisb, -1)
    if shape_of(x)[-1] != 3 or shape_of(y)[-1] != 3:
        raise ShapeError(
            explain(
                "cross: vectors must have length 3",
                f"x: {shape_of(x)} along axis {axisa}    y: {shape_of(y)} along axis {axisb}",
                help="append a zero to vectors of length 2",
            )
        )
    parts = [x[..., i : i + 1] * y[..., j : j + 1] - x[..., j : j + 1] * y[..., i : i + 1] for i, j in ((1, 2), (2, 0), (0, 1))]
    return moveaxis(concatenate(parts, -1), -1, axisc)
