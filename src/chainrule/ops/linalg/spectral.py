"""Eigenvalues of Hermitian matrices and singular values, and the vectors that belong to them.

Where such values are equal, any basis of the space that belongs to them would do. What is differentiated here are functions
that do not depend on the choice. A vector turns towards another one at the rate 1 / (difference of their values).

- Forward mode knows the direction in which the matrix moves, and so how the space will split: it takes the basis along which it
  does (perturbation theory of degenerate states). The rates within the space are then 0, and all smooth functions of values
  and vectors have right tangents.
- Reverse mode cannot know, nor is the first order enough for second derivatives. There equal values are split by a formal
  number (splitting.py), and everything is right, to any order.
- Bodies of loops are written down before there are values, and cannot split. Reverse mode takes a basis in general position
  there. Of a function such as v f(w) v^H the cotangents of w and v show the same matrix, once only its diagonal, once whole.
  `_within` completes the first by the second. This is exact as long as one such function, or any number that are symmetric in
  w or depend on the spaces alone, are differentiated at once.
"""

import functools

import numpy as np

from ...core.aval import Aval
from ...core.derivative import Joint, Pair, zero
from ...core.lowering import Call
from ...core.primitive import primitive
from ...core.value import Value, dtype_of, ndim_of, shape_of
from ..elementwise import absolute, real, where
from ..indexing import take_along_axis
from ..joining import concatenate
from ..reduction import _max
from ..shaping import _sum, cast, expand, flip, sum_to
from ..sorting import argsort
from .matrices import (
    adjoint,
    batch_of_matrices,
    masked,
    matrices,
    product,
    real_dtype,
    reflected,
    skew,
    split_gradient,
    square_matrix,
)
from .splitting import (
    can_split,
    decomposed,
    doubted,
    groups_of,
    is_split,
    reciprocal,
    regular,
    settled,
    slopes_of,
    split,
    split_in_program,
    tolerance,
    warn_of_equal,
    written_down,
)

EighResult = type(np.linalg.eigh(np.eye(1)))
SVDResult = type(np.linalg.svd(np.eye(1)))

# --- what is equal ----------------------------------------------------------------------------------------------------


def _differences(values):
    """values[j] - values[i], and where they count as equal."""
    n = ndim_of(values)
    apart = expand(values, (n - 1,)) - expand(values, (n,))
    largest = expand(_max(absolute(values), axes=(n - 1,)), (n - 1, n))
    return apart, absolute(apart) <= tolerance(values) * largest


def _reciprocal(x, skip):
    """1 / x, and 0 where it is to be skipped."""
    return where(skip, 0, 1 / where(skip, 1, x))


def _rates(values):
    """1 / (values[j] - values[i]), 0 where they are equal; and where off the diagonal they are."""
    if not shape_of(values)[-1]:
        none = np.zeros((*shape_of(values), 0), real_dtype(dtype_of(values)))
        return none, none != 0
    apart, equal = _differences(values)
    rates = reciprocal(apart, equal, apart) if is_split(values) else _reciprocal(apart, equal)
    return rates, equal & ~np.eye(shape_of(values)[-1], dtype=bool)


def _diagonal(x):
    n = shape_of(x)[-1]
    return _sum(masked(x, np.eye(n, dtype=bool)), axes=(ndim_of(x) - 1,))


def _with_diagonal(d):
    """A matrix with d on its diagonal."""
    return expand(d, (ndim_of(d),)) * np.eye(shape_of(d)[-1], dtype=dtype_of(d))


def _within(weights, whole, equal):
    """What a cotangent of values is off the diagonal, within spaces of equal ones.

    Its diagonal there, `weights`, is as far as it differs from its mean a multiple of that of the Hermitian matrix `whole`; the
    same multiple of the latter is taken off the diagonal.
    """
    if not isinstance(equal, Value) and not equal.any():
        return 0
    dtype = dtype_of(weights)
    block = cast(equal, dtype) + np.eye(shape_of(weights)[-1], dtype=dtype)
    share = block / expand(_sum(block, axes=(ndim_of(block) - 1,)), (ndim_of(block) - 1,))

    def around_mean(d):
        return d - _times_vector(share, d)

    level = real(_diagonal(whole))
    x, y = around_mean(weights), around_mean(level)
    power = _times_vector(block, y * y)
    size = _times_vector(block, level * level) + _sum(masked(absolute(whole) ** 2, equal), axes=(ndim_of(block) - 1,))
    none = power <= (100 * np.finfo(dtype).eps) ** 2 * size
    ratio = where(none, 0, _times_vector(block, x * y) / where(none, 1, power))
    return masked(expand(ratio, (ndim_of(ratio),)) * whole, equal)


def _times_vector(x, v):
    n = ndim_of(v)
    return _sum(x * expand(v, (n - 1,)), axes=(n,))


@functools.cache
def _general(m, n, char):
    """Some matrix whose eigenvectors are in general position to anything a user may think of."""
    i, j = np.arange(1, m + 1)[:, None], np.arange(1, n + 1)
    x = np.sin(1.7 * i * j + 0.3 * (i + j) ** 2)
    return (x + 1j * np.sin(0.9 * i * i - 1.1 * j * j + i - j) if char in "FD" else x).astype(char)


def _splitting(values, inner):
    """Unitary matrices that mix only vectors of equal values, and make the Hermitian `inner()` diagonal there. None if all
    values differ."""
    n = values.shape[-1]
    if n < 2:
        return None
    gaps = np.abs(np.diff(values, axis=-1))
    apart = gaps > tolerance(values) * np.abs(values).max(-1, keepdims=True)
    if apart.all():
        return None
    block = np.concatenate([np.zeros_like(apart[..., :1], int), np.cumsum(apart, axis=-1)], axis=-1)
    same = block[..., :, None] == block[..., None, :]
    inner = inner()
    scale = np.abs(inner).sum(-1).max(-1)[..., None] + (np.abs(inner).max((-2, -1)) == 0)[..., None]
    inner = inner / scale[..., None] * same
    # Far apart from each other, the blocks keep their order among the eigenvectors.
    inner = inner + (4.0 * block).astype(values.dtype)[..., None] * np.eye(n, dtype=values.dtype)
    turn = np.linalg.eigh(inner)[1]
    return turn * same


# --- Hermitian matrices -----------------------------------------------------------------------------------------------


def _eigh_avals(a, **params):
    return Aval(a.shape[:-1], real_dtype(a.dtype)), a


def _eigh_tangents(out, t, upper):
    w, v = out
    inner = product(adjoint(v), reflected(t, upper), v)
    rates, _ = _rates(w)
    return [real(_diagonal(inner)), product(v, rates * inner)]


def _eigh_cotangent(out, g, upper):
    (w, v), (gw, gv) = out, g
    rates, equal = _rates(w)
    inner, wholes = 0, []
    if gw is not None:
        gw = gw if gv is not None or can_split() else doubted("eigh", gw, w, symmetric=True)
        inner = inner + cast(_with_diagonal(gw), dtype_of(v))
    if gv is not None:
        whole = product(adjoint(v), gv)
        wholes = [whole]
        inner = inner + rates * skew(whole)
        if gw is not None and not is_split(w):
            inner = inner + _within(gw, (whole + adjoint(whole)) * 0.5, equal)
    total = product(v, inner, adjoint(v))
    return split_gradient(settled(total, *wholes) if is_split(w) else total, upper)


def _batch_along(row, core):
    def batch(args, batched, params):
        ndim = 1 + max(ndim_of(x) - b for x, b in zip(args, batched, strict=True))
        return row()(*(_pad(x, ndim) if b else x for x, b in zip(args, batched, strict=True)), **params)

    def _pad(x, ndim):
        return x if ndim_of(x) >= ndim else expand(x, tuple(range(1, 1 + ndim - ndim_of(x))))

    return batch


@primitive(
    derivative=[
        Pair(
            lambda t, out, upper: _doubted("eigh", _eigh_tangents(out, t, upper), out[0]),
            lambda g, out, upper, in_shape: sum_to(doubted("eigh", _eigh_cotangent(out, g, upper), out[0]), in_shape),
        ),
        zero,
    ],
    aval=lambda a, t, upper: _eigh_avals(Aval(np.broadcast_shapes(a.shape, t.shape), a.dtype)),
    batch=_batch_along(lambda: _eigh_along, 2),
    lower=Call(),
    name="eigh_along",
    several=True,
)
def _eigh_along(a, t, *, upper):
    """Eigenvalues and eigenvectors of the Hermitian a, where these are equal along those of t."""
    w, v = np.linalg.eigh(a, "U" if upper else "L")
    lead = np.broadcast_shapes(a.shape, t.shape)[:-2]
    w, v = np.broadcast_to(w, (*lead, w.shape[-1])), np.broadcast_to(v, (*lead, *v.shape[-2:]))
    if w.size:
        turn = _splitting(w, lambda: _adjoint_of(v) @ reflected(t, upper) @ v)
        v = v if turn is None else (v @ turn).astype(v.dtype, copy=False)
    return w, v


def _is_nested(*xs):
    """Whether derivatives of the derivative may be taken."""
    return any(isinstance(x, Value) and x.owner.carries_derivative(x) for x in xs)


def _doubted(name, found, values):
    """Derivatives of a derivative."""
    return [doubted(name, x, values) for x in found]


def _eigh_push(args, tangents, params):
    (a,), (t,) = args, tangents
    if can_split() and _is_nested(a, t):
        return _eigh_split_push(args, tangents, {"upper": params["upper"], "order": 0})
    if params["free"]:  # in a derivative that is itself differentiated
        out = _eigh(a, **params)
        return out, _doubted("eigh", _eigh_tangents(out, t, params["upper"]), out[0])
    out = _eigh_along(a, t, upper=params["upper"])
    return out, _eigh_tangents(out, t, params["upper"])


def _eigh_record(args, active, params):
    if can_split():
        return _eigh_split_record(args, active, {"upper": params["upper"], "order": 0})
    out = _eigh(*args, upper=params["upper"], free=True, vectors=params["vectors"])
    return out, list(out)


def _eigh_pull(gs, kept, active, params):
    found = [_eigh_cotangent(kept, gs, params["upper"])]
    return _doubted("eigh", found, kept[0]) if params.get("free") else found


@primitive(
    derivative=[Joint(_eigh_push, _eigh_record, _eigh_pull, keeps_results=True)],
    aval=_eigh_avals,
    batch=batch_of_matrices(lambda: _eigh),
    lower=Call(),
    name="eigh",
    several=True,
)
def _eigh(a, *, upper, free, vectors):
    """Eigenvalues in ascending order and eigenvectors of the Hermitian matrix of which a holds one triangle.

    Where eigenvalues are equal, the basis is NumPy's, or if it is free one in general position. `vectors`: if they are used.
    """
    if free:
        out = _eigh_along.row.evaluate(a, _general(*a.shape[-2:], a.dtype.char), upper=upper)
        if vectors and groups_of(out[0]) is not None:
            warn_of_equal("eigh")
        return out
    return tuple(np.linalg.eigh(a, "U" if upper else "L"))


def _split_eigh(a, *, upper, order):
    """`_eigh_split`, written down as steps where a program is being recorded."""
    if not written_down(a):
        return _eigh_split(a, upper=upper, order=order)
    w, v = _eigh(a, upper=upper, free=False, vectors=True)
    return split_in_program(w, _slopes_of_eigh(w), order), v


@primitive(
    derivative=[zero],
    aval=lambda w: w,
    batch=lambda args, batched, params: _slopes_of_eigh(*args),
    lower=Call(),
    name="slopes_of_eigh",
)
def _slopes_of_eigh(w):
    """How equal eigenvalues are split."""
    groups = groups_of(w)
    return np.zeros_like(w) if groups is None else slopes_of(w, groups)


def _eigh_split_push(args, tangents, params):
    out = _split_eigh(*args, upper=params["upper"], order=params["order"] + 1)
    return out, _eigh_tangents(out, regular(tangents[0], out[0]), params["upper"])


def _eigh_split_record(args, active, params):
    out = _split_eigh(*args, upper=params["upper"], order=params["order"] + 1)
    return out, list(out)


@primitive(
    derivative=[Joint(_eigh_split_push, _eigh_split_record, _eigh_pull, keeps_results=True)],
    aval=_eigh_avals,
    batch=batch_of_matrices(lambda: _split_eigh),
    lower=Call(),
    series=decomposed(lambda: _split_eigh, lambda: _eigh_split),
    name="eigh_split",
    several=True,
)
def _eigh_split(a, *, upper, order):
    """As `_eigh`, for so many derivatives; equal eigenvalues are split."""
    w, v = np.linalg.eigh(a, "U" if upper else "L")
    groups = groups_of(w)
    return (w if groups is None else split(w, groups, order)), v


def _is_upper(uplo):
    uplo = uplo.upper()
    if uplo not in ("L", "U"):
        raise ValueError("UPLO argument must be 'L' or 'U'")
    return uplo == "U"


def eigh(a, UPLO="L"):
    """Eigenvalues and eigenvectors of Hermitian matrices: `a @ v = v * w`.

    Parameters
    ----------
    a : array of shape (..., n, n); only one triangle is read
    UPLO : 'L' or 'U', which one

    Returns
    -------
    EighResult, a named tuple of `eigenvalues` of shape (..., n), ascending, and `eigenvectors` of shape (..., n, n), the
    columns

    Raises
    ------
    LinAlgError
        `a` is not square, or the iteration does not converge.

    Notes
    -----
    Eigenvectors are determined up to a factor of absolute value 1, a sign for real ones. The derivative is that in which
    they turn as little as they can (v^H dv has a zero diagonal), as in PyTorch; it is right for functions that do not depend
    on the factors.

    Where eigenvalues are equal, it also is for functions that do not depend on the choice of the basis, to any order and in
    both modes; others warn (`RepeatedValuesWarning`). In the bodies of compiled loops (`scan`, `while_loop`, `fori_loop`)
    reverse mode is right for functions that are symmetric in the equal eigenvalues, and for one function `v f(w) v^H` with
    f(w) other than 0; these warn where vectors take part, second derivatives always. See also `funm`.

    To that end the basis may be another one than NumPy's where a derivative is taken.

    The derivative is that of what is computed: in the triangle that is read (see `cholesky`).

    Examples
    --------
    >>> import chainrule as cr
    >>> w, v = cr.linalg.eigh([[2.0, 0.0], [0.0, 1.0]])
    >>> w
    array([1., 2.])
    >>> np.round(cr.grad(lambda a: (cr.linalg.eigh(a).eigenvalues ** 2).sum())(np.eye(2)), 12)
    array([[2., 0.],
           [0., 2.]])
    """
    return EighResult(*_eigh(square_matrix("eigh", a), upper=_is_upper(UPLO), free=False, vectors=True))


def eigvalsh(a, UPLO="L"):
    """Eigenvalues of Hermitian matrices, in ascending order; only one triangle of `a` is read.

    >>> import chainrule as cr
    >>> cr.linalg.eigvalsh([[2.0, 0.0], [0.0, 1.0]])
    array([1., 2.])
    """
    a, upper = square_matrix("eigvalsh", a), _is_upper(UPLO)
    return np.linalg.eigvalsh(a, UPLO) if isinstance(a, np.ndarray) else _eigh(a, upper=upper, free=False, vectors=False)[0]


# --- singular values --------------------------------------------------------------------------------------------------


def _svd_avals(a, full, **params):
    m, n = a.shape[-2:]
    k = min(m, n)
    p, q = (m, n) if full else (k, k)
    lead = a.shape[:-2]
    return Aval((*lead, m, p), a.dtype), Aval((*lead, k), real_dtype(a.dtype)), Aval((*lead, q, n), a.dtype)


def _svd_rates(s):
    """1 / (s[j] - s[i]), 1 / (s[i] + s[j]), 1 / s, with 0 for infinite ones; and where off the diagonal s[i] = s[j] > 0."""
    rates, equal = _rates(s)
    n = ndim_of(s)
    largest = expand(_max(s, axes=(n - 1,)), (n - 1,)) if shape_of(s)[-1] else s
    none = s <= tolerance(s) * largest
    total = expand(s, (n - 1,)) + expand(s, (n,))
    both_none = expand(none, (n - 1,)) & expand(none, (n,))
    if is_split(s):
        return rates, reciprocal(total, both_none, total), reciprocal(s, none, s), equal
    return rates, _reciprocal(total, both_none), _reciprocal(s, none), equal & ~both_none


def _svd_tangents(out, t):
    u, s, vh = out
    k = shape_of(s)[-1]
    first, second = u[..., :k], adjoint(vh[..., :k, :])
    rates, sums, inverse, _ = _svd_rates(s)
    inner = product(adjoint(first), t, second)
    common, opposed = rates * (inner + adjoint(inner)), sums * (inner - adjoint(inner))
    over = expand(inverse, (ndim_of(s) - 1,))
    du = product(first, (common + opposed) * 0.5) + _leaving(first, product(t, second) * over)
    dv = product(second, (common - opposed) * 0.5) + _leaving(second, product(adjoint(t), first) * over)
    du = _with_rest(du, u[..., k:], first)
    dv = _with_rest(dv, adjoint(vh[..., k:, :]), second)
    return [du, real(_diagonal(inner)), adjoint(dv)]


def _leaving(q, x):
    """The part of x that is orthogonal to the columns of q; a square q has none."""
    return x - product(q, product(adjoint(q), x)) if shape_of(q)[-1] < shape_of(q)[-2] else 0 * x


def _with_rest(dq, rest, q):
    """Tangents of the vectors that complete a basis: they turn only as the others lean into them."""
    if not shape_of(rest)[-1]:
        return dq
    return concatenate([dq, -product(q, adjoint(product(adjoint(rest), dq)))], -1)


def _svd_cotangent(out, g):
    (u, s, vh), (gu, gs, gvh) = out, g
    k = shape_of(s)[-1]
    first, second = u[..., :k], adjoint(vh[..., :k, :])
    rates, sums, inverse, equal = _svd_rates(s)
    over = expand(inverse, (ndim_of(s) - 1,))
    if gs is not None and gu is None and gvh is None and not can_split():
        gs = doubted("svd", gs, s, symmetric=True)
    inner = 0 if gs is None else cast(_with_diagonal(gs), dtype_of(u))
    if gu is None and gvh is None:
        total = product(first, inner, adjoint(second))
        return settled(total) if is_split(s) else total
    gu = _without_rest(0 * u if gu is None else gu, u[..., k:], first)
    gv = _without_rest(adjoint(0 * vh if gvh is None else gvh), adjoint(vh[..., k:, :]), second)
    left, right = product(adjoint(first), gu), product(adjoint(second), gv)
    whole = left + right
    inner = inner + rates * skew(whole) + sums * skew(left - right)
    if gs is not None and not is_split(s):
        inner = inner + _within(gs, (whole + adjoint(whole)) * 0.25, equal)
    outer = product(_leaving(first, gu) * over, adjoint(second)) + product(first, adjoint(_leaving(second, gv) * over))
    total = product(first, inner, adjoint(second)) + outer
    return settled(total, left, right) if is_split(s) else total


def _without_rest(g, rest, q):
    """The transpose of `_with_rest`."""
    k = shape_of(q)[-1]
    if not shape_of(rest)[-1]:
        return g
    return g[..., :k] - product(rest, adjoint(product(adjoint(q), g[..., k:])))


@primitive(
    derivative=[
        Pair(
            lambda t, out: _doubted("svd", _svd_tangents(out, t), out[1]),
            lambda g, out, in_shape: sum_to(doubted("svd", _svd_cotangent(out, g), out[1]), in_shape),
        ),
        zero,
    ],
    aval=lambda a, t, full: _svd_avals(Aval(np.broadcast_shapes(a.shape, t.shape), a.dtype), full),
    batch=_batch_along(lambda: _svd_along, 2),
    lower=Call(),
    name="svd_along",
    several=True,
)
def _svd_along(a, t, *, full):
    """Singular value decomposition of a, where singular values are equal along that of t."""
    lead = np.broadcast_shapes(a.shape, t.shape)[:-2]
    u, s, vh = np.linalg.svd(a, full)
    if s.size and (s[..., -1] <= tolerance(s) * s[..., 0]).any():  # what is mapped to 0 has to be known completely
        u, s, vh = np.linalg.svd(a, True)
    u, s, vh = (np.array(np.broadcast_to(x, (*lead, *x.shape[a.ndim - 2 :]))) for x in (u, s, vh))
    k = s.shape[-1]
    if s.size:
        turn = _splitting(s, lambda: _hermitian_part(_adjoint_of(u[..., :k]) @ t @ _adjoint_of(vh[..., :k, :])))
        if turn is not None:
            u[..., :k] = u[..., :k] @ turn
            vh[..., :k, :] = _adjoint_of(turn) @ vh[..., :k, :]
        _split_kernel(u, s, vh, t)
    return (u, s, vh) if full else (u[..., :k], s, vh[..., :k, :])


def _adjoint_of(x):
    return np.conj(np.swapaxes(x, -1, -2))


def _hermitian_part(x):
    return (x + _adjoint_of(x)) / 2


def _split_kernel(u, s, vh, t):
    """Turn, in place, the vectors of singular value 0 so that the direction t is diagonal and not negative between them."""
    rank = (s > tolerance(s) * s[..., :1]).sum(-1)
    t = np.broadcast_to(t, (*rank.shape, *t.shape[-2:]))
    for i in np.ndindex(rank.shape):
        r = rank[i]
        if r < s.shape[-1]:
            left, right = u[i][:, r:], vh[i][r:]
            p, _, q = np.linalg.svd(_adjoint_of(left) @ t[i] @ _adjoint_of(right))
            u[i][:, r:], vh[i][r:] = left @ p, q @ right


def _svd_push(args, tangents, params):
    (a,), (t,) = args, tangents
    if can_split() and _is_nested(a, t):
        return _svd_split_push(args, tangents, {"full": params["full"], "order": 0})
    if params["free"]:  # in a derivative that is itself differentiated
        out = _svd(a, **params)
        return out, _doubted("svd", _svd_tangents(out, t), out[1])
    out = _svd_along(a, t, full=params["full"])
    return out, _svd_tangents(out, t)


def _svd_record(args, active, params):
    if can_split():
        return _svd_split_record(args, active, {"full": params["full"], "order": 0})
    out = _svd(*args, full=params["full"], free=True, vectors=params["vectors"])
    return out, list(out)


def _svd_pull(gs, kept, active, params):
    found = [_svd_cotangent(kept, gs)]
    return _doubted("svd", found, kept[1]) if params.get("free") else found


def _split_svd(a, *, full, order):
    """`_svd_split`, written down as steps where a program is being recorded."""
    if not written_down(a):
        return _svd_split(a, full=full, order=order)
    u, s, vh = _svd(a, full=full, free=False, vectors=True)
    square = shape_of(a)[-1] == shape_of(a)[-2] and dtype_of(a).kind != "c"
    return u, split_in_program(s, _slopes_of_svd(s, square=square), order), vh


def _groups_of_svd(s, square):
    groups = groups_of(s)
    if s.size and not square:  # one of 0 is not alone then
        none = s <= tolerance(s) * s[..., :1]
        if none.any():
            groups = np.where(none, s.shape[-1], -1 if groups is None else groups)
    return groups


@primitive(
    derivative=[zero],
    aval=lambda s, square: s,
    batch=lambda args, batched, params: _slopes_of_svd(*args, **params),
    lower=Call(),
    name="slopes_of_svd",
)
def _slopes_of_svd(s, *, square):
    """How equal singular values are split, and those of 0 made positive."""
    groups = _groups_of_svd(s, square)
    return np.zeros_like(s) if groups is None else slopes_of(s, groups, rising=False)


def _svd_split_push(args, tangents, params):
    out = _split_svd(*args, full=params["full"], order=params["order"] + 1)
    return out, _svd_tangents(out, regular(tangents[0], out[1]))


def _svd_split_record(args, active, params):
    out = _split_svd(*args, full=params["full"], order=params["order"] + 1)
    return out, list(out)


@primitive(
    derivative=[Joint(_svd_split_push, _svd_split_record, _svd_pull, keeps_results=True)],
    aval=_svd_avals,
    batch=batch_of_matrices(lambda: _split_svd),
    lower=Call(),
    series=decomposed(lambda: _split_svd, lambda: _svd_split),
    name="svd_split",
    several=True,
)
def _svd_split(a, *, full, order):
    """As `_svd`, for so many derivatives; equal singular values are split, and those of 0 are made positive."""
    u, s, vh = np.linalg.svd(a, full)
    groups = _groups_of_svd(s, a.shape[-1] == a.shape[-2] and a.dtype.kind != "c")
    return u, (s if groups is None else split(s, groups, order, rising=False)), vh


@primitive(
    derivative=[Joint(_svd_push, _svd_record, _svd_pull, keeps_results=True)],
    aval=_svd_avals,
    batch=batch_of_matrices(lambda: _svd),
    lower=Call(),
    name="svd",
    several=True,
)
def _svd(a, *, full, free, vectors):
    """Left singular vectors, singular values in descending order, adjoint of the right singular vectors.

    Where singular values are equal, the basis is NumPy's, or if it is free one in general position.
    """
    if free:
        out = _svd_along.row.evaluate(a, _general(*a.shape[-2:], a.dtype.char), full=full)
        if vectors and groups_of(out[1]) is not None:
            warn_of_equal("svd")
        return out
    return tuple(np.linalg.svd(a, full))


def svd(a, full_matrices=True, compute_uv=True, hermitian=False):
    """Singular value decomposition: `a = u @ diag(s) @ vh`, with orthonormal columns of `u` and rows of `vh`.

    Parameters
    ----------
    a : array of shape (..., m, n)
    full_matrices : complete `u` and `vh` to square matrices; else they have k = min(m, n) columns and rows
    compute_uv : whether to give the vectors too, or `s` alone
    hermitian : whether `a` is Hermitian; then only its lower triangle is read, and the method is that of `eigh`

    Returns
    -------
    SVDResult, a named tuple of `U`, `S` (descending) and `Vh`; without `compute_uv` the array `S`

    Notes
    -----
    A pair of singular vectors is determined up to a common factor of absolute value 1. The derivative is that in which pairs
    turn as little as they can, as in PyTorch; it is right for functions that do not depend on the factors, nor on the choice
    of the vectors that complete a basis. For equal singular values, and those of 0, the same holds as for equal eigenvalues,
    see `eigh`.

    Examples
    --------
    >>> import chainrule as cr
    >>> u, s, vh = cr.linalg.svd(np.array([[3.0, 0.0], [0.0, 4.0], [0.0, 0.0]]))
    >>> u.shape, s, vh.shape
    ((3, 3), array([4., 3.]), (2, 2))
    """
    (a,) = matrices("svd", a)
    if hermitian:
        return _svd_of_hermitian(square_matrix("svd", a), compute_uv)
    if compute_uv:
        return SVDResult(*_svd(a, full=bool(full_matrices), free=False, vectors=True))
    return (
        np.linalg.svd(a, compute_uv=False) if isinstance(a, np.ndarray) else _svd(a, full=False, free=False, vectors=False)[1]
    )


def _svd_of_hermitian(a, compute_uv):
    if not compute_uv:
        return flip(_sorted(absolute(eigvalsh(a))), -1)
    w, u = eigh(a)
    size = absolute(w)
    order = flip(argsort(size), -1)
    s, u = take_along_axis(size, order, -1), take_along_axis(u, expand(order, (ndim_of(order) - 1,)), -1)
    turned = cast(where(take_along_axis(w, order, -1) < 0, -1, 1), dtype_of(u))
    return SVDResult(u, s, adjoint(u * expand(turned, (ndim_of(turned) - 1,))))


def _sorted(x):
    return take_along_axis(x, argsort(x), -1)


def svdvals(x, /, hermitian=False):
    """Singular values, in descending order; of a Hermitian matrix from its lower triangle alone.

    >>> import chainrule as cr
    >>> cr.linalg.svdvals(np.array([[3.0, 0.0], [0.0, 4.0]]))
    array([4., 3.])
    """
    return svd(x, compute_uv=False, hermitian=hermitian)
