"""Learning to learn: weights from which a gradient step or two fit any sine wave, given ten points of it (MAML)

Differentiated: the error that a network makes on a new sine wave after it has taken a gradient step on ten points of that wave,
with respect to the weights before that step. The step is a gradient too, so that this is a derivative of second order. "First
order" leaves that out, and takes the gradient at the adapted weights as if it were one at the first ones.

Reference: Finn, Abbeel and Levine, "Model-agnostic meta-learning for fast adaptation of deep networks", ICML 2017. The baseline
is a network trained on all waves at once, which then takes the same gradient steps.
"""

import itertools

import numpy as np

import chainrule as cr
from chainrule import optim, plot

WIDTHS, POINTS, RATE = (1, 40, 40, 1), 10, 0.01
TEST_STEPS = 10


def waves(rng, tasks):
    """Points (tasks, 2 * POINTS, 1) of sine waves: the first half to learn from, the second to be judged by."""
    amplitude, phase = rng.uniform(0.1, 5, (tasks, 1, 1)), rng.uniform(0, np.pi, (tasks, 1, 1))
    x = rng.uniform(-5, 5, (tasks, 2 * POINTS, 1))
    return x.astype(np.float32), (amplitude * np.sin(x - phase)).astype(np.float32)


def network(weights, x):
    """x is (tasks, points, 1); weights are shared, or have an axis of tasks in front."""
    *hidden, last = zip(weights[::2], weights[1::2])
    for w, b in hidden:
        x = cr.relu(x @ w + b)
    return x @ last[0] + last[1]


def errors(weights, x, y):
    return ((network(weights, x) - y) ** 2).mean(dim=(1, 2))  # of each task


def adapt(weights, x, y, second_order):
    """Weights of each task after a gradient step on its points."""
    own = [w.expand(len(x), *w.shape[-2:]) for w in weights]
    # Tasks do not mix, so that the gradient of the sum has that of each task.
    gradients = cr.autograd.grad(errors(own, x, y).sum(), own, create_graph=second_order)
    return [w - RATE * g for w, g in zip(own, gradients)]


def train(demo, name, iterations, tasks=16):
    """Weights trained for how a network does after a step ("second order", "first order") or before ("no meta-learning")."""
    weights = []
    for inputs, outputs in itertools.pairwise(WIDTHS):
        drawn = demo.rng.uniform(-1, 1, (inputs + 1, outputs)) / np.sqrt(inputs)
        weights += [demo.tensor(w.astype(np.float32)).requires_grad_() for w in (drawn[1:], drawn[:1])]
    optimizer = optim.Adam(weights, lr=2e-3)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=iterations)

    @demo.compile
    def step(x, y):
        optimizer.zero_grad()
        own = weights
        if name != "no meta-learning":
            own = adapt(weights, x[:, :POINTS], y[:, :POINTS], second_order=name == "second order")
        loss = errors(own, x[:, POINTS:], y[:, POINTS:]).mean()
        loss.backward()
        optimizer.step()
        return loss

    for _ in demo.steps(iterations, name):
        x, y = waves(demo.rng, tasks)
        demo.log(**{name: step(demo.tensor(x), demo.tensor(y))})
        schedule.step()
    return weights


def main(demo):
    iterations = 30 if demo.quick else 20000
    kinds = "second order", "first order", "no meta-learning"
    trained = {kind: train(demo, kind, iterations) for kind in kinds}

    x, y = (demo.tensor(v) for v in waves(np.random.default_rng(1000), 500))
    line = demo.tensor(np.linspace(-5, 5, 200, dtype=np.float32)[:, None])
    curves, drawn = {}, {}
    for kind, weights in trained.items():
        curves[kind], drawn[kind] = [], []
        for _ in range(TEST_STEPS + 1):
            curves[kind].append(errors(weights, x[:, POINTS:], y[:, POINTS:]).mean().item())
            drawn[kind].append(network([w[:1] if w.ndim == 3 else w for w in weights], line[None]).detach().numpy()[0, :, 0])
            weights = [w.detach().requires_grad_() for w in adapt(weights, x[:, :POINTS], y[:, :POINTS], second_order=False)]

    others = "; ".join(f"{kind}: {curves[kind][1]:.2f}" for kind in kinds[1:])
    demo.result("mean square error after one step", curves[kinds[0]][1], at_most=0.8, reference=others)
    others = "; ".join(f"{kind}: {curves[kind][-1]:.2f}" for kind in kinds[1:])
    demo.result("mean square error after ten steps", curves[kinds[0]][-1], at_most=0.4, reference=others)
    points = x.numpy()[0, :POINTS, 0], y.numpy()[0, :POINTS, 0]
    demo.figure(
        picture(line.numpy()[:, 0], drawn, points),
        caption="A new wave: before it is seen, after one gradient step on ten points, after ten steps.",
    )
    steps = np.arange(TEST_STEPS + 1)
    figure = plot.curves(
        {k: (steps, v) for k, v in curves.items()}, "Error on 500 new waves", "gradient steps", "mean square error", log=True
    )
    demo.figure(figure, "maml_steps")


def picture(line, drawn, points):
    figure, axes = plot.subplots(1, len(drawn), (11, 3.2))
    for ax, (name, curves) in zip(axes, drawn.items()):
        for steps, color, style in ((0, "#999999", ":"), (1, plot.ORANGE, "--"), (TEST_STEPS, plot.BLUE, "-")):
            label = {0: "before", 1: "after 1 step"}.get(steps, f"after {steps}")
            ax.plot(line, curves[steps], style, color=color, label=label)
        ax.plot(*points, "o", color="#333333", markersize=4.5, label="points given")
        ax.set(title=name, ylim=(-6, 7.5))
    axes[0].legend(ncols=2, loc="upper center", fontsize=8.5)
    return figure
