"""Checkpointing: keep a function's arguments alone, and run it again when its derivative is asked for.

The recomputation is recorded on the same tape, from the same parents, and the walk backwards continues into it: captured
parameters, nested checkpoints and higher orders need nothing of their own.
"""

import functools
import weakref

from ..core.dispatch import attention, state, steady
from ..core.value import Value, dtype_of
from ..tensor import Tensor
from ..trees import flatten, unflatten
from .backward import Call, Leaf, Output
from .batch import drawing, draws
from .reverse import ROOT, Tape
from .scope import Ended, end


class _Living:
    """Objects in the order in which they were added, for as long as somebody else holds them."""

    def __init__(self):
        self.references: dict = {}

    def append(self, thing):
        key = id(thing)
        self.references[key] = weakref.ref(thing, lambda _: self.references.pop(key, None))

    def __iter__(self):
        things = [r() for r in list(self.references.values())]
        return iter([t for t in things if t is not None])


# Objects with a Tensor `state` that a recomputation must see as the first run did (random generators).
REPLAYED = _Living()


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


class _Met:
    """A Tensor that the function met, by a weak reference, and its state then."""

    __slots__ = ("reference", "before", "assigned", "active")

    def __init__(self, reference, before):
        self.reference, self.before = reference, before
        self.assigned = False  # whether the function assigned to it
        self.active = False  # whether derivatives may flow to it since


class _Encounters:
    """Notes which Tensors a function reads and assigns to, as long as these live: those that outlive it are from outside."""

    def __init__(self, tape):
        self.tape = tape
        self.found: dict = {}  # id of a Tensor -> its _Met
        self.generators = {id(g.state) for g in REPLAYED}

    def __enter__(self):
        state.watchers = (*state.watchers, self)

    def __exit__(self, *exc):
        state.watchers = tuple(w for w in state.watchers if w is not self)

    def met(self, x):
        key = id(x)
        found = self.found.get(key)
        if found is None:
            found = self.found[key] = _Met(weakref.ref(x, lambda _: self.found.pop(key, None)), _bound(x))
        return found

    def assigned_to(self, x, with_history):
        if id(x) not in self.generators:
            found = self.met(x)
            found.assigned = True
            found.active |= with_history and state.paused_below <= self.tape.level

    def outlasting(self):
        """(Tensor, what is noted of it) pairs of those that live."""
        alive = [(m.reference(), m) for m in list(self.found.values())]
        return [(x, m) for x, m in alive if x is not None and id(x) not in self.generators]


def _bound(x):
    return x.value, x.owner, x.note


def _bind(x, bound):
    x.value, x.owner, x.note = bound
    x._tell_views()


def checkpoint(f, *, preserve_rng_state=True):
    """`f`, keeping for its derivative the arguments alone; the rest is computed again when needed.

    Reverse mode through a chain of n checkpointed functions keeps n arguments and the inside of one function at a time.
    Also called as in PyTorch: `checkpoint(f)(x)`; `f` may use parameters that are not its arguments. It may assign to its
    arguments and to other Tensors: the second run sees what these were before the first one, and leaves them as they are.

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
        inside = any(scope.trace.level > top.level for scope in state.scopes)  # results may belong to that transform
        if not isinstance(top, Tape) or not top.recording() or inside:
            return f(*args, **kwargs)
        return _run(f, top, leaves, structure, preserve_rng_state)

    return checkpointed


def _run(f, tape, leaves, structure, replay):
    parents = tuple(x.note if isinstance(x, Value) and x.owner is tape else None for x in leaves)

    def call(leaves):
        args, kwargs = unflatten(structure, leaves)
        return flatten(f(*args, **kwargs))

    kept = [steady(x) for x in leaves]

    before, batches = _states() if replay else [], draws.batches
    encounters = _Encounters(tape)
    for x in leaves:
        if isinstance(x, Value):
            encounters.met(x)
    with _Paused(tape), encounters:
        outs, out_structure = call(leaves)
        touched = tape.touched
    tape.touched = False
    if not touched and all(p is None for p in parents):
        return unflatten(out_structure, outs)
    outside = encounters.outlasting()
    changed = [(x, m) for x, m in outside if m.assigned]  # results as well

    def pullback(gs, owner):
        ended = isinstance(tape, Ended)
        if ended:
            tape.__class__ = Tape
        now, later = _states() if replay else [], [(x, _bound(x)) for x, _ in outside]
        _set_states(before)
        for x, m in outside:
            _bind(x, m.before)
        # The walk may itself run under no_grad or inside another checkpoint; this part of it records in any case.
        paused = state.paused, state.paused_below
        state.paused, state.paused_below = tuple(t for t in state.paused if t is not tape), -(10**9)
        try:
            with drawing(batches):
                again, _ = call([x if k is x else k.copy() for x, k in zip(leaves, kept, strict=True)])
            notes = [o.note if isinstance(o, Value) and o.owner is tape else None for o in (*again, *(x for x, _ in changed))]
        finally:
            state.paused, state.paused_below = paused
            _set_states(now)
            for x, bound in later:
                _bind(x, bound)
            if ended:
                end(tape)
        return [(note, g) for note, g in zip(notes, gs, strict=True) if g is not None]

    def settle(real):
        for n, x in enumerate(leaves):
            if isinstance(x, Value) and real(x) is not x:  # an array, as far as the user knows
                kept[n] = real(Tensor(*next(m.before for y, m in outside if y is x)))
        for _, m in outside:
            value, *rest = m.before
            m.before = (real(value), *rest)

    node = Call("checkpoint", parents, pullback, is_open=True, settle=settle)
    count = len(outs) + len(changed)

    def result(i, x):
        """Result number `i` on the tape."""
        live = isinstance(x, Value) and x.owner is tape and dtype_of(x).kind in "fc"
        return tape._wrap(x.value, Output(node, i, count)) if live else x

    results = [result(i, o) for i, o in enumerate(outs)]
    for i, (x, m) in enumerate(changed, len(outs)):
        if m.active and x.owner is tape:
            if isinstance(x.note, Leaf):
                x.origin = x.note
            x.note = result(i, x).note
    return unflatten(out_structure, results)


def _states():
    """Every random generator, and where it is in its stream."""
    return [(g, g.state.detach()) for g in REPLAYED]


def _set_states(states):
    for generator, saved in states:
        generator.state.data = saved
