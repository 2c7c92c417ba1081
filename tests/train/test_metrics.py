"""Metrics against scikit-learn, in one piece and batch by batch."""

import numpy as np
import pytest
from sklearn import metrics as reference

import chainrule as cr
from chainrule.errors import ArgumentError, ShapeError
from chainrule.train import AUC, F1, MAE, MSE, R2, Accuracy, ConfusionMatrix, Mean, Perplexity, Precision, Recall, TopK
from chainrule.train.metrics import METRICS, named_metrics

RNG = np.random.default_rng(0)
SCORES, LABELS = RNG.normal(size=(200, 7)), RNG.integers(0, 7, 200)
CHOSEN = SCORES.argmax(1)
ONE = np.round(RNG.normal(size=200), 1)  # with ties
BINARY = RNG.integers(0, 2, 200)
OUT, TARGET = RNG.normal(size=(200, 3)), 1e6 + RNG.normal(size=(200, 3))


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


CASES = {
    "accuracy": (Accuracy(), SCORES, LABELS, reference.accuracy_score(LABELS, CHOSEN)),
    "accuracy of two": (Accuracy(), ONE, BINARY, reference.accuracy_score(BINARY, ONE > 0)),
    "top 3": (TopK(3), SCORES, LABELS, reference.top_k_accuracy_score(LABELS, SCORES, k=3)),
    "top of few": (TopK(9), SCORES, LABELS, 1.0),
    "precision": (Precision(), SCORES, LABELS, reference.precision_score(LABELS, CHOSEN, average="macro")),
    "precision of two": (Precision(), ONE, BINARY, reference.precision_score(BINARY, ONE > 0)),
    "recall": (Recall(), SCORES, LABELS, reference.recall_score(LABELS, CHOSEN, average="macro")),
    "recall, micro": (Recall("micro"), SCORES, LABELS, reference.recall_score(LABELS, CHOSEN, average="micro")),
    "f1": (F1(), SCORES, LABELS, reference.f1_score(LABELS, CHOSEN, average="macro")),
    "f1 of two": (F1(threshold=0.5), ONE, BINARY, reference.f1_score(BINARY, ONE > 0.5)),
    "auc": (AUC(), ONE, BINARY, reference.roc_auc_score(BINARY, ONE)),
    "auc of two columns": (AUC(), np.stack([-ONE, ONE], 1), BINARY, reference.roc_auc_score(BINARY, ONE)),
    "auc of many": (AUC(), softmax(SCORES), LABELS, reference.roc_auc_score(LABELS, softmax(SCORES), multi_class="ovr")),
    "mse": (MSE(), OUT, TARGET - 1e6, reference.mean_squared_error(TARGET - 1e6, OUT)),
    "mae": (MAE(), OUT, TARGET - 1e6, reference.mean_absolute_error(TARGET - 1e6, OUT)),
    "r2 far from zero": (R2(), OUT + 1e6, TARGET, reference.r2_score(TARGET, OUT + 1e6)),
    "perplexity": (Perplexity(), SCORES, LABELS, np.exp(reference.log_loss(LABELS, softmax(SCORES)))),
    "confusion": (ConfusionMatrix(), SCORES, LABELS, reference.confusion_matrix(LABELS, CHOSEN)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("batch", [200, 33, 1])
def test_values(case, batch):
    metric, output, target, expected = CASES[case]
    metric.reset()
    for i in range(0, 200, batch):
        metric.update(cr.tensor(output[i : i + batch]), cr.tensor(target[i : i + batch]))
    np.testing.assert_allclose(metric.result(), expected, rtol=1e-9)
    again = type(metric).__new__(type(metric))
    vars(again).update(vars(metric))
    again.reset()
    again.load_state_dict(metric.state_dict())
    np.testing.assert_allclose(again.result(), expected, rtol=1e-9)


def test_pixels_and_ignored_places():
    scores, labels = RNG.normal(size=(4, 5, 3, 2)), RNG.integers(0, 5, (4, 3, 2))
    assert Accuracy()(scores, labels) == (scores.argmax(1) == labels).mean()
    rows, flat = np.moveaxis(scores, 1, -1).reshape(-1, 5), labels.reshape(-1).copy()
    flat[::3] = -100
    kept = flat >= 0
    expected = np.exp(reference.log_loss(flat[kept], softmax(rows[kept]), labels=range(5)))
    assert Perplexity()(scores, flat.reshape(labels.shape)) == pytest.approx(expected)


@pytest.mark.parametrize("name", METRICS)
def test_nothing_gathered(name):
    result = METRICS[name]().result()
    assert result == [] if name == "confusion_matrix" else np.isnan(result)


def test_classes_that_do_not_occur():
    scores = np.eye(4)[[0, 0, 1, 1]]
    labels = np.array([0, 1, 1, 2])
    for metric, f in ((Precision(), reference.precision_score), (Recall(), reference.recall_score), (F1(), reference.f1_score)):
        expected = f(labels, scores.argmax(1), average="macro", labels=range(4), zero_division=0)
        assert metric(scores, labels) == pytest.approx(expected)
    assert np.isnan(AUC()(np.ones(3), np.ones(3)))
    assert R2()(np.ones(3), np.ones(3)) == 1 and R2()(np.zeros(3), np.ones(3)) == 0


@pytest.mark.parametrize(
    "metric, output, target",
    [
        (Accuracy(), np.zeros((4, 3)), np.zeros(5)),
        (TopK(), np.zeros(4), np.zeros(4)),
        (Perplexity(), np.zeros(4), np.zeros(4)),
        (MSE(), np.zeros((4, 2)), np.zeros(4)),
        (R2(), np.zeros(3), np.zeros(4)),
    ],
)
def test_shapes_that_do_not_fit(metric, output, target):
    with pytest.raises(ShapeError, match=metric.name):
        metric(output, target)


def test_bad_arguments():
    with pytest.raises(ArgumentError, match="labels from 0 to 7"):
        ConfusionMatrix()(SCORES[:8], np.arange(8))
    with pytest.raises(ArgumentError, match="unknown average"):
        F1("weighted")


def test_names():
    def bias(output, target):
        return (output - target).mean()

    assert list(named_metrics("f1")) == ["f1"] and list(named_metrics([TopK(3), bias, "mae"])) == ["top_3", "bias", "mae"]
    assert isinstance(named_metrics({"a": bias})["a"], Mean) and isinstance(named_metrics(F1)["f1"], F1)
    assert named_metrics(bias)["bias"](np.array([2.0]), np.array([1.0])) == 1.0
