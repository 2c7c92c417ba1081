"""What recorded operations show of themselves, as PyTorch's `grad_fn` does: names, what comes before them, and hooks.

A hook of a node sees the cotangents of all its results and arguments at once; one of a Tensor sees that of the Tensor alone.
"""

from typing import Any

from ..core.changes import HookHandle
from ..core.derivative import Deferred
from ..core.dispatch import state
from ..errors import ArgumentError, UnsupportedError, explain
from ..tensor import Tensor


class Name(str):
    """The name of an operation, which can also be asked for as PyTorch's `node.name()`."""

    __slots__ = ()

    def __call__(self):
        return str(self)


class NodeHook:
    """A hook of a node: called before or after its derivative rule, with the cotangents."""

    __slots__ = ("hook", "before")

    def __init__(self, hook, before):
        self.hook, self.before = hook, before


class Inspected:
    """A recorded operation, or a leaf, as the user sees it."""

    __slots__ = ()
    parents: tuple
    hooks: dict

    @property
    def next_functions(self):
        """The operations that made the arguments, as in PyTorch: pairs (node, which of its results); None for constants."""
        return tuple((p, 0) if getattr(p, "index", None) is None else (p.parents[0], p.index) for p in self.parents)

    def register_hook(self, hook):
        """Call `hook(grad_inputs, grad_outputs)` when the derivative of this operation has been applied.

        Both are tuples of Tensors, None where there is no gradient (all of those into a checkpoint, which has its own walk). A
        tuple that the hook returns replaces `grad_inputs`, those of the arguments. Returns a handle with `remove()`.

        >>> import chainrule as cr
        >>> x = cr.tensor(3.0, requires_grad=True)
        >>> y = x * x
        >>> handle = y.grad_fn.register_hook(lambda grad_inputs, grad_outputs: tuple(10 * g for g in grad_inputs))
        >>> y.backward()
        >>> x.grad
        tensor(60.)
        """
        return self._hook(NodeHook(hook, before=False))

    def register_prehook(self, hook):
        """Call `hook(grad_outputs)` before the derivative of this operation is applied.

        A tuple that it returns replaces the gradients of the results. Returns a handle with `remove()`.
        """
        return self._hook(NodeHook(hook, before=True))

    def _hook(self, hook):
        if not hasattr(self, "hooks"):
            self._start_hooks()
        return HookHandle(self.hooks, hook)

    def _start_hooks(self):
        try:
            self.hooks = {}  # type: ignore[misc]
        except AttributeError:
            asked = f"{type(self).__name__} takes no hooks"
            raise UnsupportedError(explain(asked, help="use x.register_hook of a Tensor")) from None


def shown(g):
    """A cotangent as hooks see it."""
    if g is None:
        return None
    if isinstance(g, Deferred):
        g = g.added_to(None, False)[0]
    return g if isinstance(g, Tensor) and g.owner is state.root else Tensor(g, state.root)


def taken(g):
    """A cotangent as hooks return it, as rules have it."""
    if g is None:
        return None
    return g.value if isinstance(g, Tensor) and g.owner is state.root and g.note is None else g


def _all(node, new, expected, asked):
    new = new if isinstance(new, (tuple, list)) else (new,)
    if len(new) != expected:
        asked = f"{asked} of {node.name} must return as many gradients as it is given"
        raise ArgumentError(explain(asked, f"expected: {expected}    found: {len(new)}", help="None where there is none"))
    return new


def called_before(node, g):
    """The cotangent, or for several results the list of them, after the hooks before the rule."""
    several = type(g) is list
    gs: Any = tuple(map(shown, g if several else [g]))
    for hook in list(node.hooks.values()):
        if type(hook) is NodeHook and hook.before:
            new = hook.hook(gs)
            if new is not None:
                gs = tuple(map(shown, _all(node, new, len(gs), "a hook before the derivative")))
    gs = list(map(taken, gs))
    return gs if several else gs[0]


def called_after(node, g, parts):
    """(parent, cotangent) pairs after the hooks behind the rule have seen them."""
    hooks = [h for h in list(node.hooks.values()) if type(h) is NodeHook and not h.before]
    if not hooks:
        return parts
    found, others = [None] * len(node.parents), []
    at = 0
    for parent, part in parts:  # in the order of the arguments; what a recomputation adds comes last
        place = next((i for i in range(at, len(found)) if node.parents[i] is parent), None)
        if place is None:
            others.append((parent, part))
        else:
            found[place], at = part, place + 1
    inputs: Any = tuple(map(shown, found))
    outputs = tuple(map(shown, g if type(g) is list else [g]))
    for hook in hooks:
        new = hook.hook(inputs, outputs)
        if new is not None:
            inputs = tuple(map(shown, _all(node, new, len(inputs), "a hook behind the derivative")))
    pairs = zip(node.parents, map(taken, inputs), strict=True)
    return [(p, x) for p, x in pairs if p is not None and x is not None] + others


def called_at_leaf(leaf, g, ours):
    """The cotangent of a leaf after its node's hooks before it is added up, and whether nobody else refers to it."""
    if any(type(h) is NodeHook for h in leaf.hooks.values()):
        return called_before(leaf, g), False
    return g, ours
