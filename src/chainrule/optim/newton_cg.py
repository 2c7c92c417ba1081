"""Newton's method with conjugate gradients."""

import math

import numpy as np

from ..errors import ArgumentError, explain
from ..transforms import autograd
from .closures import ClosureOptimizer
from .line_search import Search
from .settings import check


def newton_direction(product, gradient, most):
    """Roughly minus the inverse of the Hessian times the gradient (Nocedal and Wright, 2006, algorithm 7.1).

    Conjugate gradients end when a further product improves the quadratic model by little (Nash and Sofer, 1990), the less the
    nearer the minimum, for the last steps to be Newton's; or where the curvature is not positive, so that the direction
    always leads down.

    Parameters
    ----------
    product : function, vector -> Hessian times it
    gradient : vector
    most : iterations
    """
    enough = min(0.5, math.sqrt(float(np.linalg.norm(gradient))))
    x, r, p, model = np.zeros_like(gradient), gradient, -gradient, 0.0
    for i in range(1, most + 1):
        along = product(p)
        square, curvature = float(r @ r), float(p @ along)
        if not curvature > 0:
            return -gradient if i == 1 else x
        x, r = x + (square / curvature) * p, r + (square / curvature) * along
        gain = square * square / curvature / 2
        model += gain
        if i * gain <= enough * model:
            break
        p = (float(r @ r) / square) * p - r
    return x


class NewtonCG(ClosureOptimizer):
    """Newton's method without matrices (Nocedal and Wright, 2006, algorithm 7.1): for losses without noise.

    The Hessian is only multiplied with vectors, at the cost of about two gradients each. One call of `step` is one iteration.
    The closure computes the loss at the present parameters and returns it; it need not call `backward`, and may be compiled.

    Parameters
    ----------
    params : iterable of parameters, in one group
    lr : first length of a step that is tried, in units of the Newton step; without a search, the length
    max_cg : the most products with the Hessian in one step, by default the number of parameters' elements, at most 200
    line_search_fn : 'strong_wolfe', or None for steps of length `lr`
    max_eval : the most evaluations of the closure in one search

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> x = cr.tensor([-1.2, 1.0], requires_grad=True)
    >>> optimizer = optim.NewtonCG([x])
    >>> def closure():
    ...     return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
    >>> for _ in range(25):
    ...     loss = optimizer.step(closure)
    >>> x.detach().numpy().round(6)
    array([1., 1.])
    """

    def __init__(self, params, lr=1.0, max_cg=None, line_search_fn="strong_wolfe", max_eval=25):
        super().__init__(params, locals())

    @classmethod
    def check(cls, settings):
        super().check(settings)
        search = settings["line_search_fn"]
        check(search in (None, "strong_wolfe"), "NewtonCG: unknown line_search_fn", repr(search), "use None or 'strong_wolfe'")
        for key in ("max_cg", "max_eval"):
            number = settings[key]
            check(number is None or number >= 1, f"NewtonCG: {key} must be at least 1", number, "leave it out")

    def _iterate(self, closure):
        group = self.param_groups[0]
        loss = closure()
        slopes = self._pulled(_scalar(loss), create_graph=True)
        gradient, place = self._vector(None if g is None else g.detach() for g in slopes), self._values()
        if not gradient.any():
            return loss
        direction = newton_direction(self._products(slopes), gradient, group["max_cg"] or min(200, gradient.size))
        length = float(group["lr"])
        if group["line_search_fn"]:
            start = (0.0, float(loss), float(gradient @ direction), gradient)
            length = self._searched(closure, place, direction, start, length)
        self._place(place + length * direction)
        return loss

    def _products(self, slopes):
        """Products with the Hessian, from the derivatives of the loss by the parameters."""
        curved = [i for i, g in enumerate(slopes) if g is not None and g.requires_grad]

        def product(vector):
            weights = self._layout.unpacked(vector)
            outputs, weights = [slopes[i] for i in curved], [weights[i] for i in curved]
            if not curved:
                return np.zeros_like(vector)
            return self._vector(autograd.grad(outputs, self._params, weights, retain_graph=True, allow_unused=True))

        return product

    def _searched(self, closure, place, direction, start, length):
        def evaluate():
            loss = closure()
            return loss, self._vector(self._pulled(_scalar(loss)))

        at, most = self._along(place, direction, evaluate), self.param_groups[0]["max_eval"]
        return Search(at, start, float(np.abs(direction).max()), most)(length)[0]


def _scalar(loss):
    """The loss, if it is one that can be differentiated."""
    if getattr(loss, "shape", None) != () or not getattr(loss, "requires_grad", False):
        found = f"{loss.dtype} {loss.shape} without a derivative" if hasattr(loss, "requires_grad") else type(loss).__name__
        raise ArgumentError(
            explain(
                "NewtonCG: the closure must return the loss, a Tensor without axes made from the parameters",
                f"found: {found}",
                help="return loss.mean(), not loss.item(); compute outside of no_grad",
            )
        )
    return loss
