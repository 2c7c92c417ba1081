"""A denoising diffusion model writes digits on demand, out of noise (1,797 digits of 8x8 pixels)

Differentiated: the squared error of the noise that a network says was mixed into a digit, with respect to the network's
weights. Run backwards from pure noise, a hundred small corrections by that network make a digit. A support vector machine
that learnt from real digits judges them; another learns from written ones alone and is tested on real ones. That training
digits are not merely repeated shows in the distance to the nearest of them, compared with that of real test digits.

Reference: Ho, Jain and Abbeel, "Denoising diffusion probabilistic models", NeurIPS 2020; the schedule of noise is a
cosine as in Nichol and Dhariwal, "Improved denoising diffusion probabilistic models", ICML 2021.
"""

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.data import load_digits
from chainrule.nn import functional as F

STEPS = 100  # from a digit to noise
ANGLE = np.arange(STEPS + 1) / STEPS * np.pi / 2
SIGNAL = np.clip(np.cos(ANGLE) ** 2, 1e-4, 0.9999)  # share of the digit's variance that is left after each step


class Denoiser(nn.Module):
    """What noise is in the picture x (n, 64) of the digits y after t steps?"""

    def __init__(self, width=256, blocks=3):
        super().__init__()
        self.picture, self.noise = nn.Linear(64, width), nn.Linear(width, 64)
        self.time, self.digit = nn.Embedding(STEPS + 1, width), nn.Embedding(10, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
            for _ in range(blocks)
        )

    def forward(self, x, t, y):
        condition = self.time(t) + self.digit(y)
        x = self.picture(x)
        for block in self.blocks:
            x = x + block(x + condition)
        return self.noise(x)


def write(demo, net, digits):
    """Pictures of the digits asked for, and those of the first ten on their way: (n, 64) and (STEPS + 1, 10, 64)."""

    @demo.compile
    def denoise(x, t, y, noise, signal, before):
        """From step t to the step before, by the mean and variance of q(x before | x, picture) for the predicted picture."""
        picture = ((x - (1 - signal).sqrt() * net(x, t, y)) / signal.sqrt()).clip(-1, 1)
        kept = signal / before
        mean = (before.sqrt() * (1 - kept) * picture + kept.sqrt() * (1 - before) * x) / (1 - signal)
        return mean + ((1 - kept) * (1 - before) / (1 - signal)).sqrt() * noise

    x = demo.rng.normal(size=(len(digits), 64)).astype(np.float32)
    way = [x[:10]]
    with cr.no_grad():
        for t in range(STEPS, 0, -1):
            noise = demo.rng.normal(size=x.shape).astype(np.float32) * (t > 1)
            signal, before = np.float32(SIGNAL[t]), np.float32(SIGNAL[t - 1])
            arguments = x, np.full(len(x), t), digits, noise, np.full((1, 1), signal), np.full((1, 1), before)
            x = denoise(*map(demo.tensor, arguments)).numpy()
            way.append(x[:10])
    return x, np.stack(way)


def nearest(pictures, train):
    """Distance of each picture to the nearest of the training set."""
    return np.sqrt(((pictures[:, None] - train) ** 2).sum(2).min(1))


def main(demo):
    svm = demo.needs("sklearn.svm")
    train, test = load_digits()
    images, labels = np.asarray(train.images), np.asarray(train.labels)
    steps, written = (50, 200) if demo.quick else (6000, 2000)
    net = Denoiser()
    optimizer = optim.Adam(net.parameters(), lr=2e-3)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    signal_of_step = demo.tensor(SIGNAL.astype(np.float32))

    @demo.compile
    def step(x, y):
        t = cr.randint(1, STEPS + 1, (len(x),))
        signal, noise = signal_of_step[t][:, None], cr.randn_like(x)
        optimizer.zero_grad()
        loss = F.mse_loss(net(signal.sqrt() * x + (1 - signal).sqrt() * noise, t, y), noise)
        loss.backward()
        optimizer.step()
        return loss

    for x, y in demo.batches(2 * images - 1, labels, batch_size=64, epochs=steps // (len(images) // 64)):
        demo.log(loss=step(x, y))
        schedule.step()

    digits = np.arange(written) % 10
    pictures, way = write(demo, net, digits)
    pictures = (pictures + 1) / 2
    real, own = np.asarray(test.images), np.asarray(test.labels)
    judge, learner = (svm.SVC(C=10).fit(*pair) for pair in ((images, labels), (pictures, digits)))
    known = f"real test digits: {judge.score(real, own):.3f}; guessing: 0.1"
    demo.result(
        "written digits recognised by a classifier of real digits",
        judge.score(pictures, digits),
        at_least=0.95,
        reference=known,
    )
    known = f"learnt from real digits: {judge.score(real, own):.3f}"
    demo.result(
        "test accuracy of a classifier that learnt from written digits alone",
        learner.score(real, own),
        at_least=0.9,
        reference=known,
    )
    ratio = np.median(nearest(pictures[:500], images)) / np.median(nearest(real, images))
    demo.result("distance to the nearest training digit, over that of test digits", ratio, at_least=0.7, reference="copies: 0")

    demo.figure(plot.montage(pictures[:80].reshape(-1, 8, 8)), caption="Written digits, each made from other noise.")
    shown = way[np.linspace(0, STEPS, 9).astype(int)].reshape(-1, 8, 8)
    demo.figure(
        plot.montage(shown.clip(-1, 1)),
        "diffusion_way",
        "From noise (above) to digits (below), every 12th step.",
    )
    demo.figure(
        plot.curves({"training": demo.curve("loss")}, "Error of the predicted noise", "step", "mean square", log=True),
        "diffusion_loss",
    )
