"""Which steps run together: a graph becomes a list of kernels, and what passes between them stands in memory."""

import itertools
import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace

from ..core.graph import Constant, Graph, Var
from ..core.lowering import Reduce, View
from . import pieces, straight
from .expressions import EXPENSIVE, ZERO, Axis, NeedsBuffer, along, shape_of
from .fused import (
    Kernel,
    NotAffine,
    Product,
    Windows,
    groups_of,
    labels_of,
    offset_root,
    place_of,
    reads_of,
    root_of,
    sizes,
    sizes_of,
)  # fmt: skip
from .loops import merged_axes, nodes_under, tops, worth_lanes
from .recording import Probe, Recording
from .waits import Waits

NEAR = 1 << 19  # bytes that can be read and written here and there; more of them are quicker to go through from end to end
SMALL = 4096  # a product of fewer multiplications than this may be part of other kernels
READ_ONCE = 8  # additions up to which the elements of a matrix that a vector is multiplied by are computed on the way
LONGEST = 100  # steps of one expression
DEEPEST = 80  # of them, one on top of the other: expressions are followed recursively


CANDIDATES = 12  # kernels that one is tried to be made part of
MOST_ARRAYS = 60  # that a kernel of loops reads and writes


class Fuser:
    """Splits a graph into kernels.

    Parameters
    ----------
    graph : Graph
    native : function of a step that says whether it can become machine code
    special : function of a step that gives the kind of a kernel for steps with an emitter of their own, or None
    updates : ids of variables that can take over the memory of an input
    """

    def __init__(self, graph: Graph, native: Callable, special: Callable, updates=()):
        self.graph, self.special, self.updates = graph, special, frozenset(updates)
        self.makers = {v.id: s for s in graph.steps for v in s.outputs}
        self.native_cache: dict = {}
        self.is_native = native
        self.inputs = {i.var.id for i in graph.inputs}
        self.wanted = {o.id for o in (*graph.outputs, *(u.value for u in graph.updates)) if isinstance(o, Var)}
        self.decisions = {g.var.id for g in graph.guards if isinstance(g.var, Var)}
        self.wanted |= self.decisions
        self.stored: set = set(self.inputs)
        self.position = {v.id: n for n, s in enumerate(graph.steps) for v in s.outputs}
        self.users: dict = {}
        for s in graph.steps:
            for x in s.inputs:
                if isinstance(x, Var):
                    self.users.setdefault(x.id, []).extend(v.id for v in s.outputs)
        self.avals = {v.id: v.aval for s in graph.steps for v in s.outputs} | {i.var.id: i.var.aval for i in graph.inputs}
        self.plain: set = set()  # ids of products that no kernel of their own can compute
        self.made: dict = {}  # kernels that were built, by what they leave in memory; None if there is no such kernel

    def native(self, step):
        key = id(step)
        if key not in self.native_cache:
            self.native_cache[key] = self.is_native(step)
        return self.native_cache[key]

    # --- what stands in memory --------------------------------------------------------------------------------------------

    def run(self):
        """The kernels, in an order in which they can run."""
        for step in self.graph.steps:
            kind = self.kind(step)
            for v in step.outputs:
                if v.id in self.wanted or not (kind == "loops" or (kind == "pieces" and self.is_changed_on(v))):
                    self.stored.add(v.id)
            if kind not in ("loops", "product", "pieces"):  # these read whole arrays
                self.stored.update(x.id for x in step.inputs if isinstance(x, Var))
        self.straight_lines()
        self.cut_long_chains()
        for _ in range(10_000):
            kernels = self.attempt()
            more = self.repeated(kernels) if kernels else None
            if more:
                self.stored |= more
            elif kernels is not None:
                return kernels
        raise AssertionError("fusion does not come to an end")

    def is_changed_on(self, var):
        """Whether all that a change of elements is for is the next change of the same array."""
        users = [self.makers[u] for u in self.users.get(var.id, ())]
        return len(users) == 1 and self.kind(users[0]) == "pieces" and pieces.goes_on(self.makers[var.id], users[0])

    def straight_lines(self):
        """Give long programs on few numbers kernels of their own, for which there is nothing to search."""
        self.straight: list = []  # their kernels
        self.unrolled: set = set()  # ids of the variables that they compute

        def unrolls(step):
            return self.native(step) and self.kind(step) in ("loops", "pieces") and straight.can_unroll(step, self.stored)

        calls = iter(range(len(self.graph.steps)))  # a decision must not wait for them: see `try_merge`
        before = (lambda step: 1 << next(calls) if self.kind(step) == "call" else 0) if self.decisions else lambda step: 0
        groups = straight.groups(self.graph, unrolls, before)
        self.unrolled.update(s.outputs[0].id for steps in groups for s in steps)
        for steps in groups:
            read = {x.id for s in steps for x in s.inputs if isinstance(x, Var)}
            self.stored |= read - self.unrolled
        for steps in groups:
            own = straight.kernels(steps, self.wanted, self.users, lambda: straight.Elements(self.makers, set(), self.native))
            self.straight += own
            self.stored.update(v.id for kernel in own for v in kernel.vars)

    def cut_long_chains(self):
        """Let something stand in memory where expressions would grow without bound."""
        parts: dict = {}  # id of a variable -> what its expression is made of, and how deep it is
        for step in self.graph.steps:
            if any(v.id in self.unrolled for v in step.outputs):
                continue
            if pieces.is_one_of_many(step, self.makers, self.stored):
                new = step.inputs[1]
                made = parts.get(new.id, ((), 0))[0] if isinstance(new, Var) else ()
                if isinstance(new, Var) and sum(self.cost(self.makers[p]) for p in made) >= pieces.CHEAP:
                    self.stored.add(new.id)
            inside = [parts[x.id] for x in step.inputs if isinstance(x, Var) and x.id not in self.stored and x.id in parts]
            own = frozenset(v.id for v in step.outputs).union(*(p for p, _ in inside))
            depth = 1 + max((d for _, d in inside), default=0)
            if (len(own) > LONGEST or depth > DEEPEST) and not isinstance(step.row.lower, View):
                self.stored.update(v.id for v in step.outputs)
            for v in step.outputs:
                parts[v.id] = own, depth

    @staticmethod
    def cost(step):
        """About how many additions an element of a step's result takes, at least."""
        if isinstance(step.row.lower, Reduce):
            return math.prod(shape_of(step.inputs[0])[a] for a in step.params["axes"])
        return EXPENSIVE.get(step.row.name, 1)

    def kind(self, step):
        if not self.native(step):
            return "call"
        special = self.special(step)
        if special is not None:
            return special
        if pieces.are_made_by(step):
            return "pieces"
        if self.is_product(step) and id(step) not in self.plain:
            return "product"
        return "loops"

    @staticmethod
    def is_product(step):
        """Whether a step is a matrix product that is worth its own kernel."""
        if step.row.name not in ("matmul", "contract") or step.outputs[0].aval.dtype.kind != "f":
            return False
        rows, columns, summed, batch, _ = labels_of(step)
        sizes = sizes_of(step)
        if len(rows) != 1 or len(columns) != 1 or 0 in sizes.values():
            return False
        if math.prod(sizes[k] for k in summed) == 1:  # an outer product: each element is one multiplication
            return False
        *leading, _, _ = step.params["labels"][2] if step.row.name == "contract" else (*batch, 0, 0)
        return set(leading) == set(batch) and math.prod(sizes.values()) >= SMALL

    def attempt(self):
        """Kernels for what stands in memory; None if more must stand there, which is noted."""
        kernels, complete = list(self.straight), True
        for step in self.graph.steps:
            kept = [v for v in step.outputs if v.id in self.stored]
            if not kept or kept[0].id in self.unrolled:
                continue
            try:
                kernels.append(self.kernel(step, kept))
            except NeedsBuffer as e:
                assert e.var.id not in self.stored, f"{e.var} cannot be read in the way it is asked for"
                self.stored.add(e.var.id)
                complete = False
        return self.merge(self.ordered(kernels) if self.straight else kernels) if complete else None

    def kernel(self, step, kept):
        """One kernel for what a step leaves in memory."""
        kind = self.kind(step)
        if kind == "loops":
            return self.loops(kept)
        if kind == "product":
            try:
                return self.product(step)
            except NotAffine:
                self.plain.add(id(step))
                return self.loops(kept)
        if kind == "pieces":
            return self.pieces(step)
        if kind == "windows":
            return self.windows(step)
        return Kernel(kind, list(step.outputs), {x.id for x in step.inputs if isinstance(x, Var)}, step=step)

    def repeated(self, kernels):
        """Variables that several kernels would compute, or one kernel again and again, at more cost than keeping them."""
        more = set()
        for kernel in kernels:
            for root in kernel.roots if kernel.kind != "straight" else ():
                for node, runs in runs_of(root):
                    var = kernel.origin.get(node.id)
                    if var is not None and runs > math.prod(a.size for a in node.axes) and var.id not in self.stored:
                        more.add(var.id)
        if more:
            return more
        seen: dict = {}
        for k, kernel in enumerate(kernels):
            for var_id, node in kernel.expanded.items():
                if node.weight >= (8 if node.folds else 16) and var_id not in self.stored:
                    seen.setdefault(var_id, {})[k] = node
        several = {v: ks for v, ks in seen.items() if len(ks) > 1}
        for v, ks in several.items():
            if all(u in several for u in self.users.get(v, ())):
                continue  # what it leads to is needed several times too, and what leads to that is then no longer
            if isinstance(self.makers[v].row.lower, View):
                continue
            (k, node), *_ = ks.items()
            fold = next((n for n in nodes_under([node]) if n.kind == "reduce" and n.weight >= 8), None)
            if fold is not None and math.prod(a.size for a in node.axes) > math.prod(a.size for a in fold.axes):
                var = kernels[k].origin.get(fold.id)
                if var is not None and var.id not in self.stored:
                    more.add(var.id)
                    continue
            more.add(v)
        if not more:
            more = {v for v in several if not isinstance(self.makers[v].row.lower, View)}
        return more

    # --- building kernels -------------------------------------------------------------------------------------------------

    def expressions(self):
        """For a new kernel. What it computes itself is `inside` them before anything else reads it."""
        return Recording(self.makers, self.stored, self.native)

    def remembered(self, key, make):
        """The kernel that `make` gives. It stays the same until one of the variables inside gets a place in memory."""
        found = self.made.get(key)
        if isinstance(found, Var):
            raise NeedsBuffer(found)
        if found is None or any(v in self.stored for v in found.expanded):
            try:
                found = self.made[key] = make()
            except NeedsBuffer as e:
                if e.var.id in key:  # one of its own: there is no such kernel
                    self.made[key] = e.var  # not `e`, which would keep everything alive that is running
                raise
        return found

    def loops(self, variables):
        """One kernel that computes all of these; raises NeedsBuffer if one reads another other than at its own place."""
        return self.remembered(("loops", *sorted(v.id for v in variables)), lambda: self._loops(variables))

    def _loops(self, variables):
        variables = sorted(variables, key=lambda v: self.position[v.id])
        axes = tuple(Axis(n) for n in max((sizes(v) for v in variables), key=len))
        return self.longer(Kernel("loops", [], axes=axes, expressions=self.expressions()), variables)

    def longer(self, kernel, variables):
        """The kernel of loops with more variables, all of which come later in the program. Adds to its expressions."""
        ex, axes, roots = kernel.expressions, kernel.axes, []
        for v in variables:
            index = place_of(v, axes)
            node = ex.inside[v.id][1] if v.id in ex.inside else ex.step(self.makers[v.id], v, index)
            ex.inside[v.id] = (index, node)
            roots.append(root_of(v, node, axes))
        return Kernel(
            "loops", [*kernel.vars, *variables], kernel.reads | reads_of(roots), [*kernel.roots, *roots],
            expanded=dict(ex.expanded), origin=ex.origin, axes=axes, expressions=ex, frugal=kernel.frugal,
        )  # fmt: skip

    def joined(self, a, b):
        """One kernel of loops that computes what two do; raises NeedsBuffer as `loops` does."""
        variables = sorted(b.vars, key=lambda v: self.position[v.id])
        if a.expressions is None or len(a.axes) < len(b.axes) or self.later(a.vars[-1], variables[0]):
            return self.loops([*a.vars, *b.vars])
        key = ("loops", *sorted(v.id for v in (*a.vars, *b.vars)))
        return self.remembered(key, lambda: self.longer(a, variables))

    def later(self, v, other):
        return self.position[v.id] >= self.position[other.id]

    def pieces(self, step):
        """Parts of one array, each written where it belongs."""
        return self.remembered(("pieces", step.outputs[0].id), lambda: self._pieces(step))

    def _pieces(self, step):
        (out,) = step.outputs
        ex = self.expressions()
        roots = pieces.roots_of(step, ex)
        return Kernel("pieces", [out], reads_of(roots), roots, step=step, expanded=ex.expanded, origin=ex.origin)

    def product(self, step):
        """A matrix product whose operands stand in memory in rows and columns of even spacing."""
        return self.remembered(("product", step.outputs[0].id), lambda: self._product(step))

    def _product(self, step):
        (out,) = step.outputs
        ex = self.expressions()
        (row,), (column,), summed, batch, labels = labels_of(step)
        sizes = sizes_of(step)
        axis = {k: Axis(n) for k, n in sizes.items()}
        batch = [k for k in labels[2] if k in batch]
        operands = []
        for operand, own, outer in zip(step.inputs, labels, (row, column), strict=False):
            shape = shape_of(operand)
            index = tuple(ZERO if n == 1 else along(axis[k]) for n, k in zip(shape, own, strict=True))
            if isinstance(operand, Constant):
                node = ex.load(operand, operand.value.dtype, shape, index)  # even where all its numbers are the same
            else:
                node = ex.at(operand, index)
            if node.kind != "load" or node.args or node.dtype != out.aval.dtype:
                if isinstance(operand, Constant) or operand.id in self.stored:
                    raise NotAffine
                other = sizes[column if outer == row else row]
                if other == 1 and not node.folds and node.weight < READ_ONCE:
                    raise NotAffine  # each element of a matrix is needed once: to compute it there is less than to keep it
                raise NeedsBuffer(self.untransposed(operand))
            source, offset = node.data
            terms = dict(offset.terms)
            operands.append((source, offset.const, terms, outer))
        depth = None
        for order in ([k for k in labels[0] if k in summed], [k for k in labels[1] if k in summed]):
            order = [k for k in order if sizes[k] != 1] or order[-1:]
            if all(
                terms.get(axis[p], 0) == terms.get(axis[q], 0) * sizes[q]
                for _, _, terms, _ in operands
                for p, q in itertools.pairwise(order)
            ):
                depth = axis[order[-1]]
                break
        if depth is None:  # the axes to sum over do not follow each other: a copy in which they do
            for operand in step.inputs:
                if isinstance(operand, Var) and operand.id not in self.stored:
                    raise NeedsBuffer(operand)
            raise NotAffine
        strided = []
        for (source, const, terms, outer), first in zip(operands, (True, False), strict=True):
            lengths = terms.get(axis[outer], 0), terms.get(depth, 0)
            strided.append((source, const, *(lengths if first else lengths[::-1]), tuple(terms.get(axis[k], 0) for k in batch)))
        m, n, k = sizes[row], sizes[column], math.prod(sizes[k] for k in summed)
        if labels[2][-1] == row:  # the transposed product: rows and columns change places
            strided = [(s, c, b, a, rest) for s, c, a, b, rest in reversed(strided)]
            m, n = n, m
        x, y = strided
        detail = Product(out, tuple(axis[k] for k in batch), m, n, k, x, y)
        reads = frozenset(source.id for source, *_ in strided if isinstance(source, Var))
        return self.finished(Kernel("product", [out], set(reads), step=step, detail=detail, operands=reads), [out])

    def untransposed(self, var):
        """What `var` is a transposed view of, if that does not stand in memory; products read it as well."""
        while (step := self.makers[var.id]).row.name == "transpose":
            (x,) = step.inputs
            if isinstance(x, Constant) or x.id in self.stored:
                break
            var = x
        return var

    def finished(self, kernel, variables):
        """A product's kernel that computes `variables`, each where an element of the product is at hand."""
        key = ("finished", kernel.detail.var.id, *sorted(v.id for v in variables))
        return self.remembered(key, lambda: self._finished(kernel, variables))

    def windows(self, step):
        """A convolution."""
        (out,) = step.outputs
        reads = frozenset(x.id for x in step.inputs if isinstance(x, Var))
        weights = shape_of(step.inputs[1]) if step.row.name != "conv_weight_grad" else out.aval.shape
        larger = step.inputs[0] if step.row.name != "conv" else out
        detail = Windows(
            out, math.prod(shape_of(larger)) * math.prod(weights[1:]), 1 if step.row.name == "conv_weight_grad" else 2
        )
        kernel = Kernel("windows", [out], set(reads), step=step, detail=detail, operands=reads)
        return self.finished(kernel, [out])

    def _finished_windows(self, kernel, variables):
        detail = kernel.detail
        axes = tuple(Axis(n) for n in detail.var.aval.shape)
        loops = tuple(a for a in axes if a.size != 1)
        ex, given, roots = self.following(detail.var, variables, loops, tuple(along(a) for a in axes))
        groups = merged_axes(axes[detail.first :], nodes_under(tops(roots)), roots)
        flat = len(groups) <= 1
        if not flat and detail.first == 1:
            raise NeedsBuffer(detail.var)
        group = tuple(groups[0]) if flat and groups else (axes[-1],)
        return replace(
            kernel, vars=[r.var for r in roots], reads=reads_of(roots) | kernel.operands, roots=roots, given=given,
            expanded=ex.expanded, origin=ex.origin, detail=replace(detail, axes=axes, group=group, flat=flat),
        )  # fmt: skip

    def _finished(self, kernel, variables):
        if kernel.kind == "windows":
            return self._finished_windows(kernel, variables)
        detail = kernel.detail
        variables = sorted(variables, key=lambda v: self.position[v.id])
        natural = (*(a.size for a in detail.batch), detail.m, detail.n)
        others = [v for v in variables if v.id != detail.var.id]
        swapped = False
        if others:
            loops = tuple(Axis(n) for n in sizes(others[0]))
            probe = Probe(self.makers, self.stored - {detail.var.id}, self.native, detail.var)
            probe.step(self.makers[others[0].id], others[0], place_of(others[0], loops))
            if len(probe.found_at) != 1:
                raise NeedsBuffer(detail.var)
            (index,) = probe.found_at
            found = groups_of(index, loops, detail.var.aval.shape, natural)
            if found is None:
                raise NeedsBuffer(detail.var)
            groups, swapped = found
        else:
            loops = tuple(Axis(n) for n in natural if n != 1)
            rest = iter(loops)
            groups = [(next(rest),) if n != 1 else () for n in natural]
            index = place_of(detail.var, loops)
        ex, given, roots = self.following(detail.var, variables, loops, index)
        nodes = nodes_under(tops(roots))
        if any(len(merged_axes(g, nodes, roots)) > 1 for g in groups):
            raise NeedsBuffer(detail.var)
        detail = replace(detail, swapped=swapped, batch_loops=tuple(groups[:-2]), row=groups[-2], column=groups[-1])
        return replace(
            kernel, vars=variables, reads=reads_of(roots) | kernel.operands, roots=roots, given=given, expanded=ex.expanded,
            origin=ex.origin, detail=detail,
        )  # fmt: skip

    def following(self, var, variables, loops, index):
        """(expressions, the Node of `var`, roots) of `variables`, where elements of `var` are at hand at `index`."""
        ex = self.expressions()
        given = ex.node("given", var, (), frozenset(loops), var.aval.dtype, var.id)
        ex.inside[var.id] = (index, given)
        roots = []
        for v in sorted(variables, key=lambda v: self.position[v.id]):
            if v.id == var.id:
                roots.append(offset_root(v, given, loops, index))
                continue
            if sizes(v) != tuple(a.size for a in loops):
                raise NeedsBuffer(var)
            at = place_of(v, loops)
            node = ex.step(self.makers[v.id], v, at)
            if node.folds:
                raise NeedsBuffer(v)
            ex.inside[v.id] = (at, node)
            roots.append(root_of(v, node, loops))
        return ex, given, roots

    # --- putting kernels together -----------------------------------------------------------------------------------------

    def merge(self, kernels):
        """Kernels that share loops and data become one."""
        maker = {v.id: k for k, kernel in enumerate(kernels) for v in kernel.vars}
        waits = Waits([{maker[r] for r in kernel.reads if r in maker} for kernel in kernels], map(self.decides, kernels))
        self.callbacks = sum(1 << k for k, kernel in enumerate(kernels) if kernel.kind == "call")
        alive: dict = dict(enumerate(kernels))
        by_read: dict = {}  # kernels that read a variable, by its id, in order
        groups: list = []
        for k, kernel in enumerate(kernels):
            waits.add(k)
            target = k
            if kernel.kind == "loops":
                candidates = {maker[r] for r in kernel.reads if r in maker}
                candidates.update(*(by_read[r][-CANDIDATES:] for r in kernel.reads if r in by_read))
                if kernel.work < 64:
                    candidates.update(groups[-3:])
                for c in sorted(candidates, reverse=True)[:CANDIDATES]:
                    if self.try_merge(alive, c, k, waits):
                        target = c
                        break
            if target != k:
                for v in kernel.vars:
                    maker[v.id] = target
                waits.join(target, k)
                del alive[k]
            else:
                groups.append(k)
            for r in kernel.reads:
                readers = by_read.setdefault(r, [])
                at = bisect_left(readers, target)
                if readers[at : at + 1] != [target]:
                    readers.insert(at, target)
        return self.ordered(self.pruned(list(alive.values())))

    def try_merge(self, alive, c, k, waits):
        """Make kernel `k` part of `c`, if nothing that runs between them stands against it."""
        a, b = alive[c], alive[k]
        if a.kind not in ("loops", "product", "windows") or waits.between(c, k):
            return False
        # What is written over its old value waits for all decisions, which then must not be part of the same kernel.
        if any(v.id in self.updates for v in b.vars) and waits.awaited & (1 << c | 1 << k) == 1 << c:
            return False
        # A decision is looked at before a callback that it need not wait for, which may fail on the other path.
        if self.decisions and self.callbacks:
            more = (waits.before[c] ^ waits.before[k]) & self.callbacks
            if (self.decides(a) and more & waits.before[k]) or (self.decides(b) and more & waits.before[c]):
                return False
        try:
            if a.kind in ("product", "windows"):
                if not (b.reads & {v.id for v in a.vars}) or len(a.vars) + len(b.vars) > 12:
                    return False
                if a.kind == "product" and self.far(a, b):
                    return False
                alive[c] = self.finished(a, [*a.vars, *b.vars])
                return True
            short, long = sorted((a.lengths, b.lengths), key=len)
            if long[: len(short)] != short or (not short and long and math.prod(long) > 256):
                return False
            if len(short) < len(long) and math.prod(short) > 16:
                # Inside of a longer loop, what does not run along memory would be computed one number at a time.
                few = a if len(a.lengths) < len(b.lengths) else b
                if any(r.node.weight >= 8 and (not r.node.folds or folds_across(r)) for r in few.roots):
                    return False
            variables = {v.id for v in (*a.vars, *b.vars)}
            if len((a.reads | b.reads) - variables) + len(variables) > MOST_ARRAYS:
                return False
        except NeedsBuffer:
            return False
        merged = self.joint(a, b)
        if merged is not None:
            alive[c] = merged
        return merged is not None

    def joint(self, a, b):
        """One kernel of loops in place of two, if there is one and it is worth it; else None."""
        mark = a.expressions.mark() if a.expressions is not None else None
        merged = None
        try:
            merged = self.joined(a, b)
            if len(merged.reads) + len(merged.vars) <= MOST_ARRAYS and not self.wasteful(merged):
                a.expressions = None  # they are the new kernel's
                return merged
        except NeedsBuffer:
            pass
        if merged is not None:
            merged.expressions = None
        if mark is not None:
            a.expressions.back_to(mark)
        return None

    def far(self, product, rest):
        """Whether arrays that a product would go through block by block, as large as its result, do not fit into the cache."""
        size = math.prod(product.detail.var.aval.shape)
        ids = (product.reads | rest.reads).union(v.id for v in (*product.vars, *rest.vars))
        others = (self.avals[i] for i in ids - product.operands - {product.detail.var.id})
        return sum(n * a.dtype.itemsize for a in others if (n := math.prod(a.shape)) >= size) > NEAR

    def decides(self, kernel):
        return bool(self.decisions) and any(v.id in self.decisions for v in kernel.vars)

    def wasteful(self, kernel):
        """Whether a fold would run again for every element of a longer root."""
        for root in kernel.roots[kernel.frugal :]:
            for node in nodes_under([root.node]) if root.node.repeats else ():
                if node.kind in ("reduce", "bits"):
                    needed = max((n + 1 for n, a in enumerate(root.axes) if a in node.axes), default=0)
                    if math.prod(a.size for a in root.axes[:needed]) > max(1, math.prod(a.size for a in node.axes)):
                        return True
        kernel.frugal = len(kernel.roots)
        return False

    def pruned(self, kernels):
        """Without storing what nobody reads."""
        while True:
            needed = set(self.wanted)
            for kernel in kernels:
                needed |= kernel.reads
            changed = False
            kept = []
            for kernel in kernels:
                if kernel.kind in ("loops", "product", "windows"):
                    roots = [r for r in kernel.roots if r.var.id in needed]
                    if not roots:
                        changed = True
                        continue
                    if len(roots) < len(kernel.roots):
                        kernel = replace(
                            kernel, roots=roots, vars=[r.var for r in roots], reads=reads_of(roots) | kernel.operands
                        )
                        changed = True
                kept.append(kernel)
            kernels = kept
            if not changed:
                return kernels

    def ordered(self, kernels):
        """In an order in which they can run, close to that of the program; first what decides about branches."""
        maker = {v.id: k for k, kernel in enumerate(kernels) for v in kernel.vars}
        # Products run when their operands are at hand, though what is done with them comes later: that frees the operands.
        place = [
            self.position[k.detail.var.id] if k.kind in ("product", "windows") else max(self.position[v.id] for v in k.vars)
            for k in kernels
        ]
        done, out = set(), []

        def visit(k):
            stack = [(k, False)]
            while stack:
                k, ready = stack.pop()
                if k in done:
                    continue
                if ready:
                    done.add(k)
                    out.append(kernels[k])
                    continue
                stack.append((k, True))
                sources = [maker[r] for r in sorted(kernels[k].reads) if r in maker]
                stack.extend((m, False) for m in sources if m != k and m not in done)

        for g in self.graph.guards:
            if isinstance(g.var, Var) and g.var.id in maker:
                visit(maker[g.var.id])
        for k in sorted(range(len(kernels)), key=lambda k: place[k]):
            visit(k)
        return out


def folds_across(root):
    """Whether a fold goes through memory across its rows, several of which should be folded at a time."""
    return bool(root.axes) and worth_lanes(root.axes[-1], nodes_under([root.node]), [root])


def runs_of(root):
    """(node, how often it would run) of what is costly and stands in its own loop: folds, and random words."""
    found, todo, seen = [], [(root.node, root.axes)], set()
    while todo:
        node, loops = todo.pop()
        if not node.repeats or (node.id, loops) in seen:
            continue
        seen.add((node.id, loops))
        if node.kind in ("reduce", "bits"):
            needed = max((n + 1 for n, axis in enumerate(loops) if axis in node.axes), default=0)
            loops = loops[:needed]
            if node.weight >= 8:
                found.append((node, math.prod(a.size for a in loops)))
            if node.kind == "reduce":
                loops += node.data[1]
        todo.extend((x, loops) for x in node.args)
    return found
