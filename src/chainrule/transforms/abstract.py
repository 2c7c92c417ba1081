"""Write a pure function down as a graph without computing anything: only shapes and dtypes are known.

Loops and branches need their bodies as data, and so do the derivatives of these bodies. A graph runs again with
`Graph.apply`, under any trace; a transformed graph is therefore the graph of the transformed function.
"""

import gc
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..core.aval import Aval, aval_of
from ..core.derivative import flows_back
from ..core.dispatch import Trace, attention, next_level, reads_in_place, state, steady
from ..core.graph import Constant, Graph, Input, Operand, Step, Var
from ..core.lowering import Call
from ..core.value import Value, dtype_of, shape_of
from ..errors import LostDerivativeError, NonDifferentiableError, ShapeError, explain
from ..ops.shaping import _broadcast, broadcast_to, cast, expand
from ..tensor import Tensor
from .backward import Leaf, walk_back
from .batch import Batch
from .checkpoint import REPLAYED
from .forward import no_backward, push_forward
from .record import _constant, _paused, user_line
from .reverse import Tape
from .scope import Scope

SMALL = 8  # arrays of at most so many elements become part of a graph; larger ones become inputs


@lru_cache(maxsize=4096)
def _payload(shape, dtype):
    """An array of this shape and dtype that takes no memory. Nobody reads it."""
    return np.broadcast_to(np.zeros((), dtype), shape)


def _state(x):
    return (x.value, x.owner, x.note) if isinstance(x, Value) else None


def _is_still(x, then):
    """Whether nothing was assigned to `x`. That a recorder made it an input does not count."""
    if then is None:
        return True
    value, owner, note = then
    lifted = state.recorder is not None and isinstance(x.value, Value) and x.value.value is value
    return x.owner is owner and x.note is note and (x.value is value or lifted)


def _may_change(x):
    """Whether a recorder below takes this array for an input, since later runs may find other numbers in it."""
    if state.recorder is not None and isinstance(state.recorder.plain_operand(x), Var):
        return True
    return reads_in_place(x)


class Abstract(Trace):
    """A trace that writes down operations and computes none. Tensors that it meets from outside become inputs.

    What depends on nothing inside is computed at once, which is right for the body of a loop. A whole program is kept and
    run again when Tensors from outside have other values by then (`state.whole`): what is computed from these is a part of it.
    """

    def __init__(self, name, capture, changing=frozenset()):
        self.level = next_level()
        self.changing = changing  # ids of arrays in which later runs may find other numbers
        self.graph = Graph(name)
        self.capture = capture
        self.count = 0
        self.captured: list = []  # (what comes from outside, its state when it was met)
        self.assigned: dict = {}  # id of a Tensor of an outer tape -> (the Tensor, its state before, where it was assigned to)
        self.refused: Any = None  # the error that told somebody who asked for a value
        self.made: dict = {}  # id of a Tensor of level 0 that a whole program makes of plain data -> the Tensor
        self.known: dict = {}  # id of what was captured -> (its Var, position in captured)

    def tensor(self, aval):
        return self._wrap(self._var(aval))

    def _var(self, aval):
        self.count += 1
        return Var(self.count - 1, Aval(aval.shape, np.dtype(aval.dtype)))

    def _wrap(self, operand):
        aval = operand_aval(operand)
        return Tensor(_payload(aval.shape, aval.dtype), self, operand)

    def input(self, aval, label):
        var = self._var(aval)
        self.graph.inputs.append(Input(var, label))
        return var

    def operand(self, x) -> Operand:
        """How the graph refers to `x`; what comes from outside becomes an input, if it is more than a few numbers."""
        if isinstance(x, Value):
            if x.owner is self:
                return x.note
        elif not isinstance(x, np.ndarray):
            return Constant(x)
        elif not (self.capture and _may_change(x)):
            x = steady(x)
            if x.size > SMALL and (x == x.flat[0]).all():  # zeros and ones, mostly: one number, repeated
                return self._step(_broadcast.row, (Constant(x.flat[0]),), {"shape": x.shape}, Aval(x.shape, x.dtype))
            if x.size <= SMALL or not self.capture:
                return Constant(np.array(x))
        if not self.capture:
            raise LostDerivativeError(
                explain(
                    f"a derivative rule used in {self.graph.name} reads a Tensor from outside",
                    f"Tensor: {x.dtype} {x.shape}",
                    help="pass it to the function with the custom derivative as an argument",
                )
            )
        if id(x) not in self.known or not _is_still(*self.captured[self.known[id(x)][1]]):
            var = self.input(Aval(shape_of(x), dtype_of(x)), f"captured{len(self.captured)}")
            self.known[id(x)] = var, len(self.captured)
            self.captured.append((x, _state(x)))
        return self.known[id(x)][0]

    def reads(self, args):
        """Whether there are Tensors among these that were there before."""
        return any(isinstance(a, Value) and id(a) not in self.made for a in args)

    def inside(self, x):
        """`x`, a Tensor from outside, as one of this trace."""
        return self._wrap(self.operand(x))

    def operands_from_outside(self):
        """What the last inputs stand for. A Tensor that the function assigned to since has the value that was read."""
        return [x if _is_still(x, then) else Tensor(*then) for x, then in self.captured]

    def _step(self, row, inputs, params, aval):
        made = self._var(aval)
        self.graph.steps.append(Step(row, inputs, params, (made,), user_line(), "forward"))
        return made

    def assigned_to(self, x):
        """A Tensor is about to be assigned to; those of transforms inside of the function were made there."""
        if x.owner.level < self.level and id(x) not in self.made:
            self.assigned.setdefault(id(x), (x, _state(x), user_line()))

    def check_assignments(self):
        """Undo assignments to Tensors that were there before, and raise: they would happen once, not in every step.

        Those that somebody else refers to, now that the function has returned, were there before.
        """
        alone = Tensor(None, self)
        entries = [(alone, None, ""), *self.assigned.values()]
        self.assigned.clear()
        del alone
        ours = sys.getrefcount(entries[0][0])
        for x, before, line in entries[1:]:
            if any(x is g.state for g in REPLAYED):
                continue
            views = sum(hasattr(y, "part") and y.part.whole is x for y, _, _ in entries[1:])
            count = ours + 1 + views + sum(x is y for y, _ in self.captured)  # x itself
            count += state.whole is not None and id(x) in state.whole.made
            if sys.getrefcount(x) > count:
                gc.collect()  # it may be part of a cycle
            if sys.getrefcount(x) > count:
                self.assigned = {id(x): (x, before, line) for x, before, line in entries[1:]}
                raise LostDerivativeError(
                    explain(
                        "a Tensor from outside is assigned to inside of a loop or a branch that is being written down",
                        f"Tensor: {x.dtype} {x.shape}, at {line}",
                        help="carry it from step to step and assign the result, or write a plain Python loop",
                    )
                )

    def process(self, row, args, params):
        inputs = tuple(map(self.operand, args))
        found = row.aval(*map(operand_aval, inputs), **params)
        avals = found if row.several else (found,)
        if any(-1 in a.shape for a in avals):
            raise ShapeError(
                explain(
                    f"{row.name}: the shape of the result depends on values, which are not known inside of a loop or a branch",
                    f"at {user_line()}",
                    help="use cr.where(mask, x, 0), whose shape does not depend on the mask",
                )
            )
        made = tuple(map(self._var, avals))
        self.graph.steps.append(Step(row, inputs, dict(params), made, user_line(), "forward"))
        results = tuple(map(self._wrap, made))
        if state.paused_below > self.level:  # no_grad inside of the function
            results = tuple(self._cut(r, _paused.row) for r in results)
        return results if row.several else results[0]

    # --- what a Tensor asks of its owner ------------------------------------------------------------------------------

    def carries_derivative(self, x):
        return False

    def is_leaf(self, x):
        return True

    def grad_fn(self, x):
        return None

    def constant(self, array):
        return array if isinstance(array, Tensor) and array.owner is self else self._wrap(self.operand(np.asarray(array)))

    def rebind(self, x, new):
        if not isinstance(new, Tensor):
            new = self.constant(new)
        x.value, x.owner, x.note = new.value, new.owner, new.note

    def replace(self, x, value):
        self.rebind(x, value.detach() if isinstance(value, Tensor) else value)

    def detach(self, x):
        return self._cut(x, _constant.row)

    def _cut(self, x, row):
        if x.dtype.kind not in "fc" or isinstance(x.note, Constant):
            return x
        return self._wrap(self._step(row, (x.note,), {}, x.note.aval))

    def to_array(self, x, asked):
        self.refused = LostDerivativeError(
            explain(
                f"{asked} of a Tensor whose value is not known: the function is being written down, not run",
                f"Tensor: {x.dtype} {x.shape}, at {user_line()}",
                help="use cr.cond, cr.while_loop or cr.where to decide by a value, and chainrule functions to compute with it",
            )
        )
        raise self.refused

    to_scalar = to_array

    def truth(self, x):
        return self.to_array(x, "the truth")

    def describe(self, x):
        return f"Tensor({x.note}: {x.note.aval if isinstance(x.note, Var) else 'constant'}, not computed)"

    def copy_leaf(self, x):
        return Tensor(x.value, self, x.note)

    def backward(self, x, *options):
        no_backward("a loop or a branch, as a constant", x)

    retain_grad = register_hook = backward


class Traced(NamedTuple):
    """A graph, and the operands from outside that its last inputs stand for."""

    graph: Graph
    captured: list


def operand_aval(x: Operand) -> Aval:
    return x.aval if isinstance(x, Var) else aval_of(x.value)


def aval_like(x) -> Aval:
    """Shape and dtype of an array or Tensor; Python numbers have those of the arrays that they would become."""
    return Aval(shape_of(x), dtype_of(x))


def output_avals(graph) -> list[Aval]:
    return [Aval(*operand_aval(o)[:2]) for o in graph.outputs]


def input_avals(graph) -> list[Aval]:
    return [i.var.aval for i in graph.inputs]


def trace(f, avals, name=None, *, capture=True, labels=None, changing=frozenset(), whole=False) -> Traced:
    """Write down a function of arrays, without computing anything.

    Parameters
    ----------
    f : pure function of one Tensor per aval; returns an array or Tensor, or a flat list or tuple of them. Transforms may
        be used inside, and it may itself run inside of transforms.
    avals : shape and dtype of each argument
    name : default that of `f`
    capture : larger arrays from outside become inputs too; otherwise they become part of the graph
    labels : a name for each argument, for printing
    changing : ids of arrays from outside that become inputs in any case, as do parts of them
    whole : whether the graph is kept and run again, when Tensors from outside may have other values

    Returns
    -------
    graph : its inputs are the arguments, then one for each Tensor or larger array from outside that `f` used
    captured : these, in order

    Raises
    ------
    LostDerivativeError
        `f` asks for a value, as `if x > 0` does.
    ShapeError
        The shape of a result depends on values.

    Examples
    --------
    >>> from chainrule.core.aval import Aval
    >>> graph, captured = trace(lambda x: x * np.arange(9.0) + 1.0, [Aval((9,), np.dtype(float))])
    >>> [step.row.name for step in graph.steps], len(captured)
    (['multiply', 'add'], 1)
    >>> graph.apply(np.ones(9), captured[0])[0][:3]
    array([1., 2., 3.])
    """
    tracer = Abstract(name or getattr(f, "__name__", type(f).__name__), capture, changing)
    labels = labels or [f"x{i}" for i in range(len(avals))]
    inputs = [tracer.input(a, label) for a, label in zip(avals, labels, strict=True)]
    state.abstract.append(tracer)
    outer = state.whole
    if whole:
        state.whole = tracer
        attention.append(tracer)
    try:
        with Scope(tracer) as scope:
            out = f(*map(tracer._wrap, inputs))
            out = [scope.strip(o) for o in (out if isinstance(out, (list, tuple)) else [out])]
            for o in out:
                if not isinstance(o, (Value, np.ndarray, np.generic, bool, int, float, complex)):
                    raise NonDifferentiableError(
                        explain(
                            f"{tracer.graph.name} must return arrays or Tensors",
                            f"found: {type(o).__name__}",
                            help="return the array itself",
                        )
                    )
            graph = tracer.graph
            graph.outputs = [tracer.operand(o if isinstance(o, Value) else np.asarray(o)) for o in out]
            captured = tracer.operands_from_outside()
            out = o = None
            tracer.check_assignments()
            if whole and tracer.refused is not None:  # the function has caught it, and gone another way
                raise tracer.refused
    except (TypeError, ValueError, IndexError) as error:
        if tracer.refused is None or error is tracer.refused or isinstance(error, LostDerivativeError):
            raise
        raise tracer.refused from error  # NumPy, which asked, says something else
    finally:
        tracer.refused = None
        state.abstract.remove(tracer)
        if whole:
            state.whole = outer
            attention.remove(tracer)
        for x, before, _ in tracer.assigned.values():  # after an error: Tensors from outside are as they were
            if type(x) is not Tensor.stale:  # views are read anew from these
                x.value, x.owner, x.note = before
    dead_code(graph)
    return Traced(graph, captured)


def has_shape_by_value(step):
    """Whether shapes of its results depend on values, as those of what masks choose do."""
    if not isinstance(step.row.lower, Call):
        return False
    found = step.row.aval(*map(operand_aval, step.inputs), **step.params)
    return any(-1 in a.shape for a in (found if step.row.several else (found,)))


def dead_code(graph):
    """Take out of the graph, in place, the steps that nothing uses, and unused results of loops; gives the graph.

    Inputs stay, and so do steps whose shapes depend on values: the rest may be right for these shapes alone.
    """
    used = {
        v.id for v in (*graph.outputs, *(g.var for g in graph.guards), *(u.value for u in graph.updates)) if isinstance(v, Var)
    }
    steps = []
    kept = []
    for step in reversed(graph.steps):
        flags = [v.id in used for v in step.outputs]
        if not any(flags) and has_shape_by_value(step):
            flags = [True] * len(flags)
        kept.append(any(flags))
        if any(flags):
            joint = step.row.joint
            if not all(flags) and joint is not None and joint.narrow is not None:
                step = joint.narrow(step, flags)
            steps.append(step)
            used.update(x.id for x in step.inputs if isinstance(x, Var))
    kept.reverse()
    for guard in graph.guards:  # which counts the steps before it
        guard.before = sum(kept[: guard.before])
    graph.steps = steps[::-1]
    graph.derived.clear()
    return graph


# --- transformed graphs -----------------------------------------------------------------------------------------------


class Derived(NamedTuple):
    """A transformed graph, and which of the results asked about are there (or batched)."""

    graph: Graph
    flags: tuple


def remember(graph, key, make: Callable):
    """What `make` gives, made once for each graph and key."""
    found = graph.derived.get(key)
    if found is None:
        found = graph.derived[key] = make()
    return found


def zeros_of(aval):
    return np.zeros(aval.shape, aval.dtype)


def active_outputs(graph, active, flows=flows_back) -> list[bool]:
    """Which outputs depend on the inputs flagged as `active`, in a way that has a derivative: one in reverse mode, unless
    `flows(kind)` says what counts."""
    on = {i.var.id for i, a in zip(graph.inputs, active, strict=True) if a and i.var.aval.dtype.kind in "fc"}
    for step in graph.steps:
        if any(isinstance(x, Var) and x.id in on and flows(step.row.kind(i)) for i, x in enumerate(step.inputs)):
            on.update(v.id for v in step.outputs if v.aval.dtype.kind in "fc")
    return [isinstance(o, Var) and o.id in on for o in graph.outputs]


def last_active(graph, active):
    """The step at which derivatives end, if no output has one: the first that takes up an `active` input without one."""
    if any(active_outputs(graph, active)):
        return None
    on = {i.var.id for i, a in zip(graph.inputs, active, strict=True) if a and i.var.aval.dtype.kind in "fc"}
    for step in graph.steps:
        taken = [i for i, x in enumerate(step.inputs) if isinstance(x, Var) and x.id in on]
        going = [v.id for v in step.outputs if v.aval.dtype.kind in "fc"]
        if taken and not (going and any(flows_back(step.row.kind(i)) for i in taken)):
            return step
        if taken:
            on.update(going)
    return None


def jvp_graph(graph, moving, required=None) -> Derived:
    """The graph with tangents: inputs, then a tangent for each `moving` input; outputs, then the tangents that are not
    zero. Those `required`, a flag per output, are there in any case. The flags say which outputs have one.
    """
    moving, required = tuple(moving), tuple(required or (False,) * len(graph.outputs))
    avals, outs = input_avals(graph), output_avals(graph)

    def make():
        flags: list = []

        def pushed(*operands):
            tangents = iter(operands[len(avals) :])
            values, moved = push_forward(
                lambda *xs: graph.apply(*xs), operands[: len(avals)], [next(tangents) if m else None for m in moving]
            )
            moved = [zeros_of(a) if t is None and r else t for t, a, r in zip(moved, outs, required, strict=True)]
            flags.extend(t is not None for t in moved)
            return [*values, *(t for t in moved if t is not None)]

        more = [a for a, m in zip(avals, moving, strict=True) if m]
        made = trace(pushed, [*avals, *more], f"tangent of {graph.name}", capture=False).graph
        return Derived(made, tuple(flags))

    return remember(graph, ("jvp", moving, required), make)


def vjp_graph(graph, wanted, given, values=False) -> Derived:
    """The graph's pullback: inputs, then a cotangent for each output flagged as `given`; results are the cotangents of
    the inputs flagged as `wanted`, after the outputs themselves with `values`. The flags say which are not known to be 0.
    """
    wanted, given = tuple(wanted), tuple(given)
    avals = input_avals(graph)
    again = state.again and graph.ruled

    def make():
        flags: list = []

        def pulled(*operands):
            gs = iter(operands[len(avals) :])
            outs, parts = pull_back(graph, operands[: len(avals)], wanted, [next(gs) if g else None for g in given], again)
            flags.extend(p is not None for p, w in zip(parts, wanted, strict=True) if w)
            parts = [zeros_of(a) if p is None else cast(p, a.dtype) for p, a, w in zip(parts, avals, wanted, strict=True) if w]
            return [*outs, *parts] if values else parts

        more = [a for a, g in zip(output_avals(graph), given, strict=True) if g]
        made = trace(pulled, [*avals, *more], f"pullback of {graph.name}", capture=False).graph
        return Derived(made, tuple(flags))

    return remember(graph, ("vjp", wanted, given, values, again), make)


def as_recorded(graph, active):
    """The graph as it runs where derivatives with respect to the `active` inputs are asked for: what stands for a function with
    rules is what these compute, which transforms further out differentiate."""
    if state.again or not graph.ruled:
        return graph
    wanted = tuple(a and x.dtype.kind in "fc" for a, x in zip(active, input_avals(graph), strict=True))
    none = (None,) * len(graph.outputs)

    def make():
        return trace(lambda *xs: pull_back(graph, xs, wanted, none)[0], input_avals(graph), graph.name, capture=False).graph

    return remember(graph, ("as recorded", wanted), make)


def pull_back(graph, primals, wanted, gs, again=False):
    """Outputs of the graph at `primals`, and cotangents of the wanted inputs for cotangents `gs`; None is zero.

    `again`: the tape on which the graph stands records this, too. Results then keep the rules that they were given.
    """
    tape = Tape(next_level())
    tape.again = again
    leaves = [Leaf() if w else None for w in wanted]
    with Scope(tape):
        outs = graph.apply(*(x if leaf is None else Tensor(x, tape, leaf) for x, leaf in zip(primals, leaves, strict=True)))
        mine = [isinstance(o, Value) and o.owner is tape for o in outs]
        values = [o.value if m else o for o, m in zip(outs, mine, strict=True)]
        seeds = [(o.note, g) for o, m, g in zip(outs, mine, gs, strict=True) if m and g is not None]
    found: dict = {}
    walk_back(seeds, lambda leaf, g, ours: found.__setitem__(leaf, g))
    return values, [found.get(leaf) for leaf in leaves]


def batch_graph(graph, batched, size, required=None) -> Derived:
    """The graph with a leading axis of length `size` on the inputs flagged as `batched`; the flags say which outputs
    have one. Those `required`, a flag per output, have one in any case."""
    batched, required = tuple(batched), tuple(required or (False,) * len(graph.outputs))
    avals = [Aval((size, *a.shape), a.dtype) if b else a for a, b in zip(input_avals(graph), batched, strict=True)]

    def make():
        flags: list = []

        def mapped(*operands):
            inner = Batch(size)
            with Scope(inner):
                outs = graph.apply(*(Tensor(x, inner) if b else x for x, b in zip(operands, batched, strict=True)))
                mine = [isinstance(o, Value) and o.owner is inner for o in outs]
                outs = [o.value if m else o for o, m in zip(outs, mine, strict=True)]
            flags.extend(m or r for m, r in zip(mine, required, strict=True))
            return [repeated(o, size) if r and not m else o for o, m, r in zip(outs, mine, required, strict=True)]

        return Derived(trace(mapped, avals, f"batch of {graph.name}", capture=False).graph, tuple(flags))

    return remember(graph, ("batch", batched, size, required), make)


def repeated(x, size):
    """`x` with a new first axis, along which it is the same."""
    return broadcast_to(expand(x if hasattr(x, "dtype") else np.asarray(x), (0,)), (size, *shape_of(x)))
