"""Bessel functions and their relatives: cylindrical, scaled, spherical, and those of Airy and Struve.

Derivatives in the argument are other orders of the same function; those in a real order come from `parameters`.
"""

import math
import operator
from typing import Any

import numpy as np

from ..core.value import dtype_of
from ..errors import UnsupportedError, explain
from .elementwise import absolute, exp, imag, maximum, power, real, sqrt, where
from .gamma import rgamma
from .parameter_sums import struve_slope
from .parameters import slope_of_two
from .shaping import as_value
from .special import scipy_special, special, together

# --- of order 0 and 1, whose evaluation is fastest ------------------------------------------------------------------


@special(lambda x: -j1(x))
def j0(x):
    """Bessel function of the first kind of order 0.

    >>> import chainrule as cr
    >>> cr.special.j0([0.0, 1.0])
    array([1.        , 0.76519769])
    """


@special(lambda x: 0.5 * (j0(x) - jv(2, x)))
def j1(x):
    """Bessel function of the first kind of order 1.

    >>> import chainrule as cr
    >>> cr.special.j1([0.0, 1.0])
    array([0.        , 0.44005059])
    """


@special(lambda x: -y1(x), singular=True)
def y0(x):
    """Bessel function of the second kind of order 0.

    >>> import chainrule as cr
    >>> cr.special.y0([0.0, 1.0])
    array([      -inf, 0.08825696])
    """


@special(lambda x: 0.5 * (y0(x) - yv(2, x)), singular=True)
def y1(x):
    """Bessel function of the second kind of order 1.

    >>> import chainrule as cr
    >>> cr.special.y1([0.0, 1.0])
    array([       -inf, -0.78121282])
    """


@special(lambda x: i1(x))
def i0(x):
    """Modified Bessel function of the first kind of order 0.

    >>> import chainrule as cr
    >>> cr.special.i0([0.0, 1.0])
    array([1.        , 1.26606588])
    """


@special(lambda x: 0.5 * (i0(x) + iv(2, x)))
def i1(x):
    """Modified Bessel function of the first kind of order 1.

    >>> import chainrule as cr
    >>> cr.special.i1([0.0, 1.0])
    array([0.       , 0.5651591])
    """


@special(lambda x: -k1(x), singular=True)
def k0(x):
    """Modified Bessel function of the second kind of order 0.

    >>> import chainrule as cr
    >>> cr.special.k0([0.0, 1.0])
    array([       inf, 0.42102444])
    """


@special(lambda x: -0.5 * (k0(x) + kv(2, x)), singular=True)
def k1(x):
    """Modified Bessel function of the second kind of order 1.

    >>> import chainrule as cr
    >>> cr.special.k1([0.0, 1.0])
    array([       inf, 0.60190723])
    """


@special(lambda x: slope_of_two(0, x, name="ive", orders=(0, 1)))
def i0e(x):
    """`exp(-abs(x)) i0(x)`. Its derivative at 0, where it has a kink, is 0.

    >>> import chainrule as cr
    >>> cr.special.i0e([0.0, 1000.0])
    array([1.        , 0.01261724])
    """


@special(lambda x: slope_of_two(1, x, name="ive", orders=(0, 1)))
def i1e(x):
    """`exp(-abs(x)) i1(x)`.

    >>> import chainrule as cr
    >>> cr.special.i1e([0.0, 1000.0])
    array([0.        , 0.01261093])
    """


@special(lambda x: slope_of_two(0, x, name="kve", orders=(0, 1)), singular=True)
def k0e(x):
    """`exp(x) k0(x)`.

    >>> import chainrule as cr
    >>> cr.special.k0e([0.0, 1000.0])
    array([       inf, 0.03962832])
    """


@special(lambda x: slope_of_two(1, x, name="kve", orders=(0, 1)), singular=True)
def k1e(x):
    """`exp(x) k1(x)`.

    >>> import chainrule as cr
    >>> cr.special.k1e([0.0, 1000.0])
    array([       inf, 0.03964813])
    """


# --- of any order ---------------------------------------------------------------------------------------------------


@special(
    lambda v, z: slope_of_two(v, z, name="jv", orders=(1, 0)),
    lambda v, z: 0.5 * (jv(v - 1, z) - jv(v + 1, z)),
    whole=1,
)
def jv(v, z):
    """Bessel function of the first kind of real order `v`; `z` may be complex. Differentiable in both.

    >>> import chainrule as cr
    >>> cr.special.jv(0.5, 2.0)
    np.float64(0.5130161365618283)
    """


jn = jv


@special(
    lambda v, z: slope_of_two(v, z, name="yv", orders=(1, 0)),
    lambda v, z: 0.5 * (yv(v - 1, z) - yv(v + 1, z)),
    whole=1,
    singular=True,
)
def yv(v, z):
    """Bessel function of the second kind of real order `v`; `z` may be complex. Differentiable in both.

    >>> import chainrule as cr
    >>> cr.special.yv(0.5, 2.0)
    np.float64(0.2347857104062486)
    """


@special(None, lambda n, x: 0.5 * (yv(n - 1, x) - yv(n + 1, x)), whole=1, singular=True)
def yn(n, x):
    """Bessel function of the second kind of whole order `n`, in which it is not differentiated.

    >>> import chainrule as cr
    >>> cr.special.yn(1, 2.0)
    np.float64(-0.10703243154093756)
    """


@special(
    lambda v, z: slope_of_two(v, z, name="iv", orders=(1, 0)),
    lambda v, z: 0.5 * (iv(v - 1, z) + iv(v + 1, z)),
    whole=1,
)
def iv(v, z):
    """Modified Bessel function of the first kind of real order `v`; `z` may be complex. Differentiable in both.

    >>> import chainrule as cr
    >>> cr.special.iv(0.5, 2.0)
    np.float64(2.046236863089056)
    """


@special(
    lambda v, z: slope_of_two(v, z, name="kv", orders=(1, 0)),
    lambda v, z: -0.5 * (kv(v - 1, z) + kv(v + 1, z)),
    whole=1,
    singular=True,
)
def kv(v, z):
    """Modified Bessel function of the second kind of real order `v`; `z` may be complex. Differentiable in both.

    >>> import chainrule as cr
    >>> cr.special.kv(0.5, 2.0)
    np.float64(0.11993777196806146)
    """


@special(None, lambda n, x: -0.5 * (kv(n - 1, x) + kv(n + 1, x)), whole=1, singular=True)
def kn(n, x):
    """Modified Bessel function of the second kind of whole order `n`, in which it is not differentiated.

    >>> import chainrule as cr
    >>> cr.special.kn(1, 2.0)
    np.float64(0.13986588181652246)
    """


@special(
    lambda v, z: slope_of_two(v, z, name="hankel1", orders=(1, 0)),
    lambda v, z: 0.5 * (hankel1(v - 1, z) - hankel1(v + 1, z)),
    whole=1,
    singular=True,
)
def hankel1(v, z):
    """Hankel function of the first kind, `jv(v, z) + 1j yv(v, z)`.

    >>> import chainrule as cr
    >>> cr.special.hankel1(0.5, 2.0)
    np.complex128(0.5130161365618279+0.2347857104062486j)
    """


@special(
    lambda v, z: slope_of_two(v, z, name="hankel2", orders=(1, 0)),
    lambda v, z: 0.5 * (hankel2(v - 1, z) - hankel2(v + 1, z)),
    whole=1,
    singular=True,
)
def hankel2(v, z):
    """Hankel function of the second kind, `jv(v, z) - 1j yv(v, z)`.

    >>> import chainrule as cr
    >>> cr.special.hankel2(0.5, 2.0)
    np.complex128(0.5130161365618279-0.2347857104062486j)
    """


@special(
    lambda v, z: slope_of_two(v, z, name="hankel1e", orders=(1, 0)),
    lambda v, z: slope_of_two(v, z, name="hankel1e", orders=(0, 1)),
    whole=1,
    singular=True,
)
def hankel1e(v, z):
    """`exp(-1j z) hankel1(v, z)`.

    >>> import chainrule as cr
    >>> cr.special.hankel1e(0.5, 2.0)
    np.complex128(5.551115123125783e-17-0.5641895835477564j)
    """


@special(
    lambda v, z: slope_of_two(v, z, name="hankel2e", orders=(1, 0)),
    lambda v, z: slope_of_two(v, z, name="hankel2e", orders=(0, 1)),
    whole=1,
    singular=True,
)
def hankel2e(v, z):
    """`exp(1j z) hankel2(v, z)`.

    >>> import chainrule as cr
    >>> cr.special.hankel2e(0.5, 2.0)
    np.complex128(5.551115123125783e-17+0.5641895835477564j)
    """


@special(
    lambda v, z: slope_of_two(v, z, name="kve", orders=(1, 0)),
    lambda v, z: slope_of_two(v, z, name="kve", orders=(0, 1)),
    whole=1,
    singular=True,
)
def kve(v, z):
    """`exp(z) kv(v, z)`.

    >>> import chainrule as cr
    >>> cr.special.kve(0.5, 2.0)
    np.float64(0.886226925452758)
    """


@special(
    lambda v, z: slope_of_two(v, z, name="ive", orders=(1, 0)),
    lambda v, z: slope_of_two(v, z, name="ive", orders=(0, 1)),
    whole=1,
)
def _ive(v, z):
    """exp(-abs(z)) iv(v, z) for real z."""


def ive(v, z):
    """`exp(-abs(real(z))) iv(v, z)`.

    >>> import chainrule as cr
    >>> cr.special.ive(0.5, 2.0)
    np.float64(0.2769280454353554)
    """
    v, z = together(v, z)
    return iv(v, z) * exp(-absolute(real(z))) if dtype_of(z).kind == "c" else _ive(v, z)


def jve(v, z):
    """`exp(-abs(imag(z))) jv(v, z)`, the same as `jv` for real `z`.

    >>> import chainrule as cr
    >>> cr.special.jve(0.5, 2.0)
    np.float64(0.5130161365618283)
    """
    v, z = together(v, z)
    return jv(v, z) * exp(-absolute(imag(z))) if dtype_of(z).kind == "c" else jv(v, z)


def yve(v, z):
    """`exp(-abs(imag(z))) yv(v, z)`, the same as `yv` for real `z`.

    >>> import chainrule as cr
    >>> cr.special.yve(0.5, 2.0)
    np.float64(0.2347857104062486)
    """
    v, z = together(v, z)
    return yv(v, z) * exp(-absolute(imag(z))) if dtype_of(z).kind == "c" else yv(v, z)


# --- derivatives of any order, as SciPy gives them ----------------------------------------------------------------------


def _derivative(name, f, v, z, n, step, sign):
    """The n-th derivative in z: step**n times the sum of (n over j) sign**j f(v - n + 2 j, z) (DLMF 10.6.7, 10.29.5)."""
    n = operator.index(n)
    if n < 0:
        raise ValueError(explain(f"{name}: the order of a derivative cannot be negative", f"n: {n}", help="0, 1, 2 ..."))
    v, z = together(v, z)
    total: Any = 0.0
    for j in range(n + 1):
        total = total + (sign**j * math.comb(n, j)) * f(v - (n - 2 * j), z)
    return step**n * total


def jvp(v, z, n=1):
    """The `n`-th derivative of `jv(v, z)` in `z`; differentiable in both.

    >>> import chainrule as cr
    >>> cr.special.jvp(0.5, 2.0).round(6)
    np.float64(-0.36304)
    """
    return _derivative("jvp", jv, v, z, n, 0.5, -1)


def yvp(v, z, n=1):
    """The `n`-th derivative of `yv(v, z)` in `z`; differentiable in both.

    >>> import chainrule as cr
    >>> cr.special.yvp(0.5, 2.0).round(6)
    np.float64(0.45432)
    """
    return _derivative("yvp", yv, v, z, n, 0.5, -1)


def ivp(v, z, n=1):
    """The `n`-th derivative of `iv(v, z)` in `z`; differentiable in both.

    >>> import chainrule as cr
    >>> cr.special.ivp(0.5, 2.0).round(6)
    np.float64(1.611032)
    """
    return _derivative("ivp", iv, v, z, n, 0.5, 1)


def kvp(v, z, n=1):
    """The `n`-th derivative of `kv(v, z)` in `z`; differentiable in both.

    >>> import chainrule as cr
    >>> cr.special.kvp(0.5, 2.0).round(6)
    np.float64(-0.149922)
    """
    return _derivative("kvp", kv, v, z, n, -0.5, 1)


def h1vp(v, z, n=1):
    """The `n`-th derivative of `hankel1(v, z)` in `z`; differentiable in both.

    >>> import chainrule as cr
    >>> cr.special.h1vp(0.5, 2.0).round(6)
    np.complex128(-0.36304+0.45432j)
    """
    return _derivative("h1vp", hankel1, v, z, n, 0.5, -1)


def h2vp(v, z, n=1):
    """The `n`-th derivative of `hankel2(v, z)` in `z`; differentiable in both.

    >>> import chainrule as cr
    >>> cr.special.h2vp(0.5, 2.0).round(6)
    np.complex128(-0.36304-0.45432j)
    """
    return _derivative("h2vp", hankel2, v, z, n, 0.5, -1)


# --- spherical ------------------------------------------------------------------------------------------------------


def _neighbours(f, n, z, low, high):
    """The derivative by the orders on both sides (DLMF 10.51.2), which needs no division by z."""
    return (low * n * f(maximum(n - 1, 0), z) + high * (n + 1) * f(n + 1, z)) / (2 * n + 1)


def _jn_slope(n, z):
    return _neighbours(_spherical_jn, n, z, 1, -1)


def _yn_slope(n, z):
    return _neighbours(_spherical_yn, n, z, 1, -1)


def _in_slope(n, z):
    return _neighbours(_spherical_in, n, z, 1, 1)


def _kn_slope(n, z):
    return _neighbours(_spherical_kn, n, z, -1, -1)


@special(None, _jn_slope, by="spherical_jn", whole=1)
def _spherical_jn(n, z):
    """Spherical Bessel function of the first kind."""


@special(None, _yn_slope, by="spherical_yn", whole=1, singular=True)
def _spherical_yn(n, z):
    """Spherical Bessel function of the second kind."""


@special(None, _in_slope, by="spherical_in", whole=1)
def _spherical_in(n, z):
    """Modified spherical Bessel function of the first kind."""


@special(None, _kn_slope, by="spherical_kn", whole=1, singular=True)
def _spherical_kn(n, z):
    """Modified spherical Bessel function of the second kind."""


def _spherical(name, function, slope, n, z, derivative):
    n, z = as_value(n), as_value(z)
    if dtype_of(n).kind not in "iub":
        asked = f"{name}: the order `n` is a whole number"
        raise UnsupportedError(explain(asked, f"n: {dtype_of(n)}", help="cast it, for example with np.asarray(n, int)"))
    return slope(n, z) if derivative else function(n, z)


def spherical_jn(n, z, derivative=False):
    """Spherical Bessel function of the first kind of whole order `n`, or its derivative in `z`.

    >>> import chainrule as cr
    >>> cr.special.spherical_jn(0, [0.0, 1.0])
    array([1.        , 0.84147098])
    """
    return _spherical("spherical_jn", _spherical_jn, _jn_slope, n, z, derivative)


def spherical_yn(n, z, derivative=False):
    """Spherical Bessel function of the second kind of whole order `n`, or its derivative in `z`.

    >>> import chainrule as cr
    >>> cr.special.spherical_yn(0, [1.0, 2.0])
    array([-0.54030231,  0.20807342])
    """
    return _spherical("spherical_yn", _spherical_yn, _yn_slope, n, z, derivative)


def spherical_in(n, z, derivative=False):
    """Modified spherical Bessel function of the first kind of whole order `n`, or its derivative in `z`.

    >>> import chainrule as cr
    >>> cr.special.spherical_in(0, [0.0, 1.0])
    array([1.        , 1.17520119])
    """
    return _spherical("spherical_in", _spherical_in, _in_slope, n, z, derivative)


def spherical_kn(n, z, derivative=False):
    """Modified spherical Bessel function of the second kind of whole order `n`, or its derivative in `z`.

    >>> import chainrule as cr
    >>> cr.special.spherical_kn(0, [1.0, 2.0])
    array([0.57786367, 0.10629208])
    """
    return _spherical("spherical_kn", _spherical_kn, _kn_slope, n, z, derivative)


# --- Airy and Struve ------------------------------------------------------------------------------------------------

_scipy_airy = scipy_special("airy")


@special(
    lambda z, part: z * _airy(z, part=part - 1) if part % 2 else _airy(z, part=part + 1),
    by=lambda z, part: _scipy_airy(z)[part],
)
def _airy(z, *, part):
    """Ai, Ai', Bi or Bi'."""


def airy(z):
    """Airy functions `Ai(z)` and `Bi(z)` with their derivatives, as `(Ai, Ai', Bi, Bi')`; `z` may be complex.

    >>> import chainrule as cr
    >>> ai, aip, bi, bip = cr.special.airy(0.0)
    >>> ai
    np.float64(0.3550280538878172)
    """
    z = as_value(z)
    return tuple(_airy(z, part=part) for part in range(4))


_scipy_airye = scipy_special("airye")


def _airye_in_z(z, out, part):
    """The scale is exp(2/3 z**1.5) for Ai and, on the real axis, its reciprocal for Bi, which is 1 for negative z."""
    slope = z * _airye(z, part=part - 1) if part % 2 else _airye(z, part=part + 1)
    if part < 2:
        return slope + sqrt(z) * out
    return slope - sqrt(maximum(z, 0)) * out


@special(_airye_in_z, by=lambda z, part: _scipy_airye(z)[part], singular=True)
def _airye(z, *, part):
    """The scaled Ai, Ai', Bi or Bi'; the last two for real z."""


def airye(z):
    """Airy functions without their growth and decay: `Ai` and `Ai'` times `exp(s)`, `Bi` and `Bi'` times `exp(-abs(real(s)))`.

    Here `s` is `2/3 z sqrt(z)`. The first two are NaN for negative real `z`, where `s` is imaginary.

    >>> import chainrule as cr
    >>> cr.special.airye(4.0)[0]
    np.float64(0.1970948026430665)
    """
    z = as_value(z)
    if dtype_of(z).kind != "c":
        return tuple(_airye(z, part=part) for part in range(4))
    less = exp(-absolute(real((2 / 3) * z * sqrt(z))))
    return _airye(z, part=0), _airye(z, part=1), _airy(z, part=2) * less, _airy(z, part=3) * less


def _struve_source(v, x):
    """The inhomogeneous part of Struve's recurrence (DLMF 11.4.25)."""
    return power(0.5 * x, v) * rgamma(v + 1.5) * (1 / math.sqrt(math.pi))


def _in_order(name):
    """The slope in the order, at x = 0 that of the leading power."""
    return lambda v, x: where(x == 0, where(v > -1, 0.0, np.nan), struve_slope(v, where(x == 0, 1, x), name=name, order=1))


def _in_argument(name, sign):
    """By the orders on both sides; near 0 by higher ones alone, where lower ones cancel (DLMF 11.4.26)."""

    def slope(v, x):
        function = globals()[name]
        near = (absolute(x) < 1) & ((x != 0) | (v == 0))
        z = where(near, x, 1)
        above = where(v == 0, 0.0, v / where(v == 0, 1, z)) * function(v, z) + sign * function(v + 1, z) + _struve_source(v, z)
        z = where(near, 1, x)
        return where(near, above, 0.5 * (function(v - 1, z) + sign * function(v + 1, z) + _struve_source(v, z)))

    return slope


@special(_in_order("struve"), _in_argument("struve", -1), whole=1)
def struve(v, x):
    """Struve function of order `v`; differentiable in both, in `v` for `x` >= 0.

    >>> import chainrule as cr
    >>> cr.special.struve(0, [0.0, 1.0])
    array([0.        , 0.56865663])
    """


@special(_in_order("modstruve"), _in_argument("modstruve", 1), whole=1)
def modstruve(v, x):
    """Modified Struve function of order `v`; differentiable in both, in `v` for `x` >= 0.

    >>> import chainrule as cr
    >>> cr.special.modstruve(0, [0.0, 1.0])
    array([0.        , 0.71024319])
    """
