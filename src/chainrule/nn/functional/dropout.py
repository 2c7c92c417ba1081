"""Dropout: elements or whole channels set to zero at random."""

import math

import numpy as np

from ...core.value import Value, dtype_of, ndim_of, shape_of
from ...errors import ArgumentError, ShapeError, explain
from ...ops import where
from ...ops.shaping import as_value
from ...random import default_generator

SELU_FLOOR = 1.7580993408473766  # minus the limit of SELU far below 0


def check_probability(p, what):
    """Raise unless `p` is a probability."""
    if not 0 <= p <= 1:
        raise ArgumentError(explain(f"{what}: p must be a probability", f"p: {p}", help="0 drops nothing, 1 drops everything"))


def _keep(x, shape, p):
    """A mask of this shape, True with probability `1 - p`; a plain array where `x` is one."""
    # Comparing the random bits themselves saves turning them into floating point numbers.
    keep = default_generator.bits(shape) < np.uint64(int((1 - p) * 2.0**64))
    # Plain arrays in, plain arrays out, also in a program that is being written down.
    return keep.value if keep.owner.level == 0 and not (isinstance(x, Value) and x.owner.level >= 0) else keep


def _finish(input, out, inplace):
    return input._rebind(out) if inplace and hasattr(input, "_rebind") else out


def _scaled(input, p, training, inplace, what, shape=None):
    """Elements dropped, of which those along axes that have length 1 in `shape` share their fate."""
    check_probability(p, what)
    x = as_value(input)
    if not training or p == 0:
        return x
    out = x * 0 if p == 1 else where(_keep(x, shape or shape_of(x), p), x, 0) * (1 / (1 - p))
    return _finish(input, out, inplace)


def dropout(input, p=0.5, training=True, inplace=False):
    """Set each element to zero with probability `p` and scale the others by `1 / (1 - p)`; nothing unless `training`.

    The mask is drawn from the default generator (`cr.manual_seed`). Under `vmap`, each entry has a mask of its own.

    Raises
    ------
    ArgumentError
        `p` is no probability.

    Examples
    --------
    >>> import chainrule as cr, chainrule.nn.functional as F
    >>> _ = cr.manual_seed(0)
    >>> set(F.dropout(np.ones(100), 0.75)) == {0.0, 4.0}
    True
    """
    return _scaled(input, p, training, inplace, "dropout")


def _channels(input, allowed, alone, what):
    """A shape with length 1 along the axes behind the channels; `alone` axes are those of an input without a batch."""
    shape = shape_of(as_value(input))
    if len(shape) not in allowed:
        axes = " or ".join(map(str, allowed))
        raise ShapeError(
            explain(
                f"{what}: the input needs {axes} axes",
                f"found: {dtype_of(input)} {shape}",
                help="(batch, channels, ...); dropout takes any shape",
            )
        )
    front = 1 if len(shape) == alone else 2
    return shape[:front] + (1,) * (len(shape) - front)


def dropout1d(input, p=0.5, training=True, inplace=False):
    """As `dropout`, of whole channels of (batch, channels, length) or (channels, length).

    >>> import chainrule as cr, chainrule.nn.functional as F
    >>> _ = cr.manual_seed(0)
    >>> set(F.dropout1d(np.ones((100, 4))).sum(1)) == {0.0, 8.0}
    True
    """
    shape = _channels(input, (2, 3), 2, "dropout1d")
    return _scaled(input, p, training, inplace, "dropout1d", shape)


def dropout2d(input, p=0.5, training=True, inplace=False):
    """As `dropout`, of whole channels of (batch, channels, height, width) or, as in PyTorch, (batch, channels, length)."""
    shape = _channels(input, (3, 4), None, "dropout2d")
    return _scaled(input, p, training, inplace, "dropout2d", shape)


def dropout3d(input, p=0.5, training=True, inplace=False):
    """As `dropout`, of whole channels of (batch, channels, depth, height, width), or without batch."""
    shape = _channels(input, (4, 5), 4, "dropout3d")
    return _scaled(input, p, training, inplace, "dropout3d", shape)


def _to_floor(input, p, training, inplace, what, shape=None):
    check_probability(p, what)
    x = as_value(input)
    if not training or p == 0:
        return x
    if p == 1:
        return _finish(input, x * 0, inplace)
    scale = 1 / math.sqrt((SELU_FLOOR**2 * p + 1) * (1 - p))
    dropped = where(_keep(x, shape or shape_of(x), p), x, -SELU_FLOOR)
    return _finish(input, dropped * scale + SELU_FLOOR * scale * p, inplace)


def alpha_dropout(input, p=0.5, training=False, inplace=False):
    """Dropout that keeps the mean 0 and variance 1 of `selu`: elements are set to its lower limit (Klambauer et al., 2017).

    >>> import chainrule as cr, chainrule.nn.functional as F
    >>> _ = cr.manual_seed(0)
    >>> x = F.alpha_dropout(np.random.default_rng(0).normal(size=10000), 0.3, training=True)
    >>> bool(abs(x.mean()) < 0.05 and abs(x.std() - 1) < 0.05)
    True
    """
    return _to_floor(input, p, training, inplace, "alpha_dropout")


def feature_alpha_dropout(input, p=0.5, training=False, inplace=False):
    """As `alpha_dropout`, of whole channels, axis 1."""
    if ndim_of(as_value(input)) < 2:
        _channels(input, ("at least 2",), None, "feature_alpha_dropout")
    shape = shape_of(as_value(input))
    return _to_floor(input, p, training, inplace, "feature_alpha_dropout", shape[:2] + (1,) * (len(shape) - 2))
