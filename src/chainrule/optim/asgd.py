"""ASGD."""

from ..ops import maximum, power
from .optimizer import Optimizer, decayed, zeros
from .settings import constant


def _rates(step, eta, mu, hyper):
    """The new counts, by how much parameters shrink, this step's rate, and the weight of the present in the average."""
    step = step + 1.0
    new_eta = hyper.rate / power(1 + hyper["lambd"] * hyper.rate * step, hyper["alpha"])
    return step, new_eta, 1 / maximum(step - hyper["t0"], 1.0), 1 - hyper["lambd"] * eta, eta, mu


class ASGD(Optimizer):
    """Averaged stochastic gradient descent (Polyak and Juditsky, 1992).

    The average of the parameters is `optimizer.state[p]['ax']`.

    Parameters
    ----------
    params : iterable of parameters, or of groups; see `Optimizer`
    lr : learning rate, a number or a Tensor without axes
    lambd : by how much parameters shrink each step, in parts of the rate; the rate falls with it
    alpha : power with which the rate falls
    t0 : the step at which averaging begins; until then the average is the parameter itself
    weight_decay : weight of the parameter in its own gradient
    maximize : climb instead of descend
    foreach, capturable, differentiable : see `Optimizer`

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> x = cr.tensor([1.0, -2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> optim.ASGD([x], lr=0.1).step()
    >>> x.detach().numpy().round(6)
    array([ 0.79999, -1.59998])
    """

    counts = ("step", "eta", "mu")

    def __init__(
        self, params, lr=1e-2, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0, foreach=None, maximize=False,
        differentiable=False, capturable=False,
    ):  # fmt: skip
        super().__init__(params, locals())

    def init_one(self, param, hyper):
        counts = {"step": constant(0.0), "eta": constant(float(hyper.first_rate)), "mu": constant(1.0)}
        return {**counts, **zeros(param, "ax")}

    def step_one(self, param, grad, state, hyper):
        param, grad = decayed(param, grad, hyper)
        step, eta, mu, shrink, rate, weight = hyper.once(_rates, *(state[key] for key in self.counts))
        param = param * shrink - rate * grad
        average = state["ax"] + weight * (param - state["ax"])
        return param, {"step": step, "eta": eta, "mu": mu, "ax": average}
