"""What a program of the gallery is handed: its settings, loops that can be watched and interrupted, a place for its results."""

import importlib
import json
import signal
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from .. import compile as compile_function, plot
from ..creation import from_numpy
from ..data.files import atomic_write
from ..errors import ArgumentError, explain, missing_extra
from ..random import manual_seed

LINES = 10  # that a loop prints where there is no terminal for a progress bar


def shown(value):
    """A number as results show it: four digits, and all of a whole number.

    >>> from chainrule.demos import shown
    >>> shown(0.123456), shown(11_689_512)
    ('0.1235', '11,689,512')
    """
    return f"{value:,.0f}" if float(value).is_integer() and 1000 <= abs(value) < 1e15 else f"{value:.4g}"


@dataclass
class Result:
    """A number that a program reached, the bound that it must reach, and what it is compared with."""

    name: str
    value: float
    at_least: float | None = None
    at_most: float | None = None
    reference: str = ""

    def reached(self):
        """Whether the value keeps its bound; NaN keeps none.

        >>> from chainrule.demos import Result
        >>> Result("accuracy", 0.9, at_least=0.88).reached(), Result("error", float("nan"), at_most=1.0).reached()
        (True, False)
        """
        low = self.at_least is None or self.value >= self.at_least
        high = self.at_most is None or self.value <= self.at_most
        return bool(low and high and not np.isnan(self.value))

    def bound(self):
        """The bound in words.

        >>> from chainrule.demos import Result
        >>> Result("accuracy", 0.9, at_least=0.88).bound()
        'at least 0.88'
        """
        if self.at_least is not None and self.at_least == self.at_most:
            return f"exactly {shown(self.at_least)}"
        words = ("at least", self.at_least), ("at most", self.at_most)
        return ", ".join(f"{word} {shown(number)}" for word, number in words if number is not None)


@dataclass
class Loop:
    """A loop that ran: how many iterations were asked for, and the seconds of each that was run."""

    name: str
    asked: int
    seconds: list


class Measured(BaseException):
    """Ends a program whose first loop has been timed."""


class Demo:
    """The settings of a run, and where its results go.

    Parameters
    ----------
    name : of the program
    seed : for everything random
    quick : whether a reduced setting will do
    out : folder for pictures and texts; made when the first is written
    eager : whether `demo.compile` leaves functions as they are
    library : chainrule, or PyTorch where a program runs with its imports changed; None for chainrule
    time_limit : seconds after which the program's first loop, and with it the program, ends; None to run all of it

    Attributes
    ----------
    rng : numpy.random.Generator, seeded
    interrupted : bool, whether Ctrl-C ended a loop

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule.demos import Demo
    >>> demo = Demo("sum", seed=0)
    >>> total = sum(i for i in demo.steps(2))
      step 1/2
      step 2/2
    >>> demo.result("total", total, at_least=1)
    total: 1 (at least 1: reached)
    """

    def __init__(self, name, seed=0, quick=False, out=None, *, eager=False, library=None, time_limit=None):
        self.name, self.seed, self.quick, self.eager, self.time_limit = name, seed, quick, eager, time_limit
        self.out = Path(out or f"runs/{name}")
        self.library = library
        self.rng = np.random.default_rng(seed)
        self.results, self.loops, self.written, self.logged, self.latest = [], [], {}, {}, {}
        self.interrupted = False
        (manual_seed if library is None else library.manual_seed)(seed)

    # --- the library ----------------------------------------------------------------------------------------------------

    def compile(self, f):
        """`cr.compile(f)`; in an eager run, `f` itself."""
        return f if self.eager or self.library else compile_function(f)

    def tensor(self, array):
        """The array as a Tensor of the library that the program runs with; its dtype is kept."""
        array = np.asarray(array, order="C")
        return (from_numpy if self.library is None else self.library.from_numpy)(array)

    def needs(self, *packages):
        """Import optional packages and return them (one, or a tuple); at the start, not after minutes of training.

        Raises
        ------
        MissingExtraError
            One is not installed; the message has the command that installs it.
        """
        found = []
        for package in packages:
            try:
                found.append(importlib.import_module(package))
            except ImportError as error:
                raise missing_extra(package, "gallery", f"the demo {self.name}") from error
        return found[0] if len(found) == 1 else tuple(found)

    # --- loops ----------------------------------------------------------------------------------------------------------

    def steps(self, n, name="step"):
        """The numbers from 0 to n - 1, one after the other, with a progress bar.

        The first Ctrl-C ends the loop after the iteration that is running, so that the program goes on with what it has learnt
        so far; later loops then run a single iteration. A second Ctrl-C ends the program.
        """
        loop = Loop(name, n, [])
        first = not self.loops
        self.loops.append(loop)
        self.latest = {}
        bar = tqdm(total=n, desc=name, disable=not sys.stderr.isatty(), leave=False)
        with bar, self._interruptible():
            for i in range(n):
                start = time.perf_counter()
                yield i
                loop.seconds.append(time.perf_counter() - start)
                if first and self.time_limit is not None and sum(loop.seconds[1:]) > self.time_limit:
                    raise Measured
                last = i == n - 1 or self.interrupted
                if bar.disable:
                    if n > 1 and (last or (i + 1) * LINES // n > i * LINES // n):
                        print(f"  {name} {i + 1:,}/{n:,}{self._latest()}", flush=True)
                else:
                    bar.update()
                    if bar.n % max(n // 200, 1) == 0:
                        bar.set_postfix_str(self._latest().lstrip(": "))
                if last:
                    break
        if first and self.time_limit is not None:
            raise Measured

    def batches(self, *arrays, batch_size, epochs=1, name="step"):
        """Batches of arrays of equal length as Tensors, in an order drawn anew for each epoch, without an incomplete last one.

        Parameters
        ----------
        arrays : NumPy arrays or Tensors whose first axes agree
        batch_size, epochs : int
        name : of an iteration, in the progress that is shown

        Yields
        ------
        tuple of Tensors (or one Tensor, for one array)
        """
        columns = [np.asarray(a) for a in arrays]
        if len({len(a) for a in columns}) != 1 or len(columns[0]) < batch_size:
            found = f"lengths: {[len(a) for a in columns]}    batch_size: {batch_size}"
            raise ArgumentError(explain("batches: needs arrays of one length, at least batch_size", found, help="check both"))
        per_epoch = len(columns[0]) // batch_size
        for i in self.steps(per_epoch * epochs, name):
            if i % per_epoch == 0:
                order = self.rng.permutation(len(columns[0]))
            chosen = order[i % per_epoch * batch_size :][:batch_size]
            batch = tuple(self.tensor(a[chosen]) for a in columns)
            yield batch if len(batch) > 1 else batch[0]

    def log(self, **values):
        """Keep numbers of this iteration (floats, or Tensors of one element); the latest are shown with the progress."""
        for name, value in values.items():
            self.latest[name] = value.detach() if hasattr(value, "detach") else value
            self.logged.setdefault(name, []).append(self.latest[name])

    def curve(self, name):
        """All numbers that were logged under this name, as a float64 array."""
        values = self.logged.get(name, [])
        self.logged[name] = [float(v) for v in values]
        return np.array(self.logged[name], float)

    def _latest(self):
        latest = ", ".join(f"{name} {float(value):.4g}" for name, value in self.latest.items())
        return f": {latest}" if latest else ""

    @contextmanager
    def _interruptible(self):
        if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) in (
            None,
            signal.SIG_IGN,
        ):
            yield
            return

        def stop(signum, frame):
            signal.signal(signal.SIGINT, before)
            self.interrupted = True
            print("\ninterrupted: going on with what was learnt so far; Ctrl-C again ends the program", file=sys.stderr)

        before = signal.signal(signal.SIGINT, stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    # --- results --------------------------------------------------------------------------------------------------------

    def result(self, name, value, *, at_least=None, at_most=None, reference=""):
        """State a number that the program reached.

        Parameters
        ----------
        name : what it is, such as "test accuracy"
        value : float
        at_least, at_most : the bound that it must keep in a full run, whatever the seed
        reference : what it is compared with, such as "logistic regression: 0.842"
        """
        result = Result(name, float(value), at_least, at_most, reference)
        self.results.append(result)
        bound = result.bound()
        judged = not (self.quick or self.interrupted)
        said = [f"{bound}{': ' + ('reached' if result.reached() else 'MISSED') if judged else ''}"] if bound else []
        said += [reference] if reference else []
        print(f"{name}: {shown(result.value)}{' (' + '; '.join(said) + ')' if said else ''}", flush=True)

    def figure(self, figure, name=None, caption=""):
        """Save a Matplotlib figure as NAME.png in the folder of the run.

        Parameters
        ----------
        figure : matplotlib Figure
        name : without ending; None for the program's
        caption : a sentence for the documentation
        """
        path = self.out / f"{name or self.name}.png"
        plot.save(figure, path)
        self.written[path.name] = caption

    def text(self, text, name=None, caption=""):
        """Save a text as NAME.txt in the folder of the run; `name` may bring another ending."""
        name = name or self.name
        path = self.out / (name if "." in name else f"{name}.txt")
        with atomic_write(path) as file:
            file.write(text.rstrip("\n") + "\n")
        self.written[path.name] = caption

    def save(self):
        """Write results.json: settings, results, seconds, names of what was written."""
        content = {
            "name": self.name,
            "seed": self.seed,
            "quick": self.quick,
            "eager": self.eager,
            "interrupted": self.interrupted,
            "results": [asdict(r) | {"reached": r.reached()} for r in self.results],
            "loops": [
                {"name": loop.name, "asked": loop.asked, "run": len(loop.seconds), "seconds": sum(loop.seconds)}
                for loop in self.loops
            ],
            "files": self.written,
        }
        with atomic_write(self.out / "results.json") as file:
            json.dump(content, file, indent=1)
            file.write("\n")
