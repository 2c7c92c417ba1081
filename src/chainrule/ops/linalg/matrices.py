"""What the files of linear algebra share: which matrices and dtypes they take, adjoints, products, masks."""

import math

import numpy as np
from numpy.linalg import LinAlgError

from ...core.value import dtype_of, ndim_of, shape_of
from ...errors import ArgumentError, LostDerivativeError, explain
from ..contraction import _adjoint, _matmul
from ..elementwise import conjugate, real, where
from ..shaping import as_value, cast, pad_front, swapaxes

DTYPES = frozenset("fdFD")  # what LAPACK computes in


def linalg_dtype(*dtypes):
    """The dtype that NumPy's linear algebra gives for arguments of these dtypes; whole numbers count as float64."""
    for d in dtypes:
        if d.char not in DTYPES and d.kind not in "biu":
            raise TypeError(f"array type {d.name} is unsupported in linalg")
    return np.result_type(*(np.float64 if d.kind in "biu" else d for d in dtypes))


def real_dtype(dtype):
    """float32 for complex64, float64 for complex128."""
    return np.dtype(dtype.char.lower())


def matrices(name, *xs):
    """Arguments as arrays of one dtype of LAPACK, with two axes or more."""
    xs = tuple(as_value(x) for x in xs)
    for x in xs:
        if ndim_of(x) < 2:
            raise LinAlgError(
                explain(
                    f"{ndim_of(x)}-dimensional array given. Array must be at least two-dimensional",
                    f"{name} of {dtype_of(x)} {shape_of(x)}",
                    help="use reshape or x[..., None] to make it a matrix",
                )
            )
    dtype = linalg_dtype(*map(dtype_of, xs))
    return tuple(cast(x, dtype) for x in xs)


def check_square(name, *xs):
    for x in xs:
        n, m = shape_of(x)[-2:]
        if n != m:
            raise LinAlgError(
                explain(
                    "Last 2 dimensions of the array must be square",
                    f"{name} of {dtype_of(x)} {shape_of(x)}",
                    help="pinv and lstsq take matrices of any shape",
                )
            )


def square_matrix(name, x):
    """An array of square matrices of a dtype of LAPACK."""
    (x,) = matrices(name, x)
    check_square(name, x)
    return x


# --- arithmetic on the last two axes --------------------------------------------------------------------------------


def transposed(x):
    """The last two axes exchanged."""
    return swapaxes(x, -1, -2)


def adjoint(x):
    """The last two axes exchanged, and conjugated."""
    return _adjoint(x)


def conj(x):
    return conjugate(x) if dtype_of(x).kind == "c" else x


def product(*xs):
    """Matrix product of two or more factors, from left to right."""
    out = xs[0]
    for x in xs[1:]:
        out = _matmul(out, x)
    return out


def hermitian(x):
    """Half of x and its adjoint."""
    return (x + adjoint(x)) * 0.5


def skew(x):
    """Half of x and minus its adjoint."""
    return (x - adjoint(x)) * 0.5


def masked(x, mask):
    """x where the mask of its last axes holds, else 0."""
    return where(mask, x, np.zeros((), dtype_of(x))[()])


def lower_part(x, k=0):
    """x with zeros above its k-th diagonal."""
    rows, columns = shape_of(x)[-2:]
    return masked(x, np.tri(rows, columns, k, dtype=bool))


def upper_part(x, k=0):
    """x with zeros below its k-th diagonal."""
    rows, columns = shape_of(x)[-2:]
    return masked(x, ~np.tri(rows, columns, k - 1, dtype=bool))


def leading(shape):
    """The batch axes of an array of matrices."""
    return shape[:-2]


def count(shape):
    """How many matrices an array of this shape holds."""
    return math.prod(shape[:-2])


def batch_of_matrices(row):
    """A batch rule: the op takes any number of leading axes, which broadcast."""

    def batch(args, batched, params):
        ndim = 1 + max(ndim_of(x) - b for x, b in zip(args, batched, strict=True))
        return row()(*(pad_front(x, ndim) if b else x for x, b in zip(args, batched, strict=True)), **params)

    return batch


# --- Hermitian matrices of which one triangle is read ---------------------------------------------------------------------


def reflected(a, upper=False):
    """The Hermitian matrix of which `a` holds one triangle. Nothing else is read, nor what is imaginary on the diagonal."""
    n = shape_of(a)[-1]
    below = np.tri(n, k=-1, dtype=bool)
    part = masked(a, below.T if upper else below)
    middle = masked(a, np.eye(n, dtype=bool))
    middle = cast(real(middle), dtype_of(a)) if dtype_of(a).kind == "c" else middle
    return part + adjoint(part) + middle


def split_gradient(g, upper=False):
    """The transpose of `reflected`: what a cotangent of the whole Hermitian matrix is for the triangle that is read."""
    n = shape_of(g)[-1]
    below = np.tri(n, k=-1, dtype=bool)
    both = g + adjoint(g)
    return masked(both, below.T if upper else below) + masked(cast(real(both), dtype_of(g)) * 0.5, np.eye(n, dtype=bool))


def known(condition):
    """Whether a condition on values holds; None where these are not known, or differ from entry to entry of a batch."""
    try:
        return bool(condition)
    except (ArgumentError, LostDerivativeError):
        return None
