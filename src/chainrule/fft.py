"""Fourier transforms in NumPy's names; also `chainrule.numpy.fft` and what np.fft does with a Tensor.

Cosine and sine transforms stand here in scipy.fft's names. `scipy.fft.set_backend(chainrule.fft)` makes scipy.fft itself
call these functions, so that it takes Tensors.
"""

from numpy import fft as _numpy_fft

from .core.value import Value
from .creation import asarray
from .numpy_errors import reword_all as _reword_all
from .ops import fourier
from .ops.cosine import (
    dct as dct,
    dctn as dctn,
    dst as dst,
    dstn as dstn,
    idct as idct,
    idctn as idctn,
    idst as idst,
    idstn as idstn,
)
from .ops.fourier import (
    fft as fft,
    fft2 as fft2,
    fftn as fftn,
    fftshift as fftshift,
    hfft as hfft,
    hfft2 as hfft2,
    hfftn as hfftn,
    ifft as ifft,
    ifft2 as ifft2,
    ifftn as ifftn,
    ifftshift as ifftshift,
    ihfft as ihfft,
    ihfft2 as ihfft2,
    ihfftn as ihfftn,
    irfft as irfft,
    irfft2 as irfft2,
    irfftn as irfftn,
    rfft as rfft,
    rfft2 as rfft2,
    rfftn as rfftn,
)


def fftfreq(n, d=1.0, device=None, dtype=None):
    """Frequencies of the coefficients that `fft` gives for `n` samples `d` apart, in cycles per unit of `d`; a Tensor.

    >>> import chainrule as cr
    >>> cr.fft.fftfreq(4, 0.5)
    tensor([ 0. ,  0.5, -1. , -0.5])
    """
    return asarray(fourier.fftfreq(n, d, dtype=dtype), device=device)


def rfftfreq(n, d=1.0, device=None, dtype=None):
    """Frequencies of the coefficients that `rfft` gives for `n` samples `d` apart, in cycles per unit of `d`; a Tensor.

    >>> import chainrule as cr
    >>> cr.fft.rfftfreq(4, 0.5)
    tensor([0. , 0.5, 1. ])
    """
    return asarray(fourier.rfftfreq(n, d, dtype=dtype), device=device)


_reword_all(globals(), _numpy_fft)
__all__ = [
    name for name, thing in list(globals().items()) if callable(thing) and thing not in (Value, asarray) and name[0] != "_"
]

# What scipy.fft asks of a backend: for which functions it stands in, and how to call them.
__ua_domain__ = "numpy.scipy.fft"


def __ua_function__(method, args, kwargs):
    """scipy.fft's function `method` of a Tensor; with NotImplemented SciPy goes on to its own."""
    ours = globals().get(method.__name__) if method.__name__ in __all__ else None
    if ours is None or not any(isinstance(a, Value) for a in (*args, *kwargs.values())):
        return NotImplemented
    options = {k: v for k, v in kwargs.items() if k not in ("overwrite_x", "workers", "plan")}
    return ours(*args, **options)
