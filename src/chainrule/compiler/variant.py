"""One recorded run as a program that can be run again, on what its Tensors hold by then, with all that it leaves behind."""

import sys
from dataclasses import replace
from typing import Any

import numpy as np

from ..core.graph import Constant, Graph, Operand, Var
from ..core.value import Value
from ..dtypes import native_order
from ..errors import CompileError, explain
from ..tensor import Tensor
from ..transforms.backward import NOTHING, Call, Leaf, Output, SimpleNode
from ..transforms.programs import _program
from ..transforms.record import WRITTEN, _constant, check_writable
from ..transforms.reverse import ROOT
from ..trees import unflatten
from .native import execute, prepare
from .program import DONE, FAILED_CALL, FIRST_GUARD, OUT_OF_BOUNDS
from .runtime import ShapeChanged
from .simplify import simplify

GONE = Tensor(np.zeros(0), ROOT)  # where a program need not hold on to a Tensor


class Miss(Exception):
    """A variant does not hold for these values: decision number `guard` came out differently, or a shape did."""

    def __init__(self, guard=None):
        self.guard = guard


class OutOfBounds(Exception):
    """An index array points outside of its array."""


class NotThis:
    """Stands for any other outcome of a decision than this one."""

    def __init__(self, value):
        self.value = value


def is_array(x):
    return isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "biufc"


def exclusive(array, held):
    """Whether nobody but one Tensor refers to `array`, which then can be written in place.

    `held` counts the references that the caller has.
    """
    own = 3  # the Tensor's, the argument here, and that of getrefcount
    return sys.getrefcount(array) <= own + held and array.base is None and array.flags.c_contiguous and array.flags.writeable


def in_order(array):
    """Whether native code can write to an array of the caller's where it stands."""
    return array.flags.c_contiguous and array.flags.aligned


def leave(owner, array):
    """Let a Tensor, or an array of the caller's, have these values from now on."""
    if isinstance(owner, np.ndarray):
        if array is not owner:
            np.copyto(owner, array)
    else:
        owner.value = array
        owner._tell_views()


def history(note):
    """The records of operations and the leaves that a walk back from `note` meets."""
    seen, todo = set(), [note]
    while todo:
        node = todo.pop()
        if node is not None and id(node) not in seen:
            seen.add(id(node))
            yield node
            todo.extend(node.parents)


def alive(note):
    """Whether nothing that a walk back from `note` needs has been freed."""
    for node in history(note):
        if type(node) not in (Leaf, Output) and getattr(node, "kept", NOTHING) is None:
            return False
        if type(node) is Call and node.pullback is None:
            return False
    return True


def _history_of(note):
    """What a reference says of the history of a Tensor that each run makes."""
    if note is None:
        return None
    if type(note) is Leaf:
        return "leaf"
    if alive(note):
        return "live"
    row = next((node.row for node in history(note) if hasattr(node, "row")), _constant.row)
    return SimpleNode(row, (), None)


def freed(history):
    """The note of a Tensor whose history cannot be walked."""
    return history if isinstance(history, SimpleNode) else None


def depends_on_new_leaf(tensors, made):
    """Whether a lasting Tensor hangs on a leaf among them that the run made: a user may go back from one to the other."""
    tensors, own = [t for t in tensors if isinstance(t, Tensor)], set(map(id, made))
    leaves = {id(t.note) for t in tensors if type(t.note) is Leaf and id(t) in own}
    later = [t.note for t in tensors if type(t.note) is not Leaf]
    return bool(leaves) and any(id(node) in leaves for note in later for node in history(note))


def array_in(x):
    return x.value if isinstance(x, Value) else x


def _name(operand):
    return operand.id if isinstance(operand, Var) else id(operand)


def _operands(graph):
    """Everything that a graph says of its end: in the same order for a graph and what it was simplified to."""
    return [*graph.outputs, *(u.value for u in graph.updates), *(i.var for i in graph.inputs)]


class Variant:
    """A recorded run as a program that can be run again.

    What the run left behind is written down by references: ('input', k) is the Tensor that input k is read from,
    ('argument', i) a leaf of the arguments, ('captured', Tensor) one that the program only hands on, and
    ('new', key, operand, history) a Tensor that each run makes: a constant, a 'leaf', 'live', the result of operations, or the
    record of an operation that a walk back has freed.

    Parameters
    ----------
    recorded : Recorded
    leaves : leaves of the arguments of the recorded call
    slots : (holder, key, Tensor before, Tensor after) of the places that the function binds to new Tensors
    precise : as of `compile`
    keep : objects by whose identity calls are known
    turn : Turn of all programs that change the same state
    """

    def __init__(self, recorded, leaves, slots=(), precise=False, keep=(), turn=None):
        graph, self.turn = recorded.graph, turn
        self.recorded, self.structure, self.precise, self.keep = graph, graph.structure, precise, keep
        self.arguments = {id(x): i for i, x in enumerate(leaves) if isinstance(x, Tensor)}
        self.leaf_arguments = {id(x.note): i for i, x in enumerate(leaves) if isinstance(x, Tensor) and type(x.note) is Leaf}
        self.sources = self._sources(recorded, leaves, slots)  # where the value of each input comes from
        self.notes = [(t, t.note) for kind, t, *_ in self.sources if kind == "tensor"]
        self.preconditions = [(self._leaf_source(leaf), g is None) for leaf, g in recorded.grads if g is not WRITTEN]

        self.number = {id(i.tensor): k for k, i in enumerate(graph.inputs) if i.tensor is not None}
        for k, (kind, *rest) in enumerate(self.sources):
            if kind == "argument" and isinstance(leaves[rest[0]], np.ndarray):
                self.number[id(leaves[rest[0]])] = k
        # Arrays of the caller's that the program assigns to.
        self.written = [(self.number[id(u.tensor)], u.label) for u in graph.updates if isinstance(u.tensor, np.ndarray)]
        self.made = {id(u.tensor): u.value for u in graph.updates if id(u.tensor) not in self.number}
        ours = set(map(id, recorded.made))
        tensors = [(x, o) for x, o in zip(recorded.leaves, graph.outputs, strict=True) if isinstance(x, Tensor)]
        self.made |= {id(x): o for x, o in tensors if id(x) in ours}
        self.updates = [(self.number[id(u.tensor)], u.value) for u in graph.updates if id(u.tensor) in self.number]
        self.gradients = [  # (where the leaf is found, reference of its gradient or None)
            (self._leaf_source(leaf), None if leaf.grad is None else self._reference(leaf.grad)) for leaf, _ in recorded.grads
        ]
        self.slots = [(holder, key, self._reference(after)) for holder, key, _, after in slots]
        self.differentiable = any(x.note is not None and type(x.note) is not Leaf and alive(x.note) for x, _ in tensors)
        self.outputs = [self._output(x, o, leaves) for x, o in zip(recorded.leaves, graph.outputs, strict=True)]

        for i, (kind, *_) in zip(graph.inputs, self.sources, strict=True):
            if kind == "grad":
                i.tensor = None  # the gradients of this run need not live on

        self._let_go()
        self.graph = simplify(graph, write_out=not self.differentiable)
        self.rename = dict(zip(map(_name, _operands(graph)), _operands(self.graph), strict=True))
        self.guards = [((g.value, g.about), g.source) for g in self.graph.guards]
        self.by_input = {i.var.id: k for k, i in enumerate(self.graph.inputs)}
        self.updates = [(k, self.new(x)) for k, x in self.updates]
        self.gradients = [(where, self._renamed(r)) for where, r in self.gradients]
        self.slots = [(holder, key, self._renamed(r)) for holder, key, r in self.slots]
        self.outputs = [(kind, self._renamed(x) if kind == "tensor" else self.new(x)) for kind, x in self.outputs]
        self.door: Any = None  # its way without Python; False if it has none
        self.others: dict = {}  # status of a decision that came out differently -> the variant that goes on from there
        self.kept: list = []  # what that way refers to
        self.pure: Graph | None = None
        self.pairs: dict = {}  # id of a new value -> number of the input whose memory it takes over
        self.reuses = self.quick = False
        if self.differentiable:
            self._make_pure()
        else:
            self._make_direct()

    # --- writing down what a run does ----------------------------------------------------------------------------------------

    def _sources(self, recorded, leaves, slots):
        arrays = iter([i for i, x in enumerate(leaves) if is_array(x)])
        first_grads = {id(g): leaf for leaf, g in recorded.grads if isinstance(g, Tensor)}
        places = {id(before): (holder, key) for holder, key, before, _ in slots}
        sources: list = []
        for i in recorded.graph.inputs:
            t = i.tensor
            if t is None:
                sources.append(("argument", next(arrays)))
            elif isinstance(t, np.ndarray):
                sources.append(("array", t))
            elif id(t) in self.arguments:
                sources.append(("argument", self.arguments[id(t)]))
            elif id(t) in first_grads:
                sources.append(("grad", *self._leaf_source(first_grads[id(t)])))
            elif id(t) in places:
                sources.append(("slot", *places[id(t)]))
            else:
                sources.append(("tensor", t))
        return sources

    def _let_go(self):
        """Gradients and other Tensors of the recorded run are nobody's but the user's."""
        for k, i in enumerate(self.recorded.inputs):
            if self.sources[k][0] in ("grad", "slot"):
                i.tensor = GONE
        lasting = {id(i.tensor) for i in self.recorded.inputs}
        for u in self.recorded.updates:
            if id(u.tensor) not in lasting:
                u.tensor = GONE

    def _leaf_source(self, leaf):
        i = self.leaf_arguments.get(id(leaf))
        return ("leaf", leaf) if i is None else ("argument leaf", i)

    def _reference(self, t):
        if id(t) in self.number:
            return "input", self.number[id(t)]
        if id(t) in self.arguments:
            return "argument", self.arguments[id(t)]
        if id(t) in self.made:
            return "new", id(t), self.made[id(t)], _history_of(t.note)
        return "captured", t

    def _renamed(self, reference):
        if reference is None or reference[0] != "new":
            return reference
        kind, key, operand, history = reference
        return kind, key, self.new(operand), history

    def _output(self, x, operand, leaves):
        if isinstance(x, Tensor):
            return "tensor", self._reference(x)
        if isinstance(x, np.ndarray):
            i = next((i for i, y in enumerate(leaves) if y is x), None)
            # A branch that gives back its operand may not be taken next time.
            same = i is not None and operand in self._what_becomes_of(i, x)
            return ("tensor", ("argument", i)) if same else ("array", operand)
        return ("number", operand) if isinstance(x, np.generic) else ("constant", x)

    def _what_becomes_of(self, i, array):
        """The operands that stand for an array among the arguments: itself, and what the function leaves in it."""
        inputs = (v.var for v, source in zip(self.recorded.inputs, self.sources, strict=True) if source == ("argument", i))
        return [*inputs, *(u.value for u in self.recorded.updates if u.tensor is array)]

    def new(self, operand):
        """What has become of an operand of the recorded graph."""
        return self.rename.get(_name(operand), operand) if isinstance(operand, (Var, Constant)) else operand

    def _made(self):
        """Operands of everything that a run makes anew."""
        found = [x for kind, x in self.outputs if kind in ("array", "number")]
        references = [r for _, r in self.gradients] + [r for *_, r in self.slots]
        references += [x for k, x in self.outputs if k == "tensor"]
        return found + [r[2] for r in references if r is not None and r[0] == "new"]

    # --- whether it holds -----------------------------------------------------------------------------------------------------

    def holds(self, leaves):
        """Whether what the program takes for granted is so."""
        for t, note in self.notes:
            if t.note is not note or not isinstance(t.value, (np.ndarray, np.generic)):
                return False
        for where, none in self.preconditions:
            if (self._leaf(where, leaves).grad is None) is not none:
                return False
        return all(kind != "grad" or self._leaf(rest, leaves).grad is not None for kind, *rest in self.sources)

    def guards_begin(self, known):
        """Whether the program takes these decisions first."""
        for k, (value, _) in zip(known, self.guards, strict=False):
            if isinstance(k, NotThis):
                if value == k.value:
                    return False
            elif value != k:
                return False
        return len(self.guards) >= len(known)

    def _leaf(self, where, leaves):
        kind, x = where
        return x if kind == "leaf" else leaves[x].note

    def owner(self, k, leaves):
        """The Tensor or array whose value is input number `k`."""
        kind, *rest = self.sources[k]
        if kind == "argument":
            return leaves[rest[0]]
        if kind == "grad":
            return self._leaf(rest, leaves).grad
        if kind == "slot":
            holder, key = rest
            return holder[key]
        return rest[0]

    # --- running as one program with effects ---------------------------------------------------------------------------------

    def _make_direct(self):
        """Build the program. Tensors that it reads and updates keep their arrays; other new values get arrays from us."""
        graph = self.graph
        made = self._made()
        old_values = {x.id for x in [*made, *(x for _, x in self.updates)] if isinstance(x, Var) and x.id in self.by_input}
        pairs = {}
        self.after = []  # (number of an input, operand that its Tensor becomes), where that is not done in place
        for k, x in self.updates:
            old = graph.inputs[k].var.id
            if isinstance(x, Var) and x.id not in self.by_input and x.id not in pairs and old not in old_values:
                pairs[x.id] = old
                self.pairs[x.id] = k
            else:
                self.after.append((k, x))
        self.taken = set(self.pairs.values())
        # Outputs and updates of the graph may be more than what is asked for here.
        wanted: list[Operand] = [x for x in made if isinstance(x, Var)]
        self.run = prepare(replace(graph, outputs=wanted, derived={}), pairs.items(), self.precise)
        if self.turn is not None and (self.updates or self.gradients or self.slots or self.written):
            self.run.turn, self.run.alone = self.turn, True
        calls = self.run.calls
        # The array of an old gradient may be written over only if nothing can go wrong any more.
        self.reuses = not calls and not graph.guards
        self.gradient_of: dict = {}  # id of a variable -> where the leaf is whose gradient it becomes
        self.quick = not (self.after or calls or self.slots or self.written)
        for where, r in self.gradients:
            if r is None:
                self.quick &= (where, True) in self.preconditions
            elif r[0] == "new" and isinstance(r[2], Var) and r[2].id not in {*self.by_input, *self.pairs, *self.gradient_of}:
                self.gradient_of[r[2].id] = where
                self.quick &= self.reuses
            else:
                self.quick &= r[0] == "input" and self.sources[r[1]] == ("grad", *where)

    def _check_written(self, owners):
        if self.written:
            read = [np.asarray(array_in(x)) for x in owners]
            for k, label in self.written:
                check_writable(owners[k], label, read)

    def call(self, leaves):
        """Run on the leaves of the arguments; gives the result. Raises Miss if another path is taken."""
        if self.pure is not None:
            return self.call_pure(leaves)
        with self.run.reserved() as run:
            return self._call(run, leaves)

    def _call(self, run, leaves):
        inputs: list = []
        owners = [self.owner(k, leaves) for k in range(len(self.graph.inputs))]
        self._check_written(owners)
        for k, (i, t) in enumerate(zip(self.graph.inputs, owners, strict=True)):
            x = array_in(t)
            if type(x) is not np.ndarray:
                x = np.asarray(x)
                if isinstance(t, Value):  # an array from now on, whose address does not change
                    t.value = x
            x = native_order(x)
            if x.shape != i.var.aval.shape or x.dtype != i.var.aval.dtype:
                raise Miss
            if k in self.taken:
                free = in_order(x) if x is t else exclusive(x, 1) and not any(x is y for y in inputs)
                if not free:
                    x = np.array(x, order="C")
            elif not x.flags.c_contiguous or not x.flags.aligned:
                x = np.ascontiguousarray(x)
            inputs.append(x)
        made = {}
        for _, v in run.output_slots:
            grad = self._spare_gradient(v, leaves)
            made[v.id] = np.empty(v.aval.shape, v.aval.dtype) if grad is None else grad
        status = run.run(inputs, made)
        if status != DONE:
            self._failed(run, status)
        for k in self.taken:
            leave(owners[k], inputs[k])

        def value(operand):
            if isinstance(operand, Constant):
                return np.array(operand.value)
            k = self.pairs.get(operand.id)
            if k is not None:
                return inputs[k]
            return made[operand.id] if operand.id in made else np.array(inputs[self.by_input[operand.id]])

        return self._leave(value, owners, leaves, {id(inputs[k]) for k in self.taken})

    def _spare_gradient(self, v, leaves):
        """The array of the old gradient that variable `v` replaces, if nobody else can see it."""
        where = self.gradient_of.get(v.id) if self.reuses else None
        grad = None if where is None else self._leaf(where, leaves).grad
        if (
            grad is not None and sys.getrefcount(grad) <= 3 and grad.owner is ROOT and grad.note is None
            and type(grad.value) is np.ndarray and exclusive(grad.value, 0)
            and grad.value.shape == v.aval.shape and grad.value.dtype == v.aval.dtype
        ):  # fmt: skip
            return grad.value
        return None

    def _leave(self, value, owners, leaves, handed):
        """Leave Tensors as the function would have left them; gives its result.

        `value` gives what an operand has become, `owners` are the Tensors of the inputs, `handed` the ids of arrays that
        belong to a Tensor already.
        """

        def own(operand):
            array = array_in(value(operand))
            if id(array) in handed or not isinstance(array, np.ndarray):
                array = np.array(array)
            handed.add(id(array))
            return array

        fresh: dict = {}

        def tensor(reference):
            kind, x, *more = reference
            if kind == "input":
                return owners[x]
            if kind == "argument":
                return leaves[x]
            if kind == "captured":
                return x
            if x not in fresh:
                operand, history = more
                y = value(operand)
                if history != "live" or not isinstance(y, Tensor):
                    y = Tensor(own(operand), ROOT, Leaf() if history == "leaf" else freed(history))
                fresh[x] = y
            return fresh[x]

        new = [(owners[k], own(x)) for k, x in self.after]
        for t, array in new:
            leave(t, array)
        for where, r in self.gradients:
            leaf = self._leaf(where, leaves)
            if r is None:
                leaf.grad = None
                continue
            old = leaf.grad
            if r[0] == "new" and old is not None and r[1] not in fresh:
                array = value(r[2])
                if array is old.value and id(array) not in handed:  # written in place
                    handed.add(id(array))
                    fresh[r[1]] = old
            leaf.grad = tensor(r)
        for holder, key, r in self.slots:
            holder[key] = tensor(r)
        out = []
        for kind, x in self.outputs:
            if kind == "tensor":
                out.append(tensor(x))
            elif kind == "constant":
                out.append(x)
            else:
                out.append(own(x)[()] if kind == "number" else own(x))
        return unflatten(self.structure, out)

    @staticmethod
    def _failed(run, status):
        if status >= FIRST_GUARD:
            raise Miss(status - FIRST_GUARD)
        if status == FAILED_CALL:
            error, run.error = run.error, None
            if isinstance(error, ShapeChanged):
                raise Miss
            raise error or CompileError(explain("a call back into NumPy failed", help="run the function uncompiled"))
        assert status == OUT_OF_BOUNDS, status
        raise OutOfBounds

    # --- running as one operation that can be differentiated ------------------------------------------------------------------

    def _make_pure(self):
        """The graph without effects: what it leaves behind are further outputs."""
        self.after = self.updates
        wanted = [*self._made(), *(x for _, x in self.updates)]
        self.place_of = {x.id: n for n, x in enumerate(wanted) if isinstance(x, Var)}
        self.pure = replace(self.graph, outputs=wanted, updates=[], guards=[], structure=None, arguments=None, derived={})
        decided = [g.var for g in self.graph.guards]
        self.decisions = replace(self.pure, outputs=decided, derived={}) if decided else None

    def call_pure(self, leaves):
        """Run as an operation on the tape."""
        owners = [self.owner(k, leaves) for k in range(len(self.graph.inputs))]
        self._check_written(owners)
        for x, i in zip(owners, self.graph.inputs, strict=True):
            if x.shape != i.var.aval.shape or x.dtype.newbyteorder("=") != i.var.aval.dtype:
                raise Miss
        operands = [x if isinstance(x, Value) else native_order(x) for x in owners]
        if self.decisions is not None:
            now = execute(self.decisions, [np.asarray(array_in(x)) for x in operands])
            for n, (x, g) in enumerate(zip(now, self.graph.guards, strict=True)):
                if type(g.value)(x) != g.value:
                    raise Miss(n)
        made = _program(*operands, graph=self.pure)

        def value(operand):
            return np.array(operand.value) if isinstance(operand, Constant) else made[self.place_of[operand.id]]

        return self._leave(value, owners, leaves, set())
