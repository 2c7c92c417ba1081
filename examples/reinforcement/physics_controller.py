"""A network learns to swing a pole up and balance it, by differentiating five seconds of simulated physics

Differentiated: the mean cost of a batch of motions (angle, place, speeds, force) with respect to the 769 weights of the
controller, through 125 steps of the cart and the pole, each of which depends on all forces before it. The simulation is a
loop (`cr.scan`) that stays one in the compiled program, forward and backward. Physics that can be differentiated says in
which direction each weight should go; random search, and the policy gradient of `chainrule demo policy_gradient`, have to
find that out by trying.

Reference: the same cost for a linear-quadratic regulator, which is optimal near the top but knows nothing of the way there,
and for random search over the same network with as many simulated motions.
"""

import numpy as np
from scipy.linalg import solve_discrete_are

import chainrule as cr
from chainrule import nn, optim, plot

GRAVITY, CART, POLE, HALF, STRONGEST = 9.8, 1.0, 0.1, 0.5, 10.0  # SI units; HALF the length of the pole
STEP, LENGTH = 0.04, 125


def physics(state, force):
    """The state (..., 4) one step later: place, speed, angle from upright, its speed."""
    x, v, angle, turning = (state[..., i] for i in range(4))
    sin, cos, mass = cr.sin(angle), cr.cos(angle), CART + POLE
    push = (force + POLE * HALF * turning**2 * sin) / mass
    turning_rate = (GRAVITY * sin - cos * push) / (HALF * (4 / 3 - POLE * cos**2 / mass))
    v = v + STEP * (push - POLE * HALF * turning_rate * cos / mass)
    turning = turning + STEP * turning_rate
    return cr.stack([x + STEP * v, v, angle + STEP * turning, turning], -1)


def cost(state, force):
    """Zero for a resting, upright pole in the middle."""
    x, v, angle, turning = (state[..., i] for i in range(4))
    return 1 - cr.cos(angle) + 0.1 * x**2 + 0.01 * v**2 + 0.01 * turning**2 + 0.001 * force**2


class Controller(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(5, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 1))

    def forward(self, state):
        x, v, angle, turning = (state[..., i] for i in range(4))
        seen = cr.stack([x, v / 3, cr.cos(angle), cr.sin(angle), turning / 5], -1)
        return STRONGEST * cr.tanh(self.layers(seen)[..., 0])


def simulate(controller, start):
    """The mean cost of motions from starts (n, 4), and their states (LENGTH, n, 4)."""

    def step(state, _):
        force = controller(state)
        new = physics(state, force)
        return new, (new, cost(new, force).mean())

    _, (states, costs) = cr.scan(step, start, length=LENGTH)
    return costs.mean(), states


def regulator():
    """The controller of least cost where physics and cost are those near the top: force = -gain @ state, as far as it goes."""
    top, still = np.zeros(4), np.zeros(())
    a, b = cr.jacobian(physics, argnums=(0, 1))(top, still)
    q, r = cr.hessian(cost)(top, still), cr.hessian(cost, argnums=1)(top, still)
    p = solve_discrete_are(a, b[:, None], q, np.reshape(r, (1, 1)))
    gain = (b @ p @ a / (r + b @ p @ b)).astype(np.float32)

    def control(state):
        x, v, angle, turning = (state[..., i] for i in range(4))
        near = cr.stack([x, v, cr.atan2(cr.sin(angle), cr.cos(angle)), turning], -1)  # a full turn further is the top, too
        return cr.clip(-near @ gain, -STRONGEST, STRONGEST)

    return control


def random_start(rng, n):
    """At rest near the middle, the pole at any angle."""
    return rng.uniform([-0.5, 0, -np.pi, 0], [0.5, 0, np.pi, 0], (n, 4)).astype(np.float32)


def random_search(controller, evaluate, rng, trials):
    """Change all weights at random, keep what costs less; bolder after success, more careful after failure (1/5 rule)."""
    weights = nn.utils.parameters_to_vector(controller.parameters()).detach().numpy()
    best, size = np.inf, 0.3
    for _ in range(trials):
        tried = weights + size * rng.normal(size=weights.shape).astype(np.float32)
        nn.utils.vector_to_parameters(cr.from_numpy(tried), controller.parameters())
        found = float(evaluate())
        better = found < best
        size *= 1.5 if better else 1.5**-0.25
        if better:
            best, weights = found, tried
    nn.utils.vector_to_parameters(cr.from_numpy(weights), controller.parameters())


def main(demo):
    batch_size, iterations = 32, 20 if demo.quick else 6000
    controller = Controller()
    optimizer = optim.Adam(controller.parameters(), lr=5e-3)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=iterations)

    @demo.compile
    def step(start):
        optimizer.zero_grad()
        loss, _ = simulate(controller, start)
        loss.backward()
        nn.utils.clip_grad_norm_(controller.parameters(), 0.5)  # some motions depend on every force by way of all others
        optimizer.step()
        return loss

    for _ in demo.steps(iterations):
        demo.log(cost=step(demo.tensor(random_start(demo.rng, batch_size))))
        schedule.step()

    searched = Controller()
    starts = random_start(demo.rng, batch_size)
    evaluate = demo.compile(lambda: simulate(searched, starts)[0])
    with cr.no_grad():
        random_search(searched, evaluate, demo.rng, len(demo.curve("cost")))
        tests = random_start(demo.rng, 200)
        tests[0] = 0, 0, np.pi, 0  # hanging down
        controllers = {"learnt": controller, "linear regulator": regulator(), "random search": searched}
        costs, motions = {}, {}
        for name, c in controllers.items():
            mean, states = demo.compile(lambda start, c=c: simulate(c, start))(tests)
            costs[name], motions[name] = float(mean), np.concatenate([tests[None], np.asarray(states)])
    others = ", ".join(f"{name}: {costs[name]:.3g}" for name in ("linear regulator", "random search"))
    demo.result("mean cost of 200 test motions", costs["learnt"], at_most=0.6, reference=others)
    upright = {name: (np.cos(m[-25:, :, 2]) > np.cos(0.2)).all(0).mean() for name, m in motions.items()}
    others = ", ".join(f"{name}: {upright[name]:.3g}" for name in ("linear regulator", "random search"))
    demo.result("share upright in the last second", upright["learnt"], at_least=0.9, reference=others)

    figure, (strip, angles) = plot.subplots(2, 1, size=(9.5, 5.2))
    seconds = STEP * np.arange(LENGTH + 1)
    x, _, angle, _ = motions["learnt"][:, 0].T
    for t in range(0, LENGTH + 1, 4):
        where = 2.2 * seconds[t]  # snapshots side by side; the pole is drawn to scale
        tip = where + 2 * HALF * np.sin(angle[t]), 2 * HALF * np.cos(angle[t])
        strip.plot([where, tip[0]], [0, tip[1]], color=plot.ORANGE, linewidth=2, solid_capstyle="round")
        strip.plot(*tip, "o", color=plot.ORANGE, markersize=5)
        strip.plot(where, 0, "s", color=plot.BLUE, markersize=6)
    strip.set(title="From hanging to balanced: the motion of the pole, 6 pictures a second", aspect="equal", ylim=(-1.2, 1.2))
    strip.set_axis_off()
    for (name, motion), color in zip(motions.items(), (plot.BLUE, plot.ORANGE, plot.GREEN), strict=True):
        angles.plot(seconds, np.cos(motion[:, 0, 2]), color=color, label=name)
    angles.plot(seconds, x, color=plot.BLUE, linestyle=":", label="place of the cart [m]")
    angles.set(title="Height of the pole (1: upright) with each controller, and place of the cart", xlabel="seconds")
    angles.legend(fontsize=8.5, loc="upper left", bbox_to_anchor=(1, 1))
    demo.figure(figure, caption="The learnt controller swings the pole up by moving the cart to and fro, and catches it.")
    figure = plot.curves({"learning by gradients": demo.curve("cost")}, "Mean cost of 32 motions", "step", log=True)
    for (name, value), color in zip(list(costs.items())[1:], (plot.ORANGE, plot.GREEN), strict=True):
        figure.axes[0].axhline(value, color=color, linestyle="--", label=name)
    figure.axes[0].legend()
    demo.figure(figure, "physics_controller_cost", "The cost while the controller learns, and that of the others.")
