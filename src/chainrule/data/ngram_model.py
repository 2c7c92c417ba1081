"""What counting achieves in the prediction of texts: a yardstick for models that learn."""

import numpy as np

from ..errors import ArgumentError, explain


def ngram_bits(train, test, order, size=None):
    """Bits per token that n-gram models need for a text: how well its next token is foretold by the counts of another text.

    The models are interpolated as Witten and Bell proposed: the more tokens have been seen to follow a context, out of few that
    stood there, the less is left to the next shorter context. Below the single tokens stands the uniform distribution.

    Parameters
    ----------
    train, test : integers (n,) from 0 on, the texts as numbers of tokens
    order : of the longest model: it foretells a token from the `order` - 1 before it
    size : of the vocabulary; default one more than the largest number

    Returns
    -------
    list of floats : bits per token of the models of order 1, 2, ..., `order`, each for the tokens of `test` that have
        `order` - 1 others before them

    Raises
    ------
    ArgumentError
        The texts are too short, or not such integers, or runs of `order` tokens cannot be numbered with 63 bits.

    References
    ----------
    Witten and Bell, "The zero-frequency problem", IEEE Transactions on Information Theory 37 (1991), 1085-1094; method C.

    Examples
    --------
    >>> import chainrule as cr
    >>> text = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2])
    >>> [round(bits, 2) for bits in cr.data.ngram_bits(text, text, 2)]
    [1.58, 0.29]
    """
    train, test = np.asarray(train), np.asarray(test)
    whole = all(t.ndim == 1 and t.dtype.kind in "iu" and len(t) and t.min() >= 0 for t in (train, test))
    largest = max(int(train.max()), int(test.max())) if whole else 0
    size = largest + 1 if size is None else size
    if not whole or largest >= size or not 1 <= order <= min(len(train), len(test)) or size**order >= 2**63:
        found = f"train: {train.dtype} {train.shape}    test: {test.dtype} {test.shape}    order: {order}    size: {size}"
        fix = "arrays of one axis, at least `order` long, of integers from 0 to size - 1, with size ** order below 2 ** 63"
        raise ArgumentError(explain("ngram_bits: cannot count these", found, help=fix))
    probability = np.full(len(test) - order + 1, 1 / size)
    bits = []
    for n in range(1, order + 1):
        runs, counts = np.unique(_numbered(train, n, size), return_counts=True)
        contexts, starts = np.unique(runs // size, return_index=True)
        seen, kinds = np.add.reduceat(counts, starts), np.diff(np.append(starts, len(runs)))
        asked = _numbered(test, n, size)[order - n :]
        together = _looked_up(runs, counts, asked)
        before, following = (_looked_up(contexts, values, asked // size) for values in (seen, kinds))
        backed_off = (together + following * probability) / np.maximum(before + following, 1)
        probability = np.where(before > 0, backed_off, probability)
        bits.append(float(-np.log2(probability).mean()))
    return bits


def _numbered(text, n, size):
    """A number for each run of n tokens; divided by `size` it is that of the run without its last token."""
    text = text.astype(np.int64)
    number = np.zeros(len(text) - n + 1, np.int64)
    for i in range(n):
        number = number * size + text[i : len(text) - n + 1 + i]
    return number


def _looked_up(keys, values, asked):
    """The value of each key that is asked for, 0 where there is none; keys are sorted."""
    at = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    return np.where(keys[at] == asked, values[at], 0)
