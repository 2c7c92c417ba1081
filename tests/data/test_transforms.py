"""Transforms of images, against PyTorch, SciPy, Pillow and colorsys."""

import colorsys

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st
from scipy import ndimage

import chainrule as cr
import chainrule.data as data
from chainrule.data import transforms as T
from chainrule.data.pixels import hue_shifted, resized, rotated
from chainrule.errors import ArgumentError, ShapeError


def rng(seed=0):
    return np.random.default_rng(seed)


sizes = st.tuples(st.integers(1, 9), st.integers(1, 9))


@settings(max_examples=60, deadline=None)
@given(sizes, sizes, st.booleans())
def test_resize_is_that_of_pytorch(old, new, antialias):
    torch = pytest.importorskip("torch")
    assume(not antialias or 1 not in old + new)  # PyTorch 2.13 then copies the first row to all others
    x = rng().normal(size=(2, 3, *old)).astype(np.float32)
    theirs = torch.nn.functional.interpolate(
        torch.from_numpy(x), new, mode="bilinear", antialias=antialias, align_corners=False
    )
    ours = T.Resize(new, antialias=antialias)(x)
    assert ours.dtype == np.float32 and np.allclose(ours, theirs.numpy(), atol=2e-6)
    nearest = torch.nn.functional.interpolate(torch.from_numpy(x), new, mode="nearest").numpy()
    assert np.array_equal(resized(x, new, "nearest"), nearest)


def test_resize_is_that_of_pillow():
    image = pytest.importorskip("PIL.Image")
    x = rng().integers(0, 256, (40, 30), np.uint8)
    theirs = np.asarray(image.fromarray(x).resize((13, 17), image.Resampling.BILINEAR))
    assert abs(T.Resize((17, 13))(x).astype(int) - theirs).max() <= 1


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 8), st.integers(2, 8), st.floats(-400, 400), st.booleans())
def test_rotation_is_that_of_scipy(h, w, degrees, bilinear):
    x = rng().normal(size=(h, w))
    if not bilinear:  # between two pixels, either may be taken
        degrees = round(degrees / 90) * 90 if h == w else round(degrees / 180) * 180
    a = np.deg2rad(degrees)
    matrix = np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])
    centre = np.array([h - 1, w - 1]) / 2
    # Pixels outside are `fill` also in between, so the reference works on a padded image.
    padded = np.pad(x, 8, constant_values=2.5)
    centre_padded = centre + 8
    theirs = ndimage.affine_transform(padded, matrix, centre_padded - matrix @ centre_padded, order=1, cval=2.5)[8:-8, 8:-8]
    ours = rotated(x, degrees, "bilinear" if bilinear else "nearest", fill=2.5)
    assert np.allclose(ours, theirs, atol=1e-7 * max(1, abs(degrees)))


@pytest.mark.parametrize("quarters", [-1, 0, 1, 2, 3])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_right_angles_are_exact(quarters, interpolation):
    for n in (4, 5):
        x = rng().integers(0, 256, (3, n, n), np.uint8)
        turned = T.RandomRotation((90 * quarters, 90 * quarters), interpolation)(x)
        assert turned.dtype == np.uint8 and np.array_equal(turned, np.rot90(x, quarters, (-2, -1)))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1, width=32), min_size=3, max_size=3), st.floats(-0.5, 0.5))
def test_hue_is_that_of_colorsys(rgb, shift):
    h, s, v = colorsys.rgb_to_hsv(*rgb)
    theirs = colorsys.hsv_to_rgb((h + shift) % 1, s, v)
    assert np.allclose(hue_shifted(np.array(rgb).reshape(3, 1, 1), shift).ravel(), theirs, atol=1e-9)


def test_colours_one_by_one():
    x = rng().uniform(size=(2, 3, 4, 5)).astype(np.float32)
    gray = 0.299 * x[:, 0] + 0.587 * x[:, 1] + 0.114 * x[:, 2]
    assert np.allclose(T.ColorJitter(brightness=(1.5, 1.5))(x), np.minimum(1.5 * x, 1), atol=1e-6)
    contrast = np.clip(0.5 * x + 0.5 * gray.mean((1, 2))[:, None, None, None], 0, 1)
    assert np.allclose(T.ColorJitter(contrast=(0.5, 0.5))(x), contrast, atol=1e-6)
    assert np.allclose(T.ColorJitter(saturation=(0, 0))(x), gray[:, None].repeat(3, 1), atol=1e-6)
    assert np.allclose(T.Grayscale(3)(x), gray[:, None].repeat(3, 1), atol=1e-6)
    assert np.array_equal(T.ColorJitter()(x), x)
    whole = (x * 255).astype(np.uint8)
    darker = T.ColorJitter(brightness=(0.5, 0.5))(whole)
    assert darker.dtype == np.uint8 and abs(darker.astype(float) - whole / 2).max() <= 1
    assert T.ColorJitter(0.1, 0.1)(x[0, 0]).shape == (4, 5)  # a grey image
    with pytest.raises(ShapeError, match="colours"):
        T.ColorJitter(hue=0.1)(x[0, 0])


def test_to_tensor():
    picture = rng().integers(0, 256, (4, 5, 3), np.uint8)
    x = T.ToTensor()(picture)
    assert x.dtype == np.float32 and x.flags.c_contiguous and np.allclose(x, picture.transpose(2, 0, 1) / 255)
    assert T.ToTensor()(picture[..., 0]).shape == (1, 4, 5)
    assert T.ToTensor()(np.ones((2, 2, 1))).dtype == np.float32
    with pytest.raises(ShapeError, match=r"found: \(1, 4, 5, 3\)"):
        T.ToTensor()(picture[None])
    image = pytest.importorskip("PIL.Image")
    assert np.array_equal(T.ToTensor()(image.fromarray(picture)), x)
    with pytest.raises(ArgumentError, match=r"put ToTensor\(\) before it"):
        T.CenterCrop(2)(image.fromarray(picture))


def test_normalize():
    x = rng().uniform(size=(2, 3, 4, 4)).astype(np.float32)
    y = T.Normalize([0.1, 0.2, 0.3], [0.5, 1, 2])(x)
    assert y.dtype == np.float32 and np.allclose(y[:, 2], (x[:, 2] - 0.3) / 2)
    assert np.allclose(T.Normalize(0.5, 0.5)(x[0, 0]), 2 * x[0, 0] - 1)
    with pytest.raises(ShapeError, match="expects 3 channels"):
        T.Normalize([0.1, 0.2, 0.3], [1, 1, 1])(x[:, :1])
    for mean, std in (([0], [0]), ([0, 0], [1])):
        with pytest.raises(ArgumentError, match="one mean and one std"):
            T.Normalize(mean, std)


def test_crops_and_padding():
    x = np.arange(1, 31).reshape(1, 5, 6)
    assert np.array_equal(T.CenterCrop((3, 2))(x), x[:, 1:4, 2:4])
    assert np.array_equal(T.CenterCrop(7)(x)[:, 1:6, :6], x) and T.CenterCrop(7)(x).shape == (1, 7, 7)
    assert np.array_equal(T.Pad((1, 2, 3, 4), fill=9)(x), np.pad(x, ((0, 0), (2, 4), (1, 3)), constant_values=9))
    assert np.array_equal(T.Pad((1, 2), padding_mode="reflect")(x), np.pad(x, ((0, 0), (2, 2), (1, 1)), mode="reflect"))
    places = {tuple(T.RandomCrop((4, 4))(x, rng(i))[0, 0, :1]) for i in range(60)}
    assert places == {(1,), (2,), (3,), (7,), (8,), (9,)}  # every place, and no other
    assert any((T.RandomCrop(5, padding=1)(x, rng(i)) == 0).any() for i in range(5))
    with pytest.raises(ShapeError, match="smaller than the crop"):
        T.RandomCrop(6)(x)
    assert T.RandomCrop(8, pad_if_needed=True)(x).shape == (1, 8, 8)
    for i in range(20):
        assert T.RandomResizedCrop((3, 4))(x.astype(float), rng(i)).shape == (1, 3, 4)
    assert T.RandomResizedCrop(2, ratio=(50, 60))(x).shape == (1, 2, 2)  # no such piece: the middle


def test_flips_and_chances():
    x = np.arange(6).reshape(2, 3)
    for transform, flipped in ((T.RandomHorizontalFlip(), x[:, ::-1]), (T.RandomVerticalFlip(), x[::-1])):
        seen = [np.array_equal(transform(x, rng(i)), flipped) for i in range(200)]
        assert 70 < sum(seen) < 130
        assert all(np.array_equal(transform(x, rng(i)), x) for i, s in enumerate(seen) if not s)
    noisy = [T.RandomApply([T.GaussianNoise(1.0)], p=0.5)(x * 1.0, rng(i)) for i in range(100)]
    assert 25 < sum(np.array_equal(n, x) for n in noisy) < 75
    erased = T.RandomErasing(p=1.0, value=-1)(np.ones((3, 20, 20)), rng(1))
    assert (erased == -1).any() and np.array_equal(erased[0], erased[2])


@pytest.mark.parametrize("transform", [
    T.RandomCrop(3, padding=2), T.RandomHorizontalFlip(), T.RandomRotation(30, "bilinear"), T.ColorJitter(0.2, 0.2, 0.2, 0.1),
    T.RandomErasing(p=1.0), T.RandomResizedCrop(4), T.GaussianNoise(), T.Resize(3), T.Normalize(0.5, 2.0), T.Pad(2),
    T.Grayscale(),
], ids=lambda t: type(t).__name__)  # fmt: skip
def test_what_all_transforms_keep(transform):
    x = rng().uniform(size=(2, 3, 6, 6)).astype(np.float32)
    before = x.copy()
    once = transform(x, rng(5))
    assert np.array_equal(x, before)  # the image that came in
    assert np.array_equal(once, transform(x, rng(5))) and once.dtype == np.float32
    assert once.shape[0] == 2 and np.array_equal(transform(cr.tensor(x), rng(5)), once)
    cr.manual_seed(1)
    a = transform(x)
    cr.manual_seed(1)
    assert np.array_equal(transform(x), a)
    assert type(transform).__name__ in repr(transform)


@pytest.mark.parametrize("make, match", [
    (lambda: T.Resize(0), "size: 0"), (lambda: T.Resize((1, 2, 3)), "size"), (lambda: T.Resize(3, "cubic"), "cubic"),
    (lambda: T.RandomHorizontalFlip(1.5), "p: 1.5"), (lambda: T.ColorJitter(hue=0.6), "hue"),
    (lambda: T.ColorJitter(-0.1), "brightness"),
    (lambda: T.ColorJitter(contrast=(2, 1)), "contrast"), (lambda: T.Pad((1, 2, 3)), "padding"), (lambda: T.Pad(-1), "padding"),
])  # fmt: skip
def test_bad_arguments(make, match):
    with pytest.raises(ArgumentError, match=match):
        make()


def test_a_pipeline_is_the_same_with_any_number_of_workers():
    x = rng().uniform(size=(20, 3, 8, 8)).astype(np.float32)
    augment = T.Compose([T.RandomCrop(8, padding=2), T.RandomHorizontalFlip(), lambda image: image * 2, T.ColorJitter(0.2)])
    ds = data.MapDataset(data.TensorDataset(x, np.arange(20)), Augment(augment))

    def pictures(**options):
        return np.concatenate([np.asarray(b[0]) for b in data.DataLoader(ds, batch_size=6, shuffle=True, seed=2, **options)])

    alone = pictures()
    assert np.array_equal(alone, pictures(num_workers=2)) and len(np.unique(alone.reshape(20, -1), axis=0)) == 20


class Augment:
    def __init__(self, transform):
        self.transform = transform

    def __call__(self, image, label):
        return self.transform(image), label
