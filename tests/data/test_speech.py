"""Synthesised speech and what recognisers look at."""

import shutil

import numpy as np
import pytest

import chainrule.data as data
from chainrule.errors import ArgumentError, DataError, MissingDataError

spoken = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")


@spoken
def test_speak():
    slow, rate = data.speak("four", voice="en-gb+f2", speed=100)
    quick, _ = data.speak("four", voice="en-gb+f2", speed=300)
    assert rate > 8000 and len(slow) > 1.3 * len(quick) and slow.dtype == np.float32 and 0.05 < np.abs(slow).max() <= 1
    dashed, _ = data.speak("--version")  # a text, no option
    assert len(dashed) > rate / 2
    for bad in ({"voice": "no-such-language"}, {"voice": "en-us+nobody"}, {"text": " "}):
        with pytest.raises(DataError, match="did not say"):
            data.speak(**{"text": "one"} | bad)


@spoken
def test_digits_are_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    asked = {"voices": ["en-us", "en-gb+f2"], "count": 5, "digits": (1, 3), "seed": 3}
    samples, strings, speakers = data.load_spoken_digits(**asked)
    assert speakers.tolist() == [0, 1, 0, 1, 0] and all(1 <= len(s) <= 3 and set(s) <= set(range(10)) for s in strings)
    (file,) = (tmp_path / "speech").iterdir()
    monkeypatch.setattr("chainrule.data.speech.speak", None)  # what is kept is not said again
    again = data.load_spoken_digits(**asked)
    assert again[1] == strings and all(np.array_equal(a, b) for a, b in zip(samples, again[0], strict=True))
    monkeypatch.undo()
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    whole = file.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"x" * 100):
        file.write_bytes(damaged)
        mended = data.load_spoken_digits(**asked)
        assert all(np.array_equal(a, b) for a, b in zip(samples, mended[0], strict=True)) and file.read_bytes()[:2] == b"PK"
    fresh = data.load_spoken_digits(**asked | {"seed": 4}, cache=False)
    assert fresh[1] != strings and len(list(file.parent.iterdir())) == 1


def test_missing_program(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    for call in (lambda: data.speak("one"), lambda: data.load_spoken_digits(["en-us"], 1, cache=False)):
        with pytest.raises(MissingDataError, match="sudo apt-get install espeak-ng"):
            call()


def test_arguments():
    for bad in ([], 3), (["en-us"], 0):
        with pytest.raises(ArgumentError, match="needs a voice"):
            data.load_spoken_digits(*bad)
    with pytest.raises(ArgumentError, match="at least a window"):
        data.log_mel(np.zeros(100))


def test_log_mel():
    time = np.arange(16000) / 16000
    heights = [
        data.log_mel(np.sin(2 * np.pi * f * time), 16000, bands=40).mean(0).argmax() for f in (200, 500, 1000, 2000, 5000)
    ]
    assert heights == sorted(set(heights))
    x = np.random.default_rng(0).normal(size=8000)
    assert data.log_mel(x, hop=0.02).shape == (49, 32)
    assert np.allclose(data.log_mel(10 * x) - data.log_mel(x), np.log(100), atol=1e-3)  # energies
    assert np.isfinite(data.log_mel(np.zeros(400))).all()
