"""Whole training steps: forward, backward and update, written as each library's users write them."""

from functools import partial

import numpy as np

from .common import CHAINRULE, JAX, TORCH, TORCH_COMPILE, Program, on_device, parameters, share_chainrule, share_torch, weights

# By the name of the workload's optimiser: class and options, the same in chainrule and PyTorch. Learning rates are such that
# three steps move the parameters by far more than contenders may differ. Adam's eps is larger than usual because it divides by
# the size of the gradient: where that is nothing but rounding (1e-8 here), contenders would go different ways.
OPTIMIZERS = {
    "SGD": ("SGD", {"lr": 1e-2}),
    "momentum": ("SGD", {"lr": 1e-2, "momentum": 0.9}),
    "Adam": ("Adam", {"lr": 1e-3, "eps": 1e-5}),
}


def contenders(network, data, optimizer, jax_losses, shapes, statistics=None):
    """All contenders of one training step.

    Parameters
    ----------
    network : function of a library's `nn` that gives the model
    data : function that gives images and labels
    optimizer : one of OPTIMIZERS
    jax_losses : by variant, functions (params, stats, x, y) -> (loss, new stats)
    shapes : of JAX's parameters, by PyTorch's names
    statistics : function that gives JAX's running statistics
    """
    return {
        CHAINRULE: partial(_chainrule, network, data, optimizer),
        TORCH: {
            "plain": partial(_torch, network, data, optimizer, {"foreach": False}),
            "foreach": partial(_torch, network, data, optimizer, {"foreach": True}),
            "fused": partial(_torch, network, data, optimizer, {"fused": True}),
        },
        TORCH_COMPILE: partial(_torch, network, data, optimizer, {"fused": True}, compiled=True),
        JAX: {variant: partial(_jax, loss, shapes, statistics, data, optimizer) for variant, loss in jax_losses.items()},
    }


def _chainrule(network, data, choice):
    import chainrule as cr
    from chainrule import nn, optim
    from chainrule.nn import functional as F

    x, y = data()
    model = share_chainrule(network(nn))
    name, options = OPTIMIZERS[choice]
    optimizer = getattr(optim, name)(model.parameters(), **options)

    @cr.compile
    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    @cr.compile
    def primal(x, y):
        with cr.no_grad():
            return F.cross_entropy(model(x), y)

    return Program(lambda: step(x, y), state=parameters(model), also={"primal": lambda: primal(x, y)})


def _torch(network, data, choice, extra, compiled=False):
    import torch
    from torch import nn
    from torch.nn import functional as F

    x, y = map(torch.from_numpy, data())
    model = share_torch(network(nn))
    name, options = OPTIMIZERS[choice]
    optimizer = getattr(torch.optim, name)(model.parameters(), **options, **extra)

    def loss_of(x, y):
        return F.cross_entropy(model(x), y)

    if compiled:
        loss_of = torch.compile(loss_of)

    def step():
        optimizer.zero_grad()
        loss = loss_of(x, y)
        loss.backward()
        optimizer.step()
        return loss

    return Program(step, state=parameters(model))


def _jax(loss_of, shapes, statistics, data, choice):
    import jax
    import jax.numpy as jnp

    start, update = {"SGD": jax_sgd, "Adam": jax_adam}[OPTIMIZERS[choice][0]](**OPTIMIZERS[choice][1])

    def step(params, stats, state, x, y):
        (loss, stats), grads = jax.value_and_grad(loss_of, has_aux=True)(params, stats, x, y)
        params, state = update(params, grads, state)
        return params, stats, state, loss

    step = jax.jit(step, donate_argnums=(0, 1, 2))
    x, y = on_device(data())
    params = on_device(weights(shapes))
    now = [params, on_device(statistics() if statistics else {}), jax.tree.map(jnp.array, start(params))]

    def call():
        *now[:], loss = step(*now, x, y)
        return loss

    return Program(call, state=lambda: {**now[0], **now[1]}, wait=lambda: jax.block_until_ready(now))


def jax_sgd(lr, momentum=0.0):
    """`start` and `update` of gradient descent, as optax would have them."""
    import jax

    def start(params):
        return jax.tree.map(np.zeros_like, params) if momentum else ()

    def update(params, grads, state):
        if momentum:
            grads = state = jax.tree.map(lambda g, s: momentum * s + g, grads, state)
        return jax.tree.map(lambda p, g: p - lr * g, params, grads), state

    return start, update


def jax_adam(lr, b1=0.9, b2=0.999, eps=1e-8):
    """`start` and `update` of Adam, as optax would have them."""
    import jax
    import jax.numpy as jnp

    def start(params):
        zeros = jax.tree.map(np.zeros_like, params)
        return np.float32(0), zeros, jax.tree.map(np.copy, zeros)

    def update(params, grads, state):
        count, m, v = state
        count = count + 1
        m = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, m, grads)
        v = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, v, grads)
        c1, c2 = 1 - b1**count, 1 - b2**count
        new = jax.tree.map(lambda p, m, v: p - lr * (m / c1) / (jnp.sqrt(v / c2) + eps), params, m, v)
        return new, (count, m, v)

    return start, update


def jax_cross_entropy(logits, y):
    import jax
    import jax.numpy as jnp

    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1)
    return -chosen.mean()
