"""RMSprop."""

from ..ops import sqrt, square
from .optimizer import Optimizer, check_torch_only, only_real


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
        self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False, maximize=False, **options
    ):
        check_torch_only("RMSprop", options)
        defaults = {
            "lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum, "centered": centered,
            "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, defaults)

    def init_one(self, param, hyper):
        only_real(param, "RMSprop")
        names = ["square_avg"]
        names += ["momentum_buffer"] if hyper["momentum"] else []
        names += ["grad_avg"] if hyper["centered"] else []
        return {name: param.new_zeros(param.shape) for name in names}

    def step_one(self, param, grad, state, hyper):
        alpha = hyper["alpha"]
        if hyper["maximize"]:
            grad = -grad
        if hyper["weight_decay"]:
            grad = grad + hyper["weight_decay"] * param
        v = alpha * state["square_avg"] + (1 - alpha) * square(grad)
        new = {"square_avg": v}
        if hyper["centered"]:
            mean = new["grad_avg"] = alpha * state["grad_avg"] + (1 - alpha) * grad
            v = v - square(mean)
        direction = grad / (sqrt(v) + hyper["eps"])
        if hyper["momentum"]:
            direction = new["momentum_buffer"] = hyper["momentum"] * state["momentum_buffer"] + direction
        return param - hyper["lr"] * direction, new
