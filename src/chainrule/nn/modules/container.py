"""PyTorch's place of containers."""

from ..containers import ModuleDict as ModuleDict, ModuleList as ModuleList, Sequential as Sequential
