"""Reverse mode: write down what ran, then walk it backwards. Names no op but those that add and fit cotangents.

Every node has a time, and an operation's arguments are older than its result. So taking pending nodes newest first
visits each when all contributions to its cotangent are in, without searching the graph first. Nodes refer to their
parents and never to results or Tensors, so reference counting alone frees them.
"""

import functools
from heapq import heappop, heappush
from itertools import count

import numpy as np

from ..core.aval import Aval
from ..core.derivative import Deferred
from ..core.dispatch import Trace, _State, attention, next_level, state
from ..core.value import Value, dtype_of, shape_of
from ..errors import (
    ArgumentError,
    GraphFreedError,
    LeakedTensorError,
    LostDerivativeError,
    NonDifferentiableError,
    NonScalarOutputError,
    ShapeError,
    explain,
)
from ..ops.shaping import cast
from ..tensor import Tensor

_tick = count(1).__next__
_PLAIN = frozenset({np.ndarray, np.float64, np.float32, float, int})
_F32, _F64 = np.dtype(np.float32), np.dtype(np.float64)
NOTHING = (None,) * 3  # kept by nodes whose rules need nothing; these can be walked any number of times


class Leaf:
    """Where derivatives are asked for: a parameter, or an argument of a transformed function."""

    __slots__ = ("time", "grad", "hooks", "__weakref__")
    parents = ()

    def __init__(self):
        self.time = _tick()
        self.grad = None


class SimpleNode:
    """A recorded operation without parameters on real arguments that have the shape and dtype of the result.

    `parents` holds the node of each argument, None where it is constant; `kept` the arguments and the result as far as
    the rules need them, None once they are freed.
    """

    __slots__ = ("time", "row", "parents", "kept", "hooks")
    params = None
    avals = None

    def __init__(self, row, parents, kept):
        self.time = _tick()
        self.row = row
        self.parents = parents
        self.kept = kept

    @property
    def name(self):
        return self.row.name

    @property
    def next_functions(self):
        """The operations that made the arguments, as in PyTorch: pairs (node, which of its results)."""
        return tuple((p, 0) for p in self.parents if p is not None)

    def __repr__(self):
        return f"<{self.row.name} backward>"

    def pull(self, g, retain, owner, needed=None):
        """(parent, cotangent) pairs; `owner` is the tape to record the pullback on, if it is to be differentiated."""
        row, kept, params, avals = self.row, self.kept, self.params, self.avals
        if kept is None:
            raise freed(self)
        if owner is not None:
            kept = self._live(owner)
        for i, parent in enumerate(self.parents):
            if parent is None or (needed is not None and parent not in needed):
                continue
            aval = avals and avals[i]
            part = row.kind(i).pull(g, kept, params, aval)
            if aval is not None and not isinstance(part, Deferred) and dtype_of(part) != aval.dtype:
                part = cast(part, aval.dtype)
            if part is not None:
                yield parent, part
        if not retain and kept is not NOTHING:
            self.kept = None

    def _live(self, owner):
        """What was kept, on the tape again, so that derivatives flow through it."""
        last = len(self.kept) - 1
        live = []
        for i, x in enumerate(self.kept):
            note = self if i == last else self.parents[i] if i < len(self.parents) else None
            if isinstance(x, tuple):
                live.append(tuple(Tensor(v, owner, Output(self, j, len(x))) for j, v in enumerate(x)))
            else:
                live.append(x if x is None or note is None else Tensor(x, owner, note))
        return tuple(live)


class Node(SimpleNode):
    """A recorded operation; `avals` holds shape and dtype of the arguments that have a parent."""

    __slots__ = ("params", "avals")

    def __init__(self, row, parents, kept, params, avals):
        self.time = _tick()
        self.row = row
        self.parents = parents
        self.kept = kept
        self.params = params
        self.avals = avals


class HookedSimpleNode(SimpleNode):
    """A node with hooks, which the common paths do not look for."""

    __slots__ = ()


class HookedNode(Node):
    """The same of a node with parameters."""

    __slots__ = ()


_HOOKED = {SimpleNode: HookedSimpleNode, Node: HookedNode}


class Output:
    """One of several results of an operation."""

    __slots__ = ("time", "parents", "index", "n", "hooks")

    def __init__(self, node, index, n):
        self.time = _tick()
        self.parents = (node,)
        self.index, self.n = index, n

    @property
    def name(self):
        return self.parents[0].name

    @property
    def next_functions(self):
        return self.parents[0].next_functions

    def __repr__(self):
        return f"<{self.name} backward, result {self.index}>"


class Call:
    """A recorded call with a pullback of its own: a checkpoint or a function with custom derivatives.

    `pullback(gs, owner)` takes one cotangent per result (None for zero) and gives one per parent; contributions to
    other nodes, such as those of a recomputation, may follow as (node, cotangent) pairs.
    """

    __slots__ = ("time", "name", "parents", "pullback", "hooks")

    def __init__(self, name, parents, pullback):
        self.time = _tick()
        self.name = name
        self.parents = parents
        self.pullback = pullback

    @property
    def next_functions(self):
        return tuple((p, 0) for p in self.parents if p is not None)

    def __repr__(self):
        return f"<{self.name} backward>"

    def pull(self, gs, retain, owner, needed=None):
        if self.pullback is None:
            raise freed(self)
        pullback = self.pullback
        if not retain:
            self.pullback = None
        for target, part in pullback(gs, owner):
            if target is not None and part is not None:
                yield target, part


def freed(node):
    return GraphFreedError(
        explain(
            "backward a second time through operations whose kept values the first time has freed",
            f"first freed operation met: {node.name}",
            help="pass retain_graph=True to the first backward, or run the forward computation again",
        )
    )


def leading_to(wanted, roots):
    """All nodes between `roots` and `wanted`, both included: what a walk has to visit to reach the latter."""
    reachable, todo = set(roots), list(roots)
    while todo:
        for parent in todo.pop().parents:
            if parent is not None and parent not in reachable:
                reachable.add(parent)
                todo.append(parent)
    needed = set(wanted)
    for node in sorted(reachable, key=lambda n: n.time):
        if any(p in needed for p in node.parents):
            needed.add(node)
    return needed


def walk_back(seeds, sink, *, retain=False, owner=None, wanted=None):
    """Carry cotangents from `seeds`, (node, cotangent) pairs, to the leaves: `sink(leaf, cotangent, ours)` for each.

    `ours` says that the array is referred to by nobody else. With `owner`, the walk itself is recorded on that tape.
    With `wanted`, a set of nodes, these take the place of the leaves.
    """
    needed = None if wanted is None else leading_to(wanted, [n for n, _ in seeds if n is not None])
    pending: dict = {}  # time -> [node, cotangent, whether that array is ours to add to in place]
    heap: list = []

    def contribute(node, part, ours=False):
        entry = pending.get(node.time)
        if isinstance(part, Deferred):
            total, ours = part.added_to(entry and entry[1], bool(entry) and entry[2])
            if entry is None:
                pending[node.time] = [node, total, ours]
                heappush(heap, -node.time)
            else:
                entry[1], entry[2] = total, ours
        elif entry is None:
            pending[node.time] = [node, part, ours]
            heappush(heap, -node.time)
        elif entry[2] and type(part) is np.ndarray and part.dtype == entry[1].dtype:
            entry[1] += part
        else:
            entry[1] = entry[1] + part
            entry[2] = type(entry[1]) is np.ndarray

    for node, g in seeds:
        if node is not None:
            contribute(node, g)
    ahead = None  # the only pending node, when it need not go through the heap
    while ahead is not None or heap:
        node, g, ours = pending.pop(-heappop(heap)) if ahead is None else ahead
        ahead = None
        kind = type(node)
        if kind is SimpleNode and owner is None and wanted is None:
            # The common case, written out: this loop is most of what small arrays cost.
            kept = node.kept
            if kept is None:
                raise freed(node)
            for parent, bound in zip(node.parents, node.row.kinds, strict=True):
                if parent is None:
                    continue
                part = bound.pull(g, kept, None, None)
                if ahead is None:
                    if not heap:
                        ahead = parent, part, False
                        continue
                else:
                    contribute(ahead[0], ahead[1])
                    ahead = None
                contribute(parent, part)
            if not retain and kept is not NOTHING:
                node.kept = None
            continue
        if kind is Node and owner is None and wanted is None:
            kept, params = node.kept, node.params
            if kept is None:
                raise freed(node)
            for i, (parent, aval) in enumerate(zip(node.parents, node.avals, strict=True)):
                if parent is not None:
                    part = node.row.kind(i).pull(g, kept, params, aval)
                    if not isinstance(part, Deferred) and part.dtype is not aval.dtype and part.dtype != aval.dtype:
                        part = cast(part, aval.dtype)
                    contribute(parent, part)
            if not retain and kept is not NOTHING:
                node.kept = None
            continue
        for hook in list(getattr(node, "hooks", {}).values()):
            new = hook(g)
            g, ours = (g, ours) if new is None else (new, False)
        if wanted is not None and node in wanted:
            sink(node, g, ours)
        if kind is Leaf:
            if wanted is None:
                sink(node, g, ours)
        elif kind is Output:
            (parent,) = node.parents
            entry = pending.get(parent.time)
            if entry is None:
                entry = pending[parent.time] = [parent, [None] * node.n, False]
                heappush(heap, -parent.time)
            entry[1][node.index] = g
        else:
            for parent, part in node.pull(g, retain, owner, needed):
                contribute(parent, part)


class Tape(Trace):
    """A trace that records. Level 0 lasts as long as the program; others as long as their transform."""

    def __init__(self, level, lasting=False):
        self.level = level
        self.lasting = lasting  # a tape for Tensors that the user makes, where backward() works; not a transform's own
        self.touched = False  # whether, while it was paused, an operation met a Tensor that it would have recorded

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
            return Tensor(out, self)
        dtype = out.dtype
        if params or x.dtype is not dtype or (dtype is not _F64 and dtype is not _F32) or x.shape != out.shape:
            if dtype.kind not in "fc":
                return Tensor(out, self)
            avals = (Aval(x.shape, x.dtype),)
        else:
            avals = None
        keep_x, keep_out = plan
        if keep_x:
            kept = (x, out if keep_out else None)
        else:
            kept = (None, out) if keep_out else NOTHING
        if avals is None:
            return Tensor(out, self, SimpleNode(row, (note,), kept))
        return Tensor(out, self, Node(row, (note,), kept, params, avals))

    def process2(self, row, x, y):
        if attention:
            return self.process(row, (x, y), {})
        note_x = note_y = None
        mask = 0
        if isinstance(x, Value) and x.owner is self:
            note_x = x.note
            x = x.value
            if note_x is not None:
                mask = 1
        if isinstance(y, Value) and y.owner is self:
            note_y = y.note
            y = y.value
            if note_y is not None:
                mask += 2
        out = row.fast(x, y) if type(x) in _PLAIN and type(y) in _PLAIN else row.call(x, y)
        if not mask:
            return Tensor(out, self)
        plan = row.plans[mask]
        if plan is None:
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
                return Tensor(out, self)
            avals = (
                Aval(x.shape, x.dtype) if mask & 1 else None,
                Aval(y.shape, y.dtype) if mask & 2 else None,
            )
        keep_x, keep_y, keep_out = plan
        if keep_x or keep_y or keep_out:
            kept = (x if keep_x else None, y if keep_y else None, out if keep_out else None)
        else:
            kept = NOTHING
        if avals is None:
            return Tensor(out, self, SimpleNode(row, (note_x, note_y), kept))
        return Tensor(out, self, Node(row, (note_x, note_y), kept, None, avals))

    def process(self, row, args, params):
        values, parents, active = [], [], False
        recording = self.recording()
        for i, a in enumerate(args):
            if isinstance(a, Value) and a.owner is self:
                values.append(self._value(a))
                note = a.note if row.kind(i) is not None else None
                if note is not None and not recording:
                    self.touched, note = True, None
                parents.append(note)
                active = active or note is not None
            else:
                values.append(a)
                parents.append(None)
        out = row.call(*values, **params)
        several = isinstance(out, tuple)
        if not active or not any(o.dtype.kind in "fc" for o in (out if several else (out,))):
            return tuple(self._wrap(o) for o in out) if several else self._wrap(out)
        keeps = frozenset().union(*(row.kind(i).keeps for i, p in enumerate(parents) if p is not None))
        kept = self._kept(row, values, out, keeps) if keeps else NOTHING
        avals = tuple(None if p is None else Aval(shape_of(v), v.dtype) for p, v in zip(parents, values, strict=True))
        node = Node(row, tuple(parents), kept, params, avals)
        if not several:
            return self._wrap(out, node)
        return tuple(
            self._wrap(o, Output(node, i, len(out)) if o.dtype.kind in "fc" else None) for i, o in enumerate(out)
        )

    def _wrap(self, value, note=None):
        """A new Tensor of this tape, known to the recorder if one runs below."""
        t = Tensor(value, self, note)
        return state.recorder.watch(t) if self is ROOT and state.recorder is not None else t

    def _value(self, x):
        """The value of `x`; an input of the program that is being recorded, if one is."""
        if self is ROOT and state.recorder is not None:
            state.recorder.lift(x)
        return x.value

    @staticmethod
    def _kept(row, values, out, keeps):
        tail = next((int(k[:-1]) for k in keeps if isinstance(k, str)), None)
        kept = [v if i in keeps or (tail is not None and i >= tail) else None for i, v in enumerate(values)]
        return (*kept, out if -1 in keeps else None)

    def recording(self):
        return not attention or (self.level >= state.paused_below and self not in state.paused)

    # --- what a Tensor asks of its owner ------------------------------------------------------------------------------

    def carries_derivative(self, x):
        return x.note is not None or (isinstance(x.value, Value) and x.value.owner.carries_derivative(x.value))

    def is_leaf(self, x):
        return x.note is None or isinstance(x.note, Leaf)

    def grad_fn(self, x):
        return None if self.is_leaf(x) else x.note

    def constant(self, array):
        """A Tensor that no derivative flows into."""
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
                x.note = Leaf()
        else:
            x.value, x.owner, x.note = Tensor(x.value, x.owner, x.note), self, Leaf()

    def rebind(self, x, new):
        """Give `x` the value and history of `new`. A leaf stays one for its `.grad`, and under no_grad altogether."""
        self._value(x)
        if isinstance(x.note, Leaf):
            if not (isinstance(new, Tensor) and new.owner is self and new.note is not None) and not self.recording():
                x.value = new.value if isinstance(new, Tensor) and new.owner is self else new
                return
            x.origin = x.note
        if isinstance(new, Tensor):
            x.value, x.owner, x.note = new.value, new.owner, new.note
        else:
            x.value, x.note = new, None

    def replace(self, x, value):
        self._value(x)
        value = value.detach() if isinstance(value, Tensor) else self.constant(np.asarray(value))
        x.value = cast(value.value if value.owner is self else value, x.dtype)

    def copy_leaf(self, x):
        new = type(x).__new__(type(x))
        new.value, new.owner, new.note = np.array(x.value), self, None
        if x.note is not None:
            new.note = Leaf()
        return new

    def detach(self, x):
        value = self._value(x)
        return self._wrap(value.owner.detach(value) if isinstance(value, Value) else value)

    def to_array(self, x, asked):
        self._value(x)
        if x.note is not None:
            raise LostDerivativeError(
                explain(
                    f"{asked} of a Tensor that requires grad would lose its derivative",
                    f"Tensor: {x.dtype} {x.shape}, {'a leaf' if self.is_leaf(x) else f'made by {x.note.name}'}",
                    help="use x.detach() if the derivative is not needed, or a chainrule function in place of the NumPy code",
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
        return bool(self._value(x))

    def describe(self, x):
        if isinstance(x.value, Value):
            inner = repr(x.value)
            return f"Tensor({inner}, level={self.level})"
        text = np.array2string(np.asarray(x.value), separator=", ", prefix="tensor(")
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
            raise ArgumentError(explain("retain_grad of a constant", help="its operations must involve a leaf that requires grad"))
        holder = x.origin = Leaf()

        def keep(g):
            accumulate(holder, g, self, False, set())

        self.register_hook(x, keep)

    def register_hook(self, x, hook):
        node = x.note
        if node is None:
            raise ArgumentError(
                explain("register_hook on a Tensor that does not require grad", help="call .requires_grad_() first")
            )
        if not hasattr(node, "hooks"):
            node.hooks = {}
            node.__class__ = _HOOKED.get(type(node), type(node))

        def call(g):
            new = hook(g if isinstance(g, Tensor) and g.owner is self else Tensor(g, self))
            return None if new is None else new.value if isinstance(new, Tensor) and new.owner is self else new

        handle = HookHandle(node, _tick())
        node.hooks[handle.key] = call
        return handle

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
        wanted = None if inputs is None else {t.note for t in ([inputs] if isinstance(inputs, Tensor) else inputs)}
        handed = {id(seed)}

        def sink(leaf, g, ours):
            accumulate(leaf, g, self, ours or owner is not None, handed)

        recorder = state.recorder if self is ROOT else None
        if recorder is not None:
            recorder.backward_depth += 1
        try:
            walk_back([(x.note, seed)], sink, retain=retain, owner=owner, wanted=wanted)
        finally:
            if recorder is not None:
                recorder.backward_depth -= 1

    def _prepare(self, x, gradient, create_graph):
        if x.note is None:
            if isinstance(x.value, Tensor):
                raise ArgumentError(
                    explain(
                        "backward inside a transform, from a Tensor whose operations began outside of it",
                        help="create the leaves inside the function, or use cr.grad there",
                    )
                )
            raise ArgumentError(
                explain(
                    "backward from a Tensor that depends on no leaf that requires grad",
                    f"Tensor: {x.dtype} {x.shape}",
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


class HookHandle:
    """Takes a hook off again."""

    def __init__(self, node, key):
        self.node, self.key = node, key

    def remove(self):
        self.node.hooks.pop(self.key, None)


def own(g, ours, handed):
    """`g` as an array that nobody else refers to and that can be written."""
    if not isinstance(g, np.ndarray) or ours:
        return g
    if g.base is not None or not g.flags.writeable or id(g) in handed:
        g = np.array(g)
    handed.add(id(g))
    return g


def accumulate(leaf, g, tape, ours, handed):
    """Add `g` to the `.grad` of a leaf."""
    if isinstance(g, Tensor) and g.owner is tape:
        leaf.grad = g if leaf.grad is None else leaf.grad + g
    elif leaf.grad is None:
        leaf.grad = tape._wrap(own(g, ours, handed), None)
    else:
        leaf.grad.value = tape._value(leaf.grad) + g


def leaked():
    return LeakedTensorError(
        explain(
            "a Tensor was used after the transform (grad, vjp, jvp, vmap ...) that made it had ended",
            help="return it from the transformed function, with has_aux=True if it is not the result, or keep x.detach()",
        )
    )


class Ended:
    """What the trace of a transform becomes when its function has returned: using its Tensors raises."""

    def describe(self, x):
        return f"Tensor(of a transform that has ended, {x.dtype})"

    def __getattr__(self, name):
        raise leaked()


def end(trace):
    trace.__class__ = Ended


class Scope:
    """A transform that is running its function: Tensors that require grad in there live on a tape above its trace."""

    def __init__(self, trace):
        self.trace, self.inner = trace, None

    def tape(self):
        if self.inner is None:
            self.inner = Tape(next_level(), lasting=True)
        return self.inner

    def __enter__(self):
        state.scopes.append(self)
        return self

    def __exit__(self, *exc):
        state.scopes.remove(self)
        end(self.trace)
        if self.inner is not None:
            end(self.inner)

    def strip(self, x):
        """`x` without the wrapping of this scope's own tapes above the trace."""
        while isinstance(x, Value) and x.owner is self.inner:
            x = x.value
        if isinstance(x, Value) and isinstance(x.owner, Ended) and x.owner is not self.trace:
            raise leaked()
        return x


ROOT = Tape(0, lasting=True)
_State.root = ROOT


class no_grad:
    """Context manager and decorator: operations inside record nothing for reverse mode.

    Transforms that begin inside (such as `grad`) work as usual.

    >>> import chainrule as cr
    >>> x = cr.tensor(2.0, requires_grad=True)
    >>> with cr.no_grad():
    ...     y = x * x
    >>> y.requires_grad
    False
    """

    def _level(self):
        return next_level()

    def __enter__(self):
        self._before = (*getattr(self, "_before", ()), state.paused_below)
        state.paused_below = self._level()
        attention.append(self)
        return self

    def __exit__(self, *exc):
        *rest, state.paused_below = self._before
        self._before = tuple(rest)
        attention.remove(self)

    def __call__(self, f):
        @functools.wraps(f)
        def wrapper(*args, **kwargs):
            with type(self)():
                return f(*args, **kwargs)

        return wrapper


class enable_grad(no_grad):
    """Context manager and decorator: undoes `no_grad` inside."""

    def _level(self):
        return -(10**9)


def is_grad_enabled():
    """Whether operations on Tensors that require grad are being recorded."""
    return state.ambient().recording()
