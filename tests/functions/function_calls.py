"""One sample call of every public function, by namespace and name.

Who adds a function adds its call here; or, for `chainrule.numpy`, a case in tests/rows (test_functions.py, cases_*.py), and
for `chainrule.special` a row with samples (samples_special.py).
"""

import functools
import inspect
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse

import chainrule as cr
from chainrule import nn

sys.path.insert(0, str(Path(__file__).parents[1] / "rows"))
from samples_special import SAMPLES as ROW_SAMPLES
from test_functions import TABLE

rng = np.random.default_rng(11)
X, Y, Z, W = (np.sort(rng.uniform(0.3, 0.8, 3)) + 0.02 * k for k in range(4))
U = 1.0 + X
N = np.array([1, 2, 3])
M = rng.normal(size=(3, 3)) + 2 * np.eye(3)
S = M @ M.T + np.eye(3)
TALL, V, R = rng.normal(size=(4, 3)), rng.normal(size=3), rng.normal(size=(3, 2))
SIGNAL, IMAGE = rng.normal(size=8), rng.normal(size=(4, 6))


class Call(NamedTuple):
    """A sample call.

    hermitian   which arrays among the arguments stay Hermitian when they are moved
    after       what is compared of the results, where these are free up to a sign, a phase or a choice of basis
    mutates     the function changes its first argument, which is then the result
    seeded      the function draws random numbers, the same in every call
    """

    args: tuple
    kwargs: dict
    hermitian: tuple = ()
    after: Callable | None = None
    mutates: bool = False
    seeded: bool = False


def calls(text, *args, hermitian=(), after=None, mutates=False, seeded=False, **kwargs):
    """The same call for all the names in `text`."""
    return {name: Call(args, kwargs, hermitian, after, mutates, seeded) for name in text.split()}


def sizes(outs):
    """Vectors without their signs or phases."""
    return [cr.absolute(o) for o in outs]


def projector(outs):
    """What a basis spans."""
    (q,) = outs
    return [q @ cr.conj(cr.matrix_transpose(q))]


SPECIAL = {
    **calls("h1vp h2vp ivp jvp kvp yvp", 1.5 + X, 1.0 + Y, 2),
    **calls(
        "cbrt exp2 expm1 log1p sinc softplus i0 i0e i1 i1e j0 j1 k0 k0e k1 k1e y0 y1 cosdg cosm1 cotdg entr exp10 expit exprel "
        "log_expit sindg tandg ellipe ellipk ellipkm1 dawsn erfcinv erfcx erfi fresnel log_ndtr ndtr ndtri wofz gamma gammasgn "
        "loggamma psi rgamma zetac exp1 expi lambertw shichi sici spence wrightomega log_softmax logsumexp softmax digamma erf "
        "erfc erfinv gammaln logit airy factorial round",
        X,
    ),
    **calls("ndtri_exp", -X),
    **calls("airye bei beip ber berp kei keip kelvin ker kerp kolmogi kolmogorov modfresnelm modfresnelp it2i0k0 iti0k0 "
            "it2j0y0 itj0y0 itmodstruve0 it2struve0 itstruve0", X),
    **calls("bdtrik nbdtrik", X, 3.0 + Y, Z),
    **calls("bdtrin nbdtrin", 1.0 + X, Y, Z),
    **calls("btdtria", X, 2.0 + Y, Z),
    **calls("chndtr chndtridf", 2.0 + X, Y, Z),
    **calls("chndtrinc", 4.0 + X, 1.5 + Y, 0.5 * Z),
    **calls("chndtrix", X, 2.0 + Y, Z),
    **calls("btdtrib", 2.0 + X, Y, Z),
    **calls("chdtriv pdtrik", X, 1.0 + Y),
    **calls("gdtria", X, 2.0 + Y, 1.0 + Z),
    **calls("gdtrib", 2.0 + X, 0.5 + 0.5 * Y, 1.0 + Z),
    **calls("fdtridfd", 2.0 + X, cr.special.fdtr(2.0 + X, 4.0 + Y, 1.0 + Z), 1.0 + Z),
    **calls("nrdtrimn", X, 1.0 + Y, Z),
    **calls("nrdtrisd", X, 0.5 + 0.5 * Y, 2.0 + Z),
    **calls("stdtridf", 0.8 + 0.1 * X, 1.2 + 0.4 * Y),
    **calls("besselpoly", X, 1.0, 2.0),
    **calls("wright_bessel log_wright_bessel", 0.5, 1.5, X),
    **calls("pbdv pbvv pbwa", 1.5, X),
    **calls("mathieu_a mathieu_b", N, X),
    **calls("mathieu_cem mathieu_sem", N, 0.8, 40.0 * X),
    **calls("mathieu_modcem1 mathieu_modcem2 mathieu_modsem1 mathieu_modsem2", N, 0.8, X),
    **calls("zeta", U + 1.0, X),
    **calls(
        "hankel1 hankel1e hankel2 hankel2e iv ive jv jve kv kve yv yve modstruve struve beta betaln binom poch hyp0f1 gammainc "
        "gammaincc gammainccinv gammaincinv chdtr chdtrc chdtri boxcox boxcox1p inv_boxcox inv_boxcox1p huber kl_div powm1 "
        "pseudo_huber rel_entr tklmbda xlog1py xlogy agm ellipeinc ellipkinc elliprc owens_t stdtr stdtrit pdtr pdtrc pdtri "
        "ellipj",
        X,
        Y,
    ),
    **calls("hyp1f1 hyperu betainc betaincc betainccinv betaincinv elliprd elliprf elliprg fdtr fdtrc fdtri gdtr gdtrc gdtrix "
            "radian voigt_profile", X, Y, Z),
    **calls("hyp2f1 elliprj", X, Y, Z, W),
    **calls("jn kn yn spherical_in spherical_jn spherical_kn spherical_yn expn polygamma eval_chebyc eval_chebys eval_chebyt "
            "eval_chebyu eval_hermite eval_hermitenorm eval_laguerre eval_legendre eval_sh_chebyt eval_sh_chebyu "
            "eval_sh_legendre", N, X),
    **calls("eval_gegenbauer eval_genlaguerre", N, X, Y),
    **calls("eval_jacobi eval_sh_jacobi", N, U, X, Y),
    **calls("bdtr bdtrc bdtri nbdtr nbdtrc nbdtri", N, N + 2, X),
    **calls("lpmv", 1, N, X),
    **calls("sph_harm_y", N, 1, X, Y),
    **calls("comb", 5.0 + X, 2.0 + Y),
    **calls("multigammaln", 3.0 + X, 2),
    **calls("diric", X, 3),
}  # fmt: skip

SPARSE = scipy.sparse.csr_array(np.where(M > 0, M, 0))
LINALG = {
    **calls("sparse_product", SPARSE, TALL[:3], SPARSE.data),
    **calls(
        "inv det slogdet pinv cond matrix_norm matrix_rank trace diagonal matrix_transpose expm logm sqrtm cosm sinm tanm "
        "coshm sinhm tanhm signm hessenberg eigvals svdvals lu lu_factor polar qr",
        M,
    ),
    **calls("eig svd schur", M, after=sizes),
    **calls("eigh", S, after=sizes, hermitian=(0,)),
    **calls("cholesky cho_factor eigvalsh", S, hermitian=(0,)),
    **calls("norm vector_norm toeplitz circulant hankel fiedler companion fiedler_companion", V),
    **calls("leslie", V, V[:2]),
    **calls("outer vecdot cross", V, X),
    **calls("matmul tensordot khatri_rao solve expm_frechet solve_continuous_lyapunov solve_lyapunov block_diag", M, S),
    **calls("solve_triangular triangular_solve", np.tril(S), V),
    **calls("solve_discrete_lyapunov", 0.2 * M, S),
    **calls("solve_sylvester", M, S, S + M),
    **calls("solve_continuous_are solve_discrete_are", M, np.eye(3), S, np.eye(3), hermitian=(2, 3)),
    **calls("lstsq", TALL, rng.normal(size=4)),
    **calls("matrix_power", M, 3),
    **calls("fractional_matrix_power", S, 0.3),
    **calls("funm", M, np.sin),
    **calls("eig_banded", np.array([[0.0, 0.3, 0.2], [2.0, 3.0, 5.0]]), after=sizes),
    **calls("eigvals_banded", np.array([[0.0, 0.3, 0.2], [2.0, 3.0, 5.0]])),
    **calls("eigh_tridiagonal", V, V[:2], after=sizes),
    **calls("eigvalsh_tridiagonal", V, V[:2]),
    **calls("rq", M),
    **calls("pinvh", S, hermitian=(0,)),
    **calls("ldl", S - 3 * np.eye(3), hermitian=(0,)),
    **calls("matrix_balance", M),
    **calls("rsf2csf", M, np.eye(3), after=sizes),
    **calls("issymmetric ishermitian", S),
    **calls("diagsvd", V, 3, 4),
    **calls("multi_dot", [M, S, R]),
    **calls("tensorinv", M.reshape(3, 3), ind=1),
    **calls("tensorsolve", M, V),
    **calls("solve_toeplitz solve_circulant", np.array([4.0, 1.0, 0.5]), V),
    **calls("matmul_toeplitz", np.array([4.0, 1.0, 0.5]), V),
    **calls("convolution_matrix", V, 4),
    **calls("hilbert", 3),
    **calls("null_space", TALL.T, after=projector),
    **calls("orth", TALL, after=projector),
    **calls("subspace_angles", rng.normal(size=(5, 2)), rng.normal(size=(5, 2))),
    **calls("orthogonal_procrustes", TALL, rng.normal(size=(4, 3))),
    **calls("cholesky_ex", S),
    **calls("inv_ex", M),
    **calls("cho_solve", (np.linalg.cholesky(S), True), V),
    **calls("lu_solve", cr.linalg.lu_factor(M), V),
    **calls("solve_banded", (1, 1), rng.normal(size=(3, 4)) + np.array([[0], [4], [0]]), rng.normal(size=4)),
    **calls("solveh_banded", np.vstack([np.zeros(4) + 0.2, np.full(4, 3.0)]), rng.normal(size=4)),
    **calls("cholesky_banded", np.vstack([np.zeros(4) + 0.2, np.full(4, 3.0)])),
    **calls("cho_solve_banded", (np.vstack([np.zeros(4) + 0.2, np.full(4, 3.0)]), False), rng.normal(size=4)),
    **calls("cg", S, V, rtol=1e-13, hermitian=(0,)),
    **calls("gmres bicgstab", M, V, rtol=1e-13),
}

FFT = {
    **calls("fft ifft rfft hfft ihfft irfft dct dst idct idst fftshift ifftshift", SIGNAL),
    **calls("fft2 ifft2 fftn ifftn rfft2 rfftn irfft2 irfftn dctn dstn idctn idstn hfft2 hfftn ihfft2 ihfftn", IMAGE),
    **calls("fftfreq rfftfreq", 8, 0.5),
}

BATCH, SEQUENCE, CUBE = rng.normal(size=(2, 2, 6, 6)), rng.normal(size=(2, 2, 8)), rng.normal(size=(1, 2, 4, 4, 4))
SCORES, LABELS = rng.normal(size=(3, 4)), np.array([0, 3, 1])
PROBABILITIES, SIGNS = rng.uniform(0.2, 0.8, (3, 4)), np.array([[1, -1, 1, 1], [-1, 1, 1, -1], [1, 1, -1, -1]])
FUNCTIONAL = {
    **calls("relu sigmoid silu softplus tanh gelu elu leaky_relu logsigmoid celu hardshrink hardsigmoid hardswish hardtanh "
            "mish relu6 rrelu selu softshrink softsign tanhshrink", rng.normal(size=(2, 3))),
    **calls("softmax log_softmax softmin", SCORES, -1),
    **calls("glu normalize pdist", SCORES),
    **calls("threshold", SCORES, 0.1, 0.3),
    **calls("prelu", BATCH, np.array([0.1, 0.3])),
    **calls("alpha_dropout feature_alpha_dropout", CUBE),
    **calls("dropout1d", SEQUENCE, 0.0),
    **calls("dropout2d", BATCH, 0.0),
    **calls("dropout3d", CUBE, 0.0),
    **calls("gumbel_softmax", SCORES, seeded=True),
    **calls("max_pool2d avg_pool2d", BATCH, 2),
    **calls("max_pool1d avg_pool1d", SEQUENCE, 2),
    **calls("max_pool3d avg_pool3d", CUBE, 2),
    **calls("adaptive_avg_pool1d adaptive_max_pool1d", SEQUENCE, 3),
    **calls("adaptive_avg_pool2d adaptive_max_pool2d", BATCH, 3),
    **calls("adaptive_avg_pool3d adaptive_max_pool3d", CUBE, 2),
    **calls("fractional_max_pool2d", BATCH, 2, 3, _random_samples=np.full((2, 2, 2), 0.4)),
    **calls("fractional_max_pool3d", CUBE, 2, 2, _random_samples=np.full((1, 2, 3), 0.4)),
    **calls("max_unpool1d", rng.normal(size=(1, 2, 2)), np.array([[[0, 3], [1, 2]]]), 2),
    **calls("max_unpool2d", rng.normal(size=(1, 1, 1, 2)), np.array([[[[0, 3]]]]), 2),
    **calls("max_unpool3d", rng.normal(size=(1, 1, 1, 1, 2)), np.array([[[[[0, 3]]]]]), 2),
    **calls("interpolate upsample", BATCH, scale_factor=2.0, mode="bilinear"),
    **calls("grid_sample", BATCH, rng.uniform(-0.9, 0.9, (2, 3, 3, 2)), align_corners=False),
    **calls("affine_grid", rng.normal(size=(2, 2, 3)), (2, 2, 3, 3), align_corners=False),
    **calls("pixel_shuffle", rng.normal(size=(1, 4, 2, 2)), 2),
    **calls("pixel_unshuffle channel_shuffle", BATCH, 2),
    **calls("pad", BATCH, (1, 2)),
    **calls("lp_pool1d", np.abs(SEQUENCE), 2.0, 2),
    **calls("lp_pool2d", np.abs(BATCH), 2.0, 2),
    **calls("lp_pool3d", np.abs(CUBE), 2.0, 2),
    **calls("conv1d", SEQUENCE, rng.normal(size=(3, 2, 3)), rng.normal(size=3)),
    **calls("conv2d", BATCH, rng.normal(size=(3, 2, 3, 3)), rng.normal(size=3)),
    **calls("conv3d", CUBE, rng.normal(size=(2, 2, 2, 2, 2)), rng.normal(size=2)),
    **calls("conv_transpose1d", SEQUENCE, rng.normal(size=(2, 3, 3))),
    **calls("conv_transpose2d", BATCH, rng.normal(size=(2, 3, 3, 3))),
    **calls("conv_transpose3d", CUBE, rng.normal(size=(2, 2, 2, 2, 2))),
    **calls("unfold", BATCH, 3),
    **calls("fold", rng.normal(size=(2, 8, 9)), (4, 4), 2),
    **calls("linear", SCORES, rng.normal(size=(2, 4)), rng.normal(size=2)),
    **calls("embedding", LABELS, rng.normal(size=(4, 2))),
    **calls("one_hot", LABELS, 4),
    **calls("dropout", SCORES, 0.0),
    **calls("layer_norm rms_norm", SCORES, (4,)),
    **calls("batch_norm", BATCH, None, None, rng.normal(size=2), rng.normal(size=2), training=True),
    **calls("group_norm", BATCH, 2),
    **calls("instance_norm", BATCH),
    **calls("local_response_norm", BATCH, 2),
    **calls("mse_loss l1_loss huber_loss smooth_l1_loss", SCORES, rng.normal(size=(3, 4))),
    **calls("cross_entropy nll_loss focal_loss multi_margin_loss", SCORES, LABELS),
    **calls("linear_cross_entropy", rng.normal(size=(3, 2)), rng.normal(size=(4, 2)), LABELS),
    **calls("poisson_nll_loss cosine_similarity pairwise_distance", SCORES, PROBABILITIES),
    **calls("hinge_embedding_loss soft_margin_loss", SCORES, SIGNS),
    **calls("sigmoid_focal_loss multilabel_soft_margin_loss", SCORES, (SIGNS > 0).astype(float)),
    **calls("multilabel_margin_loss", SCORES, np.array([[1, -1, 0, 0], [0, 3, -1, 0], [2, 1, 0, -1]])),
    **calls("cosine_embedding_loss margin_ranking_loss", SCORES[:, 0], SCORES[:, 1], SIGNS[:, 0]),
    **calls("cosine_embedding_loss", SCORES, PROBABILITIES, SIGNS[:, 0]),
    **calls("gaussian_nll_loss", SCORES, rng.normal(size=(3, 4)), PROBABILITIES),
    **calls("triplet_margin_loss triplet_margin_with_distance_loss", SCORES, 0.5 * SCORES[::-1].copy(), PROBABILITIES),
    **calls("ctc_loss", np.log(rng.dirichlet(np.ones(4), (6, 2))), np.array([[1, 2], [3, 1]]), np.array([6, 6]),
            np.array([2, 2])),
    **calls("bilinear", SCORES, SCORES[:, :2].copy(), rng.normal(size=(2, 4, 2))),
    **calls("embedding_bag", np.array([[0, 2], [1, 3]]), rng.normal(size=(4, 2))),
    **calls("binary_cross_entropy binary_cross_entropy_with_logits", PROBABILITIES, PROBABILITIES[::-1].copy()),
    **calls("kl_div", np.log(PROBABILITIES), PROBABILITIES[::-1].copy()),
    **calls("scaled_dot_product_attention", *(rng.normal(size=(1, 2, 3, 4)) for _ in range(3))),
}  # fmt: skip

NUMERATOR, DENOMINATOR = np.array([0.3, 0.2]), np.array([1.0, -0.4])
SIGNALS = {
    **calls("convolve correlate fftconvolve oaconvolve", SIGNAL, V),
    **calls("convolve2d correlate2d", IMAGE, R),
    **calls("detrend hilbert", SIGNAL),
    **calls("lfilter filtfilt", NUMERATOR, DENOMINATOR, rng.normal(size=20)),
    **calls("lfilter_zi", NUMERATOR, DENOMINATOR),
    **calls("sosfilt", np.array([[0.3, 0.2, 0.1, 1.0, -0.4, 0.1]]), SIGNAL),
    **calls("sosfiltfilt", np.array([[0.3, 0.2, 0.1, 1.0, -0.4, 0.1]]), rng.normal(size=12)),
    **calls("csd coherence", rng.normal(size=20), rng.normal(size=20), nperseg=6),
    **calls("welch spectrogram stft", rng.normal(size=20), nperseg=6),
    **calls("periodogram medfilt", rng.normal(size=7)),
    **calls("savgol_filter", rng.normal(size=9), window_length=5, polyorder=2),
    **calls("istft", rng.normal(size=(4, 5)) + 1j * rng.normal(size=(4, 5))),
}

MASK = np.array([True, False, True])
NUMPY = {
    **calls("copyto", X, Y, mutates=True),
    **calls("fill_diagonal", M, X, mutates=True),
    **calls("place putmask", X, MASK, Y, mutates=True),
    **calls("put", X, [0, 2], Y[:2], mutates=True),
    **calls("trim_zeros", X),  # a step away from a zero would leave another number of elements
}


def _numpy():
    """The first case with a derivative of each function in the table of chainrule.numpy, else the first case."""
    found = {}
    for name, many in TABLE.items():
        best = next((c for c in many if c[3] and _has_array(c[0])), many[0])
        found[name] = Call(tuple(best[0]), dict(best[1]))
    return found | NUMPY


def _special():
    """The first sample of each function that is a row, unless there is a call."""
    rows = {name: Call(tuple(many[0].args), dict(many[0].params)) for name, many in ROW_SAMPLES.items() if many}
    return {name: call for name, call in rows.items() if hasattr(cr.special, name)} | SPECIAL


def _has_array(args):
    return any(isinstance(a, np.ndarray) and a.dtype == np.float64 and a.size for a in args)


# --- random numbers: the methods of a generator, each on a fresh one of the same seed -----------------------------------


def drawing(name):
    """A method of a generator as a function that starts from the same seed each time."""
    method = getattr(cr.random.Generator, name)

    @functools.wraps(method)
    def draw(*args, **kwargs):
        return getattr(cr.random.Generator(3), name)(*args, **kwargs)

    signature = inspect.signature(method)
    draw.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])
    draw.__module__ = "chainrule.random"
    return draw


NO_DRAWS = {"bits", "bytes", "device", "get_state", "manual_seed", "seed", "set_state", "spawn", "state"}
GENERATOR = types.SimpleNamespace(
    **{n: drawing(n) for n in dir(cr.random.Generator) if not n.startswith("_") and n not in NO_DRAWS}
)
COVARIANCE = np.array([[1.0, 0.3, 0.1], [0.3, 2.0, 0.2], [0.1, 0.2, 1.5]])
RANDOM = {
    **calls("normal uniform laplace logistic lognormal gumbel", X, 1.0 + Y, seeded=True),
    **calls("beta gamma f wald noncentral_chisquare vonmises", 1.0 + X, 1.0 + Y, seeded=True),
    **calls("noncentral_f", 1.5 + X, 2.0 + Y, Z, seeded=True),
    **calls("exponential rayleigh chisquare standard_gamma standard_t pareto weibull power dirichlet", 1.0 + X, seeded=True),
    **calls("triangular", -X, Y, 1.0 + Z, seeded=True),
    **calls("multivariate_normal", X, COVARIANCE, hermitian=(1,), seeded=True),
    **calls("gumbel_softmax relaxed_bernoulli", X, 0.7, seeded=True),
    **calls("categorical poisson bernoulli geometric logseries", X, seeded=True),
    **calls("binomial negative_binomial", N + 3, X, seeded=True),
    **calls("zipf", 1.5 + X, seeded=True),
    **calls("multinomial", 9, np.array([0.2, 0.3, 0.5]), seeded=True),
    **calls("hypergeometric", N + 3, N + 4, N, seeded=True),
    **calls("multivariate_hypergeometric", N + 3, 4, seeded=True),
    **calls("integers", 3, 9, 4, seeded=True),
    **calls("random standard_normal standard_exponential standard_cauchy", 3, seeded=True),
    **calls("choice permutation permuted", X, seeded=True),
    **calls("shuffle", X, mutates=True, seeded=True),
}

# --- what stands at the top alone ---------------------------------------------------------------------------------------

TOP = {
    **calls("normal uniform", X, 1.0 + Y, seeded=True),
    **calls("bernoulli rand_like randn_like", X, seeded=True),
    **calls("rand randn", 2, 3, seeded=True),
    **calls("randint", 3, 9, 4, seeded=True),
    **calls("randperm", 4, seeded=True),
    **calls("msort stop_gradient", X),
    **calls("kthvalue", X, 2),
    **calls("unsqueeze", X, 0),
    **calls("unbind", M),
    **calls("permute", M, (1, 0)),
    **calls("cond", True, lambda x, y: x * y, lambda x, y: x + y, X, Y),
    **calls("switch", 1, [lambda x, y: x * y, lambda x, y: x + y], X, Y),
    **calls("scan", lambda c, x: (c * x + 1.0, c), 0.5, X),
    **calls("fori_loop", 0, 3, lambda i, x: x * x + i, X),
    **calls("while_loop", lambda x: x.sum() < 9.0, lambda x: x * 1.5, X),
}
STACK, COLUMN = rng.normal(size=(2, 3, 3)), rng.normal(size=(3, 1))
PYTORCH = {
    **calls("aminmax clone frac rsqrt sgn diag_embed broadcast_tensors cartesian_prod combinations std_mean var_mean", X),
    **calls("sub div true_divide rsub dist cumulative_trapezoid polar", X, Y),
    **calls("complex", X, Y),
    **calls("addcdiv addcmul lerp", X, Y, Z),
    **calls("block_diag cdist", M, S),
    **calls("t adjoint", M),
    **calls("svd", M, after=sizes),
    **calls("as_strided", X, (2, 2), (1, 1)),
    **calls("unique_consecutive mode", X),
    **calls("histc", X, 4, 0, 1),
    **calls("stft", SIGNAL, 4),
    **calls("istft", np.fft.rfft(np.stack([SIGNAL[i : i + 4] for i in range(5)])).T, 4, 1),
    **calls("multinomial", X, 2, seeded=True),
    **calls("poisson", X, seeded=True),
    **calls("randint_like", X, 9, seeded=True),
    **calls("logdet", S),
    **calls("cholesky_inverse", np.linalg.cholesky(S)),
    **calls("cholesky_solve", COLUMN, np.linalg.cholesky(S)),
    **calls("triangular_solve", COLUMN, np.linalg.cholesky(S).T),
    **calls("addmm", M, S, TALL[:3]),
    **calls("addmv", X, M, V),
    **calls("addr", M, X, V),
    **calls("baddbmm", STACK, STACK + 0.1, STACK - 0.2),
    **calls("addbmm", M, STACK, STACK - 0.2),
    **calls("bucketize", X, np.array([0.0, 0.5, 1.0])),
    **calls("clamp_max clamp_min", X, 0.55),
    **calls("chunk tensor_split", M, 3),
    **calls("split_with_sizes", M, [1, 2]),
    **calls("unflatten", M, 0, (3, 1)),
    **calls("narrow", M, 1, 1, 2),
    **calls("select_scatter", M, X, 0, 1),
    **calls("slice_scatter", M, TALL[:2], 0, 1),
    **calls("diagonal_scatter", M, X),
    **calls("index_select", M, 0, np.array([2, 0])),
    **calls("index_put", X, (np.array([0, 2]),), Y[:2]),
    **calls("take_along_dim", M, np.array([[0, 2, 1]]), 1),
    **calls("repeat_interleave", X, 2),
    **calls("masked_fill", X, MASK, 0.5),
    **calls("masked_scatter", X, MASK, Y),
    **calls("masked_select", X, MASK),
    **calls("renorm", M, 2, 0, 1.5),
    **calls("scalar_tensor", 1.5),
    **calls("view_as_real", X + 1j * Y),
    **calls("view_as_complex", TALL[:, :2]),
}

JOIN = lambda x, y: (x[0] * y[0], x[1] * y[0] + y[1])  # noqa: E731  two linear steps as one
DIVIDE = lambda g, y: y / g(np.ones_like(y))  # noqa: E731  solves equations that are diagonal
IMAGES, KERNELS = rng.normal(size=(2, 2, 5, 4)), rng.normal(size=(3, 2, 2, 2))

LAX = {
    **calls("associative_scan", JOIN, (X, Y)),
    **calls("map", lambda x: x * x, M),
    **calls("custom_linear_solve", lambda x: 2.0 * x, X, DIVIDE, symmetric=True),
    **calls("cumsum cumprod cummax cummin cumlogsumexp", M, 1, True),
    **calls("top_k", M, 2),
    **calls("sort_key_val", X[::-1].copy(), Y),
    **calls("dynamic_slice", M, (1, 0), (2, 2)),
    **calls("dynamic_update_slice", M, S[:2, :2], (1, 0)),
    **calls("dynamic_slice_in_dim", M, 1, 2),
    **calls("dynamic_index_in_dim index_in_dim", M, 1),
    **calls("dynamic_update_slice_in_dim", M, S[:2], 1, 0),
    **calls("dynamic_update_index_in_dim", M, X, 1, 0),
    **calls("slice", M, (0, 1), (3, 3), (2, 1)),
    **calls("slice_in_dim", M, 0, 2),
    **calls("concatenate", [X, Y], 0),
    **calls("broadcast", X, (2,)),
    **calls("broadcast_in_dim", X, (3, 2), (0,)),
    **calls("rev", M, (0,)),
    **calls("pad", X, 0.3, [(1, -1, 1)]),
    **calls("convert_element_type", X, np.float64),
    **calls("clamp", 0.4, X, 0.7),
    **calls("select", MASK, X, Y),
    **calls("select_n", N - 1, X, Y, Z),
    **calls("integer_pow", X, 3),
    **calls("dot_general", M, TALL, (((1,), (1,)), ((), ()))),
    **calls("reduce_window", IMAGE, 1.0, cr.multiply, (2, 2), (1, 2), "SAME"),
    **calls("conv_general_dilated", IMAGES, KERNELS, (1, 2), "SAME"),
    **calls("conv", IMAGES, KERNELS, (1, 1), "VALID"),
    **calls("conv_transpose", IMAGES, KERNELS.transpose(2, 3, 1, 0), (2, 1), "SAME", None, ("NCHW", "HWIO", "NCHW")),
}
INTEGRATE = calls("odeint", lambda y, t, a: -a * y**2, X, np.array([0.0, 0.4, 1.0]), Y, rtol=1e-11, atol=1e-11)

NAMESPACES = {
    "chainrule.numpy": (
        cr.array_functions,
        _numpy() | calls("put_along_axis", M, np.array([[0, 2, 1]]), 0.5 * M[:1], 1),
    ),  # its functions, before their arguments are completed
    "chainrule.linalg": (cr.linalg, LINALG),
    "chainrule.fft": (cr.fft, FFT),
    "chainrule.special": (cr.special, _special()),
    "chainrule.signal": (cr.signal, SIGNALS),
    "chainrule.nn.functional": (nn.functional, FUNCTIONAL),
    "chainrule.random.Generator": (GENERATOR, RANDOM),
    "chainrule.integrate": (cr.integrate, INTEGRATE),
    "chainrule": (cr, TOP | PYTORCH | {name: LAX[name] for name in ("associative_scan", "custom_linear_solve")}),
    "chainrule.lax": (cr.lax, LAX),
}
