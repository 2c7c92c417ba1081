"""Numbers at equal distances or ratios between two ends, to which derivatives flow."""

import numpy as np

from ..core.value import Value, dtype_of, ndim_of, shape_of
from .comparison import floor
from .elementwise import absolute, exp, log, power, sign, where
from .joining import concatenate
from .linalg.matrices import known
from .shaping import as_value, broadcast_to, cast, expand_dims, moveaxis, reshape


def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0):
    """`num` numbers from `start` to `stop` at equal distances, along `axis` where the ends are arrays; NumPy's options."""
    if not isinstance(start, Value) and not isinstance(stop, Value):
        return np.linspace(start, stop, num, endpoint, retstep, dtype, axis)
    if num < 0:
        raise ValueError(f"Number of samples, {num}, must be non-negative.")
    start, stop = as_value(start), as_value(stop)
    kind = np.result_type(dtype_of(start), dtype_of(stop), float(num))
    shape = np.broadcast_shapes(shape_of(start), shape_of(stop))
    start, stop = (broadcast_to(cast(x, kind), shape) for x in (start, stop))
    count = num - 1 if endpoint else num
    step = (stop - start) / count if count > 0 else (stop - start) * np.nan
    places = np.arange(num).reshape(-1, *(1,) * len(shape)).astype(np.zeros((), kind).real.dtype)
    out = places * step + start if count > 0 else places * (stop - start) + start
    if endpoint and num > 1:  # the last one exactly
        out = concatenate([out[:-1], reshape(stop, (1, *shape))])
    out = moveaxis(out, 0, axis)
    if dtype is not None:
        dtype = np.dtype(dtype)
        out = cast(floor(out) if dtype.kind in "iu" else out, dtype)
    return (out, step) if retstep else out


def logspace(start, stop, num=50, endpoint=True, base=10.0, dtype=None, axis=0):
    """`num` numbers from `base**start` to `base**stop` at equal ratios; NumPy's options."""
    if not any(isinstance(x, Value) for x in (start, stop, base)):
        return np.logspace(start, stop, num, endpoint, base, dtype, axis)
    base = as_value(base)
    if ndim_of(base):
        start, stop = (broadcast_to(x, np.broadcast_shapes(shape_of(x), shape_of(base))) for x in (start, stop))
        base = expand_dims(base, axis)
    out = power(base, linspace(start, stop, num, endpoint, axis=axis))
    return out if dtype is None else cast(out, np.dtype(dtype))


def geomspace(start, stop, num=50, endpoint=True, dtype=None, axis=0):
    """`num` numbers from `start` to `stop` at equal ratios; NumPy's options."""
    if not isinstance(start, Value) and not isinstance(stop, Value):
        return np.geomspace(start, stop, num, endpoint, dtype, axis)
    start, stop = as_value(start), as_value(stop)
    kind = np.result_type(dtype_of(start), dtype_of(stop), float(num))
    start, stop = cast(start, kind), cast(stop, kind)
    if known(((start == 0) | (stop == 0)).any()):
        raise ValueError("Geometric sequence cannot include zero")
    if kind.kind == "c":  # turned so that the first one is 1
        ratio = exp(linspace(0 * start, log(stop / start), num, endpoint, axis=axis))
        out = ratio * _beside(start, axis, ratio)
    else:
        lo, hi = log(absolute(start)), log(stop / start) + log(absolute(start))
        size = exp(linspace(lo, hi, num, endpoint, axis=axis))
        out = size * _beside(sign(start), axis, size)
    first = np.arange(num).reshape(-1, *(1,) * (ndim_of(out) - 1)) == 0
    last = np.arange(num).reshape(first.shape) == (num - 1 if endpoint and num > 1 else -1)
    out = where(moveaxis(first, 0, axis), _beside(start, axis, out), out)
    out = where(moveaxis(last, 0, axis), _beside(stop, axis, out), out)
    return out if dtype is None else cast(out, np.dtype(dtype))


def _beside(x, axis, out):
    """`x` with an axis of length 1 where the numbers of `out` stand."""
    n = ndim_of(out)
    x = reshape(x, (*(1,) * (n - 1 - ndim_of(x)), *shape_of(x)))
    axis = axis % n
    return reshape(x, (*shape_of(x)[:axis], 1, *shape_of(x)[axis:]))
