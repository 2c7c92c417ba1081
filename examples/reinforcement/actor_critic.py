"""An actor and a critic learn to balance a pole (gymnasium's CartPole-v1): PPO and generalised advantages

Differentiated: the clipped ratio of new to old probabilities of the actions tried, weighted by their advantage (the actor),
and the squared error of the expected return (the critic), with respect to 9,155 weights. REINFORCE waits for the end of every
episode; here the critic's expectation stands in for what has not been played yet, and each batch is used several times.

Reference: Schulman, Wolski, Dhariwal, Radford and Klimov, "Proximal policy optimization algorithms", arXiv:1707.06347 (2017).
CartPole-v1 counts as solved at an average return of 475 over 100 episodes; 500 is the most that there is.
"""

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.nn import functional as F

DISCOUNT, TRACE = 0.99, 0.95  # of rewards to come, and of the critic's later corrections
CLIP, ENTROPY = 0.2, 0.005


def network(outputs):
    return nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, outputs))


def main(demo):
    gymnasium = demo.needs("gymnasium")
    envs, length, epochs, minibatches = 8, 64, 6, 4
    iterations = 4 if demo.quick else 250
    actor, critic = network(2), network(1)
    optimizer = optim.Adam([*actor.parameters(), *critic.parameters()], lr=2e-3)
    schedule = optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, total_iters=iterations)

    @demo.compile
    def act(state):
        with cr.no_grad():
            log_p = F.log_softmax(actor(state), dim=1)
            action = cr.bernoulli(cr.exp(log_p[:, 1])).long()
            return action, log_p.gather(1, action[:, None]).squeeze(1), critic(state).squeeze(1)

    @demo.compile
    def act_greedily(state):
        with cr.no_grad():
            return actor(state).argmax(1)

    @demo.compile
    def step(state, action, old_log_p, advantage, target):
        optimizer.zero_grad()
        log_p = F.log_softmax(actor(state), dim=1)
        ratio = cr.exp(log_p.gather(1, action[:, None]).squeeze(1) - old_log_p)
        gain = cr.minimum(ratio * advantage, cr.clip(ratio, 1 - CLIP, 1 + CLIP) * advantage).mean()
        entropy = -(cr.exp(log_p) * log_p).sum(1).mean()
        loss = F.mse_loss(critic(state).squeeze(1), target) - gain - ENTROPY * entropy
        loss.backward()
        nn.utils.clip_grad_norm_([*actor.parameters(), *critic.parameters()], 0.5)
        optimizer.step()
        return loss

    env = gymnasium.make_vec("CartPole-v1", num_envs=envs, vectorization_mode="vector_entry_point")
    state, _ = env.reset(seed=demo.seed)
    restarts = np.zeros(envs, bool)  # where the last step ended an episode: the environment then takes a step to start anew
    played, lengths = np.zeros(envs), []
    for _ in demo.steps(iterations, "iteration"):
        states = np.zeros((length + 1, envs, 4), np.float32)
        actions = np.zeros((length, envs), np.int64)
        log_ps, values, terminal, over, valid = np.zeros((5, length + 1, envs), np.float32)
        for t in range(length + 1):
            states[t] = state
            action, log_p, value = (a.numpy() for a in act(demo.tensor(state)))
            values[t] = value
            if t == length:
                break
            actions[t], log_ps[t], valid[t] = action, log_p, ~restarts
            state, _, terminated, truncated, _ = env.step(action)
            terminal[t], over[t] = terminated, terminated | truncated
            restarts = terminated | truncated
            played += valid[t]
            lengths += played[restarts].tolist()
            played[restarts] = 0
        # Every step earns 1, scaled so that an endless episode has 1; only a pole that fell ends what is to be expected.
        advantages = np.zeros((length + 1, envs), np.float32)
        for t in reversed(range(length)):
            error = 1 - DISCOUNT + DISCOUNT * (1 - terminal[t]) * values[t + 1] - values[t]
            advantages[t] = valid[t] * (error + DISCOUNT * TRACE * (1 - over[t]) * advantages[t + 1])
        advantages, values = advantages[:-1], values[:-1]
        targets = advantages + values
        scaled = (advantages - advantages.mean()) / (advantages.std() + 1e-8) * valid[:-1]
        batch = [a.reshape(length * envs, *a.shape[2:]) for a in (states[:-1], actions, log_ps[:-1], scaled, targets)]
        for _ in range(epochs):
            for chosen in np.split(demo.rng.permutation(length * envs), minibatches):
                step(*(demo.tensor(a[chosen]) for a in batch))
        demo.log(steps=np.mean(lengths[-20:] or [0]))
        schedule.step()

    def test(choose):
        """Lengths of 100 episodes."""
        env = gymnasium.make_vec("CartPole-v1", num_envs=100, vectorization_mode="vector_entry_point")
        state, _ = env.reset(seed=1000 + demo.seed)
        lengths, running, path = np.zeros(100), np.ones(100, bool), []
        while running.any():  # an environment that is done starts again, but is not listened to
            lengths += running
            path.append(state[0])
            state, _, terminated, truncated, _ = env.step(choose(state))
            running &= ~(terminated | truncated)
        return lengths, np.array(path)[: int(lengths[0])]

    lengths, path = test(lambda state: act_greedily(demo.tensor(state)).numpy())
    reference = f"random pushes: {test(lambda state: demo.rng.integers(0, 2, len(state)))[0].mean():.0f}"
    demo.result("average return of 100 test episodes", lengths.mean(), at_least=475, reference=reference)

    figure, (learning, motion) = plot.subplots(1, 2, size=(10, 3.8))
    steps = length * envs * np.arange(1, len(demo.curve("steps")) + 1)
    learning.plot(steps, demo.curve("steps"), color=plot.BLUE)
    learning.axhline(475, color=plot.RED, linestyle="--", linewidth=1)
    learning.text(0, 481, "solved", color=plot.RED, fontsize=8.5)
    learning.set(title="Mean return of the last 20 episodes", xlabel="steps taken in all", ylabel="steps balanced")
    learning.set_ylim(0, 520)
    seconds = 0.02 * np.arange(len(path))
    motion.plot(seconds, path[:, 0], color=plot.BLUE, label="place of the cart [m]")
    motion.plot(seconds, np.degrees(path[:, 2]), color=plot.ORANGE, linewidth=1, label="angle of the pole [degrees]")
    motion.set(title="A test episode", xlabel="seconds")
    motion.legend()
    demo.figure(figure, caption="Returns while actor and critic learn, and a test episode after it.")
