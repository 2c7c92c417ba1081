"""Graphs run by machine code: simplified, built, cached and loaded, once for each graph."""

import hashlib
import os
import threading

import numpy as np

from ..core.graph import Constant, Var
from . import cache, threads
from .program import DONE, FAILED_CALL, OUT_OF_BOUNDS, Assembler
from .runtime import Runner, ShapeChanged, assemble, code_size, load
from .simplify import simplify
from .stored import Numbering, key_of, packed, unpacked, versions

_lock = threading.RLock()
if hasattr(os, "register_at_fork"):  # a child must not find it held by a thread that it does not have
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)
_loaded: dict = {}  # entry address by key of a program


def prepare(graph, updates=(), precise=False, timed=False):
    """A Runner for a graph.

    Parameters
    ----------
    graph : Graph
    updates : (id of new value, id of the input variable that it replaces) pairs: may share memory
    precise : use the C library's functions instead of polynomials
    timed : let the program write down how long its kernels take
    """
    with _lock:
        updates = list(updates)
        most = 1 if timed else threads.size()
        numbering = Numbering(graph)
        key = None if timed else key_of(numbering, updates, (precise, most))
        kept = cache.load(key) if key is not None else None
        if kept is not None:
            program, code = unpacked(kept, graph, numbering)
            return _running(program, code, key)
        assembler = Assembler(graph, updates=updates, precise=precise, timed=timed, threads=most)
        program = assembler.build()
        program.text = assembler.module.text()
        own = hashlib.blake2b(f"{versions()}\n{program.text}".encode(), digest_size=20).hexdigest()
        code = cache.load(own)
        if code is None:
            code = assemble(program.text)
            whole = packed(program, code, numbering) if key is not None else None
            if key is not None and whole is not None:
                own = key
                cache.store(own, whole)
            else:
                cache.store(own, code)
        if not timed:  # what only explanations ask for, and can be made again, would take megabytes
            program.text = program.kernels = program.plan = None
        return _running(program, code, own)


def _running(program, code, key):
    program.code_bytes = code_size(code)
    if program.threads > 1:
        threads.symbols()
    if key not in _loaded:
        _loaded[key] = load(code, program.name)
    return Runner(program, _loaded[key])


def runner(graph):
    """The Runner of a graph, made once."""
    found = graph.derived.get("native")
    if found is None:
        with _lock:
            found = graph.derived.get("native")
            if found is None:
                found = graph.derived["native"] = prepare(simplify(graph))
    return found


def execute(graph, operands):
    """The outputs of a pure graph for plain arrays, by machine code; by NumPy where they are not what it was written for."""
    operands = [np.asarray(x) for x in operands]
    if any(x.dtype != i.var.aval.dtype or x.shape != i.var.aval.shape for x, i in zip(operands, graph.inputs, strict=True)):
        return list(graph.apply(*operands))
    run = runner(graph)
    graph = run.program.graph
    inputs = [np.ascontiguousarray(x) if x.ndim else x for x in operands]
    made = {v.id: np.empty(v.aval.shape, v.aval.dtype) for _, v in run.output_slots}
    with run.reserved() as run:
        status = run.run(inputs, made)
        error, run.error = run.error, None
    if status == FAILED_CALL:
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
