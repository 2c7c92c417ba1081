"""A network of 64 layers in a quarter of the memory (Fashion-MNIST): checkpoints, what they save and what they cost

Differentiated: the cross entropy of ten classes with respect to the weights of 64 residual layers. Backpropagation needs
what each layer computed. With checkpoints it keeps only what enters each segment of sqrt(n) = 8 layers, and computes the
inside of one segment at a time once more: memory grows with sqrt(n) rather than n, for one more forward pass. The gradients
stay the same to the last bit.

Reference: Chen, Xu, Zhang and Guestrin, "Training deep nets with sublinear memory cost", arXiv:1604.06174 (2016); Griewank
1992.
"""

import math
import time
import tracemalloc

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.data import load_fashion_mnist
from chainrule.nn import functional as F

MEGABYTE = 1e6


class Tower(nn.Module):
    def __init__(self, depth, width=64):
        super().__init__()
        self.first, self.output = nn.Linear(784, width), nn.Linear(width, 10)
        self.layers = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])

    def part(self, x, start, stop):
        for layer in self.layers[start:stop]:
            x = x + 0.25 * cr.tanh(layer(x))
        return x

    def forward(self, x, segment):
        """The scores of ten classes; what happens within `segment` layers is not kept for the derivative."""
        x = self.first(x)
        depth = len(self.layers)
        if segment is None:
            return self.output(self.part(x, 0, depth))
        for start in range(0, depth, segment):
            x = cr.checkpoint(self.part)(x, start, start + segment)
        return self.output(x)


def gradients(net, x, y, segment):
    """The gradients of all weights, with checkpoints every `segment` layers."""
    net.zero_grad()
    F.cross_entropy(net(x, segment), y).backward()
    return [p.grad for p in net.parameters()]


def memory(depth, x, y, segment):
    """Megabytes at most in use for the gradients of a network: run as it stands, and as a compiled program."""
    net = Tower(depth)
    gradients(net, x, y, segment)
    net.zero_grad()
    tracemalloc.start()
    found = gradients(net, x, y, segment)
    eager = tracemalloc.get_traced_memory()[1] - sum(g.numpy().nbytes for g in found)
    tracemalloc.stop()
    compiled = cr.compile(lambda x, y: gradients(net, x, y, segment)).explain(x, y).peak_bytes
    return eager / MEGABYTE, compiled / MEGABYTE


def main(demo):
    train, test = load_fashion_mnist()
    images, labels = np.asarray(train.images), np.asarray(train.labels)
    depth, depths, epochs = (4, (2, 4), 1) if demo.quick else (64, (4, 9, 16, 25, 36, 49, 64), 3)
    if demo.quick:
        images, labels = images[:5120], labels[:5120]
    segment = math.isqrt(depth)
    net = Tower(depth)
    optimizer = optim.Adam(net.parameters(), lr=2e-3)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs * (len(images) // 512))

    @demo.compile
    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x, segment), y)
        loss.backward()
        optimizer.step()
        return loss

    for x, y in demo.batches(images, labels, batch_size=512, epochs=epochs):
        demo.log(loss=step(x, y))
        schedule.step()

    with cr.no_grad():
        right = np.concatenate(
            [net(demo.tensor(part), None).argmax(1).numpy() for part in np.split(test.images, 10)]
        ) == np.asarray(test.labels)

    # The same gradients, and the time of both ways in turns.
    segments = {"no checkpoints": lambda depth: None, "checkpoints every $\\sqrt{n}$ layers": math.isqrt}
    both = [[g.numpy().copy() for g in gradients(net, x, y, of(depth))] for of in segments.values()]
    difference = max(np.abs(a - b).max() for a, b in zip(*both, strict=True))
    programs = [demo.compile(lambda x, y, of=of: gradients(net, x, y, of(depth))) for of in segments.values()]
    seconds = np.zeros((3 if demo.quick else 12, 2))
    for turn in range(len(seconds)):
        for i, program in enumerate(programs):
            start = time.perf_counter()
            program(x, y)
            seconds[turn, i] = time.perf_counter() - start
    plain_time, paid_time = np.median(seconds[1:], axis=0)

    used = {way: np.array([memory(n, x, y, of(n)) for n in depths]) for way, of in segments.items()}
    plain, little = (numbers[-1] for numbers in used.values())
    demo.result("test accuracy", right.mean(), at_least=0.84, reference="the most common class: 0.1")
    for i, kind in enumerate(("eager", "compiled")):
        demo.result(
            f"memory over that without checkpoints, {kind}",
            little[i] / plain[i],
            at_most=0.35,
            reference=f"{plain[i]:.1f} MB without",
        )
    demo.result(
        "time over that without checkpoints", paid_time / plain_time, at_most=1.8, reference="4/3 by counting multiplications"
    )
    demo.result("largest difference between gradients", difference, at_most=0.0)

    figure, axes = plot.subplots(1, 2, size=(10.0, 3.8))
    for i, (ax, kind) in enumerate(zip(axes, ("eager", "compiled"), strict=True)):
        for (way, numbers), color in zip(used.items(), (plot.RED, plot.BLUE), strict=True):
            ax.plot(depths, numbers[:, i], "o-", color=color, label=way)
        ax.set(
            title=f"Memory for the gradients, {kind}", xlabel="layers n", ylabel="megabytes" if i == 0 else "", ylim=(0, None)
        )
        ax.legend()
    demo.figure(figure, caption="The most memory that is in use at once, beside data, weights and gradients.")
    demo.figure(plot.curves({"training": demo.curve("loss")}, "Cross entropy of each batch", "step"), "checkpointing_loss")
