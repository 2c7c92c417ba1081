"""Derivatives where mathematics leaves a choice, or where a careless rule gives NaN: each has one stated answer."""

import math

import numpy as np
import pytest
from row_tools import close

import chainrule as cr

INF, NAN = np.inf, np.nan


def derivatives(f, x):
    """Gradient by both modes and the Hessian by two, at a vector."""
    x = np.asarray(x, float)
    t = np.linspace(1.0, 2.0, x.size).reshape(x.shape)
    g = cr.grad(f)(x)
    close(cr.jvp(f, (x,), (t,))[1], np.sum(g * t))
    h = np.asarray(cr.hessian(f)(x))
    close(np.asarray(cr.jacrev(cr.jacrev(f))(x)), h)
    return g, h


@pytest.mark.parametrize(
    "inner",
    [
        lambda x: cr.sqrt(x),
        lambda x: cr.log(x),
        lambda x: 1 / x,
        lambda x: x / x,
        lambda x: x**-1.5,
        lambda x: cr.arcsin(x + 1),
        lambda x: cr.arctanh(x + 1),
        lambda x: cr.cbrt(x),
        lambda x: cr.log1p(x - 1),
        lambda x: cr.arctan2(x, 0 * x),
    ],
)
def test_a_branch_not_taken_contributes_nothing(inner):
    check_branch(inner)


def check_branch(inner):
    with np.errstate(all="ignore"):
        g, h = derivatives(lambda x: cr.where(x > 0, 0.3 * inner(0.5 * x), 2 * x * x).sum(), [0.0])
    close(g, [0.0])
    close(h, [[4.0]])


@pytest.mark.parametrize(
    "inner",
    [
        lambda x: cr.log(x) * x,
        lambda x: cr.exp(1 / x),
        lambda x: cr.sqrt(x) * cr.log(x),
        lambda x: x * INF,
        lambda x: cr.square(1 / x),
        lambda x: cr.erfinv(x + 1),
    ],
)
def test_a_product_with_infinity_in_a_branch_not_taken_contributes_nothing(inner):
    check_branch(inner)


def test_where_with_nan_in_the_data():
    x = np.array([NAN, 2.0, INF])
    with np.errstate(all="ignore"):
        g = cr.grad(lambda x: cr.where(cr.isfinite(x), x * x, 0.0).sum())(x)
    close(g, [0, 4, 0])


def test_square_root_at_zero():
    close(cr.grad(lambda x: cr.sqrt(x).sum())(np.array([4.0, 0.0])), [0.25, INF])
    close(cr.grad(lambda x: (0 * cr.sqrt(x)).sum())(np.array([4.0, 0.0])), [0, 0])
    close(cr.jvp(cr.sqrt, (np.zeros(1),), (np.zeros(1),))[1], [0])


def test_norm_at_zero():
    g, h = derivatives(lambda x: cr.norm(x), [0.0, 0.0])
    close(g, [0, 0])
    assert np.isfinite(h).all()
    close(cr.grad(lambda x: cr.norm(x, axis=1).sum())(np.array([[0.0, 0.0], [3.0, 4.0]])), [[0, 0], [0.6, 0.8]])


@pytest.mark.filterwarnings("ignore::chainrule.errors.ZeroGradientWarning")  # of counting, ord=0
@pytest.mark.parametrize("ord", [1, 2, math.inf, -math.inf, 3, 0])
def test_vector_norms_have_finite_gradients_at_zero(ord):
    with np.errstate(all="ignore"):
        assert np.isfinite(cr.grad(lambda x: cr.norm(x, ord))(np.zeros(3))).all()


def test_absolute_value_and_sign_at_zero():
    close(cr.grad(lambda x: cr.abs(x).sum())(np.array([-2.0, 0.0, 3.0])), [-1, 0, 1])
    close(cr.grad(lambda x: (cr.sign(x) * x).sum())(np.array([-2.0, 0.0, 3.0])), [-1, 0, 1])
    close(cr.grad(lambda z: cr.abs(z).sum())(np.array([0j, 3 + 4j])), [0, 0.6 + 0.8j])


def test_logarithm_at_zero():
    with np.errstate(divide="ignore"):
        close(cr.grad(lambda x: cr.log(x).sum())(np.array([0.0, 2.0])), [INF, 0.5])
    close(cr.grad(lambda x: cr.log(x).sum())(np.array([2.0])), [0.5])


def test_powers_at_zero():
    for y, expected in ((0, 0), (0.0, 0), (1, 1), (1.0, 1), (2, 0), (3, 0), (2.0, 0)):
        g, h = derivatives(lambda x, y=y: (x**y).sum(), [0.0])
        close(g, [expected], atol=1e-12)
        close(h, [[2.0 if y == 2 else 0.0]], atol=1e-12)
        g, h = derivatives(lambda x, y=y: cr.power(x, np.array([y])).sum(), [0.0])
        close(g, [expected])
        close(h, [[2.0 if y == 2 else 0.0]])
    # 0**x: the limit from positive exponents
    close(cr.grad(lambda y: 0.0**y)(2.0), 0)
    close(cr.grad(lambda y: cr.power(np.zeros(2), y).sum())(np.array([1.0, 3.0])), [0, 0])
    assert np.isfinite(cr.hessian(lambda y: cr.power(np.zeros(2), y).sum())(np.array([1.0, 3.0]))).all()
    close(cr.grad(lambda x: (x**0.5).sum())(np.array([0.0, 4.0])), [INF, 0.25])


def test_powers_of_negative_numbers():
    close(cr.grad(lambda x: (x**3).sum())(np.array([-2.0])), [12])
    close(cr.grad(lambda x: (x ** np.array([3.0])).sum())(np.array([-2.0])), [12])


def test_ties_share_equally():
    close(cr.grad(lambda x: cr.max(x))(np.array([1.0, 3.0, 3.0])), [0, 0.5, 0.5])
    close(cr.grad(lambda x: cr.min(x))(np.array([1.0, 1.0, 1.0])), [1 / 3] * 3)
    x, y = np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0])
    for f, gx, gy in (
        (cr.maximum, [0.5, 0, 1], [0.5, 1, 0]),
        (cr.minimum, [0.5, 1, 0], [0.5, 0, 1]),
        (cr.fmax, [0.5, 0, 1], [0.5, 1, 0]),
        (cr.fmin, [0.5, 1, 0], [0.5, 0, 1]),
    ):
        a, b = cr.grad(lambda x, y, f=f: f(x, y).sum(), (0, 1))(x, y)
        close(a, gx)
        close(b, gy)
    close(cr.jvp(cr.max, (np.array([2.0, 2.0]),), (np.array([1.0, 3.0]),))[1], 2.0)


def test_fmax_and_fmin_ignore_nan():
    x, y = np.array([NAN, 1.0]), np.array([2.0, NAN])
    for f in (cr.fmax, cr.fmin):
        a, b = cr.grad(lambda x, y, f=f: f(x, y).sum(), (0, 1))(x, y)
        close(a, [0, 1])
        close(b, [1, 0])


def test_sorting_with_ties_is_a_permutation():
    x = np.array([2.0, 1.0, 2.0, 1.0])
    w = np.array([1.0, 2.0, 3.0, 4.0])
    g = cr.grad(lambda x: (cr.sort(x) * w).sum())(x)
    close(np.sort(g), w)  # each element of the result belongs to one of the argument
    close(g, [3, 1, 4, 2])  # equal elements keep their order
    close(cr.grad(lambda x: (cr.sort(x, descending=True) * w).sum())(x), [1, 3, 2, 4])


@pytest.mark.parametrize("zeros", [[1], [0, 2], [0, 1, 2, 3], []])
@pytest.mark.parametrize("f", [cr.prod, cr.cumprod])
def test_products_with_zeros(f, zeros):
    x = np.array([1.5, -2.0, 0.5, 3.0])
    x[zeros] = 0
    w = np.array([1.0, 2.0, -1.0, 0.5])

    def by_hand(x):  # the same by multiplications alone, whose derivatives hold everywhere
        parts = [x[0]]
        for i in range(1, 4):
            parts.append(parts[-1] * x[i])
        return parts[-1] if f is cr.prod else (cr.stack(parts) * w).sum()

    def fast(x):
        return f(x) if f is cr.prod else (f(x) * w).sum()

    g, h = derivatives(fast, x)
    close(g, cr.grad(by_hand)(x))
    close(h, cr.hessian(by_hand)(x))
    close(cr.jacfwd(cr.hessian(fast))(x), cr.jacfwd(cr.hessian(by_hand))(x))


def test_logsumexp_and_softmax_with_infinities():
    x = np.array([-INF, 0.0, math.log(3)])
    close(cr.logsumexp(x), math.log(4))
    close(cr.grad(cr.logsumexp)(x), [0, 0.25, 0.75])
    close(cr.softmax(x), [0, 0.25, 0.75])
    w = np.array([1.0, 2.0, 3.0])
    g, h = derivatives(lambda x: (cr.softmax(x) * w).sum(), x)
    close(g, [0, -0.1875, 0.1875])
    assert np.isfinite(h).all()
    assert cr.logsumexp(np.full(2, -INF)) == -INF
    close(cr.grad(cr.logsumexp)(np.full(2, -INF)), [0, 0])
    assert cr.logsumexp(np.array([INF, 0.0])) == INF
    close(cr.grad(cr.logsumexp)(np.array([0.0, 1000.0])), [0, 1])
    close(cr.log_softmax(np.array([-INF, 0.0])), [-INF, 0.0])
    close(cr.grad(lambda x: cr.log_softmax(x)[1])(np.array([-INF, 0.0])), [0, 0])


def test_logaddexp_of_infinities():
    x, y = np.array([-INF, 0.0, INF, -INF, 1000.0]), np.array([0.0, -INF, 0.0, -INF, 1000.0])
    a, b = cr.vjp(cr.logaddexp, x, y)[1](np.ones(5))
    close(a, [0, 1, 1, 0.5, 0.5])
    close(b, [1, 0, 0, 0.5, 0.5])


def test_spread_of_constant_input():
    x = np.full(4, 3.0)
    close(cr.grad(cr.std)(x), np.zeros(4))
    close(cr.grad(cr.var)(x), np.zeros(4))
    close(cr.hessian(cr.var)(x), 2 / 4 * (np.eye(4) - 1 / 4))
    close(cr.jvp(cr.std, (x,), (np.arange(4.0),))[1], 0)


def test_polar_functions_at_the_origin():
    for x, y in ((0.0, 0.0),):
        close(cr.grad(cr.hypot, (0, 1))(x, y), (0, 0))
        close(cr.grad(lambda x, y: cr.where(x > 0, cr.arctan2(y, x), 3 * x), (0, 1))(x, y), (3, 0))
    close(cr.grad(cr.arctan2, (0, 1))(0.0, 2.0), (0.5, 0))
    close(cr.grad(cr.arctan2, (0, 1))(1e-200, 1e-200), (5e199, -5e199))
    close(cr.grad(cr.hypot, (0, 1))(3e200, 4e200), (0.6, 0.8))
    assert np.isfinite(cr.hessian(cr.hypot, (0, 1))(0.0, 0.0)).all()


def test_sinc_at_zero_to_fourth_order():
    f = cr.sinc
    expected = [1, 0, -(math.pi**2) / 3, 0, math.pi**4 / 5]
    for x, tol in ((0.0, 1e-13), (1e-6, 1e-3)):
        f = cr.sinc
        for value in expected:
            close(f(x), value, atol=tol * 10)
            f = cr.grad(f)
    f = cr.sinc
    for _ in range(3):
        f = cr.grad(f)
    for x in (0.0317, 0.0319, 0.1):  # on both sides of where the series ends
        h = 1e-5
        close(cr.grad(f)(x), (f(x + h) - f(x - h)) / (2 * h), 1e-7)


def test_clip_at_its_ends():
    close(cr.grad(lambda x: cr.clip(x, -1, 2).sum())(np.array([-2.0, -1.0, 0.0, 2.0, 3.0])), [0, 1, 1, 1, 0])
    close(cr.grad(lambda x: cr.clip(x, None, 2).sum())(np.array([-INF, 3.0])), [1, 0])
    close(cr.grad(lambda lo: cr.clip(np.array([0.0, 3.0]), lo, 5.0).sum())(1.0), 1.0)
    close(cr.grad(lambda hi: cr.clip(np.array([0.0, 3.0]), -1.0, hi).sum())(1.0), 1.0)


def test_relu_and_absolute_value_agree_with_pytorch_at_zero():
    close(cr.grad(lambda x: cr.relu(x).sum())(np.array([-1.0, 0.0, 1.0])), [0, 0, 1])


def test_xlogy_and_nan_to_num_at_zero():
    close(cr.grad(lambda x: cr.xlogy(x, 2.0))(0.0), math.log(2))
    close(cr.grad(lambda y: cr.xlogy(0.0, y))(0.0), 0.0)
    close(cr.grad(lambda x: cr.nan_to_num(x).sum())(np.array([NAN, 1.0, INF])), [0, 1, 0])


EMPTY_TO_SCALAR = [
    cr.sum,
    cr.prod,
    cr.norm,
    cr.count_nonzero,
    lambda x: cr.sum(cr.sort(x)),
    lambda x: cr.sum(cr.cumsum(x) + cr.cumprod(x)),
]


@pytest.mark.parametrize("f", EMPTY_TO_SCALAR)
def test_empty_arrays(f):
    out = cr.jvp(f, (np.zeros(0),), (np.zeros(0),))[1]
    close(out, 0)
    if f is not cr.count_nonzero:
        assert cr.grad(f)(np.zeros(0)).shape == (0,)
        assert cr.grad(lambda x: f(x.reshape(-1)))(np.zeros((0, 3))).shape == (0, 3)
        assert cr.hessian(f)(np.zeros(0)).shape == (0, 0)


def test_means_of_nothing_are_nan_without_a_warning_about_division():
    assert math.isnan(cr.mean(np.zeros(0)))
    assert math.isnan(cr.var(np.zeros(0)))
    assert cr.grad(cr.mean)(np.zeros(0)).shape == (0,)
    for f in (cr.max, cr.min, cr.argmax, cr.argmin):
        with pytest.raises(ValueError, match="no elements"):
            f(np.zeros((2, 0)), axis=1)


def test_reductions_of_a_number():
    for f in (cr.sum, cr.prod, cr.max, cr.min, cr.mean, cr.norm, cr.logsumexp):
        g = cr.grad(f)(3.0)
        assert g.shape == ()
        close(g, 1.0)
    for f in (cr.var, cr.std):
        close(cr.grad(f)(3.0), 0.0)


def test_of_repeated_indices_the_last_assignment_counts():
    x, v = np.arange(4.0), np.array([10.0, 20.0, 30.0])
    i = np.array([1, 3, 1])

    def assign(x, v):
        y = cr.asarray(x) * 1
        y[i] = v
        return y

    expected = x.copy()
    expected[i] = v
    w = np.array([1.0, 2.0, 3.0, 4.0])
    close(cr.vjp(assign, x, v)[0], expected)
    gx, gv = cr.vjp(assign, x, v)[1](w)
    close(gx, [1, 0, 3, 0])
    close(gv, [0, 4, 2])
    close(cr.jvp(assign, (x, v), (np.ones(4), v))[1], [1, 30, 1, 20])
    close(cr.grad(lambda v: (w * assign(x, v)).sum())(5.0), 2.0 + 4.0)
    grid = np.array([[0, 1], [0, 1]])
    gv = cr.grad(lambda v: (cr.index_set(x, grid, v) * w).sum())(np.ones((2, 2)))
    close(gv, [[0, 0], [1, 2]])


def test_index_add_adds_up_repeats():
    x, i = np.zeros(3), np.array([0, 0, 2])
    w = np.array([1.0, 2.0, 3.0])
    close(cr.index_add(x, i, np.array([1.0, 10.0, 100.0])), [11, 0, 100])
    close(cr.grad(lambda v: (cr.index_add(x, i, v) * w).sum())(np.ones(3)), [1, 1, 3])
    close(cr.grad(lambda x: (x[i] * w).sum())(x), [3, 0, 3])


def test_assignment_of_nan_and_over_nan():
    x = np.array([NAN, 1.0, 2.0])

    def f(x):
        y = x * x
        y[0] = 3.0
        return y.sum()

    close(cr.grad(f)(x), [0, 2, 4])


def test_division_by_zero_times_zero():
    x, y = np.array([0.0, 1.0]), np.array([0.0, 2.0])
    with np.errstate(all="ignore"):
        gx, gy = cr.grad(lambda x, y: cr.where(y == 0, 0.0, x / y).sum(), (0, 1))(x, y)
    close(gx, [0, 0.5])
    close(gy, [0, -0.25])


def test_rules_do_not_warn():
    """The value may warn, as NumPy's does; the derivative of a value that did not warn must not."""
    cases = [
        (cr.sqrt, 0.0),
        (cr.cbrt, 0.0),
        (cr.arcsin, 1.0),
        (cr.arccos, 1.0),
        (cr.arccosh, 1.0),
        (cr.norm, np.zeros(2)),
        (lambda x: x**0.5, 0.0),
        (lambda x: x**1.5, 0.0),
        (lambda x: cr.power(x, np.array(0.5)), 0.0),
        (cr.absolute, 0.0),
        (lambda x: cr.hypot(x, x), 0.0),
        (lambda x: cr.arctan2(x, x), 0.0),
        (cr.sinc, 0.0),
        (lambda x: 0.0**x, 0.0),
        (cr.exp, -1000.0),
        (cr.sigmoid, 800.0),
        (cr.sigmoid, -800.0),
        (cr.softplus, 800.0),
        (cr.softplus, -800.0),
        (cr.tanh, 800.0),
        (cr.erf, 100.0),
        (cr.gelu, 100.0),
        (cr.gelu, -100.0),
        (cr.silu, -800.0),
        (cr.logsumexp, np.array([-INF, -INF])),
        (cr.std, np.ones(3)),
        (lambda x: cr.logaddexp(x, -INF), -INF),
        (cr.arctan, 1e200),
        (cr.arcsinh, 1e200),
        (cr.square, 0.0),
        (lambda x: cr.logit(x), 0.5),
        (lambda x: cr.interp(x, np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 2.0])), 0.0),
    ]
    for f, x in cases:
        x = np.asarray(x)
        value, pull = cr.vjp(f, x)
        (g,) = pull(np.ones_like(value))
        close(cr.jvp(f, (x,), (np.ones_like(x),))[1], np.sum(g))
