"""Module: registering, walking, state, trees, copies."""

import copy
import pickle

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError, NonDifferentiableError, TreeError, UnsupportedError
from chainrule.nn import functional as F
from chainrule.nn.errors import StateDictError


class Net(nn.Module):
    def __init__(self, dtype=None):
        super().__init__()
        self.fc1 = nn.Linear(4, 8, dtype=dtype)
        self.fc2 = nn.Linear(8, 3, dtype=dtype)
        self.scale = nn.Parameter(np.ones(3, dtype or np.float32))
        self.register_buffer("offset", np.zeros(3, dtype or np.float32))

    def forward(self, x):
        return self.fc2(cr.tanh(self.fc1(x))) * self.scale + self.offset


class Tied(nn.Module):
    def __init__(self):
        self.a = nn.Linear(3, 3, dtype=float)
        self.b = nn.Linear(3, 3, dtype=float)
        self.b.weight = self.a.weight

    def forward(self, x):
        return self.b(cr.tanh(self.a(x)))


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(5, 4)), np.array([0, 1, 2, 0, 1])


def loss_of(model, x, y):
    return F.cross_entropy(model(x), y)


# --- registering and walking ------------------------------------------------------------------------------------------


def test_names_and_order():
    names = ["scale", "fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]
    model = Net()
    assert [n for n, _ in model.named_parameters()] == names
    assert [n for n, _ in model.named_buffers()] == ["offset"]
    assert [n for n, _ in model.named_children()] == ["fc1", "fc2"]
    assert [n for n, _ in model.named_modules()] == ["", "fc1", "fc2"]
    assert set(model.state_dict()) == {*names, "offset"}
    assert all(isinstance(p, nn.Parameter) and p.requires_grad and p.is_leaf for p in model.parameters())
    assert [n for n, _ in model.named_parameters(recurse=False)] == ["scale"]
    assert [n for n, _ in model.named_parameters(prefix="net", recurse=False)] == ["net.scale"]


def test_super_init_is_not_needed():
    class Bare(nn.Module):
        def __init__(self):
            self.inner = nn.Linear(2, 2)

    assert len(list(Bare().parameters())) == 2


def test_assigning_registers_and_deleting_forgets():
    m = nn.Module()
    m.p = nn.Parameter(np.ones(2))
    m.q = nn.Identity()
    m.plain = np.ones(2)
    assert len(list(m.parameters())) == 1 and len(list(m.children())) == 1
    m.p = None
    assert list(m.parameters()) == []
    m.p = nn.Parameter(np.ones(3))
    del m.p, m.q
    assert list(m.parameters()) == [] and list(m.children()) == [] and not hasattr(m, "p")


def test_registered_names_keep_their_kind():
    m = nn.Linear(2, 2)
    with pytest.raises(ArgumentError, match=r"Linear.weight is registered as a parameter(.|\n)*help: assign new values"):
        m.weight = np.ones((2, 2))
    m.register_buffer("b", np.zeros(2))
    m.b = np.ones(2)
    assert isinstance(m.b, cr.Tensor) and m.b.numpy().tolist() == [1, 1]
    with pytest.raises(ArgumentError, match="names are non-empty strings without dots"):
        m.add_module("a.b", nn.Identity())
    with pytest.raises(ArgumentError, match="already has an attribute 'forward'"):
        m.register_buffer("forward", np.zeros(2))
    with pytest.raises(ArgumentError, match="an instance, for example"):
        m.add_module("act", nn.ReLU)
    with pytest.raises(ArgumentError, match="wrap the array"):
        m.register_parameter("w", np.zeros(2))


def test_passing_buffers_stay_out_of_the_state():
    m = nn.Module()
    m.register_buffer("kept", np.zeros(2))
    m.register_buffer("cache", np.zeros(2), persistent=False)
    m.register_buffer("absent", None)
    assert list(m.state_dict()) == ["kept"]
    assert [n for n, _ in m.named_buffers()] == ["kept", "cache"]


def test_repr_is_that_of_pytorch():
    model = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.ReLU(), nn.Dropout(0.1)))
    assert repr(model) == (
        "Sequential(\n  (0): Linear(in_features=2, out_features=3, bias=True)\n  (1): Sequential(\n"
        "    (0): ReLU()\n    (1): Dropout(p=0.1, inplace=False)\n  )\n)"
    )


def test_without_forward():
    with pytest.raises(UnsupportedError, match="ModuleList has no forward"):
        nn.ModuleList([nn.Identity()])(1.0)


def test_train_eval_apply_freeze():
    model, visited = nn.Sequential(nn.Dropout(), nn.Sequential(nn.Dropout(), nn.Linear(2, 2))), []
    assert model.eval() is model and not any(m.training for m in model.modules())
    assert all(m.training for m in model.train().modules())
    model.apply(lambda m: visited.append(type(m).__name__))
    assert visited == ["Dropout", "Dropout", "Linear", "Sequential", "Sequential"]
    model.requires_grad_(False)
    assert not any(p.requires_grad for p in model.parameters())


def test_zero_grad(data):
    model = Net()
    loss_of(model, *data).backward()
    model.zero_grad(set_to_none=False)
    assert all((p.grad.numpy() == 0).all() for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_dtypes(data):
    x, y = data
    model = Net()
    first = model.fc1.weight
    assert model(x).dtype == np.float32
    loss_of(model, x, y).backward()
    assert model.double() is model and model.fc1.weight is first
    assert model(x.astype(np.float32)).dtype == np.float64 and model.offset.dtype == np.float64
    assert first.grad.dtype == np.float64
    loss_of(model, x, y).backward()
    assert model.to("cpu", "float32")(x).dtype == np.float32
    with pytest.raises(ArgumentError, match="int64 is no floating point dtype"):
        model.to(int)
    with pytest.raises(UnsupportedError, match="cuda"):
        model.to("cuda")


# --- parameters -------------------------------------------------------------------------------------------------------


def test_parameter_copies_arrays():
    a = np.ones(3)
    p = nn.Parameter(a)
    a[0] = 5
    assert p.tolist() == [1, 1, 1] and p.dtype == np.float64
    assert nn.Parameter(cr.tensor([1.0, 2.0]) * 2).tolist() == [2, 4]
    assert not nn.Parameter([1.0], requires_grad=False).requires_grad
    with pytest.raises(NonDifferentiableError):
        nn.Parameter([1, 2])


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_parameters_survive_copies(duplicate):
    for requires_grad in (True, False):
        p = nn.Parameter([1.0, 2.0], requires_grad)
        q = duplicate(p)
        assert type(q) is nn.Parameter and q.requires_grad is requires_grad and q.tolist() == [1, 2]
        if requires_grad:
            (q * q).sum().backward()
            assert q.grad.tolist() == [2, 4] and p.grad is None


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_modules_survive_copies(duplicate):
    model = Tied()
    twin = duplicate(model)
    x = np.ones(3)
    assert twin.a.weight is twin.b.weight and twin.a.weight is not model.a.weight
    assert np.array_equal(twin(x).detach(), model(x).detach())
    twin.a.weight.data = np.zeros((3, 3))
    assert not np.array_equal(twin(x).detach(), model(x).detach())
    twin.c = nn.Linear(1, 1)
    assert not hasattr(model, "c") and "c" not in dict(model.named_children())


def test_a_shallow_copy_registers_for_itself():
    model = Net()
    twin = copy.copy(model)
    twin.extra = nn.Parameter([1.0])
    assert twin.fc1 is model.fc1 and len(list(twin.parameters())) == len(list(model.parameters())) + 1


# --- state ------------------------------------------------------------------------------------------------------------


def test_state_round_trip(data):
    x, _ = data
    a, b = Net(), Net()
    saved = a.state_dict()
    before = a(x).detach().numpy()
    assert not np.array_equal(b(x).detach(), before)
    assert b.load_state_dict(pickle.loads(pickle.dumps(saved))) == ([], [])
    assert np.array_equal(b(x).detach(), before)
    nn.init.zeros_(a.fc1.weight)
    assert np.any(saved["fc1.weight"].numpy()), "the state dict is a snapshot"


def test_state_takes_arrays_and_casts():
    m = nn.Linear(1, 1)
    m.load_state_dict({"weight": np.array([[2.0]]), "bias": np.array([3])})
    assert m.weight.dtype == np.float32 and m([1.0]).item() == 5


def test_what_does_not_fit_is_listed_at_once():
    model = Net()
    before = model.fc1.weight.detach().numpy()
    state = {
        **model.state_dict(),
        "fc1.bias": np.zeros(9),
        "fc2.bias": np.zeros(2),
        "new": np.zeros(1),
        "fc1.weight": before + 1,
    }
    del state["scale"], state["offset"]
    with pytest.raises(nn.StateDictError) as error:
        model.load_state_dict(state)
    text = str(error.value)
    assert "missing: scale, offset" in text and "unexpected: new" in text and "help:" in text
    assert "fc1.bias: expected (8,), found (9,)" in text and "fc2.bias: expected (3,), found (2,)" in text
    assert np.array_equal(model.fc1.weight.detach(), before), "nothing is loaded if anything is wrong"
    assert isinstance(error.value, RuntimeError)
    with pytest.raises(nn.StateDictError, match="wrong shape: fc1"):
        model.load_state_dict(state, strict=False)
    del state["fc1.bias"], state["fc2.bias"]
    keys = model.load_state_dict(state, strict=False)
    assert keys.missing_keys == ["scale", "offset", "fc1.bias", "fc2.bias"]
    assert keys.unexpected_keys == ["new"]
    assert np.array_equal(model.fc1.weight.detach(), before + 1)


# --- as a tree --------------------------------------------------------------------------------------------------------


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


# --- under transforms -------------------------------------------------------------------------------------------------


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


# --- containers -------------------------------------------------------------------------------------------------------


def test_sequential_behaves_as_a_list():
    a, b, c = nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)
    s = nn.Sequential(a, b)
    assert s.append(c) is s and len(s) == 3 and s[-1] is c and list(s) == [a, b, c]
    assert type(s[1:]) is nn.Sequential and list(s[1:]) == [b, c] and [n for n, _ in s[1:].named_children()] == ["0", "1"]
    s.insert(1, d := nn.Tanh())
    assert list(s) == [a, d, b, c]
    del s[1]
    assert list(s) == [a, b, c] and [n for n, _ in s.named_children()] == ["0", "1", "2"]
    s[1] = d
    assert list(s) == [a, d, c]
    with pytest.raises(IndexError, match="index 3 is out of range"):
        s[3]
    with pytest.raises(ArgumentError):
        nn.Sequential(nn.Linear(2, 2), np.tanh)


def test_sequential_with_names():
    s = nn.Sequential({"first": nn.Linear(2, 3), "act": nn.ReLU()})
    assert [n for n, _ in s.named_parameters()] == ["first.weight", "first.bias"] and s.act is s[1]
    assert [n for n, _ in s[:1].named_children()] == ["first"]


def test_sequential_runs_shared_modules_twice():
    layer = nn.Linear(1, 1, dtype=float)
    nn.init.constant_(layer.weight, 3.0), nn.init.zeros_(layer.bias)
    assert nn.Sequential(layer, layer)([1.0]).item() == 9


def test_lists_and_dicts_of_modules():
    layers = nn.ModuleList([nn.Linear(1, 1)])
    layers.extend([nn.Linear(1, 1)]).append(nn.ReLU())
    assert len(layers) == 3 and len(list(layers.parameters())) == 4 and len(layers + [nn.ReLU()]) == 4
    d = nn.ModuleDict({"a": nn.Linear(1, 1)})
    d["b"] = nn.ReLU()
    d["a"] = replacement = nn.Linear(2, 1)
    assert d.keys() == ["a", "b"] and "a" in d and len(d) == 2 and d["a"] is replacement and list(d) == ["a", "b"]
    assert d.pop("b") is not None and len(d) == 1 and d.items() == [("a", replacement)]
    with pytest.raises(KeyError, match="no entry 'z'"):
        d["z"]
    ps = nn.ParameterList([np.ones(2), nn.Parameter(np.ones(3))])
    assert [n for n, _ in ps.named_parameters()] == ["0", "1"] and ps[1].shape == (3,) and "(1): Parameter" in repr(ps)


class Counting(nn.Module):
    """A module with state that is no array."""

    def __init__(self, seen=0):
        super().__init__()
        self.seen, self.weight = seen, nn.Parameter(np.ones(2))

    def get_extra_state(self):
        return {"seen": self.seen}

    def set_extra_state(self, state):
        self.seen = state["seen"]


class Renaming(nn.Module):
    """A module that keeps another layout in files."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(np.ones(2))

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "kernel"] = destination.pop(prefix + "weight")

    def _load_from_state_dict(self, state_dict, prefix, *rest):
        state_dict[prefix + "weight"] = state_dict.pop(prefix + "kernel")
        super()._load_from_state_dict(state_dict, prefix, *rest)


def test_state_that_modules_write_themselves():
    model, other = nn.Sequential(Counting(7), Renaming()), nn.Sequential(Counting(), Renaming())
    model[1].weight.data = np.array([3.0, 4.0])
    states = model.state_dict()
    assert list(states) == ["0.weight", "0._extra_state", "1.kernel"]
    assert str(other.load_state_dict(states)) == "<All keys matched successfully>"
    assert other[0].seen == 7 and other[1].weight.tolist() == [3, 4] and "1.kernel" in states
    del states["0._extra_state"]
    states["1.weight"] = np.ones(2)
    other[1].weight.data = np.zeros(2)
    with pytest.raises(cr.errors.ChainruleError, match=r"missing: 0\._extra_state"):
        other.load_state_dict(states)
    assert other[1].weight.tolist() == [0, 0]  # nothing was changed


def test_state_hooks():
    layer, seen = nn.Linear(1, 1), []
    model = nn.Sequential(layer)
    before = layer.register_state_dict_pre_hook(lambda m, prefix, keep: seen.append(prefix))
    after = layer.register_state_dict_post_hook(lambda m, states, prefix, meta: states.update({prefix + "note": 1}))
    with before, after:
        assert list(model.state_dict()) == ["0.weight", "0.bias", "0.note"] and seen == ["0."]
    model.state_dict()
    assert seen == ["0."]
    layer.register_load_state_dict_pre_hook(lambda m, states, prefix, *rest: states.setdefault(prefix + "bias", np.ones(1)))
    layer.register_load_state_dict_post_hook(lambda m, keys: keys.unexpected_keys.clear())
    model.load_state_dict({"0.weight": np.full((1, 1), 2.0), "0.new": 3})
    assert layer.weight.item() == 2 and layer.bias.item() == 1
    assert list(copy.deepcopy(model).state_dict()) == ["0.weight", "0.bias"]


def test_options_of_state_dicts():
    a, b = nn.Linear(1, 2), nn.Linear(1, 2, dtype=np.float64)
    into = {"before": 0}
    assert a.state_dict(destination=into, prefix="x.") is into and list(into) == ["before", "x.weight", "x.bias"]
    assert a.state_dict(keep_vars=True)["weight"] is a.weight
    weight = a.weight
    a.load_state_dict(b.state_dict(), assign=True)
    assert a.weight is not weight and isinstance(a.weight, nn.Parameter) and a.weight.dtype == np.float64
    with pytest.raises(ArgumentError, match="takes a mapping"):
        a.load_state_dict([1])


def test_buffers_by_assignment():
    class WithBuffers(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Buffer(np.ones(2)), nn.Buffer(cr.zeros(1), persistent=False)

    module = copy.deepcopy(WithBuffers())
    assert list(module.state_dict()) == ["a"] and len(list(module.buffers())) == 2 and not list(module.parameters())
    module.a = cr.zeros(3)
    assert module.state_dict()["a"].shape == (3,)
    assert pickle.loads(pickle.dumps(WithBuffers().b)).persistent is False


def test_what_dicts_of_modules_share_with_dicts():
    d = nn.ParameterDict({"a": np.ones(1)})
    assert d.get("b") is None and d.setdefault("b", np.ones(2)).shape == (2,) and list(d | {"c": np.ones(3)}) == ["a", "b", "c"]
    assert d.popitem()[0] == "b" and list(d.copy()) == ["a"]
    relu = nn.ReLU()
    assert len(nn.Sequential(relu) * 3) == 3 and (2 * nn.ModuleList([relu]))[1] is relu
    assert repr(nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.Tanh()])) == "ModuleList(\n  (0-1): 2 x ReLU()\n  (2): Tanh()\n)"


def test_what_is_noted_about_a_parameter():
    p = nn.Parameter(np.ones(2))
    p.no_decay = True
    assert pickle.loads(pickle.dumps(p)).no_decay and not hasattr(nn.Parameter(np.ones(2)), "no_decay")


def test_hooks_of_state_dicts():
    class Old(nn.Linear):
        """Reads files in which the weight was called `w`."""

        def _load_from_state_dict(self, state_dict, prefix, *rest):
            if prefix + "w" in state_dict:
                state_dict[prefix + "weight"] = state_dict.pop(prefix + "w")
            super()._load_from_state_dict(state_dict, prefix, *rest)

    model, seen = nn.Sequential(Old(2, 1, bias=False), nn.Linear(1, 1, bias=False)), []
    given = {"0.w": np.ones((1, 2)), "1.weight": np.ones((1, 1))}
    model[1]._register_load_state_dict_pre_hook(lambda found, prefix, *rest: seen.append((prefix, sorted(found))))
    done = model.register_load_state_dict_post_hook(lambda module, keys: seen.append(module))
    assert model.load_state_dict(given) == ([], []) and sorted(given) == ["0.w", "1.weight"]
    assert seen == [("1.", ["0.weight", "1.weight"]), model] and model[0].weight.tolist() == [[1, 1]]
    done.remove()
    model[1].register_state_dict_post_hook(lambda module, found, prefix, local: found.pop(prefix + "weight"))
    assert list(model.state_dict()) == ["0.weight"] and list(model.state_dict(prefix="m.")) == ["m.0.weight"]
    assert list(copy.copy(model[1]).state_dict()) == []

    def refuse(module, found, prefix, local, strict, missing, unexpected, errors):
        errors.append("too old")

    model.register_load_state_dict_pre_hook(refuse)
    with pytest.raises(StateDictError, match="too old"):
        model.load_state_dict(given)


def test_what_is_registered_as_dicts():
    layer = nn.BatchNorm1d(2)
    assert list(layer._parameters) == ["weight", "bias"] and "running_mean" in layer._buffers and "weight" not in layer._buffers
    assert layer._parameters["weight"] is layer.weight and not layer._modules and len(layer._buffers) == 3
    model = nn.Sequential(nn.ReLU())
    model._modules["0"] = nn.Tanh()
    assert isinstance(model[0], nn.Tanh) and list(model._modules.items()) == [("0", model[0])]
    del model._modules["0"]
    assert len(model) == 0
    with pytest.raises(KeyError):
        layer._parameters["running_mean"]


def test_containers_whose_subclasses_update_otherwise():
    class Counting(nn.ModuleDict):
        def __init__(self):
            super().__init__()
            self.counted = 0

        def update(self, by):
            self.counted += by

    metrics = Counting()
    metrics.update(3)
    assert metrics.counted == 3 and len(nn.ModuleList()) == 0 == len(nn.ParameterList())


def test_frozen_parameters_keep_gradients_and_hooks():
    x, seen = nn.Parameter(np.ones(2)), []
    x.register_hook(lambda g: seen.append(g.tolist()))
    x.sum().backward()
    x.requires_grad_(False)
    assert x.grad.tolist() == [1, 1] and x.is_leaf
    x.requires_grad_()
    (2 * x).sum().backward()
    assert x.grad.tolist() == [3, 3] and seen == [[1, 1], [2, 2]]


@pytest.mark.parametrize("clear", [nn.Module.zero_grad, lambda m, **options: cr.optim.SGD(m.parameters()).zero_grad(**options)])
def test_zeroed_gradients_are_the_same_tensors(clear):
    layer = nn.Linear(2, 1)
    layer(np.ones(2)).sum().backward()
    held = layer.weight.grad
    clear(layer, set_to_none=False)
    assert layer.weight.grad is held and held.tolist() == [[0, 0]]
    layer(np.ones(2)).sum().backward()
    assert held.tolist() == [[1, 1]]


def test_copies_of_parameters_have_no_gradients():
    layer = nn.Linear(2, 1)
    layer(np.ones(2)).sum().backward()
    twin = copy.deepcopy(layer)
    assert twin.weight.grad is None and layer.weight.grad is not None and twin.weight.requires_grad


def test_containers_of_parameters_hold_other_objects_too():
    several = nn.ParameterList([np.ones(2), "text"])
    several.append(3)
    several[0] = np.zeros(3)
    assert list(several)[1:] == list(several[1:]) == ["text", 3]
    assert isinstance(several[0], nn.Parameter) and list(several.state_dict()) == ["0"] and len(several) == 3
    assert "object of str" in repr(several)
    named = nn.ParameterDict({"a": np.ones(2), "kind": "text", "none": None})
    named["a"] = np.zeros(1)
    assert isinstance(named["a"], nn.Parameter) and list(named) == ["a", "kind", "none"] and named["kind"] == "text"
    assert list(reversed(named)) == ["none", "kind", "a"] and list(named.state_dict()) == ["a"]
    assert dict(named.fromkeys(["x", "y"], np.ones(1)).items()).keys() == {"x", "y"}
    del named["kind"]
    assert "kind" not in named and len(named) == 2
    with pytest.raises(KeyError, match="no entry"):
        named["kind"]
    assert list(cr.grad(lambda m: (m["a"] ** 2).sum())(named).state_dict()) == ["a"]


def test_names_that_are_taken():
    layer = nn.Linear(1, 1)
    with pytest.raises(ArgumentError, match="already has an attribute 'weight'"):
        layer.register_buffer("weight", np.ones(1))
    with pytest.raises(IndexError, match="position 5"):
        nn.Sequential(nn.ReLU()).insert(5, nn.ReLU())


def test_all_of_it_in_another_dtype():
    norm = nn.BatchNorm1d(2).type(np.float64)
    assert {x.dtype for x in norm.state_dict().values()} == {np.dtype(np.float64)}
    assert norm.to_empty(device="cpu") is norm.share_memory() is norm


def test_one_device_in_parallel():
    layer = nn.Linear(2, 1)
    model = nn.DataParallel(layer)
    x = np.ones((3, 2))
    assert (model(x) == layer(x)).all() and model.module is layer
    with pytest.raises(UnsupportedError, match="CPU"):
        nn.DataParallel(layer, device_ids=[0, 1])


def test_loaded_arrays_may_be_written_to_afterwards():
    layer, saved = nn.Linear(2, 2), {"weight": np.ones((2, 2), np.float32), "bias": np.zeros(2, np.float32)}
    layer.load_state_dict(saved)
    saved["weight"][0] = 7
    np.testing.assert_array_equal(layer.weight.detach(), np.ones((2, 2)))
