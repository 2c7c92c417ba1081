"""Derivatives at the edges of domains: poles, zeros, infinities. Where a limit is finite, it is the answer."""

import math

import numpy as np
import pytest
import scipy.special

import chainrule as cr

sp = cr.special
INF, EULER = math.inf, 0.5772156649015329
FIRST_ZETA = -0.9189385332046728  # zeta'(0) = -log(2 pi) / 2


def partial(i, f, *args):
    with np.errstate(all="ignore"):
        return float(cr.grad(f, argnums=i)(*args))


EDGES = [
    # 1 / gamma at its zeros: (-1)**n n!
    *((0, sp.rgamma, (float(-n),), (-1) ** n * math.factorial(n)) for n in range(5)),
    (0, sp.gamma, (1.0,), -EULER),
    (0, sp.zeta, (0.0,), FIRST_ZETA),
    (0, sp.zeta, (-1e-14,), FIRST_ZETA),
    (0, sp.spence, (1e-30,), -30 * math.log(10)),
    (0, sp.zeta, (-2.0,), -0.030448457058393270780),
    (0, sp.poch, (0.0, 2.0), 1.0),
    (0, sp.poch, (-1.0, 3.0), -1.0),
    (0, sp.factorial, (0.0,), -EULER),
    (0, sp.factorial, (-1.5,), 0.0),
    (1, sp.comb, (3.0, 5.0), 0.0),
    # x log(y) and entropies
    (0, sp.xlogy, (0.0, 0.0), 0.0),
    (0, sp.xlogy, (0.0, 2.0), math.log(2)),
    (1, sp.xlogy, (0.0, 0.0), 0.0),
    (0, sp.xlog1py, (0.0, -1.0), 0.0),
    (1, sp.xlog1py, (0.0, -1.0), 0.0),
    (0, sp.entr, (0.0,), INF),
    (0, sp.rel_entr, (0.0, 2.0), -INF),
    (1, sp.rel_entr, (0.0, 2.0), 0.0),
    (0, sp.rel_entr, (0.0, 0.0), 1.0),
    (1, sp.rel_entr, (0.0, 0.0), 0.0),
    (0, sp.kl_div, (2.0, 2.0), 0.0),
    (1, sp.kl_div, (0.0, 0.0), 1.0),
    (0, sp.pseudo_huber, (0.0, 0.0), 0.0),
    (1, sp.pseudo_huber, (0.0, 0.0), 0.0),
    (1, sp.pseudo_huber, (1e200, 1e-200), 1e-200),
    (1, sp.huber, (1.0, 1.0), 1.0),
    # transformations at parameter 0 and at the end of the domain
    (1, sp.boxcox, (3.0, 0.0), math.log(3) ** 2 / 2),
    (1, sp.boxcox1p, (2.0, 0.0), math.log(3) ** 2 / 2),
    (1, sp.boxcox, (0.0, 2.0), 0.25),
    (0, sp.boxcox, (0.0, 2.0), 0.0),
    (1, sp.inv_boxcox, (2.0, 0.0), -2 * math.exp(2)),
    (0, sp.inv_boxcox, (2.0, 0.0), math.exp(2)),
    (0, sp.exprel, (0.0,), 0.5),
    (0, sp.exprel, (-INF,), 0.0),
    (0, sp.logit, (0.0,), INF),
    (0, sp.expit, (INF,), 0.0),
    (0, sp.expit, (-INF,), 0.0),
    (0, sp.log_expit, (-INF,), 1.0),
    (0, sp.log_expit, (INF,), 0.0),
    (0, sp.diric, (0.0, 4), 0.0),
    # error functions
    (0, sp.erf, (INF,), 0.0),
    (0, sp.erfc, (-INF,), 0.0),
    (0, sp.erfcx, (INF,), 0.0),
    (0, sp.dawsn, (0.0,), 1.0),
    (0, sp.dawsn, (INF,), 0.0),
    (0, sp.erfinv, (1.0,), INF),
    (0, sp.log_ndtr, (INF,), 0.0),
    (0, sp.log_ndtr, (-1e5,), 1e5 + 1e-5),
    (0, sp.ndtr, (-INF,), 0.0),
    (0, sp.owens_t, (0.0, 1.0), 0.0),
    (1, sp.owens_t, (0.0, 1.0), 1 / (4 * math.pi)),
    # incomplete gamma and beta functions
    (1, sp.gammainc, (1.0, 0.0), 1.0),
    (1, sp.gammainc, (0.5, 0.0), INF),
    (1, sp.gammainc, (2.0, 0.0), 0.0),
    (0, sp.gammainc, (2.0, 0.0), 0.0),
    (0, sp.gammainc, (2.0, INF), 0.0),
    (1, sp.gammainc, (2.0, INF), 0.0),
    (0, sp.gammainc, (0.0, 1.0), -0.21938393439552026),  # -E_1(1)
    (0, sp.gammaincc, (0.0, 3.0), 0.013048381094197037),  # E_1(3)
    (2, sp.betainc, (1.0, 3.0, 0.0), 3.0),
    (2, sp.betainc, (3.0, 1.0, 1.0), 3.0),
    (2, sp.betainc, (0.5, 3.0, 0.0), INF),
    (0, sp.betainc, (2.0, 3.0, 0.0), 0.0),
    (1, sp.betainc, (2.0, 3.0, 1.0), 0.0),
    (0, sp.gammaincinv, (2.0, 0.0), 0.0),
    (2, sp.bdtr, (0, 5, 0.0), -5.0),
    (1, sp.stdtr, (3.0, 0.0), 0.36755259694786135),
    (0, sp.stdtr, (3.0, 0.0), 0.0),
    # Bessel functions at 0
    (0, sp.j0, (0.0,), 0.0),
    (0, sp.j1, (0.0,), 0.5),
    (0, sp.i0, (0.0,), 0.0),
    (0, sp.i1, (0.0,), 0.5),
    (0, sp.i0e, (0.0,), 0.0),  # a kink: half of the two slopes
    (1, sp.jv, (0, 0.0), 0.0),
    (1, sp.jv, (1, 0.0), 0.5),
    (1, sp.jv, (2, 0.0), 0.0),
    (0, sp.jv, (1.5, 0.0), 0.0),
    (0, sp.k0, (0.0,), -INF),
    (0, sp.y0, (0.0,), INF),
    (1, sp.spherical_jn, (0, 0.0), 0.0),
    (1, sp.spherical_jn, (1, 0.0), 1 / 3),
    (1, sp.spherical_in, (1, 0.0), 1 / 3),
    (0, lambda x: sp.airy(x)[0], (0.0,), -0.25881940379280678),
    (1, sp.struve, (0, 0.0), 2 / math.pi),
    # integrals
    (0, lambda x: sp.sici(x)[0], (0.0,), 1.0),
    (0, lambda x: sp.shichi(x)[0], (0.0,), 1.0),
    (0, lambda x: sp.sici(x)[0], (INF,), 0.0),
    (0, lambda x: sp.fresnel(x)[1], (0.0,), 1.0),
    (0, sp.spence, (1.0,), -1.0),
    (1, sp.expn, (2, 0.0), -INF),
    (1, sp.expn, (3, 0.0), -1.0),
    (0, lambda x: sp.lambertw(x).real, (0.0,), 1.0),
    # elliptic
    (0, sp.ellipk, (0.0,), math.pi / 8),
    (0, sp.ellipe, (0.0,), -math.pi / 8),
    (0, sp.ellipe, (1.0,), -INF),
    (1, sp.ellipkinc, (0.0, 0.5), 0.0),
    (1, sp.ellipkinc, (math.pi / 2, 0.0), math.pi / 8),
    (0, sp.ellipkinc, (math.pi / 2, 0.5), math.sqrt(2)),
    (0, sp.agm, (1.0, 1.0), 0.5),
    # polynomials at the ends of their interval, Legendre functions where 1 - x**2 vanishes
    (1, sp.eval_legendre, (3, 1.0), 6.0),
    (1, sp.eval_chebyt, (3, -1.0), 9.0),
    (1, sp.eval_hermite, (0, 1.0), 0.0),
    (2, sp.lpmv, (0, 3, 1.0), 6.0),
    (2, sp.lpmv, (2, 3, 1.0), -30.0),
    (2, lambda n, m, t, p: sp.sph_harm_y(n, m, t, p).real, (1, 1, 0.0, 0.0), -math.sqrt(3 / (8 * math.pi))),
]


@pytest.mark.parametrize("i, f, args, expected", EDGES, ids=lambda v: getattr(v, "__name__", str(v)).replace(" ", ""))
def test_slope_at_an_edge(i, f, args, expected):
    if np.isinf(expected):
        assert partial(i, f, *args) == expected
    else:
        np.testing.assert_allclose(partial(i, f, *args), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    "f, x, expected",
    [
        (sp.rgamma, 0.0, 2 * EULER),
        (sp.exprel, 0.0, 1 / 3),
        (sp.j0, 0.0, -0.5),
        (lambda x: sp.spherical_jn(0, x), 0.0, -1 / 3),
        (sp.spence, 1.0, 0.5),
        (sp.ellipk, 0.0, 9 * math.pi / 64),
        (lambda x: sp.gammainc(2.0, x), 0.0, 1.0),
        (lambda x: sp.gammainc(1.0, x), 0.0, -1.0),
        (lambda x: sp.betainc(1.0, 3.0, x), 0.0, -6.0),
        (lambda x: sp.betainc(3.0, 1.0, x), 1.0, 6.0),
        (sp.erf, 0.0, 0.0),
        (lambda x: sp.diric(x, 5), 0.0, -2.0),
        (lambda x: sp.pseudo_huber(2.0, x), 0.0, 1.0),
    ],
)
def test_second_derivative_at_an_edge(f, x, expected):
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(cr.grad(cr.grad(f))(x), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("i, f, args", [c[:3] for c in EDGES if np.isinf(c[3])], ids=lambda v: getattr(v, "__name__", str(v)))
def test_infinite_slopes_of_unused_values_do_no_harm(i, f, args):
    """In a branch that is not taken, an infinite slope is no slope."""

    def chosen(x):
        full = list(args)
        full[i] = x
        return cr.where(x > -math.inf, x * 2.0, f(*full) if np.ndim(x) == 0 else x)

    with np.errstate(all="ignore"):
        assert cr.grad(chosen)(args[i]) == 2.0
        assert cr.jvp(lambda x: chosen(x), (np.array(args[i]),), (np.array(1.0),))[1] == 2.0


ARGUMENTS = [
    (sp.eval_legendre, 0, (1.5, 0.3)),
    (sp.eval_jacobi, 0, (2.5, 0.3, 0.4, 0.5)),
    (sp.lpmv, 1, (1, 1.5, 0.3)),
    (sp.besselpoly, 1, (0.3, 1.5, 2.0)),
    (lambda m, q, x: sp.mathieu_modcem1(m, q, x)[1], 1, (1, 1.5, 0.3)),
]


@pytest.mark.parametrize("f, i, args", ARGUMENTS)
def test_slopes_without_formula_raise(f, i, args):
    """Better no answer than a zero that is none."""
    for transform in (lambda: cr.grad(f, argnums=i)(*args), lambda: cr.jacfwd(f, argnums=i)(*args)):
        with pytest.raises(cr.errors.UnsupportedError, match=r"(?s)derivative of .*help:"):
            transform()
    last = 0 if f is sp.besselpoly else len(args) - 1
    assert np.isfinite(cr.grad(f, argnums=last)(*args))


UFUNCS = [name for name in dir(scipy.special) if isinstance(getattr(scipy.special, name), np.ufunc)]


@pytest.mark.parametrize("name", [name for name in UFUNCS if not hasattr(sp, name)])
def test_functions_of_scipy_that_are_missing_raise(name):
    f, x = getattr(scipy.special, name), cr.tensor([0.3, 0.6], requires_grad=True)
    with pytest.raises(cr.errors.UnsupportedError, match=rf"(?s)scipy\.special\.{name} is not supported.*help:"):
        f(*[x] * f.nin)
    with pytest.raises(cr.errors.UnsupportedError, match=f"scipy.special.{name}"):
        cr.jvp(lambda x: f(*[x] * f.nin), (0.3,), (1.0,))


def test_whole_orders_carry_no_derivative():
    x = cr.tensor(2.0, requires_grad=True)
    assert sp.yn(1, x).requires_grad and sp.kn(2, x).requires_grad and sp.polygamma(1, x).requires_grad
    assert not sp.gammasgn(x).requires_grad or cr.grad(sp.gammasgn)(2.0) == 0


@pytest.mark.parametrize("d", [1.5, np.array([2, 3])])
def test_multigammaln_needs_a_dimension(d):
    with pytest.raises(ValueError, match="help:"):
        sp.multigammaln(np.array([5.0]), d)


def test_spherical_functions_need_whole_orders():
    with pytest.raises(TypeError, match="help:"):
        sp.spherical_jn(1.5, 2.0)
    with pytest.raises(ValueError, match="help:"):
        sp.multigammaln(np.array([0.2]), 2)


def test_nan_in_nan_out():
    for f in (sp.gammainc, sp.gammaincc, sp.beta, sp.jv, sp.stdtr):
        assert np.isnan(f(2.0, np.nan))
        assert np.isnan(partial(1, f, 2.0, np.nan))
    assert np.isnan(partial(0, sp.gammainc, np.nan, 1.0))
    assert np.isnan(partial(0, sp.betainc, np.nan, 1.0, 0.5))
    assert np.isnan(partial(0, sp.gammainc, -1.0, 1.0))


@pytest.mark.parametrize("name", ["fdtr", "fdtrc", "gdtr", "gdtrc"])
def test_outside_of_the_parameters_of_a_distribution_is_nan_where_it_is_for_scipy(name):
    values = [-INF, -1.0, -0.0, 0.0, 0.3, 2.0, INF, math.nan]
    args = np.array(np.meshgrid(values, values, values)).reshape(3, -1)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(getattr(sp, name)(*args), getattr(scipy.special, name)(*args), rtol=1e-12)


@pytest.mark.parametrize("name", ["xlogy", "xlog1py"])
def test_the_logarithm_is_as_precise_as_the_result(name):
    x, y = np.array([3, 2]), np.array([0.3, 0.7], np.float32)
    np.testing.assert_allclose(getattr(sp, name)(x, y), getattr(scipy.special, name)(x, y), rtol=1e-15)
    with np.errstate(all="ignore"):
        z = np.array([1 + 2j, 0j])
        np.testing.assert_allclose(getattr(sp, name)(z, -y), getattr(scipy.special, name)(z, -y), rtol=1e-14)


@pytest.mark.parametrize("name", ["fdtr", "fdtrc", "gdtr", "gdtrc"])
def test_products_of_whole_numbers_do_not_overflow(name):
    args = np.array([[2**62, 7, 3], [2**40 + 1, 2**41, 2**50], [2**50, 3, 2**33]])
    np.testing.assert_allclose(getattr(sp, name)(*args), getattr(scipy.special, name)(*args), rtol=1e-10)


PAIRS = [("jvp", "jv"), ("yvp", "yv"), ("ivp", "iv"), ("kvp", "kv"), ("h1vp", "hankel1"), ("h2vp", "hankel2")]


@pytest.mark.parametrize("name, of", PAIRS)
def test_derivatives_of_bessel_functions_are_those_of_the_functions(name, of):
    v, z = np.array([0.3, 1.7, 4.0]), np.array([0.8, 2.5, 6.0])
    f, plain = getattr(sp, name), getattr(sp, of)
    along = (np.zeros(3), np.ones(3)), (np.ones(3), np.zeros(3))
    np.testing.assert_allclose(f(v, z, 0), plain(v, z), rtol=1e-14)
    np.testing.assert_allclose(cr.jvp(plain, (v, z), along[0])[1], f(v, z), rtol=1e-12)
    for n in (1, 2, 3):
        np.testing.assert_allclose(f(v, z, n), getattr(scipy.special, name)(v, z, n), rtol=1e-12)
        np.testing.assert_allclose(cr.jvp(lambda v, z, n=n: f(v, z, n), (v, z), along[0])[1], f(v, z, n + 1), rtol=1e-11)
    crossed = cr.jvp(lambda v, z: cr.jvp(plain, (v, z), along[1])[1], (v, z), along[0])[1]
    np.testing.assert_allclose(cr.jvp(f, (v, z), along[1])[1], crossed, rtol=1e-8)
    with pytest.raises(ValueError, match="cannot be negative"):
        f(v, z, -1)
