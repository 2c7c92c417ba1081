"""How each kind of kernel is written."""

from itertools import groupby

from ..core.graph import Constant, Var
from . import contract, convolutions, nested, running
from .contract import Machine, Strided
from .expressions import Axis
from .loops import Emitter, Level, memory_type, tops
from .runtime import registers
from .scalars import Number

LONG = 10  # additions in what is done with a product, from which on it is written only once


def machine():
    return Machine(*registers())


def special(step):
    """The kind of kernel for a step with an emitter of its own; None for the others."""
    if step.row.name in nested.KINDS:
        return "nested"
    if step.row.name in running.ROWS:
        return "running"
    return "windows" if step.row.name in convolutions.ROWS else None


# --- what kernels need ----------------------------------------------------------------------------------------------------


def scratch(kernel):
    """Bytes of memory that a kernel needs for itself."""
    if kernel.kind == "nested":
        return nested.scratch(kernel)
    if kernel.kind == "windows":
        return convolutions.scratch(kernel.step, machine())
    if kernel.kind == "product":
        detail = kernel.detail
        m, n, a, b = shape_of_product(detail, lambda operand: None)
        b = contract.Packed(None) if detail.packed else b
        return contract.scratch_size(machine(), memory_type(detail.var.aval.dtype), m, n, detail.k, a, b)
    return 0


def extra_operands(kernel):
    """Operands that a kernel reads other than through expressions."""
    if kernel.kind == "product":
        return [kernel.detail.x[0], kernel.detail.y[0]]
    if kernel.kind in ("windows", "running"):
        return list(kernel.step.inputs)
    return []


def shape_of_product(detail, pointer_of):
    """Rows, columns and operands of a product, transposed if that is how its result is used."""
    a = Strided(pointer_of(detail.x), detail.x[2], detail.x[3])
    b = Strided(pointer_of(detail.y), detail.y[2], detail.y[3])
    return (detail.n, detail.m, b.T, a.T) if detail.swapped else (detail.m, detail.n, a, b)


# --- what several threads can do together ----------------------------------------------------------------------------------

WORTH_THREADS = 20_000  # additions, about, below which one thread is faster than several


def can_share(kernel, threads):
    """Whether threads can divide a kernel among them, and whether it is worth it."""
    if kernel.kind not in ("loops", "product", "windows") or kernel.work < WORTH_THREADS:
        return False
    if kernel.kind != "loops":
        return True
    outer = {r.axes[0] for r in kernel.roots if r.axes}
    return len(outer) == 1 and all(r.axes for r in kernel.roots) and next(iter(outer)).size >= 2 * threads


# --- operands that stay the same over many runs ---------------------------------------------------------------------------


def can_pack(kernel, fixed):
    """Whether the second operand of a product is one of the variables `fixed`, so that it can be laid out once."""
    if kernel.kind != "product" or kernel.detail.batch:
        return False
    m, n, _a, _b = shape_of_product(kernel.detail, lambda operand: None)
    source = kernel.detail.x[0] if kernel.detail.swapped else kernel.detail.y[0]
    return isinstance(source, Var) and source.id in fixed and m > 1 and n > 1


def packed_size(kernel):
    _, n, _, _ = shape_of_product(kernel.detail, lambda operand: None)
    return contract.packed_size(machine(), memory_type(kernel.detail.var.aval.dtype), n, kernel.detail.k)


def pack(kernel, f, pointer_of, target):
    """Lay out the second operand of a product; `pointer_of` gives the pointer of a variable."""
    t = memory_type(kernel.detail.var.aval.dtype)

    fixed = kernel.detail.x if kernel.detail.swapped else kernel.detail.y

    def place(operand):  # the other operand is computed later, and need not stand in the table
        return f.offset(pointer_of(operand[0]), operand[1], t) if operand is fixed else None

    _, n, _, b = shape_of_product(kernel.detail, place)
    contract.pack(f, machine(), t, n, kernel.detail.k, b, target)


# --- writing them -----------------------------------------------------------------------------------------------------------


def emit(kernel, emitter: Emitter, scratch):
    """Write a kernel into the emitter's function."""
    if kernel.kind in ("loops", "straight"):
        emitter.kernel(kernel.roots)
    elif kernel.kind == "pieces":
        # One after the other, except for parts that share loops.
        for _, roots in groupby(kernel.roots, lambda r: r.axes[:1] or id(r)):
            emitter.kernel(list(roots))
    elif kernel.kind == "product":
        emit_product(kernel, emitter, scratch)
    elif kernel.kind == "windows":
        convolutions.emit(kernel, emitter, scratch, machine(), emitter.slices() if emitter.share else None)
    elif kernel.kind == "running":
        running.emit(kernel, emitter.f, emitter.pointers)
    else:
        raise AssertionError(kernel.kind)


def name_of(operand):
    return id(operand) if isinstance(operand, Constant) else operand.id


def emit_product(kernel, emitter, scratch):
    """A matrix product, for each entry of its batch, and in registers what is done with its elements."""
    f, detail = emitter.f, kernel.detail
    dtype = detail.var.aval.dtype
    t = memory_type(dtype)
    outer = Level()
    emitter.prepare(tops(kernel.roots), outer)

    # Threads share the batch if it is large enough, else the blocks of each product.
    apart = bool(detail.batch) and detail.batch[0].size >= 8
    share = emitter.slices() if emitter.share and not apart else None

    def batches(number, level, places):
        if number < len(detail.batch):
            size = detail.batch[number].size
            start, stop = emitter.slice(size, emitter.share) if emitter.share and apart and number == 0 else (0, size)
            with f.loop(start, stop) as turn:
                deeper = Level(level)
                if detail.batch_loops[number]:
                    deeper.open(detail.batch_loops[number], turn.index)
                    emitter.prepare(tops(kernel.roots), deeper)
                batches(number + 1, deeper, [*places, turn.index])
            return
        one(level, places)

    def one(level, places):
        def pointer(operand):
            source, offset, _, _, strides = operand
            p = f.offset(emitter.pointers[name_of(source)], offset, t)
            for i, axis, stride in zip(places, detail.batch, strides, strict=True):
                if stride and axis.size > 1:
                    p = f.offset(p, i * stride, t)
            return p

        m, n, a, b = shape_of_product(detail, pointer)
        b = contract.Packed(f.arguments["packed"]) if detail.packed else b
        rows, columns = (detail.column, detail.row) if detail.swapped else (detail.row, detail.column)
        columns = columns or (Axis(1),)
        lanes = machine().lanes(t)

        def finish(i, j, x, valid):
            deeper = Level(level)
            if rows:
                deeper.open(rows, i)
            deeper.open(columns, j)
            deeper.vector = (columns[-1], lanes, None if valid == lanes else valid)
            deeper.values[kernel.given.id] = Number(x, dtype)
            emitter.prepare(tops(kernel.roots), deeper)
            for root in kernel.roots:
                emitter.store(root, deeper)

        weight = sum(r.node.weight + 1 for r in kernel.roots)
        contract.product(f, machine(), t, m, n, detail.k, a, b, finish, scratch, share=share, long_finish=weight >= LONG)

    batches(0, outer, [])
