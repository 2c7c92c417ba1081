"""What the generated tests share: tolerances, slopes, inner products, stacks, and a builder of scalars on NumPy."""

import numpy as np

rng = np.random.default_rng(5)
WIDER = {np.dtype(np.float32): np.float64, np.dtype(np.complex64): np.complex128}


class Known(np.ndarray):
    """An argument that repeats what those before it say, to spare a row the work: `rule` gives it from them."""

    def __new__(cls, rule, *args):
        known = np.asarray(rule(*args)).view(cls)
        known.rule = rule
        return known

    def __array_finalize__(self, before):
        self.rule = getattr(before, "rule", None)


def inexact(x):
    return isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "fc" and not isinstance(x, Known)


def active(args):
    """Positions of the arguments that can be differentiated."""
    return [i for i, x in enumerate(args) if inexact(x)]


def with_args(args, positions, xs):
    full = list(args)
    for i, x in zip(positions, xs, strict=True):
        full[i] = x
    for i, x in enumerate(args):
        if isinstance(x, Known) and i not in positions:
            full[i] = x.rule(*full[:i])
    return full


def widened(args):
    return [x.astype(WIDER[x.dtype]) if inexact(x) and x.dtype in WIDER else x for x in args]


def single(*arrays):
    """Whether float32 limits the precision of these arrays."""
    return any(inexact(x) and x.dtype in WIDER for x in arrays)


def random_like(x):
    """Normal numbers of the shape and dtype of x, at most 1 in size."""
    t = np.asarray(rng.normal(size=np.shape(x)))
    if x.dtype.kind == "c":
        t = t + 1j * rng.normal(size=np.shape(x))
    return (t / max(1, np.abs(t).max(initial=0))).astype(x.dtype)


def inner(xs, ys):
    """Re <x, y>, over lists of arrays, in double precision."""
    return sum(float(np.sum(np.conj(x).astype(complex) * y).real) for x, y in zip(xs, ys, strict=True))


def close(a, b, rtol=1e-9, atol=None):
    atol = rtol if atol is None else atol
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=rtol, atol=atol)


def same_kind(x, like):
    """Exactly the shape and dtype of `like`."""
    like = np.asarray(like)
    assert (np.shape(x), x.dtype) == (like.shape, like.dtype), f"{x.dtype}{np.shape(x)}, expected {like.dtype}{like.shape}"


def complex_step(f, xs, ts, h=1e-20):
    return f(*(x + (1j * h) * t for x, t in zip(xs, ts, strict=True))).imag / h


def richardson(f, xs, ts, h=4e-3):
    """Central differences at three step widths, extrapolated to width 0 with an error of order h**6."""

    def central(h):
        return (f(*(x + h * t for x, t in zip(xs, ts, strict=True))) - f(*(x - h * t for x, t in zip(xs, ts, strict=True)))) / (
            2 * h
        )

    a, b, c = (np.asarray(central(h / 2**k)) for k in range(3))
    return (a - 20 * b + 64 * c) / 45


def slope(f, xs, ts, holomorphic):
    """Directional derivative and its relative accuracy."""
    if holomorphic and all(x.dtype.kind == "f" for x in xs):
        return complex_step(f, xs, ts), 1e-10
    return richardson(f, xs, ts), 1e-8


def stack_of(x, n=3):
    """n different entries in the manner of x: shifted numbers, rolled integers and masks."""
    x = np.asarray(x)
    if x.dtype.kind in "fc":
        return np.stack([x + np.asarray(0.05 * k, x.dtype) for k in range(n)])
    if x.dtype.kind == "b":
        return np.stack([x ^ bool(k % 2) for k in range(n)])
    return np.stack([np.roll(x, k) for k in range(n)])


class NumpyScalar:
    """A builder whose scalars are NumPy arrays. What NumPy does not have falls back to the row's own evaluation."""

    def __init__(self, row):
        self.row = row

    def __getattr__(self, name):
        return getattr(np, name, self.row.evaluate)

    def where(self, condition, x, y):
        return np.where(condition, x, y)

    def constant(self, x, *like):
        return x
