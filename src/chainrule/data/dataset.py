"""Collections of samples: anything with a length and an index."""

from bisect import bisect_right
from itertools import accumulate
from typing import Generic, TypeVar

import numpy as np

from .. import trees
from ..core.value import Value
from ..creation import from_numpy
from ..errors import ArgumentError, ShapeError, explain
from ..ops.joining import concatenate
from ..tensor import Tensor

Sample = TypeVar("Sample", covariant=True)


class Dataset(Generic[Sample]):
    """A collection of samples. Subclasses give `__len__` and `__getitem__`.

    Any object with these two methods serves; deriving from this class adds `a + b`, which joins two datasets. A
    dataset that can give a whole batch at once may add `take(indices)`, of a slice or an array of integers; `DataLoader`
    then uses it, which for arrays is a hundred times faster than sample by sample.

    Examples
    --------
    >>> import chainrule as cr
    >>> class Squares(cr.data.Dataset):
    ...     def __len__(self):
    ...         return 4
    ...     def __getitem__(self, i):
    ...         return float(i), float(i * i)
    >>> next(iter(cr.data.DataLoader(Squares(), batch_size=4)))
    (tensor([0., 1., 2., 3.]), tensor([0., 1., 4., 9.]))
    """

    def __getitem__(self, index):
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__(self, index)")

    def __add__(self, other):
        return ConcatDataset([self, other])


class IterableDataset(Generic[Sample]):
    """A stream of samples, of which one may not know how many there are. Subclasses give `__iter__`.

    With worker processes, each of them walks over the stream on its own; `get_worker_info()` tells `__iter__` which share
    it should give.

    Examples
    --------
    >>> import chainrule as cr
    >>> class Countdown(cr.data.IterableDataset):
    ...     def __iter__(self):
    ...         return iter([3.0, 2.0, 1.0])
    >>> list(cr.data.DataLoader(Countdown(), batch_size=2))
    [tensor([3., 2.]), tensor([1.])]
    """

    def __iter__(self):
        raise NotImplementedError(f"{type(self).__name__} must define __iter__(self)")

    def __add__(self, other):
        return ChainDataset([self, other])


class ChainDataset(IterableDataset[Sample]):
    """Several streams one after another.

    >>> import chainrule as cr
    >>> [x for x in cr.data.ChainDataset([range(2), range(5, 7)])]
    [0, 1, 5, 6]
    """

    def __init__(self, datasets):
        self.datasets = list(datasets)

    def __iter__(self):
        for dataset in self.datasets:
            yield from dataset


class StackDataset(Dataset):
    """Samples of several datasets side by side: tuples, or with names dicts.

    Parameters
    ----------
    *args : Datasets of one length
    **kwargs : the same by name

    Examples
    --------
    >>> import chainrule as cr
    >>> both = cr.data.StackDataset(x=cr.data.TensorDataset(np.arange(3)), y=["a", "b", "c"])
    >>> len(both), both[1]
    (3, {'x': (tensor(1),), 'y': 'b'})
    """

    def __init__(self, *args, **kwargs):
        if bool(args) == bool(kwargs):
            raise ArgumentError(
                explain("StackDataset takes datasets, either by position or by name", help="StackDataset(images, labels)")
            )
        self.datasets = kwargs or args
        lengths = [len(d) for d in self._parts()]
        if len(set(lengths)) > 1:
            raise ArgumentError(
                explain("StackDataset: the datasets differ in length", f"lengths: {lengths}", help="Subset takes a part of one")
            )

    def _parts(self):
        return self.datasets.values() if isinstance(self.datasets, dict) else self.datasets

    def __len__(self):
        return len(next(iter(self._parts())))

    def __getitem__(self, index):
        if isinstance(self.datasets, dict):
            return {name: d[index] for name, d in self.datasets.items()}
        return tuple(d[index] for d in self.datasets)


class TensorDataset(Dataset):
    """Samples that are the rows of one or several arrays.

    Parameters
    ----------
    *tensors : Tensors or arrays that share the length of axis 0; none is copied

    Raises
    ------
    ShapeError
        The lengths differ, or an array has no axes.

    Examples
    --------
    >>> import chainrule as cr
    >>> ds = cr.data.TensorDataset(np.arange(6.0).reshape(3, 2), np.array([0, 1, 0]))
    >>> len(ds), ds[1]
    (3, (tensor([2., 3.]), tensor(1)))
    """

    def __init__(self, *tensors):
        if not tensors:
            raise ArgumentError(explain("TensorDataset needs at least one array", "given: none", help="TensorDataset(x, y)"))
        self.tensors = tuple(t if isinstance(t, Tensor) else from_numpy(np.asarray(t)) for t in tensors)
        shapes = [t.shape for t in self.tensors]
        if any(not s for s in shapes) or len({s[0] for s in shapes}) > 1:
            raise ShapeError(
                explain(
                    "TensorDataset: all arrays must have the same length along axis 0",
                    *(f"array {i}: {t.dtype} {t.shape}" for i, t in enumerate(self.tensors)),
                    help="one row per sample in each array",
                )
            )
        self._look()

    def _look(self):
        # Plain arrays are indexed without going through the tape; Tensors with a derivative keep it.
        self._seen = [t.value for t in self.tensors]
        self._arrays = [None if t.requires_grad or isinstance(t.value, Value) else np.asarray(t) for t in self.tensors]

    def _present(self):
        """The arrays, looked up again if a Tensor was changed."""
        for t, seen in zip(self.tensors, self._seen, strict=True):
            if t.value is not seen:
                self._look()
                break
        return self._arrays

    def plain_arrays(self):
        """The arrays, if none of them carries a derivative; otherwise None."""
        arrays = self._present()
        return None if any(a is None for a in arrays) else arrays

    def __len__(self):
        return self.tensors[0].shape[0]

    def __getitem__(self, index):
        return self.take(index)

    def take(self, indices):
        """All samples of `indices` (a slice or an array of integers) at once, one Tensor per array."""
        pairs = zip(self.tensors, self._present(), strict=True)
        return tuple(t[indices] if a is None else from_numpy(_rows(a, indices)) for t, a in pairs)

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{t.dtype} {t.shape}' for t in self.tensors)})"


def take_of(dataset):
    """The function of indices that gives whole batches of `dataset`, or None if it has none."""
    if isinstance(dataset, Tensor) and (dataset.requires_grad or isinstance(dataset.value, Value)):
        return dataset.__getitem__
    if isinstance(dataset, (np.ndarray, Tensor)):
        array = np.asarray(dataset)
        return lambda indices: from_numpy(_rows(array, indices))
    return getattr(dataset, "take", None) if isinstance(dataset, Dataset) else None


def _require_take(dataset):
    take = take_of(dataset)
    if take is None:
        raise AttributeError(f"{type(dataset).__name__} gives samples one by one")
    return take


def _rows(array, indices):
    if isinstance(indices, np.ndarray) and indices.dtype.kind == "i":
        return array.take(indices, 0)  # up to twice as fast as array[indices]
    return np.asarray(array[indices])


class MapDataset(Dataset[Sample]):
    """`dataset` with `function` applied to its samples when they are read, for example to augment images.

    Parameters
    ----------
    dataset : Dataset
    function : called with the parts of a sample if it is a tuple, else with the sample

    Examples
    --------
    >>> import chainrule as cr
    >>> ds = cr.data.MapDataset(cr.data.TensorDataset(np.arange(3.0), np.arange(3)), lambda x, y: (2 * x, y))
    >>> ds[1]
    (tensor(2.), tensor(1))
    """

    def __init__(self, dataset, function):
        self.dataset, self.function = dataset, function

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        sample = self.dataset[index]
        return self.function(*sample) if isinstance(sample, tuple) else self.function(sample)


class Subset(Dataset[Sample]):
    """The samples of `dataset` at `indices`, in that order.

    Examples
    --------
    >>> import chainrule as cr
    >>> part = cr.data.Subset(cr.data.TensorDataset(np.arange(5)), [4, 0])
    >>> len(part), part[0]
    (2, (tensor(4),))
    """

    def __init__(self, dataset, indices):
        n = len(dataset)
        self.dataset = dataset
        self.indices = np.asarray(indices, np.int64).reshape(-1)
        bad = self.indices[(self.indices < -n) | (self.indices >= n)]
        if len(bad):
            raise ArgumentError(
                explain(
                    "Subset: an index lies outside of the dataset",
                    f"index: {bad[0]}    dataset: {n} samples",
                    help=f"indices run from 0 to {n - 1}",
                )
            )

    @property
    def __getitems__(self):
        """PyTorch's way to whole lists of samples, if the dataset has it."""
        several = self.dataset.__getitems__
        return lambda indices: several(self.indices[list(indices)].tolist())

    @property
    def take(self):
        """Whole batches, if `dataset` can give such; there is none otherwise."""
        of_dataset = _require_take(self.dataset)
        return lambda at: of_dataset(self.indices[at])

    def __len__(self):
        return len(self.indices)

    def __getitem__(self, index):
        return self.dataset[int(self.indices[index])]


class ConcatDataset(Dataset[Sample]):
    """Several datasets one after another.

    Examples
    --------
    >>> import chainrule as cr
    >>> a, b = cr.data.TensorDataset(np.arange(3)), cr.data.TensorDataset(np.arange(10, 12))
    >>> len(a + b), (a + b)[3]
    (5, (tensor(10),))
    """

    def __init__(self, datasets):
        self.datasets = list(datasets)
        if not self.datasets:
            raise ArgumentError(explain("ConcatDataset needs a dataset", "given: none", help="ConcatDataset([a, b])"))
        self.ends = list(accumulate(len(d) for d in self.datasets))

    def __len__(self):
        return self.ends[-1]

    @property
    def cumulative_sizes(self):
        """PyTorch's name for `ends`: where the datasets end among all samples."""
        return self.ends

    def __getitem__(self, index):
        i = index + len(self) if index < 0 else index
        if not 0 <= i < len(self):
            raise IndexError(f"index {index} of a ConcatDataset with {len(self)} samples")
        part = bisect_right(self.ends, i)
        return self.datasets[part][int(i) - (self.ends[part - 1] if part else 0)]

    @property
    def take(self):
        """Whole batches, if all parts can give such; there is none otherwise."""
        takes = [_require_take(d) for d in self.datasets]
        return lambda indices: self._taken(takes, indices)

    def _taken(self, takes, indices):
        indices = np.arange(len(self))[indices]
        part_of = np.searchsorted(self.ends, indices, side="right")
        order = np.argsort(part_of, kind="stable")  # part by part, and back at the end
        pieces = []
        for part in np.unique(part_of):
            start = self.ends[part - 1] if part else 0
            pieces.append(takes[part](indices[part_of == part] - start))
        if not pieces:
            return takes[0](indices)
        back = np.argsort(order)
        return trees.tree_map(lambda *rows: concatenate(rows)[back], *pieces)
