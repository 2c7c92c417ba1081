"""Six heaters bring a cold plate to an even temperature: places and powers, found through a solver in plain NumPy

Differentiated: the mean square distance from the wanted temperature at the end, with respect to the places of six heaters and
their powers in eight stretches of time, through 80 steps of a solver that knows only NumPy and assigns
(`u[1:-1, 1:-1] += ...`).

The gradient is compared with one that was derived by hand (the adjoint equation, backward in time) and with central
differences. Baselines are a plate without heaters, and heaters that stay where they began:
their best powers are a problem of linear least squares, which has an exact answer.
"""

import numpy as np
from scipy.optimize import nnls

import chainrule as cr
from chainrule import optim, plot

SIZE, STEPS, STRETCHES, HEATERS = 21, 80, 8, 6
DT, RADIUS, WANTED = 0.24, 1.5, 1.0
MARGIN = 3  # points beside the rim, whose temperature does not count
GRID = np.stack(np.meshgrid(np.arange(SIZE), np.arange(SIZE), indexing="ij")).astype(float)


def shapes(places):
    """The heat (heater, x, y) that each gives the points of the plate at power one."""
    distance = (GRID[0] - places[:, :1, None]) ** 2 + (GRID[1] - places[:, 1:, None]) ** 2
    return np.exp(-distance / (2 * RADIUS**2))


def solve(places, powers):
    """Temperatures at the end, for places (heater, 2) and powers (stretch, heater). The rim stays at 0, where all begins."""
    heat = np.tensordot(powers, shapes(places), 1)
    u = np.zeros_like(heat[0])
    for k in range(STEPS):
        spread = u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4 * u[1:-1, 1:-1]
        u[1:-1, 1:-1] += DT * (spread + heat[k * STRETCHES // STEPS, 1:-1, 1:-1])
    return u


def counted(u):
    return u[MARGIN:-MARGIN, MARGIN:-MARGIN]


def cost(places, powers):
    return np.mean((counted(solve(places, powers)) - WANTED) ** 2)


def by_hand(places, powers):
    """The gradient of `cost`, derived on paper: what heat at each place and time does to the end, found backward in time."""
    effect, heat = np.zeros((SIZE, SIZE)), np.zeros((STRETCHES, SIZE, SIZE))
    misfit = counted(solve(places, powers)) - WANTED
    counted(effect)[...] = 2 * misfit / misfit.size
    for k in reversed(range(STEPS)):
        heat[k * STRETCHES // STEPS] += DT * effect
        spread = effect[2:, 1:-1] + effect[:-2, 1:-1] + effect[1:-1, 2:] + effect[1:-1, :-2] - 4 * effect[1:-1, 1:-1]
        effect[1:-1, 1:-1] += DT * spread  # the rim has no effect and takes none: it stays 0
    per_place = (GRID - places[:, :, None, None]) / RADIUS**2 * shapes(places)[:, None]
    return np.einsum("th,txy,hcxy->hc", powers, heat, per_place), np.einsum("txy,hxy->th", heat, shapes(places))


def central_difference(f, x, direction, h=1e-5):
    return (f(x + h * direction) - f(x - h * direction)) / (2 * h)


def main(demo):
    angle = 2 * np.pi * (np.arange(HEATERS) + demo.rng.uniform()) / HEATERS
    start = (SIZE - 1) / 2 + 3 * np.stack([np.cos(angle), np.sin(angle)], 1)
    places = cr.tensor(start, requires_grad=True)
    raw = cr.tensor(np.full((STRETCHES, HEATERS), -3.0), requires_grad=True)  # powers are softplus of these: never negative
    optimizer = optim.Adam([places, raw], lr=0.05)

    @demo.compile
    def step():
        optimizer.zero_grad()
        loss = cost(places, np.logaddexp(0, raw))
        loss.backward()
        optimizer.step()
        return loss

    for _ in demo.steps(400 if demo.quick else 2000):
        demo.log(rms=np.sqrt(step().item()))

    # The gradient, at the start, where it is large: by the library, by hand, and by differences along a random direction.
    powers = np.full((STRETCHES, HEATERS), 0.1)
    found, paper = cr.grad(cost, argnums=(0, 1))(start, powers), by_hand(start, powers)
    error = max(np.max(np.abs(a - b)) / np.max(np.abs(b)) for a, b in zip(found, paper))
    demo.result("gradient: error against the adjoint by hand", error, at_most=1e-10)
    direction = demo.rng.normal(size=start.shape)
    slope, difference = np.sum(found[0] * direction), central_difference(lambda p: cost(p, powers), start, direction)
    error = np.abs(difference - slope) / np.linalg.norm(found[0])
    demo.result("gradient: error against central differences", error, at_most=1e-6)

    # What the best powers do at the places where the heaters began: temperatures are linear in powers.
    each = [counted(solve(start, unit.reshape(powers.shape))).ravel() for unit in np.eye(powers.size)]
    best, _ = nnls(np.stack(each, 1), np.full(len(each[0]), WANTED))
    final = places.detach().numpy(), np.logaddexp(0, raw.detach().numpy())
    plates = {
        "where they began, best powers": (start, best.reshape(powers.shape)),
        "places and powers by gradient": final,
    }
    rms = [np.sqrt(cost(*controls)) for controls in plates.values()]
    reference = f"no heaters: {WANTED:.2f}; heaters that stay, best powers: {rms[0]:.3f}"
    demo.result("distance from the wanted temperature (rms)", rms[1], at_most=0.12, reference=reference)
    caption = "Temperatures at the end, and the powers that led there. Only points in the frame count."
    demo.figure(picture(plates, rms, start), caption=caption)


def picture(plates, rms, start):
    figure, axes = plot.subplots(1, 3, (11, 3.4))
    for ax, (name, controls), error in zip(axes, plates.items(), rms):
        image = ax.imshow(solve(*controls).T, origin="lower", cmap="inferno", vmin=0, vmax=1.4)
        ax.plot(*start.T, "o", mfc="none", mec="white", markersize=5)
        for (x0, y0), (x1, y1) in zip(start, controls[0]):
            ax.plot([x0, x1], [y0, y1], color="white", linewidth=0.8)
        ax.plot(*controls[0].T, "o", color="white", markersize=6)
        frame = [MARGIN - 0.5, SIZE - MARGIN - 0.5]
        ax.plot(np.take(frame, [0, 1, 1, 0, 0]), np.take(frame, [0, 0, 1, 1, 0]), ":", color="white", linewidth=1)
        ax.set_title(f"{name}\nrms error {error:.3f}", fontsize=10)
        ax.set_axis_off()
    figure.colorbar(image, ax=axes[1], label="temperature")
    ends = np.arange(STRETCHES + 1) * DT * STEPS / STRETCHES
    for i, power in enumerate(controls[1].T):
        axes[2].stairs(power, ends, color=plot.COLORS[i], linewidth=1.5)
    axes[2].set(title="Power of each heater", xlabel="time", ylabel="power")
    return figure
