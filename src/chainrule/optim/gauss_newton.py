"""Nonlinear least squares: Gauss-Newton and Levenberg-Marquardt, without matrices."""

import importlib
import math
from abc import abstractmethod

import numpy as np

from ..core.changes import Noted
from ..errors import ArgumentError, explain
from ..tensor import Tensor
from ..transforms import autograd
from ..trees import tree_leaves
from .closures import ClosureOptimizer
from .settings import check, constant
from .vectors import Layout, packed


class Residuals:
    """What a closure gave, and its Jacobian as products with it.

    Attributes
    ----------
    vector : all residuals, as one vector
    cost : half the sum of their squares
    """

    def __init__(self, optimizer, out):
        self.optimizer, self.tensors = optimizer, tree_leaves(out)
        if not self.tensors or not all(isinstance(r, Tensor) for r in self.tensors):
            found = ", ".join(type(r).__name__ for r in self.tensors) or "nothing"
            raise ArgumentError(
                explain(
                    f"{type(optimizer).__name__}: the closure must return residuals, a Tensor or a tree of Tensors",
                    f"found: {found}",
                    help="return prediction - target, neither squared nor summed",
                )
            )
        self.vector = packed([np.asarray(r.detach()) for r in self.tensors], np.float64)
        self.cost = float(self.vector @ self.vector) / 2
        self.layout = Layout(self.tensors)

    def linearize(self):
        """Prepare for products."""
        # The pullback is linear in the weights, and its own transpose is the derivative itself.
        self.weights = [constant(np.zeros(r.shape, r.dtype)).requires_grad_() for r in self.tensors]
        self.rows = self.optimizer._pulled(self.tensors, self.weights, create_graph=True)
        return self

    def product(self, vector):
        """The Jacobian times a vector."""
        moves = self.optimizer._layout.unpacked(np.ravel(vector))
        used = [i for i, row in enumerate(self.rows) if row is not None]
        rows, moves = [self.rows[i] for i in used], [moves[i] for i in used]
        out = autograd.grad(rows, self.weights, moves, retain_graph=True, allow_unused=True)
        zeros = (np.zeros(r.shape, r.dtype) for r in self.tensors)
        return packed([z if t is None else np.asarray(t) for z, t in zip(zeros, out, strict=True)], np.float64)

    def transposed(self, vector):
        """The Jacobian's transpose times a vector."""
        weights = self.layout.unpacked(np.ravel(vector))
        return np.asarray(self.optimizer._vector(self.optimizer._pulled(self.tensors, weights, retain_graph=True)), np.float64)

    def solve(self, damping, tolerance, most):
        """The step h that makes |J h + residuals|^2 + damping |h|^2 least, by LSMR (Fong and Saunders, 2011)."""
        sparse = importlib.import_module("scipy.sparse.linalg")
        shape = self.vector.size, self.optimizer._layout.size
        operator = sparse.LinearOperator(shape, matvec=self.product, rmatvec=self.transposed, dtype=np.float64)
        most = 2 * min(shape) if most is None else most
        return sparse.lsmr(operator, -self.vector, math.sqrt(damping), tolerance, tolerance, maxiter=most)[0]


class _LeastSquares(ClosureOptimizer):
    """What both methods share."""

    @classmethod
    def check(cls, settings):
        name = cls.__name__
        super().check(settings)
        damping, tolerance, most = (settings[key] for key in ("damping", "tolerance", "max_inner"))
        check(damping >= 0, f"{name}: damping must not be negative", damping, "try 1e-3")
        check(0 < tolerance < 1, f"{name}: tolerance must lie between 0 and 1", tolerance, "try 1e-6")
        check(most is None or most >= 1, f"{name}: max_inner must be at least 1", most, "leave it out")

    def _cost(self, closure, place):
        """Half the sum of squares elsewhere; infinite where it is not a number."""
        self._place(place)
        cost = Residuals(self, closure()).cost
        return cost if math.isfinite(cost) else math.inf

    @abstractmethod
    def _improve(self, closure, residuals, gradient, place):
        """Choose a step, and take it.

        Parameters
        ----------
        closure : function that computes residuals
        residuals, gradient : Residuals at the present place, and the gradient of half the sum of their squares
        place : the present parameters as a vector of float64
        """

    def _iterate(self, closure):
        out = closure()
        residuals = Residuals(self, out).linearize()
        gradient = residuals.transposed(residuals.vector)
        if gradient.any():
            self._improve(closure, residuals, gradient, np.asarray(self._values(), np.float64))
        return out


class GaussNewton(_LeastSquares):
    """The Gauss-Newton method (Nocedal and Wright, 2006, section 10.3): least squares by a sequence of linear ones.

    The Jacobian is only multiplied with vectors (by LSMR), so there may be many parameters and residuals. One call of `step`
    is one iteration. The closure computes the residuals at the present parameters and returns them, neither squared nor summed,
    as a Tensor or a tree of Tensors; it need not call `backward`, and may be compiled. What is made small is half the sum of
    their squares.

    Parameters
    ----------
    params : iterable of parameters, in one group
    lr : first length of a step that is tried, in units of the Gauss-Newton step; without a search, the length
    damping : weight of the step's own square in the linear problem
    tolerance : relative accuracy of its solution
    max_inner : the most products with the Jacobian and with its transpose, by default twice the smaller of its sides
    line_search_fn : 'backtracking' halves the step until the squares fall enough, None takes it as it is

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> t = np.linspace(0.0, 3.0, 20)
    >>> p = cr.tensor([1.0, 1.0], requires_grad=True)
    >>> optimizer = optim.GaussNewton([p])
    >>> for _ in range(8):
    ...     residuals = optimizer.step(lambda: p[0] * cr.exp(-p[1] * t) - 2.0 * np.exp(-0.7 * t))
    >>> p.detach().numpy().round(6)
    array([2. , 0.7])
    """

    def __init__(self, params, lr=1.0, damping=0.0, tolerance=1e-8, max_inner=None, line_search_fn="backtracking"):
        super().__init__(params, locals())

    @classmethod
    def check(cls, settings):
        super().check(settings)
        search = settings["line_search_fn"]
        check(search in (None, "backtracking"), "GaussNewton: unknown line_search_fn", repr(search), "None or 'backtracking'")

    def _improve(self, closure, residuals, gradient, place):
        group = self.param_groups[0]
        step = residuals.solve(group["damping"], group["tolerance"], group["max_inner"])
        length, slope = float(group["lr"]), float(gradient @ step)
        if group["line_search_fn"]:
            for _ in range(30):
                if self._cost(closure, place + length * step) <= residuals.cost + 1e-4 * length * slope:
                    break
                length /= 2
            else:
                length = 0.0  # nothing better along this direction
        self._place(place + length * step)


class LevenbergMarquardt(_LeastSquares):
    """The Levenberg-Marquardt method (Madsen, Nielsen and Tingleff, 2004, algorithm 3.16): Gauss-Newton with steps that are cut
    short where the linear model is wrong.

    The Jacobian is only multiplied with vectors (by LSMR), so there may be many parameters and residuals. One call of `step`
    is one iteration; a step that would make the squares larger is tried again with more damping, so they never grow. The
    closure computes the residuals at the present parameters and returns them, neither squared nor summed, as a Tensor or a
    tree of Tensors; it need not call `backward`, and may be compiled. What is made small is half the sum of their squares.

    The present damping is `optimizer.state[first parameter]['damping']`.

    Parameters
    ----------
    params : iterable of parameters, in one group
    damping : at the start, in units of the squared Jacobian along the gradient; smaller for a good first guess
    tolerance : relative accuracy of the linear problems' solutions
    max_inner : the most products with the Jacobian and with its transpose, by default twice the smaller of its sides
    max_trials : the most steps that are tried

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> t = np.linspace(0.0, 3.0, 20)
    >>> p = cr.tensor([1.0, 5.0], requires_grad=True)
    >>> optimizer = optim.LevenbergMarquardt([p])
    >>> for _ in range(20):
    ...     residuals = optimizer.step(lambda: p[0] * cr.exp(-p[1] * t) - 2.0 * np.exp(-0.7 * t))
    >>> p.detach().numpy().round(6)
    array([2. , 0.7])
    """

    def __init__(self, params, damping=1e-3, tolerance=1e-8, max_inner=None, max_trials=10):
        super().__init__(params, locals())

    @classmethod
    def check(cls, settings):
        super().check(settings)
        trials = settings["max_trials"]
        check(trials >= 1, "LevenbergMarquardt: max_trials must be at least 1", trials, "leave it out")

    def _improve(self, closure, residuals, gradient, place):
        group = self.param_groups[0]
        state = self.state.get(self._params[0])
        if state is None:
            along = residuals.product(gradient)
            damping = group["damping"] * float(along @ along) / float(gradient @ gradient)
            state = self.state[self._params[0]] = Noted({"damping": constant(damping)})
        damping, growth = state["damping"].item(), 2.0
        for _ in range(group["max_trials"]):
            step = residuals.solve(damping, group["tolerance"], group["max_inner"])
            if np.linalg.norm(step) <= np.finfo(self._dtype).eps * np.linalg.norm(place):
                self._place(place)
                return  # this is the minimum as far as numbers go, and says nothing about the damping
            expected = float(step @ (damping * step - gradient)) / 2
            gain = (residuals.cost - self._cost(closure, place + step)) / expected if expected > 0 else -1.0
            if gain > 0:
                damping *= max(1 / 3, 1 - (2 * gain - 1) ** 3)
                break
            damping, growth = max(damping, np.finfo(float).tiny) * growth, growth * 2
        else:
            self._place(place)
        state["damping"].data = np.float64(damping)
