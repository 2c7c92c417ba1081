"""Gradients of a whole model at once: their norm, and clipping."""

import math

import numpy as np

from ...errors import ArgumentError, explain
from ...ops import absolute, clip, max, minimum, norm, ravel, stack
from ...ops.shaping import as_value, cast
from ...tensor import Tensor
from ...transforms.reverse import ROOT


def _gradients(parameters):
    """(parameter, gradient as a constant) of those that have one."""
    parameters = [parameters] if isinstance(parameters, Tensor) else parameters
    return [(p, p.grad.detach()) for p in parameters if p.grad is not None]


def get_total_norm(tensors, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The norm of all elements of several arrays together; arguments as for `clip_grad_norm_`."""
    total = _total([tensors] if isinstance(tensors, Tensor) else tensors, float(norm_type))
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise ArgumentError(
            explain(
                f"the norm of the gradients is {total.item()}",
                help="look for a division by zero or a logarithm of zero in the loss, or lower the learning rate",
            )
        )
    return total


def _total(tensors, norm_type):
    tensors = [as_value(t) for t in tensors]
    if not tensors:
        return ROOT.constant(np.zeros(()))
    if norm_type == math.inf:
        return max(stack([max(absolute(t)) for t in tensors]))
    norms = stack([norm(ravel(t), norm_type) for t in tensors])
    return norm(norms, norm_type)


def clip_grad_norm_(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """Scale all gradients by one factor so that their norm together is at most `max_norm`.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensors; those without gradient are skipped
    max_norm : float
    norm_type : order of the norm; may be inf
    error_if_nonfinite : raise if the norm is infinite or NaN
    foreach : chooses between implementations in PyTorch, and nothing here

    Returns
    -------
    Tensor, the norm before clipping

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> w = nn.Parameter(np.array([3.0, 4.0]))
    >>> (w * w).sum().backward()
    >>> nn.utils.clip_grad_norm_(w, 1.0)
    tensor(10.)
    >>> w.grad.numpy().round(3)
    array([0.6, 0.8])
    """
    found = _gradients(parameters)
    total = get_total_norm([g for _, g in found], norm_type, error_if_nonfinite)
    _scale(found, max_norm, total)
    return total


def clip_grads_with_norm_(parameters, max_norm, total_norm, foreach=None):
    """The second half of `clip_grad_norm_`: scale by `max_norm / total_norm`, if that is below 1.

    >>> from chainrule import nn
    >>> w = nn.Parameter(np.array([3.0, 4.0]))
    >>> (w * w).sum().backward()
    >>> nn.utils.clip_grads_with_norm_(w, 5.0, nn.utils.get_total_norm([w.grad]))
    >>> w.grad.numpy().round(3)
    array([3., 4.])
    """
    _scale(_gradients(parameters), max_norm, as_value(total_norm))


def _scale(found, max_norm, total):
    factor = minimum(max_norm / (total + 1e-6), 1)
    for p, g in found:
        p.grad.data = g * cast(factor, g.dtype)


def clip_grad_value_(parameters, clip_value, foreach=None):
    """Limit each element of the gradients to the interval from -clip_value to clip_value.

    >>> from chainrule import nn
    >>> w = nn.Parameter(np.array([3.0, 0.1]))
    >>> (w * w).sum().backward()
    >>> nn.utils.clip_grad_value_(w, 1.0)
    >>> w.grad
    tensor([1. , 0.2])
    """
    for p, g in _gradients(parameters):
        p.grad.data = clip(g, -float(clip_value), float(clip_value))
