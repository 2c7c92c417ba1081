"""Matrices that a few numbers determine: Toeplitz, Hankel, circulant, companion and other matrices, and products of blocks.

All but the Hilbert matrix are rearrangements of their arguments, so every derivative comes of itself.
"""

import numpy as np

from ...core.value import dtype_of, ndim_of, shape_of
from ...errors import ShapeError, explain
from ..elementwise import absolute, multiply
from ..indexing import index_set
from ..joining import concatenate
from ..shaping import as_value, atleast_1d, atleast_2d, broadcast_to, cast, expand, reshape
from .matrices import conj, known, masked


def _vectors(x):
    return atleast_1d(as_value(x))


def _together(*xs):
    """Arrays with common leading axes and dtype, to stand one after the other along the last axis."""
    lead = np.broadcast_shapes(*(shape_of(x)[:-1] for x in xs))
    dtype = np.result_type(*(dtype_of(x) for x in xs))
    return [cast(broadcast_to(x, (*lead, shape_of(x)[-1])), dtype) for x in xs]


def _spread(values, places):
    """values[..., places], also where there are none."""
    return values[..., places] if places.size else np.zeros((*shape_of(values)[:-1], *places.shape), dtype_of(values))


def toeplitz(c, r=None):
    """Matrix with constant diagonals: `a[i, j]` is `c[i - j]`, above the main diagonal `r[j - i]`.

    Parameters
    ----------
    c : array of shape (..., m), the first column
    r : array of shape (..., n), the first row, whose first element is not read; by default the conjugate of `c`

    Returns
    -------
    array of shape (..., m, n)

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.toeplitz([1, 2, 3], [1, 4, 5])
    array([[1, 4, 5],
           [2, 1, 4],
           [3, 2, 1]])
    """
    c = _vectors(c)
    c, r = _together(c, conj(c) if r is None else _vectors(r))
    m, n = shape_of(c)[-1], shape_of(r)[-1]
    values = concatenate([c[..., ::-1], r[..., 1:]], -1)
    return _spread(values, m - 1 - np.arange(m)[:, None] + np.arange(n))


def hankel(c, r=None):
    """Matrix with constant antidiagonals: `a[i, j]` is element i + j of `c`, continued by `r[1:]`.

    Parameters
    ----------
    c : array of shape (..., m), the first column
    r : array of shape (..., n), the last row, whose first element is not read; by default zeros, as many as in `c`

    Returns
    -------
    array of shape (..., m, n)

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.hankel([1, 2, 3], [3, 4, 5])
    array([[1, 2, 3],
           [2, 3, 4],
           [3, 4, 5]])
    """
    c = _vectors(c)
    c, r = _together(c, np.zeros(shape_of(c)[-1], dtype_of(c)) if r is None else _vectors(r))
    places = np.arange(shape_of(c)[-1])[:, None] + np.arange(shape_of(r)[-1])
    return _spread(concatenate([c, r[..., 1:]], -1), places)


def circulant(c):
    """Matrix whose columns are `c`, rolled one place further each: an array of shape (..., n, n) for one of shape (..., n).

    >>> import chainrule as cr
    >>> cr.linalg.circulant([1, 2, 3])
    array([[1, 3, 2],
           [2, 1, 3],
           [3, 2, 1]])
    """
    c = _vectors(c)
    i = np.arange(shape_of(c)[-1])
    return _spread(c, (i[:, None] - i) % max(len(i), 1))


def convolution_matrix(a, n, mode="full"):
    """Matrix whose product with a vector of length `n` is its convolution with `a`.

    Parameters
    ----------
    a : array of shape (..., m)
    n : int
    mode : 'full', 'same' or 'valid', as in `numpy.convolve`

    Returns
    -------
    array of shape (..., k, n), where k is m + n - 1, max(m, n) or max(m, n) - min(m, n) + 1

    Raises
    ------
    ValueError
        There is no such mode, `n` is not positive, or `a` is empty.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.convolution_matrix([1, 2], 2)
    array([[1, 0],
           [2, 1],
           [0, 2]])
    """
    a = _vectors(a)
    m = shape_of(a)[-1]
    if n <= 0:
        raise ValueError("n must be a positive integer.")
    if m == 0:
        raise ValueError("len(a) must be at least 1.")
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"'mode' argument must be one of ('full', 'valid', 'same'), not {mode!r}")
    rows = m + n - 1
    if mode != "full":
        cut = min(m, n) - 1
        before, after = (cut // 2, cut - cut // 2) if mode == "same" else (cut, cut)
    else:
        before = after = 0
    places = np.arange(before, rows - after)[:, None] - np.arange(n)
    inside = (places >= 0) & (places < m)
    return masked(a[..., np.where(inside, places, 0)], inside)


def companion(a):
    """Matrix whose eigenvalues are the roots of the polynomial with coefficients `a`, the highest power first.

    Parameters
    ----------
    a : array of shape (..., n + 1)

    Returns
    -------
    array of shape (..., n, n)

    Raises
    ------
    ValueError
        The first coefficient is zero, or there are less than two.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.companion([1.0, -3.0, 2.0])
    array([[ 3., -2.],
           [ 1.,  0.]])
    """
    a = _vectors(a)
    n = shape_of(a)[-1] - 1
    if n < 1:
        raise ValueError("The length of `a` along the last axis must be at least 2.")
    if known((a[..., 0] == 0).any()):
        raise ValueError("The first coefficient(s) of `a` (i.e. elements of `a[..., 0]`) must not be zero.")
    first = expand(-a[..., 1:] / (1.0 * a[..., :1]), (ndim_of(a) - 1,))
    rest = broadcast_to(np.eye(n - 1, n, dtype=dtype_of(first)), (*shape_of(a)[:-1], n - 1, n))
    return concatenate([first, rest], -2)


def fiedler_companion(a):
    """As `companion`, but with five diagonals (Fiedler, A note on companion matrices, 2003).

    >>> import chainrule as cr
    >>> cr.linalg.fiedler_companion([1.0, -6.0, 11.0, -6.0])
    array([[  6., -11.,   1.],
           [  1.,   0.,   0.],
           [  0.,   6.,   0.]])
    """
    a = _vectors(a)
    n = shape_of(a)[-1] - 1
    if n < 1:
        return np.zeros((*shape_of(a)[:-1], 0), dtype_of(a))
    if known((a[..., 0] == 0).any()):
        raise ValueError("Leading coefficient is zero.")
    a = a[..., 1:] / a[..., :1]
    ones = np.zeros((n, n), dtype_of(a))
    ones[range(3, n, 2), range(1, n - 2, 2)] = 1
    ones[range(0, n - 2, 2), range(2, n, 2)] = 1
    out = broadcast_to(ones if n == 1 else index_set(ones, (1, 0), 1), (*shape_of(a)[:-1], n, n))
    out = index_set(out, (..., 0, 0), -a[..., 0])
    if n > 1:
        out = index_set(out, (..., np.arange(0, n - 1, 2), np.arange(1, n, 2)), -a[..., 1::2])
    if n > 2:
        out = index_set(out, (..., np.arange(2, n, 2), np.arange(1, n - 1, 2)), -a[..., 2::2])
    return out


def leslie(f, s):
    """Leslie's matrix of population growth: fecundities `f` in its first row, survival rates `s` below its diagonal.

    >>> import chainrule as cr
    >>> cr.linalg.leslie([0.1, 2.0], [0.2])
    array([[0.1, 2. ],
           [0.2, 0. ]])
    """
    f, s = _vectors(f), _vectors(s)
    n = shape_of(f)[-1]
    if n != shape_of(s)[-1] + 1:
        raise ValueError(
            "Incorrect lengths for f and s. The length of s along the last axis must be one less than the length of f."
        )
    if n < 2:
        raise ValueError("The length of s must be at least 1.")
    padded = concatenate([s, np.zeros((*shape_of(s)[:-1], 1), dtype_of(s))], -1)
    first, below = _together(f, padded)
    diagonal = masked(expand(below, (ndim_of(below) - 1,)), np.eye(n - 1, n, dtype=bool))
    return concatenate([expand(first, (ndim_of(first) - 1,)), diagonal], -2)


def fiedler(a):
    """Matrix of distances `abs(a[i] - a[j])`.

    >>> import chainrule as cr
    >>> cr.linalg.fiedler([1.0, 4.0])
    array([[0., 3.],
           [3., 0.]])
    """
    a = _vectors(a)
    if shape_of(a) == (0,):
        return np.zeros(0)
    return absolute(expand(a, (ndim_of(a),)) - expand(a, (ndim_of(a) - 1,)))


def hilbert(n):
    """Matrix of `1 / (i + j + 1)`, of size `n`.

    >>> import chainrule as cr
    >>> cr.linalg.hilbert(2)
    array([[1.        , 0.5       ],
           [0.5       , 0.33333333]])
    """
    i = np.arange(n)
    return 1.0 / (i[:, None] + i + 1)


def block_diag(*arrs):
    """Matrices along the diagonal of a larger one.

    Parameters
    ----------
    arrs : arrays of shape (..., m, n); those with less than two axes count as one row. Leading axes broadcast.

    Returns
    -------
    array of shape (..., sum of all m, sum of all n)

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.block_diag([[1, 2]], 3)
    array([[1, 2, 0],
           [0, 0, 3]])
    """
    xs = [atleast_2d(as_value(x)) for x in (arrs or ([],))]
    lead = np.broadcast_shapes(*(shape_of(x)[:-2] for x in xs))
    dtype = np.result_type(*(dtype_of(x) for x in xs))
    total, start, rows = sum(shape_of(x)[-1] for x in xs), 0, []
    for x in xs:
        m, n = shape_of(x)[-2:]
        sides = [np.zeros((*lead, m, k), dtype) for k in (start, total - start - n)]
        rows.append(concatenate([sides[0], cast(broadcast_to(x, (*lead, m, n)), dtype), sides[1]], -1))
        start += n
    return concatenate(rows, -2)


def khatri_rao(a, b):
    """Kronecker products of each column of `a` with the same column of `b`.

    Parameters
    ----------
    a : array of shape (..., m, k)
    b : array of shape (..., n, k)

    Returns
    -------
    array of shape (..., m * n, k)

    Raises
    ------
    ShapeError
        The numbers of columns differ, or an argument has less than two axes.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.khatri_rao([[1, 2], [3, 4]], [[1, 10]])
    array([[ 1, 20],
           [ 3, 40]])
    """
    a, b = as_value(a), as_value(b)
    if ndim_of(a) < 2 or ndim_of(b) < 2 or shape_of(a)[-1] != shape_of(b)[-1]:
        raise ShapeError(
            explain(
                "khatri_rao: two matrices with equally many columns are needed",
                f"a: {dtype_of(a)} {shape_of(a)}    b: {dtype_of(b)} {shape_of(b)}",
                help="transpose the one whose rows are meant",
            )
        )
    products = multiply(expand(a, (ndim_of(a) - 1,)), expand(b, (ndim_of(b) - 2,)))
    *lead, m, n, k = shape_of(products)
    return reshape(products, (*lead, m * n, k))
