"""cg, bicgstab and gmres: SciPy's iterations; derivatives of the solution in everything that the equation is made of."""

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg as ssl
from linalg_tools import adjoint, check_first, check_second, close, inner, like, normal

import chainrule as cr
import chainrule.linalg as cl

SOLVERS = ("cg", "bicgstab", "gmres")
EXACT = {"rtol": 1e-14}
N = 4
solvers = pytest.mark.parametrize("name", SOLVERS)
dtypes = pytest.mark.parametrize("dtype", [np.float64, np.complex128])


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def matrix(rng, name, dtype=np.float64, n=N):
    """Positive definite for cg, any with eigenvalues in the right half plane for the others."""
    x = normal(rng, n, n, dtype=dtype)
    definite = x @ x.conj().T / n + 2 * np.eye(n)
    return definite if name == "cg" else definite + 0.3 * normal(rng, n, n, dtype=dtype)


def as_given(name, a):
    """What cg is asked about is a function of the Hermitian part."""
    return (a + adjoint(a)) * 0.5 if name == "cg" else a


def solver(name):
    f = getattr(cl, name)
    return lambda *a, **kw: f(*a, **{**EXACT, **kw})[0]


@solvers
@dtypes
def test_solution_is_scipys(name, dtype, rng):
    a, b = matrix(rng, name, dtype), normal(rng, N, dtype=dtype)
    ours, scipys = getattr(cl, name), getattr(ssl, name)
    guess = normal(rng, N, dtype=dtype)
    m = np.linalg.inv(a) + 0.01 * np.eye(N)
    for kw in ({}, {"rtol": 1e-12}, {"x0": guess}, {"M": m}, {"maxiter": 1}, {"atol": 0.1, "rtol": 0.0}):
        (x, info), (expected, flag) = ours(a, b, **kw), scipys(a, b, **kw)
        np.testing.assert_array_equal(x, expected)
        assert info == flag and type(info) is int
    for form in (scipy.sparse.csr_array(a), scipy.sparse.csc_matrix(a), ssl.aslinearoperator(a), lambda v: a @ v):
        close(ours(form, b, **EXACT)[0], np.linalg.solve(a, b), 1e-12)
    close(ours(a, b[:, None])[0], scipys(a, b)[0], 1e-14)
    assert ours(a.astype(np.complex64), b.astype(np.complex64))[0].dtype == np.complex64
    assert ours(np.eye(2), np.array([1, 2]))[0].dtype == np.float64
    assert ours(np.zeros((0, 0)), np.zeros(0))[0].shape == (0,)


def test_callbacks(rng):
    a, b, seen = matrix(rng, "cg"), normal(rng, N), []
    cl.cg(a, b, callback=lambda x: seen.append(x.copy()))
    close(seen[-1], cl.cg(a, b)[0], 1e-12)
    norms, expected = [], []
    cl.gmres(a, b, restart=2, callback=norms.append, callback_type="pr_norm")
    ssl.gmres(a, b, restart=2, callback=expected.append, callback_type="pr_norm")
    assert norms == expected and len(norms) > 2
    count = []
    cr.grad(lambda b: cl.cg(a, b, callback=lambda x: count.append(1))[0].sum())(b)
    assert len(count) == len(seen)  # not of the equations that derivatives come from


@solvers
@dtypes
def test_derivative_in_matrix_and_right_side(name, dtype, rng):
    a, b, f = matrix(rng, name, dtype), normal(rng, N, dtype=dtype), solver(name)
    for g, x in (
        (lambda a: f(as_given(name, a), b), a),
        (lambda b: f(a, b), b),
        (lambda a: f(as_given(name, a), a[0]), a),
        (lambda a: f(as_given(name, a), b, M=np.linalg.inv(a + 0.1), x0=b), a),
    ):
        check_first(rng, g, x)
        check_second(rng, g, x)
    t = normal(rng, N, N, dtype=dtype)
    x, moved = cr.jvp(lambda a: f(as_given(name, a), b), (a,), (t,))
    close(moved, -np.linalg.solve(a, as_given(name, t) @ x), 1e-10)


@solvers
@dtypes
def test_derivative_in_what_a_function_uses(name, dtype, rng):
    a, b, f = matrix(rng, name, dtype), normal(rng, N, dtype=dtype), solver(name)
    w = normal(rng, N)
    for g, x in (
        (lambda a: f(lambda v: as_given(name, a) @ v, b), a),
        (lambda w: f(lambda v: a @ v + np.exp(w) * v, b), w),
        (lambda w: f(lambda v: a @ v + np.exp(w) * v, b * w), w),
        (lambda s: f(lambda v: s * (a @ v), b), np.array(1.7)),
        (lambda w: f(ssl.LinearOperator((N, N), matvec=lambda v: a @ v + w**2 * v, dtype=a.dtype), b), w),
        (lambda w: f(a + np.eye(N) * w**2, b, M=lambda v: v / (w**2 + 2)), w),
    ):
        check_first(rng, g, x)
        check_second(rng, g, x)


@solvers
def test_derivative_in_the_right_side_of_a_sparse_matrix(name, rng):
    a, f = matrix(rng, name, np.complex128), solver(name)
    for form in (scipy.sparse.csr_array(a), ssl.aslinearoperator(a), ssl.aslinearoperator(scipy.sparse.csr_array(a))):
        g = lambda b, form=form: f(form, b, M=scipy.sparse.eye_array(N))  # noqa: E731
        b = normal(rng, N, dtype=np.complex128)
        check_first(rng, g, b)
        check_second(rng, g, b)


def test_third_derivative():
    f = lambda s: cl.gmres(lambda v: s * v, np.ones(2), **EXACT)[0].sum()  # noqa: E731
    assert np.isclose(cr.grad(cr.grad(cr.grad(f)))(2.0), -12 / 2**4, rtol=1e-10)


def test_the_derivative_does_not_depend_on_the_path(rng):
    """From the solution itself no iteration is made."""
    a, b = matrix(rng, "cg"), normal(rng, N)
    x = np.linalg.solve(a, b)
    t = normal(rng, N)
    moved = cr.jvp(lambda b: cl.cg(a, b, x0=x, rtol=1e-12)[0], (b,), (t,))[1]
    close(moved, np.linalg.solve(a, t), 1e-10)
    assert not np.any(cr.grad(lambda x: cl.cg(a, b, x0=x, rtol=1e-12)[0].sum())(x + 1.0))


@solvers
def test_vmap(name, rng):
    f = solver(name)
    a = np.stack([matrix(rng, name) for _ in range(3)])
    b, w = normal(rng, 3, N), normal(rng, 3)
    close(cr.vmap(f)(a, b), np.linalg.solve(a, b[..., None])[..., 0], 1e-10)
    close(cr.vmap(lambda b: f(a[0], b))(b), np.linalg.solve(a[0], b.T).T, 1e-10)
    scaled = cr.vmap(lambda w: f(lambda v: a[0] @ v + w**2 * v, b[0]))(w)
    close(scaled, np.stack([np.linalg.solve(a[0] + np.eye(N) * s**2, b[0]) for s in w]), 1e-10)
    gradients = cr.vmap(cr.grad(lambda b, a: (f(a, b) ** 2).sum()), (0, 0))(b, a)
    expected = [2 * np.linalg.solve(m.T, np.linalg.solve(m, v)) for m, v in zip(a, b, strict=True)]
    close(gradients, np.stack(expected), 1e-10)
    loss = lambda b: cr.vmap(lambda v: f(a[0], v))(b).sum()  # noqa: E731
    close(cr.grad(loss)(b), np.tile(np.linalg.solve(a[0].T, np.ones(N)), (3, 1)), 1e-10)


@solvers
def test_compiled(name, rng):
    f, b = solver(name), normal(rng, N)

    def step(a, w):
        g = lambda a, w: (f(lambda v: as_given(name, a) @ v + w**2 * v, b) ** 2).sum()  # noqa: E731
        return cr.grad(g, argnums=(0, 1))(a, w)

    compiled = cr.compile(step)
    for _ in range(2):
        a, w = matrix(rng, name), normal(rng, N)
        for found, expected in zip(compiled(a, w), step(a, w), strict=True):
            close(found, expected, 1e-12)


def test_inside_of_loops(rng):
    a = matrix(rng, "cg")

    def f(s, loop):
        def body(c, _):
            return cl.cg(lambda v: a @ v + c**2 * v, np.ones(N), **EXACT)[0].sum(), c

        return loop(body, s)

    def plain(body, s):
        for _ in range(3):
            s, _ = body(s, None)
        return s

    def scanned(body, s):
        return cr.scan(body, s, None, length=3)[0]

    expected = cr.grad(lambda s: f(s, plain))(1.3)
    assert np.isclose(cr.grad(lambda s: f(s, scanned))(1.3), expected, rtol=1e-10)
    assert np.isclose(cr.compile(cr.grad(lambda s: f(s, scanned)))(1.3), expected, rtol=1e-10)


def test_tape_and_implicit_functions(rng):
    """A step of Newton's method for a system of equations, as it is used: with the Jacobian as a function."""

    def residual(x, p):
        return x**3 + p * x + np.roll(x, 1) - 1

    def newton(p):
        x = np.zeros(3)
        for _ in range(12):
            product = lambda v, x=x: cr.jvp(lambda y: residual(y, p), (x,), (v,))[1]  # noqa: E731
            x = x - cl.gmres(product, residual(x, p), **EXACT)[0]
        return x

    p = np.array([2.0, 3.0, 4.0])
    x = newton(p)
    assert np.allclose(residual(x, p), 0, atol=1e-12)
    jacobian = np.diag(3 * x**2 + p) + np.roll(np.eye(3), 1, 0)
    close(cr.jacfwd(newton)(p), -np.linalg.solve(jacobian, np.diag(x)), 1e-9)
    close(cr.jacrev(newton)(p), -np.linalg.solve(jacobian, np.diag(x)), 1e-9)
    leaf = cr.tensor(p, requires_grad=True)
    newton(leaf).sum().backward()
    close(leaf.grad.numpy(), -np.linalg.solve(jacobian, np.diag(x)).sum(0), 1e-9)


def decides(a):
    def product(v):
        return a @ v if v[0] > 0 else -(a @ -v)

    return product


def test_functions_that_cannot_be_written_down(rng):
    """They run as in SciPy, and lose no derivative in silence."""
    a, b = matrix(rng, "cg"), normal(rng, N)
    close(cl.cg(decides(a), b)[0], cl.cg(a, b)[0], 1e-14)
    close(cl.cg(a, b, M=decides(np.eye(N)))[0], cl.cg(a, b)[0], 1e-14)
    with pytest.raises(cr.errors.LostDerivativeError):
        cr.grad(lambda b: cl.cg(decides(a), b)[0].sum())(b)
    with pytest.raises(cr.errors.LostDerivativeError):
        cr.grad(lambda a: cl.cg(decides(a), b)[0].sum())(a)


def test_gradient_is_as_accurate_as_asked(rng):
    n = 30
    a, b, g = matrix(rng, "cg", n=n), normal(rng, n), normal(rng, n)
    exact = np.linalg.solve(a, g)
    for rtol in (1e-3, 1e-6, 1e-10):
        found = cr.vjp(lambda b, r=rtol: cl.cg(a, b, rtol=r)[0], b)[1](g)[0]
        assert np.linalg.norm(a @ found - g) <= rtol * np.linalg.norm(g)
        assert np.linalg.norm(found - exact) <= rtol * np.linalg.cond(a) * np.linalg.norm(exact)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: cl.cg(np.ones((2, 3)), np.ones(2)), "incompatible"),
        (lambda: cl.gmres(np.eye(2), np.ones(3)), "incompatible"),
        (lambda: cl.gmres(np.eye(2), np.ones((2, 2))), "incompatible"),
        (lambda: cl.gmres(np.eye(2), np.ones(2), M=np.eye(3)), "incompatible"),
        (lambda: cl.bicgstab(lambda v: v[:1], np.ones(2)), "length of its argument"),
        (lambda: cl.cg(np.eye(2), np.ones(2), x0=np.ones(3)), "x0 are incompatible"),
        (lambda: cl.cg(scipy.sparse.eye_array(3), np.ones(2)), "incompatible"),
        (lambda: cl.cg(np.eye(2), 1.0), "incompatible"),
    ],
)
def test_errors(call, words):
    with pytest.raises(cr.errors.ShapeError, match=words):
        call()


def test_cotangents_are_transposes_for_large_systems(rng):
    """A Poisson equation in two dimensions, written with slices and assignment."""
    n = 12

    def laplace(c):
        def product(v):
            u = np.pad(v.reshape(n, n), 1)
            flow = 4 * u[1:-1, 1:-1] - u[:-2, 1:-1] - u[2:, 1:-1] - u[1:-1, :-2] - u[1:-1, 2:]
            return (flow + c * u[1:-1, 1:-1]).reshape(-1)

        return product

    c, b = np.abs(normal(rng, n, n)), normal(rng, n * n)
    f = lambda c: cl.cg(laplace(c), b, rtol=1e-12)[0]  # noqa: E731
    t = like(rng, c)
    x, moved = cr.jvp(f, (c,), (t,))
    g = normal(rng, n * n)
    assert np.isclose(inner(g, moved), inner(cr.vjp(f, c)[1](g)[0], t), rtol=1e-8)
    step = 1e-4
    close(moved, (f(c + step * t) - f(c - step * t)) / (2 * step), 1e-6)
    assert np.allclose(laplace(c)(x), b, atol=1e-9)
