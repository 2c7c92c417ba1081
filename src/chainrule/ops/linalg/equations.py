"""Matrix equations: Sylvester's, Lyapunov's and Riccati's.

Each is a row that SciPy solves; its derivative is the solution of a linear equation of the same kind.
"""

import numpy as np

from ...core.aval import Aval
from ...core.derivative import Linear, Pair
from ...core.lowering import Call
from ...core.primitive import primitive
from ...core.value import dtype_of, shape_of
from ...errors import ShapeError, explain
from ..elementwise import absolute
from ..reduction import max as max_
from ..shaping import as_value, atleast_2d, cast, sum_to
from .matrices import adjoint, batch_of_matrices, hermitian, known, linalg_dtype, matrices, product, square_matrix
from .stacks import check_finite, over_stack, scipy_linalg
from .systems import solve


def _lead(*avals):
    return np.broadcast_shapes(*(a.shape[:-2] for a in avals))


def _solution_aval(*avals, **params):
    """Shape and dtype of a solution that is shaped as the third argument, or as the last one."""
    like = avals[min(2, len(avals) - 1)]
    return Aval((*_lead(*avals), *like.shape[-2:]), np.result_type(*(a.dtype for a in avals)))


# --- a x + x b = q ------------------------------------------------------------------------------------------------------


def _sylvester_a_vjp(g, a, b, out, in_shape):
    return sum_to(-product(_sylvester(adjoint(a), adjoint(b), g), adjoint(out)), in_shape)


def _sylvester_b_vjp(g, a, b, out, in_shape):
    return sum_to(-product(adjoint(out), _sylvester(adjoint(a), adjoint(b), g)), in_shape)


@primitive(
    derivative=[
        Pair(lambda t, a, b, out: -_sylvester(a, b, product(t, out)), _sylvester_a_vjp),
        Pair(lambda t, a, b, out: -_sylvester(a, b, product(out, t)), _sylvester_b_vjp),
        Linear(lambda g, a, b, in_shape: sum_to(_sylvester(adjoint(a), adjoint(b), g), in_shape)),
    ],
    aval=_solution_aval,
    batch=batch_of_matrices(lambda: _sylvester),
    lower=Call(),
    name="sylvester",
)
def _sylvester(a, b, q):
    """x with a x + x b = q, by the Schur forms of a and b (Bartels and Stewart)."""
    check_finite(a, b, q)
    dtype = np.result_type(a, b, q)
    xs = (x.astype(dtype, copy=False) for x in (a, b, q))
    return over_stack(scipy_linalg("solve_sylvester"), *xs, out=(q.shape[-2:], dtype))


def solve_sylvester(a, b, q):
    """The solution `x` of `a @ x + x @ b = q`.

    Parameters
    ----------
    a : array of shape (..., m, m)
    b : array of shape (..., n, n)
    q : array of shape (..., m, n); leading axes of all three broadcast

    Returns
    -------
    array of shape (..., m, n)

    Raises
    ------
    LinAlgError
        `a` or `b` is not square.
    ShapeError
        The sizes do not fit together.
    ValueError
        An argument is not finite.

    Notes
    -----
    The solution is unique if no eigenvalue of `a` is minus one of `b`. Its derivative solves the same equation with another
    right side: `a @ dx + x @ db` and so on (Higham, Functions of Matrices, 2008, section B.14).

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.solve_sylvester([[1.0, 0.0], [0.0, 2.0]], [[1.0]], [[2.0], [3.0]])
    array([[1.],
           [1.]])
    """
    a, b, q = _of_one_dtype("solve_sylvester", a=a, b=b, q=q)
    if shape_of(q)[-2:] != (shape_of(a)[-1], shape_of(b)[-1]):
        raise _misfit("solve_sylvester", "q must have as many rows as a, and as many columns as b", a=a, b=b, q=q)
    return _sylvester(a, b, q)


def _of_one_dtype(name, **xs):
    """Arguments as matrices of one dtype; all but `q` and `b`, `s` of the Riccati equations must be square."""
    found = [matrices(name, x)[0] if k == "q" else square_matrix(name, x) for k, x in xs.items()]
    dtype = linalg_dtype(*map(dtype_of, found))
    try:
        np.broadcast_shapes(*(shape_of(x)[:-2] for x in found))
    except ValueError:
        raise _misfit(name, "leading axes do not broadcast", **dict(zip(xs, found, strict=True))) from None
    return [cast(x, dtype) for x in found]


def _misfit(name, asked, **xs):
    found = "    ".join(f"{k}: {dtype_of(x)} {shape_of(x)}" for k, x in xs.items())
    return ShapeError(explain(f"{name}: {asked}", found, help="check the shapes of the arguments"))


def solve_continuous_lyapunov(a, q):
    """The solution `x` of `a @ x + x @ a.conj().T = q`.

    Parameters
    ----------
    a, q : arrays of shape (..., n, n); leading axes broadcast

    Returns
    -------
    array of shape (..., n, n)

    Raises
    ------
    LinAlgError
        `a` or `q` is not square.
    ShapeError
        The sizes differ.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.solve_continuous_lyapunov([[1.0, 0.0], [0.0, 2.0]], np.eye(2))
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    a, q = _square_pair("solve_continuous_lyapunov", a, q)
    return _sylvester(a, adjoint(a), q)


solve_lyapunov = solve_continuous_lyapunov


def _square_pair(name, a, q):
    a, q = _of_one_dtype(name, a=a, q=q)
    if shape_of(a)[-2:] != shape_of(q)[-2:]:
        raise _misfit(name, "a and q must have the same size", a=a, q=q)
    return a, q


# --- x = a x a^H + q ----------------------------------------------------------------------------------------------------


def _stein_a_jvp(t, a, out, method):
    moved = product(t, out, adjoint(a))
    return _stein(a, moved + product(a, out, adjoint(t)), method=method)


def _stein_a_vjp(g, a, out, in_shape, method):
    s = _stein(adjoint(a), g, method=method)
    return sum_to(product(s, a, adjoint(out)) + product(adjoint(s), a, out), in_shape)


@primitive(
    derivative=[
        Pair(_stein_a_jvp, _stein_a_vjp),
        Linear(lambda g, a, in_shape, method: sum_to(_stein(adjoint(a), g, method=method), in_shape)),
    ],
    aval=_solution_aval,
    batch=batch_of_matrices(lambda: _stein),
    lower=Call(),
    name="stein",
)
def _stein(a, q, *, method):
    """x with x = a x a^H + q."""
    check_finite(a, q)
    dtype = np.result_type(a, q)

    def one(a, q):
        return scipy_linalg("solve_discrete_lyapunov")(a, q, method)

    return over_stack(one, a.astype(dtype, copy=False), q.astype(dtype, copy=False), out=(q.shape[-2:], dtype))


def solve_discrete_lyapunov(a, q, method=None):
    """The solution `x` of `a @ x @ a.conj().T - x + q = 0`.

    Parameters
    ----------
    a, q : arrays of shape (..., n, n); leading axes broadcast
    method : 'direct' solves for all elements at once, 'bilinear' turns the equation into a continuous one, which is the
        only choice for large matrices but fails if -1 is an eigenvalue of `a`; by default 'direct' below size 10

    Returns
    -------
    array of shape (..., n, n)

    Raises
    ------
    LinAlgError
        `a` or `q` is not square, or there is no unique solution.
    ShapeError
        The sizes differ.
    ValueError
        There is no such method.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.solve_discrete_lyapunov([[0.5]], [[3.0]])
    array([[4.]])
    """
    a, q = _square_pair("solve_discrete_lyapunov", a, q)
    if method is not None and method.lower() not in ("direct", "bilinear"):
        raise ValueError(f"Unknown solver {method}")
    method = method or ("bilinear" if shape_of(a)[-1] >= 10 else "direct")
    return _stein(a, q, method=method.lower())


# --- Riccati equations --------------------------------------------------------------------------------------------------
#
# continuous   e^H x a + a^H x e - (e^H x b + s) k + q = 0,   r k = b^H x e + s^H
# discrete     a^H x a - e^H x e - (a^H x b + s) k + q = 0,   (r + b^H x b) k = b^H x a + s^H
#
# Where arguments move, the left sides change by  w + w^H + k^H dr k + dq  (the terms with dx apart), where
#     w = left (da - db k) - ds k + right de .


def _feedback(a, b, r, e, s, x, discrete):
    """k, the closed loop a - b k, and the two factors of w."""
    r = hermitian(r)
    if discrete:
        k = solve(r + product(adjoint(b), x, b), product(adjoint(b), x, a) + adjoint(s))
    else:
        k = solve(r, product(adjoint(b), x, e) + adjoint(s))
    closed = a - product(b, k)
    by_closed, by_e = product(adjoint(closed), x), product(adjoint(e), x)
    return (k, closed, by_closed, -by_e) if discrete else (k, closed, by_e, by_closed)


def _moved(m, closed, e, discrete):
    """The dx that makes up for a change `m` of the left side."""
    m = adjoint(solve(adjoint(e), adjoint(solve(adjoint(e), m))))
    loop = adjoint(solve(adjoint(e), adjoint(closed)))
    return _stein(adjoint(loop), m, method=_method(m)) if discrete else -_sylvester(adjoint(loop), loop, m)


def _pulled(g, closed, e, discrete):
    """The transpose of `_moved`."""
    loop = adjoint(solve(adjoint(e), adjoint(closed)))
    g = hermitian(g)
    y = _stein(loop, g, method=_method(g)) if discrete else -_sylvester(loop, adjoint(loop), g)
    return solve(e, adjoint(solve(e, y)))


def _method(x):
    return "bilinear" if shape_of(x)[-1] >= 10 else "direct"


_CHANGES = {  # of an argument: what it adds to the left side, and the transpose of that for a Hermitian z
    "a": (lambda t, k, left, right: 2 * hermitian(product(left, t)), lambda z, k, left, right: 2 * product(adjoint(left), z)),
    "b": (
        lambda t, k, left, right: -2 * hermitian(product(left, t, k)),
        lambda z, k, left, right: -2 * product(adjoint(left), z, adjoint(k)),
    ),
    "q": (lambda t, k, left, right: hermitian(t), lambda z, k, left, right: z),
    "r": (lambda t, k, left, right: product(adjoint(k), hermitian(t), k), lambda z, k, left, right: product(k, z, adjoint(k))),
    "e": (lambda t, k, left, right: 2 * hermitian(product(right, t)), lambda z, k, left, right: 2 * product(adjoint(right), z)),
    "s": (lambda t, k, left, right: -2 * hermitian(product(t, k)), lambda z, k, left, right: -2 * product(z, adjoint(k))),
}


def _in_argument(name):
    change, transpose = _CHANGES[name]

    def jvp(t, a, b, r, e, s, out, discrete):
        k, closed, left, right = _feedback(a, b, r, e, s, out, discrete)
        return _moved(change(t, k, left, right), closed, e, discrete)

    def vjp(g, a, b, r, e, s, out, in_shape, discrete):
        k, closed, left, right = _feedback(a, b, r, e, s, out, discrete)
        return sum_to(transpose(_pulled(g, closed, e, discrete), k, left, right), in_shape)

    return Pair(jvp, vjp)


def _riccati_aval(a, b, q, r, e, s, **params):
    return Aval((*_lead(a, b, q, r, e, s), *a.shape[-2:]), np.result_type(*(v.dtype for v in (a, b, q, r, e, s))))


@primitive(
    derivative=[_in_argument(name) for name in "abqres"],
    aval=_riccati_aval,
    batch=batch_of_matrices(lambda: _riccati),
    lower=Call(),
    name="riccati",
)
def _riccati(a, b, q, r, e, s, *, discrete, balanced, given):
    """The stabilising solution of an algebraic Riccati equation; `given` says whether e and s were."""
    solver = scipy_linalg("solve_discrete_are" if discrete else "solve_continuous_are")
    dtype = np.result_type(a, b, q, r, e, s)
    balanced = balanced and not given[0]  # where it balances, SciPy (1.17) forgets that e is balanced too

    def one(a, b, q, r, e, s):
        q, r = hermitian(q), hermitian(r)
        return solver(a, b, q, r, e if given[0] else None, s if given[1] else None, balanced)

    return over_stack(one, a, b, q, r, e, s, out=(a.shape[-2:], dtype))


def _asymmetry(x):
    """Where a matrix differs from its adjoint by more than rounding errors."""
    return absolute(x - adjoint(x)) > 100 * np.finfo(dtype_of(x)).eps * max_(absolute(x), (-2, -1), keepdims=True)


def _solve_are(name, a, b, q, r, e, s, balanced):
    a, b, q, r = (matrices(name, atleast_2d(as_value(x)))[0] for x in (a, b, q, r))
    m, n = shape_of(b)[-2:]
    given = (e is not None, s is not None)
    e = matrices(name, atleast_2d(as_value(e)))[0] if given[0] else np.eye(m, dtype=dtype_of(a))
    s = matrices(name, atleast_2d(as_value(s)))[0] if given[1] else np.zeros((m, n), dtype_of(a))
    sizes = {"a": (m, m), "b": (m, n), "q": (m, m), "r": (n, n), "e": (m, m), "s": (m, n)}
    xs = dict(zip(sizes, (a, b, q, r, e, s), strict=True))
    if any(shape_of(x)[-2:] != sizes[k] for k, x in xs.items()):
        raise _misfit(name, "sizes do not fit: a, e and q are (m, m), b and s are (m, n), r is (n, n)", **xs)
    for k, x in (("q", q), ("r", r)):
        if known(_asymmetry(x).any()):
            raise ValueError(f"Matrix {k} should be symmetric/hermitian.")
    dtype = linalg_dtype(*map(dtype_of, xs.values()))
    xs = {k: cast(x, dtype) for k, x in xs.items()}
    return _riccati(*xs.values(), discrete=name == "solve_discrete_are", balanced=bool(balanced), given=given)


def solve_continuous_are(a, b, q, r, e=None, s=None, balanced=True):
    """The stabilising solution `x` of the continuous-time algebraic Riccati equation.

    It is `a.T @ x + x @ a - x @ b @ inv(r) @ b.T @ x + q = 0` (with conjugates for complex matrices), or, with `e` and `s`,
    `e.T @ x @ a + a.T @ x @ e - (e.T @ x @ b + s) @ inv(r) @ (b.T @ x @ e + s.T) + q = 0`.

    Parameters
    ----------
    a : array of shape (..., m, m)
    b : array of shape (..., m, n)
    q : Hermitian array of shape (..., m, m)
    r : Hermitian nonsingular array of shape (..., n, n)
    e : nonsingular array of shape (..., m, m)
    s : array of shape (..., m, n)
    balanced : whether SciPy balances the matrix pencil first; never done where `e` is given

    Returns
    -------
    Hermitian array of shape (..., m, m)

    Raises
    ------
    LinAlgError
        There is no stabilising solution.
    ShapeError
        The sizes do not fit together.
    ValueError
        `q` or `r` is not Hermitian, `r` or `e` is singular, or an argument is not finite.

    Notes
    -----
    The derivative solves the Lyapunov equation that comes of differentiating the Riccati equation; of changes of `q` and `r`
    only the Hermitian part counts.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.solve_continuous_are(0.0, 1.0, 4.0, 1.0)
    array([[2.]])
    >>> cr.grad(lambda q: cr.linalg.solve_continuous_are(0.0, 1.0, q, 1.0).sum())(4.0).round(12)
    np.float64(0.25)
    """
    return _solve_are("solve_continuous_are", a, b, q, r, e, s, balanced)


def solve_discrete_are(a, b, q, r, e=None, s=None, balanced=True):
    """The stabilising solution `x` of the discrete-time algebraic Riccati equation.

    It is `a.T @ x @ a - x - (a.T @ x @ b) @ inv(r + b.T @ x @ b) @ (b.T @ x @ a) + q = 0` (with conjugates for complex
    matrices); with `e`, `e.T @ x @ e` stands for the second term, and with `s`, `a.T @ x @ b + s` in the third.

    Arguments, results and errors are those of `solve_continuous_are`; `r` may be singular.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.solve_discrete_are(0.0, 1.0, 4.0, 1.0).round(12)
    array([[4.]])
    """
    return _solve_are("solve_discrete_are", a, b, q, r, e, s, balanced)
