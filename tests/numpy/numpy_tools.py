"""What the tests of NumPy code share: sample arguments of ufuncs, and derivatives checked in every mode."""

import warnings
import zlib

import numpy as np

import chainrule as cr

close = np.testing.assert_allclose
INTEGER = {"bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift", "gcd", "lcm", "bitwise_count", "invert"}
OF_ONE = {"arcsin", "arccos", "arctanh"}


def rng_of(name):
    return np.random.default_rng(zlib.crc32(str(name).encode()))


def arguments(ufunc, *shapes, dtype=float):
    """Arrays inside of the ufunc's domain, clear of ties and jumps."""
    rng = rng_of(ufunc.__name__)
    name = ufunc.__name__
    if name in INTEGER or np.dtype(dtype).kind in "iu":
        xs = [rng.integers(1, 7, s) for s in shapes]
    elif name == "ldexp":
        xs = [rng.uniform(0.5, 2, s) if i == 0 else rng.integers(-3, 4, s) for i, s in enumerate(shapes)]
    elif name == "arccosh":
        xs = [rng.uniform(1.5, 3, s) for s in shapes]
    else:
        xs = [rng.uniform(0.3, 0.9, s) if name in OF_ONE else rng.uniform(0.55, 2.45, s) for s in shapes]
    return [x if x.dtype.kind in "iu" else x.astype(dtype) for x in xs]


def directional(f, xs, ts, h=1e-3):
    """The slope of f along ts, by Richardson's extrapolation of central differences."""

    def central(h):
        up = np.asarray(f(*(x + h * t for x, t in zip(xs, ts, strict=True))))
        down = np.asarray(f(*(x - h * t for x, t in zip(xs, ts, strict=True))))
        return (up - down) / (2 * h)

    a, b, c = (central(h / 2**k) for k in range(3))
    return (a - 20 * b + 64 * c) / 45


def like(x, rng):
    return rng.normal(size=np.shape(x))


def check_derivatives(f, *xs, name="", rtol=1e-6, second=True, batched=True, compiled=True):
    """f, a function of float64 arrays that is written with NumPy, as a program of Tensors: the same values, and derivatives
    in both modes, of second order, of a batch and of the compiled program that agree with differences."""
    rng = rng_of(name or f.__name__)
    xs = tuple(np.asarray(x, float) for x in xs)
    ts = tuple(like(x, rng) for x in xs)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        value = np.asarray(f(*xs))
        g = like(value, rng)
        slope = directional(f, xs, ts)
        found, moved = cr.jvp(f, xs, ts)
        close(found, value, rtol=1e-12, atol=1e-12)
        scale = 1 + np.abs(slope).max(initial=0)
        close(moved, slope, rtol=rtol, atol=rtol * scale)
        gradient = cr.vjp(f, *xs)[1](g)
        for x, d in zip(xs, gradient, strict=True):
            assert np.shape(d) == x.shape and d.dtype == x.dtype
        assert not any(isinstance(d, cr.Tensor) for d in (found, moved, *gradient)), "plain arrays in, plain arrays out"
        close(
            sum(np.sum(d * t) for d, t in zip(gradient, ts, strict=True)), np.sum(g * slope), rtol=rtol, atol=rtol * scale * 10
        )
        if second:
            _check_second(f, xs, ts, g, rng, rtol)
        if batched:
            stacks = [np.stack([x, x + 1e-3 * like(x, rng)]) for x in xs]
            outs = cr.vmap(f)(*stacks)
            assert not isinstance(outs, cr.Tensor)
            close(outs, np.stack([np.asarray(f(*(s[k] for s in stacks))) for k in range(2)]), rtol=1e-10, atol=1e-12)
            both = cr.vmap(lambda *a: cr.vjp(f, *a)[1](g))(*stacks)
            for d, one in zip(both, gradient, strict=True):
                close(d[0], one, rtol=1e-9, atol=1e-11 * scale)
        if compiled:
            program = cr.compile(lambda *a: cr.vjp(f, *a)[1](g))
            for d, one in zip(program(*xs), gradient, strict=True):
                close(np.asarray(d), one, rtol=1e-9, atol=1e-9 * scale)


def _check_second(f, xs, ts, g, rng, rtol):
    us = tuple(like(x, rng) for x in xs)

    def gradient(*a):
        return cr.vjp(f, *a)[1](g)

    forward = cr.jvp(gradient, xs, ts)[1]
    reverse = cr.vjp(gradient, *xs)[1](us)
    first = sum(np.sum(d * u) for d, u in zip(forward, us, strict=True))
    second = sum(np.sum(d * t) for d, t in zip(reverse, ts, strict=True))
    slope = directional(lambda *a: np.asarray(sum(np.sum(d * u) for d, u in zip(gradient(*a), us, strict=True))), xs, ts)
    scale = 1 + abs(float(slope))
    close(first, slope, rtol=10 * rtol, atol=10 * rtol * scale)
    close(second, first, rtol=1e-8, atol=1e-8 * scale)
