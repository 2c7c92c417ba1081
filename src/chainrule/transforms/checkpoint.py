"""Checkpointing: keep a function's arguments alone, and run it again when its derivative is asked for.

The recomputation is recorded on the same tape, from the same parents, and the walk backwards continues into it: captured
parameters, nested checkpoints and higher orders need nothing of their own.
"""

import functools

from ..core.dispatch import attention, state
from ..core.value import Value, dtype_of
from ..tensor import Tensor
from ..trees import flatten, unflatten
from .backward import Call, Output
from .reverse import ROOT, Tape
from .scope import Ended, end

# Objects with a Tensor `state` that a recomputation must see as the first run did (random generators).
REPLAYED: list = []


class _Paused:
    """While it lasts, a tape does not record."""

    def __init__(self, tape):
        self.tape = tape

    def __enter__(self):
        self.before = state.paused
        state.paused = (*self.before, self.tape)
        self.tape.touched = False
        attention.append(self)

    def __exit__(self, *exc):
        state.paused = self.before
        attention.remove(self)


def checkpoint(f, *, preserve_rng_state=True):
    """`f`, keeping for its derivative the arguments alone; the rest is computed again when needed.

    Reverse mode through a chain of n checkpointed functions keeps n arguments and the inside of one function at a time.
    Also called as in PyTorch: `checkpoint(f)(x)`; `f` may use parameters that are not its arguments.

    Parameters
    ----------
    f : function of trees of arrays
    preserve_rng_state : draw the same random numbers again (dropout)

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.grad(lambda x: cr.checkpoint(cr.sin)(cr.checkpoint(cr.exp)(x)))(0.0) == np.cos(1.0)
    np.True_
    """

    @functools.wraps(f)
    def checkpointed(*args, **kwargs):
        leaves, structure = flatten((args, kwargs))
        top = max((x.owner for x in leaves if isinstance(x, Value)), key=lambda owner: owner.level, default=ROOT)
        if not isinstance(top, Tape) or not top.recording():
            return f(*args, **kwargs)
        return _run(f, top, leaves, structure, preserve_rng_state)

    return checkpointed


def _run(f, tape, leaves, structure, replay):
    mine = [isinstance(x, Value) and x.owner is tape for x in leaves]
    values = [tape._value(x) if m else x for x, m in zip(leaves, mine, strict=True)]
    parents = tuple(x.note if m else None for x, m in zip(leaves, mine, strict=True))

    def call(notes):
        wrapped = [Tensor(v, tape, n) if m else v for v, m, n in zip(values, mine, notes, strict=True)]
        args, kwargs = unflatten(structure, wrapped)
        return flatten(f(*args, **kwargs))

    before = [g.state.detach() for g in REPLAYED] if replay else []
    with _Paused(tape):
        outs, out_structure = call([None] * len(leaves))
        touched = tape.touched
    tape.touched = False
    if not touched and all(p is None for p in parents):
        return unflatten(out_structure, outs)

    def pullback(gs, owner):
        ended = isinstance(tape, Ended)
        if ended:
            tape.__class__ = Tape
        now = [g.state.detach() for g in REPLAYED] if replay else []
        _set_states(before)
        # The walk may itself run under no_grad or inside another checkpoint; this part of it records in any case.
        outside = state.paused, state.paused_below
        state.paused, state.paused_below = tuple(t for t in state.paused if t is not tape), -(10**9)
        try:
            again, _ = call(parents)
        finally:
            state.paused, state.paused_below = outside
            _set_states(now)
            if ended:
                end(tape)
        return [
            (o.note, g) for o, g in zip(again, gs, strict=True) if g is not None and isinstance(o, Value) and o.owner is tape
        ]

    node = Call("checkpoint", parents, pullback)
    results = []
    for i, o in enumerate(outs):
        if isinstance(o, Value) and o.owner is tape and dtype_of(o).kind in "fc":
            results.append(tape._wrap(o.value, Output(node, i, len(outs))))
        else:
            results.append(o)
    return unflatten(out_structure, results)


def _set_states(states):
    for generator, saved in zip(REPLAYED, states, strict=False):
        generator.state.data = saved
