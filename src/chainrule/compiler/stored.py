"""Programs in the cache: known by their graph, so that what was compiled before needs no code to be written again."""

import functools
import hashlib
import os
import pickle
from pathlib import Path

import numpy as np

from ..core.graph import Constant, Graph, Var
from ..core.value import Value
from .program import Callback, Program
from .runtime import identity
from .simplify import one_number

_PACKAGE = Path(__file__).resolve().parents[1]


@functools.cache
def versions():
    """What machine code depends on besides its graph: processor, LLVM, and this package's own source."""
    sources = sorted(s for folder in ("compiler", "core", "ops", "transforms") for s in _sources(_PACKAGE / folder))
    return f"{identity()} numpy{np.__version__} {sources}"


def _sources(folder):
    """(name, size, time of the last change) of each source file under a folder."""
    with os.scandir(folder) as entries:  # several times faster than to go through paths
        for entry in entries:
            if entry.is_dir():
                yield from _sources(entry.path)
            elif entry.name.endswith(".py"):
                found = entry.stat()
                yield entry.name, found.st_size, found.st_mtime_ns


class Unknown(Exception):
    """A graph holds something that has no lasting name."""


class Numbering:
    """Variables by the order in which they appear, which is the same in every process."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.variables = [i.var for i in graph.inputs] + [v for s in graph.steps for v in s.outputs]
        self.number = {v.id: n for n, v in enumerate(self.variables)}
        self.constants = [x for s in graph.steps for x in s.inputs if isinstance(x, Constant)]
        self.place = {id(x): n for n, x in enumerate(self.constants)}

    def operand(self, x):
        return f"%{self.number[x.id]}" if isinstance(x, Var) else _constant(x.value)

    def text(self, updates=()):
        """The graph as text, without names and lines of the user's program."""
        number = self.number
        lines = [str(i.var.aval) for i in self.graph.inputs]
        for s in self.graph.steps:
            params = ",".join(f"{k}={_parameter(v)}" for k, v in s.params.items())
            avals = ",".join(str(v.aval) for v in s.outputs)
            lines.append(f"{avals}={s.row.name}({','.join(map(self.operand, s.inputs))};{params})")
        lines.append("out " + ",".join(map(self.operand, self.graph.outputs)))
        lines.append("new " + ",".join(self.operand(u.value) for u in self.graph.updates))
        lines.append("guards " + ",".join(f"{self.operand(g.var)}={g.value!r}@{g.before}" for g in self.graph.guards))
        lines.append("pairs " + ",".join(f"{number[a]}:{number[b]}" for a, b in updates))
        return "\n".join(lines)


def _constant(value):
    one = one_number(value)
    if isinstance(value, np.ndarray) and one is None:
        digest = hashlib.blake2b(np.ascontiguousarray(value).tobytes(), digest_size=12).hexdigest()
        return f"{value.dtype.str}{value.shape}{digest}"
    return f"{type(value).__name__}{np.shape(value)}{one!r}"


def _parameter(value):
    if isinstance(value, Graph):
        return "{" + Numbering(value).text() + "}"
    if isinstance(value, tuple):
        return "(" + ",".join(map(_parameter, value)) + ")"
    if (callable(value) and not isinstance(value, (type, np.dtype))) or isinstance(value, Value):
        raise Unknown
    return repr(value)


def key_of(numbering, updates, options):
    """What a program is known by; None if it cannot be kept."""
    try:
        text = numbering.text(updates)
    except Unknown:
        return None
    return hashlib.blake2b(f"{versions()}\n{options}\n{text}".encode(), digest_size=20).hexdigest()


def packed(program: Program, code, numbering) -> bytes | None:
    """A program and its code as bytes; None if it refers to graphs inside of its graph."""
    slots = []
    steps = {id(s): n for n, s in enumerate(numbering.graph.steps)}
    for kind, what in program.slots:
        if kind == "constant":
            if id(what) not in numbering.place:
                return None
            what = numbering.place[id(what)]
        elif kind == "output":
            what = numbering.number[what.id]
        elif kind == "call":
            if what.inner or id(what.step) not in steps:
                return None
            what = steps[id(what.step)], {numbering.number[v]: place for v, place in what.places.items()}
        elif kind != "input":
            return None
        slots.append((kind, what))
    alias = {numbering.number[v]: k for v, k in program.alias.items()}
    updates = {numbering.number[a]: numbering.number[b] for a, b in program.updates.items()}
    return pickle.dumps(
        (program.name, slots, program.arena, alias, program.names, updates, program.precise, program.threads, code)
    )


def unpacked(data, graph, numbering):
    """(program, code) of bytes that `packed` gave."""
    name, kept, arena, alias, names, updates, precise, threads, code = pickle.loads(data)
    slots = []
    for kind, what in kept:
        if kind == "constant":
            what = numbering.constants[what]
        elif kind == "output":
            what = numbering.variables[what]
        elif kind == "call":
            step, places = what
            what = Callback(graph.steps[step], {numbering.variables[v].id: place for v, place in places.items()})
        slots.append((kind, what))
    alias = {numbering.variables[v].id: k for v, k in alias.items()}
    updates = {numbering.variables[a].id: numbering.variables[b].id for a, b in updates.items()}
    return Program(graph, name, slots, arena, alias, names, updates, precise, threads=threads), code
