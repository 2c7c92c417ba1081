"""A neural ODE learns an oscillator from noisy measurements, and predicts what comes after the last of them

Differentiated: the mean square distance between measurements and the states that a solver (Runge and Kutta's of fourth order)
reaches when the right-hand side of the differential equation is a network, with respect to the 322 weights of that network. The
gradient goes through 8 steps of the solver, which calls the network 32 times.

Measured are 24 trajectories of Van der Pol's oscillator, until t = 6; the network then continues them until t = 18. The
baseline is the linear differential equation that fits the same measurements best.

Reference: Chen, Rubanova, Bettencourt and Duvenaud, "Neural ordinary differential equations", NeurIPS 2018.
"""

import numpy as np
from scipy.linalg import expm, logm

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.nn import functional as F

DT, MEASURED, LATER, WINDOW = 0.2, 30, 60, 8  # seconds, and numbers of steps


def van_der_pol(state):
    x, v = state[..., 0], state[..., 1]
    return np.stack([v, (1 - x**2) * v - x], -1)


def runge_kutta(f, state, steps, dt=DT):
    """States after 0, 1, ..., `steps` steps, as a list."""
    states = [state]
    for _ in range(steps):
        k1 = f(state)
        k2 = f(state + dt / 2 * k1)
        k3 = f(state + dt / 2 * k2)
        k4 = f(state + dt * k3)
        state = state + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        states.append(state)
    return states


def error(predicted, true):
    """Root mean square error over the time after the measurements, as a share of the size of the true states."""
    return np.sqrt(np.mean((predicted - true)[MEASURED + 1 :] ** 2) / np.mean(true[MEASURED + 1 :] ** 2))


def main(demo):
    starts = demo.rng.uniform(-3, 3, (24, 2))
    fine = runge_kutta(van_der_pol, starts, 20 * (MEASURED + LATER), DT / 20)
    true = np.stack(fine[::20])  # (time, trajectory, 2)
    measured = true[: MEASURED + 1] + demo.rng.normal(0, 0.03, (MEASURED + 1, 24, 2))
    measured[0] = starts

    net = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 2))
    optimizer = optim.Adam(net.parameters(), lr=5e-3)
    iterations, batch_size = (20 if demo.quick else 15000), 64
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=iterations)

    @demo.compile
    def step(windows):  # (time, batch, 2)
        optimizer.zero_grad()
        predicted = cr.stack(runge_kutta(net, windows[0], WINDOW))
        loss = F.mse_loss(predicted[1:], windows[1:])
        loss.backward()
        optimizer.step()
        return loss

    for _ in demo.steps(iterations):
        first, who = demo.rng.integers(MEASURED - WINDOW + 1, size=batch_size), demo.rng.integers(24, size=batch_size)
        windows = measured[first + np.arange(WINDOW + 1)[:, None], who]
        demo.log(loss=step(demo.tensor(windows.astype(np.float32))))
        schedule.step()

    with cr.no_grad():
        start = demo.tensor(starts.astype(np.float32))
        neural = np.stack([s.numpy() for s in runge_kutta(net, start, MEASURED + LATER)])
    # The matrix that takes each measured state to the next is exp(A dt) of the best linear equation x' = A x.
    before, after = measured[:-1].reshape(-1, 2), measured[1:].reshape(-1, 2)
    matrix = logm(np.linalg.lstsq(before, after, rcond=None)[0].T).real / DT
    linear = np.stack([starts @ expm(matrix * DT * i).T for i in range(MEASURED + LATER + 1)])
    still = np.broadcast_to(measured[-1], true.shape)
    reference = f"linear equation: {error(linear, true):.2f}; standing still: {error(still, true):.2f}"
    demo.result("relative error, t = 6 to 18", error(neural, true), at_most=0.15, reference=reference)
    caption = "Left: the learnt vector field, all measurements, and three paths. Right: one trajectory in time."
    demo.figure(portrait(net, demo, neural, true, measured), caption=caption)
    demo.figure(
        plot.curves({"training": demo.curve("loss")}, "Mean square error of windows", "step", log=True), "neural_ode_loss"
    )


def portrait(net, demo, neural, true, measured):
    figure, (left, right) = plot.subplots(1, 2, (8, 3.4))
    x, v = np.meshgrid(np.linspace(-3.2, 3.2, 25), np.linspace(-4.2, 4.2, 25))
    with cr.no_grad():
        field = net(demo.tensor(np.stack([x, v], -1).astype(np.float32))).numpy()
        start = demo.tensor(measured[0, :3].astype(np.float32))
        paths = np.stack([s.numpy() for s in runge_kutta(net, start, 8 * MEASURED, DT / 4)])
    left.streamplot(x, v, field[..., 0], field[..., 1], color="#b9c4d0", linewidth=0.7, density=0.7, arrowsize=0.8)
    left.plot(*measured.reshape(-1, 2).T, ".", color=plot.ORANGE, markersize=2.5, label="measured")
    for i in range(3):
        left.plot(*paths[:, i].T, color=plot.BLUE, linewidth=1.2, label="neural ODE" if i == 0 else None)
    left.set(title="Learnt phase portrait", xlabel="position", ylabel="velocity")
    left.set(xlim=(-3.2, 3.2), ylim=(-4.2, 4.2))
    left.legend(loc="upper right", frameon=True, fontsize=8)
    time = DT * np.arange(len(true))
    right.axvspan(0, DT * MEASURED, color="#f3ead9", linewidth=0)
    right.plot(time, true[:, 0, 0], color="#444444", linewidth=2.2, alpha=0.5, label="true")
    right.plot(time[: MEASURED + 1], measured[:, 0, 0], ".", color=plot.ORANGE, markersize=4, label="measured")
    right.plot(time, neural[:, 0, 0], "--", color=plot.BLUE, label="neural ODE")
    right.set(title="Position (measured: shaded time)", xlabel="time", ylim=(-3.4, 4.6))
    right.legend(loc="upper right", ncols=3, fontsize=8)
    return figure
