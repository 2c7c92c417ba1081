"""PyTorch's place of instance normalisation."""

from ..normalization import (
    InstanceNorm1d as InstanceNorm1d,
    InstanceNorm2d as InstanceNorm2d,
    InstanceNorm3d as InstanceNorm3d,
    _InstanceNorm as _InstanceNorm,
)
