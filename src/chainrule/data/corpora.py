"""Real texts that Linux distributions ship: the King James Bible, verse by verse, and fortune cookies by category."""

import os
import re
import struct
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import ArgumentError, DataError, MissingDataError, explain

BIBLE_FILE, BIBLE_COMMAND = "bible.data", "sudo apt-get install bible-kjv-text"
BIBLE_BOOKS = (
    "Genesis", "Exodus", "Leviticus", "Numbers", "Deuteronomy", "Joshua", "Judges", "Ruth", "1 Samuel", "2 Samuel", "1 Kings",
    "2 Kings", "1 Chronicles", "2 Chronicles", "Ezra", "Nehemiah", "Esther", "Job", "Psalms", "Proverbs", "Ecclesiastes",
    "Song of Solomon", "Isaiah", "Jeremiah", "Lamentations", "Ezekiel", "Daniel", "Hosea", "Joel", "Amos", "Obadiah", "Jonah",
    "Micah", "Nahum", "Habakkuk", "Zephaniah", "Haggai", "Zechariah", "Malachi", "Matthew", "Mark", "Luke", "John", "Acts",
    "Romans", "1 Corinthians", "2 Corinthians", "Galatians", "Ephesians", "Philippians", "Colossians", "1 Thessalonians",
    "2 Thessalonians", "1 Timothy", "2 Timothy", "Titus", "Philemon", "Hebrews", "James", "1 Peter", "2 Peter", "1 John",
    "2 John", "3 John", "Jude", "Revelation",
)  # fmt: skip
BIBLE_MAGIC = b"EC02Compressed Data File"
VERSE = re.compile(r"(\d?[A-Za-z]+)(\d+):(\d+) (.+)")
FORTUNES_COMMAND = "sudo apt-get install fortunes fortunes-min"


class Verse(NamedTuple):
    """A verse of the Bible and where it stands."""

    book: str
    chapter: int
    verse: int
    text: str


def load_bible(root=None):
    """The King James Bible of 1611, from Debian's package bible-kjv-text: 31,102 verses, 4.2 million characters.

    The file bible.data is looked for in `root` if it is given; else in the folder that the environment variable CHAINRULE_DATA
    names, in ./data, and where the package puts it.

    Parameters
    ----------
    root : folder with the file; default as above

    Returns
    -------
    list of (book, chapter, verse, text) : named tuples, in order

    Raises
    ------
    MissingDataError
        The file is missing; the message says how to get it.
    DataError
        It is truncated, damaged, or not what its name says.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.data.load_bible("/nowhere")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    chainrule.errors.MissingDataError: load_bible: ...
    """
    folders = _places(root, "bible", [Path("/usr/lib")])
    path = next((p for p in (f / BIBLE_FILE for f in folders) if p.is_file()), None)
    if path is None:
        raise _missing("load_bible: the file bible.data is missing", folders, BIBLE_COMMAND)
    try:
        lines = _expanded(path.read_bytes()).decode("ascii").rstrip("\n").split("\n")[1:]  # the first is the text's title
        found = [match.groups() for match in map(VERSE.fullmatch, lines) if match]
        short = list(dict.fromkeys(f[0] for f in found))  # such as Ge, Exo
        if len(found) < len(lines) or len(short) != len(BIBLE_BOOKS):
            raise ValueError(f"{len(lines) - len(found)} lines are no verses, {len(short)} books")
    except (ValueError, struct.error, IndexError) as error:
        raise DataError(
            explain(f"load_bible: {path} is damaged, or another file", str(error), help=f"get it again: {BIBLE_COMMAND}")
        ) from error
    names = dict(zip(short, BIBLE_BOOKS))
    return [Verse(names[book], int(chapter), int(verse), text) for book, chapter, verse, text in found]


def load_bible_text(first="Genesis", last="Revelation", *, every=20, root=None):
    """The King James Bible as two texts, to learn from and to be judged by: a verse a line, a blank line after a chapter.

    Parameters
    ----------
    first, last : names of the books between which it lies, such as "Matthew" for the beginning of the New Testament
    every : every so many chapters, one is in the second text
    root : folder with the file, as for `load_bible`

    Returns
    -------
    (train, test) : str

    Raises
    ------
    ArgumentError
        There are no such books, or they do not have that many chapters.
    MissingDataError, DataError
        As from `load_bible`.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.data.load_bible_text("Mathew")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    chainrule.errors.ArgumentError: load_bible_text: ...
    """
    names = {first, last} - set(BIBLE_BOOKS)
    if names or BIBLE_BOOKS.index(first) > BIBLE_BOOKS.index(last) or every < 2:
        what = (
            f"load_bible_text: no book {' or '.join(map(repr, sorted(names)))}"
            if names
            else "load_bible_text: nothing lies there"
        )
        found = f"first: {first}    last: {last}    every: {every}"
        raise ArgumentError(explain(what, found, help="names of books as load_bible gives them, and every=2 or more"))
    books = BIBLE_BOOKS[BIBLE_BOOKS.index(first) : BIBLE_BOOKS.index(last) + 1]
    chapters: dict = {}
    for verse in load_bible(root):
        if verse.book in books:
            chapters.setdefault((verse.book, verse.chapter), []).append(verse.text + "\n")
    texts = ["".join([*verses, "\n"]) for verses in chapters.values()]
    if len(texts) < every:
        raise ArgumentError(
            explain("load_bible_text: too few chapters", f"{len(texts)}, with every={every}", help="a smaller `every`")
        )
    held_out = texts[every - 1 :: every]
    del texts[every - 1 :: every]
    return "".join(texts), "".join(held_out)


def strips(text, rows, length):
    """A long text laid into strips that are read side by side, cut into pieces: for a network that carries its state from piece
    to piece.

    Parameters
    ----------
    text : integers (n,), the text as numbers of tokens
    rows : number of strips
    length : of a piece

    Returns
    -------
    (pieces, targets) : arrays (n // (rows * length), rows, length); each target is the token that follows. Row i of a
        piece goes on in row i of the next one; what is left over at the end is left out

    Raises
    ------
    ArgumentError
        The text is too short for one piece.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> pieces, targets = cr.data.strips(np.arange(13), rows=2, length=3)
    >>> pieces.tolist()
    [[[0, 1, 2], [6, 7, 8]], [[3, 4, 5], [9, 10, 11]]]
    >>> targets[1].tolist()
    [[4, 5, 6], [10, 11, 12]]
    """
    text = np.asarray(text)
    whole = (len(text) - 1) // (rows * length) * rows * length if text.ndim == 1 and min(rows, length) > 0 else 0
    if not whole:
        found = f"text: {text.shape}    rows: {rows}    length: {length}"
        raise ArgumentError(explain("strips: the text is too short for one piece", found, help="smaller rows and length"))
    cut = (text[i : i + whole].reshape(rows, -1, length).swapaxes(0, 1) for i in (0, 1))
    return tuple(np.ascontiguousarray(part) for part in cut)


def load_fortunes(root=None, categories=None):
    """Fortune cookies: some 15,000 quotations, jokes, definitions, songs, ... of a line to a page, in about 40 categories.

    Files of the format of the program `fortune` are looked for in `root` if it is given; else in the folder that the
    environment variable CHAINRULE_DATA names, in ./data, and where Debian's packages fortunes and fortunes-min, and those of
    other systems, put them. Those that are offensive, which are kept apart, are left out.

    Parameters
    ----------
    root : folder with a file for each category; default as above
    categories : names of files; None for all

    Returns
    -------
    {category: list of texts}

    Raises
    ------
    MissingDataError
        There are none, or not all of these categories; the message says how to get them.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.data.load_fortunes("/nowhere")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    chainrule.errors.MissingDataError: load_fortunes: ...
    """
    known = ("/usr/share/games/fortunes", "/usr/share/fortune", "/usr/share/fortunes", "/usr/local/share/games/fortunes")
    folders = _places(root, "fortunes", [Path(p) for p in (*known, "/opt/homebrew/share/games/fortunes")])
    files: dict = {}
    for folder in folders:  # a category with its index beside it marks a folder of fortunes
        if folder.is_dir() and (root is not None or any(folder.glob("*.dat"))):
            files = {p.name: p for p in sorted(folder.iterdir()) if p.is_file() and not p.suffix}
        if files:
            break
    missing = sorted(set(categories or ()) - set(files))
    if missing or not files:
        what = f"these categories are missing: {', '.join(missing)}" if files else "no fortune cookies"
        raise _missing(f"load_fortunes: {what}", [files[min(files)].parent] if files else folders, FORTUNES_COMMAND)
    return {name: _cookies(files[name]) for name in (files if categories is None else categories)}


def _places(root, name, usual):
    if root is not None:
        return [Path(root)]
    named = os.environ.get("CHAINRULE_DATA")
    return [p for base in ([Path(named)] if named else []) + [Path("data")] for p in (base / name, base)] + usual


def _missing(what, folders, command):
    return MissingDataError(explain(what, f"looked in: {', '.join(map(str, folders))}", help=f"on Debian or Ubuntu: {command}"))


def _cookies(path):
    text = re.sub(".\b", "", path.read_text("utf-8", "replace"))  # printers of old struck a letter out with the next
    return [part.strip("\n") for part in re.split(r"^%\s*$", text, flags=re.MULTILINE) if part.strip()]


def _expanded(raw):
    """The text of a file of Debian's bible program: pieces of 64 kB, each compressed by itself, to be found fast."""
    if not raw.startswith(BIBLE_MAGIC):
        raise ValueError(f"it does not begin with {BIBLE_MAGIC.decode()!r}")
    size, n = struct.unpack_from(">2I", raw, 84)
    places = struct.unpack_from(f">{n + 1}I", raw, 92)
    pieces = [_decompressed(raw[start:end]) for start, end in pairwise(places)]
    wrong = [i for i, piece in enumerate(pieces) if len(piece) > size or (len(piece) < size and i < n - 1)]
    if len(raw) < places[-1] or wrong:
        raise ValueError(f"it ends early or is damaged: {len(raw)} bytes, {places[-1]} expected; wrong pieces: {wrong[:5]}")
    return b"".join(pieces)


def _decompressed(raw):
    """What the Unix program `compress` made smaller (LZW, up to 16 bits a code), as far as the first reset of its table."""
    bits = np.unpackbits(np.frombuffer(raw, np.uint8), bitorder="little")
    codes: list = []
    for width in range(9, 17):  # the table has doubled, and codes are a bit longer, after 256, 512, 1024, ... of them
        part = bits[: width * 2 ** (width - 1)]
        bits = bits[len(part) :]
        part = part[: len(part) // width * width].reshape(-1, width)
        codes += (part @ (1 << np.arange(width))).tolist()
        if not len(bits):
            break
    table = [bytes([i]) for i in range(256)] + [b""]  # 256 is the reset
    before = table[codes[0]]
    pieces = [before]
    for code in codes[1:]:
        if code == 256:  # pieces end so
            break
        if code > len(table):
            raise ValueError(f"code {code} of {len(table)}")
        entry = table[code] if code < len(table) else before + before[:1]
        table.append(before + entry[:1])
        pieces.append(entry)
        before = entry
    return b"".join(pieces)
