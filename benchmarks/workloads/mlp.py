"""Networks of two linear layers: whole training steps, and what the first call costs."""

from dataclasses import replace

import numpy as np

from .common import JAX, TORCH, TORCH_COMPILE, Workload, random
from .training import contenders, jax_cross_entropy


def _network(sizes):
    inputs, hidden, outputs = sizes
    return lambda nn: nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


def _data(sizes, batch):
    # With other names, rounding may decide on which side of a ReLU's kink a number falls: "x" did so at batch 256.
    return lambda: (random("images", batch, sizes[0]), np.arange(batch) % sizes[-1])


def _jax_loss(params, stats, x, y):
    import jax

    hidden = jax.nn.relu(x @ params["0.weight"].T + params["0.bias"])
    logits = hidden @ params["2.weight"].T + params["2.bias"]
    return jax_cross_entropy(logits, y), stats


def _step(name, sizes, batch, optimizer, **bars):
    inputs, hidden, outputs = sizes
    shapes = {"0.weight": (hidden, inputs), "0.bias": (hidden,), "2.weight": (outputs, hidden), "2.bias": (outputs,)}
    return Workload(
        name=name,
        title=f"MLP {inputs}-{hidden}-{outputs}, batch {batch}, {optimizer} step",
        contenders=contenders(_network(sizes), _data(sizes, batch), optimizer, {"": _jax_loss}, shapes),
        rtol=1e-4 if optimizer == "Adam" else 1e-5,
        memory=True,
        **bars,
    )


TINY, IMAGES = (16, 32, 10), (784, 128, 10)


def _bars(torch, jax, torch_two, jax_two):
    return {"bars": {TORCH: torch, TORCH_COMPILE: 1, JAX: jax}, "bars_two": {TORCH: torch_two, TORCH_COMPILE: 1, JAX: jax_two}}


_B64_SGD = _step("mlp-64-sgd", IMAGES, 64, "SGD", **_bars(2.2, 1.4, 3.2, 2.5))
_FIRST = replace(
    _B64_SGD,
    contenders={name: contender for name, contender in _B64_SGD.contenders.items() if name != TORCH},  # it compiles nothing
    memory=False,
    bars_two={},
)

WORKLOADS = (
    _step("mlp-tiny", TINY, 16, "SGD", bars={TORCH: 50, TORCH_COMPILE: 1, JAX: 10}),
    _B64_SGD,
    _step("mlp-64-adam", IMAGES, 64, "Adam", **_bars(2.2, 1.4, 3.2, 2.5)),
    _step("mlp-256-sgd", IMAGES, 256, "SGD", **_bars(1.35, 1.15, 1.5, 1.35)),
    _step("mlp-256-adam", IMAGES, 256, "Adam", **_bars(1.45, 1.15, 1.5, 1.35)),
)
FIRST_CALLS = (
    replace(
        _FIRST,
        name="first-cold",
        title="first call of the MLP step, batch 64, cold",
        bars={TORCH_COMPILE: 1, JAX: 2},
        limit=0.25,
        fresh="cold",
    ),
    replace(
        _FIRST,
        name="first-disk",
        title="first call of the MLP step, batch 64, from the disk cache",
        bars={TORCH_COMPILE: 1, JAX: 10},
        limit=0.03,
        fresh="disk",
    ),
)
