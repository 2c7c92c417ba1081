"""The safetensors format: byte for byte what the package writes, and explained refusals of anything else."""

import json
import os
import struct

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import chainrule as cr
from chainrule.errors import ArgumentError, DataError, MissingDataError
from chainrule.saving import safetensors as ours

DTYPES = [
    "bool", "uint8", "int8", "int16", "uint16", "float16", "int32", "uint32", "float32", "complex64", "float64", "int64",
    "uint64",
]  # fmt: skip
SHAPES = [(), (0,), (3,), (2, 0, 4), (1, 1), (2, 3, 4)]


def sample(dtype, shape, seed=0):
    return np.asarray(np.random.default_rng(seed).normal(size=shape) * 9).astype(dtype)


def write(path, arrays, metadata=None):
    with open(path, "wb") as file:
        ours.write(file, arrays, metadata)


arrays = st.dictionaries(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8).filter(lambda name: name != "__metadata__"),
    st.builds(sample, st.sampled_from(DTYPES), st.sampled_from(SHAPES), st.integers(0, 99)),
    max_size=6,
)


@settings(max_examples=150, deadline=None)
@given(arrays, st.one_of(st.none(), st.dictionaries(st.text(max_size=4), st.text(max_size=4), min_size=1, max_size=1)))
def test_bytes_are_those_of_the_package(tmp_path_factory, some, metadata):
    package = pytest.importorskip("safetensors.numpy")
    path = tmp_path_factory.getbasetemp() / "a.safetensors"
    write(path, some, metadata)
    raw = path.read_bytes()
    assert raw == package.save(some, metadata)
    read, notes = ours.read(path)
    assert notes == (metadata or {}) and set(read) == set(some)
    for name, array in some.items():
        assert read[name].dtype == array.dtype and read[name].shape == array.shape and np.array_equal(read[name], array)


def test_the_package_reads_what_save_writes_and_the_reverse(tmp_path):
    package = pytest.importorskip("safetensors.numpy")
    tensors = {"w": cr.tensor(sample("float32", (3, 4))), "b": cr.tensor(sample("float64", ()))}
    cr.save(tensors, tmp_path / "a", metadata={"note": "ä"})
    assert (tmp_path / "a").read_bytes() == package.save({k: np.asarray(v) for k, v in tensors.items()}, {"note": "ä"})
    package.save_file({"x": sample("int16", (2, 2))}, tmp_path / "b")
    read = cr.load(tmp_path / "b")
    assert list(read) == ["x"] and isinstance(read["x"], cr.Tensor) and read["x"].dtype == np.int16


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu"])
def test_narrow_types_come_as_float32(tmp_path, name):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    dtype = np.dtype(getattr(ml_dtypes, name))
    bits = np.arange(2 ** (8 * dtype.itemsize), dtype=f"u{dtype.itemsize}")  # every number there is
    numbers = bits.view(dtype)
    write(tmp_path / "a", {"x": numbers})
    for mapped in (False, True):
        read = ours.read(tmp_path / "a", mapped=mapped)[0]["x"]
        assert read.dtype == np.float32
        assert np.array_equal(read, numbers.astype(np.float32), equal_nan=True)


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_narrow_types_of_pytorch(tmp_path, name):
    torch = pytest.importorskip("torch")
    package = pytest.importorskip("safetensors.torch")
    x = torch.randn(50).to(getattr(torch, name))
    package.save_file({"x": x}, tmp_path / "a")
    assert np.array_equal(np.asarray(cr.load(tmp_path / "a")["x"]), x.float().numpy())


def test_layouts_and_byte_orders(tmp_path):
    x = sample("float32", (4, 6))
    some = {
        "turned": x.T,
        "stepped": x[::2, ::-3],
        "big": x.astype(">f4"),
        "fortran": np.asfortranarray(x),
        "one": np.broadcast_to(x[:1], (4, 6)),
    }
    write(tmp_path / "a", some)
    read = ours.read(tmp_path / "a")[0]
    for name, array in some.items():
        assert np.array_equal(read[name], array) and read[name].dtype.isnative and read[name].flags.c_contiguous


def test_mapped_arrays_leave_the_file_alone(tmp_path):
    path = tmp_path / "a"
    cr.save({"x": cr.tensor(np.arange(1000.0)), "y": cr.tensor(np.float32([1, 2, 3]))}, path)
    before = path.read_bytes()
    mapped = cr.load(path, mmap=True)
    x = np.asarray(mapped["x"])
    assert not x.flags.owndata and np.array_equal(x, np.arange(1000.0))
    x[:] = 7
    assert path.read_bytes() == before
    y = mapped["y"]
    cr.save({"x": cr.tensor(np.zeros(3))}, path)  # replaced, not overwritten
    assert y.tolist() == [1, 2, 3]


def test_mapping_reads_only_what_is_looked_at(tmp_path):
    """A file that is larger than all memory can be opened, here one with a hole."""
    shape = [1 << 38]
    header = json.dumps({"x": {"dtype": "U8", "shape": shape, "data_offsets": [0, shape[0]]}}).encode()
    header += b" " * (-len(header) % 8)
    path = tmp_path / "a"
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        try:
            file.truncate(8 + len(header) + shape[0])
        except OSError:
            pytest.skip("this file system has no files with holes of this size")
    x = cr.load(path, mmap=True)["x"]
    assert x.shape == (1 << 38,) and x[1 << 37].item() == 0


# --- files that are refused ---------------------------------------------------------------------------------------------


def put(path, header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def entry(dtype="F32", shape=(2,), start=0, stop=8):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, stop]}


@pytest.mark.parametrize("header, data, match", [
    ({"x": entry()}, b"1234", "it is truncated"),
    ({"x": entry()}, b"12345678-", "more follows"),
    ({"x": entry(stop=4)}, b"1234", r"F32 \(2,\) takes 8 bytes, its place has 4"),
    ({"x": entry(), "y": entry(start=4, stop=12)}, b"1" * 12, "'y' begins at byte 4 of the data, where .* ends at 8"),
    ({"x": entry(), "y": entry(start=12, stop=20)}, b"1" * 20, "begins at byte 12"),
    ({"x": entry(dtype="F4")}, b"1" * 8, r"dtype: F4 .*known: BOOL"),
    ({"x": entry(dtype=3)}, b"1" * 8, "entry of 'x'"),
    ({"x": entry(shape=(-2,), stop=8)}, b"1" * 8, "entry of 'x'"),
    ({"x": entry(shape=(True, 2))}, b"1" * 8, "entry of 'x'"),
    ({"x": entry(shape=(2.0,))}, b"1" * 8, "entry of 'x'"),
    ({"x": entry(shape=(2**70, 0), stop=0)}, b"", "cannot read"),
    ({"x": {**entry(), "more": 1}}, b"1" * 8, "entry of 'x'"),
    ({"x": {"dtype": "F32"}}, b"1" * 8, "entry of 'x'"),
    ({"x": 3}, b"", "entry of 'x'"),
    ({"__metadata__": {"a": 1}}, b"", "metadata"),
    ({"__metadata__": [1]}, b"", "metadata"),
    (b'{"x": 1, "x": 2}', b"", "twice"),
    (b'{"x": ', b"", "not JSON"),
    (b'{"\xff": 1}', b"", "not JSON"),
    (b"{" + b'"a":{' * 3000, b"", "not JSON"),
    (b"[1, 2, 3]", b"", "not a safetensors file"),
])  # fmt: skip
def test_damaged_files(tmp_path, header, data, match):
    with pytest.raises(DataError, match=match) as caught:
        cr.load(put(tmp_path / "a", header, data))
    assert "help:" in str(caught.value) and str(tmp_path / "a") in str(caught.value)


@pytest.mark.parametrize("raw, match", [
    (b"", "the file is empty"),
    (b"abc", "first bytes: 61 62 63"),
    (b"\xff" * 100, "not a safetensors file"),
    (b"PK\x03\x04" + b"\0" * 60, r"zip archive[\s\S]*help: chainrule.load_pytorch"),
    (b"\x80\x02" + b"." * 60, r"pickle[\s\S]*load_pytorch"),
    (b"\x93NUMPY" + b" " * 60, "numpy.load"),
    (b"\x89HDF\r\n\x1a\n" + b"\0" * 60, "HDF5"),
    (struct.pack("<Q", 1000) + b"{}", "it is truncated"),
    (struct.pack("<Q", 2**60) + b"{}", "not a safetensors file"),
])  # fmt: skip
def test_foreign_files(tmp_path, raw, match):
    (tmp_path / "a").write_bytes(raw)
    with pytest.raises(DataError, match=match) as caught:
        cr.load(tmp_path / "a")
    assert "help:" in str(caught.value)


def test_every_truncation_is_noticed(tmp_path):
    path = tmp_path / "a"
    cr.save({"x": cr.ones((2, 3)), "n": [1, {"y": np.ones(2, np.float16)}]}, path)
    whole = path.read_bytes()
    for n in range(len(whole)):
        path.write_bytes(whole[:n])
        for read in (cr.load, cr.saving.read_metadata):
            with pytest.raises(DataError):
                read(path)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_changed_bytes_never_crash(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "changed"
    cr.save({"x": cr.ones((2, 3)), "n": [1, {"y": np.ones(2, np.float16)}, (None, 2.5)]}, path)
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw)
    try:
        cr.load(path)
    except DataError as error:
        assert "help:" in str(error)


def test_missing_files(tmp_path):
    with pytest.raises(MissingDataError, match="nothing there"):
        cr.load(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="a folder"):
        cr.load(tmp_path)


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([None]), np.zeros(2, "datetime64[s]"), np.zeros(2, np.longdouble)])
def test_arrays_that_have_no_place(tmp_path, array):
    with pytest.raises(ArgumentError, match=r"no place for 'a.b'[\s\S]*help:"):
        cr.save({"a": {"b": array}}, tmp_path / "a")
    assert os.listdir(tmp_path) == []
