"""Data files: what is read, and what missing, truncated and foreign files give."""

import builtins
import gzip
import os
import struct

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import chainrule.data as data
from chainrule.data.files import atomic_write
from chainrule.data.images import FASHION_FILES
from chainrule.errors import ArgumentError, DataError, MissingDataError, MissingExtraError

CODES = {np.uint8: 8, np.int8: 9, np.int16: 11, np.int32: 12, np.float32: 13, np.float64: 14}


def idx_bytes(array):
    head = bytes([0, 0, CODES[array.dtype.type], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_fashion(folder, n_train=12, n_test=5, suffix=".gz", **replace):
    random = np.random.default_rng(0)
    for (part, what), name in FASHION_FILES.items():
        n = n_train if part == "train" else n_test
        array = random.integers(0, 256, (n, 28, 28), np.uint8) if what == "images" else random.integers(0, 10, n, np.uint8)
        raw = idx_bytes(replace.get(f"{part}_{what}", array))
        (folder / (name + suffix)).write_bytes(gzip.compress(raw) if suffix else raw)


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("compress", [False, True])
def test_idx_round_trip(tmp_path, dtype, compress):
    array = (np.random.default_rng(1).normal(size=(3, 2, 4)) * 50).astype(dtype)
    raw = idx_bytes(array)
    (tmp_path / "a").write_bytes(gzip.compress(raw) if compress else raw)
    read = data.read_idx(tmp_path / "a", dtype, 3)
    assert read.dtype == array.dtype and read.dtype.isnative and np.array_equal(read, array)
    read[0] = 0  # writable


@pytest.mark.parametrize("raw, match", [
    (b"", "not an IDX file"),
    (b"\0\0\x08", "not an IDX file"),
    (b"GIF89a" + bytes(100), "47 49 46 38"),
    (b"\0\0\x07\x01\0\0\0\x01\0", "not an IDX file"),
    (b"\0\0\x08\0", "not an IDX file"),
    (b"\0\0\x08\xff" + bytes(2000), "not an IDX file"),
    (b"\0\0\x08\x02\0\0\0\x02\0", "header ends after 9 of 12 bytes"),
    (b"\0\0\x08\x01\0\0\0\x03ab", r"takes 3 bytes, found 2 bytes: the file is truncated"),
    (b"\0\0\x08\x01\0\0\0\x03abcd", "takes 3 bytes, found more"),
    (b"\0\0\x0e\x04" + b"\xff" * 16 + b"abc", "truncated"),  # promises more than any memory holds
])  # fmt: skip
@pytest.mark.parametrize("compress", [False, True])
def test_foreign_and_truncated_files(tmp_path, raw, match, compress):
    (tmp_path / "a").write_bytes(gzip.compress(raw) if compress else raw)
    with pytest.raises(DataError, match=match) as caught:
        data.read_idx(tmp_path / "a")
    assert "help:" in str(caught.value) and str(tmp_path / "a") in str(caught.value)


def test_every_truncation_is_noticed(tmp_path):
    whole = gzip.compress(idx_bytes(np.arange(100, dtype=np.uint8).reshape(10, 10)))
    for n in range(len(whole)):
        (tmp_path / "a").write_bytes(whole[:n])
        with pytest.raises(DataError):
            data.read_idx(tmp_path / "a")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_changed_bytes_never_crash(tmp_path_factory, data_):
    """A changed byte of a compressed file is refused, or (in the header of gzip) does not matter."""
    array = np.arange(60, dtype=np.uint8).reshape(3, 20)
    raw = bytearray(gzip.compress(idx_bytes(array)))
    for _ in range(data_.draw(st.integers(1, 3))):
        raw[data_.draw(st.integers(0, len(raw) - 1))] = data_.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "changed"
    path.write_bytes(raw)
    try:
        assert np.array_equal(data.read_idx(path), array)
    except DataError:
        pass


def test_wrong_dtype_and_axes(tmp_path):
    (tmp_path / "a").write_bytes(idx_bytes(np.zeros(3, np.uint8)))
    with pytest.raises(DataError, match=r"expected: uint8, 3 axes\n  found:    uint8, 1 axes"):
        data.read_idx(tmp_path / "a", np.uint8, 3)
    with pytest.raises(DataError, match="expected: float32"):
        data.read_idx(tmp_path / "a", np.float32)


def test_missing_file(tmp_path):
    with pytest.raises(MissingDataError, match="no file"):
        data.read_idx(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="a folder"):
        data.read_idx(tmp_path)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_fashion_from_a_folder(tmp_path, suffix):
    write_fashion(tmp_path, suffix=suffix)
    train, test = data.load_fashion_mnist(tmp_path)
    assert (len(train), len(test)) == (12, 5)
    assert train.images.shape == (12, 784) and train.images.dtype == np.float32 and train.labels.dtype == np.int64
    x = np.asarray(train.images)
    assert x.min() >= 0 and 0.99 < x.max() <= 1
    assert len(train.classes) == 10 and train.pictures().shape == (12, 28, 28)
    assert data.load_fashion_mnist(tmp_path, flatten=False)[1].images.shape == (5, 28, 28)


def test_fashion_is_found_by_environment_and_in_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    named = tmp_path / "named" / "fashion-mnist"
    named.mkdir(parents=True)
    write_fashion(named, n_train=7)
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path / "named"))
    assert len(data.load_fashion_mnist()[0]) == 7
    monkeypatch.delenv("CHAINRULE_DATA")
    (tmp_path / "data").mkdir()
    write_fashion(tmp_path / "data", n_train=9)
    assert len(data.load_fashion_mnist()[0]) == 9


def test_missing_fashion_says_how_to_get_it(tmp_path):
    with pytest.raises(MissingDataError) as caught:
        data.load_fashion_mnist(tmp_path)
    message = str(caught.value)
    assert "apt-get install dataset-fashion-mnist" in message and str(tmp_path) in message
    assert all(name in message for name in FASHION_FILES.values())
    write_fashion(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(MissingDataError, match=f"missing in {tmp_path}: t10k-labels-idx1-ubyte\n"):
        data.load_fashion_mnist(tmp_path)


@pytest.mark.parametrize("replace, match", [
    ({"train_images": np.zeros((12, 27, 28), np.uint8)}, r"found: \(12, 27, 28\)"),
    ({"train_images": np.zeros((0, 28, 28), np.uint8)}, r"found: \(0, 28, 28\)"),
    ({"train_images": np.zeros(12, np.uint8)}, "1 axes"),
    ({"train_images": np.zeros((12, 28, 28), np.float32)}, "found:    float32"),
    ({"test_labels": np.zeros(4, np.uint8)}, "numbers of images and labels differ"),
    ({"test_labels": np.full(5, 10, np.uint8)}, "expected: 0 to 9    found: 10"),
])  # fmt: skip
def test_foreign_fashion(tmp_path, replace, match):
    write_fashion(tmp_path, **replace)
    with pytest.raises(DataError, match=match):
        data.load_fashion_mnist(tmp_path)


@pytest.mark.skipif(not os.path.isdir("/usr/share/datasets/fashion-mnist"), reason="package dataset-fashion-mnist is needed")
def test_real_fashion():
    train, test = data.load_fashion_mnist("/usr/share/datasets/fashion-mnist")
    assert train.images.shape == (60000, 784) and test.images.shape == (10000, 784)
    assert np.bincount(np.asarray(train.labels)).tolist() == [6000] * 10
    assert abs(float(np.asarray(train.images).mean()) - 0.2860) < 1e-3  # the mean that everyone normalises by


def test_digits():
    train, test = data.load_digits()
    assert len(train) + len(test) == 1797 and train.images.shape[1:] == (64,) and train.images.dtype == np.float32
    counts = np.bincount(np.asarray(test.labels))
    assert counts.min() >= 34 and len(counts) == 10
    rows = {r.tobytes() for r in np.asarray(train.images)} & {r.tobytes() for r in np.asarray(test.images)}
    assert not rows  # nothing of the test set was trained on
    again = data.load_digits()[1]
    assert np.array_equal(np.asarray(again.images), np.asarray(test.images))
    assert not np.array_equal(np.asarray(data.load_digits(seed=1)[1].images), np.asarray(test.images))
    assert data.load_digits(flatten=False)[0].images.shape[1:] == (8, 8)
    with pytest.raises(ArgumentError, match="found: 0"):
        data.load_digits(test_fraction=0)


def test_digits_without_scikit_learn(monkeypatch):
    original = builtins.__import__

    def no_sklearn(name, *args, **kwargs):
        if name.startswith("sklearn"):
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_sklearn)
    with pytest.raises(MissingExtraError, match=r"scikit-learn[\s\S]*chainrule\[demo\]"):
        data.load_digits()


def test_atomic_write_keeps_the_old_file_after_an_error(tmp_path):
    path = tmp_path / "a.txt"
    with atomic_write(path) as file:
        file.write("old")
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as file:
        file.write("half of the n")
        raise KeyboardInterrupt
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]
    with atomic_write(path, "wb") as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
