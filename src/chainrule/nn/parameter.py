"""Parameter: a Tensor that a Module registers when it is assigned as an attribute."""

import numpy as np

from ..core.dispatch import state
from ..ops.shaping import cast
from ..tensor import Tensor
from ..transforms.reverse import ROOT


class Parameter(Tensor):
    """A Tensor that is to be trained: a leaf that requires grad, found by `Module.parameters()`.

    Parameters
    ----------
    data : array or Tensor; an array is copied, its dtype is kept
    requires_grad : False freezes it

    Raises
    ------
    NonDifferentiableError
        The dtype is integer or boolean and `requires_grad` is True.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.Parameter([1.0, 2.0])
    Parameter containing:
    tensor([1., 2.], requires_grad=True)
    """

    __slots__ = ("__dict__",)  # what programs note about a parameter, such as that it is not to decay

    def __init__(self, data, requires_grad=True):
        if isinstance(data, Tensor):
            data = data.detach()
            # A Tensor's array never changes, so it can be shared; recorded values must not be turned into constants.
            value = data.value if data.owner is ROOT else ROOT.constant(np.array(data)).value
        else:
            value = ROOT.constant(np.array(data)).value
        super().__init__(value, ROOT)
        if requires_grad:
            self.requires_grad_()

    def convert_(self, dtype):
        """Change the dtype of the values and of the gradient, keeping this object: optimisers refer to it."""
        grad = self.grad
        self.value = cast(self.value, np.dtype(dtype))
        if grad is not None:
            self.grad = grad.detach().astype(dtype)
        return self

    def __repr__(self):
        return f"Parameter containing:\n{super().__repr__()}"

    def __reduce__(self):
        array = np.asarray(self.owner.to_array(self.detach(), "pickle"))
        return _rebuild, (array, self.requires_grad), self.__dict__ or None


def _rebuild(array, requires_grad):
    return Parameter(Tensor(array, ROOT) if state.recorder is None else array, requires_grad)
