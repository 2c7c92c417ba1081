"""Whole programs and branches as rows: graphs stand among their parameters, derivatives are rows again.

What rows that run graphs share stands first. Forward mode runs the graph on values and tangents. Reverse mode through a
program runs the graph once, with what the way back reads as further results; through a branch it runs the branch again.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..core.derivative import Joint, zero
from ..core.dispatch import state
from ..core.graph import Graph
from ..core.lowering import Loop
from ..core.primitive import primitive
from ..core.value import Value, dtype_of, shape_of
from ..ops.elementwise import where
from ..ops.shaping import as_value, reshape
from .abstract import (
    active_outputs,
    as_recorded,
    batch_graph,
    input_avals,
    jvp_graph,
    last_active,
    output_avals,
    remember,
    repeated,
    vjp_graph,
    zeros_of,
)
from .split import cut, graph_of, inputs_read, only, variables


def parts(xs, *sizes):
    """Cut a list into pieces of these lengths and a last one."""
    pieces, start = [], 0
    for n in sizes:
        pieces.append(list(xs[start : start + n]))
        start += n
    return *pieces, list(xs[start:])


def chosen(xs, flags):
    return [x for x, flag in zip(xs, flags, strict=True) if flag]


def spread(xs, flags):
    """One entry per flag: the next of `xs` where it is set, else None."""
    rest = iter(xs)
    return [next(rest) if flag else None for flag in flags]


def inexact(avals):
    return tuple(a.dtype.kind in "fc" for a in avals)


def zeros_like(x):
    return np.zeros(shape_of(x), dtype_of(x))


def or_zeros(ts, xs, flags):
    """The flagged tangents, zeros where they are None."""
    return [zeros_like(x) if t is None else t for t, x, f in zip(ts, xs, flags, strict=True) if f]


def settle(flags, step):
    """Repeat `step`, which may only set more flags, until it sets none."""
    while (new := tuple(step(flags))) != flags:
        flags = new
    return flags


def either(a, b):
    return tuple(bool(x or y) for x, y in zip(a, b, strict=True))


def size_of_batch(args, batched):
    return next(shape_of(x)[0] for x, b in zip(args, batched, strict=True) if b)


def all_batched(xs, flags, size):
    return [x if f else repeated(x, size) for x, f in zip(xs, flags, strict=True)]


def choose(p, x, y):
    """x where p holds, else y; p lacks the last axes of x."""
    ndim = max(len(shape_of(x)), len(shape_of(y)))
    return where(reshape(p, (*shape_of(p), *(1,) * (ndim - len(shape_of(p))))), x, y)


def interleaved(graph, sizes, flags, counts):
    """A graph with tangents whose inputs are [consts, carries, xs, their tangents], results alike, with every tangent
    beside its kind: [consts, tangents of consts, carries, tangents of carries, ...]."""
    inputs = [i.var for i in graph.inputs]
    values, moved = parts(inputs, sum(sizes))
    ordered = []
    for own, n in zip(parts(values, *sizes)[:-1], flags, strict=True):
        k = sum(n)
        ordered += own + moved[:k]
        moved = moved[k:]
    (carries, ys), tangents = parts(graph.outputs[: sum(counts)], counts[0]), graph.outputs[sum(counts) :]
    k = sum(flags[1])
    return graph_of(graph.name, ordered, graph.steps, [*carries, *tangents[:k], *ys, *tangents[k:]])


def narrowed(step, inputs, outputs, **params):
    """The step with the flagged inputs and outputs alone, and these parameters in place of its own."""
    params = {**step.params, **params}
    return replace(step, inputs=tuple(chosen(step.inputs, inputs)), outputs=tuple(chosen(step.outputs, outputs)), params=params)


# --- a program --------------------------------------------------------------------------------------------------------


def as_result(x, given):
    """What a loop gives for a carry, also where no step was taken: numbers, not arrays without axes, and nothing `given`."""
    x = as_value(x)
    if isinstance(x, np.ndarray):
        return x[()] if not x.ndim else x.copy() if any(x is y for y in given) else x
    return x


def run_graph(graph, operands):
    """The outputs of a graph for plain arrays, as a tuple of arrays."""
    return tuple(map(as_value, graph.apply(*operands)))


execute = run_graph  # how the row `program` runs; a compiler may put itself here


class Halves(NamedTuple):
    """A graph whose results include what its pullback reads, and the graph of the pullback."""

    forward: Graph
    backward: Graph
    own: list[int]  # inputs that the pullback reads
    wanted: tuple  # inputs that get a cotangent
    given: tuple  # outputs whose cotangents are read


def halved(joint, name, early, results):
    """A graph of a function's values and cotangents as one of its values and of what else the way back reads, and one of that
    way; and which of the first `early` inputs, those of the function, that reads. `results` is the number of values."""
    first, late = parts([i.var for i in joint.inputs], early)
    values, cotangents = parts(joint.outputs, results)
    residuals, steps = cut(joint, late, first, variables(cotangents))
    own = [i for i, v in enumerate(first) if v in residuals]
    more = [v for v in residuals if v not in first]
    forward = graph_of(f"{name}, forward", first, joint.steps, [*values, *more])
    backward = graph_of(f"{name}, backward", [*(first[i] for i in own), *more, *late], steps, cotangents)
    return forward, backward, own


def _halves(graph, active):
    def make():
        wanted = tuple(a and i for a, i in zip(active, inexact(input_avals(graph)), strict=True))
        given = tuple(active_outputs(graph, wanted))
        joint = vjp_graph(graph, wanted, given, values=True).graph
        forward, backward, own = halved(joint, graph.name, len(active), len(graph.outputs))
        return Halves(forward, backward, own, wanted, given)

    return remember(graph, ("halves", active, state.again and graph.ruled), make)


def _program_push(args, tangents, params):
    graph = params["graph"]
    made = jvp_graph(graph, [t is not None for t in tangents])
    out = _program(*args, *(t for t in tangents if t is not None), graph=made.graph)
    n = len(graph.outputs)
    return out[:n], spread(out[n:], made.flags)


def _program_record(args, active, params):
    halves = _halves(params["graph"], active)
    out = _program(*args, graph=halves.forward)
    n = len(params["graph"].outputs)
    return out[:n], [*(args[i] for i in halves.own), *out[n:]]


def _program_pull(gs, kept, active, params):
    halves = _halves(params["graph"], active)
    zeros = map(zeros_of, output_avals(params["graph"]))
    seeds = [z if g is None else g for g, z, f in zip(gs, zeros, halves.given, strict=True) if f]
    return spread(_program(*kept, *seeds, graph=halves.backward), halves.wanted)


def _program_end(active, params):
    graph = params["graph"]
    return remember(graph, ("end", active), lambda: last_active(graph, active))


def _program_narrow(step, used):
    graph = step.params["graph"]
    read = inputs_read(graph, used)
    return narrowed(step, read, used, graph=only(graph, read, used))


def _program_batch(args, batched, params):
    graph, size = params["graph"], size_of_batch(args, batched)
    return _program(*args, graph=batch_graph(graph, batched, size, (True,) * len(graph.outputs)).graph)


@primitive(
    derivative=[Joint(_program_push, _program_record, _program_pull, _program_narrow, _program_end)],
    aval=lambda *avals, graph: tuple(output_avals(graph)),
    batch=_program_batch,
    lower=Loop(),
    name="program",
    several=True,
)
def _program(*args, graph):
    """Run a graph: its outputs for these inputs."""
    return tuple(execute(graph, args))


def run_by_level(graph, operands):
    """The outputs of a graph, each as a value of the highest trace among those operands that it is made from.

    So what depends on no traced operand is none of that trace's values, as when the function itself runs: it may be left in a
    Tensor that outlives the trace. Nor does it require grad if nothing does that it depends on.
    """
    levels = [(x.owner.level, x.note is not None) if isinstance(x, Value) else (-np.inf, False) for x in operands]
    order = sorted(set(levels))

    def make():
        groups: dict = {}  # level -> which outputs
        for n in range(len(graph.outputs)):
            read = inputs_read(graph, [k == n for k in range(len(graph.outputs))])
            level = max((rank for rank, r in zip(ranks, read, strict=True) if r), default=-1)
            groups.setdefault(level, [False] * len(graph.outputs))[n] = True
        return [(used, inputs_read(graph, used)) for used in groups.values()]

    ranks = tuple(map(order.index, levels))
    out: list = [None] * len(graph.outputs)
    for used, read in remember(graph, ("levels", ranks), make):
        given = [x for x, r in zip(operands, read, strict=True) if r]
        results = iter(_program(*given, graph=only(graph, read, used)))
        out = [next(results) if u else x for x, u in zip(out, used, strict=True)]
    return out


# --- one of two branches ----------------------------------------------------------------------------------------------


def _cond_push(args, tangents, params):
    moving = [t is not None for t in tangents[1:]]
    first, second = params["branches"]
    both = either(jvp_graph(first, moving).flags, jvp_graph(second, moving).flags)
    branches = tuple(jvp_graph(b, moving, both).graph for b in params["branches"])
    out = _cond(*args, *(t for t in tangents if t is not None), branches=branches)
    n = len(first.outputs)
    return out[:n], spread(out[n:], both)


def _cond_record(args, active, params):
    return _cond(*args, branches=tuple(as_recorded(b, active[1:]) for b in params["branches"])), args


def _cond_pull(gs, kept, active, params):
    given = tuple(g is not None for g in gs)
    wanted = tuple(a and i for a, i in zip(active[1:], inexact(input_avals(params["branches"][0])), strict=True))
    branches = tuple(vjp_graph(b, wanted, given).graph for b in params["branches"])
    return [None, *spread(_cond(*kept, *(g for g in gs if g is not None), branches=branches), wanted)]


def _cond_narrow(step, used):
    first, second = step.params["branches"]
    read = either(inputs_read(first, used), inputs_read(second, used))
    return narrowed(step, (True, *read), used, branches=(only(first, read, used), only(second, read, used)))


def _cond_batch(args, batched, params):
    size = size_of_batch(args, batched)
    pred, *rest = args
    flags = batched[1:]
    every = (True,) * len(params["branches"][0].outputs)
    first, second = (batch_graph(b, flags, size, every).graph for b in params["branches"])
    if not batched[0]:
        return _cond(pred, *rest, branches=(first, second))
    with np.errstate(all="ignore"):  # entries run the branch that they do not take, too
        both = zip(first.apply(*rest), second.apply(*rest), strict=True)
        return tuple(choose(pred, x, y) for x, y in both)


@primitive(
    derivative=[zero, Joint(_cond_push, _cond_record, _cond_pull, _cond_narrow)],
    aval=lambda pred, *avals, branches: tuple(output_avals(branches[0])),
    batch=_cond_batch,
    lower=Loop(),
    name="cond",
    several=True,
)
def _cond(pred, *args, branches):
    """The outputs of the first of two graphs where pred holds, else those of the second."""
    return run_graph(branches[0 if pred else 1], args)
