"""Schur and Hessenberg forms.

Where a moves by da, with a = z t z^H and e = z^H da z, the basis turns by dz = z w with w skew-Hermitian, and
dt = e + t w - w t. The part of w below the diagonal (blocks) is what keeps dt zero there; the rest of w is a choice. With equal
eigenvalues that part is a choice too: it is taken to be zero, and dt is not forced to be triangular. So z t z^H moves by
da whatever was chosen, and functions that do not depend on the choice of basis have finite and right derivatives.
"""

import numpy as np

from ...core.aval import Aval
from ...core.derivative import Linear, Pair
from ...core.lowering import Call
from ...core.primitive import primitive
from ...core.value import dtype_of, shape_of
from ..arranging import diagonal
from ..elementwise import absolute, imag, real, where
from ..joining import concatenate
from ..shaping import cast, expand, sum_to
from .matrices import adjoint, batch_of_matrices, conj, masked, product, square_matrix
from .norms import norm
from .stacks import check_finite, over_stack, scipy_linalg

# --- the turn of the basis ------------------------------------------------------------------------------------------------


def _block_ends(t):
    """For each column of a (quasi-)triangular matrix, where the diagonal block that it belongs to ends."""
    ends = np.arange(1, len(t) + 1)
    pairs = np.flatnonzero(np.diagonal(t, -1))
    ends[pairs] += 1
    return ends


def _triangular_turn(t, e, ends, back):
    """x, zero except in rows `ends[j]` on of column j, with t x - x t = -e there; with `back`, the transpose of e -> x."""
    n, x = len(t), np.zeros_like(e)
    values = np.diagonal(t)
    zero = 10 * n * np.finfo(t.dtype).eps * np.abs(t).max()
    solve, infinite = scipy_linalg("solve_triangular"), np.sqrt(np.finfo(t.dtype).max)
    m = t.conj().T if back else t
    for j in range(n - 1, -1, -1) if back else range(n):
        k = ends[j]
        if k == n:
            continue
        matrix = m[k:, k:].copy()
        seen = x[k:, j + 1 :] @ m[j + 1 :, j] if back else x[k:, :j] @ m[:j, j]
        gaps = values[k:] - values[j]
        # Equal eigenvalues: infinite, so that what divides by the difference is zero.
        matrix[np.diag_indices(n - k)] = np.where(np.abs(gaps) > zero, gaps.conj() if back else gaps, infinite)
        x[k:, j] = solve(matrix, seen - e[k:, j], lower=back, check_finite=False)
    return x


def _one_turn(t, e, back):
    ends = _block_ends(t)
    if t.dtype.kind == "c" or np.array_equal(ends, np.arange(1, len(t) + 1)):
        x = _triangular_turn(t, e, ends, back)
    else:  # a unitary change of basis inside of the blocks makes t triangular
        u, q = scipy_linalg("rsf2csf")(t, np.eye(len(t), dtype=t.dtype))
        x = (q @ _triangular_turn(u, q.conj().T @ e @ q, ends, back) @ q.conj().T).real
    below = np.arange(len(t))[:, None] >= ends
    return np.where(below, x, 0)


def _form_jvp(t, s, out, back):
    t = adjoint(t) if back else t
    return _turn(s, product(t, out) - product(out, t), back=back)


def _form_vjp(g, s, out, in_shape, back):
    x = _turn(s, g, back=not back)
    moved = product(x, adjoint(out)) - product(adjoint(out), x)
    return sum_to(adjoint(moved) if back else moved, in_shape)


def _turn_aval(s, e, back):
    return Aval((*np.broadcast_shapes(s.shape[:-2], e.shape[:-2]), *s.shape[-2:]), np.result_type(s.dtype, e.dtype))


@primitive(
    derivative=[
        Pair(_form_jvp, _form_vjp),
        Linear(lambda g, s, in_shape, back: sum_to(_turn(s, g, back=not back), in_shape)),
    ],
    aval=_turn_aval,
    batch=batch_of_matrices(lambda: _turn),
    lower=Call(),
    name="schur_turn",
)
def _turn(s, e, *, back):
    """The part below the diagonal blocks of the turn w that keeps a Schur form s, disturbed by e, a Schur form."""
    dtype = np.result_type(s, e)
    s, e = s.astype(dtype, copy=False), e.astype(dtype, copy=False)
    return over_stack(lambda s, e: _one_turn(s, e, back), s, e, out=(s.shape[-2:], dtype))


# --- the decomposition ----------------------------------------------------------------------------------------------------


def _pair_spread(t):
    """Where a block of two begins: minus half of the inverse of the sum of its two other elements, which stand beside the
    diagonal; elsewhere, and in blocks whose basis may be turned freely, 0. LAPACK makes the diagonal of a block constant,
    and this says how much it has to be turned to stay so."""
    above, below = diagonal(t, 1, -2, -1), diagonal(t, -1, -2, -1)
    total = above + below
    info = np.finfo(dtype_of(t))
    block = (below != 0) & (absolute(total) > 10 * info.eps * (absolute(above) + absolute(below)))
    return where(block, -0.5 / where(block, total, 1), 0)


def _below_diagonal(x):
    """Matrices with `x` below the diagonal, and a zero row and column more."""
    n = shape_of(x)[-1] + 1
    row = concatenate([np.zeros((*shape_of(x)[:-1], 1), dtype_of(x)), x], -1)
    return masked(expand(row, (len(shape_of(x)),)), np.eye(n, k=-1, dtype=bool))


def _differences_transposed(x):
    """Diagonal matrices d for which the sum of d * e is that of x * (differences of neighbours on the diagonal of e)."""
    zero = np.zeros((*shape_of(x)[:-1], 1), dtype_of(x))
    d = concatenate([x, zero], -1) - concatenate([zero, x], -1)
    return masked(expand(d, (len(shape_of(d)),)), np.eye(shape_of(d)[-1], dtype=bool))


def _commuted(t, w):
    return product(t, w) - product(w, t)


def _moved(e, t):
    """The skew-Hermitian w for a disturbance e of the Schur form t."""
    x = _turn(t, e, back=False)
    if dtype_of(t).kind != "c" and shape_of(t)[-1] > 1:
        d = diagonal(e + _commuted(t, x - adjoint(x)), 0, -2, -1)
        x = x + _below_diagonal((d[..., :-1] - d[..., 1:]) * _pair_spread(t))
    return x - adjoint(x)


def _schur_jvp(t, out):
    form, z, _ = out
    e = product(adjoint(z), t, z)
    w = _moved(e, form)
    return [e + _commuted(form, w), product(z, w), None]


def _schur_vjp(g, out):
    t, z, _ = out
    g_t = t * 0 if g[0] is None else g[0]
    g_e = g_t
    g_w = _commuted(adjoint(t), g_t)
    if g[1] is not None:
        g_w = g_w + product(adjoint(z), g[1])
    g_x = g_w - adjoint(g_w)
    if dtype_of(t).kind != "c" and shape_of(t)[-1] > 1:
        weight = diagonal(g_x, -1, -2, -1) * _pair_spread(t)
        g_d = _differences_transposed(weight)
        g_e = g_e + g_d
        more = _commuted(adjoint(t), g_d)
        g_x = g_x + more - adjoint(more)
    g_e = g_e + _turn(t, g_x, back=True)
    return product(z, g_e, adjoint(z))


@primitive(
    derivative=[Pair(_schur_jvp, _schur_vjp)],
    aval=lambda a, sort: (a, a, Aval(a.shape[:-2], np.dtype(np.intp))),
    batch=lambda args, batched, params: _schur(*args, **params),
    lower=Call(),
    name="schur",
    several=True,
)
def _schur(a, *, sort):
    """Schur form, basis, and the number of eigenvalues that `sort` moved to the front."""
    check_finite(a)
    output, n = "complex" if a.dtype.kind == "c" else "real", a.shape[-1]

    def one(a):
        found = scipy_linalg("schur")(a, output, sort=sort)
        return found if sort is not None else (*found, 0)

    t, z, count = over_stack(one, a, out=[((n, n), a.dtype), ((n, n), a.dtype), ((), np.intp)])
    return t, z, count[()]


def schur(a, output="real", lwork=None, overwrite_a=False, sort=None, check_finite=True):
    """Schur decomposition `a = z @ t @ z.conj().T`, with `z` unitary.

    Parameters
    ----------
    a : array of shape (..., n, n)
    output : 'real' or 'complex': whether the form of a real matrix is to be real. Then `t` has blocks of two on its
        diagonal, one for each pair of complex eigenvalues; else it is upper triangular.
    lwork, overwrite_a, check_finite : accepted for SciPy's sake
    sort : None, 'lhp', 'rhp', 'iuc', 'ouc' (left and right half plane, inside and outside of the unit circle) or a function
        that says of an eigenvalue (for real forms, of its real and imaginary part) whether it is to come first

    Returns
    -------
    t, z : arrays of the shape of `a`
    sdim : number of eigenvalues that come first; only with `sort`

    Raises
    ------
    LinAlgError
        `a` is not square, or LAPACK does not succeed.
    ValueError
        `a` is not finite; or there is no such output, or way to sort.

    Notes
    -----
    Columns of `z` are known up to a factor of absolute value 1; the derivative is that for which they do not turn in their own
    direction. Where eigenvalues repeat, functions that do not depend on the choice of basis, such as `z @ t @ t @ z.conj().T`,
    have the right derivative; `t` and `z` alone have none.

    Examples
    --------
    >>> import chainrule as cr
    >>> t, z = cr.linalg.schur(np.array([[1.0, 2.0], [0.0, 3.0]]))
    >>> t
    array([[1., 2.],
           [0., 3.]])
    >>> f = lambda a: cr.trace(cr.linalg.schur(a)[0] ** 2)
    >>> cr.grad(f)(np.array([[1.0, 2.0], [0.0, 3.0]]))
    array([[2., 0.],
           [4., 6.]])
    """
    if output not in ("real", "complex", "r", "c"):
        raise ValueError(f"schur: output must be 'real' or 'complex', not {output!r}")
    if not (sort is None or callable(sort) or sort in ("lhp", "rhp", "iuc", "ouc")):
        raise ValueError(f"schur: sort must be None, a function, or one of 'lhp', 'rhp', 'iuc', 'ouc', not {sort!r}")
    a = square_matrix("schur", a)
    if output.startswith("c"):
        a = cast(a, np.result_type(dtype_of(a), np.complex64))
    t, z, count = _schur(a, sort=sort)
    return (t, z) if sort is None else (t, z, count)


# --- Hessenberg form ------------------------------------------------------------------------------------------------------


def hessenberg(a, calc_q=False, overwrite_a=False, check_finite=True):
    """Hessenberg form `h = q.conj().T @ a @ q`, which is zero below its first subdiagonal, with `q` unitary.

    Parameters
    ----------
    a : array of shape (..., n, n)
    calc_q : give (h, q)
    overwrite_a, check_finite : accepted for SciPy's sake

    Returns
    -------
    h, or with `calc_q` the pair (h, q), arrays of the shape of `a`

    Raises
    ------
    LinAlgError
        `a` is not square.

    Notes
    -----
    One Householder reflection a column (Golub and Van Loan, Matrix Computations, 2013, algorithm 7.4.2), with LAPACK's signs.
    Unlike SciPy, the matrix is not balanced first, which does not change the result. Where a column is zero below the
    subdiagonal already, `h` and `q` have no derivative; zero takes its place.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.hessenberg(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[1., 2.],
           [3., 4.]])
    """
    h = square_matrix("hessenberg", a)
    n = shape_of(h)[-1]
    q = np.eye(n, dtype=dtype_of(h)) + 0 * h if calc_q else None
    last = dtype_of(h).kind == "c" and n > 2  # a reflection more, to make the last element below the diagonal real
    for k in range(n - 2 + last):
        v, tau = _reflection(h, k)
        h = h - product(v, conj(tau) * product(adjoint(v), h))
        h = h - product(product(h, v) * tau, adjoint(v))
        h = masked(h, (np.arange(n) != k) | (np.arange(n)[:, None] <= k + 1))
        if q is not None:
            q = q - product(product(q, v) * tau, adjoint(v))
    return h if q is None else (h, q)


def _reflection(h, k):
    """v and tau of LAPACK's reflection eye - tau v v^H (xLARFG) that makes column k zero below its subdiagonal."""
    alpha, rest = h[..., k + 1 : k + 2, k : k + 1], h[..., k + 2 :, k : k + 1]
    size = _size(h[..., k + 1 :, k])
    some = _size(rest[..., 0]) != 0
    if dtype_of(h).kind == "c":
        some = some | (imag(alpha) != 0)
    sign = where(real(alpha) < 0, -1.0, 1.0).astype(dtype_of(size))
    beta = -sign * where(some, size, 1)
    tau = where(some, (beta - alpha) / beta, 0)
    scale = where(some, alpha - beta, 1)
    lead = shape_of(h)[:-2]
    head, one = np.zeros((*lead, k + 1, 1), dtype_of(h)), np.ones((*lead, 1, 1), dtype_of(h))
    return concatenate([head, one, rest / scale], -2), tau if dtype_of(h).kind == "c" else real(tau)


def _size(x):
    """Norms of vectors along the last axis, with two axes of length 1 in its place."""
    return expand(norm(x, axis=-1), (len(shape_of(x)) - 1, len(shape_of(x))))
