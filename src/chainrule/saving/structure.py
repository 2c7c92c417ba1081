"""Trees as JSON: dicts, lists, tuples, numbers, strings and None as they are, and names in place of arrays."""

import base64
import json
import math
from collections.abc import Mapping

import numpy as np

from ..creation import from_numpy
from ..errors import ArgumentError, DataError, explain
from ..tensor import Tensor

KEY = "chainrule"  # of the metadata
VERSION = 1


def split(tree):
    """What `tree` is made of: a dict of arrays by name, and the text that `join` puts them together with.

    A dict of Tensors alone needs no text: it is what every program expects in such a file.
    """
    arrays: dict[str, np.ndarray] = {}
    tree = state_of(tree)
    if type(tree) is dict and tree and all(type(k) is str and _plain(v) for k, v in tree.items()):
        return {_checked(name): np.asarray(value.detach()) for name, value in tree.items()}, None
    node = _Splitter(arrays).node(tree, "")
    return arrays, json.dumps({"version": VERSION, "tree": node}, separators=(",", ":"), allow_nan=False)


def state_of(tree):
    """The state dict of a Module, an optimiser or whatever else has one; anything else as it is."""
    if isinstance(tree, (Tensor, Mapping, type)) or not callable(getattr(tree, "state_dict", None)):
        return tree
    return tree.state_dict()


def _plain(x):
    return isinstance(x, Tensor) and x.dtype != np.complex128


def _checked(name):
    if name == "__metadata__":
        raise ArgumentError(explain("save: an array cannot be named '__metadata__'", help="the format needs this name itself"))
    return name


class _Splitter:
    """Walks over a tree and takes the arrays out of it."""

    def __init__(self, arrays):
        self.arrays = arrays

    def node(self, x, path):
        x = state_of(x)
        if x is None or (isinstance(x, (bool, str)) and not isinstance(x, np.generic)):
            return x if not isinstance(x, str) else str(x)
        if isinstance(x, int):
            return int(x)
        if isinstance(x, float) and not isinstance(x, np.generic):
            return x if math.isfinite(x) else {"float": repr(x)}
        if isinstance(x, complex) and not isinstance(x, np.generic):
            return {"complex": [self.node(x.real, path), self.node(x.imag, path)]}
        if isinstance(x, (bytes, bytearray)) and not isinstance(x, np.generic):
            return {"bytes": base64.b64encode(x).decode()}
        if isinstance(x, Tensor):
            return self.array("tensor", np.asarray(x.detach()), path)
        if isinstance(x, (np.ndarray, np.generic)):
            return self.array("array" if isinstance(x, np.ndarray) else "scalar", np.asarray(x), path)
        if isinstance(x, dict):
            return {"dict": [[self.node(k, path), self.node(v, _below(path, k))] for k, v in x.items()]}
        if type(x) in (list, tuple):
            return {type(x).__name__: [self.node(v, _below(path, i)) for i, v in enumerate(x)]}
        raise _no_place(x, path)

    def array(self, kind, array, path):
        name = base = path or "value"
        count = 1
        while name in self.arrays or name == "__metadata__":  # {'a.b': x} and {'a': {'b': y}} have the same path
            count += 1
            name = f"{base}~{count}"
        note = {}
        if array.dtype == np.complex128:  # which the format does not have: pairs of real numbers
            array, note = np.stack([array.real, array.imag], -1), {"pairs": True}
        self.arrays[name] = array
        return {kind: name, **note}


def _below(path, key):
    return f"{path}.{key}" if path else str(key)


def _no_place(x, path):
    what = f"a {type(x).__name__}" if not callable(x) else f"the function {getattr(x, '__name__', x)!r}"
    return ArgumentError(
        explain(
            f"save: {path or 'the value'} is {what}, which cannot be saved",
            "what can: Tensors, arrays, numbers, strings, bytes, None, dicts, lists, tuples, and what has a state_dict()",
            help="save what it is made of, for example as a dict, and build it again after loading",
        )
    )


def join(text, arrays, path):
    """The tree that `split` has taken apart. `arrays` gives the array of a name."""
    if text is None:
        return {name: from_numpy(array) for name, array in arrays.items()}
    try:
        structure = json.loads(text)
        if structure["version"] > VERSION:
            raise DataError(
                explain(
                    f"cannot read {path}",
                    f"it was saved by a newer version: {structure['version']}    known: {VERSION}",
                    help="update chainrule",
                )
            )
        return _joined(structure["tree"], arrays)
    except DataError:
        raise
    except (KeyError, ValueError, TypeError, IndexError, RecursionError) as error:
        raise DataError(
            explain(f"cannot read {path}", f"its structure is damaged: {error!r}", help="save the file again")
        ) from None


def _joined(node, arrays):
    if not isinstance(node, dict):
        if isinstance(node, list):
            raise ValueError("a list where a value belongs")
        return node
    (kind, content), *notes = node.items()
    if kind == "dict":
        return {_joined(k, arrays): _joined(v, arrays) for k, v in content}
    if kind in ("list", "tuple"):
        return (list if kind == "list" else tuple)(_joined(v, arrays) for v in content)
    if kind in ("tensor", "array", "scalar"):
        return _leaf(kind, _from_pairs(arrays[content]) if notes else arrays[content])
    if kind == "float":
        return float(content)
    if kind == "complex":
        return complex(*(_joined(part, arrays) for part in content))
    if kind == "bytes":
        return base64.b64decode(content, validate=True)
    raise ValueError(f"unknown kind {kind!r}")


def _leaf(kind, array):
    if kind == "tensor":
        return from_numpy(array)
    return array if kind == "array" else array[()]


def _from_pairs(array):
    return np.ascontiguousarray(array).view(np.complex128)[..., 0]
