"""Functions over the first axis of trees of arrays: running totals of any associative function, and a map."""

import numpy as np

from .core.value import Value, ndim_of, shape_of
from .errors import ShapeError, TreeError, explain
from .ops.joining import concatenate, stack
from .ops.shaping import flip, normalize_axis, reshape
from .transforms.batch import vmap
from .transforms.control import _arrays, _length, _name, scan
from .trees import paths, tree_map, unflatten


def _along(axis, part):
    return (*(slice(None),) * axis, part)


def _interleaved(even, odd, axis):
    """even[0], odd[0], even[1] ... along an axis; there may be one more of the even ones."""
    n = shape_of(odd)[axis]
    pairs = stack([even[_along(axis, slice(0, n))], odd], axis + 1)
    shape = shape_of(odd)
    out = reshape(pairs, (*shape[:axis], 2 * n, *shape[axis + 1 :]))
    return out if shape_of(even)[axis] == n else concatenate([out, even[_along(axis, slice(n, None))]], axis)


def associative_scan(fn, elems, reverse=False, axis=0):
    """All running totals x0, fn(x0, x1), fn(fn(x0, x1), x2) ... of an associative function along an axis.

    The function is called some 2 log2(n) times with many elements at once, where `scan` takes n steps one after the other: for
    linear recurrences, products of matrices, compositions of maps. Derivatives of any order are those of what it computes.

    Parameters
    ----------
    fn : function (x, y) of two trees like `elems`, whose leaves hold some of the elements along `axis`; it joins them pair by
        pair and gives a tree of the same structure and shapes. It must be associative, but may depend on the order.
    elems : tree of arrays, equally long along `axis`
    reverse : begin at the end: the last element stays, the others are joined with all that follow, which come first in `fn`
    axis : int

    Returns
    -------
    tree like `elems`

    Raises
    ------
    ShapeError
        The arrays differ in length, or `fn` changes shapes.
    TreeError
        `fn` returns another structure.

    Examples
    --------
    Of y[t] = a[t] y[t-1] + b[t], starting from 0, all elements:

    >>> import chainrule as cr
    >>> a, b = np.array([0.5, 0.5, 2.0]), np.array([1.0, 1.0, 1.0])
    >>> join = lambda first, then: (first[0] * then[0], first[1] * then[0] + then[1])
    >>> cr.associative_scan(join, (a, b))[1]
    array([1. , 1.5, 4. ])
    >>> cr.grad(lambda a: cr.associative_scan(join, (a, b))[1].sum())(a)
    array([0. , 3. , 1.5])
    """
    leaves, structure = _arrays(elems, "associative_scan: elems")
    if not leaves:
        return elems
    axes = [normalize_axis(axis, ndim_of(x)) for x in leaves]
    lengths = {name: shape_of(x)[k] for name, x, k in zip(paths(structure, "elems"), leaves, axes, strict=True)}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name}: {n}" for name, n in lengths.items())
        raise ShapeError(explain("associative_scan: lengths differ", found, help=f"all arrays need the same axis {axis}"))

    def cut(xs, start, stop=None, step=None):
        return [x[_along(k, slice(start, stop, step))] for x, k in zip(xs, axes, strict=True)]

    def joined(xs, ys):
        found, out_structure = _arrays(
            fn(unflatten(structure, xs), unflatten(structure, ys)), f"associative_scan: the result of {_name(fn)}"
        )
        _check(fn, structure, out_structure, xs, found)
        return found

    def totals(xs):
        n = shape_of(xs[0])[axes[0]]
        if n < 2:
            return xs
        odd = totals(joined(cut(xs, 0, n - 1, 2), cut(xs, 1, None, 2)))
        rest = cut(xs, 2, None, 2)
        even = cut(xs, 0, 1)
        if n > 2:
            before = odd if n % 2 else cut(odd, 0, -1)
            even = [concatenate([x, y], k) for x, y, k in zip(even, joined(before, rest), axes, strict=True)]
        return [_interleaved(x, y, k) for x, y, k in zip(even, odd, axes, strict=True)]

    if reverse:
        leaves = [flip(x, k) for x, k in zip(leaves, axes, strict=True)]
    out = totals(leaves)
    return unflatten(structure, [flip(x, k) for x, k in zip(out, axes, strict=True)] if reverse else out)


def _check(fn, structure, found, xs, ys):
    if found != structure:
        raise TreeError(
            explain(
                f"associative_scan: {_name(fn)} must return the structure that it was given",
                f"given: {structure}    returned: {found}",
                help="return a tree like its arguments",
            )
        )
    for x, y, name in zip(xs, ys, paths(structure, "elems"), strict=True):
        if shape_of(x) != shape_of(y):
            raise ShapeError(
                explain(
                    f"associative_scan: {_name(fn)} changes the shape of {name}",
                    f"given: {shape_of(x)}    returned: {shape_of(y)}",
                    help="it takes several elements at once and must join them pair by pair; cr.vmap makes such a function",
                )
            )


def map_over(f, xs, *, batch_size=None):
    """`f` of each entry along the first axis of the arrays in `xs`, one after the other, stacked; JAX's `lax.map`.

    Unlike `vmap`, it takes the memory of one call, or of `batch_size` of them, which are then computed together.

    Parameters
    ----------
    f : function of a tree like `xs` without the first axis
    xs : tree of arrays, equally long
    batch_size : int, or None for one at a time

    Returns
    -------
    tree of arrays with a new first axis

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.lax.map(lambda x: x @ x, np.arange(6.0).reshape(3, 2))
    array([ 1., 13., 41.])
    >>> cr.lax.map(lambda x: x @ x, np.arange(6.0).reshape(3, 2), batch_size=2)
    array([ 1., 13., 41.])
    """
    leaves, structure = _arrays(xs, "map: xs")
    if batch_size is None:
        return scan(lambda carry, x: (carry, f(x)), (), unflatten(structure, leaves))[1]
    n = _length(leaves, paths(structure, "xs"), None)
    whole = n // batch_size

    def part(start, stop, shape):
        return unflatten(structure, [_reshaped(x[start:stop], (*shape, *shape_of(x)[1:])) for x in leaves])

    parts = []
    if whole:
        out = map_over(vmap(f), part(0, whole * batch_size, (whole, batch_size)))
        parts.append(tree_map(lambda y: reshape(y, (whole * batch_size, *shape_of(y)[2:])), out))
    if n % batch_size or not whole:
        parts.append(vmap(f)(part(whole * batch_size, n, (n - whole * batch_size,))))
    return parts[0] if len(parts) == 1 else tree_map(lambda *ys: concatenate(ys), *parts)


def _reshaped(x, shape):
    return reshape(x if isinstance(x, Value) else np.asarray(x), shape)
