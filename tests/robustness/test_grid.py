"""Derivatives that other libraries refuse or get wrong, each against an independent reference, compiled where it makes sense.

References: complex steps of the NumPy program itself, mpmath, closed forms, or Richardson's differences of verified gradients.
"""

import itertools

import mpmath
import numpy as np
import pytest
import scipy.linalg
import scipy.special

import chainrule as cr

RNG = np.random.default_rng(11)


def slope(f, x, v):
    """The derivative of an analytic NumPy function along v, by a complex step."""
    return np.imag(f(x + 1e-30j * v)) / 1e-30


def richardson(f, x, v, h=1e-2):
    """The derivative of f along v from central differences at four steps, extrapolated three times."""
    table = [(np.asarray(f(x + s * v)) - np.asarray(f(x - s * v))) / (2 * s) for s in (h, h / 2, h / 4, h / 8)]
    for k in (1, 2, 3):
        table = [(4**k * b - a) / (4**k - 1) for a, b in itertools.pairwise(table)]
    return table[0]


def close(found, wanted, rtol=1e-9, atol=1e-12):
    np.testing.assert_allclose(np.asarray(found), np.asarray(wanted), rtol=rtol, atol=atol)


def all_ways(f, x, v, wanted, rtol=1e-9):
    """grad, jvp, backward and their compiled counterparts of a scalar function all give this derivative along v."""
    close(np.sum(cr.grad(f)(x) * v), wanted, rtol)
    close(cr.jvp(f, (x,), (v,))[1], wanted, rtol)
    close(np.sum(cr.compile(cr.grad(f))(x) * v), wanted, rtol)
    close(cr.jvp(cr.compile(f), (x,), (v,))[1], wanted, rtol)
    t = cr.tensor(x, requires_grad=True)
    f(t).backward()
    close(np.sum(t.grad.numpy() * v), wanted, rtol)


# --- loops of recurrent cells --------------------------------------------------------------------------------------------


def lstm(w, xs, steps=5, keep=np.zeros_like):
    """A loop over LSTM cells that puts what it computes into an array. w : (4 * n, n + m + 1), xs : (steps, m)"""
    n = w.shape[0] // 4
    h, c = np.zeros(n), np.zeros(n)
    out = keep(w, shape=(steps, n))
    for t in range(steps):
        z = w @ np.concatenate([h, xs[t], np.ones(1)])
        i, f, o = (1 / (1 + np.exp(-z[k * n : (k + 1) * n])) for k in range(3))
        c = f * c + i * np.tanh(z[3 * n :])
        h = o * np.tanh(c)
        out[t] = h
    return out


W, XS = RNG.normal(size=(12, 6)) / 2, RNG.normal(size=(5, 2))
DW = RNG.normal(size=W.shape)


def test_jvp_of_an_lstm_loop():
    out, tangent = cr.jvp(lambda w: lstm(w, XS), (W,), (DW,))
    close(out, lstm(W, XS))
    close(tangent, slope(lambda w: lstm(w, XS), W, DW))
    close(cr.jvp(cr.compile(lambda w: lstm(w, XS)), (W,), (DW,))[1], tangent)


def test_vmap_of_an_lstm_loop():
    batch = RNG.normal(size=(4, 5, 2))
    close(
        cr.vmap(lambda xs: lstm(W, xs, keep=lambda w, shape: np.zeros_like(xs, shape=shape)))(batch),
        [lstm(W, xs) for xs in batch],
    )
    per_example = cr.vmap(lambda xs: cr.grad(lambda w: np.sum(lstm(w, xs) ** 2))(W))
    wanted = [slope(lambda w, xs=xs: np.sum(lstm(w, xs) ** 2), W, DW) for xs in batch]
    close(np.sum(per_example(batch) * DW, axis=(1, 2)), wanted)
    close(cr.compile(per_example)(batch), per_example(batch))


def test_second_derivatives_of_an_lstm_loop():
    def f(w):
        return np.sum(lstm(w, XS) ** 2)

    wanted = richardson(lambda w: slope(f, w, DW), W, DW)
    close(np.sum(cr.hvp(f, (W,), (DW,))[1] * DW), wanted, 1e-8)
    close(np.sum(cr.compile(lambda w: cr.hvp(f, (w,), (DW,))[1])(W) * DW), wanted, 1e-8)


# --- attention ---------------------------------------------------------------------------------------------------------


def attention(q):
    """Softmax attention of 4 queries, keys and values, all made from q : (4, 3); a number comes out."""
    k, v = q * np.array([0.5, -1.0, 2.0]), np.sin(q[::-1])
    scores = q @ k.T / np.sqrt(3)
    e = np.exp(scores - np.max(np.real(scores), axis=-1, keepdims=True))
    return np.sum((e / e.sum(axis=-1, keepdims=True)) @ v * np.arange(12.0).reshape(4, 3) ** 2)


Q, DQ, EQ = RNG.normal(size=(3, 4, 3))


def test_double_backward_of_softmax_attention():
    wanted = richardson(lambda q: slope(attention, q, DQ), Q, EQ)
    t = cr.tensor(Q, requires_grad=True)
    (g,) = cr.autograd.grad(attention(t), [t], create_graph=True)
    (g * DQ).sum().backward()
    close(np.sum(t.grad.numpy() * EQ), wanted, 1e-8)


def test_hessian_of_softmax_attention():
    h = cr.hessian(attention)(Q)
    close(np.einsum("ijkl,ij,kl", h, DQ, EQ), richardson(lambda q: slope(attention, q, DQ), Q, EQ), 1e-8)
    close(h, np.einsum("ijkl->klij", h))
    close(cr.compile(cr.hessian(attention))(Q), h)
    close(cr.jacrev(cr.jacrev(attention))(Q), h)


def test_hessian_of_fused_attention():
    def f(q):
        k, v = q * np.array([0.5, -1.0, 2.0]), np.sin(q[::-1])
        return np.sum(cr.nn.functional.scaled_dot_product_attention(q, k, v) * np.arange(12.0).reshape(4, 3) ** 2)

    close(cr.hessian(f)(Q), cr.hessian(attention)(Q), 1e-8)
    close(cr.compile(cr.hessian(f))(Q), cr.hessian(attention)(Q), 1e-8)


# --- decompositions ---------------------------------------------------------------------------------------------------------

TALL, DTALL = RNG.normal(size=(2, 5, 3))


def test_complete_qr_of_a_tall_matrix():
    """Only what does not depend on the choice of the additional columns: their projector."""

    def f(a):
        q, r = np.linalg.qr(a, mode="complete")
        return np.sum((q[:, 3:] @ q[:, 3:].T) ** 3) + np.sum(r[:3] ** 2 * np.arange(9.0).reshape(3, 3)) + np.sum(q[:, :3] ** 3)

    def reference(a):
        q, r = np.linalg.qr(a)
        return np.sum((np.eye(5) - q @ q.T) ** 3) + np.sum(r**2 * np.arange(9.0).reshape(3, 3)) + np.sum(q**3)

    close(f(TALL), reference(TALL))
    all_ways(f, TALL, DTALL, richardson(reference, TALL, DTALL), 1e-8)
    second = richardson(lambda a: np.sum(cr.grad(f)(a) * DTALL), TALL, DTALL)
    close(np.sum(cr.hvp(f, (TALL,), (DTALL,))[1] * DTALL), second, 1e-7)


def test_full_svd():
    def f(a):
        u, s, vt = np.linalg.svd(a, full_matrices=True)
        rest = u[:, 3:] @ u[:, 3:].T
        return np.sum(rest**3) + np.sum(s**3) + np.sum((u[:, :3] * np.exp(-s)) @ vt * np.arange(15.0).reshape(5, 3))

    def reference(a):  # from the eigenvalues of a^T a, without an SVD
        w, v = np.linalg.eigh(a.T @ a)
        s = np.sqrt(w)
        polar = a @ (v / s * np.exp(-s)) @ v.T
        projector = np.eye(5) - a @ np.linalg.solve(a.T @ a, a.T)
        return np.sum(projector**3) + np.sum(s**3) + np.sum(polar * np.arange(15.0).reshape(5, 3))

    close(f(TALL), reference(TALL))
    all_ways(f, TALL, DTALL, richardson(reference, TALL, DTALL), 1e-8)
    close(
        np.sum(cr.hvp(f, (TALL,), (DTALL,))[1] * DTALL), richardson(lambda a: np.sum(cr.grad(f)(a) * DTALL), TALL, DTALL), 1e-7
    )


def test_derivative_at_repeated_singular_values():
    """Functions of a matrix that do not depend on the choice of singular vectors are smooth where singular values repeat."""
    q = np.linalg.qr(RNG.normal(size=(3, 3)))[0]
    a = 2.0 * q  # all singular values are 2
    d = RNG.normal(size=(3, 3))

    def nuclear(a):
        return np.sum(np.linalg.svd(a, compute_uv=False))

    def polar(a):
        u, s, vt = np.linalg.svd(a)
        return np.sum((u @ vt) * np.arange(9.0).reshape(3, 3)) + np.sum(s**3)

    all_ways(nuclear, a, d, np.sum(q * d))
    # d(polar factor) = Q skew(Q^T dA) / 2 where all singular values are 2; d(sum s^3) = 3 * 4 <Q, dA>
    skew = (q.T @ d - d.T @ q) / 2
    all_ways(polar, a, d, np.sum(q @ (skew / 2) * np.arange(9.0).reshape(3, 3)) + 12 * np.sum(q * d), 1e-8)


def test_schur():
    """A real Schur form reordered by nothing: invariants, and the triangular factor where eigenvalues are real and apart."""
    a = np.diag([3.0, 1.0, -2.0]) + 0.1 * RNG.normal(size=(3, 3))
    d = RNG.normal(size=(3, 3))

    def f(a, schur=cr.linalg.schur):
        t, z = schur(a)
        return np.sum(t**2 * np.array([[1.0, 2.0, 3.0], [0, 4.0, 5.0], [0, 0, 6.0]])) + np.sum(z**4)

    wanted = richardson(lambda a: f(a, scipy.linalg.schur), a, d, 1e-3)
    close(np.sum(cr.grad(f)(a) * d), wanted, 1e-7)
    close(cr.jvp(f, (a,), (d,))[1], wanted, 1e-7)
    close(np.sum(cr.compile(cr.grad(f))(a) * d), wanted, 1e-7)


def test_sqrtm():
    b = RNG.normal(size=(3, 3))
    a, d = b @ b.T + np.eye(3), RNG.normal(size=(3, 3))

    def f(a):
        return np.sum(cr.linalg.sqrtm(a) * np.arange(9.0).reshape(3, 3))

    root = scipy.linalg.sqrtm(a)
    tangent = scipy.linalg.solve_sylvester(root, root, d)  # R dR + dR R = dA
    all_ways(f, a, d, np.sum(tangent * np.arange(9.0).reshape(3, 3)))
    second = scipy.linalg.solve_sylvester(root, root, -2 * tangent @ tangent)
    close(np.sum(cr.hvp(f, (a,), (d,))[1] * d), np.sum(second * np.arange(9.0).reshape(3, 3)), 1e-8)


def taylor(f, x, v, order):
    """f and its derivatives along v up to this order, by forward mode within forward mode."""
    if order == 0:
        return [f(x)]
    return [f(x), *taylor(lambda y: cr.jvp(f, (y,), (v,))[1], x, v, order - 1)]


def cholesky_series(a, d, order):
    """Derivatives of the Cholesky factor of a + t d at 0, from the coefficients of L(t) L(t)^T one after the other."""
    lower = [np.linalg.cholesky(a)]
    inverse = np.linalg.inv(lower[0])
    for k in range(1, order + 1):
        rest = (d if k == 1 else 0) - sum((lower[i] @ lower[k - i].T for i in range(1, k)), np.zeros_like(a))
        inner = inverse @ rest @ inverse.T
        lower.append(lower[0] @ (np.tril(inner, -1) + np.diag(np.diag(inner) / 2)))
    return [scipy.special.factorial(k) * c for k, c in enumerate(lower)]


def test_taylor_series_of_cholesky():
    b, c = RNG.normal(size=(2, 4, 4))
    a, d = b @ b.T + 2 * np.eye(4), c + c.T
    for found, wanted in zip(taylor(np.linalg.cholesky, a, d, 5), cholesky_series(a, d, 5), strict=True):
        close(found, wanted, 1e-8, 1e-9)
    compiled = cr.compile(lambda a: taylor(np.linalg.cholesky, a, d, 3)[3])
    close(compiled(a), cholesky_series(a, d, 3)[3], 1e-8, 1e-9)
    # reverse mode over three times forward mode
    g = cr.grad(lambda a: np.sum(taylor(np.linalg.cholesky, a, d, 3)[3]))(a)
    close(np.sum(g * d), np.sum(cholesky_series(a, d, 4)[4]), 1e-8)


def test_solve_on_a_tensor():
    a, b, d = RNG.normal(size=(3, 4, 4))

    def f(a):
        return np.sum(np.linalg.solve(a, b) ** 2)

    x = np.linalg.solve(a, b)
    first = np.linalg.solve(a, -d @ x)
    all_ways(f, a, d, np.sum(2 * x * first), 1e-8)
    second = np.linalg.solve(a, -2 * d @ first)
    close(np.sum(cr.hvp(f, (a,), (d,))[1] * d), np.sum(2 * first**2 + 2 * x * second), 1e-8)


# --- branches ------------------------------------------------------------------------------------------------------------


def test_where_of_a_logarithm():
    def f(x):
        return np.sum(np.where(x > 0, x * np.log(x), x**2))

    x = np.array([0.5, 0.0, -1.0, 2.0])
    with np.errstate(all="ignore"):
        close(cr.grad(f)(x), [np.log(0.5) + 1, 0, -2, np.log(2) + 1])
        close(cr.jvp(f, (x,), (np.ones(4),))[1], np.log(0.5) + 1 - 2 + np.log(2) + 1)
        close(cr.hessian(f)(x), np.diag([2, 2, 2, 0.5]))
        close(cr.compile(cr.grad(f))(x), [np.log(0.5) + 1, 0, -2, np.log(2) + 1])
        close(cr.compile(cr.hessian(f))(x), np.diag([2, 2, 2, 0.5]))
        close(cr.vmap(cr.grad(lambda v: f(v[None])))(x), [np.log(0.5) + 1, 0, -2, np.log(2) + 1])


def test_double_backward_of_cond():
    def f(x):
        return cr.cond(x.sum() > 0, lambda x: np.sum(np.exp(x) * x), lambda x: np.sum(np.sin(x) ** 3), x)

    for x, d2 in (
        (np.array([0.5, 1.0]), lambda x: np.exp(x) * (x + 2)),
        (np.array([-0.5, -1.0]), lambda x: 6 * np.sin(x) * np.cos(x) ** 2 - 3 * np.sin(x) ** 3),
    ):
        t = cr.tensor(x, requires_grad=True)
        (g,) = cr.autograd.grad(f(t), [t], create_graph=True)
        g.sum().backward()
        close(t.grad.numpy(), d2(x))
        close(cr.hessian(f)(x), np.diag(d2(x)))
        close(cr.jacrev(cr.jacrev(f))(x), np.diag(d2(x)))
        close(cr.compile(cr.hessian(f))(x), np.diag(d2(x)))


# --- loops -----------------------------------------------------------------------------------------------------------------


def by_squaring(x, n):
    """x**n with a loop whose number of rounds is a value."""

    def body(carry):
        n, base, out = carry
        return n // 2, base * base, np.where(n % 2 == 1, out * base, out)

    return cr.while_loop(lambda carry: carry[0] > 0, body, (n, x, np.ones_like(x)))[2]


def test_reverse_over_reverse_through_a_while_loop():
    x, n = 1.3, 13
    close(by_squaring(x, n), x**13)
    first, second, third = (cr.grad(lambda x: by_squaring(x, n)), None, None)
    second = cr.grad(first)
    third = cr.grad(second)
    close(first(x), 13 * x**12)
    close(second(x), 13 * 12 * x**11)
    close(third(x), 13 * 12 * 11 * x**10)
    close(cr.compile(second)(x), 13 * 12 * x**11)
    close(cr.jvp(first, (x,), (1.0,))[1], 13 * 12 * x**11)


def test_checkpoint_under_grad_and_hessian():
    def layer(x, w):
        return np.tanh(w @ x + x**2)

    w, x, v = RNG.normal(size=(3, 3)) / 2, RNG.normal(size=3), RNG.normal(size=3)

    def f(x, layer=layer):
        for _ in range(3):
            x = layer(x, w)
        return np.sum(x**3)

    def kept(x):
        return f(x, cr.checkpoint(layer))

    all_ways(kept, x, v, slope(f, x, v))
    wanted = richardson(lambda x: slope(f, x, v), x, v)
    for h in (cr.hessian(kept)(x), cr.jacrev(cr.jacrev(kept))(x), cr.compile(cr.hessian(kept))(x)):
        close(v @ h @ v, wanted, 1e-8)


# --- special functions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("a", "x"), [(0.5, 0.3), (2.5, 4.0), (7.0, 3.0), (30.0, 31.0), (1e-2, 2.0)])
def test_gammainc_in_its_first_argument(a, x):
    with mpmath.workdps(40):
        wanted = [float(mpmath.diff(lambda a: mpmath.gammainc(a, 0, x, regularized=True), a, k)) for k in (1, 2)]
    first = cr.grad(cr.special.gammainc)
    close(first(a, x), wanted[0], 1e-8)
    close(cr.jvp(lambda a: cr.special.gammainc(a, x), (a,), (1.0,))[1], wanted[0], 1e-8)
    close(cr.grad(first)(a, x), wanted[1], 1e-7)
    close(cr.compile(first)(a, x), wanted[0], 1e-8)
    close(cr.vmap(first, in_axes=(0, None))(np.array([a, a]), x), [wanted[0]] * 2, 1e-8)


# --- assignment ------------------------------------------------------------------------------------------------------------


def test_item_assignment():
    def f(x):
        y = np.zeros_like(x)
        for i in range(x.size):
            y[i] = np.sin(x[i]) if i == 0 else y[i - 1] * x[i]
        y[1:-1] *= y[2:]
        return np.sum(y**2)

    x, v = RNG.normal(size=(2, 5))
    all_ways(f, x, v, slope(f, x, v))
    close(v @ cr.hessian(f)(x) @ v, richardson(lambda x: slope(f, x, v), x, v), 1e-8)


def test_in_place_on_a_leaf():
    w = cr.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = w * w
    w *= 2  # on the tape: what was recorded before keeps the old values
    w[0] = 7.0
    loss = (y + w**3).sum()
    loss.backward()
    assert w.grad.numpy().tolist() == [2.0, 4 + 2 * 3 * 16, 6 + 2 * 3 * 36]
    p = cr.tensor([1.0, 2.0], requires_grad=True)
    for _ in range(3):
        (p**2).sum().backward()
        with cr.no_grad():
            p -= 0.1 * p.grad
            p[0] += 0.0
        assert p.is_leaf and p.requires_grad
        p.grad = None
    close(p.detach().numpy(), 0.8**3 * np.array([1.0, 2.0]))
