"""PyTorch's module of this name: derivatives of Tensors by Tensors, and functions with derivatives of their own."""

from ..pytorch import inference_mode as inference_mode, set_grad_enabled as set_grad_enabled
from ..tensor import Tensor
from ..transforms.autograd import GradientTape as GradientTape, grad as grad
from ..transforms.function import Function as Function
from ..transforms.scope import enable_grad as enable_grad, no_grad as no_grad
from . import (
    anomaly_mode as anomaly_mode,
    forward_ad as forward_ad,
    function as function,
    functional as functional,
    graph as graph,
)
from .anomaly_mode import detect_anomaly as detect_anomaly, set_detect_anomaly as set_detect_anomaly
from .gradcheck import gradcheck as gradcheck, gradgradcheck as gradgradcheck


def backward(tensors, grad_tensors=None, retain_graph=None, create_graph=False, inputs=None):
    """Add the derivatives of several Tensors to `.grad` of the leaves that they depend on.

    Parameters
    ----------
    tensors : Tensor or sequence of Tensors
    grad_tensors : None for Tensors of one element, else arrays of their shapes, the weights of their elements
    retain_graph, create_graph, inputs : as in `Tensor.backward`

    Examples
    --------
    >>> import chainrule as cr
    >>> x = cr.tensor(3.0, requires_grad=True)
    >>> cr.autograd.backward([x**2, 2 * x])
    >>> x.grad
    tensor(8.)
    """
    tensors = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    several = isinstance(grad_tensors, (list, tuple))
    weights = list(grad_tensors) if several else [grad_tensors] * len(tensors)
    keep = create_graph if retain_graph is None else retain_graph
    for i, (t, w) in enumerate(zip(tensors, weights, strict=True)):
        t.backward(w, retain_graph=keep or i < len(tensors) - 1, create_graph=create_graph, inputs=inputs)


def Variable(data, requires_grad=False):
    """A Tensor of the data; from the time when PyTorch told Tensors from Variables.

    >>> import chainrule as cr
    >>> cr.autograd.Variable(cr.zeros(2), requires_grad=True).requires_grad
    True
    """
    x = data.detach() if isinstance(data, Tensor) else Tensor(data)
    return x.requires_grad_() if requires_grad else x
