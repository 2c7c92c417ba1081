"""PyTorch's place of `Function`."""

from ..transforms.function import Function as Function, FunctionCtx as FunctionCtx, once_differentiable as once_differentiable
