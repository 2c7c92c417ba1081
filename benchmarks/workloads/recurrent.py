"""Recurrent networks: an LSTM of matrices, and a long one of element-wise weights."""

from functools import partial

import numpy as np

from .common import (
    CHAINRULE,
    JAX,
    TORCH,
    TORCH_COMPILE,
    TORCH_LOOP,
    JaxGradient,
    Program,
    Workload,
    gradients,
    jax_program,
    random,
    share_chainrule,
    share_torch,
    weights,
)

STEPS, BATCH, WIDTH = 50, 32, 128
SHAPES = {
    "weight_ih_l0": (4 * WIDTH, WIDTH), "weight_hh_l0": (4 * WIDTH, WIDTH),
    "bias_ih_l0": (4 * WIDTH,), "bias_hh_l0": (4 * WIDTH,),
}  # fmt: skip


def _chainrule_lstm():
    import chainrule as cr
    from chainrule import nn

    x = random("x", STEPS, BATCH, WIDTH)
    model = share_chainrule(nn.LSTM(WIDTH, WIDTH))

    @cr.compile
    def step(x):
        model.zero_grad()
        out, _ = model(x)
        loss = (out * out).mean()
        loss.backward()
        return loss

    @cr.compile
    def primal(x):
        with cr.no_grad():
            out, _ = model(x)
            return (out * out).mean()

    return Program(lambda: step(x), state=gradients(model), also={"primal": lambda: primal(x)})


def _torch_lstm(compiled=False):
    import torch

    x = torch.from_numpy(random("x", STEPS, BATCH, WIDTH))
    model = share_torch(torch.nn.LSTM(WIDTH, WIDTH))

    def loss_of(x):
        out, _ = model(x)
        return (out * out).mean()

    if compiled:
        loss_of = torch.compile(loss_of)

    def step():
        model.zero_grad()
        loss = loss_of(x)
        loss.backward()
        return loss

    return Program(step, state=gradients(model))


def _torch_cells():
    import torch

    x = torch.from_numpy(random("x", STEPS, BATCH, WIDTH))
    cell = torch.nn.LSTMCell(WIDTH, WIDTH)
    for name, p in cell.named_parameters():
        p.data.copy_(torch.from_numpy(weights(SHAPES)[f"{name}_l0"]))

    def step():
        cell.zero_grad()
        h = c = torch.zeros(BATCH, WIDTH)
        out = []
        for x_t in x:
            h, c = cell(x_t, (h, c))
            out.append(h)
        out = torch.stack(out)
        loss = (out * out).mean()
        loss.backward()
        return loss

    return Program(step, state=lambda: {f"{name}_l0": p.grad for name, p in cell.named_parameters()})


def _jax_lstm():
    import jax
    import jax.numpy as jnp

    def loss(p, x):
        inputs = x @ p["weight_ih_l0"].T + (p["bias_ih_l0"] + p["bias_hh_l0"])  # of all steps at once

        def step(carry, gates):
            h, c = carry
            i, f, g, o = jnp.split(gates + h @ p["weight_hh_l0"].T, 4, axis=1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        zeros = jnp.zeros((BATCH, WIDTH), x.dtype)
        _, out = jax.lax.scan(step, (zeros, zeros), inputs)
        return (out * out).mean()

    return JaxGradient(loss, weights(SHAPES), random("x", STEPS, BATCH, WIDTH)).program()


# --- element-wise weights, after ADBench's LSTM -----------------------------------------------------------------------------

LONG, SMALL = 1000, 14


def _small_numbers():
    """Weights and biases of four gates, by rows; inputs and targets by steps."""
    return (
        0.3 * random("weights", 8, SMALL, dtype=np.float64),
        random("inputs", LONG, SMALL, dtype=np.float64),
        random("targets", LONG, SMALL, dtype=np.float64),
    )


def _cell(sigmoid, tanh, w, carry, x):
    h, c = carry
    forget = sigmoid(x * w[0] + w[4])
    take = sigmoid(h * w[1] + w[5])
    give = sigmoid(x * w[2] + w[6])
    change = tanh(h * w[3] + w[7])
    c = c * forget + take * change
    return give * tanh(c), c


def _chainrule_scan():
    import chainrule as cr
    from chainrule.nn import functional as F

    def loss(w, xs, targets):
        def step(carry, x):
            h, c = _cell(F.sigmoid, cr.tanh, w, carry, x)
            return (h, c), h

        _, out = cr.scan(step, (np.zeros(SMALL), np.zeros(SMALL)), xs)
        return ((out - targets) ** 2).mean()

    numbers = _small_numbers()
    gradient, primal = cr.compile(cr.value_and_grad(loss)), cr.compile(loss)
    return Program(lambda: gradient(*numbers), also={"primal": lambda: primal(*numbers)})


def _torch_scan():
    import torch

    w, xs, targets = map(torch.from_numpy, _small_numbers())
    w.requires_grad_()

    def call():
        h = c = torch.zeros(SMALL, dtype=torch.float64)
        out = []
        for x in xs:
            h, c = _cell(torch.sigmoid, torch.tanh, w, (h, c), x)
            out.append(h)
        value = ((torch.stack(out) - targets) ** 2).mean()
        return value, *torch.autograd.grad(value, w)

    return Program(call)


def _jax_scan():
    import jax
    import jax.numpy as jnp

    def loss(w, xs, targets):
        def step(carry, x):
            h, c = _cell(jax.nn.sigmoid, jnp.tanh, w, carry, x)
            return (h, c), h

        _, out = jax.lax.scan(step, (jnp.zeros(SMALL), jnp.zeros(SMALL)), xs)
        return ((out - targets) ** 2).mean()

    return jax_program(jax.jit(jax.value_and_grad(loss)), *_small_numbers())


WORKLOADS = (
    Workload(
        name="lstm",
        title=f"LSTM, {STEPS} steps, batch {BATCH}, {WIDTH} wide, forward and backward",
        contenders={
            CHAINRULE: _chainrule_lstm,
            TORCH: _torch_lstm,
            TORCH_LOOP: _torch_cells,
            TORCH_COMPILE: partial(_torch_lstm, compiled=True),
            JAX: _jax_lstm,
        },
        bars={TORCH: 1.35, TORCH_LOOP: 2.2, TORCH_COMPILE: 1, JAX: 1.5},
        rtol=5e-4,
        memory=True,
    ),
)
SMALL_WORKLOADS = (
    Workload(
        name="scan",
        title=f"recurrent cell, element-wise weights, {LONG:,} steps, float64, gradient",
        contenders={CHAINRULE: _chainrule_scan, TORCH: _torch_scan, JAX: _jax_scan},
        absent={TORCH_COMPILE: "not tried: it unrolls loops"},
        bars={TORCH: 50, JAX: 1.2},
        rtol=1e-9,
        float64=True,
    ),
)
