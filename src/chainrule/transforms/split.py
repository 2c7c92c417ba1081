"""Cut the graph of a function and its pullback in two: what can run at once, and what waits for the cotangents.

Between the two stand the residuals, which are kept. Views are taken again rather than kept where that costs no memory,
and so is arithmetic on what is kept anyway.
"""

import math
from typing import NamedTuple

from ..core.derivative import Linear
from ..core.graph import Graph, Input, Step, Var
from ..core.lowering import Assemble, Map, View
from ..ops.elementwise import add
from .abstract import dead_code, remember


def variables(operands) -> list[Var]:
    return [x for x in operands if isinstance(x, Var)]


def unique(xs):
    return list(dict.fromkeys(xs))


def makers(graph) -> dict[Var, Step]:
    """The step that makes each value."""
    return {v: step for step in graph.steps for v in step.outputs}


def fresh_id(graph):
    """The first number that no value of the graph has."""
    ids = [i.var.id for i in graph.inputs] + [v.id for s in graph.steps for v in s.outputs]
    return 1 + max(ids, default=-1)


def graph_of(name, inputs, steps, outputs):
    """A graph over some of another graph's values."""
    return dead_code(Graph(name, [Input(v, f"x{i}") for i, v in enumerate(inputs)], list(steps), outputs=list(outputs)))


def _size(x):
    return math.prod(x.aval.shape) if isinstance(x, Var) else 1


def is_linear(step):
    return len(step.inputs) == 1 and isinstance(step.row.derivative[0], Linear)


def is_view(step):
    """Whether the step only looks at a value that is not larger than its result."""
    return isinstance(step.row.lower, (View, Assemble)) and is_linear(step) and _size(step.inputs[0]) <= _size(step.outputs[0])


def is_arithmetic(step):
    """Whether the step is so cheap that reading its result back from memory costs more: rows with a Python operator."""
    return isinstance(step.row.lower, Map) and step.row.fast is not step.row.evaluate


def dependents(graph, roots) -> set[Var]:
    """All values that depend on these."""
    on = set(roots)
    for step in graph.steps:
        if any(x in on for x in variables(step.inputs)):
            on.update(step.outputs)
    return on


def inputs_read(graph, used) -> list[bool]:
    """Which inputs the flagged outputs are made from."""
    want = {o for o, u in zip(graph.outputs, used, strict=True) if u and isinstance(o, Var)}
    for step in reversed(graph.steps):
        if any(v in want for v in step.outputs):
            want.update(variables(step.inputs))
    return [i.var in want for i in graph.inputs]


def only(graph, inputs, outputs):
    """The graph with the flagged inputs and outputs alone."""
    if all(inputs) and all(outputs):
        return graph

    def make():
        kept = [i.var for i, f in zip(graph.inputs, inputs, strict=True) if f]
        return graph_of(graph.name, kept, graph.steps, [o for o, f in zip(graph.outputs, outputs, strict=True) if f])

    return remember(graph, ("only", *inputs, None, *outputs), make)


def hoist(graph, consts) -> tuple[Graph, Graph]:
    """Take out of a loop's body what depends only on its first `consts` inputs.

    Gives a graph of these inputs, and the body with the results as further inputs after them. What is larger than all it is
    made of, as a broadcast array is, stays.
    """

    def make():
        inputs = [i.var for i in graph.inputs]
        fixed = set(inputs[:consts])
        moved = []
        for step in graph.steps:
            read = variables(step.inputs)
            if read and fixed.issuperset(read) and max(map(_size, step.outputs)) <= sum(map(_size, read)):
                moved.append(step)
                fixed.update(step.outputs)
        inside = set(map(id, moved))
        rest = [s for s in graph.steps if id(s) not in inside]
        used = set(variables(x for s in rest for x in s.inputs)).union(variables(graph.outputs))
        new = [v for s in moved for v in s.outputs if v in used]
        before = graph_of(f"before {graph.name}", inputs[:consts], moved, new)
        return before, graph_of(graph.name, [*inputs[:consts], *new, *inputs[consts:]], rest, graph.outputs)

    return remember(graph, ("hoist", consts), make)


class Cut(NamedTuple):
    """The part of a graph that waits: the values that it keeps from the part that does not, and its steps."""

    residuals: list[Var]
    steps: list[Step]


def cut(graph, late, free, targets) -> Cut:
    """What it takes to find `targets`, when the inputs `late` come last.

    The residuals are values that do not depend on `late`; those that are inputs in `free` cost no memory to keep.
    """
    waiting = dependents(graph, late)
    made_by = makers(graph)
    order = {v: n for n, s in enumerate(graph.steps) for v in s.outputs}
    want = set(targets)
    steps = set()
    for n in range(len(graph.steps) - 1, -1, -1):
        step = graph.steps[n]
        if any(v in want and v in waiting for v in step.outputs):
            steps.add(n)
            want.update(variables(step.inputs))

    def latest(vs):
        return sorted(vs, key=lambda v: order.get(v, -1), reverse=True)

    residuals, todo = set(), latest(v for v in want if v not in waiting)
    while todo:  # a view is taken again
        v = todo.pop()
        if v in order and is_view(made_by[v]):
            steps.add(order[v])
            todo += variables(made_by[v].inputs)
        else:
            residuals.add(v)
    for v in latest(residuals):  # arithmetic on what is kept anyway is done again
        again = _again(v, (residuals - {v}) | set(free), made_by, order)
        if again is not None:
            residuals.remove(v)
            steps |= again
    used = set(variables(x for n in steps for x in graph.steps[n].inputs)).union(targets)
    kept = [v for v in [i.var for i in graph.inputs] + [v for s in graph.steps for v in s.outputs] if v not in waiting]
    inside = {v for n in steps for v in graph.steps[n].outputs}
    return Cut([v for v in kept if v in used and v not in inside], [graph.steps[n] for n in sorted(steps)])


def _again(v, available, made_by, order):
    """Numbers of the cheap steps that make `v` from what is available; None if there is no such way."""
    if v not in order or not (is_arithmetic(made_by[v]) or is_view(made_by[v])):
        return None
    steps = {order[v]}
    for x in variables(made_by[v].inputs):
        if x in available:
            continue
        more = _again(x, available, made_by, order)
        if more is None:
            return None
        steps |= more
    return steps


# --- sums over the steps of a loop ------------------------------------------------------------------------------------


class Sums:
    """How to add up values of a graph over all steps of a loop, most of it once after the loop.

    A contraction of two values of each step is a single contraction over all steps if both are stacked, much faster than
    one sum after the other. Linear operations on it, and additions, then follow on the sum.
    """

    def __init__(self, graph, fixed, summands):
        self.made_by = makers(graph)
        self.fixed = set(fixed)  # values that are the same in each step
        self.varying = dependents(graph, [i.var for i in graph.inputs if i.var not in self.fixed])
        self.stacked: list[Var] = []  # values wanted from every step
        self.added: list[Var] = []  # values to be added up within the loop
        late = [v for v in summands if not self._plan(v)]
        for v in late:  # sums of what is stacked anyway are left for later, too
            base = self._linear_base(v)
            if base not in self.stacked:
                self.added.append(v)
        self.stacked, self.added = unique(self.stacked), unique(self.added)

    def _contracts(self, step):
        """The row's way to add up results of this step, if both operands change from step to step."""
        return step.row.summed if all(isinstance(x, Var) and x in self.varying for x in step.inputs) else None

    def _linear_base(self, v):
        while v in self.made_by and is_linear(self.made_by[v]) and isinstance(self.made_by[v].inputs[0], Var):
            v = self.made_by[v].inputs[0]
        return self._unviewed(v)

    def _unviewed(self, v):
        while v in self.made_by and is_view(self.made_by[v]) and isinstance(self.made_by[v].inputs[0], Var):
            v = self.made_by[v].inputs[0]
        return v

    def _deferrable(self, v):
        step = self.made_by.get(v)
        if step is None or v not in self.varying:
            return False
        if self._contracts(step):
            return True
        if step.row is add.row:
            return self._splits(step) and any(map(self._deferrable, step.inputs))
        return is_linear(step) and self._deferrable(step.inputs[0])

    def _splits(self, step):
        return all(isinstance(x, Var) and x.aval == step.outputs[0].aval for x in step.inputs)

    def _plan(self, v):
        """Note what summing `v` after the loop takes; False if nothing is gained."""
        if not self._deferrable(v):
            return False
        step = self.made_by[v]
        if self._contracts(step):
            self.stacked += map(self._unviewed, step.inputs)
        elif step.row is add.row:
            for x in variables(step.inputs):
                if not self._plan(x):
                    self.added.append(x)
        else:
            self._plan(step.inputs[0])
        return True

    def total(self, v, stacks, sums):
        """The sum of `v` over all steps, from what was stacked and what was added up."""
        if v in sums:
            return sums[v]
        if v in stacks:
            return stacks[v].sum(0)
        step = self.made_by[v]
        summed = self._contracts(step)
        if summed is not None:
            return summed(*(self.stack(x, stacks) for x in step.inputs), **step.params)
        if step.row is add.row and self._splits(step):
            return add(*(self.total(x, stacks, sums) for x in step.inputs))
        return step.row.call(self.total(step.inputs[0], stacks, sums), **step.params)

    def stack(self, v, stacks):
        """`v` of every step, along a new first axis."""
        if v in stacks:
            return stacks[v]
        step = self.made_by[v]
        return step.row.batch([self.stack(step.inputs[0], stacks)], (True,), step.params)
