"""Eight small networks paint a photograph: a router sends each pixel to one of them, a choice that has no derivative

Differentiated: the square error of colours, with respect to the weights of the experts and of the router. The choice of an
expert is a step function of the router's scores, whose derivative is zero. Two ways around that: forward with the choice and
backward with the probabilities (straight-through), and the same with Gumbel noise, which draws choices at random.

Reference: Jang, Gu and Poole, "Categorical reparameterization with Gumbel-softmax", ICLR 2017; Shazeer et al., "Outrageously
large neural networks: the sparsely-gated mixture-of-experts layer", ICLR 2017. The baseline is a single network with as many
multiplications for a pixel as the router and one expert have together. The photograph ships with scikit-learn.
"""

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.data import load_photographs
from chainrule.nn import functional as F

EXPERTS, WIDTH, ROUTER = 8, 24, 16


class Experts(nn.Module):
    """`EXPERTS` networks with two hidden layers, evaluated side by side: (n, inputs) -> (EXPERTS, n, 3)."""

    def __init__(self, inputs, width, count=EXPERTS):
        super().__init__()
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for i, o in ((inputs, width), (width, width), (width, 3)):
            bound = i**-0.5
            for shape, kind in (((count, i, o), self.weights), ((count, 1, o), self.biases)):
                kind.append(nn.Parameter(cr.empty(shape, dtype=cr.float32)))
                nn.init.uniform_(kind[-1], -bound, bound)

    def forward(self, x):
        h = x
        for i in range(3):
            h = h @ self.weights[i] + self.biases[i]
            h = F.relu(h) if i < 2 else h
        return h


class Mixture(nn.Module):
    """Each input goes to the expert with the highest score; `how` says what stands in for the derivative of that choice."""

    def __init__(self, inputs, how):
        super().__init__()
        self.experts = Experts(inputs, WIDTH)
        self.router = nn.Sequential(nn.Linear(inputs, ROUTER), nn.Tanh(), nn.Linear(ROUTER, EXPERTS))
        self.how = how

    def choose(self, x):
        """One-hot choices (n, EXPERTS) and probabilities."""
        scores = self.router(x)
        if self.how == "router left as it was":
            scores = scores.detach()
        probability = F.softmax(scores, dim=1)
        if self.how == "Gumbel" and self.training:
            return F.gumbel_softmax(scores, tau=1.0, hard=True), probability
        choice = F.one_hot(scores.argmax(1), EXPERTS).to(scores.dtype)
        if self.how == "straight-through":
            choice = choice + probability - probability.detach()  # choice going forward, probability going backward
        return choice, probability

    def forward(self, x):
        """Colours, and how unevenly experts are used: 1 where all are used alike, up to `EXPERTS`."""
        choice, probability = self.choose(x)
        uneven = EXPERTS * (choice.detach().mean(0) * probability.mean(0)).sum()
        return (choice.t()[:, :, None] * self.experts(x)).sum(0), uneven


class Single(nn.Module):
    """One network, as wide as the multiplications of a router and one expert allow."""

    def __init__(self, inputs):
        super().__init__()
        allowed = inputs * (ROUTER + WIDTH) + ROUTER * EXPERTS + WIDTH * (WIDTH + 3)
        width = max(w for w in range(1, 200) if inputs * w + w * (w + 3) <= allowed)
        self.network = Experts(inputs, width, count=1)

    def forward(self, x):
        return self.network(x)[0], 1.0


def features(height, width):
    """Of each pixel: its place, and sines and cosines of it with up to four periods over the picture."""
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    place = np.stack([y, x], -1).reshape(-1, 2)
    waves = [f(np.pi * 2**k * place) for k in range(3) for f in (np.sin, np.cos)]
    return np.concatenate([place, *waves], 1).astype(np.float32)


def decibels(found, true):
    """Peak signal-to-noise ratio of colours from 0 to 1."""
    return -10 * np.log10(np.mean((np.clip(found, 0, 1) - true) ** 2))


def train(demo, net, name, pixels, colours, iterations, batch_size=512):
    optimizer = optim.Adam(net.parameters(), lr=8e-3)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=iterations)

    @demo.compile
    def step(x, y):
        optimizer.zero_grad()
        found, uneven = net(x)
        loss = F.mse_loss(found, y)
        (loss + 1e-4 * uneven).backward()
        optimizer.step()
        return loss

    for _ in demo.steps(iterations, name):
        chosen = demo.rng.integers(len(pixels), size=batch_size)
        demo.log(**{name: step(demo.tensor(pixels[chosen]), demo.tensor(colours[chosen]))})
        schedule.step()
    net.eval()
    return net


def main(demo):
    height, width = (107, 160)
    picture = load_photographs((height, width))[0].transpose(1, 2, 0)
    pixels, colours = features(height, width), np.ascontiguousarray(picture.reshape(-1, 3))
    iterations = 300 if demo.quick else 6000

    nets = {how: Mixture(pixels.shape[1], how) for how in ("straight-through", "Gumbel", "router left as it was")}
    nets["single network"] = Single(pixels.shape[1])
    painted, x = {}, demo.tensor(pixels)
    for name, net in nets.items():
        train(demo, net, name, pixels, colours, iterations)
        with cr.no_grad():
            painted[name] = net(x)[0].numpy()
    quality = {name: decibels(colour, colours) for name, colour in painted.items()}
    with cr.no_grad():
        regions = {name: nets[name].choose(x)[0].argmax(1).numpy() for name in ("straight-through", "Gumbel")}

    others = "; ".join(f"{name}: {quality[name]:.1f}" for name in ("router left as it was", "single network"))
    for name in regions:
        gain = quality[name] - quality["single network"]
        demo.result(f"{name}: signal-to-noise ratio [dB]", quality[name], reference=others)
        demo.result(f"{name}: gain over the single network [dB]", gain, at_least=1.0, reference="as many multiplications")
    share = np.bincount(regions["straight-through"], minlength=EXPERTS) / len(pixels)
    demo.result("straight-through: pixels of the busiest expert", share.max(), reference="1/8 if all had the same")

    figure, axes = plot.subplots(2, 3, (6.4, 3.3))
    others = "single network", "Gumbel", "straight-through"
    shown = {f"{name}: {quality[name]:.1f} dB": np.clip(painted[name], 0, 1) for name in others}
    for ax, (title, image) in zip(axes.flat, {"photograph": picture, **shown}.items()):
        ax.imshow(image.reshape(height, width, 3), interpolation="nearest")
        ax.set_title(title, fontsize=7.5)
    for ax, (name, region) in zip(axes.flat[4:], regions.items()):
        ax.imshow(region.reshape(height, width), cmap="tab10", vmin=0, vmax=9, interpolation="nearest")
        ax.set_title(f"{name}: who paints what", fontsize=7.5)
    for ax in axes.flat:
        ax.set_axis_off()
    demo.figure(figure, caption="The photograph, what the networks make of it, and which of eight experts paints each pixel.")
    curves = {name: demo.curve(name) for name in nets}
    demo.figure(plot.curves(curves, "Square error of each batch", "step", log=True), "mixture_of_experts_loss")
