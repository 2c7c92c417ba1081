"""Schur, Hessenberg, LU and polar forms where they are not unique, and the equations solved by them."""

import numpy as np
import pytest
import scipy.linalg as sl
from linalg_tools import adjoint, like, normal
from numpy.linalg import LinAlgError
from scipy_linalg_cases import C128, F64, check_derivatives, close, dtypes, slopes

import chainrule as cr
import chainrule.linalg as cl


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
