"""Random words, and numbers made of them: pure functions of a generator's state and of nothing else.

The words are those of Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), so a draw can be
recorded, repeated and spread over threads.
"""

import math

import numpy as np

from ..core.aval import Aval
from ..core.derivative import zero
from ..core.lowering import Call
from ..core.primitive import primitive
from ..core.value import shape_of
from .elementwise import log, sqrt
from .joining import concatenate, stack
from .shaping import astype, cast
from .trigonometric import cos, sin

HALF = np.uint64(32)
LOW = np.uint64(0xFFFFFFFF)
BLOCK = 1 << 15  # words at a time, which stay in the processor's cache


def _words(state):
    """NumPy's stream of random words from (key, key, counter)."""
    return np.random.Philox(key=np.asarray(state[:2]), counter=np.array([state[2], 0, 0, 0], np.uint64))


def _entries(row, args, batched, params, empty):
    """A batch rule that runs one entry after the other: each has a stream of its own."""
    n = next(shape_of(x)[0] for x, b in zip(args, batched, strict=True) if b)
    if n == 0:
        return empty
    return stack([row(*(x[i] if b else x for x, b in zip(args, batched, strict=True)), **params) for i in range(n)])


@primitive(
    derivative=[zero],
    aval=lambda state, shape: Aval(shape, np.dtype(np.uint64)),
    batch=lambda args, batched, params: _entries(
        random_bits, args, batched, params, np.zeros((0, *params["shape"]), np.uint64)
    ),
    lower=Call(),
)
def random_bits(state, *, shape):
    """64 random bits per element, from (key, key, counter)."""
    return _words(state).random_raw(math.prod(shape)).reshape(shape)


@primitive(
    derivative=[zero],
    aval=lambda state, shape, dtype, low=0.0, width=1.0: Aval(shape, dtype),
    batch=lambda args, batched, params: _entries(
        uniform_numbers, args, batched, params, np.zeros((0, *params["shape"]), params["dtype"])
    ),
    lower=Call(),
)
def uniform_numbers(state, *, shape, dtype, low=0.0, width=1.0):
    """What `uniform_from` makes of `random_bits`, some words at a time: all of them would take several times the memory."""
    words, out = _words(state), np.empty(math.prod(shape), dtype)
    for start in range(0, out.size, BLOCK):
        part = out[start : start + BLOCK]
        part[...] = uniform_from(words.random_raw(part.size), part.dtype, low, width)
    return out.reshape(shape)


@primitive(
    derivative=[zero, zero],
    aval=lambda key, *parameters, method, shape, last: Aval(shape, np.dtype(np.int64)),
    batch=lambda args, batched, params: _entries(
        random_counts, args, batched, params, np.zeros((0, *params["shape"]), np.int64)
    ),
    lower=Call(),
)
def random_counts(key, *parameters, method, shape, last):
    """Whole numbers from the distribution that NumPy's generator calls `method`; `last` axes make one element of it.

    They are constants: the numbers jump as parameters change, so no sample has a derivative.
    """
    generator = np.random.Generator(np.random.Philox(key=np.asarray(key)))
    numbers = getattr(generator, method)(*parameters, size=shape[: len(shape) - last])
    return np.asarray(numbers, np.int64)


# --- numbers from words -----------------------------------------------------------------------------------------------


def half_open(bits):
    """Uniform numbers from [0, 1), multiples of 2**-53."""
    return astype(bits >> np.uint64(11), np.float64) * 2.0**-53


def uniform_from(bits, dtype, low=0.0, width=1.0):
    """Uniform numbers from [low, low + width), in a dtype."""
    u = rounded_below_one(half_open(bits), dtype)
    if width != 1:
        u = width * u
    return u if low == 0 else low + u


def inside(bits):
    """Uniform numbers from (0, 1), odd multiples of 2**-53: neither end, and x is as likely as 1 - x."""
    return (astype(bits >> np.uint64(12), np.float64) + 0.5) * 2.0**-52


def rounded_below_one(u, dtype):
    """Numbers from [0, 1) in another dtype: rounding must not reach the open end."""
    dtype = np.dtype(dtype)
    return u if dtype == np.float64 else cast(u * (1 - float(np.finfo(dtype).epsneg) / 2), dtype)


def normals(u, n):
    """`n` standard normal numbers from uniform ones (2, at least n / 2) by the method of Box and Muller."""
    radius = sqrt(-2.0 * log(1.0 - u[0]))
    angle = (2 * math.pi) * u[1]
    return concatenate([radius * cos(angle), radius * sin(angle)])[:n]


def _product(x, y):
    """High and low word of the product of two words."""
    a, b, c, d = x >> HALF, x & LOW, y >> HALF, y & LOW
    middle = a * d + (b * d >> HALF)
    other = b * c + (middle & LOW)
    return a * c + (middle >> HALF) + (other >> HALF), x * y


def below(first, second, count):
    """Whole numbers from [0, count) as words, from two random words each; `count` is a word, and 0 stands for 2**64.

    The number of 128 random bits, divided by 2**128, times `count`, rounded down: no number is more likely than another by more
    than a part in 2**64 (Lemire, "Fast random integer generation in an interval", 2019, without the rejection that would
    remove that part too).
    """
    high, low = _product(first, count)
    carried, _ = _product(second, count)
    carry = astype(low + carried < low, np.uint64)
    whole = astype(count == np.uint64(0), np.uint64)
    return high + carry + whole * first
