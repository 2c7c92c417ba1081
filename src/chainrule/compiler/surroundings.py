"""What a function can see besides its arguments, and whether it is still what it was.

Tensors and arrays are read where they stand; everything else that a function sees is part of its compiled program: numbers,
flags such as `module.training`, which function a name stands for. A change makes another variant of the program.
"""

import contextlib
import dis
import functools
import io
import pickle
import random
import sys
import types
from typing import Any, NamedTuple

import numpy as np

from ..core.changes import LENGTH, Noted, changes
from ..core.value import Value
from ..errors import CompileError, explain
from ..tensor import Tensor
from ..transforms.reverse import ROOT

PLAIN = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis), np.generic, np.dtype, range)
_DEPTH = 8
_MOST = 20_000  # places to look at before each call
# Packages whose functions do not change; the last stands in for every `assert` of a test.
_FOREIGN = {"numpy", "scipy", "einops", "opt_einsum", *sys.stdlib_module_names, "_pytest"} - {"__main__"}
_LARGE = 1 << 16  # elements of an array from which on its contents are not compared
_NAMED = (dict, types.MappingProxyType)  # the latter is that of a class
_HIDDEN = {
    "__init__", "__new__", "__repr__", "__doc__", "__module__", "__qualname__", "__dict__", "__weakref__", "__annotations__",
    "__slots__", "__abstractmethods__", "_abc_impl", "__parameters__", "__orig_bases__",
}  # fmt: skip
_OURS = __name__.partition(".")[0]
_RANDOM = (np.random.Generator, np.random.RandomState, random.Random)
_UNTRACKED = (*_RANDOM, types.GeneratorType, io.IOBase, map, filter, zip)


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


def same(a, b):
    """Whether two things stand for the same in a program."""
    if a is b:
        return True
    return type(a) is type(b) and isinstance(a, PLAIN) and (a == b or (a != a and b != b))


def watchable(thing, depth=0):
    """The objects in a tree of arguments that have settings of their own: Modules, optimisers, whatever is no array."""
    if isinstance(thing, (Value, np.ndarray, *PLAIN)) or depth > _DEPTH:
        return
    if type(thing) in (tuple, list, dict):
        for x in thing.values() if isinstance(thing, dict) else thing:
            yield from watchable(x, depth + 1)
    else:
        yield thing


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
        self.arrays: list = []
        self.seen: dict = {}
        self.unused = False  # whether to look at what the function need not use: methods of a class, entries of a table
        self.drawing: dict = {}  # code of such functions that draws random numbers -> from what
        self.generators: list = []  # (path, generator, its state) of those in attributes
        self.function(f, "")
        for i, thing in enumerate(self.objects):
            self.walk(thing, f"argument {i}", 0)
        self.version = changes.count
        self.unversioned = [p for p in self.places if not (p.versioned or isinstance(p.holder, tuple))]
        # What is looked at before each call, sorted by how: names in dicts, cells of closures, everything else.
        self.names = [(p.holder, p.key, p.value) for p in self.unversioned if isinstance(p.holder, _NAMED)]
        self.cells = [(p.holder, p.value) for p in self.unversioned if type(p.holder) is types.CellType]
        self.rest = len(self.unversioned) - len(self.names) - len(self.cells)
        self.copies = [(a, a.copy()) for a in self.arrays if a.size <= _LARGE] if contents else []
        self.seen.clear()

    def sees(self, objects):
        """Whether these are the objects among the arguments that it looked at."""
        return len(objects) == len(self.objects) and all(a is b for a, b in zip(objects, self.objects, strict=True))

    def valid(self):
        """Whether everything is as it was."""
        if changes.count == self.version and not (self.rest or self.slots or self.copies):
            for holder, key, value in self.names:
                if holder.get(key) is not value:
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

    def key(self):
        """What has to be equal for the same program to hold."""
        fixed = ((p.path, (type(p.value), repr(p.value)) if isinstance(p.value, PLAIN) else id(p.value)) for p in self.places)
        loose = ((p.path, _looks(p.value)) for p in self.slots)
        return *fixed, *loose, *(("contents", copy.tobytes()) for _, copy in self.copies)

    # --- walking ----------------------------------------------------------------------------------------------------------

    def function(self, f, path, depth=0):
        while isinstance(f, functools.partial):
            for i, a in enumerate(f.args):
                self.walk(a, f"{path}args[{i}]", depth)
            for k, a in f.keywords.items():
                self.walk(a, f"{path}{k}", depth)
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
        for name in sorted(_names(code) & f.__globals__.keys()):
            thing = f.__globals__[name]
            if not isinstance(thing, types.ModuleType):
                self.place(f.__globals__, name, name, depth, False)
                continue
            attributes = [attribute for base, attribute in _attributes(code) if base == name]
            self.check_module(thing, attributes, name, code)
            if not self.foreign(thing.__name__):
                for attribute in sorted(attributes):
                    self.place(vars(thing), attribute, f"{name}.{attribute}", depth, False)
        for name, cell in zip(code.co_freevars, f.__closure__ or (), strict=True):
            self.place(cell, None, name, depth, False)
        for i, value in enumerate(f.__defaults__ or ()):
            self.walk(value, f"default {i}", depth)
        for name, value in (f.__kwdefaults__ or {}).items():
            self.walk(value, name, depth)

    @staticmethod
    def foreign(module):
        """Whether a function of this module is not the user's: such functions do not change."""
        first, _, rest = module.partition(".")
        return (first == _OURS and not rest.startswith("examples")) or first in _FOREIGN

    def check_module(self, thing, attributes, name, code):
        if thing.__name__ in ("random", "numpy.random") or (thing.__name__ == "numpy" and "random" in attributes):
            drawn = f"{name}.random" if thing.__name__ == "numpy" else f"{name}.{next(iter(attributes), '...')}"
            if not self.unused:
                raise self.draws(drawn)
            self.drawing[code] = drawn

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
            if event == "call" and frame.f_code in self.drawing:
                raise self.draws(self.drawing[frame.f_code])

        if self.drawing:
            sys.setprofile(calls)
        try:
            yield
        finally:
            if self.drawing:
                sys.setprofile(before)
        for path, generator, state in self.generators:
            if pickle.dumps(generator) != state:
                raise self.untracked(generator, path)

    @property
    def name(self):
        return getattr(self.f, "__name__", type(self.f).__name__)

    @property
    def where(self):
        code = getattr(self.f, "__code__", None)
        return f"{code.co_filename.rpartition('/')[2]}:{code.co_firstlineno}" if code else self.name

    def place(self, holder, key, path, depth, versioned):
        value = read(holder, key)
        if value is _GONE:
            return
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
        self.walk(value, path, depth + 1)

    def walk(self, thing, path, depth):
        if isinstance(thing, PLAIN) or id(thing) in self.seen:
            return
        if isinstance(thing, np.ndarray):
            self.seen[id(thing)] = thing
            self.arrays.append(thing)
        if depth > _DEPTH:
            return
        self.seen[id(thing)] = thing
        if isinstance(thing, _UNTRACKED) or (hasattr(thing, "__next__") and not isinstance(thing, Value)):
            if isinstance(thing, _RANDOM) and ("." in path or self.unused):
                self.generators.append((path, thing, pickle.dumps(thing)))
                return
            raise self.untracked(thing, path)
        if isinstance(thing, (Value, np.ndarray, types.ModuleType)):
            return
        if isinstance(thing, type):
            self.kind(thing, path, depth)
            return
        if isinstance(thing, (staticmethod, classmethod)):
            thing = thing.__func__
        if isinstance(thing, property):
            thing = thing.fget
        if isinstance(thing, (types.FunctionType, types.MethodType, functools.partial)):
            self.function(thing, f"{path}.", depth)
            return
        watched = getattr(thing, "_watched", None)  # objects that tell of changes say what of them matters
        if watched is not None:
            for holder, key, name in watched():
                self.place(holder, key, f"{path}{name}", depth, True)
            self.kind(type(thing), path, depth)
            return
        outside = self.unused
        self.unused = outside or isinstance(thing, (dict, list, tuple))  # of several functions, one may be used
        self.inside(thing, path, depth)
        self.unused = outside

    def inside(self, thing, path, depth):
        """What a container or an object of the user's holds."""
        if isinstance(thing, Noted):
            self.place(thing, LENGTH, f"len({path})", depth, True)
            for k in list(thing):
                self.place(thing, k, f"{path}[{k!r}]" if isinstance(k, PLAIN) else f"{path}[...]", depth, True)
        elif isinstance(thing, dict):
            self.length(thing, path)
            for k in list(thing):
                self.place(thing, k, f"{path}[{k!r}]" if isinstance(k, PLAIN) else f"{path}[...]", depth, False)
        elif isinstance(thing, (list, tuple)):
            if isinstance(thing, list):
                self.length(thing, path)
            for i in range(len(thing)):
                self.place(thing, i, f"{path}[{i}]", depth, False)
        elif isinstance(thing, (set, frozenset)):
            self.length(thing, path)
        elif not self.foreign(type(thing).__module__) and type(thing).__module__ != "builtins":
            own = getattr(thing, "__dict__", {})
            self.length(own, f"vars({path})")
            for k in list(own):
                self.place(own, k, f"{path}.{k}", depth, False)
            self.kind(type(thing), path, depth)

    def kind(self, cls, path, depth):
        """What a class of the user's gives to its objects: methods, which see more, and settings."""
        outside, self.unused = self.unused, True
        for c in cls.__mro__:
            if c in self.seen or self.foreign(c.__module__) or c.__module__ == "builtins":
                continue
            self.seen[c] = c
            for k in vars(c).keys() - _HIDDEN:
                self.place(vars(c), k, f"{path}.{k}", depth, False)
        self.unused = outside

    def length(self, thing, path):
        self.places.append(Place(f"len({path})", _Length(thing), LENGTH, len(thing), False))


class _Length:
    """Stands for a container whose length matters."""

    def __init__(self, thing):
        self.thing = thing

    def __len__(self):
        return len(self.thing)


@functools.lru_cache(4096)
def _names(code):
    """The names that code looks up as globals, functions inside of it included; attributes may be called like other globals."""
    found = {step.argval for step in dis.get_instructions(code) if "GLOBAL" in step.opname or step.opname == "LOAD_NAME"}
    return found.union(*(_names(c) for c in code.co_consts if isinstance(c, types.CodeType)))


def _attributes(code):
    """(name, attribute) for every `name.attribute` of a global name in the code."""
    found, before = set(), None
    for step in dis.get_instructions(code):
        if before is not None and step.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            found.add((before, step.argval))
        if step.opname not in ("CACHE", "PRECALL"):
            before = step.argval if step.opname == "LOAD_GLOBAL" else None
    for c in code.co_consts:
        if isinstance(c, types.CodeType):
            found |= _attributes(c)
    return found
