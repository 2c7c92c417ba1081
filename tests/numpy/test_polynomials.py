"""Polynomials and one-dimensional signals against NumPy: values, dtypes, derivatives, and NumPy's own names on Tensors."""

import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import chainrule as cr

rng = np.random.default_rng(11)


@pytest.fixture(autouse=True)
def _same_numbers_in_any_order(request):
    global rng
    rng = np.random.default_rng(zlib.crc32(request.node.name.encode()))


def numbers(*shape, dtype=np.float64):
    x = rng.normal(size=shape)
    return (x + 1j * rng.normal(size=shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)


def same(found, expected, tol=1e-12):
    found, expected = np.asarray(found), np.asarray(expected)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    tol = 2e-4 if expected.dtype in (np.float32, np.complex64) else tol
    np.testing.assert_allclose(found, expected, rtol=tol, atol=tol * max(1, np.abs(expected).max(initial=0)))


def slope(f, xs, ts, h=2e-3):
    """Central differences, extrapolated: error of order h**6."""

    def central(h):
        return (f(*(x + h * t for x, t in zip(xs, ts))) - f(*(x - h * t for x, t in zip(xs, ts)))) / (2 * h)

    return (64 * central(h / 4) - 20 * central(h / 2) + central(h)) / 45


def check_derivatives(f, *xs, tol=1e-7):
    """Tangents are slopes, cotangents their transpose, at first and second order."""
    ts = [numbers(*x.shape, dtype=x.dtype) for x in xs]
    y, dy = cr.jvp(f, xs, tuple(ts))
    np.testing.assert_allclose(dy, slope(f, xs, ts), rtol=tol, atol=tol * (1 + np.abs(dy).max(initial=0)))
    g = numbers(*y.shape, dtype=y.dtype)
    back = cr.vjp(f, *xs)[1](g)
    transposed = sum(np.sum(np.conj(b) * t).real for b, t in zip(back, ts))
    assert abs(transposed - np.sum(np.conj(g) * dy).real) < 1e-9 * (1 + np.abs(dy).sum())

    def pulled(*xs):
        return np.concatenate([b.ravel() for b in cr.vjp(f, *xs)[1](g)])

    twice = cr.jvp(pulled, xs, tuple(ts))[1]
    np.testing.assert_allclose(twice, slope(pulled, xs, ts), rtol=tol, atol=10 * tol * (1 + np.abs(twice).max(initial=0)))


def check(name, *args, differentiable=None, **kwargs):
    """Values as NumPy's, called by both names; derivatives in the inexact arguments."""
    ours, theirs = getattr(cr, name), getattr(np, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = theirs(*args, **kwargs)
    several = isinstance(expected, tuple)
    for found in (ours(*args, **kwargs), theirs(*(cr.tensor(a) if isinstance(a, np.ndarray) else a for a in args), **kwargs)):
        for f, e in zip(found if several else [found], expected if several else [expected], strict=True):
            same(f.detach().numpy() if isinstance(f, cr.Tensor) else f, e)
    at = [i for i, a in enumerate(args) if isinstance(a, np.ndarray) and a.dtype.char in "dD"]
    if differentiable is False or not at:
        return

    def f(*xs):
        full = list(args)
        for i, x in zip(at, xs):
            full[i] = x
        out = (ours if any(isinstance(x, cr.Tensor) for x in xs) else theirs)(*full, **kwargs)
        return (cr if any(isinstance(x, cr.Tensor) for x in xs) else np).concatenate(list(out)) if several else out

    check_derivatives(f, *(args[i] for i in at))


@pytest.mark.parametrize("name", ["convolve", "correlate"])
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("n, m", [(1, 1), (5, 1), (5, 2), (6, 3), (4, 4), (3, 7), (1, 4)])
def test_convolution(name, mode, n, m):
    check(name, numbers(n), numbers(m), mode=mode)
    check(name, numbers(n, dtype=complex), numbers(m, dtype=complex), mode=mode)
    check(name, numbers(n), numbers(m, dtype=complex), mode=mode)
    for d in (np.float32, np.complex64):
        check(name, numbers(n, dtype=d), numbers(m, dtype=d), mode=mode)
    check(name, rng.integers(0, 9, n), rng.integers(0, 9, m), mode=mode)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from(["full", "same", "valid"]))
def test_convolution_of_any_lengths(n, m, mode):
    x, y = numbers(n), numbers(m, dtype=complex)
    for name in ("convolve", "correlate"):
        same(getattr(cr, name)(x, y, mode), getattr(np, name)(x, y, mode))


def test_convolution_under_vmap_and_compile():
    x, y = numbers(3, 6), numbers(3, 2)
    for bx, by in ((x, y), (x, y[0]), (x[0], y)):
        axes = (0 if bx.ndim == 2 else None, 0 if by.ndim == 2 else None)

        def loss(x, y):
            return (np.convolve(x, y, "same") ** 3).sum()

        found = cr.vmap(cr.grad(loss, (0, 1)), in_axes=axes)(bx, by)
        for k in range(3):
            expected = cr.grad(loss, (0, 1))(bx[k] if bx.ndim == 2 else bx, by[k] if by.ndim == 2 else by)
            for f, e in zip(found, expected):
                same(f[k], e)
    same(
        cr.compile(cr.grad(lambda x: (np.convolve(x, x) ** 2).sum()))(y[0]),
        cr.grad(lambda x: (np.convolve(x, x) ** 2).sum())(y[0]),
    )


@pytest.mark.parametrize("args", [([], [1.0]), ([1.0], []), ([[1.0]], [1.0])])
@pytest.mark.parametrize("name", ["convolve", "correlate"])
def test_convolution_errors(name, args):
    with pytest.raises(ValueError):
        getattr(np, name)(*args)
    with pytest.raises(ValueError, match="help"):
        getattr(cr, name)(*args)
    with pytest.raises(ValueError, match="mode"):
        getattr(cr, name)([1.0], [1.0], "half")


def test_polynomial_functions():
    p, q = numbers(4), numbers(2)
    z, w = numbers(3, dtype=complex), numbers(2, dtype=complex)
    for a, b in ((p, q), (q, p), (z, w), (p, w)):
        check("polyadd", a, b)
        check("polysub", a, b)
        check("polymul", a, b)
        check("polydiv", a, b)
        check("polyval", a, b)
    check("polyval", p, numbers(2, 3))
    check("polyval", p, np.float64(0.3))
    check("polyval", np.zeros(0), q)
    for m in (0, 1, 2, 5):
        check("polyder", p, m)
        check("polyint", z, m)
    check("polyint", p, m=2, k=3.0)
    for name in ("polyadd", "polydiv", "polymul"):
        check(name, rng.integers(1, 5, 4), rng.integers(1, 5, 2))
    check("polymul", np.array([0.0, 0.0, 2.0, 1.0]), np.array([0.0, 3.0]), differentiable=False)
    check("polymul", np.zeros(2), np.ones(2), differentiable=False)
    check("polydiv", np.convolve([1.0, 2.0], [1.0, 3.0]), np.array([1.0, 2.0]), differentiable=False)
    for d in (np.float32, np.complex64, int):
        x = (3 * numbers(4, dtype=np.complex64 if d == np.complex64 else float)).astype(d)
        check("polyder", x)
        check("polyint", x)
        check("vander", x)
        check("polyval", x, x)


@pytest.mark.parametrize("increasing", [False, True])
@pytest.mark.parametrize("n", [None, 0, 1, 4])
def test_vander(n, increasing):
    check("vander", np.array([0.5, -1.0, 0.0, 2.0]), n, increasing=increasing)
    check("vander", numbers(3, dtype=complex), n, increasing=increasing)
    check("vander", np.arange(3), n, increasing=increasing)


def test_roots():
    check("roots", np.array([1.0, -6.0, 11.0, -6.0]))
    check("roots", numbers(5, dtype=complex))
    check("roots", np.array([2.0, 1.0, 3.0, 0.5]))
    check("roots", np.array([0.0, 1.0, 0.0, -4.0, 0.0]), differentiable=False)
    for p in ([1.0], [0.0], [0.0, 0.0], [3, 4], [0, 0, 5.0, 0], [1, 2, 3]):
        same(cr.roots(p), np.roots(p))
    same(cr.roots(np.array([1, 2, 3], np.float32)), np.roots(np.array([1, 2, 3], np.float32)))
    with pytest.raises(ValueError, match="rank-1"):
        cr.roots(np.ones((2, 2)))
    stack = np.array([[1.0, 2.0, -3.0], [1.0, 2.0, 4.0]])
    same(cr.vmap(cr.roots)(stack), np.stack([np.roots(row).astype(complex) for row in stack]))


def test_poly():
    check("poly", numbers(3))
    check("poly", numbers(3, dtype=complex))
    check("poly", np.array([1 + 2j, 1 - 2j, 3.0]), differentiable=False)
    check("poly", np.array([1, 2, 3]))
    assert cr.poly([]) == 1.0
    p = np.array([1.0, -2.0, 0.5, 3.0])
    same(cr.jacfwd(lambda p: cr.poly(cr.roots(p)))(p)[1:, 1:], np.eye(3), 1e-9)  # inverses of each other
    with pytest.raises(ValueError, match="1d"):
        cr.poly(np.ones((2, 3)))


@pytest.mark.parametrize("options", [{}, {"discont": 4.0}, {"period": 4.0}, {"axis": 0}, {"axis": 0, "period": 2.5}])
def test_unwrap(options):
    check("unwrap", 5 * numbers(6, 7), **options)
    check("unwrap", (5 * numbers(2, 3)).astype(np.float32), **options)


def test_unwrap_of_whole_numbers_and_ties():
    steps = rng.integers(0, 20, 40)
    for period in (4, 5, 255, 6.0):
        check("unwrap", steps, period=period)
    check("unwrap", np.array([0.0, np.pi, 0.0, -np.pi, 2 * np.pi]), differentiable=False)
    p, period = 5 * numbers(8), np.array(3.0)
    check_derivatives(lambda p, period: (cr if isinstance(p, cr.Tensor) else np).unwrap(p, period=period), p, period)


@pytest.mark.parametrize("M", [0, 1, 2, 5, 8])
def test_windows(M):
    for name in ("bartlett", "blackman", "hamming", "hanning"):
        same(getattr(cr, name)(M), getattr(np, name)(M))


@pytest.mark.parametrize("M", [0, 1, 2, 5, 8])
def test_kaiser(M):
    same(cr.kaiser(M, 3.5), np.kaiser(M, 3.5))
    same(np.asarray(cr.kaiser(M, 0)), np.kaiser(M, 0))
    if M > 1:
        check_derivatives(lambda beta: cr.kaiser(M, beta) if isinstance(beta, cr.Tensor) else np.kaiser(M, beta), np.array(2.7))
        assert np.isfinite(cr.jacfwd(cr.jacfwd(lambda beta: cr.kaiser(M, beta)))(0.0)).all()


@pytest.mark.parametrize("columns", [(), (2,)])
@pytest.mark.parametrize("weights", [False, True])
def test_polyfit(columns, weights):
    x = np.array([0.1, -0.7, 1.3, 0.8, -1.6, 1.9])
    y, w = numbers(6, *columns), np.abs(numbers(6)) + 0.5
    options = {"w": w} if weights else {}
    for deg in (0, 1, 3):
        same(cr.polyfit(x, y, deg, **options), np.polyfit(x, y, deg, **options), 1e-10)
        same(np.polyfit(cr.tensor(x), cr.tensor(y), deg, **options).numpy(), np.polyfit(x, y, deg, **options), 1e-10)

        def fit(*args, deg=deg):
            *xy, w = args if weights else (*args, None)
            return (cr if isinstance(xy[0], cr.Tensor) else np).polyfit(*xy, deg, w=w)

        check_derivatives(fit, *([x, y, w] if weights else [x, y]), tol=1e-6)
    for kind in (True, "unscaled"):
        for found, expected in zip(
            cr.polyfit(x, y, 2, cov=kind, **options), np.polyfit(x, y, 2, cov=kind, **options), strict=True
        ):
            same(found, expected, 1e-9)
    full = cr.polyfit(cr.tensor(x), cr.tensor(y), 2, full=True, **options)
    for found, expected in zip(full, np.polyfit(x, y, 2, full=True, **options), strict=True):
        np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-9)


def test_polyfit_errors():
    x = np.arange(4.0)
    for args, kwargs in (
        ((x, x, -1), {}),
        ((x[:0], x[:0], 1), {}),
        ((x, x[:2], 1), {}),
        ((x, np.ones((4, 1, 1)), 1), {}),
        ((np.ones((2, 2)), x, 1), {}),
        ((x, x, 1), {"w": x[:2]}),
        ((x, x, 3), {"cov": True}),
    ):
        with pytest.raises((TypeError, ValueError)) as theirs:
            np.polyfit(*args, **kwargs)
        with pytest.raises(theirs.type, match="help"):
            cr.polyfit(*args, **kwargs)
    with pytest.warns(np.exceptions.RankWarning):
        cr.polyfit(np.ones(4), x, 2)
