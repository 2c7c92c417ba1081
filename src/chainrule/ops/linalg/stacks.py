"""Functions of single matrices, SciPy's mostly, run over stacks of them."""

import functools
import importlib

import numpy as np

from ...core.value import ndim_of
from ..shaping import pad_front


@functools.cache
def scipy_linalg(name):
    """A function of scipy.linalg. SciPy is loaded when the first one is asked for."""
    return getattr(importlib.import_module("scipy.linalg"), name)


def over_stack(f, *xs, out, core=2):
    """`f` of every entry of arrays whose leading axes broadcast, stacked.

    Parameters
    ----------
    f : function of arrays with `core` axes (an int, or one for each of `xs`) that gives one array, or a tuple of them
    xs : arrays
    out : (shape, dtype) of what `f` gives, or a list of them; nothing is called where nothing is to be found
    """
    cores = (core,) * len(xs) if isinstance(core, int) else core
    lead = np.broadcast_shapes(*(x.shape[: x.ndim - c] for x, c in zip(xs, cores, strict=True)))
    spread = [np.broadcast_to(x, (*lead, *x.shape[x.ndim - c :])) for x, c in zip(xs, cores, strict=True)]
    several = isinstance(out, list)
    results = [np.zeros((*lead, *shape), dtype) for shape, dtype in (out if several else [out])]
    if any(r.size for r in results):
        for i in np.ndindex(lead):
            found = f(*(x[i] for x in spread))
            for r, v in zip(results, found if several else (found,), strict=True):
                r[i] = v
    return tuple(results) if several else results[0]


def check_finite(*xs):
    """SciPy's complaint about what LAPACK may not survive."""
    for x in xs:
        if not np.isfinite(x).all():
            raise ValueError("array must not contain infs or NaNs")


def batch_of(row, cores):
    """A batch rule for an op of arrays with so many axes of their own each; axes before these broadcast."""

    def batch(args, batched, params):
        lead = 1 + max(ndim_of(x) - b - c for x, b, c in zip(args, batched, cores, strict=True))
        return row()(*(pad_front(x, lead + c) if b else x for x, b, c in zip(args, batched, cores, strict=True)), **params)

    return batch
