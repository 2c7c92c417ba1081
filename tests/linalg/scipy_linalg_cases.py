"""What tests of functions in scipy.linalg's names share: cases, makers of arguments, and checks of derivatives."""

import numpy as np
import pytest
import scipy.linalg as sl
from linalg_tools import adjoint, inner, like, normal, positive

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
    **{
        f"ldl, {'lower' if lower else 'upper'}": of_both(
            lambda rng, d: (normal(rng, 4, 4, dtype=d),),
            lambda m, a, lower=lower: m.ldl(hermitian(a), lower=lower),
        )
        for lower in (True, False)
    },
    "ldl, symmetric": of_both(lambda rng, d: (normal(rng, 4, 4, dtype=d),), lambda m, a: m.ldl(a + a.T, hermitian=False)),
    "matrix_balance": under("matrix_balance", lambda rng, d: (normal(rng, 4, 4, dtype=d) * 8.0 ** np.arange(4),)),
    "orthogonal_procrustes": under("orthogonal_procrustes", TWO),
    "subspace_angles": under("subspace_angles", lambda rng, d: (normal(rng, 5, 2, dtype=d), normal(rng, 5, 3, dtype=d))),
    "orth": of_both(rectangle(4, 2), lambda m, a: projector(m.orth(a))),
    "null_space": of_both(rectangle(2, 4), lambda m, a: projector(m.null_space(a))),
}  # fmt: skip
DIFFER = {"fractional_matrix_power", "fractional_matrix_power, negative"}  # SciPy's dtype depends on values where ours need not

MIXED = {"schur, complex", "solve_circulant, least squares"}  # these have constants in double precision

cases = pytest.mark.parametrize("name", CASES)
dtypes = pytest.mark.parametrize("dtype", [F64, C128])


# --- checks -----------------------------------------------------------------------------------------------------------


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
