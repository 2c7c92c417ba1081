"""Eigenvalues and eigenvectors of general square matrices; equal eigenvalues are split, as in spectral.py."""

import warnings

import numpy as np

from ...core.aval import Aval
from ...core.derivative import Joint, zero
from ...core.lowering import Call
from ...core.primitive import primitive
from ...core.value import dtype_of, ndim_of, shape_of
from ...errors import RepeatedValuesWarning, explain
from ..elementwise import absolute, imag, real
from ..reduction import _max
from ..shaping import _sum, cast, expand
from .matrices import adjoint, batch_of_matrices, conj, known, product, square_matrix
from .spectral import _diagonal, _reciprocal, _with_diagonal
from .splitting import (
    can_split,
    clusters_of,
    decomposed,
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
from .systems import _inv

EigResult = type(np.linalg.eig(np.eye(1)))


def _complex_dtype(dtype):
    return np.dtype(dtype.char.upper())


def _eig_rates(w):
    apart = expand(w, (ndim_of(w) - 1,)) - expand(w, (ndim_of(w),))
    if not shape_of(w)[-1]:
        return apart
    size = absolute(w)
    n = ndim_of(w)
    largest = expand(_max(size, axes=(n - 1,)), (n - 1, n))
    equal = absolute(apart) <= tolerance(w) * largest
    return reciprocal(apart, equal, apart) if is_split(w) else _reciprocal(apart, equal)


def _eig_tangents(out, t):
    w, v = out
    inner = product(_inv(v, infinite=False), cast(t, dtype_of(v)), v)
    turn = _eig_rates(w) * inner
    dv = product(v, turn)
    stretch = real(_sum(conj(v) * dv, axes=(ndim_of(v) - 2,)))
    return [_diagonal(inner), dv - v * expand(stretch, (ndim_of(v) - 2,))]


def _eig_cotangent(out, g):
    (w, v), (gw, gv) = out, g
    inner, wholes = 0 if gw is None else _with_diagonal(gw), []
    if gv is not None:
        stretch = cast(real(_sum(conj(v) * gv, axes=(ndim_of(v) - 2,))), dtype_of(v))
        gv = gv - v * expand(stretch, (ndim_of(v) - 2,))
        wholes = [product(adjoint(v), gv)]
        inner = inner + conj(_eig_rates(w)) * wholes[0]
    total = product(adjoint(_inv(v, infinite=False)), inner, adjoint(v))
    return settled(total, *wholes) if is_split(w) else total


def _eig_avals(a, **params):
    return Aval(a.shape[:-1], _complex_dtype(a.dtype)), Aval(a.shape, _complex_dtype(a.dtype))


def _split_eig(a, *, order):
    """`_eig_split`, written down as steps where a program is being recorded."""
    if not written_down(a):
        return _eig_split(a, order=order)
    w, v = _eig(a, free=False)
    return split_in_program(w, _slopes_of_eig(w), order), v


@primitive(
    derivative=[zero],
    aval=lambda w: w,
    batch=lambda args, batched, params: _slopes_of_eig(*args),
    lower=Call(),
    name="slopes_of_eig",
)
def _slopes_of_eig(w):
    """How equal eigenvalues are split."""
    groups = clusters_of(w)
    return np.zeros_like(w) if groups is None else slopes_of(w, groups)


def _eig_push(args, tangents, params):
    out = _split_eig(*args, order=params.get("order", 0) + 1) if can_split() else _eig(*args, free=True)
    return out, _eig_tangents(out, regular(tangents[0], out[0]))


def _eig_record(args, active, params):
    out = _split_eig(*args, order=params.get("order", 0) + 1) if can_split() else _eig(*args, free=True)
    return out, list(out)


def _eig_pull(gs, kept, active, params):
    return [_eig_cotangent(kept, gs)]


def _look_for_defects(v):
    """Warn if vectors are as good as dependent: rounding alone is what keeps them apart."""
    if v.size and np.isfinite(v).all() and (np.linalg.cond(v) > 1e-2 / np.finfo(v.dtype).eps).any():
        message = explain(
            "eig: the matrix has too few eigenvectors (it is defective), so that they have no derivative",
            help="use cr.linalg.funm, expm, logm or sqrtm for functions of the matrix, or schur",
        )
        warnings.warn(message, RepeatedValuesWarning, stacklevel=3)


@primitive(
    derivative=[Joint(_eig_push, _eig_record, _eig_pull, keeps_results=True)],
    aval=_eig_avals,
    batch=batch_of_matrices(lambda: _split_eig),
    lower=Call(),
    series=decomposed(lambda: _split_eig, lambda: _eig_split),
    name="eig_split",
    several=True,
)
def _eig_split(a, *, order):
    """As `_eig`, for so many derivatives; equal eigenvalues are split."""
    w, v = _eig.row.evaluate(a, free=False)
    _look_for_defects(v)
    groups = clusters_of(w)
    return (w if groups is None else split(w, groups, order)), v


@primitive(
    derivative=[Joint(_eig_push, _eig_record, _eig_pull, keeps_results=True)],
    aval=_eig_avals,
    batch=batch_of_matrices(lambda: _eig),
    lower=Call(),
    name="eig",
    several=True,
)
def _eig(a, *, free):
    """Eigenvalues and right eigenvectors, always complex; free where derivatives will be taken in a recorded program."""
    w, v = np.linalg.eig(a)
    if free:
        _look_for_defects(v)
        if clusters_of(w) is not None:
            warn_of_equal("eig")
    dtype = _complex_dtype(a.dtype)
    return w.astype(dtype, copy=False), v.astype(dtype, copy=False)


ALWAYS_COMPLEX = np.linalg.eigvals(np.eye(1)).dtype.kind == "c"  # from NumPy 2.5 on, whatever the values


def _all_real(a, w):
    return not ALWAYS_COMPLEX and dtype_of(a).kind == "f" and bool(known((imag(w) == 0).all()))


def eig(a):
    """Eigenvalues and right eigenvectors of square matrices: `a @ v = v * w`.

    Parameters
    ----------
    a : array of shape (..., n, n)

    Returns
    -------
    EigResult, a named tuple of `eigenvalues` of shape (..., n), in no order, and `eigenvectors` of shape (..., n, n), the
    columns, of length 1. They are complex; with a NumPy before 2.5 as its own are, real if `a` is real and all eigenvalues
    are (in vmap, where that may differ between entries: complex).

    Raises
    ------
    LinAlgError
        `a` is not square or has elements that are not finite.

    Notes
    -----
    Eigenvectors are determined up to a factor of absolute value 1. The derivative is that in which v^H dv is 0 on the
    diagonal of what turns them, as in PyTorch; it is right for functions that do not depend on the factors,
    also where eigenvalues are equal (see `eigh`). A matrix that has not enough eigenvectors (it is defective) has no
    derivative: what is found is huge or not finite, and a `RepeatedValuesWarning` says so. `funm` has one there.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linalg.eig([[0.0, 1.0], [-1.0, 0.0]]).eigenvalues
    array([0.+1.j, 0.-1.j])
    """
    a = square_matrix("eig", a)
    if isinstance(a, np.ndarray):
        return np.linalg.eig(a)
    w, v = _eig(a, free=False)
    return EigResult(real(w), real(v)) if _all_real(a, w) else EigResult(w, v)


def eigvals(a):
    """Eigenvalues of square matrices, in no order; with a NumPy before 2.5, real if `a` and all of them are.

    >>> import chainrule as cr
    >>> cr.linalg.eigvals([[0.0, 2.0], [-2.0, 0.0]])
    array([0.+2.j, 0.-2.j])
    """
    a = square_matrix("eigvals", a)
    if isinstance(a, np.ndarray):
        return np.linalg.eigvals(a)
    w = _eig(a, free=False)[0]
    return real(w) if _all_real(a, w) else w
