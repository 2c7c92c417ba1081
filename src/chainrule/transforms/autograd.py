"""Derivatives of Tensors with respect to Tensors, as PyTorch's `autograd.grad` and TensorFlow's `GradientTape` ask for them."""

import contextlib

import numpy as np

from ..core.dispatch import state
from ..core.value import Value, shape_of
from ..errors import ArgumentError, NonDifferentiableError, explain
from ..ops.shaping import sum_to
from ..tensor import Tensor
from ..trees import flatten, leaves_like, tree_map, unflatten
from .backward import own, walk_back
from .custom import Rules
from .expansion import finished
from .reverse import ROOT, Tape
from .scope import no_grad


def as_tensor(x):
    """What a rule is handed, as a Tensor that no derivative flows into, so that it has the methods of one."""
    below = isinstance(x, (np.ndarray, np.generic)) or (isinstance(x, Value) and x.owner.level < ROOT.level)
    return ROOT._wrap(x) if below else x


def without_tensor(x):
    """The value of what `as_tensor` made, or of what was computed from it alone."""
    return ROOT._value(x) if isinstance(x, Tensor) and x.owner is ROOT and x.note is None else x


def _as_list(xs):
    return [xs] if isinstance(xs, (Value, np.ndarray, float)) else list(xs)


def grad(outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=False, allow_unused=False):
    """Derivatives of the sum of `outputs`, weighted by `grad_outputs`, with respect to `inputs`; `.grad` stays untouched.

    Parameters
    ----------
    outputs, inputs : Tensor or sequence of Tensors; inputs need not be leaves
    grad_outputs : None (for scalars), or arrays of the shapes of `outputs`
    retain_graph, create_graph : as in `Tensor.backward`
    allow_unused : give None for inputs that the outputs do not depend on, instead of raising

    Returns
    -------
    tuple of Tensors, one per input

    Examples
    --------
    >>> import chainrule as cr
    >>> x = cr.tensor(3.0, requires_grad=True)
    >>> cr.autograd.grad(x**2, x)
    (tensor(6.),)
    """
    outputs, inputs = _as_list(outputs), _as_list(inputs)
    weights = [None] * len(outputs) if grad_outputs is None else _as_list(grad_outputs)
    owners = {x.owner for x in inputs}
    if len(owners) != 1 or not isinstance(inputs[0].owner, Tape) or any(x.note is None for x in inputs):
        raise ArgumentError(
            explain(
                "autograd.grad: every input must require grad",
                f"found: {', '.join(f'{x.dtype} {x.shape} requires_grad={x.requires_grad}' for x in inputs)}",
                help="call .requires_grad_() on it before the computation",
            )
        )
    (tape,) = owners
    create_graph = create_graph or not tape.lasting  # inside a transform nothing may be lost to it
    owner, seeds = None, []
    for y, w in zip(outputs, weights, strict=True):
        if y.owner is not tape or y.note is None:
            continue
        owner, seed = tape._prepare(y, w, create_graph)
        seeds.append((y.note, seed))
    found: dict = {}
    handed = {id(seed) for _, seed in seeds}

    def sink(node, g, ours):
        found[node] = g if owner is not None else own(finished(g), ours, handed)

    retain = create_graph if retain_graph is None else retain_graph
    walk_back(seeds, sink, retain=retain, owner=owner, wanted={x.note for x in inputs})
    results = [found.get(x.note) for x in inputs]
    if not allow_unused and any(g is None for g in results):
        unused = [i for i, g in enumerate(results) if g is None]
        raise ArgumentError(
            explain(
                f"autograd.grad: the outputs do not depend on input {unused[0]}",
                help="pass allow_unused=True to get None for it",
            )
        )
    return tuple(g if g is None or (isinstance(g, Tensor) and g.owner is tape) else tape._wrap(g) for g in results)


class GradientTape:
    """TensorFlow's way to ask for derivatives: of anything computed inside the context, by `gradient`.

    Parameters
    ----------
    persistent : allow more than one call of `gradient`
    watch_accessed_variables : accepted for TensorFlow's sake; Tensors that require grad are always watched

    Examples
    --------
    >>> import chainrule as cr
    >>> x = cr.Variable(2.0)
    >>> with cr.GradientTape() as tape:
    ...     y = x**2
    >>> tape.gradient(y, x)
    tensor(4.)
    """

    def __init__(self, persistent=False, watch_accessed_variables=True):
        self.persistent, self.used, self.active = persistent, False, False

    def __enter__(self):
        self.active = True
        _tapes().append(self)
        return self

    def __exit__(self, *exc):
        self.active = False
        _tapes().remove(self)

    def watch(self, tensors):
        """Take derivatives with respect to these Tensors too."""
        for t in flatten(tensors)[0]:
            if not isinstance(t, Tensor):
                raise NonDifferentiableError(
                    explain(
                        "GradientTape.watch needs Tensors", f"found: {type(t).__name__}", help="make it one with cr.tensor(x)"
                    )
                )
            if not t.requires_grad:
                t.requires_grad_()

    def gradient(self, target, sources, output_gradients=None, unconnected_gradients="none"):
        """Derivative of the sum of `target` with respect to each of `sources`, in their structure.

        None (or zeros, with unconnected_gradients='zero') where the target does not depend on a source.
        """
        if self.used and not self.persistent:
            raise ArgumentError(
                explain(
                    "GradientTape.gradient was called twice on a tape that is not persistent",
                    help="use GradientTape(persistent=True)",
                )
            )
        self.used = True
        leaves, structure = flatten(sources)
        targets = [t for t in flatten(target)[0] if isinstance(t, Tensor) and t.requires_grad]
        weights = None if output_gradients is None else leaves_like(flatten(target)[1], output_gradients, "output_gradients")
        if weights is None:
            weights = [np.ones(t.shape, t.dtype) for t in targets]
        live = [x for x in leaves if isinstance(x, Tensor) and x.note is not None]
        found: dict = {}
        if targets and live:
            # A gradient asked for inside of another tape can be differentiated by that one.
            nested = any(t is not self for t in _tapes()) or self.active
            gs = grad(targets, live, weights, retain_graph=self.persistent or nested, create_graph=nested, allow_unused=True)
            found = {id(x): g for x, g in zip(live, gs, strict=True)}
        results = [found.get(id(x)) for x in leaves]
        if unconnected_gradients == "zero":
            results = [np.zeros(x.shape, x.dtype) if g is None else g for g, x in zip(results, leaves, strict=True)]
        return unflatten(structure, results)

    def jacobian(self, target, source):
        """Derivative of every element of `target` with respect to `source`: shape (*target.shape, *source.shape)."""
        self.used = True
        rows = []
        for i in range(int(target.size)):
            weight = np.zeros(int(target.size), target.dtype)
            weight[i] = 1
            (g,) = grad(target, source, weight.reshape(target.shape), retain_graph=True, allow_unused=True)
            rows.append(np.zeros(source.shape, source.dtype) if g is None else np.asarray(g))
        return source.owner.constant(np.stack(rows).reshape(*target.shape, *source.shape))


def _tapes():
    if not hasattr(state, "gradient_tapes"):
        state.gradient_tapes = []
    return state.gradient_tapes


class _Unrecorded(no_grad):
    """The tape that is always on does not record; others do."""

    def _level(self):
        return 1


def _fitted(g, shape):
    """A gradient summed over axes that the argument was stretched along, as PyTorch does; others are left, and raise later."""
    found = None if g is None else shape_of(g)
    if found is None or found == shape or len(found) < len(shape):
        return g
    stretched = zip(found[len(found) - len(shape) :], shape, strict=True)
    return sum_to(g, shape) if all(n == m or m == 1 for n, m in stretched) else g


class Function:
    """PyTorch's way to give a function its own derivative: static methods `forward(ctx, *args)` and `backward(ctx, *gs)`.

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

    class _Context:
        def __init__(self):
            self._saved: tuple = ()
            self._leaves: dict = {}  # id of what `forward` was given for a leaf -> (the leaf, its value then)
            self.needs_input_grad: tuple = ()
            self._shapes: tuple = ()

        def save_for_backward(self, *tensors):
            self._saved = tensors

        @property
        def saved_tensors(self):
            """What was saved. A leaf is itself, so that `backward` can ask for derivatives with respect to it."""
            return tuple(map(self._itself, self._saved))

        def _itself(self, x):
            leaf, value = self._leaves.get(id(x), (None, None))
            return x if leaf is None or leaf.value is not value else leaf

        def mark_non_differentiable(self, *tensors):
            pass

        def set_materialize_grads(self, value):
            pass

    @classmethod
    def apply(cls, *args):
        """Run `forward` on the arguments; derivatives come from `backward`."""

        places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]  # what else there is, modules too, is handed on
        # Where it is only written down, it may be differentiated later, with respect to anything.
        needed = tuple(i in places and (a.requires_grad or not isinstance(a.owner, Tape)) for i, a in enumerate(args))

        # What `forward` does is not recorded, as in PyTorch; inside of transforms, those below still see it.
        constant = _Unrecorded if all(args[i].owner is state.root for i in places) else contextlib.nullcontext

        def fwd(*xs):
            ctx = cls._Context()
            ctx.needs_input_grad, ctx._shapes = needed, tuple(map(shape_of, xs))
            given = list(args)
            for i, x in zip(places, xs, strict=True):
                given[i] = as_tensor(x)
                if needed[i] and args[i].owner is state.root and args[i].is_leaf and args[i].value is x:
                    ctx._leaves[id(given[i])] = args[i], x
            with constant():
                return tree_map(without_tensor, cls.forward(ctx, *given)), ctx

        def bwd(ctx, g):
            grads = cls.backward(ctx, *map(as_tensor, g if isinstance(g, tuple) else (g,)))
            grads = grads if isinstance(grads, tuple) else (grads,)
            if len(grads) < len(args) or any(g is not None for g in grads[len(args) :]):
                raise ArgumentError(
                    explain(
                        f"{cls.__name__}.backward must return one gradient per argument of forward",
                        f"arguments: {len(args)}    gradients: {len(grads)}",
                        help="return None for arguments without a derivative",
                    )
                )
            return tuple(without_tensor(_fitted(grads[i], shape)) for i, shape in zip(places, ctx._shapes, strict=True))

        return Rules(cls.__name__, lambda *xs: fwd(*xs)[0], None, fwd, bwd).call(*(args[i] for i in places))

    @staticmethod
    def forward(ctx, *args):
        raise NotImplementedError

    @staticmethod
    def backward(ctx, *gs):
        raise NotImplementedError
