"""scipy.special and scipy.stats on Tensors, where SciPy is told to follow the Array API (SCIPY_ARRAY_API=1).

SciPy reads that variable when it is loaded, so the checks run in a process of their own, all at once; each is one test here.
"""

import functools
import json
import os
import subprocess
import sys

import pytest

SPECIAL = {
    "logsumexp": "f(x)",
    "logsumexp-axis": "special.logsumexp(xp.stack([x, y]), axis=1)",
    "logsumexp-weights": "special.logsumexp(x, b=y)",
    "softmax": "f(x)",
    "log_softmax": "f(x)",
    "polygamma": "f(1, x)",
    "multigammaln": "f(x + 2, 2)",
    "zeta": "f(x + 1.0)",
    "zeta-hurwitz": "special.zeta(x + 1.0, y)",
    "lambertw": "f(x).real",
    "jvp": "f(1, x)",
    "softplus": "f(x)",
    "sinc": "f(x)",
    **dict.fromkeys(("gamma", "gammaln", "erf", "ndtr", "log_ndtr", "i0", "expit", "entr", "psi", "j1", "exp1"), "f(x)"),
    **dict.fromkeys(("xlogy", "rel_entr", "gammainc", "gammaincc", "chdtr", "beta", "stdtr", "jv", "betaln"), "f(x, y)"),
    "betainc": "f(x, y, x / 10)",
    "hyp2f1": "f(x, y, x + y, x / 10)",
    "ellipj": "special.ellipj(x, y / 10)[0]",
}
OF_ONE = [
    "skew", "kurtosis", "zscore", "gmean", "hmean", "variation", "sem", "kstat", "kstatvar", "tmean", "tvar", "tstd", "tsem",
    "tmin", "tmax", "iqr", "normaltest", "skewtest", "kurtosistest", "jarque_bera", "circmean", "circvar", "circstd", "gstd",
    "gzscore", "median_abs_deviation", "differential_entropy", "entropy", "sigmaclip", "lmoment", "mode",
]  # fmt: skip
STATS = {
    **dict.fromkeys(OF_ONE, "f(x)"),
    "moment": "f(x, 3)",
    "trim_mean": "f(x, 0.1)",
    "pmean": "f(x, 2.5)",
    "zmap": "f(x, y)",
    "quantile": "f(x, 0.3)",
    "boxcox_llf": "f(0.5, x)",
    "ttest_1samp": "f(x, 0.7)",
    "describe": "[part for part in f(x)[2:]]",
    "entropy-relative": "stats.entropy(x, y)",
    "chisquare": "f(x * y.sum() / x.sum(), y)",
    "power_divergence": "f(x * y.sum() / x.sum(), y, lambda_=0.5)",
    **dict.fromkeys(("ttest_ind", "ttest_rel", "pearsonr", "f_oneway", "levene", "bartlett", "alexandergovern"), "f(x, y)"),
}
CONSTANT = {
    **dict.fromkeys(("spearmanr", "mannwhitneyu", "kruskal", "fligner", "ansari", "mood", "brunnermunzel"), "f(x, y)"),
    "rankdata": "f(x)",
}

PROGRAM = """
import json, sys, warnings
import numpy as np, scipy.special as special, scipy.stats as stats
import chainrule as cr
from row_tools import richardson

x = np.array([0.41, 1.32, 0.87, 2.35, 1.71, 0.58, 1.12, 0.95, 1.5, 0.7, 2.05, 1.24, 0.33])
y = np.array([1.15, 0.62, 1.93, 1.38, 0.77, 2.21, 0.49, 1.04, 1.66, 0.91, 0.55, 1.79, 2.4])

def parts(out):
    if hasattr(out, "statistic"):
        return [out.statistic] + [out.pvalue] * hasattr(out, "pvalue")
    return [p for p in out if p is not None] if isinstance(out, (tuple, list)) else [out]

def check(module, name, code, differentiable):
    f = getattr(module, name.partition("-")[0], None)
    if f is None:
        return "SciPy has none"
    def run(x, y, xp=np):
        return parts(eval(code, {"f": f, "x": x, "y": y, "xp": xp, "special": special, "stats": stats, "np": np}))
    def total(x, y, xp=np):
        return sum((part * (k + 1.0)).sum() for k, part in enumerate(run(x, y, xp)))
    tensors = [cr.tensor(a, requires_grad=differentiable) for a in (x, y)]
    for found, expected in zip(run(*tensors, cr.numpy), run(x, y), strict=True):
        assert isinstance(found, cr.Tensor) or not differentiable, type(found)
        found = found.detach().numpy() if isinstance(found, cr.Tensor) else found
        assert found.shape == np.shape(expected) and found.dtype == np.asarray(expected).dtype
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-14)
    if not differentiable:
        return "constant"
    # In both at once, since SciPy refuses to mix Tensors and arrays.
    move = (np.cos(np.arange(13.0)), np.sin(2 + np.arange(13.0)))
    gradients = cr.grad(lambda x, y: total(x, y, cr.numpy), argnums=(0, 1))(x, y)
    tangent = cr.jvp(lambda x, y: total(x, y, cr.numpy), (x, y), move)[1]
    expected = float(richardson(total, [x, y], move, h=2e-3))
    pulled = sum(g @ t for g, t in zip(gradients, move, strict=True))
    np.testing.assert_allclose([pulled, tangent], expected, rtol=2e-7, atol=1e-9)
    return "differentiable"

results = {}
for table, module, differentiable in json.load(sys.stdin):
    module = {"special": special, "stats": stats}[module]
    for name, code in table.items():
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                results[name] = check(module, name, code, differentiable)
            except Exception as e:
                results[name] = f"{type(e).__name__}: {e}"
print(json.dumps(results))
"""


@functools.cache
def results():
    here = os.path.dirname(__file__)
    path = os.pathsep.join([os.path.join(here, "..", "rows"), *filter(None, sys.path)])
    env = {**os.environ, "SCIPY_ARRAY_API": "1", "PYTHONPATH": path}
    tables = json.dumps([(SPECIAL, "special", True), (STATS, "stats", True), (CONSTANT, "stats", False)])
    done = subprocess.run([sys.executable, "-c", PROGRAM], input=tables, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", [*SPECIAL, *STATS])
def test_differentiable(name):
    if results()[name] == "SciPy has none":
        pytest.skip("not in this version of SciPy")
    assert results()[name] == "differentiable"


@pytest.mark.parametrize("name", CONSTANT)
def test_constant(name):
    assert results()[name] in ("constant", "SciPy has none")
