"""Maps from one region to another with the logarithm of their Jacobian's determinant, under PyTorch's names."""

import math
import operator
from itertools import accumulate
from typing import Any

import numpy as np

from ..creation import asarray
from ..ops import absolute, arctanh, broadcast_to, clip, concatenate, cumprod, cumsum, exp, expm1, log, log1p, sign, stack, tanh
from ..ops.activation import sigmoid, softplus
from ..ops.elementary import log_expit
from ..ops.elementwise import where
from ..ops.linalg.factorizations import cholesky
from ..ops.log_sums import softmax
from . import constraints
from .utils import sum_rightmost, tril_matrix_to_vec, vec_to_tril_matrix

__all__ = [
    "AbsTransform", "AffineTransform", "CatTransform", "ComposeTransform", "CorrCholeskyTransform",
    "CumulativeDistributionTransform", "ExpTransform", "IndependentTransform", "LowerCholeskyTransform",
    "PositiveDefiniteTransform", "PowerTransform", "ReshapeTransform", "SigmoidTransform", "SoftmaxTransform",
    "SoftplusTransform", "StackTransform", "StickBreakingTransform", "TanhTransform", "Transform", "identity_transform",
]  # fmt: skip


class Transform:
    """A map of Tensors. A subclass gives `domain`, `codomain`, `_call(x)`, `_inverse(y)` and, if `bijective`,
    `log_abs_det_jacobian(x, y)`.

    Parameters
    ----------
    cache_size : 1 keeps the last pair (x, y), so that the inverse of y is x itself

    Examples
    --------
    >>> import chainrule as cr
    >>> t = cr.distributions.ExpTransform()
    >>> t.inv(t(cr.tensor(2.0)))
    tensor(2.)
    """

    bijective: Any = False
    domain: Any
    codomain: Any

    def __init__(self, cache_size=0):
        if cache_size not in (0, 1):
            raise ValueError(f"cache_size must be 0 or 1, found {cache_size}")
        self._cache_size, self._pair = cache_size, (None, None)

    @property
    def event_dim(self):
        """Axes of one point of the domain, if the codomain has as many."""
        if self.domain.event_dim != self.codomain.event_dim:
            raise ValueError(
                "event_dim: points of domain and codomain have different numbers of axes; ask for .domain.event_dim"
            )
        return self.domain.event_dim

    @property
    def inv(self):
        """The inverse map."""
        return Inverse(self)

    @property
    def sign(self):
        """1 where a map of numbers rises, -1 where it falls."""
        raise NotImplementedError(f"{type(self).__name__} has no sign")

    def with_cache(self, cache_size=1):
        """This transform with another `cache_size`."""
        if cache_size == self._cache_size:
            return self
        new = self.__class__.__new__(self.__class__)
        new.__dict__.update(self.__dict__)
        Transform.__init__(new, cache_size)
        return new

    def __call__(self, x):
        return self._through(self._call, x, 0)

    def _inv_call(self, y):
        return self._through(self._inverse, y, 1)

    def _through(self, function, given, side):
        if self._cache_size and given is self._pair[side]:
            return self._pair[1 - side]
        result = function(given)
        if self._cache_size:
            self._pair = (result, given) if side else (given, result)
        return result

    def __eq__(self, other):
        return type(self) is type(other) and _same(self._facts(), other._facts())

    def _facts(self):
        return {name: v for name, v in vars(self).items() if name not in ("_pair", "_cache_size")}

    __hash__ = object.__hash__

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in self._facts().items())})"

    def _call(self, x):
        raise NotImplementedError

    def _inverse(self, y):
        raise NotImplementedError(f"{type(self).__name__} has no inverse")

    def log_abs_det_jacobian(self, x, y):
        """log |det dy/dx| for y = self(x), of shape x.shape without the axes of an event."""
        raise NotImplementedError(f"{type(self).__name__} is not bijective")

    def forward_shape(self, shape):
        """The shape of the result for an argument of this shape."""
        return shape

    def inverse_shape(self, shape):
        return shape


def _same(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(_same, a, b))
    same = a is b or a == b
    return same if isinstance(same, bool) else bool(np.all(same))


class Inverse(Transform):
    """A transform taken backwards."""

    def __init__(self, transform):
        super().__init__(transform._cache_size)
        self._inv = transform

    domain = property(lambda self: self._inv.codomain)
    codomain = property(lambda self: self._inv.domain)
    bijective = property(lambda self: self._inv.bijective)
    sign = property(lambda self: self._inv.sign)
    inv = property(lambda self: self._inv)

    def with_cache(self, cache_size=1):
        return self._inv.with_cache(cache_size).inv

    def __call__(self, x):
        return self._inv._inv_call(x)

    def _inv_call(self, y):
        return self._inv(y)

    def log_abs_det_jacobian(self, x, y):
        return -self._inv.log_abs_det_jacobian(y, x)

    def forward_shape(self, shape):
        return self._inv.inverse_shape(shape)

    def inverse_shape(self, shape):
        return self._inv.forward_shape(shape)


# --- made of others ---------------------------------------------------------------------------------------------------


def _widened(constraint, event_dim):
    more = event_dim - constraint.event_dim
    return constraints.independent(constraint, more) if more else constraint


class ComposeTransform(Transform):
    """Several transforms, the first one first.

    >>> import chainrule as cr
    >>> t = cr.distributions.ComposeTransform([cr.distributions.AffineTransform(1.0, 2.0), cr.distributions.ExpTransform()])
    >>> t(cr.tensor(0.0)).log()
    tensor(1.)
    """

    def __init__(self, parts, cache_size=0):
        super().__init__(cache_size)
        self.parts = [p.with_cache(cache_size) for p in parts] if cache_size else list(parts)

    @property
    def domain(self):
        if not self.parts:
            return constraints.real
        n = self.parts[-1].codomain.event_dim
        for part in reversed(self.parts):
            n = max(n + part.domain.event_dim - part.codomain.event_dim, part.domain.event_dim)
        return _widened(self.parts[0].domain, n)

    @property
    def codomain(self):
        if not self.parts:
            return constraints.real
        n = self.parts[0].domain.event_dim
        for part in self.parts:
            n = max(n + part.codomain.event_dim - part.domain.event_dim, part.codomain.event_dim)
        return _widened(self.parts[-1].codomain, n)

    bijective = property(lambda self: all(p.bijective for p in self.parts))

    @property
    def sign(self):
        return math.prod(p.sign for p in self.parts)

    @property
    def inv(self):
        return _Reversed(self)

    def with_cache(self, cache_size=1):
        return self if cache_size == self._cache_size else ComposeTransform(self.parts, cache_size)

    def __call__(self, x):
        for part in self.parts:
            x = part(x)
        return x

    def _inv_call(self, y):
        for part in reversed(self.parts):
            y = part.inv(y)
        return y

    def log_abs_det_jacobian(self, x, y):
        if not self.parts:
            return asarray(x) * 0
        n, terms = self.domain.event_dim, []
        for i, part in enumerate(self.parts):
            z = y if i == len(self.parts) - 1 else part(x)
            terms.append(sum_rightmost(part.log_abs_det_jacobian(x, z), n - part.domain.event_dim))
            n += part.codomain.event_dim - part.domain.event_dim
            x = z
        return sum(terms[1:], terms[0])

    def forward_shape(self, shape):
        for part in self.parts:
            shape = part.forward_shape(shape)
        return shape

    def inverse_shape(self, shape):
        for part in reversed(self.parts):
            shape = part.inverse_shape(shape)
        return shape


class _Reversed(Inverse):
    """The inverse of a composition, which has parts too."""

    parts = property(lambda self: [p.inv for p in reversed(self._inv.parts)])


identity_transform = ComposeTransform([])


class IndependentTransform(Transform):
    """A transform whose last `reinterpreted_batch_ndims` axes of a batch become a part of the points."""

    def __init__(self, base_transform, reinterpreted_batch_ndims, cache_size=0):
        super().__init__(cache_size)
        self.base_transform, self.reinterpreted_batch_ndims = base_transform.with_cache(cache_size), reinterpreted_batch_ndims

    domain = property(lambda self: constraints.independent(self.base_transform.domain, self.reinterpreted_batch_ndims))
    codomain = property(lambda self: constraints.independent(self.base_transform.codomain, self.reinterpreted_batch_ndims))
    bijective = property(lambda self: self.base_transform.bijective)
    sign = property(lambda self: self.base_transform.sign)

    def _call(self, x):
        return self.base_transform(x)

    def _inverse(self, y):
        return self.base_transform.inv(y)

    def log_abs_det_jacobian(self, x, y):
        return sum_rightmost(self.base_transform.log_abs_det_jacobian(x, y), self.reinterpreted_batch_ndims)

    def forward_shape(self, shape):
        return self.base_transform.forward_shape(shape)

    def inverse_shape(self, shape):
        return self.base_transform.inverse_shape(shape)


class ReshapeTransform(Transform):
    """The last axes, of `in_shape`, become axes of `out_shape`."""

    bijective = True

    def __init__(self, in_shape, out_shape, cache_size=0):
        super().__init__(cache_size)
        self.in_shape, self.out_shape = tuple(in_shape), tuple(out_shape)
        if math.prod(self.in_shape) != math.prod(self.out_shape):
            raise ValueError(f"ReshapeTransform: {self.in_shape} and {self.out_shape} have different numbers of elements")

    domain = property(lambda self: constraints.independent(constraints.real, len(self.in_shape)))
    codomain = property(lambda self: constraints.independent(constraints.real, len(self.out_shape)))

    def _call(self, x):
        return x.reshape(self.forward_shape(x.shape))

    def _inverse(self, y):
        return y.reshape(self.inverse_shape(y.shape))

    def log_abs_det_jacobian(self, x, y):
        return asarray(np.zeros(x.shape[: x.ndim - len(self.in_shape)], x.dtype))

    def forward_shape(self, shape):
        return self._exchanged(shape, self.in_shape, self.out_shape)

    def inverse_shape(self, shape):
        return self._exchanged(shape, self.out_shape, self.in_shape)

    @staticmethod
    def _exchanged(shape, old, new):
        at = len(shape) - len(old)
        if at < 0 or tuple(shape[at:]) != old:
            raise ValueError(f"ReshapeTransform: a shape must end with {old}, found {tuple(shape)}")
        return (*shape[:at], *new)


class CatTransform(Transform):
    """Transforms of parts of an axis `dim`, of `lengths`."""

    def __init__(self, tseq, dim=0, lengths=None, cache_size=0):
        super().__init__(cache_size)
        self.transforms, self.dim = [t.with_cache(cache_size) for t in tseq], dim
        self.lengths = [1] * len(self.transforms) if lengths is None else list(lengths)

    bijective = property(lambda self: all(t.bijective for t in self.transforms))
    event_dim = property(lambda self: max(t.event_dim for t in self.transforms))
    length = property(lambda self: sum(self.lengths))
    domain = property(lambda self: constraints.cat([t.domain for t in self.transforms], self.dim, self.lengths))
    codomain = property(lambda self: constraints.cat([t.codomain for t in self.transforms], self.dim, self.lengths))

    def _parts(self, x):
        at = self.dim % x.ndim
        if x.shape[at] != self.length:
            raise ValueError(f"CatTransform: axis {self.dim} must have length {self.length}, found shape {tuple(x.shape)}")
        ends = list(accumulate(self.lengths))
        return [x[(slice(None),) * at + (slice(end - n, end),)] for end, n in zip(ends, self.lengths, strict=True)]

    def _call(self, x):
        return concatenate([t(p) for t, p in zip(self.transforms, self._parts(x), strict=True)], self.dim)

    def _inverse(self, y):
        return concatenate([t.inv(p) for t, p in zip(self.transforms, self._parts(y), strict=True)], self.dim)

    def log_abs_det_jacobian(self, x, y):
        terms = []
        for t, a, b in zip(self.transforms, self._parts(x), self._parts(y), strict=True):
            terms.append(sum_rightmost(t.log_abs_det_jacobian(a, b), self.event_dim - t.event_dim))
        at = self.dim % x.ndim - x.ndim + self.event_dim  # where the parts lie in front of the axes of an event
        return concatenate(terms, at) if at < 0 else sum(terms[1:], terms[0])


class StackTransform(Transform):
    """Transforms of the entries along an axis `dim`."""

    def __init__(self, tseq, dim=0, cache_size=0):
        super().__init__(cache_size)
        self.transforms, self.dim = [t.with_cache(cache_size) for t in tseq], dim

    bijective = property(lambda self: all(t.bijective for t in self.transforms))
    domain = property(lambda self: constraints.stack([t.domain for t in self.transforms], self.dim))
    codomain = property(lambda self: constraints.stack([t.codomain for t in self.transforms], self.dim))

    def _entries(self, x):
        at = self.dim % x.ndim
        if x.shape[at] != len(self.transforms):
            raise ValueError(f"StackTransform: {len(self.transforms)} transforms, but axis {self.dim} of {tuple(x.shape)}")
        return [x[(slice(None),) * at + (i,)] for i in range(x.shape[at])]

    def _each(self, function, *xs):
        return stack(
            [function(t, *parts) for t, *parts in zip(self.transforms, *map(self._entries, xs), strict=True)], self.dim
        )

    def _call(self, x):
        return self._each(lambda t, x: t(x), x)

    def _inverse(self, y):
        return self._each(lambda t, y: t.inv(y), y)

    def log_abs_det_jacobian(self, x, y):
        return self._each(lambda t, x, y: t.log_abs_det_jacobian(x, y), x, y)


# --- numbers ----------------------------------------------------------------------------------------------------------


class ExpTransform(Transform):
    """y = exp(x)."""

    domain, codomain, bijective, sign = constraints.real, constraints.positive, True, 1

    def _call(self, x):
        return exp(x)

    def _inverse(self, y):
        return log(y)

    def log_abs_det_jacobian(self, x, y):
        return x


class PowerTransform(Transform):
    """y = x**exponent, of positive numbers."""

    domain, codomain, bijective = constraints.positive, constraints.positive, True

    def __init__(self, exponent, cache_size=0):
        super().__init__(cache_size)
        self.exponent = exponent if isinstance(exponent, (int, float)) else asarray(exponent)

    @property
    def sign(self):
        return sign(self.exponent)

    def _call(self, x):
        return x**self.exponent

    def _inverse(self, y):
        return y ** (1 / self.exponent)

    def log_abs_det_jacobian(self, x, y):
        return log(absolute(self.exponent * y / x))

    def forward_shape(self, shape):
        return np.broadcast_shapes(shape, np.shape(self.exponent))

    inverse_shape = forward_shape


class SigmoidTransform(Transform):
    """y = 1 / (1 + exp(-x))."""

    domain, codomain, bijective, sign = constraints.real, constraints.unit_interval, True, 1

    def _call(self, x):
        fine = np.finfo(x.dtype)
        return clip(sigmoid(x), float(fine.tiny), 1 - float(fine.eps))

    def _inverse(self, y):
        fine = np.finfo(y.dtype)
        y = clip(y, float(fine.tiny), 1 - float(fine.eps))
        return log(y) - log1p(-y)

    def log_abs_det_jacobian(self, x, y):
        return -softplus(-x) - softplus(x)


class SoftplusTransform(Transform):
    """y = log(1 + exp(x))."""

    domain, codomain, bijective, sign = constraints.real, constraints.positive, True, 1

    def _call(self, x):
        return softplus(x)

    def _inverse(self, y):
        return y + log(-expm1(-y))

    def log_abs_det_jacobian(self, x, y):
        return log_expit(x)


class TanhTransform(Transform):
    """y = tanh(x)."""

    domain, codomain, bijective, sign = constraints.real, constraints.interval(-1.0, 1.0), True, 1

    def _call(self, x):
        return tanh(x)

    def _inverse(self, y):
        return arctanh(y)

    def log_abs_det_jacobian(self, x, y):
        return 2 * (math.log(2) - x - softplus(-2 * x))  # of 1 - tanh(x)**2, without its cancellation


class AbsTransform(Transform):
    """y = |x|, which is not bijective; its inverse takes the positive branch."""

    domain, codomain = constraints.real, constraints.positive

    def _call(self, x):
        return absolute(x)

    def _inverse(self, y):
        return y


class AffineTransform(Transform):
    """y = loc + scale * x, of points with `event_dim` axes."""

    bijective = True

    def __init__(self, loc, scale, event_dim=0, cache_size=0):
        super().__init__(cache_size)
        self.loc, self.scale, self._event_dim = loc, scale, event_dim

    event_dim = property(lambda self: self._event_dim)
    domain = codomain = property(lambda self: _widened(constraints.real, self._event_dim))

    @property
    def sign(self):
        return sign(self.scale) if np.ndim(self.scale) or not isinstance(self.scale, (int, float)) else (self.scale > 0) * 2 - 1

    def _call(self, x):
        return self.loc + self.scale * x

    def _inverse(self, y):
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x, y):
        x, scale = asarray(x), asarray(self.scale, None if hasattr(self.scale, "dtype") else x.dtype)
        return sum_rightmost(broadcast_to(log(absolute(scale)), np.broadcast_shapes(x.shape, scale.shape)), self._event_dim)

    def forward_shape(self, shape):
        return np.broadcast_shapes(shape, np.shape(self.loc), np.shape(self.scale))

    inverse_shape = forward_shape


class CumulativeDistributionTransform(Transform):
    """y = distribution.cdf(x)."""

    bijective, codomain, sign = True, constraints.unit_interval, 1

    def __init__(self, distribution, cache_size=0):
        super().__init__(cache_size)
        self.distribution = distribution

    domain = property(lambda self: self.distribution.support)

    def _call(self, x):
        return self.distribution.cdf(x)

    def _inverse(self, y):
        return self.distribution.icdf(y)

    def log_abs_det_jacobian(self, x, y):
        return self.distribution.log_prob(x)


# --- vectors and matrices ---------------------------------------------------------------------------------------------


class SoftmaxTransform(Transform):
    """Numbers to probabilities that add up to 1. Not bijective: a constant added to all does nothing."""

    domain, codomain = constraints.real_vector, constraints.simplex

    def _call(self, x):
        return softmax(x, -1)

    def _inverse(self, y):
        return log(y)


class StickBreakingTransform(Transform):
    """n numbers to n + 1 probabilities: each takes a share of what those before have left."""

    domain, codomain, bijective = constraints.real_vector, constraints.simplex, True

    @staticmethod
    def _offset(x):
        return np.log(np.arange(x.shape[-1], 0, -1)).astype(x.dtype)  # so that zeros give equal probabilities

    def _call(self, x):
        z = x - self._offset(x)
        share, rest = sigmoid(z), exp(cumsum(log_expit(-z), -1))
        before = concatenate([np.ones((*x.shape[:-1], 1), x.dtype), rest[..., :-1]], -1)
        return concatenate([share * before, rest[..., -1:]], -1)

    def _inverse(self, y):
        first = y[..., :-1]
        rest = cumsum(y[..., ::-1], -1)[..., ::-1][..., 1:]  # summed from the end, where nothing cancels
        return log(first) - log(rest) + self._offset(first)

    def log_abs_det_jacobian(self, x, y):
        z = x - self._offset(x)
        return (log(y[..., :-1]) + log_expit(-z)).sum(-1)

    def forward_shape(self, shape):
        return (*shape[:-1], shape[-1] + 1)

    def inverse_shape(self, shape):
        return (*shape[:-1], shape[-1] - 1)


class LowerCholeskyTransform(Transform):
    """The lower triangle of a matrix, with the exponential of its diagonal."""

    domain, codomain = constraints.independent(constraints.real, 2), constraints.lower_cholesky

    def _call(self, x):
        return x.tril(-1) + exp(x.diagonal(0, -2, -1))[..., None] * np.eye(x.shape[-1], dtype=x.dtype)

    def _inverse(self, y):
        return y.tril(-1) + log(y.diagonal(0, -2, -1))[..., None] * np.eye(y.shape[-1], dtype=y.dtype)


class PositiveDefiniteTransform(Transform):
    """L L^T for the L of `LowerCholeskyTransform`."""

    domain, codomain = constraints.independent(constraints.real, 2), constraints.positive_definite

    def _call(self, x):
        factor = LowerCholeskyTransform()(x)
        return factor @ factor.mT

    def _inverse(self, y):
        return LowerCholeskyTransform().inv(cholesky(y))


class CorrCholeskyTransform(Transform):
    """n (n - 1) / 2 numbers to the Cholesky factor of an n by n correlation matrix: tanh of them are partial correlations."""

    domain, codomain, bijective = constraints.real_vector, constraints.corr_cholesky, True

    def _call(self, x):
        eps = float(np.finfo(x.dtype).eps)
        r = vec_to_tril_matrix(clip(tanh(x), eps - 1, 1 - eps), -1)
        left = cumprod(1 - r * r, -1)  # squared length that is left for what follows in a row
        rest = concatenate([np.ones((*r.shape[:-1], 1), r.dtype), left[..., :-1]], -1)
        return (r + np.eye(r.shape[-1], dtype=r.dtype)) * rest**0.5

    def _inverse(self, y):
        left = self._left(y)
        inner = y.tril(-1) / left**0.5
        return arctanh(tril_matrix_to_vec(inner, -1))

    @staticmethod
    def _left(y):
        """The squared length of each row from each column on."""
        squares = y * y
        below = np.tri(y.shape[-1], dtype=bool)
        return where(below, cumsum(squares[..., ::-1], -1)[..., ::-1], 1)

    def log_abs_det_jacobian(self, x, y):
        rest = log(tril_matrix_to_vec(self._left(y), -1)).sum(-1) / 2
        slopes = 2 * (math.log(2) - x - softplus(-2 * x))
        return rest + slopes.sum(-1)

    def forward_shape(self, shape):
        n = round((1 + (1 + 8 * shape[-1]) ** 0.5) / 2)
        if n * (n - 1) // 2 != shape[-1]:
            raise ValueError(f"CorrCholeskyTransform: {shape[-1]} numbers do not fill a triangle without its diagonal")
        return (*shape[:-1], n, n)

    def inverse_shape(self, shape):
        if len(shape) < 2 or shape[-1] != shape[-2]:
            raise ValueError(f"CorrCholeskyTransform: the matrix must be square, found shape {tuple(shape)}")
        n = operator.index(shape[-1])
        return (*shape[:-2], n * (n - 1) // 2)
