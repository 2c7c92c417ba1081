"""Every ufunc of NumPy and its methods on Tensors, with all options: NumPy's values, dtypes and errors, and derivatives."""

import functools

import numpy as np
import pytest
from numpy_tools import INTEGER, arguments, check_derivatives, close, rng_of

import chainrule as cr

UFUNCS = {name: f for name, f in vars(np).items() if isinstance(f, np.ufunc) and name == f.__name__}
NOT_NUMBERS = {"isnat"}
ELEMENTWISE = [n for n, f in UFUNCS.items() if f.signature is None and n not in NOT_NUMBERS]
BINARY = [n for n in ELEMENTWISE if UFUNCS[n].nin == 2 and UFUNCS[n].nout == 1]
CONSTANT = {
    "floor", "ceil", "rint", "trunc", "sign", "floor_divide", "heaviside", "nextafter", "spacing", "frexp", "signbit",
}  # fmt: skip
SMOOTH = [n for n in BINARY if n not in INTEGER | {"floor_divide", "heaviside", "nextafter"} and not n.startswith("logical")
          and n not in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "ldexp")]  # fmt: skip


def _reduces_wrongly(name):
    """Whether NumPy's own `reduce` is not what its calls give one after the other, as on some processors with AVX-512."""
    f, x = UFUNCS[name], np.linspace(0.6, 1.7, 8)
    return abs(f.reduce(x) - functools.reduce(f, x)) > 1e-6


NO_REFERENCE = {n for n in SMOOTH if _reduces_wrongly(n)}


def skip_without_reference(name):
    if name in NO_REFERENCE:
        pytest.skip("NumPy's own reduce of this is wrong on this processor")


def same(found, expected):
    several = isinstance(expected, tuple)
    for f, e in zip(found if several else (found,), expected if several else (expected,), strict=True):
        e = np.asarray(e)
        assert isinstance(f, cr.Tensor) and (f.shape, f.dtype) == (e.shape, e.dtype)
        close(f.detach().numpy(), e, rtol={2: 2e-3, 4: 1e-6}.get(e.itemsize, 1e-13))


@pytest.mark.parametrize("dtype", [float, np.float32, int])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_values_and_dtypes(name, dtype):
    f = UFUNCS[name]
    for shapes in [((2, 3), (3,)), ((), ()), ((0, 2), (2,))]:
        xs = arguments(f, *shapes[: f.nin], dtype=dtype)
        with np.errstate(all="ignore"):
            same(f(*map(cr.tensor, xs)), f(*xs))
            if f.nin == 2:
                same(f(cr.tensor(xs[0]), xs[1]), f(*xs))
                same(f(xs[0], cr.tensor(xs[1])), f(*xs))
                if xs[0].dtype.kind == "f" and name != "ldexp":
                    same(f(cr.tensor(xs[0]), 2), f(xs[0], 2))


@pytest.mark.parametrize("name", [n for n in ELEMENTWISE if n not in INTEGER])
def test_derivatives(name):
    f = UFUNCS[name]
    xs = arguments(f, *((2, 3), (3,))[: f.nin])
    if f(*xs).__class__ is tuple:
        for k in range(f.nout):
            if f(*xs)[k].dtype.kind == "f":
                check_derivatives(lambda *a, k=k: f(*a)[k] * 1.0, *xs, name=name)
        return
    if f(*xs).dtype.kind != "f":
        return
    if name in CONSTANT:
        if name != "nextafter":
            assert not any(np.any(d) for d in cr.vjp(f, *xs)[1](np.ones((2, 3))))
        else:
            close(cr.vjp(f, *xs)[1](np.ones((2, 3)))[0], np.ones((2, 3)))
    elif name == "ldexp":
        check_derivatives(lambda x: f(x, xs[1]), xs[0], name=name)
    else:
        check_derivatives(lambda *a: f(*a), *xs, name=name)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_out_and_where(name):
    f = UFUNCS[name]
    xs = arguments(f, *((2, 3), (3,))[: f.nin])
    expected = f(*xs)
    outs = tuple(np.full((2, 3), 7, e.dtype) for e in (expected if f.nout > 1 else (expected,)))
    mask = np.array([[True, False, True], [False, False, True]])
    for kw in ({}, {"where": mask}):
        plain, tensors = [o.copy() for o in outs], [cr.tensor(o) for o in outs]
        f(*xs, out=tuple(plain), **kw)
        given = f(*map(cr.tensor, xs), out=tuple(tensors), **kw)
        assert (given if f.nout > 1 else (given,)) == tuple(tensors) or all(
            a is b for a, b in zip(given if f.nout > 1 else (given,), tensors, strict=True)
        )
        for t, p in zip(tensors, plain, strict=True):
            same(t, p)
    masked = f(*map(cr.tensor, xs), where=mask)
    for m, e in zip(masked if f.nout > 1 else (masked,), expected if f.nout > 1 else (expected,), strict=True):
        close(m.numpy(), np.where(mask, e, np.zeros((), e.dtype)))


def test_masked_elements_outside_of_the_domain_leak_no_nan():
    def f(x):
        out = np.zeros_like(x)
        np.divide(1.0, x, out=out, where=x != 0)
        np.log(x, out=out, where=x > 0.5)
        np.sqrt(x, out=out, where=x < 0.1)
        return out.sum()

    x = np.array([0.0, 0.25, 2.0])
    with np.errstate(all="raise"):
        g = cr.grad(f)(x)
        t = cr.jvp(f, (x,), (np.array([0.0, 1.0, 1.0]),))[1]
    close(g[1:], [-16.0, 0.5])
    assert t == -15.5


def test_out_that_cannot_take_the_result():
    x = cr.tensor([1.5, 2.5], requires_grad=True)
    with pytest.raises(TypeError, match="same_kind"):
        np.add(x, 1, out=cr.zeros(2, dtype=int))
    with pytest.raises(cr.errors.LostDerivativeError, match="plain array"):
        np.sqrt(x, out=np.zeros(2))
    with pytest.raises(cr.errors.LostDerivativeError, match="plain array"):
        np.sum(x, out=np.zeros(()))
    with pytest.raises(ValueError):
        np.add(x, 1, out=cr.zeros(3))
    plain = np.zeros(2)
    assert np.add(x.detach(), 1, out=plain) is plain
    close(plain, [2.5, 3.5])


@pytest.mark.parametrize("name", ["add", "multiply", "less", "sqrt", "divide", "maximum"])
def test_dtype_and_casting(name):
    f = UFUNCS[name]
    xs = arguments(f, *((3,), (3,))[: f.nin])
    dtype = bool if name == "less" else np.float32
    same(f(*map(cr.tensor, xs), dtype=dtype), f(*xs, dtype=dtype))
    same(f(*map(cr.tensor, xs), dtype=dtype, casting="unsafe"), f(*xs, dtype=dtype, casting="unsafe"))
    if name != "less":
        with pytest.raises(TypeError):
            f(*map(cr.tensor, xs), dtype=int)
        with pytest.raises(TypeError):
            f(*map(cr.tensor, xs), dtype=np.float32, casting="no")
    signature = {"add": "ff->f", "less": "ff->?", "sqrt": "f->f"}.get(name, "ff->f")
    same(f(*map(cr.tensor, xs), signature=signature, casting="unsafe"), f(*xs, signature=signature, casting="unsafe"))


def agree(method, f, x, *args, **kwargs):
    """The method on an array and on a Tensor: both raise the same, or give the same."""
    try:
        expected = getattr(f, method)(x, *args, **kwargs)
    except Exception as error:
        with pytest.raises(tuple(c for c in type(error).__mro__ if c in (TypeError, ValueError, IndexError))[:1]):
            getattr(f, method)(cr.tensor(x), *args, **kwargs)
        return
    same(getattr(f, method)(cr.tensor(x), *args, **kwargs), expected)


@pytest.mark.parametrize("dtype", [float, int, bool, np.float32])
@pytest.mark.parametrize("name", BINARY)
def test_reduce(name, dtype):
    skip_without_reference(name)
    f = UFUNCS[name]
    x = arguments(f, (2, 3, 4), dtype=dtype if dtype is not bool else int)[0]
    x = x > 2 if dtype is bool else x
    with np.errstate(all="ignore"):
        for kw in [
            {}, {"axis": 1}, {"axis": -1}, {"axis": (0, 2)}, {"axis": None}, {"axis": 1, "keepdims": True},
            {"axis": (1,), "initial": 1}, {"axis": 0, "initial": 1, "where": x != x.ravel()[3]},
            {"axis": 1, "where": x != x.ravel()[3]},
            {"axis": 7}, {"axis": (1, 1)}, {"dtype": float}, {"axis": ()},
        ]:  # fmt: skip
            if kw == {"axis": ()} and f.identity is None and name not in ("maximum", "minimum", "fmax", "fmin"):
                continue
            agree("reduce", f, x, **kw)
        agree("reduce", f, x[:, :0], axis=1)
        agree("reduce", f, x[:, :1], axis=1)
        agree("reduce", f, x[0, 0, 0])


@pytest.mark.parametrize("dtype", [float, int, np.float32])
@pytest.mark.parametrize("name", BINARY)
def test_accumulate_reduceat_and_outer(name, dtype):
    skip_without_reference(name)
    f = UFUNCS[name]
    x, y = arguments(f, (3, 5), (2,), dtype=dtype)
    with np.errstate(all="ignore"):
        for kw in [{}, {"axis": 1}, {"axis": -1, "dtype": float}, {"axis": 3}]:
            agree("accumulate", f, x, **kw)
        agree("accumulate", f, x[:0])
        agree("accumulate", f, x[:1])
        agree("accumulate", f, x[0, 0])
        for where in ([0, 2, 1], [2, 2, 0], [0], [4, 1, 3]):
            agree("reduceat", f, x, where, axis=1)
        agree("reduceat", f, x, [0, 9])
        same(f.outer(cr.tensor(x), y), f.outer(x, y))
        same(f.outer(x, cr.tensor(y)), f.outer(x, y))
        if dtype is float and name in SMOOTH and name != "float_power":
            same(f.outer(cr.tensor(x), y, dtype=np.float32), f.outer(x, y, dtype=np.float32))


@pytest.mark.parametrize("name", [n for n in ELEMENTWISE if UFUNCS[n].nout == 1])
def test_at(name):
    f = UFUNCS[name]
    x = arguments(f, (3, 4))[0]
    rows, columns = np.array([0, 1, 0, 2, 0]), np.array([1, 1, 1, 3, 2])
    v = arguments(f, (5,), (5,))[1][:5]
    rest = () if f.nin == 1 else (v,)
    for key in [(rows, columns), 1, (slice(None), 2), [0, 0, 2], np.arange(12).reshape(3, 4) % 5 == 0]:
        given = rest if isinstance(key, tuple) and isinstance(key[0], np.ndarray) else tuple(w[0] for w in rest)
        plain, t = x.copy(), cr.tensor(x)
        try:
            with np.errstate(all="ignore"):
                f.at(plain, key, *given)
        except TypeError:
            continue  # the result does not fit the array
        with np.errstate(all="ignore"):
            f.at(t, key, *given)
        same(t, plain)


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives_of_methods(name):
    skip_without_reference(name)
    f = UFUNCS[name]
    x = rng_of(name).permutation(np.linspace(0.6, 1.7, 10)).reshape(2, 5)
    mask = np.array([[1, 1, 0, 1, 0], [0, 1, 1, 1, 1]], bool)
    quick = {"compiled": False}
    check_derivatives(lambda x: f.reduce(x, axis=1), x, name=name)
    check_derivatives(lambda x: f.reduce(x, axis=1, initial=1.3, where=mask), x, name=name, **quick)
    check_derivatives(lambda x: f.accumulate(x, axis=1), x, name=name)
    check_derivatives(lambda x: f.reduceat(x, [0, 3, 1], axis=1), x, name=name, **quick)
    check_derivatives(lambda x: f.outer(x[0], x[1]), x, name=name, **quick)

    def at(x, v):
        y = x * 1.0
        f.at(y, ([0, 1, 0, 0], [1, 2, 1, 4]), v)
        return y

    check_derivatives(at, x, np.array([0.7, 1.9, 1.2, 0.65]), name=name)


def test_at_into_a_plain_array_raises():
    x = cr.tensor([1.0], requires_grad=True)
    with pytest.raises(cr.errors.LostDerivativeError, match="plain array"):
        np.multiply.at(np.ones(3), [0], x)


GENERALISED = [
    ("matmul", (2, 3, 4), (4, 5), {}),
    ("matmul", (3, 4, 2), (5, 4), {"axes": [(0, 1), (1, 0), (0, 1)]}),
    ("vecdot", (2, 3, 4), (3, 4), {}),
    ("vecdot", (2, 3, 4), (2, 1, 4), {"axis": -1}),
    ("vecdot", (4, 3), (4, 1), {"axis": 0, "keepdims": True}),
    ("vecdot", (4, 3), (4, 3), {"axes": [(0,), (0,), ()]}),
    ("matvec", (2, 3, 4), (4,), {}),
    ("matvec", (3, 2, 4), (4, 2), {"axes": [(0, 2), (0,), (1,)]}),
    ("vecmat", (3,), (2, 3, 4), {}),
    ("vecmat", (2, 3), (2, 3, 4), {"axes": [(-1,), (-2, -1), (0,)]}),
]  # fmt: skip


@pytest.mark.parametrize("name, a, b, options", GENERALISED)
def test_generalised(name, a, b, options):
    f, rng = UFUNCS[name], rng_of(name)
    x, y = rng.normal(size=a), rng.normal(size=b)
    same(f(cr.tensor(x), y, **options), f(x, y, **options))
    z = x + 1j * rng.normal(size=a)
    same(f(cr.tensor(z), y, **options), f(z, y, **options))
    same(f(cr.tensor(x), y, dtype=np.float32, **options), f(x, y, dtype=np.float32, **options))
    out = cr.zeros(f(x, y, **options).shape)
    assert f(cr.tensor(x), y, out=out, **options) is out
    same(out, f(x, y, **options))
    check_derivatives(lambda x, y: f(x, y, **options), x, y, name=name)


def test_unknown_options_and_methods():
    x = cr.tensor([1.0, 2.0])
    with pytest.raises((TypeError, cr.errors.UnsupportedError)):
        np.add(x, x, axis=0)
    with pytest.raises(ValueError):
        np.sqrt.reduce(x)
    with pytest.raises(ValueError, match="reorderable"):
        np.subtract.reduce(cr.ones(2, 3), axis=(0, 1))
