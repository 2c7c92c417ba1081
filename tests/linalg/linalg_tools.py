"""What tests of linear algebra share: random matrices, accurate slopes, and checks of all derivatives of a function."""

import numpy as np

import chainrule as cr


def normal(rng, *shape, dtype=np.float64):
    x = rng.normal(size=shape)
    return (x + 1j * rng.normal(size=shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)


def like(rng, x):
    return normal(rng, *np.shape(x), dtype=x.dtype)


def regular(rng, *shape, dtype=np.float64):
    """Well-conditioned square matrices, no element of which is near 0."""
    x = normal(rng, *shape, dtype=dtype)
    x = 0.2 * x / np.abs(x) * (0.5 + np.abs(x))
    return (np.eye(shape[-1]) * np.arange(1, shape[-1] + 1) + x).astype(dtype)


def positive(rng, *shape, dtype=np.float64):
    x = normal(rng, *shape, dtype=dtype)
    return (0.3 * x @ x.conj().swapaxes(-1, -2) + np.eye(shape[-1]) * np.arange(1, shape[-1] + 1)).astype(dtype)


def ranked(rng, m, n, values, dtype=np.float64):
    """An m by n matrix with these singular values, and zeros."""
    k = len(values)
    left = np.linalg.qr(normal(rng, m, k, dtype=dtype))[0]
    right = np.linalg.qr(normal(rng, n, k, dtype=dtype))[0]
    return (left * np.asarray(values, float)) @ right.conj().T


def hermitian_with(rng, values, dtype=np.float64):
    q = np.linalg.qr(normal(rng, len(values), len(values), dtype=dtype))[0]
    return (q * np.asarray(values, float)) @ q.conj().T


def adjoint(x):
    return cr.conjugate(cr.matrix_transpose(x))


def slope(f, x, t, h=3e-3):
    """Derivative of `f` along `t` by central differences, extrapolated to step width 0 with an error of order h**8."""

    def central(h):
        return (np.asarray(f(x + h * t)) - np.asarray(f(x - h * t))) / (2 * h)

    a, b, c, d = (central(h / 2**k) for k in range(4))
    a, b, c = (4 * b - a) / 3, (4 * c - b) / 3, (4 * d - c) / 3
    a, b = (16 * b - a) / 15, (16 * c - b) / 15
    return (64 * b - a) / 63


def inner(x, y):
    return float(np.sum(np.conj(np.asarray(x, complex)) * y).real)


def close(found, expected, tol=1e-8):
    scale = max(1e-300, np.abs(expected).max(initial=0), 1e-3)
    np.testing.assert_allclose(found, expected, rtol=tol, atol=tol * scale)


def check_first(rng, f, x, tol=1e-8, transpose=True):
    """Tangents of `f` at `x` are slopes, and (unless it has none) cotangents their transpose. Gives both."""
    t = like(rng, x)
    value, moved = cr.jvp(f, (x,), (t,))
    wide = x.astype(np.result_type(x.dtype, np.float64))
    close(moved, slope(lambda z: np.asarray(f(z)), wide, t.astype(wide.dtype)), tol)
    assert moved.dtype == value.dtype
    if transpose:
        g = like(rng, value)
        (pulled,) = cr.vjp(f, x)[1](g)
        assert pulled.dtype == x.dtype
        a, b = inner(g, moved), inner(pulled, t)
        size = np.linalg.norm(np.ravel(g)) * np.linalg.norm(np.ravel(moved))
        assert abs(a - b) <= tol * max(size, 1e-3), (a, b)


MODES = ("forward over reverse", "reverse over reverse", "forward over forward", "reverse over forward")


def check_second(rng, f, x, tol=1e-6, modes=MODES):
    """Second derivatives of a random combination of the results of `f`, in all combinations of modes."""
    g, t, u = like(rng, f(x)), like(rng, x), like(rng, x)

    def h(z):
        return cr.sum(cr.real(cr.conjugate(g) * f(z)))

    def gradient(z):
        return cr.vjp(h, z)[1](np.float64(1.0))[0]

    def tangent(z):
        return cr.jvp(h, (z,), (t,))[1]

    expected = slope(lambda z: slope(h, z, t, 5e-3), x, u, 5e-3)
    found = {
        "forward over reverse": lambda: inner(u, cr.jvp(gradient, (x,), (t,))[1]),
        "reverse over reverse": lambda: inner(t, cr.vjp(gradient, x)[1](u)[0]),
        "forward over forward": lambda: float(cr.jvp(tangent, (x,), (u,))[1]),
        "reverse over forward": lambda: inner(u, cr.vjp(tangent, x)[1](np.float64(1.0))[0]),
    }
    for mode in modes:
        assert abs(found[mode]() - expected) <= tol * (1 + abs(expected)), (mode, found[mode](), expected)
