"""Vectors of elements that stand a few places apart in memory: whole vectors are read and written, and shuffled."""

from .llvm import SIZES, Value, lanes as lanes_of, vector

REGISTER = 32  # bytes
MOST = 4  # places apart, beyond which lanes are moved one by one


def every(f, parts, c, first=0, back=0):
    """Every c-th of the elements that c vectors hold, from number `first` on.

    The last vector begins `back` elements early, so as not to end behind what is needed.
    """
    n = lanes_of(parts[0].type)
    places = [divmod(i * c + first, n) for i in range(n)]
    places = [(r, lane + back if r == c - 1 else lane) for r, lane in places]
    low = [(lane if r == 0 else n + lane) if r < 2 else 0 for r, lane in places]
    out = f.shuffle(parts[0], parts[1], low)
    for part in range(2, c):
        out = f.shuffle(out, parts[part], [n + lane if r == part else i for i, (r, lane) in enumerate(places)])
    return out


def vectors(f, t, pointer, n, c, needed=None, back=0):
    """c vectors of n lanes from `pointer` on; of the first `needed` elements only, if given, and 0 elsewhere."""
    if needed is None:
        return [f.load(vector(t, n), f.offset(pointer, r * n - (back if r == c - 1 else 0), t)) for r in range(c)]
    out = []
    for r in range(c):
        count = min(max(needed - r * n, 0), n)
        out.append(f.load_some(vector(t, n), f.offset(pointer, r * n, t), count) if count else f.constant(vector(t, n), 0))
    return out


def vectors_within(f, t, pointer, n, c, start, size, allowed, otherwise, needed=None):
    """c vectors of those elements whose indices, counted from `start`, are at least 0 and below `size`.

    Parameters
    ----------
    start : i64, index of the element at `pointer`
    allowed : i1 that must hold too, or None
    otherwise : number in place of the other elements
    needed : how many elements may be read at all; None for as many as there are
    """
    index = "i64" if SIZES[t] == 8 else "i32"
    at = start if index == "i64" else f.cast("trunc", start, index)
    # One register after the other: in longer vectors LLVM 22 reads halves of which the mask is known to hold nothing.
    lanes = min(n, max(REGISTER // SIZES[t], 1))

    def part(first):
        if needed is not None and first >= needed:
            return f.constant(vector(t, lanes), otherwise)
        if start.text.lstrip("-").isdigit():
            inside = [0 <= int(start.text) + first + i < size for i in range(lanes)]
            if not any(inside):
                return f.constant(vector(t, lanes), otherwise)
        mask = (f.splat(at + first, lanes) + f.steps(lanes, index)).compare(size, "", "ult")
        if allowed is not None:
            mask = mask & f.splat(allowed, lanes)
        if needed is not None and needed < first + lanes:
            mask = mask & f.mask(lanes, needed - first)
        return f.load_some(vector(t, lanes), f.offset(pointer, first, t), mask, otherwise=otherwise)

    out = []
    for r in range(c):
        parts = [part(r * n + first) for first in range(0, n, lanes)]
        while len(parts) > 1:
            width = 2 * lanes_of(parts[0].type)
            parts = [f.shuffle(a, b, range(width)) for a, b in zip(parts[::2], parts[1::2], strict=True)]
        out += parts
    return out


def between(f, values) -> Value:
    """One vector with the first lanes of all values, then the second ones ..."""
    n, c = lanes_of(values[0].type), len(values)
    if c == 1:
        return values[0]
    if c == 2:
        return f.shuffle(*values, [i + n * k for i in range(n) for k in range(2)])
    values = [*values, *values[c - 1 :] * (4 - c)]
    low, high = f.shuffle(*values[:2], range(2 * n)), f.shuffle(*values[2:], range(2 * n))
    return f.shuffle(low, high, [i + n * k for i in range(n) for k in range(c)])
