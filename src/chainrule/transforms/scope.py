"""How long recording lasts: while a transform runs its function, and outside of `no_grad`."""

import contextlib
import functools
import inspect
import types
from collections.abc import Callable

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


_ALWAYS = -(10**9)  # no level is below it


class no_grad:
    """Context manager and decorator: operations inside record nothing for reverse mode.

    Transforms that begin inside (such as `grad`) work as usual. As a decorator, with or without parentheses, it also serves
    generator functions: what runs between two values records nothing, what their user does meanwhile does.

    >>> import chainrule as cr
    >>> x = cr.tensor(2.0, requires_grad=True)
    >>> with cr.no_grad():
    ...     y = x * x
    >>> y.requires_grad
    False
    """

    def __new__(cls, f=None):
        self = object.__new__(cls)
        return self if f is None else self(f)

    def _level(self):
        return next_level()

    def _fresh(self):
        return type(self)()

    def __enter__(self):
        self._before = (*getattr(self, "_before", ()), state.paused_below)
        state.paused_below = self._level()
        attention.append(self)
        return self

    def __exit__(self, *exc):
        *rest, state.paused_below = self._before
        self._before = tuple(rest)
        attention.remove(self)
        if state.paused_below <= _ALWAYS:
            _stay(_ALWAYS)

    def __call__(self, f):
        if inspect.isgeneratorfunction(f):
            return self._around_generator(f)
        if inspect.iscoroutinefunction(f):
            steps = types.coroutine(self._around_generator(lambda *args, **kwargs: f(*args, **kwargs).__await__()))

            @functools.wraps(f)
            async def awaited(*args, **kwargs):
                return await steps(*args, **kwargs)

            return awaited

        @functools.wraps(f)
        def wrapper(*args, **kwargs):
            with self._fresh():
                return f(*args, **kwargs)

        return wrapper

    def _around_generator(self, f):
        @functools.wraps(f)
        def wrapper(*args, **kwargs):
            with self._fresh():
                generator = f(*args, **kwargs)
            step: Callable = next
            value: tuple = ()
            try:
                while True:
                    try:
                        with self._fresh():
                            item = step(generator, *value)
                    except StopIteration as end:
                        return end.value
                    try:
                        step, value = type(generator).send, ((yield item),)
                    except GeneratorExit:
                        raise
                    except BaseException as error:
                        step, value = type(generator).throw, (error,)
            finally:
                with self._fresh():
                    generator.close()

        return wrapper


class enable_grad(no_grad):
    """Context manager and decorator: undoes `no_grad` inside."""

    def _level(self):
        return _ALWAYS


class inference_mode(no_grad):
    """`no_grad` under another name; with `mode=False`, what surrounds it is undone inside.

    >>> import chainrule as cr
    >>> with cr.inference_mode():
    ...     cr.is_inference_mode_enabled()
    True
    """

    def __new__(cls, mode=True):
        return object.__new__(cls) if isinstance(mode, bool) else object.__new__(cls)._prepared(True)(mode)

    def __init__(self, mode=True):
        self._prepared(mode)

    def _prepared(self, mode):
        self.mode = mode
        self._modes: tuple = ()
        return self

    def _level(self):
        return next_level() if self.mode else _ALWAYS

    def _fresh(self):
        return type(self)(self.mode)

    def __enter__(self):
        self._modes = (*self._modes, state.inference)
        state.inference = self.mode
        return super().__enter__()

    def __exit__(self, *exc):
        *rest, state.inference = self._modes
        self._modes = tuple(rest)
        super().__exit__(*exc)


def is_inference_mode_enabled():
    """Whether the program runs inside of `inference_mode()`."""
    return state.inference


class set_grad_enabled(no_grad):
    """Record from now on, or do not: called on its own until it is called again, as a context manager or decorator inside.

    >>> import chainrule as cr
    >>> x = cr.tensor(2.0, requires_grad=True)
    >>> with cr.set_grad_enabled(False):
    ...     y = x * x
    >>> y.requires_grad
    False
    """

    def __new__(cls, mode):
        return object.__new__(cls)

    def __init__(self, mode):
        self.mode, self._at_call = mode, state.paused_below
        _stay(self._level())

    def _level(self):
        return _ALWAYS if self.mode else next_level()

    def _fresh(self):
        return enable_grad() if self.mode else no_grad()

    def __enter__(self):
        _stay(self._at_call)
        return super().__enter__()

    def __call__(self, f):
        _stay(self._at_call)
        return super().__call__(f)


def _stay(level):
    """Pause below this level until somebody says otherwise."""
    state.paused_below = level
    if level > _ALWAYS and state.paused_for_good is None:
        state.paused_for_good = object()
        attention.append(state.paused_for_good)
    elif level <= _ALWAYS and state.paused_for_good is not None:
        attention.remove(state.paused_for_good)
        state.paused_for_good = None


def is_grad_enabled():
    """Whether operations on Tensors that require grad are being recorded."""
    return state.ambient().recording()
