"""Parts of numbers: quotients with remainders, whole and fractional parts, mantissas and exponents, neighbours, divisors."""

import math

import numpy as np

from ..core.value import dtype_of
from ..errors import explain
from .comparison import isinf
from .elementwise import absolute, floor_divide, imag, real, remainder, trunc, where
from .families import elementwise
from .reduction import all as all_
from .shaping import as_value, cast


def divmod(x, y):
    """The pair (`x // y`, `x % y`).

    >>> import chainrule as cr
    >>> cr.divmod(7.0, 2.0)
    (np.float64(3.0), np.float64(1.0))
    """
    return floor_divide(x, y), remainder(x, y)


def modf(x):
    """Fractional and whole part of `x`, both with its sign. The derivative of the fractional part is 1.

    >>> import chainrule as cr
    >>> cr.modf(-1.25)
    (np.float64(-0.25), np.float64(-1.0))
    """
    x = as_value(x)
    x = x if dtype_of(x).kind == "f" else cast(x, np.modf(np.zeros(1, dtype_of(x)))[0].dtype)
    whole = trunc(x)
    return where(isinf(x), np.zeros((), dtype_of(x))[()], x) - where(isinf(x), np.zeros((), dtype_of(x))[()], whole), whole


@elementwise(lambda x: np.frexp(x)[1])
def _exponent(x):
    """The exponent that frexp gives."""


@elementwise(np.ldexp, lambda i, out: ldexp(np.ones((), dtype_of(out))[()], i), None)
def ldexp(x, i):
    """`x * 2**i`, for whole `i`.

    >>> import chainrule as cr
    >>> cr.ldexp(3.0, 2)
    np.float64(12.0)
    """


def frexp(x):
    """Mantissa from 0.5 to 1 in size and exponent, so that `x = mantissa * 2**exponent`.

    The derivative of the mantissa is `2**-exponent`; the exponent is piecewise constant.

    >>> import chainrule as cr
    >>> cr.frexp(12.0)
    (np.float64(0.75), np.int32(4))
    """
    x = as_value(x)
    exponent = _exponent(x)
    # In two steps, since 2**-exponent alone overflows for the smallest numbers.
    half = exponent // 2
    return ldexp(ldexp(x, -half), half - exponent), exponent


@elementwise(np.nextafter, lambda: 1, None)
def nextafter(x, y):
    """The floating point number next to `x` towards `y`; its derivative in `x` is 1.

    >>> import chainrule as cr
    >>> cr.nextafter(1.0, 2.0) - 1.0 == np.finfo(float).eps
    np.True_
    """


@elementwise(np.spacing)
def spacing(x):
    """Distance from `x` to the next floating point number away from 0; its derivative is zero.

    >>> import chainrule as cr
    >>> cr.spacing(1.0) == np.finfo(float).eps
    np.True_
    """


@elementwise(np.gcd, None, None)
def gcd(x, y):
    """Greatest common divisor of whole numbers.

    >>> import chainrule as cr
    >>> cr.gcd(12, 18)
    np.int64(6)
    """


@elementwise(np.lcm, None, None)
def lcm(x, y):
    """Least common multiple of whole numbers.

    >>> import chainrule as cr
    >>> cr.lcm(4, 6)
    np.int64(12)
    """


@elementwise(np.bitwise_count)
def bitwise_count(x):
    """How many bits of the absolute value of whole numbers are set.

    >>> import chainrule as cr
    >>> cr.bitwise_count(7)
    np.uint8(3)
    """


def fix(x):
    """`x` rounded towards zero; its derivative is zero.

    >>> import chainrule as cr
    >>> cr.fix([1.7, -1.7])
    array([ 1., -1.])
    """
    return trunc(as_value(x))


def _real(what, x):
    x = as_value(x)
    if dtype_of(x).kind == "c":
        raise TypeError(explain(f"{what}: complex numbers are not supported", f"x: {dtype_of(x)}", help="ask of x.real"))
    return x


def isposinf(x):
    """Whether `x` is positive infinity.

    >>> import chainrule as cr
    >>> cr.isposinf([np.inf, -np.inf, 0.0])
    array([ True, False, False])
    """
    return _real("isposinf", x) == math.inf


def isneginf(x):
    """Whether `x` is negative infinity.

    >>> import chainrule as cr
    >>> cr.isneginf([np.inf, -np.inf, 0.0])
    array([False,  True, False])
    """
    return _real("isneginf", x) == -math.inf


def iscomplex(x):
    """Whether the imaginary part of `x` is not 0.

    >>> import chainrule as cr
    >>> cr.iscomplex(np.array([1.0, 1j]))
    array([False,  True])
    """
    return imag(as_value(x)) != 0


def isreal(x):
    """Whether the imaginary part of `x` is 0.

    >>> import chainrule as cr
    >>> cr.isreal(np.array([1.0, 1j]))
    array([ True, False])
    """
    return imag(as_value(x)) == 0


def real_if_close(x, tol=100):
    """The real part of `x` if all imaginary parts are within `tol` of 0, in units of the dtype's resolution, else `x`.

    >>> import chainrule as cr
    >>> cr.real_if_close(np.array([1.0 + 1e-16j]))
    array([1.])
    """
    x = as_value(x)
    if dtype_of(x).kind != "c":
        return x
    tol = tol * np.finfo(dtype_of(x)).eps if tol > 1 else tol
    return real(x) if all_(absolute(imag(x)) < tol) else x
