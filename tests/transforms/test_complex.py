"""Complex numbers in every transform: conventions, holomorphic derivatives, branch cuts, mixed arguments."""

import warnings

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import NonDifferentiableError

rng = np.random.default_rng(8)
Z = np.array([0.4 + 0.3j, -1.2 + 0.7j, 0.9 - 1.1j])
W = np.array([1.3 - 0.2j, 0.3 + 0.5j, -0.8 + 0.6j])
X = np.array([0.7, -1.4, 0.6])


def numbers(x):
    t = rng.normal(size=x.shape)
    return t + 1j * rng.normal(size=x.shape) if x.dtype.kind == "c" else t


def slope(f, x, t, h=2e-3):
    def central(h):
        return (np.asarray(f(x + h * t)) - np.asarray(f(x - h * t))) / (2 * h)

    return (64 * central(h / 4) - 20 * central(h / 2) + central(h)) / 45


def two_slopes(f, z):
    """d/dRe + i d/dIm of a real function, element by element."""
    found = np.empty_like(z)
    for i in np.ndindex(z.shape):
        e = np.zeros_like(z)
        e[i] = 1
        found[i] = slope(f, z, e) + 1j * slope(f, z, 1j * e)
    return found


def close(a, b, tol=1e-9):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tol, atol=tol)


# --- real functions of complex numbers --------------------------------------------------------------------------------

REAL = {
    "modulus": lambda z: np.sum(np.abs(z)),
    "squares": lambda z: np.sum(np.abs(z) ** 2 * np.arange(1, 4)),
    "phase": lambda z: np.sum(np.angle(z) * np.arange(1, 4)),
    "parts": lambda z: np.sum(z.real**2 * z.imag),
    "product": lambda z: np.real(np.prod(z)),
    "sum": lambda z: np.abs(np.sum(np.exp(z))) ** 2,
    "variance": lambda z: np.var(z),
    "deviation": lambda z: np.std(z),
    "norm": lambda z: np.linalg.norm(z),
    "norm of order 3": lambda z: np.linalg.norm(z, 3),
    "inner product": lambda z: np.abs(np.vdot(z, W)),
    "matrix": lambda z: np.sum(np.abs(np.outer(z, z.conj()) @ W) ** 2),
    "sign": lambda z: np.sum(np.sign(z).real),
    "spectrum": lambda z: np.sum(np.abs(np.fft.fft(z)) ** 3),
    "running product": lambda z: np.sum(np.abs(np.cumprod(z)) ** 2),
    "order": lambda z: np.sum(np.abs(np.sort(z)) ** 2 * np.arange(1, 4)),
    "largest": lambda z: np.abs(np.max(z)) + np.sum(np.maximum(z, W).imag ** 2),
    "where": lambda z: np.sum(np.where(z.real > 0, z, z.conj() ** 2).imag),
    "power": lambda z: np.sum((z**2.5).imag + (2.0**z).real + (z**z).real),
    "sinc": lambda z: np.sum(np.sinc(z).imag),
    "polynomial": lambda z: np.abs(np.polyval(z, 0.3 + 0.4j)),
    "convolution": lambda z: np.sum(np.abs(np.convolve(z, W)) ** 2),
    "median": lambda z: np.abs(np.median(z)),
    "clip": lambda z: np.sum(np.clip(z, -0.9, 0.5 + 1j).imag ** 2),
    "nan_to_num": lambda z: np.sum(np.abs(np.nan_to_num(z)) ** 2),
}


@pytest.mark.parametrize("name", REAL)
def test_gradient_of_a_real_function(name):
    f = REAL[name]
    g = cr.grad(f)(Z)
    assert g.dtype == complex and g.shape == Z.shape
    close(g, two_slopes(f, Z), 1e-8)
    leaf = cr.tensor(Z, requires_grad=True)
    value = f(leaf)
    assert value.dtype == float
    close(value.detach().numpy(), f(Z), 1e-12)
    value.backward()
    close(leaf.grad.numpy(), g)
    t = numbers(Z)
    close(cr.jvp(f, (Z,), (t,))[1], np.sum(np.conj(g) * t).real)  # the tangent is Re <gradient, direction>
    close(cr.jacfwd(f)(Z), g)
    close(cr.jacrev(f)(Z), g)


@pytest.mark.parametrize("name", REAL)
def test_second_derivative_of_a_real_function(name):
    f, t = REAL[name], numbers(Z)
    product = cr.hvp(f, (Z,), (t,))[1]
    close(product, slope(cr.grad(f), Z, t), 2e-7)
    u = numbers(Z)
    mirrored = cr.vjp(cr.grad(f), Z)[1](u)[0]  # the second derivative is symmetric in Re <., .>
    assert abs(np.sum(np.conj(u) * product).real - np.sum(np.conj(mirrored) * t).real) < 1e-8 * (1 + np.abs(product).max())


@pytest.mark.parametrize("name", sorted(set(REAL) - {"median"}))
def test_vmap_and_compile(name):
    f = REAL[name]
    stack = np.stack([Z, Z * 1.1, Z[::-1]])
    close(cr.vmap(cr.grad(f))(stack), np.stack([cr.grad(f)(z) for z in stack]))
    compiled = cr.compile(cr.grad(f))
    for z in stack:
        close(compiled(z), cr.grad(f)(z))


# --- holomorphic functions --------------------------------------------------------------------------------------------

DERIVATIVES = {
    "exp": np.exp,
    "exp2": lambda z: np.log(2) * np.exp2(z),
    "expm1": np.exp,
    "log": lambda z: 1 / z,
    "log2": lambda z: 1 / (z * np.log(2)),
    "log10": lambda z: 1 / (z * np.log(10)),
    "log1p": lambda z: 1 / (1 + z),
    "sqrt": lambda z: 0.5 / np.sqrt(z),
    "square": lambda z: 2 * z,
    "reciprocal": lambda z: -(z**-2.0),
    "negative": lambda z: -np.ones_like(z),
    "sin": np.cos,
    "cos": lambda z: -np.sin(z),
    "tan": lambda z: np.cos(z) ** -2.0,
    "sinh": np.cosh,
    "cosh": np.sinh,
    "tanh": lambda z: np.cosh(z) ** -2.0,
    "arcsin": lambda z: 1 / np.cos(np.arcsin(z)),
    "arccos": lambda z: -1 / np.sin(np.arccos(z)),
    "arctan": lambda z: 1 / (1 + z * z),
    "arcsinh": lambda z: 1 / np.cosh(np.arcsinh(z)),
    "arccosh": lambda z: 1 / np.sinh(np.arccosh(z)),
    "arctanh": lambda z: 1 / (1 - z * z),
}


@pytest.mark.parametrize("name", DERIVATIVES)
def test_holomorphic_derivative(name):
    f, derivative = getattr(np, name), DERIVATIVES[name]
    for z in (*Z, *W, 2.3 - 1.7j):
        found = cr.grad(f, holomorphic=True)(z)
        close(found, derivative(z), 1e-11)
        close(cr.jacfwd(f, holomorphic=True)(z), derivative(z), 1e-11)
        close(cr.jacrev(f, holomorphic=True)(z), derivative(z), 1e-11)
        close(cr.grad(cr.grad(f, holomorphic=True), holomorphic=True)(z), slope(derivative, z, 1.0), 1e-7)
        assert cr.grad(f, holomorphic=True)(np.complex64(z)).dtype == np.complex64


CUTS = {  # where the cut lies, and to which sides of it lead
    "sqrt": [-2.0],
    "log": [-2.0],
    "log2": [-0.5],
    "log10": [-2.0],
    "log1p": [-2.0],
    "arcsin": [2.0, -2.0, 1.5, -1.1],
    "arccos": [2.0, -2.0, 1.5, -1.1],
    "arccosh": [0.5, -0.5, -2.0],
    "arctanh": [2.0, -2.0],
    "arctan": [2j, -2j],
    "arcsinh": [2j, -2j, 1.5j],
}


@pytest.mark.parametrize("name, point", [(n, p) for n, ps in CUTS.items() for p in ps])
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_branch_cuts(name, point, side):
    """On a cut the sign of the zero tells the side, for the derivative as for the value."""
    zero = np.copysign(0.0, side)
    z = complex(point.real, zero) if isinstance(point, float) else complex(zero, point.imag)
    beside = z + 1e-9 * side * (1j if isinstance(point, float) else 1)
    f = getattr(np, name)
    close(f(z), f(beside), 1e-7)
    for order in (1, 2):
        f = cr.grad(f, holomorphic=True)
        close(f(z), f(beside), 1e-6), order


def test_holomorphic_jacobian_and_hessian():
    A = rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3))

    def f(z):
        return np.sin(A @ z) * z[0]

    expected = np.cos(A @ Z)[:, None] * A * Z[0]
    expected[:, 0] += np.sin(A @ Z)
    for jac in (cr.jacfwd, cr.jacrev, cr.jacobian):
        close(jac(f, holomorphic=True)(Z), expected)
    close(cr.hessian(lambda z: np.sum(z**3) + z[0] * z[1], holomorphic=True)(Z),
          np.diag(6 * Z) + np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]]))  # fmt: skip
    value, derivative = cr.value_and_grad(lambda z, a: (a * z**2).sum(), (0, 1), holomorphic=True)(Z, W)
    close(value, (W * Z**2).sum())
    close(derivative[0], 2 * W * Z)
    close(derivative[1], Z**2)
    (derivative, aux) = cr.grad(lambda z: (z**2, z), holomorphic=True, has_aux=True)(2j)
    assert (derivative, aux) == (4j, 2j)
    tree = cr.grad(lambda p: p["a"] * p["b"][0], holomorphic=True)({"a": 2 + 1j, "b": [3j]})
    assert tree == {"a": 3j, "b": [2 + 1j]}


def test_newton_for_a_complex_root():
    def f(z):
        return z**3 - 1

    z = np.complex128(-0.4 + 0.8j)
    for _ in range(20):
        z = z - f(z) / cr.grad(f, holomorphic=True)(z)
    close(z, np.exp(2j * np.pi / 3), 1e-12)


@pytest.mark.parametrize("jac", [cr.jacfwd, cr.jacrev, cr.jacobian])
def test_jacobians_between_real_and_complex_numbers(jac):
    def signal(x):
        return np.exp(1j * x) * x[0]

    expected = np.diag(1j * np.exp(1j * X)) * X[0]
    expected[:, 0] += np.exp(1j * X)
    close(jac(signal)(X), expected)

    def moduli(z):
        return {"abs": np.abs(z) * z[0].real, "twice": [np.sum(z.imag)]}

    found = jac(moduli)(Z)
    expected = np.diag(Z / np.abs(Z)) * Z[0].real
    expected[:, 0] += np.abs(Z)
    close(found["abs"], expected)
    close(found["twice"][0], np.full(3, 1j))

    def both(x, z):
        return np.sum(x * np.abs(z)), x * 2.0

    (dx, dz), (ex, ez) = jac(both, (0, 1))(X, Z)
    assert [a.dtype.kind for a in (dx, dz, ex, ez)] == ["f", "c", "f", "c"]
    close(dx, np.abs(Z))
    close(dz, X * Z / np.abs(Z))
    close(ex, 2 * np.eye(3))
    close(ez, np.zeros((3, 3)))
    assert jac(lambda z: np.abs(z))(np.zeros(0, complex)).shape == (0, 0)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: cr.grad(lambda z: z * z)(1j), ["real number", "complex128", "holomorphic=True"]),
        (lambda: cr.grad(lambda z: z * z, holomorphic=True)(1.0), ["argument 0 must be complex", "float64", "astype"]),
        (lambda: cr.grad(np.abs, holomorphic=True)(1j), ["must be complex", "float64"]),
        (lambda: cr.jacrev(lambda z: z.conj())(Z), ["holomorphic", "complex128 (3,)", "jvp or vjp"]),
        (lambda: cr.jacfwd(lambda z: z * 2)(Z), ["holomorphic", "complex128 (3,)"]),
        (lambda: cr.jacobian(lambda z: z * 2)(np.ones(6, complex)), ["jacobian", "holomorphic"]),
        (lambda: cr.jacrev(lambda x: x * 1j, holomorphic=True)(X), ["must be complex"]),
        (lambda: cr.hessian(lambda z: np.abs(z) ** 2)(1j), ["holomorphic"]),
    ],
)
def test_errors(call, words):
    with pytest.raises(NonDifferentiableError) as error:
        call()
    assert all(w in str(error.value) for w in [*words, "help:"])


# --- complex to complex, not holomorphic ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "f",
    [
        lambda z: z.conj() * z**2,
        lambda z: np.abs(z) * z,
        lambda z: np.sign(z),
        lambda z: np.real(z) + 1j * np.imag(z) ** 2,
        lambda z: np.exp(1j * np.angle(z)) * z[::-1].conj(),
        lambda z: np.fft.rfft(np.abs(z)) + np.sum(z.conj()),
        lambda z: np.linalg.norm(z) * np.sort(z),
        lambda z: np.rint(z) * z,
    ],
)
def test_tangents_and_cotangents(f):
    t = numbers(Z)
    y, dy = cr.jvp(f, (Z,), (t,))
    close(dy, slope(f, Z, t), 1e-8)
    g = numbers(y)
    (back,) = cr.vjp(f, Z)[1](g)
    assert abs(np.sum(np.conj(g) * dy).real - np.sum(np.conj(back) * t).real) < 1e-10
    _, tangent_of = cr.linearize(f, Z)
    close(tangent_of(t), dy)
    pulled = cr.vjp(lambda z: cr.vjp(f, z)[1](g)[0], Z)[1](t)[0]
    assert pulled.dtype == complex and np.isfinite(pulled).all()


# --- real and complex arguments together ------------------------------------------------------------------------------


def mixed(x, z):
    return np.sum(np.abs(np.exp(x * z) + x) ** 2 + np.real(z) * x)


def check_mixed(f, tol=1e-9):
    dx, dz = cr.grad(f, (0, 1))(X, Z)
    assert (dx.dtype, dz.dtype) == (np.dtype(float), np.dtype(complex))
    close(dx, cr.grad(mixed, (0, 1))(X, Z)[0], tol)
    close(dz, cr.grad(mixed, (0, 1))(X, Z)[1], tol)


def test_real_arguments_have_real_gradients():
    dx, dz = cr.grad(mixed, (0, 1))(X, Z)
    close(dz, two_slopes(lambda z: mixed(X, z), Z), 1e-8)
    close(dx, two_slopes(lambda x: mixed(x.real, Z), X.astype(complex)).real, 1e-8)
    check_mixed(mixed)
    check_mixed(cr.compile(mixed))
    check_mixed(cr.checkpoint(mixed))
    check_mixed(lambda x, z: cr.vmap(mixed)(x, z).sum())
    check_mixed(lambda x, z: cr.scan(lambda c, xz: (c + mixed(*xz), None), 0.0, (x, z))[0])
    check_mixed(lambda x, z: cr.cond(x[0] > 0, mixed, lambda x, z: 0 * mixed(x, z), x, z))
    x, z = cr.tensor(X, requires_grad=True), cr.tensor(Z, requires_grad=True)
    mixed(x, z).backward()
    close(x.grad.numpy(), dx)
    close(z.grad.numpy(), dz)
    assert (x.grad.dtype, z.grad.dtype) == (np.dtype(float), np.dtype(complex))
    for single in (np.float32, np.complex64):
        kind = np.dtype(single).kind
        args = (X.astype(single), Z.astype(np.complex64)) if kind == "f" else (X.astype(np.float32), Z.astype(single))
        found = cr.grad(mixed, (0, 1))(*args)
        assert [g.dtype for g in found] == [np.dtype(np.float32), np.dtype(np.complex64)]
        close(found[0], dx, 1e-4)


def test_custom_rules_of_complex_numbers():
    @cr.custom_vjp
    def modulus(z, a):
        return np.abs(z) * a

    modulus.defvjp(lambda z, a: (np.abs(z) * a, (z, a)), lambda kept, g: (g * kept[1] * np.sign(kept[0]), g * np.abs(kept[0])))
    g = cr.grad(lambda z, a: modulus(z, a).sum(), (0, 1))(Z, X)
    close(g[0], X * Z / np.abs(Z))
    close(g[1], np.abs(Z))
    assert g[1].dtype == float


def test_assignment_into_complex_arrays():
    def f(x, z):
        y = np.zeros_like(z)
        y[0] = x[0]
        y[1:] = z[1:] * x[1:]
        y[2] += 1j * y[0]
        return np.sum(np.abs(y) ** 2)

    dx, dz = cr.grad(f, (0, 1))(X, Z)
    close(dx, slope_of_each(lambda x: f(x, Z), X), 1e-8)
    close(dz, two_slopes(lambda z: f(X, z), Z), 1e-8)


def slope_of_each(f, x):
    return np.array([slope(f, x, e) for e in np.eye(x.size)])


def test_a_complex_scalar_needs_a_cotangent():
    z = cr.tensor(1 + 2j, requires_grad=True)
    with pytest.raises(RuntimeError, match="help"):
        (z * z).backward()
    (z * z).backward(np.array(1 + 0j))
    close(z.grad.numpy(), np.conj(2 * (1 + 2j)))


def test_conventions_are_those_of_pytorch():
    torch = pytest.importorskip("torch")
    cases = [
        (lambda m, z: m.abs(z).sum(), None),
        (lambda m, z: (z * z * m.conj(z)).sum(), 0.3 - 1.2j),
        (lambda m, z: m.sqrt(m.sin(z)).sum(), 1j),
        (lambda m, z: m.real(m.prod(z, 0)), None),
        (lambda m, z: m.abs(m.fft.fft(z)).sum(), None),
        (lambda m, z: m.angle(z).sum() + m.linalg.norm(z), None),
    ]
    for f, cotangent in cases:
        theirs = torch.tensor(Z, requires_grad=True)
        out = f(torch, theirs)
        out.backward(None if cotangent is None else torch.tensor(cotangent, dtype=torch.complex128))
        ours = cr.tensor(Z, requires_grad=True)
        f(np, ours).backward(None if cotangent is None else np.array(cotangent))
        close(ours.grad.numpy(), theirs.grad.numpy())


# --- edges ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "f", [np.abs, np.angle, np.sign, lambda z: np.linalg.norm(np.stack([z, z])), lambda z: np.std(np.stack([z, z]))]
)
def test_zero(f):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert cr.jvp(f, (0j,), (1 + 1j,))[1] == 0
        assert cr.vjp(f, 0j)[1](np.ones_like(f(0j)))[0] == 0


def test_products_with_zeros_are_exact():
    z = np.array([0j, 1 + 1j, 0j, 2.0])
    for f in (np.prod, lambda z: np.sum(np.cumprod(z) * np.array([1, 1j, 2, 3])), lambda z: np.prod(z[1:]) * z[3]):
        close(cr.grad(f, holomorphic=True)(z), [slope(f, z, e) for e in np.eye(4)], 1e-8)


def test_a_branch_not_taken_contributes_nothing():
    z = np.array([0j, 1 + 1j])
    g = cr.grad(lambda z: np.sum(np.abs(np.where(z == 0, 1.0, np.log(np.where(z == 0, 1, z))))))(z)
    assert np.isfinite(g).all() and g[0] == 0
    with np.errstate(all="ignore"):
        g = cr.grad(lambda z: np.sum(np.where(z == 0, 0, np.sqrt(z) / z).real))(z)
    assert np.isfinite(g).all() and g[0] == 0


def test_sigmoid_far_out():
    z = np.array([1000 + 1j, -1000 + 1j, 0.3 - 0.4j])
    close(cr.sigmoid(z), [1, 0, 1 / (1 + np.exp(-z[2]))], 1e-14)
    assert np.isfinite(cr.jacfwd(cr.sigmoid, holomorphic=True)(z)).all()


def test_nan_to_num():
    z = np.array([np.nan + 1j, 1 + np.inf * 1j, complex(1, -np.inf), 2j])
    close(cr.nan_to_num(z), np.nan_to_num(z))
    close(cr.nan_to_num(z, nan=5.0, posinf=7.0, neginf=-7.0), np.nan_to_num(z, nan=5.0, posinf=7.0, neginf=-7.0))
