"""chainrule.signal against SciPy: values, dtypes, errors and derivatives."""

import zlib

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings, strategies as st
from test_polynomials import check_derivatives

import chainrule as cr

rng = np.random.default_rng(12)


@pytest.fixture(autouse=True)
def _same_numbers_in_any_order(request):
    global rng
    rng = np.random.default_rng(zlib.crc32(request.node.name.encode()))


def numbers(*shape, dtype=np.float64):
    x = rng.normal(size=shape)
    return (x + 1j * rng.normal(size=shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)


def same(found, expected, tol=1e-10):
    found, expected = np.asarray(found), np.asarray(expected)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    tol = 1e-4 if expected.dtype in (np.float32, np.complex64) else tol
    np.testing.assert_allclose(found, expected, rtol=tol, atol=tol * max(1, np.abs(expected).max(initial=0)))


def check(name, *args, active=None, tol=1e-7, **kwargs):
    """Values as SciPy's; derivatives in all arguments, or those at `active`."""
    ours, theirs = getattr(cr.signal, name), getattr(scipy.signal, name)
    expected, found = theirs(*args, **kwargs), ours(*args, **kwargs)
    several = isinstance(expected, tuple)
    for f, e in zip(found if several else [found], expected if several else [expected], strict=True):
        same(f, e)
    at = range(len(args)) if active is None else active

    def f(*xs):
        full = list(args)
        for i, x in zip(at, xs):
            full[i] = x
        traced = any(isinstance(x, cr.Tensor) for x in xs)
        out = (ours if traced else theirs)(*full, **kwargs)
        return (cr if traced else np).concatenate([(cr if traced else np).ravel(o) for o in out]) if several else out

    check_derivatives(f, *(args[i] for i in at), tol=tol)


MODES = ["full", "same", "valid"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "shapes", [((6,), (3,)), ((6,), (2,)), ((3,), (5,)), ((4, 5), (2, 3)), ((2, 3), (3, 4)), ((3, 3, 2), (2, 2, 2))]
)
@pytest.mark.parametrize("name", ["fftconvolve", "oaconvolve", "convolve", "correlate"])
def test_convolutions(name, shapes, mode):
    x, y = (numbers(*s) for s in shapes)
    check(name, x, y, mode=mode)
    z, w = (numbers(*s, dtype=complex) for s in shapes)
    same(getattr(cr.signal, name)(z, w, mode), getattr(scipy.signal, name)(z, w, mode))
    same(getattr(cr.signal, name)(x, w, mode), getattr(scipy.signal, name)(x, w, mode))
    x, y = (numbers(*s, dtype=np.float32) for s in shapes)
    same(getattr(cr.signal, name)(x, y, mode), getattr(scipy.signal, name)(x, y, mode))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("method", ["direct", "fft"])
def test_methods(mode, method):
    x, y = numbers(5, 6), numbers(3, 2)
    for name in ("convolve", "correlate"):
        same(getattr(cr.signal, name)(x, y, mode, method), getattr(scipy.signal, name)(x, y, mode, method))
    if method == "direct":
        a, b = rng.integers(0, 9, (4, 4)), rng.integers(0, 9, (2, 2))
        same(cr.signal.convolve(a, b, mode), scipy.signal.convolve(a, b, mode))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("axes", [0, 1, (0,), (-1,), (1, 0)])
def test_fftconvolve_along_axes(mode, axes):
    x, y = numbers(5, 4), numbers(3, 4)
    if axes == 0 or axes == (0,):
        y = numbers(3, 1)
    if axes in (1, (-1,)):
        y = numbers(1, 3)
    check("fftconvolve", x, y, mode=mode, axes=axes) if not (mode == "valid" and axes == (1, 0)) else None


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_any_shapes(data):
    ndim = data.draw(st.integers(1, 3))
    shapes = [tuple(data.draw(st.integers(1, 5)) for _ in range(ndim)) for _ in range(2)]
    mode = data.draw(st.sampled_from(["full", "same"]))
    x, y = (numbers(*s) for s in shapes)
    for name in ("fftconvolve", "convolve", "correlate"):
        same(getattr(cr.signal, name)(x, y, mode), getattr(scipy.signal, name)(x, y, mode))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("boundary, fill", [("fill", 0), ("fill", 1.5), ("wrap", 0), ("symm", 0)])
@pytest.mark.parametrize("name", ["convolve2d", "correlate2d"])
def test_two_dimensions(name, boundary, fill, mode):
    if mode == "valid" and boundary != "fill":
        return
    check(name, numbers(4, 5), numbers(2, 3), mode=mode, boundary=boundary, fillvalue=fill)
    same(
        getattr(cr.signal, name)(numbers(2, 2), numbers(3, 4), mode).shape,
        getattr(scipy.signal, name)(numbers(2, 2), numbers(3, 4), mode).shape,
    )
    z, w = numbers(4, 4, dtype=complex), numbers(2, 2, dtype=complex)
    same(getattr(cr.signal, name)(z, w, mode), getattr(scipy.signal, name)(z, w, mode))
    z, w = numbers(2, 3, dtype=complex), numbers(3, 4, dtype=complex)
    if boundary == "fill":
        same(getattr(cr.signal, name)(z, w, mode), getattr(scipy.signal, name)(z, w, mode))


@pytest.mark.parametrize("lengths", [(1, 2), (3, 3), (4, 2), (2, 4), (3, 1), (1, 1)])
def test_recursive_filter(lengths):
    b, a = numbers(lengths[0]), 0.3 * numbers(lengths[1])
    a[0] = 1.7
    check("lfilter", b, a, numbers(7))
    check("lfilter", b, a, numbers(5, 3), axis=0)
    check("lfilter", b, a, numbers(2, 6))
    order = max(lengths) - 1
    if order:
        x, zi = numbers(7), numbers(order)
        check("lfilter", b, a, x, -1, zi, active=[0, 1, 2, 4])
        check("lfilter", b, a, numbers(2), -1, zi, active=[2, 4])  # shorter than the state
        same(cr.signal.lfilter(b, a, numbers(2, 7), -1, numbers(2, order))[1].shape, np.zeros((2, order)).shape)
        first, end = cr.signal.lfilter(b, a, x[:4], zi=zi)
        rest, _ = cr.signal.lfilter(b, a, x[4:], zi=end)
        same(np.concatenate([first, rest]), scipy.signal.lfilter(b, a, x, zi=zi)[0])
    same(cr.signal.lfilter(b.astype(np.float32), a.astype(np.float32), np.ones(4, np.float32)),
         scipy.signal.lfilter(b.astype(np.float32), a.astype(np.float32), np.ones(4, np.float32)))  # fmt: skip
    same(cr.signal.lfilter(b, a, numbers(0)), np.zeros(0))
    z = numbers(6, dtype=complex)
    same(cr.signal.lfilter(b * 1j, a, z), scipy.signal.lfilter(b * 1j, a, z))


def test_filters_by_design():
    b, a = scipy.signal.butter(3, 0.3)
    x = numbers(2, 40)
    same(cr.signal.lfilter_zi(b, a), scipy.signal.lfilter_zi(b, a))
    same(cr.signal.lfilter_zi([1.0, 2.0], [1.0]), scipy.signal.lfilter_zi([1.0, 2.0], [1.0]))
    for options in ({}, {"padtype": "even"}, {"padtype": "constant", "padlen": 4}, {"padtype": None}, {"axis": 0, "padlen": 1}):
        same(cr.signal.filtfilt(b, a, x, **options), scipy.signal.filtfilt(b, a, x, **options), 1e-9)
    check("filtfilt", b, a, numbers(30), active=[2])
    sos = scipy.signal.butter(4, 0.3, output="sos")
    check("sosfilt", sos, numbers(12), active=[1])
    zi = numbers(2, 2)
    check("sosfilt", sos, numbers(12), -1, zi, active=[1, 3])


def test_filter_coefficients_are_found_by_descent():
    """The use that derivatives in `b` and `a` are for: a filter learned from what it does."""
    x = numbers(60)
    heard = scipy.signal.lfilter([0.6, 0.2], [1.0, -0.5], x)

    def misfit(p):
        return np.sum((cr.signal.lfilter(p[:2], np.concatenate([np.ones(1), p[2:]]), x) - heard) ** 2)

    p = np.array([0.3, 0.0, 0.0])
    for _ in range(8):
        residual = cr.jacfwd(lambda p: cr.signal.lfilter(p[:2], cr.concatenate([np.ones(1), p[2:]]), x))(p)
        p = p - np.linalg.lstsq(residual, cr.signal.lfilter(p[:2], np.r_[1, p[2:]], x) - heard, rcond=None)[0]
    np.testing.assert_allclose(p, [0.6, 0.2, -0.5], atol=1e-9)
    assert np.abs(cr.grad(misfit)(p)).max() < 1e-7
    stack = numbers(3, 60)
    found = cr.vmap(cr.grad(lambda p, x: (cr.signal.lfilter(p[:2], p[1:], x) ** 2).sum()), in_axes=(None, 0))(p + 1, stack)
    for f, x in zip(found, stack):
        same(f, cr.grad(lambda p, x=x: (cr.signal.lfilter(p[:2], p[1:], x) ** 2).sum())(p + 1))


@pytest.mark.parametrize("n", [1, 2, 7, 8])
def test_trends_and_envelopes(n):
    x = numbers(3, n)
    check("hilbert", x)
    check("hilbert", x, N=5)
    same(cr.signal.hilbert(x.astype(np.float32)), scipy.signal.hilbert(x.astype(np.float32)))
    check("hilbert", x, axis=0)
    check("detrend", x, type="constant")
    if n > 1:
        check("detrend", x)
        check("detrend", x, axis=0)


@pytest.mark.parametrize(
    "call, error",
    [
        (lambda s: s.fftconvolve(np.ones(3), np.ones((2, 2))), ValueError),
        (lambda s: s.fftconvolve(np.ones(3), np.ones(2), "half"), ValueError),
        (lambda s: s.fftconvolve(np.ones((2, 3)), np.ones((3, 2)), "valid"), ValueError),
        (lambda s: s.convolve(np.ones((2, 3)), np.ones((3, 2)), "valid"), ValueError),
        (lambda s: s.convolve(np.ones(3), np.ones(2), method="quick"), ValueError),
        (lambda s: s.convolve2d(np.ones(3), np.ones(3)), ValueError),
        (lambda s: s.convolve2d(np.ones((3, 3)), np.ones((3, 3)), boundary="open"), ValueError),
        (lambda s: s.lfilter([1.0], [1.0, 0.5], np.ones(3), zi=np.ones(3)), ValueError),
        (lambda s: s.lfilter([1.0], [0.0, 0.5], np.ones(3)), ValueError),
        (lambda s: s.filtfilt([1.0], [1.0, 0.5], np.ones(3)), ValueError),
        (lambda s: s.sosfilt(np.ones((2, 5)), np.ones(3)), ValueError),
        (lambda s: s.detrend(np.ones(3), type="quadratic"), ValueError),
        (lambda s: s.hilbert(np.ones(3, complex)), ValueError),
    ],
)
def test_errors(call, error):
    with pytest.raises(error):
        call(scipy.signal)
    with pytest.raises(error, match="help"):
        call(cr.signal)
