"""Kernels as data: which steps run together, over which loops, and where their results go."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..core.graph import Step, Var
from .expressions import ZERO, Affine, Node, along, shape_of, strides_of
from .loops import Root, nodes_under


class NotAffine(Exception):
    """A step cannot be lowered in this form; NumPy does it."""


@dataclass
class Kernel:
    """Steps that run together.

    kind     loops: expressions over shared axes; product: a matrix product and what is done with its result;
             pieces: parts of one array, written one after the other; straight: expressions without loops;
             other kinds are lowerings of single steps
    vars     what it leaves in memory
    reads    ids of the variables that it reads from memory
    """

    kind: str
    vars: list[Var]
    reads: set = field(default_factory=set)
    roots: list[Root] = field(default_factory=list)
    step: Step | None = None
    detail: Any = None
    expanded: dict = field(default_factory=dict)  # id of a variable that is computed inside -> its Node
    origin: dict = field(default_factory=dict)  # id of a Node -> the variable that it stands for
    given: Any = None  # of a product: the Node that stands for its result
    operands: frozenset = frozenset()  # of a product: ids of the variables that it multiplies
    axes: tuple = ()  # of loops: the longest ones that a root has
    expressions: Any = None  # of loops: what its roots were made by, to which more can be added
    frugal: int = 0  # of loops: how many of its roots, from the first on, are known not to fold anything more often than needed

    @cached_property
    def lengths(self):
        """Of loops: how long they are."""
        return tuple(a.size for a in self.axes)

    @property
    def work(self):
        """About how many additions it costs."""
        if self.kind in ("product", "windows"):
            return 0.1 * self.detail.size
        if self.kind == "straight":
            return sum(n.weight for n in nodes_under([r.node for r in self.roots]))
        total = 0.0
        for r in self.roots:
            total = max(total, math.prod(a.size for a in r.axes) * (1 + r.node.weight))
        return total


@dataclass
class Product:
    """A matrix product as strided operands: (operand, offset, stride of rows, stride of columns, strides of the batch)."""

    var: Var
    batch: tuple
    m: int
    n: int
    k: int
    x: tuple
    y: tuple
    swapped: bool = False
    batch_loops: tuple = ()  # the loops of each axis of the batch, of rows and of columns
    row: tuple = ()
    column: tuple = ()
    packed: bool = False  # the second operand is laid out before, once for many runs

    @property
    def size(self):
        return math.prod(a.size for a in self.batch) * self.m * self.n * self.k


@dataclass
class Windows:
    """A convolution. Its result has a loop for each axis; the last ones, `group`, run as one if it is `flat`."""

    var: Var
    size: int
    first: int  # number of axes before those that may run as one
    axes: tuple = ()
    group: tuple = ()
    flat: bool = True


# --- matrix products ------------------------------------------------------------------------------------------------------


def labels_of(step):
    """(rows, columns, labels summed over, batch, (labels of both arguments and of the result)) of a product."""
    if step.row.name == "contract":
        a, b, out = step.params["labels"]
    else:
        x, y = (len(shape_of(o)) for o in step.inputs)
        n = max(x, y) - 2
        a, b, out = (*range(n - x + 2, n), -1, -2), (*range(n - y + 2, n), -2, -3), (*range(n), -1, -3)
    rows = [k for k in a if k in out and k not in b]
    columns = [k for k in b if k in out and k not in a]
    if step.row.name == "matmul":
        rows, columns = [-1], [-3]
    summed = [k for k in a if k not in out]
    batch = [k for k in out if k not in rows and k not in columns]
    return rows, columns, summed, batch, (a, b, out)


def sizes_of(step):
    """Length of each axis of a product, by its label."""
    _, _, _, _, (a, b, out) = labels_of(step)
    sizes: dict = {}
    for labels, shape in ((a, shape_of(step.inputs[0])), (b, shape_of(step.inputs[1])), (out, step.outputs[0].aval.shape)):
        for k, n in zip(labels, shape, strict=True):
            sizes[k] = max(n, sizes.get(k, 1)) if n else 0
    return sizes


# --- where elements stand --------------------------------------------------------------------------------------------------


def groups_of(place, loops, shape, natural):
    """(the loops of each axis of `natural`, whether rows and columns change places) if an array of this shape, read at `place`
    while `loops` run, is gone through element by element; else None."""
    if any(isinstance(i, Node) for i in place):
        return None
    if tuple(n for n in shape if n != 1) != tuple(n for n in natural if n != 1):
        return None
    groups: list = []
    indices = iter([i for i, n in zip(place, shape, strict=True) if n != 1])
    for n in natural:
        group: list = []
        if n != 1:
            i = next(indices)
            size = 1
            for axis, c in sorted(i.terms, key=lambda t: t[1]):
                if c != size:
                    return None
                group.insert(0, axis)
                size *= axis.size
            if i.const or size != n:
                return None
        groups.append(tuple(group))
    flat = [a for g in groups for a in g]
    if flat == list(loops):
        return groups, False
    *batch, rows, columns = groups
    if [a for g in (*batch, columns, rows) for a in g] == list(loops) and rows and columns:
        return groups, True
    return None


def sizes(var):
    """Lengths of the axes that have more than one element."""
    return tuple(n for n in var.aval.shape if n != 1)


def place_of(var, axes):
    """The index of `var` where the loops over its axes stand."""
    rest = iter(axes)
    return tuple(along(next(rest)) if n != 1 else ZERO for n in var.aval.shape)


def root_of(var, node, axes):
    index = place_of(var, axes)
    own = tuple(axes[: len(sizes(var))])
    return offset_root(var, node, own, index)


def offset_root(var, node, axes, index):
    offset = Affine(0)
    for i, n in zip(index, strides_of(var.aval.shape), strict=True):
        offset = offset + i.times(n)
    return Root(var, tuple(a for a in axes if a.size != 1), node, offset)


def scattered(var, node, axes, where, mode):
    """A root that writes to `where`, an index that may be found while running."""
    offset, found, strides = Affine(0), [], []
    for i, n in zip(where, strides_of(var.aval.shape), strict=True):
        if isinstance(i, Node):
            found.append(i)
            strides.append(n)
        else:
            offset = offset + i.times(n)
    root = Root(var, axes, node, offset)
    root.found, root.strides, root.mode = tuple(found), tuple(strides), mode
    return root


def reads_of(roots):
    """Ids of the variables that these expressions read from memory."""
    tops = [r.node for r in roots] + [n for r in roots for n in r.found]
    return {n.data[0].id for n in nodes_under(tops) if n.kind == "load" and isinstance(n.data[0], Var)}


def signature(kernel, nodes, places):
    """What the code of a kernel depends on besides where its arrays stand; None for kinds with an emitter of their own.

    Parameters
    ----------
    kernel : Kernel
    nodes : all nodes that its roots need, arguments first
    places : number of each array, by its name
    """
    if kernel.kind not in ("loops", "pieces", "straight"):
        return None
    numbers = {n.id: k for k, n in enumerate(nodes)}
    axes: dict = {}

    def index(i):
        return (numbers[i.id],) if isinstance(i, Node) else (i.const, [(turn(a), c) for a, c in i.terms])

    def turn(axis):
        return axes.setdefault(axis, len(axes))

    def data(n):
        if n.kind == "load":
            operand, offset = n.data
            return places[operand.id if isinstance(operand, Var) else id(operand)], index(offset)
        if n.kind == "map":
            row, params = n.data
            return row if isinstance(row, str) else id(row), repr(params) if params else ""
        if n.kind == "reduce":
            return n.data[0], [turn(a) for a in n.data[1]]
        if n.kind == "number":
            return type(n.data).__name__, repr(n.data)
        return index(n.data) if n.kind in ("place", "bits") else n.data

    parts: list = [
        (
            places[r.var.id], r.var.aval.dtype.str, r.var.aval.shape, [turn(a) for a in r.axes], numbers[r.node.id],
            index(r.offset), [index(i) for i in r.found], r.strides, r.mode, r.lanes,
        )
        for r in kernel.roots
    ]  # fmt: skip
    for n in nodes:
        guard = n.guard and ([(index(i), size) for i, size in n.guard[0]], repr(n.guard[1]))
        parts.append((n.kind, data(n), [numbers[a.id] for a in n.args], n.dtype.str, n.strides, guard))
    order = sorted(axes, key=lambda a: a.id)
    return repr((kernel.kind, parts, [a.size for a in axes], [axes[a] for a in order]))
