"""Functions in native code that convolutions of a module share: they place images, list windows and sum over them.

Everything about the shape of an image is an argument, so that each is compiled once, whatever the number of layers.
"""

import contextlib

from .kernels import transpose
from .llvm import Function, Value, vector


def _function(f, name, pointers, numbers):
    """A new function of pointers and i64 numbers, and its arguments; None if the module has it."""
    if any(g.name == name for g in f.module.functions):
        return None, []
    args = [("ptr", p) for p in pointers] + [("i64", x) for x in numbers]
    g = Function(f.module, name, args, linkage="internal", attributes="nounwind noinline")
    return g, list(g.arguments.values())


def _call(f, name, *args):
    f.call(name, "void", *(x if isinstance(x, Value) else f.index(x) for x in args))


def place(f, t, n, source, target, *, channels, plane, rows, width, row, to_plane, to_row, step, phase_row):
    """Copy `rows` x `width` pixels of each channel, planes and rows so far apart, to a wider image.

    With `step` > 1, columns 0, step, 2 step ... go one beside the other, and so on for columns 1, step + 1 ...: to places
    `phase_row[q]` after the start of a row.
    """
    if step == 1:
        name = _place_rows(f, t, n)
        target = f.offset(target, phase_row[0], t)
        _call(f, name, source, target, channels, plane, rows, width, row, to_plane, to_row)
        return
    name = _place_columns(f, t, n, 2 if step == 2 else 0)
    for q, at in enumerate(phase_row):
        count = -(-(width - q) // step)
        if at is not None and count > 0:
            there, here = f.offset(target, at, t), f.offset(source, q, t)
            _call(f, name, here, there, channels, plane, rows, count, row, to_plane, to_row, step)


def _place_rows(f, t, n):
    name = f"place_{t}_{n}"
    g, args = _function(
        f, name, ["source", "target"], ["channels", "plane", "rows", "width", "row", "to_plane", "to_row"]
    )  # fmt: skip
    if g is None:
        return name
    source, target, channels, plane, rows, width, row, to_plane, to_row = args
    vt = vector(t, n)
    with g.loop(g.index(0), channels) as c, g.loop(g.index(0), rows) as y:
        here = g.offset(source, c.index * plane + y.index * row, t)
        there = g.offset(target, c.index * to_plane + y.index * to_row, t)
        whole = width - width % n
        with g.loop(g.index(0), whole, n) as x:
            g.store(g.load(vt, g.offset(here, x.index, t)), g.offset(there, x.index, t))
        rest = g.choose(width < n, lambda: [whole], lambda: [width])[0]
        with g.when(rest > whole):
            # What is left of a long row is copied with a vector that ends where the row does.
            last = width - n
            g.store(g.load(vt, g.offset(here, last, t)), g.offset(there, last, t))
        with g.loop(rest, width) as x:
            g.store(g.load(t, here, x.index), there, x.index)
    g.give()
    return name


def _place_columns(f, t, n, step):
    """Copy every `step`th column; by vectors if that is known to be 2."""
    name = f"place_{t}_{n}_step{step or ''}"
    names = ["channels", "plane", "rows", "count", "row", "to_plane", "to_row", "step"]
    g, args = _function(f, name, ["source", "target"], names)
    if g is None:
        return name
    source, target, channels, plane, rows, count, row, to_plane, to_row, apart = args
    vt = vector(t, n)
    with g.loop(g.index(0), channels) as c, g.loop(g.index(0), rows) as y:
        here = g.offset(source, c.index * plane + y.index * row, t)
        there = g.offset(target, c.index * to_plane + y.index * to_row, t)
        whole = g.index(0)
        if step == 2:
            # The last number a pair of vectors reads is not part of any window: one vector less, and no harm is done.
            whole = g.binary("smax", (count - 1) - (count - 1) % n, g.index(0))
            with g.loop(g.index(0), whole, n) as x:
                p = g.offset(here, x.index * 2, t)
                pair = g.load(vt, p), g.load(vt, g.offset(p, n, t))
                g.store(g.shuffle(*pair, range(0, 2 * n, 2)), g.offset(there, x.index, t))
        with g.loop(whole, count) as x:
            g.store(g.load(t, here, x.index * apart), there, x.index)
    g.give()
    return name


def list_taps(f, table, *, channels, plane, rows, row, columns, step, phase):
    """Write where, from its first pixel, a window finds each of its numbers: i32, over channels, rows and columns.

    `rows` and `columns` are (how many, the first, what to add); `row` and `phase` are the sizes of a row and of its phases.
    """
    name = "list_taps"
    names = ["channels", "plane", "rows", "y", "dy", "row", "columns", "x", "dx", "step", "phase"]
    g, args = _function(f, name, ["table"], names)
    if g is not None:
        at, channels_, plane_, rows_, y_, dy_, row_, columns_, x_, dx_, step_, phase_ = args
        with g.loop(g.index(0), channels_) as c, g.loop(g.index(0), rows_) as i, g.loop(g.index(0), columns_) as j:
            y, x = y_ + i.index * dy_, x_ + j.index * dx_
            where = c.index * plane_ + y * row_ + x % step_ * phase_ + x // step_
            k = (c.index * rows_ + i.index) * columns_ + j.index
            g.store(g.cast("trunc", where, "i32"), at, k)
        g.give()
    _call(f, name, table, channels, plane, *rows, row, *columns, step, phase)


def pack_taps(f, t, n, w, target, *, outputs, high, more, to_output, channels, to_channel, rows, columns):
    """Copy weights so that a block of output channels is contiguous: over blocks, channels, rows, columns, then the block.

    The first `more` blocks have `high` outputs, the others one less. `rows` and `columns` are (how many, place of the
    first, what to add). Writes up to (`n` + 1) * (`high` + 1) numbers too many.
    """
    (count, r0, dr), (inner, s0, ds) = rows, columns
    blocks = outputs, high, more, to_output
    run, step = count * inner, ds if inner > 1 else dr
    if (count == 1 or inner == 1 or dr == ds * inner) and step in (1, -1):
        # Taps that stand side by side, whether upwards or downwards.
        if step == 1 and to_channel == run:
            channels, run = 1, channels * run
        if step == 1 or run >= n:
            first = r0 + s0 if step == 1 else r0 + s0 - run + 1
            name = _pack_runs(f, t, n, step, -(-high // n))
            _call(f, name, f.offset(w, first, t), target, *blocks, channels, to_channel, run)
            return
    _call(f, _pack_any(f, t), w, target, *blocks, channels, to_channel, *rows, *columns)


@contextlib.contextmanager
def _blocks(g, outputs, high, more):
    """A loop over blocks of outputs, giving the first output and the size of each."""
    edge = more * high
    rest = outputs - edge
    low = g.binary("smax", high - 1, g.index(1))
    with g.loop(g.index(0), more + rest // low) as turn:
        large = turn.index < more
        first = g.select(large, turn.index * high, edge + (turn.index - more) * low)
        yield first, g.select(large, high, low)


def _pack_any(f, t):
    name = f"pack_taps_{t}"
    names = ["outputs", "high", "more", "output", "channels", "channel", "rows", "r0", "dr", "columns", "s0", "ds"]
    g, args = _function(f, name, ["w", "target"], names)
    if g is None:
        return name
    w, to, outputs, high, more, output, channels, channel, rows, r0, dr, columns, s0, ds = args
    window = rows * columns
    zero = g.index(0)
    with _blocks(g, outputs, high, more) as (first, size), g.loop(zero, channels) as c, g.loop(zero, rows) as i:
        channel_at = first * output + c.index * channel + (r0 + i.index * dr + s0)
        row_at = first * (channels * window) + (c.index * window + i.index * columns) * size
        with g.loop(zero, columns) as j, g.loop(zero, size) as lane:
            x = g.load(t, g.offset(w, channel_at + j.index * ds, t), lane.index * output)
            g.store(x, g.offset(to, row_at + j.index * size, t), lane.index)
    g.give()
    return name


def _pack_runs(f, t, n, step, goes):
    """Pack `run` neighbours at a time by transposing them in registers, or backwards for a `step` of -1.

    A block of outputs is as high as `goes` vectors at most.
    """
    name = f"pack_runs_{t}_{n}x{goes}{'' if step == 1 else '_back'}"
    g, args = _function(
        f, name, ["w", "target"], ["outputs", "high", "more", "output", "channels", "channel", "run"]
    )  # fmt: skip
    if g is None:
        return name
    w, to, outputs, high, more, output, channels, channel, run = args
    vt = vector(t, n)

    mask = g.mask(n, run)
    with (
        _blocks(g, outputs, high, more) as (first, size),
        g.loop(g.index(0), channels) as c,
        g.loop(g.index(0), run, n) as turn,
    ):
        # The last taps of a run overlap those before. What is written too far is written again by those that follow.
        x = g.binary("smax", g.binary("smin", turn.index, run - n), g.index(0))
        at = first * output + c.index * channel + (x if step == 1 else run - n - x)
        there = g.offset(to, first * (channels * run) + (c.index * run + x) * size, t)
        found = []
        for go in range(goes):
            lanes = [g.binary("smin", g.index(lane), size - 1) * output for lane in range(go * n, go * n + n)]
            read = [g.load_some(vt, g.offset(w, at + lane, t), mask) for lane in lanes]
            found.append(transpose(g, read)[::step])
        for d in range(n):
            for go in range(goes):
                g.store(found[go][d], g.offset(there, size * d + go * n, t))
    g.give()
    return name


def _add_up(g, vt, size, places, count, again, body):
    """Write the sums of `size` vectors over `count` steps to `places`, to what stands there if `again` is more than 0.

    `body(k, several, sums)` does some steps. Few sums are kept in two sets, for the steps of one sum must wait for each other.
    """
    sets, main, zero = 2 if size <= 7 else 1, count & -4, g.constant(vt, 0)
    begin = g.choose(again > 0, lambda: [g.load(vt, p) for p in places], lambda: [zero] * size)
    with g.loop(g.index(0), main, 4, begin + [zero] * (size * (sets - 1))) as turn:
        turn.carried = body(turn.index, 4, turn.carried)
    with g.loop(main, count, 1, turn.carried) as turn:
        turn.carried = body(turn.index, 1, turn.carried)
    sums = turn.carried
    if sets == 2:
        sums = [g.combine("fadd", x, y) for x, y in zip(sums[:size], sums[size:], strict=True)]
    for p, x in zip(places, sums, strict=True):
        g.store(x, p)
    g.give()


def tap_kernel(f, t, n, high, width, paired=False):
    """A function that sums windows times weights: `high` outputs at `width` vectors of pixels, so far `between`.

    The sums begin with what stands there if `again` is more than 0. With `paired`, each half of a vector is
    that of a row of its own, `between` apart too.
    """
    name = f"taps_{t}_{high}x{width}x{n}{'_paired' if paired else ''}"
    g, args = _function(f, name, ["image", "table", "weights", "sums"], ["count", "between", "again"])
    if g is None:
        return name
    image, table, weights, at, count, between, again = args
    vt, size = vector(t, n), high * width
    images = [g.offset(image, between * v, t) for v in range(2 * width if paired else width)]

    def read(where):
        if not paired:
            return [g.load(vt, g.offset(p, where, t)) for p in images]
        halves = [g.load(vector(t, n // 2), g.offset(p, where, t)) for p in images]
        return [g.shuffle(x, y, range(n)) for x, y in zip(halves[::2], halves[1::2], strict=True)]

    def body(k, several, sums):
        sums = list(sums)
        for d in range(several):
            where = g.cast("sext", g.load("i32", table, k + d), "i64")
            ys = read(where)
            p = g.offset(weights, (k + d) * high, t)
            for r in range(high):
                x = g.splat(g.load(t, p, r), n)
                for v in range(width):
                    s = (d * size) % len(sums) + r * width + v
                    sums[s] = g.fma(x, ys[v], sums[s])
        return sums

    _add_up(g, vt, size, [g.offset(at, s * n, t) for s in range(size)], count, again, body)
    return name


def fill_windows(f, t, n, image, table, target, *, first, taps, vectors, rows, width, row):
    """Pack the transpose of windows: for each pixel, what `vectors` * `n` taps from `first` on find there.

    Writes up to `n` pixels too many after the last one.
    """
    name = f"fill_windows_{t}_{n}"
    g, args = _function(f, name, ["image", "table", "target"], ["first", "taps", "vectors", "rows", "width", "row"])
    if g is not None:
        image_, table_, to, first_, taps_, vectors_, rows_, width_, row_ = args
        vt = vector(t, n)
        step = vectors_ * n
        with g.loop(g.index(0), vectors_) as v:
            starts = []
            for lane in range(n):
                which = g.binary("smin", first_ + v.index * n + lane, taps_ - 1)
                starts.append(g.cast("sext", g.load("i32", table_, which), "i64"))
            with g.loop(g.index(0), rows_) as y, g.loop(g.index(0), width_, n) as x:
                p = g.offset(image_, y.index * row_ + x.index, t)
                q = g.offset(to, (y.index * width_ + x.index) * step + v.index * n, t)
                for d, found in enumerate(transpose(g, [g.load(vt, g.offset(p, s, t)) for s in starts])):
                    g.store(found, g.offset(q, step * d, t))
        g.give()
    _call(f, name, image, table, target, first, taps, vectors, rows, width, row)


def dot_kernel(f, t, n, taps):
    """A function that adds to the sums of `taps` taps the products of an image's pixels with those of a gradient."""
    name = f"dots_{t}_{taps}x{n}"
    names = ["first", "most", "rows", "width", "row", "image_row"]
    g, args = _function(f, name, ["gradient", "image", "table", "sums"], names)
    if g is None:
        return name
    gradient, image, table, at, first, most, rows, width, row, image_row = args
    vt = vector(t, n)
    starts = []
    for k in range(taps):
        where = g.load("i32", table, g.binary("smin", first + k, most - 1))
        starts.append(g.offset(image, g.cast("sext", where, "i64"), t))
    rest = width % n
    mask = g.mask(n, rest)
    with g.loop(g.index(0), rows, 1, [g.load(vt, at, k * n) for k in range(taps)]) as y:
        here, there = g.offset(gradient, y.index * row, t), y.index * image_row
        with g.loop(g.index(0), width - rest, n, y.carried) as x:
            v = g.load(vt, g.offset(here, x.index, t))
            xs = [g.load(vt, g.offset(p, there + x.index, t)) for p in starts]
            x.carried = [g.fma(v, u, s) for u, s in zip(xs, x.carried, strict=True)]
        with g.loop(width - rest, width, n, x.carried) as x:
            v = g.load_some(vt, g.offset(here, x.index, t), mask)
            # What stands beyond the row may be infinite, so zero times it is not zero.
            xs = [g.load_some(vt, g.offset(p, there + x.index, t), mask) for p in starts]
            x.carried = [g.fma(v, u, s) for u, s in zip(xs, x.carried, strict=True)]
        y.carried = x.carried
    for k, s in enumerate(y.carried):
        g.store(s, at, k * n)
    g.give()
    return name


def spread_kernel(f, t, n, offsets, places, width):
    """A function that sums numbers of an image times `width` vectors: sums of their own for each of `offsets`.

    A number stands at an offset from where the table says. Sums go to `places`, and begin with what stands there if
    `again` is more than 0.
    """
    name = f"spread_{t}_{width}x{n}_{'_'.join(map(str, offsets))}_to_{'_'.join(map(str, places))}"
    g, args = _function(f, name, ["image", "table", "vectors", "sums"], ["count", "again"])
    if g is None:
        return name
    image, table, vectors, at, count, again = args
    vt, size = vector(t, n), len(offsets) * width
    sums_at = [g.offset(at, place + v * n, t) for place in places for v in range(width)]

    def body(k, several, sums):
        sums = list(sums)
        for d in range(several):
            source = g.offset(image, g.cast("sext", g.load("i32", table, k + d), "i64"), t)
            p = g.offset(vectors, (k + d) * (width * n), t)
            xs = [g.load(vt, g.offset(p, v * n, t)) for v in range(width)]
            for i, offset in enumerate(offsets):
                y = g.splat(g.load(t, g.offset(source, offset, t)), n)
                for v in range(width):
                    s = (d * size) % len(sums) + i * width + v
                    sums[s] = g.fma(y, xs[v], sums[s])
        return sums

    _add_up(g, vt, size, sums_at, count, again, body)
    return name
