"""Schedules beside PyTorch's: with two groups, one after another, several at once, and from each other's state dicts."""

import copy
import itertools
import warnings

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim

torch = pytest.importorskip("torch")

LIBRARIES = (optim, cr.tensor), (torch.optim, torch.tensor)
LOSSES = np.random.default_rng(3).normal(size=30) - np.linspace(0, 1, 30)


class Halves:
    """A function with a state."""

    def __init__(self):
        self.base = 0.5

    def __call__(self, epoch):
        return self.base**epoch


SCHEDULES = [
    ("LambdaLR", {"lr_lambda": [lambda epoch: 0.9**epoch, lambda epoch: 1 / (1 + epoch)]}),
    ("LambdaLR", {"lr_lambda": Halves()}),
    ("MultiplicativeLR", {"lr_lambda": lambda epoch: 0.9}),
    ("StepLR", {"step_size": 3}),
    ("MultiStepLR", {"milestones": [2, 2, 5], "gamma": 0.5}),
    ("ConstantLR", {"factor": 0.5, "total_iters": 3}),
    ("ConstantLR", {"total_iters": 0}),
    ("LinearLR", {"start_factor": 0.5, "end_factor": 0.2, "total_iters": 4}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("PolynomialLR", {"total_iters": 7, "power": 2.0}),
    ("CosineAnnealingLR", {"T_max": 5, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 2, "T_mult": 2}),
    (
        "CyclicLR",
        {"base_lr": [0.01, 0.02], "max_lr": 0.2, "step_size_up": 3, "mode": "triangular2", "base_momentum": [0.5, 0.6]},
    ),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.2, "step_size_up": 3, "mode": "exp_range", "gamma": 0.9}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.2, "step_size_up": 3, "scale_fn": Halves(), "cycle_momentum": False}),
    ("OneCycleLR", {"max_lr": [0.5, 1.0], "total_steps": 30, "base_momentum": [0.7, 0.8], "max_momentum": 0.9}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 30, "three_phase": True, "anneal_strategy": "linear"}),
    ("SWALR", {"swa_lr": [0.05, 0.01], "anneal_epochs": 3, "anneal_strategy": "linear"}),
    ("ReduceLROnPlateau", {"patience": 0, "cooldown": 1, "min_lr": [0.01, 0.02]}),
    ("ReduceLROnPlateau", {"patience": 1, "mode": "max", "threshold_mode": "abs"}),
]
COMBINED = [
    (
        "a warm-up before one cycle",
        lambda s, o: s.SequentialLR(o, [s.LinearLR(o, 0.1, total_iters=3), s.OneCycleLR(o, 0.5, 30)], [5]),
    ),
    ("at once", lambda s, o: s.ChainedScheduler([s.ConstantLR(o), s.ExponentialLR(o, 0.9)])),
    (
        "at once, then another",
        lambda s, o: s.SequentialLR(o, [s.ChainedScheduler([s.LinearLR(o), s.StepLR(o, 2)]), s.ExponentialLR(o, 0.8)], [6]),
    ),
]
ALL = [
    *((f"{name}-{i}", lambda s, o, name=name, kw=kw: named(s, name)(o, **kw)) for i, (name, kw) in enumerate(SCHEDULES)),
    *COMBINED,
]


def named(library, name):
    return getattr(library, name, None) or getattr(torch.optim.swa_utils, name)


@pytest.fixture(autouse=True)
def silent():
    """PyTorch warns of steps without an optimiser's step before, and of epochs that are given."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def made(library, tensor, kind, make):
    groups = [{"params": [tensor(1.0, requires_grad=True)]}, {"params": [tensor(1.0, requires_grad=True)], "lr": 0.3}]
    optimizer = getattr(library, kind)(groups, lr=0.1, **({"momentum": 0.9} if kind == "SGD" else {}))
    return optimizer, make(library.lr_scheduler, optimizer)


def settings(optimizer):
    return [[g["lr"], g["momentum"] if "momentum" in g else g["betas"][0]] for g in optimizer.param_groups]


def course(optimizer, schedule, epochs):
    out = []
    for epoch in epochs:
        schedule.step(LOSSES[epoch]) if "Plateau" in type(schedule).__name__ else schedule.step()
        out.append(settings(optimizer))
        np.testing.assert_allclose(schedule.get_last_lr(), np.array(out[-1])[:, 0], rtol=1e-12)
    return out


def equal(make, kind, epochs=range(15)):
    courses = []
    for library, tensor in LIBRARIES:
        optimizer, schedule = made(library, tensor, kind, make)
        courses.append([settings(optimizer), *course(optimizer, schedule, epochs)])
    np.testing.assert_allclose(*courses, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("make", [make for _, make in ALL], ids=[name for name, _ in ALL])
def test_rates_and_momenta(make, kind):
    equal(make, kind)


@pytest.mark.parametrize("first, second", [*itertools.permutations(SCHEDULES[:-2], 2)])
def test_pairs(first, second):
    """One after the other, and both at once."""

    def parts(s, o):
        return [named(s, name)(o, **options) for name, options in (first, second)]

    equal(lambda s, o: s.SequentialLR(o, parts(s, o), [4]), "SGD")
    equal(lambda s, o: s.ChainedScheduler(parts(s, o)), "SGD")


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("make", [make for _, make in ALL], ids=[name for name, _ in ALL])
def test_states_are_exchanged_with_pytorch(make, kind):
    for source, target in ((0, 1), (1, 0), (0, 0)):
        optimizer, schedule = made(*LIBRARIES[source], kind, make)
        course(optimizer, schedule, range(7))
        saved = copy.deepcopy((optimizer.state_dict(), schedule.state_dict()))
        other, resumed = made(*LIBRARIES[target], kind, make)
        assert set(resumed.state_dict()) == set(saved[1])
        other.load_state_dict(saved[0])
        resumed.load_state_dict(saved[1])
        rest = course(optimizer, schedule, range(7, 15))
        np.testing.assert_allclose(course(other, resumed, range(7, 15)), rest, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("name, options", [(n, o) for n, o in SCHEDULES if "Plateau" not in n and "lr_lambda" not in o])
def test_any_epoch(name, options):
    courses = []
    for library, tensor in LIBRARIES:
        optimizer, schedule = made(library, tensor, "SGD", lambda s, o: named(s, name)(o, **options))
        courses.append([(schedule.step(epoch), settings(optimizer), schedule.last_epoch)[1:] for epoch in (3, 7, 2, 0, 11)])
    for mine, theirs in zip(*courses, strict=True):
        np.testing.assert_allclose(mine[0], theirs[0], rtol=1e-10)
        assert mine[1] == theirs[1]


def test_schedules_written_for_pytorch():
    def by(library):
        class Root(library.LRScheduler):
            def __init__(self, optimizer, warm, last_epoch=-1):
                self.warm = warm
                super().__init__(optimizer, last_epoch)

            def get_lr(self):
                assert self._get_lr_called_within_step
                return [base * min(1.0, self._step_count / self.warm) for base in self.base_lrs]

            def _get_closed_form_lr(self):
                return [base / (1 + self.last_epoch) for base in self.base_lrs]

        return Root

    equal(lambda s, o: by(s)(o, 4), "SGD")
    equal(lambda s, o: s.SequentialLR(o, [s.ExponentialLR(o, 0.9), by(s)(o, 4)], [5]), "SGD")


def test_settings_of_groups_as_dicts():
    optimizer, _ = made(*LIBRARIES[0], "SGD", lambda s, o: None)
    group = optimizer.param_groups[0]
    group.update(lr=0.5, momentum=0.1)
    group |= {"lr": 0.25}
    assert group.rate.item() == 0.25
    assert group["momentum"] == 0.1
