"""Datasets, batches of them, and real images to train on."""

from .dataset import (
    ConcatDataset as ConcatDataset,
    Dataset as Dataset,
    Subset as Subset,
    TensorDataset as TensorDataset,
    random_split as random_split,
)
from .idx import read_idx as read_idx
from .images import (
    ImageDataset as ImageDataset,
    load_digits as load_digits,
    load_fashion_mnist as load_fashion_mnist,
)
from .loader import DataLoader as DataLoader, default_collate as default_collate
