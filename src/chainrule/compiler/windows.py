"""Where the windows of a convolution lie in an image, and which taps meet which pixels: what is known from shapes alone."""

from dataclasses import dataclass
from functools import cached_property

from .blocking import aligned
from .images import place
from .llvm import SIZES


@dataclass(frozen=True)
class Convolution:
    """The numbers of a convolution; `padding` is ((top, bottom), (left, right))."""

    batch: int
    inputs: int
    height: int
    width: int
    outputs: int
    rows: int
    columns: int
    stride: tuple[int, int] = (1, 1)
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    def __post_init__(self):
        if self.inputs % self.groups or self.outputs % self.groups:
            raise ValueError(f"{self.groups} groups of {self.inputs} inputs and {self.outputs} outputs")

    def reach(self, axis):
        """Pixels that a window spans."""
        return ((self.rows, self.columns)[axis] - 1) * self.dilation[axis] + 1

    def out(self, axis):
        size = (self.height, self.width)[axis] + sum(self.padding[axis])
        return (size - self.reach(axis)) // self.stride[axis] + 1

    @cached_property
    def out_height(self):
        return self.out(0)

    @cached_property
    def out_width(self):
        return self.out(1)

    @property
    def pixels(self):
        return self.out_height * self.out_width

    @property
    def group_inputs(self):
        return self.inputs // self.groups

    @property
    def group_outputs(self):
        return self.outputs // self.groups

    @property
    def window(self):
        return self.rows * self.columns

    @property
    def pointwise(self):
        """Whether an image's pixels do not mix: a matrix product."""
        plain = self.window == 1 and self.stride == (1, 1) and not any(map(sum, self.padding))
        return plain and min(p for side in self.padding for p in side) == 0


@dataclass(frozen=True)
class Steps:
    """Along one axis, the taps that meet one phase of the output: how many, the first, and what to add."""

    count: int
    first: int
    add: int
    at: int  # pixels from the first tap of the placed image, of the first and of what to add
    at_add: int


@dataclass(frozen=True)
class Placed:
    """An image with zeros around it, cut to what windows reach; columns sorted by phase if windows move by more than one."""

    channels: int
    height: int  # of the source
    width: int
    top: int  # zeros above, or if negative rows left out
    left: int
    rows: int
    columns: int
    step: int = 1
    used: frozenset[int] = frozenset({0})  # phases that windows touch

    @cached_property
    def phase(self):
        return -(-self.columns // self.step)

    @property
    def row(self):
        return self.phase * self.step

    @cached_property
    def plane(self):
        size = self.rows * self.row
        # Channels a multiple of 4 KiB apart would all want the same few lines of the first cache.
        return size + 16 if size % 512 == 0 else size

    def elements(self, lanes):
        return self.channels * self.plane + 4 * lanes + self.row

    def distance(self, t, lanes):
        """Elements from one placed image to the next."""
        return aligned(self.elements(lanes) * SIZES[t]) // SIZES[t]

    def write_several(self, f, t, lanes, c, x, target, group, first, count):
        """Copy one group of each of `count` images of the convolution `c`, from image `first` on."""
        with f.loop(0, count) as i:
            channel = (first + i.index) * c.inputs + group * c.group_inputs
            source = f.offset(x, channel * (c.height * c.width), t)
            self.write(f, t, lanes, source, f.offset(target, i.index * self.distance(t, lanes), t))

    def write(self, f, t, lanes, source, target, channels=None):
        """Copy an image whose surroundings are zero already."""
        y0, x0 = max(0, -self.top), max(0, -self.left)
        rows = min(self.height, self.rows - self.top) - y0
        width = min(self.width, self.columns - self.left) - x0
        if rows <= 0 or width <= 0:
            return
        left = x0 + self.left
        phases = [((left + q) % self.step, (left + q) // self.step) for q in range(self.step)]
        place(
            f, t, lanes, f.offset(source, y0 * self.width + x0, t), f.offset(target, (y0 + self.top) * self.row, t),
            channels=channels or self.channels, plane=self.height * self.width, rows=rows, width=width, row=self.width,
            to_plane=self.plane, to_row=self.row, step=self.step,
            phase_row=[p * self.phase + i if p in self.used else None for p, i in phases],
        )  # fmt: skip


def _steps(size, stride, dilation, before, phase):
    """The taps of an axis that, in the gradient by the input, meet pixels `phase`, `phase` + stride ..."""
    met = [r for r in range(size) if (phase + before - r * dilation) % stride == 0]
    if not met:
        return Steps(0, 0, 0, 0, 0)
    add = met[1] - met[0] if len(met) > 1 else 0
    return Steps(len(met), met[0], add, (phase + before - met[0] * dilation) // stride, -(add * dilation // stride))


@dataclass(frozen=True)
class Windows:
    """Sums over windows: what `forward` and `input_grad` have in common."""

    batch: int
    groups: int
    inputs: int  # of a group
    outputs: int  # of a group
    image: Placed
    move: int  # rows of the placed image from window to window
    phases: tuple[tuple[Steps, ...], tuple[Steps, ...]]  # of the rows and of the columns of the output
    height: int  # of the output
    width: int
    to_input: int  # elements of the weights from input to input
    to_output: int
    columns: int  # of the weights

    def taps(self, i, j):
        return self.inputs * self.phases[0][i].count * self.phases[1][j].count

    def tables(self):
        """Where the table of each phase starts, and how long all are."""
        at, total = {}, 0
        for i in range(len(self.phases[0])):
            for j in range(len(self.phases[1])):
                at[i, j] = total
                total += self.taps(i, j)
        return at, total

    def pieces(self, machine, t):
        """Bytes of scratch: image, tables of taps, weights."""
        _, total = self.tables()
        size = SIZES[t]
        image = aligned(self.image.elements(machine.lanes(t)) * size)
        more = (machine.lanes(t) + 1) * (machine.rows + 1)  # that packing may write too far
        return image, aligned(total * 4), aligned((total * self.outputs * self.groups + more) * size)


def forward_windows(c: Convolution):
    (top, _), (left, _) = c.padding
    step = c.stride[1]
    rows = (c.out_height - 1) * c.stride[0] + c.reach(0)
    columns = (c.out_width - 1) * step + c.reach(1)
    used = frozenset(s * c.dilation[1] % step for s in range(c.columns))
    image = Placed(c.inputs, c.height, c.width, top, left, rows, columns, step, used)
    phases = ((Steps(c.rows, 0, 1, 0, c.dilation[0]),), (Steps(c.columns, 0, 1, 0, c.dilation[1]),))
    return Windows(
        c.batch, c.groups, c.group_inputs, c.group_outputs, image, c.stride[0], phases, c.out_height, c.out_width,
        c.window, c.group_inputs * c.window, c.columns,
    )  # fmt: skip


def input_windows(c: Convolution):
    sizes, wide = (c.rows, c.columns), (c.height, c.width)
    found, before, reach = [], [], []
    for axis in (0, 1):
        steps = [_steps(sizes[axis], c.stride[axis], c.dilation[axis], c.padding[axis][0], p) for p in range(c.stride[axis])]
        ends = [s.at + s.at_add * i for s in steps for i in (0, s.count - 1) if s.count] or [0]
        shift = -min(ends)
        found.append(tuple(Steps(s.count, s.first, s.add, s.at + shift, s.at_add) for s in steps))
        before.append(shift)
        reach.append(-(-wide[axis] // c.stride[axis]) + max(ends) - min(ends))
    image = Placed(c.outputs, c.out_height, c.out_width, before[0], before[1], reach[0], reach[1])
    return Windows(
        c.batch, c.groups, c.group_outputs, c.group_inputs, image, 1, (found[0], found[1]), c.height, c.width,
        c.group_inputs * c.window, c.window, c.columns,
    )  # fmt: skip
