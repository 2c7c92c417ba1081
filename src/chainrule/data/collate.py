"""Batches from samples: trees of the same structure are joined leaf by leaf."""

import numbers

import numpy as np

from .. import trees
from ..creation import from_numpy
from ..errors import ArgumentError, ShapeError, TreeError, explain
from ..ops.joining import stack
from ..tensor import Tensor

NUMBERS = (np.ndarray, np.generic, numbers.Number)


def default_collate(batch):
    """One batch from a list of samples: trees of the same structure, joined leaf by leaf along a new axis 0.

    Parameters
    ----------
    batch : list of numbers, arrays, Tensors, or of dicts, lists, tuples and dataclasses of these

    Returns
    -------
    A tree of that structure with Tensors of shape (len(batch), ...); strings and other objects come as lists.

    Raises
    ------
    TreeError
        The structures differ.
    ShapeError
        Arrays at the same place have different shapes.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.data.default_collate([{"x": 1.0, "y": 0}, {"x": 2.0, "y": 1}])
    {'x': tensor([1., 2.]), 'y': tensor([0, 1])}
    """
    samples = list(batch)
    if not samples:
        raise ArgumentError(explain("default_collate of no samples", "samples: 0", help="give at least one"))
    first, structure = trees.flatten(samples[0])
    columns = [first]
    for i, sample in enumerate(samples[1:], 1):
        try:
            columns.append(trees.leaves_like(structure, sample, f"sample {i}"))
        except TreeError as error:
            raise TreeError(f"default_collate: samples 0 and {i} differ in structure\n{error}") from None
    rows = zip(*columns, strict=True)
    places = trees.paths(structure, "sample")
    return trees.unflatten(structure, [_join(leaves, place) for leaves, place in zip(rows, places, strict=True)])


def _join(leaves, place):
    if isinstance(leaves[0], (str, bytes)) or not isinstance(leaves[0], (Tensor, *NUMBERS)):
        return list(leaves)
    shapes = [np.shape(x) if not isinstance(x, Tensor) else x.shape for x in leaves]
    if len(set(shapes)) > 1:
        i = next(i for i, s in enumerate(shapes) if s != shapes[0])
        raise ShapeError(
            explain(
                f"default_collate: arrays at {place} differ in shape",
                f"sample 0: {shapes[0]}    sample {i}: {shapes[i]}",
                help="pad or crop them to one shape, or give a collate_fn",
            )
        )
    if any(isinstance(x, Tensor) and x.requires_grad for x in leaves):
        return stack(leaves)
    return from_numpy(np.stack([np.asarray(x) for x in leaves]))


def default_convert(data):
    """The arrays and NumPy numbers of one sample, `data`, as Tensors; anything else as it is.

    >>> import chainrule as cr
    >>> cr.data.default_convert({"x": np.ones(2), "name": "a"})
    {'x': tensor([1., 1.]), 'name': 'a'}
    """
    return trees.tree_map(_converted, data)


def _converted(x):
    return from_numpy(np.asarray(x)) if isinstance(x, (np.ndarray, np.number, np.bool_)) and x.dtype.kind in "biufc" else x
