"""PyTorch's names for what NumPy calls otherwise, so that `import chainrule as torch` goes a long way."""

import builtins
import math

import numpy as _np

from .. import linalg as _linalg, numpy_views as _views, ops as _ops, special as _special
from ..core.value import shape_of as _shape_of
from ..tensor import Tensor as _Tensor
from ..transforms.scope import (
    inference_mode as inference_mode,
    is_inference_mode_enabled as is_inference_mode_enabled,
    set_grad_enabled as set_grad_enabled,
)
from . import (
    arithmetic as arithmetic,
    arrays as arrays,
    counting as counting,
    drawing as drawing,
    environment as environment,
    foreach as foreach,
    keywords as keywords,
    settings as settings,
    spectra as spectra,
)
from .arithmetic import *
from .arrays import *
from .counting import *
from .drawing import *
from .environment import *
from .settings import *
from .spectra import *

__all__ = [
    *arithmetic.__all__, *arrays.__all__, *counting.__all__, *drawing.__all__, *environment.__all__, *settings.__all__,
    *spectra.__all__,
    "adjoint", "bmm", "cat", "cdouble", "cfloat", "cholesky", "cholesky_inverse", "cholesky_solve", "clamp", "conj_physical",
    "det", "double", "eig", "eq", "float", "floor_divide", "ge", "ger", "gt", "half", "igamma", "igammac",
    "inference_mode", "int", "inverse", "is_inference_mode_enabled",
    "is_tensor", "kthvalue", "le", "lgamma", "long", "lt", "matrix_exp",
    "matrix_power", "mm", "msort", "mul", "mv", "mvlgamma", "narrow_copy", "ne", "neg", "numel", "permute", "pinverse",
    "qr", "set_grad_enabled", "short", "slogdet", "svd", "swapdims", "trapz", "triangular_solve", "unbind", "unsafe_chunk",
]  # fmt: skip

# Functions of `nn.functional` that PyTorch has under its own name too.
_FUNCTIONAL = """
    adaptive_avg_pool1d adaptive_max_pool1d alpha_dropout avg_pool1d batch_norm bilinear
    binary_cross_entropy_with_logits celu channel_shuffle conv1d conv2d conv3d conv_transpose1d conv_transpose2d
    conv_transpose3d cosine_embedding_loss cosine_similarity ctc_loss dropout embedding embedding_bag
    feature_alpha_dropout group_norm hardshrink hinge_embedding_loss instance_norm kl_div layer_norm
    margin_ranking_loss max_pool1d max_pool2d max_pool3d pairwise_distance pdist pixel_shuffle pixel_unshuffle
    poisson_nll_loss prelu rms_norm rrelu selu threshold triplet_margin_loss
"""
FUNCTIONAL = frozenset(_FUNCTIONAL.split())

half, float, double = _np.float16, _np.float32, _np.float64
short, int, long = _np.int16, _np.int32, _np.int64
cfloat, cdouble = _np.complex64, _np.complex128

cat = _ops.concatenate
clamp = _ops.clip
mm = bmm = mv = _ops.matmul
mul, neg = _ops.multiply, _ops.negative
eq, ne, lt, le, gt, ge = _ops.equal, _ops.not_equal, _ops.less, _ops.less_equal, _ops.greater, _ops.greater_equal
floor_divide = _ops.floor_divide
permute, unbind = _views.permute_dims, _views.unstack
kthvalue, msort = _ops.sorting.kthvalue, _ops.sorting.msort
trapz = _ops.trapezoid
igamma, igammac, lgamma, mvlgamma = _special.gammainc, _special.gammaincc, _special.gammaln, _special.multigammaln
cholesky, qr, pinverse, matrix_exp = _linalg.cholesky, _linalg.qr, _linalg.pinv, _linalg.expm
det, eig, inverse, matrix_power, slogdet = _linalg.det, _linalg.eig, _linalg.inv, _linalg.matrix_power, _linalg.slogdet
swapdims, ger, conj_physical = _views.swapaxes, _ops.outer, _ops.conjugate
narrow_copy, unsafe_chunk = arrays.narrow, arrays.chunk


def adjoint(x):
    """The last two axes exchanged, and the values conjugated.

    >>> import chainrule as cr
    >>> cr.adjoint(np.array([[1j, 2.0]]))
    array([[0.-1.j],
           [2.-0.j]])
    """
    return _ops.conjugate(_views.matrix_transpose(x))


def svd(x, some=True, compute_uv=True):
    """Singular values and vectors, x = U diag(S) V^H: (U, S, V), where V is the adjoint of what `cr.linalg.svd` gives.

    Parameters
    ----------
    x : array (..., m, n)
    some : whether U and V are without the columns that no singular value belongs to
    compute_uv : whether U and V are computed, or zeros

    >>> import chainrule as cr
    >>> u, s, v = cr.svd(np.array([[2.0, 0.0], [0.0, 1.0]]))
    >>> s
    array([2., 1.])
    """
    if compute_uv:
        u, s, vh = _linalg.svd(x, full_matrices=not some)
        return u, s, adjoint(vh)
    m, n = _shape_of(x)[-2:]
    return _np.zeros((*_shape_of(x)[:-2], m, m)), _linalg.svdvals(x), _np.zeros((*_shape_of(x)[:-2], n, n))


def cholesky_solve(b, factor, upper=False):
    """The solution x of `a @ x = b` by the Cholesky factor of a: the lower one, or the upper one with `upper`.

    >>> import chainrule as cr
    >>> cr.cholesky_solve(np.array([[4.0]]), np.array([[2.0]]))
    array([[1.]])
    """
    return _linalg.cho_solve((factor, not upper), b)


def cholesky_inverse(factor, upper=False):
    """The inverse of the matrix with this Cholesky factor: the lower one, or the upper one with `upper`.

    >>> import chainrule as cr
    >>> cr.cholesky_inverse(np.array([[2.0]]))
    array([[0.25]])
    """
    return cholesky_solve(_np.eye(_shape_of(factor)[-1]), factor, upper)


def triangular_solve(b, A, upper=True, transpose=False, unitriangular=False):
    """The solution x of `A @ x = b` for a triangular A, and A.

    >>> import chainrule as cr
    >>> cr.triangular_solve(np.array([[4.0]]), np.array([[2.0]]))[0]
    array([[2.]])
    """
    x = _linalg.triangular_solve(A, b, lower=not upper, trans=int(transpose), unit_diagonal=unitriangular)
    return x, A


def is_tensor(x) -> builtins.bool:
    """Whether `x` is a Tensor.

    >>> import chainrule as cr
    >>> cr.is_tensor(cr.zeros(2))
    True
    """
    return isinstance(x, _Tensor)


def numel(x) -> builtins.int:
    """Number of elements.

    >>> import chainrule as cr
    >>> cr.numel(np.zeros((2, 3)))
    6
    """
    return math.prod(_shape_of(x))
