"""`f.explain` and `f.profile`: what they say of a program is so, and they leave no trace in what it works on."""

import doctest
import re
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import ArgumentError, CompileError

DOCS = Path(__file__).parents[2] / "docs"


def training():
    """(compiled step, model, optimiser, its arguments) of an MLP with Adam."""
    cr.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = optim.Adam(model.parameters(), lr=1e-2)

    @cr.compile
    def step(x, y):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    rng = np.random.default_rng(0)
    return step, model, optimizer, (rng.normal(size=(16, 8)).astype(np.float32), rng.integers(0, 10, 16))


def everything(model, optimizer):
    """Copies of all numbers that a training step can change."""
    params = list(model.parameters())
    state = [np.array(x.value) for x in cr.tree_leaves(optimizer.state_dict()) if hasattr(x, "value")]
    return [np.array(p.value) for p in params] + [np.array(p.grad.value) for p in params] + state


def attention(q, k, v):
    scores = q @ cr.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    weights = cr.exp(scores - cr.max(scores, axis=-1, keepdims=True))
    return weights / cr.sum(weights, axis=-1, keepdims=True) @ v


def cumulative(w, xs):
    def body(h, x):
        h = cr.tanh(h @ w + x)
        return h, cr.sum(cr.sort(h))

    return cr.scan(body, cr.zeros(16), xs)


def rising(x):
    if cr.sum(x) > 0:
        return cr.exp(x)
    return cr.sin(x) * 2


# --- explain ----------------------------------------------------------------------------------------------------------------


def test_a_training_step():
    step, _, _, args = training()
    step(*args)
    e = step.explain(*args)
    assert {p for k in e.kernels for p in k.phases} == {"forward", "backward", "update"}
    assert e.callbacks == [] and e.guards == [] and not e.differentiable
    assert {"model[0].weight", "model[0].bias", "model[2].weight", "model[2].bias"} <= set(e.in_place)
    assert sum(k.flops for k in e.kernels if k.kind == "product") == 2 * 16 * (2 * 8 * 32 + 3 * 32 * 10)
    assert sum(n for k in e.kernels for n in k.rows.values()) >= len(
        [s for s in e.simplified.steps if s.row.name != "constant"]
    )
    assert all("test_explain.py:" in s for k in e.kernels for s in k.sources)
    assert e.code_bytes > 1000 and "define" in e.llvm
    assert repr(e).startswith("<explanation of step: ")


def test_every_step_is_in_a_kernel():
    e = cr.compile(attention).explain(*np.ones((3, 4, 8, 16)))
    named = {name for k in e.kernels for name in k.rows}
    assert {s.row.name for s in e.simplified.steps} == named


def test_buffers_fit_into_the_arena_and_never_overlap_while_they_live():
    step, _, _, args = training()
    step(*args)
    e = step.explain(*args)
    inside = [b for b in e.buffers if b.offset is not None]
    assert inside and max(b.offset + b.bytes for b in inside) <= e.peak_bytes
    for a in inside:
        for b in inside:
            apart = a.offset + a.bytes <= b.offset or b.offset + b.bytes <= a.offset
            assert a is b or apart or a.last < b.made or b.last < a.made, (a, b)
    assert e.bytes_of("input") == sum(b.bytes for b in e.buffers if b.place == "input") > 0


def test_training_keeps_two_arrays_a_layer():
    """What the convolution gives, and the layer: normalisation and activation are found again from these."""
    depth, shape = 8, (8, 8, 16, 16)
    layers = [nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()) for _ in range(depth)]
    optimizer = optim.SGD([p for layer in layers for p in layer.parameters()], lr=0.1, momentum=0.9)

    @cr.compile
    def step(x):
        optimizer.zero_grad()
        for layer in layers:
            x = layer(x)
        loss = (x * x).mean()
        loss.backward()
        optimizer.step()
        return loss

    peak = step.explain(np.ones(shape, np.float32)).peak_bytes
    assert peak < (2 * depth + 3) * 4 * np.prod(shape)


def test_the_report_names_all_of_it():
    e = cr.compile(rising).explain(np.ones(5))
    text = str(e)
    for part in (
        "recorded: 3 steps (3 forward)",
        "simplified:",
        "kernels:",
        "memory:",
        "holds while:",
        "test_explain.py:",
        "exp(",
    ):
        assert part in text
    assert "exp(" not in e.summary() and len(e.summary()) < len(text)


def test_work_of_convolutions_forward_and_backward():
    def f(x, w):
        return cr.sum(nn.functional.conv2d(x, w, stride=2, padding=1) ** 2)

    x, w = np.ones((2, 4, 9, 9)), np.ones((6, 4, 3, 3))
    once = 2 * (2 * 6 * 5 * 5) * (4 * 3 * 3)
    assert sum(k.flops for k in cr.compile(f).explain(x, w).kernels) == once
    back = cr.compile(cr.grad(f, argnums=(0, 1))).explain(x, w)
    assert sum(k.flops for k in back.kernels) == 3 * once


def test_a_loop_shows_its_body():
    rng = np.random.default_rng(1)
    w, xs = rng.normal(size=(16, 16)), rng.normal(size=(20, 16))
    e = cr.compile(cumulative).explain(w, xs)
    (loop,) = [k for k in e.kernels if k.kind == "nested"]
    body = loop.inside["body"]
    assert "tanh" in {n for k in body for n in k.rows}
    assert [k.number for k in body] == [f"{loop.number}.body.{n}" for n in range(len(body))]
    assert [(list(k.rows), k.callback) for k in e.callbacks] == [(["argsort"], "argsort has no lowering")]
    assert f"      body:\n          [{loop.number}.body.0]" in str(e)


def test_calls_back_say_why():
    e = cr.compile(lambda x: cr.exp(x) * 2).explain(np.ones(3) + 1j)
    assert {k.callback for k in e.callbacks} == {"complex128 has no machine code"}
    assert len(e.callbacks) == len(e.kernels)


def test_guards_and_the_variant_that_fits():
    f = cr.compile(rising)
    up, down = f.explain(np.ones(5)), f.explain(-np.ones(5))
    assert [(g.value, "test_explain.py" in g.source) for g in up.guards + down.guards] == [(True, True), (False, True)]
    assert len(f.variants) == 2
    again = f.explain(np.full(5, 3.0))
    assert len(f.variants) == 2 and [k.rows for k in again.kernels] == [k.rows for k in up.kernels]


def test_explain_runs_the_function_only_where_it_must():
    runs = []

    def f(x):
        runs.append(1)
        return x * 2

    g = cr.compile(lambda x: inner(x))
    inner = f
    with pytest.raises(CompileError):  # it changes a plain list
        g.explain(np.ones(2))
    step, model, optimizer, args = training()
    step(*args)
    before = everything(model, optimizer)
    step.explain(*args)
    for a, b in zip(before, everything(model, optimizer), strict=True):
        np.testing.assert_array_equal(a, b)


def test_functions_that_the_tape_differentiates():
    f = cr.compile(lambda x: cr.sum(cr.exp(x) * x))
    x = cr.tensor(np.ones(4), requires_grad=True)
    e = f.explain(x)
    assert e.differentiable and "forward program" in str(e)
    assert {"exp", "multiply", "sum"} == {n for k in e.kernels for n in k.rows}
    p = f.profile(x, repeat=3)
    assert len(p.kernels) == len(e.kernels) and x.grad is None


def test_programs_of_the_way_back():
    f = cr.compile(lambda x: cr.sum(cr.exp(x) * x))
    x = cr.tensor(np.ones(4), requires_grad=True)
    for _ in range(3):
        f(x).backward()
    related = f.explain(x).related
    assert list(related) == ["forward, keeping what the way back reads", "backward"]
    assert all(e.kernels for e in related.values())


def test_under_a_transform_there_is_nothing_to_see():
    f = cr.compile(lambda x: cr.sum(x * x))

    def g(x):
        f.explain(x)
        return f(x)

    with pytest.raises(CompileError, match="under a transform"):
        cr.grad(g)(np.ones(3))


def test_methods_and_keywords():
    class Scaled(nn.Module):
        def __init__(self):
            self.w = nn.Parameter(np.full(3, 2.0, np.float32))

        @cr.compile
        def forward(self, x, *, shift):
            return x * self.w + shift

    with cr.no_grad():
        e = Scaled().forward.explain(np.ones(3, np.float32), shift=np.ones(3, np.float32))
    assert {"multiply", "add"} == {n for k in e.kernels for n in k.rows}


# --- profile ----------------------------------------------------------------------------------------------------------------


def checked(p):
    """A profile whose numbers fit together."""
    assert sum(k.percent for k in p.kernels) == pytest.approx(100)
    assert p.seconds == pytest.approx(sum(k.seconds for k in p.kernels)) and p.whole > 0 and p.overhead > 0
    for top in p.kernels:
        for k in top.everything():
            assert k.seconds > 0 if k.turns else k.seconds == 0
            assert (k.flops_per_second is None) == (k.kernel is None or not k.kernel.flops or not k.turns)
    assert [k.seconds for k in p.slowest()] == sorted((k.seconds for k in p.slowest()), reverse=True)
    lines = str(p).splitlines()
    assert lines[1].split() == ["kernel", "kind", "us", "%", "turns", "GFLOP/s", "GB/s", "steps"]
    assert lines[2].split()[0] == p.slowest()[0].number or p.slowest()[0].kernel is None
    return p


def test_profile_of_a_training_step_changes_nothing():
    step, model, optimizer, args = training()
    twin, other_model, other_optimizer, _ = training()
    step(*args)
    twin(*args)
    before = everything(model, optimizer)
    p = checked(step.profile(*args, repeat=5))
    for a, b in zip(before, everything(model, optimizer), strict=True):
        np.testing.assert_array_equal(a, b)
    e = step.explain(*args)
    assert [k.kernel.rows for k in p.kernels if k.kernel] == [k.rows for k in e.kernels]
    assert any(k.flops_per_second for k in p.kernels)
    for _ in range(3):  # and training goes on as if nobody had looked
        np.testing.assert_array_equal(np.asarray(step(*args)), np.asarray(twin(*args)))
    for a, b in zip(everything(model, optimizer), everything(other_model, other_optimizer), strict=True):
        np.testing.assert_array_equal(a, b)


def test_profile_compiles_where_it_must():
    step, model, _, args = training()
    p = checked(step.profile(*args, repeat=2))
    assert p.repeat == 2 and model[0].weight.grad is not None


def test_profile_of_attention():
    p = checked(cr.compile(attention).profile(*np.ones((3, 4, 8, 16)), repeat=3))
    assert all(k.bytes_per_second > 0 for k in p.kernels)


def test_profile_of_a_loop_counts_turns():
    rng = np.random.default_rng(1)
    p = checked(cr.compile(cumulative).profile(rng.normal(size=(16, 16)), rng.normal(size=(20, 16)), repeat=3))
    (loop,) = [k for k in p.kernels if k.kind == "nested"]
    assert loop.turns == 1 and {k.turns for k in loop.inside} == {20}
    assert sum(k.kind == "call" for k in loop.inside) == 1


def test_profile_of_branches_inside_of_loops():
    def root(a):
        def better(x):
            return cr.cond(x > 1e6, lambda x: x / 2, lambda x: 0.5 * (x + a / x), x)

        return cr.while_loop(lambda x: cr.abs(x * x - a) > 1e-9, better, a)

    p = checked(cr.compile(root).profile(np.array(2.0), repeat=3))
    inside = {k.number: k for top in p.kernels for k in top.everything() if k.kernel}
    taken = [k for n, k in inside.items() if "if false" in n]
    left = [k for n, k in inside.items() if "if true" in n]
    assert taken and left and all(k.turns == 4 for k in taken) and all(k.turns == 0 for k in left)


def test_profile_of_either_branch():
    f = cr.compile(rising)
    for sign, row in ((1, "exp"), (-1, "sin")):
        p = checked(f.profile(np.full(7, float(sign)), repeat=2))
        assert any(row in k.kernel.rows for k in p.kernels)
    assert len(f.variants) == 2


def test_profile_says_what_is_wrong():
    f = cr.compile(lambda x, i: x[i])
    with pytest.raises(ArgumentError, match="repeat"):
        f.profile(np.ones(3), np.array([0]), repeat=0)
    f(np.ones(3), np.array([0]))
    with pytest.raises(IndexError):
        f.profile(np.ones(3), np.array([7]))


def test_picture():
    plot = pytest.importorskip("chainrule.plot")
    pytest.importorskip("matplotlib")
    p = cr.compile(attention).profile(*np.ones((3, 4, 8, 16)), repeat=2)
    (axes,) = plot.kernel_times(p).axes
    assert len(axes.patches) == len(p.kernels)


# --- the page about it --------------------------------------------------------------------------------------------------------


def test_examples_of_the_page_run():
    page = (DOCS / "compile.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.S)
    assert len(blocks) >= 8
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, "compile.md", "compile.md", 0)
    said: list = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=said.append)
    assert not said, "".join(said)
