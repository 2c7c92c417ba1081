"""Reads pickles as data: an interpreter that calls nothing but a few functions of its own.

Python's `pickle` runs what a file names. Here names stand for themselves until the reader asked for them, only those that it
knows are accepted, and no attribute of anything is ever set.
"""

import pickletools
from collections.abc import Callable
from typing import Any, NamedTuple

from ..errors import DataError


class PickleError(DataError):
    """A pickle is damaged or asks for something that is not read as data."""


class Known(NamedTuple):
    """What a name in a pickle stands for: a value, and a function if the pickle may call it."""

    value: Any
    call: Callable | None = None


class _Mark:
    pass


MARK = _Mark()
PLAIN = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINUNICODE",
    "BINBYTES", "BINBYTES8", "SHORT_BINBYTES", "BYTEARRAY8",
}  # fmt: skip
CONSTANTS: dict[str, Callable] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False, "EMPTY_LIST": list, "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple, "EMPTY_SET": set,
}  # fmt: skip
NOTHING_TO_DO = {"PROTO", "FRAME"}
LARGEST_KEY = 1000
DAMAGE = ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError, RecursionError, MemoryError


def read_pickle(file, known, persistent, set_state):
    """The value of the pickle that begins at the position of `file`, which is left behind its end.

    Parameters
    ----------
    file : binary file
    known : dict of Known by (module, name)
    persistent : function of a persistent id, for objects that stand outside of the pickle
    set_state : function (object, state) -> object, for objects that have a state besides what they are built from

    Raises
    ------
    PickleError
        The pickle is damaged, or names something that is not in `known`.
    """
    machine = _Machine(known, persistent, set_state)
    try:
        for opcode, argument, _ in pickletools.genops(file):
            if opcode.name == "STOP":
                return machine.result()
            machine.step(opcode.name, argument)
    except PickleError:
        raise
    except (*DAMAGE, DeprecationWarning) as error:  # the last, about strings, where a program turns warnings into errors
        raise PickleError(f"the pickle is damaged: {error!r}") from None
    raise PickleError("the pickle ends too early")


def pairs_of(values):
    """A dict of keys and values in turn."""
    return dict(zip(checked_keys(values[::2]), values[1::2], strict=True))


def checked_keys(keys):
    """The keys, unless one is a tuple of tuples of tuples ...: to hash such takes the whole stack, or for ever."""
    for key in keys:
        rest, count = [key], 0
        while rest and isinstance(key, (tuple, frozenset)):
            found = rest.pop()
            count += 1
            if count > LARGEST_KEY:
                raise PickleError("a key is made of too many parts")
            if isinstance(found, (tuple, frozenset)):
                rest += found
    return keys


class _Machine:
    def __init__(self, known, persistent, set_state):
        self.known, self.persistent, self.set_state = known, persistent, set_state
        self.stack: list = []
        self.memo: dict = {}

    def step(self, name, argument):
        if name in PLAIN:
            self.stack.append(argument)
        elif name in CONSTANTS:
            self.stack.append(CONSTANTS[name]())
        elif name not in NOTHING_TO_DO:
            method = getattr(self, f"on_{name}", None)
            if method is None:
                raise PickleError(f"the pickle asks for {name}, which is not read as data")
            method(argument)

    def result(self):
        value = self.pop()
        if self.stack:
            raise ValueError("values are left over")
        return value

    def pop(self):
        value = self.stack.pop()
        if value is MARK:
            raise ValueError("a mark where a value belongs")
        return value

    def since_mark(self):
        for i in range(len(self.stack) - 1, -1, -1):
            if self.stack[i] is MARK:
                values = self.stack[i + 1 :]
                del self.stack[i:]
                return values
        raise ValueError("no mark")

    def top(self, kind):
        if not isinstance(self.stack[-1], kind):
            raise ValueError(f"{type(self.stack[-1]).__name__} where a {kind.__name__} belongs")
        return self.stack[-1]

    # --- containers ---

    def on_MARK(self, _):
        self.stack.append(MARK)

    def on_POP(self, _):
        self.stack.pop()

    def on_POP_MARK(self, _):
        self.since_mark()

    def on_DUP(self, _):
        self.stack.append(self.stack[-1])

    def on_LIST(self, _):
        self.stack.append(self.since_mark())

    def on_TUPLE(self, _):
        self.stack.append(tuple(self.since_mark()))

    def on_TUPLE1(self, _):
        self.stack.append((self.pop(),))

    def on_TUPLE2(self, _):
        b, a = self.pop(), self.pop()
        self.stack.append((a, b))

    def on_TUPLE3(self, _):
        c, b, a = self.pop(), self.pop(), self.pop()
        self.stack.append((a, b, c))

    def on_DICT(self, _):
        self.stack.append(pairs_of(self.since_mark()))

    def on_FROZENSET(self, _):
        self.stack.append(frozenset(checked_keys(self.since_mark())))

    def on_APPEND(self, _):
        value = self.pop()
        self.top(list).append(value)

    def on_APPENDS(self, _):
        values = self.since_mark()
        self.top(list).extend(values)

    def on_SETITEM(self, _):
        value, key = self.pop(), self.pop()
        self.top(dict).update(pairs_of([key, value]))

    def on_SETITEMS(self, _):
        values = self.since_mark()
        self.top(dict).update(pairs_of(values))

    def on_ADDITEMS(self, _):
        values = self.since_mark()
        self.top(set).update(checked_keys(values))

    # --- memory ---

    def on_PUT(self, index):
        self.memo[index] = self.stack[-1]

    on_BINPUT = on_LONG_BINPUT = on_PUT

    def on_MEMOIZE(self, _):
        self.memo[len(self.memo)] = self.stack[-1]

    def on_GET(self, index):
        self.stack.append(self.memo[index])

    on_BINGET = on_LONG_BINGET = on_GET

    # --- what would run in Python's own reader ---

    def on_GLOBAL(self, argument):
        self.named(*argument.split(" ", 1))

    def on_STACK_GLOBAL(self, _):
        name, module = self.pop(), self.pop()
        self.named(module, name)

    def named(self, module, name):
        if (module, name) not in self.known:
            raise PickleError(f"the pickle names {module}.{name}, which is not read as data")
        found = self.known[module, name]
        self.stack.append(found if found.call else found.value)

    def on_REDUCE(self, _):
        arguments, function = self.pop(), self.pop()
        if not isinstance(function, Known) or function.call is None or type(arguments) is not tuple:
            raise PickleError("the pickle calls something that is not a function known to be harmless")
        self.stack.append(function.call(*arguments))

    on_NEWOBJ = on_REDUCE

    def on_BUILD(self, _):
        state = self.pop()
        built = self.stack[-1]
        self.stack[-1] = new = self.set_state(built, state)
        if new is not built:
            self.memo.update({i: new for i, value in self.memo.items() if value is built})

    def on_BINPERSID(self, _):
        self.stack.append(self.persistent(self.pop()))

    def on_PERSID(self, identity):
        self.stack.append(self.persistent(identity))
