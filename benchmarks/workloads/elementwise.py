"""Functions of every element, over several sizes, and the empty call."""

from functools import partial

import numpy as np

from .common import CHAINRULE, JAX, TORCH, TORCH_COMPILE, Program, Workload, jax_program, random


def _functions(library):
    return {
        "exp": library.exp,
        "log": library.log,
        "tanh": library.tanh,
        "sin(x)*2+x": lambda x: library.sin(x) * 2 + x,
        "identity": lambda x: x,
    }


def _numbers(name, size):
    x = random("x", size)
    return np.abs(x) + np.float32(0.1) if name == "log" else x


def _chainrule(name, size):
    import chainrule as cr

    x, f = _numbers(name, size), cr.compile(_functions(cr)[name])
    return Program(lambda: f(x))


def _torch(name, size, compiled=False):
    import torch

    x, f = torch.from_numpy(_numbers(name, size)), _functions(torch)[name]
    f = torch.compile(f) if compiled else f
    return Program(lambda: f(x))


def _jax(name, size):
    import jax
    import jax.numpy as jnp

    return jax_program(jax.jit(_functions(jnp)[name]), _numbers(name, size))


def _workload(name, size, bars):
    short = {"sin(x)*2+x": "chain"}.get(name, name)
    return Workload(
        name=f"{short}-{size}",
        title=f"{name} over {size:,} numbers, float32",
        contenders={**_compilers(name, size), TORCH: partial(_torch, name, size)},
        bars=bars,
        rtol=2e-6,
    )


def _compilers(name, size):
    return {
        CHAINRULE: partial(_chainrule, name, size),
        TORCH_COMPILE: partial(_torch, name, size, compiled=True),
        JAX: partial(_jax, name, size),
    }


WORKLOADS = (
    _workload("exp", 100_000, {TORCH: 1.25, TORCH_COMPILE: 1, JAX: 1}),
    _workload("log", 100_000, {TORCH: 1.2, TORCH_COMPILE: 1, JAX: 1}),
    _workload("tanh", 100_000, {TORCH: 3, TORCH_COMPILE: 1, JAX: 1}),
    *(_workload("exp", size, {TORCH_COMPILE: 1}) for size in (1_000, 10_000, 1_000_000)),
    *(_workload("sin(x)*2+x", size, {TORCH_COMPILE: 1}) for size in (8, 100_000)),
)
EMPTY = Workload(
    name="empty",
    title="empty compiled call, everything from Python included",
    contenders=_compilers("identity", 8),  # PyTorch's eager mode has no call to make
    bars={TORCH_COMPILE: 1, JAX: 3},
    limit=2e-6,
)
