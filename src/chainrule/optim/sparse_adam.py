"""SparseAdam."""

from ..ops import power, sqrt, where
from .optimizer import Optimizer, moments, zeros
from .settings import check, constant


def _corrections(step, hyper):
    """The new step count and the step size."""
    step = step + 1.0
    beta1, beta2 = hyper["betas"]
    return step, hyper.rate * sqrt(1 - power(beta2, step)) / (1 - power(beta1, step))


class SparseAdam(Optimizer):
    """Adam in which rows whose gradient is zero stay as they are, their means included: for tables of embeddings.

    Gradients are plain arrays; a row counts as untouched if all its elements are zero.

    Parameters
    ----------
    params : iterable of parameters, or of groups; see `Optimizer`
    lr : learning rate, a number or a Tensor without axes
    betas : weights of the past in the mean of gradients and in the mean of squares
    eps : added to the root, so that it is not zero
    maximize : climb instead of descend

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> x = cr.tensor([1.0, -2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> optim.SparseAdam([x], lr=0.1).step()
    >>> x.detach().numpy().round(6)
    array([ 0.9, -1.9])
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, maximize=False):
        super().__init__(params, locals())

    @classmethod
    def check(cls, settings):
        super().check(settings)
        for key in ("lr", "eps"):  # PyTorch asks for more than 0 here
            check(settings[key] > 0, f"SparseAdam: {key} must be positive", settings[key], "the usual values are 1e-3 and 1e-8")

    def init_one(self, param, hyper):
        return {"step": constant(0.0), **zeros(param, "exp_avg", "exp_avg_sq")}

    def step_one(self, param, grad, state, hyper):
        grad = -grad if hyper["maximize"] else grad
        step, rate = hyper.once(_corrections, state["step"])
        m, v = moments(grad, state, hyper["betas"])
        touched = (grad != 0).any(axis=tuple(range(1, grad.ndim)), keepdims=True)
        new = param - rate * (m / (sqrt(v) + hyper["eps"]))
        means = {"exp_avg": where(touched, m, state["exp_avg"]), "exp_avg_sq": where(touched, v, state["exp_avg_sq"])}
        return where(touched, new, param), {"step": step, **means}
