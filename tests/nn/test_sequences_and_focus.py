"""CTC against a sum over all paths, focal losses against their formula, initialisers against what they promise."""

import itertools

import numpy as np
import pytest
from torch_tools import normal

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError, ShapeError
from chainrule.nn import functional as F


def collapsed(path, blank):
    """The labels that a path shows: repetitions once, then no blanks."""
    return [c for c, before in zip(path, (None, *path), strict=False) if c != before and c != blank]


def by_paths(logp, labels, blank=0):
    """Minus the log-probability of labels as a sum over all paths: logp is (time, classes)."""
    paths = itertools.product(range(logp.shape[1]), repeat=logp.shape[0])
    total = sum(np.exp(sum(logp[t, c] for t, c in enumerate(p))) for p in paths if collapsed(p, blank) == list(labels))
    return -np.log(total) if total else np.inf


@pytest.mark.parametrize("blank", [0, 2])
@pytest.mark.parametrize("labels", [(), (1,), (1, 1), (0, 1), (1, 3, 1)])
def test_ctc_is_a_sum_over_paths(labels, blank):
    labels = tuple(3 if c == blank else c for c in labels)
    logp = np.asarray(F.log_softmax(normal(5, 4), -1))
    target = np.array(labels, int)
    found = F.ctc_loss(logp, target, 5, len(labels), blank=blank, reduction="none")
    np.testing.assert_allclose(found, by_paths(logp, labels, blank), rtol=1e-10)
    cr.gradcheck(lambda x: F.ctc_loss(F.log_softmax(x, -1), target, 5, len(labels), blank=blank, reduction="sum"), normal(5, 4))


def test_ctc_of_a_batch_and_its_second_derivative():
    x, target = normal(6, 3, 4), np.array([[1, 2], [3, 0], [1, 1]])
    steps, counts = np.array([6, 4, 5]), np.array([2, 1, 2])
    logp = np.asarray(F.log_softmax(x, -1))
    each = F.ctc_loss(logp, target, steps, counts, reduction="none")
    expected = [by_paths(logp[: steps[i], i], target[i, : counts[i]]) for i in range(3)]
    np.testing.assert_allclose(each, expected, rtol=1e-10)
    np.testing.assert_allclose(F.ctc_loss(logp, target, steps, counts), np.mean(expected / counts), rtol=1e-10)
    joined = np.concatenate([target[i, : counts[i]] for i in range(3)])
    np.testing.assert_allclose(F.ctc_loss(logp, joined, steps, counts, reduction="none"), expected, rtol=1e-10)

    def loss(x):
        return F.ctc_loss(F.log_softmax(x, -1), target, steps, counts, reduction="sum")

    t, h = normal(6, 3, 4, seed=1), 1e-5
    slope = (cr.grad(loss)(x + h * t) - cr.grad(loss)(x - h * t)) / (2 * h)
    np.testing.assert_allclose(cr.jvp(cr.grad(loss), (x,), (t,))[1], slope, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(cr.compile(cr.grad(loss))(x), cr.grad(loss)(x), rtol=1e-9, atol=1e-12)


def test_ctc_of_labels_that_do_not_fit():
    logp = np.asarray(F.log_softmax(normal(2, 1, 4), -1))
    for zero, value in ((False, np.inf), (True, 0.0)):

        def loss(x, zero=zero):
            return F.ctc_loss(x, np.array([[1, 1]]), [2], [2], zero_infinity=zero)

        assert loss(logp) == value and np.isfinite(cr.grad(loss)(logp)).all()
    with pytest.raises(nn.IndexRangeError, match="found: 4"):
        F.ctc_loss(logp, np.array([[4]]), [2], [1])
    with pytest.raises(ShapeError, match="input_lengths"):
        F.ctc_loss(logp, np.array([[1]]), [3], [1])
    with pytest.raises(ArgumentError, match="blank must be a class"):
        F.ctc_loss(logp, np.array([[1]]), [2], [1], blank=4)


def test_focal_losses():
    scores, labels = normal(6, 4), np.array([0, 3, 1, 1, 2, 0])
    p = np.asarray(F.softmax(scores, -1))[np.arange(6), labels]
    for gamma in (0.0, 0.5, 2.0):
        np.testing.assert_allclose(
            nn.FocalLoss(gamma=gamma)(scores, labels), np.mean(-((1 - p) ** gamma) * np.log(p)), rtol=1e-12
        )
        cr.gradcheck(lambda x, g=gamma: F.focal_loss(x, labels, gamma=g), scores)
    np.testing.assert_allclose(F.focal_loss(scores, labels, gamma=0.0), F.cross_entropy(scores, labels), rtol=1e-12)
    bits, q = (normal(6, 4, seed=1) > 0).astype(float), 1 / (1 + np.exp(-scores))
    right = np.where(bits == 1, q, 1 - q)
    expected = np.where(bits == 1, 0.25, 0.75) * -((1 - right) ** 2) * np.log(right)
    np.testing.assert_allclose(F.sigmoid_focal_loss(scores, bits, reduction="none"), expected, rtol=1e-10)


def test_labels_out_of_range():
    scores = normal(4, 3)
    for loss in (nn.CrossEntropyLoss(), nn.NLLLoss(), nn.FocalLoss(), nn.MultiMarginLoss()):
        with pytest.raises(nn.IndexRangeError, match=r"below 3\n  found: 3 at position \(2,\)(.|\n)*count from 0"):
            loss(scores, np.array([0, 1, 3, 2]))
        with pytest.raises(nn.IndexRangeError, match=r"found: -1 at position \(1,\)"):
            loss(scores, np.array([0, -1, 1, 2]))


@pytest.mark.parametrize("shape, groups", [((4, 4, 3), 1), ((4, 2, 3, 3), 2), ((2, 5, 1, 4), 1), ((6, 3, 3, 3, 3), 3)])
def test_dirac(shape, groups):
    torch = pytest.importorskip("torch")
    ours, theirs = nn.Parameter(np.ones(shape)), torch.ones(shape)
    nn.init.dirac_(ours, groups)
    torch.nn.init.dirac_(theirs, groups)
    np.testing.assert_array_equal(ours.detach(), theirs.numpy())
    with pytest.raises(ShapeError, match="multiple of groups"):
        nn.init.dirac_(nn.Parameter(np.ones((3, 2, 2))), 2)


def test_sparse_matrices():
    weight = nn.init.sparse_(nn.Parameter(np.ones((50, 7))), 0.3, std=2.0).detach().numpy()
    assert ((weight == 0).sum(0) == 15).all() and 1.5 < weight[weight != 0].std() < 2.5
    assert len({tuple(np.nonzero(column == 0)[0]) for column in weight.T}) > 1
    with pytest.raises(ShapeError, match="must be a matrix"):
        nn.init.sparse_(nn.Parameter(np.ones(3)), 0.5)


def test_containers_of_parameters():
    weights = nn.ParameterDict({"a": np.ones(2)})
    weights["b"] = np.zeros(3)
    assert [name for name, _ in weights.named_parameters()] == ["a", "b"] and "a" in weights and len(weights) == 2
    assert weights.pop("a").tolist() == [1.0, 1.0] and list(weights) == ["b"]
    weights.clear()
    assert not list(weights.parameters())
    first, second = nn.Sequential(nn.ReLU(), nn.Tanh()), nn.Sequential(nn.Sigmoid())
    both = first + second
    assert [type(m).__name__ for m in both] == ["ReLU", "Tanh", "Sigmoid"] and type(both) is nn.Sequential
    assert type(both.pop(1)) is nn.Tanh and len(both) == 2
    both += [nn.Tanh()]
    both.insert(0, nn.Identity())
    assert [type(m).__name__ for m in both] == ["Identity", "ReLU", "Sigmoid", "Tanh"]


def test_hooks_before_and_names():
    model = nn.Sequential(nn.Linear(2, 2, dtype=float), nn.BatchNorm1d(2, dtype=float))
    handle = model[0].register_forward_pre_hook(lambda module, args: 10 * args[0])
    x = normal(3, 2)
    with cr.no_grad():
        np.testing.assert_allclose(model[0](x), model[0].forward(10 * x))
        handle.remove()
        np.testing.assert_allclose(model[0](x), model[0].forward(x))
    assert model.get_submodule("") is model and model.get_parameter("0.bias") is model[0].bias
    assert model.get_buffer("1.running_var") is model[1].running_var
    with pytest.raises(nn.MissingNameError, match=r"no parameter '0.bia'\n  help: it has 0.bias"):
        model.get_parameter("0.bia")
    assert model.half()[0].weight.dtype == np.float16 and model.type(np.float64)[0].weight.dtype == np.float64
