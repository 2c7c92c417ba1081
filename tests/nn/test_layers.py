"""Layers and activations: closed forms, dtypes, transforms, errors, random layers."""

import math

import numpy as np
import pytest
import scipy.special

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError, ShapeError
from chainrule.nn import functional as F

X = np.random.default_rng(0).normal(size=(5, 4)) * 3


def test_linear_is_a_product_and_a_sum():
    layer = nn.Linear(4, 3, dtype=float)
    w, b = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    np.testing.assert_allclose(layer(X).detach(), X @ w.T + b, rtol=1e-13)
    np.testing.assert_allclose(layer(X[0]).detach(), X[0] @ w.T + b, rtol=1e-13)
    np.testing.assert_allclose(layer(X.reshape(5, 1, 4)).detach(), (X @ w.T + b)[:, None], rtol=1e-13)
    assert nn.Linear(4, 3, bias=False).bias is None and nn.Linear(4, 3, bias=False)(X).shape == (5, 3)


@pytest.mark.parametrize(
    "make", [np.array, cr.tensor, lambda x: x.tolist(), lambda x: x.astype(np.float32), lambda x: x.astype(int)]
)
def test_layers_take_any_input_and_keep_their_dtype(make):
    for dtype in (np.float32, np.float64):
        out = nn.Sequential(nn.Linear(4, 4, dtype=dtype), nn.LayerNorm(4, dtype=dtype), nn.ReLU(), nn.Flatten())(make(X))
        assert out.dtype == dtype and out.shape == (5, 4)
    assert nn.Linear(4, 3).weight.dtype == np.float32


def test_gradients_of_inputs_come_in_the_dtype_of_the_input():
    x = cr.tensor(X, requires_grad=True)
    nn.Linear(4, 3)(x).sum().backward()
    assert x.grad.dtype == np.float64 and x.grad.shape == X.shape


def test_wrong_shapes_are_explained():
    layer = nn.Linear(4, 3)
    with pytest.raises(ShapeError) as error:
        layer(np.ones((4, 7)))
    text = str(error.value)
    assert "Linear(in_features=4, out_features=3, bias=True)" in text and "expected: (..., 4)    found: float32 (4, 7)" in text
    assert "help: did you mean x.T?" in text
    with pytest.raises(ShapeError, match=r"help: flatten the input first"):
        layer(np.ones((5, 2, 2)))
    with pytest.raises(ShapeError, match=r"help: give the layer in_features=6"):
        layer(np.ones((5, 6)))
    with pytest.raises(ShapeError, match=r"found: float32 \(\)(.|\n)*help:"):
        layer(1.0)
    with pytest.raises(ShapeError, match=r"LayerNorm\(\(2, 3\)(.|\n)*expected: \(..., 2, 3\)    found: float64 \(3, 2\)"):
        nn.LayerNorm((2, 3), elementwise_affine=False)(np.ones((3, 2)))
    with pytest.raises(ShapeError, match="Flatten"):
        nn.Flatten()(1.0)
    with pytest.raises(ShapeError, match="linear: the input"):
        F.linear(np.ones(3), np.ones((2, 4)))


def test_flatten():
    x = np.arange(24.0).reshape(2, 3, 4)
    assert nn.Flatten()(x).tolist() == x.reshape(2, 12).tolist()
    assert nn.Flatten(0, 1)(x).shape == (6, 4) and nn.Flatten(0)(x).shape == (24,) and nn.Flatten(1)(x[0]).shape == (3, 4)
    with pytest.raises(ShapeError, match="needs at least 2 axes"):
        nn.Flatten()(np.ones(3))


def test_layer_norm():
    layer = nn.LayerNorm(4, dtype=float)
    out = layer(X).detach().numpy()
    np.testing.assert_allclose(out, (X - X.mean(1, keepdims=True)) / np.sqrt(X.var(1, keepdims=True) + 1e-5), rtol=1e-12)
    layer.weight.data, layer.bias.data = np.arange(4.0), np.ones(4)
    np.testing.assert_allclose(layer(X).detach(), out * np.arange(4.0) + 1, rtol=1e-12)
    assert nn.LayerNorm(4, bias=False).bias is None and list(nn.LayerNorm(4, elementwise_affine=False).parameters()) == []


# --- embedding --------------------------------------------------------------------------------------------------------


def test_embedding_looks_up_and_sums_gradients():
    layer = nn.Embedding(5, 2, padding_idx=-1, dtype=float)
    assert (layer.weight[4] == 0).all() and layer.padding_idx == 4
    ids = np.array([[0, 2], [2, 4]])
    out = layer(ids)
    assert np.array_equal(out.detach(), layer.weight.detach().numpy()[ids])
    out.sum().backward()
    assert layer.weight.grad.tolist() == [[1, 1], [0, 0], [2, 2], [0, 0], [0, 0]]
    fixed = nn.Embedding.from_pretrained(np.eye(3))
    assert fixed([1]).tolist() == [[0, 1, 0]] and not fixed.weight.requires_grad
    per_entry = cr.vmap(layer)(ids)
    assert np.array_equal(per_entry.detach(), out.detach())


def test_embedding_errors():
    layer = nn.Embedding(5, 2)
    with pytest.raises(nn.IndexRangeError, match=r"at least 0 and below 5(.|\n)*found: 7 at position \(0, 1\)(.|\n)*help:"):
        layer(np.array([[1, 7]]))
    with pytest.raises(IndexError, match="negative numbers do not count from the end"):
        layer(cr.tensor([-1]))
    with pytest.raises(ArgumentError, match="must hold integers"):
        layer(np.array([1.0]))
    with pytest.raises(ArgumentError, match="padding_idx"):
        nn.Embedding(5, 2, padding_idx=5)


def test_one_hot():
    assert F.one_hot(np.array([[1], [0]]), 3).tolist() == [[[0, 1, 0]], [[1, 0, 0]]]
    assert F.one_hot(cr.tensor([2, 0])).tolist() == [[0, 0, 1], [1, 0, 0]] and F.one_hot([0]).dtype == np.int64
    with pytest.raises(nn.IndexRangeError):
        F.one_hot([3], 3)
    with pytest.raises(ArgumentError, match="how many classes"):
        F.one_hot(np.array([], int))


# --- activations ------------------------------------------------------------------------------------------------------

SIGMOID = scipy.special.expit(X)
ACTIVATIONS = [
    (nn.ReLU(), np.maximum(X, 0)),
    (nn.Sigmoid(), SIGMOID),
    (nn.LogSigmoid(), np.log(SIGMOID)),
    (nn.Tanh(), np.tanh(X)),
    (nn.Softplus(), np.log1p(np.exp(X))),
    (nn.Softplus(beta=2.0), np.log1p(np.exp(2 * X)) / 2),
    (nn.Softplus(beta=2.0, threshold=1.0), np.where(2 * X > 1, X, np.log1p(np.exp(2 * X)) / 2)),
    (nn.SiLU(), X * SIGMOID),
    (nn.GELU(), X * scipy.special.ndtr(X)),
    (nn.GELU("tanh"), 0.5 * X * (1 + np.tanh(math.sqrt(2 / math.pi) * (X + 0.044715 * X**3)))),
    (nn.LeakyReLU(0.2), np.where(X > 0, X, 0.2 * X)),
    (nn.ELU(), np.where(X > 0, X, np.expm1(X))),
    (nn.ELU(0.5), np.where(X > 0, X, 0.5 * np.expm1(X))),
    (nn.Softmax(dim=0), scipy.special.softmax(X, 0)),
    (nn.Softmax(), scipy.special.softmax(X, 1)),
    (nn.LogSoftmax(dim=1), scipy.special.log_softmax(X, 1)),
    (nn.Identity(1, unused=2), X),
]


@pytest.mark.parametrize("layer, expected", ACTIVATIONS, ids=lambda v: repr(v) if isinstance(v, nn.Module) else "")
def test_activations(layer, expected):
    out = layer(X)
    assert isinstance(out, np.ndarray), "plain arrays in, plain arrays out"
    np.testing.assert_allclose(out, expected, rtol=1e-13, atol=1e-15)
    assert layer(X.astype(np.float32)).dtype == np.float32
    rng = np.random.default_rng(1)
    t, g, h = rng.normal(size=X.shape), rng.normal(size=X.shape), 1e-5
    _, slope = cr.jvp(layer, (X,), (t,))
    points = [layer(X + s * h * t) for s in (-2, -1, 1, 2)]
    np.testing.assert_allclose(slope, (8 * (points[2] - points[1]) - (points[3] - points[0])) / (12 * h), rtol=1e-7, atol=1e-9)
    _, pull = cr.vjp(layer, X)
    assert np.isclose(np.sum(pull(g)[0] * t), np.sum(g * slope), rtol=1e-11)

    def push(x):
        return cr.jvp(layer, (x,), (t,))[1]

    points = [push(X + s * h * g) for s in (-2, -1, 1, 2)]
    np.testing.assert_allclose(
        cr.jvp(push, (X,), (g,))[1], (8 * (points[2] - points[1]) - (points[3] - points[0])) / (12 * h), rtol=1e-6, atol=1e-8
    )


def test_activations_without_overflow():
    big = np.array([-1000.0, 1000.0])
    for layer in (nn.ELU(), nn.Softplus(), nn.SiLU(), nn.GELU(), nn.LogSigmoid(), nn.LogSoftmax()):
        value, slope = cr.jvp(layer, (big,), (np.ones(2),))
        assert np.isfinite(value).all() and np.isfinite(slope).all()


def test_in_place_activations_bind_their_input(way):
    if way == "compiled":
        pytest.skip("gives its argument another history, which no program does again: such calls always run for real")
    x = cr.tensor([-1.0, 2.0], requires_grad=True)
    y = x * 1
    z = nn.ReLU(inplace=True)(y)
    assert z is y and y.tolist() == [0, 2]
    y.sum().backward()
    assert x.grad.tolist() == [0, 1]


def test_softmax_asks_which_axis():
    with pytest.raises(ArgumentError, match="along which axis"):
        nn.Softmax()(np.ones((2, 3, 4)))
    with pytest.raises(ArgumentError, match="gelu"):
        nn.GELU("fast")(X)


# --- dropout ----------------------------------------------------------------------------------------------------------


def test_dropout_while_training():
    cr.manual_seed(0)
    x = np.ones((200, 100))
    layer = nn.Dropout(0.25)
    out = layer(x)
    assert isinstance(out, np.ndarray) and set(np.unique(out)) == {0.0, 1 / 0.75}
    assert abs((out == 0).mean() - 0.25) < 0.02 and abs(out.mean() - 1) < 0.03
    assert not np.array_equal(layer(x), layer(x))
    assert layer(x.astype(np.float32)).dtype == np.float32
    assert (nn.Dropout(1.0)(x) == 0).all() and nn.Dropout(0.0)(x) is x
    t = cr.tensor(x, requires_grad=True)
    y = layer(t)
    y.sum().backward()
    assert np.array_equal(t.grad.numpy(), y.detach().numpy()), "the derivative passes where the value did"


def test_dropout_repeats_with_the_seed_and_is_off_in_evaluation():
    layer, x = nn.Dropout(), np.ones(50)
    cr.manual_seed(3)
    first = layer(x)
    cr.manual_seed(3)
    assert np.array_equal(layer(x), first)
    before = cr.get_rng_state()
    layer.eval()
    assert layer(x) is x and np.array_equal(cr.get_rng_state(), before), "evaluation draws nothing"
    cr.manual_seed(3)
    grads = cr.grad(lambda x: layer.train()(x).sum())(x)
    assert np.array_equal(grads, first)
    with pytest.raises(ArgumentError, match="probability"):
        nn.Dropout(1.5)


# --- first values -----------------------------------------------------------------------------------------------------


def test_linear_starts_as_in_pytorch():
    cr.manual_seed(0)
    layer = nn.Linear(100, 200)
    bound = 1 / math.sqrt(100)
    for p in layer.parameters():
        values = p.detach().numpy()
        assert np.abs(values).max() <= bound and np.abs(values).max() > 0.97 * bound and abs(values.mean()) < 0.1 * bound
    cr.manual_seed(0)
    assert np.array_equal(nn.Linear(100, 200).weight.detach(), layer.weight.detach())
    assert nn.Linear(0, 2)(np.ones((3, 0))).shape == (3, 2)


@pytest.mark.parametrize(
    "fill, std, bound",
    [
        (lambda w: nn.init.uniform_(w, -1, 3), 4 / math.sqrt(12), 3),
        (lambda w: nn.init.normal_(w, 0, 2), 2, None),
        (nn.init.xavier_uniform_, math.sqrt(2 / 500), math.sqrt(6 / 500)),
        (lambda w: nn.init.xavier_normal_(w, 3.0), 3 * math.sqrt(2 / 500), None),
        (nn.init.kaiming_uniform_, math.sqrt(2 / 300), math.sqrt(6 / 300)),
        (lambda w: nn.init.kaiming_normal_(w, mode="fan_out", nonlinearity="tanh"), 5 / 3 / math.sqrt(200), None),
        (lambda w: nn.init.trunc_normal_(w, 0.0, 2.0, -2.0, 2.0), 2 * 0.5396, 2),
    ],
)
def test_random_fills(fill, std, bound):
    cr.manual_seed(1)
    w = nn.Parameter(np.zeros((200, 300), np.float32))
    assert fill(w) is w and w.requires_grad and w.dtype == np.float32
    values = w.detach().numpy()
    assert abs(values.std() / std - 1) < 0.02
    if bound:
        assert values.max() <= bound and values.max() > 0.99 * bound


def test_other_fills():
    w = nn.Parameter(np.zeros((4, 2, 3)))
    q = nn.init.orthogonal_(w, 2.0).detach().numpy().reshape(4, 6)
    np.testing.assert_allclose(q @ q.T, 4 * np.eye(4), atol=1e-12)
    q = nn.init.orthogonal_(nn.Parameter(np.zeros((6, 2)))).detach().numpy()
    np.testing.assert_allclose(q.T @ q, np.eye(2), atol=1e-12)
    assert (nn.init.ones_(w) == 1).all() and (nn.init.zeros_(w) == 0).all() and (nn.init.constant_(w, 5) == 5).all()
    assert nn.init.eye_(nn.Parameter(np.zeros((2, 3)))).tolist() == np.eye(2, 3).tolist()
    assert nn.init.fans(nn.Parameter(np.zeros((4, 3, 5, 5)))) == (75, 100)
    with pytest.raises(ShapeError, match="at least two axes"):
        nn.init.xavier_uniform_(nn.Parameter(np.zeros(3)))
    with pytest.raises(ArgumentError, match="unknown activation"):
        nn.init.calculate_gain("swish")
    with pytest.raises(ArgumentError, match="mode"):
        nn.init.kaiming_normal_(w, mode="in")


# --- whole models -----------------------------------------------------------------------------------------------------


def test_clipping():
    a, b = nn.Parameter([3.0, 0.0]), nn.Parameter([[4.0]])
    frozen = nn.Parameter([1.0])

    def fill():
        a.grad, b.grad = np.array([3.0, 0.0]), np.array([[-4.0]])

    fill()
    assert nn.utils.clip_grad_norm_([a, b, frozen], 10.0).item() == 5 and a.grad.tolist() == [3, 0]
    assert nn.utils.clip_grad_norm_(iter([a, b]), 1.0).item() == 5
    np.testing.assert_allclose([a.grad[0].item(), b.grad.item()], [0.6, -0.8], rtol=1e-5)
    fill()
    kept = a.grad.detach().numpy()
    assert nn.utils.clip_grad_norm_([a, b], 2.0, math.inf).item() == 4
    assert np.isclose(b.grad.item(), -2, rtol=1e-5) and kept.tolist() == [3, 0]
    nn.utils.clip_grad_value_([a, b], 1.0)
    assert a.grad.tolist()[0] == 1 and b.grad.tolist() == [[-1]]
    a.grad = np.array([np.nan, 0])
    with pytest.raises(ArgumentError, match="norm of the gradients is nan"):
        nn.utils.clip_grad_norm_(a, 1.0, error_if_nonfinite=True)
    assert nn.utils.clip_grad_norm_([frozen], 1.0).item() == 0


def test_parameters_as_one_vector():
    layer = nn.Linear(2, 3)
    v = nn.utils.parameters_to_vector(layer.parameters())
    assert v.shape == (9,) and v.requires_grad and v[:6].tolist() == layer.weight.ravel().tolist()
    new = np.arange(9.0)
    nn.utils.vector_to_parameters(new, layer.parameters())
    new[:] = 0
    assert (
        layer.weight.dtype == np.float32
        and layer.weight.tolist() == [[0, 1], [2, 3], [4, 5]]
        and layer.bias.tolist() == [6, 7, 8]
    )
    layer.double()
    new = np.arange(9.0)
    nn.utils.vector_to_parameters(new, layer.parameters())
    new[:] = 0
    assert layer.bias.tolist() == [6, 7, 8], "parameters do not share memory with the vector"
    with pytest.raises(ShapeError, match=r"expected: \(9,\)    found: \(8,\)"):
        nn.utils.vector_to_parameters(np.ones(8), layer.parameters())


def test_recorded_dropout_draws_anew():
    layer, x = nn.Dropout(), np.ones(50)
    cr.manual_seed(5)
    eager = [layer(x) for _ in range(3)]
    cr.manual_seed(5)
    program = cr.graph(layer.forward)(x)
    for expected in eager[1:]:
        assert np.array_equal(np.asarray(program(x)), expected)


def test_recorded_dropout_of_a_constant_draws_anew():
    layer, x = nn.Dropout(), np.ones(50)
    cr.manual_seed(5)
    eager = [layer(x) for _ in range(3)]
    cr.manual_seed(5)
    program = cr.graph(lambda: layer(x))()
    for expected in eager[1:]:
        assert np.array_equal(cr.asarray(program()).numpy(), expected)


def test_recorded_parameters_are_read_when_the_program_runs():
    layer = nn.Linear(4, 3, dtype=float)
    program = cr.graph(layer)(X)
    nn.init.ones_(layer.weight), nn.init.zeros_(layer.bias)
    out = cr.asarray(program(X)).detach()
    np.testing.assert_allclose(out, X.sum(1, keepdims=True) * np.ones(3), rtol=1e-12)


@pytest.mark.parametrize("shape, mode", [((3, 0), "fan_in"), ((0, 3), "fan_out"), ((2, 0, 3), "fan_in")])
def test_initialisers_of_weights_without_elements(shape, mode):
    weight = cr.zeros(shape)
    for initialise in (nn.init.kaiming_uniform_, nn.init.kaiming_normal_):
        assert initialise(weight, mode=mode) is weight
    for slope in ("a", True):
        with pytest.raises(ArgumentError, match="a slope is a number"):
            nn.init.calculate_gain("leaky_relu", slope)
