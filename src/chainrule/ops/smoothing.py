"""Filters that smooth: by polynomials, by medians, and forwards and backwards; in scipy.signal's names."""

import itertools

import numpy as np

from ..core.value import dtype_of, ndim_of, shape_of
from ..errors import ArgumentError, explain
from .filtering import _floating, _scipy, lfilter_zi, sosfilt
from .indexing import getitem
from .joining import concatenate, stack
from .linalg.matrices import known
from .padding import pad
from .percentiles import median
from .shaping import as_value, cast, flip, moveaxis, normalize_axis

EDGES = {"mirror": {"mode": "reflect"}, "nearest": {"mode": "edge"}, "wrap": {"mode": "wrap"}, "constant": {"mode": "constant"}}


def savgol_filter(x, window_length, polyorder, deriv=0, delta=1.0, axis=-1, mode="interp", cval=0.0):
    """Each sample, or its derivative, as a polynomial fitted to its neighbours has it (Savitzky and Golay, 1964).

    Parameters
    ----------
    x : array
    window_length : number of neighbours, itself included
    polyorder : degree of the polynomials, below window_length
    deriv : order of the derivative
    delta : distance of the samples
    mode : at the ends, 'interp' (the polynomial of the last whole window), 'mirror', 'nearest', 'wrap' or 'constant' (`cval`)

    >>> import chainrule as cr
    >>> cr.signal.savgol_filter(np.arange(1.0, 6.0) ** 2, 5, 2, deriv=1).round(6)
    array([ 2.,  4.,  6.,  8., 10.])
    """
    x = _floating(x)
    axis = normalize_axis(axis, ndim_of(x))
    x = moveaxis(x, axis, -1)
    n = shape_of(x)[-1]
    if mode != "interp" and mode not in EDGES:
        raise ArgumentError(
            explain(f"savgol_filter: unknown mode {mode!r}", help=f"use 'interp', {', '.join(map(repr, EDGES))}")
        )
    if not 0 <= polyorder < window_length or (mode == "interp" and window_length > n):
        raise ArgumentError(
            explain(
                "savgol_filter: polyorder must be less than window_length, and that, for mode 'interp', at most the samples",
                f"polyorder: {polyorder}    window_length: {window_length}    samples: {n}",
                help="for example window_length=7, polyorder=2",
            )
        )
    dtype = np.zeros((), dtype_of(x)).real.dtype
    half = window_length // 2
    middle = _scipy().savgol_coeffs(window_length, polyorder, deriv, delta, use="dot").astype(dtype)
    if mode != "interp":
        more = {"constant_values": cval} if mode == "constant" else {}
        x = pad(x, [(0, 0)] * (ndim_of(x) - 1) + [(window_length - 1 - half, half)], **EDGES[mode], **more)
    count = shape_of(x)[-1] - window_length + 1
    frames = getitem(x, (..., np.arange(count)[:, None] + np.arange(window_length)))
    y = frames @ middle
    if mode == "interp" and window_length > 1:
        places = range(window_length)
        at = np.array([_scipy().savgol_coeffs(window_length, polyorder, deriv, delta, p, "dot") for p in places], dtype).T
        first = x[..., :window_length] @ at[:, :half]
        last = x[..., n - window_length :] @ at[:, window_length - half :]
        begin = 1 - window_length % 2  # an even window has two samples in its middle, and counts as that of the earlier one
        y = concatenate([first, y[..., begin : begin + n - 2 * half], last], -1)
    return moveaxis(y, -1, axis)


def medfilt(volume, kernel_size=None):
    """The median of each element's neighbours, with zeros beyond the edges; ties share derivatives as in `median`.

    Parameters
    ----------
    volume : array of any number of axes
    kernel_size : odd number of neighbours, or one for each axis; None for 3

    >>> import chainrule as cr
    >>> cr.signal.medfilt(np.array([1.0, 9.0, 2.0, 3.0, 0.0]))
    array([1., 2., 3., 2., 0.])
    """
    x = as_value(volume)
    sizes = np.broadcast_to(3 if kernel_size is None else kernel_size, (max(ndim_of(x), 1),)).tolist()
    if any(s % 2 != 1 for s in sizes) or not ndim_of(x):
        raise ArgumentError(
            explain("medfilt: each element of kernel_size should be odd", f"found: {kernel_size}", help="3 and 5 are usual")
        )
    padded = pad(x, [(s // 2, s // 2) for s in sizes])
    starts = itertools.product(*map(range, sizes))
    shape = shape_of(x)
    parts = [getitem(padded, tuple(slice(a, a + n) for a, n in zip(start, shape, strict=True))) for start in starts]
    return cast(median(stack(parts), 0), dtype_of(x))


def sosfiltfilt(sos, x, axis=-1, padtype="odd", padlen=None):
    """`sosfilt` forwards and then backwards along `axis`, which moves no phase; see `filtfilt`.

    >>> import chainrule as cr
    >>> sos = np.array([[0.5, 0.5, 0.0, 1.0, 0.0, 0.0]])
    >>> cr.signal.sosfiltfilt(sos, np.arange(10.0)).round(6)
    array([0., 1., 2., 3., 4., 5., 6., 7., 8., 9.])
    """
    kinds = {"odd": {"mode": "reflect", "reflect_type": "odd"}, "even": {"mode": "reflect"}, "constant": {"mode": "edge"}}
    if padtype is not None and padtype not in kinds:
        raise ArgumentError(explain(f"sosfiltfilt: unknown padtype {padtype!r}", help="use 'odd', 'even', 'constant' or None"))
    sos, x = _floating(sos), _floating(x)
    axis = normalize_axis(axis, ndim_of(x))
    x = moveaxis(x, axis, -1)
    n, sections = shape_of(x)[-1], shape_of(sos)[0]
    taps = 2 * sections + 1
    taps -= min(sum(known(sos[k, i] == 0) is True for k in range(sections)) for i in (2, 5))
    edge = 0 if padtype is None else 3 * taps if padlen is None else int(padlen)
    if n <= edge:
        raise ArgumentError(
            explain(
                f"sosfiltfilt: the signal must be longer than padlen, which is {edge}",
                f"found: {n}",
                help="give a shorter padlen",
            )
        )
    if edge:
        x = pad(x, [(0, 0)] * (ndim_of(x) - 1) + [(edge, edge)], **kinds[padtype])
    start = _settled(sos)
    for _ in range(2):
        first = getitem(x, (..., slice(0, 1)))
        zi = stack([s * first for s in start])
        x, _end = sosfilt(sos, x, zi=zi)
        x = flip(x, -1)
    return moveaxis(getitem(x, (..., slice(edge, edge + n))), -1, axis)


def _settled(sos):
    """States of all sections that an endless input of ones leaves behind, a pair of numbers each (..., 2)."""
    states, gain = [], 1.0
    for k in range(shape_of(sos)[0]):
        b, a = sos[k, :3], sos[k, 3:]
        states.append(lfilter_zi(b, a) * gain)
        gain = gain * (b[0] + b[1] + b[2]) / (a[0] + a[1] + a[2])
    return states
