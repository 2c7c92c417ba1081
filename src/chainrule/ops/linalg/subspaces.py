"""Polar decomposition, and what matrices span: orthonormal bases, and angles between subspaces."""

import numpy as np

from ...core.derivative import Pair
from ...core.lowering import Call
from ...core.primitive import primitive
from ...core.value import dtype_of, shape_of
from ...errors import ArgumentError, ShapeError, explain
from ..arranging import trace
from ..elementwise import clip, real, where
from ..reduction import max as max_, sum as sum_
from ..shaping import flip
from ..trigonometric import arccos, arcsin
from .equations import _sylvester
from .matrices import adjoint, batch_of_matrices, hermitian, known, matrices, product
from .spectral import svd, svdvals
from .systems import solve

# --- polar decomposition --------------------------------------------------------------------------------------------------


def _turn_of(t, a, out):
    """The change of the unitary factor u of a = u p. Inside of the columns of u it turns by w, with w p + p w = k - k^H for
    k = u^H da; outside it moves by what p leaves of da. The map from da is its own transpose."""
    p, k = hermitian(product(adjoint(out), a)), product(adjoint(out), t)
    inside = product(out, _sylvester(p, p, k - adjoint(k)))
    m, n = shape_of(a)[-2:]
    if m == n:
        return inside
    return inside + adjoint(solve(p, adjoint(t - product(out, k))))


@primitive(
    derivative=[Pair(lambda t, a, out: _turn_of(t, a, out), lambda g, a, out: _turn_of(g, a, out))],
    aval=lambda a: a,
    batch=batch_of_matrices(lambda: _unitary_factor),
    lower=Call(),
    name="unitary_factor",
)
def _unitary_factor(a):
    """The nearest matrix with orthonormal columns, for matrices with at least as many rows as columns."""
    u, _, vh = np.linalg.svd(a, full_matrices=False)
    return u @ vh


def polar(a, side="right"):
    """Polar decomposition: `a = u @ p` with `p` Hermitian positive semidefinite, or `a = p @ u`.

    Parameters
    ----------
    a : array of shape (..., m, n)
    side : 'right' for `a = u @ p`, 'left' for `a = p @ u`

    Returns
    -------
    u : array of shape (..., m, n), with orthonormal columns, or rows if there are less of them
    p : array of shape (..., n, n), or (..., m, m) for 'left'

    Raises
    ------
    ValueError
        There is no such side.

    Notes
    -----
    `u` has no derivative where `a` has not full rank. Repeated singular values do no harm.

    Examples
    --------
    >>> import chainrule as cr
    >>> u, p = cr.linalg.polar(np.array([[0.0, -2.0], [3.0, 0.0]]))
    >>> u.round(12) + 0.0, p.round(12) + 0.0
    (array([[ 0., -1.],
           [ 1.,  0.]]), array([[3., 0.],
           [0., 2.]]))
    """
    if side not in ("right", "left"):
        raise ValueError("`side` must be either 'right' or 'left'")
    (a,) = matrices("polar", a)
    m, n = shape_of(a)[-2:]
    u = _unitary_factor(a) if m >= n else adjoint(_unitary_factor(adjoint(a)))
    return u, hermitian(product(adjoint(u), a) if side == "right" else product(a, adjoint(u)))


def orthogonal_procrustes(A, B, check_finite=True):
    """The unitary matrix `R` that brings `A @ R` nearest to `B`.

    Parameters
    ----------
    A, B : arrays of shape (m, n)
    check_finite : accepted for SciPy's sake

    Returns
    -------
    R : array of shape (n, n)
    scale : sum of the singular values of `A.conj().T @ B`

    Raises
    ------
    ShapeError
        The shapes differ.

    Examples
    --------
    >>> import chainrule as cr
    >>> R, scale = cr.linalg.orthogonal_procrustes(np.eye(2), np.array([[0.0, 2.0], [1.0, 0.0]]))
    >>> R.round(12) + 0.0, scale.round(12)
    (array([[0., 1.],
           [1., 0.]]), np.float64(3.0))
    """
    A, B = matrices("orthogonal_procrustes", A, B)
    if shape_of(A) != shape_of(B):
        raise ShapeError(
            explain(
                "orthogonal_procrustes: the shapes of A and B differ",
                f"A: {shape_of(A)}    B: {shape_of(B)}",
                help="the rows of both are the points to bring together",
            )
        )
    both = product(adjoint(A), B)
    R = _unitary_factor(both)
    p = hermitian(product(adjoint(R), both))
    return R, real(trace(p, 0, -2, -1))


# --- bases ----------------------------------------------------------------------------------------------------------------


def _rank(name, s, shape, rcond):
    """How many singular values are not negligible: it decides shapes, so it has to be one number."""
    if rcond is None:
        rcond = np.finfo(dtype_of(s)).eps * max(shape)
    if not shape_of(s)[-1]:
        return 0
    count = sum_(s > max_(s, -1, keepdims=True) * rcond, -1)
    for k in range(shape_of(s)[-1], -1, -1):
        if known((count == k).all()):
            return k
    raise ArgumentError(
        explain(
            f"{name}: the rank decides the shape of the result",
            "here it differs from matrix to matrix, or values are not known (inside of vmap and loops)",
            help="take the columns of cr.linalg.svd that are wanted",
        )
    )


def orth(A, rcond=None):
    """Orthonormal basis of the space that the columns of `A` span.

    Parameters
    ----------
    A : array of shape (..., m, n)
    rcond : singular values of at most `rcond` times the largest count as 0; by default max(m, n) times the machine precision

    Returns
    -------
    array of shape (..., m, k), where k is the rank of `A`

    Raises
    ------
    ArgumentError
        The rank differs from matrix to matrix, or is not known, as inside of vmap.

    Notes
    -----
    The basis is one of many: functions that do not depend on the choice, such as `q @ q.T`, have the right derivative.

    Examples
    --------
    >>> import chainrule as cr
    >>> q = cr.linalg.orth(np.array([[2.0, 0.0], [0.0, 0.0]]))
    >>> (q @ q.T).round(12)
    array([[1., 0.],
           [0., 0.]])
    """
    (A,) = matrices("orth", A)
    u, s, _ = svd(A, full_matrices=False)
    return u[..., : _rank("orth", s, shape_of(A)[-2:], rcond)]


def null_space(A, rcond=None, *, overwrite_a=False, check_finite=True, lapack_driver="gesdd"):
    """Orthonormal basis of the space of all `x` with `A @ x = 0`.

    Parameters
    ----------
    A : array of shape (..., m, n)
    rcond : singular values of at most `rcond` times the largest count as 0; by default max(m, n) times the machine precision
    overwrite_a, check_finite, lapack_driver : accepted for SciPy's sake

    Returns
    -------
    array of shape (..., n, n - k), where k is the rank of `A`

    Raises
    ------
    ArgumentError
        The rank differs from matrix to matrix, or is not known, as inside of vmap.

    Notes
    -----
    The basis is one of many: functions that do not depend on the choice, such as `z @ z.T`, have the right derivative.

    Examples
    --------
    >>> import chainrule as cr
    >>> z = cr.linalg.null_space(np.array([[2.0, 0.0]]))
    >>> (z @ z.T).round(12) + 0.0
    array([[0., 0.],
           [0., 1.]])
    """
    (A,) = matrices("null_space", A)
    _, s, vh = svd(A, full_matrices=True)
    return adjoint(vh[..., _rank("null_space", s, shape_of(A)[-2:], rcond) :, :])


def subspace_angles(A, B):
    """Angles between the spaces that the columns of two matrices span, the largest first.

    Parameters
    ----------
    A : array of shape (m, n)
    B : array of shape (m, k)

    Returns
    -------
    real array of shape (min(n, k),), less for matrices that have not full rank

    Raises
    ------
    ShapeError
        The numbers of rows differ.

    Notes
    -----
    Cosines are singular values of the product of two bases, sines those of what one basis has outside of the other space
    (Knyazev and Argentati, SIAM J. Sci. Comput. 23, 2002). Angles of 0 have no derivative.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.subspace_angles(np.array([[1.0], [0.0]]), np.array([[1.0], [1.0]])).round(6)
    array([0.785398])
    """
    A, B = matrices("subspace_angles", A, B)
    if shape_of(A)[-2] != shape_of(B)[-2]:
        raise ShapeError(
            explain(
                "subspace_angles: A and B must have the same number of rows",
                f"A: {shape_of(A)}    B: {shape_of(B)}",
                help="the columns of both span the spaces",
            )
        )
    a, b = orth(A), orth(B)
    both = product(adjoint(a), b)
    cosines = svdvals(both)
    outside = b - product(a, both) if shape_of(a)[-1] >= shape_of(b)[-1] else a - product(b, adjoint(both))
    sines = svdvals(outside)
    small = cosines * cosines >= 0.5
    by_cosine = arccos(clip(flip(cosines, -1), -1, 1))
    return where(small, arcsin(clip(sines, -1, 1)), by_cosine)
