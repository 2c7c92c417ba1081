"""Arrays in files, of which only those parts are read that are looked at."""

import math
from pathlib import Path

import numpy as np

from ..errors import ArgumentError, DataError, MissingDataError, explain


def memory_map(path, dtype=None, shape=None, *, mode="r", offset=0):
    """An array that stands in a file: a `.npy` file of NumPy, or plain elements of a dtype.

    A TensorDataset of it reads the rows of a batch when they are needed, and worker processes share the memory.

    Parameters
    ----------
    path : str or path
    dtype, shape : of plain elements; one length may be -1. Not given for `.npy` files, which say them.
    mode : "r" to read; "r+" to change the file; "c" to change the array only
    offset : bytes before plain elements

    Returns
    -------
    numpy.memmap

    Raises
    ------
    MissingDataError
        There is no such file.
    DataError
        It is truncated, or no `.npy` file.

    Examples
    --------
    >>> import tempfile
    >>> import chainrule as cr
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     images = cr.data.create_memory_map(f"{folder}/images.npy", (1000, 28, 28), np.float32)
    ...     images[:2] = 1.0
    ...     images.flush()
    ...     data = cr.data.TensorDataset(cr.data.memory_map(f"{folder}/images.npy"))
    ...     data[1][0].sum().item()
    784.0
    """
    path = Path(path)
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing there"
        raise MissingDataError(explain(f"memory_map: no file {path}", f"found: {found}", help="check the path"))
    if mode not in ("r", "r+", "c"):
        raise ArgumentError(
            explain("memory_map: unknown mode", f"mode: {mode!r}", help="'r', 'r+' or 'c'; create_memory_map makes files")
        )
    if dtype is None:
        try:
            return np.lib.format.open_memmap(path, mode=mode)
        except (ValueError, OSError, EOFError) as error:
            raise _damaged(path, str(error), "for plain elements, give dtype and shape") from None
    return _plain(path, np.dtype(dtype), shape, mode, offset)


def _plain(path, dtype, shape, mode, offset):
    there = path.stat().st_size - offset
    shape = (-1,) if shape is None else (shape,) if isinstance(shape, int) else tuple(shape)
    row = math.prod(n for n in shape if n != -1) * dtype.itemsize
    if shape.count(-1) > 1 or there < 0:
        raise ArgumentError(
            explain("memory_map: one length may be -1", f"shape: {shape}    offset: {offset}", help="(-1, 784)")
        )
    if -1 in shape:
        if not row or there % row:
            raise _damaged(path, f"{there} bytes are not whole rows of {row} bytes", "check dtype and shape")
        shape = tuple(there // row if n == -1 else n for n in shape)
    elif row > there:
        raise _damaged(
            path, f"{dtype} {shape} takes {row} bytes, the file has {there}", "it is truncated; or check dtype and shape"
        )
    if not math.prod(shape):
        return np.empty(shape, dtype)  # there is nothing to map
    return np.memmap(path, dtype, mode, offset, shape)


def create_memory_map(path, shape, dtype=np.float32):
    """A new `.npy` file of zeros, to be filled by assignment; `flush()` writes what is still in memory.

    >>> import tempfile
    >>> import chainrule as cr
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cr.data.create_memory_map(f"{folder}/a.npy", (3, 2)).shape
    (3, 2)
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=tuple(np.atleast_1d(shape).tolist()))


def _damaged(path, found, help_):
    return DataError(explain(f"memory_map: cannot read {path}", found, help=help_))
