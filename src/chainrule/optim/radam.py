"""RAdam."""

from ..ops import maximum, power, sqrt, where
from .optimizer import Optimizer, decayed, moments, zeros
from .settings import constant


def _rectified(step, hyper):
    """The new step count, the rate, and a, b such that the divisor of the mean is a * (root of the mean of squares) + b.

    While there are too few squares to judge by, the divisor is 1: a is 0 and b is 1.
    """
    step = step + 1.0
    beta1, beta2 = hyper["betas"]
    past = power(beta2, step)
    most = 2 / (1 - beta2) - 1
    length = most - 2 * step * past / (1 - past)
    many = length > 5.0
    safe = maximum(length, 5.0)
    scale = sqrt(max(most - 4, 0.0) * (most - 2) * safe / ((safe - 4) * (safe - 2) * most * (1 - past)))
    return step, hyper.rate / (1 - power(beta1, step)), where(many, scale, 0.0), where(many, 0.0, 1.0)


class RAdam(Optimizer):
    """RAdam (Liu et al., 2020): Adam whose step is smaller while the mean of squares is uncertain, and plain momentum at first.

    Parameters
    ----------
    params : iterable of parameters, or of groups; see `Optimizer`
    lr : learning rate, a number or a Tensor without axes
    betas : weights of the past in the mean of gradients and in the mean of squares
    eps : added to the root, so that it is not zero
    weight_decay : weight of the parameter in its own gradient
    decoupled_weight_decay : let parameters shrink by `lr * weight_decay` each step instead
    maximize : climb instead of descend
    foreach, capturable, differentiable : see `Optimizer`

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> x = cr.tensor([1.0, -2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> optim.RAdam([x], lr=0.1).step()
    >>> x.detach().numpy().round(6)
    array([ 0.8, -1.6])
    """

    def __init__(
        self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, decoupled_weight_decay=False, *, foreach=None,
        maximize=False, capturable=False, differentiable=False,
    ):  # fmt: skip
        super().__init__(params, locals())

    def init_one(self, param, hyper):
        return {"step": constant(0.0), **zeros(param, "exp_avg", "exp_avg_sq")}

    def step_one(self, param, grad, state, hyper):
        param, grad = decayed(param, grad, hyper)
        step, rate, a, b = hyper.once(_rectified, state["step"])
        m, v = moments(grad, state, hyper["betas"])
        new = {"step": step, "exp_avg": m, "exp_avg_sq": v}
        return param - rate * (m / (a * (sqrt(v) + hyper["eps"]) + b)), new
