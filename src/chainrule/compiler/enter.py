"""From a Python call to a running program without Python in between.

One native function checks that arguments and captured Tensors are what the program was made for, reads the addresses of their
arrays out of the objects, and runs the program. It knows how CPython and NumPy lay out their objects; `usable` tests
that on real ones, and where it does not hold, calls take the way through Python.

While a program runs that takes long, other Python threads may run. Then it has taken its Turn, so that nothing else uses its
memory, and owns references to its arrays, so that they last.
"""

import ctypes
import functools
import hashlib
import sys

import numpy as np

from ..core.value import Value
from ..errors import CompileError
from ..tensor import Tensor
from ..transforms.backward import Leaf
from ..transforms.reverse import ROOT
from . import cache, clock
from .llvm import Function, Module
from .runtime import LONG, PATIENCE, add_symbol, assemble, identity, load

# Offsets in a PyArrayObject, and its flags.
DATA, NDIM, DIMENSIONS, BASE, DESCR, FLAGS = 16, 24, 32, 48, 56, 64
CONTIGUOUS, ALIGNED, WRITEABLE = 0x1, 0x100, 0x400

# The block that describes a program: a head, then a record for each array.
(
    TABLE, ENTRY, STATUS, ARGUMENTS, RECORDS, OUTPUTS, ROOT_OWNER, ARRAY_TYPE, THREADS, BUSY, TAKE, YES, GIVE, TOOK, HELD, HEAD,
) = range(16)  # fmt: skip
SOURCE, OBJECT, KIND, NOTE, DTYPE, AXES, LENGTHS, SLOT, FLAGS_WANTED, EXCLUSIVE, RECORD = range(11)
# Sources of arrays.
ARRAY_ARGUMENT, TENSOR_ARGUMENT, TENSOR, ARRAY, GRADIENT, SAME_ARGUMENT, NO_GRADIENT = range(7)

DOES_NOT_FIT = -3


def slot_offset(cls, name):
    """Where in an object of a class an attribute of its `__slots__` stands."""
    descriptor = cls.__dict__[name]
    member = ctypes.c_void_p.from_address(id(descriptor) + 40).value or 0
    return ctypes.c_ssize_t.from_address(member + 16).value


@functools.cache
def usable():
    """Whether objects are laid out in memory as this module takes for granted."""
    if (
        sys.implementation.name != "cpython"
        or ctypes.sizeof(ctypes.c_void_p) != 8
        or not getattr(sys, "_is_gil_enabled", lambda: True)()
    ):
        return False
    try:
        a = np.zeros((3, 5), np.float32)
        t = Tensor(a, a, None)  # a stands for an owner
        leaf = Leaf()
        leaf.grad = t

        def word(x, offset):
            return ctypes.c_void_p.from_address(id(x) + offset).value

        dims = word(a, DIMENSIONS)
        good = word(a, DATA) == a.ctypes.data and ctypes.c_int32.from_address(id(a) + NDIM).value == 2
        good &= [ctypes.c_int64.from_address(dims + 8 * i).value for i in range(2)] == [3, 5]
        good &= word(a, BASE) is None and word(a, DESCR) == id(a.dtype) and word(a, 8) == id(np.ndarray)
        good &= ctypes.c_int32.from_address(id(a) + FLAGS).value & 0x501 == 0x501
        good &= ctypes.c_int32.from_address(id(a[:, 1:]) + FLAGS).value & 1 == 0
        good &= word(t, slot_offset(Value, "value")) == id(a) and word(t, slot_offset(Value, "owner")) == id(a)
        good &= word(t, slot_offset(Value, "note")) == id(None) and word(leaf, slot_offset(Leaf, "grad")) == id(t)
        good &= ctypes.c_int32.from_address(id(leaf)).value == sys.getrefcount(leaf) - 1
        return bool(good)
    except Exception:
        return False


def _text(timed):
    """LLVM IR of the function: (block as an int object, arguments, their number) -> status as an int object.

    Without a clock (not `timed`) no program takes long.
    """
    module = Module()
    f = Function(module, "chainrule_enter", [("ptr", "self"), ("ptr", "args"), ("i64", "count")], "ptr")
    me, args, count = f.arguments.values()
    value, owner, note = (slot_offset(Value, name) for name in ("value", "owner", "note"))
    block = f.call("PyLong_AsVoidPtr", "ptr", me)
    found, room = f.stack("ptr"), f.stack("i64", 2)

    def now():
        return clock.now(f, room) if timed else f.constant("i64", 0)

    def word(i):
        return f.load("i64", block, i)

    def at(base, offset):
        return f.load("ptr", f.offset(base, offset))

    def number(p):
        return f.emit("i64", f"ptrtoint {p} to i64")

    def address(i):
        return f.emit("ptr", f"inttoptr {i} to ptr")

    def require(condition):
        tag = f.fresh("fits")
        f.line(f"br i1 {condition.text}, label %{tag}, label %misfit")
        f.label(tag)

    ours = f.stack("i1")  # whether the turn is ours
    f.store(f.constant("i1", False), ours)
    user, outputs, records_count = word(ARGUMENTS), word(OUTPUTS), word(RECORDS)
    require(count.equals(user + outputs))
    beside = (word(TOOK) > LONG) & word(HELD).equals(0)
    pins = f.emit("ptr", f"alloca ptr, {records_count}")
    with f.when(beside):
        said = f.call("PyObject_CallNoArgs", "ptr", address(word(TAKE)))
        f.call("Py_DecRef", "void", said)
        f.store(number(said).equals(word(YES)), ours)
    taken = f.load("i1", ours)
    require(taken.equals(beside) & f.load("i64", address(word(BUSY))).equals(0))
    table, root, array_type = address(word(TABLE)), word(ROOT_OWNER), word(ARRAY_TYPE)
    records = f.offset(block, 8 * HEAD)
    with f.loop(0, records_count) as turn:
        record = f.offset(records, turn.index * (8 * RECORD))
        item = [f.load("i64", record, k) for k in range(RECORD)]
        source = item[SOURCE]
        is_argument = (source < TENSOR) | source.equals(SAME_ARGUMENT)
        with f.when(is_argument):
            f.store(f.load("ptr", args, item[OBJECT]), found)
        with f.when(~is_argument):
            f.store(address(item[OBJECT]), found)
        with f.when(source.equals(GRADIENT)):
            tensor = at(f.load("ptr", found), slot_offset(Leaf, "grad"))
            f.store(tensor, found)
            require(f.load("i32", tensor).equals(1))
        with f.when(source.equals(NO_GRADIENT)):
            f.store(at(f.load("ptr", found), slot_offset(Leaf, "grad")), found)
        same = source.equals(SAME_ARGUMENT) | source.equals(NO_GRADIENT)
        f.store(f.constant("ptr", 0), pins, turn.index)
        with f.when(same):
            require(number(f.load("ptr", found)).equals(item[KIND]))
        with f.when(~same):
            require(number(at(f.load("ptr", found), 8)).equals(item[KIND]))
            with f.when(source.equals(TENSOR_ARGUMENT) | source.equals(TENSOR) | source.equals(GRADIENT)):
                tensor = f.load("ptr", found)
                require(number(at(tensor, owner)).equals(root))
                require(number(at(tensor, note)).equals(item[NOTE]))
                array = at(tensor, value)
                f.store(array, found)
                require(number(at(array, 8)).equals(array_type))
            a = f.load("ptr", found)
            require(number(at(a, DESCR)).equals(item[DTYPE]))
            require(f.cast("sext", f.load("i32", f.offset(a, NDIM)), "i64").equals(item[AXES]))
            lengths, wanted = at(a, DIMENSIONS), address(item[LENGTHS])
            with f.loop(0, item[AXES]) as axis:
                require(f.load("i64", lengths, axis.index).equals(f.load("i64", wanted, axis.index)))
            flags = f.cast("sext", f.load("i32", f.offset(a, FLAGS)), "i64")
            require((flags & item[FLAGS_WANTED]).equals(item[FLAGS_WANTED]))
            with f.when(item[EXCLUSIVE].differs(0)):
                require(f.load("i32", a).equals(1))
                require(number(at(a, BASE)).equals(0))
            f.store(at(a, DATA), table, item[SLOT])
            f.store(a, pins, turn.index)
    slots = f.offset(records, records_count * (8 * RECORD))
    with f.loop(0, outputs) as turn:
        array = f.load("ptr", args, turn.index + user)
        f.store(at(array, DATA), table, f.load("i64", slots, turn.index))
    f.store(f.constant("i64", 0), address(word(STATUS)))
    busy, interpreter = address(word(BUSY)), f.stack("ptr")
    with f.when(taken):
        with f.loop(0, records_count) as turn:
            f.call("Py_IncRef", "void", f.load("ptr", pins, turn.index))
        f.store(f.constant("i64", 1), busy)
        f.store(f.call("PyEval_SaveThread", "ptr"), interpreter)
    start = now()
    code = f.emit("i64", f"call i64 {address(word(ENTRY)).text}({table}, i64 0, {word(THREADS)})")
    end = now()
    with f.when(taken):
        f.call("PyEval_RestoreThread", "void", f.load("ptr", interpreter))
        f.store(f.constant("i64", 0), busy)
        waited = now() - end
        f.store(f.select(waited > end - start, f.constant("i64", PATIENCE), f.constant("i64", 0)), block, HELD)
        f.call("Py_DecRef", "void", f.call("PyObject_CallNoArgs", "ptr", address(word(GIVE))))
        with f.loop(0, records_count) as turn:
            f.call("Py_DecRef", "void", f.load("ptr", pins, turn.index))
    with f.when((word(HELD) > 0) & ~taken):
        f.store(word(HELD) - 1, block, HELD)
    f.store(end - start, block, TOOK)
    f.give(f.call("PyLong_FromLong", "ptr", code))
    f.label("misfit")
    with f.when(f.load("i1", ours)):
        f.call("Py_DecRef", "void", f.call("PyObject_CallNoArgs", "ptr", address(word(GIVE))))
    f.give(f.call("PyLong_FromLong", "ptr", f.constant("i64", DOES_NOT_FIT)))
    return module.text()


class _Method(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("function", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p)]


METH_FASTCALL = 0x80


@functools.cache
def _method():
    """The definition of the native function, for Python to make callables from."""
    for name in ("PyLong_AsVoidPtr", "PyLong_FromLong", "PyEval_SaveThread", "PyEval_RestoreThread"):
        add_symbol(name, getattr(ctypes.pythonapi, name))
    try:
        clock.usable()
        text = _text(timed=True)
    except CompileError:
        text = _text(timed=False)
    key = hashlib.blake2b(f"{identity()}\n{text}".encode(), digest_size=20).hexdigest()
    code = cache.load(key)
    if code is None:
        code = assemble(text)
        cache.store(key, code)
    return _Method(b"run", load(code, "chainrule_enter"), METH_FASTCALL, None)


def door(runner, records, arguments, outputs, kept):
    """A callable (arguments, new arrays for results) -> status that checks all and runs the program; None if unusable.

    Parameters
    ----------
    runner : Runner
    records : for each array that is read or written: a list of RECORD numbers
    arguments : number of arguments
    outputs : slots of the results, in the order in which their arrays are given
    kept : objects that the records refer to
    """
    if not usable():
        return None
    table = runner.table.copy()  # of its own: a call through Python may be under way in another thread
    take, give = functools.partial(runner.turn.lock.acquire, False), runner.turn.lock.release
    head = [
        table.ctypes.data,
        runner.address,
        runner.status.ctypes.data,
        arguments,
        len(records),
        len(outputs),
        id(ROOT),
        id(np.ndarray),
        1,
        runner.turn.busy.ctypes.data,
        id(take),
        id(True),
        id(give),
        0,
        0,
    ]
    block = np.array([*head, *(n for r in records for n in r), *outputs], np.int64)
    make = ctypes.pythonapi.PyCMethod_New
    make.restype = ctypes.py_object
    make.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.py_object, ctypes.c_void_p]
    method = _method()
    function = make(ctypes.addressof(method), block.ctypes.data, None, None)
    kept.extend((block, table, runner, runner.turn, take, give, method))
    return function if runner.chooser is None else timed(function, block, runner.chooser)


def timed(function, block, chooser):
    """`function` on as many threads as have proved fastest."""
    choose, record = chooser.choose, chooser.record

    def call(*args):
        n = choose()
        block[THREADS] = n
        status = function(*args)
        if status != DOES_NOT_FIT:
            record(n, int(block[TOOK]))
        return status

    return call


def record_of(source, what, x, slot, kept, exclusive=False, note=None, kind=None):
    """The record of one array: where it comes from, and what it must look like. `x` is one that fits."""
    lengths = np.array(x.shape, np.int64)
    kept.extend((lengths, x.dtype, note, kind, what))
    wanted = CONTIGUOUS | ALIGNED | (WRITEABLE if exclusive else 0)
    where = what if isinstance(what, int) else id(what)
    return [
        source, where, id(kind), id(note), id(x.dtype), x.ndim, lengths.ctypes.data, slot, wanted, int(exclusive),
    ]  # fmt: skip
