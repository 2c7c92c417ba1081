"""What happens when a module is called: its hooks, and those of all modules, around its computation."""

import warnings
from collections.abc import Callable

from ..core.changes import LENGTH, HookHandle, Noted, changes
from ..errors import UnsupportedError, explain
from .errors import LOCATED, locate
from .hooks import call_all, run_watched
from .state import BUFFER, MODULE, PARAMETER, PASSING_BUFFER

BEFORE, AFTER, BACKWARD_PRE, BACKWARD = "before", "after", "backward before", "backward"
OF_ALL = Noted()  # hooks of all modules: handle -> (when, hook)
OF_REGISTRATION: dict = {}  # handle -> (kinds, hook)


class Hook:
    """A hook that is handed the keyword arguments of the call, too, or that is also called when the call raises."""

    def __init__(self, hook, with_kwargs=False, always=False):
        self.hook, self.with_kwargs, self.always = hook, with_kwargs, always


def _hook(hook, with_kwargs=False, always=False):
    return Hook(hook, with_kwargs, always) if with_kwargs or always else hook


def _of_all(when):
    return [hook for at, hook in list(OF_ALL.values()) if at == when]


def register_module_forward_hook(hook, *, with_kwargs=False, always_call=False):
    """Call `hook(module, args, output)` after every `forward` of every module, before the hooks of the module itself.

    What it returns, if not None, replaces the output. Returns a handle whose `remove()` takes the hook off again.

    >>> from chainrule import nn
    >>> seen = []
    >>> with nn.modules.module.register_module_forward_hook(lambda module, args, out: seen.append(type(module).__name__)):
    ...     _ = nn.Sequential(nn.ReLU(), nn.Tanh())(1.0)
    >>> seen
    ['ReLU', 'Tanh', 'Sequential']
    """
    return HookHandle(OF_ALL, (AFTER, _hook(hook, with_kwargs, always_call)))


def register_module_forward_pre_hook(hook):
    """Call `hook(module, args)` before every `forward` of every module; what it returns, if not None, are the arguments."""
    return HookHandle(OF_ALL, (BEFORE, hook))


def register_module_full_backward_hook(hook):
    """Call `hook(module, grad_input, grad_output)` when the gradients of a call of any module are known.

    As for `Module.register_full_backward_hook`; hooks of all modules come before those of one.
    """
    return HookHandle(OF_ALL, (BACKWARD, hook))


def register_module_full_backward_pre_hook(hook):
    """Call `hook(module, grad_output)` before the gradients of the outputs go on into any module."""
    return HookHandle(OF_ALL, (BACKWARD_PRE, hook))


def register_module_parameter_registration_hook(hook):
    """Call `hook(module, name, parameter)` when any module registers a parameter; what it returns, if not None, is registered
    instead."""
    return HookHandle(OF_REGISTRATION, ((PARAMETER,), hook))


def register_module_buffer_registration_hook(hook):
    """Call `hook(module, name, buffer)` when any module registers a buffer; see the one for parameters."""
    return HookHandle(OF_REGISTRATION, ((BUFFER, PASSING_BUFFER), hook))


def register_module_module_registration_hook(hook):
    """Call `hook(module, name, submodule)` when any module registers a submodule; see the one for parameters."""
    return HookHandle(OF_REGISTRATION, ((MODULE,), hook))


def registered(module, kind, name, value):
    """What hooks make of what a module is about to register."""
    for kinds, hook in list(OF_REGISTRATION.values()):
        if kind in kinds:
            new = hook(module, name, value)
            value = value if new is None else new
    return value


class Running:
    """What a Module is to a caller: a function with hooks."""

    _forward_hooks: dict[HookHandle, Callable]
    _forward_pre_hooks: dict[HookHandle, Callable] | None = None
    _backward_hooks: dict[HookHandle, Callable] | None = None
    _backward_pre_hooks: dict[HookHandle, Callable] | None = None
    _always_calls = False  # whether there ever was a hook that is called when `forward` raises, too

    def forward(self, *args, **kwargs):
        """The computation of this module; called through the module itself, so that hooks run."""
        raise UnsupportedError(
            explain(
                f"{type(self).__name__} has no forward method",
                help="define forward(self, x), or iterate over a container's modules",
            )
        )

    def __call__(self, *args, **kwargs):
        if OF_ALL or self._always_calls:
            return self._call_among_all(args, kwargs)
        if self._forward_pre_hooks is not None:
            args, kwargs = self._prepared(args, kwargs)
        try:
            if self._backward_hooks is not None:
                out = self._run_watched(args, kwargs)
            else:
                out = self.forward(*args, **kwargs)
        except LOCATED as error:
            locate(error, self)
            raise
        if self._forward_hooks:
            for hook in list(self._forward_hooks.values()):
                out = self._after(hook, args, kwargs, out)
        return out

    def _call_among_all(self, args, kwargs):
        """As `__call__`, with the hooks of all modules, and with those that are called in any case."""
        todo = [*_of_all(AFTER), *self._forward_hooks.values()]
        out = None
        try:
            args, kwargs = self._prepared(args, kwargs)
            watched = self._backward_hooks is not None or _of_all(BACKWARD) or _of_all(BACKWARD_PRE)
            try:
                out = self._run_watched(args, kwargs) if watched else self.forward(*args, **kwargs)
            except LOCATED as error:
                locate(error, self)
                raise
            while todo:
                out = self._after(todo.pop(0), args, kwargs, out)
        except Exception:
            for hook in todo:
                if type(hook) is Hook and hook.always:
                    try:
                        self._after(hook, args, kwargs, out)
                    except Exception as error:
                        warnings.warn(f"a hook of {type(self).__name__} has raised, too: {error}", stacklevel=2)
            raise
        return out

    def _after(self, hook, args, kwargs, out):
        """The output after a hook has seen it."""
        if type(hook) is Hook:
            new = hook.hook(self, args, kwargs, out) if hook.with_kwargs else hook.hook(self, args, out)
        else:
            new = hook(self, args, out)
        return out if new is None else new

    def register_forward_hook(self, hook, *, prepend=False, with_kwargs=False, always_call=False):
        """Call `hook(module, args, output)` after every `forward`; what it returns, if not None, replaces the output.

        With `with_kwargs`, the call is `hook(module, args, kwargs, output)`. Hooks run in the order of registration, with
        `prepend` before those that are there. With `always_call`, the hook is also called when `forward` or another hook
        raises. Returns a handle whose `remove()` takes the hook off again.

        >>> from chainrule import nn
        >>> double = nn.Identity()
        >>> handle = double.register_forward_hook(lambda module, args, out: 2 * out)
        >>> double(1.5)
        3.0
        """
        if always_call:
            self._always_calls = True
        return HookHandle(self._forward_hooks, _hook(hook, with_kwargs, always_call), prepend)

    def register_forward_pre_hook(self, hook, *, prepend=False, with_kwargs=False):
        """Call `hook(module, args)` before every `forward`; what it returns, if not None, are the arguments instead.

        With `with_kwargs`, the call is `hook(module, args, kwargs)`, which returns None or the pair (args, kwargs). Hooks run
        in the order of registration, with `prepend` before those that are there. Returns a handle whose `remove()` takes the
        hook off again.

        >>> from chainrule import nn
        >>> layer = nn.Identity()
        >>> handle = layer.register_forward_pre_hook(lambda module, args: (args[0] + 1,))
        >>> layer(1.5)
        2.5
        """
        if self._forward_pre_hooks is None:
            self._forward_pre_hooks = Noted()
        return HookHandle(self._forward_pre_hooks, _hook(hook, with_kwargs), prepend)

    def register_full_backward_hook(self, hook, prepend=False):
        """Call `hook(module, grad_input, grad_output)` when the gradients of a call of this module are known.

        Both are tuples, one entry for each positional argument and each output, None where there is no gradient. What the hook
        returns, if not None, goes on as the gradients of the inputs.

        Returns a handle whose `remove()` takes the hook off again.

        >>> import chainrule as cr
        >>> layer, seen = cr.nn.Identity(), []
        >>> handle = layer.register_full_backward_hook(lambda module, grad_input, grad_output: seen.append(grad_output))
        >>> layer(cr.tensor(2.0, requires_grad=True)).backward()
        >>> seen
        [(tensor(1.),)]
        """
        self._watch_gradients()
        return HookHandle(self._backward_hooks, hook, prepend)

    def register_full_backward_pre_hook(self, hook, prepend=False):
        """Call `hook(module, grad_output)` before the gradients of a call's outputs go on into this module.

        What it returns, if not None, replaces them. Returns a handle whose `remove()` takes the hook off again.

        >>> import chainrule as cr
        >>> layer, x = cr.nn.Identity(), cr.tensor(2.0, requires_grad=True)
        >>> handle = layer.register_full_backward_pre_hook(lambda module, grad_output: (10 * grad_output[0],))
        >>> layer(x).backward()
        >>> x.grad
        tensor(10.)
        """
        self._watch_gradients()
        return HookHandle(self._backward_pre_hooks, hook, prepend)

    def _watch_gradients(self):
        if self._backward_hooks is None:
            self.__dict__.update(_backward_hooks=Noted(), _backward_pre_hooks=Noted())
            changes.note()

    def _watched_hooks(self):
        """What a compiled program that calls this module depends on: (holder, key, how it is written)."""
        yield OF_ALL, LENGTH, " (hooks of all modules)"
        for key in OF_ALL:
            yield OF_ALL, key, " (a hook of all modules)"

    def _run_watched(self, args, kwargs):
        return run_watched(
            lambda *xs: self.forward(*xs, **kwargs),
            args,
            before=lambda gs: call_all([*_of_all(BACKWARD_PRE), *(self._backward_pre_hooks or {}).values()], self, gs),
            after=lambda gs, out: call_all([*_of_all(BACKWARD), *(self._backward_hooks or {}).values()], self, gs, out),
        )

    def _prepared(self, args, kwargs):
        for hook in [*(_of_all(BEFORE) if OF_ALL else ()), *(self._forward_pre_hooks or {}).values()]:
            if type(hook) is Hook:
                args, kwargs = hook.hook(self, args, kwargs) or (args, kwargs)
                continue
            new = hook(self, args)
            if new is not None:
                args = new if isinstance(new, tuple) else (new,)
        return args, kwargs
