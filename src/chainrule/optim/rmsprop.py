"""RMSprop."""

from ..ops import sqrt, square
from .optimizer import Optimizer, decayed, mean, zeros
from .settings import constant, one_more


class RMSprop(Optimizer):
    """RMSprop (Hinton, 2012): gradients divided by the root of the mean of their squares.

    Parameters
    ----------
    params : iterable of parameters, or of groups; see `Optimizer`
    lr : learning rate, a number or a Tensor without axes
    alpha : weight of the past in the mean
    eps : added to the root, so that it is not zero
    weight_decay : weight of the parameter in its own gradient
    momentum : weight of the direction of the previous step
    centered : divide by an estimate of the standard deviation instead
    maximize : climb instead of descend
    foreach, capturable, differentiable : see `Optimizer`

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> x = cr.tensor([1.0, -2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> optim.RMSprop([x], lr=0.01).step()
    >>> x.detach().numpy().round(6)
    array([ 0.9, -1.9])
    """

    def __init__(
        self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False, capturable=False,
        foreach=None, maximize=False, differentiable=False,
    ):  # fmt: skip
        super().__init__(params, locals())

    def init_one(self, param, hyper):
        names = ["square_avg"]
        names += ["momentum_buffer"] if hyper["momentum"] else []
        names += ["grad_avg"] if hyper["centered"] else []
        return {"step": constant(0.0), **zeros(param, *names)}

    def step_one(self, param, grad, state, hyper):
        alpha = hyper["alpha"]
        param, grad = decayed(param, grad, hyper)
        v = mean(state["square_avg"], square(grad), alpha)
        new = {"step": hyper.once(one_more, state["step"])[0], "square_avg": v}
        if hyper["centered"]:
            average = new["grad_avg"] = mean(state["grad_avg"], grad, alpha)
            v = v - square(average)
        direction = grad / (sqrt(v) + hyper["eps"])
        if "momentum_buffer" in state:
            direction = new["momentum_buffer"] = hyper["momentum"] * state["momentum_buffer"] + direction
        return param - hyper["lr"] * direction, new
