"""Running sums and products along one axis: one total after the other, as NumPy has them, but several side by side."""

import math

from ..core.graph import Constant
from .expressions import shape_of
from .llvm import SIZES, vector
from .loops import memory_type
from .scalars import Number, Scalars

ROWS = {"cumsum": "add", "cumprod": "multiply"}
BYTES = 64  # of totals that are carried along side by side
ROWS_TOGETHER = 4  # where the axis is the last one: their additions wait less for each other


def emit(kernel, f, pointers):
    """Write a kernel of one of these rows into a function of the pointers of its operands."""
    (x,), (out,), axis = kernel.step.inputs, kernel.step.outputs, kernel.step.params["axis"]
    shape = shape_of(x)
    if 0 in shape:
        return
    source = pointers[id(x) if isinstance(x, Constant) else x.id]
    old, new = x.value.dtype if isinstance(x, Constant) else x.aval.dtype, out.aval.dtype
    combine = ROWS[kernel.step.row.name]
    outer, n, inner = math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])
    width = max(BYTES // SIZES[memory_type(new)], 1)

    def totals(starts, lanes, valid=None):
        """Go along the axis from each of these places."""
        s = Scalars(f, lanes)
        first = s.constant(0 if combine == "add" else 1, new).value
        with f.loop(0, n, carried=[first] * len(starts)) as turn:
            carried = []
            for start, total in zip(starts, turn.carried, strict=True):
                at = start + turn.index * inner
                v = f.load_some(vector(memory_type(old), lanes), source, valid, at) if valid else f.load(
                    vector(memory_type(old), lanes), f.offset(source, at, memory_type(old))
                )  # fmt: skip
                number = Number(v.differs(0) if old.kind == "b" else v, old)
                total = getattr(s, combine)(Number(total, new), s.cast(number, new)).value
                place = f.offset(pointers[out.id], at, memory_type(new))
                if valid:
                    f.store_some(total, place, valid)
                else:
                    f.store(total, place)
                carried.append(total)
            turn.carried = carried

    if inner == 1:
        full = outer // ROWS_TOGETHER * ROWS_TOGETHER
        if full:
            with f.loop(0, full, ROWS_TOGETHER) as turn:
                totals([(turn.index + k) * n for k in range(ROWS_TOGETHER)], 0)
        if full < outer:
            with f.loop(full, outer) as turn:
                totals([turn.index * n], 0)
        return
    full = inner // width * width
    with f.loop(0, outer) as turn:
        start = turn.index * (n * inner)
        if full:
            with f.loop(0, full, width) as column:
                totals([start + column.index], width)
        if inner % width:
            totals([start + full], 1 << (inner % width - 1).bit_length() if inner % width > 1 else 0, _rest(inner % width))


def _rest(count):
    """How many lanes of the next power of two are needed, or None for all of them."""
    return count if count & (count - 1) else None
