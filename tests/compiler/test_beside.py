"""Programs that take long let other Python threads run: they make way, nothing gets mixed up, nothing is freed too early."""

import gc
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from agreement import in_threads, plain

import chainrule as cr
from chainrule.compiler import clock, enter, runtime
from chainrule.errors import CompileError


def _has_clock():
    try:
        clock.usable()
    except CompileError:
        return False
    return enter.usable()


pytestmark = pytest.mark.skipif(not _has_clock(), reason="programs do not know how long they take here")


@pytest.fixture
def beside(monkeypatch):
    """Turns on what is normally for programs that take long, for all of them."""
    monkeypatch.setattr(runtime, "LONG", 0)
    monkeypatch.setattr(runtime, "PATIENCE", 0)
    monkeypatch.setattr(enter, "LONG", -1)
    monkeypatch.setattr(enter, "PATIENCE", 0)
    enter._method.cache_clear()
    yield
    enter._method.cache_clear()


def longer(x, turns, step=lambda y, x: cr.sin(y) + x):
    """Something that takes `turns` times 0.3 us: its turns hang on each other."""
    return cr.fori_loop(0, turns, lambda i, y: step(y, x), x)


@pytest.mark.parametrize("way", ["native", "python"])
def test_another_thread_runs_meanwhile(way):
    """Beside one call; if it did not, the other thread would stand still from the beginning of the call to its end."""
    x = cr.tensor(np.linspace(0, 1, 64), requires_grad=way == "python")  # whose results have a history: the way through Python
    f = cr.compile(lambda x: longer(x, 100_000))
    for _ in range(4):
        expected = plain(f(x))
    inside, seen, ready, busy = [False], [0], threading.Event(), [0]
    turn = f.ready[0].run.turn if way == "native" else None

    def watch():
        ready.set()
        while inside[0] is not None:
            seen[0] += inside[0]
            busy[0] |= turn is not None and int(turn.busy[0])
            time.sleep(0)

    watcher = threading.Thread(target=watch)
    watcher.start()
    ready.wait()
    time.sleep(0.01)
    inside[0] = True
    out = f(x)  # `seen` goes on if the interpreter is free; this thread gets it back whenever it asks
    counted = seen[0]
    inside[0] = None
    watcher.join()
    np.testing.assert_array_equal(plain(out), expected)
    assert counted > 20
    if turn is not None:  # which keeps others out of the program's memory
        assert busy[0] and not turn.busy[0] and not turn.lock.locked()


@pytest.mark.parametrize("native", [-1, 1 << 60], ids=["all", "through python alone"])
def test_results_are_not_mixed_up(beside, monkeypatch, native):
    monkeypatch.setattr(enter, "LONG", native)
    enter._method.cache_clear()
    f = cr.compile(lambda x: cr.cumsum(longer(cr.cumsum(x), 1000)) * x)
    inputs = [np.random.default_rng(i).normal(size=64)[:: 1 + i % 2][:32] for i in range(4)]  # two of them only Python takes
    for _ in range(3):
        expected = [plain(f(x)) for x in inputs]

    def work(i):
        for _ in range(200):
            np.testing.assert_array_equal(plain(f(inputs[i])), expected[i])

    in_threads(work, 4)


def test_nothing_enters_while_the_memory_is_in_use():
    f = cr.compile(lambda x: x * 2)
    x = np.ones(3)
    for _ in range(3):
        f(x)
    variant, _ = f.ready
    turn = variant.run.turn
    assert variant.door((x,))[0] == 0
    turn.busy[0] = 1
    assert variant.door((x,))[0] == enter.DOES_NOT_FIT
    turn.busy[0] = 0
    assert not turn.lock.locked() and variant.door((x,))[0] == 0


@pytest.mark.parametrize("error", [None, KeyboardInterrupt], ids=["returns", "is interrupted"])
def test_a_call_through_python_says_that_the_memory_is_in_use(monkeypatch, error):
    """While it lets other threads run; native code that is done soon asks for nothing else than that."""
    monkeypatch.setattr(runtime, "LONG", -1)
    f = cr.compile(lambda x: x * 2)
    x, strided = np.ones(3), np.ones(6)[::2]  # which only Python takes
    for _ in range(3):
        f(x)
    variant, _ = f.ready
    run, seen = variant.run, []

    def entry(*args):
        seen.append((int(run.turn.busy[0]), variant.door((x,))[0]))
        if error is not None:
            raise error
        return beside(*args)

    beside, run.entry_beside = run.entry_beside, entry
    run.patience = 0
    if error is None:
        np.testing.assert_array_equal(f(strided), [2, 2, 2])
    else:
        with pytest.raises(error):
            f(strided)
    assert seen == [(1, enter.DOES_NOT_FIT)]
    assert not run.turn.busy[0] and not run.turn.lock.locked() and variant.door((x,))[0] == 0


@pytest.mark.parametrize("turns", [(3000, 3000), (3000, 3001), (3000, 1)], ids=["one program", "two", "short and long"])
def test_calls_that_change_state_follow_each_other(turns):
    """Each reads it when it begins and changes it when it ends."""
    total = cr.tensor(np.zeros(64))

    @cr.compile
    def add(turns):
        total.data = longer(total, turns, lambda y, x: cr.sqrt(y * y)) + 1

    for n in turns:
        for _ in range(4):
            add(n)
    total.data = np.zeros(64)
    counts = [600_000 // (n + 1000) for n in turns]
    in_threads(lambda i: [add(turns[i]) for _ in range(counts[i])], 2)
    np.testing.assert_array_equal(plain(total), np.full(64, float(sum(counts))))


def test_arrays_last_as_long_as_the_call(beside):
    w = cr.tensor(np.ones(20_000))
    f = cr.compile(lambda x: longer(w * x, 20)[:7])
    for _ in range(3):
        before = plain(f(np.ones(20_000)))
    stop = []

    def replace():
        while not stop:
            w.data = np.ones(20_000)
            gc.collect(0)

    def call():
        x = np.ones(20_000)
        try:
            for _ in range(300):
                np.testing.assert_array_equal(plain(f(x)), before)
        finally:
            stop.append(True)

    in_threads(lambda i: (replace, call)[i](), 2)


def test_calls_that_do_not_fit(beside):
    """Whatever they do not fit by, the turn is given back if it was taken, and only then."""
    f = cr.compile(lambda x: x * 2)
    x = np.ones(10)
    for _ in range(5):
        f(x)
    variant, _ = f.ready
    others = [(x, 2), (), (np.ones(9),), (np.ones((10, 2)).T[0],), (np.ones(20)[::2],), (cr.tensor(x),), (None,)]
    for args, status in [(a, enter.DOES_NOT_FIT) for a in others] + [((x,), 0)]:
        assert variant.door(args)[0] == status
        assert not variant.run.turn.lock.locked()


def test_references_are_given_back(beside):
    w = cr.tensor(np.ones(10))
    f = cr.compile(lambda x: w * x)
    x = np.ones(10)
    for _ in range(5):
        f(x)
    before = sys.getrefcount(x), sys.getrefcount(w.value)
    for _ in range(100):
        f(x)
        f(np.ones((10, 2)).T[0]), f(cr.tensor(x))  # that do not fit
    assert (sys.getrefcount(x), sys.getrefcount(w.value)) == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_meanwhile(beside):
    total = cr.tensor(np.zeros(64))

    @cr.compile
    def add(x):
        total.data = total + longer(x, 20_000) * 0 + 1

    x = np.ones(64)
    for _ in range(4):
        add(x)
    stop = []

    def work():
        while not stop:
            add(x)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(5):
            time.sleep(0.01)
            child = os.fork()
            if child == 0:
                try:
                    before = plain(total).copy()
                    add(x), add(x)
                    os._exit(0 if (plain(total) == before + 2).all() else 1)
                except BaseException:
                    os._exit(2)
            for _ in range(300):
                done, status = os.waitpid(child, os.WNOHANG)
                if done:
                    break
                time.sleep(0.05)
            else:
                os.kill(child, 9)
                os.waitpid(child, 0)
                raise AssertionError("the child hangs")
            assert status == 0
    finally:
        stop.append(True)
        thread.join()


def test_the_process_ends_while_a_program_runs():
    text = """
import threading, time, numpy as np, chainrule as cr
f = cr.compile(lambda x: cr.fori_loop(0, 300_000, lambda i, y: cr.sin(y) + x, x))
x = np.linspace(0, 1, 64)
for _ in range(3): f(x)
def work():
    while True: f(x)
for _ in range(2): threading.Thread(target=work, daemon=True).start()
time.sleep(0.05)
print("end")
"""
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout == "end\n", done.stderr
