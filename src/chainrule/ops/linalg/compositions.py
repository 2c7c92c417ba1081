"""What scipy.linalg composes of decompositions: eigenvalues of banded matrices, RQ, Hermitian pseudo-inverses, complex Schur
forms of real ones; and questions about symmetry."""

import numpy as np

from ...core.value import Value, dtype_of, ndim_of, shape_of
from ...errors import UnsupportedError, explain
from ..elementwise import absolute
from ..indexing import index_set
from ..shaping import as_value, cast, flip
from .factorizations import qr
from .least_squares import pinv
from .matrices import adjoint, linalg_dtype, matrices, product, square_matrix
from .schur import schur
from .spectral import eigh, eigvalsh
from .stacks import scipy_linalg


def _chosen(w, v, select, select_range):
    """The eigenvalues, and vectors where there are any, that SciPy's `select` asks for."""
    if select in ("a", "all", 0):
        return w, v
    if select in ("i", "index", 2):
        low, high = select_range
        if not 0 <= low <= high < shape_of(w)[-1]:
            raise ValueError("select_range out of bounds")
        return w[..., low : high + 1], None if v is None else v[..., low : high + 1]
    if select in ("v", "value", 1):
        if isinstance(w, Value):
            raise UnsupportedError(
                explain(
                    "select='v' of a Tensor: how many eigenvalues lie in an interval depends on the values",
                    help="use select='i', which counts them, or index the result with a mask",
                )
            )
        here = (w > select_range[0]) & (w <= select_range[1])
        return w[here], None if v is None else v[:, here]
    raise ValueError(f"invalid argument for select: {select!r}")


def _full_of_bands(a_band, lower):
    """The lower triangle of the Hermitian matrix whose bands, as LAPACK keeps them, these are."""
    bands = as_value(a_band)
    bands = cast(bands, linalg_dtype(dtype_of(bands)))
    if ndim_of(bands) != 2:
        raise ValueError("expected a two-dimensional array of bands")
    count, n = shape_of(bands)
    full = np.zeros((n, n), dtype_of(bands))
    for k in range(min(count, n)):
        i = np.arange(n - k)
        part = bands[k, : n - k] if lower else bands[count - 1 - k, k:]
        part = part if lower or dtype_of(bands).kind != "c" else np.conjugate(part)
        full = index_set(full, (i + k, i), part)
    return full


def eig_banded(
    a_band,
    lower=False,
    eigvals_only=False,
    overwrite_a_band=False,
    select="a",
    select_range=None,
    max_ev=0,
    check_finite=True,
):
    """Eigenvalues, ascending, and eigenvectors of a Hermitian matrix given by its bands.

    Parameters
    ----------
    a_band : array of shape (u + 1, n): the diagonal and u bands above it, `a[i, j]` at `[u + i - j, j]`; or, if `lower`, below
        it, `a[i, j]` at `[i - j, j]`
    eigvals_only : give the eigenvalues alone
    select, select_range : 'a' for all; 'i' for those of the positions (first, last); 'v' for those in an interval, of plain
        arrays only
    overwrite_a_band, max_ev, check_finite : accepted for SciPy's sake

    Returns
    -------
    eigenvalues, and without `eigvals_only` eigenvectors, the columns

    Notes
    -----
    Computed as a full matrix, by `eigh`.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.eig_banded([[2.0, 2.0], [1.0, 0.0]], lower=True, eigvals_only=True)
    array([1., 3.])
    """
    full = _full_of_bands(a_band, lower)
    w, v = (eigvalsh(full), None) if eigvals_only else eigh(full)
    w, v = _chosen(w, v, select, select_range)
    return w if eigvals_only else (w, v)


def eigvals_banded(a_band, lower=False, overwrite_a_band=False, select="a", select_range=None, check_finite=True):
    """Eigenvalues of a Hermitian matrix given by its bands: `eig_banded` with `eigvals_only`.

    >>> import chainrule as cr
    >>> cr.linalg.eigvals_banded([[0.0, 1.0], [2.0, 2.0]])
    array([1., 3.])
    """
    return eig_banded(a_band, lower, True, select=select, select_range=select_range)


def eigh_tridiagonal(d, e, eigvals_only=False, select="a", select_range=None, check_finite=True, tol=0.0, lapack_driver="auto"):
    """Eigenvalues, ascending, and eigenvectors of a real symmetric tridiagonal matrix.

    Parameters
    ----------
    d : array of shape (n,), the diagonal
    e : array of shape (n - 1,), the elements beside it
    eigvals_only, select, select_range : as in `eig_banded`
    check_finite, tol, lapack_driver : accepted for SciPy's sake

    Returns
    -------
    eigenvalues, and without `eigvals_only` eigenvectors, the columns

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.eigh_tridiagonal([2.0, 2.0], [1.0], eigvals_only=True)
    array([1., 3.])
    """
    d, e = as_value(d), as_value(e)
    if "c" in (dtype_of(d).kind, dtype_of(e).kind):
        raise TypeError("Only real arrays currently supported: d and e must be real")
    n = shape_of(d)[-1] if ndim_of(d) == 1 else -1
    if n < 0 or shape_of(e) != (max(n - 1, 0),):
        raise ValueError(f"d and e must have shapes (n,) and (n - 1,), found {shape_of(d)} and {shape_of(e)}")
    dtype = linalg_dtype(dtype_of(d), dtype_of(e))
    i = np.arange(n)
    full = index_set(index_set(np.zeros((n, n), dtype), (i, i), cast(d, dtype)), (i[1:], i[:-1]), cast(e, dtype))
    w, v = (eigvalsh(full), None) if eigvals_only else eigh(full)
    w, v = _chosen(w, v, select, select_range)
    return w if eigvals_only else (w, v)


def eigvalsh_tridiagonal(d, e, select="a", select_range=None, check_finite=True, tol=0.0, lapack_driver="auto"):
    """Eigenvalues of a real symmetric tridiagonal matrix: `eigh_tridiagonal` with `eigvals_only`.

    >>> import chainrule as cr
    >>> cr.linalg.eigvalsh_tridiagonal([2.0, 2.0], [1.0])
    array([1., 3.])
    """
    return eigh_tridiagonal(d, e, True, select, select_range)


def rq(a, overwrite_a=False, lwork=None, mode="full", check_finite=True):
    """Factors of `a = r @ q`: `r` is upper triangular, `q` has orthonormal rows.

    Parameters
    ----------
    a : array of shape (..., m, n)
    mode : 'full' (`q` is square), 'economic' (min(m, n) rows), or 'r' (only `r`)
    overwrite_a, lwork, check_finite : accepted for SciPy's sake

    Returns
    -------
    r of shape (..., m, n) and q of shape (..., n, n), or with k = min(m, n) of shapes (..., m, k) and (..., k, n)

    Notes
    -----
    This is `qr` of the matrix turned by half a turn and transposed; see there for derivatives.

    Examples
    --------
    >>> import chainrule as cr
    >>> r, q = cr.linalg.rq([[3.0, 1.0], [4.0, 2.0]])
    >>> np.allclose(r @ q, [[3, 1], [4, 2]]), abs(r[1, 0]) < 1e-15
    (True, np.True_)
    """
    (a,) = matrices("rq", a)
    if mode not in ("full", "economic", "r"):
        raise ValueError("Mode argument should be one of ['full', 'r', 'economic']")
    q, r = qr(adjoint(flip(a, -2)), "reduced" if mode == "economic" else "complete")
    r = flip(adjoint(r), (-2, -1))
    return r if mode == "r" else (r, flip(adjoint(q), -2))


def pinvh(a, atol=None, rtol=None, lower=True, return_rank=False, check_finite=True):
    """Moore-Penrose pseudo-inverse of Hermitian matrices, of which one triangle is read.

    Parameters
    ----------
    a : array of shape (..., n, n)
    rtol : eigenvalues that are at most this times the largest count as 0; default n times the machine precision
    lower : which triangle is read
    atol, return_rank : as in SciPy; not supported for Tensors
    check_finite : accepted for SciPy's sake

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.pinvh([[2.0, 0.0], [0.0, 0.0]])
    array([[0.5, 0. ],
           [0. , 0. ]])
    """
    a = square_matrix("pinvh", a)
    if atol is not None or return_rank:
        if isinstance(a, Value):
            raise UnsupportedError(
                explain("pinvh: atol and return_rank of a Tensor", help="use rtol, and matrix_rank for the rank")
            )
        return scipy_linalg("pinvh")(a, atol=atol, rtol=rtol, lower=lower, return_rank=return_rank)
    n, eps = shape_of(a)[-1], np.finfo(dtype_of(a)).eps
    return pinv(a if lower else adjoint(a), n * eps if rtol is None else rtol, hermitian=True)


def rsf2csf(T, Z, check_finite=True):
    """The complex Schur form of what has the real Schur form `T` with the basis `Z`: `(T, Z)` with a triangular `T`.

    >>> import chainrule as cr
    >>> t, z = cr.linalg.rsf2csf(*cr.linalg.schur([[0.0, 1.0], [-1.0, 0.0]]))
    >>> np.allclose(z @ t @ z.conj().T, [[0, 1], [-1, 0]]), abs(t[1, 0]) < 1e-12
    (True, np.True_)
    """
    T, Z = square_matrix("rsf2csf", T), square_matrix("rsf2csf", Z)
    if shape_of(T)[-2:] != shape_of(Z)[-2:]:
        raise ValueError(f"Input array shapes must match: Z: {shape_of(Z)} vs. T: {shape_of(T)}")
    t, turn = schur(T, output="complex")
    return t, product(cast(Z, dtype_of(turn)), turn)


# --- questions, which have no derivative ----------------------------------------------------------------------------------


def _is(a, sign, atol, rtol, name):
    a = square_matrix(name, a)
    other = adjoint(a) if sign == "h" else np.swapaxes(a, -1, -2)
    if atol is None and rtol is None:
        return bool((a == other).all())
    return bool((absolute(a - other) <= (atol or 0) + (rtol or 0) * absolute(other)).all())


def issymmetric(a, atol=None, rtol=None):
    """Whether a matrix is its transpose, exactly or within tolerances.

    >>> import chainrule as cr
    >>> cr.linalg.issymmetric([[1.0, 2.0], [2.0, 1.0]])
    True
    """
    return _is(a, "s", atol, rtol, "issymmetric")


def ishermitian(a, atol=None, rtol=None):
    """Whether a matrix is its conjugate transpose, exactly or within tolerances.

    >>> import chainrule as cr
    >>> cr.linalg.ishermitian([[1.0, 2j], [-2j, 1.0]])
    True
    """
    return _is(a, "h", atol, rtol, "ishermitian")


def diagsvd(s, M, N):
    """The M by N matrix with the singular values `s` on its diagonal.

    >>> import chainrule as cr
    >>> cr.linalg.diagsvd([2.0, 1.0], 2, 3)
    array([[2., 0., 0.],
           [0., 1., 0.]])
    """
    s = as_value(s)
    if shape_of(s) != (min(M, N),):
        raise ValueError("Length of s must be M or N.")
    i = np.arange(min(M, N))
    return index_set(np.zeros((M, N), dtype_of(s)), (i, i), s)
