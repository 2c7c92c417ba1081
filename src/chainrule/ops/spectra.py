"""Spectra of signals in overlapping windowed segments, in scipy.signal's names: how they change with time, and their mean."""

import warnings

import numpy as np

from ..core.value import dtype_of, ndim_of, shape_of
from ..errors import ArgumentError, ShapeError, explain
from .elementwise import absolute, conjugate, imag, real
from .filtering import _floating, _scipy, detrend as without_trend
from .fourier import fftn, ifftn, irfftn, rfftn
from .indexing import getitem, index_add
from .padding import pad
from .percentiles import median
from .reduction import mean
from .shaping import as_value, cast, moveaxis, normalize_axis
from .signal import unwrap
from .trigonometric import angle

CONTINUED = {"even": {"mode": "reflect"}, "odd": {"mode": "reflect", "reflect_type": "odd"}, "constant": {"mode": "edge"}}
CONTINUED["zeros"] = {"mode": "constant"}


class Segments:
    """How a signal is cut into segments, and what is done to each.

    Parameters
    ----------
    n : samples in the signal
    fs : samples per second
    window : array, or what scipy.signal.get_window takes
    nperseg, noverlap, nfft : samples in a segment, shared by two neighbours, and in the Fourier transform; None for 256 (or
        as many as there are), half of the segment, and the segment's length
    whole : whether the spectrum has negative frequencies
    overlap_share : noverlap is the segment's length over this by default
    """

    def __init__(self, n, fs, window, nperseg, noverlap, nfft, whole, name, overlap_share=2):
        self.fs, self.whole, self.name = fs, whole, name
        if isinstance(window, (str, tuple)):
            nperseg = min(256 if nperseg is None else int(nperseg), n)
            if nperseg < 1:
                raise ArgumentError(
                    explain(f"{name}: nperseg must be a positive integer", f"found: {nperseg}", help="256 is usual")
                )
            self.window = _scipy().get_window(window, nperseg)
        else:
            self.window = np.asarray(window)
            if self.window.ndim != 1 or len(self.window) > n or nperseg not in (None, len(self.window)):
                found = f"window: {self.window.shape}    nperseg: {nperseg}    length of the signal: {n}"
                raise ArgumentError(
                    explain(f"{name}: the window does not fit", found, help="give one of nperseg values, at most as many")
                )
        self.size = len(self.window)
        self.overlap = self.size // overlap_share if noverlap is None else int(noverlap)
        self.nfft = self.size if nfft is None else int(nfft)
        if self.overlap >= self.size or self.nfft < self.size:
            raise ArgumentError(
                explain(
                    f"{name}: noverlap must be less than nperseg, and nfft at least nperseg",
                    f"nperseg: {self.size}    noverlap: {self.overlap}    nfft: {self.nfft}",
                    help="leave noverlap and nfft out for their usual values",
                )
            )
        self.step = self.size - self.overlap

    def frequencies(self):
        return np.fft.fftfreq(self.nfft, 1 / self.fs) if self.whole else np.fft.rfftfreq(self.nfft, 1 / self.fs)

    def scale(self, scaling):
        """What squared magnitudes are multiplied with, for a density (per hertz) or a spectrum (of the squared amplitude)."""
        if scaling not in ("density", "spectrum"):
            raise ArgumentError(explain(f"{self.name}: unknown scaling {scaling!r}", help="use 'density' or 'spectrum'"))
        w = self.window
        return 1 / (self.fs * np.sum(w * w)) if scaling == "density" else 1 / np.sum(w) ** 2

    def starts(self, n):
        return np.arange(0, n - self.size + 1, self.step)

    def transform(self, x, detrend):
        """The spectra of the segments of `x` (..., n): (..., segments, frequencies)."""
        frames = getitem(x, (..., self.starts(shape_of(x)[-1])[:, None] + np.arange(self.size)))
        if callable(detrend):
            frames = detrend(frames)
        elif detrend:
            frames = without_trend(frames, -1, detrend)
        frames = frames * self.window.astype(np.result_type(self.window, dtype_of(x)), copy=False)
        return cast((fftn if self.whole else rfftn)(frames, [self.nfft], [-1]), np.result_type(dtype_of(x), np.complex64))

    def one_sided(self, power):
        """Powers of positive frequencies stand for those of negative ones, too; 0 and half of `fs` have none."""
        if self.whole:
            return power
        twice = np.full(shape_of(power)[-1], 2.0, np.zeros((), dtype_of(power)).real.dtype)
        twice[0] = 1
        if self.nfft % 2 == 0:
            twice[-1] = 1
        return power * twice


def _is_whole(name, return_onesided, *arrays):
    is_complex = any(dtype_of(x).kind == "c" for x in arrays)
    if is_complex and return_onesided:
        warnings.warn(
            f"{name}: the input is complex, so that both sides of the spectrum are returned", UserWarning, stacklevel=3
        )
    return is_complex or not return_onesided


def _last(x, axis):
    return moveaxis(x, normalize_axis(axis, ndim_of(x)), -1)


def _powers(name, x, y, segments, detrend, scaling):
    """Products of the spectra of each segment, (..., segments, frequencies); real where `y` is None, which stands for `x`."""
    a = segments.transform(x, detrend)
    if y is None:
        product = real(a) ** 2 + imag(a) ** 2
    else:
        product = conjugate(a) * segments.transform(y, detrend)
    scale = segments.scale(scaling)
    return segments.one_sided(product * np.asarray(scale, np.zeros((), dtype_of(product)).real.dtype))


def _averaged(name, powers, average):
    """The mean over the segments, or their median, corrected for its bias."""
    if average == "mean":
        return mean(powers, -2)
    if average != "median":
        raise ArgumentError(explain(f"{name}: unknown average {average!r}", help="use 'mean' or 'median'"))
    n = shape_of(powers)[-2]
    pairs = 2.0 * np.arange(1, (n - 1) // 2 + 1)
    bias = float(1 + np.sum(1 / (pairs + 1) - 1 / pairs))  # of the median of n values that are distributed exponentially
    if dtype_of(powers).kind == "c":
        return (median(real(powers), -2) + 1j * median(imag(powers), -2)) / bias
    return median(powers, -2) / bias


def csd(
    x, y, fs=1.0, window="hann", nperseg=None, noverlap=None, nfft=None, detrend="constant", return_onesided=True,
    scaling="density", axis=-1, average="mean",
):  # fmt: skip
    """The cross spectral density of two signals by Welch's method, as scipy.signal.csd; `y` None stands for `x`.

    Returns
    -------
    f, Pxy : frequencies, and an array with them in place of `axis`; real where `y` is None

    >>> import chainrule as cr
    >>> x = np.sin(2 * np.pi * np.arange(64) / 8)
    >>> f, p = cr.signal.csd(x, x, nperseg=32)
    >>> float(f[np.argmax(np.abs(p))])
    0.125
    """
    name = "welch" if y is None else "csd"
    signals = [_last(_floating(s), axis) for s in (x, y) if s is not None]
    n = max(shape_of(s)[-1] for s in signals)
    signals = [pad(s, [(0, 0)] * (ndim_of(s) - 1) + [(0, n - shape_of(s)[-1])]) if shape_of(s)[-1] < n else s for s in signals]
    whole = _is_whole(name, return_onesided, *signals)
    segments = Segments(n, fs, window, nperseg, noverlap, nfft, whole, name)
    powers = _powers(name, signals[0], signals[1] if len(signals) > 1 else None, segments, detrend, scaling)
    return segments.frequencies(), moveaxis(_averaged(name, powers, average), -1, axis)


def welch(
    x, fs=1.0, window="hann", nperseg=None, noverlap=None, nfft=None, detrend="constant", return_onesided=True,
    scaling="density", axis=-1, average="mean",
):  # fmt: skip
    """The power spectral density: the mean over segments (Welch, "The use of fast Fourier transform for the estimation of power
    spectra", 1967), as scipy.signal.welch.

    Parameters
    ----------
    x : array
    fs : samples per second
    window : array, or what scipy.signal.get_window takes
    nperseg, noverlap, nfft : samples in a segment, shared by neighbours, and in the Fourier transform
    detrend : 'constant', 'linear', False, or a function of the segments (..., nperseg)
    return_onesided : whether frequencies below 0 are left out, for real signals
    scaling : 'density', per hertz, or 'spectrum'
    average : 'mean' or 'median' over the segments

    Returns
    -------
    f, Pxx : frequencies in hertz, and a real array with them in place of `axis`

    >>> import chainrule as cr
    >>> f, p = cr.signal.welch(np.sin(2 * np.pi * np.arange(64) / 8), nperseg=32)
    >>> float(f[np.argmax(p)])
    0.125
    """
    return csd(x, None, fs, window, nperseg, noverlap, nfft, detrend, return_onesided, scaling, axis, average)


def periodogram(
    x, fs=1.0, window="boxcar", nfft=None, detrend="constant", return_onesided=True, scaling="density", axis=-1,
):  # fmt: skip
    """The power spectral density of the whole signal as one segment, as scipy.signal.periodogram.

    >>> import chainrule as cr
    >>> f, p = cr.signal.periodogram(np.array([1.0, -1.0, 1.0, -1.0]))
    >>> p.round(6)
    array([0., 0., 4.])
    """
    x = _last(_floating(x), axis)
    n = shape_of(x)[-1]
    size = n if nfft is None else int(nfft)
    x = getitem(x, (..., slice(0, size))) if size < n else x
    n = min(n, size)
    whole = _is_whole("periodogram", return_onesided, x)
    window = (
        _scipy().get_window("boxcar" if window is None else window, n)
        if isinstance(window, (str, tuple, type(None)))
        else window
    )
    segments = Segments(n, fs, window, None, 0, size, whole, "periodogram")
    powers = _powers("periodogram", x, None, segments, detrend, scaling)
    return segments.frequencies(), moveaxis(getitem(powers, (..., 0, slice(None))), -1, axis)


def coherence(
    x, y, fs=1.0, window="hann", nperseg=None, noverlap=None, nfft=None, detrend="constant", axis=-1,
):  # fmt: skip
    """How far two signals are linearly related at each frequency, from 0 to 1, as scipy.signal.coherence.

    >>> import chainrule as cr
    >>> x = np.sin(np.arange(64.0) ** 1.5)
    >>> cr.signal.coherence(x, 3 * x, nperseg=16)[1].round(6)
    array([1., 1., 1., 1., 1., 1., 1., 1., 1.])
    """
    options = (fs, window, nperseg, noverlap, nfft, detrend)
    f, px = welch(x, *options, axis=axis)
    _, py = welch(y, *options, axis=axis)
    _, both = csd(x, y, *options, axis=axis)
    return f, (real(both) ** 2 + imag(both) ** 2) / px / py


def _times(segments, n, continued):
    times = np.arange(segments.size / 2, n - segments.size / 2 + 1, segments.step) / segments.fs
    return times - segments.size / 2 / segments.fs if continued else times


def spectrogram(
    x, fs=1.0, window=("tukey", 0.25), nperseg=None, noverlap=None, nfft=None, detrend="constant", return_onesided=True,
    scaling="density", axis=-1, mode="psd",
):  # fmt: skip
    """Spectra of consecutive segments, as scipy.signal.spectrogram.

    Parameters
    ----------
    x, fs, window, nperseg, noverlap, nfft, detrend, return_onesided, scaling : as in `welch`
    mode : 'psd', 'complex', 'magnitude', 'angle' or 'phase' (the angle without its jumps)

    Returns
    -------
    f, t, Sxx : frequencies, times, and an array with the frequencies in place of `axis` and the times as last axis

    >>> import chainrule as cr
    >>> f, t, s = cr.signal.spectrogram(np.sin(2 * np.pi * np.arange(64) / 8), nperseg=32)
    >>> s.shape, float(f[np.argmax(s[:, 0])])
    ((17, 2), 0.125)
    """
    if mode not in ("psd", "complex", "magnitude", "angle", "phase"):
        raise ArgumentError(
            explain(f"spectrogram: unknown mode {mode!r}", help="use 'psd', 'complex', 'magnitude', 'angle' or 'phase'")
        )
    axis = normalize_axis(axis, ndim_of(as_value(x)))
    x = _last(_floating(x), axis)
    whole = _is_whole("spectrogram", return_onesided, x)
    segments = Segments(shape_of(x)[-1], fs, window, nperseg, noverlap, nfft, whole, "spectrogram", overlap_share=8)
    if mode == "psd":
        s = _powers("spectrogram", x, None, segments, detrend, scaling)
    else:
        spectra = segments.transform(x, detrend)
        s = spectra * np.asarray(np.sqrt(segments.scale(scaling)), np.zeros((), dtype_of(spectra)).real.dtype)
        s = absolute(s) if mode == "magnitude" else s if mode == "complex" else angle(s)
        s = unwrap(s, axis=-1) if mode == "phase" else s
    return segments.frequencies(), _times(segments, shape_of(x)[-1], False), moveaxis(moveaxis(s, -2, -1), -2, axis)


def stft(
    x, fs=1.0, window="hann", nperseg=256, noverlap=None, nfft=None, detrend=False, return_onesided=True,
    boundary="zeros", padded=True, axis=-1, scaling="spectrum",
):  # fmt: skip
    """The short-time Fourier transform, as scipy.signal.stft; `istft` is its inverse.

    Parameters
    ----------
    x, fs, window, nperseg, noverlap, nfft, detrend, return_onesided : as in `welch`
    boundary : how the signal is continued by half a segment at both ends: 'zeros', 'even', 'odd', 'constant' or None
    padded : whether zeros at the end complete the last segment
    scaling : 'spectrum' or 'psd'

    Returns
    -------
    f, t, Zxx : frequencies, times, and a complex array with the frequencies in place of `axis` and the times as last axis

    >>> import chainrule as cr
    >>> x = np.sin(np.arange(100.0))
    >>> f, t, z = cr.signal.stft(x, nperseg=32)
    >>> z.shape, bool(np.allclose(cr.signal.istft(z, nperseg=32)[1][:100], x))
    ((17, 8), True)
    """
    if boundary is not None and boundary not in CONTINUED:
        raise ArgumentError(explain(f"stft: unknown boundary {boundary!r}", help=f"use one of {', '.join(CONTINUED)}, or None"))
    axis = normalize_axis(axis, ndim_of(as_value(x)))
    x = _last(_floating(x), axis)
    whole = _is_whole("stft", return_onesided, x)
    segments = Segments(shape_of(x)[-1], fs, window, nperseg, noverlap, nfft, whole, "stft")
    rest = [(0, 0)] * (ndim_of(x) - 1)
    if boundary is not None:
        x = pad(x, [*rest, (segments.size // 2,) * 2], **CONTINUED[boundary])
    if padded:
        x = pad(x, [*rest, (0, (-(shape_of(x)[-1] - segments.size) % segments.step) % segments.size)])
    z = segments.transform(x, detrend)
    z = z * np.asarray(_stft_scale(segments, scaling, "stft"), np.zeros((), dtype_of(z)).real.dtype)
    times = _times(segments, shape_of(x)[-1], boundary is not None)
    return segments.frequencies(), times, moveaxis(moveaxis(z, -2, -1), -2, axis)


def _stft_scale(segments, scaling, name):
    if scaling not in ("spectrum", "psd"):
        raise ArgumentError(explain(f"{name}: unknown scaling {scaling!r}", help="use 'spectrum' or 'psd'"))
    return np.sqrt(segments.scale("density" if scaling == "psd" else "spectrum"))


def istft(
    Zxx, fs=1.0, window="hann", nperseg=None, noverlap=None, nfft=None, input_onesided=True, boundary=True, time_axis=-1,
    freq_axis=-2, scaling="spectrum",
):  # fmt: skip
    """The signal whose short-time Fourier transform is nearest to `Zxx` in the least-squares sense (Griffin and Lim, 1984), as
    scipy.signal.istft.

    Returns
    -------
    t, x : times, and an array with them in place of `time_axis`, without `freq_axis`

    Raises
    ------
    ArgumentError
        The sizes do not fit.

    >>> import chainrule as cr
    >>> cr.signal.istft(cr.signal.stft(np.arange(8.0), nperseg=4)[2], nperseg=4)[1].round(6)
    array([0., 1., 2., 3., 4., 5., 6., 7.])
    """
    z = as_value(Zxx)
    z = z if dtype_of(z).kind == "c" else cast(z, np.dtype(np.complex128))
    if ndim_of(z) < 2:
        raise ShapeError(
            explain("istft: Zxx needs an axis of frequencies and one of times", f"found: {shape_of(z)}", help="see stft")
        )
    freq_axis, time_axis = normalize_axis(freq_axis, ndim_of(z)), normalize_axis(time_axis, ndim_of(z))
    if freq_axis == time_axis:
        raise ArgumentError(explain("istft: freq_axis and time_axis must differ", f"both: {freq_axis}", help="see stft"))
    z = moveaxis(z, (time_axis, freq_axis), (-2, -1))
    rows, columns = shape_of(z)[-2:]
    most = 2 * (columns - 1) if input_onesided else columns
    size = most if nperseg is None else int(nperseg)
    nfft = (most + 1 if nfft is None and size == most + 1 and input_onesided else most) if nfft is None else int(nfft)
    segments = Segments(max(size, 1), fs, window, size, noverlap, max(nfft, size), not input_onesided, "istft")
    if nfft < size:
        raise ArgumentError(
            explain("istft: nfft must be at least nperseg", f"nfft: {nfft}    nperseg: {size}", help="see stft")
        )
    real_dtype = np.zeros((), dtype_of(z)).real.dtype
    window = segments.window.astype(real_dtype)
    frames = (irfftn if input_onesided else ifftn)(z, [nfft], [-1])
    frames = getitem(frames, (..., slice(0, size))) * (window / np.asarray(_stft_scale(segments, scaling, "istft"), real_dtype))
    n = size + (rows - 1) * segments.step
    places = segments.starts(n)[:, None] + np.arange(size)
    x = index_add(np.zeros((*shape_of(frames)[:-2], n), dtype_of(frames)), (..., places), frames)
    weight = np.zeros(n, real_dtype)
    np.add.at(weight, places, np.broadcast_to(window**2, places.shape))
    if boundary:
        half = size // 2
        x, weight = getitem(x, (..., slice(half, n - half))), weight[half : n - half]
    if np.any(weight < 1e-10):
        warnings.warn(
            "istft: the windows do not cover every sample, so that the inverse is not exact", UserWarning, stacklevel=2
        )
    x = x / np.where(weight > 1e-10, weight, 1)
    times = np.arange(shape_of(x)[-1]) / fs
    return times, moveaxis(x, -1, time_axis - (freq_axis < time_axis)) if ndim_of(x) > 1 else x
