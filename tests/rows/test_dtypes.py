"""Values and result dtypes over all element types, and with NaN and infinities among the data, as NumPy has them."""

import numpy as np
import pytest
from row_tools import active, close, same_kind, with_args
from samples import HOLOMORPHIC, SAMPLES

import chainrule as cr
from chainrule.core.primitive import ROWS

DTYPES = [np.bool_, np.uint8, np.int8, np.int32, np.uint64, np.float16, np.float32, np.complex64]
ONE = [
    "sum",
    "mean",
    "prod",
    "max",
    "min",
    "cumsum",
    "cumprod",
    "var",
    "std",
    "ptp",
    "average",
    "median",
    "sort",
    "argsort",
    "argmax",
    "argmin",
    "trapezoid",
    "all",
    "any",
    "count_nonzero",
    "absolute",
    "exp",
    "sqrt",
    "square",
    "sign",
    "floor",
    "rint",
    "conj",
    "real",
    "negative",
    "reciprocal",
    "sin",
    "log1p",
    "isnan",
    "isfinite",
    "ravel",
    "flip",
    "roll",
    "tril",
    "transpose",
    "nansum",
    "nanmean",
    "trunc",
    "signbit",
    "positive",
    "diff",
    "cbrt",
    "tanh",
    "nan_to_num",
    "round",
    "sinc",
]
TWO = [
    "add",
    "subtract",
    "multiply",
    "divide",
    "floor_divide",
    "remainder",
    "power",
    "maximum",
    "minimum",
    "fmax",
    "hypot",
    "arctan2",
    "logaddexp",
    "equal",
    "less",
    "where",
    "dot",
    "matmul",
    "inner",
    "outer",
    "vdot",
    "tensordot",
    "kron",
    "concatenate",
    "stack",
    "append",
    "copysign",
    "fmod",
    "float_power",
    "heaviside",
]


def numbers(dtype, seed=3):
    x = np.random.default_rng(seed).integers(1, 5, (3, 3))
    return (x + 1j * x.T).astype(dtype) if np.dtype(dtype).kind == "c" else x.astype(dtype)


def compare(ours, theirs, *args, **kwargs):
    """Ours gives what NumPy gives, where NumPy takes the arguments at all."""
    with np.errstate(all="ignore"):
        try:
            expected = theirs(*args, **kwargs)
        except TypeError:
            return
        found = ours(*args, **kwargs)
    same_kind(found, expected)
    loose = np.asarray(expected).dtype in (np.float16, np.float32, np.complex64)
    close(found, expected, 2e-3 if np.asarray(expected).dtype == np.float16 else 1e-5 if loose else 1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ONE)
def test_functions_of_one_array(name, dtype):
    x = numbers(dtype)
    compare(getattr(cr, name), getattr(np, name), x)
    if name in ("sum", "mean", "prod", "max", "min", "cumsum", "cumprod", "var", "std", "median", "average"):
        compare(getattr(cr, name), getattr(np, name), x, axis=1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", TWO)
def test_functions_of_two_arrays(name, dtype):
    x, y = numbers(dtype), numbers(dtype, 4)
    ours, theirs = getattr(cr, name), getattr(np, name)
    if name == "where":
        compare(ours, theirs, x > 2, x, y)
        compare(ours, theirs, x > 2, x, 1)
    elif name in ("concatenate", "stack"):
        for other in (y, np.ones((3, 3)), np.ones((3, 3), np.int64)):
            compare(ours, theirs, [x, other])
    else:
        for other in (y, np.ones((3, 3)), np.ones((3, 3), np.int64), np.ones((3, 3), np.float32)):
            compare(ours, theirs, x, other)
            compare(ours, theirs, other, x)


NAN = np.array([[1.0, np.nan, 3.0], [2.0, -1.0, np.inf], [0.0, -np.inf, 4.0]])
WITH_NAN = [
    "max",
    "min",
    "amax",
    "amin",
    "ptp",
    "sort",
    "argsort",
    "argmax",
    "argmin",
    "median",
    "sum",
    "prod",
    "mean",
    "cumsum",
    "cumprod",
    "sign",
    "round",
    "isnan",
    "nansum",
    "nan_to_num",
    "absolute",
    "clip",
    "any",
    "all",
    "count_nonzero",
    "square",
    "exp",
    "maximum",
    "minimum",
    "fmax",
    "fmin",
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", WITH_NAN)
def test_nan_and_infinity_go_where_numpy_puts_them(name):
    rest = {"clip": (-1.0, 2.0), "maximum": (1.0,), "minimum": (1.0,), "fmax": (1.0,), "fmin": (1.0,)}.get(name, ())
    compare(getattr(cr, name), getattr(np, name), NAN, *rest)
    if name in ("max", "min", "sort", "argmax", "argmin", "sum", "median", "mean", "nansum"):
        for axis in (0, 1):
            compare(getattr(cr, name), getattr(np, name), NAN, axis=axis)


def _is_lapack(name):
    return name == "roots" or ROWS[name].evaluate.__module__.startswith("chainrule.ops.linalg")


NARROW = [
    pytest.param(name, s, dtype, id=f"{name}-{k}-{np.dtype(dtype).name}")
    for name, many in SAMPLES.items()
    for k, s in enumerate(many)
    for dtype in (np.float16, np.complex64)
    if np.dtype(dtype).kind == "f" or name in HOLOMORPHIC
    if any(isinstance(a, np.ndarray) and a.dtype == np.float64 for a in s.args)
    if not (dtype is np.float16 and _is_lapack(name))  # TypeError, as in NumPy
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name, sample, dtype", NARROW)
def test_derivatives_keep_narrow_dtypes(name, sample, dtype):
    args = [a.astype(dtype) if isinstance(a, np.ndarray) and a.dtype == np.float64 else a for a in sample.args]
    positions = active(args)
    xs = tuple(args[i] for i in positions)

    def f(*xs):
        return ROWS[name].call(*with_args(args, positions, xs), **sample.params)

    out = f(*xs)
    if isinstance(out, tuple) or out.dtype.kind not in "fc":
        return
    g = np.ones(out.shape, out.dtype)
    same_kind(cr.jvp(f, xs, xs)[1], g)

    def gradient(*xs):
        return cr.vjp(f, *xs)[1](g)

    for parts in (gradient(*xs), cr.jvp(gradient, xs, xs)[1], cr.vjp(gradient, *xs)[1](xs)):
        for part, x in zip(parts, xs, strict=True):
            same_kind(part, x)
