"""PyTorch's own catalogue of samples of operators: values and gradients of every function that bears the same name here.

Every function is matched on all of its samples, or named below with the reason why on some it is not.
"""

import warnings

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import pytorch

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_methods_invocations import op_db

# On some of their samples, these differ.
REASONS = {
    "an array without axes has no axis 0, as in NumPy": """
        all amax amin aminmax any argmax argmin chunk count_nonzero cummax cummin cumprod cumsum cumulative_trapezoid
        index_copy index_fill index_reduce index_select kthvalue linalg.vector_norm log_softmax logcumsumexp logsumexp
        mean nanmean nansum narrow nn.functional.cosine_similarity nn.functional.normalize prod repeat_interleave scatter
        scatter_add softmax sum take_along_dim topk transpose
    """,
    "arguments that NumPy's function of this name lacks": """
        add arange bucketize cov diagflat gradient histogram histogramdd index_add linalg.lstsq linalg.lu
        linalg.lu_factor linalg.lu_solve linalg.matrix_norm linalg.matrix_rank linalg.solve_triangular logspace
        nanquantile nonzero quantile randint scalar_tensor searchsorted std_mean tensor_split tril_indices triu_indices
        unique var_mean
    """,
    "the gradient is that of the triangle that is read; PyTorch's is shared between both": """
        cholesky cholesky_inverse cholesky_solve linalg.cholesky linalg.cholesky_ex linalg.eigvalsh linalg.pinv
    """,
    "the function of this name is NumPy's, which means something else": """
        atleast_1d atleast_2d atleast_3d bool cat cdouble cfloat double einsum equal float gather half int ldexp
        linalg.solve long max median meshgrid min nanmedian norm normal polygamma put repeat select short sort
        special.polygamma split squeeze std uniform unravel_index var where
    """,
    "draws random numbers": """
        bernoulli multinomial randint_like
        nn.functional.alpha_dropout nn.functional.dropout nn.functional.dropout2d nn.functional.dropout3d
        nn.functional.feature_alpha_dropout nn.functional.fractional_max_pool2d nn.functional.fractional_max_pool3d
        nn.functional.rrelu nn.functional.scaled_dot_product_attention rand_like randn randn_like
    """,
    "leaves its numbers open": "empty empty_like",
    "reads memory beyond the part that it is called of": "as_strided",
    "PyTorch keeps a gradient of zeros; here nothing depends on the argument": """
        ceil div floor floor_divide nn.functional.pdist round sgn sign trunc
    """,
    "a single length `s` is not a list, as in NumPy": """
        fft.fft2 fft.fftn fft.hfft2 fft.hfftn fft.ifft2 fft.ifftn fft.ihfft2 fft.ihfftn fft.irfft2 fft.irfftn fft.rfft2
        fft.rfftn
    """,
    "paired axes must have one length, as in NumPy": "tensordot",
    "eigenvectors are unique up to a factor": "linalg.eig linalg.eigh",
    "takes no eps": "logit",
    "PyTorch's entry clones its argument first; here the argument itself is changed, and its gradient asked for": "zero_",
    "an input without a batch axis raises": "nn.functional.batch_norm",
    "PyTorch's gradient is right only behind log_softmax": "nn.functional.ctc_loss",
    "the samples hold indices as floating-point numbers after conversion": "nn.functional.embedding",
    "as embedding": "nn.functional.embedding_bag",
    "places given twice: the last one counts, so only it has a gradient": "nn.functional.max_unpool1d",
    "as max_unpool1d": "nn.functional.max_unpool2d nn.functional.max_unpool3d",
    "a number is no batch of scores": "nn.functional.multi_margin_loss",
    "as multi_margin_loss": "nn.functional.multilabel_margin_loss",
    "the sample's distance is a module of PyTorch's": "nn.functional.triplet_margin_with_distance_loss",
}
OF_AXES = set(REASONS["an array without axes has no axis 0, as in NumPy"].split())  # where there are axes, these agree
SOMETIMES = {name: reason for reason, names in REASONS.items() for name in names.split()}


def ours(name):
    if name.startswith("nn.functional."):
        return getattr(F, name.removeprefix("nn.functional."), None)
    found = cr
    for part in name.split("."):
        found = getattr(found, part, None)
    return found if callable(found) else None


ENTRIES = {f"{op.name}-{op.variant_test_name}".rstrip("-"): op for op in op_db if ours(op.name)}


def converted(x):
    """Arguments of PyTorch's as ours."""
    if isinstance(x, torch.Tensor):
        t = cr.tensor(x.detach().resolve_conj().resolve_neg().numpy().copy())
        return t.requires_grad_() if x.requires_grad else t
    if isinstance(x, torch.dtype):
        return np.dtype(str(x).removeprefix("torch."))
    if isinstance(x, (list, tuple)):
        return type(x)(map(converted, x))
    return {k: converted(v) for k, v in x.items()} if isinstance(x, dict) else x


def flat(x):
    return torch.utils._pytree.tree_leaves(x)


def compare(op, sample):
    compare_calls(sample, op, ours(op.name))


def compare_calls(sample, theirs, ours):
    """Values and gradients of both on the sample."""
    call = (sample.input, *sample.args), dict(sample.kwargs)
    args, kwargs = converted(call)
    theirs, found = theirs(*call[0], **call[1]), ours(*args, **kwargs)
    if isinstance(theirs, (bool, int, torch.Size)):
        assert found == theirs
        return
    theirs = [theirs] if isinstance(theirs, torch.Tensor) else list(theirs)
    found = [found] if isinstance(found, (cr.Tensor, np.ndarray, np.generic)) else list(found)
    assert len(theirs) == len(found)
    for x, y in zip(theirs, found, strict=True):
        assert tuple(x.shape) == np.shape(y)
        np.testing.assert_allclose(values(y), x.detach().resolve_conj().numpy(), rtol=1e-7, atol=1e-9)
    leaves = [(x, y) for x, y in zip(flat(call), flat_of_ours(args, kwargs), strict=True) if getattr(x, "requires_grad", False)]
    pairs = [(x, y) for x, y in zip(theirs, found, strict=True) if x.requires_grad]
    if not leaves or not pairs:
        return
    weights = [torch.randn_like(x) for x, _ in pairs]
    expected = torch.autograd.grad([x for x, _ in pairs], [x for x, _ in leaves], weights, allow_unused=True)
    got = cr.autograd.grad([y for _, y in pairs], [y for _, y in leaves], [w.numpy() for w in weights], allow_unused=True)
    for x, y in zip(expected, got, strict=True):
        x = 0.0 if x is None else x.resolve_conj().numpy()
        np.testing.assert_allclose(0.0 if y is None else values(y), x, rtol=1e-6, atol=1e-9)


def flat_of_ours(args, kwargs):
    return torch.utils._pytree.tree_leaves((args, kwargs))


def values(x):
    return np.asarray(x.detach() if isinstance(x, cr.Tensor) else x)


def often(op):
    """Whether it is one that exists for PyTorch's sake only."""
    return op.name in pytorch.__all__


def test_every_exception_is_an_operator():
    assert SOMETIMES.keys() <= {op.name for op in ENTRIES.values()}


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if often(op) else pytest.mark.slow) for n, op in ENTRIES.items()])
@pytest.mark.filterwarnings("ignore")
def test_operator(name):
    op = ENTRIES[name]
    torch.manual_seed(0)
    failed = []
    dtype = next(d for d in (torch.float64, torch.complex128, torch.int64, torch.bool) if d in op.dtypes or d is torch.bool)
    for k, sample in enumerate(op.sample_inputs("cpu", dtype, requires_grad=op.supports_autograd and dtype.is_floating_point)):
        if k == 12:
            break
        try:
            compare(op, sample)
        except Exception as error:
            if not (op.name in OF_AXES and getattr(sample.input, "ndim", None) == 0):
                failed.append(error)
    if failed and (op.name in OF_AXES or op.name not in SOMETIMES):
        raise failed[0]
