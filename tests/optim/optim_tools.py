"""Every optimiser, made and run in the same way."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim

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
