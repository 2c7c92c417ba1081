"""Weights with a length of their own, of spectral norm 1, or orthogonal: what `register_parametrization` is mostly used for."""

import numpy as np

from ...core.value import dtype_of, ndim_of, shape_of
from ...errors import ArgumentError, explain
from ...ops import (
    concatenate,
    conjugate as conj,
    diagonal,
    matmul,
    matrix_transpose,
    moveaxis,
    real,
    reshape,
    sign,
    sqrt,
    square,
    sum,
    tril,
    triu,
    vdot,
)
from ...ops.linalg.matrix_functions import expm
from ...ops.linalg.systems import solve
from ...ops.linalg.triangular import solve_triangular
from ...ops.shaping import as_value
from ...tensor import Tensor
from ..entry import settled
from ..functional.distances import normalize
from ..module import Module
from .parametrize import register_parametrization


def lengths(v, dim):
    """Norms over all axes but `dim`, which are kept with length 1; over all for None."""
    axes = tuple(a for a in range(ndim_of(v)) if dim is None or a != dim % ndim_of(v))
    return sqrt(sum(square(v), axes, keepdims=dim is not None))


class _WeightNorm(Module):
    def __init__(self, dim=0):
        self.dim = None if dim in (None, -1) else dim

    def forward(self, g, v):
        return v * (g / lengths(v, self.dim))

    def right_inverse(self, value):
        return lengths(value, self.dim), value


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


MAPS = "matrix_exp", "cayley", "householder"


class _Orthogonal(Module):
    """Matrices with orthonormal columns (or rows, if those are fewer) from any matrix."""

    base: Tensor | None

    def __init__(self, weight, orthogonal_map, use_trivialization):
        self.orthogonal_map, self.use_trivialization = orthogonal_map, use_trivialization
        self.started = False
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, original):
        x = as_value(original)
        wide = shape_of(x)[-2] < shape_of(x)[-1]
        x = matrix_transpose(x) if wide else x
        q = self._reflected(x) if self.orthogonal_map == "householder" else self._rotated(x)
        if self.use_trivialization and self.base is not None:
            q = matmul(self.base.detach(), q)
        return matrix_transpose(q) if wide else q

    def _rotated(self, x):
        """The exponential of a skew matrix, or its rational approximation by Cayley."""
        n, k = shape_of(x)[-2:]
        x = tril(x)
        if n > k:
            x = concatenate([x, np.zeros((*shape_of(x)[:-1], n - k), dtype_of(x))], axis=-1)
        skew = x - conj(matrix_transpose(x))
        if self.orthogonal_map == "matrix_exp":
            q = expm(skew)
        else:
            eye = np.eye(n, dtype=dtype_of(x))
            q = solve(eye - skew / 2, eye + skew / 2)
        return q[..., :k]

    def _reflected(self, x):
        """The product of Householder reflections whose vectors stand below the diagonal, as one block: I - V T V^H (Schreiber
        and Van Loan, "A storage-efficient WY representation", 1989)."""
        n, k = shape_of(x)[-2:]
        v = tril(x, -1) + np.eye(n, k, dtype=dtype_of(x))
        gram = matmul(conj(matrix_transpose(v)), v)
        # Each reflection I - tau v v^H has tau = 2 / (v^H v), so that the inverse of T has half the diagonal of v^H v.
        inverse = triu(gram, 1) + 0.5 * gram * np.eye(k, dtype=dtype_of(x))
        q = np.eye(n, k, dtype=dtype_of(x)) - matmul(v, solve_triangular(inverse, conj(matrix_transpose(v[..., :k, :]))))
        signs = sign(real(diagonal(x, axis1=-2, axis2=-1))).detach()
        return q * signs[..., None, :]

    def right_inverse(self, value):
        value = np.asarray(value)
        wide = value.shape[-2] < value.shape[-1]
        q = value.swapaxes(-2, -1) if wide else value
        n, k = q.shape[-2:]
        if self.use_trivialization:
            rng = np.random.default_rng(0)  # completes a basis, of which only the first columns are used
            whole = q if n == k else np.concatenate([q, rng.normal(size=(*q.shape[:-1], n - k)).astype(q.dtype)], -1)
            self.base = _nearest_basis(whole)
            x = -np.broadcast_to(np.eye(n, k, dtype=q.dtype), q.shape)
        elif self.orthogonal_map == "householder":
            reflectors, tau = np.linalg.qr(q, mode="raw")
            x = reflectors.swapaxes(-2, -1).copy()
            # The diagonal, which holds R, is free: its signs are those of the columns; a tau of 0 is no reflection.
            signs = np.where(np.einsum("...ii->...i", x[..., :k, :]).real < 0, -1.0, 1.0) * np.where(tau == 0, -1, 1)
            np.einsum("...ii->...i", x[..., :k, :])[...] = signs
        elif not self.started:
            return value  # any matrix will do to start from
        else:
            raise ArgumentError(
                explain(
                    f"orthogonal: a weight cannot be assigned to with {self.orthogonal_map} and use_trivialization=False",
                    help="use use_trivialization=True, or orthogonal_map='householder'",
                )
            )
        return np.ascontiguousarray(x.swapaxes(-2, -1) if wide else x).astype(value.dtype)


def _nearest_basis(matrix):
    """The matrix itself where it is unitary, else the Q of its QR decomposition, with the signs of R's diagonal."""
    gram = matrix.swapaxes(-2, -1).conj() @ matrix
    if np.allclose(gram, np.eye(matrix.shape[-1]), atol=10 * matrix.shape[-1] * np.finfo(matrix.dtype).eps):
        return matrix.copy()
    q, r = np.linalg.qr(matrix)
    signs = np.sign(np.einsum("...ii->...i", r))
    return q * np.where(signs == 0, 1, signs)[..., None, :]


def orthogonal(module, name="weight", orthogonal_map=None, *, use_trivialization=True):
    """Keep a weight orthogonal (unitary, if it is complex): its columns, or its rows if these are fewer, are orthonormal.

    Parameters
    ----------
    module, name : the weight, (..., n, k)
    orthogonal_map : 'matrix_exp' (the exponential of a skew matrix), 'cayley' ((I - A/2)^-1 (I + A/2) of a skew A) or
        'householder' (a product of reflections); None for the first where the matrix is square or complex, else the last
    use_trivialization : whether what the map gives is multiplied by a constant basis, that of the weight as it was assigned, so
        that training starts at the identity (Lezcano-Casado, 2019)

    Raises
    ------
    ArgumentError
        The map is unknown, the weight is no matrix, or complex reflections are asked for.

    Examples
    --------
    >>> from chainrule import nn
    >>> layer = nn.utils.parametrizations.orthogonal(nn.Linear(4, 3, dtype=float))
    >>> w = layer.weight.detach().numpy()
    >>> bool(np.allclose(w @ w.T, np.eye(3)))
    True
    """
    weight = getattr(module, name)
    shape, kind = shape_of(weight), dtype_of(weight).kind
    if orthogonal_map is None:
        orthogonal_map = "matrix_exp" if len(shape) > 1 and (shape[-2] == shape[-1] or kind == "c") else "householder"
    if orthogonal_map not in MAPS or len(shape) < 2 or (orthogonal_map == "householder" and kind == "c"):
        raise ArgumentError(
            explain(
                f"orthogonal: orthogonal_map={orthogonal_map!r} for a weight {dtype_of(weight)} {shape}",
                help=f"the weight must be a matrix, or a stack of them; maps: {', '.join(MAPS)}, the last for real weights",
            )
        )
    layer = _Orthogonal(weight, orthogonal_map, use_trivialization)
    register_parametrization(module, name, layer)
    layer.started = True
    return module
