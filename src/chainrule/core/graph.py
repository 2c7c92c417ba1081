"""A program as plain data: what was recorded, to print, draw, run again or compile."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import ArgumentError, explain
from ..trees import Structure, unflatten
from .aval import Aval
from .primitive import Primitive


@dataclass(frozen=True)
class Var:
    """A value of the program: the result of a step, or an input."""

    id: int
    aval: Aval

    def __str__(self):
        return f"%{self.id}"


@dataclass(frozen=True, eq=False)
class Constant:
    """An array or number that is part of the program."""

    value: Any

    def __str__(self):
        if np.ndim(self.value) == 0:
            return str(self.value)
        return f"const({np.asarray(self.value).dtype.name}[{','.join(map(str, np.shape(self.value)))}])"


Operand = Var | Constant


@dataclass
class Step:
    """One operation: which row, on what, giving what, written where in the user's program."""

    row: Primitive
    inputs: tuple[Operand, ...]
    params: dict
    outputs: tuple[Var, ...]
    source: str
    phase: str  # forward, backward or update


@dataclass
class Guard:
    """A decision that the program took by a value: running it again is valid only if the decision is the same."""

    var: Operand
    value: Any
    source: str
    before: int  # number of steps recorded when it was taken
    about: bytes | None = None  # what a value was compared with: another decision, if other numbers


@dataclass
class Input:
    """Where a value comes from: an argument, or a Tensor that the function reads but did not create."""

    var: Var
    label: str
    tensor: Any = None  # the captured Tensor or array; None for arguments

    @property
    def array(self):
        """The array that a captured input has now."""
        return self.tensor if isinstance(self.tensor, np.ndarray) else self.tensor.value


@dataclass
class Update:
    """A Tensor that outlives the function, and the value that it is left with."""

    label: str
    tensor: Any
    value: Operand


class GuardError(ArgumentError):
    """A recorded program was run on values for which it would have taken another branch."""


@dataclass
class Graph:
    """A recorded program.

    Print it, call it with arguments like those that it was recorded with, or draw it with `to_mermaid` and
    `to_graphviz`.

    Attributes
    ----------
    inputs : arguments and captured Tensors
    steps : operations in order
    guards : decisions by value, in order
    outputs : what the function returned, as operands in the order of `structure`
    updates : Tensors that the function changed, or created and left behind
    """

    name: str
    inputs: list[Input] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    guards: list[Guard] = field(default_factory=list)
    outputs: list[Operand] = field(default_factory=list)
    structure: Structure | None = None
    updates: list[Update] = field(default_factory=list)
    arguments: Callable | None = None  # arguments -> the arrays that the argument inputs take
    derived: dict = field(default_factory=dict, repr=False, compare=False)  # what was worked out from it and is worth keeping

    @property
    def ruled(self):
        """Whether a user's derivative rules stand in it, also in the graphs within."""
        found = self.derived.get("ruled")
        if found is None:
            found = self.derived["ruled"] = any(is_ruled(s.row, s.params) for s in self.steps)
        return found

    # --- running ------------------------------------------------------------------------------------------------------

    def apply(self, *operands) -> list:
        """The graph as a function of all its inputs, arguments and captured ones: the list of its outputs.

        Operations run as if the user had written them, so operands may be arrays or Tensors of any trace. Guards and
        updates are left out. The steps must not change after the first call.
        """
        plan = self.derived.get("plan")
        if plan is None:
            plan = self.derived["plan"] = self._plan()
        template, inputs, steps, outputs = plan
        env = template.copy()
        for slot, x in zip(inputs, operands, strict=True):
            env[slot] = x
        for call, slots, params, outs, several, last in steps:
            out = call(*[env[s] for s in slots], **params)
            if several:
                for s, value in zip(outs, out, strict=True):
                    env[s] = value
            else:
                env[outs[0]] = out
            for s in last:
                env[s] = None
        return [env[s] for s in outputs]

    def _plan(self):
        """(values to begin with, slots of the inputs, steps on slots, slots of the outputs) for `apply`."""
        template: list = []
        slot_of: dict[int, int] = {}

        def new(value=None):
            template.append(value)
            return len(template) - 1

        def slot(operand):
            return slot_of[operand.id] if isinstance(operand, Var) else new(operand.value)

        def define(var):
            slot_of[var.id] = new()
            return slot_of[var.id]

        inputs = [define(i.var) for i in self.inputs]
        steps: list[list[Any]] = [
            [s.row.call, [slot(x) for x in s.inputs], s.params, [define(v) for v in s.outputs], s.row.several]
            for s in self.steps
        ]
        outputs = [slot(o) for o in self.outputs]
        fixed = {s for s, value in enumerate(template) if value is not None}.union(outputs)
        for step in reversed(steps):  # values are let go after their last use
            last = set(step[1]).union(step[3]) - fixed
            fixed |= last
            step.append(tuple(last))
        return template, inputs, steps, outputs

    # --- calling as the user did --------------------------------------------------------------------------------------

    def __call__(self, *args, **kwargs):
        """Run the program on other arguments of the same shapes, updates included; gives what the function returned.

        Raises
        ------
        GuardError
            A decision by value comes out differently.
        ArgumentError
            Arguments differ in structure, shape or dtype from those recorded.
        """
        assert self.arguments is not None and self.structure is not None
        given = iter(self.arguments(args, kwargs))
        env: dict[int, Any] = {}
        for i in self.inputs:
            value = next(given) if i.tensor is None else i.array
            if np.shape(value) != i.var.aval.shape or value.dtype != i.var.aval.dtype:
                raise ArgumentError(
                    explain(
                        f"graph of {self.name}: {i.label} does not fit the recorded program",
                        f"recorded: {i.var.aval}    found: {Aval(np.shape(value), value.dtype)}",
                        help="record the function again for other shapes or dtypes",
                    )
                )
            env[i.var.id] = value

        def read(operand):
            return env[operand.id] if isinstance(operand, Var) else operand.value

        guards = iter([*self.guards, None])
        guard = next(guards)
        for n, step in enumerate([*self.steps, None]):
            while guard is not None and guard.before <= n:
                self._check(guard, read(guard.var))
                guard = next(guards)
            if step is None:
                break
            out = step.row.evaluate(*(read(x) for x in step.inputs), **step.params)
            for var, value in zip(step.outputs, out if isinstance(out, tuple) else (out,), strict=True):
                env[var.id] = value
        new = [(u.tensor, read(u.value)) for u in self.updates]
        for tensor, value in new:
            tensor.value = value
        return unflatten(self.structure, [read(o) for o in self.outputs])

    def _check(self, guard, value):
        if type(guard.value)(value) != guard.value:
            raise GuardError(
                explain(
                    f"graph of {self.name}: the program took another branch when it was recorded",
                    f"at {guard.source}: {guard.value} then, {type(guard.value)(value)} now",
                    help="record the function again for values that take this branch",
                )
            )

    # --- printing -----------------------------------------------------------------------------------------------------

    def __str__(self):
        lines = [f"graph {self.name}("]
        lines += [f"  {i.var}: {i.var.aval}  {i.label}" for i in self.inputs]
        lines.append(")")
        guards = list(self.guards)
        phase = None
        for n, step in enumerate(self.steps):
            while guards and guards[0].before <= n:
                lines.append(self._guard_line(guards.pop(0)))
            if step.phase != phase:
                phase = step.phase
                lines.append(f"{phase}:")
            lines.append("  " + self._step_line(step))
        lines += [self._guard_line(g) for g in guards]
        if self.updates:
            lines.append("leaves:")
            lines += [f"  {u.label} = {u.value}" for u in self.updates]
        lines.append("returns " + (", ".join(map(str, self.outputs)) or "nothing"))
        return "\n".join(lines)

    def _guard_line(self, guard):
        return f"  guard {guard.var} == {guard.value}  # {guard.source}"

    def _step_line(self, step):
        outs = ", ".join(f"{v}: {v.aval}" for v in step.outputs)
        args = ", ".join([*map(str, step.inputs), *(f"{k}={v!r}" for k, v in step.params.items())])
        return f"{outs} = {step.row.name}({args})  # {step.source}"

    def __repr__(self):
        return f"<graph of {self.name}: {len(self.inputs)} inputs, {len(self.steps)} steps, {len(self.outputs)} outputs>"

    # --- drawing ------------------------------------------------------------------------------------------------------

    def _parts(self):
        """(nodes: id -> (text, shape kind, phase), edges: (from, to)) for drawing."""
        nodes: dict[str, tuple[str, str, str | None]] = {}
        edges: list[tuple[str, str]] = []
        maker: dict[int, str] = {}
        for i in self.inputs:
            key = f"in{i.var.id}"
            nodes[key] = (f"{i.label}\n{i.var.aval}", "input", None)
            maker[i.var.id] = key
        for n, step in enumerate(self.steps):
            key = f"op{n}"
            shapes = ", ".join(str(v.aval) for v in step.outputs)
            nodes[key] = (f"{step.row.name}\n{shapes}\n{step.source}", "op", step.phase)
            edges.extend((maker[x.id], key) for x in step.inputs if isinstance(x, Var))
            for v in step.outputs:
                maker[v.id] = key
        for n, g in enumerate(self.guards):
            if isinstance(g.var, Var):
                nodes[f"guard{n}"] = (f"guard: {g.value}\n{g.source}", "guard", None)
                edges.append((maker[g.var.id], f"guard{n}"))
        for n, o in enumerate(self.outputs):
            if isinstance(o, Var):
                nodes[f"out{n}"] = (f"result {n}" if len(self.outputs) > 1 else "result", "output", None)
                edges.append((maker[o.id], f"out{n}"))
        for n, u in enumerate(self.updates):
            if isinstance(u.value, Var):
                nodes[f"new{n}"] = (f"new {u.label}", "output", None)
                edges.append((maker[u.value.id], f"new{n}"))
        return nodes, edges

    def to_mermaid(self) -> str:
        """The program as Mermaid text, to paste into Markdown."""
        nodes, edges = self._parts()
        brackets = {"input": ("([", "])"), "op": ("[", "]"), "guard": ("{{", "}}"), "output": ("([", "])")}
        lines = ["flowchart TD"]

        def node_line(key, indent):
            text, kind, _ = nodes[key]
            left, right = brackets[kind]
            escaped = text.replace('"', "#quot;").replace("\n", "<br/>")
            return f'{indent}{key}{left}"{escaped}"{right}'

        for phase in dict.fromkeys(p for _, _, p in nodes.values()):
            members = [k for k, (_, _, p) in nodes.items() if p == phase]
            if phase is None:
                lines += [node_line(k, "  ") for k in members]
            else:
                lines += [f"  subgraph {phase}", *(node_line(k, "    ") for k in members), "  end"]
        lines += [f"  {a} --> {b}" for a, b in edges]
        return "\n".join(lines) + "\n"

    def to_graphviz(self) -> str:
        """The program as Graphviz text, for `dot -Tsvg`."""
        nodes, edges = self._parts()
        style = {
            "input": "shape=ellipse, style=filled, fillcolor=lightyellow",
            "op": "shape=box, style=filled, fillcolor=white",
            "guard": "shape=hexagon, style=filled, fillcolor=mistyrose",
            "output": "shape=ellipse, style=filled, fillcolor=lightblue",
        }
        lines = [f"digraph {_quote(self.name)} {{", "  rankdir=TB;", '  node [fontname="Helvetica", fontsize=10];']

        def node_line(key, indent):
            text, kind, _ = nodes[key]
            return f"{indent}{key} [label={_quote(text)}, {style[kind]}];"

        for phase in dict.fromkeys(p for _, _, p in nodes.values()):
            members = [k for k, (_, _, p) in nodes.items() if p == phase]
            if phase is None:
                lines += [node_line(k, "  ") for k in members]
            else:
                lines.append(f"  subgraph cluster_{phase} {{ label={_quote(phase)}; color=grey;")
                lines += [node_line(k, "    ") for k in members]
                lines.append("  }")
        lines += [f"  {a} -> {b};" for a, b in edges]
        return "\n".join([*lines, "}"]) + "\n"


def _quote(text):
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def is_ruled(row, params):
    """Whether an operation follows derivative rules of the user's, itself or in the graphs that it runs."""
    if row.joint is None:
        return False
    graphs = (g for p in params.values() for g in (p if isinstance(p, tuple) else (p,)) if isinstance(g, Graph))
    return row.joint.ruled or any(g.ruled for g in graphs)
