"""Where parameters and samples may lie, under PyTorch's names. `check` says so for each element, vector or matrix."""

from typing import Any

import numpy as np

from ..linalg import eigvalsh
from ..ops import absolute, concatenate, isfinite, stack as _stack, tril, where

__all__ = [
    "Constraint", "MixtureSameFamilyConstraint", "boolean", "cat", "corr_cholesky", "dependent", "dependent_property",
    "greater_than", "greater_than_eq", "half_open_interval", "independent", "integer_interval", "interval", "is_dependent",
    "less_than", "lower_cholesky", "lower_triangular", "multinomial", "nonnegative", "nonnegative_integer", "one_hot",
    "positive", "positive_definite", "positive_integer", "positive_semidefinite", "real", "real_vector", "simplex", "square",
    "stack", "symmetric", "unit_interval",
]  # fmt: skip


class Constraint:
    """A region. Its `event_dim` last axes make up one point, `is_discrete` says whether it is made of whole numbers.

    >>> import chainrule as cr
    >>> cr.distributions.constraints.positive.check(cr.tensor([1.0, -1.0]))
    tensor([ True, False])
    """

    is_discrete: Any = False
    event_dim: Any = 0
    rule: Any = "in the support"  # how errors call it

    def check(self, value):
        raise NotImplementedError

    def __repr__(self):
        return self.rule


class Dependent(Constraint):
    """A region that depends on other parameters, so that it is known for an object only."""

    def __init__(self, *, is_discrete=NotImplemented, event_dim=NotImplemented):
        self._is_discrete, self._event_dim = is_discrete, event_dim

    def _known(self, value, name):
        if value is NotImplemented:
            raise NotImplementedError(f"{name} of a dependent constraint is not known before its parameters are")
        return value

    @property
    def is_discrete(self):
        return self._known(self._is_discrete, "is_discrete")

    @property
    def event_dim(self):
        return self._known(self._event_dim, "event_dim")

    def __call__(self, *, is_discrete=NotImplemented, event_dim=NotImplemented):
        return Dependent(
            is_discrete=self._is_discrete if is_discrete is NotImplemented else is_discrete,
            event_dim=self._event_dim if event_dim is NotImplemented else event_dim,
        )

    def check(self, x):
        raise ValueError("a dependent constraint cannot be checked without its parameters")


class dependent_property(property, Dependent):
    """A property that gives a constraint; asked of a class, it is a dependent constraint itself."""

    def __init__(self, fn=None, *, is_discrete=NotImplemented, event_dim=NotImplemented):
        super().__init__(fn)
        self._is_discrete, self._event_dim = is_discrete, event_dim

    def __call__(self, fn):  # type: ignore[override]
        return dependent_property(fn, is_discrete=self._is_discrete, event_dim=self._event_dim)


def is_dependent(constraint):
    """Whether a constraint is known for an object only.

    >>> import chainrule as cr
    >>> cr.distributions.constraints.is_dependent(cr.distributions.Uniform.support)
    True
    """
    return isinstance(constraint, Dependent)


class independent(Constraint):
    """Points made of several of `base_constraint`, along `reinterpreted_batch_ndims` more axes."""

    def __init__(self, base_constraint, reinterpreted_batch_ndims):
        self.base_constraint, self.reinterpreted_batch_ndims = base_constraint, reinterpreted_batch_ndims
        self.rule = f"{base_constraint.rule}, in all elements"

    @property
    def is_discrete(self):
        return self.base_constraint.is_discrete

    @property
    def event_dim(self):
        return self.base_constraint.event_dim + self.reinterpreted_batch_ndims

    def check(self, value):
        inside, n = self.base_constraint.check(value), self.reinterpreted_batch_ndims
        if len(inside.shape) < n:
            raise ValueError(f"independent: {n} axes are one point, but the shape is {tuple(value.shape)}")
        return inside.all(tuple(range(-n, 0))) if n else inside


class MixtureSameFamilyConstraint(Constraint):
    """Where all components of a mixture, along the last axis of their batch, may lie."""

    def __init__(self, base_constraint):
        self.base_constraint, self.rule = base_constraint, base_constraint.rule

    @property
    def is_discrete(self):
        return self.base_constraint.is_discrete

    @property
    def event_dim(self):
        return self.base_constraint.event_dim

    def check(self, value):
        at = len(value.shape) - self.event_dim
        return self.base_constraint.check(value[(slice(None),) * at + (None,)]).all(-1)


# --- numbers ----------------------------------------------------------------------------------------------------------


class _Where(Constraint):
    """Numbers for which a condition holds."""

    def __init__(self, rule, check, is_discrete=False):
        self.rule, self.check, self.is_discrete = rule, check, is_discrete  # type: ignore[method-assign]


class Real(_Where):
    pass


class greater_than(Constraint):
    def __init__(self, lower_bound):
        self.lower_bound = lower_bound

    rule = property(lambda self: f"greater than {_shown(self.lower_bound)}")

    def check(self, value):
        return self.lower_bound < value


class greater_than_eq(greater_than):
    rule = property(lambda self: f"at least {_shown(self.lower_bound)}")

    def check(self, value):
        return self.lower_bound <= value


class less_than(Constraint):
    def __init__(self, upper_bound):
        self.upper_bound = upper_bound

    rule = property(lambda self: f"less than {_shown(self.upper_bound)}")

    def check(self, value):
        return value < self.upper_bound


class interval(Constraint):
    def __init__(self, lower_bound, upper_bound):
        self.lower_bound, self.upper_bound = lower_bound, upper_bound

    rule = property(lambda self: f"between {_shown(self.lower_bound)} and {_shown(self.upper_bound)}")

    def check(self, value):
        return (self.lower_bound <= value) & (value <= self.upper_bound)


class half_open_interval(interval):
    rule = property(lambda self: f"at least {_shown(self.lower_bound)} and less than {_shown(self.upper_bound)}")

    def check(self, value):
        return (self.lower_bound <= value) & (value < self.upper_bound)


class integer_interval(interval):
    is_discrete = True
    rule = property(lambda self: f"a whole number from {_shown(self.lower_bound)} to {_shown(self.upper_bound)}")

    def check(self, value):
        return (value % 1 == 0) & super().check(value)


class integer_greater_than(greater_than):
    is_discrete = True
    rule = property(lambda self: f"a whole number, at least {_shown(self.lower_bound)}")

    def check(self, value):
        return (value % 1 == 0) & (self.lower_bound <= value)


def _shown(bound):
    return f"{bound:g}" if isinstance(bound, (int, float)) else f"{bound}"


# --- vectors and matrices ---------------------------------------------------------------------------------------------


class Simplex(Constraint):
    event_dim = 1
    rule = "probabilities that add up to 1 along the last axis"

    def check(self, value):
        return (value >= 0).all(-1) & (absolute(value.sum(-1) - 1) < 1e-6)


class OneHot(Constraint):
    event_dim = 1
    is_discrete = True
    rule = "vectors with a single 1 and else 0"

    def check(self, value):
        return ((value == 0) | (value == 1)).all(-1) & (value.sum(-1) == 1)


class multinomial(Constraint):
    """Counts that add up to `upper_bound`."""

    is_discrete = True
    event_dim = 1
    rule = property(lambda self: f"whole numbers that add up to {_shown(self.upper_bound)}")

    def __init__(self, upper_bound):
        self.upper_bound = upper_bound

    def check(self, value):
        return ((value >= 0) & (value % 1 == 0)).all(-1) & (value.sum(-1) <= self.upper_bound)


class _Matrix(Constraint):
    event_dim = 2

    def __init__(self, rule, check):
        self.rule, self.check = rule, check  # type: ignore[method-assign]


class LowerTriangular(_Matrix):
    pass


class LowerCholesky(_Matrix):
    pass


class CorrCholesky(_Matrix):
    pass


class Square(_Matrix):
    pass


class Symmetric(_Matrix):
    pass


class PositiveSemidefinite(_Matrix):
    pass


class PositiveDefinite(_Matrix):
    pass


def _is_lower(value):
    return (tril(value) == value).all((-2, -1))


def _is_cholesky(value):
    return _is_lower(value) & (value.diagonal(0, -2, -1) > 0).all(-1)


def _is_correlation(value):
    tolerance = float(np.finfo(value.dtype).eps) * value.shape[-1] * 10
    return _is_cholesky(value) & (absolute((value * value).sum(-1) - 1) < tolerance).all(-1)


def _is_square(value):
    return np.full(value.shape[:-2], value.shape[-2] == value.shape[-1])


def _is_symmetric(value):
    if value.shape[-2] != value.shape[-1]:
        return _is_square(value)
    return (absolute(value - value.mT) <= 1e-6 + 1e-6 * absolute(value)).all((-2, -1))


def _spectrum(check):
    def of(value):
        good = _is_symmetric(value)
        if value.shape[-2] != value.shape[-1]:
            return good
        finite = isfinite(value).all((-2, -1), keepdims=True)  # where it is not, LAPACK would raise
        return good & check(eigvalsh(where(finite, value, np.eye(value.shape[-1]))), value)

    return of


# --- several ----------------------------------------------------------------------------------------------------------


class cat(Constraint):
    """Parts along an axis `dim`, of `lengths`, with a constraint each."""

    def __init__(self, cseq, dim=0, lengths=None):
        self.cseq, self.dim = list(cseq), dim
        self.lengths = [1] * len(self.cseq) if lengths is None else list(lengths)
        self.rule = " | ".join(c.rule for c in self.cseq)

    is_discrete = property(lambda self: any(c.is_discrete for c in self.cseq))
    event_dim = property(lambda self: max(c.event_dim for c in self.cseq))

    def check(self, value):
        at = self.dim % len(value.shape)
        parts, start = [], 0
        for constraint, n in zip(self.cseq, self.lengths, strict=True):
            parts.append(constraint.check(value[(slice(None),) * at + (slice(start, start + n),)]))
            start += n
        return concatenate(parts, self.dim)


class stack(Constraint):
    """Entries along an axis `dim`, with a constraint each."""

    def __init__(self, cseq, dim=0):
        self.cseq, self.dim = list(cseq), dim
        self.rule = " | ".join(c.rule for c in self.cseq)

    is_discrete = property(lambda self: any(c.is_discrete for c in self.cseq))

    @property
    def event_dim(self):
        inner = max(c.event_dim for c in self.cseq)
        return inner + 1 if self.dim + inner < 0 else inner

    def check(self, value):
        at = self.dim % len(value.shape)
        return _stack([c.check(value[(slice(None),) * at + (i,)]) for i, c in enumerate(self.cseq)], self.dim)


dependent = Dependent()
real = Real("a number, not NaN", lambda value: value == value)
boolean = _Where("0 or 1", lambda value: (value == 0) | (value == 1), is_discrete=True)
positive = greater_than(0.0)
nonnegative = greater_than_eq(0.0)
unit_interval = interval(0.0, 1.0)
nonnegative_integer = integer_greater_than(0)
positive_integer = integer_greater_than(1)
real_vector = independent(real, 1)
simplex = Simplex()
one_hot = OneHot()
lower_triangular = LowerTriangular("a lower triangular matrix", _is_lower)
lower_cholesky = LowerCholesky("a lower triangular matrix with a positive diagonal", _is_cholesky)
corr_cholesky = CorrCholesky("the Cholesky factor of a correlation matrix", _is_correlation)
square = Square("a square matrix", _is_square)
symmetric = Symmetric("a symmetric matrix", _is_symmetric)
positive_definite = PositiveDefinite("a positive definite matrix", _spectrum(lambda e, x: (e > 0).all(-1)))
positive_semidefinite = PositiveSemidefinite(
    "a positive semidefinite matrix",
    _spectrum(lambda e, x: (e >= -float(np.finfo(x.dtype).eps) * x.shape[-1] * absolute(e).max(-1, keepdims=True)).all(-1)),
)
