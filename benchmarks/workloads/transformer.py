"""A Transformer block, forward and backward to its parameters."""

from functools import partial

from .common import (
    CHAINRULE,
    JAX,
    TORCH,
    TORCH_COMPILE,
    JaxGradient,
    Program,
    Workload,
    gradients,
    random,
    share_chainrule,
    share_torch,
    weights,
)

BATCH, TOKENS, WIDTH, HEADS = 8, 64, 128, 4
SHAPES = {
    "norm1.weight": (WIDTH,), "norm1.bias": (WIDTH,), "norm2.weight": (WIDTH,), "norm2.bias": (WIDTH,),
    "attention.in_proj_weight": (3 * WIDTH, WIDTH), "attention.in_proj_bias": (3 * WIDTH,),
    "attention.out_proj.weight": (WIDTH, WIDTH), "attention.out_proj.bias": (WIDTH,),
    "up.weight": (4 * WIDTH, WIDTH), "up.bias": (4 * WIDTH,), "down.weight": (WIDTH, 4 * WIDTH), "down.bias": (WIDTH,),
}  # fmt: skip


def _block(nn, attend=None):
    """The block; `attend` replaces the call of the attention layer, which keeps its parameters."""

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
            self.attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
            self.up, self.down, self.gelu = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH), nn.GELU()

        def forward(self, x):
            y = self.norm1(x)
            x = x + (attend(self.attention, y) if attend else self.attention(y, y, y, need_weights=False)[0])
            return x + self.down(self.gelu(self.up(self.norm2(x))))

    return Block()


def _input():
    return random("x", BATCH, TOKENS, WIDTH)


def _chainrule():
    import chainrule as cr
    from chainrule import nn

    x = _input()
    model = share_chainrule(_block(nn))

    @cr.compile
    def step(x):
        model.zero_grad()
        out = model(x)
        loss = (out * out).mean()
        loss.backward()
        return loss

    @cr.compile
    def primal(x):
        with cr.no_grad():
            out = model(x)
            return (out * out).mean()

    return Program(lambda: step(x), state=gradients(model), also={"primal": lambda: primal(x)})


def _sdpa(attention, x):
    """Attention by hand around `scaled_dot_product_attention`, as many write it."""
    from torch.nn import functional as F

    qkv = F.linear(x, attention.in_proj_weight, attention.in_proj_bias)
    q, k, v = qkv.view(BATCH, TOKENS, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
    out = F.scaled_dot_product_attention(q, k, v)
    return attention.out_proj(out.transpose(1, 2).reshape(BATCH, TOKENS, WIDTH))


def _torch(attend=None, compiled=False):
    import torch

    x = torch.from_numpy(_input())
    model = share_torch(_block(torch.nn, attend))

    def loss_of(x):
        out = model(x)
        return (out * out).mean()

    if compiled:
        loss_of = torch.compile(loss_of)

    def step():
        model.zero_grad()
        loss = loss_of(x)
        loss.backward()
        return loss

    return Program(step, state=gradients(model))


def _jax():
    import jax
    import jax.numpy as jnp

    def linear(p, name, x):
        return x @ p[f"{name}.weight"].T + p[f"{name}.bias"]

    def norm(p, name, x):
        mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        return (x - mean) / jnp.sqrt(var + 1e-5) * p[f"{name}.weight"] + p[f"{name}.bias"]

    def attention(p, x):
        qkv = x @ p["attention.in_proj_weight"].T + p["attention.in_proj_bias"]
        q, k, v = qkv.reshape(BATCH, TOKENS, 3, HEADS, WIDTH // HEADS).transpose(2, 0, 3, 1, 4)
        scores = jax.nn.softmax(q @ k.swapaxes(2, 3) / (WIDTH // HEADS) ** 0.5)
        return linear(p, "attention.out_proj", (scores @ v).swapaxes(1, 2).reshape(BATCH, TOKENS, WIDTH))

    def loss(p, x):
        x = x + attention(p, norm(p, "norm1", x))
        hidden = jax.nn.gelu(linear(p, "up", norm(p, "norm2", x)), approximate=False)
        out = x + linear(p, "down", hidden)
        return (out * out).mean()

    return JaxGradient(loss, weights(SHAPES), _input()).program()


WORKLOADS = (
    Workload(
        name="transformer",
        title=f"Transformer block, batch {BATCH}, {TOKENS} tokens, {WIDTH} wide, {HEADS} heads, forward and backward",
        contenders={
            CHAINRULE: _chainrule,
            TORCH: {"MultiheadAttention": _torch, "by hand": partial(_torch, _sdpa)},
            TORCH_COMPILE: partial(_torch, _sdpa, compiled=True),
            JAX: _jax,
        },
        bars={TORCH: 1.4, TORCH_COMPILE: 1, JAX: 1.25},
        # The gradient of the keys' bias is zero in exact numbers, and stands in one array with large ones.
        rtol=5e-4,
        memory=True,
    ),
)
