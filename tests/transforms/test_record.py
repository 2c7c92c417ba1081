"""Recording below the tape: programs as data, to print, draw and run."""

import re

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.graph import GuardError, Var
from chainrule.errors import ArgumentError, LostDerivativeError, NonDifferentiableError

close = np.testing.assert_allclose
rng = np.random.default_rng(0)
X, Y = rng.normal(size=(4, 3)), rng.normal(size=(4, 2))


def names(graph):
    return [s.row.name for s in graph.steps]


def test_a_recorded_function_runs_on_other_values():
    g = cr.graph(lambda x, y: cr.sin(x) * y + 1.0)(X, X)
    assert names(g) == ["sin", "multiply", "add"]
    a, b = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    close(g(a, b), np.sin(a) * b + 1.0)


def test_every_transform_records_flat():
    def f(x):
        return cr.sum(cr.tanh(x) ** 2)

    for h in (f, cr.grad(f), cr.hessian(f), cr.vmap(lambda r: cr.grad(f)(r)), cr.checkpoint(f), cr.grad(cr.checkpoint(f))):
        g = cr.graph(h)(X)
        other = rng.normal(size=(4, 3))
        close(g(other), np.asarray(h(other)), rtol=1e-12)
        assert all(isinstance(v, Var) for s in g.steps for v in s.outputs)


def make_step():
    rng = np.random.default_rng(1)
    w = cr.tensor(rng.normal(size=(3, 2)), requires_grad=True)
    b = cr.tensor(np.zeros(2), requires_grad=True)
    velocity = cr.tensor(np.zeros((3, 2)))

    def step(x, y):
        w.grad = b.grad = None
        loss = ((cr.relu(x @ w + b) - y) ** 2).mean()
        loss.backward()
        with cr.no_grad():
            velocity.data = 0.9 * velocity + w.grad
            w.data = w - 0.1 * velocity
            b.data = b - 0.1 * b.grad
        return loss

    return step, w, b, velocity


def test_a_training_step_holds_forward_backward_and_update():
    step, *_ = make_step()
    graph = cr.graph(step)(X, Y)
    phases = [s.phase for s in graph.steps]
    assert list(dict.fromkeys(phases)) == ["forward", "backward", "update"]
    assert [i.label for i in graph.inputs] == ["x", "y", "w", "b", "velocity"]
    assert {u.label for u in graph.updates} >= {"w", "b", "velocity", "w.grad", "b.grad"}
    assert "matmul" in names(graph)


def test_recording_leaves_everything_as_the_eager_run():
    eager, *state = make_step()
    recorded, *state2 = make_step()
    loss = eager(X, Y)
    cr.graph(recorded)(X, Y)
    for s, t in zip(state, state2, strict=True):
        assert type(t.value) is np.ndarray
        close(t.detach().numpy(), s.detach().numpy(), rtol=1e-15)
        assert (s.grad is None) == (t.grad is None)
        assert t.requires_grad == s.requires_grad
    close(state2[0].grad.numpy(), state[0].grad.numpy(), rtol=1e-15)
    # and training goes on, eagerly or by running the graph
    graph = cr.graph(recorded)(X, Y)
    eager(X, Y)
    for _ in range(3):
        loss = eager(X, Y)
        close(graph(X, Y), loss.item(), rtol=1e-14)
    close(state2[0].detach().numpy(), state[0].detach().numpy(), rtol=1e-14)


def test_branches_become_guards():
    def f(x):
        y = x * 2.0
        while y < 10.0:
            y = y * 2.0
        return y

    g = cr.graph(f)(np.array(1.0))
    assert [guard.value for guard in g.guards] == [True, True, True, False]
    close(g(np.array(1.1)), 17.6)
    with pytest.raises(GuardError, match="another branch"):
        g(np.array(100.0))


def test_random_numbers_are_drawn_anew():
    g = cr.graph(lambda x: x * cr.rand(3))(np.ones(3))
    assert "uniform_numbers" in names(g)
    a, b = g(np.ones(3)), g(np.ones(3))
    assert not np.allclose(a, b)
    cr.manual_seed(3)
    a = g(np.ones(3))
    cr.manual_seed(3)
    close(a, cr.rand(3).numpy())


def test_assignment_and_indexing_record():
    def f(x, i):
        out = cr.zeros_like(x)
        out[1:] = x[:-1] * 2.0
        out[i] += x[i]
        return out

    g = cr.graph(f)(np.arange(4.0), np.array([0, 2]))
    x = np.array([3.0, 1.0, 4.0, 1.0])
    close(g(x, np.array([1, 3])), np.asarray(f(x, np.array([1, 3]))))


def test_masks_are_data_not_shape():
    g = cr.graph(lambda x: x[x > 0].sum())(np.array([1.0, -1.0, 2.0]))
    close(g(np.array([1.0, 1.0, -5.0])), 2.0)


def test_values_cannot_be_frozen_in_silence():
    for freeze in (float, np.asarray, lambda x: x.item(), lambda x: x.tolist()):
        with pytest.raises(LostDerivativeError, match="freeze"):
            cr.graph(lambda x, freeze=freeze: freeze(x.sum()))(X)
    w = cr.tensor(1.0)
    with pytest.raises(LostDerivativeError, match="freeze"):
        cr.graph(lambda x: x * float(w))(X)
    assert type(w.value) is not cr.Tensor


def test_a_failing_function_leaves_tensors_as_they_were():
    w = cr.tensor(np.ones(3), requires_grad=True)

    def f(x):
        (w * x).sum().backward()
        raise KeyError("stop")

    with pytest.raises(KeyError):
        cr.graph(f)(np.ones(3))
    assert type(w.value) is np.ndarray and type(w.grad.value) is np.ndarray
    close((w * 2.0).detach().numpy(), 2.0 * np.ones(3))


def test_bad_calls_of_a_graph():
    g = cr.graph(lambda x: x * 2.0)(X)
    with pytest.raises(ArgumentError, match=r"float64\[4,3\]"):
        g(np.ones(3))
    with pytest.raises(NonDifferentiableError, match="str"):
        cr.graph(lambda x: "text")(X)
    with pytest.raises(LostDerivativeError, match="traced"):
        cr.grad(lambda x: cr.graph(cr.sin)(x) and x)(1.0)


def test_printing_and_drawing():
    step, *_ = make_step()
    graph = cr.graph(step)(X, Y)
    text = str(graph)
    assert "float64[4,3]" in text and "matmul" in text and "backward:" in text
    assert re.search(r"test_record\.py:\d+", text)
    assert "<string>" not in text
    mermaid, dot = graph.to_mermaid(), graph.to_graphviz()
    assert mermaid.startswith("flowchart TD") and "subgraph backward" in mermaid and mermaid.count("-->") >= len(graph.steps)
    assert dot.startswith("digraph") and dot.count("{") == dot.count("}") and "cluster_update" in dot
    assert "graph of step" in repr(graph)


def test_results_of_a_recorded_run_keep_their_history():
    from chainrule.transforms.record import record

    w = cr.tensor(2.0, requires_grad=True)
    y = record(lambda x: w * w * x, (np.array(3.0),), {}).result
    y.backward()
    assert w.grad.item() == 12.0
