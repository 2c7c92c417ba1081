"""PyTorch's own catalogue of samples of modules, walked entry by entry: values, gradients, repr, state and compiled form.

Every entry is either matched or named below with the reason why not. An entry that is neither fails.
"""

import inspect
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from torch_tools import arrays

import chainrule as cr
from chainrule import nn

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_modules import module_db

# Entries that are not matched, with the reason.
OUT_OF_SCOPE: dict[str, str] = {}
# Of a matched entry, what is compared otherwise than for all others.
DIFFERENT = {
    "CTCLoss": "gradient: PyTorch's is only right behind log_softmax, so that is put in front",
    "FractionalMaxPool2d": "values: of samples that leave the random numbers to the layer, only shapes are compared",
    "FractionalMaxPool3d": "values: as FractionalMaxPool2d",
    "LPPool1d": "gradient: the samples raise negative numbers to 1.5; an element in no window has gradient 0, theirs is NaN",
    "LPPool2d": "gradient: as LPPool1d",
    "LPPool3d": "gradient: as LPPool1d",
}
# Theirs names private classes.
REPR = {"MultiheadAttention", "Transformer", "TransformerEncoder", "TransformerEncoderLayer", "TransformerDecoderLayer"}
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-5}
# In float32 their gradient is farther from the one in float64 than ours.
LOOSER = {("CTCLoss", torch.float32): 1e-4}


def name_of(info):
    return info.module_cls.__name__


def converted(x):
    """A tree of PyTorch's values as one of NumPy's, functions and settings as they are."""
    if isinstance(x, torch.Tensor):
        return x.detach().numpy()
    if isinstance(x, (torch.nn.TransformerEncoderLayer, torch.nn.TransformerDecoderLayer)):
        return our_layer(x)
    if isinstance(x, torch.dtype):
        return str(x).removeprefix("torch.")
    if isinstance(x, (tuple, list)):
        return type(x)(converted(v) for v in x)
    if isinstance(x, dict):
        return {k: converted(v) for k, v in x.items()}
    return getattr(nn.functional, x.__name__, x) if callable(x) and hasattr(x, "__name__") else x


def our_layer(layer):
    """A layer like theirs."""
    attention, sizes = layer.self_attn, (layer.linear1.in_features, layer.self_attn.num_heads, layer.linear1.out_features)
    options = {"dropout": layer.dropout.p, "batch_first": attention.batch_first, "norm_first": layer.norm_first}
    options["activation"] = getattr(nn.functional, layer.activation.__name__)
    return getattr(nn, type(layer).__name__)(*sizes, bias=layer.linear1.bias is not None, **options)


def fresh(x):
    """A copy of a tree of tensors, with its leaves."""
    if isinstance(x, torch.Tensor):
        return x.detach().clone().requires_grad_(x.requires_grad)
    if isinstance(x, (tuple, list)):
        return type(x)(fresh(v) for v in x)
    return {k: fresh(v) for k, v in x.items()} if isinstance(x, dict) else x


def ours_of(x):
    """The same tree with our Tensors, which require grad where theirs do."""
    if isinstance(x, torch.Tensor):
        return cr.tensor(x.detach().numpy(), requires_grad=True) if x.requires_grad else x.detach().numpy()
    if isinstance(x, (tuple, list)):
        return type(x)(ours_of(v) for v in x)
    return {k: ours_of(v) for k, v in x.items()} if isinstance(x, dict) else x


def leaves_of(x, kind):
    if isinstance(x, kind):
        return [x] if x.requires_grad else []
    if isinstance(x, dict):
        x = list(x.values())
    return [leaf for v in x for leaf in leaves_of(v, kind)] if isinstance(x, (tuple, list)) else []


def samples(info, dtype, training):
    torch.manual_seed(0)
    takes = inspect.signature(info.module_inputs_func).parameters
    assert "training" in takes
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(info.module_inputs_func(info, device="cpu", dtype=dtype, requires_grad=True, training=training))


def pair(info, sample, dtype, training):
    """Their module and ours, with one state."""
    args, kwargs = sample.constructor_input.args, dict(sample.constructor_input.kwargs)
    name = name_of(info)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = info.module_cls(*args, **kwargs).to(dtype).train(training)
        own = {k: v for k, v in kwargs.items() if k not in ("size_average", "reduce")}
        ours = getattr(nn, name)(*converted(args), **converted(own)).to(str(dtype).removeprefix("torch.")).train(training)
    return theirs, ours


def run_theirs(module, args, kwargs, gs, prepare):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            outs = tensors(module(*prepare(args), **kwargs))
    leaves = [*leaves_of(args, torch.Tensor), *leaves_of(kwargs, torch.Tensor), *module.parameters()]
    real = [o for o in outs if o.requires_grad]
    if not gs:
        rng = np.random.default_rng(0)
        gs.extend(rng.normal(size=tuple(o.shape)) for o in real)
    total = sum((o * torch.tensor(g, dtype=o.dtype)).sum() for o, g in zip(real, gs, strict=True))
    grads = torch.autograd.grad(total, leaves, allow_unused=True) if real else [None] * len(leaves)
    return outs, [o.requires_grad for o in outs], grads


def tensors(x):
    if isinstance(x, torch.Tensor):
        return [x]
    return [t for v in x for t in tensors(v)] if isinstance(x, (tuple, list)) else []


def run_ours(module, args, kwargs, gs, real, prepare):
    with np.errstate(all="ignore"):  # some samples are outside of the domain
        outs = arrays(module(*prepare(args), **kwargs))
    leaves = [*leaves_of(args, cr.Tensor), *leaves_of(kwargs, cr.Tensor), *module.parameters()]
    chosen = [o for o, r in zip(outs, real, strict=True) if r]
    total = sum((o * g.astype(o.dtype)).sum() for o, g in zip(chosen, gs, strict=True))
    grads = cr.autograd.grad(total, leaves, allow_unused=True) if chosen else [None] * len(leaves)
    return [o.detach() if isinstance(o, cr.Tensor) else o for o in outs], grads


def same(a, b, tolerance, what):
    a = np.zeros(tuple(b.shape)) if a is None else np.asarray(a)
    b = b.detach().numpy()
    assert a.shape == b.shape, what
    size = max(1, np.abs(b[np.isfinite(b)]).max(initial=0))
    np.testing.assert_allclose(a, b, err_msg=what, rtol=tolerance, atol=tolerance * size)


def check(info, sample, dtype, training, compiled):
    name = name_of(info)
    tolerance = LOOSER.get((name, dtype), TOLERANCE[dtype])
    theirs, ours = pair(info, sample, dtype, training)
    if sample.forward_input is None:
        return
    args, kwargs = fresh(sample.forward_input.args), fresh(sample.forward_input.kwargs)
    their_prepare = our_prepare = lambda a: a
    if name == "CTCLoss":
        their_prepare = lambda a: (a[0].log_softmax(-1), *a[1:])  # noqa: E731
        our_prepare = lambda a: (nn.functional.log_softmax(a[0], -1), *a[1:])  # noqa: E731
    if name.startswith("Lazy"):
        with torch.no_grad():
            theirs(*args, **kwargs)
        ours(*ours_of(args), **ours_of(kwargs))
    state = {k: v.detach().numpy().copy() for k, v in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(state)
    ours.load_state_dict(state)
    if name not in REPR:
        assert repr(ours) == repr(theirs)
    gs: list = []
    expected, real, expected_grads = run_theirs(theirs, args, kwargs, gs, their_prepare)
    mine, named = ours_of(args), ours_of(kwargs)
    run = cr.compile(run_ours) if compiled else run_ours
    if name.startswith("FractionalMaxPool") and ours._random_samples is None:
        outs = arrays(ours(*mine, **named))
        assert [o.shape for o in outs] == [tuple(e.shape) for e in expected]
        return
    outs, grads = run(ours, mine, named, gs, real, our_prepare)
    assert len(outs) == len(expected)
    for i, (a, b) in enumerate(zip(outs, expected, strict=True)):
        assert np.dtype(str(b.dtype).removeprefix("torch.")) == a.dtype
        same(a, b, tolerance, f"{name}: result {i}")
    for i, (a, b) in enumerate(zip(grads, expected_grads, strict=True)):
        if b is not None:
            b = b.where(b == b, torch.tensor(np.asarray(a))) if name.startswith("LPPool") else b
            same(a, b, tolerance, f"{name}: gradient {i}")
    for (key, a), b in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        same(a, b, tolerance, f"{name}: {key} afterwards")


entries = pytest.mark.parametrize("info", module_db, ids=name_of)


@pytest.fixture(autouse=True)
def way():
    """Here compiled forms are tested on their own."""


@entries
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
def test_entry(info, dtype):
    if name_of(info) in OUT_OF_SCOPE:
        pytest.skip(OUT_OF_SCOPE[name_of(info)])
    for training in (True, False) if info.train_and_eval_differ else (True,):
        for sample in samples(info, dtype, training):
            check(info, sample, dtype, training, compiled=False)


@pytest.mark.slow
@entries
def test_compiled_entry(info):
    if name_of(info) in OUT_OF_SCOPE:
        pytest.skip(OUT_OF_SCOPE[name_of(info)])
    found = samples(info, torch.float64, True)
    for sample in found[:: max(1, len(found) // 4)]:
        check(info, sample, torch.float64, True, compiled=True)


def test_every_entry_is_matched_or_has_a_reason():
    assert len(module_db) == 114
    names = {name_of(info) for info in module_db}
    assert set(OUT_OF_SCOPE) <= names and set(DIFFERENT) <= names
    missing = {n for n in names if n not in OUT_OF_SCOPE and not hasattr(nn, n)}
    assert not missing


def test_the_page_of_layers_names_all():
    page = (Path(__file__).parents[2] / "docs" / "layers.md").read_text()
    named = set(re.findall(r"\w+", page))
    assert not [name for name in nn.__all__ if name[0].isupper() and name not in named]
    absent = {n for n in dir(torch.nn) if isinstance(getattr(torch.nn, n), type) and not hasattr(nn, n)}
    inner = {"Buffer", "Container", "LinearCrossEntropyOptions", "NLLLoss2d", "RNNBase", "RNNCellBase"}
    assert not {n for n in absent - inner if n not in named and not n.startswith("Uninitialized")}
