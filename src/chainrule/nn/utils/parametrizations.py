"""Weights with a length of their own, or of spectral norm 1: what `register_parametrization` is mostly used for."""

import numpy as np

from ...core.value import dtype_of, ndim_of, shape_of
from ...errors import ArgumentError, explain
from ...ops import matmul, moveaxis, reshape, sqrt, square, sum, vdot
from ...tensor import Tensor
from ..entry import settled
from ..functional.distances import normalize
from ..module import Module
from .parametrize import register_parametrization


def _lengths(v, dim):
    """Norms over all axes but `dim`, which are kept with length 1; over all for None."""
    axes = tuple(a for a in range(ndim_of(v)) if dim is None or a != dim % ndim_of(v))
    return sqrt(sum(square(v), axes, keepdims=dim is not None))


class _WeightNorm(Module):
    def __init__(self, dim=0):
        self.dim = None if dim in (None, -1) else dim

    def forward(self, g, v):
        return v * (g / _lengths(v, self.dim))

    def right_inverse(self, value):
        return _lengths(value, self.dim), value


def weight_norm(module, name="weight", dim=0):
    """Train length and direction of a weight apart (Salimans and Kingma, 2016).

    `weight = original0 * original1 / norm(original1)`, where the norm is over all axes but `dim`; None for one length in all.

    Examples
    --------
    >>> from chainrule import nn
    >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(2, 3))
    >>> {name: p.shape for name, p in layer.named_parameters()}
    {'bias': (3,), 'parametrizations.weight.original0': (3, 1), 'parametrizations.weight.original1': (3, 2)}
    """
    return register_parametrization(module, name, _WeightNorm(dim))


class _SpectralNorm(Module):
    """Division by the largest singular value, which steps of power iteration follow while the weight changes."""

    _u: Tensor
    _v: Tensor

    def __init__(self, weight, n_power_iterations=1, dim=0, eps=1e-12):
        if n_power_iterations < 1:
            raise ArgumentError(
                explain("spectral_norm: n_power_iterations must be positive", f"found: {n_power_iterations}", help="1 is usual")
            )
        self.n_power_iterations, self.dim, self.eps = n_power_iterations, dim % max(ndim_of(weight), 1), eps
        if ndim_of(weight) > 1:
            rows, columns = shape_of(self._matrix(weight))
            rng = np.random.default_rng(0)  # any start will do: the iterations below forget it
            for buffer, n in (("_u", rows), ("_v", columns)):
                self.register_buffer(buffer, rng.normal(size=n).astype(dtype_of(weight)))
            self._iterate(self._matrix(weight.detach()), 15)

    def _matrix(self, weight):
        return reshape(moveaxis(weight, self.dim, 0), (shape_of(weight)[self.dim], -1))

    def _unit(self, x):
        return normalize(x, dim=0, eps=self.eps)

    def _iterate(self, matrix, steps):
        u, v = self._u.detach(), self._v.detach()
        for _ in range(steps):
            u = self._unit(matmul(matrix, v))
            v = self._unit(matmul(u, matrix))
        self._u.data, self._v.data = u, v

    def forward(self, weight):
        if ndim_of(weight) == 1:
            return self._unit(weight)
        matrix = self._matrix(weight)
        if self.training:
            self._iterate(settled(matrix, shape_of(matrix), "spectral_norm"), self.n_power_iterations)
        return weight / vdot(self._u.detach(), matmul(matrix, self._v.detach()))

    def right_inverse(self, value):
        return value


def spectral_norm(module, name="weight", n_power_iterations=1, eps=1e-12, dim=None):
    """Divide a weight by its spectral norm, its largest singular value (Miyato et al., 2018).

    Singular vectors are buffers; while training, each use of the weight moves them by `n_power_iterations` steps of power
    iteration. Derivatives flow through the norm for the vectors as they are.

    Parameters
    ----------
    module, name : the weight; all axes but `dim` count as one
    n_power_iterations : steps for each use
    eps : smallest length to divide by
    dim : by default 0, and 1 for transposed convolutions, whose outputs are axis 1

    Examples
    --------
    >>> from chainrule import nn
    >>> layer = nn.utils.parametrizations.spectral_norm(nn.Linear(4, 3, dtype=float)).eval()
    >>> bool(abs(np.linalg.norm(layer.weight.detach().numpy(), 2) - 1) < 0.1)
    True
    """
    weight = getattr(module, name)
    dim = (1 if type(module).__name__.startswith("ConvTranspose") else 0) if dim is None else dim
    return register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, dim, eps))
