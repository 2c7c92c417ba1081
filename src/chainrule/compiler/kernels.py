"""Innermost loops in native code: sums of products in registers, and vectors transposed and summed up there."""

from dataclasses import dataclass
from typing import Any

from .llvm import Function, Value, element, lanes, vector

Index = Any  # a Python number or an i64 Value


@dataclass(frozen=True)
class Span:
    """How long a block of depth is: `stop`, which if it is a value is `tail` if `final`, and else a multiple of 16."""

    stop: Index
    tail: int
    final: Value | None = None


def each(f, span, step, body, carried=()):
    """Go through a block of depth, `step` at a time: `body(k, count, carried)` gives what is carried on."""
    rest = span.tail % step
    main = span.stop
    if isinstance(main, int):
        main -= rest
    elif rest:
        main = main - f.select(span.final, f.index(rest), f.index(0))
    with f.loop(0, main, step, carried) as turn:
        turn.carried = body(turn.index, step, turn.carried) or ()
    if rest:
        with f.loop(main, span.stop, rest, turn.carried) as turn:
            turn.carried = body(turn.index, rest, turn.carried) or ()
    return turn.carried


def transpose(f, rows):
    """As many vectors as they have lanes, transposed in registers."""
    n = len(rows)
    distance = 1
    if rows[0].type.endswith("x float>") and n >= 4:
        # Two rounds of what SSE calls unpack give 4 x 4 blocks, for one instruction a vector and round.
        quads = range(0, n, 4)
        low = [q + i for q in quads for i in (0, n, 1, n + 1)]
        high = [q + i for q in quads for i in (2, n + 2, 3, n + 3)]
        pairs = [f.shuffle(rows[i], rows[i + 1], which) for i in range(0, n, 2) for which in (low, high)]
        low = [q + i for q in quads for i in (0, 1, n, n + 1)]
        high = [q + i for q in quads for i in (2, 3, n + 2, n + 3)]
        rows = [f.shuffle(pairs[q + i], pairs[q + i + 2], which) for q in quads for i in (0, 1) for which in (low, high)]
        distance = 4
    while distance < n:
        out = list(rows)
        for i in range(n):
            if not i & distance:
                x, y = rows[i], rows[i + distance]
                low = [j if not j & distance else n + j - distance for j in range(n)]
                high = [j + distance if not j & distance else n + j for j in range(n)]
                out[i], out[i + distance] = f.shuffle(x, y, low), f.shuffle(x, y, high)
        rows = out
        distance *= 2
    return rows


def transpose_kernel(f, t, n):
    """A function that copies `n` numbers of each of `n` rows transposed, shared by all kernels of a module; gives its name.

    Rows are `apart` from each other and come to stand `apart_there`. If there are fewer `rows`, the last one is read again:
    what the lanes hold does not matter, where they read does.
    """
    name = f"transpose_{t}_{n}"
    if any(g.name == name for g in f.module.functions):
        return name
    args = [("ptr", "source"), ("ptr", "target"), ("i64", "apart"), ("i64", "apart_there"), ("i64", "rows")]
    g = Function(f.module, name, args, linkage="internal", attributes="nounwind noinline")
    source, target, apart, there, rows = g.arguments.values()
    read = [g.load(vector(t, n), g.offset(source, g.binary("smin", rows - 1, i) * apart, t)) for i in range(n)]
    for i, x in enumerate(transpose(g, read)):
        g.store(x, g.offset(target, there * i, t))
    g.give()
    return name


def sums(f, rows):
    """The vector of the sums of as many vectors as they have lanes."""
    n = len(rows)

    def fold(items, join):
        size = n
        while size > 1:
            blocks, half = range(0, n, size), size // 2
            low = [b + i + o for b in blocks for o in (0, n) for i in range(half)]
            items = [join(x, y, low, half) for x, y in zip(items[::2], items[1::2], strict=True)]
            size = half
        return items[0]

    order = fold([[i] * n for i in range(n)], lambda x, y, low, half: [(x + y)[i] for i in low])
    given: list[Any] = [None] * n
    for lane, which in enumerate(order):
        given[which] = rows[lane]

    def join(x, y, low, half):
        return f.combine("fadd", f.shuffle(x, y, low), f.shuffle(x, y, [i + half for i in low]))

    return fold(given, join)


def accumulate(f, span, step, sums, high, a, b, read):
    """The innermost loop: sums of `high` rows times the vectors that `read` gives of a row of B."""
    (a_at, row, depth), (b_at, row_b) = a, b
    t, n = element(sums[0].type), lanes(sums[0].type)
    width, all_sums = len(sums) // high, len(sums)
    # Few sums: two sets of them, for the steps of one sum must wait for each other.
    sets = 2 if all_sums <= 7 and (span.final is not None or not isinstance(span.stop, int) or span.stop > 3) else 1
    sums = [*sums, *[f.constant(sums[0].type, 0)] * (all_sums * (sets - 1))]

    rows = [row * r for r in range(high)]

    def body(k, count, sums):
        sums = list(sums)
        for d in range(count):
            ys = read(f.offset(b_at, (k + d) * row_b, t))
            p = f.offset(a_at, (k + d) * depth, t)
            for r in range(high):
                x = f.splat(f.load(t, f.offset(p, rows[r], t)), n)
                for v in range(width):
                    s = (d % sets) * all_sums + r * width + v
                    sums[s] = f.fma(x, ys[v], sums[s])
        return sums

    sums = each(f, span, step, body, sums)
    if sets == 2:
        sums = [f.combine("fadd", x, y) for x, y in zip(sums[:all_sums], sums[all_sums:], strict=True)]
    return sums


def product_kernel(f, t, n, high, width, row, depth):
    """A function for the innermost loop over a packed panel, shared by all products of a module; gives its name."""
    kind = "down" if row == 1 else "along" if depth == 1 else "any"
    name = f"product_{t}_{high}x{width}x{n}_{kind}"
    if any(g.name == name for g in f.module.functions):
        return name
    args = [("ptr", "a"), ("i64", "row"), ("i64", "depth"), ("ptr", "b"), ("i64", "count"), ("ptr", "sums"), ("i1", "again")]
    g = Function(f.module, name, args, linkage="internal", attributes="nounwind noinline")
    a, row, depth, b, count, at, again = g.arguments.values()
    vt, size = vector(t, n), high * width

    def held():
        return [g.load(vt, g.offset(at, s * n, t)) for s in range(size)]

    def read(p):
        return [g.load(vt, g.offset(p, v * n, t)) for v in range(width)]

    sums = g.choose(again, held, lambda: [g.constant(vt, 0)] * size)
    steps = (1 if kind == "down" else row, 1 if kind == "along" else depth)
    together = 4 if size < 12 else 2
    main = count & -together
    sums = accumulate(g, Span(main, 0), together, sums, high, (a, *steps), (b, width * n), read)
    with g.loop(main, count, 1, sums) as turn:
        moved = (g.offset(a, turn.index * steps[1], t), *steps)
        turn.carried = accumulate(
            g, Span(1, 1), 1, turn.carried, high, moved, (g.offset(b, turn.index * width * n, t), 0), read
        )
    for s, x in enumerate(turn.carried):
        g.store(x, g.offset(at, s * n, t))
    g.give()
    return name


def pack_kernel(f, t, n, width, down, whole):
    """A function that copies a panel of a matrix in memory, shared by all products of a module; gives its name.

    Rows of the panel are `stride` apart and contiguous, or with `down` its columns are. Unless the panel is `whole`, only
    the first `columns` count.
    """
    name = f"pack_{t}_{width}x{n}_{'down' if down else 'across'}{'' if whole else '_some'}"
    if any(g.name == name for g in f.module.functions):
        return name
    args = [("ptr", "b"), ("i64", "stride"), ("i64", "count"), ("i64", "columns"), ("ptr", "target")]
    g = Function(f.module, name, args, linkage="internal", attributes="nounwind noinline")
    b, stride, count, columns, target = g.arguments.values()
    vt, step = vector(t, n), width * n

    if down:
        turned = transpose_kernel(f, t, n)
        main = count - count % n
        with g.loop(0, main, n) as turn:
            to = g.offset(target, turn.index * step, t)
            for v in range(width):
                source = g.offset(b, stride * (v * n) + turn.index, t)
                rows = g.index(n) if whole else columns - v * n
                g.call(turned, "void", source, g.offset(to, v * n, t), stride, g.index(step), rows)
        with g.loop(main, count) as turn, g.loop(0, columns) as column:
            x = g.load(t, g.offset(b, column.index * stride, t), turn.index)
            g.store(x, g.offset(target, turn.index * step, t), column.index)
    else:
        mask = None if whole else g.mask(n, columns - (width - 1) * n)
        main = count & -4
        for start, stop, several in ((g.index(0), main, 4), (main, count, 1)):
            with g.loop(start, stop, several) as turn:
                for d in range(several):
                    source = g.offset(b, (turn.index + d) * stride, t)
                    to = g.offset(target, (turn.index + d) * step, t)
                    for v in range(width):
                        p = g.offset(source, v * n, t)
                        x = g.load(vt, p) if whole or v < width - 1 else g.load_some(vt, p, mask)
                        g.store(x, g.offset(to, v * n, t))
    g.give()
    return name
