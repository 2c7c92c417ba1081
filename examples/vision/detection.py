"""A single-stage detector finds and reads the digits in cluttered scenes, composed from real ones (8x8 pixels, enlarged)

Differentiated: for every cell of a 6x6 grid, whether a digit is centred there (cross entropy), which (cross entropy), and
in what box (one less the intersection of boxes over their union), with respect to the weights of six convolutions. Of a
digit's boxes that overlap, the surest stays. The mean average precision at an intersection over union of 0.5 is computed
below.

Reference: Redmon, Divvala, Girshick and Farhadi, "You only look once: unified, real-time object detection", CVPR 2016.
Compared with connected components, each read by a support vector machine.
"""

import numpy as np
from scipy import ndimage, special

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.data import load_digits
from chainrule.nn import functional as F

SIDE, GRID = 48, 6
CELL = SIDE // GRID


def resize(image, height, width):
    """An image of another size, by linear interpolation."""
    for size, length in zip((height, width), image.shape):  # the first axis twice: each product turns the image over
        at = (np.arange(size) + 0.5) * length / size - 0.5
        image = (np.maximum(1 - np.abs(at.clip(0, length - 1)[:, None] - np.arange(length)), 0) @ image).T
    return image


def bounds(ink):
    """Left, top, right and bottom edge of what is darker than a fifth."""
    rows, columns = (np.flatnonzero((ink > 0.2).any(axis)) for axis in (1, 0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], float)


def compose(rng, images, labels):
    """A scene (SIDE, SIDE) of up to six digits and of pieces of others, with boxes (n, 4) and digits (n,)."""
    scene, boxes, digits = np.zeros((SIDE, SIDE)), [], []
    for i in rng.integers(len(images), size=rng.integers(2, 7)):
        height = rng.integers(12, 20)
        ink = resize(images[i], height, int(height * rng.uniform(0.75, 1.05))) * rng.uniform(0.6, 1)
        y, x = (rng.integers(0, SIDE - length + 1) for length in ink.shape)
        box = bounds(ink) + [x, y, x, y]
        if not boxes or iou(box, np.array(boxes)).max() < 0.1:
            place = scene[y : y + ink.shape[0], x : x + ink.shape[1]]
            np.maximum(place, ink, out=place)
            boxes.append(box)
            digits.append(labels[i])
    for i in rng.integers(len(images), size=4):
        y, x, row, column = *rng.integers(0, SIDE - 5, size=2), *rng.integers(0, 5, size=2)
        place = scene[y : y + 5, x : x + 5]
        np.maximum(place, 0.8 * images[i, row : row + 4, column : column + 4].repeat(2, 0).repeat(2, 1)[:5, :5], out=place)
    scene = (scene + rng.normal(0, 0.08, scene.shape)).clip(0, 1)
    return scene.astype(np.float32), np.array(boxes), np.array(digits)


def iou(a, b, library=np):
    """Intersection over union of boxes (..., 4): left, top, right, bottom; arrays of NumPy, or of the library that is given."""
    width = (library.minimum(a[..., 2], b[..., 2]) - library.maximum(a[..., 0], b[..., 0])).clip(0)
    height = (library.minimum(a[..., 3], b[..., 3]) - library.maximum(a[..., 1], b[..., 1])).clip(0)
    areas = [(box[..., 2] - box[..., 0]) * (box[..., 3] - box[..., 1]) for box in (a, b)]
    return width * height / (areas[0] + areas[1] - width * height)


def targets(scenes):
    """What the network should say: whether a digit's centre is in a cell, its box, and which it is, (n, GRID, GRID) each."""
    found = np.zeros((len(scenes), GRID, GRID), np.float32)
    box = np.tile(np.array([0, 0, CELL, CELL], np.float32), (*found.shape, 1))
    digit = np.zeros(found.shape, np.int64)
    for n, (_, boxes, digits) in enumerate(scenes):
        column, row = ((boxes[:, :2] + boxes[:, 2:]) / 2 // CELL).astype(int).T
        found[n, row, column], box[n, row, column], digit[n, row, column] = 1, boxes, digits
    return found, box, digit


class Detector(nn.Module):
    def __init__(self):
        super().__init__()
        sizes = [(1, 16, 2), (16, 32, 2), (32, 64, 2), (64, 64, 1), (64, 64, 1)]
        layers = [nn.Sequential(nn.Conv2d(i, o, 3, stride, 1), nn.BatchNorm2d(o), nn.ReLU()) for i, o, stride in sizes]
        self.layers = nn.Sequential(*layers, nn.Conv2d(64, 15, 1))
        row, column = np.mgrid[:GRID, :GRID]
        self.corner = np.stack([column, row], -1).astype(np.float32) * CELL

    def forward(self, x, corner):
        """Of each cell: log-odds of a digit (n, GRID, GRID), its box (..., 4), log-odds of ten digits (..., 10)."""
        out = self.layers(x).permute(0, 2, 3, 1)
        centre, half = corner + CELL * cr.sigmoid(out[..., 1:3]), 7 * cr.exp(out[..., 3:5])
        return out[..., 0], cr.cat([centre - half, centre + half], -1), out[..., 5:]


def detect(odds, boxes, scores, most=0.4):
    """(confidence, digit, box) of one scene's digits: of a digit's boxes that overlap by more than `most`, the surest stays."""
    scores = special.softmax(scores, -1) * special.expit(odds)[..., None]
    kept = []
    for row, column, digit in sorted(np.argwhere(scores > 0.02).tolist(), key=lambda at: -scores[tuple(at)]):
        box = boxes[row, column]
        if not any(d == digit and iou(box, b) > most for _, d, b in kept):
            kept.append((scores[row, column, digit], digit, box))
    return kept


def components(svm, scene):
    """The same without learning to look: pieces of ink that hang together, read by a support vector machine."""
    pieces, _ = ndimage.label(scene > 0.3, np.ones((3, 3)))
    found = []
    for rows, columns in ndimage.find_objects(pieces):
        ink = scene[rows, columns]
        if min(ink.shape) >= 5:
            scores = svm.decision_function(resize(ink, 8, 8).reshape(1, 64))[0]
            found.append(
                (scores.max(), int(scores.argmax()), np.array([columns.start, rows.start, columns.stop, rows.stop], float))
            )
    return found


def precision_recall(scenes, detections, counted, enough=0.5):
    """Precision (at this recall or a higher one) and recall while the digits in `counted` are found, the surest first."""
    ranked = [(c, n, d, b) for n, found in enumerate(detections) for c, d, b in found if d in counted]
    missing = [[pair for pair in zip(digits, boxes) if pair[0] in counted] for _, boxes, digits in scenes]
    total, right = sum(map(len, missing)), []
    for _, n, digit, box in sorted(ranked, key=lambda found: -found[0]):
        overlaps = [iou(box, b) * (d == digit) for d, b in missing[n]]
        right.append(max(overlaps, default=0) >= enough)
        if right[-1]:
            missing[n].pop(int(np.argmax(overlaps)))  # a second box for it would be a mistake
    found = np.cumsum(right)
    precision = found / np.arange(1, len(found) + 1)
    return np.maximum.accumulate(precision[::-1])[::-1], found / max(total, 1)


def mean_average_precision(scenes, detections):
    """The area under precision over recall, mean over the ten digits."""
    curves = [precision_recall(scenes, detections, {digit}) for digit in range(10)]
    return np.mean([(precision * np.diff(recall, prepend=0)).sum() for precision, recall in curves])


def main(demo):
    svm = demo.needs("sklearn.svm")
    train, test = load_digits(flatten=False)
    n_train, n_test, epochs = (128, 20, 1) if demo.quick else (10_000, 500, 7)
    learn, check = (
        [compose(demo.rng, np.asarray(part.images), np.asarray(part.labels)) for _ in range(n)]
        for part, n in ((train, n_train), (test, n_test))
    )
    scenes = np.stack([scene for scene, _, _ in learn])[:, None]
    net = Detector()
    corner = demo.tensor(net.corner)
    optimizer = optim.AdamW(net.parameters(), weight_decay=0.05)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=6e-3, total_steps=epochs * (n_train // 32))

    @demo.compile
    def step(x, found, box, digit):
        optimizer.zero_grad()
        odds, boxes, scores = net(x, corner)
        found_loss = F.binary_cross_entropy_with_logits(odds, found, reduction="sum")
        digit_loss = (found * F.cross_entropy(scores.permute(0, 3, 1, 2), digit, reduction="none")).sum()
        box_loss = (found * (1 - iou(boxes, box, cr))).sum()
        loss = (found_loss + digit_loss + 2 * box_loss) / found.sum()
        loss.backward()
        optimizer.step()
        return loss

    for batch in demo.batches(scenes, *targets(learn), batch_size=32, epochs=epochs):
        demo.log(loss=step(*batch))
        schedule.step()

    net.eval()
    with cr.no_grad():
        outputs = [out.numpy() for out in net(demo.tensor(np.stack([scene for scene, _, _ in check])[:, None]), corner)]
    detections = [detect(*of_scene) for of_scene in zip(*outputs)]
    edges = [bounds(image).astype(int) for image in np.asarray(train.images)]
    tight = [resize(image[y0:y1, x0:x1], 8, 8).ravel() for image, (x0, y0, x1, y1) in zip(np.asarray(train.images), edges)]
    reader = svm.SVC(C=10).fit(tight, np.asarray(train.labels))
    simple = [components(reader, scene) for scene, _, _ in check]
    known = f"connected components and a support vector machine: {mean_average_precision(check, simple):.3f}"
    demo.result("mean average precision at 0.5", mean_average_precision(check, detections), at_least=0.88, reference=known)

    caption = "Test scenes: digits that are there (dotted), found (green), and mistakes (red)."
    demo.figure(picture(check[:8], detections[:8]), caption=caption)
    lines = {}
    for name, found in (("detector", detections), ("connected components", simple)):
        precision, recall = precision_recall(check, found, range(10))
        lines[name] = recall, precision
    figure = plot.curves(lines, "How much is found, and how much of it is right", "recall", "precision", smooth=1)
    demo.figure(figure, "detection_precision")


def picture(scenes, detections, sure=0.3):
    figure, grid = plot.subplots(2, 4, size=(11, 5.8))
    for axes, (scene, boxes, digits), found in zip(grid.flat, scenes, detections):
        axes.imshow(scene, cmap="gray_r", extent=(0, SIDE, SIDE, 0))
        axes.set_axis_off()
        for left, top, right, bottom in boxes:
            axes.plot([left, right, right, left, left], [top, top, bottom, bottom, top], ":", color="black", linewidth=1)
        for _, digit, box in [d for d in found if d[0] > sure]:
            right = any(d == digit and iou(box, b) >= 0.5 for b, d in zip(boxes, digits))
            color = plot.GREEN if right else plot.RED
            left, top, right, bottom = box
            axes.plot([left, right, right, left, left], [top, top, bottom, bottom, top], color=color, linewidth=1.6)
            axes.text(left, top - 0.6, str(digit), color=color, fontsize=9, weight="bold")
    return figure
