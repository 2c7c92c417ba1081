"""Collections of samples: anything with a length and an index."""

import math
from bisect import bisect_right
from itertools import accumulate

import numpy as np

from ..core.value import Value
from ..creation import from_numpy
from ..errors import ArgumentError, ShapeError, explain
from ..random import Generator, default_generator
from ..tensor import Tensor


class Dataset:
    """A collection of samples. Subclasses give `__len__` and `__getitem__`.

    Any object with these two methods serves; deriving from this class adds `a + b`, which joins two datasets. A
    dataset that can give a whole batch at once may add `take(indices)`; `DataLoader` then uses it.

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
        # Plain arrays are indexed without going through the tape; Tensors with a derivative keep it.
        self._arrays = [None if t.requires_grad or isinstance(t.value, Value) else np.asarray(t) for t in self.tensors]

    def __len__(self):
        return self.tensors[0].shape[0]

    def __getitem__(self, index):
        return self.take(index)

    def take(self, indices):
        """All samples of `indices` (a slice or an array of integers) at once, one Tensor per array."""
        pairs = zip(self.tensors, self._arrays, strict=True)
        return tuple(t[indices] if a is None else from_numpy(np.asarray(a[indices])) for t, a in pairs)

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{t.dtype} {t.shape}' for t in self.tensors)})"


class Subset(Dataset):
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
    def take(self):
        """As `dataset.take`; there is none if the dataset has none."""
        of_dataset = self.dataset.take
        return lambda at: of_dataset(self.indices[at])

    def __len__(self):
        return len(self.indices)

    def __getitem__(self, index):
        return self.dataset[int(self.indices[index])]


class ConcatDataset(Dataset):
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

    def __getitem__(self, index):
        i = index + len(self) if index < 0 else index
        if not 0 <= i < len(self):
            raise IndexError(f"index {index} of a ConcatDataset with {len(self)} samples")
        part = bisect_right(self.ends, i)
        return self.datasets[part][int(i) - (self.ends[part - 1] if part else 0)]


def random_split(dataset, lengths, generator=None, seed=None):
    """Divide the samples of `dataset` at random into parts that do not overlap.

    Parameters
    ----------
    dataset : Dataset
    lengths : numbers of samples that add up to `len(dataset)`, or fractions that add up to 1
    generator : chainrule.Generator; default the one that `chainrule.manual_seed` starts
    seed : in place of a generator: the same seed always gives the same parts

    Returns
    -------
    list of Subset

    Raises
    ------
    ArgumentError
        The lengths do not add up, or both `generator` and `seed` are given.

    Examples
    --------
    >>> import chainrule as cr
    >>> train, test = cr.data.random_split(cr.data.TensorDataset(np.arange(10)), [0.8, 0.2], seed=0)
    >>> len(train), len(test)
    (8, 2)
    """
    n, lengths = len(dataset), list(lengths)
    sizes = lengths
    if lengths and all(0 <= f <= 1 for f in lengths) and math.isclose(sum(lengths), 1) and sum(lengths) != n:
        sizes = [math.floor(n * f) for f in lengths]
        for i in range(n - sum(sizes)):  # what rounding left over goes round, as in PyTorch
            sizes[i % len(sizes)] += 1
    if not sizes or any(s != int(s) or s < 0 for s in sizes) or sum(sizes) != n:
        raise ArgumentError(
            explain(
                "random_split: lengths must add up to the length of the dataset, or be fractions that add up to 1",
                f"lengths: {lengths}, which add up to {sum(lengths)}    dataset: {n} samples",
                help="for example [0.8, 0.2]",
            )
        )
    order = np.asarray(generator_for(generator, seed, "random_split").permutation(n))
    ends = list(accumulate(int(s) for s in sizes))
    return [Subset(dataset, order[end - int(size) : end]) for end, size in zip(ends, sizes, strict=True)]


def generator_for(generator, seed, asked):
    """The generator that was given, a new one from `seed`, or the default one."""
    if generator is not None and seed is not None:
        raise ArgumentError(
            explain(f"{asked}: give `generator` or `seed`, not both", f"seed: {seed!r}", help="a seed alone is enough")
        )
    if seed is not None:
        return Generator(seed)
    return default_generator if generator is None else generator
