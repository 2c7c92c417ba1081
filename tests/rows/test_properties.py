"""Structured arguments drawn by hypothesis: axes, shapes, subscripts, pads, joins. Values as NumPy's, both modes consistent."""

import numpy as np
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp
from row_tools import close, same_kind

import chainrule as cr

few = settings(max_examples=40, deadline=None, derandomize=True, database=None)
shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)


def filled(shape, seed=0):
    return np.random.default_rng(seed).uniform(0.5, 1.5, shape)


def check(f, expected, *xs, tol=1e-11):
    """Value as expected; the two modes are transposes of each other; vmap is a loop."""
    found = f(*xs)
    same_kind(found, expected)
    close(found, expected, tol)
    g, ts = filled(np.shape(expected), 1), tuple(filled(x.shape, 2 + k) for k, x in enumerate(xs))
    moved = cr.jvp(f, xs, ts)[1]
    same_kind(moved, expected)
    pulled = cr.vjp(f, *xs)[1](g)
    for p, x in zip(pulled, xs, strict=True):
        same_kind(p, x)
    close(np.sum(g * moved), sum(np.sum(p * t) for p, t in zip(pulled, ts, strict=True)), 1e-9)
    stacks = [np.stack([x, x * 1.5]) for x in xs]
    close(cr.vmap(f)(*stacks), np.stack([f(*(s[k] for s in stacks)) for k in range(2)]), 1e-9)


@st.composite
def shape_and_axes(draw):
    shape = draw(shapes)
    axes = draw(st.none() | st.lists(st.integers(0, max(len(shape) - 1, 0)), unique=True, max_size=len(shape)).map(tuple))
    if axes is not None:
        axes = tuple(a - len(shape) if draw(st.booleans()) else a for a in axes)
        if len(axes) == 1 and draw(st.booleans()):
            axes = axes[0]
    return shape, axes, draw(st.booleans())


@few
@given(shape_and_axes(), st.sampled_from(["sum", "prod", "mean", "var", "max", "min", "norm", "logsumexp", "std"]))
def test_reductions(case, name):
    shape, axes, keepdims = case
    x = filled(shape)
    some = tuple(range(len(shape))) if axes is None else np.atleast_1d(axes).astype(int).tolist()
    count = int(np.prod([shape[a] for a in some]))
    if count == 0 and name not in ("sum", "prod"):
        return
    if name in ("std", "var") and count == 1:
        return
    if name in ("norm", "logsumexp"):
        where = tuple(int(a) for a in some)
        expected = (
            np.sqrt((x**2).sum(where, keepdims=keepdims)) if name == "norm" else np.log(np.exp(x).sum(where, keepdims=keepdims))
        )
        if name == "norm" and len(where) != 1 and axes is not None:
            return
    else:
        expected = getattr(np, name)(x, axis=axes, keepdims=keepdims)
    check(lambda x: getattr(cr, name)(x, axis=axes, keepdims=keepdims), expected, x)


@few
@given(shapes, st.data())
def test_rearranging_axes(shape, data):
    x = filled(shape)
    perm = data.draw(st.permutations(range(len(shape))))
    check(lambda x: cr.transpose(x, perm), np.transpose(x, perm), x)
    check(lambda x: cr.reshape(x, (-1,)) if x.size else cr.reshape(x, (0,)), x.reshape(-1), x)
    size = x.size
    divisors = [d for d in range(1, size + 1) if size % d == 0] or [1]
    d = data.draw(st.sampled_from(divisors))
    if size:
        check(lambda x: cr.reshape(x, (d, -1)), x.reshape(d, -1), x)
    axes = (
        data.draw(st.lists(st.integers(-len(shape), len(shape) - 1), max_size=len(shape), unique_by=lambda a: a % len(shape)))
        if shape
        else []
    )
    check(lambda x: cr.flip(x, tuple(axes)), np.flip(x, tuple(axes)), x)
    check(lambda x: cr.moveaxis(x, axes, axes[::-1]), np.moveaxis(x, axes, axes[::-1]), x)
    new = data.draw(st.integers(-len(shape) - 1, len(shape)))
    check(lambda x: cr.expand_dims(x, new), np.expand_dims(x, new), x)
    front = tuple(data.draw(st.lists(st.integers(0, 2), max_size=2)))
    wide = tuple(3 if n == 1 and data.draw(st.booleans()) else n for n in shape)
    check(lambda x: cr.broadcast_to(x, (*front, *wide)), np.broadcast_to(x, (*front, *wide)), x)


@few
@given(
    hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=3, min_side=0),
    st.sampled_from(["add", "multiply", "divide", "power", "hypot", "maximum"]),
)
def test_broadcasting(both, name):
    x, y = filled(both.input_shapes[0]), filled(both.input_shapes[1], 9)
    check(getattr(cr, name), getattr(np, name)(x, y), x, y)


@few
@given(st.data())
def test_einsum(data):
    sizes = {c: data.draw(st.integers(0, 3), label=c) for c in "ijkl"}
    terms = data.draw(st.lists(st.text("ijkl", max_size=3), min_size=1, max_size=3))
    letters = sorted(set("".join(terms)))
    out = "".join(data.draw(st.permutations(letters)))[: data.draw(st.integers(0, len(letters)))]
    subscripts = ",".join(terms) + ("->" + out if data.draw(st.booleans()) else "")
    xs = [filled(tuple(sizes[c] for c in t), k) for k, t in enumerate(terms)]
    check(lambda *xs: cr.einsum(subscripts, *xs), np.asarray(np.einsum(subscripts, *xs)), *xs, tol=1e-10)


@few
@given(
    hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=3),
    st.sampled_from(["constant", "edge", "reflect", "symmetric", "wrap"]),
    st.data(),
)
def test_padding(shape, mode, data):
    widths = [(data.draw(st.integers(0, 4)), data.draw(st.integers(0, 4))) for _ in shape]
    x = filled(shape)
    check(lambda x: cr.pad(x, widths, mode=mode), np.pad(x, widths, mode=mode), x)


@few
@given(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3), st.data())
def test_joining_and_cutting(shape, data):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    a = axis % len(shape)
    lengths = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    xs = [filled((*shape[:a], n, *shape[a + 1 :]), k) for k, n in enumerate(lengths)]
    check(lambda *xs: cr.concatenate(xs, axis), np.concatenate(xs, axis), *xs)
    new = data.draw(st.integers(-len(shape) - 1, len(shape)))
    x = filled(shape)
    check(lambda x, y: cr.stack([x, y, x], new), np.stack([x, x + 1, x], new), x, x + 1)
    cuts = sorted(data.draw(st.lists(st.integers(0, 4), max_size=3)))
    for f, parts in ((cr.array_split, data.draw(st.integers(1, 4))), (cr.split, cuts)):
        expected = getattr(np, f.__name__)(x, parts, axis)
        for k, e in enumerate(expected):
            check(lambda x, k=k, f=f, parts=parts: f(x, parts, axis)[k], e, x)
    shift = data.draw(st.integers(-4, 4))
    check(lambda x: cr.roll(x, shift, axis), np.roll(x, shift, axis), x)
    reps = tuple(data.draw(st.lists(st.integers(0, 2), max_size=3)))
    check(lambda x: cr.tile(x, reps), np.tile(x, reps), x)


@few
@given(shapes, st.sampled_from([np.float32, np.float64, np.complex128]), st.sampled_from(["exp", "square", "sin", "negative"]))
def test_dtypes_are_kept(shape, dtype, name):
    x = filled(shape).astype(dtype)
    f = getattr(cr, name)
    out, pull = cr.vjp(f, x)
    same_kind(out, getattr(np, name)(x))
    same_kind(pull(np.ones_like(out))[0], x)
    same_kind(cr.jvp(f, (x,), (x,))[1], x)
