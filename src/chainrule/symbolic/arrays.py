"""Arrays of SymPy expressions, in NumPy's object arrays: numbers made exact, functions of expressions as ones of arrays."""

import functools
import itertools
import math
from typing import Any

import numpy as np

from ..errors import ArgumentError, explain, missing_extra


@functools.cache
def sympy() -> Any:
    try:
        import sympy as module
    except ImportError as error:
        raise missing_extra("sympy", "symbolic", "chainrule.symbolic") from error
    return module


@functools.cache
def _known():
    """Irrational constants that rules are written with, and what they are."""
    s = sympy()
    pi, two, ten = s.pi, s.log(2), s.log(10)
    exact = [pi, s.E, two, ten, 1 / two, 1 / ten, s.sqrt(2), 1 / s.sqrt(2), s.sqrt(pi), 1 / s.sqrt(pi), 2 / s.sqrt(pi)]
    exact += [s.sqrt(pi) / 2, s.sqrt(2 / pi), s.sqrt(2 * pi), 1 / s.sqrt(2 * pi), s.log(2 * pi), s.log(2 * pi) / 2, 2 * pi]
    exact += [pi / 2, 1 / pi, pi / 180, 180 / pi, pi**2]
    exact += [s.Rational(n, d) for d in (3, 6, 7, 9) for n in range(1, d)]
    return {float(e): e for e in exact}


def exact(x):
    """A number as SymPy should see it: whole numbers, simple fractions and well-known constants exactly."""
    s = sympy()
    if isinstance(x, (bool, np.bool_)):
        return s.true if x else s.false
    if isinstance(x, (complex, np.complexfloating)):
        return exact(x.real) + s.I * exact(x.imag)
    x = x.item() if isinstance(x, np.generic) else x
    if isinstance(x, int):
        return s.Integer(x)
    if not math.isfinite(x):
        return s.nan if math.isnan(x) else s.oo if x > 0 else -s.oo
    numerator, denominator = x.as_integer_ratio()
    if denominator <= 1024 and abs(numerator) < 10**9:
        return s.Rational(numerator, denominator)
    known = _known().get(abs(x))
    return s.Float(x) if known is None else known if x > 0 else -known


def box(x):
    """Any result as an array of expressions."""
    if isinstance(x, np.ndarray) and x.dtype == object:
        return x
    x = np.asarray(x) if isinstance(x, (np.ndarray, np.generic, bool, int, float, complex)) else x
    out = np.empty(np.shape(x) if isinstance(x, np.ndarray) else (), object)
    for index in np.ndindex(out.shape):
        out[index] = exact(x[index]) if isinstance(x, np.ndarray) else x
    return out


def is_symbolic(x):
    return isinstance(x, np.ndarray) and x.dtype == object


def each(f):
    """A function of expressions as one of arrays of them, with NumPy's broadcasting."""

    def apply(*xs, **params):
        xs = np.broadcast_arrays(*map(box, xs))
        out = np.empty(xs[0].shape, object)
        for index in np.ndindex(out.shape):
            out[index] = f(*(x[index] for x in xs), **params)
        return out

    return apply


def over_axes(f):
    """A function of a list of expressions as a reduction over `axes`."""

    def apply(x, axes):
        kept = [a for a in range(x.ndim) if a not in axes]
        moved = x.transpose((*kept, *axes))
        shape = moved.shape[: len(kept)]
        flat = moved.reshape(*shape, -1) if moved.size else np.empty((*shape, 0), object)
        out = np.empty(shape, object)
        for index in np.ndindex(shape):
            out[index] = f(list(flat[index]))
        return out

    return apply


def running(f):
    """A binary operation as running totals along `axis`."""

    def apply(x, axis):
        out = x.copy()
        rows = np.moveaxis(out, axis, 0)
        for i, *index in itertools.product(range(1, len(rows)), *map(range, rows.shape[1:])):
            rows[(i, *index)] = f(rows[(i - 1, *index)], rows[(i, *index)])
        return out

    return apply


def symbols_of(spec):
    """An array of symbols from a name, a (name, shape) pair, symbols, or nested lists or a Matrix of them."""
    s = sympy()
    if isinstance(spec, str):
        return box(s.Symbol(spec))
    if isinstance(spec, tuple) and len(spec) == 2 and isinstance(spec[0], str) and not isinstance(spec[1], str):
        name, shape = spec[0], (spec[1],) if isinstance(spec[1], int) else tuple(spec[1])
        out = np.empty(shape, object)
        for index in np.ndindex(shape):
            out[index] = s.Symbol(name + "_" * bool(index) + "_".join(map(str, index)))
        return out
    if isinstance(spec, s.Symbol):
        return box(spec)
    if hasattr(spec, "tolist"):
        spec = spec.tolist()
    out = np.array(spec, dtype=object)
    if not all(isinstance(e, s.Symbol) for e in out.reshape(-1)):
        raise ArgumentError(
            explain(
                "symbolic: an argument is neither a name, a pair (name, shape) nor made of symbols",
                f"found: {spec!r}",
                help="write 'x' for a number, ('w', (2, 3)) for an array",
            )
        )
    return out
