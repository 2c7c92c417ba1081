"""Batches, in order or shuffled, made here or by worker processes."""

from itertools import islice, repeat
from typing import Generic

import numpy as np

from ..errors import ArgumentError, explain
from ..random import Generator
from .ahead import batches_of_rows, rows_of
from .dataset import Dataset, IterableDataset, Sample
from .fetch import STARTING, Exhausted, MapFetch, StreamFetch, Task
from .samplers import BatchSampler, DrawnSampler, RandomSampler, SequentialSampler, check_batch_size
from .streams import drawn_key, generator_for
from .workers import Pool


class DataLoader(Generic[Sample]):
    """Batches of a dataset, for a `for` loop: each pass over it is one epoch.

    Parameters
    ----------
    dataset : Dataset, array, or anything with `__len__` and `__getitem__`; or an IterableDataset
    batch_size : samples per batch; the last batch may be smaller. None gives samples one by one, not joined.
    shuffle : a new random order in each epoch
    sampler : iterable of indices to use in place of all, in its order; `shuffle` must then be False
    batch_sampler : iterable of lists of indices; in place of `batch_size`, `shuffle`, `sampler` and `drop_last`
    num_workers : processes that load batches ahead; 0 loads them in this process when they are asked for
    collate_fn : list of samples -> batch; default `default_collate`, and whole arrays at once for a TensorDataset
    drop_last : leave out a last batch that is smaller than `batch_size`
    timeout : seconds to wait for a batch of a worker; 0 waits for ever
    worker_init_fn : called in each worker process with its number, when it starts
    multiprocessing_context : "fork", "spawn", "forkserver" or a context of `multiprocessing`
    generator : chainrule.Generator to draw orders from; default the one that `chainrule.manual_seed` starts
    seed : int; epoch e of one seed always has the same order, whatever else draws random numbers
    prefetch_factor : batches that each worker loads ahead; default 2
    persistent_workers : keep the processes from epoch to epoch
    in_order : give batches in their order; otherwise as workers finish them
    pin_memory, pin_memory_device : accepted for PyTorch's sake; there is no other device

    Iteration gives what `collate_fn` makes: for a TensorDataset of x and y, pairs of Tensors of shapes
    (batch, *x.shape[1:]) and (batch, *y.shape[1:]). `len(loader)` is the number of batches.

    Attributes
    ----------
    epoch : number of the next pass, from 0

    Raises
    ------
    ArgumentError
        `batch_size` is not a positive int, or options contradict each other.
    WorkerError
        While batches are read: a worker process failed (the message has its traceback), died, or took longer than `timeout`.

    Notes
    -----
    What is random in the loading of a sample (`chainrule.data.stream()`, the transforms here) depends on the seed, the epoch
    and the sample's place in it, so that batches are the same with any number of workers. Arrays of batches come from workers
    through shared memory without a name: whether the program ends, is interrupted or killed, nothing of it stays.

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
        shuffle=None,
        sampler=None,
        batch_sampler=None,
        num_workers=0,
        collate_fn=None,
        pin_memory=False,
        drop_last=False,
        timeout=0,
        worker_init_fn=None,
        multiprocessing_context=None,
        generator=None,
        *,
        seed=None,
        prefetch_factor=None,
        persistent_workers=False,
        pin_memory_device="",
        in_order=True,
    ):
        self.streaming = _is_stream(dataset)
        if batch_size is not None:
            batch_size = check_batch_size(batch_size, "DataLoader")
        if batch_sampler is not None and batch_size == 1:
            batch_size = None  # as if it had not been given
        self.dataset, self.batch_size, self.shuffle, self.drop_last = dataset, batch_size, bool(shuffle), bool(drop_last)
        self.sampler, self.batch_sampler, self.generator, self.seed = sampler, batch_sampler, generator, seed
        self.num_workers, self.timeout, self.prefetch_factor = num_workers, timeout, prefetch_factor
        self.collate_fn, self.worker_init_fn, self.persistent_workers = collate_fn, worker_init_fn, bool(persistent_workers)
        self.multiprocessing_context, self.in_order = multiprocessing_context, bool(in_order)
        self.pin_memory, self.pin_memory_device = bool(pin_memory), pin_memory_device
        self._check()
        self.epoch = 0
        self._pool = self._left = self._resumed = None  # _left: the pass that is going on, or was left before its end

    def _check(self):
        """Raise ArgumentError if options contradict each other."""
        generator_for(self.generator, self.seed, "DataLoader")
        wrong = _contradiction(self)
        if wrong:
            raise ArgumentError(explain(f"DataLoader: {wrong[0]}", wrong[1], help="leave out one of the two"))
        for name, value, least in (("num_workers", self.num_workers, 0), ("prefetch_factor", self.prefetch_factor, 1)):
            if value is not None and (not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least):
                raise ArgumentError(explain(f"DataLoader: {name} must be an int from {least}", f"{name}: {value!r}", help="2"))
        if not isinstance(self.timeout, (int, float)) or not self.timeout >= 0:
            raise ArgumentError(
                explain(
                    "DataLoader: timeout must be a number of seconds from 0",
                    f"timeout: {self.timeout!r}",
                    help="0 waits for ever",
                )
            )
        if not self.num_workers:
            only = {
                "timeout": self.timeout > 0,
                "prefetch_factor": self.prefetch_factor is not None,
                "persistent_workers": self.persistent_workers,
                "multiprocessing_context": self.multiprocessing_context is not None,
            }
            if any(only.values()):
                given = ", ".join(name for name, is_given in only.items() if is_given)
                raise ArgumentError(
                    explain(
                        "DataLoader: options of worker processes without any",
                        f"num_workers: 0, and {given}",
                        help="num_workers=2",
                    )
                )

    # --- lengths and places -------------------------------------------------------------------------------------------

    def __len__(self):
        if self.batch_sampler is not None:
            return len(self.batch_sampler)
        n = len(self.dataset if self.sampler is None else self.sampler)
        if self.batch_size is None:
            return n
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def why_empty(self):
        """Why there are no batches, as a sentence; None if there are some, or if one cannot know.

        >>> import chainrule as cr
        >>> cr.data.DataLoader(np.zeros((3, 2)), batch_size=4, drop_last=True).why_empty()
        'drop_last leaves out the only batch: 3 samples are fewer than batch_size 4'
        """
        try:
            if len(self):
                return None
            n = len(self.dataset if self.sampler is None else self.sampler)
        except TypeError:
            return None
        if self.batch_sampler is not None:
            return "the batch_sampler gives no batches"
        if n == 0:
            return f"the {'dataset' if self.sampler is None else 'sampler'} has no samples"
        return f"drop_last leaves out the only batch: {n} samples are fewer than batch_size {self.batch_size}"

    def set_epoch(self, epoch):
        """Make the next pass epoch `epoch` of the seed, to continue a run where it stopped."""
        self.epoch = epoch
        self._resumed = self._left = None

    def state_dict(self):
        """Where the loading stands: after how many batches of which epoch. To save with a training run.

        >>> import chainrule as cr
        >>> loader = cr.data.DataLoader(np.arange(6), batch_size=2, shuffle=True, seed=0)
        >>> batches = iter(loader)
        >>> _ = next(batches)
        >>> state = loader.state_dict()
        >>> later = cr.data.DataLoader(np.arange(6), batch_size=2, shuffle=True, seed=0)
        >>> later.load_state_dict(state)
        >>> bool((next(iter(later)) == next(batches)).all())
        True
        """
        return dict(self._left) if self._left else {"epoch": self.epoch, "batch": 0, "key": None}

    def load_state_dict(self, state):
        """Let the next pass go on where `state_dict` was taken: the rest of its epoch, without loading what came before.

        Orders are drawn again from the same numbers, except those of samplers of your own, which must start in the same state.
        """
        self.epoch = int(state["epoch"])
        self._left = self._resumed = dict(state) if state["key"] is not None else None

    # --- iteration ----------------------------------------------------------------------------------------------------

    def __iter__(self):
        resumed, self._resumed = self._resumed, None
        fetch = self._fetch()
        left = resumed or {"epoch": self.epoch, "batch": 0, "key": self._key(fetch)}
        self._left, self.epoch = dict(left), left["epoch"] + 1
        return self._run(fetch, self._left)

    def _fetch(self):
        batched = self.batch_size is not None or self.batch_sampler is not None
        if self.streaming:
            return StreamFetch(self.dataset, self.collate_fn, batched, self.drop_last)
        return MapFetch(self.dataset, self.collate_fn, batched)

    def _key(self, fetch):
        """The numbers from which all that is random in this epoch follows."""
        if self.seed is not None:
            return [int(self.seed), self.epoch]
        sampler = self.sampler if self.batch_sampler is None else self.batch_sampler
        drawn = self.shuffle or isinstance(sampler, DrawnSampler)
        if not drawn and fetch.whole and not self.num_workers:
            return [0]  # nothing is random: the streams of others go on undisturbed
        own = getattr(sampler, "generator", None) if isinstance(sampler, DrawnSampler) else None
        return [drawn_key(generator_for(own or self.generator, None, "DataLoader"))]

    def _tasks(self, key, skip):
        """What there is to load, batch by batch, after the first `skip`."""
        start = 0
        for number, indices in enumerate(self._batches_of_indices(key)):
            if number >= skip:
                yield Task(number, start, indices)
            start += indices if isinstance(indices, int) else _length(indices)

    def _batches_of_indices(self, key):
        if self.streaming:
            return repeat(self.batch_size or 1)
        if self.batch_sampler is not None:
            sampler = self.batch_sampler
            return iter(_order(sampler, key) if isinstance(sampler, DrawnSampler) else sampler)
        step = self.batch_size or 1
        order = self._drawn_order(key)
        if order is None and (self.sampler is None or isinstance(self.sampler, SequentialSampler)):
            order = range(len(self.dataset if self.sampler is None else self.sampler))
        if order is not None:
            return _slices(order, step, self.drop_last)
        return iter(BatchSampler(self.sampler, step, self.drop_last))

    def _run(self, fetch, left):
        skip = left["batch"]
        again = skip if self.streaming else 0  # of a stream, the batches before have to be read again
        batches = None if self.num_workers or not fetch.whole else self._rows(left["key"], skip)
        if batches is None:
            tasks = self._tasks(left["key"], skip - again)
            batches = self._by_workers(fetch, tasks, left["key"]) if self.num_workers else _here(fetch, tasks, left["key"])
        for batch in islice(batches, again, None):
            left["batch"] += 1
            yield batch
        if self._left is left:
            self._left = None

    def _rows(self, key, skip):
        """The batches after the first `skip`, if they are rows of arrays in an order that was drawn; otherwise None."""
        order = self._drawn_order(key) if self.batch_sampler is None else None
        if order is None or (found := rows_of(self.dataset)) is None:
            return None
        arrays, indices = found
        order = order[skip * self.batch_size :]
        return batches_of_rows(arrays, order if indices is None else indices[order], self.batch_size, self.drop_last)

    def _drawn_order(self, key):
        sampler = RandomSampler(self.dataset) if self.shuffle else self.sampler
        return _order(sampler, key) if isinstance(sampler, DrawnSampler) else None

    def _by_workers(self, fetch, tasks, key):
        kept = self._pool if self.persistent_workers and self._pool is not None and not self._pool.busy else None
        pool = kept or Pool(
            fetch, self.num_workers, self.prefetch_factor or 2, self.worker_init_fn, self.multiprocessing_context
        )
        keep = self.persistent_workers and (kept is not None or self._pool is None)
        if keep:
            self._pool = pool
        try:
            yield from pool.run(tasks, key, self.timeout, self.in_order)
        except GeneratorExit:
            raise
        except BaseException:
            keep = False  # what its workers are doing is not known
            if self._pool is pool:
                self._pool = None
            raise
        finally:
            if not keep:
                pool.close()

    def close(self):
        """End worker processes that `persistent_workers` has kept. They also end with the loader or the program."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def __getstate__(self):
        return {**self.__dict__, "_pool": None}

    def __repr__(self):
        return f"DataLoader({self.dataset!r}, batch_size={self.batch_size}, shuffle={self.shuffle})"


def _here(fetch, tasks, key):
    """Batches made in this process, when they are asked for."""
    place = [STARTING]

    def note(position):
        place[0] = position

    fetch.begin(tuple(key))
    for task in tasks:
        try:
            batch = fetch(task, note)
        except Exhausted:
            return
        except Exception as error:
            error.add_note(f"DataLoader: at {task.item(place[0])} of batch {task.number}")
            raise
        yield batch


def _is_stream(dataset):
    if isinstance(dataset, Dataset) or (hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")):
        return False
    if isinstance(dataset, IterableDataset) or (hasattr(dataset, "__iter__") and not hasattr(dataset, "__next__")):
        return True
    raise ArgumentError(
        explain(
            "DataLoader: the dataset must have __len__ and __getitem__, or be an IterableDataset",
            f"dataset: {type(dataset).__name__}",
            help="put arrays into chainrule.data.TensorDataset(x, y); a generator can be walked over only once: "
            "write an IterableDataset that starts it in __iter__",
        )
    )


def _contradiction(loader):
    """(what contradicts what, what was found), or None."""
    sampler = loader.sampler if loader.sampler is not None else loader.batch_sampler
    name = type(sampler).__name__
    if sampler is not None and loader.shuffle:
        return "a sampler gives the order, so shuffle must be False", f"sampler: {name}    shuffle: {loader.shuffle}"
    if loader.batch_sampler is not None and (loader.batch_size is not None or loader.sampler is not None or loader.drop_last):
        given = f"batch_size: {loader.batch_size}    sampler: {type(loader.sampler).__name__}    drop_last: {loader.drop_last}"
        return "a batch_sampler gives whole batches, so batch_size, sampler and drop_last must not be given", given
    if loader.streaming and (loader.shuffle or sampler is not None):
        return (
            "a stream of samples has its own order",
            f"dataset: {type(loader.dataset).__name__}    shuffle, sampler or batch_sampler",
        )
    if loader.batch_size is None and loader.batch_sampler is None and loader.drop_last:
        return "without batches there is none to drop", "batch_size: None    drop_last: True"
    return None


def _order(sampler, key):
    """The order that a sampler draws in the epoch of this key."""
    return sampler.draw(Generator(list(key)))


def _slices(order, step, drop_last):
    """Pieces of `order` of length `step`: slices, if it is a range, since these need no copies."""
    n = len(order)
    for start in range(0, n - step + 1 if drop_last else n, step):
        stop = min(start + step, n)
        yield slice(start, stop) if isinstance(order, range) else order[start:stop]


def _length(indices):
    return indices.stop - indices.start if isinstance(indices, slice) else len(indices)
