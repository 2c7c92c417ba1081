"""What NumPy's detour costs: `np.f(x)` on a Tensor against `cr.numpy.f(x)`: `python benchmarks/numpy_calls.py`.

Both calls run turn by turn in one process on one thread, in short stretches; printed are the fastest stretches, in
microseconds a call, and their difference, which is as exact as the work allows. The last column is the detour by itself:
`np.f` when our function does nothing, less calling that function directly; it has no noise of the work in it. At most 1 us
is the aim.
"""

import argparse
import gc
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

import chainrule as cr
from chainrule.numpy_calls import NUMPY_FUNCTIONS, translation

X, Y = cr.tensor(np.linspace(0.1, 0.9, 4)), cr.tensor(np.linspace(1.0, 2.0, 4))
M = cr.tensor(np.eye(3) + 0.1)
CALLS = {
    "sin": ((X,), {}),
    "add": ((X, Y), {}),
    "maximum": ((X, Y), {}),
    "matmul": ((M, M), {}),
    "sum": ((X,), {}),
    "sum axis": ((M,), {"axis": 0}),
    "sum keepdims": ((M,), {"axis": 0, "keepdims": True}),
    "mean": ((M, 0), {}),
    "max": ((X,), {}),
    "cumsum": ((X,), {}),
    "dot": ((X, Y), {}),
    "where": ((X > 0.5, X, Y), {}),
    "clip": ((X, 0.2, 0.8), {}),
    "reshape": ((M, (9,)), {}),
    "transpose": ((M,), {}),
    "concatenate": (([X, Y],), {}),
    "stack": (([X, Y],), {}),
    "zeros_like": ((X,), {}),
    "sort": ((X,), {}),
    "pad": ((X, 1), {}),
    "interp": ((0.5, X, Y), {}),
    "einsum": (("ij,jk->ik", M, M), {}),
    "linalg.solve": ((M, M[0]), {}),
    "linalg.norm": ((X,), {}),
    "fft.fft": ((X,), {}),
}


def named(module, name):
    for part in name.split()[0].split("."):
        module = getattr(module, part)
    return module


def stretch(depth, f, args, kwargs, calls):
    """Microseconds a call, made below `depth` more calls.

    CPython keeps the frames of Python functions in chunks of memory. Calls that happen to cross the end of one map and
    unmap memory each time, which can cost more than everything measured here, and has nothing to do with who calls.
    """
    if depth:
        return stretch(depth - 1, f, args, kwargs, calls)
    start = time.perf_counter()
    for _ in range(calls):
        f(*args, **kwargs)
    return (time.perf_counter() - start) / calls * 1e6


def fastest(functions, args, kwargs, calls, rounds):
    """Microseconds a call of each function, which take turns."""
    best = [float("inf")] * len(functions)
    for k in range(rounds):
        for i, f in enumerate(functions):
            best[i] = min(best[i], stretch(3 * k % 32, f, args, kwargs, calls))
    return best


def nothing(*args, **kwargs):
    return None


def detour(theirs, args, kwargs, rounds):
    """What `theirs` adds to a call of ours that does nothing."""
    ours = NUMPY_FUNCTIONS[theirs]
    known = None if isinstance(theirs, np.ufunc) else translation(theirs)
    try:
        NUMPY_FUNCTIONS[theirs] = nothing
        if known:
            known.ours = nothing
        through, direct = fastest((theirs, nothing), args, kwargs, 500, rounds)
    finally:
        NUMPY_FUNCTIONS[theirs] = ours
        if known:
            known.ours = ours
    return through - direct


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=640, help="stretches of calls to take the fastest of")
    options = parser.parse_args()
    gc.disable()  # as timeit does: its pauses fall on whoever is running
    print(f"{'function':<16}{'np.f(x)':>10}{'cr.numpy.f(x)':>16}{'difference':>12}{'detour alone':>14}")
    differences, detours = [], []
    for name, (args, kwargs) in CALLS.items():
        theirs, ours = named(np, name), named(cr.numpy, name)
        slow, quick = fastest((theirs, ours), args, kwargs, 30, options.rounds)
        alone = detour(theirs, args, kwargs, options.rounds // 3)
        differences.append(slow - quick)
        detours.append(alone)
        print(f"{name:<16}{slow:>10.2f}{quick:>16.2f}{slow - quick:>12.2f}{alone:>14.2f}")
    print(f"{'largest':<16}{'':>26}{max(differences):>12.2f}{max(detours):>14.2f}")


if __name__ == "__main__":
    main()
