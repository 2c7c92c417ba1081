"""How kernels reach memory: where the elements of arrays stand, loads and stores of one or of several at once."""

import functools
import math
from typing import Any

from ..core.graph import Var
from . import strided
from .expressions import Affine, shape_of
from .llvm import Function, lanes as lanes_of, vector
from .scalars import NoLowering, Number

IR_TYPES = {
    "float32": "float", "float64": "double", "bool": "i8", "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64",
    "uint8": "i8", "uint16": "i16", "uint32": "i32", "uint64": "i64",
}  # fmt: skip


@functools.cache
def memory_type(dtype):
    """The LLVM type of an array's elements in memory."""
    try:
        return IR_TYPES[dtype.name if dtype.isnative else "swapped"]
    except KeyError:
        raise NoLowering(f"{dtype} arrays") from None


class Access:
    """What an Emitter knows of memory. `level` says which loops are open, and what has been computed there."""

    f: Function
    pointers: dict
    value: Any
    builder: Any

    def index(self, affine, level, skip_vector=False):
        """An affine index as an i64, or a vector of them where it depends on the vectorised loop."""
        f = self.f
        total = f.index(affine.const)
        for axis, c in affine.terms:
            i = level.indices[axis]
            if i is None:
                continue
            total = i * c if total.text == "0" else total + i * c
            if level.vector and level.vector[0] is axis and not skip_vector:
                total = f.splat(total, level.vector[1]) + f.steps(level.vector[1]) * c
        return total

    def pointer(self, node, level):
        """Address of a load as far as the open loops decide it."""
        operand, offset = node.data
        name = operand.id if isinstance(operand, Var) else id(operand)
        f = self.f
        t = memory_type(node.dtype)
        key: tuple = (name, offset.const)
        pointer = level.pointers.get(key)
        if pointer is None:
            pointer = level.pointers[key] = f.offset(self.pointers[name], offset.const, t)
        terms = dict(offset.terms)
        for axis in level.order:
            c = terms.get(axis)
            if c is None or level.indices[axis] is None:
                continue
            key = (*key, axis, c)
            found = level.pointers.get(key)
            if found is None:
                found = level.pointers[key] = f.offset(pointer, level.indices[axis] * c, t)
            pointer = found
        return pointer

    def _load(self, node, level):
        f = self.f
        t = memory_type(node.dtype)
        pointer = self.pointer(node, level)
        runtime = None
        for a, n in zip(node.args, node.strides, strict=True):
            part = self.value(a, level)
            part = (part.value if isinstance(part, Number) else f.constant("i64", part)) * n
            if runtime is None:
                runtime = part
            else:
                runtime = f.alike(runtime, part)[0] + f.alike(runtime, part)[1]
        c = 0
        if level.vector:
            axis, n, valid = level.vector
            c = dict(node.data[1].terms).get(axis, 0)
        if runtime is not None and not lanes_of(runtime.type):
            pointer = f.offset(pointer, runtime, t)
            runtime = None
        if level.ahead and c == 1 and runtime is None:
            self.fetch(node, level, pointer)
        if node.guard and not level.inside:
            x = self.guarded(node, level, pointer, t)
        elif runtime is None and c == 0:
            x = f.load(t, pointer)
        elif runtime is None and c == 1:
            x = f.load(vector(t, n), pointer) if valid is None else f.load_some(vector(t, n), pointer, valid)
        elif runtime is None and c == -1 and valid is None:
            x = f.load(vector(t, n), f.offset(pointer, 1 - n, t))
            x = f.shuffle(x, x, range(n - 1, -1, -1))
        elif runtime is None and not node.args and 2 <= c <= strided.MOST:
            x = self.spaced(node, level, pointer, t, c)
        else:
            x = f.constant(vector(t, n), 0)
            for lane in range(n if valid is None else valid):
                p = f.offset(pointer, lane * c, t)
                if runtime is not None:
                    p = f.offset(p, f.lane(runtime, lane), t)
                x = f.insert(x, f.load(t, p), lane)
        if node.dtype.kind == "b":
            x = x.differs(0)
        return Number(x, node.dtype)

    def fetch(self, node, level, pointer):
        """Have what is read at the next turn of an outer loop brought from memory, unless that follows at once."""
        (axis, run), (_, n, _) = level.ahead, level.vector
        far = dict(node.data[1].terms).get(axis, 0)
        if far not in (0, run):
            size = node.dtype.itemsize
            for at in range(0, n * size, 64):
                self.f.prefetch(self.f.offset(pointer, far * size + at))

    def spaced(self, node, level, pointer, t, c):
        """A load of every c-th element. Loads of elements between one another share what they read."""
        f = self.f
        operand, offset = node.data
        _, n, valid = level.vector
        # Whole groups of c elements, if all of them belong to the array.
        whole = offset.const >= 0 and all(k >= 0 for _, k in offset.terms)
        end = offset.const // c * c + c + sum(k * (a.size - 1) for a, k in offset.terms)
        first = offset.const % c if whole and end <= math.prod(shape_of(operand)) else 0
        shared = whole and end <= math.prod(shape_of(operand))
        back = 0 if shared else c - 1
        key = ("vectors", id(operand), offset.const - first, offset.terms, shared)
        parts = level.values.get(key)
        if parts is None:
            needed = None if valid is None else valid * c - back
            parts = level.values[key] = strided.vectors(f, t, f.offset(pointer, -first, t), n, c, needed, back)
        return strided.every(f, parts, c, first, back if valid is None else 0)

    # --- indices out of bounds ------------------------------------------------------------------------------------------

    def fits(self, nodes, level):
        """Whether no guarded index here is out of bounds, as an i1; None if there are none, or if some are in any case."""
        ends: dict = {}
        for node in nodes:
            for index, size in node.guard[0] if node.guard else ():
                low, high = ends.get((index.terms, size), (index.const, index.const))
                ends[index.terms, size] = min(low, index.const), max(high, index.const)
        out = None
        for (terms, size), (low, high) in ends.items():
            total = self.index(Affine(0, tuple((a, c) for a, c in terms if a in level.indices)), level, skip_vector=True)
            for axis, c in terms:
                if axis not in level.indices:
                    reach = c * (axis.size - 1)
                elif level.vector and level.vector[0] is axis:
                    reach = c * ((level.vector[2] or level.vector[1]) - 1)
                else:
                    continue
                low, high = low + min(reach, 0), high + max(reach, 0)
            if total.text.lstrip("-").isdigit():
                if int(total.text) + low < 0 or int(total.text) + high >= size:
                    return None
                continue
            fit = (total + low >= 0) & (total + high < size)
            out = fit if out is None else out & fit
        return out

    def _inside(self, node, level):
        f = self.f
        out = f.constant("i1", True)
        for index, size in () if level.inside else node.guard[0]:
            fit = self.index(index, level).compare(size, "", "ult")
            out = fit if out.text == "true" else f.alike(out, fit)[0] & f.alike(out, fit)[1]
        return Number(out, node.dtype)

    def guarded(self, node, level, pointer, t):
        """A load that reads memory only where its indices are within bounds."""
        f = self.f
        bounds, otherwise = node.guard
        operand, offset = node.data
        axis, n, valid = level.vector or (None, 0, None)
        c = dict(offset.terms).get(axis, 0)
        across = [(i, size) for i, size in bounds if axis in i.axes]
        allowed = None
        for index, size in bounds:
            if axis not in index.axes:
                fit = self.index(index, level).compare(size, "", "ult")
                allowed = fit if allowed is None else allowed & fit
        home = self.pointers[operand.id if isinstance(operand, Var) else id(operand)]
        if not across and c == 0:
            return f.select(allowed, f.load(t, f.select(allowed, pointer, home)), otherwise)
        if len(across) == 1 and dict(across[0][0].terms)[axis] == c and 1 <= c <= strided.MOST:
            ((index, size),) = across
            needed = None if valid is None else (valid - 1) * c + 1
            start = self.index(index, level, skip_vector=True)
            parts = strided.vectors_within(f, t, pointer, n, c, start, size, allowed, otherwise, needed)
            return parts[0] if c == 1 else strided.every(f, parts, c)
        mask = f.splat(allowed, n) if allowed is not None else f.constant(vector("i1", n), True)
        for index, size in across:
            mask = mask & self.index(index, level).compare(size, "", "ult")
        x = f.constant(vector(t, n), otherwise)
        for lane in range(n if valid is None else valid):
            p = f.select(f.lane(mask, lane), f.offset(pointer, lane * c, t), home)
            x = f.insert(x, f.load(t, p), lane)
        return f.select(mask, x, otherwise)

    # --- stores ---------------------------------------------------------------------------------------------------------

    def stores(self, roots, level):
        """Store roots; those whose elements stand between one another in memory, together."""
        apart: dict = {}
        for r in roots:
            c = dict(r.offset.terms).get(level.vector[0], 0) if level.vector else 0
            if 2 <= c <= strided.MOST and r.mode == "set" and not r.found:
                apart.setdefault((r.var.id, r.offset.terms, c), []).append(r)
            else:
                self.store(r, level)
        for (_, _, c), members in apart.items():
            members.sort(key=lambda r: r.offset.const)
            while members:
                row = members[:c]
                if [r.offset.const - row[0].offset.const for r in row] == list(range(c)):
                    self.store_between(row, level)
                    del members[:c]
                else:
                    self.store(members.pop(0), level)

    def store_between(self, roots, level):
        f, n, valid = self.f, level.vector[1], level.vector[2]
        value = strided.between(f, [self.stored(r, level) for r in roots])
        t = memory_type(roots[0].var.aval.dtype)
        pointer = f.offset(self.pointers[roots[0].var.id], self.index(roots[0].offset, level, skip_vector=True), t)
        if valid is None:
            f.store(value, pointer)
        else:
            f.store_some(value, pointer, valid * len(roots))
        assert lanes_of(value.type) == n * len(roots)

    def stored(self, root, level):
        """The value of a root as it stands in memory, in every lane."""
        f = self.f
        x = self.value(root.node, level)
        dtype = root.var.aval.dtype
        n = level.vector[1] if level.vector else 0
        x = self.builder(n).cast(x, dtype) if isinstance(x, Number) else self.builder(0).constant(x, dtype)
        value = f.splat(x.value, n)
        return f.cast("zext", value, "i8") if dtype.kind == "b" else value

    def store(self, root, level):
        f = self.f
        dtype = root.var.aval.dtype
        n, valid = (level.vector[1], level.vector[2]) if level.vector else (0, None)
        value = self.stored(root, level)
        t = memory_type(dtype)
        c = dict(root.offset.terms).get(level.vector[0], 0) if level.vector else 0
        pointer = f.offset(self.pointers[root.var.id], self.index(root.offset, level, skip_vector=True), t)
        lanes = None
        for a, stride in zip(root.found, root.strides, strict=True):
            i = self.value(a, level)
            at = (i.value if isinstance(i, Number) else f.constant("i64", i)) * stride
            if not lanes_of(at.type):
                pointer = f.offset(pointer, at, t)
            else:
                lanes = at if lanes is None else lanes + at
        if n and c != 1 and root.mode == "add" and lanes is None:
            lanes = f.constant(vector("i64", n), 0)
        if lanes is not None:
            for lane in range(n if valid is None else valid):
                p = f.offset(f.offset(pointer, lane * c, t), f.lane(lanes, lane), t)
                one = f.lane(value, lane)
                f.store(one if root.mode == "set" else self.added(one, dtype, p, t, 0, None), p)
            return
        if root.mode == "add":
            value = self.added(value, dtype, pointer, t, n, valid)
        if not n:
            f.store(value, pointer)
        elif c == 1:
            if valid is None:
                f.store(value, pointer)
            else:
                f.store_some(value, pointer, valid)
        else:
            for lane in range(n if valid is None else valid):
                f.store(f.lane(value, lane), f.offset(pointer, lane * c, t))

    def added(self, value, dtype, pointer, t, n, valid):
        """`value` and what stands at `pointer`."""
        f = self.f
        if not n:
            before = f.load(t, pointer)
        else:
            before = f.load(vector(t, n), pointer) if valid is None else f.load_some(vector(t, n), pointer, valid)
        if dtype.kind == "b":
            return before | value
        return before + value
