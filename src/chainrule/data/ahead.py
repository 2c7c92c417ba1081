"""Rows of arrays in random order: many batches are copied at once, by a thread, while the program uses those before."""

import os
import sys
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np

from ..creation import from_numpy
from .dataset import Subset, TensorDataset

CHUNK = 8 << 20  # bytes that are copied at once: enough that to wait for a thread does not count
AHEAD = 2  # chunks: where a program holds the interpreter, the thread begins and ends a copy only every 5 ms


def rows_of(dataset):
    """(arrays, indices) if samples are rows of plain arrays; indices is None for all rows in order. Otherwise None."""
    indices = None
    while type(dataset) is Subset:
        indices = dataset.indices if indices is None else dataset.indices[indices]
        dataset = dataset.dataset
    if isinstance(dataset, TensorDataset) and type(dataset).take is TensorDataset.take:
        arrays = dataset.plain_arrays()
        return None if arrays is None else (arrays, indices)
    return None


def batches_of_rows(arrays, order, step, drop_last):
    """Tuples of Tensors: `step` rows of each array at a time, in this order."""
    order = order[: len(order) - len(order) % step if drop_last else len(order)]
    rows = _Rows(arrays, order)
    for start, end, copy in _copied(rows, len(order), step):
        columns = None
        for here in range(start, end, step):
            if columns is None and copy is not None and copy.done():
                columns = copy.result()
            if columns is None:  # rather than to wait for the whole chunk
                yield tuple(map(from_numpy, rows.take(here, min(here + step, end))))
            else:
                at = slice(here - start, here - start + step)
                yield tuple([from_numpy(c[at]) for c in columns])


def _copied(rows, end, step):
    """(start, end, copy) of each chunk, some of them ahead; without a copy, its batches are taken one by one."""
    most = max(1, CHUNK // max(rows.size * step, 1)) * step
    first = min(max(1, most // step // 4) * step, end)
    if first == end or _processors() == 1:  # a thread would take as much time as it gives
        yield 0, end, None
        return
    todo = ((start, min(start + most, end)) for start in range(first, end, most))
    thread = ThreadPoolExecutor(1, "DataLoader")  # NumPy copies without holding the interpreter
    copies: deque[tuple[int, int, Future]] = deque()
    try:
        copies.extend((*at, thread.submit(rows.take, at[0], at[1], True)) for at in islice(todo, AHEAD))
        yield 0, first, None
        while copies:
            yield copies.popleft()
            copies.extend((*at, thread.submit(rows.take, at[0], at[1], True)) for at in islice(todo, 1))
    finally:
        thread.shutdown(wait=False, cancel_futures=True)  # it ends after the copy that it is making, if any


def _processors():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


class _Rows:
    """Rows of arrays in an order.

    Attributes
    ----------
    size : bytes of one row of those arrays that are copied chunk by chunk
    """

    def __init__(self, arrays, order):
        self.order = order
        self.used: list = []
        n, ends = len(arrays[0]), (order.min(), order.max()) if len(order) else (0, -1)
        # NumPy would copy once more, to leave a result as it was if some number is too large.
        self.mode: Any = "wrap" if -n <= ends[0] and ends[1] < n else "raise"
        # What is small is copied at once: between two copies the thread may have to wait for the interpreter.
        sizes = [a.dtype.itemsize * (a.size // max(n, 1)) for a in arrays]
        small = [size * len(order) <= CHUNK // 8 for size in sizes]
        self.columns = [(a, np.take(a, order, 0) if once else None) for a, once in zip(arrays, small, strict=True)]
        self.size = sum(size for size, once in zip(sizes, small, strict=True) if not once)

    def take(self, start, end, many=False):
        """Those from `start` to `end`, one array for each; many go where others were that nobody holds any more."""
        indices = self.order[start:end]
        rooms: list = self._rooms(end - start) if many else [None] * len(self.columns)
        return [
            np.take(a, indices, 0, room, self.mode) if whole is None else whole[start:end]
            for (a, whole), room in zip(self.columns, rooms, strict=True)
        ]

    def _rooms(self, n):
        """For each array, where n rows can be written: new memory takes as long to come by as it takes to fill it."""
        for rooms, idle in self.used:
            if max(map(len, rooms)) >= n and [sys.getrefcount(room) for room in rooms] == idle:
                return [room[:n] for room in rooms]
        rooms = [np.empty((n if whole is None else 0, *a.shape[1:]), a.dtype) for a, whole in self.columns]
        self.used = [*self.used, (rooms, [sys.getrefcount(room) for room in rooms])][-AHEAD - 2 :]
        return [room[:n] for room in rooms]
