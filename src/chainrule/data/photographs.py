"""The two colour photographs that scikit-learn ships: a temple in China, and a flower."""

import numpy as np

from ..errors import missing_extra
from .transforms import CenterCrop, Resize

PHOTOGRAPHS = "china", "flower"


def load_photographs(size=None):
    """A temple and a flower, 427x640 pixels, photographed in colour; scikit-learn ships them.

    Parameters
    ----------
    size : (height, width), or an int for a square; the largest part of these proportions about the centre is scaled to it.
        None leaves the photographs as they are

    Returns
    -------
    float32 array (2, 3, height, width) from 0 to 1: the temple, the flower

    Raises
    ------
    MissingExtraError
        scikit-learn or Pillow, which it reads JPEG files with, is not installed.
    ArgumentError
        `size` is no size.

    Examples
    --------
    >>> import chainrule as cr
    >>> china, flower = cr.data.load_photographs(64)
    >>> china.shape
    (3, 64, 64)
    """
    resize = None if size is None else Resize(size)
    try:
        import PIL  # noqa: F401  scikit-learn imports it late
        from sklearn.datasets import load_sample_images
    except ImportError as error:
        package = "pillow" if (error.name or str(error)).startswith("PIL") else "scikit-learn"
        raise missing_extra(package, "gallery", "load_photographs") from error
    shipped = load_sample_images()
    names = [str(name).replace("\\", "/").rsplit("/", 1)[-1].split(".")[0] for name in shipped.filenames]
    pictures = np.stack([np.asarray(shipped.images[names.index(name)]) for name in PHOTOGRAPHS])
    pictures = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)).astype(np.float32) / 255
    if resize is None:
        return pictures
    height, width = (size, size) if np.ndim(size) == 0 else size
    scale = min(pictures.shape[2] / height, pictures.shape[3] / width)
    part = CenterCrop((max(1, round(height * scale)), max(1, round(width * scale))))(pictures)
    return np.clip(Resize((int(height), int(width)))(part), 0, 1)
