"""PyTorch's place of `Function`."""

from ..transforms.function import Function as Function, once_differentiable as once_differentiable
