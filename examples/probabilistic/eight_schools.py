"""A hierarchical model (coaching in eight schools) by NUTS: a funnel, and the change of variables that removes it

Differentiated: the log posterior of a common effect, its spread between schools (as its logarithm) and the effect in each
school, with respect to these ten numbers, once for every step of the sampler (package nutpie). Where the spread is small, the
schools' effects must be nearly equal: a funnel, whose neck a sampler with one step size for all of it does not enter. Not
centred, the schools' deviations are multiples of the spread, and the same posterior has no neck.

Reference: moments by quadrature, exact for given spread; errors in units of the posterior's standard deviations, the worst of
ten numbers. Rubin, "Estimation in parallel randomized experiments", Journal of Educational Statistics 6 (1981); Betancourt
and Girolami, "Hamiltonian Monte Carlo for hierarchical models", arXiv:1312.0906 (2013).
"""

import warnings

import numpy as np

import chainrule as cr
from chainrule import plot

EFFECT = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])  # points gained on a test, as estimated in each school
ERROR = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])  # and its standard error
COMMON, SPREAD = 5.0, 5.0  # priors: Normal(0, COMMON) of the common effect, half Cauchy(SPREAD) of the spread
NAMES = ["common effect", "log spread", *(f"school {c}" for c in "ABCDEFGH")]


def log_prior(common, log_spread):
    spread = cr.exp(log_spread)
    return -(common**2) / (2 * COMMON**2) - cr.log1p((spread / SPREAD) ** 2) + log_spread  # the last: d spread / d log spread


def log_likelihood(schools, data):
    effect, error = data
    return -(((effect - schools) / error) ** 2).sum() / 2


def centred(x, data):
    """The log posterior at the common effect, the logarithm of the spread, and the effects in the schools."""
    common, log_spread, schools = x[0], x[1], x[2:]
    deviations = (schools - common) * cr.exp(-log_spread)
    return log_prior(common, log_spread) - (deviations**2).sum() / 2 - 8 * log_spread + log_likelihood(schools, data)


def not_centred(x, data):
    """The same, where schools are given by their deviations from the common effect, in units of the spread."""
    common, log_spread, deviations = x[0], x[1], x[2:]
    schools = common + cr.exp(log_spread) * deviations
    return log_prior(common, log_spread) - (deviations**2).sum() / 2 + log_likelihood(schools, data)


def sample(demo, nutpie, log_posterior, name):
    """Draws (n, 10), and how many of the sampler's paths went astray."""
    data = demo.tensor(EFFECT), demo.tensor(ERROR)

    @demo.compile
    def value_and_gradient(x):
        x = x.detach().requires_grad_()
        value = log_posterior(x, data)
        return value.detach(), cr.autograd.grad(value, [x])[0]

    def numbers(x):
        value, gradient = value_and_gradient(demo.tensor(x))
        return float(value), gradient.numpy()

    numbers(np.zeros(10))  # compiles it, before a thread of the sampler calls it
    model = nutpie.compiled_pyfunc.from_pyfunc(
        10,
        make_logp_fn=lambda: numbers,
        make_expand_fn=lambda *seeds: lambda x: {"x": x},
        expanded_dtypes=["float64"],
        expanded_shapes=[(10,)],
        expanded_names=["x"],
    )
    settings = {"draws": 100, "tune": 100} if demo.quick else {"draws": 1250, "tune": 500}
    draws, astray = [], 0
    for chain in demo.steps(2 if demo.quick else 8, f"chain, {name}"):
        seed = 100 * demo.seed + chain + 1
        trace = nutpie.sample(model, chains=1, cores=1, seed=seed, target_accept=0.9, progress_bar=False, **settings)
        draws.append(trace.posterior["x"].values[0])
        astray += int(trace.sample_stats["diverging"].values.sum())
    return np.concatenate(draws), astray


def given_spread(log_spread):
    """Log density of the logarithms of spreads (n,), and mean and variance of the common effect and of schools: (n, 9)."""
    t2 = np.exp(2 * log_spread)[:, None]
    total = ERROR**2 + t2
    variance = 1 / (1 / COMMON**2 + (1 / total).sum(1))
    mean = variance * (EFFECT / total).sum(1)
    density = log_spread - np.log1p(t2[:, 0] / SPREAD**2) - mean**2 / (2 * COMMON**2) + np.log(variance) / 2
    density -= ((EFFECT - mean[:, None]) ** 2 / total + np.log(total)).sum(1) / 2
    kept = t2 / total  # of what a school says about itself; the rest comes from the others
    means = np.concatenate([mean[:, None], kept * EFFECT + (1 - kept) * mean[:, None]], 1)
    variances = np.concatenate([variance[:, None], kept * ERROR**2 + (1 - kept) ** 2 * variance[:, None]], 1)
    return density, means, variances


def quadrature():
    """Mean and standard deviation of the ten numbers: sums over 20,000 spreads."""
    u = np.linspace(-15, 8, 20_001)
    density, means, variances = given_spread(u)
    p = np.exp(density - density.max())
    p /= p.sum()
    mean = p @ means
    sd = np.sqrt(p @ (variances + (means - mean) ** 2))
    return np.insert(mean, 1, p @ u), np.insert(sd, 1, np.sqrt(p @ (u - p @ u) ** 2))


def main(demo):
    with warnings.catch_warnings(action="ignore"):  # a package that nutpie imports announces its next version
        nutpie, _ = demo.needs("nutpie", "nutpie.compiled_pyfunc")
    straight, strays = sample(demo, nutpie, not_centred, "not centred")
    funnel, funnel_strays = sample(demo, nutpie, centred, "centred")
    straight[:, 2:] = straight[:, :1] + np.exp(straight[:, 1:2]) * straight[:, 2:]  # deviations become effects

    mean, sd = quadrature()
    off, off_funnel = ((np.abs(x.mean(0) - mean) / sd).max() for x in (straight, funnel))
    wrong, wrong_funnel = (np.abs(x.std(0) / sd - 1).max() for x in (straight, funnel))
    centred_too = f"with {funnel_strays} divergent paths, not centred {strays}"
    demo.result("error of means", off, at_most=0.1, reference=f"centred: {off_funnel:.2g}, {centred_too}")
    demo.result("error of standard deviations", wrong, at_most=0.1, reference=f"centred: {wrong_funnel:.2g}")
    lines = [f"{'':15}{'quadrature':>18}{'not centred':>18}{'centred':>18}"]
    for i, name in enumerate(NAMES):
        columns = [(mean[i], sd[i]), *((x[:, i].mean(), x[:, i].std()) for x in (straight, funnel))]
        lines.append(f"{name:15}" + "".join(f"{f'{m:.2f} +- {s:.2f}':>18}" for m, s in columns))
    demo.text("\n".join(lines), caption="Posterior mean and standard deviation of each number.")

    figure, axes = plot.subplots(1, 3, size=(12, 4))
    u, school = np.linspace(-4, 4, 200), np.linspace(-22, 42, 200)
    density, means, variances = given_spread(u)
    at_school = np.exp(density - density.max())[:, None] * np.exp(-((school - means[:, 1:2]) ** 2) / (2 * variances[:, 1:2]))
    at_school /= np.sqrt(variances[:, 1:2])
    levels = np.sort(at_school.ravel())
    levels = [levels[np.searchsorted(np.cumsum(levels), (1 - part) * levels.sum())] for part in (0.99, 0.9, 0.5)]
    for a, draws, title in zip(axes, (funnel, straight), ("Centred", "Not centred"), strict=False):
        a.plot(draws[::4, 2], draws[::4, 1], ".", color=plot.BLUE, markersize=2, alpha=0.5, label="draws of NUTS")
        a.contour(school, u, at_school, levels=levels, colors="black", linewidths=1)
        a.plot([], [], color="black", linewidth=1, label="holds 50, 90, 99 % (quadrature)")
        a.set(title=title, xlabel="effect in school A", ylabel="logarithm of the spread", xlim=(-22, 42), ylim=(-4, 4.8))
        a.legend(loc="upper left", fontsize=8)
    for draws, name, color in ((funnel, "centred", plot.ORANGE), (straight, "not centred", plot.BLUE)):
        axes[2].hist(draws[:, 1], bins=np.linspace(-4, 4, 41), density=True, histtype="step", color=color, label=name)
    exact = np.exp(density - density.max())
    axes[2].plot(u, exact / np.trapezoid(exact, u), color="black", linewidth=1, label="quadrature")
    axes[2].set(title="How likely each spread is", xlabel="logarithm of the spread", ylabel="density")
    axes[2].legend(loc="upper left", fontsize=8)
    caption = "Down the funnel, schools agree. Centred, the sampler misses the neck; not centred, it goes where it should."
    demo.figure(figure, caption=caption)
