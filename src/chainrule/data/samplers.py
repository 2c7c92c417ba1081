"""In which order samples are visited: samplers give indices, batch samplers lists of them."""

import math
import numbers
from typing import Generic, TypeVar

import numpy as np

from ..errors import ArgumentError, explain
from ..random import Generator
from .streams import generator_for

Index = TypeVar("Index", covariant=True)


class Sampler(Generic[Index]):
    """An order of samples. Subclasses give `__iter__` (and `__len__`, so that a loader knows the number of its batches)."""

    def __init__(self, data_source=None):
        self.data_source = data_source

    def __iter__(self):
        raise NotImplementedError(f"{type(self).__name__} must define __iter__(self)")


class SequentialSampler(Sampler):
    """0, 1, 2 and so on.

    >>> import chainrule as cr
    >>> list(cr.data.SequentialSampler("abc"))
    [0, 1, 2]
    """

    def __iter__(self):
        return iter(range(len(self.data_source)))

    def __len__(self):
        return len(self.data_source)


class DrawnSampler(Sampler):
    """What samplers that draw share: an order is a function of a generator. A DataLoader gives its own, if this has none."""

    def __init__(self, generator=None):
        self.generator = generator

    def draw(self, generator):
        """The order: an array of integers."""
        raise NotImplementedError(f"{type(self).__name__} must define draw(self, generator)")

    def __iter__(self):
        return iter(self.draw(generator_for(self.generator, None, type(self).__name__)).tolist())


class RandomSampler(DrawnSampler):
    """All samples in random order; or `num_samples`, drawn with replacement or without.

    Parameters
    ----------
    data_source : Dataset, or anything with a length
    replacement : draw each index anew, so that some come again
    num_samples : default the length; without replacement, more than that are several orders one after another
    generator : chainrule.Generator

    Examples
    --------
    >>> import chainrule as cr
    >>> sorted(cr.data.RandomSampler("abcd"))
    [0, 1, 2, 3]
    """

    def __init__(self, data_source, replacement=False, num_samples=None, generator=None):
        super().__init__(generator)
        if num_samples is not None and (not _is_int(num_samples) or num_samples < 0):
            raise _wrong("RandomSampler: num_samples must be an int from 0", f"num_samples: {num_samples!r}")
        self.data_source, self._num_samples = data_source, num_samples
        self.replacement = _flag(replacement, "RandomSampler: replacement")

    @property
    def num_samples(self):
        return len(self.data_source) if self._num_samples is None else int(self._num_samples)

    def __len__(self):
        return self.num_samples if len(self.data_source) else 0

    def draw(self, generator):
        n, count = len(self.data_source), len(self)
        if self.replacement:
            return np.asarray(generator.integers(0, max(n, 1), count))
        orders = [np.asarray(generator.permutation(n)) for _ in range(math.ceil(count / n) if n else 0)]
        return np.concatenate(orders)[:count] if orders else np.empty(0, np.int64)


class SubsetRandomSampler(DrawnSampler):
    """`indices` in random order.

    >>> import chainrule as cr
    >>> sorted(cr.data.SubsetRandomSampler([7, 3, 5]))
    [3, 5, 7]
    """

    def __init__(self, indices, generator=None):
        super().__init__(generator)
        self.indices = np.asarray(indices, np.int64).reshape(-1)

    def __len__(self):
        return len(self.indices)

    def draw(self, generator):
        return self.indices[np.asarray(generator.permutation(len(self.indices)))]


class DistributedSampler(Sampler):
    """The part of all samples that one of several processes is to visit, as PyTorch's: every so many-th of an order.

    Parameters
    ----------
    dataset : Dataset, or anything with a length
    num_replicas, rank : how many processes there are, and the number of this one
    shuffle : whether the order is drawn, anew for each epoch that `set_epoch` says, the same in all processes
    seed : to draw from
    drop_last : leave samples out, rather than visiting some twice, so that all processes have as many

    Examples
    --------
    >>> import chainrule as cr
    >>> list(cr.data.DistributedSampler("abcde", num_replicas=2, rank=1, shuffle=False))
    [1, 3, 0]
    """

    def __init__(self, dataset, num_replicas=1, rank=0, shuffle=True, seed=0, drop_last=False):
        num_replicas, rank = 1 if num_replicas is None else num_replicas, 0 if rank is None else rank
        if not 0 <= rank < num_replicas:
            asked = "DistributedSampler: rank counts the num_replicas processes from 0"
            raise ArgumentError(explain(asked, f"rank: {rank}    num_replicas: {num_replicas}", help="rank 0 of 1 is alone"))
        self.dataset, self.num_replicas, self.rank = dataset, num_replicas, rank
        self.shuffle, self.seed, self.drop_last, self.epoch = shuffle, seed, drop_last, 0

    def __len__(self):
        n = len(self.dataset)
        return n // self.num_replicas if self.drop_last else math.ceil(n / self.num_replicas)

    def __iter__(self):
        n, total = len(self.dataset), len(self) * self.num_replicas
        order = np.asarray(Generator(self.seed + self.epoch).permutation(n)) if self.shuffle else np.arange(n)
        return iter(np.resize(order, total)[self.rank :: self.num_replicas].tolist() if n else [])

    def set_epoch(self, epoch):
        """Say which epoch begins, so that the order is another one."""
        self.epoch = epoch


class WeightedRandomSampler(DrawnSampler):
    """Indices drawn with probabilities in proportion to `weights`, for example to show rare classes more often.

    Parameters
    ----------
    weights : one number from 0 per sample
    num_samples : how many to draw
    replacement : whether an index may come again; without it, the weights of those that are left decide each draw
    generator : chainrule.Generator

    Raises
    ------
    ArgumentError
        A weight is negative or not finite, all are zero, or more samples are asked for than have a weight.

    Notes
    -----
    Without replacement, the samples with the smallest of exponential variates over their weights are those that successive
    draws would give (Efraimidis and Spirakis, Weighted random sampling with a reservoir, 2006).

    Examples
    --------
    >>> import chainrule as cr
    >>> list(cr.data.WeightedRandomSampler([0, 1, 0], 4))
    [1, 1, 1, 1]
    """

    def __init__(self, weights, num_samples, replacement=True, generator=None):
        super().__init__(generator)
        self.weights, self.num_samples = np.asarray(weights, np.float64), num_samples
        self.replacement = _flag(replacement, "WeightedRandomSampler: replacement")
        if (
            self.weights.ndim != 1
            or not np.isfinite(self.weights).all()
            or (self.weights < 0).any()
            or not self.weights.sum() > 0
        ):
            raise _wrong(
                "WeightedRandomSampler: weights must be finite numbers from 0, not all of them 0",
                f"weights: {self.weights.shape}, the least of them {self.weights.min(initial=np.inf)}",
            )
        if not _is_int(num_samples) or num_samples < 0:
            raise _wrong("WeightedRandomSampler: num_samples must be an int from 0", f"num_samples: {num_samples!r}")
        if not self.replacement and num_samples > np.count_nonzero(self.weights):
            found = f"num_samples: {num_samples}    weights above 0: {np.count_nonzero(self.weights)}"
            raise _wrong("WeightedRandomSampler: too few samples to draw without replacement", found)

    def __len__(self):
        return int(self.num_samples)

    def draw(self, generator):
        if self.replacement:
            ends = np.cumsum(self.weights)
            last = np.flatnonzero(self.weights)[-1]  # rounding must not lead beyond it
            return np.minimum(np.searchsorted(ends, np.asarray(generator.random(len(self))) * ends[-1], side="right"), last)
        with np.errstate(divide="ignore"):
            times = np.asarray(generator.standard_exponential(len(self.weights))) / self.weights
        return np.argsort(times, kind="stable")[: len(self)]


class BatchSampler(Sampler):
    """Lists of `batch_size` indices of another sampler.

    >>> import chainrule as cr
    >>> list(cr.data.BatchSampler(range(5), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler, batch_size, drop_last=False):
        self.sampler, self.batch_size = sampler, check_batch_size(batch_size, "BatchSampler")
        self.drop_last = _flag(drop_last, "BatchSampler: drop_last")

    def __iter__(self):
        batch = []
        for index in self.sampler:
            batch.append(index)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self):
        n = len(self.sampler)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)


class BucketBatchSampler(DrawnSampler):
    """Batches of samples of similar length, so that little is padded; the batches come in random order.

    Parameters
    ----------
    lengths : length of each sample
    batch_size : samples per batch
    drop_last : leave out a batch that is smaller
    generator : chainrule.Generator
    noise : lengths are multiplied by random numbers from [1, 1 + noise] before samples are sorted by them, so that batches
        differ from epoch to epoch

    Examples
    --------
    >>> import chainrule as cr
    >>> sorted(sorted(batch) for batch in cr.data.BucketBatchSampler([9, 1, 8, 2], batch_size=2))
    [[0, 2], [1, 3]]
    """

    def __init__(self, lengths, batch_size, drop_last=False, generator=None, noise=0.1):
        super().__init__(generator)
        self.lengths, self.drop_last, self.noise = np.asarray(lengths, np.float64).reshape(-1), bool(drop_last), float(noise)
        self.batch_size = check_batch_size(batch_size, "BucketBatchSampler")

    def __len__(self):
        n = len(self.lengths)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def draw(self, generator):
        by_length = np.argsort(
            self.lengths * np.asarray(generator.uniform(1, 1 + self.noise, len(self.lengths))), kind="stable"
        )
        starts = np.asarray(generator.permutation(len(self))) * self.batch_size
        return [by_length[s : s + self.batch_size].tolist() for s in starts]

    def __iter__(self):
        return iter(self.draw(generator_for(self.generator, None, "BucketBatchSampler")))


def _is_int(x):
    return isinstance(x, numbers.Integral) and not isinstance(x, bool)


def _flag(value, asked):
    """True or False, and not a number that was meant for another parameter."""
    if not isinstance(value, (bool, np.bool_)):
        raise _wrong(f"{asked} must be True or False", f"found: {value!r}")
    return bool(value)


def check_batch_size(batch_size, asked):
    """`batch_size` as an int, if it is one above 0."""
    if not _is_int(batch_size) or batch_size < 1:
        raise ArgumentError(
            explain(f"{asked}: batch_size must be a positive int", f"batch_size: {batch_size!r}", help="for example 32")
        )
    return int(batch_size)


def _wrong(asked, found):
    return ArgumentError(explain(asked, found, help="see the parameters in the documentation of this sampler"))
