"""Graphs written down without computing, run again, and transformed."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.aval import Aval
from chainrule.core.dispatch import state
from chainrule.transforms.abstract import batch_graph, dead_code, jvp_graph, trace, vjp_graph

rng = np.random.default_rng(8)
FLOAT = np.dtype(float)
X, W = rng.normal(size=(3, 4)), rng.normal(size=(4, 4))


def arrays(*shapes):
    return [Aval(s, FLOAT) for s in shapes]


def close(a, b, rtol=1e-10):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=rtol, atol=rtol)


def names(graph):
    return [step.row.name for step in graph.steps]


FUNCTIONS = {
    "composed": lambda x: cr.tanh(x @ W).sum(-1),
    "grad": cr.grad(lambda x: (cr.sin(x) * x[::-1]).sum()),
    "vmap": cr.vmap(lambda row: cr.cumsum(row) * row.mean()),
    "jvp": lambda x: cr.jvp(cr.exp, (x,), (x * x,))[1],
    "hessian": lambda x: cr.hessian(lambda y: (cr.sin(y) * y).sum())(x[0]),
    "jacfwd": lambda x: cr.jacfwd(lambda y: cr.sort(y) * y)(x[0]),
    "vjp of vmap": lambda x: cr.vjp(cr.vmap(lambda row: cr.softmax(row) * row), x)[1](x)[0],
    "numpy": lambda x: np.where(x > 0, np.sqrt(abs(x)), -x) * np.pi,
    "assignment": lambda x: assigned(x),
    "backward inside": lambda x: backward_inside(x),
}


def assigned(x):
    y = cr.zeros(3, 4) + 1.0
    y[1] = x[0] * 2
    y += x
    return y


def backward_inside(x):
    t = cr.tensor(x, requires_grad=True)
    (t * t * x).sum().backward()
    return t.grad


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_graph_is_the_function(name):
    f = FUNCTIONS[name]
    graph, captured = trace(f, arrays((3, 4)))
    for x in (X, -X, X * 0.3):
        expected = f(x)
        expected = expected.detach() if isinstance(expected, cr.Tensor) else expected
        (found,) = graph.apply(x, *captured)
        close(found.detach() if isinstance(found, cr.Tensor) else found, expected)


@pytest.mark.parametrize("name", [n for n in FUNCTIONS if n != "backward inside"])
def test_graphs_run_under_any_transform(name):
    f = FUNCTIONS[name]
    graph, captured = trace(f, arrays((3, 4)))

    def again(x):
        return graph.apply(x, *captured)[0]

    g = rng.normal(size=np.shape(f(X)))
    close(cr.vjp(again, X)[1](g)[0], cr.vjp(f, X)[1](g)[0])
    close(cr.jvp(again, (X,), (W[:3],))[1], cr.jvp(f, (X,), (W[:3],))[1])
    xs = np.stack([X, X * 0.5])
    close(cr.vmap(again)(xs), np.stack([f(x) for x in xs]))
    close(cr.graph(again)(X)(X * 2), f(X * 2))


def test_nothing_is_computed():
    graph, _ = trace(lambda x: cr.log(x - 1.0).sum(), arrays((10**6, 10**6)))
    assert names(graph) == ["subtract", "log", "sum"]
    assert graph.outputs[0].aval == Aval((), FLOAT)


def test_python_numbers_adapt():
    graph, _ = trace(lambda x: (x * 2 + 1.5, x > 0), [Aval((2,), np.dtype(np.float32))])
    assert [o.aval.dtype for o in graph.outputs] == [np.float32, bool]


def test_what_comes_from_outside():
    parameter = cr.tensor(W, requires_grad=True)
    small = np.array([1.0, 2.0, 3.0, 4.0])
    graph, captured = trace(lambda x: (x @ parameter + small) @ W @ parameter + np.zeros((3, 4)), arrays((3, 4)))
    assert len(captured) == 2  # each once; few numbers and repeated ones are part of the graph
    assert captured[0] is parameter
    assert captured[1] is not W and np.array_equal(captured[1], W)  # which may be written to later
    small[:] = 0
    close(graph.apply(X, *captured)[0].detach(), (X @ W + [1, 2, 3, 4]) @ W @ W)
    # what depends on nothing inside runs outside
    graph, captured = trace(lambda x: x @ cr.exp(parameter), arrays((3, 4)))
    assert names(graph) == ["matmul"]
    graph.apply(X, *captured)[0].sum().backward()
    close(parameter.grad.detach(), np.exp(W) * X.sum(0)[:, None])


def test_tracing_inside_of_transforms():
    def f(x):
        graph, captured = trace(lambda y: (y * x).sum(), arrays((3, 4)))
        return graph.apply(x * 2, *captured)[0]

    close(cr.grad(f)(X), 4 * X)
    close(cr.jvp(f, (X,), (X,))[1], 4 * (X * X).sum())
    close(cr.vmap(f)(np.stack([X, -X])), [2 * (X * X).sum()] * 2)
    close(cr.hessian(f)(X).reshape(12, 12), 4 * np.eye(12))


def test_unused_steps_are_dropped():
    def f(x):
        unused = cr.sin(x) @ W
        assert unused.shape == (3, 4)
        return x * 2

    graph, _ = trace(f, arrays((3, 4)))
    assert names(graph) == ["multiply"]

    def loops(x):
        carry, _ = cr.scan(lambda c, u: ((c[0] * u, c[1] + cr.sin(c[1])), (cr.cos(u), u)), (1.0, 0.5), x[0])
        last = cr.while_loop(lambda c: c[0] < 3.0, lambda c: (c[0] * 2, c[0] * c[1], c[2] + 1), (carry[0], x[0, 0], 0))
        return last[1]

    graph, _ = trace(loops, arrays((3, 4)))
    scan = next(s for s in graph.steps if s.row.name == "scan")
    assert (scan.params["carries"], len(scan.outputs), names(scan.params["body"])) == (1, 1, ["multiply"])
    loop = next(s for s in graph.steps if s.row.name == "while_loop")
    assert names(loop.params["body"]) == ["multiply", "multiply"]
    close(graph.apply(X)[0], loops(X))


def test_dead_code_of_a_recorded_program_keeps_guards():
    def f(x):
        y = x * 2
        if y.sum() > 0:
            y = y + 1
        cr.sin(x)
        return y

    graph = cr.graph(f)(abs(X))
    before = len(graph.steps)
    assert len(dead_code(graph).steps) == before - 1
    close(graph(abs(X) * 2), f(abs(X) * 2))
    with pytest.raises(cr.errors.ChainruleError, match="another branch"):
        graph(-abs(X))


@pytest.mark.parametrize("moving", [(True, True), (True, False), (False, True)])
def test_transformed_graphs(moving):
    def f(x, w):
        return [cr.tanh(x @ w), (w * w).sum(), cr.argmax(x)]

    graph, _ = trace(f, arrays((3, 4), (4, 4)), "f")
    args, ts = (X, W), (rng.normal(size=(3, 4)), rng.normal(size=(4, 4)))
    own = [t for t, m in zip(ts, moving, strict=True) if m]

    tangent, flags = jvp_graph(graph, moving)
    assert flags == (True, moving[1], False)
    _, expected = cr.jvp(f, args, tuple(t if m else None for t, m in zip(ts, moving, strict=True)))
    values = tangent.apply(*args, *own)
    for found, right in zip(values[:3], f(*args), strict=True):
        close(found, right)
    for found, right in zip(values[3:], [e for e, flag in zip(expected, flags, strict=True) if flag], strict=True):
        close(found, right)

    gs = rng.normal(size=(3, 4)), np.float64(rng.normal())
    pull, flows = vjp_graph(graph, moving, (True, True, False))
    assert flows == (True,) * sum(moving)
    expected = [p for p, m in zip(cr.vjp(f, *args)[1]([*gs, None]), moving, strict=True) if m]
    for found, right in zip(pull.apply(*args, *gs), expected, strict=True):
        close(found, right)
    _, flows = vjp_graph(graph, moving, (False, True, False))
    assert flows == ((False, True) if all(moving) else (moving[1],))

    batch, flags = batch_graph(graph, moving, 2)
    assert flags == (True, moving[1], moving[0])
    stacks = [np.stack([a, a * 0.5]) if m else a for a, m in zip(args, moving, strict=True)]
    expected = cr.vmap(f, in_axes=tuple(0 if m else None for m in moving))(*stacks)
    for found, right, flag in zip(batch.apply(*stacks), expected, flags, strict=True):
        close(found, right if flag else right[0])
    assert vjp_graph(graph, moving, (True, True, False))[0] is pull  # made once


def test_a_branch_not_taken_does_not_leak_in_a_transformed_graph():
    graph, _ = trace(lambda x: cr.where(x > 0, cr.sqrt(x), 0.0), arrays((2,)))
    pull = vjp_graph(graph, (True,), (True,))[0]
    with np.errstate(all="ignore"):
        close(pull.apply(np.array([4.0, 0.0]), np.ones(2))[0], [0.25, 0.0])


ASKED = [
    lambda x: x if x > 0 else -x,
    lambda x: float(x),
    lambda x: x.item(),
    lambda x: np.asarray(x),
    lambda x: [1.0, 2.0][x.astype(int)],
    lambda x: x.tolist(),
]


@pytest.mark.parametrize("f", ASKED)
def test_asking_for_a_value_raises(f):
    for g in (f, lambda x: cr.jvp(lambda y: f(y * x), (1.0,), (None,))[0], lambda x: cr.grad(lambda y: f(y.detach()))(x)):
        with pytest.raises(
            cr.errors.LostDerivativeError, match=r"not known(.|\n)*help: use cr\.cond, cr\.while_loop or cr\.where"
        ):
            trace(g, arrays(()))
    assert (state.abstract, state.scopes) == ([], [])


def test_shapes_that_depend_on_values_raise():
    with pytest.raises(cr.errors.ShapeError, match="depends on values"):
        trace(lambda x: x[x > 0], arrays((3,)))


def test_results_must_be_arrays():
    with pytest.raises(cr.errors.NonDifferentiableError, match="must return arrays"):
        trace(lambda x: "text", arrays((3,)))


def test_tensors_do_not_outlive_the_trace():
    leaked = []
    trace(lambda x: leaked.append(x) or x * 2, arrays((3,)))
    with pytest.raises(cr.errors.LeakedTensorError):
        leaked[0] + 1


def test_assigning_to_a_tensor_from_outside_raises():
    buffer, parameter = cr.zeros(3), cr.tensor(np.ones(3), requires_grad=True)

    def write(x):
        buffer[0] = x[0]
        return x

    def update(x):
        with cr.no_grad():
            parameter.sub_(x)
        return x

    def replace(x):
        buffer.data = x
        return x

    def count(x):
        buffer.add_(1.0)
        return x

    for f in (write, update, replace, count):
        with pytest.raises(cr.errors.LostDerivativeError, match=r"from outside is assigned to(.|\n)*help: carry it"):
            trace(f, arrays((3,)))
        close(buffer, np.zeros(3))
        close(parameter.detach(), np.ones(3))
    (buffer + parameter).sum().backward()
    close(parameter.grad, np.ones(3))
