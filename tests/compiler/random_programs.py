"""Programs put together at random from array operations, the same one for the same seed."""

import math

import numpy as np

import chainrule as cr


class Unfit(Exception):
    """The values at hand do not allow for an operation."""


def floats(x):
    return x.dtype.kind == "f"


def filled(x):
    return floats(x) and x.ndim > 0 and 0 not in x.shape


class Program:
    """A function of a few arrays: operations on what earlier ones have given, mostly the latest.

    Parameters
    ----------
    seed : which program
    sizes : lengths of axes to choose from
    steps : least and largest number of operations
    largest : elements of an array from which on it is dropped
    """

    def __init__(self, seed, sizes=(1, 2, 3, 4, 5, 8, 17, 33), steps=(3, 28), largest=20_000):
        r = np.random.default_rng(seed)
        dtype = r.choice(["float32", "float64"])
        shapes = [tuple(int(n) for n in r.choice([*sizes, 0], r.integers(0, 4), p=_rarely_zero(sizes))) for _ in range(2)]
        self.inputs = [r.normal(size=s).astype(dtype) for s in shapes]
        self.steps = [(str(r.choice(list(OPERATIONS))), int(r.integers(2**31))) for _ in range(r.integers(*steps))]
        self.largest = largest

    def results(self, *xs):
        """The last values that it computes."""
        pool = [cr.tensor(x) if isinstance(x, np.ndarray) else x for x in xs]
        n = len(pool)
        for name, seed in self.steps:
            try:
                x = OPERATIONS[name](np.random.default_rng(seed), pool)
            except Unfit:
                continue
            if math.prod(x.shape) <= self.largest:
                pool.append(x)
        return tuple(pool[n:][-6:]) or (pool[0] * 1,)

    def number(self, *xs):
        """One number that depends on them."""
        return sum(cr.tanh(x).sum() * (1 + 0.1 * k) for k, x in enumerate(self.results(*xs)) if floats(x)) + 0.0 * xs[0].sum()


def _rarely_zero(sizes):
    return [*[0.97 / len(sizes)] * len(sizes), 0.03]


def _pick(r, pool, fits=floats):
    found = [x for x in pool if fits(x)]
    if not found:
        raise Unfit
    return found[-1 - min(len(found) - 1, int(r.exponential(2)))]


def _one(f, fits=floats):
    return lambda r, pool: f(_pick(r, pool, fits))


def _two(f):
    def operation(r, pool):
        a, b = _pick(r, pool), _pick(r, pool)
        try:
            np.broadcast_shapes(a.shape, b.shape)
        except ValueError:
            b = r.normal(size=a.shape[-1:]).astype(a.dtype)
        return f(a, b)

    return operation


def _fold(f):
    def operation(r, pool):
        a = _pick(r, pool, filled)
        axes = tuple(int(k) for k in r.permutation(a.ndim)[: r.integers(1, a.ndim + 1)])
        return f(a, axes, bool(r.random() < 0.4))

    return operation


def _along(f, fits=filled):
    def operation(r, pool):
        a = _pick(r, pool, fits)
        return f(a, int(r.integers(a.ndim)))

    return operation


def _reshape(r, pool):
    a = _pick(r, pool, filled)
    shape, rest = [], math.prod(a.shape)
    for n in (2, 3, 5):
        if rest % n == 0 and r.random() < 0.5:
            shape.append(n)
            rest //= n
    shape.insert(int(r.integers(len(shape) + 1)), rest)
    return a.reshape(tuple(shape))


def _index(r, pool):
    a = _pick(r, pool, filled)
    key: list = []
    for n in a.shape[: r.integers(1, a.ndim + 1)]:
        start = int(r.integers(n))
        kinds = [int(r.integers(-n, n)), slice(None, None, -1), slice(start, None), slice(None, None, 2), slice(None)]
        key.append(kinds[int(r.integers(5))])
    if r.random() < 0.3:
        key[0] = r.integers(0, a.shape[0], size=int(r.integers(1, 5)))
    return a[tuple(key)]


def _change(r, pool):
    a = _pick(r, pool, filled)
    n = a.shape[0]
    key = [int(r.integers(-n, n)), slice(0, max(1, n // 2)), slice(None, None, 2), r.integers(0, n, size=3)][int(r.integers(4))]
    new = a[key] * 0.5 if r.random() < 0.5 else float(r.normal())
    return (cr.index_add if isinstance(key, np.ndarray) or r.random() < 0.4 else cr.index_set)(a, key, new)


def _concatenate(r, pool):
    a = _pick(r, pool, lambda x: floats(x) and x.ndim > 0)
    axis = int(r.integers(a.ndim))
    rest = lambda x: (*x.shape[:axis], *x.shape[axis + 1 :])  # noqa: E731
    return cr.concatenate([a, *[x for x in pool if floats(x) and x.ndim == a.ndim and rest(x) == rest(a)][-2:]], axis)


def _stack(r, pool):
    a = _pick(r, pool)
    return cr.stack([a, *[x for x in pool if floats(x) and x.shape == a.shape][-2:]], int(r.integers(a.ndim + 1)))


def _matmul(r, pool):
    a = _pick(r, pool, filled)
    k, m = a.shape[-1], int(r.choice([1, 2, 7, 16, 33]))
    matrices = [r.normal(size=(k, m)), np.zeros((k, m)), np.broadcast_to(r.normal(size=m), (k, m)), np.eye(k)]
    w = matrices[int(r.integers(4))].astype(a.dtype)
    if a.ndim > 1 and r.random() < 0.3:
        return cr.tensor(w.T) @ cr.swapaxes(a, -1, -2)
    return a @ (cr.swapaxes(a, -1, -2) if a.ndim > 1 and r.random() < 0.4 else w)


def _normalised(a):
    centred = a - a.mean(-1, keepdims=True)
    return centred / cr.sqrt((centred**2).mean(-1, keepdims=True) + 1e-2)


def _loop(r, pool):
    a = _pick(r, pool)
    if r.random() < 0.5:
        return cr.fori_loop(0, 3, lambda i, x: cr.sin(x) + 0.1 * x, a)
    return cr.scan(lambda c, _: (cr.cos(c) * 0.5, c * 2), a, None, length=3)[1]


def _conv(r, pool):
    a = _pick(r, pool, lambda x: floats(x) and math.prod(x.shape) >= 8)
    n = math.prod(a.shape) // 4 * 2
    w = cr.tensor(r.normal(size=(3, 2, 2)).astype(a.dtype))
    return cr.nn.functional.conv1d(a.reshape(-1)[: 2 * n].reshape(1, 2, n), w, padding=int(r.integers(2)))


OPERATIONS = {
    "sin": _one(cr.sin), "tanh": _one(cr.tanh), "square": _one(cr.square), "negative": _one(lambda a: -a),
    "bell": _one(lambda a: cr.exp(-a * a)), "log": _one(lambda a: cr.log(a * a + 1)),
    "sqrt": _one(lambda a: cr.sqrt(a * a + 0.5)),
    "add": _two(lambda a, b: a + b), "multiply": _two(lambda a, b: a * b), "subtract": _two(lambda a, b: a - b),
    "divide": _two(lambda a, b: a / (2 + cr.sin(b))), "maximum": _two(cr.maximum),
    "power": _two(lambda a, b: cr.power(cr.abs(a) + 0.5, cr.tanh(b))),
    "where": _one(lambda a: cr.where(a > 0.2, a * 2, cr.sin(a))),
    "sum": _fold(lambda a, axes, keep: a.sum(axis=axes, keepdims=keep)),
    "max": _fold(lambda a, axes, keep: a.max(axis=axes, keepdims=keep)),
    "mean": _fold(lambda a, axes, keep: a.mean(axis=axes, keepdims=keep)), "var": _fold(lambda a, axes, _: a.var(axis=axes)),
    "prod": _fold(lambda a, axes, keep: cr.prod(cr.tanh(a) * 0.5 + 1, axis=axes, keepdims=keep)),
    "softmax": _along(cr.softmax), "logsumexp": _along(cr.logsumexp), "cumsum": _along(cr.cumsum), "sort": _along(cr.sort),
    "flip": _along(cr.flip), "range": _along(lambda a, axis: a.max(axis) - a.min(axis)),
    "normalised": _one(_normalised, filled), "best": _one(lambda a: a[cr.argmax(a.reshape(len(a), -1), axis=0)], filled),
    "reshape": _reshape, "transpose": lambda r, pool: (a := _pick(r, pool)).transpose(r.permutation(a.ndim).tolist()),
    "broadcast": lambda r, pool: cr.broadcast_to(a := _pick(r, pool), (int(r.integers(1, 4)), *a.shape)),
    "index": _index, "slice": _index, "change": _change, "write": _change, "concatenate": _concatenate, "stack": _stack,
    "pad": lambda r, pool: cr.pad(a := _pick(r, pool, filled), r.integers(0, 3, size=(a.ndim, 2)).tolist()),
    "matmul": _matmul, "product": _matmul, "integers": _one(lambda a: (a * 3).astype("int64")),
    "floats": _one(lambda a: (a // 3).astype("float32"), lambda x: x.dtype.kind in "ib"),
    "constant": lambda r, pool: cr.full_like(_pick(r, pool), float(r.integers(0, 3))),
    "gram": _one(lambda a: cr.einsum("ij,kj->ik", a, a * 0.5), lambda x: filled(x) and x.ndim == 2),
    "loop": _loop, "conv": _conv, "cond": _one(lambda a: cr.cond(a.sum() > 0, lambda x: x * 2, cr.sin, a), filled),
}  # fmt: skip
