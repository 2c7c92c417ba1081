"""From programs to formulas: a recorded program is replayed on symbols."""

import itertools
import warnings
from typing import Any

import numpy as np

from .. import special
from ..core.graph import Var
from ..errors import UnsupportedError, explain
from ..transforms.record import graph as record
from ..trees import unflatten
from .arrays import box, each, exact, is_symbolic, symbols_of, sympy
from .counterparts import MOVING, by_name, counterparts, truth, where


def _aval(operand):
    return operand.aval if isinstance(operand, Var) else None


class _Replay:
    """The steps of a graph on arrays, of which some hold expressions."""

    def __init__(self, name):
        self.name = name

    def run(self, graph, inputs):
        """Values of all variables, by number; `inputs` in the order of the graph's."""
        env = {i.var.id: x for i, x in zip(graph.inputs, inputs, strict=True)}
        for step in graph.steps:
            args = [self.read(env, x) for x in step.inputs]
            outs = self.step(step, args)
            for var, out in zip(step.outputs, outs, strict=True):
                env[var.id] = out
        return env

    @staticmethod
    def read(env, operand):
        return env[operand.id] if isinstance(operand, Var) else operand.value

    def step(self, step, args):
        row, params = step.row, step.params
        if row.name in ("real", "conjugate") and step.outputs[0].aval == _aval(step.inputs[0]):
            return (args[0],)  # of a real number
        if row.name in ("program", "custom", "cond", "scan"):
            return self.inner(row.name, args, params)
        if not any(map(is_symbolic, args)):
            out = row.evaluate(*args, **params)
            return out if isinstance(out, tuple) else (out,)
        if row.name in MOVING:
            n = MOVING[row.name]
            args = [box(a) if n is None or i < n else a for i, a in enumerate(args)]
            return (box(row.evaluate(*args, **params)),)
        known = counterparts().get(row.name)
        if known is None and row.name in special.__all__ and not params and len(step.outputs) == 1:
            known = by_name(row.name)
        if known is None:
            raise UnsupportedError(
                explain(
                    f"symbolic.expression: {row.name} has no counterpart in SymPy",
                    f"at {step.source} in {self.name}",
                    help="take the expression of a part of the program that does without it",
                )
            )
        boxed = [box(a) if i < 2 else a for i, a in enumerate(args)] if row.name == "index_add" else map(box, args)
        return (box(known(*boxed, **params)),)

    def outputs(self, graph, inputs):
        env = self.run(graph, inputs)
        return [self.read(env, o) for o in graph.outputs]

    def inner(self, name, args, params):
        """Programs, branches and loops of known length, written out."""
        if name in ("program", "custom"):
            return self.outputs(params["graph"], args)
        if name == "cond":
            first, second = (self.outputs(b, args[1:]) for b in params["branches"])
            return [each(where)(args[0], a, b) for a, b in zip(first, second, strict=True)]
        nk, nc, length = params["consts"], params["carries"], params["length"]
        fixed, carry, xs = args[:nk], list(args[nk : nk + nc]), args[nk + nc :]
        stacks: list[list] = [[None] * length for _ in params["body"].outputs[nc:]]
        for t in range(length)[:: -1 if params["reverse"] else 1]:
            outs = self.outputs(
                params["body"], [*fixed, *carry, *(x[t] if isinstance(x[t], np.ndarray) else box(x[t]) for x in xs)]
            )
            carry = outs[:nc]
            for stack, y in zip(stacks, outs[nc:], strict=True):
                stack[t] = y
        return [*carry, *(np.stack([box(y) for y in stack]) for stack in stacks)]


def _points(symbols, count=48):
    """Values at which to run the program: first ordinary positive ones, then all kinds, to meet other branches."""
    rng = np.random.default_rng(0)
    yield [np.asarray(rng.uniform(0.3, 0.9, a.shape)) for a in symbols]
    for scale in itertools.islice(itertools.cycle([0.5, 1.0, 3.0, 10.0]), count):
        yield [np.asarray(rng.normal(0, scale, a.shape)) for a in symbols]


def _one_path(f, symbols, values):
    """(condition under which the program does the same, results as arrays, their tree) of one run."""
    s = sympy()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        graph = record(f)(*values)
    replay = _Replay(graph.name)
    inputs = [*symbols, *(np.asarray(i.array) for i in graph.inputs[len(symbols) :])]
    env = replay.run(graph, inputs)
    conditions = []
    for guard in graph.guards:
        e = box(replay.read(env, guard.var)).item()
        holds = truth(e) if isinstance(guard.value, (bool, np.bool_)) else s.Eq(e, exact(guard.value))
        conditions.append(s.Not(holds) if guard.value is False else holds)
    return s.And(*conditions), [box(replay.read(env, o)) for o in graph.outputs], graph.structure


def _unboxed(out):
    """An array of expressions as users want it."""
    s = sympy()
    return s.sympify(out.item()) if out.ndim == 0 else s.ImmutableDenseNDimArray(list(out.reshape(-1)), out.shape)


def expression(f, *names, at=None):
    """The formula that a program computes, in SymPy's terms.

    Parameters
    ----------
    f : function of numbers and arrays, returning a tree of them; also a derivative such as `chainrule.grad(f)`
    names : one per argument: 'x' for a number, ('w', (2, 3)) for an array of symbols w_0_0 ..., or SymPy symbols, a list or a
        Matrix of them. Symbols that are made here assume nothing; give `sympy.Symbol("x", real=True)` for simpler formulas of
        moduli and roots.
    at : arguments to run `f` at, where it decides by value (`if x > 0:`)

    Returns
    -------
    SymPy expression, Array of them, or a tree like the result of `f`. What `f` sees besides its arguments is part of it as
    numbers. Functions of `chainrule.special` that SymPy does not have stand there by their names alone. A program that decides
    by value is run at many points: each way that it takes becomes a piece of a Piecewise under the condition that it takes it.
    Ways that no point has taken are missing: there the Piecewise is undefined. With `at`, there is one piece alone.

    Raises
    ------
    UnsupportedError
        An operation has no counterpart in SymPy, such as a loop of unknown length.
    MissingExtraError
        SymPy is not installed.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.symbolic.expression(lambda x, y: np.sin(x) ** 2 / y, "x", "y")
    sin(x)**2/y
    >>> cr.symbolic.expression(cr.grad(lambda x: np.sin(x) ** 2), "x")
    2*sin(x)*cos(x)
    >>> cr.symbolic.expression(lambda w: w @ w, ("w", 2))
    w_0**2 + w_1**2
    >>> cr.symbolic.expression(lambda x: x * x if x > 1 else -x, "x")
    Piecewise((-x, x <= 1), (x**2, True))
    """
    s = sympy()
    symbols = [symbols_of(n) for n in names]
    if at is not None:
        at = at if isinstance(at, tuple) else (at,)
        points: Any = [[np.asarray(x, float) for x in at]]
    else:
        points = _points(symbols)
    pieces: dict[Any, list] = {}
    structure: Any = None
    for values in points:
        condition, outs, structure = _one_path(f, symbols, values)
        pieces.setdefault(condition, outs)
        if condition == s.true:
            break
    whole = s.simplify(s.Or(*pieces)) if len(pieces) > 1 else s.Or(*pieces)
    results = [_piecewise(list(pieces), list(column), whole == s.true) for column in zip(*pieces.values(), strict=True)]
    return unflatten(structure, [_unboxed(r) for r in results])


def _piecewise(conditions, columns, complete):
    s = sympy()
    if conditions == [s.true]:
        return columns[0]
    last = [*conditions[:-1], s.true] if complete else conditions

    def one(*xs):
        return s.Piecewise(*zip(xs, last, strict=True))

    return each(one)(*columns)
