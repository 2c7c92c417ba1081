"""Logarithms of sums of exponentials: of two numbers, and in scipy.special's words with weights, with the sign apart."""

import math

import numpy as np

from ..core.value import dtype_of, shape_of
from ..names import torch_names
from . import reduction
from .activation import sigmoid
from .comparison import isfinite
from .elementwise import absolute, exp, log, minimum, real, sign, where
from .families import elementwise
from .shaping import as_value, broadcast_to, squeeze
from .special import together


def _excess(x, y):
    """x - y, and 0 for equal infinities."""
    d = x - y
    return where((d != d) & (x == y), 0, d)


@elementwise(np.logaddexp, lambda x, y: sigmoid(_excess(x, y)), lambda x, y: sigmoid(_excess(y, x)))
def logaddexp(x, y):
    """`log(exp(x) + exp(y))` without overflow.

    >>> import chainrule as cr
    >>> cr.logaddexp(1000.0, 1000.0)
    np.float64(1000.6931471805599)
    """


@elementwise(
    np.logaddexp2,
    lambda x, y: sigmoid(math.log(2) * _excess(x, y)),
    lambda x, y: sigmoid(math.log(2) * _excess(y, x)),
    scalar=lambda s, x, y: s.multiply(s.logaddexp(s.multiply(x, math.log(2)), s.multiply(y, math.log(2))), 1 / math.log(2)),
)
def logaddexp2(x, y):
    """`log2(2**x + 2**y)` without overflow.

    >>> import chainrule as cr
    >>> cr.logaddexp2(2000.0, 2000.0)
    np.float64(2001.0)
    """


@torch_names
def logsumexp(a, axis=None, b=None, keepdims=False, return_sign=False):
    """`log(sum(b exp(a)))` over `axis`, without overflow.

    Parameters
    ----------
    a : array
    axis : None, int or tuple of ints
    b : weights of a shape that broadcasts with that of `a`, of any sign
    keepdims : keep the summed axes as length 1
    return_sign : give the pair of the logarithm of the absolute value of the sum, and of its sign

    Returns
    -------
    array, or with `return_sign` a pair of them. Without it, the logarithm of a negative real sum is NaN.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.special.logsumexp([1000.0, 1000.0], b=[1.0, 2.0])
    np.float64(1001.0986122886682)
    >>> cr.special.logsumexp([0.0, 0.0], b=[1.0, -3.0], return_sign=True)
    (np.float64(0.6931471805599453), np.float64(-1.0))
    """
    a = as_value(a)
    if b is None and not return_sign:
        return reduction.logsumexp(a, axis, keepdims=keepdims)
    a, b = together(a, 1.0 if b is None else b)
    a = 1.0 * a + 0.0 * where(isfinite(b), b, 0)  # of the common shape and dtype
    size = real(a)
    counts = (b != 0) & (size > -math.inf)
    top = reduction.max(where(counts, size, -math.inf), axis, keepdims=True)
    top = where(isfinite(top), top, 0.0)
    distance = a - top
    unused = broadcast_to(b == 0, shape_of(a))
    if dtype_of(a).kind != "c":  # a huge number that does not count must not overflow
        distance = where(unused, minimum(where(distance == distance, distance, 0), 700.0), distance)
    total = reduction.sum(b * exp(distance), axis, keepdims=True)
    top, total = (x if keepdims else squeeze(x, _axes(axis, len(shape_of(a)))) for x in (top, total))
    if return_sign:
        return log(absolute(total)) + top, sign(total)
    return log(total) + top


def _axes(axis, ndim):
    return tuple(range(ndim)) if axis is None else axis


@torch_names
def softmax(x, axis=None):
    """`exp(x) / sum(exp(x))` over `axis`, by default over all elements (`cr.softmax` takes the last axis).

    >>> import chainrule as cr
    >>> cr.special.softmax([[0.0, 0.0], [0.0, 0.0]])
    array([[0.25, 0.25],
           [0.25, 0.25]])
    """
    return exp(log_softmax(x, axis))


@torch_names
def log_softmax(x, axis=None):
    """Logarithm of `softmax` over `axis`, by default over all elements; accurate also where that underflows.

    >>> import chainrule as cr
    >>> cr.special.log_softmax([0.0, 1000.0])
    array([-1000.,     0.])
    """
    x = as_value(x)
    return reduction.log_softmax(x, _axes(axis, len(shape_of(x))))
