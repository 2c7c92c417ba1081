"""What a function can see besides its arguments, and whether it is still what it was.

Tensors and arrays are read where they stand; everything else that a function sees is part of its compiled program: numbers,
flags such as `module.training`, which function a name stands for. A change makes another variant of the program.
"""

import array
import collections
import contextlib
import contextvars
import functools
import io
import os
import pathlib
import pickle
import random
import re
import sys
import threading
import types
import weakref
from typing import Any, NamedTuple

import numpy as np

from ..core.changes import LENGTH, Noted, changes
from ..core.value import Value
from ..errors import CompileError, explain
from ..tensor import Tensor
from ..transforms.custom import CustomFunction
from ..transforms.reverse import ROOT
from .code_names import all_names, attribute_chains, global_names, imported_modules, texts

PLAIN = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis), np.generic, np.dtype, range)
_DEPTH, _DEEP = 8, 50  # steps from the function to the last objects, and to the last dicts and lists, that are looked at
_MOST = 20_000  # places to look at before each call
# Packages whose functions do not change; the last stands in for every `assert` of a test.
_FOREIGN = {"numpy", "scipy", "einops", "opt_einsum", *sys.stdlib_module_names, "_pytest"} - {"__main__"}
_LIBRARIES = {"numpy", "scipy"}  # whose objects hold arrays and numbers: sparse matrices, interpolants
_LARGE = 1 << 16  # elements of an array from which on a sample of them is compared
_SAMPLE = 4096
_NAMED = (dict, types.MappingProxyType)  # the latter is that of a class
_HIDDEN = {
    "__init__", "__new__", "__repr__", "__doc__", "__module__", "__qualname__", "__dict__", "__weakref__", "__annotations__",
    "__slots__", "__abstractmethods__", "_abc_impl", "__parameters__", "__orig_bases__",
}  # fmt: skip
_OURS = __name__.partition(".")[0]
_RANDOM = (np.random.Generator, np.random.RandomState, random.Random)
_UNTRACKED = (*_RANDOM, types.GeneratorType, io.IOBase, map, filter, zip)
# Code with one of these names may use attributes that it does not name.
_REFLECTION = {
    "getattr", "setattr", "hasattr", "delattr", "vars", "dir", "eval", "exec", "__dict__", "__getattribute__", "attrgetter",
    "methodcaller", "asdict", "astuple", "fields",
}  # fmt: skip
_FROM_STATEMENT = 1 << 9  # Py_TPFLAGS_HEAPTYPE: of classes that are made while Python runs
_BUFFERS = (bytearray, memoryview, array.array)
# Modules whose objects hold what users put there.
_HOLDERS = {"types", "argparse", "collections", "_thread", "_queue", "queue", "threading"}
# Classes there use no attributes of those that derive from them.
_GENERAL = {"builtins", "abc", "typing", "enum", "typing_extensions"}


class Place(NamedTuple):
    """Where something stands: in `holder` under `key`. `versioned` holders tell when they change."""

    path: str
    holder: Any
    key: Any
    value: Any
    versioned: bool


def read(holder, key):
    """What stands there now."""
    if key is LENGTH:
        return len(holder)
    if isinstance(holder, _NAMED):
        return holder.get(key, _GONE)
    if isinstance(holder, types.CellType):
        try:
            return holder.cell_contents
        except ValueError:
            return _GONE
    try:
        return holder[key]
    except IndexError:
        return _GONE


_GONE = object()


def _restore(holder, key, value):
    """Let `value` stand there again; of a container that has grown, take off what is new."""
    if key is LENGTH:
        for k in [*holder][value:] if isinstance(holder, dict) else range(len(holder) - 1, value - 1, -1):
            del holder[k]
    elif isinstance(holder, types.CellType):
        if value is _GONE:
            del holder.cell_contents
        else:
            holder.cell_contents = value
    elif value is _GONE:
        holder.pop(key, None)
    else:
        holder[key] = value


def same(a, b):
    """Whether two things stand for the same in a program."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    return (
        repr(a) == repr(b) if isinstance(a, PLAIN) else isinstance(a, Contents) and a == b
    )  # 0.0 and -0.0 differ, NaNs do not


class Contents(tuple):
    """What a container held: equal to what holds the same things."""

    __slots__ = ()

    __hash__ = tuple.__hash__

    def __eq__(self, other):
        return len(self) == len(other) and all(map(same, self, other))

    def key(self):
        return tuple((type(x), repr(x)) if isinstance(x, PLAIN) else id(x) for x in self)


class Reader:
    """Stands for something that is read by a call rather than from a dict or list."""

    def __init__(self, read):
        self.read = read

    def __getitem__(self, key):
        try:
            return self.read()
        except (AttributeError, LookupError):
            raise IndexError from None


def watchable(thing, depth=0):
    """The objects in a tree of arguments that have settings of their own: Modules, optimisers, whatever is no array."""
    if isinstance(thing, (Value, np.ndarray, *PLAIN)) or depth > _DEPTH:
        return
    if type(thing) in (tuple, list, dict):
        for x in thing.values() if isinstance(thing, dict) else thing:
            yield from watchable(x, depth + 1)
    else:
        yield thing


def _key(x):
    if isinstance(x, Contents):
        return x.key()
    return (type(x), repr(x)) if isinstance(x, PLAIN) else id(x)


def _sample(array):
    """The array itself; of a large one elements throughout, which tell when it is filled anew, if not every single change."""
    if array.size <= _LARGE:
        return array
    if not array.flags.forc:
        return array[tuple(slice(None, None, max(1, n // 8)) for n in array.shape)]
    return array.reshape(-1, order="A")[:: array.size // _SAMPLE]


def _is_constant(x):
    return isinstance(x, Tensor) and x.note is None and x.owner is ROOT


def _looks(x):
    return (x.shape, x.dtype) if _is_constant(x) else None


def _is_filled(place):
    """Whether this is the length of a dict or set: a function may fill one when it first runs."""
    return place.key is LENGTH and not isinstance(getattr(place.holder, "thing", place.holder), list)


class Surroundings:
    """The places that a function's program hangs on, as they were when this was made.

    Parameters
    ----------
    f : function
    objects : further things that it can see: those of its arguments that are no arrays
    loose : (id of the holder, key) of places that it binds to new Tensors at each call: shape and dtype matter there
    contents : whether the numbers in the arrays that it sees matter
    """

    def __init__(self, f, objects=(), loose=(), contents=False):
        self.f, self.objects, self.loose = f, list(objects), loose
        self.places: list[Place] = []
        self.slots: list[Place] = []  # the loose ones
        self.functions: list = []  # (function, code, defaults, those of keywords): the first, and those with defaults
        self.arrays: list = []
        self.seen: dict = {}
        self.unused = False  # whether to look at what the function need not use: methods of a class, entries of a table
        self.drawing: dict = {}  # such functions, or their code, that draw random numbers -> from what
        self.generators: list = []  # (path, generator, its state) of those in attributes
        self.seeding = False  # whether it makes generators of its own
        self.used: set = set()  # names in the code that is reached
        self.todo: list = []  # those whose places are still to be looked at
        self.waiting: dict = {}  # name of an attribute that no code has named yet -> how to look at its places
        self.reflects = False  # whether code may use attributes that it does not name
        self.function(f, "")
        for i, thing in enumerate(self.objects):
            self.walk(thing, f"argument {i}", 0)
        while self.todo:
            for place, unused in self.waiting.pop(self.todo.pop(), ()):
                self.unused = unused
                self.place(*place)
        self.version = changes.count
        self.unversioned = [p for p in self.places if not (p.versioned or isinstance(p.holder, tuple))]
        # What is looked at before each call, sorted by how: names in dicts, cells of closures, everything else.
        self.names = [(p.holder, p.key, p.value) for p in self.unversioned if isinstance(p.holder, _NAMED)]
        self.cells = [(p.holder, p.value) for p in self.unversioned if type(p.holder) is types.CellType]
        self.rest = len(self.unversioned) - len(self.names) - len(self.cells)
        self.copies = [(part, part.copy()) for part in map(_sample, self.arrays)] if contents else []
        self.seen.clear()
        self.waiting.clear()

    def sees(self, objects):
        """Whether these are the objects among the arguments that it looked at."""
        return len(objects) == len(self.objects) and all(a is b for a, b in zip(objects, self.objects, strict=True))

    def valid(self):
        """Whether everything is as it was."""
        for f, code, defaults, keywords in self.functions:
            if f.__code__ is not code or f.__defaults__ is not defaults or f.__kwdefaults__ is not keywords:
                return False
        if changes.count == self.version and not (self.rest or self.slots or self.copies):
            for holder, key, value in self.names:
                if holder.get(key, _GONE) is not value:
                    break
            else:
                for cell, value in self.cells:
                    if read(cell, None) is not value:
                        break
                else:
                    return True
        places = self.places if changes.count != self.version else self.unversioned
        for p in places:
            now = read(p.holder, p.key)
            if now is not p.value and not same(now, p.value):
                return False
        for p in self.slots:
            if _looks(read(p.holder, p.key)) != _looks(p.value):
                return False
        for a, copy in self.copies:
            if not np.array_equal(a, copy):
                return False
        self.version = changes.count
        return True

    def refresh(self):
        """Look at what stands in loose places now."""
        self.slots = [p._replace(value=read(p.holder, p.key)) for p in self.slots]

    def after(self, loose):
        """What the function has changed: (places bound to new Tensors, whether a program can do it all again).

        Places found to be bound to new Tensors are added to `loose`, a dict.
        """
        slots, steady = [], True
        for p in (*self.slots, *self.places):
            now = read(p.holder, p.key)
            if now is p.value or same(now, p.value):
                continue
            if isinstance(p.holder, Noted) and p.key is LENGTH and now > p.value:
                continue  # first states of an optimiser: made outside of the program, which reads them
            if _is_constant(p.value) and _is_constant(now) and type(p.holder) in (dict, list):
                loose[id(p.holder), p.key] = p.holder
                slots.append((p.holder, p.key, p.value, now))
            elif p.value is not None and isinstance(p.value, PLAIN) and isinstance(now, PLAIN) and not _is_filled(p):
                raise CompileError(
                    explain(
                        f"compile: {self.name} changes {p.path}, a plain Python value, which its program would not do again",
                        f"before: {p.value!r}, after: {now!r}, in {self.where}",
                        help="keep what changes in a Tensor or a module's buffer, or change it outside of the function",
                    )
                )
            else:
                steady = False
        return slots, steady

    def put_back(self):
        """Undo what the function has changed when it was only written down; gives whether there was something."""
        changed = False
        for p in (*self.slots, *self.places):
            now = read(p.holder, p.key)
            if now is not p.value and not same(now, p.value):
                changed = True
                with contextlib.suppress(TypeError):  # of what cannot be assigned to
                    _restore(getattr(p.holder, "thing", p.holder), p.key, p.value)
        return changed

    def key(self):
        """What has to be equal for the same program to hold."""
        fixed = ((p.path, _key(p.value)) for p in self.places)
        loose = ((p.path, _looks(p.value)) for p in self.slots)
        codes = ((code, Contents(defaults or ()).key()) for _, code, defaults, _ in self.functions)
        return *fixed, *loose, *codes, *(("contents", copy.tobytes()) for _, copy in self.copies)

    # --- walking ----------------------------------------------------------------------------------------------------------

    def function(self, f, path, depth=0):
        while isinstance(f, functools.partial):
            self.arrays += [a for a in (*f.args, *f.keywords.values()) if isinstance(a, np.ndarray)]
            for i, a in enumerate(f.args):
                self.walk(a, f"{path}args[{i}]", depth)
            self.contents(f.keywords, f"{path}keywords", depth)
            f = f.func
        owner = getattr(f, "__self__", None)
        if owner is not None and not isinstance(owner, (types.ModuleType, type)):
            self.walk(owner, "self", depth)
        f = getattr(f, "__func__", f)
        wrapped = getattr(f, "__wrapped__", None)
        if wrapped is not None and wrapped is not f:
            self.function(wrapped, path, depth)
        code = getattr(f, "__code__", None)
        if code is None:
            if not isinstance(f, (types.BuiltinFunctionType, type, np.ufunc)) and hasattr(f, "__dict__"):
                self.walk(f, path or "self", depth)
            return
        if self.foreign(f.__globals__.get("__name__", "")):
            return
        self.use(code)
        self.attributes(vars(f), f"{path or f.__name__}.".replace("..", "."), depth)
        for module in imported_modules(code, f.__globals__):
            self.walk(module, module.__name__, depth)
        names = global_names(code)
        if names & {"globals", "eval", "exec"}:
            names = {*names, *re.findall(r"\w+", " ".join(texts(code)))}
        for name in sorted(names & f.__globals__.keys()):
            thing = f.__globals__[name]
            if not isinstance(thing, types.ModuleType):
                self.place(f.__globals__, name, name, depth, False)
                continue
            chains = [chain for base, *chain in attribute_chains(code) if base == name]
            self.check_module(thing, chains, name, code)
            if not self.foreign(thing.__name__):
                for attribute in sorted({attribute for attribute, _ in chains}):
                    self.place(vars(thing), attribute, f"{name}.{attribute}", depth, False)
            elif thing is os and any(attribute in ("environ", "getenv") for attribute, _ in chains):
                self.place(Reader(lambda: Contents(sorted(os.environ.items()))), None, "os.environ", depth, False)
        for name, cell in zip(code.co_freevars, f.__closure__ or (), strict=True):
            self.place(cell, None, name, depth, False)
        keywords = f.__kwdefaults__
        if f.__defaults__ or keywords or not self.functions:
            self.functions.append((f, code, f.__defaults__, keywords))
        for i, value in enumerate(f.__defaults__ or ()):
            self.walk(value, f"default {i}", depth)
        for name in list(keywords or ()):
            self.place(keywords, name, name, depth, False)

    @staticmethod
    def foreign(module):
        """Whether a function of this module is not the user's: such functions do not change."""
        first, _, rest = module.partition(".")
        return (first == _OURS and not rest.startswith("examples")) or first in _FOREIGN

    def check_module(self, thing, chains, name, code):
        """Refuse code that draws from a module; generators that it makes itself from a seed draw the same at each call."""
        if thing.__name__ == "numpy":
            drawn = {f"{name}.random": then for attribute, then in chains if attribute == "random"}
        elif thing.__name__ in ("random", "numpy.random"):
            drawn = {f"{name}.{attribute}": attribute for attribute, _ in chains} or {f"{name}....": None}
        else:
            return
        for what, function in drawn.items():
            if function == "default_rng":
                self.seeding = True
            elif self.unused:
                self.drawing[code] = what
            else:
                raise self.draws(what)

    def draws(self, what):
        return CompileError(
            explain(
                f"compile: {self.name} draws random numbers that the compiler cannot follow: {what}",
                f"in {self.where}",
                help="use cr.random, cr.rand or cr.randn: they are drawn anew at each call",
            )
        )

    def untracked(self, thing, path):
        return CompileError(
            explain(
                f"compile: {self.name} uses {path}, a {type(thing).__name__}, whose state the compiler cannot follow",
                f"in {self.where}",
                help="pass what it gives as an argument; for random numbers use cr.random",
            )
        )

    @contextlib.contextmanager
    def watched(self):
        """While the function runs for real: raises where it draws random numbers in ways that could not be seen before."""
        before = sys.getprofile()

        def calls(frame, event, arg):
            called = frame.f_code if event == "call" else arg if event == "c_call" else None
            if called is not None and called in self.drawing:
                raise self.draws(self.drawing[called])

        if self.drawing:
            sys.setprofile(calls)
        try:
            with self.seeds() if self.seeding else contextlib.nullcontext():
                yield
        finally:
            if self.drawing:
                sys.setprofile(before)
        for path, generator, state in self.generators:
            if pickle.dumps(generator) != state:
                raise self.untracked(generator, path)

    @contextlib.contextmanager
    def seeds(self):
        """While this thread is inside, `np.random.default_rng` wants a seed: without one it draws anew at each call."""
        real, thread = np.random.default_rng, threading.get_ident()

        @functools.wraps(real)
        def default_rng(seed=None):
            if seed is None and threading.get_ident() == thread:
                raise self.draws("np.random.default_rng without a seed")
            return real(seed)

        np.random.default_rng = default_rng
        try:
            yield
        finally:
            np.random.default_rng = real

    @property
    def name(self):
        return getattr(self.f, "__name__", type(self.f).__name__)

    @property
    def where(self):
        code = getattr(self.f, "__code__", None)
        return f"{code.co_filename.rpartition('/')[2]}:{code.co_firstlineno}" if code else self.name

    def place(self, holder, key, path, depth, versioned):
        value = read(holder, key)
        loose = (id(holder), key) in self.loose if self.loose else False
        (self.slots if loose else self.places).append(Place(path, holder, key, value, versioned))
        if len(self.places) > _MOST:
            raise CompileError(
                explain(
                    f"compile: {self.name} sees more than {_MOST} Python values, which would all be looked at before each call",
                    f"the last one: {path}, in {self.where}",
                    help="keep large tables in an array, or pass what a call needs as an argument",
                )
            )
        if value is not _GONE:
            self.walk(value, path, depth + 1)

    def use(self, code):
        """Attributes of these names are looked at from now on."""
        new = all_names(code) - self.used
        self.used |= new
        self.todo += sorted(new)
        if not self.reflects and new & _REFLECTION:
            self.reflects = True
            self.todo += sorted(self.waiting)

    def attribute(self, holder, key, path, depth, versioned=False):
        """A place that matters once code names it."""
        if self.reflects or key in self.used or (key[:2] == key[-2:] == "__"):
            self.place(holder, key, path, depth, versioned)
        else:
            self.waiting.setdefault(key, []).append(((holder, key, path, depth, versioned), self.unused))

    def attributes(self, own, path, depth):
        for k in list(own):
            if isinstance(k, str):
                self.attribute(own, k, f"{path}{k}", depth)

    def walk(self, thing, path, depth):
        if isinstance(thing, PLAIN) or id(thing) in self.seen:
            return
        if isinstance(thing, np.ndarray):
            self.seen[id(thing)] = thing
            self.arrays.append(thing)
        holds = isinstance(thing, (dict, list, tuple))
        if depth > (_DEEP if holds else _DEPTH):
            if holds:
                raise self.untracked(thing, path)
            return
        self.seen[id(thing)] = thing
        if isinstance(thing, _UNTRACKED) or (hasattr(type(thing), "__next__") and not isinstance(thing, Value)):
            if isinstance(thing, _RANDOM) and ("." in path or self.unused):
                self.generators.append((path, thing, pickle.dumps(thing)))
                return
            raise self.untracked(thing, path)
        if isinstance(thing, (Value, np.ndarray)):
            if type(thing) is not np.ndarray and hasattr(thing, "__dict__"):
                self.attributes(thing.__dict__, f"{path}.", depth)
            return
        if isinstance(thing, types.ModuleType):
            if not (self.foreign(thing.__name__) or _is_installed(thing)):
                outside, self.unused = self.unused, True
                self.attributes(vars(thing), f"{path}.", depth)
                self.unused = outside
            return
        if isinstance(thing, type):
            self.kind(thing, path, depth)
            return
        thing = _within(thing)
        if thing is np.random.default_rng or isinstance(_self(thing), _RANDOM):
            traced = isinstance(getattr(thing, "__func__", thing), (types.FunctionType, types.BuiltinMethodType))
            if not (self.unused and traced):
                raise self.draws(path)
            self.drawing[getattr(thing, "__code__", thing)] = path
            return
        if isinstance(thing, (types.FunctionType, types.MethodType, functools.partial)):
            self.function(thing, f"{path}.", depth)
            return
        if isinstance(thing, CustomFunction):
            for part in ("f", "jvp_rule", "fwd", "bwd"):
                self.place(vars(thing), part, f"{path}.{part}", depth, False)
            return
        watched = getattr(type(thing), "_watched", None)  # objects that tell of changes say what of them matters
        if watched is not None:
            named = _is_only(type(thing), "Module", "Running", "Stateful")
            for holder, key, name in watched(thing):
                if named and name[1:] == key and not key.startswith("_") and isinstance(read(holder, key), PLAIN):
                    self.attribute(holder, key, f"{path}{name}", depth, True)
                else:
                    self.place(holder, key, f"{path}{name}", depth, True)
            self.kind(type(thing), path, depth)
        elif isinstance(thing, Noted):
            self.place(thing, LENGTH, f"len({path})", depth, True)
            for k in list(thing):
                self.place(thing, k, _at(path, k), depth, True)
        elif isinstance(thing, (weakref.ref, contextvars.ContextVar)):
            self.place(Reader(thing if isinstance(thing, weakref.ref) else thing.get), None, f"{path}()", depth, False)
        elif isinstance(thing, _BUFFERS):
            if len(thing) > _LARGE:
                raise self.untracked(thing, path)
            self.place(Reader(lambda: bytes(thing)), None, path, depth, False)
        elif _module_of(type(thing)) != "builtins" or isinstance(thing, (*_NAMED, list, tuple, set, frozenset)):
            outside, self.unused = (
                self.unused,
                self.unused or isinstance(thing, (dict, list, tuple)),
            )  # of several, one may be used
            self.contents(thing, path, depth)
            self.unused = outside
            self.object(thing, path, depth)

    def contents(self, thing, path, depth):
        """What a container holds."""
        if isinstance(thing, _NAMED):
            if isinstance(thing, dict) and len(thing) != dict.__len__(thing):
                raise self.untracked(thing, path)  # it keeps elsewhere what it shows
            self.length(thing, path)
            self.place(Reader(lambda: Contents(thing)), None, f"the order of {path}", depth, False)
            for k in list(thing):
                self.place(thing, k, _at(path, k), depth, False)
        elif isinstance(thing, (list, tuple)):
            if isinstance(thing, list):
                self.length(thing, path)
            for i in range(len(thing)):
                self.place(thing, i, f"{path}[{i}]", depth, False)
        elif isinstance(thing, (set, frozenset, collections.deque)):
            self.place(Reader(lambda: Contents(thing)), None, path, depth, False)
            for x in thing:
                self.walk(x, f"{path}[...]", depth + 1)

    def elements(self, thing, path):
        """What stands in something that can become an array."""
        try:
            array = np.asarray(thing)
        except Exception:
            raise self.untracked(thing, path) from None
        if array.size > _LARGE:
            raise self.untracked(thing, path)
        return Contents(array.ravel().tolist() if array.dtype.hasobject else (array.dtype, array.tobytes()))

    def object(self, thing, path, depth):
        """The attributes that stand in an object, and what its class gives to it."""
        cls, own = type(thing), getattr(thing, "__dict__", {})
        if hasattr(cls, "__array__"):  # a data frame, or another library's array
            self.place(Reader(functools.partial(self.elements, thing, path)), None, f"{path}[...]", depth, False)
            if _is_installed(sys.modules.get(_module_of(cls))):
                return
        if self.foreign(_module_of(cls)) or _module_of(cls) == "builtins":
            if _module_of(cls) not in _HOLDERS and _module_of(cls).partition(".")[0] not in _LIBRARIES:
                return
            if _module_of(cls) != "types" and _module_of(cls) != "argparse":  # its own methods use them
                for k in own:
                    if k[:1] != "_" or _module_of(cls) in _HOLDERS:  # others keep there what they remember
                        self.place(own, k, f"{path}.{k}", depth, False)
                return
        if not _is_only(cls):
            for k in list(own):
                self.place(own, k, f"{path}.{k}", depth, False)
        if self.reflects:
            self.length(own, f"vars({path})")
        for c in cls.__mro__:
            if not self.foreign(_module_of(c)) and _module_of(c) != "builtins":
                for k, value in vars(c).items():
                    if isinstance(value, types.MemberDescriptorType):
                        self.attribute(Reader(functools.partial(getattr, thing, k)), k, f"{path}.{k}", depth)
                    elif k not in own and k not in _HIDDEN and k[:2] != "__":
                        self.attribute(own, k, f"{path}.{k}", depth)
        self.attributes(own, f"{path}.", depth)
        self.kind(cls, path, depth)

    def kind(self, cls, path, depth):
        """What a class of the user's gives to its objects: methods, which see more, and settings."""
        outside, self.unused = self.unused, True
        known: set = set()  # names that classes of others know, whose methods may use them
        for c in cls.__mro__:
            if _module_of(c) not in _GENERAL and self.foreign(_module_of(c)):
                known |= vars(c).keys()
        for c in (*cls.__mro__, *type(cls).__mro__):
            if c in self.seen or self.foreign(_module_of(c)) or _module_of(c) == "builtins":
                continue
            self.seen[c] = c
            for k in vars(c).keys() - _HIDDEN:
                if not isinstance(vars(c)[k], types.MemberDescriptorType):
                    (self.place if k in known else self.attribute)(vars(c), k, f"{path}.{k}", depth, False)
        self.unused = outside

    def length(self, thing, path):
        self.places.append(Place(f"len({path})", _Length(thing), LENGTH, len(thing), False))


class _Length:
    """Stands for a container whose length matters."""

    def __init__(self, thing):
        self.thing = thing

    def __len__(self):
        return len(self.thing)


def _at(path, key):
    return f"{path}[{key!r}]" if isinstance(key, PLAIN) else f"{path}[...]"


def _within(thing):
    """The function that a method, property or cache is made of."""
    if isinstance(thing, (staticmethod, classmethod)):
        thing = thing.__func__
    if isinstance(thing, functools.cached_property):
        thing = thing.func
    if isinstance(thing, property):
        thing = thing.fget
    if isinstance(thing, functools._lru_cache_wrapper):
        thing = thing.__wrapped__
    return thing


def _self(thing):
    """What a method is bound to; not asked of the user's `__getattr__`."""
    try:
        return object.__getattribute__(thing, "__self__")
    except AttributeError:
        return None


def _module_of(cls):
    """The module of a class. What `exec` makes in a namespace without a `__name__` says "builtins", but is the user's."""
    return "" if cls.__module__ == "builtins" and cls.__flags__ & _FROM_STATEMENT else cls.__module__


def _is_installed(module):
    """Whether a module comes from a package that somebody else wrote."""
    return bool({"site-packages", "dist-packages"} & set(pathlib.PurePath(getattr(module, "__file__", None) or "").parts))


def _is_only(cls, *bases):
    """Whether a class is the user's, and all that it derives from but for `bases`; else others may use its attributes."""
    others = [c for c in cls.__mro__ if Surroundings.foreign(_module_of(c)) and _module_of(c) not in _GENERAL]
    return cls not in others and {c.__name__ for c in others} <= set(bases)
