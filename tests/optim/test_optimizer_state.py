"""The state of optimisers as data: saved, loaded, copied."""

import copy
import pickle

import numpy as np
import pytest
from optim_tools import descend, leaf, makers

from chainrule import optim
from chainrule.errors import ArgumentError


@makers
def test_state_dict_round_trip(make):
    params = [leaf([1.0, -2.0]), leaf([[0.5]])]
    optimizer = make(params)
    descend(optimizer, params, 3)
    saved, values = optimizer.state_dict(), [p.detach().numpy().copy() for p in params]
    expected = descend(optimizer, params, 3)
    others = [leaf(v) for v in values]
    again = make(others)
    again.lr = 7.0
    again.load_state_dict(pickle.loads(pickle.dumps(saved)))
    assert again.lr == optimizer.lr != 7.0
    for a, b in zip(descend(again, others, 3), expected, strict=True):
        assert np.array_equal(a, b), "a resumed run is the same to the last bit"
    assert saved["param_groups"][0]["params"] == [0, 1] and set(saved["state"]) == {0, 1}


@makers
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"])
def test_copies_go_on_alike(make, duplicate):
    x = leaf([1.0, -2.0])
    optimizer = make([x])
    descend(optimizer, [x], 2)
    twin_x, twin = duplicate((x, optimizer))
    assert twin.param_groups[0]["params"][0] is twin_x and twin.param_groups[0].rate is not optimizer.param_groups[0].rate
    optimizer.lr = twin.lr = 0.05
    assert np.array_equal(descend(twin, [twin_x], 2)[0], descend(optimizer, [x], 2)[0])


def test_state_is_cast_to_the_parameters():
    a, b = leaf([1.0]), leaf([1.0], np.float32)
    first, second = optim.Adam([a]), optim.Adam([b])
    descend(first, [a])
    second.load_state_dict(first.state_dict())
    assert second.state[b]["exp_avg"].dtype == np.float32 and second.state[b]["step"].dtype == np.float64


def test_state_that_does_not_fit():
    a, b = leaf([1.0]), leaf([1.0, 2.0])
    first, second = optim.Adam([a]), optim.Adam([b])
    descend(first, [a]), descend(second, [b])
    before = second.state[b]
    with pytest.raises(ArgumentError, match=r"exp_avg: expected \(2,\), found \(1,\)"):
        second.load_state_dict(first.state_dict())
    with pytest.raises(ArgumentError, match=r"expected \[2\] parameters per group, found \[1\]"):
        optim.Adam([a, b]).load_state_dict(first.state_dict())
    assert second.state[b] is before
