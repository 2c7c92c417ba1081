"""Distribution functions of statistics and their inverses: gammainc, betainc and their densities in other words.

Functions of counts are constant between whole numbers: their derivative in a count is zero. Counts and parameters that are
found from a probability are real numbers, with the derivatives of the implicit function theorem.
"""

import inspect

import numpy as np

from ..core.value import dtype_of
from .comparison import floor, isinf
from .elementwise import exp, log, log1p, sign, where
from .error_functions import ndtri
from .gamma import betaln
from .incomplete import (
    beta_density,
    betainc,
    betainc_slope,
    betaincc,
    gamma_density,
    gammainc,
    gammainc_in_a,
    gammaincc,
    gammainccinv,
    gammaincinv,
)
from .special import scipy_special, special, together_as_floats, with_names


def inverse(at, *slopes):
    """Row builder: argument `at` is the probability F(...), in whose place the result stands among the arguments of F.

    `slopes` are the derivatives of F in each of its arguments: functions of them all.
    """

    def define(fn):
        names = list(inspect.signature(fn).parameters)

        def rule(i):
            def partial(*xs):
                return (1 if i == at else -slopes[i](*xs)) / slopes[at](*xs)

            return with_names(partial, [*names[:at], "out", *names[at + 1 :]])

        return special(*map(rule, range(len(names))), singular=True)(fn)

    return define


# --- chi-squared, gamma ---------------------------------------------------------------------------------------------


def chdtr(v, x):
    """Distribution function at `x` of the chi-squared distribution with `v` degrees of freedom.

    >>> import chainrule as cr
    >>> cr.special.chdtr(3.0, 2.0)
    np.float64(0.42759329552912023)
    """
    v, x = together_as_floats(v, x)
    return gammainc(0.5 * v, 0.5 * x)


def chdtrc(v, x):
    """`1 - chdtr(v, x)`, accurate for large `x`.

    >>> import chainrule as cr
    >>> cr.special.chdtrc(3.0, 200.0)
    np.float64(4.218541107192018e-43)
    """
    v, x = together_as_floats(v, x)
    return gammaincc(0.5 * v, 0.5 * x)


def chdtri(v, p):
    """The `x` for which `chdtrc(v, x)` is `p`.

    >>> import chainrule as cr
    >>> cr.special.chdtri(3.0, 0.05)
    np.float64(7.814727903251178)
    """
    v, p = together_as_floats(v, p)
    return 2 * gammainccinv(0.5 * v, p)


@inverse(
    0,
    lambda v, x: 0.5 * gammainc_in_a(0.5 * v, 0.5 * x, n=1),
    lambda v, x: 0.5 * gamma_density(0.5 * v, 0.5 * x),
)
def chdtriv(p, x):
    """The `v` for which `chdtr(v, x)` is `p`.

    >>> import chainrule as cr
    >>> cr.special.chdtriv(0.5, 2.0).round(6)
    np.float64(2.6285)
    """


def gdtr(a, b, x):
    """Distribution function at `x` of the gamma distribution with rate `a` and shape `b`.

    >>> import chainrule as cr
    >>> cr.special.gdtr(2.0, 3.0, 1.0)
    np.float64(0.32332358381693654)
    """
    a, b, x = together_as_floats(a, b, x)
    return where(x < 0, np.nan, gammainc(b, a * x))


def gdtrc(a, b, x):
    """`1 - gdtr(a, b, x)`, accurate for large `x`.

    >>> import chainrule as cr
    >>> cr.special.gdtrc(2.0, 3.0, 100.0)
    np.float64(2.7956093736608924e-83)
    """
    a, b, x = together_as_floats(a, b, x)
    return where(x < 0, np.nan, gammaincc(b, a * x))


def gdtrix(a, b, p):
    """The `x` for which `gdtr(a, b, x)` is `p`.

    >>> import chainrule as cr
    >>> cr.special.gdtrix(2.0, 3.0, 0.5)
    np.float64(1.3370301568617795)
    """
    a, b, p = together_as_floats(a, b, p)
    return gammaincinv(b, p) / a


def gdtria(p, b, x):
    """The `a` for which `gdtr(a, b, x)` is `p`.

    >>> import chainrule as cr
    >>> cr.special.gdtria(0.5, 3.0, 1.0).round(6)
    np.float64(2.67406)
    """
    p, b, x = together_as_floats(p, b, x)
    return gammaincinv(b, p) / x


@inverse(
    1,
    lambda a, b, x: x * gamma_density(b, a * x),
    lambda a, b, x: gammainc_in_a(b, a * x, n=1),
    lambda a, b, x: a * gamma_density(b, a * x),
)
def gdtrib(a, p, x):
    """The `b` for which `gdtr(a, b, x)` is `p`.

    >>> import chainrule as cr
    >>> cr.special.gdtrib(2.0, 0.5, 1.0).round(6)
    np.float64(2.323489)
    """


# --- counts: binomial, negative binomial, Poisson -------------------------------------------------------------------


def _of_trials(name):
    """SciPy's function, which warns of numbers of trials that are not integers of 64 bits."""
    function = scipy_special(name)
    return lambda k, n, p: function(k, np.asarray(n, int) if dtype_of(n).kind in "iu" else n, p)


def _binomial(k, n, p):
    k = floor(k)
    return beta_density(k + 1, n - k, p)


@special(None, None, lambda k, n, p: -_binomial(k, n, p), by=_of_trials("bdtr"), whole=2)
def bdtr(k, n, p):
    """Probability of up to `k` successes in `n` trials of probability `p`.

    >>> import chainrule as cr
    >>> cr.special.bdtr(2, 5, 0.4)
    np.float64(0.6825599999999997)
    """


@special(None, None, lambda k, n, p: _binomial(k, n, p), by=_of_trials("bdtrc"), whole=2)
def bdtrc(k, n, p):
    """Probability of more than `k` successes in `n` trials of probability `p`.

    >>> import chainrule as cr
    >>> cr.special.bdtrc(2, 5, 0.4)
    np.float64(0.3174400000000003)
    """


@special(None, None, lambda k, n, out: -1 / _binomial(k, n, out), singular=True, by=_of_trials("bdtri"), whole=2)
def bdtri(k, n, y):
    """The `p` for which `bdtr(k, n, p)` is `y`.

    >>> import chainrule as cr
    >>> cr.special.bdtri(2, 5, 0.5)
    np.float64(0.5)
    """


@special(None, None, lambda k, n, p: beta_density(n, floor(k) + 1, p), whole=2)
def nbdtr(k, n, p):
    """Probability of up to `k` failures before the `n`-th success, of probability `p`.

    >>> import chainrule as cr
    >>> cr.special.nbdtr(2, 5, 0.4)
    np.float64(0.09625599999999998)
    """


@special(None, None, lambda k, n, p: -beta_density(n, floor(k) + 1, p), whole=2)
def nbdtrc(k, n, p):
    """Probability of more than `k` failures before the `n`-th success, of probability `p`.

    >>> import chainrule as cr
    >>> cr.special.nbdtrc(2, 5, 0.4)
    np.float64(0.903744)
    """


@special(None, None, lambda k, n, out: 1 / beta_density(n, floor(k) + 1, out), singular=True, whole=2)
def nbdtri(k, n, y):
    """The `p` for which `nbdtr(k, n, p)` is `y`.

    >>> import chainrule as cr
    >>> cr.special.nbdtri(2, 5, 0.5)
    np.float64(0.6358839135519172)
    """


@special(None, lambda k, m: -gamma_density(floor(k) + 1, m), whole=1)
def pdtr(k, m):
    """Probability of up to `k` events of a Poisson process that has `m` on average.

    >>> import chainrule as cr
    >>> cr.special.pdtr(2, 3.0)
    np.float64(0.42319008112684364)
    """


@special(None, lambda k, m: gamma_density(floor(k) + 1, m), whole=1)
def pdtrc(k, m):
    """Probability of more than `k` events of a Poisson process that has `m` on average.

    >>> import chainrule as cr
    >>> cr.special.pdtrc(2, 3.0)
    np.float64(0.5768099188731566)
    """


@special(None, lambda k, out: -1 / gamma_density(floor(k) + 1, out), singular=True, whole=1)
def pdtri(k, y):
    """The `m` for which `pdtr(k, m)` is `y`.

    >>> import chainrule as cr
    >>> cr.special.pdtri(2, 0.5)
    np.float64(2.674060313723559)
    """


# --- Fisher's F -----------------------------------------------------------------------------------------------------


def _fisher(dfn, dfd, x, lower, upper, end):
    """The lower or upper half by the smaller share, of dfn x or of dfd, so that nothing is lost near 1; `end` at infinity."""
    outside = (dfn <= 0) | (dfd <= 0) | (x < 0) | ((isinf(dfn) | isinf(dfd)) & (x < np.inf))
    a, b = 0.5 * dfn, 0.5 * dfd
    total = dfd + dfn * x
    high = dfn * x > dfd
    share = where(high, dfd, dfn * x) / total
    inside = where(high, upper(b, a, where(high, share, 0.5)), lower(a, b, where(high, 0.5, share)))
    return where(outside, np.nan, where((dfn > 0) & (dfd > 0) & (x == np.inf), end, inside))


def fdtr(dfn, dfd, x):
    """Distribution function at `x` of Fisher's F distribution with `dfn` and `dfd` degrees of freedom.

    >>> import chainrule as cr
    >>> cr.special.fdtr(3.0, 5.0, 1.5)
    np.float64(0.6778346286938095)
    """
    dfn, dfd, x = together_as_floats(dfn, dfd, x)
    return _fisher(dfn, dfd, x, betainc, betaincc, 1.0)


def fdtrc(dfn, dfd, x):
    """`1 - fdtr(dfn, dfd, x)`, accurate for large `x`.

    >>> import chainrule as cr
    >>> cr.special.fdtrc(3.0, 5.0, 1e6)
    np.float64(7.30549936369487e-15)
    """
    dfn, dfd, x = together_as_floats(dfn, dfd, x)
    return _fisher(dfn, dfd, x, betaincc, betainc, 0.0)


def _share(dfn, dfd, x):
    return dfn * x / (dfd + dfn * x)


def _fisher_density(dfn, dfd, x):
    """The slope of betainc at the share, over the square of what the share is one of."""
    return beta_density(0.5 * dfn, 0.5 * dfd, _share(dfn, dfd, x)) / (dfd + dfn * x) ** 2


FISHER = (
    lambda dfn, dfd, x: (
        0.5 * betainc_slope(0.5 * dfn, 0.5 * dfd, _share(dfn, dfd, x), m=1, n=0) + _fisher_density(dfn, dfd, x) * dfd * x
    ),
    lambda dfn, dfd, x: (
        0.5 * betainc_slope(0.5 * dfn, 0.5 * dfd, _share(dfn, dfd, x), m=0, n=1) - _fisher_density(dfn, dfd, x) * dfn * x
    ),
    lambda dfn, dfd, x: _fisher_density(dfn, dfd, x) * dfn * dfd,
)


@inverse(2, *FISHER)
def fdtri(dfn, dfd, p):
    """The `x` for which `fdtr(dfn, dfd, x)` is `p`.

    >>> import chainrule as cr
    >>> cr.special.fdtri(3.0, 5.0, 0.5)
    np.float64(0.9071462198190193)
    """


@inverse(1, *FISHER)
def fdtridfd(dfn, p, x):
    """The `dfd` for which `fdtr(dfn, dfd, x)` is `p`.

    >>> import chainrule as cr
    >>> cr.special.fdtridfd(3.0, 0.5, 0.9).round(6)
    np.float64(5.291836)
    """


# --- Student's t ----------------------------------------------------------------------------------------------------


def _student_density(df, t):
    return exp(-betaln(0.5, 0.5 * df) - 0.5 * log(df) - 0.5 * (df + 1) * log1p(t * t / df))


def _student_in_df(df, t):
    """By twice the upper half, the incomplete beta function at either share of t**2 and df, whichever is smaller."""
    square, b = t * t, 0.5 * df
    near = square < df
    share = where(near, square, df) / (df + square)
    inner = betainc_slope(0.5, b, where(near, share, 0.5), m=0, n=1)
    outer = betainc_slope(b, 0.5, where(near, 0.5, share), m=1, n=0)
    return 0.25 * sign(t) * where(near, inner, -outer) - 0.5 * t * _student_density(df, t) / df


@special(_student_in_df, _student_density)
def stdtr(df, t):
    """Distribution function at `t` of Student's t distribution with `df` degrees of freedom.

    >>> import chainrule as cr
    >>> cr.special.stdtr(3.0, [0.0, 2.0])
    array([0.5       , 0.93033702])
    """


@inverse(1, _student_in_df, _student_density)
def stdtrit(df, p):
    """The `t` for which `stdtr(df, t)` is `p`.

    >>> import chainrule as cr
    >>> cr.special.stdtrit(3.0, [0.5, 0.95])
    array([0.        , 2.35336343])
    """


@inverse(0, _student_in_df, _student_density)
def stdtridf(p, t):
    """The `df` for which `stdtr(df, t)` is `p`.

    >>> import chainrule as cr
    >>> cr.special.stdtridf(0.9, 1.5).round(6)
    np.float64(4.515762)
    """


# --- parameters of the beta distribution, and counts that need not be whole -----------------------------------------

BETA = (
    lambda a, b, x: betainc_slope(a, b, x, m=1, n=0),
    lambda a, b, x: betainc_slope(a, b, x, m=0, n=1),
    lambda a, b, x: beta_density(a, b, x),
)
BINOMIAL = (  # of betaincc(k + 1, n - k, p)
    lambda k, n, p: BETA[1](k + 1, n - k, p) - BETA[0](k + 1, n - k, p),
    lambda k, n, p: -BETA[1](k + 1, n - k, p),
    lambda k, n, p: -beta_density(k + 1, n - k, p),
)
FAILURES = (  # of betainc(n, k + 1, p)
    lambda k, n, p: BETA[1](n, k + 1, p),
    lambda k, n, p: BETA[0](n, k + 1, p),
    lambda k, n, p: beta_density(n, k + 1, p),
)


@inverse(0, *BETA)
def btdtria(p, b, x):
    """The `a` for which `betainc(a, b, x)` is `p`.

    >>> import chainrule as cr
    >>> cr.special.btdtria(0.5, 2.0, 0.3).round(6)
    np.float64(1.024931)
    """


@inverse(1, *BETA)
def btdtrib(a, p, x):
    """The `b` for which `betainc(a, b, x)` is `p`.

    >>> import chainrule as cr
    >>> cr.special.btdtrib(2.0, 0.5, 0.3).round(6)
    np.float64(4.246702)
    """


@inverse(0, *BINOMIAL)
def bdtrik(y, n, p):
    """The real `k` for which `bdtr(k, n, p)`, continued between whole numbers as `betaincc(k + 1, n - k, p)`, is `y`.

    >>> import chainrule as cr
    >>> cr.special.bdtrik(0.5, 7.0, 0.3).round(6)
    np.float64(1.527693)
    """


@inverse(1, *BINOMIAL)
def bdtrin(k, y, p):
    """The real `n` for which `bdtr(k, n, p)`, continued as for `bdtrik`, is `y`.

    >>> import chainrule as cr
    >>> cr.special.bdtrin(2.0, 0.5, 0.3).round(6)
    np.float64(8.571098)
    """


@inverse(0, *FAILURES)
def nbdtrik(y, n, p):
    """The real `k` for which `nbdtr(k, n, p)`, continued between whole numbers as `betainc(n, k + 1, p)`, is `y`.

    >>> import chainrule as cr
    >>> cr.special.nbdtrik(0.5, 3.0, 0.3).round(6)
    np.float64(5.571098)
    """


@inverse(1, *FAILURES)
def nbdtrin(k, y, p):
    """The real `n` for which `nbdtr(k, n, p)` is `y`.

    >>> import chainrule as cr
    >>> cr.special.nbdtrin(2.0, 0.5, 0.3).round(6)
    np.float64(1.461151)
    """


@inverse(0, lambda k, m: -gammainc_in_a(k + 1, m, n=1), lambda k, m: -gamma_density(k + 1, m))
def pdtrik(p, m):
    """The real `k` for which `pdtr(k, m)`, continued between whole numbers as `gammaincc(k + 1, m)`, is `p`.

    >>> import chainrule as cr
    >>> cr.special.pdtrik(0.5, 2.5).round(6)
    np.float64(1.82543)
    """


# --- the normal distribution ----------------------------------------------------------------------------------------


def nrdtrimn(p, std, x):
    """The mean of the normal distribution of standard deviation `std` that is below `x` with probability `p`.

    >>> import chainrule as cr
    >>> cr.special.nrdtrimn(0.5, 2.0, 1.0)
    np.float64(1.0)
    """
    p, std, x = together_as_floats(p, std, x)
    return x - std * ndtri(p)


def nrdtrisd(mn, p, x):
    """The standard deviation of the normal distribution of mean `mn` that is below `x` with probability `p`.

    >>> import chainrule as cr
    >>> cr.special.nrdtrisd(0.0, 0.9, 1.0).round(6)
    np.float64(0.780304)
    """
    mn, p, x = together_as_floats(mn, p, x)
    return (x - mn) / ndtri(p)
