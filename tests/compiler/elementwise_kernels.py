"""A small harness: one elementwise kernel, compiled and called on arrays."""

import ctypes
import functools

import llvmlite.binding as llvm
import numpy as np

from chainrule.compiler.llvm import Function, Module, lanes, vector
from chainrule.compiler.scalars import TYPES, Number, Scalars

llvm.initialize_native_target()
llvm.initialize_native_asmprinter()


@functools.cache
def compiled(text):
    """The machine code of a module, after the passes that the compiler runs."""
    target = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=2, jit=True
    )
    code = llvm.parse_assembly(f'target triple = "{llvm.get_process_triple()}"\n{text}')
    code.verify()
    passes = llvm.create_new_module_pass_manager()
    passes.add_sroa_pass()
    passes.add_simplify_cfg_pass()
    passes.add_instruction_combine_pass()
    passes.run(code, llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options(2)))
    engine = llvm.create_mcjit_compiler(code, target)
    engine.finalize_object()
    return engine


def in_memory(dtype):
    return "i8" if dtype == np.bool_ else TYPES[dtype]


def run(build, args, out_dtype, n=0, precise=False):
    """`build(s, *numbers)` at every element of the broadcast `args`, `n` lanes at once. Python numbers stay what they are."""
    module = Module()
    pointers = [("ptr", f"x{i}") for i in range(len(args))]
    f = Function(module, "kernel", [("ptr", "out"), *pointers, ("i64", "n")])
    s, step = Scalars(f, n, precise), max(n, 1)
    shape = np.broadcast_shapes(*(np.shape(a) for a in args))
    size = int(np.prod(shape, dtype=int))
    padding = -size % step
    buffers = []
    with f.loop(0, f.arguments["n"], step) as turn:
        numbers = []
        for i, a in enumerate(args):
            if isinstance(a, np.ndarray):
                t = in_memory(a.dtype)
                value = f.load(vector(t, n), f.offset(f.arguments[f"x{i}"], turn.index, t))
                numbers.append(Number(value.differs(0) if a.dtype == np.bool_ else value, a.dtype))
                flat = np.broadcast_to(a, shape).ravel()
                buffers.append(np.concatenate([flat, np.ones(padding, a.dtype)]))
            else:
                numbers.append(a)
                buffers.append(np.zeros(1))
        out = build(s, *numbers)
        assert out.dtype == out_dtype
        value = out.value if lanes(out.value.type) == n else f.splat(out.value, n)
        assert value.type == vector(TYPES[out_dtype], n)
        if out_dtype == np.bool_:
            value = f.cast("zext", value, "i8")
        f.store(value, f.offset(f.arguments["out"], turn.index, in_memory(out_dtype)))
    f.give()
    address = compiled(module.text()).get_function_address("kernel")
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (len(args) + 1), ctypes.c_int64)(address)
    result = np.empty(size + padding, out_dtype)
    call(result.ctypes.data, *(b.ctypes.data for b in buffers), size + padding)
    return result[:size].reshape(shape)
