"""TensorFlow's way of writing: `GradientTape` and `Variable`."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError, ShapeError

close = np.testing.assert_allclose

X = np.random.default_rng(0).uniform(0.5, 1.5, 3)


def test_gradient_tape():
    x = cr.Variable(2.0)
    with cr.GradientTape() as tape:
        y = x**2
    assert tape.gradient(y, x).item() == 4.0
    with pytest.raises(ArgumentError, match="persistent"):
        tape.gradient(y, x)
    x, y = cr.Variable(2.0), cr.Variable(3.0)
    with cr.GradientTape(persistent=True) as tape:
        p, s = x * y, x**2 + y**2
    assert [g.item() for g in tape.gradient(p, [x, y])] == [3.0, 2.0]
    assert {k: g.item() for k, g in tape.gradient(s, {"x": x, "y": y}).items()} == {"x": 4.0, "y": 6.0}
    assert tape.gradient(p, cr.Variable(1.0)) is None


def test_gradient_tapes_nest():
    x = cr.Variable(2.0)
    with cr.GradientTape() as outer:
        with cr.GradientTape() as inner:
            y = x**3
        first = inner.gradient(y, x)
    assert (first.item(), outer.gradient(first, x).item()) == (12.0, 12.0)
    c = cr.tensor(3.0)
    with cr.GradientTape() as tape:
        tape.watch(c)
        y = c * c
    assert tape.gradient(y, c).item() == 6.0
    v = cr.Variable(X)
    with cr.GradientTape() as tape:
        y = v * v
    close(tape.jacobian(y, v).numpy(), np.diag(2 * X))


def test_tapes_that_watch_what_they_are_given():
    v, w = cr.Variable(2.0), cr.Variable(3.0)
    with cr.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(w)
        y = v * w
    assert tape.gradient(y, [v, w]) == [None, 2]


def test_tapes_stop_recording():
    x = cr.Variable(2.0)
    with cr.GradientTape(persistent=True) as tape:
        y = x * 3
        with tape.stop_recording():
            z = y * y
        u = y * y
    assert tape.gradient(z, x) is None
    assert tape.gradient(u, x) == 36


def test_targets_of_tapes_that_are_constants():
    x = cr.Variable(2.0)
    with cr.GradientTape(persistent=True) as tape:
        y = [x * x, cr.tensor(1.0)]
    assert tape.gradient(y, x, output_gradients=[2.0, 1.0]) == 8
    assert tape.gradient(y, x, output_gradients=[None, 5.0]) == 4
    with pytest.raises(ArgumentError, match="unconnected_gradients"):
        tape.gradient(y, x, unconnected_gradients="zeros")


def test_jacobians_of_tapes():
    x, b, c = cr.Variable(X), cr.Variable(np.array([2.0, 1.0])), cr.Variable(1.0)
    with cr.GradientTape() as outer:
        with cr.GradientTape(persistent=True) as tape:
            y = cr.outer(b, x**3)
        first = tape.jacobian(y, {"x": x, "b": b, "c": c}, unconnected_gradients="zero")
        close(first["x"].detach(), b.detach()[:, None, None] * np.diag(3 * X**2))
        close(first["b"].detach(), np.eye(2)[:, None, :] * X[:, None] ** 3)
        close(first["c"], np.zeros((2, 3)))
        assert tape.jacobian(y, c) is None
        total = first["x"].sum()
    close(outer.gradient(total, x), 3.0 * 6 * X)  # what a tape gives can be differentiated by one around it
    rows = cr.Variable(np.stack([X, 2 * X]))
    with cr.GradientTape(persistent=True) as tape:
        y = rows[:, :2] * rows.sum(1, keepdims=True)
    batch, full = tape.batch_jacobian(y, rows), tape.jacobian(y, rows)
    close(batch, np.stack([full[i, :, i] for i in range(2)]))
    with pytest.raises(ShapeError, match="first axis"):
        tape.batch_jacobian(y[:1], rows)
    empty = cr.Variable(np.zeros((0, 2)))
    with cr.GradientTape() as tape:
        y = empty.sum(1)
    assert tape.jacobian(y, empty).shape == (0, 0, 2)


def test_tapes_begin_again():
    x = cr.Variable(2.0)
    with cr.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        tape.watch([x])
        y = x * x
    assert tape.watched_variables() == (x,)
    assert tape.gradient(y, x) == 4
    tape.reset()
    assert tape.watched_variables() == ()
    with tape:
        tape.watch(x)
        y = x**3
    assert tape.gradient(y, x) == 12


@pytest.mark.parametrize("wrap", [lambda f: f, cr.compile], ids=["eager", "compiled"])
def test_variables_are_assigned_to(wrap):
    v = cr.Variable(np.array([1.0, 2.0], np.float32))

    def step(rate):
        with cr.GradientTape() as tape:
            y = (v * v).sum()
        return v.assign_sub(rate * tape.gradient(y, v))

    step = wrap(step)
    for _ in range(3):
        step(0.25)
    assert v.tolist() == [0.125, 0.25] and v.dtype == np.float32 and v.requires_grad and v.is_leaf
    assert v.assign_add([1.0, 1.0]) is v and v.assign(np.array([5.0, 6.0])).tolist() == [5, 6] and v.dtype == np.float32
    with cr.GradientTape() as tape:
        y = (v * v).sum()
        v.assign([0.0, 0.0])
    assert tape.gradient(y, v).tolist() == [10, 12]
    with pytest.raises(ShapeError, match="shape of the old ones"):
        v.assign(1.0)
