"""Making one batch, whether in a worker process or in the program itself."""

from itertools import islice

import numpy as np

from . import streams
from .collate import default_collate, default_convert
from .dataset import take_of

JOINING = 2**62  # the place in an epoch that random numbers of a collate_fn are drawn for, beyond all samples
# Positions that are not those of a sample in its batch.
STARTING, COLLATING, WHOLE = -1, -2, -3
PLACES = {STARTING: "the start", COLLATING: "collate_fn", WHOLE: "a whole batch"}


class Exhausted(Exception):
    """A stream of samples has come to its end."""


class Task:
    """What there is to do for one batch.

    Parameters
    ----------
    number : of the batch in its epoch
    start : number of samples before it
    indices : of its samples; for a stream, how many there should be
    """

    __slots__ = ("indices", "number", "start")

    def __init__(self, number, start, indices):
        self.number, self.start, self.indices = number, start, indices

    def item(self, position):
        """How the sample at a position of the batch is called."""
        if position in PLACES:
            return PLACES[position]
        if isinstance(self.indices, int):
            return f"sample {self.start + position} of the stream"
        indices = range(self.indices.start, self.indices.stop) if isinstance(self.indices, slice) else self.indices
        return f"item {indices[position]}"


class MapFetch:
    """Batches of a dataset with indices."""

    def __init__(self, dataset, collate_fn, batched):
        self.dataset, self.batched = dataset, batched
        self.collate = collate_fn or (default_collate if batched else default_convert)
        self.whole = batched and collate_fn is None and take_of(dataset) is not None
        self.several = batched and hasattr(dataset, "__getitems__")  # PyTorch's name for a list of samples at once

    def begin(self, key):
        """Start an epoch, of which the random numbers follow from `key`."""
        self.key = key

    def __call__(self, task, note):
        """The batch of a task. `note` is told the position of each sample before it is loaded."""
        if self.whole:
            note(WHOLE)
            indices = task.indices
            return take_of(self.dataset)(indices if isinstance(indices, slice) else np.asarray(indices, np.int64))
        indices = range(task.indices.start, task.indices.stop) if isinstance(task.indices, slice) else task.indices
        samples = []
        try:
            if self.several:
                note(WHOLE)
                streams.begin((*self.key, task.start))
                samples = self.dataset.__getitems__(list(indices))
            for i, index in enumerate(() if self.several else indices):
                note(i)
                streams.begin((*self.key, task.start + i))
                samples.append(self.dataset[index])
            note(COLLATING)
            streams.begin((*self.key, task.start, JOINING))
            return self.collate(samples) if self.batched else self.collate(samples[0])
        finally:
            streams.begin(None)


class StreamFetch:
    """Batches of a dataset without indices, as they come."""

    whole = False

    def __init__(self, dataset, collate_fn, batched, drop_last):
        self.dataset, self.batched, self.drop_last = dataset, batched, drop_last
        self.collate = collate_fn or (default_collate if batched else default_convert)

    def begin(self, key):
        self.key, self.samples = key, iter(self.dataset)

    def __call__(self, task, note):
        found: list = []
        try:
            for i in range(task.indices):
                note(i)
                streams.begin((*self.key, task.start + i))
                found += islice(self.samples, 1)
                if len(found) == i:
                    break
            if not found or (self.drop_last and len(found) < task.indices):
                raise Exhausted
            note(COLLATING)
            streams.begin((*self.key, task.start, JOINING))
            return self.collate(found) if self.batched else self.collate(found[0])
        finally:
            streams.begin(None)
