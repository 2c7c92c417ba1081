"""Random words: Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), as NumPy has it.

A word is a pure function of key, counter and place, so it is computed where it is needed. Words come in blocks of four.
"""

from .llvm import Function, lanes, vector

MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
BUMPS = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
ROUNDS = 10
TOGETHER = 2  # blocks, so that the products of one hide how long those of the other take


def _product(f, x, factor):
    """High and low word of a product."""
    wide = f.cast("zext", x, "i128") * f.constant("i128", factor)
    high = f.emit("i128", f"lshr {wide}, 64")
    return f.cast("trunc", high, "i64"), f.cast("trunc", wide, "i64")


def _words(f, state, block, count):
    """The words of `count` blocks, from number `block` on, by a function that the module then holds."""
    name, t = f"philox{count}", vector("i64", 4 * count)
    if not any(g.name == name for g in f.module.functions):
        _define(f.module, name, t, count)
    return f.call(name, t, *state, block)


def _define(module, name, t, count):
    """The function (two words of key, counter, number of a block) -> words."""
    names = ("k0", "k1", "counter", "block")
    f = Function(module, name, [("i64", a) for a in names], t, linkage="internal")
    k0, k1, counter, block = (f.arguments[a] for a in names)
    blocks = []
    for b in range(count):
        low = counter + (block + (b + 1))  # NumPy counts before it draws; the counter has 256 bits
        blocks.append([low, f.cast("zext", low.compare(counter, "", "ule"), "i64"), f.constant("i64", 0), f.constant("i64", 0)])
    for n in range(ROUNDS):
        if n:
            k0, k1 = k0 + BUMPS[0], k1 + BUMPS[1]
        for words in blocks:
            a_high, a_low = _product(f, words[0], MULTIPLIERS[0])
            b_high, b_low = _product(f, words[2], MULTIPLIERS[1])
            words[:] = b_high ^ words[1] ^ k0, b_low, a_high ^ words[3] ^ k1, a_low
    out = f.constant(t, 0)
    for i, w in enumerate(w for words in blocks for w in words):
        out = f.insert(out, w, i)
    f.give(out)


def one(f, state, place):
    """The word at a place, an i64; `state` is (key, key, counter)."""
    block = _words(f, state, place.lshr(2), 1)
    within = place & 3
    return f.emit("i64", f"extractelement {block}, i64 {within.text}")


def row(f, state, start, n, count, aligned):
    """The words at `start` and the next places, n lanes of which `count` are needed; `aligned` if a block begins there."""
    first = start.lshr(2)
    if not aligned:
        blocks = (count + 6) // 4
        room = f.stack("i64", 4 * blocks + n)
        for b in range(0, blocks, TOGETHER):
            f.store(_words(f, state, first + b, min(TOGETHER, blocks - b)), room, 4 * b)
        return f.load(vector("i64", n), f.offset(room, start & 3, "i64"))
    together = min(TOGETHER, n // 4)
    parts = [_words(f, state, first + b, together) for b in range(0, -(-count // 4), together)]
    parts += [f.constant(parts[0].type, 0)] * (n // 4 // together - len(parts))
    while len(parts) > 1:
        both = range(2 * lanes(parts[0].type))
        parts = [f.shuffle(a, b, both) for a, b in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]
