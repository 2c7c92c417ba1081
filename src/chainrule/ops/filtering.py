"""Filters and convolutions of any number of axes, in scipy.signal's names. SciPy is loaded at the first recursive filter."""

import functools
import importlib
import math

import numpy as np

from ..core.aval import Aval
from ..core.derivative import Linear, Pair
from ..core.lowering import Call
from ..core.primitive import primitive
from ..core.value import dtype_of, ndim_of, shape_of
from ..errors import ShapeError, explain
from .convolution import conv
from .elementwise import conjugate, where
from .fourier import fftn, ifftn, irfftn, rfftn
from .joining import concatenate
from .linalg.matrices import known
from .padding import pad
from .reduction import mean
from .shaping import _flip, as_value, cast, flip, moveaxis, normalize_axis, pad_front, pad_zeros, reshape, sum_to
from .signal import _slide

# --- the row: y[n] = v[n] - a[1] y[n - 1] - a[2] y[n - 2] ... -----------------------------------------------------------


@functools.cache
def _scipy():
    return importlib.import_module("scipy.signal")


def _conj(x):
    return conjugate(x) if dtype_of(x).kind == "c" else x


def _back(x):
    return _flip(x, axes=(ndim_of(x) - 1,))


def _adjoint(g, a):
    """The filter that runs from the end to the start."""
    return _back(_recur(_conj(a), _back(g)))


def _coefficients_jvp(t, a, out):
    p = shape_of(a)[-1]
    return _recur(a, -_slide(out, _back(t), before=p, after=-1))


def _coefficients_vjp(g, a, out, in_shape):
    p = shape_of(a)[-1]
    return sum_to(-_back(_slide(_conj(out), _adjoint(g, a), before=p, after=-1)), in_shape)


def _recur_batch(args, batched, params):
    ndim = 1 + max(ndim_of(x) - b for x, b in zip(args, batched, strict=True))
    return _recur(*(pad_front(x, ndim) if b else x for x, b in zip(args, batched, strict=True)))


@primitive(
    derivative=[
        Pair(_coefficients_jvp, _coefficients_vjp),
        Linear(lambda g, a, in_shape: sum_to(_adjoint(g, a), in_shape)),
    ],
    aval=lambda a, v: Aval(
        (*np.broadcast_shapes(a.shape[:-1], v.shape[:-1]), v.shape[-1]), np.result_type(a.dtype, v.dtype, np.float32)
    ),
    batch=_recur_batch,
    lower=Call(),
    name="recur",
)
def _recur(a, v):
    """v less what the coefficients a make of the results before, along the last axis; leading axes broadcast."""
    dtype = np.result_type(a, v, np.float32)
    lead = np.broadcast_shapes(a.shape[:-1], v.shape[:-1])
    a = np.concatenate([np.ones((*a.shape[:-1], 1), dtype), a], -1)
    v = np.broadcast_to(v, (*lead, v.shape[-1])).astype(dtype)
    if a.ndim == 1:
        return _scipy().lfilter(a[:1], a, v)
    out, a = np.empty(v.shape, dtype), np.broadcast_to(a, (*lead, a.shape[-1]))
    for i in np.ndindex(lead):
        out[i] = _scipy().lfilter(a[i][:1], a[i], v[i])
    return out


# --- recursive filters --------------------------------------------------------------------------------------------------


def _floating(x):
    x = as_value(x)
    return x if dtype_of(x).kind in "fc" else cast(x, np.dtype(float))


def _normalised(b, a):
    b, a = _floating(b), _floating(a)
    if ndim_of(b) != 1 or ndim_of(a) != 1 or 0 in shape_of(b) + shape_of(a) or known(a[0] == 0):
        raise ValueError(
            explain(
                "lfilter: `b` and `a` must have one axis, and a[0] must not be 0",
                f"b: {shape_of(b)}    a: {shape_of(a)}",
                help="a[0] is what the result is multiplied by",
            )
        )
    return b / a[0], a / a[0]


def _fitted(x, n):
    """The last axis cut off, or continued with zeros, to length n."""
    have = shape_of(x)[-1]
    return x[..., :n] if have >= n else pad_zeros(x, [*[(0, 0)] * (ndim_of(x) - 1), (0, n - have)])


def lfilter(b, a, x, axis=-1, zi=None):
    """The rational filter `a[0] y[n] = b[0] x[n] + b[1] x[n - 1] ... - a[1] y[n - 1] ...` along `axis`.

    Parameters
    ----------
    b, a : arrays with one axis, the coefficients of numerator and denominator
    x : array
    zi : state of the filter at the start, of length `max(len(a), len(b)) - 1` along `axis`

    Returns
    -------
    array of the shape of `x`; with `zi` a pair, the second being the state at the end

    Raises
    ------
    ValueError
        `b` or `a` is empty or has several axes, `a[0]` is 0, or `zi` has another length.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.signal.lfilter([1.0], [1.0, -0.5], np.array([1.0, 0.0, 0.0, 0.0]))
    array([1.   , 0.5  , 0.25 , 0.125])
    """
    b, a = _normalised(b, a)
    x = _floating(x)
    axis = normalize_axis(axis, ndim_of(x))
    x = moveaxis(x, axis, -1)
    n, m, p = shape_of(x)[-1], shape_of(b)[0], shape_of(a)[0] - 1
    order = max(m - 1, p)
    if n == 0:
        return moveaxis(x, -1, axis) if zi is None else (moveaxis(x, -1, axis), zi)
    weighed = _slide(x, flip(b), before=m - 1, after=0)
    if zi is not None:
        zi = moveaxis(_floating(zi), axis, -1)
        if shape_of(zi)[-1] != order:
            raise ValueError(
                explain(
                    "lfilter: Unexpected shape for zi",
                    f"found length {shape_of(zi)[-1]} along the axis, expected {order}",
                    help="the state has max(len(a), len(b)) - 1 numbers",
                )
            )
        weighed = weighed + _fitted(zi, n)
    y = _recur(a[1:], weighed) if p else weighed
    if zi is None:
        return moveaxis(y, -1, axis)
    end = _fitted(zi[..., n:], order)
    if m > 1:
        end = end + _fitted(_slide(x, flip(b), before=m - 1, after=m - 1)[..., n:], order)
    if p:
        end = end - _fitted(_slide(y, flip(a[1:]), before=p, after=p - 1)[..., n:], order)
    return moveaxis(y, -1, axis), moveaxis(end, -1, axis)


def lfilter_zi(b, a):
    """The state of `lfilter` in which a step stays what it is: as if 1 had come in for ever.

    >>> import chainrule as cr
    >>> cr.signal.lfilter_zi([1.0], [1.0, -0.5])
    array([1.])
    """
    b, a = _normalised(b, a)
    n = max(shape_of(a)[0], shape_of(b)[0])
    b, a = _fitted(b, n), _fitted(a, n)
    state = [(b - a * b[0])[1:].sum() / a.sum()]
    for k in range(1, n - 1):
        state.append(a[: k + 1].sum() * state[0] - (b - a * b[0])[1 : k + 1].sum())
    return concatenate([reshape(z, (1,)) for z in state]) if n > 1 else np.zeros(0)


def filtfilt(b, a, x, axis=-1, padtype="odd", padlen=None):
    """`lfilter` forwards and then backwards along `axis`, which moves no phase.

    Parameters
    ----------
    b, a, x : as in `lfilter`
    padtype : how `x` is continued at both ends: 'odd', 'even', 'constant', or None for not at all
    padlen : by how many; default three times the longer of `a` and `b`

    >>> import chainrule as cr
    >>> cr.signal.filtfilt([0.5, 0.5], [1.0], np.arange(8.0)).round(6)
    array([0., 1., 2., 3., 4., 5., 6., 7.])
    """
    if padtype not in ("odd", "even", "constant", None):
        raise ValueError(explain(f"filtfilt: unknown padtype {padtype!r}", help="use 'odd', 'even', 'constant' or None"))
    x = _floating(x)
    axis = normalize_axis(axis, ndim_of(x))
    x = moveaxis(x, axis, -1)
    n = shape_of(x)[-1]
    edge = 3 * max(shape_of(as_value(b))[0], shape_of(as_value(a))[0]) if padlen is None else int(padlen)
    edge = 0 if padtype is None else edge
    if n <= edge:
        raise ValueError(
            explain(f"filtfilt: The length of the input vector x must be greater than padlen, which is {edge}.",
                    f"found: {n}", help="give a shorter padlen")
        )  # fmt: skip
    if edge:
        first, last = x[..., :1], x[..., -1:]
        before, after = _back(x[..., 1 : edge + 1]), _back(x[..., n - edge - 1 : n - 1])
        if padtype == "odd":
            before, after = 2 * first - before, 2 * last - after
        elif padtype == "constant":
            before, after = first + 0 * before, last + 0 * after
        x = concatenate([before, x, after], -1)
    start = lfilter_zi(b, a)
    y, _ = lfilter(b, a, x, zi=start * x[..., :1])
    y = _back(y)
    y, _ = lfilter(b, a, y, zi=start * y[..., :1])
    return moveaxis(_back(y)[..., edge : edge + n], -1, axis)


def sosfilt(sos, x, axis=-1, zi=None):
    """`lfilter` with one section of second order after the other.

    Parameters
    ----------
    sos : array of shape (sections, 6): b and a of each
    x : array
    zi : array of shape (sections, ..., 2, ...), states of the sections at the start

    Returns
    -------
    array of the shape of `x`; with `zi` a pair, the second being the states at the end

    Examples
    --------
    >>> import chainrule as cr
    >>> sos = np.array([[1.0, 0.0, 0.0, 1.0, -0.5, 0.0]] * 2)
    >>> cr.signal.sosfilt(sos, np.array([1.0, 0.0, 0.0]))
    array([1.  , 1.  , 0.75])
    """
    sos, x = _floating(sos), _floating(x)
    if ndim_of(sos) != 2 or shape_of(sos)[1] != 6:
        raise ShapeError(
            explain(
                "sosfilt: sos array must be shape (n_sections, 6)", f"found: {shape_of(sos)}", help="see scipy.signal.tf2sos"
            )
        )
    ends = []
    for k in range(shape_of(sos)[0]):
        section = sos[k, :3], sos[k, 3:]
        if zi is None:
            x = lfilter(*section, x, axis)
        else:
            x, end = lfilter(*section, x, axis, zi[k])
            ends.append(reshape(end, (1, *shape_of(end))))
    return x if zi is None else (x, concatenate(ends))


# --- convolution ----------------------------------------------------------------------------------------------------------


def _pair(name, x, y, mode):
    x, y = as_value(x), as_value(y)
    if ndim_of(x) != ndim_of(y):
        raise ShapeError(
            explain(
                f"{name}: in1 and in2 should have the same dimensionality", f"found: {shape_of(x)} and {shape_of(y)}",
                help="add axes of length 1"
            )
        )  # fmt: skip
    if mode not in ("full", "same", "valid"):
        raise ValueError(explain(f"{name}: unknown mode {mode!r}", help="acceptable modes are 'valid', 'same', or 'full'"))
    return x, y


def _within(name, x, y, axes):
    """Both, the larger one first, for mode 'valid'."""
    larger = [shape_of(x)[a] >= shape_of(y)[a] for a in axes]
    if not all(larger) and any(shape_of(x)[a] > shape_of(y)[a] for a in axes):
        raise ValueError(
            explain(
                f"{name}: for 'valid' mode, one must be at least as large as the other in every dimension",
                f"found: {shape_of(x)} and {shape_of(y)}",
                help="use mode 'full' or 'same'",
            )
        )
    return (x, y) if all(larger) else (y, x)


def _middle(full, sizes):
    """As many elements in the middle of each axis as `sizes` says."""
    starts = [(have - n) // 2 for have, n in zip(shape_of(full), sizes, strict=True)]
    return full[tuple(slice(s, s + n) for s, n in zip(starts, sizes, strict=True))]


def _good_length(n):
    """The next length with no prime factor above 5, for which Fourier transforms are fast."""
    best = 1 << max(n - 1, 0).bit_length()
    five = 1
    while five < best:
        three = five
        while three < best:
            best = min(best, three << max(-(-n // three) - 1, 0).bit_length())
            three *= 3
        five *= 5
    return best


def fftconvolve(in1, in2, mode="full", axes=None):
    """Convolution by Fourier transforms, along `axes` (default all); other axes broadcast.

    Parameters
    ----------
    in1, in2 : real or complex arrays with as many axes as each other
    mode : 'full'; 'same', the middle part of the size of `in1`; 'valid', where one lies within the other

    Raises
    ------
    ShapeError, ValueError
        Another number of axes, an unknown mode, or 'valid' where neither lies within the other.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.signal.fftconvolve([1.0, 2.0, 3.0], [1.0, 1.0, 0.5]).round(6)
    array([1. , 3. , 5.5, 4. , 1.5])
    """
    x, y = _pair("fftconvolve", in1, in2, mode)
    if 0 in shape_of(x) + shape_of(y):
        return np.zeros(0)
    axes = range(ndim_of(x)) if axes is None else axes if hasattr(axes, "__iter__") else [axes]
    axes = sorted(normalize_axis(a, ndim_of(x)) for a in axes)
    if mode == "valid":
        x, y = _within("fftconvolve", x, y, axes)
    xs, ys = shape_of(x), shape_of(y)
    # Where one has length 1, the other is only multiplied.
    along = [a for a in axes if xs[a] != 1 and ys[a] != 1]
    sizes = [xs[a] + ys[a] - 1 for a in along]
    if along:
        real = dtype_of(x).kind != "c" and dtype_of(y).kind != "c"
        there, back = (rfftn, irfftn) if real else (fftn, ifftn)
        lengths = [_good_length(n) for n in sizes]
        full = back(there(x, lengths, along) * there(y, lengths, along), lengths, along)
        cut = dict(zip(along, sizes, strict=True))
        full = full[tuple(slice(0, cut.get(a)) for a in range(ndim_of(x)))]
    else:
        full = x * y
    have = shape_of(full)
    if mode == "same":
        return _middle(full, [xs[a] if a in axes else have[a] for a in range(len(xs))])
    if mode == "valid":
        return _middle(full, [xs[a] - ys[a] + 1 if a in axes else have[a] for a in range(len(xs))])
    return full


def oaconvolve(in1, in2, mode="full", axes=None):
    """As `fftconvolve`.

    >>> import chainrule as cr
    >>> cr.signal.oaconvolve([1.0, 2.0, 3.0], [1.0, 1.0, 0.5]).round(6)
    array([1. , 3. , 5.5, 4. , 1.5])
    """
    return fftconvolve(in1, in2, mode, axes)


def _slid(x, y, margins):
    """Sums of products of y with the part of x that it covers, x continued by so many zeros on both sides of each axis."""
    if ndim_of(x) == 1:
        return _slide(x, y, before=margins[0], after=margins[0])
    ones = (1,) * ndim_of(x)
    x, y = (reshape(z, (1, 1, *shape_of(z))) for z in (x, y))
    out = conv(x, y, stride=ones, padding=tuple((m, m) for m in margins), dilation=ones, groups=1)
    return reshape(out, shape_of(out)[2:])


def convolve(in1, in2, mode="full", method="auto"):
    """Convolution over all axes.

    Parameters
    ----------
    in1, in2, mode : as in `fftconvolve`
    method : 'direct' (at most three axes), 'fft', or 'auto', which chooses

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.signal.convolve([[1.0, 2.0], [3.0, 4.0]], [[1.0, 1.0]])
    array([[1., 3., 2.],
           [3., 7., 4.]])
    """
    x, y = _pair("convolve", in1, in2, mode)
    if method not in ("auto", "direct", "fft"):
        raise ValueError(explain(f"convolve: unknown method {method!r}", help="use 'auto', 'direct' or 'fft'"))
    if ndim_of(x) == 0:
        return x * y
    if 0 in shape_of(x) + shape_of(y):
        return np.zeros(0)
    floats = dtype_of(x).kind in "fc" and dtype_of(y).kind in "fc"
    many = min(math.prod(shape_of(x)), math.prod(shape_of(y))) > 500
    if method == "fft" or (method == "auto" and ((floats and many) or ndim_of(x) > 3)):
        return fftconvolve(x, y, mode)
    sizes = shape_of(x)
    if mode == "valid":
        x, y = _within("convolve", x, y, range(ndim_of(x)))
        return _slid(x, flip(y), [0] * ndim_of(x))
    full = _slid(x, flip(y), [n - 1 for n in shape_of(y)])
    return _middle(full, sizes) if mode == "same" else full


def correlate(in1, in2, mode="full", method="auto"):
    """Correlation over all axes: `convolve` with the conjugate of `in2`, turned round.

    >>> import chainrule as cr
    >>> cr.signal.correlate([1.0, 2.0, 3.0], [0.0, 1.0, 0.5])
    array([0.5, 2. , 3.5, 3. , 0. ])
    """
    x, y = _pair("correlate", in1, in2, mode)
    if mode == "valid" and any(n < m for n, m in zip(shape_of(x), shape_of(y), strict=True)):
        return _conj(flip(convolve(y, _conj(flip(x)), mode, method)))
    return convolve(x, _conj(flip(y)), mode, method)


def convolve2d(in1, in2, mode="full", boundary="fill", fillvalue=0):
    """Convolution of two matrices.

    Parameters
    ----------
    in1, in2, mode : as in `fftconvolve`
    boundary : how `in1` goes on outside: 'fill' with `fillvalue`, 'wrap' around, or 'symm', mirrored

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.signal.convolve2d(np.ones((2, 2)), np.ones((2, 2)), "same", "wrap")
    array([[4., 4.],
           [4., 4.]])
    """
    x, y = _matrices("convolve2d", in1, in2, mode, boundary)
    if mode == "valid":
        x, y = _within("convolve2d", x, y, (0, 1))
        return _slid(x, flip(y), [0, 0])
    return _slid_on(x, flip(y), mode, boundary, fillvalue, [(n - 1) // 2 for n in shape_of(y)])


def correlate2d(in1, in2, mode="full", boundary="fill", fillvalue=0):
    """Correlation of two matrices; parameters as in `convolve2d`.

    >>> import chainrule as cr
    >>> cr.signal.correlate2d(np.eye(2), np.array([[1.0, 2.0]]), "same")
    array([[1., 0.],
           [2., 1.]])
    """
    x, y = _matrices("correlate2d", in1, in2, mode, boundary)
    if mode == "valid":
        larger, smaller = _within("correlate2d", x, y, (0, 1))
        out = _slid(larger, _conj(smaller), [0, 0])  # SciPy too conjugates the smaller one, whichever it is
        return out if larger is x else flip(out)
    return _slid_on(x, _conj(y), mode, boundary, fillvalue, [n // 2 for n in shape_of(y)])


def _matrices(name, x, y, mode, boundary):
    x, y = _pair(name, x, y, mode)
    if ndim_of(x) != 2:
        raise ValueError(explain(f"{name}: inputs must both be 2-D arrays", f"found: {shape_of(x)}", help="use convolve"))
    if boundary not in ("fill", "wrap", "symm"):
        raise ValueError(explain(f"{name}: unknown boundary {boundary!r}", help="use 'fill', 'wrap' or 'symm'"))
    return x, y


def _slid_on(x, y, mode, boundary, fillvalue, starts):
    """y slid along x, which goes on outside; for mode 'same' the part from `starts` on."""
    sizes, widths = shape_of(x), [(n - 1, n - 1) for n in shape_of(y)]
    if boundary == "fill":
        inside = pad_zeros(np.ones(sizes, bool), widths)
        x = pad_zeros(x, widths)
        if not isinstance(fillvalue, (int, float)) or fillvalue != 0:
            x = where(inside, x, fillvalue)
    else:
        x = pad(x, widths, "wrap" if boundary == "wrap" else "symmetric")
    full = _slid(x, y, [0, 0])
    return full[tuple(slice(s, s + n) for s, n in zip(starts, sizes, strict=True))] if mode == "same" else full


# --- trends and envelopes ---------------------------------------------------------------------------------------------------


def detrend(data, axis=-1, type="linear"):
    """`data` less its best straight line along `axis`, or with `type` 'constant' less its mean.

    >>> import chainrule as cr
    >>> cr.signal.detrend(np.array([1.0, 2.0, 4.0, 5.0])).round(6)
    array([ 0.1, -0.3,  0.3, -0.1])
    """
    x = _floating(data)
    if type in ("constant", "c"):
        return x - mean(x, axis, keepdims=True)
    if type not in ("linear", "l"):
        raise ValueError(explain(f"detrend: unknown type {type!r}", help="trend type must be 'linear' or 'constant'"))
    axis = normalize_axis(axis, ndim_of(x))
    x = moveaxis(x, axis, -1)
    n = shape_of(x)[-1]
    line, _ = np.linalg.qr(np.stack([np.ones(n), np.arange(n) / n], 1))
    line = line.astype(np.zeros((), dtype_of(x)).real.dtype)
    return moveaxis(x - (x @ line) @ line.T, -1, axis)


def hilbert(x, N=None, axis=-1):
    """The analytic signal of real `x` along `axis`, `x` plus i times its Hilbert transform; of length `N` if given.

    >>> import chainrule as cr
    >>> np.abs(cr.signal.hilbert(np.cos(np.pi * np.arange(8) / 2))).round(6)
    array([1., 1., 1., 1., 1., 1., 1., 1.])
    """
    x = _floating(x)
    if dtype_of(x).kind == "c":
        raise ValueError(explain("hilbert: x must be real.", f"found: {dtype_of(x)}", help="take the real part"))
    axis = normalize_axis(axis, ndim_of(x))
    n = shape_of(x)[axis] if N is None else int(N)
    if n <= 0:
        raise ValueError(explain("hilbert: N must be positive.", f"found: {n}", help="check for empty arrays"))
    spectrum = fftn(x, [n], [axis])
    weights = np.zeros(n, np.zeros((), dtype_of(x)).real.dtype)
    weights[: (n + 1) // 2] = 2
    weights[0] = 1
    if n % 2 == 0:
        weights[n // 2] = 1
    return ifftn(spectrum * weights.reshape(-1, *(1,) * (ndim_of(x) - axis - 1)), None, [axis])
