"""What methods share that evaluate the loss several times in one step and take all parameters as one vector."""

import operator
from abc import abstractmethod

import numpy as np

from ..core.changes import LENGTH
from ..core.dispatch import state as dispatching
from ..errors import ArgumentError, GraphFreedError, UnsupportedError, explain
from ..tensor import Tensor
from ..transforms import autograd
from ..transforms.backward import Leaf
from ..transforms.reverse import ROOT
from ..transforms.scope import enable_grad
from ..views import Views
from .optimizer import Optimizer
from .settings import constant
from .vectors import Layout, packed, real_dtype


class ClosureOptimizer(Optimizer):
    """An optimiser whose steps call a closure. A method is `_iterate`."""

    def add_param_group(self, param_group):
        if self.param_groups:
            name = type(self).__name__
            raise ArgumentError(explain(f"{name} has a single group of parameters", help="list all parameters in one group"))
        super().add_param_group(param_group)
        self._placed: tuple = None, ()
        self._viewed: tuple = None, ()
        self._layout, self._dtype = Layout(self._params), np.result_type(*[real_dtype(p.dtype) for p in self._params])

    def init_one(self, param, hyper):
        return {}

    def step_one(self, param, grad, state, hyper):
        name = type(self).__name__
        raise UnsupportedError(explain(f"{name} does not step one parameter at a time", help="call step(closure)"))

    def step(self, closure=None):
        """Evaluate, and update all parameters.

        Parameters
        ----------
        closure : function that computes what the method is about at the present parameters; see the class

        Returns
        -------
        what `closure` gave at first

        Raises
        ------
        ArgumentError
            There is no closure.
        UnsupportedError
            The call is part of a program that is being compiled.
        """
        return super().step(closure)

    def _step(self, closure=None):
        name = type(self).__name__
        if not callable(closure):
            raise ArgumentError(
                explain(
                    f"{name}.step needs a closure, since it evaluates the loss several times",
                    f"found: {type(closure).__name__}",
                    help=f"pass a function; help(optim.{name}) shows one",
                )
            )
        if dispatching.recorder is not None:
            raise UnsupportedError(
                explain(
                    f"{name}.step cannot be part of a compiled program, since its course depends on values",
                    help="compile the closure, and call step outside",
                )
            )
        with enable_grad():
            return self._iterate(closure)

    def _watched(self):
        yield self.param_groups, LENGTH, ".param_groups"  # closures may be compiled, steps not: they may not depend on states

    @abstractmethod
    def _iterate(self, closure):
        """One step."""

    # --- parameters as one vector -------------------------------------------------------------------------------------

    @property
    def _params(self):
        return self.param_groups[0]["params"]

    def _vector(self, arrays):
        """Arrays or Tensors like the parameters, of which None stands for zeros, as one vector."""
        arrays = list(arrays)
        values = [a.value if isinstance(a, Tensor) else a for a in arrays]
        if set(map(type, values)) != {np.ndarray}:
            values = [_array(value, a, p) for value, a, p in zip(values, arrays, self._params, strict=True)]
        return packed(values, self._dtype)

    def _gradient(self):
        """The gradients of the parameters, as one vector."""
        params = self._params
        values: list
        try:
            values = [(p.note if p.owner is ROOT and type(p.note) is Leaf else p).grad.value for p in params]  # type: ignore[union-attr]
        except AttributeError:  # some have none
            values = [None]
        return packed(values, self._dtype) if set(map(type, values)) == {np.ndarray} else self._vector(p.grad for p in params)

    def _values(self):
        """All parameters; the vector that they were placed from if they still are its parts."""
        vector, parts = self._placed
        if len(parts) == len(self._params) and all(map(operator.is_, [p.value for p in self._params], parts)):
            return vector
        return self._vector(self._params)

    def _place(self, vector):
        """Give the parameters these values."""
        self._placed = vector, self._layout.unpacked(vector)
        watched = dispatching.watchers or dispatching.abstract
        plain = np.ndarray
        for p, value in zip(self._params, self._placed[1], strict=True):  # all share one vector, which nobody changes
            if watched or p.owner is not ROOT or type(p.value) is not plain:
                p.data = value
            else:
                p.value = value
        if self._viewed[0] != Views.made:  # which is seldom, and to look for an attribute that is not there takes long
            self._viewed = Views.made, [p for p in self._params if hasattr(p, "views")]
        for p in self._viewed[1]:
            p._tell_views()

    def _along(self, place, direction, evaluate):
        """For a search: step length -> (step length, loss, slope, gradient), from `evaluate()` -> (loss, gradient)."""

        def at(length):
            self._place(place + length * direction)
            loss, gradient = evaluate()
            return length, float(loss), float(gradient @ direction), gradient

        return at

    # --- derivatives of what closures give ------------------------------------------------------------------------------

    def _pulled(self, outputs, weights=None, **options):
        """The weighted sum of derivatives of outputs by the parameters."""
        try:
            return autograd.grad(outputs, self._params, weights, allow_unused=True, **options)
        except GraphFreedError:
            name = type(self).__name__
            raise ArgumentError(
                explain(
                    f"{name}: the closure has called backward", help=f"let it return its result; {name} finds the derivatives"
                )
            ) from None

    # --- state ----------------------------------------------------------------------------------------------------------

    def _loaded(self, saved, p, i, group):
        return {key: constant(np.float64(value)) for key, value in saved.items()}


def _array(value, x, param):
    """The values of `x` as a plain array like the parameter."""
    if x is None:
        return np.zeros(param.shape, param.dtype)
    return value if type(value) is np.ndarray else np.asarray(x.detach() if isinstance(x, Tensor) else x)
