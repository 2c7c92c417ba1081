"""Datasets: lengths, indices, splits."""

import numpy as np
import pytest

import chainrule as cr
import chainrule.data as data
from chainrule.errors import ArgumentError, ShapeError


def test_tensor_dataset_gives_rows_of_every_array():
    x, y = np.random.default_rng(0).normal(size=(5, 3)), np.arange(5)
    ds = data.TensorDataset(cr.tensor(x), y)
    assert len(ds) == 5
    row, label = ds[3]
    assert isinstance(row, cr.Tensor) and isinstance(label, cr.Tensor)
    assert np.array_equal(row, x[3]) and label.item() == 3 and label.dtype == np.int64
    rows, labels = ds.take(np.array([4, 0, 4]))
    assert np.array_equal(rows, x[[4, 0, 4]]) and labels.tolist() == [4, 0, 4]
    assert np.array_equal(ds[1:3][0], x[1:3])
    assert [label.item() for _, label in ds] == [0, 1, 2, 3, 4]  # ends by IndexError, as Python wants
    with pytest.raises(IndexError):
        ds[5]


def test_tensor_dataset_keeps_derivatives_of_its_tensors():
    x = cr.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    (batch,) = next(iter(data.DataLoader(data.TensorDataset(x), batch_size=2)))
    (batch * batch).sum().backward()
    assert np.array_equal(x.grad, [[2.0, 4.0], [6.0, 8.0]])


def test_tensor_dataset_refuses_unequal_lengths():
    with pytest.raises(ShapeError, match=r"array 1: int64 \(4,\)[\s\S]*help:"):
        data.TensorDataset(np.zeros((5, 2)), np.zeros(4, int))
    with pytest.raises(ShapeError):
        data.TensorDataset(np.float64(3.0))
    with pytest.raises(ArgumentError):
        data.TensorDataset()


def test_subset_of_subset():
    ds = data.TensorDataset(np.arange(10) * 10)
    part = data.Subset(data.Subset(ds, [9, 7, 5, 3]), [3, 0])
    assert len(part) == 2 and part[0][0].item() == 30 and part[-1][0].item() == 90
    assert part.take(slice(0, 2))[0].tolist() == [30, 90]
    with pytest.raises(ArgumentError, match=r"index: 10 .*dataset: 10 samples"):
        data.Subset(ds, [0, 10])
    with pytest.raises(IndexError):
        part[2]


def test_subset_of_a_plain_sequence_has_no_fast_path():
    part = data.Subset([1.5, 2.5, 3.5], [2, 0])
    assert not hasattr(part, "take")
    assert next(iter(data.DataLoader(part, batch_size=2))).tolist() == [3.5, 1.5]


def test_concat():
    parts = [data.TensorDataset(np.arange(n) + 100 * n) for n in (2, 0, 3)]
    both = data.ConcatDataset(parts)
    assert len(both) == 5
    assert [both[i][0].item() for i in range(5)] == [200, 201, 300, 301, 302]
    assert both[-1][0].item() == 302 and both[-5][0].item() == 200
    for bad in (5, -6):
        with pytest.raises(IndexError, match="5 samples"):
            both[bad]
    assert len(parts[0] + parts[2]) == 5
    with pytest.raises(ArgumentError):
        data.ConcatDataset([])


@pytest.mark.parametrize("lengths, sizes", [([7, 3], [7, 3]), ([0.5, 0.25, 0.25], [6, 2, 2]), ([10], [10]), ([1.0], [10])])
def test_random_split_covers_everything_once(lengths, sizes):
    parts = data.random_split(data.TensorDataset(np.arange(10)), lengths, seed=3)
    assert [len(p) for p in parts] == sizes
    assert sorted(s[0].item() for p in parts for s in p) == list(range(10))


def test_random_split_repeats_with_a_seed_only():
    ds = data.TensorDataset(np.arange(50))

    def first(**kwargs):
        return data.random_split(ds, [25, 25], **kwargs)[0].indices.tolist()

    assert first(seed=1) == first(seed=1) != first(seed=2)
    assert first(generator=cr.Generator(5)) == first(generator=cr.Generator(5))
    cr.manual_seed(0)
    a = first()
    assert first() != a
    cr.manual_seed(0)
    assert first() == a


@pytest.mark.parametrize("lengths", [[5, 4], [0.5, 0.4], [], [11, -1], [2.5, 7.5]])
def test_random_split_refuses_other_lengths(lengths):
    with pytest.raises(ArgumentError, match=r"dataset: 10 samples[\s\S]*help:"):
        data.random_split(data.TensorDataset(np.arange(10)), lengths)


def test_random_split_refuses_seed_and_generator():
    with pytest.raises(ArgumentError, match="not both"):
        data.random_split(data.TensorDataset(np.arange(2)), [1, 1], generator=cr.Generator(0), seed=0)


def test_kinds_of_samples_in_annotations():
    class Numbers(cr.data.Dataset[float]):
        def __len__(self):
            return 3

        def __getitem__(self, i):
            return float(i)

    def total(loader: cr.data.DataLoader[float]) -> float:
        return sum(float(x.sum()) for x in loader)

    assert total(cr.data.DataLoader(Numbers(), sampler=cr.data.SequentialSampler(Numbers()))) == 3
    for kind in cr.data.Sampler[int], cr.data.IterableDataset[float], cr.data.DataLoader[float], cr.data.Subset[float]:
        assert isinstance(kind, type(cr.data.Dataset[int]))
