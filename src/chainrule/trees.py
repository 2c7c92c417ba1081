"""Trees: dicts, lists, tuples, named tuples, dataclasses and registered classes with arrays at their leaves.

None is a tree without leaves. Anything else is a leaf.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

from .errors import TreeError, explain
from .shapes import Size


class Structure(NamedTuple):
    """The shape of a tree without its leaves. `kind` None stands for a leaf."""

    kind: Any
    meta: Any = None  # keys, field names, class: what is needed to build it again
    children: tuple = ()

    @property
    def size(self) -> int:
        """Number of leaves."""
        return 1 if self.kind is None else sum(c.size for c in self.children)

    def __str__(self):
        return describe(self)


LEAF = Structure(None)


class _Kind(NamedTuple):
    split: Callable  # tree -> (meta, children)
    join: Callable  # (meta, children) -> tree
    labels: Callable  # meta -> name of each child, as it would be written after the tree


_REGISTRY: dict[type, _Kind] = {}


def register(cls: type, split: Callable, join: Callable, labels: Callable | None = None) -> None:
    """Let instances of `cls` (and of its subclasses) be trees.

    Parameters
    ----------
    cls : class
    split : tree -> (meta, children); meta must be comparable with ==
    join : (meta, children) -> tree
    labels : meta -> a name per child for error messages, such as '.weight'

    Examples
    --------
    >>> import chainrule as cr
    >>> class Point:
    ...     def __init__(self, x, y):
    ...         self.x, self.y = x, y
    >>> cr.trees.register(Point, lambda p: (None, (p.x, p.y)), lambda meta, xy: Point(*xy))
    >>> cr.grad(lambda p: p.x * p.y)(Point(2.0, 3.0)).x
    np.float64(3.0)
    """
    _REGISTRY[cls] = _Kind(split, join, labels or (lambda meta: None))


def _split_dict(tree):
    return tuple(tree), tuple(tree.values())


register(dict, _split_dict, lambda keys, xs: dict(zip(keys, xs, strict=True)), lambda keys: [f"[{k!r}]" for k in keys])
register(list, lambda t: (len(t), tuple(t)), lambda n, xs: list(xs), lambda n: [f"[{i}]" for i in range(n)])
register(tuple, lambda t: (len(t), t), lambda n, xs: tuple(xs), lambda n: [f"[{i}]" for i in range(n)])
register(type(None), lambda t: (None, ()), lambda meta, xs: None)

_NAMED_TUPLE = _Kind(lambda t: (type(t), tuple(t)), lambda cls, xs: cls(*xs), lambda cls: [f".{name}" for name in cls._fields])


def _split_dataclass(tree):
    names = tuple(f.name for f in dataclasses.fields(tree))
    return (type(tree), names), tuple(getattr(tree, n) for n in names)


def _join_dataclass(meta, xs):
    cls, names = meta
    tree = object.__new__(cls)
    for name, x in zip(names, xs, strict=True):
        object.__setattr__(tree, name, x)
    return tree


_DATACLASS = _Kind(_split_dataclass, _join_dataclass, lambda meta: [f".{name}" for name in meta[1]])


def _kind_of(tree) -> tuple[Any, _Kind | None]:
    cls = type(tree)
    kind = _REGISTRY.get(cls)
    if kind is not None:
        return cls, kind
    if cls is Size:
        return tuple, _REGISTRY[tuple]
    if isinstance(tree, tuple) and hasattr(cls, "_fields"):
        return tuple, _NAMED_TUPLE
    for base in cls.__mro__[1:]:
        if base in _REGISTRY and base is not tuple and base is not list:
            return base, _REGISTRY[base]
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        return "dataclass", _DATACLASS
    return None, None


def flatten(tree) -> tuple[list, Structure]:
    """Leaves of `tree` in order, and its structure.

    >>> leaves, structure = flatten({"a": 1, "b": [2, 3]})
    >>> leaves
    [1, 2, 3]
    >>> unflatten(structure, [10, 20, 30])
    {'a': 10, 'b': [20, 30]}
    """
    leaves: list = []
    return leaves, _flatten_into(tree, leaves)


def _flatten_into(tree, leaves):
    name, kind = _kind_of(tree)
    if kind is None:
        leaves.append(tree)
        return LEAF
    meta, children = kind.split(tree)
    return Structure((name, kind), meta, tuple(_flatten_into(c, leaves) for c in children))


def unflatten(structure: Structure, leaves) -> Any:
    """The tree of this structure with these leaves."""
    return _unflatten_from(structure, iter(leaves))


def _unflatten_from(structure, leaves):
    if structure.kind is None:
        return next(leaves)
    return structure.kind[1].join(structure.meta, tuple(_unflatten_from(c, leaves) for c in structure.children))


def leaves_like(structure: Structure, tree, what: str = "tree") -> list:
    """Leaves of `tree`, which must have this structure (dicts may be in another order).

    Raises
    ------
    TreeError
        The structures differ; the message says where.
    """
    leaves: list = []
    _match(structure, tree, leaves, what)
    return leaves


def _match(structure, tree, leaves, path):
    if structure.kind is None:
        if tree is not None and _kind_of(tree)[1] is not None:
            raise _mismatch(path, "a leaf", describe(flatten(tree)[1]))
        leaves.append(tree)
        return
    name, kind = structure.kind
    if _kind_of(tree)[0] != name:
        raise _mismatch(path, describe(structure), describe(flatten(tree)[1]))
    if name is dict and set(tree) == set(structure.meta):
        tree = {k: tree[k] for k in structure.meta}
    meta, children = kind.split(tree)
    if meta != structure.meta:
        raise _mismatch(path, describe(structure), describe(flatten(tree)[1]))
    labels = kind.labels(meta) or [f"[{i}]" for i in range(len(children))]
    for label, child, inner in zip(labels, children, structure.children, strict=True):
        _match(inner, child, leaves, path + label)


def _mismatch(path, expected, found):
    return TreeError(
        explain(
            f"trees differ at {path}", f"expected: {expected}", f"found:    {found}", help="both must have the same structure"
        )
    )


def describe(structure: Structure) -> str:
    """The structure as text, with * for a leaf."""
    if structure.kind is None:
        return "*"
    inner = [describe(c) for c in structure.children]
    name = structure.kind[0]
    if name is type(None):
        return "None"
    if name is dict:
        return "{" + ", ".join(f"{k!r}: {c}" for k, c in zip(structure.meta, inner, strict=True)) + "}"
    if name in (list, tuple) and isinstance(structure.meta, int):
        return ("[%s]" if name is list else "(%s)") % ", ".join(inner)
    cls = structure.meta[0] if isinstance(structure.meta, tuple) else structure.meta
    return f"{getattr(cls, '__name__', getattr(name, '__name__', name))}({', '.join(inner)})"


def paths(structure: Structure, prefix: str = "") -> list[str]:
    """For each leaf, how it would be written: `prefix['a'][0].weight`."""
    if structure.kind is None:
        return [prefix]
    labels = structure.kind[1].labels(structure.meta) or [f"[{i}]" for i in range(len(structure.children))]
    return [p for label, c in zip(labels, structure.children, strict=True) for p in paths(c, prefix + label)]


def tree_map(f: Callable, tree, *rest) -> Any:
    """`f` of each leaf, together with the matching leaves of the other trees.

    >>> tree_map(lambda x, y: x + y, {"a": 1, "b": 2}, {"a": 10, "b": 20})
    {'a': 11, 'b': 22}
    """
    leaves, structure = flatten(tree)
    others = [leaves_like(structure, t, f"tree {i + 2}") for i, t in enumerate(rest)]
    return unflatten(structure, [f(*xs) for xs in zip(leaves, *others, strict=True)])


def tree_leaves(tree) -> list:
    """All leaves of `tree`, in order."""
    return flatten(tree)[0]
