"""Convolution, 'same' padding, channels first: forward, backward to the data and backward to the weights, each alone."""

from functools import partial

from .common import CHAINRULE, JAX, TORCH, TORCH_COMPILE, Program, Workload, jax_program, random

SHAPES = ((32, 1, 28, 16, 5), (32, 16, 14, 32, 5), (32, 64, 16, 64, 3), (8, 3, 64, 64, 7))  # N, C, H = W, K, R = S
PASSES = {
    "forward": {TORCH: 1.2, JAX: 1.8},
    "backward data": {TORCH: 1.5, JAX: 1.6},
    "backward weights": {TORCH: 1.3, JAX: 1.9},
}


def _arrays(shape):
    n, c, h, k, r = shape
    return random("x", n, c, h, h), random("w", k, c, r, r), random("g", n, k, h, h)


def _chainrule(which, shape):
    import chainrule as cr
    from chainrule.nn import functional as F

    x, w, g = _arrays(shape)
    padding = shape[-1] // 2

    @cr.compile
    def forward(x, w):
        return F.conv2d(x, w, padding=padding)

    @cr.compile
    def backward_data(g, x, w):
        _, pull = cr.vjp(lambda x: F.conv2d(x, w, padding=padding), x)
        return pull(g)[0]

    @cr.compile
    def backward_weights(g, x, w):
        _, pull = cr.vjp(lambda w: F.conv2d(x, w, padding=padding), w)
        return pull(g)[0]

    return {
        "forward": Program(lambda: forward(x, w)),
        "backward data": Program(lambda: backward_data(g, x, w)),
        "backward weights": Program(lambda: backward_weights(g, x, w)),
    }[which]


def _torch(which, shape, compiled=False):
    import torch
    from torch.nn import functional as F, grad

    x, w, g = map(torch.from_numpy, _arrays(shape))
    padding = shape[-1] // 2
    f = {
        "forward": lambda: F.conv2d(x, w, padding=padding),
        "backward data": lambda: grad.conv2d_input(x.shape, w, g, padding=padding),
        "backward weights": lambda: grad.conv2d_weight(x, w.shape, g, padding=padding),
    }[which]
    return Program(torch.compile(f) if compiled else f)


def _jax(which, shape):
    import jax

    x, w, g = _arrays(shape)

    def conv(x, w):
        return jax.lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NCHW", "OIHW", "NCHW"))

    # What the forward pass computes is not used, and so not computed.
    f = {
        "forward": lambda g, x, w: conv(x, w),
        "backward data": lambda g, x, w: jax.vjp(lambda x: conv(x, w), x)[1](g)[0],
        "backward weights": lambda g, x, w: jax.vjp(lambda w: conv(x, w), w)[1](g)[0],
    }[which]
    return jax_program(jax.jit(f), g, x, w)


def _workload(which, number):
    shape = SHAPES[number]
    n, c, h, k, r = shape
    return Workload(
        name=f"conv-{which.replace(' ', '-')}-{number + 1}",
        title=f"conv2d {which}, N{n} C{c} H{h} K{k} R{r}",
        contenders={
            CHAINRULE: partial(_chainrule, which, shape),
            TORCH: partial(_torch, which, shape),
            TORCH_COMPILE: partial(_torch, which, shape, compiled=True),
            JAX: partial(_jax, which, shape),
        },
        bars={TORCH: 0.8, JAX: 0.8},
        group=f"conv2d {which}, geometric mean",
        group_bars={TORCH_COMPILE: 1, **PASSES[which]},
    )


WORKLOADS = tuple(_workload(which, number) for which in PASSES for number in range(len(SHAPES)))
