"""Parts of a dataset that do not overlap: at random, of the same mixture of classes, or in folds."""

import math
from itertools import accumulate

import numpy as np

from ..errors import ArgumentError, ShapeError, explain
from .dataset import Subset
from .streams import generator_for


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


def train_validation_split(dataset, validation=0.2, *, stratify=None, generator=None, seed=None):
    """Divide a dataset into one part to train on and one to judge by.

    Parameters
    ----------
    dataset : Dataset
    validation : share of the samples that go into the second part, or their number
    stratify : a label per sample; both parts then have the same share of each label, as nearly as whole numbers allow
    generator, seed : as for `random_split`

    Returns
    -------
    (train, validation) : Subsets, with indices in ascending order

    Raises
    ------
    ArgumentError
        One of the parts would be empty.
    ShapeError
        There are not as many labels as samples.

    Examples
    --------
    >>> import chainrule as cr
    >>> labels = np.array([0] * 80 + [1] * 20)
    >>> train, held_out = cr.data.train_validation_split(cr.data.TensorDataset(labels), 0.1, stratify=labels, seed=0)
    >>> np.bincount(labels[held_out.indices])
    array([8, 2])
    """
    n = len(dataset)
    count = validation if isinstance(validation, (int, np.integer)) else round(validation * n)
    if not 0 < count < n:
        raise ArgumentError(
            explain(
                "train_validation_split: both parts must have samples",
                f"validation: {validation}    dataset: {n} samples",
                help="give a share such as 0.2, or a number of samples below that of the dataset",
            )
        )
    random = generator_for(generator, seed, "train_validation_split")
    order = np.asarray(random.permutation(n))
    chosen = order[:count] if stratify is None else _stratified(order, _labels(stratify, n, "train_validation_split"), count)
    held_out = np.zeros(n, bool)
    held_out[chosen] = True
    return Subset(dataset, np.flatnonzero(~held_out)), Subset(dataset, np.flatnonzero(held_out))


def k_fold(dataset, folds=5, *, stratify=None, generator=None, seed=None):
    """Divide a dataset `folds` times into a part to train on and one to judge by, so that each sample is judged by once.

    Parameters
    ----------
    dataset : Dataset
    folds : int from 2 up to the number of samples
    stratify, generator, seed : as for `train_validation_split`

    Returns
    -------
    list of (train, validation)

    Examples
    --------
    >>> import chainrule as cr
    >>> [(len(train), len(held_out)) for train, held_out in cr.data.k_fold(cr.data.TensorDataset(np.arange(7)), 3, seed=0)]
    [(4, 3), (5, 2), (5, 2)]
    """
    n = len(dataset)
    if isinstance(folds, bool) or not isinstance(folds, (int, np.integer)) or not 2 <= folds <= n:
        raise ArgumentError(
            explain(
                "k_fold: folds must be an int from 2 up to the number of samples", f"folds: {folds!r}    samples: {n}", help="5"
            )
        )
    order = np.asarray(generator_for(generator, seed, "k_fold").permutation(n))
    if stratify is not None:  # equal labels side by side, dealt out like cards
        labels = _labels(stratify, n, "k_fold")
        order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(n, np.int64)
    fold[order] = np.arange(n) % folds
    return [(Subset(dataset, np.flatnonzero(fold != k)), Subset(dataset, np.flatnonzero(fold == k))) for k in range(folds)]


def _labels(stratify, n, asked):
    labels = np.unique(np.asarray(stratify), return_inverse=True)[1]
    if labels.shape != (n,):
        raise ShapeError(
            explain(
                f"{asked}: stratify needs a label per sample", f"labels: {labels.shape}    samples: {n}", help="an array (n,)"
            )
        )
    return labels


def _stratified(order, labels, count):
    """`count` of the indices `order`, of each label its share: whole numbers by largest remainders."""
    sizes = np.bincount(labels)
    exact = sizes * (count / len(labels))
    taken = np.floor(exact).astype(np.int64)
    taken[np.argsort(taken - exact, kind="stable")[: count - taken.sum()]] += 1
    return np.concatenate([order[labels[order] == label][:k] for label, k in enumerate(taken)])
