"""Elementary functions in machine code: no error above what their docstrings state, and C99's values at the edges."""

import re
import sys

import elementwise_kernels as kernels
import numpy as np
import pytest

from chainrule.compiler import vector_math
from chainrule.compiler.scalars import Number

mpmath = pytest.importorskip("mpmath")
LANES = {np.float32: 8, np.float64: 4}
wide_only = pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="no reference wider than float64")


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _softplus(x):
    return np.logaddexp(x, np.zeros_like(x))


def _of_mpmath(name):
    def reference(x):
        with mpmath.workdps(30):
            f = getattr(mpmath, name)
            near = [min(max(float(v), -50.0), 50.0) if v == v else 0.0 for v in x]  # beyond, nothing changes
            out = np.array([np.longdouble(mpmath.nstr(f(mpmath.mpf(v)), 25)) for v in near], np.longdouble)
        out = np.where((x == 0) & (out == 0), x, out)
        return np.where(np.isnan(x), np.nan, out)

    return reference


ONE = {
    **{name: getattr(np, name) for name in ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "cbrt")},
    **{name: getattr(np, name) for name in ("sin", "cos", "tan", "arcsin", "arccos", "arctan")},
    **{name: getattr(np, name) for name in ("sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh")},
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "erf": _of_mpmath("erf"),
    "erfc": _of_mpmath("erfc"),
}
TWO = {"power": np.power, "arctan2": np.arctan2, "hypot": np.hypot}
both_types = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def compute(name, *xs, lanes=None):
    dtype = xs[0].dtype

    def build(s, *numbers):
        return Number(getattr(vector_math, name)(s.f, *(x.value for x in numbers)), dtype)

    return kernels.run(build, xs, dtype, LANES[dtype.type] if lanes is None else lanes)


def stated(name, dtype):
    """The error that the docstring admits."""
    bounds = re.search(r"([\d.]+) / ([\d.]+) ulp", getattr(vector_math, name).__doc__)
    return float(bounds[1 if dtype == np.float32 else 2])


def errors(got, want):
    """Distances in units in the last place; infinite where one is finite and the other not, or signs of zero differ."""
    info = np.finfo(got.dtype)
    with np.errstate(all="ignore"):
        rounded = want.astype(got.dtype)
        size = np.abs(want)
        exponent = np.floor(np.log2(np.where((size > 0) & np.isfinite(size), size, 1)))
        unit = np.exp2(np.maximum(exponent, info.minexp).astype(np.longdouble) - info.nmant)
        distance = np.abs(got.astype(np.longdouble) - want) / unit
        alike = (np.isnan(got) & np.isnan(rounded)) | (got == rounded)
        distance = np.where(np.isfinite(rounded) & np.isfinite(got), distance, np.where(alike, 0, np.inf))
        wrong_zero = (got == 0) & (want == 0) & (np.signbit(got) != np.signbit(want))
    return np.where(wrong_zero, np.inf, distance)


def check(name, xs, reference):
    got = compute(name, *xs)
    with np.errstate(all="ignore"):
        want = reference(*(x.astype(np.longdouble) for x in xs))
    distance = errors(got, want)
    worst = int(np.argmax(distance))
    message = f"{name} of {[x[worst] for x in xs]} is {got[worst]!r}, should be {want[worst]!r}"
    assert distance[worst] <= stated(name, got.dtype), message


def specials(dtype):
    info = np.finfo(dtype)
    x = [0, np.inf, np.nan, 1, 0.5, 2, 3, 1.5, 2.5, info.max, info.tiny, info.smallest_subnormal, 2.0**info.nmant + 1, 1e10]
    return np.concatenate([np.array(x, dtype), -np.array(x, dtype)])


def many(dtype, count, step):
    """Numbers all over the range: of float32 every so manieth bit pattern, of float64 `count` at random."""
    rng = np.random.default_rng(1)
    if dtype == np.float32:
        x = np.arange(0, 2**32, step, dtype=np.uint64).astype(np.uint32).view(np.float32)
    else:
        sign = rng.choice([-1.0, 1.0], (3, count))
        x = np.concatenate(
            [
                sign[0] * 2.0 ** rng.uniform(-1074, 1024, count),
                sign[1] * 2.0 ** rng.uniform(-30, 30, count),
                rng.uniform(-8, 8, count),
                rng.uniform(-750, 750, count),
                rng.uniform(-1.5, 1.5, count),
                1 + sign[2] * 2.0 ** rng.uniform(-52, -1, count),
                np.arange(min(count, 1000)) * (np.pi / 2),
            ]
        )
    return np.concatenate([x, specials(dtype)])


def pairs(dtype, count):
    """Pairs of numbers of like size, and all pairs of special numbers."""
    rng = np.random.default_rng(2)
    most = 500 if dtype == np.float64 else 60
    x = (rng.choice([-1, 1], count) * 2.0 ** rng.uniform(-most, most, count)).astype(dtype)
    y = (x * rng.choice([-1, 1], count) * 2.0 ** rng.uniform(-40, 40, count)).astype(dtype)
    a, b = np.meshgrid(specials(dtype), specials(dtype))
    return np.concatenate([x, a.ravel()]), np.concatenate([y, b.ravel()])


def powers(dtype, count):
    """Bases and exponents whose power is a number, and all pairs of special numbers."""
    rng = np.random.default_rng(3)
    least, most = (-1074, 1024) if dtype == np.float64 else (-149, 128)
    log2 = np.where(rng.random(count) < 0.5, rng.uniform(least, most, count), rng.uniform(-1, 1, count) ** 3)
    x = (2.0**log2).astype(dtype)
    with np.errstate(all="ignore"):
        y = (rng.uniform(least, most, count) / np.log2(x.astype(np.float64))).astype(dtype)
    a, b = np.meshgrid(specials(dtype), specials(dtype))
    return np.concatenate([x, a.ravel()]), np.concatenate([y, b.ravel()])


@wide_only
@both_types
@pytest.mark.parametrize("name", ONE)
def test_errors_are_as_stated(name, dtype):
    slow = name in ("erf", "erfc")
    check(name, [many(dtype, 200 if slow else 4000, 4_000_037 if slow else 200_003)], ONE[name])


@wide_only
@both_types
@pytest.mark.parametrize("name", TWO)
def test_errors_of_two_arguments_are_as_stated(name, dtype):
    check(name, (powers if name == "power" else pairs)(dtype, 20_000), TWO[name])


@pytest.mark.slow
@wide_only
@both_types
@pytest.mark.parametrize("name", ONE)
def test_errors_are_as_stated_densely(name, dtype):
    slow = name in ("erf", "erfc")
    check(name, [many(dtype, 10_000 if slow else 200_000, 60_013 if slow else 127)], ONE[name])


@pytest.mark.slow
@wide_only
@both_types
@pytest.mark.parametrize("name", TWO)
def test_errors_of_two_arguments_are_as_stated_densely(name, dtype):
    check(name, (powers if name == "power" else pairs)(dtype, 2_000_000), TWO[name])


@both_types
@pytest.mark.parametrize("name", ["logaddexp", "logaddexp2"])
def test_sums_of_logarithms(name, dtype):
    rng = np.random.default_rng(4)
    a, b = np.meshgrid(specials(dtype), specials(dtype))
    x = np.concatenate([rng.uniform(-50, 50, 5000).astype(dtype), a.ravel()])
    y = np.concatenate([rng.uniform(-50, 50, 5000).astype(dtype), b.ravel()])
    with np.errstate(all="ignore"):
        want = getattr(np, name)(x.astype(np.longdouble), y.astype(np.longdouble)).astype(dtype)
    # Where the terms cancel, what counts is the error in the larger argument.
    np.testing.assert_allclose(compute(name, x, y), want, rtol=4 * np.finfo(dtype).eps, atol=4 * np.finfo(dtype).eps)


@both_types
@pytest.mark.parametrize("name", [*ONE, *TWO])
def test_lanes_do_not_matter(name, dtype):
    """A single number and vectors of any width give the same bits, lanes that leave the fast path aside."""
    x = np.linspace(-3, 3, 50).astype(dtype)
    xs = [x, x[::-1].copy()][: 2 if name in TWO else 1]
    alone = compute(name, *xs, lanes=0)
    for lanes in (2, 4, 8, 16):
        np.testing.assert_array_equal(compute(name, *xs, lanes=lanes), alone, err_msg=f"{lanes} lanes")


@both_types
def test_huge_angles_among_small_ones(dtype):
    x = np.array([0.5, 1e30, -2.0, 3e7, np.inf, 1.0, -4e15, 1e-30], dtype)
    with np.errstate(all="ignore"):
        for name in ("sin", "cos", "tan"):
            want = getattr(np, name)(x.astype(np.longdouble if sys.platform == "linux" else np.float64))
            np.testing.assert_allclose(compute(name, x), want.astype(dtype), rtol=4 * np.finfo(dtype).eps)
