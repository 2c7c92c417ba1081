"""Sweeps over the steps of a loop of unknown length, there and back, as a row: derivatives of any order of such a loop whose
body follows rules of the user's.

What `whiles.py` says of the way back takes second derivatives to be symmetric, which those of rules need not be. Here nothing
is taken for granted. A sweep goes through the steps forward or backward; at each step it sees what the sweeps before it
carried into that step. The tangent of some sweeps is as many sweeps, with tangents beside what they carry. The way back is
the sweeps again, and then the pullback of each, the last one first, going the other way.
"""

import itertools

import numpy as np

from ..core.aval import Aval
from ..core.derivative import Joint, zero
from ..core.graph import Graph
from ..core.lowering import Loop
from ..core.primitive import primitive
from ..core.value import dtype_of
from ..ops.shaping import as_value
from .abstract import as_recorded, aval_like, batch_graph, input_avals, jvp_graph, output_avals, trace, vjp_graph
from .programs import all_batched, choose, chosen, inexact, or_zeros, parts, size_of_batch, spread, zeros_like
from .split import graph_of

joined = itertools.chain.from_iterable


def _flags(avals):
    return list(inexact(avals))


def _pieces(xs, params):
    """Consts, and what each sweep carries."""
    fixed, *carried = parts(xs, params["consts"], *params["carries"])
    return fixed, carried[:-1]


def _read(graphs, i, consts, carries):
    """The avals of consts, and of what each sweep up to number `i` carries."""
    return parts(input_avals(graphs[i]), consts, *carries[:i])


def _sweeps_push(args, tangents, params):
    graphs, nk, carries = params["graphs"], params["consts"], params["carries"]
    made = []
    for i, g in enumerate(graphs):
        moving = _flags(input_avals(g))
        tangent = jvp_graph(g, moving, inexact(output_avals(g))).graph
        inputs = [v.var for v in tangent.inputs]
        values, moved = parts(inputs, len(moving))
        ordered = []
        for own, flags in zip(parts(values, nk, *carries[:i]), parts(moving, nk, *carries[:i]), strict=True):
            ordered += [*own, *moved[: sum(flags)]]
            moved = moved[sum(flags) :]
        made.append(graph_of(tangent.name, ordered, tangent.steps, tangent.outputs))
    count, args = args[0], args[1:]
    flags = _pieces([dtype_of(x).kind in "fc" for x in args], params)
    values, given = _pieces(args, params), _pieces(tangents[1:], params)
    fixed = [*values[0], *or_zeros(given[0], values[0], flags[0])]
    pieces = [[*v, *or_zeros(t, v, f)] for v, t, f in zip(values[1], given[1], flags[1], strict=True)]
    sizes = tuple(map(len, pieces))
    out = _sweeps(count, *fixed, *joined(pieces), graphs=tuple(made), consts=len(fixed), carries=sizes, ways=params["ways"])
    results, moved = [], []
    for piece, n, f in zip(parts(out, *sizes), carries, flags[1], strict=False):
        results += piece[:n]
        moved += spread(piece[n:], f)
    return results, moved


def _sweeps_record(args, active, params):
    graphs = tuple(as_recorded(g, (True,) * len(g.inputs)) for g in params["graphs"])
    return _sweeps(*args, **{**params, "graphs": graphs}), [*args, graphs]


def _pullbacks(graphs, consts, carries):
    """For each sweep the graph of the sweep that pulls back through it; it carries cotangents, then totals for the consts."""
    kinds = [_flags(p) for p in _read(graphs, len(graphs) - 1, consts, carries)]
    pulls = [vjp_graph(g, inexact(input_avals(g)), inexact(output_avals(g))).graph for g in graphs]
    sizes = [sum(f) for f in kinds]  # of cotangents: of consts, and of what each sweep carries
    made = []

    def pulled(j, fixed, carried, g):
        """Cotangents of the consts, and of what each sweep up to number `j` carries."""
        out = pulls[j].apply(*fixed, *joined(carried[: j + 1]), *g)
        return parts(out, sizes[0], *sizes[1 : j + 1])

    for i in range(len(graphs)):
        later = range(len(graphs) - 1, i, -1)
        states = [p for part in _read(graphs, len(graphs) - 1, consts, carries) for p in part]
        totals = chosen(input_avals(graphs[i])[:consts], kinds[0])
        of_sweep = {j: [*chosen(output_avals(graphs[j]), kinds[j + 1]), *totals] for j in (*later, i)}

        def step(*xs, i=i, later=later, of_sweep=of_sweep):
            fixed, *carried = parts(xs, consts, *carries)
            *carried, rest = carried
            *cotangents, _ = parts(rest, *map(len, of_sweep.values()))
            gs = {j: c[: sizes[j + 1]] for j, c in zip(of_sweep, cotangents, strict=True)}
            own = pulled(i, fixed, carried, gs[i])
            total = [t + x for t, x in zip(cotangents[-1][sizes[i + 1] :], own[0], strict=True)]
            new = own[i + 1]
            for j in later:
                new = [x + y for x, y in zip(new, pulled(j, fixed, carried, gs[j])[i + 1], strict=True)]
            return [*new, *total]

        avals = [*states, *(a for part in of_sweep.values() for a in part)]
        made.append(trace(step, avals, f"pullback of {graphs[i].name}", capture=False).graph)
    return made


def _sweeps_pull(gs, kept, active, params):
    *args, graphs = kept
    count, args = args[0], args[1:]
    nk, carries, ways = params["consts"], params["carries"], params["ways"]
    pulls = _pullbacks(params["graphs"], nk, carries)
    fixed, carried = _pieces(args, params)
    moving = [dtype_of(x).kind in "fc" for x in fixed]
    more: list = []
    for piece, g in zip(reversed(carried), reversed(parts(gs, *carries)[:-1]), strict=True):
        flags = [dtype_of(x).kind in "fc" for x in piece]
        more.append([*or_zeros(g, piece, flags), *(zeros_like(x) for x in chosen(fixed, moving))])
    out = _sweeps(
        count,
        *args,
        *joined(more),
        graphs=(*graphs, *reversed(pulls)),
        consts=nk,
        carries=(*carries, *map(len, more)),
        ways=(*ways, *(not w for w in reversed(ways))),
    )
    found = parts(out[sum(carries) :], *map(len, more))[:-1][::-1]
    totals: list = [0] * sum(moving)
    back = []
    for piece, own in zip(carried, found, strict=True):
        flags = [dtype_of(x).kind in "fc" for x in piece]
        back += spread(own[: sum(flags)], flags)
        totals = [t + x for t, x in zip(totals, own[sum(flags) :], strict=True)]
    return [None, *spread(totals, moving), *back]


def _sweeps_batch(args, batched, params):
    size = size_of_batch(args, batched)
    count, args = args[0], all_batched(args[1:], batched[1:], size)
    graphs = [batch_graph(g, (True,) * len(g.inputs), size, (True,) * len(g.outputs)).graph for g in params["graphs"]]
    if not batched[0]:
        return _sweeps(count, *args, **{**params, "graphs": tuple(graphs)})
    return _with_own_counts(count, args, graphs, size, params)


def _with_own_counts(counts, args, graphs, size, params):
    """As many steps as any entry has; each goes on only as long as it has some."""
    nk, carries, ways = params["consts"], params["carries"], params["ways"]
    limit, index = aval_like(counts), Aval((), dtype_of(counts))
    made = []
    for i, g in enumerate(graphs):

        def step(limits, *xs, i=i, g=g):
            fixed, *carried = parts(xs, nk, *(n + 1 for n in carries[:i]))
            t, *own = carried[-1]
            new = g.apply(*fixed, *joined(c[1:] for c in carried[:-1]), *own)
            new = [choose(t < limits, x, y) for x, y in zip(new, own, strict=True)]
            return [t + 1 if ways[i] else t - 1, *new]

        fixed, *carried = _read(graphs, i, nk, carries)
        avals = [limit, *fixed, *(a for c in carried for a in (index, *c))]
        made.append(trace(step, avals, g.name, capture=False).graph)
    most = counts.max(initial=0) if isinstance(counts, np.ndarray) else counts.max()
    fixed, pieces = _pieces(args, params)
    first = np.zeros((), index.dtype)
    pieces = [[first if way else most - 1, *piece] for piece, way in zip(pieces, ways, strict=True)]
    out = _sweeps(
        most,
        counts,
        *fixed,
        *joined(pieces),
        graphs=tuple(made),
        consts=nk + 1,
        carries=tuple(n + 1 for n in carries),
        ways=ways,
    )
    return tuple(x for piece in parts(out, *(n + 1 for n in carries))[:-1] for x in piece[1:])


@primitive(
    derivative=[zero, Joint(_sweeps_push, _sweeps_record, _sweeps_pull)],
    aval=lambda *avals, graphs, consts, carries, ways: tuple(a for g in graphs for a in output_avals(g)),
    batch=_sweeps_batch,
    lower=Loop(),
    name="sweeps",
    several=True,
)
def _sweeps(count, *args, graphs, consts, carries, ways):
    """What each sweep carries in the end. args are consts, then what each carries first; a graph takes the consts, what the
    sweeps before carried into the same step, and what its own carries; ways say which go forward."""
    fixed, *pieces = parts(args, consts, *carries)
    n = int(count)
    trails: list = []
    results: list = []
    for graph, now, forward in zip(graphs, pieces, ways, strict=False):
        trail: list = [None] * n
        for t in range(n) if forward else reversed(range(n)):
            trail[t] = now
            now = graph.apply(*fixed, *(x for earlier in trails for x in earlier[t]), *now)
        trails.append(trail)
        results += now
    return tuple(map(as_value, results))


def pull_loop(count, args, ws, body: Graph, pull: Graph, consts, mk, mc):
    """Cotangents of the moving consts and carries of a loop of `count` steps, for cotangents `ws` of the carries that move."""
    totals = [zeros_like(x) for x in chosen(args[:consts], mk)]
    nc = len(args) - consts
    n = len(totals)

    def back(*xs):
        read, before, g = parts(xs, consts + nc, n)
        added, gs = parts(pull.apply(*read, *g), n)
        return [*(t + x for t, x in zip(before, added, strict=True)), *gs]

    avals = [*input_avals(body), *map(aval_like, [*totals, *ws])]
    graph = trace(back, avals, pull.name, capture=False).graph
    out = _sweeps(
        count, *args, *totals, *ws, graphs=(body, graph), consts=consts, carries=(nc, n + len(ws)), ways=(True, False)
    )
    return spread(out[nc:], (*mk, *mc))
