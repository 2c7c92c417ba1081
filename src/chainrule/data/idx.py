"""The IDX file format of MNIST and its relatives: a dtype, a shape, then the elements, big-endian.

Two zero bytes, one byte for the dtype, one for the number of axes, then each axis' length as an unsigned 32-bit number.
"""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from ..errors import DataError, MissingDataError, explain

DTYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
CHUNK = 1 << 22


def read_idx(path, dtype=None, ndim=None):
    """The array in an IDX file, plain or compressed by gzip.

    Parameters
    ----------
    path : str or path
    dtype, ndim : what the file must hold; default anything

    Returns
    -------
    numpy array in the byte order of this machine

    Raises
    ------
    MissingDataError
        There is no such file.
    DataError
        It is not an IDX file, is truncated or damaged, has bytes left over, or holds another dtype or number of axes.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "labels"
    ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]))
    ...     read_idx(path)
    array([7, 8, 9], dtype=uint8)
    """
    path = Path(path)
    if not path.is_file():
        found = "found: a folder" if path.is_dir() else "found: nothing there"
        raise MissingDataError(explain(f"read_idx: no file {path}", found, help="check the path"))
    try:
        with path.open("rb") as plain:
            compressed = plain.read(2) == b"\x1f\x8b"  # what the bytes say counts, not the name
            plain.seek(0)
            if not compressed:
                return _read(plain, path, dtype, ndim)
            with gzip.GzipFile(fileobj=plain) as file:
                return _read(file, path, dtype, ndim)
    except EOFError:
        raise _damaged(path, "the compressed data end too early: the file is truncated") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise _damaged(path, f"the compressed data are damaged: {error}") from None


def _damaged(path, found):
    return DataError(explain(f"read_idx: cannot read {path}", found, help="get the file again"))


def _read(file, path, dtype, ndim):
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in DTYPES or not 1 <= magic[3] <= 32:
        raise DataError(
            explain(
                f"read_idx: {path} is not an IDX file",
                f"first bytes: {magic.hex(' ') or 'none'}",
                help="an IDX file begins with 00 00, a dtype from 08 to 0e and the number of axes",
            )
        )
    stored, axes = np.dtype(DTYPES[magic[2]]), magic[3]
    if (dtype is not None and stored.newbyteorder("=") != dtype) or (ndim is not None and axes != ndim):
        raise DataError(
            explain(
                f"read_idx: {path} holds something else than expected",
                f"expected: {'any dtype' if dtype is None else np.dtype(dtype)}, {'any' if ndim is None else ndim} axes",
                f"found:    {stored.newbyteorder('=')}, {axes} axes",
                help="check whether image and label files have been swapped",
            )
        )
    header = file.read(4 * axes)
    if len(header) < 4 * axes:
        raise _damaged(path, f"the header ends after {4 + len(header)} of {4 + 4 * axes} bytes: the file is truncated")
    shape = struct.unpack(f">{axes}I", header)
    expected = math.prod(shape) * stored.itemsize
    data = _read_up_to(file, expected + 1)  # one more, to see that nothing follows; also checks gzip's checksum
    if len(data) != expected:
        found = f"{len(data)} bytes: the file is truncated" if len(data) < expected else "more"
        raise _damaged(path, f"shape {shape} of {stored.newbyteorder('=')} takes {expected} bytes, found {found}")
    return np.frombuffer(data, stored).reshape(shape).astype(stored.newbyteorder("="))


def _read_up_to(file, n):
    """At most `n` bytes, piece by piece: a damaged header may promise more than fits into memory."""
    pieces, total = [], 0
    while total < n:
        piece = file.read(min(CHUNK, n - total))
        if not piece:
            break
        pieces.append(piece)
        total += len(piece)
    return b"".join(pieces)
