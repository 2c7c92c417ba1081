"""Kelvin functions: Bessel functions of order 0 on the diagonals of the complex plane, real and imaginary parts apart."""

import cmath
import math

from .bessel import jv, kv
from .elementwise import imag, real
from .shaping import as_value
from .special import special

FIRST, SECOND = cmath.exp(0.75j * math.pi), cmath.exp(0.25j * math.pi)  # ber + i bei = J0(FIRST x), ker + i kei = K0(SECOND x)


def _second_of_first(x):
    """The second derivative of ber + i bei."""
    z = FIRST * x
    return (0.5 * FIRST * FIRST) * (jv(2, z) - jv(0, z))


def _second_of_second(x):
    """The second derivative of ker + i kei."""
    z = SECOND * x
    return (0.5 * SECOND * SECOND) * (kv(2, z) + kv(0, z))


@special(lambda x: berp(x))
def ber(x):
    """Kelvin function ber, the real part of J0(x exp(3 pi i / 4)).

    >>> import chainrule as cr
    >>> cr.special.ber([0.0, 2.0])
    array([1.        , 0.75173418])
    """


@special(lambda x: beip(x))
def bei(x):
    """Kelvin function bei, the imaginary part of J0(x exp(3 pi i / 4)).

    >>> import chainrule as cr
    >>> cr.special.bei([0.0, 2.0])
    array([0.        , 0.97229163])
    """


@special(lambda x: kerp(x), singular=True)
def ker(x):
    """Kelvin function ker, the real part of K0(x exp(pi i / 4)), for positive `x`.

    >>> import chainrule as cr
    >>> cr.special.ker([1.0, 2.0])
    array([ 0.28670621, -0.04166451])
    """


@special(lambda x: keip(x))
def kei(x):
    """Kelvin function kei, the imaginary part of K0(x exp(pi i / 4)), for positive `x`.

    >>> import chainrule as cr
    >>> cr.special.kei([1.0, 2.0])
    array([-0.49499464, -0.20240007])
    """


@special(lambda x: real(_second_of_first(x)))
def berp(x):
    """Derivative of `ber`.

    >>> import chainrule as cr
    >>> cr.special.berp([0.0, 2.0])
    array([ 0.        , -0.49306712])
    """


@special(lambda x: imag(_second_of_first(x)))
def beip(x):
    """Derivative of `bei`.

    >>> import chainrule as cr
    >>> cr.special.beip([0.0, 2.0])
    array([0.        , 0.91701361])
    """


@special(lambda x: real(_second_of_second(x)), singular=True)
def kerp(x):
    """Derivative of `ker`.

    >>> import chainrule as cr
    >>> cr.special.kerp([1.0, 2.0])
    array([-0.69460389, -0.10660097])
    """


@special(lambda x: imag(_second_of_second(x)), singular=True)
def keip(x):
    """Derivative of `kei`.

    >>> import chainrule as cr
    >>> cr.special.keip([1.0, 2.0])
    array([0.35236991, 0.21980791])
    """


def kelvin(x):
    """Kelvin functions as complex numbers: `(ber + i bei, ker + i kei, berp + i beip, kerp + i keip)`.

    >>> import chainrule as cr
    >>> be, ke, bep, kep = cr.special.kelvin(1.0)
    >>> be
    np.complex128(0.984381781213087+0.24956604003665972j)
    """
    x = as_value(x)
    return ber(x) + 1j * bei(x), ker(x) + 1j * kei(x), berp(x) + 1j * beip(x), kerp(x) + 1j * keip(x)
