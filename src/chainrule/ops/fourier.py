"""Discrete Fourier transforms, in NumPy's names.

Three rows: complex to complex over any axes, real to half-complex and back along one. The adjoint of a transform is the
opposite one with the opposite normalisation, so each needs only a line. (For the two real ones, weights as well: of the
coefficients that are left out, each is the conjugate of one that is there, which counts double.)
"""

from operator import index as as_int

import numpy as np

from ..core.aval import Aval, result_dtype
from ..core.derivative import Linear
from ..core.lowering import Call
from ..core.primitive import primitive
from ..core.value import Value, dtype_of, ndim_of, shape_of
from ..errors import LostDerivativeError, ShapeError, explain
from ..names import torch_names
from .arranging import roll
from .elementwise import conjugate
from .shaping import as_value, cast, normalize_axes, normalize_axis, pad_zeros

OPPOSITE = {"backward": "forward", "ortho": "ortho", "forward": "backward"}


# --- rows -----------------------------------------------------------------------------------------------------------


@primitive(
    derivative=[Linear(lambda g, axes, inverse, norm: _fft(g, axes=axes, inverse=not inverse, norm=OPPOSITE[norm]))],
    aval=lambda x, axes, inverse, norm: Aval(x.shape, result_dtype(np.fft.fft, (x.dtype,), (x.weak,))),
    batch=lambda args, batched, params: _fft(*args, **{**params, "axes": tuple(a + 1 for a in params["axes"])}),
    lower=Call(),
    name="fft",
)
def _fft(x, *, axes, inverse, norm):
    """Complex discrete Fourier transform over one axis or more."""
    along = np.fft.ifft if inverse else np.fft.fft
    for axis in reversed(axes):
        x = along(x, axis=axis, norm=norm)
    return x


def _half(n):
    """How many of the n coefficients of a real signal are independent."""
    return n // 2 + 1


def _resized(shape, axis, n):
    return (*shape[:axis], n, *shape[axis + 1 :])


def _twins(x, n, axis, weight):
    """Half-complex `x` with `weight` on each coefficient whose conjugate is left out: neither the first, nor the last if n is
    even."""
    w = np.ones(_half(n), np.zeros((), dtype_of(x)).real.dtype)
    w[1 : (n + 1) // 2] = weight
    return x * w.reshape(-1, *(1,) * (ndim_of(x) - axis - 1))


@primitive(
    derivative=[
        Linear(
            lambda g, in_shape, axis, norm: _irfft(
                _twins(g, in_shape[axis], axis, 0.5), n=in_shape[axis], axis=axis, norm=OPPOSITE[norm]
            )
        )
    ],
    aval=lambda x, axis, norm: Aval(
        _resized(x.shape, axis, _half(x.shape[axis])), result_dtype(np.fft.rfft, (x.dtype,), (x.weak,))
    ),
    batch=lambda args, batched, params: _rfft(*args, **{**params, "axis": params["axis"] + 1}),
    lower=Call(),
    name="rfft",
)
def _rfft(x, *, axis, norm):
    """The independent half of the Fourier coefficients of real x along an axis."""
    return np.fft.rfft(x, axis=axis, norm=norm)


@primitive(
    derivative=[Linear(lambda g, n, axis, norm: _twins(_rfft(g, axis=axis, norm=OPPOSITE[norm]), n, axis, 2))],
    aval=lambda x, n, axis, norm: Aval(_resized(x.shape, axis, n), result_dtype(np.fft.irfft, (x.dtype,), (x.weak,), n=2)),
    batch=lambda args, batched, params: _irfft(*args, **{**params, "axis": params["axis"] + 1}),
    lower=Call(),
    name="irfft",
)
def _irfft(x, *, n, axis, norm):
    """The real signal of length n whose Fourier coefficients have x as their independent half."""
    return np.fft.irfft(x, n, axis=axis, norm=norm)


# --- lengths, axes, normalisation --------------------------------------------------------------------------------------


def _checked_norm(norm):
    if norm is not None and norm not in OPPOSITE:
        raise ValueError(
            explain(
                f'Invalid norm value {norm}; should be "backward", "ortho" or "forward".', help="leave it out for 'backward'"
            )
        )
    return norm or "backward"


def _checked_length(n, shape, axis):
    if n < 1:
        raise ValueError(
            explain(
                f"Invalid number of FFT data points ({n}) specified.",
                f"x: {shape}, axis {axis}",
                help="a transform needs at least one point along each of its axes",
            )
        )
    return n


def resized(x, n, axis):
    """`x` cut off, or continued with zeros, to length n along an axis."""
    have = shape_of(x)[axis]
    if n < have:
        return x[(slice(None),) * axis + (slice(0, n),)]
    return pad_zeros(x, [(0, n - have if a == axis else 0) for a in range(ndim_of(x))])


def _prepared(x, n, axis, norm):
    """Array, axis from 0, normalisation; the array with length `n` along the axis if given."""
    x = as_value(x)
    axis = normalize_axis(axis, ndim_of(x))
    n = _checked_length(shape_of(x)[axis] if n is None else as_int(n), shape_of(x), axis)
    return resized(x, n, axis), axis, _checked_norm(norm)


def lengths_and_axes(shape, s, axes):
    """NumPy's meaning of `s` and `axes`: lists of one length, axes from 0. -1 in `s` stands for the length that is there."""
    if axes is None:
        axes = range(len(shape)) if s is None else range(-len(s), 0)
    axes = [normalize_axis(a, len(shape)) for a in axes]
    s = [-1] * len(axes) if s is None else [-1 if n is None else as_int(n) for n in s]
    if len(s) != len(axes):
        raise ValueError(
            explain("Shape and axes have different lengths.", f"s: {s}    axes: {axes}", help="give one length for each axis")
        )
    return [shape[a] if n == -1 else n for n, a in zip(s, axes, strict=True)], axes


def _no_axes(name, x):
    return IndexError(explain(f"{name} needs an axis to transform", f"x: {shape_of(x)}, no axes", help="name one in `axes`"))


def _into(out, result):
    """The result, or `out` filled with it."""
    if out is None:
        return result
    if hasattr(out, "_rebind"):
        return out._rebind(result)
    if isinstance(result, Value):
        raise LostDerivativeError(
            explain(
                "fft: `out` is a plain array, which cannot hold a Tensor's derivative",
                help="make it a Tensor, for example with np.zeros_like(x), or leave `out` away",
            )
        )
    if shape_of(out) != shape_of(result):
        raise ShapeError(
            explain("output array has wrong shape.", f"out: {out.shape}    result: {result.shape}", help="resize it")
        )
    np.copyto(out, result)
    return out


# --- along one axis -----------------------------------------------------------------------------------------------------


@torch_names
def fft(x, n=None, axis=-1, norm=None, out=None):
    """Discrete Fourier transform along `axis`: the sums over j of `x[j] exp(-2 pi i j k / n)`.

    Parameters
    ----------
    x : real or complex array
    n : length of the transform; `x` is cut off or continued with zeros to it. Default: the length of the axis
    norm : "backward" (the default: only inverse transforms are divided by n), "forward" (only those from signal to
        coefficients are), or "ortho" (all are divided by the square root of n)
    out : complex array or Tensor that takes the result

    Returns
    -------
    complex array: complex64 for float32 and complex64, else complex128

    Raises
    ------
    ValueError
        No points to transform, or an unknown `norm`.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.fft.fft(np.array([1.0, 2.0, 3.0, 4.0]))
    array([10.+0.j, -2.+2.j, -2.+0.j, -2.-2.j])
    >>> cr.grad(lambda x: cr.absolute(cr.fft.fft(x)[1]) ** 2)(np.array([1.0, 2.0, 3.0, 4.0]))
    array([-4., -4.,  4.,  4.])
    """
    x, axis, norm = _prepared(x, n, axis, norm)
    return _into(out, _fft(x, axes=(axis,), inverse=False, norm=norm))


@torch_names
def ifft(x, n=None, axis=-1, norm=None, out=None):
    """Inverse of `fft` along `axis`; parameters as there.

    >>> import chainrule as cr
    >>> cr.fft.ifft(np.array([10.0, -2 + 2j, -2.0, -2 - 2j]))
    array([1.+0.j, 2.+0.j, 3.+0.j, 4.+0.j])
    """
    x, axis, norm = _prepared(x, n, axis, norm)
    return _into(out, _fft(x, axes=(axis,), inverse=True, norm=norm))


def _checked_real(name, x):
    if dtype_of(x).kind == "c":
        raise TypeError(
            explain(f"{name} takes real numbers", f"found: {dtype_of(x)} {shape_of(x)}", help="use fft, or take the real part")
        )


@torch_names
def rfft(x, n=None, axis=-1, norm=None, out=None):
    """The `n // 2 + 1` independent ones of the Fourier coefficients of real `x` along `axis`; parameters as in `fft`.

    >>> import chainrule as cr
    >>> cr.fft.rfft(np.array([1.0, 2.0, 3.0, 4.0]))
    array([10.+0.j, -2.+2.j, -2.+0.j])
    """
    x, axis, norm = _prepared(x, n, axis, norm)
    _checked_real("rfft", x)
    return _into(out, _rfft(x, axis=axis, norm=norm))


@torch_names
def irfft(x, n=None, axis=-1, norm=None, out=None):
    """Inverse of `rfft` along `axis`: a real signal of length `n`, by default 2 (m - 1) for m coefficients.

    The imaginary parts of the first coefficient and, for even `n`, of the last have no influence.

    >>> import chainrule as cr
    >>> cr.fft.irfft(np.array([10.0, -2 + 2j, -2.0]))
    array([1., 2., 3., 4.])
    """
    x = as_value(x)
    axis = normalize_axis(axis, ndim_of(x))
    n = _checked_length(2 * (shape_of(x)[axis] - 1) if n is None else as_int(n), shape_of(x), axis)
    return _into(out, _irfft(resized(x, _half(n), axis), n=n, axis=axis, norm=_checked_norm(norm)))


@torch_names
def hfft(x, n=None, axis=-1, norm=None, out=None):
    """Fourier transform of a signal of which `x` is one half, the other being its mirrored conjugate: real, of length `n`.

    >>> import chainrule as cr
    >>> cr.fft.hfft(np.array([1.0, 2.0, 3.0]))
    array([ 8., -2.,  0., -2.])
    """
    return irfft(conjugate(as_value(x)), n, axis, OPPOSITE[_checked_norm(norm)], out)


@torch_names
def ihfft(x, n=None, axis=-1, norm=None, out=None):
    """Inverse of `hfft`: the first `n // 2 + 1` numbers of a signal whose Fourier transform is real `x`.

    >>> import chainrule as cr
    >>> cr.fft.ihfft(np.array([8.0, -2.0, 0.0, -2.0]))
    array([1.-0.j, 2.-0.j, 3.-0.j])
    """
    return _into(out, conjugate(rfft(x, n, axis, OPPOSITE[_checked_norm(norm)])))


# --- over several axes --------------------------------------------------------------------------------------------------


def _over_axes(x, s, axes, inverse, norm, out):
    x, norm = as_value(x), _checked_norm(norm)
    s, axes = lengths_and_axes(shape_of(x), s, axes)
    if len(set(axes)) < len(axes):  # an axis named twice is transformed twice, with lengths of their own
        for n, axis in zip(s[::-1], axes[::-1], strict=True):
            x = (ifft if inverse else fft)(x, n, axis, norm)
        return _into(out, x)
    for n, axis in zip(s, axes, strict=True):
        x = resized(x, _checked_length(n, shape_of(x), axis), axis)
    return _into(out, _fft(x, axes=tuple(axes), inverse=inverse, norm=norm) if axes else x)


@torch_names
def fftn(x, s=None, axes=None, norm=None, out=None):
    """Fourier transform over several axes: `fft` along one after the other.

    Parameters
    ----------
    x : real or complex array
    s : lengths of the transform along `axes`; -1 stands for the length that is there
    axes : default all, or with `s` the last `len(s)`
    norm, out : as in `fft`

    Raises
    ------
    ValueError
        `s` and `axes` have different lengths, no points along an axis, or an unknown `norm`.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.fft.fftn(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[10.+0.j, -2.+0.j],
           [-4.+0.j,  0.+0.j]])
    """
    return _over_axes(x, s, axes, False, norm, out)


@torch_names
def ifftn(x, s=None, axes=None, norm=None, out=None):
    """Inverse of `fftn`; parameters as there.

    >>> import chainrule as cr
    >>> cr.fft.ifftn(np.array([[10.0, -2.0], [-4.0, 0.0]])).real
    array([[1., 2.],
           [3., 4.]])
    """
    return _over_axes(x, s, axes, True, norm, out)


@torch_names
def rfftn(x, s=None, axes=None, norm=None, out=None):
    """`rfft` along the last of `axes`, then `fft` along the others; parameters as in `fftn`.

    >>> import chainrule as cr
    >>> cr.fft.rfftn(np.ones((2, 4))).shape
    (2, 3)
    """
    x = as_value(x)
    s, axes = lengths_and_axes(shape_of(x), s, axes)
    if not axes:
        raise _no_axes("rfftn", x)
    half = rfft(x, s[-1], axes[-1], norm)
    return _over_axes(half, s[:-1], axes[:-1], False, norm, out)


@torch_names
def irfftn(x, s=None, axes=None, norm=None, out=None):
    """Inverse of `rfftn`: `ifft` along all but the last of `axes`, then `irfft`; parameters as in `fftn`.

    >>> import chainrule as cr
    >>> cr.fft.irfftn(cr.fft.rfftn(np.ones((2, 4)))).shape
    (2, 4)
    """
    x = as_value(x)
    last = None if s is None else list(s)[-1:]
    s, axes = lengths_and_axes(shape_of(x), s, axes)
    if not axes:
        raise _no_axes("irfftn", x)
    return irfft(_over_axes(x, s[:-1], axes[:-1], True, norm, None), s[-1] if last else None, axes[-1], norm, out)


@torch_names
def fft2(x, s=None, axes=(-2, -1), norm=None, out=None):
    """`fftn` over two axes, by default the last.

    >>> import chainrule as cr
    >>> cr.fft.fft2(np.ones((2, 2))).real
    array([[4., 0.],
           [0., 0.]])
    """
    return fftn(x, s, axes, norm, out)


@torch_names
def ifft2(x, s=None, axes=(-2, -1), norm=None, out=None):
    """`ifftn` over two axes, by default the last.

    >>> import chainrule as cr
    >>> cr.fft.ifft2(np.array([[4.0, 0.0], [0.0, 0.0]])).real
    array([[1., 1.],
           [1., 1.]])
    """
    return ifftn(x, s, axes, norm, out)


@torch_names
def rfft2(x, s=None, axes=(-2, -1), norm=None, out=None):
    """`rfftn` over two axes, by default the last.

    >>> import chainrule as cr
    >>> cr.fft.rfft2(np.ones((2, 2))).real
    array([[4., 0.],
           [0., 0.]])
    """
    return rfftn(x, s, axes, norm, out)


@torch_names
def irfft2(x, s=None, axes=(-2, -1), norm=None, out=None):
    """`irfftn` over two axes, by default the last.

    >>> import chainrule as cr
    >>> cr.fft.irfft2(np.array([[4.0, 0.0], [0.0, 0.0]]))
    array([[1., 1.],
           [1., 1.]])
    """
    return irfftn(x, s, axes, norm, out)


@torch_names
def hfftn(x, s=None, axes=None, norm=None, out=None):
    """`hfft` along the last of `axes`, `fft` along the others (scipy.fft.hfftn).

    >>> import chainrule as cr
    >>> cr.fft.hfftn(np.ones((2, 3))).shape
    (2, 4)
    """
    return irfftn(conjugate(as_value(x)), s, axes, OPPOSITE[_checked_norm(norm)], out)


@torch_names
def ihfftn(x, s=None, axes=None, norm=None, out=None):
    """Inverse of `hfftn` (scipy.fft.ihfftn).

    >>> import chainrule as cr
    >>> cr.fft.ihfftn(np.ones((2, 4))).shape
    (2, 3)
    """
    return _into(out, conjugate(rfftn(x, s, axes, OPPOSITE[_checked_norm(norm)])))


@torch_names
def hfft2(x, s=None, axes=(-2, -1), norm=None, out=None):
    """`hfftn` over two axes, by default the last (scipy.fft.hfft2).

    >>> import chainrule as cr
    >>> cr.fft.hfft2(np.ones((2, 3))).shape
    (2, 4)
    """
    return hfftn(x, s, axes, norm, out)


@torch_names
def ihfft2(x, s=None, axes=(-2, -1), norm=None, out=None):
    """`ihfftn` over two axes, by default the last (scipy.fft.ihfft2).

    >>> import chainrule as cr
    >>> cr.fft.ihfft2(np.ones((2, 4))).shape
    (2, 3)
    """
    return ihfftn(x, s, axes, norm, out)


# --- frequencies --------------------------------------------------------------------------------------------------------


def _as_dtype(x, dtype):
    return x if dtype is None else cast(x, np.dtype(dtype))


def _count(n):
    if not hasattr(n, "__index__"):
        raise ValueError(f"n should be an integer, not {n!r}")
    return as_int(n)


def fftfreq(n, d=1.0, dtype=None):
    """Frequencies of the coefficients that `fft` gives for `n` samples `d` apart, in cycles per unit of `d`."""
    n = _count(n)
    whole = np.concatenate([np.arange((n - 1) // 2 + 1), np.arange(-(n // 2), 0)])
    return _as_dtype(whole * (1.0 / (n * d)), dtype)


def rfftfreq(n, d=1.0, dtype=None):
    """Frequencies of the coefficients that `rfft` gives for `n` samples `d` apart, in cycles per unit of `d`."""
    n = _count(n)
    return _as_dtype(np.arange(_half(n)) * (1.0 / (n * d)), dtype)


def _shifted(x, axes, by):
    """`x` rolled by `by(length)` along `axes`; along one that is named twice, twice."""
    axes = normalize_axes(axes, ndim_of(x)) if not hasattr(axes, "__iter__") else [normalize_axis(a, ndim_of(x)) for a in axes]
    return roll(x, [by(shape_of(x)[a]) for a in axes], axes)


@torch_names
def fftshift(x, axes=None):
    """Frequency 0 moved from the start of `axes` (default all) to their middle.

    >>> import chainrule as cr
    >>> cr.fft.fftshift(cr.fft.fftfreq(5, 0.2))
    tensor([-2., -1.,  0.,  1.,  2.])
    """
    return _shifted(as_value(x), axes, lambda n: n // 2)


@torch_names
def ifftshift(x, axes=None):
    """Inverse of `fftshift`.

    >>> import chainrule as cr
    >>> cr.fft.ifftshift([-2, -1, 0, 1, 2])
    array([ 0,  1,  2, -2, -1])
    """
    return _shifted(as_value(x), axes, lambda n: -(n // 2))
