"""Filters, convolutions and spectra in scipy.signal's names."""

from .ops.filtering import (
    convolve as convolve,
    convolve2d as convolve2d,
    correlate as correlate,
    correlate2d as correlate2d,
    detrend as detrend,
    fftconvolve as fftconvolve,
    filtfilt as filtfilt,
    hilbert as hilbert,
    lfilter as lfilter,
    lfilter_zi as lfilter_zi,
    oaconvolve as oaconvolve,
    sosfilt as sosfilt,
)
from .ops.smoothing import medfilt as medfilt, savgol_filter as savgol_filter, sosfiltfilt as sosfiltfilt
from .ops.spectra import (
    coherence as coherence,
    csd as csd,
    istft as istft,
    periodogram as periodogram,
    spectrogram as spectrogram,
    stft as stft,
    welch as welch,
)

__all__ = [name for name, thing in list(globals().items()) if callable(thing)]  # the functions above, no modules
