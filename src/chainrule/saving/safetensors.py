"""The safetensors format: the length of a header, the header as JSON, then the elements of all arrays, little-endian.

The header says for each name its dtype, shape and place. Nothing in such a file can be executed. What is written here has the
same bytes as what the package `safetensors` writes; specification: https://huggingface.co/docs/safetensors.
"""

import io
import json
import math
import mmap
import os
import platform
import struct
import sys
from typing import Any, NamedTuple

import numpy as np

from ..errors import ArgumentError, DataError, MissingDataError, explain
from .narrow import DECODERS

MAX_HEADER = 100_000_000
ALIGNMENT = 8
LARGEST = 2**63 - 1  # bytes of an array
MAP_NORESERVE = 0x4000  # Linux; Python 3.11's mmap does not name it
# From narrow to wide, the order of the format; elements of wide types come first in a file, so that all are aligned.
DTYPES = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "F8_E5M2": "u1", "F8_E4M3": "u1", "F8_E8M0": "u1", "I16": "<i2", "U16": "<u2",
    "F16": "<f2", "BF16": "<u2", "I32": "<i4", "U32": "<u4", "F32": "<f4", "C64": "<c8", "F64": "<f8",
    "I64": "<i8", "U64": "<u8",
}  # fmt: skip
RANKS = {code: i for i, code in enumerate(DTYPES)}
CODES = {np.dtype(d).newbyteorder("="): code for code, d in DTYPES.items() if code not in DECODERS}
# What NumPy does not know is known to it by name, from packages such as ml_dtypes.
NAMED_CODES = {"bfloat16": "BF16", "float8_e5m2": "F8_E5M2", "float8_e4m3fn": "F8_E4M3", "float8_e8m0fnu": "F8_E8M0"}
FOREIGN = (
    (b"PK\x03\x04", "a zip archive, such as PyTorch writes", "chainrule.load_pytorch(path) reads PyTorch's state dicts"),
    (b"\x80", "a pickle, such as old versions of PyTorch write", "chainrule.load_pytorch(path) reads PyTorch's state dicts"),
    (b"\x93NUMPY", "an array of NumPy", "numpy.load(path) reads it"),
    (b"\x89HDF", "an HDF5 file, such as Keras writes", "read it with h5py and save its arrays here"),
    (b"\x1f\x8b", "compressed by gzip", "unpack it with gunzip"),
)


class Entry(NamedTuple):
    """Where the elements of one array are, counted from the end of the header."""

    code: str
    shape: tuple
    start: int
    stop: int


class Header(NamedTuple):
    """What the first bytes of a file say."""

    entries: dict[str, Entry]
    metadata: dict[str, str]
    data_start: int


# --- writing ------------------------------------------------------------------------------------------------------------


def code_of(dtype, name):
    """The format's name for a dtype.

    Raises
    ------
    ArgumentError
        It has none.
    """
    code = CODES.get(dtype.newbyteorder("=")) or NAMED_CODES.get(dtype.name)
    if code is None:
        raise ArgumentError(
            explain(
                f"save: the format has no place for {name}",
                f"dtype: {dtype}",
                help="convert it to one of bool, int8 to int64, uint8 to uint64, float16 to float64, complex64",
            )
        )
    return code


def write(file, arrays, metadata=None):
    """Write `arrays`, a dict of NumPy arrays by name, and `metadata`, a dict of strings, to an open binary file."""
    coded = sorted(((code_of(a.dtype, repr(name)), name, a) for name, a in arrays.items()), key=lambda c: (-RANKS[c[0]], c[1]))
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for code, name, array in coded:
        start, end = end, end + array.nbytes
        header[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": [start, end]}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    file.write(struct.pack("<Q", len(text)) + text)
    for code, _, array in coded:
        if array.nbytes:
            stored = np.ascontiguousarray(array) if code in NAMED_CODES.values() else np.ascontiguousarray(array, DTYPES[code])
            file.write(stored.reshape(-1).view(np.uint8).data)


# --- reading ------------------------------------------------------------------------------------------------------------


def read_header(file, path):
    """The header of an open file, checked against its length.

    Raises
    ------
    DataError
        The file is truncated, damaged, or of another format.
    """
    size = file.getbuffer().nbytes if isinstance(file, io.BytesIO) else os.fstat(file.fileno()).st_size
    head = file.read(8)
    length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
    if not 2 <= length <= MAX_HEADER or (first := file.read(1)) != b"{":
        raise _foreign(path, head)
    if 8 + length > size:
        raise _damaged(path, f"the header takes {8 + length} bytes, the file has {size}: it is truncated")
    header = _parsed(path, first + file.read(length - 1))
    metadata = header.pop("__metadata__", None) or {}
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise _damaged(path, "the metadata are not strings by name")
    entries = {name: _entry(path, name, value) for name, value in header.items()}
    _check_places(path, entries, size - 8 - length)
    return Header(entries, metadata, 8 + length)


def _parsed(path, text):
    try:
        header = json.loads(text.decode(), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"the header is not JSON: {error}") from None
    if not isinstance(header, dict):
        raise _damaged(path, "the header is not a dictionary")
    return header


def _once(pairs):
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _entry(path, name, value):
    try:
        code, shape, (start, stop) = value["dtype"], tuple(value["shape"]), value["data_offsets"]
        if any(type(n) is not int or n < 0 for n in (*shape, start, stop)) or not isinstance(code, str) or len(value) != 3:
            raise ValueError
    except (TypeError, KeyError, ValueError):
        raise _damaged(path, f"the entry of {name!r} is not a dtype, a shape and two offsets") from None
    if code not in DTYPES:
        raise DataError(
            explain(
                f"cannot read {name!r} in {path}",
                f"dtype: {code}    known: {', '.join(DTYPES)}",
                help="convert it with the program that wrote it",
            )
        )
    expected = math.prod(shape) * np.dtype(DTYPES[code]).itemsize
    if math.prod(max(n, 1) for n in shape) * 16 > LARGEST:
        raise _damaged(path, f"{name!r}: no array has the shape {shape}")
    if stop - start != expected:
        raise _damaged(path, f"{name!r}: {code} {shape} takes {expected} bytes, its place has {stop - start}")
    return Entry(code, shape, start, stop)


def _check_places(path, entries, size):
    """Elements must fill the file without gaps and overlaps: so says the format, and nothing can hide between them."""
    end = 0
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].start, item[1].stop)):
        if entry.start != end:
            raise _damaged(path, f"{name!r} begins at byte {entry.start} of the data, where the one before ends at {end}")
        end = entry.stop
    if end != size:
        found = "it is truncated" if size < end else "more follows than belongs to it"
        raise _damaged(path, f"the arrays take {end} bytes, the file has {size} for them: {found}")


def read(path, mapped=False):
    """The arrays of a file by name, and its metadata.

    Parameters
    ----------
    path : str or path
    mapped : let arrays view the file, so that only those parts are read which are looked at

    Raises
    ------
    MissingDataError, DataError
        There is no such file; it is truncated, damaged, or of another format.
    """
    with open_file(path) as file:
        header = read_header(file, path)
        mapped = mapped and header.entries and not isinstance(file, io.BytesIO)
        fetch = _mapped(file, header) if mapped else _copied(file, header, path)
        return {name: _decoded(fetch(entry), entry) for name, entry in header.entries.items()}, header.metadata


def open_file(path):
    """The file, opened for reading, or what is left of one that is open; if there is none, MissingDataError."""
    if hasattr(path, "read"):
        return io.BytesIO(path.read())
    try:
        return open(path, "rb")
    except (FileNotFoundError, IsADirectoryError) as error:
        found = "a folder" if isinstance(error, IsADirectoryError) else "nothing there"
        raise MissingDataError(explain(f"load: no file {path}", f"found: {found}", help="check the path")) from None


def _copied(file, header, path):
    def fetch(entry):
        array = np.empty(entry.shape, DTYPES[entry.code])
        file.seek(header.data_start + entry.start)
        if file.readinto(array.reshape(-1).view(np.uint8).data) != array.nbytes:
            raise _damaged(path, "it became shorter while it was read")
        return array

    return fetch


def _mapped(file, header):
    # Copy on write: who changes an array has a page of his own, and the file stays as it is.
    pages = _map(file)

    def fetch(entry):
        dtype = np.dtype(DTYPES[entry.code])
        array = np.frombuffer(pages, dtype, math.prod(entry.shape), header.data_start + entry.start).reshape(entry.shape)
        return array if array.flags.aligned else array.copy()

    return fetch


def _map(file):
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64", "riscv64"):
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    # Without reserving memory for all of these pages: files may be larger than it.
    return mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE | MAP_NORESERVE, mmap.PROT_READ | mmap.PROT_WRITE)


def _decoded(array, entry):
    if entry.code in DECODERS:
        return DECODERS[entry.code](array)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _foreign(path, head):
    for magic, what, help_ in FOREIGN:
        if head.startswith(magic):
            return DataError(explain(f"{path} is not a safetensors file", f"found: {what}", help=help_))
    found = f"first bytes: {head.hex(' ') or 'none, the file is empty'}"
    return DataError(
        explain(f"{path} is not a safetensors file", found, help="such a file begins with the length of its header and a '{'")
    )


def _damaged(path, found):
    return DataError(explain(f"cannot read {path}", found, help="get or save the file again"))
