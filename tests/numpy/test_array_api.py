"""The Array API standard 2024.12: every function in the standard's own words, against NumPy and the strict reference."""

import importlib.util
import inspect
import math
import operator

import numpy as np
import pytest

import chainrule as cr
import chainrule.numpy as cnp

STRICT = importlib.import_module("array_api_strict") if importlib.util.find_spec("array_api_strict") else None
rng = np.random.default_rng(8)
DATA = {
    "x": rng.normal(size=(2, 3)),
    "y": rng.uniform(0.5, 2, (2, 3)),
    "u": rng.uniform(0.1, 0.9, (2, 3)),
    "v": rng.normal(size=4),
    "s": np.sort(rng.normal(size=5)),
    "m": rng.normal(size=(3, 3)),
    "p": np.eye(3) * 4 + np.ones((3, 3)),
    "t": rng.normal(size=(2, 3, 4)),
    "f": rng.normal(size=(2, 3)).astype(np.float32),
    "i": rng.integers(1, 9, (2, 3)),
    "j": rng.integers(0, 4, (2, 3)),
    "k": np.array([2, 0, 1]),
    "n": np.array([[3, -7, 2], [5, 0, -1]], np.int8),
    "w": np.array([250, 3, 0], np.uint8),
    "b": np.array([[True, False, True], [False, False, True]]),
    "z": rng.normal(size=(2, 3)) + 1j * rng.normal(size=(2, 3)),
    "r": np.array([3.0, 1.0, 3.0, 2.0]),
}
UNARY = {
    "abs": "xnfzi", "acos": "ufz", "acosh": "yz", "asin": "uz", "asinh": "xfz", "atan": "xfz", "atanh": "uz",
    "bitwise_invert": "ibnw",
    "ceil": "xfi", "conj": "zxf", "cos": "xfz", "cosh": "xz", "exp": "xfz", "expm1": "xfz", "floor": "xfi", "imag": "z",
    "isfinite": "xzi",
    "isinf": "xzi", "isnan": "xzi", "log": "yfz", "log1p": "yz", "log10": "yz", "log2": "yz", "logical_not": "b",
    "negative": "xinz",
    "positive": "xinz", "real": "zx", "reciprocal": "yfz", "round": "xfzi", "sign": "xfizn", "signbit": "xf", "sin": "xfz",
    "sinh": "xz",
    "sqrt": "yfz", "square": "xizf", "tan": "xz", "tanh": "xfz", "trunc": "xfi",
}  # fmt: skip
BINARY = {
    "add": "xy ff ii nn zz ww", "atan2": "xy ff", "bitwise_and": "ij bb", "bitwise_left_shift": "ij", "bitwise_or": "ij bb",
    "bitwise_right_shift": "ij", "bitwise_xor": "ij bb", "copysign": "xy ff", "divide": "xy ff zz", "equal": "xy ij bb zz",
    "floor_divide": "xy ji nn", "greater": "xy ij", "greater_equal": "xy ij", "hypot": "xy ff", "less": "xy ij",
    "less_equal": "xy ij",
    "logaddexp": "xy ff", "logical_and": "bb", "logical_or": "bb", "logical_xor": "bb", "maximum": "xy ij ff",
    "minimum": "xy ij",
    "multiply": "xy ff ij zz ww", "nextafter": "xy ff", "not_equal": "xy ij zz", "pow": "yx ij ff zz", "remainder": "xy ji ff",
    "subtract": "xy ij zz ww",
}  # fmt: skip
CALLS = [
    *(f"xp.{f}({a})" for f, many in UNARY.items() for a in many),
    *(f"xp.{f}({a}, {b})" for f, many in BINARY.items() for a, b in many.split() if len((a, b)) == 2),
    # making arrays
    "xp.asarray([1.0, 2.0], dtype=xp.float32, device=x.device, copy=True)", "xp.asarray(x, copy=False)", "xp.asarray(True)",
    "xp.arange(3)", "xp.arange(1, 5, 2, dtype=xp.float64, device=None)", "xp.arange(1, stop=4, step=2)", "xp.arange(5.0)",
    "xp.empty((2,), dtype=xp.int8).shape", "xp.empty(shape=3).dtype", "xp.empty_like(f, dtype=xp.int64, device=None).shape",
    "xp.eye(3)", "xp.eye(2, 3, k=1, dtype=xp.float32, device=None)", "xp.from_dlpack(x)",
    "xp.from_dlpack(x, device=None, copy=True)",
    "xp.full((2, 3), 7)", "xp.full(shape=(2,), fill_value=1.5, dtype=xp.float32, device=None)", "xp.full(3, True)",
    "xp.full((), 1j)",
    "xp.full_like(x, 3)", "xp.full_like(i, fill_value=2.0, dtype=xp.float32, device=None)",
    "xp.linspace(0.0, 1.0, 5)", "xp.linspace(0, 2, num=4, dtype=xp.float32, device=None, endpoint=False)",
    "xp.linspace(0.0, 1.0, 1)",
    "xp.meshgrid(v, k, indexing='ij')", "xp.meshgrid(v, k)", "xp.ones(3)", "xp.ones(shape=(2, 1), dtype=xp.int64, device=None)",
    "xp.ones_like(f)", "xp.ones_like(x, dtype=xp.bool, device=None)", "xp.tril(m)", "xp.tril(t, k=-1)", "xp.triu(m, k=1)",
    "xp.triu(i)",
    "xp.zeros((2, 3))", "xp.zeros(shape=4, dtype=xp.complex64, device=None)", "xp.zeros_like(z)",
    "xp.zeros_like(x, dtype=xp.uint8)",
    # dtypes
    "xp.astype(x, xp.float32)", "xp.astype(i, xp.float64, copy=False)", "xp.astype(b, xp.int64, copy=True, device=None)",
    "xp.broadcast_arrays(x, k)[1]", "xp.broadcast_to(k, (2, 3))", "xp.broadcast_to(k, shape=(2, 3))",
    "xp.can_cast(xp.int8, xp.int16)",
    "xp.can_cast(f, xp.float64)", "xp.finfo(xp.float32).eps", "xp.finfo(x).max", "xp.iinfo(xp.int8).max", "xp.iinfo(i).min",
    "xp.isdtype(xp.float32, 'real floating')", "xp.isdtype(x.dtype, ('integral', xp.float64))", "xp.result_type(x, f, xp.int8)",
    "xp.result_type(f, 1.0)", "xp.broadcast_shapes((2, 1), (3,))",
    # elementwise with scalars and options
    "xp.clip(x, -0.5, 0.5)", "xp.clip(x, min=0.0)", "xp.clip(i, max=4)", "xp.clip(x, u, y)", "xp.clip(f, min=None, max=0.25)",
    "xp.add(x, 1)", "xp.multiply(f, 2.5)", "xp.subtract(1, i)", "xp.pow(2.0, x)", "xp.maximum(x, 0.0)",
    # indexing, products
    "xp.take(v, k)", "xp.take(x, k, axis=1)", "xp.take_along_axis(x, j[:, :2] % 3, axis=1)", "xp.take_along_axis(x, i * 0)",
    "xp.matmul(x, m)", "xp.tensordot(x, y, axes=2)", "xp.tensordot(x, m, axes=1)", "xp.tensordot(x, t, axes=((0, 1), (0, 1)))",
    "xp.matrix_transpose(t)", "xp.vecdot(x, y)", "xp.vecdot(z, z, axis=0)",
    # shapes
    "xp.concat([x, y])", "xp.concat((x, f), axis=1)", "xp.concat([x, y], axis=None)",
    "xp.expand_dims(x)" , "xp.expand_dims(x, axis=-1)",
    "xp.flip(t)", "xp.flip(t, axis=1)", "xp.flip(t, axis=(0, 2))", "xp.moveaxis(t, 0, -1)", "xp.moveaxis(t, (0, 1), (1, 2))",
    "xp.permute_dims(t, (2, 0, 1))", "xp.permute_dims(t, axes=(1, 0, 2))", "xp.repeat(x, 2)", "xp.repeat(x, 2, axis=1)",
    "xp.repeat(x, k, axis=1)", "xp.reshape(x, (3, 2))", "xp.reshape(x, shape=(-1,), copy=True)", "xp.roll(t, 1)",
    "xp.roll(t, shift=(1, -2), axis=(0, 2))", "xp.squeeze(x[None, :, :], axis=0)", "xp.stack([x, y])",
    "xp.stack((x, y), axis=-1)",
    "xp.tile(k, (2, 2))", "xp.unstack(x)[1]", "xp.unstack(t, axis=-1)[2]",
    # searching, sorting, sets
    "xp.argmax(x)", "xp.argmax(x, axis=1, keepdims=True)", "xp.argmin(x, axis=0)", "xp.nonzero(j)[1]", "xp.count_nonzero(j)",
    "xp.count_nonzero(j, axis=1, keepdims=True)", "xp.searchsorted(s, v)", "xp.searchsorted(s, v, side='right')",
    "xp.searchsorted(r, v, sorter=xp.argsort(r))", "xp.where(b, x, y)", "xp.where(b, x, 0.0)", "xp.where(b, 1.0, f)",
    "xp.unique_all(r).indices", "xp.unique_all(r).inverse_indices", "xp.unique_counts(r).counts", "xp.unique_inverse(r).values",
    "xp.sort(xp.unique_values(r))", "xp.isin(j, k)", "xp.isin(r, s, invert=True)", "xp.argsort(v)",
    "xp.argsort(r, descending=True)",
    "xp.argsort(x, axis=0, descending=False, stable=True)", "xp.sort(v)", "xp.sort(x, axis=0, descending=True, stable=False)",
    # statistics
    "xp.cumulative_sum(v)", "xp.cumulative_sum(x, axis=1, dtype=xp.float32, include_initial=True)",
    "xp.cumulative_prod(x, axis=0)",
    "xp.max(x)", "xp.max(x, axis=(0, 1), keepdims=True)", "xp.mean(x)", "xp.mean(f, axis=0, keepdims=True)",
    "xp.min(i, axis=1)",
    "xp.prod(i)", "xp.prod(f, axis=1, dtype=xp.float64, keepdims=True)", "xp.prod(n)", "xp.std(x, correction=1.0)",
    "xp.std(f, axis=0, correction=0, keepdims=True)", "xp.sum(n)", "xp.sum(w)", "xp.sum(b)",
    "xp.sum(f, axis=1, dtype=xp.float64)",
    "xp.sum(z, axis=(0, 1), keepdims=True)", "xp.var(x, axis=1, correction=1.0, keepdims=True)", "xp.var(f)", "xp.all(b)",
    "xp.all(x, axis=1)", "xp.any(b, axis=0, keepdims=True)", "xp.diff(v)", "xp.diff(x, axis=0)",
    "xp.diff(v, n=2, prepend=v[:1], append=s[:2])",
    # extensions
    "xp.linalg.cholesky(p)", "xp.linalg.cholesky(p, upper=True)", "xp.linalg.cross(x, y)", "xp.linalg.cross(m, p, axis=0)",
    "xp.linalg.det(t[:, :, :3])", "xp.linalg.diagonal(t, offset=1)", "xp.linalg.eigh(p).eigenvalues", "xp.linalg.eigvalsh(p)",
    "xp.linalg.inv(p)", "xp.linalg.matmul(x, m)", "xp.linalg.matrix_norm(t)", "xp.linalg.matrix_norm(t, keepdims=True, ord=1)",
    "xp.linalg.matrix_norm(m, ord='nuc')", "xp.linalg.matrix_power(m, 3)", "xp.linalg.matrix_rank(p)",
    "xp.linalg.matrix_rank(t, rtol=0.5)",
    "xp.linalg.matrix_transpose(t)", "xp.linalg.outer(v, k)", "xp.linalg.pinv(x)", "xp.linalg.pinv(x, rtol=0.1)",
    "xp.abs(xp.linalg.qr(m).R)", "xp.abs(xp.linalg.qr(x, mode='complete').Q)", "xp.linalg.slogdet(m).logabsdet",
    "xp.linalg.slogdet(m).sign",
    "xp.linalg.solve(m, v[:3])", "xp.linalg.solve(p, m)", "xp.linalg.svd(x, full_matrices=False).S",
    "xp.linalg.svd(x).Vh.shape",
    "xp.linalg.svdvals(t)", "xp.linalg.tensordot(x, m, axes=1)", "xp.linalg.trace(t)",
    "xp.linalg.trace(m, offset=1, dtype=xp.float32)",
    "xp.linalg.vecdot(z, z)", "xp.linalg.vector_norm(t)", "xp.linalg.vector_norm(t, axis=(0, 1), keepdims=True, ord=3)",
    "xp.linalg.vector_norm(x, axis=1, ord=float('inf'))", "xp.linalg.vector_norm(z, ord=1)",
    *(f"xp.fft.{f}(x, n=4, axis=0, norm='ortho')" for f in ("fft", "ifft", "rfft", "ihfft")),
    *(f"xp.fft.{f}(z, n=4, axis=-1, norm='forward')" for f in ("irfft", "hfft")),
    *(f"xp.fft.{f}(z, s=(2, 4), axes=(0, 1), norm='backward')" for f in ("fftn", "ifftn", "irfftn")),
    "xp.fft.rfftn(x, s=(2, 4), axes=(0, 1), norm='ortho')", "xp.fft.fftfreq(5, d=0.5, device=None)",
    "xp.fft.rfftfreq(4, d=2.0)",
    "xp.fft.fftshift(x, axes=1)", "xp.fft.ifftshift(t, axes=(0, 2))", "xp.fft.fftshift(v)",
    # constants, the array object
    "xp.e", "xp.pi", "xp.inf", "xp.newaxis is None", "xp.__array_api_version__ >= '2024.12'",
    "x.dtype == xp.float64", "x.ndim", "x.shape == (2, 3)", "x.size", "x.T", "t.mT", "x.device == xp.asarray(1).device",
    "x.to_device(x.device)", "x.__dlpack_device__()[0]", "x[0, ...]", "x[:, None, 1:]", "x[b]", "x[-1, ::-1]", "t[..., 0, 1]",
    "x.__array_namespace__() is not None", "x.__array_namespace__(api_version='2023.12') is not None",
    "+x", "-i", "~i", "~b", "abs(z)", "x @ m", "bool(xp.asarray(2.0))", "int(xp.asarray(3))", "float(xp.asarray(2.5))",
    "complex(xp.asarray(1j))",
    "operator.index(xp.asarray(4))", "[1, 2, 3][xp.asarray(1)]",
    *(f"x {op} y" for op in ("+", "-", "*", "/", "//", "%", "<", "<=", ">", ">=", "==", "!=")), "y ** x", "2.0 ** x", "x ** 2",
    *(f"i {op} j" for op in ("&", "|", "^", "<<", ">>", "//", "%", "**")), *(f"b {op} b" for op in ("&", "|", "^")),
    *(f"3 {op} i" for op in ("+", "-", "*", "/", "//", "%", "**", "&", "|", "^", "<<", ">>")), "1.5 - f", "f * 2", "1 / f",
]  # fmt: skip
IN_PLACE = ["+=", "-=", "*=", "/=", "**="]
IN_PLACE_WHOLE = ["//=", "%=", "&=", "|=", "^=", "<<=", ">>=", "+=", "-=", "*=", "**="]
# The reference leaves these to libraries, or is stricter than the standard.
NOT_STRICT = (
    "copy=False",
    "xp.from_dlpack(x, device=None",
    "x.device ==",
    "to_device",
    "__dlpack_device__",
    "[1, 2, 3]",
    "xp.expand_dims(x)",
)


def run(call, xp, make):
    with np.errstate(all="ignore"):
        return eval(call, {"xp": xp, "operator": operator, "math": math, **{k: make(a) for k, a in DATA.items()}})


def compare(found, expected):
    if isinstance(expected, (tuple, list)) and not isinstance(expected, str) and any(hasattr(e, "dtype") for e in expected):
        assert len(found) == len(expected)
        for f, e in zip(found, expected, strict=True):
            compare(f, e)
        return
    if not isinstance(expected, (np.ndarray, np.generic)) or isinstance(expected, np.dtype):
        assert found == expected
        return
    e, f = np.asarray(expected), np.asarray(found)
    assert (f.shape, f.dtype) == (e.shape, e.dtype)
    np.testing.assert_allclose(f, e, rtol=1e-5 if e.dtype in (np.float32, np.complex64) else 1e-11, atol=1e-12)


@pytest.mark.parametrize("call", CALLS)
def test_the_standard_in_its_own_words(call):
    found = run(call, cnp, cr.tensor)
    if call == "xp.expand_dims(x)":  # the standard's default for `axis`, which NumPy lacks
        call = "xp.expand_dims(x, axis=0)"
    if call == "xp.concat([x, y], axis=None)":
        assert found.shape == (12,)
    if "descending" in call or "info(x)" in call or "info(i)" in call:
        return  # NumPy does not know these; the reference below does
    compare(found, run(call, np, np.array))


@pytest.mark.skipif(STRICT is None, reason="array_api_strict is not installed")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("call", [c for c in CALLS if not any(n in c for n in NOT_STRICT)])
def test_as_the_strict_reference(call):
    def make(a):
        return STRICT.asarray(a)

    try:
        expected = run(call, STRICT, make)
    except (TypeError, ValueError, RuntimeError):
        return  # mixed kinds, which the standard leaves open
    found = run(call, cnp, cr.tensor)
    if isinstance(expected, STRICT._array_object.Array):
        compare(found, np.asarray(expected))
    elif isinstance(expected, (bool, int, float, complex)):
        assert found == expected


def test_every_function_of_the_standard_is_called():
    text = "\n".join(CALLS)
    if STRICT is None:
        pytest.skip("array_api_strict is not installed")
    for module, prefix in ((STRICT, "xp."), (STRICT.linalg, "xp.linalg."), (STRICT.fft, "xp.fft.")):
        for name, thing in vars(module).items():
            function = name in module.__all__ and callable(thing) and not isinstance(thing, type)
            if function and "strict" not in name and name != "__array_namespace_info__":
                assert prefix + name + "(" in text, prefix + name


def parameters_of_the_standard():
    if STRICT is not None:
        for ours, theirs in ((cnp, STRICT), (cnp.linalg, STRICT.linalg), (cnp.fft, STRICT.fft)):
            for name in theirs.__all__:
                function = getattr(theirs, name)
                if callable(function) and not isinstance(function, type) and "strict" not in name:
                    yield getattr(ours, name), name, list(inspect.signature(function).parameters.values())


def test_signatures_are_those_of_the_standard():
    """Same places, same names, same defaults; ours may take more, and may have defaults where the standard has none."""
    for function, name, standard in parameters_of_the_standard():
        own = inspect.signature(function).parameters
        places = [p for p in own.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        several = any(p.kind is p.VAR_POSITIONAL for p in own.values())
        for i, p in enumerate(q for q in standard if q.kind in (q.POSITIONAL_ONLY, q.POSITIONAL_OR_KEYWORD)):
            assert i < len(places) or several, f"{name}: no place for {p.name}"
            assert i >= len(places) or p.kind is p.POSITIONAL_ONLY or places[i].name == p.name, f"{name}: {p.name}"
        for p in standard:
            if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY):
                assert p.name in own and own[p.name].kind is not p.POSITIONAL_ONLY, f"{name}: keyword {p.name}"
                default = own[p.name].default
                assert default == p.default or p.default is p.empty or default is None or p.name == "rtol", f"{name}: {p.name}"
        required = {p.name for p in places if p.default is p.empty}
        assert len(required) <= sum(p.default is p.empty for p in standard if p.kind is not p.VAR_POSITIONAL), name


@pytest.mark.parametrize("op", IN_PLACE)
def test_in_place_operators(op):
    for name, other in (("x", "y"), ("f", "f"), ("y", "2")):
        a, b = ({k: make(v) for k, v in DATA.items()} for make in (cr.tensor, np.array))
        same = a[name]
        with np.errstate(invalid="ignore"):
            exec(f"{name} {op} {other}", a)
            exec(f"{name} {op} {other}", b)
        assert a[name] is same
        compare(a[name], b[name])


@pytest.mark.parametrize("op", IN_PLACE_WHOLE)
def test_in_place_operators_on_whole_numbers(op):
    a, b = ({k: make(v) for k, v in DATA.items()} for make in (cr.tensor, np.array))
    same = a["i"]
    exec(f"i {op} j % 2 + 1", a)
    exec(f"i {op} j % 2 + 1", b)
    assert a["i"] is same
    compare(a["i"], b["i"])


def test_in_place_matrix_product():
    m = same = cr.tensor(DATA["m"])
    m @= cr.tensor(DATA["p"])
    assert m is same
    compare(m, DATA["m"] @ DATA["p"])


def test_information_about_the_namespace():
    info = cnp.__array_namespace_info__()
    assert info.default_device() == "cpu" and list(info.devices()) == ["cpu"]
    assert info.default_dtypes()["real floating"] == np.float64
    assert set(info.dtypes(kind="integral")) >= {"int8", "uint64"}
    assert info.capabilities()["max dimensions"] is not None
    for name in info.dtypes():
        assert np.dtype(getattr(cnp, name)) == info.dtypes()[name]
    with pytest.raises(ValueError, match="2024"):
        cr.tensor(1.0).__array_namespace__(api_version="1999.1")


def test_other_devices_raise():
    for call in (cnp.zeros, cnp.ones, cnp.empty, cnp.arange, cnp.eye, cnp.asarray):
        with pytest.raises(cr.errors.UnsupportedError, match="device"):
            call(3, device="cuda")
    with pytest.raises(cr.errors.UnsupportedError, match="device"):
        cr.tensor(1.0).to_device("gpu")


def test_asarray_copies_as_asked():
    x = cr.tensor([1.0, 2.0])
    assert cnp.asarray(x) is x and cnp.asarray(x, copy=False) is x
    y = cnp.asarray(x, copy=True)
    y[0] = 5.0
    assert x[0] == 1.0
    with pytest.raises(ValueError, match="copy"):
        cnp.asarray(x, dtype=np.float32, copy=False)
    with pytest.raises(ValueError):
        cnp.asarray([1.0, 2.0], copy=False)
    z = cnp.astype(x, x.dtype)
    z[0] = 7.0
    assert x[0] == 1.0
    assert cnp.astype(x, x.dtype, copy=False) is x


SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 5e-324, 1e308, -1e308, 2.0, 3.0, np.pi])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", [n for n, kinds in UNARY.items() if "x" in kinds or "y" in kinds or "u" in kinds])
def test_special_values(name, dtype):
    """Signs of zeros included."""
    with np.errstate(all="ignore"):
        x = SPECIAL.astype(dtype)
        expected = np.asarray(getattr(np, name)(x))
        found = np.asarray(getattr(cnp, name)(cr.tensor(x)))
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    if expected.dtype.kind == "f":
        np.testing.assert_array_equal(np.signbit(found)[expected == 0], np.signbit(expected)[expected == 0])


@pytest.mark.parametrize("name", [n for n, kinds in BINARY.items() if "x" in kinds or "y" in kinds])
def test_special_values_of_two(name):
    with np.errstate(all="ignore"):
        x, y = SPECIAL[:, None], SPECIAL
        expected = getattr(np, name)(x, y)
        found = np.asarray(getattr(cnp, name)(cr.tensor(x), cr.tensor(y)))
    np.testing.assert_array_equal(found, expected)
    if expected.dtype.kind == "f":
        np.testing.assert_array_equal(np.signbit(found)[expected == 0], np.signbit(expected)[expected == 0])


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "tanh", "cosh", "expm1", "log1p", "abs", "square", "atan"])
def test_special_complex_values(name):
    parts = SPECIAL[:9]
    z = (parts[:, None] + 0j) + 0.0
    z = np.empty((9, 9), complex)
    z.real, z.imag = parts[:, None], parts
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(np.asarray(getattr(cnp, name)(cr.tensor(z))), getattr(np, name)(z))


def test_dlpack_both_ways():
    x = cr.tensor([[1.0, 2.0], [3.0, 4.0]])
    for back in (np.from_dlpack(x), np.from_dlpack(cr.broadcast_to(cr.tensor(np.ones(1)), (2000, 2)))):
        assert back.flags.c_contiguous or back.size
    np.testing.assert_array_equal(np.from_dlpack(x), [[1, 2], [3, 4]])
    np.testing.assert_array_equal(np.asarray(cr.from_dlpack(np.arange(3))), [0, 1, 2])
    np.testing.assert_array_equal(np.asarray(cr.from_dlpack(x)), [[1, 2], [3, 4]])
    traced = cr.tensor([1.0], requires_grad=True)
    with pytest.raises(cr.errors.LostDerivativeError):
        np.from_dlpack(traced)
    with pytest.raises(cr.errors.LostDerivativeError):
        cr.from_dlpack(traced * 2)


def test_dlpack_with_torch():
    torch = pytest.importorskip("torch")
    t = torch.arange(3.0, dtype=torch.float64)
    np.testing.assert_array_equal(np.asarray(cr.from_dlpack(t)), t.numpy())
    np.testing.assert_array_equal(torch.from_dlpack(cr.tensor([1.0, 2.0])).numpy(), [1.0, 2.0])


def test_programs_that_ask_for_the_namespace():
    """array-api-extra and the like find chainrule.numpy through the arrays, and derivatives flow."""

    def standardize(x):
        xp = x.__array_namespace__()
        centred = x - xp.mean(x, axis=0, keepdims=True)
        return xp.sum(xp.abs(centred / xp.std(x, axis=0, keepdims=True, correction=1)) ** 3)

    x = rng.normal(size=(5, 2))
    h = 1e-6 * rng.normal(size=x.shape)
    slope = standardize(x + h) - standardize(x - h)
    np.testing.assert_allclose(np.sum(cr.grad(standardize)(x) * h) * 2, slope, rtol=1e-5)


def test_everything_that_makes_arrays_makes_tensors():
    for made in (
        cnp.fft.fftfreq(4),
        cnp.fft.rfftfreq(4, d=0.5, device="cpu"),
        cnp.arange(3),
        cnp.eye(2),
        cnp.linspace(0, 1, 3),
    ):
        assert isinstance(made, cr.Tensor)


@pytest.mark.parametrize("call", [
    "xp.sum(n, dtype=xp.int8)", "xp.sum(n, axis=0, dtype=xp.uint8, keepdims=True)", "xp.prod(n, dtype=xp.int8)",
    "xp.prod(x, axis=1, dtype=xp.int16)", "xp.cumulative_sum(n, axis=1, dtype=xp.int8)", "xp.vecdot(n, n)", "xp.vecdot(w, w)",
    "xp.cumulative_prod(n, axis=0, dtype=xp.uint8, include_initial=True)", "xp.trace(n[:, :2], dtype=xp.int8)",
    "xp.cumsum(n, axis=1, dtype=xp.int8)", "xp.vecdot(b, b)", "xp.vecdot(m, v[:3], axis=0)",
    "xp.clip(w, -1, 200)", "xp.clip(n, -1000, 3)", "xp.clip(n, None, 1000)",
    "xp.roll(t, (1, 2), axis=0)", "xp.roll(t, (1, 2))", "xp.roll(t, (1,), axis=(0, 2))", "xp.roll(t, 1, axis=())",
])  # fmt: skip
def test_dtypes_and_forms_that_differ_from_the_default(call):
    compare(run(call, cnp, cr.tensor), run(call, np, np.array))


@pytest.mark.parametrize(
    "call", ["xp.vecdot(x, v)", "xp.vecdot(v, v[:1])", "xp.roll(t, (1, 2, 3), axis=(0, 1))", "xp.vecdot(v, 2.0)"]
)
def test_shapes_that_do_not_fit_raise(call):
    for xp, make in ((np, np.array), (cnp, cr.tensor)):
        with pytest.raises(ValueError):
            run(call, xp, make)
