"""PyTorch's places for data loading and checkpointing: `chainrule.utils.data`, `chainrule.utils.checkpoint`."""

from . import checkpoint as checkpoint, data as data
