"""Fourier, cosine and sine transforms against NumPy and SciPy: values, dtypes, errors, adjoints, and the doors to them."""

import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.fft
from hypothesis import given, settings, strategies as st

import chainrule as cr
from chainrule.errors import LostDerivativeError, UnsupportedError

rng = np.random.default_rng(3)
NORMS = [None, "backward", "ortho", "forward"]
ALONG = ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"]
OVER = ["fftn", "ifftn", "rfftn", "irfftn", "fft2", "ifft2", "rfft2", "irfft2"]
SCIPY_ONLY = ["hfftn", "ihfftn", "hfft2", "ihfft2"]
COSINE = ["dct", "idct", "dst", "idst"]
TAKES_REAL = {"rfft", "ihfft", "rfftn", "rfft2", "ihfftn", "ihfft2"}


def data(name, *shape, dtype=np.float64):
    x = rng.normal(size=shape).astype(dtype)
    return x if name in TAKES_REAL or name in COSINE else x + (1j * rng.normal(size=shape)).astype((dtype(0) * 1j).dtype)


def same(found, expected, single=False):
    found, expected = np.asarray(found), np.asarray(expected)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    tol = 2e-5 if single else 1e-12
    np.testing.assert_allclose(found, expected, rtol=tol, atol=tol * max(1, np.abs(expected).max(initial=0)))


def real_inner(a, b):
    return np.sum(np.conj(a) * b).real


def check_adjoint(f, x, tol=1e-11):
    """Re <g, f(t)> = Re <pullback of g, t>: f is linear over the reals."""
    t, y = np.asarray(rng.normal(size=x.shape)).astype(x.dtype), f(x)
    if x.dtype.kind == "c":
        t = t + 1j * rng.normal(size=x.shape)
    g = rng.normal(size=y.shape) + (1j * rng.normal(size=y.shape) if y.dtype.kind == "c" else 0)
    value, pull = cr.vjp(f, x)
    same(value, y)
    (back,) = pull(g)
    assert (back.shape, back.dtype) == (x.shape, x.dtype)
    assert abs(real_inner(g, np.asarray(f(t))) - real_inner(back, t)) < tol * (1 + np.abs(y).max() * y.size)
    same(cr.jvp(f, (x,), (t,))[1], f(t))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", ALONG)
@pytest.mark.parametrize("n, axis", [(None, -1), (3, 0), (8, 1), (7, -2), (1, 1)])
def test_along_an_axis(name, norm, n, axis):
    ours, theirs = getattr(cr.fft, name), getattr(np.fft, name)
    x = data(name, 4, 5)
    same(ours(x, n, axis, norm), theirs(x, n, axis, norm))
    same(theirs(cr.tensor(x), n=n, axis=axis, norm=norm), theirs(x, n, axis, norm))
    check_adjoint(lambda x: ours(x, n, axis, norm), x)


@pytest.mark.parametrize("name", ALONG + OVER)
def test_single_precision_stays_single(name):
    x = data(name, 4, 4, dtype=np.float32)
    expected = getattr(np.fft, name)(x)
    same(getattr(cr.fft, name)(x), expected, single=True)
    assert expected.dtype in (np.complex64, np.float32)
    value, pull = cr.vjp(getattr(cr.fft, name), x)
    assert pull(np.ones_like(value))[0].dtype == x.dtype


SHAPES = [
    (None, None),
    (None, (0, 2)),
    (None, (1,)),
    ((2, 5), (0, 1)),
    ((4, -1), (2, 0)),
    ((6, 3), (-1, -3)),
]


@pytest.mark.parametrize("norm", ["backward", "ortho", "forward"])
@pytest.mark.parametrize("name", OVER + SCIPY_ONLY)
@pytest.mark.parametrize("s, axes", SHAPES)
def test_over_axes(name, norm, s, axes):
    x, options = data(name, 3, 4, 4), {"s": s, "norm": norm}
    if name[-1] == "n" or (axes is not None and len(axes) == 2):
        options["axes"] = axes
    library = scipy.fft if name in SCIPY_ONLY else np.fft
    if library is scipy.fft and s is not None and -1 in s:
        return
    ours, theirs = getattr(cr.fft, name), getattr(library, name)
    same(ours(x, **options), theirs(x, **options))
    if library is np.fft:
        same(theirs(cr.tensor(x), **options), theirs(x, **options))
    check_adjoint(lambda x: ours(x, **options), x)


def test_an_axis_named_twice_is_transformed_twice():
    x = data("fft", 4, 3)
    same(cr.fft.fftn(x, axes=(0, 0)), np.fft.fftn(x, axes=(0, 0)))
    same(cr.fft.fftn(x, s=(3, 5), axes=(1, 1)), np.fft.fftn(x, s=(3, 5), axes=(1, 1)))
    check_adjoint(lambda x: cr.fft.ifftn(x, axes=(1, 0, 1)), x)


def test_no_axes():
    same(cr.fft.fftn(np.ones((2, 2)), axes=()), np.fft.fftn(np.ones((2, 2)), axes=()))
    same(cr.fft.fftn(2.0), np.fft.fftn(2.0))
    for f in (cr.fft.rfftn, cr.fft.irfftn):
        with pytest.raises(IndexError, match="help"):
            f(np.ones((2, 2)), axes=())


@pytest.mark.parametrize("dtype", [bool, np.int8, np.int64, np.float16])
def test_other_dtypes(dtype):
    x = np.array([1, 0, 1, 1], dtype)
    for name in ALONG + COSINE:
        library = scipy.fft if name in COSINE else np.fft
        if dtype is bool and name in COSINE:
            continue
        same(getattr(cr.fft, name)(x), getattr(library, name)(x), single=True)


@pytest.mark.parametrize("name", COSINE)
@pytest.mark.parametrize("type", [1, 2, 3, 4])
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("orthogonalize", [None, False, True])
def test_cosine_and_sine(name, type, norm, orthogonalize):
    ours, theirs = getattr(cr.fft, name), getattr(scipy.fft, name)
    options = {"type": type, "norm": norm, "orthogonalize": orthogonalize}
    x = rng.normal(size=(3, 5))
    for axis, n in ((-1, None), (0, 4), (1, 3)):
        same(ours(x, axis=axis, n=n, **options), theirs(x, axis=axis, n=n, **options))
        check_adjoint(lambda x, axis=axis, n=n: ours(x, axis=axis, n=n, **options), x)
    z = x + 1j * rng.normal(size=x.shape)
    same(ours(z, **options), theirs(z.real, **options) + 1j * theirs(z.imag, **options))
    check_adjoint(lambda x: ours(x, **options), z)
    both = getattr(cr.fft, name + "n")
    same(both(x, **options), getattr(scipy.fft, name + "n")(x, **options))
    same(both(x, s=(2, 4), axes=(1, 0), **options), getattr(scipy.fft, name + "n")(x, s=(2, 4), axes=(1, 0), **options))
    same(getattr(cr.fft, name)(x.astype(np.float32), **options), theirs(x.astype(np.float32), **options), single=True)


def test_frequencies_and_shifts():
    for n in (1, 2, 5, 8):
        for name in ("fftfreq", "rfftfreq"):
            same(getattr(cr.fft, name)(n), getattr(np.fft, name)(n))
            same(getattr(cr.fft, name)(n, 0.3), getattr(np.fft, name)(n, 0.3))
            slope = cr.jacfwd(lambda d, name=name, n=n: getattr(cr.fft, name)(n, d))(0.5)
            same(slope, -getattr(np.fft, name)(n, 0.5) / 0.5)
        x = rng.normal(size=(n, 3))
        for name in ("fftshift", "ifftshift"):
            for axes in (None, 0, (1,), (0, 1), (-1,)):
                same(getattr(cr.fft, name)(x, axes), getattr(np.fft, name)(x, axes))
                same(getattr(np.fft, name)(cr.tensor(x), axes=axes), getattr(np.fft, name)(x, axes))
    assert cr.fft.fftfreq(3, dtype=np.float32).dtype == np.float32


@pytest.mark.parametrize(
    "call",
    [
        lambda fft: fft.fft(np.ones(0)),
        lambda fft: fft.fft(np.ones((2, 0))),
        lambda fft: fft.irfft(np.ones(1)),
        lambda fft: fft.irfft(np.ones(3), n=0),
        lambda fft: fft.fft(np.ones(3), n=-1),
        lambda fft: fft.fftn(np.ones((2, 0))),
        lambda fft: fft.rfftn(np.ones((0, 2))),
        lambda fft: fft.fft(np.ones(3), norm="both"),
        lambda fft: fft.fftn(np.ones(3), norm="both"),
        lambda fft: fft.fftn(np.ones((3, 2)), s=(1,), axes=(0, 1)),
        lambda fft: fft.fft(np.ones(3), axis=1),
        lambda fft: fft.fft(np.float64(3)),
        lambda fft: fft.fftn(np.ones((3, 2)), axes=(0, 2)),
        lambda fft: fft.fft(np.ones(3), n=2.5),
        lambda fft: fft.rfft(np.ones(3, complex)),
        lambda fft: fft.ihfft(np.ones(3, complex)),
        lambda fft: fft.rfftn(np.ones((3, 3), complex)),
        lambda fft: fft.fft(np.ones(3), out=np.zeros(3)),
        lambda fft: fft.fft(np.ones(3), out=np.zeros(4, complex)),
    ],
)
def test_errors_are_those_of_numpy(call):
    with pytest.raises(Exception) as theirs:
        call(np.fft)
    kind = next(k for k in (IndexError, ValueError, TypeError) if isinstance(theirs.value, k))
    with pytest.raises(kind):
        call(cr.fft)


def test_empty_elsewhere():
    for name in ALONG:
        same(getattr(cr.fft, name)(np.ones((0, 4))), getattr(np.fft, name)(np.ones((0, 4))))
    assert cr.fft.dct(np.ones((0, 3))).shape == (0, 3)
    for x, kw in ((np.ones(0), {}), (np.ones(1), {"type": 1}), (np.ones(3), {"type": 5}), (np.ones(3), {"norm": "f"})):
        with pytest.raises(ValueError, match="help"):
            cr.fft.dct(x, **kw)


def test_out():
    x, array = data("fft", 4), np.zeros(4, complex)
    assert cr.fft.fft(x, out=array) is array
    same(array, np.fft.fft(x))
    leaf, out = cr.tensor(x, requires_grad=True), cr.zeros(4, dtype=complex)
    np.fft.ifft(leaf, out=out)
    cr.absolute(out[1]).backward()
    same(leaf.grad.numpy(), cr.grad(lambda x: cr.absolute(cr.fft.ifft(x)[1]))(x))
    for f in (np.fft.fft, cr.fft.fft, cr.fft.fftn):
        with pytest.raises((LostDerivativeError, UnsupportedError)):
            f(leaf, out=array)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_shape(draw):
    ndim = draw.draw(st.integers(1, 3))
    shape = tuple(draw.draw(st.lists(st.integers(1, 5), min_size=ndim, max_size=ndim)))
    axes = draw.draw(st.lists(st.integers(-ndim, ndim - 1), min_size=1, max_size=ndim, unique_by=lambda a: a % ndim))
    s = draw.draw(st.none() | st.lists(st.integers(1, 6), min_size=len(axes), max_size=len(axes)))
    name, norm = draw.draw(st.sampled_from(["fftn", "ifftn", "rfftn", "irfftn"])), draw.draw(st.sampled_from(NORMS))
    x = data(name, *shape)
    if name == "irfftn" and s is None and shape[axes[-1]] == 1:
        return
    f = getattr(cr.fft, name)
    same(f(x, s, axes, norm), getattr(np.fft, name)(x, s, axes, norm))
    check_adjoint(lambda x: f(x, s, axes, norm), x)


def power(x):
    """Energy of a smoothed signal, as NumPy users write it."""
    spectrum = np.fft.rfft(x)
    kept = spectrum * np.exp(-(np.fft.rfftfreq(x.shape[-1]) ** 2))
    return np.sum(np.fft.irfft(kept, x.shape[-1]) ** 4)


def test_numpy_code_in_every_transform():
    x, v = rng.normal(size=7), rng.normal(size=7)
    h = 1e-3
    slope = sum(c * power(x + k * h * v) for k, c in ((1, 8), (-1, -8), (2, -1), (-2, 1))) / (12 * h)
    gradient = cr.grad(power)(x)
    assert abs(gradient @ v - slope) < 1e-7
    same(cr.jacfwd(power)(x), gradient)
    hessian = cr.hessian(power)(x)
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-10)
    np.testing.assert_allclose(cr.jacrev(cr.grad(power))(x), hessian, atol=1e-10)
    stack = rng.normal(size=(3, 7))
    same(cr.vmap(cr.grad(power))(stack), np.stack([cr.grad(power)(row) for row in stack]))
    same(cr.compile(cr.grad(power))(x), gradient)


def test_scipy_takes_tensors_through_its_backend():
    x = rng.normal(size=(3, 6))
    with scipy.fft.set_backend(cr.fft):
        leaf = cr.tensor(x, requires_grad=True)
        for name in ("fft", "rfft2", "dct", "idstn", "hfft2", "ihfft"):
            same(getattr(scipy.fft, name)(leaf).detach().numpy(), getattr(cr.fft, name)(x))
        gradient = cr.grad(lambda x: (scipy.fft.dctn(x, norm="ortho") ** 4).sum())(x)
        with pytest.raises(Exception):  # noqa: B017  what only SciPy has is left to SciPy
            scipy.fft.fht(leaf, 0.1, 0.2)
    y = scipy.fft.dctn(x, norm="ortho")
    same(gradient, scipy.fft.idctn(4 * y**3, norm="ortho"))


def test_scipy_takes_tensors_as_array_api_objects():
    code = """
import numpy as np, scipy.fft, chainrule as cr
x = np.arange(6.0)
for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"):
    f = getattr(scipy.fft, name)
    t = cr.tensor(x, requires_grad=True)
    out = f(t)
    assert np.allclose(out.detach().numpy(), f(x)), name
    cr.absolute(out).sum().backward()
    assert t.grad is not None
for name in ("fftn", "ifftn", "rfftn", "irfftn", "fft2", "rfft2"):
    f = getattr(scipy.fft, name)
    y = x.reshape(2, 3)
    assert np.allclose(f(cr.tensor(y)).numpy(), f(y)), name
"""
    env = {**os.environ, "SCIPY_ARRAY_API": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=env)
