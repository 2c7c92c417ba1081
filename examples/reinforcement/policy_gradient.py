"""REINFORCE with a baseline learns to balance a pole (gymnasium's CartPole-v1), from rewards alone

Differentiated: the log probability of every action that was tried, weighted by how much better things went after it than
usual, with respect to the 385 weights of a policy. Its gradient estimates that of the mean return, although neither rewards
nor physics can be differentiated. The baseline is what the other episodes of the batch still earned at the same step.

Reference: Williams, "Simple statistical gradient-following algorithms for connectionist reinforcement learning", Machine
Learning 8 (1992). CartPole-v1 counts as solved at an average return of 475 over 100 episodes; 500 is the most that there is.
"""

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.nn import functional as F

LONGEST = 500  # steps, at which an episode is cut off
DISCOUNT = 0.99


def main(demo):
    gymnasium = demo.needs("gymnasium")
    episodes, iterations = 16, 3 if demo.quick else 150
    policy = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 1))  # gives the log odds of pushing to the right
    optimizer = optim.Adam(policy.parameters(), lr=1e-2)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=iterations)

    @demo.compile
    def act(state):
        with cr.no_grad():
            return cr.bernoulli(cr.sigmoid(policy(state).squeeze(1)))

    @demo.compile
    def act_greedily(state):
        with cr.no_grad():
            return policy(state).squeeze(1) > 0

    @demo.compile
    def step(state, action, returned, running):
        optimizer.zero_grad()
        others = (returned.sum(1, keepdim=True) - returned) / (episodes - 1)
        surprise = F.binary_cross_entropy_with_logits(policy(state).squeeze(2), action, reduction="none")  # -log p(action)
        loss = (running * surprise * (returned - others)).sum() / running.sum()
        loss.backward()
        optimizer.step()
        return loss

    def play(env, choose, seed=None):
        """One episode in each environment: states, actions, and 1 where the episode still ran; each (LONGEST, episodes)."""
        state, _ = env.reset(seed=seed)
        states = np.zeros((LONGEST, *state.shape), np.float32)
        actions, running = np.zeros((2, LONGEST, env.num_envs), np.float32)
        alive = np.ones(env.num_envs, bool)
        for t in range(LONGEST):  # an environment that is done starts again, but is not listened to
            states[t], running[t] = state, alive
            actions[t] = choose(demo.tensor(state)).numpy()
            state, _, terminated, truncated, _ = env.step(actions[t].astype(np.int64))
            alive &= ~(terminated | truncated)
        return states, actions, running

    env = gymnasium.make_vec("CartPole-v1", num_envs=episodes, vectorization_mode="vector_entry_point")
    env.reset(seed=demo.seed)
    for _ in demo.steps(iterations, "iteration"):
        states, actions, running = play(env, act)
        # Every step earns 1: what follows, discounted, and scaled so that an endless episode has 1.
        returned = np.zeros((LONGEST + 1, episodes), np.float32)
        for t in reversed(range(LONGEST)):
            returned[t] = running[t] * (1 - DISCOUNT + DISCOUNT * returned[t + 1])
        step(*(demo.tensor(a) for a in (states, actions, returned[:-1], running)))
        demo.log(steps=running.sum(0).mean())
        schedule.step()

    test_env = gymnasium.make_vec("CartPole-v1", num_envs=100, vectorization_mode="vector_entry_point")
    states, _, running = play(test_env, act_greedily, seed=1000 + demo.seed)
    _, _, at_random = play(test_env, lambda state: demo.tensor(demo.rng.integers(0, 2, len(state))), seed=1000 + demo.seed)
    reference = f"random pushes: {at_random.sum(0).mean():.0f}"
    demo.result("average return of 100 test episodes", running.sum(0).mean(), at_least=475, reference=reference)

    figure, (learning, rule) = plot.subplots(1, 2, size=(10, 3.8))
    learning.plot(np.arange(1, len(demo.curve("steps")) + 1), demo.curve("steps"), color=plot.BLUE)
    learning.axhline(475, color=plot.RED, linestyle="--", linewidth=1)
    learning.text(1, 481, "solved", color=plot.RED, fontsize=8.5)
    learning.set(title=f"Mean return of {episodes} episodes", xlabel="iteration", ylabel="steps balanced", ylim=(0, 520))
    angle, turning = np.meshgrid(np.linspace(-8, 8, 97), np.linspace(-1.5, 1.5, 97))
    grid = np.stack([0 * angle, 0 * angle, np.radians(angle), turning], -1).astype(np.float32)
    with cr.no_grad():
        right = cr.sigmoid(policy(demo.tensor(grid.reshape(-1, 4)))).numpy().reshape(angle.shape)
    shown = rule.pcolormesh(angle, turning, right, cmap="RdBu_r", vmin=0, vmax=1)
    figure.colorbar(shown, ax=rule, label="probability of pushing to the right")
    path = states[: int(running[:, 0].sum()), 0]
    rule.plot(np.degrees(path[:, 2]), path[:, 3], ".", color="black", markersize=2, label="states of a test episode")
    rule.set(title="The policy, where the cart rests in the middle")
    rule.set(xlabel="angle of the pole [degrees]", ylabel="its speed [radians/s]")
    rule.grid(visible=False)
    rule.legend(loc="upper right", markerscale=4, frameon=True)
    caption = "How long the pole stays up while the policy learns, and what it has learnt: to push where the pole falls."
    demo.figure(figure, caption=caption)
