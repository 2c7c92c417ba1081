"""Graphs run by machine code: simplified, built, cached and loaded, once for each graph."""

import functools
import hashlib
import threading

import numpy as np

from ..core.graph import Constant, Var
from ..errors import CompileError
from . import cache
from .program import DONE, FAILED_CALL, OUT_OF_BOUNDS, Assembler
from .runtime import Runner, ShapeChanged, assemble, identity, load
from .simplify import simplify

_lock = threading.RLock()
_loaded: dict = {}  # entry address by key of a program


@functools.cache
def _platform():
    return identity()


def code_key(program):
    """What machine code is known by in caches: program, processor and versions."""
    return hashlib.blake2b(f"{_platform()}\n{program.text}".encode(), digest_size=20).hexdigest()


def prepare(graph, updates=(), precise=False):
    """A Runner for a graph.

    Parameters
    ----------
    graph : Graph
    updates : (id of new value, id of the input variable that it replaces) pairs: may share memory
    precise : use the C library's functions instead of polynomials
    """
    with _lock:
        assembler = Assembler(graph, updates=updates, precise=precise)
        program = assembler.build()
        program.text = assembler.module.text()
        key = code_key(program)
        address = _loaded.get(key)
        if address is None:
            code = cache.load(key)
            if code is None:
                code = assemble(program.text)
                cache.store(key, code)
            address = _loaded[key] = load(code, program.name)
        return Runner(program, address)


def runner(graph):
    """The Runner of a graph, made once."""
    found = graph.derived.get("native")
    if found is None:
        with _lock:
            found = graph.derived.get("native")
            if found is None:
                found = graph.derived["native"] = prepare(simplify(graph))
    return found


def fitting(x, aval):
    """`x` as an array in C order of the shape and dtype of `aval`."""
    x = np.asarray(x)
    if x.shape != aval.shape or x.dtype != aval.dtype:
        raise CompileError(f"expected {aval}, found {x.dtype}{list(x.shape)}")
    return x if x.flags.c_contiguous else np.ascontiguousarray(x)


def execute(graph, operands):
    """The outputs of a pure graph for plain arrays, by machine code."""
    run = runner(graph)
    graph = run.program.graph
    inputs = [fitting(x, i.var.aval) for x, i in zip(operands, graph.inputs, strict=True)]
    made = {v.id: np.empty(v.aval.shape, v.aval.dtype) for _, v in run.output_slots}
    status = run.run(inputs, made)
    if status == FAILED_CALL:
        error = run.error
        if isinstance(error, ShapeChanged):
            return list(graph.apply(*operands))
        raise error
    if status == OUT_OF_BOUNDS:
        graph.apply(*operands)  # raises what NumPy raises
        raise IndexError("index out of bounds")
    assert status == DONE
    by_input = {i.var.id: x for i, x in zip(graph.inputs, operands, strict=True)}
    return [output(o, made, by_input) for o in graph.outputs]


def output(o, made, by_input):
    if isinstance(o, Constant):
        return np.array(o.value)
    assert isinstance(o, Var)
    x = made[o.id] if o.id in made else by_input[o.id]
    return x[()] if x.ndim == 0 else x
