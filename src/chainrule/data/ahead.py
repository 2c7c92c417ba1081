"""Rows of arrays in random order: many batches are copied at once, by a thread, while the program uses those before."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

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
    end = len(order) - len(order) % step if drop_last else len(order)
    row = sum(a.dtype.itemsize * (a.size // max(len(a), 1)) for a in arrays)
    most, start, chunks = max(1, CHUNK // max(row * step, 1)), 0, []
    batches = max(1, most // 16)  # the first one is waited for
    while start < end:
        chunks.append(order[start : min(start + batches * step, end)])
        start += batches * step
        batches = min(2 * batches, most)
    for columns in _taken(arrays, chunks):
        for start in range(0, len(columns[0]), step):
            yield tuple(from_numpy(c[start : start + step]) for c in columns)


def _taken(arrays, chunks):
    """The rows of each chunk, copied some chunks ahead."""
    if len(chunks) < 2:
        yield from (_take(arrays, chunk) for chunk in chunks)
        return
    todo, thread = iter(chunks), ThreadPoolExecutor(1, "DataLoader")  # NumPy copies without holding the interpreter
    try:
        first = next(todo)
        copies = deque(thread.submit(_take, arrays, chunk) for chunk in islice(todo, AHEAD))
        yield _take(arrays, first)
        while copies:
            columns = copies.popleft().result()
            copies.extend(thread.submit(_take, arrays, chunk) for chunk in islice(todo, 1))
            yield columns
    finally:
        thread.shutdown(wait=False, cancel_futures=True)  # it ends after the copy that it is making, if any


def _take(arrays, indices):
    return [np.take(a, indices, 0) for a in arrays]
