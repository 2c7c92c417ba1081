"""Any function of one triangular matrix, from its Taylor series where eigenvalues lie close together, and from differences
between what lies apart (Davies and Higham, A Schur-Parlett algorithm for computing matrix functions, 2003).
"""

import numpy as np

from ...core.dispatch import state
from ...core.value import Value
from ...errors import LostDerivativeError, NonDifferentiableError, explain
from .stacks import scipy_linalg

CLOSE = 0.15  # eigenvalues belong together if they are closer than this part of what the function takes to change
FEW, MANY = 8, 160  # coefficients to begin with, and at most


def taylor(f, at, count):
    """Taylor coefficients of `f`, elementwise, at the numbers `at`: an array of shape (count + 1, len(at))."""
    x = state.expansion.series({0: at, 1: np.ones_like(at)}, count)
    with np.errstate(all="ignore"):
        out = f(x)
    if isinstance(out, Value) and out.owner is not state.expansion:
        raise LostDerivativeError(
            explain(
                "funm: the function depends on Tensors that carry a derivative",
                help="its derivative is that in the matrix alone: use numbers, or compose expm, logm, sqrtm and products",
            )
        )
    if not isinstance(out, (Value, np.ndarray, np.generic, int, float, complex)):
        raise NonDifferentiableError(
            explain(
                "funm: the function must give an array", f"found: {type(out).__name__}", help="write it with NumPy's functions"
            )
        )
    terms, _ = state.expansion.terms(out if isinstance(out, Value) else np.asarray(out))
    return np.stack([np.broadcast_to(terms.get(k, 0), at.shape).astype(complex) for k in range(count + 1)])


def function_of_matrix(a, f):
    """The complex f(a) of one matrix."""
    if not len(a):
        return np.zeros(a.shape, complex)
    t, z = scipy_linalg("schur")(a.astype(complex), output="complex")
    groups = _groups(np.diag(t), taylor(f, np.diag(t).copy(), FEW))
    t, z, ends = _ordered(t, z, groups)
    with np.errstate(all="ignore"):
        return z @ _of_triangular(t, f, ends) @ z.conj().T


def _groups(w, jets):
    """Numbers of groups of eigenvalues that lie together, judged by how fast the function changes there."""
    sizes = np.abs(jets)
    with np.errstate(all="ignore"):
        lengths = [(sizes[1] / sizes[k]) ** (1 / (k - 1)) for k in range(2, len(sizes))]
    length = np.nanmin([np.where(np.isfinite(x), x, np.inf) for x in lengths], axis=0)
    scale = np.abs(w).max() + (np.abs(w).max() == 0)
    reach = CLOSE * np.minimum(np.minimum(length[:, None], length), scale)
    close = np.abs(w[:, None] - w) <= np.maximum(reach, 64 * np.finfo(float).eps * scale)
    for _ in range(len(w).bit_length()):
        close = (close.astype(int) @ close) > 0
    return close.argmax(1)


def _ordered(t, z, groups):
    """A Schur form with the members of each group side by side, and where its groups end."""
    exchange = scipy_linalg("lapack").ztrexc
    order, groups = list(dict.fromkeys(groups.tolist())), groups.tolist()
    place = 0
    for g in order:
        for i in range(place, len(groups)):
            if groups[i] == g:
                if i != place:
                    t, z, _ = exchange(t, z, i + 1, place + 1)
                    groups.insert(place, groups.pop(i))
                place += 1
    ends = [i + 1 for i in range(len(groups)) if i + 1 == len(groups) or groups[i] != groups[i + 1]]
    return t, z, ends


def _of_triangular(t, f, ends):
    out, solve = np.diag(taylor(f, np.diag(t).copy(), 0)[0]), scipy_linalg("lapack").ztrsyl
    cuts = [slice(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True)]
    for s in cuts:
        if s.stop > s.start + 1:
            out[s, s] = _of_group(t[s, s], f)
    for apart in range(1, len(cuts)):
        for i in range(len(cuts) - apart):
            p, q = cuts[i], cuts[i + apart]
            right = out[p, p] @ t[p, q] - t[p, q] @ out[q, q]
            for k in cuts[i + 1 : i + apart]:
                right += out[p, k] @ t[k, q] - t[p, k] @ out[k, q]
            found, scale, _ = solve(t[p, p], t[q, q], right, isgn=-1)
            out[p, q] = found / scale
    return out


def _of_group(t, f):
    """Taylor's series at the mean of the eigenvalues, as far as it goes on mattering."""
    n = len(t)
    middle = np.diag(t).mean(keepdims=True)
    shift = t - middle * np.eye(n)
    count = n + FEW
    while True:
        jets = taylor(f, middle, count)[:, 0]
        total, power, small = jets[0] * np.eye(n, dtype=complex), np.eye(n, dtype=complex), 0
        for k in range(1, count + 1):
            power = power @ shift
            term = jets[k] * power if power.any() else 0 * power
            total = total + term
            small = small + 1 if np.abs(term).max() <= np.finfo(float).eps / 4 * np.abs(total).max() else 0
            # What is nilpotent may grow before it vanishes: the last n terms have to be small.
            if small >= n or not power.any():
                return total
        if count >= MANY or not np.isfinite(total).all():
            return total
        count = min(2 * count, MANY)
