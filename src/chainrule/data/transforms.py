"""What is done to images when they are loaded: to cut, turn, scale and colour them, at random or not.

Images are arrays (..., height, width) in the order of PyTorch, channels before rows; `ToTensor` makes such from pictures as
files hold them. Leading axes are treated alike. What is random is drawn from `chainrule.data.stream()`, so that a DataLoader
with a seed gives the same images in every run and with any number of workers; or from `rng`, if that is given to the call.
"""

import numbers

import numpy as np

from ..errors import ArgumentError, ShapeError, explain
from ..tensor import Tensor
from .pixels import as_range, hue_shifted, resized, rotated, to_gray
from .streams import stream


class Transform:
    """A function of an image. Subclasses give `apply(image)`."""

    def __call__(self, image, rng=None):
        return self.apply(_image(image, self))

    def apply(self, image):
        """The new image; the old one is not changed."""
        raise NotImplementedError(f"{type(self).__name__} must define apply(self, image)")

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in vars(self).items())})"


class RandomTransform(Transform):
    """A function of an image that draws. Subclasses give `vary(image, rng)`, where `rng` is a `numpy.random.Generator`."""

    def __call__(self, image, rng=None):
        return self.vary(_image(image, self), stream() if rng is None else rng)

    def vary(self, image, rng):
        """The new image; the old one is not changed."""
        raise NotImplementedError(f"{type(self).__name__} must define vary(self, image, rng)")


def _image(image, transform):
    if isinstance(image, Tensor):
        image = image.detach()
    elif not isinstance(image, np.ndarray):
        raise ArgumentError(
            explain(
                f"{type(transform).__name__} takes arrays (..., height, width)",
                f"found: {type(image).__name__}",
                help="put ToTensor() before it",
            )
        )
    image = np.asarray(image)
    if image.ndim < 2:
        raise ShapeError(
            explain(f"{type(transform).__name__}: an image has rows and columns", f"found: {image.shape}", help="reshape it")
        )
    return image


class Compose:
    """Several transforms, or other functions of an image, one after another.

    >>> import chainrule as cr
    >>> T = cr.data.transforms
    >>> crop = T.Compose([T.CenterCrop(2), T.RandomHorizontalFlip(p=1.0)])
    >>> crop(np.arange(16).reshape(4, 4))
    array([[ 6,  5],
           [10,  9]])
    """

    def __init__(self, transforms):
        self.transforms = list(transforms)

    def __call__(self, image, rng=None):
        if rng is None and any(isinstance(t, (RandomTransform, Compose)) for t in self.transforms):
            rng = stream()
        for t in self.transforms:
            image = t(image, rng) if isinstance(t, (Transform, Compose)) else t(image)
        return image

    def __repr__(self):
        return f"Compose({self.transforms!r})"


class ToTensor:
    """A picture as files hold it, (height, width) or (height, width, channels), as float32 (channels, height, width) from 0 to
    1.

    Takes arrays and images of PIL. Whole numbers are divided by the largest of their type; floating point numbers stay as they
    are.

    >>> import chainrule as cr
    >>> cr.data.transforms.ToTensor()(np.full((5, 4, 3), 255, np.uint8)).shape
    (3, 5, 4)
    """

    def __call__(self, picture):
        array = np.asarray(picture.detach() if isinstance(picture, Tensor) else picture)
        if array.ndim not in (2, 3):
            raise ShapeError(
                explain(
                    "ToTensor takes (height, width) or (height, width, channels)",
                    f"found: {array.shape}",
                    help="one picture at a time",
                )
            )
        array = array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)
        if array.dtype.kind in "iu":
            return np.multiply(array, np.float32(1 / np.iinfo(array.dtype).max), dtype=np.float32, order="C")
        return np.ascontiguousarray(array, np.float32)

    def __repr__(self):
        return "ToTensor()"


class Normalize(Transform):
    """(image - mean) / std, for each channel of (..., channels, height, width).

    >>> import chainrule as cr
    >>> cr.data.transforms.Normalize([0.5], [0.25])(np.ones((1, 1, 2), np.float32))
    array([[[2., 2.]]], dtype=float32)
    """

    def __init__(self, mean, std):
        self.mean, self.std = np.asarray(mean, np.float32).reshape(-1), np.asarray(std, np.float32).reshape(-1)
        if not (self.std > 0).all() or len(self.mean) != len(self.std):
            raise ArgumentError(
                explain(
                    "Normalize: one mean and one std above 0 per channel",
                    f"mean: {mean}    std: {std}",
                    help="lists of numbers",
                )
            )

    def apply(self, image):
        if len(self.mean) > 1 and (image.ndim < 3 or image.shape[-3] != len(self.mean)):
            raise ShapeError(
                explain(
                    f"Normalize: expects {len(self.mean)} channels",
                    f"found: {image.shape}",
                    help="images are (..., channels, height, width); ToTensor() makes them",
                )
            )
        dtype = image.dtype if image.dtype.kind == "f" else np.float32
        mean, std = (v.reshape(-1, 1, 1).astype(dtype) for v in (self.mean, self.std))
        return (image - (mean if image.ndim > 2 else mean[0])) / (std if image.ndim > 2 else std[0])


class Resize(Transform):
    """To another size.

    Parameters
    ----------
    size : (height, width), or an int for the shorter side
    interpolation : "bilinear" or "nearest"
    antialias : average over all pixels when an image is made smaller, as PIL does

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.data.transforms.Resize(10)(np.zeros((3, 20, 30), np.float32)).shape
    (3, 10, 15)
    """

    def __init__(self, size, interpolation="bilinear", antialias=True):
        self.size, self.interpolation, self.antialias = size, _interpolation(interpolation), antialias
        if isinstance(size, numbers.Integral):
            _size(size, "Resize")
        else:
            self.size = _size(size, "Resize")

    def apply(self, image):
        size = self.size
        if isinstance(size, numbers.Integral):
            h, w = image.shape[-2:]
            size = (int(size), int(size * w / h)) if h <= w else (int(size * h / w), int(size))
        return resized(image, size, self.interpolation, self.antialias)


class CenterCrop(Transform):
    """The middle (height, width), or a square of an int; smaller images are padded with zeros.

    >>> import chainrule as cr
    >>> cr.data.transforms.CenterCrop(1)(np.arange(9).reshape(3, 3))
    array([[4]])
    """

    def __init__(self, size):
        self.size = _size(size, "CenterCrop")

    def apply(self, image):
        h, w = self.size
        image = _padded_to(image, h, w, 0)
        top, left = (round((n - m) / 2) for n, m in zip(image.shape[-2:], self.size, strict=True))
        return image[..., top : top + h, left : left + w]


class Pad(Transform):
    """More pixels at the edges.

    Parameters
    ----------
    padding : int for all sides, (left and right, top and bottom) or (left, top, right, bottom)
    fill : value of the new pixels
    padding_mode : "constant", "edge", "reflect" or "symmetric"

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.data.transforms.Pad(1)(np.ones((1, 2)))
    array([[0., 0., 0., 0.],
           [0., 1., 1., 0.],
           [0., 0., 0., 0.]])
    """

    def __init__(self, padding, fill=0, padding_mode="constant"):
        self.padding, self.fill, self.padding_mode = padding, fill, padding_mode
        sides = (padding,) * 4 if isinstance(padding, numbers.Integral) else tuple(padding)
        self._sides = sides * 2 if len(sides) == 2 else sides
        if len(self._sides) != 4 or any(s < 0 for s in self._sides):
            raise ArgumentError(
                explain(
                    "Pad: padding is an int from 0, or two or four of them",
                    f"padding: {padding}",
                    help="(left, top, right, bottom)",
                )
            )

    def apply(self, image):
        left, top, right, bottom = self._sides
        widths = [(0, 0)] * (image.ndim - 2) + [(top, bottom), (left, right)]
        options = {"constant_values": self.fill} if self.padding_mode == "constant" else {}
        return np.pad(image, widths, mode=self.padding_mode, **options)


class RandomCrop(RandomTransform):
    """A piece of (height, width) from a random place, of the image with `padding` at its edges.

    >>> import chainrule as cr
    >>> cr.data.transforms.RandomCrop(4, padding=1)(np.zeros((3, 5, 5))).shape
    (3, 4, 4)
    """

    def __init__(self, size, padding=0, pad_if_needed=False, fill=0, padding_mode="constant"):
        self.size, self.pad_if_needed, self.fill = _size(size, "RandomCrop"), pad_if_needed, fill
        self.pad = Pad(padding, fill, padding_mode)

    def vary(self, image, rng):
        h, w = self.size
        image = self.pad.apply(image) if any(self.pad._sides) else image
        image = _padded_to(image, h, w, self.fill) if self.pad_if_needed else image
        free = image.shape[-2] - h, image.shape[-1] - w
        if min(free) < 0:
            raise ShapeError(
                explain(
                    "RandomCrop: the image is smaller than the crop",
                    f"image: {image.shape}    crop: {self.size}",
                    help="pad_if_needed=True, or Resize before it",
                )
            )
        top, left = (int(rng.integers(0, n + 1)) for n in free)
        return image[..., top : top + h, left : left + w]


class RandomResizedCrop(RandomTransform):
    """A piece of random area and aspect, scaled to (height, width).

    Parameters
    ----------
    size : (height, width) or an int
    scale : smallest and largest share of the area
    ratio : smallest and largest width over height
    interpolation, antialias : as for `Resize`

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.data.transforms.RandomResizedCrop(8)(np.zeros((3, 20, 30))).shape
    (3, 8, 8)
    """

    def __init__(self, size, scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3), interpolation="bilinear", antialias=True):
        self.size, self.scale, self.ratio = _size(size, "RandomResizedCrop"), scale, ratio
        self.interpolation, self.antialias = _interpolation(interpolation), antialias

    def vary(self, image, rng):
        top, left, h, w = self._place(image.shape[-2:], rng)
        return resized(image[..., top : top + h, left : left + w], self.size, self.interpolation, self.antialias)

    def _place(self, size, rng):
        height, width = size
        for _ in range(10):
            area = height * width * rng.uniform(*self.scale)
            ratio = np.exp(rng.uniform(*np.log(self.ratio)))
            w, h = round(np.sqrt(area * ratio)), round(np.sqrt(area / ratio))
            if 0 < w <= width and 0 < h <= height:
                return int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1)), h, w
        h, w = height, width  # no such piece fits: the largest of an allowed aspect, from the middle
        if w / h < self.ratio[0]:
            h = min(height, round(w / self.ratio[0]))
        elif w / h > self.ratio[1]:
            w = min(width, round(h * self.ratio[1]))
        return (height - h) // 2, (width - w) // 2, h, w


class RandomHorizontalFlip(RandomTransform):
    """Left and right exchanged with probability `p`.

    >>> import chainrule as cr
    >>> cr.data.transforms.RandomHorizontalFlip(p=1.0)(np.array([[1, 2]]))
    array([[2, 1]])
    """

    axis = -1

    def __init__(self, p=0.5):
        self.p = _probability(p, self)

    def vary(self, image, rng):
        return np.flip(image, self.axis) if rng.random() < self.p else image


class RandomVerticalFlip(RandomHorizontalFlip):
    """Top and bottom exchanged with probability `p`.

    >>> import chainrule as cr
    >>> cr.data.transforms.RandomVerticalFlip(p=1.0)(np.array([[1], [2]]))
    array([[2],
           [1]])
    """

    axis = -2


class RandomRotation(RandomTransform):
    """Turned about its centre, counter-clockwise, by a random angle.

    Parameters
    ----------
    degrees : from -degrees to degrees, or (least, most)
    interpolation : "nearest" or "bilinear"
    fill : value of pixels from outside

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.data.transforms.RandomRotation((90, 90))(np.array([[1, 2], [3, 4]]))
    array([[2, 4],
           [1, 3]])
    """

    def __init__(self, degrees, interpolation="nearest", fill=0):
        self.degrees = (-degrees, degrees) if isinstance(degrees, numbers.Real) else tuple(degrees)
        self.interpolation, self.fill = _interpolation(interpolation), fill

    def vary(self, image, rng):
        return rotated(image, rng.uniform(*self.degrees), self.interpolation, self.fill)


class Grayscale(Transform):
    """Red, green and blue (..., 3, height, width) as one channel of their luminance, repeated `num_output_channels` times.

    >>> import chainrule as cr
    >>> cr.data.transforms.Grayscale()(np.ones((3, 4, 4), np.float32)).shape
    (1, 4, 4)
    """

    def __init__(self, num_output_channels=1):
        self.num_output_channels = num_output_channels

    def apply(self, image):
        gray = as_range(to_gray(_colour(image, self)), image)
        return np.repeat(gray, self.num_output_channels, -3)


class ColorJitter(RandomTransform):
    """Brightness, contrast, saturation and hue changed at random, in random order.

    Parameters
    ----------
    brightness, contrast, saturation : factors are drawn from [1 - value, 1 + value] (from 0 on), or between two numbers
    hue : from 0 to 0.5, or two numbers from -0.5 to 0.5: the angle on the circle of colours, as a share of it

    Images are (..., 3, height, width): floating point from 0 to 1, or uint8. Brightness and contrast take one channel too.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.data.transforms.ColorJitter(brightness=(0.5, 0.5))(np.ones((3, 1, 1), np.float32)).ravel()
    array([0.5, 0.5, 0.5], dtype=float32)
    """

    def __init__(self, brightness=0, contrast=0, saturation=0, hue=0):
        self.brightness, self.contrast, self.saturation = (
            _factors(v, name) for v, name in ((brightness, "brightness"), (contrast, "contrast"), (saturation, "saturation"))
        )
        self.hue = (-hue, hue) if isinstance(hue, numbers.Real) else tuple(hue)
        if not -0.5 <= self.hue[0] <= self.hue[1] <= 0.5:
            raise ArgumentError(explain("ColorJitter: hue lies between -0.5 and 0.5", f"hue: {hue}", help="for example 0.1"))

    def vary(self, image, rng):
        changes = [
            (self.brightness, lambda x, f: x * f),
            (self.contrast, lambda x, f: _blend(x, _luminance(x).mean((-3, -2, -1), keepdims=True), f)),
            (self.saturation, lambda x, f: _blend(x, to_gray(_colour(x, self)), f)),
            (self.hue, lambda x, f: hue_shifted(_colour(x, self), f)),
        ]
        top = np.iinfo(image.dtype).max if image.dtype.kind in "iu" else 1
        x = image.astype(np.float32) / top if top != 1 else image
        for i in rng.permutation(len(changes)):
            (least, most), change = changes[i]
            neutral = 0 if i == 3 else 1
            if (least, most) != (neutral, neutral):
                x = np.clip(change(x, x.dtype.type(rng.uniform(least, most))), 0, 1)
        return as_range(x * x.dtype.type(top), image)


class RandomErasing(RandomTransform):
    """With probability `p`, a rectangle of random place, area and aspect is set to `value`.

    Zhong et al., Random erasing data augmentation (2020), algorithm 1.

    >>> import chainrule as cr
    >>> float(cr.data.transforms.RandomErasing(p=1.0, scale=(0.25, 0.25), ratio=(1, 1))(np.ones((8, 8))).sum())
    48.0
    """

    def __init__(self, p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0):
        self.p, self.scale, self.ratio, self.value = _probability(p, self), scale, ratio, value

    def vary(self, image, rng):
        if rng.random() >= self.p:
            return image
        height, width = image.shape[-2:]
        for _ in range(10):
            area, ratio = height * width * rng.uniform(*self.scale), np.exp(rng.uniform(*np.log(self.ratio)))
            h, w = round(np.sqrt(area * ratio)), round(np.sqrt(area / ratio))
            if 0 < h <= height and 0 < w <= width:
                top, left = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
                image = image.copy()
                image[..., top : top + h, left : left + w] = self.value
                break
        return image


class GaussianNoise(RandomTransform):
    """Normal numbers of standard deviation `std` added.

    >>> import chainrule as cr
    >>> cr.data.transforms.GaussianNoise(0.1)(np.zeros((2, 2), np.float32)).dtype
    dtype('float32')
    """

    def __init__(self, std=0.1):
        self.std = std

    def vary(self, image, rng):
        dtype = image.dtype if image.dtype.kind == "f" else np.dtype(np.float32)
        return image + (self.std * rng.standard_normal(image.shape)).astype(dtype)


class RandomApply(RandomTransform):
    """All of `transforms` with probability `p`, otherwise none of them.

    >>> import chainrule as cr
    >>> T = cr.data.transforms
    >>> T.RandomApply([T.CenterCrop(1)], p=0.0)(np.zeros((3, 3))).shape
    (3, 3)
    """

    def __init__(self, transforms, p=0.5):
        self.transforms, self.p = Compose(transforms), _probability(p, self)

    def vary(self, image, rng):
        return self.transforms(image, rng) if rng.random() < self.p else image


# --- arguments ----------------------------------------------------------------------------------------------------------


def _size(size, asked):
    pair = (size, size) if isinstance(size, numbers.Integral) else tuple(size)
    if len(pair) != 2 or any(not isinstance(n, numbers.Integral) or n < 1 for n in pair):
        raise ArgumentError(
            explain(f"{asked}: size is an int above 0, or (height, width)", f"size: {size!r}", help="for example 32")
        )
    return int(pair[0]), int(pair[1])


def _probability(p, transform):
    if not isinstance(p, (int, float)) or not 0 <= p <= 1:
        raise ArgumentError(explain(f"{type(transform).__name__}: p lies between 0 and 1", f"p: {p!r}", help="for example 0.5"))
    return p


def _interpolation(name):
    if name not in ("nearest", "bilinear"):
        raise ArgumentError(explain("unknown interpolation", f"found: {name!r}", help="'nearest' or 'bilinear'"))
    return name


def _factors(value, name):
    pair = (max(0.0, 1 - value), 1 + value) if isinstance(value, (int, float)) and value >= 0 else value
    if isinstance(pair, (int, float)) or len(pair) != 2 or not 0 <= pair[0] <= pair[1]:
        raise ArgumentError(
            explain(
                f"ColorJitter: {name} is a number from 0, or two in ascending order",
                f"{name}: {value!r}",
                help="for example 0.2",
            )
        )
    return tuple(pair)


def _colour(image, transform):
    if image.ndim < 3 or image.shape[-3] != 3:
        raise ShapeError(
            explain(
                f"{type(transform).__name__}: colours are (..., 3, height, width)",
                f"found: {image.shape}",
                help="ToTensor() makes such images; grey ones have no saturation and no hue",
            )
        )
    return image


def _luminance(x):
    return to_gray(x) if x.ndim > 2 and x.shape[-3] == 3 else (x[None] if x.ndim == 2 else x)


def _blend(x, other, factor):
    return factor * x + (1 - factor) * (other if x.ndim > 2 else other[0])


def _padded_to(image, height, width, fill):
    """The image with `fill` around it where it is smaller than (height, width)."""
    h, w = (max(0, n - m) for n, m in zip((height, width), image.shape[-2:], strict=True))
    if not (h or w):
        return image
    widths = [(0, 0)] * (image.ndim - 2) + [(h // 2, h - h // 2), (w // 2, w - w // 2)]
    return np.pad(image, widths, constant_values=fill)
