"""Sample arguments of the special functions: in the middle of their domains; edges and tails have tests of their own."""

import numpy as np
import sampling
from row_tools import Known
from sampling import C128, F32, F64, Sample, aside, spread

import chainrule as cr

sampling.start(20)

EVEN = ((2, 3), (0, 2))


def one(lo, hi, *dtypes, **params):
    """A row of one argument; `dtypes` beside float64."""
    samples = [Sample(spread(s, lo, hi), **params) for s in EVEN]
    return samples + [Sample(spread((3,), lo, hi, d), **params) for d in (F32, *dtypes)]


def several(*intervals, **params):
    """A row of an argument from each interval, broadcast together."""
    shapes = ((2, 3), (3,), (2, 1), (3,))
    return [
        Sample(*(spread(s, *i) for s, i in zip(shapes, intervals, strict=False)), **params),
        Sample(*(spread((2,), *i, F32) for i in intervals), **params),
        Sample(*(spread((0, 1), *i) for i in intervals), **params),
    ]


def with_order(*args, orders=(0, 1, 3), complex=False, **params):
    """A row whose first argument is a whole order, the others from intervals."""
    samples = [
        Sample(np.array(orders), *(spread((2, len(orders)), *i) for i in args), **params),
        Sample(orders[-1], *(spread((2,), *i, F32) for i in args), **params),
        Sample(np.array(orders[1:2]), *(spread((0, 1), *i) for i in args), **params),
    ]
    return samples + [Sample(2, *(spread((2,), *i, C128) for i in args), **params)] * complex


def orders_of(name, *intervals, orders, complex=False):
    samples = several(*intervals, name=name, orders=orders)[: 2 if name == "jv" else 1]
    last = (*(spread((2,), *i) for i in intervals[:-1]), spread((2,), *intervals[-1], C128))
    return samples + [Sample(*last, name=name, orders=orders)] * complex


NEAR_0, POSITIVE, AWAY, UNIT, SMALL = (-1.2, 1.3), (0.4, 2.6), (1.2, 2.8), (0.2, 0.8), (0.1, 0.6)
COUNTS = np.array([1, 2, 4])


def followed(rule, *args):
    """A sample whose last argument is `rule` of the others."""
    return Sample(*args, Known(rule, *args))


SAMPLES = {
    **{
        name: aside(
            lambda f=f, far=far: [
                *(followed(f, spread((2, 3), *i)) for i in ((-2, 2), (*far,))),
                followed(f, spread((3,), -2, 2, F32)),
                followed(f, spread((3,), *far, F32)),
                followed(f, spread((3,), -2, 2, C128)),
            ]
        )
        for name, f, far in (
            ("slope_of_tanh", lambda x: cr.tanh(x), (-9, -6)),
            ("slope_of_sigmoid", lambda x: cr.sigmoid(x), (7, 15)),
        )
    },
    "share_of_hypot": aside(
        lambda: [followed(cr.hypot, spread((2, 3), -2, 2, d), spread((3,), 0.5, 2, d)) for d in (F64, F32)]
    ),
    "cathetus": aside(lambda: one(-0.8, 0.8, C128)),
    "tanhshrink": aside(lambda: one(-2, 2, C128)),
    "softsign": aside(lambda: one(-2, 2.3)),
    "kl_div_in_y": aside(lambda: several(POSITIVE, POSITIVE)),
    "digamma": one(*POSITIVE, C128),
    "gammaln": one(*POSITIVE),
    "polygamma": [
        *(Sample(n, spread((2, 3), *AWAY)) for n in (0, 1, 3)),
        Sample(2, spread((3,), *POSITIVE, F32)),
        Sample(COUNTS, spread((2, 1), *POSITIVE)),
        Sample(1, spread((3,), *POSITIVE, C128)),
        Sample(0, spread((3,), -1.3, 0.6, C128)),
    ],
    "logit": one(*UNIT),
    # error functions
    "wofz": [*one(*NEAR_0, C128, n=0), *one(*NEAR_0, C128, n=2), *one(7.5, 9, C128, n=1)],
    "erfcx": [*one(*NEAR_0, C128, n=0), *one(*NEAR_0, C128, n=2), *one(7.5, 9, C128, n=1)],
    "dawsn": [*one(*NEAR_0, C128, n=0), *one(*NEAR_0, C128, n=2), *one(7.5, 9, C128, n=1)],
    "erfi": one(*NEAR_0, C128),
    "erfcinv": one(0.4, 1.6),
    "voigt_profile": several(NEAR_0, POSITIVE, POSITIVE),
    "fresnel_s": one(*NEAR_0, C128),
    "fresnel_c": one(*NEAR_0, C128),
    "ndtr": one(*NEAR_0, C128),
    "log_ndtr": one(-3, 2, C128),
    "hazard": aside(lambda: one(-9, 9, C128)),
    "ndtri": one(*UNIT),
    "ndtri_exp": one(-3, -0.5),
    "owens_t": several(NEAR_0, NEAR_0),
    # gamma and beta
    "gamma": one(*POSITIVE, C128),
    "loggamma": one(*POSITIVE, C128),
    "gammasgn": one(*POSITIVE),
    "rgamma": one(-2.3, 2.6, C128),
    "digamma_rise": [*several(POSITIVE, POSITIVE, n=0), *several(POSITIVE, POSITIVE, n=2)],
    "beta": several(POSITIVE, POSITIVE),
    "betaln": several(POSITIVE, POSITIVE),
    "poch": several(POSITIVE, POSITIVE),
    "binom": several((2.5, 4), POSITIVE),
    "riemann_zeta": [*one(1.5, 4, C128, n=0), *one(-2.4, 0.5, C128, n=1)],
    "hurwitz_zeta": [*several((1.7, 4), POSITIVE, n=0), *several((1.7, 4), POSITIVE, n=1)],
    "zetac": one(1.5, 4),
    "gamma_density": several(POSITIVE, POSITIVE),
    "beta_density": several(POSITIVE, POSITIVE, UNIT),
    "gammainc_in_a": [*several(POSITIVE, POSITIVE, n=1), *several((20, 30), (20, 30), n=2)],
    "gammainc": several(POSITIVE, POSITIVE),
    "gammaincc": several(POSITIVE, POSITIVE),
    "gammaincinv": several((0.8, 2.6), UNIT),
    "gammainccinv": several((0.8, 2.6), UNIT),
    "betainc_slope": [*several(POSITIVE, POSITIVE, UNIT, m=1, n=0), *several(POSITIVE, POSITIVE, UNIT, m=1, n=1)],
    "betainc": several(POSITIVE, POSITIVE, UNIT),
    "betaincc": several(POSITIVE, POSITIVE, UNIT),
    "betaincinv": several((0.8, 2.6), (0.8, 2.6), UNIT),
    "betainccinv": several((0.8, 2.6), (0.8, 2.6), UNIT),
    # distributions
    **{
        name: [
            Sample(k, n, spread(s, *UNIT, d))
            for k, n, s, d in ((COUNTS, 6, (2, 3), F64), (2, 5, (3,), F32), (2.7, 6, (0,), F64))
        ]
        for name in ("bdtr", "bdtrc", "bdtri", "nbdtr", "nbdtrc", "nbdtri")
    },
    **{
        name: [Sample(COUNTS, spread((2, 3), *UNIT)), Sample(2, spread((3,), *UNIT, F32)), Sample(2.7, spread((0,), *UNIT))]
        for name in ("pdtr", "pdtrc", "pdtri")
    },
    **{name: several((2, 5), (2, 5), UNIT) for name in ("fdtri", "bdtrik", "nbdtrik")},
    **{name: several((2, 5), UNIT, UNIT) for name in ("bdtrin", "nbdtrin")},
    "fdtridfd": several((2, 5), (0.5, 0.6), (1.2, 1.5)),
    "gdtrib": several((2, 5), UNIT, (1, 2)),
    "btdtria": several(UNIT, (2, 5), UNIT),
    "btdtrib": several((2, 5), UNIT, UNIT),
    "chndtr": several((2, 5), (2.5, 4), UNIT),
    "chndtrix": several(UNIT, (2.5, 4), UNIT),
    "chndtridf": several((2, 5), (0.3, 0.7), UNIT)[1:],
    "chndtrinc": several((4, 5), (2, 2.5), (0.4, 0.6))[1:],
    "noncentral_density": [*several((2, 5), (2.5, 4), UNIT, n=0), *several((2, 5), (2.5, 4), UNIT, n=1)[1:]],
    "noncentral_slope": several((2, 5), (2.5, 4), UNIT, n=1)[1:],
    "chdtriv": several(UNIT, POSITIVE),
    "pdtrik": several(UNIT, (2, 5)),
    "stdtr": several(POSITIVE, NEAR_0),
    "stdtrit": several((1, 5), UNIT),
    "stdtridf": several((0.82, 0.86), (1.3, 1.6)),
    "kolmogorov": [*one(0.4, 0.79), *one(0.81, 1.6)],
    "kolmogorov_slope": [*one(0.4, 0.79, n=1), *one(0.81, 1.6, n=2)],
    "kolmogi": one(0.05, 0.95),
    # elementary
    "expit": one(-3, 3),
    "log_expit": one(-3, 3),
    "exprel": [*one(-2, 2, n=0), *one(-2, 2, n=2)],
    "log1p_quotient": [*one(-0.5, 2, n=0), *one(-0.5, 2, n=2)],
    "entr": one(*POSITIVE),
    "rel_entr": several(POSITIVE, POSITIVE),
    "kl_div": several(POSITIVE, POSITIVE),
    "huber": [Sample(np.array(1.0), spread((2, 3), -0.8, 0.8)), Sample(np.array([1.0], F32), np.array([-1.7, 2.2], F32))],
    "pseudo_huber": several(POSITIVE, NEAR_0),
    "boxcox": several(POSITIVE, NEAR_0),
    "boxcox1p": several(POSITIVE, NEAR_0),
    "inv_boxcox": several(POSITIVE, UNIT),
    "inv_boxcox1p": several(POSITIVE, UNIT),
    "tklmbda": several((-0.8, 0.8), (0.5, 0.9)),
    "exp10": one(-1, 1),
    "cosm1": one(*NEAR_0),
    "powm1": several(POSITIVE, NEAR_0),
    "sindg": one(-80, 80),
    "cosdg": one(-80, 80),
    "tandg": one(-60, 60),
    "cotdg": one(20, 140),
    # Bessel functions
    **{name: one(*NEAR_0) for name in ("j0", "j1", "i0", "i1")},
    **{name: one(*POSITIVE) for name in ("y0", "y1", "k0", "k1", "k0e", "k1e", "i0e", "i1e")},
    **{
        name: [*several(POSITIVE, POSITIVE), *with_order(POSITIVE, complex=True)]
        for name in ("jv", "yv", "iv", "kv", "kve", "hankel1", "hankel2", "hankel1e", "hankel2e")
    },
    "ive": [*several(POSITIVE, POSITIVE), *with_order(POSITIVE)],
    "yn": with_order(POSITIVE),
    "kn": with_order(POSITIVE),
    **{name: with_order((1, 3), complex=True) for name in ("spherical_jn", "spherical_yn", "spherical_in", "spherical_kn")},
    "airy": [s for part in range(4) for s in one(*NEAR_0, C128, part=part)[: None if part == 1 else 1]],
    "airye": [s for part in range(4) for s in one(*POSITIVE, *[C128] * (part < 2), part=part)[: None if part == 1 else 1]],
    **{name: one(*NEAR_0) for name in ("ber", "bei", "berp", "beip")},
    **{name: one(*POSITIVE) for name in ("ker", "kei", "kerp", "keip")},
    **{name: one(*NEAR_0) for name in ("integral_j0", "integral_i0", "integral_less_j0", "integral_i0_less")},
    **{name: one(*POSITIVE) for name in ("integral_y0", "integral_k0", "tail_y0", "tail_k0")},
    **{name: one(*POSITIVE) for name in ("itstruve0", "itmodstruve0", "it2struve0")},
    "besselpoly": [Sample(spread((2, 3), *POSITIVE), 1.0, 2.0), Sample(spread((2,), *POSITIVE, F32), 0.5, 1.5)],
    **{name: one(*NEAR_0) for name in ("fresnel_tail", "fresnel_turned")},
    "struve": with_order(POSITIVE),
    "modstruve": with_order(POSITIVE),
    "slope_of_two": [
        *(
            sample
            for name in ("jv", "yv", "iv", "kv", "hankel1")
            for sample in orders_of(name, POSITIVE, AWAY, orders=(1, 0), complex=True)
        ),
        *orders_of("ive", POSITIVE, AWAY, orders=(1, 1)),
        *orders_of("kve", POSITIVE, AWAY, orders=(0, 1), complex=True),
        *orders_of("hankel2e", POSITIVE, AWAY, orders=(0, 2), complex=True),
        *orders_of("hyp0f1", POSITIVE, NEAR_0, orders=(1, 1), complex=True),
    ],
    "slope_of_three": [
        *several(POSITIVE, POSITIVE, NEAR_0, name="hyp1f1", orders=(1, 0, 0)),
        *orders_of("hyp1f1", POSITIVE, POSITIVE, NEAR_0, orders=(0, 1, 1), complex=True),
    ],
    "slope_of_four": [
        *several(POSITIVE, POSITIVE, POSITIVE, SMALL, name="hyp2f1", orders=(0, 1, 0, 0)),
        *orders_of("hyp2f1", POSITIVE, POSITIVE, POSITIVE, SMALL, orders=(0, 0, 1, 0)),
    ],
    "tricomi_slope": several(POSITIVE, POSITIVE, POSITIVE, orders=(1, 0, 0)),
    "weber_slope": with_order(NEAR_0, order=1),
    "other_weber_slope": aside(
        lambda: [
            *with_order(NEAR_0, kind="V", order=1, part=0),
            *with_order(NEAR_0, kind="W", order=1, part=1),
            *with_order(NEAR_0, kind="V", order=0, part=1),
        ]
    ),
    "angular_slope": aside(
        lambda: [
            Sample(np.array([1, 2, 3]), 0.8, spread((2, 3), -70, 90), odd=odd, order=order, part=part)
            for odd, order, part in ((False, 1, 0), (True, 1, 1), (True, 0, 1))
        ]
    ),
    "struve_source": with_order(POSITIVE, order=1),
    "struve_slope": [*with_order(POSITIVE, name="struve", order=1), *with_order(POSITIVE, name="modstruve", order=1)],
    "wright_slope": several(POSITIVE, POSITIVE, POSITIVE, orders=(0, 1, 0)),
    "mathieu_slope": [Sample(np.array([1, 2]), 0.5, odd=False, order=1), Sample(3, 0.7, odd=True, order=1)],
    "polynomial_of_two": [
        Sample(np.array([0, 2, 3]), 0.7, spread((2, 3), *UNIT), name="eval_gegenbauer", orders=(1, 0)),
        Sample(3, 0.7, spread((3,), *POSITIVE), name="eval_genlaguerre", orders=(1, 1)),
    ],
    "polynomial_of_three": [
        Sample(np.array([0, 2, 3]), 0.7, 0.4, spread((2, 3), *UNIT), name="eval_jacobi", orders=(1, 0, 0)),
        Sample(3, 2.7, 0.9, spread((3,), *POSITIVE), name="eval_sh_jacobi", orders=(0, 1, 0)),
    ],
    # hypergeometric functions
    "hyp0f1": several(POSITIVE, NEAR_0),
    "hyp1f1": several(POSITIVE, POSITIVE, NEAR_0),
    "hyp2f1": several(POSITIVE, POSITIVE, POSITIVE, SMALL),
    "hyperu": [Sample(0.5, 1.5, spread((2, 3), *POSITIVE)), Sample(2, 3, spread((2,), *POSITIVE, F32))],
    "wright_bessel": [Sample(0.5, 1.5, spread((2, 3), *POSITIVE)), Sample(1.0, 2.5, spread((2,), *POSITIVE, F32))],
    "log_wright_bessel": [Sample(0.5, 1.5, spread((2, 3), *POSITIVE)), Sample(1.0, 2.5, spread((2,), *POSITIVE, F32))],
    # parabolic cylinders, Mathieu
    **{
        name: [*(Sample(1.2, spread((2, 3), *NEAR_0), part=k) for k in (0, 1)), Sample(0.7, spread((2,), *NEAR_0, F32), part=1)]
        for name in ("pbdv", "pbvv", "pbwa")
    },
    **{name: [Sample(np.array([1, 2]), 0.5), Sample(3, 0.7)] for name in ("mathieu_a", "mathieu_b")},
    **{
        "mathieu_" + name: [Sample(np.array([1, 2, 3]), 0.8, spread((2, 3), lo, hi), part=k) for k in (0, 1)]
        for name, lo, hi in (
            ("cem", -70, 90),
            ("sem", -70, 90),
            *((f"mod{kind}em{n}", 0.2, 0.8) for kind in "cs" for n in (1, 2)),
        )
    },
    # integrals
    "expn": with_order(POSITIVE),
    "exp1": one(*POSITIVE, C128),
    "expi": one(*POSITIVE, C128),
    "sine_integral": one(*NEAR_0, C128),
    "cosine_integral": one(*POSITIVE, C128),
    "hyperbolic_sine_integral": one(*NEAR_0, C128),
    "hyperbolic_cosine_integral": one(*POSITIVE, C128),
    "spence": one(*POSITIVE, C128),
    "lambertw": [Sample(spread((2, 3), *POSITIVE, d), k) for d in (F64, F32, C128) for k in (0, -1)],
    "wrightomega": one(*NEAR_0, C128),
    # elliptic
    "carlson": [
        *several(POSITIVE, POSITIVE, POSITIVE, POSITIVE, powers=(0.5, 0.5, 1.5, 1)),
        Sample(*(spread((2,), *POSITIVE, C128) for _ in range(3)), 1.0, powers=(0.5, 0.5, 0.5, 0)),
    ],
    "elliprc": several(POSITIVE, POSITIVE),
    "elliprf": [*several(POSITIVE, POSITIVE, POSITIVE), Sample(*(spread((2,), *POSITIVE, C128) for _ in range(3)))],
    "elliprd": several(POSITIVE, POSITIVE, POSITIVE),
    "elliprg": several(POSITIVE, POSITIVE, POSITIVE),
    "elliprj": several(POSITIVE, POSITIVE, POSITIVE, POSITIVE),
    "ellipk": one(-1.5, 0.6),
    "ellipkm1": one(0.3, 2),
    "ellipe": one(-1.5, 0.6),
    "agm": several(POSITIVE, POSITIVE),
    "elliptic_moment": [*several(NEAR_0, SMALL, n=1, q=0.5), *several((3, 4), SMALL, n=2, q=1.5)],
    "ellipkinc": several(NEAR_0, SMALL),
    "ellipeinc": several(NEAR_0, SMALL),
    "ellipj": [s for part in range(4) for s in several(NEAR_0, SMALL, part=part)[: 2 if part == 0 else 1]],
    # polynomials
    **{
        "eval_" + name: with_order(NEAR_0)
        for name in (
            "legendre",
            "chebyt",
            "chebyu",
            "chebyc",
            "chebys",
            "laguerre",
            "hermite",
            "hermitenorm",
        )
    },
    **{"eval_sh_" + name: with_order(UNIT) for name in ("legendre", "chebyt", "chebyu")},
    **{
        "eval_" + name: [Sample(COUNTS, 0.7, spread((2, 3), *NEAR_0)), Sample(2, 1.5, spread((2,), *NEAR_0, F32))]
        for name in ("gegenbauer", "genlaguerre")
    },
    **{
        "eval_" + name: [Sample(COUNTS, 2.5, 1.7, spread((2, 3), *UNIT)), Sample(2, 2.5, 1.5, spread((2,), *UNIT, F32))]
        for name in ("jacobi", "sh_jacobi")
    },
    "lpmv": [Sample(np.array([0, 1, 2]), 3, spread((2, 3), -0.6, 0.6)), Sample(-1, 2, spread((2,), -0.6, 0.6, F32))],
    "sph_harm_y": [
        Sample(3, np.array([0, 1, -3]), spread((2, 3), *POSITIVE), spread((3,), *NEAR_0)),
        Sample(2, 1, spread((2,), *POSITIVE, F32), spread((2,), *NEAR_0, F32)),
    ],
}
