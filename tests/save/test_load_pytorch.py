"""PyTorch's files, read as data: the same values as PyTorch's own reader gives, and nothing that a file names is run."""

import io
import os
import pickle
import pickletools
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import chainrule as cr
from chainrule import nn
from chainrule.errors import DataError, MissingDataError
from chainrule.saving.pickles import PickleError, read_pickle

torch = pytest.importorskip("torch")
FORMATS = [pytest.param(True, id="zip"), pytest.param(False, id="old")]


def saved(value, path, as_zip=True):
    torch.save(value, path, _use_new_zipfile_serialization=as_zip)
    return path


def same(ours, theirs):
    if isinstance(theirs, torch.Tensor):
        assert isinstance(ours, cr.Tensor) and ours.shape == tuple(theirs.shape), (ours, theirs)
        wide = theirs.detach().float() if theirs.dtype in NARROW else theirs.detach()
        assert np.asarray(ours).dtype == wide.resolve_conj().numpy().dtype
        return np.array_equal(np.asarray(ours), wide.resolve_conj().numpy(), equal_nan=theirs.is_floating_point())
    if isinstance(theirs, dict):
        return list(ours) == list(theirs) and all(same(ours[k], theirs[k]) for k in theirs)
    if isinstance(theirs, (list, tuple)):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(theirs, np.ndarray):
        return ours.dtype == theirs.dtype and np.array_equal(ours, theirs)
    return ours == theirs


NARROW = {torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2}
DTYPES = [
    "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "uint64",
    "bool", "complex64", "complex128", "float8_e4m3fn", "float8_e5m2",
]  # fmt: skip


@pytest.mark.parametrize("as_zip", FORMATS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(tmp_path, dtype, as_zip):
    x = (torch.randn(3, 4, dtype=torch.float64) * 5).abs().to(getattr(torch, dtype))
    tree = {"x": x, "none": x[:0], "one": x[0, 0], "turned": x.T, "part": x[1:, 1:3]}
    assert same(cr.load_pytorch(saved(tree, tmp_path / "a", as_zip)), tree)


@pytest.mark.parametrize("as_zip", FORMATS)
def test_views_share_and_stretch(tmp_path, as_zip):
    x = torch.arange(12.0)
    tree = [x, x[2:8:2], x.reshape(3, 4).T, x[:1].expand(5), torch.zeros(0, 3), torch.tensor(2.5), x[::3].reshape(2, 2)]
    assert same(cr.load_pytorch(saved(tree, tmp_path / "a", as_zip)), tree)


@pytest.mark.parametrize("as_zip", FORMATS)
def test_a_training_run(tmp_path, as_zip):
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Flatten(), torch.nn.LazyLinear(3))
    optimizer = torch.optim.Adam(net(torch.randn(2, 1, 5, 5)) is not None and net.parameters(), amsgrad=True)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [1, 2])
    net(torch.randn(4, 1, 5, 5)).sum().backward()
    optimizer.step()
    run = {
        "model": net.state_dict(), "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict(), "epoch": 3,
        "loss": [1.5, float("inf")], "names": ("a", "ä"), "set": {1, 2}, "big": 2**80, "bytes": b"x",
        "flag": True, "nothing": None,
        "parameter": torch.nn.Parameter(torch.ones(2)), "size": torch.Size([2, 3]), "complex": 1 + 2j,
        "ordered": OrderedDict(b=1, a=2), "array": np.arange(6).reshape(2, 3).T, "number": np.float32(2.5),
        "rng": torch.get_rng_state(),
    }  # fmt: skip
    read = cr.load_pytorch(saved(run, tmp_path / "a", as_zip))
    assert same(read, run)


def test_dtypes_and_devices_are_named(tmp_path):
    read = cr.load_pytorch(saved([torch.float32, torch.bfloat16, torch.device("cpu")], tmp_path / "a"))
    assert read == [np.float32, "bfloat16", "cpu"]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("as_zip", FORMATS)
def test_protocols(tmp_path, protocol, as_zip):
    tree = {"x": torch.arange(3), "y": [OrderedDict(a=1.5), (), ("text", -70000, b"raw")], "array": np.ones(2)}
    torch.save(tree, tmp_path / "a", pickle_protocol=protocol, _use_new_zipfile_serialization=as_zip)
    assert same(cr.load_pytorch(tmp_path / "a"), tree)


def test_a_model_of_pytorch_goes_on_here(tmp_path):
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    ours = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
    assert ours.load_state_dict(cr.load_pytorch(saved(theirs.state_dict(), tmp_path / "a"))) == ([], [])
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    assert np.allclose(np.asarray(ours(x).detach()), theirs(torch.from_numpy(x)).detach().numpy(), atol=1e-6)


def test_pytorch_need_not_be_installed(tmp_path):
    path = saved({"x": torch.ones(2)}, tmp_path / "a")
    program = f"import sys; sys.modules['torch'] = None; import chainrule as cr; print(cr.load_pytorch({str(path)!r}))"
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert out == "{'x': tensor([1., 1.], dtype=float32)}\n"


# --- files that are refused ---------------------------------------------------------------------------------------------


class Attack:
    """A pickle of this makes Python's own reader call `function`."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def fire(path):
    with open(path, "w") as file:
        file.write("executed")


@pytest.mark.parametrize("as_zip", FORMATS)
@pytest.mark.parametrize("what, match", [
    (lambda flag: Attack(fire, flag), r"names test_load_pytorch.fire|names tests"),
    (lambda flag: Attack(os.system, f"touch {flag}"), r"names (posix|nt).system"),
    (lambda flag: Attack(eval, f"open({flag!r}, 'w')"), r"names (builtins|__builtin__).eval"),
    (lambda flag: Attack(getattr, "x", "upper"), r"names (builtins|__builtin__).getattr"),
    (lambda flag: {"x": torch.ones(1), "y": [Attack(fire, flag)]}, "names"),
    (lambda flag: Attack(torch.load, flag), "names torch.serialization.load"),
    (lambda flag: torch.nn.Linear(2, 2), "names torch.nn.modules.linear.Linear"),
    (lambda flag: torch.sparse_coo_tensor([[0]], [1.0], (2,), check_invariants=True), "names .*_rebuild_sparse_tensor"),
])  # fmt: skip
def test_what_is_not_data_is_refused_and_not_run(tmp_path, what, match, as_zip):
    flag = str(tmp_path / "flag")
    path = saved(what(flag), tmp_path / "a", as_zip)
    with pytest.raises(DataError, match=match) as caught:
        cr.load_pytorch(path)
    assert "help: with PyTorch: torch.save(model.state_dict(), path)" in str(caught.value)
    assert not os.path.exists(flag)


def read(code):
    """What the interpreter makes of a pickle, with one harmless function."""
    made = []

    def make(*arguments):
        made.append(arguments)
        return list(arguments)

    from chainrule.saving.pickles import Known

    known = {("m", "make"): Known(make, make), ("m", "value"): Known(3.5)}
    return read_pickle(io.BytesIO(code), known, lambda identity: ("outside", identity), lambda built, state: built)


def test_the_interpreter_reads_what_it_knows():
    assert read(b"cm\nmake\n(I1\nI2\ntR.") == [1, 2]
    assert read(b"cm\nvalue\n.") == 3.5
    assert read(b"Pid\n.") == ("outside", "id")
    shared = [1]
    value = read(pickle.dumps({"a": shared, "b": shared}))
    assert value["a"] is value["b"]


@pytest.mark.parametrize("code", [
    b"", b".", b"I1\n", b"(.", b"(I1\n.", b"I1\nI2\n.", b"N(lR.", b"cm\nvalue\n(tR.", b"cm\nmake\n]R.",
    b"cos\nsystem\n(S'true'\ntR.",
    b"(S'true'\nios\nsystem\n.", b"(cos\nsystem\nS'true'\no.", b"\x80\x02\x82\x01.", b"g5\n.", b"0.", b"2.", b"N]a.", b"(t}s.",
    b"](NNNu.", b"}(NNNu.", b"}(]NNNu.", b"(NNNd.", b"R.", b"b.", b"a.", b"t.", b"\x85.", b"\x86.", b"(\x85.", b"(((\x87.",
    b"Q.", b"\x93.", b"NN\x93.", b"I99999999999999999999999999999999x\n.", b"U\xff.", b"T\xff\xff\xff\x7f.", b"\x8a\xff.",
    b"\xff.",
    b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.", b"F1.5x\n.", b"\x97.", b"N\x98.",
])  # fmt: skip
def test_the_interpreter_refuses_the_rest(code):
    with pytest.raises(PickleError):
        read(code)


def test_nesting_does_not_exhaust_the_interpreter():
    deep = read(b"(" * 100_000 + b"l" * 100_000 + b".")
    for _ in range(99_999):
        (deep,) = deep
    with pytest.raises(PickleError):
        read(b"\x85" * 3 + b".")
    with pytest.raises(PickleError, match="too many parts"):
        read(b"}(" + b")" + b"\x85" * 200_000 + b"Nu.")  # a key of such depth overflows the stack
    with pytest.raises(PickleError, match="too many parts"):
        read(b"})" + b"2\x86" * 100 + b"Ns.")  # a key that doubles a hundred times is never hashed to its end
    assert read(b"}(I1\n\x85I2\n\x86Nu.") == {((1,), 2): None}


def test_opcodes_are_all_known_or_refused():
    """A new opcode of a later Python is refused until somebody has looked at it."""
    from chainrule.saving import pickles

    known = pickles.PLAIN | set(pickles.CONSTANTS) | pickles.NOTHING_TO_DO | {"STOP"}
    known |= {name[3:] for name in vars(pickles._Machine) if name.startswith("on_")}
    refused = {op.name for op in pickletools.opcodes} - known
    assert refused == {"INST", "OBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "READONLY_BUFFER"}


def put_zip(path, pickled, storages, byteorder=b"little", compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/byteorder", byteorder)
        for key, raw in storages.items():
            archive.writestr(f"archive/data/{key}", raw)
    return path


def tensor_pickle(shape, strides, count, offset=0, storage="FloatStorage", key="0", rebuild="_rebuild_tensor_v2"):
    """A pickle of one tensor, written by hand."""

    def ints(values):
        return b"(" + b"".join(b"L%dL\n" % v for v in values) + b"t"

    persistent = b"(S'storage'\nctorch\n%s\nS'%s'\nS'cpu'\nI%d\ntQ" % (storage.encode(), key.encode(), count)
    arguments = b"(" + persistent + b"I%d\n" % offset + ints(shape) + ints(strides) + b"I00\nccollections\nOrderedDict\n(tRt"
    return b"\x80\x02ctorch._utils\n" + rebuild.encode() + b"\n" + arguments + b"R."


def test_the_pickle_by_hand_is_right(tmp_path):
    path = put_zip(tmp_path / "a", tensor_pickle((2, 2), (2, 1), 4), {"0": np.arange(4, dtype="<f4").tobytes()})
    assert cr.load_pytorch(path).tolist() == [[0, 1], [2, 3]]
    path = put_zip(tmp_path / "a", tensor_pickle((2, 2), (2, 1), 4), {"0": np.arange(4, dtype=">f4").tobytes()}, b"big")
    assert cr.load_pytorch(path).tolist() == [[0, 1], [2, 3]]


@pytest.mark.parametrize("options, match", [
    ({"shape": (2, 3), "strides": (2, 1)}, r"reaches beyond its 4 elements"),
    ({"offset": 1}, "reaches beyond"),
    ({"offset": -1}, "shape of a tensor is damaged"),
    ({"shape": (2, -2)}, "shape of a tensor is damaged"),
    ({"strides": (2, -1)}, "shape of a tensor is damaged"),
    ({"strides": (2,)}, "shape of a tensor is damaged"),
    ({"shape": (2**40, 2**40), "strides": (0, 0)}, "damaged"),
    ({"shape": (2**70, 0)}, "damaged"),
    ({"strides": (2**70, 1)}, "reaches beyond"),
    ({"shape": (1, 1), "strides": (2**70, 2**70)}, "damaged"),
    ({"count": 5}, r"16 of 20 bytes"),
    ({"count": 2**60}, r"16 of"),
    ({"count": -1}, "no known type"),
    ({"storage": "QInt8Storage"}, "names torch.QInt8Storage"),
    ({"key": "1"}, "data/1 is missing"),
    ({"key": "../../x"}, "is missing"),
    ({"rebuild": "_rebuild_qtensor"}, "names torch._utils._rebuild_qtensor"),
    ({"rebuild": "_rebuild_tensor_v3"}, "damaged"),
])  # fmt: skip
def test_hostile_shapes(tmp_path, options, match):
    code = tensor_pickle(**{"shape": (2, 2), "strides": (2, 1), "count": 4} | options)
    with pytest.raises(DataError, match=match) as caught:
        cr.load_pytorch(put_zip(tmp_path / "a", code, {"0": bytes(16)}))
    assert "help:" in str(caught.value)


def test_a_stretched_tensor_takes_no_memory(tmp_path):
    x = cr.load_pytorch(put_zip(tmp_path / "a", tensor_pickle((2**20, 2**20), (0, 0), 4), {"0": bytes(16)}))
    assert x.shape == (2**20, 2**20)
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(x)[0, 0] = 1


def test_compressed_and_foreign_archives(tmp_path):
    code = tensor_pickle((2, 2), (2, 1), 4)
    with pytest.raises(DataError, match="compressed"):
        cr.load_pytorch(put_zip(tmp_path / "a", code, {"0": bytes(16)}, compression=zipfile.ZIP_DEFLATED))
    with pytest.raises(DataError, match="order of bytes"):
        cr.load_pytorch(put_zip(tmp_path / "a", code, {"0": bytes(16)}, byteorder=b"odd"))
    with zipfile.ZipFile(tmp_path / "b", "w") as archive:
        archive.writestr("hello.txt", "hello")
    with pytest.raises(DataError, match=r"without data.pkl"):
        cr.load_pytorch(tmp_path / "b")
    with pytest.warns(DeprecationWarning):
        torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), str(tmp_path / "c"))
    with pytest.raises(DataError, match="TorchScript"):
        cr.load_pytorch(tmp_path / "c")
    with tarfile.open(tmp_path / "d", "w") as archive:
        archive.add(tmp_path / "b")
    with pytest.raises(DataError, match="tar archive"):
        cr.load_pytorch(tmp_path / "d")
    cr.save({"x": cr.ones(2)}, tmp_path / "e")
    with pytest.raises(DataError, match=r"not a file of torch.save"):
        cr.load_pytorch(tmp_path / "e")
    (tmp_path / "f").write_bytes(pickle.dumps({"x": 1}))
    with pytest.raises(DataError, match=r"not one of torch.save"):
        cr.load_pytorch(tmp_path / "f")
    with pytest.raises(MissingDataError):
        cr.load_pytorch(tmp_path / "g")


def test_old_files_cannot_ask_for_more_than_they_are(tmp_path):
    path = saved({"x": torch.ones(3)}, tmp_path / "a", False)
    raw = path.read_bytes()
    place = raw.rindex(struct.pack("<q", 3))
    path.write_bytes(raw[:place] + struct.pack("<q", 2**50) + raw[place + 8 :])
    with pytest.raises(DataError, match="another length"):
        cr.load_pytorch(path)
    path.write_bytes(raw.replace(b"K\x03N", b"J\xff\xff\xff\x7fN")[:place] + struct.pack("<q", 2**31 - 1))
    with pytest.raises(DataError, match=r"truncated|damaged"):
        cr.load_pytorch(path)


@pytest.mark.parametrize("as_zip", FORMATS)
def test_every_truncation_is_noticed(tmp_path, as_zip):
    path = saved({"x": torch.ones(3), "y": [torch.zeros(2, dtype=torch.int8)]}, tmp_path / "a", as_zip)
    whole = path.read_bytes()
    for n in range(0, len(whole), 1 if not as_zip else 7):
        path.write_bytes(whole[:n])
        with pytest.raises(DataError):
            cr.load_pytorch(path)


@pytest.mark.parametrize("as_zip", FORMATS)
@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_changed_bytes_never_crash(tmp_path_factory, as_zip, data):
    base = tmp_path_factory.getbasetemp()
    path = base / f"whole-{as_zip}"
    if not path.exists():
        saved({"x": torch.ones(3), "y": [torch.zeros(2, dtype=torch.int8)], "z": np.ones(2)}, path, as_zip)
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    (base / "changed").write_bytes(raw)
    try:
        cr.load_pytorch(base / "changed")
    except DataError as error:
        assert "help:" in str(error)
