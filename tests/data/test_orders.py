"""Samplers, splits, streams of random numbers, and passes that are resumed in their middle."""

import time

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import chainrule as cr
import chainrule.data as data
from chainrule.data import ahead
from chainrule.errors import ArgumentError, ShapeError


def test_sequential_and_random():
    assert list(data.SequentialSampler(range(4))) == [0, 1, 2, 3]
    sampler = data.RandomSampler(range(50), generator=cr.Generator(0))
    first, second = list(sampler), list(sampler)
    assert sorted(first) == list(range(50)) and first != second and len(sampler) == 50
    assert list(data.RandomSampler(range(50), generator=cr.Generator(0))) == first
    counts = np.bincount(list(data.RandomSampler(range(4), num_samples=10)))
    assert counts.sum() == 10 and set(counts) <= {2, 3}
    drawn = list(data.RandomSampler(range(5), replacement=True, num_samples=2000, generator=cr.Generator(2)))
    assert len(drawn) == 2000 and np.bincount(drawn).min() > 300
    assert list(data.RandomSampler([])) == [] and list(data.RandomSampler([], replacement=True)) == []
    assert sorted(data.SubsetRandomSampler([9, 3, 5])) == [3, 5, 9]


@pytest.mark.parametrize("replacement", [True, False])
def test_weighted_draws_have_their_probabilities(replacement):
    weights = np.array([1.0, 0.0, 3.0, 6.0, 0.0])
    generator = cr.Generator(0)
    firsts = []
    for _ in range(3000):
        drawn = list(data.WeightedRandomSampler(weights, 3, replacement, generator))
        firsts.append(drawn[0])
        assert 1 not in drawn and 4 not in drawn and (replacement or len(set(drawn)) == 3)
    share = np.bincount(firsts, minlength=5) / 3000
    assert abs(share - weights / 10).max() < 4 * 0.5 / np.sqrt(3000)


@pytest.mark.parametrize("weights, n, replacement, match", [
    ([], 1, True, "weights"), ([0.0, 0.0], 1, True, "not all of them 0"), ([1, -1], 1, True, "finite numbers from 0"),
    ([1, np.nan], 1, True, "finite"), ([[1.0]], 1, True, "weights"), ([1.0], -1, True, "num_samples: -1"),
    ([1.0], 2.0, True, "num_samples: 2.0"), ([1, 0, 1], 3, False, "num_samples: 3    weights above 0: 2"),
])  # fmt: skip
def test_bad_weights(weights, n, replacement, match):
    with pytest.raises(ArgumentError, match=match):
        data.WeightedRandomSampler(weights, n, replacement)


def test_samplers_in_a_loader_follow_its_seed():
    ds = data.TensorDataset(np.arange(20))

    def epochs(sampler, **options):
        loader = data.DataLoader(ds, batch_size=4, sampler=sampler, **options)
        return [[i for (b,) in loader for i in b.tolist()] for _ in range(2)]

    weighted = data.WeightedRandomSampler(np.arange(20), 30)
    a = epochs(weighted, seed=1)
    assert a == epochs(weighted, seed=1) != epochs(weighted, seed=2) and a[0] != a[1] and len(a[0]) == 30
    own = [epochs(data.RandomSampler(ds, generator=cr.Generator(4))) for _ in range(2)]
    assert own[0] == own[1] and sorted(own[0][0]) == list(range(20))


def test_batch_samplers():
    ds = data.TensorDataset(np.arange(10))
    sampler = data.BatchSampler(data.SequentialSampler(ds), 4, drop_last=True)
    assert [b.tolist() for (b,) in data.DataLoader(ds, batch_sampler=sampler)] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert len(data.DataLoader(ds, batch_sampler=sampler)) == 2
    rows = np.array([[1, 2], [3, 4]])
    assert [b.tolist() for (b,) in data.DataLoader(ds, batch_sampler=rows)] == rows.tolist()
    assert [b.tolist() for (b,) in data.DataLoader(ds, batch_size=3, sampler=np.arange(5))] == [[0, 1, 2], [3, 4]]
    uneven = [[9], [], [0, 1, 2]]
    assert [b.tolist() for (b,) in data.DataLoader(ds, batch_sampler=uneven)] == uneven
    lengths = np.random.default_rng(0).integers(1, 100, 40)
    bucket = data.BucketBatchSampler(lengths, 8, generator=cr.Generator(0))
    batches = list(bucket)
    assert sorted(i for b in batches for i in b) == list(range(40)) and len(batches) == len(bucket) == 5
    assert max(np.ptp(lengths[b]) for b in batches) < 40 and batches != list(bucket)
    loader = data.DataLoader(data.TensorDataset(np.arange(40)), batch_sampler=data.BucketBatchSampler(lengths, 8), seed=1)
    assert [b.tolist() for (b,) in loader] != [b.tolist() for (b,) in loader]


def test_samples_one_by_one():
    ds = data.TensorDataset(np.arange(6.0).reshape(3, 2), np.arange(3))
    loader = data.DataLoader(ds, batch_size=None, shuffle=True, seed=0)
    samples = list(loader)
    assert len(loader) == 3 and sorted(y.item() for _, y in samples) == [0, 1, 2] and samples[0][0].shape == (2,)


def test_arrays_and_lists_as_datasets():
    x = np.arange(12.0).reshape(6, 2)
    for source in (x, cr.tensor(x), list(x)):
        batches = list(data.DataLoader(source, batch_size=4, shuffle=True, seed=1))
        assert sorted(np.concatenate([np.asarray(b) for b in batches])[:, 0].tolist()) == x[:, 0].tolist()
    t = cr.tensor(x, requires_grad=True)
    for batch in data.DataLoader(t, batch_size=4):
        (batch**2).sum().backward()
    assert np.array_equal(np.asarray(t.grad), 2 * x)


def test_concatenated_and_mapped_datasets_in_batches():
    parts = [data.TensorDataset(np.arange(n) + 100 * n, np.arange(n)) for n in (3, 0, 4)]
    both = data.ConcatDataset(parts)
    assert both.take(np.array([6, 0, 3, -1, 2]))[0].tolist() == [403, 300, 400, 403, 302]
    assert both.take(slice(2, 5))[0].tolist() == [302, 400, 401]
    assert both.take(np.array([], int))[0].shape == (0,)
    assert not hasattr(data.ConcatDataset([parts[0], [1, 2]]), "take")
    mapped = data.MapDataset(both, lambda x, y: (x - y, y))
    assert [x.tolist() for x, _ in data.DataLoader(mapped, batch_size=4)] == [[300, 300, 300, 400], [400] * 3]


# --- splits -------------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 60), st.floats(0.05, 0.95), st.integers(1, 4), st.integers(0, 9))
def test_stratified_splits(n, share, classes, seed):
    labels = np.random.default_rng(seed).integers(0, classes, n)
    ds = data.TensorDataset(labels)
    if not 0 < round(share * n) < n:
        with pytest.raises(ArgumentError, match="both parts"):
            data.train_validation_split(ds, share, stratify=labels, seed=seed)
        return
    train, held_out = data.train_validation_split(ds, share, stratify=labels, seed=seed)
    assert sorted([*train.indices, *held_out.indices]) == list(range(n)) and len(held_out) == round(share * n)
    exact = np.bincount(labels, minlength=classes) * len(held_out) / n
    assert abs(np.bincount(labels[held_out.indices], minlength=classes) - exact).max() < 1


def test_plain_split():
    ds = data.TensorDataset(np.arange(100))
    train, held_out = data.train_validation_split(ds, 30, seed=0)
    assert (len(train), len(held_out)) == (70, 30) and sorted([*train.indices, *held_out.indices]) == list(range(100))
    assert held_out.indices.tolist() != list(range(30))
    first, second = (data.train_validation_split(ds, seed=1)[1].indices.tolist() for _ in range(2))
    assert first == second
    with pytest.raises(ShapeError, match=r"labels: \(3,\)"):
        data.train_validation_split(ds, stratify=[1, 2, 3])
    for bad in (0, 100, 1.0):
        with pytest.raises(ArgumentError):
            data.train_validation_split(ds, bad)


@pytest.mark.parametrize("stratify", [False, True])
def test_folds(stratify):
    labels = np.random.default_rng(0).choice(["a", "b", "c"], 31)
    folds = data.k_fold(data.TensorDataset(np.arange(31)), 4, stratify=labels if stratify else None, seed=0)
    assert sorted(i for _, held_out in folds for i in held_out.indices) == list(range(31))
    for train, held_out in folds:
        assert sorted([*train.indices, *held_out.indices]) == list(range(31))
    if stratify:
        counts = np.array([[(labels[f.indices] == c).sum() for c in "abc"] for _, f in folds])
        assert np.ptp(counts, 0).max() <= 1
    for bad in (1, 32, 2.0):
        with pytest.raises(ArgumentError):
            data.k_fold(data.TensorDataset(np.arange(31)), bad)


# --- streams and resuming -----------------------------------------------------------------------------------------------


class Noisy(data.Dataset):
    def __len__(self):
        return 11

    def __getitem__(self, i):
        return i, data.stream().normal(), data.stream().normal()


def noise(loader, n=None):
    batches = []
    for i, (index, a, b) in enumerate(loader, 1):
        batches.append((index.tolist(), a.tolist(), b.tolist()))
        if i == n:
            break
    return batches


def test_streams_depend_on_seed_epoch_and_place_only():
    loader = data.DataLoader(Noisy(), batch_size=4, shuffle=True, seed=1)
    first, second = noise(loader), noise(loader)
    a = {i: x for index, xs, _ in first for i, x in zip(index, xs, strict=True)}
    b = {i: x for index, xs, _ in second for i, x in zip(index, xs, strict=True)}
    assert len(set(a.values()) | set(b.values())) == 22
    cr.manual_seed(3)
    data.stream().normal()
    assert noise(data.DataLoader(Noisy(), batch_size=4, shuffle=True, seed=1)) == first
    assert all(x != y for _, xs, ys in first for x, y in zip(xs, ys, strict=True))
    other_sizes = noise(data.DataLoader(Noisy(), batch_size=3, shuffle=True, seed=1))
    assert {i: x for index, xs, _ in other_sizes for i, x in zip(index, xs, strict=True)} == a


def test_unseeded_loaders_follow_the_default_generator():
    loader = data.DataLoader(Noisy(), batch_size=4)
    cr.manual_seed(7)
    first = noise(loader), noise(loader)
    cr.manual_seed(7)
    assert (noise(loader), noise(loader)) == first and first[0] != first[1]
    cr.manual_seed(1)
    a = cr.rand(3).tolist()
    cr.manual_seed(1)
    list(data.DataLoader(data.TensorDataset(np.arange(4))))  # nothing random in it, so nothing is drawn
    assert cr.rand(3).tolist() == a


@pytest.mark.parametrize("options", [
    {"seed": 3, "shuffle": True}, {"shuffle": True}, {}, {"shuffle": True, "num_workers": 2},
    {"sampler": data.WeightedRandomSampler(np.ones(11), 15)}, {"sampler": [3, 1, 2, 0, 5, 4, 7, 8, 10]},
    {"batch_size": 1, "batch_sampler": data.BucketBatchSampler(np.arange(11), 4), "shuffle": False},
])  # fmt: skip
@pytest.mark.parametrize("done", [0, 1, 2])
def test_a_pass_goes_on_where_it_was_left(options, done):
    options = {"batch_size": 4} | options
    cr.manual_seed(5)
    loader = data.DataLoader(Noisy(), **options)
    noise(loader)  # one whole epoch before
    batches = iter(loader)
    for _ in range(done):
        next(batches)
    state = loader.state_dict()
    rest = noise(batches)
    after = loader.state_dict()
    later = data.DataLoader(Noisy(), **options)
    later.load_state_dict(state)
    cr.manual_seed(99)
    assert noise(later) == rest and rest
    assert later.state_dict() == after == {"epoch": 2, "batch": 0, "key": None}
    if "seed" in options:
        assert noise(later) == noise(loader)


class Counting(data.IterableDataset):
    def __iter__(self):
        return iter(np.arange(10))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_goes_on_where_it_was_left(workers):
    loader = data.DataLoader(Counting(), batch_size=3, num_workers=workers)
    batches = iter(loader)
    next(batches)
    state = loader.state_dict()
    rest = [b.tolist() for b in batches]
    later = data.DataLoader(Counting(), batch_size=3, num_workers=workers)
    later.load_state_dict(state)
    assert [b.tolist() for b in later] == rest


def test_state_goes_through_a_file(tmp_path):
    loader = data.DataLoader(Noisy(), batch_size=4, shuffle=True, seed=1)
    next(iter(loader))
    cr.save({"loader": loader, "step": 1}, tmp_path / "a")
    later = data.DataLoader(Noisy(), batch_size=4, shuffle=True, seed=1)
    later.load_state_dict(cr.load(tmp_path / "a")["loader"])
    assert noise(later) == noise(data.DataLoader(Noisy(), batch_size=4, shuffle=True, seed=1))[1:]


def test_a_left_pass_is_followed_by_the_next_epoch():
    loader = data.DataLoader(data.TensorDataset(np.arange(9)), batch_size=2, shuffle=True, seed=0)
    whole = [[b.tolist() for (b,) in loader] for _ in range(2)]
    again = data.DataLoader(data.TensorDataset(np.arange(9)), batch_size=2, shuffle=True, seed=0)
    for _ in again:
        break
    assert again.state_dict()["batch"] == 1 and [b.tolist() for (b,) in again] == whole[1]


# --- options ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options, match", [
    ({"batch_sampler": [[0]], "batch_size": 3}, "whole batches"),
    ({"batch_sampler": [[0]], "drop_last": True}, "whole batches"),
    ({"batch_sampler": [[0]], "sampler": [0]}, "whole batches"),
    ({"batch_sampler": [[0]], "shuffle": True}, "shuffle must be False"),
    ({"batch_size": None, "drop_last": True}, "none to drop"),
    ({"num_workers": -1}, "num_workers: -1"), ({"num_workers": 1.0}, "num_workers: 1.0"),
    ({"timeout": 3}, "num_workers: 0, and timeout"), ({"persistent_workers": True}, "persistent_workers"),
    ({"prefetch_factor": 2}, "prefetch_factor"), ({"prefetch_factor": 0, "num_workers": 1}, "prefetch_factor: 0"),
    ({"timeout": -1, "num_workers": 1}, "timeout: -1"), ({"timeout": float("nan"), "num_workers": 1}, "timeout: nan"),
    ({"multiprocessing_context": "fork"}, "multiprocessing_context"),
])  # fmt: skip
def test_contradictions(options, match):
    with pytest.raises(ArgumentError, match=match) as caught:
        data.DataLoader(data.TensorDataset(np.arange(4)), **options)
    assert "help:" in str(caught.value)


def test_streams_have_their_own_order():
    for options in ({"shuffle": True}, {"sampler": [0]}):
        with pytest.raises(ArgumentError, match="own order"):
            data.DataLoader(Counting(), **options)
    with pytest.raises(TypeError):
        len(data.DataLoader(Counting()))


def test_why_a_loader_is_empty():
    ds = data.TensorDataset(np.arange(3))
    assert data.DataLoader(ds).why_empty() is None and data.DataLoader(Counting()).why_empty() is None
    assert data.DataLoader(data.TensorDataset(np.zeros((0, 2)))).why_empty() == "the dataset has no samples"
    assert data.DataLoader(ds, sampler=[]).why_empty() == "the sampler has no samples"
    assert data.DataLoader(ds, batch_sampler=[]).why_empty() == "the batch_sampler gives no batches"
    assert "3 samples are fewer than batch_size 5" in data.DataLoader(ds, batch_size=5, drop_last=True).why_empty()


def test_arguments_in_the_order_of_pytorch():
    torch = pytest.importorskip("torch")
    import inspect

    theirs = [p for p in inspect.signature(torch.utils.data.DataLoader.__init__).parameters if p != "self"]
    ours = [p for p in inspect.signature(data.DataLoader.__init__).parameters if p not in ("self", "seed")]
    assert [p for p in theirs if p in ours] == ours and set(theirs) - set(ours) <= {"pin_memory_device"}


@pytest.mark.parametrize("chunk", [1, 100, 1000, 1 << 30])
@pytest.mark.parametrize("drop_last", [False, True])
def test_rows_copied_ahead_are_those_of_a_plain_walk(monkeypatch, chunk, drop_last):
    monkeypatch.setattr(ahead, "CHUNK", chunk)
    x, y = np.random.default_rng(0).normal(size=(53, 3)), np.arange(53, dtype=np.int8)
    everything = data.TensorDataset(x, y)
    part = data.Subset(data.Subset(everything, np.arange(50, 3, -1)), np.arange(0, 40))
    for ds in (everything, part):
        options = {"batch_size": 4, "shuffle": True, "seed": 3, "drop_last": drop_last}
        loader = data.DataLoader(ds, **options)
        plain = data.DataLoader(data.MapDataset(ds, lambda *sample: sample), **options)
        for _ in range(2):
            pairs = list(zip(loader, plain, strict=True))
            assert len(pairs) == len(loader)
            assert all(type(a) is type(b) and a[0].tolist() == b[0].tolist() and a[1].dtype == np.int8 for a, b in pairs)
            assert all(a[1].tolist() == b[1].tolist() for a, b in pairs)
        batches = iter(loader)
        next(batches), next(batches)
        later = data.DataLoader(ds, **options)
        later.load_state_dict(loader.state_dict())
        assert [b[1].tolist() for b in later] == [b[1].tolist() for b in batches]
        for _ in loader:
            break  # a thread that is in the middle of a copy ends with its pass


@pytest.mark.parametrize("late", [0.0, 0.002])
@pytest.mark.parametrize("processors", [1, 2])
def test_batches_that_are_held_stay_as_they_are(monkeypatch, late, processors):
    """While later ones are written where those were that nobody holds, and while a copy comes too late."""
    monkeypatch.setattr(ahead, "CHUNK", 2000)
    monkeypatch.setattr(ahead, "_processors", lambda: processors)
    take, rooms = ahead._Rows.take, set()

    def slow(self, start, end, many=False):
        if many:
            time.sleep(late)
        out = take(self, start, end, many)
        if many:
            rooms.add(out[0].ctypes.data)
        return out

    monkeypatch.setattr(ahead._Rows, "take", slow)
    x = np.arange(3000.0).reshape(1000, 3)
    loader, held = data.DataLoader(data.TensorDataset(x, x[:, 0].copy()), 4, shuffle=True, seed=0), []
    for i, (rows, first) in enumerate(loader):
        time.sleep(late / 10)
        held += [(rows[1:], first)] * (i % 50 == 0)
        assert rows.tolist() == (np.asarray(first)[:, None] + [0, 1, 2]).tolist()
    assert all(rows.tolist() == (np.asarray(first)[1:, None] + [0, 1, 2]).tolist() for rows, first in held)
    assert not rooms if processors == 1 else 0 < len(rooms) < 12  # of 16 chunks
    kept = list(loader)
    assert sorted(np.concatenate([b[1].numpy() for b in kept])) == x[:, 0].tolist()


@pytest.mark.parametrize("chunk", [1, 1 << 30])
def test_indices_of_rows_count_from_the_end_or_are_wrong(monkeypatch, chunk):
    monkeypatch.setattr(ahead, "CHUNK", chunk)
    whole = data.TensorDataset(np.arange(5.0))
    loader = data.DataLoader(whole, 2, sampler=data.SubsetRandomSampler([-1, 4, -5, 0]))
    assert sorted(float(v) for (b,) in loader for v in b) == [0.0, 0.0, 4.0, 4.0]
    for wrong in (5, -6):
        with pytest.raises(IndexError):
            list(data.DataLoader(whole, 2, sampler=data.SubsetRandomSampler([0, 1, 2, wrong])))


def test_a_subclass_with_its_own_take_is_asked(monkeypatch):
    class Doubled(data.TensorDataset):
        def take(self, indices):
            return tuple(2 * t for t in super().take(indices))

    (batch,) = next(iter(data.DataLoader(Doubled(np.ones(4)), batch_size=4, shuffle=True)))
    assert batch.tolist() == [2.0] * 4


def test_parts_for_several_processes():
    data = range(11)
    for drop_last in (False, True):
        parts = [cr.data.DistributedSampler(data, 3, rank, seed=5, drop_last=drop_last) for rank in range(3)]
        assert [len(p) for p in parts] == [3 if drop_last else 4] * 3 == [len(list(p)) for p in parts]
        both = sorted(i for p in parts for i in p)
        assert len(set(both)) == (9 if drop_last else 11)
        first = list(parts[0])
        parts[0].set_epoch(1)
        assert list(parts[0]) != first
        parts[0].set_epoch(0)
        assert list(parts[0]) == first
    assert list(cr.data.DistributedSampler([], 2, 0)) == []
    with pytest.raises(cr.errors.ArgumentError, match="rank"):
        cr.data.DistributedSampler(data, 2, 2)
