"""NumPy's ufuncs called on a Tensor, with all their options, and their methods: reduce, accumulate, reduceat, at, outer."""

import builtins
import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from .core.value import Value, dtype_of, ndim_of, shape_of
from .errors import LostDerivativeError, explain
from .numpy_calls import NUMPY_FUNCTIONS, store, unsupported
from .ops import elementwise, indexing, joining, reduction, shaping

# What to call for SciPy's ufuncs, and NumPy's hidden ones, by name, since looking them up would load SciPy; the numpy namespace
# fills it in.
SCIPY_UFUNCS: dict = {}

# Ufuncs whose result does not depend on how the elements are bracketed.
ASSOCIATIVE = frozenset({
    np.add, np.multiply, np.maximum, np.minimum, np.fmax, np.fmin, np.logaddexp, np.logaddexp2, np.hypot, np.logical_and,
    np.logical_or, np.logical_xor, np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.gcd, np.lcm,
})  # fmt: skip
REORDERABLE_WITHOUT_IDENTITY = frozenset({np.maximum, np.minimum, np.fmax, np.fmin})
REDUCTIONS = {
    np.add: reduction.sum,
    np.multiply: reduction.prod,
    np.maximum: reduction.max,
    np.minimum: reduction.min,
}
TESTS = {np.logical_and: reduction.all, np.logical_or: reduction.any}
RUNNING = {np.add: reduction.cumsum, np.multiply: reduction.cumprod}


def call_ufunc(ufunc, method, inputs, kwargs) -> Any:
    """A ufunc, or a method of it, called on arguments that hold a Tensor: our function of that ufunc, with NumPy's options."""
    ours = NUMPY_FUNCTIONS.get(ufunc) or SCIPY_UFUNCS.get(ufunc.__name__)
    if ours is None:
        homes = (home for home in ("numpy", "scipy.special") if home in sys.modules)
        home = next((h for h in homes if getattr(sys.modules[h], ufunc.__name__, None) is ufunc), None)
        name = ufunc.__name__ if home is None else f"{home.replace('numpy', 'np')}.{ufunc.__name__}"
        raise unsupported(name if home else f"the ufunc {name}")
    out = kwargs.pop("out", None)
    if method == "at":
        return at(ufunc, ours, *inputs)
    if method != "__call__":
        result = METHODS[method](ufunc, ours, *inputs, **kwargs)
        return result if out is None else store(f"np.{ufunc.__name__}.{method}", result, out, exact=method == "reduce")
    mask, casting = kwargs.pop("where", True), kwargs.pop("casting", "same_kind")
    kwargs.pop("order", None)
    kwargs.pop("subok", None)
    dtype, signature = kwargs.pop("dtype", None), kwargs.pop("signature", kwargs.pop("sig", None))
    kinds = None
    if dtype is not None or signature is not None or casting != "same_kind":
        inputs, kinds = _in_dtypes(ufunc, inputs, dtype, signature, casting)
    if ufunc.signature is not None:
        result = _generalised(ufunc, ours, inputs, **kwargs)
    elif kwargs:
        raise unsupported(f"np.{ufunc.__name__} with option {', '.join(kwargs)}")
    elif mask is True:
        result = ours(*inputs)
    else:
        with np.errstate(all="ignore"):  # elements that the mask leaves out may lie outside of the domain
            result = ours(*inputs)
    if kinds is not None:
        several = isinstance(result, tuple)
        cast = [shaping.cast(r, k) for r, k in zip(result if several else (result,), kinds, strict=True)]
        result = tuple(cast) if several else cast[0]
    if out is None and mask is True:
        return result
    return store(f"np.{ufunc.__name__}", result, (None,) * ufunc.nout if out is None else out, mask, casting)


def _in_dtypes(ufunc, inputs, dtype, signature, casting):
    """The inputs in the dtypes that NumPy would compute in, and the dtypes of the results."""
    if signature is None:
        signature = (*(None,) * ufunc.nin, *(None if dtype is None else np.dtype(dtype),) * ufunc.nout)
    given = tuple(type(x) if type(x) in (int, float, complex) else dtype_of(x) for x in inputs)
    kinds = ufunc.resolve_dtypes((*given, *(None,) * ufunc.nout), signature=signature, casting=casting)
    return [shaping.cast(x, k) for x, k in zip(inputs, kinds, strict=False)], kinds[ufunc.nin :]


# --- generalised ufuncs ----------------------------------------------------------------------------------------------


def _core(ufunc):
    """How many axes each argument and each result has of its own: ([2, 2], [2]) for matmul."""
    left, right = ufunc.signature.split("->")

    def counts(side):
        return [len([n for n in group.split(",") if n]) for group in side.replace(" ", "").strip("()").split("),(")]

    return counts(left), counts(right)


def _generalised(ufunc, ours, inputs, axes=None, axis=None, keepdims=False):
    if axes is None and axis is None and not keepdims:
        return ours(*inputs)
    if ufunc is np.vecdot and axes is None and not keepdims:
        return ours(*inputs, axis=axis)
    own, results = _core(ufunc)
    inputs = [shaping.as_value(x) for x in inputs]
    if axis is not None:
        axes = [(axis,)] * len(own) + [()] * len(results)
    if axes is None:
        axes = [tuple(range(-n, 0)) for n in (*own, *results)]
    axes = [a if isinstance(a, tuple) else (a,) for a in axes]
    moved = [shaping.moveaxis(x, a, tuple(range(-len(a), 0))) for x, a in zip(inputs, axes, strict=False)]
    out = ours(*moved)
    to = axes[len(own)] if len(axes) > len(own) else ()
    if keepdims:
        return shaping.expand_dims(out, to or (-1 if axis is None else axis))
    return shaping.moveaxis(out, tuple(range(-len(to), 0)), to) if to else out


# --- methods ----------------------------------------------------------------------------------------------------------


def _needs_two(ufunc, method):
    if ufunc.nin != 2 or ufunc.nout != 1 or ufunc.signature is not None:
        raise ValueError(f"{method} is only supported for binary functions, not for np.{ufunc.__name__}")


def _fold_dtypes(ufunc, x, dtype, stretches=False):
    """Dtypes of the total so far, of the next element and of the result when the elements of `x` are joined.

    In `accumulate` and `reduceat` (`stretches`) the first element is a result, so that they must be the same.
    """
    wanted = None if dtype is None else np.dtype(dtype)
    kinds = ufunc.resolve_dtypes((None, dtype_of(x), None), signature=(wanted, None, None), reduction=True, casting="unsafe")
    if kinds[0] != kinds[2] or (stretches and kinds[0] != kinds[1]):
        raise TypeError(f"np.{ufunc.__name__} cannot be folded: its dtypes are {kinds[0]}, {kinds[1]} -> {kinds[2]}")
    return kinds


def reduce(ufunc, ours, x, axis=0, dtype=None, keepdims=False, initial=None, where=True):
    """`ufunc.reduce`: the elements over `axis` joined one after the other."""
    _needs_two(ufunc, "reduce")
    initial = None if initial is np._NoValue else initial
    x = shaping.as_value(x)
    if axis is not None and ndim_of(x) == 0 and axis in (0, -1):
        axis = None
    if ufunc in TESTS and initial is None and dtype is None:
        return TESTS[ufunc](x, axis, keepdims, where=where)
    if ufunc in REDUCTIONS:
        x = x if dtype is None else shaping.cast(x, np.dtype(dtype))
        out = REDUCTIONS[ufunc](x, axis, keepdims=keepdims, initial=initial, where=where)
        return out if dtype is None else shaping.cast(out, np.dtype(dtype))
    if ufunc is np.logaddexp and initial is None and where is True:
        return reduction.logsumexp(shaping.cast(x, _fold_dtypes(ufunc, x, dtype)[0]), axis, keepdims)
    axes = shaping.normalize_axes(axis, ndim_of(x))
    return _fold(ufunc, ours, x, axes, dtype, keepdims, initial, where)


def _fold(ufunc, ours, x, axes, dtype, keepdims, initial, mask):
    first, kind, result = _fold_dtypes(ufunc, x, dtype)
    if len(axes) > 1 and ufunc.identity is None and ufunc not in REORDERABLE_WITHOUT_IDENTITY:
        raise ValueError(f"reduction operation '{ufunc.__name__}' is not reorderable, so at most one axis may be specified")
    if mask is not True:
        if initial is None and ufunc.identity is None:
            raise ValueError(
                f"reduction operation '{ufunc.__name__}' does not have an identity, so to use a where mask one has to "
                "specify 'initial'"
            )
        mask = _axes_first(shaping.broadcast_to(mask, shape_of(x)), axes)
    rest = shaping.without(shape_of(x), axes)
    parts = _axes_first(shaping.cast(x, kind), axes)
    start = ufunc.identity if initial is None and (mask is not True or not shape_of(parts)[0]) else initial
    if start is None and not shape_of(parts)[0]:
        raise ValueError(f"zero-size array to reduction operation {ufunc.__name__} which has no identity")
    total = None if start is None else shaping.broadcast_to(np.asarray(start, first), rest)
    if mask is True and ufunc in ASSOCIATIVE and shape_of(parts)[0]:
        folded = _halved(ours, parts)
        total = folded if total is None else ours(total, folded)
    else:
        for i in range(shape_of(parts)[0]):
            new = shaping.cast(parts[i], first) if total is None else ours(total, parts[i])
            total = new if mask is True else elementwise.where(mask[i], new, total)
    out = shaping.cast(total, result)
    if isinstance(x, Value) and not isinstance(out, Value):  # of no elements
        out = x.owner.constant(np.asarray(out))
    return shaping.expand(out, axes) if keepdims else out


def _axes_first(x, axes):
    """`x` with these axes merged into the first one."""
    x = shaping.moveaxis(x, axes, tuple(range(len(axes))))
    shape = shape_of(x)
    return shaping.reshape(x, (math.prod(shape[: len(axes)]), *shape[len(axes) :]))


def _halved(ours, parts):
    """All of `parts` along the first axis joined, half with half, which takes log2(n) calls."""
    while (n := shape_of(parts)[0]) > 1:
        joined = ours(parts[: n // 2], parts[n // 2 : n // 2 * 2])
        parts = joined if n % 2 == 0 else joining.concatenate([joined, parts[n - 1 :]])
    return parts[0]


def accumulate(ufunc, ours, x, axis=0, dtype=None):
    """`ufunc.accumulate`: all intermediate results of joining the elements along `axis`."""
    _needs_two(ufunc, "accumulate")
    x = shaping.as_value(x)
    if ndim_of(x) == 0:
        raise TypeError("cannot accumulate on a scalar")
    axis = shaping.normalize_axis(axis, ndim_of(x))
    if ufunc in RUNNING:
        return RUNNING[ufunc](x, axis, dtype)
    moved = shaping.moveaxis(shaping.cast(x, _fold_dtypes(ufunc, x, dtype, stretches=True)[0]), axis, 0)
    n = shape_of(moved)[0]
    if ufunc in ASSOCIATIVE:
        step = 1
        while step < n:  # after each round an entry stands for the last 2 * step elements up to it (Hillis and Steele, 1986)
            moved = joining.concatenate([moved[:step], ours(moved[: n - step], moved[step:])])
            step *= 2
    elif n:
        totals = [moved[0]]
        for i in range(1, n):
            totals.append(ours(totals[-1], moved[i]))
        moved = joining.stack(totals)
    return shaping.moveaxis(moved, 0, axis)


def reduceat(ufunc, ours, x, indices, axis=0, dtype=None):
    """`ufunc.reduceat`: a reduction of each stretch of `axis` that begins at one index and ends before the next.

    Where the next index is not larger, the element at the index alone.
    """
    _needs_two(ufunc, "reduceat")
    x, edges = shaping.as_value(x), np.asarray(indices).astype(np.intp)
    axis = shaping.normalize_axis(axis, ndim_of(x))
    n = shape_of(x)[axis]
    if edges.size and (edges.min() < 0 or edges.max() >= n):
        raise IndexError(f"index {edges[(edges < 0) | (edges >= n)][0]} out-of-bounds in {ufunc.__name__}.reduceat [0, {n})")
    first = shaping.moveaxis(x, axis, 0)
    ends = np.append(edges[1:], n)
    ends = np.where(ends > edges, ends, edges + 1)
    if ufunc is np.add:
        out = _segment_sums(first if dtype is None else shaping.cast(first, np.dtype(dtype)), edges, ends)
    else:
        kind = _fold_dtypes(ufunc, x, dtype, stretches=True)[0]
        parts = [reduce(ufunc, ours, first[a:b], 0, dtype) for a, b in zip(edges.tolist(), ends.tolist(), strict=True)]
        out = joining.stack(parts) if parts else shaping.cast(first[:0], kind)
    return shaping.moveaxis(out, 0, axis)


def _segment_sums(x, starts, ends):
    lengths = ends - starts
    which = np.repeat(np.arange(len(starts)), lengths)
    places = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths - starts, lengths)
    kind = np.add.reduce(np.zeros(1, dtype_of(x))).dtype
    return indexing.index_add(np.zeros((len(starts), *shape_of(x)[1:]), kind), which, indexing.take(x, places, 0))


def outer(ufunc, ours, x, y, **options):
    """`ufunc.outer`: every element of `x` with every element of `y`."""
    _needs_two(ufunc, "outer")
    x = shaping.as_value(x)
    x = shaping.reshape(x, (*shape_of(x), *(1,) * ndim_of(y)))
    return call_ufunc(ufunc, "__call__", (x, y), options) if options else ours(x, shaping.as_value(y))


def at(ufunc, ours, x, key, *v):
    """`ufunc.at`: the elements at `key` replaced by the ufunc of them and `v`, repeated ones as often as they occur."""
    if not hasattr(x, "_rebind"):
        try:
            given = [np.asarray(a) if isinstance(a, Value) else a for a in (key, *v)]
        except LostDerivativeError:
            raise LostDerivativeError(
                explain(
                    f"np.{ufunc.__name__}.at into a plain array, which cannot hold a Tensor's derivative",
                    help="make it a Tensor, for example with np.zeros_like(x)",
                )
            ) from None
        ufunc.at(x, *given)
        return
    x._rebind(updated(ufunc, ours, x, key, *v))


def updated(ufunc, ours, x, key, *v):
    """A copy of `x` that `ufunc.at` was called on."""
    if ufunc is np.add or ufunc is np.subtract:
        (v,) = v
        new = indexing.index_add(x, key, v if ufunc is np.add else elementwise.negative(shaping.as_value(v)))
    else:
        new = _one_by_one(ours, x, key, v)
    return shaping.cast(new, dtype_of(x))


def _one_by_one(ours, x, key, v):
    """The elements at `key` replaced in rounds, in each of which an element occurs at most once."""
    shape = shape_of(x)
    places = np.arange(math.prod(shape)).reshape(shape)[key]
    v = [shaping.reshape(shaping.broadcast_to(shaping.as_value(w), places.shape), (-1,)) for w in v]
    places = np.ravel(places)
    flat = shaping.reshape(x, (-1,))
    for chosen in _rounds(places):
        now = places[chosen]
        flat = indexing.index_set(flat, now, ours(indexing.getitem(flat, now), *(indexing.getitem(w, chosen) for w in v)))
    return shaping.reshape(flat, shape)


def _rounds(places):
    """Positions in `places`, split so that the k-th occurrences of all elements stand in the k-th part."""
    order = np.argsort(places, kind="stable")
    ranked = places[order]
    new = np.append(True, ranked[1:] != ranked[:-1])[: ranked.size]
    starts = np.flatnonzero(new)
    count = np.arange(ranked.size) - np.repeat(starts, np.diff(np.append(starts, ranked.size)))
    rank = np.empty(ranked.size, int)
    rank[order] = count
    return [np.flatnonzero(rank == k) for k in range(builtins.max(count, default=-1) + 1)]


METHODS: dict[str, Callable] = {"reduce": reduce, "accumulate": accumulate, "reduceat": reduceat, "outer": outer}
