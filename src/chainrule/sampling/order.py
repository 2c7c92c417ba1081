"""Choices and shuffles. Which elements are chosen is a constant; derivatives flow through those that are."""

import math

import numpy as np

from ..core.value import Value, dtype_of, ndim_of, shape_of
from ..errors import explain
from ..ops.elementwise import log, where
from ..ops.indexing import take, take_along_axis
from ..ops.reduction import cumsum
from ..ops.shaping import as_shape, as_value, cast, normalize_axis, reshape
from ..ops.sorting import argsort, searchsorted
from ..tensor import Tensor
from .discrete import Discrete, whole
from .stream import is_known


class Order(Discrete):
    """Methods of a Generator that choose among given things, or put them in random order."""

    def bytes(self, length):
        """So many random bytes.

        >>> import chainrule as cr
        >>> len(cr.random.default_rng(0).bytes(5))
        5
        """
        return np.asarray(self.bits((-(-length // 8),))).tobytes()[:length]

    def choice(self, a, size=None, replace=True, p=None, axis=0, shuffle=True):
        """Elements of `a` along `axis`, chosen at random.

        Parameters
        ----------
        a : array; or an integer, which stands for the numbers from 0 to below it
        size : int or tuple of ints, how many; None for a single one
        replace : whether an element can be chosen again
        p : None, or a probability for each element
        axis : along which to choose
        shuffle : accepted for NumPy's sake; the chosen ones are in random order in any case

        Returns
        -------
        array of the shape of `a`, with `size` in the place of `axis`

        Raises
        ------
        ValueError
            There are not as many elements, or `p` are no probabilities.

        Examples
        --------
        >>> import chainrule as cr
        >>> sorted(cr.random.default_rng(0).choice(3, 3, replace=False).tolist())
        [0, 1, 2]
        """
        a = as_value(a)
        numbers = ndim_of(a) == 0
        n = whole(a, "choice", "a") if numbers else shape_of(a)[normalize_axis(axis, ndim_of(a))]
        shape = () if size is None else as_shape(size)
        count = math.prod(shape)
        if n == 0 and count:
            raise ValueError("a cannot be empty unless no samples are taken")
        if p is not None:
            p = _checked(p, n)
        if not count:
            chosen = cast(self.bits(shape), np.dtype(np.int64))
        elif replace:
            chosen = self.integers(n, size=shape) if p is None else self._weighed(p, shape)
        else:
            chosen = reshape(self._without_replacement(n, count, p), shape)
        return chosen if numbers else take(a, chosen, axis)

    def _weighed(self, p, shape):
        edges = cumsum(p, -1)
        found = searchsorted(edges, self._half_open(shape) * edges[-1], side="right")
        return cast(found, np.dtype(np.int64))

    def _without_replacement(self, n, count, p):
        if count > n:
            raise ValueError("Cannot take a larger sample than population when replace is False")
        if p is None:
            return self.permutation(n)[:count]
        if is_known(p) and np.count_nonzero(p) < count:
            raise ValueError("Fewer non-zero entries in p than size")
        # The largest of the logarithms plus Gumbel noise are those of successive draws (Yellott, 1977).
        noise = -log(-log(self._inside((n,))))
        return argsort(where(p > 0, log(where(p > 0, p, 1)) + noise, -math.inf), descending=True)[:count]

    def permutation(self, x, axis=0):
        """The elements of `x` along `axis` in random order, in a new array; of an integer, the numbers from 0 to below it.

        >>> import chainrule as cr
        >>> sorted(cr.random.default_rng(0).permutation(4).tolist())
        [0, 1, 2, 3]
        """
        x = as_value(x)
        if ndim_of(x) == 0:
            return argsort(self.bits((whole(x, "permutation", "x"),)))
        axis = normalize_axis(axis, ndim_of(x))
        return take(x, argsort(self.bits((shape_of(x)[axis],))), axis)

    def permuted(self, x, *, axis=None, out=None):
        """The elements of `x` in random order, each slice along `axis` by itself; without `axis`, all of them.

        >>> import chainrule as cr
        >>> cr.random.default_rng(0).permuted(np.ones((2, 3)), axis=1).shape
        (2, 3)
        """
        x = as_value(x)
        shape = shape_of(x)
        if axis is None:
            mixed = reshape(self.permutation(reshape(x, (-1,))), shape)
        else:
            axis = normalize_axis(axis, len(shape))
            mixed = take_along_axis(x, argsort(self.bits(shape), axis), axis)
        if out is None:
            return mixed
        _write(out, mixed)
        return out

    def shuffle(self, x, axis=0):
        """Put the elements of an array, a Tensor or a list in random order along `axis`, in place.

        >>> import chainrule as cr
        >>> x = [1, 2, 3]
        >>> cr.random.default_rng(0).shuffle(x)
        >>> sorted(x)
        [1, 2, 3]
        """
        if isinstance(x, (np.ndarray, Value)):
            _write(x, self.permutation(x, axis))
            return
        order = np.asarray(self.permutation(len(x)))
        x[:] = [x[i] for i in order]


def _write(x, new):
    if isinstance(x, Tensor):
        x._rebind(cast(new, dtype_of(x)))
    else:
        x[...] = np.asarray(new)


def _checked(p, n):
    p = cast(as_value(p), np.dtype(np.float64))
    if shape_of(p) != (n,):
        raise ValueError(
            explain("choice: a and p must have same size", f"a: {n}    p: {shape_of(p)}", help="one probability per element")
        )
    if is_known(p):
        if not np.all(p >= 0):
            raise ValueError("Probabilities are not non-negative")
        if abs(p.sum() - 1) > 1e-8 * max(1, n) ** 0.5:
            raise ValueError("Probabilities do not sum to 1..")
    return p
