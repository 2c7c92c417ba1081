"""Elements added around an array, in every mode of np.pad."""

import builtins

import numpy as np

from ..core.value import dtype_of, ndim_of, shape_of
from ..errors import explain
from .applying import apply_along_axis
from .comparison import rint
from .contraction import tensordot
from .elementwise import trunc
from .indexing import take
from .joining import concatenate
from .percentiles import median
from .reduction import max as largest, mean, min as smallest
from .shaping import as_value, broadcast_to, cast, duplicate, moveaxis, pad_zeros, reshape

_REPEATS = ("edge", "reflect", "symmetric", "wrap")
_STATISTICS = {"maximum": largest, "minimum": smallest, "mean": mean, "median": median}
_OPTIONS = {
    "constant": {"constant_values"},
    "linear_ramp": {"end_values"},
    "reflect": {"reflect_type"},
    "symmetric": {"reflect_type"},
    **{mode: {"stat_length"} for mode in _STATISTICS},
}


def pad(x, pad_width, mode="constant", **options):
    """Elements added before and after along each axis.

    Parameters
    ----------
    x : array
    pad_width : int, pair (before, after) for all axes, a pair per axis, or a dict of these by axis
    mode : 'constant', 'edge', 'reflect', 'symmetric', 'wrap', 'linear_ramp', 'maximum', 'minimum', 'mean', 'median', 'empty',
        or a function that fills in a vector, as in NumPy
    constant_values : what 'constant' pads with, default 0; as `pad_width`, it may differ by side
    end_values : where 'linear_ramp' ends, likewise
    stat_length : how many elements at each edge the statistics use, default all
    reflect_type : 'even', or 'odd' for reflections about the edge value

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.pad([1, 2, 3], (1, 2), mode='reflect')
    array([2, 1, 2, 3, 2, 1])
    """
    x = as_value(x)
    widths = _widths(pad_width, ndim_of(x))
    if callable(mode):
        return _filled_by(mode, x, widths, options)
    if mode not in (*_REPEATS, *_STATISTICS, "constant", "linear_ramp", "empty"):
        raise ValueError(f"mode '{mode}' is not supported")
    unknown = set(options) - _OPTIONS.get(mode, set())
    if unknown:
        raise ValueError(f"unsupported keyword arguments for mode '{mode}': {unknown}")
    if mode == "empty" or (mode == "constant" and _is_zero(options.get("constant_values", 0))):
        return pad_zeros(x, widths) if builtins.any(map(builtins.any, widths)) else duplicate(x)
    for axis, (before, after) in enumerate(widths):
        if before or after:
            if shape_of(x)[axis] == 0 and mode not in ("constant", "empty"):
                raise ValueError(f"can't extend empty axis {axis} using modes other than 'constant' or 'empty'")
            x = _along(x, axis, before, after, mode, options)
    return x


def _widths(pad_width, ndim):
    if isinstance(pad_width, dict):
        pairs = [(0, 0)] * ndim
        for axis, width in pad_width.items():
            pairs[axis] = (width, width) if not hasattr(width, "__len__") else tuple(width)
        pad_width = pairs
    widths = np.broadcast_to(np.asarray(pad_width), (ndim, 2))
    if widths.dtype.kind not in "iu" and widths.size:
        raise TypeError("`pad_width` must be of integral type.")
    if (widths < 0).any():
        raise ValueError("index can't contain negative values")
    return widths.astype(int).tolist()


def _is_zero(value):
    return isinstance(value, (int, float)) and value == 0


def _of_sides(values, ndim, axis):
    """The values that an option, given as one for all, a pair, or a pair per axis, has for the two sides of `axis`."""
    values = as_value(values)
    both = broadcast_to(values, (ndim, 2))
    return both[axis, 0], both[axis, 1]


def _along(x, axis, before, after, mode, options):
    n = shape_of(x)[axis]
    if mode in _REPEATS:
        if options.get("reflect_type", "even") == "odd":  # linear in x: what padding does to the unit vectors
            weights = np.pad(np.eye(n), ((before, after), (0, 0)), mode, reflect_type="odd")
            return cast(moveaxis(tensordot(weights, x, ([1], [axis])), 0, axis), dtype_of(x))
        return take(x, np.pad(np.arange(n), (before, after), mode), axis)
    key = (slice(None),) * axis
    first, last = x[(*key, slice(0, 1))], x[(*key, slice(n - 1, n))]
    if mode == "constant":
        sides = _of_sides(options["constant_values"], ndim_of(x), axis)
        ends = [_constant(v, x, axis, w) for v, w in zip(sides, (before, after), strict=True)]
    elif mode == "linear_ramp":
        sides = _of_sides(options.get("end_values", 0), ndim_of(x), axis)
        ends = [_ramp(sides[0], first, axis, before, False), _ramp(sides[1], last, axis, after, True)]
    else:
        lengths = options.get("stat_length")
        lengths = (n, n) if lengths is None else np.broadcast_to(lengths, (ndim_of(x), 2))[axis].tolist()
        if builtins.min(lengths) < 0:
            raise ValueError(explain("pad: `stat_length` can't be negative", f"found: {lengths}", help="leave it out for all"))
        if builtins.min(lengths) < 1 and mode in ("maximum", "minimum"):
            raise ValueError("stat_length of 0 yields no value for padding")
        parts = x[(*key, slice(0, lengths[0]))], x[(*key, slice(builtins.max(n - lengths[1], 0), n))]
        found = [_STATISTICS[mode](p, axis, keepdims=True) for p in parts]
        found = [cast(rint(s), dtype_of(x)) if dtype_of(x).kind in "iu" else cast(s, dtype_of(x)) for s in found]
        ends = [_repeated(s, axis, w) for s, w in zip(found, (before, after), strict=True)]
    return concatenate([ends[0], x, ends[1]], axis)


def _repeated(x, axis, width):
    return broadcast_to(x, (*shape_of(x)[:axis], width, *shape_of(x)[axis + 1 :]))


def _constant(value, x, axis, width):
    shape = shape_of(x)
    return broadcast_to(cast(value, dtype_of(x)), (*shape[:axis], width, *shape[axis + 1 :]))


def _ramp(end, edge, axis, width, rising):
    """Numbers from `end` to the edge at equal distances, the edge itself left out; turned around after the array."""
    share = np.arange(width) / builtins.max(width, 1)
    share = reshape(share[::-1] if rising else share, (*(1,) * axis, width, *(1,) * (ndim_of(edge) - axis - 1)))
    whole = dtype_of(edge).kind in "iu"
    out = end + (edge - end) * (share if whole else share.astype(np.zeros((), dtype_of(edge)).real.dtype))
    return cast(trunc(out) if whole else out, dtype_of(edge))


def _filled_by(fill, x, widths, options):
    out = pad_zeros(x, widths)
    for axis, pair in enumerate(widths):

        def filled(vector, axis=axis, pair=tuple(pair)):
            vector = vector.copy()
            fill(vector, pair, axis, options)
            return vector

        out = apply_along_axis(filled, axis, out)
    return out
