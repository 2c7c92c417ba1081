"""Hypergeometric functions, differentiable in the argument and in their parameters."""

from .elementwise import exp
from .parameter_sums import tricomi_slope, wright_slope
from .parameters import slope_of_four, slope_of_three, slope_of_two
from .special import special


@special(
    lambda v, z: slope_of_two(v, z, name="hyp0f1", orders=(1, 0)),
    lambda v, z: hyp0f1(v + 1, z) / v,
)
def hyp0f1(v, z):
    """Confluent hypergeometric limit function 0F1(; `v`; `z`); `z` may be complex. Differentiable in both.

    >>> import chainrule as cr
    >>> cr.special.hyp0f1(1.5, 0.3)
    np.float64(1.2123486342485066)
    """


@special(
    lambda a, b, z: slope_of_three(a, b, z, name="hyp1f1", orders=(1, 0, 0)),
    lambda a, b, z: slope_of_three(a, b, z, name="hyp1f1", orders=(0, 1, 0)),
    lambda a, b, z: (a / b) * hyp1f1(a + 1, b + 1, z),
)
def hyp1f1(a, b, z):
    """Confluent hypergeometric function 1F1(`a`; `b`; `z`) of Kummer; `z` may be complex. Differentiable in all three.

    >>> import chainrule as cr
    >>> cr.special.hyp1f1(0.5, 1.5, 2.0)
    np.float64(2.3644538928052086)
    """


@special(
    lambda a, b, c, z: slope_of_four(a, b, c, z, name="hyp2f1", orders=(1, 0, 0, 0)),
    lambda a, b, c, z: slope_of_four(a, b, c, z, name="hyp2f1", orders=(0, 1, 0, 0)),
    lambda a, b, c, z: slope_of_four(a, b, c, z, name="hyp2f1", orders=(0, 0, 1, 0)),
    lambda a, b, c, z: (a * b / c) * hyp2f1(a + 1, b + 1, c + 1, z),
)
def hyp2f1(a, b, c, z):
    """Hypergeometric function 2F1(`a`, `b`; `c`; `z`) of Gauss; `z` may be complex. Differentiable in all four.

    >>> import chainrule as cr
    >>> cr.special.hyp2f1(0.5, 1.0, 1.5, 0.4)
    np.float64(1.1787360798319475)
    """


@special(
    lambda a, b, x: tricomi_slope(a, b, x, orders=(1, 0, 0)),
    lambda a, b, x: tricomi_slope(a, b, x, orders=(0, 1, 0)),
    lambda a, b, x: -a * hyperu(a + 1, b + 1, x),
)
def hyperu(a, b, x):
    """Confluent hypergeometric function U(`a`, `b`, `x`) of Tricomi; differentiable in all three for `x` > 0.

    >>> import chainrule as cr
    >>> cr.special.hyperu(0.5, 1.5, 2.0)
    np.float64(0.7071067811865475)
    """


@special(
    lambda a, b, x: wright_slope(a, b, x, orders=(1, 0, 0)),
    lambda a, b, x: wright_slope(a, b, x, orders=(0, 1, 0)),
    lambda a, b, x: wright_bessel(a, a + b, x),
    whole=1,
)
def wright_bessel(a, b, x):
    """Wright's generalised Bessel function: the sum of `x**k / (k! gamma(a k + b))`. Differentiable in all three.

    >>> import chainrule as cr
    >>> cr.special.wright_bessel(1.0, 1.5, 2.0)
    np.float64(3.363028156713394)
    """


@special(
    lambda a, b, x, out: wright_slope(a, b, x, orders=(1, 0, 0)) * exp(-out),
    lambda a, b, x, out: wright_slope(a, b, x, orders=(0, 1, 0)) * exp(-out),
    lambda a, b, x, out: exp(log_wright_bessel(a, a + b, x) - out),
    whole=1,
)
def log_wright_bessel(a, b, x):
    """Logarithm of `wright_bessel`. Differentiable in all three, in `a` and `b` where `wright_bessel` does not overflow.

    >>> import chainrule as cr
    >>> cr.special.log_wright_bessel(1.0, 1.5, 2.0)
    np.float64(1.2128418052218626)
    """
