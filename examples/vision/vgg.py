"""VGG-16: thirteen convolutions of 3x3 pixels tell clothes apart (Fashion-MNIST); one step of it at its published size

Differentiated: the cross entropy of ten classes with respect to all weights of a VGG-16 with a sixteenth of the channels.
The same class at full width has 138,357,544 parameters: these are counted, and a photograph of 224x224 pixels goes through
one whole training step; the memory that its arrays take at most is measured.

Reference: Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR (2015).
"""

import tracemalloc

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.data import load_fashion_mnist, load_photographs
from chainrule.nn import functional as F

STAGES = (1, 1), (2, 2), (4, 4, 4), (8, 8, 8), (8, 8, 8)  # channels over those of the first layer; a pooling ends each stage
PALACE = 698  # the one of ImageNet's classes that comes nearest to the photograph
PUBLISHED = 138_357_544


class VGG16(nn.Module):
    """`width` channels in the first layer (64 in the paper), pictures `side` pixels wide after the last pooling (7)."""

    def __init__(self, channels, width, classes, side):
        super().__init__()
        layers = []
        for stage in STAGES:
            for multiple in stage:
                layers += [nn.Conv2d(channels, multiple * width, 3, padding=1), nn.ReLU()]
                channels = multiple * width
            layers.append(nn.MaxPool2d(2))
        for layer in layers:
            if isinstance(layer, nn.Conv2d):  # without it, sixteen layers of ReLU let nothing through at first
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(layer.bias)
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Linear(channels * side * side, 64 * width), nn.ReLU(), nn.Dropout(),
            nn.Linear(64 * width, 64 * width), nn.ReLU(), nn.Dropout(),
            nn.Linear(64 * width, classes),
        )  # fmt: skip

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


def training_step(net, optimizer):
    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def main(demo):
    train, test = load_fashion_mnist()
    pictures = [
        np.pad(part.pictures()[:, None], ((0, 0), (0, 0), (2, 2), (2, 2))) for part in (train, test)
    ]  # halved five times
    (images, test_images), (labels, test_labels) = pictures, (np.asarray(part.labels) for part in (train, test))
    if demo.quick:
        images, labels, test_images, test_labels = images[:640], labels[:640], test_images[:1000], test_labels[:1000]
    epochs, batch_size = (1, 64) if demo.quick else (2, 32)
    net = VGG16(channels=1, width=4, classes=10, side=1)
    optimizer = optim.AdamW(net.parameters(), lr=1e-3)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=epochs * (len(images) // batch_size))
    step = demo.compile(training_step(net, optimizer))
    for x, y in demo.batches(images, labels, batch_size=batch_size, epochs=epochs):
        demo.log(loss=step(x, y))
        schedule.step()

    net.eval()
    with cr.no_grad():
        predicted = np.concatenate([net(demo.tensor(x)).argmax(1).numpy() for x in np.split(test_images, 10)])
    simple = (nearest_mean(images, labels, test_images) == test_labels).mean()
    accuracy = (predicted == test_labels).mean()
    demo.result("test accuracy", accuracy, at_least=0.85, reference=f"nearest class mean: {simple:.3f}")
    full_size(demo)
    demo.figure(plot.curves({"training": demo.curve("loss")}, "Cross entropy of each batch", "step"), "vgg_loss")
    matrix = plot.confusion_matrix(test_labels, predicted, test.classes)
    demo.figure(matrix, caption="Test images of each class, and what the VGG says.")


def nearest_mean(images, labels, test_images):
    """The class whose mean image is nearest to a test image."""
    means = np.stack([images[labels == c].mean(0).ravel() for c in range(10)])
    return (test_images.reshape(len(test_images), -1) @ means.T - (means**2).sum(1) / 2).argmax(1)


def full_size(demo):
    """Count the parameters of the whole network, let it take a step, and measure the memory of that."""
    tracemalloc.start()
    net = VGG16(channels=3, width=1 if demo.quick else 64, classes=1000, side=7)
    count = sum(p.numel() for p in net.parameters())
    demo.result("parameters at full size", count, at_least=PUBLISHED, at_most=PUBLISHED, reference=f"published: {PUBLISHED:,}")
    x, y = demo.tensor((load_photographs(224)[:1] - 0.45) / 0.225), demo.tensor(np.array([PALACE]))
    step = training_step(net, optim.SGD(net.parameters(), lr=0.01, momentum=0.9))  # not compiled: it runs only once
    net.eval()  # no dropout, so that the two losses can be compared
    with cr.no_grad():
        before = float(F.cross_entropy(net(x), y))
    for _ in demo.steps(1, "full-size step"):
        step(x, y)
    with cr.no_grad():
        after = float(F.cross_entropy(net(x), y))
    demo.result("cross entropy after a full-size step", after, at_most=before, reference=f"before: {before:.3f}")
    gigabytes = tracemalloc.get_traced_memory()[1] / 1e9
    tracemalloc.stop()
    whole = f"parameters, gradients and momentum alone: {3 * 4 * count / 1e9:.2f}"
    demo.result("memory of arrays at most, GB", gigabytes, at_most=6, reference=whole)
