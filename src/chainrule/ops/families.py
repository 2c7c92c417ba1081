"""Row builders. A family fixes the rules that its members share, so that a row states only what is its own."""

import inspect
import math
from collections.abc import Callable

import numpy as np

from ..core.aval import Aval, result_dtype
from ..core.derivative import Bound, bind, names_of, strict, zero
from ..core.lowering import Map
from ..core.primitive import Primitive, primitive, publish
from ..core.value import dtype_of, ndim_of, shape_of
from .shaping import _sum, broadcast_to, expand, pad_front, sum_to, without

# --- one number in, one number out ----------------------------------------------------------------------------------


class Partial:
    """One number per element, multiplied by the tangent or, conjugated, by the cotangent.

    Where it is `singular` (infinite somewhere), a zero tangent still gives zero there. For cotangents the walk back
    sees to that in all rows.
    """

    each = True  # a number per element: the slope of a series is the partial times that of the argument

    def __init__(self, rule, singular=False):
        self.rule, self.singular = rule, singular

    def bind(self, row, i):
        if not names_of(self.rule):
            return self._bind_constant(self.rule())
        partial, keeps = bind(self.rule, "_", row, i)
        times = _times_masked if self.singular else _times

        def push(t, env, params, aval):
            with np.errstate(all="ignore"):
                p = partial(None, env, params, aval)
            return fit(times(t, p), env[-1])

        plain = "g * {call} if aval is None and not strict else careful(g, {call}, aval)"
        pull, _ = bind(self.rule, "g", row, i, plain, strict=strict, careful=_weigh)
        return Bound(push, pull, keeps)

    @staticmethod
    def _bind_constant(c):
        if c == 1:
            return Bound(
                lambda t, env, params, aval: fit(t, env[-1]),
                lambda g, env, params, aval: g if aval is None else sum_to(g, aval.shape),
                frozenset(),
            )
        back = c.conjugate()
        return Bound(
            lambda t, env, params, aval: fit(t * c, env[-1]),
            lambda g, env, params, aval: g * back if aval is None else sum_to(g * back, aval.shape),
            frozenset(),
        )


def _weigh(g, p, aval):
    """A cotangent times a partial, summed over what was broadcast."""
    times = _times_masked if strict else _times
    return sum_to(times(g, _conjugate(p)), shape_of(g) if aval is None else aval.shape)


def _times(t, p):
    return t * p


def _times_masked(t, p):
    return masked_multiply(t, p)


def _conjugate(p):
    return conjugate(p) if dtype_of(p).kind == "c" else p


def fit(t, out):
    """A tangent repeated to the shape of the result that it belongs to."""
    shape = shape_of(out)
    return t if shape_of(t) == shape else broadcast_to(t, shape)


def elementwise_aval(row, *avals, **params):
    shape = np.broadcast_shapes(*(a.shape for a in avals))
    return Aval(shape, result_dtype(row.evaluate, tuple(a.dtype for a in avals), tuple(a.weak for a in avals), **params))


def elementwise_batch(row, args, batched, params):
    ndim = 1 + max(ndim_of(x) - b for x, b in zip(args, batched, strict=True))
    return row.call(*(pad_front(x, ndim) if b else x for x, b in zip(args, batched, strict=True)), **params)


def elementwise(numpy, *derivatives, scalar=None, singular=False, fast=None, series=None):
    """Row builder. `numpy` is the ufunc or function that computes it; the decorated def gives names and help.

    A derivative is a rule for the partial, None for zero, or a kind; `scalar` is the lowering, by default the
    builder's method of the same name; `fast` is the Python operator, which is much faster on single numbers; `series` says
    that it is a product or quotient.
    """

    def define(fn):
        ps = inspect.signature(fn).parameters.values()
        args = tuple(p.name for p in ps if p.kind != p.KEYWORD_ONLY)
        kinds = derivatives or (None,) * len(args)
        own_name = fn.__name__.lstrip("_")
        row = Primitive(
            name=own_name,
            evaluate=numpy,
            args=args,
            params=tuple(p.name for p in ps if p.kind == p.KEYWORD_ONLY),
            derivative=tuple(zero if d is None else d if hasattr(d, "bind") else Partial(d, singular) for d in kinds),
            aval=lambda *avals, **params: elementwise_aval(row, *avals, **params),
            batch=lambda args, batched, params: elementwise_batch(row, args, batched, params),
            lower=Map(scalar or (lambda s, *xs, **params: getattr(s, own_name)(*xs, **params))),
            fast=fast,
            series=series,
            numpy=numpy if isinstance(numpy, np.ufunc) else None,
            doc=(fn.__doc__ or "").strip(),
        )
        return publish(row, fn)

    return define


class _Conjugation:
    """Conjugation is linear over the reals and its own transpose."""

    def bind(self, row, i):
        return Bound(
            lambda t, env, params, aval: conjugate(t),
            lambda g, env, params, aval: conjugate(g),
            frozenset(),
        )


@elementwise(np.conjugate, _Conjugation())
def conjugate(x):
    """Complex conjugate; `x` itself where it is real.

    >>> import chainrule as cr
    >>> cr.conjugate(1 + 2j)
    np.complex128(1-2j)
    """


def _masked_product(g, p):
    if type(p) is float and math.isfinite(p):
        return g * p
    with np.errstate(all="ignore"):
        product = np.multiply(g, p)
        # A sum is finite only if every term is: the cheapest test that nothing needs masking.
        total = np.add.reduce(p, axis=None) if isinstance(p, np.ndarray) else p
        if not np.isfinite(total):
            product = np.where(~np.isfinite(p) & (np.asarray(g) == 0), np.zeros((), product.dtype), product)[()]
    return product


class _MaskedByFirst:
    """The product in `p`: a zero of `g` wins over an infinite tangent or cotangent, as it does over an infinite `p`."""

    def bind(self, row, i):
        def push(t, env, params, aval):
            return fit(masked_multiply(env[0], t), env[-1])

        def pull(g, env, params, aval):
            part = masked_multiply(_conjugate(env[0]), g)
            return part if aval is None else sum_to(part, aval.shape)

        return Bound(push, pull, frozenset({0}))


@elementwise(
    _masked_product,
    lambda p: p,
    _MaskedByFirst(),
    singular=True,
    series="product",
    scalar=lambda s, g, p: s.where(s.equal(g, 0.0), 0.0, s.multiply(g, p)),
)
def masked_multiply(g, p):
    """g * p, and 0 where g is 0 even if p is infinite or NaN."""


# --- many numbers in, fewer out -------------------------------------------------------------------------------------


class PartialOverAxes:
    """As Partial, but the op then adds up over its parameter `axes`; `out` stands with those axes as length 1."""

    def __init__(self, rule):
        self.rule = rule

    def bind(self, row, i):
        partial, keeps = bind(self.rule, "_", row, i)

        def expanded(env, axes):
            return (*env[:-1], None if env[-1] is None else expand(env[-1], axes))

        def push(t, env, params, aval):
            axes = params["axes"]
            with np.errstate(all="ignore"):
                return _sum(t * partial(None, expanded(env, axes), params, aval), axes=axes)

        def pull(g, env, params, aval):
            axes = params["axes"]
            p = partial(None, expanded(env, axes), params, aval)
            times = _times_masked if strict else _times
            return broadcast_to(times(expand(g, axes), _conjugate(p)), aval.shape)

        return Bound(push, pull, keeps)


def reduction(partial, *, lower, numpy=None, cost=None):
    """Row builder for `fn(x, *, axes)`; `partial` is a rule, or None for a result without derivative."""

    def define(fn):
        define_row = primitive(
            derivative=[PartialOverAxes(partial) if partial else zero],
            aval=lambda x, axes: Aval(
                without(x.shape, axes), result_dtype(fn, (x.dtype,), (x.weak,), axes=tuple(range(len(axes) and 1)))
            ),
            batch=lambda args, batched, params: call(*args, axes=tuple(a + 1 for a in params["axes"])),
            lower=lower,
            numpy=numpy,
            name=fn.__name__.lstrip("_"),
            cost=cost,
        )
        call: Callable = define_row(fn)
        return call

    return define
