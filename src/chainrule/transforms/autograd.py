"""Derivatives of Tensors with respect to Tensors, as PyTorch's `autograd.grad` and TensorFlow's `GradientTape` ask for them."""

import numpy as np

from ..core.dispatch import state
from ..core.value import Value
from ..errors import ArgumentError, NonDifferentiableError, ShapeError, explain
from ..ops.joining import stack
from ..ops.shaping import moveaxis
from ..tensor import Tensor
from ..trees import flatten, leaves_like, unflatten
from .backward import own, walk_back
from .batch import vmap
from .expansion import finished
from .reverse import Tape
from .scope import no_grad


def _as_list(xs):
    return [xs] if isinstance(xs, (Value, np.ndarray, float)) else list(xs)


def grad(
    outputs,
    inputs,
    grad_outputs=None,
    retain_graph=None,
    create_graph=False,
    only_inputs=True,
    allow_unused=None,
    is_grads_batched=False,
    materialize_grads=False,
):
    """Derivatives of the sum of `outputs`, weighted by `grad_outputs`, with respect to `inputs`; `.grad` stays untouched.

    Parameters
    ----------
    outputs, inputs : Tensor or sequence of Tensors; inputs need not be leaves
    grad_outputs : None (for scalars), or arrays of the shapes of `outputs`
    retain_graph, create_graph : as in `Tensor.backward`
    only_inputs : PyTorch's; no other Tensor gets a gradient in any case
    allow_unused : give None for inputs that the outputs do not depend on, instead of raising
    is_grads_batched : the first axis of `grad_outputs` counts several weights, and that of the results theirs
    materialize_grads : give zeros for inputs that the outputs do not depend on

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
    if materialize_grads and allow_unused is False:
        raise ArgumentError(
            explain("autograd.grad: materialize_grads=True gives zeros where allow_unused=False raises", help="leave one out")
        )
    if not inputs:
        raise ArgumentError(explain("autograd.grad: `inputs` is empty", help="give the Tensors to differentiate by"))
    if is_grads_batched:

        def one(*ws):
            options = {"allow_unused": allow_unused, "materialize_grads": materialize_grads}
            return grad(outputs, inputs, ws, retain_graph=True, create_graph=create_graph, **options)

        many = _as_list(grad_outputs)
        if create_graph or state.scopes:  # what the tape below is to record cannot be part of a batch above it
            rows = [one(*ws) for ws in zip(*many, strict=True)]
            columns = [None if g[0] is None else stack(g) for g in zip(*rows, strict=True)] if rows else []
            columns = columns or [np.zeros((0, *x.shape), x.dtype) for x in inputs]
        else:
            columns = vmap(one)(*many)
        return tuple(g if g is None or isinstance(g, Tensor) else inputs[0].owner.constant(g) for g in columns)
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
    if materialize_grads:
        results = [np.zeros(x.shape, x.dtype) if g is None else g for g, x in zip(results, inputs, strict=True)]
    if not allow_unused and any(g is None for g in results):
        unused = [i for i, g in enumerate(results) if g is None]
        raise ArgumentError(
            explain(
                f"autograd.grad: the outputs do not depend on input {unused[0]}",
                help="pass allow_unused=True to get None for it",
            )
        )
    return tuple(g if g is None or _is_above(g, tape) else tape._wrap(g) for g in results)


def _is_above(g, tape):
    """Whether it belongs to this tape, or to a transform that gave the weights."""
    return isinstance(g, Tensor) and g.owner.level >= tape.level


class GradientTape:
    """TensorFlow's way to ask for derivatives: of anything computed inside the context, by `gradient`.

    Parameters
    ----------
    persistent : allow more than one call of `gradient`
    watch_accessed_variables : whether Tensors that require grad are watched by themselves; else those that `watch` is given are

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
        self.watches_all, self.watched = watch_accessed_variables, []

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
            self.watched.append(t)

    def stop_recording(self):
        """A context in which operations are not recorded.

        >>> import chainrule as cr
        >>> x = cr.Variable(2.0)
        >>> with cr.GradientTape() as tape:
        ...     y = x**2
        ...     with tape.stop_recording():
        ...         z = y * y
        >>> tape.gradient([y, z], x)
        tensor(4.)
        """
        return no_grad()

    def reset(self):
        """Forget what was watched and asked, so that the tape can be used again.

        What was recorded belongs to Tensors, not to the tape: derivatives of what was computed before can still be asked for.
        """
        self.used, self.watched = False, []

    def watched_variables(self):
        """The Tensors that `watch` was given, each once, as a tuple.

        Tensors that require grad, which are watched by themselves, are not noted when they are used and do not appear.
        """
        return tuple({id(t): t for t in self.watched}.values())

    def _begin(self, asked):
        if self.used and not self.persistent:
            raise ArgumentError(
                explain(
                    f"GradientTape.{asked}: a tape that is not persistent was asked a second time",
                    help="use GradientTape(persistent=True)",
                )
            )
        self.used = True

    def _pull(self, targets, leaves, weights, unconnected, **options):
        """What flows to each of the leaves: None, or zeros, where nothing does."""
        if unconnected not in ("none", "zero"):
            raise ArgumentError(
                explain(f"GradientTape: unknown unconnected_gradients {unconnected!r}", help="use 'none' or 'zero'")
            )
        live = [x for x in leaves if isinstance(x, Tensor) and x.note is not None]
        if not self.watches_all:
            live = [x for x in live if not x.is_leaf or any(x is t for t in self.watched)]
        found: dict = {}
        if targets and live:
            # A gradient asked for inside of another tape can be differentiated by that one.
            nested = any(t is not self for t in _tapes()) or self.active
            retain = self.persistent or nested
            gs = grad(targets, live, weights, retain_graph=retain, create_graph=nested, allow_unused=True, **options)
            found = {id(x): g for x, g in zip(live, gs, strict=True)}
        count = weights[0].shape[:1] if options else ()
        return [
            x.owner.constant(np.zeros((*count, *x.shape), x.dtype)) if g is None and unconnected == "zero" else g
            for g, x in ((found.get(id(x)), x) for x in leaves)
        ]

    def gradient(self, target, sources, output_gradients=None, unconnected_gradients="none"):
        """Derivative of the sum of `target` with respect to each of `sources`, in their structure.

        None (or zeros, with unconnected_gradients='zero') where the target does not depend on a source.
        `output_gradients`, a tree like `target`, weighs its elements.
        """
        self._begin("gradient")
        leaves, structure = flatten(sources)
        targets, target_structure = flatten(target)
        weights: list = [None] * len(targets)
        if output_gradients is not None:
            weights = leaves_like(target_structure, output_gradients, "output_gradients")
        pairs = [(t, w) for t, w in zip(targets, weights, strict=True) if isinstance(t, Tensor) and t.requires_grad]
        weights = [np.ones(t.shape, t.dtype) if w is None else w for t, w in pairs]
        return unflatten(structure, self._pull([t for t, _ in pairs], leaves, weights, unconnected_gradients))

    def jacobian(self, target, sources, unconnected_gradients="none"):
        """Derivative of every element of `target` with respect to each of `sources`, in their structure: arrays of shape
        (*target.shape, *source.shape), None (or zeros, with unconnected_gradients='zero') where it does not depend on one.

        >>> import chainrule as cr
        >>> x = cr.Variable([1.0, 2.0])
        >>> with cr.GradientTape() as tape:
        ...     y = x**2
        >>> tape.jacobian(y, x)
        tensor([[2., 0.],
                [0., 4.]])
        """
        self._begin("jacobian")
        leaves, structure = flatten(sources)
        live = isinstance(target, Tensor) and target.requires_grad
        size = int(np.prod(target.shape))
        basis = np.eye(size, dtype=target.dtype).reshape(size, *target.shape)
        rows = self._pull([target] if live else [], leaves, [basis], unconnected_gradients, is_grads_batched=True)
        return unflatten(structure, [None if r is None else r.reshape(*target.shape, *r.shape[1:]) for r in rows])

    def batch_jacobian(self, target, source, unconnected_gradients="none"):
        """The Jacobian of each entry along the first axis, which must not depend on other entries of `source`: shape
        (n, *target.shape[1:], *source.shape[1:]).

        >>> import chainrule as cr
        >>> x = cr.Variable([[1.0, 2.0], [3.0, 4.0]])
        >>> with cr.GradientTape() as tape:
        ...     y = x**2
        >>> tape.batch_jacobian(y, x)[1]
        tensor([[6., 0.],
                [0., 8.]])
        """
        if not target.shape or target.shape[:1] != source.shape[:1]:
            raise ShapeError(
                explain(
                    "GradientTape.batch_jacobian: target and source must have a first axis of one length",
                    f"target: {tuple(target.shape)}    source: {tuple(source.shape)}",
                    help="use jacobian for anything else",
                )
            )
        self._begin("batch_jacobian")
        size = int(np.prod(target.shape[1:]))
        basis = np.eye(size, dtype=target.dtype).reshape(size, 1, *target.shape[1:])
        basis = np.broadcast_to(basis, (size, *target.shape))  # entries do not mix, so one cotangent serves them all
        live = [target] if isinstance(target, Tensor) and target.requires_grad else []
        (rows,) = self._pull(live, [source], [basis], unconnected_gradients, is_grads_batched=True)
        if rows is None:
            return None
        return moveaxis(rows, 0, 1).reshape(*target.shape, *source.shape[1:])


def _tapes():
    if not hasattr(state, "gradient_tapes"):
        state.gradient_tapes = []
    return state.gradient_tapes
