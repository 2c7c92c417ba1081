"""A variational autoencoder draws clothes (Fashion-MNIST) from a few random numbers, and says how probable test images are

Differentiated: the evidence lower bound of binarised images, with respect to the weights of an encoder and of a decoder.
The code of an image is mean + deviation * noise, so that derivatives reach the encoder through the draw. Two are trained:
one with codes of 20 numbers, and one with codes of two, whose plane can be drawn.

Reference: Kingma and Welling, "Auto-encoding variational Bayes", ICLR 2014; Burda, Grosse and Salakhutdinov, "Importance
weighted autoencoders", ICLR 2016, for the tighter bound by which they are judged.
"""

import numpy as np
from scipy import special

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.data import load_fashion_mnist
from chainrule.nn import functional as F


class VAE(nn.Module):
    def __init__(self, code, hidden=256):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(784, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 2 * code)
        )
        self.decoder = nn.Sequential(
            nn.Linear(code, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 784)
        )

    def encode(self, x):
        """Mean and logarithm of the deviation of each image's normal distribution of codes, q(z | x)."""
        return self.encoder(x).chunk(2, dim=1)

    def log_likelihood(self, x, z):
        """log p(x | z) of each image: its pixels are coins, tossed with the probabilities that the decoder gives."""
        return -F.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="none").sum(1)

    def bound(self, x):
        """A lower bound of log p(x), in nats: likelihood at one code, less the divergence of q(z | x) from the prior."""
        mean, log_deviation = self.encode(x)
        z = mean + cr.exp(log_deviation) * cr.randn_like(mean)
        divergence = 0.5 * (mean**2 + cr.exp(2 * log_deviation) - 1 - 2 * log_deviation).sum(1)
        return self.log_likelihood(x, z) - divergence

    def log_weight(self, x):
        """log p(x, z) / q(z | x) at a code z drawn from q; the mean of its exponential is p(x)."""
        mean, log_deviation = self.encode(x)
        noise = cr.randn_like(mean)
        z = mean + cr.exp(log_deviation) * noise
        return self.log_likelihood(x, z) + (log_deviation + 0.5 * noise**2 - 0.5 * z**2).sum(1)


def train(demo, images, code, epochs):
    model = VAE(code)
    optimizer = optim.Adam(model.parameters(), lr=2e-3)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs * (len(images) // 128), eta_min=2e-5)

    @demo.compile
    def step(x):
        optimizer.zero_grad()
        loss = -model.bound(cr.bernoulli(x)).mean()  # grey is the probability of white, tossed anew each time
        loss.backward()
        optimizer.step()
        return loss

    for x in demo.batches(images, batch_size=128, epochs=epochs, name=f"code of {code}"):
        demo.log(**{f"loss {code}": step(x)})
        schedule.step()
    return model


def importance_bound(demo, model, images, samples):
    """An upper bound of -log p(x) in nats, mean over images (n, 784); exact for infinitely many samples."""
    log_weight = demo.compile(model.log_weight)
    bounds = []
    with cr.no_grad():
        for x in np.split(images, 10):
            weights = np.stack([log_weight(demo.tensor(x)).numpy() for _ in range(samples)])
            bounds.append(np.log(samples) - special.logsumexp(weights.astype(float), axis=0))
    return np.mean(bounds)


def decode(demo, model, codes):
    with cr.no_grad():
        return cr.sigmoid(model.decoder(demo.tensor(codes.astype(np.float32)))).numpy().reshape(-1, 28, 28)


def main(demo):
    train_set, test_set = load_fashion_mnist()
    images, labels = np.asarray(train_set.images), np.asarray(test_set.labels)
    epochs, samples, tested = (1, 2, 500) if demo.quick else (5, 50, 2000)
    if demo.quick:
        images = images[:6400]
    wide, flat = (train(demo, images, code, epochs) for code in (20, 2))

    tossed = (demo.rng.random((tested, 784)) < np.asarray(test_set.images)[:tested]).astype(np.float32)
    p = np.clip(images.mean(0, dtype=float), 1e-4, 1 - 1e-4)
    coins = -special.xlogy(tossed, p).sum(1) - special.xlog1py(1 - tossed, -p).sum(1)
    for model, code, at_most in ((wide, 20, 248), (flat, 2, 264)):
        nats = importance_bound(demo, model, tossed, samples)
        reference = f"pixels independent of each other: {coins.mean():.1f}"
        demo.result(f"nats per test image, codes of {code} numbers", nats, at_most=at_most, reference=reference)

    drawn = decode(demo, wide, demo.rng.normal(size=(60, 20)))
    demo.figure(plot.montage(drawn), caption="Clothes that do not exist: decoded from 20 random numbers each.")
    plane = latent_map(demo, flat, np.asarray(test_set.images), labels, test_set.classes)
    demo.figure(
        plane, "vae_plane", "The plane of codes of two numbers: no label was seen, yet classes find places of their own."
    )
    curves = {f"codes of {code} numbers": demo.curve(f"loss {code}") for code in (20, 2)}
    figure = plot.curves(curves, "Bound on the negative log-likelihood of each batch", "step", "nats per image")
    demo.figure(figure, "vae_loss")


def latent_map(demo, model, images, labels, classes):
    """Where test images lie in the plane of codes, and what the decoder draws all over it."""
    with cr.no_grad():
        mean = model.encode(demo.tensor(images))[0].numpy()
    figure, (left, right) = plot.subplots(1, 2, size=(9.6, 4.4))
    for k, name in enumerate(classes):
        left.scatter(*mean[labels == k][:120].T, s=4, color=f"C{k}", label=name)
    side, edge = 14, 3
    ticks = edge * (2 * np.arange(side) + 1 - side) / side
    codes = np.stack(np.meshgrid(ticks, ticks[::-1]), -1).reshape(-1, 2)
    tiles = decode(demo, model, codes).reshape(side, side, 28, 28).transpose(0, 2, 1, 3).reshape(side * 28, side * 28)
    right.imshow(tiles.round(1), cmap="gray_r", interpolation="nearest", extent=(-edge, edge, -edge, edge))
    right.grid(False)
    left.set(title="Codes of test images", xlim=(-edge, edge), ylim=(-edge, edge), aspect="equal")
    left.legend(markerscale=3, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    right.set(title="What the decoder draws at each code")
    return figure
