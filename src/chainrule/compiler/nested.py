"""Loops and branches whose bodies are graphs: each body is a function of the module, called from a native loop."""

from dataclasses import dataclass, replace
from typing import Any

from ..core.aval import aval_of
from ..core.graph import Constant, Update, Var
from .memory import SLACK, rounded, size_of
from .runtime import ARENA, FIXED, STATUS
from .simplify import simplify

KINDS = ("scan", "while_loop", "while_backward", "cond")


@dataclass
class Part:
    """A graph as a function of a pointer table of its own.

    Attributes
    ----------
    name : of the function
    slots : what the table holds from FIXED on
    inputs : slot of each input
    outputs : for each output: the slot that its memory goes into, or None if it is no new value
    table, arena : bytes
    program : the Program of which this is the function
    """

    graph: object
    name: str
    slots: list
    inputs: list
    outputs: list
    table: int
    arena: int
    program: Any
    prepare: str | None = None  # the function that lays out what stays the same in all turns

    @property
    def bytes(self):
        return self.table + self.arena


def part(graph, assembler, kept=(), fixed=0):
    """Build the function of a graph that runs many times.

    `kept`: (output number, input number) pairs that share memory, if they can; the first `fixed` inputs stay the same.
    """
    graph = simplify(graph)
    inputs = {i.var.id for i in graph.inputs}
    made: dict = {}
    updates = {}
    for o, i in kept:
        x = graph.outputs[o]
        if (
            isinstance(x, Var)
            and x.id not in inputs
            and sum(y is x or (isinstance(y, Var) and y.id == x.id) for y in graph.outputs) == 1
        ):
            updates[x.id] = graph.inputs[i].var.id
    # What is kept in place is no output of its own.
    outputs = [o for o in graph.outputs if not (isinstance(o, Var) and o.id in updates)]
    same = [i.var.id for i in graph.inputs[:fixed]]
    inner = type(assembler)(
        _with(graph, outputs, updates), updates=updates.items(), precise=assembler.precise, parent=assembler, fixed=same
    )
    program = inner.build(None)
    slots = []
    for x in graph.outputs:
        if isinstance(x, Var) and x.id in updates:
            slots.append(inner.slot_of[updates[x.id]])
        elif isinstance(x, Var) and x.id not in inputs and x.id not in made:
            slots.append(inner.slot_of[x.id])
            made[x.id] = True
        else:
            slots.append(None)
    table = rounded(8 * (FIXED + len(inner.slots)))
    given = [inner.slot_of[i.var.id] for i in graph.inputs]
    return Part(graph, program.name, inner.slots, given, slots, table, rounded(program.arena + 64), program, inner.prepare)


def _with(graph, outputs, updates):
    """The graph with what is kept in place as updates, so that it is computed."""
    kept = [o for o in graph.outputs if isinstance(o, Var) and o.id in updates]
    return replace(graph, outputs=outputs, updates=[Update("carry", None, o) for o in kept], derived={})


def parts(step, assembler):
    """The functions that a loop or branch needs."""
    p, name = step.params, step.row.name
    if name == "scan":
        return [part(p["body"], assembler, [(c, p["consts"] + c) for c in range(p["carries"])], p["consts"])]
    if name == "while_loop":
        body = p["body"]
        pairs = [(c, p["consts"] + c) for c in range(len(body.outputs))]
        return [part(p["condition"], assembler, (), p["consts"]), part(body, assembler, pairs, p["consts"])]
    if name == "cond":
        return [part(b, assembler) for b in p["branches"]]
    body, pull = p["body"], p["pull"]
    return [part(body, assembler, (), p["consts"]), part(pull, assembler, (), p["consts"])]


def constants(kernel):
    """Constants that the parts give as they are."""
    return [x for p in kernel.detail for x in p.graph.outputs if isinstance(x, Constant)]


def scratch(kernel):
    """Bytes for the tables and arenas of the parts, and for what the loop keeps."""
    return sum(p.bytes for p in kernel.detail) + sum(map(_room, _kept(kernel))) + 64


def _room(aval):
    return rounded(size_of(aval) + SLACK)


def _kept(kernel):
    """Shapes of what a loop keeps beside its results: carries that change places, cotangents of one turn."""
    step, name = kernel.step, kernel.step.row.name
    if name == "while_backward":
        return [v.aval for v in step.outputs]
    if name == "cond":
        return []
    consts = step.params["consts"]
    carries = step.params["carries"] if name == "scan" else len(step.outputs) - 1
    return [step.outputs[c].aval for c in _moving(kernel.detail[-1], consts, carries)]


def _moving(p, first_input, carries):
    """Which carries have new values that the part does not write where the old ones are read."""
    for c in range(carries):
        x, old = p.graph.outputs[c], p.graph.inputs[first_input + c].var
        stays = isinstance(x, Var) and x.id == old.id
        if not stays and p.outputs[c] != p.inputs[first_input + c]:
            yield c


class Writer:
    """Writes a loop or branch into a function of the pointers of its operands."""

    def __init__(self, kernel, f, pointers):
        self.kernel, self.f, self.pointers = kernel, f, pointers
        self.step = kernel.step
        self.tables = []
        at = 0
        for p in kernel.detail:
            self.tables.append(f.offset(f.arguments["scratch"], at))
            for call in (what for kind, what in p.slots if kind == "call"):
                call.moved(at + (p.table if call.inner else 0))  # the memory of a part begins behind its table
            at += p.bytes
        self.rest = f.offset(f.arguments["scratch"], at)

    def pointer(self, operand):
        return self.pointers[id(operand) if isinstance(operand, Constant) else operand.id]

    def open(self, n):
        """Fill the entries of a part's table that stay the same."""
        f, p, table = self.f, self.kernel.detail[n], self.tables[n]
        f.store(f.offset(table, p.table), table, ARENA)
        f.store(f.arguments["failed"], table, STATUS)
        for slot, (kind, what) in enumerate(p.slots, FIXED):
            if kind in ("constant", "call"):
                f.store(self.pointers[id(what) if kind == "constant" else what], table, slot)

    def prepare(self, n):
        """Lay out what stays the same in all turns, now that it is given."""
        p = self.kernel.detail[n]
        if p.prepare is not None:
            self.f.line(f"call void @{p.prepare}({self.tables[n]})")

    def give(self, n, slot, pointer):
        self.f.store(pointer, self.tables[n], slot)

    def run(self, n):
        """Call a part; a status other than done is returned at once."""
        f = self.f
        code = f.emit("i64", f"call i64 @{self.kernel.detail[n].name}({self.tables[n]}, i64 0, i64 1)")
        tag = f.fresh("ran")
        f.line(f"br i1 {code.differs(0).text}, label %{tag}.not, label %{tag}")
        f.label(f"{tag}.not")
        f.give(code)
        f.label(tag)

    def before(self, n, output, target):
        """Copy an output of a part that is one of its inputs to where it belongs: that input may be written over."""
        p = self.kernel.detail[n]
        x = p.graph.outputs[output]
        number = {i.var.id: k for k, i in enumerate(p.graph.inputs)}
        if isinstance(x, Var) and x.id in number:
            source = self.f.load("ptr", self.tables[n], p.inputs[number[x.id]])
            self.f.copy(target, source, size_of(x.aval))

    def after(self, n, output, target):
        """Copy an output that is the same new value as another output, or a constant."""
        p = self.kernel.detail[n]
        x = p.graph.outputs[output]
        if isinstance(x, Constant):
            self.f.copy(target, self.pointers[id(x)], size_of(aval_of(x.value)))
        elif p.outputs[output] is None and x.id not in {i.var.id for i in p.graph.inputs}:
            first = next(k for k, y in enumerate(p.graph.outputs) if isinstance(y, Var) and y.id == x.id)
            self.f.copy(target, self.f.load("ptr", self.tables[n], p.outputs[first]), size_of(x.aval))

    def run_into(self, n, targets):
        """Run a part whose outputs that are no new values go to these places, by number of the output."""
        for output, target in targets.items():
            self.before(n, output, target)
        self.run(n)
        for output, target in targets.items():
            self.after(n, output, target)


def emit(kernel, f, pointers):
    """Write a nested kernel; its function returns a status."""
    writer = Writer(kernel, f, pointers)
    {"scan": _scan, "while_loop": _while, "cond": _cond, "while_backward": _back}[kernel.step.row.name](writer)
    f.give(f.constant("i64", 0))


def _carry(w, n, first_input, args, outs):
    """Let carries live in the memory of the results. Gives what must be copied after each turn: those that change places."""
    f, p = w.f, w.kernel.detail[n]
    for c, (x, out) in enumerate(zip(args, outs, strict=True)):
        f.copy(w.pointer(out), w.pointer(x), size_of(out.aval))
        w.give(n, p.inputs[first_input + c], w.pointer(out))
    moved, at = [], 0
    for c in _moving(p, first_input, len(outs)):
        out, target = outs[c], f.offset(w.rest, at)
        at += _room(out.aval)
        if p.outputs[c] is not None:
            w.give(n, p.outputs[c], target)
        moved.append((c, target, w.pointer(out), size_of(out.aval)))
    return moved


def _turn(w, n, moved, places=()):
    """Run a body, then put carries that change places where they are read."""
    w.run_into(n, {**{output: target for output, target, _, _ in moved}, **dict(places)})
    for _, target, home, size in moved:
        w.f.copy(home, target, size)


def _scan(w):
    f, step = w.f, w.step
    consts, carries, length = (step.params[k] for k in ("consts", "carries", "length"))
    (p,) = w.kernel.detail
    w.open(0)
    for k, x in enumerate(step.inputs[:consts]):
        w.give(0, p.inputs[k], w.pointer(x))
    w.prepare(0)
    moved = _carry(w, 0, consts, step.inputs[consts : consts + carries], step.outputs[:carries])
    xs, ys = step.inputs[consts + carries :], step.outputs[carries:]
    steps = [size_of(i.var.aval) for i in p.graph.inputs[consts + carries :]]
    with f.loop(0, length) as turn:
        t = f.index(length - 1) - turn.index if step.params["reverse"] else turn.index
        for k, (x, n) in enumerate(zip(xs, steps, strict=True)):
            w.give(0, p.inputs[consts + carries + k], f.offset(w.pointer(x), t * n))
        places = {}
        for k, y in enumerate(ys):
            place = places[carries + k] = f.offset(w.pointer(y), t * (size_of(y.aval) // max(length, 1)))
            if p.outputs[carries + k] is not None:
                w.give(0, p.outputs[carries + k], place)
        _turn(w, 0, moved, places)


def _while(w):
    f, step = w.f, w.step
    consts = step.params["consts"]
    condition, body = w.kernel.detail
    *outs, count = step.outputs
    for n, p in enumerate((condition, body)):
        w.open(n)
        for k, x in enumerate(step.inputs[:consts]):
            w.give(n, p.inputs[k], w.pointer(x))
        w.prepare(n)
    moved = _carry(w, 1, consts, step.inputs[consts:], outs)
    for c, out in enumerate(outs):
        w.give(0, condition.inputs[consts + c], w.pointer(out))
    decided = f.stack("i8", 8)
    if condition.outputs[0] is not None:
        w.give(0, condition.outputs[0], decided)
    f.store(f.constant("i64", 0), w.pointer(count))
    tag = f.fresh("while")
    f.line(f"br label %{tag}")
    f.label(tag)
    w.run_into(0, {0: decided})
    f.line(f"br i1 {f.load('i8', decided).differs(0).text}, label %{tag}.turn, label %{tag}.end")
    f.label(f"{tag}.turn")
    _turn(w, 1, moved)
    f.store(f.load("i64", w.pointer(count)) + 1, w.pointer(count))
    f.line(f"br label %{tag}")
    f.label(f"{tag}.end")


def _cond(w):
    f, step = w.f, w.step
    pred, *args = step.inputs
    decided = f.load("i8", w.pointer(pred)) if isinstance(pred, Var) else f.constant("i8", bool(pred.value))

    def branch(n):
        p = w.kernel.detail[n]
        w.open(n)
        for k, x in enumerate(args):
            w.give(n, p.inputs[k], w.pointer(x))
        for k, out in enumerate(step.outputs):
            if p.outputs[k] is not None:
                w.give(n, p.outputs[k], w.pointer(out))
        w.run_into(n, {k: w.pointer(out) for k, out in enumerate(step.outputs)})
        return []

    f.choose(decided.differs(0), lambda: branch(0), lambda: branch(1))


def _back(w):
    """The way is walked again and kept, then walked back."""
    f, step = w.f, w.step
    p = step.params
    consts, moving = p["consts"], p["moving"]
    carries = len(moving) - consts
    count, *args = step.inputs
    fixed, state, ws = args[:consts], args[consts : consts + carries], args[consts + carries :]
    body, pull = w.kernel.detail
    n = f.load("i64", w.pointer(count)) if isinstance(count, Var) else f.index(int(count.value))
    sizes = [rounded(size_of(x.aval)) for x in (i.var for i in body.graph.inputs[consts:])]
    total = sum(sizes)
    f.module.declare("malloc", "ptr", ["i64"])
    f.module.declare("free", "void", ["ptr"])
    way = f.emit("ptr", f"call ptr @malloc({(n + 1) * max(total, 64) + SLACK})")
    places, at = [], 0
    for size in sizes:
        places.append(at)
        at += size
    for k in (0, 1):
        w.open(k)
        for c, x in enumerate(fixed):
            w.give(k, w.kernel.detail[k].inputs[c], w.pointer(x))
        w.prepare(k)
    for c, x in enumerate(state):
        f.copy(f.offset(way, places[c]), w.pointer(x), size_of(body.graph.inputs[consts + c].var.aval))
    with f.loop(0, n) as turn:
        here = f.offset(way, turn.index * max(total, 64))
        there = f.offset(here, max(total, 64))
        for c in range(carries):
            w.give(0, body.inputs[consts + c], f.offset(here, places[c]))
            if body.outputs[c] is not None:
                w.give(0, body.outputs[c], f.offset(there, places[c]))
        w.run_into(0, {c: f.offset(there, places[c]) for c in range(carries)})
    # Results: sums for the consts that move, then the cotangents that are handed from turn to turn.
    added = sum(moving[:consts])
    room, at = [], 0
    for v in step.outputs:
        room.append(f.offset(w.rest, at))
        at += _room(v.aval)
    for v in step.outputs[:added]:
        f.clear(w.pointer(v), size_of(v.aval))
    for v, x in zip(step.outputs[added:], ws, strict=True):
        f.copy(w.pointer(v), w.pointer(x), size_of(v.aval))
    for k, v in enumerate(step.outputs[added:]):
        w.give(1, pull.inputs[consts + carries + k], w.pointer(v))
    for k, _ in enumerate(step.outputs):
        if pull.outputs[k] is not None:
            w.give(1, pull.outputs[k], room[k])
    with f.loop(0, n) as turn:
        here = f.offset(way, (n - 1 - turn.index) * max(total, 64))
        for c in range(carries):
            w.give(1, pull.inputs[consts + c], f.offset(here, places[c]))
        w.run_into(1, dict(enumerate(room)))
        for k, v in enumerate(step.outputs):
            if k < added:
                _add(f, w.pointer(v), room[k], v.aval)
            else:
                f.copy(w.pointer(v), room[k], size_of(v.aval))
    f.line(f"call void @free({way})")


def _add(f, target, source, aval):
    """target += source, element by element."""
    t = "float" if aval.dtype.itemsize == 4 else "double"
    with f.loop(0, size_of(aval) // aval.dtype.itemsize) as turn:
        f.store(f.load(t, target, turn.index) + f.load(t, source, turn.index), target, turn.index)
