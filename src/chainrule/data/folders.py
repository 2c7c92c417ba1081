"""Pictures in folders, one folder for each class."""

from pathlib import Path

import numpy as np

from ..errors import DataError, MissingDataError, explain, missing_extra
from .dataset import Dataset

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp", ".gif")


class ImageFolder(Dataset):
    """Pictures below `root`, in one folder for each class: `root/cat/1.png`, `root/dog/7.jpg`. They are read when they are
    asked for.

    Samples are pairs (picture, label): a uint8 array (height, width, 3), or what `transform` makes of it, and an int.

    Parameters
    ----------
    root : folder
    transform : called with each picture, for example `transforms.ToTensor()`
    target_transform : called with each label
    extensions : of the files that are pictures
    mode : "RGB" for colours, "L" for grey pictures (height, width), None for whatever the file holds

    Attributes
    ----------
    classes : names of the folders, sorted; a label is a place in this list
    samples : list of (path, label)

    Raises
    ------
    MissingDataError
        There is no such folder, or it has no folders with pictures; the message shows how it should look.
    DataError
        While a picture is read: it is damaged, or no picture.
    MissingExtraError
        Pillow is not installed.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.data.ImageFolder("/nowhere")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    chainrule.errors.MissingDataError: ImageFolder: no folder /nowhere
    ...
    """

    def __init__(self, root, transform=None, target_transform=None, extensions=EXTENSIONS, mode="RGB"):
        self.root, self.transform, self.target_transform, self.mode = Path(root), transform, target_transform, mode
        if not self.root.is_dir():
            raise _missing(f"ImageFolder: no folder {root}", "found: a file" if self.root.exists() else "found: nothing there")
        self.classes = sorted(p.name for p in self.root.iterdir() if p.is_dir() and not p.name.startswith("."))
        self.samples = []
        empty = []
        for label, name in enumerate(self.classes):
            files = sorted(p for p in (self.root / name).rglob("*") if p.suffix.lower() in extensions and p.is_file())
            self.samples += [(str(p), label) for p in files]
            if not files:
                empty.append(name)
        if empty or not self.classes:
            found = f"without pictures: {', '.join(empty)}" if empty else "found: no folders in it"
            raise _missing(f"ImageFolder: classes are missing in {root}", found, f"pictures end with {', '.join(extensions)}")
        self.labels = np.array([label for _, label in self.samples], np.int64)

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        path, label = self.samples[index]
        picture = _read(path, self.mode)
        return (
            picture if self.transform is None else self.transform(picture),
            label if self.target_transform is None else self.target_transform(label),
        )

    def __repr__(self):
        return f"ImageFolder({str(self.root)!r}: {len(self)} pictures of {len(self.classes)} classes)"


def _read(path, mode):
    try:
        from PIL import Image
    except ImportError as error:
        raise missing_extra("pillow", "images", "ImageFolder") from error
    try:
        with Image.open(path) as picture:
            return np.array(picture if mode is None else picture.convert(mode))
    except FileNotFoundError:
        raise MissingDataError(explain(f"ImageFolder: {path} has gone", help="make the dataset again")) from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(
            explain(
                f"ImageFolder: cannot read {path}", f"{type(error).__name__}: {error}", help="remove the file or get it again"
            )
        ) from None


def _missing(what, *found):
    return MissingDataError(explain(what, *found, help="one folder for each class: root/cat/1.png, root/dog/7.jpg, ..."))
