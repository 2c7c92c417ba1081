"""`f.profile(...)`: where the time of a compiled program goes."""

import ctypes
import textwrap
import time
from dataclasses import dataclass, field

import numpy as np

from ..core.lowering import Assemble, Contract, Convolve, View
from ..core.primitive import ROWS
from ..errors import ArgumentError, CompileError, explain
from . import clock
from .clock import COPIES, COUNT, EMPTY, EXTRA, TIME
from .explain import KernelInfo, Scratch, count, kernels_of, operands_of, run_of, variant_of
from .native import prepare
from .program import DONE, FAILED_CALL

WARM_UP, TRIES = 3, 4


@dataclass
class KernelTime:
    """How long one kernel takes, in one run of the program.

    Attributes
    ----------
    kernel : KernelInfo; None for what copies new values over old ones in the end
    seconds : median over the runs; all turns of a loop together
    percent : of the whole program
    turns : how often it runs in one run of the program
    inside : the same of the kernels that run in it
    """

    kernel: KernelInfo | None
    seconds: float
    percent: float
    turns: float
    inside: list = field(default_factory=list)

    @property
    def number(self):
        return "" if self.kernel is None else self.kernel.number

    @property
    def kind(self):
        return "copies" if self.kernel is None else self.kernel.kind

    @property
    def flops_per_second(self):
        """Speed of products and convolutions; None for kernels without any."""
        flops = 0 if self.kernel is None else self.kernel.flops
        return flops * self.turns / self.seconds if flops and self.seconds > 0 else None

    @property
    def bytes_per_second(self):
        """Memory read and written; None where that is unknown."""
        size = 0 if self.kernel is None or self.inside else self.kernel.bytes
        return size * self.turns / self.seconds if size and self.seconds > 0 else None

    def __repr__(self):
        return f"<{self.kind} {self.number}: {self.seconds * 1e6:.2f} us, {self.percent:.1f} %>"

    def text(self, width=60):
        """'matmul, 2 add, relu' for its steps: products first, then the most frequent, in short."""
        if self.kernel is None:
            return "new values over old ones"
        most = sorted(self.kernel.rows.items(), key=lambda r: (rank(r[0]), -r[1]))
        return textwrap.shorten(", ".join(n if c == 1 else f"{c} {n}" for n, c in most), width, placeholder=" ...")

    def everything(self):
        """This one and those inside of it."""
        yield self
        for k in self.inside:
            yield from k.everything()


def rank(name):
    """Where a report names an operation: products and convolutions first, what only moves data last."""
    lower = ROWS[name].lower if name in ROWS else None
    return 0 if isinstance(lower, (Contract, Convolve)) else 2 if isinstance(lower, (View, Assemble)) else 1


class Profile:
    """How long the kernels of a program take. Print it for a table, the slowest first.

    Attributes
    ----------
    name : of the function
    kernels : list of KernelTime in the order in which they run; last, if there are any, the copies
    seconds : of one run, all kernels together
    whole : seconds of one run of the program as it is, without stamps: median
    repeat : number of runs
    overhead : seconds that one stamp takes, already subtracted
    """

    def __init__(self, name, kernels, whole, repeat, overhead):
        self.name, self.kernels, self.whole, self.repeat, self.overhead = name, kernels, whole, repeat, overhead
        self.seconds = sum(k.seconds for k in kernels)
        self.title = (
            f"{self.name}: {self.seconds * 1e6:,.2f} us in {count(sum(k.kernel is not None for k in kernels), 'kernel')}"
        )

    def __repr__(self):
        return f"<profile of {self.title}>"

    def slowest(self):
        """The kernels, those that take most time first, and the copies where they matter."""
        shown = [k for k in self.kernels if k.kernel is not None or k.percent >= 0.1]
        return sorted(shown, key=lambda k: -k.seconds)

    def __str__(self):
        head = f"{self.title}, median of {count(self.repeat, 'run')}; {self.whole * 1e6:.2f} us for the program without stamps"
        titles = ("kernel", "kind", "us", "%", "turns", "GFLOP/s", "GB/s", "steps")
        rows = [titles]

        def add(k, depth):
            speed, memory = k.flops_per_second, k.bytes_per_second
            rows.append(
                (
                    "  " * depth + k.number, k.kind, f"{k.seconds * 1e6:.2f}", f"{k.percent:.1f}", f"{k.turns:g}",
                    f"{speed / 1e9:.1f}" if speed else "", f"{memory / 1e9:.1f}" if memory else "", k.text(),
                )
            )  # fmt: skip
            for inner in sorted(k.inside, key=lambda i: -i.seconds):
                if inner.kernel is not None or inner.percent >= 0.1:
                    add(inner, depth + 1)

        for k in self.slowest():
            add(k, 0)
        widths = [max(len(r[c]) for r in rows) for c in range(len(titles) - 1)]
        lines = []
        for r in rows:
            cells = [x.ljust(w) if c < 2 else x.rjust(w) for c, (x, w) in enumerate(zip(r, widths, strict=False))]
            lines.append("  ".join([*cells, r[-1]]).rstrip())
        return "\n".join([head, *lines])


# --- measuring --------------------------------------------------------------------------------------------------------------


def profiled(compiled, args, kwargs, repeat):
    """The Profile of the program that a call with these arguments runs.

    Examples
    --------
    >>> import chainrule as cr
    >>> @cr.compile
    ... def f(x):
    ...     return cr.sort(cr.exp(x) - 1) * 2
    >>> p = f.profile(np.ones(1000), repeat=5)
    >>> [k.kind for k in p.kernels], round(sum(k.percent for k in p.kernels))
    (['loops', 'call', 'loops'], 100)
    """
    if not isinstance(repeat, int) or repeat < 1:
        raise ArgumentError(
            explain(
                "profile: `repeat` must be a whole number, 1 or more", f"found: {repeat!r}", help="leave it out for 20 runs"
            )
        )
    clock.usable()
    name = getattr(compiled.f, "__name__", "function")
    for _ in range(TRIES):
        variant, leaves = variant_of(compiled, args, kwargs, "profile")
        operands = operands_of(variant, leaves)
        if operands is None:
            continue
        with compiled.lock:
            plain = run_of(variant)
            program = plain.program.whole()
            timed = prepare(program.graph, program.updates.items(), program.precise, timed=True)
            found = measure(name, Scratch(timed, operands), Scratch(plain.twin(), operands), repeat)
        if found is not None:
            return found
    raise CompileError(
        explain(
            f"profile: the decisions of {name} come out differently each time",
            help="profile a part of it that takes no such decision",
        )
    )


def measure(name, timed, plain, repeat):
    """Run a program with stamps, and without; None if it decides otherwise than when it was recorded."""
    program = timed.run.program
    kernels = kernels_of(program)
    tables = list(tables_of(program))
    samples, whole = [], []
    for turn in range(WARM_UP + repeat):
        for t in tables:
            t[...] = 0
        timed.reset()
        plain.reset()
        status = timed()
        if status == FAILED_CALL:
            raise timed.run.error or CompileError(f"profile: a call back into NumPy failed in {name}")
        if status < DONE:
            raise IndexError(explain(f"profile: an index is out of bounds in {name}", help="call the function to see where"))
        if status != DONE:
            return None
        if turn == 0:
            plain()
            plain.reset()
        start = time.perf_counter()
        plain.again()
        end = time.perf_counter()
        if turn >= WARM_UP:
            samples.append([t.copy() for t in tables])
            whole.append(end - start)
    overhead = float(np.median([s[0][EMPTY - EXTRA, TIME] for s in samples]))
    times = Times(program, [dict(zip(map(id, tables), s, strict=True)) for s in samples], overhead)
    found = times.of(program, kernels)
    total = sum(k.seconds for k in found)
    for k in found:
        for inner in k.everything():
            inner.percent = 100 * inner.seconds / total if total else 0.0
    return Profile(name, found, max(float(np.median(whole)) - cost_of_a_call(), 1e-9), repeat, overhead * 1e-9)


def cost_of_a_call():
    """Seconds that Python takes to call machine code and to look at the clock."""
    nothing = ctypes.cast(ctypes.pythonapi.Py_IsInitialized, ctypes.c_void_p).value or 0
    call = ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(nothing)
    room = np.zeros(1, np.int64)
    at, taken = room.ctypes.data, []
    for _ in range(50):
        start = time.perf_counter()
        call(at, 0, 1)
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def parts_of(program):
    """The programs that run in each kernel, by its number."""
    return [[p.program for p in k.detail] if k.kind == "nested" else [] for k in program.kernels]


def tables_of(program):
    """Where a program and those inside of it write their times."""
    yield program.times
    for parts in parts_of(program):
        for p in parts:
            yield from tables_of(p)


class Times:
    """What the stamps of several runs say.

    Parameters
    ----------
    samples : for each run, a copy of the times of every program, by id of where it writes them
    overhead : nanoseconds of a stamp
    """

    def __init__(self, program, samples, overhead):
        self.samples, self.overhead = samples, overhead

    def stamps(self, program, table):
        """How many stamps were set, in and below a program, in one run."""
        below = sum(self.stamps(p, table) for parts in parts_of(program) for p in parts)
        return table[id(program.times)][:, COUNT].sum() + below

    def of(self, program, kernels):
        """KernelTimes of a program, given its KernelInfos."""
        out = []
        for n, (info, parts) in enumerate(zip(kernels, parts_of(program), strict=True)):
            inside = [
                k for p, infos in zip(parts, info.inside.values(), strict=True) for k in self.of(p, infos)
            ]  # fmt: skip
            out.append(self.one(program, n, info, parts, inside))
        if set(program.updates) - set(program.alias):
            out.append(self.one(program, len(program.kernels) + COPIES, None, [], []))
        return out

    def one(self, program, place, info, parts, inside):
        seconds, turns = [], []
        for table in self.samples:
            taken, turn = table[id(program.times)][place]
            stamps = turn + sum(self.stamps(p, table) for p in parts)
            seconds.append(max(taken - self.overhead * stamps, turn) * 1e-9)  # one nanosecond a turn at least
            turns.append(turn)
        return KernelTime(info, float(np.median(seconds)), 0.0, float(np.median(turns)), inside)
