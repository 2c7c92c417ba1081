"""LAMB."""

import numpy as np

from ..ops import maximum, power, sqrt, square, where
from .optimizer import Optimizer, moments, zeros
from .settings import constant, is_given


def _corrections(step, hyper):
    """The new step count, and the factors of both means that started from zero."""
    step = step + 1.0
    beta1, beta2 = hyper["betas"]
    return step, 1 / (1 - power(beta1, step)), 1 / sqrt(1 - power(beta2, step))


def _length(x):
    return sqrt(square(x).sum())


class LAMB(Optimizer):
    """LAMB (You et al., 2020, algorithm 2): Adam's direction, in steps that are in proportion to the size of each parameter.

    Made for very large batches.

    Parameters
    ----------
    params : iterable of parameters, or of groups; see `Optimizer`
    lr : learning rate, a number or a Tensor without axes
    betas : weights of the past in the mean of gradients and in the mean of squares
    eps : added to the root, so that it is not zero
    weight_decay : weight of the parameter in the direction
    maximize : climb instead of descend
    foreach, capturable, differentiable : see `Optimizer`

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> x = cr.tensor([1.0, -2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> optim.LAMB([x], lr=0.1).step()
    >>> x.detach().numpy().round(6)
    array([ 0.841886, -1.841886])
    """

    def __init__(
        self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.0, *, maximize=False, foreach=None,
        capturable=False, differentiable=False,
    ):  # fmt: skip
        super().__init__(params, locals())

    def init_one(self, param, hyper):
        return {"step": constant(0.0), **zeros(param, "exp_avg", "exp_avg_sq")}

    def step_one(self, param, grad, state, hyper):
        grad = -grad if hyper["maximize"] else grad
        step, first, second = hyper.once(_corrections, state["step"])
        m, v = moments(grad, state, hyper["betas"])
        direction = first * m / (second * sqrt(v) + hyper["eps"])
        if is_given(hyper["weight_decay"]):
            direction = direction + hyper["weight_decay"] * param
        size, length = _length(param), _length(direction)
        tiny = np.finfo(param.dtype).tiny
        trust = where((size > 0) & (length > 0), size / maximum(length, tiny), 1.0).astype(param.dtype)
        return param - hyper["lr"] * trust * direction, {"step": step, "exp_avg": m, "exp_avg_sq": v}
