"""Optimisers: closed forms, settings, groups, the tape, errors."""

import numpy as np
import pytest
from optim_tools import descend, leaf, makers

import chainrule as cr
from chainrule import optim
from chainrule.errors import ArgumentError, NonDifferentiableError, UnsupportedError


def test_sgd_on_a_parabola_shrinks_by_a_factor():
    x = leaf([1.0, -3.0])
    optimizer = optim.SGD([x], lr=0.1)
    for n in range(1, 6):
        optimizer.zero_grad()
        (x * x).sum().backward()
        optimizer.step()
        np.testing.assert_allclose(x.detach(), np.array([1.0, -3.0]) * 0.8**n, rtol=1e-14)


def test_adam_by_hand():
    x, lr, b1, b2, eps = leaf([1.0, -3.0]), 0.1, 0.8, 0.9, 1e-3
    optimizer = optim.Adam([x], lr, (b1, b2), eps)
    p, m, v = np.array([1.0, -3.0]), 0.0, 0.0
    for n in range(1, 8):
        descend(optimizer, [x])
        g = p / np.sqrt(1 + p**2)
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        p = p - lr * (m / (1 - b1**n)) / (np.sqrt(v / (1 - b2**n)) + eps)
        np.testing.assert_allclose(x.detach(), p, rtol=1e-13)
    assert optimizer.state[x]["step"].item() == 7
    np.testing.assert_allclose(optimizer.state[x]["exp_avg"], m, rtol=1e-13)


def slope(p):
    """Of what `descend` goes down."""
    return p / np.sqrt(1 + p**2)


def test_lion_by_hand():
    start, lr, b1, b2, decay = np.array([1.0, -3.0, 0.2]), 0.05, 0.7, 0.9, 0.3
    x = leaf(start)
    optimizer = optim.Lion([x], lr, (b1, b2), decay)
    p, m = start, np.zeros(3)
    for _ in range(50):
        descend(optimizer, [x])
        g = slope(p)
        p, m = p - lr * (np.sign(b1 * m + (1 - b1) * g) + decay * p), b2 * m + (1 - b2) * g
        np.testing.assert_allclose(x.detach(), p, rtol=1e-11, atol=1e-13)


def test_lamb_by_hand():
    start, lr, b1, b2, eps, decay = [np.array([1.0, -3.0]), np.zeros(2)], 0.1, 0.8, 0.9, 1e-3, 0.1
    params = [leaf(p) for p in start]
    optimizer = optim.LAMB(params, lr, (b1, b2), eps, decay)
    state = [(p, np.zeros(2), np.zeros(2)) for p in start]
    for n in range(1, 51):
        descend(optimizer, params)
        for i, (p, m, v) in enumerate(state):
            g = slope(p)
            m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
            r = (m / (1 - b1**n)) / (np.sqrt(v / (1 - b2**n)) + eps) + decay * p
            sizes = np.linalg.norm(p), np.linalg.norm(r)
            trust = sizes[0] / sizes[1] if all(sizes) else 1.0
            state[i] = p - lr * trust * r, m, v
            np.testing.assert_allclose(params[i].detach(), state[i][0], rtol=1e-11)


def test_maximizing_is_descending_on_the_negative():
    for make in (optim.Lion, optim.LAMB):
        x, y = leaf([1.0, -2.0]), leaf([1.0, -2.0])
        down, up = make([x], lr=0.1), make([y], lr=0.1, maximize=True)
        for _ in range(5):
            down.zero_grad(), up.zero_grad()
            (x * x).sum().backward(), (-y * y).sum().backward()
            down.step(), up.step()
        np.testing.assert_array_equal(x.detach(), y.detach())


@makers
def test_all_descend_and_keep_dtypes(make):
    params = [leaf([[1.0, 2.0]], np.float32), leaf(0.5)]
    optimizer = make(params)
    before = sum((p * p).sum().item() for p in params)
    descend(optimizer, params, 20)
    assert sum((p * p).sum().item() for p in params) < 0.8 * before
    assert [p.dtype for p in params] == [np.float32, np.float64] and all(p.requires_grad and p.is_leaf for p in params)
    for p, state in optimizer.state.items():
        assert all(s.dtype == (np.float64 if k in optimizer.counts else p.dtype) for k, s in state.items())


def test_maximize():
    x = leaf(1.0)
    optimizer = optim.SGD([x], lr=0.1, maximize=True)
    (x * x).backward()
    optimizer.step()
    assert x.item() == pytest.approx(1.2)


def test_complex_parameters():
    z = cr.tensor(np.array([1 + 2j]), requires_grad=True)
    optimizer = optim.SGD([z], lr=0.25, momentum=0.1)
    (z * z.conj()).real.sum().backward()
    optimizer.step()
    np.testing.assert_allclose(z.detach(), [0.5 + 1j])
    with pytest.raises(UnsupportedError, match="Adafactor cannot update complex"):
        optim.Adafactor([z])


@makers
def test_values_kept_by_the_tape_do_not_change(make):
    x = leaf([1.0, 2.0])
    optimizer = make([x])
    descend(optimizer, [x], 2)
    at = x.detach().numpy().copy()
    y = (x * x * x).sum()
    descend(optimizer, [x], 2)
    optimizer.zero_grad()
    y.backward()
    np.testing.assert_allclose(x.grad, 3 * at**2, rtol=1e-14)


@makers
def test_steps_record_nothing(make):
    x = leaf([1.0, 2.0])
    optimizer = make([x])
    optimizer.zero_grad()
    (x * x * x).sum().backward(create_graph=True)
    assert x.grad.requires_grad
    optimizer.step()
    assert x.is_leaf and not any(t.requires_grad for t in optimizer.state[x].values())


@makers
def test_state_is_bound_to_new_values_by_reference(make):
    x = leaf([1.0, 2.0])
    optimizer = make([x])
    descend(optimizer, [x])
    held = dict(optimizer.state[x])
    values = {k: v.detach().numpy().copy() for k, v in held.items()}
    arrays = {k: v.detach().numpy() for k, v in held.items()}
    descend(optimizer, [x])
    assert all(optimizer.state[x][k] is v for k, v in held.items())
    assert all(np.array_equal(arrays[k], values[k]) for k in held), "arrays are replaced, not changed"


def test_step_inside_no_grad_and_closures():
    x = leaf(1.0)
    optimizer = optim.SGD([x], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = x * x
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 1.0
    with cr.no_grad():
        assert optimizer.step(closure).item() == pytest.approx(0.64)
    assert x.item() == pytest.approx(0.64) and x.requires_grad


def test_learning_rates_take_effect():
    x = leaf(1.0)
    optimizer = optim.SGD([x], lr=0.1)
    rate = optimizer.param_groups[0].rate
    for change in (
        lambda: optimizer.param_groups[0].__setitem__("lr", 0.5),
        lambda: setattr(optimizer, "lr", 0.5),
        lambda: optimizer.param_groups[0].update({"lr": 0.5}),
    ):
        optimizer.lr = 0.1
        change()
        assert optimizer.lr == 0.5 == optimizer.param_groups[0]["lr"] and optimizer.param_groups[0].rate is rate
        x.data, x.grad = 1.0, np.array(1.0)
        optimizer.step()
        assert x.item() == 0.5


def test_a_tensor_as_learning_rate():
    x, lr = leaf(1.0), cr.tensor(0.5)
    optimizer = optim.SGD([x], lr=lr)
    x.grad = np.array(1.0)
    optimizer.step()
    lr.data = 0.25
    optimizer.step()
    assert x.item() == 0.25 and optimizer.lr is lr
    optimizer.lr = 0.125
    optimizer.step()
    assert x.item() == 0.125 and lr.item() == 0.25


def test_groups():
    a, b, c = leaf(1.0), leaf(1.0), leaf(1.0)
    optimizer = optim.SGD([{"params": [a]}, {"params": b, "lr": 0.5}], lr=0.1)
    optimizer.add_param_group({"params": [c], "momentum": 0.9})
    for p in (a, b, c):
        p.grad = np.array(1.0)
    optimizer.step()
    assert [p.item() for p in (a, b, c)] == [0.9, 0.5, 0.9]
    assert optimizer.state[a] == {} and "momentum_buffer" in optimizer.state[c]
    assert "lr: 0.5" in repr(optimizer) and "Group 2" in repr(optimizer)


def test_zero_grad():
    x = leaf(1.0)
    optimizer = optim.SGD([x])
    x.grad = np.array(2.0)
    optimizer.zero_grad(set_to_none=False)
    assert x.grad.item() == 0
    optimizer.zero_grad()
    assert x.grad is None
    optimizer.step()
    assert x.item() == 1.0 and optimizer.state == {}


def test_parameters_that_make_no_sense():
    x = leaf(1.0)
    for params, text in (
        ([], "got no parameters"),
        (x, "iterable of parameters"),
        ([np.ones(2)], "parameter 0 is not a Tensor"),
        ([x, x], "given twice"),
        ([{"params": [x]}, {"params": [x]}], "given twice"),
        ([x * 2], "not a leaf"),
    ):
        with pytest.raises(ArgumentError, match=f"{text}(.|\n)*help:"):
            optim.SGD(params)
    with pytest.raises(NonDifferentiableError, match="no derivative"):
        optim.SGD([cr.tensor([1, 2])])


def test_settings_that_make_no_sense():
    x = leaf(1.0)
    for call in (
        lambda: optim.SGD([x], lr=-1.0),
        lambda: optim.SGD([x], nesterov=True),
        lambda: optim.SGD([x], weight_decay=-0.1),
        lambda: optim.Adam([x], betas=(1.0, 0.9)),
        lambda: optim.RMSprop([x], eps=-1.0),
        lambda: optim.SGD([{"params": x, "lr": -1.0}]),
    ):
        with pytest.raises(ArgumentError, match="help:"):
            call()
    with pytest.raises(TypeError, match="'momentun'"):
        optim.SGD([x], momentun=0.9)
    with pytest.raises(UnsupportedError, match="differentiable"):
        optim.Adam([x], differentiable=True)
    assert optim.Adam([x], fused=True, foreach=None).lr == 1e-3


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda p: optim.SGD(p, lr="0.1"), r"lr must be a number(.|\n)*lr=float\('0.1'\)"),
        (lambda p: optim.Adam(p, betas=(0.9,)), "betas are several numbers"),
        (lambda p: optim.lr_scheduler.StepLR(optim.SGD(p, lr=0.1), 0), "step_size is a number of epochs from 1"),
    ],
)
def test_settings_that_are_no_such(wrong, said):
    with pytest.raises(ArgumentError, match=said):
        wrong([cr.tensor(1.0, requires_grad=True)])
