"""PyTorch's place of `Module`."""

from ..module import Module as Module
