"""Polynomials as sequences of coefficients, highest power first, in NumPy's names."""

import builtins
import warnings

import numpy as np

from ..core.aval import Aval
from ..core.derivative import Pair
from ..core.lowering import Call
from ..core.primitive import primitive
from ..core.value import dtype_of, ndim_of, shape_of
from ..errors import ShapeError, explain
from .comparison import isclose
from .contraction import matmul, outer
from .elementwise import add, conjugate, imag, real, sqrt, subtract
from .joining import concatenate
from .linalg.eigenvectors import eigvals
from .linalg.least_squares import lstsq
from .linalg.matrices import known
from .linalg.systems import inv
from .reduction import all as all_, cumprod, sum as sum_
from .shaping import as_value, atleast_1d, broadcast_to, cast, expand_dims, flip, pad_zeros, reshape, transpose
from .signal import convolve
from .sorting import sort

# --- the row ------------------------------------------------------------------------------------------------------------


def _horner(p, z):
    """The polynomials with coefficients along the last axis of p, each at all places along the last axis of z."""
    value = p[..., 0:1] + 0 * z
    for k in range(1, shape_of(p)[-1]):
        value = value * z + p[..., k : k + 1]
    return value


def _slopes(p, z):
    n = shape_of(p)[-1] - 1
    return _horner(p[..., :-1] * np.arange(n, 0, -1, dtype=np.zeros((), dtype_of(p)).real.dtype), z)


def _roots_vjp(g, p, out):
    """Moving coefficient k by dc moves a root z by -z**(n - k) dc / p'(z)."""
    weights = -g / conjugate(_slopes(p, out))
    return sum_(expand_dims(weights, -1) * _powers(conjugate(out), shape_of(p)[-1], increasing=False), -2)


@primitive(
    derivative=[Pair(lambda t, p, out: -_horner(t, out) / _slopes(p, out), _roots_vjp)],
    aval=lambda p: Aval((*p.shape[:-1], p.shape[-1] - 1), np.result_type(p.dtype, np.complex64)),
    batch=lambda args, batched, params: _roots(*args),
    lower=Call(),
    name="roots",
)
def _roots(p):
    """Complex roots of polynomials with coefficients along the last axis, the first of which is not zero."""
    n = p.shape[-1] - 1
    companion = np.zeros((*p.shape[:-1], n, n), p.dtype)
    companion[..., np.arange(1, n), np.arange(n - 1)] = 1
    companion[..., :1, :] = (-p[..., 1:] / p[..., :1])[..., None, :]
    return np.linalg.eigvals(companion).astype(np.result_type(p.dtype, np.complex64))


# --- what depends on the numbers: `known` is None under vmap, where there is no single answer -----------------------------


def _without_leading_zeros(p):
    while shape_of(p)[0] > 1 and known(p[0] == 0):
        p = p[1:]
    return p


def _floating(p):
    return p if dtype_of(p).kind in "fc" else cast(p, np.dtype(float))


def _coefficients(name, p):
    p = atleast_1d(as_value(p))
    if ndim_of(p) != 1:
        raise ShapeError(
            explain(
                f"{name}: coefficients must stand along one axis",
                f"found: {shape_of(p)}",
                help="use vmap for several polynomials",
            )
        )
    return p


# --- values, sums and products ------------------------------------------------------------------------------------------


def polyval(p, x):
    """The polynomial with coefficients `p`, highest power first, at `x`, by Horner's scheme.

    >>> import chainrule as cr
    >>> cr.polyval([3.0, 0.0, 1.0], 5.0)
    np.float64(76.0)
    """
    p, x = as_value(p), as_value(x)
    value = 0 * x
    for k in range(shape_of(p)[0]):
        value = value * x + p[k]
    return value


def _combined(name, operation, a1, a2):
    a1, a2 = _coefficients(name, a1), _coefficients(name, a2)
    n = builtins.max(shape_of(a1)[0], shape_of(a2)[0])
    return operation(*(pad_zeros(a, [(n - shape_of(a)[0], 0)]) for a in (a1, a2)))


def polyadd(a1, a2):
    """Coefficients of the sum of two polynomials.

    >>> import chainrule as cr
    >>> cr.polyadd([1.0, 2.0], [9.0, 5.0, 4.0])
    array([9., 6., 6.])
    """
    return _combined("polyadd", add, a1, a2)


def polysub(a1, a2):
    """Coefficients of the difference of two polynomials.

    >>> import chainrule as cr
    >>> cr.polysub([2.0, 10.0], [2.0, 10.0, 4.0])
    array([-2., -8.,  6.])
    """
    return _combined("polysub", subtract, a1, a2)


def polymul(a1, a2):
    """Coefficients of the product of two polynomials, whose leading zeros are dropped.

    >>> import chainrule as cr
    >>> cr.polymul([1.0, 2.0], [1.0, 3.0])
    array([1., 5., 6.])
    """
    return convolve(*(_without_leading_zeros(_coefficients("polymul", a)) for a in (a1, a2)))


def polydiv(u, v):
    """Quotient and remainder of two polynomials, by long division; leading zeros of the remainder are dropped.

    Inside of `vmap` only those are dropped that are zero for all polynomials: what remains is as long as `v` less one.

    >>> import chainrule as cr
    >>> cr.polydiv([3.0, 5.0, 2.0], [2.0, 1.0])
    (array([1.5 , 1.75]), array([0.25]))
    """
    u, v = (_coefficients("polydiv", a) + 0.0 for a in (u, v))
    m, n = shape_of(u)[0] - 1, shape_of(v)[0] - 1
    dtype = np.result_type(dtype_of(u), dtype_of(v))
    rest, scale, quotient = cast(u, dtype), 1.0 / v[0], []
    for k in range(m - n + 1):
        d = scale * rest[k]
        quotient.append(reshape(d, (1,)))
        rest = rest - pad_zeros(d * v, [(k, m - n - k)])
    while shape_of(rest)[0] > 1 and (small := known(isclose(rest[0], 0, rtol=1e-14))) is not False:
        rest = rest[1:] if small else rest[min(len(quotient), m) :]
        if small is None:
            break
    return concatenate(quotient) if quotient else np.zeros(1, dtype), rest


# --- calculus -------------------------------------------------------------------------------------------------------------


def _times(m, name):
    if m < 0:
        raise ValueError(explain(f"{name}: order must not be negative", f"found: {m}", help="give 0 or more"))
    return int(m)


def polyder(p, m=1):
    """Coefficients of the `m`-th derivative of a polynomial.

    >>> import chainrule as cr
    >>> cr.polyder([1.0, 1.0, 1.0, 1.0])
    array([3., 2., 1.])
    """
    p = _coefficients("polyder", p)
    for _ in range(_times(m, "polyder")):
        p = p[:-1] * np.arange(shape_of(p)[0] - 1, 0, -1)
    return p


def polyint(p, m=1, k=None):
    """Coefficients of the `m`-th integral of a polynomial, with constants of integration `k`, a number or one for each time.

    >>> import chainrule as cr
    >>> cr.polyint([1.0, 1.0, 1.0])
    array([0.33333333, 0.5       , 1.        , 0.        ])
    """
    p, m = _coefficients("polyint", p), _times(m, "polyint")
    k = np.zeros(m) if k is None else atleast_1d(as_value(k))
    if shape_of(k)[0] == 1 and m > 1:
        k = broadcast_to(k, (m,))
    if shape_of(k)[0] < m:
        raise ValueError(
            explain(
                "polyint: k must be a scalar or a rank-1 array of length 1 or >m.",
                f"k: {shape_of(k)}    m: {m}",
                help="give one constant for each integration",
            )
        )
    for i in range(m):
        p = concatenate([p / np.arange(shape_of(p)[0], 0, -1), k[i : i + 1]])
    return p


# --- roots ----------------------------------------------------------------------------------------------------------------


def roots(p):
    """Roots of the polynomial with coefficients `p`, found as the eigenvalues of its companion matrix.

    Parameters
    ----------
    p : array with one axis, highest power first; zeros at its ends are dropped, those at the end being roots at 0

    Returns
    -------
    array of as many roots as the degree, complex unless all are real (under vmap always complex)

    Notes
    -----
    A root z moves by -z**(n - k) / p'(z) for each unit of coefficient k, so no derivative exists where roots coincide.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.roots([1.0, -3.0, 2.0])
    array([2., 1.])
    >>> cr.jacfwd(cr.roots)(np.array([1.0, -3.0, 2.0]))
    array([[-4., -2., -1.],
           [ 1.,  1.,  1.]])
    """
    p = as_value(p)
    if ndim_of(p) > 1:
        raise ValueError(explain("Input must be a rank-1 array.", f"found: {shape_of(p)}", help="use vmap for several"))
    p, zeros = _floating(_without_leading_zeros(atleast_1d(p))), 0
    while shape_of(p)[0] > 1 and known(p[-1] == 0):
        p, zeros = p[:-1], zeros + 1
    if shape_of(p)[0] < 2 and (not zeros or known(p[0] == 0)):
        return np.zeros(0)
    z = _roots(p)
    if known(all_(imag(z) == 0)):
        z = real(z)
    return concatenate([z, np.zeros(zeros, dtype_of(z))]) if zeros else z


def poly(seq_of_zeros):
    """Coefficients of the polynomial with leading coefficient 1 and these roots.

    Parameters
    ----------
    seq_of_zeros : array with one axis, or a square matrix, whose eigenvalues are the roots: its characteristic polynomial. If
        complex roots come in conjugate pairs the result is real.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.poly([1.0, 2.0])
    array([ 1., -3.,  2.])
    """
    z = _floating(atleast_1d(as_value(seq_of_zeros)))
    in_pairs = False
    if ndim_of(z) == 2 and shape_of(z)[0] == shape_of(z)[1] > 0:
        in_pairs = dtype_of(z).kind == "f"
        z = eigvals(z)
    if ndim_of(z) != 1:
        raise ValueError(
            explain(
                "input must be 1d or non-empty square 2d array.",
                f"found: {shape_of(z)}",
                help="flatten it, if it holds roots",
            )
        )
    if shape_of(z)[0] == 0:
        return 1.0
    p = np.ones(1, dtype_of(z))
    for k in range(shape_of(z)[0]):
        p = convolve(p, concatenate([np.ones(1, dtype_of(z)), -z[k : k + 1]]))
    if dtype_of(z).kind == "c" and (in_pairs or known(all_(sort(z) == sort(conjugate(z))))):
        p = real(p)
    return p


# --- matrices of powers -----------------------------------------------------------------------------------------------------


def _powers(x, n, increasing):
    """1, x, ..., x**(n - 1) along a new last axis, or in the opposite order."""
    x = expand_dims(x, -1)
    factors = concatenate([np.ones((*shape_of(x)[:-1], builtins.min(n, 1)), dtype_of(x)), *[x] * (n - 1)], -1)
    powers = cumprod(factors, -1)
    return powers if increasing else flip(powers, -1)


def vander(x, N=None, increasing=False):
    """Matrix of the powers of `x`: column j holds `x**(N - 1 - j)`, or `x**j` if `increasing`.

    >>> import chainrule as cr
    >>> cr.vander([1.0, 2.0, 3.0])
    array([[1., 1., 1.],
           [4., 2., 1.],
           [9., 3., 1.]])
    """
    x = as_value(x)
    if ndim_of(x) != 1:
        raise ValueError(
            explain("x must be a one-dimensional array or sequence.", f"found: {shape_of(x)}", help="use vmap for stacks")
        )
    n = shape_of(x)[0] if N is None else int(N)
    return _powers(cast(x, np.promote_types(dtype_of(x), int)), n, increasing)


def polyfit(x, y, deg, rcond=None, full=False, w=None, cov=False):
    """Coefficients of the polynomial of degree `deg` that fits `y` at `x` with the least squared error.

    Parameters
    ----------
    x : array of shape (n,)
    y : array of shape (n,) or (n, k), the latter for k fits at once
    deg : int
    rcond : relative size of singular values that count as 0; default n times the machine precision
    full : give also residuals, rank, singular values and `rcond`
    w : array of shape (n,), by which errors are multiplied before they are squared
    cov : give also the covariance matrix of the coefficients, scaled by the residuals unless it is "unscaled"

    Returns
    -------
    coefficients : array of shape (deg + 1,) or (deg + 1, k), highest power first; with `full` or `cov` the first of a tuple

    Raises
    ------
    TypeError, ValueError
        As in NumPy: empty or misshaped data, a negative degree, too few points for a scaled covariance.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.polyfit([0.0, 1.0, 2.0], [1.0, 3.0, 5.0], 1).round(6)
    array([2., 1.])
    """
    x, y = as_value(x) + 0.0, as_value(y) + 0.0
    order = int(deg) + 1
    _check_fit(x, y, deg, w)
    rcond = shape_of(x)[0] * np.finfo(dtype_of(x)).eps if rcond is None else rcond
    left, right = vander(x, order), y
    if w is not None:
        w = as_value(w) + 0.0
        left = left * expand_dims(w, 1)
        right = right * (expand_dims(w, 1) if ndim_of(y) == 2 else w)
    # Columns of one size make the problem better conditioned.
    scale = sqrt(sum_(left * left, 0))
    left = left / scale
    c, residuals, rank, s = lstsq(left, right, rcond)
    c = c / (expand_dims(scale, 1) if ndim_of(y) == 2 else scale)
    if full:
        return c, residuals, rank, s, rcond
    if known(rank != order):
        warnings.warn("Polyfit may be poorly conditioned", np.exceptions.RankWarning, stacklevel=2)
    if not cov:
        return c
    spread = inv(matmul(transpose(left), left)) / outer(scale, scale)
    spread = expand_dims(spread, 2) if ndim_of(y) == 2 else spread
    if isinstance(cov, str) and cov == "unscaled":
        return c, spread
    if shape_of(x)[0] <= order:
        raise ValueError(
            explain(
                "the number of data points must exceed order to scale the covariance matrix",
                f"polyfit: {shape_of(x)[0]} points, {order} coefficients",
                help="give more points, or cov='unscaled'",
            )
        )
    return c, spread * (residuals / (shape_of(x)[0] - order))


def _check_fit(x, y, deg, w):
    found = f"polyfit: x: {shape_of(x)}    y: {shape_of(y)}"
    if deg < 0:
        raise ValueError(explain("expected deg >= 0", f"polyfit: deg: {deg}", help="0 fits a constant"))
    if ndim_of(x) != 1 or shape_of(x)[0] == 0:
        raise TypeError(explain("expected non-empty 1D vector for x", found, help="ravel it"))
    if ndim_of(y) not in (1, 2):
        raise TypeError(explain("expected 1D or 2D array for y", found, help="one column for each fit"))
    if shape_of(x)[0] != shape_of(y)[0]:
        raise TypeError(explain("expected x and y to have same length", found, help="one y for each x"))
    if w is not None and shape_of(w) != shape_of(x):
        found = f"{found}    w: {shape_of(w)}"
        raise TypeError(explain("expected w and x to have the same length", found, help="give one weight for each x"))
