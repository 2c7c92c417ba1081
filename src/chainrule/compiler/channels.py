"""Convolutions with output channels in lanes: any width of image fills vectors, and rows of taps beyond it cost nothing.

Where `convolve.py` puts pixels into lanes, narrow images leave some of them empty. Here one number of an image is spread and
multiplied with vectors of weights or, for the gradient by the weights, with vectors of what came back for each output. Sums
are transposed at the end.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import gcd, log2
from typing import Any

from .blocking import Machine, aligned, heights, least, most
from .images import list_taps, pack_taps, spread_kernel
from .kernels import transpose_kernel
from .llvm import SIZES, Function, Value, vector
from .windows import Convolution, Placed, Windows

__all__ = ["Sums", "SumsPlan", "WeightSums", "WeightSumsPlan"]

# Bytes of sums that wait to be transposed: within the first cache.
WAITING = 24 * 1024
# Pixels of some images that are summed up in registers, and bytes of what came back for them, within the second cache.
PIXELS = 256
BACK = 64 * 1024

Finish = Callable[..., None]
Share = Callable[[int], tuple[Value, Value]] | None


def _cycles(machine, spread, vectors):
    """What one step of sums takes with so many numbers spread over so many vectors: to multiply, to load, to wait."""
    rate = 1 if machine.float_lanes >= 16 else 2
    return max(spread * vectors / rate, (spread + vectors) / 1.5, 4) + 1


def _most(machine, vectors):
    """Numbers that can be spread over so many vectors if all sums, vectors and one number are in registers."""
    return (machine.registers - 1) // vectors - 1


def _widths(machine, vectors):
    """How many vectors may stand beside each other."""
    return [v for v in (1, 2, 3, 4) if v <= vectors and _most(machine, v) > 1]


def _blocks(width, low, high):
    """Vectors from `low` to `high` in blocks of `width`, and what is left one by one: (vectors, the first, how many)."""
    whole = (high - low) // width
    if not isinstance(whole, int) or whole:
        yield width, low, whole
    rest = low + whole * width
    if width > 1 and not (isinstance(rest, int) and rest == high):
        yield 1, rest, high - rest


def _inside(f, base, add, count, first, last):
    """The i of range(`count`) with `base` + i * `add` in range(first, last): from where to where."""
    step = abs(add) or 1
    bounds = [bound - base + (step - 1) for bound in (first, last)]
    if add < 0:
        bounds = [base - bound + step for bound in (last, first)]
    low, high = (least(f, most(f, bound, 0) // step, count) for bound in bounds)
    return low, most(f, low, high)


def _give(f, t, n, sums, apart, valid, finish):
    """Transpose as many sums of outputs as a vector has lanes: `finish(lane, vector)` gets those of each output."""
    turned = f.stack(t, n * n)
    f.call(transpose_kernel(f, t, n), "void", sums, turned, *map(f.index, (apart, n, n)))
    with f.loop(0, n) as lane:
        finish(lane.index, f.load(vector(t, n), f.offset(turned, lane.index * n, t)), valid)


# --- the output, and the gradient by the input ------------------------------------------------------------------------


@dataclass(frozen=True)
class SumsPlan:
    """How sums over windows are cut; with `rows`, vectors end where rows do."""

    machine: Machine
    t: str
    windows: Windows
    rows: bool = False

    @property
    def lanes(self):
        return self.machine.lanes(self.t)

    @property
    def vectors(self):
        """Vectors of outputs of a group."""
        return self.windows.outputs // self.lanes

    @cached_property
    def spans(self):
        """Pixels of each phase in a row of the output."""
        steps = len(self.windows.phases[1])
        return [-(-(self.windows.width - j) // steps) for j in range(steps)]

    def pixels(self, vectors, phase):
        """Blocks of pixels beside so many vectors of outputs: (how many pixels, how many blocks)."""
        span = self.spans[phase]
        return heights(_most(self.machine, vectors), span) if span > 0 else []

    def cycles(self, vectors):
        """For all outputs of a row and one tap."""
        blocks = [b for j in range(len(self.spans)) for b in self.pixels(vectors, j)]
        at_once = self.vectors // vectors
        alone = [b for j in range(len(self.spans)) for b in self.pixels(1, j)]
        return sum(at_once * count * _cycles(self.machine, p, vectors) for p, count in blocks) + sum(
            self.vectors % vectors * count * _cycles(self.machine, p, 1) for p, count in alone
        )

    @cached_property
    def width(self):
        """Vectors of outputs beside each other."""
        return min(_widths(self.machine, self.vectors), key=self.cycles)

    @cached_property
    def together(self):
        """Rows whose sums are transposed together, and whether vectors run over their ends."""
        s, size = self.windows, self.windows.width * self.width * self.lanes * SIZES[self.t]
        unit = self.lanes // gcd(self.lanes, s.width)
        if self.rows or unit * size > 4 * WAITING:
            return 1, False
        return min(s.height, unit * max(1, WAITING // (unit * size))), True

    @property
    def possible(self):
        """Whether vectors of outputs are full."""
        return self.vectors > 0 and not self.windows.outputs % self.lanes

    @cached_property
    def pays(self):
        """Whether this is expected to take less time than pixels in lanes."""
        return self.possible and self.time() < self.time_of_pixels()

    def time(self):
        """Cycles for a vector of outputs at all pixels of an image."""
        s, n = self.windows, self.lanes
        rows = sum(self.met(y) for y in range(s.height))
        across = [
            steps.count * sum(many * _cycles(self.machine, p, self.width) for p, many in self.pixels(self.width, j))
            for j, steps in enumerate(s.phases[1])
        ]
        return s.inputs * rows * sum(across) / self.width + s.height * s.width * (log2(n) + 5)

    def time_of_pixels(self):
        """The same if pixels were in lanes."""
        s, n = self.windows, self.lanes
        rows = sum(s.phases[0][y % len(s.phases[0])].count for y in range(s.height))
        high, wide = heights(self.machine.rows, s.outputs)[0][0], 3 if self.machine.registers >= 32 else 2
        each = _cycles(self.machine, high, wide) / (high * wide) * n
        vectors = [-(-span // n) for span in self.spans]
        if len(self.spans) == 1 and 2 * s.width == n and not self.rows:
            vectors = [0.55]  # two rows make one vector, for some more work
        taps = sum(steps.count * count for steps, count in zip(s.phases[1], vectors, strict=True))
        return s.inputs * rows * taps * each + s.height * sum(vectors) * n * 2.5

    def met(self, y):
        """Rows of taps that meet the image at a row of the output."""
        s = self.windows
        rows = s.phases[0][y % len(s.phases[0])]
        first = y // len(s.phases[0]) * s.move + rows.at - s.image.top
        return sum(0 <= first + r * rows.at_add < s.image.height for r in range(rows.count))

    def pieces(self):
        """Bytes of scratch: image, tables of taps, weights, sums."""
        image, table, weights = self.windows.pieces(self.machine, self.t)
        sums = (self.together[0] * self.windows.width + self.lanes) * self.width * self.lanes
        return image, table, weights, aligned(sums * SIZES[self.t])


class Sums:
    """Sums over windows while they are being written."""

    def __init__(self, f: Function, plan: SumsPlan, source, w, finish: Finish, scratch, share: Share):
        self.f, self.plan, self.t, self.windows, self.lanes = f, plan, plan.t, plan.windows, plan.lanes
        self.source, self.w, self.finish, self.share = source, w, finish, share
        image, table, weights, _ = plan.pieces()
        self.image, self.table = scratch, f.offset(scratch, image)
        self.weights = f.offset(self.table, table)
        self.sums = f.offset(self.weights, weights)
        self.at, _ = self.windows.tables()

    def write(self):
        f, s, image = self.f, self.windows, self.windows.image
        f.clear(self.image, image.elements(self.lanes) * SIZES[self.t])
        parts: Any = (0, s.batch), (0, s.groups), (0, self.plan.vectors)
        images, groups, outputs = parts
        if self.share and s.batch >= 4:
            images = self.share(s.batch)
        elif self.share and s.groups >= 4:
            groups = self.share(s.groups)
        elif self.share:
            outputs = self.share(self.plan.vectors)
        self.prepare(outputs)
        size = image.channels * image.height * image.width
        together, _ = self.plan.together
        with f.loop(*images) as n:
            image.write(f, self.t, self.lanes, f.offset(self.source, n.index * size, self.t), self.image)
            with f.loop(*groups) as group, f.loop(0, s.height, together) as y:
                for width, first, count in _blocks(self.plan.width, *outputs):
                    with f.loop(0, count) as block:
                        place = n.index, group.index, y.index
                        self.rows(*place, (first + block.index * width) * self.lanes, width)

    def prepare(self, outputs):
        """Tables of taps, and weights of these vectors of outputs, over rows, channels and columns: once for all images."""
        f, s, image, n = self.f, self.windows, self.windows.image, self.lanes
        for (i, j), at in self.at.items():
            rows, columns = s.phases[0][i], s.phases[1][j]
            row = s.inputs * columns.count
            if not row:
                continue
            with f.loop(0, rows.count) as r:
                list_taps(
                    f, f.offset(self.table, r.index * row + at, "i32"), channels=s.inputs, plane=image.plane,
                    rows=(1, r.index * rows.at_add + rows.at, 0), row=image.row,
                    columns=(columns.count, columns.at, columns.at_add), step=image.step, phase=image.phase,
                )  # fmt: skip
            for width, first, count in _blocks(self.plan.width, *outputs):
                size = width * n
                # Upwards in memory, for packing writes a little too far.
                with f.loop(0, s.groups) as group, f.loop(0, count) as block, f.loop(0, rows.count) as r:
                    output = first * n + block.index * size
                    source = group.index * (s.outputs * s.inputs * min(s.to_input, s.to_output)) + output * s.to_output
                    pack_taps(
                        f, self.t, n, f.offset(self.w, source, self.t),
                        f.offset(self.weights_of(group.index, i, j, output), r.index * (row * size), self.t),
                        outputs=size, high=size, more=1, to_output=s.to_output, channels=s.inputs, to_channel=s.to_input,
                        rows=(1, (r.index * rows.add + rows.first) * s.columns, 0),
                        columns=(columns.count, columns.first, columns.add),
                    )  # fmt: skip

    def weights_of(self, group, i, j, output):
        """The packed weights of a phase from an output on."""
        s = self.windows
        return self.f.offset(self.weights, self.phase_at(group, i, j) + output * self.pick(i, j, s.taps), self.t)

    def phase_at(self, group, i, j):
        s = self.windows
        return self.pick(i, j, lambda i, j: self.at[i, j]) * (s.outputs * s.groups) + group * self.pick(
            i, j, lambda i, j: s.outputs * s.taps(i, j)
        )

    def pick(self, i, j, get):
        """A number of phase i, j, where i may be known in native code only."""
        f, each = self.f, range(len(self.windows.phases[0]))
        values = [get(k, j) for k in each]
        if isinstance(i, int) or len(set(values)) == 1:
            return f.index(values[i if isinstance(i, int) else 0])
        x = f.index(values[-1])
        for k in reversed(each[:-1]):
            x = f.select(i.equals(k), f.index(values[k]), x)
        return x

    def rows(self, n, group, first, output, width):
        """Some rows of an image, all of their pixels, for a block of outputs."""
        f, s = self.f, self.windows
        together, _ = self.plan.together
        rows = least(f, together, s.height - first) if s.height % together else together
        phases = len(s.phases[0])
        with f.loop(0, rows) as row:
            y = first + row.index
            phase = y % phases if phases > 1 else 0
            for j in range(len(s.phases[1])):
                self.row(group, y // phases, phase, j, output, width, row.index * s.width + j)
        self.give(n, group, first, rows, output, width)

    def row(self, group, y, i, j, output, width, pixel):
        """One phase of a row: sums go to every so manyth `pixel`."""
        f, s, image, t = self.f, self.windows, self.windows.image, self.t
        adds = {steps.at_add for steps in s.phases[0] if steps.count > 1}
        at = self.pick(i, j, lambda i, j: s.phases[0][i].at) + y * s.move
        count = self.pick(i, j, lambda i, j: s.phases[0][i].count)
        low, high = _inside(f, at, adds.pop() if adds else 1, count, image.top, image.top + image.height)
        taps = s.inputs * s.phases[1][j].count
        table = f.offset(self.table, self.pick(i, j, lambda i, j: self.at[i, j]) + low * taps, "i32")
        weights = f.offset(self.weights_of(group, i, j, output), low * (taps * width * self.lanes), t)
        source = f.offset(self.image, group * (s.inputs * image.plane) + y * (s.move * image.row), t)
        x: Any = 0
        for pixels, blocks in self.plan.pixels(width, j):
            size = width * self.lanes
            places = [p * len(s.phases[1]) * size for p in range(pixels)]
            kernel = spread_kernel(f, t, self.lanes, list(range(pixels)), places, width)
            with f.loop(0, blocks) as block:
                to = f.offset(self.sums, (pixel + (x + block.index * pixels) * len(s.phases[1])) * size, t)
                args = f.offset(source, x + block.index * pixels, t), table, weights, to
                f.call(kernel, "void", *args, (high - low) * taps, f.index(0))
            x += pixels * blocks

    def give(self, n, group, first, rows, output, width):
        """Hand over the sums of some rows, from the `first` on."""
        f, s, lanes = self.f, self.windows, self.lanes
        _, flat = self.plan.together
        span = s.width * (s.height if flat else 1)
        rest = span % lanes
        end = (rows if flat else 1) * s.width
        whole = end - end % lanes if isinstance(end, int) or rest else end

        def some(pixel, valid):
            with f.loop(0, width) as v:
                k = group * s.outputs + output + v.index * lanes
                sums = f.offset(self.sums, (pixel * width + v.index) * lanes, self.t)

                def finish(lane, x, valid):
                    self.finish(n, k + lane, first, pixel, x, valid)

                _give(f, self.t, lanes, sums, width * lanes, valid, finish)

        if not isinstance(whole, int) or whole:
            with f.loop(0, whole, lanes) as turn:
                some(turn.index, lanes)
        if rest and isinstance(whole, int):
            some(f.index(whole), rest)
        elif rest:
            with f.when(whole < end):
                some(whole, rest)


# --- the gradient by the weights --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WeightSumsPlan:
    """How the gradient by the weights is cut: some images at a time, then vectors of outputs, then blocks of taps."""

    machine: Machine
    t: str
    c: Convolution
    image: Placed

    @property
    def lanes(self):
        return self.machine.lanes(self.t)

    @property
    def vectors(self):
        """Vectors of outputs of a group."""
        return self.c.group_outputs // self.lanes

    def taps(self, vectors):
        """Blocks of taps beside so many vectors: rows of a block, and its channels as (how many, how many blocks)."""
        c, room = self.c, _most(self.machine, vectors) // self.c.columns
        if not room:
            return None
        rows = c.rows if room >= c.rows * min(c.group_inputs, 2) else 1
        return rows, heights(room // rows, c.group_inputs)

    def cycles(self, vectors):
        """For all weights and one pixel."""
        total = 0
        for width, count in ((vectors, self.vectors // vectors), (1, self.vectors % vectors)):
            rows, blocks = self.taps(width)
            each = sum(n * _cycles(self.machine, rows * channels * self.c.columns, width) for channels, n in blocks)
            total += count * each * (self.c.rows // rows)
        return total

    @cached_property
    def width(self):
        """Vectors of outputs beside each other."""
        return min((v for v in _widths(self.machine, self.vectors) if self.taps(v)), key=self.cycles)

    @cached_property
    def together(self):
        """Images whose pixels are summed up in registers."""
        c = self.c
        room = min(PIXELS, BACK // (self.width * self.lanes * SIZES[self.t]))
        return max(i for i in range(1, c.batch + 1) if c.batch % i == 0 and (i == 1 or i * c.pixels <= room))

    @property
    def possible(self):
        """Whether vectors of outputs are full, and a row of taps fits into the registers."""
        return self.vectors > 0 and not self.c.group_outputs % self.lanes and self.taps(1) is not None

    @property
    def pays(self):
        """Whether this takes less time than a product with transposed windows, as measured."""
        return self.possible and self.count >= 64

    @property
    def distance(self):
        return self.image.distance(self.t, self.lanes)

    @property
    def count(self):
        return self.c.group_inputs * self.c.window

    def pieces(self):
        """Bytes of scratch: placed images, tables of pixels and of taps, what came back, sums."""
        c, size = self.c, SIZES[self.t]
        pixels = self.together * c.pixels
        back = (pixels + self.lanes) * self.width * self.lanes
        sums = (self.count + self.lanes) * c.group_outputs
        return [aligned(n) for n in (self.together * self.distance * size, pixels * 4, back * size, sums * size)]


class WeightSums:
    """The gradient by the weights while it is being written."""

    def __init__(self, f: Function, plan: WeightSumsPlan, x, g, finish: Finish, scratch, share: Share):
        self.f, self.plan, self.t, self.c, self.lanes = f, plan, plan.t, plan.c, plan.lanes
        self.x, self.g, self.finish, self.share = x, g, finish, share
        images, pixels, back, _ = plan.pieces()
        self.images, self.size = scratch, images
        self.table = f.offset(scratch, images)
        self.back = f.offset(self.table, pixels)
        self.sums = f.offset(self.back, back)

    def write(self):
        f, c, plan = self.f, self.c, self.plan
        f.clear(self.images, self.size)
        groups: Any = (0, c.groups)
        outputs: Any = (0, plan.vectors)
        if self.share and c.groups >= 4:
            groups = self.share(c.groups)
        elif self.share:
            outputs = self.share(plan.vectors)
        self.list_pixels()
        with f.loop(*groups) as group:
            with f.loop(0, c.batch // plan.together) as turn:
                self.place(group.index, turn.index)
                for width, first, count in _blocks(plan.width, *outputs):
                    with f.loop(0, count) as block:
                        self.block(group.index, turn.index, (first + block.index * width) * self.lanes, width)
            for width, first, count in _blocks(plan.width, *outputs):
                with f.loop(0, count) as block:
                    self.give(group.index, (first + block.index * width) * self.lanes, width)

    def list_pixels(self):
        """Where the first taps of windows stand: over rows, images, columns."""
        f, c, plan = self.f, self.c, self.plan
        with f.loop(0, c.out_height) as y, f.loop(0, plan.together) as i, f.loop(0, c.out_width) as x:
            at = (y.index * plan.together + i.index) * c.out_width + x.index
            where = i.index * plan.distance + y.index * (c.stride[0] * plan.image.row) + x.index
            f.store(f.cast("trunc", where, "i32"), self.table, at)

    def place(self, group, turn):
        """Place some images."""
        f, c, plan = self.f, self.c, self.plan
        first = turn * plan.together
        plan.image.write_several(f, self.t, self.lanes, c, self.x, self.images, group, first, plan.together)

    def block(self, group, turn, output, width):
        """All taps of a block of outputs, over the pixels of some images."""
        f, c, plan, image, t = self.f, self.c, self.plan, self.plan.image, self.t
        size = width * self.lanes
        with f.loop(0, c.out_height) as y, f.loop(0, plan.together) as i:
            n = turn * plan.together + i.index
            first = (n * c.outputs + group * c.group_outputs + output) * c.pixels + y.index * c.out_width
            to = (y.index * plan.together + i.index) * (c.out_width * size)
            pack_taps(
                f, t, self.lanes, f.offset(self.g, first, t), f.offset(self.back, to, t), outputs=size, high=size, more=1,
                to_output=c.pixels, channels=1, to_channel=c.out_width, rows=(1, 0, 0), columns=(c.out_width, 0, 1),
            )  # fmt: skip
        rows, blocks = plan.taps(width)
        columns = [x * c.dilation[1] % image.step * image.phase + x * c.dilation[1] // image.step for x in range(c.columns)]
        with f.loop(0, c.rows, rows) as r:
            low, high = 0, c.out_height
            if rows == 1:
                base = r.index * c.dilation[0]
                low, high = _inside(f, base, c.stride[0], c.out_height, image.top, image.top + image.height)
            line = plan.together * c.out_width
            table = f.offset(self.table, low * line, "i32")
            back = f.offset(self.back, low * (line * size), t)
            source = f.offset(self.images, r.index * (c.dilation[0] * image.row), t)
            k = f.index(0)
            for channels, count in blocks:
                each = [(channel, row, x) for channel in range(channels) for row in range(rows) for x in range(c.columns)]
                offsets = [channel * image.plane + row * c.dilation[0] * image.row + columns[x] for channel, row, x in each]
                places = [((channel * c.rows + row) * c.columns + x) * size for channel, row, x in each]
                kernel = spread_kernel(f, t, self.lanes, offsets, places, width)
                with f.loop(0, count) as block:
                    channel = k + block.index * channels
                    sums = output * plan.count + (channel * c.window + r.index * c.columns) * size
                    args = f.offset(source, channel * image.plane, t), table, back, f.offset(self.sums, sums, t)
                    f.call(kernel, "void", *args, f.index((high - low) * line), turn)
                k = k + count * channels

    def give(self, group, output, width):
        """Hand over the sums of a block of outputs."""
        f, c, plan, n = self.f, self.c, self.plan, self.lanes
        k = group * c.group_outputs + output
        whole = plan.count - plan.count % n

        def some(j, valid):
            with f.loop(0, width) as v:
                sums = f.offset(self.sums, output * plan.count + (j * width + v.index) * n, self.t)

                def finish(lane, x, valid):
                    self.finish(k + v.index * n + lane, j, x, valid)

                _give(f, self.t, n, sums, width * n, valid, finish)

        if whole:
            with f.loop(0, whole, n) as turn:
                some(turn.index, n)
        if plan.count % n:
            some(f.index(whole), plan.count % n)
