"""Time stamps inside of a program: how long each of its kernels takes, in nanoseconds.

`clock_gettime` rather than the processor's counter, which programs may not read on every processor and whose unit is
unknown; what a reading costs is measured and subtracted.
"""

import ctypes
import time

import numpy as np

from ..errors import CompileError, explain
from .runtime import add_symbol

# What follows the kernels in an array of times.
COPIES, EMPTY, ENTRY, EXTRA = 0, 1, 2, 3
TIME, COUNT = 0, 1


def usable():
    """Make the clock known to machine code.

    Raises
    ------
    CompileError
        This system has none.
    """
    try:
        add_symbol("clock_gettime", ctypes.CDLL(None).clock_gettime)
        return time.CLOCK_MONOTONIC
    except (AttributeError, TypeError, OSError):
        raise CompileError(
            explain("profile: this system has no clock_gettime", help="measure whole calls with time.perf_counter")
        ) from None


def times_of(kernels):
    """Room for what a program of so many kernels takes: (time, count) of each kernel, then those of EXTRA further places."""
    return np.zeros((kernels + EXTRA, 2), np.int64)


def now(f, room):
    """Nanoseconds by this clock, as a value of a function that has room for two words on its stack."""
    f.module.declare("clock_gettime", "i32", ["i32", "ptr"])
    f.line(f"call i32 @clock_gettime(i32 {time.CLOCK_MONOTONIC}, {room})")
    return f.load("i64", room) * 1_000_000_000 + f.load("i64", room, 1)


class Clock:
    """Writes the stamps of one entry function. `times` is a pointer to the memory of `times_of(kernels)`."""

    def __init__(self, f, times, kernels):
        self.f, self.times, self.kernels = f, times, kernels
        self.room = f.stack("i64", 2)
        self.last = self.read()
        self.stamp(kernels + ENTRY)  # what the first stamp costs more, caches being cold, is nobody's time
        self.stamp(kernels + EMPTY)  # nothing happens in between: what stamps cost

    def read(self):
        return now(self.f, self.room)

    def stamp(self, place):
        """Add the time since the last stamp to this place."""
        f, now = self.f, self.read()
        for what, amount in ((TIME, now - self.last), (COUNT, 1)):
            f.store(f.load("i64", self.times, 2 * place + what) + amount, self.times, 2 * place + what)
        self.last = now
