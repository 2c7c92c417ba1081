"""Every function of chainrule.special through all its doors: values and dtypes as SciPy gives them."""

import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.special

import chainrule as cr

X = np.array([0.3, 1.7, 2.4])
SIGNED = np.array([-1.3, 0.4, 2.1])
UNIT = np.array([0.15, 0.5, 0.82])
N = np.array([0, 1, 3])

ON_REALS = [
    "cbrt", "cosdg", "cosm1", "dawsn", "erf", "erfc", "erfcx", "erfi", "exp10", "exp2", "expit", "expm1", "exprel", "fresnel",
    "gamma", "gammaln", "gammasgn", "i0", "i0e", "i1", "i1e", "j0", "j1", "log_expit", "log_ndtr", "ndtr", "rgamma", "round",
    "sinc", "sindg", "softplus", "tandg", "wofz", "wrightomega", "airy", "lambertw", "shichi", "softmax", "log_softmax",
    "logsumexp", "bei", "beip", "ber", "berp",
]  # fmt: skip
ON_POSITIVE = [
    "cotdg", "digamma", "ellipkm1", "entr", "exp1", "expi", "factorial", "k0", "k0e", "k1", "k1e", "log1p", "loggamma", "psi",
    "sici", "spence", "y0", "y1", "airye", "it2i0k0", "it2j0y0", "it2struve0", "iti0k0", "itj0y0", "itmodstruve0", "itstruve0",
    "kei", "keip", "kelvin", "ker", "kerp", "kolmogorov", "modfresnelm", "modfresnelp",
]  # fmt: skip
ON_UNIT = ["ellipe", "ellipk", "erfcinv", "erfinv", "kolmogi", "logit", "ndtri"]
ON_TWO_POSITIVE = [
    "agm", "beta", "betaln", "binom", "chdtr", "chdtrc", "comb", "elliprc", "gammainc", "gammaincc", "hyp0f1", "inv_boxcox",
    "inv_boxcox1p", "boxcox", "boxcox1p", "kl_div", "powm1", "poch", "rel_entr", "xlog1py", "xlogy", "huber", "pseudo_huber",
    "owens_t", "stdtr",
]  # fmt: skip
ON_ORDER_AND_POSITIVE = [
    "eval_chebyc", "eval_chebys", "eval_chebyt", "eval_chebyu", "eval_hermite", "eval_hermitenorm", "eval_laguerre",
    "eval_legendre", "eval_sh_chebyt", "eval_sh_chebyu", "eval_sh_legendre", "expn", "hankel1", "hankel1e", "hankel2",
    "hankel2e", "iv", "ive", "jn", "jv", "jve", "kn", "kv", "kve", "modstruve", "pdtr", "pdtrc", "polygamma", "spherical_in",
    "spherical_jn", "spherical_kn", "spherical_yn", "struve", "yn", "yv", "yve",
]  # fmt: skip
CALLS = {
    **dict.fromkeys(ON_REALS, (SIGNED,)),
    **dict.fromkeys(ON_POSITIVE, (X,)),
    **dict.fromkeys(ON_UNIT, (UNIT,)),
    **dict.fromkeys(ON_TWO_POSITIVE, (X, X[::-1])),
    **dict.fromkeys(ON_ORDER_AND_POSITIVE, (N, X)),
    **dict.fromkeys(("gammaincinv", "gammainccinv", "chdtri", "ellipj", "ellipkinc", "ellipeinc", "stdtrit"), (X, UNIT)),
    **dict.fromkeys(("betainc", "betaincc", "betaincinv", "betainccinv", "fdtri", "gdtrix", "hyp1f1"), (X, X[::-1], UNIT)),
    **dict.fromkeys(("elliprd", "elliprf", "elliprg", "fdtr", "fdtrc", "gdtr", "gdtrc", "radian"), (X, X + 0.5, X[::-1])),
    **dict.fromkeys(("bdtrik", "nbdtrik"), (UNIT, X + 4, UNIT[::-1])),
    **dict.fromkeys(("bdtrin", "btdtrib", "gdtrib", "nbdtrin"), (X, UNIT, UNIT)),
    **dict.fromkeys(("btdtria", "gdtria", "nrdtrimn"), (UNIT, X, UNIT)),
    **dict.fromkeys(("chdtriv", "pdtrik"), (UNIT, X)),
    **dict.fromkeys(("chndtr", "chndtridf"), (X + 2, UNIT + 0.1, UNIT)),
    "chndtrinc": (X + 4, X + 1, UNIT / 2),
    "chndtrix": (UNIT, X + 1, X),
    **dict.fromkeys(("pbdv", "pbvv", "pbwa"), (1.3, SIGNED)),
    **dict.fromkeys(("mathieu_a", "mathieu_b"), (N + 1, 0.7)),
    **dict.fromkeys(("mathieu_cem", "mathieu_sem"), (N + 1, 0.7, 40 * SIGNED)),
    **{f"mathieu_mod{kind}em{n}": (N + 1, 0.7, UNIT) for kind in "cs" for n in (1, 2)},
    **dict.fromkeys(("log_wright_bessel", "wright_bessel"), (0.7, 1.3, X)),
    **dict.fromkeys(("bdtr", "bdtrc", "bdtri", "nbdtr", "nbdtrc", "nbdtri"), (N, 5, UNIT)),
    "besselpoly": (X, 0.7, 1.3),
    **dict.fromkeys(("h1vp", "h2vp", "ivp", "jvp", "kvp", "yvp"), (N, X, 2)),
    "diric": (SIGNED, 4),
    "elliprj": (X, X + 0.5, X[::-1], UNIT),
    "eval_gegenbauer": (N, 0.7, X),
    "eval_genlaguerre": (N, 0.7, X),
    "eval_jacobi": (N, 0.7, 1.2, X),
    "eval_sh_jacobi": (N, 2.7, 1.2, X),
    "fdtridfd": (X + 1, UNIT / 2, X + 1),
    "hyp2f1": (X, X + 0.5, X[::-1], UNIT),
    "hyperu": (0.7, 1.3, X),
    "lpmv": (np.array([0, 1, -1]), 2, UNIT),
    "multigammaln": (X + 1, 2),
    "ndtri_exp": (-X,),
    "nrdtrisd": (-X, UNIT + 0.1, X),
    "pdtri": (N, UNIT),
    "sph_harm_y": (3, np.array([0, 1, -2]), X, SIGNED),
    "stdtridf": (np.array([0.8, 0.7, 0.85]), np.array([1.2, 0.8, 1.4])),
    "tklmbda": (UNIT, UNIT),
    "voigt_profile": (SIGNED, X, X[::-1]),
    "zeta": (X + 1.5, X),
    "zetac": (X + 1.5,),
}
CASES = [pytest.param(name, args, id=name) for name, args in sorted(CALLS.items())]


def flat(out):
    return out if isinstance(out, tuple) else (out,)


def test_every_function_has_a_case():
    assert set(CALLS) == set(cr.special.__all__)


@pytest.mark.parametrize("name, args", CASES)
def test_values_are_those_of_scipy(name, args):
    expected, found = flat(getattr(scipy.special, name)(*args)), flat(getattr(cr.special, name)(*args))
    for e, f in zip(expected, found, strict=True):
        assert f.dtype == e.dtype and f.shape == e.shape and not isinstance(f, cr.Tensor)
        np.testing.assert_allclose(f, e, rtol=4e-15, atol=1e-300)


@pytest.mark.parametrize("name, args", CASES)
def test_lists_and_numbers(name, args):
    lists = [a.tolist() if isinstance(a, np.ndarray) else a for a in args]
    for f, e in zip(flat(getattr(cr.special, name)(*lists)), flat(getattr(cr.special, name)(*args)), strict=True):
        np.testing.assert_array_equal(f, e)
    if name in ("softmax", "log_softmax", "logsumexp"):
        return
    numbers = [a.tolist()[1] if isinstance(a, np.ndarray) else a for a in args]
    for f, e in zip(flat(getattr(cr.special, name)(*numbers)), flat(getattr(cr.special, name)(*args)), strict=True):
        np.testing.assert_allclose(f, e[1], rtol=1e-13)


@pytest.mark.parametrize("name, args", CASES)
def test_single_precision_stays(name, args):
    """In single precision, values and slopes are those of double precision to 1e-3."""
    at = [i for i, a in enumerate(args) if isinstance(a, np.ndarray) and a.dtype == float]

    def moved(dtype):
        full = [a.astype(dtype) if i in at else a for i, a in enumerate(args)]

        def f(*xs):
            for i, x in zip(at, xs, strict=True):
                full[i] = x
            return list(flat(getattr(cr.special, name)(*full)))

        xs = tuple(full[i] for i in at)
        return cr.jvp(f, xs, xs)

    for singles, doubles in zip(moved(np.float32), moved(np.float64), strict=True):
        for s, d in zip(singles, doubles, strict=True):
            assert s.dtype == (np.complex64 if d.dtype.kind == "c" else np.float32) or not at
            np.testing.assert_allclose(s, d, rtol=1e-3, atol=1e-5)


WIDER_IN_SCIPY = [  # float64 for float32 beside Python's numbers or whole ones
    *ON_ORDER_AND_POSITIVE, "besselpoly", "diric", "h1vp", "h2vp",
    "ivp", "jvp", "kvp", "yvp", "eval_gegenbauer", "eval_genlaguerre", "eval_jacobi", "eval_sh_jacobi",
    "ellipj", "log_wright_bessel", "multigammaln", "nbdtr", "nbdtrc", "nbdtri", "pdtri", "radian",
    "sph_harm_y", "wright_bessel", "xlog1py", "xlogy",
]  # fmt: skip


@pytest.mark.parametrize("name, args", [c for c in CASES if len(c.values[1]) > 1 and c.values[0][:4] != "bdtr"])
def test_numbers_do_not_widen(name, args):
    """Python's numbers beside an array of float32, wherever it stands."""
    numbers = [a.tolist()[1] if isinstance(a, np.ndarray) else a for a in args]
    for i, a in enumerate(args):
        if isinstance(a, np.ndarray) and a.dtype == float:
            mixed = [*numbers[:i], a.astype(np.float32), *numbers[i + 1 :]]
            expected = flat(getattr(scipy.special, name)(*mixed))
            for f, e in zip(flat(getattr(cr.special, name)(*mixed)), expected, strict=True):
                wide = (
                    {np.dtype(np.float64): np.float32, np.dtype(np.complex128): np.complex64} if name in WIDER_IN_SCIPY else {}
                )
                assert f.dtype == wide.get(e.dtype, e.dtype)


UFUNCS = [c for c in CASES if isinstance(getattr(scipy.special, c.values[0]), np.ufunc) or c.values[0] in ("zeta", "lambertw")]


@pytest.mark.parametrize("name, args", UFUNCS)
def test_scipys_own_ufunc_takes_tensors(name, args):
    """Code that knows nothing of chainrule: scipy.special.f(tensor), and its derivative."""
    at = [i for i, a in enumerate(args) if isinstance(a, np.ndarray) and a.dtype == float]

    def call(module, xs):
        full = list(args)
        for i, x in zip(at, xs, strict=True):
            full[i] = x
        parts = flat(getattr(module, name)(*full))
        return [part.real if part.dtype.kind == "c" else part for part in parts]

    xs = tuple(args[i] for i in at)
    values, tangents = cr.jvp(lambda *xs: call(scipy.special, xs), xs, xs)
    ours, ours_too = cr.jvp(lambda *xs: call(cr.special, xs), xs, xs)
    for v, t, o, p, e in zip(values, tangents, ours, ours_too, call(scipy.special, xs), strict=True):
        np.testing.assert_array_equal(v, o)
        np.testing.assert_array_equal(t, p)
        np.testing.assert_allclose(v, np.real(e), rtol=4e-15, atol=1e-300)


@pytest.mark.parametrize("name, args", CASES)
def test_empty_arrays(name, args):
    empty = [a[:0] if isinstance(a, np.ndarray) else a for a in args]
    if name == "logsumexp":
        assert cr.special.logsumexp(empty[0]) == -np.inf
        return
    for f, e in zip(flat(getattr(cr.special, name)(*empty)), flat(getattr(cr.special, name)(*args)), strict=True):
        assert (f.shape, f.dtype) == ((0,), e.dtype)


def test_loading_chainrule_does_not_load_scipy():
    code = "import sys, chainrule.special; assert not [m for m in sys.modules if m.split('.')[0] == 'scipy']"
    path = os.pathsep.join(filter(None, sys.path))
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": path})


@pytest.mark.parametrize(
    "f, args",
    [
        (cr.special.factorial, (5,)),
        (cr.special.comb, (60, 30)),
    ],
)
def test_exact_integers(f, args):
    assert f(*args, exact=True) == getattr(scipy.special, f.__name__)(*args, exact=True)


def test_logsumexp_with_weights():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(3, 4)) * 300, rng.normal(size=(4,))
    for axis, keepdims in ((0, False), (1, True), (None, False), ((0, 1), True), (-1, False)):
        expected = scipy.special.logsumexp(a, axis, b, keepdims, True)
        found = cr.special.logsumexp(a, axis, b, keepdims, return_sign=True)
        for f, e in zip(found, expected, strict=True):
            assert np.shape(f) == np.shape(e)
            np.testing.assert_allclose(f, e, rtol=1e-14)
        np.testing.assert_allclose(cr.special.logsumexp(a, axis, abs(b)), scipy.special.logsumexp(a, axis, abs(b)), rtol=1e-14)
    assert cr.special.logsumexp(np.ones(2, np.float32), b=2.0).dtype == np.float32
    with np.errstate(invalid="ignore"):
        assert np.isnan(cr.special.logsumexp([0.0], b=[-1.0]))
    # A weight of 0 takes its term away, however large, and yet has a derivative.
    assert cr.special.logsumexp([1.0, 2000.0, np.inf], b=[1.0, 0.0, 0.0]) == 1.0
    a, b = np.array([0.3, 0.7]), np.array([1.0, 0.0])
    np.testing.assert_allclose(cr.grad(lambda b: cr.special.logsumexp(a, b=b))(b), np.exp(a - 0.3), rtol=1e-14)
    np.testing.assert_allclose(cr.grad(lambda a: cr.special.logsumexp(a, b=b))(a), [1, 0])
    cr.gradcheck(lambda a, b: cr.special.logsumexp(a, 1, b), (rng.normal(size=(2, 3)), abs(rng.normal(size=3)) + 0.1))


def test_softmax_takes_all_elements_by_default():
    x = np.random.default_rng(1).normal(size=(2, 3))
    np.testing.assert_allclose(cr.special.softmax(x), scipy.special.softmax(x), rtol=1e-14)
    np.testing.assert_allclose(cr.special.log_softmax(x, 0), scipy.special.log_softmax(x, 0), rtol=1e-13)


SMALL = [np.bool_, np.int8, np.uint8, np.int16, np.uint16]


@pytest.mark.parametrize("dtype", SMALL)
@pytest.mark.parametrize("name", ["cbrt", "exp2", "expm1", "log1p", "round"])
def test_small_whole_numbers_are_not_computed_in_half_precision(name, dtype):
    x = np.array([0, 1, 3], dtype)
    found, expected = getattr(cr.special, name)(x), getattr(scipy.special, name)(x)
    assert found.dtype == expected.dtype
    np.testing.assert_array_max_ulp(found, expected, 1)
    assert getattr(cr.special, name)(x.astype(np.float16)).dtype == np.float32


@pytest.mark.parametrize("dtype", SMALL)
@pytest.mark.parametrize("name", ["chdtr", "chdtrc", "chdtri", "gdtr", "gdtrc", "gdtria", "gdtrix", "nrdtrimn", "nrdtrisd"])
def test_small_whole_numbers_have_scipys_precision(name, dtype):
    at = {"chdtr": (1, 2), "chdtrc": (1, 2), "chdtri": (2, 1), "gdtria": (1, 1, 1), "gdtrix": (1, 1, 1)}.get(name, (1, 1, 1))
    with np.errstate(all="ignore"):
        for other in (dtype, np.float32, np.float64):
            xs = [np.array([a], dtype if i == 0 else other) for i, a in enumerate(at)]
            found, expected = getattr(cr.special, name)(*xs), getattr(scipy.special, name)(*xs)
            assert found.dtype == expected.dtype
            if np.isfinite(expected).all():  # probabilities of 1 are limits for us, NaN for SciPy
                np.testing.assert_allclose(found, expected, rtol=1e-5)
