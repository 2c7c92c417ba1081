"""Random numbers from a counter: each draw is a pure function of the generator's state, which draws advance.

The bits are those of Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), so a draw can be
recorded, repeated and spread over threads. Uniforms take the top 53 bits, normals the method of Box and Muller.
"""

import math

import numpy as np

from .core.aval import Aval
from .core.derivative import zero
from .core.lowering import Call
from .core.primitive import primitive
from .core.value import shape_of
from .ops.elementwise import log, sqrt
from .ops.indexing import index_add
from .ops.joining import concatenate, stack
from .ops.shaping import as_shape, astype, reshape
from .ops.trigonometric import cos, sin
from .transforms.checkpoint import REPLAYED
from .transforms.reverse import ROOT


def _batch_bits(args, batched, params):
    (states,) = args
    if shape_of(states)[0] == 0:
        return np.zeros((0, *params["shape"]), np.uint64)
    return stack([_random_bits(states[i], **params) for i in range(shape_of(states)[0])])


@primitive(
    derivative=[zero],
    aval=lambda state, shape: Aval(shape, np.dtype(np.uint64)),
    batch=_batch_bits,
    lower=Call(),
    name="random_bits",
)
def _random_bits(state, *, shape):
    """64 random bits per element, from (key, key, counter)."""
    k0, k1, counter = (int(v) for v in state)
    bits = np.random.Philox(key=np.array([k0, k1], np.uint64), counter=np.array([counter, 0, 0, 0], np.uint64))
    return bits.random_raw(math.prod(shape)).reshape(shape)


class Generator:
    """A stream of random numbers. Its whole state is the Tensor `state`: two words of key and a counter.

    Parameters
    ----------
    seed : int or None; None takes one from the operating system

    Examples
    --------
    >>> import chainrule as cr
    >>> a, b = cr.random.Generator(7), cr.random.Generator(7)
    >>> bool((a.uniform(3) == b.uniform(3)).all())
    True
    """

    def __init__(self, seed=None):
        self.state = ROOT.constant(np.zeros(3, np.uint64))
        self.manual_seed(seed)

    def manual_seed(self, seed=None):
        """Start the stream of this seed from its beginning."""
        key = np.random.SeedSequence(seed).generate_state(2, np.uint64)
        self.state.data = np.array([key[0], key[1], 0], np.uint64)
        return self

    def get_state(self):
        """The state as a NumPy array, for `set_state` and for checkpoints."""
        return np.array(self.state.detach())

    def set_state(self, state):
        """Continue from a state that `get_state` gave."""
        self.state.data = np.asarray(state, np.uint64)

    def bits(self, shape):
        """64 random bits per element, as uint64; advances the state."""
        shape = as_shape(shape)
        drawn = _random_bits(self.state, shape=shape)
        blocks = -(-math.prod(shape) // 4)  # Philox makes four words per count
        self.state.data = index_add(self.state, 2, np.uint64(blocks))
        return drawn

    def uniform(self, *shape, low=0.0, high=1.0, dtype=np.float64):
        """Numbers from the half-open interval [low, high)."""
        u = astype(self.bits(_shape(shape)) >> np.uint64(11), np.float64) * 2.0**-53
        u = u if isinstance(low, float) and isinstance(high, float) and (low, high) == (0.0, 1.0) else low + (high - low) * u
        dtype = np.dtype(dtype)
        if dtype == np.float32:  # rounding to float32 could reach the open end
            return astype(u * (1 - 2.0**-25), dtype)
        return astype(u, dtype)

    def normal(self, *shape, loc=0.0, scale=1.0, dtype=np.float64):
        """Numbers from the normal distribution with mean `loc` and standard deviation `scale`."""
        shape = _shape(shape)
        n = math.prod(shape)
        half = -(-n // 2)
        u = self.uniform(2, half)
        radius = sqrt(-2.0 * log(1.0 - u[0]))
        angle = (2 * math.pi) * u[1]
        z = reshape(concatenate([radius * cos(angle), radius * sin(angle)])[:n], shape)
        z = z if isinstance(loc, float) and isinstance(scale, float) and (loc, scale) == (0.0, 1.0) else loc + scale * z
        return astype(z, dtype)

    def integers(self, low, high=None, shape=(), dtype=np.int64):
        """Whole numbers from [low, high), or [0, low)."""
        low, high = (0, low) if high is None else (low, high)
        if high <= low:
            raise ValueError(f"integers: the interval [{low}, {high}) is empty")
        return astype(self.uniform(shape) * (high - low), dtype) + np.asarray(low, dtype)[()]

    def permutation(self, n):
        """The numbers 0 to n-1 in random order."""
        return self.bits((n,)).argsort()

    def bernoulli(self, p, shape=None, dtype=np.float64):
        """1 with probability `p`, else 0."""
        return astype(self.uniform(shape_of(p) if shape is None else shape) < p, dtype)

    def choice(self, n, shape=(), p=None):
        """Indices below `n`, uniformly or with probabilities `p`."""
        if p is None:
            return self.integers(n, shape=shape)
        edges = np.cumsum(np.asarray(p, float))
        return astype(np.searchsorted(edges / edges[-1], np.asarray(self.uniform(shape)), side="right"), np.int64)


def _shape(shape):
    return as_shape(shape[0] if len(shape) == 1 else shape)


default_generator = Generator()
REPLAYED.append(default_generator)


def manual_seed(seed):
    """Start the default generator from `seed`.

    >>> import chainrule as cr
    >>> _ = cr.manual_seed(0)
    """
    return default_generator.manual_seed(seed)


seed = manual_seed


def _made(t, requires_grad):
    return t.requires_grad_() if requires_grad else t


def rand(*shape, dtype=np.float64, requires_grad=False, generator=None, device=None):
    """Uniform numbers from [0, 1), as a Tensor.

    >>> import chainrule as cr
    >>> cr.rand(2, 3).shape
    (2, 3)
    """
    return _made((generator or default_generator).uniform(*shape, dtype=dtype), requires_grad)


def randn(*shape, dtype=np.float64, requires_grad=False, generator=None, device=None):
    """Standard normal numbers, as a Tensor.

    >>> import chainrule as cr
    >>> cr.randn(2, 3).shape
    (2, 3)
    """
    return _made((generator or default_generator).normal(*shape, dtype=dtype), requires_grad)


def rand_like(x, dtype=None, requires_grad=False):
    """Uniform numbers in the shape and dtype of `x`."""
    return rand(shape_of(x), dtype=dtype or x.dtype, requires_grad=requires_grad)


def randn_like(x, dtype=None, requires_grad=False):
    """Standard normal numbers in the shape and dtype of `x`."""
    return randn(shape_of(x), dtype=dtype or x.dtype, requires_grad=requires_grad)


def randint(low, high=None, size=None, generator=None, dtype=np.int64):
    """Whole numbers from [low, high), or [0, low).

    >>> import chainrule as cr
    >>> bool((cr.randint(3, (5,)) < 3).all())
    True
    """
    if size is None and isinstance(high, (tuple, list)):
        low, high, size = 0, low, high
    return (generator or default_generator).integers(low, high, () if size is None else size, dtype)


def randperm(n, generator=None):
    """The numbers 0 to n-1 in random order."""
    return (generator or default_generator).permutation(n)


def normal(mean=0.0, std=1.0, size=None, generator=None):
    """Normal numbers; derivatives flow to `mean` and `std`."""
    shape = np.broadcast_shapes(shape_of(mean), shape_of(std)) if size is None else size
    return (generator or default_generator).normal(shape, loc=mean, scale=std)


def uniform(low=0.0, high=1.0, size=None, generator=None):
    """Uniform numbers from [low, high); derivatives flow to both ends."""
    shape = np.broadcast_shapes(shape_of(low), shape_of(high)) if size is None else size
    return (generator or default_generator).uniform(shape, low=low, high=high)


def bernoulli(p, generator=None):
    """1 with probability `p`, else 0, in the shape of `p`."""
    return (generator or default_generator).bernoulli(p)


def get_rng_state():
    """State of the default generator."""
    return default_generator.get_state()


def set_rng_state(new):
    """Continue the default generator from a state that `get_rng_state` gave."""
    default_generator.set_state(new)
