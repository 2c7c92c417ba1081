"""Programs for what is done outside of any program: operations that NumPy is slow at, and the updates of optimisers.

A call counts with what NumPy needs for it, which is estimated from shapes alone. Once the calls of a kind have cost about as
much as a program for them does, the program is made: no run takes much more than twice as long as if it had been known
beforehand which choice is better, and the same run makes the same choices each time. The compiler is imported for the first
program.
"""

import importlib
import math
import os
import threading
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from .core import accelerate
from .core.dispatch import attention, state

LEAST = 20e3  # ns of NumPy from which on a call is counted at all
IMPORT = 150e6  # ns that importing the compiler costs
PROGRAM = 50e6  # ns that a program of one operation costs
MOST = 256  # operations that are remembered
TENSOR, ELEMENT = 10e3, 1.0  # ns per Tensor that an update changes, and per element of it, by NumPy
UPDATE = 2.5e6  # ns per Tensor that the program of an update costs
RECORDINGS = 6  # programs of one optimiser from which on no more are made
PATIENCE = 3  # updates in a row by the slow way into a program, after which NumPy has a turn
TURN = 20  # updates
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


class Operation:
    """Calls of one operation with the same shapes and parameters: what they cost, what they have cost, and their program."""

    __slots__ = ("call", "cost", "spent")

    def __init__(self, cost):
        self.cost = cost
        self.spent = 0.0  # in calls that NumPy has raised no error for: programs do not look whether arguments fit together
        self.call: Callable | None = None if cost >= LEAST else declined


def declined(*args):
    """Stands for a program where there is none."""
    return None


class Programs:
    """The engine behind eager operations. See `core.accelerate`."""

    def __init__(self):
        self.table: dict[Any, Operation] = {}
        self.spent = 0.0  # ns by NumPy in everything that could have a program
        self.lock = threading.RLock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=lambda: setattr(self, "lock", threading.RLock()))

    def run(self, row, numpy, args, params):
        try:
            key = (row, *[(x.shape, x.dtype) for x in args], *params.items())
            found = self.table.get(key)
        except (AttributeError, TypeError):  # not arrays, or parameters in lists
            return numpy(*args, **params)
        if found is None:
            found = self.new(key, row.cost(*args, **params))
        call = found.call
        if call is None and found.spent >= PROGRAM and self.spent >= IMPORT:
            call = self.made(found, row, args, params)
        out = None if call is None else call(*args)
        if out is None:
            out = numpy(*args, **params)
            if call is None:
                found.spent += found.cost
                self.spent += found.cost
        return out

    def new(self, key, cost):
        with self.lock:
            if key not in self.table:
                if len(self.table) >= MOST:  # forget those that have cost least: the ones with a program have cost most
                    for old in sorted(self.table, key=lambda k: self.table[k].spent)[: MOST // 2]:
                        del self.table[old]
                self.table[key] = Operation(cost)
            return self.table[key]

    def made(self, operation, row, args, params):
        """The program of an operation, made once."""
        with self.lock:
            if operation.call is None:
                operation.call = self.make(row, args, params) or declined
        return operation.call

    def make(self, row, args, params):
        if any(x.dtype not in FLOATS or x.dtype != args[0].dtype or x.size == 0 for x in args):
            return None
        try:
            return compiler("single").single(row, args, params)
        except Exception:  # NumPy says what is wrong with the arguments, and does what the compiler cannot
            return None

    def repeated(self, update, tensors):
        return Updates(self, update, tensors)


class Updates:
    """The updates of one object: by NumPy, and by a program once that is worth it."""

    def __init__(self, programs, update, tensors):
        self.programs, self.update, self.tensors = programs, update, tensors
        self.spent = 0.0
        self.cost, self.price = 0.0, math.inf  # of an update by NumPy, of the program; known after the first update
        self.updates = 0
        self.program: Any = None
        self.slow = 0  # updates in a row that did not go straight into the program
        self.turn: float = 0  # updates that NumPy does next

    def __call__(self, owner):
        if attention or state.scopes:  # part of a program that is being written down, or in surroundings of a special kind
            self.update(owner)
            return
        ready = None if self.program is None else self.program.ready
        if ready is not None and ready[1].valid() and ready[0].door(())[0] == 0:
            self.slow = 0
        elif self.turn > 0:
            self.turn -= 1
            self.update(owner)
        elif not (self.worth(owner) and self.run(owner)):
            self.update(owner)

    def worth(self, owner):
        """Whether by now NumPy has taken as long as it takes to make a program."""
        if self.program is not None:
            return True
        self.updates += 1
        if self.updates == 2:  # the first one makes the state
            tensors = self.tensors(owner)
            self.cost = sum(TENSOR + ELEMENT * t.value.size for t in tensors)
            self.price = UPDATE * len(tensors) if all(t.dtype in FLOATS for t in tensors) else math.inf
        self.spent += self.cost
        self.programs.spent += self.cost
        return self.spent >= self.price and self.programs.spent >= IMPORT

    def run(self, owner):
        """Update by the program, found or made by way of Python; whether that was done."""
        self.slow += 1
        if self.slow > PATIENCE:  # somebody holds on to gradients or parameters, or they come and go
            self.slow, self.turn = 0, TURN
            return False
        if self.program is None:
            return self.first(owner)
        self.program()
        if len(self.program.calls) >= RECORDINGS:
            self.turn = math.inf
            self.program = None
        return True

    def first(self, owner):
        """Make the program, which does the update."""
        before = [(t, t.value) for t in self.tensors(owner)]
        try:
            self.program = compiler("compile").Compiled(types.MethodType(self.update, owner))
            self.program()
            return True
        except Exception:  # nobody asked for a program: NumPy says what is wrong, if anything is
            self.program, self.turn = None, math.inf
            for t, value in before:
                t.value = value
            return False


def compiler(module):
    return importlib.import_module(f"{__package__}.compiler.{module}")


def install():
    """Let programs take over, unless the environment says CHAINRULE_EAGER=numpy."""
    if os.environ.get("CHAINRULE_EAGER", "").lower() != "numpy":
        accelerate.install(Programs())
