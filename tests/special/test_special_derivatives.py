"""First and second derivatives against mpmath, for arguments drawn from whole domains: to 1e-8 of their size, or better."""

import mpmath as mp
import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings, strategies as st

import chainrule as cr

sp = cr.special
PRECISION = 40


@pytest.fixture(autouse=True)
def _digits():
    with mp.workdps(PRECISION):
        yield


def interval(lo, hi):
    return st.floats(lo, hi, allow_nan=False)


def scale(lo, hi):
    """Numbers of any size between 10**lo and 10**hi."""
    return interval(lo, hi).map(lambda e: float(10.0**e))


def partial(f, orders, args):
    """Our derivative of these orders in each argument, as one number."""
    for i, order in enumerate(orders):
        for _ in range(order):
            f = cr.grad(f, argnums=i)
    with np.errstate(all="ignore"):
        return float(f(*args))


def reference(f, orders, args):
    """Differences with a step that is small against the argument and large against the working precision."""
    h = mp.mpf(10) ** -13 * min(1, *(max(abs(a), 1e-12) for a in args))
    with mp.workdps(PRECISION + 40):
        return mp.re(mp.diff(f, tuple(map(mp.mpf, args)), tuple(orders), h=h, relative=False))


def agree(ours, theirs, orders, args, tolerance):
    found, expected = partial(ours, orders, args), float(reference(theirs, orders, args))
    # Where a derivative crosses zero it can only be as good as its neighbour of one order less.
    lower = tuple(o - (o > 0) for o in orders)
    size = max(abs(expected), 1e-4 * abs(float(reference(theirs, lower, args)))) if sum(orders) > 1 else abs(expected)
    assert abs(found - expected) <= tolerance * size + 1e-290, (args, orders, found, expected)


def phi(x):
    return mp.ncdf(x)


def lower_gamma(a, x):
    return mp.gammainc(a, 0, x, regularized=True)


def upper_gamma(a, x):
    return mp.gammainc(a, x, regularized=True)


def lower_beta(a, b, x):
    return mp.betainc(a, b, 0, x, regularized=True)


def student(df, t):
    return mp.mpf(0.5) + mp.sign(t) * lower_beta(mp.mpf(0.5), df / 2, t * t / (df + t * t)) / 2


def kolmogorov(y):
    return 2 * sum((-1) ** (k - 1) * mp.exp(-2 * k * k * y * y) for k in range(1, 60))


POSITIVE, ANY, UNIT = interval(0.05, 30), interval(-6, 6), interval(0.01, 0.99)
AWAY = ANY.filter(lambda x: abs(x) > 0.1)
FIRST_TWO = ((1,), (2,))
TWO = ((1, 0), (0, 1), (2, 0), (1, 1), (0, 2))

ONE_ARGUMENT = {
    "gamma": (sp.gamma, mp.gamma, interval(-4.7, 100).filter(lambda x: x > 0.01 or abs(x - round(x)) > 0.05)),
    "rgamma": (sp.rgamma, mp.rgamma, interval(-5, 100)),
    "gammaln": (sp.gammaln, mp.loggamma, scale(-3, 6)),
    "digamma": (sp.digamma, mp.digamma, scale(-3, 6)),
    "zeta": (sp.zeta, mp.zeta, interval(-8, 30).filter(lambda x: abs(x - 1) > 0.05 and abs(x) > 1e-3)),
    "erfcx": (sp.erfcx, lambda x: mp.exp(x * x) * mp.erfc(x), interval(-5, 12)),
    "dawsn": (sp.dawsn, lambda x: mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x), interval(-12, 12)),
    "erfi": (sp.erfi, mp.erfi, ANY),
    "log_ndtr": (sp.log_ndtr, lambda x: mp.log(phi(x)), interval(-25, 8)),
    "expit": (sp.expit, lambda x: 1 / (1 + mp.exp(-x)), interval(-60, 60)),
    "log_expit": (sp.log_expit, lambda x: -mp.log1p(mp.exp(-x)), interval(-60, 60)),
    "exprel": (sp.exprel, lambda x: (mp.exp(x) - 1) / x, interval(-100, 100).filter(lambda x: abs(x) > 1e-6)),
    "logit": (sp.logit, lambda x: mp.log(x / (1 - x)), UNIT),
    "j0": (sp.j0, lambda x: mp.besselj(0, x), POSITIVE),
    "j1": (sp.j1, lambda x: mp.besselj(1, x), POSITIVE),
    "y0": (sp.y0, lambda x: mp.bessely(0, x), POSITIVE),
    "y1": (sp.y1, lambda x: mp.bessely(1, x), POSITIVE),
    "i0e": (sp.i0e, lambda x: mp.exp(-x) * mp.besseli(0, x), scale(-2, 6)),
    "i1e": (sp.i1e, lambda x: mp.exp(-x) * mp.besseli(1, x), scale(-2, 6)),
    "k0e": (sp.k0e, lambda x: mp.exp(x) * mp.besselk(0, x), scale(-1, 3)),
    "k1e": (sp.k1e, lambda x: mp.exp(x) * mp.besselk(1, x), scale(-1, 3)),
    "airy": (lambda x: sp.airy(x)[0], mp.airyai, ANY),
    "expi": (sp.expi, mp.ei, POSITIVE),
    "spence": (sp.spence, lambda z: mp.polylog(2, 1 - z), interval(0.02, 40)),
    "sici": (lambda x: sp.sici(x)[0], mp.si, interval(-30, 30).filter(lambda x: abs(x) > 1e-3)),
    "ellipk": (sp.ellipk, mp.ellipk, interval(-50, 0.999)),
    "ellipe": (sp.ellipe, mp.ellipe, interval(-50, 0.999)),
    "ellipkm1": (sp.ellipkm1, lambda p: mp.ellipk(1 - p), scale(-12, 1)),
    "lambertw": (lambda x: sp.lambertw(x).real, mp.lambertw, interval(-0.3, 50)),
    "wrightomega": (sp.wrightomega, lambda x: mp.lambertw(mp.exp(x)), ANY),
    "entr": (sp.entr, lambda x: -x * mp.log(x), scale(-3, 3)),
    "ndtri": (sp.ndtri, lambda p: -mp.sqrt(2) * mp.erfinv(1 - 2 * p), UNIT),
    "kolmogorov": (sp.kolmogorov, kolmogorov, interval(0.25, 3)),
    "ber": (sp.ber, lambda x: mp.ber(0, x), AWAY),
    "bei": (sp.bei, lambda x: mp.bei(0, x), AWAY),
    "ker": (sp.ker, lambda x: mp.re(mp.besselk(0, x * mp.expjpi(0.25))), interval(0.1, 10)),
    "kei": (sp.kei, lambda x: mp.im(mp.besselk(0, x * mp.expjpi(0.25))), interval(0.1, 10)),
    "airye": (lambda x: sp.airye(x)[2], lambda x: mp.airybi(x) * mp.exp(-2 * x**1.5 / 3), interval(0.1, 30)),
    "it2j0y0": (lambda x: sp.it2j0y0(x)[0], lambda x: x * x / 8 * mp.hyper([1, 1], [2, 2, 2], -x * x / 4), interval(0.1, 3)),
    "it2i0k0": (lambda x: sp.it2i0k0(x)[0], lambda x: x * x / 8 * mp.hyper([1, 1], [2, 2, 2], x * x / 4), interval(0.1, 3)),
    "modfresnelp": (
        lambda x: sp.modfresnelp(x)[0].imag,
        lambda x: mp.sqrt(mp.pi / 8) - mp.sqrt(mp.pi / 2) * mp.fresnels(x * mp.sqrt(2 / mp.pi)),
        AWAY,
    ),
    "pbdv": (lambda x: sp.pbdv(1.3, x)[0], lambda x: mp.pcfd(1.3, x), interval(-4, 4)),
}


@pytest.mark.parametrize("name", ONE_ARGUMENT)
@pytest.mark.parametrize("orders", FIRST_TWO, ids=str)
def test_of_one_argument(name, orders):
    ours, theirs, domain = ONE_ARGUMENT[name]

    @settings(max_examples=12 if orders == (1,) else 5, deadline=None, derandomize=True)
    @given(domain)
    def check(x):
        agree(ours, theirs, orders, (x,), 1e-8)

    check()


TWO_ARGUMENTS = {
    "beta": (sp.beta, mp.beta, POSITIVE, POSITIVE),
    "betaln": (sp.betaln, lambda a, b: mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b), scale(-2, 5), scale(-2, 5)),
    "poch": (sp.poch, mp.rf, POSITIVE, interval(0.1, 8)),
    "binom": (sp.binom, mp.binomial, interval(9, 20), interval(0.1, 8)),
    "zeta": (sp.zeta, mp.zeta, interval(1.2, 20), POSITIVE),
    "gammainc": (sp.gammainc, lower_gamma, POSITIVE, POSITIVE),
    "gammaincc": (sp.gammaincc, upper_gamma, POSITIVE, POSITIVE),
    "jv": (sp.jv, mp.besselj, interval(-3, 10), POSITIVE),
    "yv": (sp.yv, mp.bessely, interval(-3, 10), POSITIVE),
    "iv": (sp.iv, mp.besseli, interval(0.1, 10), POSITIVE),
    "kv": (sp.kv, mp.besselk, interval(0.1, 10), POSITIVE),
    "hyp0f1": (sp.hyp0f1, mp.hyp0f1, interval(0.1, 5), ANY.filter(lambda z: abs(z) > 0.1)),
    "ellipkinc": (sp.ellipkinc, mp.ellipf, interval(0.01, 5), interval(0.01, 0.95)),
    "ellipeinc": (sp.ellipeinc, mp.ellipe, interval(0.01, 5), interval(0.01, 0.95)),
    "elliprc": (sp.elliprc, mp.elliprc, POSITIVE, POSITIVE),
    "boxcox": (sp.boxcox, lambda x, k: (x**k - 1) / k, POSITIVE, interval(0.01, 3)),
    "inv_boxcox": (sp.inv_boxcox, lambda y, k: (1 + k * y) ** (1 / k), interval(0.1, 5), interval(0.01, 3)),
    "pseudo_huber": (sp.pseudo_huber, lambda d, r: d * d * (mp.sqrt(1 + (r / d) ** 2) - 1), POSITIVE, interval(0.1, 5)),
    "agm": (sp.agm, mp.agm, POSITIVE, POSITIVE),
    "stdtr": (sp.stdtr, student, interval(0.3, 50), interval(0.1, 8)),
    "owens_t": (
        sp.owens_t,
        lambda h, a: mp.quad(lambda t: mp.exp(-h * h * (1 + t * t) / 2) / (1 + t * t), [0, a]) / (2 * mp.pi),
        interval(0.1, 2),
        interval(0.1, 2),
    ),
}


@pytest.mark.parametrize("name", TWO_ARGUMENTS)
@pytest.mark.parametrize("orders", TWO, ids=str)
def test_of_two_arguments(name, orders):
    ours, theirs, first, second = TWO_ARGUMENTS[name]

    @settings(max_examples=4, deadline=None, derandomize=True)
    @given(first, second)
    def check(x, y):
        agree(ours, theirs, orders, (x, y), 1e-8)

    check()


@pytest.mark.parametrize("orders", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (2, 0, 0), (1, 1, 0), (0, 1, 1)], ids=str)
def test_betainc(orders):
    @settings(max_examples=8, deadline=None, derandomize=True)
    @given(scale(-2, 2), scale(-2, 2), UNIT)
    def check(a, b, x):
        if sp.betainc(a, b, x) > 1e-250 and sp.betaincc(a, b, x) > 1e-250:
            agree(sp.betainc, lower_beta, orders, (a, b, x), 1e-8)

    check()


def mixed_chdtr(x, df, nc):
    terms = range(int(nc / 2 + 14 * (nc / 2) ** 0.5 + 40))
    return sum(mp.exp(-nc / 2) * (nc / 2) ** j / mp.factorial(j) * lower_gamma(df / 2 + j, x / 2) for j in terms)


@pytest.mark.parametrize("orders", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (2, 0, 0), (0, 1, 1), (0, 0, 2)], ids=str)
def test_chndtr(orders):
    for args in ((4.0, 3.0, 2.0), (30.0, 3.0, 10.0), (1.0, 3.0, 20.0), (12.0, 0.6, 4.0)):
        agree(sp.chndtr, mixed_chdtr, orders, args, 1e-10)


@pytest.mark.parametrize("orders", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, 0, 2)], ids=str)
def test_hyp1f1_in_its_parameters(orders):
    for args in ((0.5, 1.5, 2.0), (3.0, 0.2, -10.0), (-2.0, 1.3, 4.0), (2.2, -1.5, 0.3), (7.0, 30.0, 5.0)):
        agree(sp.hyp1f1, mp.hyp1f1, orders, args, 1e-8)


@pytest.mark.parametrize("orders", [(1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1), (1, 0, 1, 0)], ids=str)
def test_hyp2f1_in_its_parameters(orders):
    for args in ((0.5, 1.0, 1.5, 0.4), (0.3, -0.7, 2.2, -3.0), (2.0, 1.2, 0.4, 0.9)):
        agree(sp.hyp2f1, mp.hyp2f1, orders, args, 1e-8)


OF_THREE = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (2, 0, 0), (1, 0, 1), (0, 2, 0)]


@pytest.mark.parametrize("orders", OF_THREE, ids=str)
def test_hyperu_in_its_parameters(orders):
    for args in ((0.5, 1.5, 2.0), (3.0, 0.2, 10.0), (-2.3, 1.3, 4.0), (-0.5, 0.5, 0.3), (2.2, -1.5, 0.03), (12.5, 4.7, 40.0)):
        if orders[2] == 0 or args[0] > 0:  # SciPy's own values are inaccurate for some negative ones
            agree(sp.hyperu, mp.hyperu, orders, args, 1e-8)


def wright(a, b, x):
    return mp.fsum(x**k / mp.factorial(k) * mp.rgamma(a * k + b) for k in range(150))


@pytest.mark.parametrize("orders", OF_THREE, ids=str)
def test_wright_bessel_in_its_parameters(orders):
    for args in ((0.3, 1.5, 2.0), (1.0, 0.4, 9.0), (2.5, 4.0, 0.2), (0.01, 1.0, 0.7)):
        agree(sp.wright_bessel, wright, orders, args, 1e-8)
    agree(sp.log_wright_bessel, lambda a, b, x: mp.log(wright(a, b, x)), orders, (0.7, 1.2, 3.0), 1e-8)


@pytest.mark.parametrize("orders", [(1, 0), (2, 0), (1, 1), (0, 1), (0, 2)], ids=str)
@pytest.mark.parametrize("name", ["struve", "modstruve"])
def test_struve_in_its_order(name, orders):
    theirs = {"struve": mp.struveh, "modstruve": mp.struvel}[name]
    for args in ((0.3, 0.05), (1.0, 2.0), (2.5, 7.5), (-0.4, 5.0), (6.0, 3.0), (0.7, 12.0), (1.3, 30.0)):
        agree(getattr(sp, name), theirs, orders, args, 1e-8)
    assert cr.grad(getattr(sp, name))(0.5, 0.0) == 0


@pytest.mark.parametrize("orders", [(1, 0), (2, 0), (1, 1), (0, 1), (0, 2)], ids=str)
@pytest.mark.parametrize("part", [0, 1])
def test_parabolic_cylinders_in_their_order(part, orders):
    def theirs(v, x):
        return mp.pcfd(v, x) if part == 0 else x / 2 * mp.pcfd(v, x) - mp.pcfd(v + 1, x)

    for args in ((0.3, 0.5), (-1.5, 2.0), (2.0, -1.3), (1.0, 4.0), (5.5, 0.2), (-3.2, -2.0)):
        agree(lambda v, x: sp.pbdv(v, x)[part], theirs, orders, args, 1e-8)


@pytest.mark.parametrize("p, x", [(0.3, 0.5), (-1.5, 2.0), (2.0, -1.3), (0.0, 1.0)])
def test_other_parabolic_cylinders_in_their_parameter(p, x):
    """Slopes in x are tested with the rows."""
    agree(lambda v, x: sp.pbvv(v, x)[0], lambda v, x: mp.pcfv(-v - 0.5, x), (1, 0), (p, x), 1e-8)
    agree(lambda a, x: sp.pbwa(a, x)[0], lambda a, x: mp.re(mp.pcfw(a, x)), (1, 0), (p, x), 1e-8)


def fourier_series(m, q, odd):
    """The symmetric matrix of the Fourier series of Mathieu's functions, and the first frequency."""
    n, even_order = 30 + m, m % 2 == 0
    start = (2 if odd else 0) if even_order else 1
    t = mp.matrix(n, n)
    for k in range(n):
        t[k, k] = mp.mpf(start + 2 * k) ** 2
        if k:
            t[k, k - 1] = t[k - 1, k] = q * (mp.sqrt(2) if start == 0 and k == 1 else 1)
    t[0, 0] += 0 if even_order else -q if odd else q
    return t, start


def characteristic(m, q, odd):
    """Characteristic value of Mathieu's equation."""
    t, start = fourier_series(m, q, odd)
    return sorted(mp.eigsy(t, eigvals_only=True))[(m - start) // 2]


@pytest.mark.parametrize("m, q, odd", [(0, 0.9, False), (1, 1.5, False), (2, 3.0, False), (1, 0.9, True), (4, 10.0, True)])
@pytest.mark.parametrize("part", [0, 1])
def test_mathieu_functions_in_q(m, q, odd, part):
    """Beside differences of SciPy's values."""
    name = "mathieu_sem" if odd else "mathieu_cem"
    ours = lambda q, x: getattr(sp, name)(m, q, x)[part]  # noqa: E731
    theirs = lambda q, x: getattr(scipy.special, name)(m, q, x)[part]  # noqa: E731
    around = np.array([1, -8, 0, 8, -1]) / 12, np.array([-1, 16, -30, 16, -1]) / 12

    def differences(q, x, order, h=1e-2):
        return sum(w * theirs(q + k * h, x) for k, w in zip((-2, -1, 0, 1, 2), around[order - 1], strict=True)) / h**order

    slope = cr.grad(ours)
    np.testing.assert_allclose(slope(q, 25.0), differences(q, 25.0, 1), rtol=1e-6)
    np.testing.assert_allclose(cr.grad(slope)(q, 25.0), differences(q, 25.0, 2), rtol=1e-5, atol=1e-7)
    mixed = (differences(q, 25.1, 1) - differences(q, 24.9, 1)) / 0.2
    np.testing.assert_allclose(cr.grad(slope, argnums=1)(q, 25.0), mixed, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("m, q, odd", [(0, 0.5, False), (1, -1.5, False), (2, 3.0, False), (1, 0.5, True), (8, 10.0, True)])
def test_mathieu_values_in_q(m, q, odd):
    f = sp.mathieu_b if odd else sp.mathieu_a
    h = mp.mpf(10) ** -12
    below, here, above = (characteristic(m, q + k * h, odd) for k in (-1, 0, 1))
    np.testing.assert_allclose(cr.grad(f, argnums=1)(m, q), float((above - below) / (2 * h)), rtol=1e-12)
    second = cr.grad(cr.grad(f, argnums=1), argnums=1)(m, q)
    np.testing.assert_allclose(second, float((above - 2 * here + below) / h**2), rtol=1e-9)


@pytest.mark.parametrize("n", [2, 5, 12, 25])
def test_polynomials_in_their_parameters(n):
    for c, x in ((0.5, -0.7), (2.3, 0.2), (0.9, 0.9)):
        for orders in ((1, 0), (1, 1), (2, 0)):
            agree(lambda c, x: sp.eval_gegenbauer(n, c, x), lambda c, x: mp.gegenbauer(n, c, x), orders, (c, x), 1e-8)
            agree(lambda c, x: sp.eval_genlaguerre(n, c, x), lambda c, x: mp.laguerre(n, c, x), orders, (c, x), 1e-8)
        for orders in ((1, 0, 0), (0, 1, 0), (1, 0, 1), (1, 1, 0)):
            agree(lambda a, b, x: sp.eval_jacobi(n, a, b, x), lambda a, b, x: mp.jacobi(n, a, b, x), orders, (c, 0.4, x), 1e-8)


# --- incomplete functions of large parameters, whose integrals mpmath is shown the way to ---------------------------


def gamma_tail(a, x, n):
    """The n-th derivative of gammainc in a, by the integral over s = log t of the derivative of the density."""
    a, x = mp.mpf(a), mp.mpf(x)
    width, centre = 1 / mp.sqrt(a), mp.digamma(a)

    def integrand(s):
        y = s - centre
        return mp.exp(a * s - mp.exp(s) - mp.loggamma(a)) * (y if n == 1 else y * y - mp.psi(1, a))

    return mp.quad(integrand, [mp.log(x) - k * width for k in range(14, -1, -1)])


@pytest.mark.parametrize("a", [40.0, 1e4, 1e8, 1e12])
@pytest.mark.parametrize("deviations", [-6, -3, -0.5, 0.0, 0.5, 3])
def test_gammainc_at_all_scales(a, deviations):
    x = a + deviations * a**0.5
    for n in (1, 2):
        f = cr.grad(sp.gammainc) if n == 1 else cr.grad(cr.grad(sp.gammainc))
        # The second derivative, of size 1 / a, changes its sign near x = a.
        np.testing.assert_allclose(f(a, x), float(gamma_tail(a, x, n)), rtol=1e-10, atol=1e-10 / a if n == 2 else 0)


def beta_tail(a, b, x, m, n):
    a, b, x = mp.mpf(a), mp.mpf(b), mp.mpf(x)
    width, both = mp.sqrt(1 / a + 1 / b), mp.digamma(a + b)
    first, second = mp.digamma(a) - both, mp.digamma(b) - both
    total = mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)

    def integrand(s):
        log_t, log_u = -mp.log1p(mp.exp(-s)), -mp.log1p(mp.exp(s))
        return mp.exp(a * log_t + b * log_u - total) * (log_t - first) ** m * (log_u - second) ** n

    end = mp.log(x / (1 - x))
    return mp.quad(integrand, [end - k * width for k in range(18, -1, -1)])


@pytest.mark.parametrize("a, b", [(50.0, 30.0), (1e6, 1e6), (1e9, 1e3), (40.0, 1e8), (1e10, 1e10)])
@pytest.mark.parametrize("deviations", [-3, -0.5, 0.5, 3])
def test_betainc_at_all_scales(a, b, deviations):
    x = a / (a + b) + deviations * (a * b) ** 0.5 / (a + b) ** 1.5
    for i, (m, n) in enumerate(((1, 0), (0, 1))):
        np.testing.assert_allclose(cr.grad(sp.betainc, argnums=i)(a, b, x), float(beta_tail(a, b, x, m, n)), rtol=1e-8)


@pytest.mark.parametrize(
    "a, x", [(1e-6, 1e-3), (1e-6, 5.0), (1e-3, 1e-300), (0.3, 1e-12), (200.0, 5.0), (3.0, 300.0), (0.5, 600.0)]
)
def test_gammainc_far_from_its_middle(a, x):
    """The slope of the two complements is the same up to sign, and neither loses digits where it is tiny."""
    with mp.workdps(400):
        h = mp.mpf(10) ** -40
        expected = (upper_gamma(a + h, mp.mpf(x)) - upper_gamma(a - h, mp.mpf(x))) / (2 * h)
    assert expected > 0
    np.testing.assert_allclose(cr.grad(sp.gammaincc)(a, x), float(expected), rtol=1e-11)
    np.testing.assert_allclose(cr.grad(sp.gammainc)(a, x), -float(expected), rtol=1e-11)


# --- inverses: at the result they undo the function, in value and slope ---------------------------------------------


@settings(max_examples=30, deadline=None, derandomize=True)
@given(interval(0.3, 50), interval(0.3, 50), interval(0.001, 0.999))
def test_inverses_undo(a, b, p):
    for forward, back in (
        (lambda a, b, x: sp.gammainc(a, x), lambda a, b, p: sp.gammaincinv(a, p)),
        (lambda a, b, x: sp.gammaincc(a, x), lambda a, b, p: sp.gammainccinv(a, p)),
        (sp.betainc, sp.betaincinv),
        (sp.betaincc, sp.betainccinv),
        (sp.fdtr, sp.fdtri),
        (lambda a, b, x: sp.stdtr(a, x), lambda a, b, p: sp.stdtrit(a, p)),
        (sp.gdtr, sp.gdtrix),
    ):
        x = back(a, b, p)
        slopes = np.array(cr.grad(back, argnums=(0, 1, 2))(a, b, p))
        *in_parameters, in_x = cr.grad(forward, argnums=(0, 1, 2))(a, b, x)
        expected = np.array([*(-d / in_x for d in in_parameters), 1 / in_x])
        np.testing.assert_allclose(slopes, expected, rtol=1e-9, atol=1e-12)


# A distribution function, SciPy's name of its inverse in a parameter, which parameter that is, and its arguments with that
# parameter.
IN_PARAMETERS = [
    (sp.chdtr, "chdtriv", 0, (3.2, 2.5)),
    (sp.gdtr, "gdtria", 0, (0.7, 3.2, 2.5)),
    (sp.gdtr, "gdtrib", 1, (0.7, 3.2, 2.5)),
    (sp.betainc, "btdtria", 0, (2.2, 3.1, 0.4)),
    (sp.betainc, "btdtrib", 1, (2.2, 3.1, 0.4)),
    (sp.fdtr, "fdtridfd", 1, (3.0, 7.0, 1.2)),
    (sp.stdtr, "stdtridf", 0, (4.0, 1.4)),
    (lambda k, n, p: sp.betaincc(k + 1, n - k, p), "bdtrik", 0, (2.3, 7.1, 0.4)),
    (lambda k, n, p: sp.betaincc(k + 1, n - k, p), "bdtrin", 1, (2.3, 7.1, 0.4)),
    (lambda k, n, p: sp.betainc(n, k + 1, p), "nbdtrik", 0, (2.3, 4.1, 0.4)),
    (lambda k, n, p: sp.betainc(n, k + 1, p), "nbdtrin", 1, (2.3, 4.1, 0.4)),
    (lambda k, m: sp.gammaincc(k + 1, m), "pdtrik", 0, (2.3, 3.3)),
    (sp.chndtr, "chndtrix", 0, (4.0, 3.0, 2.0)),
    (sp.chndtr, "chndtridf", 1, (4.0, 3.0, 2.0)),
    (sp.chndtr, "chndtrinc", 2, (4.0, 3.0, 2.0)),
    (lambda m, s, x: sp.ndtr((x - m) / s), "nrdtrimn", 0, (0.4, 1.3, 2.1)),
    (lambda m, s, x: sp.ndtr((x - m) / s), "nrdtrisd", 1, (0.4, 1.3, 2.1)),
]


@pytest.mark.parametrize("forward, name, at, args", IN_PARAMETERS, ids=[c[1] for c in IN_PARAMETERS])
def test_inverses_in_a_parameter(forward, name, at, args):
    back, every = getattr(sp, name), tuple(range(len(args)))

    def with_probability(xs):
        return (*xs[:at], forward(*xs), *xs[at + 1 :])

    np.testing.assert_allclose(back(*with_probability(args)), args[at], rtol=1e-9)
    # The chain of both is the identity in that parameter: so are its slopes, and nothing is left to second order.
    identity = cr.grad(lambda *xs: back(*with_probability(xs)), argnums=every)
    np.testing.assert_allclose(identity(*args), [i == at for i in every], atol=1e-9)
    second = cr.jacfwd(lambda x: cr.stack(cr.grad(lambda x: back(*with_probability(tuple(x))))(x)), argnums=0)
    np.testing.assert_allclose(second(np.array(args)), np.zeros((len(args),) * 2), atol=1e-8)


# --- complex arguments: the Cauchy-Riemann equations and a difference along both axes -------------------------------

HOLOMORPHIC = [
    sp.gamma, sp.rgamma, sp.loggamma, sp.digamma, sp.erf, sp.erfc, sp.erfcx, sp.erfi, sp.dawsn, sp.wofz, sp.ndtr, sp.log_ndtr,
    sp.exp1, sp.expi, sp.spence, sp.wrightomega, sp.lambertw, sp.zeta,
    lambda z: sp.polygamma(2, z), lambda z: sp.jv(1.3, z), lambda z: sp.yv(1.3, z), lambda z: sp.iv(1.3, z),
    lambda z: sp.kv(1.3, z), lambda z: sp.kve(1.3, z), lambda z: sp.hankel1(1.3, z), lambda z: sp.hankel2e(1.3, z),
    lambda z: sp.spherical_jn(2, z), lambda z: sp.airy(z)[2], lambda z: sp.fresnel(z)[0], lambda z: sp.sici(z)[1],
    lambda z: sp.hyp1f1(0.4, 1.3, z), lambda z: sp.hyp2f1(0.4, 1.3, 2.2, 0.2 * z), lambda z: sp.hyp0f1(1.3, z),
    lambda z: sp.elliprf(z, 1.5, 2.0), lambda z: sp.elliprj(1.0, z, 2.0, 1.5),
    lambda z: sp.xlogy(z, z), lambda z: sp.xlog1py(z, z),
]  # fmt: skip


@pytest.mark.parametrize("f", HOLOMORPHIC)
def test_complex_slopes(f):
    z = np.array([0.7 + 0.4j, 1.6 - 0.8j, 2.3 + 1.1j])
    step = 1e-3

    def slope(g, direction):
        """Central differences of sixth order along one direction."""
        d = step * direction
        return sum(w * (g(z + k * d) - g(z - k * d)) for k, w in ((1, 0.75), (2, -0.15), (3, 1 / 60))) / d

    def tangent(z):
        return cr.jvp(f, (z,), (np.ones(3, complex),))[1]

    for direction in (1, 1j):
        np.testing.assert_allclose(tangent(z), slope(f, direction), rtol=3e-9)
        second = cr.jvp(tangent, (z,), (np.ones(3, complex),))[1]
        np.testing.assert_allclose(second, slope(tangent, direction), rtol=3e-9)
    g = np.array([0.3 - 1j, 2.0, 1j])
    np.testing.assert_allclose(cr.vjp(f, z)[1](g)[0], g * np.conj(tangent(z)), rtol=1e-13)


@pytest.mark.parametrize("f", [sp.ive, sp.jve, sp.yve])
def test_scaled_bessel_functions_of_complex_arguments(f):
    """Those scaled by a modulus are not holomorphic: the derivative is that of two real numbers."""
    z, t, g = np.array([0.7 + 0.4j, 1.6 - 0.8j]), np.array([0.2 + 1j, 0.5 - 0.3j]), np.array([1j, 0.4 + 0.1j])
    moved = cr.jvp(lambda z: f(0.6, z), (z,), (t,))[1]
    h = 1e-4
    np.testing.assert_allclose(moved, (f(0.6, z + h * t) - f(0.6, z - h * t)) / (2 * h), rtol=1e-6)
    pulled = cr.vjp(lambda z: f(0.6, z), z)[1](g)[0]
    np.testing.assert_allclose(np.vdot(g, moved).real, np.vdot(pulled, t).real, rtol=1e-12)


@pytest.mark.parametrize("f, x", [(sp.hankel1, 1.3), (sp.hankel2e, 1.3)])
def test_complex_values_of_real_arguments(f, x):
    slope = cr.grad(lambda x: f(1, x).imag)(x)
    assert isinstance(slope, float)
    np.testing.assert_allclose(slope, (f(1, x + 1e-5).imag - f(1, x - 1e-5).imag) / 2e-5, rtol=1e-8)


# --- all of it compiles ---------------------------------------------------------------------------------------------


def test_a_likelihood_compiles():
    """A beta-binomial model with its gradient and Hessian: rows that machine code calls back for, within what it fuses."""
    k, n = np.array([1.0, 4.0, 2.0, 7.0]), np.array([5.0, 9.0, 4.0, 11.0])

    def loss(theta):
        a, b = cr.exp(theta[0]), cr.exp(theta[1])
        return -(sp.betaln(k + a, n - k + b) - sp.betaln(a, b)).sum() + sp.gammainc(a, b) * sp.ndtr(theta).sum()

    theta = np.array([0.3, 0.8])
    for f in (loss, cr.grad(loss), cr.hessian(loss)):
        np.testing.assert_allclose(cr.compile(f)(theta), f(theta), rtol=1e-12)


def normal_rates(x):
    """The first three derivatives of log_ndtr: h, -h (x + h), ..."""
    x = mp.mpf(x)
    h = mp.npdf(x) / mp.ncdf(x)
    first = -h * (x + h)
    return h, first, -first * (x + h) - h * (1 + first)


@pytest.mark.parametrize("x", [-35.0, -8.0, -0.5, 3.0, 5.1, 14.0, 27.0, 33.0, 37.0])
def test_log_ndtr_to_third_order_in_both_tails(x):
    """The square of erfcx overflows from 26 on."""
    f = sp.log_ndtr
    for expected in normal_rates(x):
        f = cr.grad(f)
        np.testing.assert_allclose(f(x), float(expected), rtol=1e-9)
    assert cr.grad(cr.grad(sp.log_ndtr))(1e5) == 0


@pytest.mark.parametrize("v", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("x", [1e-12, 1e-8, 1e-3, 0.9, 3.0])
@pytest.mark.parametrize("name", ["struve", "modstruve"])
def test_struve_twice_near_zero(name, v, x):
    """Struve's functions of negative order are singular there, and would cancel."""
    theirs = {"struve": mp.struveh, "modstruve": mp.struvel}[name]
    with mp.workdps(60):
        expected = float(mp.diff(lambda x: theirs(v, x), mp.mpf(x), 2, h=mp.mpf(x) * mp.mpf(10) ** -15))
    slope = cr.grad(lambda x: getattr(sp, name)(v, x))
    np.testing.assert_allclose(cr.grad(slope)(x), expected, rtol=1e-9)


def test_struve_twice_at_zero():
    assert cr.grad(cr.grad(lambda x: sp.struve(0, x)))(0.0) == 0
