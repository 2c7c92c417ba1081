"""Layers and losses of random configurations beside PyTorch: values, gradients, second derivatives, jvp, vmap, compiled form.

Each strategy below draws (name, arguments, options, inputs); one test draws from all of them.
"""

import numpy as np
import pytest
import torch_tools as tt
from hypothesis import HealthCheck, given, settings, strategies as st

import chainrule as cr
from chainrule import nn

torch = pytest.importorskip("torch")
ints, flags = st.integers, st.booleans()


@pytest.fixture(autouse=True)
def way():
    """Here compiled forms are tested on their own."""


def array(draw, *shape):
    return np.random.default_rng(draw(ints(0, 10**6))).normal(size=shape)


def lead(draw, at_most=2):
    return tuple(draw(st.lists(ints(1, 3), min_size=0, max_size=at_most)))


# --- layers -----------------------------------------------------------------------------------------------------------


@st.composite
def linear(draw):
    n, m = draw(ints(1, 4)), draw(ints(1, 4))
    return "Linear", (n, m), {"bias": draw(flags)}, [array(draw, *lead(draw), n)]


@st.composite
def bilinear(draw):
    a, b, m = (draw(ints(1, 3)) for _ in range(3))
    shape = lead(draw)
    return "Bilinear", (a, b, m), {"bias": draw(flags)}, [array(draw, *shape, a), array(draw, *shape, b)]


@st.composite
def convolution(draw):
    ndim, groups, back = draw(ints(1, 3)), draw(ints(1, 2)), draw(flags)
    channels = (groups * draw(ints(1, 2)), groups * draw(ints(1, 2)))
    kernel = tuple(draw(ints(1, 3)) for _ in range(ndim))
    stride, dilation = tuple(draw(ints(1, 2)) for _ in range(ndim)), draw(ints(1, 2))
    options = {"stride": stride, "dilation": dilation, "groups": groups, "bias": draw(flags)}
    if back:
        options["output_padding"] = tuple(draw(ints(0, max(s, dilation) - 1)) for s in stride)
        options["padding"] = draw(ints(0, 1)) if min(kernel) == 3 else 0
    else:
        options["padding"] = tuple(draw(ints(0, 2)) for _ in range(ndim))
        modes = ["zeros", "replicate", "circular"] if options["dilation"] == 1 else ["zeros"]
        options["padding_mode"] = draw(st.sampled_from(modes))
    sizes = tuple(dilation * (k - 1) + draw(ints(2, 4)) for k in kernel)
    batch = draw(st.sampled_from([(), (1,), (2,)]))
    return f"Conv{'Transpose' * back}{ndim}d", (*channels, kernel), options, [array(draw, *batch, channels[0], *sizes)]


@st.composite
def pooling(draw):
    ndim, kernel = draw(ints(1, 3)), draw(ints(1, 3))
    kind = draw(st.sampled_from(["Max", "Avg", "AdaptiveAvg", "AdaptiveMax"]))
    x = array(draw, *draw(st.sampled_from([(2,), (2, 3)])), *(kernel + draw(ints(0, 4)) for _ in range(ndim)))
    if kind.startswith("Adaptive"):
        size = tuple(draw(ints(1, 4)) for _ in range(ndim))
        return f"{kind}Pool{ndim}d", (size,), {}, [x]
    options = {"stride": draw(ints(1, 3)), "padding": draw(ints(0, kernel // 2)), "ceil_mode": draw(flags)}
    if kind == "Avg":
        options["count_include_pad"] = draw(flags)
    return f"{kind}Pool{ndim}d", (kernel,), options, [x]


@st.composite
def normalization(draw):
    name = draw(st.sampled_from(["BatchNorm1d", "BatchNorm2d", "InstanceNorm1d", "GroupNorm", "LayerNorm", "RMSNorm"]))
    n = draw(ints(2, 4))
    if name in ("LayerNorm", "RMSNorm"):
        shape = (*draw(st.sampled_from([(), (2,)])), n)
        return name, (shape,), {"elementwise_affine": draw(flags), "eps": 1e-3}, [array(draw, 3, *shape)]
    sizes = (3, 2) if name == "BatchNorm2d" else (draw(ints(2, 4)),)
    if name == "GroupNorm":
        groups = draw(st.sampled_from([g for g in range(1, n + 1) if n % g == 0]))
        return name, (groups, n), {"affine": draw(flags), "eps": 1e-3}, [array(draw, 3, n, *sizes)]
    return name, (n,), {"affine": draw(flags), "track_running_stats": draw(flags), "eps": 1e-3}, [array(draw, 3, n, *sizes)]


@st.composite
def recurrent(draw):
    name, n, h, layers, both = draw(st.sampled_from(["RNN", "GRU", "LSTM"])), *(draw(ints(1, 3)) for _ in range(3)), draw(flags)
    options = {"num_layers": min(layers, 2), "bidirectional": both, "bias": draw(flags), "batch_first": draw(flags)}
    if name == "LSTM" and h > 1:
        options["proj_size"] = draw(ints(0, h - 1))
    return name, (n, h), options, [array(draw, draw(ints(1, 3)), draw(ints(1, 3)), n)]


@st.composite
def attention(draw):
    heads, batch, q, k = (draw(ints(1, 2)) for _ in range(4))
    n = heads * draw(ints(1, 3))
    options = {"bias": draw(flags), "add_bias_kv": draw(flags), "add_zero_attn": draw(flags), "batch_first": draw(flags)}
    key, value = n, n
    if draw(flags):
        key, value = options["kdim"], options["vdim"] = draw(ints(1, 3)), draw(ints(1, 3))

    def x(length, features):
        return array(draw, *((batch, length) if options["batch_first"] else (length, batch)), features)

    return "MultiheadAttention", (n, heads), options, [x(q, n), x(k, key), x(k, value)]


@st.composite
def transformer(draw):
    heads, decoder = draw(ints(1, 2)), draw(flags)
    n = heads * draw(ints(1, 2)) + heads
    options = {"dropout": 0.0, "norm_first": draw(flags), "batch_first": draw(flags), "bias": draw(flags)}
    options["activation"] = draw(st.sampled_from(["relu", "gelu"]))
    inputs = [array(draw, 2, 2, n) for _ in range(1 + decoder)]
    return f"Transformer{'Decoder' if decoder else 'Encoder'}Layer", (n, heads, draw(ints(1, 4))), options, inputs


# Not Hardsigmoid, whose 1 / 6 PyTorch rounds to float32; nor other values of CELU's alpha, which it divides by in float32.
ACTIVATIONS = {
    "CELU": {"alpha": 0.5}, "ELU": {"alpha": 0.7}, "GELU": {"approximate": "tanh"}, "GLU": {"dim": -1},
    "Hardshrink": {"lambd": 0.3}, "Hardswish": {}, "Hardtanh": {"min_val": -0.4, "max_val": 0.8},
    "LeakyReLU": {"negative_slope": 0.2}, "LogSigmoid": {}, "LogSoftmax": {"dim": 0}, "Mish": {}, "PReLU": {}, "ReLU6": {},
    "SELU": {}, "SiLU": {}, "Softmax": {"dim": -1}, "Softmin": {"dim": 0}, "Softplus": {"beta": 2.0},
    "Softshrink": {"lambd": 0.3}, "Softsign": {}, "Tanhshrink": {},
}  # fmt: skip


@st.composite
def activation(draw):
    name = draw(st.sampled_from(sorted(ACTIVATIONS)))
    return name, (), ACTIVATIONS[name], [array(draw, *lead(draw), draw(ints(1, 3)), 4)]


# --- losses: targets that are no numbers to differentiate stand behind a bar ------------------------------------------

REDUCTIONS = st.sampled_from(["none", "mean", "sum"])


@st.composite
def regression(draw):
    name = draw(st.sampled_from(["MSELoss", "L1Loss", "HuberLoss", "SmoothL1Loss", "PoissonNLLLoss"]))
    shape, more = (draw(ints(1, 4)), 3), {"HuberLoss": {"delta": 0.6}, "SmoothL1Loss": {"beta": 0.6}}
    return name, (), {"reduction": draw(REDUCTIONS), **more.get(name, {})}, [array(draw, *shape), array(draw, *shape)]


@st.composite
def classes(draw):
    n, c, spatial = draw(ints(1, 4)), draw(ints(2, 4)), draw(st.sampled_from([(), (2,), (2, 1)]))
    options = {"reduction": draw(REDUCTIONS), "ignore_index": draw(st.sampled_from([-100, 0]))}
    if draw(flags):
        options["weight"] = abs(array(draw, c)) + 0.1
    name = draw(st.sampled_from(["CrossEntropyLoss", "NLLLoss"]))
    if name == "CrossEntropyLoss":
        options["label_smoothing"] = draw(st.sampled_from([0.0, 0.3]))
    target = np.random.default_rng(draw(ints(0, 10**6))).integers(0, c, size=(n, *spatial))
    target.flat[0] = 1  # a mean over nothing is NaN
    return name, (), options, [array(draw, n, c, *spatial)], [target]


@st.composite
def margins(draw):
    names = ["TripletMarginLoss", "CosineEmbeddingLoss", "MarginRankingLoss", "HingeEmbeddingLoss", "SoftMarginLoss"]
    name = draw(st.sampled_from(names))
    n, options = draw(ints(1, 4)), {"reduction": draw(REDUCTIONS), "margin": draw(st.sampled_from([0.3, 1.1]))}
    signs = np.where(array(draw, n) > 0, 1.0, -1.0)
    if name == "TripletMarginLoss":
        return name, (), {**options, "swap": draw(flags), "p": 2.0}, [array(draw, n, 3) for _ in range(3)]
    if name == "CosineEmbeddingLoss":
        return name, (), options, [array(draw, n, 3), array(draw, n, 3)], [signs]
    count = 2 if name == "MarginRankingLoss" else 1
    if name == "SoftMarginLoss":
        del options["margin"]
    return name, (), options, [array(draw, n) for _ in range(count)], [signs]


@st.composite
def bits(draw):
    shape, options = (draw(ints(1, 4)), 3), {"reduction": draw(REDUCTIONS)}
    if draw(flags):
        options["weight"] = abs(array(draw, 3))
    if draw(flags):
        options["pos_weight"] = abs(array(draw, 3))
    return "BCEWithLogitsLoss", (), options, [array(draw, *shape)], [(array(draw, *shape) > 0).astype(float)]


FAMILIES = {
    f.__name__: f()
    for f in (linear, bilinear, convolution, pooling, normalization, recurrent, attention, transformer, activation)
    + (regression, classes, margins, bits)
}
families = pytest.mark.parametrize("family", FAMILIES)


def built(drawn):
    """(our module, theirs, inputs, targets) with one state."""
    name, args, options, inputs, *targets = drawn
    targets = targets[0] if targets else []
    theirs_options = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    ours, theirs = getattr(nn, name)(*args, **options).double(), getattr(torch.nn, name)(*args, **theirs_options).double()
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    return ours, theirs, inputs, targets


def first(out):
    return tt.arrays(out)[0]


def run(drawn, check):
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        check(*built(drawn))


def check_derivatives(ours, theirs, inputs, targets):
    params = list(ours.parameters()), list(theirs.parameters())
    labels = [torch.tensor(t) for t in targets]
    tt.compare(torch, lambda *x: ours(*x, *targets), lambda *x: theirs(*x, *labels), *inputs, params=params)


def check_forward_mode_and_vmap(ours, theirs, inputs, targets):
    ours.eval()
    rng = np.random.default_rng(0)
    tangents, cotangent = [rng.normal(size=x.shape) for x in inputs], None

    def f(*x):
        return first(ours(*x, *targets))

    with cr.no_grad():
        out, slope = cr.jvp(f, tuple(inputs), tuple(tangents))
        cotangent = rng.normal(size=out.shape)
        _, pull = cr.vjp(f, *inputs)
        back = sum(np.sum(t * np.asarray(g)) for t, g in zip(tangents, pull(cotangent), strict=True))
        np.testing.assert_allclose(np.sum(np.asarray(slope) * cotangent), back, rtol=1e-8, atol=1e-10)
        stacks = [np.stack([x, x + t, x - t]) for x, t in zip(inputs, tangents, strict=True)]
        batch = np.asarray(cr.vmap(f)(*stacks))
        for i, entry in enumerate(zip(*stacks, strict=True)):
            np.testing.assert_allclose(batch[i], np.asarray(f(*entry)), rtol=1e-9, atol=1e-11)


def check_compiled(ours, theirs, inputs, targets):
    ours.eval()

    def loss(module, *x):
        out = first(module(*x, *targets))
        return (out * np.linspace(0.5, 1.5, out.size).reshape(out.shape)).sum()

    def second(module, *x):
        return cr.grad(lambda x0: sum((g**2).sum() for g in [cr.grad(loss, argnums=1)(module, x0, *x[1:])]))(x[0])

    with cr.no_grad():
        for f in (loss, cr.grad(loss), cr.grad(loss, argnums=1), second):
            found, expected = cr.tree_leaves(cr.compile(f)(ours, *inputs)), cr.tree_leaves(f(ours, *inputs))
            for a, b in zip(found, expected, strict=True):
                np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-8, atol=1e-10)


def drawn_by(family, check, examples):
    @settings(max_examples=examples, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(FAMILIES[family])
    def test(drawn):
        run(drawn, check)

    test()


@families
def test_derivatives_against_torch(family):
    drawn_by(family, check_derivatives, 12)


@families
def test_forward_mode_and_vmap(family):
    drawn_by(family, check_forward_mode_and_vmap, 8)


@pytest.mark.slow
@families
def test_many_against_torch(family):
    drawn_by(family, check_derivatives, 150)


@pytest.mark.slow
@families
def test_compiled(family):
    drawn_by(family, check_compiled, 3 if family == "transformer" else 10)  # their programs are long
