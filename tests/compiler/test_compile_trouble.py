"""Trouble: callbacks that fail or call back, threads, forks, caches that cannot be written, programs that are wrong."""

import concurrent.futures
import os
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from agreement import close, in_threads, plain

import chainrule as cr
from chainrule import nn, optim
from chainrule.compiler import variant
from chainrule.core.derivative import zero
from chainrule.core.lowering import Call
from chainrule.core.primitive import ROWS, primitive
from chainrule.errors import CompileError

X = np.arange(1.0, 4.0)


told: Any = concurrent.futures.Future()  # what the row below does while it runs; compiled functions do not look into these
during: list = []
told.to = during


@primitive(
    derivative=[zero], aval=lambda x: x, batch=lambda args, batched, params: troubled(*args), lower=Call(), name="troubled"
)
def troubled(x):
    """x, after doing what it was told to"""
    for f in told.to:
        f()
    return x + 0


del ROWS["troubled"]  # a row of this file alone


class Interrupt(BaseException):
    """Like KeyboardInterrupt: no Exception."""


@pytest.fixture(autouse=True)
def _quiet():
    during.clear()
    yield
    during.clear()


def raising(error):
    def f():
        raise error

    return f


def trained():
    """A step with a callback in its middle, and the Tensors that it changes."""
    p, before, after = cr.tensor(X[::-1], requires_grad=True), cr.tensor(0.0), cr.tensor(0.0)
    optimizer = optim.SGD([p], lr=0.1, momentum=0.9)

    def step(x):
        before.data = before.detach() + 1
        optimizer.zero_grad()
        loss = cr.sum((p - troubled(x)) ** 2)
        loss.backward()
        optimizer.step()
        after.data = after.detach() + loss.detach()
        return loss.detach()

    return step, [p, before, after], optimizer


# --- callbacks ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [ValueError("mine"), np.linalg.LinAlgError("singular"), Interrupt("stop"), KeyboardInterrupt()]
)
def test_failing_callbacks_raise_what_they_raised_and_change_nothing(error):
    step, tensors, optimizer = trained()
    other, theirs, _ = trained()
    f = cr.compile(step)
    for _ in range(3):
        close(f(X), other(X))
    state = [plain(t) for t in tensors] + [plain(tensors[0].grad), plain(optimizer.state[tensors[0]]["momentum_buffer"])]
    during.append(raising(error))
    for _ in range(2):
        with pytest.raises(type(error)) as found:
            f(X)
        assert found.value is error
        (note,) = error.__notes__  # says where the program comes from, once
        assert "test_compile_trouble.py:" in note
    during.clear()
    now = [plain(t) for t in tensors] + [plain(tensors[0].grad), plain(optimizer.state[tensors[0]]["momentum_buffer"])]
    close(now, state)
    for _ in range(2):
        close(f(X), other(X))
    close([t.detach() for t in tensors], [t.detach() for t in theirs])


def test_callbacks_that_call_the_same_function():
    f = cr.compile(lambda x: cr.sum(troubled(x * 2) * x) + cr.sum(x))
    expected = lambda x: np.sum(2 * x * x) + np.sum(x)  # noqa: E731
    depth = 0

    def again():
        nonlocal depth
        if depth < 3:
            depth += 1
            close(f(X * (depth + 5)), expected(X * (depth + 5)))
            depth -= 1

    for _ in range(3):
        close(f(X), expected(X))
    during.append(again)
    for _ in range(3):
        close(f(X), expected(X))


def test_callbacks_under_derivatives():
    f = lambda x: cr.sum(cr.sort(troubled(x) * x) * x)  # noqa: E731
    for _ in range(2):
        close(cr.grad(cr.compile(f))(X), cr.grad(f)(X))
    during.append(raising(ValueError("mine")))
    with pytest.raises(ValueError, match="mine"):
        cr.grad(cr.compile(f))(X)


def test_an_error_does_not_stay():
    f = cr.compile(lambda x: troubled(x) + 1)
    f(X), f(X)
    during.append(raising(ValueError("mine")))
    with pytest.raises(ValueError, match="mine"):
        f(X)
    during.clear()
    close(f(X), X + 1)
    close(f(X), X + 1)


# --- threads and processes ----------------------------------------------------------------------------------------------------


FUNCTIONS = {
    "small": lambda x: cr.sum(x * x) + x,
    "callback": lambda x: cr.sum(troubled(x) * x) + cr.sort(x),
    "branch": lambda x: x * 2 if cr.sum(x) > 3 else x - 1,
    "product": lambda x: cr.tanh(cr.reshape(x, (-1, 1)) @ cr.reshape(x, (1, -1))) @ x,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_several_threads(name):
    f = FUNCTIONS[name]
    g = cr.compile(f)
    d = cr.grad(lambda x: cr.sum(g(x)))

    def work(i):
        rng = np.random.default_rng(i)
        for n in range(60):
            x = rng.normal(size=3 + (n % 2) * (name != "branch"))
            close(g(x), f(x))
            if n % 20 == 0:
                close(d(x), cr.grad(lambda x: cr.sum(f(x)))(x))

    in_threads(work)


def test_several_threads_add_to_one_tensor():
    total = cr.tensor(np.zeros(3))

    @cr.compile
    def add(x):
        total.data = total.detach() + x

    add(X), add(X)
    in_threads(lambda i: [add(X) for _ in range(200)])
    close(plain(total), X * 1202)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_after_a_fork():
    w = cr.tensor(np.ones((400, 400), np.float32), requires_grad=True)
    big = np.ones((400, 400), np.float32)

    @cr.compile
    def step(x):
        w.grad = None
        cr.sum(cr.tanh(x @ w)).backward()
        return w.grad

    expected = plain(step(big))
    close(plain(step(big)), expected)
    new = cr.compile(lambda x: cr.exp(x) @ x)
    child = os.fork()
    if child == 0:
        try:
            ok = np.allclose(plain(step(big)), expected, rtol=1e-3)
            ok = ok and new(big[:2, :2]).shape == (2, 2) and new(big[:2, :2]).shape == (2, 2)
            os._exit(0 if ok else 1)
        except BaseException:
            os._exit(2)
    import signal
    import time

    for _ in range(600):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        time.sleep(0.1)
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        pytest.fail("the child hangs")
    assert os.waitstatus_to_exitcode(status) == 0
    close(plain(step(big)), expected)


# --- the cache ----------------------------------------------------------------------------------------------------------------

PROGRAM = """
import numpy as np, chainrule as cr
f = cr.compile(lambda x: cr.sum(cr.exp(x) * {number}))
for _ in range(3):
    assert abs(f(np.zeros(3)) - 3 * {number}) < 1e-9
"""


def run_with_cache(folder, number=2.5):
    source = str(pathlib.Path(cr.__file__).parents[1])
    env = {**os.environ, "CHAINRULE_CACHE_DIR": str(folder), "PYTHONPATH": source}
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(number=number)], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_cache_folders_that_are_no_use(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    run_with_cache(tmp_path / "file")
    run_with_cache(tmp_path / "file" / "below")
    run_with_cache("/proc/nowhere")


def test_corrupt_files_in_the_cache(tmp_path):
    run_with_cache(tmp_path)
    files = [f for f in tmp_path.rglob("*") if f.is_file()]
    assert files
    for damage in (lambda b: b"", lambda b: b[: len(b) // 2], lambda b: b[:-20] + bytes(20), lambda b: b"x" * len(b)):
        for f in files:
            f.write_bytes(damage(f.read_bytes()))
        run_with_cache(tmp_path)


# --- check=True ---------------------------------------------------------------------------------------------------------------


def test_check_passes_where_all_is_well():
    step, tensors, _ = trained()
    f = cr.compile(check=True)(step)
    other, theirs, _ = trained()
    for _ in range(4):
        close(f(X), other(X))
        close([t.detach() for t in tensors], [t.detach() for t in theirs])
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5), nn.BatchNorm1d(3))
    g = cr.compile(model, check=True)
    for _ in range(3):
        g(np.ones((4, 3), np.float32))


@pytest.mark.parametrize("what", ["result", "state", "gradient"])
def test_check_finds_wrong_programs(what, monkeypatch):
    p, t = cr.tensor(X, requires_grad=True), cr.tensor(X)

    @cr.compile(check=True)
    def step(x):
        t.data = t.detach() + x
        p.grad = None
        cr.sum(p * x).backward()
        return x * 2

    step(X), step(X)
    call = variant.Variant.call

    def broken(self, leaves):
        out = call(self, leaves)
        if what == "result":
            return out + 1e-3
        (t if what == "state" else p.grad).value[0] += 1e-3
        return out

    monkeypatch.setattr(variant.Variant, "call", broken)
    with pytest.raises(CompileError, match=r"check=True(?s:.*)compiled \[(?s:.*)eager \["):
        step(X)


# --- the way without Python (no timing decides a test) ------------------------------------------------------------------------


@pytest.mark.parametrize("zero", ["start", "end", "never"])
def test_training_steps_take_the_way_without_python(zero, monkeypatch):
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2))
    optimizer = optim.Adam(model.parameters())

    @cr.compile
    def step(x, y):
        if zero == "start":
            optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        if zero == "end":
            optimizer.zero_grad()
        return loss.detach()

    monkeypatch.setenv("CHAINRULE_CACHE_LIMIT", "0")  # nothing that compiling leaves behind may hold on to gradients
    for _ in range(5):
        step(np.ones((4, 3), np.float32), np.zeros(4, int))
    assert step.ready is not None
    status, _ = step.ready[0].door((np.ones((4, 3), np.float32), np.zeros(4, int)))
    assert status == 0
