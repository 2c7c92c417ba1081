"""A network solves Burgers' equation, shock included, from the equation alone (physics-informed network)

Differentiated: the network u(t, x) twice with respect to place and once with respect to time, which makes the residual of
u_t + u u_x = 0.01/pi u_xx; and the mean square of that residual, at points drawn anew in each step, with respect to all
weights: a gradient of second derivatives. No solution is shown to the network, only the equation, that u = -sin(pi x) at t = 0,
that u = 0 at both ends, and that the right half mirrors the left.

Reference: Raissi, Perdikaris and Karniadakis, "Physics-informed neural networks", Journal of Computational Physics 378 (2019);
compared with finite differences on a fine grid, computed here.
"""

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot

VISCOSITY = 0.01 / np.pi


def finite_differences(cells, times):
    """u at all `times`, on a grid of cells + 1 places from -1 to 1; central differences, Heun's method in time."""
    x = np.linspace(-1, 1, cells + 1)
    dx = x[1] - x[0]

    def change(u):
        du = np.zeros_like(u)
        flux = u**2 / 2  # conserved, so that the shock has the right speed
        du[1:-1] = (flux[:-2] - flux[2:]) / (2 * dx) + VISCOSITY * (u[2:] - 2 * u[1:-1] + u[:-2]) / dx**2
        return du

    u = -np.sin(np.pi * x)
    found = [u]
    for length in np.diff(times):
        n = int(np.ceil(length / min(0.4 * dx, 0.3 * dx**2 / VISCOSITY)))
        for _ in range(n):
            k1 = change(u)
            u = u + length / n / 2 * (k1 + change(u + length / n * k1))
        found.append(u)
    return x, np.array(found)


class Solution(nn.Module):
    """u(t, x) with what is known built in: -sin(pi x) at t = 0, 0 where x is -1 or 1, and u(t, -x) = -u(t, x).

    Without the last, some networks let the shock drift off its place: it stands at x = 0 only because both sides balance.
    """

    def __init__(self, width):
        super().__init__()
        self.first = nn.Linear(2, width)
        self.hidden = nn.ModuleList([nn.Linear(width, width) for _ in range(3)])
        self.last = nn.Linear(width, 1)

    def network(self, t, x):
        h = cr.tanh(self.first(cr.cat([2 * t - 1, x], 1)))
        for layer in self.hidden:
            h = cr.tanh(layer(h))
        return self.last(h)

    def forward(self, t, x):
        return -cr.sin(np.pi * x) + t * (1 - x**2) * (self.network(t, x) - self.network(t, -x))


def derivative(u, x):
    """du/dx of each point: points do not mix in u, so that the gradient of the sum has them all."""
    return cr.autograd.grad(u.sum(), x, create_graph=True)[0]


def main(demo):
    net = Solution(width=32)
    iterations, batch_size = (10 if demo.quick else 24000), 128
    optimizer = optim.Adam(net.parameters(), lr=3e-3)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=iterations)

    def residual(t, x):
        t, x = t.detach().requires_grad_(), x.detach().requires_grad_()
        u = net(t, x)
        u_x = derivative(u, x)
        return derivative(u, t) + u * u_x - VISCOSITY * derivative(u_x, x)

    @demo.compile
    def step(t, x):
        optimizer.zero_grad()
        loss = (residual(t, x) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss.detach()

    look = demo.compile(lambda t, x: residual(t, x).detach())
    for i in demo.steps(iterations):
        if i % 500 == 0:  # points are drawn more often where the residual is large: at the shock
            pool = [demo.rng.uniform(0, 1, (8192, 1)).astype(np.float32) for _ in "tx"]
            size = np.abs(look(*map(demo.tensor, pool)).numpy()[:, 0])
            chance = (size + size.mean()) / np.sum(size + size.mean())
        chosen = demo.rng.choice(8192, batch_size, p=chance.astype(float) / chance.sum(dtype=float))
        demo.log(loss=step(*(demo.tensor(v[chosen]) for v in pool)))
        schedule.step()

    times = np.linspace(0, 1, 101)
    x, true = finite_differences(200 if demo.quick else 2000, times)
    t_grid, x_grid = np.meshgrid(times, x, indexing="ij")
    with cr.no_grad():
        t_all, x_all = (demo.tensor(v.reshape(-1, 1).astype(np.float32)) for v in (t_grid, x_grid))
        found = net(t_all, x_all).numpy().reshape(true.shape)
    start = np.linalg.norm(true + np.sin(np.pi * x)) / np.linalg.norm(true)
    error = np.linalg.norm(found - true) / np.linalg.norm(true)
    demo.result("relative L2 error", error, at_most=0.02, reference=f"u = -sin(pi x) at all times: {start:.2f}")
    demo.figure(
        picture(x, times, found, true),
        caption="u(t, x) of the network, with three times marked, and there against finite differences.",
    )
    loss = plot.curves({"residual": demo.curve("loss")}, "Mean square residual", "step", log=True)
    demo.figure(loss, "burgers_loss")


def picture(x, times, found, true):
    figure, axes = plot.subplots(1, 4, (11, 2.9))
    image = axes[0].imshow(found.T, origin="lower", extent=(0, 1, -1, 1), aspect="auto", cmap="RdBu_r", vmin=-1, vmax=1)
    figure.colorbar(image, ax=axes[0])
    axes[0].grid(visible=False)
    axes[0].set(title="u(t, x), learnt", xlabel="t", ylabel="x")
    for ax, i in zip(axes[1:], (25, 50, 75)):
        axes[0].axvline(times[i], color="#444444", linewidth=0.8)
        ax.plot(x, true[i], color=plot.ORANGE, linewidth=3.5, alpha=0.6, label="finite differences")
        ax.plot(x, found[i], "--", color=plot.BLUE, label="network")
        ax.set(title=f"t = {times[i]:.2f}", xlabel="x", ylim=(-1.15, 1.75))
    axes[-1].legend(loc="upper right", fontsize=8)
    return figure
