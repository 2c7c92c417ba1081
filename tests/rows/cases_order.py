"""Cases for segments, running extrema, and PyTorch's functions that combine elements at indices."""

import numpy as np
import sampling
from sampling import F32, spread

sampling.start(20)

X = spread((6, 2), 0.5, 2)
IDS = np.array([1, 0, 2, -1, 2, 0])
V = spread((5,), -2, 2)
M = spread((3, 4), -2, 2)


def segments(combine, empty):
    def reference(x, ids, num_segments=None):
        num = ids.max() + 1 if num_segments is None else num_segments
        parts = [x[ids == k] for k in range(num)]
        none = np.full(x.shape[1:], empty, x.dtype)
        return np.stack([none if not len(p) else combine(p) for p in parts]).astype(x.dtype)

    return reference


def placed(x, axis, indices, values):
    out = x.copy()
    out[(slice(None),) * axis + (indices,)] = values
    return out


def combined(x, axis, indices, values, reduce, include_self=True):
    out = x.copy()
    for at in np.ndindex(*indices.shape):
        to = (*at[:axis], indices[at], *at[axis + 1 :])
        every = [i for i in np.ndindex(*indices.shape) if (*i[:axis], indices[i], *i[axis + 1 :]) == to]
        parts = np.array([values[i] for i in every] + [x[to]] * include_self)
        out[to] = {"sum": np.sum, "prod": np.prod, "mean": np.mean, "amax": np.max, "amin": np.min}[reduce](parts)
    return out


def whole(x, axis, indices, values, reduce, include_self=True):
    shape = [-1 if d == axis else 1 for d in range(x.ndim)]
    return combined(x, axis, np.broadcast_to(indices.reshape(shape), values.shape), values, reduce, include_self)


def cases(add, call):
    for name, combine, empty in (
        ("segment_sum", lambda p: p.sum(0), 0),
        ("segment_mean", lambda p: p.mean(0), 0),
        ("segment_prod", lambda p: p.prod(0), 1),
        ("segment_max", lambda p: p.max(0), -np.inf),
        ("segment_min", lambda p: p.min(0), np.inf),
    ):
        ref = segments(combine, empty)
        add(name, call(X, IDS), call(X, IDS, 3), call(X[:, 0].astype(F32), IDS), ref=ref)
        add(name, call(X, IDS, num_segments=5), ref=ref, derivative=False)
    order = np.array([[1, 0, 1, 2], [2, 2, 0, 1]])
    for reduce in ("sum", "prod", "mean", "amax", "amin"):
        values = spread((2, 4), -2, 2)
        add("scatter_reduce", call(M, 0, order, values, reduce), ref=combined)
        add("scatter_reduce", call(M, 0, order, values, reduce, include_self=False), ref=combined)
        add("index_reduce", call(M, 1, np.array([3, 0, 3]), spread((3, 3), -2, 2), reduce), ref=whole)
    add("index_copy", call(M, 1, np.array([2, 0]), spread((3, 2), -2, 2)), ref=placed)
    add("index_fill", call(M, 0, np.array([2, 0]), 1.5), ref=placed)
    for name, fold in (("cummax", np.maximum.accumulate), ("cummin", np.minimum.accumulate)):

        def ref(x, axis=None, fold=fold):
            x, axis = (x.ravel(), 0) if axis is None else (x, axis)
            best = fold(x, axis)
            return best, np.maximum.accumulate(np.where(x == best, np.moveaxis(np.indices(x.shape), 0, -1)[..., axis], 0), axis)

        add(name, call(V), call(M), call(M, 1), call(M.astype(F32), axis=0), ref=ref)

    def log_sums(x, axis=None):
        return np.logaddexp.accumulate(x.ravel() if axis is None else x, 0 if axis is None else axis)

    add("logcumsumexp", call(V), call(M), call(M, 1), call(M.astype(F32), axis=0), ref=log_sums)
