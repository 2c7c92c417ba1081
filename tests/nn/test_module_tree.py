"""A Module as a tree of arrays, and under transforms."""

import numpy as np
import pytest
from module_tools import Net, Tied, loss_of

import chainrule as cr
from chainrule import nn
from chainrule.errors import NonDifferentiableError, TreeError


def test_grad_gives_a_module_of_gradients_equal_to_backward(data):
    model = Net(float)
    value, grads = cr.value_and_grad(loss_of)(model, *data)
    loss = loss_of(model, *data)
    loss.backward()
    assert np.isclose(value.item(), loss.item(), rtol=1e-14)
    assert type(grads) is Net and grads is not model
    for (name, p), (other, g) in zip(model.named_parameters(), grads.named_parameters(), strict=True):
        assert name == other
        np.testing.assert_allclose(g.detach(), p.grad, rtol=1e-12, atol=1e-15)
    assert grads.offset is model.offset, "buffers are shared"
    assert all(isinstance(p, nn.Parameter) for p in model.parameters()), "the model itself is untouched"


def test_grad_without_the_outer_tape(data):
    model = Net(float)
    with cr.no_grad():
        grads = cr.grad(loss_of)(model, *data)
    loss_of(model, *data).backward()
    np.testing.assert_allclose(grads.fc1.weight.numpy(), model.fc1.weight.grad, rtol=1e-12)


def test_a_functional_training_step(data):
    model = Net(float)
    first = loss_of(model, *data).item()
    with cr.no_grad():
        for _ in range(20):
            grads = cr.grad(loss_of)(model, *data)
            model = cr.tree_map(lambda p, g: p - 0.5 * g, model, grads)
    assert loss_of(model, *data).item() < 0.8 * first


def test_leaves_are_the_parameters_and_have_labels():
    model = nn.Sequential(nn.Linear(2, 2), Net())
    leaves, structure = cr.trees.flatten({"model": model})
    assert all(a is b for a, b in zip(leaves, model.parameters(), strict=True))
    assert cr.trees.paths(structure)[:3] == ["['model'][0].weight", "['model'][0].bias", "['model'][1].scale"]
    assert str(structure).startswith("{'model': Sequential(")
    twin = cr.trees.unflatten(structure, leaves)["model"]
    assert twin is not model and twin[1] is not model[1] and twin[1].fc1.weight is model[1].fc1.weight
    assert hash(structure.children[0].meta) == hash(cr.trees.flatten(twin)[1].meta)


def test_modules_of_different_structure_do_not_match():
    with pytest.raises(TreeError):
        cr.tree_map(lambda a, b: a, nn.Linear(2, 2, bias=False), nn.Linear(2, 2))
    with pytest.raises(TreeError):
        cr.tree_map(lambda a, b: a, nn.Sequential(nn.Linear(2, 2)), nn.ModuleList([nn.Linear(2, 2)]))
    model = nn.Linear(2, 2, bias=False)
    assert cr.tree_map(lambda a, b: a + b, model, cr.tree_map(lambda p: 0 * p, model)).bias is None


def test_errors_name_the_parameter():
    model = nn.Sequential(nn.Linear(2, 2))
    broken = cr.tree_map(lambda p: p.detach().astype(int), model)
    with pytest.raises(NonDifferentiableError, match=r"\[0\]\.weight"):
        cr.grad(lambda m: 1.0)(broken)


def test_a_tied_parameter_is_one_leaf():
    model, x = Tied(), np.linspace(-1, 1, 6).reshape(2, 3)
    assert [n for n, _ in model.named_parameters()] == ["a.weight", "a.bias", "b.bias"]
    assert "b.weight" in dict(model.named_parameters(remove_duplicate=False)) and "b.weight" in model.state_dict()

    def loss(m):
        return (m(x) ** 2).sum()

    grads = cr.grad(loss)(model)
    assert grads.a.weight is grads.b.weight and len(list(grads.parameters())) == 3
    loss(model).backward()
    np.testing.assert_allclose(grads.a.weight.detach(), model.a.weight.grad, rtol=1e-12)

    def untied(w1, w2):
        return (cr.matmul(cr.tanh(x @ w1.T + model.a.bias.detach()), w2.T) + model.b.bias.detach()).__pow__(2).sum()

    w = model.a.weight.detach().numpy()
    g1, g2 = cr.grad(untied, (0, 1))(w, w)
    np.testing.assert_allclose(grads.a.weight.detach(), np.asarray(g1 + g2), rtol=1e-12)


def test_ties_are_those_of_the_original():
    """Equal leaves are no ties, and ties stay ties whatever the leaves are."""
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    shared = np.zeros(1)
    ones = cr.tree_map(lambda p: shared, model)
    assert len(cr.tree_leaves(ones)) == 4 and len(list(ones.parameters())) == 4
    tied = cr.tree_map(lambda p: 1, cr.tree_map(lambda p: np.array(p.detach()), Tied()))
    assert len(cr.tree_leaves(tied)) == 3 and len(cr.tree_leaves(tied.b)) == 2
    cr.tree_map(lambda a, b: a, Tied(), tied)


def test_a_module_used_twice_stays_one():
    inner = nn.Linear(2, 2, dtype=float)
    model = nn.Sequential(inner, nn.Tanh(), inner)
    grads = cr.grad(lambda m: m(np.ones(2)).sum())(model)
    assert grads[0] is grads[2] and len(cr.tree_leaves(grads)) == 2
    model(np.ones(2)).sum().backward()
    np.testing.assert_allclose(grads[0].weight.detach(), inner.weight.grad, rtol=1e-13)


def flat_loss(model, x, y):
    """The loss as a function of one vector, without Modules or trees in the derivative."""
    names = [n for n, _ in model.named_parameters()]
    shapes = [p.shape for p in model.parameters()]

    def f(v):
        values, start = {}, 0
        for n, s in zip(names, shapes, strict=True):
            size = int(np.prod(s))
            values[n] = v[start : start + size].reshape(s)
            start += size
        h = np.tanh(x @ values["fc1.weight"].T + values["fc1.bias"])
        z = (h @ values["fc2.weight"].T + values["fc2.bias"]) * values["scale"]
        return float(np.mean(np.log(np.exp(z).sum(1)) - z[np.arange(len(y)), y]))

    return f


def test_jvp_is_the_slope(data):
    model, rng = Net(float), np.random.default_rng(1)
    t = cr.tree_map(lambda p: rng.normal(size=p.shape), model)
    _, slope = cr.jvp(lambda m: loss_of(m, *data), (model,), (t,))
    v = nn.utils.parameters_to_vector(model.parameters()).detach().numpy()
    dv = nn.utils.parameters_to_vector(t.parameters())
    f, h = flat_loss(model, *data), 1e-5
    expected = (8 * (f(v + h * dv) - f(v - h * dv)) - (f(v + 2 * h * dv) - f(v - 2 * h * dv))) / (12 * h)
    assert np.isclose(slope.item(), expected, rtol=1e-8)


def test_second_order_product(data):
    model, rng = Net(float), np.random.default_rng(2)
    t = cr.tree_map(lambda p: rng.normal(size=p.shape), model)
    gradient = cr.grad(lambda m: loss_of(m, *data))
    _, product = cr.jvp(gradient, (model,), (t,))
    h = 1e-4

    def at(s):
        return cr.tree_leaves(gradient(cr.tree_map(lambda p, d: p.detach().numpy() + s * h * d, model, t)))

    points = [at(s) for s in (-2, -1, 1, 2)]
    for have, *slopes in zip(cr.tree_leaves(product), *points, strict=True):
        a, b, c, d = (np.asarray(s) for s in slopes)
        np.testing.assert_allclose(have.detach(), (8 * (c - b) - (d - a)) / (12 * h), rtol=1e-6, atol=1e-10)
    twice = cr.grad(lambda m: sum((g * d).sum() for g, d in zip(cr.tree_leaves(gradient(m)), cr.tree_leaves(t), strict=True)))(
        model
    )
    for have, other in zip(cr.tree_leaves(product), cr.tree_leaves(twice), strict=True):
        np.testing.assert_allclose(have.detach(), other.detach(), rtol=1e-9, atol=1e-13)


def test_vmap_over_inputs_and_over_models(data):
    x, y = data
    models = [Net(float), Net(float)]
    per_example = cr.vmap(models[0])(x)
    np.testing.assert_allclose(per_example.detach(), models[0](x).detach(), rtol=1e-12)
    stacked = cr.tree_map(lambda *ps: np.stack([p.detach().numpy() for p in ps]), *models)
    both = cr.vmap(lambda m: m(x))(stacked)
    np.testing.assert_allclose(both, np.stack([m(x).detach() for m in models]), rtol=1e-12)
    grads = cr.vmap(cr.grad(loss_of), in_axes=(None, 0, 0))(cr.tree_map(lambda p: p.detach().numpy(), models[0]), x, y)
    assert grads.fc1.weight.shape == (5, 8, 4)
    loss_of(models[0], x, y).backward()
    np.testing.assert_allclose(np.mean(grads.fc1.weight, 0), models[0].fc1.weight.grad, rtol=1e-10, atol=1e-14)
