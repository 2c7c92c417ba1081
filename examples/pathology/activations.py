"""Units that saturate and units that die (digits): five activation functions, started from weights of five sizes

Differentiated: the cross entropy of ten classes with respect to the weights of a 64-64-64-64-64-10 network; and, to tell why
some do not learn, the activation functions with respect to their inputs. Where the slope of a unit is 0, no gradient comes
through: a sigmoid or tanh far from 0 is saturated, and a ReLU that is negative for every image is dead and stays so.

Reference: Glorot and Bengio, AISTATS 2010 (saturation); He, Zhang, Ren and Sun, "Delving deep into rectifiers", ICCV 2015,
whose initial weights are size 1 here; Maas, Hannun and Ng 2013 (leaky ReLU).
"""

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.data import load_digits
from chainrule.nn import functional as F

ACTIVATIONS = {
    "ReLU": F.relu,
    "leaky ReLU": lambda x: F.leaky_relu(x, 0.2),
    "GELU": F.gelu,
    "tanh": cr.tanh,
    "sigmoid": cr.sigmoid,
}
# Size of the initial weights, where 1 is that of He et al. for ReLU, and the initial biases.
STARTS = {"0.1": (0.1, 0), "0.3": (0.3, 0), "1": (1, 0), "3": (3, 0), "10": (10, 0), "1, bias -0.5": (1, -0.5)}


class Net(nn.Module):
    def __init__(self, activation, width=64, hidden=4):
        super().__init__()
        self.activation = activation
        self.hidden = nn.ModuleList([nn.Linear(64, width) for _ in range(hidden)])
        self.output = nn.Linear(width, 10)

    def start(self, size, bias):
        """New weights where the old ones stand."""
        for layer in [*self.hidden, self.output]:
            nn.init.normal_(layer.weight, 0, size * (2 / 64) ** 0.5)
            nn.init.constant_(layer.bias, bias if layer is not self.output else 0)

    def sums(self, x):
        """What enters the activation of each layer of units."""
        found = []
        for layer in self.hidden:
            found.append(layer(x))
            x = self.activation(found[-1])
        return found

    def forward(self, x):
        return self.output(self.activation(self.sums(x)[-1]))


def slopes(net, x):
    """The derivative of each unit by what enters it: (layers, images, units)."""
    with cr.no_grad():
        sums = [z.numpy() for z in net.sums(x)]
    return np.abs(np.stack([np.asarray(cr.grad(lambda z: net.activation(z).sum())(z)) for z in sums]))


def table(axes, title, values, kinds, starts):
    axes.imshow(values, cmap="Blues", vmin=0, vmax=1.2, aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        axes.text(j, i, f"{value:.0%}", ha="center", va="center", fontsize=9, color="white" if value > 0.7 else "black")
    axes.set_xticks(range(len(starts)), [start.replace(", ", ",\n") for start in starts])
    axes.set_yticks(range(len(kinds)), kinds)
    axes.set_title(title, fontsize=11)
    axes.set_xlabel("size of the initial weights")
    axes.tick_params(length=0)
    axes.grid(visible=False)


def main(demo):
    train, test = load_digits()
    images, labels = np.asarray(train.images), np.asarray(train.labels)
    kinds = ("ReLU", "sigmoid") if demo.quick else tuple(ACTIVATIONS)
    starts = {start: STARTS[start] for start in (("1", "10") if demo.quick else STARTS)}
    epochs = 1 if demo.quick else 12
    accuracy, flat, dead = {}, {}, {}
    for kind in kinds:
        net = Net(ACTIVATIONS[kind])
        optimizer = optim.SGD(net.parameters(), lr=0.05)

        @demo.compile
        def step(x, y, net=net, optimizer=optimizer):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimizer.step()
            return loss

        for start, (size, bias) in starts.items():  # one program for all of them: it finds the weights where they stand
            net.start(size, bias)
            for x, y in demo.batches(images, labels, batch_size=32, epochs=epochs, name=f"{kind}, {start}"):
                demo.log(loss=step(x, y))
            with cr.no_grad():
                predicted = net(demo.tensor(test.images)).argmax(1).numpy()
            accuracy[kind, start] = (predicted == np.asarray(test.labels)).mean()
            net.start(size, bias)
            slope = slopes(net, demo.tensor(images))
            flat[kind, start], dead[kind, start] = (slope < 0.01).mean(), (slope < 0.01).all(1).mean()

    reference = "the most common class: 0.1"
    bounds = {("ReLU", "1"): {"at_least": 0.9}, ("sigmoid", "1"): {"at_most": 0.4}, ("sigmoid", "3"): {"at_least": 0.6}}
    bounds |= {("ReLU", "1, bias -0.5"): {"at_most": 0.4}, ("leaky ReLU", "1, bias -0.5"): {"at_least": 0.6}}
    for kind, start in [key for key in bounds if key in accuracy]:
        demo.result(f"test accuracy, {kind}, {start}", accuracy[kind, start], **bounds[kind, start], reference=reference)
    for kind, start in [key for key in (("tanh", "10"), ("sigmoid", "10")) if key in flat]:
        demo.result(f"slopes below 0.01 at the start, {kind}, {start}", flat[kind, start], at_least=0.5)
    if ("ReLU", "1, bias -0.5") in dead:
        demo.result("dead units at the start, ReLU, 1, bias -0.5", dead["ReLU", "1, bias -0.5"], at_least=0.4)

    figure, axes = plot.subplots(1, 3, size=(14.5, 3.4))
    titles = "Test accuracy", "Slopes below 0.01 at the start", "Units flat for every image at the start"
    for ax, title, values in zip(axes, titles, (accuracy, flat, dead), strict=True):
        table(ax, title, np.array([[values[kind, start] for start in starts] for kind in kinds]), kinds, starts)
    demo.figure(figure, caption="Who learns from which weights, and who is saturated or dead before it begins.")
