"""The non-central chi-squared distribution and its inverses.

It is a mixture of central ones, with the weights of a Poisson variable j of mean nc / 2: sums of positive terms, taken from
where they begin to count to where they no longer do.
"""

import numpy as np

from .distributions import inverse
from .incomplete import _gamma_density, _gamma_density_in_a, _gammainc_in_a
from .special import numeric, special

REACH, MORE = 9.0, 12.0  # standard deviations, and terms beyond, after which nothing is left


def _mixture(x, df, nc, n, term, up_to_mean):
    """The sum of weights times term(df / 2 + j, x / 2, n), halved n times for the derivatives in df."""
    a, y, mean = 0.5 * df, 0.5 * x, 0.5 * nc
    peak = 0.5 * (np.hypot(a - 1, 2 * np.sqrt(mean * y)) - (a - 1))  # of the weights times a density at y
    low, high = (np.minimum(peak, mean), np.maximum(peak, mean)) if up_to_mean else (peak, peak)
    first = np.floor(np.maximum(low - REACH * np.sqrt(low) - MORE, 0))
    count = np.nan_to_num(np.max(high + REACH * np.sqrt(high) + MORE - first, initial=0), posinf=0)
    grid = np.broadcast_arrays(first + np.arange(count + 1)[:, None], a, y, mean)
    j, a, y, mean = (v.ravel() for v in grid)
    total = (_gamma_density(j + 1, mean) * term(a + j, y, n)).reshape(grid[0].shape).sum(0)
    valid = (x > 0) & (df > -2) & (nc >= 0)
    return np.where(valid, 0.5**n * total, np.where((x <= 0) & ~np.isnan(df + nc), 0.0, np.nan))


@numeric(
    lambda x, df, nc, n: 0.5 * (noncentral_density(x, df - 2, nc, n=n) - noncentral_density(x, df, nc, n=n)),
    lambda x, df, nc, n: noncentral_density(x, df, nc, n=n + 1),
    lambda x, df, nc, n: 0.5 * (noncentral_density(x, df + 2, nc, n=n) - noncentral_density(x, df, nc, n=n)),
)
def noncentral_density(x, df, nc, *, n):
    """Density of the non-central chi-squared distribution, differentiated n times in the degrees of freedom."""
    return 0.5 * _mixture(x, df, nc, n, _gamma_density_in_a, up_to_mean=False)


@numeric(
    lambda x, df, nc, n: noncentral_density(x, df, nc, n=n),
    lambda x, df, nc, n: noncentral_slope(x, df, nc, n=n + 1),
    lambda x, df, nc, n: -noncentral_density(x, df + 2, nc, n=n),
)
def noncentral_slope(x, df, nc, *, n):
    """The n-th derivative of chndtr in the degrees of freedom, for n > 0."""
    return _mixture(x, df, nc, n, _gammainc_in_a, up_to_mean=True)


SLOPES = (
    lambda x, df, nc: noncentral_density(x, df, nc, n=0),
    lambda x, df, nc: noncentral_slope(x, df, nc, n=1),
    lambda x, df, nc: -noncentral_density(x, df + 2, nc, n=0),
)


@special(*SLOPES)
def chndtr(x, df, nc):
    """Distribution function at `x` of the chi-squared distribution with `df` degrees of freedom and non-centrality `nc`.

    Differentiable in all three.

    >>> import chainrule as cr
    >>> cr.special.chndtr(4.0, 3.0, 2.0).round(9)
    np.float64(0.483881358)
    """


@inverse(0, *SLOPES)
def chndtrix(p, df, nc):
    """The `x` for which `chndtr(x, df, nc)` is `p`.

    >>> import chainrule as cr
    >>> cr.special.chndtrix(0.5, 3.0, 2.0).round(6)
    np.float64(4.137515)
    """


@inverse(1, *SLOPES)
def chndtridf(x, p, nc):
    """The `df` for which `chndtr(x, df, nc)` is `p`.

    >>> import chainrule as cr
    >>> cr.special.chndtridf(4.0, 0.5, 2.0).round(6)
    np.float64(2.867251)
    """


@inverse(2, *SLOPES)
def chndtrinc(x, df, p):
    """The `nc` for which `chndtr(x, df, nc)` is `p`.

    >>> import chainrule as cr
    >>> cr.special.chndtrinc(4.0, 3.0, 0.4).round(6)
    np.float64(2.823014)
    """
