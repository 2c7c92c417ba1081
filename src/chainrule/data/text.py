"""Texts as numbers: tokens, vocabularies, n-grams, batches of sequences of unequal length, and files of lines."""

import re
from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np

from ..creation import from_numpy
from ..errors import ArgumentError, DataError, MissingDataError, ShapeError, explain
from ..tensor import Tensor
from .collate import default_collate
from .dataset import Dataset

WORDS = r"\w+(?:['\u2019]\w+)*|[^\w\s]"  # an apostrophe is one or the other
PAD, UNKNOWN = "<pad>", "<unk>"


class Tokenizer:
    """Cuts a text into tokens.

    Parameters
    ----------
    pattern : regular expression of a token; default words (with apostrophes inside) and single marks of punctuation; "." with
        `lower=False` gives characters
    lower : make letters small first

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.data.Tokenizer()("Don't panic, Arthur!")
    ["don't", 'panic', ',', 'arthur', '!']
    """

    def __init__(self, pattern=WORDS, lower=True):
        self.pattern, self.lower = re.compile(pattern, re.DOTALL), lower

    def __call__(self, text):
        return self.pattern.findall(text.lower() if self.lower else text)


def ngrams(tokens, n, joined=" "):
    """All runs of `n` tokens.

    Parameters
    ----------
    tokens : list of strings, or a string for its characters
    n : int above 0
    joined : put the tokens of a run together with this between; None gives tuples

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.data.ngrams(["to", "be", "or"], 2)
    ['to be', 'be or']
    >>> cr.data.ngrams("abc", 2, joined="")
    ['ab', 'bc']
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ArgumentError(explain("ngrams: n must be an int above 0", f"n: {n!r}", help="for example 2"))
    runs = zip(*(tokens[i:] for i in range(n)))
    return list(runs) if joined is None else [joined.join(run) for run in runs]


class Vocabulary:
    """Numbers of tokens: the special ones first, then the others from the most frequent on.

    Parameters
    ----------
    texts : iterable of lists of tokens
    min_count : leave out tokens that are rarer
    max_size : of the vocabulary with its special tokens; the most frequent ones stay
    specials : tokens that are always there; "<unk>" among them stands for all that are not in the vocabulary

    Attributes
    ----------
    tokens : list of strings; the number of a token is its place

    Examples
    --------
    >>> import chainrule as cr
    >>> words = cr.data.Vocabulary([["to", "be", "or", "not", "to", "be"]])
    >>> words.encode(["to", "see"])
    array([3, 1])
    >>> words.decode([3, 1])
    ['to', '<unk>']
    """

    def __init__(self, texts, min_count=1, max_size=None, specials=(PAD, UNKNOWN)):
        if isinstance(texts, str):
            raise ArgumentError(
                explain(
                    "Vocabulary takes an iterable of lists of tokens",
                    "found: one string",
                    help="[tokenizer(text) for text in texts]",
                )
            )
        counts = Counter(chain.from_iterable(texts))
        for token in specials:
            counts.pop(token, None)
        frequent = sorted((t for t, n in counts.items() if n >= min_count), key=lambda t: (-counts[t], t))
        room = None if max_size is None else max(0, max_size - len(specials))
        self.tokens = [*specials, *frequent[:room]]
        self._number = {token: i for i, token in enumerate(self.tokens)}

    @classmethod
    def of(cls, tokens):
        """The vocabulary with just these tokens, in their order, for example those that were saved."""
        made = cls([], specials=list(tokens))
        if len(made._number) < len(made.tokens):
            raise ArgumentError(explain("Vocabulary.of: a token occurs twice", f"tokens: {len(made.tokens)}", help="remove it"))
        return made

    def __len__(self):
        return len(self.tokens)

    def __contains__(self, token):
        return token in self._number

    def __getitem__(self, token):
        """The number of a token; unknown ones have that of "<unk>".

        Raises
        ------
        KeyError
            It is not in the vocabulary, and neither is "<unk>".
        """
        number = self._number.get(token, self._number.get(UNKNOWN))
        if number is None:
            raise KeyError(
                explain(f"Vocabulary: no token {token!r}", f"{len(self)} tokens", help=f"add {UNKNOWN!r} to specials")
            )
        return number

    def encode(self, tokens):
        """The numbers of tokens, as an int64 array."""
        return np.array([self[t] for t in tokens], np.int64).reshape(-1)

    def decode(self, numbers):
        """The tokens of numbers."""
        return [self.tokens[int(i)] for i in np.asarray(numbers).reshape(-1)]

    def __repr__(self):
        return f"Vocabulary({len(self)} tokens: {', '.join(map(repr, self.tokens[:6]))}{', ...' if len(self) > 6 else ''})"


class PadCollate:
    """A `collate_fn` for samples that are tuples with sequences of unequal length: these are filled up to the longest of a
    batch.

    Parameters
    ----------
    parts : which parts of a sample are sequences, (length, ...) each
    padding_value : what is filled in at the end
    lengths : give the lengths too, as an int64 Tensor after each of these parts
    multiple : fill up to a multiple of this length, so that compiled programs meet fewer shapes

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.data.PadCollate()([(np.array([1, 2, 3]), 0), (np.array([4]), 1)])
    (tensor([[1, 2, 3],
            [4, 0, 0]]), tensor([3, 1]), tensor([0, 1]))
    """

    def __init__(self, parts=(0,), padding_value=0, lengths=True, multiple=1):
        self.parts, self.padding_value, self.lengths, self.multiple = tuple(parts), padding_value, lengths, multiple

    def __call__(self, samples):
        if not samples or not isinstance(samples[0], tuple):
            found = f"found: {type(samples[0]).__name__}" if samples else "found: no samples"
            raise ArgumentError(explain("PadCollate: samples must be tuples with a sequence", found, help="(sequence, label)"))
        batch: list = []
        for i, column in enumerate(zip(*samples, strict=True)):
            if i not in self.parts:
                batch.append(default_collate(column))
                continue
            arrays = [np.asarray(x.detach() if isinstance(x, Tensor) else x) for x in column]
            batch.append(self._padded(arrays, i))
            if self.lengths:
                batch.append(from_numpy(np.array([len(a) for a in arrays], np.int64)))
        return tuple(batch)

    def _padded(self, arrays, part):
        if any(a.ndim < 1 or a.shape[1:] != arrays[0].shape[1:] for a in arrays):
            raise ShapeError(
                explain(
                    f"PadCollate: sequences of part {part} must have the same shape but for their lengths",
                    f"found: {sorted({a.shape for a in arrays})[:5]}",
                    help="parts=... says which parts of a sample are sequences",
                )
            )
        longest = -(-max(len(a) for a in arrays) // self.multiple) * self.multiple
        padded = np.full((len(arrays), longest, *arrays[0].shape[1:]), self.padding_value, np.result_type(*arrays))
        for row, array in zip(padded, arrays, strict=True):
            row[: len(array)] = array
        return from_numpy(padded)


class Windows(Dataset):
    """Pieces of one long sequence with what follows them, to learn which token comes next: (x[i : i + length], x[i + 1 : i + 1
    + length]).

    Parameters
    ----------
    sequence : array (n, ...), also one that is mapped from a file
    length : of a piece
    stride : distance from one piece to the next; default `length`, so that they do not overlap

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.data.Windows(np.arange(7), 3)[1]
    (tensor([3, 4, 5]), tensor([4, 5, 6]))
    """

    def __init__(self, sequence, length, stride=None):
        self.sequence = np.asarray(sequence)
        self.length, self.stride = int(length), int(stride or length)
        if self.length < 1 or self.stride < 1:
            raise ArgumentError(
                explain("Windows: length and stride are ints above 0", f"{length}, {stride}", help="for example 64")
            )

    def __len__(self):
        return max(0, (len(self.sequence) - 1 - self.length) // self.stride + 1)

    def __getitem__(self, index):
        return self.take(np.arange(len(self))[index])

    def take(self, indices):
        """All pieces of `indices` at once."""
        starts = np.arange(len(self))[indices] * self.stride
        places = np.asarray(starts)[..., None] + np.arange(self.length)
        return from_numpy(self.sequence[places]), from_numpy(self.sequence[places + 1])


class TextLines(Dataset):
    """The lines of a text file. Only where they begin is kept in memory.

    Parameters
    ----------
    path : str or path
    transform : called with each line, for example a tokenizer
    encoding : of the file
    skip_empty : leave out lines of blanks

    Raises
    ------
    MissingDataError
        There is no such file.
    DataError
        While a line is read: it is not text in this encoding.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import chainrule as cr
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "a.txt").write_text("one\\n\\ntwo\\n")
    ...     lines = cr.data.TextLines(Path(folder) / "a.txt")
    ...     len(lines), lines[-1]
    (2, 'two')
    """

    def __init__(self, path, transform=None, encoding="utf-8", skip_empty=True):
        self.path, self.transform, self.encoding = Path(path), transform, encoding
        if not self.path.is_file():
            found = "a folder" if self.path.is_dir() else "nothing there"
            raise MissingDataError(explain(f"TextLines: no file {path}", f"found: {found}", help="check the path"))
        starts, end = [], 0
        with self.path.open("rb") as file:
            for line in file:
                if not skip_empty or line.strip():
                    starts.append(end)
                end += len(line)
        self.starts = np.array(starts, np.int64)

    def __len__(self):
        return len(self.starts)

    def __getitem__(self, index):
        start = int(self.starts[index])
        with self.path.open("rb") as file:  # opened anew, since worker processes would share its position
            file.seek(start)
            raw = file.readline()
        try:
            line = raw.decode(self.encoding).rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise DataError(
                explain(
                    f"TextLines: line {index} of {self.path} is not {self.encoding}", str(error), help="encoding='latin-1'?"
                )
            ) from None
        return line if self.transform is None else self.transform(line)
