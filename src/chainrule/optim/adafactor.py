"""Adafactor."""

import numpy as np

from ..ops import maximum, minimum, power, sqrt, square
from .optimizer import Optimizer, zeros
from .settings import check, constant, is_given, only_real


def _rates(step, hyper):
    """The new step count, the weight of the present in the means of squares, and the relative step size."""
    step = step + 1.0
    return step, power(step, hyper["beta2_decay"]), minimum(hyper.rate, 1 / sqrt(step))


def _rms(x):
    return sqrt(square(x).mean())


class Adafactor(Optimizer):
    """Adafactor (Shazeer and Stern, 2018): squares of gradients are kept as one row and one column of each matrix.

    Parameters
    ----------
    params : iterable of parameters, or of groups; see `Optimizer`
    lr : largest relative step: steps are in proportion to the size of each parameter
    beta2_decay : power of the step count that is the weight of the present in the means of squares, at most 0
    eps : (least square of a gradient's size, least size of a parameter); the first is by default that of the dtype
    d : sizes of steps above this are cut, at least 1
    weight_decay : parameters shrink by `lr * weight_decay` each step
    maximize : climb instead of descend
    foreach : see `Optimizer`

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> x = cr.tensor([1.0, -2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> optim.Adafactor([x], lr=0.1).step()
    >>> x.detach().numpy().round(6)
    array([ 0.841886, -1.841886])
    """

    def __init__(
        self, params, lr=1e-2, beta2_decay=-0.8, eps=(None, 1e-3), d=1.0, weight_decay=0.0, *, foreach=None, maximize=False
    ):
        super().__init__(params, locals())

    @classmethod
    def check(cls, settings):
        super().check(settings)
        check(settings["beta2_decay"] <= 0, "Adafactor: beta2_decay must not be positive", settings["beta2_decay"], "try -0.8")
        check(settings["d"] >= 1, "Adafactor: d must be at least 1", settings["d"], "d=1 cuts most")
        for e in settings["eps"]:
            check(e is None or e >= 0, "Adafactor: eps must not be negative", settings["eps"], "try eps=(None, 1e-3)")

    def add_param_group(self, param_group):
        super().add_param_group(param_group)
        for p in self.param_groups[-1]["params"]:
            only_real(p, "Adafactor")

    def init_one(self, param, hyper):
        if param.ndim < 2:
            return {"step": constant(0.0), **zeros(param, "variance")}
        *rest, n, m = param.shape
        return {"step": constant(0.0), "row_var": param.new_zeros((*rest, n, 1)), "col_var": param.new_zeros((*rest, 1, m))}

    def step_one(self, param, grad, state, hyper):
        grad = -grad if hyper["maximize"] else grad
        step, weight, rate = hyper.once(_rates, state["step"])
        least, smallest = hyper["eps"]
        least = float(np.finfo(param.dtype).eps) if least is None else least
        rate = rate * maximum(_rms(param), smallest)
        if is_given(hyper["weight_decay"]):
            param = param * (1 - hyper["lr"] * hyper["weight_decay"])
        new, squares = {"step": step}, square(grad)
        if "row_var" in state:
            rows = new["row_var"] = state["row_var"] + weight * (squares.mean(axis=-1, keepdims=True) - state["row_var"])
            columns = new["col_var"] = state["col_var"] + weight * (squares.mean(axis=-2, keepdims=True) - state["col_var"])
            v = rows * columns / maximum(rows.mean(axis=-2, keepdims=True), least)
        else:
            v = new["variance"] = state["variance"] + weight * (squares - state["variance"])
        update = grad / sqrt(maximum(v, least * least))
        return param - rate / maximum(_rms(update) / hyper["d"], 1.0) * update, new
