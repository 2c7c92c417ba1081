"""Integrals of the functions of Bessel, Struve and Fresnel; their derivatives are the integrands."""

import cmath
import math

import numpy as np

from .bessel import i0, j0, k0, modstruve, struve, y0
from .elementwise import absolute, exp, where
from .families import conjugate
from .shaping import as_value
from .special import Unknown, scipy_special, special


def _part(name, k):
    """Evaluates result number `k` of SciPy's function."""
    function = scipy_special(name)
    return lambda *xs: function(*xs)[k]


# --- from 0 to x ----------------------------------------------------------------------------------------------------


@special(lambda x: j0(x), by=_part("itj0y0", 0))
def _integral_j0(x):
    """Integral of j0 from 0 to x."""


@special(lambda x: y0(x), by=_part("itj0y0", 1), singular=True)
def _integral_y0(x):
    """Integral of y0 from 0 to x."""


def itj0y0(x):
    """Integrals of `j0` and of `y0` from 0 to `x`.

    >>> import chainrule as cr
    >>> cr.special.itj0y0(1.0)
    (np.float64(0.9197304100897596), np.float64(-0.637069376607422))
    """
    x = as_value(x)
    return _integral_j0(x), _integral_y0(x)


@special(lambda x: i0(x), by=_part("iti0k0", 0))
def _integral_i0(x):
    """Integral of i0 from 0 to x."""


@special(lambda x: k0(x), by=_part("iti0k0", 1), singular=True)
def _integral_k0(x):
    """Integral of k0 from 0 to x."""


def iti0k0(x):
    """Integrals of `i0` and of `k0` from 0 to `x`.

    >>> import chainrule as cr
    >>> cr.special.iti0k0(1.0)
    (np.float64(1.0865210970235892), np.float64(1.2425098486237771))
    """
    x = as_value(x)
    return _integral_i0(x), _integral_k0(x)


@special(lambda x: struve(0, x))
def itstruve0(x):
    """Integral of `struve(0, t)` from 0 to `x`.

    >>> import chainrule as cr
    >>> cr.special.itstruve0(1.0)
    np.float64(0.30109042670805547)
    """


@special(lambda x: modstruve(0, x))
def itmodstruve0(x):
    """Integral of `modstruve(0, t)` from 0 to `x`.

    >>> import chainrule as cr
    >>> cr.special.itmodstruve0(1.0)
    np.float64(0.3364726286440384)
    """


# --- of quotients with t --------------------------------------------------------------------------------------------

TERMS = 10  # of the series of (J0(x) - 1) / x, for x up to 1


def _less_one(function, x, sign):
    """(function(x) - 1) / x for j0 (sign -1) or i0 (sign 1), without cancellation near 0."""
    near = absolute(x) < 1
    small, quarter = where(near, x, 0), where(near, 0.25 * sign * x * x, 0)
    total = 0.0 * quarter
    for k in range(TERMS, 1, -1):
        total = (1 + total) * quarter / (k * k)
    far = where(near, 1, x)
    return where(near, 0.25 * sign * small * (1 + total), (function(far) - 1) / far)


@special(lambda x: -_less_one(j0, x, -1), by=_part("it2j0y0", 0))
def _integral_less_j0(x):
    """Integral of (1 - j0(t)) / t from 0 to x."""


@special(lambda x: -y0(x) / x, by=_part("it2j0y0", 1), singular=True)
def _tail_y0(x):
    """Integral of y0(t) / t from x to infinity."""


def it2j0y0(x):
    """Integrals of `(1 - j0(t)) / t` from 0 to `x`, and of `y0(t) / t` from `x` to infinity.

    >>> import chainrule as cr
    >>> cr.special.it2j0y0(1.0)
    (np.float64(0.12116524699506871), np.float64(0.39527290169929336))
    """
    x = as_value(x)
    return _integral_less_j0(x), _tail_y0(x)


@special(lambda x: _less_one(i0, x, 1), by=_part("it2i0k0", 0))
def _integral_i0_less(x):
    """Integral of (i0(t) - 1) / t from 0 to x."""


@special(lambda x: -k0(x) / x, by=_part("it2i0k0", 1), singular=True)
def _tail_k0(x):
    """Integral of k0(t) / t from x to infinity."""


def it2i0k0(x):
    """Integrals of `(i0(t) - 1) / t` from 0 to `x`, and of `k0(t) / t` from `x` to infinity.

    >>> import chainrule as cr
    >>> cr.special.it2i0k0(1.0)
    (np.float64(0.12897944249456852), np.float64(0.2085182909001295))
    """
    x = as_value(x)
    return _integral_i0_less(x), _tail_k0(x)


def _struve_over(x):
    return where(x == 0, 2 / math.pi, struve(0, x) / where(x == 0, 1, x))


@special(lambda x: -_struve_over(x))
def it2struve0(x):
    """Integral of `struve(0, t) / t` from `x` to infinity.

    >>> import chainrule as cr
    >>> cr.special.it2struve0(1.0)
    np.float64(0.9571973506383524)
    """


_NO_FORMULA = "no formula is known here for the derivative in a power or an order"


@special(
    lambda a, lmb, nu: besselpoly(a, lmb + 1, nu - 1) - besselpoly(a, lmb + 1, nu + 1),
    Unknown(_NO_FORMULA),
    Unknown(_NO_FORMULA),
    whole=1,
)
def besselpoly(a, lmb, nu):
    """Integral of `t**lmb jv(nu, 2 a t)` from 0 to 1; differentiable in `a`.

    >>> import chainrule as cr
    >>> cr.special.besselpoly(1.0, 1.0, 2.0).round(6)
    np.float64(0.099692)
    """


# --- modified Fresnel integrals -------------------------------------------------------------------------------------


_scipy_fresnel_tail = _part("modfresnelp", 0)


def _evaluate_tail(x):
    """SciPy's, whose imaginary part is wrong for negative x: there, by what is left of the whole line."""
    tail = _scipy_fresnel_tail(np.abs(x))
    whole = np.asarray(cmath.exp(0.25j * math.pi) * math.sqrt(math.pi), tail.dtype)
    return np.where(np.less(x, 0), whole - tail, tail)[()]


@special(lambda x: -exp(1j * x * x), by=_evaluate_tail)
def _fresnel_tail(x):
    """Integral of exp(i t**2) from x to infinity."""


ROOT = cmath.exp(-0.25j * math.pi) / math.sqrt(math.pi)


@special(lambda x, out: -2j * x * out - ROOT, by=_part("modfresnelp", 1))
def _fresnel_turned(x):
    """That tail times exp(-i (x**2 + pi / 4)) / sqrt(pi), so that it does not turn."""


def modfresnelp(x):
    """Modified Fresnel integrals `(F, K)`: F of `exp(i t**2)` from `x` to infinity, K is F `exp(-i (x**2 + pi/4)) / sqrt(pi)`.

    >>> import chainrule as cr
    >>> cr.special.modfresnelp(0.0)[1]
    np.complex128(0.5+0j)
    """
    x = as_value(x)
    return _fresnel_tail(x), _fresnel_turned(x)


def modfresnelm(x):
    """As `modfresnelp`, with `-i` for `i`: the complex conjugates.

    >>> import chainrule as cr
    >>> cr.special.modfresnelm(0.0)[1]
    np.complex128(0.5-0j)
    """
    return tuple(conjugate(part) for part in modfresnelp(x))
