"""`save` and `load`: whole training runs in one file, written whole or not at all."""

import io
import os
import subprocess
import sys
from collections import OrderedDict, namedtuple

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import chainrule as cr
from chainrule import nn, optim
from chainrule.data.files import atomic_write
from chainrule.errors import ArgumentError, DataError, TreeError


def same(a, b):
    """Equal in values, types, dtypes, order of keys."""
    if isinstance(a, (cr.Tensor, np.ndarray, np.generic)):
        assert type(a) is type(b) and a.dtype == b.dtype and a.shape == b.shape
        return np.array_equal(np.asarray(a), np.asarray(b), equal_nan=a.dtype.kind in "fc")
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b or (a != a and b != b)


def arrays(dtypes=("f2", "f4", "f8", "c8", "c16", "i1", "i8", "u8", "?")):
    made = st.builds(
        lambda d, s, n: (np.random.default_rng(n).normal(size=s) * 9).astype(d),
        st.sampled_from(dtypes),
        st.sampled_from([(), (0, 2), (3,), (2, 2)]),
        st.integers(0, 9),
    )
    return st.one_of(made, made.map(cr.tensor), made.filter(lambda a: a.size).map(lambda a: a.ravel()[0]))


plain = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.complex_numbers(), st.text(max_size=5), st.binary(max_size=5)
)
keys = st.one_of(st.text(max_size=4), st.integers(), st.booleans(), st.none(), st.tuples(st.integers(), st.text(max_size=2)))
trees = st.recursive(
    st.one_of(plain, arrays()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.lists(inner, max_size=3).map(tuple), st.dictionaries(keys, inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(trees)
def test_what_is_saved_is_loaded(tmp_path_factory, tree):
    path = tmp_path_factory.getbasetemp() / "tree.safetensors"
    cr.save(tree, path)
    assert same(cr.load(path), tree)
    assert same(cr.load(path, mmap=True), tree)


def test_names_that_would_collide(tmp_path):
    tree = {
        "a.b": np.ones(1),
        "a": {"b": np.zeros(2)},
        "__metadata__": np.ones(3),
        "a.b~2": np.ones(4),
        "": np.ones(5),
        1: np.ones(6),
        "1": np.ones(7),
    }
    cr.save(tree, tmp_path / "a")
    assert same(cr.load(tmp_path / "a"), tree)
    with pytest.raises(ArgumentError, match="__metadata__"):
        cr.save({"__metadata__": cr.ones(1)}, tmp_path / "b")


def model():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 1))


def step(net, optimizer, x):
    optimizer.zero_grad()
    (net(x) ** 2).mean().backward()
    optimizer.step()


@pytest.mark.parametrize("make", [
    lambda p: optim.Adam(p, lr=0.01), lambda p: optim.SGD(p, lr=0.01, momentum=0.9), lambda p: optim.AdamW(p, amsgrad=True),
    lambda p: optim.RMSprop(p, centered=True),
])  # fmt: skip
def test_a_run_goes_on_bit_for_bit(tmp_path, make):
    random = np.random.default_rng(0)
    batches = [random.normal(size=(8, 3)).astype(np.float32) for _ in range(6)]
    cr.manual_seed(1)
    net = model()
    optimizer = make(net.parameters())
    generator = cr.Generator(3)
    for x in batches[:3]:
        step(net, optimizer, x)
    generator.normal(size=3)
    numpy_state = random.bit_generator.state
    cr.save(
        {"model": net, "optimizer": optimizer, "generator": generator.get_state(), "numpy": numpy_state, "epoch": 3},
        tmp_path / "run",
    )
    for x in batches[3:]:
        step(net, optimizer, x)

    run = cr.load(
        tmp_path / "run",
        like={"model": net, "optimizer": optimizer, "generator": generator.get_state(), "numpy": numpy_state, "epoch": 0},
    )
    again = model()
    other = make(again.parameters())
    again.load_state_dict(run["model"])
    other.load_state_dict(run["optimizer"])
    for x in batches[3:]:
        step(again, other, x)
    for name, value in net.state_dict().items():
        assert np.array_equal(np.asarray(value), np.asarray(again.state_dict()[name])), name
    late = cr.Generator(0)
    late.set_state(run["generator"])
    assert np.array_equal(np.asarray(late.normal(size=4)), np.asarray(generator.normal(size=4)))
    assert run["numpy"] == numpy_state and run["epoch"] == 3


def test_a_module_alone_is_its_state_dict(tmp_path):
    net = model()
    cr.save(net, tmp_path / "a.safetensors")
    cr.save(net.state_dict(), tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert cr.saving.read_shapes(tmp_path / "a.safetensors")["0.weight"] == ("F32", (4, 3))
    assert model().load_state_dict(cr.load(tmp_path / "a.safetensors")) == ([], [])


def test_tensors_with_derivatives_are_saved_as_values(tmp_path):
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    cr.save({"y": x * 2, "x": [x]}, tmp_path / "a")
    read = cr.load(tmp_path / "a")
    assert read["y"].tolist() == [2.0, 4.0] and not read["x"][0].requires_grad


def test_mismatch_lists_everything_at_once(tmp_path):
    cr.save({"model": {"w": cr.ones((2, 3)), "extra": cr.ones(1)}, "n": 1}, tmp_path / "a")
    with pytest.raises(TreeError) as caught:
        cr.load(tmp_path / "a", like={"model": {"w": cr.ones((3, 2)), "b": cr.ones(3)}, "n": cr.ones(())})
    message = str(caught.value)
    assert "missing: ['model']['b']" in message and "unexpected: ['model']['extra']" in message
    assert "['model']['w']: expected (3, 2), found (2, 3)" in message and "['n']: expected (), found a single value" in message
    assert "help:" in message
    with pytest.raises(TreeError, match=r"missing: \['0.weight'\], \['0.bias'\]"):
        cr.load(tmp_path / "a", like=nn.Sequential(nn.Linear(2, 2)))


Pair = namedtuple("Pair", "a b")


@pytest.mark.parametrize("tree, match", [
    ({"f": print}, "f is the function 'print'"), ({"a": [1, object()]}, "a.1 is a object"), (Pair(1, 2), "the value is a Pair"),
    ({"s": {1, 2}}, "s is a set"), ({"p": Pair}, "function 'Pair'"),
])  # fmt: skip
def test_what_cannot_be_saved(tmp_path, tree, match):
    with pytest.raises(ArgumentError, match=match) as caught:
        cr.save(tree, tmp_path / "a")
    assert "help:" in str(caught.value) and os.listdir(tmp_path) == []


def test_ordered_dicts_and_subclasses_of_numbers(tmp_path):
    from enum import IntEnum

    Colour = IntEnum("Colour", "RED")
    cr.save({"d": OrderedDict(b=1, a=2), "c": Colour.RED}, tmp_path / "a")
    assert same(cr.load(tmp_path / "a"), {"d": {"b": 1, "a": 2}, "c": 1})


def test_metadata(tmp_path):
    cr.save({"x": [1]}, tmp_path / "a", metadata={"made by": "me"})
    assert cr.saving.read_metadata(tmp_path / "a") == {"made by": "me"}
    for bad in ({"a": 1}, {1: "a"}, {"chainrule": "x"}):
        with pytest.raises(ArgumentError, match="metadata"):
            cr.save({}, tmp_path / "a", metadata=bad)


@pytest.mark.parametrize("text", [
    "", "[]", '{"version":1}', '{"version":1,"tree":[1]}', '{"version":1,"tree":{"array":"none"}}',
    '{"version":1,"tree":{"what":1}}',
    '{"version":1,"tree":{}}', '{"version":1,"tree":{"dict":[[{"list":[]},1]]}}', '{"version":1,"tree":{"bytes":"?"}}',
    '{"version":1,"tree":' + '{"list":[' * 5000 + "]}" * 5000 + "}", '{"version":1,"tree":{"tensor":"x","pairs":true}}',
])  # fmt: skip
def test_damaged_structures(tmp_path, text):
    with open(tmp_path / "a", "wb") as file:
        cr.saving.safetensors.write(file, {"x": np.ones(3)}, {"chainrule": text})
    with pytest.raises(DataError, match="its structure is damaged"):
        cr.load(tmp_path / "a")


def test_newer_versions_are_named(tmp_path):
    with open(tmp_path / "a", "wb") as file:
        cr.saving.safetensors.write(file, {}, {"chainrule": '{"version":2,"tree":1}'})
    with pytest.raises(DataError, match="newer version: 2"):
        cr.load(tmp_path / "a")


# --- whole or not at all ------------------------------------------------------------------------------------------------


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a"
    cr.save({"x": 1}, path)

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        cr.save({"x": 2}, path)
    monkeypatch.undo()
    assert cr.load(path) == {"x": 1} and os.listdir(tmp_path) == ["a"]


PROGRAM = """
import os, random, signal, sys, time
import numpy as np
import chainrule as cr

path, seen = sys.argv[1], []
os.fsync = lambda descriptor: None  # which takes most of the time, and decides nothing after a kill
for _ in range(20):
    child = os.fork()
    if not child:
        i = random.randrange(10**6)
        while True:
            i += 1
            cr.save({"i": i, "x": np.full(500_000, i)}, path)
    while not os.path.exists(path):
        time.sleep(0.001)
    time.sleep(random.uniform(0, 0.05))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    run = cr.load(path)
    assert (run["x"] == run["i"]).all() and run["x"].shape == (500_000,)
    seen.append(run["i"])
cr.save({"i": 0}, path)
print(len(seen), os.listdir(os.path.dirname(path)))
"""


@pytest.mark.skipif(os.name != "posix", reason="kills by a signal")
def test_killed_at_any_moment_the_file_is_whole(tmp_path):
    """Twenty writers are killed at random moments; what they left is removed by the next one."""
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "a")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stdout == "20 ['a']\n", done.stderr


@pytest.mark.skipif(os.name != "posix", reason="knows processes by their number")
def test_temporary_files_of_living_processes_stay(tmp_path):
    with atomic_write(tmp_path / "a") as file:
        file.write("1")
        with atomic_write(tmp_path / "a") as other:
            other.write("2")
        assert len(os.listdir(tmp_path)) == 2
    assert (tmp_path / "a").read_text() == "1"


def test_files_that_are_open():
    file = io.BytesIO()
    file.write(b"before")
    cr.save({"model": {"w": cr.tensor([1.0, 2.0])}, "epoch": 3}, file)
    for mmap in (False, True):
        file.seek(6)
        found = cr.load(file, mmap=mmap)
        assert found["epoch"] == 3 and found["model"]["w"].tolist() == [1, 2]
