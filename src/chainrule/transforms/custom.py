"""Functions with derivatives of their own: custom_jvp, custom_vjp, and both for one function.

From either rule the other mode is derived, since a pushforward and a pullback are each other's transpose. As in JAX, a rule
takes the place of one order of differentiation; higher orders differentiate through the rule itself.
"""

import functools
import inspect
import operator
from typing import Any

import numpy as np

from ..core.derivative import Joint
from ..core.dispatch import next_level, state, writer_below
from ..core.lowering import Loop
from ..core.primitive import primitive
from ..core.value import Value, dtype_of, shape_of
from ..errors import ArgumentError, LostDerivativeError, ShapeError, explain
from ..ops.shaping import broadcast_to, cast, expand
from ..tensor import Tensor
from ..trees import flatten, leaves_like, tree_map, unflatten
from .abstract import Abstract, active_outputs, aval_like, output_avals, repeated, trace
from .backward import Call, Leaf, Output, walk_back
from .batch import Batch, drawing, draws, vmap
from .checkpoint import REPLAYED
from .control import aligned, put_back, watched
from .derivatives import vjp
from .forward import Forward, push_forward
from .programs import halved, run_graph
from .reverse import ROOT, Tape
from .scope import Scope


class CustomFunction:
    """A function whose derivatives are given by rules; made by `custom_jvp` and `custom_vjp`."""

    def __init__(self, f, nondiff_argnums=(), nondiff_argnames=()):
        functools.update_wrapper(self, f)
        self.__name__: str = getattr(f, "__name__", type(f).__name__)
        self.f = f
        numbers = (nondiff_argnums,) if isinstance(nondiff_argnums, int) else tuple(nondiff_argnums)
        names = (nondiff_argnames,) if isinstance(nondiff_argnames, str) else tuple(nondiff_argnames)
        self.nondiff_argnums = (*numbers, *(list(inspect.signature(f).parameters).index(name) for name in names))
        self.jvp_rule = self.fwd = self.bwd = None

    def defjvp(self, rule):
        """Give the forward rule: `rule(primals, tangents)` returns (value, tangent). Usable as a decorator."""
        self.jvp_rule = rule
        return rule

    def defjvps(self, *rules):
        """Give the forward rule as a sum: for each argument, `rule(tangent, value, *primals)` returns what its tangent
        contributes, or None stands for nothing."""

        def rule(primals, tangents):
            value = self(*primals)
            parts = [r(t, value, *primals) for r, t in zip(rules, tangents, strict=True) if r is not None]
            return value, functools.reduce(lambda x, y: tree_map(operator.add, x, y), parts) if parts else None

        self.jvp_rule = rule

    def defvjp(self, fwd, bwd):
        """Give the reverse rule: `fwd(*args)` returns (value, residuals), `bwd(residuals, cotangent)` a tuple with a
        cotangent for each argument, None for zero."""
        self.fwd, self.bwd = fwd, bwd

    def __call__(self, *args, **kwargs):
        args = self._positional(args, kwargs)
        if self.jvp_rule is None and self.bwd is None:
            raise ArgumentError(
                explain(
                    f"{self.__name__} has no derivative rule",
                    help="give it one with .defjvp(rule) or .defvjp(fwd, bwd), or take the decorator away",
                )
            )
        static = [args[i] for i in self.nondiff_argnums]
        free = [a for i, a in enumerate(args) if i not in self.nondiff_argnums]

        def value(*xs):
            return self.f(*self._merge(static, xs))

        rules = Rules(
            self.__name__,
            value,
            self.jvp_rule and functools.partial(self.jvp_rule, *static),
            self.fwd and (lambda *xs: self.fwd(*self._merge(static, xs))),
            self.bwd and functools.partial(self.bwd, *static),
            self,
        )
        return rules.call(*free)

    @functools.cached_property
    def _has_defaults(self):
        try:
            parameters = inspect.signature(self.f).parameters.values()
        except (TypeError, ValueError):  # built into Python
            return False
        return any(p.default is not p.empty for p in parameters)

    def _positional(self, args, kwargs):
        if not (kwargs or self._has_defaults):
            return args
        bound = inspect.signature(self.f).bind(*args, **kwargs)
        bound.apply_defaults()
        if bound.kwargs:
            raise ArgumentError(
                explain(f"{self.__name__} takes keyword-only arguments", help="custom derivatives need positional arguments")
            )
        return bound.args

    def _merge(self, static, xs):
        free, fixed = iter(xs), iter(static)
        return [next(fixed) if i in self.nondiff_argnums else next(free) for i in range(len(xs) + len(static))]


class Rules:
    """A function of differentiable trees with its rules: the meeting point with each kind of trace."""

    def __init__(self, name, f, jvp_rule, fwd, bwd, source=None):
        self.name, self.f, self.jvp_rule, self.fwd, self.bwd = name, f, jvp_rule, fwd, bwd
        self.source = source  # whose rules these are

    def call(self, *args):
        leaves, structure = flatten(args)
        top = max((x.owner for x in leaves if isinstance(x, Value)), key=lambda owner: owner.level, default=None)
        if top is not None and writer_below(top, leaves) is not None:
            return self._written_down(leaves, structure)
        if isinstance(top, Tape):
            return self._on_tape(top, leaves, structure)
        if isinstance(top, Forward):
            return self._with_tangents(top, leaves, structure)
        if isinstance(top, Batch):
            return self._batched(top, leaves, structure)
        if isinstance(top, Abstract):
            return self._written_down(leaves, structure)
        return self.f(*args)

    def _on_tape(self, tape, leaves, structure):
        mine = [isinstance(x, Value) and x.owner is tape for x in leaves]
        values = [tape._value(x) if m else x for x, m in zip(leaves, mine, strict=True)]
        parents = tuple(x.note if m else None for x, m in zip(leaves, mine, strict=True))
        args = unflatten(structure, values)
        if not tape.recording() or all(p is None for p in parents):
            return tree_map(tape._wrap, self.call(*args))
        residuals: Any = None
        transpose: Any = None  # of the tangent that the forward rule gives
        if self.fwd is not None:
            out, residuals = self._run_fwd(args)
        elif self.bwd is None and any(isinstance(v, Value) for v in values):
            out, transpose = self._linearized(args)  # derivatives of the value, in transforms further out, are the rule's
        else:
            out = self.f(*args)
        outs, out_structure = flatten(out)
        outs = [self._checked(o, tape) for o in outs]
        looks = [(shape_of(o), dtype_of(o)) for o in outs]
        if tape is ROOT and state.recorder is not None:
            state.recorder.ruled = True

        def settle(real):
            nonlocal values, args, residuals, transpose
            values = list(map(real, values))
            args, residuals, transpose = unflatten(structure, values), tree_map(real, residuals), None

        def pullback(gs, owner):
            wrapped, kept, back = args, residuals, transpose
            if owner is not None:  # to be differentiated again: the rule runs on the tape, from the arguments on
                again = [v if p is None else Tensor(v, owner, p) for v, p in zip(values, parents, strict=True)]
                wrapped = unflatten(structure, again)
                kept, back = self._run_fwd(wrapped)[1] if self.fwd is not None else None, None
            gs = [np.zeros(*look) if g is None else g for g, look in zip(gs, looks, strict=True)]
            parts = self._pull(wrapped, kept, back, unflatten(out_structure, gs), structure)
            return list(zip(parents, parts, strict=True))

        node = Call(self.name, parents, pullback, settle=settle)
        wrapped = [tape._wrap(o, Output(node, i, len(outs)) if dtype_of(o).kind in "fc" else None) for i, o in enumerate(outs)]
        return unflatten(out_structure, wrapped)

    def _run_fwd(self, args):
        pair = self.fwd(*args)
        if not (isinstance(pair, tuple) and len(pair) == 2):
            raise ArgumentError(
                explain(
                    f"{self.name}: fwd must return (value, residuals)", f"found: {type(pair).__name__}", help="return a pair"
                )
            )
        return pair

    def _checked(self, o, trace):
        o = o if isinstance(o, (np.ndarray, Value, np.generic)) else np.asarray(o)
        if isinstance(o, Value) and o.owner.level >= trace.level:
            raise uses_traced(self.name)
        return o

    def _pull(self, args, residuals, transpose, g, structure):
        if self.bwd is not None:
            grads = self.bwd(residuals, g)
        else:
            grads = (transpose or self._linearized(args)[1])(g)
        return self._fitting(grads, args, structure)

    def _fitting(self, grads, args, structure):
        """The leaves of the cotangents that a reverse rule gives, in the dtypes of the arguments; None is zero."""
        if not isinstance(grads, tuple) or len(grads) != len(args):
            raise ArgumentError(
                explain(
                    f"{self.name}: bwd must return a tuple with one cotangent per argument",
                    f"expected {len(args)}, found: {len(grads) if isinstance(grads, tuple) else type(grads).__name__}",
                    help="return (g,) for one argument, None where there is no derivative",
                )
            )
        flat = []
        for part, child, arg in zip(grads, structure.children, args, strict=True):
            parts = [None] * child.size if part is None and child.kind is not None else leaves_like(child, part, "cotangent")
            for p, x in zip(parts, flatten(arg)[0], strict=True):
                flat.append(None if p is None else self._fitted(p, x))
        return flat

    def _fitted(self, part, x):
        part = part if isinstance(part, (np.ndarray, Value)) else np.asarray(part)
        if shape_of(part) != shape_of(x):
            raise ShapeError(
                explain(
                    f"{self.name}: bwd must return cotangents of the shapes of the arguments",
                    f"argument: {shape_of(x)}    cotangent: {shape_of(part)}",
                    help="sum over axes that were broadcast",
                )
            )
        return cast(part, dtype_of(x)) if dtype_of(x).kind in "fc" else None

    def _run_jvp(self, args, tangents):
        """What the forward rule gives: leaves of the value, their structure, and a tangent (None: zero) for each leaf."""
        pair = self.jvp_rule(args, tangents)
        if not (isinstance(pair, (tuple, list)) and len(pair) == 2):
            found = f"{type(pair).__name__}{f' of length {len(pair)}' if isinstance(pair, (tuple, list)) else ''}"
            raise ArgumentError(
                explain(f"{self.name}: the rule must return a pair (value, tangent)", f"found: {found}", help="return a pair")
            )
        outs, structure = flatten(pair[0])
        outs = list(map(_array, outs))
        if pair[1] is None:
            return outs, structure, [None] * len(outs)
        ts = [None if t is None else _array(t) for t in leaves_like(structure, pair[1], f"the tangent of {self.name}")]
        for o, t in zip(outs, ts, strict=True):
            if t is not None and shape_of(t) != shape_of(o):
                raise ShapeError(
                    explain(
                        f"{self.name}: the tangent that the rule gives must have the shape of the value",
                        f"value: {shape_of(o)}    tangent: {shape_of(t)}",
                        help="one number for each element of the value",
                    )
                )
        return outs, structure, ts

    def _linearized(self, args):
        """The value that the forward rule gives, and the transpose of its tangent."""
        leaves, structure = flatten(args)
        moving = [dtype_of(x).kind in "fc" for x in leaves]
        zeros = [np.zeros(shape_of(x), dtype_of(x)) for x in leaves]

        def tangent(*ts):
            rest = iter(ts)
            outs, out_structure, moved = self._run_jvp(
                args, unflatten(structure, [next(rest) if m else z for m, z in zip(moving, zeros, strict=True)])
            )
            moved = [np.zeros(shape_of(o), dtype_of(o)) if t is None else t for t, o in zip(moved, outs, strict=True)]
            return unflatten(out_structure, moved), unflatten(out_structure, outs)

        _, pull, value = vjp(tangent, *(z for z, m in zip(zeros, moving, strict=True) if m), has_aux=True)

        def transpose(g):
            rest = iter(pull(g))
            return unflatten(structure, [next(rest) if m else None for m in moving])

        return value, transpose

    def _with_tangents(self, trace, leaves, structure):
        mine = [isinstance(x, Value) and x.owner is trace for x in leaves]
        values = [x.value if m else x for x, m in zip(leaves, mine, strict=True)]
        args = unflatten(structure, values)
        moved = [x.note if m else None for x, m in zip(leaves, mine, strict=True)]
        if all(t is None for t in moved):
            return tree_map(lambda o: Tensor(self._checked(o, trace), trace), self.call(*args))
        moved = [np.zeros(shape_of(v), dtype_of(v)) if t is None else t for t, v in zip(moved, values, strict=True)]
        tangents = unflatten(structure, moved)
        if self.jvp_rule is not None:
            outs, out_structure, ts = self._run_jvp(args, tangents)
        else:
            out, residuals = self._run_fwd(args)
            outs, out_structure = flatten(out)
            zeros = tree_map(lambda o: np.zeros(shape_of(o), dtype_of(o)), out)

            def cotangents(g):
                parts = self._fitting(self.bwd(residuals, g), args, structure)
                return [np.zeros(shape_of(v), dtype_of(v)) if p is None else p for p, v in zip(parts, values, strict=True)]

            _, push = vjp(cotangents, zeros)
            ts = flatten(push(moved)[0])[0]
        wrapped = [trace._wrap(self._checked(o, trace), t) for o, t in zip(outs, ts, strict=True)]
        return unflatten(out_structure, wrapped)

    def _batched(self, trace, leaves, structure):
        values = [
            x.value
            if isinstance(x, Value) and x.owner is trace
            else broadcast_to(expand(_array(x), (0,)), (trace.size, *shape_of(x)))
            for x in leaves
        ]
        mapped = functools.partial(vmap, randomness=trace.randomness)
        inner = Rules(
            self.name,
            mapped(self.f),
            self.jvp_rule and mapped(self.jvp_rule),
            self.fwd and mapped(self.fwd),
            self.bwd and mapped(self.bwd),
        )
        with drawing(b for b in draws.batches if b is not trace):  # the inner batch stands for it
            out = inner.call(*unflatten(structure, values))
        return tree_map(lambda o: Tensor(self._checked(o, trace), trace), out)

    def _written_down(self, leaves, structure):
        """Inside of a loop or a branch, the call is a row that knows the rules."""
        kept: dict = {}

        def flat(*xs):
            outs, kept["structure"] = flatten(self.f(*unflatten(structure, xs)))
            return outs

        leaves = list(map(_array, leaves))
        avals = list(map(aval_like, leaves))
        value = trace(flat, avals, self.name)
        given = self._rules_written_down(structure, avals, kept["structure"], output_avals(value.graph))
        graphs, captured = aligned([value, *(t for t, _ in given)], [len(avals), *(n for _, n in given)])
        n = len(captured)
        rules: Any = _Flat(self, structure, n)
        if given:
            push, pull = (graphs[1] if self.jvp_rule else None), (graphs[-1] if self.bwd else None)
            rules = _Graphs(self.name, graphs[0], push, pull, n)
        return unflatten(kept["structure"], _custom(*captured, *leaves, graph=graphs[0], rules=rules, captured=n))

    def _rules_written_down(self, structure, avals, out_structure, out_avals):
        """The graphs of the forward and the reverse rule, where given, with numbers of inputs: what the rules read from outside
        can then become operands. None where the rules ask for values, draw random numbers, or use themselves."""
        if any(self.source is s for s in state.rules):
            return []
        n = len(avals)

        def push(*xs):
            outs, _, ts = self._run_jvp(unflatten(structure, xs[:n]), unflatten(structure, xs[n:]))
            return [*outs, *(np.zeros(shape_of(o), dtype_of(o)) if t is None else t for o, t in zip(outs, ts, strict=True))]

        def pull(*xs):
            args = unflatten(structure, xs[:n])
            out, residuals = self._run_fwd(args)
            parts = self._fitting(self.bwd(residuals, unflatten(out_structure, xs[n:])), args, structure)
            parts = [np.zeros(a.shape, a.dtype) if p is None else p for p, a in zip(parts, avals, strict=True)]
            return [*map(_array, flatten(out)[0]), *parts]

        requests = [(push, [*avals, *avals])] * bool(self.jvp_rule) + [(pull, [*avals, *out_avals])] * bool(self.bwd)
        before = [(g, watched(g)) for g in REPLAYED]
        state.rules = (*state.rules, self.source)
        try:
            given = [(trace(f, avals, f"rule of {self.name}"), len(avals)) for f, avals in requests]
        except Exception:  # it comes again where a derivative is asked for, if that does not go another way
            given = []
        finally:
            state.rules = state.rules[:-1]
            drawn = [(g, b) for g, b in before if any(x is not y for x, y in zip(watched(g), b, strict=True))]
            for g, b in drawn:
                put_back(g, b)
        return [] if drawn else given


class _Graphs:
    """The call of a function whose rules are graphs of what they read from outside, and of the arguments."""

    def __init__(self, name, value, push, pull, captured):
        self.name, n, size = name, captured, len(value.inputs)
        results = len(value.outputs)

        def run_push(primals, tangents):
            out = push.apply(*primals, *tangents[n:])
            return out[:results], out[results:]

        fwd = bwd = None
        if pull is not None:
            forward, backward, own = halved(pull, name, size, results)

            def fwd(*xs):
                out = forward.apply(*xs)
                return out[:results], [*(xs[i] for i in own), *out[results:]]

            def bwd(residuals, gs):
                return (*[None] * n, *backward.apply(*residuals, *gs))

        self.rules = Rules(name, lambda *xs: value.apply(*xs), push and run_push, fwd, bwd)

    def __call__(self, *operands):
        return list(map(_array, self.rules.call(*operands)))

    def __repr__(self):
        return f"<rules of {self.name}>"


class _Flat:
    """The call of a function with rules, on flat lists, for whatever trace its arguments belong to."""

    def __init__(self, rules, structure, captured):
        self.rules, self.structure, self.captured = rules, structure, captured

    def __call__(self, *operands):
        args = unflatten(self.structure, operands[self.captured :])
        return [_array(o) for o in flatten(self.rules.call(*args))[0]]

    def __repr__(self):
        return f"<rules of {self.rules.name}>"


def _check_captured(active, params):
    """Raise where a derivative flows through what the function, rather than its rules, takes from outside."""
    n, graph = params["captured"], params["graph"]
    if any(active[:n]) and any(active_outputs(graph, [*active[:n], *[False] * (len(active) - n)])):
        raise uses_traced(graph.name)


def _custom_push(args, tangents, params):
    n = params["captured"]
    _check_captured([t is not None for t in tangents], params)
    return push_forward(params["rules"], args, [*[None] * n, *tangents[n:]])


def _custom_record(args, active, params):
    n = params["captured"]
    _check_captured(active, params)
    tape = Tape(next_level())
    leaves = [Leaf() if a and i >= n else None for i, a in enumerate(active)]
    with Scope(tape):
        outs = params["rules"](*(x if leaf is None else Tensor(x, tape, leaf) for x, leaf in zip(args, leaves, strict=True)))
        mine = [isinstance(o, Value) and o.owner is tape for o in outs]
        nodes = [o.note if m else None for o, m in zip(outs, mine, strict=True)]
        outs = [o.value if m else o for o, m in zip(outs, mine, strict=True)]
    if state.again:  # derivatives of the results on the same tape are those of the rules
        outs = _custom.row.call(*args, **params)
    return outs, [(nodes, leaves)]


def _custom_pull(gs, kept, active, params):
    ((nodes, leaves),) = kept
    found: dict = {}
    seeds = [(node, g) for node, g in zip(nodes, gs, strict=True) if node is not None and g is not None]
    walk_back(seeds, lambda leaf, g, ours: found.__setitem__(leaf, g), retain=True)
    return [None if leaf is None else found.get(leaf) for leaf in leaves]


def _custom_batch(args, batched, params):
    inner = Batch(next(shape_of(x)[0] for x, b in zip(args, batched, strict=True) if b))
    with Scope(inner):
        outs = params["rules"](*(Tensor(x, inner) if b else x for x, b in zip(args, batched, strict=True)))
        return tuple(o.value if isinstance(o, Value) and o.owner is inner else repeated(o, inner.size) for o in outs)


@primitive(
    derivative=[Joint(_custom_push, _custom_record, _custom_pull, ruled=True)],
    aval=lambda *avals, graph, rules, captured: tuple(output_avals(graph)),
    batch=_custom_batch,
    lower=Loop(),
    name="custom",
    several=True,
)
def _custom(*args, graph, rules, captured):
    """A function with derivatives of its own: its outputs. The first arguments are what it takes from outside."""
    return run_graph(graph, args)


def uses_traced(name):
    return LostDerivativeError(
        explain(
            f"{name}: a function with custom derivatives uses a traced value that is not among its arguments",
            help="pass it as an argument, so that the rule can give its derivative",
        )
    )


def _array(x):
    return x if isinstance(x, (np.ndarray, Value, np.generic)) else np.asarray(x)


def custom_vjp(f, nondiff_argnums=(), nondiff_argnames=()):
    """Decorator: reverse derivatives of `f` come from rules given with `.defvjp(fwd, bwd)`; forward ones are derived.

    Arguments named by `nondiff_argnums` or `nondiff_argnames` may be anything; `bwd` takes them first.

    Examples
    --------
    >>> import chainrule as cr
    >>> @cr.custom_vjp
    ... def clip_gradient(x):
    ...     return x
    >>> clip_gradient.defvjp(lambda x: (x, None), lambda _, g: (cr.clip(g, -1, 1),))
    >>> cr.grad(lambda x: 5 * clip_gradient(x))(2.0)
    np.float64(1.0)
    """
    return CustomFunction(f, nondiff_argnums, nondiff_argnames)


def custom_jvp(f, nondiff_argnums=(), nondiff_argnames=()):
    """Decorator: forward derivatives of `f` come from a rule given with `.defjvp(rule)`; reverse ones are derived.

    A rule takes (primals, tangents), two tuples, and returns (value, tangent); in transforms further out, derivatives of the
    value are those of what the rule computes. `.defjvps` takes a function for each argument in place of a rule. Arguments
    named by `nondiff_argnums` or `nondiff_argnames` may be anything; a rule takes them first.

    Examples
    --------
    >>> import chainrule as cr
    >>> @cr.custom_jvp
    ... def round_straight_through(x):
    ...     return cr.round(x)
    >>> @round_straight_through.defjvp
    ... def _(primals, tangents):
    ...     return cr.round(primals[0]), tangents[0]
    >>> cr.grad(round_straight_through)(2.6)
    np.float64(1.0)
    """
    return CustomFunction(f, nondiff_argnums, nondiff_argnames)
