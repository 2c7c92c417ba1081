"""Reverse mode: the tape, a trace that writes down what runs. The walk back over it stands in backward.py."""

import weakref
from typing import Any

import numpy as np

from ..core.aval import Aval
from ..core.changes import HookHandle
from ..core.derivative import flows_back
from ..core.dispatch import Trace, _State, attention, plain, state, steady, writer_below
from ..core.graph import is_ruled
from ..core.value import Value, shape_of
from ..errors import (
    KEEP_DERIVATIVE,
    ArgumentError,
    LostDerivativeError,
    NonDifferentiableError,
    NonScalarOutputError,
    ShapeError,
    explain,
)
from ..ops.shaping import cast
from ..tensor import Tensor
from .backward import NOTHING, RETAINED, JointNode, Leaf, Node, Output, Retained, SimpleNode, own, tick, walk_back
from .lost import Losses

_PLAIN = frozenset({np.ndarray, np.float64, np.float32, float, int})
_F32, _F64 = np.dtype(np.float32), np.dtype(np.float64)


def as_it_is(x, met=False):
    """What to keep of an argument that is no value of the tape, and which the user may assign to later.

    `met` : tell those who watch which Tensors are read
    """
    if not isinstance(x, Value):
        return steady(x)
    for watcher in state.watchers if met else ():
        watcher.met(x)
    if x.owner is ROOT:
        if state.abstract:
            return x  # graphs know by its identity what they read
        if state.recorder is not None:
            state.recorder.lift(x)
    return Tensor(x.value, x.owner, x.note)


class Tape(Trace):
    """A trace that records. Level 0 lasts as long as the program; others as long as their transform."""

    def __init__(self, level, lasting=False):
        self.level = level
        self.lasting = lasting  # a tape for Tensors that the user makes, where backward() works; not a transform's own
        self.touched = False  # whether, while it was paused, an operation met a Tensor that it would have recorded
        self.again = False  # whether what it records will be differentiated on a tape below that records it all
        self.lost = Losses()

    def lose(self, row, note, out):
        """Nothing flows back through this operation, although something could flow to one of its arguments."""
        if self.lasting:
            self.lost.notice_last(row.name, getattr(out, "dtype", None))
        else:
            self.lost.notice(row.name, note)

    # --- running operations -------------------------------------------------------------------------------------------

    def process1(self, row, x, params):
        if attention:
            return self.process(row, (x,), params or {})
        note, x = x.note, x.value
        if params:
            out = row.evaluate(x, **params) if type(x) in _PLAIN else row.call(x, **params)
        else:
            out = row.fast(x) if type(x) in _PLAIN else row.call(x)
        if note is None:
            return Tensor(out, self)
        plan = row.plans[1]
        if plan is None:
            self.lose(row, note, out)
            return Tensor(out, self)
        dtype = out.dtype
        if params or x.dtype is not dtype or (dtype is not _F64 and dtype is not _F32) or x.shape != out.shape:
            if dtype.kind not in "fc":
                self.lose(row, note, out)
                return Tensor(out, self)
            avals = (Aval(x.shape, x.dtype),)
        else:
            avals = None
        keep_x, keep_out = plan
        kept: tuple = NOTHING
        if keep_x:
            kept = (x, out if keep_out else None)
        elif keep_out:
            kept = (None, out)
        if avals is None:
            return Tensor(out, self, SimpleNode(row, (note,), kept))
        return Tensor(out, self, Node(row, (note,), kept, params, avals))

    def process2(self, row, x, y):
        if attention:
            return self.process(row, (x, y), {})
        note_x = note_y = None
        mask = 0
        loose = False  # whether one of them is an array or a Tensor of the user's, who may write to it later
        if isinstance(x, Value) and x.owner is self:
            note_x = x.note
            x = x.value
            if note_x is not None:
                mask = 1
        elif isinstance(x, Value):
            x = plain(x)
            loose = isinstance(x, Value)
        else:
            loose = True
        if isinstance(y, Value) and y.owner is self:
            note_y = y.note
            y = y.value
            if note_y is not None:
                mask += 2
        elif isinstance(y, Value):
            y = plain(y)
            loose = loose or isinstance(y, Value)
        else:
            loose = True
        out = row.fast(x, y) if type(x) in _PLAIN and type(y) in _PLAIN else row.call(x, y)
        if not mask:
            return Tensor(out, self)
        plan = row.plans[mask]
        if plan is None:
            self.lose(row, note_x or note_y, out)
            return Tensor(out, self)
        dtype = out.dtype
        shape = out.shape
        avals = None
        if (
            (dtype is not _F64 and dtype is not _F32)
            or (mask & 1 and (x.dtype is not dtype or x.shape != shape))
            or (mask & 2 and (y.dtype is not dtype or y.shape != shape))
        ):
            if dtype.kind not in "fc":
                self.lose(row, note_x or note_y, out)
                return Tensor(out, self)
            avals = (
                Aval(x.shape, x.dtype) if mask & 1 else None,
                Aval(y.shape, y.dtype) if mask & 2 else None,
            )
        keep_x, keep_y, keep_out = plan
        if keep_x or keep_y or keep_out:
            if loose:
                if mask == 1:
                    y = as_it_is(y) if keep_y else y
                else:
                    x = as_it_is(x) if keep_x else x
            kept = (x if keep_x else None, y if keep_y else None, out if keep_out else None)
        else:
            kept = NOTHING
        if avals is None:
            return Tensor(out, self, SimpleNode(row, (note_x, note_y), kept))
        return Tensor(out, self, Node(row, (note_x, note_y), kept, None, avals))

    def process(self, row, args, params):
        if (writer := writer_below(self, args)) is not None:
            return writer.process(row, args, params)
        values, parents, active = [], [], False
        recording = self.recording()
        for i, a in enumerate(args):
            if isinstance(a, Value) and a.owner is self:
                for watcher in state.watchers:
                    watcher.met(a)
                values.append(self._value(a))
                note = a.note if flows_back(row.kind(i)) else None
                if note is not None and not recording:
                    self.touched, note = True, None
                parents.append(note)
                active = active or note is not None
            else:
                values.append(plain(a))
                parents.append(None)
        if active and self is ROOT and state.recorder is not None:
            for i, (a, parent) in enumerate(zip(args, parents, strict=True)):
                if parent is None and isinstance(a, Value) and a.owner is self and flows_back(row.kind(i)):
                    values[i] = state.recorder.cut(values[i])
        if active and row.joint is not None:
            values = list(map(self._kept_of, args, values))
            return self._record_jointly(row, values, parents, params)
        out = row.call(*values, **params)
        several = isinstance(out, tuple)
        if not active or not any(o.dtype.kind in "fc" for o in (out if several else (out,))):
            cut = next((a.note for a in args if isinstance(a, Value) and a.owner is self and a.note is not None), None)
            if cut is not None and recording:
                self.lose(row, cut, out)
            return tuple(self._wrap(o) for o in out) if several else self._wrap(out)
        keeps = frozenset().union(*(row.kind(i).keeps for i, p in enumerate(parents) if p is not None))
        kept = self._packed(self._kept(row, args, values, out, keeps)) if keeps else NOTHING
        avals = tuple(None if p is None else Aval(shape_of(v), v.dtype) for p, v in zip(parents, values, strict=True))
        node = Node(row, tuple(parents), kept, params, avals)
        if not several:
            return self._wrap(out, node)
        return tuple(self._wrap(o, Output(node, i, len(out)) if o.dtype.kind in "fc" else None) for i, o in enumerate(out))

    def _record_jointly(self, row, values, parents, params):
        """Run an op whose derivative is stated for all arguments at once."""
        active = tuple(p is not None for p in parents)
        end = row.joint.end(active, params)
        if end is not None:
            self.lost.notice_step(end, None if self.lasting else next(p for p in parents if p is not None))
            return tuple(map(self._wrap, row.call(*values, **params)))
        if self is ROOT and state.recorder is not None and is_ruled(row, params):
            state.recorder.ruled = True
        before, state.again = state.again, self.again
        try:
            out, kept = row.joint.record(values, active, params)
        finally:
            state.again = before
        node = JointNode(row, tuple(parents), self._packed((tuple(values), tuple(kept))), params, self.again)
        return tuple(self._wrap(o, Output(node, i, len(out)) if o.dtype.kind in "fc" else None) for i, o in enumerate(out))

    def _packed(self, kept):
        return kept if state.packing is None or self is not ROOT or state.recorder is not None else state.packing(kept)

    def _wrap(self, value, note=None):
        """A new Tensor of this tape, known to the recorder if one runs below."""
        t = Tensor(value, self, note)
        if self is ROOT and state.whole is not None:
            state.whole.made[id(t)] = t
        return state.recorder.watch(t) if self is ROOT and state.recorder is not None else t

    def _value(self, x):
        """The value of `x`; an input of the program that is being recorded, if one is."""
        if self is ROOT and state.recorder is not None:
            state.recorder.lift(x)
        elif self is ROOT and state.whole is not None and state.whole.reads([x]):
            state.whole.to_array(x, "the value")
        return x.value

    def _kept_of(self, argument, value):
        """What to keep of an argument with this value."""
        ours = isinstance(argument, Value) and (argument.owner is self or not isinstance(value, Value))
        return value if ours else as_it_is(value)

    def _kept(self, row, args, values, out, keeps):
        tail = next((int(k[:-1]) for k in keeps if isinstance(k, str)), None)
        kept = [v if i in keeps or (tail is not None and i >= tail) else None for i, v in enumerate(values)]
        kept = list(map(self._kept_of, args, kept))
        return (*kept, out if -1 in keeps else None)

    def recording(self):
        return not attention or (self.level >= state.paused_below and self not in state.paused)

    # --- what a Tensor asks of its owner ------------------------------------------------------------------------------

    def has_none(self, x):
        return x.note is None and self not in state.paused  # a checkpoint gives values their history later

    def carries_derivative(self, x):
        return x.note is not None or (isinstance(x.value, Value) and x.value.owner.carries_derivative(x.value))

    def is_leaf(self, x):
        return x.note is None or isinstance(x.note, Leaf)

    def grad_fn(self, x):
        if self.is_leaf(x):
            return None
        return x.note.parents[0] if type(x.note) is Output else x.note

    def constant(self, array):
        """A Tensor that no derivative flows into."""
        if self is ROOT and state.abstract:
            rules = [t for t in state.abstract if not t.capture]
            if rules:  # made by a derivative rule that is being written down, for which nothing stands outside
                return rules[-1].constant(array)
        if self is ROOT and state.recorder is not None:
            array = state.recorder.constant(array)
        return self._wrap(array)

    def require(self, x, requires_grad=True):
        """Make `x` a leaf of this tape, or a constant."""
        if not requires_grad:
            if not x.is_leaf:
                raise ArgumentError(
                    explain(
                        "requires_grad_(False) on a Tensor that is not a leaf",
                        f"made by: {x.grad_fn}",
                        help="use x.detach() for a constant with the same values",
                    )
                )
            if x.owner is self:
                if type(x.note) is Leaf and (x.note.grad is not None or hasattr(x.note, "hooks")):
                    x.origin = x.note  # a gradient that is there stays, and hooks come back with the next requires_grad_()
                x.note = None
            return
        if x.dtype.kind not in "fc":
            raise NonDifferentiableError(
                explain(
                    "requires_grad_: only floating point and complex Tensors can require a gradient",
                    f"Tensor: {x.dtype} {x.shape}",
                    help="convert it first, for example x.astype(float)",
                )
            )
        if x.owner is self:
            if x.note is None:
                holder = getattr(x, "origin", None)  # where a gradient was put while it was a constant
                x.note = holder if type(holder) is Leaf else Leaf()
        else:
            x.value, x.owner, x.note = Tensor(x.value, x.owner, x.note), self, Leaf()
        if type(x.note) is Leaf:
            x.note.tensor = weakref.ref(x)

    def rebind(self, x, new):
        """Give `x` the value and history of `new`. A leaf stays one for its `.grad`, and under no_grad altogether."""
        if state.abstract:
            state.abstract[-1].assigned_to(x)
        if state.recorder is not None:
            self._value(x)
        if isinstance(x.note, Leaf):
            if not (isinstance(new, Tensor) and new.owner is self and new.note is not None) and not self.recording():
                x.value = new.value if isinstance(new, Tensor) and new.owner is self else new
                return
            x.origin = x.note
        if isinstance(new, Tensor) and new.owner is not state.recorder:
            x.value, x.owner, x.note = new.value, new.owner, new.note
        else:
            x.value, x.note = new, None
        holder: Any = getattr(x, "origin", None)
        if type(holder) is Retained and x.owner is self:  # the gradient that counts is that of the new value
            holder.handle.remove()
            if x.note is not None:
                self._retain(x, holder)

    def replace(self, x, value):
        if state.abstract:
            state.abstract[-1].assigned_to(x)
        if state.recorder is not None:
            self._value(x)
        value = value.detach() if isinstance(value, Tensor) else self.constant(np.asarray(value))
        x.value = cast(value.value if value.owner is self else value, x.dtype)

    def copy_leaf(self, x):
        new = object.__new__(type(x))
        value = self._value(x)
        new.value, new.owner, new.note = value if isinstance(value, Value) else np.array(value), self, None
        new.place = True
        if state.recorder is not None:
            state.recorder.watch(new)
        if x.note is not None:
            new.note = Leaf()
            if x.grad is not None:
                grad = self._value(x.grad)
                new.note.grad = self._wrap(grad if isinstance(grad, Value) else np.array(grad))
        return new

    def holder(self, x):
        """A place for a gradient that is put at a Tensor which requires none."""
        x.origin = Leaf()
        return x.origin

    def detach(self, x):
        if (writer := writer_below(self, (x,))) is not None:
            return writer.detach(writer.inside(x))
        value = self._value(x)
        if x.note is not None and not self.lasting:
            self.lost.stopped.append(x.note)
        return self._wrap(value.owner.detach(value) if isinstance(value, Value) else value)

    def to_array(self, x, asked):
        self._value(x)
        if x.note is not None and self.recording():  # inside of no_grad, nothing is lost
            raise LostDerivativeError(
                explain(
                    f"{asked} of a Tensor that requires grad would lose its derivative",
                    f"Tensor: {x.dtype} {x.shape}, {'a leaf' if self.is_leaf(x) else f'made by {x.note.name}'}",
                    help=KEEP_DERIVATIVE,
                )
            )
        return x.value.owner.to_array(x.value, asked) if isinstance(x.value, Value) else x.value

    def to_scalar(self, x, asked):
        """As to_array for .item() and float(), which on level 0 give plain numbers as in PyTorch."""
        if self.level != 0:
            return self.to_array(x, asked)
        self._value(x)
        return x.value.owner.to_scalar(x.value, asked) if isinstance(x.value, Value) else x.value

    def truth(self, x):
        self.lost.decided = len(self.lost.events)
        return bool(self._value(x))

    def describe(self, x):
        value = state.expansion.constant_term(x.value)
        if isinstance(value, Value):
            return f"Tensor({value!r}, level={self.level})"
        text = np.array2string(np.asarray(value), separator=", ", prefix="tensor(")
        default = x.dtype in (np.float64, np.int64, np.bool_, np.complex128)
        extra = "" if default else f", dtype={x.dtype.name}"
        if self.level != 0:
            extra += f", level={self.level}"
        elif isinstance(x.note, Leaf):
            extra += ", requires_grad=True"
        elif x.note is not None:
            extra += f", grad_fn={x.note!r}"
        return f"tensor({text}{extra})"

    def retain_grad(self, x):
        if isinstance(x.note, Leaf):
            return
        if x.note is None:
            raise ArgumentError(
                explain("retain_grad of a constant", help="its operations must involve a leaf that requires grad")
            )
        if type(getattr(x, "origin", None)) is not Retained:
            x.origin = Retained()
            self._retain(x, x.origin)

    def _retain(self, x, holder):
        reference = weakref.ref(holder)  # which refers to the hook: an array must not wait for the garbage collector

        def keep(g):
            if (alive := reference()) is not None:
                accumulate(alive, g, self, False, set())

        holder.handle = self.register_hook(x, keep, RETAINED)

    def register_post_accumulate_grad_hook(self, x, hook):
        if not isinstance(x.note, Leaf):
            raise ArgumentError(
                explain(
                    "register_post_accumulate_grad_hook: only leaves that require grad have gradients added",
                    f"Tensor: {x.dtype} {x.shape}",
                    help="use register_hook, whose hooks are handed the gradient",
                )
            )
        if not hasattr(x.note, "after"):
            x.note.after = {}
        return HookHandle(x.note.after, lambda g: hook(x))

    def register_hook(self, x, hook, key=None):
        node = x.note
        if node is None:
            raise ArgumentError(
                explain("register_hook on a Tensor that does not require grad", help="call .requires_grad_() first")
            )
        if self is ROOT and state.recorder is not None and node.time > state.recorder.start:
            state.recorder.ruled = True
        if not hasattr(node, "hooks"):
            node._start_hooks()

        def call(g):
            new = hook(g if isinstance(g, Tensor) and g.owner is self else Tensor(g, self))
            return None if new is None else new.value if isinstance(new, Tensor) and new.owner is self else new

        return HookHandle(node.hooks, call, key=tick() if key is None else key)

    # --- backward -----------------------------------------------------------------------------------------------------

    def backward(self, x, gradient, retain_graph, create_graph, inputs):
        if not self.lasting:
            raise ArgumentError(
                explain(
                    "backward from a Tensor that is being differentiated by grad or vjp",
                    f"Tensor: {x.dtype} {x.shape}",
                    help="call it on Tensors made inside the function, or use cr.grad or cr.autograd.grad there",
                )
            )
        owner, seed = self._prepare(x, gradient, create_graph)
        retain = create_graph if retain_graph is None else retain_graph
        wanted = None if inputs is None else self._holders([inputs] if isinstance(inputs, Tensor) else list(inputs))
        handed = {id(seed)}

        def sink(node, g, ours):
            leaf = node if wanted is None else wanted[node]
            if leaf is None:  # a hook keeps its gradient
                return
            accumulate(leaf, g, self, ours or owner is not None, handed)
            for hook in list(getattr(leaf, "after", {}).values()):
                hook(g)

        recorder = state.recorder if self is ROOT else None
        if recorder is not None:
            recorder.backward_depth += 1
        try:
            walk_back([(x.note, seed)], sink, retain=retain, owner=owner, wanted=wanted)
        finally:
            if recorder is not None:
                recorder.backward_depth -= 1

    def _holders(self, inputs):
        """Where the gradients with respect to each of these Tensors go: node -> leaf."""
        if not inputs:
            raise ArgumentError(explain("backward: `inputs` is empty", help="leave it out to reach all leaves"))
        holders: dict = {}
        for x in inputs:
            if x.owner is not self or x.note is None:
                raise ArgumentError(
                    explain(
                        "backward: every one of `inputs` must require grad",
                        f"found: {x.dtype} {x.shape}",
                        help="call .requires_grad_() on it before the computation",
                    )
                )
            if not isinstance(x.note, Leaf):
                kept = getattr(x, "origin", None)
                if kept is None:
                    kept = x.origin = Leaf()
                holders[x.note] = None if type(kept) is Retained else kept
            else:
                holders[x.note] = x.note
        return holders

    def _prepare(self, x, gradient, create_graph):
        if x.note is None:
            if isinstance(x.value, Tensor):
                raise ArgumentError(
                    explain(
                        "backward inside a transform, from a Tensor whose operations began outside of it",
                        help="create the leaves inside the function, or use cr.grad there",
                    )
                )
            lost = [f"last operation without a derivative: {self.lost.last}"] if self.lost.last else []
            raise ArgumentError(
                explain(
                    "backward from a Tensor that depends on no leaf that requires grad",
                    f"Tensor: {x.dtype} {x.shape}",
                    *lost,
                    help="call .requires_grad_() on the parameters before the computation",
                )
            )
        if gradient is None:
            if x.size != 1:
                raise NonScalarOutputError(
                    explain(
                        "backward from a Tensor with several elements needs the gradient of the result",
                        f"Tensor: {x.dtype} {x.shape}",
                        help="sum it first, or call x.backward(gradient) with an array of its shape",
                    )
                )
            if x.dtype.kind == "c":
                raise NonScalarOutputError(
                    explain(
                        "backward from a complex number needs the gradient of the result: it is two real ones",
                        f"Tensor: {x.dtype} {x.shape}",
                        help="take .real or .abs() first, or call x.backward(gradient) with a complex number",
                    )
                )
            gradient = np.ones(x.shape, x.dtype)
        elif shape_of(gradient) != x.shape:
            raise ShapeError(
                explain(
                    "backward: `gradient` must have the shape of the Tensor",
                    f"Tensor: {x.shape}    gradient: {shape_of(gradient)}",
                    help="the gradient weighs each element of the result",
                )
            )
        owner = self if create_graph else None
        gradient = cast(gradient if isinstance(gradient, Value) else np.asarray(gradient), x.dtype)
        if isinstance(gradient, Tensor) and gradient.owner is self and not create_graph:
            gradient = gradient.value
        elif create_graph and not (isinstance(gradient, Tensor) and gradient.owner is self):
            gradient = Tensor(gradient, self)
        return owner, gradient


def accumulate(leaf, g, tape, ours, handed):
    """Add `g` to the `.grad` of a leaf."""
    if tape is ROOT and state.recorder is not None:
        state.recorder.grad_read(leaf)
    if isinstance(g, Tensor) and g.owner is state.expansion and tape is ROOT:
        g, ours = state.expansion.settle(g), False
    if isinstance(g, Tensor) and g.owner is tape:
        leaf.grad = g if leaf.grad is None else leaf.grad + g
    elif leaf.grad is None:
        leaf.grad = tape._wrap(own(g, ours, handed), None)
    else:
        leaf.grad.value = tape._value(leaf.grad) + g


ROOT = Tape(0, lasting=True)
_State.root = ROOT
