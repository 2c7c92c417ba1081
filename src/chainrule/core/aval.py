"""Shape and dtype of a value that need not exist: an abstract value."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .value import dtype_of, shape_of


class Aval(NamedTuple):
    """`weak` marks a Python number, which adapts to the dtype of the arrays that it meets (NumPy's NEP 50)."""

    shape: tuple
    dtype: np.dtype
    weak: type | None = None

    def __str__(self):
        return f"{self.dtype.name}[{','.join(map(str, self.shape))}]"


def aval_of(x) -> Aval:
    if type(x) in (bool, int, float, complex):
        return Aval((), np.dtype(type(x)), type(x))
    return Aval(shape_of(x), dtype_of(x))


@lru_cache(maxsize=4096)
def result_dtype(evaluate, dtypes: tuple, weak: tuple, **params) -> np.dtype:
    """The dtype that `evaluate` gives for arguments of these dtypes: found by asking it about single ones."""
    ones = [w(1) if w else np.ones((1,), d) for d, w in zip(dtypes, weak, strict=True)]
    with np.errstate(all="ignore"):  # 1 may be at the edge of the op's domain
        return np.asarray(evaluate(*ones, **params)).dtype
