"""Arguments of functions in scipy.linalg's names, what they refuse, and SciPy's own functions on Tensors."""

import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.linalg as sl
from linalg_tools import check_first, check_second, normal, positive
from numpy.linalg import LinAlgError
from scipy_linalg_cases import C128, F64, close

import chainrule as cr
import chainrule.linalg as cl


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


def test_balancing_in_parts():
    a = np.array([[1.0, 300.0, 0.0], [0.01, 2.0, 0.0], [5.0, 6.0, 3.0]])
    b, (factors, order) = cl.matrix_balance(a, separate=True)
    expected, (scaling, permutation) = sl.matrix_balance(a, separate=True)
    for found, sought in ((b, expected), (factors, scaling), (order, permutation)):
        np.testing.assert_array_equal(found, sought)
    b, t = cl.matrix_balance(cr.tensor(a))
    close(b, np.linalg.solve(t.numpy(), a @ t.numpy()), 1e-14)
