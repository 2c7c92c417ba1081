"""NAdam."""

from ..ops import power, sqrt
from .optimizer import Optimizer, decayed, moments, zeros
from .settings import constant


def _schedule(step, product, hyper):
    """The new counts, the step sizes along gradient and mean, and what the mean of squares that started from zero needs."""
    step = step + 1.0
    beta1, beta2 = hyper["betas"]
    decay = hyper["momentum_decay"]
    now, later = (beta1 * (1 - 0.5 * power(0.96, t * decay)) for t in (step, step + 1.0))
    product = product * now
    along_grad = hyper.rate * (1 - now) / (1 - product)
    along_mean = hyper.rate * later / (1 - product * later)
    return step, product, along_grad, along_mean, 1 / sqrt(1 - power(beta2, step))


class NAdam(Optimizer):
    """NAdam (Dozat, 2016): Adam that looks ahead, as Nesterov's momentum does.

    Parameters
    ----------
    params : iterable of parameters, or of groups; see `Optimizer`
    lr : learning rate, a number or a Tensor without axes
    betas : weights of the past in the mean of gradients and in the mean of squares
    eps : added to the root, so that it is not zero
    weight_decay : weight of the parameter in its own gradient
    momentum_decay : how fast momentum grows to its full weight
    decoupled_weight_decay : let parameters shrink by `lr * weight_decay` each step instead
    maximize : climb instead of descend
    foreach, capturable, differentiable : see `Optimizer`

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> x = cr.tensor([1.0, -2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> optim.NAdam([x], lr=0.1).step()
    >>> x.detach().numpy().round(6)
    array([ 0.894355, -1.894355])
    """

    counts = ("step", "mu_product")

    def __init__(
        self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, momentum_decay=4e-3,
        decoupled_weight_decay=False, *, foreach=None, maximize=False, capturable=False, differentiable=False,
    ):  # fmt: skip
        super().__init__(params, locals())

    def init_one(self, param, hyper):
        return {"step": constant(0.0), "mu_product": constant(1.0), **zeros(param, "exp_avg", "exp_avg_sq")}

    def step_one(self, param, grad, state, hyper):
        param, grad = decayed(param, grad, hyper)
        step, product, along_grad, along_mean, scale = hyper.once(_schedule, state["step"], state["mu_product"])
        m, v = moments(grad, state, hyper["betas"])
        direction = (along_grad * grad + along_mean * m) / (scale * sqrt(v) + hyper["eps"])
        return param - direction, {"step": step, "mu_product": product, "exp_avg": m, "exp_avg_sq": v}
