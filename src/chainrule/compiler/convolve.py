"""Convolutions in native code, and both their gradients: images are (n, c, y, x), weights (k, c / groups, r, s).

The output, and the gradient by the input, are windows times weights, summed in registers straight from a copy of one image
with zeros around it. The gradient by the weights is a matrix product over all pixels of all images.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from . import channels
from .blocking import Blocks, Machine, Panels, Strided, aligned, heights, least
from .contract import product, scratch_size
from .images import dot_kernel, fill_windows, list_taps, pack_taps, tap_kernel
from .kernels import sums
from .llvm import SIZES, Function, Value, vector
from .windows import Convolution, Placed, forward_windows, input_windows

__all__ = [
    "Convolution",
    "forward",
    "forward_scratch",
    "input_grad",
    "input_grad_scratch",
    "weight_grad",
    "weight_grad_scratch",
]

# Bytes of weights that are gone through for each few pixels: within the second cache (512 KiB), beside an image.
WEIGHTS = 256 * 1024
# Bytes of weights and pixels that are gone through for each few sums: they stay in the first cache (32 KiB).
PART = 16 * 1024

Finish = Callable[[Value, Value, Value, Value, Value, int], None]
Share = Callable[[int], tuple[Value, Value]] | None


def forward_scratch(machine: Machine, t: str, c: Convolution):
    """Bytes of scratch that each thread needs for `forward`."""
    flat = _pointwise_scratch(machine, t, c, c.group_outputs, c.group_inputs) if c.pointwise else 0
    return max(flat, _windows_scratch(machine, t, forward_windows(c)))


def input_grad_scratch(machine: Machine, t: str, c: Convolution):
    """Bytes of scratch that each thread needs for `input_grad`."""
    flat = _pointwise_scratch(machine, t, c, c.group_inputs, c.group_outputs) if c.pointwise else 0
    return max(flat, _windows_scratch(machine, t, input_windows(c)))


def _windows_scratch(machine, t, windows):
    plans = [channels.SumsPlan(machine, t, windows, rows) for rows in (False, True)]
    return max(sum(pieces) for pieces in (windows.pieces(machine, t), *(plan.pieces() for plan in plans if plan.pays)))


def forward(
    f: Function, machine: Machine, t: str, c: Convolution, x, w, finish: Finish, scratch, share: Share = None, rows=False
):
    """Write the convolution of images `x` with weights `w`.

    `finish(n, k, y, x, vector, valid)` gets each finished vector once: the first `valid` lanes are output k of image n from
    pixel (y, x) on, as they stand in memory: they may run on into the rows below, unless `rows` asks for vectors that end
    where rows do. It is written four times at most. `share(count)` gives this thread's part of the images, or where they are
    few, of the output channels. `scratch` points to `forward_scratch(...)` bytes of this thread alone, aligned to 64.
    """
    if c.pointwise and not rows:
        weights = c.group_inputs, 1
        _pointwise(f, machine, t, c, x, w, c.group_outputs, c.group_inputs, weights, finish, scratch, share)
    else:
        _windows(f, machine, t, forward_windows(c), x, w, finish, scratch, share, rows)


def input_grad(
    f: Function, machine: Machine, t: str, c: Convolution, g, w, finish: Finish, scratch, share: Share = None, rows=False
):
    """Write the gradient by the input, from the gradient `g` by the output; as `forward`, but `finish` gets inputs."""
    if c.pointwise and not rows:
        weights = 1, c.group_inputs
        _pointwise(f, machine, t, c, g, w, c.group_inputs, c.group_outputs, weights, finish, scratch, share)
    else:
        _windows(f, machine, t, input_windows(c), g, w, finish, scratch, share, rows)


def _windows(f, machine, t, windows, source, w, finish, scratch, share, rows):
    plan = channels.SumsPlan(machine, t, windows, rows)
    if plan.pays and (not share or max(windows.batch, windows.groups) >= 4 or plan.vectors > 1):
        channels.Sums(f, plan, source, w, finish, scratch, share).write()
    else:
        _Windows(f, machine, t, windows, source, w, finish, scratch, share, rows).write()


class _Windows:
    """Sums over windows while they are being written."""

    def __init__(self, f, machine, t, windows, source, w, finish, scratch, share, rows):
        self.f, self.machine, self.t, self.windows = f, machine, t, windows
        self.source, self.w, self.finish, self.share = source, w, finish, share
        self.lanes = machine.lanes(t)
        self.vt = vector(t, self.lanes)
        image, table, _ = windows.pieces(machine, t)
        self.image = scratch
        self.table = f.offset(scratch, image)
        self.weights = f.offset(scratch, image + table)
        (self.high, self.more), *rest = heights(machine.rows, windows.outputs)
        self.blocks = self.more + sum(count for _, count in rest)
        if not rest:
            self.more = self.blocks
        self.steps = len(windows.phases[1])
        self.width, self.height, self.move = windows.width, windows.height, windows.move
        # Rows half as long as a vector: two of them make one.
        alone = self.steps == len(windows.phases[0]) == 1
        self.paired = alone and not rows and 2 * self.width == self.lanes >= 4 and self.height % 2 == 0
        if self.paired:
            self.width, self.height, self.move = self.lanes, self.height // 2, 2 * self.move
        # Vectors beside each other, in rows or in columns, whichever leaves fewer alone.
        self.across = -(-self.width // (self.steps * self.lanes))
        down = -(-self.height // len(windows.phases[0]))
        most = min(4, machine.width(self.high))
        cost = [-(-self.across // most) * down, self.across * -(-down // most)]
        self.down = cost[1] < cost[0] or self.paired
        along = down if self.down else self.across
        self.wide = -(-along // -(-along // most))
        # So many blocks of outputs at a time that their weights stay in the second cache.
        weights = sum(windows.taps(0, j) for j in range(self.steps)) * self.high * SIZES[t]
        self.chunk = min(self.blocks, max(1, WEIGHTS // max(weights, 1)))
        # So few taps at a time that their pixels and weights stay in the first cache.
        rows, columns = (phases[0].count for phases in windows.phases)
        pixels = (rows + (self.wide if self.down else 0)) * min(windows.image.row, self.wide * self.lanes + columns)
        self.parts = max(1, round(windows.inputs * (rows * columns * self.high + pixels) * SIZES[t] / PART))
        if self.parts > 1:
            self.chunk = min(self.chunk, 32)  # the sums of so many blocks stand on the stack
        self.room = self.chunk if self.parts > 1 else 1
        self.sums = f.stack(t, self.room * self.steps * machine.registers * self.lanes)

    def write(self):
        f, s, lanes = self.f, self.windows, self.lanes
        f.clear(self.image, s.image.elements(lanes) * SIZES[self.t])
        self.prepare()
        images, groups, blocks = (0, s.batch), (0, s.groups), (0, self.blocks)
        if self.share and s.batch >= 4:
            images = self.share(s.batch)
        elif self.share and s.groups >= 4:
            groups = self.share(s.groups)
        elif self.share:
            blocks = self.share(self.blocks)
        size = s.image.channels * s.image.height * s.image.width
        with f.loop(*images) as image:
            s.image.write(f, self.t, lanes, f.offset(self.source, image.index * size, self.t), self.image)
            with f.loop(*groups) as group, f.loop(blocks[0], blocks[1], self.chunk) as chunk:
                few = chunk.index, least(f, chunk.index + self.chunk, blocks[1])
                if self.chunk >= self.blocks:
                    few = blocks
                with f.loop(0, len(s.phases[0])) as phase:
                    self.phase(image.index, group.index, phase.index, few)

    def prepare(self):
        """Tables of taps and weights, once for all images."""
        f, s, image = self.f, self.windows, self.windows.image
        tables, _ = s.tables()
        for (i, j), at in tables.items():
            rows, columns = s.phases[0][i], s.phases[1][j]
            count = s.taps(i, j)
            if not count:
                continue
            list_taps(
                f, f.offset(self.table, at, "i32"), channels=s.inputs, plane=image.plane,
                rows=(rows.count, rows.at, rows.at_add), row=image.row,
                columns=(columns.count, columns.at, columns.at_add), step=image.step, phase=image.phase,
            )  # fmt: skip
            with f.loop(0, s.groups) as group:
                target = f.offset(self.weights, group.index * (s.outputs * count) + at * s.outputs * s.groups, self.t)
                source = f.offset(self.w, group.index * (s.outputs * s.inputs * self.window()), self.t)
                pack_taps(
                    f, self.t, self.lanes, source, target, outputs=s.outputs, high=self.high, more=self.more,
                    to_output=s.to_output, channels=s.inputs, to_channel=s.to_input,
                    rows=(rows.count, rows.first * s.columns, rows.add * s.columns),
                    columns=(columns.count, columns.first, columns.add),
                )  # fmt: skip

    def window(self):
        return min(self.windows.to_input, self.windows.to_output)

    def pick(self, index, values):
        """One of some numbers, by an index that is a value."""
        f = self.f
        if len(set(values)) == 1:
            return f.index(values[0])
        x = f.index(values[-1])
        for i in reversed(range(len(values) - 1)):
            x = f.select(index.equals(i), f.index(values[i]), x)
        return x

    def phase(self, n, group, phase, blocks):
        """The rows of the output of one phase."""
        f, s = self.f, self.windows
        phases = len(s.phases[0])
        rows: Any = self.height if phases == 1 else (phase * -1 + (self.height + phases - 1)) // phases
        if self.down:
            whole = rows - rows % self.wide
            with f.loop(0, self.across) as c:
                with f.loop(0, whole, self.wide) as turn:
                    self.tile(n, group, phase, turn.index, c.index * self.lanes, self.wide, blocks)
                if not isinstance(rows, int) or whole < rows:
                    with f.loop(whole, rows) as turn:
                        self.tile(n, group, phase, turn.index, c.index * self.lanes, 1, blocks)
            return
        with f.loop(0, rows) as turn:
            whole = self.across // self.wide
            with f.loop(0, whole) as c:
                self.tile(n, group, phase, turn.index, c.index * (self.wide * self.lanes), self.wide, blocks)
            if self.across % self.wide:
                x = f.index(whole * self.wide * self.lanes)
                self.tile(n, group, phase, turn.index, x, self.across % self.wide, blocks)

    def tile(self, n, group, phase, y, x, wide, blocks):
        """All outputs at a few vectors of pixels."""
        f, s, t = self.f, self.windows, self.t
        tables, _ = s.tables()
        image = f.offset(self.image, group * (s.inputs * s.image.plane) + y * (self.move * s.image.row) + x, t)
        between = s.move * s.image.row if self.down else self.lanes
        kernels = [tap_kernel(f, t, self.lanes, self.high, wide, self.paired)]
        if self.more < self.blocks:
            kernels.append(tap_kernel(f, t, self.lanes, self.high - 1, wide, self.paired))
        each = range(len(s.phases[0]))
        calls = []
        for j in range(self.steps):
            count = self.pick(phase, [s.taps(i, j) for i in each])
            table = self.pick(phase, [tables[i, j] for i in each])
            calls.append((f.offset(self.table, table, "i32"), count, table * (s.outputs * s.groups)))

        def at(b):
            """First output of a block, its size, and where its sums stand."""
            room = self.steps * self.machine.registers * self.lanes
            sums = f.offset(self.sums, (b - blocks[0]) * room, t) if self.room > 1 else self.sums
            if len(kernels) == 1:
                return b * self.high, self.high, sums
            first = f.binary("smin", b, f.index(self.more)) + b * (self.high - 1)
            return first, f.select(b < self.more, f.index(self.high), f.index(self.high - 1)), sums

        def add(b, part):
            first, high, sums = at(b)
            for j, (table, count, of_weights) in enumerate(calls):
                weights = f.offset(self.weights, of_weights + (group * s.outputs + first) * count, t)
                length, again = count, f.index(0)
                if self.parts > 1:
                    low, length = part * count // self.parts, (part + 1) * count // self.parts
                    length = length - low
                    table, weights = f.offset(table, low, "i32"), f.offset(weights, low * high, t)
                    again = part
                there = f.offset(sums, j * self.machine.registers * self.lanes, t)
                args = [image, table, weights, there, length, f.index(between), again]
                for kernel, holds in zip(kernels, (b < self.more, b >= self.more), strict=False):
                    with f.when(holds) if len(kernels) > 1 else contextlib.nullcontext():
                        f.call(kernel, "void", *args)

        def give(b):
            first, high, sums = at(b)
            with f.loop(0, high) as row, f.loop(0, wide) as v:
                k = group * s.outputs + first + row.index
                p = f.offset(sums, (row.index * wide + v.index) * self.lanes, t)
                down, right = (v.index, f.index(0)) if self.down else (f.index(0), v.index * self.lanes)
                y_out = (y + down) * (2 if self.paired else len(s.phases[0])) + phase
                self.hand_over(n, k, y_out, x + right, p)

        if self.parts == 1:
            with f.loop(*blocks) as block:
                add(block.index, f.index(0))
                give(block.index)
            return
        with f.loop(0, self.parts) as part, f.loop(*blocks) as block:
            add(block.index, part.index)
        with f.loop(*blocks) as block:
            give(block.index)

    def hand_over(self, n, k, y, x, at):
        """Give finished sums away; those of the phases of a row are woven together before."""
        f, t, lanes, steps = self.f, self.t, self.lanes, self.steps
        read = [f.load(self.vt, f.offset(at, j * self.machine.registers * lanes, t)) for j in range(steps)]
        if steps == 1:
            self.give(n, k, y, x, read[0])
            return
        woven = f.stack(t, steps * lanes)
        if steps == 2:
            for half in (0, 1):
                order = [lane + j * lanes for lane in range(half * lanes // 2, (half + 1) * lanes // 2) for j in (0, 1)]
                f.store(f.shuffle(*read, order), f.offset(woven, half * lanes, t))
        else:
            for j, v in enumerate(read):
                for lane in range(lanes):
                    f.store(f.lane(v, lane), woven, lane * steps + j)
        with f.loop(0, steps) as turn:
            v = f.load(self.vt, f.offset(woven, turn.index * lanes, t))
            self.give(n, k, y, x * steps + turn.index * lanes, v)

    def give(self, n, k, y, x, v):
        """Hand over a vector, or what of it is inside the row."""
        f, lanes, width = self.f, self.lanes, self.width
        rest = width % lanes
        if width == lanes or (not rest and self.steps == 1):
            with f.when(x < width) if self.steps > 1 else contextlib.nullcontext():
                self.finish(n, k, y, x, v, lanes)
            return
        if width > lanes:
            with f.when(x <= width - lanes):
                self.finish(n, k, y, x, v, lanes)
        if rest:
            with f.when(x.equals(width - rest)):
                self.finish(n, k, y, x, v, rest)


def _pointwise_scratch(machine, t, c, outputs, inputs):
    return scratch_size(machine, t, outputs, c.pixels, inputs, Strided(None, inputs, 1), Strided(None, c.pixels, 1))


def _pointwise(f, machine, t, c, source, w, outputs, inputs, strides, finish, scratch, share):
    """Windows of one pixel: a matrix product for each image and group."""
    images, groups, within = (0, c.batch), (0, c.groups), None
    if share and c.batch >= 4:
        images = share(c.batch)
    elif share and c.groups >= 4:
        groups = share(c.groups)
    else:
        within = share
    with f.loop(*images) as image, f.loop(*groups) as group:
        n, g = image.index, group.index
        a = f.offset(w, g * (outputs * inputs), t)
        b = f.offset(source, (n * c.groups + g) * (inputs * c.pixels), t)

        def give(i, j, v, valid):
            finish(n, g * outputs + i, f.index(0), j, v, valid)

        product(
            f, machine, t, outputs, c.pixels, inputs, Strided(a, *strides), Strided(b, c.pixels, 1), give, scratch,
            share=within, long_finish=True,
        )  # fmt: skip


# --- gradient by the weights ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Weights:
    """How the gradient by the weights is cut: images are gone through some at a time, each thread all of them."""

    machine: Machine
    t: str
    c: Convolution

    @cached_property
    def image(self):
        """One group of an image."""
        placed = forward_windows(self.c).image
        return Placed(self.c.group_inputs, *(getattr(placed, x) for x in (
            "height", "width", "top", "left", "rows", "columns", "step", "used"
        )))  # fmt: skip

    @cached_property
    def channels(self):
        return channels.WeightSumsPlan(self.machine, self.t, self.c, self.image)

    @property
    def taps(self):
        return self.c.group_inputs * self.c.window

    @cached_property
    def together(self):
        """Images whose pixels make up one block of depth: enough for the sums to stay in registers for a while."""
        return max(i for i in range(1, self.c.batch + 1) if self.c.batch % i == 0 and (i == 1 or i * self.c.pixels <= 256))

    def blocks(self, prepare=None):
        c = self.c
        size = c.outputs * c.pixels
        count = c.batch // self.together
        return Blocks(count, self.together * c.pixels, self.together * size, self.together, size, prepare)

    @property
    def distance(self):
        return self.image.distance(self.t, self.machine.lanes(self.t))

    def pieces(self):
        """Bytes of scratch: placed images, table, what the product needs."""
        c = self.c
        of_product = scratch_size(
            self.machine, self.t, c.group_outputs, self.taps, c.batch * c.pixels, Strided(None, c.pixels, 1),
            Panels(lambda *_: None), self.blocks(),
        )  # fmt: skip
        if self.few:
            times, size = self.chunks
            of_product = self.c.group_outputs * (times * size + self.machine.lanes(self.t)) * self.machine.float_lanes * 4
        return self.together * self.distance * SIZES[self.t], aligned(self.taps * 4), of_product

    @property
    def few(self):
        """Whether outputs are too few for a block of a product: then dot products over pixels, a few taps at a time."""
        return self.c.group_outputs <= 2

    @cached_property
    def chunks(self):
        """Taps whose sums fit in registers: how many times, how many."""
        most, lanes = self.machine.registers - 4, self.machine.lanes(self.t)
        size = self.taps if self.taps <= most else most // lanes * lanes
        return -(-self.taps // size), size


def weight_grad_scratch(machine: Machine, t: str, c: Convolution):
    """Bytes of scratch that each thread needs for `weight_grad`."""
    plan = _Weights(machine, t, c)
    return max(sum(pieces) for pieces in (plan.pieces(), plan.channels.pieces() if plan.channels.pays else [0]))


def weight_grad(
    f: Function,
    machine: Machine,
    t: str,
    c: Convolution,
    x,
    g,
    finish: Callable[[Value, Value, Value, int], None],
    scratch,
    share: Share = None,
):
    """Write the gradient by the weights, from images `x` and the gradient `g` by the output.

    `finish(k, j, vector, valid)` gets each finished vector once: the first `valid` lanes belong to output k, from place j
    on of its weights as they stand in memory. Threads share outputs or weights, never images, so no sums are left to do.
    """
    plan = _Weights(machine, t, c).channels
    if plan.pays and (not share or c.groups >= 4 or plan.vectors > 1):
        channels.WeightSums(f, plan, x, g, finish, scratch, share).write()
    else:
        _WeightGrad(f, machine, t, c, x, g, finish, scratch, share).write()


class _WeightGrad:
    """The gradient by the weights while it is being written."""

    def __init__(self, f, machine, t, c, x, g, finish, scratch, share):
        self.f, self.machine, self.t, self.c = f, machine, t, c
        self.x, self.g, self.finish, self.share = x, g, finish, share
        self.plan = _Weights(machine, t, c)
        self.lanes = machine.lanes(t)
        images, table, _ = self.plan.pieces()
        self.images, self.images_size = scratch, images
        self.table = f.offset(scratch, images)
        self.rest = f.offset(scratch, images + table)

    def write(self):
        f, c, image = self.f, self.c, self.plan.image
        f.clear(self.images, self.images_size)
        list_taps(
            f, self.table, channels=c.group_inputs, plane=image.plane, rows=(c.rows, 0, c.dilation[0]), row=image.row,
            columns=(c.columns, 0, c.dilation[1]), step=image.step, phase=image.phase,
        )  # fmt: skip
        groups: Any = (0, c.groups)
        within = self.share
        if self.share and c.groups >= 4:
            groups, within = self.share(c.groups), None
        with f.loop(*groups) as turn:
            write = self.dots if self.plan.few else self.product
            write(turn.index, within)

    def prepare(self, group, block):
        """Place the images of a block."""
        f, c, plan = self.f, self.c, self.plan
        first = block * plan.together
        plan.image.write_several(f, self.t, self.lanes, c, self.x, self.images, group, first, plan.together)

    def product(self, group, share):
        """A product over pixels: gradients of outputs times transposed windows, which are packed as they stand."""
        f, t, c, plan = self.f, self.t, self.c, self.plan

        def fill(_, j, valid, target):
            with f.loop(0, plan.together) as i:
                fill_windows(
                    f, t, self.lanes, f.offset(self.images, i.index * plan.distance, t), self.table,
                    f.offset(target, i.index * (c.pixels * len(valid) * self.lanes), t),
                    first=j, taps=plan.taps, vectors=len(valid), rows=c.out_height, width=c.out_width,
                    row=plan.image.row * c.stride[0],
                )  # fmt: skip

        def give(i, j, v, valid):
            self.finish(group * c.group_outputs + i, j, v, valid)

        a = Strided(f.offset(self.g, group * (c.group_outputs * c.pixels), t), c.pixels, 1)
        product(
            f, self.machine, t, c.group_outputs, plan.taps, c.batch * c.pixels, a, Panels(fill), give, self.rest,
            share=share, split="columns" if plan.taps >= 8 * self.lanes else None, long_finish=True,
            blocks=plan.blocks(lambda block: self.prepare(group, block)),
        )  # fmt: skip

    def dots(self, group, share):
        """Dot products over pixels, a few taps at a time."""
        f, t, c, plan, lanes = self.f, self.t, self.c, self.plan, self.lanes
        times, size = plan.chunks
        low, high = share(times) if share else (0, times)
        kernel = dot_kernel(f, t, lanes, size)
        f.clear(self.rest, plan.pieces()[2])
        with f.loop(0, c.batch // plan.together) as block:
            self.prepare(group, block.index)
            with f.loop(0, plan.together) as i, f.loop(0, c.group_outputs) as k, f.loop(low, high) as chunk:
                image = f.offset(self.images, i.index * plan.distance, t)
                n = block.index * plan.together + i.index
                g = f.offset(self.g, ((n * c.groups + group) * c.group_outputs + k.index) * c.pixels, t)
                at = f.offset(self.rest, (k.index * times + chunk.index) * (size * lanes), t)
                numbers = [c.out_height, c.out_width, c.out_width, plan.image.row * c.stride[0]]
                first = [chunk.index * size, f.index(plan.taps), *map(f.index, numbers)]
                f.call(kernel, "void", g, image, self.table, at, *first)
        vt = vector(t, lanes)
        full = plan.taps // lanes * lanes

        def give(k, j, valid):
            at = f.offset(self.rest, (k * (times * size) + j) * lanes, t)
            found = [f.load(vt, f.offset(at, i * lanes, t)) for i in range(lanes)]
            self.finish(group * c.group_outputs + k, j, sums(f, found), valid)

        with f.loop(0, c.group_outputs) as k:
            with f.loop(low * size, least(f, high * size, full), lanes) as j:
                give(k.index, j.index, lanes)
            if full < plan.taps:
                # The last weights belong to the last chunk.
                with f.when(f.select(f.index(low) < high, f.index(high), f.index(0)).equals(times)):
                    give(k.index, f.index(full), plan.taps - full)
