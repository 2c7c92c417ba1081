"""Pooling: closed forms, ties, NaN and errors; against PyTorch, where it is installed."""

import numpy as np
import pytest
import torch_tools as tt
from torch_tools import dtypes, normal, torch, with_torch

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError, ShapeError
from chainrule.nn import functional as F


def test_windows_that_tile_are_reductions():
    x = normal(2, 3, 6, 8)
    tiles = x.reshape(2, 3, 3, 2, 2, 4)
    np.testing.assert_array_equal(F.max_pool2d(x, (2, 4)), tiles.max((3, 5)))
    np.testing.assert_allclose(F.avg_pool2d(x, (2, 4)), tiles.mean((3, 5)), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(F.lp_pool2d(abs(x), 3, (2, 4)), (abs(tiles) ** 3).sum((3, 5)) ** (1 / 3), rtol=1e-12)
    np.testing.assert_allclose(F.adaptive_avg_pool2d(x, (3, 2)), tiles.mean((3, 5)), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(F.adaptive_max_pool2d(x, (3, 2)), tiles.max((3, 5)))
    np.testing.assert_array_equal(F.max_pool2d(x.astype(int), (2, 4)), tiles.astype(int).max((3, 5)))


def test_the_first_of_equal_maxima_gets_the_derivative():
    x = np.array([[[2.0, 1.0, 2.0], [2.0, 2.0, 2.0]]])
    g = cr.grad(lambda x: F.max_pool2d(x, 2, stride=1).sum())(x)
    np.testing.assert_array_equal(g, [[[1, 0, 1], [0, 0, 0]]])
    _, tangent = cr.jvp(lambda x: F.max_pool2d(x, 2, stride=1), (x,), (np.arange(6.0).reshape(1, 2, 3),))
    np.testing.assert_array_equal(tangent, [[[0, 2]]])


def test_nan_is_the_maximum_and_gets_the_derivative():
    x = np.array([[1.0, np.nan, 3.0, 0.0]])
    np.testing.assert_array_equal(F.max_pool1d(x, 2), [[np.nan, 3]])
    _, at = F.max_pool1d(x, 2, return_indices=True)
    np.testing.assert_array_equal(at, [[1, 2]])
    np.testing.assert_array_equal(cr.grad(lambda x: F.max_pool1d(x, 2).sum())(x), [[0, 1, 1, 0]])


def test_padding_never_wins():
    x = np.full((1, 3), -np.inf)
    out, at = F.max_pool1d(x, 3, 1, 1, return_indices=True)
    assert (out == -np.inf).all()
    np.testing.assert_array_equal(at, [[0, 0, 1]])
    low = np.full((1, 3), np.iinfo(np.int64).min)
    np.testing.assert_array_equal(F.max_pool1d(low, 3, 1, 1, return_indices=True)[1], [[0, 0, 1]])


def test_vmap_over_layers():
    x = normal(4, 2, 3, 6, 6)
    for layer in (nn.MaxPool2d(2), nn.AvgPool2d(3, 2, 1), nn.AdaptiveAvgPool2d(4), nn.AdaptiveMaxPool2d(4), nn.LPPool2d(2, 2)):
        np.testing.assert_allclose(cr.vmap(layer)(x), np.stack([layer(v) for v in x]), rtol=1e-12, atol=1e-12)


def test_integers_have_means():
    np.testing.assert_array_equal(F.avg_pool1d(np.array([[1, 2, 4, 8]]), 2), [[1.5, 6.0]])


def test_mistakes_are_explained():
    with pytest.raises(ShapeError, match=r"MaxPool2d: the input needs 4 axes, or 3(.|\n)*found: float64 \(5, 5\)"):
        nn.MaxPool2d(2)(np.ones((5, 5)))
    with pytest.raises(ShapeError, match="window is larger than the padded input"):
        F.avg_pool1d(np.ones((1, 3)), 4)
    with pytest.raises(ArgumentError, match="padding must be at most half of the window"):
        F.max_pool1d(np.ones((1, 3)), 2, padding=2)
    with pytest.raises(ArgumentError, match="`kernel_size` must be an integer of at least 1, or 2 of them"):
        F.max_pool2d(np.ones((1, 3, 3)), (1, 2, 3))
    with pytest.raises(ShapeError, match="`output_size` must be"):
        F.adaptive_avg_pool2d(np.ones((1, 3, 3)), (1, 2, 3))
    with pytest.raises(ArgumentError, match="divisor_override must not be 0"):
        F.avg_pool2d(np.ones((1, 3, 3)), 2, divisor_override=0)


# --- against PyTorch --------------------------------------------------------------------------------------------------

MAXIMA = [
    ((2, 3, 7), (2,), {}),
    ((2, 3, 7), (3,), {"stride": 2, "padding": 1, "ceil_mode": True}),
    ((2, 3, 9), (3,), {"stride": 1, "dilation": 2}),
    ((2, 2, 6, 7), (2, 3), {}),
    ((2, 2, 6, 7), (3, 3), {"stride": 2, "padding": 1}),
    ((2, 2, 6, 7), (3, 2), {"stride": (2, 3), "padding": (1, 0), "dilation": (1, 2), "ceil_mode": True}),
    ((1, 2, 4, 5, 6), (2, 2, 3), {"stride": (1, 2, 2), "padding": (1, 0, 1)}),
    ((0, 2, 4, 4), (2, 2), {}),
]


@with_torch
@dtypes
@pytest.mark.parametrize("shape, kernel, options", MAXIMA)
def test_max_pool_against_torch(shape, kernel, options, dtype):
    name, x = f"MaxPool{len(kernel)}d", normal(*shape, dtype=dtype)
    ours, theirs = getattr(nn, name)(kernel, **options), getattr(torch.nn, name)(kernel, **options)
    assert repr(ours) == repr(theirs)
    tt.compare(torch, ours, theirs, x)
    tt.compare(torch, ours, theirs, normal(*shape[1:], dtype=dtype))
    f, g = (getattr(lib, f"max_pool{len(kernel)}d") for lib in (F, torch.nn.functional))
    found, expected = (
        f(x, kernel, return_indices=True, **options)[1],
        g(torch.tensor(x), kernel, return_indices=True, **options)[1],
    )
    np.testing.assert_array_equal(found, expected.numpy())
    assert found.dtype == np.int64


@with_torch
def test_ties_against_torch():
    x = np.random.default_rng(0).integers(0, 3, (2, 3, 9, 9)).astype(float)
    for options in ({}, {"stride": 1, "padding": 1}, {"stride": 2, "dilation": 2, "padding": 1}):
        tt.compare(torch, nn.MaxPool2d(3, **options), torch.nn.MaxPool2d(3, **options), x)


MEANS = [
    ((2, 3, 7), 2, {}),
    ((2, 3, 7), 3, {"stride": 2, "padding": 1, "ceil_mode": True}),
    ((2, 3, 8), 3, {"stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False}),
    ((2, 2, 6, 7), (2, 3), {}),
    ((2, 2, 6, 7), 3, {"stride": 2, "padding": 1, "count_include_pad": False}),
    ((2, 2, 6, 8), (3, 2), {"stride": (2, 3), "padding": (1, 0), "ceil_mode": True}),
    ((2, 2, 6, 7), 3, {"stride": 2, "divisor_override": 5}),
    ((1, 2, 4, 5, 6), (2, 2, 3), {"stride": (1, 2, 2), "padding": (1, 0, 1)}),
]


@with_torch
@dtypes
@pytest.mark.parametrize("shape, kernel, options", MEANS)
def test_avg_pool_against_torch(shape, kernel, options, dtype):
    name = f"AvgPool{len(shape) - 2}d"
    ours, theirs = getattr(nn, name)(kernel, **options), getattr(torch.nn, name)(kernel, **options)
    assert repr(ours) == repr(theirs)
    tt.compare(torch, lambda x: ours(x) ** 2, lambda x: theirs(x) ** 2, normal(*shape, dtype=dtype))
    tt.compare(torch, ours, theirs, normal(*shape[1:], dtype=dtype))


@with_torch
@pytest.mark.parametrize("norm_type", [2, 3.0, np.inf, -np.inf])
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_lp_pool_against_torch(norm_type, ceil_mode):
    for name, shape, kernel in (("LPPool1d", (2, 3, 7), 2), ("LPPool2d", (2, 3, 7, 6), (2, 3))):
        ours = getattr(nn, name)(norm_type, kernel, ceil_mode=ceil_mode)
        theirs = getattr(torch.nn, name)(norm_type, kernel, ceil_mode=ceil_mode)
        tt.compare(torch, ours, theirs, normal(*shape) if np.isinf(norm_type) else abs(normal(*shape)))


ADAPTIVE = [
    ("AvgPool1d", (2, 3, 7), 3),
    ("AvgPool1d", (2, 3, 6), 2),
    ("AvgPool2d", (2, 3, 7, 5), (3, 5)),
    ("AvgPool2d", (2, 3, 6, 8), (3, 4)),
    ("AvgPool2d", (2, 3, 3, 4), (5, None)),
    ("AvgPool3d", (2, 3, 4, 4, 5), (1, 2, 3)),
    ("MaxPool1d", (2, 3, 7), 3),
    ("MaxPool2d", (2, 3, 7, 5), (3, 2)),
    ("MaxPool2d", (2, 3, 6, 8), (3, None)),
]


@with_torch
@dtypes
@pytest.mark.parametrize("name, shape, size", ADAPTIVE)
def test_adaptive_pools_against_torch(name, shape, size, dtype):
    ours, theirs = getattr(nn, f"Adaptive{name}")(size), getattr(torch.nn, f"Adaptive{name}")(size)
    assert repr(ours) == repr(theirs)
    tt.compare(torch, lambda x: ours(x) ** 2, lambda x: theirs(x) ** 2, normal(*shape, dtype=dtype))
    tt.compare(torch, ours, theirs, normal(*shape[1:], dtype=dtype))
    if name.startswith("Max"):
        x = normal(*shape, dtype=dtype)
        ours.return_indices = theirs.return_indices = True
        np.testing.assert_array_equal(ours(x)[1], theirs(torch.tensor(x))[1].numpy())
