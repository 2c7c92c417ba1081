"""Adagrad."""

from ..ops import sqrt, square
from .optimizer import Optimizer, decayed
from .settings import constant


def _decayed(step, hyper):
    """The new step count and the learning rate for it."""
    return step + 1.0, hyper.rate / (1 + hyper["lr_decay"] * step)


class Adagrad(Optimizer):
    """Adagrad (Duchi et al., 2011): gradients divided by the root of the sum of all their squares.

    Parameters
    ----------
    params : iterable of parameters, or of groups; see `Optimizer`
    lr : learning rate, a number or a Tensor without axes
    lr_decay : by how much the divisor of the learning rate grows each step
    weight_decay : weight of the parameter in its own gradient
    initial_accumulator_value : where the sum of squares starts
    eps : added to the root, so that it is not zero
    maximize : climb instead of descend
    foreach, differentiable, fused : see `Optimizer`

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> x = cr.tensor([1.0, -2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> optim.Adagrad([x], lr=0.1).step()
    >>> x.detach().numpy().round(6)
    array([ 0.9, -1.9])
    """

    def __init__(
        self, params, lr=1e-2, lr_decay=0, weight_decay=0, initial_accumulator_value=0, eps=1e-10, foreach=None, *,
        maximize=False, differentiable=False, fused=None,
    ):  # fmt: skip
        super().__init__(params, locals())

    def init_one(self, param, hyper):
        return {"step": constant(0.0), "sum": param.new_zeros(param.shape) + float(hyper["initial_accumulator_value"])}

    def step_one(self, param, grad, state, hyper):
        step, rate = hyper.once(_decayed, state["step"])
        param, grad = decayed(param, grad, hyper)
        total = state["sum"] + square(grad)
        return param - rate * (grad / (sqrt(total) + hyper["eps"])), {"step": step, "sum": total}
