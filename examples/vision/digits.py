"""An MLP reads handwritten digits (1,797 images of 8x8 pixels); trained in seconds, with all that was recorded of it

Differentiated: the cross entropy of ten classes through three dense layers and dropout, 50,826 parameters. Training images are
moved about by half a pixel at most each time they are used: with 1,438 of them that is worth one per cent of test accuracy.
Written down beside the pictures: the program of one training step, forward, backward and update, as the library recorded it.
"""

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.data import load_digits
from chainrule.nn import functional as F


def shift(images, distance, axis):
    """Images (n, 8, 8) moved along an axis by parts of a pixel (n,) from -1 to 1; what comes in from outside is 0."""
    padded = np.pad(images, [(1, 1) if a == axis else (0, 0) for a in range(3)])
    before, after = (np.take(padded, range(start, start + images.shape[axis]), axis) for start in (0, 2))
    d = distance[:, None, None]
    return images * (1 - np.abs(d)) + before * np.maximum(d, 0) + after * np.maximum(-d, 0)


def main(demo):
    train, test = load_digits()
    net = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Dropout(0.1), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-2)
    epochs, batch_size = (8, 32) if demo.quick else (60, 32)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs * (len(train) // batch_size))

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    compiled = demo.compile(step)
    for x, y in demo.batches(train.pictures(), train.labels, batch_size=batch_size, epochs=epochs):
        moved = x.numpy()
        for axis in (1, 2):
            moved = shift(moved, demo.rng.uniform(-0.5, 0.5, len(moved)).astype(np.float32), axis)
        x = demo.tensor(moved.reshape(batch_size, 64))
        demo.log(loss=compiled(x, y))
        schedule.step()

    net.eval()
    with cr.no_grad():
        predicted = net(demo.tensor(test.images)).argmax(1).numpy()
    labels = np.asarray(test.labels)
    demo.result("test accuracy", (predicted == labels).mean(), at_least=0.98, reference="the most common class: 0.1")
    wrong_first = np.argsort(predicted == labels, kind="stable")[:32]
    pictures = plot.image_grid(test.pictures()[wrong_first], labels[wrong_first], predicted[wrong_first])
    demo.figure(pictures, caption="Test images and what the network says: mistakes first, in red.")
    demo.figure(plot.curves({"training": demo.curve("loss")}, "Cross entropy of each batch", "step", log=True), "digits_loss")
    demo.figure(plot.confusion_matrix(labels, predicted), "digits_confusion")
    net.train()
    program = cr.graph(step)(x, y)
    demo.text(str(program), "digits_step", "The program of one training step: forward, backward, update.")
    demo.text(program.to_mermaid(), "digits_step.mmd", "Its graph, for a ```mermaid block.")
