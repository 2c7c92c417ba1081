"""Functions of square matrices: exponential, logarithm, powers, sign, and what is composed of them.

Their derivatives never divide by differences of eigenvalues, so repeated eigenvalues do no harm. For an analytic function f,

    f([[a, e], [0, a]]) = [[f(a), L(a, e)], [0, f(a)]]

where L(a, e) is the derivative at `a` in direction `e` (Mathias, A chain rule for matrix functions, 1996), and the transpose
of e -> L(a, e) is g -> L(a, g^H)^H. The same formula, for the larger matrix, gives the next order.
"""

import warnings

import numpy as np
from numpy.linalg import LinAlgError

from ...core.aval import Aval
from ...core.derivative import Linear, Pair, zero
from ...core.lowering import Call
from ...core.primitive import primitive
from ...core.value import Value, dtype_of, ndim_of, shape_of
from ..elementwise import imag, multiply, real
from ..joining import concatenate
from ..shaping import broadcast_to, cast, sum_to
from .equations import _sylvester
from .matrices import adjoint, batch_of_matrices, hermitian, known, linalg_dtype, real_dtype, square_matrix
from .schur_parlett import function_of_matrix
from .stacks import check_finite, over_stack, scipy_linalg
from .systems import matrix_power, solve

NO_TURN = np.zeros((1, 1))

# --- where the branch cut may go ------------------------------------------------------------------------------------------


def _turn_aval(a):
    return Aval((*a.shape[:-2], 1, 1), real_dtype(a.dtype))


@primitive(
    derivative=[zero],
    aval=_turn_aval,
    batch=lambda args, batched, params: _turn(*args),
    lower=Call(),
    name="branch_turn",
)
def _turn(a):
    """The angle by which eigenvalues have to be turned to keep them clear of the negative axis, on their side of it.

    For a real matrix it is 0 unless an eigenvalue is negative: if its functions are real.
    """
    if a.size == 0:
        return np.zeros((*a.shape[:-2], 1, 1), real_dtype(a.dtype))
    check_finite(a)
    if _in_right_half_plane(a):
        return np.zeros((*a.shape[:-2], 1, 1), real_dtype(a.dtype))
    eigenvalues = np.linalg.eigvals(a)
    angles = np.where(eigenvalues == 0, 0, np.angle(eigenvalues))  # -0.0 would count as negative
    turn = (angles.max(-1) + angles.min(-1)) / 2
    return np.asarray(turn, real_dtype(a.dtype))[..., None, None]


def _in_right_half_plane(a):
    """Whether the Hermitian parts are positive definite, which is found sooner than eigenvalues are."""
    try:
        np.linalg.cholesky(hermitian(a))
    except LinAlgError:
        return False
    return True


def _complex_of(dtype):
    return np.result_type(dtype, np.complex64)


def _decided(a):
    """The turn for `a`, and the dtype of its function: complex for real matrices with negative eigenvalues.

    Where values are not known (inside vmap, in bodies of loops) functions of real matrices are taken to be real.
    """
    turn, dtype = _turn(a), dtype_of(a)
    if dtype.kind == "c":
        return turn, dtype
    return turn, _complex_of(dtype) if known((turn != 0).any()) else dtype


# --- rows -----------------------------------------------------------------------------------------------------------------


FEW = 8  # from so many matrices on it is sooner to compute their exponentials together
PADE = (64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000, 10559470521600,
        670442572800, 33522128640, 1323241920, 40840800, 960960, 16380, 182, 1)  # fmt: skip


def _expm(a):
    if a.size == 0:
        return a.copy()
    if a.size < FEW * a.shape[-1] ** 2 or a.shape[-1] > 64:
        return scipy_linalg("expm")(a)
    return _expm_together(a)


def _expm_together(a):
    """Scaling and squaring with the Padé approximant of order 13 (Higham, SIAM J. Matrix Anal. Appl. 26, 2005)."""
    size = np.abs(a).sum(-2).max(-1)
    halvings = np.ceil(np.log2(np.maximum(size / 5.371920351148152, 1)))
    a = a * np.exp2(-halvings)[..., None, None].astype(real_dtype(a.dtype))
    one, a2 = np.eye(a.shape[-1], dtype=a.dtype), a @ a
    a4 = a2 @ a2
    a6 = a4 @ a2
    u, v = (
        a6 @ (b[6] * a6 + b[5] * a4 + b[4] * a2) + b[3] * a6 + b[2] * a4 + b[1] * a2 + b[0] * one
        for b in ([a.dtype.type(c) for c in PADE[start::2]] for start in (1, 0))
    )
    u = a @ u
    x = np.linalg.solve(v - u, v + u)
    for i in range(int(halvings.max(initial=0))):
        more = halvings > i
        x[more] = x[more] @ x[more]
    return x


def _sign(a):
    """Newton's iteration, scaled by the determinant (Higham, Functions of Matrices, 2008, sections 5.3 and 5.5)."""
    n, change = len(a), np.inf
    for _ in range(100):
        sign, size = np.linalg.slogdet(a)
        if sign == 0 or not np.isfinite(size):
            break
        scale = np.exp(-size / n) if change > 1e-2 else 1.0
        new = 0.5 * (scale * a + np.linalg.inv(a) / scale)
        before, change = change, np.abs(new - a).max() / max(np.abs(new).max(), np.finfo(a.dtype).tiny)
        a = new
        if change < 4 * n * np.finfo(a.dtype).eps or before / 2 <= change < 1e-6:
            return a
    raise LinAlgError("signm: the matrix has an eigenvalue on the imaginary axis, or is singular")


def _function(f, p):
    """The function of SciPy's name f, with parameter p, of stacks of matrices."""
    if f == "expm":
        return _expm
    if callable(f):
        return lambda a: over_stack(lambda x: function_of_matrix(x, f), a, out=(a.shape[-2:], np.complex128))
    function, more = _sign if f == "signm" else scipy_linalg(f), () if p is None else (p,)

    def stacked(a):
        # SciPy judges these by the standards of double precision, and warns of anything less.
        wide = a if f == "signm" else a.astype(np.result_type(a, np.float64))
        return over_stack(lambda x: function(x, *more), wide, out=(a.shape[-2:], wide.dtype if f == "signm" else np.complex128))

    return stacked


def _block(a, e):
    """[[a, e], [0, a]]."""
    lead = np.broadcast_shapes(shape_of(a)[:-2], shape_of(e)[:-2])
    a, e = (broadcast_to(x, (*lead, *shape_of(x)[-2:])) for x in (a, e))
    dtype = np.result_type(dtype_of(a), dtype_of(e))
    a, e = cast(a, dtype), cast(e, dtype)
    nothing = np.zeros(shape_of(a), dtype)
    return concatenate([concatenate([a, e], -1), concatenate([nothing, a], -1)], -2)


def _twice(e):
    """[[e, 0], [0, e]]."""
    return _block(e, np.zeros(shape_of(e), dtype_of(e)))


def _corner(x):
    n = shape_of(x)[-1] // 2
    return x[..., :n, n:]


def _function_vjp(g, a, turn, in_shape, f, p, dtype):
    return sum_to(adjoint(_frechet(a, adjoint(g), turn, f=f, p=p, dtype=dtype)), in_shape)


def _shape_of_both(a, e):
    return (*np.broadcast_shapes(a.shape[:-2], e.shape[:-2]), *a.shape[-2:])


@primitive(
    derivative=[
        Pair(lambda t, a, turn, f, p, dtype: _frechet(a, t, turn, f=f, p=p, dtype=dtype), _function_vjp),
        zero,
    ],
    aval=lambda a, turn, f, p, dtype: Aval(_shape_of_both(a, turn), dtype),
    batch=batch_of_matrices(lambda: _matrix_function),
    lower=Call(),
    name="matrix_function",
)
def _matrix_function(a, turn, *, f, p, dtype):
    """The function of SciPy's name f, with parameter p, of square matrices."""
    check_finite(a)
    return _settled(_function(f, p)(a), turn, dtype)


def _second_jvp(t, a, e, turn, f, p, dtype):
    return _corner(_frechet(_block(a, e), _twice(t), turn, f=f, p=p, dtype=dtype))


def _second_vjp(g, a, e, turn, in_shape, f, p, dtype):
    return sum_to(adjoint(_second_jvp(adjoint(g), a, e, turn, f, p, dtype)), in_shape)


@primitive(
    derivative=[Pair(_second_jvp, _second_vjp), Linear(_function_vjp), zero],
    aval=lambda a, e, turn, f, p, dtype: Aval(
        (*np.broadcast_shapes(a.shape[:-2], e.shape[:-2], turn.shape[:-2]), *a.shape[-2:]),
        np.result_type(dtype, a.dtype, e.dtype),
    ),
    batch=batch_of_matrices(lambda: _frechet),
    lower=Call(),
    name="frechet",
)
def _frechet(a, e, turn, *, f, p, dtype):
    """The derivative of a matrix function at a in direction e.

    Eigenvalues of the doubled matrix come in pairs that rounding spreads; turning them keeps pairs on one side of the cut.
    """
    dtype, size = np.result_type(dtype, a, e), _relative_size(e, a)
    doubled = _block(a, e / size)
    if turn.any() and not callable(f):
        doubled = doubled * np.exp(-1j * turn).astype(_complex_of(doubled.dtype))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the conditioning of a doubled matrix that nobody has seen
        value = _corner(_function(f, p)(doubled)) * size
    if p is not None and turn.any():
        value = value * np.exp(1j * p * turn)
    return _settled(value, turn, dtype)


def _settled(value, turn, dtype):
    """The result in its dtype. A function that is to be real and is not is NaN, as np.sqrt(-1.0) is: a compiled program may
    come here with other numbers than it was made for, before it finds out."""
    lead = np.broadcast_shapes(value.shape[:-2], turn.shape[:-2])
    value = np.broadcast_to(value, (*lead, *value.shape[-2:]))
    if dtype.kind == "c":
        return value.astype(dtype)
    return np.where(turn != 0, np.nan, value.real).astype(dtype)


def _relative_size(e, a):
    """Powers of two for the sizes of directions `e` relative to `a`: a direction of the size of the matrix does not disturb
    how its function is computed."""
    size, own = (np.abs(x).max((-2, -1), keepdims=True, initial=0) for x in (e, a))
    exponent = np.log2(np.where(size, size, 1)) - np.log2(np.where(own, own, 1))
    return np.exp2(np.round(np.where(size, exponent, 0))).astype(real_dtype(e.dtype))


# x x = a:  x dx + dx x = da
@primitive(
    derivative=[
        Pair(
            lambda t, out: _sylvester(out, out, t),
            lambda g, out, in_shape: sum_to(_sylvester(adjoint(out), adjoint(out), g), in_shape),
        ),
        zero,
    ],
    aval=lambda a, turn, dtype: Aval(_shape_of_both(a, turn), dtype),
    batch=batch_of_matrices(lambda: _sqrtm),
    lower=Call(),
    name="sqrtm",
)
def _sqrtm(a, turn, *, dtype):
    """The square root whose eigenvalues lie in the right half plane."""
    check_finite(a)
    root = over_stack(scipy_linalg("sqrtm"), a, out=(a.shape[-2:], _complex_of(a.dtype)))
    return _settled(root, turn, dtype)


# --- functions ------------------------------------------------------------------------------------------------------------


def expm(A):
    """The matrix exponential, `eye + A + A @ A / 2 + ...`.

    Parameters
    ----------
    A : array of shape (..., n, n)

    Returns
    -------
    array of that shape

    Raises
    ------
    LinAlgError
        `A` is not square.
    ValueError
        `A` is not finite.

    Notes
    -----
    Computed by SciPy (Al-Mohy and Higham, SIAM J. Matrix Anal. Appl. 31, 2009); the derivative is read off the exponential
    of a matrix of twice the size.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.expm(np.array([[0.0, 1.0], [0.0, 0.0]]))
    array([[1., 1.],
           [0., 1.]])
    >>> cr.grad(lambda t: cr.linalg.expm(t * np.eye(2)).sum())(0.0)
    np.float64(2.0)
    """
    A = square_matrix("expm", A)
    return _matrix_function(A, NO_TURN, f="expm", p=None, dtype=dtype_of(A))


def expm_frechet(A, E, method=None, compute_expm=True, check_finite=True):
    """The exponential of `A` and its derivative in direction `E`.

    Parameters
    ----------
    A, E : arrays of shape (..., n, n); leading axes broadcast
    method, check_finite : accepted for SciPy's sake
    compute_expm : if False, give the derivative alone

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.expm_frechet(np.zeros((2, 2)), np.eye(2), compute_expm=False)
    array([[1., 0.],
           [0., 1.]])
    """
    A, E = square_matrix("expm_frechet", A), square_matrix("expm_frechet", E)
    if shape_of(A)[-2:] != shape_of(E)[-2:]:
        raise ValueError(f"expected A and E to be the same shape, found {shape_of(A)} and {shape_of(E)}")
    dtype = linalg_dtype(dtype_of(A), dtype_of(E))
    A, E = cast(A, dtype), cast(E, dtype)
    moved = _frechet(A, E, NO_TURN, f="expm", p=None, dtype=dtype)
    return (expm(A), moved) if compute_expm else moved


def logm(A):
    """The matrix logarithm: the matrix whose exponential is `A` and whose eigenvalues have imaginary parts in (-pi, pi].

    Parameters
    ----------
    A : array of shape (..., n, n)

    Returns
    -------
    array of that shape; complex for a real `A` with negative eigenvalues. Inside of vmap and loops, where the dtype
    must be known before the values are, it is real, and NaN for such a matrix: make it complex first.

    Raises
    ------
    LinAlgError
        `A` is not square.
    ValueError
        `A` is not finite.

    Notes
    -----
    Computed by SciPy (Al-Mohy and Higham, SIAM J. Sci. Comput. 34, 2012); the derivative is read off the logarithm of a
    matrix of twice the size.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.logm(np.array([[1.0, 1.0], [0.0, 1.0]]))
    array([[0., 1.],
           [0., 0.]])
    >>> cr.grad(lambda a: cr.trace(cr.linalg.logm(a)))(np.diag([2.0, 4.0]))
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    A = square_matrix("logm", A)
    turn, dtype = _decided(A)
    return _matrix_function(A, turn, f="logm", p=None, dtype=dtype)


def sqrtm(A):
    """The principal square root of a matrix: `sqrtm(A) @ sqrtm(A) = A`.

    Parameters
    ----------
    A : array of shape (..., n, n)

    Returns
    -------
    array of that shape; complex for a real `A` with negative eigenvalues. Inside of vmap and loops, where the dtype
    must be known before the values are, it is real, and NaN for such a matrix: make it complex first.

    Raises
    ------
    LinAlgError
        `A` is not square.
    ValueError
        `A` is not finite.

    Notes
    -----
    Computed by SciPy from the Schur form. The derivative solves a Sylvester equation (Higham, Functions of Matrices, 2008,
    section 6.1); it is infinite where `A` is singular.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.sqrtm(np.array([[4.0, 1.0], [0.0, 4.0]]))
    array([[2.  , 0.25],
           [0.  , 2.  ]])
    >>> cr.grad(lambda a: cr.trace(cr.linalg.sqrtm(a)))(4 * np.eye(2))
    array([[0.25, 0.  ],
           [0.  , 0.25]])
    """
    A = square_matrix("sqrtm", A)
    turn, dtype = _decided(A)
    return _sqrtm(A, turn, dtype=dtype)


def fractional_matrix_power(A, t):
    """`A` to the power `t`, for any real `t`: `expm(t * logm(A))`.

    Parameters
    ----------
    A : array of shape (..., n, n)
    t : number; derivatives flow into it if it is a Tensor

    Returns
    -------
    array of the shape of `A`; complex for a real `A` with negative eigenvalues (see `logm`), unless `t` is whole

    Raises
    ------
    LinAlgError
        `A` is not square, or is singular and `t` negative.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.fractional_matrix_power(np.array([[4.0, 1.0], [0.0, 4.0]]), 0.5)
    array([[2.  , 0.25],
           [0.  , 2.  ]])
    >>> cr.grad(lambda t: cr.linalg.fractional_matrix_power(np.array([[2.0]]), t).sum())(0.0).round(6)
    np.float64(0.693147)
    """
    A = square_matrix("fractional_matrix_power", A)
    if isinstance(t, Value):
        if ndim_of(t):
            raise ValueError(f"fractional_matrix_power: the power must be a number, found an array of shape {shape_of(t)}")
        return expm(logm(A) * t)
    t = float(t)
    if t == int(t):
        return matrix_power(A, int(t))
    turn, dtype = _decided(A)
    return _matrix_function(A, turn, f="fractional_matrix_power", p=t, dtype=dtype)


@primitive(
    derivative=[zero],
    aval=lambda a, f: _turn_aval(a),
    batch=lambda args, batched, params: _leaves_reals(*args, **params),
    lower=Call(),
    name="leaves_reals",
)
def _leaves_reals(a, *, f):
    """1 for a real matrix whose function is not real, else 0."""
    check_finite(a)
    if a.dtype.kind == "c" or not a.size:
        return np.zeros((*a.shape[:-2], 1, 1), real_dtype(a.dtype))
    out = _function(f, None)(a)
    most = 1e-8 if a.dtype == np.float64 else 1e-3
    size = np.abs(out).max((-2, -1), keepdims=True)
    return (np.abs(out.imag).max((-2, -1), keepdims=True) > most * size).astype(a.dtype)


def funm(A, func, disp=True):
    """The function `func` of square matrices: for a diagonalizable one, `v @ diag(func(w)) @ inv(v)`.

    Parameters
    ----------
    A : array of shape (..., n, n)
    func : function of one complex array, applied to each element, analytic where the eigenvalues lie; written with NumPy's
        functions, chainrule's, or those of `chainrule.special`
    disp : as in SciPy; if False, an estimate of the relative error is given too

    Returns
    -------
    array of the shape of `A`; complex for a real `A` if the result is, such as the logarithm of a negative eigenvalue. Inside
    of vmap and loops, where the dtype must be known before the values are, it is real, and NaN for such a matrix: make it
    complex first.

    Raises
    ------
    LinAlgError
        `A` is not square.
    LostDerivativeError
        `func` depends on something that carries a derivative: it can be differentiated in `A` alone.

    Notes
    -----
    Eigenvalues may be equal or close, and the matrix may have too few eigenvectors: derivatives are right to any order.
    Computed from the Schur form; groups of eigenvalues by the Taylor series of `func`, for which it is run on series (Davies
    and Higham, SIAM J. Matrix Anal. Appl. 25, 2003). The derivative is read off the function of a matrix of twice the size.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.funm(np.array([[1.0, 1.0], [0.0, 1.0]]), lambda x: x * np.exp(x)).round(6)
    array([[2.718282, 5.436564],
           [0.      , 2.718282]])
    >>> cr.grad(lambda a: cr.linalg.funm(a, np.sin)[0, 1])(np.zeros((2, 2)))
    array([[0., 1.],
           [0., 0.]])
    """
    A = square_matrix("funm", A)
    if not callable(func):
        raise TypeError(f"funm: expected a function, found {type(func).__name__}")
    turn, dtype = NO_TURN, dtype_of(A)
    if dtype.kind != "c":
        turn = _leaves_reals(A, f=func)
        dtype = _complex_of(dtype) if known((turn != 0).any()) else dtype
    out = _matrix_function(A, turn, f=func, p=None, dtype=dtype)
    if disp:
        return out
    wide = 1000 * float(np.finfo(dtype_of(out)).eps)
    return out, np.float64(wide)


def signm(A):
    """The matrix sign: eigenvalues in the right half plane become 1, those in the left one -1.

    Parameters
    ----------
    A : array of shape (..., n, n)

    Returns
    -------
    array of that shape

    Raises
    ------
    LinAlgError
        `A` is not square, or an eigenvalue is imaginary or zero.

    Notes
    -----
    Computed by Newton's iteration (Higham, Functions of Matrices, 2008, section 5.3). Where SciPy gives 0 for an eigenvalue 0,
    this raises: the function is not continuous there.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.signm(np.array([[2.0, 1.0], [0.0, -2.0]]))
    array([[ 1. ,  0.5],
           [ 0. , -1. ]])
    """
    A = square_matrix("signm", A)
    return _matrix_function(A, NO_TURN, f="signm", p=None, dtype=dtype_of(A))


def _circular(A):
    """expm(i A) and expm(-i A); the second is None for a real matrix, being the conjugate of the first."""
    turned = multiply(A, 1j)
    return expm(turned), None if dtype_of(A).kind != "c" else expm(-turned)


def cosm(A):
    """The matrix cosine.

    >>> import chainrule as cr
    >>> cr.linalg.cosm(np.zeros((2, 2)))
    array([[1., 0.],
           [0., 1.]])
    """
    up, down = _circular(square_matrix("cosm", A))
    return real(up) if down is None else (up + down) * 0.5


def sinm(A):
    """The matrix sine.

    >>> import chainrule as cr
    >>> cr.linalg.sinm(np.zeros((2, 2)))
    array([[0., 0.],
           [0., 0.]])
    """
    up, down = _circular(square_matrix("sinm", A))
    return imag(up) if down is None else (up - down) * -0.5j


def tanm(A):
    """The matrix tangent.

    >>> import chainrule as cr
    >>> cr.linalg.tanm(np.zeros((2, 2)))
    array([[0., 0.],
           [0., 0.]])
    """
    up, down = _circular(square_matrix("tanm", A))
    return solve(real(up), imag(up)) if down is None else solve(up + down, (up - down) * -1j)


def coshm(A):
    """The hyperbolic matrix cosine.

    >>> import chainrule as cr
    >>> cr.linalg.coshm(np.zeros((2, 2)))
    array([[1., 0.],
           [0., 1.]])
    """
    A = square_matrix("coshm", A)
    return (expm(A) + expm(-A)) * 0.5


def sinhm(A):
    """The hyperbolic matrix sine.

    >>> import chainrule as cr
    >>> cr.linalg.sinhm(np.zeros((2, 2)))
    array([[0., 0.],
           [0., 0.]])
    """
    A = square_matrix("sinhm", A)
    return (expm(A) - expm(-A)) * 0.5


def tanhm(A):
    """The hyperbolic matrix tangent.

    >>> import chainrule as cr
    >>> cr.linalg.tanhm(np.zeros((2, 2)))
    array([[0., 0.],
           [0., 0.]])
    """
    A = square_matrix("tanhm", A)
    up, down = expm(A), expm(-A)
    return solve(up + down, up - down)
