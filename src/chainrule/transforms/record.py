"""Write a program down as a graph, below the tape, while it computes.

Recorded values stand at level -1: the always-on tape of level 0 runs its forward and backward operations on them, so a
whole training step, `loss.backward()` and `optimizer.step()` included, comes out as one flat program. Tensors that the
program reads but did not create are lifted: they stand for an input while it runs and have their real value afterwards.
"""

import contextlib
import functools
import gc
import sys
import weakref
from pathlib import Path
from traceback import walk_tb
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

from ..core.aval import Aval
from ..core.derivative import Forward, zero
from ..core.dispatch import RECORDING_LEVEL, Trace, attention, state, steady
from ..core.graph import Constant, Graph, Guard, Input, Step, Update, Var
from ..core.lowering import View
from ..core.primitive import primitive
from ..core.value import Value
from ..dtypes import native_order
from ..errors import CompileError, LostDerivativeError, NonDifferentiableError, TreeError, explain
from ..ops.shaping import cast
from ..tensor import Tensor
from ..trees import flatten, paths, tree_map, unflatten
from .backward import Leaf, tick
from .checkpoint import REPLAYED
from .forward import no_backward
from .naming import labels_of, name_tensors, surroundings
from .reverse import ROOT
from .scope import Ended, end

_OURS = str(Path(__file__).resolve().parents[1])
_FROZEN = 1 << 16  # elements of whole numbers up to which they may decide what the program is
_NUMPY = str(Path(np.__file__).resolve().parent)


def user_line() -> str:
    """Where in the user's program we are: the innermost frame outside of this package and NumPy."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = _name_for_users(frame.f_code.co_filename)
        if name is not None:
            return f"{name}:{frame.f_lineno}"
        frame = frame.f_back
    return "?"


@functools.cache
def _name_for_users(file):
    """The name of a file of the user's program; None for files of this package and NumPy."""
    ours = file.startswith((_OURS, _NUMPY)) and f"{_OURS}/demos" not in file
    return None if ours else Path(file).name


@primitive(
    derivative=[zero],
    aval=lambda x: x,
    batch=lambda args, batched, params: _constant(*args),
    lower=View(),
    name="constant",
)
def _constant(x):
    """x as a constant: no derivative flows through."""
    return x


@primitive(
    derivative=[Forward()],
    aval=lambda x: x,
    batch=lambda args, batched, params: _paused(*args),
    lower=View(),
    name="paused",
)
def _paused(x):
    """x as what no_grad makes of it: nothing flows back through it, but tangents do forward."""
    return x


class Recorder(Trace):
    """A trace that computes and writes down what it computed."""

    level = RECORDING_LEVEL

    def __init__(self, name):
        self.graph = Graph(name)
        self.count = 0
        self.backward_depth = 0
        self.lifted: list = []  # (Tensor, its Var as an input)
        self.watched: list = []  # weak references to Tensors of level 0 made while recording
        self.names: dict = {}  # id of a Tensor -> how the user would write it
        self.arrays: dict = {}  # id of a plain array that the function can see -> (the array, how the user would write it)
        self.array_vars: dict = {}  # id of such an array, or of a part of one, -> its Var as an input
        self.grads: dict = {}  # id of a Leaf -> (the Leaf, its gradient when first read, or WRITTEN if it was set before)
        self.notes: dict = {}  # id of a lifted Tensor -> its note before
        self.survivors: list = []  # Tensors made here that live on
        self.decided: set = set()  # ids of the Vars of what is part of the program after a look at all its numbers
        self.given: list = []  # arrays among the arguments
        self.constants: dict = {}  # id of a Var -> the same as a constant
        self.once = False  # whether something happened that will not happen again
        self.ruled = False  # whether the user's rules or hooks decide about derivatives, which the graph does not say
        self.start = tick()  # leaves that are younger are made here

    # --- running operations -------------------------------------------------------------------------------------------

    def process(self, row, args, params):
        values = [a.value if isinstance(a, Value) else a for a in args]
        out = row.evaluate(*values, **params)
        outs = out if isinstance(out, tuple) else (out,)
        inputs = tuple(a.note if isinstance(a, Value) else self.plain_operand(a) for a in args)
        made = tuple(self.var(o) for o in outs)
        phase = "backward" if self.backward_depth else state.phase or ("forward" if ROOT.recording() else "update")
        self.graph.steps.append(Step(row, inputs, dict(params), made, user_line(), phase))
        results = tuple(Tensor(o, self, v) for o, v in zip(outs, made, strict=True))
        return results if isinstance(out, tuple) else results[0]

    def plain_operand(self, a):
        """A constant; an input for arrays that stand outside of the function, and for parts of them."""
        if self.arrays and isinstance(a, np.ndarray):
            whole = a
            while isinstance(whole.base, np.ndarray) and id(whole) not in self.arrays:
                whole = whole.base
            if id(whole) in self.arrays:
                if id(a) not in self.array_vars:
                    var = self.var(a)
                    self.array_vars[id(a)] = var
                    self.graph.inputs.append(Input(var, self.arrays[id(whole)][1], a))
                return self.array_vars[id(a)]
        return Constant(native_order(steady(a)) if isinstance(a, np.ndarray) else a)

    def cut(self, x):
        """`x`, through which no derivative flows: a program may itself be differentiated."""
        if not isinstance(x, Value) or x.owner is not self or isinstance(x.note, Constant):
            return x
        if x.note.id not in self.constants:
            self.constants[x.note.id] = self.process(_constant.row, (x,), {})
        return self.constants[x.note.id]

    def grad_read(self, leaf):
        """The gradient of `leaf` decides what happens next."""
        self.grads.setdefault(id(leaf), (leaf, leaf.grad))

    def grad_written(self, leaf):
        self.grads.setdefault(id(leaf), (leaf, WRITTEN))

    def var(self, value):
        self.count += 1
        return Var(self.count - 1, Aval(np.shape(value), value.dtype))

    def lift(self, t):
        """Let `t`, a Tensor of level 0, stand for an input of the program."""
        if isinstance(t.value, Value):
            return
        t.value = native_order(t.value)
        var = self.var(t.value)
        label = self.names.get(id(t)) or f"captured{sum(i.tensor is not None for i in self.graph.inputs)}"
        self.graph.inputs.append(Input(var, label, t))
        self.lifted.append((t, var))
        self.notes[id(t)] = t.note
        t.value = Tensor(t.value, self, var)

    def constant(self, array):
        """A value made from plain data while recording: part of the program, not an input."""
        return array if isinstance(array, Value) else Tensor(np.asarray(array), self, Constant(np.array(array)))

    def of_numpy(self, found, args, kwargs):
        """What a function of NumPy's own gives for plain arrays: plain arrays, also where ours makes a Tensor."""
        if any(isinstance(x, Tensor) and x.owner is not self for x in flatten((args, kwargs))[0]):
            return found
        return tree_map(lambda x: x.value if isinstance(x, Tensor) and x.owner is ROOT and x.note is None else x, found)

    def watch(self, t):
        self.watched.append(weakref.ref(t))
        return t

    # --- what a Tensor asks of its owner ------------------------------------------------------------------------------

    def carries_derivative(self, x):
        return False

    def is_leaf(self, x):
        return True

    def grad_fn(self, x):
        return None

    def rebind(self, x, new):
        if isinstance(new, Tensor) and new.owner is ROOT and new.note is None:  # into an array, which stays one
            self.lift(new)
            new = new.value
        if isinstance(new, Tensor):
            x.value, x.owner, x.note = new.value, new.owner, new.note
        else:
            new = self.constant(new)
            x.value, x.note = new.value, new.note

    def replace(self, x, value):
        self.rebind(x, value.detach() if isinstance(value, Tensor) else value)

    def detach(self, x):
        return x

    def to_array(self, x, asked):
        if asked == "int()" and x.dtype.kind == "f" and np.isfinite(x.value):
            x = cast(cast(x, np.float64), np.int64)  # only this part of the number decides
        if (x.dtype.kind in "biu" and x.value.size <= _FROZEN) or asked == "int()":
            return self.frozen(x)
        raise LostDerivativeError(
            explain(
                f"{asked} of a Tensor while its program is being recorded would freeze the value into the program",
                f"Tensor: {x.dtype} {x.shape}, at {user_line()}",
                help="return the Tensor and read its value afterwards, or keep to chainrule functions",
            )
        )

    to_scalar = to_array

    def truth(self, x):
        return self.decide(x if x.dtype.char in "?bhilqBHILQfd" else x != 0, bool(x.value))

    def decide(self, x, value, about=None):
        """A decision by value: written down as a guard."""
        self.graph.guards.append(Guard(x.note, value, user_line(), len(self.graph.steps), about))
        return value

    def frozen(self, x):
        """The numbers that indices, masks and counts are: a decision by value, where Python or NumPy itself goes by them."""
        array = np.array(x.value)
        if isinstance(x.note, Var) and array.size and x.note.id not in self.decided:
            self.decided.add(x.note.id)
            if array.ndim:
                self.decide((x == array.copy()).all(), True, array.tobytes())
            else:
                self.decide(x, array.item())
        return array

    def describe(self, x):
        return f"Tensor({x.value!r}, recorded as {x.note})"

    def backward(self, x, *options):
        no_backward("the recorder, as a constant", x)

    retain_grad = register_hook = backward

    # --- ending -------------------------------------------------------------------------------------------------------

    def finish(self, results, structure):
        """Take all recorded values out of the Tensors that live on; fill in what the program gives and changes."""
        graph = self.graph
        graph.structure = structure
        graph.outputs = [self._operand(r) for r in results]
        returned = {id(r) for r in results}
        for t, var in self.lifted:
            now = self._operand(t)
            if now != var:
                if t.shape != var.aval.shape:
                    raise _other_shape(self._label(t), var.aval.shape, t.shape)
                graph.updates.append(Update(self._label(t), t, now))
        grads = {id(t.grad): f"{self._label(t)}.grad" for t, _ in self.lifted if t.is_leaf and t.grad is not None}
        survivors = self._alive()
        if any(id(t) not in returned and id(t) not in grads for t in survivors):
            del survivors
            gc.collect()  # they may be parts of cycles
            survivors = self._alive()
        self.survivors = survivors
        for t in survivors:
            if id(t) not in returned:
                graph.updates.append(Update(grads.get(id(t), f"state{len(graph.updates)}"), t, self._operand(t)))
        live = [r for r in results if isinstance(r, Tensor) and r.owner is ROOT and type(r.note) not in (Leaf, type(None))]
        if self.constants and not live:
            _without_constants(graph)
        self.release([t for t, _ in self.lifted] + survivors)

    def _alive(self):
        known = {id(t) for t, _ in self.lifted}
        found = [t for t in (ref() for ref in self.watched) if t is not None and id(t) not in known]
        return list({id(t): t for t in found}.values())

    def release(self, tensors):
        """Put real values back into Tensors of level 0, and into what their operations keep."""
        nodes = []
        for t in tensors:
            t.value = self._real(t.value)
            if t.note is not None and not isinstance(t.owner, Ended):
                nodes.append(t.note)
        seen = set()
        while nodes:
            node = nodes.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            kept = getattr(node, "kept", None)
            if kept and any(isinstance(k, (Value, tuple)) for k in kept):
                node.kept = tuple(tuple(map(self._steady, k)) if isinstance(k, tuple) else self._steady(k) for k in kept)
            settle = getattr(node, "settle", None)
            if settle is not None:
                settle(self._steady)
            nodes.extend(p for p in node.parents if p is not None)

    def _real(self, x):
        if isinstance(x, Value) and x.owner is state.expansion:
            return state.expansion.mapped(self._real, x)
        return x.value if isinstance(x, Value) and x.owner is self else x

    def _steady(self, x):
        """What an operation keeps of `x`: no memory of arrays that are arguments, which the user may write to."""
        real = self._real(x)
        array = real is not x and isinstance(real, np.ndarray)
        return steady(real) if array and any(np.may_share_memory(real, a) for a in self.given) else real

    def _label(self, t):
        return next((i.label for i in self.graph.inputs if i.tensor is t), "?")

    def _operand(self, x):
        while isinstance(x, Value) and x.owner is not self:
            x = x.value
        return x.note if isinstance(x, Value) else Constant(x)


WRITTEN = object()


def _without_constants(graph):
    """Take out, in place, what says through which values no derivative flows: nobody will differentiate the program."""
    same: dict = {}
    place: list[int] = []
    steps: list[Step] = []
    for step in graph.steps:
        place.append(len(steps))
        inputs = tuple(same.get(x.id, x) if isinstance(x, Var) else x for x in step.inputs)
        if step.row is _constant.row:
            same[step.outputs[0].id] = inputs[0]
        else:
            step.inputs = inputs
            steps.append(step)
    place.append(len(steps))

    def operand(x):
        return same.get(x.id, x) if isinstance(x, Var) else x

    graph.steps = steps
    graph.outputs = [operand(x) for x in graph.outputs]
    for guard in graph.guards:
        guard.var, guard.before = operand(guard.var), place[guard.before]
    for update in graph.updates:
        update.value = operand(update.value)


class Recorded(NamedTuple):
    """One recorded run.

    graph    the program
    result   what the function returned
    leaves   the leaves of that, with real values
    grads    (Leaf, its `.grad` when the function first read it, WRITTEN if it set it before) pairs
    made     Tensors that it made and that live on
    rehung   whether a Tensor that was there before has another history now
    ruled    whether the user's rules or hooks decide about derivatives, which the graph does not say
    once     whether something happened that happens once, such as that a layer took its shape from its first input
    """

    graph: Graph
    result: Any
    leaves: list
    grads: list
    made: list
    rehung: bool
    ruled: bool
    once: bool


def record(f, args, kwargs, name=None, asked="graph", writing=False, seen=()) -> Recorded:
    """Run `f` once and write it down. Arrays among the arguments become inputs, as do Tensors, and arrays that `f` sees.

    `asked` says in error messages what needed the recording; `writing`, whether `f` may assign to arrays that are its
    arguments: then they are changed, and the graph has updates for them. `seen` are arrays that it can read besides those that
    stand in its own variables.
    """
    if state.recorder is not None:
        raise LostDerivativeError(
            explain(
                f"{asked} inside a function that is being recorded",
                help="record the outer function alone; it holds the inner one",
            )
        )
    recorder = Recorder(name or getattr(f, "__name__", type(f).__name__))
    leaves, structure = flatten((args, kwargs))
    labels = labels_of(f, args, structure)
    wrapped, variable = [], []
    for x, label in zip(leaves, labels, strict=True):
        if isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "biufc":
            value = native_order(x)
            var = recorder.var(value)
            recorder.graph.inputs.append(Input(var, label))
            wrapped.append(Tensor(value, recorder, var))
            recorder.given += [value] if isinstance(value, np.ndarray) else []
            if isinstance(x, np.ndarray) and not x.shape:
                wrapped[-1].place = True  # `x += 1` changes it
            variable.append(True)
        else:
            if isinstance(x, Tensor):
                if x.owner is not ROOT or isinstance(x.value, Value):
                    raise LostDerivativeError(
                        explain(
                            f"{asked}: {label} is being traced by a transform",
                            help="record outside, and transform inside the function",
                        )
                    )
                recorder.names[id(x)] = label
            wrapped.append(x)
            variable.append(False)
    call_args, call_kwargs = _rebuilt(args, kwargs, wrapped)
    around = surroundings(f)
    for name, thing in around.items():  # trees first: a parameter belongs to its model before its optimiser
        tensors, inside = flatten(thing)
        for x, label in zip(tensors, paths(inside, name), strict=True):
            recorder.names.setdefault(id(x), label)
    for name, thing in around.items():
        name_tensors(thing, name, recorder, depth=5)
    for thing in seen:
        name_tensors(thing, "array", recorder, depth=0)
    for generator in REPLAYED:
        recorder.names.setdefault(id(generator.state), "random state")
    state.recorder = recorder
    attention.append(recorder)
    try:
        with _read_only([a for a, _ in recorder.arrays.values()], asked):
            result = f(*call_args, **call_kwargs)
        out_leaves, out_structure = flatten(result)
        for o in out_leaves:
            if not _is_result(o):
                found = f"{o.dtype} array" if isinstance(o, np.ndarray) else type(o).__name__
                raise NonDifferentiableError(
                    explain(
                        f"{asked}: {recorder.graph.name} must return arrays or Tensors",
                        f"found: {found}",
                        help="return arrays, or nothing",
                    )
                )
        arguments = [t for t, v in zip(zip(leaves, wrapped, labels, strict=True), variable, strict=True) if v]
        written = _written(recorder, asked, writing, arguments)
        grads = [(leaf, g) for leaf, g in recorder.grads.values() if leaf.time < recorder.start]
        recorder.grads.clear()  # which would keep leaves alive that the function made
        recorder.finish(out_leaves, out_structure)
        rehung = any(t.note is not recorder.notes[id(t)] for t, _ in recorder.lifted)
    except BaseException:
        recorder.release([t for t, _ in recorder.lifted] + [t for t in (r() for r in recorder.watched) if t is not None])
        raise
    finally:
        state.recorder = None
        attention.remove(recorder)
    changed = {id(x): array for array, x in written}
    real = [changed[id(o)] if id(o) in changed else _plain(o, recorder) for o in out_leaves]
    for array, x in written:
        now = _plain(x, recorder)
        np.copyto(array, now.value if isinstance(now, Value) else now)
    graph, made, ruled, once = recorder.graph, recorder.survivors, recorder.ruled, recorder.once
    end(recorder)
    vars(recorder).clear()  # it may be part of a cycle, and must not keep gradients alive
    graph.arguments = _argument_reader(structure, variable, graph.name)
    return Recorded(graph, unflatten(out_structure, real), real, grads, made, rehung, ruled, once)


def _written(recorder, asked, writing, arguments):
    """The arrays among the arguments that were assigned to, with what they are now: (array, Tensor) pairs.

    The graph gets an update for each. Where a program could not do the same, this raises.
    """
    own = [i.var for i in recorder.graph.inputs[: len(arguments)]]
    changed = [(array, x, label) for (array, x, label), var in zip(arguments, own, strict=True) if recorder._operand(x) != var]
    for array, x, label in changed:
        if not writing or not isinstance(array, np.ndarray):
            raise CompileError(
                explain(
                    f"{asked}: the function assigns to its argument `{label}`, which its program cannot change",
                    f"{label}: {x.dtype} {x.shape}",
                    help=f"pass a Tensor, cr.tensor({label}), which is changed, or assign to a copy: {label} = {label}.copy()",
                )
            )
        if isinstance(x.owner, Ended) or (x.shape == array.shape and x.requires_grad):
            raise LostDerivativeError(
                explain(
                    f"{asked}: the function assigns to its argument `{label}`, an array, what carries a derivative or a batch",
                    f"{label}: {array.dtype} {array.shape}",
                    help=f"pass a Tensor, cr.tensor({label}), or assign to a copy: {label} = {label}.copy()",
                )
            )
        if x.shape != array.shape:
            raise _other_shape(label, array.shape, x.shape)
        others = [a for a, _, _ in arguments] + [i.tensor for i in recorder.graph.inputs]
        check_writable(array, label, [a for a in others if isinstance(a, np.ndarray)])
        recorder.graph.updates.append(Update(label, array, recorder._operand(x)))
    return [(array, x) for array, x, _ in changed]


def _other_shape(label, before, after):
    return CompileError(
        explain(
            f"the function gives `{label}`, which was there before, another shape",
            f"before: {before}    after: {after}",
            help=f"work on {label}.reshape(...), which is a view",
        )
    )


def check_writable(array, label, others):
    """Raise where an array that a program assigns to is read-only, or shares memory with one that the program reads.

    `others` are all that it reads, once itself included.
    """
    if not array.flags.writeable:
        raise ValueError(
            explain(
                f"assignment destination is read-only: the argument `{label}`",
                f"{label}: {array.dtype} {array.shape}",
                help=f"pass a copy, {label}.copy()",
            )
        )
    itself = _overlaps_itself(array)
    if itself or sum(_shares_memory(array, a) for a in others) > (array.size > 0):
        shared = "whose elements share memory with each other" if itself else "which shares memory with an array that it reads"
        raise CompileError(
            explain(
                f"compile: the function assigns to its argument `{label}`, {shared}",
                f"{label}: {array.dtype} {array.shape}",
                help="pass copies, or run the function uncompiled",
            )
        )


def _overlaps_itself(array):
    """Whether elements may stand in one place, as in arrays made by `as_strided`."""
    reach = array.itemsize
    for step, n in sorted((abs(s), n) for s, n in zip(array.strides, array.shape, strict=True) if n > 1):
        if step < reach and array.size:
            return True
        reach += step * (n - 1)
    return False


def _shares_memory(a, b):
    """Whether two arrays have elements in common; in doubt, they have."""
    try:
        return np.shares_memory(a, b, max_work=1000)  # type: ignore[arg-type]  # any number is allowed
    except np.exceptions.TooHardError:
        return True


def _is_result(x):
    """Whether a program can return this."""
    if isinstance(x, (np.ndarray, np.generic)):
        return x.dtype.kind in "biufc"
    return isinstance(x, (Value, bool, int, float, complex))


@contextlib.contextmanager
def unrecorded(*tensors):
    """What happens inside is not part of the program that is being written down, unless that has read one of `tensors`."""
    recorder = state.recorder
    if recorder is None or any(isinstance(t.value, Value) for t in tensors):
        yield
        return
    state.recorder, recorder.once = None, True
    attention.remove(recorder)
    traced = [(t, t.value) for t, _ in recorder.lifted if isinstance(t.value, Value) and t.value.owner is recorder]
    for t, x in traced:  # such as the state of random numbers
        t.value = x.value
    try:
        yield
    finally:
        for t, x in traced:
            t.value = x if t.value is x.value else recorder.constant(t.value)
        state.recorder = recorder
        attention.append(recorder)


@contextlib.contextmanager
def _read_only(arrays, asked):
    """While it lasts, arrays from outside cannot be written: a program would not do it again."""
    held = sorted((a for a in arrays if a.flags.writeable), key=lambda a: a.base is not None)  # owners first
    for a in held:
        a.flags.writeable = False
    try:
        yield
    except ValueError as error:
        if "read-only" not in str(error) or "help:" in str(error) or type(error) is not ValueError:
            raise
        raise CompileError(
            explain(
                f"{asked}: an array from outside of the function is written to, which its program would not do again",
                f"at {_line_of(error.__traceback__)}",
                help="keep what changes in a Tensor, cr.tensor(x), or pass the array as an argument",
            )
        ) from error
    finally:
        for a in held:
            a.flags.writeable = True


def _line_of(traceback):
    """The innermost line of the user's in a traceback."""
    lines = [(f.f_code.co_filename, n) for f, n in walk_tb(traceback) if not f.f_code.co_filename.startswith((_OURS, _NUMPY))]
    return f"{Path(lines[-1][0]).name}:{lines[-1][1]}" if lines else "?"


def _plain(x, recorder):
    if isinstance(x, Value) and x.owner is state.expansion:
        return _plain(x.value, recorder)
    if isinstance(x, Value) and x.owner is recorder:
        return x.value
    if isinstance(x, Value) and isinstance(x.value, Value) and x.value.owner is state.expansion:
        x.value = recorder._real(x.value)
    if isinstance(x, Value) and isinstance(x.value, Value) and x.value.owner is recorder:
        x.value = x.value.value
    return x


def _rebuilt(args, kwargs, wrapped):
    """The arguments with their arrays wrapped; those that hold none stay the objects that they are (a Module, say)."""
    rest = iter(wrapped)

    def one(tree):
        leaves, structure = flatten(tree)
        own = [next(rest) for _ in leaves]
        return tree if all(a is b for a, b in zip(leaves, own, strict=True)) else unflatten(structure, own)

    return tuple(one(a) for a in args), {k: one(v) for k, v in kwargs.items()}


def _argument_reader(structure, variable, name):
    def read(args, kwargs):
        leaves, given = flatten((args, kwargs))
        if len(leaves) != len(variable):
            raise TreeError(
                explain(
                    f"graph of {name}: arguments differ from those recorded",
                    f"recorded: {structure}",
                    f"found: {given}",
                    help="call it with the same arguments",
                )
            )
        return [np.asarray(x) if not isinstance(x, np.generic) else x for x, v in zip(leaves, variable, strict=True) if v]

    return read


def graph(f):
    """A function that runs `f` once on its arguments and gives the recorded program, a `Graph`.

    Arrays among the arguments, and Tensors that `f` reads, become inputs; Python numbers are part of the program.
    The run is real: what `f` changes, such as parameters, is changed afterwards.

    Examples
    --------
    >>> import chainrule as cr
    >>> g = cr.graph(lambda x: cr.sin(x) * 2.0)(np.ones(3))
    >>> [step.row.name for step in g.steps]
    ['sin', 'multiply']
    >>> g(np.zeros(3))
    array([0., 0., 0.])
    """

    @functools.wraps(f)
    def recorded(*args, **kwargs):
        return record(f, args, kwargs).graph

    return recorded
