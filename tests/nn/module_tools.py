"""Models that tests of Modules share."""

import numpy as np

import chainrule as cr
from chainrule import nn
from chainrule.nn import functional as F


class Net(nn.Module):
    def __init__(self, dtype=None):
        super().__init__()
        self.fc1 = nn.Linear(4, 8, dtype=dtype)
        self.fc2 = nn.Linear(8, 3, dtype=dtype)
        self.scale = nn.Parameter(np.ones(3, dtype or np.float32))
        self.register_buffer("offset", np.zeros(3, dtype or np.float32))

    def forward(self, x):
        return self.fc2(cr.tanh(self.fc1(x))) * self.scale + self.offset


class Tied(nn.Module):
    def __init__(self):
        self.a = nn.Linear(3, 3, dtype=float)
        self.b = nn.Linear(3, 3, dtype=float)
        self.b.weight = self.a.weight

    def forward(self, x):
        return self.b(cr.tanh(self.a(x)))


def loss_of(model, x, y):
    return F.cross_entropy(model(x), y)
