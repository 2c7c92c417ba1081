"""What does a network still know of a picture? Photographs are found again from their features, layer by layer

Differentiated: first the cross entropy of a network that learns to tell from which sixth of which photograph a patch comes;
then the distance of a picture's features from those of the photograph, with respect to the picture, 2 x 3 x 64 x 96
numbers that begin as noise. No weights from elsewhere are used, and the network knows these two photographs only.

Reference: Mahendran and Vedaldi, "Understanding deep image representations by inverting them", CVPR (2015).
"""

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.data import load_photographs
from chainrule.nn import functional as F

LAYERS = {"convolution 1": 2, "convolution 2": 5, "convolution 3": 8, "convolution 4": 11}  # where their features come out
BOUNDS = {"convolution 1": 0.95, "convolution 2": 0.9, "convolution 3": 0.6, "convolution 4": 0.25}  # correlations of pixels
PATCH, BATCH, SMOOTHNESS = 32, 32, 0.3


def patches(photographs, rng, n):
    """Patches at random places, and from which sixth of which photograph they come."""
    height, width = photographs.shape[2] - PATCH, photographs.shape[3] - PATCH
    which, y, x = rng.integers(2, size=n), rng.integers(height, size=n), rng.integers(width, size=n)
    cut = [photographs[i, :, top : top + PATCH, left : left + PATCH] for i, top, left in zip(which, y, x)]
    return np.stack(cut), 6 * which + 3 * (2 * y // height) + 3 * x // width


def nearest_colour(known, classes, x):
    """The class whose mean colour is nearest to that of each patch."""
    means = np.stack([known[classes == c].mean((0, 2, 3)) for c in range(12)])
    return ((x.mean((2, 3))[:, None] - means) ** 2).sum(2).argmin(1)


def network():
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 24, 3, stride=2, padding=1),
        nn.BatchNorm2d(24), nn.ReLU(), nn.Conv2d(24, 32, 3, stride=2, padding=1),
        nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 48, 3, stride=2, padding=1),
        nn.BatchNorm2d(48), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(48, 12),
    )  # fmt: skip


def roughness(x):
    """The mean squared difference of neighbouring pixels, to the power 1/2: edges cost, but not more than ramps."""
    down, right = x[:, :, 1:, :-1] - x[:, :, :-1, :-1], x[:, :, :-1, 1:] - x[:, :, :-1, :-1]
    return ((down**2 + right**2 + 1e-6) ** 0.5).mean()


def main(demo):
    whole = load_photographs() * 4 - 2
    wanted = load_photographs((48, 72) if demo.quick else (64, 96)) * 4 - 2
    net = network()
    optimizer = optim.AdamW(net.parameters(), lr=2e-3)

    @demo.compile
    def learn(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    for _ in demo.steps(20 if demo.quick else 1000):
        demo.log(loss=learn(*map(demo.tensor, patches(whole, demo.rng, BATCH))))

    net.eval()
    (known, classes), (x, y) = patches(whole, demo.rng, 2000), patches(whole, demo.rng, 500)
    with cr.no_grad():
        accuracy = (net(demo.tensor(x)).argmax(1).numpy() == y).mean()
    simple = (nearest_colour(known, classes, x) == y).mean()
    demo.result("accuracy on other patches", accuracy, at_least=0.5, reference=f"nearest mean colour: {simple:.3f}")

    target, found = demo.tensor(wanted), {}
    for name, end in list(LAYERS.items())[: 2 if demo.quick else None]:
        found[name], distance = inverted(demo, net[: end + 1], target, name)
        demo.result(f"{name}: distance of features over their variance", distance, at_most=0.2, reference="noise: about 1")
    for name, pictures in found.items():
        r = np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(pictures, wanted, strict=True)])
        demo.result(f"{name}: correlation with the photograph", r, at_least=BOUNDS[name], reference="noise: 0")
    demo.figure(gallery({"photograph": wanted} | found), caption="Photographs, and what was found from features alone.")


def inverted(demo, layers, target, name):
    """Pictures whose features are those of the target, and the distance that is left."""
    with cr.no_grad():
        features = layers(target)
        scale = features.var()
    x = demo.tensor(demo.rng.normal(0, 0.5, target.shape).astype(np.float32)).requires_grad_()
    optimizer = optim.Adam([x], lr=0.1)
    steps = 5 if demo.quick else 400
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)

    @demo.compile
    def step():
        optimizer.zero_grad()
        distance = ((layers(x) - features) ** 2).mean() / scale
        (distance + SMOOTHNESS * roughness(x)).backward()
        optimizer.step()
        return distance

    for _ in demo.steps(steps, name):
        distance = step()
        schedule.step()
    return x.detach().numpy(), float(distance)


def gallery(rows):
    figure, axes = plot.subplots(2, len(rows), (1.4 * len(rows), 2.2))
    for column, (name, pictures) in enumerate(rows.items()):
        for a, picture in zip(axes[:, column], pictures, strict=True):
            a.imshow(np.clip((picture.transpose(1, 2, 0) + 2) / 4, 0, 1), interpolation="nearest")
            a.set_axis_off()
        axes[0, column].set_title(name, loc="center", fontsize=10)
    return figure
