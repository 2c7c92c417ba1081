"""Worker processes of a DataLoader: they load batches ahead, and leave nothing behind however the program ends."""

import os
import pickle
import queue
import random
import signal
import threading
import time
import traceback
import warnings
import weakref
from collections import deque
from multiprocessing import connection, get_context, parent_process
from typing import Any, NamedTuple

import numpy as np

from .. import trees
from ..errors import ArgumentError, ChainruleError, explain
from ..random import manual_seed
from ..tensor import Tensor
from .fetch import STARTING, Exhausted
from .shared import AVAILABLE, SharedBytes
from .streams import numpy_generator

WATCH_SECONDS = 1.0  # how often a worker looks whether its parent is still there, where nothing tells it
GRACE_SECONDS = 2.0  # how long workers may take to end by themselves
WORKER = 2**61  # between the samples of an epoch and what is drawn for a whole worker


class WorkerError(ChainruleError, RuntimeError):
    """A worker process of a DataLoader failed, died or took too long. Its cause is the exception in the worker."""


class WorkerInfo(NamedTuple):
    """What `get_worker_info` gives.

    Attributes
    ----------
    id : number of this worker, from 0
    num_workers : how many there are
    seed : of this worker, new in each epoch; Python's `random`, `numpy.random` and chainrule's default generator were started
        from it
    dataset : the copy of the dataset in this process
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any


_info: WorkerInfo | None = None


def get_worker_info():
    """In a worker process of a DataLoader, which one it is; None elsewhere.

    >>> import chainrule as cr
    >>> cr.data.get_worker_info() is None
    True
    """
    return _info


# --- in a worker --------------------------------------------------------------------------------------------------------


class Setup(NamedTuple):
    """What a worker process is given when it starts."""

    id: int
    num_workers: int
    parent: int | None  # process id, where the worker is a direct child
    fetch: Any
    init: Any
    pipe: Any
    slots: list
    board: SharedBytes | None


class _Stopped(BaseException):
    """The parent wants no more batches."""


def work(setup):
    """The whole life of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all processes of a terminal; the parent decides what it means
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    messages: queue.SimpleQueue = queue.SimpleQueue()
    stopped = threading.Event()
    threading.Thread(target=_listen, args=(setup, messages, stopped), daemon=True).start()
    worker = _Loading(setup, _noting(setup.board, stopped))
    try:
        while (message := messages.get()) is not None:
            worker.answer(message)
    except (_Stopped, OSError):  # the parent is not there any more, or does not listen
        return


class _Loading:
    """What a worker process does with its messages: the key of an epoch that begins, or a task."""

    def __init__(self, setup, note):
        self.setup, self.note = setup, note
        self.failure: tuple | None = None  # of this epoch: all that follows fails with it
        self.started, self.sent = False, 0

    def answer(self, message):
        if isinstance(message, tuple):
            self.failure = None
            self.attempt(self.begin, message)
            return
        answer = self.attempt(self.load, message) if self.failure is None else None
        if self.failure is not None:
            answer = ("error", message.number, _position(self.setup.board), *self.failure)
        self.setup.pipe.send(answer)

    def attempt(self, function, message):
        """What `function(message)` gives; an exception is noted as the failure of this epoch."""
        try:
            return function(message)
        except Exhausted:
            return "end", message.number
        except Exception as error:
            self.failure = _described(error)
            return None

    def begin(self, key):
        """Start an epoch: seeds, and at the first the function that the user gave."""
        global _info
        setup = self.setup
        self.note(STARTING)
        seed = int(numpy_generator((*key, WORKER, setup.id)).integers(2**32))
        random.seed(seed)
        np.random.seed(seed)
        manual_seed(seed)
        _info = WorkerInfo(setup.id, setup.num_workers, seed, setup.fetch.dataset)
        if not self.started and setup.init is not None:
            setup.init(setup.id)
        self.started = True
        setup.fetch.begin(key)

    def load(self, task):
        """The batch of a task, as it goes to the parent: arrays in shared memory, the rest through the pipe."""
        batch = self.setup.fetch(task, self.note)
        _check_constant(batch)
        buffers: list = []
        content = pickle.dumps(batch, protocol=5, buffer_callback=buffers.append)
        raw = [b.raw() for b in buffers]
        if not self.setup.slots:
            return "bytes", task.number, content, [bytearray(b) for b in raw]
        slot = self.setup.slots[self.sent % len(self.setup.slots)]
        self.sent += 1
        return "batch", task.number, content, slot.write(raw)


def _check_constant(batch):
    if any(isinstance(x, Tensor) and x.requires_grad for x in trees.tree_leaves(batch)):
        raise ArgumentError(
            explain(
                "DataLoader: a batch of a worker process has a derivative, which cannot be followed to another process",
                help="detach the tensors of the dataset, or use num_workers=0",
            )
        )


def _described(error):
    """An exception as it can go through a pipe: its traceback as text, and itself if it can be pickled."""
    text = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        error = None
    return text, error


def _noting(board, stopped):
    """A function that notes on the board which sample is loaded now, and ends the loading when the parent asks for it."""
    cell = _cell(board)

    def note(position):
        if stopped.is_set():
            raise _Stopped
        cell[0] = position

    return note


def _cell(board):
    return np.zeros(1, np.int64) if board is None else np.frombuffer(board.view(8), np.int64, 1)


def _position(board):
    return int(_cell(board)[0])


def _listen(setup, messages, stopped):
    """Take messages at once, so that the parent never waits; end this process when its parent is gone, however it went."""
    parent = parent_process()
    assert parent is not None, "workers are children"
    sentinel = parent.sentinel
    while True:
        ready = connection.wait([setup.pipe, sentinel], WATCH_SECONDS)
        if sentinel in ready or (setup.parent is not None and os.getppid() != setup.parent):
            os._exit(1)
        if setup.pipe in ready:
            try:
                message = setup.pipe.recv()
            except (EOFError, OSError):
                message = None
            if message is None:
                stopped.set()
            messages.put(message)
            if message is None:
                break
    while not connection.wait([sentinel], WATCH_SECONDS):  # a sample may take long, and its parent die meanwhile
        if setup.parent is not None and os.getppid() != setup.parent:
            break
    os._exit(1)


# --- in the parent ------------------------------------------------------------------------------------------------------


class _Worker:
    """A worker process as its parent sees it."""

    def __init__(self, context, number, num_workers, fetch, init, prefetch):
        self.number, self.received = number, 0
        self.slots = [SharedBytes() for _ in range(prefetch)] if AVAILABLE else []
        self.board = SharedBytes() if AVAILABLE else None
        _cell(self.board)[0] = STARTING
        self.pipe, theirs = context.Pipe()
        parent = os.getpid() if context.get_start_method() != "forkserver" else None
        setup = Setup(number, num_workers, parent, fetch, init, theirs, self.slots, self.board)
        self.process = context.Process(target=work, args=(setup,), daemon=True, name=f"DataLoader worker {number}")
        try:
            with warnings.catch_warnings():
                # Python warns of forks beside threads; a worker touches none of the locks that these could hold.
                warnings.simplefilter("ignore", DeprecationWarning)
                self.process.start()
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ArgumentError(
                explain(
                    "DataLoader: the dataset, collate_fn or worker_init_fn cannot be sent to a worker process",
                    f"{type(error).__name__}: {error}",
                    help="define them at the top of a module, without lambdas; or take multiprocessing_context='fork'",
                )
            ) from error
        finally:
            theirs.close()

    def batch(self, kind, content, places):
        if kind == "bytes":
            return pickle.loads(content, buffers=places)
        copies = self.slots[self.received % len(self.slots)].read(places)
        self.received += 1
        return pickle.loads(content, buffers=copies)

    def tell(self, message):
        try:
            self.pipe.send(message)
        except OSError:  # it has died: what is missing is noticed when its batch is waited for
            pass


class Pool:
    """Worker processes, and the order in which their batches are given out.

    Parameters
    ----------
    fetch : makes the batch of a task
    num_workers, prefetch : how many processes, and how many batches each of them loads ahead
    init : called in each process with its number when it starts
    context : how processes start: None, "fork", "spawn", "forkserver" or a context of multiprocessing
    """

    def __init__(self, fetch, num_workers, prefetch, init, context):
        if isinstance(context, str) or context is None:
            context = get_context(context)
        self.prefetch, self.busy = prefetch, False
        self.workers: list[_Worker] = []
        self.close = weakref.finalize(self, _end, self.workers, os.getpid())
        for number in range(num_workers):
            self.workers.append(_Worker(context, number, num_workers, fetch, init, prefetch))
        self.outstanding: deque = deque()  # (worker, task), in the order of the batches

    def run(self, tasks, key, timeout, in_order):
        """The batches of `tasks`, an iterator, in an epoch with this key."""
        self._drain(timeout)
        self.busy = True
        try:
            for worker in self.workers:
                worker.tell(tuple(key))
            for _ in range(self.prefetch):
                for worker in self.workers:
                    self._give(worker, tasks)
            while self.outstanding:
                worker, task, answer = self._next(timeout, in_order)
                kind = answer[0]
                if kind == "error":
                    raise _failed(worker, task, *answer[2:])
                batch = None if kind == "end" else worker.batch(kind, *answer[2:])
                if kind != "end":
                    self._give(worker, tasks)  # before the batch is used, so that loading goes on meanwhile
                    yield batch
        finally:
            self.busy = False

    def _give(self, worker, tasks):
        task = next(tasks, None)
        if task is not None:
            self.outstanding.append((worker, task))
            worker.tell(task)

    def _next(self, timeout, in_order):
        """The answer that is due: (worker, task, what it sent)."""
        deadline = time.monotonic() + timeout if timeout else None
        candidates = (
            [self.outstanding[0]] if in_order else list({id(w): (w, t) for w, t in reversed(self.outstanding)}.values())
        )
        while True:
            pipes = {worker.pipe: (worker, task) for worker, task in candidates}
            sentinels = {worker.process.sentinel: (worker, task) for worker, task in candidates}
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            ready = connection.wait([*pipes, *sentinels], left)
            if not ready:
                worker, task = candidates[0]
                raise _late(worker, task, timeout)
            for pipe in ready:
                worker, task = pipes.get(pipe) or sentinels[pipe]
                if pipe in pipes or worker.pipe.poll():
                    try:
                        answer = worker.pipe.recv()
                    except (EOFError, OSError):
                        raise _died(worker, task) from None
                    self.outstanding.remove((worker, task))
                    return worker, task, answer
            raise _died(*sentinels[ready[0]])

    def _drain(self, timeout):
        """Throw away what was loaded ahead for an epoch that was left before its end."""
        while self.outstanding:
            worker, _, answer = self._next(timeout, True)
            if answer[0] == "batch":
                worker.received += 1


def _failed(worker, task, position, text, error):
    where = f"at {task.item(position)} of batch {task.number}"
    raised = WorkerError(
        explain(
            f"DataLoader: worker {worker.number} failed {where}",
            *text.rstrip().splitlines(),
            help="num_workers=0 raises it in this process, where a debugger can look at it",
        )
    )
    raised.__cause__ = error
    return raised


def _died(worker, task):
    worker.process.join(1)
    code = worker.process.exitcode
    how = f"exit code {code}" if code is None or code >= 0 else f"signal {_signal_name(-code)}"
    return WorkerError(
        explain(
            f"DataLoader: worker {worker.number} died at {task.item(_position(worker.board))} of batch {task.number}",
            f"process {worker.process.pid} ended with {how}",
            help="SIGKILL often means that memory ran out: use fewer workers or smaller batches; "
            "num_workers=0 shows other crashes in this process",
        )
    )


def _signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def _late(worker, task, timeout):
    return WorkerError(
        explain(
            f"DataLoader: no batch within the timeout of {timeout} s",
            f"worker {worker.number} is at {task.item(_position(worker.board))} of batch {task.number}",
            help="raise the timeout, use more workers, or look for what blocks in the dataset",
        )
    )


def _end(workers, owner):
    """End all workers: ask them, and do not ask twice."""
    if os.getpid() != owner:  # a child of the program has copies of these objects; the processes are not its own
        return
    for worker in workers:
        worker.tell(None)
        worker.pipe.close()
    for patience, insist in ((GRACE_SECONDS, "terminate"), (1.0, "kill"), (1.0, None)):
        deadline = time.monotonic() + patience
        for worker in workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
        alive = [w for w in workers if w.process.is_alive()]
        if not alive or insist is None:
            break
        for worker in alive:
            getattr(worker.process, insist)()
    for worker in workers:
        for memory in (*worker.slots, worker.board):
            if memory is not None:
                memory.close()
    workers.clear()
