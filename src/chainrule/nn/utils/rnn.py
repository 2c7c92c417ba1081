"""Sequences of different lengths in one batch: filled up to one length, or packed without what they were filled up with."""

from typing import Any

import numpy as np

from ... import trees
from ...core.value import dtype_of, ndim_of, shape_of
from ...errors import ArgumentError, ShapeError, explain
from ...ops import moveaxis, pad as pad_axes, stack, where
from ...ops.indexing import getitem
from ...ops.shaping import as_value, expand
from ...tensor import Tensor
from ...transforms.reverse import ROOT
from ..entry import innermost


class PackedSequence:
    """Several sequences without gaps: all first steps, then all second steps of those that have one, and so on.

    Made by `pack_padded_sequence` and `pack_sequence`; recurrent layers take it in place of an array and give it back.
    It is a tree with one leaf, `data`. The lengths belong to its structure: a compiled program holds for one set of them.

    Attributes
    ----------
    data : array of shape (steps of all sequences, ...)
    batch_sizes : integers, how many sequences have a first step, a second step, ...
    sorted_indices : where the sequences, the longest first, stood in the batch; None if they stood like this
    unsorted_indices : the inverse of that
    lengths : integers, of the sequences with the longest first
    """

    data: Any
    batch_sizes: Any
    sorted_indices: Any
    unsorted_indices: Any

    def __init__(self, data, batch_sizes, sorted_indices=None, unsorted_indices=None):
        self.data, self.batch_sizes = data, np.asarray(innermost(batch_sizes), np.int64)
        order = unsorted_indices if sorted_indices is None else sorted_indices
        order = None if order is None else np.asarray(innermost(order), np.int64)
        self.sorted_indices = order if sorted_indices is not None else invert_permutation(order)
        self.unsorted_indices = invert_permutation(self.sorted_indices)
        if self.batch_sizes.sum() != shape_of(data)[0] or (np.diff(self.batch_sizes) > 0).any():
            raise ShapeError(
                explain(
                    "PackedSequence: batch_sizes must fall and add up to the length of the data",
                    f"data: {shape_of(data)}    batch_sizes: {self.batch_sizes.tolist()}",
                    help="use pack_padded_sequence or pack_sequence",
                )
            )

    def __iter__(self):
        return iter((self.data, self.batch_sizes, self.sorted_indices, self.unsorted_indices))

    def __repr__(self):
        return f"PackedSequence(data={self.data!r}, batch_sizes={self.batch_sizes.tolist()})"

    @property
    def lengths(self):
        return (self.batch_sizes > np.arange(self.batch_sizes[0])[:, None]).sum(1)

    def with_data(self, data):
        """The same sequences with these elements."""
        return PackedSequence(data, *list(self)[1:])

    is_cuda = False

    def to(self, *args, **kwargs):
        """The sequences with elements of another dtype; takes what `Tensor.to` takes."""
        data = self.data if isinstance(self.data, Tensor) else ROOT.constant(as_value(self.data))
        return self.with_data(data.to(*args, **kwargs))

    def cpu(self):
        return self

    def float(self):
        """The sequences in float32."""
        return self.to(np.float32)

    def double(self):
        """The sequences in float64."""
        return self.to(np.float64)


def _static(array):
    return None if array is None else tuple(array.tolist())


trees.register(
    PackedSequence,
    lambda packed: (tuple(map(_static, list(packed)[1:])), (packed.data,)),
    lambda structure, leaves: _rebuilt(structure, *leaves),
    lambda structure: [".data"],
)


def _rebuilt(structure, data):
    """Without checks: leaves of a tree may be anything."""
    new = object.__new__(PackedSequence)
    new.data = data
    arrays = [None if s is None else np.array(s, np.int64) for s in structure]
    new.batch_sizes, new.sorted_indices, new.unsorted_indices = arrays
    return new


def invert_permutation(permutation):
    """Where each index stands in a permutation; None for None.

    >>> from chainrule import nn
    >>> nn.utils.rnn.invert_permutation(np.array([2, 0, 1]))
    array([1, 2, 0])
    """
    return None if permutation is None else np.argsort(innermost(permutation), kind="stable")


def _fixed_lengths(lengths, what):
    """Lengths as an array of integers that later runs of a recorded program have too."""
    found = lengths.numpy() if isinstance(lengths, Tensor) else np.asarray(lengths, np.int64)
    if found.ndim != 1 or not len(found) or found.min() < 1:
        raise ArgumentError(
            explain(
                f"{what}: lengths are positive integers, one for each sequence",
                f"found: {found.tolist()}",
                help="drop empty ones",
            )
        )
    return found


def pack_padded_sequence(input, lengths, batch_first=False, enforce_sorted=True):
    """Sequences that were filled up to one length as a `PackedSequence`.

    Parameters
    ----------
    input : array of shape (time, batch, ...), with batch_first (batch, time, ...)
    lengths : integers, the true lengths. In a compiled function they must be known when it is recorded: a tuple, not an array
    enforce_sorted : whether the lengths must fall; False sorts the sequences, and layers put their results back in order

    Raises
    ------
    ArgumentError
        Lengths are not positive, or do not fall where they must.
    ShapeError
        Lengths do not fit the input.

    Examples
    --------
    >>> from chainrule.nn.utils.rnn import pack_padded_sequence
    >>> packed = pack_padded_sequence(np.array([[1.0, 4.0], [2.0, 5.0], [3.0, 0.0]]), (3, 2))
    >>> packed.data, packed.batch_sizes
    (array([1., 4., 2., 5., 3.]), array([2, 2, 1]))
    """
    what = "pack_padded_sequence"
    x, lengths = as_value(input), _fixed_lengths(lengths, what)
    x = moveaxis(x, 0, 1) if batch_first and ndim_of(x) > 1 else x
    if ndim_of(x) < 2 or shape_of(x)[1] != len(lengths) or lengths.max() > shape_of(x)[0]:
        raise ShapeError(
            explain(
                f"{what}: the lengths do not fit the input",
                f"input: {dtype_of(x)} {shape_of(input)}    lengths: {lengths.tolist()}",
                help="one length for each sequence; axes are (time, batch, ...), with batch_first (batch, time, ...)",
            )
        )
    if enforce_sorted and (np.diff(lengths) > 0).any():
        raise ArgumentError(
            explain(f"{what}: the lengths must fall", f"lengths: {lengths.tolist()}", help="enforce_sorted=False sorts them")
        )
    order = np.argsort(-lengths, kind="stable")
    inside = np.arange(lengths.max())[:, None] < lengths[order]
    steps, places = np.nonzero(inside)
    return PackedSequence(getitem(x, (steps, order[places])), inside.sum(1), None if enforce_sorted else order)


def filled_up(packed, padding_value=0.0, total_length=None):
    """(array of shape (time, batch, ...), whether each place holds an element), the longest sequence first."""
    sizes = packed.batch_sizes
    time = len(sizes) if total_length is None else total_length
    inside = np.arange(sizes[0]) < np.concatenate([sizes, np.zeros(time - len(sizes), np.int64)])[:, None]
    at = np.where(inside, inside.ravel().cumsum().reshape(inside.shape) - 1, 0)
    wide = expand(inside, tuple(range(2, ndim_of(packed.data) + 1)))
    return where(wide, getitem(packed.data, at), np.asarray(padding_value, dtype_of(packed.data))), inside


def pack_again(array, packed):
    """An array of shape (time, batch, ...), the longest sequence first, packed like `packed`."""
    steps, places = np.nonzero(np.arange(packed.batch_sizes[0]) < packed.batch_sizes[:, None])
    return packed.with_data(getitem(array, (steps, places)))


def pad_packed_sequence(sequence, batch_first=False, padding_value=0.0, total_length=None):
    """The inverse of `pack_padded_sequence`: `(array, lengths)` in the order of the batch.

    Parameters
    ----------
    sequence : PackedSequence
    batch_first : give (batch, time, ...) instead of (time, batch, ...)
    padding_value : what shorter sequences are filled up with
    total_length : length of the time axis, by default that of the longest sequence

    Examples
    --------
    >>> from chainrule.nn.utils.rnn import pack_sequence, pad_packed_sequence
    >>> pad_packed_sequence(pack_sequence([np.array([1.0, 2.0]), np.array([3.0])]), batch_first=True)
    (array([[1., 2.],
           [3., 0.]]), array([2, 1]))
    """
    if total_length is not None and total_length < len(sequence.batch_sizes):
        raise ArgumentError(
            explain(
                "pad_packed_sequence: total_length is shorter than the longest sequence",
                f"total_length: {total_length}    longest: {len(sequence.batch_sizes)}",
                help="leave it out, or use a larger one",
            )
        )
    out, _ = filled_up(sequence, padding_value, total_length)
    lengths, back = sequence.lengths, sequence.unsorted_indices
    if back is not None:
        out, lengths = out[:, back], lengths[back]
    return moveaxis(out, 0, 1) if batch_first else out, lengths


def pad_sequence(sequences, batch_first=False, padding_value=0.0, padding_side="right"):
    """Sequences filled up to the length of the longest, as one array (time, batch, ...), with batch_first (batch, time, ...).

    >>> from chainrule.nn.utils.rnn import pad_sequence
    >>> pad_sequence([np.array([1.0, 2.0]), np.array([3.0])], batch_first=True)
    array([[1., 2.],
           [3., 0.]])
    """
    if padding_side not in ("left", "right"):
        raise ArgumentError(explain(f"pad_sequence: unknown padding_side {padding_side!r}", help="use 'left' or 'right'"))
    sequences = [as_value(s) for s in sequences]
    if not sequences or any(ndim_of(s) < 1 or shape_of(s)[1:] != shape_of(sequences[0])[1:] for s in sequences):
        raise ShapeError(
            explain(
                "pad_sequence: the sequences need one shape but for their lengths, axis 0",
                f"found: {[shape_of(s) for s in sequences]}",
                help="give arrays of shape (length, ...)",
            )
        )
    longest = max(shape_of(s)[0] for s in sequences)

    def filled(s):
        missing = longest - shape_of(s)[0]
        widths = (missing, 0) if padding_side == "left" else (0, missing)
        return pad_axes(s, (widths, *((0, 0),) * (ndim_of(s) - 1)), constant_values=padding_value)

    return stack([filled(s) for s in sequences], 0 if batch_first else 1)


def unpad_sequence(padded_sequences, lengths, batch_first=False):
    """The inverse of `pad_sequence`: a list of arrays of these lengths."""
    x, lengths = as_value(padded_sequences), _fixed_lengths(lengths, "unpad_sequence")
    return [(x[i, :n] if batch_first else x[:n, i]) for i, n in enumerate(lengths.tolist())]


def pack_sequence(sequences, enforce_sorted=True):
    """A list of arrays (length, ...) as a `PackedSequence`; see `pack_padded_sequence`."""
    sequences = [as_value(s) for s in sequences]
    return pack_padded_sequence(pad_sequence(sequences), [shape_of(s)[0] for s in sequences], enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences):
    """The inverse of `pack_sequence`: a list of arrays in the order of the batch."""
    padded, lengths = pad_packed_sequence(packed_sequences)
    return unpad_sequence(padded, lengths)
