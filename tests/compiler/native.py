"""Run IR in tests: compile a module, call a function, and put arrays where reading beyond them is fatal."""

import ctypes
import mmap

import llvmlite.binding as llvm
import numpy as np

from chainrule.compiler.llvm import Function, Module, lanes

llvm.initialize_native_target()
llvm.initialize_native_asmprinter()
DTYPES = {"float": np.float32, "double": np.float64}
PAGE = mmap.PAGESIZE
_libc = ctypes.CDLL(None)


class Native:
    """A function `write(f, *pointers)` compiled; to be called with arrays."""

    def __init__(self, write, names):
        module = Module()
        f = Function(module, "entry", [("ptr", name) for name in names])
        write(f, **f.arguments)
        f.give()
        self.text = module.text()
        target = llvm.Target.from_default_triple().create_target_machine(
            cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=1, jit=True
        )
        parsed = llvm.parse_assembly(self.text)
        parsed.verify()
        self.engine = llvm.create_mcjit_compiler(parsed, target)
        self.engine.finalize_object()
        pointers = [ctypes.c_void_p] * len(names)
        self.entry = ctypes.CFUNCTYPE(None, *pointers)(self.engine.get_function_address("entry"))

    def __call__(self, *arrays):
        self.entry(*(a.ctypes.data for a in arrays))


def guarded(array, aligned=False):
    """A copy of an array that ends where memory ends: the page after it cannot be touched."""
    array = np.ascontiguousarray(array)
    pages = -(-max(array.nbytes, 1) // PAGE)
    memory = mmap.mmap(-1, (pages + 1) * PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    if _libc.mprotect(ctypes.c_void_p(start + pages * PAGE), ctypes.c_size_t(PAGE), 0):
        raise OSError("mprotect")
    offset = 0 if aligned else pages * PAGE - array.nbytes
    out = np.frombuffer(memory, array.dtype, array.size, offset).reshape(array.shape)
    out[...] = array
    return out


def workspace(size):
    """Scratch of exactly so many bytes, rounded up to 64, at the end of memory; filled with NaN."""
    size = -(-max(size, 64) // 64) * 64
    return guarded(np.full(size // 4, np.nan, np.float32))


def storing(f, t, pointer, place):
    """A `finish` that stores; `place(*indices)` gives the element."""

    def finish(*args):
        *indices, x, valid = args
        p = f.offset(pointer, place(*indices), t)
        if valid == lanes(x.type):
            f.store(x, p)
        else:
            f.store_some(x, p, valid)

    return finish


def slicing(f, part, parts):
    """The `share` of one of several threads."""

    def share(count):
        return f.index(count * part // parts), f.index(count * (part + 1) // parts)

    return share
