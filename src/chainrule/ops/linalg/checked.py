"""Decompositions that say where they failed, instead of raising: PyTorch's `cholesky_ex` and `inv_ex`."""

from typing import Any, NamedTuple

import numpy as np

from ...core.dispatch import written
from ...core.value import Value, dtype_of, shape_of
from ..shaping import as_value
from .factorizations import cholesky
from .systems import inv


class Checked(NamedTuple):
    """A decomposition, and for each matrix 0, or where it failed. As PyTorch calls the first: `L` or `inverse`."""

    result: Any
    info: Any

    @property
    def L(self):
        return self[0]

    @property
    def inverse(self):
        return self[0]


def cholesky_ex(a, *, upper=False, check_errors=False, out=None):
    """The Cholesky factor of `a`, and for each matrix 0, or the order of the first leading minor that is not positive.

    The matrices that failed leave a result of NaN. While a program is compiled nothing may fail, nor in its later runs.

    Parameters
    ----------
    a : array of shape (..., n, n)
    upper : give the upper triangular factor
    check_errors : raise a LinAlgError after all
    out : None, or two Tensors that the results are written into

    >>> import chainrule as cr
    >>> cr.linalg.cholesky_ex(np.array([[4.0, 0.0], [0.0, -1.0]])).info
    array(2, dtype=int32)
    """
    found = _checked(lambda x: cholesky(x, upper=upper), as_value(a), check_errors, _minor)
    return found if out is None else Checked(*map(written, out, found))


def inv_ex(a, *, check_errors=False):
    """The inverse of `a`, and for each matrix 0, or 1 where it is singular, which leaves a result of NaN.

    >>> import chainrule as cr
    >>> cr.linalg.inv_ex(np.diag([4.0, 0.0])).info
    array(1, dtype=int32)
    """
    return _checked(inv, as_value(a), check_errors, lambda f, x: 1)


def _minor(f, x):
    """The order of the first leading minor of which there is no factor."""
    return next(k for k in range(1, len(x) + 1) if _fails(f, x[:k, :k]))


def _fails(f, x):
    try:
        f(x)
    except np.linalg.LinAlgError:
        return True
    return False


def _checked(f, a, check_errors, where):
    shape, made = shape_of(a)[:-2], a.owner.constant if isinstance(a, Value) else np.asarray
    try:
        return Checked(f(a), made(np.zeros(shape, np.int32)))
    except np.linalg.LinAlgError:
        if check_errors:
            raise
    while not isinstance(a, np.ndarray):
        a = a.value
    info, result = np.zeros(shape, np.int32), np.full(a.shape, np.nan, dtype_of(a))
    for i in np.ndindex(shape):
        if _fails(f, a[i]):
            info[i] = where(f, a[i])
        else:
            result[i] = f(a[i])
    return Checked(made(result), made(info))
