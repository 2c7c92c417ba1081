"""A conditional GAN draws clothes on demand (Fashion-MNIST): the class is asked for, and a classifier says whether it came

Differentiated: the discriminator's cross entropy (real or drawn?) with respect to its weights; then the generator's, that
what it draws be taken for real, through the discriminator, with respect to its own. Both updates are one compiled
program. A classifier that learnt from real images judges the drawings; another learns from drawings alone and is tested
on real images, which would fail if each class were drawn in one way only.

Reference: Goodfellow et al., "Generative adversarial nets", NIPS 2014; Radford, Metz and Chintala, "Unsupervised
representation learning with deep convolutional generative adversarial networks", ICLR 2016; the class enters the
discriminator as in Miyato and Koyama, "cGANs with projection discriminator", ICLR 2018.
"""

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.data import load_fashion_mnist
from chainrule.nn import functional as F

CODE, BATCH = 32, 32  # random numbers behind each drawing, drawings in each step


class Generator(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.dense = nn.Linear(CODE + 10, 2 * width * 7 * 7)
        self.norm1, self.norm2 = nn.BatchNorm2d(2 * width), nn.BatchNorm2d(width)
        self.conv1 = nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1)
        self.conv2 = nn.ConvTranspose2d(width, 1, 4, stride=2, padding=1)

    def forward(self, code, classes):
        x = self.dense(cr.cat([code, F.one_hot(classes, 10).to(code.dtype)], dim=1)).reshape(len(code), -1, 7, 7)
        x = F.relu(self.norm2(self.conv1(F.relu(self.norm1(x)))))
        return cr.sigmoid(self.conv2(x))


class Discriminator(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 4, stride=2, padding=1)
        self.conv2 = nn.Conv2d(width, 2 * width, 4, stride=2, padding=1)
        self.dense = nn.Linear(2 * width * 7 * 7, 128)
        self.output = nn.Linear(128, 11)  # one number for "real", and one for each class

    def forward(self, x, classes):
        x = F.leaky_relu(self.conv1(x), 0.2)
        x = F.leaky_relu(self.conv2(x), 0.2).flatten(1)
        x = self.output(F.leaky_relu(self.dense(F.dropout(x, 0.3)), 0.2))
        return x[:, 0] + (F.one_hot(classes, 10).to(x.dtype) * x[:, 1:]).sum(1)


def classifier_accuracy(demo, images, labels, tests, epochs, name):
    """Accuracies on each of `tests`, pairs (images, labels), of a small network that learns from images (n, 784)."""
    net = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = optim.Adam(net.parameters(), lr=2e-3)

    @demo.compile
    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()

    for x, y in demo.batches(images, labels, batch_size=128, epochs=epochs, name=name):
        step(x, y)
    with cr.no_grad():
        return [(net(demo.tensor(x)).argmax(1).numpy() == y).mean() for x, y in tests]


def main(demo):
    train, test = load_fashion_mnist()
    images, labels = train.pictures()[:, None], np.asarray(train.labels)
    if demo.quick:
        images, labels = images[:640], labels[:640]
    generator, discriminator = Generator(), Discriminator()
    epochs, judge_epochs, drawn = (1, 1, 500) if demo.quick else (2, 3, 10_000)
    painter = optim.Adam(generator.parameters(), lr=2e-3, betas=(0.5, 0.99))
    critic = optim.Adam(discriminator.parameters(), lr=1e-3, betas=(0.5, 0.99))
    steps = epochs * (len(images) // BATCH)
    schedules = [optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps, eta_min=1e-4) for optimizer in (painter, critic)]

    @demo.compile
    def step(x, y):
        drawing = generator(cr.randn(len(x), CODE, dtype=x.dtype), y)
        critic.zero_grad()
        real, fake = discriminator(x, y), discriminator(drawing.detach(), y)
        critic_loss = F.softplus(-real).mean() + F.softplus(fake).mean()
        critic_loss.backward()
        critic.step()

        painter.zero_grad()
        painter_loss = F.softplus(-discriminator(drawing, y)).mean()
        painter_loss.backward()
        painter.step()
        return critic_loss, painter_loss

    for x, y in demo.batches(images, labels, batch_size=BATCH, epochs=epochs):
        critic_loss, painter_loss = step(x, y)
        demo.log(discriminator=critic_loss, generator=painter_loss)
        for schedule in schedules:
            schedule.step()

    generator.eval()
    classes = np.arange(drawn) % 10
    with cr.no_grad():
        code = demo.rng.normal(size=(drawn, CODE)).astype(np.float32)
        parts = zip(np.split(code, 10), np.split(classes, 10))
        drawings = np.concatenate([generator(demo.tensor(c), demo.tensor(y)).numpy() for c, y in parts])
    figure = plot.montage(drawings[:80, 0], above=test.classes)
    demo.figure(figure, caption="Drawings of the classes that were asked for.")

    real = images.reshape(-1, 784), labels
    drawings = drawings.reshape(-1, 784), classes
    tests = np.asarray(test.images), np.asarray(test.labels)
    accuracy, on_drawings = classifier_accuracy(demo, *real, [tests, drawings], judge_epochs, "classifier of real images")
    known = f"real test images: {accuracy:.3f}; guessing: 0.1"
    demo.result("drawings recognised by a classifier of real images", on_drawings, at_least=0.8, reference=known)
    (from_drawings,) = classifier_accuracy(
        demo, *drawings, [tests], judge_epochs * len(labels) // drawn, "classifier of drawings"
    )
    known = f"learnt from real images: {accuracy:.3f}"
    demo.result("test accuracy of a classifier that learnt from drawings alone", from_drawings, at_least=0.7, reference=known)
    losses = {name: demo.curve(name) for name in ("discriminator", "generator")}
    demo.figure(plot.curves(losses, "Losses of the two players", "step", "nats"), "gan_loss")
