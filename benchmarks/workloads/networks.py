"""LeNet and a 20-layer ResNet: whole steps of gradient descent with momentum."""

import numpy as np

from .common import JAX, TORCH, TORCH_COMPILE, Workload, random
from .training import contenders, jax_cross_entropy

BATCH = 32


def lenet(nn):
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def resnet20(nn):
    class Block(nn.Module):
        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(outputs)
            self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(outputs)
            self.relu = nn.ReLU()
            self.shortcut = nn.Identity()
            if stride != 1:
                self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))

        def forward(self, x):
            y = self.relu(self.bn1(self.conv1(x)))
            return self.relu(self.bn2(self.conv2(y)) + self.shortcut(x))

    class ResNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
            self.blocks = nn.Sequential(*(Block(*sizes) for sizes in BLOCKS))
            self.fc = nn.Linear(64, 10)

        def forward(self, x):
            return self.fc(self.blocks(self.stem(x)).mean((2, 3)))

    return ResNet()


BLOCKS = (
    (16, 16, 1), (16, 16, 1), (16, 16, 1),
    (16, 32, 2), (32, 32, 1), (32, 32, 1),
    (32, 64, 2), (64, 64, 1), (64, 64, 1),
)  # fmt: skip


def _data(*shape):
    return lambda: (random("x", BATCH, *shape), np.arange(BATCH) % 10)


# --- JAX ------------------------------------------------------------------------------------------------------------------

LENET_SHAPES = {
    "0.weight": (6, 1, 5, 5), "0.bias": (6,), "3.weight": (16, 6, 5, 5), "3.bias": (16,),
    "7.weight": (120, 400), "7.bias": (120,), "9.weight": (84, 120), "9.bias": (84,), "11.weight": (10, 84), "11.bias": (10,),
}  # fmt: skip


def _norm_shapes(name, channels):
    return {f"{name}.weight": (channels,), f"{name}.bias": (channels,)}


def _resnet_shapes():
    shapes = {"stem.0.weight": (16, 3, 3, 3), **_norm_shapes("stem.1", 16), "fc.weight": (10, 64), "fc.bias": (10,)}
    for i, (inputs, outputs, stride) in enumerate(BLOCKS):
        at = f"blocks.{i}"
        shapes |= {f"{at}.conv1.weight": (outputs, inputs, 3, 3), f"{at}.conv2.weight": (outputs, outputs, 3, 3)}
        shapes |= _norm_shapes(f"{at}.bn1", outputs) | _norm_shapes(f"{at}.bn2", outputs)
        if stride != 1:
            shapes |= {f"{at}.shortcut.0.weight": (outputs, inputs, 1, 1), **_norm_shapes(f"{at}.shortcut.1", outputs)}
    return shapes


RESNET_SHAPES = _resnet_shapes()


def _resnet_statistics():
    norms = [name.removesuffix(".weight") for name, shape in RESNET_SHAPES.items() if len(shape) == 1 and name != "fc.bias"]
    norms = [name for name in norms if not name.endswith(".bias")]
    channels = {name: RESNET_SHAPES[f"{name}.weight"] for name in norms}
    zeros = {f"{name}.running_mean": np.zeros(shape, np.float32) for name, shape in channels.items()}
    return zeros | {f"{name}.running_var": np.ones(shape, np.float32) for name, shape in channels.items()}


def _conv(layout, x, w, stride=1, padding=0):
    import jax

    return jax.lax.conv_general_dilated(
        x, w, (stride, stride), [(padding, padding)] * 2, dimension_numbers=(layout, "OIHW", layout)
    )


def _along(layout, v):
    """A value per channel, to be broadcast."""
    return v[:, None, None] if layout == "NCHW" else v


def _pool(layout, x):
    import jax
    import jax.numpy as jnp

    window = (1, 1, 2, 2) if layout == "NCHW" else (1, 2, 2, 1)
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, "VALID")


def _enter(layout, x):
    return x if layout == "NCHW" else x.transpose(0, 2, 3, 1)


def _leave(layout, x):
    return x if layout == "NCHW" else x.transpose(0, 3, 1, 2)


def _jax_lenet(layout):
    def loss(p, stats, x, y):
        import jax

        relu = jax.nn.relu
        x = _enter(layout, x)
        x = _pool(layout, relu(_conv(layout, x, p["0.weight"], padding=2) + _along(layout, p["0.bias"])))
        x = _pool(layout, relu(_conv(layout, x, p["3.weight"]) + _along(layout, p["3.bias"])))
        x = _leave(layout, x).reshape(BATCH, -1)
        x = relu(x @ p["7.weight"].T + p["7.bias"])
        x = relu(x @ p["9.weight"].T + p["9.bias"])
        return jax_cross_entropy(x @ p["11.weight"].T + p["11.bias"], y), stats

    return loss


def _jax_resnet(layout):
    axes = (0, 2, 3) if layout == "NCHW" else (0, 1, 2)

    def loss(p, stats, x, y):
        import jax
        import jax.numpy as jnp

        new = {}

        def norm(name, x):
            mean, var = x.mean(axes), x.var(axes)
            n = x.size // mean.size
            new[f"{name}.running_mean"] = 0.9 * stats[f"{name}.running_mean"] + 0.1 * mean
            new[f"{name}.running_var"] = 0.9 * stats[f"{name}.running_var"] + 0.1 * var * (n / (n - 1))
            scale = p[f"{name}.weight"] / jnp.sqrt(var + 1e-5)
            return x * _along(layout, scale) + _along(layout, p[f"{name}.bias"] - mean * scale)

        def block(at, x, stride):
            y = jax.nn.relu(norm(f"{at}.bn1", _conv(layout, x, p[f"{at}.conv1.weight"], stride, 1)))
            y = norm(f"{at}.bn2", _conv(layout, y, p[f"{at}.conv2.weight"], 1, 1))
            if stride != 1:
                x = norm(f"{at}.shortcut.1", _conv(layout, x, p[f"{at}.shortcut.0.weight"], stride))
            return jax.nn.relu(y + x)

        x = jax.nn.relu(norm("stem.1", _conv(layout, _enter(layout, x), p["stem.0.weight"], 1, 1)))
        for i, (_, _, stride) in enumerate(BLOCKS):
            x = block(f"blocks.{i}", x, stride)
        logits = x.mean(axes[1:]) @ p["fc.weight"].T + p["fc.bias"]
        return jax_cross_entropy(logits, y), new

    return loss


def _layouts(loss):
    return {"NCHW": loss("NCHW"), "NHWC": loss("NHWC")}


BARS = {TORCH: 1.3, TORCH_COMPILE: 1, JAX: 1.5}
WORKLOADS = (
    Workload(
        name="lenet",
        title="LeNet on 28x28, batch 32, SGD with momentum",
        contenders=contenders(lenet, _data(1, 28, 28), "momentum", _layouts(_jax_lenet), LENET_SHAPES),
        bars=BARS,
        rtol=1e-5,
        memory=True,
    ),
    Workload(
        name="resnet20",
        title="ResNet-20 on 32x32, batch 32, SGD with momentum",
        contenders=contenders(resnet20, _data(3, 32, 32), "momentum", _layouts(_jax_resnet), RESNET_SHAPES, _resnet_statistics),
        bars=BARS,
        rtol=2e-3,  # some inputs of ReLUs are 1e-8 from the kink: rounding decides
        memory=True,
    ),
)
