"""Tools that make sample arguments."""

import numpy as np

rng = np.random.default_rng(20)
INT, F32, F64 = np.dtype(np.int64), np.dtype(np.float32), np.dtype(np.float64)
C64, C128 = np.dtype(np.complex64), np.dtype(np.complex128)


def start(seed):
    """Let the samples of a module be the same, whatever was imported before it; with a seed that hits no kink."""
    global rng
    rng = np.random.default_rng(seed)


class Sample:
    """Arguments and static parameters of one call."""

    def __init__(self, *args, **params):
        self.args, self.params = tuple(np.asarray(a) if isinstance(a, np.generic) else a for a in args), params

    def __repr__(self):
        def short(x):
            if not isinstance(x, np.ndarray):
                return repr(x)
            return f"{x.dtype.name}[{','.join(map(str, x.shape))}]"

        parts = [short(a) for a in self.args] + [f"{k}={v!r}" for k, v in self.params.items()]
        return "-".join(parts).replace(" ", "")


def aside(make):
    """What `make()` gives, without a change of the numbers that others draw: for samples that come later than they."""
    before = rng.bit_generator.state
    try:
        return make()
    finally:
        rng.bit_generator.state = before


def spread(shape, lo, hi, dtype=F64):
    """Numbers in random order, evenly spread over an interval with a little noise: no ties, no kink hit by accident."""
    dtype = np.dtype(dtype)
    n = int(np.prod(shape, dtype=int))
    x = lo + (hi - lo) * (np.arange(n) + rng.uniform(0.3, 0.7, n)) / max(n, 1)
    x = rng.permutation(x).reshape(shape)
    if dtype.kind == "c":
        return (x + 1j * rng.uniform(0.2, 0.6, shape)).astype(dtype)
    return x.astype(dtype)


def normal(*shape, dtype=F64):
    x = rng.normal(size=shape)
    return (x + 1j * rng.normal(size=shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)


def ints(lo, hi, *shape):
    return rng.integers(lo, hi, shape)


def bools(*shape):
    return rng.integers(0, 2, shape).astype(bool)


def unary(lo, hi, dtypes=(F32,), integers=True):
    samples = [Sample(spread(s, lo, hi)) for s in ((2, 3), (), (0,), (2, 0))]
    samples += [Sample(spread((3,), lo, hi, d)) for d in dtypes]
    if integers:
        low, high = int(np.ceil(lo)), int(np.floor(hi))
        samples += [Sample(ints(low, high + 1, 3))]
    return samples


COMPLEX = (F32, C128, C64)


def steps(x):
    """As unary, but clear of whole and half numbers."""
    return [
        Sample(
            s.args[0]
            if s.args[0].dtype.kind == "i"
            else np.asarray(np.rint(s.args[0]) + np.where(s.args[0] > 0.1, 0.2, -0.3), s.args[0].dtype)
        )
        for s in x
    ]


def modular():
    """Pairs whose quotients are clear of whole numbers, and remainders clear of 0."""
    y, q = spread((2, 3), 1.2, 2.4), np.array([[-2.0, -1, 0], [1, 2, 3]])
    x = y * (q + spread((2, 3), 0.2, 0.8))
    return [
        Sample(x, y),
        Sample(x[0].astype(F32), y[0].astype(F32)),
        Sample(x, y[:1] * 0 + 1.3 * (x[:1] < 9)),
        Sample(x[:0], y[:1]),
        Sample(x[0, 0].reshape(()), y[0, 0].reshape(())),
        Sample(np.array([1.5, -1.5]), 2),
        Sample(np.array([1.5, -1.5], F32), 2.0),
        Sample(np.array([[1.5], [-1.5]], F32), np.array([2.0, 2.5])),
        Sample(np.array([3, -5]), np.array([[2.0], [3.5]])),
        Sample(ints(1, 9, 3), ints(2, 4, 3)),
        Sample(7, np.array([2.0, 3.0, 5.0])),
    ]


def binary(lo, hi, lo2=None, hi2=None, complex=False, mixed=True):
    lo2, hi2 = lo if lo2 is None else lo2, hi if hi2 is None else hi2

    def pair(s, s2, d=F64, d2=F64):
        return Sample(spread(s, lo, hi, d), spread(s2, lo2, hi2, d2))

    samples = [
        pair((2, 3), (2, 3)),
        pair((2, 3), (3,)),
        pair((2, 1), (1, 3)),
        pair((1, 1, 2), (3, 1)),
        pair((), (2,)),
        pair((2,), ()),
        pair((), ()),
        pair((0, 3), (1, 3)),
        pair((1,), (0,)),
        pair((3,), (3,), F32, F32),
    ]
    if mixed:
        samples += [
            pair((3,), (2, 3), F32, F64),
            pair((2, 1), (2,), F64, F32),
            Sample(spread((3,), lo, hi), ints(int(np.ceil(lo2)), int(hi2) + 1, 3)),
            Sample(ints(max(1, int(np.ceil(lo))), int(hi) + 2, 3), spread((2, 3), lo2, hi2)),
            Sample(spread((3,), lo, hi, F32), 1.5),
            Sample(2, spread((3,), lo2, hi2, F32)),
        ]
    if complex:
        samples += [pair((3,), (3,), C128, C128), pair((2, 3), (3,), C128, F64), pair((3,), (2, 3), F64, C128)]
        samples += [pair((3,), (3,), C64, C64), pair((3,), (2, 3), F32, C64), pair((), (2,), C128, F64)]
    return samples


def integer_pairs():
    return [Sample(ints(0, 9, 2, 3), ints(0, 9, 3)), Sample(ints(0, 5, 3), 2), Sample(ints(0, 5, 0, 1), ints(0, 5, 3))]


def truth_pairs():
    return [
        Sample(bools(2, 3), bools(3)),
        Sample(normal(3, dtype=C128), bools(2, 3)),
        Sample(normal(3), ints(0, 2, 2, 3)),
        Sample(normal(0, 3), normal(3)),
        Sample(bools(3).astype(float), 1.0),
    ]


def compared():
    return [
        *binary(-2, 2, -1.9, 2.2, mixed=False, complex=True),
        Sample(ints(0, 3, 4), ints(0, 3, 4)),
        Sample(normal(3), 1.0),
        Sample(bools(3), bools(3)),
    ]


def over_axes(lo, hi, complex=False, dtypes=(F32,), empty=True, integers=True):
    samples = [
        Sample(spread((3,), lo, hi), axes=(0,)),
        Sample(spread((2, 3), lo, hi), axes=(0,)),
        Sample(spread((2, 3), lo, hi), axes=(0, 1)),
        Sample(spread((2, 3, 2), lo, hi), axes=(0, 2)),
        Sample(spread((2, 1, 3), lo, hi), axes=(1,)),
        Sample(spread((2, 3), lo, hi), axes=()),
        Sample(spread((), lo, hi), axes=()),
        Sample(spread((0, 2), lo, hi), axes=(1,)),
        *(Sample(spread((2, 3), lo, hi, d), axes=(1,)) for d in dtypes),
    ]
    if empty:
        samples += [Sample(spread((0,), lo, hi), axes=(0,)), Sample(spread((2, 0, 3), lo, hi), axes=(0, 1))]
    if complex:
        samples += [Sample(spread((3, 2), lo, hi, d), axes=(0,)) for d in (C128, C64)]
        samples += [Sample(spread((3,), lo, hi, C128), axes=(0,)), Sample(spread((2, 3), lo, hi, C128), axes=(0, 1))]
    if integers:
        samples += [Sample(ints(1, 4, 2, 3), axes=(0,))]
    return samples


def along_axis(lo, hi, complex=False, zeros=False):
    samples = [
        Sample(spread((4,), lo, hi), axis=0),
        Sample(spread((2, 5), lo, hi), axis=1),
        Sample(spread((3, 2), lo, hi), axis=0),
        Sample(spread((1, 2), lo, hi), axis=0),
        Sample(spread((0, 2), lo, hi), axis=1),
        Sample(spread((3,), lo, hi, F32), axis=0),
        Sample(ints(1, 4, 3), axis=0),
    ]
    if zeros:
        samples += [Sample(spread((2, 0), lo, hi), axis=1), Sample(bools(4), axis=0)]
    if complex:
        samples += [Sample(spread((3,), lo, hi, d), axis=0) for d in (C128, C64)]
    return samples


def moved(*params, name):
    return [Sample(normal(*shape, dtype=d), **{name: p}) for shape, p in params for d in (F64, F32, C128, INT)]
