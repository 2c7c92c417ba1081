"""Elementary functions as machine code: polynomials that serve one number and any number of lanes alike.

Every function takes a `compiler.llvm.Function` and values of type float or double, or vectors of them, and follows C99
at infinities, NaN, zeros and subnormal numbers. Every docstring ends with the largest error found, in units in the last
place, of float / double: tests/compiler/test_vector_math.py holds them to it.
"""

import math

from .coefficients import ASIN, ATAN, ATANH_TAIL, CBRT, COS, ERF_FAR, ERF_NEAR, ERFC, EXP, EXP2_SHORT, LOG, LOG2_SHORT, SIN
from .floats import (
    absolute,
    at_least,
    at_most,
    bits_of,
    copysign,
    exponent_to_float,
    format_of,
    from_bits,
    is_wide,
    lane_by_lane,
    minus,
    once,
    plus,
    polynomial,
    power_of_two,
    product,
    scaled,
    times,
    total,
    widened,
)
from .llvm import element


def _outlined(f, name, build, x):
    """A long function, written once per module; of float by way of double."""
    return once(f, name, build if is_wide(x) else lambda f, x: widened(f, build, x), x)


# --- exponentials -----------------------------------------------------------------------------------------------------

_EXP_RANGE = {"float": (-103.98, 88.73), "double": (-745.2, 709.79)}  # outside, the result is 0 or infinite


def _near_zero(f, r, lost=None):
    """e**r - 1 for |r| <= ln(2) / 2; `lost` is what r lacks."""
    q = polynomial(f, r, EXP[element(r.type)])
    return f.fma(q, r * r, r) if lost is None else plus(f, r, f.fma(q, r * r, lost))


def _split(f, x):
    """x = n ln(2) + r with whole n and small r: the integer n; r; and what r lacks."""
    k = format_of(x)
    shifted = f.fma(x, k.log2_e[0], k.magic)
    n = minus(f, shifted, k.magic)
    first = f.fma(n, -k.ln2[0], x)
    r = f.fma(n, -k.ln2[1], first)
    return bits_of(f, shifted) - k.magic_bits, r, lambda: f.fma(n, -k.ln2[1], minus(f, first, r))


def _exp_parts(f, x):
    """e**x = y * 2**n."""
    n, r, _ = _split(f, x)
    return plus(f, _near_zero(f, r), 1.0), n


def exp(f, x):
    """e to the power x. 1.1 / 1.1 ulp."""
    lo, hi = _EXP_RANGE[element(x.type)]
    return scaled(f, *_exp_parts(f, at_least(f, at_most(f, x, hi), lo)))


def exp2(f, x):
    """2 to the power x. 1.1 / 1.1 ulp."""
    k = format_of(x)
    lo, hi = (-1076.0, 1025.0) if is_wide(x) else (-151.0, 129.0)
    x = at_least(f, at_most(f, x, hi), lo)
    shifted = plus(f, x, k.magic)
    r = minus(f, x, minus(f, shifted, k.magic)) * k.ln2[0]
    return scaled(f, plus(f, _near_zero(f, r), 1.0), bits_of(f, shifted) - k.magic_bits)


def _expm1_over(f, x, divisor):
    """(e**x - 1) / divisor, which is 1, 2 or 4, for x above -40 and where e**x / divisor is finite."""
    n, r, lost = _split(f, x)
    scale = power_of_two(f, n - {1: 0, 2: 1, 4: 2}[divisor], x.type)
    return f.fma(_near_zero(f, r, lost()), scale, minus(f, scale, 1 / divisor))


def expm1(f, x):
    """e**x - 1, accurate near 0. 1.6 / 1.9 ulp."""
    _, hi = _EXP_RANGE[element(x.type)]
    half = _expm1_over(f, at_least(f, at_most(f, x, hi), -40.0), 2)
    return f.select(absolute(f, x) < 2.0 ** (-format_of(x).mantissa - 2), x, half * 2.0)


def tanh(f, x):
    """Hyperbolic tangent. 2.5 / 2.7 ulp."""
    # h / (h + 1) with h = (e**(2|x|) - 1) / 2 and |x| = n ln(2) / 2 + r. What r lacks is not missed: the larger n,
    # the less tanh changes.
    k = format_of(x)
    a = at_most(f, absolute(f, x), 20.0 if is_wide(x) else 10.0)
    shifted = f.fma(a, 2 * k.log2_e[0], k.magic)
    r = f.fma(minus(f, shifted, k.magic), -k.ln2[0] / 2, a)
    q = polynomial(f, r, [2.0 ** (i + 1) * c for i, c in enumerate(EXP[element(x.type)])])
    scale = power_of_two(f, bits_of(f, shifted) - k.magic_bits, x.type)
    h = f.fma(f.fma(q, r * r, r), scale, f.fma(scale, 0.5, -0.5))
    return copysign(f, h / (h + 1.0), x)


def sinh(f, x):
    """Hyperbolic sine. 2.3 / 2.3 ulp."""
    a = absolute(f, x)
    # Divided by 4, because it may exceed the largest number where its half does not.
    quarter = _expm1_over(f, at_most(f, a, _EXP_RANGE[element(x.type)][1] + 0.8), 4)
    y = plus(f, quarter, quarter / f.fma(quarter, 4.0, 1.0)) * 2.0
    return copysign(f, f.select(a < 2.0 ** (-format_of(x).mantissa / 2 - 1), a, y), x)


def cosh(f, x):
    """Hyperbolic cosine. 1.5 / 1.5 ulp."""
    y, n = _exp_parts(f, at_most(f, absolute(f, x), _EXP_RANGE[element(x.type)][1] + 0.8))
    half = scaled(f, y, n - 1)
    return half + 0.25 / half


def sigmoid(f, x):
    """1 / (1 + e**-x), also where that is subnormal. 2.5 / 2.4 ulp."""
    e = _exp_of_negative(f, -absolute(f, x))
    return f.select(x < 0.0, e, 1.0) / (e + 1.0)


SATURATED = 2.0**-10  # below, what is left of 1 by subtraction is too rough, as for the rows themselves


def _bell(f, x):
    e = _exp_of_negative(f, -absolute(f, x))
    d = e + 1.0
    return e / (d * d)


def slope_of_tanh(f, x, y):
    """1 / cosh(x)**2 for y = tanh(x); another exponential only where some lane is in the tails."""
    rough = f.fma(-y, y, 1.0)
    flat = rough < SATURATED
    return f.choose(f.any(flat), lambda: [f.select(flat, _bell(f, x * 2.0) * 4.0, rough)], lambda: [rough])[0]


def slope_of_sigmoid(f, x, y):
    """y (1 - y) for y = sigmoid(x), in the manner of `slope_of_tanh`."""
    left = minus(f, 1.0, y)
    rough, flat = y * left, left < SATURATED
    return f.choose(f.any(flat), lambda: [f.select(flat, _bell(f, x), rough)], lambda: [rough])[0]


# --- logarithms -------------------------------------------------------------------------------------------------------


def _log_tail(f, g):
    """log(1 + g) - (g - g**2 / 2) for 1 + g between sqrt(1/2) and sqrt(2)."""
    z = g * g
    if not is_wide(g):
        return polynomial(f, g, LOG["float"]) * (g * z)
    s = g / (g + 2.0)
    t = s * s
    return s * f.fma(polynomial(f, t, LOG["double"]), t, z * 0.5)


def _log_split(f, x):
    """x = m * 2**e with m between sqrt(1/2) and sqrt(2), for finite positive x: m, e as a number, its biased integer."""
    k = format_of(x)
    low = x < k.tiny
    shift = 2.0 ** (k.mantissa + 2)
    bits = bits_of(f, f.select(low, times(f, x, shift), x))
    root = 0x3FE6A09E667F3BCD if is_wide(x) else 0x3F3504F3
    moved = bits - (root - (k.bias << k.mantissa))
    biased = moved.lshr(k.mantissa)
    m = from_bits(f, (moved & ((1 << k.mantissa) - 1)) + root)
    base = k.magic + k.bias
    offset = f.select(low, f.constant(x.type, base + k.mantissa + 2), base)
    return m, exponent_to_float(f, biased, x.type, offset), biased


def _log_edges(f, x, y):
    """y, but for the values of a logarithm where x is 0, infinite, negative or NaN."""
    y = f.select(x.equals(math.inf), x, y)
    y = f.select(x.equals(0.0), -math.inf, y)
    return f.select(x.compare(0.0, "ult", ""), math.nan, y)


def _log_sum(f, e, g):
    """e * ln(2) + log(1 + g)."""
    k = format_of(g)
    y = f.fma(e, k.ln2[1], _log_tail(f, g))
    return f.fma(e, k.ln2[0], plus(f, g, f.fma(g * g, -0.5, y)))


def log(f, x):
    """Natural logarithm. 0.9 / 0.9 ulp."""
    m, e, _ = _log_split(f, x)
    return _log_edges(f, x, _log_sum(f, e, minus(f, m, 1.0)))


def _log_scaled(f, x, scale, unit):
    """A logarithm to another base: log(m) in two parts times `scale`, plus e times `unit` (None for 1)."""
    m, e, _ = _log_split(f, x)
    g = minus(f, m, 1.0)
    half = g * -0.5
    hi = f.fma(half, g, g)
    lo = f.fma(half, g, minus(f, g, hi)) + _log_tail(f, g)
    p = times(f, hi, scale[0])
    rest = f.fma(hi, scale[1], f.fma(lo, scale[0], f.fma(hi, scale[0], -p)))
    if unit is None:
        q = e
    else:
        q = times(f, e, unit[0])
        rest = f.fma(e, unit[1], f.fma(e, unit[0], -q)) + rest
    both = plus(f, q, p)
    return _log_edges(f, x, both + (plus(f, minus(f, q, both), p) + rest))


def log2(f, x):
    """Logarithm to base 2. 0.8 / 0.8 ulp."""
    return _log_scaled(f, x, format_of(x).log2_e, None)


def log10(f, x):
    """Logarithm to base 10. 0.8 / 0.8 ulp."""
    return _log_scaled(f, x, format_of(x).log10_e, format_of(x).log10_2)


def _log1p_finite(f, x):
    """log(1 + x) for finite x > -1."""
    k = format_of(x)
    u = plus(f, x, 1.0)
    big = minus(f, u, 1.0)
    lost = plus(f, minus(f, x, big), minus(f, 1.0, minus(f, u, big)))  # 1 + x = u + lost
    m, e, biased = _log_split(f, u)
    back = from_bits(f, (2 * k.bias + 1 - biased) << k.mantissa)  # 2**(1 - e)
    return _log_sum(f, e, f.fma(lost * 0.5, back, minus(f, m, 1.0)))


def log1p(f, x):
    """log(1 + x), accurate near 0. 1.5 / 1.5 ulp."""
    y = _log_edges(f, plus(f, x, 1.0), _log1p_finite(f, x))
    return f.select(absolute(f, x) < 2.0 ** (-format_of(x).mantissa - 2), x, y)


def _add_in_logarithms(f, x, y, power, logarithm, two):
    """log(b**x + b**y) for a base b, by the larger and what the difference adds: `two` is log(2)."""
    d = minus(f, x, y)
    out = plus(f, f.select(x > y, x, y), logarithm(power(f, -absolute(f, d))))
    # Two equal infinities have no difference.
    return f.select(x.equals(y), x + two, f.select(d.is_nan(), d, out))


def _exp_of_negative(f, x):
    return scaled(f, *_exp_parts(f, at_least(f, x, _EXP_RANGE[element(x.type)][0])))


def logaddexp(f, x, y):
    """log(e**x + e**y) without overflow; the error is relative to the larger argument."""
    return _add_in_logarithms(f, x, y, _exp_of_negative, lambda e: _log1p_finite(f, e), math.log(2))


def logaddexp2(f, x, y):
    """log2(2**x + 2**y) without overflow."""
    return _add_in_logarithms(f, x, y, exp2, lambda e: _log1p_finite(f, e) * (1 / math.log(2)), 1.0)


def softplus(f, x):
    """log(1 + e**x) without overflow. 1.8 / 1.8 ulp."""
    return plus(f, at_least(f, x, 0.0), _log1p_finite(f, _exp_of_negative(f, -absolute(f, x))))


# --- powers and roots ---------------------------------------------------------------------------------------------------

_TWO_THIRDS = (0.6666666666666666, 3.700743415417188e-17)


def _power_short(f, a, y):
    """a**y in double to the accuracy of float, for a >= 0."""
    m, e, _ = _log_split(f, a)
    s = minus(f, m, 1.0) / plus(f, m, 1.0)
    log2_a = f.fma(polynomial(f, s * s, LOG2_SHORT), s, e)
    log2_a = f.select(a.equals(0.0), -math.inf, f.select(a < math.inf, log2_a, a))
    t = at_least(f, at_most(f, log2_a * y, 300.0), -300.0)
    k = format_of(a)
    shifted = plus(f, t, k.magic)
    r = minus(f, t, minus(f, shifted, k.magic))
    out = f.fma(polynomial(f, r, EXP2_SHORT), r, 1.0)
    return times(f, out, power_of_two(f, bits_of(f, shifted) - k.magic_bits, a.type))


def _power_long(f, a, y):
    """a**y in double, for a >= 0: the logarithm is carried in two numbers, about 68 bits."""
    k = format_of(a)
    m, e, _ = _log_split(f, a)
    n, d = minus(f, m, 1.0), plus(f, m, 1.0)
    d_lost = minus(f, m, minus(f, d, 1.0))
    s = n / d
    s_lost = f.fma(-s, d_lost, f.fma(-s, d, n)) / d
    z, z_lost = product(f, s, s)
    z_lost = f.fma(s + s, s_lost, z_lost)
    # log(m) = 2 s + s z (2/3 + 2 z (1/5 + ...))
    c, c_lost = total(f, f.constant(a.type, _TWO_THIRDS[0]), polynomial(f, z, ATANH_TAIL) * (z + z))
    c_lost = c_lost + _TWO_THIRDS[1]
    q, q_lost = product(f, z, c)
    q_lost = f.fma(z, c_lost, f.fma(z_lost, c, q_lost))
    w, w_lost = product(f, s, q)
    w_lost = f.fma(s, q_lost, f.fma(s_lost, q, w_lost))
    hi, lo = total(f, times(f, s, 2.0), w)
    lo = lo + f.fma(s_lost, 2.0, w_lost)
    # In units of log2: times 1 / ln(2), plus e.
    p, p_lost = product(f, hi, k.log2_e[0])
    p_lost = f.fma(hi, k.log2_e[1], f.fma(lo, k.log2_e[0], p_lost))
    hi, lo = total(f, e, p)
    lo = lo + p_lost
    hi = f.select(a.equals(0.0), -math.inf, f.select(a < math.inf, hi, a))
    t = times(f, hi, y)
    t_lost = f.fma(lo, y, f.fma(hi, y, -t))
    plain = absolute(f, t) < 1100.0
    t_lost = f.select(plain, t_lost, 0.0)
    t = at_least(f, at_most(f, t, 1100.0), -1100.0)
    shifted = plus(f, t, k.magic)
    r = minus(f, t, minus(f, shifted, k.magic))
    u, u_lost = product(f, r, k.ln2[0])
    u_lost = f.fma(r, k.ln2[1], f.fma(t_lost, k.ln2[0], u_lost))
    grown = _near_zero(f, u)
    out = plus(f, plus(f, grown, f.fma(grown, u_lost, u_lost)), 1.0)
    return scaled(f, out, bits_of(f, shifted) - k.magic_bits)


def _power(f, x, y):
    a = absolute(f, x)
    size = _power_long(f, a, y) if is_wide(x) else widened(f, _power_short, a, y)
    whole = f.unary("trunc", y)
    half = y * 0.5
    odd = y.equals(whole) & half.differs(f.unary("trunc", half))
    negative = bits_of(f, x) < 0
    size = f.select(odd & negative, -size, size)
    size = f.select((x < 0.0) & x.differs(-math.inf) & y.differs(whole), math.nan, size)
    minus_one = x.equals(-1.0) & absolute(f, y).equals(math.inf)
    return f.select(x.equals(1.0) | y.equals(0.0) | minus_one, 1.0, size)


def power(f, x, y):
    """x to the power y. 0.6 / 1.2 ulp."""
    return once(f, "power", _power, x, y)


def _cbrt(f, x):
    k = format_of(x)
    a = absolute(f, x)
    m, e, _ = _log_split(f, a)
    third = f.unary("rint", e * (1 / 3))
    left = f.fma(third, -3.0, e)
    double, same = f.constant(x.type, 2.0), f.constant(x.type, 1.0)
    m = m * f.select(left > 0.0, double, f.select(left < 0.0, 0.5, same))  # now between 0.35 and 2.83
    t = polynomial(f, m, CBRT)
    cube = t * t * t
    t = t * (f.fma(m, 2.0, cube) / f.fma(cube, 2.0, m))  # Halley's step: 23 bits
    t = from_bits(f, bits_of(f, t) & (-1 << 28))  # of which so few are kept that the square is exact
    r = minus(f, m / (t * t), t)
    t = f.fma(t, r / f.fma(t, 3.0, r), t)
    n = bits_of(f, plus(f, third, k.magic)) - k.magic_bits
    t = times(f, t, power_of_two(f, n, x.type))
    t = f.select(a.equals(0.0) | a.equals(math.inf) | a.is_nan(), a, t)
    return copysign(f, t, x)


def cbrt(f, x):
    """Real cube root. 0.6 / 0.7 ulp."""
    return _outlined(f, "cbrt", _cbrt, x)


def hypot(f, x, y):
    """sqrt(x**2 + y**2) without overflow. 0.6 / 1.3 ulp."""
    a, b = absolute(f, x), absolute(f, y)

    def plain(f, a, b):
        return f.unary("sqrt", f.fma(a, a, b * b))

    if not is_wide(x):
        out = widened(f, plain, a, b)
    else:
        larger = f.select(a > b, a, b)
        up = f.select(larger < 2.0**-500, f.constant(x.type, 2.0**600), 1.0)
        scale = f.select(larger > 2.0**500, 2.0**-600, up)
        undo = f.select(larger > 2.0**500, 2.0**600, f.select(larger < 2.0**-500, f.constant(x.type, 2.0**-600), 1.0))
        out = plain(f, a * scale, b * scale) * undo
    infinite = a.equals(math.inf) | b.equals(math.inf)
    return f.select(infinite, math.inf, out)


# --- angles -------------------------------------------------------------------------------------------------------------

# Up to here the remainder after taking off quarter turns is exact enough; beyond, the C library takes over.
_ANGLE_LIMIT = {"float": 1e6, "double": 1e9}


def _quarter_turns(f, a, careful):
    """a >= 0 less the nearest multiple of pi / 2: which multiple, as an integer; sine; and cosine of the rest.

    If `careful`, the rest is kept in two numbers: errors then are below 0.8 ulp instead of 1.6.
    """
    k = format_of(a)
    shifted = f.fma(a, 2 / math.pi, k.magic)
    n = minus(f, shifted, k.magic)
    first = f.fma(n, -k.half_pi[0], a)  # exact
    if careful:
        second, lost = product(f, n, k.half_pi[1])
        r = minus(f, first, second)
        tail = f.fma(n, -k.half_pi[2], minus(f, minus(f, minus(f, first, r), second), lost))
    else:
        r = f.fma(n, -k.half_pi[2], f.fma(n, -k.half_pi[1], first))
    z = r * r
    rising, falling = (polynomial(f, z, c[element(a.type)]) for c in (SIN, COS))
    if careful:
        sine = plus(f, r, f.fma(z * r, rising, f.fma(tail, z * -0.5, tail)))
        half = times(f, z, 0.5)
        top = minus(f, 1.0, half)
        lost = minus(f, minus(f, 1.0, top), half)
        cosine = plus(f, top, f.fma(z * z, falling, f.fma(-r, tail, lost)))
    else:
        sine = f.fma(z * r, rising, r)
        cosine = f.fma(z * z, falling, f.fma(z, -0.5, 1.0))
    return bits_of(f, shifted), sine, cosine


def _sign_of(f, y, bits):
    """y with its sign turned over where bit 1 of an integer is set."""
    k = format_of(y)
    turned = (bits & 2) << (k.width - 2)
    return from_bits(f, bits_of(f, y) ^ turned)


def _with_huge(f, name, x, fast):
    """`fast`, unless some lane is so large that the C library has to reduce it."""
    huge = absolute(f, x) > _ANGLE_LIMIT[element(x.type)]
    return f.choose(f.any(huge), lambda: [lane_by_lane(f, name, x)], lambda: [fast])[0]


def sin(f, x):
    """Sine of an angle in radians. 1.7 / 0.8 ulp."""
    n, sine, cosine = _quarter_turns(f, absolute(f, x), careful=is_wide(x))
    y = _sign_of(f, f.select((n & 1).equals(1), cosine, sine), n)
    negative = bits_of(f, x) & (-1 << (format_of(x).width - 1))
    return _with_huge(f, "sin", x, from_bits(f, bits_of(f, y) ^ negative))


def cos(f, x):
    """Cosine of an angle in radians. 1.7 / 0.8 ulp."""
    n, sine, cosine = _quarter_turns(f, absolute(f, x), careful=is_wide(x))
    return _with_huge(f, "cos", x, _sign_of(f, f.select((n & 1).equals(1), sine, cosine), n + 1))


def tan(f, x):
    """Tangent of an angle in radians. 2.3 / 2.3 ulp."""
    n, sine, cosine = _quarter_turns(f, absolute(f, x), careful=True)
    odd = (n & 1).equals(1)
    y = f.select(odd, cosine, sine) / f.select(odd, -sine, cosine)
    negative = bits_of(f, x) & (-1 << (format_of(x).width - 1))
    return _with_huge(f, "tan", x, from_bits(f, bits_of(f, y) ^ negative))


_TAN_1_8, _TAN_3_8 = math.tan(math.pi / 8), math.tan(3 * math.pi / 8)


def _angle(f, y, x):
    """The angle of the point (x, y) with x, y >= 0, as q(1 + small) and the angle that it is counted from, in two parts."""
    k = format_of(y)
    steep, middling = y > x * _TAN_3_8, y > x * _TAN_1_8
    n = f.select(steep, -x, f.select(middling, minus(f, y, x), y))
    d = f.select(steep, y, f.select(middling, plus(f, y, x), x))
    q = n / d
    z = q * q
    near = f.fma(q * z, polynomial(f, z, ATAN[element(y.type)]), q)
    bases = []
    for part in k.half_pi[:2]:
        quarter, none = f.constant(y.type, part / 2), f.constant(y.type, 0.0)
        bases.append(f.select(steep, part, f.select(middling, quarter, none)))
    return near, bases


def arctan(f, x):
    """Angle whose tangent is x. 2.2 / 2.2 ulp."""
    a = absolute(f, x)
    near, (base, lost) = _angle(f, a, f.constant(x.type, 1.0))
    return copysign(f, plus(f, base, plus(f, near, lost)), x)


def _arctan2(f, y, x):
    k = format_of(y)
    a, b = absolute(f, y), absolute(f, x)
    both = a.equals(math.inf) & b.equals(math.inf)
    neither = a.equals(0.0) & b.equals(0.0)
    largest = 2.0 ** (k.bias - 2)
    scale = f.select((a > largest) | (b > largest), f.constant(y.type, 0.25), 1.0)
    up = f.constant(y.type, 1.0)
    a, b = f.select(both, up, a * scale), f.select(both | neither, up, b * scale)
    near, (base, lost) = _angle(f, a, b)
    behind = bits_of(f, x) < 0
    # Behind the y axis: pi - angle.
    base = f.select(behind, minus(f, 2 * k.half_pi[0], base), base)
    lost = f.select(behind, minus(f, 2 * k.half_pi[1], lost), lost)
    near = f.select(behind, -near, near)
    return copysign(f, plus(f, base, plus(f, near, lost)), y)


def arctan2(f, y, x):
    """Angle of the point (x, y). 2.2 / 2.3 ulp."""
    return once(f, "arctan2", _arctan2, y, x)


def _half_angle(f, a):
    """For a in [0, 1]: whether a > 1/2; s and its tail, where asin(s) is asin(a), or else half of acos(a)."""
    outer = a > 0.5
    w = f.fma(a, -0.5, 0.5)
    s = f.select(outer, f.unary("sqrt", w), a)
    z = f.select(outer, w, a * a)
    return outer, s, s * z * polynomial(f, z, ASIN[element(a.type)])


def arcsin(f, x):
    """Angle whose sine is x. 2.1 / 2.1 ulp."""
    k = format_of(x)
    outer, s, tail = _half_angle(f, absolute(f, x))
    wide = plus(f, f.fma(s, -2.0, k.half_pi[0]), f.fma(tail, -2.0, k.half_pi[1]))
    return copysign(f, f.select(outer, wide, plus(f, s, tail)), x)


def arccos(f, x):
    """Angle whose cosine is x. 1.3 / 1.3 ulp."""
    k = format_of(x)
    outer, s, tail = _half_angle(f, absolute(f, x))
    negative = x < 0.0
    signed = f.select(negative, s, -s), f.select(negative, tail, -tail)
    middle = plus(f, plus(f, signed[0], k.half_pi[0]), plus(f, signed[1], k.half_pi[1]))
    double = plus(f, s, tail) * 2.0
    far = plus(f, f.fma(s, -2.0, 2 * k.half_pi[0]), f.fma(tail, -2.0, 2 * k.half_pi[1]))
    return f.select(outer, f.select(negative, far, double), middle)


# --- inverse hyperbolic functions: rare, so float goes by way of double --------------------------------------------------


def _arcsinh(f, x):
    a = absolute(f, x)
    large = a > 2.0**500
    square = a * a
    small = f.select(large, f.constant(x.type, 1.0), a + square / (f.unary("sqrt", square + 1.0) + 1.0))
    out = _log1p_finite(f, f.select(large, a, small))
    out = f.select(large, out + math.log(2), out)
    return copysign(f, f.select((a > 2.0**-28) & (a < math.inf), out, a), x)


def _arccosh(f, x):
    large = x > 2.0**500
    t = minus(f, x, 1.0)
    small = t + f.unary("sqrt", t * (t + 2.0))
    out = _log1p_finite(f, f.select(large, x, small))
    out = f.select(large, out + math.log(2), out)
    return f.select(x < 1.0, math.nan, f.select(x < math.inf, out, x))


def _arctanh(f, x):
    a = absolute(f, x)
    out = _log1p_finite(f, (a + a) / minus(f, 1.0, a)) * 0.5
    out = f.select(a.equals(1.0), math.inf, f.select(a > 1.0, math.nan, out))
    return copysign(f, f.select(a > 2.0**-28, out, x), x)


def arcsinh(f, x):
    """Number whose hyperbolic sine is x. 0.6 / 1.8 ulp."""
    return _outlined(f, "arcsinh", _arcsinh, x)


def arccosh(f, x):
    """Number whose hyperbolic cosine is x. 0.6 / 2.4 ulp."""
    return _outlined(f, "arccosh", _arccosh, x)


def arctanh(f, x):
    """Number whose hyperbolic tangent is x. 0.6 / 2.2 ulp."""
    return _outlined(f, "arctanh", _arctanh, x)


# --- error function -------------------------------------------------------------------------------------------------------


def erf(f, x):
    """Error function. 1.1 / 1.5 ulp."""
    t = element(x.type)
    a = absolute(f, x)
    b = at_most(f, a, 6.0 if is_wide(x) else 4.0)
    n, r, _ = _split(f, b * polynomial(f, b, ERF_FAR[t]))
    scale = power_of_two(f, n, x.type)
    far = minus(f, minus(f, 1.0, scale), _near_zero(f, r) * scale)
    z = x * x
    near = f.fma(polynomial(f, at_most(f, z, 1.0), ERF_NEAR[t]), x, x)
    return f.select(a < 1.0, near, copysign(f, far, x))


def _erfc(f, x):
    wide = is_wide(x)
    a = at_most(f, absolute(f, x), 27.5 if wide else 10.2)
    k = 4.0 if wide else 2.0
    first, lost, *others = ERFC[element(x.type)]
    t = (a - k) / (a + k)
    p = plus(f, first, f.fma(polynomial(f, t, others), t, lost)) / f.fma(a, 2.0, 1.0)
    square, lost = product(f, a, a)
    n, r, _ = _split(f, -square)
    grown = _near_zero(f, r)
    grown = f.fma(-lost, grown, minus(f, grown, lost))
    y = scaled(f, f.fma(grown, p, p), n)
    far = f.select(x < 0.0, 2.0 - y, y)
    near = polynomial(f, at_most(f, square, 1.0), ERF_NEAR[element(x.type)])
    return f.select(a < 0.5, minus(f, 1.0, f.fma(near, x, x)), far)


def erfc(f, x):
    """1 - erf(x), accurate for large x. 3.2 / 2.9 ulp."""
    return once(f, "erfc", _erfc, x)
