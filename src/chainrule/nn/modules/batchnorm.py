"""PyTorch's place of `_BatchNorm`, of which all layers of batch normalisation are instances."""

from ..normalization import SyncBatchNorm as SyncBatchNorm, _BatchNorm as _BatchNorm
