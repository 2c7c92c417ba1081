"""How many threads a compiled program should use: one or all, by the times its calls take."""

import sys


class Chooser:
    """Chooses, call by call, whether one program runs on one thread or on all, from the times its calls take.

    Threads that wait for each other pay for every core that is busy with something else, up to whole time slices. So a parallel
    run ends when it has lost what it had gained, of which it may keep the time of sixteen calls; the next trial comes when
    the calls since have worked off sixteen times what the last one lost, and twice that for every failure in a row. Over time,
    threads cost nothing where they gain nothing, and a time slice now and then does not end what gains more.

    Parameters
    ----------
    threads : int
        How many to use when not one.

    Examples
    --------
    >>> from chainrule.compiler.chooser import Chooser
    >>> chooser = Chooser(2)
    >>> for _ in range(20):
    ...     n = chooser.choose()
    ...     chooser.record(n, 1_000_000 // n)  # nanoseconds: here, two threads take half the time
    >>> chooser.choose()
    2
    """

    SHORT = 3000  # ns; below, threads cannot pay
    TOLERANCE = 1.3
    GAIN = 0.95  # what threads must get the time down to
    PRICE = 16  # a trial may lose a sixteenth of the time
    SOON = 4  # calls
    RECHECK = 16  # parallel calls whose mean is held against the serial estimate
    CREDIT = 16  # serial calls whose time a parallel run may gain and lose again
    FORGET = 2e9  # ns of calls after which a trial is made however many have failed, unless it costs a PRICE of that

    __slots__ = (
        "_failures", "_gained", "_left", "_limit", "_next", "_parallel", "_probes", "_serial", "_spent", "_trial", "_until",
        "threads",
    )  # fmt: skip

    def __init__(self, threads):
        self.threads = threads
        self._next = 1
        self._serial = 0.0  # estimates of a call's time
        self._parallel = 0.0
        self._limit = 0.0
        self._trial: list[float] | None = []  # times of the trial in progress; None while settled
        self._left = 0  # settled: calls until the next decision
        self._spent = 0.0  # settled on threads: time since the last decision
        self._gained = 0.0  # by running on threads
        self._failures = 0  # of threads, in a row
        self._probes = 0  # of one thread, in a row
        self._until = 0.0  # settled on threads: time to spend before one thread is measured again
        if threads == 1:
            self._trial, self._left = None, sys.maxsize

    def __repr__(self):
        us = f"{self._serial / 1e3:.1f} us on 1 thread, {self._parallel / 1e3:.1f} us on {self.threads}"
        return f"Chooser({self.threads}): {self._next} now; {us}"

    def choose(self) -> int:
        """How many threads the next call should use: 1 or `threads`."""
        return self._next

    def record(self, threads: int, ns: float) -> None:
        """Learn from a call.

        Parameters
        ----------
        threads : int
            What `choose` said before the call.
        ns : int or float
            Its time in nanoseconds.
        """
        if threads != self._next:  # another Python thread has brought a decision about since
            return
        trial = self._trial
        if trial is not None:
            self._try(trial, ns)
            return
        self._left -= 1
        if threads == 1:
            serial = self._serial  # a running mean, on which one stalled call has little influence
            self._serial = serial + ((ns if ns < 2 * serial else 2 * serial) - serial) * 0.125
            if self._left <= 0:
                self._begin(self.threads)
        else:
            self._spent += ns
            self._gained = min(self._gained + self._serial - ns, self.CREDIT * self._serial)
            if ns > self._limit and self._gained < 0:
                self._fail(self._spent - (self.RECHECK - self._left) * self._serial)
            elif self._left <= 0:
                self._review()

    def _begin(self, threads):
        if threads > 1 and self._serial < self.SHORT:
            self._settle(1, 1000)
            return
        self._next, self._trial, self._limit = threads, [], self.TOLERANCE * self._serial

    def _settle(self, threads, calls):
        self._next, self._trial, self._left, self._spent = threads, None, max(int(calls), self.SOON), 0.0

    def _try(self, trial, ns):
        trial.append(ns)
        if len(trial) == 1:  # caches are cold or workers asleep: does not count
            return
        if self._next == 1:
            if len(trial) >= 3:
                self._serial = min(trial[1:])
                if self._serial <= self._parallel:
                    self._parallel = 0.0
                    self._settle(1, self.SOON)
                    return
                if self._parallel:
                    cost = max(sum(trial) - 3 * self._parallel, 0.0)
                    self._probes += 1
                    self._until = min(self.PRICE * cost * 2 ** min(self._probes, 40), max(self.PRICE * cost, self.FORGET))
                self._begin(self.threads)
        elif sum(t > self._limit for t in trial[1:]) > 1:
            self._fail(sum(trial) - len(trial) * self._serial)
        elif len(trial) >= 4:
            self._parallel = sorted(trial[1:])[1]
            if self._parallel < self.GAIN * self._serial:
                if not self._until:
                    self._until = 2 * self.PRICE * self._serial
                self._gained = max(self._gained, 0.0)
                self._settle(self.threads, self.RECHECK)
            else:
                self._fail(sum(trial) - len(trial) * self._serial)

    def _review(self):
        self._parallel = self._spent / self.RECHECK
        self._until -= self._spent
        if self._parallel >= self._serial and self._gained < 0:
            self._fail(self._spent - self.RECHECK * self._serial)
            return
        self._failures = 0
        if self._until <= 0:
            self._begin(1)
        else:
            self._settle(self.threads, self.RECHECK)

    def _fail(self, loss):
        self._probes, self._until, self._parallel, self._gained = 0, 0.0, 0.0, 0.0
        if loss <= 0:  # the calls before had gained more
            self._settle(1, self.SOON)
            return
        wait = min(self.PRICE * loss * 2 ** min(self._failures, 40), max(self.PRICE * loss, self.FORGET))
        self._failures += 1
        self._settle(1, wait / self._serial)
