"""Adamax."""

from ..ops import absolute, maximum, power
from .optimizer import Optimizer, decayed, mean, zeros
from .settings import constant


def _corrected(step, hyper):
    """The new step count, and the rate for a mean that started from zero."""
    step = step + 1.0
    return step, hyper.rate / (1 - power(hyper["betas"][0], step))


class Adamax(Optimizer):
    """Adamax (Kingma and Ba, 2015, section 7.1): Adam with the largest gradient, which fades, in place of the mean of squares.

    Parameters
    ----------
    params : iterable of parameters, or of groups; see `Optimizer`
    lr : learning rate, a number or a Tensor without axes
    betas : weights of the past in the mean of gradients and in the largest one
    eps : added to the size of each gradient, so that it is not zero
    weight_decay : weight of the parameter in its own gradient
    maximize : climb instead of descend
    foreach, capturable, differentiable : see `Optimizer`

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> x = cr.tensor([1.0, -2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> optim.Adamax([x], lr=0.1).step()
    >>> x.detach().numpy().round(6)
    array([ 0.9, -1.9])
    """

    def __init__(
        self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, foreach=None, *, maximize=False,
        differentiable=False, capturable=False,
    ):  # fmt: skip
        super().__init__(params, locals())

    def init_one(self, param, hyper):
        return {"step": constant(0.0), **zeros(param, "exp_avg", "exp_inf")}

    def step_one(self, param, grad, state, hyper):
        param, grad = decayed(param, grad, hyper)
        step, rate = hyper.once(_corrected, state["step"])
        beta1, beta2 = hyper["betas"]
        m = mean(state["exp_avg"], grad, beta1)
        largest = maximum(beta2 * state["exp_inf"], absolute(grad) + hyper["eps"])
        return param - rate * (m / largest), {"step": step, "exp_avg": m, "exp_inf": largest}
