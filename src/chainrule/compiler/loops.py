"""Kernels as loops: expressions of array elements become vectorised LLVM code.

Everything is computed at the outermost loop that it depends on; the innermost loop runs over vectors.
"""

import contextlib
import math
from dataclasses import dataclass

import numpy as np

from ..core.graph import Var
from . import philox
from .access import Access, memory_type as memory_type
from .expressions import Affine, Axis, Node
from .llvm import Function, lanes as lanes_of, vector
from .scalars import Number, Scalars, lower

REGISTER_BYTES = 32
# Bytes of runs that the processor does not foresee: longer ones it does, shorter ones are over before it matters.
FAR = 512, 16 * 1024


@dataclass
class Root:
    """A value that a kernel leaves in memory: under the loops `axes` it is `node`, stored at `offset` of `var`'s array."""

    var: Var
    axes: tuple
    node: Node
    offset: Affine
    found: tuple = ()  # parts of the index that are computed while running, and their strides
    strides: tuple = ()
    mode: str = "set"  # or add: to what stands there
    lanes: bool = False  # whether to compute vectors though their lanes go to places that are found while running


def nodes_under(roots):
    """All nodes of these expressions, arguments first."""
    seen: dict = {}
    stack = [(n, False) for n in reversed(roots)]
    while stack:
        node, done = stack.pop()
        if done:
            seen[node.id] = node
        elif node.id not in seen:
            stack.append((node, True))
            stack.extend((a, False) for a in reversed(node.args) if a.id not in seen)
    return list(seen.values())


def tops(roots):
    """The expressions that roots need: their values and where they go."""
    return [r.node for r in roots] + [n for r in roots for n in r.found]


def merged_axes(axes, nodes, roots):
    """Neighbouring loops that memory does not tell apart: lists of axes, of which the last one stands for all."""
    groups: list[list[Axis]] = []
    offsets = [dict(n.data[1].terms) for n in nodes if n.kind == "load"]
    offsets += [dict(n.data.terms) for n in nodes if n.kind in ("place", "bits")]
    offsets += [dict(r.offset.terms) for r in roots]
    offsets += [dict(index.terms) for n in nodes if n.guard for index, _ in n.guard[0]]
    for axis in axes:
        if axis.size == 1:
            continue
        if groups:
            before = groups[-1][-1]
            if all(o.get(before, 0) == o.get(axis, 0) * axis.size for o in offsets):
                groups[-1].append(axis)
                continue
        groups.append([axis])
    return groups


def along_memory(axes, nodes):
    """Loops to fold over, in an order in which the innermost one runs along memory, if it does in any order."""
    loads = [dict(n.data[1].terms) for n in nodes if n.kind == "load" and not n.args]
    turning = [a for a in axes if a.size != 1]
    if len(turning) < 2 or not loads or any(terms.get(turning[-1]) in (1, -1) for terms in loads):
        return axes
    steps = {a: sum(abs(terms.get(a, 0)) for terms in loads) for a in turning}
    if not any(terms.get(a) == 1 for terms in loads for a in turning):
        return axes
    return tuple(sorted(turning, key=lambda a: -steps[a]))


def worth_lanes(axis, nodes, members):
    """Whether the loop over `axis` runs along memory, rather than a fold inside of it."""
    if axis.size < 2 or any(axis in n.axes for m in members if not m.lanes for n in m.found):
        return False
    if any(m.mode == "add" and dict(m.offset.terms).get(axis) != 1 and not m.lanes for m in members):
        return False
    along_axis = along_fold = 0
    folded = {a for n in nodes if n.kind == "reduce" for a in n.data[1]}
    for n in nodes:
        if n.kind != "load":
            continue
        terms = dict(n.data[1].terms)
        times = math.prod(a.size for a in n.axes if a in folded)  # how often it is read for each turn
        if terms.get(axis) in (1, None) and not any(axis in a.axes for a in n.args):
            along_axis += times * (terms.get(axis) == 1)
        elif any(terms.get(a) == 1 for a in folded):
            along_fold += times
    return along_fold == 0 or along_axis > along_fold


class Level:
    """Where in the loops we are: the loops that are open, and what has been computed there."""

    def __init__(self, parent=None):
        self.values = dict(parent.values) if parent else {}
        self.pointers = dict(parent.pointers) if parent else {}
        self.indices = dict(parent.indices) if parent else {}
        self.order = list(parent.order) if parent else []
        self.vector = parent.vector if parent else None  # (Axis, lanes, valid lanes or None for all)
        self.inside = parent.inside if parent else False  # whether all guarded indices are known to be within bounds
        self.ahead = None  # (Axis, elements): what a load reads at the next turn of that loop is fetched from memory now

    def open(self, group, index):
        *others, last = group
        for axis in others:
            self.indices[axis] = None  # stands still: the last axis runs over all of them
        self.indices[last] = index
        self.order.extend(group)


class Emitter(Access):
    """Writes the loops of one kernel into a function.

    Parameters
    ----------
    f : the function
    pointers : pointer by id of an operand (a variable's, or that of a constant object)
    share : None, or (thread, threads) as values
    failed : pointer to an i64 that is set to 1 where an index is out of bounds
    """

    def __init__(self, f: Function, pointers, share=None, failed=None, precise=False):
        self.f, self.pointers, self.share, self.failed = f, pointers, share, failed
        self.scalars = {n: Scalars(f, n, precise=precise) for n in (0,)}
        self.precise = precise

    def builder(self, n):
        if n not in self.scalars:
            self.scalars[n] = Scalars(self.f, n, precise=self.precise)
        return self.scalars[n]

    # --- a whole kernel -------------------------------------------------------------------------------------------------

    def kernel(self, roots):
        """Loops over the axes of the roots; roots that begin with the same axes share those loops."""
        self.nest(roots, 0, Level(), outermost=True)

    def nest(self, roots, depth, level, outermost=False):
        ready = [r for r in roots if len(r.axes) == depth]
        rest = [r for r in roots if len(r.axes) > depth]
        self.prepare(tops(roots), level)
        self.stores([r for r in ready if r.mode == "set"], level)
        groups: dict = {}
        for r in rest:
            groups.setdefault(r.axes[depth], []).append(r)
        for members in groups.values():
            # Axes that all members have in common can be merged with their neighbours.
            shared = depth
            while all(len(m.axes) > shared for m in members) and len({m.axes[shared] for m in members}) == 1:
                shared += 1
            if len({len(m.axes) for m in members}) > 1:
                shared = min(shared, *(len(m.axes) for m in members))
            nodes = nodes_under(tops(members))
            merged = merged_axes(members[0].axes[depth:shared], nodes, members)
            self.loops(members, merged, shared, level, outermost, nodes)
        self.stores([r for r in ready if r.mode == "add"], level)  # to what others have set

    def loops(self, members, merged, depth, level, outermost, nodes):
        if not merged:
            self.nest(members, depth, level, outermost)
            return
        group, *inner = merged
        size = math.prod(a.size for a in group)
        last = not inner and all(len(m.axes) == depth for m in members)
        vectorised = last and level.vector is None and worth_lanes(group[-1], nodes, members)

        def body(index, vector_state):
            deeper = Level(level)
            deeper.open(group, index)
            if vector_state:
                deeper.vector = (group[-1], *vector_state)
            if inner:
                self.prepare(tops(members), deeper)
                self.loops(members, inner, depth, deeper, False, nodes)
                return
            fits = self.fits(nodes, deeper) if last and not deeper.inside else None
            if fits is None:
                self.nest(members, depth, deeper)
                return

            def run(inside):
                own = Level(deeper)
                own.inside = inside
                self.nest(members, depth, own)
                return []

            f.choose(fits, lambda: run(True), lambda: run(False))

        f = self.f
        share = self.share if outermost else None
        if not vectorised:
            start, stop = (0, size) if share is None else self.slice(size, share)
            with f.loop(start, stop) as turn:
                body(turn.index, None)
            return
        n = self.chunk(size, nodes)
        full = size // n
        start, stop = (0, full) if share is None else self.slice(full, share)
        if full:
            if isinstance(start, int):
                with f.loop(0, full * n, n) as turn:
                    body(turn.index, (n, None))
            else:
                with f.loop(start * n, stop * n, n) as turn:
                    body(turn.index, (n, None))
        if size % n:
            lanes = 2  # no more than the rest needs
            while lanes < size % n:
                lanes *= 2
            rest = None if size % n == 1 and full else (lanes, None if lanes == size % n else size % n)
            with contextlib.nullcontext() if share is None else f.when(share[0].equals(share[1] - 1)):
                body(f.index(full * n), rest)

    def slices(self):
        """This thread's part of any number of things: a function of that number."""
        return lambda count: self.slice(count, self.share)

    def slice(self, size, share):
        """This thread's part of a loop of `size` turns."""
        thread, threads = share
        return (thread * size) // threads, ((thread + 1) * size) // threads

    def chunk(self, size, nodes):
        """How many lanes to use for a loop of `size` turns."""
        width = max((n.dtype.itemsize for n in nodes if n.dtype.kind == "f"), default=0)
        width = width or max((n.dtype.itemsize for n in nodes if n.kind in ("load", "map")), default=8)
        base = max(REGISTER_BYTES // max(width, 4), 2)
        count = sum(n.kind in ("map", "load", "reduce") for n in nodes)
        if any(n.kind == "reduce" for n in nodes):
            n = base * (8 if count <= 8 else 4 if count <= 16 else 2)  # many columns at a time: rows are far apart
        else:
            n = base * (2 if count < 24 else 1)
        if size < n:
            n = 2
            while n < size:
                n *= 2
        elif size % n:
            n = next((m for m in (n // 2, n // 4, base) if m >= base and size % m == 0), n)
        return n

    # --- expressions ----------------------------------------------------------------------------------------------------

    def prepare(self, roots, level):
        """Compute here all that depends on no loop that is still to come, and the parts of addresses that do not."""
        is_open = level.indices
        pending, nodes, waiting = [], nodes_under_loops(roots, level), set()
        for node in nodes:  # a result that is still to come need not have an axis: it may be a single number
            if node.kind == "given" or any(a.id in waiting for a in node.args):
                waiting.add(node.id)
        for node in nodes:
            if node.id in level.values or node.id in waiting:
                continue
            if any(a not in is_open for a in node.axes):
                if node.kind == "load":
                    self.pointer(node, level)
                continue
            if node.kind == "reduce":
                pending.append(node)
            elif all(a.id in level.values or not a.folds for a in node.args) or not node.folds:
                self.value(node, level)
        while pending:
            self.folds(pending, level)
            pending = [n for n in pending if n.id not in level.values]
        for node in nodes_under_loops(roots, level):
            if node.id not in level.values and node.id not in waiting and all(a in is_open for a in node.axes):
                self.value(node, level)

    def value(self, node, level):
        """The number that `node` stands for, here."""
        found = level.values.get(node.id)
        if found is None:
            found = level.values[node.id] = getattr(self, f"_{node.kind}")(node, level)
        return found

    def _number(self, node, level):
        if isinstance(node.data, (bool, int, float)) and not isinstance(node.data, np.generic):
            return node.data
        return self.builder(0).constant(node.data.item(), node.dtype)

    def _given(self, node, level):
        raise AssertionError("a value from outside is missing")

    def _place(self, node, level):
        total = self.index(node.data, level)
        return Number(total, np.dtype(np.int64))

    def _bits(self, node, level):
        f = self.f
        state = [self.value(a, level).value for a in node.args]
        axis, n, valid = level.vector or (None, 0, None)
        terms = dict(node.data.terms)
        start = self.index(node.data, level, skip_vector=True)
        count = n if valid is None else valid
        if axis not in terms:
            return Number(philox.one(f, state, start), node.dtype)
        if terms[axis] == 1:
            others = [c for a, c in terms.items() if a is not axis and level.indices[a] is not None]
            aligned = all(c % 4 == 0 for c in (n, node.data.const, *others))
            return Number(philox.row(f, state, start, n, count, aligned), node.dtype)
        x = f.constant(vector("i64", n), 0)
        for lane in range(count):
            x = f.insert(x, philox.one(f, state, start + lane * terms[axis]), lane)
        return Number(x, node.dtype)

    def _map(self, node, level):
        row, params = node.data
        args = [self.value(a, level) for a in node.args]
        n = max((lanes_of(a.value.type) for a in args if isinstance(a, Number)), default=0)
        args = [Number(self.f.splat(a.value, n), a.dtype) if isinstance(a, Number) else a for a in args]
        s = self.builder(n)
        if row == "astype":
            (x,) = args
            return s.cast(x, node.dtype) if isinstance(x, Number) else s.constant(x, node.dtype)
        if not any(isinstance(a, Number) for a in args):
            args = [s.constant(a, np.dtype(type(a))) for a in args]
        return lower(row, s, args, params, node.dtype)

    def _bounded(self, node, level):
        """A wrapped index; an index out of bounds is noted, and replaced by one that can be read."""
        f = self.f
        x = self.value(node.args[0], level)
        i = x.value if isinstance(x, Number) else f.constant("i64", x)
        n = node.data
        wrapped = f.select(i < 0, i + n, i)
        bad = wrapped.compare(n, "", "uge")
        if level.vector and level.vector[2] is not None and lanes_of(i.type):
            bad = bad & f.mask(level.vector[1], level.vector[2])
        with f.when(f.any(bad)):
            f.store(f.constant("i64", 1), self.failed)
        return Number(f.select(bad, 0, wrapped), np.dtype(np.int64))

    # --- folds ----------------------------------------------------------------------------------------------------------

    def folds(self, pending, level):
        """Run those folds that wait for no other fold; all over the same axes share a loop."""
        waiting = {n.id for n in pending}
        first = None
        chosen = []
        for node in pending:
            inner = nodes_under(node.args)
            if any(n.id in waiting for n in inner):
                continue
            if first is None:
                first = node.data[1]
            if node.data[1] == first:
                chosen.append(node)
        bodies = [n.args[0] for n in chosen]
        nodes = nodes_under(bodies)
        axes = along_memory(chosen[0].data[1], nodes)
        merged = merged_axes(axes, nodes, [])
        scale = math.prod(a.size for a in axes if a.size != 1)
        if scale == 0 or not merged:
            if scale == 0:
                for n in chosen:
                    level.values[n.id] = self.identity(n)
                return
            self.prepare(bodies, level)
            for n in chosen:
                level.values[n.id] = self.value(n.args[0], level)
            return
        last = merged[-1]
        size = math.prod(a.size for a in last)
        contiguous = level.vector is None and size >= 4 and self.contiguous(last[-1], nodes)
        totals = self.turns(chosen, bodies, merged, level, [None] * len(chosen), contiguous, nodes)
        for n, total in zip(chosen, totals, strict=True):
            level.values[n.id] = total

    def contiguous(self, axis, nodes):
        loads = [dict(n.data[1].terms).get(axis, 0) for n in nodes if n.kind == "load"]
        return sum(c in (0, 1, -1) for c in loads) * 2 >= len(loads)

    def identity(self, fold, n=0):
        combine, dtype = fold.data[0], fold.dtype
        x: float
        if combine in ("add", "logical_or"):
            x = 0
        elif combine in ("multiply", "logical_and"):
            x = 1
        else:
            high = combine == "minimum"
            if dtype.kind == "f":
                x = math.inf if high else -math.inf
            elif dtype.kind == "b":
                x = high
            else:
                info = np.iinfo(dtype)
                x = int(info.max) if high else int(info.min)
        got = self.builder(n).constant(x if dtype.kind != "b" else bool(x), dtype)
        return Number(self.f.splat(got.value, n), dtype)

    def join(self, fold, x, y):
        n = max(lanes_of(x.value.type), lanes_of(y.value.type))
        s = self.builder(n)
        x, y = (Number(self.f.splat(v.value, n), v.dtype) for v in (x, y))
        combine = fold.data[0]
        if fold.dtype.kind == "b":
            op = x.value & y.value if combine in ("logical_and", "multiply", "minimum") else x.value | y.value
            return Number(op, fold.dtype)
        got = getattr(s, combine)(x, y)
        return Number(got.value, fold.dtype)

    def element(self, fold, level):
        x = self.value(fold.args[0], level)
        if not isinstance(x, Number):
            return self.builder(0).constant(x, fold.dtype)
        if fold.data[0] in ("logical_and", "logical_or") and x.dtype.kind != "b":
            return self.builder(lanes_of(x.value.type)).cast(x, np.dtype(bool))
        return x

    def turns(self, chosen, bodies, merged, level, totals, vectorise, nodes, ahead=None):
        """Run the loops over `merged`, adding to `totals` (None: nothing yet); gives the folded numbers."""
        f = self.f
        group, *inner = merged
        outermost = all(t is None for t in totals)
        size = math.prod(a.size for a in group)
        outer_lanes = level.vector[1] if level.vector else 0
        last_vector = vectorise and not inner
        n = self.fold_lanes(size, nodes) if last_vector else 0
        depends = [outer_lanes if level.vector and level.vector[0] in b.axes else 0 for b in bodies]
        widths = [n if last_vector else d for d in depends]
        if vectorise and not last_vector:
            n_inner = self.fold_lanes(math.prod(a.size for a in merged[-1]), nodes)
            widths = [n_inner] * len(bodies)
        start_totals = [
            t if t is not None and lanes_of(t.value.type) == w else self.identity(c, w)
            for t, c, w in zip(totals, chosen, widths, strict=True)
        ]

        def body(index, carried, state=None):
            deeper = Level(level)
            deeper.open(group, index)
            if state:
                deeper.vector = (group[-1], *state)
                deeper.ahead = ahead
            current = [Number(v, c.dtype) for v, c in zip(carried, chosen, strict=True)]
            self.prepare(bodies, deeper)
            if inner:
                run = math.prod(a.size for a in inner[0]) if len(inner) == 1 else 0
                next_run = (group[-1], run) if FAR[0] <= run * 4 <= FAR[1] and size > 1 else None
                got = self.turns(chosen, bodies, inner, deeper, current, vectorise, nodes, next_run)
            else:
                got = []
                for c, total in zip(chosen, current, strict=True):
                    x = self.element(c, deeper)
                    w = lanes_of(total.value.type)
                    x = Number(f.splat(x.value, w), x.dtype)
                    if state and state[1] is not None:
                        neutral = self.identity(c, w)
                        x = Number(f.select(f.mask(w, state[1]), x.value, neutral.value), x.dtype)
                    got.append(self.join(c, total, x))
            return [g.value for g in got]

        carried = [t.value for t in start_totals]
        if last_vector:
            full = size // n
            if full:
                with f.loop(0, full * n, n, carried=carried) as turn:
                    turn.carried = body(turn.index, turn.carried, (n, None))
                carried = turn.carried
            if size % n:
                carried = body(f.index(full * n), carried, (n, size % n))
        else:
            with f.loop(0, size, carried=carried) as turn:
                turn.carried = body(turn.index, turn.carried)
            carried = turn.carried
        results = [Number(v, c.dtype) for v, c in zip(carried, chosen, strict=True)]
        if vectorise and outermost:
            results = [self.across(c, r) for c, r in zip(chosen, results, strict=True)]
        return results

    def fold_lanes(self, size, nodes):
        width = max((n.dtype.itemsize for n in nodes if n.dtype.kind == "f"), default=8)
        base = max(REGISTER_BYTES // max(width, 4), 2)
        weight = sum(1 for n in nodes if n.kind in ("map", "load"))
        n = base * (4 if weight <= 4 else 2 if weight < 16 else 1)
        while n > base and n * 2 > size:
            n //= 2
        if size < n:
            n = 2
            while n < size:
                n *= 2
        return n

    def across(self, fold, x):
        """All lanes of a total folded to one number."""
        n = lanes_of(x.value.type)
        f = self.f
        value = x.value
        while n > 1:
            n //= 2
            low, high = f.shuffle(value, value, range(n)), f.shuffle(value, value, range(n, 2 * n))
            value = self.join(fold, Number(low, fold.dtype), Number(high, fold.dtype)).value
        return Number(f.lane(value, 0), fold.dtype)


def nodes_under_loops(roots, level):
    """All nodes of these expressions that are not known yet, arguments first."""
    seen: dict = {}
    stack = [(n, False) for n in reversed(roots)]
    known = level.values
    while stack:
        node, done = stack.pop()
        if done:
            seen[node.id] = node
        elif node.id not in seen and node.id not in known:
            stack.append((node, True))
            stack.extend((a, False) for a in reversed(node.args) if a.id not in seen)
    return list(seen.values())
