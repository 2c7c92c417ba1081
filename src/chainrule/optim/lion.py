"""Lion."""

from ..ops import sign
from .optimizer import Optimizer, decayed, mean, zeros


class Lion(Optimizer):
    """Lion (Chen et al., 2023, algorithm 2): steps of one size along the signs of a mean of gradients.

    Rates are usually 3 to 10 times smaller, and weight decay as many times larger, than for AdamW.

    Parameters
    ----------
    params : iterable of parameters, or of groups; see `Optimizer`
    lr : learning rate, a number or a Tensor without axes
    betas : weights of the past in the mean whose signs are taken, and in the mean that is kept
    weight_decay : parameters shrink by `lr * weight_decay` each step
    maximize : climb instead of descend
    foreach, capturable, differentiable : see `Optimizer`

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> x = cr.tensor([1.0, -2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> optim.Lion([x], lr=0.1).step()
    >>> x.detach().numpy().round(6)
    array([ 0.9, -1.9])
    """

    def __init__(
        self, params, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0, *, maximize=False, foreach=None, capturable=False,
        differentiable=False,
    ):  # fmt: skip
        super().__init__(params, {**locals(), "decoupled_weight_decay": True})

    def init_one(self, param, hyper):
        return zeros(param, "exp_avg")

    def step_one(self, param, grad, state, hyper):
        param, grad = decayed(param, grad, hyper)
        beta1, beta2 = hyper["betas"]
        direction = sign(mean(state["exp_avg"], grad, beta1))
        return param - hyper["lr"] * direction, {"exp_avg": mean(state["exp_avg"], grad, beta2)}
