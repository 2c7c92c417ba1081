"""Real texts: where they are found, what is read from them, and what counting foretells of them."""

import itertools
import struct

import numpy as np
import pytest

import chainrule.data as data
from chainrule.data import corpora
from chainrule.errors import ArgumentError, DataError, MissingDataError


def compressed(text):
    """What `compress` writes, without its header."""
    table = {bytes([i]): i for i in range(256)}
    codes, run = [], b""
    for byte in text:
        new = run + bytes([byte])
        if new in table:
            run = new
        else:
            codes.append(table[run])
            table[new] = len(table) + 1  # 256 is the reset
            run = bytes([byte])
    codes.append(table[run])
    bits = "".join(f"{code:0{max(9, (i + 256).bit_length())}b}"[::-1] for i, code in enumerate(codes))
    return np.packbits([int(b) for b in bits], bitorder="little").tobytes()


def bible_file(pieces, size):
    parts = [compressed(p) for p in pieces]
    start = 92 + 4 * (len(parts) + 1)
    places = list(itertools.accumulate(map(len, parts), initial=start))
    head = corpora.BIBLE_MAGIC.ljust(84, b"\0") + struct.pack(f">2I{len(places)}I", size, len(parts), *places)
    return head + b"".join(parts)


def sample_bible():
    lines = [
        f"B{chr(65 + i // 26)}{chr(65 + i % 26)}{c}:{v} In book {i}, {c}, {v}."
        for i in range(66)
        for c in (1, 2)
        for v in (1, 2)
    ]
    return "\n".join(["A title.", *lines, ""]).encode()


@pytest.mark.parametrize(
    "text", [b"a", b"a" * 5000, bytes(range(256)) * 3, sample_bible(), np.random.default_rng(0).bytes(20_000)]
)
def test_decompression(text):
    assert corpora._decompressed(compressed(text)) == text


def test_bible(tmp_path, monkeypatch):
    text = sample_bible()
    size = 1500
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    good = bible_file(pieces, size)
    (tmp_path / "bible.data").write_bytes(good)
    verses = data.load_bible(tmp_path)
    assert len(verses) == 66 * 4
    assert verses[0] == ("Genesis", 1, 1, "In book 0, 1, 1.") and verses[-1] == data.Verse(
        "Revelation", 2, 2, "In book 65, 2, 2."
    )
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    assert data.load_bible() == verses
    train, test = data.load_bible_text("Exodus", "Leviticus", every=4)
    assert (
        train
        == "In book 1, 1, 1.\nIn book 1, 1, 2.\n\nIn book 1, 2, 1.\nIn book 1, 2, 2.\n\nIn book 2, 1, 1.\nIn book 2, 1, 2.\n\n"
    )
    assert test == "In book 2, 2, 1.\nIn book 2, 2, 2.\n\n"
    for bad in ({"first": "Exodos"}, {"first": "Mark", "last": "Genesis"}, {"every": 1}, {"first": "Jude", "every": 20}):
        with pytest.raises(ArgumentError):
            data.load_bible_text(**bad)
    broken = [b"", good[:50], good[:200], good[:-20], good.replace(b"EC02", b"EC03"), bible_file([b"Title\nJust text\n"], size)]
    for raw in [*broken, bible_file([pieces[0], *pieces[2:]], size), good[:700] + b"\xff" * 200 + good[900:]]:
        (tmp_path / "bible.data").write_bytes(raw)
        with pytest.raises(DataError, match="apt-get install bible-kjv-text"):
            data.load_bible(tmp_path)
    with pytest.raises(MissingDataError, match="sudo apt-get install bible-kjv-text"):
        data.load_bible(tmp_path / "nowhere")


def test_fortunes(tmp_path, monkeypatch):
    folder = tmp_path / "fortunes"
    (folder / "off").mkdir(parents=True)
    (folder / "art").write_text("One.\n%\nTwo,\n  lines.\n%\n\n%\n_\bH_\bi\n%\n")
    (folder / "art.dat").write_bytes(b"\0")
    (folder / "law").write_text("100 % sure\n")
    (folder / "off" / "bad").write_text("x\n")
    expected = {"art": ["One.", "Two,\n  lines.", "Hi"], "law": ["100 % sure"]}
    assert data.load_fortunes(folder) == expected
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    assert data.load_fortunes() == expected
    assert data.load_fortunes(categories=["law"]) == {"law": expected["law"]}
    with pytest.raises(MissingDataError, match=r"missing: cats(.|\n)*sudo apt-get install fortunes fortunes-min"):
        data.load_fortunes(folder, ["law", "cats"])
    with pytest.raises(MissingDataError, match="sudo apt-get install fortunes fortunes-min"):
        data.load_fortunes(tmp_path / "nowhere")


def test_strips():
    pieces, targets = data.strips(np.arange(100), 4, 5)
    assert pieces.shape == targets.shape == (4, 4, 5) and (targets == pieces + 1).all()
    assert (pieces[1:, :, 0] == pieces[:-1, :, -1] + 1).all()  # every row goes on in the next piece
    assert data.strips(np.arange(21), 4, 5)[0].shape == (1, 4, 5)
    for bad in ((np.arange(20), 4, 5), (np.arange(20), 0, 5), (np.zeros((30, 2), int), 2, 3)):
        with pytest.raises(ArgumentError, match="strips"):
            data.strips(*bad)


def by_definition(train, test, order, size):
    total = 0
    for i in range(order - 1, len(test)):
        p = 1 / size
        for n in range(1, order + 1):
            context = test[i - n + 1 : i]
            follow = [train[j + n - 1] for j in range(len(train) - n + 1) if train[j : j + n - 1] == context]
            if follow:
                kinds = len(set(follow))
                p = (follow.count(test[i]) + kinds * p) / (len(follow) + kinds)
        total -= np.log2(p)
    return total / (len(test) - order + 1)


def test_ngram_bits():
    rng = np.random.default_rng(0)
    train, test = rng.integers(0, 4, 60).tolist(), rng.integers(0, 5, 30).tolist()
    bits = data.ngram_bits(train, test, 4, size=6)
    assert bits[-1] == pytest.approx(by_definition(train, test, 4, 6))
    assert data.ngram_bits(train, test, 3, size=6)[-1] == pytest.approx(by_definition(train, test, 3, 6))
    text = np.tile([0, 1, 2], 1000).astype(np.uint8)
    assert data.ngram_bits(text, text, 2)[-1] < 0.02  # the token before says it all
    for bad in (
        (text, text, 0),
        (text, text[:2], 3),
        (text, text, 2, 2),
        (text, text, 60),
        (text / 2, text, 2),
        (text[None], text, 2),
    ):
        with pytest.raises(ArgumentError, match="ngram_bits"):
            data.ngram_bits(*bad)
