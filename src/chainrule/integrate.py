"""Ordinary differential equations: odeint, with JAX's signature, and the derivatives of its solution.

Dormand and Prince's pair of orders 5 and 4 ("A family of embedded Runge-Kutta formulae", J. Comput. Appl. Math. 6, 1980), the
first step as in Hairer, Norsett and Wanner, "Solving Ordinary Differential Equations I", II.4. Derivatives are solutions of
further equations: in forward mode of the variational one, in reverse mode of the adjoint one, backwards in time. So nothing of
the steps is kept.
"""

import math

import numpy as np

from .core.aval import Aval
from .core.value import dtype_of, ndim_of, shape_of
from .errors import ArgumentError, ShapeError, explain
from .flatten_util import ravel_pytree
from .ops.comparison import isfinite
from .ops.elementwise import absolute, clip, conjugate, maximum, minimum, real, sign, sqrt, where
from .ops.joining import concatenate, stack
from .ops.reduction import mean, sum
from .ops.shaping import as_value, cast, reshape
from .transforms.abstract import input_avals, jvp_graph, remember, trace, vjp_graph
from .transforms.batch import vmap
from .transforms.control import _arrays, scan, while_loop
from .transforms.custom import Rules
from .transforms.programs import inexact, or_zeros, spread
from .trees import unflatten

__all__ = ["odeint"]

# --- the solver ---------------------------------------------------------------------------------------------------------------

STAGES = [
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
]
TIMES = (1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
ERROR = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)  # of order 5 minus of order 4


def _combined(weights, ks):
    total = 0.0
    for w, k in zip(weights, ks, strict=True):
        if w:
            total = total + w * k
    return total


def _size(x, scale):
    """The root mean square of x in units of `scale`."""
    return sqrt(mean(absolute(x / scale) ** 2)) if shape_of(x)[0] else np.zeros((), dtype_of(scale))


class _Solver:
    """Steps of one equation y' = f(y, t), for a vector y."""

    def __init__(self, f, dtype, options):
        self.f, self.dtype = f, dtype
        self.eps = float(np.finfo(dtype).eps)
        rtol, atol, self.most, self.longest = options
        self.rtol, self.atol = max(rtol, 4 * self.eps), atol

    def scale(self, *ys):
        size = absolute(ys[0])
        for y in ys[1:]:
            size = maximum(size, absolute(y))
        return self.atol + self.rtol * size

    def first_step(self, y, k, t, end):
        """The length of a step that the equation bears at the beginning."""
        scale = self.scale(y)
        d0, d1 = _size(y, scale), _size(k, scale)
        h = where((d0 < 1e-5) | (d1 < 1e-5), 1e-6, 0.01 * d0 / where(d1 < 1e-5, 1, d1))
        direction = sign(end - t)
        there = self.f(y + h * direction * k, t + h * direction)
        d2 = _size(there - k, scale) / h
        steep = maximum(d1, d2)
        then = where(steep <= 1e-15, maximum(1e-6, 1e-3 * h), (0.01 / where(steep <= 1e-15, 1, steep)) ** 0.2)
        return cast(minimum(minimum(100 * h, then), self.longest), self.dtype)

    def step(self, y, k, t, h):
        """The value a step later, the slope there, and an estimate of the error."""
        ks = [k]
        for time, weights in zip(TIMES, STAGES, strict=True):
            new = y + h * _combined(weights, ks)
            ks.append(self.f(new, t + time * h))
        return new, ks[-1], h * _combined(ERROR, ks)

    def advance(self, y, k, t, h, end):
        """From t to `end`. `h`, without sign, is what a step may be where it is not cut short by the end."""

        def unfinished(state):
            _, _, t, h, steps = state
            return (t != end) & (h > 4 * self.eps * absolute(t)) & (h > 0) & (steps < self.most)

        def one(state):
            y, k, t, h, steps = state
            left = absolute(end - t)
            last = h >= left
            length = where(last, left, h)
            new, k_new, error = self.step(y, k, t, sign(end - t) * length)
            size = _size(error, self.scale(y, new))
            good = isfinite(size) & (size <= 1)
            factor = where(isfinite(size), clip(0.9 * where(size == 0, 1e-10, size) ** -0.2, 0.2, 10.0), 0.2)
            proposed = cast(minimum(length * where(good, factor, minimum(factor, 1.0)), self.longest), self.dtype)
            return (
                where(good, new, y),
                where(good, k_new, k),
                where(good, where(last, end, t + sign(end - t) * length), t),
                where(good & last, maximum(h, proposed), proposed),
                steps + 1,
            )

        y, k, t, h, _ = while_loop(unfinished, one, (y, k, t, h, 0))
        return where(t == end, y, math.nan), k, end, h

    def solve(self, y, ts):
        """The values at all of `ts`, from `y` at the first."""
        k = self.f(y, ts[0])
        h = self.first_step(y, k, ts[0], ts[-1])

        def to_next(state, end):
            y, k, t, h = state
            state = self.advance(y, k, t, h, end)
            return state, state[0]

        _, ys = scan(to_next, (y, k, ts[0], h), ts[1:])
        return concatenate([reshape(y, (1, -1)), ys])


# --- derivatives --------------------------------------------------------------------------------------------------------------


class _Flow:
    """The values at times as a function of the first value, the times and what the equation depends on."""

    def __init__(self, graph, options):
        self.graph, self.options = graph, options  # y, t, operands -> y'
        self.rules = Rules("odeint", self.value, self.push, self.forward, self.pull)

    def slope(self, operands):
        return lambda y, t: self.graph.apply(y, t, *operands)[0]

    def value(self, y, ts, operands):
        return _Solver(self.slope(operands), dtype_of(ts), self.options).solve(y, ts)

    def moving(self, operands):
        """Which of the inputs of the graph may have a derivative, the time apart."""
        return True, False, *inexact(input_avals(self.graph)[2:])

    def push(self, primals, tangents):
        (y, ts, operands), (dy, dts, moves) = primals, tangents
        flags = self.moving(operands)
        f = self.slope(operands)
        more = or_zeros(moves, operands, flags[2:])
        n = shape_of(y)[0]
        both = _Flow(_variational(self.graph, flags), self.options).rules.call(
            concatenate([y, dy - f(y, ts[0]) * dts[0]]), ts, [*operands, *more]
        )
        ys, moved = both[:, :n], both[:, n:]
        return ys, moved + vmap(f)(ys, ts) * reshape(dts, (-1, 1))

    def forward(self, y, ts, operands):
        ys = self.rules.call(y, ts, operands)
        return ys, (ys, ts, operands)

    def pull(self, kept, g):
        ys, ts, operands = kept
        flags = self.moving(operands)
        f, n, wanted = self.slope(operands), shape_of(ys)[1], flags[2:]
        avals = [a for a, w in zip(input_avals(self.graph)[2:], wanted, strict=True) if w]
        back = _Flow(_adjoint(self.graph, flags), self.options).rules

        def to_previous(state, here):
            a, totals = state
            g, y, t, before = here
            a = a + g
            both = back.call(concatenate([y, a, totals]), stack([t, before]), operands)[1]
            moved = cast(sum(real(conjugate(g) * f(y, t))), dtype_of(ts))
            return (both[n : 2 * n], both[2 * n :]), moved

        start = np.zeros(n, dtype_of(ys)), np.zeros(_total(avals), dtype_of(ys))
        (a, totals), of_ts = scan(to_previous, start, (g[1:], ys[1:], ts[1:], ts[:-1]), reverse=True)
        of_first = -cast(sum(real(conjugate(a) * f(ys[0], ts[0]))), dtype_of(ts))
        parts, at = [], 0
        for aval in avals:
            end = at + _total([aval])
            part = reshape(totals[at:end], aval.shape)
            parts.append(cast(part if aval.dtype.kind == "c" else real(part), aval.dtype))
            at = end
        return a + g[0], concatenate([reshape(of_first, (1,)), of_ts]), spread(parts, wanted)


def _total(avals):
    """The number of elements of arrays of these shapes."""
    total = 0
    for a in avals:
        total += math.prod(a.shape)
    return total


def _variational(graph, flags):
    """The equation of (y, dy), which also depends on the directions of what the equation depends on."""

    def make():
        y, t, *operands = input_avals(graph)
        more = [a for a, w in zip(operands, flags[2:], strict=True) if w]
        n = y.shape[0]
        tangent = jvp_graph(graph, flags, (True,)).graph

        def both(z, t, *rest):
            out = tangent.apply(z[:n], t, *rest[: len(operands)], z[n:], *rest[len(operands) :])
            return concatenate([out[0], out[1]])

        return trace(both, [Aval((2 * n,), y.dtype), t, *operands, *more], f"variation of {graph.name}", capture=False).graph

    return remember(graph, ("variational", flags), make)


def _adjoint(graph, flags):
    """The equation of (y, a, total), where a is the cotangent of y, and the total those of what the equation depends on."""

    def make():
        y, t, *operands = input_avals(graph)
        n, wanted = y.shape[0], flags[2:]
        size = _total(a for a, w in zip(operands, wanted, strict=True) if w)
        pullback = vjp_graph(graph, flags, (True,)).graph

        def all_three(z, t, *operands):
            (slope,) = graph.apply(z[:n], t, *operands)
            parts = pullback.apply(z[:n], t, *operands, z[n : 2 * n])
            return concatenate([slope, *(cast(-reshape(as_value(p), (-1,)), y.dtype) for p in parts)])

        return trace(all_three, [Aval((2 * n + size,), y.dtype), t, *operands], f"adjoint of {graph.name}", capture=False).graph

    return remember(graph, ("adjoint equation", flags), make)


# --- the function -------------------------------------------------------------------------------------------------------------


def odeint(func, y0, t, *rest, args=None, rtol=1.4e-8, atol=1.4e-8, mxstep=math.inf, hmax=math.inf):
    """The solution of y' = func(y, t, *args) at the times `t`, from `y0` at the first of them.

    Steps are chosen so that the estimated error of each is smaller than `atol + rtol * abs(y)`. Derivatives in `y0`, `t`,
    `args` and in whatever else `func` uses are solutions of differential equations too, found with the same tolerances: to
    about as many digits as the solution has, in either mode and any order, at the memory of one solution.

    Parameters
    ----------
    func : function (y, t, *args) -> y', a tree like `y0`. It must not decide by values; use `cr.where` or `cr.cond`.
    y0 : tree of arrays
    t : array of at least one time, rising or falling
    args : tuple of trees of arrays, as in SciPy; or they follow `t` one by one, as in JAX
    rtol, atol : float, tolerances
    mxstep : the most steps between two of the times; where they do not suffice, the solution is NaN from there on
    hmax : float, the longest step

    Returns
    -------
    tree like `y0`, with a new first axis for the times

    Raises
    ------
    ShapeError
        `t` is no vector, or `func` gives other shapes than those of `y0`.
    LostDerivativeError
        `func` decides by values.
    ArgumentError
        The times are not real, or arguments are given in both ways.

    Examples
    --------
    >>> import chainrule as cr
    >>> decay = lambda y, t, rate: -rate * y
    >>> end = lambda rate: cr.integrate.odeint(decay, 1.0, np.array([0.0, 2.0]), rate)[-1]
    >>> end(0.5).round(6), cr.grad(end)(0.5).round(6), cr.grad(cr.grad(end))(0.5).round(6)
    (np.float64(0.367879), np.float64(-0.735759), np.float64(1.471518))
    """
    if args is not None and (rest or not isinstance(args, tuple)):
        asked = "odeint: args is a tuple, and all of what func takes beyond y and t"
        raise ArgumentError(explain(asked, f"args: {type(args).__name__}, after {len(rest)} others", help="write args=(a, b)"))
    args = rest if args is None else args
    y, unravel = ravel_pytree(y0)
    ts = as_value(t)
    if ndim_of(ts) != 1 or not shape_of(ts)[0]:
        raise ShapeError(explain("odeint: the times must be a vector", f"t: {shape_of(ts)}", help="t[0] is that of y0"))
    if dtype_of(ts).kind not in "iuf":
        raise ArgumentError(explain("odeint: times are real numbers", f"t: {dtype_of(ts)}", help="take real ones"))
    leaves, structure = _arrays(args, "odeint: args")
    dtype = np.result_type(dtype_of(y), *([] if dtype_of(y).kind in "fc" else [float]))
    y = cast(y, dtype)
    ts = cast(ts, np.zeros((), dtype).real.dtype)

    def flat(y, t, *rest):
        slope, _ = ravel_pytree(func(unravel(y), t, *unflatten(structure, rest)))
        if shape_of(slope) != shape_of(y):
            raise ShapeError(
                explain(
                    "odeint: func must return a tree like y0",
                    f"elements of y0: {shape_of(y)[0]}    returned: {shape_of(slope)[0]}",
                    help="the derivative in time of each element",
                )
            )
        return cast(slope, dtype)

    flat.__name__ = getattr(func, "__name__", type(func).__name__)
    avals = [Aval(shape_of(y), dtype), Aval((), dtype_of(ts)), *(Aval(shape_of(x), dtype_of(x)) for x in leaves)]
    graph, captured = trace(flat, avals)
    ys = _Flow(graph, (rtol, atol, mxstep, hmax)).rules.call(y, ts, [*leaves, *captured])
    return vmap(unravel)(ys)
