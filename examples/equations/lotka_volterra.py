"""Hares and lynxes of Hudson Bay, 1900 to 1920: Lotka and Volterra's equations fitted to the record, with standard errors

Differentiated: the 42 logarithms of both numbers that a solver (Runge and Kutta's) predicts, with respect to the logarithms of
the four rates and the two first numbers. Forward mode carries these sensitivities through the solver; they give the steps of
the fit (Levenberg and Marquardt's method) and, at its end, standard errors. Whether these can be trusted is found out by
fitting 200 simulated records, all at the same time (`vmap` of the whole fit).

Reference: Carpenter, "Predator-prey population dynamics: the Lotka-Volterra model in Stan" (2018), whose posterior means of the
rates are 0.55, 0.028, 0.80 and 0.024. The record: pelts taken by the Hudson's Bay Company, in thousands (Howard 2009).
"""

import numpy as np

import chainrule as cr
from chainrule import plot

HARES = [
    30.0,
    47.2,
    70.2,
    77.4,
    36.3,
    20.6,
    18.1,
    21.4,
    22.0,
    25.4,
    27.1,
    40.3,
    57.0,
    76.6,
    52.3,
    19.5,
    11.2,
    7.6,
    14.6,
    16.2,
    24.7,
]
LYNXES = [4.0, 6.1, 9.8, 35.2, 59.4, 41.7, 19.0, 13.0, 8.3, 9.1, 7.4, 8.0, 12.3, 19.5, 45.7, 51.1, 29.7, 15.8, 9.7, 10.1, 8.6]
NAMES = "growth of hares", "hares eaten by a lynx", "death of lynxes", "lynxes born per hare", "hares in 1900", "lynxes in 1900"
STAN = 0.55, 0.028, 0.80, 0.024
PER_YEAR = 20  # steps of the solver


def slope(state, rates):
    """Change of the logarithms of both numbers: log hares' = a - b lynxes, log lynxes' = d hares - c."""
    a, b, c, d = rates[0], rates[1], rates[2], rates[3]
    hares, lynxes = cr.exp(state[0]), cr.exp(state[1])
    return cr.stack([a - b * lynxes, d * hares - c])


def solve(p, years=21, per_year=PER_YEAR, keep=1):
    """Logarithms of both numbers, `keep` times a year, for log parameters p."""
    rates, h = cr.exp(p[:4]), 1 / per_year

    def step(_, state):
        k1 = slope(state, rates)
        k2 = slope(state + h / 2 * k1, rates)
        k3 = slope(state + h / 2 * k2, rates)
        k4 = slope(state + h * k3, rates)
        return state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    def stretch(state, _):
        return cr.fori_loop(0, per_year // keep, step, state), state

    return cr.scan(stretch, p[4:], None, length=(years - 1) * keep + 1)[1]


def residuals(p, record):
    return (solve(p) - record).reshape(-1)


def improve(i, state, record):
    """A step of Levenberg and Marquardt's: damped more after one that did not help, less after one that did."""
    p, damping = state
    r, jacobian = residuals(p, record), cr.jacfwd(residuals)(p, record)
    normal = jacobian.T @ jacobian
    change = cr.linalg.solve(normal + damping * cr.diag(cr.diag(normal)), jacobian.T @ r)
    # A trial that ran away to infinity or NaN is not better either.
    better = cr.sum(residuals(p - change, record) ** 2) < cr.sum(r**2)
    return cr.where(better, p - change, p), cr.where(better, damping / 4, damping * 8)


def spread(p, record):
    """Standard errors of log parameters, by Gauss and Newton's approximation, and that of a single number of the record."""
    r, jacobian = residuals(p, record), cr.jacfwd(residuals)(p, record)
    variance = cr.sum(r**2) / (r.size - p.size)
    return cr.sqrt(variance * cr.diag(cr.linalg.inv(jacobian.T @ jacobian))), cr.sqrt(variance)


def main(demo):
    record = np.log(np.stack([HARES, LYNXES], 1))
    guess = np.log([0.5, 0.02, 0.5, 0.02, HARES[0], LYNXES[0]]) + demo.rng.normal(0, 0.1, 6)

    step = demo.compile(lambda p, damping: (*improve(0, (p, damping), record), cr.mean(residuals(p, record) ** 2)))
    p, damping = guess, np.array(1.0)
    for _ in demo.steps(5 if demo.quick else 30):
        p, damping, loss = step(p, damping)
        demo.log(loss=loss)
    error, sigma = spread(p, record)

    # The same fit of records that are simulated from the parameters found, each with noise of its own.
    n, iterations = (4, 3) if demo.quick else (200, 30)
    simulated = solve(p) + demo.rng.normal(0, sigma, (n, *record.shape))

    def fit(record):
        return cr.fori_loop(0, iterations, lambda i, state: improve(i, state, record), (p, np.array(0.1)))[0]

    fits = demo.compile(cr.vmap(fit))(simulated)
    errors, _ = demo.compile(cr.vmap(spread))(fits, simulated)
    covered = np.mean(np.abs(fits - p) < 1.97 * errors)

    lines = [f"{'':24}{'fit':>8}{'+-':>8}{'200 refits':>12}{'Stan':>8}"]
    for i, name in enumerate(NAMES):
        stan = f"{STAN[i]:8.3g}" if i < 4 else ""
        lines.append(f"{name:24}{np.exp(p[i]):8.3g}{error[i]:8.1%}{np.std(fits[:, i]):12.1%}{stan}")
    demo.text("\n".join(lines), caption="Parameters, their relative standard errors, and those among simulated records.")
    print("\n".join(lines))
    distance = np.max(np.abs(np.exp(p[:4]) / STAN - 1))
    demo.result(
        "distance of the rates from the reference", distance, at_most=0.05, reference="posterior means of Carpenter (2018)"
    )
    demo.result("shares of 95 % intervals that cover the truth", covered, at_least=0.90, reference="0.95 if errors were normal")
    swing = np.sqrt(np.mean((record - record.mean(0)) ** 2))
    typical = np.sqrt(np.mean(residuals(p, record) ** 2))
    demo.result("typical error of a logarithm", typical, at_most=0.25, reference=f"constant numbers: {swing:.2f}")
    paths = demo.compile(cr.vmap(lambda p: solve(p, keep=10)))(np.concatenate([p[None], fits[:50]]))
    demo.figure(picture(paths), caption="The record, the fit, and the fits of 50 simulated records around it.")


def picture(paths):
    figure, axes = plot.subplots(1, 1, (8, 3.8))
    time = 1900 + np.arange(20 * 10 + 1) / 10
    for column, (name, numbers, color) in enumerate([("hares", HARES, plot.BLUE), ("lynxes", LYNXES, plot.ORANGE)]):
        axes.plot(time, np.exp(paths[1:, :, column].T), color=color, linewidth=0.5, alpha=0.15)
        axes.plot(time, np.exp(paths[0, :, column]), color=color, label=f"{name}, fit")
        axes.plot(1900 + np.arange(21), numbers, "o", color=color, markersize=5, label=f"{name}, record")
    axes.set(title="Pelts taken around Hudson Bay", ylabel="thousands a year", ylim=(0, 110))
    axes.set_xticks(range(1900, 1921, 4))
    axes.legend(ncols=2, loc="upper right")
    return figure
