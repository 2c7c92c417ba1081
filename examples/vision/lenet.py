"""LeNet-5 tells clothes apart (Fashion-MNIST, 70,000 images): convolutions learnt by backpropagation

Differentiated: the cross entropy of ten classes, through two convolutions, two poolings and three dense layers, with respect to
61,706 parameters. Forward pass, backward pass and the update by Adam are one compiled program.

Reference: LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", Proc. IEEE 86 (1998).
"""

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.data import load_fashion_mnist
from chainrule.nn import functional as F


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5)
        self.dense1 = nn.Linear(16 * 5 * 5, 120)
        self.dense2 = nn.Linear(120, 84)
        self.output = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.flatten(1)
        return self.output(F.relu(self.dense2(F.relu(self.dense1(x)))))


def main(demo):
    train, test = load_fashion_mnist()
    net = LeNet()
    epochs, batch_size = (1, 64) if demo.quick else (10, 64)
    images, labels = train.pictures()[:, None], np.asarray(train.labels)
    if demo.quick:
        images, labels = images[:6000], labels[:6000]
    optimizer = optim.Adam(net.parameters(), lr=1e-3)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2.5e-3, total_steps=epochs * (len(images) // batch_size))

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

    net.eval()
    with cr.no_grad():
        predicted = np.concatenate([net(demo.tensor(x)).argmax(1).numpy() for x in np.split(test.pictures()[:, None], 10)])
    labels = np.asarray(test.labels)
    demo.result("test accuracy", (predicted == labels).mean(), at_least=0.90, reference="an MLP: 0.89")
    demo.figure(plot.curves({"training": demo.curve("loss")}, "Cross entropy of each batch", "step"), "lenet_loss")
    demo.figure(
        plot.confusion_matrix(labels, predicted, test.classes), caption="Test images of each class, and what LeNet says."
    )
