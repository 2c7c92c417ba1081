"""Stochastic gradient descent."""

from .optimizer import Optimizer, decayed, zeros
from .settings import check, constant


def _weight(started, hyper):
    """That there has been a step, and the weight of the gradient."""
    return constant(1.0), 1 - hyper["dampening"] * started


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum.

    Parameters
    ----------
    params : iterable of parameters, or of groups; see `Optimizer`
    lr : learning rate, a number or a Tensor without axes
    momentum : weight of the direction of the previous step
    dampening : by how much less the gradient counts with momentum
    weight_decay : weight of the parameter in its own gradient
    nesterov : use the gradient where momentum alone would lead to; needs momentum and no dampening
    maximize : climb instead of descend
    foreach, differentiable, fused : see `Optimizer`

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> x = cr.tensor([1.0, -2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> optim.SGD([x], lr=0.1, momentum=0.9).step()
    >>> x.detach()
    tensor([ 0.8, -1.6])
    """

    counts = ("started",)

    def __init__(
        self, params, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, *, maximize=False, foreach=None,
        differentiable=False, fused=None,
    ):  # fmt: skip
        super().__init__(params, locals())

    @classmethod
    def check(cls, settings):
        super().check(settings)
        momentum, dampening = settings["momentum"], settings["dampening"]
        check(
            not settings["nesterov"] or (momentum > 0 and dampening == 0),
            "SGD: nesterov needs momentum and no dampening",
            f"momentum={momentum}, dampening={dampening}",
            "try momentum=0.9",
        )

    def init_one(self, param, hyper):
        if not hyper["momentum"]:
            return {}
        state = zeros(param, "momentum_buffer")
        if hyper["dampening"]:
            state["started"] = constant(0.0)
        return state

    def _loaded(self, saved, p, i, group):
        state = super()._loaded(saved, p, i, group)
        if group["dampening"] and "momentum_buffer" in state:
            state.setdefault("started", constant(1.0))  # PyTorch has no such entry
        return state

    def step_one(self, param, grad, state, hyper):
        param, grad = decayed(param, grad, hyper)
        if "momentum_buffer" not in state:
            return param - hyper["lr"] * grad, state
        momentum, added, new = hyper["momentum"], grad, {}
        if "started" in state:
            # The first gradient counts in full. Written without a branch, so that a recorded step stays right.
            new["started"], weight = hyper.once(_weight, state["started"])
            added = weight * grad
        buffer = new["momentum_buffer"] = momentum * state["momentum_buffer"] + added
        if hyper["nesterov"]:
            buffer = grad + momentum * buffer
        return param - hyper["lr"] * buffer, new
