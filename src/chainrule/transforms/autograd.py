"""Derivatives of Tensors with respect to Tensors, as PyTorch's `autograd.grad` and TensorFlow's `GradientTape` ask for them."""

import numpy as np

from ..core.dispatch import state
from ..core.value import Value
from ..errors import ArgumentError, NonDifferentiableError, explain
from ..tensor import Tensor
from ..trees import flatten, leaves_like, unflatten
from .backward import own, walk_back
from .batch import vmap
from .expansion import finished
from .reverse import Tape


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

        return vmap(one)(*_as_list(grad_outputs))
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
