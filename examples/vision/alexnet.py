"""AlexNet: five convolutions and three dense layers tell clothes apart (Fashion-MNIST); a step at its published size

Differentiated: the cross entropy of ten classes with respect to all weights of an AlexNet with an eighth of the channels.
The same class at full width has 61,100,840 parameters: these are counted, and two photographs of 224x224 pixels go through
one whole training step, after which their loss must be lower.

Reference: Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural networks", NIPS (2012),
in the form for one machine of Krizhevsky, "One weird trick for parallelizing convolutional neural networks" (2014), which
torchvision has.
"""

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.data import load_fashion_mnist, load_photographs
from chainrule.nn import functional as F

PALACE, DAISY = 698, 985  # the two of ImageNet's classes that come nearest to the photographs
PUBLISHED = 61_100_840


class AlexNet(nn.Module):
    """Convolutions of which the first is `first`; `width` is its number of channels, 64 in the paper."""

    def __init__(self, first, width, classes, side, overhang=0, dropout=0.5):
        super().__init__()

        def pool():  # windows overlap: 3x3 pixels, every second place
            return nn.MaxPool2d(3, stride=2, padding=overhang)

        self.first = first
        self.features = nn.Sequential(
            nn.ReLU(), pool(),
            nn.Conv2d(width, 3 * width, 5, padding=2), nn.ReLU(), pool(),
            nn.Conv2d(3 * width, 6 * width, 3, padding=1), nn.ReLU(),
            nn.Conv2d(6 * width, 4 * width, 3, padding=1), nn.ReLU(),
            nn.Conv2d(4 * width, 4 * width, 3, padding=1), nn.ReLU(), pool(),
        )  # fmt: skip
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(4 * width * side * side, 64 * width), nn.ReLU(),
            nn.Dropout(dropout), nn.Linear(64 * width, 64 * width), nn.ReLU(),
            nn.Linear(64 * width, classes),
        )  # fmt: skip

    def forward(self, x):
        return self.classifier(self.features(self.first(x)).flatten(1))


def small(width):
    """For pictures of 28x28 pixels; so few features cannot spare half of them to dropout."""
    return AlexNet(nn.Conv2d(1, width, 7, stride=2, padding=3), width, classes=10, side=2, overhang=1, dropout=0.1)


def full(width):
    """For photographs of 224x224 pixels."""
    return AlexNet(nn.Conv2d(3, width, 11, stride=4, padding=2), width, classes=1000, side=6)


def training_step(net, optimizer):
    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def nearest_mean(images, labels, test_images):
    """The class whose mean image is nearest to a test image."""
    means = np.stack([images[labels == c].mean(0).ravel() for c in range(10)])
    return (test_images.reshape(len(test_images), -1) @ means.T - (means**2).sum(1) / 2).argmax(1)


def main(demo):
    train, test = load_fashion_mnist()
    images, labels = train.pictures()[:, None], np.asarray(train.labels)
    test_images, test_labels = test.pictures()[:, None], np.asarray(test.labels)
    if demo.quick:
        images, labels, test_images, test_labels = images[:1280], labels[:1280], test_images[:1000], test_labels[:1000]
    epochs, batch_size = (1, 64) if demo.quick else (3, 64)
    net = small(8)
    optimizer = optim.AdamW(net.parameters(), lr=1e-3)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=epochs * (len(images) // batch_size))
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
    demo.figure(plot.curves({"training": demo.curve("loss")}, "Cross entropy of each batch", "step"), "alexnet_loss")
    windows = filters(net, demo.tensor(test_images[:1]))
    demo.figure(windows, caption="What the first layer looks for, and where it finds it in a test image.")


def full_size(demo):
    """Count the parameters of the whole network, and let it take a step."""
    net = full(2 if demo.quick else 64)
    count = sum(p.numel() for p in net.parameters())
    demo.result("parameters at full size", count, at_least=PUBLISHED, at_most=PUBLISHED, reference=f"published: {PUBLISHED:,}")
    x, y = demo.tensor((load_photographs(224) - 0.45) / 0.225), demo.tensor(np.array([PALACE, DAISY]))
    step = training_step(net, optim.SGD(net.parameters(), lr=0.01, momentum=0.9))  # not compiled: it runs only once

    def loss():
        net.eval()  # without dropout
        with cr.no_grad():
            value = float(F.cross_entropy(net(x), y))
        net.train()
        return value

    before = loss()
    for _ in demo.steps(1, "full-size step"):
        step(x, y)
    demo.result("cross entropy after a full-size step", loss(), at_most=before, reference=f"before: {before:.3f}")


def filters(net, image):
    """A picture of the first layer's windows, and of where in an image they respond."""
    with cr.no_grad():
        windows, responses = net.first.weight.detach().numpy()[:, 0], F.relu(net.first(image)).numpy()[0]
    figure, axes = plot.subplots(2, 9, (9, 2.4))
    axes[0, 0].text(0.5, 0.5, "windows", ha="center", va="center")
    axes[1, 0].set_title("responses to", fontsize=10, loc="center")
    axes[1, 0].imshow(image.numpy()[0, 0], cmap="gray")
    for window, response, (above, below) in zip(windows, responses, axes.T[1:]):
        limit = np.abs(window).max()
        above.imshow(window, cmap="RdBu_r", vmin=-limit, vmax=limit)
        below.imshow(response, cmap="gray")
    for a in axes.flat:
        a.set_axis_off()
    return figure
