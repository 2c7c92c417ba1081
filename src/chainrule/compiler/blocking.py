"""How a matrix product is cut into blocks: what is decided, from shapes alone, before anything is written."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from .llvm import SIZES, Value

# Bytes of a panel of B: it stays in the first cache (32 KiB), beside the rows of A that pass by.
PANEL = 26 * 1024
# Bytes of A that are gone through for each panel, and of partial sums: within the second cache (512 KiB).
ROWS = 384 * 1024
SUMS = 256 * 1024
# Bytes of a B that is read where it stands: so small that it lies in the first cache anyway.
SMALL = 8 * 1024


@dataclass(frozen=True)
class Machine:
    """What decides the shape of a block: lanes of a float vector, and vector registers."""

    float_lanes: int = 8
    registers: int = 16

    def lanes(self, t):
        return self.float_lanes * 4 // SIZES[t]

    @property
    def rows(self):
        """Rows of a block: two vectors of columns beside them, or three, fill the registers.

        More rows, 14 beside two vectors of AVX-512, take more addresses than there are registers for: a third of the speed.
        """
        return 6 if self.registers < 32 else 8

    def width(self, rows):
        """Vectors of columns beside so many rows: sums, one row of B and one spread number of A, all in registers."""
        return max(1, min(8, (self.registers - 1) // (rows + 1)))


@dataclass(frozen=True)
class Strided:
    """A matrix in memory: elements to step over from one to the next along its first and second axis."""

    pointer: Value | None
    first: int
    second: int

    @property
    def T(self):
        return Strided(self.pointer, self.second, self.first)


@dataclass(frozen=True)
class Read:
    """A matrix that is computed while it is packed: `get(first, second, valid)` is a vector along axis `along`.

    Its first `valid` lanes (a Python number) count; the others are left alone and may be anything.
    """

    along: int
    get: Callable[[Value, Value, int], Value]

    @property
    def T(self):
        return Read(1 - self.along, lambda first, second, valid: self.get(second, first, valid))


@dataclass(frozen=True)
class Packed:
    """A matrix B that `pack` has laid out before."""

    pointer: Value | None


@dataclass(frozen=True)
class Panels:
    """A matrix B whose panels are written by `fill(block, j, valid, target)`, [k][vector][lane].

    `block` is the block of depth, `j` the first column, `valid` how many lanes of each vector count. After the last k, as
    many rows as a vector has lanes may be overwritten.
    """

    fill: Callable[[Value, Value, list[int], Value], None]


@dataclass(frozen=True)
class Blocks:
    """Depth cut into `count` blocks by the caller, such as the images of a batch.

    Block b of A starts `stride` elements after block b - 1; it consists of `parts` runs of `length` / `parts`, which start
    `part` elements after each other. `prepare(b)` is written once, before anything of the block is read.
    """

    count: int
    length: int
    stride: int
    parts: int = 1
    part: int = 0
    prepare: Callable[[Value], None] | None = None


def heights(rows, m):
    """The rows of C in blocks, as even as can be: (height, count) once or twice, the higher ones first."""
    count = -(-m // rows)
    high = -(-m // count)
    if high * count == m:
        return [(high, count)]
    more = m - count * (high - 1)
    return [(high, more), (high - 1, count - more)]


def row_blocks(machine, m):
    """How many blocks of rows `share` divides when rows are shared."""
    return sum(count for _, count in heights(machine.rows, m))


def first_row(f, machine, m, block):
    """The row at which a block starts: with `share(row_blocks(machine, m))`, the rows that this thread has."""
    return row_at(f, heights(machine.rows, m), block)


def row_at(f, blocks, block):
    """The row at which one of these blocks, as `heights` gives them, starts."""
    (high, more), *rest = blocks
    return block * high if not rest else block * (high - 1) + least(f, block, more)


def least(f, x, y):
    """The smaller of two indices."""
    if isinstance(x, int) and isinstance(y, int):
        return min(x, y)
    return f.binary("smin", f.index(x), f.index(y))


def most(f, x, y):
    """The larger of two indices."""
    if isinstance(x, int) and isinstance(y, int):
        return max(x, y)
    return f.binary("smax", f.index(x), f.index(y))


def aligned(size):
    return -(-size // 64) * 64


def columns(n, lanes):
    """How many lanes of each vector count if `n` columns are cut into vectors."""
    return [lanes] * (n // lanes) + ([n % lanes] if n % lanes else [])


@dataclass(frozen=True)
class Plan:
    """What is decided about a product before anything is written."""

    machine: Machine
    t: str
    m: int
    n: int
    k: int
    a: Any
    b: Any
    blocks: Blocks | None = None

    @property
    def lanes(self):
        return self.machine.lanes(self.t)

    @property
    def size(self):
        return SIZES[self.t]

    @cached_property
    def turned(self):
        """Whether C transposed is computed, so that a single column becomes a row."""
        return self.n == 1 and self.m > 1 and all(isinstance(x, Strided | Read) for x in (self.a, self.b))

    @cached_property
    def dots(self):
        """Whether each C is a dot product along vectors of depth: little to do per column of B, which stands along depth."""
        b, a = self.b, self.a
        along = isinstance(b, Strided) and b.first == 1 and b.second != 1
        return along and isinstance(a, Strided) and self.m <= 2 and self.k >= self.lanes and not self.blocks

    @cached_property
    def heights(self):
        return heights(self.tall, self.m)

    @cached_property
    def tall(self):
        """Rows of a block: fewer where three vectors of columns are all there are, so that they fit beside each other."""
        three = self.lanes * 2 < self.n <= self.lanes * 3 and not isinstance(self.b, Packed)
        return 4 if three and self.machine.width(4) == 3 else self.machine.rows

    @cached_property
    def count(self):
        """Number of blocks of rows."""
        return sum(count for _, count in self.heights)

    @cached_property
    def packs_b(self):
        if not isinstance(self.b, Strided):
            return not isinstance(self.b, Packed)
        return self.b.second != 1 or (self.count > 1 and self.k * self.n * self.size > SMALL)

    @cached_property
    def packs_a(self):
        if isinstance(self.a, Strided):
            return self.a.first != 1 and self.a.second != 1 and not self.blocks and self.n > self.panel
        return True

    @property
    def packed(self):
        return self.packs_b or isinstance(self.b, Packed)

    @property
    def pays(self):
        """Whether sums are long enough for the innermost loop to be a function that products of a module share."""
        return self.depth[1] >= 48 and self.count > 1

    @cached_property
    def width(self):
        """Vectors of a panel."""
        every = -(-self.n // self.lanes)
        if isinstance(self.b, Packed) or self.count > 1:
            return min(every, self.machine.width(self.tall))
        most = self.machine.width(self.heights[0][0])
        return -(-every // -(-every // most))

    @property
    def panel(self):
        """Columns of a panel."""
        return self.width * self.lanes

    @cached_property
    def depth(self):
        """Blocks of depth: (how many, length, length of the last)."""
        if self.blocks:
            return self.blocks.count, self.blocks.length, self.blocks.length
        room = max(16, PANEL // (self.panel * self.size) // 16 * 16)
        if self.k <= room * 5 // 4 or not (self.packed or self.packs_a):
            return 1, self.k, self.k
        count = -(-self.k // room)
        length = -(-self.k // count)
        if self.k % count:
            length = -(-length // 16) * 16
        count = -(-self.k // length)
        return count, length, self.k - (count - 1) * length

    @cached_property
    def rows(self):
        """Blocks of rows that are gone through for each panel."""
        most = max(ROWS // (min(self.depth[1], self.k) * self.size * self.heights[0][0]), 8)
        if self.count <= most * 3 // 2 or self.blocks:
            return self.count
        return -(-self.count // -(-self.count // most))

    @cached_property
    def group(self):
        """Panels whose partial sums wait for the next block of depth."""
        panels = -(-self.n // self.panel)
        if self.depth[0] == 1 or self.blocks:
            return panels
        most = max(1, SUMS // (self.held * self.panel * self.size))
        return -(-panels // -(-panels // most))

    @property
    def held(self):
        """Rows of the blocks that are gone through for each panel."""
        return min(self.m, self.rows * self.heights[0][0])

    @property
    def stride_a(self):
        """Elements between the rows of packed A, or between its columns if it is packed along rows."""
        if isinstance(self.a, Read) and self.a.along == 0:
            return -(-self.held // self.lanes) * self.lanes
        return -(-self.depth[1] // self.lanes) * self.lanes + 16

    def pieces(self):
        """Bytes of scratch: panel of B, packed A, partial sums."""
        if self.dots:
            return 0, aligned(self.m * self.k * self.size) if self.a.second != 1 else 0, 0
        more = self.lanes if isinstance(self.b, Panels) else 0  # rows that `fill` may write too many
        panel = aligned((self.depth[1] + more) * self.panel * self.size) if self.packs_b else 0
        across = isinstance(self.a, Read) and self.a.along == 0
        a = aligned((self.depth[1] if across else self.held) * self.stride_a * self.size) if self.packs_a else 0
        sums = aligned(self.group * self.held * self.panel * self.size) if self.depth[0] > 1 else 0
        return panel, a, sums


def plan_of(machine, t, m, n, k, a, b, blocks=None):
    plan = Plan(machine, t, m, n, k, a, b, blocks)
    return replace(plan, m=n, n=m, a=b.T, b=a.T) if plan.turned else plan
