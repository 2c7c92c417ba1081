"""Discrete cosine and sine transforms of types 1 to 4, in scipy.fft's names. SciPy is loaded at the first call.

With their first (or last) coefficients weighted so that the matrix is orthogonal up to a factor, types 1 and 4 are
symmetric, and types 2 and 3 are each other's transposes. Without that, the weights go to the other side.
"""

import functools
import importlib
import math
from operator import index as as_int

import numpy as np

from ..core.aval import Aval
from ..core.derivative import Linear
from ..core.lowering import Call
from ..core.primitive import primitive
from ..core.value import dtype_of, ndim_of, shape_of
from ..errors import explain
from .fourier import OPPOSITE, lengths_and_axes, resized
from .shaping import as_value, cast, normalize_axis

TRANSPOSED = {1: 1, 2: 3, 3: 2, 4: 4}
_KIND = {"e": "f", "f": "f", "d": "d", "F": "F", "D": "D", "g": "g", "G": "G"}


@functools.cache
def _scipy():
    return importlib.import_module("scipy.fft")


def _weighted(x, kind, type, axis, factor):
    """`x` with the coefficients that tell the transform from an orthogonal one times `factor`."""
    if type == 4 or (kind == "dst" and type == 1):
        return x
    w = np.ones(shape_of(x)[axis], np.zeros((), dtype_of(x)).real.dtype)
    w[[0, -1] if type == 1 else 0 if kind == "dct" else -1] = factor
    return x * w.reshape(-1, *(1,) * (ndim_of(x) - axis - 1))


def _transpose(g, kind, type, axis, norm, orthogonal):
    if orthogonal:
        return _dct(g, kind=kind, type=TRANSPOSED[type], axis=axis, norm=norm, orthogonal=True)
    if type in (1, 2):
        g = _weighted(g, kind, type, axis, math.sqrt(2))
    g = _dct(g, kind=kind, type=TRANSPOSED[type], axis=axis, norm=norm, orthogonal=True)
    return _weighted(g, kind, type, axis, math.sqrt(0.5)) if type in (1, 3) else g


@primitive(
    derivative=[Linear(_transpose)],
    aval=lambda x, kind, type, axis, norm, orthogonal: Aval(x.shape, np.dtype(_KIND.get(x.dtype.char, "d"))),
    batch=lambda args, batched, params: _dct(*args, **{**params, "axis": params["axis"] + 1}),
    lower=Call(),
    name="dct",
)
def _dct(x, *, kind, type, axis, norm, orthogonal):
    """Cosine or sine transform along one axis."""
    if 0 in x.shape:  # in another axis: nothing to transform
        return np.zeros(x.shape, _KIND.get(x.dtype.char, "d"))
    if x.dtype.kind == "c":  # in parts, since SciPy (1.17) ignores `orthogonalize` of a complex array
        out = np.empty(x.shape, x.dtype)
        for part, source in ((out.real, x.real), (out.imag, x.imag)):
            part[...] = _dct.row.evaluate(source, kind=kind, type=type, axis=axis, norm=norm, orthogonal=orthogonal)
        return out
    return getattr(_scipy(), kind)(x, type=type, axis=axis, norm=norm, orthogonalize=orthogonal)


def _transformed(x, kind, type, n, axis, norm, orthogonalize, inverse=False):
    name = ("i" if inverse else "") + kind
    if type not in TRANSPOSED:
        raise ValueError(explain(f"{name}: invalid type", f"found: {type!r}", help="types are 1, 2, 3 and 4"))
    if norm not in (None, *OPPOSITE):
        raise ValueError(explain(f"{name}: invalid norm", f"found: {norm!r}", help="use 'backward', 'ortho' or 'forward'"))
    x, norm = as_value(x), norm or "backward"
    axis = normalize_axis(axis, ndim_of(x))
    n = shape_of(x)[axis] if n is None else as_int(n)
    least = 2 if (kind, type) == ("dct", 1) else 1
    if n < least:
        raise ValueError(
            explain(
                f"{name}: invalid number of data points ({n}) specified",
                f"x: {shape_of(x)}, axis {axis}",
                help=f"a transform of type {type} needs at least {least} along its axis",
            )
        )
    x = resized(x, n, axis)
    if dtype_of(x).kind not in "fc":
        x = cast(x, np.dtype(float))
    orthogonal = norm == "ortho" if orthogonalize is None else bool(orthogonalize)
    if inverse:
        type, norm = TRANSPOSED[type], OPPOSITE[norm]
    return _dct(x, kind=kind, type=int(type), axis=axis, norm=norm, orthogonal=orthogonal)


def dct(x, type=2, n=None, axis=-1, norm=None, overwrite_x=False, workers=None, orthogonalize=None):
    """Discrete cosine transform along `axis`, as scipy.fft.dct.

    Parameters
    ----------
    x : array; of a complex one, real and imaginary parts are transformed
    type : 1, 2, 3 or 4
    n : length to which `x` is cut off or continued with zeros
    norm : "backward" (the default), "ortho" or "forward": which direction is divided by twice the length, as in `fft`
    orthogonalize : weigh the ends so that the matrix is orthogonal up to a factor; default: if `norm` is "ortho"
    overwrite_x, workers : accepted for SciPy's sake

    Returns
    -------
    array of the dtype of `x`, float64 for whole numbers

    Raises
    ------
    ValueError
        Too few points, or an unknown `type` or `norm`.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.fft.dct(np.array([1.0, 1.0, 1.0]), norm="ortho")
    array([1.73205081, 0.        , 0.        ])
    """
    return _transformed(x, "dct", type, n, axis, norm, orthogonalize)


def idct(x, type=2, n=None, axis=-1, norm=None, overwrite_x=False, workers=None, orthogonalize=None):
    """Inverse of `dct`; parameters as there.

    >>> import chainrule as cr
    >>> cr.fft.idct(np.array([6.0, 0.0, 0.0]))
    array([1., 1., 1.])
    """
    return _transformed(x, "dct", type, n, axis, norm, orthogonalize, inverse=True)


def dst(x, type=2, n=None, axis=-1, norm=None, overwrite_x=False, workers=None, orthogonalize=None):
    """Discrete sine transform along `axis`, as scipy.fft.dst; parameters as in `dct`.

    >>> import chainrule as cr
    >>> cr.fft.dst(np.array([1.0, 2.0, 1.0]), type=1).round(6)
    array([ 6.828427,  0.      , -1.171573])
    """
    return _transformed(x, "dst", type, n, axis, norm, orthogonalize)


def idst(x, type=2, n=None, axis=-1, norm=None, overwrite_x=False, workers=None, orthogonalize=None):
    """Inverse of `dst`; parameters as in `dct`.

    >>> import chainrule as cr
    >>> cr.fft.idst(cr.fft.dst(np.array([1.0, 2.0, 3.0])))
    array([1., 2., 3.])
    """
    return _transformed(x, "dst", type, n, axis, norm, orthogonalize, inverse=True)


def _over_axes(x, transform, type, s, axes, norm, orthogonalize):
    x = as_value(x)
    s, axes = lengths_and_axes(shape_of(x), s, axes)
    for n, axis in zip(s, axes, strict=True):
        x = transform(x, type, n, axis, norm, orthogonalize=orthogonalize)
    return x


def dctn(x, type=2, s=None, axes=None, norm=None, overwrite_x=False, workers=None, *, orthogonalize=None):
    """`dct` along several axes, by default all; `s` gives lengths along them.

    >>> import chainrule as cr
    >>> cr.fft.dctn(np.ones((2, 2)))
    array([[16.,  0.],
           [ 0.,  0.]])
    """
    return _over_axes(x, dct, type, s, axes, norm, orthogonalize)


def idctn(x, type=2, s=None, axes=None, norm=None, overwrite_x=False, workers=None, *, orthogonalize=None):
    """Inverse of `dctn`.

    >>> import chainrule as cr
    >>> cr.fft.idctn(np.array([[16.0, 0.0], [0.0, 0.0]]))
    array([[1., 1.],
           [1., 1.]])
    """
    return _over_axes(x, idct, type, s, axes, norm, orthogonalize)


def dstn(x, type=2, s=None, axes=None, norm=None, overwrite_x=False, workers=None, *, orthogonalize=None):
    """`dst` along several axes, by default all; `s` gives lengths along them.

    >>> import chainrule as cr
    >>> cr.fft.dstn(np.ones((2, 2)), type=1).shape
    (2, 2)
    """
    return _over_axes(x, dst, type, s, axes, norm, orthogonalize)


def idstn(x, type=2, s=None, axes=None, norm=None, overwrite_x=False, workers=None, *, orthogonalize=None):
    """Inverse of `dstn`.

    >>> import chainrule as cr
    >>> cr.fft.idstn(cr.fft.dstn(np.ones((2, 2))))
    array([[1., 1.],
           [1., 1.]])
    """
    return _over_axes(x, idst, type, s, axes, norm, orthogonalize)
