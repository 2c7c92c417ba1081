"""SciPy's functions on Tensors by way of the Array API, their values and derivatives; a program, since SciPy reads once
whether it is to do so: `SCIPY_ARRAY_API=1 python scipy_array_api_programs.py`. Prints the names of those that went wrong.
"""

import sys
import warnings

import numpy as np
import scipy.cluster.vq
import scipy.differentiate
import scipy.fft
import scipy.integrate
import scipy.ndimage
import scipy.optimize.elementwise
import scipy.signal
import scipy.special
import scipy.stats
from scipy.spatial.transform import Rotation

import chainrule as cr

rng = np.random.default_rng(0)
X, Y, P, M = rng.normal(size=12), rng.normal(size=12), rng.uniform(0.2, 2.0, 12), rng.normal(size=(4, 3))
cnp = cr.numpy


def elementwise_minimum(a):
    start = (a * 0 - 3.0, a * 0 + 0.1, a * 0 + 5.0)
    return scipy.optimize.elementwise.find_minimum(lambda z, a: (z - a) ** 2 + a**2, start, args=(a,)).f_x


DIFFERENTIATED = {
    **{
        f"stats.{name}": (lambda x, name=name: getattr(scipy.stats, name)(x), (X,))
        for name in (
            "zscore",
            "skew",
            "kurtosis",
            "sem",
            "moment",
            "kstat",
            "circmean",
            "iqr",
            "differential_entropy",
            "lmoment",
        )
    },
    **{
        f"stats.{name}": (lambda x, name=name: getattr(scipy.stats, name)(x), (P,))
        for name in ("gmean", "hmean", "entropy", "variation", "gzscore")
    },
    **{
        f"special.{name}": (lambda x, name=name: getattr(scipy.special, name)(x), (P / 3,))
        for name in ("gammaln", "erf", "ndtri", "log_ndtr", "digamma", "i0e", "logit", "softmax", "logsumexp")
    },
    "stats.pearsonr": (lambda x, y: scipy.stats.pearsonr(x, y).statistic, (X, Y)),
    "stats.ttest_ind": (lambda x, y: scipy.stats.ttest_ind(x, y).pvalue, (X, Y)),
    "stats.quantile": (lambda x: scipy.stats.quantile(x, cnp.asarray([0.3, 0.8])), (X,)),
    "stats.false_discovery_control": (scipy.stats.false_discovery_control, (P / 3,)),
    "special.gammainc": (scipy.special.gammainc, (P + 1, P)),
    "special.xlogy": (scipy.special.xlogy, (X, P)),
    "signal.fftconvolve": (scipy.signal.fftconvolve, (X, Y[:4])),
    "signal.hilbert": (lambda x: abs(scipy.signal.hilbert(x)), (X,)),
    "signal.resample": (lambda x: scipy.signal.resample(x, 7), (X,)),
    "signal.freqz": (lambda b: abs(scipy.signal.freqz(b, worN=8)[1]), (X[:4],)),
    "differentiate.derivative": (lambda a: scipy.differentiate.derivative(lambda z: cnp.sin(z) * z, a).df, (X[:3],)),
    "integrate.simpson": (lambda x: scipy.integrate.cumulative_simpson(x, dx=0.5), (X,)),
    "integrate.trapezoid": (scipy.integrate.trapezoid, (X, np.sort(Y))),
    "integrate.tanhsinh": (lambda a: scipy.integrate.tanhsinh(lambda z: cnp.exp(-z * z), a, a + 1).integral, (P[:3],)),
    "optimize.find_minimum": (elementwise_minimum, (P[:2],)),
    "cluster.whiten": (scipy.cluster.vq.whiten, (M,)),
    "fft.rfft": (lambda x: abs(scipy.fft.rfft(x)), (X,)),
    "Rotation": (lambda a, v: Rotation.from_rotvec(a).apply(v), (X[:3], Y[:3])),
}
# Written in C or Cython, for NumPy's arrays.
RAISING = {
    "ndimage.gaussian_filter": (lambda x: scipy.ndimage.gaussian_filter(x, 1.0), M),
    "signal.lfilter": (lambda x: scipy.signal.lfilter(cnp.asarray([1.0, 0.5]), cnp.asarray([1.0, 0.2]), x), X),
    "cluster.vq": (lambda x: scipy.cluster.vq.vq(x, cnp.asarray(M[:2]))[1], M),
    "interpolate": (lambda x: scipy.interpolate.CubicSpline(cnp.arange(4.0), x)(0.5), X[:4]),
}


def wrong():
    for name, (f, args) in DIFFERENTIATED.items():
        found = f(*map(cr.tensor, args))
        if not isinstance(found, cr.Tensor):
            yield f"{name}: no Tensor"
        if not cr.gradcheck(lambda *xs, f=f: f(*map(cr.asarray, xs)), args, rtol=1e-4, atol=1e-6):
            yield f"{name}: derivative"
    for name, (f, x) in RAISING.items():
        if not np.all(np.isfinite(np.asarray(f(cr.tensor(x))))):
            yield f"{name}: value"
        try:
            f(cr.tensor(x, requires_grad=True))
            yield f"{name}: the derivative is lost in silence"
        except cr.errors.LostDerivativeError:
            pass


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    found = list(wrong())
    print(*found, sep="\n")
    sys.exit(bool(found))
