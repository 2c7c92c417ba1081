"""Functions of matrices: derivatives at repeated eigenvalues and on branch cuts, high orders, and `funm`."""

import mpmath
import numpy as np
import pytest
import scipy.linalg as sl
from linalg_tools import check_first, check_second, inner, like, normal, positive
from scipy_linalg_cases import C128, F64, check_derivatives, close, hermitian, right

import chainrule as cr
import chainrule.linalg as cl


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
