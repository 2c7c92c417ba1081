"""Adam and AdamW."""

from ..ops import maximum, power, sqrt
from .optimizer import Optimizer, decayed, moments, zeros
from .settings import constant


def _corrections(step, hyper):
    """The new step count, the step size, and by how much eps grows for the average of squares that started from zero."""
    step = step + 1.0
    beta1, beta2 = hyper["betas"]
    scale = sqrt(1 - power(beta2, step))
    return step, hyper.rate * scale / (1 - power(beta1, step)), hyper["eps"] * scale


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015): steps along the mean of gradients, divided by the root of the mean of their squares.

    Parameters
    ----------
    params : iterable of parameters, or of groups; see `Optimizer`
    lr : learning rate, a number or a Tensor without axes
    betas : weights of the past in the mean of gradients and in the mean of squares
    eps : added to the root, so that it is not zero
    weight_decay : weight of the parameter in its own gradient (in AdamW, in the step)
    amsgrad : divide by the largest mean of squares so far
    maximize : climb instead of descend
    foreach, capturable, differentiable, fused : see `Optimizer`
    decoupled_weight_decay : as AdamW

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> x = cr.tensor([1.0, -2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> optim.Adam([x], lr=0.1).step()
    >>> x.detach().numpy().round(6)
    array([ 0.9, -1.9])
    """

    def __init__(
        self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, amsgrad=False, *, foreach=None, maximize=False,
        capturable=False, differentiable=False, fused=None, decoupled_weight_decay=False,
    ):  # fmt: skip
        super().__init__(params, locals())

    def init_one(self, param, hyper):
        names = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if hyper["amsgrad"] else ("exp_avg", "exp_avg_sq")
        return {"step": constant(0.0), **zeros(param, *names)}

    def step_one(self, param, grad, state, hyper):
        param, grad = decayed(param, grad, hyper)
        step, rate, eps = hyper.once(_corrections, state["step"])
        m, v = moments(grad, state, hyper["betas"])
        new = {"step": step, "exp_avg": m, "exp_avg_sq": v}
        if hyper["amsgrad"]:
            v = new["max_exp_avg_sq"] = maximum(state["max_exp_avg_sq"], v)
        # The corrections of both means are scalars, so they go into the step size and eps.
        return param - rate * (m / (sqrt(v) + eps)), new


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019): parameters shrink by `lr * weight_decay` each step.

    Parameters
    ----------
    params, lr, betas, eps, amsgrad, maximize, foreach, capturable, differentiable, fused : as for `Adam`
    weight_decay : default 0.01

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> x = cr.tensor([1.0, -2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> optim.AdamW([x], lr=0.1).step()
    >>> x.detach().numpy().round(6)
    array([ 0.899, -1.898])
    """

    def __init__(
        self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, amsgrad=False, *, maximize=False, foreach=None,
        capturable=False, differentiable=False, fused=None,
    ):  # fmt: skip
        Optimizer.__init__(self, params, {**locals(), "decoupled_weight_decay": True})
