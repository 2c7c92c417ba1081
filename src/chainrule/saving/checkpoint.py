"""`save` and `load`: trees of arrays and numbers in one safetensors file."""

import numpy as np

from .. import trees
from ..core.value import Value
from ..data.files import atomic_write
from ..errors import ArgumentError, TreeError, explain
from . import safetensors, structure


def save(tree, path, metadata=None):
    """Write Tensors, arrays and numbers to one file, whole or not at all.

    Parameters
    ----------
    tree : a state dict; or any nesting of dicts, lists and tuples of Tensors, arrays, numbers, strings, bytes and None. A
        Module, an optimiser or whatever else has a method `state_dict` stands for its state dict.
    path : str or path; folders that are missing are made. Or a binary file that is open, such as `io.BytesIO`
    metadata : dict of strings, for notes that `read_metadata` gives back

    The file is in the safetensors format, which other programs read and in which nothing can be executed. A dict of Tensors is
    written just as the package `safetensors` does; the structure of any other tree stands beside the arrays, in the metadata.
    The file that stood at `path` before stays until the new one is complete and on the disk.

    Raises
    ------
    ArgumentError
        There is something in the tree that the format has no place for: functions, objects, arrays of strings.

    Examples
    --------
    >>> import tempfile
    >>> import chainrule as cr
    >>> from chainrule import nn, optim
    >>> model = nn.Linear(2, 1)
    >>> adam = optim.Adam(model.parameters())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cr.save({"model": model, "optimizer": adam, "epoch": 3}, f"{folder}/run.safetensors")
    ...     run = cr.load(f"{folder}/run.safetensors")
    >>> run["epoch"], list(run["model"])
    (3, ['weight', 'bias'])
    >>> model.load_state_dict(run["model"])
    <All keys matched successfully>
    """
    notes = dict(metadata or {})
    if not all(isinstance(k, str) and isinstance(v, str) for k, v in notes.items()) or structure.KEY in notes:
        raise ArgumentError(
            explain(
                f"save: metadata are strings by name, which is not {structure.KEY!r}",
                f"found: {notes}",
                help="put numbers and arrays into the tree",
            )
        )
    arrays, text = structure.split(tree)
    if text is not None:
        notes[structure.KEY] = text
    for name, array in arrays.items():
        safetensors.code_of(array.dtype, repr(name))  # before anything is written
    if hasattr(path, "write"):
        safetensors.write(path, arrays, notes)
        return
    with atomic_write(path, "wb") as file:
        safetensors.write(file, arrays, notes)


def load(path, like=None, *, mmap=False, map_location=None, weights_only=True):
    """Read what `save`, or any other program, wrote in the safetensors format.

    Parameters
    ----------
    path : str or path, or a binary file that is open
    like : tree that the file must match: the same structure, and arrays of the same shapes
    mmap : let arrays view the file: only what is looked at is read, and processes share its memory. The file must not be
        changed in place meanwhile (to be replaced by `save` does no harm). Changing an array does not change the file.
    map_location, weights_only : PyTorch's; arrays come to the CPU, and nothing in a file is ever executed

    Returns
    -------
    The tree that was saved, with its Tensors, arrays and numbers; of a file of another program a dict of Tensors by name.
    Elements of bfloat16 and of types of 8 bits come as float32, which holds them exactly.

    Raises
    ------
    MissingDataError
        There is no such file.
    DataError
        It is truncated, damaged, or of another format.
    TreeError
        It does not match `like`: lists what is missing, unexpected and misshaped at once.

    Examples
    --------
    >>> import tempfile
    >>> import chainrule as cr
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cr.save({"w": cr.tensor([1.0, 2.0]), "steps": [1, 2]}, f"{folder}/a.safetensors")
    ...     cr.load(f"{folder}/a.safetensors")
    {'w': tensor([1., 2.]), 'steps': [1, 2]}
    """
    arrays, metadata = safetensors.read(path, mapped=mmap)
    tree = structure.join(metadata.get(structure.KEY), arrays, path)
    if like is not None:
        _check_match(path, tree, like)
    return tree


def read_metadata(path):
    """The notes that were saved with a file, without its arrays.

    >>> import tempfile
    >>> import chainrule as cr
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cr.save({"w": cr.ones(2)}, f"{folder}/a.safetensors", metadata={"made by": "me"})
    ...     cr.saving.read_metadata(f"{folder}/a.safetensors")
    {'made by': 'me'}
    """
    with safetensors.open_file(path) as file:
        notes = safetensors.read_header(file, path).metadata
    return {k: v for k, v in notes.items() if k != structure.KEY}


def read_shapes(path):
    """Dtypes and shapes of the arrays in a file by name, without reading them.

    >>> import tempfile
    >>> import chainrule as cr
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cr.save({"w": cr.ones(2)}, f"{folder}/a.safetensors")
    ...     cr.saving.read_shapes(f"{folder}/a.safetensors")
    {'w': ('F64', (2,))}
    """
    with safetensors.open_file(path) as file:
        return {name: (e.code, e.shape) for name, e in safetensors.read_header(file, path).entries.items()}


def _check_match(path, tree, like):
    found, expected = _leaves(tree), _leaves(like)
    missing = [p for p in expected if p not in found]
    unexpected = [p for p in found if p not in expected]
    shapes = [(p, _shape(expected[p]), _shape(found[p])) for p in expected if p in found]
    misshaped = [f"{p}: expected {e}, found {f}" for p, e, f in shapes if e != f]
    if missing or unexpected or misshaped:
        raise TreeError(
            explain(
                f"load: {path} does not match what it is loaded for",
                *(f"{what}: {', '.join(which)}" for what, which in (("missing", missing), ("unexpected", unexpected)) if which),
                *(["misshaped:", *(f"  {line}" for line in misshaped)] if misshaped else []),
                help="load it without `like` to look at it",
            )
        )


def _leaves(tree):
    leaves, form = trees.flatten(_with_states(tree))
    return dict(zip(trees.paths(form, ""), leaves, strict=True))


def _with_states(tree):
    tree = structure.state_of(tree)
    if isinstance(tree, dict):
        return {k: _with_states(v) for k, v in tree.items()}
    if type(tree) in (list, tuple):
        return type(tree)(_with_states(v) for v in tree)
    return tree


def _shape(leaf):
    return tuple(leaf.shape) if isinstance(leaf, (Value, np.ndarray, np.generic)) else "a single value"
