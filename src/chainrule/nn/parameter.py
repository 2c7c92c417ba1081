"""Parameter: a Tensor that a Module registers when it is assigned as an attribute."""

import numpy as np

from ..core.dispatch import state
from ..ops.shaping import cast
from ..tensor import Tensor
from ..transforms.reverse import ROOT


def _value(data):
    if not isinstance(data, Tensor):
        return ROOT.constant(np.array(data)).value
    data = data.detach()
    # A Tensor's array never changes, so it can be shared; recorded values must not be turned into constants.
    return data.value if data.owner is ROOT else ROOT.constant(np.array(data)).value


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

    def __init__(self, data=(), requires_grad=True):
        super().__init__(_value(data), ROOT)
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

    def __deepcopy__(self, memo):
        new = super().__deepcopy__(memo)
        new.grad = None  # as in PyTorch: copies of models begin without
        return new

    def __reduce__(self):
        array = np.asarray(self.owner.to_array(self.detach(), "pickle"))
        return _rebuild, (array, self.requires_grad), self.__dict__ or None


def _rebuild(array, requires_grad):
    return Parameter(Tensor(array, ROOT) if state.recorder is None else array, requires_grad)


class Buffer(Tensor):
    """A Tensor that a Module registers as a buffer when it is assigned as an attribute: state that is not trained.

    Parameters
    ----------
    data : array or Tensor
    persistent : whether it is part of the state dict

    Examples
    --------
    >>> from chainrule import nn
    >>> module = nn.Identity()
    >>> module.count = nn.Buffer(np.zeros(2))
    >>> list(module.state_dict())
    ['count']
    """

    __slots__ = ("persistent",)

    def __init__(self, data=(), *, persistent=True):
        super().__init__(_value(data), ROOT)
        self.place, self.persistent = True, persistent

    def __reduce__(self):
        return _buffer, (np.asarray(self.owner.to_array(self.detach(), "pickle")), self.persistent)

    def __deepcopy__(self, memo):
        memo[id(self)] = new = type(self)(self, persistent=self.persistent)
        return new


def _buffer(array, persistent):
    return Buffer(array, persistent=persistent)
