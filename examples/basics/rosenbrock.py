"""SciPy's optimisers with exact derivatives: Rosenbrock's valley in 30 variables, and a chain that hangs

Differentiated: Rosenbrock's function, and the length of each link of the chain, a constraint, with respect to the places of its
joints. `optim.scipy.minimize` is SciPy's own, to which gradients, products with the Hessian and Jacobians are handed.

Reference: the same methods with SciPy's finite differences, counting how often the functions are called; for the chain, the
catenary that a chain of ever more links tends to.
"""

import numpy as np
from scipy import optimize

from chainrule import optim, plot


def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def joints(inner, span):
    """Places (links + 1, 2) of all joints, of which both ends are held at a height of 0."""
    return np.concatenate([np.zeros((1, 2)), inner.reshape(-1, 2), np.array([[span, 0.0]])])


def hang(minimize, links, span, length):
    """The chain of least potential energy: (places of its joints, error of the links, calls of the functions)."""
    calls = []

    def height(inner):
        calls.append("height")
        places = joints(inner, span)
        return (places[1:, 1] + places[:-1, 1]).sum() / 2

    def stretch(inner):
        calls.append("stretch")
        moves = np.diff(joints(inner, span), axis=0)
        return (moves**2).sum(1) - (length / links) ** 2

    t = np.linspace(0, 1, links + 1)[1:-1]
    start = np.stack([span * t, -2 * t * (1 - t)], 1).ravel()
    inextensible = {"type": "eq", "fun": stretch}
    found = minimize(height, start, method="SLSQP", constraints=inextensible, options={"maxiter": 500, "ftol": 1e-12})
    counted = len(calls)
    return joints(found.x, span), np.abs(stretch(found.x)).max(), counted


def catenary(span, length):
    """The curve of a chain without links: a cosh, whose width has the right length."""
    a = optim.scipy.root(lambda a: 2 * a * np.sinh(span / (2 * a)) - length, span / 2).x
    x = np.linspace(0, span, 201)
    return x, a * (np.cosh((x - span / 2) / a) - np.cosh(span / (2 * a)))


def draw(paths, chain, span, length):
    figure, (valley, hanging) = plot.subplots(1, 2)
    x, y = np.meshgrid(np.linspace(-1.6, 1.6, 200), np.linspace(-0.7, 1.7, 200))
    heights = 100 * (y - x**2) ** 2 + (1 - x) ** 2
    valley.contour(x, y, heights, levels=10.0 ** np.arange(-1, 3.5, 0.5), colors="#bbbbbb", linewidths=0.7)
    for (name, path), color in zip(paths.items(), (plot.BLUE, plot.ORANGE)):
        valley.plot(*np.array(path).T, "o-", markersize=3, linewidth=1, color=color, label=f"{name}, {len(path) - 1} steps")
    valley.set(title="Rosenbrock's valley", xlabel="x", ylabel="y")
    hanging.plot(*catenary(span, length), color=plot.ORANGE, label="catenary")
    hanging.plot(*chain.T, "o-", markersize=3.5, linewidth=1, color=plot.BLUE, label=f"{len(chain) - 1} links")
    hanging.set(title="A chain at rest", xlabel="x", ylabel="height", aspect="equal")
    for axes in (valley, hanging):
        axes.legend()
    return figure


def main(demo):
    variables, starts = (5, 2) if demo.quick else (30, 30)
    options = {"gtol": 1e-9, "maxiter": 2000}
    function = demo.compile(rosenbrock)
    first = demo.rng.uniform(0.5, 1.5, (starts, variables))  # beyond reach of the second minimum, at x[0] = -1
    exact = []
    for i in demo.steps(starts, "start"):
        exact.append(optim.scipy.minimize(function, first[i], method="BFGS", options=options))
        demo.log(calls=exact[-1].nfev)
    differences = [optimize.minimize(rosenbrock, x, method="BFGS", options=options) for x in first[: len(exact)]]

    (calls, error), (peer_calls, peer_error) = (
        (np.mean([r.nfev for r in found]), max(np.abs(r.x - 1).max() for r in found)) for found in (exact, differences)
    )
    demo.result("calls of Rosenbrock's function", calls, at_most=100, reference=f"finite differences: {peer_calls:.0f}")
    demo.result("error of its minimum", error, at_most=1e-7, reference=f"finite differences: {peer_error:.1e}")

    links, span, length = 6 if demo.quick else 24, 2.0, 3.0
    chain, off, calls = hang(optim.scipy.minimize, links, span, length)
    _, peer_off, peer_calls = hang(optimize.minimize, links, span, length)
    demo.result("calls of the chain's functions", calls, at_most=500, reference=f"finite differences: {peer_calls}")
    demo.result("error of its links", off, at_most=1e-10, reference=f"finite differences: {peer_off:.1e}")
    sag, smooth = (-places[:, 1].min() for places in (chain, np.stack(catenary(span, length), 1)))
    demo.result("sag of the chain", sag, at_least=1.0, at_most=1.01, reference=f"catenary: {smooth:.4f}")

    paths = {}
    for method in ("BFGS", "trust-exact"):
        paths[method] = [np.array([-1.2, 1.0])]
        optim.scipy.minimize(rosenbrock, paths[method][0], method=method, callback=paths[method].append)
    caption = "Two ways through Rosenbrock's valley, the second by the Hessian; a chain of links, and the catenary."
    demo.figure(draw(paths, chain, span, length), caption=caption)
