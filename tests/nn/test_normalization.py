"""Normalisation: closed forms, running statistics and errors; against PyTorch, where it is installed."""

import numpy as np
import pytest
import torch_tools as tt
from torch_tools import dtypes, torch, with_torch

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError, ShapeError, UnsupportedError
from chainrule.nn import functional as F


def normal(*shape, seed=0, dtype=np.float64):
    return (2 * np.random.default_rng(seed).normal(size=shape) + 1).astype(dtype)


@pytest.mark.parametrize(
    "f, axes",
    [
        (lambda x: F.batch_norm(x, None, None, training=True), (0, 2, 3)),
        (F.instance_norm, (2, 3)),
        (lambda x: F.group_norm(x, 1), (1, 2, 3)),
        (lambda x: F.layer_norm(x, (5, 2)), (2, 3)),
    ],
)
def test_mean_and_variance_are_as_they_should(f, axes):
    x = normal(3, 4, 5, 2)
    out = f(x)
    np.testing.assert_allclose(out.mean(axes), 0, atol=1e-12)
    np.testing.assert_allclose(out.var(axes), 1, rtol=1e-3)
    np.testing.assert_allclose(out * np.sqrt(x.var(axes, keepdims=True) + 1e-5) + x.mean(axes, keepdims=True), x, rtol=1e-9)


def test_running_statistics():
    x = normal(6, 2, 4)
    layer = nn.BatchNorm1d(2, momentum=0.25, dtype=float)
    layer(x)
    np.testing.assert_allclose(layer.running_mean, 0.25 * x.mean((0, 2)), rtol=1e-12)
    np.testing.assert_allclose(layer.running_var, 0.75 + 0.25 * x.var((0, 2), ddof=1), rtol=1e-12)
    assert layer.num_batches_tracked.item() == 1 and layer.num_batches_tracked.dtype == np.int64
    out = layer.eval()(x).detach().numpy()
    np.testing.assert_allclose(
        out[:, 1], (x[:, 1] - layer.running_mean[1].item()) / np.sqrt(layer.running_var[1].item() + 1e-5), rtol=1e-9
    )
    assert layer.num_batches_tracked.item() == 1
    layer.reset_running_stats()
    assert layer.running_var.tolist() == [1, 1] and layer.num_batches_tracked.item() == 0


def test_momentum_none_is_the_mean_over_batches():
    xs = normal(3, 6, 2)
    layer = nn.BatchNorm1d(2, momentum=None, dtype=float)
    for x in xs:
        layer(x)
    np.testing.assert_allclose(layer.running_mean, xs.mean((0, 1)), rtol=1e-12)


def test_statistics_run_on_under_transforms_and_hold_no_derivative():
    x, layer = normal(6, 2), nn.BatchNorm1d(2, dtype=float)

    def loss(layer, x):
        return (layer(x) ** 3).sum()

    cr.grad(loss)(layer, x)
    np.testing.assert_allclose(layer.running_mean.numpy(), 0.1 * x.mean(0), rtol=1e-12)
    cr.jvp(lambda x: layer(x), (x,), (x,))
    cr.hessian(lambda x: loss(layer, x.reshape(6, 2)))(x.ravel())
    assert layer.num_batches_tracked.item() == 3 and not layer.running_mean.requires_grad
    numbers = np.zeros(2), np.ones(2)
    F.batch_norm(cr.tensor(x, requires_grad=True), *numbers, training=True)
    np.testing.assert_allclose(numbers[0], 0.1 * x.mean(0), rtol=1e-12)


@pytest.mark.parametrize("momentum", [0.2, None])
def test_recorded_training_moves_the_statistics_too(momentum):
    xs = normal(4, 6, 2)
    eager, recorded = (nn.BatchNorm1d(2, momentum=momentum, dtype=float) for _ in range(2))
    for x in xs:
        eager(x)
    graph = cr.graph(lambda x: recorded(x).sum())(xs[0])
    for x in xs[1:]:
        graph(x)
    for key, value in eager.state_dict().items():
        np.testing.assert_allclose(recorded.state_dict()[key], value, rtol=1e-12, err_msg=key)


def test_vmap_asks_for_eval():
    layer, x = nn.BatchNorm1d(2, dtype=float), normal(5, 6, 2)
    with pytest.raises(UnsupportedError, match=r"under vmap would differ(.|\n)*help: use model.eval\(\)"):
        cr.vmap(layer)(x)
    assert not layer.running_mean.numpy().any() and layer.num_batches_tracked.item() == 0
    with cr.no_grad():
        np.testing.assert_allclose(np.asarray(cr.vmap(layer.eval())(x)), np.stack([layer(v).numpy() for v in x]), rtol=1e-12)


def test_mistakes_are_explained():
    with pytest.raises(
        ShapeError, match=r"BatchNorm2d\(3\): the input(.|\n)*expected: 4 axes, 3 channels    found: float32 \(2, 5, 4, 4\)"
    ):
        nn.BatchNorm2d(3)(np.ones((2, 5, 4, 4)))
    with pytest.raises(ShapeError, match="BatchNorm1d"):
        nn.BatchNorm1d(3)(np.ones(3))
    with pytest.raises(ArgumentError, match="a single number per channel has no variance"):
        nn.BatchNorm1d(3)(np.ones((1, 3)))
    with pytest.raises(ArgumentError, match="no running statistics"):
        F.batch_norm(np.ones((2, 3)), None, None)
    with pytest.raises(ShapeError, match="`weight` needs one number for each channel"):
        F.batch_norm(np.ones((2, 3)), None, None, np.ones(2), training=True)
    with pytest.raises(ArgumentError, match="a single number has no variance"):
        F.instance_norm(np.ones((2, 3, 1)))
    with pytest.raises(ArgumentError, match="GroupNorm: the channels do not split"):
        nn.GroupNorm(2, 3)
    with pytest.raises(ShapeError, match="group_norm: the channels do not split"):
        F.group_norm(np.ones((2, 3)), 2)
    with pytest.raises(ShapeError, match="RMSNorm"):
        nn.RMSNorm(3)(np.ones((2, 4)))


def test_a_batch_of_nothing():
    layer = nn.BatchNorm1d(2)
    assert layer(np.ones((0, 2, 3))).shape == (0, 2, 3)
    assert np.isfinite(layer.running_mean.numpy()).all()
    assert nn.GroupNorm(1, 2)(np.ones((0, 2, 3))).shape == (0, 2, 3)


# --- against PyTorch --------------------------------------------------------------------------------------------------

LAYERS = [
    ("BatchNorm1d", (3,), {}, (5, 3)),
    ("BatchNorm1d", (3,), {"momentum": None}, (5, 3, 4)),
    ("BatchNorm2d", (3,), {"eps": 1e-3, "momentum": 0.3}, (2, 3, 4, 5)),
    ("BatchNorm2d", (3,), {"affine": False}, (2, 3, 4, 5)),
    ("BatchNorm2d", (3,), {"track_running_stats": False}, (2, 3, 4, 5)),
    ("BatchNorm2d", (3,), {"bias": False}, (2, 3, 4, 5)),
    ("BatchNorm3d", (2,), {}, (2, 2, 3, 2, 3)),
    ("InstanceNorm1d", (3,), {}, (2, 3, 4)),
    ("InstanceNorm1d", (3,), {"affine": True}, (3, 4)),
    ("InstanceNorm2d", (3,), {"affine": True, "track_running_stats": True}, (2, 3, 4, 5)),
    ("InstanceNorm3d", (2,), {}, (2, 2, 3, 2, 3)),
    ("GroupNorm", (2, 4), {}, (3, 4)),
    ("GroupNorm", (2, 6), {}, (2, 6, 3, 2)),
    ("GroupNorm", (3, 6), {"affine": False}, (2, 6, 5)),
    ("RMSNorm", (4,), {}, (3, 4)),
    ("RMSNorm", ((3, 4),), {"eps": 1e-2}, (2, 3, 4)),
    ("RMSNorm", (4,), {"elementwise_affine": False}, (3, 4)),
    ("LayerNorm", ((3, 4),), {}, (2, 3, 4)),
    ("LocalResponseNorm", (3,), {}, (2, 5, 4)),
    ("LocalResponseNorm", (2,), {"alpha": 0.5, "beta": 0.6, "k": 2.0}, (2, 5, 3, 3)),
    ("SyncBatchNorm", (3,), {}, (4, 3)),
    ("SyncBatchNorm", (3,), {"momentum": None, "eps": 1e-2}, (4, 3, 2, 2)),
    ("SyncBatchNorm", (2,), {"affine": False, "track_running_stats": False}, (3, 2, 5)),
]


@with_torch
@dtypes
@pytest.mark.parametrize("name, args, options, shape", LAYERS)
def test_layers_against_torch(name, args, options, shape, dtype):
    ours, theirs = tt.twins(torch, name, *args, dtype=dtype, **options)
    if name != "LocalResponseNorm":
        assert repr(ours) == repr(theirs)
    for seed in range(3):
        tt.compare_layers(torch, ours, theirs, normal(*shape, dtype=dtype, seed=seed), second=dtype == np.float64)
        for key, value in theirs.state_dict().items():
            tt.near(ours.state_dict()[key], value.numpy(), key)
    ours.eval(), theirs.eval()
    tt.compare_layers(torch, ours, theirs, normal(*shape, dtype=dtype, seed=9), second=dtype == np.float64)


@with_torch
def test_convert_sync_batchnorm_against_torch():
    def model(nn, **options):
        block = nn.Sequential(nn.Conv2d(2, 3, 1, **options), nn.BatchNorm2d(3, momentum=0.3, affine=False, **options))
        return nn.Sequential(
            block, nn.Flatten(), nn.BatchNorm1d(12, track_running_stats=False, **options), nn.InstanceNorm1d(4)
        )

    ours, theirs = model(nn, dtype=np.float64), model(torch.nn, dtype=torch.float64)
    ours.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    before = dict(ours.named_parameters())
    ours.eval(), theirs.eval()
    new, wanted = nn.SyncBatchNorm.convert_sync_batchnorm(ours), torch.nn.SyncBatchNorm.convert_sync_batchnorm(theirs)
    assert new is ours and repr(new) == repr(wanted)
    assert [type(m).__name__ for m in new.modules()] == [type(m).__name__ for m in wanted.modules()]
    assert all(p is before[name] for name, p in new.named_parameters()) and not any(m.training for m in new.modules())
    assert list(new.state_dict()) == list(wanted.state_dict())
    for module in (new[:-1], wanted[:-1]):
        module.train()
    x = np.random.default_rng(0).normal(size=(5, 2, 2, 2))
    tt.near(new[:-1](x).detach(), wanted[:-1](torch.tensor(x)).detach().numpy())
    tt.near(new.state_dict()["0.1.running_var"], wanted.state_dict()["0.1.running_var"].numpy())
    alone = nn.SyncBatchNorm.convert_sync_batchnorm(nn.BatchNorm3d(2))
    assert type(alone) is nn.SyncBatchNorm and alone is nn.SyncBatchNorm.convert_sync_batchnorm(alone)


@with_torch
@dtypes
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 20])
def test_cross_map_response_against_torch(size, dtype):
    """In values; PyTorch's own gradients are not those of its values, and for some sizes there are none."""
    x, options = normal(2, 7, 2, 3, dtype=dtype), {"alpha": 0.5, "beta": 0.6, "k": 2.0}
    ours, theirs = nn.CrossMapLRN2d(size, **options), torch.nn.CrossMapLRN2d(size, **options)
    tt.near(ours(x), theirs(torch.tensor(x)).numpy())
    assert repr(ours) == repr(theirs)
    if dtype == np.float64:
        cr.gradcheck(ours, normal(1, 7, 1, 2))
    for layer, array in ((ours, x[0]), (theirs, torch.tensor(x[0]))):
        with pytest.raises(ValueError):
            layer(array)
