"""Resizing, grids, unpooling and pooling over random windows: PyTorch's values and derivatives, batches, mistakes."""

import numpy as np
import pytest
from torch_tools import compare, near

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn
from chainrule.errors import ArgumentError, ShapeError

rng = np.random.default_rng(4)
MODES = {
    1: ("nearest", "nearest-exact", "linear", "area"),
    2: ("nearest", "nearest-exact", "bilinear", "bicubic", "area"),
    3: ("nearest", "nearest-exact", "trilinear", "area"),
}
SIZES = [
    {"size": (8, 3, 6)},
    {"size": 1},
    {"size": (5, 7, 4)},
    {"scale_factor": 2},
    {"scale_factor": (1.7, 0.6, 1.3)},
    {"scale_factor": (1.7, 0.6, 1.3), "recompute_scale_factor": True},
    {"scale_factor": 0.35},
]


def options_of(ndim, mode, sizes):
    cut = {k: v[:ndim] if isinstance(v, tuple) else v for k, v in sizes.items()}
    for corners in (None, True, False) if "linear" in mode or mode == "bicubic" else (None,):
        for antialias in (False, True) if mode in ("bilinear", "bicubic") else (False,):
            yield {"mode": mode, "align_corners": corners, "antialias": antialias, **cut}


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("ndim, mode", [(n, m) for n, modes in MODES.items() for m in modes])
def test_interpolate_against_torch(ndim, mode, sizes):
    torch = pytest.importorskip("torch")
    x = rng.normal(size=(2, 3, *(5, 7, 4)[:ndim]))
    for options in options_of(ndim, mode, sizes):
        compare(
            torch, lambda x, o=options: F.interpolate(x, **o), lambda x, o=options: torch.nn.functional.interpolate(x, **o), x
        )
    single = F.interpolate(x.astype(np.float32), **options)
    near(single, torch.nn.functional.interpolate(torch.tensor(x.astype(np.float32)), **options).numpy())


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("ndim, mode", [(2, "bilinear"), (2, "nearest"), (2, "bicubic"), (3, "bilinear"), (3, "nearest")])
def test_grid_sample_against_torch(ndim, mode, padding, align_corners):
    torch = pytest.importorskip("torch")
    x = rng.normal(size=(2, 3, *(5, 6, 4)[:ndim]))
    grid = rng.uniform(-1.6, 1.6, (2, *(4, 3, 5)[:ndim], ndim))
    second = ndim == 2 and mode == "bilinear"  # others have no second derivative there
    compare(
        torch,
        lambda x, g: F.grid_sample(x, g, mode, padding, align_corners),
        lambda x, g: torch.nn.functional.grid_sample(x, g, mode, padding, align_corners),
        x,
        grid,
        second=second,
    )


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_derivatives_of_grids_of_any_order(mode):
    x, grid = rng.normal(size=(1, 2, 5, 4)), rng.uniform(-0.8, 0.8, (1, 3, 2, 2))
    t = rng.normal(size=grid.shape)

    def slope(g):
        return cr.grad(lambda x, g: cr.sin(F.grid_sample(x, g, mode, "border", False)).sum(), argnums=1)(x, g)

    second, step = cr.jvp(slope, (grid,), (t,))[1], 1e-6
    np.testing.assert_allclose(second, (slope(grid + step * t) - slope(grid - step * t)) / (2 * step), rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore:Since version 1.3.0")
@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("ndim", [2, 3])
def test_affine_grid_against_torch(ndim, align_corners):
    torch = pytest.importorskip("torch")
    theta, size = rng.normal(size=(2, ndim, ndim + 1)), (2, 3, *(4, 1, 5)[:ndim])
    compare(
        torch,
        lambda t: F.affine_grid(t, size, align_corners),
        lambda t: torch.nn.functional.affine_grid(t, size, align_corners=align_corners),
        theta,
    )


def test_a_turned_image():
    """A quarter turn by a grid is a quarter turn by indices."""
    x = rng.normal(size=(1, 1, 4, 4))
    grid = F.affine_grid(np.array([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]]]), (1, 1, 4, 4))
    np.testing.assert_allclose(F.grid_sample(x, grid), np.rot90(x, 1, (2, 3)), atol=1e-12)


LAYERS = {
    "Upsample": ((), {"scale_factor": 2, "mode": "bilinear"}, (2, 3, 4, 5)),
    "Upsample to a size": ((7,), {"mode": "linear", "align_corners": True}, (2, 3, 4)),
    "UpsamplingNearest2d": ((), {"scale_factor": 2}, (2, 3, 4, 5)),
    "UpsamplingBilinear2d": (((6, 7),), {}, (2, 3, 4, 5)),
    "PixelShuffle": ((2,), {}, (2, 8, 3, 4)),
    "PixelUnshuffle": ((2,), {}, (2, 3, 6, 4)),
    "ChannelShuffle": ((3,), {}, (2, 6, 3, 4)),
    "LPPool3d": ((2, 2), {}, (2, 3, 4, 5, 4)),
    "AdaptiveMaxPool3d": (((2, 3, 1),), {}, (2, 3, 4, 5, 4)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_against_torch(name):
    torch = pytest.importorskip("torch")
    args, options, shape = LAYERS[name]
    ours, theirs = (getattr(m, name.split()[0])(*args, **options) for m in (nn, torch.nn))
    assert repr(ours) == repr(theirs)
    compare(torch, ours, theirs, rng.normal(size=shape), second=name != "ChannelShuffle")


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_unpooling_against_torch(ndim):
    torch = pytest.importorskip("torch")
    x = rng.normal(size=(2, 3, *(7, 6, 5)[:ndim]))
    pools = [getattr(m, f"max_pool{ndim}d") for m in (F, torch.nn.functional)]
    backs = [getattr(m, f"max_unpool{ndim}d") for m in (F, torch.nn.functional)]

    def both(x, which, options):
        values, indices = pools[which](x, **options, return_indices=True)
        return backs[which](values, indices, **options, output_size=x.shape)

    apart = {"kernel_size": 2}  # windows that do not overlap name each place once
    compare(torch, lambda x: both(x, 0, apart), lambda x: both(x, 1, apart), x)
    overlapping = {"kernel_size": 3, "stride": 2, "padding": 1}
    near(both(x, 0, overlapping), both(torch.tensor(x), 1, overlapping).numpy())
    layer, other = getattr(nn, f"MaxUnpool{ndim}d")(2), getattr(torch.nn, f"MaxUnpool{ndim}d")(2)
    assert repr(layer) == repr(other)


@pytest.mark.parametrize("ndim", [2, 3])
def test_fractional_pooling_against_torch(ndim):
    torch = pytest.importorskip("torch")
    x, u = rng.normal(size=(2, 3, *(9, 8, 7)[:ndim])), rng.random((2, 3, ndim))
    for options in ({"output_size": (4, 5, 3)[:ndim]}, {"output_ratio": (0.5, 0.6, 0.5)[:ndim]}, {"output_size": 1}):
        ours = getattr(F, f"fractional_max_pool{ndim}d")
        theirs = getattr(torch.nn.functional, f"fractional_max_pool{ndim}d")
        compare(
            torch,
            lambda x, o=options, f=ours: f(x, 2, **o, return_indices=True, _random_samples=u),
            lambda x, o=options, f=theirs: f(x, 2, **o, return_indices=True, _random_samples=torch.tensor(u)),
            x,
            second=False,
        )
    cr.manual_seed(0)
    layer = getattr(nn, f"FractionalMaxPool{ndim}d")(2, output_size=4)
    first, second = layer(x), layer(x)
    assert first.shape == (2, 3, *(4,) * ndim) and not np.array_equal(first, second)


def test_vmap_and_compiled():
    x = rng.normal(size=(4, 2, 3, 5, 6))
    grid = rng.uniform(-1, 1, (4, 2, 3, 3, 2))
    for f, args in (
        (lambda x: F.interpolate(x, scale_factor=1.5, mode="bicubic"), (x,)),
        (lambda x, g: F.grid_sample(x, g), (x, grid)),
        (lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2, output_size=x.shape), (x,)),
        (lambda x: F.pixel_shuffle(F.interpolate(x, (4, 4))[:, :1].repeat(4, 1), 2), (x,)),
    ):
        loop = np.stack([f(*entry) for entry in zip(*args, strict=True)])
        np.testing.assert_allclose(cr.vmap(f)(*args), loop, atol=1e-12)

        def loss(*xs, f=f):
            return cr.sin(f(*xs)).sum()

        entry = [a[0] for a in args]
        np.testing.assert_allclose(cr.compile(f)(*entry), loop[0], atol=1e-12)
        np.testing.assert_allclose(cr.compile(cr.grad(loss))(*entry), cr.grad(loss)(*entry), atol=1e-12)


def test_infinities_stay_where_they_are():
    x = np.ones((1, 1, 6))
    x[0, 0, 2] = np.inf
    for mode, far in (("linear", [0, 1, 8, 9, 10, 11]), ("nearest", [0, 1, 2, 3, 6, 7, 8, 9, 10, 11])):
        assert np.isfinite(F.interpolate(x, 12, mode=mode)[0, 0, far]).all()


MISTAKES = {
    "axes": (lambda: F.interpolate(np.ones((2, 3)), 4), ShapeError, "needs 3 to 5 axes"),
    "neither": (lambda: F.interpolate(np.ones((1, 1, 3))), ArgumentError, "either `size` or `scale_factor`"),
    "both": (lambda: F.interpolate(np.ones((1, 1, 3)), 2, 2), ArgumentError, "either `size` or `scale_factor`"),
    "mode": (lambda: F.interpolate(np.ones((1, 1, 3)), 2, mode="bilinear"), ArgumentError, "does not fit 1 spatial axes"),
    "corners": (lambda: F.interpolate(np.ones((1, 1, 3)), 2, align_corners=True), ArgumentError, "knows no `align_corners`"),
    "antialias": (lambda: F.interpolate(np.ones((1, 1, 3)), 2, antialias=True), ArgumentError, "knows no `antialias`"),
    "empty": (lambda: F.interpolate(np.ones((1, 1, 3)), scale_factor=0.2), ShapeError, "must not be empty"),
    "sizes": (lambda: F.interpolate(np.ones((1, 1, 3, 3)), (2, 2, 2)), ArgumentError, "must be one number, or 2"),
    "grid": (lambda: F.grid_sample(np.ones((1, 1, 3, 3)), np.ones((1, 2, 2, 3))), ShapeError, "a position for each place"),
    "grid mode": (
        lambda: F.grid_sample(np.ones((1, 1, 3, 3, 3)), np.ones((1, 2, 2, 2, 3)), "bicubic"),
        ArgumentError,
        "mode 'bicubic'",
    ),
    "theta": (lambda: F.affine_grid(np.ones((1, 3, 3)), (1, 1, 2, 2)), ShapeError, "one matrix for each image"),
    "channels": (lambda: F.pixel_shuffle(np.ones((1, 3, 2, 2)), 2), ShapeError, "multiple of upscale_factor"),
    "pixels": (lambda: F.pixel_unshuffle(np.ones((1, 3, 3, 2)), 2), ShapeError, "height: 3"),
    "indices": (
        lambda: F.max_unpool2d(np.ones((1, 1, 2, 2)), np.full((1, 1, 2, 2), 99), 2),
        nn.IndexRangeError,
        "outside of the result",
    ),
    "output_size": (
        lambda: F.max_unpool2d(np.ones((1, 1, 2, 2)), np.zeros((1, 1, 2, 2), int), 2, output_size=(9, 9)),
        ShapeError,
        "does not fit the input",
    ),
    "windows": (lambda: F.fractional_max_pool2d(np.ones((1, 1, 3, 3)), 3, output_size=2), ShapeError, "do not fit"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name):
    call, kind, text = MISTAKES[name]
    with pytest.raises(kind, match=text):
        call()


def test_transposed_convolution_of_volumes_against_torch():
    torch = pytest.importorskip("torch")
    x, w, b = rng.normal(size=(2, 4, 3, 4, 2)), rng.normal(size=(4, 3, 2, 3, 2)), rng.normal(size=6)
    options = {"stride": (2, 1, 2), "padding": (1, 0, 1), "output_padding": (1, 0, 1), "groups": 2, "dilation": (1, 2, 1)}
    theirs = torch.nn.functional.conv_transpose3d
    compare(torch, lambda x, w, b: F.conv_transpose3d(x, w, b, **options), lambda x, w, b: theirs(x, w, b, **options), x, w, b)
