"""Embedding and EmbeddingBag: options beside PyTorch's, sparse gradients, mistakes."""

import numpy as np
import pytest
import torch_tools as tt
from torch_tools import normal

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import ArgumentError, ShapeError
from chainrule.nn import functional as F

IDS = np.array([[0, 3, 3, 1], [4, 3, 0, 0]])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding_idx": 3},
        {"padding_idx": -2},
        {"scale_grad_by_freq": True},
        {"max_norm": 0.8},
        {"max_norm": 1.0, "norm_type": 1.0},
    ],
)
def test_embedding_options_against_torch(options):
    torch = pytest.importorskip("torch")
    table = normal(5, 3)
    a, b = cr.tensor(table, requires_grad=True), torch.tensor(table, requires_grad=True)
    out, expected = F.embedding(IDS, a, **options), torch.nn.functional.embedding(torch.tensor(IDS), b, **options)
    np.testing.assert_allclose(out.detach(), expected.detach().numpy(), rtol=1e-6)
    np.testing.assert_allclose(a.detach(), b.detach().numpy(), rtol=1e-6, err_msg="the table, shortened")
    g = normal(*out.shape, seed=1)
    out.backward(g)
    expected.backward(torch.tensor(g))
    np.testing.assert_allclose(a.grad, b.grad.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("options", [{}, {"padding_idx": 3}, {"include_last_offset": True}])
def test_bags_against_torch(mode, options):
    torch = pytest.importorskip("torch")
    ours, theirs = tt.twins(torch, "EmbeddingBag", 5, 3, mode=mode, **options)
    flat = IDS.reshape(-1)
    offsets = np.array([0, 2, 2, 5, 8] if options.get("include_last_offset") else [0, 2, 2, 5])  # the second bag is empty
    calls = [(flat, offsets)] + ([] if options.get("include_last_offset") else [(IDS,)])
    params = list(ours.parameters()), list(theirs.parameters())
    for args in calls:
        second = mode != "max"  # theirs has none
        tt.compare(torch, lambda a=args: ours(*a), lambda a=args: theirs(*map(torch.tensor, a)), params=params, second=second)
    if mode == "sum":
        w, args = normal(8, seed=3), (flat, offsets)
        tt.compare(
            torch, lambda w: ours(*args, w), lambda w: theirs(*map(torch.tensor, args), w), w, params=params, second=False
        )


def test_sparse_gradients_are_rows(way):
    dense, sparse = nn.Embedding(1000, 3, dtype=float), nn.Embedding(1000, 3, sparse=True, dtype=float)
    sparse.load_state_dict(dense.state_dict())
    for table in (dense, sparse):
        for ids in (IDS, IDS[:1] + 5):
            (table(ids) * np.arange(3.0)).sum().backward()
    grad = sparse.weight.grad
    if way == "compiled":  # where gradients are whole arrays
        np.testing.assert_allclose(grad, dense.weight.grad)
        return
    assert isinstance(grad, nn.SparseRows) and grad.is_sparse and grad.shape == (1000, 3)
    assert grad.values.shape == (12, 3) and grad.coalesce().rows.tolist() == [0, 1, 3, 4, 5, 6, 8]
    np.testing.assert_allclose(grad.coalesce().to_dense(), dense.weight.grad)
    assert grad.is_sparse, "looking at it must not fill it"
    np.testing.assert_allclose(grad, dense.weight.grad)


def test_sparse_gradients_in_training_and_transforms():
    weights = []
    for sparse in (False, True):
        table = nn.Embedding(20, 3, sparse=sparse, dtype=float)
        table.weight.data = normal(20, 3)
        sgd = optim.SGD(table.parameters(), lr=0.1, momentum=0.9)
        for _ in range(3):
            sgd.zero_grad()
            (table(IDS) ** 2).sum().backward()
            nn.utils.clip_grad_norm_(table.parameters(), 1.0)
            sgd.step()
        weights.append(table.weight.detach().numpy())
    np.testing.assert_allclose(*weights, rtol=1e-12)
    table = nn.Embedding(20, 3, sparse=True, dtype=float)
    grads = cr.grad(lambda table: (table(IDS) ** 2).sum())(table)
    (table(IDS) ** 2).sum().backward()
    np.testing.assert_allclose(grads.weight.detach(), table.weight.grad)
    first = cr.autograd.grad((table(IDS) ** 3).sum(), table.weight, create_graph=True)[0]
    second = cr.autograd.grad(first.sum(), table.weight)[0]
    counts = np.bincount(IDS.ravel(), minlength=20)[:, None]
    np.testing.assert_allclose(second.detach(), 6 * counts * table.weight.detach().numpy())


def test_compiled_sparse_tables_train_alike():
    table = nn.Embedding(20, 3, sparse=True, dtype=float)

    @cr.compile
    def step(ids):
        table.zero_grad()
        loss = (table(ids) ** 2).sum()
        loss.backward()
        return loss

    step(IDS)
    found = np.asarray(table.weight.grad)
    table.zero_grad()
    (table(IDS) ** 2).sum().backward()
    np.testing.assert_allclose(found, table.weight.grad)


def test_mistakes_are_explained():
    with pytest.raises(nn.IndexRangeError, match=r"below 5\n  found: 5 at position \(1, 0\)"):
        nn.Embedding(5, 3)(np.array([[0, 1], [5, 2]]))
    with pytest.raises(nn.IndexRangeError, match="negative numbers do not count"):
        nn.Embedding(5, 3)(np.array([-1]))
    with pytest.raises(ArgumentError, match="must hold integers"):
        nn.Embedding(5, 3)(np.array([1.0]))
    with pytest.raises(ArgumentError, match="padding_idx is no row"):
        nn.Embedding(5, 3, padding_idx=5)
    with pytest.raises(ShapeError, match="offsets"):
        nn.EmbeddingBag(5, 3)(np.array([1, 2]))
    with pytest.raises(ArgumentError, match="mode 'sum'"):
        nn.EmbeddingBag(5, 3)(IDS, per_sample_weights=np.ones(IDS.shape))
    with pytest.raises(ShapeError, match="needs a matrix"):
        nn.Embedding.from_pretrained(np.ones(3))
    frozen = nn.Embedding.from_pretrained(np.eye(3))
    assert not frozen.weight.requires_grad and frozen(np.array([2])).tolist() == [[0.0, 0.0, 1.0]]
