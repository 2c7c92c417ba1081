"""Operations in SymPy's terms: for each row that has a counterpart there, that counterpart on arrays of expressions."""

import functools
from collections.abc import Callable

import numpy as np

from ..ops.indexing import rebuild
from .arrays import box, each, over_axes, running, sympy


def istruth(x):
    """Whether an expression is true or false; symbols, which SymPy lets stand for both, are numbers here."""
    s = sympy()
    return isinstance(x, s.logic.boolalg.Boolean) and not isinstance(x, s.Symbol)


def where(condition, x, y):
    s = sympy()
    condition = truth(condition)
    if condition in (s.true, s.false):
        return x if condition == s.true else y
    return s.Piecewise((number(x), condition), (number(y), True))


def number(x):
    """A truth value as 1 or 0."""
    s = sympy()
    return where(x, s.Integer(1), s.Integer(0)) if istruth(x) else x


def truth(x):
    return x if istruth(x) else sympy().Ne(x, 0)


def _arithmetic(f):
    """Truth values count as numbers."""
    return lambda *xs, **params: f(*map(number, xs), **params)


def _astype(x, dtype):
    s, kind = sympy(), np.dtype(dtype).kind

    def one(e):
        if kind == "b":
            return truth(e)
        e = number(e)
        return s.sign(e) * s.floor(abs(e)) if kind in "iu" and not e.is_integer else e

    return each(one)(x)


def _logarithm_of_sum(xs):
    s = sympy()
    return s.log(s.Add(*map(s.exp, xs)))


def _log_softmax(x, axes):
    total = over_axes(_logarithm_of_sum)(x, axes=axes)
    return each(lambda a, b: a - b)(x, np.expand_dims(total, axes))


def _contract(x, y, labels):
    a, b, out = labels
    x, y = box(x), box(y)
    sizes = dict(zip((*a, *b), (*x.shape, *y.shape), strict=True))
    summed = [k for k in dict.fromkeys((*a, *b)) if k not in out]
    result = np.empty([sizes[k] for k in out], object)
    for index in np.ndindex(result.shape):
        at = dict(zip(out, index, strict=True))
        terms = []
        for inner in np.ndindex(*(sizes[k] for k in summed)):
            at |= dict(zip(summed, inner, strict=True))
            terms.append(x[tuple(at[k] for k in a)] * y[tuple(at[k] for k in b)])
        result[index] = sympy().Add(*terms)
    return result


def _index_add(x, v, *indices, key):
    x = x.copy()
    places = np.asarray(np.arange(x.size).reshape(x.shape)[rebuild(key, indices)])
    v, flat = np.broadcast_to(v, places.shape), x.reshape(-1)
    for index in np.ndindex(places.shape):
        flat[places[index]] += v[index]
    return flat.reshape(x.shape)


def _matrix(f):
    """A function of square matrices on arrays of expressions, batched over leading axes."""

    def apply(a, *rest, **params):
        s = sympy()
        a = box(a)
        outs = [f(s.Matrix(a[i]), *(box(r)[i] for r in rest)) for i in np.ndindex(a.shape[:-2])]
        made = [box(np.array(o.tolist(), object) if isinstance(o, s.MatrixBase) else o) for o in outs]
        return np.array([m.tolist() for m in made], object).reshape((*a.shape[:-2], *made[0].shape))

    return apply


def _solved(a, b):
    x = a.LUsolve(sympy().Matrix(b if np.ndim(b) == 2 else np.reshape(b, (-1, 1))))
    return x if np.ndim(b) == 2 else box(np.array(list(x), object))


def _cofactors(a, *directions):
    """The matrix of cofactors, or its derivative along directions."""
    s = sympy()
    steps = s.symbols(f"t:{len(directions)}", cls=s.Dummy)
    moved = a + sum((t * s.Matrix(d) for t, d in zip(steps, directions, strict=True)), s.zeros(*a.shape))
    found = moved.cofactor_matrix(method="berkowitz")
    for t in steps:
        found = found.diff(t).subs(t, 0)
    return found


# Operations that only move elements: their own evaluation does it, with this many arguments that hold elements.
MOVING = {
    "reshape": 1,
    "transpose": 1,
    "broadcast_to": 1,
    "flip": 1,
    "index": 1,
    "gather": 1,
    "constant": 1,
    "concatenate": None,
    "pad": 1,
    "index_set": 2,
}


@functools.cache
def _special() -> dict[str, Callable]:
    """Of the functions in chainrule.special, those that SymPy has or can write with what it has."""
    s = sympy()
    half, degree = s.Rational(1, 2), s.pi / 180

    def normal(x):
        return s.erfc(-x / s.sqrt(2)) * half

    def carlson(*xs, powers):
        t = s.Dummy("t")
        return s.Integral(s.Mul(*((t + x) ** -s.nsimplify(p) for x, p in zip(xs, powers, strict=True))), (t, 0, s.oo))

    def nth(f):
        """For rows that stand for the n-th derivative in their first argument, too."""

        def derivative(x, *rest, n=0):
            t = s.Dummy()
            return f(t, *rest).diff(t, n).subs(t, x) if n else f(x, *rest)

        return derivative

    return {
        "logit": lambda x: s.log(x / (1 - x)),
        "expit": lambda x: 1 / (1 + s.exp(-x)),
        "log_expit": lambda x: -s.log(1 + s.exp(-x)),
        "exp10": lambda x: 10**x,
        "exprel": nth(lambda x: (s.exp(x) - 1) / x),
        "cosm1": lambda x: s.cos(x) - 1,
        "powm1": lambda x, y: x**y - 1,
        "cosdg": lambda x: s.cos(degree * x),
        "sindg": lambda x: s.sin(degree * x),
        "tandg": lambda x: s.tan(degree * x),
        "cotdg": lambda x: s.cot(degree * x),
        "entr": lambda x: -x * s.log(x),
        "rel_entr": lambda x, y: x * s.log(x / y),
        "kl_div": lambda x, y: x * s.log(x / y) - x + y,
        "boxcox": lambda x, p: (x**p - 1) / p,
        "boxcox1p": lambda x, p: ((1 + x) ** p - 1) / p,
        "inv_boxcox": lambda x, p: (p * x + 1) ** (1 / p),
        "inv_boxcox1p": lambda x, p: (p * x + 1) ** (1 / p) - 1,
        "huber": lambda d, r: where(abs(r) <= d, r**2 / 2, d * (abs(r) - d / 2)),
        "pseudo_huber": lambda d, r: d**2 * (s.sqrt(1 + (r / d) ** 2) - 1),
        "erf": s.erf,
        "erfc": s.erfc,
        "erfi": s.erfi,
        "erfinv": s.erfinv,
        "erfcinv": lambda x: s.erfinv(1 - x),
        "erfcx": nth(lambda x: s.exp(x**2) * s.erfc(x)),
        "dawsn": nth(lambda x: s.sqrt(s.pi) / 2 * s.exp(-(x**2)) * s.erfi(x)),
        "ndtr": normal,
        "log_ndtr": lambda x: s.log(normal(x)),
        "hazard": lambda x: s.exp(-(x**2) / 2) / s.sqrt(2 * s.pi) / normal(x),
        "ndtri": lambda p: s.sqrt(2) * s.erfinv(2 * p - 1),
        "gammaln": lambda x: s.log(abs(s.gamma(x))),
        "loggamma": s.loggamma,
        "gamma": s.gamma,
        "rgamma": lambda x: 1 / s.gamma(x),
        "gammasgn": lambda x: s.sign(s.gamma(x)),
        "digamma": s.digamma,
        "digamma_rise": lambda x, y, n: s.polygamma(n, x + y) - s.polygamma(n, x),
        "polygamma": s.polygamma,
        "gammainc": lambda a, x: s.lowergamma(a, x) / s.gamma(a),
        "gammaincc": lambda a, x: s.uppergamma(a, x) / s.gamma(a),
        "beta": s.beta,
        "betaln": lambda a, b: s.log(abs(s.beta(a, b))),
        "betainc": lambda a, b, x: s.betainc_regularized(a, b, 0, x),
        "betaincc": lambda a, b, x: 1 - s.betainc_regularized(a, b, 0, x),
        "gamma_density": lambda a, x: x ** (a - 1) * s.exp(-x) / s.gamma(a),
        "beta_density": lambda a, b, x: x ** (a - 1) * (1 - x) ** (b - 1) / s.beta(a, b),
        "poch": s.RisingFactorial,
        "binom": s.binomial,
        "hurwitz_zeta": nth(s.zeta),
        "exp1": lambda x: s.expint(1, x),
        "expn": s.expint,
        "expi": s.Ei,
        "sine_integral": s.Si,
        "cosine_integral": s.Ci,
        "hyperbolic_sine_integral": s.Shi,
        "hyperbolic_cosine_integral": s.Chi,
        "fresnel_s": s.fresnels,
        "fresnel_c": s.fresnelc,
        "lambertw": s.LambertW,
        "airy": lambda z, part: (s.airyai, s.airyaiprime, s.airybi, s.airybiprime)[part](z),
        "spence": lambda x: s.polylog(2, 1 - x),
        "ellipk": s.elliptic_k,
        "ellipkm1": lambda p: s.elliptic_k(1 - p),
        "ellipe": s.elliptic_e,
        "ellipkinc": s.elliptic_f,
        "ellipeinc": s.elliptic_e,
        "carlson": carlson,
        "hyp0f1": lambda b, z: s.hyper([], [b], z),
        "hyp1f1": lambda a, b, z: s.hyper([a], [b], z),
        "hyp2f1": lambda a, b, c, z: s.hyper([a, b], [c], z),
        "eval_chebyt": s.chebyshevt,
        "eval_chebyu": s.chebyshevu,
        "eval_legendre": s.legendre,
        "eval_hermite": s.hermite,
        "eval_laguerre": s.laguerre,
        "eval_genlaguerre": s.assoc_laguerre,
        "eval_gegenbauer": s.gegenbauer,
        "eval_jacobi": s.jacobi,
        "jv": s.besselj,
        "yv": s.bessely,
        "iv": s.besseli,
        "kv": s.besselk,
        "yn": s.bessely,
        "kn": s.besselk,
        "ive": lambda v, x: s.besseli(v, x) * s.exp(-abs(x)),
        "kve": lambda v, x: s.besselk(v, x) * s.exp(x),
        "spherical_jn": s.jn,
        "spherical_in": lambda n, x: s.sqrt(s.pi / (2 * x)) * s.besseli(n + half, x),
        "hankel1": s.hankel1,
        "hankel2": s.hankel2,
        **{
            f"{ours}{n}": (lambda x, f=f, n=n: f(n, x))
            for ours, f in (("j", s.besselj), ("y", s.bessely), ("i", s.besseli), ("k", s.besselk))
            for n in (0, 1)
        },
        **{f"i{n}e": (lambda x, n=n: s.besseli(n, x) * s.exp(-abs(x))) for n in (0, 1)},
        **{f"k{n}e": (lambda x, n=n: s.besselk(n, x) * s.exp(x)) for n in (0, 1)},
    }


def by_name(name):
    """A function that SymPy knows no more of than its name."""
    return each(_arithmetic(sympy().Function(name)))


@functools.cache
def counterparts() -> dict[str, Callable]:
    """Row name -> the same on arrays of expressions."""
    s = sympy()
    half = s.Rational(1, 2)
    numbers = {
        "add": lambda x, y: x + y,
        "subtract": lambda x, y: x - y,
        "multiply": lambda x, y: x * y,
        "divide": lambda x, y: x / y,
        "masked_multiply": lambda g, p: g * p,
        "negative": lambda x: -x,
        "square": lambda x: x**2,
        "reciprocal": lambda x: 1 / x,
        "power": lambda x, y: x**y,
        "remainder": s.Mod,
        "fmod": lambda x, y: s.sign(x) * s.Mod(abs(x), abs(y)),
        "trunc": lambda x: s.sign(x) * s.floor(abs(x)),
        "floor": s.floor,
        "ceil": s.ceiling,
        "floor_divide": lambda x, y: s.floor(x / y),
        "maximum": s.Max,
        "minimum": s.Min,
        "fmax": s.Max,
        "fmin": s.Min,
        "clip": lambda x, lo, hi: s.Min(s.Max(x, lo), hi),
        "absolute": abs,
        "sign": s.sign,
        "copysign": lambda x, y: abs(x) * where(y < 0, -s.S.One, s.S.One),
        "heaviside": lambda x, h: where(x < 0, s.S.Zero, where(s.Eq(x, 0), h, s.S.One)),
        "real": s.re,
        "imag": s.im,
        "conjugate": s.conjugate,
        "exp": s.exp,
        "exp2": lambda x: 2**x,
        "expm1": lambda x: s.exp(x) - 1,
        "log": s.log,
        "log2": lambda x: s.log(x) / s.log(2),
        "log10": lambda x: s.log(x) / s.log(10),
        "log1p": lambda x: s.log(1 + x),
        "sqrt": s.sqrt,
        "cbrt": lambda x: s.real_root(x, 3),
        "logaddexp": lambda x, y: s.log(s.exp(x) + s.exp(y)),
        "logaddexp2": lambda x, y: s.log(2**x + 2**y) / s.log(2),
        "hypot": lambda x, y: s.sqrt(x**2 + y**2),
        "share_of_hypot": lambda x, y, r: x / r,
        "sin": s.sin,
        "cos": s.cos,
        "tan": s.tan,
        "arcsin": s.asin,
        "arccos": s.acos,
        "arctan": s.atan,
        "arctan2": s.atan2,
        "sinh": s.sinh,
        "cosh": s.cosh,
        "tanh": s.tanh,
        "slope_of_tanh": lambda x, y: 1 - y**2,
        "tanhshrink": lambda x: x - s.tanh(x),
        "softsign": lambda x: x / (1 + s.Abs(x)),
        "cathetus": lambda x: s.sqrt(1 - x**2),
        "kl_div_in_y": lambda x, y: 1 - x / y,
        "arcsinh": s.asinh,
        "arccosh": s.acosh,
        "arctanh": s.atanh,
        "sigmoid": lambda x: 1 / (1 + s.exp(-x)),
        "slope_of_sigmoid": lambda x, y: y * (1 - y),
        "softplus": lambda x: s.log(1 + s.exp(x)),
        "relu": lambda x: s.Max(x, 0),
    }
    comparisons = {
        "equal": s.Eq,
        "not_equal": s.Ne,
        "less": s.Lt,
        "less_equal": s.Le,
        "greater": s.Gt,
        "greater_equal": s.Ge,
        "isnan": lambda x: s.true if x is s.nan else s.false,
        "isinf": lambda x: s.true if x in (s.oo, -s.oo) else s.false,
        "isfinite": lambda x: s.false if x in (s.oo, -s.oo, s.nan) else s.true,
        "signbit": lambda x: s.Lt(x, 0),
    }
    logic = {
        "logical_and": s.And,
        "logical_or": s.Or,
        "logical_xor": s.Xor,
        "logical_not": s.Not,
        "bitwise_and": s.And,
        "bitwise_or": s.Or,
        "bitwise_xor": s.Xor,
        "invert": s.Not,
    }
    folds = {
        "sum": lambda xs: s.Add(*map(number, xs)),
        "prod": lambda xs: s.Mul(*xs),
        "max": lambda xs: s.Max(*xs),
        "min": lambda xs: s.Min(*xs),
        "all": lambda xs: s.And(*map(truth, xs)),
        "any": lambda xs: s.Or(*map(truth, xs)),
        "logsumexp": _logarithm_of_sum,
        "norm": lambda xs: s.Add(*(x**2 for x in xs)) ** half,
    }
    return {
        **{name: each(_arithmetic(f)) for name, f in (numbers | _special() | comparisons).items()},
        **{name: each(lambda *xs, f=f: f(*map(truth, xs))) for name, f in logic.items()},
        **{name: over_axes(f) for name, f in folds.items()},
        "where": each(where),
        "astype": _astype,
        "log_softmax": _log_softmax,
        "contract": _contract,
        "index_add": _index_add,
        "matmul": lambda x, y: box(box(x) @ box(y)),
        "cumsum": running(lambda a, b: a + b),
        "cumprod": running(lambda a, b: a * b),
        "det": _matrix(lambda a: a.det(method="berkowitz")),
        "cofactors": _matrix(_cofactors),
        "inv": lambda a, infinite=False: _matrix(lambda m: m.inv())(a),
        "solve": _matrix(_solved),
    }
