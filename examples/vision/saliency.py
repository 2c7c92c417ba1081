"""Which pixels made the network decide? Saliency, integrated gradients and Grad-CAM on a trained network (Fashion-MNIST)

Differentiated: the score of the class that a small convolutional network chooses, with respect to the pixels of the image:
at the image (saliency), averaged along the line from a black image to it (integrated gradients), and with respect to the
features of the last convolution (Grad-CAM). Pixels are then made black, those with the largest values first: the faster the
network loses confidence, the better they were chosen. Integrated gradients must add up to the difference of the two scores.

Reference: Simonyan, Vedaldi and Zisserman (2013); Sundararajan, Taly and Yan, "Axiomatic attribution for deep networks"
(2017); Selvaraju et al., "Grad-CAM" (2017). Compared with pixels of the garment in random order.
"""

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.data import load_fashion_mnist
from chainrule.nn import functional as F

BOUNDS = {"saliency": 0.95, "integrated gradients": 0.5, "Grad-CAM": None}  # Grad-CAM is too coarse to rank single pixels


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU()
        )
        self.classifier = nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16 * 7 * 7, 64), nn.ReLU(), nn.Linear(64, 10))

    def forward(self, x):
        return self.classifier(self.features(x))


def main(demo):
    train, test = load_fashion_mnist()
    images, labels = train.pictures()[:, None], np.asarray(train.labels)
    test_images, test_labels = test.pictures()[:, None], np.asarray(test.labels)
    if demo.quick:
        images, labels = images[:3200], labels[:3200]
    epochs, batch_size = (1, 32) if demo.quick else (3, 32)
    net = Network()
    optimizer = optim.AdamW(net.parameters(), lr=2e-3)
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

    n, points = (40, 32) if demo.quick else (400, 256)
    x = test_images[:n]
    net.requires_grad_(False)  # from here on, only pixels and features are varied
    scores, black = net(demo.tensor(x)).numpy(), net(demo.tensor(np.zeros_like(x[:1]))).numpy()[0]
    chosen = scores.argmax(1)
    demo.result("test accuracy", (chosen == test_labels[:n]).mean(), at_least=0.85, reference="chance: 0.1")

    def chosen_score(scores, classes):
        """The sum over images; each depends on its own image only, so one gradient holds that of every image."""
        return cr.sum(scores[np.arange(len(classes)), classes])

    gradient = cr.grad(lambda x, classes: chosen_score(net(x), classes))

    def grad_cam(x):
        """Features, weighted by the mean gradient of their channel; enlarged to the size of the image."""
        features = net.features(x)
        weights = cr.grad(lambda f: chosen_score(net.classifier(f), chosen))(features).mean((2, 3), keepdims=True)
        return F.interpolate(F.relu((weights * features).sum(1, keepdims=True)), size=(28, 28), mode="bilinear")

    def integrated(image, c):
        """The gradient's mean over midpoints of the line from black to the image, times the image."""
        shares = ((np.arange(points, dtype=np.float32) + 0.5) / points)[:, None, None, None]
        return image * gradient(shares * image, np.full(points, c)).mean(0)

    maps = {"saliency": np.abs(np.asarray(gradient(x, chosen)))}
    maps["integrated gradients"] = np.stack([np.asarray(integrated(x[i], chosen[i])) for i in demo.steps(n, "image")])
    maps["Grad-CAM"] = np.asarray(grad_cam(x))
    n = len(maps["integrated gradients"])  # fewer after Ctrl-C
    x, chosen, maps = x[:n], chosen[:n], {name: values[:n] for name, values in maps.items()}

    difference = scores[np.arange(len(chosen)), chosen] - black[chosen]
    error = np.abs(maps["integrated gradients"].sum((1, 2, 3)) - difference).mean() / np.abs(difference).mean()
    demo.result("error of the sum of integrated gradients", error, at_most=0.01, reference="share of the difference of scores")

    def confidence(x):
        return F.softmax(net(demo.tensor(x)), dim=1).numpy()[np.arange(len(x)), chosen].mean()

    removed = np.linspace(0, 1, 6 if demo.quick else 26)
    orders = maps | {"random": demo.rng.random(x.shape)}
    curves = {name: np.array([confidence(without(x, values, share)) for share in removed]) for name, values in orders.items()}
    areas = {name: np.trapezoid(curve, removed) for name, curve in curves.items()}
    for name, bound in BOUNDS.items():
        ratio = areas[name] / areas["random"]
        demo.result(f"deletion by {name}, area over that of random pixels", ratio, at_most=bound, reference="random pixels: 1")
    lines = {name: (removed, curve) for name, curve in curves.items()}
    title = "Pixels made black, those that matter most first"
    falling = plot.curves(lines, title, "share of the garment removed", "probability of the class")
    demo.figure(falling, "saliency_deletion", "The faster a curve falls, the better its pixels explain the decision.")
    order = np.argsort(chosen != test_labels[:n], kind="stable")  # what the network got right comes first
    shown = pictures(x[order], chosen[order], {name: values[order] for name, values in maps.items()}, test.classes)
    demo.figure(shown, caption="Where each method sees the reasons; blue pixels speak against the class.")


def without(x, values, share):
    """Images of which this share of the lit pixels is made black, the largest values first."""
    flat = x.reshape(len(x), -1)
    order = np.argsort(np.where(flat > 0, -values.reshape(flat.shape), np.inf), axis=1)
    rank = np.argsort(order, axis=1)
    return np.where(rank < share * (flat > 0).sum(1, keepdims=True), 0, flat).reshape(x.shape)


def pictures(x, chosen, maps, classes):
    """An image of each of a few classes, and below it the maps."""
    columns = [int(np.argmax(chosen == c)) for c in np.unique(chosen)[::-1][:5]]
    figure, axes = plot.subplots(4, len(columns), (1.6 * len(columns) + 1.2, 6.6))
    axes = axes.reshape(4, -1)
    for column, i in enumerate(columns):
        axes[0, column].imshow(x[i, 0], cmap="gray_r")
        axes[0, column].set_title(classes[chosen[i]], loc="center", fontsize=10)
        for row, (name, values) in enumerate(maps.items(), 1):
            limit = np.abs(values[i]).max()
            signed = name == "integrated gradients"
            look = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit} if signed else {"cmap": "magma"}
            axes[row, column].imshow(values[i, 0], **look)
    for a in axes.flat:
        a.set(xticks=[], yticks=[], frame_on=False)
    for a, name in zip(axes[:, 0], ["image", *maps], strict=True):
        a.set_ylabel(name)
    return figure
