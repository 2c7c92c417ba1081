"""One step of each optimiser over a model of 100 parameters, against PyTorch: `python benchmarks/optimizers.py`.

PyTorch steps eagerly in each way that it has (one parameter after the other, foreach, fused); the fastest counts. Where it
lacks a method (Lion, LAMB), the method is written with its foreach operations. chainrule's `step` is called eagerly too, and
becomes a program by itself after some calls. Both run turn by turn in one process on one thread; printed are medians, in
microseconds. L-BFGS makes one iteration with ten pairs, with gradients at hand. Needs the extra `peers`.
"""

import argparse
import functools
import json
import os
import statistics
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

import chainrule as cr

torch.set_num_threads(1)
NAMES = (
    "SGD", "Adam", "AdamW", "NAdam", "RAdam", "Adamax", "Adadelta", "Adagrad", "RMSprop", "Rprop", "ASGD", "Adafactor", "Muon",
    "SparseAdam", "Lion", "LAMB", "LBFGS",
)  # fmt: skip
VARIANTS = {"SGD": {"momentum": 0.9}, "LBFGS": {"max_iter": 1, "history_size": 10, "lr": 1e-3}}


def shapes(name, width):
    """Of 50 layers: weights and biases; matrices alone for Muon, which takes no others."""
    return [(width, width)] * 100 if name == "Muon" else [(width, width), (width,)] * 50


class Lion:
    """In PyTorch, with foreach operations."""

    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99), foreach=True):
        self.params, self.lr, self.betas = params, lr, betas
        self.means = [torch.zeros_like(p) for p in params]

    @torch.no_grad()
    def step(self):
        gradients = [p.grad for p in self.params]
        direction = torch._foreach_lerp(self.means, gradients, 1 - self.betas[0])
        torch._foreach_sign_(direction)
        torch._foreach_add_(self.params, direction, alpha=-self.lr)
        torch._foreach_lerp_(self.means, gradients, 1 - self.betas[1])


class LAMB:
    """In PyTorch, with foreach operations."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, foreach=True):
        self.params, self.lr, self.betas, self.eps, self.count = params, lr, betas, eps, 0
        self.means, self.squares = [torch.zeros_like(p) for p in params], [torch.zeros_like(p) for p in params]

    @torch.no_grad()
    def step(self):
        self.count += 1
        gradients, (b1, b2) = [p.grad for p in self.params], self.betas
        torch._foreach_lerp_(self.means, gradients, 1 - b1)
        torch._foreach_mul_(self.squares, b2)
        torch._foreach_addcmul_(self.squares, gradients, gradients, 1 - b2)
        roots = torch._foreach_sqrt(self.squares)
        torch._foreach_div_(roots, (1 - b2**self.count) ** 0.5)
        torch._foreach_add_(roots, self.eps)
        direction = torch._foreach_div(self.means, 1 - b1**self.count)
        torch._foreach_div_(direction, roots)
        trust = torch._foreach_div(torch._foreach_norm(self.params), torch._foreach_norm(direction))
        torch._foreach_mul_(direction, trust)
        torch._foreach_add_(self.params, direction, alpha=-self.lr)


def closure_for(params, loss):
    """For L-BFGS: the gradients are those of half the square of the first parameter."""

    def closure():
        params[0].grad = params[0].detach() * 1.0
        return loss

    return closure


def mine(name, arrays, gradients, options):
    """The optimiser, and a function that makes a step."""
    params = [cr.tensor(a, requires_grad=True) for a in arrays]
    for p, g in zip(params, gradients, strict=True):
        p.grad = g
    optimizer = getattr(cr.optim, name)(params, **options)
    if name != "LBFGS":
        return optimizer, optimizer.step
    return optimizer, functools.partial(optimizer.step, closure_for(params, cr.tensor(1.0)))


def theirs(name, arrays, gradients, options):
    """All ways that PyTorch has, by name."""
    steps = {}
    for way in ("for-loop", "foreach", "fused"):
        params = [torch.tensor(a, requires_grad=True) for a in arrays]
        for p, g in zip(params, gradients, strict=True):
            p.grad = torch.tensor(g).to_sparse(1) if name == "SparseAdam" else torch.tensor(g)
        plain = {} if name in ("Muon", "SparseAdam", "LBFGS") else {"foreach": False}
        chosen = plain if way == "for-loop" else {way: True}
        if way == "for-loop" and name in HERE:
            continue
        try:
            step = (HERE.get(name) or getattr(torch.optim, name))(params, **chosen, **options).step
            if name == "LBFGS":
                step = functools.partial(step, closure_for(params, torch.tensor(1.0)))
            step()
        except (TypeError, RuntimeError, NotImplementedError):
            continue
        steps[way] = step
    return steps


HERE = {"Lion": Lion, "LAMB": LAMB}


def timed(step, number):
    start = time.perf_counter()
    for _ in range(number):
        step()
    return (time.perf_counter() - start) / number * 1e6


def ready(optimizer):
    """Whether steps are done by a program by now."""
    return getattr(optimizer._repeated, "program", None) is not None


def measure(name, width, turns, patience=30.0):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=s).astype(np.float32) for s in shapes(name, width)]
    size = 0.0 if name == "LBFGS" else 1.0  # of gradients; its closure makes those of the first parameter
    gradients = [size * rng.normal(size=s).astype(np.float32) for s in shapes(name, width)]
    options = VARIANTS.get(name, {})
    (optimizer, ours), others = mine(name, arrays, gradients, options), theirs(name, arrays, gradients, options)
    start = time.perf_counter()
    while name != "LBFGS" and not ready(optimizer) and time.perf_counter() - start < patience:
        ours()
    timed(ours, 10)
    number = max(1, int(2000 / timed(ours, 5)))
    times: dict = {"chainrule": [], **{way: [] for way in others}}
    for _ in range(turns):
        times["chainrule"].append(timed(ours, number))
        for way, step in others.items():
            times[way].append(timed(step, max(1, number // 3)))
    return {way: statistics.median(values) for way, values in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="optimisers; all if none is given")
    parser.add_argument("--width", type=int, nargs="+", default=[32], help="of the layers")
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--json", help="write the numbers to this file")
    options = parser.parse_args()
    rows = []
    for width in options.width:
        print(f"{'width ' + str(width):12}{'chainrule':>11}{'for-loop':>11}{'foreach':>11}{'fused':>11}{'times faster':>14}")
        for name in options.names or NAMES:
            found = measure(name, width, options.turns)
            ratio = min(v for k, v in found.items() if k != "chainrule") / found["chainrule"]
            cells = [f"{found[k]:11.1f}" if k in found else f"{'-':>11}" for k in ("chainrule", "for-loop", "foreach", "fused")]
            print(f"{name:12}{''.join(cells)}{ratio:14.2f}", flush=True)
            rows.append({"optimizer": name, "width": width, "ratio": ratio, **found})
    if options.json:
        with open(options.json, "w") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
