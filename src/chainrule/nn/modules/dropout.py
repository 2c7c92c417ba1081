"""PyTorch's place of dropout."""

from ..dropout import (
    AlphaDropout as AlphaDropout,
    Dropout1d as Dropout1d,
    Dropout2d as Dropout2d,
    Dropout3d as Dropout3d,
    FeatureAlphaDropout as FeatureAlphaDropout,
)
