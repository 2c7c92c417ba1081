"""Equal eigenvalues and singular values: functions that do not depend on the choice of a basis have right derivatives."""

import zlib

import numpy as np
import pytest
from linalg_tools import MODES, adjoint, check_first, check_second, close, hermitian_with, normal, ranked

import chainrule as cr

dtypes = pytest.mark.parametrize("dtype", (np.float64, np.complex128))
VALUES = [(1, 1, 2, 3), (1, 1, 1, 2), (2, 2, 2, 2), (-1, -1, 2, 2), (0, 0, 1, 2)]
values = pytest.mark.parametrize("w", VALUES, ids=str)


@pytest.fixture
def rng(request):
    return np.random.default_rng(zlib.crc32(request.node.name.encode()))


def half(a):
    return (a + adjoint(a)) / 2


def function(f):
    """The matrix function v f(w) v^H."""

    def of_matrix(a):
        w, v = np.linalg.eigh(half(a))
        return v @ (f(w)[..., None] * adjoint(v))

    return of_matrix


SYMMETRIC = {
    "sum of exp": lambda w: cr.sum(cr.exp(0.3 * w)),
    "product of sums": lambda w: cr.log(cr.sum(w**2) + 1) * cr.sum(w**3),
    "logsumexp": cr.logsumexp,
    "variance": cr.var,
}


@dtypes
@values
@pytest.mark.parametrize("name", SYMMETRIC)
def test_symmetric_functions_of_eigenvalues(name, w, dtype, rng):
    a = hermitian_with(rng, w, dtype)

    def f(z):
        return SYMMETRIC[name](np.linalg.eigvalsh(half(z)))

    check_first(rng, f, a)
    # Reverse over reverse lacks what a function of slope 0 hides.
    flat = w == (0, 0, 1, 2) or name == "variance"
    check_second(rng, f, a, modes=tuple(m for m in MODES if m != "reverse over reverse" or not flat))


@dtypes
@values
def test_functions_of_a_matrix(w, dtype, rng):
    """Also where eigenvalues are exactly equal and the basis is the standard one."""
    for a in (hermitian_with(rng, w, dtype), np.diag(np.asarray(w, dtype))):
        check_first(rng, function(lambda w: cr.exp(0.3 * w)), a)
        check_first(rng, function(lambda w: cr.sin(w) + 2), a)
        weight = normal(rng, 4, 4, dtype=dtype)
        check_first(rng, lambda z, weight=weight: cr.sum(cr.real(function(cr.exp)(z) @ weight)), a)
        check_first(rng, lambda z: cr.trace(function(cr.exp)(z)), a)
        check_second(
            rng, lambda z: cr.real(cr.trace(function(cr.exp)(z))), a, modes=("forward over reverse", "forward over forward")
        )


def test_reconstruction_is_the_identity(rng):
    a = np.eye(3)
    t = normal(rng, 3, 3)
    rebuilt = function(lambda w: w)
    close(cr.jvp(rebuilt, (a,), (t,))[1], half(t), 1e-12)
    close(cr.grad(lambda z: cr.sum(rebuilt(z) * t))(a), half(t), 1e-12)
    whitened = function(lambda w: 1 / cr.sqrt(w))  # a^(-1/2) at the identity moves by -t / 2
    close(cr.jvp(whitened, (a,), (t,))[1], -half(t) / 2, 1e-12)
    close(cr.grad(lambda z: cr.sum(whitened(z) * t))(a), -half(t) / 2, 1e-12)


@dtypes
def test_projectors(dtype, rng):
    a = hermitian_with(rng, (-1, -1, 2, 2), dtype)

    def lower(z):
        v = np.linalg.eigh(half(z))[1][:, :2]
        return v @ adjoint(v)

    check_first(rng, lower, a)
    check_second(rng, lower, a, modes=("forward over reverse",))


@dtypes
def test_hessian_of_log_determinant(dtype, rng):
    """Second derivatives known in closed form: d2 log det a [s, t] = -tr(a^-1 s a^-1 t)."""
    if dtype is np.float64:
        h = cr.hessian(lambda z: cr.sum(cr.log(np.linalg.eigvalsh(half(z)))))(np.eye(3))
        eye = np.eye(3)
        expected = -(np.einsum("il,jk->ijkl", eye, eye) + np.einsum("ik,jl->ijkl", eye, eye)) / 2
        close(h, expected, 1e-10)
    a = hermitian_with(rng, (2, 2, 2), dtype)
    check_second(rng, lambda z: cr.sum(cr.log(np.linalg.eigvalsh(half(z)))), a)


SHAPES = [(3, 3), (4, 3), (3, 5)]


@dtypes
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("s", [(1, 1, 2), (2, 2, 2)], ids=str)
def test_singular_values(s, shape, dtype, rng):
    a = ranked(rng, *shape, s, dtype)
    for f in (lambda z: np.linalg.norm(z, "nuc"), lambda z: cr.sum(cr.sin(np.linalg.svdvals(z) ** 2))):
        check_first(rng, f, a)
        check_second(rng, f, a)

    def polar(z):
        u, _, vh = np.linalg.svd(z, full_matrices=False)
        return u @ vh

    def sine(z):
        u, s, vh = np.linalg.svd(z, full_matrices=False)
        return u @ (cr.sin(s)[..., None] * vh)

    for f in (polar, sine):
        check_first(rng, f, a)
    check_second(rng, polar, a, modes=("forward over reverse",))


@dtypes
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("s", [(0, 1, 1), (0, 0, 1)], ids=str)
def test_singular_values_of_zero(s, shape, dtype, rng):
    a = ranked(rng, *shape, s, dtype)

    def even(z):
        return cr.sum(cr.sin(np.linalg.svdvals(z) ** 2))

    check_first(rng, even, a)
    check_second(rng, even, a, modes=tuple(m for m in MODES if m != "reverse over reverse"))

    def rebuilt(z):
        u, s, vh = np.linalg.svd(z, full_matrices=False)
        return u @ (cr.sin(s)[..., None] * vh)

    check_first(rng, rebuilt, a, transpose=False)


@dtypes
def test_stacks_and_vmap(dtype, rng):
    """Matrices of a stack split in different ways, or not at all."""
    a = np.stack([hermitian_with(rng, w, dtype) for w in ((1, 1, 2), (1, 2, 3), (2, 2, 2), (0, 0, 0))])
    for f in (function(lambda w: cr.exp(0.3 * w)), lambda z: cr.sum(np.linalg.eigvalsh(half(z)) ** 3, axis=-1)):
        check_first(rng, f, a)
        g = normal(rng, *f(a).shape, dtype=f(a).dtype)
        pulled = cr.vjp(f, a)[1](g)[0]
        close(cr.vmap(lambda z, g, f=f: cr.vjp(f, z)[1](g)[0])(a, g), pulled, 1e-9)
        t = normal(rng, *a.shape, dtype=dtype)
        close(cr.vmap(lambda z, t, f=f: cr.jvp(f, (z,), (t,))[1])(a, t), cr.jvp(f, (a,), (t,))[1], 1e-9)


def test_compiled(rng):
    a = np.eye(3)

    def step(z):
        def loss(y):
            return cr.sum(function(cr.exp)(y) * np.arange(9.0).reshape(3, 3)) + np.linalg.norm(y, "nuc")

        return cr.grad(loss)(z)

    close(cr.compile(step)(a), step(a), 1e-12)
    close(cr.compile(cr.hessian(lambda z: cr.sum(cr.log(np.linalg.eigvalsh(half(z))))))(a).sum(), -9.0, 1e-10)


def test_without_derivative_the_basis_is_numpys():
    a = np.eye(3)
    assert np.array_equal(np.linalg.eigh(cr.tensor(a))[1].numpy(), np.linalg.eigh(a)[1])
    assert np.array_equal(cr.vmap(lambda z: np.linalg.eigh(z)[1])(a[None])[0], np.linalg.eigh(a)[1])


def test_float32(rng):
    a = hermitian_with(rng, (1, 1, 2, 3)).astype(np.float32)
    check_first(rng, function(lambda w: cr.exp(0.3 * w)), a, 1e-3)
    check_first(rng, lambda z: np.linalg.norm(z, "nuc"), a, 1e-3)


def test_eigenvalues_of_general_matrices(rng):
    a = np.eye(3)

    def f(z):
        return cr.sum(cr.real(cr.exp(np.linalg.eigvals(z))))

    close(cr.grad(f)(a), np.e * np.eye(3), 1e-12)
