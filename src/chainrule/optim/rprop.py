"""Rprop."""

from ..ops import clip, sign, where
from .optimizer import Optimizer, decayed, zeros
from .settings import check, constant, one_more


class Rprop(Optimizer):
    """Resilient backpropagation (Riedmiller and Braun, 1993): only signs of gradients count. For full batches.

    Parameters
    ----------
    params : iterable of parameters, or of groups; see `Optimizer`
    lr : size of the first step of each element; later changes of it have no effect
    etas : factors of an element's step size when the sign of its gradient has changed, and when it has not
    step_sizes : smallest and largest step size
    maximize : climb instead of descend
    foreach, capturable, differentiable : see `Optimizer`

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> x = cr.tensor([1.0, -2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> optim.Rprop([x], lr=0.1).step()
    >>> x.detach().numpy().round(6)
    array([ 0.9, -1.9])
    """

    def __init__(
        self, params, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50), *, capturable=False, foreach=None, maximize=False,
        differentiable=False,
    ):  # fmt: skip
        super().__init__(params, locals())

    @classmethod
    def check(cls, settings):
        super().check(settings)
        less, more = settings["etas"]
        check(
            0 < less < 1 < more, "Rprop: one of etas must lie between 0 and 1, one above", (less, more), "try etas=(0.5, 1.2)"
        )

    def init_one(self, param, hyper):
        return {
            "step": constant(0.0),
            **zeros(param, "prev"),
            "step_size": param.new_zeros(param.shape) + float(hyper.first_rate),
        }

    def step_one(self, param, grad, state, hyper):
        _, grad = decayed(param, grad, hyper)
        less, more = hyper["etas"]
        agreement = grad * state["prev"]  # which may underflow, as in PyTorch: then the size stays
        factor = where(agreement > 0, more, where(agreement < 0, less, 1.0)).astype(grad.dtype)
        size = clip(state["step_size"] * factor, *hyper["step_sizes"])
        grad = where(agreement < 0, 0.0, grad).astype(grad.dtype)  # the step that led too far is not undone, only not repeated
        (step,) = hyper.once(one_more, state["step"])
        return param - sign(grad) * size, {"step": step, "prev": grad, "step_size": size}
