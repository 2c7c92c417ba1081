"""Programs on several threads: the same bits as on one."""

import os
import threading

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.compiler import native, threads
from chainrule.compiler.runtime import Runner
from chainrule.nn import functional as F

rng = np.random.default_rng(0)


@pytest.fixture
def two(monkeypatch):
    monkeypatch.setattr(threads, "size", lambda: 2)
    threads.set_size(2)


def outputs(graph, inputs, count):
    run = native.prepare(native.simplify(graph))
    made = {v.id: np.zeros(v.aval.shape, v.aval.dtype) for _, v in run.output_slots}
    for slot, k in run.input_slots:
        run.table[slot] = inputs[k].ctypes.data
    for slot, v in run.output_slots:
        run.table[slot] = made[v.id].ctypes.data
    for _ in range(3):
        run.status[:] = 0
        assert run.entry(run.table_at, 0, count) == 0
    return run, list(made.values())


def same_on_two(f, *args):
    graph = cr.graph(f)(*args)
    inputs = [np.ascontiguousarray(x) for x in (*args, *(i.array for i in graph.inputs[len(args) :]))]
    run, one = outputs(graph, inputs, 1)
    assert run.program.threads == 2, "nothing in it is worth two threads"
    _, both = outputs(graph, inputs, 2)
    for a, b in zip(one, both, strict=True):
        np.testing.assert_array_equal(a, b)
    expected = graph.apply(*inputs)
    return run, one, expected


@pytest.mark.parametrize("shape", [(100_000,), (333, 1001), (64, 5000), (7, 9, 4000)])
def test_elementwise_and_folds(two, shape):
    x = rng.normal(size=shape)
    _run, one, expected = same_on_two(lambda x: (cr.exp(x) * x, (x * x).sum(-1) if x.ndim > 1 else x + 1.0, cr.sin(x).sum()), x)
    for a, e in zip(one, expected, strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-9)


@pytest.mark.parametrize("m, k, n", [(64, 784, 128), (301, 77, 203), (5, 900, 700), (2000, 64, 10)])
def test_products(two, m, k, n):
    x, y = rng.normal(size=(m, k)).astype("f4"), rng.normal(size=(k, n)).astype("f4")
    _, one, expected = same_on_two(lambda x, y: cr.relu(x @ y) + 1, x, y)
    np.testing.assert_allclose(one[0], expected[0], rtol=1e-3, atol=1e-3)


def test_batches_of_products(two):
    x, y = rng.normal(size=(32, 40, 50)), rng.normal(size=(32, 50, 60))
    _, one, expected = same_on_two(lambda x, y: x @ y, x, y)
    np.testing.assert_allclose(one[0], expected[0], rtol=1e-9, atol=1e-9)


def test_a_network_with_callbacks_and_loops(two):
    cr.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 256, 64))
    w = rng.normal(size=(64,)).astype("f4")

    def f(x, y):
        out = model(x)
        order = cr.sort(out.sum(0))  # NumPy does it
        last, _ = cr.scan(lambda h, v: (cr.tanh(h + v), h), w * 0, out)
        return F.cross_entropy(out, y), order, last

    x, y = rng.normal(size=(16, 3, 16, 16)).astype("f4"), rng.integers(0, 64, 16)
    model.eval()
    run, one, expected = same_on_two(f, x, y)
    assert {k.kind for k in run.program.whole().kernels} >= {"call", "nested", "windows", "product"}
    for a, e in zip(one, expected, strict=True):
        np.testing.assert_allclose(a, np.asarray(e), rtol=1e-3, atol=1e-3)


def test_training_on_two_threads(two, monkeypatch):
    def trained(count):
        cr.manual_seed(0)
        model = nn.Sequential(nn.Linear(200, 300), nn.ReLU(), nn.Linear(300, 10))
        optimizer = optim.Adam(model.parameters())

        @cr.compile
        def step(x, y):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        monkeypatch.setattr("chainrule.compiler.chooser.Chooser.choose", lambda self: count)
        data = np.random.default_rng(1)
        x, y = data.normal(size=(128, 200)).astype("f4"), data.integers(0, 10, 128)
        losses = [step(x, y).item() for _ in range(6)]
        return losses, [p.detach().numpy().copy() for p in model.parameters()]

    (one, p), (two_, q) = trained(1), trained(2)
    assert one == two_
    for a, b in zip(p, q, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinity")
def test_where_threads_may_run_is_as_before(two):
    """A region holds its caller on one processor; afterwards, and for threads that the caller makes, nothing is different."""
    before = os.sched_getaffinity(0)
    x, w = rng.normal(size=(64, 400)), rng.normal(size=(400, 300))
    run, _ = outputs(cr.graph(lambda x, w: cr.tanh(x @ w))(x, w), [x, w], 2)
    seen = []
    thread = threading.Thread(target=lambda: seen.append(os.sched_getaffinity(0)))
    thread.start()
    thread.join()
    assert run.program.threads == 2 and os.sched_getaffinity(0) == before and seen == [before]


def test_an_index_out_of_bounds_is_noticed_by_all(two):
    x, i = rng.normal(size=(3000, 50)), np.array([1, 3000])
    f = cr.compile(lambda x, i: (cr.exp(x) @ x.T)[i])
    f(x, np.array([1, 2]))
    with pytest.raises(IndexError):
        f(x, i)
    np.testing.assert_allclose(f(x, np.array([4, 2])), (np.exp(x) @ x.T)[[4, 2]], rtol=1e-9)


def test_small_programs_stay_on_one_thread(two):
    graph = cr.graph(lambda x: cr.exp(x))(np.ones(10))
    run = native.prepare(native.simplify(graph))
    assert isinstance(run, Runner) and run.program.threads == 1 and run.chooser is None
