"""Training end to end, data loading included: `python benchmarks/training.py`.

The same network is trained by `chainrule.train.fit` compiled, by `fit` uncompiled, and by PyTorch's eager mode in a loop
written by hand, in turns in one process on one thread. PyTorch takes its batches from its DataLoader, as its users write it,
and once more from slices of arrays, which is the fastest way; its optimiser is the fused one. A turn is a few epochs; the
first one of each turn, in which programs are made or loaded, is printed apart. Printed are medians in milliseconds per epoch,
and ratios. Needs the extra `peers`.
"""

import argparse
import json
import os
import statistics
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("CHAINRULE_THREADS", "1")

import numpy as np
import torch

import chainrule as cr
from chainrule.train import fit

torch.set_num_threads(1)
BAR = 1.5  # over PyTorch's eager mode


def mlp(nn):
    return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))


def lenet(nn):
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def lstm(nn):
    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.head = nn.LSTM(28, 64, batch_first=True), nn.Linear(64, 10)

        def forward(self, x):
            return self.head(self.lstm(x)[0][:, -1])

    return Reader()


def transformer(nn):
    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.enter = nn.Linear(28, 64)
            layers = [nn.TransformerEncoderLayer(64, 4, 128, dropout=0.1, batch_first=True) for _ in range(2)]
            self.layers, self.head = nn.Sequential(*layers), nn.Linear(64, 10)

        def forward(self, x):
            return self.head(self.layers(self.enter(x)).mean(1))

    return Encoder()


# network, shape of an input, samples, batch, optimiser
WORKLOADS = {
    "MLP": (mlp, (784,), 6400, 64, "Adam"),
    "LeNet": (lenet, (1, 28, 28), 1600, 32, "SGD"),
    "LSTM": (lstm, (28, 28), 1600, 32, "Adam"),
    "Transformer": (transformer, (28, 28), 1600, 32, "Adam"),
}
OPTIONS = {"Adam": {"lr": 1e-3}, "SGD": {"lr": 1e-2, "momentum": 0.9}}


def data(shape, n):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, *shape)).astype(np.float32), rng.integers(0, 10, n)


def ours(compile):
    def run(network, arrays, batch, optimizer, epochs):
        model = network(cr.nn)
        made = getattr(cr.optim, optimizer)(model.parameters(), **OPTIONS[optimizer])
        history = fit(
            model, arrays, loss=cr.nn.CrossEntropyLoss(), optimizer=made, epochs=epochs, batch_size=batch, compile=compile
        )
        return history.seconds

    return run


def batches_by_loader(x, y, batch):
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch, shuffle=True)


class Sliced:
    """Batches without a DataLoader."""

    def __init__(self, x, y, batch):
        self.x, self.y, self.batch = x, y, batch

    def __iter__(self):
        for part in torch.randperm(len(self.x)).split(self.batch):
            yield self.x[part], self.y[part]


def theirs(batches_of):
    def run(network, arrays, batch, optimizer, epochs):
        model, loss_of = network(torch.nn), torch.nn.CrossEntropyLoss()
        made = getattr(torch.optim, optimizer)(model.parameters(), fused=True, **OPTIONS[optimizer])
        batches = batches_of(*map(torch.from_numpy, arrays), batch)
        seconds = []
        for _ in range(epochs):
            began, total = time.perf_counter(), 0.0
            for x, y in batches:
                made.zero_grad()
                loss = loss_of(model(x), y)
                loss.backward()
                made.step()
                total += loss.item() * len(x)
            seconds.append(time.perf_counter() - began)
        return seconds

    return run


CONTENDERS = {
    "compiled": ours("always"),
    "eager": ours(False),
    "PyTorch": theirs(batches_by_loader),
    "PyTorch, sliced": theirs(Sliced),
}


def measure(name, turns, epochs):
    network, shape, n, batch, optimizer = WORKLOADS[name]
    arrays = data(shape, n)
    times = {c: [] for c in CONTENDERS}
    first = {c: [] for c in CONTENDERS}
    for _ in range(turns):
        for c, run in CONTENDERS.items():
            seconds = run(network, arrays, batch, optimizer, epochs)
            first[c].append(seconds[0])
            times[c] += seconds[1:]
    result = {c: statistics.median(t) for c, t in times.items()}
    return result, {c: statistics.median(t) for c, t in first.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(WORKLOADS), help=f"which of {', '.join(WORKLOADS)}")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--json", help="also write the numbers here")
    options = parser.parse_args()
    found = {}
    print(f"load at the start: {os.getloadavg()[0]:.1f}; one thread; {options.turns} turns of {options.epochs} epochs")
    print(
        f"{'ms per epoch':14}" + "".join(f"{c:>17}" for c in CONTENDERS) + f"{'/ eager':>10}{'/ PyTorch':>11}{'/ sliced':>10}"
    )
    for name in options.names:
        times, first = measure(name, options.turns, options.epochs)
        found[name] = {"seconds": times, "first": first}
        ratios = [times[c] / times["compiled"] for c in ("eager", "PyTorch", "PyTorch, sliced")]
        mark = "" if min(ratios[1:]) >= BAR and ratios[0] >= 1 else f"  below the bar of {BAR}"
        print(
            f"{name:14}"
            + "".join(f"{times[c] * 1e3:17.1f}" for c in CONTENDERS)
            + "".join(f"{r:{w}.2f}" for r, w in zip(ratios, (10, 11, 10), strict=True))
            + mark
        )
        print(f"{'  first epoch':14}" + "".join(f"{first[c] * 1e3:17.1f}" for c in CONTENDERS), flush=True)
    print(f"load at the end: {os.getloadavg()[0]:.1f}")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(found, file, indent=1)


if __name__ == "__main__":
    main()
