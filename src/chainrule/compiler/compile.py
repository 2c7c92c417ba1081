"""`compile`: a function as native programs, one for each kind of arguments, settings and path of decisions."""

import functools
import sys
import threading
import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from ..core.dispatch import attention, state
from ..core.graph import Constant, Graph, Var
from ..core.value import Value
from ..errors import CompileError, LostDerivativeError, explain
from ..tensor import Tensor
from ..transforms.abstract import aval_like, trace
from ..transforms.backward import NOTHING, Call, Leaf, Output
from ..transforms.checkpoint import REPLAYED
from ..transforms import programs
from ..transforms.programs import _program
from ..transforms.record import WRITTEN, record
from ..transforms.reverse import ROOT
from ..transforms.scope import is_grad_enabled
from ..trees import flatten, unflatten
from .enter import ARRAY, ARRAY_ARGUMENT, GRADIENT, RECORD, SAME_ARGUMENT, TENSOR, TENSOR_ARGUMENT, door, record_of
from .explain import explanation
from .native import execute, prepare
from .profile import profiled
from .program import DONE, FAILED_CALL, FIRST_GUARD, OUT_OF_BOUNDS
from .runtime import ShapeChanged
from .simplify import simplify
from .surroundings import PLAIN, Surroundings

programs.execute = execute  # programs that are parts of others run as machine code, too
MANY = 16  # variants from which on a warning says what varies


class Miss(Exception):
    """A variant does not hold for these values."""

    def __init__(self, guard=None):
        self.guard = guard


# --- what a call looks like -----------------------------------------------------------------------------------------------


def kind_of(x):
    """What about one argument decides which program runs."""
    if isinstance(x, Tensor):
        note = x.note
        return "tensor", x.value.shape, x.value.dtype, None if note is None else type(note) is Leaf
    if isinstance(x, np.ndarray):
        return "array", x.shape, x.dtype
    if isinstance(x, np.generic):
        return "number", x.dtype
    if isinstance(x, PLAIN):
        return type(x), repr(x)
    return "object", id(x)


def is_array(x):
    return isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "biufc"


def exclusive(array):
    """`array` if nobody else refers to it (the caller and one attribute aside) and it can be written in place."""
    return sys.getrefcount(array) <= 3 and array.base is None and array.flags.c_contiguous and array.flags.writeable


def alive(note):
    """Whether nothing that a walk back from `note` needs has been freed."""
    seen, todo = set(), [note]
    while todo:
        node = todo.pop()
        if node is None or id(node) in seen or type(node) is Leaf:
            continue
        seen.add(id(node))
        if type(node) is not Output and getattr(node, "kept", NOTHING) is None:
            return False
        if type(node) is Call and node.pullback is None:
            return False
        todo.extend(node.parents)
    return True


# --- one program ----------------------------------------------------------------------------------------------------------


class Variant:
    """A recorded run as a program that can be run again.

    Parameters
    ----------
    recorded : Recorded
    leaves : leaves of the arguments of the recorded call
    """

    def __init__(self, recorded, leaves, precise):
        graph = recorded.graph
        self.recorded = graph
        self.runs = 0
        self.structure = graph.structure
        arguments = {id(x): i for i, x in enumerate(leaves) if isinstance(x, Tensor)}
        arrays = iter([i for i, x in enumerate(leaves) if is_array(x)])
        first_grads = {id(g): leaf for leaf, g in recorded.grads if isinstance(g, Tensor)}
        leaf_arguments = {id(x.note): i for i, x in enumerate(leaves) if isinstance(x, Tensor) and type(x.note) is Leaf}

        def leaf_source(leaf):
            i = leaf_arguments.get(id(leaf))
            return ("leaf", leaf) if i is None else ("argument leaf", i)

        self.sources: list = []  # where the value of each input comes from
        for i in graph.inputs:
            if i.tensor is None:
                self.sources.append(("argument", next(arrays)))
            elif isinstance(i.tensor, np.ndarray):
                self.sources.append(("array", i.tensor))
            elif id(i.tensor) in arguments:
                self.sources.append(("argument", arguments[id(i.tensor)]))
            elif id(i.tensor) in first_grads:
                self.sources.append(("grad", *leaf_source(first_grads[id(i.tensor)])))
            else:
                self.sources.append(("tensor", i.tensor))
        self.notes = [(t, t.note) for kind, t, *_ in self.sources if kind == "tensor"]
        self.preconditions = [(leaf_source(leaf), g is None) for leaf, g in recorded.grads if g is not WRITTEN]

        lifted = {id(i.tensor): i.var for i in graph.inputs if i.tensor is not None}
        new_values = {id(u.tensor): u.value for u in graph.updates}
        self.grads: list = []  # (where the leaf is found, None or the operand that its gradient becomes)
        handled = set()
        for leaf, _ in recorded.grads:
            g = leaf.grad
            operand = None if g is None else new_values.get(id(g), lifted.get(id(g), Constant(g.value)))
            if g is not None:
                handled.add(id(g))
            self.grads.append((leaf_source(leaf), operand))
        self.updates: list = []  # (where the Tensor is found, the operand that its value becomes)
        for u in graph.updates:
            if id(u.tensor) in handled:
                continue
            i = arguments.get(id(u.tensor))
            self.updates.append((("tensor", u.tensor) if i is None else ("argument", i), u.value))

        captured = {id(i.tensor) for i in graph.inputs if i.tensor is not None}
        self.outputs: list = []
        self.differentiable = False
        for x, operand in zip(recorded.leaves, graph.outputs, strict=True):
            if isinstance(x, Tensor):
                if id(x) in arguments:
                    self.outputs.append(("argument", arguments[id(x)]))
                elif id(x) in captured:
                    self.outputs.append(("same", x))
                else:
                    lives = x.note is not None and alive(x.note)
                    self.differentiable |= lives
                    self.outputs.append(("tensor", operand))
            elif isinstance(x, np.ndarray):
                self.outputs.append(("array", operand))
            elif isinstance(x, np.generic):
                self.outputs.append(("number", operand))
            else:
                self.outputs.append(("constant", x))
        self.graph = simplify(graph)
        self.guards = [(g.value, g.source) for g in self.graph.guards]
        self.rename = dict(zip(map(_name, _operands(graph)), _operands(self.graph), strict=True))
        self.precise = precise
        self.door: Any = None
        self.pure: Graph | None = None
        if self.differentiable:
            self._make_pure()
        else:
            self._make_direct()

    def new(self, operand):
        """What has become of an operand of the recorded graph."""
        return self.rename.get(_name(operand), operand)

    # --- running as one program with effects ---------------------------------------------------------------------------------

    def _make_direct(self):
        """Build the program. Tensors that it reads and updates keep their arrays; other new values get arrays from us."""
        self.results = [(kind, self.new(x) if kind in ("tensor", "array", "number") else x) for kind, x in self.outputs]
        self.gradients = [(where, None if x is None else self.new(x)) for where, x in self.grads]
        inputs = {i.var.id for i in self.graph.inputs}
        number = {id(i.tensor): k for k, i in enumerate(self.graph.inputs) if i.tensor is not None}
        pairs, self.after = {}, []
        taken = set()
        for old, u in zip(self.recorded.updates, self.graph.updates, strict=True):
            k = number.get(id(old.tensor))
            if k is not None and isinstance(u.value, Var) and u.value.id not in inputs and u.value.id not in pairs:
                pairs[u.value.id] = self.graph.inputs[k].var.id
                taken.add(k)
        gradients = {x.id for _, x in self.gradients if isinstance(x, Var)}
        for where, x in self.updates:
            x = self.new(x)
            k = number.get(id(where[1])) if where[0] == "tensor" else next((k for k, (kind, i, *_) in enumerate(self.sources) if kind == "argument" and i == where[1]), None)
            if k not in taken or not isinstance(x, Var) or pairs.get(x.id) != self.graph.inputs[k].var.id:
                self.after.append((where, x))
        del gradients
        self.taken = taken
        self.run = prepare(self.graph, pairs.items(), self.precise)
        self.by_input = {i.var.id: k for k, i in enumerate(self.graph.inputs)}
        self.gradient_of = {}  # id of a variable -> where the leaf is whose gradient it becomes
        self.quick = not self.after and not self.guards_in_python()
        for where, x in self.gradients:
            if isinstance(x, Var) and x.id not in self.by_input and x.id not in self.gradient_of:
                self.gradient_of[x.id] = where
            else:
                self.quick = False

    def guards_in_python(self):
        return any(kind == "call" for kind, _ in self.run.program.slots)

    def _make_pure(self):
        """The graph without effects: what it leaves behind are further outputs."""
        self.after = [(where, x) for where, x in self.updates]
        extra = [self.new(x) for _, x in self.after]
        self.pure = replace(
            self.graph, outputs=[*self.graph.outputs, *extra], updates=[], guards=[], structure=None, arguments=None, derived={}
        )
        decided = [g.var for g in self.graph.guards]
        self.decisions = replace(self.pure, outputs=decided, derived={}) if decided else None

    def holds(self, leaves):
        """Whether what the program takes for granted is so."""
        for t, note in self.notes:
            if t.note is not note or type(t.value) is not np.ndarray and not isinstance(t.value, np.generic):
                return False
        for where, none in self.preconditions:
            if (self._leaf(where, leaves).grad is None) is not none:
                return False
        return all(kind != "grad" or self._leaf(rest, leaves).grad is not None for kind, *rest in self.sources)

    def _leaf(self, where, leaves):
        kind, x = where
        return x if kind == "leaf" else leaves[x].note

    def owner(self, k, leaves):
        """The Tensor whose value is input number `k`."""
        kind, *rest = self.sources[k]
        if kind == "argument":
            return leaves[rest[0]]
        if kind == "grad":
            return self._leaf(rest, leaves).grad
        return rest[0]

    def call(self, leaves):
        """Run on the leaves of the arguments; gives the result. Raises Miss if another path is taken."""
        if self.pure is not None:
            return self.call_pure(leaves)
        run = self.run
        if run.busy:  # a callback, or another thread during one: it runs on memory of its own
            run = run.twin()
        run.busy = True
        try:
            return self._call(run, leaves)
        finally:
            run.busy = False

    def _call(self, run, leaves):
        inputs = []
        for k, i in enumerate(self.graph.inputs):
            t = x = self.owner(k, leaves)
            if isinstance(x, Value):
                x = x.value
            if type(x) is not np.ndarray:
                x = np.asarray(x)
                if isinstance(t, Value):  # an array from now on, whose address does not change
                    t.value = x
            if x.shape != i.var.aval.shape or x.dtype != i.var.aval.dtype:
                raise Miss
            if k in self.taken:
                if not exclusive(x):
                    x = np.array(x, order="C")
                    t.value = x
            elif not x.flags.c_contiguous or not x.flags.aligned:
                x = np.ascontiguousarray(x)
            inputs.append(x)
        made = {}
        for _, v in run.output_slots:
            where = self.gradient_of.get(v.id)
            grad = None if where is None else self._leaf(where, leaves).grad
            if (
                grad is not None and sys.getrefcount(grad) <= 3 and type(grad.value) is np.ndarray and exclusive(grad.value)
                and grad.value.shape == v.aval.shape and grad.value.dtype == v.aval.dtype and grad.owner is ROOT
            ):  # fmt: skip
                made[v.id] = grad.value
            else:
                made[v.id] = np.empty(v.aval.shape, v.aval.dtype)
            del grad
        status = run.run(inputs, made)
        if status != DONE:
            self.failed(run, status)

        def value(operand):
            if isinstance(operand, Constant):
                return np.array(operand.value)
            return made[operand.id] if operand.id in made else np.array(inputs[self.by_input[operand.id]])

        new_values = [(where[1] if where[0] == "tensor" else leaves[where[1]], value(x)) for where, x in self.after]
        for t, array in new_values:
            t.value = array
        handed = {id(array) for _, array in new_values}
        for where, x in self.gradients:
            leaf = self._leaf(where, leaves)
            if x is None:
                leaf.grad = None
                continue
            array = value(x)
            if id(array) in handed:
                array = array.copy()
            handed.add(id(array))
            if leaf.grad is None or leaf.grad.value is not array:
                leaf.grad = Tensor(array, ROOT)
        out = []
        for kind, x in self.results:
            if kind == "argument":
                out.append(leaves[x])
            elif kind in ("same", "constant"):
                out.append(x)
            else:
                array = value(x)
                if id(array) in handed:
                    array = array.copy()
                handed.add(id(array))
                out.append(Tensor(array, ROOT) if kind == "tensor" else array[()] if kind == "number" else array)
        return unflatten(self.structure, out)

    def failed(self, run, status):
        if status >= FIRST_GUARD:
            raise Miss(status - FIRST_GUARD)
        if status == FAILED_CALL:
            error, run.error = run.error, None
            if isinstance(error, ShapeChanged):
                raise Miss
            if error is None:
                error = CompileError(explain("a call back into NumPy failed", help="run the function uncompiled"))
            raise error
        if status == OUT_OF_BOUNDS:
            raise OutOfBounds
        raise AssertionError(status)

    # --- the way without Python ---------------------------------------------------------------------------------------------

    def open_door(self, args, leaves, structure):
        """A function (arguments) -> (whether it ran, result) that leaves all checks to native code; None if there is none."""
        if not self.quick or structure.children[1].children:
            return None
        kept: list = [leaves]
        records, place, at = [], {}, 0
        for n, child in enumerate(structure.children[0].children):
            if child.kind is None and (is_array(leaves[at]) and isinstance(leaves[at], np.ndarray) or isinstance(leaves[at], Tensor)):
                place[at] = n
            else:
                kept.append(args[n])
                records.append([SAME_ARGUMENT, n, id(args[n]), *[0] * (RECORD - 3)])
                if any(is_array(x) for x in leaves[at : at + child.size]):
                    return None
            at += child.size
        slots = {what: slot for slot, what in self.run.input_slots}
        used = {slots[k]: k for k in range(len(self.sources))}
        for slot, k in used.items():
            kind, *rest = self.sources[k]
            x = self.owner(k, leaves)
            exclusive_use = k in self.taken
            array = x.value if isinstance(x, Value) else x
            if type(array) is not np.ndarray:
                return None
            if kind == "argument" and rest[0] in place:
                if isinstance(x, Tensor):
                    if type(x.note) is Leaf:
                        return None
                    r = record_of(TENSOR_ARGUMENT, place[rest[0]], array, slot, kept, exclusive_use, x.note, type(x))
                else:
                    r = record_of(ARRAY_ARGUMENT, place[rest[0]], array, slot, kept, False, None, np.ndarray)
            elif kind in ("argument", "tensor"):
                r = record_of(TENSOR, x, array, slot, kept, exclusive_use, x.note, type(x))
            elif kind == "array":
                r = record_of(ARRAY, x, array, slot, kept, False, None, np.ndarray)
            else:
                leaf = self._leaf(rest, leaves)
                if rest[0] != "leaf":
                    return None
                r = record_of(GRADIENT, leaf, array, slot, kept, exclusive_use, x.note, type(x))
            records.append(r)
        fresh = []
        for slot, v in self.run.output_slots:
            where = self.gradient_of.get(v.id)
            if where is None:
                fresh.append((slot, v))
                continue
            leaf = self._leaf(where, leaves)
            grad = leaf.grad
            records.append(record_of(GRADIENT, leaf, grad.value, slot, kept, True, None, Tensor))
        if any(where[0] != "leaf" for where, none in self.preconditions) or any(none for _, none in self.preconditions):
            return None
        run = door(self.run, records, len(args), [slot for slot, _ in fresh], kept)
        if run is None:
            return None
        self.kept = kept
        return quick_call(run, fresh, self.results, self.structure, leaves, len(args))

    # --- running as one operation that can be differentiated ------------------------------------------------------------------

    def call_pure(self, leaves):
        operands = [self.owner(k, leaves) for k in range(len(self.graph.inputs))]
        for x, i in zip(operands, self.graph.inputs, strict=True):
            if x.shape != i.var.aval.shape or x.dtype != i.var.aval.dtype:
                raise Miss
        if self.decisions is not None:
            now = execute(self.decisions, [np.asarray(x.value if isinstance(x, Value) else x) for x in operands])
            for n, (x, g) in enumerate(zip(now, self.graph.guards, strict=True)):
                if type(g.value)(x) != g.value:
                    raise Miss(n)
        made = _program(*operands, graph=self.pure)
        n = len(self.outputs)
        for (where, _), x in zip(self.after, made[n:], strict=True):
            t = where[1] if where[0] == "tensor" else leaves[where[1]]
            t.value = np.asarray(x.value if isinstance(x, Value) else x)
        out = []
        for (kind, x), y in zip(self.outputs, made[:n], strict=True):
            if kind == "argument":
                out.append(leaves[x])
            elif kind in ("same", "constant"):
                out.append(x)
            elif kind == "tensor":
                out.append(y if isinstance(y, Tensor) else Tensor(np.asarray(y), ROOT))
            else:
                out.append(y.value if isinstance(y, Value) else y)
        return unflatten(self.structure, out)


def quick_call(run, fresh, results, structure, leaves, count):
    """The function that calls a native door: new arrays in, results out."""
    empty, misfit = np.empty, (False, None)
    shapes = [(v.aval.shape, v.aval.dtype) for _, v in fresh]
    number = {v.id: n for n, (_, v) in enumerate(fresh)}
    plans = []
    for kind, x in results:
        if kind in ("tensor", "array", "number"):
            if not isinstance(x, Var) or x.id not in number or number[x.id] in [p[1] for p in plans]:
                return None
            plans.append((kind, number[x.id]))
        elif kind == "constant" or kind == "same":
            plans.append((kind, x))
        else:
            return None
    single = plans[0][0] if len(plans) == 1 and len(fresh) == 1 and structure.kind is None else None

    if single in ("tensor", "array", "number"):
        (shape, dtype), = shapes

        def call(args):
            out = empty(shape, dtype)
            if run(*args, out) != 0:
                return misfit
            return True, Tensor(out, ROOT) if single == "tensor" else out if single == "array" else out[()]

        return call

    def call(args):
        outs = [empty(*s) for s in shapes]
        if run(*args, *outs) != 0:
            return misfit
        made = []
        for kind, x in plans:
            if kind == "tensor":
                made.append(Tensor(outs[x], ROOT))
            elif kind in ("same", "constant"):
                made.append(x)
            else:
                made.append(outs[x] if kind == "array" else outs[x][()])
        return True, unflatten(structure, made)

    return call


class OutOfBounds(Exception):
    """An index array points outside of its array."""


def _name(operand):
    return operand.id if isinstance(operand, Var) else id(operand)


def _operands(graph):
    """Everything that a graph says of its end: in the same order for a graph and what it was simplified to."""
    return [*graph.outputs, *(u.value for u in graph.updates), *(i.var for i in graph.inputs)]


# --- the function -----------------------------------------------------------------------------------------------------------


class Compiled:
    """A function that runs as machine code. Made by `chainrule.compile`.

    Attributes
    ----------
    variants : list of the programs made so far, as text
    """

    def __init__(self, f, check=False, precise=False):
        functools.update_wrapper(self, f)
        self.f, self.check, self.precise = f, check, precise
        self.table: dict = {}  # key of a call -> variants, newest first
        self.lock = threading.RLock()
        self.around: Surroundings | None = None
        self.around_key: tuple = ()
        self.traces: dict = {}
        self.quick: Any = None  # the last program's way without Python
        self.warned = False
        self.calls: list = []  # (key, labels) of every variant, to say what varies

    def __get__(self, owner, cls=None):
        if owner is None:
            return self
        bound = owner.__dict__.get(("compiled", id(self))) if hasattr(owner, "__dict__") else None
        if bound is None:
            bound = Compiled(self.f.__get__(owner, cls), self.check, self.precise)
            if hasattr(owner, "__dict__"):
                owner.__dict__[("compiled", id(self))] = bound
        return bound

    def __repr__(self):
        return f"<compiled {getattr(self.f, '__name__', 'function')}: {sum(map(len, self.table.values()))} variants>"

    @property
    def variants(self):
        """A line for each program: what it holds for, and how large it is."""
        return [f"{self._described(key)}: {v.graph!r}" for key, vs in self.table.items() for v in vs]

    def _described(self, key):
        return ", ".join(" ".join(map(str, k)) for k in key[1])

    def __call__(self, *args, **kwargs):
        if self.quick is not None and not attention and not kwargs and self.around.valid():
            done, result = self.quick(args)
            if done:
                return result
        if state.recorder is not None or state.abstract:
            return self.f(*args, **kwargs)  # part of the program that is being written down
        leaves, structure = flatten((args, kwargs))
        for x in leaves:
            if isinstance(x, Value) and (x.owner is not ROOT or isinstance(x.value, Value)):
                return self.traced(args, kwargs, leaves, structure)
        with self.lock:
            if self.check:
                self.quick = None
                return self.checked(args, kwargs, leaves, structure)
            return self.direct(args, kwargs, leaves, structure)

    def key(self, args, leaves, structure):
        if self.around is None or not self.around.valid():
            self.around = self.look(args)
            self.around_key = self.around.key()
        return structure, tuple(map(kind_of, leaves)), self.around_key, is_grad_enabled()

    def look(self, args):
        objects = [(f"args[{i}]", a) for i, a in enumerate(args) if hasattr(a, "_watched")]
        return Surroundings(self.f, objects)

    def direct(self, args, kwargs, leaves, structure):
        key = self.key(args, leaves, structure)
        variants = self.table.get(key)
        if variants is None:
            variants = self.table[key] = []
        known: list = []  # decisions that this call is known to take
        tried = set()
        while True:
            v = next((v for v in variants if id(v) not in tried and v.guards_begin(known) and v.holds(leaves)), None)
            if v is None:
                break
            tried.add(id(v))
            try:
                result = v.call(leaves)
            except Miss as miss:
                if miss.guard is not None:
                    known = [*(value for value, _ in v.guards[: miss.guard]), NotThis(v.guards[miss.guard][0])]
                continue
            except OutOfBounds:
                self.f(*args, **kwargs)  # raises what NumPy raises
                raise IndexError(explain("an index is out of bounds", help="check index arrays against the shapes they index")) from None
            if variants[0] is not v:
                variants.remove(v)
                variants.insert(0, v)
            if v.door is None and not kwargs:
                v.door = v.open_door(args, leaves, structure) or False
            self.quick = v.door or None
            return result
        return self.record(args, kwargs, leaves, structure, key, variants)

    def record(self, args, kwargs, leaves, structure, key, variants):
        """Run the function once for real, and keep its program."""
        around = self.around
        recorded = record(self.f, args, kwargs, asked="compile")
        changed = around.changed()
        if changed is not None:
            raise CompileError(
                explain(
                    f"compile: {around.name} changes {changed.path}, a plain Python value, which its program would not do again",
                    f"before: {changed.value!r}, in {around.where}",
                    help="keep what changes in a Tensor or a module's buffer, or change it outside of the compiled function",
                )
            )
        variants.insert(0, Variant(recorded, leaves, self.precise))
        self.calls.append(key)
        if len(self.calls) >= MANY and not self.warned:
            self.warned = True
            warnings.warn(self.too_many(args, structure), stacklevel=4)
        return recorded.result

    def too_many(self, args, structure):
        from ..transforms.record import _labels  # noqa: PLC0415

        labels = _labels(self.f, args, structure)
        varying = [
            label
            for n, label in enumerate(labels)
            if len({k[1][n] for k in self.calls if len(k[1]) == len(labels)}) > 2
        ]  # fmt: skip
        places = ()
        if not varying and len({k[2] for k in self.calls}) > 2:
            first, *_, last = (dict(k[2]) for k in self.calls)
            places = [p for p in last if first.get(p) != last[p]]
        what = ", ".join(varying or places) or "the path of its decisions"
        return explain(
            f"compile: {getattr(self.f, '__name__', 'the function')} has been compiled {len(self.calls)} times",
            f"what varies: {what}",
            help="pass numbers that change as arrays, pad arrays to a few shapes, or use cr.where, cr.cond and cr.while_loop",
        )

    # --- beneath transforms ---------------------------------------------------------------------------------------------------

    def traced(self, args, kwargs, leaves, structure):
        """Called with Tensors of a transform: as one operation that is itself a program."""
        if self.around is None or not self.around.valid():
            self.around = self.look(args)
            self.around_key = self.around.key()
        active = [isinstance(x, Value) or is_array(x) for x in leaves]
        avals = [aval_like(x) for x, a in zip(leaves, active, strict=True) if a]
        statics = tuple(kind_of(x) for x, a in zip(leaves, active, strict=True) if not a)
        key = structure, tuple(active), tuple(avals), statics, self.around_key
        found = self.traces.get(key)
        if found is None:
            found = self.traces[key] = self.trace(leaves, active, avals, structure)
        if found is EAGER:
            return self.f(*args, **kwargs)
        graph, captured, out_structure = found
        operands = [x for x, a in zip(leaves, active, strict=True) if a]
        return unflatten(out_structure, list(_program(*operands, *captured, graph=graph)))

    def trace(self, leaves, active, avals, structure):
        """(graph, captured operands, structure of the result); EAGER where the function decides by values or changes state."""
        shape: list = []

        def flat(*xs):
            rest = iter(xs)
            full = [next(rest) if a else x for x, a in zip(leaves, active, strict=True)]
            args, kwargs = unflatten(structure, full)
            out, out_structure = flatten(self.f(*args, **kwargs))
            shape.append(out_structure)
            return out

        before = [(g.state, g.state.value) for g in REPLAYED]
        try:
            graph, captured = trace(flat, avals, getattr(self.f, "__name__", "function"))
        except LostDerivativeError:
            return EAGER
        finally:
            moved = [t for t, value in before if t.value is not value]
            for t, value in before:
                t.value = value
        touched = [c for c in captured if isinstance(c, Tensor) and isinstance(c.value, Value) and c.owner is ROOT]
        if moved or touched or any(s.row.name == "random_bits" for s in graph.steps):
            return EAGER
        return simplify(graph, write_out=False), captured, shape[-1]

    # --- looking ----------------------------------------------------------------------------------------------------------------

    def explain(self, *args, **kwargs):
        """What a call with these arguments runs, as an `Explanation` to print or to ask (see docs/compile.md).

        Where no program fits the arguments yet, the function runs for real once, as in a first call.
        """
        return explanation(self, args, kwargs)

    def profile(self, *args, repeat=20, **kwargs):
        """How long each kernel of a call with these arguments takes, as a `Profile` to print or to ask.

        The program runs `repeat` times on copies: no Tensor changes. Where no program fits the arguments yet, the function
        runs for real first, as in a first call.
        """
        return profiled(self, args, kwargs, repeat)

    def checked(self, args, kwargs, leaves, structure):
        """Run the program and the function, and raise where they differ; what the function leaves is kept."""
        key = self.key(args, leaves, structure)
        first = not self.table.get(key)
        if first:
            return self.direct(args, kwargs, leaves, structure)
        v = self.table[key][0]
        tensors = {id(t): t for kind, t, *_ in v.sources if kind == "tensor"}
        tensors |= {id(w[1]): w[1] for w, _ in v.updates if w[0] == "tensor"}
        tensors |= {id(x): x for x in leaves if isinstance(x, Tensor)}
        holders = {id(leaf): leaf for leaf in (v._leaf(w, leaves) for w, _ in v.grads)}
        before = [(t, np.array(t.value)) for t in tensors.values()]
        grads = [(h, h.grad, None if h.grad is None else np.array(h.grad.value)) for h in holders.values()]
        found = self.direct(args, kwargs, leaves, structure)
        after = [np.array(t.value) for t, _ in before]
        found_grads = [None if h.grad is None else np.array(h.grad.value) for h, *_ in grads]
        for t, value in before:
            t.value = value
        for h, g, value in grads:
            h.grad = g
            if g is not None:
                g.value = value
        expected = self.f(*args, **kwargs)
        names = [*(f"result {i}" for i in range(len(flatten(found)[0]))), *(f"a Tensor of shape {t.shape}" for t, _ in before)]
        pairs = [*zip(map(_plain, flatten(found)[0]), map(_plain, flatten(expected)[0]), strict=True)]
        pairs += [*zip(after, (np.asarray(t.value) for t, _ in before), strict=True)]
        names += [f"the gradient of a Tensor of shape {np.shape(g)}" for g in found_grads]
        pairs += [*zip(found_grads, (None if h.grad is None else np.asarray(h.grad.value) for h, *_ in grads), strict=True)]
        for name, (a, b) in zip(names, pairs, strict=True):
            if not _alike(a, b):
                raise CompileError(
                    explain(
                        f"compile(check=True): the program of {getattr(self.f, '__name__', 'the function')} differs from the function",
                        f"{name}: compiled {_short(a)}, eager {_short(b)}",
                        help="please report this; f.explain(...) shows the program",
                    )
                )
        return expected


EAGER = object()


class NotThis:
    """Stands for any other outcome of a decision than this one."""

    def __init__(self, value):
        self.value = value


def _guards_begin(self, known):
    """Whether the program takes these decisions first."""
    for k, (value, _) in zip(known, self.guards, strict=False):
        if isinstance(k, NotThis):
            if value == k.value:
                return False
        elif value != k:
            return False
    return len(self.guards) >= len(known)


Variant.guards_begin = _guards_begin  # type: ignore[attr-defined]


def _plain(x):
    return np.asarray(x.value) if isinstance(x, Value) else x


def _alike(a, b):
    if a is None or b is None:
        return a is b
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind not in "fc":
        return np.array_equal(a, b)
    scale = np.max(np.abs(b[np.isfinite(b)]), initial=1e-30)
    eps = 1e-4 if a.dtype.itemsize // (2 if a.dtype.kind == "c" else 1) <= 4 else 1e-9
    return np.allclose(a, b, rtol=eps, atol=eps * scale, equal_nan=True)


def _short(x):
    return np.array2string(np.asarray(x), threshold=6, precision=6)


def compile(f=None, *, check=False, precise=False):
    """`f` as a native program: whatever it does with arrays, Tensors, Modules and optimisers, as machine code.

    The first call with new shapes, dtypes or settings runs `f` once for real and compiles what it did; further calls run
    the program. Tensors that `f` reads or changes (parameters, gradients, the state of optimisers, learning rates,
    random states) and arrays that it sees are used where they stand. Decisions by value, such as `if loss > 1`,
    are part of a program; where one comes out differently, another program is made. The result can be differentiated to any
    order, mapped and compiled again.

    Parameters
    ----------
    f : function of trees of arrays, Tensors and Modules; other arguments are part of the program
    check : run `f` as well at each call, and raise where the program differs
    precise : compute exp, sin and the like with the C library, to the last bit or so, rather than by polynomials

    Returns
    -------
    a function of the same arguments, with `variants`, `explain(*args)` and `profile(*args)`

    Raises
    ------
    CompileError
        `f` uses something whose changes cannot be followed, such as a NumPy random generator, or changes a plain Python
        value.

    Examples
    --------
    >>> import chainrule as cr
    >>> @cr.compile
    ... def f(x):
    ...     return cr.sum(cr.sin(x) ** 2)
    >>> f(np.ones(3)).round(6), f(np.zeros(3))
    (np.float64(2.12422), np.float64(0.0))
    >>> cr.grad(f)(np.zeros(3))
    array([0., 0., 0.])
    """
    if f is None:
        return functools.partial(compile, check=check, precise=precise)
    return Compiled(f, check, precise)
