"""Windows over the last axes of an array folded to one number each: their maximum or their sum.

`window`, `stride` and `dilation` hold an int per spatial axis, `padding` a pair (before, after). All other axes, in front of
the spatial ones, are worked on independently. Padding counts as 0 for sums, and is never the maximum.
"""

import math

import numpy as np

from ..core.aval import Aval
from ..core.derivative import Linear, Pair, zero
from ..core.lowering import Pool
from ..core.primitive import primitive
from ..core.value import shape_of
from .convolution import output_sizes, shifts
from .shaping import broadcast_to, expand


def _split(shape, window):
    n = len(shape) - len(window)
    return shape[:n], shape[n:]


def _places(shape, window, stride, padding, dilation):
    """The shape of the result."""
    lead, sizes = _split(shape, window)
    return (*lead, *output_sizes(sizes, window, stride, padding, dilation))


def _along(axis, ndim, part):
    """A key that cuts this one of the last `ndim` axes."""
    return (..., part, *(slice(None),) * (ndim - axis - 1))


def _steps(sizes, out, window, stride, padding, dilation):
    """For each spatial axis, the parts of output and input that meet at each offset in the window."""
    for axis in range(len(window)):
        geometry = ([p[axis]] for p in (sizes, out, window, stride, padding, dilation))
        yield axis, [(to, source) for _, (to,), (source,) in shifts(*geometry)]


def _lowest(dtype):
    if dtype.kind in "iu":
        return np.iinfo(dtype).min
    return False if dtype.kind == "b" else -math.inf


# --- maximum ----------------------------------------------------------------------------------------------------------


def _maximum(x, window, stride, padding, dilation):
    """Axis by axis, which takes the sum of the window's lengths in passes, not their product."""
    sizes = _split(x.shape, window)[1]
    out = output_sizes(sizes, window, stride, padding, dilation)
    for axis, parts in _steps(sizes, out, window, stride, padding, dilation):
        k = x.ndim - len(window) + axis
        y = np.full((*x.shape[:k], out[axis], *x.shape[k + 1 :]), _lowest(x.dtype), x.dtype)
        for to, source in parts:
            target = y[_along(axis, len(window), to)]
            np.maximum(target, x[_along(axis, len(window), source)], out=target)
        x = y
    return x


def _firsts(x, window, stride, padding, dilation):
    """For each offset in the window: (part of the output, part of the input, where this is the first maximum)."""
    y = _maximum(x, window, stride, padding, dilation)
    sizes, out = _split(x.shape, window)[1], _split(y.shape, window)[1]
    nan = x.dtype.kind == "f" and np.isnan(y).any()
    left = np.ones(y.shape, bool)
    for _, to, source in shifts(sizes, out, window, stride, padding, dilation):
        to, source = (..., *to), (..., *source)
        v = x[source]
        hit = v == y[to]
        if nan:
            hit |= np.isnan(v)
        hit &= left[to]
        left[to] ^= hit
        yield to, source, hit


def _kept(x, hit):
    """`x` where `hit`, 0 elsewhere. On hits at random places a mask of bits is several times faster than a branch."""
    if x.dtype.itemsize > 8:
        return np.where(hit, x, 0)
    bits = np.dtype(f"u{x.dtype.itemsize}")
    return (x.view(bits) & np.negative(hit.astype(bits))).view(x.dtype)


def _cost(x, window, stride, padding, dilation):
    """Nanoseconds for a pass over x for each place in the window along each axis."""
    return 30e3 + 0.25 * x.size * sum(window)


def _selection_cost(places, window):
    """Nanoseconds for a pass over the places for each element of the window."""
    return 80e3 + 5 * places * math.prod(window)


def _together(args, batched):
    """All arguments with the leading batch axis."""
    n = next(shape_of(x)[0] for x, b in zip(args, batched, strict=True) if b)
    return [x if b else broadcast_to(expand(x, (0,)), (n, *shape_of(x))) for x, b in zip(args, batched, strict=True)]


@primitive(
    derivative=[
        Pair(
            lambda t, x, window, stride, padding, dilation: max_pool_select(
                t, x, window=window, stride=stride, padding=padding, dilation=dilation
            ),
            lambda g, x, window, stride, padding, dilation: max_pool_scatter(
                g, x, window=window, stride=stride, padding=padding, dilation=dilation
            ),
        )
    ],
    aval=lambda x, window, **geometry: Aval(_places(x.shape, window, **geometry), x.dtype),
    batch=lambda args, batched, params: max_pool(*args, **params),
    lower=Pool(),
    cost=_cost,
)
def max_pool(x, *, window, stride, padding, dilation):
    """Maximum of each window of x (..., *sizes): (..., *places). NaN counts as the largest number.

    The derivative goes to the first maximum of each window in row-major order, as in PyTorch.
    """
    return _maximum(x, window, stride, padding, dilation)


@primitive(
    derivative=[
        Linear(
            lambda g, x, window, stride, padding, dilation: max_pool_scatter(
                g, x, window=window, stride=stride, padding=padding, dilation=dilation
            )
        ),
        zero,
    ],
    aval=lambda t, x, window, **geometry: Aval(_places(x.shape, window, **geometry), t.dtype),
    batch=lambda args, batched, params: max_pool_select(*_together(args, batched), **params),
    lower=Pool(),
    cost=lambda t, x, window, stride, **geometry: _selection_cost(x.size / math.prod(stride), window),
)
def max_pool_select(t, x, *, window, stride, padding, dilation):
    """From t, of the shape of x, what stands where x has the first maximum of each window."""
    out = np.zeros(_places(x.shape, window, stride, padding, dilation), t.dtype)
    for to, source, hit in _firsts(x, window, stride, padding, dilation):
        out[to] += _kept(t[source], hit)
    return out


@primitive(
    derivative=[
        Linear(
            lambda g, x, window, stride, padding, dilation: max_pool_select(
                g, x, window=window, stride=stride, padding=padding, dilation=dilation
            )
        ),
        zero,
    ],
    aval=lambda y, x, **geometry: Aval(x.shape, y.dtype),
    batch=lambda args, batched, params: max_pool_scatter(*_together(args, batched), **params),
    lower=Pool(spreads=True),
    cost=lambda y, x, window, **geometry: _selection_cost(y.size, window),
)
def max_pool_scatter(y, x, *, window, stride, padding, dilation):
    """Transpose of `max_pool_select`: each number of y (..., *places) added where x has the first maximum of its window."""
    out = np.zeros(x.shape, y.dtype)
    for to, source, hit in _firsts(x, window, stride, padding, dilation):
        out[source] += _kept(y[to], hit)
    return out


# --- sum --------------------------------------------------------------------------------------------------------------


@primitive(
    derivative=[
        Linear(
            lambda g, in_shape, window, stride, padding, dilation: window_spread(
                g,
                sizes=in_shape[len(in_shape) - len(window) :],
                window=window,
                stride=stride,
                padding=padding,
                dilation=dilation,
            )
        )
    ],
    aval=lambda x, window, **geometry: Aval(_places(x.shape, window, **geometry), x.dtype),
    batch=lambda args, batched, params: window_sum(*args, **params),
    lower=Pool(),
    cost=_cost,
)
def window_sum(x, *, window, stride, padding, dilation):
    """Sum of each window of x (..., *sizes): (..., *places)."""
    sizes = _split(x.shape, window)[1]
    out = output_sizes(sizes, window, stride, padding, dilation)
    for axis, parts in _steps(sizes, out, window, stride, padding, dilation):
        k = x.ndim - len(window) + axis
        y = np.zeros((*x.shape[:k], out[axis], *x.shape[k + 1 :]), x.dtype)
        for to, source in parts:
            y[_along(axis, len(window), to)] += x[_along(axis, len(window), source)]
        x = y
    return x


@primitive(
    derivative=[
        Linear(
            lambda g, window, stride, padding, dilation: window_sum(
                g, window=window, stride=stride, padding=padding, dilation=dilation
            )
        )
    ],
    aval=lambda y, sizes, window, **geometry: Aval((*_split(y.shape, window)[0], *sizes), y.dtype),
    batch=lambda args, batched, params: window_spread(*args, **params),
    lower=Pool(spreads=True),
    cost=lambda y, sizes, window, stride, padding, dilation: 30e3 + math.prod(stride) * y.size * sum(window) / 2,
)
def window_spread(y, *, sizes, window, stride, padding, dilation):
    """Transpose of `window_sum`: each number of y (..., *places) added to all elements of its window in (..., *sizes)."""
    out = _split(y.shape, window)[1]
    for axis, parts in _steps(sizes, out, window, stride, padding, dilation):
        k = y.ndim - len(window) + axis
        x = np.zeros((*y.shape[:k], sizes[axis], *y.shape[k + 1 :]), y.dtype)
        for to, source in parts:
            x[_along(axis, len(window), source)] += y[_along(axis, len(window), to)]
        y = x
    return y
