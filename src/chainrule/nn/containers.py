"""Containers: modules that hold other modules or parameters in order or by name."""

import operator
from collections.abc import Mapping

import numpy as np

from ..core.value import Value
from ..errors import explain
from .module import MODULE, Module
from .parameter import Parameter


class _List(Module):
    """What Sequential, ModuleList and ParameterList share: entries registered under the names '0', '1', ..."""

    def _names(self):
        return [name for name, kind in self._kinds.items() if kind == MODULE]

    def _values(self):
        return [self.__dict__[name] for name in self._names()]

    def _add(self, name, value):
        self.add_module(name, value)

    def _name_at(self, index):
        names, i = self._names(), operator.index(index)
        if not -len(names) <= i < len(names):
            raise IndexError(f"{type(self).__name__}: index {i} is out of range, there are {len(names)} entries")
        return names[i]

    def _refill(self, values):
        """Hold these entries instead, under new numbers."""
        for name in self._names():
            delattr(self, name)
        for i, value in enumerate(values):
            self._add(str(i), value)

    def __len__(self):
        return len(self._names())

    def __iter__(self):
        return iter(self._values())

    def __getitem__(self, index):
        if isinstance(index, slice):
            new = type(self)()
            for name in self._names()[index]:
                new._add(name if self._keeps_names() else str(len(new)), self.__dict__[name])
            return new
        return self.__dict__[self._name_at(index)]

    def __mul__(self, times):
        """The entries, the same ones, several times."""
        return type(self)(*self._as_arguments(self._values() * operator.index(times)))

    __rmul__ = __mul__

    def _keeps_names(self):
        return not all(name.isdigit() for name in self._names())

    def __setitem__(self, index, value):
        setattr(self, self._name_at(index), value)

    def __delitem__(self, index):
        if isinstance(index, slice):
            gone = self._names()[index]
        else:
            gone = [self._name_at(index)]
        renumber = not self._keeps_names()
        for name in gone:
            delattr(self, name)
        if renumber:
            self._refill(self._values())

    def append(self, value):
        """Add an entry at the end; returns self."""
        self._add(str(len(self)), value)
        return self

    def insert(self, index, value):
        """Put an entry in front of position `index`; returns self."""
        values = self._values()
        if not -len(values) <= operator.index(index) <= len(values):
            raise IndexError(f"{type(self).__name__}: position {index} is out of range, there are {len(values)} entries")
        values.insert(index, value)
        self._refill(values)
        return self

    def pop(self, index=-1):
        """Remove an entry and return it."""
        value = self[index]
        del self[index]
        return value

    def __add__(self, other):
        return type(self)(*self._as_arguments([*self, *other]))

    def __iadd__(self, other):
        return self.extend(other)

    def _as_arguments(self, values):
        """What the class takes to hold these entries."""
        return (values,)

    def extend(self, values):
        """Add several entries at the end; returns self."""
        for value in list(values):
            self.append(value)
        return self


class Sequential(_List):
    """Modules that run one after the other.

    Parameters
    ----------
    *modules : Modules, or one dict of names and Modules

    Examples
    --------
    >>> from chainrule import nn
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> model
    Sequential(
      (0): Linear(in_features=2, out_features=3, bias=True)
      (1): ReLU()
      (2): Linear(in_features=3, out_features=1, bias=True)
    )
    >>> model[:2](np.ones((4, 2))).shape
    (4, 3)
    """

    def __init__(self, *modules):
        named = (
            modules[0].items()
            if len(modules) == 1 and isinstance(modules[0], Mapping)
            else ((str(i), m) for i, m in enumerate(modules))
        )
        for name, module in named:
            self.add_module(name, module)

    def _as_arguments(self, values):
        return values

    def forward(self, input):
        values = self.__dict__
        for name in self._kinds:
            input = values[name](input)
        return input


class ModuleList(_List):
    """A list of modules, whose parameters are found.

    >>> from chainrule import nn
    >>> layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
    >>> len(layers), len(list(layers.parameters()))
    (3, 6)
    """

    def __init__(self, modules=None):
        if modules is not None:
            self.extend(modules)

    def _rows(self):
        """Equal neighbours are shown once, with their number."""
        runs: list = []
        for name, text in super()._rows():
            if runs and runs[-1][2] == text:
                runs[-1][1] = name
            else:
                runs.append([name, name, text])
        for first, last, text in runs:
            alone = first == last
            yield first if alone else f"{first}-{last}", text if alone else f"{int(last) - int(first) + 1} x {text}"


def _as_parameter(value):
    """Arrays as Parameters; anything else as it is."""
    is_array = isinstance(value, (Value, np.ndarray)) and not isinstance(value, Parameter)
    return Parameter(value) if is_array else value


def _shown(name, value):
    what = f"Parameter of {value.dtype} {value.shape}" if isinstance(value, Parameter) else f"object of {type(value).__name__}"
    return f"({name}): {what}"


class _Mixed(Module):
    """What containers of Parameters share that may hold other objects, too."""

    def _held(self):
        """The names of all entries, in order."""
        return [name for name in self.__dict__ if name in self._kinds or not (name.startswith("_") or name == "training")]

    def _add(self, name, value):
        value = _as_parameter(value)
        if value is None or isinstance(value, Parameter):
            self.register_parameter(name, value)
        else:
            setattr(self, name, value)

    def extra_repr(self):
        return "\n".join(_shown(name, self.__dict__[name]) for name in self._held())


class ParameterList(_Mixed, _List):
    """A list of Parameters, which are found; arrays and Tensors are made Parameters. Other objects may stand among them.

    >>> from chainrule import nn
    >>> weights = nn.ParameterList([np.ones(2), np.ones(3)])
    >>> [name for name, _ in weights.named_parameters()]
    ['0', '1']
    """

    def __init__(self, values=None):
        if values is not None:
            self.extend(values)

    def _names(self):
        return self._held()

    def __setitem__(self, index, value):
        super().__setitem__(index, _as_parameter(value))


class _Dict(Module):
    """What ModuleDict and ParameterDict share: entries registered under names that users choose."""

    def __init__(self, entries=None):
        if entries is not None:  # subclasses may have an `update` of another meaning
            self.update(entries)

    def _held(self):
        """The names of all entries, in order."""
        return list(self._kinds)

    @staticmethod
    def _entry(value):
        """What stands for a value that takes the place of another."""
        return value

    def _add(self, name, value):
        self.add_module(name, value)

    def update(self, entries):
        """Add the entries of a mapping, or pairs of names and values."""
        for name, value in entries.items() if isinstance(entries, (Mapping, _Dict)) else entries:
            self[name] = value

    def __setitem__(self, name, value):
        if name in self:
            setattr(self, name, self._entry(value))
        else:
            self._add(name, value)

    def __getitem__(self, name):
        if name not in self:
            raise KeyError(explain(f"{type(self).__name__} has no entry {name!r}", help=f"it has {', '.join(self) or 'none'}"))
        return self.__dict__[name]

    def __delitem__(self, name):
        self[name]
        delattr(self, name)

    def __contains__(self, name):
        return name in self._held()

    def __len__(self):
        return len(self._held())

    def __iter__(self):
        return iter(self._held())

    def __reversed__(self):
        return reversed(self._held())

    def keys(self):
        """The names."""
        return self._held()

    def values(self):
        """The entries."""
        return [self.__dict__[name] for name in self._held()]

    def items(self):
        """(name, entry) pairs."""
        return [(name, self.__dict__[name]) for name in self._held()]

    def pop(self, name):
        """Remove an entry and return it."""
        value = self[name]
        del self[name]
        return value

    def clear(self):
        """Remove all entries."""
        for name in self:
            del self[name]

    def popitem(self):
        """Remove the last entry and return it with its name."""
        name = self.keys()[-1]
        return name, self.pop(name)

    def get(self, name, default=None):
        """The entry, or `default` if there is none of this name."""
        return self[name] if name in self._held() else default

    def setdefault(self, name, default=None):
        """The entry, which is `default` if there was none of this name."""
        if name not in self:
            self[name] = default
        return self[name]

    def copy(self):
        """Another container of the same entries."""
        return type(self)(self)

    def __or__(self, other):
        new = self.copy()
        new.update(other)
        return new

    def __ior__(self, other):
        self.update(other)
        return self


class ModuleDict(_Dict):
    """Modules by name.

    >>> from chainrule import nn
    >>> heads = nn.ModuleDict({"mean": nn.Linear(2, 1), "scale": nn.Linear(2, 1)})
    >>> heads["mean"](np.ones(2)).shape
    (1,)
    """

    def __init__(self, modules=None):
        super().__init__(modules)


class ParameterDict(_Mixed, _Dict):
    """Parameters by name; arrays and Tensors are made Parameters. Other objects may stand among them.

    >>> from chainrule import nn
    >>> [name for name, _ in nn.ParameterDict({"scale": np.ones(2), "shift": np.zeros(2)}).named_parameters()]
    ['scale', 'shift']
    """

    _entry = staticmethod(_as_parameter)

    def __init__(self, parameters=None):
        super().__init__(parameters)

    def fromkeys(self, keys, default=None):
        """Another container in which all of these names stand for the same value."""
        return type(self)((name, default) for name in keys)
