"""What a Module saves and loads: state dicts, their hooks, and what does not fit."""

import copy
import pickle

import numpy as np
import pytest
from module_tools import Net

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError
from chainrule.nn.errors import StateDictError


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


def test_loaded_arrays_may_be_written_to_afterwards():
    layer, saved = nn.Linear(2, 2), {"weight": np.ones((2, 2), np.float32), "bias": np.zeros(2, np.float32)}
    layer.load_state_dict(saved)
    saved["weight"][0] = 7
    np.testing.assert_array_equal(layer.weight.detach(), np.ones((2, 2)))


def test_passing_buffers_stay_out_of_the_state():
    m = nn.Module()
    m.register_buffer("kept", np.zeros(2))
    m.register_buffer("cache", np.zeros(2), persistent=False)
    m.register_buffer("absent", None)
    assert list(m.state_dict()) == ["kept"]
    assert [n for n, _ in m.named_buffers()] == ["kept", "cache"]


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


def test_what_is_no_number_of_that_kind_does_not_fit():
    model = nn.Linear(2, 2)
    state = {"weight": np.full((2, 2), "a"), "bias": np.ones(2, complex)}
    with pytest.raises(
        StateDictError, match=r"wrong kind: weight: expected float32, found <U1(.|\n)*wrong kind: bias(.|\n)*complex128"
    ):
        model.load_state_dict(state)
    with pytest.raises(ArgumentError, match=r"a layer needs numbers(.|\n)*in: 0 of Sequential(.|\n)*pad rows"):
        nn.Sequential(model)([[1.0, 2.0], [1.0]])
