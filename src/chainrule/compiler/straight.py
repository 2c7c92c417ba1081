"""Straight-line kernels: many steps on few numbers, such as an integrator's steps written out, each element a value of its own.

Where arrays have a handful of elements, loops, buffers and the search for what to fuse cost more than the arithmetic.
"""

import math
from collections import defaultdict
from functools import reduce

import numpy as np

from ..core.graph import Constant, Var
from ..core.lowering import Map, Reduce
from ..core.primitive import ROWS
from .expressions import Affine, shape_of
from .fused import Kernel, reads_of
from .loops import Root
from .recording import Recording

FEW = 16  # elements of an array whose elements may be values of their own
ENOUGH = 64  # elements that steps compute, from which on they are worth a kernel of this kind
LONGEST = 1500  # expressions in one function: what LLVM does to a longer one takes more than proportionally long

_VIEWS = {"reshape", "transpose", "broadcast_to", "flip", "index", "constant", "paused", "astype"}
_PARTS = {"concatenate", "pad", "index_set", "index_add"}
_JOINS = {"add", "multiply", "maximum", "minimum", "logical_and", "logical_or"}


def can_unroll(step, stored):
    """Whether each element of a native step's result can be a value of its own; `stored` stands in memory before."""
    if len(step.outputs) != 1 or math.prod(step.outputs[0].aval.shape) > FEW:
        return False
    row = step.row
    sizes = [math.prod(shape_of(x)) for x in step.inputs]
    if row.name == "index":
        x = step.inputs[0]
        return sizes[0] <= FEW or isinstance(x, Constant) or x.id in stored
    if any(n > FEW for n in sizes):
        return False
    if row.name in _PARTS:
        return row.name in ("concatenate", "pad") or len(step.inputs) == 2
    if isinstance(row.lower, Reduce):
        return row.lower.combine in _JOINS and 0 not in sizes
    return isinstance(row.lower, Map) or row.name in _VIEWS or (row.name in ("matmul", "contract") and 0 not in sizes)


def groups(graph, unrolls, before):
    """Lists of steps that can run one after the other without any other step between them.

    Parameters
    ----------
    graph : Graph
    unrolls : function of a step that says whether it may be part of a group
    before : function of a step that gives a bit if it should not be waited for without need, else 0
    """
    level: dict = {}  # id of a variable -> (how many steps of other kinds lie on the way to it, what it waits for)
    found = defaultdict(list)
    for step in graph.steps:
        inside = unrolls(step)
        ways = [level.get(x.id, (0, 0, True)) for x in step.inputs if isinstance(x, Var)]
        depth = max((n + (inside and not of_group) for n, _, of_group in ways), default=0)
        waits = reduce(int.__or__, (w for _, w, _ in ways), 0) | before(step)
        for v in step.outputs:
            level[v.id] = depth, waits, inside
        if inside:
            found[depth, waits].append(step)
    return [steps for steps in found.values() if sum(_work(s) for s in steps) >= ENOUGH]


def _work(step):
    return 0 if step.row.name in _VIEWS or step.row.name in _PARTS else math.prod(step.outputs[0].aval.shape)


def kernels(steps, wanted, users, expressions):
    """Kernels for a group of steps, each of bounded length.

    Parameters
    ----------
    steps : the group, in the order of the program
    wanted : ids of variables that must stand in memory in any case
    users : ids of the variables that are computed from one, by its id
    expressions : gives new `Elements`
    """
    todo, out = list(steps), []
    while todo:
        ex, taken = expressions(), 0
        for step in todo:
            if len(ex.table) > LONGEST:
                break
            ex.unroll(step)
            taken += 1
        run, todo = todo[:taken], todo[taken:]
        own = {s.outputs[0].id for s in run}
        kept = [s.outputs[0] for s in run if s.outputs[0].id in wanted or not own.issuperset(users.get(s.outputs[0].id, ()))]
        if kept:
            roots = [Root(v, (), ex.known[v.id, index], Affine(place)) for v in kept for place, index in ex.elements(v)]
            out.append(Kernel("straight", kept, reads_of(roots), roots))
    return out


class Elements(Recording):
    """Expressions of which all indices are numbers, and folds are written out."""

    def unroll(self, step):
        """All elements of a step's result."""
        (v,) = step.outputs
        if step.row.name in _PARTS:
            for (_, index), node in zip(self.elements(v), getattr(self, f"_{step.row.name}")(step), strict=True):
                self.known[v.id, index] = node
            return
        for _, index in self.elements(v):
            self.known[v.id, index] = self.step(step, v, index)

    @staticmethod
    def elements(v):
        """(place in memory, index) of each element of a variable."""
        return enumerate(indices(v.aval.shape))

    def node(self, kind, data, args, axes, dtype, key, strides=(), weight=0.0, guard=None):
        node = super().node(kind, data, args, axes, dtype, key, strides, weight, guard)
        node.weight = weight  # each is computed once
        return node

    def at(self, operand, index):
        if isinstance(operand, Constant):
            return self.literal(operand, index)
        node = self.known.get((operand.id, index))
        return node if node is not None else self.load(operand, operand.aval.dtype, operand.aval.shape, index)

    def literal(self, operand, index):
        shape = shape_of(operand)
        return self.number(operand.value[tuple(i.const for i in index)]) if shape else super().literal(operand, index)

    def join(self, combine, nodes, dtype):
        """Nodes of this dtype folded into one."""
        return reduce(lambda x, y: self.map(ROWS[combine], {}, [x, y], dtype), nodes)

    def _reduce(self, step, index):
        (x,), axes = step.inputs, step.params["axes"]
        shape, dtype = shape_of(x), step.outputs[0].aval.dtype
        bodies = []
        for inner in indices(tuple(shape[a] for a in axes)):
            outer, folded = iter(index), dict(zip(axes, inner, strict=True))
            body = self.at(x, tuple(folded[d] if d in folded else next(outer) for d in range(len(shape))))
            bodies.append(body if body.dtype == dtype and body.kind != "number" else self.cast(body, dtype))
        return self.join(step.row.lower.combine, bodies, dtype)

    def row_matmul(self, step, index):
        x, y = step.inputs
        *batch, i, j = index
        pairs = [((*batch, i, Affine(k)), (*batch, Affine(k), j)) for k in range(shape_of(x)[-1])]
        return self._products(x, y, pairs, step.outputs[0].aval.dtype)

    def row_contract(self, step, index):
        x, y = step.inputs
        a, b, out = step.params["labels"]
        sizes = dict(zip((*a, *b), (*shape_of(x), *shape_of(y)), strict=True))
        summed = [k for k in a if k not in out]
        pairs = []
        for inner in indices(tuple(sizes[k] for k in summed)):
            at = dict(zip(out, index, strict=True)) | dict(zip(summed, inner, strict=True))
            pairs.append((tuple(at[k] for k in a), tuple(at[k] for k in b)))
        return self._products(x, y, pairs, step.outputs[0].aval.dtype)

    def _products(self, x, y, pairs, dtype):
        def part(operand, index):
            shape = shape_of(operand)
            own = index[len(index) - len(shape) :]
            node = self.at(operand, tuple(Affine(0) if n == 1 else i for n, i in zip(shape, own, strict=True)))
            return node if node.dtype == dtype else self.cast(node, dtype)

        products = [self.map(ROWS["multiply"], {}, [part(x, i), part(y, j)], dtype) for i, j in pairs]
        return self.join("add", products, dtype)

    # --- arrays put together from parts: all elements of the result, in order ----------------------------------------------

    def _typed(self, operand, index, dtype):
        node = self.at(operand, index)
        return node if node.dtype == dtype and node.kind != "number" else self.cast(node, dtype)

    def _concatenate(self, step):
        out, axis = step.outputs[0].aval, step.params["axis"]
        parts = [(x, k) for x, n in zip(step.inputs, step.params["sizes"], strict=True) for k in range(n)]
        for index in indices(out.shape):
            x, k = parts[index[axis].const]
            yield self._typed(x, (*index[:axis], Affine(k), *index[axis + 1 :]), out.dtype)

    def _pad(self, step):
        (x,), out = step.inputs, step.outputs[0].aval
        shape, zero = shape_of(x), self.number(out.dtype.type(0))
        for index in indices(out.shape):
            at = tuple(i + -low for i, (low, _) in zip(index, step.params["widths"], strict=True))
            inside = all(0 <= i.const < n for i, n in zip(at, shape, strict=True))
            yield self._typed(x, at, out.dtype) if inside else zero

    def _index_set(self, step):
        return self._changed(step, lambda old, new: new)

    def _index_add(self, step):
        dtype = step.outputs[0].aval.dtype
        return self._changed(step, lambda old, new: self.map(ROWS["add"], {}, [old, new], dtype))

    def _changed(self, step, change):
        (x, v), out = step.inputs, step.outputs[0].aval
        elements = {index: self._typed(x, index, out.dtype) for index in indices(out.shape)}
        places = list(elements)
        selected = _positions(out.shape)[step.params["key"]]
        for at in indices(selected.shape):
            own = shape_of(v)
            tail = at[len(at) - len(own) :] if len(own) <= len(at) else (Affine(0),) * (len(own) - len(at)) + at
            new = self._typed(v, tuple(Affine(0) if n == 1 else i for n, i in zip(own, tail, strict=True)), out.dtype)
            place = places[selected[tuple(i.const for i in at)]]
            elements[place] = change(elements[place], new)
        return elements.values()


def indices(shape):
    """All indices of an array of this shape, in the order of memory."""
    return [tuple(map(Affine, i)) for i in np.ndindex(*shape)]


def _positions(shape):
    """An array of this shape whose elements are their places in memory."""
    return np.arange(math.prod(shape)).reshape(shape)
