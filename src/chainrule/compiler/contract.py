"""Matrix products in native code: blocks of C in registers, B in packed panels, callbacks for what goes in and out.

C[i, j] = sum over k of A[i, k] B[k, j]. Every shape is a Python number. A panel is as many columns of B as fit beside a
block of rows in registers; it is copied so that it is read in order (reading B where it stands costs up to 40 %). A block
of C never leaves the registers before `finish` gets it, so that bias, activation or a parameter update cost no pass of
their own.
"""

from collections.abc import Callable
from typing import Any

from .blocking import (
    Blocks,
    Machine,
    Packed,
    Panels,
    Plan,
    Read,
    Strided,
    aligned,
    columns,
    first_row,
    least,
    most,
    plan_of,
    row_at,
    row_blocks,
)
from .kernels import Span, accumulate, each, pack_kernel, product_kernel, sums, transpose
from .llvm import SIZES, Function, Value, vector

__all__ = [
    "Blocks",
    "Machine",
    "Packed",
    "Panels",
    "Read",
    "Strided",
    "first_row",
    "pack",
    "packed_size",
    "product",
    "row_blocks",
    "scratch_size",
    "shares_rows",
]


def scratch_size(machine, t, m, n, k, a, b, blocks=None):
    """Bytes of scratch that each thread needs; the pointers in `a` and `b` may be None."""
    return sum(plan_of(machine, t, m, n, k, a, b, blocks).pieces())


def shares_rows(machine, t, m, n, k):
    """Whether `share` divides rows (else columns) if nothing else is asked for."""
    count, panels = row_blocks(machine, m), -(-n // (2 * machine.lanes(t)))
    return count >= 8 or count >= panels


def product(
    f: Function,
    machine: Machine,
    t: str,
    m: int,
    n: int,
    k: int,
    a: Strided | Read,
    b: Strided | Read | Packed | Panels,
    finish: Callable[[Value, Value, Value, int], None],
    scratch: Value,
    *,
    start: Callable[[Value, Value, int], Value] | None = None,
    finish_column: Callable[[Value, Value, Value, int], None] | None = None,
    share: Callable[[int], tuple[Value, Value]] | None = None,
    split: str | None = None,
    long_finish: bool = False,
    outlined: bool | None = None,
    blocks: Blocks | None = None,
):
    """Write C = A B, of `m` rows, `n` columns and depth `k`, in numbers of type `t` ('float' or 'double').

    `finish(i, j, x, valid)` gets each finished vector once: the first `valid` lanes of `x` are C[i, j], C[i, j + 1] ...
    It is written up to a dozen times, from registers; with `long_finish` a few times, after a detour through the stack.
    `finish_column(i, j, x, valid)`, if given, gets C[i, j], C[i + 1, j] ... instead where C has one column.
    `start(i, j, valid)` gives what the sums begin with.
    `scratch` points to `scratch_size(...)` bytes of this thread alone, aligned to 64.
    `share(count)` gives this thread's part, (first, last), of `count` blocks of rows or panels of columns; `split` says
    which ("rows" or "columns"). Threads need no barrier: each packs what it reads, and none finishes what another does.
    `outlined` decides whether the innermost loop is a function that the products of a module share.
    """
    if k < 1:
        raise ValueError(f"a product of depth {k}")
    if m < 1 or n < 1:
        return
    plan = plan_of(machine, t, m, n, k, a, b, blocks)
    if split is None:
        split = "rows" if shares_rows(machine, t, m, n, k) else "columns"
    if plan is not None and (plan.m, plan.n) != (m, n):
        split = "rows" if split == "columns" else "columns"
        finish, start = _turned(f, t, plan.lanes, finish, start, finish_column)
    writer = _Dots if plan.dots else _Product
    writer(f, plan, finish, start, scratch, share, split, long_finish, outlined).write()


def pack(f, machine, t, n, k, b, target, share=None):
    """Lay out B for `Packed`, for products of any number of rows; takes `packed_size` bytes."""
    plan = Plan(machine, t, 1 << 30, n, k, Strided(None, 1, 1), Packed(None))
    writer = _Product(f, plan, None, None, target, None, "rows", False)
    writer.b = b

    def panel(j, valid):
        writer.fill(Span(k, k), f.index(0), j, valid, f.offset(target, j * k, t))

    first, last = share(-(-n // plan.panel)) if share else (0, -(-n // plan.panel))
    writer.panels(first, last, panel)


def packed_size(machine, t, n, k):
    lanes = machine.lanes(t)
    return aligned(-(-n // lanes) * lanes * k * SIZES[t])


def _turned(f, t, lanes, finish, start, finish_column):
    """The callbacks of a product with one column, for the product with one row that is computed instead."""

    def finish_row(i, j, x, valid):
        if finish_column:
            finish_column(j, i, x, valid)
            return
        kept = f.stack(t, lanes)
        f.store(x, kept)
        with f.loop(0, valid) as turn:
            x = f.load(t, kept, turn.index)
            finish(j + turn.index, i, f.insert(f.constant(vector(t, lanes), 0), x, 0), 1)

    def start_row(i, j, valid):
        x = f.constant(vector(t, lanes), 0)
        for r in range(valid):
            x = f.insert(x, f.lane(start(j + r, i, 1), 0), r)
        return x

    return finish_row, start and start_row


class _Product:
    """A product while it is being written."""

    def __init__(self, f, plan, finish, start, scratch, share, split, long_finish, outlined=None):
        self.f, self.plan, self.t, self.lanes = f, plan, plan.t, plan.lanes
        self.vt = vector(plan.t, plan.lanes)
        self.finish, self.start, self.share, self.split = finish, start, share, split
        self.long_finish = long_finish
        self.a, self.b = plan.a, plan.b
        panel, packed, _ = plan.pieces()
        self.panel_at = scratch
        self.a_at = f.offset(scratch, panel)
        self.sums_at = f.offset(scratch, panel + packed)
        self.stack: Value | None = None
        # A call costs some 30 cycles, so short sums are written where they stand.
        self.outlined = plan.packed and (plan.pays if outlined is None else outlined)

    # --- loops --------------------------------------------------------------------------------------------------------

    def write(self):
        f, plan = self.f, self.plan
        every = -(-plan.n // plan.panel)
        rows, panels = (0, plan.count), (0, every)
        if self.share and self.split == "rows":
            rows = self.share(plan.count)
        elif self.share:
            panels = self.share(every)
        with f.loop(rows[0], rows[1], plan.rows) as chunk:
            low = chunk.index if self.share or plan.rows < plan.count else 0
            high = rows[1] if plan.rows >= plan.count else least(f, low + plan.rows, rows[1])
            with f.loop(panels[0], panels[1], plan.group) as group:
                first = group.index if self.share or plan.group < every else 0
                last = panels[1] if plan.group >= every else least(f, first + plan.group, panels[1])
                self.depth((low, high), (first, last))

    def depth(self, rows, panels):
        """All blocks of depth, for a range of blocks of rows and a range of panels."""
        f, plan = self.f, self.plan
        count, length, tail = plan.depth
        row = row_at(f, plan.heights, rows[0]) if plan.held < plan.m else 0
        with f.loop(0, count) as turn:
            block = turn.index
            ends = (block.equals(0), block.equals(count - 1)) if count > 1 else (None, None)
            span = Span(length, tail)
            if tail != length:
                span = Span(f.select(ends[1], f.index(tail), f.index(length)), tail, ends[1])
            if plan.blocks and plan.blocks.prepare:
                plan.blocks.prepare(block)
            k0 = block * length if count > 1 else f.index(0)
            a = self.rows_of(block, k0, span, row, rows)

            def panel(j, valid):
                at = self.panel_at
                if isinstance(self.b, Packed):
                    at = f.offset(self.b.pointer, j * plan.k + k0 * (len(valid) * self.lanes), self.t)
                elif plan.packs_b:
                    self.fill(span, k0 if not plan.blocks else block, j, valid, at)
                else:
                    at = f.offset(self.b.pointer, k0 * self.b.first + j, self.t)
                step = len(valid) * self.lanes if plan.packed else self.b.first
                held = (j - panels[0] * plan.panel) * plan.held if count > 1 else j
                self.blocks(rows, row, span, ends, a, (at, step), j, valid, held)

            self.panels(panels[0], panels[1], panel)

    def panels(self, first, last, panel):
        """Write `panel(j, valid)` for a range of panels, the narrower one at the right edge among them."""
        f, plan = self.f, self.plan
        full, rest = divmod(plan.n, plan.panel)
        if full:
            with f.loop(first, least(f, last, full)) as turn:
                panel(turn.index * plan.panel, [self.lanes] * plan.width)
        if rest:
            valid = columns(rest, self.lanes)
            if isinstance(last, int):
                panel(f.index(full * plan.panel), valid)
            else:
                with f.when(f.select(first < last, last, f.index(0)) > full):
                    panel(f.index(full * plan.panel), valid)

    def blocks(self, rows, row, span, ends, a, b, j, valid, held):
        """Every block of rows beside one panel."""
        f, plan = self.f, self.plan
        before = at = 0
        for high, count in plan.heights:
            low = most(f, rows[0], before)
            end = least(f, rows[1], before + count)
            with f.loop(low, end) as turn:
                i = (turn.index - before if before else turn.index) * high + at
                self.block(i, i - row if plan.held < plan.m else i, high, span, ends, a, b, j, valid, held)
            before, at = before + count, at + high * count

    # --- A and B ------------------------------------------------------------------------------------------------------

    def rows_of(self, block, k0, span, row, rows):
        """Where a block of depth of A stands: pointer, and what to step over from row to row and along depth."""
        f, plan, a = self.f, self.plan, self.a
        if not plan.packs_a:
            moved = block * plan.blocks.stride if plan.blocks else k0 * a.second
            return f.offset(f.offset(a.pointer, moved, self.t), row * a.first, self.t), a.first, a.second
        stride = plan.stride_a
        first = row_at(f, plan.heights, rows[0])
        stop = row_at(f, plan.heights, rows[1])
        if isinstance(a, Read) and a.along == 0:
            self.pack_across(row, first, stop, k0, span, stride)
            return self.a_at, 1, stride
        with f.loop(first, stop) as turn:
            i = turn.index
            at = f.offset(self.a_at, (i - row) * stride, self.t)
            if isinstance(a, Read):

                def body(k, count, _):
                    self.keep(a.get(i, k0 + k, count), at, k)

                each(f, span, self.lanes, body)
            else:
                source = f.offset(a.pointer, i * a.first, self.t)

                def body(k, count, _):
                    for d in range(count):
                        f.store(f.load(self.t, source, (k0 + k + d) * a.second), at, k + d)

                each(f, span, 4, body)
        return self.a_at, stride, 1

    def pack_across(self, row, first, stop, k0, span, stride):
        """Copy A so that rows are neighbours; whole vectors from `first` on, then the last rows of all one by one."""
        f, a, lanes = self.f, self.a, self.lanes

        def body(k, count, _):
            for d in range(count):
                at = f.offset(self.a_at, (k + d) * stride, self.t)
                whole = stop - (stop - first) % lanes
                with f.loop(first, whole, lanes) as turn:
                    self.keep(a.get(turn.index, k0 + k + d, lanes), at, turn.index - row)
                with f.loop(whole, stop) as turn:
                    x = f.lane(a.get(turn.index, k0 + k + d, 1), 0)
                    f.store(x, at, turn.index - row)

        each(f, span, 1, body)

    def keep(self, x, at, i):
        self.f.store(x, self.f.offset(at, i, self.t))

    def fill(self, span, k0, j, valid, target):
        """Pack one panel of B."""
        f, b, lanes = self.f, self.b, self.lanes
        step = len(valid) * lanes
        if isinstance(b, Panels):
            b.fill(k0, j, valid, target)
            return
        down = b.along == 0 if isinstance(b, Read) else b.first == 1 and b.second != 1
        if isinstance(b, Strided) and (down or b.second == 1):
            whole, count = valid[-1] == lanes, step - lanes + valid[-1]
            kernel = pack_kernel(f, self.t, lanes, len(valid), down, whole)
            p = f.offset(f.offset(b.pointer, k0 * b.first, self.t), j * b.second, self.t)
            stride = f.index(b.second if down else b.first)
            f.call(kernel, "void", p, stride, f.index(span.stop), f.index(count), target)
            return
        write = self.fill_down if down else self.fill_across
        write(span, k0, j, valid, target)

    def fill_down(self, span, k0, j, valid, target):
        """Pack a panel of a B that is read along depth."""
        f, lanes = self.f, self.lanes

        def body(k, count, _):
            for v, some in enumerate(valid):
                read = [self.b.get(k0 + k, j + (v * lanes + c), count) for c in range(some)]
                read += [f.constant(self.vt, 0)] * (lanes - some)
                for d, x in enumerate(transpose(f, read)[:count]):
                    self.keep(x, target, (k + d) * (len(valid) * lanes) + v * lanes)

        each(f, span, lanes, body)

    def fill_across(self, span, k0, j, valid, target):
        """Pack a panel of a B that is read along its rows."""
        f, lanes = self.f, self.lanes

        def body(k, count, _):
            for d in range(count):
                for v, some in enumerate(valid):
                    x = self.across(k0 + k + d, j + v * lanes, some)
                    self.keep(x, target, (k + d) * (len(valid) * lanes) + v * lanes)

        each(f, span, 2 if isinstance(self.b, Read) else 4, body)

    def across(self, k, j, valid):
        """A vector of B along columns."""
        f, b = self.f, self.b
        if isinstance(b, Read):
            x = b.get(k, j, valid)
            return x if valid == self.lanes else f.select(f.mask(self.lanes, valid), x, f.constant(self.vt, 0))
        p = f.offset(f.offset(b.pointer, k * b.first, self.t), j * b.second, self.t)
        if b.second == 0:
            return f.splat(f.load(self.t, p), self.lanes)
        x = f.constant(self.vt, 0)
        for c in range(valid):
            x = f.insert(x, f.load(self.t, p, c * b.second), c)
        return x

    # --- one block ----------------------------------------------------------------------------------------------------

    def block(self, i, inner, high, span, ends, a, b, j, valid, held):
        """Sums of one block of `high` rows: begin, go through depth, then finish them or let them wait."""
        f, width = self.f, len(valid)
        (a_at, row, depth), (b_at, step) = a, b
        a_at = f.offset(a_at, inner * row, self.t)
        at = f.offset(self.sums_at, held + inner * (width * self.lanes), self.t) if ends[0] else self.kept()
        places = [(r, v) for r in range(high) for v in range(width)]
        parts = self.plan.blocks.parts if self.plan.blocks else 1

        def begin():
            if not self.start:
                return [f.constant(self.vt, 0)] * len(places)
            return [self.start(i + r, j + v * self.lanes, valid[v]) for r, v in places]

        def hold(sums):
            for s, x in enumerate(sums):
                self.keep(x, at, s * self.lanes)
            return []

        if self.outlined:
            again: Any = f.constant("i1", bool(self.start))
            if self.start and ends[0]:
                with f.when(ends[0]):
                    hold(begin())
            elif self.start:
                hold(begin())
            elif ends[0]:
                again = ~ends[0]
            kernel = product_kernel(f, self.t, self.lanes, high, width, row, depth)
            length = span.stop if parts == 1 else self.plan.depth[1] // parts
            with f.loop(0, parts) as turn:
                more = f.emit("i1", f"or i1 {again.text}, {(turn.index > 0).text}") if parts > 1 else again
                part = f.offset(a_at, turn.index * self.plan.blocks.part, self.t) if parts > 1 else a_at
                b_at = f.offset(b_at, turn.index * (length * step), self.t) if parts > 1 else b_at
                f.call(kernel, "void", part, f.index(row), f.index(depth), b_at, f.index(length), at, more)
            if ends[1]:
                with f.when(ends[1]):
                    self.hand_over(i, j, high, at, valid)
            else:
                self.hand_over(i, j, high, at, valid)
            return

        def waited():
            return [f.load(self.vt, f.offset(at, s * self.lanes, self.t)) for s in range(len(places))]

        sums = f.choose(ends[0], begin, waited) if ends[0] else begin()
        packed = self.plan.packed

        def read(p):
            if packed:
                return [f.load(self.vt, f.offset(p, v * self.lanes, self.t)) for v in range(width)]
            some = [(f.offset(p, v * self.lanes, self.t), count) for v, count in enumerate(valid)]
            return [f.load(self.vt, q) if n == self.lanes else f.load_some(self.vt, q, n) for q, n in some]

        with f.loop(0, parts, 1, sums) as turn:
            if parts > 1:
                span = Span(self.plan.depth[1] // parts, self.plan.depth[1] // parts)
                a_at = f.offset(a_at, turn.index * self.plan.blocks.part, self.t)
                b_at = f.offset(b_at, turn.index * (span.stop * step), self.t)
            turn.carried = accumulate(f, span, 2, turn.carried, high, (a_at, row, depth), (b_at, step), read)
        sums = turn.carried
        if ends[0]:
            f.choose(ends[1], lambda: self.done(i, j, sums, valid) or [], lambda: hold(sums))
        else:
            self.done(i, j, sums, valid)

    def kept(self):
        """Room on the stack for the sums of a block."""
        if self.stack is None:
            self.stack = self.f.stack(self.t, self.plan.machine.registers * self.lanes)
        return self.stack

    def done(self, i, j, sums, valid):
        """Hand a block over from registers, or row by row from the stack."""
        width = len(valid)
        if not self.long_finish or len(sums) == 1:
            for s, x in enumerate(sums):
                self.finish(i + s // width, j + s % width * self.lanes, x, valid[s % width])
            return
        for s, x in enumerate(sums):
            self.keep(x, self.kept(), s * self.lanes)
        self.hand_over(i, j, len(sums) // width, self.kept(), valid)

    def hand_over(self, i, j, high, at, valid):
        """Hand a block over from memory, in a loop so that `finish` is written once."""
        f, width, lanes = self.f, len(valid), self.lanes
        full = sum(some == lanes for some in valid)
        with f.loop(0, high) as turn:
            p = f.offset(at, turn.index * (width * lanes), self.t)
            if self.long_finish:
                with f.loop(0, full) as inner:
                    x = f.load(self.vt, f.offset(p, inner.index * lanes, self.t))
                    self.finish(i + turn.index, j + inner.index * lanes, x, lanes)
            for v in range(full if self.long_finish else 0, width):
                x = f.load(self.vt, f.offset(p, v * lanes, self.t))
                self.finish(i + turn.index, j + v * lanes, x, valid[v])


class _Dots:
    """A product of very few rows with a B that stands along depth: as many dot products at once as a vector has lanes."""

    def __init__(self, f, plan, finish, start, scratch, share, split, long_finish, outlined=None):
        self.f, self.plan, self.finish, self.start, self.scratch = f, plan, finish, start, scratch
        self.share, self.split = share, split

    def write(self):
        f, plan, lanes, t = self.f, self.plan, self.plan.lanes, self.plan.t
        a = self.row_wise()
        rows, columns = (0, plan.m), (0, -(-plan.n // lanes))
        if self.share and self.split == "rows":
            rows = tuple(row_at(f, plan.heights, x) for x in self.share(plan.count))
        elif self.share:
            columns = self.share(columns[1])
        full, rest = divmod(plan.n, lanes)
        with f.loop(*rows) as row:
            i = row.index
            at = f.offset(a.pointer, i * a.first, t)
            with f.loop(columns[0], least(f, columns[1], full)) as turn:
                self.several(i, at, turn.index * lanes, lanes)
            if rest and isinstance(columns[1], int):
                self.several(i, at, f.index(full * lanes), rest)
            elif rest:
                with f.when(f.select(columns[0] < columns[1], columns[1], f.index(0)) > full):
                    self.several(i, at, f.index(full * lanes), rest)

    def row_wise(self):
        """A with its rows along depth, copied if need be."""
        f, plan, a = self.f, self.plan, self.plan.a
        if a.second == 1:
            return a
        with f.loop(0, plan.m) as row, f.loop(0, plan.k) as turn:
            x = f.load(plan.t, f.offset(a.pointer, row.index * a.first, plan.t), turn.index * a.second)
            f.store(x, f.offset(self.scratch, row.index * plan.k, plan.t), turn.index)
        return Strided(self.scratch, plan.k, 1)

    def several(self, i, a_at, j, count):
        f, plan = self.f, self.plan
        t, lanes, b = plan.t, plan.lanes, plan.b
        vt = vector(t, lanes)
        b_at = f.offset(b.pointer, j * b.second, t)

        def load(p, k, some):
            p = f.offset(p, k, t)
            return f.load(vt, p) if some == lanes else f.load_some(vt, p, some)

        def body(k, some, sums):
            x = load(a_at, k, some)
            p = f.offset(b_at, k, t)
            return [f.fma(x, load(p, c * b.second, some), s) for c, s in enumerate(sums)]

        zero = f.constant(vt, 0)
        found = each(f, Span(plan.k, plan.k), lanes, body, [zero] * count)
        x = sums(f, [*found, *[zero] * (lanes - count)])
        if self.start:
            x = f.combine("fadd", self.start(i, j, count), x)
        self.finish(i, j, x, count)
