"""Floating-point numbers in registers: how they are laid out, taken apart and put together, and sums without loss."""

import struct
from typing import NamedTuple

from .llvm import Function, Value, element, lanes, suffix, vector


class Format(NamedTuple):
    """How a floating-point type is laid out, and constants in two parts: the nearest number, and what it lacks."""

    integer: str
    width: int
    mantissa: int
    bias: int
    tiny: float  # smallest normal number
    magic: float  # adding it rounds to a whole number, which then stands in the low bits
    ln2: tuple
    log2_e: tuple
    log10_e: tuple
    log10_2: tuple
    half_pi: tuple  # in three parts

    @property
    def magic_bits(self):
        wide = self.width == 64
        return struct.unpack("<q" if wide else "<i", struct.pack("<d" if wide else "<f", self.magic))[0]


FORMATS = {
    "float": Format(
        integer="i32",
        width=32,
        mantissa=23,
        bias=127,
        tiny=2.0**-126,
        magic=1.5 * 2.0**23,
        ln2=(0.6931471824645996, -1.9046542121259336e-09),
        log2_e=(1.4426950216293335, 1.925963033500011e-08),
        log10_e=(0.4342944920063019, -1.0103049952192578e-08),
        log10_2=(0.3010300099849701, -1.432098883924482e-08),
        half_pi=(1.5707963705062866, -4.371138828673793e-08, -1.7151245100058819e-15),
    ),
    "double": Format(
        integer="i64",
        width=64,
        mantissa=52,
        bias=1023,
        tiny=2.0**-1022,
        magic=1.5 * 2.0**52,
        ln2=(0.6931471805599453, 2.3190468138462996e-17),
        log2_e=(1.4426950408889634, 2.0355273740931033e-17),
        log10_e=(0.4342944819032518, 1.098319650216765e-17),
        log10_2=(0.3010299956639812, -2.8037281277851704e-18),
        half_pi=(1.5707963267948966, 6.123233995736766e-17, -1.4973849048591815e-33),
    ),
}


def format_of(x: Value) -> Format:
    return FORMATS[element(x.type)]


def is_wide(x):
    return element(x.type) == "double"


def polynomial(f: Function, x, coefficients):
    """The polynomial with these coefficients, lowest first, by fused multiply-adds of few dependent steps (Estrin)."""
    terms = [f.constant(x.type, c) for c in coefficients]
    power = x
    while len(terms) > 1:
        odd = [terms[-1]] if len(terms) % 2 else []
        terms = [f.fma(power, terms[i + 1], terms[i]) for i in range(0, len(terms) - 1, 2)] + odd
        if len(terms) > 1:
            power = power * power
    return terms[0]


def _exactly(f, op, x, y):
    """fadd, fsub or fmul that may not be fused with its neighbours: for formulas that recover rounding errors."""
    x, y = f.alike(x, y)
    return f.emit(x.type, f"{op} {x.type} {x.text}, {y.text}")


def plus(f, x, y):
    return _exactly(f, "fadd", x, y)


def minus(f, x, y):
    return _exactly(f, "fsub", x, y)


def times(f, x, y):
    return _exactly(f, "fmul", x, y)


def bits_of(f, x):
    return f.cast("bitcast", x, vector(format_of(x).integer, lanes(x.type)))


def from_bits(f, bits):
    return f.cast("bitcast", bits, vector("double" if element(bits.type) == "i64" else "float", lanes(bits.type)))


def exponent_to_float(f, biased, t, offset):
    """A small non-negative integer plus a constant `offset` (or a value), as a number of type `t`."""
    k = FORMATS[element(t)]
    return minus(f, from_bits(f, biased + k.magic_bits), offset)


def scaled(f, y, n):
    """y * 2**n in two steps, so that results below the normal range are rounded once and those above are infinite."""
    k = format_of(y)
    n = n + 2 * k.bias
    half = n.lshr(1)
    return times(f, times(f, y, from_bits(f, half << k.mantissa)), from_bits(f, (n - half) << k.mantissa))


def power_of_two(f, n, t):
    k = FORMATS[element(t)]
    return from_bits(f, (n + k.bias) << k.mantissa)


def at_most(f, x, limit):
    """The smaller of x and a constant; NaN stays."""
    return f.select(x > limit, limit, x)


def at_least(f, x, limit):
    return f.select(x < limit, limit, x)


def product(f, x, y):
    """x * y as a number and its rounding error."""
    x, y = f.alike(x, y)
    p = times(f, x, y)
    return p, f.fma(x, y, -p)


def total(f, x, y):
    """x + y as a number and its rounding error, for |x| >= |y| or x = 0."""
    s = plus(f, x, y)
    return s, plus(f, minus(f, x, s), y)


def absolute(f, x):
    return f.unary("fabs", x)


def copysign(f, x, y):
    return f.binary("copysign", x, y)


def once(f, name, build, *args):
    """A call of a helper that a module holds once, since its code is long; `build(f, *args)` writes it."""
    full = f"chainrule.{name}.{suffix(args[0].type)}"
    t = args[0].type
    if not any(g.name == full for g in f.module.functions):
        names = [f"x{i}" for i in range(len(args))]
        pairs = [(a.type, n) for a, n in zip(args, names, strict=True)]
        g = Function(f.module, full, pairs, t, "internal", "nounwind noinline memory(none)")
        g.give(build(g, *(Value(g, a.type, f"%{n}") for a, n in zip(args, names, strict=True))))
    return f.call(full, t, *args)


def lane_by_lane(f, name, *args):
    """The C library's function of this name (that for double; float's has an f more), called for each lane."""
    t = args[0].type
    symbol = name if is_wide(args[0]) else name + "f"

    def one(f, *xs):
        return f.call(symbol, xs[0].type, *xs, attributes="nounwind memory(none)")

    if not lanes(t):
        return one(f, *args)

    def every(f, *xs):
        out = f.constant(t, 0.0)
        for i in range(lanes(t)):
            out = f.insert(out, one(f, *(f.lane(x, i) for x in xs)), i)
        return out

    return once(f, f"each.{name}", every, *args)


def widened(f, build, *args):
    """A function of float computed in double."""
    n = lanes(args[0].type)
    out = build(f, *(f.cast("fpext", x, vector("double", n)) for x in args))
    return f.cast("fptrunc", out, vector("float", n))
