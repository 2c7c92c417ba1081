"""A loop of known length as a row. Reverse mode keeps, of each step, what the way back reads, and is a loop the other way."""

from typing import NamedTuple

import numpy as np

from ..core.aval import Aval
from ..core.derivative import Joint
from ..core.dispatch import state
from ..core.graph import Graph, Operand, Step, Var
from ..core.lowering import Loop
from ..core.primitive import primitive
from ..ops.elementwise import add
from ..ops.shaping import moveaxis
from .abstract import active_outputs, batch_graph, input_avals, jvp_graph, output_avals, remember, repeated, vjp_graph, zeros_of
from .programs import as_result, chosen, either, inexact, interleaved, narrowed, or_zeros, parts, settle, size_of_batch, spread
from .split import Sums, cut, fresh_id, graph_of, hoist, inputs_read, only, unique, variables


def run_scan(consts, carries, xs, *, body, length, reverse):
    """The row `scan`, with what is the same in each step taken out of the loop."""
    before, body = hoist(body, len(consts))
    consts = [*consts, *before.apply(*consts)]
    return _scan(*consts, *carries, *xs, body=body, consts=len(consts), carries=len(carries), length=length, reverse=reverse)


def _pieces(args, consts, carries, **_):
    return parts(args, consts, carries)


def _scan_moving(moving, params):
    """Flags of (consts, carries, xs), with all carries that come to move, and of the ys."""
    body, nc = params["body"], params["carries"]
    fixed, start, each = _pieces(moving, **params)
    start = settle(tuple(start), lambda c: either(c, active_outputs(body, [*fixed, *c, *each])[:nc]))
    kinds = inexact(input_avals(body))
    moving = tuple(bool(m and k) for m, k in zip((*fixed, *start, *each), kinds, strict=True))
    return _pieces(moving, **params), active_outputs(body, moving)[nc:]


def _tangent_scan(params, moving):
    """The body with tangents, and flags of (consts, carries, xs, ys) that have one."""
    body, nk, nc = params["body"], params["consts"], params["carries"]
    (mk, mc, mx), _ = _scan_moving(moving, params)

    def make():
        ny = len(body.outputs) - nc
        made = jvp_graph(body, [*mk, *mc, *mx], (*mc, *(False,) * ny))
        flags = ([*mk], [*mc], [*mx])
        # A carry that is left without moving, though it came in moving, is required above, so all of mc are there.
        sizes = (nk, nc, len(mx))
        return interleaved(made.graph, sizes, flags, (nc, ny)), made.flags[nc:]

    graph, my = remember(body, ("tangent scan", nk, nc, *mk, *mc, *mx), make)
    return graph, mk, mc, mx, my


def _scan_push(args, tangents, params):
    graph, mk, mc, mx, my = _tangent_scan(params, [t is not None for t in tangents])
    k, c, x = _pieces(args, **params)
    tk, tc, tx = _pieces(tangents, **params)
    out = run_scan(
        [*k, *chosen(tk, mk)],
        [*c, *or_zeros(tc, c, mc)],
        [*x, *chosen(tx, mx)],
        body=graph,
        length=params["length"],
        reverse=params["reverse"],
    )
    carries, moved, ys, moved_ys = parts(out, len(c), sum(mc), len(my))
    return [*carries, *ys], [*spread(moved, mc), *spread(moved_ys, my)]


class _ScanPlan(NamedTuple):
    """How reverse mode runs a scan."""

    before: Graph  # consts -> what the same steps of every iteration make of them
    forward: Graph  # body that also gives what the way back reads
    backward: Graph  # body of the way back
    fixed: list[int]  # which of the consts and the results of `before` the way back reads
    each: list[int]  # which xs it reads
    places: list[int]  # where among the results of `forward` stand the others that it reads
    sums: Sums
    stacks: dict[Var, int]  # what it gives from each step, to be added up afterwards, and where among its stacks
    totals: list[Operand | None]  # cotangent of each moving const in one step
    names: list[Var]  # values of the joint graph that it reads from each step
    flags: tuple  # moving consts, carries, xs and ys


def _once(outputs, more, first):
    """`outputs` and those of `more` that are not among them from position `first` on; and where each of `more` stands."""
    where = {v: i for i, v in enumerate(outputs) if i >= first and isinstance(v, Var)}
    for v in more:
        if v not in where:
            where[v] = len(outputs)
            outputs.append(v)
    return outputs, {v: where[v] for v in more}


def _adders(graph, summands):
    """Totals before, steps that add to them, and totals after one step of a loop."""
    fresh = fresh_id(graph)
    before = [Var(fresh + 2 * n, v.aval) for n, v in enumerate(summands)]
    after = [Var(fresh + 2 * n + 1, v.aval) for n, v in enumerate(summands)]
    steps = [
        Step(add.row, (total, v), {}, (new,), "sum over steps", "backward")
        for total, v, new in zip(before, summands, after, strict=True)
    ]
    return before, steps, after


def _scan_plan(params, active):
    body, nk, nc = params["body"], params["consts"], params["carries"]
    (mk, mc, mx), my = _scan_moving(active, params)

    def make():
        joint, flows = vjp_graph(body, (*mk, *mc, *mx), (*mc, *my), values=True)
        before, joint = hoist(joint, nk)
        extra = len(before.outputs)
        inputs = [i.var for i in joint.inputs]
        k, c, x, late = parts(inputs, nk + extra, nc, len(mx))
        gc, gy = parts(late, sum(mc))
        results, ck, cc, cx = parts(joint.outputs, len(body.outputs), sum(mk), sum(mc))
        totals: list[Operand | None] = [v if f and isinstance(v, Var) else None for v, f in zip(ck, flows, strict=False)]
        sums = Sums(joint, k, variables(totals))
        targets = unique([*variables([*cc, *cx]), *sums.stacked, *sums.added])
        residuals, steps = cut(joint, late, [*k, *x], targets)
        fixed = [i for i, v in enumerate(k) if v in residuals]
        each = [i for i, v in enumerate(x) if v in residuals]
        inside = set(k) | set(x)
        kept = [v for v in residuals if v not in inside]
        outputs, places = _once([*results], kept, nc)
        forward = graph_of(f"{body.name}, forward", [*k, *c, *x], joint.steps, outputs)
        have = {*kept, *x, *gy}  # stacked already
        ys, stacks = _once([*cx], [v for v in sums.stacked if v not in have], 0)
        names = [*(x[i] for i in each), *kept, *gy]
        totals_now, adders, totals_next = _adders(joint, sums.added)
        backward = graph_of(
            f"{body.name}, backward",
            [*(k[i] for i in fixed), *gc, *totals_now, *names],
            [*steps, *adders],
            [*cc, *totals_next, *ys],
        )
        flags = mk, mc, mx, my
        return _ScanPlan(before, forward, backward, fixed, each, list(places.values()), sums, stacks, totals, names, flags)

    return remember(body, ("scan", nk, nc, *mk, *mc, *mx, state.again and body.ruled), make)


def _scan_record(args, active, params):
    plan = _scan_plan(params, active)
    k, c, x = _pieces(args, **params)
    k = [*k, *plan.before.apply(*k)]
    out = _scan(*k, *c, *x, **{**params, "body": plan.forward, "consts": len(k)})
    kept = [*(k[i] for i in plan.fixed), *(x[i] for i in plan.each), *(out[i] for i in plan.places)]
    return out[: len(params["body"].outputs)], kept


def _scan_pull(gs, kept, active, params):
    plan = _scan_plan(params, active)
    mk, mc, mx, my = plan.flags
    avals = output_avals(params["body"])
    length, nc = params["length"], params["carries"]
    fixed, each, residuals = parts(kept, len(plan.fixed), len(plan.each))
    gc = [zeros_of(a) if g is None else g for g, a, m in zip(gs[:nc], avals[:nc], mc, strict=True) if m]
    gy = [
        np.broadcast_to(np.zeros((), a.dtype), (length, *a.shape)) if g is None else g
        for g, a, m in zip(gs[nc:], avals[nc:], my, strict=True)
        if m
    ]
    added = plan.sums.added
    out = _scan(
        *fixed,
        *gc,
        *(zeros_of(v.aval) for v in added),
        *each,
        *residuals,
        *gy,
        body=plan.backward,
        consts=len(fixed),
        carries=len(gc) + len(added),
        length=length,
        reverse=not params["reverse"],
    )
    cc, sums, ys = parts(out, len(gc), len(added))
    stacked = dict(zip(plan.names, (*each, *residuals, *gy), strict=True))
    stacked |= {v: ys[i] for v, i in plan.stacks.items()}
    added_up = dict(zip(added, sums, strict=True))
    ck = [None if v is None else plan.sums.total(v, stacked, added_up) for v in plan.totals]
    return [*spread(ck, mk), *spread(cc, mc), *spread(ys[: sum(mx)], mx)]


def _scan_narrow(step, used):
    body, nk, nc = (step.params[name] for name in ("body", "consts", "carries"))
    flags = settle(tuple(used[:nc]), lambda c: either(c, inputs_read(body, [*c, *used[nc:]])[nk : nk + nc]))
    read = inputs_read(body, [*flags, *used[nc:]])
    read[nk : nk + nc] = flags
    out = (*flags, *used[nc:])
    return narrowed(step, read, out, body=only(body, read, out), consts=sum(read[:nk]), carries=sum(flags))


def _scan_batch(args, batched, params):
    size, body, nc = size_of_batch(args, batched), params["body"], params["carries"]
    k, c, x = _pieces(args, **params)
    bk, bc, bx = _pieces(batched, **params)
    grown = settle(tuple(bc), lambda f: either(f, batch_graph(body, [*bk, *f, *bx], size).flags[:nc]))
    made = batch_graph(body, [*bk, *grown, *bx], size, (*grown, *(False,) * (len(body.outputs) - nc)))
    c = [repeated(v, size) if g and not b else v for v, b, g in zip(c, bc, grown, strict=True)]
    x = [moveaxis(v, 0, 1) if b else v for v, b in zip(x, bx, strict=True)]
    out = run_scan(k, c, x, body=made.graph, length=params["length"], reverse=params["reverse"])
    carries = [v if g else repeated(v, size) for v, g in zip(out[:nc], grown, strict=True)]
    return (
        *carries,
        *(moveaxis(v, 0, 1) if f else repeated(v, size) for v, f in zip(out[nc:], made.flags[nc:], strict=True)),
    )


def _scan_aval(*avals, body, consts, carries, length, reverse):
    out = output_avals(body)
    return (*out[:carries], *(Aval((length, *a.shape), a.dtype) for a in out[carries:]))


@primitive(
    derivative=[Joint(_scan_push, _scan_record, _scan_pull, _scan_narrow)],
    aval=_scan_aval,
    batch=_scan_batch,
    lower=Loop(),
    name="scan",
    several=True,
)
def _scan(*args, body, consts, carries, length, reverse):
    """A loop over the first axis of arrays: args are consts, first carries, arrays; results are last carries and stacks."""
    fixed, state, xs = parts(args, consts, carries)
    stacks = [np.empty((length, *a.shape), a.dtype) for a in output_avals(body)[carries:]]
    for t in reversed(range(length)) if reverse else range(length):
        out = body.apply(*fixed, *state, *(x[t] for x in xs))
        state = out[:carries]
        for stack, y in zip(stacks, out[carries:], strict=True):
            stack[t] = y
    return (*(as_result(x, args) for x in state), *stacks)
