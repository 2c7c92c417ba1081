"""From LLVM text to functions that Python can call."""

import contextlib
import ctypes
import functools
import math
import os
import threading
import time
import weakref

import llvmlite.binding as llvm
import numpy as np

from ..core.graph import Constant
from .chooser import Chooser

_lock = threading.RLock()  # LLVM objects are shared
if hasattr(os, "register_at_fork"):  # a child must not find it held by a thread that it does not have
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)
_engines: list = []  # machine code lives as long as its engine
# What the first entries of a program's pointer table hold; its arrays follow.
ARENA, STATUS, FIXED = 0, 1, 2
# A program that takes longer than this lets other Python threads run meanwhile. If it then waits for them longer than it takes
# (they give way every 5 ms), it does not for so many calls.
LONG, PATIENCE = 100_000, 64  # nanoseconds, calls
PASSES = ("sroa", "simplify_cfg", "instruction_combine")


@functools.cache
def _ready():
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    for name in ("PyObject_CallNoArgs", "Py_DecRef", "Py_IncRef"):
        llvm.add_symbol(name, ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value)
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def add_symbol(name, function):
    """Let machine code call a C function."""
    _ready()
    llvm.add_symbol(name, ctypes.cast(function, ctypes.c_void_p).value)


def machine(opt=2):
    """The LLVM target machine of this processor."""
    cpu, features = _ready()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=cpu, features=features, opt=opt, jit=True, codemodel="jitdefault"
    )


def identity():
    """What machine code depends on besides its program: processor, its features, LLVM."""
    cpu, features = _ready()
    return f"{llvm.get_process_triple()} {cpu} {features} llvm{'.'.join(map(str, llvm.llvm_version_info))}"


@functools.cache
def registers():
    """(lanes of a float vector, number of vector registers) of this processor."""
    features = _ready()[1]
    if "+avx512f" in features and "+avx512vl" in features:
        return 16, 32
    if "+avx2" in features:
        return 8, 16
    return (4, 32) if "+neon" in features else (4, 16)


def assemble(text):
    """Object code of a module."""
    with _lock:
        target = machine()
        module = llvm.parse_assembly(text)
        module.triple = llvm.get_process_triple()
        module.verify()
        tuning = llvm.create_pipeline_tuning_options(speed_level=2)
        tuning.loop_vectorization = tuning.slp_vectorization = tuning.loop_unrolling = False
        builder = llvm.create_pass_builder(target, tuning)
        manager = llvm.create_new_module_pass_manager()
        for name in PASSES:
            getattr(manager, f"add_{name}_pass")()
        manager.run(module, builder)
        # A quarter of the time would go into making addresses cheaper, which are computed at the right loop already. This
        # option is of the whole process: others in it, such as Numba, shall find it as it was.
        llvm.set_option("", "-disable-lsr")
        try:
            return target.emit_object(module)
        finally:
            llvm.set_option("", "-disable-lsr=0")


def load(code, name):
    """Address of function `name` of object code."""
    with _lock:
        target = machine()
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target)
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        engine.finalize_object()
        _engines.append(engine)
        address = engine.get_function_address(name)
    assert address, f"no function {name} in object code"
    return address


class Turn:
    """Whose turn it is: one call at a time runs in the memory of a program, or changes what several programs change.

    Attributes
    ----------
    busy : 1 while a program runs without the interpreter's lock; 0 otherwise, also if one runs with it: no other can then
    """

    __slots__ = ("__weakref__", "busy", "holder", "lock")

    def __init__(self):
        self.lock = threading.Lock()
        self.busy = np.zeros(1, np.int64)
        self.holder = None  # the thread that took it here; native code, which nothing interrupts, does not say
        _turns.add(self)

    def take(self, wait):
        """Whether it is ours now. If it is another thread's, `wait` for it; what interrupted us has it for itself never."""
        if not self.lock.acquire(blocking=False):
            if not wait or self.holder == threading.get_ident():
                return False
            self.lock.acquire()
        self.holder = threading.get_ident()
        return True

    def give(self):
        self.holder = None
        self.lock.release()


_turns: weakref.WeakSet = weakref.WeakSet()


def _after_fork():
    for turn in _turns:  # those who had it are threads of the parent
        turn.lock._at_fork_reinit()
        turn.busy[0], turn.holder = 0, None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Runner:
    """A program in memory: its code, its arena, its table of pointers.

    Parameters
    ----------
    program : Program
    address : of its entry function

    Attributes
    ----------
    turn : Turn
        Held while it runs; shared with others by programs that change the same state.
    alone : whether a call waits for its turn, rather than to run in memory of its own
    """

    def __init__(self, program, address):
        self.program, self.address = program, address
        signature = ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64
        self.entry, self.entry_beside = ctypes.PYFUNCTYPE(*signature)(address), ctypes.CFUNCTYPE(*signature)(address)
        self.took, self.patience = 0, 0  # nanoseconds of the last call, calls that do not let others run
        self.arena = aligned_empty(program.arena)
        self.status = np.zeros(4, np.int64)
        self.chooser = Chooser(program.threads) if program.threads > 1 else None
        self.table = np.zeros(FIXED + len(program.slots), np.uint64)
        self.table_at = self.table.ctypes.data
        self.table[:FIXED] = self.arena.ctypes.data, self.status.ctypes.data
        self.kept: list = []  # what the table points to
        self.input_slots: list = []
        self.output_slots: list = []
        self.error: BaseException | None = None
        self.turn, self.alone = Turn(), False
        self.calls = any(kind == "call" for kind, _ in program.slots)
        for slot, (kind, what) in enumerate(program.slots, FIXED):
            if kind == "input":
                self.input_slots.append((slot, what))
            elif kind == "output":
                self.output_slots.append((slot, what))
            elif kind == "constant":
                array = np.ascontiguousarray(what.value)
                self.kept.append(array)
                self.table[slot] = array.ctypes.data
            else:
                call = self.callback(what)
                self.kept.append(call)
                self.table[slot] = id(call)

    def twin(self):
        """Another Runner of the same program."""
        return Runner(self.program, self.address)

    @contextlib.contextmanager
    def reserved(self):
        """This Runner, or another of the same program while this one is in use: by another thread, or around a callback."""
        run = self if self.turn.take(self.alone) else self.twin()
        try:
            yield run
        finally:
            if run is self:
                self.turn.give()

    def callback(self, call):
        """A function without arguments that runs a step by its NumPy evaluation, into the places of its results."""
        step = call.step
        base = self.arena.ctypes.data + call.table if call.inner else 0

        def array(operand):
            if isinstance(operand, Constant):
                return operand.value
            table = base or self.table_at
            kind, where = call.places[operand.id]
            if kind == "slot":
                address = ctypes.c_uint64.from_address(table + 8 * where).value
            else:
                address = ctypes.c_uint64.from_address(table + 8 * ARENA).value + where
            aval = operand.aval
            n = math.prod(aval.shape) * aval.dtype.itemsize
            memory = (ctypes.c_char * n).from_address(address)
            return np.frombuffer(memory, aval.dtype).reshape(aval.shape)

        def run():
            try:
                inputs = [array(x) for x in step.inputs]
                inputs = [x[()] if isinstance(x, np.ndarray) and x.ndim == 0 else x for x in inputs]
                out = step.row.evaluate(*inputs, **step.params)
                outs = out if isinstance(out, tuple) else (out,)
                for v, o in zip(step.outputs, outs, strict=True):
                    if np.shape(o) != v.aval.shape:
                        raise ShapeChanged(step, np.shape(o))
                    array(v)[...] = o
            except BaseException as e:
                note = f"in a compiled program: {step.row.name}, written at {step.source}"
                if note not in getattr(e, "__notes__", ()):
                    e.add_note(note)
                self.error = e
                raise

        return run

    def run(self, inputs, outputs):
        """Run the program on arrays that fit; `outputs` holds an array by id of each output variable. Gives the status."""
        for slot, k in self.input_slots:
            self.table[slot] = inputs[k].ctypes.data
        for slot, v in self.output_slots:
            self.table[slot] = outputs[v.id].ctypes.data
        self.status[0] = 0
        self.error = None
        beside = self.took > LONG and not self.patience and not self.calls  # callbacks need the interpreter
        n = 1 if self.chooser is None else self.chooser.choose()
        self.patience -= self.patience > 0
        self.turn.busy[0] = beside
        start = time.perf_counter_ns()
        try:
            status = (self.entry_beside if beside else self.entry)(self.table_at, 0, n)
        except BaseException:
            if self.error is None:
                raise
            return -1
        finally:
            self.turn.busy[0] = 0
        took = time.perf_counter_ns() - start
        if beside and took > 2 * self.took:
            self.patience = PATIENCE
            return status
        self.took = took
        if self.chooser is not None:
            self.chooser.record(n, took)
        return status


class ShapeChanged(Exception):
    """A step gives another shape than when it was recorded."""

    def __init__(self, step, shape):
        super().__init__(f"{step.row.name} gives shape {shape}")
        self.step, self.shape = step, shape


def aligned_empty(n):
    """Bytes of memory that begin at a multiple of 64, with slack behind them."""
    raw = np.empty(n + 192, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + n + 64]


def code_size(code):
    """Bytes of instructions in object code."""
    with _lock:
        return sum(s.size() for s in llvm.ObjectFileRef.from_data(code).sections() if s.is_text())
