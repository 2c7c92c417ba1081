"""Settings that a schedule moves at each step do not keep a function from being compiled."""

import numpy as np

import chainrule as cr
from chainrule import nn, optim


def test_betas_move_while_the_arguments_repeat_or_not():
    def losses(compiled):
        cr.manual_seed(0)
        net = nn.Linear(8, 8)
        optimizer = optim.Adam(net.parameters(), lr=1e-3)
        schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=20)

        def step(x, state):
            optimizer.zero_grad()
            new = net(x + state)
            loss = (new**2).mean()
            loss.backward()
            optimizer.step()
            return loss.detach(), new.detach()

        step = cr.compile(step) if compiled else step
        x = state = cr.from_numpy(np.ones((2, 8), np.float32))  # one Tensor given twice, in the first call only
        found = []
        for _ in range(12):
            loss, state = step(x, state)
            schedule.step()
            found.append(float(loss))
        return found, len(step.calls) if compiled else 0

    eager, _ = losses(False)
    found, recorded = losses(True)
    assert recorded <= 3
    np.testing.assert_allclose(found, eager, rtol=1e-5)
