"""Signals in NumPy's names: convolution and correlation of sequences, phases, windows."""

import math

import numpy as np

from ..core.aval import Aval
from ..core.derivative import Linear
from ..core.lowering import Call
from ..core.primitive import primitive
from ..core.value import dtype_of, ndim_of, shape_of
from ..errors import ShapeError, explain
from .arranging import diff
from .bessel import i0
from .comparison import logical_and
from .elementwise import absolute, conjugate, remainder, where
from .joining import concatenate
from .reduction import cumsum
from .shaping import _flip, as_value, flip, normalize_axis, pad_front, reshape, sum_to

# --- the row ------------------------------------------------------------------------------------------------------------


def _conj(x):
    return conjugate(x) if dtype_of(x).kind == "c" else x


def _back_to_sequence(g, y, in_shape, before, after):
    """The transpose of sliding y along x: slide it, turned round, along the cotangent, past whose ends it may reach."""
    m = shape_of(y)[-1]
    y = _conj(_flip(y, axes=(ndim_of(y) - 1,)))
    return sum_to(_slide(g, y, before=m - 1 - before, after=m - 1 - after), in_shape)


def _slide_batch(args, batched, params):
    ndim = 1 + max(ndim_of(x) - b for x, b in zip(args, batched, strict=True))
    return _slide(*(pad_front(x, ndim) if b else x for x, b in zip(args, batched, strict=True)), **params)


@primitive(
    derivative=[
        Linear(_back_to_sequence),
        Linear(lambda g, x, in_shape, before, after: sum_to(_slide(_conj(x), g, before=before, after=after), in_shape)),
    ],
    aval=lambda x, y, before, after: Aval(
        (*np.broadcast_shapes(x.shape[:-1], y.shape[:-1]), x.shape[-1] + before + after - y.shape[-1] + 1),
        np.result_type(x.dtype, y.dtype),
    ),
    batch=_slide_batch,
    lower=Call(),
    name="slide",
)
def _slide(x, y, *, before, after):
    """Sums of products of y with the part of x that it covers, at each place along the last axis; leading axes broadcast.

    x is continued with so many zeros before and after; negative numbers cut it off.
    """
    m, y = y.shape[-1], y[..., ::-1]
    x = x[..., max(-before, 0) : x.shape[-1] + min(after, 0)]
    if before > 0 or after > 0:
        before, n = max(before, 0), x.shape[-1]
        longer = np.zeros((*x.shape[:-1], before + n + max(after, 0)), x.dtype)  # several times sooner than np.pad
        longer[..., before : before + n] = x
        x = longer
    if x.ndim == y.ndim == 1:
        return np.convolve(x, y, "valid")
    lead = np.broadcast_shapes(x.shape[:-1], y.shape[:-1])
    out = np.empty((*lead, x.shape[-1] - m + 1), np.result_type(x, y))
    x, y = np.broadcast_to(x, (*lead, x.shape[-1])), np.broadcast_to(y, (*lead, m))
    for i in np.ndindex(lead):
        out[i] = np.convolve(x[i], y[i], "valid")
    return out


# --- convolution and correlation ----------------------------------------------------------------------------------------


def _sequences(name, x, y, mode):
    """Both as one-dimensional arrays that have elements; the mode must be known."""
    x, y = (reshape(z, (1,)) if ndim_of(z) == 0 else z for z in (as_value(x), as_value(y)))
    if ndim_of(x) != 1 or ndim_of(y) != 1:
        raise ShapeError(
            explain(
                f"{name}: object too deep for desired array, both must have one axis",
                f"found: {shape_of(x)} and {shape_of(y)}",
                help="use vmap for stacks of sequences, or chainrule.signal for images",
            )
        )
    if 0 in shape_of(x) + shape_of(y):
        raise ValueError(
            explain(f"{name}: a sequence cannot be empty", f"found: {shape_of(x)} and {shape_of(y)}", help="check the lengths")
        )
    if mode not in ("full", "same", "valid"):
        raise ValueError(explain(f"{name}: unknown mode", f"found: {mode!r}", help="mode is 'full', 'same' or 'valid'"))
    return x, y


def _margins(m, mode):
    """How far the shorter sequence, of length m, may reach beyond the start and the end of the longer one."""
    return {"full": (m - 1, m - 1), "same": (m // 2, m - 1 - m // 2), "valid": (0, 0)}[mode]


def convolve(x, y, mode="full"):
    """Convolution of two sequences: the sums over n of `x[n] y[k - n]`, which are the coefficients of a product of polynomials.

    Parameters
    ----------
    x, y : real or complex arrays with one axis
    mode : 'full', all places where the sequences touch (length n + m - 1); 'same', as many in the middle as the longer
        one has elements; 'valid', only those where the shorter one lies within the longer

    Raises
    ------
    ShapeError, ValueError
        More than one axis, no elements, or an unknown mode.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.convolve([1.0, 2.0, 3.0], [0.0, 1.0, 0.5])
    array([0. , 1. , 2.5, 4. , 1.5])
    >>> cr.convolve([1.0, 2.0, 3.0], [0.0, 1.0, 0.5], "same")
    array([1. , 2.5, 4. ])
    """
    x, y = _sequences("convolve", x, y, mode)
    if isinstance(x, np.ndarray) and isinstance(y, np.ndarray):
        return np.convolve(x, y, mode)
    if shape_of(y)[0] > shape_of(x)[0]:
        x, y = y, x
    before, after = _margins(shape_of(y)[0], mode)
    return _slide(x, flip(y), before=before, after=after)


def correlate(x, y, mode="valid"):
    """Correlation of two sequences: the sums over n of `x[n + k]` times the conjugate of `y[n]`, k ascending.

    Parameters as in `convolve`; `mode` is 'valid' by default, as in NumPy.

    >>> import chainrule as cr
    >>> cr.correlate([1.0, 2.0, 3.0], [0.0, 1.0, 0.5])
    array([3.5])
    >>> cr.correlate([1.0, 2.0, 3.0], [0.0, 1.0, 0.5], "full")
    array([0.5, 2. , 3.5, 3. , 0. ])
    """
    x, y = _sequences("correlate", x, y, mode)
    if isinstance(x, np.ndarray) and isinstance(y, np.ndarray):
        return np.correlate(x, y, mode)
    if shape_of(y)[0] > shape_of(x)[0]:
        return _conj(flip(correlate(y, x, mode)))
    before, after = _margins(shape_of(y)[0], mode)
    return _slide(x, _conj(y), before=before, after=after)


# --- phases -------------------------------------------------------------------------------------------------------------


def unwrap(p, discont=None, axis=-1, period=2 * math.pi):
    """Phases `p` along `axis` with whole periods added so that neighbours differ by at most half a `period`.

    Jumps smaller than `discont` stay as they are. What is added is constant, so the derivative in `p` is that of `p` itself.

    >>> import chainrule as cr
    >>> cr.unwrap([0.0, 2.0, -2.0])
    array([0.        , 2.        , 4.28318531])
    """
    p = as_value(p)
    axis = normalize_axis(axis, ndim_of(p))
    key = (slice(None),) * axis
    step = diff(p, axis=axis)
    half, touching = period / 2, True
    if dtype_of(step).kind in "iu" and dtype_of(period).kind in "iu":
        half, touching = period // 2, period % 2 == 0
    wrapped = remainder(step + half, period) - half
    if touching:  # a step of exactly half a period keeps its sign
        wrapped = where(logical_and(wrapped == -half, step > 0), half, wrapped)
    least = period / 2 if discont is None else discont
    correction = where(absolute(step) < least, 0, wrapped - step)
    return concatenate([p[(*key, slice(0, 1))], p[(*key, slice(1, None))] + cumsum(correction, axis)], axis)


# --- windows ------------------------------------------------------------------------------------------------------------


def bartlett(M):
    """Triangular window of `M` points, 0 at both ends.

    >>> import chainrule as cr
    >>> cr.bartlett(5)
    array([0. , 0.5, 1. , 0.5, 0. ])
    """
    return np.bartlett(M)


def blackman(M):
    """Blackman window of `M` points.

    >>> import chainrule as cr
    >>> cr.blackman(5).round(2)
    array([-0.  ,  0.34,  1.  ,  0.34, -0.  ])
    """
    return np.blackman(M)


def hamming(M):
    """Hamming window of `M` points.

    >>> import chainrule as cr
    >>> cr.hamming(5)
    array([0.08, 0.54, 1.  , 0.54, 0.08])
    """
    return np.hamming(M)


def kaiser(M, beta):
    """Kaiser window of `M` points with shape `beta`, in which it is differentiable.

    >>> import chainrule as cr
    >>> cr.kaiser(5, 3.0).round(6)
    array([0.204885, 0.726926, 1.      , 0.726926, 0.204885])
    """
    if M == 1:
        return np.ones(1)
    alpha = (M - 1) / 2
    across = np.sqrt(1 - ((np.arange(0, M) - alpha) / alpha) ** 2.0)
    return i0(as_value(beta) * across) / i0(as_value(beta))


def hanning(M):
    """Hann window of `M` points, 0 at both ends.

    >>> import chainrule as cr
    >>> cr.hanning(5)
    array([0. , 0.5, 1. , 0.5, 0. ])
    """
    return np.hanning(M)
