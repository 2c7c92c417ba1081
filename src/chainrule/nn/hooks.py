"""Hooks that see, and may replace, the gradients on their way through a module."""

from ..errors import ArgumentError, explain
from ..tensor import Tensor
from ..transforms.custom import custom_vjp
from ..transforms.function import as_tensor, without_tensor


def run_watched(forward, args, before, after):
    """The outputs of `forward(*args)`, on whose way back hooks are called.

    Inputs and outputs each go through an identity whose derivative rule calls the hooks, so that all gradients of a call are
    known when they are called, and what they return goes on in place of them: eager, compiled, and under transforms.

    Parameters
    ----------
    forward : function of `args` that returns an output or a tuple of them
    args : tuple
    before : function from the gradients of the outputs to those that go on
    after : function from the gradients of the inputs and of the outputs to those of the inputs that go on
    """
    places = [i for i, a in enumerate(args) if _is_watched(a)]
    known: dict = {}

    def inputs_known(gs):
        gs = after(_spread(gs, places, len(args)), known["out"])
        return tuple(gs[i] for i in places)

    def outputs_known(gs):
        known["out"] = out = before(_spread(gs, where, len(outs)))
        if not places:
            after((None,) * len(args), out)
        return tuple(out[i] for i in where)

    out = forward(*_through(inputs_known, args, places))
    outs = out if isinstance(out, tuple) else (out,)
    where = [i for i, o in enumerate(outs) if _is_watched(o)]
    outs = _through(outputs_known, outs, where)
    return outs if isinstance(out, tuple) else outs[0]


def call_all(hooks, module, gradients, *others):
    """The gradients after all hooks: each gets what the one before it returned, if that returned any."""
    for hook in hooks:
        new = hook(module, gradients, *others)
        if new is not None:
            new = new if isinstance(new, tuple) else (new,)
            if len(new) != len(gradients):
                raise ArgumentError(
                    explain(
                        f"a hook on the gradients of {type(module).__name__} must return as many as it is given",
                        f"expected: {len(gradients)}    found: {len(new)}",
                        help="return a tuple, with None where there is no gradient",
                    )
                )
            gradients = new
    return gradients


def _is_watched(x):
    return isinstance(x, Tensor) and x.requires_grad


def _spread(values, places, n):
    """A tuple of n with the values in these places, and None elsewhere."""
    found = dict(zip(places, values, strict=True))
    return tuple(found.get(i) for i in range(n))


def _through(known, xs, places):
    """A tuple with the Tensors in these places behind an identity: their cotangents are what `known` makes of its results'."""
    if not places:
        return xs

    @custom_vjp
    def hooks(*chosen):
        return chosen

    def pull(_, gs):
        return tuple(map(without_tensor, known(tuple(map(as_tensor, gs)))))

    hooks.defvjp(lambda *chosen: (chosen, None), pull)
    passed = dict(zip(places, hooks(*(xs[i] for i in places)), strict=True))
    return tuple(passed.get(i, x) for i, x in enumerate(xs))
