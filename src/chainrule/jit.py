"""PyTorch's decorators of scripts that it compiles: functions stay as they are. `chainrule.compile` is what compiles."""

from typing import Final as Final

__all__ = [
    "Final",
    "ScriptFunction",
    "ScriptModule",
    "export",
    "ignore",
    "is_scripting",
    "is_tracing",
    "script",
    "script_method",
    "trace",
    "unused",
]


class ScriptFunction:
    """What nothing is an instance of."""


ScriptModule = ScriptFunction


def script(thing, **options):
    """The function, module or class itself.

    >>> import chainrule as cr
    >>> cr.jit.script(abs)(-1)
    1
    """
    return thing


script_method = export = unused = script


def trace(thing, example_inputs=None, **options):
    """The function or module itself."""
    return thing


def ignore(drop=False, **options):
    """Decorator without effect, with or without an argument."""
    return drop if callable(drop) else script


def is_scripting():
    """False."""
    return False


is_tracing = is_scripting
