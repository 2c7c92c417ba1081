"""Functions of the user applied to parts of an array, one part after the other."""

import functools
import itertools
import math
import re

import numpy as np

from ..core.value import Value, dtype_of, ndim_of, shape_of
from ..errors import ShapeError, explain
from .indexing import getitem
from .joining import stack
from .shaping import as_value, broadcast_to, cast, expand_dims, moveaxis, normalize_axis, reshape


def apply_along_axis(func1d, axis, x, *args, **kwargs):
    """`func1d(slice, *args, **kwargs)` of every one-dimensional slice of `x` along `axis`; its results stand in that place.

    >>> import chainrule as cr
    >>> cr.apply_along_axis(np.sum, 0, [[1.0, 2.0], [3.0, 4.0]])
    array([4., 6.])
    """
    x = as_value(x)
    axis = normalize_axis(axis, ndim_of(x))
    rest = (*shape_of(x)[:axis], *shape_of(x)[axis + 1 :])
    if math.prod(rest) == 0:
        raise ValueError("Cannot apply_along_axis when any iteration dimensions are 0")
    rows = reshape(moveaxis(x, axis, -1), (-1, shape_of(x)[axis]))
    outs = [as_value(func1d(rows[i], *args, **kwargs)) for i in range(shape_of(rows)[0])]
    out = stack(outs)
    own = shape_of(out)[1:]
    out = reshape(out, (*rest, *own))
    n = len(own)
    return moveaxis(out, tuple(range(len(rest), len(rest) + n)), tuple(range(axis, axis + n)))


def apply_over_axes(func, x, axes):
    """`func(x, axis)` for one of `axes` after the other; axes that it removes come back as length 1.

    >>> import chainrule as cr
    >>> cr.apply_over_axes(np.sum, [[1.0, 2.0], [3.0, 4.0]], (0, 1))
    array([[10.]])
    """
    x = as_value(x)
    n = ndim_of(x)
    for axis in axes if hasattr(axes, "__iter__") else (axes,):
        axis = axis + n if axis < 0 else axis
        out = func(x, axis)
        if ndim_of(out) == ndim_of(x) - 1:
            out = expand_dims(out, axis)
        if ndim_of(out) != ndim_of(x):
            raise ValueError("function is not returning an array of the correct shape")
        x = out
    return x


class vectorize:
    """A function of single numbers, or of the core axes in `signature`, as one of arrays that broadcast.

    It is called once for each element, so it may decide by their values. NumPy's own `np.vectorize` makes arrays of its
    arguments, which loses their derivatives.

    Parameters
    ----------
    pyfunc : function
    otypes : dtypes of the results, as a string of letters or a list
    excluded : positions or names of arguments that are handed on as they are
    signature : such as '(n),(n)->()'

    Examples
    --------
    >>> import chainrule as cr
    >>> f = cr.numpy.vectorize(lambda x: x * x if x > 0 else 0.0 * x)
    >>> cr.grad(lambda x: f(x).sum())(np.array([-1.0, 3.0]))
    array([0., 6.])
    """

    def __init__(self, pyfunc, otypes=None, doc=None, excluded=None, cache=False, signature=None):
        self.pyfunc, self.excluded, self.signature = pyfunc, frozenset(excluded or ()), signature
        self.otypes = None if otypes is None else [np.dtype(t) for t in otypes]
        self._numpy = functools.partial(np.vectorize, pyfunc, otypes, doc, excluded, cache, signature)
        functools.update_wrapper(self, pyfunc)
        self.__doc__ = doc or getattr(pyfunc, "__doc__", None)

    def __call__(self, *args, **kwargs):
        if not any(isinstance(a, Value) for a in (*args, *kwargs.values())):
            return self._numpy()(*args, **kwargs)
        slots = [i for i in range(len(args)) if i not in self.excluded]
        names = [k for k in kwargs if k not in self.excluded]
        arrays = [as_value(args[i]) for i in slots] + [as_value(kwargs[k]) for k in names]
        core = self._core_axes(len(arrays))
        loop = np.broadcast_shapes(*(shape_of(x)[: ndim_of(x) - n] for x, n in zip(arrays, core, strict=True)))
        if math.prod(loop) == 0:
            given = dict(enumerate(args)) | {i: np.zeros(shape_of(args[i])) for i in slots}
            named = kwargs | {k: np.zeros(shape_of(kwargs[k])) for k in names}
            return self._numpy()(*given.values(), **named)  # NumPy knows what to give, or says why it does not
        full = [broadcast_to(x, (*loop, *shape_of(x)[ndim_of(x) - n :])) for x, n in zip(arrays, core, strict=True)]
        results = []
        for place in itertools.product(*map(range, loop)):
            parts = [getitem(x, place) for x in full]
            given = dict(enumerate(args)) | dict(zip(slots, parts, strict=False))
            named = kwargs | dict(zip(names, parts[len(slots) :], strict=True))
            results.append(self.pyfunc(*given.values(), **named))
        return self._joined(results, loop)

    def _core_axes(self, n):
        if self.signature is None:
            return [0] * n
        groups = re.findall(r"\(([^)]*)\)", self.signature.split("->")[0])
        if len(groups) != n:
            raise TypeError(f"wrong number of positional arguments: expected {len(groups)}, got {n}")
        return [len([a for a in g.split(",") if a.strip()]) for g in groups]

    def _joined(self, results, loop):
        if isinstance(results[0], tuple):
            return tuple(self._one(column, loop, i) for i, column in enumerate(zip(*results, strict=True)))
        return self._one(results, loop, 0)

    def _one(self, outs, loop, i):
        outs = [as_value(o) for o in outs]
        if len({shape_of(o) for o in outs}) != 1:
            raise ShapeError(
                explain(
                    "vectorize: results have different shapes",
                    f"shapes: {sorted({shape_of(o) for o in outs})}",
                    help="return one shape from every call",
                )
            )
        kind = np.result_type(*map(dtype_of, outs)) if self.otypes is None else self.otypes[i]
        out = stack([cast(o, kind) for o in outs])
        return reshape(out, (*loop, *shape_of(out)[1:]))
