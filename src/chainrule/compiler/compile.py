"""`compile`: a function as native programs, one for each kind of arguments, settings and path of decisions."""

import functools
import os
import sys
import threading
import warnings
import weakref
from typing import Any, NamedTuple

import numpy as np

from ..core.dispatch import attention, state
from ..core.graph import Constant
from ..core.value import Value
from ..dtypes import native_order
from ..errors import CompileError, LostDerivativeError, ShapeError, explain
from ..tensor import Tensor
from ..transforms import programs
from ..transforms.abstract import active_outputs, aval_like, has_shape_by_value, remember, trace
from ..transforms.backward import Leaf
from ..transforms.checkpoint import REPLAYED
from ..transforms.control import put_back, watched
from ..transforms.naming import labels_of
from ..transforms.programs import run_by_level
from ..transforms.record import record
from ..transforms.reverse import ROOT
from ..transforms.scope import is_grad_enabled
from ..trees import flatten, unflatten
from ..views import owner_of
from .check import checked
from .doors import open_door
from .explain import explanation
from .native import execute
from .profile import profiled
from .program import FIRST_GUARD
from .runtime import Turn
from .simplify import EFFECTS, one_number, simplify
from .surroundings import PLAIN, Surroundings, watchable
from .variant import Miss, NotThis, OutOfBounds, Variant, alive, depends_on_new_leaf, is_array

programs.execute = execute  # programs that are parts of others run as machine code, too
_all: weakref.WeakSet = weakref.WeakSet()  # functions that are compiled
MANY = 16  # recorded runs from which on a warning says what varies


def kind_of(x):
    """What about one argument decides which program runs."""
    if isinstance(x, Tensor):
        note = x.note
        return "tensor", x.shape, x.dtype, None if note is None else type(note) is Leaf
    if isinstance(x, np.ndarray):
        follows_numpy(x)
        return "array", x.shape, x.dtype
    if isinstance(x, np.generic):
        return "number", x.dtype
    if isinstance(x, PLAIN):
        return type(x), repr(x)
    return "object", id(x)


def follows_numpy(x):
    """Raise where the class of an array has rules of its own, which a program on its numbers would not follow."""
    own = type(x)
    if own is not np.ndarray and (
        isinstance(x, (np.ma.MaskedArray, np.matrix))
        or own.__array_ufunc__ is not np.ndarray.__array_ufunc__
        or own.__array_function__ is not np.ndarray.__array_function__
    ):
        raise CompileError(
            explain(
                f"compile: an argument is a {own.__module__}.{own.__qualname__}, which computes by rules of its own",
                f"found: {x.dtype} {x.shape}",
                help="pass its numbers, np.asarray(x), and masks or units beside them, or run the function uncompiled",
            )
        )


def _in_words(kind):
    """What `kind_of` says, as text."""
    what, *more = kind
    if what in ("array", "tensor", "number"):
        shape, dtype = more[:2] if len(more) > 1 else ((), *more)
        text = f"{dtype}[{','.join(map(str, shape))}]"
        return text if what != "tensor" or more[2] is None else f"{text} requiring grad"
    return "an object" if what == "object" else more[0]


def _views(x):
    """`x`, and the Tensors that it is a part of."""
    while True:
        yield x
        if not isinstance(x, Tensor) or not hasattr(x, "part"):
            return
        x = x.part.whole


def _repeats(leaves):
    """Which arguments are one and the same Tensor: a program may change one and read another."""
    ids = [id(x) for x in leaves if isinstance(x, Tensor)]
    return () if len(set(ids)) == len(ids) else tuple(map(ids.index, ids))


def computed_outside(graph, arrays, captured=()):
    """Whether NumPy itself may have computed with some of these arrays, whose numbers then are part of the program."""
    read = {id(i.tensor) for i in graph.inputs} | set(map(id, captured))
    if not all(id(a) in read for a in arrays):
        return True
    if arrays and any(isinstance(x, Constant) for x in (*graph.outputs, *(u.value for u in graph.updates))):
        return True
    constants = (x.value for s in graph.steps for x in s.inputs if isinstance(x, Constant))
    return any(isinstance(c, (np.ndarray, np.generic)) and one_number(c) not in (0, 1) for c in constants)


class Traced(NamedTuple):
    """A function as a pure graph (None: it has to run as it stands), for calls beneath transforms."""

    graph: Any
    captured: list
    structure: Any
    keep: Any  # objects by whose identity the call is known
    written: tuple = ()  # numbers of the operands that the function assigns to; their new values are the last results
    returned: tuple = ()  # for each result, the number of the operand that it is, or None
    plain: tuple = ()  # (number, result) of the results that are numbers of Python's own

    def result(self, out):
        """What the function returns."""
        for k, x in self.plain:
            out[k] = x
        return unflatten(self.structure, out)

    def operands(self):
        """What the last inputs stand for; those of level 0 to which no derivative flows back as constants."""
        count, first = len(self.graph.inputs), len(self.graph.inputs) - len(self.captured)

        def reached():
            return [any(active_outputs(self.graph, [n == k for n in range(count)])) for k in range(first, count)]

        flows = remember(self.graph, "reached", reached)
        stops = [isinstance(c, Tensor) and c.owner is ROOT and not f for c, f in zip(self.captured, flows, strict=True)]
        return [c.detach() if s else c for c, s in zip(self.captured, stops, strict=True)]

    def fits(self):
        """Whether what the graph reads from outside has the shapes that it had."""
        if self.graph is None:
            return True
        avals = [i.var.aval for i in self.graph.inputs[len(self.graph.inputs) - len(self.captured) :]]
        return all(aval_like(c)[:2] == a[:2] for c, a in zip(self.captured, avals, strict=True))


def _overlap(operands, written):
    """Whether what the function assigns to is, or is a part of, something else among its operands."""
    wholes = [id(owner_of(x)) for x in operands]
    return any(wholes.count(wholes[k]) > 1 for k in written)


def _is_place(x):
    """Whether this has no axes, but is an array that `x += 1` changes."""
    return not x.shape and (isinstance(x, np.ndarray) or hasattr(x, "place") or hasattr(x, "part"))


def leaves_kept(leaves, active):
    """The leaves that are known by identity."""
    return [x for x, a in zip(leaves, active, strict=True) if not a]


class Method:
    """A compiled function as a method of `owner`, which becomes its first argument."""

    def __init__(self, compiled, owner):
        self.__func__, self.__self__ = compiled, owner
        self.__wrapped__, self.__doc__ = compiled.f, compiled.__doc__

    def __call__(self, *args, **kwargs):
        return self.__func__(self.__self__, *args, **kwargs)

    def __getattr__(self, name):
        found = getattr(self.__func__, name)
        return functools.partial(found, self.__self__) if name in ("explain", "profile") else found

    def __repr__(self):
        return f"<method {self.__func__!r} of {self.__self__!r}>"


def _after_fork():
    """A thread of the parent may have held locks, and does not run in this process."""
    for compiled in _all:
        compiled.lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Compiled:
    """A function that runs as machine code. Made by `chainrule.compile`.

    Attributes
    ----------
    variants : list of the programs made so far, as text
    """

    def __init__(self, f, check=False, precise=False):
        functools.update_wrapper(self, f)
        self.f, self.check, self.precise = f, check, precise
        self.table: dict = {}  # key of a call -> variants, newest first
        self.lock = threading.RLock()
        self.turn = Turn()  # of the programs that change what the function changes
        _all.add(self)
        self.around: Surroundings | None = None
        self.around_key: tuple = ()
        self.loose: dict = {}  # (id of a holder, key) of places that the function binds to new Tensors -> the holder
        self.contents = False  # whether NumPy may have read captured arrays, so that programs hang on their numbers
        self.traces: dict = {}
        self.traced_keys: set = set()  # of calls whose results have derivatives that a recorded run does not tell
        self.ready: Any = None  # the last program's way without Python, and the surroundings in which it holds
        self.warned = False
        self.calls: list = []  # keys of all recorded runs, to say what varies

    def __get__(self, owner, cls=None):
        return self if owner is None else Method(self, owner)

    def __repr__(self):
        return f"<compiled {self.name}: {sum(map(len, self.table.values()))} variants>"

    def __reduce__(self):
        name, thing = getattr(self.f, "__qualname__", ""), sys.modules.get(getattr(self.f, "__module__", ""))
        for part in name.split("."):
            thing = getattr(thing, part, None)
        if thing is self:  # as a decorated function it is known by its name, by which `f` cannot be found
            return name
        return compile_again, (self.f, self.check, self.precise)

    @property
    def name(self):
        return getattr(self.f, "__name__", "the function")

    @property
    def variants(self):
        """A line for each program: what it holds for, and how large it is."""
        return [f"{self._described(key)}: {v.graph!r}" for key, vs in self.table.items() for v in vs]

    @staticmethod
    def _described(key):
        return ", ".join(map(_in_words, key[1])) or "no arguments"

    def __call__(self, *args, **kwargs):
        ready = self.ready
        if ready is not None and not attention and not kwargs and ready[1].valid():
            variant = ready[0]
            status, result = variant.door(args)
            tried: set = set()
            while status > 0:  # a decision came out differently: on to the program that goes that way, if there is one
                tried.add(id(variant))
                variant = variant.others.get(status)
                if variant is None or id(variant) in tried:
                    break
                status, result = variant.door(args)
            if status == 0:
                if variant is not ready[0]:
                    self.ready = variant, ready[1]
                return result
        if state.recorder is not None or state.abstract:
            return self.f(*args, **kwargs)  # part of the program that is being written down
        leaves, structure = flatten((args, kwargs))
        if state.scopes or any(isinstance(x, Value) and (x.owner is not ROOT or isinstance(x.value, Value)) for x in leaves):
            return self.traced(args, kwargs, leaves, structure)
        with self.lock:
            if self.check:
                return checked(self, args, kwargs, leaves, structure)
            return self.direct(args, kwargs, leaves, structure)

    # --- which program --------------------------------------------------------------------------------------------------------

    def look(self, args, kwargs):
        """Remember what the function can see."""
        objects = list(watchable((args, kwargs)))
        around = self.around
        if around is None or not around.sees(objects) or not around.valid():
            self.around = around = Surroundings(self.f, objects, self.loose, self.contents)
            self.around_key = around.key()
        return around

    def key(self, args, kwargs, leaves, structure):
        """What calls have in common that the same programs may hold for."""
        self.look(args, kwargs)
        return structure, tuple(map(kind_of, leaves)), self.around_key, is_grad_enabled(), _repeats(leaves)

    def variant_for(self, args, kwargs, leaves, structure):
        """The program that would be tried first; None if the function would be recorded."""
        variants = self.table.get(self.key(args, kwargs, leaves, structure), ())
        return next((v for v in variants if v.holds(leaves)), None)

    def direct(self, args, kwargs, leaves, structure):
        """Run a program that holds, or the function for real."""
        ready, self.ready = self.ready, None
        key = self.key(args, kwargs, leaves, structure)
        if key in self.traced_keys:
            return self.traced(args, kwargs, leaves, structure)
        variants = self.table.get(key, [])
        known: list = []  # decisions that this call is known to take
        tried = set()
        turns: list = []  # (variant, status that it ended with) where this call took another path
        likely = None if ready is None else ready[0]  # the way that native code took, so that it is known to the end next time
        while True:
            first = [likely] if likely in variants else []
            fitting = (v for v in (*first, *variants) if id(v) not in tried and v.guards_begin(known) and v.holds(leaves))
            v = next(fitting, None)
            if v is None:
                return self.record(args, kwargs, leaves, structure, key)
            tried.add(id(v))
            try:
                result = v.call(leaves)
            except Miss as miss:
                likely = None
                if miss.guard is not None:
                    turns.append((v, FIRST_GUARD + miss.guard))
                    likely = v.others.get(FIRST_GUARD + miss.guard)
                    known = [*(value for value, _ in v.guards[: miss.guard]), NotThis(v.guards[miss.guard][0])]
                continue
            except (OutOfBounds, IndexError) as error:  # run for real, it says more, or another shape is right
                if v.pure is None and not isinstance(error, OutOfBounds):
                    raise
                likely = None
                continue
            if variants[0] is not v:
                variants.remove(v)
                variants.insert(0, v)
            if v.door is None and not kwargs:
                v.door = open_door(v, args, leaves, structure) or False
            if v.door and not attention and not self.check:
                self.ready = v, self.around
                for (before, status), after in zip(turns, [*(t[0] for t in turns[1:]), v], strict=False):
                    if after.door:
                        before.others[status] = after
            return result

    def record(self, args, kwargs, leaves, structure, key):
        """Run the function once for real, and keep its program, unless it did what a program cannot do again."""
        around = self.around
        assert around is not None
        around.refresh()
        with around.watched():
            recorded = record(self.f, args, kwargs, asked="compile", writing=True, seen=around.arrays)
        if recorded.once:
            self.around = None
            return recorded.result
        slots, steady = around.after(self.loose)
        lasting = [*(after for *_, after in slots), *(leaf.grad for leaf, _ in recorded.grads), *recorded.leaves]
        known = {id(t) for x in lasting for t in _views(x)}
        self.contents = self.contents or (bool(around.arrays) and computed_outside(recorded.graph, around.arrays))
        self.around = None
        new = self.key(args, kwargs, leaves, structure)  # as the function has left things: it may have made state
        steady &= not recorded.rehung and new[1] == key[1] and all(id(t) in known for t in recorded.made)
        steady &= not depends_on_new_leaf(lasting, recorded.made)
        notes = [x.note for x in recorded.leaves if isinstance(x, Tensor) and type(x.note) not in (Leaf, type(None))]
        if any(map(alive, notes)) and (recorded.ruled or any(map(has_shape_by_value, recorded.graph.steps))):
            self.traced_keys.add(key)
        elif steady:
            keep = [x for x in leaves if not is_array(x)], self.around
            variants = self.table.setdefault(new, [])
            variants.insert(0, Variant(recorded, leaves, slots, self.precise, keep, self.turn))
        self.calls.append(new)
        if len(self.calls) >= MANY and not self.warned:
            self.warned = True
            warnings.warn(self.too_many(args, structure), stacklevel=4)
        return recorded.result

    def too_many(self, args, structure):
        """The text of the warning about many variants: it names what varies."""
        labels = labels_of(self.f, args, structure)
        alike = [k for k in self.calls if len(k[1]) == len(labels)]
        what = [label for n, label in enumerate(labels) if len({k[1][n] for k in alike}) > 2]
        if not what and len({k[2] for k in self.calls}) > 2:
            first, *_, last = (dict(k[2]) for k in self.calls)
            what = [p for p in last if first.get(p) != last[p]]
        if not what and len({k[0] for k in self.calls}) > 2:
            what = ["the structure of the arguments"]
        if not what and sum(map(len, self.table.values())) < len(self.calls) // 2:
            what = ["Tensors that it leaves behind, or binds to another history, at each call"]
            advice = "return values without history, such as loss.detach(), and make Tensors that last outside of it"
        else:
            advice = (
                "pass numbers that change as arrays, pad arrays to a few shapes, or use cr.where, cr.cond and cr.while_loop"
            )
        return explain(
            f"compile: {self.name} has been compiled {len(self.calls)} times",
            f"what varies: {', '.join(what) or 'the path of its decisions'}",
            help=advice,
        )

    # --- beneath transforms ---------------------------------------------------------------------------------------------------

    def traced(self, args, kwargs, leaves, structure):
        """Called with Tensors of a transform, or inside of one: as one operation that is itself a program."""
        with self.lock:
            for x in leaves:
                if isinstance(x, np.ndarray):
                    follows_numpy(x)
            leaves = [native_order(x) if is_array(x) else x for x in leaves]
            active = [isinstance(x, Value) or is_array(x) for x in leaves]
            avals = [aval_like(x) for x, a in zip(leaves, active, strict=True) if a]
            places = tuple(_is_place(x) for x, a in zip(leaves, active, strict=True) if a)
            statics = tuple(kind_of(x) for x, a in zip(leaves, active, strict=True) if not a)

            def key():
                self.look(args, kwargs)
                return structure, tuple(active), tuple(avals), places, statics, self.around_key

            found = self.traces.get(key())
            if found is None or not found.fits():
                found = self.trace(leaves, active, avals, places, structure)
                if not any(
                    isinstance(c, Value) and (c.owner is not ROOT or isinstance(c.value, Value)) for c in found.captured
                ):
                    self.traces[key()] = found
        if found.graph is None:
            return self.f(*args, **kwargs)
        operands = [x for x, a in zip(leaves, active, strict=True) if a]
        captured = found.operands()
        if not found.written:
            return found.result(run_by_level(found.graph, [*operands, *captured]))
        if not all(isinstance(operands[k], Tensor) for k in found.written) or _overlap(operands, found.written):
            return self.f(*args, **kwargs)  # as it stands, since NumPy alone knows what becomes of plain arrays
        out = run_by_level(found.graph, [*operands, *captured])
        for k in reversed(found.written):
            operands[k]._rebind(out.pop())
        out = [x if k is None else operands[k] for x, k in zip(out, found.returned, strict=True)]
        return found.result(out)

    def trace(self, leaves, active, avals, places, structure):
        """The function as a pure graph; none where it decides by values, draws random numbers or changes state."""
        assert self.around is not None
        keep = leaves_kept(leaves, active), self.around
        ends: list = []

        def flat(*xs):
            for x, place in zip(xs, places, strict=True):
                if place:
                    x.place = True
            before = [x.note for x in xs]
            rest = iter(xs)
            full = [next(rest) if a else x for x, a in zip(leaves, active, strict=True)]
            args, kwargs = unflatten(structure, full)
            out, out_structure = flatten(self.f(*args, **kwargs))
            written = [k for k, (x, note) in enumerate(zip(xs, before, strict=True)) if x.note is not note]
            number = {id(xs[k]): k for k in written}
            plain = [(k, o) for k, o in enumerate(out) if isinstance(o, (bool, int, float, complex)) and not is_array(o)]
            ends.append((out_structure, written, [number.get(id(o)) for o in out], plain))
            return [*out, *(xs[k] for k in written)]

        before = [(g, watched(g)) for g in REPLAYED]
        try:
            with self.around.watched():
                graph, captured = trace(flat, avals, self.name, changing=frozenset(map(id, self.around.arrays)), whole=True)
        except (LostDerivativeError, ShapeError):
            return Traced(None, [], None, keep)
        finally:
            moved = [(g, then) for g, then in before if any(x is not y for x, y in zip(watched(g), then, strict=True))]
            for g, then in moved:
                put_back(g, then)
            changed = self.around.put_back()
        if changed or moved or any(s.row.name in EFFECTS for s in graph.steps):
            return Traced(None, [], None, keep)
        if self.around.arrays and not self.contents and computed_outside(graph, self.around.arrays, captured):
            self.contents, self.around = True, None
        structure, *rest = ends[-1]
        return Traced(simplify(graph, write_out=False), captured, structure, keep, *map(tuple, rest))

    # --- looking --------------------------------------------------------------------------------------------------------------

    def explain(self, *args, **kwargs):
        """What a call with these arguments runs, as an `Explanation` to print or to ask (see docs/compile.md).

        Where no program fits the arguments yet, the function runs for real, as in a first call (or two, where the first
        makes state that the program then works on).
        """
        return explanation(self, args, kwargs)

    def profile(self, *args, repeat=20, **kwargs):
        """How long each kernel of a call with these arguments takes, as a `Profile` to print or to ask.

        The program runs `repeat` times on copies: no Tensor changes. Where no program fits the arguments yet, the function
        runs for real first, as for `explain`.
        """
        return profiled(self, args, kwargs, repeat)


def compile_again(f, check, precise):
    """For pickle: programs stay where they are, the function travels."""
    return Compiled(f, check, precise)


def compile(
    f=None, *, check=False, precise=False, disable=False, fullgraph=None, dynamic=None, backend=None, mode=None, options=None
):
    """`f` as a native program: whatever it does with arrays, Tensors, Modules and optimisers, as machine code.

    The first call with new shapes, dtypes or settings runs `f` once for real and compiles what it did; further calls run
    the program. Tensors that `f` reads or changes (parameters, gradients, the state of optimisers, learning rates,
    random states) and arrays that it sees are used where they stand. Decisions by value, such as `if loss > 1`,
    are part of a program; where one comes out differently, another program is made. The result can be differentiated to any
    order, mapped and compiled again.

    Parameters
    ----------
    f : function of trees of arrays, Tensors and Modules; other arguments are part of the program
    check : run `f` as well at each call, and raise where the program differs
    precise : compute exp, sin and the like with the C library, to the last bit or so, rather than by polynomials
    disable : give `f` back as it is
    fullgraph, dynamic, backend, mode, options : of PyTorch's function of this name, without effect

    Returns
    -------
    a function of the same arguments, with `variants`, `explain(*args)` and `profile(*args)`

    Raises
    ------
    CompileError
        `f` uses something whose changes cannot be followed, such as a NumPy random generator, or changes a plain Python
        value.

    Examples
    --------
    >>> import chainrule as cr
    >>> @cr.compile
    ... def f(x):
    ...     return cr.sum(cr.sin(x) ** 2)
    >>> f(np.ones(3)).round(6), f(np.zeros(3))
    (np.float64(2.12422), np.float64(0.0))
    >>> cr.grad(f)(np.zeros(3))
    array([0., 0., 0.])
    """
    if f is None:
        return functools.partial(compile, check=check, precise=precise, disable=disable)
    return f if disable else Compiled(f, check, precise)
