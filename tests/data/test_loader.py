"""DataLoader: order, batches, collation."""

from dataclasses import dataclass

import numpy as np
import pytest

import chainrule as cr
import chainrule.data as data
from chainrule.errors import ArgumentError, ShapeError, TreeError


def order(loader):
    return [i for (batch,) in loader for i in batch.tolist()]


def numbers(n):
    return data.TensorDataset(np.arange(n))


class OneByOne(data.Dataset):
    """The same samples as `numbers`, without the fast path."""

    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return (np.int64(i),)


@pytest.mark.parametrize("n, size, drop_last, sizes", [
    (10, 4, False, [4, 4, 2]), (10, 4, True, [4, 4]), (8, 4, False, [4, 4]), (3, 4, False, [3]), (3, 4, True, []),
    (0, 4, False, []),
])  # fmt: skip
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("dataset", [numbers, OneByOne])
def test_sizes_of_batches(n, size, drop_last, sizes, shuffle, dataset):
    loader = data.DataLoader(dataset(n), batch_size=size, shuffle=shuffle, drop_last=drop_last, seed=0)
    assert len(loader) == len(sizes)
    batches = [batch for (batch,) in loader]
    assert [len(b) for b in batches] == sizes
    seen = [i for b in batches for i in b.tolist()]
    assert len(set(seen)) == len(seen) == sum(sizes)
    if not shuffle:
        assert seen == list(range(sum(sizes)))


def test_fast_path_gives_what_item_by_item_gives():
    fast, slow = (list(data.DataLoader(d(23), batch_size=5, shuffle=True, seed=4)) for d in (numbers, OneByOne))
    for (a,), (b,) in zip(fast, slow, strict=True):
        assert type(a) is type(b) and a.dtype == b.dtype and a.tolist() == b.tolist()


def test_epoch_e_of_a_seed_is_always_the_same():
    a, b = (data.DataLoader(numbers(30), batch_size=7, shuffle=True, seed=11) for _ in range(2))
    epochs = [order(a) for _ in range(3)]
    cr.manual_seed(123)
    cr.rand(10)  # other draws must not matter
    assert [order(b) for _ in range(3)] == epochs
    assert epochs[0] != epochs[1] != epochs[2]
    b.set_epoch(1)
    assert order(b) == epochs[1]
    assert order(data.DataLoader(numbers(30), batch_size=7, shuffle=True, seed=12)) != epochs[0]


def test_manual_seed_makes_an_unseeded_loader_repeatable():
    loader = data.DataLoader(numbers(30), shuffle=True)
    cr.manual_seed(5)
    first, second = order(loader), order(loader)
    assert first != second
    cr.manual_seed(5)
    assert [order(loader), order(loader)] == [first, second]
    generator = cr.Generator(9)
    assert order(data.DataLoader(numbers(30), shuffle=True, generator=generator)) == order(
        data.DataLoader(numbers(30), shuffle=True, generator=cr.Generator(9))
    )


def test_two_passes_at_once_do_not_disturb_each_other():
    loader = data.DataLoader(numbers(6), batch_size=2)
    assert next((a.tolist(), b.tolist()) for ((a,), (b,)) in zip(loader, loader, strict=True)) == ([0, 1], [0, 1])


def test_sampler_gives_the_order():
    assert order(data.DataLoader(numbers(9), batch_size=2, sampler=[8, 0, 8])) == [8, 0, 8]
    assert len(data.DataLoader(numbers(9), batch_size=2, sampler=[8, 0, 8])) == 2


def test_collate_fn_gets_the_samples():
    loader = data.DataLoader(numbers(5), batch_size=2, collate_fn=lambda samples: [int(s[0]) for s in samples])
    assert list(loader) == [[0, 1], [2, 3], [4]]


def test_changing_a_batch_leaves_the_data():
    x = np.zeros((4, 2))
    loader = data.DataLoader(data.TensorDataset(x), batch_size=2)
    for (batch,) in loader:
        batch += 1
        batch[0] = 7.0
    assert not x.any()


@pytest.mark.parametrize("options, match", [
    ({"batch_size": 0}, "batch_size: 0"),
    ({"batch_size": 2.0}, "batch_size: 2.0"),
    ({"batch_size": True}, "batch_size: True"),
    ({"shuffle": True, "sampler": [0]}, "sampler"),
    ({"seed": 1, "generator": cr.random.default_generator}, "not both"),
])  # fmt: skip
def test_bad_options(options, match):
    with pytest.raises(ArgumentError, match=match) as caught:
        data.DataLoader(numbers(3), **options)
    assert "help:" in str(caught.value)


def test_dataset_without_length():
    with pytest.raises(ArgumentError, match="dataset: generator"):
        data.DataLoader(i for i in range(3))


@dataclass
class Sample:
    image: np.ndarray
    name: str
    weight: float


def test_collate_trees():
    batch = data.default_collate([Sample(np.ones((2, 3), np.float32) * i, f"s{i}", 0.5 * i) for i in range(4)])
    assert isinstance(batch, Sample)
    assert batch.image.shape == (4, 2, 3) and batch.image.dtype == np.float32
    assert batch.name == ["s0", "s1", "s2", "s3"]
    assert batch.weight.tolist() == [0.0, 0.5, 1.0, 1.5] and batch.weight.dtype == np.float64
    nested = data.default_collate([{"a": (i, [True, None])} for i in range(2)])
    assert nested["a"][0].tolist() == [0, 1] and nested["a"][1][0].dtype == np.bool_ and nested["a"][1][1] is None


def test_collate_keeps_derivatives():
    xs = [cr.tensor([1.0, 2.0], requires_grad=True) for _ in range(3)]
    data.default_collate(xs).sum().backward()
    assert all(x.grad.tolist() == [1.0, 1.0] for x in xs)


def test_collate_says_which_samples_differ():
    with pytest.raises(ShapeError, match=r"sample\['x'\] differ in shape\n  sample 0: \(2,\)    sample 2: \(3,\)"):
        data.default_collate([{"x": np.zeros(n)} for n in (2, 2, 3)])
    with pytest.raises(TreeError, match="samples 0 and 1 differ in structure"):
        data.default_collate([(1, 2), (1, 2, 3)])
    with pytest.raises(ArgumentError):
        data.default_collate([])
