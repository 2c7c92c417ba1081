"""A graph as one native program: kernels become functions of one module, called in turn by its entry function."""

import functools
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.graph import Constant, Graph, Var
from ..core.lowering import Loop, Map, Pool, Reduce, View
from . import convolutions, nested, pieces, pooling, products, running
from .clock import COPIES, Clock, times_of
from .expressions import shape_of
from .fuse import Fuser
from .fused import signature
from .llvm import Function, Module
from .loops import Emitter, memory_type, nodes_under, tops
from .memory import Plan, plan, rounded, size_of
from .runtime import ARENA, FIXED, STATUS
from .scalars import NoLowering, Number, Scalars, lower

DONE, FAILED_CALL, OUT_OF_BOUNDS, FIRST_GUARD = 0, -1, -2, 1
BOUNDS = object()
CODE, RESULT = 1, 2  # words of the status: what a step ended with; what the program did. The first: an index was out of bounds


# --- what can be native -------------------------------------------------------------------------------------------------


@functools.cache
def _scalar_works(row, dtypes, numbers, params):
    """Whether a Map row has machine code for arguments of these dtypes."""
    module = Module()
    f = Function(module, "probe", [])
    s = Scalars(f, 0)
    found = iter(numbers)
    try:
        args = [next(found)[0] if d is None else s.constant(1, d) for d in dtypes[:-1]]
        if not any(isinstance(a, Number) for a in args):
            args[0] = s.constant(args[0], np.dtype(type(args[0])))
        lower(row, s, args, dict(params), dtypes[-1])
    except NoLowering:
        return False
    return True


def native(step):
    """Whether a step can become machine code."""
    try:
        avals = [v.aval for v in step.outputs]
        for a in avals:
            memory_type(a.dtype)
        for x in step.inputs:
            if isinstance(x, Var):
                memory_type(x.aval.dtype)
            elif isinstance(x.value, np.ndarray):
                memory_type(x.value.dtype)
    except NoLowering:
        return False
    row = step.row
    if isinstance(row.lower, Map):
        dtypes: list = []
        numbers: list = []
        for x in step.inputs:
            if (
                isinstance(x, Constant)
                and isinstance(x.value, (bool, int, float, complex))
                and not isinstance(x.value, np.generic)
            ):
                if isinstance(x.value, complex):
                    return False
                dtypes.append(None)
                numbers.append((x.value, type(x.value), repr(x.value)))
            else:
                dtypes.append(x.aval.dtype if isinstance(x, Var) else np.asarray(x.value).dtype)
        try:
            params = tuple(sorted(step.params.items()))
            hash(params)
        except TypeError:
            return False
        return _scalar_works(row, (*dtypes, avals[0].dtype), tuple(numbers), params)
    if isinstance(row.lower, Reduce):
        return not (
            row.lower.combine in ("maximum", "minimum") and 0 in (shape_of(step.inputs[0])[a] for a in step.params["axes"])
        )
    if row.name == "astype":
        return _cast_works(
            *(x.aval.dtype if isinstance(x, Var) else np.asarray(x.value).dtype for x in step.inputs), avals[0].dtype
        )
    if isinstance(row.lower, Pool) and not pooling.works(step):
        return False
    if pieces.are_made_by(step):
        return pieces.work(step)
    if isinstance(row.lower, Loop):
        return row.name in nested.KINDS
    if row.name in convolutions.ROWS:
        return convolutions.works(step)
    if row.name in running.ROWS:
        (x,) = step.inputs
        return _cast_works(x.aval.dtype if isinstance(x, Var) else np.asarray(x.value).dtype, avals[0].dtype)
    if row.name in ("argmax", "argmin"):
        return shape_of(step.inputs[0])[step.params["axis"]] > 0
    return isinstance(row.lower, (View, Pool)) or row.name in ("matmul", "contract", "random_bits")


@functools.cache
def _cast_works(source, target):
    s = Scalars(Function(Module(), "probe", []), 0)
    try:
        s.cast(s.constant(1, source), target)
    except NoLowering:
        return False
    return True


# --- programs -----------------------------------------------------------------------------------------------------------


class Callback:
    """A step that NumPy runs, and where its operands stand: in the pointer table, or in the arena."""

    def __init__(self, step, places):
        self.step, self.places = step, places
        self.table = 0  # where the table of its program stands in the arena of the whole, if `inner`
        self.inner = False

    def moved(self, offset):
        """Its program is part of another one, whose memory begins so much earlier."""
        self.table += offset
        self.inner = True


def _variables(step):
    return [x for x in (*step.inputs, *step.outputs) if isinstance(x, Var)]


@dataclass
class Program:
    """Code of a graph, and what its caller must provide.

    Attributes
    ----------
    slots : what stands in the pointer table from FIXED on: ('input', k), ('constant', array), ('output', variable),
        ('call', Callback)
    arena : bytes
    alias : id of an updated variable -> number of the input whose memory it takes over; others are copied there in the end
    updates : id of an updated variable -> id of the input variable that it replaces
    names : a line about each kernel
    precise : as asked for
    threads : how many may run it together
    times : where kernels write how long they take (see clock.py); None unless asked for
    text : LLVM IR of the module; like `kernels`, a list of Kernel, and `plan`, not kept while the program runs: `whole` makes
        them again
    code_bytes : size of its machine code
    """

    graph: Graph
    name: str
    slots: list
    arena: int
    alias: dict
    names: list = field(default_factory=list)
    updates: dict = field(default_factory=dict)
    precise: bool = False
    times: np.ndarray | None = None
    text: str | None = None
    kernels: list | None = None
    plan: Plan | None = None
    code_bytes: int = 0
    threads: int = 1

    def whole(self):
        """This program, with its text, kernels and plan."""
        if self.text is None:
            again = Assembler(self.graph, updates=self.updates.items(), precise=self.precise)
            made = again.build()
            self.text, self.kernels, self.plan = again.module.text(), made.kernels, made.plan
        return self


class Assembler:
    """Builds the module of a program."""

    def __init__(self, graph: Graph, *, updates=(), precise=False, parent=None, timed=False, fixed=(), threads=1):
        self.graph, self.precise = graph, precise
        self.threads = threads  # how many may run the program together, if there is enough to do
        self.fixed = frozenset(fixed)  # ids of inputs that stay the same while the program runs many times
        self.packed: dict = {}  # id of a product's kernel -> where in the arena its laid out operand stands
        self.prepare: str | None = None  # the function that lays them out
        self.timed = parent.timed if parent else timed
        self.times: Constant | None = None
        self.module = parent.module if parent else Module()
        self.bodies: dict = parent.bodies if parent else {}  # name of a function by its text: equal ones are written once
        self.written: dict = parent.written if parent else {}  # name of a function by the signature of its kernel
        self.slots: list = []
        self.slot_of: dict = {}
        self.updates = dict(updates)  # id of a new value -> id of the input variable that it replaces

    def slot(self, key, what):
        """Number of the entry of the pointer table for this operand."""
        if key not in self.slot_of:
            self.slot_of[key] = FIXED + len(self.slots)
            self.slots.append(what)
        return self.slot_of[key]

    def build(self, name="program") -> Program:
        """The whole program."""
        graph = self.graph
        kernels = self.kernels = Fuser(graph, native, products.special, self.updates).run()
        for kernel in kernels:
            if kernel.kind == "nested":
                kernel.detail = nested.parts(kernel.step, self)
            elif products.can_pack(kernel, self.fixed):
                kernel.detail.packed = True
        self.inputs = {i.var.id: k for k, i in enumerate(graph.inputs)}
        given = [
            o for o in (*graph.outputs, *(u.value for u in graph.updates)) if isinstance(o, Var) and o.id not in self.updates
        ]
        self.shared = {id(k) for k in kernels if self.threads > 1 and products.can_share(k, self.threads)}
        if not self.shared:
            self.threads = 1
        alias = self.aliases(kernels, {v.id for v in given})
        outside = {v.id for v in given} | set(self.inputs) | set(alias)
        # Decisions are checked in order, some long after they are made.
        decisions = {g.var.id for g in graph.guards if isinstance(g.var, Var)}
        self.plan, scratch = plan(kernels, outside, [self.scratch(k) for k in kernels], decisions.union(self.updates))
        for kernel in kernels:
            if kernel.kind == "product" and kernel.detail.packed:
                self.packed[id(kernel)] = rounded(self.plan.size)
                self.plan.size = rounded(self.plan.size) + products.packed_size(kernel) + 64
        for k, i in enumerate(graph.inputs):
            self.slot(i.var.id, ("input", k))
        for new, k in alias.items():
            self.slot_of[new] = self.slot_of[graph.inputs[k].var.id]
        for v in given:
            if v.id not in self.inputs:
                self.slot(v.id, ("output", v))
        name = self.entry(kernels, scratch, name)
        if self.threads > 1:
            name = self.region(name)
        if self.packed:
            self.prepare = self.preparation(kernels)
        return Program(
            graph, name, self.slots, self.plan.size, alias, [self.describe(k) for k in kernels], self.updates, self.precise,
            self.times.value if self.times else None, None, kernels, self.plan, threads=self.threads,
        )  # fmt: skip

    def scratch(self, kernel):
        """Bytes that a kernel needs for itself, in all threads."""
        size = products.scratch(kernel)
        return rounded(size) * self.threads if id(kernel) in self.shared else size

    @staticmethod
    def describe(kernel):
        rows = kernel.step.row.name if kernel.step is not None else "+".join(sorted({_row(r.node) for r in kernel.roots}))
        return f"{kernel.kind} {rows}"

    # --- memory -----------------------------------------------------------------------------------------------------------

    def aliases(self, kernels, kept):
        """Updated variables that can take over the memory of what they replace: nobody needs the old value any more."""
        out = {}
        last_guard = max((k for k, kernel in enumerate(kernels) if self.may_leave(kernel)), default=-1)
        kept = kept | {o.id for o in self.graph.outputs if isinstance(o, Var)}
        values = [u.value.id for u in self.graph.updates if isinstance(u.value, Var)]
        for new, old in self.updates.items():
            where = next((k for k, kernel in enumerate(kernels) if any(v.id == new for v in kernel.vars)), None)
            if where is None or where <= last_guard or values.count(new) > 1 or old in values or old in kept or new in kept:
                continue
            kernel = kernels[where]
            if any(old in k.reads for k in kernels[where + 1 :]) or not self.in_place(kernel, new, old):
                continue
            out[new] = self.inputs[old]
        return out

    def may_leave(self, kernel):
        """Whether the program may end behind this kernel, by a guard or a failure: nothing may have changed by then."""
        guarded = {g.var.id for g in self.graph.guards if isinstance(g.var, Var)}
        bounded = any(n.kind == "bounded" for n in nodes_under(tops(kernel.roots)))
        return bounded or kernel.kind in ("call", "nested") or any(v.id in guarded for v in kernel.vars)

    @staticmethod
    def in_place(kernel, new, old):
        """Whether the kernel reads the old array only where it then writes the new one."""
        if kernel.kind == "straight":
            return True  # which reads everything before it writes
        if kernel.kind not in ("loops", "product", "windows"):
            return False
        if old not in kernel.reads:
            return True
        if old in kernel.operands:
            return False
        root = next(r for r in kernel.roots if r.var.id == new)
        for r in kernel.roots:
            for node in nodes_under([r.node]):
                reads = node.kind == "load" and isinstance(node.data[0], Var) and node.data[0].id == old
                if reads and (node.args or node.data[1] != root.offset or r.axes != root.axes):
                    return False
        return True

    # --- code -------------------------------------------------------------------------------------------------------------

    def entry(self, kernels, scratch, name):
        """The function that runs the kernels: (pointer table, thread, threads) -> status."""
        args = [("ptr", "table"), ("i64", "thread"), ("i64", "threads")]
        f = Function(self.module, "KERNEL", args, "i64", linkage="" if name and self.threads == 1 else "internal")
        table, thread, threads = f.arguments.values()
        arena = f.load("ptr", table, ARENA)
        status = f.load("ptr", table, STATUS)
        loaded: dict = {}
        first: Any = thread.equals(0) if self.threads > 1 else None
        apart = False  # whether threads may have got to different places since they last met

        def meet():
            nonlocal apart
            if apart:
                f.call("chainrule_barrier", "void")
            apart = False

        def pointer(operand_key, what=None):
            if operand_key in self.plan.offsets:
                return f.offset(arena, self.plan.offsets[operand_key])
            k = self.slot(operand_key, what)
            if k not in loaded:
                loaded[k] = f.load("ptr", table, k)
            return loaded[k]

        guards = list(self.graph.guards)
        ready = set(self.inputs)
        checked = 0

        def check_guards():
            nonlocal checked
            while checked < len(guards):
                g = guards[checked]
                if isinstance(g.var, Var) and g.var.id not in ready:
                    return
                meet()
                self.guard(f, g, checked, pointer)
                checked += 1

        check_guards()
        clock = None
        if self.timed:
            self.times = Constant(times_of(len(kernels)))
            clock = Clock(f, pointer(id(self.times), ("constant", self.times)), len(kernels))
        for k, kernel in enumerate(kernels):
            shared = id(kernel) in self.shared
            if shared:
                meet()
            if kernel.kind != "call":
                for key, what in self.operands(kernel, nodes_under(tops(kernel.roots))):
                    pointer(key, what)  # loaded by all threads
            if self.threads > 1 and not shared:
                alone = f.fresh("alone")
                f.line(f"br i1 {first.text}, label %{alone}, label %{alone}.end")
                f.label(alone)
            if kernel.kind == "call":
                code = self.call_python(f, kernel, pointer)
            else:
                code = self.call_kernel(f, kernel, pointer, arena, scratch[k], status, thread, threads)
            if self.threads > 1 and not shared:
                if code is not None and code is not BOUNDS:
                    f.store(code, status, CODE)
                f.line(f"br label %{alone}.end")
                f.label(f"{alone}.end")
            if self.threads > 1:
                apart = True
                if shared:
                    meet()
                elif code is not None:
                    meet()
                    code = code if code is BOUNDS else f.load("i64", status, CODE)
            if code is BOUNDS:
                self.leave_if(f, f.load("i64", status).differs(0), OUT_OF_BOUNDS)
            elif code is not None:
                self.leave_if(f, code.differs(DONE), code)
            ready |= {v.id for v in kernel.vars}
            if clock:
                clock.stamp(k)
            check_guards()
        assert checked == len(guards), "a guard is never decided"
        sizes = {v.id: size_of(v.aval) for kernel in kernels for v in kernel.vars}
        copies = [(new, old) for new, old in self.updates.items() if self.slot_of.get(new) != self.slot_of[old]]
        if copies:
            meet()
        for new, old in copies:
            target, source = pointer(old), pointer(new)
            size = f.index(sizes[new])
            if first is not None:
                size = f.select(first, size, 0)
            f.copy(target, source, size)
        if clock:
            clock.stamp(len(kernels) + COPIES)
        f.give(f.constant("i64", DONE))
        return self.known(f, name if self.threads == 1 else None)

    def region(self, inside):
        """The function that runs the program on several threads: as the entry function, but called once, with their number."""
        module = self.module
        args = [("i32", "thread"), ("i32", "threads"), ("ptr", "table")]
        f = Function(module, "together", args, linkage="internal")
        thread, threads, table = f.arguments.values()
        t = f.cast("sext", thread, "i64")
        code = f.emit("i64", f"call i64 @{inside}({table}, {t}, {f.cast('sext', threads, 'i64')})")
        with f.when(thread.equals(0)):
            f.store(code, f.load("ptr", table, STATUS), RESULT)
        f.give()
        f = Function(module, "program", [("ptr", "table"), ("i64", "thread"), ("i64", "threads")], "i64")
        table, _, threads = f.arguments.values()

        def several():
            module.declare("chainrule_parallel_limited", "void", ["i32", "ptr", "ptr"])
            f.line(f"call void @chainrule_parallel_limited({f.cast('trunc', threads, 'i32')}, ptr @together, {table})")
            return [f.load("i64", f.load("ptr", table, STATUS), RESULT)]

        def one():
            return [f.emit("i64", f"call i64 @{inside}({table}, i64 0, i64 1)")]

        f.give(f.choose(threads > 1, several, one)[0])
        return "program"

    def preparation(self, kernels):
        """The function that lays out operands which stay the same: (pointer table)."""
        f = Function(self.module, "KERNEL", [("ptr", "table")], linkage="internal")
        (table,) = f.arguments.values()
        arena = f.load("ptr", table, ARENA)
        for kernel in kernels:
            at = self.packed.get(id(kernel))
            if at is not None:
                products.pack(kernel, f, lambda v: f.load("ptr", table, self.slot_of[v.id]), f.offset(arena, at))
        f.give()
        return self.known(f)

    def guard(self, f, guard, number, pointer):
        """Leave with the guard's number unless the decision is the recorded one."""
        if not isinstance(guard.var, Var):
            return
        t = memory_type(guard.var.aval.dtype)
        x = f.load(t, pointer(guard.var.id))
        if isinstance(guard.value, (bool, np.bool_)):
            fits = x.differs(0) if guard.value else x.equals(0)
            if t in ("float", "double") and not guard.value:
                fits = ~x.differs(0)
        else:
            fits = x.equals(guard.value)
        tag = f.fresh("guard")
        f.line(f"br i1 {fits.text}, label %{tag}.holds, label %{tag}.fails")
        f.label(f"{tag}.fails")
        f.give(f.constant("i64", FIRST_GUARD + number))
        f.label(f"{tag}.holds")

    def call_python(self, f, kernel, pointer):
        """Run a step by its NumPy evaluation."""
        call = Callback(kernel.step, {v.id: self.place(v) for v in _variables(kernel.step)})
        function = pointer(call, ("call", call))
        self.module.declare("PyObject_CallNoArgs", "ptr", ["ptr"])
        self.module.declare("Py_DecRef", "void", ["ptr"])
        result = f.emit("ptr", f"call ptr @PyObject_CallNoArgs({function})")
        failed = f.emit("i1", f"icmp eq ptr {result.text}, null")
        with f.when(~failed):
            f.line(f"call void @Py_DecRef({result})")
        return f.select(failed, f.constant("i64", FAILED_CALL), f.constant("i64", DONE))

    def place(self, v):
        """Where a variable stands: ('slot', of the table) or ('arena', offset)."""
        offset = self.plan.offsets.get(v.id)
        return ("slot", self.slot_of[v.id]) if offset is None else ("arena", offset)

    @staticmethod
    def leave_if(f, condition, status):
        """Return a status, a number or a value, if the condition holds."""
        tag = f.fresh("left")
        f.line(f"br i1 {condition.text}, label %{tag}, label %{tag}.not")
        f.label(tag)
        f.give(f.constant("i64", status) if isinstance(status, int) else status)
        f.label(f"{tag}.not")

    def call_kernel(self, f, kernel, pointer, arena, scratch, status, thread, threads):
        """Write the kernel as a function of the pointers that it uses, and call it.

        Gives the status that it ends with, None if it cannot fail, or BOUNDS if it may note an index out of bounds.
        """
        nodes = nodes_under(tops(kernel.roots))
        operands = self.operands(kernel, nodes)
        args = [("i64", "thread"), ("i64", "threads"), ("ptr", "failed"), ("ptr", "scratch"), ("ptr", "packed")]
        args += [("ptr", f"p{i}") for i in range(len(operands))]
        inside = kernel.kind == "nested"
        shared = id(kernel) in self.shared
        at = self.packed.get(id(kernel))
        own = f.offset(arena, scratch)
        if shared:
            own = f.offset(own, thread * rounded(products.scratch(kernel)))
        values = [thread, threads, status, own, f.constant("ptr", 0) if at is None else f.offset(arena, at)]
        values += [pointer(key, what) for key, what in operands]
        found = any(n.kind == "bounded" for n in nodes)
        same = signature(kernel, nodes, {key: i for i, (key, _) in enumerate(operands)})
        name = self.written.get((same, shared, self.precise)) if same is not None else None
        if name is not None:
            f.line(f"call void @{name}({', '.join(map(repr, values))})")
            return BOUNDS if found else None
        k = Function(self.module, "KERNEL", args, "i64" if inside else "void", linkage="internal")
        share = (k.arguments["thread"], k.arguments["threads"]) if shared else None
        pointers = {key: k.arguments[f"p{i}"] for i, (key, _) in enumerate(operands)}
        if inside:
            nested.emit(kernel, k, pointers)
            for _, what in operands:
                if what[0] == "call":
                    what[1].moved(scratch)
            name = self.known(k)
            return f.emit("i64", f"call i64 @{name}({', '.join(map(repr, values))})")
        emitter = Emitter(k, pointers, share, k.arguments["failed"], self.precise)
        products.emit(kernel, emitter, k.arguments["scratch"])
        k.give()
        name = self.known(k)
        if same is not None:
            self.written[same, shared, self.precise] = name
        f.line(f"call void @{name}({', '.join(map(repr, values))})")
        return BOUNDS if found else None

    def operands(self, kernel, nodes):
        """(key, what it is) of every array that a kernel reads or writes; `nodes` are all of its expressions."""
        found: dict = {}
        for v in kernel.vars:
            found[v.id] = ("variable", v)
        for n in nodes:
            if n.kind == "load":
                self.note(n.data[0], found)
        for x in products.extra_operands(kernel):
            self.note(x, found)
        if kernel.kind == "nested":
            for x in (*kernel.step.inputs, *nested.constants(kernel)):
                self.note(x, found)
            for part in kernel.detail:
                for kind, what in part.slots:
                    if kind in ("constant", "call"):
                        found.setdefault(id(what) if kind == "constant" else what, (kind, what))
        return list(found.items())

    @staticmethod
    def note(x, found):
        if isinstance(x, Var):
            found.setdefault(x.id, ("variable", x))
        else:
            found.setdefault(id(x), ("constant", x))

    def known(self, function, wanted=None):
        """The name of this function; that of an equal one, if there is one."""
        text = function.text()
        name = self.bodies.get(text)
        if name is None or wanted:
            name = self.bodies[text] = wanted or f"kernel{len(self.bodies)}"
            function.head = function.head.replace("@KERNEL(", f"@{name}(")
            function.name = name
        else:
            self.module.functions.remove(function)
        return name


def _row(node):
    if node.kind == "map":
        row = node.data[0]
        return row if isinstance(row, str) else row.name
    return node.kind
