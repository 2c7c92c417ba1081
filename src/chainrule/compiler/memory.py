"""Where the arrays of a program stand: given from outside, or at fixed places in one arena that they share over time."""

import math
from dataclasses import dataclass, field

from ..core.graph import Var

ALIGN = 64
SLACK = 64  # unused bytes behind every array


def size_of(aval):
    return math.prod(aval.shape) * aval.dtype.itemsize


def rounded(n):
    return -(-n // ALIGN) * ALIGN


@dataclass
class Plan:
    """Places of a program's arrays.

    offsets    place in the arena of a variable, in bytes
    size       of the arena, in bytes
    scratch    place in the arena of what each kernel needs for itself
    """

    offsets: dict = field(default_factory=dict)
    size: int = 0
    scratch: list = field(default_factory=list)


class Arena:
    """Hands out places, first the smallest that fits."""

    def __init__(self):
        self.free: list = []  # (offset, size), by offset
        self.size = 0

    def take(self, n):
        n = rounded(n + SLACK)
        best = min((hole for hole in self.free if hole[1] >= n), key=lambda hole: hole[1], default=None)
        if best is not None:
            self.free.remove(best)
            if best[1] > n:
                self.free.append((best[0] + n, best[1] - n))
                self.free.sort()
            return best[0]
        if self.free and self.free[-1][0] + self.free[-1][1] == self.size:
            offset, _ = self.free.pop()
        else:
            offset = self.size
        self.size = offset + n
        return offset

    def give(self, offset, n):
        n = rounded(n + SLACK)
        self.free.append((offset, n))
        self.free.sort()
        joined: list = []
        for hole in self.free:
            if joined and joined[-1][0] + joined[-1][1] == hole[0]:
                joined[-1] = (joined[-1][0], joined[-1][1] + hole[1])
            else:
                joined.append(hole)
        self.free = joined


def plan(kernels, outside, scratch, to_the_end=frozenset()):
    """Place all variables that kernels leave in memory.

    Parameters
    ----------
    kernels : list of Kernel, in the order in which they run
    outside : ids of variables whose memory the caller gives
    scratch : bytes that each kernel needs for itself
    to_the_end : ids of variables that are read again when all kernels have run

    Returns
    -------
    Plan, and the offset of each kernel's scratch
    """
    last = {}
    for k, kernel in enumerate(kernels):
        for r in kernel.reads:
            last[r] = k
    for k, kernel in enumerate(kernels):
        for v in kernel.vars:
            last.setdefault(v.id, k)
    for v in to_the_end:
        last[v] = len(kernels)
    ends: dict = {}
    for v, k in last.items():
        ends.setdefault(k, []).append(v)
    arena, result, where = Arena(), Plan(), []
    kept: dict[int, Var] = {}
    for k, kernel in enumerate(kernels):
        for v in kernel.vars:
            if v.id not in outside:
                result.offsets[v.id] = arena.take(size_of(v.aval))
                kept[v.id] = v
        if scratch[k]:
            place = arena.take(scratch[k])
            arena.give(place, scratch[k])
            where.append(place)
        else:
            where.append(0)
        for v_id in ends.get(k, ()):
            if v_id in kept:
                arena.give(result.offsets[v_id], size_of(kept[v_id].aval))
    result.size, result.scratch = arena.size, where
    return result, where
