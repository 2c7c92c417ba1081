"""Module: registering, walking, state, trees, copies."""

import copy
import pickle

import numpy as np
import pytest
from module_tools import Net, Tied, loss_of

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError, NonDifferentiableError, UnsupportedError


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
