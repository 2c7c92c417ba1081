"""Calls that NumPy refuses are refused with the same exception type: by chainrule's functions, and by NumPy's on Tensors."""

import warnings

import numpy as np
import pytest

import chainrule as cr

A, V = np.arange(6.0).reshape(2, 3), np.arange(3.0)
SINGULAR = np.array([[1.0, 2.0], [2.0, 4.0]])
OBJECTS, TEXT, NANS = np.array([1, "a", None], object), np.array(["a", "b"]), np.full((2, 2), np.nan)
CASES: list = []


def bad(names, *args, **kwargs):
    for name in names.split():
        words = [f"{name}({', '.join(str(getattr(a, 'shape', a)) for a in args)}", *(f"{k}={v}" for k, v in kwargs.items())]
        CASES.append(pytest.param(name, args, kwargs, id=", ".join(words)[:90] + ")"))


for odd in (OBJECTS, TEXT):
    bad("sin exp sqrt absolute floor isnan cumsum sum", odd)
    bad("multiply maximum", odd, odd)
bad("sort", OBJECTS)
bad("add", OBJECTS, OBJECTS)
bad("std mean", TEXT)
bad("sum mean max min prod std var all any argmax argmin cumsum cumprod sort argsort flip median ptp squeeze nansum", A, axis=5)
bad("count_nonzero diff", A, axis=5)
bad("sum mean max cumsum argmax flip", A, axis=-3)
bad("sum mean max cumsum argmax", A, axis=1.5)
bad("sum max mean", A, axis=(0, 0))
bad("sum max mean", A, axis=(0, 3))
bad("sum max mean", A, axis="x")
bad("sort flip", 1.0, 0)
bad("repeat", A, 2, axis=5)
bad("repeat", A, -1)
bad("repeat", A, [1, 2, 3, 4], axis=0)
bad("expand_dims", A, axis=7)
bad("expand_dims", A, axis=(0, 0))
bad("concatenate stack", [A, V])
bad("concatenate stack", [])
bad("concatenate", [A, A], axis=2)
bad("stack", [A, A], axis=4)
bad("vstack hstack", [A, np.ones((1, 2))])
bad("append", A, V, axis=0)
bad("reshape", A, (4, 2))
bad("reshape", A, (-1, -1))
bad("reshape", A, (-1, 4))
bad("transpose", A, (0, 0))
bad("transpose", A, (0,))
bad("transpose", A, (0, 2))
bad("swapaxes moveaxis", A, 0, 3)
bad("moveaxis", A, [0, 1], [0])
bad("rot90", A, axes=(0, 0))
bad("rot90", V)
bad("roll", A, 1, axis=3)
bad("squeeze", A, axis=0)
bad("broadcast_to", A, (2, 2))
bad("resize", V, (-1,))
bad("add maximum power", A, np.ones(2))
bad("where", A > 0, V[:2], A)
bad("split", A, 4)
bad("split", A, 2, axis=5)
bad("hsplit", 1.0, 2)
bad("array_split", A, 0)
bad("matmul dot", A, A)
bad("matmul", 1.0, A)
bad("inner vdot", A, np.ones(2))
bad("tensordot", A, A, axes=([0], [1]))
bad("einsum", "ij,jk->ik", A, A)
bad("einsum", "ij->k", A)
bad("einsum", "ij", V)
bad("cross", np.ones(4), np.ones(4))
bad("take", A, 7)
bad("take", A, [0, 9], axis=1)
bad("take_along_axis", A, np.array([[5]]), axis=1)
bad("compress", [1, 0, 1], A, axis=4)
bad("choose", [7], [V])
bad("insert", V, 9, 1.0)
bad("delete", V, 9)
bad("select", [A > 0], [A, A])
bad("piecewise", V, [V > 0], [1, 2, 3])
bad("trace", V)
bad("diagonal", V)
bad("diag", np.ones((2, 2, 2)))
bad("pad", A, -1)
bad("pad", A, ((1, 1),) * 3)
bad("pad", A, 1, mode="nope")
bad("interp", 0.5, V, np.ones(2))
bad("interp", 0.5, [], [])
bad("searchsorted", A, 1.0)
bad("searchsorted", V, 1.0, side="x")
bad("quantile", V, 1.5)
bad("percentile", V, -1)
bad("partition", V, 7)
bad("argpartition", V, -9)
bad("max min argmax ptp", [])
bad("min", A[:0], axis=0)
bad("diff", 1.0)
bad("diff", V, n=-1)
bad("gradient", np.ones(1))
bad("trapezoid", V, np.ones(4))
bad("linspace", 0, 1, -1)
bad("arange", 0, 1, 0)
bad("zeros eye", -1)
bad("full", (2,), "a", dtype=float)
bad("convolve", A, V)
bad("convolve", V, [])
bad("convolve", V, V, mode="no")
bad("unique", A, axis=3)
bad("digitize", V, [1, 0, 2])
bad("bincount", [-1])
bad("histogram", V, bins=0)
bad("histogram", V, bins=[2, 1])
bad("vander", A)
bad("cov", np.ones((2, 2, 2)))
bad("cov", A, ddof=1.5)
bad("cov", A, fweights=[1.5, 1.0, 1.0])
bad("cov", A, aweights=-V)
bad("average", V, weights=[0.0, 0.0, 0.0])
bad("unravel_index", V, (3,))
bad("ravel_multi_index", (V, V), (3, 3))
bad("meshgrid", A, indexing="zz")
bad("astype", V, "nope")
bad("linalg.inv", SINGULAR)
bad("linalg.solve", SINGULAR, np.ones(2))
bad("linalg.solve", np.eye(2), np.ones(3))
bad("linalg.matrix_power", SINGULAR, -1)
bad("linalg.matrix_power", np.eye(2), 1.5)
bad("linalg.cholesky", -np.eye(2))
bad("linalg.svd linalg.eigvals", NANS)
bad("linalg.det linalg.eig linalg.eigh linalg.eigvalsh linalg.slogdet linalg.tensorinv linalg.cholesky linalg.inv", A)
bad("linalg.svd linalg.qr linalg.pinv linalg.cond linalg.inv", V)
bad("linalg.matrix_power", A, 2)
bad("linalg.lstsq", A, np.ones(5))
bad("linalg.tensorsolve", A, V)
bad("linalg.multi_dot", [A])
bad("linalg.norm", A, ord="zz")
bad("linalg.norm", A, ord=7)
bad("linalg.norm", A, axis=5)
bad("linalg.norm", np.ones((2, 2, 2)), ord=2)
bad("linalg.eigh", np.eye(2), UPLO="X")
bad("linalg.qr", A, mode="x")
bad("linalg.inv linalg.det linalg.cholesky linalg.svd linalg.eigh", np.eye(2, dtype=np.float16))
bad("linalg.inv linalg.det", TEXT)
bad("fft.fft fft.ifft fft.rfft", A, axis=3)
bad("fft.fft fft.ifft fft.rfft", A, n=0)
bad("fft.fft fft.ifft fft.rfft", A, norm="x")
bad("fft.fft fft.rfft", 1.0)
bad("fft.fft2", V)
bad("fft.fftn", A, s=(1, 2, 3))
bad("fft.fftn", A, axes=(0, 5))
bad("fft.rfft", V + 1j)
bad("fft.fft", TEXT)

bad("subtract hypot arctan2 logaddexp copysign fmod heaviside less", A, np.ones((2, 2)))
bad("matmul", A, V[:2])
bad("matmul", V, A.T[:2])
bad("matmul", np.ones((2, 3, 3)), np.ones((4, 3, 3)))
bad("dot", A, np.ones(2))
bad("vecdot", A, np.ones((2, 2)))
bad("tensordot", A, np.ones((2, 2)), axes=1)
bad("einsum", "iij", A)
bad("einsum", "ij->ijj", A)
bad("einsum", "i,j", V)
bad("einsum", "i1", A)
bad("reshape", A, (0,))
bad("reshape", A, (2, 3), order="Z")
bad("ravel", A, order="Q")
bad("transpose", A, (0, 1, 2))
bad("fliplr", V)
bad("flipud", 1.0)
bad("flip median", A, axis=(0, 0))
bad("rot90", A, axes=(0, 5))
bad("roll", A, (1, 2), axis=(0, 1, 1))
bad("squeeze", A, axis=(0, 1))
bad("broadcast_to", A, (3,))
bad("broadcast_to", A, (2, -3))
bad("concatenate", [V, 1.0])
bad("dstack", [A, V])
bad("column_stack vstack", [V, np.ones(2)])
bad("split", A, [1, 2], axis=2)
bad("vsplit", V, 2)
bad("dsplit", A, 2)
bad("take", V, -4)
bad("take_along_axis", A, np.array([0]), axis=1)
bad("take_along_axis", A, np.array([[0.5]]), axis=1)
bad("compress", [True] * 4, V)
bad("insert", A, 5, 1.0, axis=1)
bad("insert", A, 0, np.ones(5), axis=0)
bad("delete", A, 5, axis=1)
bad("clip", A, np.ones(2), None)
bad("searchsorted", V, V, sorter=[0])
bad("searchsorted", V, V, sorter=[0, 1, 9])
bad("quantile", V, 0.5, method="nope")
bad("average", A, weights=np.ones(4))
bad("average", A, axis=1, weights=np.ones(2))
bad("cov", V, np.ones(2))
bad("cov", A, fweights=np.array([1, 1]))
bad("gradient", A, 1.0, 2.0, 3.0)
bad("gradient", A, edge_order=4)
bad("cross", A, np.ones((4, 3)))
bad("trace diagonal", A, axis1=0, axis2=0)
bad("trace diagonal", A, axis1=4)
bad("polyfit", V, np.ones(4), 1)
bad("polyder polyint", V, -1)
bad("round", V, 1.5)
bad("unique", A, axis=-4)
bad("histogram2d", V, V[:2])
bad("mean sum", A, where=np.ones(2, bool))
bad("add sin", A, A, A, A)
bad("add.reduce", A, axis=4)
bad("add.reduceat", V, [5])
bad("linalg.solve", np.ones((3, 3)), np.ones((2, 2)))
bad("linalg.lstsq", V, V)
bad("linalg.multi_dot", [A, A, A])
bad("linalg.matmul linalg.vecdot", A, np.ones((2, 2)))
bad("linalg.matrix_transpose linalg.trace", V)
bad("fft.fftfreq fft.rfftfreq", 1.5)


# NumPy's own words would not help, or speak of NumPy's arrays.
OTHER_WORDS = {"arange", "full", "trapezoid"}


def named(module, name):
    for part in name.split("."):
        module = getattr(module, part)
    return module


def refusal(f):
    """The exception that a call raises."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        with pytest.raises(Exception) as found:
            f()
    return found.value


def says_as_numpy(ours, theirs, name):
    assert isinstance(ours, type(theirs)), f"{type(ours).__name__} instead of {type(theirs).__name__}: {ours}"
    assert str(ours).strip()
    if name not in OTHER_WORDS:
        assert " ".join(str(theirs).split()) in " ".join(str(ours).split()), f"{ours!r} does not say {theirs}"


def as_tensors(args):
    def one(a):
        if isinstance(a, np.ndarray) and a.dtype.kind in "fc":
            return cr.tensor(a, dtype=a.dtype)
        return [one(b) for b in a] if isinstance(a, list) and any(isinstance(b, np.ndarray) for b in a) else a

    return [one(a) for a in args]


@pytest.mark.parametrize("name, args, kwargs", CASES)
def test_our_function_raises_what_numpy_raises(name, args, kwargs):
    theirs = refusal(lambda: named(np, name)(*args, **kwargs))
    ours = refusal(lambda: named(cr.numpy, name)(*args, **kwargs))
    says_as_numpy(ours, theirs, name)


def has_tensors(case):
    _, args, _ = case.values
    return any(a is not b for a, b in zip(args, as_tensors(args), strict=True))


@pytest.mark.parametrize("name, args, kwargs", [c for c in CASES if has_tensors(c)])
def test_numpys_function_on_a_tensor_raises_what_it_raises_on_an_array(name, args, kwargs):
    tensors = as_tensors(args)
    theirs = refusal(lambda: named(np, name)(*args, **kwargs))
    ours = refusal(lambda: named(np, name)(*tensors, **kwargs))
    says_as_numpy(ours, theirs, name)


@pytest.mark.parametrize("name, args, kwargs", [c for c in CASES if has_tensors(c)])
def test_transforms_raise_what_numpy_raises_on_one_entry(name, args, kwargs):
    places = [i for i, a in enumerate(args) if isinstance(a, np.ndarray) and a.dtype.kind in "fc"]
    if not places or name in OTHER_WORDS:
        return

    def f(*xs):
        full = list(args)
        for i, x in zip(places, xs, strict=True):
            full[i] = x
        return named(np, name)(*full, **kwargs)

    theirs, xs = refusal(lambda: f(*(args[i] for i in places))), [args[i] for i in places]
    for run in (
        lambda: cr.vjp(f, *xs),
        lambda: cr.vmap(f)(*(np.stack([x, x]) for x in xs)),
        lambda: cr.compile(f)(*xs),
    ):
        says_as_numpy(refusal(run), theirs, name)


KEYS = {
    "too large": (7, IndexError),
    "too small": (-3, IndexError),
    "array out of range": (np.array([0, 9]), IndexError),
    "too many": ((0, 0, 0), IndexError),
    "text": ("a", IndexError),
    "fraction": (1.5, IndexError),
    "array of fractions": (np.array([0.0, 1.0]), IndexError),
    "mask of another shape": (np.array([True, False, True]), IndexError),
    "two dots": ((..., ...), IndexError),
}


@pytest.mark.parametrize("name", KEYS)
def test_wrong_indices(name):
    key, kind = KEYS[name]
    with pytest.raises(kind):
        A[key]
    for read in (
        lambda: cr.tensor(A)[key],
        lambda: cr.grad(lambda x: x[key].sum())(A),
        lambda: cr.jvp(lambda x: x[key], (A,), (A,)),
        lambda: cr.vmap(lambda x: x[key])(np.stack([A, A])),
        lambda: cr.compile(lambda x: x[key])(A),
    ):
        with pytest.raises(kind):
            read()

    def write(x):
        x = cr.asarray(x) * 1.0
        x[key] = 0.0
        return x.sum()

    with pytest.raises(kind):
        cr.grad(write)(A)


def test_assignment_of_a_wrong_shape():
    def write(x):
        y = cr.zeros_like(x)
        y[0] = x
        return y.sum()

    with pytest.raises(ValueError):
        np.zeros((2, 3))[0] = A
    with pytest.raises(ValueError):
        cr.grad(write)(A)


def test_nan_in_sorting_goes_last_as_in_numpy():
    x = np.array([2.0, np.nan, -1.0, np.inf, np.nan])
    for f in ("sort", "argsort", "median", "max", "argmax", "partition", "unique", "nanmax", "ptp"):
        args = (x, 2) if f == "partition" else (x,)
        np.testing.assert_array_equal(getattr(cr.numpy, f)(*args), getattr(np, f)(*args))
        np.testing.assert_array_equal(np.asarray(getattr(np, f)(cr.tensor(x), *args[1:])), getattr(np, f)(*args))
    np.testing.assert_array_equal(cr.searchsorted(np.sort(x), 1.0), np.searchsorted(np.sort(x), 1.0))


def test_integers_and_text_have_no_derivative():
    for x in (np.arange(3), np.array([True, False]), TEXT, OBJECTS, "abc", None, [1, 2]):
        with pytest.raises((TypeError, ValueError)):
            cr.grad(lambda x: cr.sum(x * 1.0))(x)
    for kind in (int, bool):
        with pytest.raises(TypeError, match="floating point"):
            cr.tensor([1, 2], dtype=kind).requires_grad_()


def test_half_precision_keeps_its_dtype_or_is_refused():
    x = np.array([0.5, 1.5, -2.0], np.float16)
    for f in (cr.sin, cr.exp, cr.tanh, cr.sigmoid, cr.softplus, cr.logsumexp, cr.softmax, cr.norm, cr.mean, cr.std, cr.cumsum):
        value, gradient = f(x), cr.grad(lambda x, f=f: cr.sum(f(x)))(x)
        assert value.dtype == gradient.dtype == np.float16
        exact = cr.grad(lambda x, f=f: cr.sum(f(x)))(x.astype(float))
        np.testing.assert_allclose(gradient, exact, rtol=5e-3, atol=5e-3)
    big = np.array([300.0, 400.0], np.float16)
    assert cr.norm(big) == np.float16(500.0)  # whose squares overflow in half precision
    assert np.isfinite(cr.logsumexp(np.array([60000.0, 60000.0], np.float16)))


@pytest.mark.parametrize("name, rest", [("sort", ()), ("argsort", ()), ("partition", (1,)), ("argpartition", (1,))])
def test_what_is_no_way_to_sort(name, rest):
    x = np.array([3.0, 1.0, 2.0])
    for options in ({"kind": "x"}, {"order": "a"}):
        for array in (x, cr.tensor(x, requires_grad=True)):
            with pytest.raises(ValueError):
                getattr(np, name)(array, *rest, **options)
    kind = "introselect" if rest else "heapsort"
    assert np.array_equal(getattr(np, name)(cr.tensor(x), *rest, kind=kind), getattr(np, name)(x, *rest, kind=kind))
