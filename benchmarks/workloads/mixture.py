"""Log-likelihood of a Gaussian mixture with a Wishart prior, and its gradient: ADBench's GMM, in float64."""

import math
from functools import partial

import numpy as np

from .common import CHAINRULE, JAX, TORCH, TORCH_COMPILE, Program, Workload, jax_program, random

D, K, N, GAMMA, M = 10, 25, 1000, 1.0, 0
# Where the entries below the diagonal stand, column by column.
COLUMNS, ROWS = np.triu_indices(D, 1)
DIAGONAL = np.arange(D)


def _wishart_constant():
    n = D + M + 1
    log_gamma = D * (D - 1) / 4 * math.log(math.pi) + sum(math.lgamma((n + 1 - j) / 2) for j in range(1, D + 1))
    return K * (n * D * (math.log(GAMMA) - 0.5 * math.log(2)) - log_gamma)


CONSTANT = -N * D * 0.5 * math.log(2 * math.pi) - _wishart_constant()


def _numbers():
    """alphas, means, inverse covariance factors (logarithms of the diagonal, then the rest), points."""
    return (
        random("alphas", K, dtype=np.float64),
        random("means", K, D, dtype=np.float64),
        0.3 * random("icf", K, D + D * (D - 1) // 2, dtype=np.float64),
        random("points", N, D, dtype=np.float64),
    )


def _likelihood(exp, logsumexp, lower, alphas, means, icf, points):
    diagonal = exp(icf[:, :D])
    sums = icf[:, :D].sum(1)
    factors = lower(diagonal, icf[:, D:])
    y = (points[None] - means[:, None]) @ factors.swapaxes(1, 2)
    inner = (alphas + sums)[:, None] - 0.5 * (y * y).sum(2)
    prior = 0.5 * GAMMA**2 * ((diagonal**2).sum() + (icf[:, D:] ** 2).sum()) - M * sums.sum()
    return CONSTANT + logsumexp(inner, 0).sum() - N * logsumexp(alphas, 0) + prior


def _chainrule():
    import chainrule as cr

    def lower(diagonal, below):
        factors = cr.zeros((K, D, D))
        factors[:, ROWS, COLUMNS] = below
        factors[:, DIAGONAL, DIAGONAL] = diagonal
        return factors

    def likelihood(*args):
        return _likelihood(cr.exp, cr.logsumexp, lower, *args)

    numbers = _numbers()
    gradient, primal = cr.compile(cr.value_and_grad(likelihood, argnums=(0, 1, 2))), cr.compile(likelihood)
    return Program(lambda: gradient(*numbers), also={"primal": lambda: primal(*numbers)})


def _torch(compiled=False):
    import torch

    rows, columns, components = torch.tensor(ROWS), torch.tensor(COLUMNS), torch.arange(K)[:, None]
    *params, points = map(torch.from_numpy, _numbers())
    for p in params:
        p.requires_grad_()

    def lower(diagonal, below):
        zeros = torch.zeros(K, D, D, dtype=torch.float64)
        return zeros.index_put((components, rows[None], columns[None]), below) + torch.diag_embed(diagonal)

    def likelihood(*params):
        return _likelihood(torch.exp, torch.logsumexp, lower, *params, points)

    if compiled:
        likelihood = torch.compile(likelihood)

    def call():
        value = likelihood(*params)
        return value, *torch.autograd.grad(value, params)

    return Program(call)


def _jax():
    import jax
    import jax.numpy as jnp

    def lower(diagonal, below):
        factors = jnp.zeros((K, D, D)).at[:, ROWS, COLUMNS].set(below)
        return factors.at[:, DIAGONAL, DIAGONAL].set(diagonal)

    def likelihood(*args):
        return _likelihood(jnp.exp, jax.scipy.special.logsumexp, lower, *args)

    return jax_program(jax.jit(jax.value_and_grad(likelihood, argnums=(0, 1, 2))), *_numbers())


WORKLOADS = (
    Workload(
        name="gmm",
        title=f"Gaussian mixture, float64, {D} dimensions, {K} components, {N:,} points, gradient",
        contenders={CHAINRULE: _chainrule, TORCH: _torch, TORCH_COMPILE: partial(_torch, compiled=True), JAX: _jax},
        bars={TORCH: 8, TORCH_COMPILE: 1, JAX: 2.5},
        rtol=1e-9,
        float64=True,
    ),
)
