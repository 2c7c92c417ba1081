"""Logistic regression diagnoses breast cancer (569 biopsies): gradient descent and Newton's method

Differentiated: the cross entropy of benign and malignant and a penalty on the squared weights, with respect to the weights of
thirty measurements and a bias; twice, for Newton's method.

Reference: the optimum of the same function by scikit-learn.
"""

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.nn import functional as F


def newton(x, y, steps):
    """Newton's method from zero: the weights and bias after each step."""

    def loss(w):
        scores = x @ w[:-1] + w[-1]
        return (np.logaddexp(0, scores) - y * scores).sum() + (w[:-1] ** 2).sum() / 2

    derivatives = cr.compile(lambda w: (cr.grad(loss)(w), cr.hessian(loss)(w)))
    w, path = np.zeros(x.shape[1] + 1), []
    for _ in range(steps):
        slope, curvature = derivatives(w)
        w = w - np.linalg.solve(curvature, slope)
        path.append(w)
    return np.array(path)


def draw_weights(names, found, optimum, most=15):
    """The largest weights."""
    chosen = np.argsort(-np.abs(optimum))[:most]
    figure, axes = plot.subplots(size=(6.8, 4.4))
    axes.barh(np.arange(most) - 0.2, optimum[chosen], 0.38, color=plot.ORANGE, label="scikit-learn")
    axes.barh(np.arange(most) + 0.2, found[chosen], 0.38, color=plot.BLUE, label="Newton's method")
    axes.set_yticks(range(most), [names[i] for i in chosen])
    axes.invert_yaxis()
    axes.set(title="The largest weights", xlabel="log odds of a benign one, for a standard deviation")
    axes.legend()
    return figure


def main(demo):
    datasets, linear = demo.needs("sklearn.datasets", "sklearn.linear_model")
    data = datasets.load_breast_cancer()
    x, y = (data.data - data.data.mean(0)) / data.data.std(0), data.target.astype(float)
    peer = linear.LogisticRegression(solver="newton-cholesky", tol=1e-12).fit(x, y)  # minimises the same sum: C is 1
    optimum = np.append(peer.coef_, peer.intercept_)

    model = nn.Linear(x.shape[1], 1, dtype=cr.float64)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    curvature = np.linalg.eigvalsh(x.T @ x)[-1] / 4 + 1  # the most that the function can have
    optimizer = optim.SGD(model.parameters(), lr=1 / curvature, momentum=0.98, nesterov=True)

    @demo.compile
    def step(x, y):
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(model(x)[:, 0], y, reduction="sum") + (model.weight**2).sum() / 2
        loss.backward()
        optimizer.step()
        return loss

    samples, labels, path = demo.tensor(x), demo.tensor(y), []
    for _ in demo.steps(50 if demo.quick else 2000):
        demo.log(loss=step(samples, labels))
        path.append(np.append(model.weight.detach().numpy(), model.bias.detach().numpy()))
    paths = {
        "gradient descent with Nesterov's momentum": np.array(path),
        "Newton's method": newton(x, y, 3 if demo.quick else 9),
    }

    distances = {name: np.linalg.norm(path - optimum, axis=1) / np.linalg.norm(optimum) for name, path in paths.items()}
    for name, found in distances.items():
        demo.result(f"distance from the optimum, {name}", found[-1], at_most=1e-8, reference=f"first step: {found[0]:.2f}")
    found = paths["Newton's method"][-1]
    accuracy = ((x @ found[:-1] + found[-1] > 0) == y).mean()
    demo.result("accuracy on these samples", accuracy, at_least=0.98, reference=f"scikit-learn: {peer.score(x, y):.4f}")

    lines = {name: np.maximum(d, 1e-16) for name, d in distances.items()}
    figure = plot.curves(lines, "Distance of the weights from scikit-learn's", "step", "relative distance", log=True, smooth=1)
    figure.axes[0].set_xscale("log")
    demo.figure(figure, caption="How far the weights are from the optimum, step by step.")
    demo.figure(draw_weights(data.feature_names, found[:-1], optimum[:-1]), "logistic_regression_weights")
