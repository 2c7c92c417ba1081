"""JAX's way to change an array: a copy in which some elements are others."""

import numpy as np

from .ops import elementwise, indexing
from .ufunc_calls import updated


class At:
    """`x.at[key]`, whose methods give `x` with other elements there; `x` stays as it is.

    `set`, `add`, `subtract`, `multiply` (`mul`), `divide`, `power`, `min` and `max` take what is set, added ...; a key that
    names an element several times changes it as often. `apply` takes a function of arrays, and `get` gives the elements.

    >>> import chainrule as cr
    >>> x = cr.tensor([1.0, 2.0, 3.0])
    >>> x.at[[0, 0, 2]].multiply(10.0)
    tensor([100.,   2.,  30.])
    """

    def __init__(self, x):
        self.x = x

    def __getitem__(self, key):
        return _AtKey(self.x, key)


def _changing(ufunc, ours):
    def method(self, v):
        return updated(ufunc, ours, self.x, self.key, v)

    return method


class _AtKey:
    def __init__(self, x, key):
        self.x, self.key = x, key

    def set(self, v):
        return indexing.index_set(self.x, self.key, v)

    def get(self):
        return indexing.getitem(self.x, self.key)

    def apply(self, f):
        return self.set(f(self.get()))

    add = _changing(np.add, elementwise.add)
    subtract = _changing(np.subtract, elementwise.subtract)
    multiply = mul = _changing(np.multiply, elementwise.multiply)
    divide = _changing(np.divide, elementwise.divide)
    power = _changing(np.power, elementwise.power)
    min = minimum = _changing(np.minimum, elementwise.minimum)
    max = maximum = _changing(np.maximum, elementwise.maximum)
