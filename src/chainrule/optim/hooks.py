"""Hooks of optimisers: functions of the user's that are called around steps, and around saving and loading of states."""

import functools

from ..core.changes import LENGTH, HookHandle, Noted

_OF_ALL = Noted(), Noted()  # before and after the steps of all optimisers
_stepping: list = []  # optimisers that are in a step; a `step` may call that of its base class


def register_optimizer_step_pre_hook(hook):
    """Call `hook(optimizer, args, kwargs)` before each step of any optimiser; returns a handle with `remove()`.

    A pair that it returns replaces the arguments of `step`.
    """
    return HookHandle(_OF_ALL[0], hook)


def register_optimizer_step_post_hook(hook):
    """Call `hook(optimizer, args, kwargs)` after each step of any optimiser; returns a handle with `remove()`.

    >>> import chainrule as cr
    >>> seen = []
    >>> handle = cr.optim.optimizer.register_optimizer_step_post_hook(lambda optimizer, args, kwargs: seen.append(optimizer.lr))
    >>> cr.optim.SGD([cr.tensor(1.0, requires_grad=True)], lr=0.25).step()
    >>> seen
    [0.25]
    >>> handle.remove()
    """
    return HookHandle(_OF_ALL[1], hook)


def with_hooks(step):
    """A method `step` that calls the hooks of its optimiser, and those of all, before and after."""

    @functools.wraps(step)
    def hooked(self, *args, **kwargs):
        before, after = self._step_hooks
        if not (before or after or _OF_ALL[0] or _OF_ALL[1]) or any(self is other for other in _stepping):
            return step(self, *args, **kwargs)
        _stepping.append(self)
        try:
            for hook in [*_OF_ALL[0].values(), *before.values()]:
                new = hook(self, args, kwargs)
                if new is not None:
                    args, kwargs = new
                    args = args[1:] if args and args[0] is self else args  # as hooks write it for PyTorch
            out = step(self, *args, **kwargs)
            for hook in [*_OF_ALL[1].values(), *after.values()]:
                hook(self, args, kwargs)
        finally:
            _stepping.remove(self)  # another thread may have begun a step of its own
        return out

    return hooked


class Hooked:
    """What an optimiser can be asked to call. Its steps, also those that subclasses write, go through `with_hooks`."""

    _step_hooks: tuple[Noted, Noted]  # before and after a step

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        if "step" in cls.__dict__:
            cls.step = with_hooks(cls.__dict__["step"])  # type: ignore[attr-defined]

    def _watched_hooks(self):
        """What a compiled program depends on: (holder, key, how it is written)."""
        for both, whose in ((self._step_hooks, ""), (_OF_ALL, " of all optimisers")):
            for hooks, when in zip(both, ("before", "after"), strict=True):
                yield hooks, LENGTH, f" (hooks{whose} {when} a step)"
                for key in hooks:
                    yield hooks, key, f" (a hook{whose} {when} a step)"

    def register_step_pre_hook(self, hook):
        """Call `hook(optimizer, args, kwargs)` before each step; a pair that it returns replaces the arguments of `step`.

        Returns a handle whose `remove()` takes the hook off again.
        """
        return HookHandle(self._step_hooks[0], hook)

    def register_step_post_hook(self, hook):
        """Call `hook(optimizer, args, kwargs)` after each step.

        Returns a handle whose `remove()` takes the hook off again.

        Examples
        --------
        >>> import chainrule as cr
        >>> x = cr.tensor(1.0, requires_grad=True)
        >>> optimizer, seen = cr.optim.SGD([x], lr=0.25), []
        >>> handle = optimizer.register_step_post_hook(lambda optimizer, args, kwargs: seen.append(x.item()))
        >>> (x * x).backward()
        >>> optimizer.step()
        >>> seen
        [0.5]
        """
        return HookHandle(self._step_hooks[1], hook)

    def _state_hooks(self, when):
        return self.__dict__.setdefault("_hooks_of_state", {}).setdefault(when, {})

    def register_state_dict_pre_hook(self, hook, prepend=False):
        """Call `hook(optimizer)` before `state_dict`; returns a handle with `remove()`."""
        return HookHandle(self._state_hooks("before save"), hook, prepend)

    def register_state_dict_post_hook(self, hook, prepend=False):
        """Call `hook(optimizer, state_dict)` after `state_dict`; what it returns, if not None, is given instead.

        >>> import chainrule as cr
        >>> optimizer = cr.optim.SGD([cr.tensor(1.0, requires_grad=True)])
        >>> handle = optimizer.register_state_dict_post_hook(lambda optimizer, states: states.update(epoch=3))
        >>> optimizer.state_dict()["epoch"]
        3
        """
        return HookHandle(self._state_hooks("after save"), hook, prepend)

    def register_load_state_dict_pre_hook(self, hook, prepend=False):
        """Call `hook(optimizer, state_dict)` before `load_state_dict`; what it returns, if not None, is loaded instead.

        The dict is a copy, whose entries may be replaced. Returns a handle with `remove()`.
        """
        return HookHandle(self._state_hooks("before load"), hook, prepend)

    def register_load_state_dict_post_hook(self, hook, prepend=False):
        """Call `hook(optimizer)` when a state has been loaded; returns a handle with `remove()`."""
        return HookHandle(self._state_hooks("after load"), hook, prepend)
