"""One contender of one workload in a process of its own: commands come as JSON lines, and so do the answers.

Started by contest.py, with the threads' environment set: `worker.py WORKLOAD CONTENDER [--eager]`.
"""

import ctypes
import gc
import itertools
import json
import math
import os
import sys
import time

import numpy as np
from workloads import WORKLOADS
from workloads.common import CHAINRULE, JAX

LEAST = 5e-3  # seconds a turn takes at least, so that the clock and the loop do not count


def start_library(contender, eager):
    """Import the contender's library and compile something tiny, so that neither counts as memory or time of the workload."""
    if contender == CHAINRULE:
        import chainrule as cr

        if eager:
            cr.compile = lambda f: f
        train_tiny(cr.nn, cr.optim, cr.ones(2, 2))
        if hasattr(cr, "compile"):
            cr.compile(lambda x: x + 1)(np.ones(3))
    elif contender == JAX:
        import jax

        jax.block_until_ready(jax.jit(lambda x: x + 1)(np.ones(3)))
    else:
        import torch

        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        train_tiny(torch.nn, torch.optim, torch.ones(2, 2))


def train_tiny(nn, optim, x):
    """One step of training: PyTorch imports much of itself in its first."""
    layer = nn.Linear(2, 2)
    optimizer = optim.SGD(layer.parameters(), lr=0.1)
    optimizer.zero_grad()
    layer(x).sum().backward()
    optimizer.step()


def leaves(tree):
    if isinstance(tree, dict):
        tree = [tree[key] for key in sorted(tree)]
    if isinstance(tree, (list, tuple)):
        return [leaf for branch in tree for leaf in leaves(branch)]
    return [tree]


def plain(x):
    """A copy of any library's array."""
    x = x.detach() if hasattr(x, "detach") else x
    return np.array(x.numpy() if hasattr(x, "numpy") else x)


def anonymous(which):
    """Bytes of memory in use (VmRSS) or at the peak so far (VmHWM), without the pages of files such as libraries."""
    with open("/proc/self/status") as status:
        sizes = {
            name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in status) if rest.endswith("kB\n")
        }
    return 1024 * (sizes[which] - sizes["RssFile"] - sizes["RssShmem"])


def tidy():
    """Give freed memory back to the system, and forget the peak so far."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


class Contender:
    def __init__(self, workload, contender):
        self.workload, self.name = WORKLOADS[workload], contender
        builds = self.workload.contenders[contender]
        self.builds = builds if isinstance(builds, dict) else {"": builds}
        self.timed, self.repeats = {}, {}

    def first(self):
        """How long the first call takes."""
        program = next(iter(self.builds.values()))()
        return {"first": self.clock(program.call, program.wait, 1)}

    def build(self, folder):
        """Build all variants, call each three times, keep what it computes in files; times of first calls, and memory."""
        answer = {}
        for i, (variant, build) in enumerate(self.builds.items()):
            try:
                answer[variant] = self.build_one(variant, build, f"{folder}/{i}.npz", memory=i == 0)
            except Exception as error:
                answer[variant] = {"error": describe(error)}
        return answer

    def build_one(self, variant, build, path, memory):
        tidy()
        before = anonymous("VmRSS")
        program = build()
        outputs = []
        start = time.perf_counter()
        outputs += leaves(program.call())
        program.wait()
        first = time.perf_counter() - start
        outputs = [plain(x) for x in outputs]
        for _ in range(2):
            last = program.call()
        program.wait()
        state = program.state()
        arrays = {f"result {i}": x for i, x in enumerate(outputs)}
        arrays |= {f"last result {i}": plain(x) for i, x in enumerate(leaves(last))}
        arrays |= {name: plain(x) for name, x in state.items()}
        np.savez(path, **{name.replace("/", "|"): x for name, x in arrays.items()})
        del outputs, arrays, last, state
        answer = {"first": first, "path": path, "also": []}
        if memory and self.workload.memory:
            answer["memory"] = self.memory(program, before)
        self.timed[variant, ""] = program.call, program.wait
        for name, call in program.also.items():
            call()
            self.timed[variant, name] = call, program.wait
            answer["also"].append(name)
        return answer

    def memory(self, program, before):
        """Peak while calling, less what was in use before anything of the workload was made."""
        tidy()
        for _ in range(5):
            program.call()
        program.wait()
        return anonymous("VmHWM") - before

    def turn(self, variant, what):
        """Seconds of one call, as the mean over enough calls."""
        call, wait = self.timed[variant, what]
        if (variant, what) not in self.repeats:
            once = min(self.clock(call, wait, 1) for _ in range(3))
            self.repeats[variant, what] = math.ceil(LEAST / once)
        repeats = self.repeats[variant, what]
        return {"seconds": self.clock(call, wait, repeats) / repeats}

    @staticmethod
    def clock(call, wait, repeats):
        start = time.perf_counter()
        for _ in itertools.repeat(None, repeats):
            call()
        wait()
        return time.perf_counter() - start


def describe(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    missing = isinstance(error, (AttributeError, ImportError, NotImplementedError))
    return f"{'not available' if missing else 'failed'}: {type(error).__name__}: {lines[0] if lines else ''}"


def main():
    # Libraries print; the answers go out by a way of their own.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    workload, contender, *flags = sys.argv[1:]
    start_library(contender, "--eager" in flags)
    worker = Contender(workload, contender)
    for line in sys.stdin:
        command, *args = json.loads(line)
        try:
            answer = getattr(worker, command)(*args)
        except Exception as error:
            answer = {"error": describe(error)}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
