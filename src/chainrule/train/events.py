"""TensorBoard's event files: records with checksums around Protocol Buffer messages, for numbers and histograms.

The format is that of TensorFlow's record_writer and event.proto: length (8 bytes), its masked CRC-32C, the message, its own.
"""

import itertools
import os
import socket
import struct
import time
from pathlib import Path

import numpy as np

_number_of_file = itertools.count().__next__


def _crc_table():
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)  # the Castagnoli polynomial, bits reversed
        table.append(crc)
    return table


_TABLE = _crc_table()


def crc32c(data):
    """The CRC-32C checksum of some bytes.

    >>> from chainrule.train.events import crc32c
    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def _masked(data):
    crc = crc32c(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def record(message):
    """A message with its length and checksums."""
    length = struct.pack("<Q", len(message))
    return length + _masked(length) + message + _masked(message)


# --- Protocol Buffers: each field is its number and kind, then its value ----------------------------------------------


def _varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def _integer(field, value):
    return _varint(field << 3) + _varint(value & 0xFFFFFFFFFFFFFFFF)


def _double(field, value):
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _float(field, value):
    return _varint(field << 3 | 5) + struct.pack("<f", value)


def _bytes(field, value):
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _doubles(field, values):
    return _bytes(field, np.asarray(values, "<f8").tobytes())


def _event(step, *fields):
    return _double(1, time.time()) + _integer(2, step) + b"".join(fields)


class EventWriter:
    """One event file in `folder`, to which records are added.

    Parameters
    ----------
    folder : made if missing
    step : where the run starts; TensorBoard then drops what an earlier file says of later steps

    Examples
    --------
    >>> import tempfile
    >>> from chainrule.train.events import EventWriter
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     writer = EventWriter(folder)
    ...     writer.scalars({"loss": 0.5}, step=1)
    ...     writer.close()
    ...     "tfevents" in writer.path.name
    True
    """

    def __init__(self, folder, step=0):
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{_number_of_file()}"
        self.path = folder / name
        self.file = self.path.open("ab")
        self.file.write(record(_double(1, time.time()) + _bytes(3, b"brain.Event:2")))
        if step:
            start_of_session = _bytes(7, _integer(1, 1))
            self.file.write(record(_event(step + 1, start_of_session)))
        self.file.flush()

    def scalars(self, numbers, step):
        """Add numbers by name."""
        values = [_bytes(1, _bytes(1, name.encode()) + _float(2, _single(x))) for name, x in numbers.items()]
        self.file.write(record(_event(step, _bytes(5, b"".join(values)))))

    def histogram(self, name, values, step, bins=30):
        """Add how the elements of an array are distributed; those that are not finite are left out."""
        values = np.asarray(values, np.float64).ravel()
        values = values[np.isfinite(values)]
        if not len(values):
            return
        counts, edges = np.histogram(values, bins)
        about = [values.min(), values.max(), len(values), values.sum(), (values**2).sum()]
        message = b"".join(_double(i, float(x)) for i, x in enumerate(about, 1)) + _doubles(6, edges[1:]) + _doubles(7, counts)
        self.file.write(record(_event(step, _bytes(5, _bytes(1, _bytes(1, name.encode()) + _bytes(5, message))))))

    def flush(self):
        """Let readers see what has been written."""
        self.file.flush()

    def close(self):
        """Write the rest and close the file."""
        self.file.close()


def _single(x):
    """A number that float32 can hold, or infinity."""
    with np.errstate(over="ignore"):
        return float(np.float32(x))
