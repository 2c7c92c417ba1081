"""Steps of optimisers in programs: what changes is read anew."""

import numpy as np
import pytest
from optim_tools import leaf, makers

import chainrule as cr
from chainrule import nn, optim
from chainrule.optim import lr_scheduler


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
