"""Speech: spoken by the synthesiser espeak-ng, and what recognisers look at instead of samples."""

import functools
import hashlib
import importlib
import io
import os
import shutil
import subprocess
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ArgumentError, DataError, MissingDataError, explain
from .files import atomic_write

COMMAND = "sudo apt-get install espeak-ng"
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
RATE = 8000


def speak(text, *, voice="en-us", speed=160, pitch=50):
    """What espeak-ng says, as (samples, rate).

    Parameters
    ----------
    text : str
    voice : language and, after a plus, variant, such as "en-gb+f2"; `espeak-ng --voices=en` and `--voices=variant` list them
    speed : words per minute, 80 to 450
    pitch : 0 to 99

    Returns
    -------
    samples : float32 (n,), from -1 to 1
    rate : samples per second

    Raises
    ------
    MissingDataError
        espeak-ng is not installed; the message has the command that installs it.
    DataError
        It has no such voice, or says nothing.

    Examples
    --------
    >>> import chainrule as cr
    >>> samples, rate = cr.data.speak("four", voice="en-gb+f2")  # doctest: +SKIP
    >>> len(samples) / rate  # seconds  # doctest: +SKIP
    0.6
    """
    program = _espeak("speak")
    language, _, variant = voice.partition("+")
    languages, variants = _voices(program)
    # It would say an unknown voice's text with another one.
    known = language.lower() in languages and (not variant or variant in variants)
    command = [program, "-v", voice, "-s", str(int(speed)), "-p", str(int(pitch)), "--stdout", "--", text]
    done = subprocess.run(command, capture_output=True, check=False) if known and text.strip() else None
    said = done.stderr.decode(errors="replace").strip() if done else "no text" if known else "no such voice"
    if done is None or done.returncode or said or len(done.stdout) <= 44:  # a wave file without samples is its head of 44 bytes
        raise DataError(
            explain(
                f"speak: espeak-ng did not say {text!r}",
                f"voice: {voice}",
                *said.split("\n")[:1],
                help="espeak-ng --voices=en lists the voices, espeak-ng --voices=variant what may follow the plus",
            )
        )
    with wave.open(io.BytesIO(done.stdout)) as file:
        rate = file.getframerate()
    return np.frombuffer(done.stdout[44:], "<i2").astype(np.float32) / 32768, rate


def load_spoken_digits(voices, count, *, digits=(2, 4), speeds=(140, 210), pitches=(30, 70), seed=0, cache=True):
    """Strings of digits, spoken by espeak-ng in given voices at random speeds and pitches, with 8,000 samples a second.

    They are kept in a folder `speech` in $CHAINRULE_DATA, or in ~/.cache/chainrule, since making a thousand takes ten seconds.

    Parameters
    ----------
    voices : names as `speak` takes them; each speaks as often as the others
    count : strings
    digits : fewest and most in a string
    speeds, pitches : lowest and highest
    seed : for all that is random; the same seed always gives the same strings
    cache : whether to keep them, and take them from there

    Returns
    -------
    samples : list of float32 arrays from -1 to 1
    strings : list of tuples of digits, which are integers from 0 to 9
    speakers : int64 (count,), which voice spoke

    Raises
    ------
    MissingDataError
        espeak-ng is not installed; the message has the command that installs it.
    DataError
        It has no such voice.
    ArgumentError
        There are no voices, or no strings are asked for.

    Examples
    --------
    >>> import chainrule as cr
    >>> samples, strings, _ = cr.data.load_spoken_digits(["en-us+f2"], 10)  # doctest: +SKIP
    >>> strings[0]  # doctest: +SKIP
    (8, 6, 5)
    """
    voices = tuple(voices)
    if not voices or count < 1:
        found = f"voices: {len(voices)}    count: {count}"
        raise ArgumentError(
            explain("load_spoken_digits: needs a voice and a count of 1 or more", found, help="for example ['en-us']")
        )
    random = np.random.Generator(np.random.Philox(seed))
    speakers = np.arange(count) % len(voices)
    lengths = random.integers(digits[0], digits[1] + 1, count)
    strings = [tuple(random.integers(0, 10, n).tolist()) for n in lengths]
    settings = list(
        zip(random.integers(speeds[0], speeds[1] + 1, count), random.integers(pitches[0], pitches[1] + 1, count), strict=True)
    )
    key = hashlib.sha256(repr((1, voices, count, digits, speeds, pitches, seed)).encode()).hexdigest()[:16]
    base = os.environ.get("CHAINRULE_DATA") or Path.home() / ".cache" / "chainrule"
    path = Path(base) / "speech" / f"digits-{key}.npz"
    known: Any = _stored(path, count) if cache else (None, None)
    ends, whole = known
    if whole is None:
        _espeak("load_spoken_digits")

        def spoken(i):
            text = " ".join(DIGITS[d] for d in strings[i])
            samples, rate = speak(text, voice=voices[speakers[i]], speed=settings[i][0], pitch=settings[i][1])
            samples = _signal().resample_poly(samples, RATE, rate)
            return np.round(32767 * np.clip(samples, -1, 1)).astype(np.int16)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            parts = list(pool.map(spoken, range(count)))
        ends, whole = np.cumsum([len(p) for p in parts]), np.concatenate(parts)
        if cache:
            with atomic_write(path, "wb") as file:
                np.savez(file, ends=ends, samples=whole)
    return [p.astype(np.float32) / 32768 for p in np.split(whole, ends[:-1])], strings, speakers


def log_mel(samples, rate=RATE, *, bands=32, window=0.025, hop=0.01):
    """Loudness in bands of frequency that are spaced as the ear spaces them (mel), over time.

    Parameters
    ----------
    samples : array (n,)
    rate : samples per second
    bands : int, between 60 Hz and half the rate
    window, hop : seconds; length of the pieces that are looked at, and from one to the next

    Returns
    -------
    float32 (times, bands), natural logarithms of energies

    Raises
    ------
    ArgumentError
        There are fewer samples than a window has.

    Examples
    --------
    >>> import chainrule as cr
    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)
    >>> heard = cr.data.log_mel(tone)
    >>> heard.shape, bool(heard.mean(0).argmax() == 14)
    ((98, 32), True)
    """
    samples = np.asarray(samples, np.float64)
    length, step = round(window * rate), round(hop * rate)
    if samples.ndim != 1 or len(samples) < length:
        found = f"samples: {samples.shape}    a window: {length}"
        raise ArgumentError(explain("log_mel: needs an array (n,) of at least a window", found, help="fill it up with zeros"))
    pieces = np.lib.stride_tricks.sliding_window_view(samples, length)[::step]
    size = 1 << (length - 1).bit_length()
    power = np.abs(np.fft.rfft(pieces * _signal().get_window("hann", length), size)) ** 2
    low, high = 2595 * np.log10(1 + np.array([60, rate / 2]) / 700)
    mel = np.linspace(low, high, bands + 2)
    edges = 700 * (10 ** (mel / 2595) - 1) * size / rate
    bins = np.arange(size // 2 + 1)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.log(power @ np.clip(np.minimum(rising, falling), 0, None) + 1e-6).astype(np.float32)


def _espeak(asker):
    program = shutil.which("espeak-ng")
    if program is None:
        raise MissingDataError(
            explain(f"{asker}: the speech synthesiser espeak-ng is missing", help=f"on Debian or Ubuntu: {COMMAND}")
        )
    return program


@functools.cache
def _signal():
    return importlib.import_module("scipy.signal")  # takes long, and few need it


@functools.cache
def _voices(program):
    """Names of languages and of variants."""
    found: tuple[set[str], set[str]] = set(), set()
    for names, option in zip(found, ("--voices", "--voices=variant"), strict=True):
        listed = subprocess.run([program, option], capture_output=True, text=True, check=False).stdout
        for line in listed.splitlines()[1:]:
            _, language, _, _, file, *_ = [*line.split(), "", "", "", "", ""]
            name = file.rpartition("/")[2]
            names.update({name} if "variant" in option else {language, name.lower()})
    return found


def _stored(path, count):
    """What is kept; a damaged file counts as none and is made again."""
    try:
        with open(path, "rb") as file, np.load(file) as stored:
            ends, whole = stored["ends"], stored["samples"]
    except Exception:  # what a damaged file makes zipfile and NumPy raise is of many kinds
        return None, None
    return (ends, whole) if len(ends) == count and ends[-1] == len(whole) else (None, None)
