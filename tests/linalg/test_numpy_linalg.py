"""Every function of numpy.linalg: values, results and errors of NumPy; derivatives of all orders; stacks, vmap, compile."""

import inspect

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from linalg_tools import adjoint, check_first, check_second, close, normal, positive, ranked, regular
from numpy.linalg import LinAlgError

import chainrule as cr

DTYPES = (np.float64, np.complex128, np.float32, np.complex64)


def projector(basis):
    return basis @ adjoint(basis)


def spread(u, s, vh):
    """A function of singular vectors and values that does not depend on the choice of the former."""
    k = s.shape[-1]
    return u[..., :k] @ (cr.sin(s)[..., None] * vh[..., :k, :])


def leaning(u, vh, k):
    """A function of the vectors that complete a basis, by their projector."""
    m, n = u.shape[-1], vh.shape[-1]
    left, right = np.cos(np.arange(m * m)).reshape(m, m), np.sin(np.arange(n * n)).reshape(n, n)
    return projector(u[..., k:]) @ left @ u[..., :k] @ vh[..., :k, :] @ right @ projector(adjoint(vh[..., k:, :]))


def power_sums(w):
    """Of eigenvalues whose order may change."""
    return np.stack([np.sum(w), np.sum(w**2), np.sum(w**3)])


def of_eig(w, v):
    return v @ (cr.sin(w)[..., None] * np.linalg.inv(v))


# name of a case -> (maker of an argument, function in NumPy's words, what NumPy gives if `function` is ours only)
SQUARE = lambda rng, d: regular(rng, 3, 3, dtype=d)  # noqa: E731
STACK = lambda rng, d: regular(rng, 2, 3, 3, dtype=d)  # noqa: E731
TALL = lambda rng, d: ranked(rng, 4, 2, (1, 2), d).astype(d)  # noqa: E731
WIDE = lambda rng, d: ranked(rng, 2, 4, (1, 2), d).astype(d)  # noqa: E731
LOW = lambda rng, d: ranked(rng, 4, 3, (1, 2), d).astype(d)  # noqa: E731
EIG = lambda rng, d: regular(rng, 3, 3, dtype=d) + np.diag([0, 2, 5]).astype(d)  # noqa: E731
APART = lambda rng, d: (rng.permuted(np.arange(1.0, 28.0)) * np.sign(normal(rng, 27, dtype=d))).reshape(3, 3, 3).astype(d)  # noqa: E731
SPD = lambda rng, d: positive(rng, 3, 3, dtype=d)  # noqa: E731
B = np.cos(np.arange(12.0))

CASES = {
    "solve vector": (SQUARE, lambda a: np.linalg.solve(a, B[:3].astype(a.dtype))),
    "solve matrix": (STACK, lambda a: np.linalg.solve(a, B[:6].reshape(3, 2).astype(a.dtype))),
    "solve for b": (SQUARE, lambda b: np.linalg.solve(np.diag([1.0, 2, 3]).astype(b.dtype) + 0.1, b)),
    "inv": (STACK, lambda a: np.linalg.inv(a)),
    "det": (STACK, lambda a: np.linalg.det(a)),
    "slogdet": (STACK, lambda a: np.linalg.slogdet(a).logabsdet),
    "slogdet sign": (STACK, lambda a: np.linalg.slogdet(a)[0]),
    "pinv tall": (TALL, lambda a: np.linalg.pinv(a)),
    "pinv wide": (WIDE, lambda a: np.linalg.pinv(a, rtol=None)),
    "pinv hermitian": (SPD, lambda a: np.linalg.pinv(a, hermitian=True)),
    "lstsq tall": (TALL, lambda a: np.linalg.lstsq(a, B[:4].astype(a.dtype))[0]),
    "lstsq residuals": (TALL, lambda a: np.linalg.lstsq(a, B[:8].reshape(4, 2).astype(a.dtype))[1]),
    "lstsq values": (TALL, lambda a: np.linalg.lstsq(a, B[:4].astype(a.dtype))[3]),
    "lstsq wide": (WIDE, lambda a: np.linalg.lstsq(a, B[:2].astype(a.dtype), rcond=None)[0]),
    "lstsq for b": (TALL, lambda b: np.linalg.lstsq((np.eye(4, 3) + 0.1).astype(b.dtype), b)[0]),
    "tensorsolve": (
        lambda rng, d: regular(rng, 4, 4, dtype=d).reshape(4, 2, 2),
        lambda a: np.linalg.tensorsolve(a, B[:4].astype(a.dtype)),
    ),
    "tensorsolve axes": (
        lambda rng, d: regular(rng, 4, 4, dtype=d).reshape(4, 2, 2).transpose(1, 0, 2),
        lambda a: np.linalg.tensorsolve(a, B[:4].astype(a.dtype), axes=(0, 2)),
    ),
    "tensorinv": (lambda rng, d: regular(rng, 4, 4, dtype=d).reshape(4, 2, 2), lambda a: np.linalg.tensorinv(a, ind=1)),
    "matrix_power 3": (STACK, lambda a: np.linalg.matrix_power(a, 3)),
    "matrix_power -2": (SQUARE, lambda a: np.linalg.matrix_power(a, -2)),
    "multi_dot": (SQUARE, lambda a: np.linalg.multi_dot([a[0], a, a[:, :2], a[:2], a])),
    "cholesky": (SPD, lambda a: np.linalg.cholesky(a)),
    "cholesky upper": (SPD, lambda a: np.linalg.cholesky(a, upper=True)),
    "qr tall q": (TALL, lambda a: projector(np.linalg.qr(a)[0][:, :1])),
    "qr tall r": (TALL, lambda a: np.linalg.qr(a, "r")),
    "qr wide": (WIDE, lambda a: np.linalg.qr(a).R),
    "qr wide complete": (WIDE, lambda a: np.linalg.qr(a, mode="complete").Q),
    "qr complete": (TALL, lambda a: projector(np.linalg.qr(a, "complete").Q[:, 2:])),
    "eigvalsh": (SPD, lambda a: np.linalg.eigvalsh(a)),
    "eigvalsh U": (STACK, lambda a: np.linalg.eigvalsh(a, UPLO="U")),
    "eigh": (STACK, lambda a: (lambda w, v: v @ (np.sin(w)[..., None] * adjoint(v)))(*np.linalg.eigh(a))),
    "eigh U": (SPD, lambda a: (lambda w, v: v @ (np.sin(w)[..., None] * adjoint(v)))(*np.linalg.eigh(a, "U"))),
    "eig": (EIG, lambda a: of_eig(*np.linalg.eig(a))),
    "eigvals": (EIG, lambda a: power_sums(np.linalg.eigvals(a))),
    "svd thin tall": (TALL, lambda a: spread(*np.linalg.svd(a, full_matrices=False))),
    "svd thin wide": (WIDE, lambda a: spread(*np.linalg.svd(a, False))),
    "svd full tall": (TALL, lambda a: leaning(*np.linalg.svd(a)[::2], 2)),
    "svd full wide": (WIDE, lambda a: leaning(*np.linalg.svd(a)[::2], 2)),
    "svd full square": (SQUARE, lambda a: leaning(*np.linalg.svd(a)[::2], 2)),
    "svd hermitian": (SPD, lambda a: spread(*np.linalg.svd(a, hermitian=True))),
    "svdvals": (TALL, lambda a: np.linalg.svdvals(a)),
    "svdvals of stacks": (STACK, lambda a: np.linalg.svd(a, compute_uv=False)),
    **{
        f"cond {p}": (SQUARE, lambda a, p=p: np.linalg.cond(a, p))
        for p in (None, 1, -1, 2, -2, np.inf, -np.inf, "fro", "nuc")
    },
    "cond wide": (WIDE, lambda a: np.linalg.cond(a)),
    **{
        f"norm {p}": (APART, lambda a, p=p: np.linalg.norm(a, p, axis=(2, 0)))
        for p in (None, 1, -1, 2, -2, np.inf, -np.inf, "fro", "nuc")
    },
    **{
        f"matrix_norm {p}": (WIDE, lambda a, p=p: np.linalg.matrix_norm(a, ord=p, keepdims=True))
        for p in (1, -1, 2, -2, np.inf, -np.inf, "fro", "nuc")
    },
    **{
        f"vector norm {p}": (APART, lambda a, p=p: np.linalg.norm(a, p, axis=1, keepdims=p == 3))
        for p in (None, 1, -1, 2, -2, 3, 0.5, np.inf, -np.inf)
    },
    **{
        f"vector_norm {p}": (APART, lambda a, p=p: np.linalg.vector_norm(a, ord=p, axis=(2, 0), keepdims=p == 3))
        for p in (1, 2, 3, np.inf)
    },
    "vector_norm of all": (STACK, lambda a: np.linalg.vector_norm(a, ord=4)),
    "cross": (STACK, lambda a: np.linalg.cross(a, np.cos(np.arange(18.0)).reshape(2, 3, 3).astype(a.dtype), axis=1)),
    "outer": (SQUARE, lambda a: np.linalg.outer(a[0], a[1])),
    "tensordot": (STACK, lambda a: np.linalg.tensordot(a, a, axes=((0, 1), (0, 2)))),
    "matmul": (STACK, lambda a: np.linalg.matmul(a, a)),
    "vecdot": (STACK, lambda a: np.linalg.vecdot(a, a[:, ::-1], axis=1)),
    "diagonal": (STACK, lambda a: np.linalg.diagonal(a, offset=1)),
    "trace": (STACK, lambda a: np.linalg.trace(a, offset=-1)),
    "matrix_transpose": (STACK, lambda a: np.linalg.matrix_transpose(a)),
}  # fmt: skip
cases = pytest.mark.parametrize("name", CASES)


@cases
@pytest.mark.parametrize("dtype", DTYPES)
def test_value_is_numpys(name, dtype, rng):
    make, f = CASES[name]
    a = make(rng, dtype)
    expected, found = f(a), f(cr.tensor(a))
    assert isinstance(found, cr.Tensor)
    assert (found.shape, found.dtype) == (np.shape(expected), np.asarray(expected).dtype)
    close(found.numpy(), expected, 1e-12 if dtype in (np.float64, np.complex128) else 2e-5)


@cases
@pytest.mark.parametrize("dtype", (np.float64, np.complex128))
def test_derivatives(name, dtype, rng):
    make, f = CASES[name]
    a = make(rng, dtype)
    check_first(rng, f, a)
    check_second(rng, f, a)


@cases
def test_derivatives_in_float32(name, rng):
    make, f = CASES[name]
    check_first(rng, f, make(rng, np.float32), 1e-3)


@cases
def test_vmap_is_a_loop(name, rng):
    make, f = CASES[name]
    stack = np.stack([make(rng, np.float64) for _ in range(3)])
    found = cr.vmap(f)(stack)
    close(found, np.stack([f(a) for a in stack]), 1e-10)

    def gradient(a):
        return cr.vjp(lambda z: cr.sum(cr.real(cr.sin(f(z)))), a)[1](np.float64(1.0))[0]

    close(cr.vmap(gradient)(stack), np.stack([gradient(a) for a in stack]), 1e-9)


@cases
def test_compiled_is_eager(name, rng):
    make, f = CASES[name]
    a = make(rng, np.float64)

    def step(z):
        return f(z), cr.vjp(lambda y: cr.sum(cr.real(cr.sin(f(y)))), z)[1](np.float64(1.0))[0]

    program = cr.compile(step)
    for x in (a, 1.1 * a):
        for found, expected in zip(program(x), step(x), strict=True):
            close(found, expected, 1e-10)
            assert found.dtype == np.asarray(expected).dtype


def test_every_function_is_there():
    missing = {n for n in np.linalg.__all__ if callable(getattr(np.linalg, n)) and not hasattr(cr.linalg, n)} - {"LinAlgError"}
    assert missing == set()
    for name in np.linalg.__all__:
        theirs = getattr(np.linalg, name)
        if name != "LinAlgError":
            ours = inspect.signature(getattr(cr.linalg, name)).parameters
            for option, p in inspect.signature(theirs).parameters.items():
                if p.default is not p.empty and option != "out":
                    assert option in ours, f"{name} has no option {option}"


# --- results and errors -----------------------------------------------------------------------------------------------


def test_results_are_named_tuples(rng):
    a = regular(rng, 3, 3)
    for wrap in (np.asarray, cr.tensor):
        z = wrap(a)
        for f, fields in (
            (np.linalg.eigh, ("eigenvalues", "eigenvectors")),
            (np.linalg.eig, ("eigenvalues", "eigenvectors")),
            (np.linalg.svd, ("U", "S", "Vh")),
            (np.linalg.qr, ("Q", "R")),
            (np.linalg.slogdet, ("sign", "logabsdet")),
        ):
            assert f(z)._fields == fields
            ours = getattr(cr.linalg, f.__name__)(z)
            assert type(ours) is type(f(a))
    x, residuals, rank, s = np.linalg.lstsq(cr.tensor(a[:, :2]), cr.tensor(a[0]))
    assert (x.shape, residuals.shape, rank.shape, s.shape) == ((2,), (1,), (), (2,))
    compiled = cr.compile(lambda z: np.linalg.eigh(z))(a)
    assert compiled._fields == ("eigenvalues", "eigenvectors")


BROKEN = {
    "Singular matrix": [
        lambda a: np.linalg.solve(a * 0, B[:3]),
        lambda a: np.linalg.inv(a * 0),
        lambda a: np.linalg.matrix_power(a * 0, -1),
        lambda a: np.linalg.tensorinv(a * 0, 1),
        lambda a: cr.linalg.triangular_solve(a * 0, B[:3]),
    ],
    "Matrix is not positive definite": [lambda a: np.linalg.cholesky(-a @ a.T)],
    "Last 2 dimensions of the array must be square": [
        lambda a: np.linalg.solve(a[:2], B[:2]),
        lambda a: np.linalg.inv(a[:2]),
        lambda a: np.linalg.det(a[:2]),
        lambda a: np.linalg.slogdet(a[:2]),
        lambda a: np.linalg.cholesky(a[:2]),
        lambda a: np.linalg.eigh(a[:2]),
        lambda a: np.linalg.eigvals(a[:2]),
        lambda a: np.linalg.matrix_power(a[:2], 2),
        lambda a: np.linalg.cond(a[:2], 1),
    ],
    "1-dimensional array given. Array must be at least two-dimensional": [
        lambda a: np.linalg.inv(a[0]),
        lambda a: np.linalg.svd(a[0]),
        lambda a: np.linalg.qr(a[0]),
        lambda a: np.linalg.det(a[0]),
    ],
    "Incompatible dimensions": [lambda a: np.linalg.lstsq(a[:2], B[:3])],
    "cond is not defined on empty arrays": [lambda a: np.linalg.cond(a[:0, :0])],
    "Array must be two-dimensional": [lambda a: np.linalg.multi_dot([a, a[0], a]), lambda a: np.linalg.lstsq(a[0], B[:3])],
}


@pytest.mark.parametrize("message, f", [(m, f) for m, fs in BROKEN.items() for f in fs])
def test_errors_are_numpys(message, f, rng):
    a = regular(rng, 3, 3)
    pattern = message.replace("(", r"\(")
    with pytest.raises(LinAlgError, match=pattern):
        f(a)
    on_tape = lambda z: f(cr.tensor(z, requires_grad=True))  # noqa: E731
    for wrapped in (cr.grad(lambda z: cr.sum(cr.real(np.sum(f(z))))), cr.compile(f), on_tape):
        with pytest.raises(LinAlgError, match=pattern):
            wrapped(a)
    with pytest.raises(LinAlgError, match=pattern):
        cr.vmap(f)(np.stack([a, a]))


def test_a_compiled_program_recovers_from_a_singular_matrix(rng):
    program = cr.compile(lambda a, b: np.linalg.solve(a, b) * 2)
    a, b = regular(rng, 3, 3), normal(rng, 3)
    close(program(a, b), 2 * np.linalg.solve(a, b))
    with pytest.raises(LinAlgError, match="Singular matrix"):
        program(np.zeros((3, 3)), b)
    close(program(a, b), 2 * np.linalg.solve(a, b))


def test_other_errors(rng):
    a = cr.tensor(regular(rng, 3, 3))
    with pytest.raises(TypeError, match="float16 is unsupported in linalg"):
        np.linalg.inv(a.astype(np.float16))
    with pytest.raises(ValueError, match="UPLO argument must be"):
        np.linalg.eigh(a, "X")
    with pytest.raises(ValueError, match="Unrecognized mode"):
        cr.linalg.qr(a, "other")
    with pytest.raises(cr.errors.UnsupportedError, match="raw"):
        np.linalg.qr(a, "raw")
    with pytest.raises(ValueError, match="Invalid norm order for matrices"):
        np.linalg.norm(a, 3)
    with pytest.raises(ValueError, match="Invalid norm order 'fro' for vectors"):
        np.linalg.norm(a[0], "fro")
    with pytest.raises(ValueError, match="Improper number of dimensions to norm"):
        np.linalg.norm(a[None], 2)
    with pytest.raises(ValueError, match="Duplicate axes"):
        np.linalg.norm(a, axis=(0, 0))
    with pytest.raises(TypeError, match="exponent must be an integer"):
        np.linalg.matrix_power(a, 1.5)
    with pytest.raises(ValueError, match="can't be both set"):
        np.linalg.pinv(a, 1e-3, rtol=1e-3)
    with pytest.raises(ValueError, match="can't be both set"):
        np.linalg.matrix_rank(a, 1e-3, rtol=1e-3)
    with pytest.raises(ValueError, match="at least two arrays"):
        np.linalg.multi_dot([a])
    with pytest.raises(ValueError, match="3-dimensional vectors"):
        np.linalg.cross(a[:, :2], a[:, :2])
    with pytest.raises(ValueError, match="one-dimensional"):
        np.linalg.outer(a, a)
    with pytest.raises(cr.errors.ShapeError, match=r"b\[..., None\]"):
        np.linalg.solve(a[None], a[:2])
    with pytest.raises(LinAlgError, match="requirement"):
        np.linalg.tensorsolve(a[:2], a[0])


def test_whole_numbers_are_double_precision():
    a = np.array([[2, 1], [1, 3]])
    for name in ("inv", "det", "eigvalsh", "cholesky", "svdvals", "cond", "pinv"):
        f = getattr(np.linalg, name)
        found, expected = f(cr.tensor(a)), f(a)
        assert found.dtype == expected.dtype == np.float64
        close(found.numpy(), expected, 1e-13)
    assert np.linalg.matrix_power(cr.tensor(a), 3).dtype == np.int64
    mixed = np.linalg.solve(cr.tensor(a.astype(np.float32)), a)
    assert mixed.dtype == np.linalg.solve(a.astype(np.float32), a).dtype


def test_ranks():
    for x in (np.eye(3), np.zeros((2, 3)), np.ones((4, 2, 2)), np.ones(3), np.zeros(3), np.zeros((0, 2))):
        assert np.array_equal(np.linalg.matrix_rank(cr.tensor(x)), np.linalg.matrix_rank(x))
        assert np.array_equal(cr.linalg.matrix_rank(x), np.linalg.matrix_rank(x))
    x = np.diag([1.0, 0.1, 0.01])
    for options in ({"tol": 0.05}, {"rtol": 0.005}, {"tol": [0.5]}, {"hermitian": True}):
        assert np.array_equal(np.linalg.matrix_rank(cr.tensor(x), **options), np.linalg.matrix_rank(x, **options))


@pytest.mark.parametrize("shape", [(0, 0), (0, 2), (2, 0), (0, 2, 2), (2, 0, 0), (0, 3, 2)])
def test_empty(shape):
    x = np.zeros(shape)
    names = ["svd", "svdvals", "qr", "pinv"]
    names += ["inv", "det", "slogdet", "cholesky", "eigh", "eigvalsh", "eig", "eigvals"] if shape[-1] == shape[-2] else []
    for name in names:
        f = getattr(np.linalg, name)
        expected = f(x)
        found = f(cr.tensor(x))
        several = isinstance(expected, tuple)
        for a, b in zip(found if several else [found], expected if several else [expected], strict=True):
            assert (a.shape, a.dtype) == (np.shape(b), np.asarray(b).dtype) or name in ("eig", "eigvals"), name
            assert np.array_equal(a.numpy(), b), name

        def total(z, f=f, several=several):
            outs = f(z) if several else [f(z)]
            return cr.sum(cr.stack([cr.sum(cr.real(o)) for o in outs]))

        assert cr.grad(total)(x).shape == shape
        assert cr.jvp(total, (x,), (x,))[1] == 0


# --- single questions -------------------------------------------------------------------------------------------------


def test_solve_takes_a_vector_only_with_one_axis(rng):
    a, b = regular(rng, 2, 2, 2), normal(rng, 2, 2)
    close(np.linalg.solve(cr.tensor(a), b).numpy(), np.linalg.solve(a, b))
    close(np.linalg.solve(cr.tensor(a), b[0]).numpy(), np.linalg.solve(a, b[0]))


@pytest.mark.parametrize("dtype", (np.float64, np.complex128))
@pytest.mark.parametrize("rank", (3, 2, 1, 0))
def test_determinants_of_singular_matrices(rank, dtype, rng):
    a = ranked(rng, 4, 4, np.arange(1.0, rank + 1), dtype) if rank else np.zeros((4, 4), dtype)
    check_first(rng, np.linalg.det, a)
    check_second(rng, np.linalg.det, a)

    t, u = a + 1, a.T + (2j if dtype is np.complex128 else 2)

    def third(z):
        return cr.jvp(lambda y: cr.jvp(np.linalg.det, (y,), (t,))[1], (z,), (u,))[1]

    check_first(rng, third, a, 1e-7)


def test_determinants_neither_over_nor_underflow_on_the_way():
    for size in (1e-150, 1e150):
        a = np.diag([size, 1 / size, size, 2 / size])
        expected = 2 / np.diagonal(a)
        close(np.diagonal(cr.grad(np.linalg.det)(a)) / expected, np.ones(4), 1e-12)
    with np.errstate(invalid="ignore"):
        assert np.isnan(cr.grad(np.linalg.det)(np.full((2, 2), np.nan))).all()


def test_slogdet_of_one_complex_matrix_to_second_order():
    a, t = (rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3)) for rng in map(np.random.default_rng, (3, 4)))

    def slope(x):
        return cr.grad(lambda x: cr.real(cr.linalg.slogdet(a + x * t)[0] * (0.3 - 0.7j)))(x)

    np.testing.assert_allclose(cr.grad(slope)(0.2), (slope(0.2 + 1e-6) - slope(0.2 - 1e-6)) / 2e-6, rtol=1e-7)


def test_slogdet_of_a_singular_matrix():
    a = np.zeros((2, 2, 2)) + np.array([np.eye(2), np.ones((2, 2))])
    sign, logabsdet = np.linalg.slogdet(cr.tensor(a))
    assert np.array_equal(sign, [1, 0]) and np.array_equal(logabsdet, [0, -np.inf])
    g = cr.grad(lambda z: np.linalg.slogdet(z)[1].sum())(a)
    assert np.array_equal(g[0], np.eye(2)) and np.isinf(g[1]).all()
    # A branch that is not taken contributes zero.
    g = cr.grad(lambda z: cr.sum(cr.where(np.linalg.det(z) != 0, np.linalg.slogdet(z)[1], 0)))(a)
    assert np.array_equal(g, [np.eye(2), np.zeros((2, 2))])


@pytest.mark.parametrize("dtype", (np.float64, np.complex128))
def test_low_rank(dtype, rng):
    """pinv and lstsq where the rank is less than both sides, along directions that keep it."""
    left, right = normal(rng, 4, 2, dtype=dtype), normal(rng, 2, 3, dtype=dtype)
    b = normal(rng, 4, 2, dtype=dtype)
    for f in (
        lambda p: np.linalg.pinv(p @ right, 1e-10),
        lambda p: np.linalg.lstsq(p @ right, b, 1e-10)[0],
        lambda p: np.linalg.lstsq(p @ right, b[:, 0], 1e-10)[0],
    ):
        check_first(rng, f, left)
        check_second(rng, f, left)
    _, residuals, rank, _ = np.linalg.lstsq(cr.tensor(left @ right), b, 1e-10)
    assert int(rank) == 2 and residuals.shape == (0,)
    inside = cr.vmap(lambda a: np.linalg.lstsq(a, b, 1e-10)[1])(np.stack([left @ right, left @ right]))
    assert inside.shape == (2, 2)


def test_only_one_triangle_is_read(rng):
    a = positive(rng, 3, 3)
    for f, keep in (
        (np.linalg.cholesky, np.tril),
        (lambda z: np.linalg.cholesky(z, upper=True), np.triu),
        (np.linalg.eigvalsh, np.tril),
        (lambda z: np.linalg.eigh(z, "U")[0], np.triu),
        (lambda z: np.linalg.pinv(z, hermitian=True), np.tril),
    ):
        other = keep(a) + normal(rng, 3, 3) - keep(normal(rng, 3, 3) * 0) * 0
        other = keep(a) + (other - keep(other))
        close(f(cr.tensor(other)).numpy(), f(a), 1e-10)
        g = cr.grad(lambda z, f=f: cr.sum(f(z) ** 2))(other)
        assert np.array_equal(g, keep(g)) and np.any(g)
    torch = pytest.importorskip("torch")
    t = torch.tensor(a, requires_grad=True)
    (torch.linalg.cholesky(t) ** 3).sum().backward()
    g = cr.grad(lambda z: cr.sum(np.linalg.cholesky((z + z.T) / 2) ** 3))(a)
    close(g, t.grad.numpy(), 1e-10)


def test_norms_at_their_kinks():
    zero = np.zeros((2, 2))
    for p in (None, "fro", "nuc", 2, 1, np.inf):
        assert np.isfinite(cr.grad(lambda z, p=p: np.linalg.norm(z, p))(zero)).all()
    assert not cr.grad(lambda z: np.linalg.norm(z, "nuc"))(zero).any()
    for p in (0.5, 1, 2, 3, -1, -2, np.inf, -np.inf):
        g = cr.grad(lambda z, p=p: np.linalg.norm(z, p))(np.array([0.0, 3.0, -4.0]))
        assert np.isfinite(g).all() or p == 0.5, p
    # Singular values that are equal share the derivative of the largest one.
    close(cr.grad(lambda z: np.linalg.norm(z, 2))(np.eye(3)), np.eye(3) / 3, 1e-12)
    assert np.linalg.cond(cr.tensor(np.ones((2, 2))), 1) == np.inf
    for p in (None, "nuc", 2, 1, np.inf, "fro"):
        assert np.linalg.norm(cr.tensor(np.zeros((0, 2))), p) == np.linalg.norm(np.zeros((0, 2)), p)
    assert np.linalg.norm(cr.tensor(np.zeros(0)), np.inf) == 0


def test_eigenvalues_are_real_where_numpys_are(rng):
    a = EIG(rng, np.float64)
    turn = np.array([[0.0, 1], [-1, 0]])
    expected = np.linalg.eigvals(a).dtype  # complex from NumPy 2.5 on
    assert np.linalg.eigvals(cr.tensor(a)).dtype == expected == np.linalg.eig(cr.tensor(a))[1].dtype
    assert np.linalg.eigvals(cr.tensor(turn)).dtype == np.complex128
    assert cr.vmap(np.linalg.eigvals)(np.stack([turn, np.eye(2)])).dtype == np.complex128


def test_multi_dot_binds_out(rng):
    a = cr.tensor(normal(rng, 2, 2), requires_grad=True)
    out = cr.tensor(np.zeros((2, 2)))
    assert np.linalg.multi_dot([a, a, a], out=out) is out and out.requires_grad


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(1, 3), st.data())
def test_solve_broadcasts(n, k, data):
    lead_a, lead_b = (data.draw(st.lists(st.integers(1, 2), max_size=2)) for _ in range(2))
    try:
        np.broadcast_shapes(tuple(lead_a), tuple(lead_b))
    except ValueError:
        return
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    dtype = data.draw(st.sampled_from([np.float64, np.complex128]))
    a, b = regular(rng, *lead_a, n, n, dtype=dtype), normal(rng, *lead_b, n, k, dtype=dtype)
    lower, trans = data.draw(st.booleans()), data.draw(st.sampled_from([0, 1, 2]))
    close(cr.linalg.solve(a, b), np.linalg.solve(a, b))
    check_first(rng, lambda z: cr.linalg.solve(z, b), a)
    check_first(rng, lambda z: cr.linalg.solve(a, z), b)
    check_first(rng, lambda z: cr.linalg.triangular_solve(z, b, lower=lower, trans=trans), a)
    check_first(rng, lambda z: cr.linalg.triangular_solve(a, z, lower=lower, trans=trans), b)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(1, 4), st.lists(st.integers(1, 2), max_size=1), st.data())
def test_factors_of_any_shape(m, n, lead, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    dtype = data.draw(st.sampled_from([np.float64, np.complex128]))
    k = min(m, n)
    a = np.zeros((*lead, m, n), dtype)
    for i in np.ndindex(*lead):
        a[i] = ranked(rng, m, n, np.arange(1.0, k + 1), dtype)
    for f in (
        lambda z: cr.absolute(np.linalg.qr(z)[1][..., 0, :]) ** 2,  # smooth where an element is near 0
        lambda z: projector(np.linalg.qr(z)[0][..., :1]),
        lambda z: projector(np.linalg.qr(z, "complete")[0][..., k:]),
        lambda z: leaning(*np.linalg.svd(z)[::2], k),
        lambda z: spread(*np.linalg.svd(z)),
        lambda z: np.linalg.pinv(z, 1e-6),
        lambda z: np.linalg.norm(z, "nuc", axis=(-1, -2)),
    ):
        check_first(rng, f, a, 1e-7)
    u, s, vh = (np.asarray(x) for x in np.linalg.svd(cr.tensor(a)))
    close(u[..., :k] @ (s[..., None] * vh[..., :k, :]), a, 1e-12)


def test_cho_solve(rng):
    a, b = positive(rng, 2, 3, 3), normal(rng, 3, 2)
    for lower in (True, False):
        f = lambda z, lower=lower: cr.linalg.cho_solve(cr.linalg.cho_factor(z, lower), b)  # noqa: E731
        close(f(a), np.linalg.solve(a, b))
        check_first(rng, f, a)


def test_power_zero_is_the_identity():
    for x in (np.full((2, 2), np.nan), np.ones((3, 2, 2), int), np.ones((2, 2), np.float32)):
        found, expected = np.linalg.matrix_power(cr.tensor(x), 0), np.linalg.matrix_power(x, 0)
        assert found.dtype == expected.dtype and np.array_equal(found.numpy(), expected)


@pytest.mark.parametrize(
    "shapes", [((2, 4, 3), (2, 4, 2)), ((2, 4, 3), (4,)), ((2, 1, 4, 3), (3, 4, 1)), ((4, 3), (2, 4, 1)), ((2, 2, 3), (2, 1))]
)
def test_lstsq_of_stacks(shapes, rng):
    a, b = (normal(rng, *shape) for shape in shapes)
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    spread = lambda x: np.broadcast_to(x, (*lead, *x.shape[-2:])) if x.ndim > 1 else np.broadcast_to(x, (*lead, *x.shape))  # noqa: E731
    for found in (cr.linalg.lstsq(a, b), np.linalg.lstsq(cr.tensor(a), b)):
        for i in np.ndindex(lead):
            expected = np.linalg.lstsq(spread(a)[i], spread(b)[i], rcond=None)
            for f, e in zip(found[:3], expected[:3], strict=True):
                np.testing.assert_allclose(f[i], e, atol=1e-12)

    def loop(a, b):
        a, b = (cr.broadcast_to(x, (*lead, *x.shape[-2 if x.ndim > 1 else 0 :])) for x in (a, b))
        return cr.sum(cr.stack([cr.sum(cr.linalg.lstsq(a[i], b[i])[0] ** 2) for i in np.ndindex(lead)]))

    for k in (0, 1):
        whole = cr.grad(lambda a, b: cr.sum(cr.linalg.lstsq(a, b)[0] ** 2), argnums=k)(a, b)
        np.testing.assert_allclose(whole, cr.grad(loop, argnums=k)(a, b), rtol=1e-9, atol=1e-9)
    with pytest.raises(LinAlgError, match=r"Incompatible dimensions(.|\n)*b\[\.\.\., None\]"):
        cr.linalg.lstsq(np.ones((2, 3, 2)), np.ones((2, 3)))
