"""How long recording lasts: while a transform runs its function, and outside of `no_grad`."""

import contextlib
import functools

from ..core.dispatch import attention, next_level, state
from ..core.value import Value
from ..errors import LeakedTensorError, explain
from .reverse import Tape


def leaked():
    return LeakedTensorError(
        explain(
            "a Tensor was used after the transform (grad, vjp, jvp, vmap ...) that made it had ended",
            help="return it from the transformed function, with has_aux=True if it is not the result, or keep x.detach()",
        )
    )


class Ended:
    """What the trace of a transform becomes when its function has returned: using its Tensors raises."""

    def describe(self, x):
        return f"Tensor(of a transform that has ended, {x.dtype})"

    def __getattr__(self, name):
        raise leaked()


def end(trace):
    trace.__class__ = Ended


class Scope:
    """A transform that is running its function: Tensors that require grad in there live on a tape above its trace."""

    def __init__(self, trace):
        self.trace, self.inner = trace, None

    def tape(self):
        if self.inner is None:
            self.inner = Tape(next_level(), lasting=True)
        return self.inner

    def __enter__(self):
        state.scopes.append(self)
        return self

    def __exit__(self, *exc):
        state.scopes.remove(self)
        end(self.trace)
        if self.inner is not None:
            end(self.inner)

    def strip(self, x):
        """`x` without the wrapping of this scope's own tapes above the trace."""
        while isinstance(x, Value) and x.owner is self.inner:
            x = x.value
        if isinstance(x, Value) and isinstance(x.owner, Ended) and x.owner is not self.trace:
            raise leaked()
        return x


@contextlib.contextmanager
def phase(name):
    """Operations inside belong to this part of a program that is being recorded."""
    before, state.phase = state.phase, name
    try:
        yield
    finally:
        state.phase = before


class no_grad:
    """Context manager and decorator: operations inside record nothing for reverse mode.

    Transforms that begin inside (such as `grad`) work as usual.

    >>> import chainrule as cr
    >>> x = cr.tensor(2.0, requires_grad=True)
    >>> with cr.no_grad():
    ...     y = x * x
    >>> y.requires_grad
    False
    """

    def _level(self):
        return next_level()

    def __enter__(self):
        self._before = (*getattr(self, "_before", ()), state.paused_below)
        state.paused_below = self._level()
        attention.append(self)
        return self

    def __exit__(self, *exc):
        *rest, state.paused_below = self._before
        self._before = tuple(rest)
        attention.remove(self)

    def __call__(self, f):
        @functools.wraps(f)
        def wrapper(*args, **kwargs):
            with type(self)():
                return f(*args, **kwargs)

        return wrapper


class enable_grad(no_grad):
    """Context manager and decorator: undoes `no_grad` inside."""

    def _level(self):
        return -(10**9)


def is_grad_enabled():
    """Whether operations on Tensors that require grad are being recorded."""
    return state.ambient().recording()
