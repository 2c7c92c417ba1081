"""Equal eigenvalues and singular values: functions that do not depend on the choice of a basis have right derivatives."""

import numpy as np
import pytest
from linalg_tools import adjoint, check_first, check_second, close, hermitian_with, normal, ranked, regular

import chainrule as cr

dtypes = pytest.mark.parametrize("dtype", (np.float64, np.complex128))
VALUES = [(1, 1, 2, 3), (1, 1, 1, 2), (2, 2, 2, 2), (-1, -1, 2, 2), (0, 0, 1, 2)]
values = pytest.mark.parametrize("w", VALUES, ids=str)


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
    check_second(rng, f, a)


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
        check_second(rng, lambda z, weight=weight: cr.real(function(cr.exp)(z) @ weight), a)


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
    check_second(rng, lower, a)


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
        check_second(rng, f, a)


@dtypes
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("s", [(0, 1, 1), (0, 0, 1)], ids=str)
def test_singular_values_of_zero(s, shape, dtype, rng):
    a = ranked(rng, *shape, s, dtype)

    def even(z):
        return cr.sum(cr.sin(np.linalg.svdvals(z) ** 2))

    check_first(rng, even, a)
    check_second(rng, even, a)

    def rebuilt(z):
        u, s, vh = np.linalg.svd(z, full_matrices=False)
        return u @ (cr.sin(s)[..., None] * vh)

    check_first(rng, rebuilt, a)
    check_second(rng, rebuilt, a)


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


def several(a):
    """Several functions of one decomposition, one of which vanishes at 1, and products of these."""
    w, v = np.linalg.eigh(half(a))
    first, second = (v @ (f(w)[..., None] * adjoint(v)) for f in (lambda w: cr.sin(w - 1), lambda w: cr.exp(0.3 * w) + w**3))
    return cr.sin(cr.real(first @ second)) + cr.real(second), cr.sum(cr.cos(w))


@dtypes
@values
def test_several_functions_of_one_decomposition(w, dtype, rng):
    for a in (hermitian_with(rng, w, dtype), np.diag(np.asarray(w, dtype))):
        g = normal(rng, 4, 4)

        def f(z, g=g):
            matrix, number = several(z)
            return cr.sum(matrix * g) * number

        check_first(rng, f, a)
        check_second(rng, f, a)


@dtypes
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("s", [(1, 1, 2), (0, 1, 1), (0, 0, 1), (0, 1, 2), (0, 0, 0)], ids=str)
@pytest.mark.parametrize("full", (False, True))
def test_several_functions_of_singular_values(s, shape, full, dtype, rng):
    a, g = ranked(rng, *shape, s, dtype), normal(rng, *shape, dtype=dtype)

    def f(z):
        u, s, vh = np.linalg.svd(z, full_matrices=full)
        u, vh = u[:, :3], vh[:3]
        first, second = u @ (cr.sin(s)[:, None] * vh), u @ ((s**3 + s)[:, None] * vh)
        return cr.sum(cr.real(first * g) * cr.real(second)) + cr.sum(cr.cos(s**2))

    check_first(rng, f, a)
    check_second(rng, f, a)


@dtypes
@pytest.mark.parametrize("w", [(1, 1, 2), (2, 2, 2), (0, 0, 1)], ids=str)
def test_general_matrices(w, dtype, rng):
    for p in (regular(rng, 3, 3, dtype=dtype), np.eye(3, dtype=dtype)):
        a, g = (p * np.asarray(w, float)) @ np.linalg.inv(p), normal(rng, 3, 3)

        def f(z, g=g):
            w, v = np.linalg.eig(z)
            first, second = (v @ (h(w)[..., None] * np.linalg.inv(v)) for h in (cr.sin, lambda w: w**3 + w))
            return cr.sum(cr.sin(cr.real(first)) * cr.real(second) * g) + cr.real(cr.sum(cr.cos(w)))

        check_first(rng, f, a)
        check_second(rng, f, a)


def test_third_derivatives(rng):
    """Against the functions of matrices that never look at eigenvalues."""
    c, t, u = normal(rng, 3, 3), normal(rng, 3, 3), normal(rng, 3, 3)

    def by_eigh(z):
        w, v = np.linalg.eigh(half(z))
        return cr.sum(c * (v @ cr.diag(cr.log(w)) @ v.T + v @ cr.diag(cr.exp(w)) @ v.T))

    def by_name(z):
        return cr.sum(c * (cr.linalg.logm(half(z)) + cr.linalg.expm(half(z))))

    def third(f):
        return cr.jvp(lambda z: cr.jvp(cr.grad(f), (z,), (t,))[1], (np.eye(3),), (u,))[1]

    close(third(by_eigh), third(by_name), 1e-10)
    close(cr.hessian(by_eigh)(np.eye(3)), cr.hessian(by_name)(np.eye(3)), 1e-10)
    close(cr.jacrev(cr.jacrev(by_eigh))(np.eye(3)), cr.hessian(by_name)(np.eye(3)), 1e-10)


def test_backward_and_double_backward(rng):
    c, t = normal(rng, 3, 3), normal(rng, 3, 3)

    def f(z):
        w, v = np.linalg.eigh(half(z))
        return cr.sum(c * (v @ cr.diag(cr.log(w)) @ v.T + v @ cr.diag(cr.exp(w)) @ v.T))

    x = cr.tensor(np.eye(3), requires_grad=True)
    loss = f(x)
    assert float(loss) == loss.item() == float(f(np.eye(3)))
    assert repr(loss).startswith("tensor(")
    (g,) = cr.autograd.grad(loss, x, create_graph=True)
    (h,) = cr.autograd.grad((g * t).sum(), x)
    close(h.numpy(), cr.hvp(f, (np.eye(3),), (t,))[1], 1e-12)
    f(x).backward()
    close(x.grad.numpy(), cr.grad(f)(np.eye(3)), 1e-12)
    assert type(x.grad.value) is np.ndarray


def test_functions_that_depend_on_the_basis_warn():
    """A single eigenvector, of which there is none at the identity, has no derivative."""
    with pytest.warns(cr.errors.RepeatedValuesWarning, match="depends on which basis"):
        cr.grad(lambda z: np.linalg.eigh(half(z))[1][0, 0] + np.linalg.eigh(half(z))[1][1, 0])(np.eye(3))


def test_defective_matrices_warn():
    """Their eigenvectors do not span the space; functions of them are smooth all the same."""
    a = np.array([[1.0, 1], [0, 1]])

    def f(z):
        w, v = np.linalg.eig(z)
        return cr.sum(cr.real(v @ cr.diag(cr.exp(w)) @ np.linalg.inv(v)))

    with pytest.warns(cr.errors.RepeatedValuesWarning) as said, np.errstate(all="ignore"):
        cr.grad(f)(a)
    assert any("too few eigenvectors" in str(w.message) for w in said)
    close(cr.grad(lambda z: cr.linalg.funm(z, np.exp).sum())(a), cr.grad(lambda z: cr.linalg.expm(z).sum())(a), 1e-12)


def test_compiled_programs_decide_whether_values_are_equal(rng):
    """One program for matrices whose values are all apart, one for all others, whichever of them are equal."""
    c, d = normal(rng, 3, 3), normal(rng, 3, 3)

    def by_eigh(z):
        w, v = np.linalg.eigh(half(z))
        return cr.sum(c * (v @ cr.diag(cr.log(w)) @ v.T)) + cr.sum(d * (v @ cr.diag(w**3) @ v.T))

    def by_svd(z):
        u, s, vh = np.linalg.svd(z)
        return cr.sum(c * (u @ cr.diag(cr.sin(s)) @ vh)) + cr.sum(d * (u @ cr.diag(s**3) @ vh))

    def by_eig(z):
        w, v = np.linalg.eig(z)
        return cr.sum(cr.real(c * (v @ cr.diag(cr.log(w)) @ cr.linalg.inv(v)) + d * (v @ cr.diag(w**3) @ cr.linalg.inv(v))))

    for f in (by_eigh, by_svd, by_eig):
        gradient, hessian, mapped = cr.compile(cr.grad(f)), cr.compile(cr.hessian(f)), cr.compile(cr.vmap(cr.grad(f)))
        for a in (np.eye(3), np.diag([1.0, 2, 3]), np.diag([1.0, 1, 3]), np.diag([1.0, 2, 2]), np.diag([1.0, 2, 4])):
            close(gradient(a), cr.grad(f)(a), 1e-12)
            close(hessian(a), cr.hessian(f)(a), 1e-12)
            close(mapped(np.stack([a, a])), np.stack([cr.grad(f)(a)] * 2), 1e-12)
        assert len(gradient.variants) == 2

    x = cr.tensor(np.eye(3), requires_grad=True)

    @cr.compile
    def step():
        x.grad = None
        loss = by_eigh(x)
        loss.backward()
        return loss

    for _ in range(3):
        assert float(step()) == pytest.approx(float(by_eigh(np.eye(3))))
        close(x.grad.numpy(), cr.grad(by_eigh)(np.eye(3)), 1e-12)


def twice(z, loop):
    """A function of a matrix, of itself."""
    c = np.arange(4.0).reshape(2, 2)

    def once(x):
        w, v = np.linalg.eigh(half(x))
        return v @ cr.diag(cr.exp(w) - 0.3 * w) @ v.T + v @ cr.diag(cr.log(w + 1)) @ v.T

    return cr.sum(c * (cr.fori_loop(0, 2, lambda i, x: once(x), z) if loop else once(once(z))))


@pytest.mark.parametrize("w", [(1, 1), (1, 2)], ids=str)
def test_decompositions_of_what_was_decomposed(w, rng):
    """One after the other, with equal values in all of them or in none; and by the way of a singular value decomposition."""
    a = hermitian_with(rng, w)

    def through(z):
        w, v = np.linalg.eigh(half(z))
        u, s, vh = np.linalg.svd(v @ cr.diag(cr.exp(w)) @ v.T + np.diag([0.0, 1.0]))  # whose values are apart
        return cr.sum(u @ cr.diag(cr.log(s)) @ vh * np.arange(4.0).reshape(2, 2)) + twice(z, False)

    check_first(rng, through, a)
    check_second(rng, through, a)
    close(cr.compile(cr.grad(through))(a), cr.grad(through)(a), 1e-10)


def test_loops():
    """Run by Python they are as good as no loop; in a compiled program their bodies warn."""
    a = np.eye(2)
    gradient = cr.grad(lambda z: twice(z, True))
    close(gradient(a), cr.grad(lambda z: twice(z, False))(a), 1e-12)
    with pytest.warns(cr.errors.RepeatedValuesWarning, match="body of a loop"):
        cr.compile(gradient)(a)


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
