"""Optimisers and schedules against PyTorch: trajectories over 50 steps with every option."""

import itertools
import warnings

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim

torch = pytest.importorskip("torch")

RNG = np.random.default_rng(0)
MATRIX, START = RNG.normal(size=(6, 6)), [RNG.normal(size=(2, 3)), RNG.normal(size=4)]

OPTIONS = [
    ("SGD", {"lr": 0.01}),
    ("SGD", {"lr": 0.01, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.01, "maximize": True}),
    ("SGD", {"lr": 0.01, "momentum": 0.9}),
    ("SGD", {"lr": 0.01, "momentum": 0.9, "dampening": 0.3}),
    ("SGD", {"lr": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.01, "momentum": 0.5, "maximize": True, "weight_decay": 0.1}),
    ("RMSprop", {}),
    ("RMSprop", {"alpha": 0.9, "eps": 1e-3, "weight_decay": 0.1}),
    ("RMSprop", {"momentum": 0.9}),
    ("RMSprop", {"centered": True}),
    ("RMSprop", {"momentum": 0.5, "centered": True, "maximize": True, "weight_decay": 0.1}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1}),
    ("Adagrad", {"initial_accumulator_value": 0.5, "eps": 1e-3, "maximize": True}),
]
for name, weight_decay, amsgrad, maximize in itertools.product(("Adam", "AdamW"), (0, 0.1), (False, True), (False, True)):
    OPTIONS.append((name, {"lr": 0.02, "weight_decay": weight_decay, "amsgrad": amsgrad, "maximize": maximize}))
OPTIONS += [
    ("Adam", {}),
    ("AdamW", {}),
    ("Adam", {"betas": (0.5, 0.8), "eps": 1e-2}),
    ("Adam", {"decoupled_weight_decay": True, "weight_decay": 0.1}),
]


def loss_of(lib, a, b, matrix, t):
    """Changes from step to step, so that averages over steps matter."""
    v = lib.tanh(a.reshape(-1) + 0.1 * t)
    return ((matrix @ v) ** 2).mean() + (b * b * (1 + t % 3)).sum() - (v[:4] * b).sum()


def trajectories(make, steps=50, between=lambda optimizer, t: None, sit_out=lambda t: False, dtype=np.float64):
    """Parameters after each step, ours and PyTorch's."""
    ours = [cr.tensor(x.astype(dtype), requires_grad=True) for x in START]
    theirs = [torch.tensor(x.astype(dtype), requires_grad=True) for x in START]
    mine, other = make(optim, ours), make(torch.optim, theirs)
    for t in range(steps):
        for lib, params, optimizer in ((cr, ours, mine), (torch, theirs, other)):
            optimizer.zero_grad()
            matrix = MATRIX.astype(dtype)
            loss_of(lib, *params, matrix if lib is cr else torch.tensor(matrix), t).backward()
            if sit_out(t):
                params[1].grad = None
            optimizer.step()
            between(optimizer, t)
        yield [p.detach().numpy() for p in ours], [p.detach().numpy() for p in theirs]


def agree(pairs, tolerance=1e-6):
    start = None
    for ours, theirs in pairs:
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
        start = start or [a.copy() for a in ours]
    assert not np.allclose(start[0], ours[0], rtol=1e-3)


@pytest.mark.parametrize("name, options", OPTIONS)
def test_trajectories(name, options):
    agree(trajectories(lambda lib, params: getattr(lib, name)(params, **options)), 1e-9)


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "Adagrad"])
def test_single_precision(name):
    agree(trajectories(lambda lib, params: getattr(lib, name)(params, lr=0.01), dtype=np.float32), 1e-4)


@pytest.mark.parametrize("name", ["Adam", "Adagrad", "RMSprop"])
@pytest.mark.parametrize("late", [0, 3])
def test_parameters_without_gradient_sit_out(name, late):
    """One parameter misses steps, at the start and later, so step counts differ."""

    def make(lib, params):
        return getattr(lib, name)(params, lr=0.05, **({"lr_decay": 0.1} if name == "Adagrad" else {}))

    agree(trajectories(make, sit_out=lambda t: t < late or t % 4 == 1), 1e-9)


def test_momentum_with_dampening_and_missed_steps():
    def make(lib, params):
        return lib.SGD(params, lr=0.01, momentum=0.9, dampening=0.5)

    agree(trajectories(make, sit_out=lambda t: t < 3 or t % 4 == 1), 1e-9)


def test_groups_with_their_own_settings():
    def make(lib, params):
        optimizer = lib.Adam([{"params": params[:1]}, {"params": params[1:], "lr": 0.1, "betas": (0.5, 0.9)}], lr=0.01)
        return optimizer

    agree(trajectories(make), 1e-9)


def test_learning_rate_changed_between_steps():
    def change(optimizer, t):
        optimizer.param_groups[0]["lr"] *= 0.9

    agree(trajectories(lambda lib, ps: lib.Adam(ps, lr=0.1), between=change), 1e-9)


# --- schedules --------------------------------------------------------------------------------------------------------


def make_pair(lr=0.5, **options):
    return (
        optim.SGD([cr.tensor(1.0, requires_grad=True)], lr=lr, **options),
        torch.optim.SGD([torch.tensor(1.0, requires_grad=True)], lr=lr, **options),
    )


SCHEDULES = [
    ("StepLR", {"step_size": 3, "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [2, 5, 5, 9], "gamma": 0.3}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 0.1, "end_factor": 0.7, "total_iters": 7}),
    ("CosineAnnealingLR", {"T_max": 8}),
    ("CosineAnnealingLR", {"T_max": 5, "eta_min": 0.05}),
    ("LambdaLR", {"lr_lambda": lambda epoch: 1 / (1 + epoch)}),
    ("OneCycleLR", {"max_lr": 2.0, "total_steps": 25, "cycle_momentum": False}),
    ("OneCycleLR", {"max_lr": 2.0, "epochs": 5, "steps_per_epoch": 5, "anneal_strategy": "linear", "cycle_momentum": False}),
    ("OneCycleLR", {"max_lr": 2.0, "total_steps": 25, "three_phase": True, "pct_start": 0.4, "cycle_momentum": False}),
]


@pytest.fixture
def silent():
    """PyTorch warns that no optimiser step came before, which does not matter here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("name, options", SCHEDULES)
def test_schedules(name, options, silent):
    ours, theirs = make_pair()
    a, b = getattr(optim.lr_scheduler, name)(ours, **options), getattr(torch.optim.lr_scheduler, name)(theirs, **options)
    for _ in range(24):
        assert np.isclose(ours.param_groups[0]["lr"], theirs.param_groups[0]["lr"], rtol=1e-12, atol=1e-15)
        assert np.isclose(a.get_last_lr()[0], b.get_last_lr()[0], rtol=1e-12, atol=1e-15)
        a.step(), b.step()


def test_one_cycle_of_momentum(silent):
    for options in ({"momentum": 0.9}, None):
        if options:
            ours, theirs = make_pair(**options)
        else:
            ours = optim.Adam([cr.tensor(1.0, requires_grad=True)])
            theirs = torch.optim.Adam([torch.tensor(1.0, requires_grad=True)])
        a = optim.lr_scheduler.OneCycleLR(ours, 1.0, total_steps=20)
        b = torch.optim.lr_scheduler.OneCycleLR(theirs, 1.0, total_steps=20)
        for _ in range(19):
            mine, other = ours.param_groups[0], theirs.param_groups[0]
            key = "momentum" if options else "betas"
            np.testing.assert_allclose(mine[key], other[key], rtol=1e-12)
            np.testing.assert_allclose(mine["lr"], other["lr"], rtol=1e-12)
            a.step(), b.step()


def test_combined_schedules(silent):
    ours, theirs = make_pair()
    both = [
        [lib.LinearLR(o, 0.2, total_iters=4), lib.ExponentialLR(o, 0.9)]
        for lib, o in ((optim.lr_scheduler, ours), (torch.optim.lr_scheduler, theirs))
    ]
    for _ in range(10):
        assert np.isclose(ours.lr, theirs.param_groups[0]["lr"], rtol=1e-12)
        for schedulers in both:
            for scheduler in schedulers:
                scheduler.step()


def test_schedules_one_after_another(silent):
    ours, theirs = make_pair()
    a, b = (
        lib.SequentialLR(o, [lib.LinearLR(o, 0.2, total_iters=4), lib.CosineAnnealingLR(o, 6), lib.StepLR(o, 2)], [5, 12])
        for lib, o in ((optim.lr_scheduler, ours), (torch.optim.lr_scheduler, theirs))
    )
    for _ in range(18):
        assert np.isclose(ours.lr, theirs.param_groups[0]["lr"], rtol=1e-12)
        a.step(), b.step()


@pytest.mark.parametrize(
    "options",
    [
        {"patience": 1},
        {"patience": 0, "factor": 0.5, "cooldown": 2},
        {"mode": "max", "patience": 1, "threshold": 0.1},
        {"threshold_mode": "abs", "threshold": 0.3, "patience": 0, "min_lr": 0.01},
        {"mode": "max", "threshold_mode": "abs", "patience": 2, "factor": 0.9},
    ],
)
def test_plateaus(options):
    ours, theirs = make_pair()
    a = optim.lr_scheduler.ReduceLROnPlateau(ours, **options)
    b = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **options)
    for metric in np.random.default_rng(3).normal(size=40) - np.linspace(0, 2, 40):
        a.step(metric), b.step(metric)
        assert np.isclose(ours.lr, theirs.param_groups[0]["lr"], rtol=1e-12)
    assert ours.lr < 0.5
