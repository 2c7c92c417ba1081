"""How far one sequence is from another: what speech and spelling are measured by."""

import numpy as np

from ..errors import ArgumentError, explain


def edit_distance(found, expected):
    """The fewest symbols that must be inserted, dropped or replaced to make one sequence of the other (Levenshtein's distance).

    Parameters
    ----------
    found, expected : sequences of symbols that can be compared, such as strings, tuples of names, arrays of integers

    Returns
    -------
    int

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.data.edit_distance("kitten", "sitting")
    3
    """
    row = list(range(len(expected) + 1))
    for i, a in enumerate(found, 1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(expected, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (a != b))
    return row[-1]


def error_rate(found, expected):
    """Edits over symbols expected: the phoneme, letter or word error rate of many sequences together.

    Parameters
    ----------
    found : sequence of sequences
    expected : as many; where several are right, a list of them, of which the nearest counts

    Returns
    -------
    float, 0 where all are right; above 1 where much is inserted

    Raises
    ------
    ArgumentError
        The two differ in length, or nothing is expected.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.data.error_rate(["abc", "xy"], ["abd", "xy"])
    0.2
    >>> cr.data.error_rate([("T", "AH")], [[("T", "EH"), ("T", "AH")]])  # two pronunciations are right
    0.0
    """
    if len(found) != len(expected):
        counts = f"found: {len(found)}    expected: {len(expected)}"
        raise ArgumentError(explain("error_rate: needs as many sequences as are expected", counts, help="compare one with one"))
    edits = symbols = 0
    for sequence, right in zip(found, expected, strict=True):
        several = right if isinstance(right, list) and right and not np.isscalar(right[0]) else [right]
        distances = [edit_distance(sequence, r) for r in several]
        nearest = int(np.argmin(distances))
        edits += distances[nearest]
        symbols += len(several[nearest])
    if not symbols:
        raise ArgumentError(explain("error_rate: nothing is expected", f"sequences: {len(expected)}", help="give some symbols"))
    return edits / symbols
