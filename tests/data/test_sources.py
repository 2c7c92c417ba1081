"""Texts, tables, folders of pictures and memory-mapped arrays."""

import builtins
import pickle

import numpy as np
import pytest

import chainrule as cr
import chainrule.data as data
from chainrule.errors import ArgumentError, DataError, MissingDataError, MissingExtraError, ShapeError

# --- text ---------------------------------------------------------------------------------------------------------------


def test_tokenizers():
    words = data.Tokenizer()("It's 3 o\u2019clock; ÄPFEL -- ok?")
    assert words == [
        "it's",
        "3",
        "o\u2019clock",
        ";",
        "äpfel",
        "-",
        "-",
        "ok",
        "?",
    ]
    assert data.Tokenizer(".", lower=False)("aB\n") == ["a", "B", "\n"]
    assert data.Tokenizer()("") == []


def test_ngrams():
    assert data.ngrams("abcd", 3, joined=None) == [("a", "b", "c"), ("b", "c", "d")]
    assert data.ngrams(["a"], 2) == [] and data.ngrams(["a", "b"], 1) == ["a", "b"]
    for bad in (0, -1, True, 1.0):
        with pytest.raises(ArgumentError):
            data.ngrams("ab", bad)


def test_vocabulary():
    texts = [["b", "a", "b"], ["c", "b", "a", "d"]]
    words = data.Vocabulary(texts)
    assert words.tokens == ["<pad>", "<unk>", "b", "a", "c", "d"] and len(words) == 6 and "c" in words and "x" not in words
    assert data.Vocabulary(texts, min_count=2).tokens[2:] == ["b", "a"]
    assert data.Vocabulary(texts, max_size=3).tokens == ["<pad>", "<unk>", "b"]
    assert data.Vocabulary([["<pad>", "a"]]).tokens == ["<pad>", "<unk>", "a"]
    assert words.encode(["a", "zebra"]).tolist() == [3, 1] and words.encode([]).dtype == np.int64
    assert words.decode(words.encode(["d", "b"])) == ["d", "b"]
    again = data.Vocabulary.of(words.tokens)
    assert again.tokens == words.tokens and again["c"] == words["c"] and pickle.loads(pickle.dumps(words))["c"] == words["c"]
    with pytest.raises(KeyError, match="no token 'zebra'"):
        data.Vocabulary(texts, specials=())["zebra"]
    with pytest.raises(ArgumentError, match="twice"):
        data.Vocabulary.of(["a", "a"])
    with pytest.raises(ArgumentError, match="one string"):
        data.Vocabulary("text")


def test_padding():
    rows = [(np.ones((n, 2), np.float32) * n, n, np.arange(n)) for n in (2, 0, 3)]
    x, lengths, n, y, _ = data.PadCollate(parts=(0, 2), padding_value=-1)(rows)
    assert x.shape == (3, 3, 2) and x.dtype == np.float32 and lengths.tolist() == [2, 0, 3] == n.tolist()
    assert y.tolist() == [[0, 1, -1], [-1, -1, -1], [0, 1, 2]]
    assert data.PadCollate(lengths=False, multiple=4)([(np.arange(5), 1)])[0].shape == (1, 8)
    with pytest.raises(ShapeError, match="same shape but for their lengths"):
        data.PadCollate()([(np.ones((2, 2)),), (np.ones((2, 3)),)])
    with pytest.raises(ArgumentError, match="tuples"):
        data.PadCollate()([np.ones(2)])


def test_windows():
    text = np.arange(100)
    ds = data.Windows(text, 7, stride=3)
    assert len(ds) == (100 - 8) // 3 + 1
    for i in (0, 5, len(ds) - 1, -1):
        x, y = ds[i]
        assert x.tolist() == (np.arange(7) + 3 * (i % len(ds))).tolist() and np.array_equal(np.asarray(y), np.asarray(x) + 1)
    with pytest.raises(IndexError):
        ds[len(ds)]
    (x, _), *rest = data.DataLoader(ds, batch_size=20, shuffle=True, seed=0)
    assert x.shape == (20, 7) and len(rest) == 1
    assert len(data.Windows(np.arange(7), 7)) == 0 and len(data.Windows(np.arange(8), 7)) == 1
    with pytest.raises(ArgumentError):
        data.Windows(text, 0)


def test_lines(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("eins\r\n\n  \nzwölf\nlast".encode())
    lines = data.TextLines(path)
    assert list(lines) == ["eins", "zwölf", "last"] and len(data.TextLines(path, skip_empty=False)) == 5
    words = data.TextLines(path, transform=data.Tokenizer())
    loader = data.DataLoader(words, num_workers=2, collate_fn=lambda rows: rows[0])
    assert list(loader) == [["eins"], ["zwölf"], ["last"]]
    path.write_bytes(b"ok\n\xff\xfe\n")
    with pytest.raises(DataError, match=r"line 1 of .* is not utf-8"):
        data.TextLines(path)[1]
    with pytest.raises(MissingDataError):
        data.TextLines(tmp_path / "b.txt")


# --- tables -------------------------------------------------------------------------------------------------------------

CSV = """name; size;ok ;price;when
pear;3;true;1.5;2020
"Apple; red";4;FALSE;NA;2021
pear;5;true;-2e3;

"""


def test_table(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("\ufeff" + CSV, encoding="utf-8")
    table = data.load_table(path)
    assert {k: str(v.dtype) for k, v in table.columns.items()} == {
        "name": "int64", "size": "int64", "ok": "bool", "price": "float64", "when": "float64",
    }  # fmt: skip
    assert table.categories == {"name": ("Apple; red", "pear")} and table["name"].tolist() == [1, 0, 1] and len(table) == 3
    assert table["size"].tolist() == [3, 4, 5] and table["ok"].tolist() == [True, False, True]
    assert np.array_equal(table["price"], [1.5, np.nan, -2000], equal_nan=True) and table.missing() == {"price": 1, "when": 1}
    with pytest.raises(DataError, match=r"values are missing\n  price: 1 of 3"):
        table.dataset()
    table.columns["price"][1], table.columns["when"][2] = 0.0, 2022
    x, names = table.matrix()
    assert names == ["name=Apple; red", "name=pear", "size", "ok", "price", "when"] and x.dtype == np.float32
    assert x[1].tolist() == [1, 0, 4, 0, 0, 2021]
    ds = table.dataset("name", one_hot=False)
    assert ds[0][0].tolist() == [3, 1, 1.5, 2020] and ds[0][1].item() == 1 and ds.tensors[1].dtype == np.int64
    assert table.dataset("price").tensors[1].dtype == np.float32
    assert table.rows(table["ok"])["size"].tolist() == [3, 5]
    with pytest.raises(KeyError, match="no column 'x'"):
        table["x"]


def test_types_of_columns(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("a\tb\n1\tx\n2\t\n")
    table = data.load_table(path, types={"a": "category"})
    assert table.categories == {"a": ("1", "2"), "b": ("x",)} and table["b"].tolist() == [0, -1] and table.missing() == {"b": 1}
    assert data.load_table(path, types={"a": "float"})["a"].dtype == np.float64
    assert data.load_table(path, header=False).columns.keys() == {"0", "1"}
    with pytest.raises(ArgumentError, match="unknown: c, number"):
        data.load_table(path, types={"c": "number"})
    with pytest.raises(DataError, match=r"line 2 .*column 'b'\n  expected: float    found: 'x'"):
        data.load_table(path, types={"b": "float"})
    path.write_text("n\n" + str(2**63) + "\n1\n")
    assert data.load_table(path)["n"].dtype == np.float64


def test_a_second_table_has_the_codes_of_the_first(tmp_path):
    (tmp_path / "train.csv").write_text("kind,n\nb,1\nc,2\n")
    (tmp_path / "test.csv").write_text("kind,n\nc,3.0\n")
    train = data.load_table(tmp_path / "train.csv")
    (tmp_path / "test.csv").write_text("kind,n\nc,3\n")
    assert data.load_table(tmp_path / "test.csv", like=train)["kind"].tolist() == [1]
    (tmp_path / "test.csv").write_text("kind,n\na,3\n")
    with pytest.raises(DataError, match="expected: one of b, c    found: 'a'"):
        data.load_table(tmp_path / "test.csv", like=train)
    (tmp_path / "test.csv").write_text("kind\na\n")
    with pytest.raises(DataError, match="other columns"):
        data.load_table(tmp_path / "test.csv", like=train)


@pytest.mark.parametrize("text, match", [
    ("a,b\n1,2\n3\n", "line 3 .*has 1 values"), ("", "is empty"), ("a,a\n1,2\n", "occurs twice"),
    (b"\xff\xfe\x00", "not a table of text"),
])  # fmt: skip
def test_damaged_tables(tmp_path, text, match):
    path = tmp_path / "a.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=match) as caught:
        data.load_table(path)
    assert "help:" in str(caught.value)


def test_missing_table_and_table_without_rows(tmp_path):
    with pytest.raises(MissingDataError):
        data.load_table(tmp_path / "none.csv")
    (tmp_path / "a.csv").write_text("a,b\n")
    table = data.load_table(tmp_path / "a.csv")
    assert len(table) == 0 and table.matrix()[0].shape == (0, 2)


# --- folders of pictures ------------------------------------------------------------------------------------------------


def folder_of_pictures(root):
    image = pytest.importorskip("PIL.Image")
    random = np.random.default_rng(0)
    pictures = {}
    for name in ("dog/b.png", "cat/a.png", "cat/deep/c.bmp"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        pictures[name] = random.integers(0, 256, (4, 5, 3), np.uint8)
        image.fromarray(pictures[name]).save(root / name)
    (root / "cat" / "notes.txt").write_text("no picture")
    return pictures


def test_image_folder(tmp_path):
    pictures = folder_of_pictures(tmp_path)
    ds = data.ImageFolder(tmp_path)
    assert ds.classes == ["cat", "dog"] and len(ds) == 3 and ds.labels.tolist() == [0, 0, 1]
    for (picture, label), name in zip(ds, ["cat/a.png", "cat/deep/c.bmp", "dog/b.png"], strict=True):
        assert np.array_equal(picture, pictures[name]) and label == ds.classes.index(name.split("/")[0])
    ds = data.ImageFolder(tmp_path, transform=data.transforms.ToTensor(), target_transform=lambda label: -label)
    x, y = next(iter(data.DataLoader(ds, batch_size=3, num_workers=1)))
    assert x.shape == (3, 3, 4, 5) and x.dtype == np.float32 and y.tolist() == [0, 0, -1]
    assert data.ImageFolder(tmp_path, mode="L")[0][0].shape == (4, 5)


def test_broken_pictures_and_folders(tmp_path, monkeypatch):
    folder_of_pictures(tmp_path)
    (tmp_path / "cat" / "a.png").write_bytes((tmp_path / "cat" / "a.png").read_bytes()[:40])
    with pytest.raises(DataError, match=r"cannot read .*a.png"):
        data.ImageFolder(tmp_path)[0]
    (tmp_path / "fish").mkdir()
    with pytest.raises(MissingDataError, match=r"without pictures: fish[\s\S]*help: one folder for each class"):
        data.ImageFolder(tmp_path)
    with pytest.raises(MissingDataError, match="no folder"):
        data.ImageFolder(tmp_path / "none")
    (tmp_path / "fish").rmdir()
    original = builtins.__import__
    monkeypatch.setattr(
        builtins, "__import__", lambda name, *a, **k: original("no_such_module" if name == "PIL" else name, *a, **k)
    )
    with pytest.raises(MissingExtraError, match=r"chainrule\[images\]"):
        data.ImageFolder(tmp_path)[2]


# --- memory maps --------------------------------------------------------------------------------------------------------


def test_memory_maps(tmp_path):
    made = data.create_memory_map(tmp_path / "new" / "a.npy", (6, 2), np.int16)
    made[:] = np.arange(12).reshape(6, 2)
    made.flush()
    x = data.memory_map(tmp_path / "new" / "a.npy")
    assert isinstance(x, np.memmap) and x.dtype == np.int16 and np.array_equal(x, made)
    ds = data.TensorDataset(x, np.arange(6))
    assert np.shares_memory(np.asarray(ds.tensors[0]), x)  # nothing was read yet
    for options in ({}, {"num_workers": 2}):
        rows = [b.tolist() for b, _ in data.DataLoader(ds, batch_size=4, shuffle=True, seed=0, **options)]
        assert sorted(r for b in rows for r in b) == made.tolist()
    (tmp_path / "raw").write_bytes(b"head" + np.arange(6, dtype=np.float32).tobytes())
    raw = data.memory_map(tmp_path / "raw", np.float32, (-1, 3), offset=4)
    assert raw.shape == (2, 3) and raw[1, 2] == 5
    assert data.memory_map(tmp_path / "raw", np.uint8, (0, 3)).shape == (0, 3)


def test_bad_memory_maps(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(100.0))
    whole = (tmp_path / "a.npy").read_bytes()
    for n in (0, 3, 50, len(whole) - 1):
        (tmp_path / "b.npy").write_bytes(whole[:n])
        with pytest.raises(DataError, match="cannot read"):
            data.memory_map(tmp_path / "b.npy")
    with pytest.raises(DataError, match="takes 8000 bytes, the file has"):
        data.memory_map(tmp_path / "a.npy", np.float64, (1000,))
    with pytest.raises(DataError, match="not whole rows"):
        data.memory_map(tmp_path / "a.npy", np.float64, (-1, 5))
    with pytest.raises(ArgumentError, match="mode: 'w'"):
        data.memory_map(tmp_path / "a.npy", mode="w")
    with pytest.raises(MissingDataError):
        data.memory_map(tmp_path / "none.npy")
    np.save(tmp_path / "o.npy", np.array([None]), allow_pickle=True)
    with pytest.raises(DataError):
        data.memory_map(tmp_path / "o.npy")
    assert cr.data.memory_map(tmp_path / "a.npy", mode="c").flags.writeable
