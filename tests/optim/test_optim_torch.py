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


@pytest.mark.parametrize(
    "name", ["SGD", "Adam", "AdamW", "NAdam", "RAdam", "Adadelta", "Adagrad", "RMSprop", "Rprop", "ASGD", "Adamax"]
)
def test_complex_parameters_are_pairs_of_real_ones(name):
    start, matrix = RNG.normal(size=4) + 1j * RNG.normal(size=4), RNG.normal(size=(3, 4)) + 1j * RNG.normal(size=(3, 4))
    options = {"weight_decay": 0.1} if name != "Rprop" else {}
    mine, theirs = cr.tensor(start, requires_grad=True), torch.tensor(start, requires_grad=True)
    pairs = (
        (mine, matrix, getattr(optim, name)([mine], lr=0.02, **options)),
        (theirs, torch.tensor(matrix), getattr(torch.optim, name)([theirs], lr=0.02, **options)),
    )
    torch.set_default_dtype(torch.float64)
    try:
        for t in range(50):
            for z, m, optimizer in pairs:
                optimizer.zero_grad()
                (((m @ z).abs() ** 2).sum() + (z * (t % 3 - 1j)).real.sum()).backward()
                optimizer.step()
            np.testing.assert_allclose(mine.detach(), theirs.detach().numpy(), rtol=1e-7)
    finally:
        torch.set_default_dtype(torch.float32)


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
    ("LambdaLR", {"lr_lambda": [lambda epoch: 0.9**epoch]}),
    ("MultiplicativeLR", {"lr_lambda": lambda epoch: 0.9 + 0.01 * (epoch % 3)}),
    ("ConstantLR", {}),
    ("ConstantLR", {"factor": 0.1, "total_iters": 40}),
    ("PolynomialLR", {}),
    ("PolynomialLR", {"total_iters": 60, "power": 2.5}),
    ("LinearLR", {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 50}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 7, "cycle_momentum": False}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 7, "step_size_down": 4, "mode": "triangular2"}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 5, "mode": "exp_range", "gamma": 0.98}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": [1.0], "step_size_up": 5, "scale_fn": lambda x: 0.9**x}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 5, "scale_fn": lambda x: 1 / x, "scale_mode": "cycle"}),
    (
        "CyclicLR",
        {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 5, "scale_fn": lambda x: 1 / (1 + x), "scale_mode": "iterations"},
    ),
    ("CosineAnnealingWarmRestarts", {"T_0": 7}),
    ("CosineAnnealingWarmRestarts", {"T_0": 5, "T_mult": 2, "eta_min": 0.01}),
    ("OneCycleLR", {"max_lr": 2.0, "total_steps": 101}),
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
    ours, theirs = make_pair(momentum=0.9)
    a, b = getattr(optim.lr_scheduler, name)(ours, **options), getattr(torch.optim.lr_scheduler, name)(theirs, **options)
    for _ in range(options.get("total_steps", 25) - 1 if name == "OneCycleLR" else 100):
        for key in ("lr", "momentum"):
            assert np.isclose(ours.param_groups[0][key], theirs.param_groups[0][key], rtol=1e-11, atol=1e-14)
        assert np.isclose(a.get_last_lr()[0], b.get_last_lr()[0], rtol=1e-11, atol=1e-14)
        a.step(), b.step()


def test_a_rate_for_averaging(silent):
    for options in ({"anneal_epochs": 7}, {"anneal_epochs": 12, "anneal_strategy": "linear"}, {"anneal_epochs": 0}):
        ours, theirs = make_pair()
        a = optim.lr_scheduler.SWALR(ours, 0.05, **options)
        b = torch.optim.swa_utils.SWALR(theirs, 0.05, **options)
        for _ in range(100):
            assert np.isclose(ours.lr, theirs.param_groups[0]["lr"], rtol=1e-12)
            a.step(), b.step()


def test_warm_restarts_at_any_epoch(silent):
    ours, theirs = make_pair()
    a = optim.lr_scheduler.CosineAnnealingWarmRestarts(ours, 3, 2)
    b = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(theirs, 3, 2)
    for epoch in (0.25, 1.5, 2.99, 3.0, 4.2, 8.9, 9.0, 17.5, 40.0, 2.0):
        a.step(epoch), b.step(epoch)
        assert np.isclose(ours.lr, theirs.param_groups[0]["lr"], rtol=1e-12)
        assert a.last_epoch == b.last_epoch


def test_chained_schedules(silent):
    ours, theirs = make_pair()
    a, b = (
        lib.ChainedScheduler([lib.ConstantLR(o, 0.1, total_iters=20), lib.ExponentialLR(o, 0.95), lib.StepLR(o, 30)])
        for lib, o in ((optim.lr_scheduler, ours), (torch.optim.lr_scheduler, theirs))
    )
    for _ in range(100):
        assert np.isclose(ours.lr, theirs.param_groups[0]["lr"], rtol=1e-12)
        a.step(), b.step()
    saved = a.state_dict()
    a.step()
    a.load_state_dict(saved)
    assert a._schedulers[1].last_epoch == 100


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
