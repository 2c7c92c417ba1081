"""ResNet: 20 layers with shortcuts tell clothes apart (Fashion-MNIST); ResNet-18 and -50 at their published size

Differentiated: the cross entropy of ten classes with respect to all weights of 20 layers, through batch normalisation and
additions that let gradients pass every block unchanged. The same class, given other numbers of blocks, is ResNet-18 and
ResNet-50: their parameters are counted, and two photographs of 224x224 pixels go through whole training steps of each.

Reference: He, Zhang, Ren and Sun, "Deep residual learning for image recognition", CVPR (2016); counts of parameters:
torchvision.
"""

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.data import load_fashion_mnist, load_photographs
from chainrule.nn import functional as F

PALACE, DAISY = 698, 985  # the two of ImageNet's classes that come nearest to the photographs
PUBLISHED = {"ResNet-18": 11_689_512, "ResNet-50": 25_557_032}


def convolution(channels, out, size, stride=1):
    """A convolution without bias, which the normalisation behind it would take away again."""
    return nn.Sequential(nn.Conv2d(channels, out, size, stride, padding=size // 2, bias=False), nn.BatchNorm2d(out))


class Block(nn.Module):
    """x + f(x), where f is two convolutions, or three if `narrow`: to a quarter of the channels, 3x3, and back."""

    def __init__(self, channels, out, stride=1, narrow=False):
        super().__init__()
        layers = [(out // 4, 1, 1), (out // 4, 3, stride), (out, 1, 1)] if narrow else [(out, 3, stride), (out, 3, 1)]
        widths = [channels] + [width for width, _, _ in layers]
        self.layers = nn.ModuleList(convolution(before, *layer) for before, layer in zip(widths, layers))
        self.shortcut = nn.Identity() if channels == out and stride == 1 else convolution(channels, out, 1, stride)

    def forward(self, x):
        y = x
        for layer in self.layers[:-1]:
            y = F.relu(layer(y))
        return F.relu(self.shortcut(x) + self.layers[-1](y))


class ResNet(nn.Module):
    """A stem, stages of blocks of which each halves the picture and doubles the channels, and the mean of what remains."""

    def __init__(self, stem, blocks, width, classes, narrow=False):
        super().__init__()
        self.stem, stages = stem, []
        channels, out = width, 4 * width if narrow else width
        for stage, n in enumerate(blocks):
            for i in range(n):
                stages.append(Block(channels, out, 2 if stage and i == 0 else 1, narrow))
                channels = out
            out *= 2
        self.stages = nn.Sequential(*stages)
        self.output = nn.Linear(channels, classes)

    def forward(self, x):
        return self.output(self.stages(self.stem(x)).mean((2, 3)))


def small(blocks=(3, 3, 3), width=8):
    """ResNet-20 of the paper's section on small pictures, but on half the resolution, with half the channels."""
    return ResNet(nn.Sequential(convolution(1, width, 3, stride=2), nn.ReLU()), blocks, width, classes=10)


def full(name, width):
    """ResNet-18 or ResNet-50 for photographs of ImageNet; `width` is 64."""
    stem = nn.Sequential(convolution(3, width, 7, stride=2), nn.ReLU(), nn.MaxPool2d(3, stride=2, padding=1))
    blocks = (2, 2, 2, 2) if name == "ResNet-18" else (3, 4, 6, 3)
    return ResNet(stem, blocks, width, classes=1000, narrow=name == "ResNet-50")


def training_step(net, optimizer):
    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def least_squares(images, labels, test_images):
    """What a linear classifier says: regression on one number for each class."""
    a, test_a = (np.c_[x.reshape(len(x), -1), np.ones(len(x), np.float32)] for x in (images, test_images))
    weights = np.linalg.solve(a.T @ a + np.eye(a.shape[1], dtype=np.float32), a.T @ np.eye(10, dtype=np.float32)[labels])
    return (test_a @ weights).argmax(1)


def main(demo):
    train, test = load_fashion_mnist()
    photographs = load_photographs(64 if demo.quick else 224)
    images, labels = train.pictures()[:, None], np.asarray(train.labels)
    test_images, test_labels = test.pictures()[:, None], np.asarray(test.labels)
    if demo.quick:
        images, labels, test_images, test_labels = images[:640], labels[:640], test_images[:1000], test_labels[:1000]
    epochs, batch_size = (1, 32) if demo.quick else (2, 64)
    net = small((1, 1, 1)) if demo.quick else small()
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.2, total_steps=epochs * (len(images) // batch_size))
    step = demo.compile(training_step(net, optimizer))
    for x, y in demo.batches(images, labels, batch_size=batch_size, epochs=epochs):
        demo.log(loss=step(x, y))
        schedule.step()

    net.eval()
    with cr.no_grad():
        predicted = np.concatenate([net(demo.tensor(x)).argmax(1).numpy() for x in np.split(test_images, 20)])
    linear = (least_squares(images, labels, test_images) == test_labels).mean()
    demo.result("test accuracy", (predicted == test_labels).mean(), at_least=0.88, reference=f"least squares: {linear:.3f}")

    inputs = demo.tensor((photographs - 0.45) / 0.225)
    for name, published in PUBLISHED.items():
        net = full(name, 4 if demo.quick else 64)
        count = sum(p.numel() for p in net.parameters())
        demo.result(f"{name}, parameters", count, at_least=published, at_most=published, reference=f"published: {published:,}")
        step = training_step(net, optim.SGD(net.parameters(), lr=0.01, momentum=0.9))  # too few steps to earn compilation back
        losses = [float(step(inputs, demo.tensor(np.array([PALACE, DAISY])))) for _ in demo.steps(3, f"{name} step")]
        done = f"{name}, cross entropy after {len(losses) - 1} steps"
        demo.result(done, losses[-1], at_most=6.5, reference=f"before: {losses[0]:.3f}; guessing: {np.log(1000):.3f}")
    demo.figure(plot.curves({"training": demo.curve("loss")}, "Cross entropy of each batch", "step"), "resnet_loss")
    wrong = np.flatnonzero(predicted != test_labels)[:24]
    pictures = plot.image_grid(test_images[wrong, 0], test_labels[wrong], predicted[wrong], test.classes)
    demo.figure(pictures, caption="Test images that the ResNet takes for something else.")
