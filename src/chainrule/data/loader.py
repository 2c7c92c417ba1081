"""Batches of samples, in order or shuffled."""

import numbers

import numpy as np

from .. import trees
from ..creation import from_numpy
from ..errors import ArgumentError, ShapeError, TreeError, explain
from ..ops.joining import stack
from ..random import Generator
from ..tensor import Tensor
from .dataset import generator_for


def default_collate(samples):
    """One batch from a list of samples: trees of the same structure, joined leaf by leaf along a new axis 0.

    Parameters
    ----------
    samples : list of numbers, arrays, Tensors, or of dicts, lists, tuples and dataclasses of these

    Returns
    -------
    A tree of that structure with Tensors of shape (len(samples), ...); strings and other objects come as lists.

    Raises
    ------
    TreeError
        The structures differ.
    ShapeError
        Arrays at the same place have different shapes.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.data.default_collate([{"x": 1.0, "y": 0}, {"x": 2.0, "y": 1}])
    {'x': tensor([1., 2.]), 'y': tensor([0, 1])}
    """
    samples = list(samples)
    if not samples:
        raise ArgumentError(explain("default_collate of no samples", "samples: 0", help="give at least one"))
    first, structure = trees.flatten(samples[0])
    columns = [first]
    for i, sample in enumerate(samples[1:], 1):
        try:
            columns.append(trees.leaves_like(structure, sample, f"sample {i}"))
        except TreeError as error:
            raise TreeError(f"default_collate: samples 0 and {i} differ in structure\n{error}") from None
    rows = zip(*columns, strict=True)
    places = trees.paths(structure, "sample")
    return trees.unflatten(structure, [_join(leaves, place) for leaves, place in zip(rows, places, strict=True)])


def _join(leaves, place):
    if isinstance(leaves[0], (str, bytes)) or not isinstance(leaves[0], (Tensor, np.ndarray, np.generic, numbers.Number)):
        return list(leaves)
    shapes = [np.shape(x) if not isinstance(x, Tensor) else x.shape for x in leaves]
    if len(set(shapes)) > 1:
        i = next(i for i, s in enumerate(shapes) if s != shapes[0])
        raise ShapeError(
            explain(
                f"default_collate: arrays at {place} differ in shape",
                f"sample 0: {shapes[0]}    sample {i}: {shapes[i]}",
                help="pad or crop them to one shape, or give a collate_fn",
            )
        )
    if any(isinstance(x, Tensor) and x.requires_grad for x in leaves):
        return stack(leaves)
    return from_numpy(np.stack([np.asarray(x) for x in leaves]))


class DataLoader:
    """Batches of a dataset, for a `for` loop: each pass over it is one epoch.

    Parameters
    ----------
    dataset : Dataset, or anything with `__len__` and `__getitem__`
    batch_size : samples per batch; the last batch may be smaller
    shuffle : a new random order in each epoch
    seed : int; epoch e of one seed always has the same order, whatever else draws random numbers
    generator : chainrule.Generator to draw orders from; default the one that `chainrule.manual_seed` starts
    drop_last : leave out a last batch that is smaller than `batch_size`
    collate_fn : list of samples -> batch; default `default_collate`, and whole arrays at once for a TensorDataset
    sampler : iterable of indices to use in place of all, in its order; `shuffle` must then be False
    num_workers, pin_memory : accepted for PyTorch's sake; batches are made in this process

    Iteration gives what `collate_fn` makes: for a TensorDataset of x and y, pairs of Tensors of shapes
    (batch, *x.shape[1:]) and (batch, *y.shape[1:]). `len(loader)` is the number of batches.

    Raises
    ------
    ArgumentError
        `batch_size` is not a positive int, or options contradict each other.

    Examples
    --------
    >>> import chainrule as cr
    >>> data = cr.data.TensorDataset(np.arange(5.0), np.arange(5))
    >>> for x, y in cr.data.DataLoader(data, batch_size=2):
    ...     print(x, y)
    tensor([0., 1.]) tensor([0, 1])
    tensor([2., 3.]) tensor([2, 3])
    tensor([4.]) tensor([4])
    """

    def __init__(
        self,
        dataset,
        batch_size=1,
        shuffle=False,
        *,
        seed=None,
        generator=None,
        drop_last=False,
        collate_fn=None,
        sampler=None,
        num_workers=0,
        pin_memory=False,
    ):
        if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
            raise ArgumentError(
                explain(
                    "DataLoader: the dataset must have __len__ and __getitem__",
                    f"dataset: {type(dataset).__name__}",
                    help="put arrays into chainrule.data.TensorDataset(x, y)",
                )
            )
        if not isinstance(batch_size, numbers.Integral) or isinstance(batch_size, bool) or batch_size < 1:
            raise ArgumentError(
                explain("DataLoader: batch_size must be a positive int", f"batch_size: {batch_size!r}", help="for example 32")
            )
        if sampler is not None and shuffle:
            raise ArgumentError(
                explain(
                    "DataLoader: a sampler gives the order, so shuffle must be False",
                    f"sampler: {type(sampler).__name__}    shuffle: {shuffle}",
                    help="leave out one of the two",
                )
            )
        generator_for(generator, seed, "DataLoader")
        self.dataset, self.batch_size, self.shuffle = dataset, int(batch_size), bool(shuffle)
        self.seed, self.generator, self.drop_last = seed, generator, bool(drop_last)
        self.collate_fn, self.sampler = collate_fn, sampler
        self.epoch = 0

    def set_epoch(self, epoch):
        """Make the next pass epoch `epoch` of the seed, to continue a run where it stopped."""
        self.epoch = epoch

    def __len__(self):
        n = len(self.dataset if self.sampler is None else self.sampler)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def _order(self):
        """Indices of this epoch, or None for all in order."""
        if self.sampler is not None:
            return np.fromiter(self.sampler, np.int64)
        if not self.shuffle:
            return None
        n = len(self.dataset)
        if self.seed is not None:
            return np.asarray(Generator([self.seed, self.epoch]).permutation(n))
        return np.asarray(generator_for(self.generator, None, "DataLoader").permutation(n))

    def __iter__(self):
        order = self._order()
        self.epoch += 1
        return self._batches(order)

    def _batches(self, order):
        dataset, step = self.dataset, self.batch_size
        n = len(dataset) if order is None else len(order)
        whole = getattr(dataset, "take", None) if self.collate_fn is None else None
        collate = self.collate_fn or default_collate
        for start in range(0, n, step):
            stop = min(start + step, n)
            if self.drop_last and stop - start < step:
                return
            if whole is not None:
                yield whole(slice(start, stop) if order is None else order[start:stop])
            else:
                indices = range(start, stop) if order is None else order[start:stop].tolist()
                yield collate([dataset[i] for i in indices])

    def __repr__(self):
        return f"DataLoader({self.dataset!r}, batch_size={self.batch_size}, shuffle={self.shuffle})"
