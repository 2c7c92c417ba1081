"""Where a primitive meets its arguments: the highest trace among them decides how it runs."""

import threading
import weakref
from itertools import count
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError, explain
from .value import Value, shape_of

next_level = count(1).__next__  # levels are never used twice, so an inner transform is always above an outer one
RECORDING_LEVEL = -1


class Trace:
    """A way to run primitives. Subclasses answer `process`; the one- and two-argument forms are for speed."""

    level: int

    def process(self, row, args, params):
        raise NotImplementedError

    def process1(self, row, x, params):
        return self.process(row, (x,), params or {})

    def process2(self, row, x, y):
        return self.process(row, (x, y), {})

    def has_none(self, x):
        """Whether `x` is a constant here, so that its value, one level down, is all that it is."""
        return False

    def shape_of(self, x):
        inner = x.value
        return inner.owner.shape_of(inner) if isinstance(inner, Value) else inner.shape


class _State(threading.local):
    """What the ops of this thread run under: tapes that must not record, and a recorder below all tapes."""

    root: Any = None  # the tape of level 0
    expansion: Any = None  # the trace of series, below all tapes
    layer_dtype = np.dtype(np.float32)  # of the parameters of new layers, in all threads

    def __init__(self):
        self.paused: tuple = ()  # tapes that do not record
        self.paused_below = -(10**9)  # tapes of a lower level than this do not record (no_grad)
        self.paused_for_good: Any = None  # the entry of `attention` that a call of set_grad_enabled(False) left
        self.dual: Any = None  # the trace of forward_ad.dual_level
        self.packing: Any = None  # what makes of all that operations at level 0 keep what is kept in its place
        self.anomaly = False  # whether walks back look for NaN
        self.inference = False  # whether inside of inference_mode
        self.recorder = None
        self.abstract: list = []  # traces that now run a function without computing: no value of theirs may decide anything
        self.whole: Any = None  # the one of them that writes down what is computed from outer Tensors alone, too
        self.phase = None  # what a recorded program says it is doing, such as "update"
        self.rules: tuple = ()  # whose derivative rules are being written down
        self.again = False  # whether what is recorded is differentiated on the same tape once more
        self.watchers: tuple = ()  # who wants to know which Tensors are `met` by an operation, or `assigned_to`
        self.scopes = []  # transforms now running their function, outermost first

    def ambient(self):
        """The tape that new Tensors belong to: level 0, or one above the innermost running transform."""
        return self.scopes[-1].tape() if self.scopes else self.root


state = _State()


# One entry for every context, in any thread, that needs the careful path (no_grad, recording, pauses). While it is
# empty, tapes skip every check.
attention: list = []


def writer_below(trace, args):
    """Who writes an operation down in place of `trace`, among whose Tensors are some from outside of a whole program."""
    whole = state.whole
    return whole if whole is not None and trace.level < whole.level and whole.reads(args) else None


def plain(x):
    """What a constant of level 0 holds, anything else as it is.

    Traces above take constants off with this, so that what a program computes of plain arrays stays plain although it
    assigned to Tensors that it made on the way, such as `np.zeros_like(x)`.
    """
    if not isinstance(x, Value) or x.owner is not state.root or x.note is not None or state.watchers or state.abstract:
        return x
    if state.recorder is not None:
        state.recorder.lift(x)  # it is read, and is an input of the program
    return x.value


_copies: dict = {}  # id of an array of the user's -> weak references to it and to the copy that was kept of it
_COMPARED = 4096  # bytes from which on a copy is looked for that is there already


def steady(x):
    """What to keep of an argument, which stands in the user's program and may be written to later: a copy of an array.

    Nothing is copied that nobody can write to. What is kept twice without having changed in between is copied once.
    """
    if type(x) is not np.ndarray:
        return x
    if x.nbytes < _COMPARED and x.flags.writeable and not state.abstract:
        return x.copy("K")
    if not _writable(x) or (state.abstract and reads_in_place(x)):
        return x
    of, copy = (ref() for ref in _copies.get(id(x), (_nothing, _nothing)))
    if of is not x or copy is None or copy.dtype != x.dtype or not np.array_equal(copy, x):
        copy = _frozen(x)
        number = id(x)
        _copies[number] = weakref.ref(x), weakref.ref(copy, lambda ref: _forget(number, ref))
    return copy


def _writable(x):
    """Whether somebody can write to an array, itself or what it is a view of."""
    while not x.flags.writeable:
        x = x.base
        if not isinstance(x, np.ndarray):
            return False
    return True


def _frozen(x):
    if 0 in x.strides and x.size > 1:  # copies of one and the same
        whole = tuple(slice(0, 1) if step == 0 else slice(None) for step in x.strides)
        return np.broadcast_to(_frozen(np.array(x[whole])), x.shape)
    copy = x.copy("K")
    copy.setflags(write=False)
    return copy


def _forget(number, ref):
    if number in _copies and _copies[number][1] is ref:
        del _copies[number]


def _nothing():
    return None


def reads_in_place(x):
    """Whether programs that are being written down read this array where it stands."""
    changing = frozenset().union(*(t.changing for t in state.abstract))
    while changing and isinstance(x, np.ndarray):
        if id(x) in changing:
            return True
        x = x.base
    return False


def dispatch(row, args, params):
    """Run a primitive: on plain arrays if none of its arguments is traced, else by the highest trace."""
    top = None
    for a in args:
        if isinstance(a, Value) and (top is None or a.owner.level > top.level):
            top = a.owner
    if top is None:
        return row.evaluate(*args, **params)
    return top.process(row, args, params)


def _given(row, args):
    if any(a is None for a in args):
        raise TypeError(f"{row.name}() needs {' and '.join(row.args)}, found {sum(a is not None for a in args)} of them")
    return args


def written(out, found):
    """Put `found` into the Tensor `out`, as PyTorch's functions do; it must have the shape."""
    if not isinstance(out, Value):
        raise ArgumentError(
            explain(
                "`out` must be a Tensor", f"found: {type(out).__name__}", help="write out[...] = f(x), or use chainrule.numpy"
            )
        )
    if shape_of(out) != shape_of(found):
        found_shapes = f"out: {shape_of(out)}    result: {shape_of(found)}"
        raise ShapeError(explain("`out` must have the shape of the result", found_shapes, help="leave `out` out"))
    target: Any = out  # a Tensor, which is defined further down
    return target.copy_(found)


def caller(row):
    """The function that users and rules call for this row, as direct as its arguments allow."""
    evaluate = row.evaluate

    def any_arguments(*args, **params):
        return dispatch(row, args, params)

    def one_with_parameters(x, **params):
        if isinstance(x, Value):
            return x.owner.process1(row, x, params)
        return evaluate(x, **params)

    def one(x=None, *, input=None, out=None):  # `input`, `other` and `out` are PyTorch's names
        if out is not None:
            return written(out, one(x, input=input))
        if isinstance(x, Value):
            return x.owner.process1(row, x, None)
        if x is None:
            return one(*_given(row, (input,)))
        return evaluate(x)

    def two(x=None, y=None, *, input=None, other=None, out=None):
        if out is not None:
            return written(out, two(x, y, input=input, other=other))
        if isinstance(x, Value):
            owner = x.owner
            if isinstance(y, Value):
                if y.owner is not owner and y.owner.level > owner.level:
                    owner = y.owner
            elif y is None:
                return two(x, *_given(row, (other,)))
            return owner.process2(row, x, y)
        if x is None or y is None:
            return two(*_given(row, (input if x is None else x, other if y is None else y)))
        if isinstance(y, Value):
            return y.owner.process2(row, x, y)
        return evaluate(x, y)

    if not row.simple:
        return any_arguments
    if row.params:
        return one_with_parameters
    return one if len(row.args) == 1 else two
