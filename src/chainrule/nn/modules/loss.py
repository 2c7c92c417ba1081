"""PyTorch's place of the base classes of losses."""

from ..loss import _Loss as _Loss, _WeightedLoss as _WeightedLoss
