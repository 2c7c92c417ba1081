"""Memory that processes share: a batch is written by one and read by another, without going through a pipe."""

import mmap
import os
import tempfile
from multiprocessing import reduction

import numpy as np

AVAILABLE = os.name == "posix"
ALIGNMENT, GRAIN = 64, 1 << 20


class SharedBytes:
    """Bytes without a name, known by a file descriptor; when the last process that has it ends, in whatever way, they are gone.

    It may be given to a new process as an argument.
    """

    descriptor = -1  # closed

    def __init__(self):
        if hasattr(os, "memfd_create"):
            self.descriptor = os.memfd_create("chainrule-batch")
        else:
            with tempfile.TemporaryFile() as file:
                self.descriptor = os.dup(file.fileno())
        self.pages, self.owner = None, os.getpid()

    def __getstate__(self):
        return reduction.DupFd(self.descriptor)

    def __setstate__(self, duplicate):
        self.descriptor, self.pages, self.owner = duplicate.detach(), None, os.getpid()

    def view(self, size):
        """A map of at least `size` bytes."""
        if self.owner != os.getpid():  # a map that came along in a fork belongs to the parent
            self.pages, self.owner = None, os.getpid()
        if self.pages is None or len(self.pages) < size:
            self._grow(size)
        return self.pages

    def _grow(self, size):
        there = os.fstat(self.descriptor).st_size
        if there < size:
            there = -(-max(size, 2 * there) // GRAIN) * GRAIN
            os.ftruncate(self.descriptor, there)
        self.pages = mmap.mmap(self.descriptor, there)

    def write(self, buffers):
        """Put buffers one after another; gives (start, length) of each."""
        buffers = [memoryview(b).cast("B") for b in buffers]
        places, end = [], 0
        for buffer in buffers:
            places.append((end, len(buffer)))
            end = -(-(end + len(buffer)) // ALIGNMENT) * ALIGNMENT
        pages = self.view(max(end, 1))
        for buffer, (start, length) in zip(buffers, places, strict=True):
            pages[start : start + length] = buffer
        return places

    def read(self, places):
        """Copies of what was written at `places`, as arrays of bytes."""
        end = max((start + length for start, length in places), default=0)
        if not end:
            return [np.empty(0, np.uint8) for _ in places]
        pages = np.frombuffer(self.view(end), np.uint8)
        return [pages[start : start + length].copy() for start, length in places]

    def close(self):
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor, self.pages = -1, None

    __del__ = close
