"""What one eager operation costs, forward and backward, against PyTorch: `python benchmarks/eager.py`.

Both libraries run the same programs in one process on one thread, turn by turn; printed are medians and the median of the
ratios turn by turn. Needs the extra `peers`.
"""

import argparse
import gc
import json
import os
import statistics
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

import chainrule as cr

torch.set_num_threads(1)
A, B = np.full(10, 1.0001), np.full(10, 0.1)
TA, TB = torch.tensor(A), torch.tensor(B)


def chain(x, a, b):
    for _ in range(500):
        x = x * a
        x = x + b
    return x


def chain_chainrule():
    x = cr.tensor(np.ones(10), requires_grad=True)
    chain(x, A, B).backward(np.ones(10))
    return x.grad.numpy()


def chain_torch():
    x = torch.ones(10, dtype=torch.float64, requires_grad=True)
    chain(x, TA, TB).backward(torch.ones(10, dtype=torch.float64))
    return x.grad.numpy()


def rosenbrock(x, n=100):
    total = 0.0
    for i in range(n - 1):
        total = total + 100.0 * (x[i + 1] - x[i] ** 2) ** 2 + (1.0 - x[i]) ** 2
    return total


START = np.linspace(-1.0, 1.0, 100)


def rosenbrock_chainrule():
    x = cr.tensor(START, requires_grad=True)
    rosenbrock(x).backward()
    return x.grad.numpy()


def rosenbrock_torch():
    x = torch.tensor(START, requires_grad=True)
    rosenbrock(x).backward()
    return x.grad.numpy()


RNG = np.random.default_rng(0)
W1, W2 = RNG.normal(size=(32, 16)), RNG.normal(size=(10, 32))
INPUT = RNG.normal(size=(16, 16))


def network(x, w1, w2, tanh):
    return (tanh(x @ w1.T) @ w2.T).sum()


def network_chainrule():
    w1, w2 = cr.tensor(W1, requires_grad=True), cr.tensor(W2, requires_grad=True)
    network(INPUT, w1, w2, cr.tanh).backward()
    return w1.grad.numpy()


def network_torch():
    w1, w2 = torch.tensor(W1, requires_grad=True), torch.tensor(W2, requires_grad=True)
    network(torch.from_numpy(INPUT), w1, w2, torch.tanh).backward()
    return w1.grad.numpy()


PROGRAMS = {
    "chain of 1,000 multiply/add on 10 numbers": (chain_chainrule, chain_torch),
    "Rosenbrock in 100 variables, element by element": (rosenbrock_chainrule, rosenbrock_torch),
    "network 16-32-10, batch 16, gradients": (network_chainrule, network_torch),
}


def timed(f):
    start = time.perf_counter()
    f()
    return time.perf_counter() - start


def measure(ours, theirs, turns):
    np.testing.assert_allclose(ours(), theirs(), rtol=1e-9)
    for _ in range(3):
        ours(), theirs()
    gc.collect()
    pairs = [(timed(ours), timed(theirs)) for _ in range(turns)]
    return (
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(a / b for a, b in pairs),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=51)
    parser.add_argument("--json", help="write the figures to this file")
    options = parser.parse_args()
    results = {}
    print(f"chainrule {cr.__version__}, torch {torch.__version__}, numpy {np.__version__}; one thread, {options.turns} turns")
    print(f"{'program':50} {'chainrule':>12} {'PyTorch':>12} {'ratio':>7}")
    for name, (ours, theirs) in PROGRAMS.items():
        a, b, ratio = measure(ours, theirs, options.turns)
        results[name] = {"chainrule_s": a, "torch_s": b, "ratio": ratio}
        print(f"{name:50} {a * 1e3:9.3f} ms {b * 1e3:9.3f} ms {ratio:7.2f}")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
