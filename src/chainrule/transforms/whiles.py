"""A loop of unknown length as a row, and the way back through it, which keeps nothing and runs the loop again.

The way back is closed under differentiation. With F the loop's body, J its derivative and pull(c, w) = J(c)^T w,

    d/de pull(c + e u, w + e v)      is the c part of the pull of (c, u) -> (F(c), J(c) u) with cotangents (v, w),
    the transpose, for a cotangent z of pull:      J(c) z for w, and the c part of the same with u = z, v = 0 for c,

because second derivatives are symmetric. So derivatives of any order need no further row. Rules of the user's need not be
symmetric: where a body follows some, sweeps.py is the way back.
"""

import numpy as np

from ..core.aval import Aval
from ..core.derivative import Joint, zero
from ..core.graph import Var
from ..core.lowering import Loop
from ..core.primitive import primitive
from ..ops.shaping import as_value
from .abstract import (
    active_outputs,
    as_recorded,
    aval_like,
    batch_graph,
    input_avals,
    jvp_graph,
    output_avals,
    remember,
    repeated,
    trace,
    vjp_graph,
    zeros_of,
)
from .programs import (
    all_batched,
    as_result,
    choose,
    chosen,
    either,
    inexact,
    interleaved,
    narrowed,
    or_zeros,
    parts,
    settle,
    size_of_batch,
    spread,
    zeros_like,
)
from .split import fresh_id, graph_of, inputs_read, only
from .sweeps import pull_loop

INDEX = Aval((), np.dtype(np.int64))


def _loop_moving(moving, params):
    """Flags of consts and carries that move at some time."""
    body, nk = params["body"], params["consts"]
    fixed, start = parts(moving, nk)
    kinds = inexact(input_avals(body))
    fixed = tuple(bool(m and k) for m, k in zip(fixed, kinds, strict=False))
    start = settle(tuple(bool(m and k) for m, k in zip(start, kinds[nk:], strict=True)),
                    lambda c: either(c, active_outputs(body, [*fixed, *c])))  # fmt: skip
    return fixed, start


def _tangent_loop(body, consts, mk, mc):
    """The body of a loop over (consts, tangents of consts, carries, tangents of carries)."""

    def make():
        made = jvp_graph(body, [*mk, *mc], mc).graph
        return interleaved(made, (consts, len(mc), 0), (mk, mc, ()), (len(mc), 0))

    return remember(body, ("tangent loop", consts, mk, mc), make)


def _with_more_inputs(graph, consts, mk, mc):
    """The graph, of a condition say, with inputs for tangents that it does not read."""

    def make():
        inputs = [i.var for i in graph.inputs]
        fresh = fresh_id(graph)
        extra = [Var(fresh + i, v.aval) for i, v in enumerate(chosen(inputs, (*mk, *mc)))]
        ordered = [*inputs[:consts], *extra[: sum(mk)], *inputs[consts:], *extra[sum(mk) :]]
        return graph_of(graph.name, ordered, graph.steps, graph.outputs)

    return remember(graph, ("more inputs", consts, mk, mc), make)


def _while_push(args, tangents, params):
    nk = params["consts"]
    mk, mc = _loop_moving([t is not None for t in tangents], params)
    k, c = parts(args, nk)
    tk, tc = parts(tangents, nk)
    fixed = [*k, *chosen(tk, mk)]
    out = _while_loop(
        *fixed,
        *c,
        *or_zeros(tc, c, mc),
        condition=_with_more_inputs(params["condition"], nk, mk, mc),
        body=_tangent_loop(params["body"], nk, mk, mc),
        consts=len(fixed),
    )
    carries, moved, count = parts(out, len(c), sum(mc))
    return [*carries, *count], [*spread(moved, mc), None]


def _while_record(args, active, params):
    body = as_recorded(params["body"], tuple(sum(_loop_moving(active, params), ())))
    out = _while_loop(*args, **{**params, "body": body})
    return out, [out[-1], *args, body]


def _while_pull(gs, kept, active, params):
    body, nk = params["body"], params["consts"]
    mk, mc = _loop_moving(active, params)
    count, *args, recorded = kept
    ws = or_zeros(gs[:-1], args[nk:], mc)
    if body.ruled:
        pull = vjp_graph(body, (*mk, *mc), mc).graph
        return pull_loop(count, args, ws, recorded, pull, nk, mk, mc)
    return _pull_loop(count, args, ws, body, nk, mk, mc)


def _pull_loop(count, args, ws, body, consts, mk, mc):
    """Cotangents of consts and carries of a loop of `count` steps: None where nothing moves."""
    moving = (*mk, *mc)
    pull = vjp_graph(body, moving, mc).graph
    out = _while_backward(count, *args, *ws, body=body, pull=pull, consts=consts, moving=moving)
    return spread(out, moving)


def _while_narrow(step, used):
    body, condition, nk = (step.params[name] for name in ("body", "condition", "consts"))
    tested = inputs_read(condition, (True,))
    flags = settle(either(used[:-1], tested[nk:]), lambda c: either(c, inputs_read(body, c)[nk:]))
    read = [*either(tested[:nk], inputs_read(body, flags)[:nk]), *flags]
    params = {"body": only(body, read, flags), "condition": only(condition, read, (True,)), "consts": sum(read[:nk])}
    return narrowed(step, read, (*flags, True), **params)


def _while_batch(args, batched, params):
    size, nk = size_of_batch(args, batched), params["consts"]
    body, condition = params["body"], params["condition"]
    k, c = parts(args, nk)
    bk, bc = parts(batched, nk)
    grown = settle(tuple(bc), lambda f: either(f, batch_graph(body, [*bk, *f], size).flags))
    if not any(batch_graph(condition, [*bk, *grown], size).flags):
        made = batch_graph(body, [*bk, *grown], size, grown).graph
        c = [repeated(v, size) if g and not b else v for v, b, g in zip(c, bc, grown, strict=True)]
        *out, count = _while_loop(*k, *c, condition=condition, body=made, consts=nk)
        return (*(v if g else repeated(v, size) for v, g in zip(out, grown, strict=True)), repeated(count, size))
    every = (True,) * len(c)
    test = batch_graph(condition, [*bk, *every], size, (True,)).graph
    made = batch_graph(body, [*bk, *every], size, every).graph

    def advance(*operands):
        """One step of those that are not done; (whether to go on, number of steps, carries) are carried."""
        fixed, (on, count), state = parts(operands, nk, 2)
        state = [choose(on, new, old) for new, old in zip(made.apply(*fixed, *state), state, strict=True)]
        return [on & test.apply(*fixed, *state)[0], count + on, *state]

    flags, counts = Aval((size,), np.dtype(bool)), Aval((size,), INDEX.dtype)
    avals = [*input_avals(made)[:nk], flags, counts, *input_avals(made)[nk:]]
    step = trace(advance, avals, made.name, capture=False).graph
    more = trace(lambda *xs: xs[nk].any(), avals, condition.name, capture=False).graph
    c = all_batched(c, bc, size)
    on = test.apply(*k, *c)[0]
    _, count, *out, _ = _while_loop(*k, on, np.zeros(size, INDEX.dtype), *c, condition=more, body=step, consts=nk)
    return (*out, count)


def _while_aval(*avals, condition, body, consts):
    return (*output_avals(body), INDEX)


@primitive(
    derivative=[Joint(_while_push, _while_record, _while_pull, _while_narrow)],
    aval=_while_aval,
    batch=_while_batch,
    lower=Loop(),
    name="while_loop",
    several=True,
)
def _while_loop(*args, condition, body, consts):
    """A loop while a condition holds: args are consts and first carries, results last carries and the number of steps."""
    fixed, state = parts(args, consts)
    count = 0
    while condition.apply(*fixed, *state)[0]:
        state = body.apply(*fixed, *state)
        count += 1
    return (*(as_result(x, args) for x in state), np.int64(count))


# --- the way back through a loop --------------------------------------------------------------------------------------


def _counted(count, consts, carries, body):
    """The carries after `count` steps."""
    nk, kind = len(consts), aval_like(count)
    avals = input_avals(body)
    avals = [kind, *avals[:nk], kind, *avals[nk:]]

    def step(*operands):
        _, fixed, (i,), state = parts(operands, 1, nk, 1)
        return [i + 1, *body.apply(*fixed, *state)]

    graphs = remember(
        body,
        ("counted", nk, kind),
        lambda: (
            trace(lambda *xs: xs[1 + nk] < xs[0], avals, "count", capture=False).graph,
            trace(step, avals, body.name, capture=False).graph,
        ),
    )
    zero_count = np.zeros((), kind.dtype)
    out = _while_loop(count, *consts, zero_count, *carries, condition=graphs[0], body=graphs[1], consts=1 + nk)
    return list(out[1:-1])


def _backward_pieces(args, params):
    """count, consts, carries, cotangents; flags of moving consts and carries"""
    nk, moving = params["consts"], params["moving"]
    nc = len(moving) - nk
    (count,), k, c, w = parts(args, 1, nk, nc)
    return count, k, c, w, moving[:nk], moving[nk:]


def _tangent_pull(count, k, c, uk, uc, v, w, mk, mc, params):
    """The pull of the tangent loop at (k, c, u) with cotangents v of values and w of tangents: (parts of the values, parts
    of the tangents), each for moving consts, then moving carries."""
    body = _tangent_loop(params["body"], params["consts"], mk, mc)
    ek, ec = (True,) * sum(mk), (True,) * sum(mc)
    out = _pull_loop(count, [*k, *uk, *c, *uc], [*v, *w], body, len(k) + len(uk), (*mk, *ek), (*mc, *ec))
    pk, pu, pc, pv = parts(out, len(k), len(uk), len(c))
    return [*pk, *pc], spread([*pu, *pv], (*mk, *mc))


def _widened(k, c, w, also_k, also_c, params):
    """Flags of consts and carries that move, these too, and a cotangent for each such carry, zero where there was none."""
    moving, nk = params["moving"], params["consts"]
    mk, mc = _loop_moving((*either(moving[:nk], also_k), *either(moving[nk:], also_c)), params)
    w = [zeros_like(x) if g is None else g for g, x in zip(spread(w, moving[nk:]), c, strict=True)]
    return mk, mc, chosen(w, mc)


def _back_push(args, tangents, params):
    count, k, c, w, mk, mc = _backward_pieces(args, params)
    _, tk, tc, tw, _, _ = _backward_pieces(tangents, params)
    v = or_zeros(tw, w, (True,) * len(w))
    if all(t is None for t in (*tk, *tc)):  # linear in the cotangents
        return _while_backward(*args, **params), _while_backward(count, *k, *c, *v, **params)
    also = [t is not None for t in tk], [t is not None for t in tc]
    nk, nc, w = _widened(k, c, w, *also, params)
    _, _, v = _widened(k, c, v, *also, params)
    uk, uc = or_zeros(tk, k, nk), or_zeros(tc, c, nc)
    moved, values = _tangent_pull(count, k, c, uk, uc, v, w, nk, nc, params)
    return chosen(values, (*mk, *mc)), chosen(moved, (*mk, *mc))


def _back_record(args, active, params):
    return _while_backward(*args, **params), args


def _back_pull(gs, kept, active, params):
    count, k, c, w, mk, mc = _backward_pieces(kept, params)
    _, ak, ac, aw, _, _ = _backward_pieces(active, params)
    given = spread(gs, (*mk, *mc))
    nk, nc, wide = _widened(k, c, w, ak, ac, params)
    u = [zeros_like(x) if g is None else g for g, x in zip(given, [*k, *c], strict=True)]
    uk, uc = parts(u, len(k))
    pk, pw = [None] * (len(k) + len(c)), [None] * len(w)
    if any(aw):
        body = _tangent_loop(params["body"], params["consts"], mk, mc)
        pw = _counted(count, [*k, *chosen(uk, mk)], [*c, *chosen(uc, mc)], body)[len(c) :]
    if any(ak) or any(ac):
        v = [zeros_like(x) for x in wide]
        pk, _ = _tangent_pull(count, k, c, chosen(uk, nk), chosen(uc, nc), v, wide, nk, nc, params)
    return [None, *pk, *pw]


def _back_batch(args, batched, params):
    size = size_of_batch(args, batched)
    count, k, c, w, mk, mc = _backward_pieces(args, params)
    bcount, bk, bc, bw, _, _ = _backward_pieces(batched, params)
    body, nk = params["body"], params["consts"]
    # Every entry has its own cotangents, so all that moves has an axis for the batch.
    bk2 = either(bk, mk)
    start = (True,) * len(c) if bcount else either(bc, mc)
    grown = settle(start, lambda f: either(f, batch_graph(body, [*bk2, *f], size).flags))
    made = batch_graph(body, [*bk2, *grown], size, grown).graph
    k = [repeated(v, size) if g and not b else v for v, b, g in zip(k, bk, bk2, strict=True)]
    c = [repeated(v, size) if g and not b else v for v, b, g in zip(c, bc, grown, strict=True)]
    w = all_batched(w, bw, size)
    if not bcount:
        return tuple(v for v in _pull_loop(count, [*k, *c], w, made, nk, mk, mc) if v is not None)
    counts = aval_like(count)
    index = Aval((), counts.dtype)

    def advance(*operands):
        """One step of those entries that have not had theirs; the number of steps so far is carried."""
        (limit,), fixed, (i,), state = parts(operands, 1, nk, 1)
        new = made.apply(*fixed, *state)
        return [i + 1, *(choose(i < limit, n, s) for n, s in zip(new, state, strict=True))]

    avals = input_avals(made)
    step = remember(
        made,
        ("own counts", nk),
        lambda: trace(advance, [counts, *avals[:nk], index, *avals[nk:]], made.name, capture=False).graph,
    )
    most = count.max(initial=0) if isinstance(count, np.ndarray) else count.max()
    args = [count, *k, np.zeros((), counts.dtype), *c]
    out = _pull_loop(most, args, w, step, 1 + nk, (False, *mk), (False, *mc))
    return tuple(v for v in out if v is not None)


def _back_aval(count, *avals, body, pull, consts, moving):
    return tuple(output_avals(pull))


@primitive(
    derivative=[zero, Joint(_back_push, _back_record, _back_pull)],
    aval=_back_aval,
    batch=_back_batch,
    lower=Loop(),
    name="while_backward",
    several=True,
)
def _while_backward(count, *args, body, pull, consts, moving):
    """Pull cotangents back through `count` steps of a loop: args are its consts, its first carries and a cotangent for
    each last carry that moves; results the cotangents of all consts and first carries that move."""
    nc = len(moving) - consts
    fixed, state, ws = parts(args, consts, nc)
    way = []
    for _ in range(int(count)):
        way.append(state)
        state = body.apply(*fixed, *state)
    added = [zeros_of(aval_like(x)) for x in chosen(fixed, moving[:consts])]
    for state in reversed(way):
        out = pull.apply(*fixed, *state, *ws)
        added = [a + g for a, g in zip(added, out, strict=False)]
        ws = out[len(added) :]
    return (*map(as_value, added), *map(as_value, ws))
