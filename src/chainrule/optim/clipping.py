"""Adaptive gradient clipping. Clipping by norm or by value is in `nn.utils`, as in PyTorch."""

import numpy as np

from ..errors import ArgumentError, explain
from ..ops import maximum, minimum, sqrt, square
from ..tensor import Tensor


def _unit_norms(x):
    """The norm of the weights of each unit: all axes but the first count together; vectors are one unit."""
    axes = tuple(range(1, x.ndim)) if x.ndim > 1 else None
    real = square(x.real) + square(x.imag) if x.dtype.kind == "c" else square(x)
    return sqrt(real.sum(axis=axes, keepdims=True))


def clip_grad_adaptive_(parameters, clip_factor=0.01, eps=1e-3):
    """Scale the gradient of each unit so that its norm is at most a part of the norm of the unit's weights.

    Adaptive gradient clipping (Brock et al., 2021, section 4). A unit is a row of a weight: all axes but the first.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensors; those without gradient are skipped. Leave out the last layer.
    clip_factor : the part
    eps : least norm of the weights, so that weights that start from zero can grow

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> w = cr.tensor([[3.0, 4.0], [0.0, 0.1]], requires_grad=True)
    >>> w.grad = np.array([[30.0, 40.0], [0.0, 0.01]])
    >>> optim.clip_grad_adaptive_(w, 0.5)
    >>> w.grad.numpy().round(6)
    array([[1.5 , 2.  ],
           [0.  , 0.01]])
    """
    if clip_factor <= 0 or eps < 0:
        raise ArgumentError(
            explain(
                "clip_grad_adaptive_: clip_factor must be positive and eps not negative",
                f"found: {clip_factor}, {eps}",
                help="the usual values are 0.01 and 1e-3",
            )
        )
    for p in [parameters] if isinstance(parameters, Tensor) else parameters:
        if p.grad is None:
            continue
        g = p.grad.detach()
        most = clip_factor * maximum(_unit_norms(p.detach()), eps)
        factor = minimum(most / maximum(_unit_norms(g), np.finfo(g.dtype).tiny), 1.0)
        p.grad.data = (g * factor).astype(g.dtype)
