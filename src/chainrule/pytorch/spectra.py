"""PyTorch's windows, and its short-time Fourier transform and the inverse."""

import numpy as np

from ..core.dispatch import state
from ..core.value import dtype_of, ndim_of, shape_of
from ..devices import on_cpu
from ..errors import ArgumentError, ShapeError, explain
from ..ops import elementwise, fourier, indexing, joining, padding, reduction, shaping
from ..ops.shaping import as_value

__all__ = ["bartlett_window", "blackman_window", "hamming_window", "hann_window", "istft", "kaiser_window", "stft"]

_MODES = {"reflect": "reflect", "constant": "constant", "replicate": "edge", "circular": "wrap"}


def _window(make, n, periodic, dtype, device, requires_grad):
    """A window of n points; a periodic one is that of n + 1 points without the last."""
    on_cpu(device)
    if n < 0:
        raise ArgumentError(explain("a window has at least no points", f"found: {n}", help="give a length of 0 or more"))
    values = make(n + 1)[:-1] if periodic and n > 1 else make(n) if n else np.zeros(0)
    out = state.root.constant(np.asarray(values, float if dtype is None else dtype))
    return out.requires_grad_() if requires_grad else out


def hann_window(window_length, periodic=True, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False):
    """A cosine that rises from 0 to 1 and falls again; `periodic` for spectra, else symmetric, for filters.

    >>> import chainrule as cr
    >>> cr.hann_window(4)
    tensor([0. , 0.5, 1. , 0.5])
    """
    return _window(np.hanning, window_length, periodic, dtype, device, requires_grad)


def hamming_window(
    window_length, periodic=True, alpha=0.54, beta=0.46, *, dtype=None, layout=None, device=None, pin_memory=False,
    requires_grad=False,
):  # fmt: skip
    """alpha - beta cos: a raised cosine that does not begin at 0; see `hann_window`.

    >>> import chainrule as cr
    >>> cr.hamming_window(4).round(2)
    tensor([0.08, 0.54, 1.  , 0.54])
    """

    def make(n):
        return alpha - beta * np.cos(2 * np.pi * np.arange(n) / max(n - 1, 1)) if n != 1 else np.ones(1)

    return _window(make, window_length, periodic, dtype, device, requires_grad)


def blackman_window(
    window_length, periodic=True, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
):
    """Blackman's sum of two cosines; see `hann_window`.

    >>> import chainrule as cr
    >>> cr.blackman_window(4).round(2)
    tensor([-0.  ,  0.34,  1.  ,  0.34])
    """
    return _window(np.blackman, window_length, periodic, dtype, device, requires_grad)


def bartlett_window(
    window_length, periodic=True, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
):
    """A triangle; see `hann_window`.

    >>> import chainrule as cr
    >>> cr.bartlett_window(4)
    tensor([0. , 0.5, 1. , 0.5])
    """
    return _window(np.bartlett, window_length, periodic, dtype, device, requires_grad)


def kaiser_window(
    window_length, periodic=True, beta=12.0, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
):
    """Kaiser's window, the narrower the larger `beta`; see `hann_window`.

    >>> import chainrule as cr
    >>> cr.kaiser_window(2, beta=0.0)
    tensor([1., 1.])
    """
    return _window(lambda n: np.kaiser(n, beta), window_length, periodic, dtype, device, requires_grad)


def _framing(name, x, n_fft, hop_length, win_length, window):
    """(hop, window) of n_fft points: a shorter window stands in the middle."""
    hop = n_fft // 4 if hop_length is None else hop_length
    length = n_fft if win_length is None else win_length
    if n_fft < 1 or hop < 1 or not 0 < length <= n_fft:
        asked = f"{name}: n_fft and hop_length must be positive, and win_length at most n_fft"
        found = f"n_fft: {n_fft}    hop_length: {hop}    win_length: {length}"
        raise ArgumentError(explain(asked, found, help="n_fft=400, hop_length=100"))
    real = np.zeros((), dtype_of(x)).real.dtype
    window = np.ones(length, real) if window is None else as_value(window)
    if shape_of(window) != (length,):
        asked, found = f"{name}: the window must have win_length points", f"expected: {length}    found: {shape_of(window)}"
        raise ShapeError(explain(asked, found, help="make it with cr.hann_window(win_length)"))
    before = (n_fft - length) // 2
    return hop, padding.pad(window, [(before, n_fft - length - before)])


def stft(
    input, n_fft, hop_length=None, win_length=None, window=None, center=True, pad_mode="reflect", normalized=False,
    onesided=None, return_complex=None, align_to_window=None,
):  # fmt: skip
    """Spectra of stretches of a signal, as PyTorch's: complex numbers (..., frequencies, stretches).

    Parameters
    ----------
    input : array (n,) or (batch, n), real or complex
    n_fft : length of a stretch
    hop_length : from the beginning of one to the next; by default a quarter of n_fft
    win_length, window : weights of the points of a stretch; by default ones. A window that is shorter stands in the middle
    center : whether stretch t is centred at point t * hop_length, so that the signal is extended at both ends
    pad_mode : how: 'reflect', 'constant', 'replicate' or 'circular'
    normalized : divide by the square root of n_fft
    onesided : whether frequencies are not negative only; by default for real signals and windows
    return_complex : False for pairs of real numbers along a last axis

    Raises
    ------
    ShapeError
        The signal is shorter than n_fft, or has more than two axes.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.stft(cr.ones(8), n_fft=4, return_complex=True).shape
    (3, 9)
    """
    x = as_value(input)
    if pad_mode not in _MODES:
        raise ArgumentError(explain(f"stft: pad_mode={pad_mode!r}", help=f"pad modes: {', '.join(_MODES)}"))
    if ndim_of(x) not in (1, 2):
        raise ShapeError(explain("stft: a signal, or a batch of them", f"found: {shape_of(x)}", help="reshape it to two axes"))
    hop, weights = _framing("stft", x, n_fft, hop_length, win_length, window)
    if center:
        half = n_fft // 2
        if _MODES[pad_mode] == "reflect" and half >= shape_of(x)[-1]:
            found = f"length: {shape_of(x)[-1]}    n_fft: {n_fft}"
            raise ShapeError(explain("stft: the signal is too short to be reflected", found, help="pad_mode='constant'"))
        x = padding.pad(x, [(0, 0)] * (ndim_of(x) - 1) + [(half, half)], _MODES[pad_mode])
    if shape_of(x)[-1] < n_fft:
        found = f"length: {shape_of(x)[-1]}    n_fft: {n_fft}"
        raise ShapeError(explain("stft: the signal is shorter than a stretch", found, help="center=True extends it"))
    places = np.arange(0, shape_of(x)[-1] - n_fft + 1, hop)[:, None] + np.arange(n_fft)
    frames = indexing.getitem(x, (Ellipsis, places)) * weights
    real = dtype_of(frames).kind != "c"
    if onesided and not real:
        raise ArgumentError(explain("stft: a complex signal has negative frequencies too", help="onesided=False"))
    transform = fourier.rfft if real and onesided is not False else fourier.fft
    out = transform(frames, n_fft, -1, "ortho" if normalized else None)
    out = shaping.moveaxis(out, -1, -2)
    return joining.stack([elementwise.real(out), elementwise.imag(out)], -1) if return_complex is False else out


def istft(
    input, n_fft, hop_length=None, win_length=None, window=None, center=True, normalized=False, onesided=None, length=None,
    return_complex=False,
):  # fmt: skip
    """The signal of which `stft` with the same arguments gives these spectra; the best fit, if there is none.

    Parameters
    ----------
    input : complex array (frequencies, stretches) or (batch, frequencies, stretches)
    length : of the signal; by default that of what the stretches cover
    return_complex : whether the signal is complex
    onesided : whether frequencies are not negative only; by default unless there are n_fft of them
    others : as for `stft`

    Raises
    ------
    ArgumentError
        Somewhere all windows are zero, so that the signal is not known there.

    Examples
    --------
    >>> import chainrule as cr
    >>> x, window = cr.arange(8.0), cr.hann_window(4)
    >>> cr.istft(cr.stft(x, 4, window=window), 4, window=window).round(6)
    tensor([0., 1., 2., 3., 4., 5., 6., 7.])
    """
    x = as_value(input)
    onesided = ndim_of(x) > 1 and shape_of(x)[-2] != n_fft if onesided is None else onesided
    bins = n_fft // 2 + 1 if onesided else n_fft
    if ndim_of(x) not in (2, 3) or dtype_of(x).kind != "c" or shape_of(x)[-2] != bins:
        found = f"expected: complex (..., {bins}, stretches)    found: {dtype_of(x)} {shape_of(x)}"
        raise ShapeError(explain("istft: spectra as stft gives them", found, help="check n_fft and onesided"))
    if onesided and return_complex:
        raise ArgumentError(explain("istft: frequencies of one side make real signals", help="return_complex=False"))
    hop, weights = _framing("istft", x, n_fft, hop_length, win_length, window)
    if not onesided and not return_complex:
        x = x[..., : n_fft // 2 + 1, :]  # as in PyTorch: a real signal follows from one side
    inverse = fourier.ifft if return_complex else fourier.irfft
    frames = inverse(shaping.moveaxis(x, -1, -2), n_fft, -1, "ortho" if normalized else None)
    frames = frames * weights
    count = shape_of(frames)[-2]
    places = np.arange(count)[:, None] * hop + np.arange(n_fft)
    total = n_fft + hop * (count - 1)
    start = n_fft // 2 if center else 0
    end = total - start if length is None else min(start + length, total)
    lead = shape_of(frames)[:-2]
    signal = indexing.index_add(np.zeros((*lead, total), dtype_of(frames)), (Ellipsis, places), frames)
    powers = shaping.broadcast_to(elementwise.square(weights), (count, n_fft))
    envelope = indexing.index_add(np.zeros(total, dtype_of(powers)), (places,), powers)[start:end]
    if shape_of(envelope)[0] and not bool(reduction.min(elementwise.absolute(envelope)) > 1e-11):
        asked = "istft: somewhere all windows are zero, so that the signal is not known there"
        raise ArgumentError(explain(asked, help="use a smaller hop_length, center=True, or a window that overlaps"))
    out = signal[..., start:end] / envelope
    lacking = 0 if length is None else length - shape_of(out)[-1]
    return padding.pad(out, [(0, 0)] * len(lead) + [(0, lacking)]) if lacking > 0 else out
