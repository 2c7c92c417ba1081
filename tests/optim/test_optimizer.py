"""Optimisers: closed forms, groups, state as data, the tape, errors."""

import copy
import pickle

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import ArgumentError, NonDifferentiableError, UnsupportedError
from chainrule.optim import lr_scheduler

MAKERS = {
    "SGD": lambda ps: optim.SGD(ps, lr=0.1),
    "momentum": lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9, dampening=0.5),
    "Adam": lambda ps: optim.Adam(ps, lr=0.1, amsgrad=True),
    "AdamW": lambda ps: optim.AdamW(ps, lr=0.1),
    "RMSprop": lambda ps: optim.RMSprop(ps, lr=0.01, momentum=0.5, centered=True),
    "Adagrad": lambda ps: optim.Adagrad(ps, lr=0.2, lr_decay=0.1),
    "Adadelta": lambda ps: optim.Adadelta(ps, lr=20.0, weight_decay=0.01),
    "Adamax": lambda ps: optim.Adamax(ps, lr=0.1),
    "NAdam": lambda ps: optim.NAdam(ps, lr=0.1),
    "RAdam": lambda ps: optim.RAdam(ps, lr=0.2, betas=(0.9, 0.9)),
    "ASGD": lambda ps: optim.ASGD(ps, lr=0.1, t0=3),
    "Rprop": lambda ps: optim.Rprop(ps, lr=0.05),
    "Lion": lambda ps: optim.Lion(ps, lr=0.05, weight_decay=0.1),
    "LAMB": lambda ps: optim.LAMB(ps, lr=0.05, weight_decay=0.1),
    "SparseAdam": lambda ps: optim.SparseAdam(ps, lr=0.1),
    "Adafactor": lambda ps: optim.Adafactor(ps, lr=0.1),
    "centered RMSprop": lambda ps: optim.RMSprop(ps, lr=0.01, centered=True, maximize=False, weight_decay=0.1),
    "Nesterov": lambda ps: optim.SGD(ps, lr=0.05, momentum=0.5, nesterov=True),
}
makers = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def leaf(x, dtype=float):
    return cr.tensor(np.array(x, dtype), requires_grad=True)


def descend(optimizer, params, steps=1):
    for _ in range(steps):
        optimizer.zero_grad()
        sum(cr.sqrt(1 + p * p).sum() for p in params).backward()
        optimizer.step()
    return [p.detach().numpy().copy() for p in params]


# --- closed forms -----------------------------------------------------------------------------------------------------


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


# --- values on the tape -----------------------------------------------------------------------------------------------


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


@makers
@pytest.mark.parametrize("warm_up", [0, 2])
def test_a_recorded_step_goes_on_from_state_and_learning_rate(make, warm_up):
    """The program of one step, run again, does what further steps would do: nothing that changes is frozen."""
    x, y, data = leaf([1.0, -2.0]), leaf([1.0, -2.0]), np.array([0.5, 1.5])

    def step_of(param, optimizer):
        def step(data):
            optimizer.zero_grad()
            ((param - data) ** 2).sum().backward()
            optimizer.step()

        return step

    eager, recorded = make([x]), make([y])
    step, other = step_of(x, eager), step_of(y, recorded)
    for _ in range(warm_up):
        step(data), other(data)
    program = cr.graph(other)(data)
    for n in range(5):
        step(data)
        if n:
            program(data)
        np.testing.assert_allclose(y.detach(), x.detach(), rtol=1e-12)
        data = data + 0.1
        eager.lr = recorded.lr = 0.1 / (n + 1)
    for k, v in eager.state[x].items():
        np.testing.assert_allclose(recorded.state[y][k].detach(), v.detach(), rtol=1e-12)


@makers
def test_a_compiled_step_is_the_eager_one(make):
    """Over parameters of several shapes, rates that a schedule sets, and a parameter that comes in later."""

    def run(compiled):
        params = [leaf([[1.0, -2.0], [0.5, 3.0]]), leaf([0.3, -0.2], np.float32), leaf(0.7)]
        optimizer = make(params)
        scheduler = lr_scheduler.SequentialLR(
            optimizer, [lr_scheduler.LinearLR(optimizer, 0.5, total_iters=2), lr_scheduler.ExponentialLR(optimizer, 0.8)], [3]
        )

        def step(data):
            optimizer.zero_grad()
            sum((cr.sqrt(1 + (p - data) ** 2)).sum() for p in params).backward()
            optimizer.step()

        step = cr.compile(step) if compiled else step
        for n in range(7):
            if n == 4:
                params.append(leaf([1.0, 1.5]))
                optimizer.add_param_group({"params": params[-1:]})
                scheduler = lr_scheduler.ExponentialLR(optimizer, 0.9)
            step(np.array(0.1 * n))
            scheduler.step()
        return [p.detach().numpy() for p in params]

    for a, b in zip(run(True), run(False), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5 if a.dtype == np.float32 else 1e-11)


@pytest.mark.parametrize(
    "make, key, values",
    [
        (lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9), "momentum", np.linspace(0.9, 0.5, 12)),
        (lambda ps: optim.RMSprop(ps, lr=0.1, momentum=0.9), "momentum", np.linspace(0.9, 0.5, 12)),
        (lambda ps: optim.Muon(ps, lr=0.1), "momentum", np.linspace(0.9, 0.5, 12)),
        (lambda ps: optim.Adam(ps, lr=0.1), "betas", [(b, 0.99) for b in np.linspace(0.9, 0.5, 12)]),
        (lambda ps: optim.NAdam(ps, lr=0.1), "betas", [(b, 0.99) for b in np.linspace(0.9, 0.5, 12)]),
        (lambda ps: optim.AdamW(ps, lr=0.1), "weight_decay", np.linspace(0.1, 0.5, 12)),
        (lambda ps: optim.LAMB(ps, lr=0.1, weight_decay=0.1), "weight_decay", np.linspace(0.1, 0.5, 12)),
        (lambda ps: optim.SGD(ps, lr=0.1, momentum=0.5), "momentum", [0.5, 0.4, 0.4, 0.3, 0.0, 0.6, 0.7, 0.8]),
    ],
)
def test_programs_read_settings_that_schedules_change(make, key, values):
    """After the first change, a program is not made again for each value."""

    def run(compiled):
        x = leaf([[1.0, -2.0], [0.5, 3.0]])
        optimizer = make([x])

        def step():
            optimizer.zero_grad()
            cr.sqrt(1 + x * x).sum().backward()
            optimizer.step()

        program = cr.compile(step) if compiled else step
        for value in values:
            optimizer.param_groups[0][key] = value
            program()
            assert optimizer.param_groups[0][key] == value
        return x.detach().numpy(), optimizer.state_dict(), program

    (a, state, program), (b, *_) = run(True), run(False)
    np.testing.assert_allclose(a, b, rtol=1e-11)
    assert state["param_groups"][0][key] == values[-1] and not isinstance(state["param_groups"][0][key], cr.Tensor)
    assert len(program.calls) <= 5


def test_a_compiled_step_with_muon():
    def run(compiled):
        w = leaf(np.arange(6.0).reshape(2, 3) / 5)
        optimizer = optim.Muon([w], lr=0.1, adjust_lr_fn="match_rms_adamw")

        def step(data):
            optimizer.zero_grad()
            (cr.tanh(w @ data) ** 2).sum().backward()
            optimizer.step()

        step = cr.compile(step) if compiled else step
        for n in range(4):
            step(np.array([1.0, -0.5, 0.3]) + n)
        return w.detach().numpy()

    np.testing.assert_allclose(run(True), run(False), rtol=1e-9)


@pytest.mark.parametrize("make", [optim.Adagrad, optim.SGD, optim.SparseAdam])
def test_sparse_gradients_are_read_anew_by_a_program(make):
    def run(sparse, compiled):
        table = nn.Embedding(9, 2, sparse=sparse, dtype=float)
        table.weight.data = np.arange(18.0).reshape(9, 2) / 10
        optimizer = make(table.parameters(), lr=0.1)
        step = cr.compile(optimizer.step) if compiled else optimizer.step
        for n in range(6):
            optimizer.zero_grad()
            (table(np.array([n, n + 2, n])) ** 2).sum().backward()
            step()
        return table.weight.detach().numpy()

    expected = run(False, False)
    for sparse, compiled in ((True, False), (False, True), (True, True)):
        np.testing.assert_allclose(run(sparse, compiled), expected, rtol=1e-12)


def test_schedules_stay_outside_of_programs():
    x = leaf(1.0)
    optimizer = optim.SGD([x], lr=0.1)
    for make in (
        lambda: lr_scheduler.StepLR(optimizer, 2),
        lambda: lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 2),
        lambda: lr_scheduler.SequentialLR(optimizer, [lr_scheduler.StepLR(optimizer, 2)], []),
        lambda: lr_scheduler.ChainedScheduler([lr_scheduler.StepLR(optimizer, 2)]),
    ):
        scheduler = make()
        with pytest.raises(UnsupportedError, match=r"cannot be part of a compiled program(.|\n)*help: call it outside"):
            cr.compile(scheduler.step)()
    plateau = lr_scheduler.ReduceLROnPlateau(optimizer)
    with pytest.raises(UnsupportedError, match="cannot be part of a compiled program"):
        cr.compile(lambda y: plateau.step(y))(np.array(1.0))
    with pytest.raises(ArgumentError, match=r"LevenbergMarquardt has no learning rate(.|\n)*help:"):
        lr_scheduler.StepLR(optim.LevenbergMarquardt([x]), 2)


# --- settings ---------------------------------------------------------------------------------------------------------


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


# --- state as data ----------------------------------------------------------------------------------------------------


@makers
def test_state_dict_round_trip(make):
    params = [leaf([1.0, -2.0]), leaf([[0.5]])]
    optimizer = make(params)
    descend(optimizer, params, 3)
    saved, values = optimizer.state_dict(), [p.detach().numpy().copy() for p in params]
    expected = descend(optimizer, params, 3)
    others = [leaf(v) for v in values]
    again = make(others)
    again.lr = 7.0
    again.load_state_dict(pickle.loads(pickle.dumps(saved)))
    assert again.lr == optimizer.lr != 7.0
    for a, b in zip(descend(again, others, 3), expected, strict=True):
        assert np.array_equal(a, b), "a resumed run is the same to the last bit"
    assert saved["param_groups"][0]["params"] == [0, 1] and set(saved["state"]) == {0, 1}


@makers
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"])
def test_copies_go_on_alike(make, duplicate):
    x = leaf([1.0, -2.0])
    optimizer = make([x])
    descend(optimizer, [x], 2)
    twin_x, twin = duplicate((x, optimizer))
    assert twin.param_groups[0]["params"][0] is twin_x and twin.param_groups[0].rate is not optimizer.param_groups[0].rate
    optimizer.lr = twin.lr = 0.05
    assert np.array_equal(descend(twin, [twin_x], 2)[0], descend(optimizer, [x], 2)[0])


def test_state_is_cast_to_the_parameters():
    a, b = leaf([1.0]), leaf([1.0], np.float32)
    first, second = optim.Adam([a]), optim.Adam([b])
    descend(first, [a])
    second.load_state_dict(first.state_dict())
    assert second.state[b]["exp_avg"].dtype == np.float32 and second.state[b]["step"].dtype == np.float64


def test_state_that_does_not_fit():
    a, b = leaf([1.0]), leaf([1.0, 2.0])
    first, second = optim.Adam([a]), optim.Adam([b])
    descend(first, [a]), descend(second, [b])
    before = second.state[b]
    with pytest.raises(ArgumentError, match=r"exp_avg: expected \(2,\), found \(1,\)"):
        second.load_state_dict(first.state_dict())
    with pytest.raises(ArgumentError, match=r"expected \[2\] parameters per group, found \[1\]"):
        optim.Adam([a, b]).load_state_dict(first.state_dict())
    assert second.state[b] is before


# --- an algorithm of one's own ----------------------------------------------------------------------------------------


def test_a_new_algorithm_is_two_methods():
    class SignDescent(optim.Optimizer):
        def __init__(self, params, lr=0.1):
            super().__init__(params, {"lr": lr})

        def init_one(self, param, hyper):
            return {"count": param.new_zeros(())}

        def step_one(self, param, grad, state, hyper):
            return param - hyper["lr"] * cr.sign(grad), {"count": state["count"] + 1}

    x = leaf([1.0, -1.0])
    optimizer = SignDescent([x])
    descend(optimizer, [x], 3)
    np.testing.assert_allclose(x.detach(), [0.7, -0.7])
    assert optimizer.state[x]["count"].item() == 3


# --- errors -----------------------------------------------------------------------------------------------------------


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


# --- schedules --------------------------------------------------------------------------------------------------------


def test_schedules_resume():
    def build():
        optimizer = optim.SGD([leaf(1.0)], lr=0.5)
        return optimizer, lr_scheduler.CosineAnnealingLR(optimizer, 10)

    optimizer, scheduler = build()
    for _ in range(4):
        scheduler.step()
    saved = optimizer.state_dict(), pickle.loads(pickle.dumps(scheduler.state_dict()))
    other, resumed = build()
    other.load_state_dict(saved[0]), resumed.load_state_dict(saved[1])
    for _ in range(4):
        scheduler.step(), resumed.step()
        assert optimizer.lr == other.lr
    assert "optimizer" not in saved[1]
    with pytest.raises(ArgumentError, match="'initial_lr'"):
        lr_scheduler.ExponentialLR(optim.SGD([leaf(1.0)]), 0.9, last_epoch=3)


def test_one_cycle_ends():
    optimizer = optim.SGD([leaf(1.0)])
    scheduler = lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=3, cycle_momentum=False)
    for _ in range(3):  # loops step it after the last batch, too
        scheduler.step()
    with pytest.raises(ArgumentError, match="made for 3 steps"):
        scheduler.step()


def test_schedules_that_make_no_sense():
    optimizer = optim.SGD([leaf(1.0)])
    for call in (
        lambda: lr_scheduler.ExponentialLR(leaf(1.0), 0.9),
        lambda: lr_scheduler.LinearLR(optimizer, start_factor=0.0),
        lambda: lr_scheduler.LambdaLR(optimizer, [len, len]),
        lambda: lr_scheduler.OneCycleLR(optimizer, 1.0),
        lambda: lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=9, anneal_strategy="exp"),
        lambda: lr_scheduler.OneCycleLR(optim.Adagrad([leaf(1.0)]), 1.0, total_steps=9),
        lambda: lr_scheduler.ReduceLROnPlateau(optimizer, factor=1.0),
        lambda: lr_scheduler.ReduceLROnPlateau(optimizer, mode="least"),
        lambda: lr_scheduler.SequentialLR(optimizer, [lr_scheduler.ExponentialLR(optimizer, 0.9)], [1, 2]),
    ):
        with pytest.raises(ArgumentError, match="help:"):
            call()


# --- hooks ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make", [lambda p: optim.SGD(p, lr=0.25), lambda p: optim.LBFGS(p, lr=0.25, max_iter=1)], ids=["SGD", "LBFGS"]
)
def test_step_hooks(make):
    x = leaf(1.0)
    optimizer, seen = make([x]), []

    def closure():
        optimizer.zero_grad()
        loss = x * x
        loss.backward()
        return loss

    def before(found, args, kwargs):
        assert found is optimizer and kwargs == {}
        seen.append(("before", x.item(), args))
        return (closure,), {}

    first = optimizer.register_step_pre_hook(before)
    second = optimizer.register_step_post_hook(lambda *found: seen.append(("after", x.item(), found[1])))
    assert optimizer.step().item() == 1.0
    after = x.item()
    assert after < 1 and seen == [("before", 1.0, (None,)), ("after", after, (closure,))]
    assert copy.deepcopy(optimizer)._step_hooks == ({}, {})
    first.remove()
    second.remove()
    optimizer.step(closure)
    assert len(seen) == 2


def test_compiled_steps_see_hooks_come_and_go():
    x = leaf(1.0)
    optimizer = optim.SGD([x], lr=0.25)

    @cr.compile
    def step():
        optimizer.zero_grad()
        (x * x).backward()
        optimizer.step()

    def twice(optimizer, args, kwargs):
        x.grad = 2 * x.grad

    step()
    step()
    assert x.item() == 0.25
    handle = optimizer.register_step_pre_hook(twice)
    x.data = 1.0
    step()
    assert x.item() == 0.0
    handle.remove()
    x.data = 1.0
    step()
    assert x.item() == 0.5


# --- written as PyTorch's users write them ---------------------------------------------------------------------------------


class SignedMomentum(optim.Optimizer):
    def __init__(self, params, lr=1e-2, beta=0.9, weight_decay=0.0):
        super().__init__(params, {"lr": lr, "beta": beta, "weight_decay": weight_decay})

    @cr.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with cr.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if len(state) == 0:
                    state["mean"] = cr.zeros_like(p)
                mean = state["mean"]
                p.data.mul_(1 - group["lr"] * group["weight_decay"])
                mean.mul_(group["beta"]).add_(p.grad, alpha=1 - group["beta"])
                p.add_(mean.sign(), alpha=-group["lr"])
        return loss


@pytest.mark.parametrize("wrap", [lambda f: f, cr.compile], ids=["eager", "compiled"])
def test_an_optimizer_written_as_for_pytorch(wrap):
    x = leaf([1.0, -2.0])
    optimizer = SignedMomentum([x], lr=0.1, weight_decay=0.5)
    scheduler = lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.5)

    def step():
        optimizer.zero_grad()
        loss = (x * x).sum()
        loss.backward()
        optimizer.step()
        return loss.detach()

    step = wrap(step)
    mean, value, lr = np.zeros(2), np.array([1.0, -2.0]), 0.1
    for i in range(8):
        assert step().item() == pytest.approx((value**2).sum())
        mean = 0.9 * mean + 0.1 * 2 * value
        value = value * (1 - 0.5 * lr) - lr * np.sign(mean)
        np.testing.assert_allclose(x.detach(), value, rtol=1e-12)
        scheduler.step()
        lr = 0.1 * 0.5 ** ((i + 1) // 3)
    saved = optimizer.state_dict()
    np.testing.assert_allclose(saved["state"][0]["mean"], mean, rtol=1e-12)


def test_an_optimizer_without_algorithm():
    class Nothing(optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {"lr": 0.1})

    x = leaf(1.0)
    optimizer = Nothing([x])
    (x * x).backward()
    with pytest.raises(UnsupportedError, match="Nothing has no algorithm"):
        optimizer.step()


def test_settings_of_classes_with_a_step_of_their_own_are_theirs():
    class Mine(optim.Optimizer):
        def __init__(self, params, lr):
            self.lr = lr
            super().__init__(params, {"lr": lr / 10, "betas": (0.9, 1.0)})

        def step(self, closure=None):
            for group in self.param_groups:
                group["lr"] *= 2

    optimizer = Mine([cr.nn.Parameter(np.ones(1))], 1.0)
    optimizer.step()
    assert optimizer.lr == 1.0 and optimizer.param_groups[0]["lr"] == 0.2
