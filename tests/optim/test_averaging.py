"""Averages of models, gradients of several batches, float16 with masters, and adaptive clipping."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import ArgumentError
from chainrule.optim import swa_utils

RNG = np.random.default_rng(0)


def leaf(x, dtype=float):
    return cr.tensor(np.array(x, dtype), requires_grad=True)


def small_model():
    cr.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2))


# --- averages of models -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("use_buffers", [False, True])
@pytest.mark.parametrize(
    "name, argument, options",
    [
        ("get_swa_avg_fn", "avg_fn", ()),
        ("get_ema_avg_fn", "avg_fn", (0.8,)),
        ("get_swa_multi_avg_fn", "multi_avg_fn", ()),
        ("get_ema_multi_avg_fn", "multi_avg_fn", (0.8,)),
    ],
)
def test_averages_are_pytorchs(name, argument, options, use_buffers):
    torch = pytest.importorskip("torch")
    use_buffers = use_buffers and name != "get_swa_multi_avg_fn"  # with which PyTorch fails for buffers of integers
    model = small_model()
    other = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    mine = swa_utils.AveragedModel(model, **{argument: getattr(swa_utils, name)(*options)}, use_buffers=use_buffers)
    theirs = torch.optim.swa_utils.AveragedModel(
        other, **{argument: getattr(torch.optim.swa_utils, name)(*options)}, use_buffers=use_buffers
    )
    for _ in range(4):
        for p, q in zip([*model.parameters(), *model.buffers()], [*other.parameters(), *other.buffers()], strict=True):
            new = RNG.normal(size=p.shape).astype(p.dtype) if p.dtype.kind == "f" else RNG.integers(-9, 9, p.shape)
            p.data, q.data = np.asarray(new), torch.tensor(new)
        mine.update_parameters(model)
        theirs.update_parameters(other)
    expected = theirs.state_dict()
    found = mine.state_dict()
    assert set(found) == set(expected)
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value.numpy(), rtol=1e-5, atol=1e-6, err_msg=key)


def test_an_average_is_saved_and_goes_on():
    model, x = small_model(), RNG.normal(size=(5, 3))
    average = optim.AveragedModel(model, avg_fn=optim.get_ema_avg_fn(0.9))
    average.update_parameters(model)
    twin = optim.AveragedModel(small_model(), avg_fn=optim.get_ema_avg_fn(0.9))
    twin.load_state_dict(average.state_dict())
    for p in model.parameters():
        p.data = p.detach() + 1
    average.update_parameters(model), twin.update_parameters(model)
    assert average.n_averaged.item() == twin.n_averaged.item() == 2
    np.testing.assert_array_equal(average.eval()(x).detach(), twin.eval()(x).detach())
    with pytest.raises(ArgumentError, match="'n_averaged' is missing"):
        twin.load_state_dict(model.state_dict())
    with pytest.raises(ArgumentError, match="exclude"):
        optim.AveragedModel(model, avg_fn=max, multi_avg_fn=max)


def test_an_average_may_be_part_of_a_compiled_step():
    def run(compiled):
        model = nn.Linear(2, 1, dtype=float)
        for i, p in enumerate(model.parameters()):
            p.data = np.full(p.shape, 0.5 + i)
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        average = optim.AveragedModel(model, avg_fn=optim.get_ema_avg_fn(0.5))

        def step(x):
            optimizer.zero_grad()
            (model(x) ** 2).mean().backward()
            optimizer.step()
            average.update_parameters(model)

        step = cr.compile(step) if compiled else step
        for n in range(5):
            step(np.ones((3, 2)) + n)
        return [*(p.detach().numpy() for p in average.parameters()), average.n_averaged.item()]

    for a, b in zip(run(True), run(False), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_batch_statistics_of_an_average():
    torch = pytest.importorskip("torch")
    data = [RNG.normal(size=(4, 3)).astype(np.float32) + i for i in range(3)]
    mine, theirs = nn.BatchNorm1d(3), torch.nn.BatchNorm1d(3)
    mine.eval(), theirs.eval()
    optim.update_bn(data, mine)
    torch.optim.swa_utils.update_bn([torch.tensor(x) for x in data], theirs)
    for key, value in theirs.state_dict().items():
        np.testing.assert_allclose(mine.state_dict()[key], value.numpy(), rtol=1e-5, atol=1e-6)
    assert not mine.training and mine.momentum == 0.1


# --- several batches in one step ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("compiled", [False, True])
def test_accumulated_batches_are_one_batch(compiled):
    data = RNG.normal(size=(4, 6, 3))
    w, v = leaf(np.ones(3)), leaf(np.ones(3))
    one = optim.Adam([w], lr=0.1)
    accumulation = optim.Accumulation(optim.Adam([v], lr=0.1), every=2)

    def batch(x):
        accumulation.backward(((x @ v) ** 2).mean())
        accumulation.step()

    batch = cr.compile(batch) if compiled else batch
    for pair in data.reshape(2, 12, 3):
        one.zero_grad()
        ((pair @ w) ** 2).mean().backward()
        one.step()
        for half in pair.reshape(2, 6, 3):
            batch(half)
    np.testing.assert_allclose(v.detach(), w.detach(), rtol=1e-12)


def test_accumulation_of_sums_and_what_is_left():
    x = leaf(1.0)
    accumulation = optim.Accumulation(optim.SGD([x], lr=0.1), every=3, mean=False)
    accumulation.backward(2 * x)
    assert not accumulation.step()
    accumulation.flush()
    assert x.item() == pytest.approx(0.8) and x.grad is None and accumulation.count.item() == 0
    with pytest.raises(ArgumentError, match="every must be a positive integer"):
        optim.Accumulation(optim.SGD([x]), every=0)


# --- float16 ------------------------------------------------------------------------------------------------------------


def test_masters_go_on_from_their_state():
    start = RNG.normal(size=5)

    def make():
        x, y = leaf(start, np.float16), leaf(start, np.float32)
        return (x, y), optim.MasterWeights([x, y], optim.Adam, lr=1e-3)

    def run(params, optimizer, steps):
        for _ in range(steps):
            optimizer.zero_grad()
            sum((p.astype(np.float32) ** 2).sum() for p in params).backward()
            optimizer.step()

    params, optimizer = make()
    run(params, optimizer, 5)
    others, twin = make()
    twin.load_state_dict(optimizer.state_dict())
    others[1].data = params[1].detach()
    run(params, optimizer, 5), run(others, twin, 5)
    for a, b, master in zip(params, others, optimizer.masters, strict=True):
        np.testing.assert_array_equal(a.detach(), b.detach())
        np.testing.assert_array_equal(a.detach(), master.detach().numpy().astype(a.dtype))
    assert params[0].dtype == np.float16 and optimizer.masters[1] is params[1]
    with pytest.raises(ArgumentError, match="masters differ"):
        twin.load_state_dict({"masters": []})


def test_masters_keep_steps_that_float16_would_lose():
    x, y = leaf([1.0], np.float16), leaf([1.0], np.float16)
    for make in (lambda: optim.MasterWeights([x], optim.SGD, lr=1e-4), lambda: optim.SGD([y], lr=1e-4)):
        optimizer = make()
        for _ in range(100):
            optimizer.zero_grad()
            (x + y).sum().backward()
            optimizer.step()
    assert x.item() == pytest.approx(0.99, abs=1e-3) and y.item() == 1.0


def test_scales_follow_pytorchs_rule():
    torch = pytest.importorskip("torch")
    options = {"init_scale": 8.0, "growth_factor": 4.0, "backoff_factor": 0.25, "growth_interval": 2}
    mine, theirs = optim.GradScaler(**options), torch.amp.GradScaler("cpu", **options)
    a, b = leaf([2.0], np.float32), torch.tensor([2.0], requires_grad=True)
    ours, other = optim.SGD([a], lr=0.1), torch.optim.SGD([b], lr=0.1)
    for factor in (1.0, 1.0, np.inf, 1.0, np.nan, 1.0, 1.0, 1.0):
        for x, optimizer, scaler in ((a, ours, mine), (b, other, theirs)):
            optimizer.zero_grad()
            scaler.scale((x * factor).sum()).backward()
            scaler.step(optimizer)
            scaler.update()
        assert mine.get_scale() == theirs.get_scale()
        np.testing.assert_allclose(a.detach(), b.detach().numpy())
    twin = optim.GradScaler()
    twin.load_state_dict(theirs.state_dict())
    assert twin.state_dict() == mine.state_dict() == theirs.state_dict()


def test_gradients_are_unscaled_once():
    x = leaf([1.0])
    optimizer, scaler = optim.SGD([x], lr=1.0), optim.GradScaler(init_scale=16.0)
    scaler.scale((3 * x).sum()).backward()
    scaler.unscale_(optimizer)
    assert x.grad.item() == 3.0
    scaler.step(optimizer)
    assert x.item() == -2.0
    off = optim.GradScaler(enabled=False)
    assert off.scale(x) is x and off.get_scale() == 1.0 and off.state_dict() == {}
    with pytest.raises(ArgumentError, match="grows by more than 1"):
        optim.GradScaler(growth_factor=0.5)


# --- clipping -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (4,), (3, 4), (3, 2, 2)])
def test_adaptive_clipping_by_its_formula(shape):
    w, g = RNG.normal(size=shape), 5 * RNG.normal(size=shape)
    p = leaf(w)
    p.grad = g
    optim.clip_grad_adaptive_([p, leaf(1.0)], 0.3, 0.1)
    units = (lambda x: x[None]) if len(shape) < 2 else (lambda x: x)
    for weights, before, after in zip(units(w), units(g), units(p.grad.numpy()), strict=True):
        most = 0.3 * max(np.linalg.norm(weights), 0.1)
        np.testing.assert_allclose(after, before * min(1.0, most / np.linalg.norm(before)), rtol=1e-12)


def test_adaptive_clipping_at_the_edges():
    p = leaf([[0.0, 0.0], [3.0, 4.0]], np.float32)
    p.grad = np.array([[0.0, 0.0], [0.0, 0.0]], np.float32)
    optim.clip_grad_adaptive_(p)
    assert not p.grad.numpy().any() and p.grad.dtype == np.float32
    with pytest.raises(ArgumentError, match="clip_factor must be positive"):
        optim.clip_grad_adaptive_(p, 0.0)


def test_parts_of_an_averaged_model():
    average = optim.AveragedModel(nn.Sequential(nn.Linear(1, 2), nn.BatchNorm1d(2)))
    assert [name for name, _ in average.named_parameters()][:2] == ["module.0.weight", "module.0.bias"]
    assert len(list(average.buffers())) == 4 and average.training and not average.eval().training
    assert len(list(average.modules())) == 3
