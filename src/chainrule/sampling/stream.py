"""A stream of random words, and what draws from it have in common: sizes, dtypes, checks of parameters."""

import math
from itertools import pairwise

import numpy as np

from ..core.dispatch import state
from ..core.value import Value, dtype_of, ndim_of, shape_of
from ..devices import on_cpu
from ..errors import ArgumentError, ShapeError, explain
from ..ops.indexing import getitem, index_add
from ..ops.random import inside, normals, random_bits, uniform_numbers
from ..ops.shaping import as_shape, reshape
from ..tensor import Tensor
from ..transforms.batch import draws
from ..transforms.checkpoint import REPLAYED
from ..transforms.reverse import ROOT

WORDS = 4  # that Philox makes per count


class Stream:
    """Random words from a counter: each draw is a pure function of `state`, which it advances."""

    def __init__(self, seed=None, *, device=None):
        if isinstance(seed, str):  # PyTorch's only argument
            seed, device = None, seed
        on_cpu(device)
        self.state = ROOT.constant(np.zeros(3, np.uint64))
        self.manual_seed(seed)
        REPLAYED.append(self)

    def manual_seed(self, seed=None):
        """Start the stream of this seed from its beginning."""
        self.seed_sequence = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
        key = self.seed_sequence.generate_state(2, np.uint64)
        self.state.data = np.array([key[0], key[1], 0], np.uint64)
        return self

    def seed(self):
        """Start from a number that is new each time; returns it."""
        number = int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> 1)
        self.manual_seed(number)
        return number

    def initial_seed(self):
        """The seed that the stream started from."""
        entropy = self.seed_sequence.entropy
        return entropy if isinstance(entropy, int) else int(np.asarray(entropy).flat[0])

    def get_state(self):
        """The state as a NumPy array, for `set_state` and for checkpoints."""
        return np.array(self.state.detach())

    def set_state(self, state):
        """Continue from a state that `get_state` gave."""
        self.state.data = np.asarray(state, np.uint64)

    def __reduce__(self):
        return _restored, (type(self), self.seed_sequence, self.get_state())

    def spawn(self, n_children):
        """`n_children` generators with streams of their own, independent of this one and of each other.

        >>> import chainrule as cr
        >>> first, second = cr.random.default_rng(0).spawn(2)
        >>> bool(first.random() != second.random())
        True
        """
        return [type(self)(child) for child in self.seed_sequence.spawn(n_children)]

    def bits(self, shape):
        """64 random bits per element, as uint64; advances the state. Under vmap, for each entry or for all of them."""
        return self._drawn(random_bits, shape)

    def _drawn(self, row, shape, **params):
        """What `row` makes of a word per element."""
        shape = as_shape(shape)
        for batch in draws.batches:
            if batch.randomness == "error":
                raise ArgumentError(
                    explain(
                        "random numbers are drawn inside of vmap with randomness='error'",
                        f"asked for: {shape}, in a batch of {batch.size}",
                        help="choose randomness='different', numbers for each entry, or 'same', one draw for all",
                    )
                )
        whole = (*(batch.size for batch in draws.batches), *shape)
        drawn = row(self.state, shape=whole, **params)
        self.state.data = index_add(self.state, 2, np.uint64(-(-math.prod(whole) // WORDS)))
        return _of_each_entry(drawn) if draws.batches else drawn

    def _half_open(self, shape, dtype=np.float64, **placed):
        return self._drawn(uniform_numbers, shape, dtype=np.dtype(dtype), **placed)

    def _inside(self, shape):
        return inside(self.bits(shape))

    def _normals(self, shape):
        n = math.prod(shape)
        return reshape(normals(self._half_open((2, -(-n // 2))), n), shape)


def _of_each_entry(drawn):
    """What was drawn for all entries of the running vmaps, as what each of them gets."""
    if state.abstract:  # a body that is written down: its operations stand above the batch, so the entry looks up its part
        return getitem(drawn, tuple(batch.entry() for batch in draws.batches))
    for batch in draws.batches:
        drawn = Tensor(drawn, batch)
    return drawn


def _restored(kind, seed_sequence, state):
    generator = kind(seed_sequence)
    generator.set_state(state)
    return generator


# --- sizes ------------------------------------------------------------------------------------------------------------


def size_for(size, *parameters, what):
    """The shape of a sample: `size`, or that to which the parameters broadcast."""
    needed = np.broadcast_shapes(*map(shape_of, parameters))
    if size is None:
        return needed
    size = as_shape(size)
    if len(needed) > len(size) or any(n not in (1, m) for n, m in zip(needed[::-1], size[::-1], strict=False)):
        raise ShapeError(
            explain(
                f"{what}: parameters of shape {needed} do not broadcast to size {size}",
                help="leave `size` away, or put axes for more samples in front of those of the parameters",
            )
        )
    return size


# --- dtypes -----------------------------------------------------------------------------------------------------------


def floating(dtype, what):
    """`dtype`, if it is one of real floating point numbers."""
    dtype = np.dtype(dtype)
    if dtype.kind != "f":
        raise TypeError(f"Unsupported dtype {str(dtype)!r} for {what}")
    return dtype


def result_dtype(dtype, *parameters, what):
    """The dtype of a sample: the one asked for, or that of the parameters that are arrays, float64 if there is none."""
    if dtype is not None:
        return floating(dtype, what)
    own = [dtype_of(p) for p in parameters if isinstance(p, (Value, np.ndarray, np.generic))]
    if any(d.kind == "c" for d in own):
        raise TypeError(f"{what}: parameters must be real, found {', '.join(map(str, own))}")
    return np.result_type(np.float16, *own) if own else np.dtype(np.float64)


def store(out, sample, what):
    """`sample`, written into `out` if there is one."""
    if out is None:
        return sample
    if shape_of(out) != shape_of(sample) or dtype_of(out) != dtype_of(sample):
        raise ValueError(
            explain(
                f"{what}: `out` must have the shape and dtype of the sample",
                f"out: {dtype_of(out)} {shape_of(out)}    sample: {dtype_of(sample)} {shape_of(sample)}",
                help="make it with np.empty(size, dtype)",
            )
        )
    if isinstance(out, Tensor):
        return out._rebind(sample)
    out[...] = np.asarray(sample)
    return out


def size_and_out(size, out, what):
    """The size of a sample that may be given by the array to write into."""
    if out is None or size is None:
        return size if out is None else shape_of(out)
    if as_shape(size) != shape_of(out):
        raise ValueError(f"{what}: size {as_shape(size)} does not match the shape of out {shape_of(out)}")
    return size


# --- checks -----------------------------------------------------------------------------------------------------------


def is_known(x):
    """Whether the numbers of `x` are there to look at, and looking at them decides nothing for a program."""
    return not isinstance(x, Value)


def check(what, name, x, bad, rule):
    """Raise if `bad` holds for an element of parameter `x` (also if it is NaN): only where its numbers are plain ones."""
    if is_known(x) and np.any(bad(np.asarray(x))):
        raise ValueError(
            explain(f"{what}: `{name}` must be {rule}", f"{name}: {np.asarray(x)}", help="check what the parameters stand for")
        )


def positive(what, **parameters):
    for name, x in parameters.items():
        check(what, name, x, lambda v: ~(v > 0), "positive")


def non_negative(what, **parameters):
    for name, x in parameters.items():
        check(what, name, x, lambda v: ~(v >= 0), "0 or positive")


def probability(what, **parameters):
    for name, x in parameters.items():
        check(what, name, x, lambda v: ~((v >= 0) & (v <= 1)), "a probability between 0 and 1")


def in_order(what, **parameters):
    """Raise unless each parameter is at least the one before it."""
    for (before, x), (name, y) in pairwise(parameters.items()):
        if is_known(x) and is_known(y):
            check(what, f"{name} - {before}", np.subtract(y, x), lambda v: ~(v >= 0), "0 or positive")


def is_number(x, value):
    """Whether a parameter is this Python number, so that it can be left away."""
    return isinstance(x, (int, float)) and ndim_of(x) == 0 and x == value
