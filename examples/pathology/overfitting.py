"""A network of 50,000 weights and 50 handwritten digits: overfitting, and what each remedy against it is worth

Differentiated: the cross entropy of ten classes with respect to the weights of a 64-256-128-10 network, on 50 images, five
of each digit; 1,258 others are the test. Without remedy it soon knows every training image, and the test loss rises. Then
the same network with weight decay, dropout, early stopping (on 300 images that no training sees), images moved about, and
all of these together.

Reference: Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout: a simple way to prevent neural networks
from overfitting", JMLR 15 (2014); Prechelt, "Early stopping, but when?" (1998).
"""

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.data import load_digits
from chainrule.nn import functional as F

PLAIN = "no remedy"
REMEDIES = {
    PLAIN: {},
    "weight decay": {"decay": 1.0},
    "dropout": {"dropout": 0.5},
    "images moved": {"move": 0.8},
    "all three": {"decay": 0.3, "dropout": 0.2, "move": 0.8},
}


def network(dropout=0.0):
    return nn.Sequential(
        nn.Linear(64, 256),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(256, 128),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(128, 10),
    )


def moved(images, distance, rng):
    """Images (n, 8, 8), each moved by up to `distance` pixels along both axes, and turned by up to 12 degrees."""
    n = len(images)
    angle = rng.uniform(-0.2, 0.2, n)[:, None, None] * (distance > 0)
    shift = rng.uniform(-distance, distance, (2, n, 1, 1))
    y, x = np.mgrid[:8, :8] - 3.5
    rows = np.cos(angle) * y - np.sin(angle) * x + shift[0] + 3.5
    columns = np.sin(angle) * y + np.cos(angle) * x + shift[1] + 3.5
    padded = np.pad(images, ((0, 0), (3, 3), (3, 3)))
    i, j = np.floor(rows).astype(int), np.floor(columns).astype(int)
    a, b = rows - i, columns - j
    i, j, which = np.clip(i + 3, 0, 12), np.clip(j + 3, 0, 12), np.arange(n)[:, None, None]
    top = padded[which, i, j] * (1 - b) + padded[which, i, j + 1] * b
    bottom = padded[which, i + 1, j] * (1 - b) + padded[which, i + 1, j + 1] * b
    return (top * (1 - a) + bottom * a).astype(np.float32)


def main(demo):
    from sklearn.linear_model import LogisticRegression

    known, test = load_digits(test_fraction=0.7, seed=demo.seed)
    images, labels = known.pictures(), np.asarray(known.labels)
    order = demo.rng.permutation(len(labels))
    chosen = np.concatenate([order[labels[order] == digit][:5] for digit in range(10)])
    others = np.setdiff1d(order, chosen)[:300]
    images, labels, held_out, held_out_labels = images[chosen], labels[chosen], images[others], labels[others]
    test_images, test_labels = test.pictures(), np.asarray(test.labels)

    def look(net, images, labels):
        """(loss, accuracy) on images that are not trained on."""
        net.eval()
        with cr.no_grad():
            out = net(demo.tensor(images.reshape(-1, 64)))
            loss = F.cross_entropy(out, demo.tensor(labels))
        net.train()
        return float(loss), (out.argmax(1).numpy() == labels).mean()

    steps, every = (20, 10) if demo.quick else (2000, 20)
    names = (PLAIN, "all three") if demo.quick else tuple(REMEDIES)
    curves, accuracy, stopped = {}, {}, None
    for name in names:
        remedy = REMEDIES[name]
        net = network(remedy.get("dropout", 0.0))
        optimizer = optim.AdamW(net.parameters(), lr=1e-3, weight_decay=remedy.get("decay", 0.0))

        @demo.compile
        def step(x, y, net=net, optimizer=optimizer):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            return loss

        seen = []
        for i, (x, y) in enumerate(demo.batches(images, labels, batch_size=25, epochs=steps // 2, name=name)):
            if "move" in remedy:
                x = demo.tensor(moved(x.numpy(), remedy["move"], demo.rng))
            demo.log(loss=step(x.reshape(25, 64), y))
            if (i + 1) % every == 0:
                seen.append((i + 1, *look(net, held_out, held_out_labels), *look(net, test_images, test_labels)))
        seen = np.array(seen or [(1, *look(net, held_out, held_out_labels), *look(net, test_images, test_labels))]).T
        curves[name], accuracy[name] = seen, seen[4, -1]
        if name == PLAIN:
            stopped = seen[1].argmin()
            trained = look(net, images, labels)
            accuracy["early stopping"] = seen[4, stopped]

    linear = LogisticRegression(max_iter=1000).fit(images.reshape(-1, 64), labels)
    reference = f"logistic regression: {linear.score(test_images.reshape(-1, 64), test_labels):.3f}"
    demo.result("training accuracy, no remedy", trained[1], at_least=1.0)
    demo.result("test loss over training loss, no remedy", curves[PLAIN][3, -1] / trained[0], at_least=100)
    for name, value in accuracy.items():
        demo.result(f"test accuracy, {name}", value, at_least=0.85 if name == "all three" else None, reference=reference)
    demo.result("gain of all three", accuracy["all three"] - accuracy[PLAIN], at_least=0.015)
    demo.result("test loss, all three over none", curves["all three"][3, -1] / curves[PLAIN][3, -1], at_most=0.95)
    demo.result("test loss, early stopping over none", curves[PLAIN][3, stopped] / curves[PLAIN][3, -1], at_most=0.98)

    figure, (left, right) = plot.subplots(1, 2, size=(9.2, 3.6))
    for (name, (x, _, _, loss, share)), color in zip(curves.items(), plot.COLORS):
        left.plot(x, loss, color=color, label=name)
        right.plot(x, share, color=color, label=name)
    x, _, _, loss, share = curves[PLAIN]
    for axes, y in ((left, loss), (right, share)):
        axes.plot(x[stopped], y[stopped], "o", color="black", markersize=6, zorder=3, label="early stopping")
        axes.set_xlabel("step")
    left.set(title="Test loss", ylim=(0, max(1.2, *(loss[-1] for _, _, _, loss, _ in curves.values()))))
    right.set(title="Test accuracy", ylim=(min(0.75, *accuracy.values()), max(0.92, *accuracy.values())))
    right.legend(fontsize=9, loc="lower right")
    demo.figure(figure, caption="The same network, 50 training images, with and without remedies.")
    shown = moved(np.repeat(images[::10], 6, 0), 0.8, demo.rng)
    demo.figure(
        plot.image_grid(shown, np.repeat(labels[::10], 6), columns=6), "overfitting_moved", "Training images, moved and turned."
    )
