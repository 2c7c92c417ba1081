"""PyTorch's place of tables."""

from ..embedding import (
    Embedding as Embedding,
    EmbeddingBag as EmbeddingBag,
)
