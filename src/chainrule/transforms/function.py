"""PyTorch's way to give a function its own derivative: a class with static methods `forward` and `backward`."""

import contextlib
import functools
import weakref
from collections.abc import Callable

import numpy as np

from ..core.dispatch import state
from ..core.value import Value, dtype_of, shape_of
from ..errors import ArgumentError, NonDifferentiableError, ShapeError, explain
from ..ops.shaping import cast, sum_to
from ..tensor import Tensor
from ..trees import flatten, tree_map, unflatten
from .backward import Call, Output
from .custom import Rules
from .reverse import ROOT, Tape
from .scope import no_grad


def as_tensor(x):
    """What a rule is handed, as a Tensor that no derivative flows into, so that it has the methods of one."""
    below = isinstance(x, (np.ndarray, np.generic)) or (isinstance(x, Value) and x.owner.level < ROOT.level)
    return ROOT._wrap(x) if below else x


def without_tensor(x):
    """The value of what `as_tensor` made, or of what was computed from it alone."""
    return ROOT._value(x) if isinstance(x, Tensor) and x.owner is ROOT and x.note is None else x


class _Unrecorded(no_grad):
    """The tape that is always on does not record; others do."""

    def _level(self):
        return 1


def _is_array(x):
    return isinstance(x, (np.ndarray, np.generic, Value, float, complex))


class FunctionCtx:
    """What `forward` leaves for `backward`; attributes can be set on it."""

    def __init__(self, needed):
        self.needs_input_grad = needed
        self._saved: tuple = ()
        self._results: dict = {}  # results kept as attributes, by name
        self._constant: set = set()  # ids of results without derivative
        self._dirty: set = set()  # ids of arguments that were changed in place
        self._materialized = True

    def save_for_backward(self, *tensors):
        """Keep Tensors (or None) for `backward`: arguments, results, or others, which are constants to it."""
        self._saved = tensors

    save_for_forward = save_for_backward

    def mark_non_differentiable(self, *tensors):
        """No derivative flows through these results; `backward` gets zeros for them."""
        self._constant.update(map(id, tensors))

    def mark_dirty(self, *tensors):
        """These arguments were changed in place; they must be among the results, and keep their identity."""
        self._dirty.update(map(id, tensors))

    def set_materialize_grads(self, value):
        """With False, `backward` gets None instead of zeros for results that nothing depends on."""
        self._materialized = bool(value)

    @property
    def saved_tensors(self):
        """What was saved, as it was then. A leaf is itself, so that `backward` can ask for derivatives with respect to it."""
        return tuple(x() if isinstance(x, functools.partial) else x for x in self._saved)

    def _settle(self, args, given, outs):
        """Remember how each saved Tensor is connected: a leaf is itself, arguments and results have their history."""
        inputs = {id(g): a for a, g in zip(args, given, strict=True) if isinstance(g, Tensor)}
        results = {id(o): i for i, o in enumerate(outs)}
        self._saved = tuple(self._kept(x, inputs, results) for x in self._saved)
        public = {name: x for name, x in vars(self).items() if name[0] != "_" and id(x) in results}
        self._results = {name: kept for name, x in public.items() if callable(kept := self._kept(x, inputs, results))}
        for name in self._results:  # results that `forward` kept as attributes have their history, too
            delattr(self, name)

    def __getattr__(self, name):
        if name[0] == "_" or name not in self._results:
            raise AttributeError(f"the context has no attribute {name!r}", name=name, obj=self)
        return self._results[name]()

    def _kept(self, x, inputs, results):
        if not isinstance(x, Tensor) or x.owner is not ROOT:
            return x
        leaf = inputs.get(id(x))
        if leaf is not None and leaf.is_leaf and leaf.requires_grad and id(x) not in self._dirty:
            return functools.partial(_leaf_or_value, leaf, leaf.value)
        if id(x) in results and id(x) not in self._constant and (leaf is None or id(x) in self._dirty):
            return functools.partial(self._result, ROOT._value(x), results[id(x)])
        return ROOT._wrap(ROOT._value(x), x.note)

    def _released(self, real):
        """A recorder has ended: what was saved has real values."""
        self._saved = tuple(_with_real(x, real) for x in self._saved)
        self._results = {name: _with_real(x, real) for name, x in self._results.items()}

    def _result(self, value, i):
        """A saved result, on the tape where this call has put it."""
        node = self._node()
        return ROOT._wrap(value, None if node is None else Output(node, i, self._count))

    _node: Callable = staticmethod(lambda: None)
    _count = 0


def _with_real(x, real):
    return functools.partial(x.func, *map(real, x.args)) if isinstance(x, functools.partial) else x


def _leaf_or_value(leaf, value):
    return leaf if leaf.value is value else ROOT._wrap(value, leaf.note)


class _FunctionCall(Call):
    """A recorded call of a Function."""

    __slots__ = ("__weakref__",)


class Function:
    """PyTorch's way to give a function its own derivative: static methods `forward(ctx, *args)` and `backward(ctx, *gs)`.

    With a static method `setup_context(ctx, inputs, output)`, `forward` is called without `ctx`. A static method
    `jvp(ctx, *tangents)` is the derivative in forward mode, which is otherwise derived from `backward`.

    What `forward` does is not recorded, nor what `backward` does, unless with `create_graph=True`. Second derivatives go
    through the operations of `backward`, by the Tensors that were saved: arguments and results.

    Examples
    --------
    >>> import chainrule as cr
    >>> class Double(cr.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return 2 * x
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         return 2 * g
    >>> x = cr.tensor(3.0, requires_grad=True)
    >>> Double.apply(x).backward()
    >>> x.grad
    tensor(2.)
    """

    def __call__(self, *args, **kwargs):
        name = type(self).__name__
        raise ArgumentError(explain(f"{name}: a Function is not called", help=f"write {name}.apply(...), and static methods"))

    @classmethod
    def apply(cls, *args):
        """Run `forward` on the arguments; derivatives come from `backward`."""

        places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]  # what else there is, modules too, is handed on
        # Where it is only written down, it may be differentiated later, with respect to anything.
        needed = tuple(i in places and (a.requires_grad or not isinstance(a.owner, Tape)) for i, a in enumerate(args))
        if all(args[i].owner is ROOT for i in places) and not state.abstract:
            return cls._apply_on_tape(args, places, needed)

        def fwd(*xs):
            ctx = FunctionCtx(needed)
            given = list(args)
            for i, x in zip(places, xs, strict=True):
                given[i] = as_tensor(x)
            out = cls._run(ctx, given)
            return tree_map(lambda o: cls._result(ctx, o), out), ctx

        def bwd(ctx, g):
            gs = map(as_tensor, g if isinstance(g, tuple) else (g,))
            return tuple(without_tensor(p) for p in cls._pull(ctx, gs, len(args), places))

        def push(xs, ts):
            ctx = fwd(*xs)
            along: list = [None] * len(args)
            for i, t in zip(places, ts, strict=True):
                along[i] = as_tensor(t)
            return ctx[0], tree_map(without_tensor, cls.jvp(ctx[1], *along))

        rule = None if cls.jvp is Function.jvp else push
        return Rules(cls.__name__, lambda *xs: fwd(*xs)[0], rule, fwd, bwd, cls).call(*(args[i] for i in places))

    @classmethod
    def _run(cls, ctx, given):
        if cls.setup_context is Function.setup_context:
            return cls.forward(ctx, *given)
        out = cls.forward(*given)
        cls.setup_context(ctx, tuple(given), out)
        return out

    @staticmethod
    def _result(ctx, out):
        """A result as others see it: what is marked has no derivative, under transforms either."""
        if not isinstance(out, Tensor) or id(out) not in ctx._constant:
            return without_tensor(out)
        return without_tensor(out.detach())

    @classmethod
    def _apply_on_tape(cls, args, places, needed):
        """As PyTorch does it: `forward` sees the arguments, with recording off, and the results get a node of their own."""
        ctx = FunctionCtx(needed)
        given = [ROOT._wrap(ROOT._value(a), a.note) if i in places else a for i, a in enumerate(args)]
        recording = ROOT.recording()
        with _Unrecorded():
            out = cls._run(ctx, given)
        outs, structure = flatten(out)
        active = recording and any(needed)
        results = []
        node = _FunctionCall(cls.__name__, tuple(args[i].note for i in places), None, settle=ctx._released) if active else None
        if active and state.recorder is not None:
            state.recorder.ruled = True
        ctx._settle(args, given, outs)
        for i, o in enumerate(outs):
            if not _is_array(o):
                results.append(o)
                continue
            value = ROOT._value(o) if isinstance(o, Tensor) and o.owner is ROOT else np.asarray(o) if np.isscalar(o) else o
            kept = node is not None and id(o) not in ctx._constant and dtype_of(value).kind in "fc"
            result = ROOT._wrap(value, Output(node, i, len(outs)) if kept else None)
            place = next((k for k in places if given[k] is o and id(o) in ctx._dirty), None)
            results.append(result if place is None else args[place]._rebind(result))
        if node is not None:
            ctx._node = weakref.ref(node)
            ctx._count = len(outs)
            avals = [(shape_of(o), dtype_of(o)) if _is_array(o) else None for o in outs]
            looks = [(args[i].shape, args[i].dtype) for i in places]  # rather than the arguments: who needs them saves them
            node.pullback = functools.partial(cls._pullback, ctx, len(args), places, looks, structure, avals, node.parents)
        same = {id(o): r for o, r in zip(outs, results, strict=True)}  # what is returned twice is one Tensor
        return unflatten(structure, [same[id(o)] for o in outs])

    @classmethod
    def _pullback(cls, ctx, count, places, looks, structure, avals, parents, gs, owner):
        if ctx._materialized:
            gs = [np.zeros(*a) if g is None and a is not None else g for g, a in zip(gs, avals, strict=True)]
        gs = unflatten(structure, [as_tensor(g) for g in gs])
        with contextlib.nullcontext() if owner is not None else _Unrecorded():
            parts = cls._pull(ctx, gs if isinstance(gs, (tuple, list)) else (gs,), count, places)
        if owner is None:
            parts = [ROOT._value(p) if isinstance(p, Tensor) and p.owner is ROOT else p for p in parts]
        return [(n, cls._fitted(p, *look)) for n, p, look in zip(parents, parts, looks, strict=True) if n is not None]

    @classmethod
    def _pull(cls, ctx, gs, count, places):
        grads = cls.backward(ctx, *gs)
        grads = grads if isinstance(grads, tuple) else (grads,)
        if len(grads) < count or any(g is not None for g in grads[count:]):
            raise ArgumentError(
                explain(
                    f"{cls.__name__}.backward must return one gradient per argument of forward",
                    f"arguments: {count}    gradients: {len(grads)}",
                    help="return None for arguments without a derivative",
                )
            )
        return [grads[i] for i in places]

    @classmethod
    def _fitted(cls, g, shape, dtype):
        """The gradient in the shape and dtype of the argument: summed over axes along which that was broadcast."""
        if g is None:
            return None
        g = g if isinstance(g, (np.ndarray, Value)) else np.asarray(g)
        if shape_of(g) != shape:
            try:
                fits = np.broadcast_shapes(shape_of(g), shape) == shape_of(g)
            except ValueError:
                fits = False
            if not fits:
                raise ShapeError(
                    explain(
                        f"{cls.__name__}.backward must return gradients of the shapes of the arguments",
                        f"argument: {shape}    gradient: {shape_of(g)}",
                        help="sum over axes that were broadcast",
                    )
                )
            g = sum_to(g, shape)
        return cast(g, dtype)

    @staticmethod
    def forward(ctx, *args):
        raise NotImplementedError

    @staticmethod
    def setup_context(ctx, inputs, output):
        raise NotImplementedError

    @staticmethod
    def backward(ctx, *gs):
        raise NotImplementedError

    @staticmethod
    def jvp(ctx, *tangents):
        raise NotImplementedError


def once_differentiable(backward):
    """Decorator of a `backward` whose own derivative would be wrong: taking it raises.

    >>> import chainrule as cr
    >>> from chainrule.autograd.function import once_differentiable
    >>> class Double(cr.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return 2 * x
    ...     @staticmethod
    ...     @once_differentiable
    ...     def backward(ctx, g):
    ...         return 2 * g
    >>> x = cr.tensor(3.0, requires_grad=True)
    >>> cr.autograd.grad(Double.apply(x), x)
    (tensor(2.),)
    """

    @functools.wraps(backward)
    def once(ctx, *gs):
        with _Unrecorded():
            grads = backward(ctx, *gs)
        parts = grads if isinstance(grads, tuple) else (grads,)
        live = [g for g in (*gs, *ctx.saved_tensors) if isinstance(g, Tensor) and g.owner is ROOT and g.note is not None]
        if not live or not ROOT.recording():
            return grads
        return tuple(_dead_end(g, live) if isinstance(g, Tensor) else g for g in parts)

    return once


def _dead_end(g, live):
    def refuse(gs, owner):
        raise NonDifferentiableError(
            explain(
                "a derivative of a `backward` that is marked with once_differentiable",
                help="take the decorator away if the operations of `backward` can be differentiated",
            )
        )

    node = Call("once_differentiable", tuple(x.note for x in live), refuse)
    return ROOT._wrap(ROOT._value(g) if g.owner is ROOT else g, Output(node, 0, 1))
