"""`f.explain(...)`: what a compiled program consists of, to read and to ask."""

import textwrap
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.aval import Aval
from ..core.dispatch import state
from ..core.graph import Constant, Graph, Var
from ..core.lowering import Call, Contract, Convolve
from ..core.value import Value
from ..errors import CompileError, explain
from ..transforms.reverse import ROOT
from ..trees import flatten
from . import products
from .loops import memory_type
from .memory import size_of
from .native import execute, runner
from .program import FIRST_GUARD
from .scalars import NoLowering

PARTS = {
    "scan": ["body"],
    "while_loop": ["condition", "body"],
    "cond": ["if true", "if false"],
    "while_backward": ["body", "pullback"],
}
LARGEST = 12  # buffers that a report lists


# --- what a program consists of ---------------------------------------------------------------------------------------------


@dataclass
class Array:
    """A value of the program that stands in memory."""

    name: str
    dtype: np.dtype
    shape: tuple
    bytes: int

    def __str__(self):
        return f"{self.name} {Aval(self.shape, self.dtype)}"


@dataclass
class KernelInfo:
    """Steps of a program that run together.

    Attributes
    ----------
    number : place in the order of execution; for those inside of another one, such as '3.body.0', its place there
    kind : loops, product, pieces, nested, call (back to NumPy) ...
    rows : how many steps of each operation it computes, by name
    writes, reads : list of Array
    work : about how many additions it takes; None if unknown
    flops : floating-point operations of its products and convolutions; 0 if there are none
    sources : lines of the user's program, as 'file:line'
    phases : of forward, backward and update
    in_place : by name of a value that it writes: the input whose memory it goes to
    callback : why NumPy runs it; None for machine code
    inside : by name, the kernels of the programs that run in it: 'body', 'condition' ...
    """

    number: str
    kind: str
    rows: dict
    writes: list
    reads: list
    work: float | None
    flops: int
    sources: list
    phases: list
    in_place: dict = field(default_factory=dict)
    callback: str | None = None
    inside: dict = field(default_factory=dict)

    @property
    def steps(self):
        """How many steps of the program it holds."""
        return sum(self.rows.values())

    @property
    def bytes(self):
        """Memory that it reads and writes, each array counted once."""
        return sum(x.bytes for x in (*self.reads, *self.writes))

    def __repr__(self):
        return f"<kernel {self.number}: {self.kind}, {self.steps} steps>"

    def everything(self):
        """This kernel and those inside of it."""
        yield self
        for kernels in self.inside.values():
            for k in kernels:
                yield from k.everything()

    def lines(self):
        """What a report says of it."""
        head = [self.kind, count(self.steps, "step")]
        if self.work:
            head.append(f"work {_short(self.work)}")
        if self.flops:
            head.append(f"{_short(self.flops)} flop")
        head += ["+".join(self.phases), _places(self.sources)]
        out = [f"[{self.number}] " + ", ".join(h for h in head if h)]
        if self.callback is not None:
            out.append(f"    NumPy   {self.callback}")
        out += _listed("    rows    ", [n if c == 1 else f"{c} {n}" for n, c in self.rows.items()])
        out += _listed("    reads   ", [x.name for x in self.reads])
        for x in self.writes:
            where = f", in place of {self.in_place[x.name]}" if x.name in self.in_place else ""
            out.append(f"    writes  {x}{where}")
        for name, kernels in self.inside.items():
            out.append(f"    {name}:")
            out += ["        " + line for k in kernels for line in k.lines()]
        return out


@dataclass
class Buffer:
    """Memory of a program.

    Attributes
    ----------
    name : variable of the program, or what the user calls an input
    place : input, output, constant, arena, or scratch (what one kernel needs for itself)
    bytes : size
    shape, dtype : of the array in it; None for scratch
    offset : in the arena; None outside of it
    made, last : numbers of the kernels that write it first and touch it last; None for inputs and constants
    """

    name: str
    place: str
    bytes: int
    shape: tuple | None = None
    dtype: Any = None
    offset: int | None = None
    made: int | None = None
    last: int | None = None


@dataclass
class Decision:
    """A decision by value: the program holds for calls that decide the same."""

    name: str
    value: Any
    source: str

    def __str__(self):
        return f"{self.name} == {self.value}  # {self.source}"


class Explanation:
    """What a compiled program consists of. Print it for a report.

    Attributes
    ----------
    name : of the function
    differentiable : whether the program runs as one operation that the tape can differentiate
    graph : Graph as recorded
    simplified : Graph that became machine code
    kernels : list of KernelInfo, in order; those of loop bodies stand inside of theirs
    buffers : list of Buffer
    peak_bytes : memory for everything between inputs and outputs, all at once: the size of the arena
    in_place : updated inputs (parameters, optimiser state) whose new value is written over the old one
    guards : list of Decision
    callbacks : kernels that NumPy runs, those in loop bodies included; each says why in `callback`
    code_bytes : size of the machine code
    llvm : LLVM IR, as text
    related : explanations of the programs that derivatives have asked for so far, by name
    """

    def __init__(self, name, recorded, run, differentiable=False):
        program = run.program.whole()
        self.name, self.differentiable, self.graph = name, differentiable, recorded
        self.simplified: Graph = program.graph
        self.llvm: str = program.text
        self.kernels = kernels_of(program)
        self.buffers = buffers_of(program)
        self.peak_bytes = program.arena
        labels = [i.label for i in program.graph.inputs]
        self.in_place = [labels[k] for k in program.alias.values()]
        decided = recorded if differentiable else program.graph
        self.guards = [Decision(str(g.var), g.value, g.source) for g in decided.guards]
        self.callbacks = [k for kernel in self.kernels for k in kernel.everything() if k.callback is not None]
        self.code_bytes = program.code_bytes
        self.related: dict[str, Explanation] = {}

    def __repr__(self):
        return f"<explanation of {self.name}: {count(len(self.kernels), 'kernel')}, {_bytes(self.peak_bytes)} of intermediates>"

    def bytes_of(self, place):
        """Memory of the buffers at a place: input, output, constant."""
        return sum(b.bytes for b in self.buffers if b.place == place)

    def summary(self):
        """The report without the listings of the program."""
        return "\n".join(self._sections(listings=False))

    def __str__(self):
        return "\n".join(self._sections(listings=True))

    def _sections(self, listings):
        callbacks = count(len(self.callbacks), "call") + " back to NumPy" if self.callbacks else "all machine code"
        out = [
            f"{self.name}: {count(len(self.kernels), 'kernel')}, {callbacks}, {_bytes(self.peak_bytes)} of intermediates, "
            f"{_bytes(self.code_bytes)} of code"
        ]
        if self.differentiable:
            out.append("runs as one operation of the tape; this is its forward program")
        for title, graph in (("recorded", self.graph), ("simplified", self.simplified)):
            phases = Counter(s.phase for s in graph.steps)
            counts = ", ".join(f"{n} {p}" for p, n in phases.items())
            out += ["", f"{title}: {count(len(graph.steps), 'step')}" + (f" ({counts})" if counts else "")]
            if listings:
                out.append(textwrap.indent(str(graph), "  "))
        out += ["", "kernels:", *("  " + line for k in self.kernels for line in k.lines())]
        out += ["", "memory:", *("  " + line for line in self._memory())]
        if self.guards:
            out += ["", "holds while:", *(f"  {g}" for g in self.guards)]
        if self.callbacks:
            out += ["", "back to NumPy:"]
            out += [f"  [{k.number}] {', '.join(k.rows)}: {k.callback}  # {_places(k.sources)}" for k in self.callbacks]
        for name, other in self.related.items():
            out += ["", f"--- {name} ---", *other._sections(listings)]
        return out

    def _memory(self):
        out = [f"{_bytes(self.peak_bytes)} for all intermediates at once"]
        for place in ("input", "output", "constant"):
            n = sum(b.place == place for b in self.buffers)
            if n:
                out.append(f"{_bytes(self.bytes_of(place))} in {count(n, place)}")
        if self.in_place:
            out += _listed("updated in place: ", self.in_place)
        inside = sorted((b for b in self.buffers if b.offset is not None), key=lambda b: -b.bytes)
        for b in inside[:LARGEST]:
            what = b.name if b.shape is None else f"{b.name} {Aval(b.shape, b.dtype)}"
            life = f"in kernel {b.made}" if b.made == b.last else f"from kernel {b.made} to {b.last}"
            out.append(f"  {_bytes(b.bytes):>9} at {b.offset:<9} {life:22} {what}")
        if len(inside) > LARGEST:
            out.append(f"  and {len(inside) - LARGEST} smaller ones")
        return out


# --- reading a program ------------------------------------------------------------------------------------------------------


def names_of(program):
    """How a report calls the variables of a program."""
    names = {v.id: str(v) for s in program.graph.steps for v in s.outputs}
    return names | {i.var.id: i.label or str(i.var) for i in program.graph.inputs}


def kernels_of(program, prefix=""):
    """The kernels of a program, as KernelInfo."""
    graph, names = program.graph, names_of(program)
    vars_of = {i.var.id: i.var for i in graph.inputs} | {v.id: v for s in graph.steps for v in s.outputs}
    makers = {v.id: s for s in graph.steps for v in s.outputs}
    position = {id(s): n for n, s in enumerate(graph.steps)}
    stored = {v.id for kernel in program.kernels for v in kernel.vars} | {i.var.id for i in graph.inputs}
    labels = [i.label for i in graph.inputs]

    def steps_of(kernel):
        """Steps between what it reads from memory and what it writes there, in the order of the program."""
        own, seen = {v.id for v in kernel.vars}, {}
        todo = list(own)
        while todo:
            step = makers[todo.pop()]
            if id(step) not in seen:
                seen[id(step)] = step
                todo += [x.id for x in step.inputs if isinstance(x, Var) and (x.id in own or x.id not in stored)]
        return sorted(seen.values(), key=lambda s: position[id(s)])

    def array(v):
        return Array(names[v.id], v.aval.dtype, v.aval.shape, size_of(v.aval))

    out = []
    for n, kernel in enumerate(program.kernels):
        steps, number = steps_of(kernel), f"{prefix}{n}"
        info = KernelInfo(
            number,
            kernel.kind,
            dict(Counter(s.row.name for s in steps)),
            [array(v) for v in kernel.vars],
            [array(vars_of[r]) for r in sorted(kernel.reads) if r in vars_of],
            kernel.work or None,
            sum(map(flops, steps)),
            list(dict.fromkeys(s.source for s in steps)),
            list(dict.fromkeys(s.phase for s in steps)),
            {names[v.id]: labels[program.alias[v.id]] for v in kernel.vars if v.id in program.alias},
        )
        if kernel.kind == "call":
            info.callback = why_not_native(kernel.step)
        if kernel.kind == "nested":
            titles = PARTS.get(kernel.step.row.name, [f"part {k}" for k in range(len(kernel.detail))])
            for title, part in zip(titles, kernel.detail, strict=True):
                info.inside[title] = kernels_of(part.program, f"{number}.{title}.")
        out.append(info)
    return out


def flops(step):
    """Floating-point operations of a product or convolution; 0 for other steps."""
    shapes = [np.shape(x.value) if isinstance(x, Constant) else x.aval.shape for x in step.inputs]
    out = step.outputs[0].aval.shape
    if step.row.name == "matmul":
        return 2 * _product(out) * shapes[0][-1]
    if step.row.name == "conv":
        return 2 * _product(out) * _product(shapes[1][1:])
    if step.row.name == "conv_input_grad":
        return 2 * _product(shapes[0]) * _product(shapes[1][1:])
    if step.row.name == "conv_weight_grad":
        return 2 * _product(shapes[1]) * _product(out[1:])
    if isinstance(step.row.lower, Contract) and "labels" in step.params:
        a, b, _ = step.params["labels"]
        return 2 * _product(dict(zip((*a, *b), (*shapes[0], *shapes[1]), strict=True)).values())
    return 0


def why_not_native(step):
    """Why a step runs as a call back into NumPy."""
    avals = [
        x.aval if isinstance(x, Var) else Aval(np.shape(x.value), np.asarray(x.value).dtype)
        for x in (*step.outputs, *step.inputs)
    ]
    for a in avals:
        try:
            memory_type(a.dtype)
        except NoLowering:
            return f"{a.dtype} has no machine code"
    if isinstance(step.row.lower, Call):
        return f"{step.row.name} has no lowering"
    if isinstance(step.row.lower, Convolve) or not step.inputs:
        return f"{step.row.name} has no machine code in this form"
    dtypes = ", ".join(dict.fromkeys(a.dtype.name for a in avals[len(step.outputs) :]))
    return f"{step.row.name} has no machine code for {dtypes} arguments in this form"


def buffers_of(program):
    """The memory of a program, as Buffers."""
    graph, names, kernels = program.graph, names_of(program), program.kernels
    made, last = {}, {}
    for k, kernel in enumerate(kernels):
        for v in kernel.vars:
            made[v.id] = last[v.id] = k
    for k, kernel in enumerate(kernels):
        last.update(dict.fromkeys((r for r in kernel.reads if r in made), k))
    last.update(dict.fromkeys((v for v in program.updates if v in made), max(len(kernels) - 1, 0)))

    def buffer(v, place, **more):
        return Buffer(names[v.id], place, size_of(v.aval), v.aval.shape, v.aval.dtype, **more)

    out = []
    for kind, what in program.slots:
        if kind == "input":
            out.append(buffer(graph.inputs[what].var, "input"))
        elif kind == "output":
            out.append(buffer(what, "output", made=made.get(what.id), last=last.get(what.id)))
        elif kind == "constant":
            x = np.asarray(what.value)
            out.append(Buffer(str(what), "constant", x.nbytes, x.shape, x.dtype))
    for k, kernel in enumerate(kernels):
        own = [v for v in kernel.vars if v.id in program.plan.offsets]
        out += [buffer(v, "arena", offset=program.plan.offsets[v.id], made=k, last=last[v.id]) for v in own]
        room = products.scratch(kernel)
        if room:
            out.append(Buffer("room to work in", "scratch", room, offset=program.plan.scratch[k], made=k, last=k))
    return out


# --- which program a call runs ------------------------------------------------------------------------------------------------


def operands_of(variant, leaves):
    """The arrays that a variant's inputs have now; zeros for a gradient that does not exist at the moment."""
    out = []
    for k, i in enumerate(variant.graph.inputs):
        x = variant.owner(k, leaves)
        x = np.zeros(i.var.aval.shape, i.var.aval.dtype) if x is None else np.asarray(x.value if isinstance(x, Value) else x)
        if x.shape != i.var.aval.shape or x.dtype != i.var.aval.dtype:
            return None
        out.append(np.ascontiguousarray(x).reshape(x.shape))
    return out


class Scratch:
    """A Runner with arrays of its own: what it runs on is a copy of what it would change.

    Parameters
    ----------
    run : Runner that nobody else uses
    operands : array of each input
    """

    def __init__(self, run, operands):
        program = run.program
        replaced = set(program.updates.values())
        self.run = run
        self.originals = {k: operands[k] for k, i in enumerate(program.graph.inputs) if i.var.id in replaced}
        self.inputs = [x.copy() if k in self.originals else x for k, x in enumerate(operands)]
        self.outputs = {v.id: np.empty(v.aval.shape, v.aval.dtype) for _, v in run.output_slots}

    def __call__(self):
        """Run once; gives the status."""
        return self.run.run(self.inputs, self.outputs)

    def again(self):
        """Run as before, without looking up where the arrays stand."""
        return self.run.entry(self.run.table_at, 0, 1)

    def reset(self):
        """Make everything what it was."""
        for k, x in self.originals.items():
            np.copyto(self.inputs[k], x)


def decides_alike(variant, leaves):
    """Whether the decisions of a variant come out now as they did when it was recorded."""
    if not variant.guards:
        return True
    operands = operands_of(variant, leaves)
    if operands is None:
        return False
    if variant.pure is not None:
        now = execute(variant.decisions, operands) if variant.decisions is not None else []
        return all(type(g.value)(x) == g.value for x, g in zip(now, variant.graph.guards, strict=True))
    return Scratch(variant.run.twin(), operands)() < FIRST_GUARD


def variant_of(compiled, args, kwargs, asked):
    """(variant, leaves of the arguments) for a call; where there is none yet, the function runs for real.

    It runs twice where what the first run has made, such as the state of an optimiser, belongs to the program.
    """
    leaves, structure = flatten((args, kwargs))
    traced = any(isinstance(x, Value) and (x.owner is not ROOT or isinstance(x.value, Value)) for x in leaves)
    if traced or state.scopes or state.recorder is not None or state.abstract:
        raise CompileError(
            explain(
                f"{asked}: called under a transform, where values are not known",
                help="call it with plain arrays or Tensors, outside",
            )
        )
    with compiled.lock:
        for _ in range(2):
            for v in compiled.table.get(compiled.key(args, kwargs, leaves, structure), ()):
                if v.holds(leaves) and decides_alike(v, leaves):
                    return v, leaves
            compiled.direct(args, kwargs, leaves, structure)
        variant = compiled.variant_for(args, kwargs, leaves, structure)
        if variant is None:
            raise CompileError(
                explain(
                    f"{asked}: {compiled.name} leaves things behind that no program can make again, so it runs uncompiled",
                    help="let it bind what it keeps to the same Tensors at each call",
                )
            )
        return variant, leaves


def run_of(variant):
    """The Runner of a variant's program."""
    return variant.run if variant.pure is None else runner(variant.pure)


def explanation(compiled, args, kwargs):
    """The Explanation of the program that a call with these arguments runs.

    Examples
    --------
    >>> import chainrule as cr
    >>> @cr.compile
    ... def f(x):
    ...     return cr.sort(cr.exp(x) - 1) * 2
    >>> e = f.explain(np.ones(4, np.float32))
    >>> e
    <explanation of f: 3 kernels, 256 B of intermediates>
    >>> [k.kind for k in e.kernels], e.callbacks[0].callback
    (['loops', 'call', 'loops'], 'argsort has no lowering')
    >>> e.kernels[0].rows
    {'exp': 1, 'subtract': 1}
    """
    variant, _ = variant_of(compiled, args, kwargs, "explain")
    name = getattr(compiled.f, "__name__", "function")
    out = Explanation(name, variant.recorded, run_of(variant), variant.pure is not None)
    if variant.pure is not None:
        for key, found in variant.pure.derived.items():
            if isinstance(key, tuple) and key[0] == "halves":
                for title, graph in (("forward, keeping what the way back reads", found.forward), ("backward", found.backward)):
                    if "native" in graph.derived:
                        out.related[title] = Explanation(graph.name, graph, runner(graph))
    return out


# --- words --------------------------------------------------------------------------------------------------------------------


def _product(sizes):
    out = 1
    for n in sizes:
        out *= n
    return out


def count(n, noun):
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _short(n):
    """1.2k, 3.4M: a number to compare with others."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if n >= size:
            return f"{n / size:.3g}{letter}"
    return f"{n:.3g}"


def _bytes(n):
    for size, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if n >= size:
            return f"{n / size:.1f} {unit}"
    return f"{n} B"


def _places(sources):
    """'train.py:3, 4, model.py:7' for source lines."""
    files: dict = {}
    for s in sources:
        file, _, line = s.rpartition(":")
        files.setdefault(file, []).append(line)
    return ", ".join(
        f"{file}:{', '.join(sorted(set(lines), key=lambda n: (len(n), n)))}" if file else lines[0]
        for file, lines in files.items()
    )


def _listed(head, words):
    if not words:
        return []
    return textwrap.wrap(", ".join(words), 110, initial_indent=head, subsequent_indent=" " * len(head), break_long_words=False)
