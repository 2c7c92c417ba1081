"""Stochastic gradient descent."""

from .optimizer import Optimizer, check, check_torch_only, constant


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

    def __init__(self, params, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, *, maximize=False, **options):
        check_torch_only("SGD", options)
        check(
            not nesterov or (momentum > 0 and dampening == 0),
            "SGD: nesterov needs momentum and no dampening",
            f"momentum={momentum}, dampening={dampening}",
            "try momentum=0.9",
        )
        defaults = {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov,
            "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, defaults)

    def init_one(self, param, hyper):
        if not hyper["momentum"]:
            return {}
        state = {"momentum_buffer": param.new_zeros(param.shape)}
        if hyper["dampening"]:
            state["started"] = constant(0.0)
        return state

    def step_one(self, param, grad, state, hyper):
        if hyper["maximize"]:
            grad = -grad
        if hyper["weight_decay"]:
            grad = grad + hyper["weight_decay"] * param
        if "momentum_buffer" not in state:
            return param - hyper["lr"] * grad, state
        momentum, added, new = hyper["momentum"], grad, {}
        if "started" in state:
            # The first gradient counts in full. Written without a branch, so that a recorded step stays right.
            added = grad * (1 - hyper["dampening"] * state["started"]).astype(grad.dtype)
            new["started"] = constant(1.0)
        buffer = new["momentum_buffer"] = momentum * state["momentum_buffer"] + added
        if hyper["nesterov"]:
            buffer = grad + momentum * buffer
        return param - hyper["lr"] * buffer, new
