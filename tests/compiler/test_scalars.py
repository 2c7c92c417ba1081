"""Single numbers in machine code: what NumPy computes, in the dtype in which it computes it."""

import itertools
import math
import sys
import warnings
from pathlib import Path

import elementwise_kernels as kernels
import numpy as np
import pytest

from chainrule.compiler import vector_math
from chainrule.compiler.scalars import TYPES, NoLowering, lower
from chainrule.core.lowering import Map
from chainrule.core.primitive import ROWS

sys.path.append(str(Path(__file__).parents[1] / "rows"))
from samples import SAMPLES

MAPS = {name: row for name, row in ROWS.items() if isinstance(row.lower, Map)}
WITHOUT = {
    *("bitwise_count", "erfinv", "exponent", "from_parts", "gcd", "lcm", "ldexp", "nextafter", "spacing"),
    *("log_gamma_moment", "log_gamma_quantile", "mills_ratio", "von_mises_quantile", "wald_quantile"),
}


def supported(sample):
    return all(not isinstance(a, np.ndarray) or a.dtype in TYPES for a in sample.args)


CASES = [
    pytest.param(row, sample, 4 * (k % 3), id=f"{name}-{sample!r}"[:80])
    for name, row in MAPS.items()
    if name not in WITHOUT
    for k, sample in enumerate(filter(supported, SAMPLES[name]))
]
DTYPES = list(TYPES)
INTEGERS = [d for d in DTYPES if d.kind in "iu"]
FLOATS = [np.dtype(np.float32), np.dtype(np.float64)]


def numpy_result(row, args, params):
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(row.evaluate(*args, **params))


def compare(row, args, params=None, lanes=4, precise=False, ulps=8):
    """One row on these arguments, against NumPy."""
    params = params or {}
    want = numpy_result(row, args, params)

    def build(s, *numbers):
        return lower(row, s, numbers, params, want.dtype)

    got = kernels.run(build, args, want.dtype, lanes, precise)
    if want.dtype.kind == "f":
        eps = ulps * np.finfo(want.dtype).eps
        np.testing.assert_allclose(got, want, rtol=eps, atol=eps)
    else:
        np.testing.assert_array_equal(got, want)
    return got


@pytest.mark.parametrize("row, sample, lanes", CASES)
def test_rows_compute_what_their_evaluation_does(row, sample, lanes):
    compare(row, sample.args, sample.params, lanes)


@pytest.mark.slow
@pytest.mark.parametrize("precise", [False, True])
@pytest.mark.parametrize("row, sample, lanes", CASES)
def test_rows_compute_so_at_any_width(row, sample, lanes, precise):
    for n in (0, 4, 8):
        compare(row, sample.args, sample.params, n, precise)


PRECISE = [name for name in vars(vector_math) if name in MAPS]


@pytest.mark.parametrize("name", PRECISE)
def test_the_c_library_gives_the_same(name):
    real = list(filter(supported, SAMPLES[name]))
    for sample in real[:1] + real[4:5]:
        compare(MAPS[name], sample.args, sample.params, 4, precise=True)


@pytest.mark.parametrize("name", sorted(WITHOUT))
def test_rows_without_machine_code_are_left_to_numpy(name):
    with pytest.raises(NoLowering, match=name):
        compare(MAPS[name], SAMPLES[name][0].args, SAMPLES[name][0].params)


def edge_values(dtype):
    if dtype.kind == "b":
        return np.array([False, True])
    if dtype.kind == "f":
        info = np.finfo(dtype)
        x = [0, 1, 0.5, 2.5, 3, 7.25, np.inf, np.nan, info.max, info.smallest_subnormal, 1e20, 1.5]
        return np.concatenate([np.array(x, dtype), -np.array(x, dtype)])
    info = np.iinfo(dtype)
    x = [0, 1, 2, 3, 7, 100, info.max, info.max - 1]
    return np.array(x + ([-1, -2, -3, -7, -100, info.min, info.min + 1] if dtype.kind == "i" else []), dtype)


def all_pairs(d, e):
    a, b = np.meshgrid(edge_values(d), edge_values(e))
    return a.ravel(), b.ravel()


# What is exact in NumPy is exact here, whatever the dtypes.
EXACT_TWO = [
    *("add", "subtract", "multiply", "divide", "maximum", "minimum", "fmax", "fmin", "copysign", "heaviside"),
    *("remainder", "fmod", "floor_divide", "logical_and", "logical_or", "logical_xor"),
    *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"),
    *("bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift"),
]
EXACT_ONE = [
    *("negative", "square", "absolute", "sign", "signbit", "floor", "ceil", "trunc", "rint", "sqrt", "conjugate", "real"),
    *("imag", "isnan", "isinf", "isfinite", "logical_not", "invert", "relu"),
]


def has_lowering(row, args):
    """Whether NumPy computes this at all and in dtypes that have machine code."""
    try:
        out = numpy_result(row, [a[:1] if isinstance(a, np.ndarray) else a for a in args], {})
    except TypeError:
        return False
    return out.dtype in TYPES


def check_exactly(row, args, lanes):
    try:
        compare(row, args, lanes=lanes, ulps=0)
    except NoLowering as e:
        # Allowed only where NumPy goes through a dtype that registers do not hold, or has its own rule for pairs.
        assert "float16" in str(e) or "signed with unsigned" in str(e), e


SOME_PAIRS = ["??", "bb", "qq", "BB", "QQ", "ff", "dd", "?f", "bq", "If", "Bb", "Qq", "fd"]


def check_pairs(name, some):
    for d, e in some:
        x, y = all_pairs(d, e)
        if has_lowering(ROWS[name], (x, y)):
            check_exactly(ROWS[name], (x, y), 4)


@pytest.mark.parametrize("name", EXACT_TWO)
def test_two_arguments_of_various_dtypes(name):
    check_pairs(name, [map(np.dtype, p) for p in SOME_PAIRS])


@pytest.mark.slow
@pytest.mark.parametrize("name", EXACT_TWO)
def test_two_arguments_of_any_dtypes(name):
    check_pairs(name, itertools.product(DTYPES, DTYPES))


@pytest.mark.parametrize("name", EXACT_ONE)
def test_one_argument_of_any_dtype(name):
    for k, d in enumerate(DTYPES):
        x = edge_values(d)
        if has_lowering(ROWS[name], (x,)):
            check_exactly(ROWS[name], (x,), 8 * (k % 2))


@pytest.mark.parametrize("name", ["add", "multiply", "maximum", "minimum", "fmax", "fmin", "less", "equal", "divide", "power"])
@pytest.mark.parametrize("number", [2, -1, 0.5, True])
def test_python_numbers_adapt(name, number):
    row = ROWS[name]
    for d in map(np.dtype, "?bQf"):
        for args in ((edge_values(d), number), (number, edge_values(d))):
            try:
                numpy_result(row, args, {})
            except (TypeError, OverflowError, ValueError):
                continue
            if has_lowering(row, args):
                try:
                    compare(row, args)
                except NoLowering as e:
                    assert "integer powers" in str(e) or "fit" in str(e) or "float16" in str(e), e


def test_numbers_that_do_not_fit_are_left_to_numpy():
    with pytest.raises(NoLowering, match="fit"):
        compare(ROWS["less"], (np.array([1], np.int8), 300))


@pytest.mark.parametrize("y", [-3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 0.5, -0.5, 1.5, 2.5, math.inf, math.nan])
@pytest.mark.parametrize("dtype", FLOATS)
def test_constant_powers(y, dtype):
    x = edge_values(dtype)
    compare(ROWS["power"], (np.concatenate([x, np.linspace(0.1, 4, 50).astype(dtype)]), y))


@pytest.mark.parametrize("dtype", FLOATS)
def test_remainders_of_any_quotient(dtype):
    rng = np.random.default_rng(0)
    x = (rng.choice([-1, 1], 4000) * 2.0 ** rng.uniform(-20, 60, 4000)).astype(dtype)
    y = (rng.choice([-1, 1], 4000) * 2.0 ** rng.uniform(-20, 30, 4000)).astype(dtype)
    whole = np.rint(y * 3) + 1
    for name in ("fmod", "remainder", "floor_divide"):
        compare(ROWS[name], (x, y), ulps=0)
        compare(ROWS[name], (whole * 5, whole), ulps=0)


@pytest.mark.parametrize("new", DTYPES, ids=str)
@pytest.mark.parametrize("old", DTYPES, ids=str)
def test_conversions(old, new):
    x = edge_values(old)
    if old.kind == "f" and new.kind in "iu":
        x = np.array([0.0, -0.0, 0.9, 1.5, 100.99, 7, 3.2], old)  # the rest is undefined
        x = np.concatenate([x, -x]) if new.kind == "i" else x
    with np.errstate(all="ignore"):
        want = x.astype(new)
    lanes = 8 if DTYPES.index(old) % 2 == DTYPES.index(new) % 2 else 0
    np.testing.assert_array_equal(kernels.run(lambda s, a: s.cast(a, new), (x,), new, lanes), want)


def test_large_floats_as_unsigned_integers():
    x = np.array([2.0**63, 2.0**63 + 4096, 2.0**64 - 2048, 5.0])
    np.testing.assert_array_equal(
        kernels.run(lambda s, a: s.cast(a, np.uint64), (x,), np.dtype(np.uint64)), x.astype(np.uint64)
    )


@pytest.mark.parametrize("dtype", [*FLOATS, np.dtype(np.int32)])
def test_fused_products(dtype):
    x = np.arange(1, 9).astype(dtype)
    got = kernels.run(lambda s, a, b: s.fma(a, b, 2), (x, x), dtype, 8)
    np.testing.assert_array_equal(got, x * x + 2)


def test_rounding_to_decimals():
    x = np.array([1.25, -2.345, 1e5 + 0.125, np.nan, np.inf])
    for decimals in (0, 1, 2, -1, -3):
        for dtype in FLOATS:
            compare(ROWS["round"], (x.astype(dtype),), {"decimals": decimals}, ulps=0)
    compare(ROWS["round"], (np.array([12, 25]),), {"decimals": 1})
    with pytest.raises(NoLowering):
        compare(ROWS["round"], (np.array([12, 25]),), {"decimals": -1})


def test_a_zero_wins_over_what_is_infinite():
    g, p = all_pairs(FLOATS[1], FLOATS[1])
    want = numpy_result(ROWS["masked_multiply"], (g, p), {})
    finite_or_masked = np.isfinite(p) | (g == 0)
    got = compare(ROWS["masked_multiply"], (g[finite_or_masked], p[finite_or_masked]))
    assert np.isfinite(want[g == 0]).all() and (got[g[finite_or_masked] == 0] == 0).all()


@pytest.mark.parametrize("name", ["float16", "complex64", "longdouble"])
def test_other_dtypes_are_left_to_numpy(name):
    with pytest.raises(NoLowering):
        kernels.run(lambda s, a: s.cast(a, name), (np.ones(3),), np.dtype(name))
    with pytest.raises(NoLowering):
        kernels.run(lambda s, a: s.add(a, 1j), (np.ones(3),), np.dtype(np.complex128))


def test_functions_without_machine_code_say_so():
    with pytest.raises(NoLowering, match="gammaln"):
        kernels.run(lambda s, a: s.gammaln(a), (np.ones(3),), FLOATS[1])
