"""The Array API standard on drawn arguments: shapes, axes, dtypes and keys of every kind, against the strict reference.

Where the reference gives a value, ours is of the same dtype and shape and has the same elements, signed zeros and NaN
included. Where it raises since something is out of range, ours raises too.
"""

import importlib.util
import itertools
import operator

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import chainrule as cr
import chainrule.numpy as cnp

if importlib.util.find_spec("array_api_strict") is None:
    pytest.skip("array_api_strict is not installed", allow_module_level=True)

import array_api_strict as strict

pytestmark = pytest.mark.filterwarnings("ignore")
DTYPES = ["bool", "int8", "int16", "int64", "uint8", "uint64", "float32", "float64", "complex64", "complex128"]
FLOATS = [d for d in DTYPES if np.dtype(d).kind in "fc"]
SHAPES = [(), (1,), (3,), (0,), (2, 3), (3, 3), (0, 3), (3, 0), (2, 3, 4), (1, 1, 1), (2, 0, 3)]
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, np.inf, -np.inf, np.nan, 1e300, 1e-310]
some = settings(max_examples=250, deadline=None, derandomize=True, database=None)
few = settings(max_examples=80, deadline=None, derandomize=True, database=None)


@pytest.fixture(autouse=True, scope="module")
def version():
    """Other tests, or libraries that they run, may have asked the reference for another one."""
    with strict.ArrayAPIStrictFlags(api_version="2024.12"):
        yield


def filled(shape, dtype, seed=0):
    rng, kind = np.random.default_rng(seed), np.dtype(dtype).kind
    if kind == "b":
        return rng.random(shape) < 0.5
    if kind in "iu":
        return rng.integers(0 if kind == "u" else -5, 9, shape).astype(dtype)
    x = rng.normal(size=shape) * 3
    x = x + 1j * rng.normal(size=shape) if kind == "c" else x
    return np.asarray(x, dtype)


def answer(call, xp):
    with np.errstate(all="ignore"):
        try:
            return call(xp)
        except (TypeError, ValueError, IndexError, OverflowError) as error:  # also AxisError and LinAlgError
            return error


def agree(call, error_too=()):
    """Ours gives what the reference gives; where that raises one of `error_too`, ours raises one of these."""
    expected, found = answer(call, strict), answer(call, cnp)
    if isinstance(expected, Exception):
        assert not isinstance(expected, error_too) or isinstance(found, error_too), f"{expected!r}, but {found!r}"
        return
    assert not isinstance(found, Exception), f"{found!r}"
    many = isinstance(expected, (tuple, list))
    for f, e in zip(found, expected, strict=True) if many else [(found, expected)]:
        if not hasattr(e, "shape"):
            assert f == e
            continue
        assert isinstance(f, cr.Tensor)
        f, e = np.asarray(f), np.asarray(e)
        assert (f.dtype, f.shape) == (e.dtype, e.shape)
        single = e.dtype in (np.float32, np.complex64)
        np.testing.assert_allclose(f, e, rtol=1e-4 if single else 1e-9, atol=1e-4 if single else 1e-9)


AXIS = st.sampled_from([None, 0, -1, 1, -2, 5, -4, (0,), (0, -1), (1, 0), ()])
ONE_AXIS = st.sampled_from([0, -1, 1, -2, 5, -4])
arrays = st.tuples(st.sampled_from(SHAPES), st.sampled_from(DTYPES), st.integers(0, 5)).map(lambda a: filled(*a))
asked = st.sampled_from([None, "float32", "float64", "int64", "int8", "uint8", "complex128"])


def not_of_a_number(x, axis):
    """NumPy, and the reference with it, finds axes 0 and -1 in an array that has none. The standard does not, nor do we."""
    return x.ndim or axis is None or axis == ()


@some
@given(
    st.sampled_from(["sum", "prod", "max", "min", "mean", "all", "any", "std", "var", "count_nonzero"]),
    arrays,
    AXIS,
    st.booleans(),
    asked,
)
def test_reductions(name, x, axis, keepdims, dtype):
    if not not_of_a_number(x, axis):
        return

    def call(xp):
        options = {"dtype": getattr(xp, dtype)} if dtype and name in ("sum", "prod") else {}
        return getattr(xp, name)(xp.asarray(x), axis=axis, keepdims=keepdims, **options)

    agree(call, (IndexError,))


@some
@given(st.sampled_from(["cumulative_sum", "cumulative_prod", "argmax", "argmin", "sort", "argsort", "diff", "flip", "unstack"]),
       arrays, ONE_AXIS, st.booleans(), asked)  # fmt: skip
def test_along_one_axis(name, x, axis, flag, dtype):
    if not not_of_a_number(x, axis):
        return

    def call(xp):
        options = {"cumul": {"include_initial": flag}, "argma": {"keepdims": flag}, "argmi": {"keepdims": flag}}.get(
            name[:5], {}
        )
        if "sort" in name:
            options = {"descending": flag, "stable": True}
        if dtype and name[:5] == "cumul":
            options["dtype"] = getattr(xp, dtype)
        return getattr(xp, name)(xp.asarray(x), axis=axis, **options)

    if not -x.ndim <= axis < x.ndim:  # the reference finds some of these
        assert isinstance(answer(call, cnp), IndexError)
        return
    agree(call)


@some
@given(
    arrays,
    arrays,
    ONE_AXIS,
    AXIS,
    st.sampled_from([(-1,), (3, -1), (2, 3), (), (6,), (-1, -1), (1, 4, 3, 2)]),
    st.integers(0, 3),
)
def test_rearranging(x, y, one, axis, shape, n):
    agree(lambda xp: xp.reshape(xp.asarray(x), shape), (ValueError,))
    agree(lambda xp: xp.broadcast_to(xp.asarray(x), shape if -1 not in shape else (2, 3)), (ValueError,))
    agree(lambda xp: xp.stack([xp.asarray(x)] * 2, axis=one), (IndexError,))
    agree(lambda xp: xp.expand_dims(xp.asarray(x), axis=one), (IndexError,))
    agree(lambda xp: xp.tile(xp.asarray(x), (n, 2)))
    agree(lambda xp: xp.roll(xp.asarray(x), n, axis=axis), (IndexError,) if axis is not None else ())
    agree(lambda xp: xp.permute_dims(xp.asarray(x), tuple(np.argsort(np.arange(x.ndim) * 7 % 3).tolist())))
    agree(lambda xp: xp.broadcast_arrays(xp.asarray(x), xp.asarray(y)), (ValueError,))
    if x.ndim:
        agree(lambda xp: xp.flip(xp.asarray(x), axis=axis), (IndexError,))
        agree(lambda xp: xp.concat([xp.asarray(x), xp.asarray(x)], axis=one), (IndexError,))
        agree(lambda xp: xp.squeeze(xp.asarray(x), axis=axis) if axis is not None else 0, (ValueError, IndexError))
        agree(lambda xp: xp.repeat(xp.asarray(x), n, axis=one), (IndexError,))
    for name in ("unique_all", "unique_counts", "unique_inverse", "unique_values", "nonzero", "matrix_transpose"):
        agree(lambda xp, name=name: getattr(xp, name)(xp.asarray(x)))
    agree(lambda xp: xp.tril(xp.asarray(x), k=n - 1))
    agree(lambda xp: xp.triu(xp.asarray(x), k=1 - n))


SIDES, STACKS = st.integers(0, 3), st.sampled_from([(), (2,), (0,), (2, 1)])
ORDERS = st.sampled_from([0, 1, 2, 3, -1, np.inf, -np.inf, 0.5])
LINES, NORMS = st.sampled_from([(4,), (2, 3), (1,), (3, 4, 2)]), st.sampled_from(["backward", "ortho", "forward", "other"])
PARTS = [
    0, -1, 1, 2, -3, 7, None, ..., slice(None), slice(1, None), slice(None, None, -1), slice(0, 1), slice(1, 0, -1),
    slice(None, None, 2),
]  # fmt: skip


@some
@given(arrays, st.lists(st.sampled_from(PARTS), max_size=4).map(tuple))
def test_reading_and_writing_by_key(x, key):
    if key.count(...) > 1 or (... not in key and x.ndim != sum(k is not None for k in key)):
        return
    outside = (IndexError,) if isinstance(answer(lambda xp: x[key], np), IndexError) else ()
    agree(lambda xp: xp.asarray(x)[key], outside)
    agree(lambda xp: operator.setitem(a := xp.asarray(x.copy()), key, xp.asarray(1, dtype=a.dtype)) or a, outside)
    if x.ndim == len(key) == sum(isinstance(k, int) for k in key):
        agree(lambda xp: xp.asarray(x)[tuple(xp.asarray(k) for k in key)], outside)


@few
@given(arrays, st.integers(0, 3), st.booleans())
def test_masks_and_index_arrays(x, seed, number):
    mask = filled(x.shape, "bool", seed)
    agree(lambda xp: xp.asarray(x)[xp.asarray(mask)])
    agree(lambda xp: operator.setitem(a := xp.asarray(x.copy()), xp.asarray(mask), xp.asarray(1, dtype=a.dtype)) or a)
    agree(lambda xp: xp.asarray(x)[xp.asarray(filled((5,), "bool", seed))] if x.ndim == 1 else 0, (IndexError,))
    if x.ndim and x.size:
        i = np.random.default_rng(seed).integers(-x.shape[0], x.shape[0], 4)
        agree(lambda xp: xp.take(xp.asarray(x), xp.asarray(i), axis=0))
        agree(lambda xp: xp.take(xp.asarray(x), xp.asarray(i + 9), axis=0), (IndexError,))
        agree(lambda xp: xp.asarray(x)[(xp.asarray(i), *[0] * (x.ndim - 1))])


ONE_ARGUMENT = """
    abs acos acosh asin asinh atan atanh bitwise_invert ceil conj cos cosh exp expm1 floor imag isfinite isinf isnan log log1p
    log10 log2 logical_not negative positive real reciprocal round sign signbit sin sinh sqrt square tan tanh trunc
"""
TWO_ARGUMENTS = """
    add atan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor copysign divide equal floor_divide
    greater greater_equal hypot less less_equal logaddexp logical_and logical_or logical_xor maximum minimum multiply
    nextafter not_equal pow remainder subtract
"""
UNARY, BINARY = ONE_ARGUMENT.split(), TWO_ARGUMENTS.split()


@pytest.mark.parametrize("name", UNARY + BINARY)
def test_elementwise_on_every_pair_of_dtypes_and_of_python_numbers(name):
    x, y = np.array([1, 0, 1, 1]), np.array([1, 1, 0, 1])
    function = operator.methodcaller
    for a in DTYPES:
        if name in UNARY:
            agree(lambda xp, a=a: getattr(xp, name)(xp.asarray(x.astype(a))))
            continue
        for b in DTYPES:
            agree(lambda xp, a=a, b=b: function(name, xp.asarray(x.astype(a)), xp.asarray(y.astype(b)))(xp))
        for s in (True, 1, 2.0, 1j):
            agree(lambda xp, a=a, s=s: function(name, xp.asarray(x.astype(a)), s)(xp))
            agree(lambda xp, a=a, s=s: function(name, s, xp.asarray(x.astype(a)))(xp))


@pytest.mark.parametrize("name", [n for n in UNARY + BINARY if "bit" not in n or n == "signbit"])
@pytest.mark.parametrize("dtype", FLOATS)
def test_special_cases(name, dtype):
    """Zeros of both signs, infinities, NaN: bit by bit what the reference gives, also where derivatives are recorded."""
    values = np.array(SPECIAL, np.dtype(dtype).type(0).real.dtype)
    if np.dtype(dtype).kind == "c":
        values = np.array([complex(a, b) for a in values[:10] for b in values[:10]], dtype)
        values = values if name in UNARY else values[::7]
    args = (values,) if name in UNARY else tuple(a.ravel() for a in np.meshgrid(values, values))
    expected = answer(lambda xp: getattr(xp, name)(*map(xp.asarray, args)), strict)
    if isinstance(expected, Exception):
        return
    with np.errstate(all="ignore"):
        found = np.asarray(getattr(cnp, name)(*(cr.tensor(a, requires_grad=True) for a in args)).detach())
    expected = np.asarray(expected)
    assert found.dtype == expected.dtype
    for part in (np.real, np.imag):
        f, e = part(found), part(expected)
        np.testing.assert_allclose(f, e, rtol=1e-6)
        if e.dtype.kind == "f":
            assert np.array_equal(np.signbit(f) | np.isnan(e), np.signbit(e) | np.isnan(e))


@few
@given(
    st.integers(-5, 5),
    st.integers(-5, 5),
    st.integers(-5, 5),
    st.booleans(),
    asked,
    st.sampled_from([True, 3, 2.5, 1j, -1, np.nan]),
)
def test_making_arrays(a, b, c, half, dtype, value):
    def options(xp):
        return {"dtype": getattr(xp, dtype)} if dtype else {}

    scale = 0.5 if half else 1
    agree(lambda xp: xp.arange(a * scale, b * scale, (c or 1) * scale, **options(xp)))
    agree(lambda xp: xp.arange(b, **options(xp)))
    agree(lambda xp: xp.linspace(a, b * scale, abs(c), endpoint=half, **options(xp)))
    agree(lambda xp: xp.eye(abs(a), abs(b), k=c, **options(xp)))
    agree(lambda xp: xp.full((abs(a), 2), value, **options(xp)))
    agree(lambda xp: xp.asarray([[value], [a]], **options(xp)))
    for name in ("zeros", "ones"):
        agree(lambda xp, name=name: getattr(xp, name)((abs(a), abs(b)), **options(xp)))
        agree(lambda xp, name=name: getattr(xp, name)(abs(a), **options(xp)))
    for indexing in ("xy", "ij", "other"):
        agree(lambda xp, indexing=indexing: xp.meshgrid(xp.arange(abs(a)), xp.arange(abs(b)), indexing=indexing), (ValueError,))


@some
@given(st.sampled_from(FLOATS), SIDES, SIDES, STACKS, st.booleans(), AXIS, ORDERS)
def test_linear_algebra(dtype, m, n, stack, flag, axis, order):
    x, s = filled((*stack, m, n), dtype, 1), filled((*stack, n, n), dtype, 2)
    p = np.asarray(s @ np.conj(np.swapaxes(s, -1, -2)) + 3 * np.eye(n), dtype)
    for name in ("det", "inv", "eigvalsh", "slogdet"):
        agree(lambda xp, name=name: getattr(xp.linalg, name)(xp.asarray(p)))
    agree(lambda xp: xp.linalg.cholesky(xp.asarray(p), upper=flag))
    agree(lambda xp: xp.linalg.solve(xp.asarray(p), xp.asarray(filled((*stack, n, 2), dtype, 3))))
    agree(lambda xp: [xp.linalg.svd(xp.asarray(x), full_matrices=flag).S, xp.linalg.svdvals(xp.asarray(x))])
    agree(lambda xp: [a.shape for a in xp.linalg.qr(xp.asarray(x), mode="complete" if flag else "reduced")])
    agree(lambda xp: xp.linalg.pinv(xp.asarray(x)))
    agree(lambda xp: xp.linalg.matrix_rank(xp.asarray(x), rtol=0.3))
    agree(lambda xp: xp.linalg.trace(xp.asarray(x), offset=m - 1))
    agree(lambda xp: xp.linalg.vector_norm(xp.asarray(x), axis=axis, keepdims=flag, ord=order))
    if order not in (0, 3, 0.5):
        agree(lambda xp: xp.linalg.matrix_norm(xp.asarray(x), keepdims=flag, ord=order))
    agree(lambda xp: xp.matmul(xp.asarray(x), xp.asarray(s)))
    agree(lambda xp: xp.vecdot(xp.asarray(x), xp.asarray(x), axis=-1 if flag else -2))


@few
@given(st.sampled_from(FLOATS), LINES, st.sampled_from([None, 1, 3, 5]), st.sampled_from([-1, 0, 1]), NORMS)
def test_fourier_transforms(dtype, shape, n, axis, norm):
    x = filled(shape, dtype)
    for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"):
        agree(lambda xp, name=name: getattr(xp.fft, name)(xp.asarray(x), n=n, axis=axis, norm=norm), (ValueError, IndexError))
    for name in ("fftn", "ifftn", "rfftn", "irfftn"):
        agree(
            lambda xp, name=name: getattr(xp.fft, name)(xp.asarray(x), s=None if n is None else (n,), axes=(axis,), norm=norm)
        )
    for axes in (None, axis, (0, 0)):
        agree(lambda xp, axes=axes: xp.fft.fftshift(xp.asarray(x), axes=axes), (IndexError,))
        agree(lambda xp, axes=axes: xp.fft.ifftshift(xp.asarray(x), axes=axes), (IndexError,))


def test_questions_about_dtypes():
    kinds = (
        "bool",
        "signed integer",
        "unsigned integer",
        "integral",
        "real floating",
        "complex floating",
        "numeric",
        ("bool", "integral"),
    )
    for a, kind in itertools.product(DTYPES, kinds):
        agree(lambda xp, a=a, kind=kind: xp.isdtype(getattr(xp, a), kind))
    for a, b in itertools.product(DTYPES, DTYPES):
        agree(
            lambda xp, a=a, b=b: (
                xp.result_type(xp.zeros(1, dtype=getattr(xp, a)), getattr(xp, b)) == getattr(xp, str(np.result_type(a, b)))
            )
        )
        if np.dtype(a).kind == np.dtype(b).kind:
            agree(lambda xp, a=a, b=b: xp.can_cast(getattr(xp, a), getattr(xp, b)))
    for a in DTYPES:
        for name in ("bits", "eps", "max", "min", "smallest_normal"):
            agree(lambda xp, a=a, name=name: getattr(xp.finfo(getattr(xp, a)), name), (TypeError, ValueError))
        for name in ("bits", "max", "min"):
            agree(lambda xp, a=a, name=name: getattr(xp.iinfo(getattr(xp, a)), name), (TypeError, ValueError))


def test_what_the_namespace_says_of_itself():
    info, x = cnp.__array_namespace_info__(), cnp.asarray([1.0])
    assert x.device in info.devices() and info.default_device() == x.device
    assert info.default_dtypes()["real floating"] == cnp.asarray(1.0).dtype == cnp.ones(1).dtype
    assert (
        info.default_dtypes()["integral"] == cnp.asarray(1).dtype and info.default_dtypes()["indexing"] == cnp.argmax(x).dtype
    )
    assert set(info.dtypes(kind="real floating")) >= {"float32", "float64"}
    assert all(getattr(cnp, name) == dtype for name, dtype in info.dtypes().items())
    assert info.capabilities()["boolean indexing"] and info.capabilities()["data-dependent shapes"]
