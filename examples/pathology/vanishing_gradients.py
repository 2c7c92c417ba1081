"""Gradients vanish or explode on the way through 30 tanh layers (digits), and what each remedy does about it

Differentiated: the cross entropy of ten classes with respect to all weights of a network of 30 layers. Each layer multiplies
the gradient that comes back by its weights and by the slope of tanh: by less than one at PyTorch's initial weights, by more
than one at larger ones, and thirty times. The norm of the gradient of each layer is drawn at the start of training, for both
diseases and every remedy.

Reference: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010
(initialisation); Ioffe and Szegedy 2015 (normalisation); He, Zhang, Ren and Sun 2016 (residuals); Pascanu, Mikolov and
Bengio 2013 (clipping).
"""

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.data import load_digits
from chainrule.nn import functional as F

LIMIT = 1.0  # of the norm of the gradient, where it is clipped


class Deep(nn.Module):
    def __init__(self, depth, width, normalised=False, residual=False):
        super().__init__()
        self.first, self.output = nn.Linear(64, width), nn.Linear(width, 10)
        self.layers = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])
        self.norms = nn.ModuleList([nn.BatchNorm1d(width) if normalised else nn.Identity() for _ in range(depth)])
        self.residual = residual

    def forward(self, x):
        x = cr.tanh(self.first(x))
        for layer, norm in zip(self.layers, self.norms):
            change = norm(cr.tanh(layer(x)))
            x = x + change if self.residual else change
        return self.output(x)


def networks(depth, width):
    """{what was done: (network, largest norm of the gradient)}."""

    def started(initial):
        net = Deep(depth, width)
        for layer in net.layers:
            initial(layer.weight)
            nn.init.zeros_(layer.bias)
        return net

    def twice(weight):
        nn.init.xavier_normal_(weight, gain=2)

    return {
        "PyTorch's initial weights": (Deep(depth, width), None),
        "twice Xavier's weights": (started(twice), None),
        "twice Xavier's, clipped": (started(twice), LIMIT),
        "orthogonal weights": (started(nn.init.orthogonal_), None),
        "batch normalisation": (Deep(depth, width, normalised=True), None),
        "residuals": (Deep(depth, width, residual=True), None),
    }


def main(demo):
    train, test = load_digits()
    depth, width, epochs = (2, 32, 1) if demo.quick else (30, 32, 20)
    x, y = demo.tensor(np.asarray(train.images)[:256]), demo.tensor(np.asarray(train.labels)[:256])
    norms, accuracy = {}, {}
    for name, (net, limit) in networks(depth, width).items():
        F.cross_entropy(net(x), y).backward()
        norms[name] = np.array([np.linalg.norm(layer.weight.grad.numpy()) for layer in net.layers])
        optimizer = optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
        schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs * (len(train) // 32))

        @demo.compile
        def step(x, y, net=net, limit=limit, optimizer=optimizer):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            if limit is not None:
                nn.utils.clip_grad_norm_(net.parameters(), limit)
            optimizer.step()
            return loss

        for batch in demo.batches(train.images, train.labels, batch_size=32, epochs=epochs, name=name):
            demo.log(**{name: step(*batch)})
            schedule.step()
        net.eval()
        with cr.no_grad():
            predicted = net(demo.tensor(test.images)).argmax(1).numpy()
        accuracy[name] = (predicted == np.asarray(test.labels)).mean()

    bounds = {name: {"at_most": 0.3} for name in list(accuracy)[:2]} | {name: {"at_least": 0.85} for name in list(accuracy)[3:]}
    bounds["twice Xavier's, clipped"] = {"at_least": 0.25}
    for name, value in accuracy.items():
        demo.result(f"test accuracy, {name}", value, **bounds.get(name, {}), reference="the most common class: 0.1")
    ratios = {name: n[0] / n[-1] for name, n in norms.items()}
    demo.result("gradient of the first layer over the last, PyTorch's", ratios["PyTorch's initial weights"], at_most=1e-5)
    demo.result("gradient of the first layer over the last, twice Xavier's", ratios["twice Xavier's weights"], at_least=10)
    for name in list(ratios)[3:]:
        demo.result(f"gradient of the first layer over the last, {name}", ratios[name], at_least=0.1, at_most=10)

    figure, (left, right) = plot.subplots(1, 2, size=(11, 4.6))
    for (name, n), color in zip(norms.items(), plot.COLORS):
        if "clipped" not in name:  # before training, clipping changes nothing
            left.plot(range(1, depth + 1), n, color=color, label=name)
        losses = np.nan_to_num(demo.curve(name), nan=1e9, posinf=1e9)
        width = max(len(losses) // 40, 1)
        smooth = np.convolve(losses, np.full(width, 1 / width), "valid")
        right.plot(np.arange(width, len(losses) + 1), smooth, color=color, label=f"{name}: {accuracy[name]:.0%}")
    left.set(title="Gradient norm of each layer, before training", xlabel="layer", yscale="log")
    right.set(title="Cross entropy of each batch, and test accuracy", xlabel="batch", ylim=(0, 3))
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    demo.figure(figure, caption="What comes back to each layer at the start, and what each network learns of it.")
