"""A Tensor as an array: NumPy's methods, functions that change their argument, copies, iteration, hashing, pickling."""

import copy
import pickle

import numpy as np
import pytest
from numpy_tools import check_derivatives, close, rng_of

import chainrule as cr

X = np.array([[3.0, -1.0, 2.0], [0.5, 4.0, -2.5]])
V = np.array([0.7, -1.2, 2.4, 0.1])
MASK = np.array([[True, False, True], [True, True, False]])

METHODS = [
    ("sum", (), {}), ("sum", (0, None, None, True), {}), ("sum", (1,), {"initial": 2.0, "where": MASK}), ("sum", (),
    {"dtype": np.float32}),
    ("mean", (1, None, None, True), {}), ("mean", (), {"where": MASK}), ("prod", (0,), {"initial": 2.0}), ("var",
    (0, None, None, 1), {}),
    ("std", (1, None, None, 1, True), {}), ("std", (), {"mean": np.mean(X, keepdims=True)}), ("max", (0, None, True), {}),
    ("max", (), {"initial": 9.0}), ("min", (1,), {"initial": 9.0, "where": MASK}), ("any", (0,), {"keepdims": True}), ("all",
    (1,), {"where": MASK}),
    ("argmax", (1,), {"keepdims": True}), ("argmin", (), {}), ("cumsum", (1, np.float32), {}), ("cumprod", (0,), {}),
    ("round", (1,), {}),
    ("clip", (-1, 1), {}), ("clip", (), {"max": 1.0}), ("trace", (1,), {}), ("trace", (0, 1, 0, np.float32), {}),
    ("diagonal", (1,), {}),
    ("repeat", (2, 1), {}), ("repeat", ([1, 2],), {"axis": 0}), ("take", ([0, -1], 1), {}), ("take",
    ([7], None, None, "wrap"), {}),
    ("dot", (X.T,), {}), ("argsort", (0,), {}), ("argsort", (), {"kind": "stable", "axis": None}), ("nonzero", (), {}),
    ("compress", ([True, False, True], 1), {}), ("ravel", (), {}), ("ravel", ("F",), {}), ("flatten", (), {}), ("flatten",
    ("F",), {}),
    ("reshape", (3, 2), {}), ("reshape", ((3, -1),), {"order": "F"}), ("squeeze", (), {}), ("swapaxes", (0, 1), {}),
    ("transpose", (), {}),
    ("transpose", (1, 0), {}), ("transpose", ((1, 0),), {}), ("astype", (np.float32,), {}), ("astype", (int,),
    {"casting": "unsafe"}),
    ("conj", (), {}), ("conjugate", (), {}), ("copy", (), {}), ("tolist", (), {}), ("item", (4,), {}), ("item", (1, 2), {}),
    ("item", ((0, 1),), {}),
    ("tobytes", (), {}), ("__len__", (), {}), ("__contains__", (4.0,), {}), ("__contains__", (7.0,), {}), ("__divmod__",
    (2.0,), {}),
    ("__rdivmod__", (2.0,), {}),
]  # fmt: skip
ATTRIBUTES = ["T", "mT", "shape", "ndim", "size", "dtype", "itemsize", "nbytes", "strides", "real", "imag"]


def same(found, expected):
    if isinstance(expected, tuple):
        assert isinstance(found, tuple) and len(found) == len(expected)
        for f, e in zip(found, expected, strict=True):
            same(f, e)
    elif isinstance(expected, (np.ndarray, np.generic)) and not isinstance(expected, np.dtype):
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        close(np.asarray(found), expected, rtol=1e-6 if expected.dtype == np.float32 else 1e-13)
    else:
        assert found == expected


@pytest.mark.parametrize("name, args, kwargs", METHODS, ids=lambda p: str(p)[:40])
def test_methods_take_the_arguments_of_numpy(name, args, kwargs):
    same(getattr(cr.tensor(X), name)(*args, **kwargs), getattr(X, name)(*args, **kwargs))


@pytest.mark.parametrize(
    "name", ["sum", "mean", "prod", "max", "min", "var", "std", "any", "all", "argmax", "cumsum", "cumprod"]
)
def test_methods_with_out(name):
    expected = getattr(X, name)(axis=1)
    out = cr.zeros(*expected.shape, dtype=expected.dtype)
    assert getattr(cr.tensor(X), name)(axis=1, out=out) is out
    same(out, expected)


def test_more_methods_with_out():
    for name, args in (("clip", (0, 1)), ("round", (1,)), ("take", ([0, 1], 1)), ("dot", (X.T,)), ("compress", ([1, 0, 1], 1))):
        expected = getattr(X, name)(*args)
        out = cr.zeros(*expected.shape)
        assert getattr(cr.tensor(X), name)(*args, out=out) is out
        same(out, expected)


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_attributes(name):
    same(getattr(cr.tensor(X), name), getattr(X, name))
    same(getattr(cr.tensor(X + 2j), name), getattr(X + 2j, name))


def test_flags_are_those_of_an_array_in_order():
    for t in (cr.tensor(X), cr.tensor(X).T, cr.tensor(1.0)):
        assert t.flags.c_contiguous and t.flags.writeable and t.flags["ALIGNED"]


def test_parts_can_be_assigned():
    for part in ("real", "imag"):
        z, t = X + 1j, cr.tensor(X + 1j)
        setattr(z, part, V[:3])
        setattr(t, part, V[:3])
        same(t, z)
    with pytest.raises(TypeError):
        cr.tensor(X).imag = 1.0
    t = cr.tensor(X)
    t.real = V[:3]
    same(t, np.broadcast_to(V[:3], (2, 3)))


def test_flat():
    x, t = X.copy(), cr.tensor(X)
    same(t.flat[2], x.flat[2])
    same(t.flat[1:4], x.flat[1:4])
    same(t.flat[[0, 5]], x.flat[[0, 5]])
    assert [float(v) for v in t.flat] == list(x.flat) and len(t.flat) == 6
    for key, value in ((2, 9.0), (slice(1, 3), [7.0, 8.0]), ([0, 4], 5.0), (slice(None), [1.0, 2.0])):
        x.flat[key] = value
        t.flat[key] = value
        same(t, x)
    t.flat = 3.0
    same(t, np.full((2, 3), 3.0))
    check_derivatives(lambda x: _through_flat(x), X, name="flat")


def _through_flat(x):
    y = np.zeros_like(x)
    y.flat[::2] = x.flat[:3] ** 2
    return y + sum(v * v for v in x.flat)


def test_methods_that_change_the_tensor():
    x, t = V.copy(), cr.tensor(V)
    for change in (
        lambda a: a.put([0, -1], [5.0, 6.0]), lambda a: a.put([9], 2.5, mode="clip"), lambda a: a.fill(2.0),
    ):  # fmt: skip
        change(x)
        change(t)
        same(t, x)
    t = cr.tensor(V)
    t.sort()
    same(t, np.sort(V))
    t = cr.tensor(V)
    assert t.partition(2) is None
    assert float(t[2]) == np.sort(V)[2]


IN_PLACE = [
    (np.copyto, (V[:3],), {}), (np.copyto, (7.5,), {"where": MASK}), (np.copyto, (X[::-1],), {"where": MASK[0]}),
    (np.put, ([0, 4], [1.5, 2.5]), {}), (np.put, ([1, 2, 3], 9.0), {}), (np.put, ([-9, 13], [1.0, 2.0]), {"mode": "wrap"}),
    (np.putmask, (MASK, X[::-1] * 2), {}), (np.putmask, (MASK, [1.0, 2.0]), {}), (np.place, (MASK, [1.0, 2.0]), {}),
    (np.place, (MASK, np.arange(9.0)), {}), (np.fill_diagonal, (8.0,), {}), (np.fill_diagonal, ([1.0, 2.0],), {}),
    (np.put_along_axis, (np.array([[0], [2]]), 5.0, 1), {}), (np.put_along_axis, (np.array([1, 3]), [5.0, 6.0], None), {}),
    (np.nan_to_num, (), {"copy": False, "nan": 1.0}),
]  # fmt: skip


@pytest.mark.parametrize("function, args, kwargs", IN_PLACE, ids=lambda p: getattr(p, "__name__", "")[:40])
def test_functions_that_change_their_argument(function, args, kwargs):
    x, t = X.copy(), cr.tensor(X)
    function(x, *args, **kwargs)
    result = function(t, *args, **kwargs)
    same(t, x)
    assert result is None or result is t

    def both(x, v):
        y = np.array(x) if isinstance(x, np.ndarray) else x * 1.0
        values = [v * 1.5 if isinstance(a, float) else a for a in args]
        function(y, *values, **kwargs)
        return y * y

    check_derivatives(both, X, np.array(2.5), name=function.__name__)


def test_filling_the_diagonal_of_a_tall_matrix():
    for shape, wrap in (((7, 2), True), ((7, 2), False), ((2, 5), True), ((3, 3, 3), False)):
        x, t = np.zeros(shape), cr.zeros(*shape)
        np.fill_diagonal(x, 4.0, wrap)
        np.fill_diagonal(t, 4.0, wrap)
        same(t, x)
    with pytest.raises(ValueError, match="2-d"):
        np.fill_diagonal(cr.zeros(3), 1.0)
    with pytest.raises(ValueError, match="equal length"):
        np.fill_diagonal(cr.zeros(3, 3, 2), 1.0)


def test_a_plain_array_cannot_take_a_derivative():
    t = cr.tensor(V, requires_grad=True)
    for call in (
        lambda: np.copyto(np.zeros(4), t), lambda: np.put(np.zeros(4), [0], t[:1]), lambda: np.putmask(np.zeros(4), V > 0, t),
        lambda: np.fill_diagonal(np.zeros((4, 4)), t), lambda: np.put_along_axis(np.zeros(4), np.array([1]), t[:1], 0),
    ):  # fmt: skip
        with pytest.raises(cr.errors.LostDerivativeError, match="derivative"):
            call()
    with pytest.raises(TypeError, match="same_kind"):
        np.copyto(cr.zeros(4, dtype=int), t)
    with pytest.raises(ValueError, match="empty"):
        np.place(cr.tensor(V), V > 0, [])


COPIES = [
    lambda x: x.copy(), np.copy, lambda x: x.astype(float), lambda x: x.flatten(),
    lambda x: +x, np.positive, lambda x: np.roll(x, 0),
    lambda x: np.tile(x, 1), lambda x: np.pad(x, 0), lambda x: np.resize(x, x.shape), lambda x: np.sort(x),
    lambda x: np.repeat(x, 1, 0),
    lambda x: np.concatenate([x]), lambda x: np.where(True, x, x), lambda x: np.clip(x, None, 99.0), lambda x: np.round(x, 3),
    lambda x: np.nan_to_num(x), lambda x: np.conj(x), lambda x: np.add.reduce(x, axis=()),
    lambda x: np.take(x, [0, 1], axis=0), np.block,
    lambda x: np.delete(x, [], axis=0), lambda x: np.full_like(x, x),
    lambda x: np.trim_zeros(x) + 0, np.abs, lambda x: np.diff(x, prepend=0),
    lambda x: np.reshape(x, x.shape, copy=True), lambda x: np.astype(x, x.dtype),
    copy.copy, copy.deepcopy, lambda x: np.sum(x, axis=()),
    lambda x: np.quantile(x, 0.5, axis=()), lambda x: np.max(x, axis=()),
    lambda x: np.real_if_close(x) * 1, lambda x: x.clip(-99, 99),
]  # fmt: skip


@pytest.mark.parametrize("make", COPIES, ids=range(len(COPIES)))
def test_copies_do_not_change_with_the_original(make):
    t = cr.tensor(X)
    try:
        y = make(t)
    except (ValueError, TypeError):
        with pytest.raises((ValueError, TypeError)):
            make(X)
        return
    before = np.array(np.asarray(y))
    t[...] = 77.0
    same(y, before)
    t = cr.tensor(X)
    y = make(t)
    y[...] = 55.0
    same(t, X)


def test_iteration_length_truth_and_hash():
    t = cr.tensor(X)
    assert len(t) == 2 and [r.shape for r in t] == [(3,), (3,)]
    first, _ = t
    same(first, X[0])
    assert {t: 1}[t] == 1 and hash(t) != hash(cr.tensor(X))
    assert isinstance(t == X, cr.Tensor) and bool((t == X).all()) and t not in (None, "x")
    with pytest.raises(ValueError, match="ambiguous"):
        bool(t)
    with pytest.raises(TypeError):
        len(cr.tensor(1.0))
    with pytest.raises(TypeError):
        iter(cr.tensor(1.0))
    assert f"{cr.tensor(1.23456):.2f}" == "1.23" and float(cr.tensor([2.5])) == 2.5
    assert list(range(5))[cr.tensor(3)] == 3 and divmod(cr.tensor(7.0), 2.0)[1] == 1.0


def test_pickle_and_deepcopy():
    t = cr.tensor(X, requires_grad=True)
    for other in (pickle.loads(pickle.dumps(t)), copy.deepcopy(t), copy.deepcopy([t, t])[0]):
        same(other.detach(), X)
        assert other.requires_grad and other.is_leaf and other is not t
    pair = copy.deepcopy([t, t])
    assert pair[0] is pair[1]
    same(pickle.loads(pickle.dumps(cr.tensor([1, 2]))), np.array([1, 2]))


def test_printing():
    assert repr(cr.tensor([1.0, 2.5])) == "tensor([1. , 2.5])"
    assert repr(cr.tensor([1.0], requires_grad=True)) == "tensor([1.], requires_grad=True)"
    t = cr.tensor(X, requires_grad=True)
    assert np.array_str(t) == np.array_str(X) and np.array2string(t, precision=1) == np.array2string(X, precision=1)
    assert np.array_repr(t) == np.array_repr(X)


def test_questions():
    t = cr.tensor(X, requires_grad=True)
    assert np.shape(t) == (2, 3) and np.ndim(t) == 2 and np.size(t) == 6 and np.size(t, 1) == 3
    assert (
        np.may_share_memory(t, t[0])
        and np.shares_memory(t[0], t.reshape(6)[2:])
        and not np.shares_memory(t[0], t[1])
        and not np.shares_memory(t, t.copy())
    )
    assert np.iscomplexobj(t) is False and np.result_type(t, np.float32) == np.float64
    assert np.einsum_path("ij,jk->ik", t, X.T)[0] == np.einsum_path("ij,jk->ik", X, X.T)[0]
    assert np.common_type(t) is np.common_type(X) and np.min_scalar_type(t) == np.min_scalar_type(X)
    assert np.array_equal(t, X) and np.array_equiv(t, X[None]) and np.allclose(t, X) and not np.array_equiv(t, V)
    assert cr.numpy.finfo(t).bits == 64 and cr.numpy.iinfo(cr.tensor([1])).bits == 64
    assert [p for p, _ in cr.numpy.ndenumerate(t)] == list(np.ndindex(2, 3))


# --- functions whose derivative the general table cannot see --------------------------------------------------------------


def test_joining_with_brackets():
    r_, c_ = cr.numpy.r_, cr.numpy.c_
    a = cr.tensor(V[:3])
    same(r_[a, 0.0, 5:9:2, V], np.r_[V[:3], 0.0, 5:9:2, V])
    same(c_[a, V[:3] ** 2], np.c_[V[:3], V[:3] ** 2])
    for text in ("0,2", "1,2", "0,2,0", "1,2,0", "-1", "0,3,1", "0,3,0"):
        same(r_[text, a, V[:3]], np.r_[text, V[:3], V[:3]])
    assert isinstance(r_[1:3, 4], np.ndarray)
    close(cr.grad(lambda x: (r_[x, 1:3, x[0]] ** 2).sum())(V), 2 * V * np.array([2, 1, 1, 1]))
    with pytest.raises(NotImplementedError):
        r_["c", a]


def test_vectorize():
    f = cr.numpy.vectorize(lambda x, k: x**2 if x > 0.6 else k * x, excluded={1})
    check_derivatives(lambda x: f(x, 3.0), X, name="vectorize", batched=False, compiled=False)
    g = cr.numpy.vectorize(lambda a, b: (np.dot(a, b), a[0] * 2), signature="(n),(n)->(),()")
    expected = np.vectorize(lambda a, b: (np.dot(a, b), a[0] * 2), signature="(n),(n)->(),()")(X, V[:3])
    same(g(cr.tensor(X), V[:3]), expected)
    assert isinstance(g(X, V[:3])[0], np.ndarray)
    same(cr.numpy.vectorize(lambda x: x + 1, otypes="f")(cr.tensor(X)), (X + 1).astype(np.float32))


def test_windows():
    window = np.lib.stride_tricks.sliding_window_view
    for args in (((2, 2),), (2, 1), ((2,), 0), ((2, 2), (1, 1))):
        same(window(cr.tensor(X), *args), np.array(window(X, *args)))
    check_derivatives(lambda x: window(x, (2, 2)) ** 2, X, name="windows")
    for bad in ((3, 0), ((2, 2), 0), (-1, 1)):
        with pytest.raises(ValueError):
            window(cr.tensor(X), *bad)


def test_distinct_elements_and_counts():
    check_derivatives(lambda x: np.intersect1d(x, x[::-1]) ** 2, V, name="intersect", batched=False)
    check_derivatives(
        lambda x: np.trim_zeros(np.concatenate([np.zeros(2), x, np.zeros(1)])) ** 2,
        V,
        name="trim",
        batched=False,
        compiled=False,
    )
    check_derivatives(lambda w: np.histogramdd(np.array([X[0], X[1]]).T, 2, weights=w)[0] ** 2, V[:3], name="histogramdd")
    check_derivatives(lambda x: np.histogram(x, 3)[1], V, name="edges")
    check_derivatives(lambda x: np.histogram(x, 3, density=True)[0], V, name="density")
    keys = cr.tensor([3, 1, 2, 1]), cr.tensor([0, 1, 0, 1])
    same(np.lexsort(keys), np.lexsort(([3, 1, 2, 1], [0, 1, 0, 1])))
    with pytest.raises(cr.errors.ShapeError, match="distinct"):
        cr.vmap(np.unique)(X)


def test_numpy_makers_on_tensors_say_what_to_do():
    t = cr.tensor(V, requires_grad=True)
    for make in (np.array, np.asarray, np.ascontiguousarray, lambda t: np.r_[t, 1.0], lambda t: np.vectorize(float)(t)):
        with pytest.raises(cr.errors.LostDerivativeError, match="help"):
            make(t)


def test_plain_arrays_stay_plain_beside_tensors_that_the_program_makes():
    def assigned(x):
        out = np.zeros_like(x)
        out[1:] = x[:-1]
        np.tanh(out, out=out)
        return np.sum(out * cr.tensor(2.0))

    def mixed(x):
        return np.sum(np.concatenate([np.where(x > 0, np.ones_like(x), x) + cr.zeros(4), x[:1]]))

    for f in (assigned, mixed):
        value, gradient = cr.value_and_grad(f)(V)
        plain = [value, gradient, cr.jvp(f, (V,), (V,))[1], cr.vmap(f)(X[:, [0, 1, 2, 0]]), cr.hessian(f)(V), cr.jacfwd(f)(V)]
        assert {type(p) for p in plain} <= {np.ndarray, np.float64}
        assert isinstance(cr.grad(f)(cr.tensor(V)), cr.Tensor)
    w = cr.tensor(V, requires_grad=True)  # somebody else's derivative goes on
    gradient = cr.grad(lambda x: (w * x * x).sum())(V)
    gradient.sum().backward()
    close(w.grad.numpy(), 2 * V)
    constant = cr.tensor(V)
    assert isinstance(cr.grad(lambda x: (constant * x).sum())(V), np.ndarray)


def test_assignment_into_a_plain_array_says_what_to_do():
    def f(x):
        out = np.zeros(4)
        out[0] = x[0]
        return out.sum()

    for run in (lambda: cr.grad(f)(V), lambda: cr.jvp(f, (V,), (V,)), lambda: cr.vmap(f)(X), lambda: cr.compile(f)(V)):
        with pytest.raises(ValueError) as found:  # NumPy's own, caused by ours
            run()
        assert isinstance(found.value.__cause__, cr.errors.LostDerivativeError)
    with pytest.raises(cr.errors.LostDerivativeError, match="zeros_like"):
        cr.grad(lambda x: np.array([x[0], x[1]]).sum())(V)


def test_random_shapes():
    rng = rng_of("shapes")
    for _ in range(30):
        shape = tuple(rng.integers(0, 4, rng.integers(0, 4)))
        x = rng.normal(size=shape)
        t = cr.tensor(x)
        same(np.ravel(t), np.ravel(x))
        same(t.flatten("F"), x.flatten("F"))
        same(np.argwhere(t > 0), np.argwhere(x > 0))
        if x.size:
            same(np.unique(t), np.unique(x))
            same(np.resize(t, (2, 3)), np.resize(x, (2, 3)))
        if x.ndim:
            same(np.insert(t, 0, 2.0, axis=0), np.insert(x, 0, 2.0, axis=0))
            same(np.delete(t, slice(0, 1), axis=-1), np.delete(x, slice(0, 1), axis=-1))
            same(np.add.accumulate(t, axis=-1), np.add.accumulate(x, axis=-1))
            same(np.maximum.accumulate(t, axis=0), np.maximum.accumulate(x, axis=0))


@pytest.mark.parametrize("make", [
    lambda: cr.zeros(2, dtype=object), lambda: cr.full(2, "a"), lambda: cr.from_numpy(np.array([None])),
    lambda: cr.arange(2, dtype=object), lambda: cr.zeros(2).astype(object), lambda: cr.zeros(2).astype(str),
    lambda: cr.zeros(2).astype("M8[s]"), lambda: cr.asarray([1], dtype=object), lambda: cr.zeros(2).astype("V8"),
])  # fmt: skip
def test_tensors_hold_numbers_only(make):
    with pytest.raises(cr.errors.NonDifferentiableError):
        make()
