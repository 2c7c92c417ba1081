"""PyTorch's functions that draw random numbers, where NumPy has none of the same name."""

import numpy as np

from .. import random
from ..core.dispatch import state
from ..core.value import dtype_of, ndim_of, shape_of
from ..errors import ArgumentError, explain
from ..ops import elementwise, reduction, shaping, sorting

__all__ = ["multinomial", "poisson", "randint_like"]


def _weights(x):
    return shaping.cast(x.detach() if hasattr(x, "detach") else state.root.constant(np.asarray(x)), np.float64)


def multinomial(x, num_samples, replacement=False, *, generator=None):
    """Numbers of categories, drawn with probabilities in proportion to the last axis of `x`.

    Parameters
    ----------
    x : array (n,) or (m, n), of weights that are not negative
    num_samples : of each row
    replacement : whether a category may be drawn again

    Returns
    -------
    integers (num_samples,) or (m, num_samples)

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.multinomial(np.array([0.0, 1.0, 0.0]), 2, replacement=True)
    tensor([1, 1])
    """
    weights = _weights(x)
    shape = shape_of(weights)
    if ndim_of(weights) not in (1, 2) or (num_samples > shape[-1] and not replacement):
        raise ArgumentError(
            explain(
                "multinomial: needs weights (n,) or (m, n), and without replacement at most n draws",
                f"weights: {shape}    num_samples: {num_samples}    replacement: {replacement}",
                help="give replacement=True, or draw fewer",
            )
        )
    g = generator or random.default_generator
    # The largest of logarithms with Gumbel noise is a draw, and the largest few are draws without replacement.
    some = weights > 0
    logarithms = elementwise.where(some, elementwise.log(elementwise.where(some, weights, 1.0)), -np.inf)
    if replacement:
        noise = g.gumbel(size=(*shape[:-1], num_samples, shape[-1]))
        return reduction.argmax(logarithms[..., None, :] + noise, -1)
    return sorting.argsort(-(logarithms + g.gumbel(size=shape)), -1)[..., :num_samples]


def poisson(x, generator=None):
    """Counts of events whose mean numbers are `x`, in its shape and dtype.

    >>> import chainrule as cr
    >>> cr.poisson(cr.zeros(3))
    tensor([0., 0., 0.])
    """
    g = generator or random.default_generator
    return shaping.cast(g.poisson(_weights(x), shape_of(x)), dtype_of(x))


def randint_like(x, low, high=None, *, dtype=None):
    """Integers from `low` to one below `high`, or from 0 to one below `low`, in the shape and dtype of `x`.

    >>> import chainrule as cr
    >>> cr.randint_like(cr.zeros(2), 3, 4)
    tensor([3., 3.])
    """
    low, high = (0, low) if high is None else (low, high)
    drawn = random.default_generator.integers(low, high, shape_of(x))
    return shaping.cast(drawn, dtype_of(x) if dtype is None else np.dtype(dtype))
