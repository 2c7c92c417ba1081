"""Where a faster engine may take over work outside of any program: operations that NumPy is slow at, repeated updates.

Ops say what NumPy needs for a call, engines above install themselves in `engine`; neither knows the other.
"""

import functools
from typing import Protocol


class Engine(Protocol):
    """What may stand in `engine`."""

    def run(self, row, numpy, args, params):
        """What `numpy(*args, **params)` gives, the evaluation of `row`, which needs `row.cost(*args, **params)` ns."""

    def repeated(self, update, tensors):
        """A function that does the same as `update(owner)`, which changes Tensors by their values alone.

        `tensors(owner)` are those that it changes.
        """


engine: Engine | None = None


def install(new):
    """Make `new` the engine, or with None have none; gives the one before."""
    global engine
    old, engine = engine, new
    return old


def accelerated(row):
    """The row's evaluation, which asks the engine first."""
    numpy = row.evaluate

    @functools.wraps(numpy)
    def evaluate(*args, **params):
        return numpy(*args, **params) if engine is None else engine.run(row, numpy, args, params)

    return evaluate
