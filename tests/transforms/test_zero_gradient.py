"""A gradient that is zero everywhere for want of a derivative is told of: once, by operation and line; never without need."""

import inspect
import warnings

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError, ZeroGradientWarning

X = np.array([0.3, 1.7, -0.4])
LOSING = {
    "floor": lambda x: cr.floor(x).sum(),
    "round": lambda x: np.round(x).sum(),
    "rint": lambda x: (np.rint(x) * np.arange(3.0)).sum(),
    "sign": lambda x: cr.sign(x).sum(),
    "argmax": lambda x: cr.take(np.arange(3.0), cr.argmax(x)),
    "greater": lambda x: cr.mean(x > 0.5),
    "less_equal": lambda x: np.where(x <= 0, 1.0, 2.0).sum(),
    "astype": lambda x: x.astype(int).astype(float).sum(),
    "floor_divide": lambda x: (x // 2.0).sum(),
}


@pytest.mark.parametrize("name", LOSING)
def test_the_warning_names_operation_and_line(name):
    f = LOSING[name]
    line = inspect.getsourcelines(f)[1]
    with pytest.warns(
        ZeroGradientWarning, match=f"gradient of argument 0 is zero.*\n.*{name} at test_zero_gradient.py:{line}"
    ) as w:
        assert not np.any(cr.grad(f)(X))
    assert (w[0].filename, w[0].lineno) == (__file__, line)
    with pytest.warns(ZeroGradientWarning):
        cr.value_and_grad(f)(X)


def test_each_line_is_warned_of_once():
    f = cr.grad(lambda x: cr.floor(x).sum())
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("default")
        for _ in range(3):
            f(X)
    assert len(found) == 1


def test_the_argument_that_gets_nothing_is_named():
    with pytest.warns(ZeroGradientWarning, match="argument 1\\['b'\\]"):
        ga, gb = cr.grad(lambda a, p: (a * cr.ceil(p["b"] * 2) * p["c"]).sum(), (0, 1))(X, {"b": X, "c": X})
    assert np.any(ga) and np.any(gb["c"]) and not np.any(gb["b"])


def test_operations_inside_of_numpy_code_and_transforms():
    with pytest.warns(ZeroGradientWarning, match="floor"):
        cr.vmap(cr.grad(lambda x: np.floor(x)))(X)
    with pytest.warns(ZeroGradientWarning, match="floor"):
        cr.jvp(cr.grad(lambda x: np.floor(x).sum()), (X,), (X,))
    with pytest.warns(ZeroGradientWarning, match="floor"):
        cr.compile(cr.grad(lambda x: np.floor(x).sum()))(X)


def branching(x):
    if cr.all(x > 5):
        return 3.0 * x.sum()
    return cr.floor(x).sum()


def test_operations_inside_of_branches_loops_and_checkpoints():
    """A decision by value is not what makes a gradient zero: what follows it is named."""
    for f in (
        branching,
        lambda x: cr.cond(x[0] > 0, lambda x: cr.floor(x).sum(), lambda x: cr.floor(x).sum() + 1.0, x),
        lambda x: cr.scan(lambda c, t: (c + cr.floor(t), None), 0.0, x)[0],
        cr.checkpoint(lambda x: cr.floor(x).sum()),
        cr.compile(lambda x: cr.floor(2.0 * x).sum()),
    ):
        with pytest.warns(ZeroGradientWarning, match="first of them: floor at"):
            cr.grad(f)(X)


@pytest.mark.parametrize(
    "f",
    [
        lambda a, b: 2 * b.sum() if a[0] > 0 else (a * b).sum(),  # the other branch has a derivative in a
        lambda a, b: 2 * b.sum() if cr.any(cr.floor(a) > 0) else (a * b).sum(),
        lambda a, b: (cr.stop_gradient(a) * b + cr.mean(a > 0)).sum(),
        lambda a, b: (cr.where(a > 0, a.detach(), 0.0) * b).sum(),
        lambda a, b: (cr.relu(a - 9.0) * (a > 0) * b).sum(),
        lambda a, b: (cr.relu(cr.outer(a, b) - 9.0) * cr.round(a)).sum(),
        lambda a, b: (b * b).sum() + 0 * cr.mean(b > 0),
    ],
)
def test_no_warning_where_an_argument_has_a_derivative_elsewhere_or_none_on_purpose(f):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cr.grad(f, (0, 1))(X, X)


def test_no_warning_for_accuracies_beside_the_loss():
    rng = np.random.default_rng(0)
    p = {"w": rng.normal(size=(3, 4)), "v": rng.normal(size=(4, 2)), "frozen": rng.normal(size=4)}
    x, labels = rng.normal(size=(5, 3)), np.array([0, 1, 1, 0, 1])

    def loss(p):
        h = cr.relu(x @ p["w"] - 100.0)  # all units are dead
        y = (h + cr.stop_gradient(p["frozen"])) @ p["v"]
        hits = cr.argmax(y, axis=1) == labels
        return cr.nn.functional.cross_entropy(y, labels), {"accuracy": cr.mean(hits), "frozen": p["frozen"] > 0}

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gradient, _ = cr.grad(loss, has_aux=True)(p)
    assert not np.any(gradient["w"]) and np.any(gradient["v"]) and not np.any(gradient["frozen"])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: cr.where(x > 0, x, 0.5 * x).sum(),
        lambda x: (x + cr.stop_gradient(cr.round(x) - x)).sum(),
        lambda x: cr.stop_gradient(x).sum(),
        lambda x: x.detach().sum() * cr.sum(np.ones(2)),
        lambda x: (x.detach() * (x > 0)).sum(),
        lambda x: 3.0,
        lambda x: 3.0 if x.sum() > 0 else 4.0,
        lambda x: cr.sum(np.ones(2)),
        lambda x: 0.0 * x.sum(),
        lambda x: cr.maximum(x, 9.0).sum(),
        lambda x: cr.sort(x)[0] + x[cr.argmax(x)],
    ],
)
def test_no_warning_where_zero_is_right_or_meant(f):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cr.grad(f)(X)


@pytest.mark.parametrize("f", [cr.relu, cr.absolute, lambda x: cr.maximum(x, 0), lambda x: cr.clip(x, 0, 1), cr.sort, cr.max])
def test_no_warning_for_second_derivatives_that_vanish(f):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not np.any(cr.grad(lambda x: cr.grad(lambda x: f(x).sum())(x).sum())(X))
        assert not np.any(cr.hessian(lambda x: f(x).sum())(X))


def test_backward_says_which_operation_came_last():
    x = cr.tensor(X, requires_grad=True)
    y = cr.floor(x).sum()
    said = r"depends on no leaf that requires grad\n.*\n.*without a derivative: floor at test_zero_gradient.py:\d+"
    with pytest.raises(ArgumentError, match=said):
        y.backward()
    y = cr.compile(lambda x: cr.round(x).sum())(x)
    with pytest.raises(ArgumentError, match=r"without a derivative: round at test_zero_gradient\.py"):
        y.backward()
    y = cr.where(x > 0, 1.0, 2.0).sum()
    with pytest.raises(ArgumentError, match="without a derivative: greater"):
        y.backward()


def test_nothing_is_kept_alive():
    tape = cr.tensor(X, requires_grad=True)
    assert (cr.floor(tape * 2.0) > 1).shape == (3,)
    assert tape.owner.lost.events == tape.owner.lost.stopped == []
