"""Contenders against each other: one process each, turn by turn, A B C A B C, on the same cores.

A turn is one command to one worker; the others sleep meanwhile. Between turns is a pause, in which spinning
threads fall asleep.
"""

import json
import os
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np
from workloads.common import JAX, TORCH, TORCH_COMPILE

PAUSE = 0.02
BUSY = 0.07  # a core that others use more than this is not idle
BUILD_LIMIT, TURN_LIMIT = 400.0, 120.0  # seconds


def environment(cores, cache, float64):
    """Variables for a worker that computes with so many threads and keeps its compiled programs in `cache`."""
    threads = str(len(cores))
    one = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1" if len(cores) == 1 else ""
    return os.environ | {
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "CHAINRULE_THREADS": threads,
        "XLA_FLAGS": one,
        "JAX_PLATFORMS": "cpu",
        "JAX_ENABLE_X64": str(int(float64)),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CHAINRULE_CACHE_DIR": f"{cache}/chainrule",
        "TORCHINDUCTOR_CACHE_DIR": f"{cache}/torch",
        "JAX_COMPILATION_CACHE_DIR": f"{cache}/jax",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


class WorkerError(Exception):
    """A worker gave an error for an answer, crashed, or did not answer in time."""


class Worker:
    """A contender in a process of its own."""

    def __init__(self, workload, contender, cores, cache, eager):
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  (`stop` closes it)
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("worker.py")), workload.name, contender, *["--eager"] * eager],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=environment(cores, cache, workload.float64),
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )

    def ask(self, limit, *command):
        """The answer to one command, within so many seconds."""
        try:
            print(json.dumps(command), file=self.process.stdin, flush=True)
        except BrokenPipeError:
            pass  # and so there is no answer below
        if not select.select([self.process.stdout], [], [], limit)[0]:
            raise WorkerError(f"no answer within {limit:.0f} s")
        line = self.process.stdout.readline()
        if not line:
            raise WorkerError(f"crashed, exit status {self.process.wait()}: {self.last_words()}")
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def last_words(self):
        self.errors.seek(0)
        lines = [line.strip() for line in self.errors if line.strip()]
        return lines[-1] if lines else "nothing on stderr"

    def stop(self):
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            stream.close()


# --- the machine ----------------------------------------------------------------------------------------------------------


def _times():
    """Per core: (time spent idle, time in all), in ticks."""
    times = {}
    with open("/proc/stat") as file:
        for line in file:
            name, *fields = line.split()
            if name.startswith("cpu") and name != "cpu":
                ticks = [int(field) for field in fields]
                times[int(name[3:])] = ticks[3] + ticks[4], sum(ticks)
    return times


def busy(cores, seconds):
    """The share of time that each core is busy, watched for so long."""
    before = _times()
    time.sleep(seconds)
    after = _times()
    spent = {core: (after[core][0] - before[core][0], max(1, after[core][1] - before[core][1])) for core in cores}
    return {core: 1 - idle / total for core, (idle, total) in spent.items()}


def choose_cores(count):
    """The cores to measure on: the idlest one, or all that are asked for."""
    allowed = sorted(os.sched_getaffinity(0))
    if count > len(allowed):
        raise SystemExit(f"--cores {count}: this process may use {len(allowed)} only")
    share = busy(allowed, 0.5)
    return frozenset(sorted(allowed, key=share.get)[:count])


def pause(cores):
    """Rest between turns; with several cores, wait a while for them to be idle. Whether they were."""
    if len(cores) == 1:
        time.sleep(PAUSE)
        return True
    time.sleep(PAUSE)
    return any(max(busy(cores, 0.1).values()) < BUSY for _ in range(10))


# --- a contest ------------------------------------------------------------------------------------------------------------


def summary(seconds):
    q1, median, q3 = statistics.quantiles(seconds, n=4, method="inclusive") if len(seconds) > 1 else seconds * 3
    return {"median": median, "q1": q1, "q3": q3}


def obstacle(contender):
    """Why a contender cannot even start here, or None."""
    if contender == TORCH_COMPILE and not any(shutil.which(name) for name in ("g++", "c++", "clang++")):
        return "needs a C++ compiler"
    return None


def contest(workload, cores, turns, eager, wanted, note):
    """Measure one workload.

    Parameters
    ----------
    workload : Workload
    cores : set of cores that everybody runs on
    turns : per contender
    eager : let chainrule run without compiling
    wanted : names of contenders to run
    note : function that is told what goes on

    Returns
    -------
    dict, for JSON: times, errors, differences and memory by contender
    """
    record = {
        "name": workload.name, "title": workload.title, "cores": len(cores), "turns": turns, "eager": eager,
        "date": date.today().isoformat(), "disturbed": 0,
        "times": {}, "also": {}, "errors": {}, "differences": {}, "memory": {},
    }  # fmt: skip
    contenders = [name for name in workload.contenders if name in wanted]
    record["errors"] |= {name: reason for name, reason in workload.absent.items() if name in wanted}
    for name in contenders:
        if reason := obstacle(name):
            record["errors"][name] = reason
    contenders = [name for name in contenders if name not in record["errors"]]
    with tempfile.TemporaryDirectory(prefix="chainrule-benchmark-") as folder:
        run = _first_calls if workload.fresh else _alternate
        run(workload, contenders, cores, turns, eager, folder, note, record)
    return record


def _first_calls(workload, contenders, cores, turns, eager, folder, note, record):
    """A new process for each turn, with an empty cache or the one that an unmeasured first process left."""
    seconds = {name: [] for name in contenders}
    for turn in range(-1 if workload.fresh == "disk" else 0, turns):
        for name in contenders:
            if name in record["errors"]:
                continue
            note(f"{name}, turn {turn + 1}")
            cache = f"{folder}/{name}" if workload.fresh == "disk" else f"{folder}/{name} {turn}"
            worker = Worker(workload, name, cores, cache, eager)
            record["disturbed"] += not pause(cores)
            try:
                first = worker.ask(BUILD_LIMIT, "first")["first"]
            except WorkerError as error:
                record["errors"][name] = str(error)
            else:
                if turn >= 0:
                    seconds[name].append(first)
            finally:
                worker.stop()
    record["times"] = {name: {"": summary(s)} for name, s in seconds.items() if s and name not in record["errors"]}


def _alternate(workload, contenders, cores, turns, eager, folder, note, record):
    workers = {}
    try:
        answers = {}
        for name in contenders:
            note(f"{name}, first call")
            workers[name] = Worker(workload, name, cores, f"{folder}/cache", eager)
            (Path(folder) / name).mkdir()
            try:
                answers[name] = workers[name].ask(BUILD_LIMIT, "build", f"{folder}/{name}")
            except WorkerError as error:
                record["errors"][name] = str(error)
        _compare(workload, answers, record)
        runners = [
            (name, variant, what)
            for name, variants in answers.items()
            for variant, answer in variants.items()
            for what in ("", *answer.get("also", ()))
            if "error" not in answer
        ]
        seconds = {runner: [] for runner in runners}
        for turn in range(turns):
            note(f"turn {turn + 1} of {turns}")
            for runner in runners:
                name, variant, what = runner
                if name in record["errors"]:
                    continue
                record["disturbed"] += not pause(cores)
                try:
                    seconds[runner].append(workers[name].ask(TURN_LIMIT, "turn", variant, what)["seconds"])
                except WorkerError as error:
                    record["errors"][name] = str(error)
    finally:
        for worker in workers.values():
            worker.stop()
    for (name, variant, what), s in seconds.items():
        if name in record["errors"]:
            continue
        if what:
            record["also"].setdefault(what, {})[variant] = summary(s)
        else:
            first = answers[name][variant]["first"]
            record["times"].setdefault(name, {})[variant] = {**summary(s), "first": first}
            if "memory" in answers[name][variant]:
                record["memory"][name] = answers[name][variant]["memory"]


def _compare(workload, answers, record):
    """Note how far each contender's numbers are from the first peer's; variants that are too far do not run."""
    files = {}
    for name, variants in answers.items():
        for variant, answer in variants.items():
            if "error" in answer:
                record["errors"][f"{name} {variant}".strip()] = answer["error"]
            else:
                with np.load(answer["path"]) as arrays:
                    files[name, variant] = dict(arrays)
    order = sorted(files, key=lambda key: (key[0] != TORCH, key[0] != JAX))
    for name, variant in order[1:]:
        label = f"{name} {variant}".strip()
        worst, problem = difference(files[name, variant], files[order[0]])
        record["differences"][label] = worst
        if problem or not worst <= workload.rtol:
            problem = problem or f"{worst:.1e} apart, allowed {workload.rtol:.0e}"
            record["errors"][label] = f"computes other numbers than {order[0][0]}: {problem}"
            answers[name][variant]["error"] = problem


def difference(ours, theirs):
    """The greatest difference between two sets of arrays, over each one's largest number; and what does not fit at all."""
    if ours.keys() != theirs.keys():
        return float("nan"), f"names {sorted(ours.keys() ^ theirs.keys())[:4]} are in one only"
    worst = 0.0
    for name, b in theirs.items():
        a = ours[name]
        if a.shape != b.shape or a.dtype != b.dtype:
            return float("nan"), f"{name} is {a.dtype} {a.shape}, not {b.dtype} {b.shape}"
        if b.size:
            gap = float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-12))
            if not gap <= worst:  # NaN too
                worst = gap
    return worst, None
