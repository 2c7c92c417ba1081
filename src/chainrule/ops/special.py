"""Special functions of everyday use, and the row builders of their relatives. SciPy is loaded when the first is called."""

import functools
import importlib
import inspect
import math
from inspect import Parameter, Signature
from typing import Any

import numpy as np

from ..core.derivative import Bound, zero
from ..core.lowering import Call
from ..core.primitive import Primitive, publish
from ..core.value import dtype_of
from ..errors import UnsupportedError, explain
from .comparison import isinf
from .elementwise import exp, log, multiply, where
from .families import Partial, elementwise, elementwise_aval, elementwise_batch
from .shaping import as_value, cast


def scipy_special(name):
    """A function of scipy.special that is looked up when it is first called: importing SciPy takes a while."""

    def evaluate(*xs, **options):
        return _load()(*xs, **options)

    @functools.cache
    def _load():
        return getattr(importlib.import_module("scipy.special"), name)

    return evaluate


# --- row builders ---------------------------------------------------------------------------------------------------


class Unknown:
    """No rule is known for this argument: asking for the derivative raises, where `None` would say that it is zero."""

    def __init__(self, why):
        self.why = why

    def bind(self, row, i):
        def refuse(*_):
            asked = f"the derivative of {row.name} in its argument {row.args[i]!r}"
            raise UnsupportedError(explain(asked, self.why, help=f"treat `{row.args[i]}` as a constant, with .detach()"))

        return Bound(refuse, refuse, frozenset())


class _Slope(Partial):
    """A Partial of the precision of the result: orders and constants beside float32 arguments do not widen it."""

    def bind(self, row, i):
        bound = super().bind(row, i)

        def push(t, env, params, aval):
            return _narrowed(bound.push(t, env, params, aval), dtype_of(env[-1]))

        def pull(g, env, params, aval):
            return _narrowed(bound.pull(g, env, params, aval), dtype_of(g))

        return Bound(push, pull, bound.keeps)


def _narrowed(x, like):
    """`x` in single precision if `like` is."""
    if like not in (np.float32, np.complex64) or dtype_of(x) not in (np.float64, np.complex128):
        return x
    return cast(x, np.dtype(np.complex64 if dtype_of(x).kind == "c" else np.float32))


def special(*derivatives, by=None, whole=0, singular=False):
    """Row builder for numbers in, one number out, that machine code leaves to SciPy.

    Parameters
    ----------
    derivatives : for each argument a rule for the partial, None for zero, or a kind
    by : what evaluates it, or its name in scipy.special if that is not the name of the row
    whole : that many leading arguments are degrees or orders: where they hold integers, the others alone decide the dtype
    singular : a partial may be infinite; a tangent of zero wins over it
    """

    def define(fn):
        evaluate = by if callable(by) else scipy_special(by or fn.__name__.lstrip("_"))
        return _row(fn, keep_single(evaluate, whole) if whole else evaluate, derivatives, singular)

    return define


def numeric(*derivatives, whole=0, singular=False):
    """As `special`, for functions that SciPy lacks: the body computes them as `computed` says."""

    def define(fn):
        return _row(fn, computed(fn, whole), derivatives, singular)

    return define


WEAK = (bool, int, float, complex)


def together(*xs):
    """`xs` as values, where Python's numbers take the dtype that the others decide, as they do for NumPy's ufuncs."""
    values = [x if type(x) in WEAK else as_value(x) for x in xs]
    dtype = np.result_type(*(x if type(x) in WEAK else dtype_of(x) for x in values))
    real = np.zeros((), dtype).real.dtype
    return [np.asarray(x, dtype if type(x) is complex else real) if type(x) in WEAK else x for x in values]


def together_as_floats(*xs):
    """As `together`, and all become floating point numbers of single precision at least: products of whole numbers could
    overflow, and SciPy has no functions of half precision."""
    values = together(*xs)
    dtype = np.result_type(np.float32, *map(dtype_of, values))
    return [cast(x, dtype) for x in values]


BLOCK = 4096  # elements computed at a time, since quadratures need some hundred numbers for each


def computed(fn, whole=0):
    """`fn` of float64 or complex128 arrays with one axis as a function of any shapes that broadcast together.

    float32 in, float32 out; integers among the first `whole` arguments do not matter for that.
    """

    @functools.wraps(fn)
    def evaluate(*xs, **params):
        given = [np.asarray(x) if isinstance(x, (list, tuple)) else x for x in xs]
        arrays = np.broadcast_arrays(*given)
        wide = [a.astype(np.complex128 if a.dtype.kind == "c" else np.float64).ravel() for a in arrays]
        with np.errstate(all="ignore"):
            parts = [fn(*(a[k : k + BLOCK] for a in wide), **params) for k in range(0, max(wide[0].size, 1), BLOCK)]
        out = np.concatenate(parts)
        if _single([x for i, x in enumerate(given) if i >= whole or dtype_of(x).kind in "fc"]):
            out = out.astype(np.complex64 if out.dtype.kind == "c" else np.float32)
        return out.reshape(arrays[0].shape)[()]

    return evaluate


def with_names(fn, names, static=()):
    """`fn` for those who ask for the names of its arguments, as row builders do; `static` ones are keywords."""
    named: Any = fn
    named.__signature__ = Signature(
        [Parameter(n, Parameter.POSITIONAL_OR_KEYWORD) for n in names] + [Parameter(n, Parameter.KEYWORD_ONLY) for n in static]
    )
    return named


def with_slopes(name, slope, whole=0):
    """Evaluates SciPy's function of this name for n = 0, else its n-th derivative by `slope`, as `computed` does."""
    value, slope = keep_single(scipy_special(name), whole), computed(slope, whole)
    return lambda *xs, n: slope(*xs, n=n) if n else value(*xs)


def _row(fn, evaluate, derivatives, singular):
    ps = inspect.signature(fn).parameters.values()
    row = Primitive(
        name=fn.__name__.lstrip("_"),
        evaluate=evaluate,
        args=tuple(p.name for p in ps if p.kind != p.KEYWORD_ONLY),
        params=tuple(p.name for p in ps if p.kind == p.KEYWORD_ONLY),
        derivative=tuple(zero if d is None else d if hasattr(d, "bind") else _Slope(d, singular) for d in derivatives),
        aval=lambda *avals, **params: elementwise_aval(row, *avals, **params),
        batch=lambda args, batched, params: elementwise_batch(row, args, batched, params),
        lower=Call(),
        doc=(fn.__doc__ or "").strip(),
    )
    return publish(row, fn)


def _single(xs):
    """Whether float32 is enough for a result computed from `xs`."""
    return np.result_type(*(x if type(x) in WEAK else dtype_of(x) for x in xs)) in (np.float16, np.float32, np.complex64)


def keep_single(evaluate, whole):
    """`evaluate`, where it makes float32 arguments float64; integers among the first `whole` arguments do not count."""

    def rounded(*xs, **params):
        out = evaluate(*xs, **params)
        deciding = [x for i, x in enumerate(xs) if i >= whole or dtype_of(x).kind in "fc"]
        if out.dtype in (np.float64, np.complex128) and _single(deciding):
            out = out.astype(np.complex64 if out.dtype.kind == "c" else np.float32)
        return out

    return rounded


# --- error functions ------------------------------------------------------------------------------------------------


@elementwise(scipy_special("erf"), lambda x: (2 / math.sqrt(math.pi)) * exp(-x * x))
def erf(x):
    """Error function of `x`: twice the integral of exp(-t**2) / sqrt(pi) from 0 to `x`.

    >>> import chainrule as cr
    >>> cr.erf(np.array([0.0]))
    array([0.])
    """


@elementwise(scipy_special("erfc"), lambda x: (-2 / math.sqrt(math.pi)) * exp(-x * x))
def erfc(x):
    """`1 - erf(x)`, accurate for large `x`.

    >>> import chainrule as cr
    >>> cr.erfc(np.array([0.0]))
    array([1.])
    """


@elementwise(scipy_special("erfinv"), lambda out: (math.sqrt(math.pi) / 2) * exp(out * out), singular=True)
def erfinv(x):
    """Number whose `erf` is `x`, for -1 <= `x` <= 1.

    >>> import chainrule as cr
    >>> cr.erfinv(np.array([0.0]))
    array([0.])
    """


# --- the gamma function's logarithm ---------------------------------------------------------------------------------


@special(lambda x: digamma(x))
def gammaln(x):
    """Logarithm of the absolute value of the gamma function, for real `x`.

    >>> import chainrule as cr
    >>> cr.gammaln(np.array([1.0]))
    array([0.])
    """


@special(lambda x: polygamma(1, x))
def digamma(x):
    """Derivative of `gammaln` (real) and `loggamma` (complex).

    >>> import chainrule as cr
    >>> cr.digamma(np.array([1.0]))
    array([-0.57721566])
    """


_scipy_polygamma = scipy_special("polygamma")
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330)


def _polygamma(n, x):
    if dtype_of(x).kind == "c":
        out = _complex_polygamma(*np.broadcast_arrays(n, np.asarray(x, complex)))
        return out.astype(np.complex64)[()] if dtype_of(x) == np.complex64 else out[()]
    out = _scipy_polygamma(n, x)  # SciPy gives float64 also for float32
    return out.astype(np.float32)[()] if dtype_of(x) in (np.float32, np.float16) else out


def _complex_polygamma(n, z):
    """Far from the origin by Stirling's series (DLMF 5.15.8), from elsewhere by steps to the right (5.15.5)."""
    n = n.astype(int)
    factorial = np.cumprod([1.0, *range(1, 40)])[n]
    reach = 15 + n
    steps = np.where(np.abs(z.imag) < reach, np.clip(np.ceil(reach - z.real), 0, None), np.clip(np.ceil(-z.real), 0, None))
    total = np.zeros(z.shape, complex)
    with np.errstate(all="ignore"):
        for k in range(int(np.max(steps, initial=0))):
            total += np.where(k < steps, factorial / (z + k) ** (n + 1), 0)
        w = z + steps
        power, term = w ** -(n + 1), factorial * 1.0
        total += np.where(n > 0, factorial / np.maximum(n, 1) * w ** (-n * 1.0), -np.log(w)) + 0.5 * term * power
        for k, b in enumerate(BERNOULLI, start=1):
            rising = np.prod([n * 1.0 + j for j in range(1, 2 * k)], axis=0)  # (n + 2k - 1)! / n!
            total += b / math.factorial(2 * k) * factorial * rising * power * w ** (1.0 - 2 * k)
    return np.where(n % 2 == 0, -total, total)


@special(None, lambda n, x: polygamma(n + 1, x), by=_polygamma)
def polygamma(n, x):
    """The `n`-th derivative of `digamma`, for whole `n`; `x` may be complex.

    >>> import chainrule as cr
    >>> cr.polygamma(1, np.array([1.0]))
    array([1.64493407])
    """


# --- logarithms -----------------------------------------------------------------------------------------------------


def _logit_code(s, x):
    """Near 1/2, where the two logarithms would cancel, one of a number close to 1."""
    y = s.subtract(1, x)
    low = s.subtract(s.log(x), s.log1p(s.negative(x)))
    return s.where(s.less(x, 0.3), low, s.log1p(s.divide(s.subtract(x, y), y)))


@elementwise(scipy_special("logit"), lambda x: 1 / x + 1 / (1 - x), singular=True, scalar=_logit_code)
def logit(x):
    """`log(x / (1 - x))`, the inverse of `sigmoid`.

    >>> import chainrule as cr
    >>> cr.logit(np.array([0.5]))
    array([0.])
    """


def xlogy(x, y):
    """`x * log(y)`, and 0 where `x` is 0.

    >>> import chainrule as cr
    >>> cr.xlogy(0.0, 0.0)
    np.float64(0.0)
    """
    x, y = together(x, y)
    y = cast(y, np.result_type(dtype_of(x), dtype_of(y)))  # first, so that the logarithm has the precision of the result
    # Elsewhere the derivative in x is log(y) also at 0.
    none = (x == 0) & ((y == 0) | isinf(y) if dtype_of(y).kind == "c" else (y <= 0) | (y == math.inf))
    return where(none, 0.0 * x, multiply(x, log(where(none, 1, y))))
