"""Layers that wait for their first input, positions, and residual blocks."""

import numpy as np
import pytest
import torch_tools as tt

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import ArgumentError, ShapeError

rng = np.random.default_rng(0)

LAZY = [
    ("Linear", (5,), {}, (4, 3)),
    ("Conv1d", (6, 3), {"groups": 2}, (2, 4, 7)),
    ("Conv2d", (6, 3), {"bias": False}, (4, 7, 7)),
    ("ConvTranspose2d", (6, 3), {"groups": 2}, (2, 4, 5, 5)),
    ("BatchNorm1d", (), {}, (5, 3)),
    ("BatchNorm2d", (), {"affine": False}, (5, 3, 2, 2)),
    ("InstanceNorm1d", (), {"affine": True, "track_running_stats": True}, (3, 6)),
]


@pytest.mark.parametrize("name, args, options, shape", LAZY, ids=lambda v: v if isinstance(v, str) else "")
def test_lazy_layers(name, args, options, shape):
    layer, x = getattr(nn, "Lazy" + name)(*args, **options), rng.normal(size=shape)
    held = list(layer.parameters())
    layer(x)
    assert type(layer) is getattr(nn, name)
    assert all(a is b for a, b in zip(held, layer.parameters(), strict=True)) and all(0 not in p.shape for p in held)
    fresh = getattr(nn, "Lazy" + name)(*args, **options)
    fresh.load_state_dict(layer.state_dict())
    assert type(fresh) is getattr(nn, name) and repr(fresh) == repr(layer)
    with cr.no_grad():
        np.testing.assert_array_equal(fresh.eval()(x), layer.eval()(x))


def test_a_lazy_model_trains_with_an_optimiser_made_before(way):
    if way == "compiled":
        pytest.skip("the first call, which is not kept, is not the same call as the second")
    model = nn.Sequential(nn.LazyLinear(8), nn.Tanh(), nn.LazyLinear(1))
    x = rng.normal(size=(20, 3))
    y = x[:, :1]
    sgd = optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(30):
        loss = nn.MSELoss()(model(x), y)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    with pytest.raises(ArgumentError, match=r"multiple of groups(.|\n)*channels: 3    groups: 2"):
        nn.LazyConv1d(4, 3, groups=2)(np.ones((1, 3, 9)))
    with pytest.raises(ShapeError, match="has no channels"):
        nn.LazyLinear(2)(1.0)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("cls", [nn.PositionalEncoding, nn.LearnedPositionalEncoding])
def test_positions(cls, batch_first):
    layer = cls(6, dropout=0.0, max_len=9, batch_first=batch_first, dtype=float)
    zeros = np.zeros((7, 2, 6))
    out = layer(np.moveaxis(zeros, 0, 1) if batch_first else zeros).detach().numpy()
    out = np.moveaxis(out, 0, 1) if batch_first else out
    np.testing.assert_array_equal(out[:, 0], out[:, 1])
    table = layer.weight.detach().numpy() if cls is nn.LearnedPositionalEncoding else layer.pe.numpy()
    np.testing.assert_array_equal(out[:, 0], table[:7])
    np.testing.assert_array_equal(layer(np.zeros((2, 6)), offset=3).detach(), table[3:5])
    with pytest.raises(ShapeError, match="positions: 8 to 9    max_len: 9"):
        layer(np.zeros((2, 6)), offset=8)
    with pytest.raises(ShapeError, match="d_model=5"):
        layer(np.zeros((2, 5)))


def test_sines_and_cosines():
    table = nn.PositionalEncoding(5, max_len=20, dtype=float).pe.numpy()
    for p in range(20):
        for i in range(5):
            angle = p / 10000 ** (2 * (i // 2) / 5)
            assert np.isclose(table[p, i], np.cos(angle) if i % 2 else np.sin(angle), rtol=1e-12, atol=1e-12)


def test_rotations():
    turn, x = nn.RotaryEmbedding(6), rng.normal(size=(2, 8, 6))
    out = turn(x)
    np.testing.assert_allclose(np.linalg.norm(out, axis=-1), np.linalg.norm(x, axis=-1))
    for p in range(8):
        for i in range(3):
            z = (x[:, p, i] + 1j * x[:, p, i + 3]) * np.exp(1j * p * 10000 ** (-2 * i / 6))
            np.testing.assert_allclose(out[:, p, i] + 1j * out[:, p, i + 3], z)
    np.testing.assert_allclose(turn(x[:, 3:], offset=3), out[:, 3:])
    cr.gradcheck(turn, x[:, :2])


class _TheirBlock:
    """A residual block of torchvision's kind, as a function of its layers."""

    def __init__(self, torch, ours):
        self.parts = torch.nn.ModuleDict()
        for name, layer in ours.named_children():
            if isinstance(layer, nn.Conv2d):
                options = {k: getattr(layer, k) for k in ("stride", "padding", "groups")}
                self.parts[name] = torch.nn.Conv2d(
                    layer.in_channels, layer.out_channels, layer.kernel_size, bias=False, **options
                )
            elif isinstance(layer, nn.BatchNorm2d):
                self.parts[name] = torch.nn.BatchNorm2d(layer.num_features)
            elif name == "downsample":
                conv = layer[0]
                self.parts[name] = torch.nn.Sequential(
                    torch.nn.Conv2d(conv.in_channels, conv.out_channels, 1, stride=conv.stride, bias=False),
                    torch.nn.BatchNorm2d(conv.out_channels),
                )
        self.parts.double()
        self.parts.load_state_dict({k: torch.tensor(v.numpy()) for k, v in ours.state_dict().items()})

    def __call__(self, x):
        y, parts = x, self.parts
        for i in (1, 2, 3):
            if f"conv{i}" in parts:
                y = parts[f"bn{i}"](parts[f"conv{i}"](y))
                y = y.relu() if f"conv{i + 1}" in parts else y
        return (y + (parts["downsample"](x) if "downsample" in parts else x)).relu()


@pytest.mark.parametrize(
    "name, args, options",
    [
        ("BasicBlock", (3, 3), {}),
        ("BasicBlock", (3, 4), {"stride": 2, "downsample": True}),
        ("Bottleneck", (8, 2), {}),
        ("Bottleneck", (3, 2), {"stride": 2, "downsample": True, "groups": 2}),
    ],
)
def test_residual_blocks_against_torch(name, args, options):
    torch = pytest.importorskip("torch")
    ours = getattr(nn, name)(*args, **options).double()
    theirs = _TheirBlock(torch, ours)
    params = list(ours.parameters()), list(theirs.parts.parameters())
    tt.compare(torch, ours, theirs, rng.normal(size=(2, args[0], 6, 6)), params=params)


def test_residual():
    inner, x = nn.Linear(3, 3, dtype=float), rng.normal(size=(4, 3))
    np.testing.assert_allclose(nn.Residual(inner)(x).detach(), x + inner(x).detach())
    wide = nn.Residual(nn.Linear(3, 5), shortcut=nn.Linear(3, 5))
    assert wide(x).shape == (4, 5)
    with pytest.raises(ShapeError, match=r"shortcut: \(4, 3\)    block: \(4, 5\)"):
        nn.Residual(nn.Linear(3, 5))(x)


def test_whole_steps_of_a_lazy_model_are_compiled_from_the_second_call_on(way):
    if way == "compiled":
        pytest.skip("layers take their shapes in programs, not in programs inside of programs")
    x = rng.normal(size=(20, 1, 6, 6)).astype(np.float32)
    y = np.arange(20) % 3

    def losses(compiled):
        cr.random.seed(3)
        model = nn.Sequential(nn.LazyConv2d(4, 3), nn.Dropout(0.5), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(3))
        adam = optim.Adam(model.parameters(), lr=0.05)

        def step(x, y):
            adam.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            adam.step()
            return loss

        run = cr.compile(step) if compiled else step
        found = [run(x, y).item() for _ in range(6)]
        return found, model.state_dict(), getattr(run, "variants", [])

    (eager, kept, _), (native, own, variants) = losses(False), losses(True)
    np.testing.assert_allclose(native, eager, rtol=1e-5)
    for name in kept:
        np.testing.assert_allclose(own[name], kept[name], rtol=1e-4, atol=1e-5)
    assert 1 <= len(variants) <= 2  # before and after the optimiser has made its state
