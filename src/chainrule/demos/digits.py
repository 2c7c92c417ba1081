"""an MLP learns to read real handwritten digits (1,797 images of 8x8 pixels); seconds

Training images are moved about a little, by half a pixel at most, each time they are used: with 1,438 of them that is
worth one per cent of test accuracy.
"""

import numpy as np

from .. import optim
from ..creation import from_numpy
from ..data import ImageDataset, load_digits
from . import classify


class Jittered(ImageDataset):
    """The images of another dataset, each moved by a random part of a pixel up or down and left or right.

    Parameters
    ----------
    dataset : ImageDataset of flat images
    reach : greatest distance in pixels, at most 1
    seed : for the distances
    """

    def __init__(self, dataset, reach, seed):
        super().__init__(dataset.images, dataset.labels, dataset.classes, dataset.image_shape)
        self.reach, self.random = reach, np.random.default_rng(seed)

    def take(self, indices):
        x, y = super().take(indices)
        images = np.asarray(x).reshape(-1, *self.image_shape)
        distances = self.random.uniform(-self.reach, self.reach, (2, len(images))).astype(images.dtype)
        for axis, distance in enumerate(distances, 1):
            images = shift(images, distance, axis)
        return from_numpy(images.reshape(np.shape(x))), y


def shift(images, distance, axis):
    """Images moved along one axis by parts of a pixel (linear interpolation); what comes in from outside is 0.

    Parameters
    ----------
    images : (n, height, width)
    distance : (n,), from -1 to 1
    axis : 1 or 2

    Examples
    --------
    >>> from chainrule.demos.digits import shift
    >>> shift(np.array([[[0.0, 1.0, 0.0]]]), np.array([0.25]), axis=2)
    array([[[0.  , 0.75, 0.25]]])
    """
    n = images.shape[axis]
    padded = np.pad(images, [(1, 1) if a == axis else (0, 0) for a in range(3)])
    before, after = (np.take(padded, range(start, start + n), axis) for start in (0, 2))
    d = distance[:, None, None]
    return images * (1 - np.abs(d)) + before * np.maximum(d, 0) + after * np.maximum(-d, 0)


def run(options):
    """Train, write pictures, and return the exit code."""
    train, test = load_digits()
    return classify.run(
        classify.Task(
            name="digits",
            train=Jittered(train, reach=0.5, seed=options.seed),
            test=test,
            make_model=lambda: classify.mlp(64, 256, 128, 10, dropout=0.1),
            make_optimizer=lambda model: optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2),
            batch_size=32,
            epochs=8 if options.quick else 60,
            blas_threads=1,  # on products this small a second thread saves nothing, and on a busy machine costs tenfold
        ),
        options,
    )
