"""Gradients that are zero everywhere because of operations without a derivative: noticed on the tape, told to the user."""

import sys
import warnings
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

import numpy as np

from ..errors import ZeroGradientWarning, explain

_OURS = str(Path(__file__).resolve().parents[1])
_NUMPY = str(Path(np.__file__).resolve().parent)
_DEMOS = f"{_OURS}/demos"
_TAPE = f"{_OURS}/transforms/reverse.py"
_DERIVING = {_TAPE, f"{_OURS}/transforms/backward.py", f"{_OURS}/transforms/forward.py", f"{_OURS}/core/derivative.py"}
_MOST = 16  # events that a tape remembers
_BOOL = np.dtype(bool)
_shown: dict = {}  # what has been warned of, by Python's own book-keeping
_kinds: dict = {}  # file -> "user", "library" or "rule"


class Event(NamedTuple):
    """An operation without a derivative that met a value which derivatives flow to."""

    name: str
    note: Any
    code: CodeType | None  # of the user's function that called it; None in a recorded program
    at: Any  # the instruction there, since a line number would take longer to find; 'file:line' in a recorded program

    @property
    def place(self):
        """(file, line)"""
        if self.code is None:
            file, _, line = self.at.rpartition(":")
            return file, int(line or 0)
        return self.code.co_filename, next((n for start, end, n in self.code.co_lines() if start <= self.at < end and n), 0)

    def __str__(self):
        file, line = self.place
        return f"{self.name} at {Path(file).name}:{line}"


class Losses:
    """Where derivatives ended on a tape.

    events    the first operations without a derivative that met a value which derivatives flow to
    decided   how many of them came before the last decision by value: these may have served it alone
    stopped   values at which derivatives were ended on purpose, by `detach` or `stop_gradient`
    last      the last such operation, of a tape that lasts: an event without its value, which must not be kept alive; of
              comparisons, which are common and mostly harmless, the name alone
    """

    __slots__ = ("decided", "events", "last", "stopped")

    def __init__(self):
        self.events, self.decided, self.stopped, self.last = [], 0, [], None

    def notice(self, name, note):
        """Operation `name` has cut off `note`."""
        if len(self.events) < _MOST:
            event = _event(name, note)
            if event is not None:
                self.events.append(event)

    def notice_step(self, step, note):
        """Derivatives end at a step of a recorded program that has taken up `note`; None for a tape that lasts."""
        event = Event(step.row.name, note, None, step.source)
        if note is None:
            self.last = event
        elif len(self.events) < _MOST:
            self.events.append(event)

    def notice_last(self, name, dtype):
        """Operation `name`, with a result of this dtype, has cut off a value of a tape that lasts."""
        self.last = name if dtype is _BOOL else _event(name, None) or name

    def candidates(self, certain):
        """Events that may be why a gradient is zero everywhere, likeliest first.

        What came before a decision by value may have led to it: then another way through the program may have a derivative,
        unless it is `certain` that nothing has come out of this way.
        """
        return self.events[self.decided :] + (self.events[: self.decided] if certain else [])


def _event(name, note):
    """The event that happens in a caller; None if a derivative rule called the operation, which may well be constant."""
    frame: FrameType | None = sys._getframe(4)
    while frame is not None and frame.f_code.co_filename == _TAPE:  # the tape that noticed
        frame = frame.f_back
    while frame is not None:
        code = frame.f_code
        kind = _kinds.get(code.co_filename) or _kind(code.co_filename)
        if kind != "library":
            return Event(name, note, code, frame.f_lasti) if kind == "user" else None
        frame = frame.f_back
    return None


def place_of_user():
    """(file, line) of the innermost function of the user's program that led here."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if (_kinds.get(frame.f_code.co_filename) or _kind(frame.f_code.co_filename)) == "user":
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return "?", 0


def _kind(file):
    kind = "user" if not file.startswith((_OURS, _NUMPY)) or file.startswith(_DEMOS) else "library"
    return _kinds.setdefault(file, "rule" if file in _DERIVING else kind)


def _reached(sources, leaves, seen):
    """Those of the leaves that values are made from; `seen` are nodes that need no second look."""
    oldest, todo, found = min(leaf.time for leaf in leaves), [n for n in sources if n not in seen], set()
    seen.update(todo)
    while todo:
        node = todo.pop()
        if node in leaves:
            found.add(node)
        for parent in node.parents:
            if parent is not None and parent.time >= oldest and parent not in seen:
                seen.add(parent)
                todo.append(parent)
    return found


def warn(losses, unreached, certain, asked):
    """Warn of the first argument that nothing but operations without a derivative took up; (leaf, name) pairs.

    Each line of a program is warned of once, unless Python is told otherwise (`warnings.simplefilter("always")`).
    """
    candidates, names = losses.candidates(certain), dict(unreached)
    if not names or not candidates:
        return
    for leaf in _reached(losses.stopped, names, set()):
        del names[leaf]
    seen: set = set()
    for event in candidates:
        found = _reached([event.note], names, seen) if names else ()
        name = next((name for leaf, name in names.items() if leaf in found), None)
        if name is not None:
            message = explain(
                f"{asked}: the gradient of {name} is zero everywhere: it goes through operations that have no derivative",
                f"first of them: {event}",
                help="use a smooth function, or say that it is meant with cr.stop_gradient; "
                "x + cr.stop_gradient(cr.round(x) - x) rounds with the slope of x",
            )
            file, line = event.place
            warnings.warn_explicit(message, ZeroGradientWarning, file, line, registry=_shown)
            return
