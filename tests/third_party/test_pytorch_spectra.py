"""PyTorch's windows and short-time Fourier transform: values, gradients, compiled, batched, and errors."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError, ShapeError

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's about windows of ones and lengths
RNG = np.random.default_rng(0)
SIGNALS = RNG.normal(size=(2, 40))


@pytest.mark.parametrize("name", ["hann", "hamming", "blackman", "bartlett", "kaiser"])
@pytest.mark.parametrize("periodic", [True, False])
def test_windows(name, periodic):
    for n in (0, 1, 2, 5, 8):
        expected = getattr(torch, f"{name}_window")(n, periodic, dtype=torch.float64)
        np.testing.assert_allclose(getattr(cr, f"{name}_window")(n, periodic), expected, atol=1e-9)
    assert cr.hann_window(3, dtype=cr.float32, requires_grad=True).requires_grad
    with pytest.raises(ArgumentError, match="at least no points"):
        cr.hann_window(-1)


OPTIONS = [
    {"n_fft": 8},
    {"n_fft": 8, "hop_length": 3, "window": "hann"},
    {"n_fft": 9, "hop_length": 4, "win_length": 6, "window": "hann6", "normalized": True},
    {"n_fft": 8, "hop_length": 2, "center": False, "window": "positive"},
    {"n_fft": 8, "onesided": False, "pad_mode": "constant"},
    {"n_fft": 8, "pad_mode": "replicate"},
    {"n_fft": 8, "pad_mode": "circular"},
]


def windows():
    return {
        "hann": np.hanning(9)[:-1],
        "hann6": np.hanning(7)[:-1],
        "positive": np.linspace(0.5, 1.0, 8),
    }


def with_window(library, options):
    made = dict(options)
    if "window" in made:
        made["window"] = library.tensor(windows()[made["window"]])
    return made


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("signal", [SIGNALS, SIGNALS[0], SIGNALS + 1j * SIGNALS[::-1]], ids=["batch", "one", "complex"])
def test_there_and_back(signal, options):
    def run(library):
        x = library.tensor(signal, requires_grad=True)
        chosen = with_window(library, options)
        y = library.stft(x, return_complex=True, **chosen)
        power = (y.abs() ** 2 * library.arange(y.shape[-1])).sum()
        chosen.pop("pad_mode", None)
        back = {"return_complex": True, "onesided": False} if signal.dtype.kind == "c" else {}
        chosen["hop_length"] = options.get("hop_length")
        length = 36 if "win_length" in options else signal.shape[-1] + 3
        z = library.istft(y, length=length, **{**chosen, **back})
        (power + (z.abs() ** 3).sum()).backward()
        return y.detach().numpy(), z.detach().numpy(), x.grad.numpy(), library.istft(y, **{**chosen, **back}).detach().numpy()

    for found, expected in zip(run(cr), run(torch), strict=True):
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)


def test_in_other_transforms():
    def f(x):
        y = cr.stft(x, 8, window=cr.hann_window(8), normalized=True)
        return (cr.istft(y * y.abs(), 8, window=cr.hann_window(8)) ** 2).sum()

    x = SIGNALS[0]
    assert cr.gradcheck(f, (x,), order=2)
    slope = cr.grad(f)(x)
    np.testing.assert_allclose(cr.compile(cr.grad(f))(x), slope, rtol=1e-9)
    np.testing.assert_allclose(cr.vmap(cr.grad(f))(SIGNALS)[0], slope, rtol=1e-9)
    assert cr.stft(x.astype(np.float32), 8).dtype == np.complex64


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: cr.stft(SIGNALS[None], 8), ShapeError, "a signal, or a batch"),
        (lambda: cr.stft(SIGNALS, 8, window=np.ones(5)), ShapeError, "win_length points"),
        (lambda: cr.stft(SIGNALS, 100), ShapeError, "too short to be reflected"),
        (lambda: cr.stft(SIGNALS, 100, center=False), ShapeError, "shorter than a stretch"),
        (lambda: cr.stft(SIGNALS, 8, hop_length=0), ArgumentError, "must be positive"),
        (lambda: cr.stft(SIGNALS, 8, win_length=9), ArgumentError, "at most n_fft"),
        (lambda: cr.stft(SIGNALS * 1j, 8, onesided=True), ArgumentError, "negative frequencies"),
        (lambda: cr.istft(np.ones((4, 3)) * 1j, 8), ShapeError, "as stft gives them"),
        (lambda: cr.istft(np.ones((5, 3)) * 1j, 8, center=False, window=cr.hann_window(8)), ArgumentError, "all windows"),
    ],
)
def test_what_makes_no_sense(call, error, words):
    with pytest.raises(error, match=rf"{words}(.|\n)*help:"):
        call()


def test_pairs_of_real_numbers():
    found = cr.stft(SIGNALS, 8, return_complex=False)
    np.testing.assert_array_equal(found, torch.view_as_real(torch.tensor(np.asarray(cr.stft(SIGNALS, 8)))))
