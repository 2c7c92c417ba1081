"""Outside of programs: operations that NumPy is slow at, and the updates of optimisers, run as programs once they pay."""

import copy
import os
import pickle
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import eager, nn, optim
from chainrule.core import accelerate
from chainrule.core.primitive import ROWS
from chainrule.nn import functional as F

GEOMETRY = {"stride": (2, 1), "padding": ((1, 0), (2, 1)), "dilation": (1, 2)}
SIZES, WINDOW, PLACES = (9, 10), (3, 2), (4, 11)


@pytest.fixture
def engine(monkeypatch):
    """An engine that makes a program for everything at its second call."""
    for name, value in (("IMPORT", 0), ("TENSOR", 1), ("ELEMENT", 0), ("UPDATE", 3)):
        monkeypatch.setattr(eager, name, value)
    monkeypatch.setattr(eager.Operation, "__init__", costs_half)
    new = eager.Programs()
    old = accelerate.install(new)
    yield new
    accelerate.install(old)


def costs_half(self, cost):
    self.cost, self.spent, self.call = eager.PROGRAM, 0.0, None


def numbers(*shape, dtype=np.float64, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(dtype)


def cases(dtype):
    geometry = {**GEOMETRY, "groups": 2}
    x, w, y = numbers(3, 4, *SIZES, dtype=dtype), numbers(6, 2, *WINDOW, dtype=dtype), numbers(3, 6, *PLACES, dtype=dtype)
    pooling, z = {**GEOMETRY, "window": WINDOW}, numbers(3, 4, *PLACES, dtype=dtype)
    yield "conv", (x, w), geometry
    yield "conv_input_grad", (y, w), {**geometry, "sizes": SIZES}
    yield "conv_weight_grad", (x, y), {**geometry, "kernel": WINDOW}
    yield "max_pool", (x,), pooling
    yield "max_pool_select", (x[::-1].copy(), x), pooling
    yield "max_pool_scatter", (z, x), pooling
    yield "window_sum", (x,), pooling
    yield "window_spread", (z,), {**pooling, "sizes": SIZES}
    yield "log_softmax", (numbers(7, 11, dtype=dtype),), {"axes": (1,)}
    yield "logsumexp", (numbers(7, 11, dtype=dtype),), {"axes": (0, 1)}


NAMES = [name for name, *_ in cases(np.float32)]


def case(name, dtype):
    return next((args, params) for n, args, params in cases(dtype) if n == name)


def programs(engine):
    return [key for key, op in engine.table.items() if op.call is not None and op.call is not eager.declined]


# --- operations -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
def test_programs_give_what_numpy_gives(engine, name, dtype):
    (args, params), row = case(name, dtype), ROWS[name]
    by_numpy = row.evaluate(*args, **params)
    assert programs(engine) == []
    for arrays in (args, [np.asfortranarray(x) for x in args], [np.repeat(x, 2, axis=-1)[..., ::2] for x in args]):
        by_program = row.evaluate(*arrays, **params)
        assert type(by_program) is type(by_numpy) and by_program.dtype == by_numpy.dtype
        np.testing.assert_allclose(by_program, by_numpy, rtol=0, atol=200 * np.finfo(dtype).eps)
    assert [key[0].name for key in programs(engine)] == [name]


def test_every_row_that_states_a_cost_is_tested():
    assert {row.name for row in ROWS.values() if row.cost is not None} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_cost_is_a_number_for_traced_shapes_and_grows_with_the_batch(name):
    args, params = case(name, np.float32)
    cost = ROWS[name].cost
    batched = [x if n and name in ("conv", "conv_input_grad") else np.concatenate([x, x]) for n, x in enumerate(args)]
    assert 0 < cost(*args, **params) < cost(*batched, **params)


def test_what_programs_cannot_do_is_left_to_numpy(engine):
    (x,), params = case("max_pool", np.float64)
    for array in (
        x.astype(int), x.astype(np.float16), x.astype(">f8"), x > 0, x[:0], x.view(np.recarray),
    ):  # fmt: skip
        for _ in range(4):
            out = ROWS["max_pool"].evaluate(array, **params)
            np.testing.assert_array_equal(out, ROWS["max_pool"].evaluate.__wrapped__(array, **params))
    (y, w), params = case("conv", np.float64)
    for _ in range(4):
        out = ROWS["conv"].evaluate(y, w + 1j, **params)
    np.testing.assert_allclose(out.real, ROWS["conv"].evaluate.__wrapped__(y, w, **params))
    for _ in range(4):
        assert ROWS["logsumexp"].evaluate(np.float64(1.5), axes=()) == 1.5
    mixed = [ROWS["conv"].evaluate(y.astype(np.float32), w, **params) for _ in range(4)]
    assert mixed[-1].dtype == np.float64


def test_errors_are_those_of_numpy(engine):
    (x, w), params = case("conv", np.float64)
    for _ in range(4):
        with pytest.raises(ValueError):
            ROWS["conv"].evaluate(x, w[:, :1], **params)


def test_the_order_of_parameters_does_not_matter(engine):
    (x,), params = case("max_pool", np.float64)
    swapped = {"window": GEOMETRY["stride"], "stride": WINDOW, "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}
    one = {"stride": WINDOW, "window": GEOMETRY["stride"], "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}
    evaluate = ROWS["max_pool"].evaluate
    for p in (params, swapped, one, dict(reversed(params.items()))):
        for _ in range(3):
            np.testing.assert_array_equal(evaluate(x, **p), evaluate.__wrapped__(x, **p))


def test_calls_pay_before_a_program_is_made(monkeypatch):
    made = []
    monkeypatch.setattr(eager.Programs, "make", lambda self, row, args, params: made.append(row.name))
    engine = eager.Programs()
    old = accelerate.install(engine)
    try:
        ((x, w), params), row = case("conv", np.float32), ROWS["conv"]
        for _ in range(5):
            row.evaluate(x, w, **params)
        assert made == []
        monkeypatch.setattr(row, "cost", lambda *args, **params: eager.IMPORT + eager.PROGRAM)
        large = numbers(8, *x.shape[1:], dtype=np.float32)
        row.evaluate(large, w, **params)
        assert made == []
        row.evaluate(large, w, **params)
        assert made == ["conv"]
        cost = eager.PROGRAM / 4.5
        monkeypatch.setattr(row, "cost", lambda *args, **params: cost)
        for n in range(8):
            row.evaluate(large[:5], w, **params)
            assert len(made) == (2 if n >= 5 else 1)
        monkeypatch.setattr(row, "cost", lambda *args, **params: eager.LEAST / 2)
        for _ in range(5):
            row.evaluate(large[:2], w, **params)
        assert len(made) == 2
    finally:
        accelerate.install(old)


def test_operations_are_forgotten_when_there_are_many(engine):
    row = ROWS["log_softmax"]
    for n in range(2 * eager.MOST):
        row.evaluate(np.zeros((1, n + 1)), axes=(1,))
        assert len(engine.table) <= eager.MOST


def test_many_threads_get_their_own_results(engine):
    (x, w), params = case("conv", np.float64)
    evaluate, wrong = ROWS["conv"].evaluate, []

    def work(seed):
        mine = x + seed
        expected = evaluate.__wrapped__(mine, w, **params)
        wrong.extend(seed for _ in range(200) if not np.allclose(evaluate(mine, w, **params), expected))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == [] and len(programs(engine)) == 1


def test_derivatives_of_all_orders_agree(engine):
    x, w = numbers(2, 1, 6, 6), numbers(2, 1, 3, 3)

    def f(w):
        return cr.sum(F.log_softmax(F.max_pool2d(cr.tanh(F.conv2d(x, w)), 2).reshape(2, -1)) ** 2)

    first = cr.grad(f)(w), cr.hessian(f)(w), cr.vmap(f)(np.stack([w, 2 * w]))
    again = cr.grad(f)(w), cr.hessian(f)(w), cr.vmap(f)(np.stack([w, 2 * w]))
    accelerate.install(None)
    for a, b, c in zip(first, again, (cr.grad(f)(w), cr.hessian(f)(w), cr.vmap(f)(np.stack([w, 2 * w]))), strict=True):
        np.testing.assert_allclose(a, c, atol=1e-10)
        np.testing.assert_allclose(b, c, atol=1e-10)
    assert programs(engine)


def test_recorded_programs_stay_as_they_are(engine):
    (x, w), params = case("conv", np.float64)
    evaluate = ROWS["conv"].call
    for _ in range(3):
        evaluate(x, w, **params)
    graph = cr.graph(lambda x: evaluate(x, w, **params))(x)
    assert [s.row.name for s in graph.steps] == ["conv"]
    compiled = cr.compile(lambda x: cr.sum(evaluate(x, w, **params)))
    for _ in range(3):
        np.testing.assert_allclose(compiled(x), ROWS["conv"].evaluate.__wrapped__(x, w, **params).sum())


# --- what it costs those who do not need it ----------------------------------------------------------------------------


def run(code, **environment):
    where = Path(eager.__file__).parents[1]
    env = {**os.environ, "PYTHONPATH": str(where), **environment}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env).stdout.strip()


SMALL = """
import sys, numpy as np, chainrule as cr
from chainrule import nn, optim
model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 3))
optimizer = optim.Adam(model.parameters())
for _ in range(20):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(np.ones((4, 1, 8, 8), np.float32)), np.arange(4) % 3).backward()
    optimizer.step()
print(any(m.startswith(("llvmlite", "chainrule.compiler")) for m in sys.modules))
"""


def test_small_programs_import_no_compiler():
    assert run(SMALL) == "False"


def test_the_environment_can_switch_it_off():
    code = "import chainrule as cr; from chainrule.core import accelerate; print(accelerate.engine is None)"
    assert run(code, CHAINRULE_EAGER="numpy") == "True"
    assert run(code, CHAINRULE_EAGER="") == "False"


# --- updates ------------------------------------------------------------------------------------------------------------

OPTIMIZERS = {
    "sgd": lambda ps: optim.SGD(ps, lr=0.1),
    "momentum": lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "dampening": lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9, dampening=0.5),
    "adam": lambda ps: optim.Adam(ps, lr=0.1, amsgrad=True),
    "adamw": lambda ps: optim.AdamW(ps, lr=0.1),
    "adagrad": lambda ps: optim.Adagrad(ps, lr=0.1),
    "rmsprop": lambda ps: optim.RMSprop(ps, lr=0.1, momentum=0.9, centered=True),
}


def parameters(dtype=np.float64):
    return [nn.Parameter(cr.tensor(numbers(*s, dtype=dtype))) for s in ((3, 4), (4,), (2, 2, 2))]


def gradients(ps, step, missing=()):
    for n, p in enumerate(ps):
        p.grad = None if n in missing else numbers(*p.shape, dtype=p.dtype, seed=step)


def program_of(optimizer):
    return optimizer._repeated.program


def both(make, steps, between=lambda optimizer, step: None, missing=lambda step: ()):
    """The parameters after so many steps, with programs and by NumPy."""
    results = []
    for mine in (accelerate.engine, None):
        old = accelerate.install(mine)
        ps = parameters()
        optimizer = make(ps)
        for step in range(steps):
            gradients(ps, step, missing(step))
            between(optimizer, step)
            optimizer.step()
        results.append((optimizer, ps))
        accelerate.install(old)
    (fast, ours), (slow, theirs) = results
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12)
        for key in fast.state.get(a, {}):
            np.testing.assert_allclose(fast.state[a][key].numpy(), slow.state[b][key].numpy(), rtol=1e-12)
    return fast


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_updates_by_program(engine, name):
    fast = both(OPTIMIZERS[name], 12)
    assert len(program_of(fast).variants) == 1 and fast._repeated.slow == 0


@pytest.mark.parametrize("dtype", [np.float16, np.complex128])
def test_updates_of_other_dtypes_stay_with_numpy(engine, dtype):
    ps = parameters(dtype)
    optimizer = optim.SGD(ps)
    for step in range(12):
        gradients(ps, step)
        optimizer.step()
    assert program_of(optimizer) is None


def test_settings_may_change_between_steps(engine):
    def between(optimizer, step):
        if step == 6:
            optimizer.lr = 0.5
        if step == 8:
            optimizer.param_groups[0]["lr"] = cr.tensor(0.25)
        if step == 9:
            optimizer.param_groups[0]["weight_decay"] = 0.1

    assert program_of(both(OPTIMIZERS["adam"], 14, between)) is not None


def test_schedules(engine):
    schedulers = {}

    def between(optimizer, step):
        schedule = schedulers.setdefault(id(optimizer), optim.lr_scheduler.ExponentialLR(optimizer, 0.9))
        if step:
            schedule.step()

    fast = both(OPTIMIZERS["sgd"], 12, between)
    assert len(program_of(fast).variants) == 1


def test_parameters_without_gradients(engine):
    both(OPTIMIZERS["adam"], 20, missing=lambda step: (1,) if step > 8 else ())
    both(OPTIMIZERS["momentum"], 40, missing=lambda step: [n for n in range(3) if step >> n & 1])


def test_new_groups(engine):
    def between(optimizer, step):
        if step == 7:
            extra = nn.Parameter(cr.tensor(numbers(5)))
            extra.grad = np.ones(5)
            optimizer.add_param_group({"params": [extra], "lr": 0.3})

    fast = both(OPTIMIZERS["adam"], 12, between)
    assert not np.array_equal(fast.param_groups[1]["params"][0].detach().numpy(), numbers(5))


def test_loading_state(engine):
    states = {}

    def between(optimizer, step):
        if step == 5:
            states[id(optimizer)] = copy.deepcopy(optimizer.state_dict())
        if step in (8, 9):
            optimizer.load_state_dict(states[id(optimizer)])

    both(OPTIMIZERS["adam"], 14, between)


def test_what_was_handed_out_stays_as_it_was(engine):
    ps = parameters()
    optimizer = optim.Adam(ps, lr=0.1)
    seen = []
    for step in range(12):
        gradients(ps, step)
        now: tuple = ()
        if step % 3 == 0:
            now = ps[0].detach(), ps[1].detach().numpy(), ps[2].detach()[0], ps[0].grad, optimizer.state_dict()
        copies = copy.deepcopy(now)
        optimizer.step()
        seen.append((now, copies))
    assert program_of(optimizer) is not None
    for now, copies in seen:
        for a, b in zip(now[:4], copies[:4], strict=True):
            np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
        for n, state in now[4]["state"].items() if now else ():
            for key, value in state.items():
                np.testing.assert_array_equal(value.numpy(), copies[4]["state"][n][key].numpy())


def test_tensors_stay_the_same_objects(engine):
    ps = parameters()
    optimizer = optim.Adam(ps)
    gradients(ps, 0)
    optimizer.step()
    before = [id(t) for t in optimizer._changed()]
    for step in range(8):
        gradients(ps, step)
        optimizer.step()
    assert [id(t) for t in optimizer._changed()] == before and program_of(optimizer) is not None


def test_holding_on_to_gradients_leaves_turns_to_numpy(engine):
    held = []

    def between(optimizer, step):
        held.append([p.grad for p in optimizer.param_groups[0]["params"]])

    fast = both(OPTIMIZERS["sgd"], 20, between)
    assert fast._repeated.turn > 0


def test_first_gradients_are_freed(engine):
    ps = parameters()
    optimizer = optim.SGD(ps)
    refs = []
    for step in range(8):
        gradients(ps, step)
        refs.append(weakref.ref(ps[0].grad))
        optimizer.step()
    assert program_of(optimizer) is not None
    assert [r() is None for r in refs] == [True] * 7 + [False]


def test_closures_no_grad_and_recording(engine):
    ps = parameters()
    optimizer = optim.SGD(ps, lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = sum((p * p).sum() for p in ps)
        loss.backward()
        return loss

    losses = [optimizer.step(closure).item() for _ in range(12)]
    np.testing.assert_allclose(losses, losses[0] * 0.64 ** np.arange(12))
    with cr.no_grad():
        optimizer.step()
    step = cr.compile(lambda: optimizer.step(closure))
    more = [step().item() for _ in range(4)]
    np.testing.assert_allclose(more[1:], more[0] * 0.64 ** np.arange(1, 4))
    assert program_of(optimizer) is not None


def test_algorithms_of_users_stay_with_numpy(engine):
    calls = []

    class Mine(optim.SGD):
        def step_one(self, param, grad, state, hyper):
            calls.append(1)
            return super().step_one(param, grad, state, hyper)

    ps = parameters()
    optimizer = Mine(ps)
    for step in range(12):
        gradients(ps, step)
        optimizer.step()
    assert len(calls) == 36


def test_optimizers_with_programs_can_be_copied(engine):
    ps = parameters()
    optimizer = optim.Adam(ps)
    for step in range(8):
        gradients(ps, step)
        optimizer.step()
    for other in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        theirs = other.param_groups[0]["params"]
        for step in range(8):
            gradients(theirs, step)
            other.step()
        assert not np.array_equal(theirs[0].detach().numpy(), ps[0].detach().numpy())


def test_a_failing_compiler_changes_nothing(engine, monkeypatch):
    calls = []

    def broken(*args):
        calls.append(1)
        raise RuntimeError("no code today")

    monkeypatch.setattr("chainrule.compiler.variant.prepare", broken)
    fast = both(OPTIMIZERS["adam"], 12)
    assert program_of(fast) is None and calls
