"""Real images with labels: handwritten digits and Fashion-MNIST."""

import os
from pathlib import Path

import numpy as np

from ..errors import ArgumentError, DataError, MissingDataError, explain, missing_extra
from .dataset import TensorDataset
from .idx import read_idx

FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
FASHION_FILES = {
    ("train", "images"): "train-images-idx3-ubyte",
    ("train", "labels"): "train-labels-idx1-ubyte",
    ("test", "images"): "t10k-images-idx3-ubyte",
    ("test", "labels"): "t10k-labels-idx1-ubyte",
}
FASHION_COMMAND = "sudo apt-get install dataset-fashion-mnist"


class ImageDataset(TensorDataset):
    """Images with labels: samples are pairs (image, label).

    Parameters
    ----------
    images : floating point array (n, height, width) or (n, height * width), from 0 to 1
    labels : integers (n,) that index `classes`
    classes : a name for each label
    image_shape : (height, width)

    Examples
    --------
    >>> import chainrule as cr
    >>> ds = cr.data.ImageDataset(np.zeros((5, 4), np.float32), np.zeros(5, int), ["zero"], (2, 2))
    >>> ds.images.shape, ds.pictures().shape
    ((5, 4), (5, 2, 2))
    """

    def __init__(self, images, labels, classes, image_shape):
        super().__init__(images, labels)
        self.classes, self.image_shape = tuple(classes), tuple(image_shape)

    @property
    def images(self):
        return self.tensors[0]

    @property
    def labels(self):
        return self.tensors[1]

    def pictures(self):
        """The images as a NumPy array (n, height, width), whether they are stored flat or not."""
        return np.asarray(self.images).reshape(len(self), *self.image_shape)


def load_digits(*, test_fraction=0.2, seed=0, flatten=True):
    """The 1,797 real handwritten digits that scikit-learn ships, 8x8 pixels, as (train, test).

    Parameters
    ----------
    test_fraction : share of each digit that goes to the test set
    seed : which images these are; the same seed always gives the same two sets
    flatten : images of shape (64,), as a Linear layer wants them, rather than (8, 8)

    Returns
    -------
    (train, test) : ImageDatasets of float32 images from 0 to 1 and int64 labels

    Raises
    ------
    MissingExtraError
        scikit-learn is not installed.
    ArgumentError
        `test_fraction` is not between 0 and 1.

    Examples
    --------
    >>> import chainrule as cr
    >>> train, test = cr.data.load_digits()
    >>> train
    ImageDataset(float32 (1438, 64), int64 (1438,))
    """
    if not 0 < test_fraction < 1:
        raise ArgumentError(
            explain("load_digits: test_fraction must lie between 0 and 1", f"found: {test_fraction}", help="for example 0.2")
        )
    try:
        from sklearn import datasets
    except ImportError as error:
        raise missing_extra("scikit-learn", "demo", "load_digits") from error
    raw = datasets.load_digits()
    images = (raw.data / 16).astype(np.float32).reshape((-1, 64) if flatten else (-1, 8, 8))
    labels = raw.target.astype(np.int64)
    random = np.random.Generator(np.random.Philox(seed))
    in_test = np.zeros(len(labels), bool)
    for digit in range(10):  # the same share of each digit, so that no class is rare in the test set
        of_digit = random.permutation(np.flatnonzero(labels == digit))
        in_test[of_digit[: round(test_fraction * len(of_digit))]] = True
    names = [str(d) for d in range(10)]
    return tuple(ImageDataset(images[chosen], labels[chosen], names, (8, 8)) for chosen in (~in_test, in_test))


def load_fashion_mnist(root=None, *, flatten=True):
    """Fashion-MNIST: 60,000 training and 10,000 test pictures of clothes, 28x28 pixels, as (train, test).

    The four IDX files, compressed by gzip or not, are looked for in `root` if it is given; else in the folder that the
    environment variable CHAINRULE_DATA names, in ./data, and where Debian's package dataset-fashion-mnist puts them.

    Parameters
    ----------
    root : folder with the four files; default as above
    flatten : images of shape (784,), as a Linear layer wants them, rather than (28, 28)

    Returns
    -------
    (train, test) : ImageDatasets of float32 images from 0 to 1 and int64 labels

    Raises
    ------
    MissingDataError
        A file is missing; the message says how to get it.
    DataError
        A file is truncated, damaged, or not what its name says.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.data.load_fashion_mnist("/nowhere")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    chainrule.errors.MissingDataError: load_fashion_mnist: ...
    """
    files = _find_fashion(root)
    return tuple(_read_fashion(files[part, "images"], files[part, "labels"], flatten) for part in ("train", "test"))


def _fashion_folders(root):
    if root is not None:
        return [Path(root)]
    named = os.environ.get("CHAINRULE_DATA")
    places = [p for base in ([Path(named)] if named else []) + [Path("data")] for p in (base / "fashion-mnist", base)]
    places += [Path("data/FashionMNIST/raw")]  # where torchvision puts them
    return [*places, Path("/usr/share/datasets/fashion-mnist"), Path("/usr/share/dataset-fashion-mnist")]


def _find_fashion(root):
    folders = _fashion_folders(root)
    nearest = None  # a folder that has some of the files deserves to be named
    for folder in folders:
        found = {}
        for key, name in FASHION_FILES.items():
            path = next((p for p in (folder / f"{name}.gz", folder / name) if p.is_file()), None)
            if path is not None:
                found[key] = path
        if len(found) == len(FASHION_FILES):
            return found
        if found and nearest is None:
            nearest = folder, [name for key, name in FASHION_FILES.items() if key not in found]
    details = [f"missing in {nearest[0]}: {', '.join(nearest[1])}"] if nearest else []
    raise MissingDataError(
        explain(
            "load_fashion_mnist: the Fashion-MNIST files are missing",
            *details,
            f"looked in: {', '.join(str(f) for f in folders)}",
            help=f"on Debian or Ubuntu: {FASHION_COMMAND}\n"
            f"        elsewhere: put these four files into ./data/fashion-mnist, each with .gz or without:\n"
            + "\n".join(f"          {name}" for name in FASHION_FILES.values()),
        )
    )


def _read_fashion(image_file, label_file, flatten):
    images, labels = read_idx(image_file, np.uint8, 3), read_idx(label_file, np.uint8, 1)
    if images.shape[1:] != (28, 28) or not len(images):
        raise _foreign(f"{image_file} holds other images", f"expected: (n, 28, 28)    found: {images.shape}")
    if len(labels) != len(images):
        raise _foreign("numbers of images and labels differ", f"{image_file}: {len(images)}", f"{label_file}: {len(labels)}")
    if labels.max() > 9:
        raise _foreign(f"{label_file} holds other labels", f"expected: 0 to 9    found: {labels.max()}")
    x = np.multiply(images.reshape(len(images), -1) if flatten else images, np.float32(1 / 255), dtype=np.float32)
    return ImageDataset(x, labels.astype(np.int64), FASHION_CLASSES, (28, 28))


def _foreign(what, *found):
    return DataError(explain(f"load_fashion_mnist: {what}", *found, help="get the four files again, from one source"))
