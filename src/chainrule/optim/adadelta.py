"""Adadelta."""

from ..ops import sqrt, square
from .optimizer import Optimizer, decayed, mean, zeros
from .settings import check, constant, one_more


class Adadelta(Optimizer):
    """Adadelta (Zeiler, 2012): gradients in units of their own size, times the usual size of past steps.

    Parameters
    ----------
    params : iterable of parameters, or of groups; see `Optimizer`
    lr : learning rate, a number or a Tensor without axes
    rho : weight of the past in both means of squares
    eps : added under both roots; it also starts the first steps off
    weight_decay : weight of the parameter in its own gradient
    maximize : climb instead of descend
    foreach, capturable, differentiable : see `Optimizer`

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> x = cr.tensor([1.0, -2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> optim.Adadelta([x], lr=0.1).step()
    >>> x.detach().numpy().round(6)
    array([ 0.999684, -1.999684])
    """

    def __init__(
        self, params, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0, foreach=None, *, capturable=False, maximize=False,
        differentiable=False,
    ):  # fmt: skip
        super().__init__(params, locals())

    @classmethod
    def check(cls, settings):
        super().check(settings)
        check(settings["rho"] <= 1, "Adadelta: rho must lie between 0 and 1", settings["rho"], "the usual rho is 0.9")

    def init_one(self, param, hyper):
        return {"step": constant(0.0), **zeros(param, "square_avg", "acc_delta")}

    def step_one(self, param, grad, state, hyper):
        param, grad = decayed(param, grad, hyper)
        rho, eps = hyper["rho"], hyper["eps"]
        v = mean(state["square_avg"], square(grad), rho)
        delta = sqrt(state["acc_delta"] + eps) / sqrt(v + eps) * grad
        sizes = mean(state["acc_delta"], square(delta), rho)
        (step,) = hyper.once(one_more, state["step"])
        return param - hyper["lr"] * delta, {"step": step, "square_avg": v, "acc_delta": sizes}
