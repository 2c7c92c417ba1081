"""SciPy's own functions on Tensors, where SciPy takes Array API objects (SCIPY_ARRAY_API=1, which must be set before SciPy is
loaded: hence a process of its own). Values are SciPy's on arrays, gradients are slopes."""

import os
import subprocess
import sys

PROGRAM = """
import numpy as np, scipy.cluster.vq as Q, scipy.constants as K, scipy.fft as F, scipy.integrate as I, scipy.linalg as L
import scipy.ndimage as N, scipy.optimize as O, scipy.signal as S, scipy.special as E, scipy.stats as T
from scipy.spatial.transform import Rotation
import chainrule as cr

rng = np.random.default_rng(4)
OF_ONE = [
    "zscore", "skew", "kurtosis", "variation", "sem", "kstatvar", "circmean", "circvar", "circstd", "tmean", "tvar", "tstd",
    "tmin", "tmax", "tsem", "iqr", "differential_entropy", "median_abs_deviation", "lmoment",
]
OF_POSITIVE = ["gmean", "hmean", "gzscore", "entropy"]
TESTS = ["jarque_bera", "skewtest", "kurtosistest", "normaltest"]
SAMPLES = ["bartlett", "levene", "f_oneway", "alexandergovern"]
SPECIAL = [
    "erf", "erfc", "ndtr", "log_ndtr", "expit", "log_expit", "gammaln", "digamma", "i0e", "i1", "k0e", "j1", "entr", "exp10",
    "softmax", "log_softmax", "logsumexp", "rgamma", "zeta", "dawsn", "exprel", "cosm1",
]
CASES = {
    **{f"stats.{n}": lambda x, n=n: getattr(T, n)(x) for n in OF_ONE},
    **{f"stats.{n}": lambda x, n=n: getattr(T, n)(abs(x)) for n in OF_POSITIVE},
    **{f"stats.{n}": lambda x, n=n: getattr(T, n)(x).statistic for n in TESTS},
    **{f"stats.{n}": lambda x, n=n: getattr(T, n)(x[:10], x[10:20], x[20:]).statistic for n in SAMPLES},
    **{f"special.{n}": lambda x, n=n: getattr(E, n)(abs(x) + 1) for n in SPECIAL},
    "special.xlogy": lambda x: E.xlogy(x[:5], abs(x[5:10])),
    "special.rel_entr": lambda x: E.rel_entr(abs(x[:5]), abs(x[5:10])),
    "special.gammainc": lambda x: E.gammainc(abs(x[:5]), abs(x[5:10])),
    "special.betainc": lambda x: E.betainc(abs(x[:5]), abs(x[5:10]), abs(x[10:15]) / 2),
    "special.stdtrit": lambda x: E.stdtrit(3.0, abs(x[:5]) / 2),
    "stats.moment": lambda x: T.moment(x, 3),
    "stats.pmean": lambda x: T.pmean(abs(x), 2),
    "stats.describe": lambda x: T.describe(x).variance,
    "stats.kstat": lambda x: T.kstat(x, 3),
    "stats.directional_stats": lambda x: T.directional_stats(x.reshape(16, 2)).mean_direction,
    "stats.boxcox_llf": lambda x: T.boxcox_llf(0.5, abs(x)),
    "stats.yeojohnson_llf": lambda x: T.yeojohnson_llf(0.5, x),
    "stats.ttest_1samp": lambda x: T.ttest_1samp(x, 0.1).statistic,
    "stats.ttest_ind": lambda x: T.ttest_ind(x[:10], x[10:]).statistic,
    "stats.ttest_ind p": lambda x: T.ttest_ind(x[:10], x[10:]).pvalue,
    "stats.ttest_rel": lambda x: T.ttest_rel(x[:16], x[16:]).statistic,
    "stats.pearsonr": lambda x: T.pearsonr(x[:16], x[16:]).statistic,
    "stats.combine_pvalues": lambda x: T.combine_pvalues(abs(x) / 2, method="stouffer").statistic,
    "stats.false_discovery_control": lambda x: T.false_discovery_control(abs(x) / 2),
    "stats.sigmaclip": lambda x: T.sigmaclip(x)[0],
    "stats.trim_mean": lambda x: T.trim_mean(x, 0.1),
    "stats.zmap": lambda x: T.zmap(x, x[:10]),
    "stats.quantile": lambda x: T.quantile(x, 0.3),
    "signal.fftconvolve": lambda x: S.fftconvolve(x, x[:5]),
    "signal.fftconvolve same": lambda x: S.fftconvolve(x, x[:4], mode="same"),
    "signal.oaconvolve": lambda x: S.oaconvolve(x, x[:3]),  # adds overlaps in place, through views of views
    "signal.hilbert": lambda x: abs(S.hilbert(x)),
    "signal.hilbert2": lambda x: abs(S.hilbert2(x.reshape(4, 8))),
    "signal.resample": lambda x: S.resample(x, 20),
    "signal.freqz": lambda x: abs(S.freqz(x[:5], worN=16)[1]),
    "signal.freqz_sos": lambda x: abs(S.freqz_sos(x[:6].reshape(1, 6) / x[3], worN=8)[1]),
    "signal.freqz_zpk": lambda x: abs(S.freqz_zpk(x[:2], x[2:4], 1.0, worN=8)[1]),
    "signal.envelope": lambda x: S.envelope(x, (1, 5))[0],
    "signal.vectorstrength": lambda x: S.vectorstrength(x, 2.0)[0],
    "signal.zpk2tf": lambda x: S.zpk2tf(x[:2], x[2:4], 1.0)[0],
    "signal.lp2hp": lambda x: S.lp2hp(x[:3], x[3:6])[0],
    "signal.gausspulse": lambda x: S.gausspulse(x),
    "signal.minimum_phase": lambda x: S.minimum_phase(abs(x[:5])),
    "integrate.trapezoid": lambda x: I.trapezoid(x, dx=0.5),
    "integrate.trapezoid x": lambda x: I.trapezoid(x[:16], x=x[16:]),
    "integrate.cumulative_trapezoid": lambda x: I.cumulative_trapezoid(x),
    "integrate.cumulative_simpson": lambda x: I.cumulative_simpson(x),
    "integrate.romb": lambda x: I.romb(x[:17]),
    "fft.rfft": lambda x: abs(F.rfft(x)),
    "fft.fht": lambda x: F.fht(x, 0.1, 0.5),
    "linalg.block_diag": lambda x: L.block_diag(x[:4].reshape(2, 2), x[4:5].reshape(1, 1)),
    "Rotation.from_rotvec": lambda x: Rotation.from_rotvec(x[:3]).as_matrix(),
    "Rotation.apply": lambda x: Rotation.from_quat(x[:4]).apply(x[4:7]),
    "optimize.rosen": lambda x: O.rosen(x),
    "optimize.rosen_der": lambda x: O.rosen_der(x),
    "cluster.whiten": lambda x: Q.whiten(x.reshape(16, 2)),
    "constants.convert_temperature": lambda x: K.convert_temperature(x, "C", "K"),
}
# SciPy makes plain arrays of its arguments before it computes: right for Tensors without derivative, an error for others.
CONVERTING = {
    "signal.convolve": lambda x: S.convolve(x, x[:5]),
    "signal.savgol_filter": lambda x: S.savgol_filter(x, 5, 2),
    "signal.medfilt": lambda x: S.medfilt(x, 3),
    "ndimage.gaussian_filter": lambda x: N.gaussian_filter(x.reshape(4, 8), 1.0),
    "ndimage.sobel": lambda x: N.sobel(x.reshape(4, 8)),
    "ndimage.zoom": lambda x: N.zoom(x.reshape(4, 8), 2.0),
    "ndimage.center_of_mass": lambda x: np.asarray(N.center_of_mass(x.reshape(4, 8))),
    "linalg.expm": lambda x: L.expm(x[:4].reshape(2, 2)),
    "linalg.solve": lambda x: L.solve(x[:4].reshape(2, 2), x[4:6]),
    "linalg.svdvals": lambda x: L.svdvals(x.reshape(4, 8)),
}
x, t = rng.uniform(0.3, 1.5, 32) * np.where(rng.normal(size=32) > 0, 1, -1), rng.normal(size=32)
wrong = []
for name, f in CASES.items():
    expected = np.asarray(f(x))
    leaf = cr.tensor(x, requires_grad=True)
    out = f(leaf)
    g = rng.normal(size=expected.shape)
    loss = (out * g).sum()
    if not loss.requires_grad:
        wrong.append(f"{name}: no derivative")
        continue
    loss.backward()
    slope = sum(c * np.sum(g * f(x + k * 1e-5 * t)) for k, c in ((1, 8), (-1, -8), (2, -1), (-2, 1))) / 12e-5
    found = np.sum(leaf.grad.numpy() * t)
    if out.dtype != expected.dtype or not np.allclose(out.detach().numpy(), expected, rtol=1e-10, atol=1e-12):
        wrong.append(f"{name}: value")
    if not abs(found - slope) < 1e-6 * (1 + abs(slope)):
        wrong.append(f"{name}: gradient {found}, slope {slope}")
for name, f in CONVERTING.items():
    if not np.allclose(np.asarray(f(cr.tensor(x))), f(x), rtol=1e-12):
        wrong.append(f"{name}: value")
    try:
        f(cr.tensor(x, requires_grad=True))
        wrong.append(f"{name}: lost a derivative")
    except cr.errors.LostDerivativeError as error:
        assert "help:" in str(error)
assert not wrong, wrong
"""


def test_functions_that_take_array_api_objects():
    env = {**os.environ, "SCIPY_ARRAY_API": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", PROGRAM], capture_output=True, text=True, env=env)
    assert run.returncode == 0, run.stderr[-2000:]
