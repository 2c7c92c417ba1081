"""PyTorch's place of dense layers."""

from ..linear import (
    Bilinear as Bilinear,
    Identity as Identity,
    Linear as Linear,
)
