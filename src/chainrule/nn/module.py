"""Module: what layers and models are made of. Registers parameters, buffers and submodules, and is a tree of parameters."""

import copy
from difflib import get_close_matches

import numpy as np

from .. import trees
from ..core.changes import LENGTH, Noted, changes
from ..core.value import Value
from ..devices import KINDS, on_cpu
from ..errors import ArgumentError, explain
from ..ops.shaping import cast
from ..tensor import Tensor
from ..transforms.reverse import ROOT
from .errors import MissingNameError
from .parameter import Buffer, Parameter
from .running import OF_REGISTRATION, Running, registered
from .state import BUFFER, MODULE, PARAMETER, PASSING_BUFFER, Registered, Stateful


def _constant(value):
    return value if isinstance(value, Value) else ROOT.constant(np.array(value))


class Module(Running, Stateful):
    """A part of a model: override `forward`, and assign Parameters and other Modules as attributes in `__init__`.

    Assigned Parameters and Modules are found by `parameters`, `state_dict`, `train` and the other methods here.

    A Module is also a tree of its parameters, so `cr.grad(loss)(model, x)` gives a Module of the same structure that
    holds gradients in place of parameters, and `cr.tree_map` works on it. A parameter that is used in several places
    is one leaf. Buffers are no leaves; the copies that transforms work on share them.

    Attributes
    ----------
    training : whether layers such as Dropout behave as in training; changed by `train` and `eval`

    Notes
    -----
    Values stand in the instance's `__dict__`, like any attribute; `_kinds` says which names are registered as what.
    Calling `super().__init__()` is customary and not needed.

    Examples
    --------
    >>> from chainrule import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.fc1, self.fc2 = nn.Linear(4, 8), nn.Linear(8, 1)
    ...     def forward(self, x):
    ...         return self.fc2(self.fc1(x).relu())
    >>> model = Net()
    >>> model(np.ones((5, 4))).shape
    (5, 1)
    >>> [name for name, _ in model.named_parameters()]
    ['fc1.weight', 'fc1.bias', 'fc2.weight', 'fc2.bias']
    """

    training: bool
    _kinds: dict[str, str]

    def __new__(cls, *args, **kwargs):
        self = super().__new__(cls)
        self.__dict__.update(_kinds={}, _forward_hooks=Noted(), training=True)
        return self

    # --- registering --------------------------------------------------------------------------------------------------

    def __setattr__(self, name, value):
        kinds = self.__dict__["_kinds"]
        if isinstance(value, Parameter):
            kinds[name] = PARAMETER
        elif isinstance(value, Module):
            kinds[name] = MODULE
        elif type(value) is Buffer:
            kinds[name] = BUFFER if value.persistent else PASSING_BUFFER
        elif name in kinds and value is not None:
            value = self._fit(name, kinds[name], value)
        if OF_REGISTRATION and name in kinds:
            value = registered(self, kinds[name], name, value)
        object.__setattr__(self, name, value)
        changes.note()

    def __getattr__(self, name):
        """For classes that ask `super().__getattr__(name)`: what is there, else the usual error."""
        return object.__getattribute__(self, name)

    def __setstate__(self, state):  # which a `__getattr__` that hands on to another module would not find there yet
        self.__dict__.update(state)

    def _watched(self):
        """What a compiled program that uses this module depends on, besides values: (holder, key, how it is written)."""
        for name in self.__dict__:
            if name != "_kinds":
                yield self.__dict__, name, f".{name}"
        yield self.__dict__, LENGTH, " (its number of attributes)"
        yield from self._watched_hooks()

    def _fit(self, name, kind, value):
        """`value` as what may stand where a parameter, buffer or module is registered."""
        if kind in (BUFFER, PASSING_BUFFER) and isinstance(value, (Value, np.ndarray, np.generic)):
            return _constant(value)
        wanted = {PARAMETER: "Parameter", MODULE: "Module"}.get(kind, "Tensor or array")
        raise ArgumentError(
            explain(
                f"{type(self).__name__}.{name} is registered as a {kind} and must stay one",
                f"expected: a {wanted} or None    found: {type(value).__name__}",
                help=f"assign new values with module.{name}.data = ..." if kind == PARAMETER else f"del module.{name} first",
            )
        )

    def __delattr__(self, name):
        object.__delattr__(self, name)
        changes.note()
        self._kinds.pop(name, None)

    def _register(self, name, kind, value):
        if not isinstance(name, str) or not name or "." in name:
            raise ArgumentError(
                explain(
                    f"a {kind} cannot be named {name!r}",
                    help="names are non-empty strings without dots, which separate modules",
                )
            )
        known = self._kinds.get(name)
        if known != kind and {known, kind} != {BUFFER, PASSING_BUFFER} and hasattr(self, name):
            raise ArgumentError(
                explain(f"{type(self).__name__} already has an attribute {name!r}", help=f"choose another name for the {kind}")
            )
        self._kinds[name] = kind
        if OF_REGISTRATION:
            value = registered(self, kind, name, value)
        object.__setattr__(self, name, value)
        changes.note()

    def register_parameter(self, name, param):
        """Register a Parameter, or None to say that there could be one, under `name`."""
        if param is not None and not isinstance(param, Parameter):
            raise ArgumentError(
                explain(
                    f"register_parameter({name!r}) takes a Parameter or None",
                    f"found: {type(param).__name__}",
                    help="wrap the array: nn.Parameter(x)",
                )
            )
        self._register(name, PARAMETER, param)

    def register_buffer(self, name, tensor, persistent=True):
        """Register an array that is part of the state but not trained; `persistent` ones go into the state dict.

        >>> from chainrule import nn
        >>> module = nn.Identity()
        >>> module.register_buffer("count", np.zeros(()))
        >>> list(module.state_dict())
        ['count']
        """
        self._register(name, BUFFER if persistent else PASSING_BUFFER, None if tensor is None else _constant(tensor))

    def add_module(self, name, module):
        """Register a submodule under `name`, which need not be an identifier."""
        if module is not None and not isinstance(module, Module):
            raise ArgumentError(
                explain(
                    f"add_module({name!r}) takes a Module or None",
                    f"found: {type(module).__name__}",
                    help="pass an instance, for example nn.ReLU(), not a class or a function",
                )
            )
        self._register(name, MODULE, module)

    register_module = add_module

    def set_submodule(self, target, module):
        """Put a module at this path, `"blocks.0.act"` for example, in the place of the one that is there.

        >>> from chainrule import nn
        >>> model = nn.Sequential(nn.Sequential(nn.ReLU()))
        >>> model.set_submodule("0.0", nn.Tanh())
        >>> model[0]
        Sequential(
          (0): Tanh()
        )
        """
        path, _, name = target.rpartition(".")
        above = self.get_submodule(path) if path else self
        above.get_submodule(name)
        setattr(above, name, module)

    # PyTorch's dicts of what is registered, which scripts read and change.
    _parameters = property(lambda self: Registered(self, (PARAMETER,)))
    _buffers = property(lambda self: Registered(self, (BUFFER, PASSING_BUFFER)))
    _modules = property(lambda self: Registered(self, (MODULE,)))

    # --- looking around -----------------------------------------------------------------------------------------------

    def _own(self, *kinds):
        """(name, value) of what is registered here, None values included."""
        values = self.__dict__
        return [(name, values[name]) for name, kind in self._kinds.items() if kind in kinds]

    def named_children(self):
        """(name, module) of the direct submodules, each once."""
        seen = set()
        for name, module in self._own(MODULE):
            if module is not None and id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def children(self):
        """The direct submodules, each once."""
        return (module for _, module in self.named_children())

    def named_modules(self, memo=None, prefix="", remove_duplicate=True):
        """(path, module) of this module, whose path is `prefix`, and of all below it."""
        memo = set() if memo is None else memo
        if remove_duplicate and id(self) in memo:
            return
        memo.add(id(self))
        yield prefix, self
        for name, module in self._own(MODULE):
            if module is not None:
                yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self):
        """This module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def get_submodule(self, target):
        """The module at a path such as 'layers.0.linear1'; '' is this module.

        >>> from chainrule import nn
        >>> nn.Sequential(nn.ReLU(), nn.Sequential(nn.Tanh())).get_submodule("1.0")
        Tanh()
        """
        return self._at(target, "module", dict(self.named_modules(remove_duplicate=False)))

    def get_parameter(self, target):
        """The Parameter at a path such as 'layers.0.linear1.weight'."""
        return self._at(target, "parameter", dict(self._named((PARAMETER,), "", True, False)))

    def get_buffer(self, target):
        """The buffer at a path such as '1.running_mean'."""
        return self._at(target, "buffer", dict(self._named((BUFFER, PASSING_BUFFER), "", True, False)))

    def _at(self, target, what, found):
        if target in found:
            return found[target]
        near = get_close_matches(target, found, 3) or list(filter(None, found))[:8]
        raise MissingNameError(
            explain(f"{type(self).__name__} has no {what} {target!r}", help=f"it has {', '.join(near) or 'none'}")
        )

    def _slots(self, kinds, prefix="", recurse=True, remove_duplicate=True):
        """(path, module, name) of every place where something of these kinds is registered."""
        modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        for path, module in modules:
            for name, kind in module._kinds.items():
                if kind in kinds:
                    yield (f"{path}.{name}" if path else name), module, name

    def _named(self, kinds, prefix, recurse, remove_duplicate):
        seen = set()
        for path, module, name in self._slots(kinds, prefix, recurse, remove_duplicate):
            value = module.__dict__[name]
            if value is None:
                continue
            if remove_duplicate:
                key = module._tie_key(name)
                if key in seen:
                    continue
                seen.add(key)
            yield path, value

    def _tie_key(self, name):
        """What two places share that hold one parameter.

        In a copy that a transform made, leaves may be anything: equal numbers, or one gradient that two parameters
        happen to share. There the original's ties count.
        """
        value = self.__dict__[name]
        if isinstance(value, Parameter) or self._kinds[name] != PARAMETER:
            return id(value)
        return self.__dict__.get("_tied", {}).get(name) or (id(self), name)

    def named_parameters(self, prefix="", recurse=True, remove_duplicate=True):
        """(path, Parameter) pairs, each Parameter once unless `remove_duplicate` is False.

        >>> from chainrule import nn
        >>> [(name, p.shape) for name, p in nn.Linear(2, 3).named_parameters()]
        [('weight', (3, 2)), ('bias', (3,))]
        """
        return self._named((PARAMETER,), prefix, recurse, remove_duplicate)

    def parameters(self, recurse=True):
        """All Parameters, each once: what an optimiser takes."""
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix="", recurse=True, remove_duplicate=True):
        """(path, Tensor) pairs of the buffers."""
        return self._named((BUFFER, PASSING_BUFFER), prefix, recurse, remove_duplicate)

    def buffers(self, recurse=True):
        """All buffers, each once."""
        return (b for _, b in self.named_buffers(recurse=recurse))

    def _expect(self, state_dict, prefix):
        """Layers that wait for their sizes take them from a state dict that is about to be loaded."""

    # --- changing all of it -------------------------------------------------------------------------------------------

    def apply(self, fn):
        """Call `fn(module)` for every module below and then this one; returns self.

        >>> from chainrule import nn
        >>> def halve(module):
        ...     if isinstance(module, nn.Linear):
        ...         nn.init.constant_(module.weight, 0.5)
        >>> nn.Sequential(nn.Linear(1, 1)).apply(halve)[0].weight.item()
        0.5
        """
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def train(self, mode=True):
        """Put this module and all below it into training mode, or with False into evaluation mode."""
        for module in self.modules():
            module.training = bool(mode)
        return self

    def eval(self):
        """Put this module and all below it into evaluation mode."""
        return self.train(False)

    def requires_grad_(self, requires_grad=True):
        """Let all parameters require grad, or freeze them."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none=True):
        """Forget all gradients, or with False set them to zero."""
        for p in self.parameters():
            p._clear_grad(set_to_none)

    def to(self, *args, dtype=None, device=None, **kwargs):
        """Change the dtype of all floating point parameters and buffers; devices are accepted if they are the CPU.

        >>> from chainrule import nn
        >>> nn.Linear(2, 3).to("float64").weight.dtype
        dtype('float64')
        """
        for a in args:
            if isinstance(a, Tensor):
                dtype = a.dtype
            elif isinstance(a, str) and a.partition(":")[0] in KINDS:
                device = a
            elif a is not None and not isinstance(a, bool):
                dtype = a
        on_cpu(device)
        if dtype is None:
            return self
        dtype = np.dtype(dtype)
        if dtype.kind not in "fc":
            raise ArgumentError(explain(f"Module.to: {dtype} is no floating point dtype", help="use float32 or float64"))
        for p in self.parameters():
            if p.dtype.kind == "f" or dtype.kind == "c":
                p.convert_(dtype)
        for b in self.buffers():
            if b.dtype.kind == "f":
                b.value = cast(b.value, dtype)
        return self

    def float(self):
        """Change all floating point parameters and buffers to float32."""
        return self.to(np.float32)

    def double(self):
        """Change all floating point parameters and buffers to float64."""
        return self.to(np.float64)

    def half(self):
        """Change all floating point parameters and buffers to float16."""
        return self.to(np.float16)

    def type(self, dst_type):
        """Change all parameters and buffers to this dtype."""
        self.to(dtype=dst_type)
        for b in self.buffers():
            b.value = cast(b.value, np.dtype(dst_type))
        return self

    def cpu(self):
        return self

    def to_empty(self, *, device, recurse=True):
        """Itself: parameters are never without numbers here. Devices are accepted if they are the CPU."""
        on_cpu(device)
        return self

    def share_memory(self):
        """Itself: worker processes get copies."""
        return self

    # --- showing and copying ------------------------------------------------------------------------------------------

    def extra_repr(self):
        """What stands between the parentheses of `repr`, such as sizes; override it."""
        return ""

    def _get_name(self):
        return type(self).__name__

    def _rows(self):
        """(name, text) of each submodule, as `repr` shows them."""
        return [(name, repr(module)) for name, module in self._own(MODULE)]

    def __repr__(self):
        extra = self.extra_repr()
        lines = [] if not extra else extra.split("\n")
        rows = [f"({name}): " + text.replace("\n", "\n  ") for name, text in self._rows()]
        if not rows:
            body = extra if len(lines) < 2 else "\n  " + "\n  ".join(lines) + "\n"
        else:
            body = "\n  " + "\n  ".join(lines + rows) + "\n"
        return f"{self._get_name()}({body})"

    def __copy__(self):
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        new.__dict__.update(_kinds=dict(self._kinds), _forward_hooks=Noted(self._forward_hooks))
        for name in ("_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"):
            if getattr(self, name) is not None:
                new.__dict__[name] = Noted(getattr(self, name))
        if "_hooks_of_state" in self.__dict__:
            new.__dict__["_hooks_of_state"] = {when: dict(hooks) for when, hooks in self.__dict__["_hooks_of_state"].items()}
        return new


# --- as a tree ----------------------------------------------------------------------------------------------------------


class Blueprint:
    """A module without its parameters: what `unflatten` builds a module from, comparable with ==.

    `places` holds, for each leaf, every (module, name) where it stands: several for a tied parameter. Whether the
    module is in training mode, and other plain attributes, do not count for equality.
    """

    def __init__(self, module):
        self.module = module
        self.__name__ = type(module).__name__
        by_key: dict = {}
        for path, owner, name in module._slots((PARAMETER,)):
            key = owner._tie_key(name) if owner.__dict__[name] is not None else (path,)
            by_key.setdefault(key, (path, []))[1].append((owner, name))
        self.names = tuple(path for path, _ in by_key.values())
        self.places = tuple(places for _, places in by_key.values())
        self.types = tuple(type(m) for m in module.modules())

    def leaves(self):
        return tuple(places[0][0].__dict__[places[0][1]] for places in self.places)

    def __eq__(self, other):
        return isinstance(other, Blueprint) and self.names == other.names and self.types == other.types

    def __hash__(self):
        return hash((self.names, self.types))


def _split(module):
    blueprint = Blueprint(module)
    return blueprint, blueprint.leaves()


def _join(blueprint, leaves):
    """A structural copy of the module with these leaves; buffers and plain attributes are shared."""
    copies: dict = {}

    def build(module):
        new = copies.get(id(module))
        if new is None:
            new = copies[id(module)] = copy.copy(module)
            for name, child in module._own(MODULE):
                if child is not None:
                    new.__dict__[name] = build(child)
        return new

    new = build(blueprint.module)
    for path, places, leaf in zip(blueprint.names, blueprint.places, leaves, strict=True):
        for owner, name in places:
            attributes = copies[id(owner)].__dict__
            attributes[name] = leaf
            if len(places) > 1:
                attributes["_tied"] = {**attributes.get("_tied", {}), name: path}
    return new


def _labels(blueprint):
    """Each leaf as it would be written after the module: `[0].weight`, `.fc1.bias`."""
    return ["".join(f"[{part}]" if part.isdigit() else f".{part}" for part in name.split(".")) for name in blueprint.names]


trees.register(Module, _split, _join, _labels)
