"""The names by which users would write what a program reads: arguments, variables around it, parts of both."""

import contextlib
from types import FunctionType, MethodType, ModuleType

import numpy as np

from ..tensor import Tensor
from ..trees import paths

__all__ = ["labels_of", "name_tensors", "surroundings"]

_SIMPLE = {int, float, complex, bool, str, bytes, type(None), FunctionType}  # what holds no Tensor


def labels_of(f, args, structure):
    """For each leaf of (args, kwargs), how the user would write it: `x`, `batch['image']`, `model.fc1.weight`."""
    code = getattr(f, "__code__", None)
    names = code.co_varnames[: code.co_argcount] if code else ()
    labels = []
    for path in paths(structure):
        inside, _, rest = path[1:].partition("]")  # "[0][i]..." are positional, "[1]['k']..." keyword arguments
        index, _, tail = rest[1:].partition("]")
        if inside == "0":
            i = int(index)
            labels.append((names[i] if i < len(names) else f"args[{i}]") + tail)
        else:
            labels.append(index.strip("'") + tail)
    return labels


def surroundings(f):
    """What `f` can see besides its arguments, by the names that it uses: closure, globals, and `self`."""
    code = getattr(f, "__code__", None)
    if code is None:
        return {"self": f}
    seen = {"self": f.__self__} if isinstance(f, MethodType) else {}
    seen |= {n: f.__globals__[n] for n in code.co_names if n in f.__globals__}
    for name, cell in zip(code.co_freevars, f.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # a cell that is still empty
            seen[name] = cell.cell_contents
    return {n: v for n, v in seen.items() if not isinstance(v, ModuleType)}


def name_tensors(thing, name, recorder, depth):
    """Give every Tensor and array inside of `thing` the name by which the user would write it."""
    names = recorder.names
    if isinstance(thing, Tensor):
        names.setdefault(id(thing), name)
        return
    if type(thing) is np.ndarray and thing.dtype.kind in "biufc" and thing.dtype.isnative:
        recorder.arrays.setdefault(id(thing), (thing, name))
        return
    if depth == 0 or type(thing) in _SIMPLE:
        return
    if isinstance(thing, dict):  # keys may be Tensors, as in an optimiser's state
        for k, v in [(k, v) for k, v in thing.items() if type(v) not in _SIMPLE]:
            name_tensors(v, f"{name}[{names.get(id(k), '?') if isinstance(k, Tensor) else repr(k)}]", recorder, depth - 1)
    elif isinstance(thing, (list, tuple)):
        for i, v in enumerate(thing):
            name_tensors(v, f"{name}[{i}]", recorder, depth - 1)
    if hasattr(thing, "__dict__") and not isinstance(thing, (type, ModuleType)):
        for key, value in [(k, v) for k, v in vars(thing).items() if type(v) not in _SIMPLE]:
            name_tensors(value, f"{name}.{key}", recorder, depth - 1)
