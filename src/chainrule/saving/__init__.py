"""Weights and checkpoints in files: safetensors, written and read; PyTorch's files, read without executing anything in them."""

from .checkpoint import load as load, read_metadata as read_metadata, read_shapes as read_shapes, save as save
from .pytorch import load_pytorch as load_pytorch
