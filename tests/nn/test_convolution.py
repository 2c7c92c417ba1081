"""Convolutions: closed forms and errors; against PyTorch, where it is installed."""

import itertools

import numpy as np
import pytest
import torch_tools as tt
from torch_tools import dtypes, normal, torch, with_torch

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError, ShapeError
from chainrule.nn import functional as F


def by_hand(x, w, stride, padding, dilation, groups):
    """The definition, element by element."""
    n, k, axes = x.shape[0], w.shape[0], x.ndim - 2
    x = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])
    sizes = [(m - d * (r - 1) - 1) // s + 1 for m, r, s, d in zip(x.shape[2:], w.shape[2:], stride, dilation, strict=True)]
    out = np.zeros((n, k, *sizes))
    per, each = w.shape[1], k // groups
    for place in np.ndindex(*sizes):
        for at in np.ndindex(*w.shape[2:]):
            source = tuple(place[i] * stride[i] + at[i] * dilation[i] for i in range(axes))
            for o in range(k):
                g = o // each
                part = x[(slice(None), slice(g * per, (g + 1) * per), *source)]
                out[(slice(None), o, *place)] += part @ w[(o, slice(None), *at)]
    return out


# shape of x, shape of w, stride, padding, dilation, groups
CASES = [
    ((2, 3, 7), (4, 3, 3), (1,), (0,), (1,), 1),
    ((2, 4, 8), (6, 2, 3), (2,), (2,), (2,), 2),
    ((2, 3, 5, 6), (4, 3, 3, 2), (1, 1), (0, 0), (1, 1), 1),
    ((2, 4, 7, 8), (6, 2, 3, 3), (2, 1), (1, 2), (1, 2), 2),
    ((1, 3, 6, 6), (6, 1, 3, 3), (1, 2), (1, 1), (1, 1), 3),
    ((2, 3, 5, 4), (5, 3, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((2, 2, 9, 9), (2, 2, 2, 2), (3, 3), (0, 0), (1, 1), 1),
    ((1, 2, 4, 5, 4), (4, 1, 2, 3, 2), (1, 2, 1), (0, 1, 1), (2, 1, 1), 2),
    ((0, 2, 4, 4), (3, 2, 3, 3), (1, 1), (1, 1), (1, 1), 1),
]
cases = pytest.mark.parametrize("shape, kernel, stride, padding, dilation, groups", CASES)


@cases
def test_convolution_is_its_definition(shape, kernel, stride, padding, dilation, groups):
    x, w = normal(*shape), normal(*kernel, seed=1)
    f = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}[len(shape)]
    out = f(x, w, None, stride, padding, dilation, groups)
    np.testing.assert_allclose(out, by_hand(x, w, stride, padding, dilation, groups), rtol=1e-12, atol=1e-12)


def test_blocks_of_images_agree(monkeypatch):
    from chainrule.ops import convolution

    x, w = normal(7, 3, 6, 5), normal(4, 3, 3, 2, seed=1)
    options = {"stride": (1, 2), "padding": ((1, 1), (0, 1)), "dilation": (1, 1), "groups": 1}

    def run():
        y = convolution.conv(x, w, **options)
        return (
            y,
            convolution.conv_input_grad(y, w, sizes=(6, 5), **options),
            convolution.conv_weight_grad(x, y, kernel=(3, 2), **options),
        )

    whole = run()
    monkeypatch.setattr(convolution, "CHUNK", 1000)
    for a, b in zip(run(), whole, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_a_convolution_with_a_kernel_of_one_is_a_matrix_product():
    x, w = normal(2, 3, 4, 5), normal(6, 3, seed=1)
    expected = np.einsum("kc,nchw->nkhw", w, x)
    np.testing.assert_allclose(F.conv2d(x, w[:, :, None, None]), expected, rtol=1e-12, atol=1e-12)


def test_a_kernel_with_a_single_one_shifts():
    x = normal(1, 1, 5)
    np.testing.assert_array_equal(F.conv1d(x, np.array([[[0.0, 0.0, 1.0]]]), padding="same")[0, 0], [*x[0, 0, 1:], 0])


def test_transposed_convolution_is_the_transpose():
    x, w = normal(2, 3, 7, 8), normal(4, 3, 3, 2, seed=1)
    y = normal(*F.conv2d(x, w, stride=2, padding=1).shape, seed=2)
    back = F.conv_transpose2d(y, w, stride=2, padding=1, output_padding=(0, 0))
    assert back.shape == (2, 3, 7, 8)
    assert np.isclose((back * x).sum(), (y * F.conv2d(x, w, stride=2, padding=1)).sum(), rtol=1e-12)


def test_vmap_and_grad_over_whole_layers():
    layer, xs = nn.Conv2d(2, 3, 3, padding=1, dtype=float), normal(4, 5, 2, 6, 6)
    with cr.no_grad():
        found = cr.vmap(layer)(xs)
        np.testing.assert_allclose(found.numpy(), np.stack([layer(x).numpy() for x in xs]), rtol=1e-12, atol=1e-12)
    kernels = normal(4, 3, 2, 3, 3, seed=2)
    per_kernel = cr.vmap(lambda w: F.conv2d(xs[0], w))(kernels)
    np.testing.assert_allclose(per_kernel, np.stack([F.conv2d(xs[0], w) for w in kernels]), rtol=1e-12, atol=1e-12)
    grads = cr.vmap(cr.grad(lambda w, x: (F.conv2d(x, w) ** 2).sum()), in_axes=(None, 0))(kernels[0], xs)
    one = cr.grad(lambda w, x: (F.conv2d(x, w) ** 2).sum())(kernels[0], xs[2])
    np.testing.assert_allclose(grads[2], one, rtol=1e-12, atol=1e-12)


def test_shapes_and_options_are_explained():
    layer = nn.Conv2d(3, 4, 3)
    with pytest.raises(
        ShapeError, match=r"Conv2d: the input does not have the channels(.|\n)*expected: 3 channels    found: 8"
    ):
        layer(np.ones((2, 8, 8, 3)))
    with pytest.raises(ShapeError, match="help: channels come before the spatial axes"):
        layer(np.ones((2, 8, 8, 3)))
    with pytest.raises(ShapeError, match=r"needs 4 axes, or 3 without a batch(.|\n)*found: float32 \(8, 8\)"):
        layer(np.ones((8, 8)))
    with pytest.raises(ShapeError, match=r"window is larger than the padded input(.|\n)*\(3, 3\)(.|\n)*\(2, 9\)"):
        layer(np.ones((1, 3, 2, 9)))
    with pytest.raises(ShapeError, match="`bias` needs one number for each output channel"):
        F.conv1d(np.ones((1, 1, 3)), np.ones((2, 1, 1)), np.ones(3))
    with pytest.raises(ShapeError, match="the weight needs 4 axes"):
        F.conv2d(np.ones((1, 1, 3, 3)), np.ones((2, 1, 1)))
    with pytest.raises(ArgumentError, match="`stride` must be an integer of at least 1"):
        F.conv2d(np.ones((1, 1, 3, 3)), np.ones((2, 1, 1, 1)), stride=0)
    with pytest.raises(ArgumentError, match="multiples of groups"):
        nn.Conv2d(3, 4, 3, groups=2)
    with pytest.raises(ArgumentError, match="padding='same' needs stride 1"):
        nn.Conv2d(3, 4, 3, stride=2, padding="same")
    with pytest.raises(ArgumentError, match="unknown padding 'full'"):
        nn.Conv2d(3, 4, 3, padding="full")
    with pytest.raises(ArgumentError, match="unknown padding_mode"):
        nn.Conv2d(3, 4, 3, padding_mode="mirror")
    with pytest.raises(ShapeError, match="cannot pad by more than there is"):
        nn.Conv1d(1, 1, 1, padding=3, padding_mode="reflect")(np.ones((1, 1, 3)))
    with pytest.raises(ArgumentError, match="output_padding must be smaller"):
        F.conv_transpose1d(np.ones((1, 3)), np.ones((1, 1, 2)), output_padding=1)
    with pytest.raises(ShapeError, match="nothing would be left"):
        F.conv_transpose1d(np.ones((1, 1)), np.ones((1, 1, 2)), padding=1)
    with pytest.raises(ShapeError, match="cannot have this output_size"):
        nn.ConvTranspose1d(1, 1, 2, stride=2)(np.ones((1, 3)), output_size=(9,))
    with pytest.raises(ShapeError, match="fold: the columns do not fit"):
        F.fold(np.ones((4, 3)), (2, 3), 2)


def test_first_values_are_kaiming_uniform():
    layer = nn.Conv2d(8, 50, 3, groups=2)
    bound = 1 / np.sqrt(4 * 9)
    for p in layer.parameters():
        values = p.detach().numpy()
        assert np.abs(values).max() <= bound and np.abs(values).max() > 0.9 * bound
    assert layer.weight.dtype == np.float32


# --- against PyTorch --------------------------------------------------------------------------------------------------


@with_torch
@dtypes
@cases
def test_conv_against_torch(shape, kernel, stride, padding, dilation, groups, dtype):
    n = len(shape) - 2
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    ours, theirs = tt.twins(torch, f"Conv{n}d", shape[1], kernel[0], kernel[2:], dtype=dtype, **options)
    tt.compare_layers(torch, ours, theirs, normal(*shape, dtype=dtype))
    tt.compare_layers(torch, ours, theirs, normal(*shape[1:], dtype=dtype))
    assert repr(ours) == repr(theirs)


TRANSPOSED = [
    ((2, 3, 5), 4, (3,), {}),
    ((2, 4, 5), 6, (3,), {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2}),
    ((2, 4, 5), 6, (3,), {"dilation": 3, "output_padding": 2}),
    ((2, 3, 4, 5), 2, (3, 2), {"stride": (2, 3), "padding": (1, 0), "bias": False}),
    ((1, 3, 4, 4), 3, (3, 3), {"stride": 2, "groups": 3, "dilation": 2, "output_padding": 1}),
    ((1, 2, 3, 2, 3), 4, (2, 2, 3), {"stride": (1, 2, 1), "padding": (0, 1, 1)}),
]


@with_torch
@dtypes
@pytest.mark.parametrize("shape, outputs, kernel, options", TRANSPOSED)
def test_transposed_conv_against_torch(shape, outputs, kernel, options, dtype):
    name = f"ConvTranspose{len(kernel)}d"
    ours, theirs = tt.twins(torch, name, shape[1], outputs, kernel, dtype=dtype, **options)
    tt.compare_layers(torch, ours, theirs, normal(*shape, dtype=dtype))
    tt.compare_layers(torch, ours, theirs, normal(*shape[1:], dtype=dtype))
    assert repr(ours) == repr(theirs)


@with_torch
def test_output_size_against_torch():
    ours, theirs = tt.twins(torch, "ConvTranspose2d", 2, 3, 3, stride=2, padding=1)
    for size in ((9, 11), (10, 12), (9, 12)):
        tt.compare(torch, lambda x, s=size: ours(x, s), lambda x, s=size: theirs(x, s), normal(2, 2, 5, 6))


@with_torch
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("padding", [(1, 2), "same", "valid"])
def test_padding_modes_against_torch(mode, padding):
    ours, theirs = tt.twins(torch, "Conv2d", 2, 3, (2, 4), padding=padding, padding_mode=mode)
    tt.compare_layers(torch, ours, theirs, normal(2, 2, 5, 6))
    tt.compare_layers(torch, ours, theirs, normal(2, 5, 6))
    assert repr(ours) == repr(theirs)


@with_torch
def test_complex_convolution_against_torch():
    x, w = (normal(*s, seed=i) + 1j * normal(*s, seed=i + 5) for i, s in enumerate([(2, 3, 7), (4, 3, 3)]))
    tt.compare(
        torch, lambda x, w: abs(F.conv1d(x, w, stride=2)), lambda x, w: abs(torch.conv1d(x, w, stride=2)), x, w, second=False
    )


@with_torch
@pytest.mark.parametrize("kernel, dilation, padding, stride", list(itertools.product([2, (3, 2)], [1, 2], [0, (1, 2)], [1, 2])))
def test_unfold_and_fold_against_torch(kernel, dilation, padding, stride):
    options = (kernel, dilation, padding, stride)
    x = normal(2, 3, 7, 8)
    tt.compare(torch, lambda x: F.unfold(x, *options), lambda x: torch.nn.functional.unfold(x, *options), x)
    columns = normal(*F.unfold(x, *options).shape, seed=1)
    args = ((7, 8), *options)
    tt.compare(torch, lambda y: F.fold(y, *args), lambda y: torch.nn.functional.fold(y, *args), columns)
    assert np.allclose(nn.Unfold(*options)(x[0]), F.unfold(x, *options)[0])
    assert np.allclose(nn.Fold(*args)(columns[0]), F.fold(columns, *args)[0])
    assert repr(nn.Unfold(*options)) == repr(torch.nn.Unfold(*options))
    assert repr(nn.Fold(*args)) == repr(torch.nn.Fold(*args))
