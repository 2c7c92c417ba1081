"""Functions in scipy.linalg's names: SciPy's values, and derivatives of first and second order, stacks, vmap, compile."""

import os
import subprocess
import sys
import zlib

import mpmath
import numpy as np
import pytest
import scipy.linalg as sl
from hypothesis import given, settings, strategies as st
from linalg_tools import adjoint, check_first, check_second, inner, like, normal, positive
from numpy.linalg import LinAlgError

import chainrule as cr
import chainrule.linalg as cl

F64, C128 = np.float64, np.complex128
NARROW = {F64: np.float32, C128: np.complex64}


# --- arguments ------------------------------------------------------------------------------------------------------------


def right(rng, n, dtype, *lead, shift=2.0, size=0.4):
    """Matrices in the right half plane, far from singular."""
    return (size * normal(rng, *lead, n, n, dtype=dtype) + shift * np.eye(n)).astype(dtype)


def vector(rng, n, dtype, *lead):
    """Vectors whose first element is the largest."""
    c = normal(rng, *lead, n, dtype=dtype)
    c[..., 0] = c[..., 0] + 5
    return c


def bands(rng, below, above, n, dtype, *lead):
    ab = normal(rng, *lead, below + above + 1, n, dtype=dtype)
    ab[..., above, :] += 6
    return ab


def half_bands(rng, width, n, dtype, lower):
    ab = normal(rng, width + 1, n, dtype=dtype)
    ab[0 if lower else width] = np.abs(ab[0 if lower else width]) + 7
    for d in range(1, width + 1):  # outside of the matrix
        ab[d if lower else width - d, n - d if lower else 0 : n if lower else d] = 0
    return ab


def hermitian(x):
    return (x + adjoint(x)) * 0.5


def projector(basis):
    return basis @ adjoint(basis)


# A case is a maker of arguments, our function and SciPy's.


def of_both(make, f):
    """`f` is called with either module first."""
    return make, (lambda *a: f(cl, *a)), (lambda *a: f(sl, *a))


def under(name, make, *rest):
    return make, (lambda *a: getattr(cl, name)(*a, *rest)), (lambda *a: getattr(sl, name)(*a, *rest))


def one(shift=2.0, size=0.4, n=3):
    return lambda rng, d: (right(rng, n, d, shift=shift, size=size),)


def with_square(shift, size):
    return lambda rng, d: (right(rng, 3, d, shift=shift, size=size), normal(rng, 3, 3, dtype=d))


def rectangle(*shape):
    return lambda rng, d: (normal(rng, *shape, dtype=d),)


def riccati(discrete):
    name = "solve_discrete_are" if discrete else "solve_continuous_are"

    def make(rng, d):
        a, b = right(rng, 3, d, shift=0.3 if discrete else -1.0, size=0.2), normal(rng, 3, 2, dtype=d)
        return a, b, positive(rng, 3, 3, dtype=d), positive(rng, 2, 2, dtype=d)

    def standard(module, a, b, q, r):
        return getattr(module, name)(a, b, hermitian(q), hermitian(r))

    def with_e(rng, d):
        e = right(rng, 3, d, shift=1.0, size=0.1)
        return (*make(rng, d), e, 0.1 * normal(rng, 3, 2, dtype=d))

    def general(module, a, b, q, r, e, s):
        return getattr(module, name)(a, b, hermitian(q), hermitian(r), e, s, False)

    return of_both(make, standard), of_both(with_e, general)


def cho_banded(lower):
    def make(rng, d):
        ab = half_bands(rng, 1, 4, d, lower)
        return sl.cholesky_banded(ab, lower=lower), normal(rng, 4, 2, dtype=d)

    return of_both(make, lambda m, c, b: m.cho_solve_banded((c, lower), b))


def solve_lu(trans):
    return of_both(
        lambda rng, d: (right(rng, 3, d), normal(rng, 3, 2, dtype=d)),
        lambda m, a, b: m.lu_solve(m.lu_factor(a), b, trans),
    )


def invariants(t, z):
    """What does not depend on the phases of the columns of z."""
    n = t.shape[-1]
    weights = np.cos(np.arange(n * n)).reshape(n, n)
    return (abs(t) ** 2 * weights).sum(), (t * np.eye(n)).sum(-1), abs(z) ** 2, z @ t @ t @ adjoint(z)


TWO = lambda rng, d: (normal(rng, 5, 3, dtype=d), normal(rng, 5, 3, dtype=d))  # noqa: E731
TOEPLITZ = lambda rng, d: (vector(rng, 4, d), normal(rng, 4, dtype=d), normal(rng, 4, 2, dtype=d))  # noqa: E731

CASES = {
    "expm": under("expm", one(0.3, 1.0)),
    "expm_frechet": under("expm_frechet", with_square(2.0, 0.4)),
    "logm": under("logm", one()),
    "sqrtm": under("sqrtm", one()),
    "signm": under("signm", lambda rng, d: (right(rng, 3, d) * np.array([1, -1, 1]),)),
    "cosm": under("cosm", one(0.3)),
    "sinm": under("sinm", one(0.3)),
    "tanm": under("tanm", one(0.3, 0.2)),
    "coshm": under("coshm", one(0.3)),
    "sinhm": under("sinhm", one(0.3)),
    "tanhm": under("tanhm", one(0.3, 0.2)),
    "fractional_matrix_power": under("fractional_matrix_power", one(), 0.3),
    "fractional_matrix_power, negative": under("fractional_matrix_power", one(), -1.7),
    "fractional_matrix_power, whole": under("fractional_matrix_power", one(), -2),
    "lu": under("lu", rectangle(3, 3)),
    "lu, tall": under("lu", rectangle(4, 2)),
    "lu, wide": under("lu", rectangle(2, 4)),
    "lu, permuted": under("lu", rectangle(3, 3), True),
    "lu, indices": under("lu", rectangle(3, 3), False, False, True, True),
    "lu_factor": under("lu_factor", rectangle(3, 3)),
    "lu_factor, tall": under("lu_factor", rectangle(4, 2)),
    "lu_factor, wide": under("lu_factor", rectangle(2, 4)),
    **{f"lu_solve {trans}": solve_lu(trans) for trans in (0, 1, 2)},
    "solve_sylvester": under("solve_sylvester", lambda rng, d: (*one()(rng, d), *one(n=2)(rng, d), normal(rng, 3, 2, dtype=d))),
    "solve_continuous_lyapunov": under("solve_continuous_lyapunov", with_square(2.0, 0.4)),
    "solve_lyapunov": under("solve_lyapunov", with_square(2.0, 0.4)),
    **{
        f"solve_discrete_lyapunov {method}": under("solve_discrete_lyapunov", with_square(0.3, 0.1), method)
        for method in (None, "direct", "bilinear")
    },
    "solve_continuous_are": riccati(False)[0],
    "solve_continuous_are, general": riccati(False)[1],
    "solve_discrete_are": riccati(True)[0],
    "solve_discrete_are, general": riccati(True)[1],
    "schur, complex": of_both(one(0.0, 1.0), lambda m, a: invariants(*m.schur(a, "complex"))),
    "hessenberg": under("hessenberg", rectangle(4, 4)),
    "hessenberg, with q": under("hessenberg", rectangle(4, 4), True),
    "toeplitz": under("toeplitz", lambda rng, d: (normal(rng, 3, dtype=d), normal(rng, 4, dtype=d))),
    "toeplitz, Hermitian": under("toeplitz", rectangle(3)),
    "toeplitz, stack": under("toeplitz", lambda rng, d: (normal(rng, 2, 3, dtype=d), normal(rng, 1, 3, dtype=d))),
    "hankel": under("hankel", lambda rng, d: (normal(rng, 3, dtype=d), normal(rng, 4, dtype=d))),
    "hankel, of one": under("hankel", rectangle(3)),
    "circulant": under("circulant", rectangle(3)),
    "circulant, stack": under("circulant", rectangle(2, 3)),
    "convolution_matrix": under("convolution_matrix", rectangle(3), 4),
    "convolution_matrix, same": under("convolution_matrix", rectangle(4), 3, "same"),
    "convolution_matrix, valid": under("convolution_matrix", rectangle(4), 2, "valid"),
    "companion": under("companion", lambda rng, d: (vector(rng, 4, d),)),
    "companion, stack": under("companion", lambda rng, d: (vector(rng, 3, d, 2),)),
    "fiedler_companion": under("fiedler_companion", lambda rng, d: (vector(rng, 6, d),)),
    "fiedler": under("fiedler", rectangle(4)),
    "leslie": under("leslie", lambda rng, d: (normal(rng, 4, dtype=d), normal(rng, 3, dtype=d))),
    "block_diag": under("block_diag", lambda rng, d: [normal(rng, *s, dtype=d) for s in ((2, 1), (2,), (3, 1, 2))]),
    "khatri_rao": under("khatri_rao", lambda rng, d: (normal(rng, 2, 3, dtype=d), normal(rng, 4, 3, dtype=d))),
    **{
        f"solve_banded {k}": of_both(
            lambda rng, d, k=k: (bands(rng, *k, 5, d), normal(rng, 5, 2, dtype=d)),
            lambda m, ab, b, k=k: m.solve_banded(k, ab, b),
        )
        for k in ((1, 1), (2, 1), (0, 2), (3, 0), (0, 0))
    },
    "solve_banded, vector": of_both(
        lambda rng, d: (bands(rng, 1, 2, 4, d), normal(rng, 4, dtype=d)),
        lambda m, ab, b: m.solve_banded((1, 2), ab, b),
    ),
    **{
        f"solveh_banded {width} {lower}": of_both(
            lambda rng, d, w=width, lo=lower: (half_bands(rng, w, 4, d, lo), normal(rng, 4, dtype=d)),
            lambda m, ab, b, lo=lower: m.solveh_banded(ab, b, lower=lo),
        )
        for width in (1, 2)
        for lower in (False, True)
    },
    **{
        f"cholesky_banded {width} {lower}": of_both(
            lambda rng, d, w=width, lo=lower: (half_bands(rng, w, 4, d, lo),),
            lambda m, ab, lo=lower: m.cholesky_banded(ab, lower=lo),
        )
        for width in (1, 2)
        for lower in (False, True)
    },
    "cho_solve_banded, upper": cho_banded(False),
    "cho_solve_banded, lower": cho_banded(True),
    "solve_toeplitz": of_both(TOEPLITZ, lambda m, c, r, b: m.solve_toeplitz((c, r), b)),
    "solve_toeplitz, Hermitian": under("solve_toeplitz", lambda rng, d: (vector(rng, 4, d), normal(rng, 4, dtype=d))),
    "matmul_toeplitz": of_both(TOEPLITZ, lambda m, c, r, x: m.matmul_toeplitz((c, r), x)),
    "solve_circulant": under("solve_circulant", lambda rng, d: (vector(rng, 4, d), normal(rng, 4, dtype=d))),
    "solve_circulant, least squares": of_both(
        lambda rng, d: (normal(rng, 4, dtype=d),),
        lambda m, b: m.solve_circulant(np.ones(4), b, singular="lstsq"),
    ),
    "polar": under("polar", rectangle(4, 2)),
    "polar, left": under("polar", rectangle(3, 3), "left"),
    "polar, wide": under("polar", rectangle(2, 4)),
    "orthogonal_procrustes": under("orthogonal_procrustes", TWO),
    "subspace_angles": under("subspace_angles", lambda rng, d: (normal(rng, 5, 2, dtype=d), normal(rng, 5, 3, dtype=d))),
    "orth": of_both(rectangle(4, 2), lambda m, a: projector(m.orth(a))),
    "null_space": of_both(rectangle(2, 4), lambda m, a: projector(m.null_space(a))),
}  # fmt: skip
DIFFER = {"fractional_matrix_power", "fractional_matrix_power, negative"}  # SciPy's dtype depends on values where ours need not

MIXED = {"schur, complex", "solve_circulant, least squares"}  # these have constants in double precision

cases = pytest.mark.parametrize("name", CASES)
dtypes = pytest.mark.parametrize("dtype", [F64, C128])


@pytest.fixture
def rng(request):
    return np.random.default_rng(zlib.crc32(request.node.name.encode()))


def flat(out):
    return list(out) if isinstance(out, (tuple, list)) else [out]


def inexact(f):
    """`f` with its floating results alone, as a list."""
    return lambda *a: [o for o in flat(f(*a)) if o.dtype.kind in "fc"]


def slopes(f, xs, ts, h=2e-3):
    """Derivatives along `ts`: central differences, extrapolated to step width 0 with an error of order h**6."""

    def central(h):
        up, down = (f(*(x + s * h * t for x, t in zip(xs, ts, strict=True))) for s in (1, -1))
        return [(np.asarray(p) - np.asarray(q)) / (2 * h) for p, q in zip(up, down, strict=True)]

    return [(a - 20 * b + 64 * c) / 45 for a, b, c in zip(*(central(h / 2**k) for k in range(3)), strict=True)]


def close(found, expected, tol):
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=tol, atol=tol * max(1, np.abs(expected).max(initial=0)))


def total(xs, ys):
    return sum(inner(x, y) for x, y in zip(xs, ys, strict=True))


def check_derivatives(rng, f, *xs, tol=1e-8, second=1e-6):
    """Tangents are slopes, cotangents their transpose, and second derivatives agree in all combinations of modes."""
    f = inexact(f)
    ts, us = ([like(rng, x) for x in xs] for _ in range(2))
    values, moved = cr.jvp(f, tuple(xs), tuple(ts))
    gs = [like(rng, v) for v in values]
    for m, s in zip(moved, slopes(f, xs, ts), strict=True):
        close(m, s, tol)
    pulled = cr.vjp(f, *xs)[1](gs)
    for p, x in zip(pulled, xs, strict=True):
        assert (p.shape, p.dtype) == (x.shape, x.dtype)
    expected = total(gs, moved)
    assert abs(total(ts, pulled) - expected) < 1e-10 * (1 + abs(expected))
    if not second:
        return

    def gradient(*a):
        return cr.vjp(f, *a)[1](gs)

    def tangent(*a):
        return cr.jvp(f, a, tuple(ts))[1]

    (expected,) = slopes(lambda *a: [total(gs, tangent(*a))], xs, us)
    found = {
        "forward over reverse": total(ts, cr.jvp(gradient, tuple(xs), tuple(us))[1]),
        "reverse over reverse": total(us, cr.vjp(gradient, *xs)[1](tuple(ts))),
        "forward over forward": total(gs, cr.jvp(tangent, tuple(xs), tuple(us))[1]),
        "reverse over forward": total(us, cr.vjp(tangent, *xs)[1](gs)),
    }
    for mode, value in found.items():
        assert abs(value - expected) < second * (1 + abs(expected)), mode
        assert abs(value - found["forward over reverse"]) < 1e-8 * (1 + abs(expected)), mode


# --- the table ------------------------------------------------------------------------------------------------------------


@cases
@dtypes
def test_value_is_scipys(name, dtype, rng):
    make, f, ref = CASES[name]
    args = make(rng, dtype)
    for found, expected in zip(flat(f(*args)), flat(ref(*args)), strict=True):
        close(found, expected, 1e-12)
        assert name in DIFFER or np.asarray(found).dtype == np.asarray(expected).dtype


@cases
@dtypes
def test_derivatives(name, dtype, rng):
    make, f, _ = CASES[name]
    check_derivatives(rng, f, *make(rng, dtype))


@cases
@dtypes
def test_single_precision(name, dtype, rng):
    if name in MIXED:
        return
    make, f, _ = CASES[name]
    args, f = make(rng, dtype), inexact(f)
    narrow = [a.astype(NARROW[dtype]) for a in args]
    values = f(*narrow)
    for found, expected in zip(values, f(*args), strict=True):
        assert found.dtype == (np.complex64 if expected.dtype == C128 else np.float32)
        close(found, expected, 1e-3)
    gs = [like(rng, v) for v in values]
    pulled, expected = cr.vjp(f, *narrow)[1](gs), cr.vjp(f, *args)[1](gs)
    for found, wide, x in zip(pulled, expected, narrow, strict=True):
        assert found.dtype == x.dtype
        close(found, wide, 3e-3)


@cases
def test_vmap_is_a_loop(name, rng):
    make, f, _ = CASES[name]
    stacks = [np.stack(xs) for xs in zip(*(make(rng, F64) for _ in range(3)), strict=True)]
    if name in ("orth", "null_space", "subspace_angles"):
        with pytest.raises(cr.errors.ArgumentError, match="rank"):
            cr.vmap(f)(*stacks)
        return
    loop = zip(*(flat(f(*(s[k] for s in stacks))) for k in range(3)), strict=True)
    for found, expected in zip(flat(cr.vmap(f)(*stacks)), loop, strict=True):
        close(found, np.stack(expected), 1e-12)


@cases
def test_compiled(name, rng):
    make, f, _ = CASES[name]
    args, f = make(rng, F64), inexact(f)
    gs = [like(rng, v) for v in f(*args)]

    def step(*a):
        values, pull = cr.vjp(f, *a)
        return [*values, *pull(gs)]

    compiled = cr.compile(step)
    for found, expected in zip(compiled(*args), step(*args), strict=True):
        close(found, expected, 1e-12)
    other = make(rng, F64)  # the same program for other numbers
    for found, expected in zip(compiled(*other), step(*other), strict=True):
        close(found, expected, 1e-12)


STACKED = {
    "expm": lambda rng, d: (right(rng, 2, d, 2, 1),),
    "logm": lambda rng, d: (right(rng, 2, d, 2, 1),),
    "sqrtm": lambda rng, d: (right(rng, 2, d, 2, 1),),
    "signm": lambda rng, d: (right(rng, 2, d, 2, 1),),
    "schur": lambda rng, d: (np.stack([np.diag([1.0, 3.0]) + 0.1 * k for k in range(1, 4)]).astype(d),),
    "hessenberg": lambda rng, d: (right(rng, 3, d, 2),),
    "lu": lambda rng, d: (right(rng, 2, d, 2, 1),),
    "lu_factor": lambda rng, d: (right(rng, 2, d, 2, 1),),
    "solve_sylvester": lambda rng, d: (right(rng, 2, d, 3, 1), right(rng, 2, d), normal(rng, 2, 2, 2, dtype=d)),
    "solve_discrete_lyapunov": lambda rng, d: (right(rng, 2, d, 3, shift=0.2, size=0.1), normal(rng, 2, 2, dtype=d)),
    "polar": lambda rng, d: (normal(rng, 2, 3, 2, dtype=d),),
    "solve_toeplitz": lambda rng, d: (vector(rng, 3, d, 2, 1), normal(rng, 3, 2, dtype=d)),
    "matmul_toeplitz": lambda rng, d: (vector(rng, 3, d, 2, 1), normal(rng, 3, 2, dtype=d)),
    "solveh_banded": lambda rng, d: (np.stack([half_bands(rng, 1, 3, d, False)] * 2), normal(rng, 3, dtype=d)),
    "cholesky_banded": lambda rng, d: (np.stack([half_bands(rng, 1, 3, d, False)] * 2),),
}


@pytest.mark.parametrize("name", STACKED)
@pytest.mark.parametrize("dtype", [F64, C128])
def test_stacks_are_loops(name, dtype, rng):
    args, f = STACKED[name](rng, dtype), getattr(cl, name)
    cores = {"solve_toeplitz": (1, 2), "matmul_toeplitz": (1, 2), "solveh_banded": (2, 1)}.get(name, (2,) * len(args))
    lead = np.broadcast_shapes(*(a.shape[: a.ndim - c] for a, c in zip(args, cores, strict=True)))
    spread = [np.broadcast_to(a, (*lead, *a.shape[a.ndim - c :])) for a, c in zip(args, cores, strict=True)]
    outs = flat(f(*args))
    for i in np.ndindex(lead):
        for found, expected in zip(outs, flat(f(*(a[i] for a in spread))), strict=True):
            close(np.broadcast_to(found, (*lead, *expected.shape))[i], expected, 1e-12)
    if not (name == "schur" and dtype is C128):
        check_derivatives(rng, f, *args)


@pytest.mark.parametrize(
    "name", ["expm", "logm", "sqrtm", "signm", "cosm", "tanm", "schur", "hessenberg", "lu", "lu_factor", "polar"]
)
def test_empty(name):
    f = inexact(getattr(cl, name))
    for shape in ((0, 0), (3, 0, 0), (0, 2, 2)):
        x = np.zeros(shape)
        values, moved = cr.jvp(f, (x,), (x,))
        assert all(v.size == 0 and v.shape[: len(shape) - 2] == shape[:-2] for v in values)
        assert [m.shape for m in moved] == [v.shape for v in values]
        assert cr.vjp(f, x)[1](values)[0].shape == shape
    assert cl.solve_sylvester(np.zeros((0, 0)), np.eye(2), np.zeros((0, 2))).shape == (0, 2)
    assert cl.solve_banded((1, 1), np.zeros((3, 0)), np.zeros(0)).shape == (0,)
    assert cl.solve_toeplitz(np.zeros(0), np.zeros((0, 2))).shape == (0, 2)
    assert cl.block_diag(np.zeros((0, 2)), [[1.0]]).shape == (1, 3)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 5), st.integers(0, 5), st.booleans())
def test_lu_of_any_shape(seed, m, n, complex):
    rng = np.random.default_rng(seed)
    a = normal(rng, m, n, dtype=C128 if complex else F64)
    p, lower, upper = cl.lu(a)
    close(p @ lower @ upper, a, 1e-12)
    t = like(rng, a)
    _, moved = cr.jvp(lambda a: np.matmul(*cl.lu(a, permute_l=True)), (a,), (t,))
    if np.linalg.cond(a[: min(m, n), : min(m, n)]) < 1e6 if min(m, n) else True:
        close(moved, t, 1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(0, 3), st.integers(0, 3))
def test_banded_systems_of_any_width(seed, n, below, above):
    rng = np.random.default_rng(seed)
    below, above = min(below, n - 1), min(above, n - 1)
    ab, b, t, u = bands(rng, below, above, n, F64), normal(rng, n), normal(rng, below + above + 1, n), normal(rng, n)
    full = [np.zeros((n, n)) for _ in range(2)]
    for dense, stored in zip(full, (ab, t), strict=True):
        for i in range(n):
            for j in range(max(0, i - below), min(n, i + above + 1)):
                dense[i, j] = stored[above + i - j, j]
    x, moved = cr.jvp(lambda ab, b: cl.solve_banded((below, above), ab, b), (ab, b), (t, u))
    close(x, np.linalg.solve(full[0], b), 1e-9)
    close(moved, np.linalg.solve(full[0], u - full[1] @ x), 1e-8)
    pulled = cr.vjp(lambda ab, b: cl.solve_banded((below, above), ab, b), ab, b)[1](u)
    s = np.linalg.solve(full[0].T, u)
    assert abs(inner(t, pulled[0]) + s @ full[1] @ x) < 1e-8 * (1 + abs(s @ full[1] @ x))
    close(pulled[1], s, 1e-8)


# --- functions of matrices ------------------------------------------------------------------------------------------------


def precise(function, a, e, digits=40):
    """Derivative of a matrix function of mpmath along `e`, by differences in many digits."""
    with mpmath.workdps(digits):
        a, e, h = mpmath.matrix(a.tolist()), mpmath.matrix(e.tolist()), mpmath.mpf(10) ** (-digits // 3)
        moved = (function(a + h * e) - function(a - h * e)) / (2 * h)
        return np.array(moved.tolist(), dtype=complex)


@pytest.mark.parametrize("name", ["expm", "logm", "sqrtm", "cosm", "sinm"])
@pytest.mark.parametrize("kind", ["separate", "equal", "one block"])
def test_derivative_in_many_digits(name, kind, rng):
    """Also where eigenvalues repeat, with and without a full set of eigenvectors."""
    if kind == "separate":
        a = right(rng, 3, F64)
    else:
        q = np.linalg.qr(normal(rng, 3, 3))[0]
        a = q @ (np.diag([2.0, 2.0, 3.0]) if kind == "equal" else 2 * np.eye(3) + np.diag([1.0, 1.0], 1)) @ q.T
    t, g = normal(rng, 3, 3), normal(rng, 3, 3)
    f = getattr(cl, name)
    if name in ("logm", "sqrtm"):  # of a little disturbed matrices, which mpmath's iterations take
        expected = precise(lambda x: mpmath.sqrtm(x) if name == "sqrtm" else mpmath.logm(x), a, t).real
    else:
        expected = precise(getattr(mpmath, name), a, t).real
    moved = cr.jvp(f, (a,), (t,))[1]
    close(moved, expected, 1e-9)
    assert abs(inner(g, expected) - inner(cr.vjp(f, a)[1](g)[0], t)) < 1e-9 * (1 + abs(inner(g, expected)))


@pytest.mark.parametrize("name", ["expm", "logm", "sqrtm", "signm"])
def test_second_order_at_repeated_eigenvalues(name, rng):
    f = getattr(cl, name)
    check_derivatives(rng, f, 2 * np.eye(3))
    check_derivatives(rng, f, 2 * np.eye(3) + np.diag([1.0, 1.0], 1))
    check_derivatives(rng, f, positive(rng, 3, 3, dtype=C128) * 0 + 3 * np.eye(3, dtype=C128))


@pytest.mark.parametrize("dtype", [F64, C128])
def test_compositions_agree_with_scipy(dtype, rng):
    bands = normal(rng, 3, 5, dtype=dtype)
    bands[-1] = bands[-1].real
    for lower in (False, True):
        b = bands[::-1] if lower else bands
        close(cl.eigvals_banded(b, lower=lower), sl.eigvals_banded(b, lower=lower), 1e-12)
        close(cl.eigvals_banded(b, lower, select="i", select_range=(1, 2)), sl.eigvals_banded(b, lower)[1:3], 1e-12)
        close(abs(cl.eig_banded(b, lower=lower)[1]), abs(sl.eig_banded(b, lower=lower)[1]), 1e-10)
        check_first(rng, lambda z, lower=lower: cl.eigvals_banded(z, lower) ** 2, b)
    for shape in ((3, 5), (5, 3), (4, 4)):
        a = normal(rng, *shape, dtype=dtype)
        for mode in ("full", "economic"):
            for found, expected in zip(cl.rq(a, mode=mode), sl.rq(a, mode=mode), strict=True):
                assert found.shape == expected.shape
            r, q = cl.rq(a, mode=mode)
            close(r @ q, a, 1e-12)
            k = min(shape)  # what is determined
            close(abs(r[:, -k:]), abs(sl.rq(a, mode=mode)[0][:, -k:]), 1e-10)
        assert cl.rq(a, mode="r").shape == sl.rq(a, mode="r").shape
    check_first(rng, lambda z: cl.rq(z, mode="economic")[0] ** 2, normal(rng, 3, 5))
    a = positive(rng, 4, 4, dtype=dtype)
    close(cl.pinvh(a), sl.pinvh(a), 1e-12)
    close(cl.pinvh(np.triu(a), lower=False), sl.pinvh(a), 1e-12)
    assert cl.pinvh(a, return_rank=True)[1] == 4
    assert cl.ishermitian(a) == sl.ishermitian(a) and cl.issymmetric(a) == sl.issymmetric(a)
    assert cl.ishermitian(a + 1e-12, atol=1e-9) and not cl.issymmetric(np.triu(a))


@pytest.mark.parametrize("dtype", [F64, C128])
@pytest.mark.parametrize(
    "kind", ["gen", "sym", "her", "pos", "lower triangular", "upper triangular", "diagonal", "tridiagonal"]
)
def test_solve_takes_scipys_arguments(kind, dtype, rng):
    a, b = positive(rng, 4, 4, dtype=dtype), normal(rng, 4, 2, dtype=dtype)
    a = np.diag(np.diag(a)) if kind == "diagonal" else np.triu(np.tril(a, 1), -1) if kind == "tridiagonal" else a
    a = np.tril(a) if kind == "lower triangular" else np.triu(a) if kind == "upper triangular" else a
    a = (a + a.T) / 2 if kind == "sym" else a
    for lower in (False, True):
        options = {"assume_a": kind, "lower": lower, "check_finite": False, "overwrite_a": False}
        close(cl.solve(a, b, **options), sl.solve(a, b, **options), 1e-10)
        check_first(rng, lambda z, options=options: cl.solve(z, b, **options), a)
    if kind not in ("sym", "her", "pos"):
        close(cl.solve(a, b, assume_a=kind, transposed=True), np.linalg.solve(a.T, b), 1e-10)


def test_scipys_arguments_are_accepted(rng):
    a, b = positive(rng, 3, 3), normal(rng, 3)
    close(cl.cho_solve(cl.cho_factor(a, False, True, False), b, overwrite_b=True, check_finite=False), sl.solve(a, b), 1e-12)
    close(
        cl.solve_triangular(np.tril(a), b, lower=True, check_finite=False),
        sl.solve_triangular(np.tril(a), b, lower=True),
        1e-12,
    )
    close(cl.inv(a, overwrite_a=True), sl.inv(a), 1e-12)
    close(cl.det(a, check_finite=False), sl.det(a), 1e-12)
    with pytest.raises(ValueError, match="structure"):
        cl.solve(a, b, assume_a="nonsense")


def test_tridiagonal_and_complex_schur(rng):
    d, e = normal(rng, 5), normal(rng, 4)
    close(cl.eigvalsh_tridiagonal(d, e), sl.eigvalsh_tridiagonal(d, e), 1e-12)
    close(abs(cl.eigh_tridiagonal(d, e)[1]), abs(sl.eigh_tridiagonal(d, e)[1]), 1e-10)
    check_first(rng, lambda x: cl.eigvalsh_tridiagonal(x, e) ** 2, d)
    check_second(rng, lambda x: cl.eigvalsh_tridiagonal(d, x) ** 2, e)
    every = cl.eigvalsh_tridiagonal(d, e)
    close(cl.eigvalsh_tridiagonal(d, e, select="v", select_range=(-1, 1)), every[(every > -1) & (every <= 1)], 1e-12)
    with pytest.raises(cr.errors.UnsupportedError, match="select='i'"):
        cr.grad(lambda x: cl.eigvalsh_tridiagonal(x, e, select="v", select_range=(-1, 1)).sum())(d)
    a = normal(rng, 4, 4)
    t, z = cl.rsf2csf(*sl.schur(a))
    close(z @ t @ z.conj().T, a, 1e-12)
    close(np.poly(np.diag(t)), np.poly(np.diag(sl.rsf2csf(*sl.schur(a))[0])), 1e-10)
    assert np.abs(np.tril(t, -1)).max() < 1e-12
    close(cl.diagsvd(d[:2], 3, 2), sl.diagsvd(d[:2], 3, 2), 1e-15)


JORDAN = np.array([[1.0, 1, 0], [0, 1, 1], [0, 0, 1]])


@pytest.mark.parametrize(
    "a",
    [
        JORDAN,
        np.eye(3),
        np.diag([1, 1 + 1e-9, 2, 2.0001]) + np.triu(np.ones((4, 4)), 1),
        np.array([[0.0, 1], [-1, 0]]),
        1e-6 * np.array([[1.0, 2], [3, 4]]),
        np.stack([JORDAN, np.diag([1.0, 2, 2])]),
        np.eye(2, dtype=C128) * (1 + 1j),
        np.zeros((0, 0)),
    ],
    ids=lambda a: f"{a.dtype}{list(a.shape)}",
)
def test_functions_of_matrices(a, rng):
    """Of matrices with repeated, close, complex or too few eigenvalues, against the functions that have a name."""
    for f, named in ((np.exp, cl.expm), (np.cos, cl.cosm), (lambda x: np.sinh(x) / 2, lambda a: cl.sinhm(a) / 2)):
        close(cl.funm(a, f), named(a), 1e-12)
        assert cl.funm(a, f).dtype == a.dtype
    if a.size:
        check_first(rng, lambda z: cl.funm(z, lambda x: np.sin(x) * cr.exp(0.3 * x)), a)
        check_second(rng, lambda z: cl.funm(z, lambda x: np.sin(x) * cr.exp(0.3 * x)), a)


def test_functions_of_matrices_in_programs(rng):
    a, t = np.stack([JORDAN, np.eye(3)]), normal(rng, 3, 3)
    gradient = cr.grad(lambda z: (cl.funm(z, np.exp) * t).sum())
    close(cr.vmap(gradient)(a), gradient(a), 1e-12)
    close(cr.compile(gradient)(a), cr.grad(lambda z: (cl.expm(z) * t).sum())(a), 1e-10)
    close(nested(lambda z: cl.funm(z, cr.log), np.eye(3), 0.5 * t, 4), -6 * np.linalg.matrix_power(0.5 * t, 4), 1e-9)
    assert cl.funm(np.array([[0.0, 1], [1, 0]]), cr.emath.log if hasattr(cr, "emath") else np.log).dtype == C128
    value, error = cl.funm(JORDAN, np.exp, disp=False)
    assert error < 1e-10
    close(value, sl.expm(JORDAN), 1e-12)
    with pytest.raises(TypeError, match="expected a function"):
        cl.funm(JORDAN, 3.0)
    with pytest.raises(cr.errors.LostDerivativeError, match="matrix alone"):
        cr.grad(lambda c: cl.funm(JORDAN, lambda x: x * c).sum())(2.0)


def nested(f, x, t, order):
    """The derivative of that order along t, by nested jvp."""
    g = f
    for _ in range(order):
        g = lambda x, g=g: cr.jvp(g, (x,), (t,))[1]  # noqa: E731
    return g(x)


def test_taylor_series_by_nested_jvp(rng):
    """Fourth derivatives along a line through the unit matrix, where functions of one number say what they are."""
    one, n = np.eye(2), np.array([[0.3, 0.7], [0.2, 0.5]])
    power = np.linalg.matrix_power(n, 4)
    close(nested(cl.expm, one, n, 4), np.e * power, 1e-11)
    close(nested(cl.logm, one, n, 4), -6 * power, 1e-10)
    close(nested(cl.sqrtm, one, n, 4), -15 / 16 * power, 1e-10)
    close(nested(lambda a: cl.fractional_matrix_power(a, 0.3), one, n, 4), 0.3 * -0.7 * -1.7 * -2.7 * power, 1e-10)

    def taylor(f, x, t, order=4, h=0.05):
        """f at x + h t from its derivatives at x."""
        terms = (nested(f, x, t, k) * h**k / np.prod(np.arange(1.0, k + 1)) for k in range(order + 1))
        return sum(terms, np.zeros_like(x))

    a, t = positive(rng, 3, 3), 0.1 * hermitian(normal(rng, 3, 3))
    for f in (cl.cholesky, cl.sqrtm, lambda a: cl.lu(a)[2], lambda a: cl.polar(a)[1]):
        close(taylor(f, a, t), f(a + 0.05 * t), 1e-9)
    separate = np.array([[1.0, 0.2, 0.1], [0.3, 3.0, -0.2], [0.1, 0.2, 6.0]])
    close(taylor(lambda a: cl.schur(a)[0], separate, t), cl.schur(separate + 0.05 * t)[0], 1e-8)


@pytest.mark.parametrize("dtype", [F64, C128, np.float32, np.complex64])
def test_exponentials_of_many_matrices_at_once(dtype, rng):
    """They are computed together, each with the scaling that it needs."""
    sizes = np.geomspace(1e-6, 30, 40)[:, None, None]
    a = (normal(rng, 40, 3, 3, dtype=C128 if np.dtype(dtype).kind == "c" else F64) * sizes).astype(dtype)
    a[7] = 0
    a[8] = np.diag([1.0, 1.0], 1)
    tol = 1e-3 if np.finfo(dtype).bits == 32 else 1e-12
    found, t = cl.expm(a), like(rng, a)
    assert found.dtype == dtype
    for x, e, m, s in zip(a, found, cr.jvp(cl.expm, (a,), (t,))[1], t, strict=True):
        wide, direction = (z.astype(np.result_type(z, F64)) for z in (x, s))
        expected, moved = sl.expm_frechet(wide, direction)
        np.testing.assert_allclose(e, expected, rtol=tol, atol=tol * np.abs(expected).max())
        np.testing.assert_allclose(m, moved, rtol=tol, atol=tol * np.abs(moved).max())


CUT = np.array([[-1.0, 2.0, 0.0], [0.0, 3.0, 1.0], [0.5, 0.0, 1.0]])  # one eigenvalue is negative


@pytest.mark.parametrize("name", ["logm", "sqrtm", "fractional_matrix_power"])
def test_real_matrix_with_a_negative_eigenvalue(name, rng):
    more = (0.3,) if name == "fractional_matrix_power" else ()
    f = lambda a: getattr(cl, name)(a, *more)  # noqa: E731
    assert f(CUT).dtype == C128 and f(np.eye(3) + 0.1 * CUT).dtype == F64
    close(f(CUT), getattr(sl, name)(CUT, *more), 1e-12)
    check_derivatives(rng, f, CUT)
    t = normal(rng, 3, 3)
    moved = cr.jvp(f, (CUT,), (t,))[1]
    close(cr.jvp(f, (CUT.astype(complex),), (t.astype(complex),))[1], moved, 1e-9)
    assert np.isnan(cr.vmap(f)(np.stack([CUT, np.eye(3)]))).all((1, 2)).tolist() == [True, False]


def test_the_dtype_is_a_decision_of_a_compiled_program(rng):
    step = cr.compile(lambda a: cr.grad(lambda a: cr.real(cl.logm(a)).sum())(a))
    for a in (np.eye(3) + 0.1 * CUT, CUT, np.eye(3) + 0.2 * CUT, CUT + 0.01):
        close(step(a), cr.grad(lambda a: cr.real(cl.logm(a)).sum())(a), 1e-12)


def test_power_of_a_matrix_in_the_power(rng):
    a = right(rng, 3, F64)
    check_derivatives(rng, cl.fractional_matrix_power, a, np.array(0.4))
    close(cr.jacfwd(lambda t: cl.fractional_matrix_power(a, t))(2.0), sl.logm(a) @ a @ a, 1e-10)


def test_large_and_small_directions_do_not_disturb(rng):
    a, e = right(rng, 3, F64), normal(rng, 3, 3)
    for f in (cl.expm, cl.logm):
        moved = cr.jvp(f, (a,), (e,))[1]
        for size in (1e-200, 1e-8, 1e8, 1e200):
            close(cr.jvp(f, (a,), (size * e,))[1] / size, moved, 1e-12)


def test_singular_square_root():
    """The derivative is infinite, and not asked for where the cotangent is zero."""
    with pytest.warns(RuntimeWarning):
        assert np.allclose(cl.sqrtm(np.diag([4.0, 0.0])), np.diag([2.0, 0.0]))


# --- decompositions -------------------------------------------------------------------------------------------------------


def smooth(f, a, rng):
    """Whether LAPACK's choice of signs and order is the same around `a`."""
    value = f(a)
    steps = (f(a + 3e-3 * like(rng, a)) for _ in range(20))
    return all(np.abs(p - q).max(initial=0) < 0.3 for step in steps for p, q in zip(value, step, strict=True))


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_real_schur_form(n, rng):
    """Both factors, with blocks of two, whose form LAPACK fixes: their diagonals are constant."""
    seen = set()
    while len(seen) < 2:
        a = normal(rng, n, n)
        t, _ = cl.schur(a)
        pairs = np.count_nonzero(np.diagonal(t, -1))
        if pairs in seen or not smooth(cl.schur, a, rng):
            continue
        seen.add(pairs)
        np.testing.assert_array_equal(t, sl.schur(a)[0])
        check_derivatives(rng, cl.schur, a)


@pytest.mark.parametrize("sort", ["lhp", "rhp", "iuc", "ouc", lambda x, y: x > 0.1])
def test_sorted_schur_form(sort, rng):
    f = lambda a: cl.schur(a, sort=sort)[:2]  # noqa: E731
    a = normal(rng, 4, 4)
    while not smooth(f, a, rng):
        a = normal(rng, 4, 4)
    found, expected = cl.schur(a, sort=sort), sl.schur(a, sort=sort)
    assert found[2] == expected[2]
    close(found[0], expected[0], 1e-13)
    check_derivatives(rng, f, a)


@pytest.mark.parametrize("values", [(1, 1, 2, 2), (1, 1, 1, 1), (3, 1, 1, 1)])
@dtypes
@pytest.mark.parametrize("output", ["real", "complex"])
def test_schur_form_of_repeated_eigenvalues(values, dtype, output, rng):
    """What does not depend on the basis has the right derivatives."""
    q = np.linalg.qr(normal(rng, 4, 4, dtype=dtype))[0]
    a = (q * np.array(values, float)) @ q.conj().T

    def cube(a):
        t, z = cl.schur(a, output)
        return z @ t @ t @ t @ adjoint(z)

    check_derivatives(rng, cube, a)
    t = normal(rng, 4, 4, dtype=dtype)
    close(cr.jvp(cube, (a,), (t,))[1], t @ a @ a + a @ t @ a + a @ a @ t, 1e-8)


def test_schur_form_of_rotations(rng):
    """Blocks of two that may be turned freely."""
    a = np.array([[1.0, 2.0, 0.0], [-2.0, 1.0, 0.0], [0.0, 0.0, 3.0]])
    check_derivatives(rng, lambda a: (lambda t, z: z @ t @ t @ z.T)(*cl.schur(a)), a)
    close(cr.grad(lambda a: cr.trace(cl.schur(a)[0] @ cl.schur(a)[0]))(a), 2 * a.T, 1e-12)


def test_hessenberg_form_that_is_one_already(rng):
    h = np.triu(normal(rng, 4, 4), -1)
    found, _ = cl.hessenberg(h, calc_q=True)
    close(found, sl.hessenberg(h), 1e-14)
    assert np.isfinite(cr.grad(lambda a: (cl.hessenberg(a) ** 2).sum())(h)).all()


def test_lu_with_a_last_pivot_of_zero(rng):
    a = np.array([[1.0, 2.0], [3.0, 6.0]])
    t = normal(rng, 2, 2)
    moved = cr.jvp(lambda a: cl.lu(a)[2], (a,), (t,))[1]
    close(moved, slopes(lambda a: [cl.lu(a)[2]], [a], [t])[0], 1e-9)
    close(cr.grad(lambda a: (cl.lu(a)[2] * np.eye(2)).sum(-1).prod())(np.eye(2)), np.eye(2), 1e-12)
    with pytest.warns(RuntimeWarning, match="Diagonal number 2 is exactly zero"):
        factor = cl.lu_factor(a)
    with pytest.raises(LinAlgError, match="Singular"):
        cl.lu_solve(factor, np.ones(2))


def test_polar_factors_of_repeated_singular_values(rng):
    for dtype in (F64, C128):
        q = np.linalg.qr(normal(rng, 3, 3, dtype=dtype))[0]
        check_derivatives(rng, cl.polar, 2 * q)
        check_derivatives(rng, cl.orthogonal_procrustes, q, 3 * np.eye(3, dtype=dtype))


def test_angles_between_near_subspaces(rng):
    a = normal(rng, 5, 2)
    b = np.concatenate([a[:, :1] + 0.1 * normal(rng, 5, 1), normal(rng, 5, 1)], 1)
    close(cl.subspace_angles(a, b), sl.subspace_angles(a, b), 1e-12)
    check_derivatives(rng, cl.subspace_angles, a, b, tol=1e-6, second=1e-4)


def test_riccati_equations_that_scipy_fails_on_when_it_balances(rng):
    """Whatever SciPy makes of them, the equation holds."""
    for _ in range(40):
        a, b, e = normal(rng, 3, 3), normal(rng, 3, 2), np.eye(3) + 0.1 * normal(rng, 3, 3)
        x = cl.solve_discrete_are(a, b, np.eye(3), np.eye(2), e)
        k = np.linalg.solve(np.eye(2) + b.T @ x @ b, b.T @ x @ a)
        close(a.T @ x @ a - e.T @ x @ e - a.T @ x @ b @ k, -np.eye(3), 1e-8)


# --- errors ---------------------------------------------------------------------------------------------------------------

NAN, WIDE, SQUARE = np.full((2, 2), np.nan), np.ones((2, 3)), np.eye(2)


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: cl.expm(WIDE), LinAlgError, "square"),
        (lambda: cl.expm(np.ones(3)), LinAlgError, "two-dimensional"),
        (lambda: cl.expm(NAN), ValueError, "infs or NaNs"),
        (lambda: cl.logm(NAN), ValueError, "infs or NaNs"),
        (lambda: cl.sqrtm(WIDE), LinAlgError, "square"),
        (lambda: cl.expm(np.array([["a"]])), TypeError, "unsupported"),
        (lambda: cl.expm_frechet(SQUARE, np.eye(3)), ValueError, "same shape"),
        (lambda: cl.signm(np.diag([1.0, 0.0])), LinAlgError, "imaginary axis"),
        (lambda: cl.signm(np.array([[0.0, 1.0], [-1.0, 0.0]])), LinAlgError, "imaginary axis"),
        (lambda: cl.fractional_matrix_power(np.zeros((2, 2)), -1), LinAlgError, "Singular"),
        (lambda: cl.schur(WIDE), LinAlgError, "square"),
        (lambda: cl.schur(NAN), ValueError, "infs or NaNs"),
        (lambda: cl.schur(SQUARE, "imaginary"), ValueError, "output"),
        (lambda: cl.schur(SQUARE, sort="up"), ValueError, "sort"),
        (lambda: cl.lu(NAN), ValueError, "infs or NaNs"),
        (lambda: cl.lu_factor(np.ones(2)), LinAlgError, "two-dimensional"),
        (lambda: cl.lu_solve((SQUARE, np.arange(2)), np.ones(3)), ValueError, "rows"),
        (lambda: cl.lu_solve((SQUARE, np.arange(3)), np.ones(2)), LinAlgError, "pivots"),
        (lambda: cl.lu_solve((SQUARE, np.arange(2)), np.ones(2), 3), ValueError, "trans"),
        (lambda: cl.solve_sylvester(WIDE, SQUARE, SQUARE), LinAlgError, "square"),
        (lambda: cl.solve_sylvester(SQUARE, SQUARE, WIDE), ValueError, "rows"),
        (lambda: cl.solve_continuous_lyapunov(SQUARE, np.eye(3)), ValueError, "same size"),
        (lambda: cl.solve_discrete_lyapunov(SQUARE / 2, SQUARE, "fast"), ValueError, "Unknown solver"),
        (lambda: cl.solve_discrete_lyapunov(SQUARE, SQUARE), LinAlgError, "singular"),
        (lambda: cl.solve_continuous_are(SQUARE, np.ones((3, 1)), SQUARE, SQUARE), ValueError, "sizes"),
        (lambda: cl.solve_continuous_are(SQUARE, SQUARE, np.triu(np.ones((2, 2))), SQUARE), ValueError, "symmetric"),
        (lambda: cl.solve_continuous_are(SQUARE, np.zeros((2, 1)), SQUARE, 1.0), LinAlgError, "Failed to find|too close"),
        (lambda: cl.solve_banded((1, 1), np.ones((2, 3)), np.ones(3)), ValueError, "rows of `ab`"),
        (lambda: cl.solve_banded((1, 1), np.ones((3, 3)), np.ones(2)), ValueError, "fit the matrix"),
        (lambda: cl.solve_banded((0, 0), np.zeros((1, 2)), np.ones(2)), LinAlgError, "singular"),
        (lambda: cl.solveh_banded(-np.ones((2, 3)), np.ones(3)), LinAlgError, "not positive definite"),
        (lambda: cl.cholesky_banded(-np.ones((2, 3))), LinAlgError, "not positive definite"),
        (lambda: cl.solve_toeplitz((np.ones(2), np.ones(3)), np.ones(2)), ValueError, "Incompatible dimensions"),
        (lambda: cl.solve_toeplitz(np.zeros(2), np.ones(2)), LinAlgError, "Singular principal minor"),
        (lambda: cl.solve_circulant(np.ones(3), np.ones(3)), LinAlgError, "near singular"),
        (lambda: cl.solve_circulant(np.ones(3), np.ones(2)), ValueError, "incompatible"),
        (lambda: cl.companion([1.0]), ValueError, "at least 2"),
        (lambda: cl.companion([0.0, 1.0]), ValueError, "must not be zero"),
        (lambda: cl.fiedler_companion([0.0, 1.0, 2.0]), ValueError, "Leading coefficient"),
        (lambda: cl.leslie([1.0, 2.0], [1.0, 2.0]), ValueError, "Incorrect lengths"),
        (lambda: cl.convolution_matrix([1.0], 0), ValueError, "positive"),
        (lambda: cl.convolution_matrix([1.0], 2, "some"), ValueError, "mode"),
        (lambda: cl.khatri_rao(SQUARE, WIDE), ValueError, "equally many columns"),
        (lambda: cl.polar(SQUARE, "up"), ValueError, "side"),
        (lambda: cl.orthogonal_procrustes(SQUARE, WIDE), ValueError, "shapes of A and B differ"),
        (lambda: cl.subspace_angles(SQUARE, np.ones((3, 2))), ValueError, "number of rows"),
    ],
)
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_errors_in_transforms():
    with pytest.raises(ValueError, match="infs or NaNs"):
        cr.grad(lambda a: cl.expm(a).sum())(NAN)
    with pytest.raises(LinAlgError, match="singular"):
        cr.jvp(lambda b: cl.solve_banded((0, 0), np.zeros((1, 2)), b), (np.ones(2),), (np.ones(2),))


# --- SciPy's own functions on Tensors -------------------------------------------------------------------------------------


PROGRAM = """
import numpy as np, scipy.linalg as sl
import chainrule as cr

F = {
    "block_diag": lambda x: sl.block_diag(x, 2 * x),
    "fiedler": lambda x: sl.fiedler(x[0]),
    "orthogonal_procrustes": lambda x: sl.orthogonal_procrustes(x, x @ x)[0],
    "solve_circulant": lambda x: sl.solve_circulant(x[0] + 5 * np.eye(3)[0], np.arange(3.0)),
}
rng = np.random.default_rng(0)
a, t = 2 * np.eye(3) + 0.4 * rng.normal(size=(3, 3)), rng.normal(size=(3, 3))
for name, f in F.items():
    value, moved = cr.jvp(f, (a,), (t,))
    assert np.allclose(value, f(a)), name
    assert np.allclose(moved, (f(a + 1e-5 * t) - f(a - 1e-5 * t)) / 2e-5, atol=1e-8), name
    g = rng.normal(size=value.shape)
    assert np.isclose(np.sum(g * moved), np.sum(cr.vjp(f, a)[1](g)[0] * t)), name
"""


def test_scipys_functions_that_take_arrays_of_others():
    """Where SciPy follows the Array API, which has to be asked for before SciPy is imported."""
    environment = {**os.environ, "SCIPY_ARRAY_API": "1"}
    run = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_scipys_other_functions_say_that_they_lose_the_derivative():
    with pytest.raises(cr.errors.LostDerivativeError, match="would lose its derivative"):
        cr.grad(lambda a: sl.expm(a).sum())(np.eye(2))
