"""How long a pass over 60,000 pictures of 28x28 takes, and its share of training. Run: python benchmarks/loading.py

Prints milliseconds, measured alternately; PyTorch's loader beside it if PyTorch is installed.
"""

from time import perf_counter

import numpy as np

import chainrule as cr
from chainrule import data, nn, optim

ROUNDS, BATCH, N = 5, 128, 60_000


class Pictures:
    """Samples one by one, as from files, with a little work for each."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return 6000

    def __getitem__(self, i):
        return np.flip(self.images[i], 0) * np.float32(0.5), self.labels[i]


def passes(images, labels):
    """name -> function that walks over one epoch."""
    arrays = data.TensorDataset(images, labels)
    walks = {
        "arrays, in order": data.DataLoader(arrays, BATCH),
        "arrays, shuffled": data.DataLoader(arrays, BATCH, shuffle=True, seed=0),
        "6,000 samples one by one": data.DataLoader(Pictures(images, labels), BATCH, shuffle=True, seed=0),
        "the same, 2 workers": data.DataLoader(
            Pictures(images, labels), BATCH, shuffle=True, seed=0, num_workers=2, persistent_workers=True
        ),
    }
    try:
        import torch
        from torch.utils import data as theirs
    except ImportError:
        return walks
    tensors = theirs.TensorDataset(torch.from_numpy(images), torch.from_numpy(labels))
    walks["PyTorch: arrays, shuffled"] = theirs.DataLoader(tensors, BATCH, shuffle=True)
    walks["PyTorch: 6,000 samples one by one"] = theirs.DataLoader(Pictures(images, labels), BATCH, shuffle=True)
    walks["PyTorch: the same, 2 workers"] = theirs.DataLoader(
        Pictures(images, labels), BATCH, shuffle=True, num_workers=2, persistent_workers=True
    )
    return walks


def share(images, labels, model):
    """(milliseconds of an epoch of compiled training, milliseconds of it that go by in the loader), the best of some."""
    adam, criterion = optim.Adam(model.parameters()), nn.CrossEntropyLoss()

    @cr.compile
    def step(x, y):
        adam.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        adam.step()
        return loss

    loader = data.DataLoader(data.TensorDataset(images, labels), BATCH, shuffle=True, seed=0, drop_last=True)
    best = (np.inf, np.inf)
    for _ in range(ROUNDS):
        start, waited, batches = perf_counter(), 0.0, iter(loader)
        while True:
            asked = perf_counter()
            batch = next(batches, None)
            waited += perf_counter() - asked
            if batch is None:
                break
            loss = step(*batch)
        loss.item()
        best = min(best, (perf_counter() - start, waited))
    return tuple(1e3 * t for t in best)


def main():
    random = np.random.default_rng(0)
    images, labels = random.random((N, 784), np.float32), random.integers(0, 10, N)
    walks = passes(images, labels)
    times = {name: [] for name in walks}
    for _ in range(ROUNDS):
        for name, loader in walks.items():
            start = perf_counter()
            for _ in loader:
                pass
            times[name].append(perf_counter() - start)
    for name, seconds in times.items():
        print(f"{name:36} {1e3 * min(seconds):8.1f} ms")
    models = {
        "MLP 784-128-10": nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)),
        "MLP 784-512-256-10": nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 10)),
    }
    for name, model in models.items():
        epoch, waited = share(images, labels, model)
        print(f"{name:36} {epoch:8.1f} ms an epoch, {waited:.1f} ms of it in the loader: {100 * waited / epoch:.1f} %")


if __name__ == "__main__":
    main()
