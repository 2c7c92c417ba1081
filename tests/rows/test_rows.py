"""Generated from the table of rows: nothing here names an operation, except where one is known to have no loop or no slope."""

import itertools
import warnings
import zlib

import numpy as np
import pytest
import row_tools as rt
from row_tools import active, close, inner, random_like, richardson, same_kind, single, slope, stack_of, widened, with_args
from samples import HOLOMORPHIC, SAMPLES

import chainrule as cr
from chainrule.core.aval import aval_of
from chainrule.core.lowering import Map
from chainrule.core.primitive import ROWS

CASES = [pytest.param(name, s, id=f"{name}-{k}-{s!r}"[:90]) for name, many in SAMPLES.items() for k, s in enumerate(many)]
ACTIVE = [c for c in CASES if active(c.values[1].args)]
rows = pytest.mark.parametrize("name, sample", CASES)
active_rows = pytest.mark.parametrize("name, sample", ACTIVE)


@pytest.fixture(autouse=True)
def _same_numbers_in_any_order(request):
    rt.rng = np.random.default_rng(zlib.crc32(request.node.name.encode()))


def caller(name, sample):
    """The row as a function of its inexact arguments, and these."""
    row, positions = ROWS[name], active(sample.args)

    def f(*xs):
        return row.call(*with_args(sample.args, positions, xs), **sample.params)

    return f, [sample.args[i] for i in positions]


def wide_evaluation(name, sample):
    """The row's own evaluation in double precision, as a function of the inexact arguments."""
    row, positions = ROWS[name], active(sample.args)
    args, params = widened(sample.args), dict(sample.params)
    if getattr(params.get("dtype"), "kind", "") in "fc" and "dtype" in params:
        params["dtype"] = np.result_type(params["dtype"], np.float64)

    def f(*xs):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # dtype=float64 of complex intermediate results
            return row.evaluate(*with_args(args, positions, xs), **params)

    return f, [args[i] for i in positions]


def tolerance(sample, *arrays):
    return 3e-4 if single(*sample.args, *arrays) or sample.params.get("dtype") == np.float32 else 1e-9


def test_every_row_is_sampled():
    assert set(SAMPLES) == set(ROWS), "every row needs an entry in samples.py"
    assert all(len(many) > 1 for many in SAMPLES.values())


@pytest.mark.parametrize("name", ROWS)
def test_every_row_is_documented(name):
    assert ROWS[name].doc.strip()


@rows
def test_shape_rule_is_the_truth(name, sample):
    row = ROWS[name]
    out = row.evaluate(*sample.args, **sample.params)
    avals = row.aval(*map(aval_of, sample.args), **sample.params)
    several = isinstance(out, tuple)
    for found, aval in zip(out if several else (out,), avals if several else (avals,), strict=True):
        shape = tuple(n if m == -1 else m for n, m in zip(np.shape(found), aval.shape, strict=True))
        assert (np.shape(found), np.asarray(found).dtype) == (shape, aval.dtype)
        assert aval.weak is None


def flat(outs):
    return list(outs) if isinstance(outs, tuple) else [outs]


STOPPED = {"constant"}  # what no derivative is meant to flow through
ONE_WAY = {"paused"}  # what tangents are meant to flow through, and cotangents are not


@active_rows
def test_jvp_is_the_slope(name, sample):
    f, xs = caller(name, sample)
    ts = [random_like(x) for x in xs]
    value, tangent = cr.jvp(f, tuple(xs), tuple(ts))
    g, wide = wide_evaluation(name, sample)
    for k, (v, t) in enumerate(zip(flat(value), flat(tangent), strict=True)):
        same_kind(t, np.empty(v.shape, v.dtype))
        if v.dtype.kind not in "fc" or name in STOPPED:
            assert not np.any(t)
            continue
        close(v, g(*wide)[k] if isinstance(value, tuple) else g(*wide), tolerance(sample, v))
        part = g if not isinstance(value, tuple) else lambda *a, k=k: g(*a)[k]
        expected, accuracy = slope(part, wide, widened(ts), name in HOLOMORPHIC)
        close(t, expected, max(accuracy, tolerance(sample, v)))


@active_rows
def test_vjp_is_the_transpose_of_jvp(name, sample):
    f, xs = caller(name, sample)
    ts = [random_like(x) for x in xs]
    value, pull = cr.vjp(f, *xs)
    _, moved = cr.jvp(f, tuple(xs), tuple(ts))
    pairs = [(random_like(v), m) for v, m in zip(flat(value), flat(moved), strict=True) if v.dtype.kind in "fc"]
    gs = iter(g for g, _ in pairs)
    cotangents = [next(gs) if v.dtype.kind in "fc" else np.zeros(v.shape) for v in flat(value)]
    pulled = pull(tuple(cotangents) if isinstance(value, tuple) else cotangents[0])
    for x, p in zip(xs, pulled, strict=True):
        same_kind(p, x)
    if name in ONE_WAY:
        assert not any(np.any(p) for p in pulled)
        return
    tol = tolerance(sample, *flat(value))
    close(inner([g for g, _ in pairs], [m for _, m in pairs]), inner(ts, pulled), tol)


def one_array(name, sample):
    """The row as a smooth function that is nowhere linear, with one result; None if it has no derivative there."""
    f, xs = caller(name, sample)
    out = f(*xs)
    outs = flat(out)
    if not all(o.dtype.kind in "fc" and np.isfinite(o).all() for o in outs):
        return None

    def g(*a):
        parts = [cr.sin(o * 0.7) for o in flat(f(*a))]
        return parts[0] if len(parts) == 1 else cr.concatenate([cr.reshape(p, (-1,)) for p in parts])

    return g, xs


@active_rows
def test_second_order(name, sample):
    made = one_array(name, sample)
    if made is None or name in ONE_WAY:
        return
    f, xs = made
    g = random_like(f(*xs))
    ts, us = tuple(random_like(x) for x in xs), tuple(random_like(x) for x in xs)

    def gradient(*a):
        return cr.vjp(f, *a)[1](g)

    def tangent(*a):
        return cr.jvp(f, a, ts)[1]

    forward_reverse = cr.jvp(gradient, tuple(xs), ts)[1]
    reverse_reverse = cr.vjp(gradient, *xs)[1](us)
    forward_forward = cr.jvp(tangent, tuple(xs), us)[1]
    reverse_forward = cr.vjp(tangent, *xs)[1](g)
    for x, *parts in zip(xs, forward_reverse, reverse_reverse, reverse_forward, strict=True):
        for p in parts:
            same_kind(p, x)
    same_kind(forward_forward, g)
    first = inner(us, forward_reverse)
    tol = 20 * tolerance(sample, g)
    scale = 1 + abs(first)
    for other in (inner(reverse_reverse, ts), inner([g], [forward_forward]), inner(reverse_forward, us)):
        assert abs(first - other) < tol * scale, f"{first} and {other}"
    if not single(*xs, g):
        expected = richardson(lambda *a: np.asarray(inner([g], [cr.jvp(f, a, ts)[1]])), xs, us)
        assert abs(first - expected) < 1e-7 * scale, f"{first}, slope of the first derivative {expected}"


UNBATCHED = {"nonzero", "unique"}  # the shape of the result depends on the data


def batchable(sample):
    return [i for i, x in enumerate(sample.args) if isinstance(x, np.ndarray)]


def entry(stacks, batched, k):
    return [s[k] if i in batched else s for i, s in enumerate(stacks)]


def several(out):
    return list(out) if isinstance(out, (tuple, list)) else [out]


def loop(f, n, *stacks):
    """f of each entry; every result stacked, a list if there are several."""
    outs = [f(*(s[k] for s in stacks)) for k in range(n)]
    if isinstance(outs[0], tuple):
        return [np.stack([np.asarray(o) for o in column]) for column in zip(*outs, strict=True)]
    return np.stack([np.asarray(o) for o in outs])


@rows
def test_vmap_is_a_loop(name, sample):
    row, can = ROWS[name], batchable(sample)
    if name in UNBATCHED:
        with pytest.raises(cr.errors.ShapeError):
            cr.vmap(lambda x: row.call(x))(stack_of(sample.args[0]))
        return
    for size in range(1, len(can) + 1):
        for batched in itertools.combinations(can, size):
            stacks = [stack_of(sample.args[i]) for i in batched]

            def f(*xs, batched=batched):
                return row.call(*with_args(sample.args, batched, xs), **sample.params)

            nested = [np.stack([s, s[::-1]]) for s in stacks]
            results = cr.vmap(f)(*stacks), loop(f, 3, *stacks), cr.vmap(cr.vmap(f))(*nested)
            halves = (loop(f, 3, *(s[k] for s in nested)) for k in range(2))
            for found, expected, twice, *both in zip(*map(several, (*results, *halves)), strict=True):
                same_kind(found, expected)
                close(found, expected, tolerance(sample, expected))
                same_kind(twice, np.stack([expected, expected]))
                close(twice, np.stack(both), tolerance(sample, expected))
    if not can:
        return
    none = [np.asarray(sample.args[i])[None][:0] for i in can]
    empty = cr.vmap(lambda *xs: row.call(*with_args(sample.args, can, xs), **sample.params))(*none)
    for found, one in zip(several(empty), several(row.evaluate(*sample.args, **sample.params)), strict=True):
        same_kind(found, np.empty((0, *np.shape(one)), np.asarray(one).dtype))


@active_rows
def test_vmap_of_derivatives_is_a_loop(name, sample):
    if name in UNBATCHED:
        return
    f, xs = caller(name, sample)
    out = f(*xs)
    if isinstance(out, tuple):  # all results as one
        f = one_array(name, sample)
        if f is None:
            return
        f = f[0]
        out = f(*xs)
    if out.dtype.kind not in "fc":
        return
    tol = 10 * tolerance(sample, out)
    positions = [i for i, x in enumerate(xs) if isinstance(x, np.ndarray)]
    subsets = {tuple(positions)} | {(i,) for i in positions}
    gs = np.stack([random_like(out) for _ in range(3)])
    for batched in sorted(subsets):
        stacks = [stack_of(xs[i]) for i in batched]
        ts = [random_like(s) for s in stacks]

        def part(*bs, batched=batched):
            return f(*with_args(xs, batched, bs))

        def pulled(g, *bs, part=part):
            return cr.vjp(part, *bs)[1](g)

        found = cr.vmap(pulled)(gs, *stacks)
        expected = [pulled(gs[k], *(s[k] for s in stacks)) for k in range(3)]
        for i, p in enumerate(found):
            same_kind(p, stacks[i])
            close(p, np.stack([e[i] for e in expected]), tol)

        def pushed(*bts, part=part):
            half = len(bts) // 2
            return cr.jvp(part, bts[:half], bts[half:])[1]

        moved = cr.vmap(pushed)(*stacks, *ts)
        same_kind(moved, gs)
        close(moved, loop(pushed, 3, *stacks, *ts), tol)
        # Derivatives of the whole mapped function, too.
        _, pull = cr.vjp(cr.vmap(part), *stacks)
        for p, e in zip(pull(gs), found, strict=True):
            same_kind(p, e)
            close(p, e, tol)


@rows
def test_lowering_is_evaluation(name, sample):
    row = ROWS[name]
    if isinstance(row.lower, Map):
        found = row.lower.scalar(rt.NumpyScalar(row), *sample.args, **sample.params)
        expected = row.evaluate(*sample.args, **sample.params)
        assert np.shape(found) == np.shape(expected)
        close(found, expected, 1e-6 if single(*sample.args) else 1e-12)


@active_rows
def test_tape_agrees_with_vjp(name, sample):
    made = one_array(name, sample)
    if made is None:
        return
    f, xs = made
    leaves = [cr.tensor(x, requires_grad=True) for x in xs]
    out = f(*leaves)
    g, us = random_like(f(*xs)), tuple(random_like(x) for x in xs)
    tol = 10 * tolerance(sample, g)

    def gradient(*a):
        return cr.vjp(f, *a)[1](g)

    def gradients():
        return [np.zeros(x.shape, x.dtype) if x.grad is None else x.grad.detach().numpy() for x in leaves]

    if not out.requires_grad:
        assert not any(np.any(p) for p in gradient(*xs))
        return
    out.backward(g, create_graph=True)
    for found, expected, x in zip(gradients(), gradient(*xs), xs, strict=True):
        same_kind(found, x)
        close(found, expected, tol)
    firsts = [x.grad for x in leaves]
    for x in leaves:
        x.grad = None
    for first, u in zip(firsts, us, strict=True):
        if first is not None and first.requires_grad:
            first.backward(u, create_graph=True)
    expected = cr.vjp(gradient, *xs)[1](us)
    for found, e, x in zip(gradients(), expected, xs, strict=True):
        same_kind(found, x)
        close(found, e, tol)


def others(args):
    """The arrays beside the first argument that can be differentiated."""
    p = active(args)[0]
    return [x for i, x in enumerate(args) if i != p and isinstance(x, np.ndarray) and x.size]


FIRST = {c.values[0]: c for c in ACTIVE[::-1] if others(c.values[1].args)}  # of each row that has such


@pytest.mark.parametrize("name, sample", FIRST.values())
def test_arguments_that_are_written_to_after_the_call(name, sample):
    """The way back reads what the op has read, though plain arrays among its arguments hold something else by then."""
    row, p = ROWS[name], active(sample.args)[0]
    args = [x.copy() if isinstance(x, np.ndarray) else x for x in sample.args]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")

        def pullback():
            out, pull = cr.vjp(lambda x: row.call(*with_args(args, [p], [x]), **sample.params), args[p])
            ones = [np.ones(o.shape, o.dtype) for o in (out if isinstance(out, tuple) else (out,))]
            return lambda: np.array(pull(tuple(ones) if isinstance(out, tuple) else ones[0])[0])

        wanted, later = pullback()(), pullback()
        for x in others(args):
            x[...] = x.ravel()[::-1].reshape(x.shape) if x.size > 1 else x * 0
        assert np.array_equal(later(), wanted, equal_nan=True)
