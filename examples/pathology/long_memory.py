"""Gradients vanish or explode over 80 steps of recurrent networks (adding problem); three remedies let them learn

Differentiated: the squared error of the sum of two marked numbers in a sequence of 80, with respect to the weights of
recurrent networks of 32 units, through all steps of time. The first marked number stands in the first half: what the network
ought to have kept of it is only told by a gradient that comes back over 40 to 80 steps. The norm of the gradient at each
step is drawn before training, then each network is trained.

Reference: Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 9 (1997), whose adding problem this is;
Pascanu, Mikolov and Bengio 2013 (clipping); Le, Jaitly and Hinton 2015 (identity); Cho et al. 2014 (GRU).
"""

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.nn import functional as F

UNITS = 32


class Adder(nn.Module):
    """Reads a sequence of (number, mark), and says one number after the last."""

    def __init__(self, cell):
        super().__init__()
        self.cell, self.output = cell, nn.Linear(UNITS, 1)

    def forward(self, x):
        states, _ = self.cell(x)
        return self.output(states[:, -1]).squeeze(1)


def plain(nonlinearity, scale=None):
    """A plain recurrent network; its recurrent weights are PyTorch's, or `scale` times the identity."""
    cell = nn.RNN(2, UNITS, nonlinearity=nonlinearity, batch_first=True)
    if scale is not None:
        with cr.no_grad():
            cell.weight_hh_l0[:] = scale * cr.eye(UNITS)
        nn.init.zeros_(cell.bias_hh_l0)
        nn.init.zeros_(cell.bias_ih_l0)
        nn.init.normal_(cell.weight_ih_l0, 0, 0.1)
    return cell


def lstm():
    cell = nn.LSTM(2, UNITS, batch_first=True)
    with cr.no_grad():
        cell.bias_hh_l0[UNITS : 2 * UNITS] = 1  # gates of forgetting are open at first
    return cell


def cells():
    """{name: (cell, learning rate, largest norm of the gradient)}."""
    return {
        "tanh, PyTorch's weights": (plain("tanh"), 3e-3, None),
        "ReLU, 1.1 x identity": (plain("relu", 1.1), 3e-3, None),
        "ReLU, 1.1 x identity, clipped": (plain("relu", 1.1), 3e-3, 1.0),
        "ReLU, identity": (plain("relu", 1.0), 3e-3, None),
        "ReLU, identity, clipped": (plain("relu", 1.0), 3e-3, 1.0),
        "GRU, clipped": (nn.GRU(2, UNITS, batch_first=True), 1e-2, 1.0),
        "LSTM, clipped": (lstm(), 2e-2, 1.0),
    }


def sequences(rng, n, length):
    """Numbers and marks (n, length, 2), and the sums of the two numbers that are marked, one in each half."""
    numbers, marks = rng.uniform(0, 1, (n, length)), np.zeros((n, length))
    for low, high in ((0, length // 2), (length // 2, length)):
        marks[np.arange(n), rng.integers(low, high, n)] = 1
    return np.stack([numbers, marks], 2).astype(np.float32), (numbers * marks).sum(1).astype(np.float32)


def main(demo):
    length, steps = (20, 20) if demo.quick else (80, 2000)
    test_x, test_y = sequences(demo.rng, 512, length)
    error, backward = {}, {}
    made = cells()
    for name in list(made)[:: 2 if demo.quick else 1]:
        cell, rate, limit = made[name]
        net = Adder(cell)
        optimizer = optim.Adam(net.parameters(), lr=rate)

        x = demo.tensor(test_x).requires_grad_()
        F.mse_loss(net(x), demo.tensor(test_y)).backward()
        backward[name] = np.sqrt((x.grad.numpy() ** 2).sum((0, 2)))

        @demo.compile
        def step(x, y, net=net, optimizer=optimizer, limit=limit):
            optimizer.zero_grad()
            loss = F.mse_loss(net(x), y)
            loss.backward()
            if limit is not None:
                nn.utils.clip_grad_norm_(net.parameters(), limit)
            optimizer.step()
            return loss

        for _ in demo.steps(steps, name):
            x, y = sequences(demo.rng, 32, length)
            demo.log(**{name: step(demo.tensor(x), demo.tensor(y))})
        with cr.no_grad():
            found = ((net(demo.tensor(test_x)).numpy().astype(float) - test_y) ** 2).mean()
        error[name] = min(np.nan_to_num(found, nan=np.inf), 1e6)  # where training ended in NaN as well

    reference = f"always saying 1: {((test_y - 1) ** 2).mean():.3f}"
    bounds = {name: {"at_most": 0.04} for name in error if "clipped" in name}
    bounds |= {name: {"at_least": 0.1} for name in ("tanh, PyTorch's weights", "ReLU, 1.1 x identity")}
    for name, value in error.items():
        demo.result(f"squared error, {name}", value, **bounds.get(name, {}), reference=reference)
    faded, grown = (backward[name][0] / backward[name][-1] for name in list(made)[:3:2])
    demo.result("gradient at the first step over the last, tanh", faded, at_most=1e-8)
    demo.result("gradient at the first step over the last, 1.1 x identity", grown, at_least=100)

    figure, (left, right) = plot.subplots(1, 2, size=(9.6, 4.2))
    for (name, norms), color in zip(backward.items(), plot.COLORS):
        ratio, drawn = (
            np.maximum(norms / norms[-1], 1e-24),
            {"color": color, "linestyle": "--" if name == "ReLU, identity" else "-"},
        )
        if not name.startswith("ReLU") or "clipped" not in name:  # before training, clipping changes nothing
            left.plot(range(1, length + 1), ratio, **drawn)
        losses = np.nan_to_num(demo.curve(name), nan=1e9, posinf=1e9)
        width = max(len(losses) // 40, 1)
        smooth = np.convolve(np.log(losses), np.full(width, 1 / width), "valid")
        right.plot(np.arange(width, len(losses) + 1)[::5], np.exp(smooth)[::5], label=name, **drawn)
    left.set(title="Gradient at each step, over that at the last", xlabel="step of the sequence", yscale="log")
    right.set(title="Squared error of each batch", xlabel="batch", yscale="log", ylim=(5e-5, 10))
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    demo.figure(
        figure,
        caption="Before training: how much the end of the sequence tells each step. In training: who learns to remember.",
    )
