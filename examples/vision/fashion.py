"""An MLP tells clothes apart (Fashion-MNIST, 70,000 images): two dense layers and AdamW

Differentiated: the cross entropy of ten classes with respect to the 203,530 weights and biases of a 784-256-10 network.
Forward pass, backward pass and update are one compiled program, in which the update happens while gradients are still in the
cache.
"""

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.data import load_fashion_mnist
from chainrule.nn import functional as F


def main(demo):
    train, test = load_fashion_mnist()
    images, labels = np.asarray(train.images), np.asarray(train.labels)
    epochs, batch_size = (1, 128) if demo.quick else (10, 128)
    if demo.quick:
        images, labels = images[:10_000], labels[:10_000]
    net = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
    optimizer = optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-2)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs * (len(images) // batch_size))

    @demo.compile
    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    for x, y in demo.batches(images, labels, batch_size=batch_size, epochs=epochs):
        demo.log(loss=step(x, y))
        schedule.step()

    with cr.no_grad():
        predicted = net(demo.tensor(test.images)).argmax(1).numpy()
    labels = np.asarray(test.labels)
    demo.result("test accuracy", (predicted == labels).mean(), at_least=0.88, reference="the most common class: 0.1")
    pictures = plot.image_grid(test.pictures()[:32], labels[:32], predicted[:32], test.classes)
    demo.figure(pictures, caption="Test images and what the network says; red where it is wrong.")
    demo.figure(plot.confusion_matrix(labels, predicted, test.classes), "fashion_confusion")
