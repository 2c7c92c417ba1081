"""What reverse mode writes down, and the walk back over it. Names no op but those that add and cast cotangents.

Every node has a time, and an operation's arguments are older than its result. So taking pending nodes newest first
visits each when all contributions to its cotangent are in, without searching the graph first. Nodes refer to their
parents and never to results or Tensors, so reference counting alone frees them.
"""

from heapq import heappop, heappush
from itertools import count
from typing import Any

import numpy as np

from ..core.changes import HookHandle
from ..core.derivative import Deferred, strict
from ..core.dispatch import state
from ..core.value import Value, dtype_of
from ..errors import AnomalyError, GraphFreedError, explain
from ..ops.shaping import cast
from ..tensor import Tensor
from .node_hooks import Inspected, Name, NodeHook, called_after, called_at_leaf, called_before, shown

tick = count(1).__next__
RETAINED = "retained"  # the key of the hook that keeps a gradient: it sees what all others have made of that
NOTHING = (None,) * 3  # kept by nodes whose rules need nothing; these can be walked any number of times


class Leaf(Inspected):
    """Where derivatives are asked for: a parameter, or an argument of a transformed function."""

    __slots__ = ("time", "grad", "hooks", "after", "tensor", "__weakref__")
    parents = ()
    name = Name("AccumulateGrad")
    after: dict  # hooks to call with a gradient that has been added; only leaves with such hooks have it
    tensor: Any  # weak reference to the Tensor that the user made a leaf

    def __init__(self):
        self.time = tick()
        self.grad = None

    @property
    def variable(self):
        """The Tensor that is this leaf, as in PyTorch; None inside of transforms."""
        return self.tensor() if hasattr(self, "tensor") else None

    def register_hook(self, hook):
        """Call `hook(grad_inputs, grad_outputs)`, of which the first is empty, when a gradient has been added to `.grad`."""
        if not hasattr(self, "after"):
            self.after = {}
        return HookHandle(self.after, lambda g: hook((), (shown(g),)))


class Retained(Leaf):
    """Where the gradient of a Tensor that is no leaf is kept; its hook moves along when the Tensor is changed in place."""

    __slots__ = ("handle",)
    handle: HookHandle


class SimpleNode(Inspected):
    """A recorded operation without parameters on real arguments that have the shape and dtype of the result.

    `parents` holds the node of each argument, None where it is constant; `kept` the arguments and the result as far as
    the rules need them, None once they are freed.
    """

    __slots__ = ("time", "row", "parents", "kept", "hooks")
    params = None
    avals = None

    def __init__(self, row, parents, kept):
        self.time = tick()
        self.row = row
        self.parents = parents
        self.kept = kept

    @property
    def name(self):
        return Name(self.row.name)

    def _start_hooks(self):
        self.hooks = {}
        self.__class__ = HOOKED.get(type(self), type(self))

    def __repr__(self):
        return f"<{self.row.name} backward>"

    def pull(self, g, owner, needed=None):
        """(parent, cotangent) pairs; `owner` is the tape to record the pullback on, if it is to be differentiated."""
        row, kept, params, avals = self.row, self.kept, self.params, self.avals
        if kept is None:
            raise freed(self)
        if owner is not None:
            kept = self._live(owner)
        for i, parent in enumerate(self.parents):
            if parent is None or (needed is not None and parent not in needed):
                continue
            aval = avals and avals[i]
            part = row.kind(i).pull(g, kept, params, aval)
            if aval is not None and not isinstance(part, Deferred) and dtype_of(part) != aval.dtype:
                part = cast(part, aval.dtype)
            if part is not None:
                yield parent, part

    def release(self):
        """Free what was kept."""
        if self.kept is not NOTHING:
            self.kept = None

    def _live(self, owner):
        """What was kept, on the tape again, so that derivatives flow through it."""
        last = len(self.kept) - 1
        live: list = []
        for i, x in enumerate(self.kept):
            note = self if i == last else self.parents[i] if i < len(self.parents) else None
            if isinstance(x, tuple):
                live.append(tuple(Tensor(v, owner, Output(self, j, len(x))) for j, v in enumerate(x)))
            else:
                live.append(x if x is None or note is None else Tensor(x, owner, note))
        return tuple(live)


class Node(SimpleNode):
    """A recorded operation; `avals` holds shape and dtype of the arguments that have a parent."""

    __slots__ = ("params", "avals")

    def __init__(self, row, parents, kept, params, avals):
        self.time = tick()
        self.row = row
        self.parents = parents
        self.kept = kept
        self.params = params
        self.avals = avals


class JointNode(Inspected):
    """A recorded operation whose derivative is stated for all arguments at once.

    `kept` holds its arguments, for derivatives of the derivative, and what it kept for its pullback; `again` is the tape's.
    """

    __slots__ = ("time", "row", "parents", "kept", "params", "again", "hooks")

    def __init__(self, row, parents, kept, params, again=False):
        self.time = tick()
        self.row = row
        self.parents = parents
        self.kept = kept
        self.params = params
        self.again = again

    @property
    def name(self):
        return Name(self.row.name)

    __repr__ = SimpleNode.__repr__

    def pull(self, gs, owner, needed=None):
        if self.kept is None:
            raise freed(self)
        args, kept = self.kept
        active = tuple(p is not None for p in self.parents)
        before, state.again = state.again, self.again or owner is not None
        try:
            if owner is not None and self.row.joint.keeps_results:
                kept = [owner._wrap(x, Output(self, i, len(kept))) for i, x in enumerate(kept)]
            elif owner is not None:  # on the tape once more, so that derivatives flow through what is kept
                live = [x if p is None else Tensor(x, owner, p) for x, p in zip(args, self.parents, strict=True)]
                kept = self.row.joint.record(live, active, self.params)[1]
            parts = self.row.joint.pull(gs, kept, active, self.params)
        finally:
            state.again = before
        for parent, part, x in zip(self.parents, parts, args, strict=True):
            if parent is not None and part is not None and (needed is None or parent in needed):
                yield parent, cast(part, dtype_of(x))

    def release(self):
        self.kept = None


class HookedSimpleNode(SimpleNode):
    """A node with hooks, which the common paths do not look for."""

    __slots__ = ()


class HookedNode(Node):
    """The same of a node with parameters."""

    __slots__ = ()


HOOKED = {SimpleNode: HookedSimpleNode, Node: HookedNode}


class Output:
    """One of several results of an operation."""

    __slots__ = ("time", "parents", "index", "n", "hooks")

    def __init__(self, node, index, n):
        self.time = tick()
        self.parents = (node,)
        self.index, self.n = index, n

    @property
    def name(self):
        return self.parents[0].name

    def _start_hooks(self):
        self.hooks = {}

    def __repr__(self):
        return f"<{self.name} backward, result {self.index}>"


class Call(Inspected):
    """A recorded call with a pullback of its own: a checkpoint or a function with custom derivatives.

    `pullback(gs, owner)` takes one cotangent per result (None for zero) and gives one per parent; contributions to
    other nodes, such as those of a recomputation, may follow as (node, cotangent) pairs; `is_open` says that they do.
    `settle(real)` lets what the pullback keeps hold real values, when a recorder ends.
    """

    __slots__ = ("time", "name", "parents", "pullback", "is_open", "settle", "hooks")

    def __init__(self, name, parents, pullback, is_open=False, settle=None):
        self.time = tick()
        self.is_open = is_open
        self.settle = settle
        self.name = Name(name)
        self.parents = parents
        self.pullback = pullback

    def __repr__(self):
        return f"<{self.name} backward>"

    def pull(self, gs, owner, needed=None):
        if self.pullback is None:
            raise freed(self)
        for target, part in self.pullback(gs, owner):
            if target is not None and part is not None:
                yield target, part

    def release(self):
        self.pullback = self.settle = None


def freed(node):
    return GraphFreedError(
        explain(
            "backward a second time through operations whose kept values the first time has freed",
            f"first freed operation met: {node.name}",
            help="pass retain_graph=True to the first backward, or run the forward computation again",
        )
    )


def leading_to(wanted, roots):
    """All nodes between `roots` and `wanted`, both included: what a walk has to visit to reach the latter."""
    reachable, todo = set(roots), list(roots)
    while todo:
        for parent in todo.pop().parents:
            if parent is not None and parent not in reachable:
                reachable.add(parent)
                todo.append(parent)
    # An open call may lead anywhere: to what the recomputed function captured.
    needed = set(wanted) | {n for n in reachable if type(n) is Call and n.is_open}
    for node in sorted(reachable, key=lambda n: n.time):
        if any(p in needed for p in node.parents):
            needed.add(node)
    return needed


def walk_back(seeds, sink, *, retain=False, owner=None, wanted=None):
    """Carry cotangents from `seeds`, (node, cotangent) pairs, to the leaves: `sink(leaf, cotangent, ours)` for each.

    `ours` says that the array is referred to by nobody else. With `owner`, the walk itself is recorded on that tape.
    With `wanted`, a set of nodes, these take the place of the leaves.

    A branch that was not taken contributes zero, also where its derivative is infinite or NaN. Masking every product
    would make every walk slower, so the first walk does not; if a result is not finite, a second one does.
    """
    if state.anomaly and wanted is None:
        wanted = _leaves([node for node, _ in seeds if node is not None])
    walk = _Walk(retain, owner, wanted)
    results = None
    with np.errstate(all="ignore"):
        # A recorded program must not depend on the values that it was recorded with.
        if state.recorder is None and not state.abstract and not state.anomaly:
            results = walk.run(seeds)
        if results is None or not all(_is_finite(g) for _, g, _ in results):
            strict.append(walk)
            try:
                results = walk.run(seeds, masked=True)
            finally:
                strict.remove(walk)
    for node in walk.spent:
        node.release()
    for node, g, ours in results:
        if type(node) is Leaf and hasattr(node, "hooks"):
            g, ours = _hooked(node, g, ours)
            g, ours = called_at_leaf(node, g, ours)
        sink(node, g, ours)


def _leaves(roots):
    """All leaves that these nodes depend on."""
    found, todo = set(roots), list(roots)
    while todo:
        for parent in todo.pop().parents:
            if parent is not None and parent not in found:
                found.add(parent)
                todo.append(parent)
    return {node for node in found if isinstance(node, Leaf)}


def _without_nan(node, g, parts):
    """The cotangents that an operation hands on; raises if there is NaN among them."""
    for parent, part in parts:
        if not isinstance(part, Deferred) and _has_nan(part):
            gs = [x for x in (g if isinstance(g, list) else [g]) if x is not None]
            before = "NaN" if any(map(_has_nan, gs)) else "finite" if all(map(_is_finite, gs)) else "infinite"
            raise AnomalyError(
                explain(
                    f"backward: the derivative of {node.name} has NaN",
                    f"cotangent of its result: {before}, {dtype_of(gs[0])} {gs[0].shape}    "
                    f"of its argument: {dtype_of(part)} {part.shape}",
                    help="look at the arguments of this operation: infinities, NaN, or the edge of where it is defined",
                )
            )
        yield parent, part


def _has_nan(g):
    while isinstance(g, Value):
        g = g.value
    return np.asarray(g).dtype.kind in "fc" and bool(np.isnan(g).any())


def _is_finite(g):
    while isinstance(g, Value):
        g = g.value
    total = np.add.reduce(g, axis=None) if isinstance(g, np.ndarray) else g
    return total - total == 0


def _hooked(node, g, ours):
    hooks = getattr(node, "hooks", {})
    for key, hook in list(hooks.items()):
        if key is not RETAINED and type(hook) is not NodeHook:
            new = hook(g)
            g, ours = (g, ours) if new is None else (new, False)
    if RETAINED in hooks:
        hooks[RETAINED](g)
    return g, ours


class _Walk:
    """One backward pass, which may have to be run twice: what nodes keep is freed only when it has succeeded."""

    def __init__(self, retain, owner, wanted):
        self.retain, self.owner, self.wanted = retain, owner, wanted
        self.start = tick()  # nodes that are younger come from recomputation, which a second run does again
        self.spent: list = []

    def done_with(self, node):
        if node.time < self.start:
            self.spent.append(node)
        else:
            node.release()

    def run(self, seeds, masked=False):
        """(leaf, cotangent, ours) triples; None if hooks were met and nothing is masked: they must not be called twice."""
        self.spent.clear()
        retain, owner, wanted = self.retain, self.owner, self.wanted
        spent, start = self.spent, self.start
        needed = None if wanted is None else leading_to(wanted, [n for n, _ in seeds if n is not None])
        results: list = []
        pending: dict = {}  # time -> [node, cotangent, whether that array is ours to add to in place]
        heap: list = []

        def contribute(node, part, ours=False):
            entry = pending.get(node.time)
            if isinstance(part, Deferred):
                if entry is None:
                    total, ours = part.added_to(None, False)
                    pending[node.time] = [node, total, ours]
                    heappush(heap, -node.time)
                else:
                    entry[1], entry[2] = part.added_to(entry[1], entry[2])
            elif entry is None:
                pending[node.time] = [node, part, ours]
                heappush(heap, -node.time)
            elif entry[2] and type(part) is np.ndarray and part.dtype == entry[1].dtype:
                entry[1] += part
            else:
                entry[1] = entry[1] + part
                entry[2] = type(entry[1]) is np.ndarray

        for node, g in seeds:
            if node is not None:
                contribute(node, g)
        ahead = None  # the only pending node, when it need not go through the heap
        while ahead is not None or heap:
            node, g, ours = pending.pop(-heappop(heap)) if ahead is None else ahead
            ahead = None
            kind = type(node)
            if kind is SimpleNode and owner is None and wanted is None:
                # The common case, written out: this loop is most of what small arrays cost.
                kept = node.kept
                if kept is None:
                    raise freed(node)
                for parent, bound in zip(node.parents, node.row.kinds, strict=True):
                    if parent is None:
                        continue
                    part = bound.pull(g, kept, None, None)
                    if ahead is None:
                        if not heap:
                            ahead = parent, part, False
                            continue
                    else:
                        contribute(ahead[0], ahead[1])
                        ahead = None
                    contribute(parent, part)
                if not retain and kept is not NOTHING:
                    if node.time < start:
                        spent.append(node)
                    else:
                        node.kept = None
                continue
            if kind is Node and owner is None and wanted is None:
                kept, params = node.kept, node.params
                if kept is None:
                    raise freed(node)
                for i, (parent, aval) in enumerate(zip(node.parents, node.avals, strict=True)):
                    if parent is not None:
                        part = node.row.kind(i).pull(g, kept, params, aval)
                        if not isinstance(part, Deferred) and part.dtype is not aval.dtype and part.dtype != aval.dtype:
                            part = cast(part, aval.dtype)
                        contribute(parent, part)
                if not retain and kept is not NOTHING:
                    self.done_with(node)
                continue
            if kind is Leaf:
                if wanted is None or node in wanted:
                    results.append((node, g, ours))
                continue
            if hasattr(node, "hooks"):
                if not masked:
                    return None
                if type(g) is not list:
                    g, ours = _hooked(node, g, ours)
            if wanted is not None and node in wanted:
                results.append((node, g, ours))
            if needed is not None and not (kind is Call and node.is_open) and not any(p in needed for p in node.parents):
                continue  # what lies behind was not asked for, and the rule of a Function may come back to this very node
            if kind is Output:
                (parent,) = node.parents
                entry = pending.get(parent.time)
                if entry is None:
                    entry = pending[parent.time] = [parent, [None] * node.n, False]
                    heappush(heap, -parent.time)
                gs, at = entry[1], node.index
                gs[at] = g if gs[at] is None else gs[at] + g  # a walk back over it makes another Output of the same result
            else:
                hooked = hasattr(node, "hooks")
                g = called_before(node, g) if hooked else g
                parts = node.pull(g, owner, needed)
                parts = called_after(node, g, parts) if hooked else parts
                if state.anomaly:
                    parts = _without_nan(node, g, parts)
                if needed is not None and kind is Call and node.is_open:
                    parts = list(parts)
                    needed |= leading_to(wanted, [parent for parent, _ in parts])
                for parent, part in parts:
                    contribute(parent, part)
                if not retain:
                    self.done_with(node)
        return results


def own(g, ours, handed):
    """`g` as an array that nobody else refers to and that can be written."""
    if not isinstance(g, np.ndarray) or ours:
        return g
    if g.base is not None or not g.flags.writeable or id(g) in handed:
        g = np.array(g, order="C")  # as parameters are: whoever updates them goes through both side by side
    handed.add(id(g))
    return g
