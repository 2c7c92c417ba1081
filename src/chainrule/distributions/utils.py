"""What distributions share: parameters as Tensors of one dtype and shape, probabilities and their logits."""

import numpy as np

from ..core.dispatch import state
from ..core.value import Value
from ..creation import asarray
from ..ops import broadcast_arrays, clip, log, log1p, where
from ..ops.activation import sigmoid
from ..ops.log_sums import log_softmax, softmax
from ..ops.shaping import cast
from ..tensor import Tensor

__all__ = [
    "broadcast_all", "clamp_probs", "lazy_property", "logits_to_probs", "numbers", "probs_to_logits", "sum_rightmost",
    "tensors", "tril_matrix_to_vec", "vec_to_tril_matrix",
]  # fmt: skip


def tensors(*values):
    """Real Tensors of one floating dtype: that of the arrays among `values`, float64 if all are numbers or integers."""
    own = [v.dtype for v in values if isinstance(v, (Value, np.ndarray, np.generic))]
    dtype = np.result_type(*own) if own else np.dtype(float)
    if dtype.kind == "c":
        raise TypeError("parameters of distributions must be real, found complex ones")
    return [asarray(v, dtype if dtype.kind == "f" else np.dtype(float)) for v in values]


def broadcast_all(*values):
    """As `tensors`, of one shape too.

    >>> from chainrule.distributions.utils import broadcast_all
    >>> broadcast_all(0.0, [1.0, 2.0])
    (tensor([0., 0.]), tensor([1., 2.]))
    """
    return tuple(broadcast_arrays(*tensors(*values)))


class lazy_property:
    """A property that a value set on the object replaces. It is computed whenever it is asked for: what is kept from inside of
    a transform would be of no use outside."""

    def __init__(self, wrapped):
        self.wrapped, self.__doc__ = wrapped, wrapped.__doc__

    def __get__(self, instance, owner=None):
        return self if instance is None else self.wrapped(instance)


def numbers(x):
    """The numbers of `x`, below all transforms; None inside of a body that is written down without computing."""
    if state.abstract:
        return None
    while isinstance(x, Value):
        x = x.value
    return np.asarray(x)


def sum_rightmost(x, n):
    """`x` summed over its last `n` axes."""
    return x.sum(tuple(range(-n, 0))) if n else x


# --- probabilities ----------------------------------------------------------------------------------------------------


def clamp_probs(probs):
    """Probabilities kept the dtype's resolution away from 0 and 1."""
    eps = float(np.finfo(probs.dtype).eps)
    return clip(probs, eps, 1 - eps)


def log_of_probs(probs):
    """Logarithms of probabilities, -inf for 0."""
    never = probs == 0
    return where(never, -np.inf, log(where(never, 1, probs)))


def probs_to_logits(probs, is_binary=False):
    """Logarithms of probabilities; with `is_binary`, log-odds.

    >>> import chainrule as cr
    >>> cr.distributions.utils.probs_to_logits(cr.tensor([0.5]), is_binary=True)
    tensor([0.])
    """
    probs = clamp_probs(probs)
    return log(probs) - log1p(-probs) if is_binary else log(probs)


def logits_to_probs(logits, is_binary=False):
    """The inverse of `probs_to_logits`, made to add up to 1.

    >>> import chainrule as cr
    >>> cr.distributions.utils.logits_to_probs(cr.tensor([0.0, 0.0]))
    tensor([0.5, 0.5])
    """
    return sigmoid(logits) if is_binary else softmax(logits, -1)


def normalized(probs=None, logits=None):
    """One of `probs` and `logits`, the other being None, such that the probabilities along the last axis add up to 1."""
    if probs is not None:
        (probs,) = tensors(probs)
        return {"probs": probs / probs.sum(-1, keepdims=True)}
    (logits,) = tensors(logits)
    return {"logits": log_softmax(logits, -1)}


# --- triangles --------------------------------------------------------------------------------------------------------


def tril_matrix_to_vec(mat, diag=0):
    """The entries of a lower triangle, row by row, as vectors; `diag` is that of the triangle's edge.

    >>> import chainrule as cr
    >>> cr.distributions.utils.tril_matrix_to_vec(cr.tensor([[1.0, 0.0], [2.0, 3.0]]))
    tensor([1., 2., 3.])
    """
    return mat[(..., *np.tril_indices(mat.shape[-1], diag))]


def vec_to_tril_matrix(vec, diag=0):
    """The inverse of `tril_matrix_to_vec`.

    >>> import chainrule as cr
    >>> cr.distributions.utils.vec_to_tril_matrix(cr.tensor([1.0, 2.0, 3.0]))
    tensor([[1., 0.],
            [2., 3.]])
    """
    n = round((-(1 + 2 * diag) + ((1 + 2 * diag) ** 2 + 8 * vec.shape[-1] + 4 * abs(diag) * (diag + 1)) ** 0.5) / 2)
    places = np.zeros((n, n), int)
    inside = np.tril_indices(n, diag)
    places[inside] = np.arange(len(inside[0]))
    return vec[..., places] * np.tri(n, k=diag, dtype=vec.dtype)


def one_hot(indices, n, dtype):
    """Vectors of `n` entries with a 1 at `indices`."""
    return cast(indices[..., None] == np.arange(n), dtype)


def full(shape, value, like) -> Tensor:
    """A Tensor with one value, in the dtype of `like`."""
    return asarray(np.full(shape, value, like.dtype))
