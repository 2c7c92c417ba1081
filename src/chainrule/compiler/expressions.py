"""What one element of an array is, in terms of loop indices: steps of a graph unrolled into scalar expressions.

Views vanish here: they only change indices. An index is affine in the loop indices, or computed while the program runs
(where an index array is read).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from ..core.graph import Constant, Var
from ..core.lowering import Map, Reduce
from ..core.primitive import ROWS
from ..ops.indexing import ARRAY, _where_arrays_go

_tick = count().__next__


class Axis:
    """A loop: its index runs from 0 to `size`."""

    __slots__ = ("size", "id")

    def __init__(self, size):
        self.size, self.id = size, _tick()

    def __repr__(self):
        return f"i{self.id}<{self.size}"


class Affine(NamedTuple):
    """const + sum of coefficient times loop index; terms are ordered by axis."""

    const: int
    terms: tuple = ()

    def __add__(self, other):  # type: ignore[override]
        if isinstance(other, int):
            return Affine(self.const + other, self.terms)
        if not self.terms or not other.terms:
            return Affine(self.const + other.const, self.terms or other.terms)
        sums = dict(self.terms)
        for axis, c in other.terms:
            sums[axis] = sums.get(axis, 0) + c
        kept = sorted(((a, c) for a, c in sums.items() if c), key=lambda t: t[0].id)
        return Affine(self.const + other.const, tuple(kept))

    def times(self, n):
        if n == 1:
            return self
        return Affine(self.const * n, tuple((a, c * n) for a, c in self.terms) if n else ())

    def split(self, n):
        """(quotient, remainder) of division by `n`, both affine; None if they are not."""
        if n == 1:
            return self, ZERO
        high = [(a, c // n) for a, c in self.terms if c % n == 0]
        low = [(a, c) for a, c in self.terms if c % n]
        const_high, const_low = divmod(self.const, n)
        least = const_low + sum(min(0, c * (a.size - 1)) for a, c in low)
        most = const_low + sum(max(0, c * (a.size - 1)) for a, c in low)
        if least < 0 or most >= n:
            return None
        return Affine(const_high, tuple(high)), Affine(const_low, tuple(low))

    @property
    def axes(self):
        return frozenset(a for a, _ in self.terms)


ZERO = Affine(0)


def along(axis):
    """The index of a loop as an affine expression; 0 where the loop has one turn."""
    return Affine(0, ((axis, 1),)) if axis.size != 1 else ZERO


def strides_of(shape):
    """Element strides of a C-ordered array."""
    out, n = [], 1
    for size in reversed(shape):
        out.append(n)
        n *= size
    return tuple(reversed(out))


@dataclass(eq=False)
class Node:
    """A scalar expression. `kind` says which:

    number   data: a Python number, or a NumPy one
    load     data: (operand, offset in elements); args: indices found while running, their strides in `strides`
    map      data: (row, params); args: its arguments
    reduce   data: (combine, axes); args: what is folded
    place    data: an index as a number
    bounded  data: length of an axis; args: an index array's element, to be wrapped and checked
    given    data: a variable whose value somebody else provides
    inside   whether the indices of `guard` are within bounds
    bits     data: a place in a stream of random words; args: two words of key, and a counter

    `guard` is None or (bounds, otherwise): a load whose indices may lie outside of the array, and what it gives there. Bounds
    are pairs of an index and the length that it must stay below.
    """

    kind: str
    data: Any
    args: tuple
    axes: frozenset
    dtype: np.dtype
    strides: tuple = ()
    weight: float = 0.0  # what it costs to compute once, about, in additions
    folds: bool = False  # whether a reduction stands in it
    repeats: bool = False  # whether a reduction or random words do: what should not run more often than needed
    guard: tuple | None = None
    id: int = field(default_factory=_tick)


MOST = 1000  # expressions in a kernel, beyond which operands of small products stand in memory


class NeedsBuffer(Exception):
    """An operand must stand in memory before it can be read the way it is asked for."""

    def __init__(self, var):
        self.var = var


EXPENSIVE = {
    "exp": 10, "log": 12, "tanh": 14, "sigmoid": 14, "sin": 14, "cos": 14, "tan": 25, "erf": 16, "power": 25,
    "divide": 4, "sqrt": 5,
    "log1p": 14, "expm1": 14, "softplus": 25, "arctan": 18, "arctan2": 25, "arcsin": 20, "arccos": 20, "sinh": 20, "cosh": 20,
    "logaddexp": 28, "log2": 12, "log10": 12, "exp2": 12, "remainder": 8, "fmod": 20, "floor_divide": 8, "reciprocal": 4,
    "hypot": 8, "cbrt": 25, "arcsinh": 30, "arccosh": 30, "arctanh": 30, "gelu": 30, "silu": 16,
}  # fmt: skip


class Expressions:
    """Expressions of one kernel. Equal ones are one Node.

    Parameters
    ----------
    makers : step by id of the variable that it makes
    stored : ids of variables that stand in memory before the kernel runs, inputs included
    native : function of a step that says whether its row can be part of a kernel
    """

    def __init__(self, makers, stored, native: Callable):
        self.makers, self.stored, self.native = makers, stored, native
        self.table: dict = {}
        self.drawn: dict = {}  # id of a variable of random words -> the places that were asked for
        self.fold_axes: dict = {}
        self.known: dict = {}  # elements that were asked for
        self.inside: dict = {}  # id of a variable of this kernel -> (its index there, its Node or None)

    def node(self, kind, data, args, axes, dtype, key, strides=(), weight=0.0, guard=None):
        key = (kind, key, *(a.id for a in args))
        found = self.table.get(key)
        if found is None:
            folds = kind == "reduce"
            repeats = folds or kind == "bits"
            for a in args:
                folds, repeats = folds or a.folds, repeats or a.repeats
            if kind != "reduce":
                weight += sum(a.weight for a in args)
            found = self.table[key] = Node(kind, data, args, axes, dtype, strides, weight, folds, repeats, guard)
        return found

    def number(self, value):
        """A number; Python's keep their own type, so that they adapt to the dtypes they meet."""
        dtype = value.dtype if isinstance(value, np.generic) else np.dtype(type(value))
        return self.node("number", value, (), frozenset(), dtype, (type(value), repr(value)))

    def load(self, operand, dtype, shape, index):
        """An element of an array in memory."""
        offset, found, strides = ZERO, [], []
        for i, n in zip(index, strides_of(shape), strict=True):
            if isinstance(i, Node):
                found.append(i)
                strides.append(n)
            else:
                offset = offset + i.times(n)
        axes = offset.axes.union(*(f.axes for f in found))
        key = (operand.id if isinstance(operand, Var) else id(operand), offset, tuple(strides))
        return self.node("load", (operand, offset), tuple(found), axes, dtype, key, tuple(strides), 0.5)

    def at(self, operand, index):
        """The element of `operand` at `index`."""
        if isinstance(operand, Constant):
            return self.literal(operand, index)
        known = self.inside.get(operand.id)
        if known is not None:
            if known[0] != tuple(index):
                raise NeedsBuffer(operand)
            return known[1]
        if operand.id in self.stored:
            return self.load(operand, operand.aval.dtype, operand.aval.shape, index)
        key = operand.id, index
        node = self.known.get(key)
        if node is None:
            node = self.known[key] = self.unrolled(operand, index)
        return node

    def unrolled(self, operand, index):
        """The element at `index` of a variable that is computed here."""
        step = self.makers[operand.id]
        method = self.method(step)
        if method is None or not self.native(step):
            raise NeedsBuffer(operand)
        return method(step, index)

    def method(self, step):
        """What gives an element of a step's result; None if nothing does."""
        lower = step.row.lower
        if isinstance(lower, Map):
            return self._map
        return self._reduce if isinstance(lower, Reduce) else getattr(self, f"row_{step.row.name}", None)

    def literal(self, operand, index):
        value = operand.value
        if isinstance(value, (bool, int, float, complex, np.generic)):
            return self.number(value)
        if not any(value.strides) and value.size:  # one number, or one number repeated
            return self.number(value[(0,) * value.ndim])
        return self.load(operand, value.dtype, value.shape, index)

    # --- rows that compute ----------------------------------------------------------------------------------------------

    def _map(self, step, index):
        out = step.outputs[0].aval
        args = []
        for x in step.inputs:
            shape = np.shape(x.value) if isinstance(x, Constant) else x.aval.shape
            if shape != out.shape or 1 in shape:
                own = index[len(index) - len(shape) :]
                args.append(self.at(x, tuple([ZERO if n == 1 else i for n, i in zip(shape, own, strict=True)])))
            else:
                args.append(self.at(x, index))
        return self.map(step.row, step.params, args, out.dtype)

    def map(self, row, params, args, dtype):
        axes = args[0].axes if len(args) == 1 else frozenset().union(*[a.axes for a in args])
        key = (row.name, tuple(sorted((k, repr(v)) for k, v in params.items())) if params else (), dtype)
        return self.node("map", (row, params), tuple(args), axes, dtype, key, weight=EXPENSIVE.get(row.name, 1))

    def row_astype(self, step, index):
        x = self.at(step.inputs[0], index)
        dtype = step.outputs[0].aval.dtype
        return x if x.dtype == dtype and x.kind != "number" else self.cast(x, dtype)

    def cast(self, x, dtype):
        return self.node("map", ("astype", {"dtype": dtype}), (x,), x.axes, dtype, ("astype", dtype), weight=0.5)

    def folded_axes(self, sizes, index):
        """Loops to fold over; folds of equal sizes under the same index share them, and so what they read."""
        key = (sizes, tuple(index))
        if key not in self.fold_axes:
            self.fold_axes[key] = tuple(Axis(n) for n in sizes)
        return self.fold_axes[key]

    def fold(self, combine, x, axes, dtype):
        own = frozenset(a for a in axes if a.size != 1)
        return self.node(
            "reduce", (combine, tuple(axes)), (x,), x.axes - own, dtype, (combine, tuple(a.id for a in axes), dtype),
            weight=(x.weight + 1) * math.prod(a.size for a in axes),
        )  # fmt: skip

    def _reduce(self, step, index):
        (x,) = step.inputs
        axes, shape = step.params["axes"], x.aval.shape
        loops = self.folded_axes(tuple(shape[a] for a in axes), index)
        outer, inner = iter(index), dict(zip(axes, loops, strict=True))
        full = tuple(along(inner[d]) if d in inner else next(outer) for d in range(len(shape)))
        body = self.at(x, full)
        dtype = step.outputs[0].aval.dtype
        combine = step.row.lower.combine
        if combine in ("add", "multiply", "maximum", "minimum") and body.dtype != dtype:
            body = self.cast(body, dtype)
        return self.fold(combine, body, loops, dtype)

    def row_matmul(self, step, index):
        x, y = step.inputs
        *batch, i, j = index
        dtype = step.outputs[0].aval.dtype
        (k,) = self.folded_axes((x.aval.shape[-1] if isinstance(x, Var) else x.value.shape[-1],), index)
        return self._product(x, (*batch, i, along(k)), y, (*batch, along(k), j), (k,), dtype)

    def row_contract(self, step, index):
        x, y = step.inputs
        a, b, out = step.params["labels"]
        sizes = dict(zip((*a, *b), (*shape_of(x), *shape_of(y)), strict=True))
        summed = [k for k in a if k not in out]
        loops = self.folded_axes(tuple(sizes[k] for k in summed), index)
        at = dict(zip(out, index, strict=True)) | {k: along(axis) for k, axis in zip(summed, loops, strict=True)}
        return self._product(x, tuple(at[k] for k in a), y, tuple(at[k] for k in b), loops, step.outputs[0].aval.dtype)

    def _product(self, x, at_x, y, at_y, loops, dtype):
        def part(operand, index):
            if (
                len(self.table) > MOST
                and isinstance(operand, Var)
                and not (operand.id in self.stored or operand.id in self.inside)
            ):
                raise NeedsBuffer(operand)  # products of products of products would grow without end
            shape = shape_of(operand)
            own = index[len(index) - len(shape) :]
            own = tuple(ZERO if n == 1 and not isinstance(i, Node) else i for n, i in zip(shape, own, strict=True))
            node = self.at(operand, own)
            return node if node.dtype == dtype else self.cast(node, dtype)

        product = self.map(ROWS["multiply"], {}, [part(x, at_x), part(y, at_y)], dtype)
        return self.fold("add", product, loops, dtype) if any(a.size != 1 for a in loops) else product

    def row_argmax(self, step, index):
        return self._position(step, index, "maximum")

    def row_argmin(self, step, index):
        return self._position(step, index, "minimum")

    def _position(self, step, index, combine):
        """The first place along an axis where the extremum stands; a NaN is one."""
        (x,), axis = step.inputs, step.params["axis"]
        (loop,) = self.folded_axes((shape_of(x)[axis],), index)
        body = self.at(x, (*index[:axis], along(loop), *index[axis:]))
        hit = self.map(ROWS["equal"], {}, [body, self.fold(combine, body, (loop,), body.dtype)], np.dtype(bool))
        if body.dtype.kind == "f":
            hit = self.map(ROWS["bitwise_or"], {}, [hit, self.map(ROWS["isnan"], {}, [body], np.dtype(bool))], np.dtype(bool))
        narrow = np.dtype(np.int32) if body.dtype.itemsize <= 4 and loop.size < 2**31 else np.dtype(np.int64)
        place = self.cast(self.node("place", along(loop), (), along(loop).axes, np.dtype(np.int64), along(loop)), narrow)
        place = self.map(ROWS["where"], {}, [hit, place, self.number(narrow.type(loop.size - 1))], narrow)
        return self.cast(self.fold("minimum", place, (loop,), narrow), step.outputs[0].aval.dtype)

    def row_random_bits(self, step, index):
        """Words of a stream, each computed where it is needed; in a different order, they are better kept."""
        flat, axes = ZERO, []
        for i, n in zip(index, strides_of(step.outputs[0].aval.shape), strict=True):
            if isinstance(i, Node) or any(c != 1 for _, c in i.terms):
                raise NeedsBuffer(step.outputs[0])
            flat = flat + i.times(n)
            axes += [a.id for a, _ in i.terms]
        if axes != sorted(axes) or self.drawn.setdefault(step.outputs[0].id, flat) != flat:
            raise NeedsBuffer(step.outputs[0])
        state = tuple(self.at(step.inputs[0], (Affine(k),)) for k in range(3))
        return self.node("bits", flat, state, flat.axes, step.outputs[0].aval.dtype, flat, weight=20.0)

    # --- rows that move -------------------------------------------------------------------------------------------------

    def row_reshape(self, step, index):
        (x,) = step.inputs
        shape, out = shape_of(x), step.params["shape"]
        if 0 in shape:  # it has no elements, and what it is made of must not be read outside of the loops that never run
            return self.number(step.outputs[0].aval.dtype.type(0))
        if any(isinstance(i, Node) for i in index):
            squeezed = iter(i for i, n in zip(index, out, strict=True) if n != 1)
            if [n for n in out if n != 1] != [n for n in shape if n != 1]:
                raise NeedsBuffer(step.outputs[0])
            return self.at(x, tuple(ZERO if n == 1 else next(squeezed) for n in shape))
        flat = ZERO
        for i, n in zip(index, strides_of(out), strict=True):
            flat = flat + i.times(n)
        stored = isinstance(x, Constant) or (x.id in self.stored and x.id not in self.inside)
        if stored:  # one long row: no need to take the index apart
            dtype = x.value.dtype if isinstance(x, Constant) else x.aval.dtype
            return self.load(x, dtype, (math.prod(shape),), (flat,))
        parts = []
        for n in reversed(shape[1:]):
            divided = flat.split(n)
            if divided is None:
                raise NeedsBuffer(x)
            flat, low = divided
            parts.append(low)
        if shape:
            parts.append(flat)
        return self.at(x, tuple(reversed(parts)))

    def row_transpose(self, step, index):
        at: list = [ZERO] * len(index)
        for i, p in zip(index, step.params["perm"], strict=True):
            at[p] = i
        return self.at(step.inputs[0], tuple(at))

    def row_constant(self, step, index):
        return self.at(step.inputs[0], index)

    row_paused = row_constant

    def row_broadcast_to(self, step, index):
        shape = shape_of(step.inputs[0])
        own = index[len(index) - len(shape) :]
        return self.at(step.inputs[0], tuple(ZERO if n == 1 else i for n, i in zip(shape, own, strict=True)))

    def row_flip(self, step, index):
        shape = shape_of(step.inputs[0])
        at = list(index)
        for a in step.params["axes"]:
            if isinstance(at[a], Node):
                raise NeedsBuffer(step.outputs[0])
            at[a] = at[a].times(-1) + (shape[a] - 1)
        return self.at(step.inputs[0], tuple(at))

    def row_index(self, step, index):
        x = step.inputs[0]
        at, rest = read_at(step.params["key"], shape_of(x), list(index))
        assert not rest
        if at is None:
            raise NeedsBuffer(step.outputs[0])
        return self.at(x, at)

    def row_gather(self, step, index):
        x, *arrays = step.inputs
        key, shape = step.params["key"], shape_of(x)
        parts = key if isinstance(key, tuple) else (key,)
        before = _where_arrays_go(parts, len(shape)) or 0
        shapes = [shape_of(a) for a in arrays]
        n = len(np.broadcast_shapes(*shapes))
        shared, others = index[before : before + n], [*index[:before], *index[before + n :]]
        found = []
        for a, own in zip(arrays, shapes, strict=True):
            tail = shared[n - len(own) :]
            found.append(self.at(a, tuple(ZERO if m == 1 else i for m, i in zip(own, tail, strict=True))))
        at, _ = read_at(parts, shape, others, iter(found), self.bounded)
        if at is None:
            raise NeedsBuffer(step.outputs[0])
        return self.at(x, at)

    def bounded(self, node, n):
        """An element of an index array as an index into an axis of length `n`."""
        if node.kind == "number":
            value = int(node.data)
            if -n <= value < n:
                return Affine(value % n)
        node = node if node.dtype == np.int64 else self.cast(node, np.dtype(np.int64))
        return self.node("bounded", n, (node,), node.axes, node.dtype, n, weight=2.0)


def shape_of(operand):
    return np.shape(operand.value) if isinstance(operand, Constant) else operand.aval.shape


def read_at(key, shape, index, found=None, bounded=None):
    """(index into x for an element of x[key], what is left of `index`); the first is None where it is not affine."""
    parts = key if isinstance(key, tuple) else (key,)
    used = sum(k is not None and k is not Ellipsis for k in parts)
    if Ellipsis not in [k for k in parts if k is None or k is Ellipsis]:
        parts = (*parts, Ellipsis)
    at: list = []
    rest = list(index)
    for k in parts:
        if k is None:
            rest.pop(0)
        elif k is Ellipsis:
            n = len(shape) - used
            at, rest = at + rest[:n], rest[n:]
        elif isinstance(k, int):
            at.append(Affine(k % shape[len(at)]))
        elif isinstance(k, slice):
            start, _, step = k.indices(shape[len(at)])
            i = rest.pop(0)
            if isinstance(i, Node):
                if start or step != 1:
                    return None, []
                at.append(i)
            else:
                at.append(i.times(step) + start)
        else:
            assert k is ARRAY and found is not None and bounded is not None
            at.append(bounded(next(found), shape[len(at)]))
    return tuple(at), rest
