"""The threads that compiled programs run on: how many there are, when they begin and end.

There is one pool a process, made at the first region. The pool itself is machine code (`pool`); how many of its threads a
program should use is another question (`chooser`).
"""

import atexit
import contextlib
import ctypes
import hashlib
import os
import threading
import time

import llvmlite
import llvmlite.binding as llvm

from ..errors import ArgumentError, explain
from . import cache, pool
from .chooser import Chooser as Chooser
from .pool import MOST, SYMBOLS

PATIENCE = 5.0  # seconds that `stop` gives a region that is still running


class _Native:
    """The pool in machine code. Never disposed of, since threads may be running it."""

    def __init__(self, kind=None):
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        triple = llvm.get_process_triple()
        self.kind = kind or pool.kind_of(triple)
        text, cpu, features = pool.text(triple, self.kind), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()

        def machine():
            return llvm.Target.from_triple(triple).create_target_machine(
                cpu=cpu, features=features, opt=1, jit=True, codemodel="jitdefault"
            )

        made_of = (text, cpu, features, llvmlite.__version__, llvm.llvm_version_info)
        key = hashlib.blake2b(repr(made_of).encode(), digest_size=16).hexdigest()
        code = cache.load(key)
        if code is None:
            module = llvm.parse_assembly(text)
            module.verify()
            code = machine().emit_object(module)
            cache.store(key, code)
        self.engine = llvm.create_mcjit_compiler(llvm.parse_assembly(f'target triple = "{triple}"'), machine())
        self.engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self.engine.finalize_object()
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.engine))
        self.symbols = {name: self.engine.get_function_address(name) for name in SYMBOLS}
        number = ctypes.c_int32
        self.take = self._function("pool_take", number)
        self.release = self._function("pool_release", None)
        self.want = self._function("pool_want", None, number)
        self.resize = self._function("pool_resize", number, number)
        self.forget = self._function("pool_forget", None)
        self.ready = self._function("pool_init", number)() == 0

    def _function(self, name, result, *arguments):
        return ctypes.CFUNCTYPE(result, *arguments)(self.engine.get_function_address(name))

    @contextlib.contextmanager
    def idle(self, seconds):
        """Own the pool for the block, if the region that is running ends in time; gives whether it did."""
        until = time.monotonic() + seconds
        while not (taken := self.take()) and time.monotonic() < until:
            time.sleep(1e-4)
        try:
            yield bool(taken)
        finally:
            if taken:
                self.release()


# The one pool of the process

_lock = threading.Lock()
_native: _Native | None = None
_size: int | None = None  # None: not chosen yet


def default_size() -> int:
    """How many threads a pool has unless told otherwise.

    CHAINRULE_THREADS where it is set; else the processors this process may run on, by affinity and by container quota.

    Examples
    --------
    >>> from chainrule.compiler import threads
    >>> threads.default_size() >= 1
    True
    """
    text = os.environ.get("CHAINRULE_THREADS", "").strip()
    if text:
        if not text.isdecimal() or int(text) < 1:
            raise ArgumentError(
                explain(
                    "CHAINRULE_THREADS is not a number of threads",
                    f"found: {text!r}",
                    help="set it to 1 or more, or leave it out for one thread per processor",
                )
            )
        return min(int(text), MOST)
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(processors, _quota(), MOST))


def _quota():
    """Processors that a Linux container may use, rounded up; spinning beyond them would stop all threads at once."""
    try:
        with open("/sys/fs/cgroup/cpu.max") as file:
            quota, period = file.read().split()
        return -(-int(quota) // int(period))
    except (OSError, ValueError):  # no such file, or "max"
        return MOST


def symbols() -> dict[str, int]:
    """Compile the pool if need be, and make its functions known to LLVM's linker; their addresses by name.

    - `void chainrule_parallel(ptr fn, ptr args)` runs `void fn(i32 thread, i32 threads, ptr args)` on all threads of the pool
      and returns when all are done. Where the pool is taken, by a region around this one or by another Python thread, it runs
      `fn(0, 1, args)`: `fn` must be right for any number of threads.
    - `void chainrule_parallel_limited(i32 most, ptr fn, ptr args)` uses no more than `most` threads.
    - `void chainrule_barrier()`, in a region, waits until all its threads have come. All must call it equally often.

    A region must not wait for Python's lock on a thread other than 0, whose caller may hold it.

    Returns
    -------
    dict of str to int
    """
    return _load().symbols


def _load():
    global _native
    with _lock:
        if _native is None:
            number = _chosen()
            native = _Native()
            if not native.ready:  # no pthread key is left
                native = _Native("serial")
            _native = native
            for name, address in native.symbols.items():
                llvm.add_symbol(name, address)
            native.want(number)
            atexit.register(_finish, native)
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(before=_before_fork)
        return _native


def _chosen():
    global _size
    if _size is None:
        _size = default_size()
    return _size


def size() -> int:
    """How many threads a region has, the caller's included."""
    if _native is not None and _native.kind == "serial":
        return 1
    return _chosen()


def set_size(n: int) -> None:
    """Choose how many threads regions have from now on; workers come and go with the next region.

    Parameters
    ----------
    n : int, at least 1
    """
    global _size
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ArgumentError(
            explain("set_size takes a number of threads", f"found: {n!r}", help="1 means no threads but the caller's")
        )
    with _lock:
        _size = min(n, MOST)
        if _native is not None:
            _native.want(_size)


def get_num_threads() -> int:
    """How many threads compiled programs may use, PyTorch's name for `size`.

    >>> import chainrule as cr
    >>> cr.get_num_threads() >= 1
    True
    """
    return size()


def set_num_threads(n: int) -> None:
    """Choose how many threads compiled programs may use, PyTorch's name for `set_size`.

    Programs that were compiled for fewer threads keep to these.

    Parameters
    ----------
    n : int, at least 1; anything else raises an ArgumentError

    Examples
    --------
    >>> import chainrule as cr
    >>> before = cr.get_num_threads()
    >>> cr.set_num_threads(1)
    >>> cr.get_num_threads()
    1
    >>> cr.set_num_threads(before)
    """
    set_size(n)


def start(n: int | None = None) -> int:
    """Compile the pool and make its threads now, rather than at the first region.

    Parameters
    ----------
    n : int; default `size()`

    Returns
    -------
    int
        How many threads regions have; fewer than `n` where the system refuses more.
    """
    global _size
    if n is not None:
        set_size(n)
    native = _load()
    with _lock, native.idle(PATIENCE) as free:
        _size = _chosen()
        native.want(_size)
        if free:  # else they come after the region that is running
            _size = native.resize(_size)
        return _size


def stop() -> bool:
    """End the workers. Regions run on the calling thread alone until `start` or `set_size`.

    Returns
    -------
    bool
        Whether the workers have ended; False if a region kept running for too long. They then end with the process.
    """
    set_size(1)
    if _native is None:
        return True
    with _native.idle(PATIENCE) as free:
        if free:
            _native.resize(1)
        return free


def _finish(native):
    # A daemon thread may be in a region, for ever: then leave everything as it is, the process is about to end.
    native.want(1)
    with native.idle(1.0) as free:
        if free:
            native.resize(1)


def _before_fork():
    # A child has no workers. Ending them here gives it a pool in order, and both processes make new ones when they need them.
    if _native is not None:
        with _native.idle(0.0) as free:
            if free:
                _native.resize(1)


def _after_fork():
    global _lock
    _lock = threading.Lock()  # another thread of the parent may have held it
    if _native is not None:
        _native.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
