"""Schedules of learning rates."""

import pickle

import numpy as np
import pytest
from optim_tools import leaf

import chainrule as cr
from chainrule import optim
from chainrule.errors import ArgumentError, UnsupportedError
from chainrule.optim import lr_scheduler


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
