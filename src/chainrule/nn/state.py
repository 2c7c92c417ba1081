"""The state of modules as a mapping of paths to values: how each module writes its part, and takes it back."""

from collections.abc import Mapping

from ..core.value import shape_of
from ..errors import ArgumentError, explain
from ..tensor import Tensor
from .errors import StateDictError
from .parameter import Parameter

EXTRA = "_extra_state"


class Loading(dict):
    """A state dict that is being loaded: what is to be written is noted here, so that nothing is changed if it does not fit."""

    def __init__(self, entries, assign):
        super().__init__(entries)
        self.assign = assign
        self.writes: list = []  # (module, name, value)
        self.misshaped: list = []


def save_own(module, entries, extra, destination, prefix, keep_vars):
    """Write the entries of one module, without those below it."""
    for name, value in entries:
        if value is not None:
            destination[prefix + name] = value if keep_vars else value.detach()
    if extra is not None:
        destination[prefix + EXTRA] = extra()


def load_own(module, entries, children, extra, state_dict, prefix, missing, unexpected, errors):
    """Note what one module, without those below it, takes from a state dict; what it lacks; and what has no place."""
    assign = getattr(state_dict, "assign", False)
    for name, value in entries:
        path = prefix + name
        if value is None:
            continue
        if path not in state_dict:
            missing.append(path)
        elif shape_of(state_dict[path]) != value.shape:
            errors.append(f"{path}: expected {value.shape}, found {shape_of(state_dict[path])}")
        elif isinstance(state_dict, Loading):
            state_dict.writes.append((module, name, state_dict[path]))
        else:
            write(module, name, state_dict[path], assign)
    if extra is not None:
        if prefix + EXTRA not in state_dict:
            missing.append(prefix + EXTRA)
        elif isinstance(state_dict, Loading):
            state_dict.writes.append((module, None, state_dict[prefix + EXTRA]))
        else:
            extra(state_dict[prefix + EXTRA])
    known = {name for name, value in entries if value is not None} | ({EXTRA} if extra is not None else set())
    for path in state_dict:
        if path.startswith(prefix):
            first, _, rest = path[len(prefix) :].partition(".")
            if not (first in children if rest else first in known):
                unexpected.append(path)


def write(module, name, value, assign):
    """Put a loaded value in its place; `assign` puts a new Parameter or buffer there instead of changing the values."""
    if name is None:
        module.set_extra_state(value)
    elif not assign:
        getattr(module, name).data = value
    else:
        place = getattr(module, name)
        new = value if isinstance(value, Tensor) else type(place)(value)
        setattr(module, name, Parameter(new, place.requires_grad) if isinstance(place, Parameter) else new)


def load(module, state_dict, strict, assign):
    """Load a state dict into a module and all below it; returns (missing, unexpected) names."""
    if not isinstance(state_dict, Mapping):
        raise ArgumentError(
            explain(
                f"{type(module).__name__}.load_state_dict takes a mapping of paths to arrays",
                f"found: {type(state_dict).__name__}",
                help="pass what state_dict() gave, or what cr.load read",
            )
        )
    loading = Loading(state_dict, assign)
    missing: list = []
    unexpected: list = []
    errors: list = []
    visited: list = []

    def visit(part, prefix):
        for hook in list(part._state_hooks("before load").values()):
            hook(part, loading, prefix, {}, strict, missing, unexpected, errors)
        part._expect(loading, prefix)
        part._load_from_state_dict(loading, prefix, {}, strict, missing, unexpected, errors)
        for name, child in part._submodules():
            visit(child, f"{prefix}{name}.")
        visited.append(part)

    visit(module, "")
    unexpected[:] = [path for path in dict.fromkeys(unexpected) if path in loading]
    listening = [part for part in visited if part._state_hooks("after load")]
    if errors or (strict and (missing or unexpected) and not listening):
        raise unfit(module, strict, missing, unexpected, errors)
    for part, name, value in loading.writes:
        write(part, name, value, assign)
    for part in listening:
        for hook in list(part._state_hooks("after load").values()):
            hook(part, (missing, unexpected))
    if strict and (missing or unexpected):
        raise unfit(module, strict, missing, unexpected, errors)
    return missing, unexpected


def unfit(module, strict, missing, unexpected, errors):
    found = [
        f"{what}: {', '.join(names)}" for what, names in (("missing", missing), ("unexpected", unexpected)) if names and strict
    ]
    return StateDictError(
        explain(
            f"{type(module).__name__}.load_state_dict: the state dict does not fit",
            *found,
            *(f"wrong shape: {line}" for line in errors),
            help="build the model with the sizes that were saved"
            + ("; strict=False skips names that do not match" if found else ""),
        )
    )
