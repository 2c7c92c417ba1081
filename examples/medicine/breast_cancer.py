"""Breast cancer is diagnosed by a small network (569 biopsies); a temperature calibrates its probabilities

Differentiated: the cross entropy with respect to the weights of ten networks at once, each for its own split of the data; then,
on patients kept for that, with respect to the temperature that divides the scores, twice, for Newton's method.

Reference: Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017; accuracy against that of
logistic regression (scikit-learn) on the same splits.
"""

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.nn import functional as F


class Networks(nn.Module):
    """Networks with two hidden layers, one for each split; all run as one batched product."""

    def __init__(self, splits, inputs, width):
        super().__init__()
        sizes = [(inputs, width), (width, width), (width, 1)]
        self.weights = nn.ParameterList([nn.Parameter(cr.randn(splits, m, n) * (2 / m) ** 0.5) for m, n in sizes])
        self.biases = nn.ParameterList([nn.Parameter(cr.zeros(splits, 1, n)) for _, n in sizes])

    def forward(self, x):
        """Log odds (splits, samples) of cancer."""
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases)):
            x = x @ weight + bias
            x = F.relu(x) if i < 2 else x
        return x[:, :, 0]


def cross_entropy(log_odds, truth):
    """Mean of -log of the probability that was given to what was true."""
    return np.mean(np.logaddexp(0, log_odds) - truth * log_odds)


def fit_temperature(log_odds, truth):
    """The temperature that makes the scores most probable: Newton's method on its logarithm."""

    def loss(log_temperature):
        return cross_entropy(log_odds * np.exp(-log_temperature), truth)

    slope, curvature = cr.grad(loss), cr.grad(cr.grad(loss))
    t = 0.0
    for _ in range(20):
        change = slope(t) / max(curvature(t), 1e-3)
        t -= np.clip(change, -1, 1)
    return np.exp(t)


def calibration(log_odds, truth, bins=10):
    """Expected calibration error: how far the share that is right lies from the confidence, over bins of equal size."""
    confidence, right = 1 / (1 + np.exp(-np.abs(log_odds))), (log_odds > 0) == truth
    parts = np.array_split(np.argsort(confidence, kind="stable"), bins)
    return sum(abs((confidence[p] - right[p]).sum()) for p in parts) / len(truth)


def interval(right, n):
    """Wilson's interval: which shares are compatible with `right` of `n`, to one standard deviation."""
    middle, half = (right + 0.5) / (n + 1), np.sqrt(right * (n - right) / n + 0.25) / (n + 1)
    return middle - half, middle + half


def draw(scores, truth):
    """Reliability diagram, and the patients for whom the truth was thought least probable."""
    figure, (left, right) = plot.subplots(1, 2)
    left.plot([0, 1], [0, 1], color="#999999", linewidth=1, linestyle="--")
    for (name, log_odds), color, move in zip(scores.items(), (plot.ORANGE, plot.BLUE), (-0.006, 0.006)):
        p = 1 / (1 + np.exp(-log_odds))
        which = np.digitize(p, [0.02, 0.1, 0.3, 0.7, 0.9, 0.98])
        for k in np.unique(which):
            chosen = which == k
            share = truth[chosen].mean()
            label = name if k == which.min() else None
            left.plot(p[chosen].mean() + move, share, "o", color=color, markersize=2 + chosen.sum() ** 0.4, label=label)
            left.vlines(p[chosen].mean() + move, *interval(truth[chosen].sum(), chosen.sum()), color=color)
        right.semilogy(np.sort(np.where(truth, p, 1 - p))[:50], color=color, label=name)
    left.set(title="Reliability", xlabel="probability of cancer, as predicted", ylabel="share that has cancer")
    right.set(title="Probability given to the truth", xlabel="patients, the worst first")
    for axes in (left, right):
        axes.legend(markerscale=0.5)
    return figure


def main(demo):
    datasets, linear = demo.needs("sklearn.datasets", "sklearn.linear_model")
    x, benign = datasets.load_breast_cancer(return_X_y=True)
    truth = 1 - benign
    splits, steps = 10, 20 if demo.quick else 300
    order = demo.rng.permutation(len(truth))
    order = order[np.argsort(truth[order], kind="stable")]  # so that each fold has its share of cancers
    fold = np.empty(len(truth), int)
    fold[order] = np.arange(len(truth)) % splits
    behind = (fold - np.arange(splits)[:, None]) % splits  # split i tests i, calibrates on the next two, learns from others
    tests, calibrates, learns = behind == 0, (behind == 1) | (behind == 2), behind > 2
    x = np.stack([(x - x[chosen].mean(0)) / x[chosen].std(0) for chosen in learns]).astype(np.float32)

    networks = Networks(splits, x.shape[2], width=32)
    optimizer = optim.Adam(networks.parameters(), lr=0.01)
    patients, wanted = demo.tensor(x), demo.tensor(np.tile(truth, (splits, 1)).astype(np.float32))
    share = demo.tensor((learns / learns.sum(1, keepdims=True)).astype(np.float32))

    @demo.compile
    def step():
        optimizer.zero_grad()
        losses = F.binary_cross_entropy_with_logits(networks(patients), wanted, reduction="none")
        loss = (losses * share).sum()
        loss.backward()
        optimizer.step()
        return loss

    for _ in demo.steps(steps):
        demo.log(loss=step() / splits)

    with cr.no_grad():
        log_odds = networks(patients).numpy().astype(float)
    raw, calibrated, peer, temperatures = np.empty(len(truth)), np.empty(len(truth)), np.empty(len(truth)), []
    for i in range(splits):
        temperatures.append(fit_temperature(log_odds[i, calibrates[i]], truth[calibrates[i]]))
        raw[tests[i]] = log_odds[i, tests[i]]
        calibrated[tests[i]] = raw[tests[i]] / temperatures[i]
        model = linear.LogisticRegression().fit(x[i, ~tests[i]], truth[~tests[i]])
        peer[tests[i]] = model.decision_function(x[i, tests[i]])
    accuracy, regression = (((scores > 0) == truth).mean() for scores in (raw, peer))
    demo.result("cross-validated accuracy", accuracy, at_least=0.96, reference=f"logistic regression: {regression:.3f}")
    before, after = (calibration(scores, truth) for scores in (raw, calibrated))
    demo.result("expected calibration error", after, at_most=0.025, reference=f"before temperature scaling: {before:.3f}")
    before, after = (cross_entropy(scores, truth) for scores in (raw, calibrated))
    demo.result("cross entropy", after, at_most=0.15, reference=f"before temperature scaling: {before:.3f}")
    print(f"temperatures: {', '.join(f'{t:.1f}' for t in temperatures)}")
    caption = "How often those have cancer to whom a probability was given, and how improbable the truth seemed at worst."
    demo.figure(draw({"as trained": raw, "calibrated": calibrated}, truth), caption=caption)
