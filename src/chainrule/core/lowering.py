"""The ways an op can become machine code. Rows name one; only the compiler knows how to do it."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Map:
    """One scalar at a time, written against a builder `s` whose methods make numbers, arrays or machine code."""

    scalar: Callable


@dataclass(frozen=True)
class Reduce:
    """A fold over axes with this binary operation."""

    combine: str


@dataclass(frozen=True)
class View:
    """No arithmetic: only the indices change."""


@dataclass(frozen=True)
class Assemble:
    """Parts of arrays, each put in its place."""


@dataclass(frozen=True)
class Contract:
    """Products summed over shared axes."""


@dataclass(frozen=True)
class Convolve:
    """Products summed over windows."""


@dataclass(frozen=True)
class Pool:
    """Windows folded to one number each, or the transpose of that: numbers spread over windows."""

    spreads: bool = False


@dataclass(frozen=True)
class Loop:
    """Runs graphs that stand among its parameters: loops, branches, whole programs."""


@dataclass(frozen=True)
class Call:
    """Leave the kernel and run `evaluate`."""


Lowering = Map | Reduce | View | Assemble | Contract | Convolve | Pool | Loop | Call
