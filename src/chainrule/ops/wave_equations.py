"""Solutions of Weber's and Mathieu's equations, as SciPy gives them: the value and its derivative.

The equation says what the second derivative is, so they can be differentiated in the argument, to any order.
"""

import functools
import inspect
import math

from .parameter_sums import mathieu_angular, mathieu_slope, other_weber_slope, weber_slope
from .special import Unknown, numeric, scipy_special, special, with_names
from .trigonometric import cos, cosh

_NO_FORMULA = "no formula is known here for the derivative in a parameter"


def solution(curvature, rate=1.0, parameter=None):
    """Function builder: SciPy's pair (y, y') of the decorated function's name, where y'' = curvature(*arguments) y.

    The last argument is that of y, in units of which one is `rate` of the equation's. `parameter`: the partial of the part
    in the one before it.
    """

    def define(fn):
        signature, function = inspect.signature(fn), scipy_special(fn.__name__)
        names = list(signature.parameters)

        def slope(*given):
            *xs, part = given
            return rate * (row(*xs, part=1) if part == 0 else curvature(*xs) * row(*xs, part=0))

        def one(*xs, part):
            """The value or the derivative."""

        one.__name__ = fn.__name__
        others: list = [Unknown(_NO_FORMULA)] * (len(names) - 1)
        if parameter is not None:
            others[-1] = with_names(parameter, [*names, "part"])
        kinds = [*others, with_names(slope, [*names, "part"])]
        builder = special(*kinds, by=lambda *xs, part: function(*xs)[part], whole=1)
        row = builder(with_names(one, names, ["part"]))

        @functools.wraps(fn)
        def both(*args, **kwargs):
            xs = signature.bind(*args, **kwargs).args
            return row(*xs, part=0), row(*xs, part=1)

        return both

    return define


# --- parabolic cylinder functions, of Weber's equation --------------------------------------------------------------


def _weber_in_order(v, x, part):
    slope = weber_slope(v, x, order=1)
    return slope if part == 0 else 0.5 * x * slope - weber_slope(v + 1, x, order=1)


@solution(lambda v, x: 0.25 * x * x - v - 0.5, parameter=_weber_in_order)
def pbdv(v, x):
    """Parabolic cylinder function D_v(`x`) and its derivative; differentiable in both.

    >>> import chainrule as cr
    >>> cr.special.pbdv(1.0, 2.0)[0].round(6)
    np.float64(0.735759)
    """


def _other_in_parameter(kind):
    return lambda p, x, part: other_weber_slope(p, x, kind=kind, order=1, part=part)


@solution(lambda v, x: 0.25 * x * x - v - 0.5, parameter=_other_in_parameter("V"))
def pbvv(v, x):
    """Parabolic cylinder function V_v(`x`) and its derivative; differentiable in both.

    >>> import chainrule as cr
    >>> cr.special.pbvv(1.0, 2.0)[0].round(6)
    np.float64(0.607233)
    """


@solution(lambda a, x: a - 0.25 * x * x, parameter=_other_in_parameter("W"))
def pbwa(a, x):
    """Parabolic cylinder function W(`a`, `x`) and its derivative, for `x` of up to 5; differentiable in both.

    >>> import chainrule as cr
    >>> cr.special.pbwa(1.0, 0.5)[0].round(6)
    np.float64(0.467911)
    """


# --- Mathieu functions ----------------------------------------------------------------------------------------------

DEGREE = math.pi / 180


@special(None, lambda m, q: mathieu_slope(m, q, odd=False, order=1), whole=1)
def mathieu_a(m, q):
    """Characteristic value of the even Mathieu function of order `m`.

    >>> import chainrule as cr
    >>> cr.special.mathieu_a(1, 0.5).round(6)
    np.float64(1.466767)
    """


@special(None, lambda m, q: mathieu_slope(m, q, odd=True, order=1), whole=1)
def mathieu_b(m, q):
    """Characteristic value of the odd Mathieu function of order `m`.

    >>> import chainrule as cr
    >>> cr.special.mathieu_b(1, 0.5).round(6)
    np.float64(0.470654)
    """


def _angular(value):
    return lambda m, q, x: 2 * q * cos((2 * DEGREE) * x) - value(m, q)


def _angular_in_x(m, q, x, odd, order, part):
    """By Mathieu's equation, differentiated so often in q."""
    if part == 0:
        return DEGREE * angular_slope(m, q, x, odd=odd, order=order, part=1)
    wave = 2 * cos((2 * DEGREE) * x)
    total = 0.0
    for j in range(order + 1):
        value = (mathieu_b if odd else mathieu_a)(m, q) if j == 0 else mathieu_slope(m, q, odd=odd, order=j)
        curvature = (wave * q if j == 0 else wave if j == 1 else 0.0) - value
        total = total + math.comb(order, j) * curvature * angular_slope(m, q, x, odd=odd, order=order - j, part=0)
    return DEGREE * total


@numeric(
    Unknown(_NO_FORMULA),
    lambda m, q, x, odd, order, part: angular_slope(m, q, x, odd=odd, order=order + 1, part=part),
    _angular_in_x,
    whole=1,
)
def angular_slope(m, q, x, *, odd, order, part):
    """A Mathieu function or its slope per radian, differentiated so often in q."""
    return mathieu_angular(m, q, x, odd, order, part)


def _angular_in_q(odd):
    return lambda m, q, x, part: angular_slope(m, q, x, odd=odd, order=1, part=part)


def _radial(value):
    return lambda m, q, x: value(m, q) - 2 * q * cosh(2 * x)


@solution(_angular(mathieu_a), rate=DEGREE, parameter=_angular_in_q(odd=False))
def mathieu_cem(m, q, x):
    """Even Mathieu function of order `m` at `x` degrees, and its derivative per radian; differentiable in `q` and `x`.

    >>> import chainrule as cr
    >>> cr.special.mathieu_cem(1, 0.5, 30.0)[0].round(6)
    np.float64(0.86291)
    """


@solution(_angular(mathieu_b), rate=DEGREE, parameter=_angular_in_q(odd=True))
def mathieu_sem(m, q, x):
    """Odd Mathieu function of order `m` at `x` degrees, and its derivative per radian; differentiable in `q` and `x`.

    >>> import chainrule as cr
    >>> cr.special.mathieu_sem(1, 0.5, 30.0)[0].round(6)
    np.float64(0.441154)
    """


@solution(_radial(mathieu_a))
def mathieu_modcem1(m, q, x):
    """Even modified Mathieu function of the first kind and its derivative; differentiable in `x`.

    >>> import chainrule as cr
    >>> cr.special.mathieu_modcem1(1, 0.5, 0.3)[0].round(6)
    np.float64(0.597593)
    """


@solution(_radial(mathieu_a))
def mathieu_modcem2(m, q, x):
    """Even modified Mathieu function of the second kind and its derivative; differentiable in `x`.

    >>> import chainrule as cr
    >>> cr.special.mathieu_modcem2(1, 0.5, 0.3)[0].round(6)
    np.float64(-0.785198)
    """


@solution(_radial(mathieu_b))
def mathieu_modsem1(m, q, x):
    """Odd modified Mathieu function of the first kind and its derivative; differentiable in `x`.

    >>> import chainrule as cr
    >>> cr.special.mathieu_modsem1(1, 0.5, 0.3)[0].round(6)
    np.float64(0.198394)
    """


@solution(_radial(mathieu_b))
def mathieu_modsem2(m, q, x):
    """Odd modified Mathieu function of the second kind and its derivative; differentiable in `x`.

    >>> import chainrule as cr
    >>> cr.special.mathieu_modsem2(1, 0.5, 0.3)[0].round(6)
    np.float64(-0.80441)
    """
