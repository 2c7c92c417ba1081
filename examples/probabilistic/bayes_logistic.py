"""Bayesian logistic regression (breast cancer) by variational inference and NUTS, checked by importance sampling

Differentiated: twice the same model. Variational inference draws weights from a Gaussian as mean + scale @ noise and follows
the gradient of the evidence bound with respect to mean and scale; NUTS (package nutpie) walks along the gradient of the log
posterior with respect to the weights, which is one compiled function.

Reference: the posterior by importance sampling from a Student t around the mode (no gradients of samples; effective sample
size stated). Errors are in units of its standard deviations: of means, and of standard deviations relative to it, the worst
of 11 weights. Kucukelbir, Tran, Ranganath, Gelman and Blei, "Automatic differentiation variational inference", JMLR 18
(2017).
"""

import warnings

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.nn import functional as F

PRIOR = 2.5  # standard deviation of each weight, for inputs of unit variance
SAMPLES = 16


class Gaussian(nn.Module):
    """A distribution of weights; where it is not `full`, each is independent of the others."""

    def __init__(self, size, full):
        super().__init__()
        self.mean = nn.Parameter(cr.zeros(size, dtype=cr.float32))
        self.log_sd = nn.Parameter(cr.full((size,), -1.0, dtype=cr.float32))
        self.below = nn.Parameter(cr.zeros(size, size, dtype=cr.float32)) if full else None

    def scale(self):
        diagonal = cr.diag(cr.exp(self.log_sd))
        return diagonal if self.below is None else diagonal + cr.tril(self.below, -1)

    def forward(self, n):
        return self.mean + cr.randn(n, len(self.mean), dtype=cr.float32) @ self.scale().T

    def moments(self):
        scale = self.scale().detach().numpy()
        return self.mean.detach().numpy(), scale @ scale.T


def fitted(demo, x, signs, full):
    """The Gaussian of the largest evidence bound."""
    q = Gaussian(x.shape[1], full)
    x, signs = demo.tensor(x.astype(np.float32)), demo.tensor(signs.astype(np.float32))
    iterations = 50 if demo.quick else 6000
    optimizer = optim.Adam(q.parameters(), lr=0.1)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=iterations)

    @demo.compile
    def step():
        optimizer.zero_grad()
        w = q(SAMPLES)
        log_joint = F.logsigmoid(signs * (w @ x.T)).sum(1) - (w**2).sum(1) / (2 * PRIOR**2)
        loss = -log_joint.mean() - q.log_sd.sum()  # the second: the entropy of q, but for a constant
        loss.backward()
        optimizer.step()
        return loss

    name = "full" if full else "independent"
    for _ in demo.steps(iterations):
        demo.log(**{name: step()})
        schedule.step()
    return q


def nuts(demo, nutpie, value_and_gradient, size):
    """Draws (n, size) of the No-U-Turn sampler."""
    value_and_gradient(np.zeros(size))  # compiles it, before threads call it
    model = nutpie.compiled_pyfunc.from_pyfunc(
        size,
        make_logp_fn=lambda: value_and_gradient,
        make_expand_fn=lambda *seeds: lambda w: {"w": w},
        expanded_dtypes=["float64"],
        expanded_shapes=[(size,)],
        expanded_names=["w"],
    )
    settings = {"draws": 100, "tune": 100} if demo.quick else {"draws": 2000, "tune": 500}
    trace = nutpie.sample(model, chains=4, cores=1, seed=demo.seed + 1, progress_bar=False, **settings)
    return trace.posterior["w"].values.reshape(-1, size)


def laplace(log_posterior, size):
    """The mode, and the inverse of the curvature there."""
    mode = optim.scipy.minimize(lambda w: -log_posterior(w), np.zeros(size), method="BFGS", options={"gtol": 1e-8}).x
    return mode, np.linalg.inv(-cr.hessian(log_posterior)(mode))


def importance_sampling(demo, x, signs, mode, covariance, n, freedom=8):
    """Mean and covariance of the posterior, and the effective number of samples."""
    size, parts = len(mode), 20
    log_weights, draws = [], []
    for _ in range(parts):
        z = demo.rng.normal(size=(n // parts, size)) / np.sqrt(demo.rng.chisquare(freedom, (n // parts, 1)) / freedom)
        w = mode + z @ np.linalg.cholesky(covariance).T
        log_joint = -np.logaddexp(0, -signs * (w @ x.T)).sum(1) - (w**2).sum(1) / (2 * PRIOR**2)
        log_weights.append(log_joint + (freedom + size) / 2 * np.log1p((z**2).sum(1) / freedom))
        draws.append(w)
    log_weights, draws = np.concatenate(log_weights), np.concatenate(draws)
    weights = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()
    mean = weights @ draws
    return (mean, (draws - mean).T @ (weights[:, None] * (draws - mean))), 1 / (weights**2).sum()


def main(demo):
    with warnings.catch_warnings(action="ignore"):  # a package that nutpie imports announces its next version
        nutpie, _, _, datasets = demo.needs("nutpie", "nutpie.compiled_pyfunc", "sklearn", "sklearn.datasets")
    data = datasets.load_breast_cancer()
    names = ["constant", *(n.removeprefix("mean ") for n in data.feature_names[:10])]
    x = data.data[:, :10]
    x = np.concatenate([np.ones((len(x), 1)), (x - x.mean(0)) / x.std(0)], 1)
    signs = 1.0 - 2 * data.target  # 1: malignant, -1: benign

    def log_posterior(w):
        return F.logsigmoid(signs * (x @ w)).sum() - (w**2).sum() / (2 * PRIOR**2)

    found = {}
    found["variational, full"] = fitted(demo, x, signs, full=True).moments()
    found["variational, independent"] = fitted(demo, x, signs, full=False).moments()
    draws = nuts(demo, nutpie, demo.compile(cr.value_and_grad(log_posterior)), len(names))
    found["NUTS"] = draws.mean(0), np.cov(draws.T)
    found["Laplace"] = laplace(log_posterior, len(names))
    truth, effective = importance_sampling(demo, x, signs, *found["Laplace"], 2000 if demo.quick else 200_000)
    sd = np.sqrt(np.diag(truth[1]))
    off = {k: (np.abs(mean - truth[0]) / sd).max() for k, (mean, _) in found.items()}
    wrong = {k: np.abs(np.sqrt(np.diag(covariance)) / sd - 1).max() for k, (_, covariance) in found.items()}
    reference = f"independent: {{:.2g}}, Laplace's approximation: {{:.2g}}; truth from {effective:,.0f} effective samples"
    for method, bound in (("variational, full", 0.1), ("NUTS", 0.1)):
        for what, error in (("means", off), ("standard deviations", wrong)):
            others = reference.format(error["variational, independent"], error["Laplace"])
            demo.result(f"{method}: error of {what}", error[method], at_most=bound, reference=others)

    figure, (marginals, joint) = plot.subplots(1, 2, size=(10.5, 4.6))
    places = np.arange(len(names))
    styles = [("importance sampling", truth, "black"), *((k, found[k], c) for k, c in zip(found, plot.COLORS))]
    for k, (name, (mean, covariance), color) in enumerate(styles):
        marginals.errorbar(
            mean, places + 0.15 * (k - 2), xerr=2 * np.sqrt(np.diag(covariance)), fmt="o", color=color, ms=3, label=name
        )
    marginals.set_yticks(places, names)
    marginals.invert_yaxis()
    marginals.set(title="Weights: mean and two standard deviations", xlabel="log odds of malignancy per standard deviation")
    i, j = names.index("radius"), names.index("perimeter")
    joint.plot(draws[::8, i], draws[::8, j], ".", color="#b9b9b9", markersize=3, label="draws of NUTS")
    turn = np.linspace(0, 2 * np.pi, 100)
    for name, (mean, covariance), color in styles:
        if name != "NUTS":
            edge = 2 * np.linalg.cholesky(covariance[np.ix_([i, j], [i, j])]) @ [np.cos(turn), np.sin(turn)]
            joint.plot(mean[i] + edge[0], mean[j] + edge[1], color=color, label=name)
    joint.set(title="Two weights that stand in for each other", xlabel="radius", ylabel="perimeter")
    handles = figure.axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=len(styles), fontsize=8.5)
    demo.figure(figure, caption="The posterior of the weights by five methods; ellipses are two standard deviations.")
