"""From what users pass as data to batches: (inputs, target) with weights of samples."""

from collections.abc import Mapping

import numpy as np

from ..creation import from_numpy
from ..data.dataset import Dataset, Subset, TensorDataset
from ..data.loader import DataLoader
from ..errors import ArgumentError, ShapeError, explain
from ..tensor import Tensor

EVALUATION_BATCH = 1024


def is_arrays(data):
    """Whether these are arrays (inputs, ..., targets)."""
    return (
        isinstance(data, (tuple, list)) and len(data) > 1 and all(isinstance(a, (np.ndarray, Tensor)) and a.ndim for a in data)
    )


def as_batches(data, batch_size, shuffle, seed, name="data"):
    """Something that gives batches each time it is iterated over."""
    if isinstance(data, Dataset):
        return DataLoader(data, batch_size, shuffle, seed=seed)
    if is_arrays(data):
        return DataLoader(TensorDataset(*data), batch_size, shuffle, seed=seed)
    if isinstance(data, (np.ndarray, Tensor, Mapping, str)) or not hasattr(data, "__iter__"):
        raise ArgumentError(
            explain(
                f"fit: `{name}` must give batches of inputs and targets",
                f"found: {type(data).__name__}",
                help="pass a DataLoader, a Dataset, or arrays (inputs, targets)",
            )
        )
    return data


def split(data, share):
    """(data to train on, data to validate with): the last `share` of the samples, in their order, is held out."""
    if not isinstance(share, (int, float)) or not 0 < share < 1:
        raise ArgumentError(
            explain("fit: validation_split is a share between 0 and 1", f"found: {share!r}", help="for example 0.2")
        )
    if is_arrays(data):
        data = TensorDataset(*data)
    if not isinstance(data, Dataset):
        raise ArgumentError(
            explain(
                "fit: validation_split needs arrays or a Dataset, which can be cut in two",
                f"found: {type(data).__name__}",
                help="cut the data set first (chainrule.data.random_split) and pass validation=",
            )
        )
    n = len(data)  # type: ignore[arg-type]
    kept = n - round(n * share)
    if kept in (0, n):
        raise ArgumentError(
            explain(
                "fit: validation_split leaves one part empty", f"{n} samples, share {share}", help="pass validation= instead"
            )
        )
    return Subset(data, range(kept)), Subset(data, range(kept, n))


def with_weights(data, sample_weight):
    """Arrays or a Dataset, with a weight for each sample as the last part of a batch."""
    weights = np.asarray(sample_weight, np.float32)
    if is_arrays(data):
        n = len(data[0])
    elif isinstance(data, TensorDataset):
        n = len(data)
        data = data.tensors
    else:
        raise ArgumentError(
            explain(
                "fit: sample_weight needs the data as arrays",
                f"found: {type(data).__name__}",
                help="pass (inputs, targets), or let the loss weigh samples",
            )
        )
    if weights.shape != (n,) or not (weights >= 0).all():
        raise ShapeError(
            explain(
                "fit: sample_weight is one number, not negative, per sample",
                f"samples: {n}    sample_weight: {weights.shape}",
                help="np.ones(len(inputs)) weighs all alike",
            )
        )
    return tuple(data) + (weights,)


def parts(batch):
    """([input, ...], target) of a batch."""
    if not isinstance(batch, (tuple, list)) or len(batch) < 2:
        raise ArgumentError(
            explain(
                "a batch must be a tuple (input, ..., target)",
                f"found: {type(batch).__name__}" + (f" of {len(batch)}" if isinstance(batch, (tuple, list)) else ""),
                help="TensorDataset(inputs, targets), or a collate_fn that gives such tuples",
            )
        )
    return list(batch[:-1]), batch[-1]


def class_weights(given):
    """A function labels -> weights, from {class: weight} or a list with the weight of each class."""
    table = dict(given) if isinstance(given, Mapping) else dict(enumerate(given))
    most = max((int(k) for k in table), default=-1)
    weights = np.ones(most + 1, np.float32)
    for label, weight in table.items():
        weights[int(label)] = weight

    def of(labels):
        labels = np.asarray(labels.detach() if isinstance(labels, Tensor) else labels)
        if labels.dtype.kind not in "iub":
            raise ArgumentError(
                explain(
                    "class_weight needs whole numbers as targets",
                    f"targets: {labels.dtype} {labels.shape}",
                    help="weigh samples with sample_weight instead",
                )
            )
        labels = labels.astype(np.int64)
        return np.where(labels <= most, weights[np.minimum(labels, most)], np.float32(1))

    return of


def weights_of(batch, weighted, by_class):
    """(batch without its weights, weights as a Tensor or None)."""
    weights = None
    if weighted:
        *batch, weights = batch
    if by_class is not None:
        own = by_class(batch[-1])
        weights = own if weights is None else own * np.asarray(weights)
    return batch, weights if weights is None or isinstance(weights, Tensor) else from_numpy(weights)


def no_batches(name, epoch):
    """The error for data that give nothing."""
    help = "check the size of the dataset, and drop_last" if epoch == 1 else "an iterator ends for good; pass a DataLoader"
    return ArgumentError(explain(f"{name}: no batches in epoch {epoch}", "batches: 0", help=help))
