"""The builder that rows with a Map lowering are written against: NumPy's functions of single numbers as machine code.

What NumPy decides by dtype is decided here by asking NumPy: each method finds the loop that the ufunc would run, casts
to its dtypes and computes in them. Python numbers adapt to the dtype of the others, as in NumPy.
"""

import functools
import math
from typing import NamedTuple

import numpy as np

from . import vector_math
from .floats import format_of, lane_by_lane
from .llvm import Function, Value, lanes, vector

TYPES = {
    np.dtype(name): t
    for name, t in {
        "bool": "i1",
        "int8": "i8",
        "int16": "i16",
        "int32": "i32",
        "int64": "i64",
        "uint8": "i8",
        "uint16": "i16",
        "uint32": "i32",
        "uint64": "i64",
        "float32": "float",
        "float64": "double",
    }.items()
}
BOOL, INT32, INT64, FLOAT32 = map(np.dtype, (np.bool_, np.int32, np.int64, np.float32))


class NoLowering(Exception):
    """There is no machine code for this operation on these dtypes: it has to be left to NumPy."""


class Number(NamedTuple):
    """A register that holds one number, or one per lane; booleans are i1."""

    value: Value
    dtype: np.dtype


def _kind(x):
    """What NumPy's type resolution is told about an operand."""
    if isinstance(x, Number):
        return x.dtype
    if isinstance(x, (bool, np.bool_)):
        return BOOL
    if isinstance(x, np.generic):
        return x.dtype
    if type(x) in (int, float):
        return type(x)
    raise NoLowering(f"operand {x!r}")


@functools.lru_cache(4096)
def _loop(ufunc, kinds):
    """The dtypes of the loop that a ufunc runs for these dtypes and Python types, arguments first."""
    if not any(isinstance(k, np.dtype) for k in kinds):
        kinds = tuple(np.dtype(k) for k in kinds)
    try:
        dtypes = ufunc.resolve_dtypes((*kinds, None))
    except TypeError as e:  # NumPy has no such loop either
        raise NoLowering(str(e)) from None
    for d in dtypes:
        if d not in TYPES:
            raise NoLowering(f"{ufunc.__name__} of {', '.join(map(str, kinds))}, which NumPy computes as {d}")
    return dtypes


class Scalars:
    """Writes operations on numbers into a function, each on `lanes` of them at once (0: on one).

    With `precise`, transcendental functions are the C library's, called for each lane, instead of polynomials.
    """

    def __init__(self, f: Function, lanes: int = 0, precise: bool = False):
        self.f, self.lanes, self.precise = f, lanes, precise

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        raise NoLowering(f"{name} has no machine code")

    # --- numbers ------------------------------------------------------------------------------------------------------

    def constant(self, x, dtype) -> Number:
        """A Python number, in every lane."""
        dtype = np.dtype(dtype)
        if dtype not in TYPES:
            raise NoLowering(f"a constant of dtype {dtype}")
        if isinstance(x, (complex, np.complexfloating)):
            raise NoLowering("complex numbers")
        if dtype.kind in "iu":
            info = np.iinfo(dtype)
            if x != x or not info.min <= x <= info.max:
                raise NoLowering(f"{x} does not fit into {dtype}")
        return Number(self.f.constant(vector(TYPES[dtype], self.lanes), x), dtype)

    def cast(self, x, dtype) -> Number:
        """`x` as another dtype, by NumPy's rules of conversion: floats lose their fraction, what is not 0 is true."""
        dtype = np.dtype(dtype)
        if not isinstance(x, Number):
            return self.constant(int(x) if dtype.kind in "iu" else x, dtype)
        if x.dtype == dtype:
            return x
        if dtype not in TYPES:
            raise NoLowering(f"conversion to {dtype}")
        return Number(self._cast(x.value, x.dtype, dtype), dtype)

    def _cast(self, v, old, new):
        f, t = self.f, TYPES[new]
        if new == BOOL:
            return v.differs(0)
        if old == BOOL:
            if new.kind == "f":
                n = lanes(v.type)
                return f.select(v, f.constant(vector(t, n), 1), 0)
            return f.cast("zext", v, t)
        if old.kind == "f":
            if new.kind == "f":
                return f.cast("fpext" if new.itemsize > old.itemsize else "fptrunc", v, t)
            return self._truncate(v, new)
        if new.kind == "f":
            return f.cast("uitofp" if old.kind == "u" else "sitofp", v, t)
        if new.itemsize == old.itemsize:
            return v
        if new.itemsize < old.itemsize:
            return f.cast("trunc", v, t)
        return f.cast("zext" if old.kind == "u" else "sext", v, t)

    def _truncate(self, v, new):
        """A float as an integer. What does not fit gives some number, as in NumPy."""
        f = self.f

        def convert(v, t):
            out = f.cast("fptosi", v, t)
            return f.emit(out.type, f"freeze {out}")

        if new == np.uint64:
            high = v >= 2.0**63
            low = convert(f.select(high, v - 2.0**63, v), "i64")
            return f.select(high, low ^ (-1 << 63), low)
        if new.itemsize < 4:
            return f.cast("trunc", convert(v, "i32"), TYPES[new])
        if new == np.uint32:
            return f.cast("trunc", convert(v, "i64"), "i32")
        return convert(v, TYPES[new])

    def _operands(self, ufunc, *xs):
        """The values of `xs` cast to the loop that `ufunc` runs for them, and the dtype of its result."""
        *ins, out = _loop(ufunc, tuple(map(_kind, xs)))
        values = [self.cast(x, d).value for x, d in zip(xs, ins, strict=True)]
        return (self._level(values), ins, out) if len(values) > 1 else (values, ins, out)

    def _level(self, values):
        """Numbers that are the same for all lanes spread over them, where others are not."""
        n = max(lanes(v.type) for v in values)
        return [self.f.splat(v, n) if n and not lanes(v.type) else v for v in values]

    def _function(self, name, ufunc, *xs):
        """A transcendental function of this name."""
        values, _, out = self._operands(ufunc, *xs)
        return Number(self._compute(name, *values), out)

    def _compute(self, name, *values):
        if self.precise:
            return lane_by_lane(self.f, C_NAMES.get(name, name), *values)
        return getattr(vector_math, name)(self.f, *values)

    def _operation(self, op, x, y):
        return self.f.emit(x.type, f"{op} {x.type} {x.text}, {y.text}")

    # --- arithmetic ---------------------------------------------------------------------------------------------------

    def add(self, x, y):
        (a, b), _, out = self._operands(np.add, x, y)
        return Number(a | b if out == BOOL else a + b, out)

    def subtract(self, x, y):
        (a, b), _, out = self._operands(np.subtract, x, y)
        return Number(a - b, out)

    def multiply(self, x, y):
        (a, b), _, out = self._operands(np.multiply, x, y)
        return Number(a & b if out == BOOL else a * b, out)

    def divide(self, x, y):
        (a, b), _, out = self._operands(np.divide, x, y)
        return Number(a / b, out)

    def fma(self, x, y, z):
        """x * y + z, rounded once."""
        values = [x, y, z]
        _, dtype = self._common(*values)
        if dtype.kind != "f":
            return self.add(self.multiply(x, y), z)
        return Number(self.f.fma(*self._level([self.cast(v, dtype).value for v in values])), dtype)

    def negative(self, x):
        (a,), _, out = self._operands(np.negative, x)
        return Number(-a, out)

    def square(self, x):
        (a,), _, out = self._operands(np.square, x)
        return Number(a * a, out)

    def reciprocal(self, x):
        (a,), _, out = self._operands(np.reciprocal, x)
        if out.kind == "f":
            return Number(1.0 / a, out)
        if out.kind == "u":
            raise NoLowering("reciprocals of unsigned integers")
        one = self.f.select(a.equals(1) | a.equals(-1), a, 0)
        return Number(self.f.select(a.equals(0), int(np.iinfo(out).min) if out.itemsize >= 4 else 0, one), out)

    def absolute(self, x):
        (a,), _, out = self._operands(np.absolute, x)
        if out.kind == "f":
            a = self.f.unary("fabs", a)
        elif out.kind == "i":
            a = self.f.select(a < 0, -a, a)
        return Number(a, out)

    def conjugate(self, x):
        return self._itself(x)

    def real(self, x):
        return self._itself(x)

    def imag(self, x):
        x = self._itself(x)
        return self.constant(0, x.dtype)

    def _itself(self, x):
        return x if isinstance(x, Number) else self.constant(x, np.dtype(type(x)))

    def power(self, x, y):
        ins = _loop(np.power, (_kind(x), _kind(y)))
        out = ins[-1]
        constant = not isinstance(y, Number)
        if out.kind != "f":
            if not constant or not 0 <= y <= 64:
                raise NoLowering("integer powers")
            return Number(self._repeated(self.cast(x, out).value, int(y)), out)
        if constant:
            short = self._short_power(self.cast(x, out).value, float(y))
            if short is not None:
                return Number(short, out)
        return self._function("power", np.power, x, y)

    def _repeated(self, a, n):
        """a**n by products, for whole n >= 0."""
        if n == 0:
            return self.f.constant(a.type, 1)
        out = None
        while n:
            if n & 1:
                out = a if out is None else out * a
            n >>= 1
            if n:
                a = a * a
        return out

    def _short_power(self, a, y):
        """a**y by a few products and roots where that is accurate, else None."""
        f = self.f
        if y == int(y) and -3 <= y <= 6 if math.isfinite(y) else False:
            return self._repeated(1.0 / a if y < 0 else a, abs(int(y)))
        if y == 0.5:
            return f.unary("sqrt", a)
        if y in (-0.5, 1.5):
            root = f.select(a.equals(-math.inf), math.inf, f.unary("sqrt", a + 0.0))  # as pow has it at -0 and -inf
            return 1.0 / root if y < 0 else f.unary("fabs", a) * root
        return None

    # --- quotients and remainders ---------------------------------------------------------------------------------------

    def fmod(self, x, y):
        (a, b), _, out = self._operands(np.fmod, x, y)
        return Number(self._fmod(a, b) if out.kind == "f" else self._integer_division(a, b, out)[1], out)

    def remainder(self, x, y):
        (a, b), _, out = self._operands(np.remainder, x, y)
        return Number(self._divmod(a, b)[1] if out.kind == "f" else self._floor_division(a, b, out)[1], out)

    def floor_divide(self, x, y):
        (a, b), _, out = self._operands(np.floor_divide, x, y)
        return Number(self._divmod(a, b)[0] if out.kind == "f" else self._floor_division(a, b, out)[0], out)

    def _fmod(self, x, y):
        """The remainder with the sign of x; exact."""
        f = self.f
        a, b = f.unary("fabs", x), f.unary("fabs", y)
        ratio = a / b
        r = f.fma(-f.unary("trunc", ratio), b, a)
        r = f.select(r < 0.0, r + b, r)  # the quotient was rounded up to a whole number
        easy = (ratio < 2.0**22) & (b < math.inf)
        return f.choose(
            f.any(~easy),
            lambda: [lane_by_lane(f, "fmod", x, y)],
            lambda: [f.binary("copysign", r, x)],
        )[0]

    def _divmod(self, a, b):
        """Floored quotient and its remainder, step by step as NumPy finds them."""
        f = self.f
        mod = self._fmod(a, b)
        ratio = a / b
        div = (a - mod) / b
        some = mod.differs(0.0)
        across = some & ((b < 0.0) ^ (mod < 0.0))
        rest = f.select(some, f.select(across, mod + b, mod), f.binary("copysign", f.constant(a.type, 0.0), b))
        div = f.select(across, div - 1.0, div)
        floor = f.unary("floor", div)
        floor = f.select(div - floor > 0.5, floor + 1.0, floor)
        floor = f.select(div.equals(0.0), f.binary("copysign", f.constant(a.type, 0.0), ratio), floor)
        nothing = b.equals(0.0)
        return f.select(nothing, ratio, floor), f.select(nothing, mod, rest)

    def _integer_division(self, a, b, dtype):
        """C's quotient and remainder, both 0 where b is 0; dividing by -1 wraps around instead of trapping."""
        f = self.f
        zero = b.equals(0)
        if dtype.kind == "u":
            safe = f.select(zero, 1, b)
            q, r = self._operation("udiv", a, safe), self._operation("urem", a, safe)
        else:
            minus = b.equals(-1)
            safe = f.select(zero | minus, 1, b)
            q, r = self._operation("sdiv", a, safe), self._operation("srem", a, safe)
            q = f.select(minus, -a, q)
        return f.select(zero, 0, q), f.select(zero, 0, r)

    def _floor_division(self, a, b, dtype):
        q, r = self._integer_division(a, b, dtype)
        if dtype.kind == "u":
            return q, r
        across = r.differs(0) & ((r ^ b) < 0)
        return self.f.select(across, q - 1, q), self.f.select(across, r + b, r)

    # --- extrema and choices --------------------------------------------------------------------------------------------

    def maximum(self, x, y):
        return self._extremum(np.maximum, x, y, "ogt", "sgt", "ugt")

    def minimum(self, x, y):
        return self._extremum(np.minimum, x, y, "olt", "slt", "ult")

    def fmax(self, x, y):
        return self._extremum(np.fmax, x, y, "ogt", "sgt", "ugt", ignore=True)

    def fmin(self, x, y):
        return self._extremum(np.fmin, x, y, "olt", "slt", "ult", ignore=True)

    def _extremum(self, ufunc, x, y, on_float, signed, unsigned, ignore=False):
        (a, b), _, out = self._operands(ufunc, x, y)
        f = self.f
        if out.kind == "b":
            return Number(a | b if on_float == "ogt" else a & b, out)
        if out.kind != "f":
            return Number(f.select(a.compare(b, "", unsigned if out.kind == "u" else signed), a, b), out)
        if not isinstance(x, Number) and x == x:
            a, b, x, y = b, a, y, x
        if not isinstance(y, Number) and y == y:  # one instruction suffices where y is no NaN
            better = b.compare(a, on_float, "")
            return Number(f.select(better | a.is_nan() if ignore else better, b, a), out)
        best = f.select(a.compare(b, on_float, ""), a, b)
        return Number(f.select(b.is_nan() if ignore else a.is_nan(), a, best), out)

    def relu(self, x):
        return self.maximum(x, 0)

    def _common(self, *xs):
        kinds = [x.dtype if isinstance(x, Number) else x for x in xs]
        if any(isinstance(k, complex) for k in kinds):
            raise NoLowering("complex numbers")
        dtype = np.result_type(*kinds)
        if dtype not in TYPES:
            raise NoLowering(f"dtype {dtype}")
        return kinds, dtype

    def where(self, condition, x, y):
        _, dtype = self._common(x, y)
        c, a, b = self.cast(condition, BOOL).value, self.cast(x, dtype).value, self.cast(y, dtype).value
        return Number(self.f.select(c, a, b), dtype)

    def sign(self, x):
        (a,), _, out = self._operands(np.sign, x)
        f = self.f
        one = f.constant(a.type, 1)
        if out.kind == "u":
            return Number(f.select(a.equals(0), 0, one), out)
        zero = a + 0.0 if out.kind == "f" else a  # 0 also for -0, NaN for NaN
        return Number(f.select(a > 0, one, f.select(a < 0, -1, zero)), out)

    def signbit(self, x):
        if isinstance(x, Number) and x.dtype.kind != "f":
            return Number(x.value < 0, BOOL) if x.dtype.kind == "i" else self.constant(False, BOOL)
        (a,), _, out = self._operands(np.signbit, x)
        bits = self.f.cast("bitcast", a, vector(format_of(a).integer, lanes(a.type)))
        return Number(bits < 0, out)

    def copysign(self, x, y):
        (a, b), _, out = self._operands(np.copysign, x, y)
        return Number(self.f.binary("copysign", a, b), out)

    def heaviside(self, x, h):
        (a, b), _, out = self._operands(np.heaviside, x, h)
        f = self.f
        at_zero = f.select(a.equals(0.0), b, a)  # NaN for NaN
        return Number(f.select(a > 0.0, 1.0, f.select(a < 0.0, 0.0, at_zero)), out)

    # --- rounding -------------------------------------------------------------------------------------------------------

    def _rounded(self, ufunc, x):
        (a,), _, out = self._operands(ufunc, x)
        return Number(self.f.unary(ufunc.__name__, a) if out.kind == "f" else a, out)

    def floor(self, x):
        return self._rounded(np.floor, x)

    def ceil(self, x):
        return self._rounded(np.ceil, x)

    def trunc(self, x):
        return self._rounded(np.trunc, x)

    def rint(self, x):
        (a,), _, out = self._operands(np.rint, x)
        return Number(self.f.unary("roundeven", a), out)

    def round(self, x, *, decimals):
        x = self._itself(x)
        if x.dtype.kind in "iu" and decimals >= 0:
            return x
        if x.dtype.kind != "f":
            raise NoLowering("rounding of whole numbers to tens")
        if decimals == 0:
            return self.rint(x)
        scale = 10.0 ** abs(decimals)
        if decimals > 0:
            return self.divide(self.rint(self.multiply(x, scale)), scale)
        return self.multiply(self.rint(self.divide(x, scale)), scale)

    # --- comparisons, logic and bits ------------------------------------------------------------------------------------

    def _compare(self, ufunc, x, y, on_float, on_int):
        (a, b), ins, _ = self._operands(ufunc, x, y)
        if ins[0] != ins[1]:
            raise NoLowering("comparison of signed with unsigned integers of 64 bits")
        if ins[0].kind in "ub" and on_int not in ("eq", "ne"):
            on_int = "u" + on_int[1:]
        return Number(a.compare(b, on_float, on_int), BOOL)

    def equal(self, x, y):
        return self._compare(np.equal, x, y, "oeq", "eq")

    def not_equal(self, x, y):
        return self._compare(np.not_equal, x, y, "une", "ne")

    def less(self, x, y):
        return self._compare(np.less, x, y, "olt", "slt")

    def less_equal(self, x, y):
        return self._compare(np.less_equal, x, y, "ole", "sle")

    def greater(self, x, y):
        return self._compare(np.greater, x, y, "ogt", "sgt")

    def greater_equal(self, x, y):
        return self._compare(np.greater_equal, x, y, "oge", "sge")

    def isnan(self, x):
        (a,), ins, _ = self._operands(np.isnan, x)
        return Number(a.is_nan(), BOOL) if ins[0].kind == "f" else self.constant(False, BOOL)

    def isinf(self, x):
        (a,), ins, _ = self._operands(np.isinf, x)
        if ins[0].kind != "f":
            return self.constant(False, BOOL)
        return Number(self.f.unary("fabs", a).equals(math.inf), BOOL)

    def isfinite(self, x):
        (a,), ins, _ = self._operands(np.isfinite, x)
        if ins[0].kind != "f":
            return self.constant(True, BOOL)
        return Number(self.f.unary("fabs", a) < math.inf, BOOL)

    def logical_and(self, x, y):
        return Number(self._truth(x) & self._truth(y), BOOL)

    def logical_or(self, x, y):
        return Number(self._truth(x) | self._truth(y), BOOL)

    def logical_xor(self, x, y):
        return Number(self._truth(x) ^ self._truth(y), BOOL)

    def logical_not(self, x):
        return Number(~self._truth(x), BOOL)

    def _truth(self, x):
        return self.cast(x, BOOL).value

    def bitwise_and(self, x, y):
        (a, b), _, out = self._operands(np.bitwise_and, x, y)
        return Number(a & b, out)

    def bitwise_or(self, x, y):
        (a, b), _, out = self._operands(np.bitwise_or, x, y)
        return Number(a | b, out)

    def bitwise_xor(self, x, y):
        (a, b), _, out = self._operands(np.bitwise_xor, x, y)
        return Number(a ^ b, out)

    def invert(self, x):
        (a,), _, out = self._operands(np.invert, x)
        return Number(~a, out)

    def left_shift(self, x, y):
        (a, b), _, out = self._operands(np.left_shift, x, y)
        inside = b.compare(8 * out.itemsize, "", "ult")
        return Number(self.f.select(inside, a << self.f.select(inside, b, 0), 0), out)

    def right_shift(self, x, y):
        (a, b), _, out = self._operands(np.right_shift, x, y)
        bits = 8 * out.itemsize
        inside = b.compare(bits, "", "ult")
        if out.kind == "u":
            return Number(self.f.select(inside, a.lshr(self.f.select(inside, b, 0)), 0), out)
        return Number(a >> self.f.select(inside, b, bits - 1), out)

    # --- functions of a real number -------------------------------------------------------------------------------------

    def sqrt(self, x):
        (a,), _, out = self._operands(np.sqrt, x)
        return Number(self.f.unary("sqrt", a), out)

    def exp(self, x):
        return self._function("exp", np.exp, x)

    def exp2(self, x):
        return self._function("exp2", np.exp2, x)

    def expm1(self, x):
        return self._function("expm1", np.expm1, x)

    def log(self, x):
        return self._function("log", np.log, x)

    def log2(self, x):
        return self._function("log2", np.log2, x)

    def log10(self, x):
        return self._function("log10", np.log10, x)

    def log1p(self, x):
        return self._function("log1p", np.log1p, x)

    def cbrt(self, x):
        return self._function("cbrt", np.cbrt, x)

    def hypot(self, x, y):
        return self._function("hypot", np.hypot, x, y)

    def sin(self, x):
        return self._function("sin", np.sin, x)

    def cos(self, x):
        return self._function("cos", np.cos, x)

    def tan(self, x):
        return self._function("tan", np.tan, x)

    def arcsin(self, x):
        return self._function("arcsin", np.arcsin, x)

    def arccos(self, x):
        return self._function("arccos", np.arccos, x)

    def arctan(self, x):
        return self._function("arctan", np.arctan, x)

    def arctan2(self, y, x):
        return self._function("arctan2", np.arctan2, y, x)

    def sinh(self, x):
        return self._function("sinh", np.sinh, x)

    def cosh(self, x):
        return self._function("cosh", np.cosh, x)

    def tanh(self, x):
        return self._function("tanh", np.tanh, x)

    def arcsinh(self, x):
        return self._function("arcsinh", np.arcsinh, x)

    def arccosh(self, x):
        return self._function("arccosh", np.arccosh, x)

    def arctanh(self, x):
        return self._function("arctanh", np.arctanh, x)

    def logaddexp(self, x, y):
        (a, b), _, out = self._operands(np.logaddexp, x, y)
        if not self.precise:
            return Number(vector_math.logaddexp(self.f, a, b), out)
        f = self.f
        d = a - b
        small = self._compute("log1p", self._compute("exp", -f.unary("fabs", d)))
        total = f.select(d.is_nan(), d, f.select(a > b, a, b) + small)
        return Number(f.select(a.equals(b), a + math.log(2), total), out)

    def logaddexp2(self, x, y):
        (a, b), _, out = self._operands(np.logaddexp2, x, y)
        if not self.precise:
            return Number(vector_math.logaddexp2(self.f, a, b), out)
        x, y = (self.multiply(Number(v, out), math.log(2)) for v in (a, b))
        return self.multiply(self.logaddexp(x, y), 1 / math.log(2))

    def softplus(self, x):
        (a,), _, out = self._operands(np.exp, x)
        if self.precise:
            return self.logaddexp(Number(a, out), 0)
        return Number(vector_math.softplus(self.f, a), out)

    def sigmoid(self, x):
        (a,), _, out = self._operands(np.exp, x)
        if not self.precise:
            return Number(vector_math.sigmoid(self.f, a), out)
        e = self._compute("exp", -self.f.unary("fabs", a))
        return Number(self.f.select(a < 0.0, e, 1.0) / (e + 1.0), out)

    def slope_of_tanh(self, x, y):
        return self._slope(vector_math.slope_of_tanh, x, y)

    def slope_of_sigmoid(self, x, y):
        return self._slope(vector_math.slope_of_sigmoid, x, y)

    def _slope(self, slope, x, y):
        (a, b), _, out = self._operands(np.multiply, x, y)
        return Number(slope(self.f, a, b), out)

    def erf(self, x):
        return self._of_scipy("erf", x)

    def erfc(self, x):
        return self._of_scipy("erfc", x)

    def _of_scipy(self, name, x):
        """SciPy's functions have loops for float32 and float64 only."""
        x = self._itself(x)
        x = self.cast(x, np.result_type(x.dtype, FLOAT32))
        return Number(self._compute(name, x.value), x.dtype)


# What the C library calls differently.
C_NAMES = {
    "power": "pow",
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "arctan2": "atan2",
    "arcsinh": "asinh",
    "arccosh": "acosh",
    "arctanh": "atanh",
}


def lower(row, s: Scalars, args, params, out_dtype) -> Number:
    """The machine code of a row with a Map lowering, on Numbers and Python numbers, as a Number of dtype `out_dtype`.

    A method of the row's own name goes before what the row composes of others: it knows which dtype to compute in.
    """
    own = getattr(type(s), row.name, None)
    return s.cast(own(s, *args, **params) if own else row.lower.scalar(s, *args, **params), out_dtype)
