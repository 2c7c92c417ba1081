"""Random sequences of NumPy's in-place statements, and how to run them: on plain arrays and on Tensors alike.

A program is a list of statements, a statement a name and numbers that choose its operands among the arrays that there are. A
sequence of statements makes views of views of one array, writes into some and reads others.
"""

import numpy as np
from hypothesis import strategies as st

SHAPE = (3, 4)


def _slices(a, k):
    """A part of `a` along its first axis."""
    n = a.shape[0]
    start, step = k % n, (1, 2, -1)[k % 3]
    return a[start::step] if step > 0 else a[: n - start][::step]


VIEWS = {
    "slice": _slices,
    "row": lambda a, k: a[k % a.shape[0]] if a.ndim > 1 else a[...],
    "numpy integer": lambda a, k: a[np.int64(k % a.shape[0])] if a.ndim > 1 else a[:],
    "column": lambda a, k: a[..., k % a.shape[-1]] if a.ndim > 1 else a[None],
    "T": lambda a, k: a.T,
    "reshape": lambda a, k: a.reshape(-1),
    "np.reshape": lambda a, k: np.reshape(a, (a.size, 1)) if a.ndim < 3 else np.reshape(a, (-1,)),
    "ravel": lambda a, k: np.ravel(a, order="CFAK"[k % 4]),
    "swapaxes": lambda a, k: a.swapaxes(0, -1),
    "moveaxis": lambda a, k: np.moveaxis(a, 0, -1),
    "transpose": lambda a, k: np.transpose(a),
    "flip": lambda a, k: np.flip(a, k % a.ndim),
    "newaxis": lambda a, k: a[:, None] if a.ndim < 3 else a,
    "expand_dims": lambda a, k: np.expand_dims(a, k % 2) if a.ndim < 3 else a,
    "squeeze": lambda a, k: np.squeeze(a) if a.squeeze().ndim else a,
    "split": lambda a, k: np.array_split(a, 2)[0],
    "diagonal": lambda a, k: np.einsum("ii->i", a[:2, :2]) if a.ndim == 2 and min(a.shape) > 1 else a,
    "copy": lambda a, k: a.copy(),
    "choice": lambda a, k: a[[k % a.shape[0], 0]],
    "result": lambda a, k: np.sin(a) + 0.25,
}


def _element(a, k):
    return a.reshape(-1)[k % a.size]


def _fitting(a, arrays, k):
    """Something to put into `a`: an array of its shape, or `a` the other way round."""
    others = [b for b in arrays if b.shape == a.shape]
    return [*others, a[::-1]][k % (len(others) + 1)]


def _assign(a, b, k):
    a[...] = b


def _assign_reversed(a, b, k):
    a[:] = a[::-1] * 0.5 + np.cos(b)


def _shifted(a, b, k):
    a[1:] += 0.5 * a[:-1]


def _element_from(a, b, k):
    a[(k % a.shape[0],) + (0,) * (a.ndim - 1)] = np.sin(_element(b, k))


def _at_indices(a, b, k):
    a[[0, k % a.shape[0], 0]] += 0.3 * b[0]


def _add_at(a, b, k):
    np.add.at(a, [0, k % a.shape[0], 0], np.cos(b[0]))


def _masked(a, b, k):
    a[np.real(a) > 0.2] *= 0.7


def _masked_number(a, b, k):
    a[np.real(a) < 0.0] = np.sin(_element(b, k))


def _iadd(a, b, k):
    a += np.sin(b)


def _imul(a, b, k):
    a *= 0.8


def _idiv(a, b, k):
    a /= 1.5 + 0.2 * np.sin(b)


def _ipow(a, b, k):
    a **= 2


def _out(a, b, k):
    np.multiply(a, np.cos(b), out=a)


def _out_part(a, b, k):
    np.sin(a[:1], out=a[-1:])


def _out_where(a, b, k):
    np.add(a, b, out=a, where=np.arange(a.size).reshape(a.shape) % 2 == 0)


def _copyto(a, b, k):
    np.copyto(a, np.cos(b), where=np.arange(a.size).reshape(a.shape) % 3 == 0)


def _put(a, b, k):
    np.put(a, [k % a.size, 0], np.sin(b).reshape(-1)[:2])


def _putmask(a, b, k):
    np.putmask(a, np.real(a) > 0.5, np.cos(b))


def _place(a, b, k):
    np.place(a, np.real(a) > 0.5, np.cos(b).reshape(-1)[:2])


def _fill_diagonal(a, b, k):
    if a.ndim == 2:
        np.fill_diagonal(a, np.cos(_element(b, k)))


def _flat(a, b, k):
    a.flat[k % a.size] = np.sin(_element(b, k))


def _flat_slice(a, b, k):
    a.flat[::2] = np.sin(b).reshape(-1)[0]


def _fill(a, b, k):
    a.fill(0.3)


def _sort(a, b, k):
    a.sort()


def _swap(a, b, k):
    a[0], a[-1] = a[-1], a[0]


def _rows(a, b, k):
    for row in a:
        row *= 0.9 if row.ndim else 1


def _nan_to_num(a, b, k):
    np.nan_to_num(a, copy=False)


WRITES = {
    f.__name__.strip("_"): f
    for f in (
        _assign, _assign_reversed, _shifted, _element_from, _at_indices, _add_at, _masked, _masked_number, _iadd, _imul, _idiv,
        _ipow, _out, _out_part, _out_where, _copyto, _put, _putmask, _place, _fill_diagonal, _flat, _flat_slice, _fill, _sort,
        _swap, _rows, _nan_to_num,
    )
}  # fmt: skip
# Which elements these choose depends on values, so that they do not run under vmap, where the choices differ.
BY_VALUE = frozenset({"masked"})


def run(program, x):
    """The sum of weighted sines of all arrays that the program has made, for a vector `x`."""
    whole = np.zeros_like(x).reshape(SHAPE)
    whole[...] = x.reshape(SHAPE)
    arrays = [whole]
    for name, i, j in program:
        a = arrays[i % len(arrays)]
        if name in VIEWS:
            arrays.append(VIEWS[name](a, j))
        else:
            WRITES[name](a, _fitting(a, arrays, j), j)
    total = 0.0
    for n, a in enumerate(arrays):
        total = total + np.sum(np.sin(a) * np.cos(np.arange(a.size).reshape(a.shape) + n))
    return total


def programs(most=10, without=frozenset()):
    numbers = st.integers(0, 11)
    view = st.tuples(st.sampled_from(sorted(VIEWS)), numbers, numbers)
    write = st.tuples(st.sampled_from(sorted(set(WRITES) - without)), numbers, numbers)
    return st.lists(st.one_of(view, write), min_size=2, max_size=most)
