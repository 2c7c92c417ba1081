"""The pool of native threads, and the choice of how many to use. No time measured here decides anything."""

import ctypes
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler import pool as pool_code, threads
from chainrule.compiler.threads import Chooser
from chainrule.errors import ArgumentError

SOURCE = Path(cr.__file__).resolve().parents[1]
FUNCTION = ctypes.CFUNCTYPE(None, ctypes.c_int32, ctypes.c_int32, ctypes.c_void_p)
PARALLEL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
LIMITED = ctypes.CFUNCTYPE(None, ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)
BARRIER = ctypes.CFUNCTYPE(None)
KINDS = (
    ["serial"] if sys.platform == "win32" else ["serial", "posix", "futex"] if sys.platform == "linux" else ["serial", "posix"]
)

# struct Work { void (*barrier)(); i64 phases, n; i64 *data, *partial; } and, per phase: partial sums of a slice; barrier; every
# thread adds all of them to its slice; barrier. Integers, so that the result does not depend on the number of threads.
WORK = r"""
%work = type { ptr, i64, i64, ptr, ptr }
define void @phases(i32 %thread, i32 %threads, ptr %args) nounwind {
entry:
  %t = zext i32 %thread to i64
  %p = zext i32 %threads to i64
  %w = load %work, ptr %args
  %barrier = extractvalue %work %w, 0
  %count = extractvalue %work %w, 1
  %n = extractvalue %work %w, 2
  %data = extractvalue %work %w, 3
  %partial = extractvalue %work %w, 4
  %nt = mul i64 %n, %t
  %lo = udiv i64 %nt, %p
  %t1 = add i64 %t, 1
  %nt1 = mul i64 %n, %t1
  %hi = udiv i64 %nt1, %p
  %mine = getelementptr i64, ptr %partial, i64 %t
  br label %phase
phase:
  %k = phi i64 [0, %entry], [%k1, %next]
  br label %sum
sum:
  %i = phi i64 [%lo, %phase], [%i1, %sum.body]
  %s = phi i64 [0, %phase], [%s1, %sum.body]
  %more = icmp ult i64 %i, %hi
  br i1 %more, label %sum.body, label %summed
sum.body:
  %at = getelementptr i64, ptr %data, i64 %i
  %x = load i64, ptr %at
  %s1 = add i64 %s, %x
  %i1 = add i64 %i, 1
  br label %sum
summed:
  store i64 %s, ptr %mine
  call void %barrier()
  br label %total
total:
  %j = phi i64 [0, %summed], [%j1, %total]
  %a = phi i64 [0, %summed], [%a1, %total]
  %pj = getelementptr i64, ptr %partial, i64 %j
  %v = load i64, ptr %pj
  %a1 = add i64 %a, %v
  %j1 = add i64 %j, 1
  %others = icmp ult i64 %j1, %p
  br i1 %others, label %total, label %add
add:
  %m = phi i64 [%lo, %total], [%m1, %add.body]
  %rest = icmp ult i64 %m, %hi
  br i1 %rest, label %add.body, label %next
add.body:
  %am = getelementptr i64, ptr %data, i64 %m
  %y = load i64, ptr %am
  %y3 = mul i64 %y, 3
  %z = add i64 %y3, %a1
  store i64 %z, ptr %am
  %m1 = add i64 %m, 1
  br label %add
next:
  call void %barrier()
  %k1 = add i64 %k, 1
  %again = icmp ult i64 %k1, %count
  br i1 %again, label %phase, label %out
out:
  ret void
}
define void @many(ptr %parallel, i64 %regions, ptr %args) nounwind {
entry:
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%i1, %loop]
  call void %parallel(ptr @phases, ptr %args)
  %i1 = add i64 %i, 1
  %more = icmp ult i64 %i1, %regions
  br i1 %more, label %loop, label %out
out:
  ret void
}
"""


class Work(ctypes.Structure):
    _fields_ = [(n, ctypes.c_void_p if n in ("barrier", "data", "partial") else ctypes.c_int64) for n in
                ("barrier", "phases", "n", "data", "partial")]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHAINRULE_CACHE_DIR", str(tmp_path_factory.mktemp("cache") / "code"))
        patch.delenv("CHAINRULE_THREADS", raising=False)
        yield
    threads.stop()


@pytest.fixture(scope="module", params=KINDS)
def pool(request, _cache):
    """A pool of its own for every way to wait."""
    native = threads._Native(request.param)
    yield native
    with native.idle(10.0):
        native.resize(1)


@pytest.fixture(scope="module")
def many():
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(opt=2, jit=True, codemodel="jitdefault")
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(WORK), machine)
    engine.finalize_object()
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)(engine.get_function_address("many"))
    call.engine = engine
    return call


def run(many, symbols, regions, phases, n):
    """What the regions leave in the data, and what they should leave."""
    data, partial = np.arange(n), np.zeros(threads.MOST, np.int64)
    work = Work(symbols["chainrule_barrier"], phases, n, data.ctypes.data, partial.ctypes.data)
    many(symbols["chainrule_parallel"], regions, ctypes.addressof(work))
    expected = np.arange(n)
    for _ in range(regions * phases):
        expected = 3 * expected + expected.sum()
    return data, expected


def count_threads():
    return len(os.listdir("/proc/self/task"))


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_every_thread_runs_once(pool, n):
    pool.want(n)
    seen, home = [], threading.get_ident()
    function = FUNCTION(lambda thread, of, args: seen.append((thread, of, args, threading.get_ident() == home)))
    have = 1 if pool.kind == "serial" else n
    PARALLEL(pool.symbols["chainrule_parallel"])(ctypes.cast(function, ctypes.c_void_p), 77)
    assert sorted(seen) == [(i, have, 77, i == 0) for i in range(have)]
    for most in range(5):
        seen.clear()
        LIMITED(pool.symbols["chainrule_parallel_limited"])(most, ctypes.cast(function, ctypes.c_void_p), 77)
        assert sorted(seen) == [(i, max(1, min(most, have)), 77, i == 0) for i in range(max(1, min(most, have)))]


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_phases_see_what_all_threads_wrote(pool, many, n):
    pool.want(n)
    for regions, phases, size in (1, 1, 1), (5, 40, 3), (20, 10, 1000):
        data, expected = run(many, pool.symbols, regions, phases, size)
        assert data.tolist() == expected.tolist()


@pytest.mark.parametrize("n", [1, 2, 4])
def test_ten_thousand_regions(pool, many, n):
    pool.want(n)
    data, expected = run(many, pool.symbols, 10_000 if n < 4 else 300, 1, 16)
    assert data.tolist() == expected.tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [2, 3])
def test_threads_that_sleep_at_once_are_woken(many, monkeypatch, kind, n):
    monkeypatch.setattr(pool_code, "SPINS", 1)
    monkeypatch.setattr(pool_code, "IDLE_SPINS", 1)
    native = threads._Native(kind)
    native.want(n)
    data, expected = run(many, native.symbols, 1000, 3, 16)
    assert data.tolist() == expected.tolist()
    with native.idle(10.0) as free:
        assert free and native.resize(1) == 1


def test_sizes_change_between_regions(pool, many):
    chance = random.Random(0)
    for _ in range(60):
        pool.want(chance.randint(1, 4))
        data, expected = run(many, pool.symbols, chance.randint(1, 3), 2, 37)
        assert data.tolist() == expected.tolist()


def test_regions_within_regions_run_on_their_thread(pool):
    pool.want(2)
    parallel, barrier = PARALLEL(pool.symbols["chainrule_parallel"]), BARRIER(pool.symbols["chainrule_barrier"])
    seen = []

    def inner(thread, of, args):
        seen.append((args, thread, of))
        barrier()  # concerns nobody else

    inner = FUNCTION(inner)

    def outer(thread, of, args):
        for _ in range(1 + thread):  # as many as it likes
            parallel(ctypes.cast(inner, ctypes.c_void_p), 10 + thread)
        barrier()

    outer = FUNCTION(outer)
    parallel(ctypes.cast(outer, ctypes.c_void_p), None)
    assert sorted(seen) == ([(10, 0, 1)] if pool.kind == "serial" else [(10, 0, 1), (11, 0, 1), (11, 0, 1)])


def test_a_barrier_outside_regions_does_nothing(pool):
    BARRIER(pool.symbols["chainrule_barrier"])()


def test_python_threads_at_once(pool, many):
    pool.want(2)
    results = []

    def work(size):
        for _ in range(20):
            results.append(run(many, pool.symbols, 50, 3, size))  # noqa: PERF401

    workers = [threading.Thread(target=work, args=(size,)) for size in (5, 64, 300)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == 60 and all(np.array_equal(data, expected) for data, expected in results)


def test_while_a_region_runs_others_are_serial(pool):
    pool.want(2)
    parallel = PARALLEL(pool.symbols["chainrule_parallel"])
    entered, leave, seen = threading.Event(), threading.Event(), []

    def long(thread, of, args):
        entered.set()
        leave.wait()

    long, short = FUNCTION(long), FUNCTION(lambda thread, of, args: seen.append((thread, of)))
    holder = threading.Thread(target=parallel, args=(ctypes.cast(long, ctypes.c_void_p), None))
    holder.start()
    entered.wait()
    parallel(ctypes.cast(short, ctypes.c_void_p), None)
    leave.set()
    holder.join()
    assert seen == [(0, 1)]


@pytest.mark.parametrize("triple, kind", [
    ("x86_64-unknown-linux-gnu", "futex"), ("aarch64-unknown-linux-gnu", "futex"), ("riscv64-unknown-linux-gnu", "posix"),
    ("arm64-apple-darwin22.6.0", "posix"), ("x86_64-apple-darwin22.6.0", "posix"), ("x86_64-pc-windows-msvc", "serial"),
])  # fmt: skip
def test_other_platforms(triple, kind):
    assert pool_code.kind_of(triple) == kind
    llvm.parse_assembly(pool_code.text(triple, kind)).verify()


# The pool of the process


def test_symbols_are_known_to_the_linker():
    for name, address in threads.symbols().items():
        assert llvm.address_of_symbol(name) == address != 0


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_start_and_stop(many):
    assert threads.stop() is True and threads.size() == 1
    before = count_threads()
    assert threads.start(3) == threads.size() == 3 and count_threads() == before + 2
    data, expected = run(many, threads.symbols(), 3, 3, 30)
    assert data.tolist() == expected.tolist()
    threads.set_size(2)
    assert threads.size() == 2
    data, expected = run(many, threads.symbols(), 3, 3, 30)
    assert data.tolist() == expected.tolist() and count_threads() == before + 1
    assert threads.stop() is True and threads.size() == 1 and count_threads() == before
    data, expected = run(many, threads.symbols(), 3, 3, 30)
    assert data.tolist() == expected.tolist() and count_threads() == before


@pytest.mark.parametrize("wrong", [0, -1, 2.0, "2", True, None])
def test_wrong_sizes(wrong):
    with pytest.raises(ArgumentError, match=r"set_size takes a number of threads(.|\n)*help:"):
        threads.set_size(wrong)


def test_default_size(monkeypatch):
    assert 1 <= threads.default_size() <= (os.cpu_count() or 1)
    monkeypatch.setenv("CHAINRULE_THREADS", "3")
    assert threads.default_size() == 3
    monkeypatch.setenv("CHAINRULE_THREADS", "100000")
    assert threads.default_size() == threads.MOST
    for wrong in "0", "-2", "many", "1.5":
        monkeypatch.setenv("CHAINRULE_THREADS", wrong)
        with pytest.raises(ArgumentError, match="CHAINRULE_THREADS"):
            threads.default_size()


PROGRAM = """
import ctypes, os, signal, sys, threading, time, warnings
from chainrule.compiler import threads
FUNCTION = ctypes.CFUNCTYPE(None, ctypes.c_int32, ctypes.c_int32, ctypes.c_void_p)
parallel = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(threads.symbols()["chainrule_parallel"])
def region():
    seen = []
    function = FUNCTION(lambda thread, of, args: seen.append((thread, of)))
    parallel(ctypes.cast(function, ctypes.c_void_p), None)
    return sorted(seen)
def count():
    return len(os.listdir("/proc/self/task"))
"""


def program(text, **env):
    """Run a Python program that must end by itself; what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM + text], env={**os.environ, "PYTHONPATH": str(SOURCE), **env},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout.strip()


@pytest.mark.skipif(sys.platform == "win32", reason="serial there")
@pytest.mark.parametrize("ending", [
    "", "time.sleep(0.05)", "threads.stop()", "sys.exit(0)", "del threads, parallel", "threading.Thread(target=region).start()",
    "threads.set_size(4)", "import atexit; atexit.register(region)",
])  # fmt: skip
def test_the_interpreter_ends_cleanly(ending):
    assert program(f"threads.start(3)\nprint(region())\n{ending}") == "[(0, 3), (1, 3), (2, 3)]"


@pytest.mark.skipif(sys.platform == "win32", reason="serial there")
def test_the_interpreter_ends_while_a_daemon_thread_is_in_a_region():
    text = """
threads.start(2)
entered = threading.Event()
long = FUNCTION(lambda thread, of, args: (entered.set(), time.sleep(10_000)))
threading.Thread(target=parallel, args=(ctypes.cast(long, ctypes.c_void_p), None), daemon=True).start()
entered.wait()
print(region())
"""
    assert program(text) == "[(0, 1)]"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_a_pool_of_its_own():
    text = """
threads.start(3)
assert len(region()) == 3
sys.stdout.flush()
child = os.fork()
if child == 0:
    assert count() == 1 and threads.size() == 3
    assert region() == [(0, 3), (1, 3), (2, 3)] and count() == 3
    grandchild = os.fork()
    if grandchild == 0:
        threads.set_size(2)
        os._exit(region() != [(0, 2), (1, 2)])
    assert os.waitpid(grandchild, 0)[1] == 0 and len(region()) == 3
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
assert len(region()) == 3
print("both")
"""
    assert program(text) == "both"


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_a_fork_while_another_thread_is_in_a_region():
    text = """
warnings.simplefilter("ignore")  # Python 3.12 says that this is risky
threads.start(2)
entered, leave = threading.Event(), threading.Event()
def long(thread, of, args):
    entered.set()
    leave.wait()
long = FUNCTION(long)
holder = threading.Thread(target=parallel, args=(ctypes.cast(long, ctypes.c_void_p), None))
holder.start()
entered.wait()
child = os.fork()
if child == 0:
    assert count() == 1
    os._exit(region() != [(0, 2), (1, 2)])
assert os.waitpid(child, 0)[1] == 0
leave.set()
holder.join()
print(region())
"""
    assert program(text) == "[(0, 2), (1, 2)]"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forks_while_another_thread_compiles():
    text = """
import numpy as np, chainrule as cr
warnings.simplefilter("ignore")
shared, stop = cr.compile(lambda x: cr.sin(x).sum()), threading.Event()
def busy():
    k = 0
    while not stop.is_set():
        k += 1
        cr.compile(lambda x: cr.cos(x) * k)(np.ones(k % 7 + 1)), shared(np.ones(k % 50 + 1))
thread = threading.Thread(target=busy)
thread.start()
for n in range(4):
    time.sleep(0.2)
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        found = shared(np.zeros((2, 3))), cr.compile(lambda x: cr.exp(x).sum())(np.zeros((3, n + 1)))
        os._exit(found != (0, 3 * n + 3))
    assert os.waitpid(child, 0)[1] == 0
stop.set()
thread.join()
print("all")
"""
    assert program(text) == "all"


@pytest.mark.skipif(sys.platform != "linux", reason="the limit counts threads there")
def test_fewer_threads_than_asked_for():
    """Where the system refuses threads, the pool makes do."""
    text = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, 4 * 2**30))
libc = ctypes.CDLL(None)
attributes = ctypes.create_string_buffer(256)
libc.pthread_attr_init(attributes)
libc.pthread_attr_setstacksize(attributes, ctypes.c_size_t(2**29))  # 100 such stacks do not fit
libc.pthread_setattr_default_np(attributes)
have = threads.start(100)
assert 1 <= have < 100, have
assert len(region()) == have and len(region()) == have
print("made do")
"""
    assert program(text) == "made do"


def test_signals_are_left_to_python():
    if sys.platform != "linux":
        pytest.skip("reads /proc")
    text = """
threads.start(2)
from pathlib import Path
masks = [Path(f"/proc/self/task/{t}/status").read_text().split("SigBlk:")[1].split()[0] for t in os.listdir("/proc/self/task")]
print(sum(mask.lstrip("0") != "" for mask in masks), signal.pthread_sigmask(signal.SIG_BLOCK, []))
"""
    assert program(text).startswith("1 ") and program(text).endswith("set()")


@pytest.mark.parametrize("text, size", [("1", 1), ("2", 2)])
def test_the_environment_chooses_the_size(text, size):
    assert program("print(len(region()), threads.size())", CHAINRULE_THREADS=text) == f"{size} {size}"


# The choice of how many, with times that a model of the machine makes up


def simulate(chooser, calls, serial, parallel):
    """Run a program many times: mean time of a call, and the part of calls that ran on threads."""
    total = threaded = 0
    for _ in range(calls):
        n = chooser.choose()
        ns = serial() if n == 1 else parallel()
        chooser.record(n, ns)
        total += ns
        threaded += n > 1
    return total / calls, threaded / calls


def machine(seed=0):
    """Calls of 300 us alone; on two threads 170 us, but 4 ms now and then if another process is `busy`."""
    chance = random.Random(seed)

    def noisy(us, stall=0.0, odds=0.0):
        return lambda: 1e3 * us * (1 + abs(chance.gauss(0, 0.05))) + (stall if chance.random() < odds else 0)

    return {
        "idle": (noisy(300), noisy(170, 2e6, 0.001)),
        "busy": (noisy(306, 3e6, 0.01), noisy(180, 4e6, 0.09)),
        "slower": (noisy(300), noisy(310)),
        "asleep": (noisy(300), noisy(900)),
    }


def test_threads_are_used_where_they_help():
    chooser = Chooser(2)
    mean, share = simulate(chooser, 2000, *machine()["idle"])
    assert share > 0.85 and mean < 210e3 and chooser.choose() == 2


@pytest.mark.parametrize("state", ["busy", "slower", "asleep"])
def test_threads_never_cost_more_than_one_alone(state):
    serial, parallel = machine()[state]
    alone = np.mean([serial() for _ in range(20_000)])
    mean, share = simulate(Chooser(2), 20_000, serial, parallel)
    assert share < 0.02 and mean < 1.05 * alone


def test_a_machine_that_becomes_busy_and_free_again():
    states, chooser = machine(), Chooser(4)
    simulate(chooser, 3000, *states["idle"])
    assert chooser.choose() == 4
    stalled = (states["idle"][0], lambda: 2e6)
    chooser.record(4, 2e6)
    assert chooser.choose() == 4  # what was gained before pays for one time slice
    taken = [chooser.choose() for _ in range(10) if chooser.record(chooser.choose(), stalled[chooser.choose() > 1]()) is None]
    assert taken.count(4) < 4 and taken[-1] == 1  # but not for several
    assert simulate(chooser, 2000, *stalled)[1] < 0.01
    simulate(chooser, 15_000, *states["idle"])
    assert simulate(chooser, 2000, *states["idle"])[1] > 0.85


def test_serial_calls_that_become_faster_are_noticed():
    chooser = Chooser(2)
    simulate(chooser, 2000, *machine()["idle"])
    simulate(chooser, 20_000, lambda: 50e3, lambda: 170e3)
    assert chooser.choose() == 1


def test_short_programs_never_wake_the_workers():
    assert simulate(Chooser(2), 5000, lambda: 2e3, lambda: 1e3)[1] == 0


def test_one_thread_has_no_choice():
    assert simulate(Chooser(1), 100, lambda: 1e6, lambda: 1e3) == (1e6, 0)


def test_records_of_a_decision_that_is_over_are_ignored():
    chooser = Chooser(2)
    simulate(chooser, 100, *machine()["idle"])
    assert chooser.choose() == 2
    chooser.record(1, 1e12)
    assert chooser.choose() == 2 and "2 now" in repr(chooser)


def test_calls_without_time():
    """A clock may stand still."""
    simulate(Chooser(2), 3000, lambda: 0, lambda: 0)
