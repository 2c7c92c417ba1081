"""Spectra and smoothing filters of chainrule.signal against SciPy: values, dtypes, errors and derivatives."""

import warnings

import numpy as np
import pytest
import scipy.signal
from test_filtering import numbers, same

import chainrule as cr

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # SciPy's of short signals, and ours of complex ones


def like_scipy(name, *args, **kwargs):
    found, expected = getattr(cr.signal, name)(*args, **kwargs), getattr(scipy.signal, name)(*args, **kwargs)
    for f, e in zip(*((x if isinstance(x, tuple) else (x,)) for x in (found, expected)), strict=True):
        same(f, e)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"nperseg": 32},
        {"fs": 10.0, "nperseg": 33, "nfft": 40, "scaling": "spectrum", "detrend": "linear", "average": "median"},
        {"nperseg": 16, "return_onesided": False, "noverlap": 3},
        {"window": np.hamming(20), "detrend": False},
        {"nperseg": 16, "detrend": lambda frames: frames - frames[..., :1]},
    ],
)
def test_mean_spectra(options):
    x, y = numbers(3, 100), numbers(3, 100)
    like_scipy("welch", x, **options)
    like_scipy("csd", x, y, **options)
    like_scipy("csd", x, y[:, :70], **options)
    like_scipy("welch", x.T, axis=0, **options)
    like_scipy("welch", numbers(2, 60, dtype=complex), **options)
    like_scipy("welch", x.astype(np.float32), **options)
    like_scipy("coherence", x, y, **{k: v for k, v in options.items() if k in ("fs", "nperseg", "nfft")} | {"nperseg": 16})


@pytest.mark.parametrize(
    "options", [{}, {"nfft": 50}, {"nfft": 128, "window": "hann"}, {"detrend": False, "scaling": "spectrum"}]
)
def test_periodogram(options):
    like_scipy("periodogram", numbers(2, 90), **options)
    like_scipy("periodogram", numbers(91), **options)


@pytest.mark.parametrize("mode", ["psd", "complex", "magnitude", "angle", "phase"])
def test_spectrogram(mode):
    like_scipy("spectrogram", numbers(2, 100), nperseg=20, mode=mode)
    like_scipy("spectrogram", numbers(100, 2), nperseg=20, mode=mode, axis=0)


@pytest.mark.parametrize("boundary", ["zeros", "even", "odd", "constant", None])
@pytest.mark.parametrize("nperseg", [16, 17])
def test_short_time_transform_and_back(boundary, nperseg):
    x = numbers(2, 100)
    for options in ({}, {"padded": False, "scaling": "psd"}, {"noverlap": 10, "nfft": 20}):
        like_scipy("stft", x, nperseg=nperseg, boundary=boundary, **options)
    z = cr.signal.stft(x, nperseg=nperseg, boundary=boundary, noverlap=10, nfft=20)[2]
    options = {"nperseg": nperseg, "noverlap": 10, "nfft": 20, "boundary": boundary is not None}
    same(cr.signal.istft(z, **options)[1], scipy.signal.istft(z, **options)[1])
    if boundary is not None:
        np.testing.assert_allclose(cr.signal.istft(z, **options)[1][:, :100], x, atol=1e-12)
    z = scipy.signal.stft(x.T, nperseg=nperseg, axis=0, return_onesided=False)[2]
    options = {"freq_axis": 0, "time_axis": -1, "input_onesided": False}
    same(cr.signal.istft(z, **options)[1], scipy.signal.istft(z, **options)[1])


@pytest.mark.parametrize("mode", ["interp", "mirror", "nearest", "wrap", "constant"])
@pytest.mark.parametrize("deriv", [0, 1, 2])
def test_savgol_filter(mode, deriv):
    x = numbers(3, 20)
    for window, order in ((7, 3), (6, 2), (20, 4), (3, 2), (1, 0)):
        like_scipy("savgol_filter", x, window, order, deriv=deriv, mode=mode, delta=0.5)
    like_scipy("savgol_filter", x.T, 5, 2, axis=0, mode=mode, cval=2.0)


def test_medfilt_and_sosfiltfilt():
    x = numbers(9, 8)
    for kernel in (None, 3, 5, [1, 3], [5, 1]):
        like_scipy("medfilt", x, kernel)
    like_scipy("medfilt", numbers(7, dtype=np.float32), 5)
    x = numbers(2, 60)
    for order in 3, 4:
        sos = scipy.signal.butter(order, 0.3, output="sos")
        for padtype in ("odd", "even", "constant", None):
            like_scipy("sosfiltfilt", sos, x, padtype=padtype)
        like_scipy("sosfiltfilt", sos, x.T, axis=0, padlen=5)


def test_derivatives():
    x, y = numbers(2, 24), numbers(2, 24)

    def of(name, *args, **kwargs):
        """Only the last result: frequencies and times are constants."""
        ours = getattr(cr.signal, name)
        result = ours(*args, **kwargs)
        return result[-1] if isinstance(result, tuple) else result

    sos = scipy.signal.butter(2, 0.4, output="sos")
    cases = [
        (lambda x: of("welch", x, nperseg=8), (x,)),
        (lambda x: of("welch", x, nperseg=8, average="median"), (x,)),
        (lambda x, y: abs(of("csd", x, y, nperseg=8)), (x, y)),
        (lambda x, y: of("coherence", x, y, nperseg=8), (x, y)),
        (lambda x: of("periodogram", x), (x,)),
        (lambda x: of("spectrogram", x, nperseg=8, mode="magnitude"), (x,)),
        (lambda x: abs(of("stft", x, nperseg=8)), (x,)),
        (lambda x: of("istft", of("stft", x, nperseg=8) ** 2, nperseg=8), (x,)),
        (lambda x: of("savgol_filter", x, 5, 2), (x,)),
        (lambda x: of("medfilt", x, 3), (x,)),
        (lambda x: of("sosfiltfilt", sos, x), (x,)),
        (lambda sos, x: of("sosfiltfilt", sos, x, padlen=5), (sos, x)),
    ]
    for i, (f, args) in enumerate(cases):
        weights = np.random.default_rng(i).normal(size=np.shape(f(*args)))

        def g(*args, f=f, weights=weights):
            return cr.sum(cr.sin(f(*args)) * weights)

        cr.gradcheck(g, args)
        np.testing.assert_allclose(cr.compile(cr.grad(g))(*args), cr.grad(g)(*args), rtol=1e-9, atol=1e-12)
        stacked = [np.stack([a, 0.9 * a]) for a in args]
        mapped = cr.vmap(cr.grad(g))(*stacked)
        np.testing.assert_allclose(mapped[1], cr.grad(g)(*(s[1] for s in stacked)), rtol=1e-7, atol=1e-10)


def test_a_chirp_is_found_by_descent_on_its_spectrogram():
    """What differentiable spectra are used for: a rate that has to sound alike, though the waves themselves never line up."""
    t = np.arange(512) / 512

    def sound(rate):
        return cr.cos(2 * np.pi * (40 * t + rate * t * t))

    def spectrum(rate):
        return cr.log(cr.signal.spectrogram(sound(rate), 512, nperseg=64, noverlap=48)[2] + 1e-3)

    heard = np.asarray(spectrum(30.0))
    loss = cr.compile(cr.value_and_grad(lambda rate: ((spectrum(rate) - heard) ** 2).mean()))
    rate = 26.0
    for i in range(200):
        rate = rate - 0.1 * 0.99**i * np.sign(loss(rate)[1])
    assert abs(rate - 30) < 0.3


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.welch(np.ones(9), scaling="volume"),
        lambda s: s.welch(np.ones(20), nperseg=8, average="mode"),
        lambda s: s.welch(np.ones(9), nperseg=4, noverlap=4),
        lambda s: s.welch(np.ones(9), nperseg=4, nfft=3),
        lambda s: s.welch(np.ones(9), nperseg=0),
        lambda s: s.welch(np.ones(9), window=np.ones(10)),
        lambda s: s.spectrogram(np.ones(9), mode="loud"),
        lambda s: s.stft(np.ones(9), boundary="open"),
        lambda s: s.stft(np.ones(9), scaling="density"),
        lambda s: s.istft(np.ones(9)),
        lambda s: s.istft(np.ones((5, 3)), time_axis=0, freq_axis=0),
        lambda s: s.savgol_filter(np.ones(9), 3, 3),
        lambda s: s.savgol_filter(np.ones(9), 11, 3),
        lambda s: s.savgol_filter(np.ones(9), 3, 1, mode="open"),
        lambda s: s.medfilt(np.ones(9), 4),
        lambda s: s.sosfiltfilt(np.ones((1, 6)), np.ones(3)),
        lambda s: s.sosfiltfilt(np.ones((1, 6)), np.ones(30), padtype="open"),
    ],
)
def test_errors(call):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError):
            call(scipy.signal)
        with pytest.raises(ValueError, match="help"):
            call(cr.signal)


def test_warnings():
    with pytest.warns(UserWarning, match="both sides"):
        cr.signal.welch(np.ones(9, complex))
    z = cr.signal.stft(np.ones(20), nperseg=8, boundary=None)[2]
    with pytest.warns(UserWarning, match="do not cover"):
        cr.signal.istft(z, nperseg=8, boundary=False)
