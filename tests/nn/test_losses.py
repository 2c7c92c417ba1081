"""Losses: against formulas written out in NumPy, derivatives, reductions, errors."""

import numpy as np
import pytest
import scipy.special

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError, ShapeError
from chainrule.nn import functional as F

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(4, 3)) * 2, RNG.normal(size=(4, 3)) * 2
P, Q = scipy.special.softmax(A, 1), scipy.special.softmax(B, 1)
U = RNG.integers(0, 2, size=(4, 3)).astype(float)
LABELS = np.array([2, 0, 1, 2])
D = A - B
ABS = np.abs(D)

CASES = [
    (nn.MSELoss, {}, (A, B), D**2),
    (nn.L1Loss, {}, (A, B), ABS),
    (nn.HuberLoss, {"delta": 0.7}, (A, B), np.where(ABS < 0.7, D**2 / 2, 0.7 * (ABS - 0.35))),
    (nn.SmoothL1Loss, {"beta": 0.7}, (A, B), np.where(ABS < 0.7, D**2 / 1.4, ABS - 0.35)),
    (nn.SmoothL1Loss, {"beta": 0.0}, (A, B), ABS),
    (nn.BCELoss, {}, (P, U), -(U * np.log(P) + (1 - U) * np.log(1 - P))),
    (nn.BCELoss, {"weight": Q}, (P, U), -Q * (U * np.log(P) + (1 - U) * np.log(1 - P))),
    (nn.BCEWithLogitsLoss, {}, (A, U), np.log1p(np.exp(A)) - U * A),
    (
        nn.BCEWithLogitsLoss,
        {"weight": Q, "pos_weight": np.arange(1.0, 4.0)},
        (A, U),
        Q * (np.arange(1.0, 4.0) * U * np.log1p(np.exp(-A)) + (1 - U) * np.log1p(np.exp(A))),
    ),
    (nn.KLDivLoss, {}, (np.log(P), Q), Q * np.log(Q / P)),
    (nn.KLDivLoss, {"log_target": True}, (np.log(P), np.log(Q)), Q * np.log(Q / P)),
    (nn.CrossEntropyLoss, {}, (A, LABELS), -np.log(P)[np.arange(4), LABELS]),
    (nn.NLLLoss, {}, (np.log(P), LABELS), -np.log(P)[np.arange(4), LABELS]),
    (nn.CrossEntropyLoss, {}, (A, Q), -(Q * np.log(P)).sum(1)),
    (nn.CrossEntropyLoss, {"weight": np.arange(1.0, 4.0)}, (A, Q), -(Q * np.log(P) * np.arange(1.0, 4.0)).sum(1)),
    (nn.CrossEntropyLoss, {"label_smoothing": 0.3}, (A, Q), -((0.7 * Q + 0.1) * np.log(P)).sum(1)),
    (nn.CrossEntropyLoss, {"label_smoothing": 0.3}, (A, LABELS), -((0.7 * np.eye(3)[LABELS] + 0.1) * np.log(P)).sum(1)),
]


@pytest.mark.parametrize("cls, options, args, expected", CASES, ids=lambda v: v.__name__ if isinstance(v, type) else "")
def test_losses(cls, options, args, expected):
    np.testing.assert_allclose(cls(reduction="none", **options)(*args), expected, rtol=1e-12, atol=1e-14)
    assert np.isclose(cls(reduction="sum", **options)(*args), expected.sum(), rtol=1e-12)
    loss = cls(**options)
    value = loss(*args)
    assert np.isclose(value, expected.mean(), rtol=1e-12)
    assert not isinstance(value, cr.Tensor) or any(b is not None for b in loss.buffers()), "plain arrays in, plain arrays out"
    x, target = args
    rng, h = np.random.default_rng(1), 1e-5
    t = rng.normal(size=x.shape)
    g = cr.grad(lambda x: loss(x, target))(x)
    points = [np.asarray(loss(x + s * h * t, target)) for s in (-2, -1, 1, 2)]
    slope = (8 * (points[2] - points[1]) - (points[3] - points[0])) / (12 * h)
    assert np.isclose(np.sum(g * t), slope, rtol=1e-7, atol=1e-9)
    assert np.isclose(cr.jvp(lambda x: loss(x, target), (x,), (t,))[1], slope, rtol=1e-7, atol=1e-9)
    gradient = cr.grad(lambda x: loss(x, target))
    points = [gradient(x + s * h * t) for s in (-2, -1, 1, 2)]
    curved = (8 * (points[2] - points[1]) - (points[3] - points[0])) / (12 * h)
    np.testing.assert_allclose(cr.hvp(lambda x: loss(x, target), (x,), (t,))[1], curved, rtol=1e-6, atol=1e-8)
    traced = loss(cr.tensor(x, requires_grad=True), cr.tensor(target))
    traced.backward()
    assert np.isclose(traced.item(), value)


def test_weights_and_ignored_labels():
    weight, labels = np.array([1.0, 2.0, 3.0]), np.array([2, -100, 1, 2])
    safe, kept, total = np.array([2, 0, 1, 2]), np.array([1, 0, 1, 1]), 3 + 2 + 3
    plain = -np.log(P)[np.arange(4), safe] * kept
    each = plain * weight[safe]
    for loss, scores in ((F.cross_entropy, A), (F.nll_loss, np.log(P))):
        np.testing.assert_allclose(loss(scores, labels, weight, reduction="none"), each, rtol=1e-12)
        assert np.isclose(loss(scores, labels, weight), each.sum() / total, rtol=1e-12)
        assert np.isclose(loss(scores, labels), plain.sum() / 3, rtol=1e-12)
        assert np.isclose(loss(scores, safe, ignore_index=0), plain.sum() / 3, rtol=1e-12)
        g = cr.grad(lambda s, loss=loss: loss(s, labels, weight))(scores)
        assert (g[1] == 0).all() and np.isfinite(g).all()


def test_an_ignored_row_may_hold_anything():
    scores = A.copy()
    scores[1] = np.inf
    labels = np.array([2, -100, 1, 2])
    with np.errstate(invalid="ignore"):
        value = F.cross_entropy(scores, labels)
    assert np.isclose(value, F.cross_entropy(A[[0, 2, 3]], labels[[0, 2, 3]]))


def test_scores_of_other_ranks():
    scores, labels = RNG.normal(size=(2, 3, 4, 5)), RNG.integers(0, 3, size=(2, 4, 5))
    logp = scipy.special.log_softmax(scores, 1)
    expected = -np.take_along_axis(logp, labels[:, None], 1)[:, 0]
    np.testing.assert_allclose(F.cross_entropy(scores, labels, reduction="none"), expected, rtol=1e-12)
    np.testing.assert_allclose(F.nll_loss(logp, labels, reduction="none"), expected, rtol=1e-12)
    assert np.isclose(F.cross_entropy(A[0], 2), -np.log(P)[0, 2]) and F.cross_entropy(A[0], 2, reduction="none").shape == ()
    q = scipy.special.softmax(RNG.normal(size=scores.shape), 1)
    np.testing.assert_allclose(F.cross_entropy(scores, q, reduction="none"), -(q * logp).sum(1), rtol=1e-12)
    assert np.isclose(F.cross_entropy(A[0], Q[0]), -(Q * np.log(P)).sum(1)[0])


def test_per_example_losses_by_vmap():
    each = cr.vmap(F.cross_entropy)(A, LABELS)
    np.testing.assert_allclose(each, F.cross_entropy(A, LABELS, reduction="none"), rtol=1e-13)
    some = np.array([2, -100, 1, 2])
    each = cr.vmap(lambda s, t: F.cross_entropy(s, t, reduction="sum"))(A, some)
    np.testing.assert_allclose(each, F.cross_entropy(A, some, reduction="none"), rtol=1e-13)
    np.testing.assert_allclose(cr.vmap(F.mse_loss)(A, B), (D**2).mean(1), rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64])
def test_labels_of_any_integer_dtype(dtype):
    assert np.isclose(F.cross_entropy(A, LABELS.astype(dtype)), -np.log(P)[np.arange(4), LABELS].mean(), rtol=1e-13)


def test_targets_follow_the_dtype_of_predictions():
    x = cr.tensor(A.astype(np.float32), requires_grad=True)
    for loss in (F.mse_loss, F.l1_loss, F.huber_loss, F.smooth_l1_loss, F.binary_cross_entropy_with_logits):
        assert loss(x, U).dtype == np.float32 and loss(x, U.astype(int)).dtype == np.float32
    assert F.cross_entropy(x, Q).dtype == np.float32 and F.cross_entropy(x, LABELS, np.ones(3)).dtype == np.float32


def test_extreme_scores():
    value, g = cr.value_and_grad(lambda s: F.cross_entropy(s, [0, 0]))(np.array([[1e4, -1e4], [-1e4, 1e4]]))
    assert value == 1e4 and np.allclose(g, [[0, 0], [-0.5, 0.5]])
    value, g = cr.value_and_grad(lambda s: F.binary_cross_entropy_with_logits(s, np.array([1.0, 0.0, 1.0])))(
        np.array([1000.0, 1000.0, -1000.0])
    )
    assert value == pytest.approx(2000 / 3) and np.allclose(g, [0, 1 / 3, -1 / 3])
    value, g = cr.value_and_grad(lambda p: F.binary_cross_entropy(p, np.array([1.0, 0.0, 0.0]), reduction="sum"))(
        np.array([0.0, 0.0, 1.0])
    )
    assert value == 200 and np.isfinite(g).all()
    assert F.kl_div(np.log(P), np.eye(3)[LABELS], "sum") == pytest.approx(-np.log(P)[np.arange(4), LABELS].sum())


def test_batchmean():
    expected = (Q * np.log(Q / P)).sum() / 4
    assert np.isclose(F.kl_div(np.log(P), Q, "batchmean"), expected)


def test_class_weights_are_buffers():
    loss = nn.CrossEntropyLoss(weight=np.ones(3))
    assert list(loss.state_dict()) == ["weight"] and list(loss.parameters()) == []
    assert nn.CrossEntropyLoss().weight is None


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [F.mse_loss, F.l1_loss, F.huber_loss, F.smooth_l1_loss, F.binary_cross_entropy])
def test_shapes_are_not_broadcast(loss):
    with pytest.raises(ShapeError, match=r"input: \(4, 1\)    target: \(4,\)(.|\n)*help: .* target.reshape\(4, 1\)"):
        loss(np.full((4, 1), 0.5), np.full(4, 0.5))
    assert np.isfinite(loss(np.full((4, 1), 0.5), 0.5)), "a single number is a target for all"


def test_labels_out_of_range():
    for labels in (np.array([0, 3, 1, 2]), cr.tensor([0, 3, 1, 2])):
        with pytest.raises(
            nn.IndexRangeError, match=r"at least 0 and below 3(.|\n)*found: 3 at position \(1,\)(.|\n)*help: count from 0"
        ):
            F.cross_entropy(A, labels)
    with pytest.raises(nn.IndexRangeError, match="found: -1 at"):
        F.nll_loss(A, np.array([0, 1, -1, -100]))
    with pytest.raises(IndexError):
        cr.grad(lambda a: F.cross_entropy(a, np.array([0, 9, 1, 2])))(A)


def test_targets_that_do_not_fit():
    with pytest.raises(ShapeError, match=r"target: expected \(4,\), found int64 \(4, 1\)(.|\n)*help: reshape the target"):
        F.cross_entropy(A, LABELS[:, None])
    with pytest.raises(ShapeError, match=r"one-hot integers target.argmax\(1\)"):
        F.cross_entropy(A, np.eye(3, dtype=int)[LABELS])
    with pytest.raises(ArgumentError, match=r"must hold integers(.|\n)*help: convert it"):
        F.cross_entropy(A, LABELS.astype(float))
    with pytest.raises(ShapeError, match=r"one number for each class(.|\n)*expected: \(3,\)    found: \(2,\)"):
        F.cross_entropy(A, LABELS, np.ones(2))
    with pytest.raises(ShapeError, match="at least 1 axis"):
        F.cross_entropy(1.0, 0)


def test_settings_that_make_no_sense():
    for call in (
        lambda: F.mse_loss(A, B, reduction="avg"),
        lambda: F.cross_entropy(A, LABELS, reduction="batchmean"),
        lambda: F.cross_entropy(A, LABELS, label_smoothing=1.5),
        lambda: F.huber_loss(A, B, delta=0.0),
        lambda: F.smooth_l1_loss(A, B, beta=-1.0),
    ):
        with pytest.raises(ArgumentError, match="help:"):
            call()


def test_recorded_losses_meet_ignored_labels_later():
    program = cr.graph(lambda a, t: F.cross_entropy(a, t, np.arange(1.0, 4.0), label_smoothing=0.1))(A, LABELS)
    some = np.array([2, -100, 1, 2])
    expected = F.cross_entropy(A, some, np.arange(1.0, 4.0), label_smoothing=0.1)
    assert np.isclose(np.asarray(program(A, some)), expected, rtol=1e-13)


OLDER = [
    (F.mse_loss, (A, B)),
    (F.l1_loss, (A, B)),
    (F.kl_div, (A, P)),
    (F.poisson_nll_loss, (A, U)),
    (F.cross_entropy, (A, LABELS)),
    (F.multi_margin_loss, (A, LABELS)),
    (F.margin_ranking_loss, (A, B, np.sign(D))),
    (F.triplet_margin_loss, (A, B, P)),
    (nn.BCEWithLogitsLoss, (A, U)),
    (nn.CrossEntropyLoss, (A, LABELS)),
    (nn.SmoothL1Loss, (A, B)),
]


@pytest.mark.parametrize("given, arguments", OLDER)
@pytest.mark.parametrize(
    "size_average, reduce, reduction",
    [(None, True, "mean"), (True, None, "mean"), (False, None, "sum"), (False, True, "sum"), (None, False, "none")],
)
def test_the_older_names_of_reductions(given, arguments, size_average, reduce, reduction):
    def value(**options):
        return given(**options)(*arguments) if isinstance(given, type) else given(*arguments, **options)

    np.testing.assert_array_equal(value(size_average=size_average, reduce=reduce), value(reduction=reduction))
