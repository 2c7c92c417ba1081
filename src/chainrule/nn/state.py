"""The state of modules as a mapping of paths to values: how each module writes its part, and takes it back."""

import functools
from collections import OrderedDict
from collections.abc import Mapping, MutableMapping
from typing import NamedTuple

import numpy as np

from ..core.changes import HookHandle, changes
from ..core.value import dtype_of, shape_of
from ..errors import ArgumentError, UnsupportedError, explain
from ..tensor import Tensor
from .errors import StateDictError
from .parameter import Parameter

PARAMETER, BUFFER, PASSING_BUFFER, MODULE = "parameter", "buffer", "passing buffer", "module"
EXTRA = "_extra_state"


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict` returns: the names that it did not find, and those that it has no place for."""

    missing_keys: list
    unexpected_keys: list

    def __repr__(self):
        if not (self.missing_keys or self.unexpected_keys):
            return "<All keys matched successfully>"
        return f"IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


class Loading(dict):
    """A state dict that is being loaded: what is to be written is noted here, so that nothing is changed if it does not fit."""

    def __init__(self, entries, assign):
        super().__init__(entries)
        self.assign = assign
        self.writes: list = []  # (module, name, value)
        self.misshaped: list = []


def save_own(entries, extra, destination, prefix, keep_vars):
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
            errors.append(f"wrong shape: {path}: expected {value.shape}, found {shape_of(state_dict[path])}")
        elif not assign and not _fits(dtype_of(state_dict[path]), value.dtype):
            errors.append(f"wrong kind: {path}: expected {value.dtype}, found {dtype_of(state_dict[path])}")
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


def _fits(dtype, wanted):
    """Whether numbers of a dtype can be cast to the wanted one without losing an imaginary part; text is no number."""
    return dtype.kind in "biufc" and (dtype.kind != "c" or wanted.kind == "c")


def write(module, name, value, assign):
    """Put a loaded value in its place; `assign` puts a new Parameter or buffer there instead of changing the values."""
    if name is None:
        module.set_extra_state(value)
    elif not assign:
        theirs = not isinstance(value, Tensor)  # which somebody may write to later: NumPy's, and what shares PyTorch's memory
        getattr(module, name).data = np.array(value) if theirs and np.asarray(value).flags.writeable else value
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
    visited = _visit(module, "", (loading, strict, missing, unexpected, errors))
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


def _visit(module, prefix, arguments):
    """Let a module and all below it note what they take; returns them, those below before those above."""
    loading, *others = arguments
    for hook in list(module._state_hooks("before load").values()):
        hook(module, loading, prefix, {}, *others)
    module._expect(loading, prefix)
    module._load_from_state_dict(loading, prefix, {}, *others)
    below = [part for name, child in module._submodules() for part in _visit(child, f"{prefix}{name}.", arguments)]
    return [*below, module]


def unfit(module, strict, missing, unexpected, errors):
    found = [
        f"{what}: {', '.join(names)}" for what, names in (("missing", missing), ("unexpected", unexpected)) if names and strict
    ]
    return StateDictError(
        explain(
            f"{type(module).__name__}.load_state_dict: the state dict does not fit",
            *found,
            *errors,
            help="build the model with the sizes that were saved"
            + ("; strict=False skips names that do not match" if found else ""),
        )
    )


class Stateful:
    """What a Module is to a state dict. It says what is registered; how that is written and read stands here."""

    def _own(self, *kinds):
        """(name, value) of what is registered here as one of these kinds, None values included."""
        raise NotImplementedError

    def state_dict(self, *, destination=None, prefix="", keep_vars=False):
        """The values of all parameters and persistent buffers by path: a snapshot, to save or to load elsewhere.

        Parameters
        ----------
        destination : a dict to write into and to return
        prefix : what stands before all paths
        keep_vars : give the Parameters and buffers themselves instead of their values

        Notes
        -----
        What `get_extra_state` of a module gives, if it is defined, is part of it, under `_extra_state`.

        >>> from chainrule import nn
        >>> list(nn.Sequential(nn.Linear(2, 3), nn.ReLU()).state_dict())
        ['0.weight', '0.bias']
        """
        destination = OrderedDict() if destination is None else destination
        for hook in list(self._state_hooks("before save").values()):
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, child in self._submodules():
            child.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in list(self._state_hooks("after save").values()):
            new = hook(self, destination, prefix, {})
            destination = destination if new is None else new
        return destination

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        """Write what this module holds itself; to be overridden by modules with other state."""
        extra = self.get_extra_state if self._has_extra("get_extra_state") else None
        save_own(self._own_state(), extra, destination, prefix, keep_vars)

    def load_state_dict(self, state_dict, strict=True, assign=False):
        """Take over the values of a state dict, cast to the dtypes here.

        Parameters
        ----------
        state_dict : mapping of paths to arrays or Tensors
        strict : every path must be found, and no others; otherwise the rest is left as it is
        assign : put new Parameters and buffers with the loaded values, of their dtypes, in the place of those here

        Returns
        -------
        (missing_keys, unexpected_keys)

        Raises
        ------
        StateDictError
            Names or shapes do not fit: all of them are listed, and nothing has been changed.

        Examples
        --------
        >>> from chainrule import nn
        >>> a, b = nn.Linear(2, 3), nn.Linear(2, 3)
        >>> b.load_state_dict(a.state_dict())
        <All keys matched successfully>
        >>> bool((a.weight == b.weight).all())
        True
        """
        return IncompatibleKeys(*load(self, state_dict, strict, assign))

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs):
        """Take what this module holds itself; to be overridden by modules with other state."""
        extra = self.set_extra_state if self._has_extra("set_extra_state") else None
        children = {name for name, _ in self._submodules()}
        lists = missing_keys, unexpected_keys, error_msgs
        load_own(self, self._own_state(), children, extra, state_dict, prefix, *lists)

    def _own_state(self):
        return [*self._own(PARAMETER), *self._own(BUFFER)]

    def _submodules(self):
        return [(name, child) for name, child in self._own(MODULE) if child is not None]

    def _has_extra(self, name):
        return getattr(type(self), name) is not getattr(Stateful, name)

    def get_extra_state(self):
        """What else the state dict shall hold of this module; define it together with `set_extra_state`."""
        raise UnsupportedError(explain(f"{type(self).__name__} has no extra state", help="define get_extra_state"))

    def set_extra_state(self, state):
        """Take back what `get_extra_state` gave."""
        raise UnsupportedError(explain(f"{type(self).__name__} has no extra state", help="define set_extra_state"))

    def _state_hooks(self, when):
        return (self.__dict__.get("_hooks_of_state") or {}).get(when, {})

    def _hook_state(self, when, hook):
        hooks = self.__dict__.setdefault("_hooks_of_state", {})
        changes.note()
        return HookHandle(hooks.setdefault(when, {}), hook)

    def register_state_dict_pre_hook(self, hook):
        """Call `hook(module, prefix, keep_vars)` before `state_dict` of this module; returns a handle with `remove()`."""
        return self._hook_state("before save", hook)

    def register_state_dict_post_hook(self, hook):
        """Call `hook(module, state_dict, prefix, local_metadata)` after `state_dict` of this module, to change what it wrote.

        >>> from chainrule import nn
        >>> layer = nn.Linear(1, 1)
        >>> handle = layer.register_state_dict_post_hook(lambda module, states, prefix, _: states.pop(prefix + "bias"))
        >>> list(layer.state_dict())
        ['weight']
        """
        return self._hook_state("after save", lambda *args: hook(*args) and None)

    def _register_state_dict_hook(self, hook):
        return self._hook_state("after save", hook)

    def register_load_state_dict_pre_hook(self, hook):
        """Call `hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)` before
        this module takes its part of a state dict, a copy of which may be changed: to rename entries of older files, say.

        >>> from chainrule import nn
        >>> layer = nn.Linear(1, 1)
        >>> def rename(module, states, prefix, *rest):
        ...     states[prefix + "weight"] = states.pop(prefix + "kernel")
        >>> handle = layer.register_load_state_dict_pre_hook(rename)
        >>> layer.load_state_dict({"kernel": np.ones((1, 1)), "bias": np.zeros(1)})
        <All keys matched successfully>
        """
        return self._hook_state("before load", hook)

    def _register_load_state_dict_pre_hook(self, hook, with_module=False):
        return self._hook_state("before load", hook if with_module else functools.partial(_without_module, hook))

    def register_load_state_dict_post_hook(self, hook):
        """Call `hook(module, incompatible_keys)` when a state dict has been loaded; it may empty the lists of names."""
        return self._hook_state("after load", functools.partial(_with_named_keys, hook))


def _without_module(hook, module, *args):
    return hook(*args)


def _with_named_keys(hook, module, keys):
    return hook(module, IncompatibleKeys(*keys))


class Registered(MutableMapping):
    """What a module has registered as parameters, buffers or modules, by name; a change is one of the module."""

    def __init__(self, module, kinds):
        self.module, self.kinds = module, kinds

    def __getitem__(self, name):
        if name not in self:
            raise KeyError(name)
        return self.module.__dict__[name]

    def __contains__(self, name):
        return self.module._kinds.get(name) in self.kinds

    def __setitem__(self, name, value):
        if name in self:
            setattr(self.module, name, value)
        else:
            self.module._register(name, self.kinds[0], value)

    def __delitem__(self, name):
        self[name]
        delattr(self.module, name)

    def __iter__(self):
        return iter([name for name in self.module._kinds if name in self])

    def __len__(self):
        return len(list(iter(self)))

    def __repr__(self):
        return repr(dict(self))
