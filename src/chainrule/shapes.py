"""Shapes of Tensors: tuples with the methods of `torch.Size`."""

import math
import operator


class Size(tuple):
    """A shape: a tuple of ints that also counts elements.

    >>> import chainrule as cr
    >>> cr.zeros(2, 3).shape.numel()
    6
    >>> cr.zeros(2, 3).shape[1:] + (4,)
    (3, 4)
    """

    __slots__ = ()

    def numel(self):
        """The number of elements of an array of this shape."""
        return math.prod(self)

    def __getitem__(self, i):
        part = tuple.__getitem__(self, i)
        return Size(part) if isinstance(i, slice) else part

    def __add__(self, other):
        return Size(tuple.__add__(self, other)) if isinstance(other, tuple) else NotImplemented

    def __radd__(self, other):
        return Size(other + tuple(self)) if isinstance(other, tuple) else NotImplemented

    def __mul__(self, times):
        return Size(tuple.__mul__(self, operator.index(times)))

    __rmul__ = __mul__

    def __reduce__(self):
        return tuple, (tuple(self),)  # files hold plain tuples
