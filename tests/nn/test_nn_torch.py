"""Layers and losses against PyTorch: values and gradients of parameters and inputs."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.nn import functional as F

torch = pytest.importorskip("torch")

TOLERANCE = {np.float32: {"rtol": 1e-5, "atol": 1e-5}, np.float64: {"rtol": 1e-10, "atol": 1e-10}}
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])


def leaf(x):
    return torch.tensor(x, requires_grad=True)


def same_state(ours, theirs):
    theirs.to(torch.float64 if next(iter(ours.parameters())).dtype == np.float64 else torch.float32)
    theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in ours.state_dict().items()})
    assert list(ours.state_dict()) == list(theirs.state_dict())


def compare(ours, theirs, shape, dtype, seed=0):
    """Values, gradients of the input and of all parameters, with a random cotangent."""
    rng = np.random.default_rng(seed)
    x = (2 * rng.normal(size=shape)).astype(dtype)
    a, b = cr.tensor(x, requires_grad=True), leaf(x)
    out, expected = ours(a), theirs(b)
    g = rng.normal(size=expected.shape).astype(dtype)
    assert out.dtype == dtype
    np.testing.assert_allclose(out.detach(), expected.detach().numpy(), **TOLERANCE[dtype])
    out.backward(g)
    expected.backward(torch.tensor(g))
    np.testing.assert_allclose(a.grad, b.grad.numpy(), **TOLERANCE[dtype])
    for (name, p), (other, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert name == other
        np.testing.assert_allclose(p.grad, q.grad.numpy(), err_msg=name, **TOLERANCE[dtype])


LAYERS = [
    ("Linear", (4, 3), {}, (5, 4)),
    ("Linear", (4, 3), {"bias": False}, (2, 5, 4)),
    ("Linear", (4, 3), {}, (4,)),
    ("LayerNorm", (4,), {}, (5, 4)),
    ("LayerNorm", ((3, 4),), {"eps": 1e-3}, (2, 3, 4)),
    ("LayerNorm", (4,), {"bias": False}, (5, 4)),
    ("LayerNorm", (4,), {"elementwise_affine": False}, (5, 4)),
    ("Flatten", (), {}, (2, 3, 4)),
    ("Flatten", (0, 1), {}, (2, 3, 4)),
    ("Identity", (), {}, (2, 3)),
    ("ReLU", (), {}, (4, 5)),
    ("Sigmoid", (), {}, (4, 5)),
    ("LogSigmoid", (), {}, (4, 5)),
    ("Tanh", (), {}, (4, 5)),
    ("Softplus", (), {}, (4, 5)),
    ("Softplus", (3.0, 2.0), {}, (4, 5)),
    ("SiLU", (), {}, (4, 5)),
    ("GELU", (), {}, (4, 5)),
    ("GELU", (), {"approximate": "tanh"}, (4, 5)),
    ("LeakyReLU", (), {}, (4, 5)),
    ("LeakyReLU", (0.3,), {}, (4, 5)),
    ("ELU", (), {}, (4, 5)),
    ("ELU", (0.5,), {}, (4, 5)),
    ("Softmax", (), {"dim": 1}, (2, 3, 4)),
    ("LogSoftmax", (), {"dim": -1}, (2, 3, 4)),
]


@dtypes
@pytest.mark.parametrize("name, args, options, shape", LAYERS, ids=lambda v: v if isinstance(v, str) else "")
def test_layers(name, args, options, shape, dtype):
    ours, theirs = getattr(nn, name)(*args, **options), getattr(torch.nn, name)(*args, **options)
    if list(ours.parameters()):
        ours.to(dtype)
        for p in ours.parameters():
            nn.init.normal_(p)
        same_state(ours, theirs)
    compare(ours, theirs, shape, dtype)
    if name not in ("Softplus", "Softmax", "LogSoftmax"):
        assert repr(ours) == repr(theirs)


@dtypes
def test_embedding(dtype):
    ids = np.array([[0, 3, 3], [1, 4, 0]])
    ours, theirs = nn.Embedding(5, 3, padding_idx=3, dtype=dtype), torch.nn.Embedding(5, 3, padding_idx=3)
    same_state(ours, theirs)
    a, b = ours(ids), theirs(torch.tensor(ids))
    np.testing.assert_allclose(a.detach(), b.detach().numpy())
    g = np.random.default_rng(0).normal(size=a.shape).astype(dtype)
    a.backward(g)
    b.backward(torch.tensor(g))
    np.testing.assert_allclose(ours.weight.grad, theirs.weight.grad.numpy(), rtol=1e-6)
    assert repr(ours) == repr(theirs)


@dtypes
def test_a_whole_model(dtype):
    def build(lib):
        return lib.Sequential(
            lib.Linear(6, 16), lib.GELU(), lib.LayerNorm(16), lib.Linear(16, 8), lib.SiLU(), lib.Dropout(0.5), lib.Linear(8, 3)
        )

    ours, theirs = build(nn).to(dtype).eval(), build(torch.nn).eval()
    same_state(ours, theirs)
    assert repr(ours) == repr(theirs)
    compare(ours, theirs, (7, 6), dtype)


RNG = np.random.default_rng(0)
SCORES, LABELS = RNG.normal(size=(6, 4)), np.array([1, 3, 0, 2, 3, 1])
IGNORING = np.array([1, -100, 0, 2, -100, 1])
IMAGE, IMAGE_LABELS = RNG.normal(size=(2, 4, 3, 2)), RNG.integers(0, 4, size=(2, 3, 2))
WEIGHT = np.array([0.5, 1.0, 2.0, 3.0])
UNIT, OTHER = RNG.uniform(0.05, 0.95, size=(6, 4)), RNG.uniform(0.05, 0.95, size=(6, 4))
BITS = RNG.integers(0, 2, size=(6, 4)).astype(float)
LOGP = np.log(UNIT / UNIT.sum(1, keepdims=True))
PROBABILITIES = OTHER / OTHER.sum(1, keepdims=True)

LOSSES = [
    ("mse_loss", SCORES, OTHER, {}),
    ("l1_loss", SCORES, OTHER, {}),
    ("huber_loss", 2 * SCORES, OTHER, {}),
    ("huber_loss", 2 * SCORES, OTHER, {"delta": 0.3}),
    ("smooth_l1_loss", 2 * SCORES, OTHER, {}),
    ("smooth_l1_loss", 2 * SCORES, OTHER, {"beta": 0.3}),
    ("smooth_l1_loss", 2 * SCORES, OTHER, {"beta": 0.0}),
    ("binary_cross_entropy", UNIT, BITS, {}),
    ("binary_cross_entropy", UNIT, OTHER, {"weight": WEIGHT}),
    ("binary_cross_entropy_with_logits", SCORES, BITS, {}),
    ("binary_cross_entropy_with_logits", SCORES, OTHER, {"weight": OTHER, "pos_weight": WEIGHT}),
    ("kl_div", LOGP, PROBABILITIES, {}),
    ("kl_div", LOGP, np.log(PROBABILITIES), {"log_target": True}),
    ("nll_loss", LOGP, LABELS, {}),
    ("nll_loss", LOGP, IGNORING, {"weight": WEIGHT}),
    ("nll_loss", IMAGE, IMAGE_LABELS, {"ignore_index": 2}),
    ("cross_entropy", SCORES, LABELS, {}),
    ("cross_entropy", SCORES[0], LABELS[0], {}),
    ("cross_entropy", SCORES, LABELS, {"weight": WEIGHT}),
    ("cross_entropy", SCORES, IGNORING, {}),
    ("cross_entropy", SCORES, IGNORING, {"weight": WEIGHT}),
    ("cross_entropy", SCORES, LABELS, {"label_smoothing": 0.2}),
    ("cross_entropy", SCORES, IGNORING, {"label_smoothing": 0.2}),
    ("cross_entropy", SCORES, IGNORING, {"label_smoothing": 0.2, "weight": WEIGHT}),
    ("cross_entropy", IMAGE, IMAGE_LABELS, {"ignore_index": 1, "weight": WEIGHT, "label_smoothing": 0.1}),
    ("cross_entropy", IMAGE, IMAGE_LABELS, {}),
    ("cross_entropy", SCORES, PROBABILITIES, {}),
    ("cross_entropy", SCORES, PROBABILITIES, {"weight": WEIGHT, "label_smoothing": 0.2}),
    ("cross_entropy", IMAGE, np.moveaxis(RNG.dirichlet(np.ones(4), size=(2, 3, 2)), -1, 1), {"weight": WEIGHT}),
    ("cross_entropy", SCORES[0], PROBABILITIES[0], {"label_smoothing": 0.2}),
]


@dtypes
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name, x, target, options", LOSSES, ids=lambda v: v if isinstance(v, str) else "")
def test_losses(name, x, target, options, reduction, dtype):
    if name == "kl_div" and reduction == "mean":
        reduction = "batchmean"  # PyTorch warns of its own "mean"; it is tested without it
    x = x.astype(dtype)
    target = target.astype(dtype) if target.dtype.kind == "f" else target
    a, b = cr.tensor(x, requires_grad=True), leaf(x)
    theirs = {k: torch.tensor(v.astype(dtype)) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    expected = getattr(torch.nn.functional, name)(b, torch.tensor(target), reduction=reduction, **theirs)
    out = getattr(F, name)(a, target, reduction=reduction, **options)
    assert out.dtype == dtype and out.shape == tuple(expected.shape)
    np.testing.assert_allclose(out.detach(), expected.detach().numpy(), **TOLERANCE[dtype])
    g = np.random.default_rng(1).normal(size=out.shape).astype(dtype)
    out.backward(g)
    expected.backward(torch.tensor(g))
    np.testing.assert_allclose(a.grad, b.grad.numpy(), **TOLERANCE[dtype])


def test_defaults_of_the_loss_classes():
    for name in ("MSELoss", "L1Loss", "HuberLoss", "SmoothL1Loss", "BCELoss", "BCEWithLogitsLoss"):
        a, b = getattr(nn, name)(), getattr(torch.nn, name)()
        assert np.isclose(a(UNIT, BITS), b(torch.tensor(UNIT), torch.tensor(BITS)).item(), rtol=1e-12)
    for name in ("CrossEntropyLoss", "NLLLoss"):
        a, b = getattr(nn, name)(WEIGHT), getattr(torch.nn, name)(torch.tensor(WEIGHT))
        assert np.isclose(a(LOGP, IGNORING).item(), b(torch.tensor(LOGP), torch.tensor(IGNORING)).item(), rtol=1e-12)


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, float("inf")])
def test_clip_grad_norm(norm_type):
    shapes = [(3, 4), (5,), ()]
    grads = [np.asarray(RNG.normal(size=s)) for s in shapes]
    ours, theirs = [nn.Parameter(np.zeros(s)) for s in shapes], [leaf(np.zeros(s)) for s in shapes]
    for p, q, g in zip(ours, theirs, grads, strict=True):
        p.grad, q.grad = g, torch.tensor(g)
    total = nn.utils.clip_grad_norm_(ours, 0.5, norm_type)
    assert np.isclose(total.item(), torch.nn.utils.clip_grad_norm_(theirs, 0.5, norm_type).item(), rtol=1e-12)
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=1e-12)


def test_gains_and_bounds():
    for name, param in (
        ("linear", None),
        ("relu", None),
        ("tanh", None),
        ("selu", None),
        ("leaky_relu", 0.2),
        ("conv2d", None),
    ):
        assert np.isclose(nn.init.calculate_gain(name, param), torch.nn.init.calculate_gain(name, param))
    for name in ("xavier_uniform_", "kaiming_uniform_", "xavier_normal_", "kaiming_normal_"):
        p, q = nn.Parameter(np.zeros((100, 60, 3))), torch.zeros((100, 60, 3), dtype=torch.float64)
        getattr(nn.init, name)(p), getattr(torch.nn.init, name)(q)
        assert np.isclose(p.detach().numpy().std(), q.std().item(), rtol=0.05)


def nested(lib):
    """A model of many kinds of layers inside each other, with buffers."""

    class Net(lib.Module):
        def __init__(self):
            super().__init__()
            self.features = lib.Sequential(
                lib.Conv2d(1, 6, 3, padding=1), lib.BatchNorm2d(6), lib.ReLU(), lib.MaxPool2d(2), lib.Conv2d(6, 8, 3, groups=2)
            )
            self.words = lib.ModuleDict({"table": lib.Embedding(11, 8, padding_idx=0)})
            layer = lib.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
            self.encoder = lib.TransformerEncoder(layer, 2, **({} if lib is nn else {"enable_nested_tensor": False}))
            self.memory = lib.LSTM(8, 4, num_layers=2, bidirectional=True, batch_first=True)
            self.heads = lib.ModuleList([lib.Linear(8, 3), lib.Linear(8, 2, bias=False)])
            self.register_buffer("scale", (np.array if lib is nn else torch.tensor)([2.0]))

        def forward(self, image, words):
            seen = self.features(image)
            seen = seen.reshape((*tuple(seen.shape)[:2], -1)).mean(-1)
            out, _ = self.memory(self.encoder(self.words["table"](words)))
            mixed = out.mean(1) + seen
            return self.heads[0](mixed) * self.scale, self.heads[1](mixed)

    return Net()


def test_a_nested_state_dict_loads_and_agrees_in_float32():
    ours, theirs = nested(nn), nested(torch.nn)
    for p in theirs.parameters():  # copies of one layer start alike; a swap would not be seen
        torch.nn.init.normal_(p, std=0.3)
    assert ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()}) == ([], [])
    image, words = RNG.normal(size=(4, 1, 8, 8)).astype("f"), RNG.integers(0, 11, size=(4, 5))
    for mode in (True, False):
        ours.train(mode).zero_grad()
        theirs.train(mode).zero_grad()
        found, expected = ours(image, words), theirs(torch.tensor(image), torch.tensor(words))
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a.detach(), b.detach().numpy(), rtol=1e-5, atol=1e-5)
        sum((a * (i + 1)).tanh().sum() for i, a in enumerate(found)).backward()
        sum((b * (i + 1)).tanh().sum() for i, b in enumerate(expected)).backward()
        for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
            size = max(1, q.grad.abs().max().item())
            np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=1e-5, atol=1e-5 * size, err_msg=name)
        for (name, a), b in zip(ours.named_buffers(), theirs.buffers(), strict=True):
            np.testing.assert_allclose(a, b.numpy(), rtol=1e-5, atol=1e-6, err_msg=name)


def test_all_that_does_not_fit_is_listed_at_once():
    state = {k: v.numpy() for k, v in nested(torch.nn).state_dict().items()}
    state["heads.0.weight"] = np.zeros((3, 9))
    state["encoder.layers.1.norm1.bias"] = np.zeros(7)
    del state["features.1.running_mean"], state["memory.bias_hh_l1"]
    state["heads.2.weight"] = np.zeros(3)
    model = nested(nn)
    before = {k: v.numpy().copy() for k, v in model.state_dict().items()}
    with pytest.raises(nn.StateDictError) as error:
        model.load_state_dict(state)
    text = str(error.value)
    for line in (
        "missing: features.1.running_mean, memory.bias_hh_l1",
        "unexpected: heads.2.weight",
        "wrong shape: heads.0.weight: expected (3, 8), found (3, 9)",
        "wrong shape: encoder.layers.1.norm1.bias: expected (8,), found (7,)",
    ):
        assert line in text
    assert all(np.array_equal(v, before[k]) for k, v in model.state_dict().items())


def test_errors_say_where_in_the_model():
    model = nested(nn)
    image, words = np.ones((2, 1, 8, 8)), np.zeros((2, 5), int)
    with pytest.raises(
        nn.IndexRangeError, match=r"(.|\n)*found: 12 at position \(1, 2\)(.|\n)*\n  in: words.table of Net\n  help"
    ):
        model(image, np.where(np.arange(10).reshape(2, 5) == 7, 12, words))
    with pytest.raises(ValueError, match=r"in: features.0 of Net\n"):
        model(np.ones((2, 3, 8, 8)), words)
    model.encoder.layers[1].self_attn = nn.MultiheadAttention(6, 2, batch_first=True)
    with pytest.raises(ValueError, match=r"(?s)MultiheadAttention(.*)in: encoder.layers.1.self_attn of Net\n"):
        model(image, words)
    with pytest.raises(ValueError) as alone:
        nn.Linear(2, 3)(np.ones((4, 5)))
    assert "in:" not in str(alone.value)
