"""Linear regression foretells diabetes (442 patients): gradient descent, momentum, and Newton's single step

Differentiated: the mean squared error with respect to the weights of ten measurements and a bias; twice, for Newton's method.
The measurements depend on one another, so the error is a long narrow valley: its curvatures differ by a factor of 500.

Reference: the optimum by scikit-learn, through a singular value decomposition.
"""

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.nn import functional as F


def descend(demo, x, y, steps, lr, momentum, name):
    """Weights and bias after each step of gradient descent, as one vector."""
    model = nn.Linear(x.shape[1], 1, dtype=cr.float64)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    optimizer = optim.SGD(model.parameters(), lr=lr, momentum=momentum)

    @demo.compile
    def step(x, y):
        optimizer.zero_grad()
        loss = F.mse_loss(model(x)[:, 0], y)
        loss.backward()
        optimizer.step()
        return loss

    x, y, path = demo.tensor(x), demo.tensor(y), []
    for _ in demo.steps(steps, name):
        demo.log(loss=step(x, y))
        path.append(np.append(model.weight.detach().numpy(), model.bias.detach().numpy()))
    return np.array(path)


def newton(x, y):
    """From zero to the minimum in one step, since the error is quadratic."""

    def error(w):
        return ((x @ w[:-1] + w[-1] - y) ** 2).mean()

    start = np.zeros(x.shape[1] + 1)
    return start - np.linalg.solve(cr.hessian(error)(start), cr.grad(error)(start))


def draw_weights(names, found, optimum):
    figure, axes = plot.subplots(size=(6.4, 3.8))
    axes.barh(np.arange(len(names)) - 0.2, optimum, 0.38, color=plot.ORANGE, label="scikit-learn")
    axes.barh(np.arange(len(names)) + 0.2, found, 0.38, color=plot.BLUE, label="gradient descent with momentum")
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set(title="What a standard deviation of each measurement adds", xlabel="progression of diabetes after a year")
    axes.legend()
    return figure


def main(demo):
    datasets, linear = demo.needs("sklearn.datasets", "sklearn.linear_model")
    data = datasets.load_diabetes(scaled=False)
    x, y = (data.data - data.data.mean(0)) / data.data.std(0), data.target
    model = linear.LinearRegression().fit(x, y)
    optimum = np.append(model.coef_, model.intercept_)

    # The best rate and momentum for a quadratic follow from its largest and its smallest curvature.
    high, low = (2 * np.linalg.eigvalsh(x.T @ x / len(x)))[[-1, 0]]
    fast = {"lr": 4 / (high**0.5 + low**0.5) ** 2, "momentum": ((high**0.5 - low**0.5) / (high**0.5 + low**0.5)) ** 2}
    steps = 50 if demo.quick else 1000
    paths = {"with momentum": descend(demo, x, y, steps, **fast, name="with momentum")}
    paths["plain"] = descend(demo, x, y, steps, lr=2 / (high + low), momentum=0.0, name="plain")
    by_newton = newton(x, y)

    def distance(w):
        return np.linalg.norm(w - optimum, axis=-1) / np.linalg.norm(optimum)

    plain = f"without momentum: {distance(paths['plain'][-1]):.1e}"
    demo.result(
        "distance of the weights from the optimum", distance(paths["with momentum"][-1]), at_most=1e-10, reference=plain
    )
    demo.result("distance after one step of Newton's method", distance(by_newton), at_most=1e-12, reference="the start: 1")
    explained = 1 - ((x @ by_newton[:-1] + by_newton[-1] - y) ** 2).mean() / y.var()
    demo.result("explained variance", explained, at_least=0.51, reference=f"scikit-learn: {model.score(x, y):.4f}")

    from_start = {name: [1.0, *distance(path)] for name, path in paths.items()} | {"Newton": [1.0, distance(by_newton)]}
    lines = {name: (np.arange(len(d)), np.maximum(d, 1e-16)) for name, d in from_start.items()}
    figure = plot.curves(lines, "Distance of the weights from the optimum", "step", "relative distance", log=True, smooth=1)
    figure.axes[0].set_xscale("symlog", linthresh=1)
    demo.figure(figure, caption="How far the weights are from the optimum, step by step.")
    demo.figure(draw_weights(data.feature_names, paths["with momentum"][-1][:-1], optimum[:-1]), "linear_regression_weights")
