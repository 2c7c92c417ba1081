"""Worker processes of a DataLoader: the same batches, explained failures, and nothing left behind."""

import gc
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
import tracemalloc

import numpy as np
import pytest

import chainrule as cr
import chainrule.data as data
from chainrule.errors import ArgumentError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


class Items(data.Dataset):
    """Item i is (i, a random picture, its name)."""

    def __init__(self, n, fail=(), how="raise"):
        self.n, self.fail, self.how = n, fail, how

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        if i in self.fail:
            if self.how == "raise":
                raise KeyError(f"no picture {i}")
            if self.how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.how == "exit":
                os._exit(3)
            time.sleep(60)
        return {"i": i, "noise": data.stream().normal(size=(3, 4)).astype(np.float32), "name": f"picture {i}"}


def flat(loader):
    return [(b["i"].tolist(), np.asarray(b["noise"]).tolist(), b["name"]) for b in loader]


@pytest.mark.parametrize("options", [
    {"num_workers": 1}, {"num_workers": 3}, {"num_workers": 2, "prefetch_factor": 1},
    {"num_workers": 2, "persistent_workers": True}, {"num_workers": 2, "timeout": 60},
    {"num_workers": 2, "multiprocessing_context": "spawn"},
])  # fmt: skip
def test_batches_are_those_without_workers(options):
    shared = {"batch_size": 4, "shuffle": True, "seed": 5}
    alone = data.DataLoader(Items(26), **shared)
    loader = data.DataLoader(Items(26), **shared, **options)
    epochs = [flat(alone) for _ in range(2)]
    assert [flat(loader) for _ in range(2)] == epochs
    assert epochs[0] != epochs[1]
    loader.close()


def test_whole_batches_of_arrays_by_workers():
    x = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)
    ds = data.TensorDataset(x, np.arange(50))
    batches = list(data.DataLoader(ds, batch_size=8, num_workers=2))  # all are kept: none may be overwritten by a later one
    assert np.array_equal(np.concatenate([np.asarray(b[0]) for b in batches]), x)
    assert [i for b in batches for i in b[1].tolist()] == list(range(50))
    batches[0][0][0] = 0.0
    assert isinstance(batches[0][0], cr.Tensor) and not np.array_equal(np.asarray(batches[1][0])[0], np.zeros(7))


def test_batches_that_grow_and_all_kinds_of_content():
    class Growing(data.Dataset):
        def __len__(self):
            return 6

        def __getitem__(self, i):
            return [
                np.full(10 ** min(i, 6), i),
                np.zeros((0, 3)),
                np.float32(i),
                "x" * 200_000,
                None,
                np.arange(12).reshape(3, 4).T,
            ]

    for i, batch in enumerate(data.DataLoader(Growing(), batch_size=None, num_workers=2, collate_fn=lambda sample: sample)):
        assert len(batch[0]) == 10 ** min(i, 6) and (batch[0] == i).all() and batch[1].shape == (0, 3) and batch[2] == i
        assert len(batch[3]) == 200_000 and batch[4] is None and np.array_equal(batch[5], np.arange(12).reshape(3, 4).T)
        batch[0][:] = 1  # its own memory, and writable


class Stream(data.IterableDataset):
    def __init__(self, n, fail=None):
        self.n, self.fail = n, fail

    def __iter__(self):
        info = data.get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        for i in range(first, self.n, step):
            if i == self.fail:
                raise OSError("the stream broke")
            yield np.int64(i)


@pytest.mark.parametrize(
    "workers, drop_last, count", [(0, False, 23), (0, True, 20), (2, False, 23), (2, True, 20), (3, False, 23)]
)
def test_streams_are_shared_out(workers, drop_last, count):
    loader = data.DataLoader(Stream(23), batch_size=5, num_workers=workers, drop_last=drop_last)
    seen = [i for batch in loader for i in batch.tolist()]
    assert len(seen) == len(set(seen)) == count
    assert sorted(i for b in loader for i in b.tolist()) == sorted(seen)


def test_streams_of_unequal_length():
    class Uneven(data.IterableDataset):
        def __iter__(self):
            return iter([0.0] * (1, 9, 0)[data.get_worker_info().id])

    assert sum(len(b) for b in data.DataLoader(Uneven(), batch_size=2, num_workers=3)) == 10


def test_a_failing_item_is_named_with_its_traceback():
    loader = data.DataLoader(Items(20, fail=[13]), batch_size=4, num_workers=2)
    seen = []
    with pytest.raises(data.WorkerError) as caught:
        for batch in loader:
            seen += batch["i"].tolist()
    assert seen == list(range(12))  # what comes before it is given out
    message = str(caught.value)
    assert (
        "worker 1 failed at item 13 of batch 3" in message
        and "in __getitem__" in message
        and "KeyError: 'no picture 13'" in message
    )
    assert "help:" in message and isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(KeyError) as caught:
        list(data.DataLoader(Items(20, fail=[13]), batch_size=4))
    assert caught.value.__notes__ == ["DataLoader: at item 13 of batch 3"]


def test_failures_outside_of_items():
    def broken(*args):
        raise ZeroDivisionError("broken")

    with pytest.raises(data.WorkerError, match=r"failed at collate_fn of batch 0[\s\S]*ZeroDivisionError: broken"):
        list(data.DataLoader(Items(8), batch_size=4, num_workers=1, collate_fn=broken))
    with pytest.raises(data.WorkerError, match=r"failed at the start of batch 0[\s\S]*ZeroDivisionError: broken"):
        list(data.DataLoader(Items(8), batch_size=4, num_workers=1, worker_init_fn=broken))
    with pytest.raises(data.WorkerError, match=r"sample 7 of the stream of batch 1[\s\S]*the stream broke"):
        list(data.DataLoader(Stream(20, fail=7), batch_size=5, num_workers=1))


def test_an_exception_that_cannot_be_pickled():
    class Odd(Exception):
        def __init__(self, a, b):
            super().__init__(a)

    class Bad(Items):
        def __getitem__(self, i):
            raise Odd("strange", lambda: 0)

    with pytest.raises(data.WorkerError, match="strange"):
        list(data.DataLoader(Bad(3), num_workers=1))


@pytest.mark.parametrize("how, said", [("kill", "signal SIGKILL"), ("exit", "exit code 3")])
def test_a_dying_worker_is_explained(how, said):
    with pytest.raises(data.WorkerError, match=rf"worker 0 died at item 9 of batch 2[\s\S]*{said}[\s\S]*help:"):
        list(data.DataLoader(Items(20, fail=[9], how=how), batch_size=4, num_workers=2))


def test_timeout():
    start = time.perf_counter()
    with pytest.raises(data.WorkerError, match=r"timeout of 0.3 s\n  worker 0 is at item 9 of batch 2"):
        list(data.DataLoader(Items(20, fail=[9], how="sleep"), batch_size=4, num_workers=2, timeout=0.3))
    assert time.perf_counter() - start < 20


def test_persistent_workers_stay_and_survive_a_left_epoch():
    class Pids(data.Dataset):
        def __len__(self):
            return 12

        def __getitem__(self, i):
            return i, os.getpid()

    loader = data.DataLoader(Pids(), batch_size=2, num_workers=2, persistent_workers=True)
    first = {p for _, pids in loader for p in pids.tolist()}
    for _ in loader:
        break
    again = list(loader)
    assert [i for batch, _ in again for i in batch.tolist()] == list(range(12))
    assert {p for _, pids in again for p in pids.tolist()} == first and len(first) == 2
    with_other = list(zip(loader, loader, strict=True))  # two passes at once
    assert all(a[0].tolist() == b[0].tolist() for a, b in with_other)
    loader.close()
    assert not any(_alive(p) for p in first)


def test_persistent_workers_are_renewed_after_a_failure(tmp_path):
    class Once(data.Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, i):
            if i == 2 and not (tmp_path / "done").exists():
                (tmp_path / "done").touch()
                raise ValueError("once")
            return i

    loader = data.DataLoader(Once(), num_workers=1, persistent_workers=True)
    with pytest.raises(data.WorkerError, match="once"):
        list(loader)
    assert [int(i) for (i,) in loader] == [0, 1, 2, 3]
    loader.close()


def test_leaving_the_loop_ends_the_workers():
    class Slow(data.Dataset):
        def __len__(self):
            return 100

        def __getitem__(self, i):
            time.sleep(0.05)
            return os.getpid()

    start = time.perf_counter()
    for _ in data.DataLoader(Slow(), batch_size=20, num_workers=2):
        break
    assert time.perf_counter() - start < 10
    assert not any(p.name.startswith("DataLoader worker") for p in _children())


def _children():
    import multiprocessing

    return multiprocessing.active_children()


def test_seeds_of_workers():
    class Draws(data.Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, i):
            info = data.get_worker_info()
            return info.id, info.num_workers, info.seed, random.random(), np.random.rand(), cr.rand(1).item()

    def draws():
        return [[float(part[0]) for part in batch] for batch in data.DataLoader(Draws(), num_workers=2, seed=3)]

    first = draws()
    assert first == draws() and data.get_worker_info() is None
    assert [d[0] for d in first] == [0, 1, 0, 1] and {d[1] for d in first} == {2}
    assert first[0][2] != first[1][2] and len({d[3] for d in first}) == len({d[4] for d in first}) == 4


def test_worker_init_fn_runs_once_in_each_worker(tmp_path):
    loader = data.DataLoader(
        Items(8), num_workers=2, persistent_workers=True, worker_init_fn=lambda i: (tmp_path / f"{i}-{time.time_ns()}").touch()
    )
    for _ in range(3):
        list(loader)
    assert sorted(name.split("-")[0] for name in os.listdir(tmp_path)) == ["0", "1"]
    loader.close()


def test_any_order():
    class Uneven(data.Dataset):
        def __len__(self):
            return 8

        def __getitem__(self, i):
            time.sleep(0.3 if i == 0 else 0.0)
            return i

    seen = [int(i) for (i,) in data.DataLoader(Uneven(), num_workers=2, in_order=False)]
    assert sorted(seen) == list(range(8)) and seen[0] != 0


def test_derivatives_do_not_get_lost_on_the_way():
    ds = data.TensorDataset(cr.tensor([1.0, 2.0], requires_grad=True))
    with pytest.raises(data.WorkerError, match="derivative"):
        list(data.DataLoader(ds, num_workers=1))


def test_a_dataset_that_cannot_be_sent():
    class Local(Items):
        pass

    with pytest.raises(ArgumentError, match=r"cannot be sent to a worker process[\s\S]*help:"):
        list(data.DataLoader(Local(3), num_workers=1, multiprocessing_context="spawn"))


PROGRAM = """
import os, signal, sys, time
signal.alarm(120)  # in case that nobody is left to end it
import numpy as np
import chainrule.data as data

class Slow(data.Dataset):
    def __len__(self): return 10**6
    def __getitem__(self, i):
        with open(sys.argv[1], "a") as file: file.write(f"{os.getpid()}\\n")
        time.sleep(float(sys.argv[2]))
        return np.zeros(1000)

for batch in data.DataLoader(Slow(), batch_size=2, num_workers=2, multiprocessing_context=sys.argv[3]):
    print("batch", flush=True)
"""


def _alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")
@pytest.mark.parametrize("seconds", [0.01, 30.0])
@pytest.mark.parametrize("send, to_group, code", [
    (signal.SIGINT, False, -signal.SIGINT), (signal.SIGINT, True, -signal.SIGINT), (signal.SIGTERM, False, -signal.SIGTERM),
    (signal.SIGKILL, False, -signal.SIGKILL),
])  # fmt: skip
def test_nothing_is_left_when_the_parent_ends(tmp_path, send, to_group, code, seconds):
    """Workers end with their parent, also while they are in the middle of a sample, and no shared memory stays."""
    log = tmp_path / "pids"
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    method = "spawn" if send == signal.SIGKILL and seconds > 1 else "fork"
    command = [sys.executable, str(program), str(log), str(seconds), method]
    if method == "spawn":  # which runs the program again as a module
        program.write_text(
            PROGRAM.replace("for batch", "if __name__ == '__main__':\n  for batch").replace("    print", "      print")
        )
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        if seconds < 1:
            assert process.stdout.readline() == "batch\n", process.stderr.read()
        deadline = time.time() + 60
        while len(set(log.read_text().split()) if log.exists() else ()) < 2 and time.time() < deadline:
            time.sleep(0.05)
        workers = {int(pid) for pid in log.read_text().split()}
        assert len(workers) == 2
        (os.killpg if to_group else os.kill)(process.pid, send)
        errors = process.communicate(timeout=30)[1]
        assert process.returncode == code
        while any(map(_alive, workers)) and time.time() < deadline:
            time.sleep(0.05)
        assert not any(map(_alive, workers))
        assert errors.count("Traceback") == (send == signal.SIGINT), errors
    finally:
        process.kill()
    assert not [name for name in os.listdir("/dev/shm") if name.startswith(("chainrule", "psm_"))]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
@pytest.mark.parametrize("options", [{}, {"num_workers": 2}, {"num_workers": 2, "persistent_workers": True}])
def test_epochs_leave_no_memory_and_no_descriptors(options):
    x = np.zeros((4000, 64), np.float32)
    loader = data.DataLoader(data.TensorDataset(x), batch_size=200, shuffle=True, seed=0, **options)

    def epoch():
        for (batch,) in loader:
            assert batch.shape == (200, 64)
        gc.collect()
        return len(os.listdir("/proc/self/fd")), tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        for _ in range(2):
            files, memory = epoch()
        for _ in range(4):
            files_now, memory_now = epoch()
    finally:
        tracemalloc.stop()
        loader.close()
    assert files_now == files and memory_now - memory < 50_000


@pytest.mark.parametrize("lacking", ["memfd_create", "shared memory"])
def test_systems_that_lack_something(monkeypatch, lacking):
    if lacking == "memfd_create":
        monkeypatch.delattr(os, "memfd_create", raising=False)
    else:
        monkeypatch.setattr("chainrule.data.workers.AVAILABLE", False)
    shared = {"batch_size": 4, "shuffle": True, "seed": 5}
    assert flat(data.DataLoader(Items(26), **shared, num_workers=2)) == flat(data.DataLoader(Items(26), **shared))
    with pytest.raises(data.WorkerError, match="worker 1 failed"):
        list(data.DataLoader(Items(20, fail=[13]), batch_size=4, num_workers=2))


def test_compiled_programs_run_in_workers():
    """Also when the parent has used its threads before it was forked."""
    double = cr.compile(lambda x: (x @ x.T).sum() * 2)
    expected = float(double(np.ones((200, 200))))

    class Compiled(data.Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, i):
            return float(double(np.ones((200, 200)))), float(cr.grad(lambda x: (x**2).sum())(np.ones(3))[0])

    for values, slopes in data.DataLoader(Compiled(), num_workers=2, timeout=60):
        assert values.tolist() == [expected] and slopes.tolist() == [2.0]
