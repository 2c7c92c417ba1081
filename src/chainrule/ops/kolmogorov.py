"""The limit distribution of Kolmogorov's statistic and its inverse.

Its survival function is a theta function: one series converges at once for large arguments, its dual for small ones.
"""

import math

import numpy as np

from .special import numeric, special

TERMS = 8
MIDDLE = 0.8


def _large(y, n):
    """Derivatives of the terms 2 (-1)**(k-1) exp(-2 k**2 y**2), by Hermite's polynomials."""
    hermite = np.polynomial.hermite.Hermite.basis(n)
    total = np.zeros_like(y)
    for k in range(1, TERMS):
        c = math.sqrt(2) * k
        total += 2 * (-1.0) ** (k - 1) * (-c) ** n * hermite(c * y) * np.exp(-((c * y) ** 2))
    return total


def _small(y, n):
    """Derivatives of the terms -sqrt(2 pi) u exp(-b u**2), where u = 1 / y, by d/dy = -u**2 d/du."""
    u, total = 1 / y, np.zeros_like(y)
    for k in range(1, TERMS):
        b = ((2 * k - 1) * math.pi) ** 2 / 8
        p = np.polynomial.Polynomial([0.0, -math.sqrt(2 * math.pi)])
        rate, square = np.polynomial.Polynomial([0.0, 2 * b]), np.polynomial.Polynomial([0.0, 0.0, 1.0])
        for _ in range(n):
            p = square * (rate * p - p.deriv())
        total += p(u) * np.exp(-b * u * u)
    return total


@numeric(lambda y, n: kolmogorov_slope(y, n=n + 1))
def kolmogorov_slope(y, *, n):
    """The n-th derivative of kolmogorov, for n > 0."""
    out = np.where(np.isnan(y), y, 0.0)
    low, high = (y > 0.01) & (y < MIDDLE), y >= MIDDLE
    out[low], out[high] = _small(y[low], n), _large(y[high], n)
    return out


@special(lambda y: kolmogorov_slope(y, n=1))
def kolmogorov(y):
    """Probability that Kolmogorov's statistic, times the root of the number of samples, is above `y` in the limit.

    >>> import chainrule as cr
    >>> cr.special.kolmogorov([0.5, 1.0])
    array([0.96394524, 0.26999967])
    """


@special(lambda out: 1 / kolmogorov_slope(out, n=1), singular=True)
def kolmogi(p):
    """The `y` for which `kolmogorov(y)` is `p`.

    >>> import chainrule as cr
    >>> cr.special.kolmogi([0.1, 0.5])
    array([1.22384787, 0.82757356])
    """
