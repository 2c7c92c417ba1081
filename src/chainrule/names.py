"""PyTorch's names for arguments that NumPy calls otherwise."""

import functools
import inspect

ALIASES = {"dim": ("axis", "axes"), "dims": ("axis", "axes"), "keepdim": ("keepdims",), "index": ("indices",)}
FIRST = ("x", "a", "arrays")  # what PyTorch calls `input`, or `tensors`


def torch_names(f):
    """Let `f` be called with `dim` or `dims` for `axis` or `axes`, `keepdim` for `keepdims`, `input` for its first argument and
    so on, as PyTorch users do; a boolean where NumPy has the dtype is PyTorch's `keepdim`."""
    parameters = inspect.signature(f).parameters
    aliases = {theirs: name for theirs, ours in ALIASES.items() for name in ours if name in parameters}
    first = next(iter(parameters))
    keeps = "keepdims" in parameters and [*parameters][1:3] == ["axis", "dtype"]
    if first in FIRST:
        aliases["tensors" if first == "arrays" else "input"] = first

    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        if keeps and len(args) == 3 and isinstance(args[2], bool):  # x.sum(1, True); no dtype is a boolean
            kwargs["keepdims"] = args[2]
            args = args[:2]
        if kwargs:
            for theirs, ours in aliases.items():
                if theirs in kwargs:
                    if ours in kwargs:
                        raise TypeError(f"{f.__name__}: {theirs!r} and {ours!r} are the same argument; give one of them")
                    kwargs[ours] = kwargs.pop(theirs)
        return f(*args, **kwargs)

    wrapper.__dict__["__signature__"] = inspect.signature(f)
    return wrapper
