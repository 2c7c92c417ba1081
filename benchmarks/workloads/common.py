"""What a workload is, what a contender hands to the clock, and the numbers that all contenders start from.

The functions of a contender import their library themselves: a worker process holds one library only, because spinning
thread pools of two disturb each other.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

CHAINRULE, TORCH, TORCH_LOOP, TORCH_COMPILE, JAX = "chainrule", "PyTorch", "PyTorch loop", "torch.compile", "jax.jit"
PEERS = (TORCH, TORCH_LOOP, TORCH_COMPILE, JAX)


def _nothing():
    pass


@dataclass(frozen=True)
class Program:
    """One contender, ready to run: the worker makes the first call, which compiles.

    Attributes
    ----------
    call : what is timed; returns an array or a sequence of arrays, which must agree between contenders
    state : gives what calls leave behind (parameters, gradients) by name; must agree too
    wait : returns when all that was started is done, for libraries that compute asynchronously
    also : other calls to time in the same turns, for what the page says about chainrule alone, such as "primal"
    """

    call: Callable[[], Any]
    state: Callable[[], Mapping[str, Any]] = dict
    wait: Callable[[], Any] = _nothing
    also: Mapping[str, Callable[[], Any]] = field(default_factory=dict)


Build = Callable[[], Program]


@dataclass(frozen=True)
class Workload:
    """One row of the table.

    Attributes
    ----------
    name : for `--only`
    title : for people
    contenders : by name, a function without arguments that builds a Program, or several by variant (the best one counts)
    absent : by name, why a contender does not take part
    bars : by peer, the speed-up that one core must show; `bars_two` with two idle cores
    limit : seconds that chainrule may take, where the issue gives such a figure
    rtol : greatest difference between contenders over the largest number, per array
    group : workloads of one group are also judged by their geometric mean, against `group_bars`
    fresh : time the first call in a new process, with an empty disk cache ("cold") or a full one ("disk")
    memory : measure the memory of a call
    decisions : branches on values that one call of chainrule's program takes
    """

    name: str
    title: str
    contenders: Mapping[str, Build | Mapping[str, Build]]
    absent: Mapping[str, str] = field(default_factory=dict)
    bars: Mapping[str, float] = field(default_factory=dict)
    bars_two: Mapping[str, float] = field(default_factory=dict)
    limit: float | None = None
    rtol: float = 1e-4
    group: str | None = None
    group_bars: Mapping[str, float] = field(default_factory=dict)
    fresh: str | None = None
    float64: bool = False
    memory: bool = False
    decisions: int = 0


# --- shared numbers -------------------------------------------------------------------------------------------------------


def random(name, *shape, dtype=np.float32):
    """Normal numbers that depend on the name and the shape only."""
    return np.random.default_rng(zlib.crc32(name.encode())).normal(size=shape).astype(dtype)


def weight(name, shape):
    """A starting value for the parameter with this name: of modest size, and near 1 for scales of normalisation."""
    values = random(name, *shape)
    if len(shape) > 1:
        return values / np.sqrt(np.float32(np.prod(shape[1:])))
    return 0.1 * values + np.float32(name.endswith("weight"))


def weights(shapes):
    return {name: weight(name, shape) for name, shape in shapes.items()}


def share_chainrule(model):
    for name, p in model.named_parameters():
        p.data = weight(name, p.shape)
    return model


def share_torch(model):
    import torch

    for name, p in model.named_parameters():
        p.data.copy_(torch.from_numpy(weight(name, tuple(p.shape))))
    return model


def gradients(model):
    """A function that gives the gradients of a chainrule or PyTorch model by name."""
    return lambda: {name: p.grad for name, p in model.named_parameters()}


def parameters(model):
    """A function that gives parameters and statistics of a chainrule or PyTorch model by name."""
    return lambda: {name: value for name, value in model.state_dict().items() if not name.endswith("num_batches_tracked")}


# --- JAX, which comes without layers --------------------------------------------------------------------------------------


def on_device(tree):
    import jax

    return jax.device_put(tree)


class JaxGradient:
    """`value_and_grad` of a scalar function, compiled; keeps what the last call gave."""

    def __init__(self, loss, params, *args):
        import jax

        self.function = jax.jit(jax.value_and_grad(loss))
        self.args = on_device((params, *args))
        self.grads = {}

    def call(self):
        value, self.grads = self.function(*self.args)
        return value

    def wait(self):
        import jax

        jax.block_until_ready(self.grads)

    def program(self):
        return Program(self.call, state=lambda: self.grads, wait=self.wait)


def jax_program(function, *args):
    """A compiled function of arrays, timed until its last result is there."""
    import jax

    args, last = on_device(args), []

    def call():
        last[:] = [function(*args)]
        return last[0]

    return Program(call, wait=lambda: jax.block_until_ready(last))
