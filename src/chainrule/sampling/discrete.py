"""Distributions of whole numbers. Samples jump as parameters change, so they are constants for derivatives; the relaxations in
`continuous.py` are not."""

import numpy as np

from ..core.value import Value, dtype_of, ndim_of, shape_of
from ..errors import ArgumentError, ShapeError, explain
from ..ops.elementwise import log
from ..ops.random import below, random_counts
from ..ops.reduction import argmax
from ..ops.shaping import as_shape, as_value, broadcast_to, cast, expand, moveaxis, normalize_axis, reshape
from .stream import Stream, non_negative, positive, probability, size_for


class Discrete(Stream):
    """Methods of a Generator that draw from discrete distributions."""

    def integers(self, low, high=None, size=None, dtype=np.int64, endpoint=False):
        """Whole numbers from [low, high), or [0, low); with `endpoint`, `high` is one of them.

        All are equally likely, to a part in 2**64.

        Parameters
        ----------
        low, high : integers, or arrays of them that broadcast
        size : int or tuple of ints; None takes the shape of the parameters
        dtype : dtype of the result, any of integers or bool
        endpoint : include `high`

        Raises
        ------
        ValueError
            There is no such number, or `dtype` cannot hold them.

        Examples
        --------
        >>> import chainrule as cr
        >>> x = cr.random.default_rng(0).integers(1, 6, 100, endpoint=True)
        >>> int(x.min()), int(x.max())
        (1, 6)
        """
        low, high = (0, low) if high is None else (low, high)
        dtype = np.dtype(dtype)
        if dtype.kind not in "iub":
            raise TypeError(f"Unsupported dtype {str(dtype)!r} for integers")
        shape = size_for(size, low, high, what="integers")
        start, count = _interval(low, high, dtype, endpoint)
        flat = shape or (1,)
        words = self.bits((2, *flat))
        return reshape(cast(below(words[0], words[1], count) + start, dtype), shape)

    def bernoulli(self, p=0.5, size=None, *, dtype=np.float64):
        """1 with probability `p`, else 0.

        >>> import chainrule as cr
        >>> cr.random.default_rng(0).bernoulli([0.0, 1.0])
        tensor([0., 1.])
        """
        probability("bernoulli", p=p)
        return cast(self._half_open(size_for(size, p, what="bernoulli")) < as_value(p), np.dtype(dtype))

    def categorical(self, logits, size=None, axis=-1):
        """Indices along `axis`, each with a probability proportional to the exponential of its logit.

        The largest of the logits plus Gumbel noise (Gumbel, 1954); `gumbel_softmax` is the relaxation that has a derivative.

        Parameters
        ----------
        logits : array; -inf stands for what never happens
        size : int or tuple of ints; the shape of the result, to which that of `logits` without `axis` must broadcast
        axis : int

        Returns
        -------
        array of int64

        Examples
        --------
        >>> import chainrule as cr
        >>> cr.random.default_rng(0).categorical([-np.inf, 0.0, -np.inf], 4)
        tensor([1, 1, 1, 1])
        """
        logits = as_value(logits)
        if ndim_of(logits) == 0:
            raise ShapeError(explain("categorical: `logits` needs an axis", "found a single number", help="give a vector"))
        logits = moveaxis(logits, normalize_axis(axis, ndim_of(logits)), -1)
        *rest, n = shape_of(logits)
        if n == 0:
            raise ValueError("categorical: there is nothing to choose from")
        shape = tuple(rest) if size is None else as_shape(size)
        shape = size_for((*shape, n), logits, what="categorical")
        return argmax(logits - log(-log(self._inside(shape))), -1)

    # --- as NumPy draws them ------------------------------------------------------------------------------------------

    def _counts(self, method, shape, *parameters, last=0):
        key = self.bits((2,))
        return random_counts(key, *map(as_value, parameters), method=method, shape=tuple(shape), last=last)

    def poisson(self, lam=1.0, size=None):
        """How often something happens that happens `lam` times on average.

        >>> import chainrule as cr
        >>> cr.random.default_rng(0).poisson(3.0, (2, 2)).shape
        (2, 2)
        """
        non_negative("poisson", lam=lam)
        return self._counts("poisson", size_for(size, lam, what="poisson"), lam)

    def binomial(self, n, p, size=None):
        """How many of `n` trials succeed, each with probability `p`."""
        non_negative("binomial", n=n)
        probability("binomial", p=p)
        return self._counts("binomial", size_for(size, n, p, what="binomial"), n, p)

    def negative_binomial(self, n, p, size=None):
        """How many trials fail before `n` of them, each with probability `p`, have succeeded."""
        positive("negative_binomial", n=n)
        probability("negative_binomial", p=p)
        return self._counts("negative_binomial", size_for(size, n, p, what="negative_binomial"), n, p)

    def geometric(self, p, size=None):
        """How many trials it takes until one succeeds, each with probability `p`; at least 1."""
        probability("geometric", p=p)
        return self._counts("geometric", size_for(size, p, what="geometric"), p)

    def hypergeometric(self, ngood, nbad, nsample, size=None):
        """How many good ones there are among `nsample` drawn without replacement from `ngood` good and `nbad` bad ones."""
        non_negative("hypergeometric", ngood=ngood, nbad=nbad, nsample=nsample)
        shape = size_for(size, ngood, nbad, nsample, what="hypergeometric")
        return self._counts("hypergeometric", shape, ngood, nbad, nsample)

    def logseries(self, p, size=None):
        """Whole numbers k from 1 with probability proportional to p**k / k."""
        probability("logseries", p=p)
        return self._counts("logseries", size_for(size, p, what="logseries"), p)

    def zipf(self, a, size=None):
        """Whole numbers k from 1 with probability proportional to k**-a, for `a` above 1."""
        positive("zipf", a=a)
        return self._counts("zipf", size_for(size, a, what="zipf"), a)

    def multinomial(self, n, pvals, size=None):
        """How often each of several things happens in `n` trials.

        Parameters
        ----------
        n : int, or array of them
        pvals : array of shape (..., k), probabilities that add up to 1 along the last axis
        size : shape of the array of vectors; None takes that to which `n` and (...) broadcast

        Returns
        -------
        array of int64, of shape (*size, k)

        Examples
        --------
        >>> import chainrule as cr
        >>> int(cr.random.default_rng(0).multinomial(10, [0.2, 0.8]).sum())
        10
        """
        pvals = as_value(pvals)
        if ndim_of(pvals) == 0:
            raise ShapeError(explain("multinomial: `pvals` needs an axis", "found a single number", help="give a vector"))
        probability("multinomial", pvals=pvals)
        k = shape_of(pvals)[-1]
        size = np.broadcast_shapes(shape_of(n), shape_of(pvals)[:-1]) if size is None else as_shape(size)
        shape = size_for((*size, k), expand(as_value(n), (ndim_of(n),)), pvals, what="multinomial")
        return self._counts("multinomial", shape, broadcast_to(as_value(n), shape[:-1]), pvals, last=1)

    def multivariate_hypergeometric(self, colors, nsample, size=None, method="marginals"):
        """How many of each colour there are among `nsample` drawn without replacement from `colors[i]` of colour i.

        Returns
        -------
        array of int64, of shape (*size, k)
        """
        if method not in ("count", "marginals"):
            raise ArgumentError(
                explain(f"multivariate_hypergeometric: unknown method {method!r}", help="use 'marginals' or 'count'")
            )
        non_negative("multivariate_hypergeometric", colors=colors, nsample=nsample)
        shape = (*as_shape(() if size is None else size), shape_of(colors)[0])
        return self._counts("multivariate_hypergeometric", shape, colors, nsample, last=1)


# --- intervals of whole numbers ---------------------------------------------------------------------------------------


def _interval(low, high, dtype, endpoint):
    """Start and length of an interval as words (in arithmetic modulo 2**64)."""
    if isinstance(low, Value) or isinstance(high, Value):
        low, high = (cast(as_value(x), np.dtype(np.uint64)) for x in (low, high))
        return low, high - low + np.uint64(endpoint)
    low, last = np.asarray(low, object), np.asarray(high, object) - (not endpoint)
    least, most = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    for name, outside in (("low", low < least), ("high", last > most)):
        if np.any(outside):
            raise ValueError(f"{name} is out of bounds for {dtype}")
    if np.any(low > last):
        raise ValueError(
            explain(
                "integers: there is no number from low to high",
                f"low: {low}    high: {high}, {'included' if endpoint else 'not included'}",
                help="`low` must be smaller than `high`, or equal with endpoint=True",
            )
        )
    return _words(low), _words(last - low + 1)


def _words(x):
    """Python integers modulo 2**64."""
    return np.asarray(x % 2**64, object).astype(np.uint64)[()]


def whole(x, what, name):
    """A Python int from an argument that stands for a number of things."""
    if dtype_of(x).kind not in "iu" or ndim_of(x):
        raise TypeError(f"{what}: `{name}` must be an integer, found {x!r}")
    return int(x)
