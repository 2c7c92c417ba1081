"""What every distribution has: shapes, checks of parameters and values, and what follows from its own methods."""

import copy
import warnings

import numpy as np

from ..core.dispatch import state
from ..core.value import shape_of
from ..creation import asarray
from ..errors import ArgumentError, ShapeError, explain
from ..ops import broadcast_to, exp, sqrt
from ..ops.shaping import as_shape
from ..shapes import Size
from ..tensor import Tensor
from ..transforms.derivatives import vjp
from ..transforms.scope import no_grad
from . import constraints
from .utils import lazy_property, numbers


class Distribution:
    """A distribution of values of shape `event_shape`, one for each place of `batch_shape`.

    A subclass sets its parameters as Tensors whose leading axes are those of the batch, then calls this; it has `log_prob`, and
    `rsample`, where derivatives flow from samples to parameters, or `sample`.

    Parameters
    ----------
    batch_shape, event_shape : tuples of ints
    validate_args : whether parameters, and what methods are asked about, are checked; by default, unless Python runs with -O.
        Numbers are looked at where they are there: a compiled program checks those of its first run.
    """

    arg_constraints: dict = {}
    support: constraints.Constraint | None = None
    has_rsample = False
    has_enumerate_support = False
    _validate_args = __debug__
    _shared: tuple = ()  # names of Tensors without axes of the batch

    def __init__(self, batch_shape=(), event_shape=(), validate_args=None):
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_parameters()

    @staticmethod
    def set_default_validate_args(value):
        """Whether distributions made from now on check what they are given."""
        if value not in (True, False):
            raise ValueError(f"set_default_validate_args: True or False, found {value!r}")
        Distribution._validate_args = value

    def __repr__(self):
        own = [n for n in self.arg_constraints if n in vars(self)]
        shown = ", ".join(f"{n}: {v.shape if (v := getattr(self, n)).ndim else numbers(v)}" for n in own)
        return f"{type(self).__name__}({shown})"

    # --- shapes -------------------------------------------------------------------------------------------------------

    @property
    def batch_shape(self):
        return self._batch_shape

    @property
    def event_shape(self):
        return self._event_shape

    def _extended_shape(self, sample_shape=()):
        return Size((*as_shape(sample_shape), *self._batch_shape, *self._event_shape))

    def expand(self, batch_shape, _instance=None):
        """This distribution, with its parameters broadcast to another batch shape."""
        new, before = copy.copy(self) if _instance is None else _instance, len(self._batch_shape)
        batch_shape = as_shape(batch_shape)
        for name, value in vars(self).items():
            if isinstance(value, Tensor) and name not in self._shared:
                value = broadcast_to(value, (*batch_shape, *value.shape[before:]))
            elif isinstance(value, Distribution):
                value = value.expand((*batch_shape, *value.batch_shape[before:]))
            setattr(new, name, value)
        new._batch_shape = Size(batch_shape)
        return new

    # --- checks -------------------------------------------------------------------------------------------------------

    def _check_parameters(self):
        for name, constraint in self.arg_constraints.items():
            if constraints.is_dependent(constraint):
                continue
            if name not in vars(self) and isinstance(getattr(type(self), name, None), lazy_property):
                continue  # made of another parameter, which is checked
            self._check_one(name, constraint, getattr(self, name))

    def _check_one(self, name, constraint, value):
        if not _holds(constraint, value):
            raise ArgumentError(
                explain(
                    f"{type(self).__name__}: `{name}` must be {constraint.rule}",
                    f"{name}: {numbers(value)}",
                    help="check what the parameters stand for, or make it with validate_args=False",
                )
            )

    def _validate_sample(self, value):
        """Raise unless `value` has a fitting shape and lies in the support."""
        shape, own = shape_of(value), (*self._batch_shape, *self._event_shape)
        n = len(self._event_shape)
        try:
            if n and shape[-n:] != tuple(self._event_shape):
                raise ValueError
            np.broadcast_shapes(shape, own)
        except ValueError:
            raise ShapeError(
                explain(
                    f"{type(self).__name__}: a value does not fit the distribution",
                    f"value: {shape}    batch_shape: {tuple(self._batch_shape)}    event_shape: {tuple(self._event_shape)}",
                    help="its last axes must be those of an event, those before must broadcast with the batch",
                )
            ) from None
        try:
            support = self.support
        except NotImplementedError:
            warnings.warn(f"{type(self).__name__} does not define its support, so values are not checked", stacklevel=3)
            return
        if support is not None and not _holds(support, value):
            raise ArgumentError(
                explain(
                    f"{type(self).__name__}: a value must be {support.rule}",
                    f"value: {numbers(value)}",
                    help="such values have density 0; validate_args=False leaves out this check",
                )
            )

    @property
    def _dtype(self):
        """The dtype of the parameters."""
        return next((v.dtype for v in vars(self).values() if isinstance(v, Tensor)), np.dtype(float))

    def _at(self, value):
        """What a method is asked about, as a Tensor in floating point, checked."""
        if not isinstance(value, (Tensor, np.ndarray)) or value.dtype.kind != "f":
            value = asarray(value, self._dtype)
        value = asarray(value)
        if self._validate_args:
            self._validate_sample(value)
        return value

    # --- samples ------------------------------------------------------------------------------------------------------

    def sample(self, sample_shape=()):
        """Random values of shape (*sample_shape, *batch_shape, *event_shape), through which no derivative flows."""
        with no_grad():
            return self.rsample(sample_shape).detach()

    def rsample(self, sample_shape=()):
        """As `sample`, but derivatives flow to the parameters."""
        raise NotImplementedError(f"{type(self).__name__} has no rsample: its samples are no smooth function of its parameters")

    def sample_n(self, n):
        """`sample((n,))`."""
        return self.sample((n,))

    def enumerate_support(self, expand=True):
        """All values of a discrete distribution, along a new first axis."""
        raise NotImplementedError(f"{type(self).__name__} has no finite list of values")

    # --- what is known about it ---------------------------------------------------------------------------------------

    def log_prob(self, value):
        """The logarithm of the density, or of the probability, at `value`."""
        raise NotImplementedError(f"{type(self).__name__} has no log_prob")

    def cdf(self, value):
        """The probability of values up to `value`."""
        raise NotImplementedError(f"{type(self).__name__} has no cdf")

    def icdf(self, value):
        """The inverse of `cdf`."""
        raise NotImplementedError(f"{type(self).__name__} has no icdf")

    def entropy(self):
        """The mean of -log_prob."""
        raise NotImplementedError(f"{type(self).__name__} has no closed form of its entropy")

    def perplexity(self):
        """exp(entropy)."""
        return exp(self.entropy())

    @property
    def mean(self):
        raise NotImplementedError(f"{type(self).__name__} has no closed form of its mean")

    @property
    def mode(self):
        raise NotImplementedError(f"{type(self).__name__} has no closed form of its mode")

    @property
    def variance(self):
        raise NotImplementedError(f"{type(self).__name__} has no closed form of its variance")

    @property
    def stddev(self):
        return sqrt(self.variance)


def _holds(constraint, value):
    """Whether all of `value` lies in a region, as far as its numbers are known."""
    return bool(state.abstract) or bool(np.all(numbers(constraint.check(asarray(value).detach()))))


class ExponentialFamily(Distribution):
    """Densities exp(<t(x), natural parameters> - log_normalizer + carrier(x)).

    A subclass that has `_natural_params`, a tuple, the function `_log_normalizer` of them, and `_mean_carrier_measure`, the
    mean of the carrier, gets `entropy` and the divergence from others of its kind: means of t(x) are the normalizer's gradient.
    """

    @property
    def _natural_params(self):
        raise NotImplementedError

    def _log_normalizer(self, *natural_params):
        raise NotImplementedError

    @property
    def _mean_carrier_measure(self):
        raise NotImplementedError

    def _mean_statistics(self):
        """The value of the log-normalizer and the means of t(x)."""
        value, pull = vjp(self._log_normalizer, *self._natural_params)
        gradient = pull(np.ones(shape_of(value), value.dtype))
        return value, gradient if isinstance(gradient, tuple) else (gradient,)

    def entropy(self):
        value, means = self._mean_statistics()
        out = value - self._mean_carrier_measure
        for parameter, mean in zip(self._natural_params, means, strict=True):
            out = out - (parameter * mean).reshape((*self._batch_shape, -1)).sum(-1)
        return out
