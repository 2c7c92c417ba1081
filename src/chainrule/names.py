"""PyTorch's names for arguments that NumPy calls otherwise."""

import functools
import inspect

ALIASES = {"dim": "axis", "keepdim": "keepdims"}


def torch_names(f):
    """Let `f` be called with `dim` for `axis` and `keepdim` for `keepdims`, as PyTorch users write them."""

    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        if kwargs:
            for theirs, ours in ALIASES.items():
                if theirs in kwargs:
                    if ours in kwargs:
                        raise TypeError(f"{f.__name__}: {theirs!r} and {ours!r} are the same argument; give one of them")
                    kwargs[ours] = kwargs.pop(theirs)
        return f(*args, **kwargs)

    wrapper.__dict__["__signature__"] = inspect.signature(f)
    return wrapper
